"""The first stage: find the image, check it, put it where it belongs, enter it. Or say why not, and power off.

It begins where the firmware ends, and is no part of the image: whoever can change it can start anything.

Invariant: before an image is verified nothing of it is copied, and after that nothing but its two parts.
"""

from __future__ import annotations

from typing import NoReturn

from neokernel.arch.riscv64 import handover
from neokernel.arch.riscv64.bare import Machine
from neokernel.kernel.devicetree import Tree
from neokernel.lang import copy, u64
from neokernel.stage.enrolment import Enrolment, read_enrolment
from neokernel.stage.find import find_image
from neokernel.stage.format import ENROLMENT_ADDRESS
from neokernel.stage.refusal import STATUS, Refusal, what_is_wrong, what_to_do
from neokernel.stage.verify import Placed, Range, can_be_placed, verify_image

#: a device tree is at most this long
MOST_TREE = 1 << 20


def start(hart: u64, tree_address: u64) -> None:
    """From the boot code, with what the firmware has handed over."""
    machine = Machine()
    enrolment = Enrolment()
    refusal = read_enrolment(enrolment, handover.memory(ENROLMENT_ADDRESS, len(enrolment.memory)).bytes())
    if refusal is not None:
        refuse(machine, refusal)

    behind = Range(handover.stage_end(), handover.RAM_END - handover.stage_end())
    tree_range = Range(tree_address, MOST_TREE)
    if tree_address % 8 != 0 or not tree_range.is_below(handover.RAM_END) or not behind.holds(tree_range):
        refuse(machine, Refusal.DEVICE_TREE)
    tree = Tree()
    loaded = find_image(handover.memory(tree_address, MOST_TREE).bytes(), tree)
    if isinstance(loaded, Refusal):
        refuse(machine, loaded)
    if not behind.holds(loaded):
        refuse(machine, Refusal.OUTSIDE)
    image = verify_image(handover.memory(loaded.start, loaded.size), enrolment)
    if isinstance(image, Refusal):
        refuse(machine, image)
    free = Range(handover.load_start(), handover.load_end() - handover.load_start())
    if not can_be_placed(image, free, loaded, Range(tree_address, tree.size)):
        refuse(machine, Refusal.PLACE)

    machine.console.write(f"first stage: the image is signed by {enrolment.name(image.key)}\n")
    put(image.kernel, loaded)
    put(image.archive, loaded)
    handover.enter(image.entry, hart, tree_address)


def put(part: Placed, loaded: Range) -> None:
    """Copy a part of the image to its place, which overlaps nothing that is still needed."""
    source = handover.memory(loaded.start + part.source.start, part.source.size)
    copy(handover.memory(part.memory.start, part.source.size), source.view())


def refuse(machine: Machine, refusal: Refusal) -> NoReturn:
    machine.console.write(f"first stage: refused: {what_is_wrong(refusal)} ({refusal.name})\n")
    machine.console.write(f"first stage: {what_to_do(refusal)}\n")
    machine.power_off(STATUS)
