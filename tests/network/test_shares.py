"""Shares of places, against a plain account of them."""

from __future__ import annotations

import random

import pytest

from neokernel.lang import u32
from neokernel.services.network.shares import Lack, Shares

PLACES = 20


class Account:
    """What each client can use and has, and what is kept for it then."""

    def __init__(self) -> None:
        self.usable = [0] * 4
        self.taken = [0] * 4

    def owed(self, client: int) -> int:
        clients = sum(count != 0 for count in self.usable)
        kept = min(self.usable[client], PLACES // 2 // max(clients, 1))
        return max(kept - self.taken[client], 0)

    def may_take(self, client: int) -> bool:
        left = PLACES - sum(self.taken)
        return left != 0 and (self.owed(client) != 0 or left > sum(map(self.owed, range(4))))


@pytest.mark.parametrize("seed", range(8))
def test_shares(seed: int) -> None:
    shares, account, choose = Shares(places=u32(PLACES)), Account(), random.Random(seed)
    for _ in range(400):
        client = choose.randrange(4)
        match choose.randrange(10):
            case 0:
                account.usable[client] = choose.choice((0, 1, 3, 100))
                shares.expect(u32(client), u32(account.usable[client]))
            case 1 | 2 | 3 if account.taken[client] != 0:
                account.taken[client] -= 1
                shares.give_back(u32(client))
            case _:
                lacking = shares.lacking(u32(client))
                assert (lacking is None) == account.may_take(client)
                if lacking is None:
                    account.taken[client] += 1
                    shares.take(u32(client))
                else:
                    assert (lacking is Lack.PLACES) == (account.owed(client) != 0)
        assert (shares.used, shares.owed) == (sum(account.taken), sum(map(account.owed, range(4))))


def test_who_is_alone_may_have_all() -> None:
    shares = Shares(places=u32(PLACES))
    shares.expect(u32(3), u32(100))
    for _ in range(PLACES):
        assert shares.lacking(u32(3)) is None
        shares.take(u32(3))
    assert shares.lacking(u32(3)) is Lack.SHARE, "only itself can help"
