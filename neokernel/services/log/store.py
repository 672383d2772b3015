"""Log records in memory that outlives its process: it may be ended between any two stores.

A header, then a circle of records. Positions count bytes that were ever written: position p is at offset p modulo the
circle's size. A record doesn't cross the circle's end: what is left there is padding, a record without a time.

Invariants, after each store (`adopt` relies on nothing else, and on them only after it has checked them):
- Records are those from `first` to `end`, one after the other, complete; their sequence numbers go up.
- What is beyond `end` is nobody's: a record is written there first, then `end` moves over it. Before a record is
  written over, `first` moves past it.
"""

from neokernel.interfaces.log import MOST_TEXT, Level, Record
from neokernel.lang import (
    Order,
    Span,
    copy,
    fence,
    requires,
    size_of,
    struct,
    u8,
    u16,
    u32,
    u64,
    usize,
    wire,
    wire_view,
)

MAGIC = 0x676F_6C6B
VERSION = 1
#: records begin at multiples of it
UNIT = 8
#: smallest circle: a few of the longest records
LEAST = 1024
#: records and bytes that were ever written: more than a machine can in its life
MOST_RECORDS = 1 << 60
MOST_BYTES = 1 << 60


@wire
class Header:
    magic: u32
    version: u32
    #: bytes of the circle
    size: u64
    first: u64
    end: u64
    #: of the next record
    sequence: u64
    #: bytes that `adopt` gave up, because they weren't what they should have been
    damaged: u64


@wire
class RecordHeader:
    time: u64
    sequence: u64
    source: u32
    #: bytes of the text
    length: u16
    level: u8
    #: 1; 0 is padding: `source` bytes to the circle's end, this header included
    kind: u8


HEADER: usize = size_of(Header)
RECORD: usize = size_of(RecordHeader)
assert HEADER % UNIT == 0 and RECORD % UNIT == 0, "records are aligned"


