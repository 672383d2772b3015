"""Pass 4, effects: what only the whole program shows. (Recursion; escaping references; ended objects.)"""

from __future__ import annotations

from neokernel.compiler import ir
from neokernel.compiler.diagnostics import Diagnostics


def check(program: ir.Program, diagnostics: Diagnostics) -> None:
    """Report what is wrong with the program as a whole."""
