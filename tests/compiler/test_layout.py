"""Layouts: C's, and the same as LLVM computes for the types that we write."""

from __future__ import annotations

import ctypes

import llvmlite.binding as binding
import pytest

from neokernel.compiler import jit
from neokernel.compiler.layout import Layout, entry_frame
from neokernel.compiler.types import (
    BOOL,
    F32,
    F64,
    I8,
    I64,
    NONE,
    U8,
    U16,
    U32,
    U64,
    ArrayType,
    EnumType,
    Field,
    RefType,
    SpanType,
    StructType,
    TupleType,
    Type,
    UnionType,
    ValueType,
    WireField,
    WireType,
)

NODE = StructType("Node", "sample")
POINT = ValueType("Point", "sample", {"x": Field("x", U8), "y": Field("y", U32), "z": Field("z", BOOL)})
COLOR = EnumType("Color", "sample", {"RED": 0, "GREEN": 400}, U16)
VIEW = SpanType(U8, mutable=False)
UNION = UnionType((NONE, POINT, VIEW, F32))
AGGREGATES: list[Type] = [
    POINT,
    VIEW,
    UNION,
    TupleType((U8, POINT, U8)),
    TupleType((BOOL, UNION, U16)),
    TupleType((COLOR, F64, RefType(NODE), I8)),
    UnionType((COLOR, NONE)),
    UnionType((NONE, RefType(NODE), U8)),
]


@pytest.mark.parametrize("of", AGGREGATES, ids=str)
def test_sizes_and_offsets_are_llvms(of: Type) -> None:
    layout = Layout()
    llvm = layout.llvm(of)
    lines = [f"@size = global i64 ptrtoint (ptr getelementptr ({llvm}, ptr null, i64 1) to i64)"]
    for number, leaf in enumerate(layout.leaves(of)):
        indices = "".join(f", i32 {index}" for index in leaf.path)
        place = f"ptr getelementptr ({llvm}, ptr null, i64 0{indices})"
        lines.append(f"@leaf{number} = global i64 ptrtoint ({place} to i64)")
    machine = jit.host_machine()
    text = f'target datalayout = "{jit.host().data_layout}"\n' + "\n".join(lines) + "\n"
    engine = binding.create_mcjit_compiler(binding.parse_assembly(text), machine)
    engine.finalize_object()

    def value(name: str) -> int:
        return ctypes.c_uint64.from_address(engine.get_global_value_address(name)).value

    assert value("size") == layout.size(of)
    for number, leaf in enumerate(layout.leaves(of)):
        assert value(f"leaf{number}") == leaf.offset, leaf


def test_structs_are_laid_out_as_c_does() -> None:
    inner = StructType("Inner", "sample", {"a": Field("a", U8), "b": Field("b", U64)})
    outer = StructType(
        "Outer",
        "sample",
        {
            "flag": Field("flag", BOOL),
            "inner": Field("inner", inner, inline=True),
            "bytes": Field("bytes", ArrayType(U8, 3), inline=True),
            "proof": Field("proof", U64, ghost=True),
            "nothing": Field("nothing", NONE),
            "count": Field("count", U16),
            "inners": Field("inners", ArrayType(inner, 2, inline=True), inline=True),
            "peer": Field("peer", UnionType((RefType(inner), NONE))),
        },
    )

    class Inner(ctypes.Structure):
        _fields_ = (("a", ctypes.c_uint8), ("b", ctypes.c_uint64))

    class Outer(ctypes.Structure):
        _fields_ = (
            ("flag", ctypes.c_bool),
            ("inner", Inner),
            ("bytes", ctypes.c_uint8 * 3),
            ("count", ctypes.c_uint16),
            ("inners", Inner * 2),
            ("peer", ctypes.c_void_p),
        )

    layout = Layout()
    assert layout.size(outer) == ctypes.sizeof(Outer)
    assert layout.alignment(outer) == ctypes.alignment(Outer)
    for name, *_ in Outer._fields_:
        assert layout.offset(outer, name) == getattr(Outer, name).offset
    assert "proof" not in layout.struct(outer).offsets


def test_union_slots_are_shared_integers_first() -> None:
    layout = Layout()
    assert layout.llvm(UNION) == "{ i64, i64, i64, i64, ptr }"
    union = layout.union(UNION)
    assert union.arms[POINT].slots == (1, 2, 3)
    assert union.arms[VIEW].slots == (4, 1)  # pointer, length
    assert union.arms[NONE].slots == ()
    assert union.arms[F32].slots == (1,)


def test_optional_references_are_pointers() -> None:
    layout = Layout()
    for arms in ((RefType(NODE), NONE), (NONE, RefType(NODE))):
        assert layout.llvm(UnionType(arms)) == "ptr"
        assert layout.size(UnionType(arms)) == 8


def test_wire_classes_are_packed_registers_aligned() -> None:
    fields = {"a": WireField("a", U8, 0, 8, 8), "b": WireField("b", U32, 4, 32, 32)}
    layout = Layout()
    assert layout.alignment(WireType("Packet", "sample", 9, False, fields)) == 1
    assert layout.alignment(WireType("Device", "sample", 16, True, fields)) == 4
    assert layout.size(WireType("Packet", "sample", 9, False, fields)) == 9


def test_entry_frames() -> None:
    frame = entry_frame(Layout(), [U8, I64, NONE, BOOL], U16)
    assert frame.arguments == (0, 8, 16, 16)
    assert frame.result == 18
    assert frame.size == 24
