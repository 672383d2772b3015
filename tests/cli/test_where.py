"""`nk where`: from an address to its line, of programs above the kernel and on the bare machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from neokernel.cli.errors import Exit
from neokernel.compiler.llvm.checks import read_checks
from neokernel.image.checks import check_of
from neokernel.image.elf import Image
from tests.cli.support import Nk

HEAD = "from neokernel.lang import u64\nfrom neokernel.runtime.process import Process\n\n\n"
MAIN = HEAD + "def main(process: Process) -> None:\n    process.exit()\n"
CHILD = (
    HEAD
    + """def tenth(number: u64) -> u64:
    return 10 // number


def main(process: Process) -> None:
    process.exit(tenth(process.arguments[0]))
"""
)
TOLD = """\
{address:#x} in child:
  File "system/child.py", line 10, in main
    process.exit(tenth(process.arguments[0]))
                 ^^^^^^^^^^^^^^^^^^^^^^^^^^^
  File "system/child.py", line 6, in tenth
    return 10 // number
           ~~~^^~~~~~~~
DivisionByZero: division by zero
"""


@pytest.fixture
def system(tmp_path: Path, nk: Nk) -> Path:
    """A system that was built: a root and a child that can fail."""
    folder = tmp_path / "system"
    folder.mkdir()
    (folder / "main.py").write_text(MAIN)
    (folder / "child.py").write_text(CHILD)
    assert nk("build", "system").status == 0
    return folder


def division(image: Path) -> int:
    """The address of the trap of the one division that a program checks in a module of its own."""
    found = Image(image)
    (address,) = [
        address
        for address in read_checks(image)
        if (check := check_of(found, address)) is not None
        and check.kind == "division"
        and check.frame.file == "child.py"
    ]
    return address


def test_a_child_is_named_by_its_source_or_its_file(nk: Nk, system: Path) -> None:
    address = division(Path("build/system.programs/child.elf"))
    for path in ("system/child.py", "build/system.programs/child.elf"):
        result = nk("where", path, f"{address:#x}")
        assert (result.status, result.error) == (0, "")
        assert result.output == TOLD.format(address=address)


def test_a_system_is_looked_at_as_a_whole(nk: Nk, system: Path) -> None:
    """Programs begin at one address: each that has code there is shown."""
    address = division(Path("build/system.programs/child.elf"))
    kernel = Image(Path("build/system.elf")).symbols["nk_trap"]
    for path in ("system", "build/system.elf"):
        result = nk("where", path, f"{address:x}", f"{kernel:x}")
        assert (result.status, result.error) == (0, "")
        assert TOLD.format(address=address) in result.output
        assert f"{kernel:#x} in the kernel:\n" in result.output


def test_as_json(nk: Nk, system: Path) -> None:
    address = division(Path("build/system.programs/child.elf"))
    result = nk("where", "--json", "system/child.py", hex(address), "8")
    assert (result.status, result.error) == (Exit.NEGATIVE, "")
    first, second = result.json["addresses"]
    assert (first["address"], second) == (hex(address), {"address": "0x8", "places": []})
    (place,) = first["places"]
    assert (place["program"], place["image"]) == ("child", "build/system.programs/child.elf")
    assert [(frame["function"], frame["line"]) for frame in place["frames"]] == [("main", 10), ("tenth", 6)]
    assert place["check"] == {"name": "DivisionByZero", "message": "division by zero"}


def test_an_instruction_that_checks_nothing_has_a_line(nk: Nk, system: Path) -> None:
    start = Image(Path("build/system.programs/child.elf")).symbols["_start"]
    result = nk("where", "--json", "system/child.py", hex(start))
    ((place,),) = [item["places"] for item in result.json["addresses"]]
    assert result.status == 0
    assert place["check"] is None
    assert place["frames"]


def test_a_table_of_another_build_is_not_believed(nk: Nk, system: Path) -> None:
    address = division(Path("build/system.programs/child.elf"))
    table = Path("build/system.programs/child.checks.json")
    table.write_text(table.read_text().replace('"image": "', '"image": "0'))
    result = nk("where", "system/child.py", hex(address))
    assert result.status == 0
    assert "line 6, in tenth" in result.output
    assert "DivisionByZero" not in result.output


def test_sources_are_found_wherever_they_lay(nk: Nk, system: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither below the current folder, nor in a folder of the image's name."""
    work = system.parent / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    assert nk("build", system, "-o", "image.traced.elf").status == 0
    address = division(Path("image.traced.programs/child.elf"))
    for path in ("image.traced.elf", "image.traced.programs/child.elf"):
        result = nk("where", path, hex(address))
        assert (result.status, result.error) == (0, "")
        assert 'child.py", line 6, in tenth\n    return 10 // number\n           ~~~^^~' in result.output


def test_a_source_that_has_changed_since_is_said(nk: Nk, system: Path) -> None:
    address = hex(division(Path("build/system.programs/child.elf")))
    child = system / "child.py"
    (system / "main.py").write_text(MAIN + "\n# No line of this is shown.\n")
    os.utime(child)
    assert nk("where", "system", address).error == ""
    child.write_text(HEAD + CHILD)
    for path in ("system", "build/system.elf", "system/child.py"):
        result = nk("where", path, address)
        warning = "warning: system/child.py has changed since build/system.programs/child.elf was built: "
        assert (result.status, result.error.count("\n")) == (0, 1)
        assert result.error.startswith(warning)
    (only,) = [
        place
        for place in nk("where", "--json", "system", address).json["addresses"][0]["places"]
        if place["program"] == "child"
    ]
    assert only["changed"] == ["system/child.py"]
    child.write_bytes(CHILD.replace("\n", "\r\n").encode())
    assert nk("where", "system", address).error == "", "the compiler reads the same text"


def test_a_program_of_the_bare_machine(nk: Nk, tmp_path: Path) -> None:
    (tmp_path / "bare.py").write_text(
        "from neokernel.arch.riscv64.bare import Machine\nfrom neokernel.lang import u8\n\n\n"
        "def main(machine: Machine) -> None:\n    x: u8 = 255\n    for n in range(u8(3)):\n        x -= n * 100\n"
        "    machine.power_off(x)\n"
    )
    assert nk("build", "bare.py").status == 0
    image = Image(Path("build/bare.elf"))
    found = [hex(address) for address in read_checks(image.path) if "bare.py" in str(check_of(image, address))]
    result = nk("where", "bare.py", *found)
    assert (result.status, result.error) == (0, "")
    assert "IntegerOverflow: " in result.output


def test_what_is_not_there_is_said(nk: Nk, system: Path) -> None:
    result = nk("where", "system/child.py", "0x10", "8")
    assert (result.status, result.output) == (Exit.NEGATIVE, "")
    assert result.error.startswith("error[NK1009]: no code at 0x10, 0x8 in child\n")
    (system / "new.py").write_text(MAIN)
    result = nk("where", "system/new.py", "0x10")
    assert result.status == Exit.USAGE
    assert "system/new.py hasn't been built here: there is no build/system.programs/new.elf and no build/new.elf" in (
        result.error
    )
    for wrong in ("ten", "-1", "1" + 16 * "0", ""):
        result = nk("where", "system", "--", wrong)
        assert (result.status, result.output) == (Exit.USAGE, "")
        assert "is no address: hexadecimal" in result.error
