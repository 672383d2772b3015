"""Reassembly and DHCP, over damaged packets: `parts.py` asserts what must hold, so a run that ends has shown it."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import pytest

from neokernel import lang
from neokernel.compiler import jit
from neokernel.lang import u64
from neokernel.lang.sequences import window
from neokernel.lang.shapes import shape_of
from neokernel.services.network import dhcp, reassembly
from tests.network import parts
from tests.network.support import built, library

MODULE = "tests.network.parts"
KINDS = ("fragments", "leases")
LEVELS = int(parts.LEVELS)
SPAN: Any = lang.Span

#: mistakes that are found: of what, in which module, what is right, what is wrong
MISTAKES: dict[str, tuple[str, Any, str, str]] = {
    "pieces beyond the end stay": (
        "fragments",
        reassembly,
        "                if known.right > self.size:\n",
        "                if known.left > self.size + 64:\n",
    ),
    "pieces that overlap are taken": (
        "fragments",
        reassembly,
        "            if part.left < known.right and known.left < part.right:\n",
        "            if part.left < known.right and known.left == part.left:\n",
    ),
    "an option goes beyond the end": ("leases", dhcp, "> len(data) - place - 2:", "> len(data) - place:"),
    "anybody is believed": (
        "leases",
        dhcp,
        "message.operation != 2 or message.xid != xid or",
        "message.operation != 2 or",
    ),
}
#: which of them the short tests look for
SHORT = ("pieces beyond the end stay",)


def walked(compiled: jit.Library, kind: str, seed: int, count: int) -> list[int]:
    levels = (ctypes.c_uint64 * LEVELS)()
    compiled.call(f"{MODULE}.{kind}", seed, count, (levels, LEVELS))
    return list(levels)


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_packets(kind: str) -> None:
    compiled = library("parts", *KINDS, poison=False)
    found = [walked(compiled, kind, seed, 50_000) for seed in range(1, 9)]
    assert min(sum(each[level] for each in found) for level in range(LEVELS)) > 100, "each of them came"


@pytest.mark.parametrize("kind", KINDS)
def test_both_readings_go_the_same_way(kind: str) -> None:
    here: Any = [u64(0)] * LEVELS
    getattr(parts, kind)(u64(5), u64(300), window(SPAN, here, 0, LEVELS, shape_of(u64)))
    assert list(map(int, here)) == walked(library("parts", *KINDS, poison=False), kind, 5, 300)


@pytest.mark.parametrize("mistake", SHORT)
def test_mistakes_are_found(mistake: str) -> None:
    look_for(mistake)


@pytest.mark.slow
@pytest.mark.parametrize("mistake", sorted(set(MISTAKES) - set(SHORT)))
def test_all_mistakes_are_found(mistake: str) -> None:
    look_for(mistake)


def look_for(mistake: str) -> None:
    kind, module, right, wrong = MISTAKES[mistake]
    source = Path(module.__file__).read_text(encoding="utf-8")
    assert source.count(right) == 1
    planted = built("parts", KINDS, {module.__name__: source.replace(right, wrong)}, poison=False)
    with pytest.raises(jit.CheckError):
        walk_on(planted, kind)


def walk_on(planted: jit.Library, kind: str) -> None:
    for seed in range(1, 40):
        walked(planted, kind, seed, 50_000)
