"""Whose a request is, and what it may have: under CPython, by a clock of the test's own."""

from __future__ import annotations

import hashlib

import pytest

from neokernel.lang import byte_view, u64, usize
from neokernel.services.gateway.tenants import ANYBODY, MOST_KEY, Account, Admitted, Tenants

SECOND = 12_000


def hashed(key: bytes) -> bytes:
    return hashlib.sha512(key).hexdigest().encode()


def account_of(tenants: Tenants, field: bytes | None) -> int | None:
    found = tenants.account_of(None if field is None else byte_view(field))
    return next((number for number, each in enumerate(tenants.accounts) if each is found), None)


def test_whose_a_request_is() -> None:
    tenants = Tenants()
    assert tenants.enrol(usize(1), byte_view(hashed(b"alice's key")))
    assert tenants.enrol(usize(3), byte_view(hashed(b"b").upper()))
    for field, number in (
        (None, int(ANYBODY)),
        (b"Bearer alice's key", 1),
        (b"bEARER b", 3),
        (b"Bearer alice's kez", None),
        (b"Bearer ", None),
        (b"Bearer", None),
        (b"", None),
        (b"Basic b", None),
        (b"Bearer " + b"b" * (MOST_KEY + 1), None),
    ):
        assert account_of(tenants, field) == number, field


@pytest.mark.parametrize("wrong", [b"", b"00", hashed(b"a")[:-1] + b"g", hashed(b"a") + b"0"])
def test_what_is_no_hash(wrong: bytes) -> None:
    tenants = Tenants()
    assert not tenants.enrol(usize(0), byte_view(wrong)) and not tenants.accounts[0].known
    assert account_of(tenants, b"Bearer a") is None


def test_a_share() -> None:
    """Requests under way, and no more; whose end gives room to the next."""
    account = Account(share=u64(2))
    with Admitted(account=account):
        assert account.refusal(u64(0), u64(SECOND)) is None
        with Admitted(account=account):
            assert b"under way" in bytes(account.refusal(u64(0), u64(SECOND)) or b"")
        assert account.refusal(u64(0), u64(SECOND)) is None
    assert Account(share=u64(0)).refusal(u64(0), u64(SECOND)) is not None, "a share of nothing"


def taken(account: Account, now: int, count: int) -> int:
    return sum(account.refusal(u64(now), u64(SECOND)) is None for _ in range(count))


@pytest.mark.parametrize("rate", [1, 4, 30])
def test_a_rate(rate: int) -> None:
    """A second's worth at once, and what comes back then evenly; never more than twice that in a second."""
    account = Account(share=u64(100), rate=u64(rate))
    assert taken(account, 5, 2 * rate) == rate
    each = SECOND // rate
    assert taken(account, 5 + each - 1, 2) == 0 and taken(account, 5 + each, 2) == 1
    assert taken(account, 10 * SECOND, 2 * rate) == rate


def test_no_rate() -> None:
    assert taken(Account(share=u64(1)), 0, 1_000) == 1_000
