"""A target module that is imported before the package can't be checked, and says so instead of running unchecked."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from neokernel.compiler.source import PACKAGE_ROOT

TARGET = "from neokernel.lang import u8\n\n\ndef double(x: u8) -> u8:\n    return x + x\n"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "target.py").write_text(TARGET, encoding="utf-8")
    (tmp_path / "test_host.py").write_text("from neokernel.lang import u8\nassert u8(1) == 1\n", encoding="utf-8")
    return tmp_path


def run(folder: Path, program: str) -> str:
    environment = {"PYTHONPATH": f"{folder}:{PACKAGE_ROOT}", "PATH": ""}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr


@pytest.mark.parametrize("program", ["import target", "def f():\n    import target\nf()"])
def test_a_target_module_alone_is_refused(folder: Path, program: str) -> None:
    assert "ImportError: target is a target module, and was imported before neokernel" in run(folder, program)


@pytest.mark.parametrize("first", ["import neokernel", "from neokernel import lang", "import neokernel.lang.hook"])
def test_after_the_package_it_is_checked(folder: Path, first: str) -> None:
    assert "IntegerOverflow: 200 + 200" in run(folder, f"{first}\nimport target\ntarget.double(200)")


def test_host_modules_may_come_first(folder: Path) -> None:
    assert run(folder, "import test_host") == ""
    assert run(folder, "import neokernel.runtime.format") == ""


@pytest.mark.parametrize("command", [["target.py"], ["-m", "target"], ["{folder}/target.py"]])
def test_python_alone_does_not_run_a_program(folder: Path, command: list[str]) -> None:
    arguments = [part.format(folder=folder) for part in command]
    environment = {"PYTHONPATH": str(PACKAGE_ROOT), "PATH": ""}
    line = [sys.executable, *arguments]
    done = subprocess.run(line, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "target.py is a target module: run it with `nk run --host target.py`, or on the machine\n"


@pytest.mark.parametrize("first", ["from neokernel.lang import u64\n", ""])
def test_python_does_not_run_a_program_above_the_kernel(folder: Path, first: str) -> None:
    """Not even one that forgot to import the language, which would do nothing."""
    (folder / "hello.py").write_text(
        f"{first}from neokernel.runtime.process import Process\n\n\n"
        "def main(process: Process) -> None:\n    process.console.write('hello')\n"
    )
    environment = {"PYTHONPATH": str(PACKAGE_ROOT), "PATH": ""}
    line = [sys.executable, "hello.py"]
    done = subprocess.run(line, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == "hello.py is a program above the kernel, not for Python: run it with `nk run hello.py`\n"


def test_python_runs_host_programs(folder: Path) -> None:
    (folder / "host.py").write_text("from neokernel import lang\nprint(lang.u8(1))\n", encoding="utf-8")
    environment = {"PYTHONPATH": str(PACKAGE_ROOT), "PATH": ""}
    line = [sys.executable, "host.py"]
    done = subprocess.run(line, env=environment, cwd=folder, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("1\n", "")
