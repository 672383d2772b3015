"""Running an image in QEMU: its console as it comes, its panics, its end.

Invariants: the child is always reaped and the terminal restored, however the run ends; a run with a time limit ends. On
Linux no child outlives us.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import re
import selectors
import shutil
import signal
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from neokernel.image.panic import ConsoleFilter, PanicRecord
from neokernel.patience import patient

if TYPE_CHECKING:
    from neokernel.image.boot import SignedBoot

PROGRAM = "qemu-system-riscv64"
OLDEST = (7, 2)

#: of `prctl`: the signal that a process gets when its parent ends
PDEATHSIG = 1

#: the machine's memory; boards/virt.ld counts on it
MEMORY = "128M"

#: drivers speak virtio as it was standardised, which QEMU's slots don't unless they are told
MODERN = ("-global", "virtio-mmio.force-legacy=false")


@dataclass
class Outcome:
    """How a run ended. `status` is QEMU's, which is the guest's; negative: killed by that signal.

    `complaint`: what QEMU itself said, when it wasn't we who stopped it.
    """

    status: int = 0
    timed_out: bool = False
    complaint: str = ""
    panics: list[PanicRecord] = field(default_factory=list)


def find_qemu() -> str | None:
    return shutil.which(PROGRAM)


def qemu_version(program: str) -> tuple[int, ...] | None:
    """(major, minor, micro), or None when it doesn't say."""
    try:
        shown = subprocess.run(
            [program, "--version"], capture_output=True, text=True, timeout=patient(20), check=False
        ).stdout
    except (OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"version (\d+)\.(\d+)\.(\d+)", shown)
    return tuple(map(int, found.groups())) if found else None


def signed_command(program: str, boot: SignedBoot, *, reboots: bool = False) -> list[str]:
    """The machine as a signed start has it: the first stage, what it is to check, and the keys in the flash device.

    The keys are put into the flash by the loader, not as the drive behind it: from a second drive, versions before 8.1
    would start. A machine that is started again finds the file's keys there, whatever the guest has written.
    """
    return [*command(program, boot.stage, reboots=reboots), *("-initrd", str(boot.loaded)), *enrolled(boot.enrolment)]


def enrolled(blob: Path) -> list[str]:
    """The keys of the enrolment blob in the flash device."""
    from neokernel.stage.format import ENROLMENT_ADDRESS

    keys = str(blob).replace(",", ",,")
    return ["-device", f"loader,file={keys},addr={int(ENROLMENT_ADDRESS):#x},force-raw=on"]


def command(program: str, image: Path, *, reboots: bool = False) -> list[str]:
    """The machine, without a window, its serial port on our input and output.

    `reboots`: when it resets itself, it starts again; else that is its end, with status 0.
    """
    return [
        *(program, "-M", "virt", "-smp", "1", "-m", MEMORY, "-bios", "default"),
        *("-display", "none", "-monitor", "none", "-serial", "stdio"),
        *(() if reboots else ("-no-reboot",)),
        *MODERN,
        *("-kernel", str(image)),
    ]


#: Time is that of the guest's instructions, a nanosecond each, and goes by at once while it waits: so every run of a
#: machine that nobody talks to is the same, on any host. Who waits for the host waits in vain: there is no time for it.
COUNTED = ("-icount", "shift=0,sleep=off")


def entropy(bus: str) -> list[str]:
    """Random bytes of the host's, in the slot that QEMU calls `bus`."""
    return ["-device", f"virtio-rng-device,bus={bus}"]


def disk(bus: str, file: Path, *, read_only: bool = False, temporary: bool = False) -> list[str]:
    """A disk whose bytes are in `file`."""
    name = f"disk-{bus}"
    path = str(file).replace(",", ",,")
    options = f"if=none,id={name},file={path},format=raw,discard=unmap,detect-zeroes=unmap"
    switched = {True: "on", False: "off"}
    options += f",read-only={switched[read_only]},snapshot={switched[temporary]}"
    return ["-drive", options, "-device", f"virtio-blk-device,bus={bus},drive={name}"]


def ports(bus: str, sockets: dict[str, Path]) -> list[str]:
    """Ports by name, each with a Unix socket, to which one program at a time connects."""
    device = f"ports-{bus}"
    # Port 0 is the device's console, which is there or not; so there is one more.
    arguments = ["-device", f"virtio-serial-device,bus={bus},id={device},max_ports={len(sockets) + 1}"]
    for number, (name, socket) in enumerate(sockets.items(), 1):
        path = str(socket).replace(",", ",,")
        arguments += ["-chardev", f"socket,id={device}-{name},path={path},server=on,wait=off"]
        arguments += ["-device", f"virtserialport,bus={device}.0,nr={number},chardev={device}-{name},name={name}"]
    return arguments


