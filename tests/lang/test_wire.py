"""Wire classes: bytes, bit fields, placement, views, and memory that isn't a bytearray."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neokernel import lang
from neokernel.lang.integers import u8, u16, u32, u64

Load = Callable[[str], ModuleType]

SAMPLE = """
@wire
class Little:
    a: u8
    b: u16
    c: u32be
    d: i16
    e: u64

@wire(endian="big")
class Big:
    version: u4
    kind: u4
    length: u16
    port: u16le
    flags: u3
    offset: u13

@wire
class Bits:
    low: u3
    middle: u13
    first: u1
    rest: u7

@wire(registers=True)
class Registers:
    control: u32
    status: u32 = at(0x18)
    bit: u1 = at(0x20)
    others: u31
    last: u8

@wire
class Frame:
    header: Embedded[Big]
    body: Array[u8] = array(4)
    tail: Embedded[Little]
"""


@pytest.fixture
def m(load: Load) -> Any:
    return load(SAMPLE)


def over(kind: Any, size: int) -> tuple[Any, bytearray]:
    memory = bytearray(size)
    return lang.wire_over(kind, memory), memory


def test_packed_integers(m: Any) -> None:
    wire, memory = over(m.Little, 17)
    wire.a, wire.b, wire.c, wire.d, wire.e = 1, 0x203, 0x4050607, -2, u64(8)
    assert memory == b"\x01\x03\x02\x04\x05\x06\x07\xfe\xff\x08\0\0\0\0\0\0\0"
    assert [type(item).__name__ for item in (wire.a, wire.b, wire.c, wire.d, wire.e)] == [
        "u8",
        "u16",
        "u32",
        "i16",
        "u64",
    ]
    assert (wire.c, wire.d) == (0x4050607, -2)
    assert lang.size_of(m.Little) == 17
    assert lang.offset_of(m.Little, "d") == 7


def test_bit_fields_of_both_orders(m: Any) -> None:
    wire, memory = over(m.Big, 7)
    wire.version, wire.kind, wire.length, wire.port, wire.flags, wire.offset = 4, 5, 0x102, 0x304, 0b101, 0x123
    assert memory == b"\x45\x01\x02\x04\x03" + (0b101 << 13 | 0x123).to_bytes(2, "big")
    assert (type(wire.version), type(wire.offset)) == (u8, u16)
    bits, memory = over(m.Bits, 3)
    bits.low, bits.middle, bits.first, bits.rest = 0b101, 0x1001, 1, 0x55
    assert memory == (0b101 | 0x1001 << 3).to_bytes(2, "little") + bytes([1 | 0x55 << 1])
    assert (bits.low, bits.middle, bits.first, bits.rest) == (0b101, 0x1001, 1, 0x55)


@given(st.lists(st.tuples(st.sampled_from(["low", "middle", "first", "rest"]), st.integers(0, 0x1FFF)), max_size=20))
def test_bit_fields_keep_their_neighbours(writes: list[tuple[str, int]]) -> None:
    kind = lang.load_module("from neokernel.lang import *\n" + SAMPLE.lstrip(), "wire_bits").Bits
    widths = {"low": 3, "middle": 13, "first": 1, "rest": 7}
    wire, model = kind(), dict.fromkeys(widths, 0)
    for name, number in writes:
        model[name] = number % (1 << widths[name])
        setattr(wire, name, model[name])
    assert {name: int(getattr(wire, name)) for name in widths} == model


def test_what_bit_fields_reject(m: Any) -> None:
    bits = m.Bits()
    with pytest.raises(lang.ConversionFailed):
        bits.low = u8(8)
    with pytest.raises(lang.ConversionFailed):
        bits.middle = 0x2000
    for wrong in (256, u16(1), None):
        with pytest.raises(lang.StaticError):
            bits.low = wrong
    with pytest.raises(lang.FieldError):
        bits.nonsense = 1
    with pytest.raises(AttributeError):
        _ = bits.nonsense


def test_placement(m: Any) -> None:
    assert lang.size_of(m.Registers) == 0x25
    assert lang.offset_of(m.Registers, "status") == 0x18
    assert lang.offset_of(m.Registers, "others") == 0x20
    assert lang.offset_of(m.Registers, "last") == 0x24
    registers, memory = over(m.Registers, 0x25)
    registers.others = 3
    assert memory[0x20] == 6


def test_objects_inside(m: Any) -> None:
    frame, memory = over(m.Frame, 28)
    frame.header.length = 0x1234
    frame.body[1] = 7
    frame.tail.a = 9
    assert memory[1:3] == b"\x12\x34"
    assert (memory[8], memory[11]) == (7, 9)
    assert frame.body.bytes() == b"\0\7\0\0"
    part = frame.body[1:]
    memory[9] = 4
    assert part[1] == 4
    for name in ("header", "body"):
        with pytest.raises(lang.FieldError):
            setattr(frame, name, getattr(m.Frame(), name))
    with pytest.raises(lang.IndexOutOfRange):
        frame.body[4]
    assert frame.header is frame.header
    assert "length=0x1234" in repr(frame)


def test_views_of_spans(m: Any, load: Load) -> None:
    memory = bytearray(20)
    span: Any = lang.byte_span(memory)
    view = lang.wire_view(m.Big, span[3:])
    view.length = 0x102
    assert memory[4:6] == b"\1\2"
    assert lang.wire_view(m.Big, span[4:]).version == 0
    with pytest.raises(lang.IndexOutOfRange):
        lang.wire_view(m.Big, span[14:])
    with pytest.raises(lang.StaticError):
        lang.wire_view(m.Big, span.bytes())
    module: Any = load(
        """
        @wire
        class Word:
            number: u16

        @struct
        class S:
            data: Array[u8] = array(4)

        def f(s: S) -> u16:
            wire_view(Word, s.data[1:]).number = 0x102
            return u16(s.data[1]) + u16(s.data[2])
        """
    )
    assert module.f(module.S()) == 3


class Recorder:
    """Memory that remembers each access."""

    def __init__(self, size: int) -> None:
        self.data = bytearray(size)
        self.log: list[tuple[str, int, int]] = []

    def load(self, offset: int, size: int) -> bytes:
        self.log.append(("load", offset, size))
        return bytes(self.data[offset : offset + size])

    def store(self, offset: int, data: bytes) -> None:
        self.log.append(("store", offset, len(data)))
        self.data[offset : offset + len(data)] = data


def test_one_access_each(m: Any) -> None:
    memory = Recorder(0x40)
    registers = lang.wire_over(m.Registers, memory, 4)
    registers.status = 5
    assert registers.status == u32(5)
    registers.bit = 1
    assert memory.log == [("store", 0x1C, 4), ("load", 0x1C, 4), ("load", 0x24, 4), ("store", 0x24, 4)]
    frame = lang.wire_over(m.Frame, memory)
    memory.log.clear()
    frame.body[2] = 8
    assert frame.body[2] == 8
    assert memory.log == [("store", 9, 1), ("load", 9, 1)]
    assert frame.body.bytes() == b"\0\0\x08\0"
    inner = frame.body[1:]
    assert [int(byte) for byte in inner] == [0, 8, 0]


def test_retired_wire_objects(m: Any) -> None:
    frame = m.Frame()
    body, header = frame.body, frame.header
    lang.retire(frame)
    for access in (lambda: frame.body, lambda: body[0], lambda: header.length, lambda: setattr(header, "length", 1)):
        with pytest.raises(lang.DeadObject):
            access()


@pytest.mark.parametrize(
    "fields",
    [
        "a: u3",
        "a: u63\n    b: u9",
        "a: bool",
        "a: Array[u16] = array(3)",
        "a: f32",
        "a: Array[u8]",
        "a: u4\n    b: u8\n    c: u4",
    ],
)
def test_layouts_that_are_none(load: Load, fields: str) -> None:
    module: Any = load(f"\n@wire\nclass W:\n    {fields}\n")
    with pytest.raises(lang.StaticError):
        module.W()


def test_endianness_is_checked() -> None:
    with pytest.raises(lang.StaticError):
        lang.wire(endian="middle")
