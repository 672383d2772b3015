"""Whose a request is, and how much of the gateway each tenant may have.

A request says by a key whose it is (`Authorization: Bearer KEY`, RFC 6750, section 2.1). The system file has a hash of
the key, so who reads the file or the image can't ask in a tenant's name. Requests without a key have an account of
their own, together.

An account has a share, requests that may be under way at a time, from their heads to their answers; and a rate,
requests in a second. What was spent comes back evenly; a second's worth may be spent at once (the generic cell rate
algorithm, ITU-T I.371).

Invariant: `under_way` is the number of `Admitted` that live, and at most `share`.
"""

from __future__ import annotations

from neokernel.crypto.sha512 import SIZE, sha512
from neokernel.lang import Array, Embedded, array, struct, u8, u64, usize
from neokernel.runtime.hexadecimal import read_hexadecimal

TENANTS = 4
#: the account of requests without a key
ANYBODY: usize = TENANTS
#: bytes of a key
MOST_KEY = 256
SCHEME = b"bearer "


@struct
class Account:
    #: of the key; none, as long as `known` is false
    hash: Array[u8] = array(SIZE)
    known: bool = False
    #: requests that may be under way at a time, and in a second; a rate of 0 is none
    share: u64 = 0
    rate: u64 = 0
    under_way: u64 = 0
    #: when, in ticks, all that was spent is back
    due: u64 = 0

    def refusal(self, now: u64, frequency: u64) -> bytes | None:
        """Why it can't have another request; None if it may: that counts for its rate. `frequency`: ticks a second."""
        if self.under_way >= self.share:
            return b"whose request this is has as many under way as it may"
        if self.rate != 0:
            each = max(frequency // self.rate, 1)
            begin = max(self.due, now)
            if begin - now > frequency - min(each, frequency):
                return b"whose request this is has had as many in this second as it may"
            self.due = begin + each
        return None


@struct
class Admitted:
    """A request that is under way: `with Admitted(account=account):`."""

    account: Account

    def __enter__(self) -> None:
        self.account.under_way += 1

    def __exit__(self, *_: object) -> None:
        self.account.under_way -= 1


@struct
class Tenants:
    accounts: Array[Embedded[Account]] = array(TENANTS + 1)

    def enrol(self, number: usize, hexadecimal: bytes) -> bool:
        """A tenant's key has this hash. False: it is none."""
        account = self.accounts[number]
        account.known = read_hexadecimal(hexadecimal, account.hash[:])
        return account.known

    def account_of(self, authorization: bytes | None) -> Account | None:
        """Whose a request with this field is, or without one. None: nobody's here."""
        if authorization is None:
            return self.accounts[ANYBODY]
        length = len(SCHEME)
        if not length < len(authorization) <= length + MOST_KEY:
            return None
        for place in range(length):
            letter = authorization[place]
            if (letter | 0x20 if 0x41 <= letter <= 0x5A else letter) != SCHEME[place]:
                return None
        digest: Array[u8] = array(SIZE)
        sha512(digest[:], authorization[length:])
        for number in range(usize(TENANTS)):
            account = self.accounts[number]
            if account.known and account.hash[:].bytes() == digest[:].bytes():
                return account
        return None
