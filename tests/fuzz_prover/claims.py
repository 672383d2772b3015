"""Claims: what functions promise and structs keep, holds in every run of a program of which it is proven.

A generated program claims more than is true: assertions, contracts, invariants. What isn't proven is taken out, or what
breaks it, until all that is left is proven. Then its functions are called under CPython, which checks contracts, with
random objects of which the invariants hold, and arguments that meet what is required: nothing that is left may fail,
and each object must then be as its invariants say. Checks of arithmetic may stay open, as in images: they end a run.

There are no methods, behind which CPython asks for invariants more often than proofs do (docs/guide/proving.md).
"""

from __future__ import annotations

import random
import re
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any

from neokernel import lang
from neokernel.compiler import ir
from neokernel.compiler.pipeline import analyse_source
from neokernel.lang.failures import CheckFailed
from neokernel.lang.hook import load_module
from neokernel.prover import invariants
from neokernel.prover.obligations import Duty, Obligation
from neokernel.prover.prove import Session, callees_first, entered, roots
from neokernel.prover.states import is_private
from tests.fuzz_prover.claiming import HEADER, NUMBERS, Unit, Writer

#: Z3's resources for a question: what takes longer is taken out, which is never wrong
EFFORT = 300_000
#: rounds of taking out; what isn't settled then isn't run
ROUNDS = 30
#: calls of each function; tries to find objects and arguments that may be given
CALLS, TRIES = 30, 20
#: how a unit begins that says what a function requires
REQUIRES = "    requires"
ENDED = "calls: ran to its end"


@dataclass
class Tally:
    """What was left to run, and how runs ended."""

    programs: int = 0
    rejected: int = 0
    unsettled: int = 0
    claims: Counter[str] = field(default_factory=Counter)
    runs: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)

    def table(self) -> str:
        """Markdown."""
        rows = [(f"`{name}`", number) for name, number in sorted(self.claims.items())]
        rows += [(name if name == ENDED else f"calls: {name}", number) for name, number in self.runs.most_common()]
        return "\n".join(
            [
                f"programs: {self.programs}",
                f"rejected by the front end: {self.rejected}; not proven after {ROUNDS} rounds: {self.unsettled}",
                f"wrong: {len(self.wrong)}",
                "",
                "| claims that are proven; ends of calls | times |",
                "|---|--:|",
                *(f"| {name} | {number:,} |" for name, number in rows),
            ]
        )


class RejectedError(Exception):
    """The front end doesn't take a program."""


