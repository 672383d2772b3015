"""Addresses of links and of hosts, and the pairs of them that name a connection.

An address is a `@value` that nothing but `arp.py`, `ipv4.py`, `checksum.py` and this file looks into: what a longer
one needs is to be done there.
"""

from __future__ import annotations

from neokernel.lang import truncate, u16, u32, u64, value
from neokernel.runtime.hashing import Seed, SipHash


@value
class LinkAddress:
    """48 bits (IEEE 802), the first byte on the wire the highest."""

    number: u64 = 0

    def is_group(self) -> bool:
        """Multicast or broadcast."""
        return self.number >> 40 & 1 == 1


EVERYBODY = LinkAddress(0xFFFF_FFFF_FFFF)


@value
class Address:
    """IPv4 (RFC 791), the first byte on the wire the highest."""

    number: u32 = 0

    def is_unspecified(self) -> bool:
        return self.number == 0

    def is_this_network(self) -> bool:
        """0.0.0.0/8 (RFC 1122, 3.2.1.3): never a destination."""
        return self.number >> 24 == 0

    def is_loopback(self) -> bool:
        """127.0.0.0/8 (RFC 1122, 3.2.1.3): never on a link."""
        return self.number >> 24 == 127

    def is_multicast(self) -> bool:
        return self.number >> 28 == 0xE

    def is_single(self) -> bool:
        """Can it be one host's? Not multicast, broadcast, reserved (class E) or unspecified."""
        return self.number >> 28 < 0xE and not self.is_this_network()

    def within(self, network: Address, prefix: u32) -> bool:
        """Do the first `prefix` bits, at most 32, agree?"""
        return prefix == 0 or (self.number ^ network.number) >> (32 - prefix) == 0

    def is_broadcast_of(self, network: Address, prefix: u32) -> bool:
        """All ones behind the prefix (RFC 1122, 3.2.1.3); none for the two addresses of a /31 (RFC 3021)."""
        if prefix >= 31 or not self.within(network, prefix):
            return False
        hosts = u32(0xFFFF_FFFF) >> prefix
        return self.number & hosts == hosts


ANY = Address(0)
BROADCAST = Address(0xFFFF_FFFF)


def address(first: u32, second: u32, third: u32, fourth: u32) -> Address:
    """`address(10, 0, 2, 15)`."""
    return Address(first << 24 | second << 16 | third << 8 | fourth)


@value
class Endpoint:
    """A host and a port of it."""

    address: Address = ANY
    port: u16 = 0

    def word(self) -> u64:
        return u64(self.address.number) << 16 | u64(self.port)


def endpoint_of(word: u64) -> Endpoint:
    """What has that `word`, whose highest 16 bits don't count."""
    return Endpoint(Address(truncate(u32, word >> 16)), truncate(u16, word))


@value
class Flow:
    """What names a connection (RFC 9293, 3.4: a pair of sockets)."""

    local: Endpoint = Endpoint()
    remote: Endpoint = Endpoint()

    def hash(self, seed: Seed) -> u64:
        return SipHash.start(seed).word(self.local.word()).word(self.remote.word()).finish()
