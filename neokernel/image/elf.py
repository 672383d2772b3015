"""An image's ELF file, as the tools read it: symbols, source positions with inlined calls, unwind rules.

Invariant: a file that isn't an ELF of ours raises `BadImage`, nothing else. What isn't debug information is read at
once, so that methods raise it for that only.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import struct
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from elftools.dwarf.callframe import FDE
from elftools.dwarf.descriptions import describe_form_class
from elftools.elf.elffile import ELFFile

#: flag of a section that is loaded (SHF_ALLOC)
ALLOCATED = 2


class BadImage(Exception):
    """The file can't be read as an image."""


@dataclass(frozen=True)
class Place:
    """A point in a function: `line` and `column` from 1, 0 when unknown."""

    function: str
    file: str
    line: int
    column: int
    #: of a function that was generated for an interface
    generated: bool = False


@dataclass(frozen=True)
class UnwindRow:
    """How to leave a frame: the canonical frame address is `cfa_register + cfa_offset`.

    `saved` says at which offset from it each register of the caller lies; registers that aren't named keep their value.
    """

    cfa_register: int
    cfa_offset: int
    saved: dict[int, int]
    undefined: frozenset[int]


@contextlib.contextmanager
def reading(what: str) -> Iterator[None]:
    """The reader of ELF and DWARF takes much for granted: whatever it stumbles over says that the file is broken."""
    try:
        yield
    except Exception as error:
        raise BadImage(f"{what}: {str(error) or type(error).__name__}") from error


#: a symbol (System V ABI, chapter 4): st_name, st_info, st_other, st_shndx, st_value, st_size
SYMBOL = struct.Struct("<IBBHQQ")
#: of st_info: it names nothing in particular, or a function (STT_NOTYPE, STT_FUNC)
NO_TYPE, FUNCTION = 0, 2
#: of st_shndx: it is a number, and in no section (SHN_ABS)
ABSOLUTE = 0xFFF1


def symbols_of(elf: ELFFile) -> Iterator[tuple[str, int, int, bool]]:
    """(name, address, size, is it a function?) of each symbol, in order."""
    for name, address, size, kind, _ in table_of(elf):
        yield name, address, size, kind == FUNCTION


def table_of(elf: ELFFile) -> Iterator[tuple[str, int, int, int, int]]:
    """(name, address, size, kind, section) of each symbol, in order.

    Read by hand: there are thousands in each image, and the library takes a second for them.
    """
    table: Any = elf.get_section_by_name(".symtab")
    if table is None:
        return
    names: bytes = elf.get_section(table["sh_link"]).data()
    for name, info, _, section, address, size in SYMBOL.iter_unpack(table.data()):
        yield names[name : names.index(0, name)].decode(), address, size, info & 0xF, section


