"""Where a program's own modules do something: its main module, and what that imports from beside it.

On syntax alone; what libraries do is their affair.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

from neokernel.compiler.diagnostics import span_of
from neokernel.compiler.ir import Span
from neokernel.image.needs import parsed
from neokernel.image.systemfile.needs import shown


def first_place(main: Path, wanted: Callable[[ast.AST], bool]) -> Span | None:
    """The first expression of the kind that is wanted, the main module's before those of what it imports."""
    files, seen = [main], {main}
    for file in files:
        tree = parsed(file)
        if tree is None:
            continue
        found = [node for node in ast.walk(tree) if isinstance(node, ast.expr) and wanted(node)]
        if found:
            lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
            return span_of(shown(file), lines, min(found, key=lambda node: (node.lineno, node.col_offset)))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                other = main.parent.joinpath(*node.module.split(".")).with_suffix(".py")
                if other not in seen and other.is_file():
                    seen.add(other)
                    files.append(other)
    return None
