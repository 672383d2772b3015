"""A campaign: generated programs, by seeds, through the prover in three ways; what came of them is counted.

*Known*: on known inputs the prover ends as CPython, the interpreter and the compiled program do. *Possible*: what
happens on an input is possible to a prover that doesn't know the input. *Proven*: what is proven never to fail doesn't.
"""

from __future__ import annotations

import ctypes
import random
import re
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from neokernel.compiler import ir, jit
from tests.fuzz.campaign import name_of
from tests.fuzz.generate import Generated, generate
from tests.fuzz.observations import INPUTS, WORDS
from tests.fuzz.shrink import shrink
from tests.fuzz_prover import known, operations, possible, proven
from tests.fuzz_prover.arguments import integer
from tests.support import meanings
from tests.support.meanings import Analysed, Answer, Failure, Program

#: inputs of a program, beside its own, on which it is run compiled; of how many it is asked whether they are possible
RUNS, ASKED = 60, 2
#: runs of each function with random arguments
CALLS = 25
#: stands for a program that is the same in all campaigns (the first limits are its own); and runs of its functions
OPERATIONS, OPERATION_CALLS = 999_999_999, 400

Told = list[tuple[tuple[int, ...], Answer]]
"""What a program did, compiled, by inputs; its own inputs first."""


@dataclass(frozen=True)
class Difference:
    """A program of which the prover thinks wrongly."""

    seed: int
    way: str
    what: str
    source: str

    def __str__(self) -> str:
        return f"seed {self.seed}, {self.way}: {self.what}\n{self.source}"


@dataclass
class Tally:
    """`ends`: of programs on their inputs, where the prover tells; `untold`: why it doesn't. `possible`: ends that it
    was asked about."""

    programs: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    untold: Counter[str] = field(default_factory=Counter)
    possible: Counter[str] = field(default_factory=Counter)
    proofs: proven.Tally = field(default_factory=proven.Tally)
    compiled: Counter[str] = field(default_factory=Counter)
    rejected: int = 0
    differences: list[Difference] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


#: the head of a loop with a counter that stays below a number
_COUNTED = re.compile(r"^( +)(?:while (\w+) < (\d+)(?: and .*)?|for (\w+) in range\((\d+)\)):$", re.MULTILINE)


def program_of(seed: int) -> Generated:
    """The program of this seed. Half of them say what holds in each round of their loops, as far as that is easy."""
    if seed == OPERATIONS:
        return Generated(seed, operations.source(), (0,) * INPUTS)
    made = generate(seed)
    if seed % 2:
        return made

    def invariant(head: re.Match[str]) -> str:
        indent, name, most = head[1], head[2] or head[4], head[3] or head[5]
        return f"{head[0]}\n{indent}    loop_invariant({name} < {most})"

    source = _COUNTED.sub(invariant, made.source)
    source = source.replace("\nfrom neokernel.lang import (", "\nfrom neokernel.lang import (\n    loop_invariant,", 1)
    return Generated(seed, source, made.inputs)


def inputs_of(of: Generated, count: int) -> list[tuple[int, ...]]:
    """A program's own inputs, and others."""
    chance = random.Random(of.seed)
    word = (0, (1 << 64) - 1)
    return [of.inputs, *(tuple(integer(chance, *word) for _ in range(INPUTS)) for _ in range(count))]


def compiled(analysed: Analysed, inputs: dict[str, list[tuple[int, ...]]]) -> dict[str, Told]:
    """What the programs do on these inputs, compiled for the host."""
    assert analysed.ir is not None
    program = analysed.ir

    def run() -> dict[str, Told]:
        names = list(analysed.programs)
        library = jit.Library(program, tuple(f"{name}.main" for name in names), level=1)
        found: dict[str, Told] = {}
        for name in names:
            found[name] = []
            for words in inputs[name]:
                area = (ctypes.c_uint64 * WORDS)(0, 0, *words)
                failure = None
                try:
                    library.call(f"{name}.main", area)
                except jit.CheckError as failed:
                    place = proven.place_of(failed.kind, failed.span)
                    failure = Failure(*place)
                found[name].append((words, Answer(tuple(area), failure)))
        return found

    return meanings.isolated(run, 600)


def end_of(answer: Answer) -> str:
    return answer.failure.kind if answer.failure else "ran to its end"


