"""Each grant of two systems, denied: the system boots, that operation fails, all others work, and the host says which
line is missing.

`denials/` has a grant of every kind, and a program that tries all of them; the other system is `systems/minimal.toml`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from neokernel.abi.description import GrantKind
from neokernel.bench.boot import METER, SERVICE, SYSTEM
from neokernel.cli.run import explained
from neokernel.image import qemu
from neokernel.image.description import Has, Uses, read
from neokernel.image.elf import Image
from neokernel.image.kernel import archive_of
from neokernel.image.panic import CRASH_END, ConsoleFilter
from neokernel.image.program import BuildResult, build_program
from neokernel.image.systemfile.checking import examine
from neokernel.image.systemfile.left_out import lines_left_out
from tests.cli.conftest import nk
from tests.cli.support import Nk
from tests.support.conversation import Conversation
from tests.support.patience import LONGEST_RUN

__all__ = ["nk"]

EVERYTHING = Path(__file__).parent / "denials" / "system.toml"
HALTED = 102

pytestmark = pytest.mark.qemu


def grants_of(path: Path) -> list[str]:
    """All grants of a system file: SERVICE.NAME."""
    machine, findings = examine(path)
    assert machine is not None and not findings.errors
    return [f"{service.name}.{grant.name}" for service in machine.services.values() for grant in service.grants]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("denials")


@pytest.fixture(scope="module", autouse=True)
def programs_once() -> Iterator[None]:
    """What is denied changes nothing of the programs: each is compiled once for each image's name."""
    known: dict[tuple[Path, Path], BuildResult] = {}

    def build_once(path: Path, output: Path, **options: Any) -> BuildResult:
        if (path, output) not in known:
            known[path, output] = build_program(path, output, **options)
        return known[path, output]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("neokernel.image.kernel.build_program", build_once)
        yield


def build_without(nk: Nk, system: Path, denied: str, image: Path) -> Path:
    """The image of a system without one grant, or without none of them."""
    result = nk("build", system, "-o", image, *(("--deny", denied) if denied else ()))
    assert result.status == 0, result.error
    return image


def place_of(system: Path, grant: str) -> str:
    """Where a grant stands: FILE:LINE, the file by its name."""
    service, _, name = grant.partition(".")
    machine, _ = examine(system)
    assert machine is not None
    (line,) = (each.span.line for each in machine.services[service].grants if each.name == name)
    written = system.read_text(encoding="utf-8").splitlines()[line - 1]
    assert re.search(rf"\b{name} = ", written), "that is the line"
    return f"{system.name}:{line}: [service.{service}] was built without `"


# --- a grant of every kind --------------------------------------------------------------------------------------------

#: what the worker does with what it has, in order
TRIED = ["echo", "store", "office", "clock", "line", "reach", "room", "processor", "trace"]
TRIED += ["init", "watch", "console", "power"]


def test_every_kind_of_grant_is_tried(nk: Nk, folder: Path) -> None:
    image = build_without(nk, EVERYTHING, "", folder / "everything.elf")
    assert grants_of(EVERYTHING) and sorted(grants_of(EVERYTHING)) == sorted(f"worker.{name}" for name in TRIED)
    worker = read(archive_of(Image(image))[-1].content).services[-1]
    kinds = {grant.kind if isinstance(grant, Has) else GrantKind.USES for grant in worker.grants}
    assert kinds == set(GrantKind) - {GrantKind.NONE, GrantKind.PROVIDES}, "all that can be granted"
    assert len([grant for grant in worker.grants if isinstance(grant, Uses) and grant.lend]) == 2
    result = nk("run", "--counted", "--timeout", LONGEST_RUN, "--json", image)
    # The power switch is the last one: nothing is said after it.
    assert result.json["console"].splitlines()[1:] == [f"{name}: done" for name in TRIED[:-1]]
    assert (result.status, result.json["denied"]) == (0, [])


@pytest.mark.parametrize("grant", grants_of(EVERYTHING))
def test_what_is_denied_fails_alone(nk: Nk, folder: Path, grant: str) -> None:
    image = build_without(nk, EVERYTHING, grant, folder / "everything.elf")
    result = nk("run", "--counted", "--timeout", LONGEST_RUN, "--json", image)
    assert result.status == HALTED, "the worker is started once more, then the machine is switched off"
    name = grant.partition(".")[2]
    said = result.json["console"].partition("init: worker has failed")[0].splitlines()[1:]
    outcomes = [f"{each}: {'NO_CAPABILITY of argument 0' if each == name else 'done'}" for each in TRIED]
    # Without the console, nobody hears of the others; that they were done is in the check that fails.
    assert said == ([] if name == "console" else outcomes)
    crashes = result.json["crashes"]
    assert [crash["message"] for crash in crashes] == ["what was denied is missing"] * 2
    place = place_of(EVERYTHING, grant)
    assert [place in crash["note"] for crash in crashes] == [True] * 2
    assert [place in line for line in result.json["denied"]] == [True]


def test_what_was_denied_is_told_before_it_starts(nk: Nk, folder: Path) -> None:
    image = build_without(nk, EVERYTHING, "worker.echo", folder / "everything.elf")
    assert place_of(EVERYTHING, "worker.echo") in nk("run", "--timeout", "0.001", image).error


# --- systems/minimal.toml ---------------------------------------------------------------------------------------------

