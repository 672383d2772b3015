"""Structs of which there is one object: does the program make no second one?

Proofs take it for granted of `AllOrNothing.single` that all references to such a struct are the same. So the whole
program is asked, boot included: where may a reference come from that isn't a copy of another?

Invariant: of a program that isn't refused, an object of each such struct comes out of one instruction, which runs once,
before `entries` are entered; what makes it is proven without that knowledge (`made_by`). (What assembly hands in, and
that it enters boot once, is assumed.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from neokernel.compiler import ir
from neokernel.compiler.diagnostics import Diagnostic
from neokernel.compiler.digest import cone, everything
from neokernel.compiler.types import RefType, StructType, Type

CODE = "NK1402"


class SeveralError(Exception):
    """There may be more than one object of what is said to be single."""

    def __init__(self, diagnostics: list[Diagnostic]) -> None:
        super().__init__("; ".join(one.message for one in diagnostics))
        self.diagnostics = diagnostics


def check(program: ir.Program, single: frozenset[str], entries: Iterable[ir.Function]) -> None:
    """See that there is one object of each struct in `single` (module and name), and that it is there before `entries`
    are entered; else SeveralError, which says why not."""
    later = set(entries)
    found = [one for name in sorted(single) for one in _wrong(program, name, later)]
    if found:
        raise SeveralError(found)


def _wrong(program: ir.Program, name: str, later: set[ir.Function]) -> Iterator[Diagnostic]:
    """What is wrong with one of them."""
    makers: list[tuple[ir.Function, ir.Instruction]] = []
    inside: list[ir.Span] = []
    for function in program.functions:
        if function.naked and _refers(function.result, name):
            yield _refusal(name, f"assembly gives a `{_short(name)}`", function.span)
        for node in everything(function.body):
            if not isinstance(node, ir.Instruction) or node.result is None or not _refers(node.result.type, name):
                continue
            match node:
                case ir.New() | ir.ObjectAt():
                    makers.append((function, node))
                case ir.FieldRef() | ir.ElementRef():
                    inside.append(node.span)
                case ir.Renew() | ir.Asm():
                    yield _refusal(name, f"a `{_short(name)}` comes from here, too", node.span)
    if inside:
        yield _refusal(
            name, f"this `{_short(name)}` is a part of another object, of which there may be many", inside[0]
        )
    elif not makers:
        module = name.rpartition(".")[0]
        own = [function.span for function in program.functions if function.module == module]
        where = next(iter(own), program.functions[0].span)
        yield _refusal(name, f"no function makes the one `{_short(name)}`", where)
    for function, node in makers[1:]:
        first = makers[0][1].span
        yield _refusal(name, f"`{function.name}` makes another `{_short(name)}`", node.span, first, "one is made here")
    for function, node in makers[:1]:
        yield from _more_than_once(program, name, function, node, later)


def made_by(function: ir.Function) -> set[str]:
    """The structs (module and name) of which it makes objects, or what it calls does: these weren't there before."""
    statements = (node for one in cone([function]) for node in everything(one.body))
    nodes = (node for node in statements if isinstance(node, ir.New) or (isinstance(node, ir.ObjectAt) and node.new))
    types = (node.result.type for node in nodes if node.result is not None)
    targets = (one.target for one in types if isinstance(one, RefType))
    return {f"{one.module}.{one.name}" for one in targets if isinstance(one, StructType)}


def _more_than_once(
    program: ir.Program, name: str, function: ir.Function, node: ir.Instruction, later: set[ir.Function]
) -> Iterator[Diagnostic]:
    """May the one that makes it run again, or later? It is followed to where nothing calls what it stands in."""
    seen = {function}
    while True:
        if id(node) in _in_loops(function):
            yield _refusal(name, f"each round of this loop may make another `{_short(name)}`", node.span)
            return
        if function in later:
            text = f"`{function.name}`, which is entered again and again, makes a `{_short(name)}`"
            yield _refusal(name, text, node.span)
            return
        calls = [
            (caller, call)
            for caller in program.functions
            for call in everything(caller.body)
            if isinstance(call, ir.Call) and call.function is function
        ]
        if len(calls) > 1:
            text = f"`{function.name}` makes a `{_short(name)}` and is called more than once"
            yield _refusal(name, text, calls[1][1].span, calls[0][1].span, "called here first")
            return
        if not calls:
            return
        function, node = calls[0]
        if function in seen:
            yield _refusal(name, f"`{function.name}` calls itself, and makes a `{_short(name)}`", node.span)
            return
        seen.add(function)


def _in_loops(function: ir.Function) -> set[int]:
    """The statements that are in loops, by identity."""
    loops = (one for one in everything(function.body) if isinstance(one, ir.Loop))
    return {id(inner) for one in loops for inner in everything([*one.body, *one.step])}


def _refers(type_: Type, name: str) -> bool:
    target = type_.target if isinstance(type_, RefType) else None
    return isinstance(target, StructType) and f"{target.module}.{target.name}" == name


def _short(name: str) -> str:
    return name.rpartition(".")[2]


def _refusal(name: str, message: str, span: ir.Span, before: ir.Span | None = None, note: str = "") -> Diagnostic:
    return Diagnostic(
        CODE,
        message,
        span,
        f"make the one `{_short(name)}` in one place that runs once, before what is proven; or take `{name}` out of "
        "what is said to be single",
        () if before is None else ((before, note),),
    )
