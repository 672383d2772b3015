"""The machine that is shown: `nk run`, in a process of its own, with its console in a file.

Invariant: when `running` is left, the process has ended.
"""

from __future__ import annotations

import contextlib
import http.client
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from neokernel.patience import patient

#: seconds: until the machine is taken not to start, including the time to build it; to end when it is told to; between
#: two looks
STARTS, ENDS, LOOKS = 600.0, 20.0, 0.1
#: lines of what `nk run` says that are told when it has ended
LAST_LINES = 12


class Ended(Exception):
    """`nk run` has ended, or isn't ready: what it said last."""


@dataclass(frozen=True)
class Process:
    """`port` and `page`: the host's, behind which are the machine's gateway and its dashboard. `console`: its file."""

    popen: subprocess.Popen[bytes]
    port: int
    page: int
    console: Path

    def check(self) -> None:
        """Raises Ended."""
        if self.popen.poll() is not None:
            raise Ended(f"the machine has ended; the last that was said:\n{last_lines(self.console)}")


@contextlib.contextmanager
def running(system: Path, ports: dict[int, int]) -> Iterator[Process]:
    """`nk run` of a system file. `ports`: of the machine's gateway and of its dashboard, the host's for each."""
    command = [sys.executable, "-c", "from neokernel.cli.main import main; main()", "run", str(system)]
    for forward, port in ports.items():
        command += ["--forward", f"tcp/{port}={forward}"]
    gateway, page = ports.values()
    with tempfile.NamedTemporaryFile(prefix="nk-demo-") as console:
        # A session of its own: ctrl-C is for who shows it, who then ends it.
        popen = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=console, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            yield Process(popen, gateway, page, Path(console.name))
        finally:
            popen.terminate()
            try:
                popen.wait(ENDS)
            except subprocess.TimeoutExpired:
                popen.kill()
                popen.wait()


def ready(process: Process, boots: Callable[[], None]) -> None:
    """Until the gateway says that it is. `boots` is called when all is built. Raises Ended."""
    end = time.monotonic() + patient(STARTS)
    built = False
    while time.monotonic() < end:
        process.check()
        if b"\nbooting" not in process.console.read_bytes():
            time.sleep(LOOKS)
            continue
        if not built:
            built = True
            boots()
        with contextlib.suppress(OSError, http.client.HTTPException):
            connection = http.client.HTTPConnection("127.0.0.1", process.port, timeout=5)
            with contextlib.closing(connection):
                connection.request("GET", "/v2/health/ready")
                if connection.getresponse().status == 200:
                    return
        time.sleep(LOOKS)
    raise Ended(f"the machine isn't ready; the last that was said:\n{last_lines(process.console)}")


def last_lines(console: Path) -> str:
    lines = console.read_bytes().decode(errors="replace").rstrip().splitlines()
    return "\n".join(lines[-LAST_LINES:])


def free_port(wanted: int) -> int:
    """A port of the loopback: the wanted one, if nobody has it."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return int(probe.getsockname()[1])
    raise Ended("no port of this host's loopback is free")