@dataclass
class Batch:
    """Programs, and what they really do."""

    generated: dict[str, Generated]
    analysed: Analysed
    told: dict[str, Told]
    functions: dict[str, ir.Function]

    @staticmethod
    def of(generated: Sequence[Generated]) -> Batch:
        named = {name_of(g.seed): g for g in generated}
        analysed = meanings.analyse({name: Program(g.source, g.inputs) for name, g in named.items()})
        if analysed.ir is None:
            return Batch(named, analysed, {}, {})
        told = compiled(analysed, {name: inputs_of(named[name], RUNS) for name in analysed.programs})
        return Batch(named, analysed, told, {one.symbol: one for one in analysed.ir.functions})

    def main(self, name: str) -> ir.Function:
        return self.functions[f"{name}.main"]


Way = Callable[[Batch, str, Tally], str]
"""What the prover has wrong of a program, or an empty string."""


def ask_known(batch: Batch, name: str, tally: Tally) -> str:
    """The interpreter can't do all programs; CPython and the compiled program must agree in any case."""
    answer = known.answer_of(batch.main(name), batch.generated[name].inputs)
    if isinstance(answer, str):
        tally.untold[answer] += 1
        return ""
    expected = batch.told[name][0][1]
    if answer != expected:
        return f"\n  prover: {answer}\ncompiled: {expected}"
    tally.ends[end_of(answer)] += 1
    return ""


def ask_possible(batch: Batch, name: str, tally: Tally) -> str:
    asked = batch.told[name][: 1 + ASKED]
    for limits in possible.LIMITS:
        found = possible.excluded(batch.main(name), asked, limits)
        if found is not None:
            return f"on {found[0]} {found[1]}"
    tally.possible += Counter(end_of(answer) for _, answer in asked)
    return ""


def ask_proven(batch: Batch, name: str, tally: Tally) -> str:
    """A third of the programs with each of the limits."""
    assert batch.analysed.ir is not None
    seed = batch.generated[name].seed
    own = [one for one in batch.functions.values() if one.module == name and not one.ghost]
    proofs = proven.Proofs(batch.analysed.ir, own, possible.LIMITS[seed % 3], tally.proofs)
    calls = OPERATION_CALLS if seed == OPERATIONS else CALLS
    for function in own:
        wrong = proofs.run(function, seed, calls)
        if wrong:
            return wrong
    tally.compiled += Counter(end_of(answer) for _, answer in batch.told[name])
    return proven.ruled_out(proofs, batch.main(name), batch.told[name])


WAYS: dict[str, Way] = {"known": ask_known, "possible": ask_possible, "proven": ask_proven}


def ask(batch: Batch, name: str, way: str, tally: Tally) -> str:
    """The same; that the prover breaks down is wrong too."""
    began = time.perf_counter()
    try:
        return WAYS[way](batch, name, tally)
    except Exception as error:  # noqa: BLE001 - whatever happens is the answer
        return f"{type(error).__name__}: {error}"
    finally:
        tally.seconds[way] = tally.seconds.get(way, 0) + time.perf_counter() - began


def run_batch(tally: Tally, seeds: Sequence[int], readings: bool = True) -> None:
    """Ask in all ways; `readings`: also that the programs mean the same without the prover."""
    began = time.perf_counter()
    batch = Batch.of([program_of(seed) for seed in seeds])
    different: set[str] = set()
    if readings:
        found = meanings.answers(batch.analysed, ("cpython", "interpreter"))
        found["compiled"] = {name: told[0][1] for name, told in batch.told.items()}
        different = set(meanings.differences(found))
    tally.seconds["other readings"] = tally.seconds.get("other readings", 0) + time.perf_counter() - began
    tally.rejected += len(batch.analysed.rejected)
    for name in batch.told:
        of = batch.generated[name]
        tally.programs += 1
        if name in different:
            tally.differences.append(Difference(of.seed, "readings", "they differ without the prover", of.source))
            continue
        for way in WAYS:
            wrong = ask(batch, name, way, tally)
            if wrong:
                tally.differences.append(Difference(of.seed, way, wrong, of.source))


def smallest(difference: Difference, seconds: float) -> Difference:
    """The same with a smaller program."""
    found = [difference.what]

    def differs(source: str) -> bool:
        try:
            batch = Batch.of([Generated(difference.seed, source, generate(difference.seed).inputs)])
        except meanings.ProcessDied:
            return False
        name = name_of(difference.seed)
        wrong = name in batch.told and ask(batch, name, difference.way, Tally())
        if wrong:
            found.append(wrong)
        return bool(wrong)

    source = shrink(difference.source, differs, seconds)
    return Difference(difference.seed, difference.way, found[-1], source)
