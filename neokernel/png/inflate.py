"""What zlib has packed, unpacked into memory whose size is known before (RFC 1950, RFC 1951).

    packed = Inflate(data=data, into=memory[:])
    while packed.advance(1_000):
        …                                   # others may go on meanwhile
    if packed.trouble is Trouble.NONE: …    # memory is full of what was packed, and its checksum is right

The output is the window, too: it stays where it is. Codes are read bit by bit, as in Mark Adler's `puff`: small tables
that are made quickly, as images here are small. The codes that the format itself has are made once: a block of these
may have a byte of data.

Invariants: `made` is at most the length of `into`, `at` that of `data`; both only grow, and each symbol takes a bit at
least, so it ends. Whatever the bytes are, no more than those of `into` are written, and none before them is read.
"""

from __future__ import annotations

from enum import Enum

from neokernel.lang import Array, Embedded, Span, array, copy, struct, u8, u16, u32, u64, usize

#: bits of a code
MOST_BITS = 15
LITERALS = 288
DISTANCES = 32
LENGTHS = 320
#: how lengths of codes are packed: by these symbols, in this order
ORDER: tuple[u8, ...] = (16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15)
END_OF_BLOCK = 256
#: lengths and distances of copies: of the first number with this symbol, and how many bits follow
LENGTH_BASE: tuple[u16, ...] = (
    3, 4, 5, 6, 7, 8, 9, 10, 11, 13, 15, 17, 19, 23, 27, 31, 35, 43, 51, 59, 67, 83, 99, 115, 131, 163, 195, 227, 258,
)  # fmt: skip
LENGTH_MORE: tuple[u8, ...] = (0, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 4, 4, 5, 5, 5, 5, 0)
DISTANCE_BASE: tuple[u16, ...] = (
    1, 2, 3, 4, 5, 7, 9, 13, 17, 25, 33, 49, 65, 97, 129, 193, 257, 385, 513, 769, 1025, 1537, 2049, 3073, 4097, 6145,
    8193, 12289, 16385, 24577,
)  # fmt: skip
DISTANCE_MORE: tuple[u8, ...] = (
    0,
    0,
    0,
    0,
    1,
    1,
    2,
    2,
    3,
    3,
    4,
    4,
    5,
    5,
    6,
    6,
    7,
    7,
    8,
    8,
    9,
    9,
    10,
    10,
    11,
    11,
    12,
    12,
    13,
    13,
)
#: of Adler-32, and bytes after which sums are taken modulo it
ADLER: u32 = 65_521
ADLER_RUN = 2_048


class Trouble(Enum):
    """Why it can't be unpacked."""

    NONE = 0
    #: the data end too early
    CUT = 1
    #: it doesn't begin as zlib's data do
    HEADER = 2
    #: a block of a kind that there isn't, or whose length is wrong
    BLOCK = 3
    #: codes that can't be, or a symbol that has none
    CODES = 4
    #: a copy of something before the beginning
    DISTANCE = 5
    #: it is more than there is memory for
    LARGE = 6
    #: it is less
    SMALL = 7
    CHECKSUM = 8


class Stage(Enum):
    """What comes next."""

    HEADER = 0
    BLOCK = 1
    STORED = 2
    CODED = 3
    CHECKSUM = 4
    OVER = 5


@struct
class Codes:
    """A canonical Huffman code: how many codes have each length, and symbols in the order of their codes."""

    counts: Array[u16] = array(MOST_BITS + 1)
    symbols: Array[u16] = array(LITERALS)

    def make(self, lengths: Span[u8]) -> bool:
        """Of each symbol's length, 0 for none. False: there are more codes than can be, or fewer.

        A single code of one bit may be there alone, and none at all: RFC 1951, 3.2.7.
        """
        starts: Array[u16] = array(MOST_BITS + 2)
        for bits in range(usize(MOST_BITS + 1)):
            self.counts[bits] = 0
        for symbol in range(len(lengths)):
            self.counts[usize(lengths[symbol])] += 1
        left: u32 = 1
        used: u16 = 0
        for bits in range(usize(1), usize(MOST_BITS + 1)):
            left *= 2
            if u32(self.counts[bits]) > left:
                return False
            left -= u32(self.counts[bits])
            used += self.counts[bits]
            starts[bits + 1] = starts[bits] + self.counts[bits]
        for symbol in range(len(lengths)):
            bits = usize(lengths[symbol])
            if bits != 0:
                self.symbols[usize(starts[bits])] = u16(symbol)
                starts[bits] += 1
        return left == 0 or used == 0 or (used == 1 and self.counts[1] == 1)


