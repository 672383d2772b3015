"""`nk size`: every byte is counted once, in the row of the file that it is from; lines are those with code."""

from __future__ import annotations

from pathlib import Path

import pytest

from neokernel.bench import registry
from neokernel.cli import bench, size
from neokernel.cli.errors import Exit
from neokernel.cli.size import COLUMNS
from neokernel.compiler import toolchain
from neokernel.compiler.llvm import riscv64
from neokernel.compiler.pipeline import export, run_front_end
from neokernel.image import kernel, proofs
from neokernel.image.elf import Image
from neokernel.image.sizes import CONSTANTS, DATA, PADDING, SHARED, UNKNOWN, Size, count_lines, file_of, measure
from tests.cli.support import EXAMPLES, Nk, write_program

SCRIPT = """
OUTPUT_ARCH(riscv)
ENTRY(_start)
PHDRS { all PT_LOAD FLAGS(7); }
SECTIONS {
    . = 0x80200000;
    .boot : { KEEP(*(.text.nk.start)) . = ALIGN(64); KEEP(*(.boot.pages)) } :all
    .text : { KEEP(*(.text.nk.trap)) KEEP(*(.text .text.*)) } :all
    .rodata : { KEEP(*(.rodata)) } :all
    .data : { KEEP(*(.data)) } :all
}
"""

#: a module with assembly, as the package has them
BOOT = '''
"""Boot."""
assembly(f"""
    .section .text.nk.start, "ax", @progbits
    .globl _start
    .type _start, @function
_start:
    .fill {START}, 4, 0x13
    .size _start, . - _start
other:
    .fill 2, 4, 0x13
    .section .boot.pages, "aw", @progbits
table: .zero 64
""")
'''
TRAP = '''
"""Traps."""
assembly("""
    .section .text.nk.trap, "ax", @progbits
trap:
    .fill 1, 4, 0x13
inner:
    .fill 3, 2, 1
""")
'''
REST = """
    .text
    .balign 16
    .globl compiled
    .type compiled, @function
compiled: .fill 5, 2, 1
    .size compiled, . - compiled
    .balign 16
    .type last, @function
last: .fill 1, 2, 1
    .size last, . - last
    .type OUTLINED_FUNCTION_0, @function
OUTLINED_FUNCTION_0: .fill 3, 2, 1
    .size OUTLINED_FUNCTION_0, . - OUTLINED_FUNCTION_0
    .section .rodata
    .zero 30
    .data
    .zero 7
"""


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("size")
    text = "".join(part.split('"""')[3].replace("{START}", "5") for part in (BOOT, TRAP)) + REST
    toolchain.assemble(text, folder / "image.o", riscv64())
    toolchain.link([folder / "image.o"], folder / "image.elf", SCRIPT)
    return folder / "image.elf"


def test_bytes_by_file(image: Path) -> None:
    sizes = measure(image, {"boot.py": BOOT, "trap.py": TRAP})
    assert sizes["boot.py"] == Size(boot=28)
    assert sizes["trap.py"] == Size(text=10)
    assert sizes[UNKNOWN] == Size(text=10 + 2)
    assert sizes[SHARED] == Size(text=6)
    assert sizes[PADDING] == Size(text=12, boot=36)
    assert sizes[DATA] == Size(boot=64)
    assert sizes[CONSTANTS] == Size(rodata=30)


def test_the_rows_add_up_to_the_sections(image: Path) -> None:
    sections = {name: size for _, size, name in Image(image).sections}
    for sources in ({}, {"boot.py": BOOT}, {"boot.py": BOOT, "trap.py": TRAP}):
        sizes = measure(image, sources).values()
        assert sum(size.text for size in sizes) == sections[".text"]
        assert sum(size.boot for size in sizes) == sections[".boot"]
        assert sum(size.rodata for size in sizes) == sections[".rodata"]


