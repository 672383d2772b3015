"""Where the fields of an image's structs lie, by its debug information.

    layouts = Layouts(image.path)
    offset, type = layouts.field("Thread", "holder.user")

Invariant: debug information that isn't what our compiler writes raises `BadImage`.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from elftools.elf.elffile import ELFFile

from neokernel.image.elf import BadImage, reading


@dataclass(frozen=True)
class Member:
    """`type`: of a struct or an enum its name, else "". `size`: bytes, of a pointer 8."""

    offset: int
    type: str
    size: int


class Layouts:
    """`enums`: the names of members by their numbers."""

    def __init__(self, path: Path) -> None:
        self.structs: dict[str, dict[str, Member]] = {}
        self.sizes: dict[str, int] = {}
        self.enums: dict[str, dict[int, str]] = {}
        with reading(f"{path} has broken debug information"), path.open("rb") as file:
            whole = ELFFile(file)
            for unit in whole.get_dwarf_info().iter_CUs() if whole.has_dwarf_info() else ():
                for entry in unit.get_top_DIE().iter_children():
                    self._take(entry)

    def _take(self, entry: Any) -> None:
        name = name_of(entry)
        if entry.tag == "DW_TAG_structure_type" and name and "DW_AT_byte_size" in entry.attributes:
            fields: dict[str, Member] = {}
            for child in entry.iter_children():
                if child.tag == "DW_TAG_member":
                    kind = child.get_DIE_from_attribute("DW_AT_type")
                    size = kind.attributes.get("DW_AT_byte_size")
                    offset = int(child.attributes["DW_AT_data_member_location"].value)
                    fields[name_of(child)] = Member(offset, name_of(kind), 8 if size is None else int(size.value))
            if fields:
                self.structs.setdefault(name, fields)
                self.sizes.setdefault(name, int(entry.attributes["DW_AT_byte_size"].value))
        elif entry.tag == "DW_TAG_enumeration_type" and name:
            numbers = {
                int(child.attributes["DW_AT_const_value"].value): name_of(child) for child in entry.iter_children()
            }
            self.enums.setdefault(name, numbers)

    @functools.cache  # noqa: B019 - as long-lived as the tool that looks
    def field(self, struct: str, path: str) -> Member:
        """Where a field is, also one of a field: "holder.user"."""
        offset = 0
        member = Member(0, struct, 0)
        for name in path.split("."):
            members = self.structs.get(member.type, {})
            if name not in members:
                raise BadImage(f"its debug information has no {struct}.{path}")
            member = members[name]
            offset += member.offset
        return Member(offset, member.type, member.size)


def name_of(entry: Any) -> str:
    found = entry.attributes.get("DW_AT_name")
    return "" if found is None else str(found.value.decode())
