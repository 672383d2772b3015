"""The group: help, errors, exit codes, and that no traceback reaches a user."""

from __future__ import annotations

import importlib
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from neokernel import patience
from neokernel.cli.errors import TOOL_CODES, Exit, ToolError
from neokernel.cli.explain import all_codes
from neokernel.cli.main import COMMANDS
from neokernel.cli.main import nk as group
from neokernel.cli.output import colored, rewritable
from tests.cli.support import REPOSITORY, Nk, start
from tests.support.patience import PATIENCE


def test_help_lists_every_command(nk: Nk) -> None:
    result = nk("--help")
    assert result.status == 0
    for name, purpose in COMMANDS.items():
        assert name in result.output
        assert purpose in " ".join(result.output.split())


def test_help_imports_nothing_big() -> None:
    program = (
        "import sys; from neokernel.cli.main import guarded; guarded(['--help']);"
        "print([n for n in ('rich', 'elftools', 'llvmlite', 'subprocess', 'neokernel.compiler') if n in sys.modules])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=REPOSITORY, timeout=PATIENCE
    )
    assert done.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("name", COMMANDS)
def test_every_command_has_help_and_json(nk: Nk, name: str) -> None:
    command = importlib.import_module(f"neokernel.cli.{name}").command
    assert isinstance(command, click.Command)
    parts = command.commands.values() if isinstance(command, click.Group) else [command]
    for part in parts:
        assert "--json" in [option for parameter in part.params for option in parameter.opts]
        assert nk(name, *([part.name] if part is not command else []), "--help").status == 0
    assert nk(name, "--help").status == 0


def test_every_file_of_a_command_is_listed() -> None:
    files = {
        path.stem
        for path in (REPOSITORY / "neokernel/cli").glob("*.py")
        if re.search(r"^def command\(", path.read_text(), re.MULTILINE)
    }
    assert files == set(COMMANDS) == set(group.list_commands(click.Context(group)))


@pytest.mark.parametrize(
    "arguments", [["rnu"], ["--nonsense"], ["dump"], ["run", "--nonsense", "x"], ["run", "a", "b"]]
)
def test_wrong_usage(nk: Nk, arguments: list[str]) -> None:
    result = nk(*arguments)
    assert (result.status, result.output) == (Exit.USAGE, "")
    assert result.error.startswith("error[NK1001]: ")


def test_a_near_command_is_suggested(nk: Nk) -> None:
    assert "did you mean `nk run`?" in nk("rnu").error


def test_errors_as_json(nk: Nk) -> None:
    result = nk("run", "--json", "nowhere")
    assert result.error == ""
    assert result.status == result.json["exit"] == Exit.USAGE
    help = "name a folder with a main.py, a module's file, or a system file"
    assert result.json["error"] == {"code": "NK1002", "message": "nowhere doesn't exist", "help": help}
    assert nk("run", "--json", "x.elf").json["error"]["help"] == "`nk build -o x.elf` makes an image of that name"


@pytest.mark.parametrize("command", ["run", "build", "check", "debug"])
def test_what_a_program_is(nk: Nk, tmp_path: Path, command: str) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "notes.txt").write_text("hello")
    for name in ("folder", "notes.txt", "missing.py"):
        result = nk(command, name)
        assert result.status == Exit.USAGE
        assert "error[NK1002]" in result.error


