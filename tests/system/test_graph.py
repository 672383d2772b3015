"""Who can reach what: ways, differences, the drawing."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest

from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.image.systemfile.checking import examine
from neokernel.image.systemfile.document import Findings, read
from neokernel.image.systemfile.drawing import HEIGHT, WIDTH, arranged, drawing
from neokernel.image.systemfile.graph import ALL_MEMORY, Graph, differences, graph_of, reachable, shortest, ways
from neokernel.image.systemfile.machine import Machine
from neokernel.image.systemfile.model import BoardFile
from neokernel.image.systemfile.reading import validate
from tests.kernel import devicetree_model
from tests.kernel.devicetree_samples import blob_of
from tests.system import fuzz

FILES = fuzz.corpus()
LISTENER = """
from neokernel.lang import Uses, uses
from neokernel.runtime.objects import Interrupt
from neokernel.runtime.process import Process

line: Uses[Interrupt] = uses()

def main(process: Process) -> None: ...
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Machine:
    monkeypatch.chdir(tmp_path)
    for name, text in FILES.items():
        Path(name).write_text(text)
    return examined()


def examined(name: str = "system.toml") -> Machine:
    machine, findings = examine(Path(name))
    assert machine is not None and not findings.errors, findings.items
    return machine


def other(*changes: tuple[str, str]) -> Machine:
    """The machine with another system file."""
    text = FILES["system.toml"]
    for before, after in changes:
        assert text.count(before) == 1
        text = text.replace(before, after)
    Path("other.toml").write_text(text)
    return examined("other.toml")


def named(way: list[object]) -> str:
    return " ".join(f"{getattr(hop, 'source')}>{getattr(hop, 'target')}" for hop in way)  # noqa: B009


def test_ways(machine: Machine) -> None:
    graph = graph_of(machine)
    way = shortest(graph, "client", "uart0")
    assert [hop.target for hop in way] == ["log", "serial", "uart0"]
    assert [str(edge) for edge in way[0].edges] == ["log: Log"]
    assert [str(edge) for edge in way[2].edges] == ["registers: registers", "interrupt: interrupt"]
    assert shortest(graph, "serial", "client") == []
    assert ways(graph, "serial", "client") == []
    assert ways(graph, "client", "uart0") == [way]


def test_who_masters_the_bus_reaches_everything(machine: Machine) -> None:
    graph = graph_of(machine)
    assert [hop.target for hop in shortest(graph, "store", "client")] == ["disk0", ALL_MEMORY, "client"]
    assert reachable(graph, "store") >= set(machine.services) | {"uart0", "kernel.power", ALL_MEMORY}
    assert ALL_MEMORY not in reachable(graph, "client")
    assert graph.nodes["store"].unprotected and graph.nodes["disk0"].unprotected
    assert not graph.nodes["client"].unprotected


def test_to_hear_of_interrupts_is_no_way_on(machine: Machine) -> None:
    alone = other(('devices.disk = "disk0"', 'devices.disk = "rom0"'))
    graph = graph_of(alone)
    assert [hop.target for hop in shortest(graph, "store", "client")] == [ALL_MEMORY, "client"], "DMA without a device"
    Path("listener.py").write_text(LISTENER)
    heard = other(
        (
            "[service.settings]",
            '[service.ear]\nprogram = "./listener.py"\ninterrupts.line = "disk0"\n[service.settings]',
        )
    )
    graph = graph_of(heard)
    assert [hop.target for hop in shortest(graph, "ear", "disk0")] == ["disk0"]
    assert reachable(graph, "ear") == {"disk0"}
    assert shortest(graph, "ear", "client") == []


ONLOOKER = """
from neokernel.interfaces.system import {0}
from neokernel.lang import Uses, uses
from neokernel.runtime.process import Process

init: Uses[{0}] = uses()

def main(process: Process) -> None: ...
"""


def onlooker(interface: str, granted: str) -> Machine:
    """The machine with one more service, which may ask init something."""
    Path("onlooker.py").write_text(ONLOOKER.format(interface))
    trust = "trusted = true\n" if granted == "init.system" else ""
    more = f'[service.eye]\nprogram = "./onlooker.py"\nuses.init = "{granted}"\n{trust}[service.settings]'
    return other(("[service.settings]", more))


def test_who_has_inits_system_reaches_everything_and_who_watches_nothing(machine: Machine) -> None:
    watching = onlooker("Watch", "init.watch")
    graph = graph_of(watching)
    assert reachable(graph, "eye") == {"init.watch", *watching.services}
    assert [hop.target for hop in shortest(graph, "eye", "client")] == ["init.watch", "client"]
    assert shortest(graph, "eye", "uart0") == [], "what is seen isn't had"
    ruling = onlooker("System", "init.system")
    graph = graph_of(ruling)
    assert [hop.target for hop in shortest(graph, "eye", "uart0")] == ["init.system", "serial", "uart0"]
    assert [hop.target for hop in shortest(graph, "eye", "kernel.power")] == ["init.system", "kernel.power"]
    assert shortest(graph, "eye", ALL_MEMORY)[0].target == "init.system", "by the driver's DMA"
    assert {edge.source for edges in arranged(graph).lines.values() for edge in edges} <= set(ruling.services)
    changes = {(change.sign, change.service, change.what) for change in differences(watching, ruling)}
    assert {("-", "eye", "holds init.watch"), ("+", "eye", "holds init.system")} <= changes
    assert ("+", "eye", "reaches uart0, through others") in changes


