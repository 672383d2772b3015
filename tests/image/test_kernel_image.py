"""Images with the kernel: what is in them, what the kernel makes of them, and how programs above it end."""

from __future__ import annotations

import json
import random
import re
import socket
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from elftools.elf.elffile import ELFFile

from neokernel.abi.boot import ARCHIVE_ADDRESS
from neokernel.cli.program import Program, analyse
from neokernel.cli.run import explained
from neokernel.compiler import stack
from neokernel.compiler.pipeline import run_front_end
from neokernel.image import qemu
from neokernel.image.archive import BadArchive, Entry, Part, pack, program_entry, read
from neokernel.image.build import build_image
from neokernel.image.elf import Image
from neokernel.image.kernel import archive_of, kernel_state, programs_folder, root_program
from neokernel.image.panic import ConsoleFilter
from neokernel.image.program import THREAD_START, build_program, examine_program, programs_of
from tests.kernel.devicetree_model import Model
from tests.kernel.devicetree_model import read as read_tree
from tests.kernel.devicetree_model import write as write_tree
from tests.kernel.devicetree_samples import blob_of, cells, texts
from tests.support.machine import QEMU
from tests.support.patience import PATIENCE, eventually

PAGE = 4096
DIRECT = 0xFFFF_FFC0_0000_0000
#: DESIGN, section 7: kernel entry to the first instruction of the root program
BOOT_BUDGET = 150_000

PROGRAM = '''"""A program."""

from neokernel.lang import u8, u64
from neokernel.runtime.process import Process
{extra}

def main(process: Process) -> None:
    process.console.write("begin\\n")
{body}
'''
EXIT = "    process.exit(7)"
#: prints how long the boot took, and waits for good
WAIT = """    process.console.write(f"booted {process.boot().boot_instructions}\\n")
    while True:
        pass"""
CRASH = '    process.console.write(f"{add(process.frequency)}\\n")'
ADD = """

def add(count: u64) -> u8:
    total: u8 = 250
    for _ in range(count):
        total += 1
    return total

"""


def write_program(folder: Path, body: str, extra: str = "", name: str = "main") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.py").write_text(PROGRAM.format(body=body, extra=extra))
    return folder


def built(folder: Path, output: Path, *, checks: bool = True) -> Image:
    result = build_image(folder, output, checks=checks)
    assert result.diagnostics == []
    return Image(output)


@pytest.fixture(scope="module")
def waiting(tmp_path_factory: pytest.TempPathFactory) -> Image:
    """An image whose root program says that it runs, and runs on."""
    folder = tmp_path_factory.mktemp("waiting")
    return built(write_program(folder / "program", WAIT), folder / "image.elf")


def run(image: Image, *options: str) -> tuple[qemu.Outcome, str]:
    """Boot an image: how it ended, and its console."""
    assert QEMU is not None
    shown = bytearray()
    command = [*qemu.command(QEMU, image.path), *options]
    outcome = qemu.run(command, ConsoleFilter(after_start=True), shown.extend, timeout=PATIENCE)
    return outcome, shown.decode()


# --- the archive ------------------------------------------------------------------------------------------------------

ENTRIES = [
    Entry(
        "main", b"code" * 2000, 0x1_0000, 0x1_0040, (Part(0x1_0000, 0, 5000, 5000, 5), Part(0x2_0000, 4096, 9, 99, 6))
    ),
    Entry("empty", b""),
    Entry("n" * 48, b"\0" * 4096),
]


def test_an_archive_reads_as_it_was_packed() -> None:
    packed = pack(ENTRIES)
    assert read(packed) == ENTRIES
    assert len(packed) % PAGE == 0
    assert packed == pack(ENTRIES)
    assert packed.index(b"code") % PAGE == 0


@pytest.mark.parametrize("name", ["", "n" * 49])
def test_names_that_do_not_fit(name: str) -> None:
    with pytest.raises(BadArchive, match="1 to 48"):
        pack([Entry(name, b"")])


def test_damaged_archives_are_rejected_or_read() -> None:
    packed, source, rejected = pack(ENTRIES), random.Random(1), 0
    for _ in range(300):
        damaged = bytearray(packed)
        damaged[source.randrange(400)] = source.randrange(256)
        try:
            read(bytes(damaged))
        except BadArchive:
            rejected += 1
    assert rejected > 50
    for size in (0, 31, 4095, len(packed) - 1):
        with pytest.raises(BadArchive):
            read(packed[:size])


# --- programs ---------------------------------------------------------------------------------------------------------


