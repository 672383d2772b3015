"""A bundle's header and its signature, which is made and checked as a boot image's (`image/signed.py`).

Invariant: what is signed is the header, which has the hash of all else. It needs nothing that only models need.
"""

from __future__ import annotations

import hashlib
from typing import NoReturn

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from neokernel import lang
from neokernel.abi import model as layout
from neokernel.lang.wire import wire_over
from neokernel.model.problem import BAD_BUNDLE, ModelError
from neokernel.stage.format import SIGNATURE_MAGIC, SIGNATURE_SIZE, Signature

HEADER_SIZE = int(lang.size_of(layout.Header))


def wrong(message: str) -> NoReturn:
    raise ModelError(BAD_BUNDLE, message, "`nk model import` makes bundles")


def header_of(data: bytes) -> layout.Header:
    """A bundle's header, if it is one of this version, as long as it says, and unchanged."""
    if len(data) < HEADER_SIZE:
        wrong(f"it has {len(data)} bytes, and a bundle's header alone {HEADER_SIZE}")
    header: layout.Header = wire_over(layout.Header, bytearray(data[:HEADER_SIZE]))
    if header.magic != layout.MAGIC:
        wrong("it doesn't begin like a bundle of a model")
    if header.version != layout.VERSION:
        wrong(f"it is of version {int(header.version)}, and this is for version {layout.VERSION}")
    if header.size != len(data):
        wrong(f"it has {len(data)} bytes, and says that it has {int(header.size)}")
    if bytes(header.contents) != hashlib.sha512(data[HEADER_SIZE:]).digest():
        wrong("its contents aren't those that its header has the hash of")
    return header


def is_bundle(data: bytes) -> bool:
    """Does it begin like one?"""
    return data.startswith(layout.MAGIC.to_bytes(8, "little"))


def sign(data: bytes, key: Ed25519PrivateKey) -> bytes:
    """A bundle's signature, as it lies in a file of its own: of its header, as a boot image's is."""
    header_of(data)
    return SIGNATURE_MAGIC.to_bytes(8, "little") + key.public_key().public_bytes_raw() + key.sign(data[:HEADER_SIZE])


def signer_of(data: bytes, signature: bytes) -> bytes:
    """The public key that a bundle was signed with."""
    header_of(data)
    if len(signature) != SIGNATURE_SIZE or not signature.startswith(SIGNATURE_MAGIC.to_bytes(8, "little")):
        wrong(f"its signature isn't one: that has {SIGNATURE_SIZE} bytes, and a beginning of its own")
    record = wire_over(Signature, bytearray(signature))
    public = bytes(record.key)
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(bytes(record.signature), data[:HEADER_SIZE])
    except (InvalidSignature, ValueError):
        wrong("its signature is of something else")
    return public