@struct
class Inflate:
    data: bytes
    into: Span[u8]
    at: usize = 0
    made: usize = 0
    trouble: Trouble = Trouble.NONE
    stage: Stage = Stage.HEADER
    #: bits that were taken out of the data and not used, the next one the lowest
    held: u64 = 0
    count: u64 = 0
    #: this block is the last; bytes of a stored one that are still to come
    last: bool = False
    left: usize = 0
    literals: Embedded[Codes] = Codes()
    distances: Embedded[Codes] = Codes()
    #: this block is of the format's own codes, which were made
    is_fixed: bool = False
    has_fixed: bool = False
    fixed_literals: Embedded[Codes] = Codes()
    fixed_distances: Embedded[Codes] = Codes()

    def advance(self, most: u32) -> bool:
        """Go on for so many symbols, or a block's beginning. False: it is over, well or not."""
        match self.stage:
            case Stage.HEADER:
                self.header()
            case Stage.BLOCK:
                self.block()
            case Stage.STORED:
                self.stored()
            case Stage.CODED:
                for _ in range(most):
                    if not self.symbol():
                        break
            case Stage.CHECKSUM:
                self.checksum()
            case Stage.OVER:
                pass
        return self.trouble is Trouble.NONE and self.stage is not Stage.OVER

    # --- inside -------------------------------------------------------------------------------------------------------

    def fail(self, trouble: Trouble) -> bool:
        self.trouble, self.stage = trouble, Stage.OVER
        return False

    def fill(self, count: u64) -> bool:
        """Have so many bits held, 32 at most. False: there are no more."""
        while self.count < count:
            if self.at == len(self.data):
                return self.fail(Trouble.CUT)
            self.held |= u64(self.data[self.at]) << self.count
            self.at += 1
            self.count += 8
        return True

    def take(self, count: u64) -> u32:
        """Bits that are held."""
        found = self.held & (u64(1) << count) - 1
        self.held >>= count
        self.count -= count
        return u32(found)

    def header(self) -> None:
        if self.fill(16):
            method, flags = self.take(8), self.take(8)
            # Deflate, with a window of 32 KiB at most, and without a dictionary.
            if method & 15 != 8 or method >> 4 > 7 or (method << 8 | flags) % 31 != 0 or flags & 0x20 != 0:
                self.fail(Trouble.HEADER)
            else:
                self.stage = Stage.BLOCK

    def block(self) -> None:
        """A block's beginning, or what is behind the last one."""
        if self.last:
            self.stage = Stage.CHECKSUM
            return
        if not self.fill(3):
            return
        self.last = self.take(1) != 0
        match self.take(2):
            case 0:
                self.begin_stored()
            case 1:
                self.fixed_codes()
            case 2:
                self.dynamic_codes()
            case _:
                self.fail(Trouble.BLOCK)

    def begin_stored(self) -> None:
        """It begins at a byte: the bits before are nothing."""
        _ = self.take(self.count % 8)
        if self.fill(32):
            length, inverse = self.take(16), self.take(16)
            if length ^ 0xFFFF != inverse:
                self.fail(Trouble.BLOCK)
            else:
                self.left, self.stage = usize(length), Stage.STORED

    def stored(self) -> None:
        """Bytes as they are: no bits are held, as a stored block's head ends at a byte."""
        if self.left > len(self.into) - self.made:
            self.fail(Trouble.LARGE)
        elif self.left > len(self.data) - self.at:
            self.fail(Trouble.CUT)
        else:
            copy(self.into[self.made : self.made + self.left], self.data[self.at : self.at + self.left])
            self.made += self.left
            self.at += self.left
            self.stage = Stage.BLOCK

    def fixed_codes(self) -> None:
        self.is_fixed, self.stage = True, Stage.CODED
        if self.has_fixed:
            return
        self.has_fixed = True
        lengths: Array[u8] = array(LITERALS)
        for symbol in range(usize(LITERALS)):
            lengths[symbol] = 8 if symbol < 144 else 9 if symbol < 256 else 7 if symbol < 280 else 8
        _ = self.fixed_literals.make(lengths[:])
        for symbol in range(usize(DISTANCES)):
            lengths[symbol] = 5
        _ = self.fixed_distances.make(lengths[:DISTANCES])

    def dynamic_codes(self) -> None:
        """Codes for lengths of codes, then these lengths, of literals and of distances in a row."""
        if not self.fill(14):
            return
        literals, distances, packed = self.take(5) + 257, self.take(5) + 1, self.take(4) + 4
        if literals > 286 or distances > 30:
            self.fail(Trouble.CODES)
            return
        lengths: Array[u8] = array(LENGTHS)
        for place in range(usize(packed)):
            if not self.fill(3):
                return
            lengths[usize(ORDER[place])] = u8(self.take(3))
        if not self.literals.make(lengths[: len(ORDER)]):
            self.fail(Trouble.CODES)
            return
        total = usize(literals + distances)
        done: usize = 0
        while done < total:
            symbol = self.decode(self.literals)
            if symbol is None:
                return
            value, times = u8(symbol), usize(1)
            if symbol >= 16:
                if not self.fill(7):
                    return
                if symbol == 16:
                    if done == 0:
                        self.fail(Trouble.CODES)
                        return
                    value, times = lengths[done - 1], 3 + usize(self.take(2))
                else:
                    value, times = 0, 3 + usize(self.take(3)) if symbol == 17 else 11 + usize(self.take(7))
            if times > total - done:
                self.fail(Trouble.CODES)
                return
            for _ in range(times):
                lengths[done] = value
                done += 1
        # A block without an end has none.
        made = lengths[END_OF_BLOCK] != 0 and self.literals.make(lengths[: usize(literals)])
        if not made or not self.distances.make(lengths[usize(literals) : total]):
            self.fail(Trouble.CODES)
            return
        self.is_fixed, self.stage = False, Stage.CODED

    def decode(self, codes: Codes) -> u16 | None:
        """The next symbol. None: it has no code, or the data end."""
        code: u32 = 0
        first: u32 = 0
        index: u32 = 0
        for bits in range(usize(1), usize(MOST_BITS + 1)):
            if self.count == 0 and not self.fill(1):
                return None
            code |= self.take(1)
            count = u32(codes.counts[bits])
            if code < first + count:
                return codes.symbols[usize(index + code - first)]
            index += count
            first = (first + count) << 1
            code <<= 1
        self.fail(Trouble.CODES)
        return None

    def symbol(self) -> bool:
        """A literal, a copy, or the block's end. False: it is that, or something is wrong."""
        symbol = self.decode(self.fixed_literals if self.is_fixed else self.literals)
        if symbol is None:
            return False
        if symbol < END_OF_BLOCK:
            if self.made == len(self.into):
                return self.fail(Trouble.LARGE)
            self.into[self.made] = u8(symbol)
            self.made += 1
            return True
        if symbol == END_OF_BLOCK:
            self.stage = Stage.BLOCK
            return False
        which = usize(symbol - 257)
        if which >= len(LENGTH_MORE):
            return self.fail(Trouble.CODES)
        more = u64(LENGTH_MORE[which])
        if not self.fill(more):
            return False
        length = usize(LENGTH_BASE[which]) + usize(self.take(more))
        far = self.decode(self.fixed_distances if self.is_fixed else self.distances)
        if far is None:
            return False
        if usize(far) >= len(DISTANCE_MORE):
            return self.fail(Trouble.CODES)
        more = u64(DISTANCE_MORE[usize(far)])
        if not self.fill(more):
            return False
        distance = usize(DISTANCE_BASE[usize(far)]) + usize(self.take(more))
        if distance > self.made:
            return self.fail(Trouble.DISTANCE)
        if length > len(self.into) - self.made:
            return self.fail(Trouble.LARGE)
        # What is copied may be what was copied just before: byte by byte.
        for _ in range(length):
            self.into[self.made] = self.into[self.made - distance]
            self.made += 1
        return True

    def checksum(self) -> None:
        """Behind the last block, at a byte: Adler-32, the highest byte first."""
        if self.made != len(self.into):
            self.fail(Trouble.SMALL)
            return
        _ = self.take(self.count % 8)
        told: u32 = 0
        for _ in range(4):
            if not self.fill(8):
                return
            told = told << 8 | self.take(8)
        if told != adler(self.into):
            self.fail(Trouble.CHECKSUM)
        elif self.count != 0 or self.at != len(self.data):
            self.fail(Trouble.LARGE)
        else:
            self.stage = Stage.OVER


def adler(data: Span[u8]) -> u32:
    """RFC 1950, 8.2."""
    one: u32 = 1
    two: u32 = 0
    for place in range(len(data)):
        one += u32(data[place])
        two += one
        if place % ADLER_RUN == ADLER_RUN - 1:
            one, two = one % ADLER, two % ADLER
    return two % ADLER << 16 | one % ADLER
