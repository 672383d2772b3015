"""Arrays, spans and views."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neokernel import lang
from neokernel.lang.integers import i64, u8, u16, u32, usize
from neokernel.lang.sequences import BYTE
from neokernel.lang.shapes import shape_of

Load = Callable[[str], ModuleType]
# Types at run time, which type checkers needn't understand.
Array: Any = lang.Array
Span: Any = lang.Span
Tuple: Any = tuple


def array_of(element: Any, length: int, *fill: Any) -> Any:
    return shape_of(Array[element]).coerce(lang.array(length, *fill))


def test_zeroes() -> None:
    assert list(array_of(u16, 3)) == [0, 0, 0]
    assert list(array_of(bool, 2)) == [False, False]
    assert list(array_of(lang.f64, 1)) == [lang.f64(0.0)]
    assert list(array_of(u16 | None, 2)) == [None, None]
    assert list(array_of(i64, 2, -4)) == [-4, -4]
    with pytest.raises(lang.StaticError, match="zero"):
        array_of(u16 | bool, 2)
    with pytest.raises(lang.ConstantError):
        array_of(u8, 2, 256)
    with pytest.raises(lang.StaticError):
        lang.array(3)[0]
    with pytest.raises(lang.StaticError):
        array_of(u8, -1)
    assert array_of(u16, 3)[usize(0)].__class__ is u16


@pytest.mark.parametrize("element", [u8, u32])
def test_indices(element: Any) -> None:
    items = array_of(element, 4)
    items[usize(3)] = 7
    assert items[3] == 7
    assert type(items[usize(3)]) is element
    for index in (4, usize(4), usize(2**64 - 1)):
        with pytest.raises(lang.IndexOutOfRange):
            items[index]
        with pytest.raises(lang.IndexOutOfRange):
            items[index] = 1
    for wrong in (u32(1), True, -1, None, 1.0):
        with pytest.raises(lang.StaticError):
            items[wrong]
    for wrong in (256 if element is u8 else 2**32, u16(1), None):
        with pytest.raises(lang.StaticError):
            items[0] = wrong


@given(st.integers(0, 9), st.integers(0, 9), st.integers(0, 9), st.integers(0, 9))
def test_slices_alias(start: int, stop: int, first: int, last: int) -> None:
    items, model = array_of(u32, 8), list(range(8))
    for index in range(8):
        items[index] = index
    if start > stop or stop > 8:
        with pytest.raises(lang.IndexOutOfRange):
            items[start:stop]
        return
    part = items[usize(start) : usize(stop)]
    assert [int(item) for item in part] == model[start:stop]
    if first > last or last > stop - start:
        with pytest.raises(lang.IndexOutOfRange):
            part[first:last]
        return
    inner = part[first:last]
    assert type(inner) is lang.Span
    for index in range(len(inner)):
        inner[index] = 100
    assert [int(item) for item in items] == model[: start + first] + [100] * (last - first) + model[start + last :]
    assert len(items[:]) == 8
    assert len(items[8:]) == 0


def test_live_views() -> None:
    items = array_of(u8, 4)
    view, octets = items.view(), items.bytes()
    items[1] = 5
    assert view == (0, 5, 0, 0)
    assert octets == b"\0\5\0\0"
    assert bytes(octets[1:3]) == b"\5\0"
    assert octets[1:] == items[1:].bytes()
    assert octets != b"\0"
    assert hash(octets) == hash(b"\0\5\0\0")
    assert type(octets[1]) is u8
    with pytest.raises(TypeError):
        octets[0] = 1
    with pytest.raises(lang.StaticError):
        array_of(u16, 2).bytes()
    with pytest.raises(lang.StaticError):
        bytes(array_of(u16, 2).view())
    assert array_of(u16, 2).view() == (0, 0)


def test_text_of_bytes() -> None:
    assert lang.text_of(lang.byte_view("né".encode())) == "né"
    with pytest.raises(lang.ContractFailed):
        lang.text_of(lang.byte_view(b"\xff"))


def test_memory_of_the_host() -> None:
    memory = bytearray(4)
    span = shape_of(Span[u8]).coerce(memory)
    span[2] = 9
    assert memory == b"\0\0\x09\0"
    memory[0] = 3
    assert type(span[0]) is u8
    assert lang.byte_span(memory).bytes() == lang.byte_view(b"\3\0\x09\0")
    assert shape_of(bytes).coerce(b"abc") == b"abc"


def test_what_spans_reject() -> None:
    words = array_of(u16, 2)
    for kind, wrong in (
        (Span[u8], words[:]),
        (Array[u8], words),
        (Array[u16], words[:]),
        (Span[u8], [1]),
        (Span[u8], b"abc"),
        (bytes, words.view()),
        (bytes, "abc"),
        (Tuple[u8, ...], 3),
        (Tuple[u8, u8], (1,)),
        (Tuple[u8, u8], (1, 256)),
    ):
        with pytest.raises(lang.StaticError):
            shape_of(kind).coerce(wrong)
    pair = shape_of(Tuple[u8, u16 | None]).coerce((1, None))
    assert (type(pair[0]), pair[1]) == (u8, None)


def test_representation() -> None:
    assert repr(array_of(u16, 3)) == "Array([0, 0, 0])"
    assert repr(array_of(u16, 100)).endswith(", … 100 in all])")
    assert repr(array_of(u8, 2)[:]) == "Span(b'\\x00\\x00')"
    assert repr(lang.byte_view(b"ab")) == "b'ab'"
    assert BYTE.name == "u8"


def test_in_a_module(load: Load) -> None:
    m: Any = load(
        """
        TABLE: tuple[u32, ...] = (10, 20, 30)
        SQUARES: tuple[u16, ...] = tuple(u16(x) * u16(x) for x in range(4))

        @struct
        class S:
            count: u8 = 0

        @struct
        class Owner:
            objects: Array[Embedded[S]] = array(3)
            references: Array[S | None] = array(2)
            cells: Array[Atomic[u16]] = array(2)
            given: Array[u16] = array_of(1, 2, 3)

        def total(items: Span[u16]) -> u16:
            result: u16 = 0
            for index, item in enumerate(items):
                result += item * u16(index + 1)
            return result

        def f(owner: Owner) -> u16:
            for object in owner.objects:
                object.count += 1
            owner.references[1] = owner.objects[2]
            _ = owner.cells[1].fetch_add(7)
            local: Array[u16] = array(4, 3)
            return total(owner.given) + total(local) + SQUARES[3]

        def text(data: bytes, name: str) -> u8:
            found: u8 = 0
            for byte in data[1:]:
                found += byte
            if data == b"abc" and name.encode()[0] == b"x"[0]:
                found += 1
            return found

        def pairs(a: Span[u16], b: Span[u16]) -> u16:
            result: u16 = 0
            for x, y in zip(a, b):
                result += x * y
            return result

        def backwards(items: Span[u16]) -> usize:
            last: usize = 0
            for index in reversed(range(0, len(items))):
                last = index
            return last
        """
    )
    owner = m.Owner()
    assert m.f(owner) == 14 + 30 + 9
    assert [element.count for element in owner.objects] == [1, 1, 1]
    assert owner.references[1] is owner.objects[2]
    assert owner.cells[1].load() == u16(7)
    assert type(m.TABLE[1]) is u32
    assert m.text(b"abc", "xyz") == 98 + 99 + 1 - 0
    assert m.pairs(owner.given, owner.given) == 14
    assert type(m.backwards(owner.given)) is usize
