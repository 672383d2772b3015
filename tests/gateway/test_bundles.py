"""What the accelerator manager says of a bundle before anybody is leased it: under CPython, of the host's bundles.

Each part that was changed and signed again, as somebody with a key could, is refused, or stays within the bundle.
"""

from __future__ import annotations

import hashlib
from dataclasses import replace
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from neokernel.abi import model as layout
from neokernel.abi.kinds import PAGE_SIZE
from neokernel.crypto.ed25519 import Verdict
from neokernel.interfaces.models import Backend, NoPush
from neokernel.lang import byte_span, size_of, u8, u64, usize
from neokernel.lang.wire import wire_over
from neokernel.model import machine
from neokernel.model.bundle import CODE_SIZE, DIMENSION_SIZE, PORT_SIZE, Bundle, pack
from neokernel.model.importer import import_model
from neokernel.model.signed import HEADER_SIZE, sign
from neokernel.services.accelerator import bundle as bundles
from neokernel.services.accelerator.bundle import Loadable, Processor, Trusted, loadable, processor_of, verify_bundle
from tests.gateway.test_models import identity
from tests.model.digits import onnx_of

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
SCALAR, VECTOR = Processor(u64(0), u64(0)), Processor(u64(layout.VECTORS), u64(16))
CODES = HEADER_SIZE + 2 * PORT_SIZE + 6 * DIMENSION_SIZE


@pytest.fixture(scope="module")
def made() -> Bundle:
    return import_model(onnx_of("digits"), "digits", dimensions={"batch": 1}, source=False)


def trusted(*keys: Ed25519PrivateKey) -> Trusted:
    found = Trusted(count=usize(len(keys)))
    for number, key in enumerate(keys):
        for place, byte in enumerate(key.public_key().public_bytes_raw()):
            found.keys[number * 32 + place] = u8(byte)
    return found


def of(data: bytes, processor: Processor = SCALAR) -> Loadable | NoPush:
    return loadable(byte_span(bytearray(data)), processor)


def test_each_backend_has_its_code(made: Bundle) -> None:
    """The last one whose features the machine has: its very bytes are leased."""
    data = pack(made)
    for processor, code in ((SCALAR, made.codes[0]), (VECTOR, made.codes[1])):
        found = of(data, processor)
        assert isinstance(found, Loadable)
        first, size = int(found.code), int(found.code_pages) * PAGE_SIZE
        assert data[first : first + size].rstrip(b"\0") == code.code.rstrip(b"\0")
        constants = data[int(found.constants) :][: int(found.constants_pages) * PAGE_SIZE]
        assert constants.startswith(code.constants) and int(found.arena_pages) * PAGE_SIZE >= code.arena_size
        assert data[int(found.sample) :].startswith(made.sample) and found.head == 1
        assert found.features == processor.features
    assert processor_of(u64(16), Backend.VECTOR) == VECTOR and processor_of(u64(0), Backend.VECTOR) == SCALAR
    assert int(processor_of(u64(16), Backend.SCALAR).features) == 0
    assert of(pack(replace(made, codes=made.codes[1:]))) is NoPush.MACHINE


def verified(public: bytes, text: bytes, signature: bytes) -> Verdict:
    try:
        Ed25519PublicKey.from_public_bytes(bytes(public)).verify(bytes(signature), bytes(text))
    except InvalidSignature:
        return Verdict.WRONG
    return Verdict.VALID


