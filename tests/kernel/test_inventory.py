"""The kernel's one pass over the device tree finds what the tree says, and rejects what isn't a tree."""

from __future__ import annotations

import copy
import random
from typing import Any

import pytest

from neokernel import lang
from neokernel.kernel import devicetree, inventory
from tests.kernel import devicetree_model
from tests.kernel.devicetree_model import Facts, Model, Node, Pairs, read, write
from tests.kernel.devicetree_samples import MACHINES, blob_of, board, cells, edges, extreme, node, texts, tiny

SAMPLES = {"board": board, "tiny": tiny, "edges": edges, "extreme": extreme}


def taken(blob: bytes, hart: int = 0) -> tuple[Any, Any]:
    """(what is wrong, the inventory)."""
    tree, found = devicetree.Tree(), inventory.Inventory()
    wrong = devicetree.open_blocks(tree, lang.byte_view(blob))
    return wrong or inventory.take_inventory(tree, found, lang.u64(hart)), found


def facts(found: Any) -> Facts:
    """An inventory, as the model has it."""

    def pairs(ranges: Any) -> Pairs:
        return [(int(item.base), int(item.size)) for item in ranges.items[: ranges.count]]

    return Facts(
        pairs(found.memory),
        pairs(found.reserved),
        pairs(found.devices),
        (int(found.memory.lost), int(found.reserved.lost), int(found.devices.lost)),
        (int(found.plic.base), int(found.plic.size)),
        int(found.lines),
        bytes(found.targets),
        bool(found.present),
        int(found.controller),
        bytes(found.isa),
        bytes(found.mmu),
        int(found.frequency),
    )


@pytest.mark.parametrize("name", SAMPLES)
def test_samples(name: str) -> None:
    wrong, found = taken(write(SAMPLES[name]()))
    assert wrong is None
    assert facts(found) == devicetree_model.facts(SAMPLES[name]())


def test_the_facts_of_a_board() -> None:
    _, found = taken(write(board()))
    assert facts(found).memory == [(0x8000_0000, 0x1000_0000), (0x2_0000_0000, 0x1000)]
    assert facts(found).reserved == [(0x8000_0000, 0x20_0000)]
    assert facts(found).devices == [(0x1_1000_0100, 0x100)]  # others are out of reach, or not in use
    assert (facts(found).plic, found.lines, found.context()) == ((0x1_0C00_0000, 0x60_0000), 31, 1)
    assert (found.present, found.frequency, bytes(found.isa)) == (True, 10_000_000, b"rv64imac")


def test_a_hart_that_is_not_in_use_is_not_there() -> None:
    _, found = taken(write(board()), hart=1)
    assert not found.present


@pytest.mark.qemu
@pytest.mark.parametrize("name", ["small", "harts", "virtio", "nodes", "spike"])
def test_real_machines(name: str) -> None:
    assert name in MACHINES
    blob = blob_of(name)
    wrong, found = taken(blob)
    assert wrong is None
    assert facts(found) == devicetree_model.facts(read(blob))
    assert found.memory.count >= 1


@pytest.mark.parametrize(
    ("isa", "vectors"),
    [
        (b"rv64imafdcv", True),
        (b"rv64imafdcvh_zicsr", True),
        (b"rv64imafdc_v_zve64x", False),
        (b"rv64", False),
        # Its first four characters aren't extensions, whatever they are.
        (b"rv64v", True),
        (b"rv6v", False),
    ],
)
def test_vectors_are_an_extension_of_one_letter(isa: bytes, vectors: bool) -> None:
    found = inventory.Inventory()
    found.isa = lang.byte_view(isa)
    assert found.has_vectors() is vectors


@pytest.mark.parametrize("isa", ["rv64imac_zicsr_sstc_zve32x", "rv64imac_zicsr"])
def test_extensions_of_several_letters_have_their_names_between_underscores(isa: str) -> None:
    """In the middle and at the end; a part of a name is none."""
    found = inventory.Inventory()
    found.isa = lang.byte_view(isa.encode())
    for name in ("zicsr", "sstc", "zve32x", "zics", "icsr", "zicsr_sstc", "zve32x_", "v", ""):
        assert found.has_extension(lang.byte_view(name.encode())) == (name in isa.split("_")[1:]), name


@pytest.mark.qemu
def test_the_facts_of_a_real_machine() -> None:
    _, found = taken(blob_of("harts"), hart=2)
    assert int(found.plic.base) == 0xC00_0000
    assert int(found.lines) in (95, 96)  # some versions of QEMU count line 0, which isn't one
    assert found.context() == 5  # each hart has two: M and S
    assert found.frequency == 10_000_000
    assert bytes(found.mmu).startswith(b"riscv,sv")
    assert found.has_extension(lang.byte_view(b"zicsr"))
    assert not found.has_extension(lang.byte_view(b"zics"))
    assert not found.has_vectors()
    assert (0x1000_0000, 0x100) in facts(found).devices


