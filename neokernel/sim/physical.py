"""Physical memory under CPython: which object is at which address.

A simulator (`lang.set_simulator`) for kernel code. Memory holds two kinds of things:

- *Plain* memory is bytes. Classes of integers, atomics and arrays of them (a thread's buffer, the entries of a page
  table), `@wire` classes and spans of integers are views of these bytes: several may show the same.
- Every other object (a thread, a capability's slot) has fields that are no bytes: references. It is an ordinary Python
  object, which *owns* the bytes from its address on; nothing else is seen there while it lives.

Invariants:
- An address and a class name one Python object, until something else is placed there. What lies inside an object
  (embedded objects, elements of arrays) has the address that the compiler's layout gives it (`lang/layout.py`).
- An owner is placed on cleared memory only. Then integers are 0, `bool`s False, unions with None are None, enums their
  member 0; reference fields that can't be None are unset, and reading one is an error.
- Owners are disjoint. The memory of one whose life has ended (`retire`) is filled with `POISON` as soon as anybody
  looks at it: what is used without being cleared shows.
- `clear` forgets what was there; objects that lived there are dead.
"""

from __future__ import annotations

import mmap
import typing
from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

from neokernel.lang.atomics import Atomic
from neokernel.lang.failures import DeadObject, StaticError
from neokernel.lang.integers import WIDTHS, Integer
from neokernel.lang.layout import lay_out, measure, measure_field, measure_object, record_of
from neokernel.lang.lives import retire, state_of
from neokernel.lang.records import Field, substitute
from neokernel.lang.sequences import UNSET, Array, Shape, Span, Window, settle, window
from neokernel.lang.shapes import Embedded, Retired, element_shape, shape_of, type_name
from neokernel.lang.wire import wire_over

POISON = 0xA5
#: where objects that aren't in memory (a test's own, the hart's) get addresses, so that they have some
ELSEWHERE = 0x7F00_0000_0000_0000

#: `memoryview` formats of the widths
FORMATS: dict[str, Any] = {"u8": "B", "u16": "H", "u32": "I", "u64": "Q", "i8": "b", "i16": "h", "i32": "i", "i64": "q"}

#: where an object's address stands in its `__dict__`: no field has such a name
ADDRESS = ".address"
#: of an object that is a view: its bytes, and (followed by a format) its bytes as numbers
VIEW = ".view"
HOME = ".home"


class MemoryFault(Exception):
    """An access that memory can't give: nothing is there, or something else is."""


class UnsetField(MemoryFault, AttributeError):
    """A field was read that has no value yet."""


# --- what arrays are made of ------------------------------------------------------------------------------------------


class Numbers:
    """Cells of integers in plain memory."""

    __slots__ = ("address", "known", "numbers", "stride")

    def __init__(self, width: type[Integer], view: memoryview, address: int) -> None:
        self.address = address
        self.stride = width.bits // 8
        self.known = width.known
        self.numbers: Any = view.cast(FORMATS[width.__name__])

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, index: Any) -> Any:
        if index.__class__ is slice:
            return [self.known(number) for number in self.numbers[index]]
        return self.known(self.numbers[index])

    def __setitem__(self, index: Any, value: Any) -> None:
        if index.__class__ is slice:
            for position, number in zip(range(*index.indices(len(self))), value, strict=True):
                self.numbers[position] = number
        else:
            self.numbers[index] = value


class Cells(list[Any]):
    """Cells of anything else, at an address."""

    __slots__ = ("address", "stride")

    def __init__(self, items: list[Any], address: int, stride: int) -> None:
        super().__init__(items)
        self.address = address
        self.stride = stride


class AtomicInMemory(Atomic):
    """An atomic cell whose value is plain memory."""

    __slots__ = ("_cells",)

    def __init__(self, width: type[Integer], view: memoryview, address: int) -> None:
        self._cells = Numbers(width, view, address)
        self._width = width

    @property
    def _value(self) -> Any:
        return self._cells[0]

    @_value.setter
    def _value(self, value: Any) -> None:
        self._cells[0] = value


# --- how classes lie in memory ----------------------------------------------------------------------------------------


class Part(Protocol):
    """Something that lies inside an object: `size` bytes, seen as `make` makes it."""

    size: int
    #: nothing but integers
    plain: bool

    def make(self, memory: PhysicalMemory, address: int) -> Any: ...

    def find(self, item: Any, offset: int, wanted: Wanted) -> Any:
        """What is `wanted` at an offset of `item`, None if there isn't such a thing."""


