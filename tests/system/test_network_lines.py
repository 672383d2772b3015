"""What services may do on a network: in the graph, in what has changed, and left out for once."""

from __future__ import annotations

from pathlib import Path

import pytest

from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.image.systemfile.checking import examine
from neokernel.image.systemfile.describing import describe
from neokernel.image.systemfile.graph import differences
from neokernel.image.systemfile.left_out import lines_left_out, write_left_out
from neokernel.image.systemfile.machine import Machine
from tests.cli.conftest import nk
from tests.cli.support import Nk

__all__ = ["nk"]

SYSTEM = PACKAGE_ROOT / "systems" / "network.toml"


@pytest.fixture
def machine() -> Machine:
    return examined(SYSTEM)


def examined(path: Path) -> Machine:
    machine, findings = examine(path)
    assert machine is not None and not findings.errors, findings.items
    return machine


def grants(machine: Machine, *denied: tuple[str, str]) -> list[str]:
    """The records that the network service gets, without the clients' numbers."""
    (service,) = (each for each in describe(machine, frozenset(denied)).services if each.name == "network")
    text = dict(service.settings)["grants"]
    assert isinstance(text, bytes)
    return [text[place + 2 : place + 22].decode() for place in range(0, len(text), 22)]


def test_a_line_that_is_left_out(machine: Machine, tmp_path: Path) -> None:
    tcp, udp = "lt000000000000070007", "lu000000000000070007"
    assert grants(machine) == [tcp, udp]
    denied = ("echo", "network.listen=tcp/7")
    assert grants(machine, denied) == [udp]
    image = tmp_path / "image.elf"
    image.write_bytes(b"an image")
    write_left_out(image, machine, frozenset([denied]))
    (line,) = lines_left_out(image)
    assert (
        line.text == 'network.listen = ["tcp/7"]'
        and '["tcp/7", "udp/7"]' in SYSTEM.read_text().splitlines()[line.line - 1]
    )


def test_the_graph_has_them(nk: Nk) -> None:
    lines = [line.lstrip("│└├─ ") for line in nk("graph", SYSTEM).output.splitlines()]
    at = lines.index("network → network.sockets  Sockets")
    assert lines[at + 1 : at + 3] == ["listens on tcp/7", "listens on udp/7"]
    assert nk("graph", "--json", SYSTEM).json["network"] == [
        {"service": "echo", "verb": "listen", "what": f"{protocol}/7", "by": ["network"]} for protocol in ("tcp", "udp")
    ]


def test_one_more_is_authority_that_was_gained(machine: Machine, tmp_path: Path) -> None:
    text = SYSTEM.read_text().replace('["tcp/7", "udp/7"]', '["tcp/7"], connect = ["tcp/10.0.2.2:53"]')
    (tmp_path / "system.toml").write_text(text)
    found = [(each.sign, each.service, each.what) for each in differences(machine, examined(tmp_path / "system.toml"))]
    assert found == [("-", "echo", "listens on udp/7"), ("+", "echo", "connects to tcp/10.0.2.2:53")]


def test_a_line_that_isnt_there(nk: Nk, tmp_path: Path) -> None:
    told = nk("build", "--deny", "echo.network.listen=tcp/8", "-o", tmp_path / "image.elf", SYSTEM)
    assert told.status == 2
    assert "error[NK1012]: echo isn't granted 'network.listen=tcp/8'" in told.error
    assert "did you mean `network.listen=tcp/7`?" in told.error
