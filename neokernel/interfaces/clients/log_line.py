"""A line of the log, put together piece by piece."""

from __future__ import annotations

from neokernel.interfaces.log import MOST_TEXT
from neokernel.lang import Array, array, copy, struct, text_of, u8, usize, writer

#: stands at the end of a line of which something was left out
CUT = b"..."


@struct
class LogLine:
    """What doesn't fit is left out: the line ends with three full stops then."""

    data: Array[u8] = array(MOST_TEXT)
    length: usize = 0

    def text(self) -> str:
        """Good until more is written."""
        return text_of(self.data[: self.length].bytes())

    @writer
    def write(self, text: str) -> None:
        more = text.encode()
        taken = min(len(more), MOST_TEXT - self.length)
        copy(self.data[self.length : self.length + taken], more[:taken])
        self.length += taken
        if taken < len(more):
            copy(self.data[MOST_TEXT - len(CUT) :], CUT)
