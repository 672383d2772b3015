"""A message's body as it comes in: of a known length, in chunks, or up to the end of the connection.

    taken = body.take(data, into)       # bytes of the connection, and where those of the body go
    if body.broken: …                   # it isn't framed as it should be: hang up
    taken.used, taken.made              # so many bytes of `data` are done with; so many lie in `into`
    body.done                           # nothing of it is left

Specification: RFC 9112, sections 6 and 7. Extensions of chunks and trailers are read past, MOST_OVERHEAD bytes of both
together; lines end by CR LF.

Invariants: `left` is how many bytes of the body follow before something else does. What comes of some bytes doesn't
depend on the pieces in which they come.
"""

from __future__ import annotations

from enum import Enum

from neokernel.http.characters import (
    CLASSES,
    COLON,
    CR,
    LF,
    SEMICOLON,
    SPACE,
    TAB,
    TOKEN,
    is_control,
)
from neokernel.http.limits import MOST_OVERHEAD
from neokernel.http.request import Framing
from neokernel.lang import Span, copy, struct, u8, u64, usize, value
from neokernel.runtime.hexadecimal import digit_of

#: hexadecimal digits of a chunk's size: more than any body has
MOST_DIGITS = 15


class Part(Enum):
    """What the next byte belongs to."""

    DATA = 0
    SIZE = 1
    #: spaces behind the size, which nobody should send
    BLANK = 2
    EXTENSION = 3
    SIZE_LF = 4
    DATA_CR = 5
    DATA_LF = 6
    #: a line of trailers begins, or the empty one that ends all
    TRAILER = 7
    TRAILER_NAME = 8
    TRAILER_VALUE = 9
    TRAILER_LF = 10
    LAST_LF = 11


@value
class Taken:
    used: usize
    made: usize


@struct
class Body:
    left: u64 = 0
    done: bool = True
    broken: bool = False
    chunked: bool = False
    part: Part = Part.DATA
    #: digits of the size that have come, and what nobody looks at
    digits: usize = 0
    overhead: usize = 0

    def begin(self, framing: Framing, length: u64) -> None:
        """A body begins. `length`: if it is known."""
        self.chunked = framing is Framing.CHUNKED
        self.left = length if framing is Framing.LENGTH else 0
        self.done = not self.chunked and self.left == 0
        self.broken = False
        self.part = Part.SIZE if self.chunked else Part.DATA
        self.digits, self.overhead = 0, 0

    def begin_endless(self) -> None:
        """One that goes on until the connection ends: an answer's, to HTTP/1.0."""
        self.begin(Framing.LENGTH, ~u64(0))

    def direct(self) -> u64:
        """How many bytes may come straight into their place: nothing but the body's comes before that."""
        return self.left if self.part is Part.DATA and not self.done else 0

    def came(self, count: usize) -> None:
        """So many of those have."""
        self.left -= count
        if self.left == 0:
            if self.chunked:
                self.part = Part.DATA_CR
            else:
                self.done = True

    def take(self, data: Span[u8], into: Span[u8]) -> Taken:
        """Go on with what has come, as far as there is room."""
        used: usize = 0
        made: usize = 0
        while used < len(data) and not self.done and not self.broken:
            if self.part is Part.DATA:
                count = usize(min(u64(min(len(data) - used, len(into) - made)), self.left))
                if count == 0:
                    break
                copy(into[made : made + count], data[used : used + count].bytes())
                used += count
                made += count
                self.came(count)
            else:
                self.step(data[used])
                used += 1
        return Taken(used, made)

    def step(self, byte: u8) -> None:
        """One byte between the body's own."""
        match self.part:
            case Part.SIZE:
                digit = digit_of(byte)
                if digit is not None and self.digits < MOST_DIGITS:
                    self.left = self.left << 4 | u64(digit)
                    self.digits += 1
                elif digit is not None or self.digits == 0:
                    self.broken = True
                else:
                    self.behind_size(byte)
            case Part.BLANK:
                self.count()
                self.behind_size(byte)
            case Part.EXTENSION:
                self.count()
                if byte == CR:
                    self.part = Part.SIZE_LF
                elif is_control(byte) and byte != TAB:
                    self.broken = True
            case Part.SIZE_LF:
                self.expect(byte, LF, Part.DATA if self.left != 0 else Part.TRAILER)
            case Part.DATA_CR:
                self.expect(byte, CR, Part.DATA_LF)
            case Part.DATA_LF:
                self.digits = 0
                self.expect(byte, LF, Part.SIZE)
            case Part.TRAILER:
                if byte == CR:
                    self.part = Part.LAST_LF
                else:
                    self.part = Part.TRAILER_NAME
                    # A line without a name is none, nor is one that goes on from the last.
                    self.broken = CLASSES[usize(byte)] & TOKEN == 0
                    self.count()
            case Part.TRAILER_NAME:
                self.count()
                if byte == COLON:
                    self.part = Part.TRAILER_VALUE
                elif CLASSES[usize(byte)] & TOKEN == 0:
                    self.broken = True
            case Part.TRAILER_VALUE:
                self.count()
                if byte == CR:
                    self.part = Part.TRAILER_LF
                elif is_control(byte) and byte != TAB:
                    self.broken = True
            case Part.TRAILER_LF:
                self.expect(byte, LF, Part.TRAILER)
            case Part.LAST_LF:
                self.expect(byte, LF, Part.DATA)
                self.done = not self.broken
            case Part.DATA:
                self.broken = True

    def behind_size(self, byte: u8) -> None:
        if byte == CR:
            self.part = Part.SIZE_LF
        elif byte == SEMICOLON:
            self.part = Part.EXTENSION
        elif byte in (SPACE, TAB):
            self.part = Part.BLANK
        else:
            self.broken = True

    def expect(self, byte: u8, wanted: u8, following: Part) -> None:
        if byte == wanted:
            self.part = following
        else:
            self.broken = True

    def count(self) -> None:
        self.overhead += 1
        if self.overhead > MOST_OVERHEAD:
            self.broken = True