def test_a_service_cant_be_debugged_without_a_machine(nk: Nk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("NK_RUNTIME", str(tmp_path / "run"))
    monkeypatch.chdir(tmp_path)
    result = nk("debug", "log")
    assert result.status == Exit.UNREACHABLE
    assert "NK1601]: there is no program log here, and no machine runs that could have such a service" in result.error


def broken() -> None:
    raise RuntimeError("the unexpected")


def test_internal_errors_have_no_traceback(nk: Nk, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("neokernel.cli.doctor.CHECKS", (broken,))
    result = nk("doctor")
    assert result.status == Exit.NEGATIVE
    assert result.error.startswith("error[NK1999]: internal error: RuntimeError: the unexpected\n")
    assert "Traceback" not in result.error
    assert nk("doctor", "--json").json["error"]["code"] == "NK1999"
    monkeypatch.setenv("NK_DEBUG", "1")
    assert "Traceback" in nk("doctor").error


@pytest.mark.parametrize("chosen", ["0", "0.5", "-3", "1001", "nan", "long"])
def test_patience_is_a_number(nk: Nk, monkeypatch: pytest.MonkeyPatch, chosen: str) -> None:
    monkeypatch.setenv(patience.VARIABLE, chosen)
    result = nk("explain", "NK1001")
    assert (result.status, result.output) == (Exit.USAGE, "")
    assert f"error[NK1001]: NK_PATIENCE is '{chosen}', and no number from 1 to 1000" in result.error


def test_patience_makes_waits_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    for chosen, wanted in (("", 3.0), ("1", 3.0), ("2.5", 7.5), ("1000", 3000.0)):
        monkeypatch.setenv(patience.VARIABLE, chosen)
        assert patience.patient(3.0) == wanted


@pytest.mark.parametrize("arguments", [["doctor"], ["explain"], ["run", "--json", "nowhere"], ["--help"]])
def test_a_closed_pipe_is_quiet(arguments: list[str]) -> None:
    with start(*arguments) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        assert process.stderr.read() == b""
        process.stderr.close()
        assert process.wait(PATIENCE) == Exit.BROKEN_PIPE


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full")
def test_a_full_disk_is_no_internal_error() -> None:
    with Path("/dev/full").open("w") as full:
        program = "from neokernel.cli.main import main; main()"
        done = subprocess.run(
            [sys.executable, "-c", program, "explain"], stdout=full, stderr=subprocess.PIPE, cwd=REPOSITORY, check=False
        )
    assert done.returncode == Exit.USAGE
    assert done.stderr == b"error[NK1005]: the output can't be written: No space left on device\n"


def test_tool_errors_exit_as_their_code_says() -> None:
    for code, entry in TOOL_CODES.items():
        assert ToolError(code, "").exit is entry.exit
        assert entry.exit is not Exit.SUCCESS


def test_color_only_where_it_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.delenv("NO_COLOR", raising=False)
    assert colored(Terminal())
    assert not colored(io.StringIO())
    monkeypatch.setenv("NO_COLOR", "1")
    assert not colored(Terminal())
    assert rewritable(Terminal()), "a cursor is no colour"
    assert not rewritable(io.StringIO())
    monkeypatch.setenv("TERM", "dumb")
    assert not rewritable(Terminal())


def test_version(nk: Nk) -> None:
    assert nk("--version").output == "nk 0.1.0\n"


def test_explain(nk: Nk) -> None:
    listed = nk("explain", "--json").json
    assert {"NK0101", "NK1999"} <= {entry["code"] for entry in listed}
    for entry in listed:
        explained = nk("explain", entry["code"], "--json").json
        assert explained["title"] == entry["title"]
        assert len(explained["explanation"]) > 20
    text = nk("explain", "nk1101").output
    assert "NK1101: QEMU is missing" in text
    assert "apt-get install" in text
    assert nk("explain", "101").output == nk("explain", "NK0101").output
    for code in ("NK7777", "²", "9" * 5000, ""):
        unknown = nk("explain", code)
        assert unknown.status == Exit.USAGE
        assert "error[NK1003]" in unknown.error


def test_test_command(nk: Nk, tmp_path: Path) -> None:
    (tmp_path / "test_sample.py").write_text("def test_good(): pass\n\ndef test_bad(): assert False\n")
    options = ("-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir", tmp_path)
    result = nk("test", "--json", *options, tmp_path)
    assert result.status == Exit.NEGATIVE
    assert (result.json["tests"], result.json["failures"], result.json["exit"]) == (2, 1, 1)
    (failed,) = result.json["failed"]
    assert failed["name"] == "test_sample.test_bad"
    assert "assert False" in failed["reason"]
    assert "1 failed, 1 passed" in result.json["output"]
    assert nk("test", "--json", *options, f"{tmp_path}/test_sample.py::test_good").status == 0


PYTEST = ("-p", "no:cacheprovider", "-c", "/dev/null", "--rootdir")


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("import nowhere\n", "No module named 'nowhere'"),
        ("def test_it(:\n", "SyntaxError"),
        ("import count\n", "invalid syntax"),
    ],
)
def test_tests_that_can_not_be_loaded(nk: Nk, tmp_path: Path, source: str, reason: str) -> None:
    (tmp_path / "count.py").write_text("from neokernel.lang import u8\ndef main(:\n")
    (tmp_path / "test_sample.py").write_text(source)
    result = nk("test", "--json", *PYTEST, tmp_path, tmp_path)
    assert result.status == result.json["exit"] == Exit.NEGATIVE
    assert result.json["errors"] == 1
    (failed,) = result.json["failed"]
    assert failed["name"] == "test_sample"
    assert reason in failed["reason"]
    assert nk("test", *PYTEST, tmp_path, tmp_path).status == Exit.NEGATIVE


