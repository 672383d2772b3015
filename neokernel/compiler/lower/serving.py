"""Who serves an interface wrongly: what is wrong shows in code that was generated for the interface, far from it.

Invariant: only notes are added, to what was found in one function.
"""

from __future__ import annotations

from dataclasses import replace

from neokernel.compiler import ir
from neokernel.compiler.declare import FunctionDecl
from neokernel.compiler.lower.context import Compilation
from neokernel.compiler.types import RefType
from neokernel.lang.interfaces.generate import LATER, PREFIX


def name_the_server(compilation: Compilation, decl: FunctionDecl, function: ir.Function, first: int) -> None:
    """Say of the diagnostics from `first` on which class, and which of its methods, was to serve this one."""
    found = compilation.diagnostics.items
    handler = next((var.type for var in function.parameters if var.name == "handler"), None)
    if len(found) == first or not decl.name.startswith(PREFIX) or not isinstance(handler, RefType):
        return
    origin = compilation.resolver.origins.get(handler.target)
    if origin is None:
        return
    server = origin.declaration
    method = server.methods.get(decl.name.removeprefix(f"{PREFIX}_").removeprefix(LATER))
    if method is None:
        note = server.module.span(server.node), f"`{server.name}` is to serve it"
    else:
        note = server.module.span(method.node), f"`{method.title}` is to serve it"
    found[first:] = [replace(diagnostic, notes=(*diagnostic.notes, note)) for diagnostic in found[first:]]
