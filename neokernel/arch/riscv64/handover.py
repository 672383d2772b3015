"""What the first stage needs of the machine: the memory that it reads and loads into, and the way into the kernel.

Addresses are physical, and mapped as they are (`bare.py`): reading and writing what isn't there ends in a panic record.
"""

from typing import NoReturn

from neokernel.lang import Span, asm, naked, span_at, u8, u64, unsafe

unsafe("what is loaded is memory, and memory becomes a program")

#: RAM that `bare.py` maps
RAM = 0x8000_0000
RAM_END = 0xC000_0000


def load_start() -> u64:
    """The memory from here to `load_end` is for what is loaded; from there to `stage_end` the stage itself lies."""
    return asm("la {result}, nk_load_start", result=u64)


def load_end() -> u64:
    return asm("la {result}, nk_load_end", result=u64)


def stage_end() -> u64:
    return asm("la {result}, nk_image_end", result=u64)


def memory(address: u64, size: u64) -> Span[u8]:
    """RAM outside the stage, a part of it that can be read, or a flash device that has got no command."""
    return span_at(u8, address, size)


@naked
def leave(hart: u64, tree: u64, entry: u64) -> None:
    """Go on as the firmware would: without translation, floating point off, a0 the hart, a1 the device tree.

    The code at `entry` was written as data, hence the fence. Where it is, is where it was: the map is the identity.
    """
    asm("""
        fence.i
        li t0, 3 << 13
        csrc sstatus, t0
        csrw satp, zero
        sfence.vma
        jr a2
    """)


def enter(entry: u64, hart: u64, tree: u64) -> NoReturn:
    """Start what has been loaded."""
    leave(hart, tree, entry)
    while True:
        pass
