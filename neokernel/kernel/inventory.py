"""What the machine has, as far as the kernel must know, from one pass over the device tree.

Each token is looked at once, because the kernel boots within a budget. Properties of a node come before its children,
so that a node is complete when its first child or its end comes; the nodes on the way to it are kept in
`Reader.levels`. Of two properties with the same name, the last counts.

Invariants: nothing in the tree is trusted (see `devicetree.py`); the pass ends after work linear in the tree's size;
ranges that don't fit the lists are counted in `lost`, not forgotten.

Section numbers in comments are the Devicetree Specification's, 0.4.
"""

from neokernel.kernel.devicetree import (
    BEGIN_NODE,
    BROKEN,
    END,
    LAST,
    MAXIMUM_CELLS,
    MAXIMUM_DEPTH,
    PROPERTY,
    Invalid,
    Problem,
    Tree,
    cell_at,
    cells_at,
    until,
)
from neokernel.lang import Array, Embedded, array, loop_bound, renew, requires, struct, u32, u64, usize

MAXIMUM_RANGES = 64
#: characters of an ISA string before its extensions: `rv64`
BASE_LENGTH = 4
#: the interrupt of a hart's own controller that says "external, supervisor" (privileged specification, `scause`)
SUPERVISOR_EXTERNAL = 9


@struct
class Range:
    """`size` bytes from `base` on; the end fits 64 bits."""

    base: u64 = 0
    size: u64 = 0


@struct
class Ranges:
    items: Array[Embedded[Range]] = array(MAXIMUM_RANGES)
    count: usize = 0
    #: how many didn't fit
    lost: usize = 0

    def add(self, base: u64, size: u64) -> None:
        if self.count == MAXIMUM_RANGES:
            self.lost += 1
            return
        item = self.items[self.count]
        item.base = base
        item.size = size
        self.count += 1


