"""A Goldfish clock that says any time, and its driver: in every reading.

What must hold is asserted: time never runs backwards, is what the device says when that is later, and nothing makes a
check of the driver's fail; the device is told nothing but at the beginning.
"""

from __future__ import annotations

from neokernel.drivers.goldfish_rtc import Registers, Rtc
from neokernel.lang import Embedded, replace, struct, truncate, u32, u64, value
from tests.drivers.hostile import Chance

#: what registers hold that the driver has nothing to do with
UNTOUCHED: u32 = 0x5EED


@value
class Seen:
    """What a walk has come across."""

    #: times that the device has said: later ones, the same, and earlier ones
    answers: u64 = 0
    later: u64 = 0
    same: u64 = 0
    earlier: u64 = 0
    #: lives of the driver
    begun: u64 = 0


@struct
class World:
    chance: Embedded[Chance]
    registers: Embedded[Registers] = Registers()
    #: the time that was said last, as the device has it; and the latest that this life of the driver was told
    time: u64 = 0
    latest: u64 = 0
    earlier: u64 = 0

    def say(self) -> u64:
        """A time: later by a little, mostly; the same; one of its halves old or torn; or anything."""
        match self.chance.next(16):
            case 0:
                self.time = u64(self.chance.word()) << 32 | u64(self.chance.next(1 << 31) << 1)
            case 1:
                # As a device has it that doesn't keep `high` while `low` is read.
                self.time = self.time >> 32 << 32 | u64(self.chance.word())
            case 2:
                self.time = self.time >> u64(self.chance.next(64))
            case 3:
                pass
            case 4:
                self.time = ~self.time
            case _:
                step = self.chance.next(1 << 31)
                self.time = self.time + step if self.time < u64(1) << 63 else step
        self.registers.low, self.registers.high = truncate(u32, self.time), u32(self.time >> 32)
        return self.time


def walk(seed: u64, steps: u64) -> Seen:
    """So many times, at random."""
    world = World(chance=Chance(state=seed))
    rtc = Rtc(registers=world.registers)
    seen = Seen()
    begin(world, rtc)
    for _ in range(steps):
        if world.chance.next(16) == 0:
            begin(world, rtc)
            seen = replace(seen, begun=seen.begun + 1)
        said = world.say()
        told = rtc.now()
        assert told == max(said, world.latest), "neither what the device says, nor what it said before"
        seen = replace(
            seen,
            answers=seen.answers + 1,
            later=seen.later + (1 if said > world.latest else 0),
            same=seen.same + (1 if said == world.latest else 0),
            earlier=seen.earlier + (1 if said < world.latest else 0),
        )
        world.earlier += 1 if said < world.latest else 0
        world.latest = told
        assert rtc.backwards == world.earlier, "a step back that isn't counted"
        registers = world.registers
        assert registers.alarm_low == UNTOUCHED and registers.alarm_high == UNTOUCHED, "an alarm that nobody wants"
        assert registers.interrupt_enable == 0 and registers.alarm_status == UNTOUCHED
    return seen


def begin(world: World, rtc: Rtc) -> None:
    """Another life of the driver, with whatever an earlier one has left."""
    registers = world.registers
    registers.alarm_low, registers.alarm_high, registers.alarm_status = UNTOUCHED, UNTOUCHED, UNTOUCHED
    registers.interrupt_enable, registers.clear_alarm, registers.clear_interrupt = world.chance.word(), 0, 0
    rtc.latest, rtc.backwards = 0, 0
    world.latest, world.earlier = 0, 0
    rtc.begin()
    assert registers.interrupt_enable == 0 and registers.clear_alarm == 1 and registers.clear_interrupt == 1
