"""What a program knows of one socket: its counts, its places in the buffers, who waits for it.

They are used by `sockets.py`.

Numbers of sockets are the service's: a new life of it may give the same one to another socket. So programs have serial
numbers, which `Net` never gives twice.

Invariant: `acknowledged <= written <= acknowledged + each`, and `read <= arrived <= read + each`, modulo 2**32.
"""

from __future__ import annotations

from enum import Enum

from neokernel.interfaces.sockets import MOST_DATAGRAMS, End, Refusal
from neokernel.lang import (
    Array,
    Span,
    array,
    copy,
    struct,
    u8,
    u16,
    u32,
    u64,
    usize,
    value,
    wrapping_add,
    wrapping_sub,
)
from neokernel.runtime.task import Task

#: no socket, no listener
NOBODY = 0xFFFF_FFFF


class Gone(Enum):
    """Why there is nothing to be had."""

    #: it was closed, or never was
    CLOSED = 0
    #: it is there, but the time was over before
    EXPIRED = 1


@value
class Peer:
    """An address, the first byte the highest, and a port."""

    address: u32
    port: u16


@value
class Listener:
    index: u32
    generation: u32


@value
class Stream:
    """A connection. `peer`: whom with."""

    pair: u32
    serial: u64
    peer: Peer


@value
class Datagrams:
    """A UDP socket, and its port."""

    pair: u32
    serial: u64
    port: u16


@value
class Datagram:
    """One that has come: its bytes are in the span that was given, as many as fit."""

    peer: Peer
    length: usize


@value
class Sent:
    """The time was over when only so many bytes had been handed over: the others would be next."""

    count: usize


@struct
class Socket:
    """A pair of buffers. `serial` is 0 while nobody has it; `number` is 0 if the service doesn't know it (any more)."""

    serial: u64 = 0
    number: u64 = 0
    peer: Peer = Peer(0, 0)
    #: bytes of the stream in all, modulo 2**32, and where the next one is in its buffer
    written: u32 = 0
    acknowledged: u32 = 0
    write_at: usize = 0
    arrived: u32 = 0
    read: u32 = 0
    read_at: usize = 0
    established: bool = False
    finished: bool = False
    end: End = End.NONE
    #: what the service is to be told
    moved: bool = False
    finishing: bool = False
    finish_told: bool = False
    closing: bool = False
    aborting: bool = False
    #: `no_delay`, or seconds of silence and between questions of a peer that is to be kept alive, are other ones
    chosen: bool = False
    no_delay: bool = False
    idle: u32 = 0
    interval: u32 = 0
    #: it stands in the list of those that have something to tell
    dirty: bool = False
    next_dirty: u32 = NOBODY
    #: of a listener: the next one that waits to be accepted
    following: u32 = NOBODY
    reader: Task | None = None
    writer: Task | None = None
    #: of UDP: who has sent what waits to be read, the oldest first, and how long it is
    datagrams: bool = False
    peers: Array[Peer] = array(MOST_DATAGRAMS, Peer(0, 0))
    lengths: Array[u32] = array(MOST_DATAGRAMS)
    first: usize = 0
    count: usize = 0
    #: of UDP: datagrams that aren't sent yet; that were read, of which the service is to be told
    sending: u32 = 0
    taken: u32 = 0

    def room(self, each: u32) -> u32:
        """How many more bytes can be written; `each`: of the buffer."""
        return each - min(wrapping_sub(self.written, self.acknowledged), each)

    def put(self, memory: Span[u8], data: bytes) -> None:
        """Into the buffer, behind what was written; there is room."""
        straight = min(len(data), len(memory) - self.write_at)
        copy(memory[self.write_at : self.write_at + straight], data[:straight])
        if straight < len(data):
            copy(memory[: len(data) - straight], data[straight:])
        self.write_at = behind(self.write_at, len(data), len(memory))
        self.written = wrapping_add(self.written, u32(len(data)))

    def get(self, memory: Span[u8], into: Span[u8]) -> None:
        """Out of the buffer: the oldest bytes that have come."""
        straight = min(len(into), len(memory) - self.read_at)
        copy(into[:straight], memory[self.read_at : self.read_at + straight].bytes())
        if straight < len(into):
            copy(into[straight:], memory[: len(into) - straight].bytes())
        self.read_at = behind(self.read_at, len(into), len(memory))


def behind(place: usize, count: usize, size: usize) -> usize:
    """So many bytes behind a place in a circle."""
    rest = size - place
    return place + count if count < rest else count - rest


@struct
class Listening:
    """`generation` is odd while somebody has it; `number` is the service's, 0 until it has answered."""

    number: u64 = 0
    generation: u32 = 0
    address: u32 = 0
    port: u16 = 0
    backlog: u32 = 0
    first: u32 = NOBODY
    last: u32 = NOBODY
    waiter: Task | None = None
    #: the service's number of a listener that had this place, and is to stop; 0: none
    stopping: u64 = 0


@struct
class Request:
    """Something that is asked for: `asked` when the service has the order, `done` when there is an answer."""

    taken: bool = False
    asked: bool = False
    done: bool = False
    why: Refusal | None = None
    pair: u32 = 0
    #: of a listener: the service's; else the serial number of a socket
    number: u64 = 0
    port: u16 = 0
    waiter: Task | None = None
    #: the listener that it is about, which asks by itself after a restart; NOBODY: none
    listener: u32 = NOBODY
    #: who asked was cancelled: what is opened is for nobody. `datagrams`: it is a UDP socket then
    abandoned: bool = False
    datagrams: bool = False

    def begin(self) -> None:
        """Nobody has heard of it yet."""
        self.taken, self.asked, self.done, self.abandoned, self.datagrams = True, False, False, False, False
        self.why, self.waiter, self.listener = None, None, NOBODY
        self.pair, self.number, self.port = 0, 0, 0
