"""systems/minimal.toml, as somebody at its console uses it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.services.shell.help import NAMES
from tests.docs import snippets
from tests.support.conversation import Conversation

PAGE = snippets.read(PACKAGE_ROOT / "docs" / "guide" / "console.md")
SYSTEM = PACKAGE_ROOT / "systems" / "minimal.toml"
NK = [sys.executable, "-c", "import sys; from neokernel.cli.main import main; sys.exit(main())"]
GUIDE = PAGE.path.read_text(encoding="utf-8")
PROMPT = "nk> \x1b[K\r\x1b[04C"
#: its services
ALL = ("console", "power", "log", "alerts", "shell")
#: what is as wide as a terminal may wrap there
COLUMNS = 80


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("minimal") / "minimal.elf"
    subprocess.run([*NK, "build", str(SYSTEM), "-o", str(output)], check=True, stdout=subprocess.DEVNULL)
    return output


@pytest.fixture
def machine(image: Path) -> Iterator[Conversation]:
    with Conversation(image) as machine:
        machine.expect(PROMPT)
        yield machine


def said(machine: Conversation, command: str) -> list[str]:
    """What a command shows."""
    machine.type(f"{command}\r")
    machine.expect("\r\n")
    lines = machine.expect(PROMPT).splitlines()[:-1]
    assert all(len(line) < COLUMNS for line in lines), lines
    return lines


def services(machine: Conversation) -> dict[str, tuple[str, int]]:
    """What each does, and how often it was started."""
    rows = [line.split() for line in said(machine, "ps")[1:]]
    return {row[0]: (row[1], int(row[2])) for row in rows}


def test_what_runs(machine: Conversation) -> None:
    assert services(machine) == dict.fromkeys(ALL, ("runs", 1))
    (free,) = said(machine, "free")
    assert re.fullmatch(r"\d+ KiB and \d+ slots are free; 5 of 5 services run", free)
    (uptime,) = said(machine, "uptime")
    assert re.fullmatch(r" +\d+\.\d{3} s", uptime)


def commands(machine: Conversation) -> list[str]:
    """What `help` lists."""
    shown = "\n".join(line[:21] for line in said(machine, "help"))
    return re.findall(r"^[a-z]+|(?<=, )[a-z]+", shown, re.MULTILINE)


def test_help_knows_every_command(machine: Conversation) -> None:
    listed = set(commands(machine))
    assert {"ps", "caps", "trace", "swap", "start", "poweroff", "help"} <= listed
    assert listed == set(bytes(NAMES).decode().split()), "what is like one of them is found"
    for name in sorted(listed):
        assert any(line.startswith(name) for line in said(machine, f"help {name}")), "it says more"
        assert re.search(rf"(`|nk> ){name}\b", GUIDE), "the guide has it"
    assert said(machine, "help nonsense") == ["there is no command nonsense; `help` lists them"]


def pattern(wanted: str) -> str:
    """What a command's output on the page stands for: `…` for anything, as a line for any lines."""
    lines = wanted.splitlines()
    return "".join(r"(?:.*\n)*?" if line == "…" else re.escape(line).replace("…", ".*") + "\n" for line in lines)


def test_the_guide_shows_what_is_shown(machine: Conversation) -> None:
    typed = [block for block in PAGE.blocks if block.language == "shell"]
    assert len(typed) > 5
    for block in typed:
        for part in block.text.removeprefix("nk> ").split("\nnk> "):
            command, _, wanted = part.partition("\n")
            machine.type(f"{command}\r")
            machine.expect("\r\n")
            question = re.search(r"Go on\? \[y/N\] (.)$", part, re.MULTILINE)
            shown = ""
            if question is not None:
                shown = machine.expect("Go on? [y/N] ")
                machine.type(question[1])
            last = question is not None and question[1] == "y"
            shown += machine.rest() if last else machine.expect(PROMPT).removesuffix("nk> ")
            # What the console's driver still has to send when it ends is lost.
            shown = shown.replace("[y/N] init:", "[y/N] y\ninit:")
            assert re.fullmatch(pattern(wanted), shown), f"{command}: {shown}"
    assert machine.process.wait() == 0


