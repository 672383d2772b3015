"""Starts `nk` again and again, and reads it once: commands are forks of a process that has imported nk.

Reading nk's modules takes most of the time of a short command, and the tests run hundreds. Each command is a process of
its own all the same, with its arguments, folder, environment, output and exit status, and enters by nk's `main`. Only
output goes to files, and there is no input. That a command imports what it uses is for tests that start Python
(`tests/cli/test_main.py`, and whoever uses `subprocess`).

    worker → nursery → warden → nk

The nursery waits for nobody; a warden waits for its command and says by a pipe how it has ended.
"""

from __future__ import annotations

import array
import atexit
import functools
import gc
import importlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NoReturn

from tests.support.patience import PATIENCE

#: what most commands import, beside what `main` does
BEFORE = (
    *(f"neokernel.cli.{name}" for name in ("build", "cap", "check", "run", "svc", "system", "test", "trace")),
    *(f"neokernel.image.{name}" for name in ("crash", "kernel", "qemu", "signed", "system", "traceback")),
)
_START = "import sys; from tests.support.nursery import serve; serve(int(sys.argv[1]))"
#: bytes of a request: arguments and environment
MOST = 1 << 18


class Nursery:
    """The process that commands are forks of."""

    def __init__(self) -> None:
        self._requests, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._requests.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2 * MOST)
        folder = str(Path(__file__).resolve().parents[2])
        known = os.environ.get("PYTHONPATH")
        with theirs:
            self._process = subprocess.Popen(
                [sys.executable, "-c", _START, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                env={**os.environ, "PYTHONPATH": os.pathsep.join([folder, *([known] if known else [])])},
            )
        atexit.register(self.close)

    def close(self) -> None:
        self._requests.close()
        self._process.wait()

    def run(
        self, arguments: Sequence[str], folder: Path | None, environment: Mapping[str, str], out: int, err: int
    ) -> tuple[int, int]:
        """Start `nk` with these arguments; the pipe that tells of it: its process, and later how that has ended."""
        request = json.dumps([list(arguments), str(folder or Path.cwd()), dict(environment)]).encode()
        reading, writing = os.pipe()
        try:
            passed = array.array("i", [out, err, writing])
            self._requests.sendmsg([request], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, passed)])
        finally:
            os.close(writing)
        return reading, int(os.read(reading, 32))


@functools.cache
def nursery() -> Nursery:
    return Nursery()


def run_nk(
    arguments: Sequence[str],
    *,
    folder: Path | None = None,
    environment: Mapping[str, str] | None = None,
    together: bool = False,
    timeout: float = PATIENCE,
) -> subprocess.CompletedProcess[str]:
    """As `subprocess.run` of `nk`, output captured as text. `together`: what goes to standard error is in `stdout`."""
    with tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        error = out if together else err
        given = os.environ if environment is None else environment
        pipe, process = nursery().run(arguments, folder, given, out.fileno(), error.fileno())
        try:
            if not select.select([pipe], [], [], timeout)[0]:
                os.kill(process, signal.SIGKILL)
                raise subprocess.TimeoutExpired(["nk", *arguments], timeout)
            status = int(os.read(pipe, 32))
        finally:
            os.close(pipe)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode().replace("\r\n", "\n"))
    return subprocess.CompletedProcess(["nk", *arguments], status, texts[0], "" if together else texts[1])


# --- the nursery's side -----------------------------------------------------------------------------------------------


def serve(descriptor: int) -> None:
    """Start what is asked for until nobody is there to ask."""
    for name in ("neokernel.cli.main", *BEFORE):
        importlib.import_module(name)
    gc.freeze()
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # wardens that have ended are nobody's
    with socket.socket(fileno=descriptor) as requests:
        while True:
            request, passed, _, _ = socket.recv_fds(requests, MOST, 3)
            if not request:
                return
            if os.fork() == 0:
                requests.close()
                watch(request, *passed)
            for one in passed:
                os.close(one)


def watch(request: bytes, out: int, err: int, writing: int) -> NoReturn:
    """A warden's life."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    process = os.fork()
    if process == 0:
        os.close(writing)
        os.dup2(out, 1)
        os.dup2(err, 2)
        os.close(out)
        os.close(err)
        command(*json.loads(request))
    for one in (out, err):
        os.close(one)
    os.write(writing, f"{process:<32}".encode())
    _, status = os.waitpid(process, 0)
    os.write(writing, f"{os.waitstatus_to_exitcode(status):<32}".encode())
    os._exit(0)


def command(arguments: list[str], folder: str, environment: dict[str, str]) -> NoReturn:
    """nk's life: what Python does before and after a script, and nk's own `main` between."""
    os.chdir(folder)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    tempfile.tempdir = None
    added = [path for path in environment.get("PYTHONPATH", "").split(os.pathsep) if path]
    sys.path[:] = [path for path in [*added, *sys.path] if path or "PYTHONSAFEPATH" not in environment]
    sys.argv[1:] = arguments
    sys.stdout = open(1, "w", closefd=False)  # noqa: SIM115 - until the process ends
    sys.stderr = open(2, "w", buffering=1, errors="backslashreplace", closefd=False)  # noqa: SIM115
    from neokernel.cli.main import main

    status = 1
    try:
        main()
    except SystemExit as end:
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - as Python tells of it
        traceback.print_exc()
    finally:
        # What the interpreter does at its end.
        threading._shutdown()  # type: ignore[attr-defined]
        atexit._run_exitfuncs()
        try:
            sys.stdout.flush()
        finally:
            os._exit(status & 0xFF)
