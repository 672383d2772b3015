"""The prover as a judge: would `nk prove` say more of the kernel with the mistake than of the sound one?

`nk prove` proves functions by themselves, specifications among them (`neokernel/spec`), and has them keep the rule that
errors change nothing. Proofs of the sound kernel tell which functions each of them looks into, and what it costs. With
a mistake, only proofs that look into what has changed can end otherwise: these are made again, the cheapest first, up
to the first obligation that isn't proven, and was.

- Places in the source may have moved, so an obligation is known by what it is and in which function; if the sound
  kernel has one of those that isn't proven, others like it don't count.
- Costs are Z3's own count of resources, which doesn't depend on the machine. A proof that needs PATIENCE times what it
  needs of the sound kernel, and EFFORT more, isn't made: the mistake is found, as `nk prove` with that limit proves the
  sound kernel. `LIMIT` tells these apart.
- A mutant that takes `seconds` of processor time is given up, and counts as not found, until a run allows more.
"""

from __future__ import annotations

import ast
import gc
import hashlib
import json
import multiprocessing
import os
import signal
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from neokernel.compiler import ir
from neokernel.compiler.digest import Parts, cone
from neokernel.image import proofs
from neokernel.image.kernel import EXPORTS
from neokernel.lang.instrument import deep_recursion
from neokernel.prover import cache, invariants
from neokernel.prover.failures.words import what
from neokernel.prover.integers import Integers
from neokernel.prover.prove import Run
from neokernel.prover.solve import EFFORT, Answer, Solver
from neokernel.prover.values import Layout
from neokernel.prover.whole import Scope
from neokernel.prover.writes import Writes
from neokernel.spec.outcomes import ERRORS_CHANGE_NOTHING
from tests.mutate.difference import changed_statements, same_contracts
from tests.mutate.equivalence import Meaning
from tests.mutate.facts import facts_of
from tests.mutate.judges import Verdict
from tests.mutate.sites import Mutant
from tests.mutate.snapshot import TRANSLATION, Snapshot
from tests.mutate.watched import LookedInto, Watched
from tests.mutate.workshop import Planted

PATIENCE = 4
MOST_SECONDS = 120
LIMIT = "over the solver's limit"
GAVE_UP = "gave up"

#: what isn't proven of a function: where, and what
Failures = set[tuple[str, str]]


class OverLimitError(Exception):
    """A proof has used up what it may."""


class Meter:
    """Adds up what the solvers of a proof use."""

    def __init__(self, most: int | None) -> None:
        self.most, self.spent = most, 0

    def take(self, used: int) -> None:
        self.spent += used
        if self.most is not None and self.spent > self.most:
            raise OverLimitError


class _Metered(Solver):
    meter: Meter
    before = 0

    def _check(self, asked: list[Any]) -> Answer:
        answer = super()._check(asked)
        statistics = self.solver.statistics()
        now = statistics.get_key_value("rlimit count") if "rlimit count" in statistics.keys() else self.before  # noqa: SIM118
        used, self.before = now - self.before, now
        self.meter.take(used)
        return answer


class _MeteredIntegers(_Metered, Integers):
    pass


class Metered(Run):
    """A proof of one function, whose costs are known, and may have a limit."""

    def __init__(self, program: ir.Program, function: ir.Function, scope: Scope, most: int | None = None) -> None:
        self.meter = Meter(most)
        super().__init__(function, invariants.of_program(program), rule=ERRORS_CHANGE_NOTHING, unasked=scope.earlier)
        self.watched = Watched.watch(self.executor)

    def made(self, kind: type[Solver], effort: int) -> Solver:
        metered = _MeteredIntegers if kind is Integers else _Metered
        solver = metered(self.executor.memory.fact, effort)
        solver.meter = self.meter
        return solver


