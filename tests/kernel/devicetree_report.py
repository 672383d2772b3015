"""What the kernel finds in a device tree, as one digest: what readings, and models, compare.

The order in which things are noted is the contract with `tests/kernel/devicetree_model.py`.
"""

from neokernel.kernel.devicetree import Tree, open_blocks
from neokernel.kernel.inventory import Inventory, Ranges, take_inventory
from neokernel.lang import struct, u64, usize, wrapping_add, wrapping_mul

#: the hart that boots
HART = 0
ABSENT = (1 << 64) - 1


@struct
class Report:
    """A running digest, and how far the reader came. `problem`: None's stand-in is `ABSENT`."""

    digest: u64 = 0
    problem: u64 = 0
    offset: u64 = 0
    registers: u64 = 0
    targets: u64 = 0

    def note(self, number: u64) -> None:
        self.digest = wrapping_add(wrapping_mul(self.digest, 0x9E37_79B9_7F4A_7C15), number) ^ (self.digest >> 29)

    def note_bytes(self, data: bytes) -> None:
        self.note(len(data))
        for byte in data:
            self.note(u64(byte))

    def note_ranges(self, ranges: Ranges) -> None:
        self.registers += ranges.count
        self.note(ranges.count)
        self.note(ranges.lost)
        for item in ranges.items[: ranges.count]:
            self.note(item.base)
            self.note(item.size)


def report_tree(tree: Tree, found: Inventory, report: Report) -> None:
    index: usize = 0
    while True:
        reserved = tree.reservation(index)
        if reserved is None:
            break
        report.note(reserved.address)
        report.note(reserved.size)
        index += 1
    report.note_ranges(found.memory)
    report.note_ranges(found.reserved)
    report.note_ranges(found.devices)
    report.note(found.plic.base)
    report.note(found.plic.size)
    report.note(found.lines)
    report.note_bytes(found.targets)
    report.targets = len(found.targets)
    report.note(u64(found.present))
    report.note(found.controller)
    report.note_bytes(found.isa)
    report.note_bytes(found.mmu)
    report.note(found.frequency)
    context = found.context()
    report.note(ABSENT if context is None else context)
    report.note(u64(found.has_extension(b"sstc")))
    report.note(u64(found.has_vectors()))


def report_blob(blob: bytes, report: Report) -> None:
    """Note all that the kernel reads of `blob`."""
    tree = Tree()
    found = Inventory()
    wrong = open_blocks(tree, blob)
    if wrong is None:
        wrong = take_inventory(tree, found, HART)
    if wrong is not None:
        report.problem = u64(wrong.problem.value)
        report.offset = wrong.offset
    else:
        report.problem = ABSENT
        report_tree(tree, found, report)
