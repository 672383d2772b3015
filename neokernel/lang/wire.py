"""`@wire`: layouts of memory that others can write, as real bytes.

Invariants:
- An object is a window (memory, offset) on bytes; objects inside it, and its byte arrays, share them.
- One read or write of a field is one `load` or `store` of that field's unit; of a bit field, a load and a store.
- Memory is a `bytearray`, or has `load(offset, size)` and `store(offset, data)`: a simulator's registers.

Layout (language page, section 6): fields are packed in declared order; `at(n)` places one, and the next follow it. A
run of bit fields is one unit of whole bytes, filled from the least significant bit, in big-endian classes from the
most significant.
"""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any, Protocol

from neokernel.lang.failures import ConversionFailed, DeadObject, FieldError, IndexOutOfRange, StaticError
from neokernel.lang.integers import WIDTHS, Integer, fit, u8, u16, u32, u64
from neokernel.lang.records import Default, Record
from neokernel.lang.sequences import BYTE, Array, Span, window
from neokernel.lang.shapes import Embedded


class Memory(Protocol):
    """Bytes that aren't a `bytearray`."""

    def load(self, offset: int, size: int) -> bytes: ...

    def store(self, offset: int, data: bytes) -> None: ...


class BitField:
    """The type of a bit field, `u1 … u63`: in wire classes only. It reads as the next larger width."""

    def __init__(self, bits: int) -> None:
        self.bits = bits
        self.width: type[Integer] = next(width for width in (u8, u16, u32, u64) if width.bits >= bits)
        self.__name__ = f"u{bits}"

    def __repr__(self) -> str:
        return self.__name__


class ByteOrdered:
    """The type of an integer of stated endianness, in wire classes only."""

    def __init__(self, width: type[Integer], big: bool) -> None:
        self.width = width
        self.big = big
        self.__name__ = f"{width.__name__}{'be' if big else 'le'}"

    def __repr__(self) -> str:
        return self.__name__


BIT_FIELDS = {f"u{bits}": BitField(bits) for bits in range(1, 64) if f"u{bits}" not in WIDTHS}
BYTE_ORDERED = {
    made.__name__: made for width in (u16, u32, u64) for made in (ByteOrdered(width, True), ByteOrdered(width, False))
}


class Placed:
    """What `at(n)` leaves as a field's default."""

    def __init__(self, offset: int) -> None:
        self.offset = offset


def at(offset: int) -> Any:
    """As a wire field's default: the field is `offset` bytes from the start."""
    return Placed(int(offset))


class Part:
    """A field's place: `size` bytes at `offset`, and in them `bits` from `shift`, seen as `width`.

    For objects inside (`kind` is a wire class) and byte arrays (`kind` is `Array`) only offset and size count.
    """

    def __init__(
        self, name: str, offset: int, size: int, kind: Any, *, big: bool = False, bits: int = 0, shift: int = 0
    ) -> None:
        self.name = name
        self.offset = offset
        self.size = size
        self.kind = kind
        self.order: typing.Literal["big", "little"] = "big" if big else "little"
        self.bits = bits
        self.shift = shift
        self.mask = (1 << bits) - 1

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        if instance is None:
            return self
        if not self.bits:
            return instance._inside[self.name]
        unit = int.from_bytes(load(instance._memory, instance._offset + self.offset, self.size), self.order)
        number = (unit >> self.shift) & self.mask
        if self.kind.signed and number >> (self.bits - 1):
            number -= 1 << self.bits
        return self.kind.known(number)

    def describe(self, instance: Any) -> str:
        return f"{type(instance).__name__}.{self.name}"

    def __set__(self, instance: Any, value: Any) -> None:
        if not self.bits:
            raise FieldError(f"{self.describe(instance)} is inline: change it in place, it is never rebound")
        number = int(fit(self.kind, value)) & ((1 << self.kind.bits) - 1)
        memory, offset = instance._memory, instance._offset + self.offset
        if number > self.mask:
            raise ConversionFailed(f"{number} doesn't fit the {self.bits} bits of {self.describe(instance)}")
        if self.bits != self.size * 8:
            unit = int.from_bytes(load(memory, offset, self.size), self.order)
            number = unit & ~(self.mask << self.shift) | number << self.shift
        store(memory, offset, number.to_bytes(self.size, self.order))


