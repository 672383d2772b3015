"""What a system file puts into slots of the board, as QEMU is told it; and the host's files that are behind it."""

from __future__ import annotations

import contextlib
import errno
import os
import re
import socket
import stat
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from neokernel.cli.errors import ToolError
from neokernel.cli.output import shown
from neokernel.cli.system import find_system, is_system_file, machine_of
from neokernel.image import qemu
from neokernel.image.systemfile.machine import Machine
from neokernel.image.systemfile.model import Kind, Slot
from neokernel.image.systemfile.slots import SECTOR
from neokernel.image.systemfile.units import show_size

#: bytes of a Unix socket's path, as Linux has it
MOST_PATH = 107
MOST_PORT = 65535


class Forward(click.ParamType[tuple[str, int]]):
    """`tcp/8001=8000`: the host's port, and the machine's that is behind it, as `forward` of a system file has them."""

    name = "tcp/PORT=PORT"

    def convert(self, value: object, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, int]:
        found = re.fullmatch(r"(tcp|udp)/([1-9][0-9]{0,4})=([1-9][0-9]{0,4})", str(value), re.ASCII)
        if found is None or max(int(found[2]), int(found[3])) > MOST_PORT:
            self.fail(f"{value!r} isn't two ports, the host's and the machine's: tcp/8001=8000", param, ctx)
        return f"{found[1]}/{found[2]}", int(found[3])


@contextlib.contextmanager
def plugged(
    path: Path, *, as_json: bool, sockets: Path | None = None, forwards: Sequence[tuple[str, int]] = ()
) -> Iterator[list[str]]:
    """QEMU's arguments for the devices of the system file at `path`; none, if it is something else that is run.

    `sockets`: the folder for those of ports that have no place of their own. `forwards`: the host's ports for some of
    the machine's, instead of those that the system file has for them. Disks without a file of their own last as long as
    the `with`.
    """
    if not is_system_file(path):
        if forwards:
            raise ToolError("NK1001", "--forward is for a system with a network: a system file", "leave it out")
        yield []
        return
    machine = machine_of(find_system(path), as_json=as_json, warn=False)
    with tempfile.TemporaryDirectory(prefix="nk-disks-") as folder:
        arguments = arguments_of(machine, Path(folder), sockets, forwards)
        try:
            yield arguments
        finally:
            # QEMU that was stopped leaves them.
            for slot in machine.slots.values():
                for path in sockets_of(machine, slot, Path(folder)).values():
                    path.unlink(missing_ok=True)


def arguments_of(
    machine: Machine, folder: Path, sockets: Path | None = None, forwards: Sequence[tuple[str, int]] = ()
) -> list[str]:
    """`folder`: for disks that begin empty, and sockets without a place; `forwards` as for `plugged`.

    Raises ToolError if a file or a port won't do.
    """
    arguments: list[str] = []
    left = dict(forwards)
    for name, slot in machine.slots.items():
        bus = machine.board.device[name].slot
        assert bus is not None, "what isn't a slot is an error of the system file"
        match slot.device:
            case Kind.ENTROPY:
                arguments += qemu.entropy(bus)
            case Kind.DISK:
                file = disk_file(machine, name, slot, folder)
                arguments += qemu.disk(bus, file, read_only=slot.read_only, temporary=slot.temporary)
            case Kind.NETWORK if slot.tunnel is not None:
                arguments += qemu.tunnel(bus, slot.tunnel.local, slot.tunnel.remote)
            case Kind.NETWORK:
                forward = moved(slot.forward, left)
                for port, inside in forward.items():
                    free_port(port, inside)
                arguments += qemu.network(bus, forward, outside=slot.outside)
            case Kind.PORTS:
                places = sockets_of(machine, slot, sockets or folder)
                arguments += qemu.ports(bus, {name: free_socket(path) for name, path in places.items()})
    for port, inside in left.items():
        behind = sorted({inside for slot in machine.slots.values() for inside in slot.forward.values()})
        help = f"it has {', '.join(map(str, behind))}" if behind else "no network of it has a `forward`"
        raise ToolError("NK1001", f"--forward {port}={inside}: the system file forwards nothing to {inside}", help)
    return arguments


