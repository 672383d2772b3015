"""A machine's memory, seen from outside: the kernel's threads and address spaces, and what processes have mapped.

Nothing of it needs the machine's help, so it works with one that stands still, or has ended. Objects are found by the
kernel's own lists: from the hart, which every thread names, to the address spaces that have run, to a capability that
maps one of their pages; and all capabilities of one tree are in one list. Layouts are those of the image.

Invariants: whatever the memory holds, looking at it ends, and what can't be raises `NoSystem`; nothing is written.
"""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Protocol

from neokernel.abi.boot import ROOT_SLOTS
from neokernel.image.elf import Image
from neokernel.image.layouts import Layouts
from neokernel.kernel.objects import ENTRY_EXECUTE, ENTRY_READ, ENTRY_WRITE, OWNER, USER, VALID

#: where RAM begins; where the kernel has all of it, and where it has its image (boards/kernel.ld)
RAM = 0x8000_0000
DIRECT = 0xFFFF_FFC0_0000_0000
IMAGE = 0xFFFF_FFFF_8000_0000
PAGE = 4096
#: capabilities that are looked at, at most
MOST_SLOTS = 1 << 20
#: user addresses are below (Sv39)
USER_END = 1 << 38
REGISTERS = 32


class Memory(Protocol):
    """A machine's RAM, or what can be read as such."""

    def __len__(self) -> int: ...

    def __getitem__(self, wanted: slice, /) -> bytes: ...


class NoSystem(Exception):
    """There is no running kernel in this memory, or none of this image."""


@dataclass(frozen=True)
class Page:
    """A page of a process: `physical` is where it lies, `size` 4 KiB or 2 MiB; `rights` of r, w, x."""

    address: int
    physical: int
    size: int
    rights: str


@dataclass(frozen=True)
class ThreadState:
    """A thread. `registers`: pc, x1 to x31, as they were when it last left the processor.

    `space` tells processes apart: the address of their AddressSpace's descriptor. `waits`: for what, an address.
    """

    identifier: int
    state: str
    faulted: bool
    #: it is the one that the hart runs: what is in `registers` is old
    current: bool
    priority: int
    registers: tuple[int, ...]
    space: int
    fault: tuple[int, ...] = ()


