"""What `nk run` adds to a machine so that others find it: a folder for it, keys, QEMU's own line, memory in a file.

Invariant: what is written here can be entered by the user alone, and is gone when the machine is.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from neokernel.cli.errors import ToolError
from neokernel.cli.slots import sockets_of
from neokernel.cli.system import find_system, is_system_file, machine_of
from neokernel.image import qemu
from neokernel.image.systemfile.model import Kind

#: ports of this name, or one that begins so, lead to control services
CONTROL = "control"
#: QEMU's own line; seconds that it has to answer when the machine is about to be stopped
MONITOR, LAST_PATIENCE = "monitor", 1.0
#: the end of the name of what a machine leaves
POST_MORTEM = ".post-mortem.txt"
#: where files are that should be memory
SHARED_MEMORY = Path("/dev/shm")  # noqa: S108 - a file of its own, which only the user can open


@dataclass(frozen=True)
class Findable:
    """`arguments` for QEMU; `folder` for sockets of ports that have no place of their own; the file of its `memory`.

    `processor`: its registers at the end, if they could be had.
    """

    arguments: list[str] = field(default_factory=list)
    folder: Path | None = None
    memory: Path | None = None
    system: Path | None = None
    processor: dict[str, int] = field(default_factory=dict)

    def last_look(self) -> None:
        """Before the machine is stopped: where its processor is."""
        from neokernel.image.qmp import Monitor, NoMonitor

        if self.folder is None:
            return
        with contextlib.suppress(NoMonitor, OSError), Monitor(self.folder / MONITOR, LAST_PATIENCE) as monitor:
            with monitor.stopped():
                self.processor.update(monitor.registers())


@contextlib.contextmanager
def findable(path: Path, image: Path, *, enrolment: Path | None, as_json: bool) -> Iterator[Findable]:
    """A place for the machine, for as long as the machine of the system file at `path` runs; none for anything else.

    `enrolment`: the blob that it is started with; None if it is started without a first stage, which needs none. Then
    it is enrolled with the user's development key, also as an operator's.
    """
    from neokernel.control.machines import NoFolder, Running, place, publish

    if not is_system_file(path):
        yield Findable()
        return
    file = find_system(path)
    machine = machine_of(file, as_json=as_json, warn=False)
    with contextlib.ExitStack() as stack:
        try:
            folder = stack.enter_context(place(machine.name))
        except (NoFolder, OSError) as error:
            raise ToolError(
                "NK1107", f"there is no folder for the machine's sockets: {error}", "set NK_RUNTIME"
            ) from error
        ports = [slot for slot in machine.slots.values() if slot.device is Kind.PORTS]
        sockets = {name: path for slot in ports for name, path in sockets_of(machine, slot, folder).items()}
        memory = stack.enter_context(memory_file())
        running = Running(
            name=folder.name,
            folder=folder,
            pid=os.getpid(),
            image=image.absolute(),
            system=file.absolute(),
            ports=sockets,
            control=tuple(sorted(name for name in sockets if name.startswith(CONTROL))),
            monitor=folder / MONITOR,
            memory=memory,
        )
        arguments = [*qemu.monitor(folder / MONITOR), *qemu.shared_memory(memory)]
        if enrolment is None:
            enrolment = folder / "enrolment"
            write_enrolment(enrolment)
            arguments += qemu.enrolled(enrolment)
        publish(replace(running, identity=enrolment.read_bytes()[-64:-32].hex()))
        yield Findable(arguments, folder, memory, file)


def write_enrolment(path: Path) -> None:
    """Of a machine for development: its user signs its images, and operates it."""
    from neokernel.cli.trusted import complaints
    from neokernel.image.keys import development_key
    from neokernel.image.signed import enrolment

    with complaints():
        _, key = development_key()
        path.write_bytes(enrolment([key], [key]))


@contextlib.contextmanager
def memory_file() -> Iterator[Path]:
    """A file for the machine's memory, in memory where that can be had. It takes what the machine touches."""
    from neokernel.control.machines import MEMORY

    there = SHARED_MEMORY.is_dir() and os.access(SHARED_MEMORY, os.W_OK)
    descriptor, name = tempfile.mkstemp(prefix=MEMORY, dir=SHARED_MEMORY if there else None)
    os.close(descriptor)
    path = Path(name)
    try:
        yield path
    finally:
        path.unlink(missing_ok=True)


def leave_post_mortem(place: Findable, image: Path) -> Path | None:
    """Write what the machine did at its end beside its image: where. None if that can't be had."""
    from neokernel.cli.autopsy import write
    from neokernel.cli.outside import contents, known_of, seen_in

    if place.memory is None:
        return None
    output = image.with_suffix(POST_MORTEM)
    try:
        write(output, seen_in(contents(place.memory), image, known_of(place.system), processor=place.processor))
    except ToolError:
        # The machine's own end is what there is to say; it may have come before there was a kernel.
        return None
    return output