def moved(forward: dict[str, int], changes: dict[str, int]) -> dict[str, int]:
    """Ports of the host and what is behind them, some of which are others by `changes`; those are taken out of it."""
    found = {}
    for port, inside in forward.items():
        protocol = port.split("/")[0]
        instead = next((p for p, i in changes.items() if i == inside and p.split("/")[0] == protocol), None)
        if instead is not None:
            del changes[instead]
        found[instead or port] = inside
    return found


def free_port(port: str, inside: int) -> None:
    """Raises ToolError if QEMU can't have the host's port: "tcp/8000", for what is the machine's `inside`."""
    protocol, number = port.split("/")
    with socket.socket(type=socket.SOCK_STREAM if protocol == "tcp" else socket.SOCK_DGRAM) as probe:
        if protocol == "tcp":  # as QEMU does: connections of an earlier machine may still fade away
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", int(number)))
        except OSError as error:
            why = "is taken" if error.errno == errno.EADDRINUSE else f"can't be had: {error.strerror or error}"
            another = int(number) + 1 if 1024 <= int(number) < MOST_PORT else 8000
            help = f"stop who has it, or take another one: `--forward {protocol}/{another}={inside}`"
            raise ToolError("NK1108", f"the host's port {port} {why}", help) from error


def sockets_of(machine: Machine, slot: Slot, folder: Path) -> dict[str, Path]:
    """Where the sockets of ports are, by their names. `folder`: of those without a place of their own."""
    return {
        name: folder / name if path is True else (machine.folder / path).absolute() for name, path in slot.ports.items()
    }


def free_socket(path: Path) -> Path:
    """Where QEMU can make a socket. It would delete whatever is there."""
    called = shown(path)
    if len(os.fsencode(path)) > MOST_PATH:
        message = f"{called} is too long for a socket: {len(os.fsencode(path))} bytes, and {MOST_PATH} can be"
        raise ToolError("NK1107", message, "give it a shorter path in the system file, or move the system's folder")
    try:
        there = stat.S_ISSOCK(path.lstat().st_mode)
    except FileNotFoundError:
        if not path.parent.is_dir():
            raise ToolError("NK1107", f"there is no folder for {called}", f"mkdir {shown(path.parent)}") from None
        return path
    except OSError as error:
        raise ToolError("NK1107", f"{called} can't be used: {error.strerror or error}", "name another path") from error
    if not there:
        raise ToolError("NK1107", f"{called} is there, and isn't a socket", "name another path, or take it away")
    with socket.socket(socket.AF_UNIX) as probe:
        if probe.connect_ex(str(path)) == 0:
            raise ToolError("NK1107", f"another machine has {called}", "stop it, or name another path")
    return path


def disk_file(machine: Machine, name: str, slot: Slot, folder: Path) -> Path:
    """The file behind a disk, made if the system file says how large it is."""
    path = folder / name if slot.file is None else machine.folder / slot.file
    called = shown(path)
    try:
        if slot.size is not None and not path.exists():
            with path.open("wb") as made:
                made.truncate(slot.size)
        with path.open("rb" if slot.read_only or slot.temporary else "r+b") as file:
            size = file.seek(0, 2)
    except OSError as error:
        help = f"make it, or write `slot.{name}.size`: then `nk` does"
        raise ToolError("NK1106", f"the disk {called} can't be used: {error.strerror or error}", help) from error
    if slot.size is not None and size != slot.size:
        message = f"the disk {called} has {show_size(size)}, and the system file says {show_size(slot.size)}"
        raise ToolError("NK1106", message, f"take `slot.{name}.size` out, or the file away")
    if size == 0 or size % SECTOR:
        raise ToolError("NK1106", f"the disk {called} has {size} bytes", "a disk has whole sectors of 512 bytes")
    return path.absolute()
