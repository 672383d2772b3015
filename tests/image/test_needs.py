"""What programs declare: of the source, in the ELF file, and what is made of a section that is broken."""

from __future__ import annotations

import contextlib
import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.image.build import build_image
from neokernel.image.needs import (
    BadNeeds,
    Habits,
    Need,
    Tasks,
    habits_in,
    needs_in,
    needs_of,
    packed,
    placed_needs_of,
    tasks_in,
    unpacked,
    unpacked_tasks,
)
from neokernel.image.program import build_program

PROGRAMS = Path(__file__).parents[1] / "runtime" / "interfaces"
HEAD = (
    "from enum import Enum\nfrom typing import Protocol\n"
    "from neokernel.lang import Provides, Setting, Uses, interface, provides, setting, u8, u16, uses\n"
    "from neokernel.runtime.objects import Interrupt\nfrom neokernel.runtime.process import Process\n"
    "from neokernel.runtime.system import Failure\n\n"
    "LIMIT = 4\n\nclass Mode(Enum):\n    OFF = 0\n    ON = 3\n\n"
)
INTERFACE = "@interface\nclass Log(Protocol):\n    def write(self, level: {type}) -> None | Failure: ...\n\n"
MAIN = "\ndef main(process: Process) -> None:\n    pass\n"


def written(folder: Path, text: str) -> Path:
    path = folder / "program.py"
    path.write_text(text)
    return path


def test_the_file_says_what_the_source_says(tmp_path: Path) -> None:
    for name in ("client", "server", "main"):
        built = build_program(PROGRAMS / f"{name}.py", tmp_path / f"{name}.elf")
        assert not built.diagnostics
        assert needs_in(built.image) == needs_of(PROGRAMS / f"{name}.py")
    server, client = needs_in(tmp_path / "server.elf"), needs_in(tmp_path / "client.elf")
    assert [need.kind for need in server] == ["provides", "setting"]
    assert server[0].version == client[0].version != 0
    assert server[0].grants
    assert needs_in(tmp_path / "main.elf") == []


def test_what_a_program_can_do_without(tmp_path: Path) -> None:
    text = HEAD + INTERFACE.format(type="u8")
    text += "log: Uses[Log] = uses(optional=True)\nline: Uses[Interrupt] = uses(optional=False)\n"
    built = build_program(written(tmp_path, text + MAIN), tmp_path / "program.elf")
    assert not built.diagnostics
    found = needs_in(built.image)
    assert found == needs_of(tmp_path / "program.py")
    assert [(each.name, each.optional) for each in found] == [("log", True), ("line", False)]
    assert str(found[0]).endswith(", optional")


def test_room_for_tasks_is_counted(tmp_path: Path) -> None:
    later = PROGRAMS.parent / "later"
    built = build_program(later / "main.py", tmp_path / "main.elf")
    assert not built.diagnostics
    found = tasks_in(built.image)
    assert [(each.function, each.count) for each in found] == [("accept", 1), ("answer", 9)]
    assert all(each.frame > 0 and each.size == each.count * each.frame for each in found)
    assert found[1].frame > found[0].frame, "a request, and what its handler keeps"
    assert needs_in(built.image) == needs_of(later / "main.py"), "which is another matter"
    assert tasks_in(build_program(later / "client.py", tmp_path / "client.elf").image) == []


def test_what_a_program_does_in_anything_that_it_calls(tmp_path: Path) -> None:
    log, clock = (PACKAGE_ROOT / "neokernel" / name / "main.py" for name in ("services/log", "drivers/clock"))
    for path, habits in ((log, Habits(True, True)), (clock, Habits(ready=True)), (PROGRAMS / "main.py", Habits())):
        built = build_program(path, tmp_path / "main.elf")
        assert not built.diagnostics and habits_in(built.image) == habits
        assert needs_in(built.image) == needs_of(path), "which is another matter"


@pytest.mark.parametrize("tasks", [3, [3], [{}], [{"function": "f", "count": 1, "frame": "8"}]])
def test_broken_tasks_are_told(tasks: object) -> None:
    good = [Tasks("f", 3, 80)]
    assert unpacked_tasks(packed([], good), "it") == good and unpacked(packed([], good), "it") == []
    with pytest.raises(BadNeeds, match=r"^it: .neokernel.needs has tasks"):
        unpacked_tasks(json.dumps({"format": 1, "needs": [], "tasks": tasks}).encode(), "it")