def test_wrong_options_of_pytest_are_told(nk: Nk, tmp_path: Path) -> None:
    result = nk("test", "--json", *PYTEST, tmp_path, "--nonsense")
    assert result.status == Exit.USAGE
    assert "--nonsense" in result.json["output"]


@pytest.mark.parametrize("name", ["queue", "glob", "struct", "string"])
@pytest.mark.parametrize("folder", ["", "program"])
def test_a_module_with_the_name_of_pythons(nk: Nk, tmp_path: Path, folder: str, name: str) -> None:
    (tmp_path / folder).mkdir(exist_ok=True)
    module = tmp_path / folder / f"{name}.py"
    module.write_text("from neokernel.lang import u8\n")
    (tmp_path / folder / "test_sample.py").write_text(f"import {name}\n\ndef test_it(): pass\n")
    for arguments in ((), (tmp_path / folder,), (f"{tmp_path / folder}/test_sample.py::test_it",)):
        result = nk("test", *PYTEST, tmp_path, *arguments)
        assert (result.status, result.output) == (Exit.USAGE, "")
        path = module.relative_to(tmp_path)
        assert result.error.startswith(f"error[NK1007]: {path} has the name of Python's own module `{name}`\n")
        assert "rename it" in result.error
    module.rename(module.with_name("own.py"))
    (tmp_path / folder / "test_sample.py").write_text("import own\n\ndef test_it(): pass\n")
    assert nk("test", "--json", *PYTEST, tmp_path, tmp_path).status == 0


def test_alone_it_is_help(nk: Nk) -> None:
    result = nk()
    assert (result.status, result.output) == (Exit.USAGE, "")
    assert result.error == nk("--help").output


def test_json_goes_after_the_command(nk: Nk) -> None:
    result = nk("--json", "run", "x")
    assert (result.status, result.error) == (Exit.USAGE, "")
    assert result.json["error"] == {
        "code": "NK1001",
        "message": "put `--json` after the command",
        "help": "`nk run --json x`",
    }


@pytest.mark.parametrize("columns", ["40", "80", "200"])
def test_explanations_fit_the_terminal_and_code_stays_as_it_is(
    nk: Nk, monkeypatch: pytest.MonkeyPatch, columns: str
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    for code, entry in all_codes().items():
        text = nk("explain", code).output
        assert not any(line.endswith(" ") for line in text.splitlines())
        for label in ("wrong", "right"):
            assert all(f"    {line}".rstrip() in text.splitlines() for line in entry.get(label, "").splitlines())


def test_json_of_every_error_is_valid() -> None:
    json.dumps([ToolError(code, "m", "h").as_json() for code in TOOL_CODES])
