"""Who may have how many of a table's places: no client takes what another one needs.

    shares = Shares(places=64)
    shares.expect(client, 8)            # it can use so many: of these a part is kept for it
    lacking = shares.lacking(client)    # None: there is a place for it
    shares.take(client)
    …
    shares.give_back(client)

Half of the places are kept for clients, equal parts for all that can use any, as far as they can use them. The others
are whoever's comes first: a client alone may have all, and what one can't use keeps nobody out.

Invariants: `used` is the sum of what clients have, and `owed` of what they don't have of what is kept for them.
"""

from __future__ import annotations

from enum import Enum

from neokernel.lang import Array, array, struct, u32, usize
from neokernel.services.network.limits import CLIENTS


class Lack(Enum):
    """What there is none of."""

    #: all are taken, also what is kept for this client: whoever gives back one helps
    PLACES = 0
    #: it has what is kept for it, and the others are taken, or kept for others: only a place of its own helps
    SHARE = 1


@struct
class Shares:
    """Steps: one, but of `expect`, which are as many as clients."""

    places: u32
    #: all that are taken; places that clients don't have, and that are kept for them
    used: u32 = 0
    owed: u32 = 0
    #: of each client: how many it can use, has, and is kept at least
    usable: Array[u32] = array(CLIENTS)
    taken: Array[u32] = array(CLIENTS)
    kept: Array[u32] = array(CLIENTS)

    def expect(self, client: u32, count: u32) -> None:
        """The client can use so many, and no more. Who has more than its part now keeps that."""
        self.usable[usize(client)] = count
        clients: u32 = 0
        for known in self.usable:
            clients += 1 if known != 0 else 0
        part = self.places // 2 // max(clients, 1)
        self.owed = 0
        for index in range(CLIENTS):
            self.kept[index] = min(self.usable[index], part)
            self.owed += self.kept[index] - min(self.taken[index], self.kept[index])

    def lacking(self, client: u32) -> Lack | None:
        """Why there is no place for it; None: there is one."""
        left = self.places - self.used
        if self.taken[usize(client)] < self.kept[usize(client)]:
            return Lack.PLACES if left == 0 else None
        return Lack.SHARE if left <= self.owed else None

    def take(self, client: u32) -> None:
        """A place more; it may."""
        if self.taken[usize(client)] < self.kept[usize(client)]:
            self.owed -= 1
        self.taken[usize(client)] += 1
        self.used += 1

    def give_back(self, client: u32) -> None:
        self.taken[usize(client)] -= 1
        self.used -= 1
        if self.taken[usize(client)] < self.kept[usize(client)]:
            self.owed += 1
