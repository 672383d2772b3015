"""The Internet checksum: the complement of the one's complement sum of 16-bit words (RFC 1071).

The sum doesn't depend on byte order but for the order of its own two bytes (RFC 1071, section 2 (B)), so memory is
summed as it lies there, 32 bits at a time, and the result is turned round once.

Data begins at a multiple of four in memory (what IP's header does, and all that stands behind it).
"""

from __future__ import annotations

from neokernel.lang import Span, byte_swap, truncate, u8, u16, u32, u64, usize, wire, wire_view, wrapping_add
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
class Word:
    word: u32


def checksum(data: Span[u8], others: u32) -> u16:
    """The checksum of `data` and of what else has the sum `others`; 0 over all that a correct checksum is part of."""
    return ~folded(others + u32(sum_of(data)))


def sum_of(data: Span[u8]) -> u16:
    """The one's complement sum of big-endian words, the last one filled with a zero byte. Steps: a fourth of it."""
    # No sum of 32-bit words leaves 64 bits: there are fewer than 2**32 of them.
    total: u64 = 0
    blocks = len(data) & ~usize(63)
    for place in range(0, blocks, 64):
        block = wire_view(Block, data[place:])
        first = u64(block.w0) + u64(block.w1) + u64(block.w2) + u64(block.w3)
        second = u64(block.w4) + u64(block.w5) + u64(block.w6) + u64(block.w7)
        third = u64(block.w8) + u64(block.w9) + u64(block.w10) + u64(block.w11)
        fourth = u64(block.w12) + u64(block.w13) + u64(block.w14) + u64(block.w15)
        total = wrapping_add(total, first + second + third + fourth)
    words = len(data) & ~usize(3)
    for place in range(blocks, words, 4):
        total = wrapping_add(total, u64(wire_view(Word, data[place:]).word))
    rest: u64 = 0
    for place in reversed(range(words, len(data))):
        rest = rest << 8 | u64(data[place])
    total = wrapping_add(total, rest)
    halves = (total >> 32) + (total & 0xFFFF_FFFF)
    short = (halves >> 16) + (halves & 0xFFFF)
    shorter = (short >> 16) + (short & 0xFFFF)
    return byte_swap(folded(u32(shorter)))


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
