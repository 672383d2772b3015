"""The flattened device tree: what the boot loader says the machine is (Devicetree Specification 0.4, chapter 5).

This is the format: blocks, tokens, nodes, properties. What nodes mean is read by `devices.py`, and by `inventory.py`
while the kernel boots.

Nothing in the blob is trusted. `open_tree` checks the header and walks the whole structure block once; what later reads
find is guarded again where it is read, so no check here rests on what an earlier pass has seen.

Invariants:
- Offsets count bytes from the blob's start; that of a node is where its FDT_BEGIN_NODE token stands. No token is at 0.
- Nothing is copied: names and values are views of the blob, names without their terminating NUL.
- Every call ends after work linear in the blob's size: a token is at least four bytes, tokens are only passed forwards,
  and the length of a name is bounded.

Section numbers in comments are the specification's.
"""

from enum import Enum

from neokernel.lang import (
    Array,
    array,
    invariant,
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
SLASH = 0x2F


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


# --- nodes and properties ---------------------------------------------------------------------------------------------


@struct
class Tree:
    """A blob, after `open_tree` has accepted it.

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

    def name(self, node: usize) -> bytes:
        """The node's name with its unit address."""
        return self.token(node).name

    def find(self, node: usize, name: bytes) -> usize:
        """The offset of the node's property `name`; 0 if it has none."""
        token = self.token(self.token(node).next)
        while token.kind == PROPERTY:
            loop_bound(len(self.structure) // 4)
            if token.name == name:
                return token.start
            token = self.token(token.next)
        return 0

    def has(self, node: usize, name: bytes) -> bool:
        """Does the node have a property `name`?"""
        return self.find(node, name) != 0

    def property(self, node: usize, name: bytes) -> bytes:
        """The value of the node's property `name`; empty if it has none."""
        found = self.find(node, name)
        return b"" if found == 0 else self.token(found).content

    def text(self, node: usize, name: bytes) -> bytes:
        """The property as text: its value up to the first NUL."""
        return until(self.property(node, name), 0)

    def says(self, node: usize, name: bytes, text: bytes) -> bool:
        """Is `text` one of the texts in the property, which is a string list (2.2.4)?"""
        found = self.property(node, name)
        start: usize = 0
        for index, byte in enumerate(found):
            if byte == 0:
                if found[start:index] == text:
                    return True
                start = index + 1
        return False

    def number(self, node: usize, name: bytes) -> u64 | None:
        """The property as a number of one or two cells; None if it isn't one."""
        found = self.property(node, name)
        return cells_at(found, 0, len(found) // 4) if len(found) in (4, 8) else None

    def cells(self, node: usize, name: bytes, default: usize) -> usize:
        """A property that counts cells; what can't be used counts as more than `MAXIMUM_CELLS`."""
        found = self.property(node, name)
        if len(found) == 0:
            return default
        return usize(min(cell_at(found, 0), MAXIMUM_CELLS + 1)) if len(found) == 4 else MAXIMUM_CELLS + 1

    def phandle(self, node: usize) -> u64:
        """The number by which other nodes refer to this one; 0 if they don't (2.3.3)."""
        found = self.number(node, b"phandle")
        return 0 if found is None else found

    def reservation(self, index: usize) -> Region | None:
        """Entry `index` of the memory reservation block (5.3); None behind the last."""
        if index >= len(self.reservations) // RESERVATION_SIZE:
            return None
        start = index * RESERVATION_SIZE
        return Region(cells_at(self.reservations, start, 2), cells_at(self.reservations, start + 8, 2))


@struct
class Walk:
    """A cursor over the nodes, in the blob's order: parents before children. After `next_node` was true it stands on a
    node, which the other methods are about.

    Invariant: `nodes[:depth]` is the path from the root to the node.
    """

    tree: Tree
    position: usize = 0
    depth: usize = 0
    #: no child of the innermost node has been seen: properties may follow
    fresh: bool = False
    #: what stopped the walk before its end: nothing, in a tree that is open
    problem: Problem = Problem.NONE
    nodes: Array[usize] = array(MAXIMUM_DEPTH)

    @invariant
    def fits(self) -> bool:
        return self.depth <= MAXIMUM_DEPTH

    def next_node(self) -> bool:
        """Go to the next node; false behind the last."""
        while self.problem is Problem.NONE:
            loop_bound(len(self.tree.structure) // 4 + 1)
            started = self.position != 0
            token = self.tree.token(self.position if started else self.tree.root)
            inside = self.depth != 0
            self.position = token.start
            self.problem = token.problem
            if token.kind == BEGIN_NODE:
                if started and not inside:
                    self.problem = Problem.NESTING
                elif self.depth == MAXIMUM_DEPTH:
                    self.problem = Problem.DEPTH
                else:
                    self.nodes[self.depth] = token.start
                    self.depth += 1
                    self.fresh = True
                    self.position = token.next
                    return True
            elif token.kind == END:
                if inside or not started:
                    self.problem = Problem.NESTING
                return False
            elif token.kind != BROKEN:
                if not inside or (token.kind == PROPERTY and not self.fresh):
                    self.problem = Problem.NESTING
                else:
                    if token.kind == END_NODE:
                        self.depth -= 1
                        self.fresh = False
                    self.position = token.next
        return False

    def node(self) -> usize:
        """The node's offset, which `Tree` takes."""
        requires(self.depth != 0)
        return self.nodes[self.depth - 1]

    def name(self) -> bytes:
        """The node's name with its unit address."""
        return self.tree.name(self.node())

    def property(self, name: bytes) -> bytes:
        """The value of the node's property `name`; empty if it has none."""
        return self.tree.property(self.node(), name)

    def is_compatible(self, model: bytes) -> bool:
        """Does the node say that it can be driven as a `model` (2.3.1)?"""
        return self.tree.says(self.node(), b"compatible", model)

    def is_enabled(self) -> bool:
        """Is the node, like all nodes that it is part of, in use (2.3.4)?"""
        for node in self.nodes[: self.depth]:
            if self.tree.has(node, b"status") and not (
                self.tree.says(node, b"status", b"okay") or self.tree.says(node, b"status", b"ok")
            ):
                return False
        return True

    def is_at(self, path: bytes) -> bool:
        """Is this the node at `path`, such as `/soc/serial@10000000`?"""
        requires(self.depth != 0)
        if self.depth == 1:
            return path == b"/"
        rest = path
        for node in self.nodes[1 : self.depth]:
            name = self.tree.name(node)
            if len(rest) <= len(name) or rest[0] != SLASH or rest[1 : len(name) + 1] != name:
                return False
            rest = rest[len(name) + 1 :]
        return len(rest) == 0


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


def open_tree(tree: Tree, blob: bytes) -> Invalid | None:
    """The same, with a walk over the whole structure block: none that follows will stop at a problem."""
    wrong = open_blocks(tree, blob)
    if wrong is not None:
        return wrong
    walk = Walk(tree=tree)
    while walk.next_node():
        loop_bound(len(blob) // 4)
    return None if walk.problem is Problem.NONE else Invalid(walk.problem, walk.position)


def find_phandle(tree: Tree, phandle: u64) -> usize | None:
    """The node that others refer to by `phandle` (2.3.3)."""
    node: usize = 0
    token = tree.token(tree.root)
    while phandle != 0 and token.kind not in (BROKEN, END):
        loop_bound(len(tree.structure) // 4)
        if token.kind == BEGIN_NODE:
            node = token.start
        elif token.name == b"phandle" and tree.phandle(node) == phandle:
            return node
        token = tree.token(token.next)
    return None
