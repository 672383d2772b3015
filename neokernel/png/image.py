"""A PNG image, unpacked in memory that its reader has (PNG, second edition, ISO/IEC 15948:2004).

    png = Png()
    problem = png.open(data)            # chunks, their checksums; the packed pixels lie at the beginning of `data` then
    raw = memory[: png.raw_size]
    packed = Inflate(data=data[: png.packed].bytes(), into=raw)
    while packed.advance(1_000): …
    while png.unfilter(raw, 64): …      # rows at a time
    … png.pixel(raw, x, y) …

All colour types, depths and filters, interlaced or not, palettes, transparency. Other chunks are passed over if they
may be (their checksums are looked at); an unknown one that mayn't is refused, and so is all else that isn't as the
standard says.

Invariants: behind `open` without a problem, `raw_size` is what `pixel` reads within for all places of the image; a
filtered row reads the row above and itself. Whatever the bytes are, memory is this object, and what is handed in.
"""

from __future__ import annotations

from enum import Enum

from neokernel.lang import Array, Embedded, Span, array, copy, struct, u8, u16, u32, u64, usize, value

SIGNATURE = b"\x89PNG\r\n\x1a\n"
#: pixels of a side
MOST_SIDE: u32 = 4_096
#: Adam7: where each pass begins, and how far its pixels are apart, by column and by row
PASSES = 7
FIRST_X: tuple[u8, ...] = (0, 4, 0, 2, 0, 1, 0)
FIRST_Y: tuple[u8, ...] = (0, 0, 4, 0, 2, 0, 1)
STEP_X: tuple[u8, ...] = (8, 8, 4, 4, 2, 2, 1)
STEP_Y: tuple[u8, ...] = (8, 8, 8, 4, 4, 2, 2)
#: which pass each pixel of eight by eight is in
ADAM7: tuple[u8, ...] = (
    0, 5, 3, 5, 1, 5, 3, 5,
    6, 6, 6, 6, 6, 6, 6, 6,
    4, 5, 4, 5, 4, 5, 4, 5,
    6, 6, 6, 6, 6, 6, 6, 6,
    2, 5, 3, 5, 2, 5, 3, 5,
    6, 6, 6, 6, 6, 6, 6, 6,
    4, 5, 4, 5, 4, 5, 4, 5,
    6, 6, 6, 6, 6, 6, 6, 6,
)  # fmt: skip
#: CRC-32 of four bits
CRC_TABLE: tuple[u32, ...] = (
    0x0000_0000, 0x1DB7_1064, 0x3B6E_20C8, 0x26D9_30AC, 0x76DC_4190, 0x6B6B_51F4, 0x4DB2_6158, 0x5005_713C,
    0xEDB8_8320, 0xF00F_9344, 0xD6D6_A3E8, 0xCB61_B38C, 0x9B64_C2B0, 0x86D3_D2D4, 0xA00A_E278, 0xBDBD_F21C,
)  # fmt: skip

GREY: u8 = 0
COLOUR: u8 = 2
PALETTE: u8 = 3
GREY_ALPHA: u8 = 4
COLOUR_ALPHA: u8 = 6


class Problem(Enum):
    """Why it is no image that can be read."""

    NONE = 0
    #: it doesn't begin as PNG does
    SIGNATURE = 1
    CUT = 2
    #: a chunk's checksum is wrong
    CHECKSUM = 3
    #: its header is wrong: size, depth, colour type
    HEADER = 4
    #: a side is longer than MOST_SIDE
    SIZE = 5
    #: a chunk that can't stand there, is wrong, or isn't known and can't be passed over
    CHUNK = 6
    #: a row says a filter that there isn't
    FILTER = 7


@value
class Pixel:
    """Each from 0 to 65,535; alpha 65,535 covers what is behind it."""

    red: u16
    green: u16
    blue: u16
    alpha: u16


