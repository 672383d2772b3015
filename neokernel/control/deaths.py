"""How services have come to their end, out of the post-mortems that init keeps (`services/init/post_mortem.py`).

Invariant: bytes that aren't one give None; numbers are looked at before they are used.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass

from neokernel import lang
from neokernel.abi.description import MAXIMUM_NAME
from neokernel.abi.fault import Fault
from neokernel.control.text import text_of
from neokernel.runtime.system import THREAD_REGISTERS
from neokernel.services.init.post_mortem import (
    MESSAGES,
    STACK_WORDS,
    Cause,
    trap_of,
    word_of,
)

#: as `PostMortem.write` puts it together: numbers, the program's name, registers, messages of four numbers, the stack
FORM = struct.Struct(f"<14Q{int(MAXIMUM_NAME)}s{int(THREAD_REGISTERS)}Q{int(MESSAGES) * 4}Q{int(STACK_WORDS)}Q")
NUMBERS = 14


@dataclass(frozen=True)
class Death:
    """`service`: its index; `starts`: how often it had been started; `time` in ticks since the machine started.

    `trap`: as the processor numbers it, or one of init's; `registers`: pc, x1, …; `stack`: words by their addresses.
    """

    service: int
    cause: Cause
    starts: int
    time: int
    status: int
    program: str
    trap: int
    address: int
    registers: tuple[int, ...]
    stack: dict[int, int]

    @property
    def has_place(self) -> bool:
        """Is it known where it was?"""
        return self.cause in (Cause.FAULT, Cause.SILENT, Cause.NOISY, Cause.UNREADY)


def death_of(data: bytes) -> Death | None:
    if len(data) != FORM.size:
        return None
    found = FORM.unpack(data)
    service, cause, starts, time, fault, status, _, address, access, _, _, _, count, _ = found[:NUMBERS]
    name, registers = found[NUMBERS], found[NUMBERS + 1 : NUMBERS + 1 + int(THREAD_REGISTERS)]
    words = found[-int(STACK_WORDS) :][: min(count, int(STACK_WORDS))]
    try:
        kind = Cause(cause)
        trap = int(word_of(kind))
        if fault:
            trap = int(trap_of(Fault(fault), lang.u64(access)))
    except ValueError:
        return None
    lowest = registers[2] & ~7
    return Death(
        service=service,
        cause=kind,
        starts=starts,
        time=time,
        status=status,
        program=text_of(name.rstrip(b"\0")),
        trap=trap,
        address=address,
        registers=registers,
        stack={lowest + place * 8: word for place, word in enumerate(words)},
    )
