"""Memory as the interpreter has it: objects, arrays, views; and who of them is alive.

Invariants:
- What lies inside an object is made with it, and knows its place; views share the elements of their array.
- A renewed object is another one, in the same place: references that were taken in the former life stay dead.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from neokernel.compiler.types import ArrayType, StructType, Type


class NotConstant(Exception):
    """The program does something that only a machine can do, or runs too long."""


@dataclass(eq=False, slots=True)
class Object:
    """A struct in memory. `home`: the fields or elements among which it lies, and its key, if it lies in an object."""

    fields: dict[str, Any]
    home: tuple[Any, Any] | None = None


@dataclass(eq=False, slots=True)
class Cells:
    """An array in memory."""

    items: list[Any]


@dataclass(eq=False, slots=True)
class View:
    """`length` items of `items` from `start`."""

    items: Any
    start: int
    length: int

    def content(self) -> list[Any]:
        return list(self.items[self.start : self.start + self.length])


def fresh(type_: Type) -> Any:
    """A new object or array, with what lies inside it."""
    match type_:
        case StructType(fields=fields):
            made = Object({f.name: fresh(f.type) for f in fields.values() if f.inline})
            settle(made.fields, made.fields.items())
            return made
        case ArrayType(element, length, inline):
            cells = Cells([fresh(element) if inline else None for _ in range(length)])
            settle(cells.items, enumerate(cells.items))
            return cells
    raise NotConstant(f"`{type_}` is memory of a machine")


def settle(home: Any, items: Iterable[tuple[Any, Any]]) -> None:
    """Let the objects among these fields or elements know their place."""
    for key, item in items:
        if isinstance(item, Object):
            item.home = (home, key)


class Lives:
    """`dead`: retired objects and their fields, and the elements of retired arrays, by identity (and so kept)."""

    def __init__(self) -> None:
        self.dead: dict[int, object] = {}

    def is_dead(self, value: Any) -> bool:
        """Has this object, array, or what this view shows been retired?"""
        return identity(value) in self.dead

    def end(self, type_: Type, value: Any) -> None:
        """The object dies, and all that lies in it."""
        for part in inside(type_, value):
            self.end(*part)
        known = identity(value)
        if known is not None:
            self.dead[known] = value.items if isinstance(value, Cells) else value
        if isinstance(value, Object):
            self.dead[id(value.fields)] = value.fields

    def renew(self, type_: Type, value: Object) -> Object | None:
        """Another object in the place of a dead one, or the living one itself; None if that has no place any more."""
        if id(value) not in self.dead:
            self._revive(type_, value)
            return value
        if value.home is None or id(value.home[0]) in self.dead or value.home[0][value.home[1]] is not value:
            return None
        return replace(type_, value)

    def _revive(self, type_: Type, value: Any) -> None:
        """What is dead inside of a living object is replaced."""
        for kind, part in inside(type_, value):
            if id(part) in self.dead:
                replace(kind, part)
            else:
                self._revive(kind, part)


def identity(value: Any) -> int | None:
    """What tells an object, or the elements of an array and all views of them, from others; None for nothing."""
    if isinstance(value, Cells):
        return id(value.items) if value.items else None
    if isinstance(value, View):
        return id(value.items) if value.length else None
    return id(value) if isinstance(value, Object) else None


def inside(type_: Type, value: Any) -> Iterable[tuple[Type, Any]]:
    """The objects and arrays that lie in this one."""
    match type_:
        case StructType(fields=fields):
            return [(f.type, value.fields[f.name]) for f in fields.values() if f.inline and f.name in value.fields]
        case ArrayType(element=element, inline=True):
            return [(element, item) for item in value.items]
    return []


def replace(type_: Type, value: Object) -> Object:
    """A new object in the place of this one."""
    assert value.home is not None
    home, key = value.home
    made: Object = fresh(type_)
    home[key], made.home = made, value.home
    return made