@struct
class Store:
    """`adopt` comes first."""

    header: Header
    circle: Span[u8]
    #: as in the header, which others could have damaged: those are believed, once checked
    first: u64 = 0
    end: u64 = 0
    #: number of the next record
    sequence: u64 = 0

    def adopt(self) -> None:
        """Take over the records that are there, as far as they are whole; or begin anew, with none."""
        header, size = self.header, u64(len(self.circle))
        if header.magic != MAGIC or header.version != VERSION or header.size != size:
            self.format()
            return
        first, end, sequence = header.first, header.end, header.sequence
        if first > end or end - first > size or first % UNIT != 0 or sequence > MOST_RECORDS or end > MOST_BYTES:
            self.format()
            return
        self.first, self.end, self.sequence = first, end, 0
        place = first
        while place < end:
            taken = self.whole(place, end)
            if taken == 0:
                header.damaged = min(header.damaged, MOST_BYTES) + (end - place)
                self.end = place
                header.end = place
                break
            place += taken
        self.sequence = max(self.sequence, sequence)

    def format(self) -> None:
        """No records."""
        header = self.header
        # Until all is in place, it isn't a log.
        header.magic = 0
        fence(Order.RELEASE)
        header.version = VERSION
        header.size = len(self.circle)
        header.first, header.end, header.sequence, header.damaged = 0, 0, 0, 0
        fence(Order.RELEASE)
        header.magic = MAGIC
        self.first, self.end, self.sequence = 0, 0, 0

    def whole(self, place: u64, end: u64) -> u64:
        """Bytes of the record (or padding) at `place`, if it is what should be there, before `end`; otherwise 0."""
        offset = place % len(self.circle)
        left = len(self.circle) - offset
        if left < RECORD:
            return left if left <= end - place else 0
        found = wire_view(RecordHeader, self.circle[offset:])
        kind, length = found.kind, u64(found.length)
        if kind == 0:
            return left if u64(found.source) == left and left <= end - place else 0
        if kind != 1 or length > MOST_TEXT or found.level > 3:
            return 0
        taken = size_of_record(usize(length))
        if taken > left or taken > end - place:
            return 0
        sequence = found.sequence
        if sequence < self.sequence or sequence > MOST_RECORDS:
            return 0
        self.sequence = sequence + 1
        return taken

    # --- records ------------------------------------------------------------------------------------------------------

    def add(self, time: u64, source: u32, level: Level, text: bytes) -> u64:
        """A record, of the text's first MOST_TEXT bytes: its sequence number. The oldest ones make room for it."""
        length = min(len(text), MOST_TEXT)
        taken = size_of_record(length)
        offset = usize(self.end % len(self.circle))
        left = len(self.circle) - offset
        if left < taken:
            self.make_room(left)
            if left >= RECORD:
                padding = wire_view(RecordHeader, self.circle[offset:])
                padding.time, padding.sequence, padding.length, padding.level, padding.kind = 0, 0, 0, 0, 0
                padding.source = u32(left)
            self.move_end(left)
            offset = 0
        self.make_room(taken)
        made = wire_view(RecordHeader, self.circle[offset:])
        made.time = time
        made.sequence = self.sequence
        made.source = source
        made.length = u16(length)
        made.level = u8(level.value)
        made.kind = 1
        copy(self.circle[offset + RECORD : offset + RECORD + length], text[:length])
        # First the number: who is ended in between misses one, and gives none twice.
        self.sequence += 1
        self.header.sequence = self.sequence
        self.move_end(taken)
        return self.sequence - 1

    def move_end(self, count: usize) -> None:
        """What was written there is a record from now on."""
        fence(Order.RELEASE)
        self.end += count
        self.header.end = self.end

    def make_room(self, count: usize) -> None:
        """Give up the oldest records, until `count` bytes can be written."""
        requires(count <= len(self.circle))
        while self.end + count - self.first > len(self.circle):
            place = self.first
            offset = usize(place % len(self.circle))
            left = len(self.circle) - offset
            taken = left
            if left >= RECORD:
                oldest = wire_view(RecordHeader, self.circle[offset:])
                if oldest.kind == 1:
                    taken = size_of_record(min(usize(oldest.length), MOST_TEXT))
            self.first = min(place + taken, self.end)
            self.header.first = self.first
        fence(Order.RELEASE)

    def begin(self) -> u64:
        """The position of the oldest record."""
        return self.first

    def read(self, place: u64, text: Span[u8]) -> Record | None:
        """The first record at `place` or after it, its text in `text`, as far as there is room. None: no more.

        `place` is 0, or the `next` of a record: any other is as good as 0. If what was there has made room for other
        records, the oldest is read.
        """
        if place < self.first or place > self.end or place % UNIT != 0:
            place = self.first
        while place < self.end:
            offset = usize(place % len(self.circle))
            left = len(self.circle) - offset
            if left >= RECORD:
                found = wire_view(RecordHeader, self.circle[offset:])
                if found.kind == 1:
                    length = min(usize(found.length), MOST_TEXT)
                    shown = min(length, len(text))
                    copy(text[:shown], self.circle[offset + RECORD : offset + RECORD + shown].bytes())
                    after = place + size_of_record(length)
                    return Record(found.time, found.sequence, found.source, level_of(found.level), shown, after)
            place += left
        return None


def size_of_record(length: usize) -> usize:
    requires(length <= MOST_TEXT)
    return RECORD + (length + (UNIT - 1)) // UNIT * UNIT


def level_of(number: u8) -> Level:
    """What isn't one is the worst."""
    return Level(number) if number <= 3 else Level.ERROR


def circle_of(memory: Span[u8]) -> Span[u8]:
    """The circle behind the header, in memory of at least HEADER + LEAST bytes, aligned to 8."""
    size = (len(memory) - HEADER) // UNIT * UNIT
    assert size >= LEAST, "memory of at least a header and the smallest circle"
    return memory[HEADER : HEADER + size]
