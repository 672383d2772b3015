"""A run: mutants are planted, one at a time, and judged. Verdicts are kept by content, so that a run can go on."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tests.mutate.equivalence import Meaning, meaning
from tests.mutate.judges import BrokenBaselineError, Judge, KernelTests, Verdict, attack, machine
from tests.mutate.operators import mutants
from tests.mutate.prover import Prover
from tests.mutate.sample import Sample
from tests.mutate.sites import Mutant
from tests.mutate.snapshot import Snapshot
from tests.support.machine import QEMU

REJECTED = "rejected"
SAME_IR = "same IR"
SAME_CODE = "same code"
KILLED = "killed"
SURVIVED = "survived"


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


class Campaign:
    """`files`: parts of the kernel's files' names, empty for all. The first of `judges` sees all mistakes, the others
    those that they want to see after it.
    """

    def __init__(
        self, snapshot: Snapshot, store: Path, sound: Meaning, judges: Sequence[Judge], files: Sequence[str] = ()
    ) -> None:
        self.snapshot, self.sound, self.judges = snapshot, sound, judges
        self.mutants = [
            mutant
            for file in snapshot.kernel
            if not files or Path(file).stem in files
            for mutant in mutants(file, snapshot.sources[file], snapshot.vocabulary)
        ]
        self._known: dict[str, Result] = {}
        names = "-".join(judge.name for judge in judges)
        self._log = store / f"results-{snapshot.digest()}-{names}.jsonl"
        if self._log.exists():
            for line in self._log.read_text().splitlines():
                result = read(json.loads(line))
                self._known[result.mutant.identity] = result

    def run(self, count: int, seed: int, progress: Callable[[Result], None] = lambda result: None) -> list[Result]:
        """Judge `count` mutants that the compiler takes; the result has those that it rejected, too."""
        sample = Sample(self.mutants, count, seed)
        results: list[Result] = []
        for chosen in sample.chosen:
            mutant: Mutant | None = chosen
            while mutant is not None:
                result = self._known.get(mutant.identity) or self.judge(mutant)
                results.append(result)
                progress(result)
                mutant = sample.another(mutant) if result.outcome == REJECTED else None
        return sorted(results, key=lambda result: result.mutant)

    def judge(self, mutant: Mutant) -> Result:
        result = self._judge(mutant)
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("a") as stream:
            stream.write(json.dumps(asdict(result)) + "\n")
        self._known[mutant.identity] = result
        return result

    def _judge(self, mutant: Mutant) -> Result:
        old, new = mutant.change(self.snapshot.sources[mutant.file])
        planted = meaning(self.snapshot, mutant)
        if planted is None:
            return Result(mutant, REJECTED, old, new)
        if not planted.changed(self.sound):
            return Result(mutant, SAME_IR, old, new)
        first, *others = self.judges
        with self.snapshot.mistake(mutant):
            verdicts = {first.name: first.judge(mutant, planted)}
            killed = verdicts[first.name].killed
            # That costs more than the tests: only what they let pass is compiled.
            if not killed and planted.code == self.sound.code:
                return Result(mutant, SAME_CODE, old, new, verdicts)
            for judge in others:
                if judge.wants(verdicts[first.name]):
                    verdicts[judge.name] = judge.judge(mutant, planted)
                    killed |= verdicts[judge.name].killed
        return Result(mutant, KILLED if killed else SURVIVED, old, new, verdicts)


def read(data: dict[str, object]) -> Result:
    mutant, verdicts = data["mutant"], data["verdicts"]
    outcome, old, new = data["outcome"], data["old"], data["new"]
    assert isinstance(mutant, dict) and isinstance(verdicts, dict)
    assert isinstance(outcome, str) and isinstance(old, list) and isinstance(new, list)
    return Result(Mutant(**mutant), outcome, old, new, {name: Verdict(**each) for name, each in verdicts.items()})


def with_all_judges(snapshot: Snapshot, store: Path, files: Sequence[str] = ()) -> Campaign:
    """Without QEMU, nobody tries the machine."""
    sound = meaning(snapshot)
    assert sound is not None, "the compiler rejects the kernel"
    processes = [machine(snapshot), attack(snapshot)] if QEMU is not None else [attack(snapshot)]
    judges: list[Judge] = [KernelTests(snapshot, store), *processes, Prover(sound)]
    for process in processes:
        sound_too = process.look()
        if sound_too.killed:
            raise BrokenBaselineError(f"{process.name} finds something without any mistake: {sound_too.why}")
    return Campaign(snapshot, store, sound, judges, files)
