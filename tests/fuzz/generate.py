"""Random programs of the language, by seed: the same seed gives the same text, everywhere.

Invariants: a generated program is accepted by the front end and by CPython; it ends; it is a matter of its seed alone
whether and where one of its checks fails.
"""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests.fuzz.context import Context, Declared, Function
from tests.fuzz.expressions import Expressions
from tests.fuzz.kinds import (
    INTS,
    NONE,
    U64,
    Array,
    Enumeration,
    Int,
    Kind,
    Span,
    Struct,
    Tuple,
    Union,
    Value,
    Wire,
)
from tests.fuzz.statements import Statements

HEADER = '''"""Generated from seed {seed}."""
from enum import Enum
from typing import Generic, TypeVar
from neokernel.lang import (
    Array, Atomic, Embedded, Order, Span, array, array_of, byte_swap, count_leading_zeros, count_ones,
    count_trailing_zeros, f32, f64, float_from_bits, i8, i16, i32, i64, multiply_high, replace, rotate_left,
    rotate_right, saturating_add, saturating_mul, saturating_sub, square_root, struct, truncate, u8, u16, u32, u64,
    unreachable, usize, value, wire, wire_view, wrapping_add, wrapping_mul, wrapping_neg, wrapping_shl,
    wrapping_sub{bits},
)
from tests.fuzz.observations import Output

T = TypeVar("T")


def choose(flag: bool, first: T, second: T) -> T:
    if flag:
        return first
    return second


def hidden(x: T) -> T:
    return x


@value
class Pair(Generic[T]):
    first: T
    second: T

    def swapped(self) -> "Pair[T]":
        return Pair(self.second, self.first)


@struct
class Guard:
    out: Output
    mark: u64

    def __enter__(self) -> "Guard":
        self.out.put(self.mark)
        return self

    def __exit__(self, *_: object) -> None:
        self.out.put(~self.mark)


@struct
class Cells:
    a8: Atomic[u8] = Atomic(0)
    a16: Atomic[u16] = Atomic(7)
    a32: Atomic[u32] = Atomic(0xFFFFFFFF)
    a64: Atomic[u64] = Atomic(1 << 63)
    several: Array[Atomic[u32]] = array(3)


@struct
class Node:
    word: u64
    next: "Node | None" = None


def fold(items: Array[T], start: u32) -> u32:
    result = start
    for item in items:
        result = wrapping_mul(result, u32(len(items))) ^ 77
    return result


def last_or(items: Span[T], otherwise: T) -> T:
    if len(items) == 0:
        return otherwise
    return items[len(items) - 1]
'''


@dataclass(frozen=True)
class Generated:
    seed: int
    source: str
    inputs: tuple[int, ...]


def generate(seed: int) -> Generated:
    """The program of this seed."""
    return _Program(seed).text()