@dataclass
class Kernel:
    """The kernel of `image`, in `memory`, which is the machine's RAM."""

    image: Image
    memory: Memory

    @cached_property
    def layouts(self) -> Layouts:
        return Layouts(self.image.path)

    def later(self, memory: Memory) -> Kernel:
        """The same machine at another time: what doesn't change isn't looked for anew."""
        found = Kernel(self.image, memory)
        found.layouts, found.hart = self.layouts, self.hart
        return found

    # --- bytes --------------------------------------------------------------------------------------------------------

    def at(self, physical: int, size: int) -> bytes:
        place = physical - RAM
        if place < 0 or size < 0 or place + size > len(self.memory):
            raise NoSystem(f"nothing is at {physical:#x}")
        return bytes(self.memory[place : place + size])

    def physical(self, address: int) -> int:
        """Where an address of the kernel's lies."""
        return address - IMAGE + RAM if address >= IMAGE else address - DIRECT

    def word(self, address: int) -> int:
        return int.from_bytes(self.at(self.physical(address), 8), "little")

    def get(self, struct_name: str, path: str, address: int) -> int:
        """A field of an object: a number, or the address that it refers to."""
        member = self.layouts.field(struct_name, path)
        return int.from_bytes(self.at(self.physical(address + member.offset), min(member.size, 8)), "little")

    def arm(self, struct_name: str, path: str, address: int) -> str:
        """Of which class what a field refers to is."""
        kind = self.layouts.field(struct_name, path + ".arm").type
        return self.layouts.enums.get(kind, {}).get(self.get(struct_name, path + ".arm", address), "")

    # --- the kernel's objects -----------------------------------------------------------------------------------------

    @cached_property
    def hart(self) -> int:
        """The hart's address: what most of what look like threads name."""
        votes = Counter(self.get("Thread", "hart", each) for each in self._like_threads())
        for address, _ in votes.most_common(8):
            try:
                if 0 < self.get("Hart", "frequency", address) <= 10**10 and self.get("Hart", "best", address) <= 256:
                    return address
            except NoSystem:
                continue
        raise NoSystem("no kernel of this image runs there")

    def _like_threads(self) -> Iterator[int]:
        """Where objects lie that know themselves as threads do; some may have ended."""
        holder = self.layouts.field("Thread", "holder.user.Thread").offset
        size = self.layouts.sizes["Thread"]
        nothing = bytes(PAGE)
        for start in range(0, len(self.memory) - PAGE + 1, PAGE):
            page = self.memory[start : start + PAGE]
            if page == nothing:
                continue
            for index, word in enumerate(struct.unpack("<512Q", page)):
                place = start + index * 8 - holder
                if word == DIRECT + RAM + place and 0 <= place <= len(self.memory) - size:
                    if self.arm("Thread", "holder.user", word) == "Thread":
                        yield word

    @cached_property
    def owned(self) -> dict[str, list[int]]:
        """The addresses of all objects that live, by their classes."""
        found: dict[str, list[int]] = {}
        seen: set[int] = set()
        for slot in self._some_slots():
            head = slot
            for _ in range(MOST_SLOTS):
                before = self.get("Slot", "previous", head)
                if not before:
                    break
                head = before
            while head and head not in seen and len(seen) < MOST_SLOTS:
                seen.add(head)
                if self.get("Slot", "flags", head) & int(OWNER):
                    kind = self.arm("Slot", "object", head)
                    if kind and kind != "None":
                        found.setdefault(kind, []).append(self.get("Slot", "object." + kind, head))
                head = self.get("Slot", "next", head)
        return found

    def _some_slots(self) -> Iterator[int]:
        """Capabilities, of each tree that there is: what maps pages, and what the thread that runs has."""
        spaces = self.layouts.field("Hart", "asids").offset
        for number in range(256):
            space = self.word(self.hart + spaces + number * 8)
            if not space:
                continue
            owners = self.get("AddressSpace", "root.owners", space)
            for entry in range(256):
                slot = self.word(owners + entry * 8)
                if slot:
                    yield slot
        root = self.get("Hart", "current", self.hart)
        if root:
            slots = self.get("Thread", "slots.pointer", root)
            for number in range(min(self.get("Thread", "slots.length", root), int(ROOT_SLOTS))):
                slot = slots + number * self.layouts.sizes["Slot"]
                if self.arm("Slot", "object", slot) not in ("", "None"):
                    yield slot

    @cached_property
    def threads(self) -> list[ThreadState]:
        """All threads, in the order in which they were made."""
        found = [self.thread(address) for address in dict.fromkeys(self.owned.get("Thread", []))]
        return sorted(found, key=lambda each: each.identifier)

    def thread(self, address: int) -> ThreadState:
        registers = self.layouts.field("Thread", "registers").offset
        report = self.layouts.field("Thread", "report").offset
        faulted = bool(self.get("Thread", "faulted", address))
        state = self.layouts.field("Thread", "state")
        return ThreadState(
            identifier=self.get("Thread", "identifier", address),
            state=self.layouts.enums[state.type].get(self.get("Thread", "state", address), "?"),
            faulted=faulted,
            current=self.get("Hart", "current", self.hart) == address,
            priority=max(self.get("Thread", "floor", address), self._priority(address)),
            registers=struct.unpack(f"<{REGISTERS}Q", self.at(self.physical(address + registers), REGISTERS * 8)),
            space=self.get("Thread", "space", address),
            fault=struct.unpack("<4Q", self.at(self.physical(address + report), 32)) if faulted else (),
        )

    def _priority(self, thread: int) -> int:
        context = self.get("Thread", "context", thread)
        return self.get("SchedContext", "priority", context) if context else 0

    # --- what processes have mapped -----------------------------------------------------------------------------------

    def pages(self, space: int) -> list[Page]:
        """What is mapped for user mode in an address space, by addresses."""
        return list(self._pages(self.get("AddressSpace", "root.base", space), 2, 0))

    def _pages(self, table: int, level: int, base: int) -> Iterator[Page]:
        reach = PAGE << 9 * level
        for index, entry in enumerate(struct.unpack("<512Q", self.at(table, PAGE))):
            address = base + index * reach
            if not entry & int(VALID) or address >= USER_END:
                continue
            physical = (entry >> 10 & (1 << 44) - 1) << 12
            rights = entry & int(ENTRY_READ | ENTRY_WRITE | ENTRY_EXECUTE)
            if rights:
                if entry & int(USER) and level < 2:
                    bits = (("r", ENTRY_READ), ("w", ENTRY_WRITE), ("x", ENTRY_EXECUTE))
                    yield Page(address, physical, reach, "".join(name for name, bit in bits if rights & int(bit)))
            elif level > 0:
                yield from self._pages(physical, level - 1, address)

    def read(self, space: int, address: int, size: int) -> bytes | None:
        """Bytes of a process, None if not all of them are mapped, or they aren't memory but a device's registers."""
        found = b""
        while size > 0:
            physical = self.translate(space, address)
            if physical is None or not RAM <= physical < RAM + len(self.memory):
                return None
            count = min(size, PAGE - address % PAGE)
            found += self.at(physical, count)
            address, size = address + count, size - count
        return found

    def translate(self, space: int, address: int) -> int | None:
        """Where a process's address lies."""
        table = self.get("AddressSpace", "root.base", space)
        if not 0 <= address < USER_END:
            return None
        for level in (2, 1, 0):
            index = address >> 12 + 9 * level & 511
            entry = int.from_bytes(self.at(table + index * 8, 8), "little")
            if not entry & int(VALID):
                return None
            physical = (entry >> 10 & (1 << 44) - 1) << 12
            if entry & int(ENTRY_READ | ENTRY_EXECUTE):
                reach = PAGE << 9 * level
                return physical + address % reach if entry & int(USER) else None
            table = physical
        return None
