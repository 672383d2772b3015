"""A writer of JSON into memory of the program's; what doesn't fit is left out, and `full` says so.

    page = Writer(into=memory[:])
    page.open(OBJECT)
    page.name(b"ready")
    page.truth(True)
    page.close(OBJECT_END)
    … page.written() …

Commas come by themselves. Who writes sees to it that names and values take turns, and that what is opened is closed.

Invariant: `used` is at most the length of `into`; of a text that is UTF-8, what is written is JSON and UTF-8.
"""

from __future__ import annotations

from neokernel.json.digits import LONGEST, write32, write64
from neokernel.json.numbers import Integer, is_finite32, is_finite64
from neokernel.lang import Array, Span, array, copy, struct, u8, u32, u64, usize
from neokernel.runtime.decimal import MOST_DIGITS, write_decimal
from neokernel.runtime.hexadecimal import DIGITS

OBJECT = 0x7B
OBJECT_END = 0x7D
LIST = 0x5B
LIST_END = 0x5D


@struct
class Writer:
    into: Span[u8]
    used: usize = 0
    full: bool = False
    #: nothing stands before what comes next, in its container
    first: bool = True

    def written(self) -> bytes:
        return self.into[: self.used].bytes()

    def clear(self) -> None:
        """Begin the memory anew: what was written has been sent."""
        self.used = 0

    def room(self) -> usize:
        return len(self.into) - self.used

    # --- parts --------------------------------------------------------------------------------------------------------

    def open(self, mark: u8) -> None:
        """OBJECT or LIST."""
        self.comma()
        self.put(mark)
        self.first = True

    def close(self, mark: u8) -> None:
        """OBJECT_END or LIST_END."""
        self.put(mark)
        self.first = False

    def name(self, name: bytes) -> None:
        self.text(name)
        self.put(0x3A)
        self.first = True

    def text(self, text: bytes) -> None:
        """`text` is UTF-8."""
        self.comma()
        self.put(0x22)
        self.characters(text)
        self.put(0x22)

    def truth(self, value: bool) -> None:
        self.comma()
        self.add(b"true" if value else b"false")

    def number(self, number: u64) -> None:
        self.integer(Integer(False, number))

    def integer(self, number: Integer) -> None:
        self.comma()
        if number.negative:
            self.put(0x2D)
        digits: Array[u8] = array(MOST_DIGITS)
        self.add(digits[write_decimal(number.size, digits[:]) :].bytes())

    def float32(self, bits: u32) -> bool:
        """False: nothing was written, as JSON has no number for it, an infinity or a NaN."""
        if not is_finite32(bits):
            return False
        self.comma()
        line: Array[u8] = array(LONGEST)
        self.add(line[: write32(bits, line[:])].bytes())
        return True

    def float64(self, bits: u64) -> bool:
        """As above."""
        if not is_finite64(bits):
            return False
        self.comma()
        line: Array[u8] = array(LONGEST)
        self.add(line[: write64(bits, line[:])].bytes())
        return True

    # --- inside -------------------------------------------------------------------------------------------------------

    def comma(self) -> None:
        if not self.first:
            self.put(0x2C)
        self.first = False

    def put(self, byte: u8) -> None:
        if self.used == len(self.into):
            self.full = True
            return
        self.into[self.used] = byte
        self.used += 1

    def add(self, text: bytes) -> None:
        if len(text) > len(self.into) - self.used:
            self.full = True
            return
        copy(self.into[self.used : self.used + len(text)], text)
        self.used += len(text)

    def characters(self, text: bytes) -> None:
        """Of a text: what may not stand in one gets a backslash."""
        for byte in text:
            if byte == 0x22 or byte == 0x5C:
                self.put(0x5C)
                self.put(byte)
            elif byte < 0x20:
                self.add(b"\\u00")
                self.put(DIGITS[usize(byte >> 4)])
                self.put(DIGITS[usize(byte & 15)])
            else:
                self.put(byte)