PROMPT = "nk> \x1b[K\r\x1b[04C"
#: what crashes without it, and the line that fails
CRASHES = {
    "power.device": "must(map_device(process, device.slot, REGISTERS))",
    "console.device": "must(map_device(process, device.slot, REGISTERS))",
    "console.line": "must(system.bind_interrupt(process.buffer, line.slot, signals))",
}
#: by what is denied, "" for nothing: does init tell the shell what there is, does it do what the shell asks, does the
#: kernel, does the log answer it, has the log got what the shell wrote, and has it shown that on the console?
ANSWERS = {
    "": (True, True, True, True, True, True),
    # Without knowing its number, nothing is asked about a service.
    "shell.watch": (False, False, True, True, True, True),
    "shell.init": (True, False, True, True, True, True),
    "shell.trace": (True, True, False, True, True, True),
    "shell.journal": (True, True, True, False, True, True),
    "shell.log": (True, True, True, True, False, False),
    "alerts.console": (True, True, True, True, True, False),
    "alerts.journal": (True, True, True, True, True, False),
    # It names nobody then.
    "alerts.watch": (True, True, True, True, True, True),
}
#: what the shell wrote, as it is shown at once, and as the log tells it
ALERT, KEPT = re.compile(r"\] INFO of (\w+|service \d): level info"), re.compile(r"s INFO +\w+: level info")
#: by what is denied, what is said last when the machine is to be switched off
ENDS = {
    "shell.power": "init: all services have ended: the machine is switched off",
    "power.services": "init: all services have ended: the machine is switched off",
    "power.console": "all services end, and the machine is switched off. Go on? [y/N] y",
    # The kernel's switch is for the case that the board's does nothing.
    "power.switch": "power: the machine is switched off: wanted at the console",
}
SILENT = "shell.console"
DEAF = "shell.keyboard"


@pytest.fixture(scope="module")
def minimal(folder: Path) -> Path:
    """The system, which shows all that its log keeps."""
    text = SYSTEM.read_text(encoding="utf-8")
    program = 'program = "neokernel.services.alerts"'
    assert text.count(program) == 1
    path = folder / SYSTEM.name
    path.write_text(text.replace(program, f'{program}\nconfig.shown = "INFO"'))
    return path


def test_all_of_minimal_is_denied_here() -> None:
    assert sorted(grants_of(SYSTEM)) == sorted([*CRASHES, *filter(None, ANSWERS), *ENDS, SILENT, DEAF])


@pytest.mark.parametrize("grant", ENDS)
def test_the_machine_ends_all_the_same(nk: Nk, folder: Path, minimal: Path, grant: str) -> None:
    image = build_without(nk, minimal, grant, folder / "minimal.elf")
    with Conversation(image) as machine:
        machine.expect(PROMPT)
        machine.type("poweroff\r")
        machine.expect("\r\n")
        machine.type("y")
        assert machine.rest().splitlines()[-1] == ENDS[grant]
        assert machine.process.returncode == 0


@pytest.mark.parametrize("grant", CRASHES)
def test_a_driver_without_its_device_fails(nk: Nk, folder: Path, minimal: Path, grant: str) -> None:
    image = build_without(nk, minimal, grant, folder / "minimal.elf")
    with Conversation(image) as machine:
        shown = machine.expect(CRASH_END.decode())
    console = ConsoleFilter(True, lambda _: "")
    console.feed(shown.encode())
    crash = explained(Image(image), console.crashes[0], ())
    assert f"    {CRASHES[grant]}\n" in crash.text
    # The driver's frame is larger than what a record has of the stack; but nothing is behind it.
    assert [frame.function for frame in crash.frames] == ["main"] and not crash.cut
    assert place_of(minimal, grant) in crash.note


@pytest.mark.parametrize("grant", ANSWERS)
def test_a_shell_without_some_of_what_it_has(nk: Nk, folder: Path, minimal: Path, grant: str) -> None:
    image = build_without(nk, minimal, grant, folder / "minimal.elf")
    said: dict[str, str] = {}
    heard = ""
    with Conversation(image) as machine:
        machine.expect(PROMPT)
        for command in ("level info", "start log", "trace off", "log", "free"):
            machine.type(f"{command}\r")
            heard += machine.expect("\r\n")
            said[command] = machine.expect(PROMPT)
            heard += said[command]
        # Whoever shows alerts takes its time, and asks nobody whether there is a prompt.
        if ANSWERS[grant][-1] and not ALERT.search(heard):
            heard += machine.expect(": level info")
    shown = ALERT.search(heard) is not None
    answered = ["NO_CAPABILITY" not in said[command] for command in ("free", "start log", "trace off", "log")]
    found = (*answered, shown or KEPT.search(said["log"]) is not None, shown)
    assert found == ANSWERS[grant], said
    assert [place_of(minimal, grant) in str(line) for line in lines_left_out(image)] == ([True] if grant else [])


@pytest.mark.parametrize("denied", ["", SILENT])
def test_a_shell_without_a_console_says_nothing(nk: Nk, folder: Path, minimal: Path, denied: str) -> None:
    """A service that runs when nobody else does ends the machine: by then there is a prompt, or there won't be one."""
    path = folder / "silent.toml"
    path.write_text(minimal.read_text() + SERVICE.format(name="meter", program=METER, reports="true"))
    image = build_without(nk, path, denied, folder / "silent.elf")
    with Conversation(image, *qemu.COUNTED) as machine:
        shown = machine.rest()
    assert "= started" in shown
    assert ("nk>" in shown) == (not denied)
    assert [place_of(path, denied) in str(line) for line in lines_left_out(image)] == ([True] if denied else [])


def test_a_shell_without_a_keyboard_shows_a_prompt(nk: Nk, folder: Path, minimal: Path) -> None:
    """That it hears nothing then is in `test_console.py`."""
    image = build_without(nk, minimal, DEAF, folder / "minimal.elf")
    with Conversation(image) as machine:
        machine.expect(PROMPT)
    assert [place_of(minimal, DEAF) in str(line) for line in lines_left_out(image)] == [True]
