"""Who serves an interface wrongly: what is wrong shows in code that was generated for the interface, far from it.

Invariant: only where it is said is changed, of what was found in one function.
"""

from __future__ import annotations

from dataclasses import replace

from neokernel.compiler import ir
from neokernel.compiler.declare import FunctionDecl
from neokernel.compiler.lower.context import Compilation
from neokernel.compiler.types import RefType
from neokernel.lang.interfaces.generate import LATER, PREFIX


def name_the_server(compilation: Compilation, decl: FunctionDecl, function: ir.Function, first: int) -> None:
    """Have the diagnostics from `first` on stand at the class that was to serve this method, or at its own method.

    A note says which interface wants it.
    """
    found = compilation.diagnostics.items
    handler = next((var.type for var in function.parameters if var.name == "handler"), None)
    if len(found) == first or not decl.name.startswith(PREFIX) or not isinstance(handler, RefType):
        return
    origin = compilation.resolver.origins.get(handler.target)
    if origin is None:
        return
    server = origin.declaration
    method = server.methods.get(decl.name.removeprefix(f"{PREFIX}_").removeprefix(LATER))
    place = server.module.span(server.node if method is None else method.node)
    found[first:] = [
        replace(item, span=place, notes=(*item.notes, (item.span, "the interface wants this")))
        for item in found[first:]
    ]
