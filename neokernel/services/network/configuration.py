"""What the service's settings say: the host's address, and what each client may do.

`address` is "10.0.2.15/24", or nothing: then DHCP is asked. `gateway` is "10.0.2.2", or nothing.

`grants` is written by the build, of the clients' `[service.NAME.network]`: `abi/description.py` says how. `clients` is,
too: what they are called, as "05echo 06web", each behind its number in badges.
"""

from __future__ import annotations

from enum import Enum

from neokernel.abi.description import NETWORK_LINE
from neokernel.lang import u16, u32, u64, usize, value
from neokernel.runtime.hexadecimal import digit_of
from neokernel.services.network.address import Address
from neokernel.services.network.grants import Grant, Protocol, Verb


class Wrong(Enum):
    """A setting that says nothing."""

    SETTING = 0


@value
class Place:
    """An address, and how many bits of it are the network's."""

    address: Address
    prefix: u32


@value
class Line:
    """A line of a client's manifest; `client` is its number in badges."""

    client: u32
    grant: Grant


def place_of(text: bytes) -> Place | Wrong:
    """Of "10.0.2.15/24"; without a prefix, of 32 bits. Steps: characters."""
    number: u32 = 0
    part: u32 = 0
    parts: usize = 0
    digits: usize = 0
    prefix = False
    for byte in text:
        if 48 <= byte <= 57 and digits < 3:
            part = 10 * part + u32(byte - 48)
            digits += 1
        elif byte == 46 and digits != 0 and part <= 255 and parts < 3 and not prefix:
            number = number << 8 | part
            part, digits, parts = 0, 0, parts + 1
        elif byte == 47 and digits != 0 and part <= 255 and parts == 3 and not prefix:
            number = number << 8 | part
            part, digits, prefix = 0, 0, True
        else:
            return Wrong.SETTING
    if digits == 0 or parts != 3:
        return Wrong.SETTING
    if prefix:
        return Place(Address(number), part) if part <= 32 else Wrong.SETTING
    return Place(Address(number << 8 | part), 32) if part <= 255 else Wrong.SETTING


def line_of(record: bytes) -> Line | Wrong:
    """A record of `grants`."""
    if len(record) != NETWORK_LINE:
        return Wrong.SETTING
    client, prefix, address = hexadecimal(record[:2]), hexadecimal(record[4:6]), hexadecimal(record[6:14])
    first, last = hexadecimal(record[14:18]), hexadecimal(record[18:22])
    listens, tcp = record[2] == 108, record[3] == 116
    known = (listens or record[2] == 99) and (tcp or record[3] == 117)
    if client is None or prefix is None or address is None or first is None or last is None or not known or prefix > 32:
        return Wrong.SETTING
    verb = Verb.LISTEN if listens else Verb.CONNECT
    protocol = Protocol.TCP if tcp else Protocol.UDP
    return Line(client, Grant(verb, protocol, Address(address), prefix, u16(first), u16(last)))


def name_of(clients: bytes, client: u64) -> bytes:
    """What a client is called; nothing, if that isn't known. Steps: characters."""
    begin: usize = 0
    for place in range(len(clients) + 1):
        if place == len(clients) or clients[place] == 32:
            if place - begin > 2:
                number = hexadecimal(clients[begin : begin + 2])
                if number is not None and u64(number) == client:
                    return clients[begin + 2 : place]
            begin = place + 1
    return clients[:0]


def hexadecimal(text: bytes) -> u32 | None:
    """At most 8 digits."""
    number: u32 = 0
    for byte in text:
        digit = digit_of(byte)
        if digit is None:
            return None
        number = number << 4 | u32(digit)
    return number
