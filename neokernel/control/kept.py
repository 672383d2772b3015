"""The log's records out of the memory that outlives its process, read without the log.

They are what `services/log` keeps: it is the same code that reads them, under CPython.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from neokernel import lang
from neokernel.control.text import text_of
from neokernel.interfaces.log import MOST_TEXT, Level
from neokernel.lang import wire_view
from neokernel.runtime.process import STATE_ADDRESS
from neokernel.runtime.records import LEAST, Header, Records, circle_of


@dataclass(frozen=True)
class Kept:
    """`time` in ticks; `source`: the service's number, from 1 on, 0 for nobody's."""

    time: int
    source: int
    level: str
    text: str


def kept_state(read: Callable[[int, int], bytes | None], page: int) -> bytes:
    """What a process has preserved. `read`: `page` bytes at an address in it, or None if nothing is there."""
    state = bytearray()
    while (more := read(int(STATE_ADDRESS) + len(state), page)) is not None:
        state += more
    return bytes(state)


def kept_records(state: bytes) -> Iterator[Kept]:
    """The records in a log's state, the oldest first; none, if it is no log's."""
    if len(state) < LEAST:
        return
    memory = lang.byte_span(bytearray(state))
    records = Records(header=wire_view(Header, memory), circle=circle_of(memory))
    records.adopt()
    place = 0
    while True:
        text = bytearray(int(MOST_TEXT))
        found = records.read(lang.u64(place), lang.byte_span(text))
        if found is None:
            return
        level = int(found.b) & 0xFF
        name = Level(level).name.lower() if level <= int(Level.ERROR.value) else "error"
        yield Kept(int(found.a), int(found.b) >> 32, name, text_of(text, found.length))
        place = int(found.next)
