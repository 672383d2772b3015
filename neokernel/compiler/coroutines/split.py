"""The pass that takes coroutines apart: each becomes a frame, a function that resumes it, and one that cancels it.

The places where a coroutine can wait are numbered in the order of the source, from READY + 1 on. `resume` is the
coroutine's own tree of statements, with tests that lead back to where it waited. While `.resume` holds the number of a
place, all that isn't on the way there is skipped; arrived there, `.resume` becomes READY, which is less than all of
them, and the code runs as it was written:

    if .resume == READY: …the statements before…
    if .resume <= 4: …a statement with the places 3 and 4 in it…
    if .resume == READY: …the statements between…
    …the last statement with places, and what follows it…

So the tree stays a tree: loops, `break` and `continue` are what they were, and neither the prover nor LLVM has to find
the structure again. On the way that is running `.resume` is known to be READY, so LLVM drops most of the tests.

What lives across a pause is a field of the frame: variables, objects that the coroutine makes, frames of those that it
awaits (one for each function: they are awaited one after another). A temp that is used beyond the next pause or test is
made a variable first. All other variables stay variables of `resume`.

Invariants: after a resumption, nothing is read that isn't in the frame or was set since; no frame contains itself, as
there is no recursion; the fields are ordered by alignment.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator

from neokernel.compiler import ir
from neokernel.compiler.coroutines.live import Liveness
from neokernel.compiler.diagnostics import Diagnostic, Diagnostics
from neokernel.compiler.ir import Const
from neokernel.compiler.layout import Layout
from neokernel.compiler.lives import blocks_of, statements
from neokernel.compiler.lower.frames import CANCELLED, ENDED, READY, RESULT, RUNNING, STATE
from neokernel.compiler.types import (
    BOOL,
    BYTES,
    NEVER,
    NONE,
    U8,
    U16,
    ArrayType,
    BoolType,
    EnumType,
    Field,
    FloatType,
    FrameType,
    IntType,
    RefType,
    SpanType,
    StructType,
    Type,
    WireType,
)
from neokernel.lang.interfaces.generate import as_written


def split(program: ir.Program, diagnostics: Diagnostics) -> None:
    """Take all coroutines of a program apart."""
    coroutines = [function for function in program.functions if function.coroutine is not None]
    for function in coroutines:
        contracts = [*function.requires, *function.ensures, *function.entry]
        contracts += [s for s in statements(function.body) if isinstance(s, ir.Ghost)]
        if contracts:
            message = "an `async def` has no contracts and no ghost code"
            help = "write a function for the part that doesn't wait, and put them there"
            diagnostics.add(Diagnostic("NK0424", message, contracts[0].span, help))
    if diagnostics.items:
        return
    for function in coroutines:
        _Splitter(function).run()
    taken = set(coroutines)
    program.functions = [function for function in program.functions if function not in taken]
    for function in coroutines:
        assert function.coroutine is not None
        # Tracebacks, profiles and debuggers show the name that was written.
        function.coroutine.resume.symbol = function.symbol


def frame_sizes(program: ir.Program) -> dict[str, int]:
    """The bytes of each frame, by the symbol of its coroutine, as users know it."""
    layout = Layout()
    sizes = {}
    for function in program.functions:
        match [var.type for var in function.parameters]:
            case [RefType(FrameType() as frame)] if function.result == BOOL:
                sizes[as_written(function.symbol)] = layout.size(frame)
    return sizes


class _Splitter:
    """One coroutine."""

    def __init__(self, function: ir.Function) -> None:
        assert function.coroutine is not None
        self.function = function
        self.coroutine = function.coroutine
        self.frame = self.coroutine.frame
        self.frame_var = ir.Var("frame", RefType(self.frame), len(function.variables))
        self.resume_var = ir.Var(".resume", U16, len(function.variables) + 1)
        #: variables that the coroutine itself doesn't have
        self.added = [self.resume_var]
        #: the numbers of the first and the last place inside each statement that has some
        self.places: dict[ir.Statement, tuple[int, int]] = {}
        self.waits: list[ir.Await | ir.Pause] = []
        #: variables in place of temps
        self.spilled: dict[ir.Temp, ir.Var] = {}
        self.results: dict[ir.Await, ir.Var] = {}
        #: how a variable is reached that isn't one of `resume`: the fields to go through
        self.paths: dict[ir.Var, tuple[tuple[StructType, Field], ...]] = {}
        self.objects: dict[ir.New, Field] = {}
        self.callees: dict[ir.Function, Field] = {}
        #: set at the begin, so that they are set on every path
        self.zeroed: list[ir.Var] = []

    def run(self) -> None:
        function = self.function
        self._number(function.body)
        self._spill()
        self._choose_fields()
        body = [*self._begin(), *self._block(function.body)]
        cancelling = self._cancelling()
        gone = {*self.paths, *function.parameters}
        variables = [var for var in (*function.variables, *self.added) if var not in gone]
        for made, block in ((self.coroutine.resume, body), (self.coroutine.cancel, cancelling)):
            made.parameters, made.variables = [self.frame_var], [self.frame_var, *variables]
            made.body, made.checks, made.temps = block, function.checks, function.temps
        self.coroutine.cancel.cold = True

    # --- places ---

    def _number(self, block: ir.Block) -> None:
        for statement in block:
            first = READY + len(self.waits) + 1
            if isinstance(statement, ir.Await | ir.Pause):
                self.waits.append(statement)
            else:
                for inner in blocks_of(statement):
                    self._number(inner)
            if first <= READY + len(self.waits):
                self.places[statement] = first, READY + len(self.waits)

    def _segments(self) -> Iterator[tuple[ir.Statement, int]]:
        """Every statement with the segment in which its operands are used.

        A segment ends where another one may be jumped into: at a place, and at the begin of a block that has places.
        """
        count = 0

        def walk(block: ir.Block) -> Iterator[tuple[ir.Statement, int]]:
            nonlocal count
            count += 1
            segment = count
            for statement in block:
                yield statement, segment
                if statement not in self.places:
                    yield from ((inner, segment) for part in blocks_of(statement) for inner in statements(part))
                    continue
                for part in blocks_of(statement):
                    yield from walk(part)
                count += 1
                segment = count

        return walk(self.function.body)

    # --- temps that cross segments ---

    def _spill(self) -> None:
        """Make variables of the temps that are used in another segment than their own."""
        made: dict[ir.Temp, tuple[ir.Instruction, int]] = {}
        for statement, segment in self._segments():
            if isinstance(statement, ir.Instruction) and statement.result is not None:
                # What an `await` gives is there after it only.
                made[statement.result] = statement, -1 if isinstance(statement, ir.Await) else segment
        for statement, segment in self._segments():
            for temp in _temps(statement):
                if made[temp][1] != segment and temp not in self.spilled and temp.type not in (NONE, NEVER):
                    self.spilled[temp] = var = self._variable(f".kept{temp.number}", temp.type)
                    by = made[temp][0]
                    if isinstance(by, ir.Await):
                        self.results[by] = var
        for statement, _ in list(self._segments()):
            if isinstance(statement, ir.New):
                self._object(statement)
        self._rewrite(self.function.body)

    def _rewrite(self, block: ir.Block) -> None:
        """Set the variables where the temps are made, get them where these are used."""
        made: ir.Block = []
        for statement in block:
            _replace(statement, lambda temp, at=statement: self._read(temp, at, made))  # type: ignore[misc]
            for part in blocks_of(statement):
                self._rewrite(part)
            made.append(statement)
            result = statement.result if isinstance(statement, ir.Instruction) else None
            var = self.spilled.get(result) if result is not None else None
            if var is not None and not isinstance(statement, ir.Await | ir.New):
                assert isinstance(statement, ir.Instruction) and result is not None
                made.append(ir.Set(statement.span, None, (), var, result))
        block[:] = made

    def _read(self, temp: ir.Temp, at: ir.Statement, made: ir.Block) -> ir.Operand:
        if temp.type == NONE:
            return Const(NONE, None)
        var = self.spilled.get(temp)
        if var is None:
            return temp
        read = self._temp(temp.type)
        made.append(ir.Get(at.span, read, (), var))
        return read

    # --- fields ---

    def _object(self, node: ir.New) -> None:
        assert node.result is not None and isinstance(node.result.type, RefType)
        field = self.objects[node] = Field(f".object{node.result.number}", node.result.type.target, inline=True)
        if node.result in self.spilled:
            self.paths[self.spilled[node.result]] = ((self.frame, field),)

    def _choose_fields(self) -> None:
        for wait in self.waits:
            if isinstance(wait, ir.Await) and wait.function not in self.callees:
                assert wait.function.coroutine is not None
                name = f".{wait.function.name}.{len(self.callees)}"
                self.callees[wait.function] = Field(name, wait.function.coroutine.frame, inline=True)
        for var in self.function.parameters:
            self.paths[var] = ((self.frame, self.frame.fields[var.name]),)
        live = Liveness(self.function.body, self.results)
        where: dict[ir.Var, set[int]] = {}
        for statement, segment in self._segments():
            for var in _variables(statement):
                where.setdefault(var, set()).add(segment)
        for var in (*self.function.variables, *self.added):
            if var in self.paths:
                continue
            zero = _zero(var.type)
            if var in live.kept:
                self._keep(var)
            elif var in self.results.values():
                self._read_from_callee(var)
            elif len(where.get(var, ())) > 1 and zero is None:
                self._keep(var)
            elif len(where.get(var, ())) > 1:
                self.zeroed.append(var)
        fields = [*self.frame.fields.values(), *self.objects.values(), *self.callees.values()]
        layout = Layout()
        fields.sort(key=lambda field: 0 if field.inline else -layout.alignment(field.type))
        # What is inline comes last: how it is aligned isn't known before all frames are.
        fields.sort(key=lambda field: field.inline)
        self.frame.fields.clear()
        self.frame.fields.update((field.name, field) for field in fields)

    def _keep(self, var: ir.Var) -> None:
        name = var.name if var.name not in self.frame.fields else f"{var.name}.{var.number}"
        field = self.frame.fields[name] = Field(name, var.type)
        self.paths[var] = ((self.frame, field),)

    def _read_from_callee(self, var: ir.Var) -> None:
        """The result of an `await` that doesn't live across another one is read where the callee left it."""
        function = next(wait.function for wait, given in self.results.items() if given is var)
        assert function.coroutine is not None
        frame = function.coroutine.frame
        self.paths[var] = ((self.frame, self.callees[function]), (frame, frame.fields[RESULT]))

    # --- instructions ---

    def _variable(self, name: str, type_: Type) -> ir.Var:
        var = ir.Var(name, type_, len(self.function.variables) + 1 + len(self.added))
        self.added.append(var)
        return var

    def _temp(self, type_: Type) -> ir.Temp:
        self.function.temps += 1
        return ir.Temp(self.function.temps - 1, type_)

    def _op(
        self, out: ir.Block, make: Callable[..., ir.Instruction], span: ir.Span, type_: Type, *operands: object
    ) -> ir.Temp:
        result = self._temp(type_)
        out.append(make(span, result, (), *operands))
        return result

    def _here(self, out: ir.Block, span: ir.Span) -> ir.Temp:
        """The coroutine's frame."""
        return self._op(out, ir.Get, span, self.frame_var.type, self.frame_var)

    def _follow(
        self, out: ir.Block, span: ir.Span, path: tuple[tuple[StructType, Field], ...]
    ) -> tuple[ir.Temp, StructType, Field]:
        """What holds the last field of the path."""
        place = self._here(out, span)
        for struct, field in path[:-1]:
            place = self._op(out, ir.FieldRef, span, RefType(field.type), place, struct, field.name)
        return place, *path[-1]

    def _load(self, out: ir.Block, span: ir.Span, var: ir.Var, result: ir.Temp) -> None:
        if var not in self.paths:
            out.append(ir.Get(span, result, (), var))
            return
        place, struct, field = self._follow(out, span, self.paths[var])
        make = ir.FieldRef if field.inline else ir.LoadField
        out.append(make(span, result, (), place, struct, field.name))

    def _store(self, out: ir.Block, span: ir.Span, name: str, value: ir.Operand) -> None:
        out.append(ir.StoreField(span, None, (), self._here(out, span), self.frame, name, value))

    def _leave(self, out: ir.Block, span: ir.Span, state: int) -> None:
        self._store(out, span, STATE, Const(U16, state))
        out.append(ir.Return(span, Const(BOOL, state == ENDED)))

    def _compare(self, out: ir.Block, span: ir.Span, op: str, number: int) -> ir.Temp:
        """Compare `.resume`."""
        place = self._op(out, ir.Get, span, U16, self.resume_var)
        return self._op(out, ir.Compare, span, BOOL, op, place, Const(U16, number))

    def _running(self, out: ir.Block, span: ir.Span, then: ir.Block, otherwise: ir.Block) -> None:
        """`then` unless a place is still to be found, else `otherwise`."""
        if then or otherwise:
            test = self._compare(out, span, "eq", READY)
            out.append(ir.If(_unasked(span), test, then, otherwise))

    # --- resume ---

    def _begin(self) -> ir.Block:
        out: ir.Block = []
        span = self.function.span
        state = self._op(out, ir.LoadField, span, U16, self._here(out, span), self.frame, STATE)
        over = self._op(out, ir.Compare, span, BOOL, "le", state, Const(U16, ENDED))
        out.append(ir.If(_unasked(span), over, [ir.Return(span, Const(BOOL, True))], []))
        self._store(out, span, STATE, Const(U16, RUNNING))
        out.append(ir.Set(span, None, (), self.resume_var, state))
        for var in self.zeroed:
            zero = _zero(var.type)
            assert zero is not None
            out.append(ir.Set(span, None, (), var, zero))
        return out

    def _block(self, block: ir.Block) -> ir.Block:
        """A block: what comes before its places only if it is running, what follows them in any case."""
        places = [index for index, statement in enumerate(block) if statement in self.places]
        out: ir.Block = []
        begin = 0
        for index in places:
            before, statement = block[begin:index], block[index]
            running, finding, rest = self._plain(before), list[ir.Statement](), list[ir.Statement]()
            self._with_places(statement, running, finding, rest)
            self._running(out, (before or [statement])[0].span, running, finding)
            if index == places[-1]:
                out += rest
            else:
                test = self._compare(out, statement.span, "le", self.places[statement][1])
                out.append(ir.If(_unasked(statement.span), test, rest, []))
            begin = index + 1
        return out + self._plain(block[begin:])

    def _with_places(self, node: ir.Statement, running: ir.Block, finding: ir.Block, out: ir.Block) -> None:
        """Put a statement together: what is to be done first if it is running, if a place is to be found; the rest."""
        match node:
            case ir.Pause():
                self._leave(running, node.span, self.places[node][0])
                out.append(ir.Set(node.span, None, (), self.resume_var, Const(U16, READY)))
            case ir.Await():
                self._await(node, running, out)
            case ir.If():
                self._if(node, running, finding, out)
            case ir.Switch():
                self._switch(node, running, finding, out)
            case ir.Loop():
                trip = node.trip if isinstance(node.trip, Const) else None
                out.append(ir.Loop(node.span, self._block(node.body), self._plain(node.step), node.label, trip=trip))

    def _await(self, node: ir.Await, running: ir.Block, out: ir.Block) -> None:
        callee, field, span = node.function.coroutine, self.callees[node.function], node.span
        assert callee is not None
        here = self._here(running, span)
        place = self._op(running, ir.FieldRef, span, RefType(field.type), here, self.frame, field.name)
        for var, argument in zip(node.function.parameters, node.arguments, strict=True):
            running.append(ir.StoreField(span, None, (), place, callee.frame, var.name, argument))
        running.append(ir.StoreField(span, None, (), place, callee.frame, STATE, Const(U16, READY)))
        out.append(ir.Set(span, None, (), self.resume_var, Const(U16, READY)))
        place = self._op(out, ir.FieldRef, span, RefType(field.type), self._here(out, span), self.frame, field.name)
        ended = self._op(out, ir.Call, span, BOOL, callee.resume, (place,))
        leave: ir.Block = []
        self._leave(leave, span, self.places[node][0])
        after: ir.Block = []
        if node.function.result == NEVER:
            after.append(ir.Fail(span, ir.Check(self.function.checks, ir.Kind.UNREACHABLE, True, "it doesn't end")))
            self.function.checks += 1
        out.append(ir.If(_unasked(span), ended, after, leave))
        var_ = self.results.get(node)
        if var_ is not None and len(self.paths[var_]) == 1:
            result = self._op(out, ir.LoadField, span, node.function.result, place, callee.frame, RESULT)
            self._store(out, span, self.paths[var_][0][1].name, result)

    def _if(self, node: ir.If, running: ir.Block, finding: ir.Block, out: ir.Block) -> None:
        """Which branch: by the condition, or by where the place is."""
        chosen = self._variable(f".branch{self.places[node][0]}", BOOL)
        running.append(ir.Set(node.span, None, (), chosen, node.condition))
        in_then = max((self.places[s][1] for s in node.then if s in self.places), default=0)
        in_otherwise = any(s in self.places for s in node.otherwise)
        value: ir.Operand = Const(BOOL, in_then > 0)
        if in_then and in_otherwise:
            value = self._compare(finding, node.span, "le", in_then)
        finding.append(ir.Set(node.span, None, (), chosen, value))
        test = self._op(out, ir.Get, node.span, BOOL, chosen)
        out.append(ir.If(node.span, test, self._block(node.then), self._block(node.otherwise)))

    def _switch(self, node: ir.Switch, running: ir.Block, finding: ir.Block, out: ir.Block) -> None:
        """The same for many branches: they are numbered."""
        chosen = self._variable(f".case{self.places[node][0]}", U16)
        blocks = [block for _, block in node.cases]
        has_default = bool(node.default) or not node.exhaustive

        def choose(number: int) -> ir.Block:
            return [ir.Set(node.span, None, (), chosen, Const(U16, number))]

        cases = [(wanted, choose(number)) for number, (wanted, _) in enumerate(node.cases)]
        default = choose(len(blocks)) if has_default else []
        running.append(ir.Switch(node.span, node.value, cases, default, exhaustive=node.exhaustive))
        blocks += [node.default] if has_default else []
        waiting = [
            (number, max(self.places[s][1] for s in block if s in self.places))
            for number, block in enumerate(blocks)
            if any(s in self.places for s in block)
        ]
        found = choose(waiting[-1][0])
        for number, last in reversed(waiting[:-1]):
            tested: ir.Block = []
            test = self._compare(tested, node.span, "le", last)
            found = [*tested, ir.If(_unasked(node.span), test, choose(number), found)]
        finding += found
        number_ = self._op(out, ir.Get, node.span, U16, chosen)
        made = [self._block(block) for block in blocks]
        numbered: list[tuple[tuple[int, ...] | tuple[Type, ...], ir.Block]] = [
            ((number,), block) for number, block in enumerate(made[:-1])
        ]
        out.append(ir.Switch(_unasked(node.span), number_, numbered, made[-1]))

    # --- what has no place in it ---

    def _plain(self, block: ir.Block) -> ir.Block:
        out: ir.Block = []
        for statement in block:
            self._statement(out, statement)
        return out

    def _statement(self, out: ir.Block, node: ir.Statement) -> None:
        match node:
            case ir.Get(var=var) if node.result is not None:
                self._load(out, node.span, var, node.result)
            case ir.Set(var=var) if var in self.paths:
                self._store(out, node.span, self.paths[var][0][1].name, node.value)
            case ir.New():
                self._new(out, node)
            case ir.Return():
                if node.value is not None:
                    self._store(out, node.span, RESULT, node.value)
                self._leave(out, node.span, ENDED)
            case ir.If():
                node.then, node.otherwise = self._plain(node.then), self._plain(node.otherwise)
                out.append(node)
            case ir.Switch():
                node.cases = [(wanted, self._plain(part)) for wanted, part in node.cases]
                node.default = self._plain(node.default)
                out.append(node)
            case ir.Loop():
                node.body, node.step = self._plain(node.body), self._plain(node.step)
                out.append(node)
            case _:
                out.append(node)

    def _new(self, out: ir.Block, node: ir.New) -> None:
        """An object that the coroutine makes lies in its frame; each time it is another one."""
        field, result = self.objects[node], node.result
        assert result is not None
        of = field.type
        again = isinstance(of, StructType) and not isinstance(of, FrameType)
        place = self._temp(result.type) if again else result
        out.append(ir.FieldRef(node.span, place, (), self._here(out, node.span), self.frame, field.name))
        if again:
            out.append(ir.Renew(node.span, result, (), place))
        if node.zero and isinstance(of, WireType):
            self._zero_wire(out, node.span, result, of)

    def _zero_wire(self, out: ir.Block, span: ir.Span, place: ir.Temp, wire: WireType) -> None:
        for name, field in wire.fields.items():
            match field.type:
                case IntType() as type_:
                    checks: tuple[ir.Check, ...] = ()
                    if field.bits < type_.bits:
                        checks = (self._discharged(ir.Kind.CONVERSION),)
                    out.append(ir.StoreWire(span, None, checks, place, wire, name, Const(type_, 0)))
                case WireType() as inner:
                    inside = self._op(out, ir.WireRef, span, RefType(inner), place, wire, name)
                    self._zero_wire(out, span, inside, inner)
                case ArrayType(length=length):
                    bytes_ = self._op(out, ir.WireRef, span, SpanType(U8, mutable=True), place, wire, name)
                    zeroes = Const(BYTES, bytes(length))
                    out.append(ir.Copy(span, None, (self._discharged(ir.Kind.INDEX),), bytes_, zeroes))

    def _discharged(self, kind: ir.Kind) -> ir.Check:
        self.function.checks += 1
        return ir.Check(self.function.checks - 1, kind, True)

    # --- cancel ---

    def _cancelling(self) -> ir.Block:
        """Cancel what is awaited, then do the clean-up of the place."""
        out: ir.Block = []
        span = self.function.span
        state = self._op(out, ir.LoadField, span, U16, self._here(out, span), self.frame, STATE)
        alive = self._op(out, ir.Compare, span, BOOL, "gt", state, Const(U16, ENDED))
        inside: ir.Block = []
        self._store(inside, span, STATE, Const(U16, CANCELLED))
        cases: list[tuple[tuple[int, ...] | tuple[Type, ...], ir.Block]] = []
        for number, wait in enumerate(self.waits, READY + 1):
            block: ir.Block = []
            if isinstance(wait, ir.Await):
                callee, field = wait.function.coroutine, self.callees[wait.function]
                assert callee is not None
                here = self._here(block, wait.span)
                place = self._op(block, ir.FieldRef, wait.span, RefType(field.type), here, self.frame, field.name)
                self._op(block, ir.Call, wait.span, NONE, callee.cancel, (place,))
            block += self._plain(wait.cleanup)
            if block:
                cases.append(((number,), block))
        if cases:
            inside.append(ir.Switch(_unasked(span), state, cases, []))
        out.append(ir.If(_unasked(span), alive, inside, []))
        out.append(ir.Return(span, None))
        return out


