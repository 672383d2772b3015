"""From a trap's address in an ELF to the check that failed there."""

from __future__ import annotations

import struct
from pathlib import Path

from elftools.elf.elffile import ELFFile

SECTION = ".nk.checks"
_RECORD = struct.Struct("<QI")
_DROPPED = (0, 0xFFFF_FFFF_FFFF_FFFF)


def read_checks(elf: Path) -> dict[int, int]:
    """{address of the trap: check number} of a linked ELF; code that the linker dropped has no entry."""
    with elf.open("rb") as stream:
        section = ELFFile(stream).get_section_by_name(SECTION)
        data = b"" if section is None else section.data()
    return {address: number for address, number in _RECORD.iter_unpack(data) if address not in _DROPPED}
