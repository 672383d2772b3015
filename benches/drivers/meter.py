"""Reads and writes a disk, and says what that takes from the call to its answer: all instructions but the idler's."""

from __future__ import annotations

from counting import Count, Counting

from neokernel.interfaces.block import BlockDevice, Request, put
from neokernel.interfaces.entropy import Entropy, NoEntropy
from neokernel.lang import Array, Uses, array, slot_of, u8, u64, uses, usize, wire_view
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

ROUNDS: u64 = 64
BATCH: usize = 16
BLOCK: usize = 4096
LARGE: usize = 256 << 10


def others() -> u64:
    """Instructions that were executed so far, but for the idler's."""
    return system.instructions() - wire_view(Count, region(slot_of(counting)).span()).own


def main(process: Process) -> None:
    lent = region(slot_of(disk))
    block = lent.part(0, BLOCK)
    must(reads(block, ROUNDS))
    before = others()
    must(reads(block, ROUNDS))
    read = (others() - before) // ROUNDS
    before = others()
    for number in range(ROUNDS):
        assert disk.write(number * 8, block) is None
    write = (others() - before) // ROUNDS
    before = others()
    for _ in range(ROUNDS // 4):
        for part in range(u64(4)):
            assert disk.read(part * 512, lent) is None
    large = (others() - before) // (ROUNDS // 4)
    before = others()
    for _ in range(ROUNDS // 4):
        for part in range(u64(4)):
            assert disk.write(part * 512, lent) is None
    large_write = (others() - before) // (ROUNDS // 4)
    batched = batches(lent)
    bytes: Array[u8] = array(256)
    before = others()
    for _ in range(ROUNDS):
        filled = entropy.fill(bytes)
        assert not isinstance(filled, Failure | NoEntropy), "random bytes"
    random = (others() - before) // ROUNDS
    process.console.write(f"= read {read}\n= write {write}\n= large {large}\n= large_write {large_write}\n")
    process.console.write(f"= batched {batched}\n= random {random}\n")
    must(system.power_off(slot_of(power), 0))


def reads(block: Lent, rounds: u64) -> Failure | None:
    for number in range(rounds):
        failed = disk.read(number * 8, block)
        if isinstance(failed, Failure):
            return failed
    return None


def batches(lent: Lent) -> u64:
    """Of each read, of 16 at a time."""
    batch = lent.part(LARGE - 4096, BATCH * 32)
    before = others()
    for round in range(ROUNDS // 16):
        for number in range(BATCH):
            part = lent.part(number * BLOCK, BLOCK)
            put(batch, number, Request.READ, (round * BATCH + number) * 8, lent, part)
        assert must_get(disk.run(batch)) == 0
    return (others() - before) // (ROUNDS // 16 * BATCH)