def _unasked(span: ir.Span) -> ir.Span:
    """Of a question that the source doesn't ask: an empty range."""
    return dataclasses.replace(span, end_line=span.line, end_column=span.column)


def _operand_slots(statement: ir.Statement) -> Iterator[str]:
    """The names of the attributes in which operands can be."""
    if isinstance(statement, ir.Instruction):
        for field in dataclasses.fields(statement):
            if field.name not in ("span", "result", "checks", "cleanup"):
                yield field.name
    for name in ("condition", "value", "trip"):
        if not isinstance(statement, ir.Instruction) and hasattr(statement, name):
            yield name


def _temps(statement: ir.Statement) -> Iterator[ir.Temp]:
    """The temps that a statement itself uses."""
    for name in _operand_slots(statement):
        found = getattr(statement, name)
        for item in found if isinstance(found, tuple) else (found,):
            if isinstance(item, ir.Temp):
                yield item


def _variables(statement: ir.Statement) -> Iterator[ir.Var]:
    """The variables that a statement itself names."""
    for name in _operand_slots(statement):
        found = getattr(statement, name)
        for item in found if isinstance(found, tuple) else (found,):
            if isinstance(item, ir.Var):
                yield item


def _replace(statement: ir.Statement, by: Callable[[ir.Temp], ir.Operand]) -> None:
    """Put other operands in place of the temps that a statement uses."""
    for name in _operand_slots(statement):
        found = getattr(statement, name)
        if isinstance(found, ir.Temp):
            setattr(statement, name, by(found))
        elif isinstance(found, tuple) and any(isinstance(item, ir.Temp) for item in found):
            setattr(statement, name, tuple(by(item) if isinstance(item, ir.Temp) else item for item in found))


def _zero(type_: Type) -> Const | None:
    """A constant to set a variable to that isn't read before it is set again."""
    match type_:
        case IntType():
            return Const(type_, 0)
        case BoolType():
            return Const(type_, False)
        case FloatType():
            return Const(type_, 0.0)
        case EnumType(members=members):
            return Const(type_, min(members.values()))
    return None
