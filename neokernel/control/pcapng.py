"""A writer of capture files, as Wireshark and tcpdump read them: pcapng (draft-ietf-opsawg-pcapng, version 1.0).

Little-endian, one section. Times are microseconds since 1970, which is what readers expect where nothing else is said
(`if_tsresol` says it all the same).

Invariant: a block's length is a multiple of 4 and stands at both of its ends; each is written whole, or not at all as
far as we see to it: a file that ends in the middle of a block is one whose last block is missing.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import BinaryIO

SECTION, INTERFACE, STATISTICS, PACKET = 0x0A0D0D0A, 1, 5, 6
MAGIC = 0x1A2B3C4D
ETHERNET = 1
#: options: of all blocks, of a section, of an interface, of its statistics, of a packet
END, COMMENT = 0, 1
HARDWARE, APPLICATION = 2, 4
NAME, DESCRIPTION, RESOLUTION = 2, 3, 9
RECEIVED, DROPPED = 4, 5
FLAGS = 2
#: of FLAGS: which way it went
INBOUND, OUTBOUND = 1, 2


@dataclass(frozen=True)
class Card:
    """An interface that frames were copied at."""

    name: str
    description: str


class Writer:
    """`stream` gets the section's head at once, and a block a frame."""

    def __init__(self, stream: BinaryIO, application: str, hardware: str, cards: list[Card], snap: int) -> None:
        self.stream = stream
        head = struct.pack("<IHHq", MAGIC, 1, 0, -1)
        self.block(SECTION, head, {HARDWARE: hardware.encode(), APPLICATION: application.encode()})
        for card in cards:
            options = {NAME: card.name.encode(), DESCRIPTION: card.description.encode(), RESOLUTION: b"\x06"}
            self.block(INTERFACE, struct.pack("<HHI", ETHERNET, 0, snap), options)

    def frame(self, card: int, time: int, length: int, data: bytes, way: int) -> None:
        """A frame of `length` bytes, which began with `data`. `way`: INBOUND, OUTBOUND, or 0."""
        head = struct.pack("<IIIII", card, time >> 32 & 0xFFFFFFFF, time & 0xFFFFFFFF, len(data), length)
        self.block(PACKET, head + padded(data), {FLAGS: struct.pack("<I", way)})

    def statistics(self, card: int, time: int, received: int, dropped: int) -> None:
        """The last word: how many frames there were, and how many of them weren't copied."""
        head = struct.pack("<III", card, time >> 32 & 0xFFFFFFFF, time & 0xFFFFFFFF)
        self.block(STATISTICS, head, {RECEIVED: struct.pack("<Q", received), DROPPED: struct.pack("<Q", dropped)})

    def block(self, kind: int, body: bytes, options: dict[int, bytes]) -> None:
        whole = body + b"".join(struct.pack("<HH", code, len(data)) + padded(data) for code, data in options.items())
        whole += struct.pack("<HH", END, 0)
        length = struct.pack("<I", len(whole) + 12)
        self.stream.write(struct.pack("<I", kind) + length + whole + length)


def padded(data: bytes) -> bytes:
    return data + bytes(-len(data) % 4)
