"""Known inputs: a program run by the symbolic executor must end in the same constants, and in the same failing check.

The prover is one more reading (see `tests/support/meanings.py`). Where it can't tell (memory that others may write is
anything at each read), it gives a reason in place of an answer.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from neokernel.compiler import ir
from neokernel.compiler.types import U64, RefType
from neokernel.lang.instrument import deep_recursion
from neokernel.prover import terms as t
from neokernel.prover.execute import Executor, Limits
from neokernel.prover.instructions import FLOATS, FOREIGN
from neokernel.prover.memory import Cells
from neokernel.prover.obligations import Duty, Obligation
from neokernel.prover.paths import START, decided
from neokernel.prover.states import Frame, State
from neokernel.prover.terms import Term
from tests.fuzz.context import LONGEST
from tests.fuzz.observations import INPUTS, KEPT
from tests.support.meanings import Answer, Failure

#: everything in place, every loop round by round: generated programs have no more rounds
WHOLE = Limits(1 << 40, 1 << 40, 2 * LONGEST)

#: the executor's names for what it doesn't know, and why that is
REASONS = {
    FOREIGN: FOREIGN,
    "view": "a wire object",
    "equal": "equality of records with floats",
    "same": "equality of views",
    FLOATS: FLOATS,
}


class CannotTell(Exception):
    """Something depends on what isn't known."""


def answer_of(function: ir.Function, inputs: tuple[int, ...]) -> Answer | str:
    """What a program's `main` does; or why the prover can't tell."""
    try:
        return _run(function, inputs)
    except CannotTell as unable:
        return str(unable)
    except Exception as error:  # noqa: BLE001 - whatever else happens is the answer
        return Answer((), None, f"{type(error).__name__}: {error}")


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


def _run(function: ir.Function, inputs: tuple[int, ...]) -> Answer:
    made = execute(function, [t.number(word, 64) for word in inputs], WHOLE)
    failed = _first_failure(made.executor)
    words = made.words()
    known = [term.known for term in words if term.known is not None]
    if len(known) != len(words):
        raise CannotTell(_reason(made.executor, words))
    if failed is None:
        return Answer(tuple(known))
    assert failed.check is not None
    span = failed.span
    where = (span.file, span.line, span.column, span.end_line, span.end_column)
    return Answer(tuple(known), Failure(failed.check.kind.value, *where))


def _first_failure(x: Executor) -> Obligation | None:
    for obligation in x.findings.obligations:
        holds = decided(START, obligation.goal)
        if obligation.path != START or holds is None:
            raise CannotTell(_reason(x, [*obligation.path, obligation.goal]))
        if not holds:
            assert obligation.duty is Duty.CHECK, obligation
            return obligation
    return None


def _reason(x: Executor, terms: Iterable[Term]) -> str:
    """Why these terms aren't constants: the unknown in them that was met first."""
    names = {str(leaf.args[0]) for leaf in _leaves(terms)}
    first = min(names, key=lambda name: int(name.rpartition("!")[2] or 0) if "!" in name else 0)
    hint = first.partition("!")[0]
    if "@" in first:
        return "memory, after a write to a wire object that may lie there"
    return REASONS.get(hint, "a loop of too many rounds" if x.findings.unknowns else f"unknown: {hint}")


def _leaves(terms: Iterable[Term]) -> Iterator[Term]:
    """The unknowns of terms: variables, and applications of unknown functions."""
    seen = set(terms)
    work = list(seen)
    while work:
        top = work.pop()
        if top.op in ("var", "app"):
            yield top
        for part in top.terms:
            if part not in seen:
                seen.add(part)
                work.append(part)