def test_mistakes(machine: Conversation) -> None:
    assert said(machine, "foo bar") == ["there is no command foo; `help` lists them"]
    assert said(machine, "kill") == ["which service? `ps` lists them; `help` shows what commands take"]
    assert said(machine, "kill nobody") == ["there is no service nobody; `ps` lists them"]
    assert said(machine, "kill lgo") == ["there is no service lgo; did you mean log?"]
    assert said(machine, "start log") == ["log runs"]
    assert said(machine, "swap log") == ["by which program? `swap SERVICE PROGRAM`; `help swap` says more"]
    assert said(machine, "lgo") == ["there is no command lgo; did you mean log?"]
    assert said(machine, "help power") == ["there is no command power; did you mean poweroff?"]
    for command, words in (("free log", "nothing"), ("kill log alerts", "one word"), ("swap log log now", "two words")):
        name = command.split()[0]
        assert said(machine, command) == [f"{name} takes {words}, and here is more; `help {name}` says what it does"]
    cannot = "it can't be replaced: it doesn't hand over, or a device reaches its memory"
    assert said(machine, "swap shell shell") == [cannot]
    other = "that program declares other capabilities, contracts or settings"
    assert said(machine, "swap log shell") == [other]
    assert said(machine, "swap log nothing") == ["the image has no program of that name"]
    assert said(machine, f"kill {'x' * 49}") == ["no service has such a long name; `ps` lists them"]
    assert said(machine, "caps nobody") == ["there is no service nobody; `ps` lists them"]
    assert said(machine, "trace maybe") == ["trace what? `trace on`, `trace off`, `trace`, or `trace N`, N from 1 on"]
    assert said(machine, "trace 0") == said(machine, "trace maybe")
    assert said(machine, "log x") == ["which records? `log`, `log N`, N from 1 on, or `log -f`"]
    assert said(machine, "log 0") == said(machine, "log x")
    assert said(machine, "exit") == [
        "there is no command exit; `poweroff` switches the machine off,",
        "and under `nk run` Ctrl-C ends it at once",
    ]
    assert said(machine, "level high") == ["from which level on? `level` takes debug, info, warning or error"]
    assert said(machine, "a b c d e f g h i") == ["too many words: no command takes more than two"]
    assert said(machine, "") == []
    told = [record.split(maxsplit=2)[2] for record in said(machine, "log")]
    asked = ("start log", "swap shell shell", "swap log shell", "swap log nothing")
    wanted = [f"INFO    shell: {begin}{line}" for line in asked for begin in ("", "refused: ")]
    assert told == wanted, "what init refused is told as refused; what it wasn't asked isn't told"


def test_lines_end_with_either_byte_or_both(machine: Conversation) -> None:
    machine.type("level info\nlevel debug\r\nlevel warning\r")
    for _ in range(3):
        machine.expect(PROMPT)
    assert [line.split("shell: ")[1] for line in said(machine, "log")] == ["level info", "level debug", "level warning"]
    machine.type("poweroff\r\n")
    machine.expect("Go on? [y/N] ")
    machine.type("y")
    assert machine.rest().endswith("switched off: wanted at the console\n"), "the line feed is no answer"


def test_services_come_back(machine: Conversation) -> None:
    assert said(machine, "kill log") == []
    while services(machine)["log"] != ("runs", 2):
        pass
    machine.type("kill console\r")
    machine.expect("Go on? [y/N] ")
    machine.type("y")
    while True:
        # What the old driver had taken is lost, so there may be no prompt, and nobody may hear of a key.
        machine.insist("\r", "nk> ")
        machine.unread = b""
        if re.search(r"console +runs +2", machine.insist("ps\r", "KiB\r\nlog")):
            break


def test_the_log(machine: Conversation) -> None:
    assert said(machine, "stop log") == []
    down = ["log is down; `start log` starts it"]
    for command in ("log", "log -f", "level error", "kill log", "stop log", "swap log log"):
        assert said(machine, command)[:1] == down, command
    assert services(machine)["log"] == ("down", 1)
    assert said(machine, "start log") == []
    assert services(machine)["log"] == ("runs", 2)
    records = said(machine, "log")
    assert [record.split(maxsplit=2)[2] for record in records][-1] == "INFO    shell: stop log"
    assert len(said(machine, "log 1")) == 1
    assert said(machine, "level error") == []
    before = said(machine, "log")
    assert said(machine, "kill nobody") and said(machine, "log") == before, "what is less bad isn't kept any more"
    machine.type("log -f\r")
    machine.expect("level error")
    machine.type("\x03")
    machine.expect(PROMPT)


def test_top(machine: Conversation) -> None:
    machine.type("top\r")
    shown = machine.expect("any key ends this")
    assert re.search(r"shell +\d+\.\d %", shown)
    machine.type("q")
    machine.expect(PROMPT)
    assert services(machine)["shell"] == ("runs", 1)


def test_a_service_is_replaced(machine: Conversation) -> None:
    """By its own program: what was logged before is there afterwards."""
    before = services(machine)["log"][1]
    assert said(machine, "swap log log") == []
    assert services(machine)["log"] == ("runs", before + 1)
    assert any("swap log log" in line for line in said(machine, "log"))


