"""systems/minimal.toml, as somebody at its console uses it."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from neokernel.compiler.source import PACKAGE_ROOT
from tests.support.conversation import Conversation

SYSTEM = PACKAGE_ROOT / "systems" / "minimal.toml"
NK = [sys.executable, "-c", "import sys; from neokernel.cli.main import main; sys.exit(main())"]
PROMPT = "nk> \x1b[K\r\x1b[04C"


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
    return machine.expect(PROMPT).splitlines()[:-1]


def services(machine: Conversation) -> dict[str, tuple[str, int]]:
    """What each does, and how often it was started."""
    rows = [line.split() for line in said(machine, "ps")[1:]]
    return {row[0]: (row[1], int(row[2])) for row in rows}


def test_what_runs(machine: Conversation) -> None:
    assert services(machine) == dict.fromkeys(("console", "log", "shell"), ("runs", 1))
    (free,) = said(machine, "free")
    assert re.fullmatch(r"\d+ KiB and \d+ slots are free; 3 of 3 services run", free)
    (uptime,) = said(machine, "uptime")
    assert re.fullmatch(r" +\d+\.\d{3} s", uptime)
    assert [line.split()[0] for line in said(machine, "help")][:3] == ["ps", "top", "log"]


def test_mistakes(machine: Conversation) -> None:
    assert said(machine, "foo bar") == ["there is no command foo; `help` lists them"]
    assert said(machine, "kill") == ["which service? `ps` lists them; `help` shows what commands take"]
    assert said(machine, "kill nobody") == ["there is no service nobody; `ps` lists them"]
    assert said(machine, "start log") == ["it does that already"]
    cannot = "it can't be replaced: it doesn't hand over, or a device reaches its memory"
    assert said(machine, "swap shell shell") == [cannot]
    other = "that program declares other capabilities, contracts or settings"
    assert said(machine, "swap log shell") == [other]
    assert said(machine, "log x") == ["`log`, `log N` or `log -f`"]
    assert said(machine, "level high") == ["debug, info, warning or error?"]
    assert said(machine, "a b c d e f g h i") == ["too many words"]
    assert said(machine, "") == []


def test_services_come_back(machine: Conversation) -> None:
    assert said(machine, "kill log") == []
    while services(machine)["log"] != ("runs", 2):
        pass
    machine.type("kill console\r")
    while True:
        # What the old driver had taken is lost, so there may be no prompt.
        machine.type("\r")
        machine.expect("nk> ")
        machine.unread = b""
        machine.type("ps\r")
        if re.search(r"console +runs +2", machine.expect("KiB\r\nlog")):
            break


def test_the_log(machine: Conversation) -> None:
    assert said(machine, "stop log") == []
    assert said(machine, "log") == ["the log doesn't answer: NO_CAPABILITY"]
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
