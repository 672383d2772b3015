"""Reads and writes a disk, has frames go round, and says what that takes: all instructions but the idler's."""

from __future__ import annotations

from counting import Count, Counting

from neokernel.abi.kinds import Kind
from neokernel.interfaces.block import SECTOR, BlockDevice, Request, put
from neokernel.interfaces.clients.frames import (
    BUFFERS_AT,
    BUFFERS_SIZE,
    EVENTS_AT,
    EVENTS_SIZE,
    REGION,
    SENDS_AT,
    SENDS_SIZE,
    Frames,
)
from neokernel.interfaces.entropy import Entropy, NoEntropy
from neokernel.interfaces.network import RECEIVED, NetworkDevice, buffer_slots, event_slots, send_slots
from neokernel.lang import Array, Uses, array, saturating_sub, slot_of, struct, u8, u32, u64, uses, usize, wire_view
from neokernel.runtime import system
from neokernel.runtime.lend import Lent, region
from neokernel.runtime.must import must, must_get
from neokernel.runtime.objects import Console, Power
from neokernel.runtime.post import line_of
from neokernel.runtime.process import Process
from neokernel.runtime.ring import Ring, Role
from neokernel.runtime.system import Failure

disk: Uses[BlockDevice] = uses(lend=256 << 10)
counting: Uses[Counting] = uses(lend=4096)
entropy: Uses[Entropy] = uses()
#: two cards: the driver of one is less urgent than this program, the other one's as urgent
network: Uses[NetworkDevice] = uses(lend=REGION)
level: Uses[NetworkDevice] = uses(lend=REGION)
console: Uses[Console] = uses()
power: Uses[Power] = uses()

ROUNDS = 64
#: rounds of frames that aren't counted
WARM = 16
#: of the disk
SECTORS = 2048
BATCH: usize = 16
BLOCK: usize = 4096
LARGE: usize = 256 << 10
#: frames at a time, and bytes of each
BURST: u64 = 16
FRAME: u32 = 1514


def count() -> Count:
    """What the idler tells."""
    return wire_view(Count, region(slot_of(counting)).span())


def others() -> u64:
    """Instructions that were executed so far, but for the idler's."""
    return system.instructions() - count().own


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

    def mean(self) -> u64:
        total: u64 = 0
        for number in self.numbers[: self.count]:
            total += number
        return total // u64(self.count)


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
    mine = must_get(process.make(Kind.NOTIFICATION))
    packets(process, slot_of(network), mine, "", True)
    packets(process, slot_of(level), mine, "_equal", False)
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


# --- frames -----------------------------------------------------------------------------------------------------------


def packets(process: Process, slot: u64, mine: u64, suffix: str, many: bool) -> None:
    """A network that brings back what is sent."""
    whole = region(slot)
    sends, buffers = whole.part(SENDS_AT, SENDS_SIZE), whole.part(BUFFERS_AT, BUFFERS_SIZE)
    events = whole.part(EVENTS_AT, EVENTS_SIZE)
    frames = Frames(
        region=whole,
        sends=Ring(role=Role.PRODUCER, own=line_of(sends, 0), peer=line_of(sends, 1), slots=send_slots(sends)),
        buffers=Ring(
            role=Role.PRODUCER, own=line_of(buffers, 0), peer=line_of(buffers, 1), slots=buffer_slots(buffers)
        ),
        events=Ring(role=Role.CONSUMER, own=line_of(events, 1), peer=line_of(events, 0), slots=event_slots(events)),
    )
    assert frames.open(process, slot, mine, 0) is None, "a device that works"
    sent, came = Samples(), Samples()
    around(frames, mine, 1, sent, came)
    process.console.write(f"= send{suffix} {sent.mean()}\n= receive{suffix} {came.mean()}\n")
    if many:
        sent, came = Samples(), Samples()
        around(frames, mine, BURST, sent, came)
        process.console.write(f"= send_many {sent.mean()}\n= receive_many {came.mean()}\n")


def around(frames: Frames, mine: u64, burst: u64, sent: Samples, came: Samples) -> None:
    """Frames that go round, so many at a time: what each takes, after some that aren't counted.

    Sending is all from the client's first instruction until the machine has nothing to do: the driver's work, and that
    both fall asleep. Receiving is all from there until the client has the frame. So what is executed is in one of the
    two, once. Their means count, because every sixteenth time buffers are given back.
    """
    told = count()
    for round in range(u64(1) << 32):
        before = system.instructions() - told.own
        for _ in range(burst):
            place = frames.frame()
            assert place is not None, "they come back"
            frames.send(place, FRAME)
        frames.flush()
        idle: u64 = 0
        left = burst
        while left != 0:
            found = frames.next()
            if found is not None:
                assert found.kind == RECEIVED and found.length == FRAME
                frames.give_back(found.place)
                left -= 1
            elif frames.may_sleep():
                _ = system.wait(mine)
                idle = told.others if idle == 0 else idle
        now = system.instructions() - told.own
        # On a slow host a frame is back before the machine has nothing to do.
        if round >= WARM and before <= idle <= now:
            sent.add((idle - before) // burst)
            came.add((now - idle) // burst)
        if sent.count == ROUNDS:
            return
