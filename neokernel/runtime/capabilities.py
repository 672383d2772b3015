"""Which slots of the process's own table are free, and which processes it has made. Shared by the process's threads.

A bit for each slot; whoever sets it has the slot. Runs of slots, such as receive windows, don't cross a word of bits,
so that one exchange takes them.

A word for each process made: what it is made of. Memory isn't given back in parts, so that of a process that has ended
is kept, and the next one is made of it.

Invariants: a bit is set exactly if the slot is beyond the table's range of free ones, or somebody has it. A process's
word is BUSY exactly while one thread makes or ends it.
"""

from neokernel.lang import Array, Atomic, array, count_leading_zeros, count_trailing_zeros, struct, u64, usize, value

#: the largest table that is looked after
MAXIMUM_SLOTS = 4096
#: the longest run
MAXIMUM_RUN = 64
#: processes that one has made and not yet ended, and memories of ended ones
MAXIMUM_CHILDREN = 384


@struct
class Slots:
    """`begin` says which slots are free at first."""

    taken: Array[Atomic[u64]] = array(MAXIMUM_SLOTS // 64)
    #: words of bits that have free slots
    words: usize = 0

    def begin(self, first: u64, end: u64) -> None:
        """The slots from `first` up to, not including, `end` are free."""
        limit = min(end, MAXIMUM_SLOTS)
        self.words = (limit + 63) // 64
        for word in range(self.words):
            low = word * 64
            free: u64 = 0
            for bit in range(u64(0), u64(64)):
                if first <= low + bit < limit:
                    free |= u64(1) << bit
            self.taken[word].store(~free)

    def extend(self, first: u64, end: u64) -> None:
        """The table is larger than it was: of whole words of bits, from `first` up to `end`."""
        assert self.words * 64 == first and end % 64 == 0 and end <= MAXIMUM_SLOTS, "whole words, after the others"
        for word in range(self.words, end // 64):
            self.taken[word].store(0)
        self.words = end // 64

    def allocate(self, count: u64 = 1) -> u64 | None:
        """The first of `count` consecutive slots, 1 to 64, or None if there is no such run."""
        assert 1 <= count <= MAXIMUM_RUN, "a run has 1 to 64 slots"
        run = (u64(1) << (count - 1)) - 1 << 1 | 1
        for word in range(self.words):
            while True:
                before = self.taken[word].load()
                begins = runs(~before, count)
                if begins == 0:
                    break
                place = u64(count_trailing_zeros(begins))
                if self.taken[word].compare_exchange(before, before | run << place):
                    return word * 64 + place
                # Somebody else took or gave back slots of this word: look at it anew.
        return None

    def allocate_last(self) -> u64 | None:
        """The last free slot, for what stays: so it doesn't divide what is free."""
        for word in reversed(range(self.words)):
            while True:
                before = self.taken[word].load()
                if ~before == 0:
                    break
                place = 63 - u64(count_leading_zeros(~before))
                if self.taken[word].compare_exchange(before, before | u64(1) << place):
                    return word * 64 + place
        return None

    def is_taken(self, slot: u64) -> bool:
        """Has somebody the slot, or was it never free?"""
        word = slot // 64
        return word < self.words and (self.taken[word].load() >> slot % 64) & 1 == 1

    def release(self, first: u64, count: u64 = 1) -> None:
        """Give slots back, which are empty now."""
        assert 1 <= count <= MAXIMUM_RUN and first // 64 == (first + count - 1) // 64, "no run that was allocated"
        run = ((u64(1) << (count - 1)) - 1 << 1 | 1) << first % 64
        old = self.taken[first // 64].fetch_and(~run)
        assert old & run == run, "a slot that nobody has"


def runs(free: u64, count: u64) -> u64:
    """The bits of `free` with which a run of `count` set bits begins."""
    begins = free
    length: u64 = 1
    while length < count:
        step = min(length, count - length)
        begins &= begins >> step
        length += step
    return begins


@value
class Holding:
    """What a process is made of: `pages` of the Memory in slot `memory`; `first` is the first slot of its run.

    `first` is 0 if there is no process now; `memory` is 0 if the Memory is still to be made.
    """

    memory: u64
    first: u64
    pages: u64


#: `first` of what is being made or ended
BUSY: u64 = 0xFFFF


@struct
class Holdings:
    """By the processes' numbers, from 1 on. A word: 16 bits of memory, 16 bits of first, the pages."""

    words: Array[Atomic[u64]] = array(MAXIMUM_CHILDREN)
    #: index of what their Memory is made of, 0 before the first
    source: Atomic[u64] = Atomic(0)

    def take(self, pages: u64, exact: bool = False) -> u64 | None:
        """A number for a process of so many pages: with the smallest Memory that is kept and suffices, or with none.

        `exact`: only with one of this size.
        """
        while True:
            best: u64 = MAXIMUM_CHILDREN
            word: u64 = 0
            for place in range(u64(0), u64(MAXIMUM_CHILDREN)):
                other = self.words[place].load()
                size = other >> 32
                fits = other != 0 and unpacked(other).first == 0 and (size == pages or (size > pages and not exact))
                if fits and (best == MAXIMUM_CHILDREN or size < word >> 32):
                    best, word = place, other
                    if word >> 32 == pages:
                        break
            if best == MAXIMUM_CHILDREN:
                break
            if self.words[best].compare_exchange(word, busy(word)):
                return best + 1
        for place in range(u64(0), u64(MAXIMUM_CHILDREN)):
            if self.words[place].compare_exchange(0, packed(Holding(0, BUSY, pages))):
                return place + 1
        return None

    def claim(self, number: u64) -> Holding | None:
        """What the process is made of, if there is one of this number: who asks ends it."""
        if not 1 <= number <= MAXIMUM_CHILDREN:
            return None
        word = self.words[number - 1].load()
        holding = unpacked(word)
        if holding.first == 0 or holding.first == BUSY:
            return None
        return holding if self.words[number - 1].compare_exchange(word, busy(word)) else None

    def first(self, number: u64) -> u64 | None:
        """The first slot of a process's run, None if there is no process of this number, or it is made or ended now."""
        if not 1 <= number <= MAXIMUM_CHILDREN:
            return None
        first = self.get(number).first
        return None if first in (0, BUSY) else first

    def get(self, number: u64) -> Holding:
        return unpacked(self.words[number - 1].load())

    def set(self, number: u64, holding: Holding) -> None:
        """It isn't busy any more. Without Memory, the number is free."""
        self.words[number - 1].store(packed(holding) if holding.memory != 0 else 0)


def busy(word: u64) -> u64:
    return word | BUSY << 16


def packed(holding: Holding) -> u64:
    assert holding.memory < BUSY and holding.first <= BUSY, "slots have 16 bits"
    return holding.pages << 32 | holding.first << 16 | holding.memory


def unpacked(word: u64) -> Holding:
    return Holding(word & 0xFFFF, word >> 16 & 0xFFFF, word >> 32)