class Image:
    """An ELF file; its debug information is read when it is needed.

    `symbols`: addresses by name. `functions`, `sections`: (address, size, name), of sections those that are loaded.
    `digest`: of the bytes that were read (SHA-256).
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.symbols: dict[str, int] = {}
        self.functions: list[tuple[int, int, str]] = []
        with reading(f"{path} can't be read as an ELF file"):
            # All of it: the file may be rebuilt while we look at it.
            data = path.read_bytes()
            self.digest = hashlib.sha256(data).hexdigest()
            self._elf = ELFFile(io.BytesIO(data))
            ours = self._elf["e_machine"] == "EM_RISCV" and self._elf.elfclass == 64
            self.sections = [
                (int(section["sh_addr"]), int(section["sh_size"]), str(section.name))
                for section in self._elf.iter_sections()
                if section["sh_flags"] & ALLOCATED and section["sh_size"]
            ]
            for name, address, size, is_function in symbols_of(self._elf):
                if name:
                    self.symbols[name] = address
                if is_function:
                    self.functions.append((address, size, name))
        if not ours:
            raise BadImage(f"{path} isn't for riscv64")
        self.functions.sort()

    def section(self, name: str) -> bytes | None:
        """A section's content."""
        with reading(f"{self.path} has a broken section {name}"):
            found = self._elf.get_section_by_name(name)
            return None if found is None else bytes(found.data())

    def function_at(self, address: int) -> str | None:
        """The name of the function that `address` lies in."""
        index = bisect_right(self.functions, address, key=lambda function: function[0]) - 1
        if index < 0:
            return None
        start, size, name = self.functions[index]
        return name if address < start + max(size, 1) else None

    # --- source positions ---------------------------------------------------------------------------------------------

    @cached_property
    def _dwarf(self) -> Any:
        return self._elf.get_dwarf_info() if self._elf.has_dwarf_info() else None

    def places(self, address: int) -> list[Place]:
        """What the instruction at `address` is part of, innermost call first; empty when nothing is known."""
        with reading(f"{self.path} has broken debug information"):
            for unit in self._dwarf.iter_CUs() if self._dwarf is not None else ():
                if any(low <= address < high for low, high in self._ranges(unit.get_top_DIE())):
                    return self._places_in(unit, address)
        return []

    def _places_in(self, unit: Any, address: int) -> list[Place]:
        chain = self._chain(unit.get_top_DIE(), address)
        file, line, column = self._line(unit, address)
        places = []
        for entry in reversed(chain):
            name, generated = self._function(entry)
            places.append(Place(name, file, line, column, generated))
            if "DW_AT_call_line" in entry.attributes:
                file = self._file(unit, entry.attributes["DW_AT_call_file"].value)
                line = entry.attributes["DW_AT_call_line"].value
                position = entry.attributes.get("DW_AT_call_column")
                column = position.value if position is not None else 0
        return places

    def _chain(self, entry: Any, address: int) -> list[Any]:
        """The subprogram and the inlined calls around `address`, outermost first."""
        for child in entry.iter_children():
            if child.tag not in ("DW_TAG_subprogram", "DW_TAG_inlined_subroutine", "DW_TAG_lexical_block"):
                # A class or a namespace holds its methods' definitions.
                if child.tag in ("DW_TAG_structure_type", "DW_TAG_class_type", "DW_TAG_namespace", "DW_TAG_module"):
                    found = self._chain(child, address)
                    if found:
                        return found
                continue
            if any(low <= address < high for low, high in self._ranges(child)):
                inner = self._chain(child, address)
                return inner if child.tag == "DW_TAG_lexical_block" else [child, *inner]
        return []

    def _ranges(self, entry: Any) -> Iterator[tuple[int, int]]:
        attributes = entry.attributes
        if "DW_AT_ranges" in attributes:
            base = entry.cu.get_top_DIE().attributes.get("DW_AT_low_pc")
            offset = base.value if base is not None else 0
            lists = self._dwarf.range_lists()
            for item in lists.get_range_list_at_offset(attributes["DW_AT_ranges"].value, entry.cu):
                if hasattr(item, "base_address"):
                    offset = item.base_address
                elif getattr(item, "is_absolute", False):
                    yield item.begin_offset, item.end_offset
                else:
                    yield offset + item.begin_offset, offset + item.end_offset
        elif "DW_AT_low_pc" in attributes and "DW_AT_high_pc" in attributes:
            low, high = attributes["DW_AT_low_pc"].value, attributes["DW_AT_high_pc"]
            yield low, high.value if describe_form_class(high.form) == "address" else low + high.value

    def _function(self, entry: Any) -> tuple[str, bool]:
        """Its name, and whether it was generated."""
        while "DW_AT_name" not in entry.attributes:
            for link in ("DW_AT_abstract_origin", "DW_AT_specification"):
                if link in entry.attributes:
                    entry = entry.get_DIE_from_attribute(link)
                    break
            else:
                return "?", False
        return str(entry.attributes["DW_AT_name"].value.decode()), "DW_AT_artificial" in entry.attributes

    def _line(self, unit: Any, address: int) -> tuple[str, int, int]:
        program = self._dwarf.line_program_for_CU(unit)
        if program is None:
            return "?", 0, 0
        previous = None
        for entry in program.get_entries():
            state = entry.state
            if state is None:
                continue
            if previous is not None and previous.address <= address < state.address:
                return self._file(unit, previous.file), previous.line, previous.column
            previous = None if state.end_sequence else state
        return "?", 0, 0

    def _file(self, unit: Any, index: int) -> str:
        header = self._dwarf.line_program_for_CU(unit).header
        first = 0 if header.version >= 5 else 1
        entry = header["file_entry"][index - first]
        name: str = entry.name.decode()
        directories = header["include_directory"]
        if name.startswith("/") or (header.version < 5 and entry.dir_index == 0) or not directories:
            return name
        directory: str = directories[entry.dir_index - first].decode()
        return f"{directory}/{name}" if directory not in ("", ".") else name

    # --- unwinding ----------------------------------------------------------------------------------------------------

    @cached_property
    def _frames(self) -> tuple[list[int], list[Any]]:
        """Frame descriptions by their first address."""
        if self._dwarf is None or not self._dwarf.has_CFI():
            return [], []
        entries = [entry for entry in self._dwarf.CFI_entries() if isinstance(entry, FDE)]
        entries.sort(key=lambda entry: entry["initial_location"])
        return [entry["initial_location"] for entry in entries], entries

    def unwind_row(self, address: int) -> UnwindRow | None:
        """The rule in force at `address`; None where nothing is described (the first frame, assembly)."""
        with reading(f"{self.path} has broken unwind rules"):
            return self._unwind_row(address)

    def _unwind_row(self, address: int) -> UnwindRow | None:
        starts, entries = self._frames
        index = bisect_right(starts, address) - 1
        if index < 0 or address >= starts[index] + entries[index]["address_range"]:
            return None
        row = None
        for candidate in entries[index].get_decoded().table:
            if candidate["pc"] > address:
                break
            row = candidate
        if row is None or row["cfa"].reg is None:
            return None
        saved: dict[int, int] = {}
        undefined: set[int] = set()
        for register, rule in row.items():
            if not isinstance(register, int):
                continue
            if rule.type == "OFFSET":
                saved[register] = rule.arg
            elif rule.type != "SAME_VALUE":
                # Nothing we make uses the rest of DWARF's rules; such a register is not known.
                undefined.add(register)
        return UnwindRow(row["cfa"].reg, row["cfa"].offset, saved, frozenset(undefined))
