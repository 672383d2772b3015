"""`nk check`, `nk graph` and `nk cap` of system files."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from neokernel.cli.errors import Exit
from tests.cli.support import Nk
from tests.system import fuzz

FILES = fuzz.corpus()
SMALL = '[system]\nname = "small"\nboard = "qemu-virt"\n[service.log]\nprogram = "../plain.py"\n'


@pytest.fixture
def system(nk: Nk, tmp_path: Path) -> Path:
    for name, text in FILES.items():
        (tmp_path / name).write_text(text)
    return tmp_path / "system.toml"


def test_the_graph_on_the_terminal(nk: Nk, system: Path) -> None:
    result = nk("graph")
    assert result.status == 0 and result.error == ""
    lines = result.output.splitlines()
    assert lines[0] == "test  a system of 6 services on bench"
    assert "├── serial  used by log" in lines
    assert "│   ├── registers → uart0  registers" in lines
    assert "├── store  reaches all memory" in lines
    assert "│   └── space → 64 KiB  DMA" in lines
    assert nk("graph", "system.toml").output == result.output


def test_the_graph_as_a_picture_and_as_data(nk: Nk, system: Path, tmp_path: Path) -> None:
    assert nk("graph", "-o", "a.svg").output == "a.svg: 6 services\n"
    assert nk("graph", "-o", "b.svg", "system.toml").status == 0
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()
    data = nk("graph", "--json").json
    assert {"from": "log", "to": "serial", "name": "line", "what": "Serial", "unprotected": False} in data["edges"]
    assert [node["name"] for node in data["nodes"] if node["reaches_all_memory"]] == ["store", "disk0", "all memory"]
    assert nk("graph", "-o", "nowhere/a.svg").status == Exit.USAGE
    wrong = nk("graph", "-o", "a.png")
    assert wrong.status == Exit.USAGE and "name a file that ends in .svg" in wrong.error
    assert not (tmp_path / "a.png").exists()


def test_why(nk: Nk, system: Path) -> None:
    result = nk("cap", "why", "client", "uart0")
    assert result.status == 0
    assert result.output.splitlines() == [
        "client reaches uart0, through log, serial:",
        "  client  log: Log → log",
        "  log     line: Serial → serial",
        "  serial  registers: registers, interrupt: interrupt → uart0",
    ]
    assert nk("cap", "why", "store", "disk0").output.startswith("store reaches disk0 directly:\n")
    assert nk("cap", "why", "client", "uart0", "--all", "-s", "system.toml").output == result.output
    data = nk("cap", "why", "client", "serial", "--json").json
    assert [[edge["to"] for edge in way] for way in data["ways"]] == [["log", "serial"]]


def test_why_not(nk: Nk, system: Path) -> None:
    result = nk("cap", "why", "serial", "client")
    assert result.status == Exit.NEGATIVE
    assert result.output == "serial can't reach client: nothing that it holds leads there\n"
    assert nk("cap", "why", "serial", "client", "--json").json == {"ways": [], "unread": [], "exit": 1}
    wrong = nk("cap", "why", "serial", "clint")
    assert wrong.status == Exit.USAGE
    assert "error[NK1011]" in wrong.error and "did you mean `client`?" in wrong.error


@pytest.mark.parametrize(
    ("file", "before", "after", "services"),
    [
        ("client.py", "def main", "def (", {"client"}),
        ("main.py", "from tally import", "from taly import", {"tally"}),
        ("tally.py", "class Tally", "class (", {"client", "tally"}),
    ],
)
def test_programs_that_cannot_be_read_hide_no_authority(
    nk: Nk, tmp_path: Path, file: str, before: str, after: str, services: set[str]
) -> None:
    """What the system file says alone is answered; on standard error, whose program is meant, and where it is wrong."""
    assert nk("new", "service", "tally").status == 0
    source = tmp_path / "tally" / file
    whole = nk("graph", "tally").output
    source.write_text(source.read_text().replace(before, after, 1))
    assert nk("check", "tally").status in (Exit.MANIFEST, Exit.COMPILE)
    found = nk("graph", "tally")
    assert (found.status, found.output) == (0, whole.replace("  Tally", "  ?" if len(services) == 2 else "  Tally"))
    for line, said in zip(found.error.splitlines(), sorted(services, key=whole.index), strict=True):
        assert line.startswith(f"warning: `{said}` is shown as the system file has it, as its program can't be read")
        assert f"tally/{file}" in line
    why = nk("cap", "why", "client", "tally", "-s", "tally")
    assert (why.status, why.output.splitlines()[0], why.error) == (0, "client reaches tally directly:", found.error)
    assert nk("cap", "why", "tally", "kernel.power", "-s", "tally").status == Exit.NEGATIVE
    as_json = nk("graph", "--json", "-o", "a.svg", "tally")
    assert (as_json.error, {each["service"] for each in as_json.json["unread"]}) == ("", services)


def test_a_wrong_line_is_no_answer(nk: Nk, system: Path, tmp_path: Path) -> None:
    """Programs that can't be read excuse no mistake of the system file."""
    (tmp_path / "log.py").write_text("def (\n")
    system.write_text(system.read_text().replace('uses.line = "serial.serial"', 'uses.line = "seral"'))
    for line in (("graph",), ("cap", "why", "client", "uart0")):
        result = nk(*line)
        assert (result.status, result.output) == (Exit.MANIFEST, "") and "NK2011" in result.error


