"""What is said about system files, manifests and board's files: each message and place, and every line that makes one.

The cases are in `cases/*.txt`. After a change that is meant, `NK_ACCEPT=1 pytest -n0 tests/system/test_cases.py` writes
the new messages into these files; read the difference.
"""

from __future__ import annotations

import ast
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import neokernel.image.systemfile
from neokernel.compiler.diagnostics import Diagnostic
from neokernel.image.systemfile import document, readiness, state
from neokernel.image.systemfile.checking import examine
from neokernel.image.systemfile.codes import CODES
from neokernel.image.systemfile.document import Findings
from tests.system import cases

ACCEPT = os.environ.get("NK_ACCEPT") == "1"
PACKAGE = Path(next(iter(neokernel.image.systemfile.__path__)))

#: a place that reports: its file's name, and its first line
Site = tuple[str, int]


@pytest.mark.parametrize("file", cases.files(), ids=lambda path: path.stem)
def test_what_is_said(file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = cases.read(file)
    assert len({case.title for case in found}) == len(found)
    for number, case in enumerate(found):
        folder = tmp_path / str(number)
        folder.mkdir()
        monkeypatch.chdir(folder)
        said = cases.said(case.write(folder))
        if ACCEPT:
            case.says = said
        assert said == case.says, f"{file.stem}: {case.title}"
        assert said == cases.said(Path(cases.SYSTEM)), "it is always the same"
    if ACCEPT:
        cases.write(file, found)


# --- files that text can't show ---------------------------------------------------------------------------------------


def unreadable(folder: Path) -> list[Diagnostic]:
    contents = {
        "latin.toml": "# é\n".encode("latin-1"),
        "mark.toml": b"\xef\xbb\xbf[system]\n",
        "long.toml": b"#" * (document.LONGEST + 1),
        "deep.toml": b"x = " + b"[" * 5000,
        "number.toml": b"x = " + b"1" * 5000,
        "newline.toml": b'[system]\r\nname = "x"\r\nboard = 3\r\n',
    }
    found: list[Diagnostic] = []
    for name, content in contents.items():
        (folder / name).write_bytes(content)
        found += examine(Path(name))[1].items
    found += examine(Path("absent.toml"))[1].items
    found += examine(Path())[1].items
    return found


def test_files_that_cannot_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    said = [(item.code, item.message, item.span.line) for item in unreadable(tmp_path)]
    assert said == [
        ("NK2001", "not UTF-8: byte 2 is 0xe9, in line 1", 0),
        ("NK2001", "the file begins with a byte order mark", 0),
        ("NK2001", "long.toml is longer than 1,048,576 bytes", 0),
        ("NK2002", "not valid TOML: too deeply nested", 1),
        ("NK2002", "not valid TOML: a number is too long", 1),
        ("NK2004", "`system.board` is a number", 3),
        ("NK2001", "absent.toml can't be read: No such file or directory", 0),
        ("NK2001", ". can't be read: Is a directory", 0),
    ]


def large(folder: Path, declared: int, few: int, many: int) -> list[Diagnostic]:
    """A system of services whose programs declare nothing, and of some whose programs declare so many of each."""
    imports = (
        "from neokernel.lang import Setting, Uses, setting, u8, uses\nfrom neokernel.runtime.objects import Memory\n"
        "from neokernel.runtime.process import Process\n"
    )
    main = "def main(process: Process) -> None: ...\n"
    uses = "".join(f"x{i}: Uses[Memory] = uses()\n" for i in range(declared))
    settings = "".join(f"y{i}: Setting[u8] = setting(1)\n" for i in range(declared))
    (folder / "many.py").write_text(imports + uses + settings + main)
    (folder / "none.py").write_text(imports + main)
    pools = ", ".join(f'x{i} = "4 KiB"' for i in range(declared))
    services = [
        f'[service.m{i}]\nprogram = "./many.py"\npools = {{ {pools} }}\ncapabilities = 512\n' for i in range(many)
    ]
    services += [f'[service.s{i}]\nprogram = "./none.py"\n' for i in range(few)]
    text = cases.HEAD.replace("./board.toml", "qemu-virt") + "".join(services)
    (folder / "system.toml").write_text(text)
    return examine(Path("system.toml"))[1].items


LARGE = [
    ((65, 0, 1), ["`many` declares 65 capabilities", "`many` declares 65 settings"]),
    ((1, 192, 1), ["test has 193 services"]),
    ((60, 180, 12), ["test has 192 services with 720 declared capabilities together"]),
    ((64, 0, 1), []),
]


@pytest.mark.parametrize(("counts", "messages"), LARGE)
def test_too_many(
    counts: tuple[int, int, int], messages: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    found = large(tmp_path, *counts)
    assert {item.code for item in found} <= {"NK2204"}
    assert [item.message for item in found] == messages


STATE = """@
[service.forgets]
program = "./keeper.py"
[service.empty]
program = "./keeper.py"
preserve = "0 KiB"
[service.wastes]
program = "./plain.py"
preserve = "4 KiB"
[service.keeps]
program = "./keeper.py"
preserve = "4 KiB"
"""
KEEPER = """from neokernel.runtime.process import Process

def main(process: Process) -> None:
    _ = process.state()
"""
SAID_OF_STATE = """warning[NK2209]: `forgets` asks for `process.state()` and preserves nothing: it gets no bytes
 --> system.toml:4:1
  |
4 | [service.forgets]
  | ^^^^^^^^^^^^^^^^^
  = help: write `preserve = "4 KiB"`, or as much as its state needs
  = note: asked for here (keeper.py:4)

warning[NK2209]: `empty` asks for `process.state()` and preserves nothing: it gets no bytes
 --> system.toml:8:12
  |
8 | preserve = "0 KiB"
  |            ^^^^^^^
  = help: write `preserve = "4 KiB"`, or as much as its state needs
  = note: asked for here (keeper.py:4)

warning[NK2210]: `wastes` has memory that is preserved, and never asks for `process.state()`
  --> system.toml:11:12
   |
11 | preserve = "4 KiB"
   |            ^^^^^^^
   = help: take the line out, or read and write there what is to outlive the process

"""


def of_state(folder: Path) -> Findings:
    """What is said once it is known that `keeper.py` asks for its state, and `plain.py` doesn't."""
    machine, findings = examine(cases.Case("state", {"system.toml": STATE, "keeper.py": KEEPER}).write(folder))
    assert machine is not None and not findings.items
    asks = {service.program.main: service.program.name == "keeper" for service in machine.services.values()}
    state.check(machine, asks, findings)
    return findings


def test_state_that_nobody_keeps_or_uses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cases.shown(of_state(tmp_path)) == SAID_OF_STATE


READINESS = """@
[service.asleep]
program = "./server.py"
cpu.passive = true
preserve = "4 KiB"
[service.stuck]
program = "./server.py"
preserve = "4 KiB"
[service.plain]
program = "./server.py"
[service.ready]
program = "./ready.py"
preserve = "4 KiB"
cpu.passive = true
[service.client]
program = "./client.py"
uses = { one = "asleep.service", two = "ready.service" }
preserve = "4 KiB"
"""
SERVING = """from typing import Protocol

from neokernel.lang import Provides, interface, provides
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure

@interface
class Service(Protocol):
    def ask(self) -> None | Failure: ...

service: Provides[Service] = provides()

def main(process: Process) -> None:
    pass
"""
ASKING = """from server import Service

from neokernel.lang import Uses, uses
from neokernel.runtime.process import Process

one: Uses[Service] = uses()
two: Uses[Service] = uses()

def main(process: Process) -> None:
    pass
"""
SAID_OF_READINESS = """warning[NK2211]: `asleep` is passive, and never calls `process.ready()`: it keeps time of its own
 --> system.toml:6:15
  |
6 | cpu.passive = true
  |               ^^^^
  = help: call `process.ready()` in server.py, right before it serves

warning[NK2211]: `stuck` has state to hand over, and never calls `process.ready()`: no version of it can replace another
  --> system.toml:10:12
   |
10 | preserve = "4 KiB"
   |            ^^^^^^^
   = help: call `process.ready()` in server.py, right before it serves

"""


def of_readiness(folder: Path) -> Findings:
    """What is said once it is known that only `ready.py` says that it is ready."""
    ready = SERVING.replace("@interface\nclass Service(Protocol):\n    def ask(self) -> None | Failure: ...\n", "")
    files = {"system.toml": READINESS, "server.py": SERVING, "client.py": ASKING}
    files["ready.py"] = f"from server import Service\n{ready}"
    machine, findings = examine(cases.Case("readiness", files).write(folder))
    assert machine is not None and not findings.items, findings.items
    says = {service.program.main: service.program.name == "ready" for service in machine.services.values()}
    readiness.check(machine, says, findings)
    return findings


def test_who_is_never_ready(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cases.shown(of_readiness(tmp_path)) == SAID_OF_READINESS


def test_programs_that_come_with_neokernel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Which there are changes."""
    monkeypatch.chdir(tmp_path)

    def help(program: str) -> str:
        Path("system.toml").write_text(
            f'[system]\nname = "x"\nboard = "qemu-virt"\n[service.a]\nprogram = "{program}"\n'
        )
        (item,) = examine(Path("system.toml"))[1].errors
        assert item.code == "NK2010"
        return item.help

    assert help("neokernel.services.lok") == "did you mean `neokernel.services.log`?"
    every = help("zzz")
    assert every.startswith("programs that come with Neokernel: `neokernel.drivers.")
    assert "services.init" not in every, "it is in every system"


def test_odd_python_warns_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.chdir(tmp_path)
    case = cases.Case("odd", {"system.toml": '@\n[service.a]\nprogram = "./odd.py"\n'})
    case.files["odd.py"] = cases.world()["plain.py"] + "x = 1if 2else 3\ny = '\\d'\n"
    assert cases.said(case.write(tmp_path)) == "nothing wrong\n\n"
    assert not recwarn.list


# --- completeness -----------------------------------------------------------------------------------------------------


def sites() -> Iterator[tuple[Site, Site]]:
    """Every call that reports: its first and its last line."""
    for path in sorted(PACKAGE.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                owner = ast.unparse(node.func.value)
                if node.func.attr in ("error", "warning") and owner.rpartition(".")[2] == "findings":
                    yield (path.name, node.lineno), (path.name, node.end_lineno or node.lineno)


def test_every_place_that_reports_has_a_case(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reached: set[Site] = set()
    add = Findings._add

    def record(findings: Findings, diagnostic: Diagnostic) -> None:
        frame = sys._getframe(2)
        reached.add((Path(frame.f_code.co_filename).name, frame.f_lineno))
        add(findings, diagnostic)

    monkeypatch.setattr(Findings, "_add", record)
    for number, case in enumerate(case for file in cases.files() for case in cases.read(file)):
        folder = tmp_path / str(number)
        folder.mkdir()
        monkeypatch.chdir(folder)
        examine(case.write(folder))
    monkeypatch.chdir(tmp_path)
    unreadable(tmp_path)
    for counts, _ in LARGE:
        large(tmp_path, *counts)
    of_state(tmp_path)
    (tmp_path / "readiness").mkdir()
    monkeypatch.chdir(tmp_path / "readiness")
    of_readiness(Path.cwd())
    missing = [
        first
        for first, last in sites()
        if not any(name == first[0] and first[1] <= line <= last[1] for name, line in reached)
    ]
    assert not missing, "no case makes these report"


def test_every_code_is_explained_and_given() -> None:
    written = "".join(path.read_text(encoding="utf-8") for path in PACKAGE.glob("*.py") if path.stem != "codes")
    assert set(re.findall(r'(?:error|warning)\(\s*"(NK\d{4})"', written)) == set(CODES)
    for code in CODES.values():
        assert code.title == code.title.strip()
        assert code.explanation.endswith((".", '"'))
        assert bool(code.wrong) == bool(code.right)
