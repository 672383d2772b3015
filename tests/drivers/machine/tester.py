"""Uses a disk and random bytes while another service kills their drivers: says what came of it.

Each block of the disk holds a number that says which block it is, and which of its versions: so one that is in the
wrong place, old, or torn, is found. After a write that wasn't answered, the block may have either version.
"""

from __future__ import annotations

from killing import Killing
from living import resources, starts

from neokernel.interfaces.block import MOST_ENTRIES, BlockDevice, BlockError, Request, put, result_of
from neokernel.interfaces.clock import Clock
from neokernel.interfaces.entropy import MOST_BYTES, Entropy, NoEntropy
from neokernel.interfaces.system import Watch
from neokernel.lang import (
    Array,
    Setting,
    Span,
    Uses,
    array,
    setting,
    slot_of,
    struct,
    u8,
    u32,
    u64,
    uses,
    usize,
    wire,
    wire_view,
    wrapping_add,
    wrapping_mul,
)
from neokernel.runtime import system
from neokernel.runtime.lend import Lent, region
from neokernel.runtime.must import must, must_get
from neokernel.runtime.objects import Console, Power
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure

disk: Uses[BlockDevice] = uses(lend=8 << 20)
entropy: Uses[Entropy] = uses()
clock: Uses[Clock] = uses()
init: Uses[Watch] = uses()
console: Uses[Console] = uses()
power: Uses[Power] = uses()
killing: Uses[Killing] = uses()
#: how often each driver is killed, as the killer has it
kills: Setting[u32] = setting(6)

#: the driver that is killed last, among the services
LAST_DRIVER: u64 = 1
BLOCK = 4096
#: nanoseconds, in the mean
YEAR: u64 = 31_556_952 * 1_000_000_000
SECTORS = 8
BLOCKS = 16
#: where the buffers are in what is lent: half of them in its first frame of 2 MiB, half in its second
BUFFERS = (2 << 20) - BLOCKS // 2 * BLOCK


@wire(registers=True)
class Mark:
    block: u64
    version: u64


@struct
class Tester:
    buffers: Lent
    batch: Lent
    #: of each block the version that was written last, and the one before if that wasn't answered
    written: Array[u64] = array(BLOCKS, 0)
    before: Array[u64] = array(BLOCKS, 0)
    random: u64 = 1
    lost: u64 = 0
    #: versions that were there after all, of writes that weren't answered
    kept: u64 = 0

    def next(self, most: u64) -> u64:
        self.random = wrapping_add(wrapping_mul(self.random, 6364136223846793005), 1442695040888963407)
        return (self.random >> 33) % most

    def buffer(self, number: usize) -> Lent:
        return self.buffers.part(number * BLOCK, BLOCK)

    def fill(self, buffer: Lent, block: u64, version: u64) -> None:
        for place in range(0, BLOCK, 512):
            mark = wire_view(Mark, buffer.part(place, 512).span())
            mark.block, mark.version = block, version

    def check(self, buffer: Lent, block: u64) -> None:
        """All of a block that was read is the block, each sector in a version that it may have."""
        number = usize(block)
        for place in range(0, BLOCK, 512):
            mark = wire_view(Mark, buffer.part(place, 512).span())
            version = mark.version
            assert mark.block == block, "a block that is another one's"
            assert version == self.written[number] or version == self.before[number], "a version that can't be"
            if version != self.written[number]:
                self.kept += 1

    def write(self, block: u64) -> None:
        """A new version of a block, until it is there."""
        number = usize(block)
        version = self.written[number] + 1
        self.before[number], self.written[number] = self.written[number], version
        buffer = self.buffer(0)
        while True:
            self.fill(buffer, block, version)
            failed = disk.write(block * SECTORS, buffer)
            if failed is None:
                break
            assert not isinstance(failed, BlockError) or failed is BlockError.LOST, "an error of the disk"
            self.lose()
        self.before[number] = version

    def lose(self) -> None:
        """A call wasn't answered. The device may still write what it was asked to, until the driver's next life."""
        self.lost += 1
        while isinstance(disk.geometry(), Failure):
            pass

    def read(self, block: u64) -> None:
        buffer = self.buffer(1)
        self.fill(buffer, 0xFFFF, 0)
        failed = disk.read(block * SECTORS, buffer)
        if failed is None:
            self.check(buffer, block)
        else:
            self.lose()

    def read_all(self) -> None:
        """A batch of reads of all blocks, each into its own buffer."""
        for number in range(BLOCKS):
            buffer = self.buffer(number)
            self.fill(buffer, 0xFFFF, 0)
            put(self.batch, number, Request.READ, u64(number) * SECTORS, region(slot_of(disk)), buffer)
        failed = disk.run(self.batch.part(0, BLOCKS * 32))
        if isinstance(failed, Failure):
            self.lose()
            return
        for number in range(BLOCKS):
            result = result_of(self.batch, number)
            if result is None:
                self.check(self.buffer(number), u64(number))
            else:
                assert result is BlockError.LOST, "an error of the disk"
                self.lost += 1

    def write_all(self) -> None:
        """A batch of writes; what isn't answered may be there or not."""
        for number in range(BLOCKS):
            self.before[number] = self.written[number]
            self.written[number] += 1
            self.fill(self.buffer(number), u64(number), self.written[number])
            put(self.batch, number, Request.WRITE, u64(number) * SECTORS, region(slot_of(disk)), self.buffer(number))
        failed = disk.run(self.batch.part(0, BLOCKS * 32))
        while isinstance(failed, Failure) or failed != 0:
            self.lose()
            failed = disk.run(self.batch.part(0, BLOCKS * 32))
        for number in range(BLOCKS):
            self.before[number] = self.written[number]


