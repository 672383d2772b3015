"""Records in memory that outlives its process, which may be ended between any two of its stores: first in, first out.

A header, then a circle of records. Positions count bytes that were ever written: position p is at offset p modulo the
circle's size. A record doesn't cross the circle's end: what is left there is padding.

Invariants, after each store (`adopt` relies on nothing else, and on them only after it has checked them):
- Records are those from `first` to `end`, one after the other, complete; their numbers go up, and none is given twice.
- What is beyond `end` is nobody's: a record is written there first, then `end` moves over it. Before a record is
  written over, `first` has moved past it.
"""

from neokernel.lang import (
    Order,
    Span,
    copy,
    fence,
    requires,
    size_of,
    struct,
    u8,
    u32,
    u64,
    usize,
    value,
    wire,
    wire_view,
)
from neokernel.runtime.vec import Full

MAGIC = 0x7364_726B
VERSION = 1
#: records begin at multiples of it
UNIT = 8
#: smallest circle
LEAST = 1024
#: records and bytes that were ever written: more than a machine can in its life
MOST_RECORDS = 1 << 60
MOST_BYTES = 1 << 60
#: kinds of records
PADDING = 0
RECORD = 1


@wire
class Header:
    magic: u32
    version: u32
    #: bytes of the circle
    size: u64
    first: u64
    end: u64
    #: of the next record
    number: u64
    #: bytes that `adopt` gave up, because they weren't what they should have been
    damaged: u64


@wire
class RecordHeader:
    #: for whoever writes
    a: u64
    b: u64
    number: u64
    #: bytes of data; of padding, bytes to the circle's end, this header included
    length: u32
    kind: u32


@value
class Record:
    """Its first `length` bytes are in the span that was given; `next` is where the record after it begins."""

    a: u64
    b: u64
    number: u64
    length: usize
    next: u64


HEADER: usize = size_of(Header)
RECORD_HEADER: usize = size_of(RecordHeader)
assert HEADER % UNIT == 0 and RECORD_HEADER % UNIT == 0, "records are aligned"


