"""The time of day."""

from typing import Protocol

from neokernel.lang import interface, u64
from neokernel.runtime.system import Failure


@interface
class Clock(Protocol):
    """Time that never runs backwards, as long as its server lives."""

    def now(self) -> u64 | Failure:
        """Nanoseconds since 1970 began, UTC, as the device has it: look at the machine's ticks for short times."""
        ...
