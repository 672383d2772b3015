"""The Internet checksum: the complement of the one's complement sum of 16-bit words (RFC 1071).

The sum doesn't depend on byte order but for the order of its own two bytes (RFC 1071, section 2 (B)), so memory is
summed as it lies there, 32 bits at a time, and the result is turned round once.

Data begins at a multiple of four in memory (what IP's header does, and all that stands behind it).

What is copied anyway is summed on its way: in words, if both places lie alike modulo eight (`copy_summed`), and in
words that are put together from two, if they don't (`copy_askew`).
"""

from __future__ import annotations

from neokernel.lang import (
    Span,
    byte_swap,
    size_of,
    truncate,
    u8,
    u16,
    u32,
    u64,
    usize,
    value,
    wire,
    wire_view,
    wrapping_add,
    wrapping_shl,
)
from neokernel.services.network.address import Address


@wire(registers=True)
class Block:
    """64 bytes."""

    w0: u32
    w1: u32
    w2: u32
    w3: u32
    w4: u32
    w5: u32
    w6: u32
    w7: u32
    w8: u32
    w9: u32
    w10: u32
    w11: u32
    w12: u32
    w13: u32
    w14: u32
    w15: u32


@wire(registers=True)
class Words:
    """128 bytes."""

    w0: u64
    w1: u64
    w2: u64
    w3: u64
    w4: u64
    w5: u64
    w6: u64
    w7: u64
    w8: u64
    w9: u64
    w10: u64
    w11: u64
    w12: u64
    w13: u64
    w14: u64
    w15: u64


@wire(registers=True)
class EightWords:
    """64 bytes."""

    w0: u64
    w1: u64
    w2: u64
    w3: u64
    w4: u64
    w5: u64
    w6: u64
    w7: u64


@wire(registers=True)
class Four:
    w0: u32
    w1: u32
    w2: u32
    w3: u32


@wire(registers=True)
class Five:
    w0: u32
    w1: u32
    w2: u32
    w3: u32
    w4: u32


@wire(registers=True)
class Word:
    word: u32


@wire(registers=True)
class Long:
    word: u64


HEADER = size_of(Five)


def checksum(data: Span[u8], others: u32) -> u16:
    """The checksum of `data` and of what else has the sum `others`; 0 over all that a correct checksum is part of."""
    return ~folded(others + u32(sum_of(data)))


def sum_of(data: Span[u8]) -> u16:
    """The one's complement sum of big-endian words, the last one filled with a zero byte. Steps: a fourth of it."""
    if len(data) == HEADER:
        # What IP's header has, and most of TCP's without data.
        header = wire_view(Five, data)
        first = u64(header.w0) + u64(header.w1) + u64(header.w2)
        return turned(first + u64(header.w3) + u64(header.w4))
    return turned(total_of(data))


def total_of(data: Span[u8]) -> u64:
    """The sum of the words as they lie in memory."""
    # No sum of 32-bit words leaves 64 bits: there are fewer than 2**32 of them.
    total: u64 = 0
    blocks = len(data) & ~usize(127)
    for place in range(0, blocks, 128):
        block, other = wire_view(Block, data[place:]), wire_view(Block, data[place + 64 :])
        first = u64(block.w0) + u64(block.w1) + u64(block.w2) + u64(block.w3)
        second = u64(block.w4) + u64(block.w5) + u64(block.w6) + u64(block.w7)
        third = u64(block.w8) + u64(block.w9) + u64(block.w10) + u64(block.w11)
        fourth = u64(block.w12) + u64(block.w13) + u64(block.w14) + u64(block.w15)
        total = wrapping_add(total, first + second + third + fourth)
        first = u64(other.w0) + u64(other.w1) + u64(other.w2) + u64(other.w3)
        second = u64(other.w4) + u64(other.w5) + u64(other.w6) + u64(other.w7)
        third = u64(other.w8) + u64(other.w9) + u64(other.w10) + u64(other.w11)
        fourth = u64(other.w12) + u64(other.w13) + u64(other.w14) + u64(other.w15)
        total = wrapping_add(total, first + second + third + fourth)
    quarters = len(data) & ~usize(15)
    for place in range(blocks, quarters, 16):
        four = wire_view(Four, data[place:])
        total = wrapping_add(total, u64(four.w0) + u64(four.w1) + u64(four.w2) + u64(four.w3))
    words = len(data) & ~usize(3)
    for place in range(quarters, words, 4):
        total = wrapping_add(total, u64(wire_view(Word, data[place:]).word))
    rest: u64 = 0
    for place in reversed(range(words, len(data))):
        rest = rest << 8 | u64(data[place])
    return wrapping_add(total, rest)


def turned(total: u64) -> u16:
    """The sum of big-endian words, of one of words as they lie in memory."""
    halves = (total >> 32) + (total & 0xFFFF_FFFF)
    short = (halves >> 16) + (halves & 0xFFFF)
    shorter = (short >> 16) + (short & 0xFFFF)
    return byte_swap(folded(u32(shorter)))


@value
class Sum:
    """Of words of 64 bits, modulo 2**64, and how often that was left: there are fewer carries than bytes."""

    total: u64 = 0
    carries: u64 = 0

    def plus(self, word: u64) -> Sum:
        total = wrapping_add(self.total, word)
        return Sum(total, wrapping_add(self.carries, u64(total < word)))

    def plus_four(self, w0: u64, w1: u64, w2: u64, w3: u64) -> Sum:
        return self.plus(w0).plus(w1).plus(w2).plus(w3)

    def turned(self) -> u16:
        """As `turned` of a sum of 32-bit words. A carry counts as one (RFC 1071, section 2 (A))."""
        return turned(wrapping_add((self.total >> 32) + (self.total & 0xFFFF_FFFF), self.carries))


