"""Operations at the edge of failing, or beyond it: every way to fail, in every width, with the same likelihood.

Left to chance, `abs` of the lowest `i8` would hardly ever come up.
"""

from __future__ import annotations

from tests.fuzz.expressions import UNSIGNED, Expressions
from tests.fuzz.kinds import INTS, Array, Int, Kind, Span

Drill = tuple[list[tuple[str, str]], str, Kind]
"""Declarations (name and text), the expression that may fail, and its kind."""


def drill(e: Expressions) -> Drill:
    """An operation on locals that are close to where it fails."""
    kind = e.random.choice(INTS)
    pick = e.random.choice([_arithmetic, _division, _shift, _shift, _sign, _conversion, _conversion, _float, _enum])
    return pick(e, kind)


def _two(e: Expressions, kind: Int, first: int, second: int, text: str) -> Drill:
    left, right = e.c.name("left"), e.c.name("right")
    return [(left, f"{kind}({first})"), (right, f"{kind}({second})")], text.format(left, right), kind


def _arithmetic(e: Expressions, kind: Int) -> Drill:
    small, large = e.random.choice([0, 1, 2, 3]), e.random.choice([kind.lowest, kind.highest, kind.highest // 2 + 1])
    if kind.signed and e.c.chance(0.3):
        small = -small
    first, second = (small, large) if e.c.chance(0.5) else (large, small)
    return _two(e, kind, first, second, f"({{}} {e.random.choice('+-*')} {{}})")


def _division(e: Expressions, kind: Int) -> Drill:
    first = e.random.choice([kind.lowest, kind.lowest + 1, kind.highest, 0])
    second = e.random.choice([0, -1] if kind.signed else [0, 1])
    if kind.signed and e.c.chance(0.4):
        first, second = kind.lowest, -1
    return _two(e, kind, first, second, f"({{}} {e.random.choice(['//', '%'])} {{}})")


def _shift(e: Expressions, kind: Int) -> Drill:
    distance = e.random.choice(UNSIGNED)
    number = e.random.choice([kind.bits - 1, kind.bits, kind.bits, kind.bits + 1, distance.highest, 1])
    value = e.random.choice([1, 2, kind.highest, kind.lowest, kind.highest // 2 + 1])
    left, right = e.c.name("left"), e.c.name("right")
    text = e.random.choice(["({} << {})", "({} << {})", "({} >> {})", "wrapping_shl({}, {})"]).format(left, right)
    return [(left, f"{kind}({value})"), (right, f"{distance}({min(number, distance.highest)})")], text, kind


def _sign(e: Expressions, kind: Int) -> Drill:
    if not kind.signed:
        kind = Int(kind.bits, True)
    name = e.c.name("left")
    value = e.random.choice([kind.lowest, kind.lowest, kind.lowest + 1, kind.highest])
    return [(name, f"{kind}({value})")], e.random.choice(["(-{})", "abs({})"]).format(name), kind


def _conversion(e: Expressions, kind: Int) -> Drill:
    source = e.random.choice([of for of in INTS if of != kind])
    near = [kind.lowest - 1, kind.lowest, kind.highest, kind.highest + 1, source.lowest, source.highest, -1]
    value = e.random.choice([number for number in near if source.lowest <= number <= source.highest])
    name = e.c.name("wide")
    return [(name, f"{source}({value})")], f"{kind}({name})", kind


def _float(e: Expressions, kind: Int) -> Drill:
    of = e.random.choice(["f32", "f64"])
    near = [float(kind.highest), float(kind.highest) + 1, float(kind.lowest), float(kind.lowest) - 1]
    near += [float(kind.lowest) - 0.5, float(kind.highest) + 0.5, -0.5, 1e30, float(1 << (kind.bits - 1))]
    near.append(float(1 << (kind.bits - 2)))
    name = e.c.name("real")
    text = f"{of}({e.random.choice(near)!r})"
    if e.c.chance(0.2):
        zero = e.c.name("zero")
        return [(zero, f"{of}(0.0)"), (name, f"{zero} / {zero}")], f"{kind}({name})", kind
    return [(name, text)], f"{kind}({name})", kind


def _enum(e: Expressions, kind: Int) -> Drill:
    if not e.c.declared.enums:
        return _conversion(e, kind)
    enum, name = e.random.choice(e.c.declared.enums), e.c.name("number")
    member, number = e.random.choice(enum.members)
    if e.c.chance(0.4):
        return [(name, f"{enum}.{member}")], f"{kind}({name}.value)", kind
    number += e.random.choice([-1, 0, 1])
    if not kind.lowest <= number <= kind.highest:
        number = 100
    return [(name, f"{kind}({number})")], f"{enum}({name})", enum


def bounds(e: Expressions) -> tuple[str, Kind] | None:
    """An element or part of something in reach, at its end or behind it."""
    found = [(t, of) for t, of, _ in e.c.paths() if isinstance(of, Array | Span) and not isinstance(of.element, Array)]
    found = [(t, of) for t, of in found if not (isinstance(of, Array) and of.inline)]
    if not found:
        return None
    text, of = e.random.choice(found)
    assert isinstance(of, Array | Span)
    behind = e.random.choice(["", " + 1", "", " >> 1"])
    if e.c.chance(0.5):
        return f"{text}[hidden(len({text})){behind}]", of.element
    start = e.random.choice(["", f"len({text})", "1", "2"])
    return f"len({text}[{start}:hidden(len({text})){behind}])", Int(64, False)