def load(memory: Any, offset: int, size: int) -> bytes:
    if memory.__class__ is bytearray:
        data = memory[offset : offset + size]
        if len(data) != size:
            raise DeadObject("the memory behind this wire object has been retired")
        return bytes(data)
    made: bytes = memory.load(offset, size)
    return made


def store(memory: Any, offset: int, data: bytes) -> None:
    if memory.__class__ is not bytearray:
        memory.store(offset, data)
    elif offset + len(data) > len(memory):
        raise DeadObject("the memory behind this wire object has been retired")
    else:
        memory[offset : offset + len(data)] = data


class MemoryCells:
    """A byte array's cells over memory that isn't a `bytearray`."""

    def __init__(self, memory: Memory, size: int) -> None:
        self.memory = memory
        self.size = size

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, index: int | slice) -> Any:
        if isinstance(index, slice):
            return [self[position] for position in range(*index.indices(self.size))]
        return self.memory.load(index, 1)[0]

    def __setitem__(self, index: int, value: int) -> None:
        self.memory.store(index, bytes((value,)))


class Layout:
    """Places fields one after the other."""

    def __init__(self, name: str, big: bool) -> None:
        self.name = name
        self.big = big
        self.parts: dict[str, Part] = {}
        #: those that are objects: of most classes there are none
        self.nested: list[tuple[str, Part]] = []
        self.cursor = 0
        self.size = 0
        self.run: list[tuple[str, BitField]] = []
        self.run_start = 0

    def place(self, name: str, kind: Any, default: Any) -> None:
        if isinstance(kind, BitField):
            if isinstance(default, Placed) or not self.run:
                self.finish_run()
                self.run_start = default.offset if isinstance(default, Placed) else self.cursor
            self.run.append((name, kind))
            return
        self.finish_run()
        if isinstance(default, Placed):
            self.cursor = default.offset
        self.add(self.part(name, kind, default))

    def add(self, part: Part) -> None:
        self.parts[part.name] = part
        if part.kind is Array or not part.bits:
            self.nested.append((part.name, part))
        self.cursor = part.offset + part.size
        self.size = max(self.size, self.cursor)

    def part(self, name: str, kind: Any, default: Any) -> Part:
        origin, arguments = typing.get_origin(kind), typing.get_args(kind)
        if isinstance(kind, ByteOrdered):
            return Part(name, self.cursor, kind.width.bits // 8, kind.width, big=kind.big, bits=kind.width.bits)
        if isinstance(kind, type) and issubclass(kind, Integer):
            return Part(name, self.cursor, kind.bits // 8, kind, big=self.big, bits=kind.bits)
        if origin is Array and arguments == (u8,) and isinstance(default, Array):
            return Part(name, self.cursor, len(default), Array)
        if origin is Embedded and getattr(arguments[0], "_record", None) is not None:
            inner = arguments[0]._record
            if inner.role == "wire":
                return Part(name, self.cursor, inner.layout.size, arguments[0])
        raise StaticError(
            f"{self.name}.{name}: a wire field is an integer, a bit field, Array[u8] = array(n), or Embedded[W]"
        )

    def finish_run(self) -> None:
        """The bit fields gathered so far become one unit."""
        if not self.run:
            return
        total = sum(kind.bits for _, kind in self.run)
        if total % 8 or total > 64:
            raise StaticError(f"{self.name}: a run of bit fields fills whole bytes, at most 8, not {total} bits")
        below = 0
        for name, kind in self.run:
            shift = total - below - kind.bits if self.big else below
            self.add(Part(name, self.run_start, total // 8, kind.width, big=self.big, bits=kind.bits, shift=shift))
            below += kind.bits
        self.run = []


class WireRecord(Record):
    """What `@wire` knows about its class. The layout is made at its first use: annotations may look ahead."""

    def __init__(self, kind: type, big: bool, registers: bool) -> None:
        super().__init__(kind, "wire")
        self.big = big
        self.registers = registers
        self.made: Layout | None = None

    @staticmethod
    def constant_default(name: str, given: Any) -> Default:
        return Default(lambda: given)  # a wire field's default is a place or a length

    @property
    def layout(self) -> Layout:
        if self.made is None:
            self.evaluate()
            layout = Layout(self.kind.__name__, self.big)
            for field in self.fields.values():
                layout.place(field.name, field.type, field.default.make() if field.default is not None else None)
            layout.finish_run()
            for name, part in layout.parts.items():
                setattr(self.kind, name, part)
            self.made = layout
        return self.made

    def inside(self, instance: Any) -> list[Any]:
        """Nested objects. Byte arrays end here: their cells may be memory that lives on."""
        nested = instance.__dict__["_inside"].values()
        for array in (item for item in nested if isinstance(item, Array)):
            array._cells = []
        return [item for item in nested if not isinstance(item, Array)]

    def attach(self, instance: Any, memory: Any, offset: int) -> None:
        """Make `instance` a window on `memory`."""
        inside: dict[str, Any] = {}
        for name, part in (self.made or self.layout).nested:
            start = offset + part.offset
            if part.kind is Array:
                cells = memory if memory.__class__ is bytearray else MemoryCells(memory, start + part.size)
                inside[name] = window(Array, cells, start, start + part.size, BYTE)
            else:
                inside[name] = part.kind._over(memory, start)
        instance.__dict__.update(_memory=memory, _offset=offset, _inside=inside)


def decorate(kind: Any, big: bool, registers: bool) -> Any:
    record = WireRecord(kind, big, registers)

    def construct(self: Any) -> None:
        record.attach(self, bytearray(record.layout.size), 0)

    def over(cls: Any, memory: Any, offset: int = 0) -> Any:
        """An object of the class over `memory`, for the host."""
        made = cls.__new__(cls)
        record.attach(made, memory, offset)
        return made

    def assign(self: Any, name: str, value: Any) -> None:
        part = record.layout.parts.get(name)
        if part is None:
            raise FieldError(f"{kind.__name__} has no field {name}")
        part.__set__(self, value)

    def represent(self: Any) -> str:
        shown = []
        for name, part in record.layout.parts.items():
            item = getattr(self, name)
            shown.append(f"{name}={f'{int(item):#x}' if part.bits else repr(item)}")
        return f"{kind.__name__}({', '.join(shown)})"

    kind._record = record
    kind._over = classmethod(over)
    kind.__init__ = construct
    kind.__setattr__ = assign
    kind.__repr__ = represent
    return kind


def wire(kind: Any = None, *, endian: str = "little", registers: bool = False) -> Any:
    """Class decorator: a layout of memory. `registers`: each field is aligned and reached by exactly one access."""
    if endian not in ("little", "big"):
        raise StaticError("endian is 'little' or 'big'")
    make: Callable[[Any], Any] = lambda decorated: decorate(decorated, endian == "big", registers)  # noqa: E731
    return make if kind is None else make(kind)


def wire_view(kind: Any, span: Any) -> Any:
    """The first bytes of a `Span[u8]`, seen as a wire class: nothing is copied."""
    if not isinstance(span, Span) or span._table is None:
        raise StaticError("wire_view takes a Span[u8]")
    size = kind._record.layout.size
    if len(span) < size:
        raise IndexOutOfRange(f"{kind.__name__} has {size} bytes, the span {len(span)}")
    cells = span._cells
    return kind._over(cells.memory if isinstance(cells, MemoryCells) else cells, span._start)


def wire_over(kind: Any, memory: Any, offset: int = 0) -> Any:
    """For the host: a wire object over a `bytearray`, or over whatever has `load` and `store`."""
    return kind._over(memory, offset)
