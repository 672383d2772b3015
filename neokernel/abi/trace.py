"""The kernel's event ring: a page of header, then records, oldest overwritten first.

`written` counts all records ever written: record n is at index n modulo the ring's size, so a reader that comes late
sees how many it has missed. A record is complete when `written` is larger than its number. Identifiers count up from 1
and are never used twice; `Record.thread` has the low 32 bits. No record holds an address of the kernel.

Who runs: the thread of a record that begins a stay in the kernel has run since the stay before; nobody, if it
is 0. So changes of threads have no records, and the kernel's fast paths need none. What a fast path did is told by its
call, if the next record begins a stay of another thread, that isn't 0: CALL sent that thread the message,
REPLY_RECEIVE was the reply to it, and for what SIGNAL signals it had waited. Any other record in between says that the
call took the general way, which records what it does; if that is nothing else, SWITCH.
"""

from enum import Enum

from neokernel.abi.kinds import PAGE_SIZE
from neokernel.lang import Array, array, size_of, u8, u16, u32, u64, wire


class Event(Enum):
    """Kinds of records, also bits of the mask (1 << kind). In brackets: what a and b of the record say.

    Objects and threads are named by identifiers, kinds of objects by their numbers. What was moved from slot to
    slot, or handed out by TRACE_FRAME, isn't recorded.
    """

    #: a thread made a system call (call number in the low 32 bits, capability index above; message word)
    SYSCALL = 0
    #: a message, call or fault report went from the thread to another (other thread; message word)
    SEND = 1
    #: a reply went from the thread to its caller (other thread; message word)
    REPLY = 2
    #: the hart goes on with this thread, and nothing else tells why; or it idles, of thread 0 (0; 0)
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
    #: a thread became ready, not by a reply that gave back its time, and waits for its turn (the thread; priority)
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


#: kinds that tell who runs. All but SWITCH begin a stay in the kernel; but a FAULT of kind BUDGET comes in one
ENTRIES: u64 = (
    u64(1) << u64(Event.SYSCALL.value)
    | u64(1) << u64(Event.SWITCH.value)
    | u64(1) << u64(Event.INTERRUPT.value)
    | u64(1) << u64(Event.FAULT.value)
)
#: kinds that those tell of, wholly or in part: whoever asks for one of these has those
BY_ENTRIES: u64 = (
    u64(1) << u64(Event.SYSCALL.value)
    | u64(1) << u64(Event.SEND.value)
    | u64(1) << u64(Event.REPLY.value)
    | u64(1) << u64(Event.SWITCH.value)
    | u64(1) << u64(Event.SIGNAL.value)
)

#: records in a page of the ring
RECORDS = PAGE_SIZE // size_of(Record)

assert size_of(Record) == 32, "records have 32 bytes"
assert size_of(Header) == PAGE_SIZE, "the header is a page"