@dataclass(frozen=True)
class Wanted:
    """An object of a class, or (`length`) a span of such elements."""

    kind: Any
    length: int | None = None


class AtomicPart:
    def __init__(self, width: type[Integer]) -> None:
        self.width = width
        self.size = width.bits // 8
        self.plain = True

    def make(self, memory: PhysicalMemory, address: int) -> Any:
        return AtomicInMemory(self.width, memory.view(address, self.size), address)

    def find(self, item: Any, offset: int, wanted: Wanted) -> Any:
        return None


class ArrayPart:
    """`length` elements. `inside`: the part that each is, None if they are values."""

    def __init__(self, element: Any, length: int, inside: Part | None) -> None:
        self.element = element
        self.length = length
        self.inside = inside
        shape = element_shape(element)
        if shape is None:
            raise StaticError(f"{type_name(element)}: an array in memory has elements of a known type")
        self.shape: Shape = shape
        self.stride = inside.size if inside is not None else measure(element)[0]
        self.size = self.stride * length
        self.width = element if isinstance(element, type) and issubclass(element, Integer) else None
        self.plain = self.width is not None if inside is None else inside.plain

    def make(self, memory: PhysicalMemory, address: int) -> Any:
        return window(Array, self.make_cells(memory, address), 0, self.length, self.shape)

    def make_cells(self, memory: PhysicalMemory, address: int) -> Any:
        if self.width is not None:
            return Numbers(self.width, memory.view(address, self.size), address)
        if self.inside is None:
            return Cells([zero_of(self.shape)] * self.length, address, self.stride)
        cells = Cells([], address, self.stride)
        for index in range(self.length):
            item = self.inside.make(memory, address + index * self.stride)
            cells.append(item)
            settle(cells, index, item)
        return cells

    def find(self, item: Any, offset: int, wanted: Wanted) -> Any:
        cells = item._cells
        if not len(cells):
            return None
        index, rest = divmod(offset, self.stride)
        if wanted.length is not None and wanted.kind == self.element and not rest:
            if index + wanted.length <= self.length:
                return window(Span, cells, item._start + index, item._start + index + wanted.length, self.shape)
        return None if self.inside is None else self.inside.find(cells[index], rest, wanted)


class WirePart:
    def __init__(self, kind: Any) -> None:
        self.kind = kind
        self.size = measure_object(kind)[0]
        self.plain = True

    def make(self, memory: PhysicalMemory, address: int) -> Any:
        memory.view(address, self.size)
        return wire_over(self.kind, memory, address)

    def find(self, item: Any, offset: int, wanted: Wanted) -> Any:
        return item if not offset and wanted == Wanted(self.kind) else None


class Number:
    """An integer field of an object that is a view of plain memory: a descriptor."""

    def __init__(self, offset: int, width: type[Integer]) -> None:
        self.index = offset * 8 // width.bits
        self.known = width.known
        self.view = VIEW + FORMATS[width.__name__]

    def __get__(self, instance: Any, owner: type | None = None) -> Any:
        return self.known(instance.__dict__[self.view][self.index])

    def __set__(self, instance: Any, value: int) -> None:
        instance.__dict__[self.view][self.index] = value


