"""Ghost code changes nothing that isn't ghost: contracts, `@ghost` functions, assignments of ghost fields.

Images leave ghost code out, so it must not be missed there. It may read everything, and change ghost fields, its own
variables, and objects that it has made itself. A call counts as what its function does; a function that changes
anything else can't be called from ghost code. Conditions change no ghost field either: what is only looked at says
nothing if looking changes it. And a promise of the end speaks of parameters as they were given, so it
names none that the body assigns to.

What a function promises that ghost code calls is known behind a call that images don't make. So it must come to its
end: one that didn't could promise anything. And an invariant holds whenever nobody is at work on the object: nobody can
see to that where others write.
"""

from __future__ import annotations

from collections.abc import Iterator

from neokernel.compiler import ir
from neokernel.compiler.diagnostics import Diagnostic, Diagnostics
from neokernel.compiler.lives import statements

_HELP = "ghost code may read everything, and change ghost fields and what it has made itself"


def check(program: ir.Program, diagnostics: Diagnostics) -> None:
    """Report ghost code that the program would miss. Calls must be known to form no cycle."""
    checker, looker = _Checker(), _Checker(looks=True)
    for function in program.functions:
        if function.ghost:
            found = [checker.change(s, _own(function.body)) for s in statements(function.body)]
        else:
            found = list(checker.in_ordinary(function))
        for change in found:
            if change is not None:
                span, what = change
                diagnostics.add(Diagnostic("NK0904", f"ghost code changes {what}, which images have", span, _HELP))
        for block in _looks(function):
            own = _own(block, ghosts=False)
            for statement in statements(block):
                if checker.change(statement, own) is None and (change := looker.change(statement, own)) is not None:
                    help = "let the body of the function change it: a condition is asked, or not, as often as one likes"
                    diagnostics.add(Diagnostic("NK0904", f"a condition changes {change[1]}", change[0], help))
        for span, name in _unclear(function):
            message = f"`{name}` is assigned to in the function: whose value is promised here?"
            help = f"write `old({name})` for what it was given; or give what is computed another name"
            diagnostics.add(Diagnostic("NK0905", message, span, help))
        for span in checker.unending(function):
            message = "what ghost code believes must come to an end, and of this nobody knows whether it does"
            help = "count rounds: `for i in range(n):`, which `break` may leave; then it is known that it ends"
            diagnostics.add(Diagnostic("NK0906", message, span, help))
        if function.invariant_of is not None:
            for span in checker.foreign(function):
                message = "an invariant holds at all times, and this may be written by others at any time"
                help = "keep what is to be relied on in a field of its own"
                diagnostics.add(Diagnostic("NK0907", message, span, help))


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
    """`looks`: ghost fields count, too. `changes`: what a function changes that isn't its own, if anything. `ends`: has
    it none but counted loops? `believed`: does it come to an end, if it promises something, and all that it calls?
    `shared`: does it read what others may write?"""

    def __init__(self, looks: bool = False) -> None:
        self.looks = looks
        self.changes: dict[ir.Function, str] = {}
        self.ends: dict[ir.Function, bool] = {}
        self.believed: dict[ir.Function, bool] = {}
        self.shared: dict[ir.Function, bool] = {}

    def change(self, node: ir.Statement, own: set[ir.Temp | ir.Var]) -> tuple[ir.Span, str] | None:
        """What a statement changes, in words."""
        what = ""
        match node:
            case ir.StoreField(base=base, struct=struct, field=name) if self.looks or not struct.fields[name].ghost:
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
            own = _own(function.body, ghosts=not self.looks)
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

    def unending(self, function: ir.Function) -> Iterator[ir.Span]:
        """What may never end in ghost code, and is known to callers by what it promises."""
        if function.ghost and function.ensures:
            yield from self.endless(function.body)
        blocks = [*([function.body] if function.ghost else ()), *(ghost.block for ghost in _ghosts(function))]
        for statement in (one for block in blocks for one in statements(block)):
            if isinstance(statement, ir.Call) and not self._is_believed(statement.function):
                yield statement.span

    def _is_believed(self, function: ir.Function) -> bool:
        if function.ghost:
            return True  # it is looked at by itself
        known = self.believed.get(function)
        if known is None:
            calls = (s.function for s in statements(function.body) if isinstance(s, ir.Call))
            ends = not function.ensures or not any(self.endless(function.body))
            known = self.believed[function] = ends and all(map(self._is_believed, calls))
        return known

    def foreign(self, function: ir.Function) -> Iterator[ir.Span]:
        """Reads of what others may write, and calls of what reads it."""
        for statement in statements(function.body):
            match statement:
                case ir.Atomic(span=span) | ir.LoadWire(span=span):
                    yield span
                case ir.Call(span=span, function=callee):
                    if callee not in self.shared:
                        self.shared[callee] = any(self.foreign(callee))
                    if self.shared[callee]:
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


def _looks(function: ir.Function) -> Iterator[ir.Block]:
    """Where conditions are computed, and what `old(…)` is."""
    yield from (ghost.block for ghost in _ghosts(function) if ghost.value is not None or ghost in function.entry)
    if function.invariant_of is not None:
        yield function.body


def _own(block: ir.Block, ghosts: bool = True) -> set[ir.Temp | ir.Var]:
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
                    if base in own or (ghosts and struct.fields[name].ghost):
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
