"""The emitted text and the code made of it: determinism, facts for the optimiser, records of checks, assembly."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

import llvmlite.binding as binding
import pytest

from neokernel.compiler import ir, jit, toolchain
from neokernel.compiler.llvm import EmitOptions, emit, read_checks, riscv64
from neokernel.compiler.llvm.function import _STATEMENTS
from neokernel.compiler.types import (
    BOOL,
    I32,
    NONE,
    U8,
    U32,
    U64,
    ArrayType,
    EnumType,
    Field,
    IntType,
    RefType,
    SpanType,
    StructType,
    TupleType,
)
from tests.support import machine, scalars
from tests.support.irbuilder import FunctionBuilder, const, program

COLOR = EnumType("Color", "sample", {"RED": 0, "GREEN": 1}, U8)
THING = StructType("Thing", "sample", {"a": Field("a", U32), "b": Field("b", U32), "color": Field("color", COLOR)})
THING.fields["peer"] = Field("peer", RefType(THING))
OTHER = StructType("Other", "sample", {"thing": Field("thing", RefType(THING))})


def exported(*builders: FunctionBuilder) -> ir.Program:
    for builder in builders:
        builder.function.exported = True
    return program(*builders)


def assembly(built: ir.Program, checks: bool = True) -> list[str]:
    """Instructions (tabs made spaces), without directives and comments."""
    emitted = emit(built, riscv64(), EmitOptions(checks=checks, debug=False))
    text = toolchain.assembly_of_ir(emitted.text, riscv64())
    lines = [line.split("#")[0].strip().replace("\t", " ") for line in text.splitlines() if line.startswith("\t")]
    return [line for line in lines if line and not line.startswith(".")]


def test_every_statement_is_lowered() -> None:
    instructions = {
        found for found in vars(ir).values() if isinstance(found, type) and issubclass(found, ir.Instruction)
    }
    statements = {ir.If, ir.Switch, ir.Loop, ir.Break, ir.Continue, ir.Return, ir.Fail, ir.Ghost}
    gone = {ir.Instruction, ir.Await, ir.Pause}  # the last two are for the front end only
    assert (instructions | statements) - gone == {*_STATEMENTS, ir.If}


def test_text_is_deterministic_and_valid() -> None:
    texts = []
    for _ in range(2):
        emitted = emit(scalars.integers(seed=5, number=0).program, riscv64(), EmitOptions())
        texts.append(emitted.text)
        assert [record.id for record in emitted.checks] == list(range(len(emitted.checks)))
    assert texts[0] == texts[1]
    binding.parse_assembly(texts[0]).verify()
    assert not re.search(r"0x7f[0-9a-f]{6,}|/tmp|/home|/work", texts[0])


def test_objects_are_the_same_wherever_they_are_built(tmp_path: Path) -> None:
    built = scalars.conversions(seed=6, number=0).program
    outputs = []
    for name in ("one", "two"):
        folder = tmp_path / name
        folder.mkdir()
        toolchain.compile_ir(emit(built, riscv64(), EmitOptions()).text, folder / f"{name}.o", riscv64())
        outputs.append((folder / f"{name}.o").read_bytes())
    assert outputs[0] == outputs[1]
    assert str(tmp_path).encode() not in outputs[0]


def test_stores_to_other_fields_dont_disturb_loads() -> None:
    f = FunctionBuilder("sample.f", [("x", RefType(THING)), ("y", RefType(THING))], U32)
    first = f.load(f.parameter(0), THING, "a")
    f.store(f.parameter(1), THING, "b", const(U32, 7))
    f.ret(f.binary("xor", first, f.load(f.parameter(0), THING, "a")))
    assert "li a0, 0" in assembly(exported(f))
    assert not any(line.startswith("lw") for line in assembly(exported(f)))


def test_references_are_not_null_and_enums_in_range() -> None:
    f = FunctionBuilder("sample.f", [("x", RefType(THING))], BOOL)
    color = f.convert(f.load(f.parameter(0), THING, "color"), U32)
    f.ret(f.compare("lt", color, const(U32, 2)))
    assert "li a0, 1" in assembly(exported(f))
    text = emit(program(f), riscv64(), EmitOptions()).text
    assert "nonnull align 8 dereferenceable(24)" in text


def test_internal_functions_vanish_when_inlined() -> None:
    g = FunctionBuilder("sample.g", [("x", U32)], U32)
    g.ret(g.binary("add", g.parameter(0), const(U32, 1)))
    f = FunctionBuilder("sample.f", [("x", U32)], U32)
    result = f.call(g.function, f.parameter(0))
    assert result is not None
    f.ret(result)
    f.function.exported = True
    emitted = emit(program(g, f), riscv64(), EmitOptions(debug=False))
    assert "define internal fastcc" in emitted.text
    assert "sample.g:" not in toolchain.assembly_of_ir(emitted.text, riscv64())


@pytest.mark.parametrize(("of", "most"), [(U8, 5), (U32, 5), (U64, 4), (I32, 4)], ids=str)
def test_checked_additions_are_cheap(of: IntType, most: int) -> None:
    f = FunctionBuilder("sample.f", [("x", of), ("y", of)], of)
    f.ret(f.binary("add", f.parameter(0), f.parameter(1)))
    instructions = assembly(exported(f))
    assert instructions.index("ret") <= most, instructions
    assert instructions[-1] == "ebreak"
    assert "ebreak" not in assembly(exported(f), checks=False)


def test_divisions_by_powers_of_two_are_shifts() -> None:
    f = FunctionBuilder("sample.f", [("x", I32)], I32)
    f.ret(f.binary("floordiv", f.parameter(0), const(I32, 8)))
    g = FunctionBuilder("sample.g", [("x", I32)], I32)
    g.ret(g.binary("mod", g.parameter(0), const(I32, 8)))
    assert assembly(exported(f)) == ["srai a0, a0, 3", "ret"]
    assert assembly(exported(g)) == ["andi a0, a0, 7", "ret"]


def test_loops_over_spans_have_no_bounds_checks() -> None:
    """The index runs below the length: LLVM sees that the check can't fail."""
    f = FunctionBuilder("sample.f", [("s", SpanType(U8, mutable=True))], U32)
    total = f.variable("total", U32)
    f.set(total, const(U32, 0))
    s = f.parameter(0)
    with f.counted("i", f.length(s)) as i:
        f.set(total, f.binary("xor", f.get(total), f.convert(f.element(s, i), U32)))
    f.ret(f.get(total))
    assert "ebreak" not in assembly(exported(f))


