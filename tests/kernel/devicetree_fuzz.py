"""Changes a blob in many ways and asks the parser everything about each outcome: the inner loop of the fuzzer.

The last outcome stays in `changed[:length]` with what was reported about it, so that the host can compare; if a check
fails, it is the outcome that the check failed on.
"""

from neokernel.lang import (
    Array,
    Embedded,
    array,
    copy,
    renew,
    struct,
    truncate,
    u8,
    u32,
    u64,
    usize,
    wrapping_add,
    wrapping_mul,
)
from tests.kernel.devicetree_report import ABSENT, Report, report_blob

SIZE = 16384
HEADER = 40
#: tokens, counts, and numbers at limits
WORDS: tuple[u32, ...] = (0, 1, 2, 3, 4, 5, 8, 9, 16, 17, 40, 0x7FFF_FFFF, 0x8000_0000, 0xFFFF_FFF8, 0xFFFF_FFFF)


@struct
class Fuzz:
    """`original[:original_length]` is a blob; `seed` decides what happens to it."""

    seed: u64 = 0
    accepted: u64 = 0
    length: usize = 0
    original_length: usize = 0
    report: Embedded[Report] = Report()
    original: Array[u8] = array(SIZE)
    changed: Array[u8] = array(SIZE)

    def random(self) -> u64:
        """The next number of splitmix64."""
        self.seed = wrapping_add(self.seed, 0x9E37_79B9_7F4A_7C15)
        mixed = wrapping_mul(self.seed ^ (self.seed >> 30), 0xBF58_476D_1CE4_E5B9)
        mixed = wrapping_mul(mixed ^ (mixed >> 27), 0x94D0_49BB_1331_11EB)
        return mixed ^ (mixed >> 31)

    def below(self, limit: u64) -> u64:
        return self.random() % limit

    def place(self) -> usize:
        """A byte of the outcome, rarely of its header."""
        if self.length > HEADER and self.below(16) != 0:
            return HEADER + self.below(self.length - HEADER)
        return self.below(self.length)

    def put_word(self, word: u32) -> None:
        """Put a word where a word may stand."""
        start = self.place() & ~usize(3)
        if start + 4 <= self.length:
            self.put_at(start, word)

    def put_at(self, start: usize, word: u32) -> None:
        for index in range(4):
            self.changed[start + index] = truncate(u8, word >> u32(24 - 8 * index))

    def cut(self) -> None:
        """Shorten the outcome, or what its header says."""
        length = self.place()
        if self.below(2) == 0 and self.length >= HEADER:
            self.put_at(4, u32(length))
        if self.below(2) == 0:
            self.length = length

    def splice(self) -> None:
        """Copy a part over another."""
        source, target = self.place(), self.place()
        if self.below(2) == 0:
            source, target = source & ~usize(3), target & ~usize(3)
        count = 1 + self.below(64)
        count = min(count, self.length - max(source, target))
        copy(self.changed[target : target + count], self.changed[source : source + count])

    def change(self) -> None:
        """One change."""
        if self.length == 0:
            return
        match self.below(16):
            case 0:
                self.cut()
            case 1 | 2:
                self.changed[self.place()] = truncate(u8, self.random())
            case 3 | 4 | 5:
                self.changed[self.place()] ^= u8(1) << truncate(u8, self.below(8))
            case 6 | 7 | 8 | 9:
                self.put_word(WORDS[self.below(len(WORDS))])
            case 10 | 11:
                self.put_word(u32(self.below(self.length + 16)))
            case _:
                self.splice()

    def start(self) -> None:
        """Nothing has been changed yet."""
        self.length = self.original_length
        copy(self.changed[: self.length], self.original[: self.length])

    def round(self) -> None:
        """One outcome of up to eight changes, and what the parser says about it."""
        self.start()
        for _ in range(1 + self.below(8)):
            self.change()
        self.examine()

    def examine(self) -> None:
        """What the parser says about the outcome."""
        renew(self.report)
        report_blob(self.changed[: self.length].bytes(), self.report)
        if self.report.problem == ABSENT:
            self.accepted += 1


def examine(fuzz: Fuzz) -> None:
    """The blob as it is."""
    fuzz.start()
    fuzz.examine()


def once(fuzz: Fuzz) -> None:
    """One round, for the readings that are slow."""
    fuzz.round()


def run(fuzz: Fuzz, rounds: u64) -> None:
    """Many rounds."""
    for _ in range(rounds):
        fuzz.round()
