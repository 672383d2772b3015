"""Compiled for the host: every scalar operation against exact numbers, and how values and failures cross the border."""

from __future__ import annotations

import ctypes

import pytest

from neokernel.compiler import ir, jit
from neokernel.compiler.types import BOOL, NONE, U8, U32, U64, RefType, SpanType, StructType
from tests.support import scalars
from tests.support.irbuilder import FunctionBuilder, const, program


def run(suite: scalars.Suite) -> None:
    library = jit.Library(suite.program, level=1)
    for case in suite.cases:
        try:
            actual, kind = library.call(case.symbol, *case.arguments), None
        except jit.CheckError as failure:
            actual, kind = None, failure.kind
        assert kind == case.kind, case
        if kind is None:
            assert scalars.same(case.expected, actual), (case, actual)


def test_integers() -> None:
    run(scalars.integers(seed=1, number=40))


def test_comparisons_and_conversions() -> None:
    run(scalars.conversions(seed=2, number=30))


def test_floats() -> None:
    run(scalars.floats(seed=3))


def test_unchecked_operations_still_compute() -> None:
    suite = scalars.integers(seed=4, number=10)
    library = jit.Library(suite.program, checks=False)
    assert library.checks == []
    for case in suite.cases:
        if case.kind is None:
            assert library.call(case.symbol, *case.arguments) == case.expected, case
