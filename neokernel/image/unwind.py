"""Walking the stack of a machine that died, from its panic record and the image's unwind rules.

Invariants: a walk ends: at the first frame, at a rule or word that isn't there, or after `MOST_FRAMES`; the canonical
frame address strictly grows.
"""

from __future__ import annotations

from dataclasses import dataclass

from neokernel.image.elf import Image
from neokernel.image.panic import WORD, PanicRecord

MOST_FRAMES = 10_000
RETURN_ADDRESS = 1
STACK_POINTER = 2
MASK = (1 << 64) - 1
#: where the machine enters a program: nobody called these
FIRST_FUNCTIONS = {"_start", "nk_thread_start"}


@dataclass(frozen=True)
class Walk:
    """The frames, innermost first, as addresses of the instructions that run or call. `cut`: there were more."""

    addresses: tuple[int, ...]
    cut: bool


def walk(image: Image, panic: PanicRecord) -> Walk:
    """All frames of the stack in `panic`."""
    registers: dict[int, int] = dict(enumerate(panic.registers))
    addresses = [panic.pc]
    lookup = panic.pc
    if image.unwind_row(lookup) is None and image.function_at(lookup) is None:
        # A jump to nowhere: the caller is still in the return address.
        lookup = (registers[RETURN_ADDRESS] - 1) & MASK
        addresses.append(lookup)
    while len(addresses) < MOST_FRAMES:
        row = image.unwind_row(lookup)
        if row is None or image.function_at(lookup) in FIRST_FUNCTIONS:
            return Walk(tuple(addresses), cut=False)
        if row.cfa_register not in registers:
            return Walk(tuple(addresses), cut=True)
        frame = (registers[row.cfa_register] + row.cfa_offset) & MASK
        if len(addresses) > 1 and frame <= registers.get(STACK_POINTER, 0) and row.cfa_offset:
            return Walk(tuple(addresses), cut=True)
        for register in row.undefined:
            registers.pop(register, None)
        for register, offset in row.saved.items():
            word = panic.memory.get((frame + offset) & MASK)
            if word is None or offset % WORD:
                registers.pop(register, None)
            else:
                registers[register] = word
        registers[STACK_POINTER] = frame
        if len(addresses) > 1 and RETURN_ADDRESS not in row.saved:
            # This frame's call overwrote the return address, and it has no copy: it was never going to return.
            return Walk(tuple(addresses), cut=False)
        if RETURN_ADDRESS in row.undefined:
            return Walk(tuple(addresses), cut=False)
        if RETURN_ADDRESS not in registers:
            return Walk(tuple(addresses), cut=True)
        # The return address is after the call; the call is what the user wants to see.
        lookup = (registers[RETURN_ADDRESS] - 1) & MASK
        if image.unwind_row(lookup) is None:
            return Walk(tuple(addresses), cut=False)
        addresses.append(lookup)
    return Walk(tuple(addresses), cut=True)
