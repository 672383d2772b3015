"""A program and the network service's core, plugged together: both under CPython in one process, without a machine.

They reach one another by the rings alone (`plugged.py` has the parts that are target code). A tick is a microsecond, as
in the core, and time passes when a test says so.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from neokernel import lang
from neokernel.interfaces.clients.attending import listen_again, look
from neokernel.interfaces.clients.socket import Socket
from neokernel.interfaces.clients.sockets import BUFFERS_AT, NEWS_AT, NEWS_SIZE, ORDERS_AT, ORDERS_SIZE, Net
from neokernel.lang.sequences import window
from neokernel.lang.shapes import shape_of
from neokernel.runtime import lend, system
from neokernel.runtime.executor import Executor
from neokernel.runtime.hashing import Seed
from neokernel.runtime.process import Process
from neokernel.services.network.address import Address, LinkAddress
from neokernel.services.network.exchange import Exchange
from neokernel.services.network.grants import Grant, Protocol, Verb
from neokernel.sim.loopback import Loopback
from tests.network import plugged

CLIENT = lang.u32(1)
EACH, PAIRS = 2048, 12
NEVER = (1 << 64) - 1
SECOND = 1_000_000


def core() -> Any:
    """A service's core, whose client may do all. CPython takes seconds to make it, so tests share one."""
    made: Any = Exchange()
    made.client = CLIENT
    made.network.begin(LinkAddress(lang.u64(1)), Seed(lang.u64(1), lang.u64(2)))
    for protocol in Protocol:
        for verb in Verb:
            grant = Grant(verb, protocol, Address(lang.u32(0)), lang.u32(0), lang.u16(1), lang.u16(0xFFFF))
            assert made.network.grants[lang.usize(CLIENT)].add(grant)
    return made


class Plugged:
    """`net`: the program's sockets; `program`: its tasks, a group of them."""

    def __init__(self, machine: Any, process: Any, exchange: Any) -> None:
        self.machine, self.exchange = machine, exchange
        self.memory = bytearray(BUFFERS_AT + 2 * EACH * PAIRS)
        machine.map(process, lend.LENDS_ADDRESS, self.memory)
        process.frequency = lang.u64(SECOND)
        whole = lend.Lent(lang.u64(lend.LENDS_ADDRESS), lang.usize(len(self.memory)))
        span: Any = lang.Span
        places = window(span, [Socket() for _ in range(PAIRS)], 0, PAIRS, shape_of(lang.Embedded[Socket]))
        self.net: Any = Net(executor=Executor(), slot=lang.u64(9), sockets=places, each=lang.u32(EACH), whole=whole)
        # An hour after the test before, so that what that has left is over.
        self.net.executor.now = exchange.now + 3600 * SECOND
        self.program: Any = plugged.Program(net=self.net)
        self.begin()

    @property
    def region(self) -> Any:
        """What the service knows of the client's memory."""
        return self.exchange.network.tcp.buffers.regions[lang.usize(CLIENT)]

    @property
    def now(self) -> int:
        return int(self.net.executor.now)

    def begin(self) -> None:
        """A life of the service, which knows nothing of the one before."""
        self.machine.placed.clear()
        self.exchange.network.forget(CLIENT)
        self.region.attach(lang.byte_span(self.memory)[BUFFERS_AT:], lang.usize(EACH))
        part = self.net.part
        self.service: Any = plugged.Service(
            exchange=self.exchange, orders=part(ORDERS_AT, ORDERS_SIZE), news=part(NEWS_AT, NEWS_SIZE)
        )

    def restart(self) -> None:
        """The service ends and begins anew, and the library finds out, twice: then its listeners listen again."""
        self.begin()
        look(self.net)
        listen_again(self.net)

    def spawn(self, kind: Any, port: int = 7, until: int = NEVER) -> None:
        assert self.program.spawn(kind, lang.u16(port), lang.u64(until))

    def run(self) -> None:
        """Let the program's tasks go on."""
        self.net.executor.look()
        self.program.group.run(self.net.executor)
        self.net.flush()

    def work(self) -> None:
        """A turn of the service: orders, its talk with itself, and news, which nobody has looked at yet."""
        network = self.exchange.network
        self.exchange.now = self.net.executor.now
        self.service.take(lang.u32(64))
        if network.deadline() <= self.exchange.now:
            network.advance(self.exchange.now)
        frame = lang.byte_span(bytearray(1600))
        while network.has_output(self.exchange.now):
            network.fetch(frame, self.exchange.now)
        self.service.tell()

    def settle(self) -> None:
        """All that there is to do now."""
        for _ in range(6):
            self.run()
            self.work()
            self.net.catch_up()

    def rest(self, seconds: float) -> None:
        """Time passes, a tenth of a second after the other."""
        for _ in range(round(seconds * 10)):
            self.net.executor.now += SECOND // 10
            self.run()
            self.work()
            self.net.catch_up()

    def connection(self, stream: Any) -> Any:
        """What the service knows of it."""
        number = int(self.net.stream_of(stream).number)
        return self.exchange.network.tcp.connections.at(lang.usize(number & 0xFFFF_FFFF))


@contextmanager
def plugged_in(exchange: Any) -> Iterator[Plugged]:
    with Loopback() as machine, pytest.MonkeyPatch.context() as patch:
        process = machine.process(Process)
        with machine.running(process):
            made = Plugged(machine, process, exchange)
            patch.setattr(system, "now", lambda: made.net.executor.now)
            # What the library does to open anew is `begin`'s here.
            patch.setattr(Net, "open", lambda net, process: None)
            yield made
