"""What the first stage takes and what it refuses, and why: each field, each byte, each bit of a small image."""

from __future__ import annotations

import hashlib
import struct

import pytest

from neokernel import lang
from neokernel.image.signed import Named, enrolment
from neokernel.stage.refusal import Refusal
from neokernel.stage.verify import Placed as Part
from neokernel.stage.verify import Range, can_be_placed
from neokernel.stage.verify import Verified as Accepted
from tests.stage import driver
from tests.stage.support import (
    ARCHIVE,
    BLOB,
    HEADER,
    KEY,
    LOAD,
    LOAD_END,
    OTHER,
    Image,
    Placed,
    Verified,
    look,
    signature,
    signed,
)

IMAGE = Image()
GOOD = signed(IMAGE)


def test_a_signed_image() -> None:
    assert look(GOOD) == Verified(Placed(HEADER, 8, LOAD, 4096), Placed(HEADER + 8, 8, ARCHIVE, 8), LOAD, 1)


def test_under_cpython_with_all_contracts() -> None:
    """The same source, read by Python: what it says, and that no contract is broken on the way."""
    found = driver.look(lang.byte_view(BLOB), lang.byte_span(bytearray(GOOD)))
    assert isinstance(found, Accepted)
    assert (found.kernel.source.start, found.archive.memory.start, found.entry, found.key) == (HEADER, ARCHIVE, LOAD, 1)
    changed = bytearray(GOOD)
    changed[HEADER] ^= 1
    assert driver.look(lang.byte_view(BLOB), lang.byte_span(changed)) is Refusal.CONTENTS


# --- before anything is trusted ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        (IMAGE.but(magic=b"nkimagf\0"), Refusal.NOT_AN_IMAGE),
        (IMAGE.but(magic=b"\x7fELF\2\1\1\0"), Refusal.NOT_AN_IMAGE),
        (IMAGE.but(version=0), Refusal.IMAGE_VERSION),
        (IMAGE.but(version=2), Refusal.IMAGE_VERSION),
        (IMAGE.but(machine=62), Refusal.MACHINE),
        (IMAGE.but(board=b"virt2"), Refusal.BOARD),
        (IMAGE.but(board=b"vir"), Refusal.BOARD),
        (IMAGE.but(board=b"virt".ljust(15, b"\0") + b"x"), Refusal.BOARD),
        (IMAGE.but(size=0), Refusal.TRUNCATED),
        (IMAGE.but(size=HEADER - 1), Refusal.TRUNCATED),
        (IMAGE.but(size=HEADER), Refusal.EXTENDED),
        (IMAGE.but(size=HEADER + 15), Refusal.EXTENDED),
        (IMAGE.but(size=HEADER + 17), Refusal.TRUNCATED),
        (IMAGE.but(size=2**63), Refusal.TRUNCATED),
        (IMAGE.but(size=2**64 - 1), Refusal.TRUNCATED),
    ],
)
def test_the_message_fits_whoever_has_signed(changed: Image, refusal: Refusal) -> None:
    for key in (KEY, OTHER):
        assert look(signed(changed, key)) is refusal


def test_lengths() -> None:
    """Cut off or with something behind it, at every byte."""
    assert look(b"") is Refusal.NO_IMAGE
    for length in range(1, len(GOOD)):
        expected = (
            Refusal.NOT_AN_IMAGE
            if length < HEADER
            else Refusal.NOT_SIGNED
            if length == HEADER + 16
            else Refusal.TRUNCATED
        )
        assert look(GOOD[:length]) is expected, length
    for more in (b"\0", bytes(8), bytes(4096), GOOD):
        assert look(GOOD + more) is Refusal.EXTENDED


# --- signatures -------------------------------------------------------------------------------------------------------