def asked(machine: Conversation, command: str, answer: str) -> str:
    """What a command asks before it does something."""
    machine.type(f"{command}\r")
    machine.expect("\r\n")
    question = machine.expect("Go on? [y/N] ")
    machine.type(answer)
    return question


def test_who_stands_on_something_is_asked_first(machine: Conversation) -> None:
    for command, words in (
        ("stop shell", "this is the shell that you are talking to: nobody will listen here"),
        ("kill console", "this shell talks to you by console: what is on its way is lost"),
        ("stop console", "this shell talks to you by console: nobody will listen here"),
        ("poweroff", "all services end, and the machine is switched off."),
        ("reboot", "all services end, and the machine starts again."),
    ):
        assert asked(machine, command, "n").startswith(words)
        machine.expect(PROMPT)
    assert services(machine) == dict.fromkeys(ALL, ("runs", 1)), "nothing was done"
    assert said(machine, "log") == ["no records"], "what wasn't done isn't told"


def test_power_off(machine: Conversation) -> None:
    asked(machine, "poweroff", "y")
    assert machine.rest().endswith("power: the machine is switched off: wanted at the console\n")
    assert machine.process.returncode == 0


def test_power_off_without_the_driver(machine: Conversation) -> None:
    assert said(machine, "stop power") == []
    assert said(machine, "caps shell")[-2:] == [
        "  power        calls power.power;",
        "               it is down for good, until it is started",
    ]
    machine.type("reboot\ry")
    assert "the power driver doesn't answer: " in machine.expect(PROMPT)
    asked(machine, "poweroff", "y")
    assert machine.rest().endswith("init: all services have ended: the machine is switched off\n")
    assert machine.process.returncode == 0


def test_the_machine_starts_again(image: Path) -> None:
    with Conversation(image, reboots=True) as machine:
        machine.expect(PROMPT)
        assert said(machine, "kill log") == []
        asked(machine, "reboot", "y")
        machine.expect("power: the machine starts again: wanted at the console\n")
        machine.expect(PROMPT)
        assert services(machine) == dict.fromkeys(ALL, ("runs", 1))
        asked(machine, "poweroff", "y")
        machine.rest()
        assert machine.process.returncode == 0


def test_who_was_granted_what(machine: Conversation) -> None:
    assert said(machine, "caps log") == [
        "log",
        "  log          is provided to shell",
        "  journal      is provided to alerts, shell",
    ]
    assert said(machine, "stop log") == []
    lines = said(machine, "caps")
    assert [line for line in lines if not line.startswith(" ")] == list(ALL)
    assert lines[1:5] == [
        "  device       registers at 0x10000000",
        "  line         interrupt 10",
        "  console      is provided to alerts, shell",
        "  keyboard     is provided to shell",
    ]
    assert lines[-11:-9] == [
        "  console      calls console.console",
        "  keyboard     calls console.keyboard, and passes capabilities",
    ]
    assert lines[-9:] == [
        "  log          calls log.log;",
        "               it is down for good, until it is started",
        "  journal      calls log.journal, and passes capabilities;",
        "               it is down for good, until it is started",
        "  init         init.system: ends, starts and replaces every service,",
        "               and lends what it has",
        "  watch        init.watch: sees what every service does, and what it has",
        "  trace        kernel.trace: records what the kernel does, in 16 pages",
        "  power        calls power.power",
    ]


def test_the_kernels_events(machine: Conversation) -> None:
    assert said(machine, "trace") == ["nothing was recorded; `trace on` begins"]
    assert said(machine, "trace on") == ["recording; `trace` counts the events by service, `trace N` shows the latest"]
    assert said(machine, "log") == ["no records"]
    head, *rows, end = said(machine, "trace")
    counted = {row.split()[0]: int(row.split()[2]) for row in rows}
    assert head.split()[:3] == ["service", "calls", "messages"]
    assert counted["console"] > 0 and counted["log"] > 0 and counted["shell"] > 0
    assert re.fullmatch(r"(\d+) of \1 events are there; recording", end)
    latest = said(machine, "trace 1000")
    assert len(latest) == 100, "no more are shown"
    assert any(re.search(r"s  shell +(SEND|CALL) +to (console|log), label 0x", line) for line in latest)
    assert said(machine, "trace off") == []
    before, after = said(machine, "trace"), said(machine, "trace")
    assert before[-1] == after[-1] and before[-1].endswith("; not recording")
    assert [row.split()[:5] for row in before] == [row.split()[:5] for row in after], "it rests"
