"""SHA-512, against the host's."""

from __future__ import annotations

import hashlib
import itertools
import random

import pytest

from neokernel import lang
from neokernel.crypto import sha512 as target
from tests.crypto.support import sha512


def under_cpython(*pieces: bytes) -> bytes:
    digest = bytearray(64)
    hash = target.Sha512()
    for piece in pieces:
        hash.update(lang.byte_view(piece))
    hash.finish(lang.byte_span(digest))
    return bytes(digest)


def test_published_vectors() -> None:
    # FIPS 180-4's examples, as NIST gives them.
    assert sha512(b"abc").hex().startswith("ddaf35a193617abacc417349ae204131")
    longer = "".join("abcdefghijklmnopqrstu"[start : start + 8] for start in range(14)).encode()
    assert sha512(longer).hex().startswith("8e959b75dae313da8cf4f72814fc143f")


def test_every_length_up_to_three_blocks() -> None:
    data = random.Random(1).randbytes(400)
    for length in range(len(data)):
        assert sha512(data[:length]) == hashlib.sha512(data[:length]).digest(), length


def test_a_long_message() -> None:
    data = random.Random(2).randbytes(1_000_003)
    assert sha512(data) == hashlib.sha512(data).digest()


@pytest.mark.parametrize("cuts", [(), (0,), (1,), (111, 112), (127,), (128,), (129, 129, 200), (5, 133, 261, 300)])
def test_pieces_under_cpython(cuts: tuple[int, ...]) -> None:
    data = random.Random(3).randbytes(301)
    places = (0, *cuts, len(data))
    pieces = [data[start:end] for start, end in itertools.pairwise(places)]
    assert under_cpython(*pieces) == hashlib.sha512(data).digest()
