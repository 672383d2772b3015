"""`Array`, `Span` and the immutable views `tuple[T, ...]` and `bytes`: windows on shared cells.

Invariants:
- A window is (cells, start, stop); slices, spans and views of an array share its cells, so each sees what others write.
- Cells are a list of elements, or, for `u8`, a `bytearray` (`bytes` for constants) whose numbers `_table` makes `u8`.
- Cells never change their number, except that an array whose life ended has none: then any access is `DeadObject`.
- `array(n)` doesn't know its element type until the context binds it; its cells are `UNSET` until then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import GenericAlias
from typing import Any, ClassVar

from neokernel.lang.failures import ConstantError, ContractFailed, DeadObject, IndexOutOfRange, StaticError
from neokernel.lang.integers import fit, u8, usize

BYTES: tuple[Any, ...] = tuple(u8(number) for number in range(256))


class Unset:
    """What stands for an object, or an array's element, whose type isn't known yet."""

    __slots__ = ()

    def __getattr__(self, name: str) -> Any:
        raise StaticError("this object doesn't know its type arguments: annotate the variable or field that holds it")

    def __repr__(self) -> str:
        return "unset"


UNSET = Unset()


def settle(container: Any, key: Any, item: Any) -> None:
    """Put what is inline into its place, which an object remembers (`renew` puts another one there)."""
    container[key] = item
    if hasattr(type(item), "_record"):
        item.__dict__[".home"] = container, key


class Shape:
    """How values of one type behave: what `shapes.shape_of` makes of an annotation.

    `expected`: objects of exactly this class need no coercion (None: ask `coerce`); `exact`: likewise, for a union, of
    any of these classes. `zero`: makes the zero value; None when the type has none. `inline`: the object itself is the
    cell, and is never assigned.
    """

    __slots__ = ("coerce", "exact", "expected", "inline", "name", "zero")

    def __init__(
        self,
        name: str,
        expected: type | None,
        coerce: Callable[[Any], Any],
        zero: Callable[[], Any] | None = None,
        inline: bool = False,
        exact: frozenset[type] = frozenset(),
    ) -> None:
        self.name = name
        self.expected = expected
        self.coerce = coerce
        self.zero = zero
        self.inline = inline
        self.exact = exact

    def make_zero(self) -> Any:
        if self.zero is None:
            raise StaticError(f"{self.name} has no zero value: give array() a fill")
        return self.zero()


class Window:
    """Consecutive cells: what arrays, spans and views have in common."""

    __slots__ = ("__weakref__", "_cells", "_element", "_start", "_stop", "_table")
    _name: ClassVar[str] = "Window"

    _cells: Any
    _start: int
    _stop: int
    _table: tuple[Any, ...] | None
    _element: Shape | None

    def __len__(self) -> int:
        return self._stop - self._start

    def __getitem__(self, index: Any) -> Any:
        if index.__class__ is usize:
            position = int.__add__(index, self._start)
        elif index.__class__ is slice:
            return self._slice(index)
        else:
            position = self._constant_index(index) + self._start
        if position >= self._stop:
            raise self._out_of_range(index)
        try:
            value = self._cells[position]
        except IndexError:
            raise self._dead() from None
        if self._table is not None:
            return self._table[value]
        if value is UNSET:
            raise self._unbound()
        return value

    def __iter__(self) -> Iterator[Any]:
        # The length is taken once; elements are read as the loop comes to them.
        cells, table = self._cells, self._table
        for position in range(self._start, self._stop):
            try:
                value = cells[position]
            except IndexError:
                raise self._dead() from None
            if value is UNSET:
                raise self._unbound()
            yield value if table is None else table[value]

    def _constant_index(self, index: Any) -> int:
        if index.__class__ is not int:
            raise StaticError(f"an index is a usize, not {type(index).__name__}")
        if index < 0:
            raise ConstantError(f"index {index}: an index is a usize")
        number: int = index
        return number

    def _bound(self, bound: Any, default: int) -> int:
        if bound is None:
            return default
        return int(bound) if bound.__class__ is usize else self._constant_index(bound)

    def _slice(self, part: slice) -> Any:
        if part.step is not None:
            raise StaticError("slices have no step")
        length = self._stop - self._start
        first, last = self._bound(part.start, 0), self._bound(part.stop, length)
        if first > last or last > length:
            raise IndexOutOfRange(f"[{first}:{last}] of length {length}")
        self._check_alive()
        return self._share(self._part_class(), self._start + first, self._start + last)

    def _part_class(self) -> type[Window]:
        return type(self)

    def _share(self, kind: type[Window], start: int, stop: int) -> Any:
        return window(kind, self._cells, start, stop, self._element)

    def _out_of_range(self, index: Any) -> Exception:
        length = self._stop - self._start
        if length and not len(self._cells):
            return self._dead()
        return IndexOutOfRange(f"index {int(index)} of length {length}")

    @staticmethod
    def _unbound() -> StaticError:
        return StaticError("this array doesn't know its element type: annotate the variable or field that holds it")

    def _check_alive(self) -> None:
        if self._stop > self._start and not len(self._cells):
            raise self._dead()

    def _dead(self) -> DeadObject:
        return DeadObject(f"the object behind this {self._name} has been retired")

    def __repr__(self) -> str:
        if len(self) and not len(self._cells):
            return f"<dead {self._name}>"
        cells = self._cells[self._start : self._stop]
        if self._table is not None:
            return f"{self._name}({bytes(cells[:64])!r}{f' … {len(self)} in all' if len(self) > 64 else ''})"
        shown = [str(cell) if isinstance(cell, (int, float)) else repr(cell) for cell in cells[:16]]
        if len(self) > 16:
            shown.append(f"… {len(self)} in all")
        return f"{self._name}([{', '.join(shown)}])"


class Span(Window):
    """Pointer and length: a mutable view of consecutive elements."""

    __slots__ = ()
    __class_getitem__: Any = classmethod(GenericAlias)
    _name = "Span"

    def __setitem__(self, index: Any, value: Any) -> None:
        if index.__class__ is usize:
            position = int.__add__(index, self._start)
        else:
            position = self._constant_index(index) + self._start
        element = self._element
        if element is None:
            if value.__class__ is int or value.__class__ is float:
                raise StaticError("a constant for an element of unknown type: write its width, as in u8(5)")
        elif element.inline:
            raise StaticError(f"elements of Array[Embedded[{element.name}]] aren't assigned as a whole")
        elif value.__class__ is not element.expected:
            value = element.coerce(value)
        if position >= self._stop:
            raise self._out_of_range(index)
        try:
            self._cells[position] = value
        except IndexError:
            raise self._dead() from None

    def _part_class(self) -> type[Window]:
        return Span  # a part of an array is a span

    def view(self) -> Any:
        """The same elements as an immutable `tuple[T, ...]`: live, nothing is copied."""
        return self._share(View, self._start, self._stop)

    def bytes(self) -> Any:
        """The same `u8` elements as immutable `bytes`: live, nothing is copied."""
        if self._table is None:
            raise StaticError("bytes() is for elements of type u8")
        return self._share(View, self._start, self._stop)


class Array(Span):
    """`n` consecutive elements with an identity; made by `array` and `array_of`."""

    __slots__ = ()
    _name = "Array"

    def _bind(self, element: Shape) -> None:
        """The context says what the elements are. Before, nobody else shares the cells."""
        if self._element is not None:
            known, expected = self._element.expected, element.expected
            if known is not None and expected is not None and known is not expected:
                raise StaticError(f"Array[{element.name}] expected, not Array[{self._element.name}]")
            return
        self._element = element
        length = len(self._cells)
        if not element.inline and all(cell is UNSET for cell in self._cells):
            self._cells[:] = [element.make_zero()] * length
        else:
            self._cells[:] = [element.make_zero() if cell is UNSET else element.coerce(cell) for cell in self._cells]
        if element.inline:
            for position, cell in enumerate(self._cells):
                settle(self._cells, position, cell)
        if element.expected is u8:
            self._cells, self._table = bytearray(self._cells), BYTES


class View(Window):
    """An immutable view: `tuple[T, ...]` or `bytes`. Equal to whatever has equal elements."""

    __slots__ = ()
    _name = "View"

    def __bytes__(self) -> bytes:
        if self._table is None:
            raise StaticError("not a view of u8")
        self._check_alive()
        return bytes(self._cells[self._start : self._stop])

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, (View, tuple, bytes, bytearray)):
            return NotImplemented
        for compared in (self, other):
            if isinstance(compared, View):
                compared._check_alive()
        if len(self) != len(other):
            return False
        if self._table is not None and not isinstance(other, tuple):
            return bytes(self) == bytes(other)
        return all(mine == theirs for mine, theirs in zip(self, other, strict=True))

    def __hash__(self) -> int:
        return hash(bytes(self)) if self._table is not None else hash(tuple(self))

    def __repr__(self) -> str:
        if len(self) and not len(self._cells):
            return super().__repr__()
        return repr(bytes(self)) if self._table is not None else super().__repr__()


def window(kind: type[Window], cells: Any, start: int, stop: int, element: Shape | None) -> Any:
    """A window of class `kind`. Cells that are bytes hold `u8`."""
    made = kind.__new__(kind)
    made._cells, made._start, made._stop, made._element = cells, start, stop, element
    made._table = BYTES if element is not None and element.expected is u8 else None
    return made


def array(length: Any, fill: Any = UNSET) -> Any:
    """An array of `length` zeroes, or of `fill`; the element type is the one expected where it stands."""
    if not isinstance(length, int) or length < 0:
        raise StaticError("array() takes a length")
    return window(Array, [fill] * int(length), 0, int(length), None)


def array_of(*elements: Any) -> Any:
    """An array of the given elements."""
    return window(Array, list(elements), 0, len(elements), None)


BYTE = Shape("u8", u8, lambda value: fit(u8, value), lambda: BYTES[0])


def byte_view(constant: bytes | bytearray) -> Any:
    """`bytes` of a target module over the host's `bytes`, or live over a `bytearray`."""
    return window(View, constant, 0, len(constant), BYTE)


def copy(target: Any, source: Any) -> None:
    """Copy the elements of `source` to `target`, which are equally long and may overlap."""
    if not isinstance(target, Span) or not isinstance(source, Window):
        raise StaticError("copy() takes a span and a span or view")
    element = target._element
    if element is not None and element.inline:
        raise StaticError(f"elements of Array[Embedded[{element.name}]] aren't assigned as a whole")
    if len(target) != len(source):
        raise IndexOutOfRange(f"{len(source)} elements copied to {len(target)}")
    values = list(source)
    if element is not None:
        values = [value if value.__class__ is element.expected else element.coerce(value) for value in values]
    if values and not target._cells:
        raise target._dead()
    target._cells[target._start : target._stop] = values


def text_of(data: Any) -> str:
    """`bytes` that are known to be UTF-8, as `str`. Images trust the program; here, a broken promise fails."""
    try:
        return bytes(data).decode()
    except UnicodeDecodeError as error:
        raise ContractFailed(f"text_of: {error}") from None


def byte_span(memory: bytearray) -> Any:
    """A `Span[u8]` over the host's memory: live, nothing is copied."""
    return window(Span, memory, 0, len(memory), BYTE)
