"""What always fails is rejected (see `rejected/certain.txt`); here: what looks like it and is right."""

from __future__ import annotations

from pathlib import Path

import pytest

from neokernel.compiler.pipeline import analyse_source
from neokernel.image.build import build_image

HEADER = "from neokernel.lang import Array, array, u8, u32, usize\n\nN = 4\n\n\ndef f(x: u32) -> None:\n"
BODY = "    a: Array[u32] = array(4)\n"

GUARDS = {
    "if": "    if N > 8:\n        a[8] = 1\n",
    "and": "    if N > 8 and x > 1:\n        a[8] = 1\n",
    "and, the constant last": "    if x > 1 and N > 8:\n        a[8] = 1\n",
    "or in and": "    if (N > 8 or N > 9) and x > 1:\n        a[8] = 1\n",
    "not or": "    if not (N < 8 or x > 1):\n        a[8] = 1\n",
    "choice": "    b = a[9] if N > 8 else u32(0)\n",
    "while": "    while N > 8:\n        a[8] = 1\n",
    "return before": "    if N < 8:\n        return\n    a[8] = 1\n",
    "length": "    if len(a) > 8:\n        a[8] = 1\n",
    "bounds": "    b = a[4:]\n    c = a[4:4]\n    d = a[:4]\n",
    "limits": "    b = u8(254) + 1\n    c = u32(1) << 31\n",
}


@pytest.mark.parametrize("guard", GUARDS.values(), ids=list(GUARDS))
def test_accepted(guard: str) -> None:
    assert analyse_source(HEADER + BODY + guard).diagnostics == []


def test_generic_functions_are_left_to_run_time() -> None:
    source = HEADER.partition("def f")[0] + (
        "def fifth(a: Array[u32]) -> u32:\n    return a[4] if len(a) > 4 and a[0] > 1 else u32(0)\n\n\n"
        "def use() -> u32:\n    a: Array[u32] = array(3)\n    return fifth(a)\n"
    )
    assert analyse_source(source).diagnostics == []


def test_unused_functions_are_no_part_of_the_program() -> None:
    source = HEADER.partition("def f")[0] + (
        "def inner(a: Array[u32]) -> u32:\n    return a[0]\n\n\ndef outer(a: Array[u32]) -> u32:\n    return inner(a)\n"
    )
    program = analyse_source(source, "alone").program
    assert program is not None
    assert not [function for function in program.functions if function.module == "alone"]


def test_the_machine_counts_among_the_objects(tmp_path: Path) -> None:
    """What `main` makes fits as such; with the machine that is made before, it doesn't."""
    program = tmp_path / "full.py"
    program.write_text(
        "from neokernel.arch.riscv64.bare import Machine\nfrom neokernel.lang import Array, array, u8\n\n\n"
        f"def main(machine: Machine) -> None:\n    buffer: Array[u8] = array({32 << 20})\n    buffer[0] = 1\n"
    )
    (found,) = build_image(program, tmp_path / "full").diagnostics
    assert (found.code, found.span.file, found.span.line) == ("NK0413", "full.py", 6)
    assert found.notes[0][1] == "the path: nk_start → main"
