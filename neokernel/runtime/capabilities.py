"""Which slots of the process's own table are free. Shared by the process's threads.

A bit for each slot; whoever sets it has the slot. Runs of slots, such as receive windows, don't cross a word of bits,
so that one exchange takes them.

Invariants: a bit is set exactly if the slot is beyond the table's range of free ones, or somebody has it.
"""

from neokernel.lang import Array, Atomic, array, struct, u64, usize

#: the largest table that is looked after
MAXIMUM_SLOTS = 4096
#: the longest run
MAXIMUM_RUN = 64


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

    def allocate(self, count: u64 = 1) -> u64 | None:
        """The first of `count` consecutive slots, 1 to 64, or None if there is no such run."""
        assert 1 <= count <= MAXIMUM_RUN, "a run has 1 to 64 slots"
        run = (u64(1) << (count - 1)) - 1 << 1 | 1
        for word in range(self.words):
            before = self.taken[word].load()
            place: u64 = 0
            while place + count <= 64:
                if before & run << place != 0:
                    place += 1
                elif self.taken[word].compare_exchange(before, before | run << place):
                    return word * 64 + place
                else:
                    # Somebody else took or gave back slots of this word: look at it anew.
                    before = self.taken[word].load()
                    place = 0
        return None

    def release(self, first: u64, count: u64 = 1) -> None:
        """Give slots back, which are empty now."""
        assert 1 <= count <= MAXIMUM_RUN and first // 64 == (first + count - 1) // 64, "no run that was allocated"
        run = ((u64(1) << (count - 1)) - 1 << 1 | 1) << first % 64
        old = self.taken[first // 64].fetch_and(~run)
        assert old & run == run, "a slot that nobody has"
