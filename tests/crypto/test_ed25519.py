"""Ed25519's verification: published vectors, the host's library, and what no honest signer makes."""

from __future__ import annotations

import random
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from neokernel import lang
from neokernel.crypto import ed25519, field25519
from neokernel.crypto.ed25519 import Verdict
from tests.crypto import curve
from tests.crypto.curve import BASE, NEUTRAL, L, P, Point, challenge, signature
from tests.crypto.support import verify

VALID, KEY, SCALAR, WRONG = Verdict.VALID, Verdict.KEY, Verdict.SCALAR, Verdict.WRONG

#: RFC 8032, section 7.1: seed, message; public key and signature follow
RFC_8032 = [
    (
        "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
        "",
        "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
        "e5564300c360ac729086e2cc806e828a84877f1eb8e5d974d873e065224901555fb8821590a33bacc61e39701cf9b46bd25bf5f0595bbe24655141438e7a100b",
    ),
    (
        "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
        "72",
        "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
        "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00",
    ),
    (
        "c5aa8df43f9f837bedb7442f31dcb7b166d38535076f094b85ce3a2e0b4458f7",
        "af82",
        "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025",
        "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a",
    ),
    (
        "833fe62409237b9d62ec77587520911e9a759cec1d19755b7da901b96dca3d42",
        "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
        "ec172b93ad5e563bf4932c70e1245034c35467ef2efd4d64ebf819683467e2bf",
        "dc2a4459e7369633a52b1bf277839a00201009a3efbf3ecb69bea2186c26b58909351fc9ac90b3ecfdfbc7c66431e0303dca179c138ac17ad9bef1177331a704",
    ),
]


def under_cpython(key: bytes, message: bytes, signed: bytes) -> Verdict:
    found = ed25519.verify(*map(lang.byte_view, (key, message, signed)))
    assert isinstance(found, Verdict)
    return found


def host_accepts(key: bytes, message: bytes, signed: bytes) -> bool:
    try:
        Ed25519PublicKey.from_public_bytes(key).verify(signed, message)
    except (InvalidSignature, ValueError):
        return False
    return True


def words(scalar: int) -> Any:
    return lang.array_of(*(lang.u64(scalar >> 64 * index & 2**64 - 1) for index in range(4)))


def key_pair(seed: int) -> tuple[Ed25519PrivateKey, bytes]:
    private = Ed25519PrivateKey.from_private_bytes(random.Random(seed).randbytes(32))
    return private, private.public_key().public_bytes_raw()


# --- what is valid ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("seed", "message", "key", "signed"), RFC_8032, ids=["empty", "1 byte", "2 bytes", "64 bytes"])
def test_vectors_of_the_standard(seed: str, message: str, key: str, signed: str) -> None:
    assert verify(bytes.fromhex(key), bytes.fromhex(message), bytes.fromhex(signed)) is VALID
    assert Ed25519PrivateKey.from_private_bytes(bytes.fromhex(seed)).sign(bytes.fromhex(message)).hex() == signed


def test_under_cpython_with_its_contracts() -> None:
    _, message, key, signed = (bytes.fromhex(part) for part in RFC_8032[2])
    assert under_cpython(key, message, signed) is VALID
    assert under_cpython(key, message + b"\0", signed) is WRONG


def test_what_the_host_has_signed() -> None:
    chance = random.Random(20)
    for seed in range(200):
        private, key = key_pair(seed)
        message = chance.randbytes(chance.randrange(300))
        assert verify(key, message, private.sign(message)) is VALID, seed


def test_changed_signatures_keys_and_messages_as_the_host_takes_them() -> None:
    chance = random.Random(21)
    private, key = key_pair(1000)
    message = b"the kernel, its archive and what else there is"
    signed = private.sign(message)
    for _ in range(300):
        parts = [bytearray(key), bytearray(message), bytearray(signed)]
        for _ in range(chance.randrange(1, 4)):
            part = chance.choice(parts)
            part[chance.randrange(len(part))] ^= 1 << chance.randrange(8)
        changed = [bytes(part) for part in parts]
        if changed != [key, message, signed]:
            assert verify(*changed) is not VALID
            assert not host_accepts(*changed)