def copy_summed(into: Span[u8], data: Span[u8]) -> u16:
    """Copy, and what `sum_of` says of it, in one go. Both are of one length, and begin at multiples of eight."""
    assert len(into) == len(data), "all of it is copied"
    sum = Sum()
    blocks = len(data) & ~usize(127)
    for place in range(0, blocks, 128):
        source, target = wire_view(Words, data[place:]), wire_view(Words, into[place:])
        # Each word is read once: whoever else has the memory may change it meanwhile.
        w0, w1, w2, w3 = source.w0, source.w1, source.w2, source.w3
        w4, w5, w6, w7 = source.w4, source.w5, source.w6, source.w7
        target.w0, target.w1, target.w2, target.w3 = w0, w1, w2, w3
        target.w4, target.w5, target.w6, target.w7 = w4, w5, w6, w7
        sum = sum.plus_four(w0, w1, w2, w3).plus_four(w4, w5, w6, w7)
        w0, w1, w2, w3 = source.w8, source.w9, source.w10, source.w11
        w4, w5, w6, w7 = source.w12, source.w13, source.w14, source.w15
        target.w8, target.w9, target.w10, target.w11 = w0, w1, w2, w3
        target.w12, target.w13, target.w14, target.w15 = w4, w5, w6, w7
        sum = sum.plus_four(w0, w1, w2, w3).plus_four(w4, w5, w6, w7)
    words = len(data) & ~usize(7)
    for place in range(blocks, words, 8):
        word = wire_view(Long, data[place:]).word
        wire_view(Long, into[place:]).word = word
        sum = sum.plus(word)
    rest: u64 = 0
    for place in reversed(range(words, len(data))):
        byte = data[place]
        into[place] = byte
        rest = rest << 8 | u64(byte)
    return sum.plus(rest).turned()


def copy_askew(into: Span[u8], data: Span[u8], into_at: usize, data_at: usize) -> u16:
    """`copy_summed` between places that aren't alike: `into` and `data` begin so many bytes behind multiples of eight.

    Words are read where they lie, each once, and put together anew for where they go. At the ends there are some bytes.
    """
    assert len(into) == len(data) and into_at < 8 and data_at < 8 and into_at != data_at, "all of it is copied"
    # Until a word of `into` begins, and one of `data` that is all inside.
    head = (8 - into_at) % 8
    back = (data_at + head) % 8
    if head < back:
        head += 8
    if len(data) < head + 16:
        return folded(copy_bytes(into, data, 0, len(data)))
    edges = copy_bytes(into, data, 0, head)
    low = truncate(u32, 8 * back)
    high = 64 - low
    first = head - back
    count = (len(data) - first) // 8 - 1
    word = wire_view(Long, data[first:]).word
    sum = Sum()
    blocks = count & ~usize(7)
    for number in range(0, blocks, 8):
        source = wire_view(EightWords, data[first + 8 + 8 * number :])
        target = wire_view(EightWords, into[head + 8 * number :])
        w1, w2, w3, w4 = source.w0, source.w1, source.w2, source.w3
        t0, t1 = word >> low | wrapping_shl(w1, high), w1 >> low | wrapping_shl(w2, high)
        t2, t3 = w2 >> low | wrapping_shl(w3, high), w3 >> low | wrapping_shl(w4, high)
        target.w0, target.w1, target.w2, target.w3 = t0, t1, t2, t3
        sum = sum.plus_four(t0, t1, t2, t3)
        w1, w2, w3, word = source.w4, source.w5, source.w6, source.w7
        t0, t1 = w4 >> low | wrapping_shl(w1, high), w1 >> low | wrapping_shl(w2, high)
        t2, t3 = w2 >> low | wrapping_shl(w3, high), w3 >> low | wrapping_shl(word, high)
        target.w4, target.w5, target.w6, target.w7 = t0, t1, t2, t3
        sum = sum.plus_four(t0, t1, t2, t3)
    for number in range(blocks, count):
        next = wire_view(Long, data[first + 8 + 8 * number :]).word
        made = word >> low | wrapping_shl(next, high)
        wire_view(Long, into[head + 8 * number :]).word = made
        sum = sum.plus(made)
        word = next
    edges += copy_bytes(into, data, head + 8 * count, len(data))
    # Words behind an odd number of bytes have the two halves of each 16 bits exchanged (RFC 1071, section 2 (B)).
    middle = sum.turned()
    return folded(edges + u32(middle if head % 2 == 0 else byte_swap(middle)))


def copy_bytes(into: Span[u8], data: Span[u8], first: usize, end: usize) -> u32:
    """Copy those from `first` on, below `end`, and their part of the sum. There are few."""
    total: u32 = 0
    for place in range(first, end):
        byte = data[place]
        into[place] = byte
        total += u32(byte) << 8 if place % 2 == 0 else u32(byte)
    return total


def folded(total: u32) -> u16:
    """A sum of 16-bit words with its carries added in."""
    once = (total >> 16) + (total & 0xFFFF)
    return truncate(u16, once + (once >> 16))


def pseudo_header(source: Address, destination: Address, protocol: u8, length: usize) -> u32:
    """The sum of what TCP and UDP check beside themselves (RFC 9293, 3.1; RFC 768). `length` is at most 65,535."""
    from_ = (source.number >> 16) + (source.number & 0xFFFF)
    to = (destination.number >> 16) + (destination.number & 0xFFFF)
    return from_ + to + u32(protocol) + u32(length)


def adjusted(check: u16, before: u16, after: u16) -> u16:
    """The checksum when one word of what it is about changes (RFC 1624, equation 3)."""
    return ~folded(u32(~check) + u32(~before) + u32(after))
