"""What the station is asked, and what it is told."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from neokernel.lang import i32, interface, u64
from neokernel.runtime.lend import Lent
from neokernel.runtime.system import Failure


@interface
class Samples(Protocol):
    """Posted: nobody waits for it."""

    def sample(self, tenths: i32) -> Failure | None:
        """A temperature, in tenths of a degree."""
        ...


@interface
class Probes(Protocol):
    def join(self, ring: Lent) -> Failure | None:
        """From now on there are samples in this part of what the caller lends."""
        ...


class Silence(Enum):
    """Why there is no temperature."""

    TOO_LONG = 0


@interface
class Weather(Protocol):
    def above(self, tenths: i32, patience: u64) -> i32 | Silence | Failure:
        """The temperature, once it is above `tenths`; it takes no longer than `patience` microseconds."""
        ...
