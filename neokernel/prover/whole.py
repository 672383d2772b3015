"""A whole program, proven: every function that can be reached from where it is entered, in several processes.

A check is *discharged* when it held in each proof that came across it, if all is proven that images don't check: the
contracts and invariants of the whole program, on which each proof relies. So one that isn't proven costs all others.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import asdict, dataclass, field
from typing import Any

from neokernel.compiler import ir
from neokernel.compiler.digest import Parts, everything, in_ghost_code, reachable
from neokernel.prover import cache, invariants, single
from neokernel.prover.obligations import Duty
from neokernel.prover.prove import Session, roots
from neokernel.prover.solve import Answer
from neokernel.prover.states import SPECIFICATIONS, is_specification
from neokernel.prover.unchanged import NO_RULE, AllOrNothing


@dataclass(frozen=True, slots=True)
class Failure:
    """What isn't proven: of which duty, a check's kind, and where."""

    duty: str
    kind: str
    function: str
    file: str
    line: int


@dataclass(slots=True)
class Outcome:
    """What came of one function. `duties`: proven, how many there are, and the solver's seconds, by duty. `checks`:
    does it hold, by the function that it is in and its index."""

    symbol: str
    seconds: float
    duties: dict[str, tuple[int, int, float]]
    checks: list[tuple[str, int, bool]]
    failures: list[Failure]
    bounds: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Scope:
    """What is proven of a program. `functions`: what its entries and specifications reach. `earlier`: what is reached
    before these are entered, and no more then. `ghostly`: what their contracts, invariants and other ghost code call,
    and rely on, though images mayn't have it. `alone`: those of all that are proven by themselves, and invariants of
    which it is shown that objects can be so."""

    functions: list[ir.Function]
    earlier: frozenset[ir.Function]
    ghostly: frozenset[ir.Function]
    alone: list[ir.Function]

    @staticmethod
    def of(program: ir.Program, entries: Iterable[ir.Function], before: Iterable[ir.Function] = ()) -> Scope:
        functions = reachable([*entries, *(one for one in program.functions if is_specification(one))])
        earlier = frozenset(reachable(before)) - set(functions)
        inside = earlier | set(functions)
        said = [one for one in program.functions if one.invariant_of is not None]
        ghostly = frozenset(in_ghost_code([*inside, *said]))
        found = roots(program, {one.module for one in (*inside, *ghostly, *said)})
        alone = [
            one for one in found if one in inside or one.invariant_of is not None or (one in ghostly and one.ensures)
        ]
        return Scope(functions, earlier, ghostly, alone)

    @property
    def unasked(self) -> frozenset[ir.Function]:
        """Those before: whatever is proven of their checks, images have them; but ghost code in no image."""
        return self.earlier - self.ghostly

    def limits(self, function: ir.Function, of_all: str) -> str:
        """What else its proof depends on (`Session.unasked`)."""
        return f"{of_all} {sorted(one.symbol for one in self.unasked)}" if function in self.earlier else of_all


@dataclass(slots=True)
class Whole:
    """What came of all."""

    scope: Scope
    outcomes: list[Outcome]
    #: by what each function's proof is known (`cache.key`)
    keys: dict[str, str] = field(default_factory=dict)

    @property
    def sound(self) -> bool:
        """Is all proven that images don't check? Ghost code isn't in images, so nothing ends where it fails."""
        ghostly = {one.symbol for one in self.scope.ghostly}

        def is_loose(failure: Failure) -> bool:
            return failure.duty == Duty.SPECIFIED.value or (
                failure.duty == Duty.CHECK.value and failure.function not in ghostly
            )

        return all(is_loose(failure) for one in self.outcomes for failure in one.failures)

    def checks(self) -> dict[tuple[str, int], bool]:
        """The program's checks, without its specifications' and those of ghost code alone: does each hold, wherever a
        proof came across it?"""
        found: dict[tuple[str, int], bool] = {}
        reached = {one.symbol for one in self.scope.functions}
        for one in self.outcomes:
            for symbol, index, holds in one.checks if not one.symbol.startswith(SPECIFICATIONS) else ():
                if symbol in reached:
                    found[symbol, index] = found.get((symbol, index), True) and holds
        return found

    def discharged(self) -> dict[str, list[int]]:
        """The checks that images needn't have, by function."""
        found: dict[str, list[int]] = {}
        for (symbol, index), holds in sorted(self.checks().items()):
            if holds and self.sound:
                found.setdefault(symbol, []).append(index)
        return found

    def kept(self) -> dict[str, str]:
        """The keys of those of which nothing failed but checks, which images then have."""
        loose = Duty.CHECK.value
        good = (one.symbol for one in self.outcomes if all(failure.duty == loose for failure in one.failures))
        return {symbol: self.keys[symbol] for symbol in good}


class _Work:
    """What the processes share: it is there when they begin."""

    session: Session
    functions: list[ir.Function]
    #: of these it is known that they keep the invariants
    known: set[int]