def main(process: Process) -> None:
    lent = region(slot_of(disk))
    tester = Tester(buffers=lent.part(BUFFERS, BLOCKS * BLOCK), batch=lent.part(0, MOST_ENTRIES * 32))
    geometry = must_get(disk.geometry())
    process.console.write(f"{geometry.sectors} sectors, blocks of {geometry.block}, at most {geometry.most_bytes}\n")
    errors(process, lent)
    time = must_get(clock.now())
    later = must_get(clock.now())
    assert time <= later, "time runs backwards"
    process.console.write(f"the year is about {1970 + time // YEAR}\n")
    tester.write_all()
    seen: Array[u32] = array(256, 0)
    deaths = kills.get(process)
    held = resources(init)
    steps: u64 = 0
    _ = must_get(killing.begin())
    while starts(init, LAST_DRIVER) <= u64(deaths):
        step(tester)
        random_bytes(tester, seen)
        steps += 1
    tester.read_all()
    left = resources(init)
    assert held.memory == left.memory and held.slots == left.slots, "init has less than before"
    failed = disk.flush()
    assert failed is None, "a flush"
    different: u64 = 0
    for count in seen:
        different += 1 if count != 0 else 0
    process.console.write(f"{deaths} kills each, {different} different bytes\n")
    process.console.write(f"{steps} steps, lost {tester.lost}, kept {tester.kept}\n")
    must(system.power_off(slot_of(power), 0))


def step(tester: Tester) -> None:
    match tester.next(6):
        case 0:
            tester.read_all()
        case 1:
            tester.write_all()
        case 2 | 3:
            tester.read(tester.next(BLOCKS))
        case _:
            tester.write(tester.next(BLOCKS))


def random_bytes(tester: Tester, seen: Span[u32]) -> None:
    bytes: Array[u8] = array(MOST_BYTES)
    size = 1 + usize(tester.next(MOST_BYTES))
    filled = entropy.fill(bytes[:size])
    if isinstance(filled, Failure | NoEntropy):
        tester.lost += 1
        return
    assert filled == size
    for byte in bytes[:size]:
        seen[usize(byte)] += 1


def errors(process: Process, lent: Lent) -> None:
    """What can't be done."""
    told(process, "beyond the end", disk.read(1 << 40, lent.part(0, 512)))
    told(process, "no whole block", disk.write(0, lent.part(0, 100)))
    told(process, "nothing", disk.read(0, lent.part(0, 0)))
    told(process, "discard", disk.discard(0, 8))
    told(process, "zeroes", disk.write_zeroes(0, 8))
    batch = lent.part(64 << 10, 64)
    put(batch, 0, Request.READ, 0, lent, lent.part(0, 512))
    put(batch, 1, Request.READ, 0, lent, Lent(lent.address + lent.length, 512))
    failed = must_get(disk.run(batch))
    result = result_of(batch, 1)
    assert result is not None and result_of(batch, 0) is None
    process.console.write(f"of a batch: {failed} failed, {result.name}\n")


def told(process: Process, what: str, failed: BlockError | Failure | None) -> None:
    if failed is None:
        process.console.write(f"{what}: done\n")
    elif isinstance(failed, BlockError):
        process.console.write(f"{what}: {failed.name}\n")
    else:
        process.console.write(f"{what}: {failed.status.name}\n")
