"""The prover's translation means what the interpreter means, which means what CPython does (`tests/fuzz`).

Random programs are run on known inputs, where all must end in the same constants; and on unknown inputs, where what
really happens must be one of the ways that the prover thinks possible: so it can't prove a check that fails.
"""

from __future__ import annotations

from neokernel.compiler import ir
from neokernel.prover import terms as t
from neokernel.prover.execute import Limits
from neokernel.prover.paths import START
from neokernel.prover.solve import Answer, Solver
from tests.fuzz.campaign import name_of
from tests.fuzz.generate import generate
from tests.prover.concrete import execute, prover
from tests.support import meanings
from tests.support.meanings import Program

FIRST, COUNT = 20000, 100


def test_random_programs_end_as_in_the_other_readings() -> None:
    generated = {name_of(seed): generate(seed) for seed in range(FIRST, FIRST + COUNT)}
    analysed = meanings.analyse({name: Program(g.source, g.inputs) for name, g in generated.items()})
    found = meanings.answers(analysed, ("interpreter",))
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


#: calls in place, loops round by round; all but the smallest unknown
LIMITS = (Limits(), Limits(inline=12, rounds=2))


def possible(function: ir.Function, inputs: tuple[int, ...], answer: meanings.Answer, limits: Limits) -> str:
    """What the prover rules out though it happens; or an empty string."""
    unknown = [t.variable(f"input {place}", 64) for place in range(len(inputs))]
    made = execute(function, unknown, limits)
    findings = made.executor.findings
    words = made.words()
    given = [t.equal(a, t.number(b, 64)) for a, b in zip(unknown, inputs, strict=True)]
    solver = Solver(made.executor.memory.fact)
    if answer.failure is None:
        solver.assume([*findings.facts, *given])
        wrong = t.invert(
            t.conjunction(*(t.equal(a, t.number(b, 64)) for a, b in zip(words, answer.words, strict=True)))
        )
        return "how it ends" if solver.prove(START, wrong) is Answer.PROVEN else ""
    solver.assume(given)
    known, met = 0, False
    for o in findings.obligations:
        solver.assume(findings.facts[known : o.facts])
        known = o.facts
        where = (o.span.line, o.span.column, o.span.end_line, o.span.end_column)
        failure = answer.failure
        if where == (failure.line, failure.column, failure.end_line, failure.end_column):
            if o.check is not None and o.check.kind.value == failure.kind:
                met = True
                if solver.prove(o.path, o.goal) is not Answer.PROVEN:
                    return ""
    if not met and findings.summarised:
        return ""  # it fails in a function that wasn't looked into
    return f"that a check fails: {answer.failure}"


def test_what_happens_is_possible() -> None:
    generated = {name_of(seed): generate(seed) for seed in range(FIRST, FIRST + 40)}
    analysed = meanings.analyse({name: Program(g.source, g.inputs) for name, g in generated.items()})
    told = meanings.answers(analysed, ("interpreter",))["interpreter"]
    assert analysed.ir is not None
    functions = {function.symbol: function for function in analysed.ir.functions}
    for name, answer in told.items():
        for limits in LIMITS:
            excluded = possible(functions[f"{name}.main"], generated[name].inputs, answer, limits)
            assert not excluded, f"{name} with {limits}: the prover excludes {excluded}\n{generated[name].source}"