def _prove(index: int) -> tuple[int, dict[str, Any]]:
    session, function = _Work.session, _Work.functions[index]
    return index, asdict(prove_function(session, function, index in _Work.known))


def prove_function(session: Session, function: ir.Function, granted: bool = False) -> Outcome:
    """Prove one function. `granted`: that it keeps the invariants is known."""
    proof = session.prove(function, granted)
    duties: dict[str, tuple[int, int, float]] = {}
    checks: dict[tuple[str, int], bool] = {}
    failures: list[Failure] = []
    for verdict in proof.verdicts:
        obligation, holds = verdict.obligation, verdict.answer is Answer.PROVEN
        duty = Duty.SPECIFIED.value if is_specification(function) else obligation.duty.value
        good, all_, seconds = duties.get(duty, (0, 0, 0.0))
        duties[duty] = good + holds, all_ + 1, seconds + verdict.seconds
        check = obligation.check
        if check is not None:
            key = obligation.function.symbol, check.index
            checks[key] = checks.get(key, True) and holds
        if not holds:
            kind = "" if check is None else check.kind.value
            span = obligation.span
            failures.append(Failure(duty, kind, obligation.function.symbol, span.file, span.line))
    bounds = [f"{one.symbol}, line {span.line}" for one, span in proof.findings.assumed_bounds]
    told = [(symbol, index, holds) for (symbol, index), holds in checks.items()]
    return Outcome(function.symbol, proof.seconds, duties, told, failures, bounds)


def prove_all(
    program: ir.Program,
    entries: Iterable[ir.Function],
    *,
    processes: int,
    before: Iterable[ir.Function] = (),
    cold: bool = False,
    rule: AllOrNothing = NO_RULE,
    known: Container[str] = (),
    begin: Callable[[int], None] = lambda missing: None,
    tell: Callable[[int, int], None] = lambda done, all_: None,
) -> Whole:
    """Prove all that is reached from `entries`, `rule` too, and the program's specifications. `begin` is told how many
    weren't proven earlier, `tell` how many are done, and how many there are. SeveralError if what the rule says is
    single may not be.

    `before` is entered before them. What is reached from there alone keeps its checks, which end the machine while
    nobody relies on it; but it meets the contracts of what it calls, and leaves the invariants as the others find them.

    `known` has keys of what was proven elsewhere (`Whole.kept`). Of these, what takes longest isn't proven again:
    specifications, and that invariants are kept. So there is less in what comes back.
    """
    entries = list(entries)
    single.check(program, rule.single, entries)
    scope = Scope.of(program, entries, before)
    mine = scope.alone
    session = Session(invariants.of_program(program), rule=rule, unasked=scope.unasked)
    given = [one for found in session.of.values() for one in found]
    limits = f"{session.limits} {rule}"
    parts = Parts()
    keys = [cache.key(one, given, set(), scope.limits(one, limits), parts) for one in mine]
    brief = {index for index, key in enumerate(keys) if key in known}
    names = [f"{'brief' if index in brief else 'whole'}-{key}" for index, key in enumerate(keys)]
    found: dict[int, Outcome] = {}
    for index, one in enumerate(mine):
        if index in brief and is_specification(one):
            found[index] = Outcome(one.symbol, 0.0, {}, [], [])
            continue
        record = None if cold else cache.load(names[index])
        if record is not None:
            found[index] = from_record(record)
    missing = [index for index in range(len(mine)) if index not in found]
    # Those with most statements first: so no process is left with a long one at the end.
    missing.sort(key=lambda index: -sum(1 for _ in everything(mine[index].body)))
    begin(len(missing))
    tell(len(found), len(mine))
    _Work.session, _Work.functions, _Work.known = session, mine, brief
    for index, record in _in_processes(missing, processes):
        cache.store(names[index], record)
        found[index] = from_record(record)
        tell(len(found), len(mine))
    by_symbol = {one.symbol: key for one, key in zip(mine, keys, strict=True)}
    return Whole(scope, [found[index] for index in range(len(mine))], by_symbol)


def _in_processes(work: list[int], processes: int) -> Iterator[tuple[int, dict[str, Any]]]:
    if processes < 2 or len(work) < 2:
        yield from map(_prove, work)
        return
    # A process that is ended because all is done must not tell that it was.
    context = multiprocessing.get_context("fork")
    with context.Pool(processes, signal.signal, (signal.SIGTERM, signal.SIG_DFL)) as pool:
        yield from pool.imap_unordered(_prove, work)


def from_record(record: dict[str, Any]) -> Outcome:
    """The inverse of `asdict`."""
    return Outcome(
        record["symbol"],
        record["seconds"],
        {duty: (good, all_, seconds) for duty, (good, all_, seconds) in record["duties"].items()},
        [(symbol, index, holds) for symbol, index, holds in record["checks"]],
        [Failure(**item) for item in record["failures"]],
        list(record["bounds"]),
    )
