"""Which machines of this user's run here: a folder for each, that only the user can enter.

    RUNTIME/NAME/machine.json   what it is
    RUNTIME/NAME/alive          locked as long as whoever started it watches it
    RUNTIME/NAME/PORT           its ports' sockets; PORT.busy is locked by who talks there

RUNTIME is `NK_RUNTIME`, or `neokernel` in `XDG_RUNTIME_DIR`, or a folder of the user's in the folder for temporary
files. It and all in it has mode 0700: who isn't the user (or root) can't come as far as a socket.

Invariant: a machine is there exactly as long as `alive` is locked, which ends with the process that holds it, however
that ends. What is left of others is stale, and taken away by the next one of that name.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

MACHINE, ALIVE, BUSY = "machine.json", "alive", ".busy"
#: how files begin that are a machine's memory
MEMORY = "nk-memory-"


class NoFolder(Exception):
    """The folder for sockets can't be used: why."""


@dataclass(frozen=True)
class Running:
    """A machine: `ports` are sockets by the ports' names, `control` those of them where a control service answers."""

    name: str
    folder: Path
    pid: int
    image: Path
    #: the system file; None if an image was started
    system: Path | None = None
    ports: dict[str, Path] = field(default_factory=dict)
    control: tuple[str, ...] = ()
    #: what its enrolment is known by, hexadecimal
    identity: str = ""
    #: QEMU's own socket (QMP), and the file that is the machine's memory
    monitor: Path | None = None
    memory: Path | None = None

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "pid": self.pid,
            "image": str(self.image),
            "system": None if self.system is None else str(self.system),
            "ports": {name: str(path) for name, path in self.ports.items()},
            "control": list(self.control),
            "identity": self.identity,
            "monitor": None if self.monitor is None else str(self.monitor),
            "memory": None if self.memory is None else str(self.memory),
        }


def runtime_folder() -> Path:
    """The folder for machines, made if need be. Raises NoFolder if others could get at what is in it."""
    chosen = os.environ.get("NK_RUNTIME")
    base = os.environ.get("XDG_RUNTIME_DIR")
    if chosen:
        folder = Path(chosen)
    elif base:
        folder = Path(base) / "neokernel"
    else:
        folder = Path(tempfile.gettempdir()) / f"neokernel-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise NoFolder(f"{folder} can't be made: {error.strerror or error}") from error
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid():
        raise NoFolder(f"{folder} isn't a folder of yours")
    if stat.S_IMODE(found.st_mode) & 0o077:
        raise NoFolder(f"{folder} can be entered by others: `chmod 700 {folder}`")
    return folder


@contextlib.contextmanager
def place(name: str) -> Iterator[Path]:
    """A folder for a machine that is about to run, `name` or `name-2`, …, and gone with the end of the `with`."""
    base = runtime_folder()
    for number in range(1, 1000):
        folder = base / (name if number == 1 else f"{name}-{number}")
        folder.mkdir(mode=0o700, exist_ok=True)
        lock = os.open(folder / ALIVE, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            os.close(lock)
            continue
        try:
            clear(folder)
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
            os.close(lock)
        return
    raise NoFolder(f"a thousand machines called {name} run")


def clear(folder: Path) -> None:
    """Take away what an earlier machine has left, its memory too, but not the lock."""
    left = read(folder)
    if left is not None and left.memory is not None and left.memory.name.startswith(MEMORY):
        left.memory.unlink(missing_ok=True)
    for path in folder.iterdir():
        if path.name != ALIVE:
            path.unlink(missing_ok=True)


def publish(machine: Running) -> None:
    """Let others find it."""
    made = machine.folder / (MACHINE + ".new")
    made.write_text(json.dumps(machine.as_json(), indent=2))
    made.replace(machine.folder / MACHINE)


def running() -> tuple[list[Running], list[Path]]:
    """The machines that run, by name, and folders of such as have ended without clearing up."""
    found: list[Running] = []
    stale: list[Path] = []
    for folder in sorted(runtime_folder().iterdir()):
        if not folder.is_dir():
            continue
        if not is_alive(folder):
            stale.append(folder)
            clear(folder)
            continue
        machine = read(folder)
        if machine is not None:
            found.append(machine)
    return found, stale


def is_alive(folder: Path) -> bool:
    try:
        lock = os.open(folder / ALIVE, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return True
    finally:
        os.close(lock)
    return False


def read(folder: Path) -> Running | None:
    """What is known of a machine; None if it is only about to run, or this isn't one."""
    try:
        data = json.loads((folder / MACHINE).read_text())
        return Running(
            name=folder.name,
            folder=folder,
            pid=int(data["pid"]),
            image=Path(data["image"]),
            system=None if data["system"] is None else Path(data["system"]),
            ports={str(name): Path(path) for name, path in data["ports"].items()},
            control=tuple(map(str, data["control"])),
            identity=str(data["identity"]),
            monitor=None if data["monitor"] is None else Path(data["monitor"]),
            memory=None if data["memory"] is None else Path(data["memory"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


@contextlib.contextmanager
def taken(path: Path) -> Iterator[bool]:
    """Is this port ours for as long as the `with` lasts? A port has one client at a time."""
    lock = os.open(path.with_name(path.name + BUSY), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            yield False
            return
        yield True
    finally:
        os.close(lock)
