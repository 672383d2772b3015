"""Expressions of a wanted kind.

Operations that can fail are tamed (masked, so that they can't) unless the context is in danger: a program whose every
operation may fail would never get far.

Invariant: what `make` returns can stand anywhere an operand can, and says its own type (no bare literals).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from tests.fuzz.context import Context, Function
from tests.fuzz.kinds import (
    BOOL,
    F32,
    F64,
    INTS,
    NONE,
    U8,
    U32,
    U64,
    Array,
    Bool,
    Enumeration,
    Float,
    Int,
    Kind,
    Span,
    Struct,
    Tuple,
    Union,
    Value,
    has_equality,
    has_zero,
    is_scalar,
)

UNSIGNED = tuple(kind for kind in INTS if not kind.signed)
FLOATS = ("0.0", "-0.0", "1.0", "-1.5", "0.1", "255.9", "-128.5", "65535.5", "2147483648.0", "1e10", "1e-30", "3.5")


class Expressions:
    """Makes expressions for one function."""

    def __init__(self, context: Context) -> None:
        self.c = context
        self.random = context.random
        self._in_index = False

    # --- entry --------------------------------------------------------------------------------------------------------

    def make(self, kind: Kind, depth: int = 2) -> str:
        """An expression of this kind."""
        match kind:
            case Int():
                return self.integer(kind, depth)
            case Float():
                return self.real(kind, depth)
            case Bool():
                return self.boolean(depth)
            case Enumeration():
                return self.enumeration(kind, depth)
            case Value():
                return self.value(kind, depth)
            case Tuple():
                return self.anonymous(kind, depth)
            case Union():
                return self.union(kind, depth)
            case Span():
                return self.span(kind, depth)
            case Struct() | Array():
                found = self.c.readable(kind)
                assert found, kind
                return self.random.choice(found)
        assert kind == NONE, kind
        return "None"

    def can_make(self, kind: Kind) -> bool:
        """References can only be taken from what is in reach."""
        if isinstance(kind, Struct | Array):
            return bool(self.c.readable(kind))
        if isinstance(kind, Span):
            return bool(self._sources(kind))
        if isinstance(kind, Tuple):
            return all(map(self.can_make, kind.items))
        return True

    def _chosen(self, options: list[Callable[[], str | None]]) -> str:
        """The text of one of the options; the last one always has a text."""
        for option in self.random.sample(options, len(options)):
            text = option()
            if text is not None:
                return text
        text = options[-1]()
        assert text is not None
        return text

    def read(self, kind: Kind) -> str | None:
        """Something of this kind that is there already."""
        found = self.c.readable(kind)
        found += [name for name, of in self.c.declared.constants if of == kind]
        if not self._in_index and (self.c.chance(0.3) or not found):
            element = self.element(kind)
            if element is not None:
                return element
        return self.random.choice(found) if found else None

    # --- integers -----------------------------------------------------------------------------------------------------

    def number(self, kind: Int) -> int:
        """A value, the edges often."""
        pick = self.random.random()
        if pick < 0.55:
            return self.random.choice([0, 1, 2, 3, 5, 7, 10])
        edges = [kind.lowest, kind.lowest + 1, kind.highest, kind.highest - 1, kind.highest // 2, kind.highest // 2 + 1]
        if kind.signed:
            edges += [-1, -2, -7]
        if pick < 0.85:
            return self.random.choice(edges)
        raw = self.random.getrandbits(self.random.randrange(1, kind.bits + 1))
        return raw - (1 << kind.bits) if raw > kind.highest else raw

    def literal(self, kind: Int) -> str:
        if self.c.declared.untyped and self.c.chance(0.1):
            name, number = self.random.choice(self.c.declared.untyped)
            if kind.lowest <= number <= kind.highest:
                return f"{kind}({name})"
        return f"{kind}({self._digits(self.number(kind))})"

    def _digits(self, number: int) -> str:
        return hex(number) if abs(number) > 1000 and self.c.chance(0.5) else str(number)

    def side(self, kind: Int, depth: int) -> str:
        """The right operand of an operator: perhaps a bare literal."""
        if self.c.chance(0.3):
            number = self.number(kind)
            return f"({number})" if number < 0 else self._digits(number)
        return self.integer(kind, depth)

    def opaque(self, kind: Int) -> str | None:
        """A number that only the caller of the program knows."""
        if not self.c.observes:
            return None
        word = f"out.inputs[{self.random.randrange(8)}]"
        return word if kind == U64 else f"truncate({kind}, {word})"

    def integer(self, kind: Int, depth: int) -> str:
        if depth <= 0 or self.c.chance(0.25):
            return self._chosen([lambda: self.read(kind), lambda: self.opaque(kind), lambda: self.literal(kind)])
        options: list[Callable[[], str | None]] = [
            lambda: self.arithmetic(kind, depth),
            lambda: self.arithmetic(kind, depth),
            lambda: self.division(kind, depth),
            lambda: self.shift(kind, depth),
            lambda: self.bitwise(kind, depth),
            lambda: self.library(kind, depth),
            lambda: self.library(kind, depth),
            lambda: self.unary(kind, depth),
            lambda: self.conversion(kind, depth),
            lambda: self.conversion(kind, depth),
            lambda: self.conditional(kind, depth),
            lambda: self.call(kind, depth),
            lambda: self.call(kind, depth),
            lambda: self.walrus(kind, depth),
            lambda: self.length(kind),
            lambda: self.read(kind),
            lambda: self.literal(kind),
        ]
        return self._chosen(options)

    def risky(self, kind: Kind, depth: int) -> str:
        """An operand of what may fail: hidden from the front end, which would reject what always fails."""
        text = self.make(kind, depth)
        return text if text.isidentifier() and text.islower() else f"hidden({text})"

    def tamed(self, kind: Int, depth: int, bits: int = 3) -> str:
        """A number from 0 to 2**bits - 1."""
        return f"({self.integer(kind, depth)} & {(1 << bits) - 1})"

    def arithmetic(self, kind: Int, depth: int) -> str:
        operator = self.random.choice("+-*")
        if self.c.dangerous():
            left, right = self.risky(kind, depth - 1), self.side(kind, depth - 1)
            return f"({left} {operator} {right})"
        left, right = self.tamed(kind, depth - 1), self.tamed(kind, depth - 1)
        if operator == "-" and not kind.signed:
            left = f"({left} | 8)"
        if kind.signed and self.c.chance(0.4):
            right = f"({-self.random.randrange(1, 8)})"
        return f"({left} {operator} {right})"

    def division(self, kind: Int, depth: int) -> str:
        operator = self.random.choice(["//", "%"])
        left, right = self.risky(kind, depth - 1), self.risky(kind, depth - 1)
        if not self.c.dangerous():
            if kind.signed and self.c.chance(0.5):
                right = str(self.random.choice([-128, -7, -3, -2, 1, 2, 3, 4, 7, 10, 64, 127]))
                right = f"({right})" if right.startswith("-") else right
            elif self.c.chance(0.5):
                right = str(self.random.choice([1, 2, 3, 4, 7, 8, 10, 16, 100, 127]))
            else:
                right = f"({self.tamed(kind, depth - 1)} + 1)"
        return f"({left} {operator} {right})"

    def distance(self, kind: Int, depth: int) -> str:
        """How far to shift: of any unsigned width, or a constant."""
        if self.c.dangerous():
            return self.risky(self.random.choice(UNSIGNED), depth)
        if self.c.chance(0.4):
            return str(self.random.randrange(kind.bits))
        return self.tamed(self.random.choice(UNSIGNED), depth, {8: 3, 16: 4, 32: 5, 64: 6}[kind.bits])

    def shift(self, kind: Int, depth: int) -> str:
        if self.c.chance(0.5):
            return f"({self.integer(kind, depth - 1)} >> {self.distance(kind, depth - 1)})"
        if self.c.dangerous():
            return f"({self.risky(kind, depth - 1)} << {self.distance(kind, depth - 1)})"
        return f"({self.tamed(kind, depth - 1)} << {self.random.randrange(kind.bits - 3)})"

    def bitwise(self, kind: Int, depth: int) -> str:
        operator = self.random.choice("&|^")
        return f"({self.integer(kind, depth - 1)} {operator} {self.side(kind, depth - 1)})"

    def unary(self, kind: Int, depth: int) -> str:
        operand = self.risky(kind, depth - 1)
        if not kind.signed or self.c.chance(0.4):
            return f"(~{operand})"
        if not self.c.dangerous():
            operand = self.tamed(kind, depth - 1)
        return f"(-{operand})" if self.c.chance(0.5) else f"abs({operand})"

    def library(self, kind: Int, depth: int) -> str:
        if kind == U32 and self.c.chance(0.4):
            counted = self.integer(self.c.integer_kind(), depth - 1)
            return f"{self.random.choice(['count_leading_zeros', 'count_trailing_zeros', 'count_ones'])}({counted})"
        left, right = self.integer(kind, depth - 1), self.side(kind, depth - 1)
        name = self.random.choice(_FUNCTIONS)
        if name in ("wrapping_neg", "byte_swap"):
            return f"{name}({left})"
        if name.startswith("rotate"):
            return f"{name}({left}, {self._turns(depth)})"
        if name == "wrapping_shl":
            return f"{name}({left}, {self.distance(kind, depth - 1)})"
        return f"{name}({left}, {right})"

    def _turns(self, depth: int) -> str:
        """How far to rotate: any number."""
        if self.c.chance(0.3):
            return str(self.random.choice([0, 1, 7, 8, 31, 32, 63, 64, 65, 255, 4095]))
        return self.integer(self.random.choice(UNSIGNED), depth - 1)

    def conversion(self, kind: Int, depth: int) -> str:
        pick = self.random.random()
        if pick < 0.1:
            return f"{kind}({self.boolean(depth - 1)})"
        if pick < 0.2 and self.c.declared.enums:
            return self._enum_number(kind, depth)
        if pick < 0.35:
            of = F32 if self.c.chance(0.5) else F64
            if self.c.dangerous():
                return f"{kind}({self.risky(of, depth - 1)})"
            return f"{kind}({of}({self.tamed(kind, depth - 1)}) + {self.random.choice(['0.5', '0.25', '1.0'])})"
        source = self.c.integer_kind()
        if self.c.dangerous():
            return f"{kind}({self.risky(source, depth - 1)})"
        if self.c.chance(0.6):
            return f"truncate({kind}, {self.integer(source, depth - 1)})"
        return f"{kind}({self.tamed(source, depth - 1, self.random.choice([3, 7]))})"

    def _enum_number(self, kind: Int, depth: int) -> str:
        enum = self.random.choice(self.c.declared.enums)
        fits = all(kind.lowest <= number <= kind.highest for _, number in enum.members)
        number = f"{self.risky(enum, depth - 1)}.value"
        if fits or self.c.dangerous():
            return f"{kind}({number})"
        return f"truncate({kind}, {enum.number(number)})"

    def length(self, kind: Int) -> str | None:
        found = [text for text, of, _ in self.c.paths() if isinstance(of, Array | Span)]
        return f"len({self.random.choice(found)})" if found and kind == U64 else None

    # --- any kind -----------------------------------------------------------------------------------------------------

    def conditional(self, kind: Kind, depth: int) -> str:
        condition = self.boolean(depth - 1)
        return f"({self.make(kind, depth - 1)} if {condition} else {self.make(kind, depth - 1)})"

    def walrus(self, kind: Kind, depth: int) -> str | None:
        names = [v.name for v in self.c.variables() if v.kind == kind and v.assignable and v.name not in self.c.fixed]
        names = [name for name in names if "." not in name]
        return f"({self.random.choice(names)} := {self.make(kind, depth - 1)})" if names else None

    def call(self, kind: Kind, depth: int) -> str | None:
        fitting = [f for f in self.c.declared.functions if f.result == kind and self.callable(f)]
        if fitting:
            return self.call_of(self.random.choice(fitting), depth)
        if self.c.chance(0.5) and is_scalar(kind):
            return self._generic_call(kind, depth)
        return None

    def _generic_call(self, kind: Kind, depth: int) -> str:
        arrays = [(text, of) for text, of, _ in self.c.paths() if isinstance(of, Array) and not of.inline]
        if kind == U32 and arrays and self.c.chance(0.3):
            return f"fold({self.random.choice(arrays)[0]}, {self.make(kind, depth - 1)})"
        spans = [text for text, of in arrays if of.element == kind]
        spans += [text for text, of, _ in self.c.paths() if of == Span(kind, mutable=True)]
        if spans and self.c.chance(0.5):
            return f"last_or({self.random.choice(spans)}, {self.make(kind, depth - 1)})"
        first, second = self.make(kind, depth - 1), self.make(kind, depth - 1)
        if self.c.chance(0.5):
            return f"choose({self.boolean(depth - 1)}, {first}, {second})"
        return f"Pair({first}, {second}).swapped().first"

    def callable(self, function: Function) -> bool:
        if function.observes and not self.c.observes:
            return False
        if not self.c.can_spend(function.cost):
            return False
        if function.owner is not None and not function.static and not self.c.readable(function.owner):
            return False
        return all(self.can_make(kind) for _, kind in function.parameters)

    def call_of(self, function: Function, depth: int) -> str:
        self.c.spend(function.cost)
        arguments = ["out"] if function.observes else []
        given = len(function.parameters) - (self.random.randrange(function.defaults + 1) if function.defaults else 0)
        named = False
        for place, (name, kind) in enumerate(function.parameters[:given]):
            named = named or (place > 0 and self.c.chance(0.1))
            text = self.make(kind, depth - 1)
            arguments.append(f"{name}={text}" if named else text)
        name = function.name
        if function.owner is not None:
            receiver = str(function.owner) if function.static else self.random.choice(self.c.readable(function.owner))
            name = f"{receiver}.{name}"
        return f"{name}({', '.join(arguments)})"

    def index(self, length: int, depth: int = 1) -> str:
        """An index into `length` elements."""
        if self.c.dangerous():
            return self.risky(U64, depth)
        known = [v.name for v in self.c.variables() if 0 < v.index_below <= length]
        if known and self.c.chance(0.6):
            return self.random.choice(known)
        if self.c.chance(0.5):
            return str(self.random.randrange(length))
        return f"{self.integer(U64, depth)} % {length}"

    def element(self, kind: Kind) -> str | None:
        """An element of something in reach. Its index isn't an element again."""
        self._in_index = True
        text = self._element(kind)
        self._in_index = False
        return text

    def _element(self, kind: Kind) -> str | None:
        found = [(text, of) for text, of, _ in self.c.paths() if isinstance(of, Array | Span) and of.element == kind]
        found += [(name, of) for name, of in self.c.declared.constants if isinstance(of, Span) and of.element == kind]
        if not found:
            return None
        text, of = self.random.choice(found)
        if isinstance(of, Array):
            return f"{text}[{self.index(of.length)}]"
        if self.c.dangerous():
            return f"{text}[{self.risky(U64, 1)}]"
        if isinstance(kind, Struct):
            return None
        start = f"{text}[{self.integer(U64, 1)} % len({text})]"
        return f"({start} if len({text}) != 0 else {self.make(kind, 0)})"

    # --- bools --------------------------------------------------------------------------------------------------------

    def boolean(self, depth: int) -> str:
        if depth <= 0:
            return self._chosen([lambda: self.read(BOOL), lambda: self.comparison(0)])
        options: list[Callable[[], str | None]] = [
            lambda: self.comparison(depth),
            lambda: self.comparison(depth),
            lambda: self.chain(depth),
            lambda: f"({self.boolean(depth - 1)} {self.random.choice(['and', 'or'])} {self.boolean(depth - 1)})",
            lambda: f"(not {self.boolean(depth - 1)})",
            lambda: self.membership(depth),
            self.test,
            lambda: self.equality(depth),
            self.identity,
            lambda: self.call(BOOL, depth),
            lambda: self.walrus(BOOL, depth),
            lambda: self.conditional(BOOL, depth),
            lambda: self.read(BOOL),
            lambda: self.random.choice(["True", "False"]),
        ]
        return self._chosen(options)

    def unknown(self) -> str | None:
        """A condition that no compiler can decide (what a known one leads past would be rejected as never reached)."""
        kind = self.c.integer_kind()
        number = self.opaque(kind) or next(iter(self.c.readable(kind)), None)
        if number is None:
            return None
        test = f"{number} {self.random.choice(['<', '==', '!=', '>='])} {self.literal(kind)}"
        return test if self.c.chance(0.5) else f"{test} {self.random.choice(['and', 'or'])} {self.boolean(1)}"

    def comparison(self, depth: int) -> str:
        operator = self.random.choice(["==", "!=", "<", "<=", ">", ">="])
        if self.c.chance(0.2):
            of = F32 if self.c.chance(0.4) else F64
            return f"({self.real(of, depth - 1)} {operator} {self.real(of, depth - 1)})"
        kind = self.c.integer_kind()
        return f"({self.integer(kind, depth - 1)} {operator} {self.side(kind, depth - 1)})"

    def chain(self, depth: int) -> str:
        kind = self.c.integer_kind()
        first, second = (self.random.choice(["==", "!=", "<", "<=", ">", ">="]) for _ in range(2))
        left, middle = self.integer(kind, depth - 1), self.integer(kind, depth - 1)
        return f"({left} {first} {middle} {second} {self.side(kind, depth - 1)})"

    def membership(self, depth: int) -> str:
        kind = self.c.integer_kind()
        those = ", ".join(self.side(kind, 0) for _ in range(self.random.randrange(2, 4)))
        return f"({self.integer(kind, depth - 1)} {self.random.choice(['in', 'not in'])} ({those}))"

    def test(self) -> str | None:
        """Which arm is it?"""
        found = [(text, of) for text, of, _ in self.c.paths() if isinstance(of, Union)]
        if not found:
            return None
        text, of = self.random.choice(found)
        assert isinstance(of, Union)
        arm = self.random.choice(of.arms)
        # Not of a path: that would narrow it for what follows.
        text = f"choose({self.boolean(0)}, {text}, {text})"
        if arm == NONE:
            return f"({text} {self.random.choice(['is', 'is not'])} None)"
        others = [a for a in of.arms if a not in (NONE, arm)]
        if len(of.arms) > 2 and others and self.c.chance(0.3):
            return f"isinstance({text}, ({arm}, {self.random.choice(others)}))"
        return f"isinstance({text}, {arm})"

    def equality(self, depth: int) -> str | None:
        kinds = [kind for _, kind, _ in self.c.paths() if not isinstance(kind, Int) and has_equality(kind)]
        if not kinds:
            return None
        kind = self.random.choice(kinds)
        operator = self.random.choice(["==", "!="])
        if isinstance(kind, Value) and kind.fields and self.c.chance(0.5):
            # Two that differ in one field at most: any two are soon told apart.
            unions = [name for name, of in kind.fields if isinstance(of, Union)]
            text, changed = (
                self.random.choice(self.c.readable(kind)),
                self.random.choice(unions or [*dict(kind.fields)]),
            )
            fields = [self.make(of, depth - 1) if name == changed else f"{text}.{name}" for name, of in kind.fields]
            return f"({text} {operator} {kind}({', '.join(fields)}))"
        return f"({self.make(kind, depth - 1)} {operator} {self.make(kind, depth - 1)})"

    def identity(self) -> str | None:
        structs = [kind for _, kind, _ in self.c.paths() if isinstance(kind, Struct)]
        if not structs:
            return None
        kind = self.random.choice(structs)
        return f"({self.make(kind)} {self.random.choice(['is', 'is not'])} {self.make(kind)})"

    # --- floats -------------------------------------------------------------------------------------------------------

    def real(self, kind: Float, depth: int) -> str:
        def literal() -> str:
            if self.c.chance(0.1):
                return f"({kind}({self.random.choice(['0.0', '1.0', '-1.0'])}) / 0.0)"  # NaN and the infinities
            return f"{kind}({self.random.choice(FLOATS)})"

        if depth <= 0:
            return self._chosen([lambda: self.read(kind), literal])
        bits = U32 if kind == F32 else U64

        def arithmetic() -> str:
            right = self.random.choice(FLOATS) if self.c.chance(0.3) else self.real(kind, depth - 1)
            right = f"({right})" if right.startswith("-") else right
            return f"({self.real(kind, depth - 1)} {self.random.choice('+-*/')} {right})"

        def extreme() -> str:
            name = self.random.choice(["min", "max"])
            return f"{name}({self.real(kind, depth - 1)}, {self.real(kind, depth - 1)})"

        options: list[Callable[[], str | None]] = [
            arithmetic,
            arithmetic,
            extreme,
            lambda: f"(-{self.real(kind, depth - 1)})",
            lambda: f"abs({self.real(kind, depth - 1)})",
            lambda: f"square_root({self.real(kind, depth - 1)})",
            lambda: f"{kind}({self.integer(self.c.integer_kind(), depth - 1)})",
            lambda: f"{kind}({self.real(F32 if kind == F64 else F64, depth - 1)})",
            lambda: f"float_from_bits({self.integer(bits, depth - 1)})",
            lambda: self.conditional(kind, depth),
            lambda: self.call(kind, depth),
            lambda: self.walrus(kind, depth),
            lambda: self.read(kind),
            literal,
        ]
        return self._chosen(options)

    # --- enums, records, unions ---------------------------------------------------------------------------------------

    def enumeration(self, kind: Enumeration, depth: int) -> str:
        def member() -> str:
            return f"{kind}.{self.random.choice(kind.members)[0]}"

        def from_number() -> str | None:
            if not self.c.dangerous():
                return None
            number = self.random.choice(kind.members)[1] + self.random.choice([0, 0, 1])
            fitting = [of for of in INTS if of.lowest <= number <= of.highest]
            return f"{kind}(hidden({self.random.choice(fitting)}({number})))" if fitting else None

        options: list[Callable[[], str | None]] = [lambda: self.read(kind), from_number, member]
        if depth > 0:
            options[:0] = [lambda: self.conditional(kind, depth), lambda: self.call(kind, depth)]
        return self._chosen(options)

    def value(self, kind: Value, depth: int) -> str:
        def new() -> str:
            parts = [self.make(of, depth - 1) for _, of in kind.fields]
            if self.c.chance(0.3):
                return f"{kind}({', '.join(f'{n}={part}' for (n, _), part in zip(kind.fields, parts, strict=True))})"
            return f"{kind}({', '.join(parts)})"

        def changed() -> str | None:
            found = self.c.readable(kind)
            if not found:
                return None
            name, of = self.random.choice(kind.fields)
            return f"replace({self.random.choice(found)}, {name}={self.make(of, depth - 1)})"

        options: list[Callable[[], str | None]] = [lambda: self.read(kind), new]
        if depth > 0:
            options[:0] = [changed, lambda: self.conditional(kind, depth), lambda: self.call(kind, depth)]
        return self._chosen(options)

    def anonymous(self, kind: Tuple, depth: int) -> str:
        def new() -> str:
            return f"({', '.join(self.make(of, depth - 1) for of in kind.items)})"

        options: list[Callable[[], str | None]] = [lambda: self.read(kind), new]
        if depth > 0:
            options.insert(0, lambda: self.call(kind, depth))
        return self._chosen(options)

    def union(self, kind: Union, depth: int) -> str:
        def arm() -> str:
            first, second = (self.make(self.random.choice(kind.arms), depth - 1) for _ in range(2))
            # Always a choice: the value of a lone arm would be known, and tests of it would be rejected.
            return f"({first} if {self.boolean(0)} else {second})"

        options: list[Callable[[], str | None]] = [lambda: self.read(kind), arm]
        if depth > 0:
            options.insert(0, lambda: self.call(kind, depth))
        return self._chosen(options)

    # --- spans --------------------------------------------------------------------------------------------------------

    def _sources(self, kind: Span) -> Sequence[tuple[str, Kind]]:
        return [
            (text, of)
            for text, of, _ in self.c.paths()
            if (isinstance(of, Array) and of.element == kind.element and not of.inline)
            or of == kind
            or (isinstance(of, Span) and of.element == kind.element and of.mutable)
        ] + [(name, of) for name, of in self.c.declared.constants if of == kind]

    def span(self, kind: Span, depth: int) -> str:
        text, of = self.random.choice(self._sources(kind))
        if self.c.chance(0.4):
            text = self._part(text, of, depth)
        if kind.mutable or of == kind:
            return text
        return f"{text}.bytes()" if kind.element == U8 else f"{text}.view()"

    def _part(self, text: str, of: Kind, depth: int) -> str:
        if self.c.dangerous():
            return f"{text}[{self.risky(U64, depth - 1)}:{self.risky(U64, depth - 1)}]"
        if isinstance(of, Array):
            start = self.random.randrange(of.length + 1)
            stop = self.random.randrange(start, of.length + 1)
            return f"{text}[{self.random.choice([start, start, ''])}:{self.random.choice([stop, stop, ''])}]"
        half = f"len({text}) >> {self.random.randrange(1, 4)}"
        return f"{text}[{half}:]" if self.c.chance(0.5) else f"{text}[:{half}]"

    # --- objects ------------------------------------------------------------------------------------------------------

    def new_array(self, kind: Array) -> str:
        if kind.inline or (has_zero(kind.element) and self.c.chance(0.5)):
            return f"array({kind.length})"
        if self.c.chance(0.5) and not isinstance(kind.element, Tuple):
            return f"array({kind.length}, {self.make(kind.element, 1)})"
        return f"array_of({', '.join(self.make(kind.element, 1) for _ in range(kind.length))})"

    def new_struct(self, kind: Struct) -> str:
        arguments = []
        for name, of in kind.fields:
            if name in kind.defaults and (self.c.chance(0.6) or isinstance(of, Array) or name in kind.embedded):
                continue
            text = self.new_struct(of) if name in kind.embedded and isinstance(of, Struct) else self.make(of, 1)
            arguments.append(f"{name}={text}")
        self.random.shuffle(arguments)
        return f"{kind}({', '.join(arguments)})"


_FUNCTIONS = [
    *(f"wrapping_{name}" for name in ("add", "sub", "mul", "neg", "shl")),
    *(f"saturating_{name}" for name in ("add", "sub", "mul")),
    *("multiply_high", "rotate_left", "rotate_right", "byte_swap", "min", "max"),
]
