"""One round corrupts what a board starts with, and looks at what the first stage (just-in-time compiled) says.

Three kinds:
- the image with its signature is changed: it must be refused, and the host's own reading must say so too;
- the image is changed and then signed by an enrolled key, with or without the hash that fits: it may be taken, if its
  parts lie in it and fit together;
- the enrolment blob is changed: it must be refused.
No check may fail in the first stage, and the host raises `BadBootImage`, nothing else.

Invariant: a round depends on its seed alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import random
from collections import Counter

from neokernel.image.signed import BadBootImage, Named, enrolment, signer_of
from neokernel.stage.refusal import Refusal
from tests.stage.support import ARCHIVE, BLOB, HEADER, KEY, LOAD, Image, Placed, Verified, look, signature

SIGNATURE = 104
HASH = slice(48, 112)
#: the image's rollback index
ROLLBACK = 40
#: where the header has numbers of 64 bits
FIELDS = (0, 32, 40, *range(112, 184, 8))
EXTREMES = (0, 1, 7, 8, 255, 256, 257, 4096, 2**31, 2**32, 2**56, 2**56 - 1, 2**63, 2**64 - 1, 2**64 - 4096)
MOST = 1 << 56


class Found(Exception):
    """What must not be."""


def image_of(chance: random.Random) -> bytes:
    """Some image, of any size up to a few KiB."""
    kernel, archive = 8 * chance.randrange(1, 200), 8 * chance.randrange(200)
    return Image(
        contents=chance.randbytes(kernel + archive),
        kernel=(LOAD, HEADER, kernel, kernel + chance.randrange(5000)),
        archive=(ARCHIVE, HEADER + kernel, archive, archive),
    ).data()


def corrupted(data: bytes, chance: random.Random) -> bytes:
    """The bytes, changed in one to three places or in their length."""
    made = bytearray(data)
    for _ in range(chance.randrange(1, 4)):
        place = chance.randrange(len(made) + 1)
        length = chance.choice([1, 2, 8, 64, 512])
        match chance.randrange(8):
            case 0 | 1 if place < len(made):
                made[place] ^= 1 << chance.randrange(8)
            case 2:
                made[place : place + length] = bytes(len(made[place : place + length]))
            case 3:
                made[place : place + length] = chance.randbytes(len(made[place : place + length]))
            case 4:
                del made[place : place + length]
            case 5:
                made[place:place] = chance.randbytes(length)
            case 6:
                other = chance.randrange(len(made) + 1)
                made[place : place + length] = made[other : other + length]
            case _:
                put(made, chance.choice(FIELDS), number(chance, len(made)))
    return bytes(made)


def number(chance: random.Random, size: int) -> int:
    """A number that means something here, or nearly."""
    near = chance.choice([*EXTREMES, LOAD, ARCHIVE, HEADER, size, size - SIGNATURE, chance.randrange(2**64)])
    return (near + chance.choice([-8, -1, 0, 0, 0, 1, 8])) % 2**64


def put(data: bytearray, place: int, number: int) -> None:
    if place + 8 <= len(data):
        data[place : place + 8] = number.to_bytes(8, "little")


def once(seed: int) -> str:
    """A round; what came of it, in a word. Raises Found."""
    chance = random.Random(seed)
    image = image_of(chance)
    good = image + signature(image[:HEADER])
    match chance.randrange(4):
        case 0:
            blob = corrupted(BLOB, chance)
            return refused(good, blob, whole=blob[: len(BLOB)] == BLOB)
        case 1:
            return signed_all_the_same(image, chance)
        case _:
            loaded = corrupted(good, chance)
            if loaded != good:
                with contextlib.suppress(BadBootImage):
                    signer_of(loaded[:-SIGNATURE], loaded[-SIGNATURE:])
                    raise Found("the host takes a corrupted image")
            return refused(loaded, BLOB, whole=loaded == good)


def refused(loaded: bytes, blob: bytes, *, whole: bool) -> str:
    verdict = look(loaded, blob)
    if isinstance(verdict, Refusal) == whole:
        raise Found(f"{'refused' if whole else 'taken'}: {verdict}")
    return verdict.name if isinstance(verdict, Refusal) else "whole"


def signed_all_the_same(image: bytes, chance: random.Random) -> str:
    """A header of nonsense with a signature that holds."""
    made = bytearray(image)
    for _ in range(chance.randrange(1, 5)):
        put(made, chance.choice(FIELDS[3:]), number(chance, len(image)))
    if chance.randrange(8) == 0:
        made = bytearray(corrupted(bytes(made), chance))
    if len(made) >= HEADER and chance.randrange(8) != 0:
        made[HASH] = hashlib.sha512(made[HEADER:]).digest()
        put(made, 32, len(made))
    blob = BLOB
    if chance.randrange(4) == 0:
        # A board that starts no image below some rollback index, and an image with some.
        put(made, ROLLBACK, number(chance, len(image)))
        blob = enrolment([Named("key", KEY.public_key().public_bytes_raw())], least_rollback=chance.randrange(1 << 32))
    verdict = look(bytes(made) + signature(bytes(made[:HEADER])), blob)
    if isinstance(verdict, Refusal):
        return f"signed, {verdict.name}"
    fits(verdict, len(made))
    return "signed, taken"


def fits(image: Verified, size: int) -> None:
    """What the first stage relies on when it copies."""
    for part in (image.kernel, image.archive):
        if not HEADER <= part.offset <= size - part.size or part.address + part.memory_size > MOST:
            raise Found(f"a part that isn't in the image: {image}")
        if part.memory_size < part.size or part.address % 4096:
            raise Found(f"a part that doesn't fit its memory: {image}")
    if overlap(image.kernel, image.archive):
        raise Found(f"parts that overlap: {image}")
    if not image.kernel.address <= image.entry <= image.kernel.address + image.kernel.size - 4:
        raise Found(f"an entry elsewhere: {image}")


def overlap(a: Placed, b: Placed) -> bool:
    return max(a.address, b.address) < min(a.address + a.memory_size, b.address + b.memory_size)


def run(seed: int, count: int) -> Counter[str]:
    """Rounds `seed` to `seed + count - 1`, and how often each outcome came. Raises Found."""
    outcomes: Counter[str] = Counter()
    for number in range(seed, seed + count):
        try:
            outcomes[once(number)] += 1
        except Exception as error:
            raise Found(f"seed {number}: {type(error).__name__}: {error}") from error
    return outcomes
