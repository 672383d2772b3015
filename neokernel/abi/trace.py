"""The kernel's event ring: a page of header, then records, oldest overwritten first.

`written` counts all records ever written: record n is at index n modulo the ring's size, so a reader that comes late
sees how many it has missed. A record is complete when `written` is larger than its number. Identifiers count up from 1
and are never used twice; `Record.thread` has the low 32 bits. No record holds an address of the kernel.
"""

from enum import Enum

from neokernel.abi.kinds import PAGE_SIZE
from neokernel.lang import Array, array, size_of, u8, u16, u32, u64, wire


class Event(Enum):
    """Kinds of records, also bits of the mask (1 << kind). In brackets: what a and b of the record say.

    Objects and threads are named by identifiers, kinds of objects by their numbers. What was moved from slot to
    slot, or handed out by TRACE_FRAME, isn't recorded.
    """

    #: a thread made a system call (call number; capability index)
    SYSCALL = 0
    #: a message, call or fault report went from the thread to another (other thread; message word)
    SEND = 1
    #: a reply went from the thread to its caller (other thread; message word)
    REPLY = 2
    #: the hart goes on with this thread, 0 when idle (thread before; its context)
    SWITCH = 3
    #: an interrupt came (line, 0 for the timer; 0)
    INTERRUPT = 4
    #: the thread faulted (kind of fault; program counter, of PAGE the address)
    FAULT = 5
    #: a capability was made (kind of object; 1 if its object was made with it, 0 if it was derived)
    DERIVE = 6
    #: a capability was deleted (kind of object; 1 if its object ended with it)
    DELETE = 7
    #: a notification was signalled (badge, 0 if there is none; 0)
    SIGNAL = 8
    #: a thread became ready (the thread; priority)
    READY = 9


# `registers`: what is aligned, as here, takes one store a field instead of one a byte.
@wire(registers=True)
class Record:
    """`time` in ticks, `thread` the identifier of the thread that ran, or of the sender that had waited, 0: none.

    After 2^32 threads, spaces and contexts its 32 bits begin anew; `a` and `b` hold identifiers whole.
    """

    time: u64
    thread: u32
    event: u8
    hart: u8
    unused: u16
    a: u64
    b: u64


@wire(registers=True)
class Header:
    """The first page."""

    #: records written so far
    written: u64
    #: how many the ring holds, a power of 2
    capacity: u64
    #: ticks in a second
    frequency: u64
    rest: Array[u8] = array(PAGE_SIZE - 24)


#: records in a page of the ring
RECORDS = PAGE_SIZE // size_of(Record)

assert size_of(Record) == 32, "records have 32 bytes"
assert size_of(Header) == PAGE_SIZE, "the header is a page"
