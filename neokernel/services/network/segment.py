"""Segments of TCP: the header and its options (RFC 9293, 3.1 and 3.2; 7323, 2 and 3; 2018, 2 and 3).

One object is filled again and again: by `parse`, or by who wants a segment built.
"""

from __future__ import annotations

from neokernel.lang import Array, Span, array, size_of, struct, truncate, u8, u16, u32, usize, wire, wire_view
from neokernel.services.network.checksum import checksum, folded
from neokernel.services.network.drop import Drop
from neokernel.services.network.sequence import Range

FIN: u8 = 1
SYN: u8 = 2
RST: u8 = 4
PSH: u8 = 8
ACK: u8 = 16

#: kinds of options
END = 0
NOTHING = 1
MSS = 2
SCALE = 3
SACK_PERMITTED = 4
SACK = 5
TIMESTAMPS = 8

#: the most blocks that fit, and with timestamps
MOST_BLOCKS = 4
MOST_BLOCKS_WITH_TIME = 3
#: a window's scale that isn't there; the largest (RFC 7323, 2.3)
NO_SCALE: u8 = 255
MOST_SCALE: u8 = 14
#: of a SYN that doesn't say one (RFC 9293, 3.7.1)
DEFAULT_MSS: u16 = 536
#: what options take in a segment that isn't the first
TIMESTAMPS_SIZE = 12
#: the largest window, before it is scaled: a multiple of eight, as sizes of segments are, so that what fills it is one
MOST_WINDOW: u32 = 0xFFF8


def scale_for(capacity: u32) -> u8:
    """The window scale that a buffer needs (RFC 7323, 2.3)."""
    scale: u8 = 0
    while capacity >> scale > 0xFFFF and scale < MOST_SCALE:
        scale += 1
    return scale


@wire(registers=True, endian="big")
class Header:
    source: u16
    destination: u16
    sequence: u32
    acknowledgment: u32
    offset: u8
    flags: u8
    window: u16
    check: u16
    urgent: u16


@wire(registers=True, endian="big")
class Timestamps:
    """The option, behind two that are nothing (RFC 7323, appendix A)."""

    head: u32
    value: u32
    echo: u32


@wire(endian="big")
class Number:
    """Anywhere."""

    number: u32


@wire(registers=True, endian="big")
class Word:
    word: u32


SIZE = size_of(Header)
#: NOTHING, NOTHING, TIMESTAMPS and its length
TIMESTAMPS_HEAD: u32 = 0x0101_080A

assert SIZE == 20


