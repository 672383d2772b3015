"""Sequence numbers of TCP: modulo 2**32, compared by the shorter way round (RFC 9293, 3.4)."""

from __future__ import annotations

from neokernel.lang import inline, u32, value, wrapping_sub

HALF: u32 = 1 << 31


@inline
def before(left: u32, right: u32) -> bool:
    """Is `left` less?"""
    return wrapping_sub(left, right) >= HALF


@inline
def until(left: u32, right: u32) -> bool:
    """Is `left` less, or the same?"""
    return wrapping_sub(right, left) < HALF


def later(left: u32, right: u32) -> u32:
    return right if before(left, right) else left


def earlier(left: u32, right: u32) -> u32:
    return left if before(left, right) else right


@value
class Range:
    """Bytes from `left` to `right`, without it."""

    left: u32 = 0
    right: u32 = 0

    def size(self) -> u32:
        return wrapping_sub(self.right, self.left)

    def holds(self, number: u32) -> bool:
        return until(self.left, number) and before(number, self.right)

    def touches(self, other: Range) -> bool:
        """Do they overlap, or follow one another?"""
        return until(self.left, other.right) and until(other.left, self.right)
