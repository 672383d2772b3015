"""Compiled for the host: every scalar operation against exact numbers, and how values and failures cross the border."""

from __future__ import annotations

import ctypes

import pytest

from neokernel.compiler import ir, jit
from neokernel.compiler.types import BOOL, NONE, U8, U32, U64, Field, RefType, SpanType, StructType, UnionType
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


def test_objects_cross_as_addresses() -> None:
    node = StructType("Node", "sample")
    link = UnionType((RefType(node), NONE))
    node.fields |= {"value": Field("value", U32), "next": Field("next", link), "seen": Field("seen", BOOL)}
    f = FunctionBuilder("sample.total", [("first", link)], U64)
    total, now = f.variable("total", U64), f.variable("now", link)
    f.set(total, const(U64, 0))
    f.set(now, f.parameter(0))
    loop = f.loop()
    with f.within(loop.body):
        here = f.get(now)
        present, absent = f.branch(f.is_arm(here, RefType(node)))
        with f.within(absent):
            f.add(ir.Break(f.span(), loop.label))
        with f.within(present):
            reference = f.as_arm(here, RefType(node))
            f.store(reference, node, "seen", const(BOOL, True))
            f.set(total, f.binary("add", f.get(total), f.convert(f.load(reference, node, "value"), U64)))
            f.set(now, f.load(reference, node, "next"))
    f.ret(f.get(total))

    class Node(ctypes.Structure):
        pass

    Node._fields_ = [("value", ctypes.c_uint32), ("next", ctypes.POINTER(Node)), ("seen", ctypes.c_bool)]
    second = Node(5)
    first = Node(7, ctypes.pointer(second))
    library = jit.Library(program(f))
    assert library.call("sample.total", first) == 12
    assert library.call("sample.total", None) == 0
    assert first.seen
    assert second.seen


def test_spans_views_and_slices() -> None:
    span = SpanType(U8, mutable=True)
    view = SpanType(U8, mutable=False)
    f = FunctionBuilder("sample.cut", [("s", span), ("a", U64), ("b", U64)], span)
    f.ret(f.slice(f.parameter(0), f.parameter(1), f.parameter(2), span))
    g = FunctionBuilder("sample.same", [("a", view), ("b", view)], BOOL)
    g.ret(g.compare("eq", g.parameter(0), g.parameter(1)))
    library = jit.Library(program(f, g))
    memory = ctypes.create_string_buffer(b"abcdef", 6)
    address = ctypes.addressof(memory)
    assert library.call("sample.cut", (memory, 6), 2, 5) == (address + 2, 3)
    assert library.call("sample.cut", (memory, 6), 6, 6) == (address + 6, 0)
    for start, stop in ((3, 2), (0, 7), (7, 7), (2**64 - 1, 2)):
        with pytest.raises(jit.CheckError) as caught:
            library.call("sample.cut", (memory, 6), start, stop)
        assert caught.value.kind is ir.Kind.INDEX
    assert library.call("sample.same", b"abc", b"abc")
    assert not library.call("sample.same", b"abc", b"abd")
    assert not library.call("sample.same", b"abc", b"abcd")
    assert library.call("sample.same", b"", b"")


def test_a_failed_check_names_its_place_and_leaves_the_host_intact() -> None:
    f = FunctionBuilder("sample.deep", [("x", U32)], U32)
    f.require(f.compare("ne", f.parameter(0), const(U32, 3)), "three is odd")
    f.ret(f.parameter(0))
    g = FunctionBuilder("sample.outer", [("x", U32)], U32)
    called = g.call(f.function, g.parameter(0))
    assert called is not None
    g.ret(g.binary("add", called, const(U32, 1)))
    f.function.cold = True
    library = jit.Library(program(f, g))
    for _ in range(1000):
        with pytest.raises(jit.CheckError):
            library.call("sample.outer", 3)
        assert library.call("sample.outer", 4) == 5
    with pytest.raises(jit.CheckError) as caught:
        library.call("sample.outer", 3)
    assert caught.value.message == "three is odd"
    assert caught.value.kind is ir.Kind.ASSERT
    assert caught.value.span.file == "samples/sample.py"
    assert caught.value.record.symbol == "sample.deep"
    assert str(caught.value).startswith(f"samples/sample.py:{caught.value.span.line}:4: assert three is odd")


def test_entry_for_frequent_calls() -> None:
    f = FunctionBuilder("sample.double", [("x", U32)], U64)
    f.ret(f.convert(f.binary("mul", f.parameter(0), const(U32, 2)), U64))
    library = jit.Library(program(f))
    frame = library.frame("sample.double")
    memory = (ctypes.c_uint8 * frame.size)()
    address, enter = ctypes.addressof(memory), library.entry("sample.double")
    argument = ctypes.c_uint32.from_buffer(memory, frame.arguments[0])
    result = ctypes.c_uint64.from_buffer(memory, frame.result)
    for value in range(10):
        argument.value = value
        assert enter(address) == jit.PASSED
        assert result.value == 2 * value
    argument.value = 2**31
    number = enter(address)
    assert number != jit.PASSED
    assert library.failed(number).kind is ir.Kind.OVERFLOW


@pytest.mark.parametrize("poison", [False, True])
def test_retired_objects_are_poisoned(poison: bool) -> None:
    thing = StructType("Thing", "sample")
    thing.fields |= {"a": Field("a", U64), "flag": Field("flag", BOOL)}
    f = FunctionBuilder("sample.end", [("thing", RefType(thing))])
    f.add(ir.Retire(f.span(), None, (), f.parameter(0)))
    f.ret()
    memory = (ctypes.c_uint8 * 16)()
    jit.Library(program(f), poison=poison).call("sample.end", memory)
    assert bytes(memory) == (b"\xdb" if poison else b"\0") * 16
