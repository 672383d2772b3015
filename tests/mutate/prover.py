"""The prover as a judge: would `nk prove` say more of the kernel with the mistake than of the sound one?

Only functions whose typed IR the mistake changes are proven, and their callers in the same module, nearest first, until
something that is proven for the sound kernel isn't any more. Places in the source may have moved, so what isn't proven
is known by what it is and in which function; if the sound kernel has one of those that isn't proven, others like it
don't count.
"""

from __future__ import annotations

from neokernel.compiler import ir
from neokernel.compiler.digest import everything
from neokernel.prover import invariants
from neokernel.prover.prove import prove, roots
from neokernel.prover.report import what
from tests.mutate.equivalence import Meaning
from tests.mutate.judges import Verdict
from tests.mutate.sites import Mutant

#: questions to the solver for a mutant: then its proof is given up
QUESTIONS = 200

#: what isn't proven of a function: where, and what
Failures = frozenset[tuple[str, str]]


class Prover:
    name = "prover"

    def __init__(self, sound: Meaning) -> None:
        self.sound = sound
        self._known: dict[str, Failures] = {}

    def wants(self, tests: Verdict) -> bool:
        return True

    def judge(self, mutant: Mutant, planted: Meaning) -> Verdict:
        asked = 0
        originals = {function.symbol: function for function in self.sound.program.functions}
        for number, function in enumerate(affected(planted, planted.changed(self.sound))):
            if asked > QUESTIONS:
                return Verdict(None, "gave up", number)
            if function.symbol not in originals:
                continue
            if function.symbol not in self._known:
                self._known[function.symbol] = failures(self.sound.program, originals[function.symbol])[0]
            found, questions = failures(planted.program, function)
            asked += questions
            more = found - self._known[function.symbol]
            if more:
                where, why = min(more)
                return Verdict(function.symbol, f"{where}: {why}", number + 1)
        return Verdict(None)


def failures(program: ir.Program, function: ir.Function) -> tuple[Failures, int]:
    """What isn't proven of a function, and how many questions that took."""
    proof = prove(function, invariants.of_program(program))
    failed = [verdict.obligation for verdict in proof.failed]
    return frozenset((obligation.function.symbol, what(obligation)) for obligation in failed), proof.questions


def affected(planted: Meaning, changed: set[str]) -> list[ir.Function]:
    """What `nk prove` looks at, and the change reaches within its module; the nearest first."""
    program = planted.program
    front = [function for function in program.functions if function.symbol in changed]
    wanted = set(roots(program, {function.module for function in front}))
    found = dict.fromkeys(front)
    while front:
        called = set(front)
        front = [
            function
            for function in program.functions
            if function not in found
            and any(
                isinstance(node, ir.Call) and node.function in called and node.function.module == function.module
                for node in everything(function.body)
            )
        ]
        found |= dict.fromkeys(front)
    return [function for function in found if function in wanted]
