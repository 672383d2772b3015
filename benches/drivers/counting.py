"""What the idler tells the meter, in memory that the meter lends it. Nobody calls it: it would have to wait."""

from __future__ import annotations

from typing import Protocol

from neokernel.lang import interface, u64, wire
from neokernel.runtime.lend import Lent
from neokernel.runtime.system import Failure


@interface
class Counting(Protocol):
    def count(self, into: Lent) -> Failure | None: ...


@wire(registers=True)
class Count:
    #: instructions that the idler has executed
    own: u64
    #: what all others had when it ran last: the machine has had nothing else to do then
    others: u64
