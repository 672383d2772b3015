"""Names in debug information: what was generated for an interface is called as the user wrote it, and is marked."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from elftools.elf.elffile import ELFFile

from neokernel.image.program import build_program

PROGRAM = Path(__file__).parents[1] / "runtime" / "interfaces" / "server.py"
GDB = next((found for name in ("gdb-multiarch", "gdb") if (found := shutil.which(name))), None)


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    built = build_program(PROGRAM, tmp_path_factory.mktemp("names") / "server.elf", release=False)
    assert not built.diagnostics
    return built.image


def test_no_name_is_one_that_nobody_wrote(image: Path) -> None:
    generated: dict[str, bool] = {}
    with image.open("rb") as stream:
        for unit in ELFFile(stream).get_dwarf_info().iter_CUs():
            for entry in unit.iter_DIEs():
                for attribute in ("DW_AT_name", "DW_AT_linkage_name"):
                    if attribute in entry.attributes:
                        assert b"_nki_" not in entry.attributes[attribute].value
                if entry.tag == "DW_TAG_subprogram" and "DW_AT_name" in entry.attributes:
                    name = entry.attributes["DW_AT_name"].value.decode()
                    generated[name.partition("[")[0]] = "DW_AT_artificial" in entry.attributes
    assert generated["calls.Provides"] and not generated["handler.Handler.add"]


@pytest.mark.skipif(GDB is None, reason="needs gdb")
def test_a_debugger_shows_them(image: Path) -> None:
    assert GDB is not None
    shown = subprocess.run(
        [GDB, "-nx", "-batch", "-ex", "info functions Calls", "-ex", "info functions _nki_", image],
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    before, _, after = shown.partition('All functions matching regular expression "_nki_":')
    assert "calls.Provides[Calls].serve" in before
    assert after.strip() == ""
