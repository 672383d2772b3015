"""What services write and nobody will see: `process.console` is the kernel's, and goes nowhere without the grant.

The programs' own modules are looked at, on syntax alone; what libraries write is their affair.
"""

from __future__ import annotations

import ast
from pathlib import Path
from typing import TypeGuard

from neokernel.compiler.diagnostics import span_of
from neokernel.compiler.ir import Span
from neokernel.image.needs import parsed
from neokernel.image.systemfile.document import Findings
from neokernel.image.systemfile.machine import Machine
from neokernel.image.systemfile.needs import shown

CONSOLE = "kernel.console"


def check(machine: Machine, findings: Findings) -> None:
    for service in machine.services.values():
        if any(need.special == CONSOLE for need in service.program.used()):
            continue
        place = first_write(service.program.main)
        if place is not None:
            message = f"`{service.name}` writes to `process.console` and isn't granted it: nobody will see that"
            help = f'declare `console: Uses[Console] = uses()`, and write `uses.console = "{CONSOLE}"`'
            findings.warning("NK2117", message, service.span, help, (place, "written here"))


def first_write(main: Path) -> Span | None:
    """The first place in a program's own modules where something is written to `process.console`."""
    files, seen = [main], {main}
    for file in files:
        tree = parsed(file)
        if tree is None:
            continue
        writes = [node for node in ast.walk(tree) if is_write(node)]
        if writes:
            lines = file.read_text(encoding="utf-8", errors="replace").split("\n")
            return span_of(shown(file), lines, min(writes, key=lambda node: (node.lineno, node.col_offset)))
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module and not node.level:
                other = main.parent.joinpath(*node.module.split(".")).with_suffix(".py")
                if other not in seen and other.is_file():
                    seen.add(other)
                    files.append(other)
    return None


def is_write(node: ast.AST) -> TypeGuard[ast.Attribute]:
    """`process.console.write`, or of a `process` that is kept somewhere."""
    match node:
        case ast.Attribute(
            attr="write",
            value=ast.Attribute(attr="console", value=ast.Name(id="process") | ast.Attribute(attr="process")),
        ):
            return True
    return False
