"""Reads and writes a disk, and says what that takes from the call to its answer: all instructions but the idler's."""

from __future__ import annotations

from counting import Count, Counting

from neokernel.interfaces.block import SECTOR, BlockDevice, Request, put
from neokernel.interfaces.entropy import Entropy, NoEntropy
from neokernel.lang import Array, Uses, array, saturating_sub, slot_of, struct, u8, u64, uses, usize, wire_view
from neokernel.runtime import system
from neokernel.runtime.lend import Lent, region
from neokernel.runtime.must import must, must_get
from neokernel.runtime.objects import Console, Power
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure

disk: Uses[BlockDevice] = uses(lend=256 << 10)
counting: Uses[Counting] = uses(lend=4096)
entropy: Uses[Entropy] = uses()
console: Uses[Console] = uses()
power: Uses[Power] = uses()

ROUNDS = 64
#: of the disk
SECTORS = 2048
BATCH: usize = 16
BLOCK: usize = 4096
LARGE: usize = 256 << 10


def others() -> u64:
    """Instructions that were executed so far, but for the idler's."""
    return system.instructions() - wire_view(Count, region(slot_of(counting)).span()).own


def since(before: u64) -> u64:
    """What was executed since `others` said so; none, if QEMU's counter stepped back, which a median doesn't mind."""
    return saturating_sub(others(), before)


@struct
class Samples:
    """What each of some requests took, in order of size."""

    numbers: Array[u64] = array(ROUNDS, 0)
    count: usize = 0

    def add(self, number: u64) -> None:
        place = self.count
        while place > 0 and self.numbers[place - 1] > number:
            self.numbers[place] = self.numbers[place - 1]
            place -= 1
        self.numbers[place] = number
        self.count += 1

    def median(self) -> u64:
        return self.numbers[self.count // 2]


def main(process: Process) -> None:
    lent = region(slot_of(disk))
    block = lent.part(0, BLOCK)
    transfers(process, "warm", Request.READ, block, ROUNDS, 1)
    transfers(process, "read", Request.READ, block, ROUNDS, 1)
    transfers(process, "write", Request.WRITE, block, ROUNDS, 1)
    transfers(process, "large", Request.READ, lent, 16, 4)
    transfers(process, "large_write", Request.WRITE, lent, 16, 4)
    batches(process, lent)
    bytes: Array[u8] = array(256)
    samples = Samples()
    for _ in range(ROUNDS):
        before = others()
        filled = entropy.fill(bytes)
        assert not isinstance(filled, Failure | NoEntropy), "random bytes"
        samples.add(since(before))
    process.console.write(f"= random {samples.median()}\n")
    must(system.power_off(slot_of(power), 0))


def transfers(process: Process, name: str, kind: Request, data: Lent, rounds: usize, calls: u64) -> None:
    """`calls` requests, one after the other: what they take together."""
    samples = Samples()
    for round in range(rounds):
        before = others()
        for call in range(calls):
            sector = (u64(round) % 4 * calls + call) * u64(data.length) // SECTOR % SECTORS
            failed = disk.read(sector, data) if kind is Request.READ else disk.write(sector, data)
            assert failed is None, "a disk that works"
        samples.add(since(before))
    process.console.write(f"= {name} {samples.median()}\n")


def batches(process: Process, lent: Lent) -> None:
    """Of each read, of 16 at a time."""
    batch = lent.part(LARGE - 4096, BATCH * 32)
    samples = Samples()
    for round in range(u64(16)):
        before = others()
        for number in range(BATCH):
            part = lent.part(number * BLOCK, BLOCK)
            put(batch, number, Request.READ, (round + number) * 8, lent, part)
        assert must_get(disk.run(batch)) == 0
        samples.add(since(before) // BATCH)
    process.console.write(f"= batched {samples.median()}\n")
