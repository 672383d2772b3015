"""Serves `Office`, takes `Jobs` and posts `News`."""

from __future__ import annotations

from jobs import Jobs, Kind, News, Office

from neokernel.abi.boot import OWN_THREAD
from neokernel.abi.kinds import Kind as ObjectKind
from neokernel.abi.operations import Binding
from neokernel.abi.rights import SIGNAL
from neokernel.lang import Array, Posts, Provides, Takes, array, i8, i64, posts, provides, struct, takes, u8, u32, u64
from neokernel.runtime import system
from neokernel.runtime.lend import Lent
from neokernel.runtime.must import must, must_get
from neokernel.runtime.objects import Notification
from neokernel.runtime.post import is_ring
from neokernel.runtime.process import Process
from neokernel.runtime.ring import Broken
from neokernel.runtime.system import Failure

office: Provides[Office] = provides()


@struct
class Clerk:
    """Opens once."""

    process: Process
    own: u64
    jobs: Lent = Lent(0, 0)
    news: Lent = Lent(0, 0)
    wake: u64 = 0

    def open(self, jobs: Lent, news: Lent, wake: Notification) -> Notification | None:
        if self.wake != 0 or not is_ring(jobs) or not is_ring(news):
            must(self.process.drop(wake.slot))
            return None
        self.jobs, self.news, self.wake = jobs, news, wake.slot
        # Whatever was posted before anybody looked: so `serve_until_signals` ends.
        must(system.signal(self.own))
        return Notification(must_get(self.process.derive(self.own, SIGNAL)))


@struct
class Worker:
    news: Posts[News]
    bytes: Array[u8] = array(64)
    stopped: bool = False

    def start(self, number: u64, kind: Kind, offset: i8, data: Lent) -> None:
        size = min(data.length, 64)
        data.read(0, self.bytes[:size])
        found: i64 = 0
        for byte in self.bytes[:size]:
            found = found + i64(u64(byte)) if kind is Kind.SUM else max(found, i64(u64(byte)))
        result = u64(found + i64(offset))
        must(self.news.finished(number, result, result > 1000))

    def stop(self) -> None:
        self.stopped = True


def main(process: Process) -> None:
    own = must_get(process.make(ObjectKind.NOTIFICATION))
    must(system.bind(process.buffer, OWN_THREAD, Binding.NOTIFICATION, own))
    reply = must_get(process.make(ObjectKind.REPLY))
    clerk = Clerk(process=process, own=own)
    while clerk.wake == 0:
        _ = must_get(office.serve_until_signals(process, clerk, reply))
    work(process, clerk, reply)


def work(process: Process, clerk: Clerk, reply: u64) -> None:
    """Take jobs until told to stop; between them, calls are answered."""
    news: Posts[News] = posts(clerk.news, clerk.wake)
    jobs: Takes[Jobs] = takes(clerk.jobs, clerk.wake)
    worker = Worker(news=news)
    while not worker.stopped:
        taken = jobs.take(worker, u32(8))
        assert not isinstance(taken, Broken), "the ring is in order"
        if taken != 0 or worker.stopped:
            continue
        sleeps = jobs.may_sleep()
        assert not isinstance(sleeps, Broken), "the ring is in order"
        if sleeps:
            _ = must_get(office.serve_until_signals(process, clerk, reply))
    must(news.stopped(jobs.refused(), 9))
    # The client hears of it by its ring: this process has nothing more to do.
    while True:
        found = office.serve_until_signals(process, clerk, reply)
        assert not isinstance(found, Failure)
