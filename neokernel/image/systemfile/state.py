"""State that nobody keeps: a program asks for the memory that outlives it, or is given some, and not both.

Whether a program asks is known once it is compiled: it may do so in anything that it calls.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from pathlib import Path

from neokernel.image.systemfile.document import Findings
from neokernel.image.systemfile.machine import Machine
from neokernel.image.systemfile.own_modules import first_place


def check(machine: Machine, asks: Mapping[Path, bool], findings: Findings) -> None:
    """`asks`: of each program, by the file of its `main`, whether it asks for its state."""
    for service in machine.services.values():
        asked, kept = asks[service.program.main], service.preserve
        if asked and kept.value == 0:
            place = first_place(service.program.main, is_asking)
            message = f"`{service.name}` asks for `process.state()` and preserves nothing: it gets no bytes"
            help = 'write `preserve = "4 KiB"`, or as much as its state needs'
            notes = () if place is None else ((place, "asked for here"),)
            findings.warning("NK2209", message, kept.span, help, *notes)
        elif kept.value != 0 and not asked:
            message = f"`{service.name}` has memory that is preserved, and never asks for `process.state()`"
            help = "take the line out, or read and write there what is to outlive the process"
            findings.warning("NK2210", message, kept.span, help)


def is_asking(node: ast.AST) -> bool:
    """`process.state()`, or of a process by another name."""
    match node:
        case ast.Call(func=ast.Attribute(attr="state"), args=[], keywords=[]):
            return True
    return False
