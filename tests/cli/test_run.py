"""`nk run`, `build`, `check`, `dump`: one program, on the machine and under CPython."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from neokernel import lang
from neokernel.cli.errors import Exit
from neokernel.cli.host import crash_of
from neokernel.compiler.llvm.checks import read_checks
from neokernel.image.checks import BREAKPOINT, check_at
from neokernel.image.elf import Image
from neokernel.image.panic import PanicRecord
from tests.cli.support import EXAMPLES, REPOSITORY, Nk, Result, start, write_program
from tests.support.patience import LONGEST_RUN, PATIENCE, eventually, long_enough

MACHINES = [pytest.param((), marks=pytest.mark.qemu, id="qemu"), pytest.param(("--host",), id="host")]


@pytest.mark.parametrize("machine", MACHINES)
def test_hello(nk: Nk, machine: tuple[str, ...]) -> None:
    result = nk("run", *machine, EXAMPLES / "01_hello")
    told = "" if machine else f"building 01_hello\nbooting {Path('build/01_hello.elf')}\n"
    assert (result.status, result.error) == (0, told)
    assert result.output.startswith("Hello from Python, with no Python below it.\nfibonacci(5) = 5\n")
    assert result.output.endswith("fibonacci(9) = 34\n")


@pytest.mark.parametrize("machine", MACHINES)
def test_overflow_is_a_python_traceback(nk: Nk, machine: tuple[str, ...]) -> None:
    result = nk("run", *machine, EXAMPLES / "02_overflow")
    assert result.status == 101
    assert result.output.startswith("ten times 25 is 250\n")
    *lines, last = result.error[result.error.index("Traceback") :].splitlines()
    path = EXAMPLES / "02_overflow" / "main.py"
    assert lines == [
        "Traceback (most recent call last):",
        f'  File "{path}", line 20, in main',
        '    machine.console.write(f"ten times 26 is {add_up(26)}\\n")',
        "                                             ^^^^^^^^^^",
        f'  File "{path}", line 14, in add_up',
        "    total = total + step",
        "            ~~~~~~^~~~~~",
    ]
    assert last.startswith("IntegerOverflow: ")


QUITS = '''"""Ends in what nothing comes back from."""

from __future__ import annotations

from typing import NoReturn

from neokernel.arch.riscv64.bare import Machine
from neokernel.lang import cold, u64, unreachable


@cold
def give_up(number: u64) -> NoReturn:
    assert number == 0, "given up"
    unreachable("the number is wrong")


@cold
def decide(number: u64) -> NoReturn:
    give_up(number + 1)


@cold
def work(number: u64) -> u64:
    if number > 3:
        decide(number)
    return number


def main(machine: Machine) -> None:
    machine.console.write(f"{work(7)}")
'''


@pytest.mark.parametrize("machine", MACHINES)
def test_functions_that_call_nothing_that_returns_are_in_the_traceback(
    nk: Nk, tmp_path: Path, machine: tuple[str, ...]
) -> None:
    """They need no return address; whoever reads the traceback does."""
    (tmp_path / "quits.py").write_text(QUITS)
    panic = nk("run", "--json", *machine, "quits.py").json["panics"][0]
    assert [frame["function"] for frame in panic["frames"]] == ["main", "work", "decide", "give_up"]
    assert panic["complete"] is True


@pytest.mark.parametrize("machine", MACHINES)
def test_crash_as_json(nk: Nk, tmp_path: Path, machine: tuple[str, ...]) -> None:
    result = nk("run", "--json", *machine, EXAMPLES / "02_overflow")
    assert result.status == result.json["exit"] == 101
    assert result.json["timed_out"] is False
    (panic,) = result.json["panics"]
    assert panic["name"] == "IntegerOverflow"
    assert [(frame["function"], frame["line"]) for frame in panic["frames"]] == [("main", 20), ("add_up", 14)]
    assert panic["complete"] is True


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize("status", [0, 3, 255])
def test_status_is_the_guests(nk: Nk, tmp_path: Path, machine: tuple[str, ...], status: int) -> None:
    program = write_program(tmp_path, f"machine.power_off({status})")
    assert nk("run", *machine, program).status == status


@pytest.mark.parametrize("machine", MACHINES)
@pytest.mark.parametrize(
    ("body", "name"),
    [
        ("unreachable('never')", "UnreachableReached"),
        ("values: Array[u32] = array(4)\nvalues[usize(index())] = 1", "IndexOutOfRange"),
        ("x = index() - index()\nassert x != 0", "AssertionFailed"),
        ("x = u8(index() * 100)\nmachine.power_off(x)", "ConversionFailed"),
        ("x = 1 // (index() - 4)\nmachine.console.write(f'{x}')", "DivisionByZero"),
    ],
)
def test_kinds_of_failure(nk: Nk, tmp_path: Path, machine: tuple[str, ...], body: str, name: str) -> None:
    """Both readings give one name to one failure."""
    program = write_program(tmp_path, body)
    program.write_text(program.read_text() + "\n\ndef index() -> u32:\n    return 4\n")
    result = nk("run", *machine, program)
    assert result.status == 101
    assert result.error.splitlines()[-1].partition(":")[0] == name


@pytest.mark.parametrize("machine", MACHINES)
def test_time_limit(nk: Nk, tmp_path: Path, machine: tuple[str, ...]) -> None:
    program = write_program(tmp_path, "machine.console.write('on\\n')\nwhile True:\n    pass")

    def run(seconds: int) -> Result:
        result = nk("run", "--timeout", seconds, *machine, program)
        assert result.status == Exit.TIMEOUT
        assert "error[NK1104]" in result.error
        return result

    assert long_enough(run, lambda result: result.output != "").output == "on\n"


@pytest.mark.parametrize("machine", [(), ("--host",)])
@pytest.mark.parametrize("seconds", ["0", "-1", "nan", "inf", "1e300", "soon"])
def test_a_time_limit_is_some_seconds(nk: Nk, machine: tuple[str, ...], seconds: str) -> None:
    result = nk("run", f"--timeout={seconds}", *machine, EXAMPLES / "01_hello")
    assert (result.status, result.output) == (Exit.USAGE, "")
    assert "error[NK1001]" in result.error


@pytest.mark.parametrize("machine", MACHINES)
def test_a_reader_that_goes_away(tmp_path: Path, machine: tuple[str, ...]) -> None:
    program = write_program(tmp_path, "while True:\n    machine.console.write('on\\n')")
    with start("run", *machine, program, "--timeout", LONGEST_RUN) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"on\n"
        process.stdout.close()
        assert process.stderr is not None
        said = process.stderr.read().splitlines()
        assert said == ([] if machine else [b"building program", b"booting build/program.elf"])
        process.stderr.close()
        assert process.wait(PATIENCE) == Exit.BROKEN_PIPE


def test_an_interrupt_while_nk_is_read_leaves_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "click.py").write_text("import os, signal\nos.kill(os.getpid(), signal.SIGINT)\n")
    line = [sys.executable, "-c", "from neokernel.cli.main import main; main()", "--version"]
    environment = {**os.environ, "PYTHONPATH": f"{tmp_path}:{REPOSITORY}"}
    done = subprocess.run(line, check=False, capture_output=True, env=environment)
    assert (done.returncode, done.stderr) == (Exit.INTERRUPT, b"error[NK1105]: interrupted\n")


@pytest.mark.parametrize("module", ["neokernel.lang.hook", "neokernel.cli.main", "click"])
def test_an_interrupt_at_any_time_before_the_command_leaves_no_traceback(tmp_path: Path, module: str) -> None:
    """As the console script, which is stopped when a module is about to be read."""
    script = tmp_path / "nk"
    script.write_text(
        "import os, signal, sys\n"
        "class Stop:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        f"        if name == {module!r}:\n"
        "            os.kill(os.getpid(), signal.SIGINT)\n"
        "sys.meta_path.insert(0, Stop())\n"
        "from neokernel.cli.main import main\n"
        "main()\n"
    )
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    line = [sys.executable, str(script), "explain", "NK2209"]
    done = subprocess.run(line, check=False, capture_output=True, env=environment)
    assert (done.returncode, done.stderr) == (Exit.INTERRUPT, b"error[NK1105]: interrupted\n")


@pytest.mark.qemu
def test_input_that_is_no_terminal_is_not_passed_on_and_said(tmp_path: Path) -> None:
    program = write_program(tmp_path, "machine.console.write('on\\n')")
    line = [sys.executable, "-c", "from neokernel.cli.main import main; main()", "run", str(program)]
    done = subprocess.run(line, check=False, capture_output=True, input=b"help\n", cwd=tmp_path)
    assert done.returncode == 0
    building, booting, note = done.stderr.decode().splitlines()
    assert (building, booting) == ("building program", "booting build/program.elf")
    assert note == "note: the machine doesn't get this input: only a terminal is passed on"


@pytest.mark.qemu
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_stops_the_machine(tmp_path: Path, number: signal.Signals) -> None:
    program = write_program(tmp_path, "machine.console.write('on\\n')\nwhile True:\n    pass")
    with start("run", program) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"on\n"
        children = Path(f"/proc/{process.pid}/task/{process.pid}/children")
        pids = children.read_text().split() if children.exists() else []
        process.send_signal(number)
        _, error = process.communicate(timeout=PATIENCE)
    assert process.returncode == Exit.INTERRUPT
    said = {signal.SIGINT: b"stopped by ctrl-C", signal.SIGTERM: b"error[NK1105]: ended by SIGTERM"}
    assert error.splitlines()[-1] == said[number]
    eventually(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), "QEMU goes on")


def has_ended(stat: Path) -> bool:
    """A process of which nobody may have taken notice yet: then it is a zombie."""
    try:
        return stat.read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True


@pytest.mark.qemu
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process can't be told that its parent has ended")
def test_a_killed_nk_leaves_no_machine(tmp_path: Path) -> None:
    program = write_program(tmp_path, "machine.console.write('on\\n')\nwhile True:\n    pass")
    with start("run", program) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"on\n"
        (pid,) = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
        process.kill()
        process.communicate()
        eventually(lambda: has_ended(Path(f"/proc/{pid}/stat")), "QEMU goes on")


@pytest.mark.qemu
def test_control_c_on_a_terminal(tmp_path: Path) -> None:
    """The terminal's interrupt reaches us and QEMU at once; the terminal is as it was."""
    program = write_program(tmp_path, "machine.console.write('on\\n')\nwhile True:\n    pass")
    nk = f"{sys.executable} -c 'from neokernel.cli.main import main; main()'"
    shell = f'trap : INT; stty -g; {nk} run "{program}"; echo status $?; stty -g'
    terminal = f"import pty; pty.spawn(['sh', '-c', {shell!r}])"
    environment = {**os.environ, "PYTHONPATH": str(EXAMPLES.parent), "CI": "1", "NO_COLOR": "1"}
    process = subprocess.Popen(
        [sys.executable, "-c", terminal],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=environment,
        cwd=tmp_path,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    shown: list[str] = []
    while not shown or shown[-1] != "on":
        line = process.stdout.readline()
        assert line, shown  # it ended before the program ran
        shown.append(line.decode().strip())
    process.stdin.write(b"\x03")
    process.stdin.flush()
    rest = process.communicate(timeout=PATIENCE)[0].decode().split()
    assert rest[-3:-1] == ["status", "130"]
    assert rest[-1] == shown[0]
    assert "qemu" not in " ".join(rest)


@pytest.mark.qemu
def test_raw_shows_firmware_and_record(nk: Nk, tmp_path: Path) -> None:
    result = nk("run", "--raw", EXAMPLES / "02_overflow")
    assert "OpenSBI" in result.output
    assert "nk-panic 1\nscause" in result.output
    assert "nk-panic" in (tmp_path / "build/02_overflow.console").read_text()


@pytest.mark.qemu
def test_an_image_s_traceback_has_source_lines_wherever_it_is_run(
    nk: Nk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = shutil.copytree(EXAMPLES / "02_overflow", tmp_path / "program")
    image = tmp_path / "elsewhere" / "failing.elf"
    image.parent.mkdir()
    assert nk("build", program, "-o", image).status == 0
    monkeypatch.chdir("/")
    assert "    total = total + step\n" in nk("run", image).error
    image.with_suffix(".checks.json").unlink()
    assert nk("run", image).status == 101, "then there are none"


@pytest.mark.qemu
def test_an_image_runs_without_its_source(nk: Nk, tmp_path: Path) -> None:
    built = nk("build", "--json", EXAMPLES / "02_overflow", "-o", "image.elf")
    assert built.status == 0
    assert built.json["image"] == "image.elf"
    assert nk("run", "image.elf").error.splitlines()[-1].startswith("IntegerOverflow: ")
    (tmp_path / "image.checks.json").unlink()
    result = nk("run", "image.elf")
    assert result.status == 101
    assert result.error.splitlines()[-1].startswith("Breakpoint: a failed check")


@pytest.mark.qemu
def test_without_checks(nk: Nk) -> None:
    assert nk("build", "--no-checks", EXAMPLES / "02_overflow", "-o", "fast.elf").status == 0
    assert nk("run", "fast.elf").status == 0


def test_builds_are_reproducible(nk: Nk, tmp_path: Path) -> None:
    for folder in ("one", "two"):
        shutil.copytree(EXAMPLES / "02_overflow", tmp_path / folder / "program")
        assert nk("build", f"{folder}/program", "-o", f"{folder}.elf").status == 0
    assert (tmp_path / "one.elf").read_bytes() == (tmp_path / "two.elf").read_bytes()


def test_no_path_of_the_machine_in_an_image(nk: Nk, tmp_path: Path) -> None:
    nk("build", EXAMPLES / "01_hello", "-o", "image.elf")
    assert str(EXAMPLES.parent).encode() not in (tmp_path / "image.elf").read_bytes()


@pytest.mark.parametrize("command", ["check", "build", "run"])
def test_a_wrong_program(nk: Nk, tmp_path: Path, command: str) -> None:
    program = write_program(tmp_path, "x: u8 = 256")
    result = nk(command, program)
    assert result.status == Exit.COMPILE
    assert "x: u8 = 256" in result.error
    assert "Traceback" not in result.error
    as_json = nk(command, "--json", program)
    assert (as_json.status, as_json.error) == (Exit.COMPILE, "")
    diagnostics = as_json.json["programs"][0]["diagnostics"] if command == "check" else as_json.json["diagnostics"]
    assert diagnostics[0]["line"] == 8
    assert diagnostics[0]["code"].startswith("NK0")


def test_check_finds_nothing_wrong_with_examples(nk: Nk) -> None:
    examples = sorted(path.parent for path in EXAMPLES.glob("*/main.py"))
    assert examples
    result = nk("check", "--json", *examples)
    assert result.status == 0, result.json
    assert [entry["diagnostics"] for entry in result.json["programs"]] == [[]] * len(examples)


@pytest.mark.parametrize("command", ["run", "debug"])
def test_without_qemu(nk: Nk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    result = nk(command, EXAMPLES / "01_hello")
    assert result.status == Exit.UNREACHABLE
    assert "error[NK1101]" in result.error


def test_qemu_that_fails(nk: Nk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nk("build", EXAMPLES / "01_hello", "-o", "image.elf")
    fake = tmp_path / "qemu-system-riscv64"
    fake.write_text("#!/bin/sh\necho no such machine >&2\nexit 1\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    result = nk("run", "image.elf")
    assert result.status == Exit.UNREACHABLE
    assert result.error.startswith("booting image.elf\nerror[NK1103]: the machine didn't start: no such machine\n")
    as_json = nk("run", "--json", "image.elf")
    assert (as_json.status, as_json.error) == (Exit.UNREACHABLE, "")
    assert as_json.json["error"]["code"] == "NK1103"


def test_qemu_may_take_its_time_to_end(nk: Nk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nk("build", EXAMPLES / "01_hello", "-o", "image.elf")
    fake = tmp_path / "qemu-system-riscv64"
    begin = "#!/bin/sh\n[ $1 = --version ] && exit\nprintf '\\036nk-start 1\\nhello'\nexec >&-\n"
    fake.write_text(begin + "sleep 2\nexit 5\n")
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:/usr/bin:/bin")
    result = nk("run", "image.elf")
    assert (result.status, result.output, result.error) == (5, "hello", "booting image.elf\n")
    fake.write_text(begin + "exec sleep 1000\n")
    assert nk("run", "image.elf", "--timeout", "1").status == Exit.TIMEOUT


@pytest.mark.parametrize(
    "text", ["asm('bogus {0}', u32(1))", "asm('call nowhere')", "pass\n\n\nassembly('bogus')"], ids=str
)
def test_assembly_that_is_wrong(nk: Nk, text: str, tmp_path: Path) -> None:
    program = write_program(tmp_path, "PLACE")
    source = program.read_text().replace("import Array", "import asm, assembly, unsafe, Array")
    source = source.replace("\n\n\ndef", "\n\nunsafe('a test')\n\n\ndef")
    program.write_text(source.replace("PLACE", text))
    result = nk("build", program)
    assert result.status == Exit.COMPILE
    assert "error[NK1006]" in result.error
    assert nk("build", "--json", program).json["error"]["code"] == "NK1006"


@pytest.mark.qemu
def test_an_image_that_was_built_anew_while_it_ran(nk: Nk, tmp_path: Path) -> None:
    nk("build", EXAMPLES / "02_overflow", "-o", "image.elf")
    image = Image(tmp_path / "image.elf")
    point = next(iter(read_checks(image.path)))
    panic = PanicRecord(BREAKPOINT, point, 0, (0,) * 32)
    assert check_at(image, panic) is not None
    nk("build", "--no-checks", EXAMPLES / "02_overflow", "-o", "image.elf")
    assert check_at(image, panic) is None
    assert not list(tmp_path.glob(".nk-*"))


@pytest.mark.parametrize("output", ["new/image.elf", "build/image.elf", "../new/image.elf"])
def test_no_folder_is_made_but_the_default(nk: Nk, tmp_path: Path, output: str) -> None:
    result = nk("build", EXAMPLES / "01_hello", "-o", output)
    assert result.status == Exit.USAGE
    assert result.error.startswith(
        f"error[NK1005]: {output} can't be written: there is no folder {Path(output).parent}"
    )
    assert not (tmp_path / output).parent.exists()
    assert nk("build", EXAMPLES / "01_hello").status == 0
    assert (tmp_path / "build/01_hello.elf").is_file()


def test_output_that_can_not_be_written(nk: Nk, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    result = nk("build", EXAMPLES / "01_hello", "-o", "file/image.elf")
    assert result.status == Exit.USAGE
    assert "error[NK1005]" in result.error
    # Nobody can write there, not even root.
    result = nk("build", EXAMPLES / "01_hello", "-o", "/proc/image.elf")
    assert result.status == Exit.USAGE
    assert result.error.startswith("building 01_hello\nerror[NK1005]: /proc/image.elf can't be written: ")


def test_what_a_killed_build_left_is_in_nobodys_way(nk: Nk, tmp_path: Path) -> None:
    imports = "from neokernel.lang import u64\nfrom neokernel.runtime.process import Process\n"
    (tmp_path / "small.py").write_text(f"{imports}\n\ndef main(process: Process) -> None:\n    process.exit(u64(1))\n")
    folder = tmp_path / "build" / "small.programs"
    (folder / ".nk-left").mkdir(parents=True)
    (folder / "gone.elf").write_text("")
    assert nk("build", "small.py").status == 0
    assert {path.name for path in folder.iterdir()} == {".nk-left", "small.elf", "small.checks.json"}
    shutil.rmtree(folder)
    folder.write_text("")
    result = nk("build", "small.py")
    said = "build/small.programs can't be written: it is a file, and was to be a folder"
    assert result.error == f"building small\nerror[NK1005]: {said}\n  help: move it away\n"


def test_a_broken_image(nk: Nk, tmp_path: Path) -> None:
    nk("build", EXAMPLES / "01_hello", "-o", "whole.elf")
    whole = (tmp_path / "whole.elf").read_bytes()
    for broken in (
        b"\x7fELF and then nothing",
        whole[:500],
        whole[: len(whole) // 2],
        whole[:-100],
        whole[:64] + b"\xff" * 99999,
    ):
        (tmp_path / "image.elf").write_bytes(broken)
        for command in (["run"], ["debug"], ["dump", "image"]):
            result = nk(*command, "image.elf")
            assert result.status == Exit.USAGE
            assert "error[NK1004]" in result.error


@pytest.mark.parametrize("stage", ["syntax", "instrumented", "ir", "llvm", "assembly", "image"])
def test_dump(nk: Nk, stage: str) -> None:
    result = nk("dump", stage, EXAMPLES / "02_overflow")
    assert result.status == 0
    assert "add_up" in result.output or stage == "image"
    assert nk("dump", "--json", stage, EXAMPLES / "02_overflow").json["exit"] == 0


ENDLESS = """\
\"\"\"Two loops that end, in one that doesn't, of which nothing is seen.\"\"\"

from neokernel.arch.riscv64.bare import Machine
from neokernel.lang import u64, wrapping_mul


def work(x: u64, rounds: u64) -> u64:
    for _ in range(rounds):
        x = wrapping_mul(x, 6364136223846793005)
    return x


def main(machine: Machine) -> None:
    x: u64 = 1
    while True:
        x = work(x, 56)
        x = work(x, 24)
"""


def test_a_loop_without_end_is_left_in(nk: Nk, tmp_path: Path) -> None:
    """It was taken for finite, and then for unreachable: the program fell off its end."""
    (tmp_path / "program.py").write_text(ENDLESS)
    text = nk("dump", "assembly", "program.py").output
    assert re.search(r"^(\.L\w+):.*\n(?:\s*[.#].*\n|\s*\n|\.L\w+:\n)*\s+j\s+\1$", text, re.MULTILINE), text


@pytest.mark.parametrize("stage", ["ir", "llvm", "assembly"])
def test_dump_of_a_wrong_program(nk: Nk, tmp_path: Path, stage: str) -> None:
    program = write_program(tmp_path, "x: u8 = 256")
    assert "error[NK0" in nk("dump", stage, program).error
    result = nk("dump", "--json", stage, program)
    assert (result.status, result.error) == (Exit.COMPILE, "")
    assert result.json["diagnostics"][0]["line"] == 8


def test_a_program_that_does_not_compile_runs_on_the_host(nk: Nk, tmp_path: Path) -> None:
    program = write_program(tmp_path, "x: u8 = 1\ny: u32 = 2\nmachine.console.write(f'{x + y}')")
    result = nk("run", "--host", program)
    assert result.status == 101
    told, *lines = result.error.splitlines()
    assert told.startswith("this doesn't compile: 1 error, NK0")
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1] == '  File "program.py", line 10, in main'
    assert lines[-1].startswith("StaticError: ")
    as_json = nk("run", "--host", "--json", program)
    assert (as_json.status, as_json.error) == (101, "")
    assert [item["line"] for item in as_json.json["diagnostics"]] == [10]


WRONG = {
    "no_main.py": (b'"""Nothing."""\nfrom neokernel.lang import u8\n', "NK0209"),
    "no_machine.py": (b"from neokernel.lang import u8\n\n\ndef main() -> None:\n    pass\n", "NK0209"),
    "number.py": (b"from neokernel.lang import u8\n\n\ndef main(number: u8) -> None:\n    pass\n", "NK0209"),
    "result.py": (
        (
            b"from neokernel.arch.riscv64.bare import Machine\nfrom neokernel.lang import u8\n\n\n"
            b"def main(machine: Machine) -> u8:\n    return 3\n"
        ),
        "NK0209",
    ),
    "plain.py": (b"def main(machine):\n    print(machine)\n", "NK0201"),
    "syntax.py": (b"from neokernel.lang import u8\ndef main(:\n", "NK0101"),
    "imports.py": (
        b"from neokernel.arch.riscv64.bare import Machine\nimport nowhere\ndef main(machine: Machine) -> None: pass\n",
        "NK0201",
    ),
    "latin.py": (b'"\xe9"\n', "NK0101"),
    "null.py": (b"A = 1\0\n", "NK0101"),
}


@pytest.mark.parametrize(
    ("main", "kind"),
    [
        ("def main(process: Process) -> None:", "a program above the kernel"),
        ("def main(machine: Machine) -> None:", "a program for the bare machine"),
        ("def start(machine: Machine) -> None:", "a module: it has no main, so it can't be run"),
        ("def main(x: u8) -> None:", "a module: its main takes neither a Process nor a Machine, so it can't be run"),
    ],
)
def test_check_says_what_it_is(nk: Nk, tmp_path: Path, main: str, kind: str) -> None:
    (tmp_path / "it.py").write_text(
        "from neokernel.arch.riscv64.bare import Machine\nfrom neokernel.lang import u8\n"
        f"from neokernel.runtime.process import Process\n\n\n{main}\n    pass\n"
    )
    assert nk("check", "it.py") == Result(Exit.SUCCESS, f"it.py: nothing wrong; {kind}\n", "")
    assert nk("check", "--json", "it.py").json["programs"][0]["kind"] == kind
    assert ("can't be run" in kind) == ("NK0209" in nk("build", "it.py").error)


def test_check_names_the_programs_of_a_system(nk: Nk) -> None:
    shown = nk("check", EXAMPLES / "03_ping_pong").output
    assert shown.endswith("03_ping_pong: nothing wrong; a program above the kernel, with pong\n")


@pytest.mark.parametrize("name", WRONG)
def test_the_host_says_what_the_compiler_says(nk: Nk, tmp_path: Path, name: str) -> None:
    """Of what can't begin."""
    content, code = WRONG[name]
    (tmp_path / name).write_bytes(content)
    result = nk("run", "--host", name)
    assert (result.status, result.output) == (Exit.COMPILE, "")
    assert result.error.startswith(f"error[{code}]")
    built = nk("run", name)
    assert built.error.removeprefix(f"building {name.removesuffix('.py')}\n") == result.error
    assert (built.status, built.output) == (result.status, result.output)
    as_json = nk("run", "--host", "--json", name)
    assert (as_json.status, as_json.error) == (Exit.COMPILE, "")
    assert as_json.json["diagnostics"][0]["code"] == code


@pytest.mark.parametrize("place", [".", "folder", "folder/below"])
def test_paths_can_be_opened_from_where_the_user_is(
    nk: Nk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    (tmp_path / "folder/below").mkdir(parents=True)
    program = write_program(tmp_path / "folder", "x: u8 = 256\nunreachable('here')", "main")
    monkeypatch.chdir(tmp_path / place)
    inside = program.is_relative_to(Path.cwd())
    path = str(program.relative_to(Path.cwd()) if inside else program)
    assert f" --> {path}:8:13\n" in nk("check", program.parent).error
    assert nk("check", "--json", program.parent).json["programs"][0]["diagnostics"][0]["file"] == path
    assert nk("build", "--json", program.parent).json["diagnostics"][0]["file"] == path
    write_program(tmp_path / "folder", "unreachable('here')", "main")
    assert nk("run", "--host", program.parent).error.splitlines()[1] == f'  File "{path}", line 8, in main'
    assert nk("run", "--host", "--json", program.parent).json["panics"][0]["frames"][0]["file"] == path


@pytest.mark.qemu
def test_paths_in_tracebacks_of_the_machine(nk: Nk, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    write_program(tmp_path / "folder", "unreachable('here')", "main")
    assert nk("run", "folder").error.splitlines()[3] == '  File "folder/main.py", line 8, in main'
    assert nk("run", "--json", "folder").json["panics"][0]["frames"][0]["file"] == "folder/main.py"


@pytest.mark.parametrize("machine", MACHINES)
def test_a_status_that_does_not_fit(nk: Nk, tmp_path: Path, machine: tuple[str, ...]) -> None:
    program = write_program(tmp_path, "machine.power_off(u8(large()))")
    program.write_text(program.read_text() + "\n\ndef large() -> u32:\n    return 300\n")
    result = nk("run", *machine, program)
    assert (result.status, result.output) == (101, "")
    assert result.error.splitlines()[-1].startswith("ConversionFailed: ")


@pytest.mark.qemu
@pytest.mark.parametrize(
    "statement",
    ["copy(target, source)", "copy(source, target)", "assert target.bytes() == source.bytes()"],
)
def test_a_fault_in_a_memory_function_is_its_callers(nk: Nk, tmp_path: Path, statement: str) -> None:
    """They are assembly: their unwind rules are written by hand."""
    body = f"""\
from neokernel.arch.riscv64.bare import Machine
from neokernel.lang import Array, Span, array, copy, span_at, u8, unsafe

unsafe("a test")


def work(machine: Machine, target: Span[u8], source: Span[u8]) -> None:
    source[0] = 1
    {statement}
    machine.console.write(f"{{source[0]}}")


def main(machine: Machine) -> None:
    data: Array[u8] = array(1000)
    work(machine, span_at(u8, 0x4000_0000, 1000), data)
"""
    (tmp_path / "program.py").write_text(body)
    result = nk("run", "program.py")
    assert result.status == 101
    frames = [line for line in result.error.splitlines() if line.startswith("  File")]
    assert frames == ['  File "program.py", line 15, in main', '  File "program.py", line 9, in work']
    assert result.error.splitlines()[-1].endswith("PageFault: at address 0x40000000")


SERVED = """
from typing import Protocol

from neokernel.lang import Provides, interface, provides, struct, u8, u64
from neokernel.runtime.system import Failure, Message


@interface
class Log(Protocol):
    def write(self, level: u8) -> None | Failure: ...


@struct
class Server:
    def write(self, level: u8) -> None:
        assert level < 3, "too much"


def ask(level: u64) -> None:
    log: Provides[Log] = provides(7)
    server = Server()
    version = log.dispatch(server, Message(1, 0, 0, 0, 0, 0)).w0
    _ = log.dispatch(server, Message(1, (version >> 40 << 8) | 1 | 1 << 32, level, 0, 0, 0))
"""


def test_what_was_generated_for_an_interface_is_not_in_tracebacks() -> None:
    module = lang.load_module(SERVED, "served")
    module.ask(lang.u64(2))
    with pytest.raises(lang.CheckFailed, match="too much") as caught:
        module.ask(lang.u64(3))
    assert [frame.function for frame in crash_of(caught.value).frames] == ["ask", "write"]