def test_signatures() -> None:
    data, header = IMAGE.data(), IMAGE.header()
    public, other = KEY.public_key().public_bytes_raw(), OTHER.public_key().public_bytes_raw()
    good, wrong = KEY.sign(header), OTHER.sign(header)
    assert look(data + bytes(104)) is Refusal.NO_SIGNATURE
    assert look(data + b"nksign2\0" + public + good) is Refusal.NO_SIGNATURE
    assert look(signed(IMAGE, OTHER)) is Refusal.UNKNOWN_KEY
    assert look(data + b"nksign1\0" + public + wrong) is Refusal.WRONG_SIGNATURE
    assert look(data + b"nksign1\0" + other + good) is Refusal.UNKNOWN_KEY
    assert look(data + b"nksign1\0" + public + KEY.sign(data)) is Refusal.WRONG_SIGNATURE
    assert look(data + signature(IMAGE.but(rollback=1).header())) is Refusal.WRONG_SIGNATURE


def test_an_enrolled_key_that_is_none_signs_nothing() -> None:
    """The first of the enrolled ones is zeroes: a point of small order, for which forged signatures hold."""
    assert look(IMAGE.data() + b"nksign1\0" + bytes(32) + bytes(64)) is Refusal.WRONG_SIGNATURE
    assert look(IMAGE.data() + b"nksign1\0" + bytes(32) + b"\1" + bytes(63)) is Refusal.WRONG_SIGNATURE


def test_an_operator_signs_no_images() -> None:
    keys = [Named("key", KEY.public_key().public_bytes_raw())]
    operators = [Named("operator", OTHER.public_key().public_bytes_raw())]
    assert look(signed(IMAGE, OTHER), enrolment(keys, operators)) is Refusal.UNKNOWN_KEY
    assert look(signed(IMAGE, OTHER), enrolment(operators, keys)) != Refusal.UNKNOWN_KEY


def test_no_bit_of_an_image_or_its_signature_can_be_changed() -> None:
    for bit in range(8 * len(GOOD)):
        changed = bytearray(GOOD)
        changed[bit // 8] ^= 1 << bit % 8
        assert isinstance(look(bytes(changed)), Refusal), bit


def test_any_byte_of_what_was_signed_can_be_named() -> None:
    """Changed contents have a message of their own, as they are what goes wrong on the way."""
    for place in range(HEADER, HEADER + 16):
        changed = bytearray(GOOD)
        changed[place] ^= 0xFF
        assert look(bytes(changed)) is Refusal.CONTENTS


# --- what a key has signed all the same -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changed", "refusal"),
    [
        (IMAGE.but(unused=b"\1"), Refusal.RESERVED),
        (IMAGE.but(unused=bytes(71) + b"\1"), Refusal.RESERVED),
        (IMAGE.but(digest=bytes(64)), Refusal.CONTENTS),
        (IMAGE.but(digest=hashlib.sha512(b"").digest()), Refusal.CONTENTS),
        (IMAGE.but(kernel=(LOAD, HEADER - 8, 8, 4096)), Refusal.LAYOUT),
        (IMAGE.but(kernel=(LOAD, HEADER + 1, 8, 4096)), Refusal.LAYOUT),
        (IMAGE.but(kernel=(LOAD, HEADER, 17, 4096)), Refusal.LAYOUT),
        (IMAGE.but(kernel=(LOAD, HEADER, 2**64 - 1, 4096)), Refusal.LAYOUT),
        (IMAGE.but(kernel=(LOAD, 2**64 - 8, 8, 4096)), Refusal.LAYOUT),
        (IMAGE.but(kernel=(LOAD, 2**64 - 8, 16, 4096)), Refusal.LAYOUT),
        (IMAGE.but(kernel=(LOAD, HEADER, 8, 7)), Refusal.LAYOUT),
        (IMAGE.but(kernel=(LOAD, HEADER, 8, 2**64 - 1)), Refusal.LAYOUT),
        (IMAGE.but(kernel=(LOAD + 8, HEADER, 8, 4096), entry=LOAD + 8), Refusal.LAYOUT),
        (IMAGE.but(kernel=(2**64 - 4096, HEADER, 8, 4096), entry=2**64 - 4096), Refusal.LAYOUT),
        (IMAGE.but(kernel=(LOAD, HEADER, 8, ARCHIVE - LOAD + 1)), Refusal.LAYOUT),
        (IMAGE.but(archive=(LOAD, HEADER + 8, 8, 8)), Refusal.LAYOUT),
        (IMAGE.but(archive=(ARCHIVE, HEADER + 16, 8, 8)), Refusal.LAYOUT),
        (IMAGE.but(entry=0), Refusal.LAYOUT),
        (IMAGE.but(entry=LOAD - 4), Refusal.LAYOUT),
        (IMAGE.but(entry=LOAD + 2), Refusal.LAYOUT),
        (IMAGE.but(entry=LOAD + 8), Refusal.LAYOUT),
        (IMAGE.but(entry=2**64 - 4), Refusal.LAYOUT),
    ],
)
def test_nonsense_that_is_signed(changed: Image, refusal: Refusal) -> None:
    assert look(signed(changed)) is refusal


