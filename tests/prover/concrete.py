"""The prover as a reading: a program with known inputs, run by the symbolic executor, ends in known values.

Where it can't tell (memory that others may write is anything at each read), it gives no answer.
"""

from __future__ import annotations

from dataclasses import dataclass

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


@dataclass
class Setup:
    """A program's `Output` in the prover's memory, with the given inputs."""

    executor: Executor
    output: Term
    struct: str

    @property
    def _words(self) -> Cells:
        return Cells(f"[{self.executor.layout.name(U64)}]", U64)

    def _array(self, name: str) -> Term:
        return t.inline_field(f"{self.struct}.{name}", self.output)

    def words(self) -> list[Term]:
        """The memory of the output."""
        load = self.executor.memory.load
        found = [load(Cells(f"{self.struct}.{name}", U64), (self.output,), START)[0] for name in ("count", "digest")]
        for name, size in (("inputs", INPUTS), ("values", KEPT)):
            array = self._array(name)
            found += [load(self._words, (array, t.number(place, 64)), START)[0] for place in range(size)]
        return found


def execute(function: ir.Function, inputs: list[Term], limits: Limits) -> Setup:
    """Run a program's `main` on these inputs."""
    t.reset()
    x = Executor(limits)
    of = function.parameters[0].type
    assert isinstance(of, RefType)
    made = Setup(x, x.memory.new(), x.layout.name(of.target))
    for name in ("count", "digest"):
        x.memory.store(Cells(f"{made.struct}.{name}", U64), (made.output,), (t.number(0, 64),), START)
    for name in ("inputs", "values"):
        x.memory.fill(made._words, made._array(name), (t.number(0, 64),), START)
    for place, word in enumerate(inputs):
        x.memory.store(made._words, (made._array("inputs"), t.number(place, 64)), (word,), START)
    with deep_recursion():
        x.run(Frame(function), State(START, {function.parameters[0]: (made.output,)}))
    return made


def run(function: ir.Function, inputs: tuple[int, ...]) -> Answer:
    made = execute(function, [t.number(word, 64) for word in inputs], Limits(1 << 40, 1 << 40, 1 << 20))
    failed = first_failure(made.executor.findings.obligations)
    found = made.words()
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
