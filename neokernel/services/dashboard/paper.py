"""An answer in JSON of any length, in little memory: what is written goes out whenever the memory is nearly full.

    page = Writer(into=memory[:])
    await begin(http)
    page.open(OBJECT)
    …
    await room(http, page)          # before anything of up to PART bytes
    …
    await end(http, page)

Invariant: what is written between two calls of `room` takes at most PART bytes.
"""

from __future__ import annotations

from neokernel.http.exchange import Exchange
from neokernel.json.writer import Writer
from neokernel.lang import u64, usize

JSON = b"application/json"
#: bytes of a part, and of the memory for the whole
PART: usize = 1_600
MEMORY = 4_096


async def begin(http: Exchange, kind: bytes = JSON) -> None:
    """The answer, of this media type."""
    http.begin(200)
    http.header(b"Content-Type", kind)
    await http.start_chunked()


async def room(http: Exchange, page: Writer) -> None:
    """Let there be room for another part."""
    if page.room() < PART:
        await flush(http, page)


async def flush(http: Exchange, page: Writer) -> None:
    assert not page.full, "parts are as short as they say"
    _ = await http.write(page.written())
    page.clear()


async def end(http: Exchange, page: Writer) -> None:
    await flush(http, page)
    await http.finish()


def member(page: Writer, name: bytes, number: u64) -> None:
    page.name(name)
    page.number(number)