def test_differences(machine: Machine) -> None:
    assert differences(machine, other()) == []
    assert differences(machine, other(('log = "log" }', 'log = "log.log" }'))) == [], "another spelling of the same"
    new = other(
        ('memory = "512 KiB"', 'memory = "1 MiB"'),
        ('[service.owner]\nprogram = "./owner.py"\n', '[service.master]\nprogram = "./owner.py"\n'),
        ('devices.disk = "disk0"', 'devices.disk = "rom0"'),
    )
    forward = {str((change.sign, change.service, change.what)) for change in differences(machine, new)}
    assert str(("~", "log", "memory 512 KiB → 1 MiB")) in forward
    assert str(("+", "master", "holds kernel.power")) in forward
    assert str(("-", "owner", "holds kernel.power")) in forward
    assert str(("-", "store", "controls disk0")) in forward
    assert str(("+", "store", "controls rom0")) in forward
    signs = {"+": "-", "-": "+", "~": "~"}
    back = {(signs[change.sign], change.service, change.what) for change in differences(new, machine)}
    same = {(change.sign, change.service, change.what) for change in differences(machine, new) if change.sign != "~"}
    assert same == {each for each in back if each[0] != "~"}


def test_reach_through_others_is_a_difference(machine: Machine) -> None:
    new = other(("[service.serial]", '[service.extra]\nprogram = "./client.py"\nuses.log = "log"\n\n[service.serial]'))
    said = {change.what for change in differences(machine, new) if change.service == "extra"}
    assert {"calls log.log (Log)", "reaches serial, through others", "reaches uart0, through others"} <= said


# --- the drawing ------------------------------------------------------------------------------------------------------


def test_the_drawing_shows_everything_and_nothing_overlaps(machine: Machine) -> None:
    graph = graph_of(machine)
    text = drawing(graph, machine.name, "about")
    assert text == drawing(graph_of(examined()), machine.name, "about")
    root = ElementTree.fromstring(text)
    shown = {each.text for each in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {node.name for node in graph.nodes.values()} - {ALL_MEMORY} <= shown
    assert "registers, interrupt" in shown and "reaches all memory" in shown
    width, height = float(root.attrib["width"]), float(root.attrib["height"])
    picture = arranged(graph)
    boxes = [(x, y) for x, y in picture.places.values()]
    for place, (x, y) in enumerate(boxes):
        assert WIDTH / 2 <= x <= width - WIDTH / 2 and HEIGHT / 2 <= y <= height - HEIGHT / 2
        for other_x, other_y in boxes[:place]:
            assert abs(x - other_x) >= WIDTH or abs(y - other_y) >= HEIGHT
    for source, target in picture.lines:
        assert picture.places[source][1] < picture.places[target][1], "callers stand above whom they call"


def test_colours_follow_the_readers_scheme(machine: Machine) -> None:
    text = drawing(graph_of(machine), "x", "")
    assert "@media (prefers-color-scheme: dark)" in text
    light, dark = text.split("@media")
    names = [set(re.findall(r"--([\w-]+): #", part)) for part in (light, dark)]
    assert names[0] == names[1] and len(names[0]) > 8


def test_names_are_escaped_and_empty_systems_drawn() -> None:
    text = drawing(Graph(), "<&>", '"')
    assert "&lt;&amp;&gt;" in text
    ElementTree.fromstring(text)


# --- the board --------------------------------------------------------------------------------------------------------


@pytest.mark.qemu
def test_the_boards_file_is_what_the_machine_says_of_itself() -> None:
    findings = Findings()
    path = PACKAGE_ROOT / "boards" / "qemu-virt.toml"
    document = read(path, path.name, findings)
    assert document is not None
    board = validate(document, BoardFile, findings)
    assert board is not None and not findings.items
    tree = devicetree_model.read(blob_of("small"))
    found: dict[object, tuple[int | None, set[str]]] = {}
    for node in tree.root.everything():
        places = devicetree_model.registers(node)
        kinds = {kind.decode() for kind in (node.get(b"compatible") or b"").split(b"\0")}
        if "sifive,test0" in kinds:
            found[places[0]] = (None, kinds)
        if "cfi-flash" in kinds:
            # Two devices in one node, without interrupts; the second one has the enrolment.
            found[places[1]] = (None, kinds)
        lines = node.get(b"interrupts")
        if len(places) == 1 and places[0] is not None and lines and len(lines) == 4:
            found[places[0]] = (int.from_bytes(lines, "big"), kinds)
    for device in board.device.values():
        line, kinds = found.pop((device.address, device.size))
        assert line == device.interrupt and device.compatible in kinds
        assert device.dma == (device.compatible == "virtio,mmio")
    assert not any("virtio,mmio" in kinds for _, kinds in found.values()), "a device is missing from the file"
