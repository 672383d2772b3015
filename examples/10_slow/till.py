"""A customer every ten milliseconds, with five articles."""

from __future__ import annotations

from contracts import Prices, checked

from neokernel.abi.kinds import Kind
from neokernel.lang import Uses, u64, uses
from neokernel.runtime import system
from neokernel.runtime.must import must_get
from neokernel.runtime.process import Process

prices: Uses[Prices] = uses()

#: the shop's numbers
FIRST: u64 = 400_638_100_000


def main(process: Process) -> None:
    never = must_get(process.make(Kind.NOTIFICATION))
    number: u64 = 0
    process.ready()
    while True:
        for _ in range(5):
            number = (number + 7919) % 18_000
            _ = prices.price(checked(FIRST + number))
        _ = system.wait(never, system.now() + process.frequency // 100)
