"""An interface whose methods are lent memory."""

from __future__ import annotations

from typing import Protocol

from neokernel.lang import interface, u8, u64
from neokernel.runtime.lend import Lent
from neokernel.runtime.system import Failure


@interface
class Store(Protocol):
    def fill(self, into: Lent, first: u8) -> u64 | Failure:
        """Write `first`, `first + 1`, …, around 256: how many bytes."""
        ...

    def sum(self, data: Lent) -> u64 | Failure: ...

    def move(self, source: Lent, target: Lent) -> bool | Failure:
        """Copy the shorter one's length."""
        ...

    def crash(self) -> Failure | None: ...
