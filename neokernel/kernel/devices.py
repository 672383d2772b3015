"""What the nodes of a device tree mean: memory, registers, interrupts, harts, `/chosen` (Devicetree Specification 0.4,
chapters 2 and 3).

The functions are about the node on which a `Walk` stands, so that boot code can hand out each device as it comes to it:

    walk = Walk(tree=tree)
    while walk.next_node():
        for index in range(register_count(walk)):
            region = register(walk, index)

Invariants: those of `devicetree.py`; each call's work is linear in the blob's size. Values of unexpected length, cells
that can't be read, and references to nowhere count as absent.

Not read: the `interrupt-map` and three-cell addresses of PCI, which are their driver's business, and `dma-ranges`.
"""

from neokernel.kernel.devicetree import (
    LAST,
    MAXIMUM_CELLS,
    SLASH,
    Region,
    Tree,
    Walk,
    cell_at,
    cells_at,
    find_phandle,
    until,
)
from neokernel.lang import loop_bound, requires, u64, usize, value

COLON = 0x3A


@value
class Interrupt:
    """A line into the controller that has `controller` as its phandle, in that controller's own cells (2.4).

    `next`: where the node's next interrupt is looked for.
    """

    controller: u64
    specifier: bytes
    next: usize


@value
class Processor:
    """A hart (3.8): its number, the node that describes it, its ISA string and MMU type (empty if not given), and how
    many times a second its timer counts.
    """

    hart: u64
    node: usize
    isa: bytes
    mmu: bytes
    timebase: u64


@value
class Chosen:
    """What the boot loader passes on (3.6). `initrd` has size 0, and the texts are empty, where it says nothing.

    `console` is a path, to be found with `Walk.is_at`.
    """

    arguments: bytes
    console: bytes
    initrd: Region


# --- memory and registers ---------------------------------------------------------------------------------------------


def is_memory(walk: Walk) -> bool:
    """Are the node's registers memory (3.4)?"""
    return walk.tree.says(walk.node(), b"device_type", b"memory")


def is_reserved(walk: Walk) -> bool:
    """Are the node's registers memory that isn't free (3.5)?"""
    return walk.depth == 3 and walk.tree.name(walk.nodes[1]) == b"reserved-memory"


def address_cells(tree: Tree, bus: usize) -> usize:
    """How many cells an address on `bus` has (2.3.5)."""
    return tree.cells(bus, b"#address-cells", 2)


def size_cells(tree: Tree, bus: usize) -> usize:
    """How many cells a size on `bus` has (2.3.5)."""
    return tree.cells(bus, b"#size-cells", 1)


def register_count(walk: Walk) -> usize:
    """The number of entries in the node's `reg` (2.3.6) that `register` could read."""
    if walk.depth < 2:
        return 0
    bus = walk.nodes[walk.depth - 2]
    address, size = address_cells(walk.tree, bus), size_cells(walk.tree, bus)
    if address > MAXIMUM_CELLS or size > MAXIMUM_CELLS or address + size == 0:
        return 0
    return len(walk.property(b"reg")) // (4 * (address + size))


def register(walk: Walk, index: usize) -> Region | None:
    """Entry `index` of the node's `reg` as the processor sees it; None if there is none, or it can't see it."""
    if index >= register_count(walk):
        return None
    found = walk.property(b"reg")
    bus = walk.nodes[walk.depth - 2]
    cells, more = address_cells(walk.tree, bus), size_cells(walk.tree, bus)
    start = index * 4 * (cells + more)
    address, size = cells_at(found, start, cells), cells_at(found, start + 4 * cells, more)
    for level in reversed(range(1, walk.depth - 1)):
        translated = translate(walk, level, address, size)
        if translated is None:
            return None
        address = translated
    return None if address > LAST - size else Region(address, size)


