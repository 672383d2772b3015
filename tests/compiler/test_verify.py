"""The grammar of the IR rejects what breaks it, and says where."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from neokernel.compiler import ir
from neokernel.compiler.dump import dump
from neokernel.compiler.types import BOOL, NONE, U8, U32, U64, Field, RefType, SpanType, StructType, UnionType
from neokernel.compiler.verify import MalformedIR, verify
from neokernel.compiler.verify_rules import RULES
from tests.support.irbuilder import FunctionBuilder, const, program

THING = StructType("Thing", "sample", {"a": Field("a", U32), "hits": Field("hits", U32, atomic=True)})


def builder() -> FunctionBuilder:
    return FunctionBuilder("sample.f", [("x", U32), ("thing", RefType(THING)), ("s", SpanType(U8, mutable=False))], U32)


def accept(f: FunctionBuilder) -> None:
    verify(program(f))


def test_accepts_good_code() -> None:
    f = builder()
    f.ret(f.binary("add", f.parameter(0), const(U32, 1)))
    accept(f)


def undefined_temp(f: FunctionBuilder) -> None:
    f.ret(ir.Temp(99, U32))


def temp_of_a_sibling(f: FunctionBuilder) -> None:
    then, otherwise = f.branch(const(BOOL, True))
    with f.within(then):
        inner = f.parameter(0)
    with f.within(otherwise):
        f.ret(inner)
    f.ret(const(U32, 0))


def mixed_widths(f: FunctionBuilder) -> None:
    f.ret(f.binary("add", f.parameter(0), const(U64, 1)))


def wrong_result(f: FunctionBuilder) -> None:
    f.ret(f.unary("neg", f.parameter(0), of=U64))


def unset_variable(f: FunctionBuilder) -> None:
    var = f.variable("v", U32)
    then, _ = f.branch(const(BOOL, True))
    with f.within(then):
        f.set(var, const(U32, 1))
    f.ret(f.get(var))


def unset_after_loop(f: FunctionBuilder) -> None:
    var = f.variable("v", U32)
    loop = f.loop()
    with f.within(loop.body):
        then, _ = f.branch(const(BOOL, True))
        with f.within(then):
            f.add(ir.Break(f.span(), loop.label))
        f.set(var, const(U32, 1))
    f.ret(f.get(var))


def foreign_variable(f: FunctionBuilder) -> None:
    f.ret(f.get(ir.Var("other", U32, 7)))


def check_of_wrong_kind(f: FunctionBuilder) -> None:
    result = f.temp(U32)
    checks = f.checks([ir.Kind.INDEX])
    f.add(ir.Binary(f.span(), result, checks, "add", ir.Mode.CHECKED, f.parameter(0), const(U32, 1)))
    f.ret(result)


def checks_out_of_order(f: FunctionBuilder) -> None:
    result, x = f.temp(U32), f.parameter(0)
    checks = f.checks([ir.Kind.OVERFLOW, ir.Kind.SHIFT])
    f.add(ir.Binary(f.span(), result, checks, "shl", ir.Mode.CHECKED, x, const(U32, 1)))
    f.ret(result)


def missing_check(f: FunctionBuilder) -> None:
    result = f.temp(U32)
    f.add(ir.Binary(f.span(), result, (), "add", ir.Mode.CHECKED, f.parameter(0), const(U32, 1)))
    f.ret(result)


def repeated_check(f: FunctionBuilder) -> None:
    check = f.checks([ir.Kind.ASSERT])
    f.add(ir.Require(f.span(), None, check, const(BOOL, True)))
    f.add(ir.Require(f.span(), None, check, const(BOOL, True)))
    f.ret(const(U32, 0))


def runs_off_the_end(f: FunctionBuilder) -> None:
    f.parameter(0)


def break_outside(f: FunctionBuilder) -> None:
    f.add(ir.Break(f.span(), 3))


def store_through_view(f: FunctionBuilder) -> None:
    f.set_element(f.parameter(2), const(U64, 0), const(U8, 1))
    f.ret(const(U32, 0))


def load_of_atomic(f: FunctionBuilder) -> None:
    f.ret(f.load(f.parameter(1), THING, "hits"))


def reference_to_plain_field(f: FunctionBuilder) -> None:
    f.field_ref(f.parameter(1), THING, "a")
    f.ret(const(U32, 0))


def constant_too_big(f: FunctionBuilder) -> None:
    f.ret(const(U32, 2**32))


def foreign_arm(f: FunctionBuilder) -> None:
    f.union(UnionType((U8, NONE)), f.parameter(0))
    f.ret(const(U32, 0))


def switch_with_repeated_case(f: FunctionBuilder) -> None:
    f.add(ir.Switch(f.span(), f.parameter(0), [((1, 2), []), ((2,), [])], []))
    f.ret(const(U32, 0))


def wrong_argument(f: FunctionBuilder) -> None:
    f.call(f.function, const(U64, 1), f.parameter(1), f.parameter(2))
    f.ret(const(U32, 0))


def asm_placeholder(f: FunctionBuilder) -> None:
    f.add(ir.Asm(f.span(), None, (), "csrw sscratch, {1}", (f.parameter(0),), ()))
    f.ret(const(U32, 0))


def asm_registers(f: FunctionBuilder) -> None:
    f.add(ir.Asm(f.span(), None, (), "ecall", (f.parameter(0),), (), ("a0", "a1")))
    f.ret(const(U32, 0))


def asm_results(f: FunctionBuilder) -> None:
    f.add(ir.Asm(f.span(), f.temp(U64), (), "ecall", (), (), (), ("a0",)))
    f.ret(const(U32, 0))


BROKEN: list[tuple[Callable[[FunctionBuilder], None], str]] = [
    (undefined_temp, "%99 is not defined here"),
    (temp_of_a_sibling, "is not defined here"),
    (mixed_widths, "u64 where u32 is due"),
    (wrong_result, "the result is u32, not u64"),
    (unset_variable, "v is read before it is set"),
    (unset_after_loop, "v is read before it is set"),
    (foreign_variable, "other is no variable of the function"),
    (check_of_wrong_kind, "checks [index], and it can fail with [overflow]"),
    (checks_out_of_order, "checks [overflow, shift], and it can fail with [shift, overflow]"),
    (missing_check, "checks [], and it can fail with [overflow]"),
    (repeated_check, "check 0 occurs twice"),
    (runs_off_the_end, "runs off its end without a result"),
    (break_outside, "label 3 is not of a loop around it"),
    (store_through_view, "a store through an immutable view"),
    (load_of_atomic, "hits is inline or atomic"),
    (reference_to_plain_field, "a is neither inline nor atomic"),
    (constant_too_big, "4294967296 is no constant of u32"),
    (foreign_arm, "u32 is no part of u8 | None"),
    (switch_with_repeated_case, "case 2 occurs twice"),
    (wrong_argument, "u64 where u32 is due"),
    (asm_placeholder, "{1} stands for nothing"),
    (asm_registers, "2 registers for 1 operands of asm"),
    (asm_results, "asm gives u64 in 1 registers"),
]


@pytest.mark.parametrize(("breaks", "reason"), BROKEN, ids=[breaks.__name__ for breaks, _ in BROKEN])
def test_rejects(breaks: Callable[[FunctionBuilder], None], reason: str) -> None:
    f = builder()
    breaks(f)
    with pytest.raises(MalformedIR) as caught:
        accept(f)
    assert reason in caught.value.reason
    assert caught.value.function is f.function
    assert str(caught.value).startswith("sample.f")


def test_rejects_a_symbol_used_twice() -> None:
    f = FunctionBuilder("sample.f")
    with pytest.raises(MalformedIR, match="used twice"):
        verify(program(f, f))


def test_every_instruction_has_a_rule() -> None:
    classes = {found for found in vars(ir).values() if isinstance(found, type)}
    gone = {ir.Instruction, ir.Await, ir.Pause}  # coroutines have been split
    assert {found for found in classes if issubclass(found, ir.Instruction)} - gone == set(RULES)


def test_dump_reads_well() -> None:
    f = FunctionBuilder("sample.f", [("x", U32)], U32)
    then, otherwise = f.branch(f.compare("lt", f.parameter(0), const(U32, 9)))
    with f.within(then):
        f.ret(f.binary("add", f.parameter(0), const(U32, 1)))
    with f.within(otherwise):
        f.fail("too big")
    assert dump(program(f)) == (
        "function sample.f(x.0: u32) -> u32\n"
        "  %0 = get x.0 : u32\n"
        "  %1 = compare lt %0 9:u32 : bool\n"
        "  if %1\n"
        "    %2 = get x.0 : u32\n"
        "    %3 = binary add checked %2 1:u32    fails overflow #0 : u32\n"
        "    return %3\n"
        "  else\n"
        "    fail    fails unreachable #1\n"
    )