# --- records of checks ------------------------------------------------------------------------------------------------


def checked_program() -> ir.Program:
    """`g` is inlined into `f` twice; `dead` is called by nobody."""
    g = FunctionBuilder("sample.g", [("x", U32)], U32)
    g.ret(g.binary("add", g.parameter(0), const(U32, 1)))
    f = FunctionBuilder("_start", [("x", U32), ("y", U32)], U32)
    one, two = f.call(g.function, f.parameter(0)), f.call(g.function, f.parameter(1))
    assert one is not None
    assert two is not None
    f.ret(f.binary("xor", one, two))
    f.function.exported = True
    dead = FunctionBuilder("sample.dead", [("x", U32)], U32)
    dead.ret(dead.binary("mul", dead.parameter(0), const(U32, 3)))
    dead.function.exported = True
    return program(g, f, dead)


def test_copies_leave_a_record_each_and_dropped_code_none(tmp_path: Path) -> None:
    emitted = emit(checked_program(), riscv64(), EmitOptions())
    toolchain.compile_ir(emitted.text, tmp_path / "a.o", riscv64())
    toolchain.link([tmp_path / "a.o"], tmp_path / "a.elf")
    found = read_checks(tmp_path / "a.elf")
    symbols = [emitted.checks[number].symbol for number in found.values()]
    assert symbols == ["sample.g", "sample.g"]
    image = (tmp_path / "a.elf").read_bytes()
    assert len(set(found)) == 2
    assert image.count(b"\x02\x90") >= 2  # ebreak, compressed


