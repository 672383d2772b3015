"""A Goldfish real-time clock ("Goldfish Virtual Hardware", Android Open Source Project; QEMU's `virt` has one).

Knows nothing of processes: `registers` are wherever the caller mapped them. The device's alarm isn't used.

Invariants: what `now` gives never runs backwards, whatever the device says; each call ends after three accesses.
"""

from neokernel.lang import struct, u32, u64, wire


@wire(registers=True)
class Registers:
    """Nanoseconds since 1970. A read of `low` keeps `high` as it was then, so the two belong together."""

    low: u32
    high: u32
    alarm_low: u32
    alarm_high: u32
    interrupt_enable: u32
    clear_alarm: u32
    alarm_status: u32
    clear_interrupt: u32


@struct
class Rtc:
    """`begin` comes first."""

    registers: Registers
    latest: u64 = 0
    #: how often the device said an earlier time than before
    backwards: u64 = 0

    def begin(self) -> None:
        """No alarm of an earlier driver's goes off."""
        self.registers.interrupt_enable = 0
        self.registers.clear_alarm = 1
        self.registers.clear_interrupt = 1

    def now(self) -> u64:
        low = self.registers.low
        time = u64(self.registers.high) << 32 | u64(low)
        if time < self.latest:
            self.backwards += 1
        else:
            self.latest = time
        return self.latest