def translate(walk: Walk, level: usize, address: u64, size: u64) -> u64 | None:
    """An address on the bus `walk.nodes[level]` as one on the bus around it, by its `ranges` (2.3.8)."""
    requires(0 < level < walk.depth)
    tree, bus = walk.tree, walk.nodes[level]
    found = tree.find(bus, b"ranges")
    if found == 0:
        return None
    ranges = tree.token(found).content
    if len(ranges) == 0:
        return address
    child, parent, extent = address_cells(tree, bus), address_cells(tree, walk.nodes[level - 1]), size_cells(tree, bus)
    step = 4 * (child + parent + extent)
    if child > MAXIMUM_CELLS or parent > MAXIMUM_CELLS or extent > MAXIMUM_CELLS or step == 0:
        return None
    for index in range(len(ranges) // step):
        entry = ranges[index * step :]
        base = cells_at(entry, 0, child)
        target = cells_at(entry, 4 * child, parent)
        length = cells_at(entry, 4 * (child + parent), extent)
        if base <= address and address - base <= length and size <= length - (address - base):
            return None if target > LAST - (address - base) else target + (address - base)
    return None


# --- interrupts -------------------------------------------------------------------------------------------------------


def interrupt_parent(walk: Walk) -> u64:
    """The phandle of the controller that the node's `interrupts` go to: one that it names, or else the nearest that a
    node around it names or is.
    """
    tree = walk.tree
    for level in reversed(range(usize(0), walk.depth)):
        named = tree.number(walk.nodes[level], b"interrupt-parent")
        if named is not None:
            return named
        if level > 0 and tree.has(walk.nodes[level - 1], b"#interrupt-cells"):
            return tree.phandle(walk.nodes[level - 1])
    return 0


def next_interrupt(walk: Walk, start: usize) -> Interrupt | None:
    """The node's first interrupt if `start` is 0, or the one behind that whose `next` it is; None behind the last."""
    tree = walk.tree
    listed = walk.property(b"interrupts-extended")
    first = start
    phandle: u64 = 0
    if len(listed) == 0:
        listed = walk.property(b"interrupts")
        phandle = interrupt_parent(walk)
    elif start < len(listed) and len(listed) - start >= 4:
        phandle = u64(cell_at(listed, start))
        first = start + 4
    controller = find_phandle(tree, phandle)
    if controller is None or first > len(listed):
        return None
    cells = tree.cells(controller, b"#interrupt-cells", 0)
    if cells == 0 or cells > MAXIMUM_CELLS or 4 * cells > len(listed) - first:
        return None
    end = first + 4 * cells
    return Interrupt(phandle, listed[first:end], end)


# --- harts ------------------------------------------------------------------------------------------------------------


def processor(walk: Walk) -> Processor | None:
    """The hart that the node is, or is part of, as its interrupt controller is."""
    tree = walk.tree
    for level in range(1, walk.depth):
        node = walk.nodes[level]
        if tree.says(node, b"device_type", b"cpu"):
            hart = tree.number(node, b"reg")
            timebase = tree.number(node, b"timebase-frequency")
            if timebase is None:
                timebase = tree.number(walk.nodes[level - 1], b"timebase-frequency")
            if hart is None or timebase is None:
                return None
            return Processor(hart, node, tree.text(node, b"riscv,isa"), tree.text(node, b"mmu-type"), timebase)
    return None


# --- /chosen ----------------------------------------------------------------------------------------------------------


def chosen(tree: Tree) -> Chosen:
    """What `/chosen` says."""
    node: usize | None = None
    aliases: usize | None = None
    walk = Walk(tree=tree)
    while walk.next_node():
        loop_bound(len(tree.structure) // 4)
        name = walk.name()
        if walk.depth == 2 and name == b"chosen":
            node = walk.node()
        elif walk.depth == 2 and name == b"aliases":
            aliases = walk.node()
    if node is None:
        return Chosen(b"", b"", Region(0, 0))
    console = until(tree.text(node, b"stdout-path"), COLON)  # the line's settings follow
    if len(console) != 0 and console[0] != SLASH:
        console = b"" if aliases is None else tree.text(aliases, console)
    start, end = tree.number(node, b"linux,initrd-start"), tree.number(node, b"linux,initrd-end")
    initrd = Region(0, 0)
    if start is not None and end is not None and start <= end:
        initrd = Region(start, end - start)
    return Chosen(tree.text(node, b"bootargs"), console, initrd)
