"""Text that a machine has written, as a terminal may show it.

A service writes what it likes, also what a terminal obeys: `neokernel/runtime/harmless.py` says what that is good for.
"""

from __future__ import annotations


def text_of(data: bytes | bytearray, length: int | None = None) -> str:
    """The first `length` bytes, or all, with U+FFFD in the place of what isn't UTF-8, or isn't printable."""
    text = bytes(data[: None if length is None else int(length)]).decode("utf-8", "replace")
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in text)
