"""Works all the time, at a known share: of every twenty steps fourteen are `coarse`'s, and six are `fine`'s.

Both together are one run of instructions without a branch: who could stop only between such runs would see nothing but
its first line. So this tells an honest sampler from another one.
"""

from __future__ import annotations

from enum import Enum

from neokernel.lang import cold, struct, u64, value, wrapping_add, wrapping_mul
from neokernel.runtime.process import Process


class Grain(Enum):
    WHEAT = 1
    RYE = 2


@value
class Sack:
    grain: Grain
    weight: u64


@struct
class Mill:
    flour: u64 = 1
    turns: u64 = 0
    sack: Sack = Sack(Grain.RYE, 70)


def step(flour: u64) -> u64:
    return wrapping_add(wrapping_mul(flour, 3), flour >> 7)


def coarse(mill: Mill) -> None:
    flour = mill.flour
    flour = step(step(step(step(step(step(step(flour)))))))
    flour = step(step(step(step(step(step(step(flour)))))))
    mill.flour = flour


def fine(mill: Mill) -> None:
    flour = mill.flour
    flour = step(step(step(step(step(step(flour))))))
    mill.flour = flour


def work(mill: Mill) -> None:
    for _ in range(100_000):
        coarse(mill)
        fine(mill)


@cold
def turn(mill: Mill) -> bool:
    """Called, as it is cold: so the mill is in memory, and its work can't be left out."""
    mill.turns += 1
    return mill.flour != 0


def main(process: Process) -> None:
    mill = Mill()
    process.ready()
    while turn(mill):
        process.beat()
        work(mill)
