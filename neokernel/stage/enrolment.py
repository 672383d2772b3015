"""The keys that this board trusts.

The blob isn't signed: that nobody can write it is what its device must see to. Its hash finds what is damaged.

Invariant: of an `Enrolment` that `read_enrolment` has filled, all keys lie in its memory, and all names can be printed.
"""

from __future__ import annotations

from neokernel.crypto.sha512 import sha512
from neokernel.lang import (
    Array,
    array,
    copy,
    ensures,
    invariant,
    loop_bound,
    requires,
    struct,
    text_of,
    u8,
    u64,
    usize,
    wire_view,
)
from neokernel.stage.format import (
    ENROLMENT_HEADER_SIZE,
    ENROLMENT_MAGIC,
    ENROLMENT_VERSION,
    HASH_SIZE,
    KEY_SIZE,
    MOST_ENROLMENT,
    MOST_KEYS,
    PUBLIC_SIZE,
    EnrolmentHeader,
)
from neokernel.stage.refusal import Refusal


@struct
class Enrolment:
    """A copy of the blob, since it is read more than once; `count` is that of the keys that sign images.

    `least_rollback`: images with a lower rollback index are too old.
    """

    memory: Array[u8] = array(MOST_ENROLMENT)
    count: usize = 0
    least_rollback: u64 = 0

    @invariant
    def lies_in_memory(self) -> bool:
        return self.count <= MOST_KEYS

    def public(self, index: usize) -> bytes:
        requires(index < self.count)
        start = ENROLMENT_HEADER_SIZE + index * KEY_SIZE
        return self.memory.bytes()[start : start + PUBLIC_SIZE]

    def name(self, index: usize) -> str:
        requires(index < self.count)
        start = ENROLMENT_HEADER_SIZE + index * KEY_SIZE
        return text_of(until_zero(self.memory.bytes()[start + PUBLIC_SIZE : start + KEY_SIZE]))

    def find(self, key: bytes) -> usize | None:
        """Which key that signs images is this one?"""
        ensures(lambda result: result is None or result < self.count)
        for index in range(self.count):
            if self.public(index) == key:
                return index
        return None


def read_enrolment(enrolment: Enrolment, data: bytes) -> Refusal | None:
    """Take the keys out of the blob, which is followed by anything; or say what is wrong with it."""
    size = min(len(data), MOST_ENROLMENT)
    copy(enrolment.memory[:size], data[:size])
    if size < ENROLMENT_HEADER_SIZE:
        return Refusal.NOT_ENROLLED
    header = wire_view(EnrolmentHeader, enrolment.memory)
    if header.magic != ENROLMENT_MAGIC:
        return Refusal.NOT_ENROLLED
    if header.version != ENROLMENT_VERSION:
        return Refusal.ENROLMENT_VERSION
    image_keys, operator_keys = usize(header.image_keys), usize(header.operator_keys)
    if image_keys > MOST_KEYS or operator_keys > MOST_KEYS - image_keys:
        return Refusal.ENROLMENT_DAMAGED
    end = ENROLMENT_HEADER_SIZE + (image_keys + operator_keys) * KEY_SIZE
    if end + HASH_SIZE > size:
        return Refusal.ENROLMENT_DAMAGED
    digest: Array[u8] = array(HASH_SIZE)
    sha512(digest, enrolment.memory.bytes()[:end])
    if digest.bytes() != enrolment.memory.bytes()[end : end + HASH_SIZE]:
        return Refusal.ENROLMENT_DAMAGED
    if header.unused != 0:
        return Refusal.ENROLMENT_VERSION
    for index in range(image_keys + operator_keys):
        loop_bound(MOST_KEYS)
        start = ENROLMENT_HEADER_SIZE + index * KEY_SIZE
        if not is_name(enrolment.memory.bytes()[start + PUBLIC_SIZE : start + KEY_SIZE]):
            return Refusal.ENROLMENT_DAMAGED
    if image_keys == 0:
        return Refusal.ENROLMENT_EMPTY
    enrolment.count, enrolment.least_rollback = image_keys, header.least_rollback
    return None


def until_zero(data: bytes) -> bytes:
    for index, byte in enumerate(data):
        if byte == 0:
            return data[:index]
    return data


def is_name(data: bytes) -> bool:
    """Is it printable ASCII without spaces, then zeroes?"""
    name = until_zero(data)
    for byte in name:
        if not 0x21 <= byte <= 0x7E:
            return False
    for byte in data[len(name) :]:
        if byte != 0:
            return False
    return len(name) != 0
