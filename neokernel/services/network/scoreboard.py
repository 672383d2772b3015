"""What the peer says that it has beyond a gap (SACK), and what follows from that: RFC 6675, section 4.

Invariant: `ranges[:count]` are in ascending order, pairwise apart, and not empty; all lie between the first byte that
isn't acknowledged and the last that was sent. When there is no room for one more, a block isn't noted: it will be told
again.

"Lost" is all that lies below three ranges, or below more than two segments' bytes of them (IsLost).
"""

from __future__ import annotations

from neokernel.lang import Array, array, struct, u32, usize, wrapping_sub
from neokernel.services.network.sequence import Range, before, earlier, later, until

MOST = 32
#: DupThresh
THRESHOLD = 3


@struct
class Scoreboard:
    ranges: Array[Range] = array(MOST)
    count: usize = 0

    def clear(self) -> None:
        self.count = 0

    def add(self, fresh: Range) -> bool:
        """Note a block that isn't empty. True: some of it is new."""
        first: usize = 0
        while first < self.count and before(self.ranges[first].right, fresh.left):
            first += 1
        if first < self.count and until(self.ranges[first].left, fresh.left):
            if until(fresh.right, self.ranges[first].right):
                return False
        left, right = fresh.left, fresh.right
        last = first
        while last < self.count and until(self.ranges[last].left, right):
            left = earlier(left, self.ranges[last].left)
            right = later(right, self.ranges[last].right)
            last += 1
        if last == first:
            if self.count == MOST:
                return False
            for index in reversed(range(first, self.count)):
                self.ranges[index + 1] = self.ranges[index]
            self.count += 1
        else:
            gone = last - first - 1
            for index in range(last, self.count):
                self.ranges[index - gone] = self.ranges[index]
            self.count -= gone
        self.ranges[first] = Range(left, right)
        return True

    def acknowledge(self, una: u32) -> None:
        """All below `una` has come. A range across it can't be (the peer would have acknowledged more): it goes."""
        gone: usize = 0
        while gone < self.count and until(self.ranges[gone].left, una):
            gone += 1
        if gone != 0:
            for index in range(gone, self.count):
                self.ranges[index - gone] = self.ranges[index]
            self.count -= gone

    def sacked_below(self, limit: u32) -> u32:
        """Bytes in ranges, up to `limit`."""
        total: u32 = 0
        for known in self.ranges[: self.count]:
            if until(limit, known.left):
                break
            total += Range(known.left, earlier(known.right, limit)).size()
        return total

    def gap(self, number: usize, una: u32, nxt: u32) -> Range:
        """What isn't noted, between two ranges, or before the first, or behind the last: `count + 1` gaps."""
        left = una if number == 0 else self.ranges[number - 1].right
        right = nxt if number == self.count else self.ranges[number].left
        return Range(left, right)

    def pipe(self, una: u32, nxt: u32, retransmitted: u32, mss: u32) -> u32:
        """SetPipe: bytes in flight. `retransmitted` is what HighRxt is in the RFC, plus one."""
        total: u32 = 0
        above: u32 = 0
        for index in reversed(range(usize(0), self.count + 1)):
            if index < self.count:
                above += self.ranges[index].size()
            gap = self.gap(index, una, nxt)
            if not self.is_lost(index, above, mss):
                total += gap.size()
            if before(gap.left, retransmitted):
                total += Range(gap.left, earlier(gap.right, retransmitted)).size()
        return total

    def first_is_lost(self, mss: u32) -> bool:
        """IsLost of the first byte that isn't acknowledged."""
        above: u32 = 0
        for known in self.ranges[: self.count]:
            above += known.size()
        return self.is_lost(0, above, mss)

    def is_lost(self, gap: usize, above: u32, mss: u32) -> bool:
        return self.count - gap >= THRESHOLD or above > (THRESHOLD - 1) * mss

    def next_lost(self, una: u32, retransmitted: u32, mss: u32, only_lost: bool) -> Range | None:
        """NextSeg: the first gap, or the rest of it, below the last range, that wasn't retransmitted.

        `only_lost`: rule 1; otherwise rule 3.
        """
        above: u32 = 0
        for known in self.ranges[: self.count]:
            above += known.size()
        for index in range(self.count):
            gap = self.gap(index, una, una)
            if before(retransmitted, gap.right):
                if only_lost and not self.is_lost(index, above, mss):
                    return None
                return Range(later(gap.left, retransmitted), gap.right)
            above -= self.ranges[index].size()
        return None

    def skip(self, number: u32) -> u32:
        """The first byte from `number` on that isn't noted."""
        for known in self.ranges[: self.count]:
            if known.holds(number):
                return known.right
        return number

    def room_from(self, number: u32, most: u32) -> u32:
        """How many bytes, at most `most`, from `number` on aren't noted; `number` isn't."""
        for known in self.ranges[: self.count]:
            if before(number, known.left):
                return min(most, wrapping_sub(known.left, number))
        return most
