"""The prover's translation means what CPython and the interpreter mean: random programs, with known inputs."""

from __future__ import annotations

from tests.fuzz.campaign import name_of
from tests.fuzz.generate import generate
from tests.prover.concrete import prover
from tests.support import meanings
from tests.support.meanings import Program

FIRST, COUNT = 9000, 120


def test_random_programs_end_as_in_the_other_readings() -> None:
    generated = {name_of(seed): generate(seed) for seed in range(FIRST, FIRST + COUNT)}
    analysed = meanings.analyse({name: Program(g.source, g.inputs) for name, g in generated.items()})
    found = meanings.answers(analysed, ("cpython", "interpreter"))
    found["prover"] = prover(analysed)
    different = meanings.differences(found)
    assert not different, "\n".join(
        [
            generated[different[0]].source,
            *meanings.lines({reading: told[different[0]] for reading, told in found.items() if different[0] in told}),
        ]
    )
    told = found["prover"]
    assert len(told) > COUNT // 2, "most programs have nothing that others can write"
    assert len([answer for answer in told.values() if answer.failure]) > COUNT // 10