@struct
class Pass:
    """Some of the image's pixels: all of them, or one of Adam7's. Those without pixels have no bytes."""

    height: usize = 0
    #: of the raw bytes: where it begins, and how long a row is, with its filter; 0 if it has no columns
    place: usize = 0
    row: usize = 0
    #: how far its pixels are apart in the image
    step_x: usize = 1
    step_y: usize = 1


@struct
class Png:
    width: u32 = 0
    height: u32 = 0
    depth: u8 = 0
    colour: u8 = 0
    interlaced: bool = False
    #: of an image that isn't interlaced, the first one is all
    passes: Array[Embedded[Pass]] = array(PASSES)
    #: bytes of packed pixels, and of what they become: rows, each behind its filter
    packed: usize = 0
    raw_size: usize = 0
    palette: Array[u8] = array(768)
    colours: usize = 0
    alphas: Array[u8] = array(256)
    alpha_count: usize = 0
    #: without alpha: the one colour that is transparent
    has_key: bool = False
    key: Array[u16] = array(3)
    #: how far filters were undone: pass and row
    part: usize = 0
    line: usize = 0
    problem: Problem = Problem.NONE

    # --- chunks -------------------------------------------------------------------------------------------------------

    def open(self, data: Span[u8]) -> Problem:
        """Read all chunks, and move the packed pixels to the beginning of `data`."""
        self.problem = self.read_chunks(data)
        return self.problem

    def read_chunks(self, data: Span[u8]) -> Problem:
        if len(data) < len(SIGNATURE) or data[: len(SIGNATURE)].bytes() != SIGNATURE:
            return Problem.SIGNATURE
        at = len(SIGNATURE)
        begun, ended = False, False
        while True:
            if len(data) - at < 12:
                return Problem.CUT
            size = number_at(data, at)
            if size >> 31 != 0 or u64(size) > u64(len(data) - at - 12):
                return Problem.CUT
            length = usize(size)
            name, body = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
            if crc(data[at + 4 : at + 8 + length]) != number_at(data, at + 8 + length):
                return Problem.CHECKSUM
            is_pixels = name.bytes() == b"IDAT"
            if (self.width == 0) != (name.bytes() == b"IHDR"):
                return Problem.CHUNK
            ended = ended or (begun and not is_pixels)
            at += 12 + length
            if is_pixels:
                if ended or (self.colour == PALETTE and self.colours == 0):
                    return Problem.CHUNK
                begun = True
                # Chunks' heads were read: what lies in front isn't needed any more.
                for place in range(length):
                    data[self.packed + place] = body[place]
                self.packed += length
            elif name.bytes() == b"IEND":
                return Problem.NONE if begun and length == 0 and at == len(data) else Problem.CHUNK
            else:
                found = self.read_other(name.bytes(), body, begun)
                if found is not Problem.NONE:
                    return found

    def read_other(self, name: bytes, body: Span[u8], begun: bool) -> Problem:
        match name:
            case b"IHDR":
                return self.read_header(body)
            case b"PLTE":
                return Problem.CHUNK if begun or self.colours != 0 else self.read_palette(body)
            case b"tRNS":
                return Problem.CHUNK if begun or self.alpha_count != 0 or self.has_key else self.read_alpha(body)
            case _:
                return Problem.NONE if name[0] & 0x20 != 0 else Problem.CHUNK

    def read_header(self, body: Span[u8]) -> Problem:
        if len(body) != 13:
            return Problem.HEADER
        width, height = number_at(body, 0), number_at(body, 4)
        self.depth, self.colour, self.interlaced = body[8], body[9], body[12] == 1
        depths = depths_of(self.colour)
        known = body[10] == 0 and body[11] == 0 and body[12] <= 1
        if width == 0 or height == 0 or not known or self.depth > 16 or depths >> self.depth & 1 == 0:
            return Problem.HEADER
        if width > MOST_SIDE or height > MOST_SIDE:
            return Problem.SIZE
        self.width, self.height = width, height
        self.lay_out()
        return Problem.NONE

    def read_palette(self, body: Span[u8]) -> Problem:
        count = len(body) // 3
        most: usize = usize(1) << u64(self.depth) if self.colour == PALETTE else 256
        if len(body) % 3 != 0 or not 1 <= count <= most or self.colour == GREY or self.colour == GREY_ALPHA:
            return Problem.CHUNK
        copy(self.palette[: len(body)], body.bytes())
        self.colours = count
        return Problem.NONE

    def read_alpha(self, body: Span[u8]) -> Problem:
        if self.colour == PALETTE:
            if not 1 <= len(body) <= self.colours:
                return Problem.CHUNK
            copy(self.alphas[: len(body)], body.bytes())
            self.alpha_count = len(body)
            return Problem.NONE
        if (self.colour != GREY and self.colour != COLOUR) or len(body) != 2 * self.channels():
            return Problem.CHUNK
        for channel in range(self.channels()):
            self.key[channel] = u16(body[2 * channel]) << 8 | u16(body[2 * channel + 1])
        self.has_key = True
        return Problem.NONE

    # --- rows ---------------------------------------------------------------------------------------------------------

    def channels(self) -> usize:
        match self.colour:
            case 2:
                return 3
            case 4:
                return 2
            case 6:
                return 4
            case _:
                return 1

    def parts(self) -> usize:
        return PASSES if self.interlaced else 1

    def lay_out(self) -> None:
        """Where each pass lies, and how many bytes all of them have."""
        bits = usize(self.depth) * self.channels()
        self.raw_size = 0
        for number in range(self.parts()):
            part = self.passes[number]
            width, part.height = usize(self.width), usize(self.height)
            if self.interlaced:
                width = apart(width, FIRST_X[number], STEP_X[number])
                part.height = apart(part.height, FIRST_Y[number], STEP_Y[number])
                part.step_x, part.step_y = usize(STEP_X[number]), usize(STEP_Y[number])
            part.row = (width * bits + 7) // 8 + 1 if width != 0 else usize(0)
            part.place = self.raw_size
            self.raw_size += part.row * part.height

    def unfilter(self, raw: Span[u8], most: usize) -> bool:
        """Undo the filters of so many rows. False: all were undone, or one is wrong: `problem`."""
        step = max(usize(self.depth) * self.channels() // 8, 1)
        for _ in range(most):
            if self.part == self.parts():
                return False
            part = self.passes[self.part]
            if self.line == part.height or part.row == 0:
                self.part += 1
                self.line = 0
                continue
            first = part.place + self.line * part.row
            above: usize = first - part.row if self.line != 0 else first
            if not undo(raw, first, above, part.row, step, self.line == 0):
                self.problem = Problem.FILTER
                return False
            self.line += 1
        return True

    # --- pixels -------------------------------------------------------------------------------------------------------

    def pixel(self, raw: Span[u8], x: usize, y: usize) -> Pixel:
        """Requires: filters are undone; it lies in the image."""
        part = self.passes[usize(ADAM7[y % 8 * 8 + x % 8]) if self.interlaced else usize(0)]
        return self.read_pixel(raw[part.place + y // part.step_y * part.row + 1 :], x // part.step_x)

    def read_pixel(self, row: Span[u8], column: usize) -> Pixel:
        channels = self.channels()
        first = self.sample(row, column * channels)
        match self.colour:
            case 0:
                grey = self.stretched(first)
                clear = self.has_key and first == self.key[0]
                return Pixel(grey, grey, grey, 0 if clear else 0xFFFF)
            case 3:
                # One that the palette hasn't is black.
                which = usize(first)
                if which >= self.colours:
                    return Pixel(0, 0, 0, 0xFFFF)
                alpha: u8 = self.alphas[which] if which < self.alpha_count else 255
                return Pixel(
                    twice(self.palette[3 * which]),
                    twice(self.palette[3 * which + 1]),
                    twice(self.palette[3 * which + 2]),
                    twice(alpha),
                )
            case 4:
                grey = self.stretched(first)
                return Pixel(grey, grey, grey, self.stretched(self.sample(row, column * channels + 1)))
            case _:
                green, blue = self.sample(row, column * channels + 1), self.sample(row, column * channels + 2)
                alpha16: u16 = 0xFFFF
                if self.colour == COLOUR_ALPHA:
                    alpha16 = self.stretched(self.sample(row, column * channels + 3))
                elif self.has_key and first == self.key[0] and green == self.key[1] and blue == self.key[2]:
                    alpha16 = 0
                return Pixel(self.stretched(first), self.stretched(green), self.stretched(blue), alpha16)

    def sample(self, row: Span[u8], index: usize) -> u16:
        """As it stands there."""
        match self.depth:
            case 16:
                return u16(row[2 * index]) << 8 | u16(row[2 * index + 1])
            case 8:
                return u16(row[index])
            case _:
                depth = u64(self.depth)
                each = usize(8 // depth)
                moved = 8 - depth - u64(index % each) * depth
                return u16(row[index // each]) >> moved & (u16(1) << depth) - 1

    def stretched(self, sample: u16) -> u16:
        """From the depth to 16 bits: the highest becomes the highest."""
        match self.depth:
            case 16:
                return sample
            case 8:
                return sample * 0x101
            case 4:
                return sample * 0x1111
            case 2:
                return sample * 0x5555
            case _:
                return sample * 0xFFFF


def depths_of(colour: u8) -> u32:
    """Bits that a sample of this colour type can have: a bit each. None: there is no such type."""
    match colour:
        case 0:
            return 1 << 1 | 1 << 2 | 1 << 4 | 1 << 8 | 1 << 16
        case 3:
            return 1 << 1 | 1 << 2 | 1 << 4 | 1 << 8
        case 2 | 4 | 6:
            return 1 << 8 | 1 << 16
        case _:
            return 0


def apart(size: usize, first: u8, step: u8) -> usize:
    """How many of `size` there are from the first on, so far apart."""
    return (size - usize(first) + usize(step) - 1) // usize(step) if size > usize(first) else 0


def twice(byte: u8) -> u16:
    return u16(byte) * 0x101


def undo(raw: Span[u8], first: usize, above: usize, row: usize, step: usize, is_top: bool) -> bool:
    """The filter of the row that begins at `first` with it; `above`: where the one before does. False: there is none.

    ISO/IEC 15948, 9.2. Left of a row, and above the first one, there are zeroes.
    """
    filter = raw[first]
    if filter > 4:
        return False
    for place in range(usize(1), row):
        left: u32 = u32(raw[first + place - step]) if place > step else 0
        up: u32 = u32(raw[above + place]) if not is_top else 0
        corner: u32 = u32(raw[above + place - step]) if place > step and not is_top else 0
        added: u32 = 0
        match filter:
            case 1:
                added = left
            case 2:
                added = up
            case 3:
                added = (left + up) // 2
            case 4:
                added = paeth(left, up, corner)
            case _:
                pass
        raw[first + place] = u8(u32(raw[first + place]) + added & 0xFF)
    return True


def paeth(left: u32, up: u32, corner: u32) -> u32:
    """Whichever of them is nearest to left + up - corner; the first one at a tie."""
    # How far that is from each.
    from_left = up - corner if up > corner else corner - up
    from_up = left - corner if left > corner else corner - left
    total, double = left + up, 2 * corner
    from_corner = total - double if total > double else double - total
    if from_left <= from_up and from_left <= from_corner:
        return left
    return up if from_up <= from_corner else corner


def number_at(data: Span[u8], place: usize) -> u32:
    """The highest byte first."""
    found: u32 = 0
    for offset in range(usize(4)):
        found = found << 8 | u32(data[place + offset])
    return found


def crc(data: Span[u8]) -> u32:
    """CRC-32 (ISO/IEC 15948, annex D)."""
    found: u32 = 0xFFFF_FFFF
    for place in range(len(data)):
        found ^= u32(data[place])
        found = found >> 4 ^ CRC_TABLE[usize(found & 15)]
        found = found >> 4 ^ CRC_TABLE[usize(found & 15)]
    return ~found