@dataclass
class Proven:
    """A proof of the sound kernel: what isn't proven, what it cost, and what it looked into and what it didn't."""

    symbol: str
    digest: str
    failures: list[tuple[str, str]]
    spent: int
    entered: list[str]
    summarised: list[str]
    into: LookedInto
    #: seconds of processor time, to run it and to solve what was found
    seconds: tuple[float, float] = field(default=(0.0, 0.0), compare=False)

    @staticmethod
    def read(data: dict[str, Any]) -> Proven:
        """The inverse of `asdict`."""
        failures = [(where, why) for where, why in data["failures"]]
        made = {"failures": failures, "into": LookedInto(**data["into"]), "seconds": tuple(data["seconds"])}
        return Proven(**{**data, **made})

    def concerns(self, changed: set[str], writes: set[str]) -> bool:
        """Can it end otherwise?"""
        return not changed.isdisjoint((self.symbol, *self.entered)) or not writes.isdisjoint(self.summarised)

    def comes_to(self, statements: dict[str, int], whole: set[str], told: set[str], sized: set[str]) -> bool:
        """The same, known better: of functions `statements` are others, or the `whole` is; they are `told` to write or
        make something else; they are `sized` otherwise."""
        if any(self.into.ran_any(symbol, bits) for symbol, bits in statements.items()):
            return True
        if not whole.isdisjoint((self.symbol, *self.entered, *self.summarised)):
            return True
        return not (told.isdisjoint((*self.into.asked, *self.summarised)) and sized.isdisjoint(self.into.sized))


class _Work:
    """What processes that prove the sound kernel share."""

    program: ir.Program
    scope: Scope
    functions: list[ir.Function]


def _prove_sound(index: int) -> Proven:
    with deep_recursion():
        return proven(_Work.program, _Work.functions[index], _Work.scope)


def proven(program: ir.Program, function: ir.Function, scope: Scope) -> Proven:
    began = time.process_time()
    run = Metered(program, function, scope)
    run.execute()
    ran = time.process_time()
    failed = [verdict.obligation for verdict in run.solve() if verdict.answer is not Answer.PROVEN]
    seconds = round(ran - began, 3), round(time.process_time() - ran, 3)
    found = sorted({(one.function.symbol, what(one)) for one in failed})
    x = run.executor
    entered, summarised = ([one.symbol for one in each] for each in (x.entered, x.findings.summarised))
    into = LookedInto.by(run.watched)
    digest = digest_of(program, function, scope)
    return Proven(function.symbol, digest, found, run.meter.spent, entered, summarised, into, seconds)


def digest_of(program: ir.Program, function: ir.Function, scope: Scope, parts: Parts | None = None) -> str:
    """Of all that its proof depends on, the prover included. `parts`: what digests of others have found."""
    given = [one for found in invariants.of_program(program).values() for one in found]
    return cache.key(function, given, set(), scope.limits(function, str(ERRORS_CHANGE_NOTHING)), parts)


def scope_of(program: ir.Program) -> Scope:
    """What `nk prove` proves."""
    return Scope.of(program, proofs.entries(program), proofs.boot(program))


def deciding(snapshot: Snapshot) -> list[str]:
    """The files that decide what is proven, but for those that only tell of it."""
    proving = (f"neokernel/prover/{path.name}" for path in (snapshot.folder / "neokernel/prover").glob("*.py"))
    return [*TRANSLATION, *sorted(proving)]