def test_a_folder_has_a_root_programs_and_libraries(tmp_path: Path) -> None:
    for name in ("zebra", "main", "ant"):
        write_program(tmp_path, EXIT, name=name)
    (tmp_path / "library.py").write_text(
        "from neokernel.lang import u8\n\n\ndef first(number: u8) -> u8:\n    return number\n"
    )
    (tmp_path / "script.py").write_text("def main() -> None:\n    print('of the host')\n")
    assert [path.stem for path in programs_of(tmp_path)] == ["main", "ant", "zebra"]


def test_a_program_lies_in_its_file_as_in_memory(tmp_path: Path) -> None:
    write_program(tmp_path, EXIT)
    result = build_program(tmp_path / "main.py", tmp_path / "main.elf")
    assert result.diagnostics == []
    entry = program_entry("main", result.image, THREAD_START)
    image = Image(result.image)
    assert (entry.entry, entry.thread_entry) == (image.symbols["_start"], image.symbols[THREAD_START])
    with result.image.open("rb") as stream:
        loaded = [part for part in ELFFile(stream).iter_segments("PT_LOAD") if part["p_memsz"]]
        assert [part.data() for part in loaded] == [
            entry.content[part.offset : part.offset + part.file_size] for part in entry.parts
        ]
    assert all(part.address % PAGE == part.offset % PAGE == 0 for part in entry.parts)
    assert not any(part.flags & 3 == 3 for part in entry.parts)  # writable and executable
    assert len(entry.content) < result.image.stat().st_size  # the debug information stays out


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def main(process: Process, more: u64) -> None:\n    pass\n", "`main` can't be started"),
        (
            "def main(process: Process) -> None:\n    pass\n\n\ndef thread(process: Process) -> None:\n    pass\n",
            "`thread` can't be started",
        ),
        ("def main(process: Process) -> u64:\n    return 3\n", "`main` returns u64, and nobody gets it"),
        (
            (
                "def main(process: Process) -> None:\n    pass\n\n\n"
                "def thread(process: Process, argument: u64) -> bool:\n    return True\n"
            ),
            "`thread` returns bool, and nobody gets it",
        ),
    ],
)
def test_what_can_not_be_started_is_said(tmp_path: Path, source: str, message: str) -> None:
    head = "from neokernel.lang import u64\nfrom neokernel.runtime.process import Process\n\n\n"
    (tmp_path / "main.py").write_text(head + source)
    (found,) = build_image(tmp_path, tmp_path / "image.elf").diagnostics
    assert (found.code, found.message, found.span.file) == ("NK0209", message, "main.py")


@pytest.mark.parametrize("parameters", ["", "machine: Machine", "number: u64"])
def test_a_module_of_a_system_whose_main_can_not_be_started_is_not_left_out_in_silence(
    tmp_path: Path, parameters: str
) -> None:
    write_program(tmp_path, EXIT)
    head = "from neokernel.arch.riscv64.bare import Machine\nfrom neokernel.lang import u64\n\n\n"
    (tmp_path / "kid.py").write_text(f"{head}def main({parameters}) -> None:\n    pass\n")
    (found,) = analyse(Program(tmp_path))
    assert (found.code, found.message, found.span.file) == ("NK0209", "`main` can't be started", "kid.py")
    assert build_image(tmp_path, tmp_path / "image.elf").diagnostics == [found]


def test_a_check_looks_at_each_program_of_a_system(tmp_path: Path) -> None:
    write_program(tmp_path, EXIT)
    write_program(tmp_path, "    process.exit(wrong)", name="other")
    (found,) = analyse(Program(tmp_path))
    assert (found.span.file, found.message) == ("other.py", "`wrong` is not defined")


# --- the image --------------------------------------------------------------------------------------------------------


def test_the_same_source_gives_the_same_bytes(tmp_path: Path) -> None:
    images = []
    for name in ("here", "there"):
        write_program(tmp_path / name / "program", EXIT)
        write_program(tmp_path / name / "program", EXIT, name="other")
        images.append(built(tmp_path / name / "program", tmp_path / name / "image.elf"))
    assert images[0].path.read_bytes() == images[1].path.read_bytes()
    assert [entry.name for entry in archive_of(images[0])] == ["main", "other"]


def test_programs_that_are_no_more_leave_nothing_behind(tmp_path: Path) -> None:
    write_program(tmp_path / "program", EXIT)
    write_program(tmp_path / "program", EXIT, name="other")
    image = built(tmp_path / "program", tmp_path / "image.elf")
    assert (programs_folder(image.path) / "other.elf").is_file()
    (tmp_path / "program" / "other.py").unlink()
    image = built(tmp_path / "program", tmp_path / "image.elf")
    assert {path.stem for path in programs_folder(image.path).glob("*.elf")} == {"main"}


