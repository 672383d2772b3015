"""Sizes, alignments and offsets."""

import ctypes
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neokernel import lang
from neokernel.lang.integers import WIDTHS, u8, u64

Load = Callable[[str], ModuleType]
# Types at run time, which type checkers needn't understand.
Span: Any = lang.Span
Handle: Any = lang.Handle
Atomic: Any = lang.Atomic
Tuple: Any = tuple
BYTE: Any = u8

C_TYPES = {name: getattr(ctypes, f"c_{'u' if name[0] == 'u' else ''}int{name[1:]}") for name in WIDTHS} | {
    "bool": ctypes.c_bool,
    "f32": ctypes.c_float,
    "f64": ctypes.c_double,
}


@given(st.lists(st.sampled_from(sorted(C_TYPES)), min_size=1, max_size=8))
def test_structs_are_laid_out_as_in_c(names: list[str]) -> None:
    fields = "\n".join(f"    f{number}: {name}" for number, name in enumerate(names))
    text = f"from neokernel.lang import *\n@struct\nclass S:\n{fields}\n"
    kind = lang.load_module(text, "layout_sample").S
    model = type("M", (ctypes.Structure,), {"_fields_": [(f"f{n}", C_TYPES[name]) for n, name in enumerate(names)]})
    assert lang.size_of(kind) == ctypes.sizeof(model)
    assert lang.align_of(kind) == ctypes.alignment(model)
    for number in range(len(names)):
        assert lang.offset_of(kind, f"f{number}") == getattr(model, f"f{number}").offset


def test_everything_else(load: Load) -> None:
    m: Any = load(
        """
        T = TypeVar("T")

        class Small(Enum):
            A = 0
            B = 255

        class Wide(Enum):
            A = 0
            B = 256

        class Negative(Enum):
            A = -1
            B = 127

        @value
        class Point:
            x: u8
            y: u32

        @value
        class Text:
            name: str
            number: u8

        @struct
        class Inner:
            a: u8 = 0
            b: u32 = 0

        @struct
        class Ring(Generic[T]):
            slots: Array[T]
            used: usize = 0

        @wire
        class W:
            a: u8
            b: u32

        @wire(registers=True)
        class Registers:
            a: u8
            b: u32 = at(8)

        @struct
        class Outer:
            small: Small = Small.A
            inner: Embedded[Inner] = Inner()
            reference: Inner | None = None
            bytes_: Array[u8] = array(3)
            inners: Array[Embedded[Inner]] = array(2)
            references: Array[Inner | None] = array(2)
            point: Point = Point(1, 2)
            ghost: Ghost[u64] = 0
            span: bytes = b""
            cell: Atomic[u16] = Atomic(0)
            wire: Embedded[W] = W()
            ring: Embedded[Ring[u16]] = Ring(slots=array(3))
            handle: Handle[Inner] = Handle(0, 0)
            either: u8 | None = None
        """
    )
    expected = {
        m.Small: (1, 1),
        m.Wide: (2, 2),
        m.Negative: (1, 1),
        m.Point: (8, 4),
        m.Text: (24, 8),
        m.Inner: (8, 4),
        m.W: (5, 1),
        m.Registers: (12, 4),
        bool: (1, 1),
        Span[u8]: (16, 8),
        bytes: (16, 8),
        str: (16, 8),
        Tuple[u8, ...]: (16, 8),
        Tuple[u8, u64, u8]: (24, 8),
        m.Inner | None: (8, 8),
        BYTE | None: (16, 8),
        m.Point | None: (24, 8),
        m.Text | m.Inner | BYTE: (32, 8),
        m.Small | m.Wide: (16, 8),
        Handle[m.Inner]: (8, 4),
        Atomic[u64]: (8, 8),
        None: (0, 1),
    }
    for kind, (size, alignment) in expected.items():
        assert (lang.size_of(kind), lang.align_of(kind)) == (size, alignment), kind
    fields = ["small", "inner", "reference", "bytes_", "inners", "references", "point", "span", "cell", "wire"]
    fields += ["ring", "handle", "either"]
    offsets = [int(lang.offset_of(m.Outer, name)) for name in fields]
    assert offsets == [0, 4, 16, 24, 28, 48, 64, 72, 88, 90, 96, 112, 120]
    assert lang.size_of(m.Outer) == 136
    with pytest.raises(lang.StaticError):
        lang.size_of(m.Ring[u8])
    with pytest.raises(lang.FieldError):
        lang.offset_of(m.Inner, "nonsense")
    with pytest.raises(lang.StaticError):
        lang.size_of(list)
