"""The prover as a reading: a program with known inputs, run by the symbolic executor, ends in known values.

Where it can't tell (memory that others may write is anything at each read), it gives no answer.
"""

from __future__ import annotations

from neokernel.compiler import ir
from neokernel.compiler.types import U64, RefType
from neokernel.lang.instrument import deep_recursion
from neokernel.prover import terms as t
from neokernel.prover.execute import Executor, Limits
from neokernel.prover.memory import Cells
from neokernel.prover.obligations import Duty, Obligation
from neokernel.prover.paths import START, decided
from neokernel.prover.states import Frame, State
from neokernel.prover.terms import Term
from tests.fuzz.observations import INPUTS, KEPT
from tests.support.meanings import Analysed, Answer, Failure


def prover(analysed: Analysed) -> dict[str, Answer]:
    """What the programs do; those of which the prover can't tell are left out."""
    assert analysed.ir is not None
    functions = {function.symbol: function for function in analysed.ir.functions}
    answers = {}
    for name, program in analysed.programs.items():
        try:
            answers[name] = run(functions[f"{name}.main"], program.inputs)
        except CannotTell:
            continue
        except Exception as error:  # noqa: BLE001 - whatever else happens is the answer
            answers[name] = Answer((), None, f"{type(error).__name__}: {error}")
    return answers


class CannotTell(Exception):
    """Something depends on what isn't known."""


def run(function: ir.Function, inputs: tuple[int, ...]) -> Answer:
    t.reset()
    x = Executor(Limits(inline=1 << 40, steps=1 << 40, rounds=1 << 20))
    of = function.parameters[0].type
    assert isinstance(of, RefType)
    output, struct = x.memory.new(), x.layout.name(of.target)
    words = Cells(f"[{x.layout.name(U64)}]", U64)

    def array(name: str) -> Term:
        return t.inline_field(f"{struct}.{name}", output)

    for name in ("count", "digest"):
        x.memory.store(Cells(f"{struct}.{name}", U64), (output,), (t.number(0, 64),), START)
    for name in ("inputs", "values"):
        x.memory.fill(words, array(name), (t.number(0, 64),), START)
    for place, word in enumerate(inputs):
        x.memory.store(words, (array("inputs"), t.number(place, 64)), (t.number(word, 64),), START)
    with deep_recursion():
        x.run(Frame(function), State(START, {function.parameters[0]: (output,)}))
    failed = first_failure(x.findings.obligations)
    found = [x.memory.load(Cells(f"{struct}.{name}", U64), (output,), START)[0] for name in ("count", "digest")]
    for name, size in (("inputs", INPUTS), ("values", KEPT)):
        found += [x.memory.load(words, (array(name), t.number(place, 64)), START)[0] for place in range(size)]
    known = [term.known for term in found if term.known is not None]
    if len(known) != len(found):
        raise CannotTell
    failure = None
    if failed is not None:
        assert failed.check is not None
        span = failed.span
        failure = Failure(failed.check.kind.value, span.file, span.line, span.column, span.end_line, span.end_column)
    return Answer(tuple(known), failure)


def first_failure(obligations: list[Obligation]) -> Obligation | None:
    for obligation in obligations:
        holds = decided(START, obligation.goal)
        if obligation.path != START or holds is None:
            raise CannotTell
        if not holds:
            assert obligation.duty is Duty.CHECK, obligation
            return obligation
    return None