def test_the_root_program_of_another_build_is_not_believed(tmp_path: Path) -> None:
    image = built(write_program(tmp_path / "program", EXIT), tmp_path / "image.elf")
    assert root_program(image) is not None
    kept = image.path.read_bytes()
    built(write_program(tmp_path / "program", "    process.exit(8)"), tmp_path / "image.elf")
    image.path.write_bytes(kept)
    assert root_program(Image(image.path)) is None


def test_the_layout_of_an_image(waiting: Image) -> None:
    symbols = waiting.symbols
    with waiting.path.open("rb") as stream:
        elf = ELFFile(stream)
        loaded = [part for part in elf.iter_segments("PT_LOAD") if part["p_memsz"]]
        entry = elf["e_entry"]
    assert not any(part["p_flags"] & 3 == 3 for part in loaded)
    assert entry == min(part["p_paddr"] for part in loaded) == 0x8020_0000
    assert {part["p_vaddr"] - part["p_paddr"] for part in loaded} == {0xFFFF_FFFF_0000_0000}
    assert symbols["nk_archive_start"] % (2 << 20) == 0
    assert symbols["nk_stack_bottom"] - symbols["nk_guard"] == PAGE
    # What boots is apart from what stays.
    for address, _, name in waiting.functions:
        boots = name.startswith(
            ("neokernel.kernel.boot.", "neokernel.kernel.devicetree.", "neokernel.kernel.inventory.")
        )
        if boots or name in ("_start", "nk_boot"):
            assert symbols["nk_image_start"] <= address < symbols["nk_code_start"], name
        elif name in ("nk_trap", "nk_system_call", "nk_fast_call", "nk_leave_boot", "nk_panic_record"):
            assert symbols["nk_code_start"] <= address < symbols["nk_constants_start"], name


# --- the machine ------------------------------------------------------------------------------------------------------


@pytest.mark.qemu
@pytest.mark.parametrize("checks", [True, False])
def test_a_program_prints_and_ends_the_machine(tmp_path: Path, checks: bool) -> None:
    outcome, shown = run(built(write_program(tmp_path / "program", EXIT), tmp_path / "image.elf", checks=checks))
    log, *said = shown.splitlines()
    assert re.fullmatch(r"neokernel on hart 0: \d+ MiB of memory, \d+ devices, \d+ interrupt lines, .*", log)
    assert said == ["begin"]
    assert (outcome.status, outcome.panics) == (7, [])


@pytest.mark.qemu
def test_the_end_of_main_is_a_good_end(tmp_path: Path) -> None:
    outcome, _ = run(built(write_program(tmp_path / "program", ""), tmp_path / "image.elf"))
    assert (outcome.status, outcome.timed_out) == (0, False)


@pytest.mark.qemu
@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("    process.exit(256)", "an exit status is 0 to 255"),
        ("    must(system.delete(OWN_TABLE, PLATFORM))\n    process.exit(3)", "the machine can't be switched off: "),
    ],
)
def test_an_exit_that_cannot_be_ends_the_machine_too(body: str, message: str, tmp_path: Path) -> None:
    extra = (
        "from neokernel.abi.boot import OWN_TABLE, PLATFORM\nfrom neokernel.runtime import system\n"
        "from neokernel.runtime.must import must\n"
    )
    image = built(write_program(tmp_path / "program", body, extra), tmp_path / "image.elf")
    outcome, _ = run(image)
    crash = explained(image, outcome.panics[0], ())
    assert (outcome.status, outcome.timed_out) == (101, False)
    assert crash.last_line.startswith(f"AssertionFailed: {message}")
    assert [frame.function for frame in crash.frames] == ["main", "exit"]


@pytest.mark.qemu
@pytest.mark.parametrize("memory", ["128M", "1500M", "4G"])
def test_machines_with_more_memory(tmp_path: Path, memory: str) -> None:
    body = """    total: u64 = 0
    for region in process.boot().regions[: u64(process.boot().region_count)]:
        if region.device == 0:
            total += region.size >> 20
    process.console.write(f"{total}\\n")"""
    outcome, shown = run(built(write_program(tmp_path / "program", body), tmp_path / "image.elf"), "-m", memory)
    mebibytes = {"128M": 128, "1500M": 1500, "4G": 4096}[memory]
    assert outcome.status == 0
    assert mebibytes - 8 <= int(shown.splitlines()[-1]) < mebibytes


