"""Who finds planted mistakes. Each judge has its own column in the report.

The prover (`prover.py`) judges all; those here what nobody has found before: the kernel's tests under CPython; then the
random attack on the kernel compiled for the host, or for what the tests don't even execute, those on the machine.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from tests.mutate.sites import Mutant
from tests.mutate.snapshot import TRANSLATION, Snapshot
from tests.mutate.workshop import Planted

#: what is run: all of the kernel's tests but those that need QEMU
TESTS = ("tests/kernel",)
#: and what they read, beside the kernel
EXECUTED = ("neokernel/sim", "tests/support", "tests/mutate/server.py")
#: a test that takes so many times the processor time that it takes on a sound kernel, and some seconds, hangs
PATIENCE = 10
SECONDS = 10.0
#: and those that do
MACHINE = ("tests/kernel/test_machine.py", "tests/image/test_kernel_image.py")
#: entries that the attack makes into a mutant
CALLS = 100_000
#: seconds of processor time for a judge that is a process, and for each that it starts
MOST_SECONDS = 120
LONGEST_REASON = 200


@dataclass(frozen=True)
class Verdict:
    """`by`: the test, or what else found the mistake; None if nothing did. `tried`: how many looked for it."""

    by: str | None
    why: str = ""
    tried: int = 0
    #: by content, what decided it, if that isn't the same for all mutants
    basis: str = field(default="", compare=False)
    #: of the clock: how long it took
    seconds: float = field(default=0.0, compare=False)

    @property
    def killed(self) -> bool:
        return self.by is not None

    @property
    def hung(self) -> bool:
        return self.why == "hangs"


def found(verdicts: dict[str, Verdict]) -> bool:
    """By any judge?"""
    return any(verdict.killed for verdict in verdicts.values())


class Judge(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def digest(self) -> str:
        """Of what decides all of its verdicts."""

    def stands(self, mutant: Mutant, verdict: Verdict) -> bool:
        """Would it come to this verdict, which has the same digest, again?"""

    def wants(self, verdicts: dict[str, Verdict]) -> bool:
        """Is it asked, after these?"""

    def judge(self, mutant: Mutant, planted: Planted) -> Verdict:
        """The mistake is planted in the snapshot, and `planted` is what came of it: is it found?"""


class BrokenBaselineError(Exception):
    """The tests fail without any mistake."""


class KernelTests:
    """The kernel's tests under CPython: those that execute the mutated line, the quickest first, until one fails."""

    name = "tests"

    def __init__(self, snapshot: Snapshot, store: Path, tests: tuple[str, ...] = TESTS) -> None:
        """`store`: a folder that keeps which test executes what."""
        self.snapshot = snapshot
        command = [sys.executable, "-m", "tests.mutate.server", *tests]
        self._server = subprocess.Popen(
            command,
            cwd=snapshot.folder,
            env=snapshot.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )
        self.digest = snapshot.digest(*TRANSLATION, *EXECUTED)
        self._all = snapshot.digest(*TRANSLATION, *EXECUTED, "tests/kernel", *tests)
        self._files: dict[str, str] = {}
        path = store / f"lines-{self._all}.json"
        if not path.exists():
            answer = self._ask({"cover": True})
            if answer["failed"] is not None:
                raise BrokenBaselineError(f"{answer['failed']} fails without any mistake: {answer['why']}")
            store.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(answer))
        known = json.loads(path.read_text())
        self.tests: list[str] = known["tests"]
        self.seconds: list[float] = known["seconds"]
        self.lines: dict[str, dict[str, list[int]]] = known["lines"]

    def _ask(self, request: dict[str, Any]) -> dict[str, Any]:
        assert self._server.stdin is not None and self._server.stdout is not None
        self._server.stdin.write(json.dumps(request) + "\n")
        self._server.stdin.flush()
        line = self._server.stdout.readline()
        if not line:
            raise RuntimeError(f"the server of tests has ended, with {self._server.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def reaching(self, mutant: Mutant) -> list[int]:
        """The tests that execute it; all, if it is executed as the module is loaded."""
        if mutant.first == 0:
            reached = set(range(len(self.tests)))
        else:
            lines = self.lines.get(mutant.file, {})
            reached = {test for line in range(mutant.first, mutant.last + 1) for test in lines.get(str(line), ())}
        return sorted(reached, key=lambda test: self.seconds[test])

    def stands(self, mutant: Mutant, verdict: Verdict) -> bool:
        """What a test has found it finds again, as long as its file is the same. Another may find what none has."""
        return verdict.basis == self._basis(verdict.by)

    def _basis(self, test: str | None) -> str:
        file, separator, _ = ("" if test is None else test).partition("::")
        if not separator:
            return self._all
        if file not in self._files:
            self._files[file] = self.snapshot.digest(*self._read_by(file))
        return self._files[file]

    def _read_by(self, file: str) -> list[str]:
        """A file of tests, with those that it imports, and what all of them use."""
        folder = Path(file).parent
        shared = [path for path in sorted((self.snapshot.folder / folder).glob("*.py")) if path.stem[:5] != "test_"]
        read = dict.fromkeys(str(folder / path.name) for path in shared)
        work = [file]
        while work:
            one = work.pop()
            read[one] = None
            text = (self.snapshot.folder / one).read_text(encoding="utf-8")
            imported = (
                f"{name.replace('.', '/')}.py" for name in re.findall(r"^from (tests\.\S+) import", text, re.MULTILINE)
            )
            work += [name for name in imported if name not in read and (self.snapshot.folder / name).exists()]
        return list(read)

    def wants(self, verdicts: dict[str, Verdict]) -> bool:
        return not found(verdicts)

    def judge(self, mutant: Mutant, planted: Planted) -> Verdict:
        tests = self.reaching(mutant)
        if not tests:
            return Verdict(None, "no test executes it", basis=self._all)
        limits = [PATIENCE * self.seconds[test] + SECONDS for test in tests]
        answer = self._ask({"tests": [self.tests[test] for test in tests], "limits": limits})
        return Verdict(answer["failed"], answer["why"], answer["ran"], self._basis(answer["failed"]))

    def close(self) -> None:
        self._server.communicate()


class Program:
    """A judge in a process of its own, which imports the mistake, and fails if it finds it.

    It is asked about what nobody has found yet: either what the tests execute, or what they don't.
    """

    def __init__(
        self, snapshot: Snapshot, name: str, text: str, tried: int, read: tuple[str, ...], *, executed: bool
    ) -> None:
        """`read`: what decides, beside the kernel."""
        self.snapshot, self.name, self.tried, self.executed = snapshot, name, tried, executed
        #: is it known to find nothing without a mistake?
        self._sound = False
        self.digest = snapshot.digest(*TRANSLATION, *EXECUTED, *read)
        self._text = (
            f"import resource\nresource.setrlimit(resource.RLIMIT_CPU, ({MOST_SECONDS}, {MOST_SECONDS}))\n{text}"
        )

    def stands(self, mutant: Mutant, verdict: Verdict) -> bool:
        return True

    def wants(self, verdicts: dict[str, Verdict]) -> bool:
        return not found(verdicts) and (verdicts["tests"].tried > 0) == self.executed

    def judge(self, mutant: Mutant, planted: Planted) -> Verdict:
        verdict = self.look()
        if verdict.killed and not self._sound:
            with self.snapshot.sound(mutant):
                sound_too = self.look()
            if sound_too.killed:
                raise BrokenBaselineError(f"{self.name} finds something without any mistake: {sound_too.why}")
            self._sound = True
        return verdict

    def look(self) -> Verdict:
        done = subprocess.run(
            [sys.executable, "-c", self._text],
            cwd=self.snapshot.folder,
            env=self.snapshot.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            return Verdict(None, "", self.tried)
        told = [*done.stderr.splitlines(), *done.stdout.splitlines()]
        hangs = done.returncode < 0 or any("Timeout" in line for line in told)
        failed = [line for line in told if line.startswith(("FAILED", "ERROR"))]
        return Verdict(self.name, "hangs" if hangs else [*told, "", *failed][-1][:LONGEST_REASON], self.tried)


def attack(snapshot: Snapshot) -> Program:
    """The random attack of `tests/fuzz_kernel`, shorter than in `make test`."""
    text = f"""
import sys
from tests.fuzz_kernel.campaign import Attack, Found, campaign
try:
    campaign(Attack(), {CALLS}, seed=1)
except Found as found:
    sys.exit(found.what)
"""
    return Program(snapshot, "attack", text, CALLS, ("tests/fuzz_kernel", "tests/kernel"), executed=True)


def machine(snapshot: Snapshot) -> Program:
    """The tests of the kernel on the machine, in QEMU: those of the boot code, too."""
    text = f"""
import sys, pytest
sys.exit(pytest.main(["-q", "-n0", "-x", "--tb=no", "-rf", "-p", "no:cacheprovider", *{MACHINE}]))
"""
    return Program(snapshot, "machine", text, len(MACHINE), (*MACHINE, "tests/kernel/machine"), executed=False)