@struct
class Inventory:
    """The machine. What isn't said is 0 or empty.

    `devices` are registers, in the tree's order, without memory and without the interrupt controllers. `targets` is the
    PLIC's `interrupts-extended`, whose n-th entry is what its context n interrupts.
    """

    memory: Embedded[Ranges] = Ranges()
    reserved: Embedded[Ranges] = Ranges()
    devices: Embedded[Ranges] = Ranges()
    plic: Embedded[Range] = Range()
    lines: u64 = 0
    targets: bytes = b""
    #: of the hart that boots: is it there, its own interrupt controller, its ISA and translation, its timer
    present: bool = False
    controller: u64 = 0
    isa: bytes = b""
    mmu: bytes = b""
    frequency: u64 = 0

    def context(self) -> u64 | None:
        """The PLIC's context that interrupts the boot hart in S-mode.

        A hart's own controller has interrupts of one cell (binding `riscv,cpu-intc`), so an entry has two.
        """
        for index in range(len(self.targets) // 8):
            line = cell_at(self.targets, 8 * index + 4)
            if u64(cell_at(self.targets, 8 * index)) == self.controller and line == SUPERVISOR_EXTERNAL:
                return index
        return None

    def has_extension(self, name: bytes) -> bool:
        """Does the boot hart's ISA string, `rv64imac_zicsr_…`, have the extension of several letters?"""
        start: usize = 0
        for index, byte in enumerate(self.isa):
            if byte == 0x5F:
                if self.isa[start:index] == name:
                    return True
                start = index + 1
        return self.isa[start:] == name

    def has_vectors(self) -> bool:
        """Is `v` among its extensions of one letter, `rv64imafdcv_…`?"""
        for index, byte in enumerate(self.isa):
            if byte == 0x5F:
                return False
            if byte == 0x76 and index >= BASE_LENGTH:
                return True
        return False


@struct
class Level:
    """What is known of a node."""

    name: bytes = b""
    address_cells: usize = 2
    size_cells: usize = 1
    translates: bool = False
    ranges: bytes = b""
    registers: bytes = b""
    models: bytes = b""
    device: bytes = b""
    targets: bytes = b""
    isa: bytes = b""
    mmu: bytes = b""
    phandle: u64 = 0
    lines: u64 = 0
    frequency: u64 = 0
    #: it, and all that it is part of, is in use (2.3.4)
    enabled: bool = True


@struct
class Reader:
    hart: u64
    #: levels[:depth] is the path from the root to the current node
    levels: Array[Embedded[Level]] = array(MAXIMUM_DEPTH)
    depth: usize = 0

    def begin(self, name: bytes) -> None:
        requires(self.depth < MAXIMUM_DEPTH)
        renew(self.levels[self.depth])
        level = self.levels[self.depth]
        level.name = name
        if self.depth != 0:
            level.enabled = self.levels[self.depth - 1].enabled
        self.depth += 1

    def read_property(self, name: bytes, content: bytes) -> None:
        requires(self.depth != 0)
        level = self.levels[self.depth - 1]
        if name == b"reg":
            level.registers = content
        elif name == b"compatible":
            level.models = content
        elif name == b"phandle":
            level.phandle = number_of(content)
        elif name == b"#address-cells":
            level.address_cells = count_of(content, 2)
        elif name == b"#size-cells":
            level.size_cells = count_of(content, 1)
        elif name == b"ranges":
            level.translates = True
            level.ranges = content
        elif name == b"status":
            around = self.depth == 1 or self.levels[self.depth - 2].enabled
            level.enabled = around and (says(content, b"okay") or says(content, b"ok"))
        elif name == b"device_type":
            level.device = content
        elif name == b"interrupts-extended":
            level.targets = content
        elif name == b"riscv,ndev":
            level.lines = number_of(content)
        elif name == b"timebase-frequency":
            level.frequency = number_of(content)
        elif name == b"riscv,isa":
            level.isa = until(content, 0)
        elif name == b"mmu-type":
            level.mmu = until(content, 0)

    def complete(self, inventory: Inventory) -> None:
        """All properties of the current node are known."""
        if self.depth < 2:
            return
        level = self.levels[self.depth - 1]
        around = self.levels[self.depth - 2]
        if says(around.device, b"cpu"):
            if level.phandle != 0 and self.is_boot_hart(around):
                inventory.controller = level.phandle
        elif says(level.device, b"cpu"):
            if self.is_boot_hart(level):
                inventory.present = True
                inventory.isa = level.isa
                inventory.mmu = level.mmu
                # The harts may share one (3.7).
                inventory.frequency = level.frequency if level.frequency != 0 else around.frequency
        elif self.depth == 3 and around.name == b"reserved-memory":
            self.list_registers(inventory.reserved)
        elif not level.enabled:
            return
        elif says(level.device, b"memory"):
            self.list_registers(inventory.memory)
        elif says(level.models, b"riscv,plic0") or says(level.models, b"sifive,plic-1.0.0"):
            if self.translate(0, inventory.plic):
                inventory.lines = level.lines
                inventory.targets = level.targets
        elif not (says(level.models, b"riscv,clint0") or says(level.models, b"sifive,clint0")):
            # The CLINT is the firmware's.
            self.list_registers(inventory.devices)

    def is_boot_hart(self, level: Level) -> bool:
        return level.enabled and len(level.registers) in (4, 8) and number_of(level.registers) == self.hart

    def list_registers(self, list: Ranges) -> None:
        """Add the current node's entries that the processor can see."""
        level, bus = self.levels[self.depth - 1], self.levels[self.depth - 2]
        step = 4 * (bus.address_cells + bus.size_cells)
        if bus.address_cells > MAXIMUM_CELLS or bus.size_cells > MAXIMUM_CELLS or step == 0:
            return
        found = Range()
        for index in range(len(level.registers) // step):
            if self.translate(index, found) and found.size != 0:
                list.add(found.base, found.size)

    def translate(self, index: usize, found: Range) -> bool:
        """Entry `index` of the current node's registers (2.3.6), as the processor sees it (2.3.8)."""
        requires(2 <= self.depth <= MAXIMUM_DEPTH)
        level, bus = self.levels[self.depth - 1], self.levels[self.depth - 2]
        cells, more = bus.address_cells, bus.size_cells
        if cells > MAXIMUM_CELLS or more > MAXIMUM_CELLS or cells + more == 0:
            return False
        start = index * 4 * (cells + more)
        if start > len(level.registers) or len(level.registers) - start < 4 * (cells + more):
            return False
        address = cells_at(level.registers, start, cells)
        size = cells_at(level.registers, start + 4 * cells, more)
        for place in reversed(range(usize(1), self.depth - 1)):
            bridge, outer = self.levels[place], self.levels[place - 1]
            if not bridge.translates:
                return False
            if len(bridge.ranges) != 0:
                moved = outwards(bridge, outer, address, size)
                if moved is None:
                    return False
                address = moved
        if address > LAST - size:
            return False
        found.base = address
        found.size = size
        return True


def outwards(bridge: Level, outer: Level, address: u64, size: u64) -> u64 | None:
    """An address on the bus `bridge` as one on the bus around it."""
    child, parent, extent = bridge.address_cells, outer.address_cells, bridge.size_cells
    step = 4 * (child + parent + extent)
    if child > MAXIMUM_CELLS or parent > MAXIMUM_CELLS or extent > MAXIMUM_CELLS or step == 0:
        return None
    rest = bridge.ranges
    while len(rest) >= step:
        loop_bound(len(bridge.ranges) // step)
        base = cells_at(rest, 0, child)
        target = cells_at(rest, 4 * child, parent)
        length = cells_at(rest, 4 * (child + parent), extent)
        rest = rest[step:]
        if base <= address and address - base <= length and size <= length - (address - base):
            return None if target > LAST - (address - base) else target + (address - base)
    return None


def take_inventory(tree: Tree, inventory: Inventory, hart: u64) -> Invalid | None:
    """Read the tree, whose blocks are open, for a machine that boots on `hart`; or say what is wrong with it.

    A tree has exactly one root; a node's properties come before its children (5.4.2).
    """
    reader = Reader(hart=hart)
    token = tree.token(tree.root)
    started = False
    fresh = False  # the current node has no child yet: properties may follow
    while token.kind not in (BROKEN, END):
        loop_bound(len(tree.structure) // 4 + 1)
        if token.kind == BEGIN_NODE:
            if started and reader.depth == 0:
                return Invalid(Problem.NESTING, token.start)
            if reader.depth >= MAXIMUM_DEPTH:
                return Invalid(Problem.DEPTH, token.start)
            if fresh:
                reader.complete(inventory)
            reader.begin(token.name)
            fresh = True
            started = True
        elif reader.depth == 0:
            return Invalid(Problem.NESTING, token.start)
        elif token.kind == PROPERTY:
            if not fresh:
                return Invalid(Problem.NESTING, token.start)
            reader.read_property(token.name, token.content)
        else:
            if fresh:
                reader.complete(inventory)
            fresh = False
            reader.depth -= 1
        token = tree.token(token.next)
    if token.kind == BROKEN:
        return Invalid(token.problem, token.start)
    if reader.depth != 0 or not started:
        return Invalid(Problem.NESTING, token.start)
    return None


def says(content: bytes, text: bytes) -> bool:
    """Is `text` one of the texts in `content`, a string list (2.2.4)?"""
    if len(content) <= len(text):
        return False
    start: usize = 0
    for index, byte in enumerate(content):
        if byte == 0:
            if content[start:index] == text:
                return True
            start = index + 1
    return False


def number_of(content: bytes) -> u64:
    """A number of one or two cells; 0 if it isn't one."""
    return cells_at(content, 0, len(content) // 4) if len(content) in (4, 8) else 0


def count_of(content: bytes, default: usize) -> usize:
    """A number of cells; what can't be used counts as more than `MAXIMUM_CELLS`."""
    if len(content) == 0:
        return default
    return usize(min(cell_at(content, 0), u32(MAXIMUM_CELLS + 1))) if len(content) == 4 else MAXIMUM_CELLS + 1
