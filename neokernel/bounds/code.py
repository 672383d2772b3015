"""The kernel's machine code as it is linked: instructions and constants by address, functions by symbol."""

from __future__ import annotations

import io
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

from elftools.elf.elffile import ELFFile

from neokernel.bounds.decode import BRANCHES, RA, T0, Instruction, decode
from neokernel.image.elf import Image, reading

WRITABLE, EXECUTABLE = 1, 4
#: what begins so ends the kernel: no operation's path goes on behind it
PANIC = "nk_panic"


class Code:
    """`image`: names and source positions. Constants are the bytes that nothing can write."""

    def __init__(self, path: Path) -> None:
        self.image = Image(path)
        self._parts: list[tuple[int, bytes, bool]] = []
        self._known: dict[int, Instruction] = {}
        self._straight: dict[tuple[int, int], bool] = {}
        with reading(f"{path} can't be read as an ELF file"):
            for section in ELFFile(io.BytesIO(path.read_bytes())).iter_sections():
                flags = int(section["sh_flags"])
                if section["sh_type"] == "SHT_PROGBITS" and section["sh_addr"] and not flags & WRITABLE:
                    self._parts.append((int(section["sh_addr"]), section.data(), bool(flags & EXECUTABLE)))
        self._panics = {address for name, address in self.image.symbols.items() if name.startswith(PANIC)}
        # A function without a size goes on in the next.
        self._functions: list[tuple[int, int, str]] = []
        for start, size, name in reversed(self.image.functions):
            end = start + size if size or not self._functions else self._functions[-1][1]
            self._functions.append((start, end, name))
        self._functions.reverse()
        self._starts = [start for start, _, _ in self._functions]

    def instruction(self, address: int) -> Instruction:
        known = self._known.get(address)
        if known is None:
            for start, data, executable in self._parts:
                if executable and start <= address < start + len(data):
                    known = self._known[address] = decode(data, address - start, address)
                    return known
            raise ValueError(f"no code at {address:#x}")
        return known

    def constant(self, address: int) -> int | None:
        """The eight bytes at an address, if they are a constant."""
        for start, data, executable in self._parts:
            if not executable and start <= address <= start + len(data) - 8:
                return int.from_bytes(data[address - start : address - start + 8], "little")
        return None

    def address(self, symbol: str) -> int:
        return self.image.symbols[symbol]

    def function(self, address: int) -> tuple[int, int, str]:
        """(first address, address behind it, name) of the function around an address."""
        index = bisect_right(self._starts, address) - 1
        if index >= 0:
            found = self._functions[index]
            if address < found[1]:
                return found
        raise ValueError(f"no function at {address:#x}")

    def is_panic(self, address: int) -> bool:
        return address in self._panics

    def table(self, start: int, low: int, high: int) -> list[int]:
        """The targets in a jump table: the constants from `start` on that lie in the function from `low` to `high`.

        Another table of the function may follow: then there are too many, which is safe.
        """
        targets: list[int] = []
        while (target := self.constant(start)) is not None and low <= target < high:
            if target not in targets:
                targets.append(target)
            start += 8
        return targets

    def backward_targets(self, start: int, end: int) -> list[int]:
        """Where the loops of a piece of assembly begin, by address."""
        found = set[int]()
        for instruction in self._instructions(start, end):
            if instruction.op in ("jal", *BRANCHES) and instruction.imm < 0 and instruction.rd == 0:
                found.add(instruction.target)
        return sorted(found)

    def is_straight(self, address: int, back: int = RA) -> bool:
        """Has the function around an address no way that leads back in it, whatever is in registers?

        `back`: the register by which it returns. Shared pieces of code that it goes through (linked by t0) count.
        """
        low, high, _ = self.function(address)
        known = self._straight.get((low, back))
        if known is None:
            known = all(self._goes_on(i, low, back) for i in self._instructions(low, high))
            self._straight[low, back] = known
        return known

    def _goes_on(self, i: Instruction, low: int, back: int) -> bool:
        """Does an instruction lead forward in its function, which begins at `low`, or out of it?"""
        if i.op in BRANCHES or (i.op == "jal" and i.rd == 0):
            return not low <= i.target <= i.address
        if i.op == "jal" and i.rd == T0:
            return back == RA and self.is_straight(i.target, T0)
        return i.op != "jalr" or i.rd == RA or (i.rd == 0 and i.rs1 == back)

    def _instructions(self, start: int, end: int) -> Iterator[Instruction]:
        while start < end:
            instruction = self.instruction(start)
            yield instruction
            start = instruction.next