class _Program:
    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.random = random.Random(seed)
        self.declared = Declared()
        self.parts: list[str] = []
        self.danger = self.random.choice([0.0, 0.0, 0.02, 0.06, 0.2, 0.7])
        self.declared.elements = self.random.sample(INTS, 2)
        self.declared.drills = self.random.choice([0, 0, 1, 2])
        self.bits: set[int] = set()

    def text(self) -> Generated:
        for _ in range(self.random.randrange(3)):
            self.enum()
        self.constants()
        # In any order: values have unions in them, and unions values.
        declared = [self.value] * self.random.randrange(3) + [self.union] * self.random.randrange(3)
        for declare in self.random.sample(declared, len(declared)):
            declare()
        for _ in range(self.random.randrange(3)):
            self.struct()
        if self.random.random() < 0.35:
            self.wire()
        for _ in range(self.random.randrange(4)):
            self.function()
        self.main()
        bits = "".join(f", u{number}" for number in sorted(self.bits))
        source = HEADER.format(seed=self.seed, bits=bits) + "\n\n" + "\n\n\n".join(self.parts) + "\n"
        literal = Expressions(self.context(0.0, observes=False))
        inputs = tuple(literal.number(self.random.choice(INTS)) & ((1 << 64) - 1) for _ in range(8))
        return Generated(self.seed, source, inputs)

    def context(self, danger: float, observes: bool) -> Context:
        return Context(self.random, self.declared, danger, observes)

    # --- declarations -------------------------------------------------------------------------------------------------

    def enum(self) -> None:
        name = f"E{len(self.declared.enums)}"
        count = self.random.randrange(1, 6)
        pick = self.random.random()
        if pick < 0.4:
            numbers = list(range(count))
        elif pick < 0.6:
            numbers = self.random.sample(range(-4, 12), count)
        elif pick < 0.7:
            numbers = self.random.sample([0, 1, 255, 65536, 1 << 63, (1 << 64) - 1], count)
        else:
            wide = [-(1 << 63), (1 << 63) - 1, 255, 256, 65535, 65536, -1, -129, 0, 7, 1 << 32]
            numbers = self.random.sample(wide, count)
        members = tuple((f"M{place}", number) for place, number in enumerate(numbers))
        lines = [f"class {name}(Enum):", *(f"    {member} = {number}" for member, number in members)]
        self.parts.append("\n".join(lines))
        self.declared.enums.append(Enumeration(name, members))

    def constants(self) -> None:
        e = Expressions(self.context(0.0, observes=False))
        lines = []
        for place in range(self.random.randrange(3)):
            kind = self.random.choice(INTS)
            lines.append(f"C{place}: {kind} = {e.number(kind)}")
            self.declared.constants.append((f"C{place}", kind))
        if self.random.random() < 0.5:
            number = self.random.choice([3, 255, 4096, -1, 1 << 31, 1 << 63])
            lines.append(f"N0 = {number}" if self.random.random() < 0.5 else f"N0 = {number + 5} - 5")
            self.declared.untyped.append(("N0", number))
        if self.random.random() < 0.5:
            kind = self.random.choice(INTS)
            spelled = "bytes" if kind == Int(8, False) else f"tuple[{kind}, ...]"
            if self.random.random() < 0.5 and kind != Int(8, False):
                lines.append(f"TABLE: {spelled} = tuple({kind}(x * {self.random.randrange(9)}) for x in range(5))")
            elif kind == Int(8, False):
                lines.append(f"TABLE: {spelled} = {bytes(self.random.getrandbits(8) for _ in range(4))!r}")
            else:
                numbers = ", ".join(str(e.number(kind)) for _ in range(self.random.randrange(2, 6)))
                lines.append(f"TABLE: {spelled} = ({numbers})")
            self.declared.constants.append(("TABLE", Span(kind, mutable=False)))
        if lines:
            self.parts.append("\n".join(lines))

    def field_kind(self) -> Kind:
        context = self.context(0.0, observes=False)
        pick = self.random.random()
        if pick < 0.7:
            return context.scalar_kind()
        if pick < 0.8 and self.declared.values:
            return self.random.choice(self.declared.values)
        if pick < 0.9 and self.declared.unions:
            return self.random.choice(self.declared.unions)
        return Tuple((context.scalar_kind(), context.scalar_kind()))

    def value(self) -> None:
        name = f"V{len(self.declared.values)}"
        fields = tuple((f"f{place}", self.field_kind()) for place in range(self.random.randrange(1, 5)))
        kind = Value(name, fields)
        lines = ["@value", f"class {name}:", *(f"    {field}: {of}" for field, of in fields)]
        method = self.method(kind, "mixed", changes=False)
        self.parts.append("\n".join([*lines, "", *method]))
        self.declared.values.append(kind)

    def union(self) -> None:
        arms: list[Kind] = []
        if self.random.random() < 0.6:
            arms.append(self.random.choice(INTS))
        if self.random.random() < 0.2:
            arms.append(Expressions(self.context(0, False)).c.scalar_kind())
        arms += self.random.sample(self.declared.enums, self.random.randrange(len(self.declared.enums) + 1))
        arms += self.random.sample(self.declared.values, self.random.randrange(len(self.declared.values) + 1))
        kept: list[Kind] = []
        for arm in arms:
            if not any(arm == other or (type(arm) is type(other) and not hasattr(arm, "name")) for other in kept):
                kept.append(arm)
        if self.random.random() < 0.5 or len(kept) < 2:
            kept.append(NONE)
        if len(kept) >= 2:
            self.random.shuffle(kept)
            self.declared.unions.append(Union(tuple(kept)))

    def struct(self) -> None:
        name = f"S{len(self.declared.structs)}"
        fields: list[tuple[str, Kind]] = []
        lines: list[str] = []
        embedded, defaults = set(), set()
        e = Expressions(self.context(0.0, observes=False))
        for place in range(self.random.randrange(1, 6)):
            field, pick = f"g{place}", self.random.random()
            kind: Kind
            if pick < 0.2:
                kind = Array(self.random.choice(INTS), self.random.randrange(1, 5))
                lines.append(f"    {field}: {kind} = {e.new_array(kind)}")
                defaults.add(field)
            elif pick < 0.35 and self.declared.structs:
                inner = self.random.choice(self.declared.structs)
                kind = inner
                embedded.add(field)
                lines.append(f"    {field}: Embedded[{inner}]")
                if len(inner.defaults) == len(inner.fields):
                    lines[-1] += f" = {inner}()"
                    defaults.add(field)
            else:
                kind = self.field_kind()
                lines.append(f"    {field}: {kind}")
                if self.random.random() < 0.6:
                    lines[-1] += f" = {e.make(kind, 0)}"
                    defaults.add(field)
            fields.append((field, kind))
        kind = Struct(name, tuple(fields), frozenset(embedded), frozenset(defaults))
        method = self.method(kind, "step", changes=True)
        self.parts.append("\n".join(["@struct", f"class {name}:", *lines, "", *method]))
        self.declared.structs.append(kind)

    def wire(self) -> None:
        fields: list[tuple[str, int, Int]] = []
        lines: list[str] = []
        size = 0
        big = self.random.random() < 0.5
        for place in range(self.random.randrange(1, 6)):
            field = f"w{place}"
            if self.random.random() < 0.35:
                total = self.random.choice([8, 16, 24, 32, 48, 64])
                if lines and "p" in lines[-1]:  # a run holds 64 bits at most
                    lines.append(f"    {field}: u8")
                    fields.append((field, 8, Int(8, False)))
                    size += 8
                part = 0
                while total:
                    bits = min(self.random.choice([1, 2, 3, 5, 7, 9, 12, 13, 20, 31, 33]), total)
                    if bits in (8, 16, 32, 64):
                        bits -= 1
                    reads = next(Int(w, False) for w in (8, 16, 32, 64) if w >= bits)
                    lines.append(f"    {field}p{part}: u{bits}")
                    fields.append((f"{field}p{part}", bits, reads))
                    self.bits.add(bits)
                    total -= bits
                    size += bits
                    part += 1
            else:
                kind = self.random.choice(INTS)
                lines.append(f"    {field}: {kind}")
                fields.append((field, kind.bits, kind))
                size += kind.bits
        head = '@wire(endian="big")' if big else "@wire"
        self.parts.append("\n".join([head, "class W0:", *lines]))
        self.declared.wires.append(Wire("W0", tuple(fields), size // 8))

    # --- functions ----------------------------------------------------------------------------------------------------

    def method(self, owner: Kind, name: str, changes: bool) -> list[str]:
        """A method without parameters; in structs it may change the object."""
        context = self.context(self.danger, observes=False)
        context.indent = 2
        context.declare("self", owner, assignable=False)
        result = context.scalar_kind()
        context.result = result
        statements = Statements(context)
        statements.several(self.random.randrange(0, 4))
        statements.finish()
        function = Function(name, (), result, observes=False, cost=context.cost, owner=owner)
        self.declared.functions.append(function)
        return [f"    def {name}(self) -> {result}:", *context.lines]

    def parameter_kind(self, context: Context) -> Kind:
        pick = self.random.random()
        declared = self.declared
        if pick < 0.2 and declared.structs:
            return self.random.choice(declared.structs)
        if pick < 0.3:
            return Span(self.random.choice(declared.elements), self.random.random() < 0.6)
        if pick < 0.4 and declared.values:
            return self.random.choice(declared.values)
        if pick < 0.5 and declared.unions:
            return self.random.choice(declared.unions)
        return context.scalar_kind()

    def function(self) -> None:
        observes = self.random.random() < 0.7
        context = self.context(self.danger, observes)
        count = self.random.randrange(0, 5)
        parameters = tuple((f"p{place}", self.parameter_kind(context)) for place in range(count))
        result: Kind | None = None
        pick = self.random.random()
        if pick < 0.55:
            result = context.scalar_kind()
        elif pick < 0.7:
            result = Tuple((context.scalar_kind(), context.scalar_kind()))
        elif pick < 0.8 and self.declared.unions:
            result = self.random.choice(self.declared.unions)
        elif pick < 0.9 and self.declared.values:
            result = self.random.choice(self.declared.values)
        name = f"function{len(self.declared.functions)}"
        context.result = result
        defaults, texts = 0, ["out: Output"] if observes else []
        for place, (parameter, kind) in enumerate(parameters):
            text = f"{parameter}: {kind}"
            plain = isinstance(kind, Int)
            if plain and place == count - 1 and self.random.random() < 0.3:
                assert isinstance(kind, Int)
                text += f" = {Expressions(context).number(kind)}"
                defaults = 1
            texts.append(text)
            context.declare(parameter, kind, assignable=not isinstance(kind, Struct | Span))
        statements = Statements(context)
        statements.several(self.random.randrange(1, 5))
        statements.finish()
        if not context.lines:
            context.emit("pass")
        self.parts.append("\n".join([f"def {name}({', '.join(texts)}) -> {result}:", *context.lines]))
        cost = context.cost
        self.declared.functions.append(Function(name, parameters, result, observes, cost, defaults=defaults))

    def main(self) -> None:
        context = self.context(self.danger, observes=True)
        for place in range(self.random.randrange(1, 5)):
            kind = self.random.choice(INTS)
            word = f"out.inputs[{place}]"
            context.emit(f"a{place} = {word if kind == U64 else f'truncate({kind}, {word})'}")
            context.declare(f"a{place}", kind)
        statements = Statements(context)
        for element in self.declared.elements:
            if self.random.random() < 0.5:
                array = Array(element, self.random.randrange(1, 6))
                name = context.name()
                context.emit(statements.new_variable(name, array))
                context.declare(name, array, assignable=False)
        statements.several(self.random.randrange(3, 12))
        statements.finish()
        self.parts.append("\n".join(["def main(out: Output) -> None:", *context.lines]))