def test_functions_without_debug_information_are_of_their_module(image: Path) -> None:
    sizes = measure(image, {}, {"compiled": "none.py", "neokernel.compiled": "a.py", "neokernel": "b.py"})
    assert sizes[UNKNOWN].text == 10 + 2, "`compiled` is no module's"
    assert file_of("neokernel.compiled.Kind.method", {"neokernel.compiled": "a.py", "neokernel": "b.py"}) == "a.py"
    assert file_of("neokernel.other", {"neokernel.compiled": "a.py"}) is None


def test_a_label_that_two_files_have_is_of_the_one_that_is_linked(image: Path) -> None:
    other = 'assembly("""\n    .text\ntrap:\nnot_linked:\n""")\n'
    assert "z.py" not in measure(image, {"z.py": other, "boot.py": BOOT, "trap.py": TRAP})
    assert "a.py" not in measure(image, {"a.py": other, "boot.py": BOOT, "trap.py": TRAP})


# --- lines ------------------------------------------------------------------------------------------------------------

SOURCE = '''"""A module.

Of three lines.
"""

from neokernel.lang import struct  # 1

# a comment


@struct  # 2
class Thing:  # 3
    """One
    two."""

    #: a field
    size: u64 = 0  # 4

    def grow(  # 5
        self,  # 6

        # how much
        by: u64,  # 7
    ) -> None:  # 8
        """Grow."""
        self.size += by; self.size += 1  # 9


assembly("""
    # to nowhere
    nop

    nop  # this line, the one before, and the two with quotes
""")
'''


def test_lines_that_count() -> None:
    assert count_lines(SOURCE) == 9 + 4


@pytest.mark.parametrize(
    ("source", "lines"),
    [("", 0), ("\n\n# x\n", 0), ('"""Only."""', 0), ("x = 1", 1), ("def f() -> None: '''doc'''", 0)],
)
def test_few_lines(source: str, lines: int) -> None:
    assert count_lines(source) == lines


# --- the command ------------------------------------------------------------------------------------------------------


def test_a_program(nk: Nk, tmp_path: Path) -> None:
    result = nk("size", EXAMPLES / "02_overflow", "--json")
    assert result.status == 0
    total, files = result.json["total"], result.json["files"]
    assert set(total) == set(COLUMNS)
    assert all(set(row) == set(COLUMNS) for row in files.values())
    assert {column: sum(row[column] for row in files.values()) for column in COLUMNS} == total

    assert total["text"] == total["text_checked"], "only the kernel's checks are proven"
    for checks, column in (("--checks", "text"), ("--no-checks", "text_unchecked")):
        assert nk("build", EXAMPLES / "02_overflow", "-o", "image.elf", checks).status == 0
        sections = {name: size for _, size, name in Image(tmp_path / "image.elf").sections}
        assert total[column] == sections[".text"]
    assert total["rodata"] > 0
    (main,) = (row for name, row in files.items() if name.endswith("02_overflow/main.py"))
    assert main["lines"] == count_lines((EXAMPLES / "02_overflow" / "main.py").read_text())
    assert files["neokernel/arch/riscv64/bare.py"]["text"] > 0
    assert UNKNOWN not in files


def test_an_image(nk: Nk) -> None:
    assert nk("build", EXAMPLES / "01_hello", "-o", "image.elf").status == 0
    ours, image = nk("size", EXAMPLES / "01_hello", "--json").json, nk("size", "image.elf", "--json").json
    assert image["total"]["text"] == ours["total"]["text"]
    assert all(image["total"][column] is None for column in ("text_checked", "text_unchecked", "lines"))
    assert {name: row["text"] for name, row in image["files"].items()} == {
        name: row["text"] for name, row in ours["files"].items() if row["text"] or name in image["files"]
    }


