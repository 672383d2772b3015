"""The disk's server under CPython, above a model of the device: what its clients are told."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from neokernel import lang
from neokernel.abi.status import Status
from neokernel.drivers.disk.main import Server
from neokernel.drivers.health import MOST_IDLE, MOST_RESETS
from neokernel.drivers.virtio import mmio
from neokernel.drivers.virtio.block import Block, Config
from neokernel.drivers.virtio.mmio import Registers, Transport
from neokernel.drivers.virtio.queue import Queue
from neokernel.interfaces.block import BlockError
from neokernel.lang import u32, u64, usize
from neokernel.runtime import system
from neokernel.runtime.system import Failure
from tests.drivers import disk_bench
from tests.drivers.virtio_device import PAGE, Bus, Disk

SECTORS, PATIENCE = 256, 1000
DONE, LOST = 0, 1 + BlockError.LOST.value
PAGES = 4


class Machine:
    """The server with its disk; time passes while it sleeps. `work`: what the device does then."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0
        self.disk = Disk(Bus(), SECTORS)
        self.work: Callable[[], None] = self.disk.work
        memory, address = self.disk.bus.page()
        block = Block(
            transport=Transport(registers=lang.wire_over(Registers, self.disk)),
            queue=Queue(descriptors=self.disk.descriptors, rings=self.disk.rings),
            config=lang.wire_over(Config, self.disk, int(mmio.CONFIG)),
            memory=memory,
            address=u64(address),
        )
        server: Any = Server(block=block, patience=u64(PATIENCE))
        for number, place in enumerate(self.disk.places):
            server.pages.addresses[usize(number)] = u64(place)
        self.lent = [self.disk.bus.page()[1] for _ in range(PAGES - 1)]
        # The last two are neighbours on the bus.
        self.lent.append(self.lent[-1] + PAGE)
        self.disk.bus.pages[self.lent[-1]] = bytearray(PAGE)
        for number, page in enumerate(self.lent):
            server.reach.frames[usize(number)] = u64(page)
        server.reach.count = usize(PAGES)
        self.server = server
        self.bench: Any = disk_bench.Bench(server=server)
        monkeypatch.setattr(system, "now", lambda: u64(self.now))
        monkeypatch.setattr(system, "wait", self.wait)
        monkeypatch.setattr(system, "acknowledge", lambda _: None)
        self.bench.begin()

    def wait(self, _: Any, deadline: Any) -> Any:
        self.work()
        self.now += 1
        if self.disk.interrupts:
            return u64(1)
        self.now = max(self.now, int(deadline))
        return Failure(Status.TIMED_OUT, u64(0))

    def call(self, number: int, writes: bool, sector: int, offset: int, length: int = 512) -> None:
        self.bench.call(usize(number), writes, u64(sector), u64(offset), u64(length))

    def results(self) -> list[int]:
        return [int(result) for result in self.bench.results.view()]

    def finish(self, turns: int = 40) -> list[int]:
        """Until no call waits: how each has ended."""
        for _ in range(turns):
            if not self.bench.group.living:
                break
            self.bench.turn()
        assert not self.bench.group.living, "a call that never ends"
        jobs = [bool(job.used) for job in self.server.jobs]
        assert not any(jobs) and int(self.server.block.queue.in_flight) == 0, "nothing is left of them"
        return self.results()


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> Machine:
    return Machine(monkeypatch)


def test_many_calls_at_once(machine: Machine) -> None:
    for number in range(8):
        machine.disk.bus.write(machine.lent[0] + number * 512, bytes([number + 1]) * 512)
        machine.call(number, True, number * 8, number * 512)
    assert machine.finish() == [DONE] * 8 and machine.disk.notified <= 2, "told of once"
    assert [machine.disk.content[number * 4096] for number in range(8)] == list(range(1, 9))


def test_what_is_lent_needn_t_lie_together(machine: Machine) -> None:
    machine.disk.content[:] = bytes(place // 512 % 251 for place in range(len(machine.disk.content)))
    machine.call(0, False, 3, 512, 2 * PAGE)
    assert machine.finish()[0] == DONE
    read = machine.disk.bus.read(machine.lent[0] + 512, PAGE - 512)
    read += machine.disk.bus.read(machine.lent[1], PAGE) + machine.disk.bus.read(machine.lent[2], 512)
    assert read == machine.disk.content[3 * 512 : 3 * 512 + 2 * PAGE]


@pytest.mark.parametrize(("most", "parts"), [(PAGE, 3), (2 * PAGE - 1, 3), (2 * PAGE, 2), (1 << 20, 2)])
def test_what_lies_together_is_one_part_unless_the_device_wants_less(machine: Machine, most: int, parts: int) -> None:
    machine.disk.configure(8, most, 4)
    machine.server.begin()
    found: list[int] = []

    def work() -> None:
        for chain in machine.disk.chains():
            found.append(len(chain.writes) - 1)
            machine.disk.perform(chain)

    machine.work = work
    machine.call(0, False, 0, PAGE, 3 * PAGE)
    assert machine.finish()[0] == DONE and found == [parts]


def test_wrong_calls_end_at_once(machine: Machine) -> None:
    machine.call(0, False, SECTORS, 0)
    machine.call(1, True, 0, 0, 100)
    assert machine.finish(2)[:2] == [1 + BlockError.RANGE.value, 1 + BlockError.BLOCKS.value]
    assert machine.disk.notified == 0


def test_a_lie_loses_what_is_in_flight_and_nothing_after_it(machine: Machine) -> None:
    def lie() -> None:
        if list(machine.disk.chains()):
            machine.disk.give_back(200, 1)
            machine.work = machine.disk.work

    machine.work = lie
    for number in range(8):
        machine.call(number, number % 2 == 0, number, number * 512)
    assert machine.finish() == [LOST] * 8
    assert int(machine.server.block.health.resets) == 1
    for number in range(8):
        machine.call(number, False, number, number * 512)
    assert machine.finish() == [DONE] * 8


def test_a_device_that_never_answers_is_reset_and_then_given_up(machine: Machine) -> None:
    machine.work = lambda: None
    for resets in range(int(MOST_RESETS)):
        before = machine.now
        machine.call(0, False, 0, 0)
        assert machine.finish()[0] == LOST and int(machine.server.block.health.resets) == resets + 1
        assert PATIENCE < machine.now - before < 2 * PATIENCE
    machine.call(0, False, 0, 0)
    with pytest.raises(AssertionError, match="the device has failed too often"):
        machine.finish()


def test_interrupts_that_never_stop_end_the_driver(machine: Machine) -> None:
    def storm() -> None:
        machine.disk.interrupts = int(mmio.USED)

    machine.work = storm
    turns = 0

    def go_on() -> None:
        nonlocal turns
        while turns < 20_000:
            turns += 1
            machine.bench.turn()

    with pytest.raises(AssertionError, match="the device has failed too often"):
        go_on()
    assert turns > int(MOST_IDLE * (MOST_RESETS + 1))


def test_one_completion_that_is_missing_holds_up_nobody_else(machine: Machine) -> None:
    held: list[Any] = []

    def work() -> None:
        for chain in machine.disk.chains():
            if not held:
                held.append(chain)
            else:
                machine.disk.perform(chain)

    machine.work = work
    for number in range(4):
        machine.call(number, False, number, number * 512)
    for _ in range(3):
        machine.bench.turn()
    assert machine.results()[:4] == [disk_bench.WAITS, DONE, DONE, DONE]
    assert machine.finish()[0] == LOST, "late, after all"
    assert u32(machine.server.crowded) == 0