def test_how_many_errors_there_are_says_in_which_files(nk: Nk, system: Path, tmp_path: Path) -> None:
    manifest = tmp_path / "client.service.toml"
    manifest.write_text("memry = 1\n" + manifest.read_text())
    assert "1 error in client.service.toml; `nk explain NK2003` says more" in nk("check").error
    system.write_text(system.read_text().replace("./owner.py", "./onwer.py"))
    assert "2 errors in client.service.toml and system.toml; `nk explain" in nk("check").error


def test_each_target_is_told_of_as_soon_as_it_is_known(nk: Nk, system: Path, tmp_path: Path) -> None:
    """What comes after it, or that it can't be looked at, takes nothing back."""
    (tmp_path / "module.py").write_text('"""Nothing."""\n')
    result = nk("check", "module.py", "absent.py")
    assert (result.status, "NK1002" in result.error) == (Exit.USAGE, True)
    assert result.output.startswith("module.py: nothing wrong; a module")


def test_diff(nk: Nk, system: Path, tmp_path: Path) -> None:
    text = system.read_text()
    new = text.replace('memory = "512 KiB"', 'memory = "1 MiB"').replace(
        'devices.disk = "disk0"', 'devices.disk = "rom0"'
    )
    (tmp_path / "new.toml").write_text(new)
    result = nk("cap", "diff", "system.toml", "new.toml")
    assert result.output.splitlines() == [
        "log",
        "  ~ memory 512 KiB → 1 MiB",
        "store",
        "  - controls disk0",
        "  + controls rom0",
    ]
    assert {"change": "gained", "service": "store", "authority": "controls rom0"} in nk(
        "cap", "diff", "system.toml", "new.toml", "--json"
    ).json["changes"]
    assert nk("cap", "diff", "system.toml", "system.toml").output == "no authority gained or lost\n"


def test_which_system_is_meant(nk: Nk, tmp_path: Path) -> None:
    assert "there is no system file here" in nk("graph").error
    (tmp_path / "systems").mkdir()
    (tmp_path / "plain.py").write_text(FILES["plain.py"])
    for name in ("one", "two"):
        (tmp_path / "systems" / f"{name}.toml").write_text(SMALL.replace("small", name))
        if name == "one":
            assert nk("graph").output.startswith("one  a system of 1 service")
    assert "systems/one.toml, systems/two.toml" in nk("graph").error
    assert nk("graph", "systems").status == nk("graph", "none.toml").status == Exit.USAGE


@pytest.mark.parametrize(
    "line", [["check"], ["graph"], ["cap", "why", "log", "serial"], ["cap", "diff", "system.toml", "system.toml"]]
)
def test_a_wrong_system_is_told(nk: Nk, system: Path, line: list[str]) -> None:
    system.write_text(system.read_text().replace("heartbeat", "hartbeat").replace("uart0", "uart9"))
    result = nk(*line)
    assert result.status == Exit.MANIFEST
    assert "error[NK2003]: unknown key `hartbeat` in `service.log`\n  --> system.toml:" in result.error
    assert "= help: did you mean `heartbeat`?" in result.error
    assert "1 error in system.toml; `nk explain NK2003` says more" in result.error
    found = json.loads(nk(*line, "--json").output)
    assert found["exit"] == Exit.MANIFEST
    (item,) = found["programs"][0]["diagnostics"] if line == ["check"] else found["diagnostics"]
    assert (item["code"], item["severity"], item["file"], item["column"]) == ("NK2003", "error", "system.toml", 1)