@pytest.mark.qemu
def test_a_crash_of_the_root_is_a_traceback(tmp_path: Path) -> None:
    image = built(write_program(tmp_path / "program", CRASH, ADD), tmp_path / "image.elf")
    outcome, _ = run(image)
    (panic,) = outcome.panics
    crash = explained(image, panic, (tmp_path / "program",))
    assert outcome.status == 101
    assert [frame.function for frame in crash.frames] == ["main", "add"]
    assert crash.last_line.startswith("IntegerOverflow")
    assert not crash.cut


@pytest.mark.qemu
@pytest.mark.parametrize("pointer", [0, 0x3000, 0xFFFF_FFFF_8020_0000, 0xFFFF_FFC0_8020_0000, (1 << 38) - 8, 0x5005])
def test_a_crash_with_any_stack_pointer_is_told(pointer: int, tmp_path: Path) -> None:
    """Nothing is shown that isn't the process's, and the record is whole."""
    body = f'    asm("mv sp, {{0}}\\nunimp", u64({pointer}))'
    program = write_program(tmp_path / "program", body, "from neokernel.lang import asm, unsafe\nunsafe('a test')\n")
    outcome, _ = run(built(program, tmp_path / "image.elf"))
    (panic,) = outcome.panics
    assert (panic.cause, panic.space, panic.registers[2], panic.memory) == (2, 1, pointer, {})
    assert outcome.status == 101


FULL = """    many: Array[u64] = array({count})
    for index in range(len(many)):
        many[index] = process.frequency
    process.exit(many[process.frequency % 1000])"""


def write_full(folder: Path, count: int) -> Path:
    """A program with an array of that many words on its stack."""
    return write_program(folder, FULL.format(count=count), "from neokernel.lang import Array, array\n")


def test_objects_that_the_stack_of_a_process_cannot_hold_are_refused(tmp_path: Path) -> None:
    (found,) = build_image(write_full(tmp_path / "program", 20_000), tmp_path / "image.elf").diagnostics
    assert (found.code, found.span.file) == ("NK0413", "main.py")
    assert found.message.endswith(" are on the stack at once, which has 65_536")
    assert [item.code for item in examine_program(tmp_path / "program" / "main.py")[1]] == ["NK0413"]


