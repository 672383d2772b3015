"""A contract, and a handler of it whose state outlives its process."""

from __future__ import annotations

from typing import Protocol

from neokernel.lang import Array, array, interface, struct, u8, u64, wire
from neokernel.runtime.lend import Lent
from neokernel.runtime.system import Failure


@wire
class State:
    """All zeroes is the beginning."""

    sum: u64


@interface
class Sums(Protocol):
    def add(self, number: u64) -> u64 | Failure: ...
    def version(self) -> u64 | Failure: ...
    def total(self, numbers: Lent) -> u64 | Failure: ...


@struct
class Adder:
    state: State
    program: u64

    def add(self, number: u64) -> u64:
        self.state.sum = self.state.sum + number
        return self.state.sum

    def version(self) -> u64:
        return self.program

    def total(self, numbers: Lent) -> u64:
        return total_of(numbers)


def total_of(numbers: Lent) -> u64:
    """The sum of bytes."""
    copied: Array[u8] = array(100)
    length = min(numbers.length, 100)
    numbers.read(0, copied[:length])
    found: u64 = 0
    for byte in copied[:length]:
        found += u64(byte)
    return found