def test_the_kernel(nk: Nk, tmp_path: Path) -> None:
    result = nk("size", "--kernel", "--json")
    assert result.status == 0, result.error
    total, files = result.json["total"], result.json["files"]
    assert {column: sum(row[column] for row in files.values()) for column in COLUMNS} == total
    assert UNKNOWN not in files
    assert "neokernel/arch/cpu.py" not in files, "the host's model isn't in the kernel"
    # What starts the machine is in the boot section alone, what a system call goes through isn't.
    assert files["neokernel/kernel/boot.py"]["text"] == files["neokernel/kernel/slot.py"]["boot"] == 0
    assert files["neokernel/kernel/boot.py"]["boot"] > 0
    assert files["neokernel/arch/riscv64/cpu.py"]["text"] > 0
    assert files["neokernel/kernel/objects.py"]["lines"] > files["neokernel/kernel/objects.py"]["text"] == 0
    assert all(row["lines"] == 0 for name, row in files.items() if name.startswith("neokernel/runtime/"))

    # Proven checks aren't in what ships; others are.
    assert total["text_unchecked"] < total["text_checked"] >= total["text"]
    # The kernel of any image is the same.
    (tmp_path / "program.py").write_text(PROGRAM)
    assert nk("build", "program.py", "-o", "image.elf").status == 0
    image = nk("size", "image.elf", "--json").json
    assert {name: row["text"] for name, row in image["files"].items() if row["text"]} == {
        name: row["text"] for name, row in files.items() if row["text"]
    }


@pytest.fixture
def record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Another record of proofs."""
    path = tmp_path / "proofs.json"
    for module in (proofs, kernel):
        monkeypatch.setattr(module, "RECORD", path)
    return path


def test_a_kernel_that_is_not_as_shipped_is_said(
    nk: Nk, tmp_path: Path, record: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Once, by those that show it: its checks are all there, as what was proven is of another kernel."""
    (tmp_path / "program.py").write_text(PROGRAM)
    record.write_text('{"program": "another", "proven": {}}')
    monkeypatch.setattr(registry, "run", lambda *_: [])
    monkeypatch.setattr(bench, "qemu_program", lambda: None)
    monkeypatch.setattr(size, "measure_sources", lambda *_, **__: {})
    lines: list[tuple[object, ...]] = [("size", "--kernel"), ("build", "program.py"), ("bench", "kernel")]
    for line in lines * 2:
        result = nk(*line)
        said = result.error.removeprefix("building program\n")
        assert (result.status, said.count("\n")) == (0, 1)
        assert said.startswith("warning: the kernel is built with all its checks, ")
        assert "`nk prove --record`" in said
    assert "warning" not in nk("build", "program.py", "--no-checks").error + nk("size", "program.py").error

    program = run_front_end(kernel.kernel_state()).program
    assert program is not None
    export(program, kernel.EXPORTS)
    proofs.write(program, {}, {})
    assert "warning" not in nk("build", "program.py").error, "the record is of this kernel"


@pytest.mark.slow
def test_its_sizes_are_those_of_a_kernel_with_all_checks(nk: Nk, record: Path) -> None:
    record.write_text('{"program": "another", "proven": {}}')
    total = nk("size", "--kernel", "--json").json["total"]
    assert total["text"] == total["text_checked"]


PROGRAM = '''"""A program of a user."""

from neokernel.lang import u64
from neokernel.runtime.process import Process


def main(process: Process) -> None:
    number: u64 = 1
    process.console.write(f"{number}")
'''


def test_the_table(nk: Nk) -> None:
    lines = nk("size", EXAMPLES / "01_hello").output.splitlines()
    assert lines[0].split() == ["text", "checked", "unchecked", "boot", "rodata", "lines"]
    assert lines[-1].endswith("  total")
    numbers = [int(line.split()[0].replace(",", "")) for line in lines[1:]]
    assert sum(numbers[:-1]) == numbers[-1]


