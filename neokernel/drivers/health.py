"""How much a driver puts up with: a device that fails is reset, and its driver ends if that has happened too often.

A driver's end is init's affair: it is started again, later and later, and given up in the end, as its policy says. What
is counted here is of one life.
"""

from enum import Enum

from neokernel.lang import struct, u32

#: resets of one life
MOST_RESETS = 8
#: interrupts in a row with which nothing came
MOST_IDLE = 1_000


class Verdict(Enum):
    """What to do about a device."""

    GO_ON = 0
    RESET = 1
    END = 2


@struct
class Health:
    resets: u32 = 0
    idle: u32 = 0
    late: u32 = 0

    def interrupted(self) -> None:
        """An interrupt has come."""
        self.idle += 1

    def progress(self) -> None:
        """The device has done something that it was asked for."""
        self.idle, self.late = 0, 0

    def tick(self, busy: bool) -> bool:
        """A time is over in which a device does anything. Is it late: busy for all of it?"""
        self.late = self.late + 1 if busy else 0
        return self.late > 1

    def verdict(self, failed: bool) -> Verdict:
        """After an interrupt, or when the device is late."""
        if not failed and self.idle <= MOST_IDLE:
            return Verdict.GO_ON
        self.idle, self.late = 0, 0
        self.resets += 1
        return Verdict.RESET if self.resets <= MOST_RESETS else Verdict.END
