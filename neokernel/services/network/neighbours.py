"""Who on the link has which address: the cache that ARP fills (RFC 826; RFC 1122, 2.3.2).

It learns from those who were asked for, and from those who ask for us, as they will be answered. An entry is good for a
minute; then it is asked for again, when it is used, and goes on being used meanwhile. After three requests, a second
apart, nobody is there.

Sixteen sets of four places: an address has its set by a hash under a secret, and takes the place that was unused for
the longest time. So a hostile link can push out entries, but not choose which.
"""

from __future__ import annotations

from enum import Enum

from neokernel.lang import Array, Embedded, array, struct, u32, u64, usize
from neokernel.runtime.hashing import Seed, TrustedNumber
from neokernel.services.network.address import ANY, Address, LinkAddress
from neokernel.services.network.clock import MINUTE, NEVER, SECOND

SETS = 16
WAYS = 4
LIFETIME: u64 = MINUTE
#: between requests, at most one a second for each (RFC 1122, 2.3.2.1)
PATIENCE: u64 = SECOND
MOST_REQUESTS: u32 = 3


class Unknown(Enum):
    """Why there is no link address."""

    #: it is being asked for
    WAIT = 0
    #: nobody answers
    NOBODY = 1


@struct
class Neighbour:
    """`address` is unspecified: a free place. `known`: `link` is good until `until`, and as long as we are asking."""

    address: Address = ANY
    link: LinkAddress = LinkAddress(0)
    known: bool = False
    until: u64 = 0
    used: u64 = 0
    #: requests that had no answer; the next one is due at `ask_at`, NEVER if nobody asks
    requests: u32 = 0
    ask_at: u64 = NEVER


@struct
class Neighbours:
    seed: Seed = Seed(0, 0)
    entries: Array[Embedded[Neighbour]] = array(SETS * WAYS)
    #: no request is due before
    next: u64 = NEVER
    #: some of those that were waited for aren't there, since it was last made False
    gave_up: bool = False

    def look_up(self, address: Address, now: u64) -> LinkAddress | Unknown:
        """The link address. What isn't known is asked for: `request` says so to who builds frames."""
        entry = self.find(address)
        if entry is None:
            entry = self.oldest(address)
            entry.address, entry.known, entry.requests = address, False, 0
            self.ask(entry, now)
        entry.used = now
        if entry.known:
            if now >= entry.until and entry.ask_at == NEVER:
                self.ask(entry, now)
            return entry.link
        if entry.ask_at == NEVER:
            # The next one who wants to know begins anew.
            entry.address = ANY
            return Unknown.NOBODY
        return Unknown.WAIT

    def request(self, now: u64) -> Address | None:
        """For whom a request is to be sent now, if for anybody."""
        if now < self.next:
            return None
        self.next = NEVER
        found: Address | None = None
        for index in range(len(self.entries)):
            entry = self.entries[index]
            if entry.ask_at <= now:
                if entry.requests == MOST_REQUESTS:
                    self.give_up(entry)
                elif found is None:
                    entry.requests += 1
                    entry.ask_at = now + PATIENCE
                    found = entry.address
            self.next = min(self.next, entry.ask_at)
        return found

    def learn(self, address: Address, link: LinkAddress, for_us: bool, now: u64) -> bool:
        """Somebody has said that it has `address`. True: some were waiting for this."""
        entry = self.find(address)
        if entry is None:
            if not for_us:
                return False
            entry = self.oldest(address)
            entry.address, entry.known, entry.used = address, False, now
        waited = not entry.known
        entry.link, entry.known = link, True
        entry.until, entry.requests, entry.ask_at = now + LIFETIME, 0, NEVER
        return waited

    def clear(self) -> None:
        """Forget all: the link is another one."""
        for index in range(len(self.entries)):
            entry = self.entries[index]
            entry.address, entry.known, entry.ask_at = ANY, False, NEVER
        self.next = NEVER

    # --- inside -------------------------------------------------------------------------------------------------------

    def give_up(self, entry: Neighbour) -> None:
        """Nobody is there, or not any more. Who waits is told when it looks it up again."""
        entry.ask_at = NEVER
        if entry.known:
            entry.address, entry.known = ANY, False
        else:
            self.gave_up = True

    def ask(self, entry: Neighbour, now: u64) -> None:
        entry.requests, entry.ask_at = 0, now
        self.next = min(self.next, now)

    def first_of(self, address: Address) -> usize:
        return usize(TrustedNumber(u64(address.number)).hash(self.seed) >> 60) * WAYS

    def find(self, address: Address) -> Neighbour | None:
        first = self.first_of(address)
        for way in range(WAYS):
            if self.entries[first + way].address == address:
                return self.entries[first + way]
        return None

    def oldest(self, address: Address) -> Neighbour:
        """The place to use: a free one, or the one unused for the longest time."""
        first = self.first_of(address)
        best = first
        for way in range(first, first + WAYS):
            if self.entries[way].address.is_unspecified():
                return self.entries[way]
            if self.entries[way].used < self.entries[best].used:
                best = way
        return self.entries[best]


assert SETS == 16, "as many as four bits of a hash say"