def test_a_program_is_there_while_it_is_linked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Another `nk` may be about to run it."""
    toolchain.compile_ir(emit(checked_program(), riscv64(), EmitOptions()).text, tmp_path / "a.o", riscv64())
    output = tmp_path / "a.elf"
    toolchain.link([tmp_path / "a.o"], output)
    whole, run_tool, seen = output.read_bytes(), toolchain.run_tool, list[bytes]()

    def watched(tool: str, arguments: Sequence[str]) -> bytes:
        said = run_tool(tool, arguments)
        seen.append(output.read_bytes())
        return said

    output.write_bytes(b"what was there before")
    monkeypatch.setattr(toolchain, "run_tool", watched)
    toolchain.link([tmp_path / "a.o"], output)
    assert seen == [b"what was there before"] and output.read_bytes() == whole
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.elf", "a.o"]


def test_several_programs_number_their_checks_apart() -> None:
    emitted = emit(checked_program(), riscv64(), EmitOptions(first_check=100))
    assert [record.id for record in emitted.checks] == list(range(100, 100 + len(emitted.checks)))


def test_discharged_checks_leave_nothing() -> None:
    f = FunctionBuilder("sample.f", [("x", U32), ("y", U32)], U32, discharged=True)
    f.require(f.compare("lt", f.parameter(0), f.parameter(1)))
    f.ret(f.binary("floordiv", f.parameter(0), f.binary("sub", f.parameter(1), f.parameter(0))))
    emitted = emit(exported(f), riscv64(), EmitOptions())
    assert emitted.checks == []
    assert "ebreak" not in emitted.text
    assert "sub nuw" in emitted.text


# --- assembly ---------------------------------------------------------------------------------------------------------


def test_asm_operands_and_naked_functions() -> None:
    f = FunctionBuilder("sample.f", [("x", U8)], U64)
    result = f.temp(U64)
    f.add(ir.Asm(f.span(), result, (), "csrrw {result}, sscratch, {0}", (f.parameter(0),), ("memory", "t0")))
    f.ret(result)
    g = FunctionBuilder("sample.g")
    g.add(ir.Asm(g.span(), None, (), "csrr t0, scause\nsret", (), ()))
    g.function.naked = True
    g.function.section = ".text.trap"
    text = assembly(exported(f, g))
    assert text == ["csrrw a0, sscratch, a0", "ret", "csrr t0, scause", "sret"]


def test_asm_with_named_registers() -> None:
    """Operands arrive in their registers and results are taken from theirs: not one move or access of memory more."""
    f = FunctionBuilder("sample.f", [("capability", U64), ("word", U64)], U64)
    results = f.temp(TupleType((U64, U64)))
    f.add(
        ir.Asm(
            f.span(),
            results,
            (),
            "ecall # {1} {2}",
            (f.parameter(0), f.parameter(1), const(U64, 8)),
            ("memory", "a7", "t0", "ra"),
            ("a0", "a1", "a7"),
            ("a0", "a1"),
        )
    )
    f.ret(f.item(results, 1, U64))
    save, restore = ["addi sp, sp, -16", "sd ra, 8(sp)"], ["ld ra, 8(sp)", "addi sp, sp, 16"]
    lines = [line.split("#")[0].strip() for line in assembly(exported(f))]
    assert lines == [*save, "li a7, 8", "ecall", "mv a0, a1", *restore, "ret"]


def test_asm_with_one_named_result_and_others_unread() -> None:
    f = FunctionBuilder("sample.f", [("x", U64)], U64)
    one, plain = f.temp(TupleType((U64,))), f.temp(U64)
    f.add(ir.Asm(f.span(), one, (), "li a4, 5", (), (), (), ("a4",)))
    f.add(ir.Asm(f.span(), plain, (), "addi {result}, {0}, 1", (f.parameter(0),), ("a3",), ("a3",)))
    f.ret(f.binary("and", f.item(one, 0, U64), plain))
    assert assembly(exported(f)) == ["li a4, 5", "mv a3, a0", "addi a0, a3, 1", "and a0, a0, a4", "ret"]


def test_top_level_assembly_and_sections(tmp_path: Path) -> None:
    built = checked_program()
    built.assembly.append('.globl extra\nextra: .string "a\\"b\\\\"')
    toolchain.compile_ir(emit(built, riscv64(), EmitOptions()).text, tmp_path / "a.o", riscv64())
    assert b'a"b\\\0' in (tmp_path / "a.o").read_bytes()


def test_tool_errors_are_reported() -> None:
    with pytest.raises(toolchain.ToolError, match="error"):
        toolchain.assembly_of_ir("define nonsense", riscv64())


def test_host_device_fence_and_naked_void() -> None:
    f = FunctionBuilder("sample.f")
    f.add(ir.Fence(f.span(), None, (), None))
    f.ret()
    assert assembly(exported(f)) == ["fence", "ret"]
    assert "fence seq_cst" in emit(program(f), jit.host(), EmitOptions()).text
    assert f.function.result == NONE


@pytest.mark.qemu
def test_objects_placed_in_memory_keep_their_order() -> None:
    """Clear memory as u64s, place a struct there, read it: aliasing by type must not reorder."""
    f = FunctionBuilder("sample.f", [("seed", U64)], U32)
    array = f.new(ArrayType(U64, 4), zero=False)
    f.fill(array, f.parameter(0))
    address, thing = f.temp(U64), f.temp(RefType(THING))
    f.add(ir.AddressOf(f.span(), address, (), array))
    f.add(ir.ObjectAt(f.span(), thing, (), address))
    f.store(thing, THING, "a", f.binary("xor", f.load(thing, THING, "b"), const(U32, 1)))
    f.ret(f.load(thing, THING, "a"))
    seed = 0x1234_5678_0000_0000
    [(value, outcome)] = machine.call_all(program(f), [("sample.f", (seed,))])
    assert outcome.trap is None
    assert value == 0x1234_5679


def test_merged_stores_keep_their_kind() -> None:
    """Stores to two pointer fields become one; it still can't change a number."""
    f = FunctionBuilder("sample.f", [("x", RefType(THING)), ("y", RefType(OTHER)), ("which", BOOL)], U32)
    x, y = f.parameter(0), f.parameter(1)
    first = f.load(x, THING, "a")
    then, otherwise = f.branch(f.parameter(2))
    with f.within(then):
        f.store(x, THING, "peer", x)
    with f.within(otherwise):
        f.store(y, OTHER, "thing", x)
    f.ret(f.binary("xor", first, f.load(x, THING, "a")))
    assert not any(line.startswith("lw") for line in assembly(exported(f)))


def test_checks_that_follow_from_others_vanish() -> None:
    """`s[n : n + m]` after `n + m` was checked: only the end is compared with the length."""
    span = SpanType(U8, mutable=True)
    f = FunctionBuilder("sample.f", [("s", span), ("n", U64), ("m", U64)], span)
    n = f.parameter(1)
    f.ret(f.slice(f.parameter(0), n, f.binary("add", n, f.parameter(2)), span))
    assert sum(line.startswith("b") for line in assembly(exported(f))) == 2
