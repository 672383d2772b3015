"""Random arguments for functions of the typed IR, as the interpreter has values.

Invariant: each value is one that the prover must reckon with: of its type, in memory where objects don't overlap but
references, arrays and spans may lead to the same ones.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable
from typing import Any

from neokernel.compiler.interpret import Cells, NotConstant, Object, View, round_float
from neokernel.compiler.interpret_memory import settle
from neokernel.compiler.types import (
    NONE,
    ArrayType,
    BoolType,
    EnumType,
    Field,
    FloatType,
    IntType,
    NoneType,
    RefType,
    SpanType,
    StructType,
    TupleType,
    Type,
    UnionType,
    ValueType,
)

#: how many objects one call's arguments may reach, beyond which optional references are None
MOST = 12
FLOATS = (0.0, -0.0, 0.1, 1.0, -1.5, 255.9, 65535.5, 2147483648.0, 1e30, float("inf"), float("nan"))


class Unable(NotConstant):
    """The interpreter has no such values."""


def integer(chance: random.Random, lowest: int, highest: int) -> int:
    """Small, at an edge of some width, or anything."""
    pick = chance.random()
    if pick < 0.2:
        wanted = chance.choice((lowest, highest, 0, -1))
    elif pick < 0.45:
        wanted = chance.randrange(-3, 12)
    elif pick < 0.75:
        wanted = chance.choice((1, -1)) * (1 << chance.choice((7, 8, 15, 16, 31, 32, 63, 64))) + chance.randrange(-2, 3)
    else:
        wanted = chance.randrange(lowest, highest + 1) >> chance.randrange(0, 64)
    size = highest - lowest + 1
    return (wanted - lowest) % size + lowest


class Maker:
    """Makes the arguments of one call."""

    def __init__(self, chance: random.Random) -> None:
        self.random = chance
        self.objects: dict[Type, list[Any]] = defaultdict(list)
        #: lists of elements of a type, for arrays and spans
        self.lists: dict[Type, list[list[Any]]] = defaultdict(list)
        self.made = 0

    def value(self, type_: Type) -> Any:
        chance = self.random
        match type_:
            case IntType():
                return integer(chance, type_.lowest, type_.highest)
            case BoolType():
                return chance.random() < 0.5
            case EnumType(members=members):
                return chance.choice(list(members.values()))
            case FloatType(bits=bits):
                return round_float(chance.choice(FLOATS), bits)
            case NoneType():
                return None
            case ValueType(fields=fields):
                return tuple(self.value(field.type) for field in fields.values() if not field.ghost)
            case TupleType(items):
                return tuple(map(self.value, items))
            case UnionType(arms=arms):
                arm = chance.choice(arms)
                if self.made > MOST and NONE in arms:
                    arm = NONE
                return arm, self.value(arm)
            case RefType(target):
                return self._shared(target, lambda: self.place(target))
            case SpanType(element=element, text=False, inline=False, atomic=False):
                return self._span(element)
        raise Unable(f"arguments of type {type_}")

    def place(self, type_: Type) -> Any:
        """A new object or array, with what lies in it."""
        self.made += 1
        if self.made > 4 * MOST:
            raise Unable("arguments without an end")
        match type_:
            case StructType(fields=fields):
                made = Object({})
                self.objects[type_].append(made)
                for field in fields.values():
                    if not field.ghost:
                        made.fields[field.name] = self._field(field)
                settle(made.fields, made.fields.items())
                return made
            case ArrayType(element=element, length=length, inline=inline, atomic=False):
                items = [self.place(_target(element)) if inline else self.value(element) for _ in range(length)]
                cells = Cells(items)
                settle(items, enumerate(items) if inline else ())
                self.objects[type_].append(cells)
                if not inline:
                    self.lists[element].append(items)
                return cells
        raise Unable(f"memory of type {type_}")

    def _field(self, field: Field) -> Any:
        if field.atomic:
            raise Unable("atomic cells")
        return self.place(_target(field.type)) if field.inline else self.value(field.type)

    def _shared(self, target: Type, make: Callable[[], Any]) -> Any:
        known = self.objects[target]
        return self.random.choice(known) if known and self.random.random() < 0.5 else make()

    def _span(self, element: Type) -> View:
        known = self.lists[element]
        if known and self.random.random() < 0.6:
            items = self.random.choice(known)
        else:
            items = [self.value(element) for _ in range(self.random.choice((0, 1, 2, 3, 5, 9)))]
            known.append(items)
        start = self.random.randrange(len(items) + 1)
        return View(items, start, self.random.randrange(len(items) - start + 1))


def _target(type_: Type) -> Type:
    return type_.target if isinstance(type_, RefType) else type_
