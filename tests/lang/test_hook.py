"""The import hook: which modules it touches, and what it leaves of them."""

import importlib
import importlib.util
import inspect
import subprocess
import sys
import textwrap
import traceback
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from neokernel import lang
from neokernel.lang.hook import TargetFinder, TargetLoader
from neokernel.lang.integers import u8, u32
from tests.support.patience import PATIENCE

Load = Callable[[str], ModuleType]
Write = Callable[[str, str], Any]

TARGET = """
\"\"\"Docstring.\"\"\"
from __future__ import annotations
from neokernel.lang import u8

def f(x: u8) -> u8:
    return x + 1
"""


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Write a module into a fresh directory of the path, and import it."""
    monkeypatch.syspath_prepend(tmp_path)
    names: list[str] = []

    def write_module(name: str, text: str) -> Any:
        path = tmp_path / Path(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), encoding="utf-8")
        importlib.invalidate_caches()
        names.append(name)
        monkeypatch.delitem(sys.modules, name, raising=False)
        return importlib.import_module(name)

    return write_module


def test_targets_are_instrumented(write: Write, tmp_path: Path) -> None:
    m = write("hook_target", TARGET)
    assert type(m.f(3)) is u8
    assert m.__doc__ == "Docstring."
    assert isinstance(m.__loader__, TargetLoader)
    assert not Path(importlib.util.cache_from_source(str(tmp_path / "hook_target.py"))).exists()
    assert inspect.getsource(m.f) == "def f(x: u8) -> u8:\n    return x + 1\n"
    with pytest.raises(lang.IntegerOverflow) as caught:
        m.f(255)
    position = lang.failure_position(caught.value)
    assert position is not None
    assert position == (str(tmp_path / "hook_target.py"), 7, 11, 7, 16)


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("hook_host", "from neokernel import lang\ndef f(x: int) -> int:\n    return x + 1\n"),
        ("hook_other", "# neokernel.lang import\ndef f(x: int) -> int:\n    return x + 1\n"),
        ("hook_inner", "if True:\n    from neokernel.lang import u8\ndef f(x: u8) -> u8:\n    return x + 1\n"),
        ("test_hook_sample", TARGET),
        ("hook_package.conftest", TARGET),
    ],
)
def test_others_are_left_alone(write: Write, name: str, text: str) -> None:
    m = write(name, text)
    assert type(m.f(3)) is int
    assert "len" not in vars(m)
    assert not isinstance(m.__loader__, TargetLoader)


def test_reload(write: Write, tmp_path: Path) -> None:
    m = write("hook_reloaded", TARGET)
    before = m.f
    (tmp_path / "hook_reloaded.py").write_text(TARGET.replace("+ 1", "+ 10"), encoding="utf-8")
    assert importlib.reload(m) is m
    assert m.f(3) == u8(13)
    assert before is not m.f


def test_packages_and_imports_between_targets(write: Write) -> None:
    write(
        "hook_package.base",
        "from neokernel.lang import struct, u8\n@struct\nclass S:\n    a: u8 = 200\nLIMIT: u8 = 250\n",
    )
    m = write(
        "hook_package.user",
        """
        from neokernel.lang import Embedded, struct, u8
        from hook_package.base import LIMIT as MOST, S
        import hook_package.base as base

        @struct
        class Holder:
            s: Embedded[S] = S()
            t: Embedded[base.S] = base.S(a=MOST)

        def f(s: base.S, by: u8) -> u8:
            return s.a + by + u8(len(b"abc"))
        """,
    )
    assert m.f(m.Holder().s, 3) == u8(206)
    with pytest.raises(lang.IntegerOverflow):
        m.f(m.Holder().t, 3)


def test_annotations_are_never_evaluated_at_import(load: Load) -> None:
    m: Any = load(
        """
        def f(x: Nowhere | None, y: u8) -> Later:
            return Later(y)

        @value
        class Later:
            y: u8
            other: Missing | None = None
        """
    )
    assert m.f.__annotations__["x"] == "Nowhere | None"
    with pytest.raises(NameError, match="Nowhere"):
        m.f(None, 3)


def test_errors_of_the_module_are_its_own(write: Write, tmp_path: Path) -> None:
    with pytest.raises(SyntaxError) as caught:
        write("hook_broken", "from neokernel.lang import u8\ndef f(:\n")
    assert caught.value.filename == str(tmp_path / "hook_broken.py")
    with pytest.raises(lang.AssertionFailed) as failed:
        write("hook_asserts", "from neokernel.lang import u8\n\nassert 1 > 2, 'build-time'\n")
    assert "hook_asserts" not in sys.modules
    position = lang.failure_position(failed.value)
    assert position is not None
    assert position[1:] == (3, 0, 3, 26)


def test_run_as_a_program(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(TARGET + "print(repr(f(3)))\n", encoding="utf-8")
    root = str(Path(lang.__file__).parents[2])
    command = [sys.executable, "-c", "import neokernel, runpy; runpy.run_module('program')"]
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": root}, capture_output=True, text=True, check=False, timeout=PATIENCE
    )
    assert (done.stdout, done.stderr) == ("u8(4)\n", "")


def test_what_declares_a_target() -> None:
    assert lang.is_target_source(b"from neokernel.lang import u8\n")
    assert lang.is_target_source(b"'''doc'''\nimport x\nfrom neokernel.lang import (\n  u8 as byte,\n)\n")
    for other in (
        b"",
        b"from neokernel import lang\n",
        b"import neokernel.lang\n",
        b"x = 'from neokernel.lang import u8'\n",
        b"def f():\n    from neokernel.lang import u8\n",
        b"from neokernel.lang.hook import load_module\n",
        b"from neokernel.lang import (",
        b"\0from neokernel.lang import u8",
    ):
        assert not lang.is_target_source(other)


def test_loading_from_text_and_files(tmp_path: Path) -> None:
    path = tmp_path / "file.py"
    path.write_text(TARGET, encoding="utf-8")
    assert type(lang.load_module(path, "hook_file").f(3)) is u8
    m = lang.load_module(TARGET, "hook_text", "nowhere/text.py")
    with pytest.raises(lang.IntegerOverflow) as caught:
        m.f(255)
    position = lang.failure_position(caught.value)
    assert position is not None
    assert position.file == "nowhere/text.py"
    assert "return x + 1" in "".join(traceback.format_exception(caught.value))
    for _ in range(2):
        with pytest.raises(ZeroDivisionError):
            lang.load_module("from neokernel.lang import u8\n1 / 0\n", "hook_failing")
        assert "hook_failing" not in sys.modules


def test_the_hook_is_installed_once() -> None:
    lang.install_hook()
    assert sum(isinstance(finder, TargetFinder) for finder in sys.meta_path) == 1


def test_renamed_words() -> None:
    m = lang.load_module(
        """