class Prover:
    name = "prover"

    def __init__(self, snapshot: Snapshot, sound: Meaning, store: Path, seconds: int = MOST_SECONDS) -> None:
        """`store`: a folder that keeps what is proven of the sound kernel. `seconds`: for a mutant."""
        limits = f"{PATIENCE} {EFFORT}".encode()
        self.seconds = seconds
        self.digest = hashlib.sha256(snapshot.digest(*deciding(snapshot)).encode() + limits).hexdigest()[:16]
        self.sound = sound
        self._functions = Functions(sound.program, snapshot.sources)
        #: the cheapest first
        self.known = sorted(self._known(store / "proofs.jsonl"), key=lambda one: (sum(one.seconds), one.symbol))
        self._digests = {one.symbol: one.digest for one in self.known}
        self._writes = written(sound.program)
        self._facts = facts_of(sound.program.functions)
        given = (one for found in invariants.of_program(sound.program).values() for one in found)
        self._in_invariants = {one.symbol for one in cone(given)}
        self._bases: dict[str | None, str] = {}

    def _known(self, path: Path) -> list[Proven]:
        known: dict[str, Proven] = {}
        if path.exists():
            for line in path.read_text().splitlines():
                one = Proven.read(json.loads(line))
                known[one.digest] = one
        scope = scope_of(self.sound.program)
        parts = Parts()
        digests = [digest_of(self.sound.program, function, scope, parts) for function in scope.alone]
        missing = [function for function, digest in zip(scope.alone, digests, strict=True) if digest not in known]
        if missing:
            path.parent.mkdir(parents=True, exist_ok=True)
            _Work.program, _Work.scope, _Work.functions = self.sound.program, scope, missing
            context = multiprocessing.get_context("fork")
            with context.Pool(os.cpu_count()) as pool, path.open("a") as stream:
                for one in pool.imap_unordered(_prove_sound, range(len(missing))):
                    known[one.digest] = one
                    stream.write(json.dumps(asdict(one)) + "\n")
                    stream.flush()
        return [known[digest] for digest in digests]

    def basis(self, mutant: Mutant) -> str:
        """Of all proofs that can end otherwise with it."""
        symbol = self._functions.around(mutant)
        if symbol not in self._bases:
            found = [one.digest for one in self.known if self._may_concern(one, symbol)]
            self._bases[symbol] = hashlib.sha256("".join(sorted(found)).encode()).hexdigest()[:16]
        return self._bases[symbol]

    def _may_concern(self, one: Proven, symbol: str | None) -> bool:
        if symbol is None or symbol in (one.symbol, *one.entered):
            return True
        return any(symbol in self._functions.below(name) for name in one.summarised)

    def stands(self, mutant: Mutant, verdict: Verdict) -> bool:
        """One that was found is, as long as that proof is of the same. Others may be by proofs that are new."""
        if verdict.by is not None:
            return self._digests.get(verdict.by) == verdict.basis
        basis, _, seconds = verdict.basis.partition(" ")
        return basis == self.basis(mutant) and (not seconds or int(seconds) >= self.seconds)

    def wants(self, verdicts: dict[str, Verdict]) -> bool:
        return True

    def judge(self, mutant: Mutant, planted: Planted) -> Verdict:
        """In a process of its own, so that neither time nor memory is lost to it."""
        meaning = planted.meaning
        assert meaning is not None
        concerned = self.concerned(planted, meaning)
        if not concerned:
            return Verdict(None, "no proof looks into it", basis=self.basis(mutant))
        otherwise = Verdict(None, GAVE_UP, len(concerned))
        verdict = in_a_child(lambda: self._prove(meaning.program, concerned), otherwise, self.seconds)
        if verdict.by is not None:
            return replace(verdict, basis=self._digests[verdict.by])
        # Who gave up may find it when there is more time.
        given = f" {self.seconds}" if verdict.why == GAVE_UP else ""
        return replace(verdict, basis=self.basis(mutant) + given)

    def concerned(self, planted: Planted, meaning: Meaning) -> list[Proven]:
        """The proofs that can end otherwise."""
        changed = meaning.changed(self.sound)
        if planted.kept is None or planted.workshop is None or any(name.startswith("class ") for name in changed):
            return self._concerned_by_functions(changed, meaning.program)
        anew = [kept.function for kept in planted.kept]
        if any(function.symbol in self._in_invariants for function in anew):
            # What they read is looked at as a whole.
            return self._concerned_by_functions(changed, meaning.program)
        statements = {kept.function.symbol: changed_statements(kept.body, kept.function.body) for kept in planted.kept}
        whole = {kept.function.symbol for kept in planted.kept if not same_contracts(kept.contracts, kept.now)}
        now = facts_of(planted.workshop.above(anew))
        other = {symbol: (self._facts[symbol], found) for symbol, found in now.items() if self._facts[symbol] != found}
        told = {symbol for symbol, (a, b) in other.items() if (a.written, a.made) != (b.written, b.made)}
        sized = {symbol for symbol, (a, b) in other.items() if a.size != b.size}
        whole |= {symbol for symbol, (a, b) in other.items() if not a.decides_as(b)}
        return [one for one in self.known if one.comes_to(statements, whole, told, sized)]

    def _concerned_by_functions(self, changed: set[str], program: ir.Program) -> list[Proven]:
        now = written(program)
        writes = {symbol for symbol, cells in now.items() if cells != self._writes.get(symbol, cells)}
        return [one for one in self.known if one.concerns(changed, writes)]

    @staticmethod
    def _prove(program: ir.Program, concerned: list[Proven]) -> Verdict:
        functions = {function.symbol: function for function in program.functions}
        scope = scope_of(program)
        tried = 0
        for before in concerned:
            function = functions.get(before.symbol)
            if function is None:
                continue
            tried += 1
            run = Metered(program, function, scope, PATIENCE * before.spent + EFFORT)
            try:
                run.execute()
                for verdict in run.solve():
                    key = verdict.obligation.function.symbol, what(verdict.obligation)
                    if verdict.answer is not Answer.PROVEN and key not in before.failures:
                        return Verdict(before.symbol, ": ".join(key), tried)
            except OverLimitError:
                return Verdict(before.symbol, LIMIT, tried)
        return Verdict(None, "", tried)


