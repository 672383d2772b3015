"""A machine seen from outside: its memory and its processor, through QEMU, without its help.

While a machine that runs is looked at its clock stands, so none of its services notices; and it may be one that stands
still anyway, or has ended: its memory is a file of `nk run`'s.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from neokernel.cli.errors import ToolError
from neokernel.cli.program import REPOSITORY, open_image
from neokernel.cli.system import find_system, roots_of
from neokernel.cli.target import session
from neokernel.image.crash import explain_crash
from neokernel.image.elf import BadImage, Image
from neokernel.image.kernel import archive_of, named_program
from neokernel.image.memory import USER_END, Kernel, NoSystem, ThreadState
from neokernel.image.panic import PanicRecord
from neokernel.image.qmp import Monitor, NoMonitor
from neokernel.image.traceback import Frame, render_frame

if TYPE_CHECKING:
    from neokernel.control.machines import Running

#: how often a machine is stopped anew, while it is in its kernel
TRIES = 50
#: of a system call, as the processor numbers its cause (privileged specification)
USER_CALL = 8
#: the instruction `ecall`
SYSTEM_CALL = b"\x73\0\0\0"
#: where programs make system calls
CALLS = ("runtime", "system.py")
#: seconds that are waited for the machine's own word on how threads are called
PATIENCE = 3.0


class Stack(dict[int, int]):
    """A process's words, read when they are asked for."""

    def __init__(self, kernel: Kernel, space: int) -> None:
        super().__init__()
        self.kernel, self.space = kernel, space

    def get(self, address: int, default: Any = None) -> Any:
        data = self.kernel.read(self.space, address, 8)
        return default if data is None else int.from_bytes(data, "little")


class KernelStack(dict[int, int]):
    """The kernel's words, likewise."""

    def __init__(self, kernel: Kernel) -> None:
        super().__init__()
        self.kernel = kernel

    def get(self, address: int, default: Any = None) -> Any:
        try:
            return self.kernel.word(address)
        except NoSystem:
            return default


@dataclass(frozen=True)
class Known:
    """What the system file says: where sources may be, and how services are called, in the order of their start."""

    roots: tuple[Path, ...]
    names: tuple[str, ...] = ()


@dataclass
class Seen:
    """A machine that stands still. `services`: their names, by the identifiers of their first threads.

    `processor`: pc, x1, … and its control registers, none of a machine that has ended.
    """

    kernel: Kernel
    known: Known
    services: dict[int, str] = field(default_factory=dict)
    processor: dict[str, int] = field(default_factory=dict)

    @cached_property
    def programs(self) -> dict[int, str]:
        """Which program of the image runs in an address space."""
        entries = [entry for entry in archive_of(self.kernel.image) if entry.parts]
        found: dict[int, str] = {}
        for space in dict.fromkeys(each.space for each in self.kernel.threads):
            for entry in entries:
                code = entry.parts[0]
                wanted = entry.content[code.offset : code.offset + code.file_size]
                if self.kernel.read(space, code.address, len(wanted)) == wanted:
                    found[space] = entry.name
                    break
        return found

    @cached_property
    def owners(self) -> dict[int, str]:
        """What an address space is called: like its service, if that is known, or else like its program."""
        found = dict(self.programs)
        found.update(
            (each.space, self.services[each.identifier])
            for each in self.kernel.threads
            if each.identifier in self.services
        )
        return found

    def threads_of(self, name: str) -> list[ThreadState]:
        return [each for each in self.kernel.threads if self.owners.get(each.space) == name]

    def registers(self, thread: ThreadState) -> tuple[int, ...]:
        """pc, x1 to x31: of the thread that runs those of the processor, if that isn't in the kernel."""
        if not thread.current or self.processor.get("pc", USER_END) >= USER_END:
            return thread.registers
        return (self.processor["pc"], *(self.processor.get(f"x{number}", 0) for number in range(1, 32)))

    def program(self, thread: ThreadState) -> Image | None:
        """The thread's program, with its debug information."""
        name = self.programs.get(thread.space)
        return None if name is None else named_program(self.kernel.image, name)

    def frames(self, thread: ThreadState) -> tuple[Frame, ...]:
        """Where the thread is, outermost call first; none if its program isn't known."""
        program = self.program(thread)
        if program is None:
            return ()
        pc, *others = self.registers(thread)
        if not thread.current and self.kernel.read(thread.space, pc - 4, 4) == SYSTEM_CALL:
            # It goes on behind the call that it waits in.
            pc -= 4
        stack = Stack(self.kernel, thread.space)
        record = PanicRecord(USER_CALL, pc, 0, (0, *others), stack)
        try:
            return explain_crash(program, record, None, self.known.roots).frames
        except (BadImage, NoSystem):
            return ()

    def kernel_traceback(self) -> list[str]:
        """Where in the kernel the processor is, if it is there for somebody."""
        pc = self.processor.get("pc", 0)
        if pc < USER_END or not any(each.current for each in self.kernel.threads):
            return []
        registers = (0, *(self.processor.get(f"x{number}", 0) for number in range(1, 32)))
        record = PanicRecord(USER_CALL, pc, 0, registers, KernelStack(self.kernel))
        try:
            frames = explain_crash(self.kernel.image, record, None, self.known.roots).frames
        except (BadImage, NoSystem):
            return []
        return [line for frame in frames for line in render_frame(frame)]

    def named(self, source: int) -> str:
        """Who has written a record of the log, by the number that the log knows."""
        return self.known.names[source - 1] if 0 < source <= len(self.known.names) else str(source or "somebody")

    def traceback(self, thread: ThreadState) -> list[str]:
        """Its lines. What lies in a system call is the same for all who wait: what for, is said beside it."""
        frames = list(self.frames(thread))
        if not thread.current and not thread.faulted:
            while len(frames) > 1 and Path(frames[-1].file).parts[-2:] == CALLS:
                frames.pop()
        return [line for frame in frames for line in render_frame(frame)]


