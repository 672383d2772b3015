"""Ghost code changes nothing that isn't ghost: contracts, `@ghost` functions, assignments of ghost fields.

Images leave ghost code out, so it must not be missed there. It may read everything, and change ghost fields, its own
variables, and objects that it has made itself. A call counts as what its function does; a function that changes
anything else can't be called from ghost code. And a promise of the end speaks of parameters as they were given, so it
names none that the body assigns to.

What a `@ghost` function promises is known behind a call that images don't make. So it must come to its end: a function
that didn't could promise anything.
"""

from __future__ import annotations

from collections.abc import Iterator

from neokernel.compiler import ir
from neokernel.compiler.diagnostics import Diagnostic, Diagnostics
from neokernel.compiler.lives import statements

_HELP = "ghost code may read everything, and change ghost fields and what it has made itself"


def check(program: ir.Program, diagnostics: Diagnostics) -> None:
    """Report ghost code that the program would miss. Calls must be known to form no cycle."""
    checker = _Checker()
    for function in program.functions:
        if function.ghost:
            found = [checker.change(s, _own(function.body)) for s in statements(function.body)]
        else:
            found = list(checker.in_ordinary(function))
        for change in found:
            if change is not None:
                span, what = change
                diagnostics.add(Diagnostic("NK0904", f"ghost code changes {what}, which images have", span, _HELP))
        for span, name in _unclear(function):
            message = f"`{name}` is assigned to in the function: whose value is promised here?"
            help = f"write `old({name})` for what it was given; or give what is computed another name"
            diagnostics.add(Diagnostic("NK0905", message, span, help))
        if function.ghost and function.ensures:
            for span in checker.endless(function.body):
                message = "a ghost function that promises something must end, and of this nobody knows whether it does"
                help = "count rounds: `for i in range(n):`, which `break` may leave; then a prover knows that it ends"
                diagnostics.add(Diagnostic("NK0906", message, span, help))


def _unclear(function: ir.Function) -> Iterator[tuple[ir.Span, str]]:
    """Parameters in what a function promises that aren't what its caller has given any more."""
    if not function.ensures:
        return
    assigned = {s.var for s in statements(function.body) if isinstance(s, ir.Set)} & set(function.parameters)
    for ghost in function.ensures:
        for statement in statements(ghost.block):
            if isinstance(statement, ir.Get) and statement.var in assigned:
                yield statement.span, statement.var.name


class _Checker:
    """`changes`: what a function changes that isn't its own, if anything. `ends`: has it none but counted loops?"""

    def __init__(self) -> None:
        self.changes: dict[ir.Function, str] = {}
        self.ends: dict[ir.Function, bool] = {}

    def change(self, node: ir.Statement, own: set[ir.Temp | ir.Var]) -> tuple[ir.Span, str] | None:
        """What a statement changes, in words."""
        what = ""
        match node:
            case ir.StoreField(base=base, struct=struct, field=name) if not struct.fields[name].ghost:
                what = "" if base in own else f"`{struct}.{name}`"
            case ir.StoreElement(base=base) | ir.FillArray(base=base) | ir.Copy(target=base):
                what = "" if base in own else "elements"
            case ir.StoreWire(base=base, wire=wire, field=name):
                what = "" if base in own else f"`{wire}.{name}`"
            case ir.Atomic(op=op, cell=cell) if op != "load":
                what = "" if cell in own else "an atomic cell"
            case ir.Retire() | ir.Renew():
                what = "an object's life"
            case ir.Asm():
                what = "what assembly changes"
            case ir.Call(function=function):
                what = self._of_function(function)
        return (node.span, what) if what else None

    def _of_function(self, function: ir.Function) -> str:
        known = self.changes.get(function)
        if known is None:
            own = _own(function.body)
            found = (self.change(s, own) for s in statements(function.body))
            known = self.changes[function] = next((change[1] for change in found if change is not None), "")
        return known

    def endless(self, block: ir.Block) -> Iterator[ir.Span]:
        """Loops whose rounds aren't counted, and calls of what has some."""
        for statement in statements(block):
            match statement:
                case ir.Loop(span=span, trip=None):
                    yield span
                case ir.Call(span=span, function=function):
                    if function not in self.ends:
                        self.ends[function] = not any(self.endless(function.body))
                    if not self.ends[function]:
                        yield span

    def in_ordinary(self, function: ir.Function) -> Iterator[tuple[ir.Span, str] | None]:
        """The changes that ghost code in an ordinary function makes."""
        ghosts = list(_ghosts(function))
        if not ghosts:
            return
        read = {s.var for s in statements(function.body) if isinstance(s, ir.Get)}
        for ghost in ghosts:
            own = _own(ghost.block)
            for statement in statements(ghost.block):
                yield self.change(statement, own)
                if isinstance(statement, ir.Set) and statement.var in read:
                    yield statement.span, f"`{statement.var.name}`"


def _ghosts(function: ir.Function) -> Iterator[ir.Ghost]:
    yield from (*function.requires, *function.ensures, *function.entry)
    for statement in statements(function.body):
        if isinstance(statement, ir.Ghost):
            yield statement


def _own(block: ir.Block) -> set[ir.Temp | ir.Var]:
    """What refers to an object made in the block, or to a ghost field."""
    own: set[ir.Temp | ir.Var] = set()
    foreign: set[ir.Var] = set()
    while True:
        before = len(own), len(foreign)
        for node in statements(block):
            match node:
                case ir.New(result=result) if result is not None:
                    own.add(result)
                case ir.FieldRef(result=result, base=base, struct=struct, field=name) if result is not None:
                    if base in own or struct.fields[name].ghost:
                        own.add(result)
                case (
                    ir.ElementRef(result=result, base=base)
                    | ir.MakeSpan(result=result, base=base)
                    | ir.Slice(result=result, base=base)
                ) if result is not None and base in own:
                    own.add(result)
                case ir.Get(result=result, var=var) if result is not None and var in own:
                    own.add(result)
                case ir.Set(var=var, value=value):
                    if value in own and var not in foreign:
                        own.add(var)
                    elif value not in own:
                        foreign.add(var)
        # A variable counts only if all that is assigned to it does; start again without the others.
        if own & foreign:
            own.clear()
        elif (len(own), len(foreign)) == before:
            return own
