"""The kernel's one pass over the device tree finds what the tree says, and rejects what `open_tree` rejects."""

from __future__ import annotations

import copy
import random
from dataclasses import dataclass, field
from typing import Any

import pytest

from neokernel import lang
from neokernel.kernel import devicetree, inventory
from tests.kernel.devicetree_model import Model, Node, enabled, read, registers, write
from tests.kernel.devicetree_samples import MACHINES, blob_of, board, cells, edges, extreme, texts, tiny
from tests.support import machine

needs_qemu = pytest.mark.skipif(machine.QEMU is None, reason="qemu-system-riscv64 is not installed")

SAMPLES = {"board": board, "tiny": tiny, "edges": edges, "extreme": extreme}
Pairs = list[tuple[int, int]]


@dataclass
class Facts:
    """An inventory, as numbers."""

    memory: Pairs = field(default_factory=list)
    reserved: Pairs = field(default_factory=list)
    devices: Pairs = field(default_factory=list)
    plic: tuple[int, int] = (0, 0)
    lines: int = 0
    targets: bytes = b""
    present: bool = False
    controller: int = 0
    isa: bytes = b""
    frequency: int = 0


def taken(blob: bytes, hart: int = 0) -> tuple[Any, Any]:
    """(what is wrong, the inventory)."""
    tree, found = devicetree.Tree(), inventory.Inventory()
    wrong = devicetree.open_blocks(tree, lang.byte_view(blob))
    return wrong or inventory.take_inventory(tree, found, lang.u64(hart)), found


def facts(found: Any) -> Facts:
    def pairs(ranges: Any) -> Pairs:
        return [(int(item.base), int(item.size)) for item in ranges.items[: ranges.count]]

    return Facts(
        pairs(found.memory),
        pairs(found.reserved),
        pairs(found.devices),
        (int(found.plic.base), int(found.plic.size)),
        int(found.lines),
        bytes(found.targets),
        bool(found.present),
        int(found.controller),
        bytes(found.isa),
        int(found.frequency),
    )


def expected(model: Model, hart: int = 0) -> Facts:
    """The same from the model, by asking each node."""
    facts = Facts()
    for node in list(model.root.everything())[1:]:
        assert node.parent is not None
        kinds, around = node.texts(b"device_type"), node.parent.texts(b"device_type")
        models = set(node.texts(b"compatible"))
        seen = [each for each in registers(node) if each is not None and each[1]]
        if b"cpu" in around:
            if node.number(b"phandle") and enabled(node.parent) and node.parent.number(b"reg") == hart:
                facts.controller = node.number(b"phandle") or 0
        elif b"cpu" in kinds:
            if enabled(node) and node.number(b"reg") == hart:
                timebase = node.number(b"timebase-frequency") or node.parent.number(b"timebase-frequency")
                facts.present, facts.isa, facts.frequency = True, node.text(b"riscv,isa"), timebase or 0
        elif len(node.path()) == 3 and node.parent.name == b"reserved-memory":
            facts.reserved += seen
        elif not enabled(node):
            pass
        elif b"memory" in kinds:
            facts.memory += seen
        elif models & {b"riscv,plic0", b"sifive,plic-1.0.0"}:
            first = registers(node)[:1]
            if first and first[0] is not None:
                facts.plic, facts.lines = first[0], node.number(b"riscv,ndev") or 0
                facts.targets = node.get(b"interrupts-extended") or b""
        elif not models & {b"riscv,clint0", b"sifive,clint0"}:
            facts.devices += seen
    limit = inventory.MAXIMUM_RANGES
    for pairs in (facts.memory, facts.reserved, facts.devices):
        del pairs[limit:]
    return facts


@pytest.mark.parametrize("name", SAMPLES)
def test_samples(name: str) -> None:
    wrong, found = taken(write(SAMPLES[name]()))
    assert wrong is None
    assert facts(found) == expected(SAMPLES[name]())


def test_the_facts_of_a_board() -> None:
    _, found = taken(write(board()))
    assert facts(found).memory == [(0x8000_0000, 0x1000_0000), (0x2_0000_0000, 0x1000)]
    assert facts(found).reserved == [(0x8000_0000, 0x20_0000)]
    assert (0x1_1000_0100, 0x100) in facts(found).devices
    assert (found.present, found.frequency, bytes(found.isa)) == (True, 10_000_000, b"rv64imac")


def test_a_hart_that_is_not_in_use_is_not_there() -> None:
    _, found = taken(write(board()), hart=1)
    assert not found.present


@needs_qemu
@pytest.mark.parametrize("name", ["small", "harts", "virtio", "nodes", "spike"])
def test_real_machines(name: str) -> None:
    assert name in MACHINES
    blob = blob_of(name)
    wrong, found = taken(blob)
    assert wrong is None
    assert facts(found) == expected(read(blob))
    assert found.memory.count >= 1


@needs_qemu
def test_the_facts_of_a_real_machine() -> None:
    _, found = taken(blob_of("harts"), hart=2)
    assert (int(found.plic.base), int(found.lines)) == (0xC00_0000, 96)
    assert found.context() == 5  # each hart has two: M and S
    assert found.frequency == 10_000_000
    assert bytes(found.mmu).startswith(b"riscv,sv")
    assert found.has_extension(lang.byte_view(b"zicsr"))
    assert not found.has_extension(lang.byte_view(b"zics"))
    assert (0x1000_0000, 0x100) in facts(found).devices


_CONTENTS = [b"", cells(0), cells(1), cells(2), cells(3), b"\1", cells(1, 1), cells(0, 1, 2, 3), cells(0xFFFF_FFFF) * 4]
_CONTENTS += [texts(text) for text in ("okay", "disabled", "memory", "cpu", "riscv,plic0", "riscv,clint0", "x")]
_KEYS = "#address-cells #size-cells reg ranges phandle status device_type compatible interrupts-extended riscv,ndev"
_KEYS += " timebase-frequency riscv,isa"


def changed(model: Model, random: random.Random) -> Model:
    """The model with some properties other ones, or new."""
    made = copy.deepcopy(model)
    for node in random.choices(list(made.root.everything()), k=4):
        key = random.choice(_KEYS.split()).encode()
        node.properties = [(name, content) for name, content in node.properties if name != key]
        node.properties.append((key, random.choice(_CONTENTS)))
    return made


@pytest.mark.parametrize("name", SAMPLES)
def test_changed_trees(name: str) -> None:
    source = random.Random(name)
    for _ in range(40):
        model = changed(SAMPLES[name](), source)
        wrong, found = taken(write(model))
        assert wrong is None
        assert facts(found) == expected(model)


@pytest.mark.parametrize("name", ["board", "tiny"])
def test_damaged_trees_are_rejected_for_the_same_reason(name: str) -> None:
    blob, source = write(SAMPLES[name]()), random.Random(name)
    rejected = 0
    for _ in range(60):
        damaged = bytearray(blob)
        damaged[source.randrange(len(blob))] = source.choice([0, 1, 2, 3, 4, 9, 255])
        wrong, _ = taken(bytes(damaged))
        assert wrong == devicetree.open_tree(devicetree.Tree(), lang.byte_view(bytes(damaged)))
        rejected += wrong is not None
    assert rejected > 5


def test_more_ranges_than_fit_are_counted() -> None:
    many = Node(b"memory", [(b"device_type", texts("memory")), (b"reg", cells(*([0, 1, 1] * 70)))])
    root = Node(b"", [], [many])
    many.parent = root
    _, found = taken(write(Model(root)))
    assert (found.memory.count, found.memory.lost) == (64, 6)