class Claims:
    """A program, and what is proven of it."""

    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chance = random.Random(f"runs {seed}")
        self.name = f"claims_{seed}"
        self.units = Writer(seed).units
        #: by kind and line, checks that aren't proven; and who may be called by anybody
        self.open: set[tuple[str, int]] = set()
        self.callable: list[str] = []

    @property
    def source(self) -> str:
        return "\n".join([*HEADER, *(line for unit in self.units for line in unit.lines)]) + "\n"

    def unit_at(self, line: int) -> Unit:
        at = len(HEADER)
        for unit in self.units:
            at += len(unit.lines)
            if line <= at:
                return unit
        raise LookupError(line)

    def settle(self) -> bool:
        """Take out what isn't proven, or what breaks it, until all that is left is. False if that isn't so soon."""
        while not self.begins():
            said = [unit for unit in self.units if unit.claim and not unit.owner]
            self.units.remove(self.chance.choice(said))
        return any(not self.round() for _ in range(ROUNDS))

    def begins(self) -> bool:
        """Do invariants hold of new objects?"""
        structs = [line for unit in self.units if not unit.owner for line in unit.lines]
        module = load_module("\n".join([*HEADER, *structs]), self.name)
        found = holds(module.Node) and holds(module.Part)
        del sys.modules[self.name]
        return found

    def round(self) -> list[Unit]:
        """Prove it all once. What was taken out."""
        program = analyse_source(self.source, self.name).program
        if program is None:
            raise RejectedError
        session = Session(invariants.of_program(program), None, EFFORT, entered=entered(program))
        gone: dict[Unit, None] = {}
        self.open = set()
        proven = callees_first(roots(program, [self.name], session.entered))
        for function in proven:
            for verdict in session.prove(function).failed:
                self.take_out(function, verdict.obligation, gone)
        self.units = [unit for unit in self.units if unit not in gone]
        self.callable = [
            one.name
            for one in proven
            if re.fullmatch(r"_?f\d+", one.name) and not one.ghost and (not is_private(one) or one in session.entered)
        ]
        return list(gone)

    def take_out(self, function: ir.Function, obligation: Obligation, gone: dict[Unit, None]) -> None:
        check, line = obligation.check, obligation.span.line
        if check is not None and check.kind is not ir.Kind.ASSERT:
            self.open.add((check.kind.value, line))
            return
        mine = [unit for unit in self.units if unit.owner == function.name and unit not in gone]
        writes = [unit for unit in mine if unit.write]
        match obligation.duty:
            case Duty.INVARIANT if writes and self.chance.random() < 0.8:
                found = self.chance.choice(writes)
            case Duty.INVARIANT | Duty.POSSIBLE if obligation.function.invariant_of is not None:
                found = self.unit_at(obligation.function.span.line)
            case Duty.POSSIBLE | Duty.ENDS:
                found = self.chance.choice([unit for unit in mine if unit.claim])
            case _:
                found = self.unit_at(line)
        if found.claim or found.write:
            gone[found] = None
            return
        # A call in what stays, of something that requires too much; or that did, and what it requires goes already.
        wanted = self.required(obligation.callee)
        if gone.keys().isdisjoint(wanted):
            gone[self.chance.choice(wanted)] = None

    def required(self, name: str) -> list[Unit]:
        """What a function requires."""
        return [unit for unit in self.units if unit.owner == name and unit.lines[0].startswith(REQUIRES)]

    # --- runs ---------------------------------------------------------------------------------------------------------

    def run(self, tally: Tally) -> str:
        """Call its functions. What is wrong, or an empty string."""
        given: list[str] = []
        for name in self.callable:
            said = [unit.lines[0].removeprefix(REQUIRES) for unit in self.required(name)]
            given += [f"def given_{name}(p: Node, q: Node, n: u8) -> bool:", f"    return {' and '.join(said) or True}"]
        module = load_module("\n".join([self.source, *given, ""]), self.name)
        try:
            for name in self.callable:
                for number in range(CALLS):
                    wrong = self.call(module, name, tally)
                    if wrong:
                        return f"{name}, call {number}: {wrong}"
        finally:
            del sys.modules[self.name]
        return ""

    def call(self, module: ModuleType, name: str, tally: Tally) -> str:
        for _ in range(TRIES):
            objects = self.objects(module)
            arguments = [*self.chance.choices(objects, k=2), lang.u8(self.chance.choice(NUMBERS))]
            if holds(getattr(module, f"given_{name}"), *arguments):
                break
        else:
            tally.runs["no arguments"] += 1
            return ""
        said = ", ".join(map(describe, arguments))
        try:
            getattr(module, name)(*arguments)
        except CheckFailed as failed:
            line = [line for file, line in frames(failed) if file == f"<{self.name}>"][-1]
            if (failed.kind, line) in self.open:
                tally.runs[failed.kind] += 1
                return ""
            return f"{said}: line {line}: {failed.kind}: {failed}"
        tally.runs[ENDED] += 1
        for one in reached(objects):
            if not all(map(holds, invariants_of(one))):
                return f"{said}: the invariants of {describe(one)} don't hold afterwards"
        return ""

    def objects(self, module: ModuleType) -> list[Any]:
        """Three objects of which the invariants hold."""
        for _ in range(TRIES):
            found = [module.Node() for _ in range(3)]
            for one in found:
                self.fill(one, found)
            for _ in range(4):
                wrong = [one for one in found if not all(map(holds, (*invariants_of(one), *invariants_of(one.part))))]
                if not wrong:
                    return found
                for one in wrong:
                    self.fill(one, found)
        return [module.Node()]

    def fill(self, node: Any, others: Sequence[Any]) -> None:
        small = NUMBERS if self.chance.random() < 0.5 else NUMBERS[:6]
        for name in ("a", "b", "g"):
            setattr(node, name, lang.u8(self.chance.choice(small)))
        for place in range(3):
            node.cells[place] = lang.u8(self.chance.choice(small))
        node.part.c = lang.u8(self.chance.choice(small))
        node.flag = self.chance.random() < 0.5
        node.other = self.chance.choice([None, *others])


def holds(condition: Callable[..., object], *arguments: object) -> bool:
    """Is it so? What can't be computed isn't."""
    try:
        return bool(condition(*arguments))
    except CheckFailed:
        return False


def invariants_of(one: Any) -> list[Callable[[], object]]:
    return [getattr(one, name) for name in dir(type(one)) if name.startswith("kept")]


def reached(objects: Sequence[Any]) -> Iterator[Any]:
    """All that these refer to, and they."""
    work, seen = list(objects), set[int]()
    while work:
        one = work.pop()
        if id(one) in seen:
            continue
        seen.add(id(one))
        yield one
        yield one.part
        if one.other is not None:
            work.append(one.other)


def describe(one: Any) -> str:
    """An object, or a number."""
    if not hasattr(one, "cells"):
        return str(getattr(one, "c", one))
    other = "None" if one.other is None else "itself" if one.other is one else "another"
    cells = [int(one.cells[place]) for place in range(3)]
    return f"Node(a={one.a}, b={one.b}, flag={one.flag}, g={one.g}, c={one.part.c}, cells={cells}, other={other})"


def frames(failed: CheckFailed) -> Iterator[tuple[str, int]]:
    """Files and lines, outermost first."""
    at = failed.__traceback__
    while at is not None:
        yield at.tb_frame.f_code.co_filename, at.tb_lineno
        at = at.tb_next


def ask(seed: int, tally: Tally) -> str:
    """One program. What is wrong with its proof, with its source; or an empty string."""
    claims = Claims(seed)
    try:
        if not claims.settle():
            tally.unsettled += 1
            return ""
    except RejectedError:
        tally.rejected += 1
        return ""
    tally.programs += 1
    tally.claims.update(re.findall(r"\w+", unit.lines[0])[0] for unit in claims.units if unit.claim)
    wrong = claims.run(tally)
    if wrong:
        tally.wrong.append(f"seed {seed}: {wrong}\n{claims.source}")
    return tally.wrong[-1] if wrong else ""
