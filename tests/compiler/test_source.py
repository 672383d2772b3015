"""Reading sources: positions that don't depend on the Python which reads."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from neokernel.compiler import pipeline
from neokernel.compiler.source import PACKAGE_ROOT, parsed, place_fields

TEXT = '''\
a = f"one {x} two {x + 1:>{y}} three"
b = ("k"
     f"{(x)}")
c = f"""{x}
  {f(x)!r}"""
'''


def test_parts_of_f_strings_stand_where_all_pythons_say() -> None:
    tree = ast.parse(TEXT)
    place_fields(tree)
    places = {
        (type(node).__name__, shown, node.lineno, node.col_offset, node.end_lineno, node.end_col_offset)
        for joined in ast.walk(tree)
        if isinstance(joined, ast.JoinedStr)
        for node in joined.values
        if isinstance(node, (ast.Constant, ast.FormattedValue))
        # Python 3.12 makes empty texts too.
        if (shown := ast.unparse(node.value) if isinstance(node, ast.FormattedValue) else node.value)
    }
    assert places == {
        ("Constant", "one ", 1, 4, 1, 37),
        ("FormattedValue", "x", 1, 11, 1, 12),
        ("Constant", " two ", 1, 4, 1, 37),
        ("FormattedValue", "x + 1", 1, 19, 1, 24),
        ("Constant", ">", 1, 19, 1, 24),
        ("FormattedValue", "y", 1, 27, 1, 28),
        ("Constant", " three", 1, 4, 1, 37),
        ("Constant", "k", 2, 5, 3, 13),
        ("FormattedValue", "x", 3, 9, 3, 10),
        ("FormattedValue", "x", 4, 9, 4, 10),
        ("Constant", "\n  ", 4, 4, 5, 13),
        ("FormattedValue", "f(x)", 5, 3, 5, 7),
    }


def test_who_forgets_the_import_of_the_language_is_told_the_line(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(
        "@struct\nclass Box:\n    x: u16 = 0\n\ndef f(u64: Span[u8]) -> u8:\n    copy = u64[0]\n    return copy\n"
    )
    (wrong,) = pipeline.analyse(program).diagnostics
    line = "from neokernel.lang import Span, struct, u8, u16"
    assert (wrong.code, wrong.help) == ("NK0201", f"if it belongs to the target, write `{line}` at its top level")
    program.write_text(f"{line}\n{program.read_text()}")
    assert pipeline.analyse(program).diagnostics == []


@pytest.mark.parametrize("root", ["neokernel.services.echo.main", "neokernel.spec.notifications"])
def test_a_tree_is_everybodys_and_nobody_changes_it(root: str) -> None:
    """Interfaces and tasks; contracts with `old`."""
    state = pipeline.State(PACKAGE_ROOT, [root])
    assert pipeline.run_front_end(state).program is not None, state.diagnostics.items
    for module in state.modules:
        again = ast.parse(module.text, feature_version=(3, 11))
        place_fields(again)
        kept = ast.dump(parsed(module.text, module.file), include_attributes=True)
        assert kept == ast.dump(again, include_attributes=True), module.name
