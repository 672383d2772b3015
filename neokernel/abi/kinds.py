"""Kinds of kernel objects: what a capability names, and what Memory can be retyped into.

The text of each says what its `size` means in a RETYPE; where it says nothing, `size` is 0. Any other size is
OUT_OF_RANGE of argument 3. What is made at boot can't be made of Memory.
"""

from enum import Enum

from neokernel.lang import u8, u64


class Kind(Enum):
    """Numbers of kinds; the kernel's tagged union of objects has the same order."""

    #: an empty slot
    NONE = 0
    #: rendezvous of threads that call and serve. It has no operations: it is sent to and received from. (Who waits to
    #: send by a badge is cancelled by an operation of a CapTable, CANCEL_SENDERS)
    ENDPOINT = 1
    #: holds a caller until it is answered. It has no operations
    REPLY = 2
    #: a word of signals; `size` 0: badges are ORed, 1: signals are counted. It has no operations
    NOTIFICATION = 3
    #: physical memory; `size` in bytes, a multiple of the page size, at least one page, at most 2^56
    MEMORY = 4
    #: memory that can be mapped; `size` 0: 4 KiB, 1: 2 MiB, aligned to that
    FRAME = 5
    #: a table of 512 entries, which translates 2 MiB or 1 GiB of an address space
    PAGE_TABLE = 6
    #: a translation (Sv39) with its root table; user addresses are those below 2^38
    ADDRESS_SPACE = 7
    #: slots for capabilities; `size` is their number, 1 to 2^20
    CAP_TABLE = 8
    #: registers, and what they may reach
    THREAD = 9
    #: a right to processor time: nothing until it is configured
    SCHED_CONTEXT = 10
    #: a place for a thread's floating-point registers while others use them, and for its vector registers unless `size`
    #: is 0: bytes of one of them, as BootInfo says, a power of 2, 8 to 8192. It has no operations
    FLOATS = 11
    #: an interrupt line; made at boot
    INTERRUPT = 12
    #: what a device may reach; `size` is the number of frames that can be pinned, 1 to 4096. The Memory's capability
    #: needs the right DMA: otherwise RETYPE fails with MISSING_RIGHT of argument 0
    DMA_SPACE = 13
    #: a ring for the kernel's events; `size` in pages of records, a power of 2, 1 to 4096
    TRACE = 14
    #: the right to give out processor time; its badge is the highest priority, without one there is no limit; made at
    #: boot
    PROCESSOR = 15
    #: the machine: early console, power; made at boot
    PLATFORM = 16


def kind_of(number: u64) -> Kind | None:
    return Kind(u8(number)) if number <= u64(Kind.PLATFORM.value) else None


#: bytes of a Frame of size 0
PAGE_SIZE = 4096
#: bytes of a Frame of size 1
LARGE_SIZE = 1 << 21
