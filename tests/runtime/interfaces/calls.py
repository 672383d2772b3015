"""An interface with every kind of parameter and result."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Protocol

from neokernel.lang import Given, Span, f64, i8, i64, interface, u8, u16, u32, u64, up_to, usize, value
from neokernel.runtime.objects import Notification
from neokernel.runtime.system import Failure

LONGEST = 64


class Level(Enum):
    LOW = 0
    HIGH = 1
    ODD = 7


class Trouble(Enum):
    FULL = 1
    SIGNED = -5


@value
class Place:
    row: u16
    column: i8
    level: Level
    inside: bool


@value
class Missing:
    """An error that says more."""

    key: u32
    tried: u8


@interface
class Calls(Protocol):
    """A server of all sorts."""

    def add(self, a: u64, b: u64) -> u64 | Failure:
        """The sum, around 2^64."""
        ...

    def moved(self, place: Place, by: i8) -> Place | Trouble | Failure: ...

    def halved(self, number: f64) -> f64 | Failure: ...

    def many(self, a: u64, b: u8, c: i64, d: bool, e: Level, f: u32) -> i64 | Missing | Trouble | Failure: ...

    def write(self, level: Level, text: Annotated[str, up_to(LONGEST)]) -> u32 | Failure: ...

    def join(
        self, left: Annotated[bytes, up_to(LONGEST * 2)], number: u64, right: Annotated[bytes, up_to(9)]
    ) -> u64 | Failure: ...

    def read(self, first: u8, into: Annotated[Span[u8], up_to(LONGEST)]) -> usize | Trouble | Failure: ...

    def tell(self, whom: Notification, whom_too: Given[Notification]) -> Failure | None: ...

    def fresh(self, wanted: bool) -> Given[Notification] | Failure | None: ...