@struct
class Records:
    """`Records(header=wire_view(Header, memory), circle=circle_of(memory))`; `adopt` comes first."""

    header: Header
    circle: Span[u8]
    #: as in the header, which others could have damaged: those are believed, once checked
    first: u64 = 0
    end: u64 = 0
    #: of the next record
    number: u64 = 0

    def adopt(self) -> None:
        """Take over the records that are there, as far as they are whole; or begin anew, with none."""
        header, size = self.header, u64(len(self.circle))
        if header.magic != MAGIC or header.version != VERSION or header.size != size:
            self.format()
            return
        first, end, number = header.first, header.end, header.number
        if first > end or end - first > size or first % UNIT != 0 or number > MOST_RECORDS or end > MOST_BYTES:
            self.format()
            return
        self.first, self.end, self.number = first, end, 0
        place = first
        while place < end:
            taken = self.whole(place, end)
            if taken == 0:
                header.damaged = min(header.damaged, MOST_BYTES) + (end - place)
                self.end = place
                header.end = place
                break
            place += taken
        self.number = max(self.number, number)

    def format(self) -> None:
        """No records."""
        header = self.header
        # Until all is in place, these are no records.
        header.magic = 0
        fence(Order.RELEASE)
        header.version = VERSION
        header.size = len(self.circle)
        header.first, header.end, header.number, header.damaged = 0, 0, 0, 0
        fence(Order.RELEASE)
        header.magic = MAGIC
        self.first, self.end, self.number = 0, 0, 0

    def whole(self, place: u64, end: u64) -> u64:
        """Bytes of the record (or padding) at `place`, if it is what should be there, before `end`; otherwise 0."""
        offset = place % len(self.circle)
        left = len(self.circle) - offset
        if left < RECORD_HEADER:
            return left if left <= end - place else 0
        found = wire_view(RecordHeader, self.circle[offset:])
        kind, length = found.kind, u64(found.length)
        if kind == PADDING:
            return left if length == left and left <= end - place else 0
        if kind != RECORD or length > left:
            return 0
        taken = size_of_record(usize(length))
        if taken > left or taken > end - place:
            return 0
        number = found.number
        if number < self.number or number > MOST_RECORDS:
            return 0
        self.number = number + 1
        return taken

    # --- at the end ---------------------------------------------------------------------------------------------------

    def append(self, a: u64, b: u64, data: bytes) -> u64 | Full:
        """A record: its number. Full: there is no room for it now; never, if it is longer than the circle."""
        if len(data) > len(self.circle):
            return Full.FULL
        taken = size_of_record(len(data))
        left = len(self.circle) - usize(self.end % len(self.circle))
        if left < taken and not self.pad(left):
            return Full.FULL
        if taken > self.room():
            return Full.FULL
        offset = usize(self.end % len(self.circle))
        made = wire_view(RecordHeader, self.circle[offset:])
        made.a = a
        made.b = b
        made.number = self.number
        made.length = u32(len(data))
        made.kind = RECORD
        begin = offset + RECORD_HEADER
        copy(self.circle[begin : begin + len(data)], data)
        # First the number: who is ended in between misses one, and gives none twice.
        self.number += 1
        self.header.number = self.number
        self.move_end(taken)
        return self.number - 1

    def room(self) -> usize:
        """Bytes that no record takes."""
        return len(self.circle) - usize(self.end - self.first)

    def pad(self, left: usize) -> bool:
        """Go on at the circle's begin, `left` bytes from here, if those are free."""
        if left > self.room():
            return False
        empty = self.first == self.end
        if left >= RECORD_HEADER:
            padding = wire_view(RecordHeader, self.circle[usize(self.end % len(self.circle)) :])
            padding.length = u32(left)
            padding.kind = PADDING
        self.move_end(left)
        if empty:
            self.move_first(left)
        return True

    def move_end(self, count: usize) -> None:
        """What was written there is a record from now on."""
        fence(Order.RELEASE)
        self.end += count
        self.header.end = self.end

    # --- from the front -----------------------------------------------------------------------------------------------

    def read(self, place: u64, data: Span[u8]) -> Record | None:
        """The first record at `place` or after it, its data in `data`, as far as there is room. None: no more.

        `place` is 0, or the `next` of a record: any other is as good as 0. If what was there has been dropped, the
        oldest record is read.
        """
        if place < self.first or place > self.end or place % UNIT != 0:
            place = self.first
        while place < self.end:
            offset = usize(place % len(self.circle))
            left = len(self.circle) - offset
            if left >= RECORD_HEADER:
                found = wire_view(RecordHeader, self.circle[offset:])
                if found.kind == RECORD:
                    length = min(usize(found.length), left - RECORD_HEADER)
                    shown = min(length, len(data))
                    begin = offset + RECORD_HEADER
                    copy(data[:shown], self.circle[begin : begin + shown].bytes())
                    # Not beyond the end, or a damaged length would lead back to the first record, for ever.
                    after = min(place + size_of_record(length), self.end)
                    return Record(found.a, found.b, found.number, shown, after)
            place += left
        return None

    def oldest(self) -> u64 | None:
        """The oldest record's number."""
        found = self.read(0, self.circle[:0])
        return None if found is None else found.number

    def move_first(self, count: usize) -> None:
        """What was there is nobody's from now on."""
        self.first += count
        self.header.first = self.first
        fence(Order.RELEASE)

    def drop(self) -> bool:
        """Give up the oldest record. False: there is none."""
        while self.first < self.end:
            offset = usize(self.first % len(self.circle))
            left = len(self.circle) - offset
            taken = left
            found = False
            if left >= RECORD_HEADER:
                oldest = wire_view(RecordHeader, self.circle[offset:])
                found = oldest.kind == RECORD
                if found:
                    taken = size_of_record(min(usize(oldest.length), left - RECORD_HEADER))
            self.move_first(min(taken, usize(self.end - self.first)))
            if found:
                return True
        return False


def size_of_record(length: usize) -> usize:
    requires(length <= 1 << 40)
    return RECORD_HEADER + (length + (UNIT - 1)) // UNIT * UNIT


def circle_of(memory: Span[u8]) -> Span[u8]:
    """The circle behind the header, in memory of at least HEADER + LEAST bytes, aligned to 8."""
    size = (len(memory) - HEADER) // UNIT * UNIT
    assert size >= LEAST, "memory of at least a header and the smallest circle"
    return memory[HEADER : HEADER + size]