def test_each_program_of_a_system(nk: Nk, tmp_path: Path) -> None:
    (tmp_path / "system").mkdir()
    for name in ("main", "other"):
        (tmp_path / "system" / f"{name}.py").write_text(PROGRAM)
    found = nk("size", "system", "--json").json
    alone = nk("size", "system/other.py", "--json").json
    assert list(found["programs"]) == ["main", "other"]
    assert "programs" not in alone
    assert found["programs"]["other"] == {"total": alone["total"], "files": alone["files"]}
    for column in set(COLUMNS) - {"lines"}:
        assert found["total"][column] == sum(each["total"][column] for each in found["programs"].values())
        assert found["total"][column] == sum(row[column] for row in found["files"].values())
    assert found["total"]["lines"] == alone["total"]["lines"] + count_lines(PROGRAM), "what they share is counted once"

    lines = nk("size", "system").output.splitlines()
    totals = {line.split(maxsplit=6)[6]: line.split()[0].replace(",", "") for line in lines if "total" in line}
    assert list(totals) == ["total of main", "total of other", "total of 2 programs"]
    assert int(totals["total of other"]) == alone["total"]["text"]


def test_a_dash_where_lines_are_not_counted(nk: Nk, tmp_path: Path) -> None:
    (tmp_path / "one.py").write_text(PROGRAM)
    lines = nk("size", "one.py").output.splitlines()
    counted = {line.split(maxsplit=6)[6]: line.split()[5] for line in lines[1:]}
    assert counted["neokernel/runtime/process.py"] == counted["(padding)"] == "-"
    assert int(counted["one.py"]) == count_lines(PROGRAM)
    assert "-" not in counted["total"]


def test_what_has_no_size(nk: Nk, tmp_path: Path) -> None:
    assert nk("size", "missing").status == Exit.USAGE
    assert "error[NK1002]" in nk("size", "missing").error
    (tmp_path / "broken.elf").write_bytes(b"\x7fELF and nothing else")
    assert "error[NK1004]" in nk("size", "broken.elf").error
    refused = nk("size", write_program(tmp_path, "x: u8 = 300"))
    assert refused.status == Exit.COMPILE
    assert "300" in refused.error


def test_the_first_stage(nk: Nk) -> None:
    found = nk("size", "--stage", "--json").json
    files = found["files"]
    assert files["neokernel/stage/verify.py"]["lines"] > 100
    assert 20_000 < found["total"]["text"] < 32_000
    assert found["total"]["text_unchecked"] < found["total"]["text"]


def test_what_is_measured_without_a_name(nk: Nk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As with the other commands, the system file here: it is found, and understood."""
    monkeypatch.setattr(size, "kernel", lambda: pytest.fail("the kernel is measured"))
    (tmp_path / "systems").mkdir()
    for folder in ("systems", "."):
        (tmp_path / folder / "system.toml").write_text("[system]\n")
        refused = nk("size")
        assert (refused.status, "system.toml:1:1" in refused.error) == (Exit.MANIFEST, True), refused.error
    measured: list[str] = []
    monkeypatch.setattr(size, "kernel", lambda: measured.append("kernel"))
    monkeypatch.setattr(size, "measure_sources", lambda *_, **__: {})
    assert nk("size", "--kernel").status == 0
    (tmp_path / "system.toml").unlink()
    (tmp_path / "systems" / "other.toml").write_text("")
    assert nk("size").status == 0
    (tmp_path / "systems" / "system.toml").unlink()
    (tmp_path / "systems" / "other.toml").unlink()
    assert nk("size").status == 0
    assert measured == ["kernel"] * 3, "when it is asked for, when one of several systems may be meant, and without any"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--stage", "program"), "--stage takes no program"),
        (("--kernel", "program"), "--kernel takes no program"),
        (("--kernel", "--stage"), "--kernel and --stage are two things"),
    ],
)
def test_what_is_two_things(nk: Nk, arguments: tuple[str, ...], said: str) -> None:
    wrong = nk("size", *arguments)
    assert (wrong.status, wrong.error.partition("\n")[0]) == (Exit.USAGE, f"error[NK1001]: {said}")
