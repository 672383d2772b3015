"""Where the first stage looks for the image: device trees that say so, that don't, and broken ones."""

from __future__ import annotations

import random

import pytest

from neokernel.stage.refusal import Refusal
from tests.kernel.devicetree_model import Model, Node, write
from tests.kernel.devicetree_samples import cells, node, texts
from tests.stage.support import find

START, END = 0x8600_0000, 0x8601_8168
MEMORY = {"device_type": texts("memory"), "reg": cells(0, 0x8000_0000, 0, 0x800_0000)}


def chosen(start: bytes = cells(START), end: bytes = cells(END)) -> Node:
    return node("chosen", {"bootargs": texts("x"), "linux,initrd-start": start, "linux,initrd-end": end})


def tree(*children: Node, address: int = 2, size: int = 2) -> bytes:
    return write(Model(node("", {"#address-cells": cells(address), "#size-cells": cells(size)}, *children)))


GOOD = tree(chosen(), node("memory@80000000", MEMORY))


def test_an_image_is_found() -> None:
    assert find(GOOD) == (START, END - START)


def test_memory_can_stand_first_and_addresses_have_two_cells() -> None:
    wide = chosen(cells(0, START), cells(0, END))
    assert find(tree(node("memory@80000000", MEMORY), wide)) == (START, END - START)


def test_memory_in_pieces() -> None:
    pieces = cells(0, 0x1000, 0, 0x1000, 0, 0x8000_0000, 0, 0x800_0000)
    assert find(tree(chosen(), node("memory", MEMORY | {"reg": pieces}))) == (START, END - START)
    narrow = cells(0x8000_0000, 0x800_0000)
    assert find(tree(chosen(), node("memory", MEMORY | {"reg": narrow}), address=1, size=1)) == (START, END - START)


@pytest.mark.parametrize(
    ("blob", "refusal"),
    [
        (tree(node("chosen", {}), node("memory", MEMORY)), Refusal.NO_IMAGE),
        (tree(node("memory", MEMORY)), Refusal.NO_IMAGE),
        (tree(chosen(end=cells(START)), node("memory", MEMORY)), Refusal.NO_IMAGE),
        (tree(node("other", {}, chosen()), node("memory", MEMORY)), Refusal.NO_IMAGE),
        (tree(chosen(b"abc", b"de"), node("memory", MEMORY)), Refusal.NO_IMAGE),
        (tree(chosen()), Refusal.OUTSIDE),
        (tree(chosen(end=cells(START - 1)), node("memory", MEMORY)), Refusal.DEVICE_TREE),
        (tree(chosen(start=cells(0)), node("memory", MEMORY)), Refusal.OUTSIDE),
        (tree(chosen(end=cells(0x8800_0001)), node("memory", MEMORY)), Refusal.OUTSIDE),
        (tree(chosen(end=cells(1, 0)), node("memory", MEMORY)), Refusal.OUTSIDE),
        (tree(chosen(end=cells(0xFFFF_FFFF, 0xFFFF_FFFF)), node("memory", MEMORY)), Refusal.DEVICE_TREE),
        (tree(chosen(), node("memory", MEMORY), address=3), Refusal.OUTSIDE),
        (tree(chosen(), node("memory", MEMORY), size=0xFFFF_FFFF), Refusal.OUTSIDE),
        (tree(chosen(), node("memory", MEMORY | {"reg": b""})), Refusal.OUTSIDE),
        (tree(chosen(), node("memory", MEMORY | {"reg": b"\xff" * 16})), Refusal.OUTSIDE),
        (tree(chosen(), node("memory", MEMORY | {"device_type": texts("memories")})), Refusal.OUTSIDE),
        (b"", Refusal.DEVICE_TREE),
        (bytes(4096), Refusal.DEVICE_TREE),
    ],
)
def test_trees_without_an_image(blob: bytes, refusal: Refusal) -> None:
    assert find(blob) is refusal


def test_cut_off_at_every_byte() -> None:
    for length in range(len(GOOD)):
        assert find(GOOD[:length]) is Refusal.DEVICE_TREE


def test_broken_at_random() -> None:
    """What is found lies in memory below the limit; nothing else comes of it."""
    chance = random.Random(7)
    for _ in range(20_000):
        changed = bytearray(GOOD)
        for _ in range(chance.randrange(1, 5)):
            changed[chance.randrange(len(changed))] = chance.choice([0, 1, 2, 3, 4, 9, 0xFF, chance.randrange(256)])
        found = find(bytes(changed))
        if not isinstance(found, Refusal):
            start, size = found
            assert size > 0
            assert start + size <= 1 << 56
