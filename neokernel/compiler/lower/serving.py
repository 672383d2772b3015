"""Who serves an interface wrongly: what is wrong shows in code that was generated for the interface, far from it.

Invariant: of what was found in one function, only where and how it is said is changed.
"""

from __future__ import annotations

import ast
import re
from dataclasses import replace

from neokernel.compiler import ir
from neokernel.compiler.declare import ClassDecl, FunctionDecl
from neokernel.compiler.diagnostics import Diagnostic
from neokernel.compiler.lower.context import Compilation
from neokernel.compiler.types import RefType
from neokernel.lang.interfaces.generate import LATER, PREFIX, server_name

#: what `coerce.mismatch` says
MISMATCH = re.compile(r"expected `(?P<expected>.+)`, and this is `(?P<actual>.+)`")


def name_the_server(compilation: Compilation, decl: FunctionDecl, function: ir.Function, first: int) -> None:
    """Have the diagnostics from `first` on stand at the class that was to serve this method, or at its own method.

    A note says which interface wants it; and where a declaration differs, the message is about that.
    """
    found = compilation.diagnostics.items
    handler = next((var.type for var in function.parameters if var.name == "handler"), None)
    if len(found) == first or not decl.name.startswith(PREFIX) or not isinstance(handler, RefType):
        return
    origin = compilation.resolver.origins.get(handler.target)
    if origin is None:
        return
    server = origin.declaration
    name = decl.name.removeprefix(f"{PREFIX}_")
    method = server.methods.get(name.removeprefix(LATER))
    place = server.module.span(server.node if method is None else method.node)
    wanted = interface_method(decl, name.removeprefix(LATER))
    told: list[Diagnostic] = []
    for item in found[first:]:
        said = replace(item, span=place)
        if method is not None and wanted is not None:
            said = as_declared(said, method, wanted, waits=name.startswith(LATER))
        # Where the handler declares it is where this stands.
        notes = tuple(note for note in said.notes if note[0] is None or not same_line(note[0], said.span))
        told.append(replace(said, notes=(*notes, (item.span, "the interface wants this"))))
    found[first:] = told


def same_line(one: ir.Span, other: ir.Span) -> bool:
    return (one.file, one.line) == (other.file, other.line)


def interface_method(decl: FunctionDecl, name: str) -> FunctionDecl | None:
    """The method of the interface that a dispatcher's method serves, as its clients have it."""
    if decl.owner is None:
        return None
    proxy = decl.scope.names.get(decl.owner.name.removeprefix(server_name("")))
    return proxy.methods.get(name) if isinstance(proxy, ClassDecl) else None


def as_declared(said: Diagnostic, method: FunctionDecl, wanted: FunctionDecl, *, waits: bool) -> Diagnostic:
    """What to change of a handler, where the dispatcher's call of it was found wrong: its declaration differs."""
    name = method.name
    if said.code == "NK0420" and not waits:
        message = f"`{method.title}` is an `async def`, and `serve` and `dispatch` don't wait for one"
        return replace(said, message=message, help="use `dispatch_later`, or drop `async`")
    if said.code == "NK0422" and waits and "async" not in method.marks:
        message = f"`{method.title}` is no `async def`, and `dispatch_later` awaits it"
        return replace(said, message=message, help=f"make it `async def {name}`, or use `dispatch`")
    if said.code not in ("NK0310", "NK0326"):
        return said
    has, wants = method.node.args.args[1:], wanted.node.args.args[1:]
    if len(has) > len(wants):
        extra = has[len(wants)]
        message = f"the interface has no parameter `{extra.arg}` of `{name}`"
        return replace(said, message=message, help="take it out", span=method.module.span(extra))
    if len(has) < len(wants):
        missing = wants[len(has)]
        message = f"`{method.title}` has no parameter `{missing.arg}`, and the interface has one"
        return replace(said, message=message, help=f"write `{ast.unparse(missing)}`")
    types = MISMATCH.fullmatch(said.message)
    if types is None:
        return said
    for own, theirs in zip(has, wants, strict=True):
        if text_of(own.annotation) == types["expected"] and text_of(theirs.annotation) != types["expected"]:
            message = f"`{own.arg}` is `{types['actual']}` in the interface"
            help = f"write `{own.arg}: {types['actual']}`"
            return replace(said, message=message, help=help, span=method.module.span(own))
    if method.node.returns is not None and text_of(method.node.returns) == types["actual"]:
        message = f"`{name}` gives `{types['expected']}` in the interface"
        help = f"write `-> {types['expected']}`"
        return replace(said, message=message, help=help, span=method.module.span(method.node.returns))
    return said


def text_of(annotation: ast.expr | None) -> str:
    return "" if annotation is None else ast.unparse(annotation)
