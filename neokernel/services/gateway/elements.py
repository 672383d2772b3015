"""Elements of tensors: what the protocol calls them, how large they are, and numbers of JSON that become ones.

Source: Open Inference Protocol v2, "Tensor Data Types"; numbers of types are ONNX's (`abi/model.py`).
"""

from __future__ import annotations

from enum import Enum

from neokernel.abi import model
from neokernel.json.numbers import (
    Integer,
    float32_of,
    float64_of,
    integer_of,
    is_finite32,
    is_finite64,
)
from neokernel.json.writer import Writer
from neokernel.lang import Span, truncate, u8, u16, u32, u64, usize, wire, wire_view, wrapping_neg


class Element(Enum):
    BOOL = 0
    UINT8 = 1
    UINT16 = 2
    UINT32 = 3
    UINT64 = 4
    INT8 = 5
    INT16 = 6
    INT32 = 7
    INT64 = 8
    FP32 = 9
    FP64 = 10


class Unfit(Enum):
    """Why a number isn't an element."""

    #: it isn't a number of that kind
    KIND = 0
    RANGE = 1


def element_of(number: u32) -> Element | None:
    """By the number of its type in a manifest."""
    match number:
        case model.FLOAT32:
            return Element.FP32
        case model.UINT8:
            return Element.UINT8
        case model.INT8:
            return Element.INT8
        case model.UINT16:
            return Element.UINT16
        case model.INT16:
            return Element.INT16
        case model.INT32:
            return Element.INT32
        case model.INT64:
            return Element.INT64
        case model.BOOL:
            return Element.BOOL
        case model.FLOAT64:
            return Element.FP64
        case model.UINT32:
            return Element.UINT32
        case model.UINT64:
            return Element.UINT64
        case _:
            return None


def size_of_element(element: Element) -> u64:
    """In bytes."""
    match element:
        case Element.BOOL | Element.UINT8 | Element.INT8:
            return 1
        case Element.UINT16 | Element.INT16:
            return 2
        case Element.UINT32 | Element.INT32 | Element.FP32:
            return 4
        case Element.UINT64 | Element.INT64 | Element.FP64:
            return 8


def name_of(element: Element) -> bytes:
    match element:
        case Element.BOOL:
            return b"BOOL"
        case Element.UINT8:
            return b"UINT8"
        case Element.UINT16:
            return b"UINT16"
        case Element.UINT32:
            return b"UINT32"
        case Element.UINT64:
            return b"UINT64"
        case Element.INT8:
            return b"INT8"
        case Element.INT16:
            return b"INT16"
        case Element.INT32:
            return b"INT32"
        case Element.INT64:
            return b"INT64"
        case Element.FP32:
            return b"FP32"
        case Element.FP64:
            return b"FP64"


def is_signed(element: Element) -> bool:
    return u8(Element.INT8.value) <= u8(element.value) <= u8(Element.INT64.value)


def bits_of(element: Element, text: bytes) -> u64 | Unfit:
    """The bits of the element that a number becomes. Floats are rounded; what has no such element is unfit."""
    if element is Element.FP32:
        narrow = float32_of(text)
        return u64(narrow) if is_finite32(narrow) else Unfit.RANGE
    if element is Element.FP64:
        wide = float64_of(text)
        return wide if is_finite64(wide) else Unfit.RANGE
    number = integer_of(text)
    if number is None:
        return Unfit.KIND
    if element is Element.BOOL:
        return number.size if number.size <= 1 and not number.negative else Unfit.RANGE
    bits = size_of_element(element) * 8
    if not is_signed(element):
        return number.size if not number.negative and number.size >> bits - 1 <= 1 else Unfit.RANGE
    most = (u64(1) << bits - 1) - (0 if number.negative else 1)
    if number.size > most:
        return Unfit.RANGE
    return wrapping_neg(number.size) if number.negative else number.size


@wire
class Half:
    number: u16


@wire
class Word:
    number: u32


@wire
class Double:
    number: u64


def put(element: Element, memory: Span[u8], place: usize, bits: u64) -> None:
    """Write an element, the least significant byte first."""
    match size_of_element(element):
        case 1:
            memory[place] = truncate(u8, bits)
        case 2:
            wire_view(Half, memory[place : place + 2]).number = truncate(u16, bits)
        case 4:
            wire_view(Word, memory[place : place + 4]).number = truncate(u32, bits)
        case _:
            wire_view(Double, memory[place : place + 8]).number = bits


def get(element: Element, memory: Span[u8], place: usize) -> u64:
    """Its bits."""
    match size_of_element(element):
        case 1:
            return u64(memory[place])
        case 2:
            return u64(wire_view(Half, memory[place : place + 2]).number)
        case 4:
            return u64(wire_view(Word, memory[place : place + 4]).number)
        case _:
            return wire_view(Double, memory[place : place + 8]).number


def write(element: Element, bits: u64, writer: Writer) -> bool:
    """Write an element's number. False: there is none in JSON, of an infinity or what isn't a number."""
    match element:
        case Element.FP32:
            return writer.float32(u32(bits))
        case Element.FP64:
            return writer.float64(bits)
        case Element.BOOL:
            writer.truth(bits != 0)
        case _:
            size = size_of_element(element) * 8
            if is_signed(element) and bits >> size - 1 != 0:
                # Two's complement: so much is missing to the next power of two.
                writer.integer(Integer(True, (~bits & ~u64(0) >> 64 - size) + 1))
            else:
                writer.number(bits)
    return True


def is_number(element: Element, bits: u64) -> bool:
    """Has JSON a number for it?"""
    if element is Element.FP32:
        return is_finite32(u32(bits))
    return element is not Element.FP64 or is_finite64(bits)
