"""How large a packet may be that goes to a host: path MTU discovery (RFC 1191).

What isn't known is the link's. Eight sets of four places, as the neighbours': the hash is under a secret, the place
that was learnt first goes. What was learnt is forgotten after ten minutes (6.3), in case the path has got wider.
"""

from __future__ import annotations

from neokernel.lang import Array, Embedded, array, struct, u32, u64, usize
from neokernel.runtime.hashing import Seed, TrustedNumber
from neokernel.services.network.address import ANY, Address
from neokernel.services.network.clock import MINUTE
from neokernel.services.network.ipv4 import LEAST_MTU

SETS = 8
WAYS = 4
LIFETIME: u64 = 10 * MINUTE

#: MTUs there are (RFC 1191, 7.1), for routers that don't say theirs
PLATEAUS: tuple[u32, ...] = (32_000, 17_914, 8_166, 4_352, 2_002, 1_492, 1_006)


@struct
class Path:
    address: Address = ANY
    mtu: u32 = 0
    until: u64 = 0


@struct
class Paths:
    seed: Seed = Seed(0, 0)
    entries: Array[Embedded[Path]] = array(SETS * WAYS)

    def mtu_to(self, address: Address, link: u32, now: u64) -> u32:
        """At most the link's."""
        first = self.first_of(address)
        for way in range(WAYS):
            entry = self.entries[first + way]
            if entry.address == address and now < entry.until:
                return min(entry.mtu, link)
        return link

    def learn(self, address: Address, said: u32, length: u32, link: u32, now: u64) -> u32:
        """A router couldn't pass on `length` bytes, and said what it could, or 0: the path's MTU from now on."""
        mtu = said
        if mtu == 0:
            mtu = LEAST_MTU
            for plateau in PLATEAUS:
                if plateau < length:
                    mtu = plateau
                    break
        # It never grows by a message, and none is believed that would make all packets tiny (RFC 5927, 7.1).
        mtu = max(min(mtu, self.mtu_to(address, link, now)), LEAST_MTU)
        first = self.first_of(address)
        place = first
        for way in range(first, first + WAYS):
            if self.entries[way].address == address:
                place = way
                break
            if self.entries[way].until < self.entries[place].until:
                place = way
        entry = self.entries[place]
        entry.address, entry.mtu, entry.until = address, mtu, now + LIFETIME
        return mtu

    def first_of(self, address: Address) -> usize:
        return usize(TrustedNumber(u64(address.number)).hash(self.seed) >> 61) * WAYS


assert SETS == 8, "as many as three bits of a hash say"
