"""The driver of disks against a model of one: well-behaved, odd, and hostile."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neokernel import lang
from neokernel.drivers.virtio import block as driver_module
from neokernel.drivers.virtio import mmio
from neokernel.drivers.virtio.block import REQUESTS, Block, Config, State
from neokernel.drivers.virtio.mmio import Problem, Registers, Transport
from neokernel.drivers.virtio.queue import Broken, Queue
from neokernel.interfaces.block import BlockError, Request
from neokernel.lang import u8, u16, u32, u64, usize
from tests.drivers import fuzz, hostile_disk
from tests.drivers.virtio_device import PAGE, Bus, Disk

SECTORS = 64


class Host:
    """A client's memory, and the driver's calls as the process makes them."""

    def __init__(self, disk: Disk) -> None:
        self.disk = disk
        self.memory, self.address = disk.bus.page()
        _, self.page = disk.bus.page()
        self.block: Any = Block(
            transport=Transport(registers=lang.wire_over(Registers, disk)),
            queue=Queue(descriptors=disk.descriptors, rings=disk.rings),
            config=lang.wire_over(Config, disk, int(mmio.CONFIG)),
            memory=self.memory,
            address=u64(self.address),
        )
        self.client = [disk.bus.page()[1] for _ in range(4)]

    def begin(self) -> Any:
        return self.block.begin(*map(u64, self.disk.places))

    def check(self, kind: Request, sector: int, length: int) -> Any:
        return self.block.check(kind, u64(sector), u64(length))

    def start(self, kind: Request, sector: int, parts: list[tuple[int, int]], length: int | None = None) -> int:
        size = sum(part for _, part in parts) if length is None else length
        assert self.check(kind, sector, size) is None
        assert self.block.has_room(usize(len(parts)))
        index = int(self.block.start(kind, u64(sector), u64(size), u64(0)))
        for address, part in parts:
            self.block.part(u64(address), u32(part))
        self.block.commit()
        return index

    def done(self) -> list[int]:
        """Requests that are done; all is well."""
        found = []
        while (index := self.block.next_done()) is not None:
            assert not isinstance(index, Broken), index
            found.append(int(index))
        return found

    def do(self, kind: Request, sector: int, parts: list[tuple[int, int]], length: int | None = None) -> Any:
        """One request, from its start to its end."""
        index = self.start(kind, sector, parts, length)
        self.block.hand_over()
        self.disk.work()
        assert self.block.interrupted() is None
        assert self.done() == [index]
        return self.block.release(u32(index))


def host(**options: Any) -> Host:
    made = Host(Disk(Bus(), SECTORS, **options))
    assert made.begin() is None
    return made


def test_what_is_written_is_read() -> None:
    machine = host()
    data = bytes(range(256)) * 8
    machine.disk.bus.write(machine.client[0] + 512, data)
    assert machine.do(Request.WRITE, 7, [(machine.client[0] + 512, 2048)]) is None
    assert machine.disk.content[7 * 512 : 11 * 512] == data
    parts = [(machine.client[1], 512), (machine.client[2] + PAGE - 1536, 1536)]
    assert machine.do(Request.READ, 7, parts) is None
    assert b"".join(machine.disk.bus.read(*part) for part in parts) == data


def test_what_has_no_data() -> None:
    machine = host()
    machine.disk.content[:] = b"x" * len(machine.disk.content)
    assert machine.do(Request.WRITE_ZEROES, 8, [], 4 * 512) is None
    assert machine.do(Request.DISCARD, 20, [], 64 * 512 // 4) is None
    assert bytes(machine.disk.content).count(b"x") == len(machine.disk.content) - 20 * 512
    assert machine.do(Request.FLUSH, 0, [], 0) is None and machine.disk.flushes == 1


@pytest.mark.parametrize(
    ("kind", "sector", "length", "wrong"),
    [
        (Request.READ, 64, 512, BlockError.RANGE),
        (Request.READ, 63, 1024, BlockError.RANGE),
        (Request.WRITE, (1 << 64) - 1, 512, BlockError.RANGE),
        (Request.READ, 63, 512, None),
        (Request.READ, 0, 0, BlockError.BLOCKS),
        (Request.READ, 0, 513, BlockError.BLOCKS),
        (Request.READ, 0, 1 << 30, BlockError.TOO_LARGE),
        (Request.DISCARD, 0, 65 * 512, BlockError.TOO_LARGE),
        (Request.WRITE_ZEROES, 0, 33 * 512, BlockError.TOO_LARGE),
        (Request.DISCARD, 60, 5 * 512, BlockError.RANGE),
        (Request.FLUSH, 1 << 60, 0, None),
    ],
)
def test_what_cant_be_done_isnt_tried(kind: Request, sector: int, length: int, wrong: BlockError | None) -> None:
    assert host().check(kind, sector, length) is wrong


def test_a_disk_of_larger_blocks() -> None:
    machine = host(block=4096)
    assert machine.check(Request.READ, 8, 4096) is None
    assert machine.check(Request.READ, 7, 4096) is BlockError.BLOCKS
    assert machine.check(Request.READ, 8, 512) is BlockError.BLOCKS
    assert machine.block.geometry().block == 4096


def test_a_disk_that_can_little() -> None:
    can = driver_module.DISCARD | driver_module.WRITE_ZEROES | driver_module.FLUSH | driver_module.BLOCK_SIZE
    machine = host(without=int(can), most=16)
    assert machine.check(Request.DISCARD, 0, 512) is BlockError.UNSUPPORTED
    assert machine.check(Request.WRITE_ZEROES, 0, 512) is BlockError.UNSUPPORTED
    assert not machine.block.needs_device(Request.FLUSH)
    assert machine.block.geometry().most_bytes == 12 * PAGE
    machine.disk.offered |= int(driver_module.READ_ONLY)
    assert machine.begin() is None
    assert machine.check(Request.WRITE, 0, 512) is BlockError.READ_ONLY
    assert machine.check(Request.READ, 0, 512) is None


@pytest.mark.parametrize(
    ("place", "number", "size"),
    [(0, 1 << 63, 8), (8, 4095, 4), (12, 1, 4), (20, 256, 4), (20, 768, 4), (20, 1 << 17, 4)],
)
def test_a_configuration_that_cant_be(place: int, number: int, size: int) -> None:
    machine = Host(Disk(Bus(), SECTORS))
    machine.disk.configure(place, number, size)
    assert machine.begin() is Problem.CONFIGURATION and machine.disk.status == mmio.FAILED


def test_a_configuration_that_changes_underneath() -> None:
    machine = Host(Disk(Bus(), SECTORS))
    machine.disk.lies[0xFC] = deque([1, 2, 3, 4, 5, 5])
    assert machine.begin() is None
    machine.disk.lies[0xFC].extend(range(100))
    assert machine.begin() is Problem.CONFIGURATION


def test_a_disk_that_grows() -> None:
    machine = host()
    machine.disk.content += bytes(512)
    machine.disk.configure(0, SECTORS + 1, 8)
    machine.disk.interrupts |= int(mmio.CHANGED)
    assert machine.check(Request.READ, SECTORS, 512) is BlockError.RANGE
    assert machine.block.interrupted() is None
    assert machine.check(Request.READ, SECTORS, 512) is None


def test_there_is_room_for_so_many() -> None:
    machine = host()
    started = [machine.start(Request.READ, n, [(machine.client[0], 512)]) for n in range(int(REQUESTS))]
    assert sorted(started) == list(range(int(REQUESTS))) and not machine.block.has_room(usize(1))
    machine.block.hand_over()
    assert machine.disk.notified == 1, "one notification for all"
    machine.disk.work()
    assert sorted(machine.done()) == sorted(started)
    assert not machine.block.has_room(usize(1)), "results wait"
    assert all(machine.block.release(u32(index)) is None for index in started)
    assert machine.block.has_room(usize(1))
    small = host(most=16)
    small.start(Request.READ, 0, [(small.client[0], 512)] * 12)
    assert not small.block.has_room(usize(1))


def test_errors_of_the_disk() -> None:
    machine = host()
    machine.disk.configure(0, 2 * SECTORS, 8)
    assert machine.begin() is None
    assert machine.do(Request.READ, SECTORS, [(machine.client[0], 512)]) is BlockError.DEVICE
    index = machine.start(Request.FLUSH, 0, [], 0)
    machine.block.hand_over()
    (chain,) = machine.disk.chains()
    machine.disk.finish(chain, b"\2")
    assert machine.done() == [index] and machine.block.release(u32(index)) is BlockError.UNSUPPORTED


@pytest.mark.parametrize(
    ("data", "length", "broken"),
    [
        (bytes(512) + b"\3", None, Broken.STATUS),
        (bytes(512), 513, Broken.STATUS),
        (bytes(513), 512, Broken.LENGTH),
        (bytes(513), 0, Broken.LENGTH),
        (bytes(513), 514, Broken.LENGTH),
    ],
)
def test_lies_about_a_read(data: bytes, length: int | None, broken: Broken) -> None:
    """A status that isn't one, or none at all; fewer bytes than there were to be read: the rest would be stale."""
    machine = host()
    index = machine.start(Request.READ, 0, [(machine.client[0], 512)])
    machine.block.hand_over()
    (chain,) = machine.disk.chains()
    machine.disk.finish(chain, data, length)
    assert machine.block.next_done() is broken
    machine.block.abandon()
    assert machine.begin() is None
    assert machine.block.release(u32(index)) is BlockError.LOST
    assert machine.do(Request.WRITE, 1, [(machine.client[0], 512)]) is None


