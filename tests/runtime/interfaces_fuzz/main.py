"""Hands random messages to a dispatcher, as a hostile client could, and counts what reaches its handler.

The words are near the limits of the methods' types; nothing of what is sent fails a check of the program.
"""

from __future__ import annotations

from contract import Shape, Shapes, Wrong

from neokernel.lang import (
    Array,
    Provides,
    Span,
    array,
    i16,
    i32,
    provides,
    rotate_left,
    struct,
    u8,
    u16,
    u32,
    u64,
    usize,
    wrapping_mul,
)
from neokernel.runtime.process import Process
from neokernel.runtime.system import Message

ROUNDS = 200_000
METHODS = 5
#: numbers at the edges of types
EDGES: tuple[u64, ...] = (
    0, 1, 2, 3, 7, 8, 9, 24, 25, 127, 128, 255, 256, 32767, 32768, 65535, 65536,
    0xFFFF_FFFF, 0x1_0000_0000, 0x7FFF_FFFF_FFFF_FFFF, 0x8000_0000_0000_0000, 0xFFFF_FFFF_FFFF_FFFF,
)  # fmt: skip


@struct
class Random:
    """xorshift64*: Vigna, "An experimental exploration of Marsaglia's xorshift generators", 2016."""

    state: u64 = 0x9E37_79B9_7F4A_7C15

    def next(self) -> u64:
        self.state ^= self.state >> 12
        self.state ^= rotate_left(self.state, 25) & 0xFFFF_FFFF_FE00_0000
        self.state ^= self.state >> 27
        return wrapping_mul(self.state, 0x2545_F491_4F6C_DD1D)

    def word(self) -> u64:
        chosen = self.next()
        if chosen >> 60 < 10:
            return chosen % 10
        return EDGES[chosen % len(EDGES)] if chosen >> 60 < 15 else self.next()


@struct
class Checker:
    """Each value is one of its type: what the type itself says in images is asked for again, of the numbers."""

    reached: Array[u64] = array(METHODS)

    def number(self, a: u8, b: i16, c: bool) -> u32:
        self.reached[0] += 1
        assert u64(a) <= 255 and -32768 <= i32_of(b) <= 32767
        return u32(a) if c else 0

    def shape(self, shape: Shape, corners: u32) -> Shape | Wrong:
        self.reached[1] += 1
        assert is_shape(shape)
        return shape if corners < 5 else Wrong(corners, shape)

    def text(self, text: str, more: bytes) -> usize:
        self.reached[2] += 1
        assert len(text.encode()) <= 24 and len(more) <= 9
        return len(text.encode())

    def fill(self, into: Span[u8]) -> usize | Wrong:
        self.reached[3] += 1
        assert len(into) <= 25
        for place in range(len(into)):
            into[place] = 1
        return len(into)

    def many(self, a: u64, b: Wrong, c: u16, d: bool, e: Shape) -> None:
        self.reached[4] += 1
        assert is_shape(b.shape) and is_shape(e)


def i32_of(number: i16) -> i32:
    return i32(number)


def is_shape(shape: Shape) -> bool:
    number = u64(shape.value)
    return number == 0 or number == 2 or number == 7 or number == 8


def main(process: Process) -> None:
    shapes: Provides[Shapes] = provides(0)
    random = Random()
    checker = Checker()
    asked = Message(0, 0, 0, 0, 0, 0)
    version = shapes.dispatch(checker, asked).w0
    refused: u64 = 0
    odd: u64 = 0
    for _ in range(ROUNDS):
        label = (version >> 40 << 8) + random.next() % 8
        if random.next() % 16 == 0:
            label = random.word() & 0xFFFF_FFFF
        length = random.next() % 12 if random.next() % 8 != 0 else random.next() % 513
        capabilities = random.next() % 5 if random.next() % 8 == 0 else 0
        for place in range(usize(8)):
            process.buffer.words[place] = random.word()
        w0, w1, w2, w3 = random.word(), random.word(), random.word(), random.word()
        word = label | length << 32 | capabilities << 42
        answer = shapes.dispatch(checker, Message(random.word(), word, w0, w1, w2, w3))
        if answer.word & 0x8000_0000 != 0:
            refused += 1
        elif word == 0:
            odd += 1
    reached: u64 = 0
    for method in range(usize(METHODS)):
        reached += checker.reached[method]
        often = checker.reached[method] > 10
        process.console.write(f"method {method + 1} reached: {often}\n")
    every = refused + reached == ROUNDS - odd
    process.console.write(f"refused: {refused > 1000}, counted: {every}\n")
