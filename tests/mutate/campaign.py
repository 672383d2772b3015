"""A run: mutants are planted, one at a time, and judged: by the prover all, by others what nobody has found before.

What is found out is kept, each judge's verdicts by the content that decides them: so a run can go on, and after new
tests have been written, only these judge again.
"""

from __future__ import annotations

import contextlib
import functools
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Generic, TypeVar

from tests.mutate.bisimulation import COMPARING, Bisimulation
from tests.mutate.commuting import Analysis
from tests.mutate.equivalence import Meaning, meaning
from tests.mutate.judges import Judge, KernelTests, Verdict, attack, found, machine
from tests.mutate.operators import mutants
from tests.mutate.prover import MOST_SECONDS, Prover, deciding
from tests.mutate.sample import Sample
from tests.mutate.sites import Mutant
from tests.mutate.snapshot import TRANSLATION, Snapshot
from tests.mutate.workshop import Planted, Workshop
from tests.support.machine import QEMU

REJECTED = "rejected"
SAME_IR = "same IR"
COMMUTING = "commuting"
SAME_CODE = "same code"
PROVEN_SAME = "same by proof"
KILLED = "killed"
SURVIVED = "survived"

T = TypeVar("T")


@dataclass
class Result:
    """How a mutant ended. `verdicts`: by judge."""

    mutant: Mutant
    outcome: str
    old: list[str]
    new: list[str]
    verdicts: dict[str, Verdict] = field(default_factory=dict)

    @property
    def counted(self) -> bool:
        """Is it a mistake?"""
        return self.outcome in (KILLED, SURVIVED)

    def found_by(self, *judges: str) -> bool:
        return any(name in self.verdicts and self.verdicts[name].killed for name in judges)


class Ledger(Generic[T]):
    """What is known of mutants, in a file that only grows: several runs may write it."""

    def __init__(self, path: Path, write: Callable[[T], object], read: Callable[..., T]) -> None:
        self._path, self._write = path, write
        lines = path.read_text().splitlines() if path.exists() else []
        self._known: dict[str, T] = {name: read(value) for name, value in map(json.loads, lines)}

    def knows(self, mutant: Mutant, stands: Callable[[T], bool] = lambda value: True) -> bool:
        return mutant.identity in self._known and stands(self._known[mutant.identity])

    def look_up(self, mutant: Mutant, find: Callable[[], T], stands: Callable[[T], bool] = lambda value: True) -> T:
        value = self._known.get(mutant.identity)
        if value is None or not stands(value):
            value = self._known[mutant.identity] = find()
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with self._path.open("a") as stream:
                stream.write(json.dumps([mutant.identity, self._write(value)]) + "\n")
        return value