def test_a_warning_is_no_error(nk: Nk, tmp_path: Path) -> None:
    (tmp_path / "plain.py").write_text(
        "from neokernel.lang import u64\nfrom neokernel.runtime.process import Process\n\n\n"
        "def main(process: Process) -> None:\n    process.exit(u64(0))\n"
    )
    (tmp_path / "system.toml").write_text(
        '[system]\nname = "test"\nboard = "qemu-virt"\n[service.a]\nprogram = "./plain.py"\n'
        'restart.escalate = "restart-dependants"\n'
    )
    result = nk("check")
    assert result.status == 0
    assert "warning[NK2206]: nobody uses `a`" in result.error
    assert result.output.splitlines() == [
        "system.toml: 1 warning; a system of 1 service on qemu-virt",
        "  memory: 8.25 MiB of 128 MiB given away",
    ]
    assert "warning[NK2206]" in nk("graph").error
    assert nk("check", "--json").json["programs"][0]["diagnostics"][0]["severity"] == "warning"
    (tmp_path / "plain.py").write_text((tmp_path / "plain.py").read_text().replace("u64(0)", "u64(-1)"))
    assert nk("check").status == Exit.COMPILE


def test_state_that_nobody_keeps_is_told(nk: Nk, tmp_path: Path) -> None:
    """By the check and by the build; also if a library asks for it, and only if it is asked for."""
    head = "from neokernel.lang import Span, u8\nfrom neokernel.runtime.process import Process\n\n\n"
    (tmp_path / "library.py").write_text(head + "def kept(own: Process) -> Span[u8]:\n    return own.state()\n")
    main = "def main(process: Process) -> None:\n"
    (tmp_path / "plain.py").write_text("from library import kept\n" + head + main + "    pass\n")
    (tmp_path / "keeper.py").write_text("from library import kept\n" + head + main + "    _ = len(kept(process))\n")
    (tmp_path / "system.toml").write_text(
        '[system]\nname = "test"\nboard = "qemu-virt"\n[service.a]\nprogram = "./keeper.py"\n'
        '[service.b]\nprogram = "./plain.py"\npreserve = "4 KiB"\n'
    )
    for command in ("check", "build"):
        result = nk(command)
        assert result.status == 0
        assert "warning[NK2209]: `a` asks for `process.state()`" in result.error
        assert "asked for here (library.py:6)" in result.error
        assert "warning[NK2210]: `b` has memory that is preserved" in result.error
    swapped = (tmp_path / "system.toml").read_text().replace("keeper", "x").replace("plain", "keeper")
    (tmp_path / "system.toml").write_text(swapped.replace("./x", "./plain"))
    assert nk("check").error == "" and nk("build").error == "building test\n"


@pytest.mark.parametrize(
    ("interface", "method", "special"),
    [("System", "power_off", "init.system"), ("Shutdown", "end_others", "init.shutdown")],
)
def test_who_ends_all_services_reaches_the_power_switch_though_nobody_was_granted_it(
    nk: Nk, tmp_path: Path, interface: str, method: str, special: str
) -> None:
    (tmp_path / "ruler.py").write_text(
        f"from neokernel.interfaces.system import {interface}\nfrom neokernel.lang import Uses, uses\n"
        f"from neokernel.runtime.process import Process\n\ninit: Uses[{interface}] = uses()\n\n\n"
        f"def main(process: Process) -> None:\n    _ = init.{method}()\n"
    )
    (tmp_path / "system.toml").write_text(
        '[system]\nname = "test"\nboard = "qemu-virt"\n[service.a]\nprogram = "./ruler.py"\n'
        f'uses.init = "{special}"\n' + ("trusted = true\n" if special == "init.system" else "")
    )
    assert nk("cap", "why", "a", "kernel.power").output.splitlines() == [
        f"a reaches kernel.power, through {special}:",
        f"  {'a':{len(special)}}  init: {interface} → {special}",
        f"  {special}  switches the machine off → kernel.power",
    ]
    assert "kernel.power" not in nk("graph").output, "it was granted to nobody"


def test_who_has_the_boards_switch_reaches_what_it_switches(nk: Nk, tmp_path: Path) -> None:
    (tmp_path / "visitor.py").write_text(
        "from neokernel.lang import Uses, uses\nfrom neokernel.runtime.objects import Device\n"
        "from neokernel.runtime.process import Process\n\nboard: Uses[Device] = uses()\n\n\n"
        "def main(process: Process) -> None:\n    _ = board.slot\n"
    )
    (tmp_path / "system.toml").write_text(
        '[system]\nname = "test"\nboard = "qemu-virt"\n[service.a]\nprogram = "./visitor.py"\n'
        'devices.board = "switch"\n'
    )
    found = nk("cap", "why", "a", "kernel.power")
    assert found.error == "" and found.output.splitlines() == [
        "a reaches kernel.power, through switch:",
        "  a       board: registers → switch",
        "  switch  switches the machine off → kernel.power",
    ]