@pytest.mark.parametrize(
    "changed",
    [
        IMAGE.but(entry=LOAD + 4),
        IMAGE.but(kernel=(LOAD, HEADER, 16, 4096), archive=(ARCHIVE, HEADER, 16, 16)),
        IMAGE.but(archive=(ARCHIVE, HEADER + 16, 0, 0)),
        IMAGE.but(archive=(LOAD - 4096, HEADER, 8, 4096)),
        IMAGE.but(kernel=(LOAD, HEADER, 8, ARCHIVE - LOAD)),
    ],
)
def test_layouts_that_are_unusual_and_right(changed: Image) -> None:
    assert isinstance(look(signed(changed)), Verified)


# --- keys -------------------------------------------------------------------------------------------------------------


def with_digest(blob: bytes) -> bytes:
    return blob + hashlib.sha512(blob).digest()


def blob_of(
    keys: bytes, image: int, operator: int = 0, *, version: int = 1, unused: int = 0, rollback: int = 0
) -> bytes:
    return with_digest(struct.pack("<8sIIIIQ", b"nkenrol\0", version, image, operator, unused, rollback) + keys)


ONE = KEY.public_key().public_bytes_raw() + b"key".ljust(32, b"\0")


def test_blobs_that_are_right() -> None:
    assert isinstance(look(GOOD, blob_of(ONE, 1)), Verified)
    assert isinstance(look(GOOD, BLOB + bytes(100)), Verified)
    assert isinstance(look(GOOD, BLOB + b"\xff" * 10_000), Verified)
    assert isinstance(look(GOOD, blob_of(ONE * 32, 32)), Verified)
    assert isinstance(look(GOOD, blob_of(ONE * 32, 1, 31)), Verified)


@pytest.mark.parametrize(
    ("blob", "refusal"),
    [
        (b"", Refusal.NOT_ENROLLED),
        (bytes(4096), Refusal.NOT_ENROLLED),
        (b"\xff" * 4096, Refusal.NOT_ENROLLED),
        (BLOB[:31], Refusal.NOT_ENROLLED),
        (BLOB[:32], Refusal.ENROLMENT_DAMAGED),
        (BLOB[:-1], Refusal.ENROLMENT_DAMAGED),
        (blob_of(ONE, 1, version=2), Refusal.ENROLMENT_VERSION),
        (blob_of(ONE, 1, unused=1), Refusal.ENROLMENT_VERSION),
        (blob_of(b"", 0), Refusal.ENROLMENT_EMPTY),
        (blob_of(ONE, 0, 1), Refusal.ENROLMENT_EMPTY),
        (blob_of(ONE, 2), Refusal.ENROLMENT_DAMAGED),
        (blob_of(ONE * 33, 33), Refusal.ENROLMENT_DAMAGED),
        (blob_of(ONE * 33, 1, 32), Refusal.ENROLMENT_DAMAGED),
        (blob_of(ONE, 2**32 - 1), Refusal.ENROLMENT_DAMAGED),
        (blob_of(ONE, 1, 2**32 - 1), Refusal.ENROLMENT_DAMAGED),
        (blob_of(ONE[:32] + bytes(32), 1), Refusal.ENROLMENT_DAMAGED),
        (blob_of(ONE[:32] + b"a b".ljust(32, b"\0"), 1), Refusal.ENROLMENT_DAMAGED),
        (blob_of(ONE[:32] + b"a\x1b".ljust(32, b"\0"), 1), Refusal.ENROLMENT_DAMAGED),
        (blob_of(ONE[:32] + "ä".encode().ljust(32, b"\0"), 1), Refusal.ENROLMENT_DAMAGED),
        (blob_of(ONE[:32] + b"a\0b".ljust(32, b"\0"), 1), Refusal.ENROLMENT_DAMAGED),
    ],
)
def test_blobs_that_are_refused(blob: bytes, refusal: Refusal) -> None:
    assert look(GOOD, blob) is refusal