@struct
class Segment:
    """`payload`: where the bytes begin in the segment, behind its options; `length`: how many there are."""

    source: u16 = 0
    destination: u16 = 0
    sequence: u32 = 0
    acknowledgment: u32 = 0
    flags: u8 = 0
    window: u16 = 0
    payload: usize = 0
    length: u32 = 0
    #: 0: there is none
    mss: u16 = 0
    scale: u8 = NO_SCALE
    sack_permitted: bool = False
    timed: bool = False
    time: u32 = 0
    echo: u32 = 0
    #: its bytes are where they belong already
    placed: bool = False
    #: for how many acknowledgements it stands (`prediction.py`)
    acks: u32 = 1
    block_count: usize = 0
    blocks: Array[Range] = array(MOST_BLOCKS)

    def has(self, flag: u8) -> bool:
        return self.flags & flag != 0

    def size(self) -> u32:
        """Sequence numbers that it takes (SEG.LEN)."""
        return self.length + u32(self.has(SYN)) + u32(self.has(FIN))

    def clear(self, flags: u8) -> None:
        """No options, no bytes."""
        self.flags, self.length, self.window, self.placed, self.acks = flags, 0, 0, False, 1
        self.mss, self.scale = 0, NO_SCALE
        self.sack_permitted, self.timed = False, False
        self.block_count = 0

    # --- in -----------------------------------------------------------------------------------------------------------

    def parse(self, data: Span[u8], pseudo: u32, verified: bool) -> Drop | None:
        """`pseudo`: the sum of the pseudo-header; `verified`: the checksum was looked at, or will be."""
        if len(data) < SIZE:
            return Drop.LENGTH
        header = wire_view(Header, data)
        begin = usize(header.offset >> 4) * 4
        if begin < SIZE:
            return Drop.FORM
        if begin > len(data):
            return Drop.LENGTH
        if not verified and checksum(data, pseudo) != 0:
            return Drop.CHECKSUM
        self.clear(header.flags & 0x3F)
        self.source, self.destination = header.source, header.destination
        self.sequence, self.acknowledgment = header.sequence, header.acknowledgment
        self.window = header.window
        self.payload, self.length = begin, u32(len(data) - begin)
        if begin == SIZE + TIMESTAMPS_SIZE:
            times = wire_view(Timestamps, data[SIZE:])
            if times.head == TIMESTAMPS_HEAD:
                self.timed, self.time, self.echo = True, times.value, times.echo
                return None
        return self.parse_options(data[SIZE:begin]) if begin != SIZE else None

    def parse_options(self, options: Span[u8]) -> Drop | None:
        """Options that aren't known are passed over, by their length (RFC 9293, 3.1, MUST-6). Steps: as many as bytes.

        One of the wrong length, or that goes beyond the end, makes the segment malformed (MUST-7).
        """
        place: usize = 0
        while place < len(options):
            kind = options[place]
            if kind == END:
                return None
            if kind == NOTHING:
                place += 1
                continue
            if place + 1 == len(options):
                return Drop.OPTIONS
            length = usize(options[place + 1])
            if length < 2 or length > len(options) - place:
                return Drop.OPTIONS
            option = options[place : place + length]
            if not self.take_option(kind, option):
                return Drop.OPTIONS
            place += length
        return None

    def take_option(self, kind: u8, option: Span[u8]) -> bool:
        """False: it has the wrong length. What belongs to SYN alone is ignored elsewhere."""
        match kind:
            case 2:
                if len(option) != 4:
                    return False
                if self.has(SYN):
                    self.mss = u16(option[2]) << 8 | u16(option[3])
            case 3:
                if len(option) != 3:
                    return False
                if self.has(SYN):
                    self.scale = min(option[2], MOST_SCALE)
            case 4:
                if len(option) != 2:
                    return False
                self.sack_permitted = self.has(SYN)
            case 5:
                if len(option) % 8 != 2 or len(option) == 2:
                    return False
                if not self.has(SYN):
                    self.block_count = 0
                    for place in range(2, len(option), 8):
                        left = wire_view(Number, option[place:]).number
                        self.blocks[self.block_count] = Range(left, wire_view(Number, option[place + 4 :]).number)
                        self.block_count += 1
            case 8:
                if len(option) != 10:
                    return False
                self.timed = True
                self.time = wire_view(Number, option[2:]).number
                self.echo = wire_view(Number, option[6:]).number
            case _:
                pass
        return True

    # --- out ----------------------------------------------------------------------------------------------------------

    def header_size(self) -> usize:
        """Bytes in front of the payload."""
        size: usize = SIZE
        size += 4 if self.mss != 0 else 0
        size += 4 if self.scale != NO_SCALE else 0
        size += 4 if self.sack_permitted and not self.timed else 0
        size += TIMESTAMPS_SIZE if self.timed else 0
        size += 4 + 8 * self.block_count if self.block_count != 0 else 0
        return size

    def build(self, into: Span[u8]) -> None:
        """The header, into the first bytes, of a segment whose payload is there already; no checksum."""
        begin = self.header_size()
        header = wire_view(Header, into)
        header.source, header.destination = self.source, self.destination
        header.sequence, header.acknowledgment = self.sequence, self.acknowledgment
        header.offset = u8(begin // 4) << 4
        header.flags = self.flags
        header.window = self.window
        header.check, header.urgent = 0, 0
        place: usize = SIZE
        if self.mss != 0:
            place = put(into, place, 0x0204_0000 | u32(self.mss))
        if self.timed:
            # Where SACK is permitted, that stands in the place of what is nothing.
            place = put(into, place, 0x0402_080A if self.sack_permitted else TIMESTAMPS_HEAD)
            place = put(into, place, self.time)
            place = put(into, place, self.echo)
        elif self.sack_permitted:
            place = put(into, place, 0x0101_0402)
        if self.scale != NO_SCALE:
            place = put(into, place, 0x0103_0300 | u32(self.scale))
        if self.block_count != 0:
            place = put(into, place, 0x0101_0500 | truncate(u32, 2 + 8 * self.block_count))
            for block in self.blocks[: self.block_count]:
                place = put(into, place, block.left)
                place = put(into, place, block.right)
        assert place == begin, "options are as long as was said"

    def close(self, into: Span[u8], others: u32) -> None:
        """The checksum, as the last thing. `others` is the sum of the pseudo-header, and of bytes behind `into`."""
        wire_view(Header, into).check = checksum(into, others)

    def leave_sum(self, into: Span[u8], pseudo: u32) -> None:
        """In the checksum's place, the sum of the pseudo-header: the device does the rest (VIRTIO 1.2, 5.1.6.2)."""
        wire_view(Header, into).check = folded(pseudo)


def put(into: Span[u8], place: usize, word: u32) -> usize:
    """Write a word; gives the place behind it."""
    wire_view(Word, into[place:]).word = word
    return place + 4
