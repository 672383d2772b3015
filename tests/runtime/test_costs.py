"""The costs that the reference page states are about those of today."""

from __future__ import annotations

import os
import struct

import pytest

from neokernel.compiler.source import PACKAGE_ROOT
from tests.runtime import lockstep
from tests.support import machine

PAGE = PACKAGE_ROOT / "docs" / "reference" / "containers.md"
BEGIN, END = "<!-- costs -->\n", "<!-- end -->"
FEW, MANY = 32, 448
SIZE = 4200
TOLERANCE = 0.25

#: what the functions of `drivers/costs.py` measure
TITLES = {
    "vec_push": "`Vec.push`",
    "vec_pop": "`Vec.pop`",
    "vec_get": "`vec[i]`",
    "map_insert": "insert into a map, `Number`",
    "map_insert_trusted": "insert into a map, `TrustedNumber`",
    "map_get": "look up in a map, `Number`",
    "map_get_trusted": "look up in a map, `TrustedNumber`",
    "map_remove_insert_trusted": "remove and insert, `TrustedNumber`",
    "hash_number": "hash of a `Number`",
    "hash_64_bytes": "hash of 64 bytes",
    "ring_one_by_one": "ring: hand over one message, and take it",
    "ring_batches_of_32": "ring: the same for one word in a batch of 32",
    "arena_allocate": "`Arena.allocate`",
}


def measure() -> dict[str, float]:
    """Instructions of one round, by function."""
    program = lockstep.program("costs")
    symbols = [f"tests.runtime.drivers.costs.{name}" for name in ("loop", *TITLES) for _ in (FEW, MANY)]
    inputs = [struct.pack("<QQ", count, 0) for _ in ("loop", *TITLES) for count in (FEW, MANY)]
    outcomes = machine.run_functions(program, symbols, SIZE, inputs, counted=True)
    assert all(outcome.failed is None and outcome.trap is None for outcome in outcomes)
    found = {
        name: (outcomes[2 * place + 1].instructions - outcomes[2 * place].instructions) / (MANY - FEW)
        for place, name in enumerate(("loop", *TITLES))
    }
    return {name: found[name] - found["loop"] for name in TITLES}


def table(costs: dict[str, float]) -> str:
    rows = "".join(f"| {TITLES[name]} | {cost:.0f} |\n" for name, cost in costs.items())
    return f"| operation | instructions |\n|---|---:|\n{rows}"


@pytest.mark.qemu
def test_the_page_states_the_costs() -> None:
    costs = measure()
    text = PAGE.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    stated, _, after = rest.partition(END)
    if os.environ.get("NK_ACCEPT"):
        PAGE.write_text(before + BEGIN + table(costs) + END + after, encoding="utf-8")
        return
    numbers = dict(row.strip("| ").rsplit(" | ", 1) for row in stated.splitlines()[2:])
    assert list(numbers) == list(TITLES.values())
    for name, cost in costs.items():
        assert cost == pytest.approx(float(numbers[TITLES[name]]), rel=TOLERANCE, abs=2), TITLES[name]
