"""The settings of the network service: addresses, and the lines that the build writes for clients."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neokernel.abi.description import NETWORK_LINE
from neokernel.image.systemfile import sockets
from neokernel.lang import u32
from neokernel.services.network.configuration import Line, Place, Wrong, line_of, place_of
from neokernel.services.network.grants import Protocol, Verb


@given(st.integers(0, 0xFFFF_FFFF), st.integers(0, 32))
def test_an_address_is_read(number: int, prefix: int) -> None:
    dotted = ".".join(str(number >> shift & 255) for shift in (24, 16, 8, 0))
    found = place_of(f"{dotted}/{prefix}".encode())
    assert isinstance(found, Place) and (found.address.number, found.prefix) == (number, prefix)
    alone = place_of(dotted.encode())
    assert isinstance(alone, Place) and (alone.address.number, alone.prefix) == (number, 32)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "1",
        "1.2.3",
        "1.2.3.",
        "1.2.3.4.5",
        "1.2.3.256",
        "1.2.3.4/",
        "1.2.3.4/33",
        "1.2.3.4/1/1",
        "a.b.c.d",
        "1..2.3",
    ],
)
def test_what_is_no_address_is_wrong(text: str) -> None:
    assert place_of(text.encode()) is Wrong.SETTING


@given(st.binary(max_size=30))
def test_any_bytes_are_an_address_or_wrong(text: bytes) -> None:
    found = place_of(text)
    assert found is Wrong.SETTING or isinstance(found, Place)


@given(
    st.sampled_from(["tcp", "udp"]),
    st.integers(0, 0xFFFF_FFFF),
    st.integers(0, 32),
    st.integers(1, 0xFFFF),
    st.integers(1, 0xFFFF),
    st.integers(1, 192),
)
def test_a_line_means_the_same_to_both(
    protocol: str, number: int, prefix: int, first: int, last: int, client: int
) -> None:
    """What the build writes for a line is what the service reads."""
    first, last = min(first, last), max(first, last)
    network = number >> (32 - prefix) << (32 - prefix)
    dotted = ".".join(str(network >> shift & 255) for shift in (24, 16, 8, 0))
    for verb, line in (
        ("connect", f"{protocol}/{dotted}/{prefix}:{first}-{last}"),
        ("listen", f"{protocol}/{first}-{last}"),
    ):
        written = sockets.encoded(verb, line)
        assert written is not None
        found = line_of(f"{client:02x}{written}".encode())
        assert isinstance(found, Line) and found.client == client
        assert found.grant.verb is (Verb.LISTEN if verb == "listen" else Verb.CONNECT)
        assert found.grant.protocol is (Protocol.TCP if protocol == "tcp" else Protocol.UDP)
        assert (found.grant.first, found.grant.last) == (first, last)
        if verb == "connect":
            assert (found.grant.network.number, found.grant.prefix) == (network, u32(prefix))


@given(st.one_of(st.binary(max_size=40), st.binary(min_size=NETWORK_LINE, max_size=NETWORK_LINE)))
def test_any_bytes_are_a_line_or_wrong(record: bytes) -> None:
    found = line_of(record)
    assert found is Wrong.SETTING or isinstance(found, Line)
