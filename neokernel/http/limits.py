"""How much a connection may take: memory, which is fixed when a program is built, and time, which it may choose.

A request's head has to fit in MOST_HEAD bytes; the statuses that say what didn't are 414, 431 and 413.
"""

from __future__ import annotations

from neokernel.lang import u64, value

#: bytes of a request's line, without its end, and of a head with all its lines; fields of a head
MOST_LINE = 4_096
MOST_HEAD = 8_192
MOST_FIELDS = 64
#: what comes in: a head, and room for what stands between pieces of a body
INPUT = MOST_HEAD + 512
#: the head of an answer
OUTPUT = 2_048
#: of a chunked body: bytes of extensions and trailers in all, which nobody looks at
MOST_OVERHEAD = 4_096


@value
class Limits:
    """Times are in milliseconds."""

    #: bytes of a request's body: more is refused (413)
    most_body: u64 = 1 << 20
    #: from a request's first byte to the last one of its head (408)
    head: u64 = 10_000
    #: between requests: then the connection is closed
    idle: u64 = 60_000
    #: for a body (408), and a second more for each `rate` bytes of it that have come
    body: u64 = 20_000
    #: bytes a second: who sends a body, or takes an answer, more slowly for long is too slow
    rate: u64 = 1_024
    #: that the peer may have an answer wait, or else it is reset: a second is given back for each `rate` bytes it takes
    write: u64 = 20_000
    #: for the peer to end, when we have
    linger: u64 = 2_000
    #: of a client: until it is connected
    connect: u64 = 20_000
    #: bodies of unknown length are taken; if not, they are refused (411)
    chunked: bool = True


USUAL = Limits()
