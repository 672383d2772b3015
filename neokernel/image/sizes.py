"""Where an image's bytes come from: code by source file, constants, and lines of source.

Invariant: every byte of the executable sections is counted once: in a source file's row, or in one of the rows in
parentheses. What is inlined counts where it is inlined: debug information knows its origin, but not what it would cost
there by itself.
"""

from __future__ import annotations

import ast
import io
import re
import tokenize
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile

from neokernel.image.elf import ABSOLUTE, FUNCTION, NO_TYPE, reading, table_of

#: flags of a section: it is loaded, can be executed, can be written
ALLOCATED, EXECUTABLE, WRITABLE = 2, 4, 1

#: rows of what is in no source file
PADDING = "(padding)"
DATA = "(data in boot code)"
UNKNOWN = "(unknown)"
SHARED = "(shared by several functions)"
CONSTANTS = "(constants)"

#: LLVM makes functions of sequences that functions of any file have in common, and calls them so
OUTLINED = "OUTLINED_FUNCTION_"
LABEL = re.compile(r"^([A-Za-z_]\w*):", re.MULTILINE)
SECTION = re.compile(r'^\s*\.section\s+"?([\w.]+)', re.MULTILINE)


@dataclass
class Size:
    """Bytes of code after boot, of boot code, and of constants."""

    text: int = 0
    boot: int = 0
    rodata: int = 0


def measure(image: Path, sources: Mapping[str, str], modules: Mapping[str, str] | None = None) -> dict[str, Size]:
    """The sizes of an image's code by file.

    `sources`: texts by file, of modules that may have assembly in it; `modules`: files by module, for functions that
    are assembly: there is no debug information of them.
    """
    with reading(f"{image} can't be read as an ELF file"):
        elf = ELFFile(io.BytesIO(image.read_bytes()))
        symbols = read_symbols(elf)
        origins = {symbol.address: file for symbol in symbols if (file := file_of(symbol.name, modules or {}))}
        origins |= compiled_functions(elf)
        origins |= {symbol.address: SHARED for symbol in symbols if symbol.name.startswith(OUTLINED)}
        labels = assembly_labels(sources, symbols)
        found: dict[str, Size] = {}
        for section in elf.iter_sections():
            flags, size = section["sh_flags"], int(section["sh_size"])
            if not flags & ALLOCATED or not size:
                continue
            if flags & EXECUTABLE:
                boot = is_boot(section)
                start = int(section["sh_addr"])
                for file, length in pieces(start, section.data(), symbols, origins, labels):
                    row = found.setdefault(file, Size())
                    row.text += 0 if boot else length
                    row.boot += length if boot else 0
            elif not flags & WRITABLE and section.name.startswith((".rodata", ".srodata")):
                found.setdefault(CONSTANTS, Size()).rodata += size
        return found


def boot_only(image: Path, imports: Mapping[str, Collection[str]]) -> set[str]:
    """The files that nothing is left of after boot: all that was compiled of them, inlined or not, is boot code, and
    nothing that is left `imports` them (files, by file), as it does declarations.

    A file of which no code was made at all is none of them; assembly isn't looked at.
    """
    with reading(f"{image} can't be read as an ELF file"):
        elf = ELFFile(io.BytesIO(image.read_bytes()))
        boot = [
            range(int(section["sh_addr"]), int(section["sh_addr"]) + int(section["sh_size"]))
            for section in elf.iter_sections()
            if is_boot(section)
        ]
        early: set[str] = set()
        later: set[str] = set()
        for unit in elf.get_dwarf_info().iter_CUs() if elf.has_dwarf_info() else ():
            program = unit.dwarfinfo.line_program_for_CU(unit)
            for entry in program.get_entries() if program is not None else ():
                state = entry.state
                if state is not None and not state.end_sequence:
                    places = early if any(state.address in part for part in boot) else later
                    places.add(file_name(program, state.file))
        left = (file for file in imports if file not in early - later)
        return early.difference(later, *(imports[file] for file in left))


def is_boot(section: Any) -> bool:
    """Is it a section of code that only starts the system?"""
    return bool(section["sh_flags"] & EXECUTABLE) and section.name.startswith((".boot", ".text.boot"))


# --- code -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, order=True)
class Symbol:
    """`size` is 0 for a label."""

    address: int
    size: int
    name: str


def read_symbols(elf: Any) -> list[Symbol]:
    """Functions and labels by address, the larger first of those at one address."""
    made = {
        Symbol(address, size, name)
        for name, address, size, kind, section in table_of(elf)
        if kind in (NO_TYPE, FUNCTION) and name and section != ABSOLUTE
    }
    return sorted(made, key=lambda symbol: (symbol.address, -symbol.size, symbol.name))