@pytest.mark.qemu
def test_a_stack_that_is_too_small_is_said(tmp_path: Path) -> None:
    """The largest array that the build lets pass: what the machine code keeps beside it is too much."""
    words = stack.PROCESS // 8
    (found,) = build_image(write_full(tmp_path / "program", words), tmp_path / "image.elf").diagnostics
    excess = int(found.message.split()[2].replace("_", "")) - stack.PROCESS
    image = built(write_full(tmp_path / "program", words - excess // 8), tmp_path / "image.elf")
    outcome, _ = run(image)
    assert (
        explained(image, outcome.panics[0], ()).last_line
        == "StackOverflow: the program needs more than its 64 KiB of stack"
    )


def test_the_kernel_fits_its_stack() -> None:
    state = kernel_state()
    assert run_front_end(state).diagnostics.items == []
    state = replace(kernel_state(), stack=1024)
    assert {item.code for item in run_front_end(state).diagnostics.items} == {"NK0413"}


@contextmanager
def machine(image: Image, *options: str) -> Iterator[Any]:
    """A machine that has booted into the root program: a function that asks its monitor, and the console so far."""
    assert QEMU is not None
    with tempfile.TemporaryDirectory() as folder:
        console, monitor = Path(folder) / "console", Path(folder) / "monitor"
        command = [QEMU, *("-M", "virt", "-m", "128M", "-display", "none", "-monitor", "none")]
        command += ["-kernel", str(image.path)]
        command += ["-serial", f"file:{console}", "-qmp", f"unix:{monitor},server=on,wait=off", *options]
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL)
        try:

            def up() -> bool:
                assert child.poll() is None
                return console.exists() and b"booted" in console.read_bytes() and monitor.exists()

            eventually(up, "it doesn't boot")

            def ask(command: str) -> str:
                requests: list[dict[str, Any]] = [{"execute": "qmp_capabilities"}]
                requests += [{"execute": "human-monitor-command", "arguments": {"command-line": command}}]
                with socket.socket(socket.AF_UNIX) as client, client.makefile("rw") as lines:
                    client.settimeout(PATIENCE)
                    client.connect(str(monitor))
                    lines.readline()
                    answer: dict[str, Any] = {}
                    for request in requests:
                        lines.write(json.dumps(request) + "\n")
                        lines.flush()
                        answer = json.loads(lines.readline())
                        while "return" not in answer:
                            answer = json.loads(lines.readline())
                    return str(answer["return"])

            yield ask, console.read_text(errors="replace")
        finally:
            child.kill()
            child.wait()


def mappings(text: str) -> list[tuple[int, int, int, str]]:
    """(address, physical, size, rights) of what `info mem` lists."""
    found = re.findall(r"^([0-9a-f]{16}) ([0-9a-f]{16}) ([0-9a-f]{16}) ([-rwxugad]{7})", text, re.MULTILINE)
    return [(int(a, 16), int(p, 16), int(s, 16), rights) for a, p, s, rights in found]


@pytest.mark.qemu
def test_the_final_tables(waiting: Image) -> None:
    with machine(waiting) as (ask, _):
        tables = mappings(ask("info mem"))
    symbols = waiting.symbols
    assert len(tables) > 8
    assert [each for each in tables if "w" in each[3] and "x" in each[3]] == []

    def mapped(address: int) -> list[str]:
        return [rights for start, _, size, rights in tables if start <= address < start + size]

    # The image: nothing of boot, no guard; each part with its own rights; nothing for the user.
    assert mapped(symbols["nk_image_start"]) == mapped(symbols["nk_code_start"] - 1) == []
    assert mapped(symbols["nk_guard"]) == mapped(symbols["nk_stack_bottom"] - 1) == []
    for name, wanted in (("nk_code_start", "r-x"), ("nk_constants_start", "r--"), ("nk_stack_bottom", "rw-")):
        (rights,) = mapped(symbols[name])
        assert rights[:4] == wanted + "-", name
    assert mapped(symbols["nk_archive_start"]) == []
    # Kernel addresses are the kernel's only.
    assert [each for each in tables if each[0] >= 1 << 38 and each[3][3] == "u"] == []
    # Code and constants are written through no other address, and by no user.
    low, high = (symbols[name] - 0xFFFF_FFFF_0000_0000 for name in ("nk_code_start", "nk_data_start"))
    assert [each for each in tables if each[1] < high and low < each[1] + each[2] and "w" in each[3]] == []
    # The user: code, the archive, read-only.
    (rights,) = mapped(0x1_0000)
    assert rights[:4] == "r-xu"
    (rights,) = mapped(int(ARCHIVE_ADDRESS))
    assert rights[:4] == "r--u"
    assert mapped(0) == []
    # Nothing of the direct map can be executed.
    assert [each for each in tables if DIRECT <= each[0] < 0xFFFF_FFFF_8000_0000 and "x" in each[3]] == []


@pytest.mark.qemu
def test_the_boot_keeps_its_budget(waiting: Image) -> None:
    with machine(waiting, *qemu.COUNTED) as (_, console):
        found = re.search(r"booted (\d+)", console)
    assert found is not None
    assert 10_000 < int(found[1]) <= BOOT_BUDGET


# --- device trees -----------------------------------------------------------------------------------------------------


def changed(node: str, key: str, content: bytes) -> bytes:
    """The board's device tree with one property another one; with room for what the firmware adds."""
    tree: Model = read_tree(blob_of("small"))
    for each in tree.root.everything():
        if each.name.decode().startswith(node):
            each.properties = [(name, content if name == key.encode() else old) for name, old in each.properties]
    return write_tree(tree, tail=4096)


@pytest.mark.qemu
@pytest.mark.parametrize(
    ("node", "key", "content", "message"),
    [
        ("plic", "compatible", texts("other"), "the device tree has no interrupt controller (PLIC) for this hart"),
        ("plic", "reg", cells(0, 0x8700_0000, 0, 0x60_0000), "the interrupt controller can't have 0x600000 bytes at"),
        ("memory", "reg", cells(0, 0x8000_0000, 0, 0x30_0000), "the device tree has no memory for the kernel"),
        ("memory", "device_type", texts("other"), "the device tree has no memory for the kernel"),
    ],
)
def test_wrong_device_trees_end_in_a_message(
    tmp_path: Path, waiting: Image, node: str, key: str, content: bytes, message: str
) -> None:
    blob = tmp_path / "tree"
    blob.write_bytes(changed(node, key, content))
    outcome, shown = run(waiting, "-dtb", str(blob))
    assert f"panic: {message}" in shown
    assert outcome.status == 101
    (panic,) = outcome.panics
    assert explained(waiting, panic, ()).name == "Panic"
