"""Frames that are nearly right, made by the million out of right ones, for every parser: compiled for the host."""

from __future__ import annotations

from neokernel.lang import (
    Array,
    Span,
    array,
    copy,
    struct,
    truncate,
    u8,
    u16,
    u32,
    u64,
    usize,
    wrapping_add,
    wrapping_mul,
)
from neokernel.services.network import ethernet, ipv4
from neokernel.services.network.checksum import checksum
from tests.network.parsers import look

#: of the corpus: each frame has so many bytes there, the first two of which are its length
EACH = 256
LEVELS = 12


@struct
class Chance:
    random: u64

    def next(self, most: u64) -> u64:
        self.random = wrapping_add(wrapping_mul(self.random, 6364136223846793005), 1442695040888963407)
        return (self.random >> 33) % most


@struct
class Room:
    """A frame, six bytes behind a multiple of eight."""

    padding0: u32 = 0
    padding1: u16 = 0
    frame: Array[u8] = array(EACH)


def walk(corpus: Span[u8], seed: u64, count: u64, levels: Span[u64]) -> u64:
    """Look at so many frames; `levels` counts how far each came. A digest of all that was seen."""
    chance, room = Chance(random=wrapping_mul(seed, 0x9E3779B97F4A7C15)), Room()
    digest: u64 = 0
    frames = len(corpus) // EACH
    for _ in range(count):
        first = usize(chance.next(frames)) * EACH
        length = usize(corpus[first]) | usize(corpus[first + 1]) << 8
        copy(room.frame[:length], corpus[first + 2 : first + 2 + length].bytes())
        changed = chance.next(6)
        for _ in range(changed):
            # Headers are where it matters.
            place = usize(chance.next(min(length, 64) if chance.next(4) != 0 else length))
            room.frame[place] = changed_byte(chance, room.frame[place])
        if chance.next(8) == 0:
            length = usize(chance.next(length + 1))
        if chance.next(4) != 0:
            mend(room.frame[:length])
        found = look(room.frame[:length], chance.next(4) != 0)
        levels[usize(found & 0xFF)] += 1
        digest = wrapping_mul(digest ^ found, 0x9E3779B97F4A7C15)
    return digest


def changed_byte(chance: Chance, before: u8) -> u8:
    match chance.next(4):
        case 0:
            return before ^ u8(1) << u8(chance.next(8))
        case 1:
            return 0xFF if chance.next(2) == 0 else 0
        case _:
            return truncate(u8, chance.next(256))


def mend(frame: Span[u8]) -> None:
    """Let the header's checksum be right, so that the rest is looked at."""
    if len(frame) < ethernet.SIZE + ipv4.SIZE:
        return
    mend_packet(frame[ethernet.SIZE :])


def mend_packet(packet: Span[u8]) -> None:
    """The same of a packet."""
    if len(packet) < ipv4.SIZE:
        return
    size = min(usize(packet[0] & 0xF) * 4, len(packet))
    if size < ipv4.SIZE:
        return
    packet[10], packet[11] = 0, 0
    right: u16 = checksum(packet[:size], u32(0))
    packet[10], packet[11] = u8(right >> 8), u8(right & 0xFF)
