"""What a system file becomes for init."""

from __future__ import annotations

from pathlib import Path

import pytest

from neokernel.abi.description import INIT_SYSTEM, INIT_WATCH, Escalation, GrantKind, RestartPolicy
from neokernel.abi.rights import GRANT, SEND
from neokernel.image import description
from neokernel.image.description import Has, Provides, Uses
from neokernel.image.systemfile.checking import examine
from neokernel.image.systemfile.describing import describe, programs
from neokernel.image.systemfile.machine import Machine
from tests.system import cases, fuzz

FILES = fuzz.corpus()
MESSENGER = """
from typing import Protocol

from neokernel.lang import Given, Provides, interface, provides
from neokernel.runtime.objects import Notification
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure


@interface
class Bell(Protocol):
    def ring(self, whom: Given[Notification]) -> None | Failure: ...


bell: Provides[Bell] = provides()

def main(process: Process) -> None: ...
"""
LISTENER = """
from messenger import Bell

from neokernel.interfaces.system import System, Watch
from neokernel.lang import Uses, uses
from neokernel.runtime.objects import Console, Processor, Trace
from neokernel.runtime.process import Process

console: Uses[Console] = uses()
bell: Uses[Bell] = uses()
processor: Uses[Processor] = uses()
trace: Uses[Trace] = uses()
system: Uses[System] = uses()
watch: Uses[Watch] = uses()

def main(process: Process) -> None: ...
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        Path(name).write_text(text)
    return examined()


def examined(name: str = cases.SYSTEM) -> Machine:
    machine, findings = examine(Path(name))
    assert machine is not None and not findings.errors, cases.shown(findings)
    return machine


def service(machine: Machine, name: str) -> description.Service:
    return next(each for each in describe(machine).services if each.name == name)


def test_grants_stand_in_declared_order(machine: Machine) -> None:
    version = service(machine, "serial").grants[0].interface  # type: ignore[union-attr]
    assert version
    assert service(machine, "serial").grants == (
        Provides("serial", version),
        Has("registers", GrantKind.DEVICE, 0x1000_0000),
        Has("interrupt", GrantKind.INTERRUPT, 10),
    )
    assert service(machine, "log").grants[1:] == (Uses("line", "serial", "serial", version, int(SEND)),)
    assert service(machine, "store").grants[1:] == (
        Has("disk", GrantKind.DEVICE, 0x1000_1000),
        Has("space", GrantKind.DMA, size=16),
    )
    assert service(machine, "owner").grants == (
        Has("power", GrantKind.POWER),
        Has("heap", GrantKind.MEMORY, size=3 << 19),
    )


def test_values(machine: Machine) -> None:
    log = service(machine, "log")
    assert (log.memory, log.capabilities, log.heartbeat) == (512 << 10, 256, 1_000_000)
    assert log.restart == description.Restart(
        RestartPolicy.ALWAYS, 5_000, 1_000_000, 3, 60_000_000, Escalation.RESTART_DEPENDANTS
    )
    serial = service(machine, "serial")
    assert (serial.priority, serial.budget, serial.period) == (90, 1_000, 10_000)
    assert serial.settings == (("speed", 9600),)
    client = service(machine, "client")
    assert (client.memory, client.priority, client.budget, client.period) == (1 << 20, 80, 2_000, 30_000)
    assert (log.priority, log.program) == (80, "log"), "as urgent as its client"
    assert service(machine, "store").state == 8192
    assert service(machine, "settings").settings == (
        ("count", 3),
        ("offset", -7),
        ("fast", 0),
        ("greeting", b"hi"),
        ("level", 7),
        ("share", 0x3FC0_0000),
        ("key", b"\0"),
    )


def test_what_is_the_kernels_and_inits(machine: Machine) -> None:
    Path("messenger.py").write_text(MESSENGER)
    Path("listener.py").write_text(LISTENER)
    Path("other.toml").write_text(
        f'{cases.HEAD}[service.m]\nprogram = "./messenger.py"\n[service.l]\nprogram = "./listener.py"\n'
        "cpu.priority = 30\n"
        'uses = { console = "kernel.console", bell = "m", processor = "kernel.processor", trace = "kernel.trace", '
        'system = "init.system", watch = "init.watch" }\ntrusted = true\n'
    )
    found = service(examined("other.toml"), "l").grants
    assert found[0] == Has("console", GrantKind.CONSOLE)
    assert isinstance(found[1], Uses) and found[1].rights == int(SEND | GRANT), "its calls carry capabilities"
    assert found[2:] == (
        Has("processor", GrantKind.PROCESSOR, 30),
        Has("trace", GrantKind.TRACE, size=16),
        Has("system", GrantKind.SYSTEM, INIT_SYSTEM),
        Has("watch", GrantKind.SYSTEM, INIT_WATCH),
    )


def test_the_description_is_one_and_the_same(machine: Machine) -> None:
    data = description.pack(describe(machine))
    assert data == description.pack(describe(examined()))
    again = description.read(data)
    assert [each.name for each in again.services][:2] == ["serial", "log"], "who is used comes first"
    assert sorted(programs(machine)) == ["client", "log", "owner", "serial", "settings", "store"]


def test_what_is_denied_keeps_its_slot(machine: Machine) -> None:
    found = describe(machine, frozenset({("serial", "interrupt"), ("log", "line")}))
    grants = {each.name: each.grants for each in found.services}
    assert grants["serial"][1:] == (Has("registers", GrantKind.DEVICE, 0x1000_0000), Has("interrupt", GrantKind.NONE))
    assert grants["log"][1] == Has("line", GrantKind.NONE)
    description.pack(found)


def test_programs_of_one_name_are_told_apart(machine: Machine) -> None:
    Path("other").mkdir()
    Path("other/plain.py").write_text(FILES["plain.py"])
    Path("folder").mkdir()
    Path("folder/main.py").write_text(FILES["plain.py"])
    Path("system.py").write_text(FILES["plain.py"])
    paths = ["./plain.py", "./other/plain.py", "./other/../plain.py", "./folder", "./system.py"]
    Path("other.toml").write_text(
        cases.HEAD
        + "".join(f'[service.{name}]\nprogram = "{path}"\n' for name, path in zip("abcde", paths, strict=True))
    )
    found = examined("other.toml")
    assert {each.name: each.program for each in describe(found).services} == {
        "a": "plain",
        "b": "plain-2",
        "c": "plain",
        "d": "folder",
        "e": "system-2",
    }
    assert programs(found)["plain-2"] == Path("other/plain.py").resolve()
