"""The page on the runtime is what the sources say, and says all of it."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from neokernel.cli import runtime_reference
from neokernel.cli.main import guarded
from neokernel.cli.manual import MANUALS

PAGE = runtime_reference.PAGE.read_text(encoding="utf-8")
MODULES = sorted(path for path in runtime_reference.RUNTIME.glob("*.py") if path.stem != "__init__")


def test_the_page_is_up_to_date() -> None:
    assert runtime_reference.manual() == PAGE, "the sources have changed: `nk manual` writes the page anew"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_every_class_function_and_method_is_on_the_page(path: Path) -> None:
    section = PAGE.partition(f"\n## neokernel.runtime.{path.stem}\n")[2].partition("\n## ")[0]
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        inside = node.body if isinstance(node, ast.ClassDef) else [node]
        if isinstance(node, ast.ClassDef):
            assert f"\n### {node.name}\n" in section
        for one in inside:
            if isinstance(one, ast.FunctionDef) and not one.name.startswith("_"):
                assert f"\n- `{one.name}(" in section
            if isinstance(one, ast.AsyncFunctionDef) and not one.name.startswith("_"):
                assert f"\n- `async {one.name}(" in section


def test_a_module_as_the_page_shows_it(tmp_path: Path) -> None:
    (tmp_path / "bell.py").write_text(
        '''"""A bell: who waits hears it.

It rings once.
"""

from typing import TypeVar

T = TypeVar("T")

#: how loud it may be
LOUDEST: u64 = 0x7F
_INNER = 3


@struct
class Bell:
    """It hangs."""

    #: how often it rang
    count: u64 = 0

    def ring(self, loud: u64) -> Failure | None:
        """Ring it.

        Only once.
        """
        return invoke(loud, Operation.SIGNAL)


def _hidden() -> None: ...
def hang() -> Bell: ...
'''
    )
    page = runtime_reference.manual(tmp_path)
    assert "| [`bell`](#neokernelruntimebell) | A bell | [Bell](#bell) |\n" in page
    assert page.endswith(
        """
## neokernel.runtime.bell

A bell: who waits hears it.

It rings once.

| constant | value | what |
| --- | --- | --- |
| `LOUDEST` | `0x7F` | how loud it may be |

### Bell

`@struct class Bell`

It hangs.

| field | type | value at first | what |
| --- | --- | --- | --- |
| `count` | `u64` | `0` | how often it rang |

- `ring(loud: u64) -> Failure | None`: Ring it.

  Only once. ([SIGNAL](kernel.md#signal))

### Functions of bell

- `hang() -> Bell`
"""
    )


def test_each_manual_is_checked_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    page = tmp_path / "runtime.md"
    page.write_text(PAGE.replace("### Process\n", "### Proces\n"))
    assert guarded(["manual", "runtime", "--check", "-o", str(page)]) == 1
    assert "not what the sources say" in capsys.readouterr().out
    assert guarded(["manual", "runtime", "-o", str(page)]) == 0
    assert page.read_text() == PAGE
    assert guarded(["manual", "--check"]) == 0
    assert capsys.readouterr().out.count("up to date") == len(MANUALS)
