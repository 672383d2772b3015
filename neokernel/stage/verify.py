"""Is this an image that may start here?

First what can be said without any trust, so that the message fits: is it an image, for this machine, and as long as it
says? Then the signature, which is the header's; then the contents, whose hash the header has. What the header says of
its parts is looked at only then, and not believed even so: a key can sign nonsense.

Invariants: no byte outside `loaded` is read; an image is either refused or is, byte for byte, what the key has signed;
the result depends on the arguments alone.
"""

from __future__ import annotations

from neokernel.crypto.ed25519 import Verdict, verify
from neokernel.crypto.sha512 import sha512
from neokernel.lang import Array, Span, array, ensures, ghost, offset_of, requires, u8, u64, usize, value, wire_view
from neokernel.stage.enrolment import Enrolment
from neokernel.stage.format import (
    BOARD,
    BOARD_SIZE,
    HASH_SIZE,
    HEADER_SIZE,
    IMAGE_MAGIC,
    IMAGE_VERSION,
    PUBLIC_SIZE,
    RISCV,
    SIGNATURE_MAGIC,
    SIGNATURE_SIZE,
    ImageHeader,
    Part,
    Signature,
)
from neokernel.stage.refusal import Refusal

#: no memory is beyond
MOST = 1 << 56
PAGE = 4096

CONTENTS = offset_of(ImageHeader, "contents")
KEY = offset_of(Signature, "key")
SIGNED = offset_of(Signature, "signature")


@value
class Range:
    """Memory, in bytes; or a piece of a file."""

    start: u64
    size: u64

    def is_below(self, limit: u64) -> bool:
        return self.size <= limit and self.start <= limit - self.size

    def overlaps(self, other: Range) -> bool:
        requires(self.is_below(MOST) and other.is_below(MOST))
        return self.start < other.start + other.size and other.start < self.start + self.size

    def holds(self, other: Range) -> bool:
        requires(self.is_below(MOST) and other.is_below(MOST))
        return self.start <= other.start and other.start + other.size <= self.start + self.size


@value
class Placed:
    """A part of the image: where it lies there, and the memory that is to be its own."""

    source: Range
    memory: Range


@value
class Verified:
    """An image that is signed. `key`: by which of the enrolled keys."""

    kernel: Placed
    archive: Placed
    entry: u64
    key: usize


def verify_image(loaded: Span[u8], enrolment: Enrolment) -> Verified | Refusal:
    """Look at an image that is followed by its signature, as the boot loader has loaded them."""
    requires(len(loaded) <= MOST)
    ensures(
        lambda result: (
            isinstance(result, Refusal)
            or (is_sound(result.kernel, len(loaded)) and is_sound(result.archive, len(loaded)))
        )
    )
    if len(loaded) == 0:
        return Refusal.NO_IMAGE
    if len(loaded) < HEADER_SIZE:
        return Refusal.NOT_AN_IMAGE
    header = wire_view(ImageHeader, loaded)
    size = length_of(header, len(loaded))
    if isinstance(size, Refusal):
        return size
    signature = wire_view(Signature, loaded[size:])
    if signature.magic != SIGNATURE_MAGIC:
        return Refusal.NO_SIGNATURE
    data = loaded.bytes()
    key = enrolment.find(data[size + KEY : size + KEY + PUBLIC_SIZE])
    if key is None:
        return Refusal.UNKNOWN_KEY
    signed = verify(enrolment.public(key), data[:HEADER_SIZE], data[size + SIGNED : size + SIGNATURE_SIZE])
    if signed is not Verdict.VALID:
        return Refusal.WRONG_SIGNATURE
    if is_reserved_used(header):
        return Refusal.RESERVED
    if header.rollback < enrolment.least_rollback:
        return Refusal.TOO_OLD
    digest: Array[u8] = array(HASH_SIZE)
    sha512(digest, data[HEADER_SIZE:size])
    if digest.bytes() != data[CONTENTS : CONTENTS + HASH_SIZE]:
        return Refusal.CONTENTS
    kernel = placed(header.kernel, size)
    archive = placed(header.archive, size)
    if kernel is None or archive is None or kernel.memory.overlaps(archive.memory):
        return Refusal.LAYOUT
    entry = Range(header.entry, 4)
    if not entry.is_below(MOST) or entry.start % 4 != 0:
        return Refusal.LAYOUT
    if not Range(kernel.memory.start, kernel.source.size).holds(entry):
        return Refusal.LAYOUT
    return Verified(kernel, archive, entry.start, key)


def length_of(header: ImageHeader, loaded: usize) -> usize | Refusal:
    """How long the image is; or what is wrong with it that can be said before it is known who has written it."""
    requires(loaded >= HEADER_SIZE)
    ensures(lambda result: isinstance(result, Refusal) or (result >= HEADER_SIZE and result == loaded - SIGNATURE_SIZE))
    if header.magic != IMAGE_MAGIC:
        return Refusal.NOT_AN_IMAGE
    if header.version != IMAGE_VERSION:
        return Refusal.IMAGE_VERSION
    if header.machine != RISCV:
        return Refusal.MACHINE
    for index in range(BOARD_SIZE):
        if header.board[index] != (BOARD[index] if index < len(BOARD) else 0):
            return Refusal.BOARD
    size = usize(header.size)
    if size < HEADER_SIZE or size > loaded:
        return Refusal.TRUNCATED
    if size == loaded:
        return Refusal.NOT_SIGNED
    if loaded - size < SIGNATURE_SIZE:
        return Refusal.TRUNCATED
    if loaded - size > SIGNATURE_SIZE:
        return Refusal.EXTENDED
    return size


def is_reserved_used(header: ImageHeader) -> bool:
    """Is there anything in the fields that have no use yet?"""
    for byte in header.unused:
        if byte != 0:
            return True
    return False


def placed(part: Part, size: usize) -> Placed | None:
    """The part, if it lies in an image of this size, and fits the memory that it names."""
    ensures(lambda result: result is None or is_sound(result, size))
    source = Range(part.offset, part.size)
    memory = Range(part.address, part.memory_size)
    if not source.is_below(size) or source.start < HEADER_SIZE or source.start % 8 != 0:
        return None
    if not memory.is_below(MOST) or memory.size < source.size or memory.start % PAGE != 0:
        return None
    return Placed(source, memory)


@ghost
def is_sound(part: Placed, size: usize) -> bool:
    """Can the part be copied out of an image of this size?"""
    return (
        part.source.is_below(size)
        and part.source.start >= HEADER_SIZE
        and part.memory.is_below(MOST)
        and part.memory.size >= part.source.size
    )


def can_be_placed(image: Verified, free: Range, loaded: Range, tree: Range) -> bool:
    """Do both parts lie in memory that is free for them, without covering what is still to be read?"""
    requires(image.kernel.memory.is_below(MOST) and image.archive.memory.is_below(MOST))
    requires(free.is_below(MOST) and loaded.is_below(MOST) and tree.is_below(MOST))
    kernel, archive = image.kernel.memory, image.archive.memory
    if not free.holds(kernel) or not free.holds(archive):
        return False
    if kernel.overlaps(loaded) or archive.overlaps(loaded):
        return False
    return not kernel.overlaps(tree) and not archive.overlaps(tree)
