"""A document read and written anew; numbers read and written. In every reading."""

from __future__ import annotations

from neokernel.json.digits import LONGEST, write32, write64
from neokernel.json.numbers import float32_of, float64_of, narrowed
from neokernel.json.reader import Reader, Token
from neokernel.json.writer import LIST, LIST_END, OBJECT, OBJECT_END, Writer
from neokernel.lang import Array, Span, array, u8, u32, u64, usize, value

MOST = 4_096


@value
class Seen:
    """How long what was written is; or where something is wrong, and what: `problem` isn't 0."""

    length: usize
    problem: u64


def transcribe(data: bytes, into: Span[u8]) -> Seen:
    """The same document, its numbers as float64, those that are too large as null."""
    text: Array[u8] = array(MOST)
    reader = Reader(data=data)
    writer = Writer(into=into)
    while True:
        match reader.next():
            case Token.OBJECT:
                writer.open(OBJECT)
            case Token.OBJECT_END:
                writer.close(OBJECT_END)
            case Token.LIST:
                writer.open(LIST)
            case Token.LIST_END:
                writer.close(LIST_END)
            case Token.NAME:
                length = reader.text(text[:])
                assert length is not None, "there is room"
                assert reader.is_text(text[:length].bytes())
                writer.name(text[:length].bytes())
            case Token.TEXT:
                length = reader.text(text[:])
                assert length is not None, "there is room"
                assert reader.is_text(text[:length].bytes())
                assert length == 0 or not reader.is_text(text[: length - 1].bytes())
                writer.text(text[:length].bytes())
            case Token.NUMBER:
                if not writer.float64(float64_of(reader.number())):
                    writer.comma()
                    writer.add(b"null")
            case Token.TRUE:
                writer.truth(True)
            case Token.FALSE:
                writer.truth(False)
            case Token.NULL:
                writer.comma()
                writer.add(b"null")
            case Token.END:
                assert not writer.full
                return Seen(writer.used, 0)
            case Token.WRONG:
                assert reader.at <= len(data) and reader.next() is Token.WRONG
                return Seen(reader.at, u64(reader.problem.value))


def skipped(data: bytes) -> Token:
    """Past the whole document at once: what stands behind it."""
    reader = Reader(data=data)
    if not reader.skip(reader.next()):
        return Token.WRONG
    return reader.next()


def float64(text: bytes) -> u64:
    return float64_of(text)


def float32(text: bytes) -> u32:
    return float32_of(text)


def narrow(bits: u64) -> u32:
    return narrowed(bits)


def text32(bits: u32, into: Span[u8]) -> usize:
    return write32(bits, into)


def text64(bits: u64, into: Span[u8]) -> usize:
    return write64(bits, into)


def round_trips(first: u32, step: u32, count: u64) -> u64:
    """Of so many float32, each `step` behind the one before: how many come back as they were, by either way."""
    line: Array[u8] = array(LONGEST)
    found: u64 = 0
    bits = first
    for _ in range(count):
        if bits & 0x7F80_0000 != 0x7F80_0000:
            length = write32(bits, line[:])
            text = line[:length].bytes()
            found += 1 if float32_of(text) == bits and narrowed(float64_of(text)) == bits else 0
        else:
            found += 1
        bits = u32((u64(bits) + u64(step)) & 0xFFFF_FFFF)
    return found