from neokernel.lang import u8 as byte, struct as object_, value as record, array as zeroes, Array as Items

@object_
class S:
    a: byte = 3
    b: Items[byte] = zeroes(3)

@record
class V:
    x: byte

def f(x: byte) -> byte:
    return x
""",
        "hook_renamed",
    )
    assert m.S().b is not m.S().b
    assert type(m.V(3).x) is type(m.f(4)) is u8


def test_a_module_may_define_what_the_language_gives(load: Load) -> None:
    m: Any = load(
        """
        def min(a: u8, b: u8) -> u8:
            return 7

        def f(len: u8) -> u8:
            return min(len, 3)
        """
    )
    assert m.f(1) == u8(7)


def test_programs_may_nest_deeply(write: Write) -> None:
    """As deeply as the compiler takes them."""
    start = "from neokernel.lang import u32\ndef f(x: u32) -> u32:\n"
    arms = "".join(f"    elif x == {number}:\n        return {number}\n" for number in range(1, 800))
    before = sys.getrecursionlimit()
    m = write("hook_deep", f"{start}    if x == 0:\n        return 0\n{arms}    return 7\n")
    assert m.f(u32(799)) == 799
    m = write("hook_wide", f"{start}    return x{' + x' * 900}\n")
    assert m.f(u32(1)) == 901
    assert sys.getrecursionlimit() == before


def test_an_annotated_attribute_is_the_compilers_to_reject(write: Write) -> None:
    m = write("hook_attribute", "from neokernel.lang import u8\nclass C: pass\nC.x: u8 = 3\n")
    assert m.C.x == 3
