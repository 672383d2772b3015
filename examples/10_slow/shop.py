"""Knows what each article costs. It is asked often, and slow: docs/guide/why-slow.md finds out why."""

from __future__ import annotations

from contracts import NotSold, Prices, checked

from neokernel.lang import Array, Provides, array, provides, struct, u32, u64, usize
from neokernel.runtime.process import Process

prices: Provides[Prices] = provides()

ARTICLES = 6000
FIRST: u64 = 400_638_100_000


@struct
class Shop:
    """Handles `Prices`. Numbers are kept without check digits."""

    numbers: Array[u64] = array(ARTICLES)

    def price(self, article: u64) -> u32 | NotSold:
        place = self.find(article)
        return NotSold.HERE if place is None else u32(99 + place % 50 * 10)

    def find(self, article: u64) -> usize | None:
        """Where the article is."""
        for place in range(usize(ARTICLES)):
            if checked(self.numbers[place]) == article:
                return place
        return None


def main(process: Process) -> None:
    shop = Shop()
    for place in range(usize(ARTICLES)):
        shop.numbers[place] = FIRST + u64(3 * place)
    process.ready()
    failure = prices.serve(process, shop)
    process.exit(u64(failure.status.value))