@pytest.mark.parametrize(
    ("file", "before", "after", "code", "help"),
    [
        ("main.py", "import Provides, Setting, provides", "import Provides, Setting, provids", "NK0204", "`provides`?"),
        ("main.py", "Provides, Setting, provides", "Setting, provides", "NK0208", "neokernel.lang import Provides"),
        ("main.py", "neokernel.lang", "neokernel.lan", "NK0201", "did you mean `neokernel.lang`?"),
        ("main.py", "from tally import Tally\n", "", "NK0208", "write `from tally import Tally`"),
        ("main.py", "from tally import", "from taly import", "NK0201", "did you mean `tally`?"),
        ("client.py", "objects import Console", "objects import Consol", "NK0204", "did you mean `Console`?"),
        ("tally.py", "interface, ", "", "NK0208", "write `from neokernel.lang import interface`"),
    ],
)
def test_an_import_that_is_missing_is_all_that_is_said(
    nk: Nk, tmp_path: Path, file: str, before: str, after: str, code: str, help: str
) -> None:
    """Not that the declarations that can't be understood don't fit the system file."""
    assert nk("new", "service", "tally").status == 0
    source = tmp_path / "tally" / file
    source.write_text(source.read_text().replace(before, after, 1))
    found = nk("check", "tally", "--json").json["programs"][0]["diagnostics"]
    assert [(item["code"], item["file"]) for item in found] == [(code, f"tally/{file}")]
    assert help in found[0]["help"]
    said = nk("build", "tally")
    assert said.status == Exit.COMPILE and said.error.count("error[") == 1 and code in said.error


def test_what_is_wrong_within_a_program_hides_no_grant(nk: Nk, tmp_path: Path) -> None:
    assert nk("new", "service", "tally").status == 0
    source, system = tmp_path / "tally" / "handler.py", tmp_path / "tally" / "system.toml"
    source.write_text(source.read_text().replace("return self.total", 'return "all"'))
    system.write_text(system.read_text().replace("tally.tally", "tally.other"))
    found = nk("check", "tally", "--json").json["programs"][0]["diagnostics"]
    assert [item["code"] for item in found] == ["NK2104"]


@pytest.mark.parametrize(
    ("arguments", "status", "said", "help"),
    [
        (("check", "sytem.toml"), Exit.USAGE, "NK1010]: sytem.toml doesn't exist", "did you mean `system.toml`?"),
        (("run", "x.toml"), Exit.USAGE, "NK1010]: x.toml doesn't exist", "name a file that ends in .toml, or a folder"),
        (
            ("build", "--deny", "one"),
            Exit.USAGE,
            "NK1012]: --deny 'one' doesn't say what",
            "write `--deny SERVICE.NAME`",
        ),
        (
            ("build", "-o", "folder"),
            Exit.USAGE,
            "NK1005]: folder can't be written: it is a",
            "name a file in it: `folder/x",
        ),
        (("build",), Exit.USAGE, "NK1005]: build can't be written: it is a file, and was to be a", "move it away"),
        (("cap", "why", "one", "one"), Exit.USAGE, "NK1011]: A and B are both one", "name another B"),
        (("check", "empty"), Exit.USAGE, "NK1002]: empty has no main.py", "name a folder with a main.py"),
    ],
)
def test_what_cannot_be_meant(
    nk: Nk, tmp_path: Path, arguments: tuple[str, ...], status: int, said: str, help: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "empty").mkdir()
    (tmp_path / "build").write_text("")
    (tmp_path / "one.py").write_text(
        "from neokernel.runtime.process import Process\n\ndef main(process: Process) -> None:\n    process.ready()\n"
    )
    (tmp_path / "system.toml").write_text(
        '[system]\nname = "x"\nboard = "qemu-virt"\n[service.one]\nprogram = "./one.py"\n'
    )
    result = nk(*arguments)
    first, second = result.error.splitlines()[:2]
    assert (result.status, first.startswith(f"error[{said}"), second.startswith(f"  help: {help}")) == (
        status, True, True,
    ), result.error  # fmt: skip


def test_a_folder_is_no_system_file(nk: Nk, tmp_path: Path) -> None:
    (tmp_path / "system.toml").mkdir()
    result = nk("check")
    assert (result.status, result.error.splitlines()[0]) == (Exit.USAGE, "error[NK1010]: system.toml is a folder")
