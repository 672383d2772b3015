"""Curve and signatures of RFC 8032, section 5.1, in Python's own integers: slow, short, and nothing of ours in it.

Tests make keys and signatures with it that no honest signer makes.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

P = 2**255 - 19
L = 2**252 + 27742317777372353535851937790883648493
D = -121665 * pow(121666, -1, P) % P
ROOT_OF_MINUS_1 = pow(2, (P - 1) // 4, P)


@dataclass(frozen=True)
class Point:
    """A point of the curve, by its coordinates."""

    x: int
    y: int

    def __add__(self, other: Point) -> Point:
        product = D * self.x * other.x * self.y * other.y
        x = (self.x * other.y + self.y * other.x) * pow(1 + product, -1, P)
        y = (self.y * other.y + self.x * other.x) * pow(1 - product, -1, P)
        return Point(x % P, y % P)

    def __neg__(self) -> Point:
        return Point(-self.x % P, self.y)

    def __rmul__(self, factor: int) -> Point:
        result, power = NEUTRAL, self
        while factor:
            if factor & 1:
                result = result + power
            power = power + power
            factor >>= 1
        return result

    def encoded(self) -> bytes:
        return (self.y | (self.x & 1) << 255).to_bytes(32, "little")


NEUTRAL = Point(0, 1)


def root(square: int) -> int | None:
    """A square root modulo P."""
    found = pow(square, (P + 3) // 8, P)
    if found * found % P != square % P:
        found = found * ROOT_OF_MINUS_1 % P
    return found if found * found % P == square % P else None


def with_y(y: int, odd: bool = False) -> Point | None:
    """The point with this y, if there is one, and an odd x or an even one."""
    x = root((y * y - 1) * pow(D * y * y + 1, -1, P))
    if x is None:
        return None
    return Point(-x % P if x & 1 != odd else x, y % P)


def point(y: int, odd: bool = False) -> Point:
    found = with_y(y, odd)
    assert found is not None
    return found


BASE = point(4 * pow(5, -1, P))


def torsion() -> Point:
    """A point of order 8: what is left of any point times L, if enough is."""
    for y in range(2, 100):
        some = with_y(y)
        if some is not None and 4 * (L * some) != NEUTRAL:
            return L * some
    raise AssertionError("there is none")


def challenge(r: bytes, key: bytes, message: bytes) -> int:
    return int.from_bytes(hashlib.sha512(r + key + message).digest(), "little") % L


def signature(r: bytes, s: int) -> bytes:
    return r + s.to_bytes(32, "little")