def test_no_bit_of_a_blob_can_be_changed() -> None:
    for bit in range(8 * len(BLOB)):
        changed = bytearray(BLOB)
        changed[bit // 8] ^= 1 << bit % 8
        assert isinstance(look(GOOD, bytes(changed)), Refusal), bit


# --- places -----------------------------------------------------------------------------------------------------------

FREE = Range(LOAD, LOAD_END - LOAD)
LOADED = Range(0x8600_0000, 0x20000)
TREE = Range(0x87E0_0000, 0x2000)


def fits(kernel: Range, archive: Range, loaded: Range = LOADED, tree: Range = TREE) -> bool:
    image = Accepted(Part(Range(HEADER, 8), kernel), Part(Range(HEADER + 8, 8), archive), kernel.start, 0)
    return bool(can_be_placed(image, FREE, loaded, tree))


KERNEL, FILES = Range(LOAD, 0x20000), Range(ARCHIVE, 0x10000)


def test_places() -> None:
    assert fits(KERNEL, FILES)
    assert fits(KERNEL, Range(LOAD_END - 4096, 4096))
    assert fits(Range(LOAD, ARCHIVE - LOAD), FILES)


@pytest.mark.parametrize(
    ("kernel", "archive"),
    [
        (Range(LOAD - 4096, 0x2000), FILES),
        (Range(0, 4096), FILES),
        (KERNEL, Range(LOAD_END - 4096, 4097)),
        (KERNEL, Range(LOAD_END + 4096, 4096)),
        (Range(LOAD, LOAD_END - LOAD + 1), FILES),
    ],
)
def test_the_first_stage_and_the_firmware_are_not_overwritten(kernel: Range, archive: Range) -> None:
    assert not fits(kernel, archive)


def test_what_is_still_read_is_not_overwritten() -> None:
    assert not fits(KERNEL, FILES, loaded=Range(LOAD + 0x1F000, 0x1000))
    assert not fits(KERNEL, FILES, loaded=Range(ARCHIVE - 4096, 4097))
    assert fits(KERNEL, FILES, loaded=Range(ARCHIVE - 4096, 4096))
    assert not fits(KERNEL, FILES, tree=Range(LOAD, 64))
    assert not fits(KERNEL, FILES, tree=Range(ARCHIVE + 0xFFF8, 64))


@pytest.mark.parametrize("least", [0, 1, 5, 1 << 32, (1 << 64) - 1])
def test_an_image_that_is_too_old_is_refused(least: int) -> None:
    """Whoever has signed it: its rollback index, which is signed, is at least the board's."""
    blob = blob_of(ONE, 1, rollback=least)
    for rollback in {0, least - 1, least, least + 1, (1 << 64) - 1} - {-1, 1 << 64}:
        found = look(signed(IMAGE.but(rollback=rollback)), blob)
        assert isinstance(found, Verified) if rollback >= least else found is Refusal.TOO_OLD, rollback
    older = signed(IMAGE.but(rollback=least))
    claimed = IMAGE.but(rollback=(1 << 64) - 1).data() + older[-104:]
    assert least == (1 << 64) - 1 or look(claimed, blob) is Refusal.WRONG_SIGNATURE
