"""Frames, copied as they pass: for who may see what everybody says on a network, which is a line of its own.

    capture: Uses[Capture] = uses()
    begun = capture.begin(Filter(...), 256)     # beginnings of 256 bytes
    … capture.read(place, into) …               # again and again
    capture.end()

The service puts copies into a ring of fixed size. It never waits: what comes while the ring is full isn't copied, and
is counted. There is one capture at a time; who begins one ends an earlier one, which its reader is told, since the
number is another one. One that nobody reads for ten seconds ends, too: its reader has gone.

In what is read, each frame is a `FrameRecord` and then its bytes, filled up with zeroes to a multiple of 8.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Protocol

from neokernel.lang import Span, interface, size_of, u8, u16, u32, u64, up_to, value, wire
from neokernel.runtime.system import Failure

#: bytes of the ring
RING = 256 << 10
#: bytes of a frame that are kept, at least and at most
LEAST_SNAP = 14
MOST_SNAP = 1_536
#: that one call gives at most: two frames as long as they can be
MOST_READ = 3_584

#: `FrameRecord.way`: where it was going
CAME = 0
WENT = 1
#: from the host to itself
STAYED = 2


@wire
class FrameRecord:
    """`time`: microseconds since the machine started. `length`: of the frame; `kept`: bytes of it that follow.

    `way` is one of CAME, WENT and STAYED. `unsummed`: its checksum is the card's to make, and isn't in it.
    """

    time: u64
    length: u16
    kept: u16
    way: u8
    unsummed: u8
    unused: u16


RECORD_SIZE = 16
UNIT = 8

assert size_of(FrameRecord) == RECORD_SIZE
assert 2 * (RECORD_SIZE + MOST_SNAP) <= MOST_READ


@value
class Filter:
    """Which frames are copied: all that fit. 0 is any.

    `kind`: of Ethernet (0x0806: ARP). `protocol`: IP's number. `network` and `prefix`: either address is there, of IP
    or ARP; a prefix of 0 is any address. `port`: either port, of TCP or UDP; of fragments, the first alone has ports.
    """

    kind: u16
    protocol: u8
    network: u32
    prefix: u32
    port: u16


class NoCapture(Enum):
    """Why nothing is copied."""

    #: the service has no memory for the ring
    MEMORY = 0
    #: it was ended, somebody else has begun one, or it wasn't read for too long
    ENDED = 1
    #: no address has a prefix of more than 32 bits
    FILTER = 2


@value
class Begun:
    """The capture's number, and the service's time in microseconds."""

    number: u64
    time: u64


@value
class Read:
    """`length` bytes of records. Of all frames that fitted so far `dropped` weren't copied, as the ring was full."""

    length: u32
    dropped: u64


@interface
class Capture(Protocol):
    def begin(self, filter: Filter, snap: u32) -> Begun | NoCapture | Failure:
        """Copy frames from now on, of each at most `snap` bytes."""
        ...

    def read(self, number: u64, into: Annotated[Span[u8], up_to(MOST_READ)]) -> Read | NoCapture | Failure:
        """The oldest whole frames, as many as fit, which make room for others. A length of 0: there are none now."""
        ...

    def end(self, number: u64) -> Failure | None:
        """Copy no more."""
        ...
