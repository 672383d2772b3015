"""What a till asks its shop."""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from neokernel.lang import interface, u32, u64
from neokernel.runtime.system import Failure


def checked(number: u64) -> u64:
    """An article's number with its check digit behind (GS1, EAN-13)."""
    total: u64 = 0
    rest, weight = number, u64(3)
    for _ in range(12):
        total += rest % 10 * weight
        rest, weight = rest // 10, 4 - weight
    return number * 10 + (10 - total % 10) % 10


class NotSold(Enum):
    """There is no such article."""

    HERE = 0


@interface
class Prices(Protocol):
    def price(self, article: u64) -> u32 | NotSold | Failure:
        """What the article with this number, its check digit behind, costs in cents."""
        ...
