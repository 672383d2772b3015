"""Runs the kernel's tests on mistakes, one forked process for each.

`python -m tests.mutate.server TEST…`, in a snapshot. The server is a pytest session that has imported everything but
the kernel and its tests. For each request, a line of JSON, it forks. The child imports the rest, runs the tests that
are asked for, in that order, and ends at the first that fails; the server answers with a line.

    {"tests": […], "limits": […]}  →  {"failed": TEST or null, "why": …, "ran": N}
    {"cover": true}                →  {"failed": null, "lines": {FILE: {LINE: [N, …]}}, "tests": […], "seconds": […]}

A test that takes more processor time than its limit hangs: the child is killed by the timer's signal.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any

import coverage
import pytest

#: what takes time to import, and has nothing to do with the kernel
BEFORE = (
    "hypothesis.stateful",
    "neokernel.cli.failures",
    "neokernel.compiler.jit",
    "neokernel.image.kernel",
    "neokernel.image.perfetto",
    "neokernel.sim.physical",
    "tests.support.machine",
)
#: bytes of address space for a child
MOST_MEMORY = 8 << 30
#: new objects, before a child looks for garbage: there is little, and a look takes long
GARBAGE = 100_000
#: seconds of processor time to import the kernel and its tests
LOADING = 60.0


class Server:
    """A plugin of the session."""

    def __init__(self, requests: int, answers: int) -> None:
        self.requests = os.fdopen(requests)
        self.answers = os.fdopen(answers, "w")
        #: the request, in a child
        self.request: dict[str, Any] = {}
        self.pipe = -1
        self.items: list[pytest.Item] = []
        self.current = "import"
        self.ran = 0
        self.began = 0.0
        self.seconds: dict[str, float] = {}
        self.coverage: coverage.Coverage | None = None

    # --- the server ---------------------------------------------------------------------------------------------------

    def pytest_sessionstart(self) -> None:
        """Examples are the same for each mutant, and a failing one isn't made smaller."""
        # Not before: pytest would find it imported too early.
        import hypothesis

        phases = (hypothesis.Phase.explicit, hypothesis.Phase.generate)
        hypothesis.settings.register_profile("mutate", derandomize=True, database=None, deadline=None, phases=phases)
        hypothesis.settings.load_profile("mutate")

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection(self) -> None:
        for name in BEFORE:
            importlib.import_module(name)
        loaded = [name for name in sys.modules if name.startswith("neokernel.kernel")]
        assert not loaded, f"the server mustn't import the kernel: {loaded}"
        for line in self.requests:
            reader, writer = os.pipe()
            child = os.fork()
            if child == 0:
                os.close(reader)
                self.pipe = writer
                self.request = json.loads(line)
                self.begin()
                return
            os.close(writer)
            self.answers.write(json.dumps(self.wait(child, reader)) + "\n")
            self.answers.flush()
        os._exit(0)

    @staticmethod
    def wait(child: int, reader: int) -> dict[str, Any]:
        """What a child has told until its end, and how it ended."""
        with os.fdopen(reader) as stream:
            told = [json.loads(line) for line in stream]
        _, status = os.waitpid(child, 0)
        if told and "failed" in told[-1]:
            last: dict[str, Any] = told[-1]
            return last
        current = told[-1]["current"] if told else "import"
        code = os.waitstatus_to_exitcode(status)
        why = "hangs" if code == -signal.SIGPROF else f"ends with {code}"
        return {"failed": current, "why": why, "ran": len(told)}

    # --- a child ------------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        gc.freeze()
        gc.set_threshold(GARBAGE)
        resource.setrlimit(resource.RLIMIT_AS, (MOST_MEMORY, MOST_MEMORY))
        signal.signal(signal.SIGPROF, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, LOADING)
        if "cover" in self.request:
            signal.setitimer(signal.ITIMER_PROF, 0)
            folder = Path.cwd() / "neokernel"
            include = [str(folder / "kernel" / "*"), str(folder / "arch" / "*")]
            self.coverage = coverage.Coverage(data_file=None, include=include, config_file=False)
            self.coverage.start()

    def tell(self, **what: Any) -> None:
        os.write(self.pipe, (json.dumps(what) + "\n").encode())

    def end(self, failed: str | None, why: str, **more: Any) -> None:
        data = (json.dumps({"failed": failed, "why": why, "ran": self.ran, **more}) + "\n").encode()
        with os.fdopen(self.pipe, "wb") as stream:
            stream.write(data)
        os._exit(0)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self.end("import", str(report.longrepr).strip().splitlines()[-1][:200])

    @pytest.hookimpl(trylast=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        if "cover" not in self.request:
            by_name = {item.nodeid: item for item in items}
            missing = [name for name in self.request["tests"] if name not in by_name]
            if missing:
                # The tests follow the kernel's text: what they list isn't what it was.
                self.end("import", f"there is no {missing[0]} any more")
            items[:] = [by_name[name] for name in self.request["tests"]]
        self.items = list(items)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.current = nodeid
        self.tell(current=nodeid)
        self.began = time.process_time()
        if self.coverage is not None:
            self.coverage.switch_context(nodeid)
        else:
            signal.setitimer(signal.ITIMER_PROF, self.request["limits"][self.ran])

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        self.seconds[nodeid] = time.process_time() - self.began
        self.ran += 1

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.failed:
            crash = getattr(report.longrepr, "reprcrash", None)
            why = crash.message if crash is not None else str(report.longrepr)
            self.end(report.nodeid, " ".join(why.split())[:200])

    def pytest_sessionfinish(self) -> None:
        signal.setitimer(signal.ITIMER_PROF, 0)
        if self.coverage is not None:
            self.coverage.stop()
            tests = [item.nodeid for item in self.items]
            self.end(None, "", tests=tests, seconds=[self.seconds[name] for name in tests], lines=self.lines(tests))
        self.end(None, "")

    def lines(self, tests: list[str]) -> dict[str, dict[int, list[int]]]:
        """By file and line, which tests execute it."""
        assert self.coverage is not None
        data = self.coverage.get_data()
        number = {name: index for index, name in enumerate(tests)}
        found: dict[str, dict[int, list[int]]] = {}
        for file in sorted(data.measured_files()):
            lines = found[Path(file).relative_to(Path.cwd()).as_posix()] = {}
            for line, contexts in sorted(data.contexts_by_lineno(file).items()):
                lines[line] = sorted(number[name] for name in contexts if name in number)
        return found


def main() -> None:
    requests, answers = os.dup(0), os.dup(1)
    nothing = os.open(os.devnull, os.O_RDWR)
    for stream in (0, 1):
        os.dup2(nothing, stream)
    options = ["-q", "-n0", "-x", "-p", "no:cacheprovider", "--timeout=0", "-m", "not slow and not qemu"]
    pytest.main([*options, *sys.argv[1:]], plugins=[Server(requests, answers)])
    os._exit(1)


if __name__ == "__main__":
    main()
