"""Everything that the device tree's parser says about a blob, as one digest: what readings, and models, compare.

The order in which things are noted is the contract with `tests/kernel/devicetree_model.py`.
"""

from neokernel.kernel.devices import (
    chosen,
    is_memory,
    is_reserved,
    next_interrupt,
    processor,
    register,
    register_count,
)
from neokernel.kernel.devicetree import Region, Tree, Walk, open_tree
from neokernel.lang import struct, u64, usize, wrapping_add, wrapping_mul

#: entries of one node that are looked at: hostile trees have thousands
ENTRIES = 32
ABSENT = (1 << 64) - 1


@struct
class Report:
    """A running digest, and how far the reader came. `problem`: None's stand-in is `ABSENT`."""

    digest: u64 = 0
    problem: u64 = 0
    offset: u64 = 0
    nodes: u64 = 0
    registers: u64 = 0
    interrupts: u64 = 0

    def note(self, number: u64) -> None:
        self.digest = wrapping_add(wrapping_mul(self.digest, 0x9E37_79B9_7F4A_7C15), number) ^ (self.digest >> 29)

    def note_bytes(self, data: bytes) -> None:
        self.note(len(data))
        for byte in data:
            self.note(u64(byte))

    def note_region(self, region: Region) -> None:
        self.note(region.address)
        self.note(region.size)


def report_node(walk: Walk, report: Report) -> None:
    report.note(walk.depth)
    report.note_bytes(walk.name())
    report.note(walk.tree.phandle(walk.node()))
    report.note(u64(walk.is_enabled()))
    report.note(u64(walk.is_compatible(b"simple-bus")))
    report.note(u64(is_memory(walk)))
    report.note(u64(is_reserved(walk)))
    found = processor(walk)
    if found is None:
        report.note(ABSENT)
    else:
        report.note(found.hart)
        report.note(u64(found.node == walk.node()))
        report.note(found.timebase)
        report.note_bytes(found.isa)
        report.note_bytes(found.mmu)
    count = register_count(walk)
    report.note(count)
    for index in range(min(count, ENTRIES)):
        region = register(walk, index)
        if region is None:
            report.note(ABSENT)
        else:
            report.registers += 1
            report.note_region(region)
    place: usize = 0
    for _ in range(ENTRIES):
        interrupt = next_interrupt(walk, place)
        if interrupt is None:
            break
        report.interrupts += 1
        report.note(interrupt.controller)
        report.note_bytes(interrupt.specifier)
        place = interrupt.next


def report_tree(tree: Tree, report: Report) -> None:
    index: usize = 0
    while True:
        reserved = tree.reservation(index)
        if reserved is None:
            break
        report.note_region(reserved)
        index += 1
    said = chosen(tree)
    report.note_bytes(said.arguments)
    report.note_bytes(said.console)
    report.note_region(said.initrd)
    walk = Walk(tree=tree)
    while walk.next_node():
        report.nodes += 1
        report.note(u64(walk.is_at(said.console)))
        report_node(walk, report)


def report_blob(blob: bytes, report: Report) -> None:
    """Note all that can be asked about `blob`."""
    tree = Tree()
    wrong = open_tree(tree, blob)
    if wrong is not None:
        report.problem = u64(wrong.problem.value)
        report.offset = wrong.offset
    else:
        report.problem = ABSENT
        report_tree(tree, report)
