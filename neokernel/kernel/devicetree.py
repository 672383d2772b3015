"""The flattened device tree: what the boot loader says the machine is (Devicetree Specification 0.4, chapter 5).

This is the format: header, blocks, tokens. What nodes and properties mean is read by `inventory.py`.

Nothing in the blob is trusted. `open_blocks` checks the header; what later reads find is guarded again where it is
read, so no check here rests on what an earlier pass has seen.

Invariants:
- Offsets count bytes from the blob's start; no token is at 0.
- Nothing is copied: names and values are views of the blob, names without their terminating NUL.
- Every call ends after work linear in the blob's size: a token is at least four bytes, tokens are only passed forwards,
  and the length of a name is bounded.

Section numbers in comments are the specification's.
"""

from enum import Enum

from neokernel.lang import (
    Array,
    array,
    loop_bound,
    requires,
    struct,
    u8,
    u32,
    u64,
    usize,
    value,
    wrapping_shl,
)

MAXIMUM_DEPTH = 16
#: The specification stops at 31 characters; trees in use don't.
MAXIMUM_NAME = 127

HEADER_SIZE = 40
MAGIC = 0xD00D_FEED
#: The version whose layout this module reads (5.2).
VERSION = 17

RESERVATION_SIZE = 16

BROKEN = 0
BEGIN_NODE = 1
END_NODE = 2
PROPERTY = 3
NOP = 4
END = 9

#: Numbers of more cells don't fit a processor of 64 bits.
MAXIMUM_CELLS = 2

LAST = (1 << 64) - 1


class Problem(Enum):
    """What is wrong with a blob."""

    NONE = 0
    TRUNCATED = 1  # something runs past the end of its block, or of the blob
    MAGIC = 2
    VERSION = 3
    BLOCK = 4  # a block isn't inside the blob, or isn't aligned
    RESERVATIONS = 5  # the reservation block has no end, or an entry wraps around
    TOKEN = 6
    NAME = 7  # no NUL, too long, or outside the strings block
    DEPTH = 8
    NESTING = 9  # not exactly one root, an end without a beginning, a property outside a node or behind a child


@value
class Invalid:
    """Why a blob was rejected, and the offset of what is wrong in it."""

    problem: Problem
    offset: usize


@value
class Region:
    """Physical memory or registers, in bytes; `address + size` fits 64 bits."""

    address: u64
    size: u64


@value
class Token:
    """One token of the structure block with what belongs to it.

    `next`: where the token after it may begin. `kind` is BROKEN where there is none, and `problem` says why.
    """

    kind: u32
    start: usize
    next: usize = 0
    name: bytes = b""
    content: bytes = b""
    problem: Problem = Problem.NONE


# --- bytes ------------------------------------------------------------------------------------------------------------


def cells_at(data: bytes, offset: usize, count: usize) -> u64:
    """The big-endian number in `count` cells of four bytes at `offset`."""
    requires(count <= MAXIMUM_CELLS and 4 * count <= len(data) and offset <= len(data) - 4 * count)
    number: u64 = 0
    for byte in data[offset : offset + 4 * count]:
        number = wrapping_shl(number, 8) | u64(byte)
    return number


def cell_at(data: bytes, offset: usize) -> u32:
    """The big-endian 32-bit number at `offset`."""
    requires(len(data) >= 4 and offset <= len(data) - 4)
    part = data[offset : offset + 4]
    return u32(part[0]) << 24 | u32(part[1]) << 16 | u32(part[2]) << 8 | u32(part[3])


def name_at(data: bytes, offset: usize) -> bytes | None:
    """The text at `offset` up to its NUL, unless it is too long or isn't terminated."""
    if offset > len(data):
        return None
    rest = data[offset:]
    for length, byte in enumerate(rest):
        if byte == 0:
            return rest[:length]
        if length == MAXIMUM_NAME:
            break
    return None


def until(data: bytes, stop: u8) -> bytes:
    """What stands before the first `stop`."""
    for length, byte in enumerate(data):
        if byte == stop:
            return data[:length]
    return data


# --- tokens -----------------------------------------------------------------------------------------------------------


