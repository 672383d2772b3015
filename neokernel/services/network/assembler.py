"""What has come of a stream beyond a gap: ranges of sequence numbers (RFC 9293, 3.10.7.4: segments out of order).

They stand in the order in which they were last added to, the latest first: just the order in which SACK tells of them
(RFC 2018, 4).

Invariant: the ranges are pairwise apart, neither overlapping nor adjacent, and none is empty.
"""

from __future__ import annotations

from neokernel.lang import Array, array, struct, u32, usize
from neokernel.services.network.sequence import Range, before, earlier, later, until

#: gaps that are remembered; what would make one more isn't taken
MOST = 16


@struct
class Assembler:
    ranges: Array[Range] = array(MOST)
    count: usize = 0

    def clear(self) -> None:
        self.count = 0

    def add(self, fresh: Range) -> bool:
        """Note what has come, and isn't empty. False: there is no room for another gap, so it hasn't come."""
        merged = fresh
        kept: usize = 0
        for index in range(self.count):
            known = self.ranges[index]
            if known.touches(merged):
                merged = Range(earlier(known.left, merged.left), later(known.right, merged.right))
            else:
                self.ranges[kept] = known
                kept += 1
        if kept == MOST:
            return False
        for index in reversed(range(usize(0), kept)):
            self.ranges[index + 1] = self.ranges[index]
        self.ranges[0] = merged
        self.count = kept + 1
        return True

    def reaches_beyond(self, number: u32) -> bool:
        """Has anything come from there on?"""
        found = False
        for known in self.ranges[: self.count]:
            found = found or before(number, known.right)
        return found

    def take(self, next: u32) -> u32:
        """All up to `next` has come: how far there is no gap then. What lies before is forgotten."""
        reached = next
        for _ in range(self.count):
            for known in self.ranges[: self.count]:
                if until(known.left, reached) and before(reached, known.right):
                    reached = known.right
        kept: usize = 0
        for index in range(self.count):
            known = self.ranges[index]
            if before(reached, known.right):
                self.ranges[kept] = known
                kept += 1
        self.count = kept
        return reached
