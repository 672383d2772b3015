"""An interface for random messages."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Protocol

from neokernel.lang import Span, i16, interface, u8, u16, u32, u64, up_to, usize, value
from neokernel.runtime.system import Failure


class Shape(Enum):
    POINT = 0
    LINE = 2
    CIRCLE = 7
    SQUARE = 8


@value
class Wrong:
    corners: u32
    shape: Shape


@interface
class Shapes(Protocol):
    def number(self, a: u8, b: i16, c: bool) -> u32 | Failure: ...

    def shape(self, shape: Shape, corners: u32) -> Shape | Wrong | Failure: ...

    def text(self, text: Annotated[str, up_to(24)], more: Annotated[bytes, up_to(9)]) -> usize | Failure: ...

    def fill(self, into: Annotated[Span[u8], up_to(25)]) -> usize | Wrong | Failure: ...

    def many(self, a: u64, b: Wrong, c: u16, d: bool, e: Shape) -> Failure | None: ...