class Campaign:
    """`files`: parts of the kernel's files' names, empty for all. Each of `judges` sees the mistakes that it wants
    to see after those before it. `workshop`: where most are planted. `comparison`: of those that nobody finds, which
    are no mistakes?
    """

    def __init__(
        self,
        snapshot: Snapshot,
        store: Path,
        sound: Meaning,
        judges: Sequence[Judge],
        files: Sequence[str] = (),
        workshop: Workshop | None = None,
        comparison: Bisimulation | None = None,
    ) -> None:
        self.snapshot, self.sound, self.judges, self.workshop = snapshot, sound, judges, workshop
        self.comparison = comparison
        self.mutants = [
            mutant
            for file in snapshot.kernel
            if not files or Path(file).stem in files
            for mutant in mutants(file, snapshot.sources[file], snapshot.vocabulary)
        ]
        self._effects = Analysis(sound.program)
        translation = snapshot.digest(*TRANSLATION)
        self._kinds = Ledger[str](store / f"meanings-{translation}.jsonl", str, str)
        self._same_code = Ledger[bool](store / f"codes-{translation}.jsonl", bool, bool)
        #: why a mutant may be a mistake; empty if it is proven to be none
        same = snapshot.digest(*deciding(snapshot), *COMPARING)
        self._proven_same = Ledger[str](store / f"same-{same}.jsonl", str, str)
        self._verdicts = {
            judge.name: Ledger[Verdict](
                store / f"{judge.name}-{judge.digest}.jsonl", asdict, lambda value: Verdict(**value)
            )
            for judge in judges
        }

    def run(
        self,
        count: int,
        seed: int,
        progress: Callable[[Result], None] = lambda result: None,
        part: tuple[int, int] = (1, 1),
    ) -> list[Result]:
        """Judge `count` mutants that the compiler takes; the result has those that it rejected, too. `part`: which of
        how many parts of the sample."""
        sample = Sample(self.mutants, count, seed)
        results: list[Result] = []
        # What only the machine tries takes longest, and comes last.
        order = sorted(sample.chosen, key=lambda mutant: mutant.file.endswith("/boot.py"))
        for chosen in order[part[0] - 1 :: part[1]]:
            mutant: Mutant | None = chosen
            while mutant is not None:
                result = self.judge(mutant)
                results.append(result)
                progress(result)
                mutant = sample.another(mutant) if result.outcome == REJECTED else None
        return sorted(results, key=lambda result: result.mutant)

    def so_far(self, count: int, seed: int) -> list[Result]:
        """Those of `run` that are judged already. Mutants come in an order of chance: these are a sample, too."""
        sample = Sample(self.mutants, count, seed)
        results: list[Result] = []
        for chosen in sample.chosen:
            mutant: Mutant | None = chosen
            while mutant is not None and self._knows(mutant):
                result = self.judge(mutant)
                results.append(result)
                mutant = sample.another(mutant) if result.outcome == REJECTED else None
        return sorted(results, key=lambda result: result.mutant)

    def _knows(self, mutant: Mutant) -> bool:
        """Is all known that judging it asks?"""
        if not self._kinds.knows(mutant):
            return False
        if self._kinds.look_up(mutant, str) or self._effects.commutes(mutant, self.snapshot.sources[mutant.file]):
            return True
        verdicts: dict[str, Verdict] = {}
        for judge in self.judges:
            if not judge.wants(verdicts):
                continue
            ledger = self._verdicts[judge.name]
            if not ledger.knows(mutant, functools.partial(judge.stands, mutant)):
                return False
            verdicts[judge.name] = verdict = ledger.look_up(mutant, lambda: Verdict(None))
            if judge.name == KernelTests.name and not verdict.killed:
                if not self._same_code.knows(mutant):
                    return False
                if self._same_code.look_up(mutant, bool):
                    return True
        return found(verdicts) or self.comparison is None or self._proven_same.knows(mutant)

    def judge(self, mutant: Mutant) -> Result:
        with contextlib.closing(Planted(self.snapshot, mutant, self.workshop)) as planted:
            return self._judge(mutant, planted)

    def _judge(self, mutant: Mutant, planted: Planted) -> Result:
        old, new = mutant.change(self.snapshot.sources[mutant.file])
        kind = self._kinds.look_up(mutant, lambda: self._kind(planted))
        if not kind and self._effects.commutes(mutant, self.snapshot.sources[mutant.file]):
            kind = COMMUTING
        if kind:
            return Result(mutant, kind, old, new)
        verdicts: dict[str, Verdict] = {}
        with self.snapshot.mistake(mutant):
            for judge in self.judges:
                if not judge.wants(verdicts):
                    continue
                verdicts[judge.name] = verdict = self._ask(judge, mutant, planted)
                # Compiling is for what the tests let pass.
                if judge.name == KernelTests.name and not verdict.killed and self._has_same_code(mutant, planted):
                    return Result(mutant, SAME_CODE, old, new, verdicts)
        if found(verdicts):
            return Result(mutant, KILLED, old, new, verdicts)
        return Result(mutant, PROVEN_SAME if self._is_proven_same(mutant, planted) else SURVIVED, old, new, verdicts)

    def _kind(self, planted: Planted) -> str:
        """Why it is no mistake; empty if it may be one."""
        if planted.meaning is None:
            return REJECTED
        return "" if planted.meaning.changed(self.sound) else SAME_IR

    def _ask(self, judge: Judge, mutant: Mutant, planted: Planted) -> Verdict:
        def judge_now() -> Verdict:
            began = time.monotonic()
            verdict = judge.judge(mutant, planted)
            return replace(verdict, seconds=round(time.monotonic() - began, 1))

        return self._verdicts[judge.name].look_up(mutant, judge_now, functools.partial(judge.stands, mutant))

    def _has_same_code(self, mutant: Mutant, planted: Planted) -> bool:
        def compare() -> bool:
            return planted.meaning is not None and planted.meaning.code == self.sound.code

        return self._same_code.look_up(mutant, compare)

    def _is_proven_same(self, mutant: Mutant, planted: Planted) -> bool:
        if self.comparison is None:
            return False
        comparison = self.comparison
        return not self._proven_same.look_up(mutant, lambda: comparison.why_not(planted))


def with_judges(
    snapshot: Snapshot, store: Path, files: Sequence[str] = (), *, compiling: bool = True, seconds: int = MOST_SECONDS
) -> Campaign:
    """Without QEMU, nobody tries the machine. `compiling`: with those that compile the kernel, which takes longest.
    `seconds`: of processor time that the prover has for a mutant."""
    sound = meaning(snapshot)
    assert sound is not None, "the compiler rejects the kernel"
    prover = Prover(snapshot, sound, store, seconds)
    judges: list[Judge] = [prover, KernelTests(snapshot, store)]
    if compiling:
        judges += [machine(snapshot), attack(snapshot)] if QEMU is not None else [attack(snapshot)]
    return Campaign(snapshot, store, sound, judges, files, Workshop(snapshot), Bisimulation(prover))
