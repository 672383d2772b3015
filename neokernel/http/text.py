"""Text that is written by f-strings into memory of the program's, for bodies.

page = Text(data=memory[:])
page.write(f"{count} requests")
await http.reply(200, b"text/plain", page.written())
"""

from __future__ import annotations

from neokernel.lang import Span, copy, struct, u8, usize, writer


@struct
class Text:
    """What doesn't fit is left out, and `full` says so."""

    data: Span[u8]
    used: usize = 0
    full: bool = False

    def clear(self) -> None:
        self.used, self.full = 0, False

    def written(self) -> bytes:
        return self.data[: self.used].bytes()

    @writer
    def write(self, text: str) -> None:
        data = text.encode()
        if len(data) > len(self.data) - self.used:
            self.full = True
            return
        copy(self.data[self.used : self.used + len(data)], data)
        self.used += len(data)
