"""Description of a benchmark kernel: its work object, its cases, and what each case must give.

A kernel is `benches/compiler/<name>.py` (ours) and `<name>.c` (the peer). Both have `run(work)`, and both declare the
work object that is described here: fields in declared order with C layout, results first. The description packs
initial images for the machine and fills Python objects for runs under CPython, so one list of cases serves both.

Invariant: the last case of a kernel is the one that is measured; the others are there to be right.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Value = int | bytes | Sequence[int]


@dataclass(frozen=True)
class Field:
    """A field of a work object: `count` integers of `size` bytes (a scalar if `count` is 0)."""

    name: str
    size: int
    count: int = 0
    signed: bool = False

    @property
    def extent(self) -> int:
        """Bytes in memory."""
        return self.size * max(self.count, 1)

    def pack(self, value: Value) -> bytes:
        """The field's memory; what `value` leaves of an array is zero."""
        items = [value] if isinstance(value, int) else list(value)
        packed = b"".join(item.to_bytes(self.size, "little", signed=self.signed) for item in items)
        if len(packed) > self.extent:
            raise ValueError(f"{self.name}: {len(items)} items, room for {max(self.count, 1)}")
        return packed.ljust(self.extent, b"\0")

    def unpack(self, memory: bytes) -> int | list[int]:
        """The value from its memory: an integer, or all items of an array."""
        items = [
            int.from_bytes(memory[at : at + self.size], "little", signed=self.signed)
            for at in range(0, self.extent, self.size)
        ]
        return items if self.count else items[0]


def u8(name: str, count: int = 0) -> Field:
    return Field(name, 1, count)


def i8(name: str, count: int = 0) -> Field:
    return Field(name, 1, count, signed=True)


def u16(name: str, count: int = 0) -> Field:
    return Field(name, 2, count)


def u32(name: str, count: int = 0) -> Field:
    return Field(name, 4, count)


def i32(name: str, count: int = 0) -> Field:
    return Field(name, 4, count, signed=True)


def u64(name: str, count: int = 0) -> Field:
    return Field(name, 8, count)


@dataclass(frozen=True)
class Case:
    """One call: `inputs` and, for every result field, what it must be (arrays: from their start, then zeroes).

    A field that isn't named in `inputs` starts as zero; what is changed in place is in both.
    """

    name: str
    inputs: Mapping[str, Value]
    expected: Mapping[str, Value]


@dataclass(frozen=True)
class Kernel:
    """A kernel and its cases. `opaque` bytes of zeroes (aligned to 8) follow the fields: objects the kernel sets up."""

    name: str
    title: str
    results: Sequence[Field]
    inputs: Sequence[Field]
    cases: Sequence[Case] = field(repr=False)
    opaque: int = 0

    @property
    def fields(self) -> tuple[Field, ...]:
        return (*self.results, *self.inputs)

    def offsets(self) -> dict[str, int]:
        """Where each field begins, by C layout."""
        offsets: dict[str, int] = {}
        end = 0
        for item in self.fields:
            offsets[item.name] = end = -(-end // item.size) * item.size
            end += item.extent
        return offsets

    @property
    def result_size(self) -> int:
        """Bytes from the start of the work object to the end of the last result."""
        last = self.results[-1]
        return self.offsets()[last.name] + last.extent

    @property
    def work_size(self) -> int:
        """Bytes of the work object, rounded up to 16."""
        last = self.fields[-1]
        end = -(-(self.offsets()[last.name] + last.extent) // 8) * 8 + self.opaque
        return -(-end // 16) * 16

    def _place(self, fields: Sequence[Field], values: Mapping[str, Value], size: int) -> bytes:
        memory = bytearray(size)
        offsets = self.offsets()
        for item in fields:
            start = offsets[item.name]
            memory[start : start + item.extent] = item.pack(values.get(item.name, 0))
        return bytes(memory)

    def image(self, case: Case) -> bytes:
        """The work object before the call."""
        return self._place(self.fields, case.inputs, self.work_size)

    def expected_memory(self, case: Case) -> bytes:
        """The result fields after the call. Padding between them is zero."""
        return self._place(self.results, case.expected, self.result_size)

    def fill(self, work: Any, case: Case) -> None:
        """Set the inputs of a Python work object."""
        for item in self.fields:
            value = case.inputs.get(item.name, 0)
            if item.count and value == 0:
                continue
            if isinstance(value, int):
                setattr(work, item.name, value)
            else:
                array = getattr(work, item.name)
                for index, element in enumerate(value):
                    array[index] = element

    def result_memory(self, work: Any) -> bytes:
        """The results of a Python work object, as they would lie in memory."""
        values: dict[str, Value] = {}
        for item in self.results:
            value = getattr(work, item.name)
            values[item.name] = [int(element) for element in value] if item.count else int(value)
        return self._place(self.results, values, self.result_size)