def test_no_bit_of_a_signature_can_be_changed() -> None:
    private, key = key_pair(1001)
    signed = private.sign(b"message")
    for bit in range(8 * len(signed)):
        changed = bytearray(signed)
        changed[bit // 8] ^= 1 << bit % 8
        assert verify(key, b"message", bytes(changed)) in (WRONG, SCALAR), bit


def test_no_bit_of_a_key_can_be_changed() -> None:
    private, key = key_pair(1002)
    signed = private.sign(b"message")
    for bit in range(8 * len(key)):
        changed = bytearray(key)
        changed[bit // 8] ^= 1 << bit % 8
        assert verify(bytes(changed), b"message", signed) in (WRONG, KEY), bit


@pytest.mark.parametrize("length", [0, 31, 33, 63, 64, 65, 128])
def test_other_lengths(length: int) -> None:
    private, key = key_pair(1003)
    signed = private.sign(b"")
    assert verify((key * 4)[:length], b"", signed) is KEY
    if length != 64:
        assert verify(key, b"", (signed * 2)[:length]) is WRONG


# --- what no honest signer makes --------------------------------------------------------------------------------------

TORSION = curve.torsion()
SMALL = [factor * TORSION for factor in range(8)]
#: a secret scalar and its key, without the standard's clamping
SECRET = 0x123456789ABCDEF << 130
HONEST = SECRET * BASE
MESSAGE = b"message"


def made(key: Point, r: Point, encoded_r: bytes | None = None, secret: int = SECRET, nonce: int = 0) -> bytes:
    """A signature with this R, and S as if all were well: nonce + k secret."""
    r_bytes = encoded_r or r.encoded()
    return signature(r_bytes, (nonce + challenge(r_bytes, key.encoded(), MESSAGE) * secret) % L)


def test_the_reference_signs_as_the_host_verifies() -> None:
    signed = made(HONEST, 77 * BASE, nonce=77)
    assert host_accepts(HONEST.encoded(), MESSAGE, signed)
    assert verify(HONEST.encoded(), MESSAGE, signed) is VALID


@pytest.mark.parametrize("multiple", [1, 2, 15])
def test_a_scalar_with_the_order_added(multiple: int) -> None:
    """The equation holds for S + L as for S: but each signature is to be the only one of its kind (5.1.7)."""
    signed = made(HONEST, 77 * BASE, nonce=77)
    s = int.from_bytes(signed[32:], "little") + multiple * L
    assert s < 2**256
    assert verify(HONEST.encoded(), MESSAGE, signature(signed[:32], s)) is SCALAR


@pytest.mark.parametrize("s", [L, L + 1, 2**253, 2**255, 2**256 - 1])
def test_scalars_from_the_order_on(s: int) -> None:
    assert verify(HONEST.encoded(), MESSAGE, signature(HONEST.encoded(), s)) is SCALAR


@pytest.mark.parametrize(("s", "k"), [(L - 1, L - 1), (0, 0), (1, 0), (0, 1), (2**252 - 1, 15), (31, L - 16)])
def test_combinations_of_extreme_scalars(s: int, k: int) -> None:
    """No signature can be made to have these, so the sum itself is looked at."""
    a = 5 * BASE + TORSION
    point = ed25519.decoded_point(lang.byte_view(a.encoded()))
    assert point is not None
    target = bytearray(32)
    ed25519.encode(ed25519.combination(words(s), words(k), point), lang.byte_span(target))
    assert bytes(target) == (s * BASE + k * a).encoded()


@pytest.mark.parametrize("index", range(8))
def test_keys_of_small_order(index: int) -> None:
    """With the neutral key S = 0 and R = 0 hold for every message; with the seven others, for one in eight or so."""
    key = SMALL[index].encoded()
    for r in SMALL:
        assert verify(key, MESSAGE, signature(r.encoded(), 0)) is KEY


NEUTRAL_WRONGLY = [
    pytest.param((P + 1).to_bytes(32, "little"), id="y = P + 1"),
    pytest.param((1 | 1 << 255).to_bytes(32, "little"), id="x = -0"),
    pytest.param((P + 1 | 1 << 255).to_bytes(32, "little"), id="both"),
]


@pytest.mark.parametrize("encoded", NEUTRAL_WRONGLY)
def test_keys_encoded_wrongly(encoded: bytes) -> None:
    assert verify(encoded, MESSAGE, signature(NEUTRAL.encoded(), 0)) is KEY


@pytest.mark.parametrize("y", range(19))
@pytest.mark.parametrize("odd", [False, True])
def test_keys_with_a_y_not_below_p(y: int, odd: bool) -> None:
    """Some of them are points that others take: they would be a second name of the same key."""
    encoded = (P + y | odd << 255).to_bytes(32, "little")
    assert verify(encoded, MESSAGE, signature(BASE.encoded(), 1)) is KEY


def test_the_largest_y_that_is_below_p() -> None:
    """P - 1 is the point of order 2: encoded rightly, and of small order. P - 2 is no point; others below it are."""
    assert verify((P - 1).to_bytes(32, "little"), MESSAGE, signature(BASE.encoded(), 1)) is KEY
    y = next(y for y in range(P - 3, P - 40, -1) if curve.with_y(y) is not None)
    assert verify(y.to_bytes(32, "little"), MESSAGE, signature(BASE.encoded(), 1)) is WRONG


def test_keys_that_are_no_points() -> None:
    none = [y for y in range(2, 60) if curve.with_y(y) is None]
    assert len(none) > 10
    for y in none:
        assert verify(y.to_bytes(32, "little"), MESSAGE, signature(BASE.encoded(), 1)) is KEY


@pytest.mark.parametrize("encoded", NEUTRAL_WRONGLY)
def test_r_encoded_wrongly(encoded: bytes) -> None:
    """R is neutral and S = k a: the points match, the bytes of R don't. Who decodes R first would take it."""
    assert verify(HONEST.encoded(), MESSAGE, made(HONEST, NEUTRAL, encoded)) is WRONG


def test_r_neutral() -> None:
    """S = k a and R neutral hold, and only the holder of the key can make such an S (which gives the key away)."""
    signed = made(HONEST, NEUTRAL)
    assert verify(HONEST.encoded(), MESSAGE, signed) is VALID
    assert host_accepts(HONEST.encoded(), MESSAGE, signed)


@pytest.mark.parametrize("index", range(1, 8))
def test_r_with_a_part_of_small_order(index: int) -> None:
    """Times the cofactor the equation would hold; without, it doesn't."""
    r = 77 * BASE + SMALL[index]
    signed = made(HONEST, r, nonce=77)
    assert verify(HONEST.encoded(), MESSAGE, signed) is WRONG
    assert not host_accepts(HONEST.encoded(), MESSAGE, signed)


def test_a_key_with_a_part_of_small_order() -> None:
    """The key is of no small order itself. The part matters where k isn't a multiple of 8: there it is refused."""
    key = HONEST + TORSION
    seen = set()
    for nonce in range(1, 60):
        signed = made(key, nonce * BASE, nonce=nonce)
        matters = challenge(signed[:32], key.encoded(), MESSAGE) % 8 != 0
        assert verify(key.encoded(), MESSAGE, signed) is (WRONG if matters else VALID), nonce
        assert host_accepts(key.encoded(), MESSAGE, signed) is not matters
        seen.add(matters)
    assert seen == {False, True}


@pytest.mark.parametrize("y", [0, 1, 2, 3, P - 1, P, P + 1, P + 18, 2**255 - 1])
def test_r_of_extreme_values(y: int) -> None:
    for odd in (0, 1):
        r = (y | odd << 255).to_bytes(32, "little")
        for s in (0, 1, L - 1):
            signed = signature(r, s)
            expected = VALID if host_accepts(HONEST.encoded(), MESSAGE, signed) else WRONG
            assert verify(HONEST.encoded(), MESSAGE, signed) is expected is WRONG


# --- the field --------------------------------------------------------------------------------------------------------


def number(value: int) -> field25519.Number:
    found = field25519.decoded(lang.byte_view(value.to_bytes(32, "little")))
    assert found is not None
    return found


def exact(n: field25519.Number) -> int:
    """The number by its limbs."""
    return sum(int(limb) << 51 * index for index, limb in enumerate((n.l0, n.l1, n.l2, n.l3, n.l4)))


def encoded(n: field25519.Number) -> int:
    target = bytearray(32)
    n.encode(lang.byte_span(target))
    return int.from_bytes(target, "little")


EDGES = [0, 1, 2, 18, 19, 2**51 - 1, 2**51, 2**102, 2**204 - 1, 2**254, P - 20, P - 19, P - 2, P - 1]


def test_arithmetic_of_the_field_under_cpython() -> None:
    chance = random.Random(4)
    values = [*EDGES, *(chance.randrange(P) for _ in range(6))]
    for a in values:
        x = number(a)
        assert encoded(x) == a
        assert encoded(x.squared()) == a * a % P
        assert encoded(x.negated()) == -a % P
        for b in values:
            y = number(b)
            assert encoded(x.plus(y)) == (a + b) % P
            assert encoded(x.minus(y)) == (a - b) % P
            assert encoded(x.times(y)) == a * b % P
            assert encoded(x.plus(y).times(x.minus(y))) == (a * a - b * b) % P


def test_the_largest_limbs_that_can_be_multiplied() -> None:
    """No sum in a product wraps around."""
    for bits in (51, 52, 53, 54):
        top = field25519.Number(*[lang.u64(2**bits - 1)] * 5)
        assert exact(top.times(top)) % P == exact(top) ** 2 % P
        assert exact(top.squared()) % P == exact(top) ** 2 % P
    with pytest.raises(lang.ContractFailed):
        field25519.Number(*[lang.u64(2**54)] * 5).squared()


@pytest.mark.parametrize("value", [P, P + 1, P + 18, 2**255 - 1])
def test_numbers_not_below_p(value: int) -> None:
    assert field25519.decoded(lang.byte_view(value.to_bytes(32, "little"))) is None


def test_the_representation_below_p_of_any_limbs() -> None:
    chance = random.Random(5)
    for bits in (51, 52, 53, 54):
        for _ in range(20):
            limbs = [chance.choice([0, 1, 2**bits - 1, chance.randrange(2**bits)]) for _ in range(5)]
            some = field25519.Number(*map(lang.u64, limbs))
            assert encoded(some) == exact(some) % P
    for near in range(-20, 20):
        some = field25519.Number(lang.u64(2**51 - 19 + near), *[lang.u64(2**51 - 1)] * 4)
        assert encoded(some) == exact(some) % P


def test_recoding_of_scalars() -> None:
    chance = random.Random(6)
    for scalar in [0, 1, 15, 16, 17, 31, 32, L - 1, L // 2, 2**252, *(chance.randrange(L) for _ in range(40))]:
        digits = lang.array_of(*(lang.i8(0) for _ in range(ed25519.DIGITS)))
        ed25519.recode(words(scalar), digits)
        assert sum(int(digit) << index for index, digit in enumerate(digits)) == scalar
        assert all(digit == 0 or (digit % 2 == 1 and abs(digit) < 16) for digit in digits)
