"""Whose requests are answered: those of who means this page, not of other pages in the same browser.

A browser sends a request of any page to any address that its user can reach. What it says about that, we look at:

- `Host` is an address, `localhost`, or the one name that the system file gives the page. Somebody else's name that has
  been made to mean our address (DNS rebinding) is none of these, though such a page would count as ours to the browser.
- `Origin` and `Sec-Fetch-Site`, where there are any, say that it is this page itself that asks.

There are no cookies, and nothing that a browser would add by itself, so a request says all of what it may do.
"""

from __future__ import annotations

from neokernel.http.characters import COLON, DOT, find, is_alike
from neokernel.http.exchange import Exchange
from neokernel.lang import u8
from neokernel.runtime.hexadecimal import digit_of

BRACKET = 0x5B
CLOSING = 0x5D
LOCALHOST = b"localhost"
SCHEMES: tuple[bytes, ...] = (b"http://", b"https://")


def is_meant(http: Exchange, name: bytes) -> bool:
    """Does the request come of this page, or of nobody's page? `name`: what the page is called, in small letters."""
    host = http.field(b"host")
    if host is None or not is_ours(host, name):
        return False
    origin = http.field(b"origin")
    if origin is not None and not is_same(origin, host):
        return False
    site = http.field(b"sec-fetch-site")
    if site is None or site == b"same-origin" or site == b"none":
        return True
    # A link from elsewhere may lead here: then a page is shown, and its own requests are of ours.
    mode = http.field(b"sec-fetch-mode")
    return origin is None and mode is not None and mode == b"navigate"


def is_ours(host: bytes, name: bytes) -> bool:
    """Is it an address, `localhost`, or that name, with a port or without?"""
    if len(host) != 0 and host[0] == BRACKET:
        end = find(host, CLOSING)
        return end < len(host) and is_port(host[end + 1 :])
    end = find(host, COLON)
    called = host[:end]
    if not is_port(host[end:]):
        return False
    return is_address(called) or is_alike(called, LOCALHOST) or (len(name) != 0 and is_alike(called, name))


def is_port(text: bytes) -> bool:
    """`:8080`, or nothing."""
    if len(text) == 0:
        return True
    for byte in text[1:]:
        if not is_digit(byte):
            return False
    return text[0] == COLON


def is_address(text: bytes) -> bool:
    """Digits and dots: no name in the DNS has no letter in its last part (RFC 3696, 2)."""
    for byte in text:
        if byte != DOT and not is_digit(byte):
            return False
    return len(text) != 0


def is_digit(byte: u8) -> bool:
    digit = digit_of(byte)
    return digit is not None and digit < 10


def is_same(origin: bytes, host: bytes) -> bool:
    for scheme in SCHEMES:
        if len(origin) == len(scheme) + len(host) and origin[: len(scheme)] == scheme:
            if origin[len(scheme) :] == host:
                return True
    return False
