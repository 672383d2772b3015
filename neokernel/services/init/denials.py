"""What the kernel has denied a service, in all its lives.

System calls the kernel keeps in the capability table, which ends with the process: before that, init takes over what is
there. An access to memory ends the process, so it is the last of one. Not known is what threads are denied that a
process has given a table of its own, nor what they access whose handler it has taken off.

Invariant: a number names the same denial for good. The first `count` are of former processes; those after them of the
present one, in its table.
"""

from __future__ import annotations

from neokernel.abi.denials import CALL_MASK, KEPT_DENIALS
from neokernel.lang import Array, Embedded, array, struct, u64
from neokernel.runtime import system
from neokernel.runtime.system import Denial, Failure

#: stands for an outcome: an access to memory. No call has this number
TRESPASS: u64 = CALL_MASK


@struct
class Kept:
    """As the kernel tells it; of a TRESPASS the address, and how it was accessed."""

    capability: u64 = 0
    word: u64 = 0
    outcome: u64 = 0


@struct
class Gathered:
    """Of one service. All zeroes is one that hasn't had a process."""

    count: u64 = 0
    #: number n is at n modulo their number
    last: Array[Embedded[Kept]] = array(KEPT_DENIALS)
    #: the table's were taken over: it may take several tries until that is gone
    over: bool = False

    def take_over(self, table: u64) -> None:
        """Before the process ends whose capability table it is."""
        if self.over:
            return
        self.over = True
        there = count_in(table)
        for number in range(there - min(there, KEPT_DENIALS), there):
            told = system.denial(table, number)
            if not isinstance(told, Failure):
                self.put(self.count + number, told.capability, told.word, told.outcome)
        self.count += there

    def put(self, number: u64, capability: u64, word: u64, outcome: u64) -> None:
        place = self.last[number % KEPT_DENIALS]
        place.capability, place.word, place.outcome = capability, word, outcome

    def trespass(self, table: u64, address: u64, access: u64) -> None:
        """What has ended the process, whose table it is."""
        self.take_over(table)
        self.put(self.count, address, access, TRESPASS)
        self.count += 1

    def begin(self) -> None:
        """A new process begins, with a table of its own."""
        self.over = False

    def total(self, table: u64) -> u64:
        """`table`: the process's, 0 for none."""
        return self.count + (0 if table == 0 or self.over else count_in(table))

    def find(self, table: u64, number: u64) -> Denial | None:
        """None if there were fewer, or it isn't kept any more. Its `count` says nothing."""
        if number >= self.count:
            told = system.denial(table, number - self.count) if table != 0 and not self.over else None
            return told if isinstance(told, Denial) and told.outcome != 0 else None
        if self.count - number > KEPT_DENIALS:
            return None
        place = self.last[number % KEPT_DENIALS]
        return Denial(0, place.capability, place.word, place.outcome)


def count_in(table: u64) -> u64:
    told = system.denial(table, 0)
    return 0 if isinstance(told, Failure) else told.count