def test_declarations_are_read_in_order(tmp_path: Path) -> None:
    declared = (
        "log: Uses[Log] = uses()\nlevel: Setting[u8] = setting(LIMIT * 2)\nline: Uses[Interrupt] = uses()\n"
        "own: Provides[Log] = provides()\nmode: Setting[Mode] = setting(Mode.ON)\nname: Setting[str] = setting('é')\n"
        "key: Setting[bytes] = setting(b'\\xff')\nlow: Setting[i8] = setting(-1)\n"
        "ready: Setting[bool] = setting(False)\n"
    )
    text = HEAD.replace("u16, uses", "i8, u16, uses") + INTERFACE.format(type="u8") + declared + MAIN
    path = written(tmp_path, text)
    found = needs_of(path)
    version = found[0].version
    objects, members = "neokernel.runtime.objects", (("OFF", 0), ("ON", 3))
    assert found == [
        Need("uses", "log", "Log", "program", version),
        Need("setting", "level", "u8", default=8),
        Need("uses", "line", "Interrupt", objects),
        Need("provides", "own", "Log", "program", version),
        Need("setting", "mode", "Mode", "program", default=3, members=members),
        Need("setting", "name", "str", default="é"),
        Need("setting", "key", "bytes", default="ff"),
        Need("setting", "low", "i8", default=-1),
        Need("setting", "ready", "bool", default=False),
    ]
    assert unpacked(packed(found), "it") == found
    assert [str(need) for need in found[1:6]] == [
        "setting level: u8 = 8",
        "uses line: Interrupt",
        f"provides own: Log, contract {version:016x}",
        "setting mode: Mode = Mode.ON",
        "setting name: str = 'é'",
    ]
    span = placed_needs_of(path)[1][1]
    assert text.split("\n")[span.line - 1][span.column : span.end_column] == "level: Setting[u8] = setting(LIMIT * 2)"


def version(folder: Path, text: str) -> int:
    return needs_of(written(folder, HEAD + text + "log: Uses[Log] = uses()\n" + MAIN))[0].version


def test_a_contract_changes_with_what_both_sides_must_agree_on(tmp_path: Path) -> None:
    log = INTERFACE.format(type="u8")
    first = version(tmp_path, log)
    commented = log.replace("(Protocol):", "(Protocol):\n    '''Text.'''\n").replace("level: u8", "level:   u8")
    assert version(tmp_path, commented) == first
    changes = [
        log.replace("u8", "u16"),
        log.replace("level", "urgency"),
        log.replace("write", "wrote"),
        log.replace("None |", "u8 |"),
        log.rstrip() + "\n    def clear(self) -> None | Failure: ...\n\n",
    ]
    assert len({first, *(version(tmp_path, change) for change in changes)}) == 6
    member = INTERFACE.format(type="Mode")
    assert version(tmp_path, member) != version(tmp_path, "class Mode(Enum):\n    OFF = 0\n    ON = 4\n\n" + member)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is no ELF file"),
        (b"\x7fELF", "is no ELF file"),
        (Path(__file__).read_bytes(), "is no ELF file"),
    ],
)
def test_a_file_that_is_none(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "program.elf"
    path.write_bytes(content)
    with pytest.raises(BadNeeds, match=message):
        needs_in(path)
    with pytest.raises(BadNeeds, match="can't be read"):
        needs_in(tmp_path)


KEYS = ["format", "needs", "kind", "name", "type", "module", "version", "default", "members"]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=4),
)
ITEMS = st.dictionaries(
    st.sampled_from(["kind", "name", "type", "module", "version", "default", "members", "grants"]),
    st.sampled_from(["uses", "setting", "Log", "12", "x", [["A", 1]], [[1]], 3, None]),
)


SECTIONS = JSON | st.builds(lambda items: {"format": 1, "needs": items}, st.lists(ITEMS, max_size=3))


@given(data=st.binary(max_size=30) | st.builds(lambda found: json.dumps(found).encode(), SECTIONS))
@settings(max_examples=300, deadline=None)
def test_any_section_is_read_or_refused(data: bytes) -> None:
    found: list[Need] = []
    with contextlib.suppress(BadNeeds):
        found = unpacked(data, "it")
    assert all(need.kind in ("uses", "provides", "setting") and hash(need) for need in found)


def test_a_root_program_has_nobody_to_give_it_what_it_uses(tmp_path: Path) -> None:
    text = HEAD + INTERFACE.format(type="u8") + "level: Setting[u8] = setting(3)\nlog: Uses[Log] = uses()\n" + MAIN
    path = written(tmp_path, text)
    (found,) = build_image(path, tmp_path / "image.elf").diagnostics
    assert (found.code, found.message) == ("NK0209", "the root program can't have `log`: who would give it?")
    assert text.split("\n")[found.span.line - 1].startswith("log: ")
