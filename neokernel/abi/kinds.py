"""Kinds of kernel objects: what a capability names, and what Memory can be retyped into.

The comment of each says what its `size` means in a retype (0 unless said), and which operations it has.
"""

from enum import Enum

from neokernel.lang import u8, u64


class Kind(Enum):
    """Numbers of kinds; the kernel's tagged union of objects has the same order."""

    NONE = 0
    #: rendezvous of threads that call and serve
    ENDPOINT = 1
    #: the right to answer one call
    REPLY = 2
    #: a word of signals; `size` 0: badges are ORed, 1: signals are counted
    NOTIFICATION = 3
    #: physical memory; `size` in bytes, a multiple of the page size
    MEMORY = 4
    #: memory that can be mapped; `size` 0: 4 KiB, 1: 2 MiB
    FRAME = 5
    #: the part of an address space that one table translates
    PAGE_TABLE = 6
    #: a translation (Sv39) with its root table
    ADDRESS_SPACE = 7
    #: slots for capabilities; `size` is their number
    CAP_TABLE = 8
    #: registers, and what they may reach
    THREAD = 9
    #: a right to processor time
    SCHED_CONTEXT = 10
    #: a thread's floating-point registers while others use them
    FLOATS = 11
    #: an interrupt line; made at boot
    INTERRUPT = 12
    #: what a device may reach; `size` is the number of frames that can be pinned. The Memory needs the right DMA
    DMA_SPACE = 13
    #: the kernel's event ring; `size` in pages, a power of 2
    TRACE = 14
    #: the right to give out processor time; its badge is the highest priority; made at boot
    PROCESSOR = 15
    #: the machine: early console, power; made at boot
    PLATFORM = 16


def kind_of(number: u64) -> Kind | None:
    return Kind(u8(number)) if number <= u64(Kind.PLATFORM.value) else None


#: bytes of a Frame's sizes
PAGE_SIZE = 4096
LARGE_SIZE = 1 << 21
