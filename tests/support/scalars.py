"""A program with a function for every scalar operation in every width, and calls with what the model says of each."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

from neokernel.compiler import ir
from neokernel.compiler.types import BOOL, F32, F64, INTS, U8, U32, U64, EnumType, FloatType, IntType, Type
from tests.support import model
from tests.support.irbuilder import FunctionBuilder, const, program

COLOR = EnumType("Color", "sample", {"RED": 0, "GREEN": 1, "BLUE": 2}, U8)
SPARSE = EnumType("Sparse", "sample", {"A": 1, "B": 7, "C": 300}, IntType(16, False))
NEGATIVE = EnumType("Negative", "sample", {"LOW": -2, "ZERO": -1, "HIGH": 0}, IntType(8, True))


@dataclass(frozen=True)
class Case:
    """A call and what must become of it: `expected` or a failing check of `kind`."""

    symbol: str
    arguments: tuple[Any, ...]
    expected: Any
    kind: ir.Kind | None


class Suite:
    """Functions and cases, collected."""

    def __init__(self, seed: int, number: int) -> None:
        self.random = random.Random(seed)
        self.number = number
        self.builders: list[FunctionBuilder] = []
        self.cases: list[Case] = []

    def function(self, name: str, parameters: list[Type], result: Type) -> FunctionBuilder:
        named = [(f"p{index}", of) for index, of in enumerate(parameters)]
        builder = FunctionBuilder(f"sample.{name}", named, result)
        self.builders.append(builder)
        return builder

    def case(self, builder: FunctionBuilder, arguments: tuple[Any, ...], compute: Any) -> None:
        expected = kind = None
        try:
            expected = compute(*arguments)
        except model.Fails as failure:
            kind = failure.kind
        self.cases.append(Case(builder.function.symbol, arguments, expected, kind))

    @property
    def program(self) -> ir.Program:
        return program(*self.builders)


def integers(seed: int, number: int) -> Suite:
    """Unary and binary operations, with variable and with constant right operands, and comparisons."""
    suite = Suite(seed, number)
    for op, mode, of in model.BINARY:
        right = suite.random.choice([U8, U32, U64, of]) if op in model.SHIFTS and not of.signed else of
        right = U32 if op in model.SHIFTS and of.signed else right
        f = suite.function(f"{op}_{mode.value}_{of}", [of, right], of)
        f.ret(f.binary(op, f.parameter(0), f.parameter(1), mode))
        for left_value, right_value in model.pairs(of, right, suite.random, number):
            pair = (left_value, right_value)
            suite.case(f, pair, lambda a, b, op=op, mode=mode, of=of: model.binary(op, mode, of, a, b))
        for fixed in {1, 2, 3, of.bits - 1, 64 if of.bits > 8 else 16, -1, -8}:
            if (op in model.SHIFTS and not 0 <= fixed < of.bits) or not of.holds(fixed):
                continue
            f = suite.function(f"{op}_{mode.value}_{of}_by_{fixed}".replace("-", "minus"), [of], of)
            f.ret(f.binary(op, f.parameter(0), const(right, fixed), mode))
            for value in [*model.edges(of), *(model.sample(of, suite.random) for _ in range(number // 4))]:
                suite.case(f, (value,), lambda a, op=op, mode=mode, of=of, b=fixed: model.binary(op, mode, of, a, b))
    for op, mode, of in model.UNARY:
        f = suite.function(f"{op}_{mode.value}_{of}", [of], U32 if op.startswith("count") else of)
        f.ret(f.unary(op, f.parameter(0), mode))
        for value in [*model.edges(of), *(model.sample(of, suite.random) for _ in range(number))]:
            suite.case(f, (value,), lambda a, op=op, mode=mode, of=of: model.unary(op, mode, of, a))
    return suite


_COMPARISONS = {
    "eq": lambda a, b: a == b,
    "ne": lambda a, b: a != b,
    "lt": lambda a, b: a < b,
    "le": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "ge": lambda a, b: a >= b,
}


def conversions(seed: int, number: int) -> Suite:
    """Comparisons of integers, and conversions among integers, bools and enums."""
    suite = Suite(seed, number)
    for of in INTS.values():
        for op, meaning in _COMPARISONS.items():
            f = suite.function(f"{op}_{of}", [of, of], BOOL)
            f.ret(f.compare(op, f.parameter(0), f.parameter(1)))
            for pair in model.pairs(of, of, suite.random, number):
                suite.case(f, pair, meaning)
    for source in INTS.values():
        values = [*model.edges(source), *(model.sample(source, suite.random) for _ in range(number))]
        for wanted in INTS.values():
            for truncate in (False, True):
                f = suite.function(f"convert_{source}_{wanted}_{truncate}", [source], wanted)
                f.ret(f.convert(f.parameter(0), wanted, truncate))
                for value in values:
                    suite.case(f, (value,), lambda a, s=source, w=wanted, t=truncate: model.convert(s, w, t, a))
        for enum in (COLOR, SPARSE, NEGATIVE):
            f = suite.function(f"convert_{source}_{enum}", [source], enum)
            f.ret(f.convert(f.parameter(0), enum))
            for value in {*values, *(v for v in (-3, -2, -1, 0, 1, 2, 3, 7, 44, 300) if source.holds(v))}:
                suite.case(f, (value,), lambda a, enum=enum: _member(enum, a))
            f = suite.function(f"convert_{enum}_{source}", [enum], source)
            f.ret(f.convert(f.parameter(0), source))
            for value in enum.members.values():
                suite.case(f, (value,), lambda a, s=source, e=enum: model.convert(e.storage, s, False, a))
        f = suite.function(f"convert_bool_{source}", [BOOL], source)
        f.ret(f.convert(f.parameter(0), source))
        for flag in (False, True):
            suite.case(f, (flag,), int)
    return suite


def _member(enum: EnumType, value: int) -> int:
    if value not in enum.members.values():
        raise model.Fails(ir.Kind.ENUM)
    return value


_FLOATS = [0.0, -0.0, 0.5, -0.5, 0.999, -0.999, 1.0, -1.0, 127.5, 128.0, -128.9, -129.0, 255.9, 256.0, 65535.5, 65536.0]
_FLOATS += [2.0**31, 2.0**31 - 1, -(2.0**31), -(2.0**31) - 1, 2.0**32, 2.0**32 - 1, 2.0**53, 2.0**63, -(2.0**63)]
_FLOATS += [2.0**64, 2.0**63 - 1024, 2.0**64 - 2048, -(2.0**63) - 2048, 1e300]
_FLOATS += [float("inf"), float("-inf"), float("nan")]


def floats(seed: int) -> Suite:
    """Arithmetic, comparisons and conversions of floats. Results are compared as bits by those who run the cases."""
    suite = Suite(seed, 0)
    for of in (F32, F64):
        rounded = model.single if of is F32 else float
        values = [*sorted({rounded(value) for value in _FLOATS if value == value}), float("nan"), -0.0]
        pairs = [(a, b) for a in values for b in suite.random.sample(values, 6)]
        for op, arithmetic in _ARITHMETIC.items():
            f = suite.function(f"{op}_{of}", [of, of], of)
            f.ret(f.binary(op, f.parameter(0), f.parameter(1)))
            for pair in pairs:
                suite.case(f, pair, lambda a, b, m=arithmetic, r=rounded: r(m(a, b)))
        for op, meaning in _COMPARISONS.items():
            f = suite.function(f"{op}_{of}", [of, of], BOOL)
            f.ret(f.compare(op, f.parameter(0), f.parameter(1)))
            for pair in pairs:
                suite.case(f, pair, meaning)
        for whole in INTS.values():
            f = suite.function(f"convert_{of}_{whole}", [of], whole)
            f.ret(f.convert(f.parameter(0), whole))
            for value in values:
                suite.case(f, (value,), lambda a, s=of, w=whole: model.convert(s, w, False, a))
            f = suite.function(f"convert_{whole}_{of}", [whole], of)
            f.ret(f.convert(f.parameter(0), of))
            for number in model.edges(whole):
                if of is F64 or abs(number) < 2**24:  # rounding twice through a double isn't rounding once
                    suite.case(f, (number,), lambda a, r=rounded: r(float(a)))
        _unary_floats(suite, of, values, rounded)
    return suite


def _unary_floats(suite: Suite, of: FloatType, values: list[float], rounded: Any) -> None:
    for op, meaning in (("neg", lambda a: -a), ("abs", abs), ("sqrt", _square_root)):
        f = suite.function(f"{op}_{of}", [of], of)
        f.ret(f.unary(op, f.parameter(0)))
        for value in values:
            if op == "sqrt" and value < 0:
                continue
            suite.case(f, (value,), lambda a, m=meaning, r=rounded: r(m(a)))


def _square_root(value: float) -> float:
    return value**0.5 if value == value and value != float("inf") and value != 0 else value


def _divide(a: float, b: float) -> float:
    if b == 0:
        negative = str(a).startswith("-") != str(b).startswith("-")
        return float("nan") if a != a or a == 0 else float("-inf") if negative else float("inf")
    return a / b


_ARITHMETIC = {
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "div": _divide,
    "min": min,
    "max": max,
}


def same(expected: Any, actual: Any) -> bool:
    """Equal, with one NaN and two zeros."""
    if isinstance(expected, float):
        if expected != expected:
            return bool(actual != actual)
        return bool(expected == actual and str(expected)[0] == str(actual)[0])
    return bool(expected == actual and type(expected) is type(actual))