_CONTENTS = [b"", cells(0), cells(1), cells(2), cells(3), b"\1", cells(1, 1), cells(0, 1, 2, 3), cells(0xFFFF_FFFF) * 4]
_CONTENTS += [texts(text) for text in ("okay", "disabled", "memory", "cpu", "riscv,plic0", "riscv,clint0", "x")]
_KEYS = "#address-cells #size-cells reg ranges phandle status device_type compatible interrupts-extended riscv,ndev"
_KEYS += " timebase-frequency riscv,isa"


def changed(model: Model, random: random.Random) -> Model:
    """The model with some properties other ones, or new."""
    made = copy.deepcopy(model)
    for each in random.choices(list(made.root.everything()), k=4):
        key = random.choice(_KEYS.split()).encode()
        each.properties = [(name, content) for name, content in each.properties if name != key]
        each.properties.append((key, random.choice(_CONTENTS)))
    return made


@pytest.mark.parametrize("name", SAMPLES)
def test_changed_trees(name: str) -> None:
    source = random.Random(name)
    for _ in range(40):
        model = changed(SAMPLES[name](), source)
        wrong, found = taken(write(model))
        assert wrong is None
        assert facts(found) == devicetree_model.facts(model)


def test_more_ranges_than_fit_are_counted() -> None:
    many = Node(b"memory", [(b"device_type", texts("memory")), (b"reg", cells(*([0, 1, 1] * 70)))])
    root = Node(b"", [], [many])
    many.parent = root
    _, found = taken(write(Model(root)))
    assert (found.memory.count, found.memory.lost) == (64, 6)


@pytest.mark.parametrize("address", range(4))
@pytest.mark.parametrize("size", range(4))
def test_an_interrupt_controller_is_found_on_any_bus_that_can_be_read(address: int, size: int) -> None:
    registers = cells(*range(1, address + size + 1))
    plic = node("plic", {"compatible": texts("riscv,plic0"), "reg": registers, "riscv,ndev": cells(7)})
    model = Model(node("", {"#address-cells": cells(address), "#size-cells": cells(size)}, plic))
    wrong, found = taken(write(model))
    assert wrong is None
    assert facts(found) == devicetree_model.facts(model)
    assert (found.lines == 7) == (address <= 2 and size <= 2 and address + size != 0)


@pytest.mark.parametrize("name", ["riscv,plic0", "sifive,plic-1.0.0"])
def test_interrupt_controllers_are_no_devices(name: str) -> None:
    """Nor is what only the firmware uses; whatever else they are compatible with."""
    plic = node("plic", {"compatible": texts("maker,plic", name), "reg": cells(0, 1, 2), "riscv,ndev": cells(7)})
    clints = [
        node(f"clint{number}", {"compatible": texts("maker,clint", model), "reg": cells(0, 16 * number, 2)})
        for number, model in enumerate(("riscv,clint0", "sifive,clint0", "maker,clint0"), 1)
    ]
    model = Model(node("", {"#address-cells": cells(2), "#size-cells": cells(1)}, plic, *clints))
    wrong, found = taken(write(model))
    assert wrong is None and facts(found) == devicetree_model.facts(model)
    assert facts(found).devices == [(48, 2)] and (facts(found).plic, found.lines) == ((1, 2), 7)


@pytest.mark.parametrize("outer", range(4))
@pytest.mark.parametrize("inner", range(4))
@pytest.mark.parametrize("extent", range(4))
def test_a_device_is_found_behind_any_bridge_that_can_be_read(outer: int, inner: int, extent: int) -> None:
    """What can't be read has no window: of too many cells, or of none."""

    def last(count: int, number: int) -> bytes:
        return cells(*([0] * (count - 1)), number) if count else b""

    device = node("device", {"reg": cells(4, 4)})
    bus = node("bus", {"#address-cells": cells(1), "#size-cells": cells(1), "ranges": b""}, device)
    window = last(inner, 0) + last(outer, 0x1000) + last(extent, 0x100)
    widths = {"#address-cells": cells(inner), "#size-cells": cells(extent)}
    bridge = node("bridge", {**widths, "ranges": window or cells(0)}, bus)
    model = Model(node("", {"#address-cells": cells(outer)}, bridge))
    wrong, found = taken(write(model))
    assert wrong is None
    assert facts(found) == devicetree_model.facts(model)
    readable = inner <= 2 and outer <= 2 and 0 < extent <= 2
    assert facts(found).devices == ([(0x1004 if outer else 4, 4)] if readable else [])


@pytest.mark.parametrize("own", [0, 5])
@pytest.mark.parametrize("phandle", [0, 7])
def test_a_hart_counts_time_by_its_own_clock_or_that_of_all(own: int, phandle: int) -> None:
    """Whether or not others refer to it."""
    properties = {"device_type": texts("cpu"), "reg": cells(0)}
    properties |= {"timebase-frequency": cells(own)} if own else {}
    properties |= {"phandle": cells(phandle)} if phandle else {}
    widths = {"#address-cells": cells(1), "#size-cells": cells(0)}
    harts = node("cpus", {**widths, "timebase-frequency": cells(10)}, node("cpu@0", properties))
    wrong, found = taken(write(Model(node("", {}, harts))))
    assert wrong is None and found.present and found.frequency == (own or 10)