def test_who_has_signed_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a small one, and by another implementation of signatures: ours takes long under CPython, and is tried on the
    machine (`test_push.py`)."""
    monkeypatch.setattr(bundles, "verify", verified)
    data = pack(import_model(identity([1]), "small", source=False, sample=False, variants=[machine.SCALAR]))
    whole = data + sign(data, KEY)
    other = Ed25519PrivateKey.generate()

    def said(data: bytes, *keys: Ed25519PrivateKey) -> NoPush | None:
        return verify_bundle(byte_span(bytearray(data)), trusted(*keys))

    assert said(whole, other, KEY) is None
    assert said(whole, other) is NoPush.KEY
    assert said(whole) is NoPush.KEYS
    assert said(data, KEY) is NoPush.UNSIGNED
    assert said(data + bytes(104), KEY) is NoPush.UNSIGNED
    assert said(whole[:-1], KEY) is NoPush.BUNDLE and said(whole + b"\0", KEY) is NoPush.BUNDLE
    assert said(b"", KEY) is NoPush.BUNDLE and said(whole[:300], KEY) is NoPush.BUNDLE
    for place, reason in ((200, NoPush.SIGNATURE), (len(data) - 1, NoPush.DAMAGED), (len(whole) - 1, NoPush.SIGNATURE)):
        damaged = bytearray(whole)
        damaged[place] ^= 1
        assert said(bytes(damaged), KEY) is reason, place


#: record, field, value → what is said; None: it stays within the bundle
CHANGES = [
    ("header", "inputs", 9, NoPush.TENSORS),
    ("header", "outputs", 0, NoPush.TENSORS),
    ("header", "outputs", 0xFFFF_FFFF, NoPush.TENSORS),
    ("header", "dimensions", 65, NoPush.TENSORS),
    ("header", "codes", 0, NoPush.BUNDLE),
    ("header", "codes", 9, NoPush.BUNDLE),
    ("header", "sample", 1, NoPush.BUNDLE),
    ("header", "sample", 1 << 63, NoPush.BUNDLE),
    ("header", "sample", "size", NoPush.BUNDLE),
    ("header", "sample_size", 0, NoPush.SAMPLE),
    ("header", "sample_size", (1 << 64) - 1, NoPush.SAMPLE),
    ("port", "size", (1 << 64) - 1, NoPush.TENSORS),
    ("port", "size", 16 << 10, NoPush.TENSORS),
    ("code", "features", 2, NoPush.MACHINE),
    ("code", "code", 8, NoPush.BUNDLE),
    ("code", "code", (1 << 64) - 4096, NoPush.BUNDLE),
    ("code", "code_size", 0, NoPush.BUNDLE),
    ("code", "code_size", (1 << 64) - 1, NoPush.BUNDLE),
    ("code", "constants", "size", NoPush.BUNDLE),
    ("code", "constants_size", (1 << 64) - 4095, NoPush.BUNDLE),
    ("code", "arena_size", (1 << 64) - 1, NoPush.QUOTA),
    ("code", "stack", (1 << 64) - 1, NoPush.QUOTA),
    ("code", "stack_vectors", (1 << 64) - 1, NoPush.QUOTA),
]
RECORDS: dict[str, tuple[Any, int]] = {
    "header": (layout.Header, 0),
    "port": (layout.Port, HEADER_SIZE),
    "code": (layout.Code, CODES),
}


@pytest.mark.parametrize(("record", "field", "value", "reason"), CHANGES)
def test_what_is_signed_isnt_believed(made: Bundle, record: str, field: str, value: Any, reason: NoPush) -> None:
    data = bytearray(pack(replace(made, codes=made.codes[:1])))
    kind, place = RECORDS[record]
    assert int(size_of(layout.Code)) == CODE_SIZE
    setattr(wire_over(kind, data, place), field, len(data) if value == "size" else value)
    assert of(bytes(data)) is reason


def test_any_bytes(made: Bundle) -> None:
    """Damaged at random: whatever is leased lies within the bundle."""
    good = pack(replace(made, codes=made.codes[:1]))
    counts = {"refused": 0, "leased": 0}
    for number in range(300):
        seed = hashlib.sha512(number.to_bytes(4, "little")).digest()
        data = bytearray(good)
        for step in range(1 + seed[0] % 3):
            data[int.from_bytes(seed[4 * step + 1 : 4 * step + 4], "little") % (CODES + CODE_SIZE)] = seed[20 + step]
        found = of(bytes(data))
        if isinstance(found, NoPush):
            counts["refused"] += 1
            continue
        counts["leased"] += 1
        for first, pages in (
            (0, found.head),
            (found.code, found.code_pages),
            (found.constants, found.constants_pages),
            (found.sample, found.sample_pages),
        ):
            assert int(first) % PAGE_SIZE == 0 and int(first) + int(pages) * PAGE_SIZE <= len(data)
    assert min(counts.values()) > 20, counts
