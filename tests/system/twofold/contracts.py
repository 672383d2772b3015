"""Two contracts with the same methods: a call of one could be taken for a call of the other."""

from typing import Protocol

from neokernel.lang import interface, u64
from neokernel.runtime.system import Failure


@interface
class Public(Protocol):
    def add(self, number: u64) -> u64 | Failure: ...


@interface
class Private(Protocol):
    def add(self, number: u64) -> u64 | Failure: ...
    def clear(self) -> Failure | None: ...
