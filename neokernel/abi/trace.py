"""The kernel's event ring: a page of header, then records, oldest overwritten first.

`written` counts all records ever written: record n is at index n modulo the ring's size, so a reader that comes late
sees how many it has missed. A record is complete when `written` is larger than its number. Identifiers are small
numbers that are never used twice; no record holds an address of the kernel.
"""

from enum import Enum

from neokernel.abi.kinds import PAGE_SIZE
from neokernel.lang import Array, array, size_of, u8, u16, u32, u64, wire


class Event(Enum):
    """Kinds of records, also bits of the mask (1 << kind). In brackets: a, b."""

    #: a thread entered the kernel (call number; capability index)
    SYSCALL = 0
    #: a message went from the thread to another (other thread; message word)
    SEND = 1
    #: a reply went from the thread to its caller (other thread; message word)
    REPLY = 2
    #: the hart goes on with this thread, 0 when idle (thread before; context)
    SWITCH = 3
    #: an interrupt came (line, 0 for the timer; 0)
    INTERRUPT = 4
    #: the thread faulted (kind; address or program counter)
    FAULT = 5
    #: a capability was made (kind; identifier of the object if it has one)
    DERIVE = 6
    #: a capability was deleted (kind; 1 if its object ended)
    DELETE = 7
    #: a notification was signalled (badge; 0)
    SIGNAL = 8
    #: a thread became ready (the thread; priority)
    READY = 9


@wire
class Record:
    """`time` in ticks, `thread` the identifier of the thread that ran."""

    time: u64
    thread: u32
    event: u8
    hart: u8
    unused: u16
    a: u64
    b: u64


@wire
class Header:
    """The first page. `capacity` is the number of records, a power of 2."""

    written: u64
    capacity: u64
    frequency: u64
    rest: Array[u8] = array(PAGE_SIZE - 24)


assert size_of(Record) == 32, "records have 32 bytes"
assert size_of(Header) == PAGE_SIZE, "the header is a page"