class Functions:
    """Which function a mutant changes, and what functions call."""

    def __init__(self, program: ir.Program, sources: dict[str, str]) -> None:
        self._functions = {function.symbol: function for function in program.functions}
        self._places: dict[str, list[tuple[int, int, str]]] = {}
        self._below: dict[str, frozenset[str]] = {}
        self._sources = sources

    def around(self, mutant: Mutant) -> str | None:
        """None for what stands outside of functions."""
        if mutant.module not in self._places:
            tree = ast.parse(self._sources[mutant.file])
            self._places[mutant.module] = list(definitions(tree, mutant.module))
        names = [name for first, last, name in self._places[mutant.module] if first <= mutant.line <= last]
        return EXPORTS.get(names[-1], names[-1]) if names and mutant.first != 0 else None

    def below(self, symbol: str) -> frozenset[str]:
        """It, and all that it calls."""
        if symbol not in self._below:
            self._below[symbol] = frozenset(one.symbol for one in cone([self._functions[symbol]]))
        return self._below[symbol]


def definitions(node: ast.AST, prefix: str) -> Iterator[tuple[int, int, str]]:
    """The lines of functions, and their names."""
    for each in ast.iter_child_nodes(node):
        if isinstance(each, (ast.FunctionDef, ast.ClassDef)):
            name = f"{prefix}.{each.name}"
            if isinstance(each, ast.FunctionDef):
                yield each.lineno, each.end_lineno or each.lineno, name
            yield from definitions(each, name)


def written(program: ir.Program) -> dict[str, frozenset[str]]:
    """What each function may write, through all that it calls: proofs that don't look into it take that for unknown."""
    writes = Writes(Layout())
    return {one.symbol: frozenset(cells.name for cells in writes.of_function(one)) for one in program.functions}


def in_a_child(work: Callable[[], Verdict], otherwise: Verdict, seconds: int) -> Verdict:
    """What a forked process finds out; `otherwise` if it takes too long, or doesn't come to its end."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        status = 1
        try:
            signal.signal(signal.SIGPROF, signal.SIG_DFL)
            signal.setitimer(signal.ITIMER_PROF, seconds)
            gc.disable()
            with deep_recursion():
                verdict = work()
            os.write(writer, json.dumps(asdict(verdict)).encode())
            status = 0
        finally:
            os._exit(status)
    os.close(writer)
    with os.fdopen(reader) as stream:
        told = stream.read()
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    return Verdict(**json.loads(told)) if code == 0 else otherwise
