"""The reference of interfaces says what the sources say, of all of them."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from neokernel.cli.interface_reference import INTERFACES, PAGE, manual
from neokernel.image.needs import needs_of

TEXT = PAGE.read_text(encoding="utf-8")
MODULES = [path for path in sorted(INTERFACES.glob("*.py")) if path.stem != "__init__"]


def test_the_page_is_up_to_date() -> None:
    assert manual() == TEXT


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_every_method_is_on_the_page_and_says_what_it_does(path: Path) -> None:
    section = TEXT.partition(f"\n## neokernel.interfaces.{path.stem}\n")[2].partition("\n## ")[0]
    found = [node for node in ast.parse(path.read_text(encoding="utf-8")).body if isinstance(node, ast.ClassDef)]
    interfaces = [node for node in found if any(ast.unparse(d) == "interface" for d in node.decorator_list)]
    assert interfaces
    for node in interfaces:
        methods = [item for item in node.body if isinstance(item, ast.FunctionDef)]
        assert all(f"\n- `{method.name}(" in section for method in methods)


def test_the_versions_are_those_that_programs_have() -> None:
    """Of what a service provides."""
    versions = {need.type: need.version for need in needs_of(INTERFACES.parent / "services" / "log" / "main.py")}
    assert f"| [Log](#log) | `{versions['Log']:016x}` |" in TEXT
    assert f"| [Journal](#journal) | `{versions['Journal']:016x}` |" in TEXT
