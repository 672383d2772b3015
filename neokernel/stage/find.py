"""Where the boot loader has put the image: what the device tree says in `/chosen` (`linux,initrd-start` and `-end`).

Nothing in the tree is trusted (`kernel/devicetree.py`): it says where to look, and the signature says what is there.

Invariant: a `Range` that is found lies in memory that the tree has.
"""

from __future__ import annotations

from neokernel.kernel.devicetree import (
    BEGIN_NODE,
    BROKEN,
    END,
    MAXIMUM_CELLS,
    MAXIMUM_DEPTH,
    PROPERTY,
    Tree,
    cell_at,
    cells_at,
    open_blocks,
)
from neokernel.lang import ensures, loop_bound, loop_invariant, struct, u64, usize
from neokernel.stage.refusal import Refusal
from neokernel.stage.verify import MOST, Range


@struct
class Node:
    """A child of the root, as far as it has been read."""

    is_chosen: bool = False
    is_memory: bool = False
    registers: bytes = b""


@struct
class Found:
    """What the tree says. Without an image, start and end are equal."""

    address_cells: usize = 2
    size_cells: usize = 1
    start: u64 = 0
    end: u64 = 0
    #: the memory that holds the image, once it is known
    inside: bool = False


def find_image(blob: bytes, tree: Tree) -> Range | Refusal:
    """Where the image is. `blob` begins with the device tree, and `tree` is made the view of it."""
    ensures(lambda result: isinstance(result, Refusal) or result.is_below(MOST))
    if open_blocks(tree, blob) is not None:
        return Refusal.DEVICE_TREE
    found = Found()
    # Again, if memory stands before what is to lie in it.
    for _ in range(2):
        if not found.inside and not walk(tree, found):
            return Refusal.DEVICE_TREE
    if found.start == found.end:
        return Refusal.NO_IMAGE
    if found.start > found.end or found.end > MOST:
        return Refusal.DEVICE_TREE
    if not found.inside:
        return Refusal.OUTSIDE
    return Range(found.start, found.end - found.start)


def walk(tree: Tree, found: Found) -> bool:
    """Read the root's properties and its children's. Is the tree whole?"""
    node = Node()
    depth: usize = 0
    token = tree.token(tree.root)
    while token.kind not in (BROKEN, END):
        loop_bound(len(tree.structure) // 4 + 1)
        loop_invariant(depth <= MAXIMUM_DEPTH)
        if token.kind == BEGIN_NODE:
            if depth == MAXIMUM_DEPTH:
                return False
            depth += 1
            if depth == 2:
                node.is_chosen = token.name == b"chosen"
                node.is_memory = False
                node.registers = b""
        elif depth == 0:
            return False
        elif token.kind == PROPERTY:
            if depth == 1:
                read_of_root(found, token.name, token.content)
            elif depth == 2:
                read_of_child(found, node, token.name, token.content)
        else:
            if depth == 2 and node.is_memory:
                look_in_memory(found, node.registers)
            depth -= 1
        token = tree.token(token.next)
    return token.kind == END and depth == 0


def read_of_root(found: Found, name: bytes, content: bytes) -> None:
    if name == b"#address-cells" and len(content) == 4:
        found.address_cells = usize(cell_at(content, 0))
    elif name == b"#size-cells" and len(content) == 4:
        found.size_cells = usize(cell_at(content, 0))


def read_of_child(found: Found, node: Node, name: bytes, content: bytes) -> None:
    if name == b"device_type":
        node.is_memory = content == b"memory\0"
    elif name == b"reg":
        node.registers = content
    elif node.is_chosen and len(content) in (4, 8):
        # Of one cell or two, as the boot loader likes.
        if name == b"linux,initrd-start":
            found.start = cells_at(content, 0, len(content) // 4)
        elif name == b"linux,initrd-end":
            found.end = cells_at(content, 0, len(content) // 4)


def look_in_memory(found: Found, registers: bytes) -> None:
    """Does the image lie in one of these pieces of memory?"""
    first, second = found.address_cells, found.size_cells
    if first > MAXIMUM_CELLS or second > MAXIMUM_CELLS or first == 0 or second == 0:
        return
    rest = registers
    while len(rest) >= 4 * (first + second):
        loop_bound(len(registers) // 8)
        memory = Range(cells_at(rest, 0, first), cells_at(rest, 4 * first, second))
        rest = rest[4 * (first + second) :]
        if memory.is_below(MOST) and memory.start <= found.start <= found.end <= memory.start + memory.size:
            found.inside = True
