"""Who finds planted mistakes. Each judge has its own column in the report.

Those here are the kernel's tests under CPython; for what these let pass, the random attack on the kernel compiled for
the host; and for what they don't even execute, the tests on the machine. The prover is one more (`prover.py`).
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tests.mutate.equivalence import Meaning
from tests.mutate.sites import Mutant
from tests.mutate.snapshot import Snapshot

#: what is run: all of the kernel's tests but those that need QEMU
TESTS = ("tests/kernel",)
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

    @property
    def killed(self) -> bool:
        return self.by is not None

    @property
    def hung(self) -> bool:
        return self.why == "hangs"


class Judge(Protocol):
    @property
    def name(self) -> str: ...

    def wants(self, tests: Verdict) -> bool:
        """Is it asked, after the tests?"""

    def judge(self, mutant: Mutant, planted: Meaning) -> Verdict:
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
        known = hashlib.sha256(json.dumps([snapshot.digest(), tests]).encode()).hexdigest()[:16]
        path = store / f"lines-{known}.json"
        if not path.exists():
            answer = self._ask({"cover": True})
            if answer["failed"] is not None:
                raise BrokenBaselineError(f"{answer['failed']} fails without any mistake: {answer['why']}")
            store.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(answer))
        found = json.loads(path.read_text())
        self.tests: list[str] = found["tests"]
        self.seconds: list[float] = found["seconds"]
        self.lines: dict[str, dict[str, list[int]]] = found["lines"]

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
            found = set(range(len(self.tests)))
        else:
            lines = self.lines.get(mutant.file, {})
            found = {test for line in range(mutant.first, mutant.last + 1) for test in lines.get(str(line), ())}
        return sorted(found, key=lambda test: self.seconds[test])

    def wants(self, tests: Verdict) -> bool:
        return True

    def judge(self, mutant: Mutant, planted: Meaning) -> Verdict:
        tests = self.reaching(mutant)
        if not tests:
            return Verdict(None, "no test executes it")
        limits = [PATIENCE * self.seconds[test] + SECONDS for test in tests]
        answer = self._ask({"tests": [self.tests[test] for test in tests], "limits": limits})
        return Verdict(answer["failed"], answer["why"], answer["ran"])

    def close(self) -> None:
        self._server.communicate()


class Program:
    """A judge in a process of its own, which imports the mistake, and fails if it finds it.

    It is asked about what the tests let pass: either what they execute, or what they don't.
    """

    def __init__(self, snapshot: Snapshot, name: str, text: str, tried: int, *, executed: bool) -> None:
        self.snapshot, self.name, self.tried, self.executed = snapshot, name, tried, executed
        self._text = (
            f"import resource\nresource.setrlimit(resource.RLIMIT_CPU, ({MOST_SECONDS}, {MOST_SECONDS}))\n{text}"
        )

    def wants(self, tests: Verdict) -> bool:
        return not tests.killed and (tests.tried > 0) == self.executed

    def judge(self, mutant: Mutant, planted: Meaning) -> Verdict:
        return self.look()

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
    return Program(snapshot, "attack", text, CALLS, executed=True)


def machine(snapshot: Snapshot) -> Program:
    """The tests of the kernel on the machine, in QEMU: those of the boot code, too."""
    text = f"""
import sys, pytest
sys.exit(pytest.main(["-q", "-n0", "-x", "--tb=no", "-rf", "-p", "no:cacheprovider", *{MACHINE}]))
"""
    return Program(snapshot, "machine", text, len(MACHINE), executed=False)