def monitor(socket: Path) -> list[str]:
    """QEMU's own line (QMP), at a Unix socket."""
    path = str(socket).replace(",", ",,")
    return ["-chardev", f"socket,id=monitor,path={path},server=on,wait=off", "-mon", "chardev=monitor,mode=control"]


def shared_memory(file: Path) -> list[str]:
    """The machine's memory is this file's, which can be read while it runs and when it has ended."""
    path = str(file).replace(",", ",,")
    backend = f"memory-backend-file,id=memory,share=on,size={MEMORY},mem-path={path}"
    return ["-object", backend, "-machine", "memory-backend=memory"]


def network(bus: str, forward: dict[str, int], *, outside: bool = False) -> list[str]:
    """QEMU's own network, where the machine is 10.0.2.15; some of its ports are the host's, on the loopback."""
    name = f"network-{bus}"
    options = f"user,id={name},restrict={'off' if outside else 'on'}"
    for port, inside in forward.items():
        protocol, number = port.split("/")
        options += f",hostfwd={protocol}:127.0.0.1:{number}-:{inside}"
    return ["-netdev", options, "-device", f"virtio-net-device,bus={bus},netdev={name}"]


def tunnel(bus: str, local: int, remote: int) -> list[str]:
    """Frames as datagrams, to and from another program."""
    name = f"network-{bus}"
    options = f"socket,id={name},udp=127.0.0.1:{remote},localaddr=127.0.0.1:{local}"
    return ["-netdev", options, "-device", f"virtio-net-device,bus={bus},netdev={name}"]


def run(
    arguments: list[str],
    console: ConsoleFilter,
    show: Callable[[bytes], object],
    *,
    timeout: float | None = None,
    keep: Callable[[bytes], object] | None = None,
    last: Callable[[], object] | None = None,
) -> Outcome:
    """Run QEMU until it ends or `timeout` seconds have passed. `show` gets the console, `keep` all of it.

    `last` is called before a machine is stopped that hasn't ended.
    """
    deadline = None if timeout is None else time.monotonic() + timeout
    outcome = Outcome()
    standard_input = None if sys.stdin is not None and sys.stdin.isatty() else subprocess.DEVNULL
    with terminal_restored(), tempfile.TemporaryFile() as errors:
        child = subprocess.Popen(
            arguments,
            stdin=standard_input,
            stdout=subprocess.PIPE,
            stderr=errors,
            preexec_fn=end_with_parent(),  # noqa: PLW1509 - one system call, and no lock
        )
        try:
            for data in stream(child, deadline):
                if keep is not None:
                    keep(data)
                show(console.feed(data))
            # The console is closed and QEMU is about to end, or we are out of time.
            try:
                child.wait(None if deadline is None else max(0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                outcome.timed_out = True
        finally:
            if last is not None and child.poll() is None:
                last()
            reap(child)
            # What came before an interrupt is shown too.
            show(console.finish())
        if not outcome.timed_out:
            errors.seek(0)
            outcome.complaint = errors.read().decode(errors="replace").strip()
    outcome.status = child.returncode
    outcome.panics = console.panics
    return outcome


def end_with_parent() -> Callable[[], None] | None:
    """What a child calls before it becomes QEMU, so that it ends when we do, even if we are killed.

    Linux alone has that (`prctl`, PR_SET_PDEATHSIG). Elsewhere a QEMU whose `nk` was killed by SIGKILL goes on.
    """
    if sys.platform != "linux":
        return None
    # Looked up here: between fork and exec as little as possible is done.
    prctl, parent = ctypes.CDLL(None, use_errno=True).prctl, os.getpid()

    def call() -> None:
        prctl(PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != parent:  # it was too late
            os._exit(1)

    return call


def stream(child: subprocess.Popen[bytes], deadline: float | None) -> Iterator[bytes]:
    """What `child` prints, until it closes its output or the deadline."""
    assert child.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(child.stdout, selectors.EVENT_READ)
        while True:
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return
            if not selector.select(left):
                continue
            data = os.read(child.stdout.fileno(), 65536)
            if not data:
                return
            yield data


def reap(child: subprocess.Popen[bytes]) -> None:
    if child.poll() is None:
        # At once: QEMU has nothing to save, and asked politely it says so on the user's terminal.
        child.kill()
        child.wait()
    if child.stdout is not None:
        child.stdout.close()


@contextlib.contextmanager
def terminal_restored() -> Iterator[None]:
    """The terminal's settings at the end are those of the beginning: QEMU, killed, can't put them back itself."""
    try:
        descriptor = sys.stdin.fileno()
        settings = termios.tcgetattr(descriptor)
    except (OSError, ValueError, AttributeError, termios.error):
        yield
        return
    try:
        yield
    finally:
        with contextlib.suppress(termios.error):
            termios.tcsetattr(descriptor, termios.TCSADRAIN, settings)
