"""What LLVM calls for copies, on the machine: all bytes right wherever they lie, and words where that can be."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from neokernel.image import qemu
from neokernel.image.build import build_image
from tests.support.conversation import Conversation

PROGRAM = Path(__file__).parent / "copying"
#: instructions of 1,448 bytes, which are a segment of TCP; a loop of bytes takes 7,258
MOST = {"apart": 1_250, "forwards": 1_250, "backwards": 1_850}


@pytest.mark.qemu
def test_copies_are_right_and_in_words(tmp_path: Path) -> None:
    built = build_image(PROGRAM, tmp_path / "image.elf")
    assert built.diagnostics == []
    with Conversation(built.image, *qemu.COUNTED) as machine:
        shown = machine.rest()
    assert re.search(r"^apart: 0 of 5312$", shown, re.MULTILINE), shown
    assert re.search(r"^overlapping: 0 of 5440$", shown, re.MULTILINE), shown
    costs = {way: int(count) for way, count in re.findall(r"^costs (\w+): (\d+)$", shown, re.MULTILINE)}
    assert costs.keys() == MOST.keys()
    assert all(costs[way] <= most for way, most in MOST.items()), costs
