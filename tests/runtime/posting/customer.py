"""Posts jobs to `Office`, more than the ring holds, and takes the news."""

from __future__ import annotations

from jobs import Jobs, Kind, News, Office

from neokernel.abi.kinds import Kind as ObjectKind
from neokernel.abi.rights import SIGNAL
from neokernel.lang import (
    Array,
    Posts,
    Takes,
    Uses,
    array,
    i8,
    outbox_of,
    posts,
    slot_of,
    struct,
    takes,
    truncate,
    u8,
    u32,
    u64,
    uses,
    usize,
)
from neokernel.runtime import system
from neokernel.runtime.lend import region
from neokernel.runtime.must import must, must_get
from neokernel.runtime.objects import Notification
from neokernel.runtime.post import SLOTS
from neokernel.runtime.process import Process
from neokernel.runtime.ring import Broken
from neokernel.runtime.system import Failure

office: Uses[Office] = uses(lend=8 << 10)

JOBS: u64 = 500
#: on the way at most
FLYING: u64 = 24


@struct
class Reader:
    """What came back, in order."""

    next: u64 = 0
    total: u64 = 0
    large: u64 = 0
    refused: u64 = 0
    end: bool = False

    def finished(self, number: u64, result: u64, large: bool) -> None:
        assert number == self.next and large == (result > 1000)
        self.next += 1
        self.total += result
        self.large += 1 if large else 0

    def stopped(self, refused: u64, first: u8) -> None:
        self.refused = refused
        self.end = first == 9


def main(process: Process) -> None:
    whole = region(slot_of(office))
    data = whole.part(4096, 64)
    bytes: Array[u8] = array(64)
    for place in range(usize(64)):
        bytes[place] = truncate(u8, place * 5)
    data.write(0, bytes.bytes())
    wake = must_get(process.make(ObjectKind.NOTIFICATION))
    worker = office.open(whole.part(0, 1024 + 128), whole.part(2048, 2048), copy_of(process, wake))
    assert isinstance(worker, Notification)
    jobs: Posts[Jobs] = posts(whole.part(0, SLOTS + 1024), worker.slot)
    news: Takes[News] = takes(whole.part(2048, SLOTS + 1920), worker.slot)
    reader = Reader()
    posted: u64 = 0
    waits: u64 = 0
    while reader.next < JOBS:
        while posted < JOBS and posted - reader.next < FLYING:
            kind = Kind.SUM if posted % 2 == 0 else Kind.LARGEST
            failure = jobs.start(posted, kind, i8(posted % 100), data.part(posted % 10, 20))
            if failure is not None:
                break
            posted += 1
        taken = news.take(reader, u32(16))
        assert not isinstance(taken, Broken)
        if taken == 0 and reader.next < JOBS:
            sleeps = news.may_sleep()
            assert not isinstance(sleeps, Broken)
            if sleeps:
                waits += 1
                _ = must_get(system.wait(wake))
    process.console.write(f"{reader.next} jobs, {reader.total} in all, {reader.large} large\n")
    spoil(process, jobs)
    must(jobs.stop())
    while not reader.end:
        assert not isinstance(news.take(reader, u32(1)), Broken)
        sleeps = news.may_sleep()
        assert not isinstance(sleeps, Broken)
        if sleeps and not reader.end:
            _ = must_get(system.wait(wake))
    process.console.write(f"{reader.refused} refused, {news.refused()} here; waited: {waits != 0}\n")


def spoil(process: Process, jobs: Posts[Jobs]) -> None:
    """What no poster writes: another word, a number too large, memory beyond the region."""
    for wrong in range(u64(4)):
        slot = outbox_of(jobs).next()
        assert not isinstance(slot, Failure)
        word = slot.word
        slot.word = word + 1 if wrong == 0 else word + (1 << 32) if wrong == 1 else word
        member: u64 = 4 if wrong == 2 else 5
        slot.w1 = member
        slot.w2 = 0
        slot.w3 = 1
        slot.w4 = 8192
        must(outbox_of(jobs).hand_over())
    process.console.write("spoilt\n")


def copy_of(process: Process, wake: u64) -> Notification:
    return Notification(must_get(process.derive(wake, SIGNAL)))
