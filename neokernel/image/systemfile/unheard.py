"""What services write and nobody will see: `process.console` is the kernel's, and goes nowhere without the grant.

The programs' own modules are looked at, on syntax alone; what libraries write is their affair.
"""

from __future__ import annotations

import ast

from neokernel.image.systemfile.document import Findings
from neokernel.image.systemfile.machine import Machine
from neokernel.image.systemfile.own_modules import first_place

CONSOLE = "kernel.console"


def check(machine: Machine, findings: Findings) -> None:
    for service in machine.services.values():
        if service.name in machine.assumed or any(need.special == CONSOLE for need in service.program.used()):
            continue
        place = first_place(service.program.main, is_write)
        if place is not None:
            message = f"`{service.name}` writes to `process.console` and isn't granted it: nobody will see that"
            line = machine.document.entries(("service", service.name, "uses"), "console", [f'"{CONSOLE}"'])
            help = f"declare `console: Uses[Console] = uses()`, and write {line}"
            findings.warning("NK2117", message, service.span, help, (place, "written here"))


def is_write(node: ast.AST) -> bool:
    """`process.console.write`, or of a `process` that is kept somewhere."""
    match node:
        case ast.Attribute(
            attr="write",
            value=ast.Attribute(attr="console", value=ast.Name(id="process") | ast.Attribute(attr="process")),
        ):
            return True
    return False
