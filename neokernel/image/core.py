"""A process as an ELF core file, which gdb and pyelftools open: its memory, and the registers of its threads.

The form is Linux's (`elf_prstatus` of riscv64, System V ABI's ET_CORE), which debuggers know for bare machines, too.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

RISCV = 243
CORE, CURRENT = 4, 1
LOAD, NOTE = 1, 4
PRSTATUS = 1
HEADER = struct.Struct("<16sHHIQQQIHHHHHH")
SEGMENT = struct.Struct("<IIQQQQQQ")
NOTE_HEADER = struct.Struct("<III8s")
#: elf_prstatus: signal, its code and errno; the current signal; pending ones and held ones; pid, ppid, pgrp, sid; four
#: times; pc, x1 to x31; whether there are floating-point registers
STATUS = struct.Struct("<3iH2xQQ4i8Q32Qi4x")
ALIGNMENT = 4096

assert STATUS.size == 376, "as debuggers know it"


@dataclass(frozen=True)
class Registers:
    """Of a thread: pc, x1 to x31. `signal`: why it stands, 0 if it doesn't."""

    thread: int
    words: Sequence[int]
    signal: int = 0


@dataclass(frozen=True)
class Piece:
    """Memory of a process that lies together; `rights` of r, w, x."""

    address: int
    data: bytes
    rights: str


def core_file(threads: Sequence[Registers], pieces: Sequence[Piece]) -> bytes:
    """The first thread is the one that a debugger shows at first."""
    notes = b"".join(NOTE_HEADER.pack(5, STATUS.size, PRSTATUS, b"CORE") + status(each) for each in threads)
    count = 1 + len(pieces)
    place = HEADER.size + count * SEGMENT.size
    identity = b"\x7fELF\x02\x01\x01".ljust(16, b"\0")
    header = HEADER.pack(
        identity, CORE, RISCV, CURRENT, 0, HEADER.size, 0, 0, HEADER.size, SEGMENT.size, count, 0, 0, 0
    )
    table = SEGMENT.pack(NOTE, 4, place, 0, 0, len(notes), 0, 4)
    place = -(-(place + len(notes)) // ALIGNMENT) * ALIGNMENT
    body = b""
    for piece in pieces:
        flags = sum(bit for right, bit in (("r", 4), ("w", 2), ("x", 1)) if right in piece.rights)
        size = len(piece.data)
        table += SEGMENT.pack(LOAD, flags, place + len(body), piece.address, 0, size, size, ALIGNMENT)
        body += piece.data
    return (header + table + notes).ljust(place, b"\0") + body


def status(each: Registers) -> bytes:
    times = (0,) * 8
    return STATUS.pack(each.signal, 0, 0, each.signal, 0, 0, each.thread, 0, 0, 0, *times, *each.words, 0)