def no_process(machine: Running, seen: Seen, name: str) -> ToolError:
    """What is said of a name that no process of the machine has."""
    from neokernel.compiler.diagnostics import suggestion

    names = sorted(set(seen.owners.values()))
    help = suggestion(name, names) or f"there are: {', '.join(names)}; a service that is down has none"
    return ToolError("NK1605", f"no process of {machine.name} is called {name}", help)


def look(machine: Running, key: Path | None) -> Seen:
    """The machine as it is now; its clock stands while that is copied."""
    if machine.monitor is None or machine.memory is None:
        raise ToolError("NK1601", f"{machine.name} can't be looked at from outside", "`nk run` starts such as can be")
    services = asked(machine, key)
    try:
        with Monitor(machine.monitor) as monitor:
            memory, processor = copied(monitor, machine.memory)
    except NoMonitor as error:
        raise ToolError("NK1602", f"{machine.name} can't be looked at: {error}", "has it ended?") from error
    return seen_in(memory, machine.image, known_of(machine.system), services, processor)


def copied(monitor: Monitor, memory: Path) -> tuple[bytes, dict[str, int]]:
    """Memory and processor at one moment: outside of the kernel, which has registers in hand, if that can be had."""
    for _ in range(TRIES):
        with monitor.stopped():
            processor = monitor.registers()
            if processor["pc"] < USER_END:
                return contents(memory), processor
    # Idle, or always in its kernel.
    with monitor.stopped():
        return contents(memory), monitor.registers()


def asked(machine: Running, key: Path | None) -> dict[int, str]:
    """How the machine calls the first threads of its services; nothing, if it doesn't answer."""
    try:
        with session(machine.name, key, patience=PATIENCE) as view:
            return {each.thread: each.name for each in view.services() if each.thread}
    except ToolError:
        return {}


def known_of(system: Path | None) -> Known:
    """What the system file of a machine says, if it is still there, and right."""
    from neokernel.image.systemfile.checking import examine

    machine = examine(find_system(system))[0] if system is not None and system.exists() else None
    if machine is None:
        return Known((Path.cwd(), REPOSITORY))
    return Known(roots_of(machine), tuple(service.name for service in machine.starting_order()))


def contents(memory: Path) -> bytes:
    """Of a file that is, or was, a machine's memory. (Read, not mapped: so what was never touched takes no room.)"""
    try:
        return memory.read_bytes()
    except OSError as error:
        raise ToolError("NK1602", f"the machine's memory can't be read: {error.strerror or error}") from error


def seen_in(
    memory: bytes,
    image: Path,
    known: Known,
    services: dict[int, str] | None = None,
    processor: dict[str, int] | None = None,
) -> Seen:
    """What is in a machine's memory."""
    seen = Seen(Kernel(open_image(image), memory), known, services or {}, processor or {})
    try:
        _ = seen.kernel.threads
    except (NoSystem, BadImage) as error:
        help = "an image that was built anew doesn't fit what runs"
        raise ToolError("NK1602", f"its memory can't be understood: {error}", help) from error
    return seen