def test_a_request_that_is_late() -> None:
    machine = host()
    assert not machine.block.is_late(u64(1000), u64(10))
    machine.start(Request.FLUSH, 0, [], 0)
    assert machine.block.is_late(u64(11), u64(10)) and not machine.block.is_late(u64(10), u64(10))


@settings(max_examples=60)
@given(st.data())
def test_whatever_the_device_does(data: st.DataObject) -> None:
    """Every request comes to one end, whatever the device writes, says or leaves out."""
    machine = host(most=data.draw(st.sampled_from([8, 16, 256])))
    disk, block = machine.disk, machine.block
    flying: set[int] = set()
    near, any_word = st.integers(0, 9), st.integers(0, (1 << 32) - 1)
    for _ in range(data.draw(st.integers(1, 25))):
        match data.draw(st.integers(0, 7)):
            case 0 | 1 | 2 if block.has_room(usize(1)):
                kind = data.draw(st.sampled_from(list(Request)))
                parts = [(machine.client[0], 512)] if kind in (Request.READ, Request.WRITE) else []
                flying.add(machine.start(kind, data.draw(near), parts, 0 if kind is Request.FLUSH else 512))
                block.hand_over()
            case 3:
                for chain in list(disk.chains())[: data.draw(near)]:
                    room = min(chain.room, data.draw(near) * 100)
                    disk.finish(chain, data.draw(st.binary(min_size=room, max_size=room)), data.draw(near | any_word))
            case 4:
                disk.rings.used_index.number = u16(data.draw(near))
            case 5:
                machine.memory[usize(data.draw(st.integers(0, PAGE - 1)))] = u8(data.draw(st.integers(0, 255)))
            case 6:
                disk.config[data.draw(st.integers(0, 59))] = data.draw(st.integers(0, 255))
                disk.interrupts |= data.draw(near)
            case _:
                broken = block.interrupted()
                while broken is None:
                    index = block.next_done()
                    if index is None:
                        break
                    if isinstance(index, Broken):
                        broken = index
                        break
                    flying.remove(int(index))
                    block.release(index)
                if broken is not None:
                    block.abandon()
                    for index in flying:
                        assert block.release(u32(index)) is BlockError.LOST
                    flying.clear()
                    disk.config[:] = Disk(Bus(), SECTORS).config
                    assert machine.begin() is None
        states = [request.state for request in block.requests]
        assert states.count(State.FLYING) == len(flying) and int(block.spares) == states.count(State.FREE)
        assert int(block.queue.in_flight) == len(flying)


@pytest.mark.parametrize("seed", [1, 2])
def test_a_device_that_answers_at_random_in_two_readings(seed: int) -> None:
    """What holds is asserted in the walk; both readings come across the same."""
    here = fuzz.counted("disk", hostile_disk.walk(u64(seed), u64(150)))
    assert here == fuzz.counted("disk", fuzz.compiled("disk")(seed, 150))
    assert here["resets"] and here["done"] and here["lost"]


def test_random_answers_by_the_thousand() -> None:
    total = fuzz.counted("disk", fuzz.compiled("disk")(3, 100_000))
    assert min(total.values()) > 200, total
