"""Which frames are to be copied, as people write it: `tcp port 80 host 10.0.2.2`, a small part of tcpdump's language.

    arp | ip | icmp | tcp | udp      which protocol
    host ADDRESS, net ADDRESS/BITS   either address is there
    port NUMBER                      either port, of TCP or UDP

Each at most once, in any order, with or without `and` between them; a frame is copied if all of it fits.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Network, NetmaskValueError

#: kinds of Ethernet, and protocols of IP
KINDS = {"arp": 0x0806, "ip": 0x0800}
PROTOCOLS = {"icmp": 1, "tcp": 6, "udp": 17}
WORDS = (*KINDS, *PROTOCOLS, "host", "net", "port")


class NoFilter(ValueError):
    """That says nothing; `help` says what could."""

    def __init__(self, message: str, help: str) -> None:
        super().__init__(message)
        self.help = help


@dataclass(frozen=True)
class Wanted:
    """As `Filter` of `interfaces/capture.py`: 0 is any."""

    kind: int = 0
    protocol: int = 0
    network: int = 0
    prefix: int = 0
    port: int = 0


def parsed(written: Sequence[str]) -> Wanted:
    """What the words mean. Raises NoFilter."""
    words = [word for part in written for word in part.split()]
    found: dict[str, int] = {}
    place, joins = 0, False
    while place < len(words):
        word = words[place].lower()
        place += 1
        if word == "and" and found and not joins:
            joins = True
            continue
        joins = False
        if word in KINDS or word in PROTOCOLS:
            take(found, "protocol", word, KINDS | PROTOCOLS)
            continue
        if word not in WORDS:
            raise NoFilter(f"{words[place - 1]!r} says nothing about a frame", f"there are: {', '.join(WORDS)}, and")
        if place == len(words):
            raise NoFilter(f"`{word}` of what?", FORMS[word])
        value = words[place]
        place += 1
        if word == "port":
            if not (value.isascii() and value.isdigit() and 0 < int(value[:6]) <= 0xFFFF):
                raise NoFilter(f"{value!r} is no port", FORMS[word])
            take(found, "port", "port", {"port": int(value)})
        else:
            network = network_of(word, value)
            take(found, "network", word, {word: int(network.network_address)})
            found["prefix"] = network.prefixlen
    if joins:
        raise NoFilter("nothing stands behind `and`", f"there are: {', '.join(WORDS)}")
    return wanted(found)


FORMS = {
    "host": "an address: `host 10.0.2.2`",
    "net": "an address and how many of its bits count, at least one: `net 10.0.2.0/24`",
    "port": "a number from 1 to 65535: `port 80`",
}


def take(found: dict[str, int], what: str, word: str, values: dict[str, int]) -> None:
    if what in found:
        raise NoFilter(f"`{word}`: there is a {what} already", "a frame is copied if all fits: name one of each kind")
    found[what] = values[word]


def network_of(word: str, value: str) -> IPv4Network:
    try:
        network = IPv4Network(value)
    except (AddressValueError, NetmaskValueError, ValueError):
        raise NoFilter(f"{value!r} is no {'address' if word == 'host' else 'network'}", FORMS[word]) from None
    if (word == "host") != (network.prefixlen == 32 and "/" not in value) or network.prefixlen == 0:
        raise NoFilter(f"{value!r} is no {'address' if word == 'host' else 'network'}", FORMS[word])
    return network


def wanted(found: dict[str, int]) -> Wanted:
    protocol = found.get("protocol", 0)
    kind = protocol if protocol in KINDS.values() else 0
    port = found.get("port", 0)
    if port and (kind == KINDS["arp"] or protocol == PROTOCOLS["icmp"]):
        raise NoFilter("neither ARP nor ICMP has ports", "leave `port` out, or name `tcp` or `udp`")
    return Wanted(kind, 0 if kind else protocol, found.get("network", 0), found.get("prefix", 0), port)