def compiled_functions(elf: Any) -> dict[int, str]:
    """The file that each compiled function was declared in, by the function's address."""
    found: dict[int, str] = {}
    if not elf.has_dwarf_info():
        return found
    dwarf = elf.get_dwarf_info()
    for unit in dwarf.iter_CUs():
        program = dwarf.line_program_for_CU(unit)
        if program is None:
            continue
        for entry in unit.iter_DIEs():
            if entry.tag != "DW_TAG_subprogram" or "DW_AT_low_pc" not in entry.attributes:
                continue
            origin = entry
            while "DW_AT_decl_file" not in origin.attributes and "DW_AT_abstract_origin" in origin.attributes:
                origin = origin.get_DIE_from_attribute("DW_AT_abstract_origin")
            declared = origin.attributes.get("DW_AT_decl_file")
            if declared is not None:
                owner = dwarf.line_program_for_CU(origin.cu)
                found[int(entry.attributes["DW_AT_low_pc"].value)] = file_name(owner, declared.value)
    return found


def file_of(symbol: str, modules: Mapping[str, str]) -> str | None:
    """The file of the module that a symbol's name begins with."""
    while "." in symbol:
        symbol = symbol.rpartition(".")[0]
        if symbol in modules:
            return modules[symbol]
    return None


def file_name(program: Any, index: int) -> str:
    """The name of a line program's file (DWARF 5, section 6.2.4; before version 5, files count from 1)."""
    header = program.header
    first = 0 if header.version >= 5 else 1
    entry = header["file_entry"][index - first]
    name: str = entry.name.decode()
    directories = header["include_directory"]
    if name.startswith("/") or not directories or (first and entry.dir_index == 0):
        return name
    directory: str = directories[entry.dir_index - first].decode()
    # The compiler's directory is where the program lies, or nothing.
    return name if directory in ("", ".") or name.startswith(directory) else f"{directory}/{name}"


def assembly_labels(sources: Mapping[str, str], symbols: Iterable[Symbol]) -> dict[str, tuple[str, bool]]:
    """Labels of assembly in the sources: file, and whether it is code.

    Several files may have a label of one name, in different images: it is of the file that more is linked of.
    """
    linked = {symbol.name for symbol in symbols}
    parts: list[tuple[float, str, dict[str, bool]]] = []
    for file, text in sources.items():
        own = dict(labels_of(text))
        if own:
            parts.append((len(own.keys() & linked) / len(own), file, own))
    return {name: (file, code) for _, file, own in sorted(parts) for name, code in own.items()}


def labels_of(source: str) -> Iterator[tuple[str, bool]]:
    """The labels in a module's `assembly(...)`, and whether each is in a section of code."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "assembly":
            text = "".join(
                part.value for part in ast.walk(node) if isinstance(part, ast.Constant) and isinstance(part.value, str)
            )
            marks = sorted(
                [(match.start(), match.group(1), True) for match in SECTION.finditer(text)]
                + [(match.start(), match.group(1), False) for match in LABEL.finditer(text)]
            )
            code = True
            for _, name, is_section in marks:
                if is_section:
                    code = name.startswith(".text")
                else:
                    yield name, code


def pieces(
    start: int, code: bytes, symbols: list[Symbol], origins: dict[int, str], labels: dict[str, tuple[str, bool]]
) -> Iterator[tuple[str, int]]:
    """A section's bytes, which begin at `start`, cut into (file, length): together all of it.

    A function has its size. A label of assembly reaches to what comes next, but for zeros: they are no instruction.
    """
    at, end, owner = start, start + len(code), PADDING
    for symbol in (*symbols, Symbol(end, 0, "")):
        known = labels.get(symbol.name)
        inside = at <= symbol.address < end and (symbol.size or known is not None)
        if not inside and symbol.name:
            continue
        gap = code[at - start : symbol.address - start]
        used = 0 if owner == PADDING else len(gap) if owner == DATA else instructions(gap)
        yield owner, used
        yield PADDING, len(gap) - used
        at = symbol.address
        if known is not None:
            owner = known[0] if known[1] else DATA
        else:
            owner = origins.get(at, UNKNOWN)
        if symbol.size:
            length = min(symbol.size, end - at)
            yield owner, length
            at, owner = at + length, PADDING


def instructions(code: bytes) -> int:
    """How many bytes are instructions, before zeros that fill up."""
    at, last = 0, len(code.rstrip(b"\0"))
    while at < last:
        at += 4 if code[at] & 3 == 3 else 2  # unprivileged specification, 1.5: the length is in the lowest bits
    return min(at, len(code))


# --- lines ------------------------------------------------------------------------------------------------------------


def count_lines(source: str) -> int:
    """Lines that are neither blank, nor comment, nor docstring. Assembly's own comments are comments too."""
    tree = ast.parse(source)
    documentation: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node, clean=False):
            text = node.body[0]
            documentation |= set(range(text.lineno, (text.end_lineno or text.lineno) + 1))
    written: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NOTHING:
            written |= set(range(token.start[0], token.end[0] + 1))
    lines = source.splitlines()
    return sum(
        1
        for number in written - documentation
        if number <= len(lines) and lines[number - 1].strip() and not lines[number - 1].lstrip().startswith("#")
    )


NOTHING = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
