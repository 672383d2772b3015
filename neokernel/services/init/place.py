"""Where init keeps what it knows: memory of its own, as large as the system's description asks for.

Invariant: each region is mapped once, cleared, and holds one thing.
"""

from __future__ import annotations

from neokernel.abi.archive import MAGIC, File, Header
from neokernel.abi.boot import ARCHIVE_ADDRESS, OWN_SPACE
from neokernel.abi.description import DESCRIPTION_NAME
from neokernel.abi.kinds import PAGE_SIZE, Kind
from neokernel.abi.rights import READ, WRITE
from neokernel.lang import Embedded, Span, object_at, size_of, span_at, u8, u64, unsafe
from neokernel.runtime.must import must, must_get
from neokernel.runtime.process import Process
from neokernel.runtime.space import Kept, has_name, map_new
from neokernel.services.init.post_mortem import POST_MORTEMS, PostMortem
from neokernel.services.init.state import Unit

unsafe("init's memory is at addresses that nothing else has; what is in it may be all zeroes")

UNITS = 0x20_0000_0000
OBJECTS = 0x20_1000_0000
DEATHS = 0x20_2000_0000
OUTBOX = 0x20_4000_0000
#: bytes of text that wait for the console
OUTBOX_SIZE = 16384
#: what page tables there may be beside the pages
TABLES = 8


def reserve(process: Process, address: u64, size: u64) -> None:
    """Map so many bytes of cleared memory."""
    pages = (size + (PAGE_SIZE - 1)) // PAGE_SIZE
    kept = Kept()
    kept.table = must_get(process.make(Kind.CAP_TABLE, pages + TABLES))
    must(map_new(process, OWN_SPACE, process.memory, address, READ | WRITE, pages, kept))


def make_units(process: Process, count: u64) -> Span[Embedded[Unit]]:
    reserve(process, UNITS, count * size_of(Unit))
    return span_at(Embedded[Unit], UNITS, count)


def make_objects(process: Process, count: u64) -> Span[u64]:
    """With room for as many regions behind them."""
    reserve(process, OBJECTS, count * (8 + size_of(Kept)) + 8)
    return span_at(u64, OBJECTS, count)


def regions_behind(objects: Span[u64]) -> Span[Embedded[Kept]]:
    """The regions of as many grants as there are objects, for which `make_objects` has left room."""
    return span_at(Embedded[Kept], OBJECTS + len(objects) * 8, len(objects))


def make_post_mortems(process: Process) -> Span[Embedded[PostMortem]]:
    reserve(process, DEATHS, POST_MORTEMS * size_of(PostMortem))
    return span_at(Embedded[PostMortem], DEATHS, POST_MORTEMS)


def make_outbox(process: Process) -> Span[u8]:
    reserve(process, OUTBOX, OUTBOX_SIZE)
    return span_at(u8, OUTBOX, OUTBOX_SIZE)


def find_description() -> Span[u8] | None:
    """The description's bytes, where they lie in the boot archive."""
    header = object_at(Header, ARCHIVE_ADDRESS)
    if header.magic != MAGIC:
        return None
    for file in span_at(Embedded[File], ARCHIVE_ADDRESS + size_of(Header), u64(header.count)):
        if has_name(file, DESCRIPTION_NAME.encode()) and file.entry == 0:
            return span_at(u8, ARCHIVE_ADDRESS + file.offset, file.size)
    return None
