"""What the desk offers: a call, a call that lends memory, and a ring into which notes are posted."""

from __future__ import annotations

from typing import Protocol

from neokernel.lang import interface, u64
from neokernel.runtime.lend import Lent
from neokernel.runtime.system import Failure


@interface
class Echo(Protocol):
    def same(self, number: u64) -> u64 | Failure: ...


@interface
class Store(Protocol):
    def size(self, data: Lent) -> u64 | Failure: ...


@interface
class Notes(Protocol):
    def note(self, number: u64) -> Failure | None: ...


@interface
class Office(Protocol):
    def open(self, ring: Lent) -> Failure | None:
        """Where notes are posted."""
        ...

    def count(self) -> u64 | Failure:
        """The sum of all notes."""
        ...
