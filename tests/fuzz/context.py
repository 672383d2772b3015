"""What the generator knows at a point of the program that it writes: names in reach, danger, and the cost so far.

Invariant: a name in `blocks` is assigned on every path to the point where it is in reach, and has the kind given there.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from tests.fuzz.kinds import Array, Enumeration, Int, Kind, Struct, Tuple, Union, Value, Wire, is_scalar

#: rounds of loops, all nested calls included, that one program may run
LONGEST = 1500


@dataclass
class Variable:
    """A local. `index_below`: it is known to be a usize less than that."""

    name: str
    kind: Kind
    assignable: bool = True
    index_below: int = 0


@dataclass(frozen=True)
class Function:
    """A function that can be called. `observes`: it takes `out` first. `owner`: for methods, the kind of `self`."""

    name: str
    parameters: tuple[tuple[str, Kind], ...]
    result: Kind | None
    observes: bool
    cost: int
    owner: Kind | None = None
    static: bool = False
    defaults: int = 0


@dataclass
class Declared:
    """The module's declarations so far."""

    enums: list[Enumeration] = field(default_factory=list)
    values: list[Value] = field(default_factory=list)
    structs: list[Struct] = field(default_factory=list)
    wires: list[Wire] = field(default_factory=list)
    unions: list[Union] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)
    constants: list[tuple[str, Kind]] = field(default_factory=list)
    untyped: list[tuple[str, int]] = field(default_factory=list)
    #: what most arrays and spans of this program hold, so that they meet
    elements: list[Int] = field(default_factory=list)
    #: operations that surely fail, still to be placed
    drills: int = 0


class Context:
    """One function being written."""

    def __init__(self, chance: random.Random, declared: Declared, danger: float, observes: bool) -> None:
        self.random = chance
        self.declared = declared
        self.danger = danger
        self.observes = observes
        self.blocks: list[list[Variable]] = [[]]
        self.lines: list[str] = []
        self.indent = 1
        self.multiplier = 1
        self.cost = 1
        self.loops = 0
        #: inside `with`, loops and so on: how deep statements nest
        self.depth = 0
        self.result: Kind | None = None
        #: names that expressions may not assign just now (they are narrowed, or count a loop)
        self.fixed: set[str] = set()
        self._names = 0

    def dangerous(self) -> bool:
        """Should the next operation be left free to fail?"""
        return self.random.random() < self.danger

    def chance(self, probability: float) -> bool:
        return self.random.random() < probability

    def name(self, stem: str = "v") -> str:
        self._names += 1
        return f"{stem}{self._names}"

    def emit(self, text: str) -> None:
        self.lines.append("    " * self.indent + text)

    def declare(self, name: str, kind: Kind, assignable: bool = True, index_below: int = 0) -> None:
        self.blocks[-1].append(Variable(name, kind, assignable, index_below))

    @contextmanager
    def block(self) -> Iterator[None]:
        """Statements inside are indented, and what they declare ends with them."""
        self.blocks.append([])
        self.indent += 1
        self.depth += 1
        before = len(self.lines)
        yield
        if len(self.lines) == before:
            self.emit("pass")
        self.depth -= 1
        self.indent -= 1
        self.blocks.pop()

    @contextmanager
    def repeated(self, rounds: int) -> Iterator[None]:
        self.multiplier *= max(rounds, 1)
        self.loops += 1
        yield
        self.loops -= 1
        self.multiplier //= max(rounds, 1)

    @contextmanager
    def fixing(self, *names: str) -> Iterator[None]:
        added = set(names) - self.fixed
        self.fixed |= added
        yield
        self.fixed -= added

    def spend(self, cost: int = 1) -> None:
        self.cost += cost * self.multiplier

    def can_spend(self, cost: int) -> bool:
        return self.cost + cost * self.multiplier <= LONGEST

    def variables(self) -> Iterator[Variable]:
        for block in self.blocks:
            yield from block

    def paths(self) -> Iterator[tuple[str, Kind, bool]]:
        """Everything that can be read without an index: text, kind, and whether it may be assigned."""
        for variable in self.variables():
            assignable = variable.assignable and variable.name not in self.fixed
            yield variable.name, variable.kind, assignable
            yield from self._fields(variable.name, variable.kind, 2)

    def _fields(self, text: str, kind: Kind, depth: int) -> Iterator[tuple[str, Kind, bool]]:
        if depth == 0:
            return
        if isinstance(kind, Struct):
            for name, of in kind.fields:
                inline = name in kind.embedded or isinstance(of, Array)
                yield f"{text}.{name}", of, not inline
                yield from self._fields(f"{text}.{name}", of, depth - 1)
        elif isinstance(kind, Value):
            for name, of in kind.fields:
                yield f"{text}.{name}", of, False
                yield from self._fields(f"{text}.{name}", of, depth - 1)
        elif isinstance(kind, Tuple):
            for place, of in enumerate(kind.items):
                yield f"{text}[{place}]", of, False

    def readable(self, wanted: Kind) -> list[str]:
        return [text for text, kind, _ in self.paths() if kind == wanted]

    def assignable(self, *, scalars: bool = False) -> list[tuple[str, Kind]]:
        return [
            (text, kind)
            for text, kind, free in self.paths()
            if free and (is_scalar(kind) if scalars else not isinstance(kind, Struct | Array | Wire))
        ]

    def scalar_kind(self) -> Kind:
        """Some scalar type, integers most often."""
        from tests.fuzz.kinds import BOOL, F32, F64, INTS

        pick = self.random.random()
        if pick < 0.7:
            return self.random.choice(INTS)
        if pick < 0.8:
            return BOOL
        if pick < 0.9 or not self.declared.enums:
            return F32 if self.chance(0.4) else F64
        return self.random.choice(self.declared.enums)

    def integer_kind(self) -> Int:
        from tests.fuzz.kinds import INTS

        return self.random.choice(INTS)
