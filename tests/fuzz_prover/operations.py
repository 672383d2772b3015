"""A program with one function for each operation on each width, for ways through branches and loops, and for records.

So edges meet that random programs rarely bring together, as the lowest number and -1 in a division, or a branch that
returns and one that doesn't.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator

from tests.fuzz.kinds import INTS, Int

_BOTH = ("a + b", "a - b", "a * b", "a // b", "a % b", "a << b", "a >> b", "a & b", "a | b", "a ^ b")
_NAMED = ("min", "max", "wrapping_add", "wrapping_sub", "wrapping_mul", "saturating_add", "saturating_sub")
_MORE = ("saturating_mul", "multiply_high", "rotate_left", "rotate_right")
_ONE = ("~a", "byte_swap(a)")
_SIGNED = ("-a", "abs(a)")
_COUNTS = ("count_leading_zeros(a)", "count_trailing_zeros(a)", "count_ones(a)")
_TESTS = ("a < b", "a <= b", "a == b", "a != b")
_CLAIMS = ("x", "y", "not x", "not y", "x == y", "x != y", "both", "either")
_WORDS = (
    *_NAMED[2:],
    *_MORE,
    "byte_swap",
    "count_leading_zeros",
    "count_trailing_zeros",
    "count_ones",
    "truncate",
    "loop_invariant",
    "value",
)
#: what is equal, if what is in their arms is
_RECORDS = """@value
class One:
    n: u8 | None


@value
class Two:
    n: u8 | One | bool | None
    m: u16"""


def source() -> str:
    """Each function asserts something of its result that is wrong for some arguments."""
    functions = "\n\n\n".join(
        f"def function{place}{text}" for place, text in enumerate((*_functions(), *_paths(), *_loops(), *_values()))
    )
    kinds = ", ".join(map(str, INTS))
    words = ", ".join(_WORDS)
    return (
        f"from neokernel.lang import {kinds}, {words}\nfrom tests.fuzz.observations import Output\n\n\n"
        f"{_RECORDS}\n\n\n{functions}\n\n\ndef main(out: Output) -> None:\n    out.put(out.inputs[0])\n"
    )


def _functions() -> Iterator[str]:
    for kind in INTS:
        shift = "u8" if kind.signed else str(kind)
        for text in (*_BOTH, *(f"{name}(a, b)" for name in (*_NAMED, *_MORE))):
            right = shift if "<<" in text or ">>" in text or "rotate" in text else str(kind)
            yield _function(f"a: {kind}, b: {right}", str(kind), text, kind)
        for text in (*_ONE, *(_SIGNED if kind.signed else ())):
            yield _function(f"a: {kind}", str(kind), text, kind)
        for text in _COUNTS:
            yield f"(a: {kind}) -> u32:\n    result = {text}\n    assert result < {kind.bits}\n    return result"
        for text in _TESTS:
            yield f"(a: {kind}, b: {kind}) -> None:\n    assert {text}"
        for target in INTS:
            yield f"(a: {kind}) -> {target}:\n    return {target}(a)"
            yield _function(f"a: {kind}", str(target), f"truncate({target}, a)", target)


def _paths() -> Iterator[str]:
    """What holds where three ways meet, some of which end before?"""
    shapes = (
        "    if x:\n        {}\n    elif y:\n        {}\n    else:\n        {}\n",
        "    if x:\n        if y:\n            {}\n        else:\n            {}\n    else:\n        {}\n",
    )
    ways = [way for way in itertools.product(("pass", "return"), repeat=3) if "pass" in way]
    for shape, way, claim in itertools.product(shapes, ways, _CLAIMS):
        before = "    both = x and y\n    either = x or y\n"
        yield f"(x: bool, y: bool) -> None:\n{before}{shape.format(*way)}    assert {claim}"


def _loops() -> Iterator[str]:
    """In which round is a loop left?"""
    claims = ("found != 0", "found != 1", "found != 2", "found < 3")
    for rounds, invariant, claim in itertools.product(("3", "n"), (False, True), claims):
        said = "        loop_invariant(found == 9)\n" if invariant else ""
        yield (
            f"(wanted: u64, n: u64) -> None:\n    found: u64 = 9\n    for i in range({rounds}):\n{said}"
            f"        if i == wanted:\n            found = i\n            break\n    assert {claim}"
        )


def _values() -> Iterator[str]:
    """Which of two have the same arm, and in it the same?"""
    made = ("One(a)", "One(b)", "One(None)", "Two(a, 1)", "Two(b, 1)", "Two(One(a), 1)", "Two(One(b), 1)", "Two(x, 1)")
    for left, right in itertools.combinations_with_replacement(made, 2):
        if left[:3] == right[:3]:
            for operator in ("==", "!="):
                yield f"(a: u8, b: u8, x: bool) -> None:\n    assert {left} {operator} {right}"


def _function(parameters: str, result: str, text: str, kind: Int) -> str:
    """One that says too much of what it gives."""
    bound = kind.highest // 2
    return f"({parameters}) -> {result}:\n    result = {text}\n    assert result <= {bound}\n    return result"