@struct
class Tree:
    """A blob, after `open_blocks` has accepted it.

    `structure` reaches from the blob's start to the end of the structure block, `strings` is the strings block,
    `reservations` the entries of the reservation block without the last one, which is empty. `size` is the blob's.
    """

    size: usize = 0
    root: usize = 0
    structure: bytes = b""
    strings: bytes = b""
    reservations: bytes = b""

    def token(self, start: usize) -> Token:
        """The first token from `start` on that isn't a NOP (5.4.1)."""
        structure = self.structure
        size = len(structure)
        offset = start
        while offset <= size and size - offset >= 4:
            loop_bound(len(self.structure) // 4)
            kind = cell_at(structure, offset)
            body = offset + 4
            if kind == NOP:
                offset = body
            elif kind in (END_NODE, END):
                return Token(kind, offset, body)
            elif kind not in (BEGIN_NODE, PROPERTY):
                return Token(BROKEN, offset, problem=Problem.TOKEN)
            else:
                content = b""
                name: bytes | None = None
                end = body
                if kind == BEGIN_NODE:
                    name = name_at(structure, body)
                    end = body if name is None else body + len(name) + 1
                elif size - body >= 8 and usize(cell_at(structure, body)) <= size - body - 8:
                    end = body + 8 + usize(cell_at(structure, body))
                    content = structure[body + 8 : end]
                    name = name_at(self.strings, usize(cell_at(structure, body + 4)))
                else:
                    return Token(BROKEN, offset, problem=Problem.TRUNCATED)
                if name is None:
                    return Token(BROKEN, offset, problem=Problem.NAME)
                return Token(kind, offset, (end + 3) & ~usize(3), name, content)
        return Token(BROKEN, min(offset, size), problem=Problem.TRUNCATED)

    def reservation(self, index: usize) -> Region | None:
        """Entry `index` of the memory reservation block (5.3); None behind the last."""
        if index >= len(self.reservations) // RESERVATION_SIZE:
            return None
        start = index * RESERVATION_SIZE
        return Region(cells_at(self.reservations, start, 2), cells_at(self.reservations, start + 8, 2))


# --- the whole tree ---------------------------------------------------------------------------------------------------


def is_block(total: usize, start: usize, size: usize, alignment: usize) -> bool:
    """Are these `size` bytes behind the header and inside the blob, and aligned (5.6)?"""
    return HEADER_SIZE <= start <= total and size <= total - start and start % alignment == 0


def open_blocks(tree: Tree, blob: bytes) -> Invalid | None:
    """Make `tree` the view of the blob that starts where `blob` does and may be shorter; say what is wrong with it.

    The blob may lie at any address. Behind FDT_END the structure block may go on (boot loaders leave room): nobody
    reads what stands there. A tree that was rejected can be read without harm, and what it says means nothing.
    """
    if len(blob) < HEADER_SIZE:
        return Invalid(Problem.TRUNCATED, 0)
    header: Array[usize] = array(HEADER_SIZE // 4)
    for field in range(len(header)):
        header[field] = usize(cell_at(blob, 4 * field))
    if header[0] != MAGIC:
        return Invalid(Problem.MAGIC, 0)
    total = header[1]
    if not HEADER_SIZE <= total <= len(blob):
        return Invalid(Problem.TRUNCATED, 4)
    if header[5] < VERSION or header[6] > VERSION:
        return Invalid(Problem.VERSION, 20)
    root, root_size = header[2], header[9]
    if not is_block(total, root, root_size, 4):
        return Invalid(Problem.BLOCK, 8)
    strings, strings_size = header[3], header[8]
    if not is_block(total, strings, strings_size, 1):
        return Invalid(Problem.BLOCK, 12)
    reserved = header[4]
    if not is_block(total, reserved, RESERVATION_SIZE, 8):
        return Invalid(Problem.BLOCK, 16)
    end = reserved
    while True:
        loop_bound(len(blob) // RESERVATION_SIZE)
        if total - end < RESERVATION_SIZE:
            return Invalid(Problem.RESERVATIONS, end)
        address, size = cells_at(blob, end, 2), cells_at(blob, end + 8, 2)
        if address == 0 and size == 0:
            break
        if address > LAST - size:
            return Invalid(Problem.RESERVATIONS, end)
        end += RESERVATION_SIZE
    tree.size = total
    tree.root = root
    tree.structure = blob[: root + root_size]
    tree.strings = blob[strings : strings + strings_size]
    tree.reservations = blob[reserved:end]
    return None