class StructPart:
    """An object of a struct class."""

    def __init__(self, kind: Any, example: Any = None) -> None:
        found = record_of(kind)
        if found is None or found[0].role != "struct":
            raise StaticError(f"{type_name(kind)} isn't a class of objects that lie in memory")
        record, self.bindings = found
        if not record.resolved:
            record.resolve()
        self.kind = kind
        self.origin = record.kind
        self.inside: list[tuple[str, int, Part]] = []
        #: values of fields that are no objects, and which of them are integers
        self.zeroes: dict[str, Any] = {}
        self.numbers: dict[str, Number] = {}
        self.widths: set[type[Integer]] = set()
        #: fields that exist under CPython only
        self.ghosts: list[Field] = []
        fields = [field for field in record.fields.values() if not field.ghost]
        offsets, (self.size, self.alignment) = lay_out([measure_field(f, self.bindings, example) for f in fields])
        for field, offset in zip(fields, offsets, strict=True):
            self.add(field, offset, example)
        self.ghosts = [field for field in record.fields.values() if field.ghost]
        simple = len(self.numbers) == len(fields) - len(self.inside)
        self.plain = simple and not self.ghosts and all(part.plain for _, _, part in self.inside)
        self.shown = self.view_class() if self.plain else self.origin
        if not self.plain and "__getattr__" not in self.origin.__dict__:
            self.origin.__getattr__ = unset_field

    def add(self, field: Field, offset: int, example: Any) -> None:
        kind = substitute(field.type, self.bindings)
        if field.inline:
            made = None
            if example is not None:
                made = example.__dict__[field.name]
            elif field.default is not None:
                made = field.default.make()
            self.inside.append((field.name, offset, inline_part(kind, made)))
        elif isinstance(kind, type) and issubclass(kind, Integer):
            self.zeroes[field.name] = kind(0)
            self.numbers[field.name] = Number(offset, kind)
            self.widths.add(kind)
        else:
            zero = zero_of(shape_of(kind))
            if zero is not UNSET:
                self.zeroes[field.name] = zero

    def view_class(self) -> Any:
        """A class that differs from the declared one only in where the numbers are."""
        body = {**self.numbers, "__slots__": (), "__module__": self.origin.__module__}
        return type(self.origin.__name__, (self.origin,), body)

    def make(self, memory: PhysicalMemory, address: int) -> Any:
        made = self.shown.__new__(self.shown)
        state = made.__dict__
        state[ADDRESS] = address
        if self.bindings:
            state[".bindings"] = self.bindings
        if self.plain:
            view = state[VIEW] = memory.view(address, self.size)
            for width in self.widths:
                letter = FORMATS[width.__name__]
                state[VIEW + letter] = view[: self.size // (width.bits // 8) * (width.bits // 8)].cast(letter)
        else:
            state.update(self.zeroes)
        for name, offset, part in self.inside:
            settle(state, name, part.make(memory, address + offset))
        for ghost in self.ghosts:
            state[ghost.name] = ghost.default.make() if ghost.default is not None else zero_of(ghost.shape)
        return made

    def find(self, item: Any, offset: int, wanted: Wanted) -> Any:
        if not offset and wanted.length is None and wanted.kind == self.kind:
            return item
        state = state_of(item)
        if self.plain and wanted.length is not None and wanted.kind in WIDTHS.values():
            size = wanted.length * (wanted.kind.bits // 8)
            if offset + size <= self.size:
                numbers = Numbers(wanted.kind, state[VIEW][offset : offset + size], state[ADDRESS] + offset)
                return window(Span, numbers, 0, wanted.length, shape_of(wanted.kind))
        for name, start, part in self.inside:
            if start <= offset < start + part.size and name in state:
                return part.find(state[name], offset - start, wanted)
        return None


def unset_field(instance: Any, name: str) -> Any:
    """`__getattr__` of classes of owners: CPython asks it when an attribute isn't there."""
    if name in type(instance)._record.fields:
        place = instance.__dict__.get(ADDRESS)
        where = "" if place is None else f" at {place:#x}"
        raise UnsetField(f"{type(instance).__name__}.{name}{where} is read before it was ever set")
    raise AttributeError(f"{type(instance).__name__} has no attribute {name}")


def zero_of(shape: Shape) -> Any:
    """What zeroed memory means as a value; UNSET if nothing."""
    try:
        return shape.make_zero()
    except StaticError:
        return UNSET


def inline_part(kind: Any, made: Any) -> Part:
    """The part that a field of this type is; `made` (its default) knows the lengths of arrays."""
    (inside,) = typing.get_args(kind)
    if typing.get_origin(kind) is Atomic:
        return AtomicPart(inside)
    if typing.get_origin(kind) is Array:
        first = made[0] if len(made) and made._element is not None else None
        return array_part(inside, len(made), first)
    part: Part = part_of(inside, made)
    return part


def array_part(element: Any, length: int, first: Any = None) -> ArrayPart:
    origin = typing.get_origin(element)
    if origin is Embedded:
        return ArrayPart(element, length, part_of(typing.get_args(element)[0], first))
    if origin is Atomic:
        return ArrayPart(element, length, AtomicPart(typing.get_args(element)[0]))
    return ArrayPart(element, length, None)


PARTS: dict[Any, Any] = {}


def part_of(kind: Any, example: Any = None) -> Any:
    """The part that an object of the class is."""
    part = PARTS.get(kind)
    if part is None:
        found = record_of(kind)
        part = WirePart(kind) if found is not None and found[0].role == "wire" else StructPart(kind, example)
        if example is None:
            PARTS[kind] = part
    return part


# --- memory -----------------------------------------------------------------------------------------------------------


@dataclass
class Owner:
    """An object, or an array of them, that isn't plain memory."""

    start: int
    part: Any
    item: Any
    #: what of it has been asked for by address
    keys: list[tuple[Any, int]]

    @property
    def end(self) -> int:
        return self.start + int(self.part.size)

    @property
    def dead(self) -> bool:
        if isinstance(self.item, Array):
            cells = self.item._cells
            return all(cell.__class__ is Retired for cell in cells)
        return self.item.__class__ is Retired

    def describe(self) -> str:
        kind = self.part.element if isinstance(self.part, ArrayPart) else self.part.kind
        return f"{type_name(kind)} at {self.start:#x}"


class PhysicalMemory:
    """`size` bytes from `base`, the address by which programs name the first."""

    def __init__(self, base: int, size: int) -> None:
        self.base = base
        self.size = size
        self.bytes = mmap.mmap(-1, size)
        self.content = memoryview(self.bytes)
        #: objects by class and address: what an access looks at first
        self.objects: dict[tuple[Any, int], Any] = {}
        #: views of plain memory, by page: what to forget when something else comes there
        self.views: dict[int, set[tuple[Any, int]]] = {}
        self.owners: dict[int, Owner] = {}
        self.starts: list[int] = []
        #: objects that aren't in memory, and their addresses
        self.elsewhere: dict[int, tuple[Any, int]] = {}

    # --- the simulator's words ----------------------------------------------------------------------------------------

    def object_at(self, kind: Any, address: int) -> Any:
        found = self.objects.get((kind, address))
        if found is not None and found.__class__ is not Retired:
            return found
        return self.place(kind, address)

    def new_at(self, kind: Any, address: int) -> Any:
        part = part_of(kind)
        owner = self.owner_at(address, part.size)
        if owner is not None:
            raise MemoryFault(f"a new {type_name(kind)} at {address:#x}: {owner.describe()} is there, and lives")
        return self.place(kind, address)

    def span_at(self, element: Any, address: int, length: int) -> Any:
        part = array_part(element, length)
        if not part.size:
            return window(Span, [], 0, 0, part.shape)
        owner = self.owner_at(address, part.size)
        if owner is not None:
            found = owner.part.find(owner.item, address - owner.start, Wanted(element, length))
            if found is None:
                raise MemoryFault(f"{length} {type_name(element)} at {address:#x}: {owner.describe()} is there")
            return found
        made = part.make(self, address)
        if not part.plain:
            self.own(address, part, made)
        return window(Span, made._cells, 0, length, part.shape)

    def address_of(self, target: Any) -> int:
        if isinstance(target, Window):
            return self.address_of_cells(target)
        if target.__class__ is Retired:
            raise DeadObject("address of an object that was retired")
        state = state_of(target)
        known = state.get(ADDRESS)
        if known is None:
            known = self.address_by_home(target, state)
        return int(known)

    def asm(self, template: str, inputs: Any, result: Any) -> Any:
        raise MemoryFault(f"memory has no processor: {template!r}")

    # --- for the machine and for tests --------------------------------------------------------------------------------

    def clear(self, address: int, size: int) -> None:
        """Zero, and nobody's: whatever lived there, even if only a part of it lay there, is dead."""
        view = self.view(address, size)
        for owner in list(self.owners_in(address, size)):
            self.disown(owner)
        self.forget_views(address, size)
        view[:] = bytes(size)

    def read(self, address: int, size: int) -> bytes:
        """Bytes of plain memory."""
        self.plain_at(address, size)
        return bytes(self.view(address, size))

    def write(self, address: int, data: bytes) -> None:
        self.plain_at(address, len(data))
        self.view(address, len(data))[:] = data

    def load(self, offset: int, size: int) -> bytes:
        """As `@wire` objects read their memory; `offset` is an address."""
        return bytes(self.view(offset, size))

    def store(self, offset: int, data: bytes) -> None:
        self.view(offset, len(data))[:] = data

    def living(self) -> list[Owner]:
        """The owners that live, by address."""
        return [owner for start in self.starts if not (owner := self.owners[start]).dead]

    def view(self, address: int, size: int) -> memoryview:
        offset = address - self.base
        if offset < 0 or offset + size > self.size:
            raise MemoryFault(f"{size} bytes at {address:#x}: memory is {self.base:#x} to {self.base + self.size:#x}")
        return self.content[offset : offset + size]

    # --- placing ------------------------------------------------------------------------------------------------------

    def place(self, kind: Any, address: int) -> Any:
        part = part_of(kind)
        if isinstance(part, StructPart) and address % part.alignment:
            raise MemoryFault(f"{type_name(kind)} at {address:#x}: not a multiple of {part.alignment}")
        key = kind, address
        owner = self.owner_at(address, part.size)
        if owner is not None:
            found = owner.part.find(owner.item, address - owner.start, Wanted(kind))
            if found is None or found.__class__ is Retired:
                raise MemoryFault(f"{type_name(kind)} at {address:#x}: {owner.describe()} is there, and lives")
            self.objects[key] = found
            owner.keys.append(key)
            return found
        made = part.make(self, address)
        settle(self.objects, key, made)
        if not part.plain:
            self.own(address, part, made, key)
            return made
        for page in range(address >> 12, ((address + part.size - 1) >> 12) + 1):
            self.views.setdefault(page, set()).add(key)
        return made

    def own(self, address: int, part: Any, item: Any, key: tuple[Any, int] | None = None) -> None:
        """An owner begins: its memory must be cleared."""
        if any(self.view(address, part.size)):
            self.objects.pop(key, None)  # type: ignore[arg-type]
            owner = Owner(address, part, item, [])
            raise MemoryFault(f"{owner.describe()}: its memory isn't cleared")
        self.forget_views(address, part.size)
        insort(self.starts, address)
        self.owners[address] = Owner(address, part, item, [] if key is None else [key])

    def disown(self, owner: Owner) -> None:
        """An owner ends, if it hasn't ended by itself; what it leaves behind is garbage."""
        if isinstance(owner.item, Array):
            for cell in list(owner.item._cells):
                if cell.__class__ is not Retired:
                    retire(cell)
            owner.item._cells.clear()
        elif owner.item.__class__ is not Retired:
            retire(owner.item)
        for key in owner.keys:
            self.objects.pop(key, None)
        del self.owners[owner.start]
        del self.starts[bisect_left(self.starts, owner.start)]
        self.view(owner.start, owner.part.size)[:] = bytes([POISON]) * owner.part.size

    def owner_at(self, address: int, size: int) -> Owner | None:
        """The living owner of all these bytes. Dead ones are cleared away; living ones of some bytes are in the way."""
        for owner in list(self.owners_in(address, size)):
            if owner.dead:
                self.disown(owner)
            elif owner.start <= address and address + size <= owner.end:
                return owner
            else:
                raise MemoryFault(f"{size} bytes at {address:#x} overlap {owner.describe()}, which lives")
        return None

    def owners_in(self, address: int, size: int) -> Iterator[Owner]:
        first = max(bisect_right(self.starts, address) - 1, 0)
        for start in self.starts[first : bisect_left(self.starts, address + size)]:
            owner = self.owners[start]
            if owner.end > address:
                yield owner

    def plain_at(self, address: int, size: int) -> None:
        owner = self.owner_at(address, size)
        if owner is not None:
            raise MemoryFault(f"{size} bytes at {address:#x}: {owner.describe()} is there, and lives")

    def forget_views(self, address: int, size: int) -> None:
        """Views of these bytes end. They aren't retired: what they show is still memory, as in an image."""
        for page in range(address >> 12, ((address + size - 1) >> 12) + 1):
            for key in [*self.views.get(page, ())]:
                kind, start = key
                if start < address + size and address < start + part_of(kind).size:
                    self.objects.pop(key, None)
                    self.views[page].discard(key)

    # --- addresses ----------------------------------------------------------------------------------------------------

    @staticmethod
    def address_of_cells(target: Any) -> int:
        cells = target._cells
        if not isinstance(cells, (Numbers, Cells)):
            raise MemoryFault(f"this {type(target).__name__} doesn't lie in memory: it has no address")
        if target._stop > target._start and not len(cells):
            raise DeadObject("address of an array that was retired")
        return int(cells.address + target._start * cells.stride)

    def address_by_home(self, target: Any, state: dict[str, Any]) -> int:
        """The address of an object that `renew` has put into its place, of a wire object, or of one elsewhere."""
        container, key = state.get(HOME, (None, None))
        if container is self.objects:
            address: int = key[1]
        elif isinstance(container, Cells):
            address = container.address + key * container.stride
        elif state.get("_memory") is self:
            address = state["_offset"]
        elif isinstance(container, dict) and ADDRESS in container:
            raise MemoryFault(
                f"{type(target).__name__}: `renew` has put it into another object: take that one's address"
            )
        else:
            if id(target) not in self.elsewhere:
                self.elsewhere[id(target)] = target, ELSEWHERE + 0x1_0000 * len(self.elsewhere)
            return self.elsewhere[id(target)][1]
        state[ADDRESS] = address
        return address
