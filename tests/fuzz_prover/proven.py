"""Proofs: a check that can fail isn't proven.

Each function of a program is proven for all arguments, as `nk prove` does it, and then run with random ones: by the
interpreter, and `main` compiled as well. A check that fails must be one that the proof left open, or stand in a
function that the proof did not look into. So a proof that takes a check for safe, or for out of reach, is found wrong.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from neokernel.compiler import interpret, ir
from neokernel.compiler.digest import everything, reachable
from neokernel.prover import invariants
from neokernel.prover.execute import Limits
from neokernel.prover.obligations import Duty
from neokernel.prover.prove import Proof, Session, callees_first
from neokernel.prover.solve import Answer
from tests.fuzz_prover.arguments import Maker
from tests.support import meanings

#: Z3's resources for a question: what takes longer counts as open, which is never wrong
EFFORT = 300_000
#: instructions of one run
STEPS = 30_000
Place = tuple[str, str, int, int, int, int]


@dataclass
class Tally:
    """What was proven and run. `runs`: how they ended, by the failed check's kind."""

    functions: int = 0
    proven: Counter[str] = field(default_factory=Counter)
    open: Counter[str] = field(default_factory=Counter)
    runs: Counter[str] = field(default_factory=Counter)
    unable: Counter[str] = field(default_factory=Counter)


class _Machine(interpret.Machine):
    """Runs that take long are given up."""

    def step(self) -> None:
        super().step()
        if self.steps > STEPS:
            raise interpret.NotConstant("it takes too long")


class Proofs:
    """The functions of one program, proven."""

    def __init__(self, program: ir.Program, functions: Iterable[ir.Function], limits: Limits, tally: Tally) -> None:
        self.session = Session(invariants.of_program(program), limits, EFFORT)
        self.tally = tally
        #: by function, where runs of it may fail
        self.open: dict[ir.Function, set[Place]] = {}
        self.functions = list(functions)
        for function in callees_first(reachable(self.functions)):
            if not function.naked:
                self.open[function] = self._open(self.session.prove(function))

    def _open(self, proof: Proof) -> set[Place]:
        """Where the proof leaves checks open."""
        found: set[Place] = set()
        other = [v.obligation for v in proof.failed if v.obligation.duty is not Duty.CHECK]
        assert not other, f"{proof.function.symbol}: {other[0].duty} isn't proven, which no program can break"
        for verdict in proof.verdicts:
            check, span = verdict.obligation.check, verdict.obligation.span
            assert check is not None or verdict.obligation.duty is not Duty.CHECK
            if check is not None:
                holds = verdict.answer is Answer.PROVEN
                (self.tally.proven if holds else self.tally.open)[check.kind.value] += 1
                if not holds:
                    found.add(place_of(check.kind, span))
        for function in reachable(proof.findings.summarised):
            for node in everything(function.body):
                checks = node.checks if isinstance(node, ir.Instruction) else []
                checks = [node.check] if isinstance(node, ir.Fail) else checks
                found |= {place_of(check.kind, node.span) for check in checks}
        self.tally.functions += 1
        return found

    def wrong(self, function: ir.Function, failure: meanings.Failure) -> bool:
        """Did the proof of the function rule this failure out?"""
        place = (failure.kind, failure.file, failure.line, failure.column, failure.end_line, failure.end_column)
        return place not in self.open[function]

    def run(self, function: ir.Function, seed: int, count: int) -> str:
        """Run a function with random arguments. What its proof ruled out, or an empty string."""
        for number in range(count):
            chance = random.Random(f"{function.symbol} {seed} {number}")
            end = "ran to its end"
            try:
                maker = Maker(chance)
                arguments = [maker.value(parameter.type) for parameter in function.parameters]
                _Machine().call(function, arguments)
            except interpret.CheckFailed as failed:
                end = failed.kind.value
                if place_of(failed.kind, failed.span) not in self.open[function]:
                    return f"{function.symbol}, run {number}: {end} at line {failed.span.line} was proven not to fail"
            except interpret.NotConstant as unable:
                self.tally.unable[_reason(str(unable))] += 1
                continue
            self.tally.runs[end] += 1
        return ""


def place_of(kind: ir.Kind, span: ir.Span) -> Place:
    return kind.value, span.file, span.line, span.column, span.end_line, span.end_column


def _reason(text: str) -> str:
    """The same for all of a kind: types are left out."""
    return text.partition(" of type")[0] if text.startswith(("arguments", "memory")) else text


def ruled_out(proofs: Proofs, main: ir.Function, told: Sequence[tuple[tuple[int, ...], meanings.Answer]]) -> str:
    """Did the proof of `main` rule out what happened when it was run compiled? Or an empty string."""
    for inputs, answer in told:
        if answer.failure is not None and proofs.wrong(main, answer.failure):
            return f"{main.symbol} with {inputs}: {answer.failure} was proven not to fail"
    return ""
