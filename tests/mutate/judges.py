"""Who finds planted mistakes. Each judge has its own column in the report.

Those here are the kernel's tests under CPython, and the random attack on the kernel compiled for the host, which looks
at what the tests let pass. The prover is another (`prover.py`).
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
#: entries that the attack makes into a mutant, and seconds of processor time for it
CALLS = 100_000
MOST_SECONDS = 120


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

    @property
    def independent(self) -> bool:
        """Is it asked even if another one found the mistake?"""

    def judge(self, mutant: Mutant, planted: Meaning) -> Verdict:
        """The mistake is planted in the snapshot, and `planted` is what came of it: is it found?"""


class BrokenBaselineError(Exception):
    """The tests fail without any mistake."""


class KernelTests:
    """The kernel's tests under CPython: those that execute the mutated line, the quickest first, until one fails."""

    name = "tests"
    independent = True

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

    def judge(self, mutant: Mutant, planted: Meaning) -> Verdict:
        tests = self.reaching(mutant)
        if not tests:
            return Verdict(None, "no test executes it")
        limits = [PATIENCE * self.seconds[test] + SECONDS for test in tests]
        answer = self._ask({"tests": [self.tests[test] for test in tests], "limits": limits})
        return Verdict(answer["failed"], answer["why"], answer["ran"])

    def close(self) -> None:
        self._server.communicate()


class Attack:
    """The random attack of `tests/fuzz_kernel`, as short as in `make test`, or shorter."""

    name = "attack"
    independent = False
    program = f"""
import resource, sys
resource.setrlimit(resource.RLIMIT_CPU, ({MOST_SECONDS}, {MOST_SECONDS}))
from tests.fuzz_kernel.campaign import Attack, Found, campaign
try:
    campaign(Attack(), {CALLS}, seed=1)
except Found as found:
    print(found.what)
    sys.exit(2)
"""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot

    def judge(self, mutant: Mutant, planted: Meaning) -> Verdict:
        done = subprocess.run(
            [sys.executable, "-c", self.program],
            cwd=self.snapshot.folder,
            env=self.snapshot.environment(),
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode == 0:
            return Verdict(None, "", CALLS)
        told = done.stdout if done.returncode == 2 else done.stderr
        why = "hangs" if done.returncode < 0 or "Timeout" in told else (told.strip().splitlines() or [""])[-1]
        return Verdict("the attack", why, CALLS)
