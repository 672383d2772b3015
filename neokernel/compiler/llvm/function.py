"""One function: statements as control flow, and which lowering each instruction has."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from neokernel.compiler import ir
from neokernel.compiler.layout import entry_frame
from neokernel.compiler.lives import statements
from neokernel.compiler.llvm import arithmetic, lives, memory, values
from neokernel.compiler.llvm.builder import Builder
from neokernel.compiler.llvm.metadata import NoTags
from neokernel.compiler.llvm.module import Module, quote, stored_parameters, symbol_name
from neokernel.compiler.types import NeverType, NoneType, Type, UnionType


class FunctionWriter(Builder):
    """Writes one function. Variables live in memory of the entry block; LLVM makes registers of them."""

    def __init__(self, module: Module, function: ir.Function) -> None:
        super().__init__(module, function)
        self._variables: dict[ir.Var, str] = {}
        self._loops: dict[int, _LoopLabels] = {}
        self._declared: list[str] = []

    def text(self) -> str:
        function, module = self.function, self.module
        convention, returned, name = module.signature(function)
        parameters = stored_parameters(function)
        exported = module.is_exported(function)
        suffix = ""
        if module.debug is not None and not function.naked:
            self.subprogram = module.debug.subprogram(function, not exported)
            suffix = f" !dbg {self.subprogram}"
            self.at(function.span)
        typed = ", ".join(f"{module.parameter(parameter.type)}%p{parameter.number}" for parameter in parameters)
        attributes = "#3" if function.module in module.options.small else "#0"
        if function.naked or function.cold or function.inline:
            attributes = "#2" if function.naked else "#4" if function.cold else "#1"
        if isinstance(function.result, NeverType):
            # The call is what a traceback ends at: two that were made one would have no line.
            attributes += " noreturn nomerge" if function.cold else " noreturn"
        section = f" section {quote(function.section)}" if function.section else ""
        linkage = "" if exported else "internal "
        head = f"define {linkage}{convention}{returned} {name}({typed}) {attributes}{section}{suffix} {{"
        if function.naked:
            self.block(function.body)
            self.emit("unreachable")
        else:
            self._prologue(parameters)
            self.block(function.body)
            if self.live:
                self._end()
        return "\n".join([head, *self.allocations, *self._declared, *self.lines, *self.cold, "}"])

    def _prologue(self, parameters: list[ir.Var]) -> None:
        for position, parameter in enumerate(parameters, 1):
            place = self.variable(parameter, position)
            self.emit(f"store {self.layout.llvm(parameter.type)} %p{parameter.number}, ptr {place}")

    def _end(self) -> None:
        """The end of the body was reached: a procedure returns, anything else can't happen."""
        self.emit("ret void" if isinstance(self.function.result, NoneType) else "unreachable")
        self.live = False

    # --- variables ----------------------------------------------------------------------------------------------------

    def variable(self, var: ir.Var, argument: int = 0) -> str:
        known = self._variables.get(var)
        if known is None:
            known = self._variables[var] = f"%v{len(self._variables)}"
            self.allocations.append(f"  {known} = alloca {self.layout.llvm(var.type)}")
            if self.module.debug is not None and self.subprogram and not var.name.startswith("."):
                span = var.span or self.function.span
                node = self.module.debug.variable(var, argument, span, self.subprogram)
                location = self.module.debug.location(span, self.subprogram)
                self._declared.append(f"    #dbg_declare(ptr {known}, {node}, !DIExpression(), {location})")
        return known

    def get(self, i: ir.Get) -> None:
        llvm = self.layout.llvm(i.var.type)
        if llvm != "void":
            self.result(i, f"load {llvm}, ptr {self.variable(i.var)}")

    def set(self, i: ir.Set) -> None:
        llvm = self.layout.llvm(i.var.type)
        if llvm != "void":
            self.emit(f"store {llvm} {self.operand(i.value)}, ptr {self.variable(i.var)}")

    # --- statements ---------------------------------------------------------------------------------------------------

    def block(self, block: ir.Block) -> None:
        index = 0
        while index < len(block) and self.live:  # what follows a return, break, continue or failure is never reached
            statement = block[index]
            if isinstance(statement, ir.If):
                index = self.conditional(block, index)
                continue
            lower = _STATEMENTS.get(type(statement))
            if lower is None:
                raise TypeError(f"no lowering for {type(statement).__name__}")
            self.at(statement.span)
            if self.module.mortals is None:
                lower(self, statement)
            else:
                lives.before(self, statement)
                lower(self, statement)
                lives.after(self, statement)
            index += 1

    def ghost(self, _: ir.Ghost) -> None:
        pass

    # --- conditions ---------------------------------------------------------------------------------------------------
    # `and` and `or` reach us as an `If` that sets a hidden variable, on which another `If` depends. The arms of the
    # first then branch to the second's arms at once, as C's do: LLVM would do so too late to find its switches.

    def conditional(self, block: ir.Block, index: int) -> int:
        """Lower the `If` at `index`, and those that depend on it; returns the index of what follows."""
        s = block[index]
        assert isinstance(s, ir.If)
        then, otherwise = self._test(s)
        decider: ir.Get | None = None
        while True:
            following = _dependent(block, index)
            if following is None:
                self._arms(s, then, otherwise, decider)
                return index + 1
            decider, dependent = following
            targets = self.label(), self.label()
            self._deciding_arms(s, then, otherwise, decider.var, targets)
            s, (then, otherwise) = dependent, targets
            index += 2

    def _test(self, s: ir.If) -> tuple[str, str]:
        self.at(s.span)
        then, otherwise = self.label(), self.label()
        self.emit(f"br i1 {self.operand(s.condition)}, label %{then}, label %{otherwise}")
        self.live = False
        return then, otherwise

    def _arms(self, s: ir.If, then: str, otherwise: str, decider: ir.Get | None) -> None:
        """The arms, and what follows both. `decider` gave the condition, whose value each arm knows."""
        after = self.label()
        reached = False
        for label, body, known in ((then, s.then, "true"), (otherwise, s.otherwise, "false")):
            self.start_block(label)
            if decider is not None:
                self.alias(decider, known)
            self.block(body)
            if self.live:
                reached = True
                self.branch(after)
        if reached:
            self.start_block(after)
            if decider is not None:
                self.alias(decider, self.value(f"load i1, ptr {self.variable(decider.var)}"))

    def _deciding_arms(self, s: ir.If, then: str, otherwise: str, var: ir.Var, targets: tuple[str, str]) -> None:
        """Arms that end by setting `var`: each branches to the target for true or for false."""
        for label, body in ((then, s.then), (otherwise, s.otherwise)):
            self.start_block(label)
            final = body[-1]
            assert isinstance(final, ir.Set)
            inner = _dependent(body, len(body) - 3, final) if len(body) >= 3 else None
            if inner is None:
                self.block(body[:-1])
                if self.live:
                    self.at(final.span)
                    self.set(final)
                    self._decide(final.value, targets)
                continue
            self.block(body[:-3])
            if not self.live:
                continue
            nested = body[-3]
            assert isinstance(nested, ir.If)
            labels = self._test(nested)
            sides = self.label(), self.label()
            self._deciding_arms(nested, *labels, inner[0].var, sides)
            for side, value, target in zip(sides, ("true", "false"), targets, strict=True):
                self.start_block(side)
                self.emit(f"store i1 {value}, ptr {self.variable(var)}")
                self.branch(target)

    def _decide(self, value: ir.Operand, targets: tuple[str, str]) -> None:
        if isinstance(value, ir.Const):
            self.branch(targets[0] if value.value else targets[1])
        else:
            self.emit(f"br i1 {self.operand(value)}, label %{targets[0]}, label %{targets[1]}")
            self.live = False

    def switch(self, s: ir.Switch) -> None:
        after, default = self.label(), self.label()
        labels = [self.label() for _ in s.cases]
        of = s.value.type
        if isinstance(of, UnionType) and of.is_optional_reference:
            self._switch_on_null(s, labels, default)
        else:
            llvm, value, tags = self._switch_value(s)
            cases = " ".join(f"{llvm} {tag}, label %{labels[index]}" for tag, index in tags)
            self.emit(f"switch {llvm} {value}, label %{default} [{cases}]")
        reached = False
        for label, (_, body) in zip(labels, s.cases, strict=True):
            self.start_block(label)
            self.block(body)
            if self.live:
                reached = True
                self.branch(after)
        self.start_block(default)
        if s.exhaustive and not s.default:
            self.emit("unreachable")
            self.live = False
        else:
            self.block(s.default)
        if self.live:
            reached = True
            self.branch(after)
        if reached:
            self.start_block(after)

    def _switch_value(self, s: ir.Switch) -> tuple[str, str, list[tuple[int, int]]]:
        """The LLVM type and value to switch on, and for each number the case that it leads to."""
        of = s.value.type
        if isinstance(of, UnionType):
            placed = self.layout.union(of).arms
            cases = enumerate(s.cases)
            tags = [(placed[arm].tag, n) for n, (arms, _) in cases for arm in arms if isinstance(arm, Type)]
            return "i64", self.value(f"extractvalue {self.typed(s.value)}, 0"), tags
        numbers = [(int(v), n) for n, (wanted, _) in enumerate(s.cases) for v in wanted if isinstance(v, int)]
        return self.layout.llvm(of), self.operand(s.value), numbers

    def _switch_on_null(self, s: ir.Switch, labels: list[str], default: str) -> None:
        absent, present = default, default
        for label, (arms, _) in zip(labels, s.cases, strict=True):
            for arm in arms:
                if isinstance(arm, NoneType):
                    absent = label
                else:
                    present = label
        is_null = self.value(f"icmp eq ptr {self.operand(s.value)}, null")
        self.emit(f"br i1 {is_null}, label %{absent}, label %{present}")

    def loop(self, s: ir.Loop) -> None:
        labels = self._loops[s.label] = _LoopLabels(self.label(), self.label(), self.label())
        self.branch(labels.body)
        self.start_block(labels.body)
        self.block(s.body)
        if self.live:
            labels.continued = True
            self.branch(labels.step)
        if labels.continued:
            self.start_block(labels.step)
            self.block(s.step)
            if self.live:
                self.at(s.span)
                self._keep_endless(s)
                self.branch(labels.body, self._loop_facts(s))
        self.live = False
        if labels.left:
            self.start_block(labels.after)

    def _keep_endless(self, s: ir.Loop) -> None:
        """A loop without end that does nothing to be seen isn't for LLVM to leave out.

        It would: the branch that ends an inner loop can become that of this one, too, and what was said of the one is
        said of both. `llvm.sideeffect` is no instruction (LLVM's language reference). Whose bound is stated, ends.
        """
        inner = any(isinstance(i, ir.Call | ir.Loop) for i in statements([*s.body, *s.step]))
        if inner and s.trip is None and s.bound is None:
            self.module.declare("@llvm.sideeffect", "declare void @llvm.sideeffect()")
            self.emit("call void @llvm.sideeffect()")

    def _loop_facts(self, s: ir.Loop) -> str:
        """A counted loop ends, unless something inside it doesn't: LLVM takes the whole nest for finite."""
        inside = statements([*s.body, *s.step])
        if s.trip is None or any(isinstance(i, ir.Call) or (isinstance(i, ir.Loop) and not i.trip) for i in inside):
            return ""
        node = self.module.metadata.reserve()
        progress = self.module.metadata.node('!{!"llvm.loop.mustprogress"}')
        self.module.metadata.define(node, f"distinct !{{{node}, {progress}}}")
        return f", !llvm.loop {node}"

    def break_(self, s: ir.Break) -> None:
        labels = self._loops[s.label]
        labels.left = True
        self.branch(labels.after)

    def continue_(self, s: ir.Continue) -> None:
        labels = self._loops[s.label]
        labels.continued = True
        self.branch(labels.step)

    def return_(self, s: ir.Return) -> None:
        if isinstance(self.function.result, (NoneType, NeverType)) or s.value is None:
            self.emit("ret void")
        else:
            self.emit(f"ret {self.typed(s.value)}")
        self.live = False

    def fail_(self, s: ir.Fail) -> None:
        if s.check.discharged or not self.module.options.checks:
            self.emit("unreachable")
            self.live = False
        else:
            self.fail(s.check, s.span)

    # --- instructions that concern the function as a whole ------------------------------------------------------------

    def call(self, i: ir.Call) -> None:
        convention, returned, name = self.module.signature(i.function)
        passed = []
        for parameter, argument in zip(i.function.parameters, i.arguments, strict=True):
            if not isinstance(parameter.type, NoneType):
                passed.append(f"{self.argument(parameter.type)}{self.operand(argument)}")
        text = f"call {convention}{returned} {name}({', '.join(passed)})"
        if i.result is None or returned == "void":
            self.emit(text)
            if isinstance(i.function.result, NeverType):
                self.emit("unreachable")
                self.live = False
        else:
            self.result(i, text)

    def argument(self, of: Type) -> str:
        return f"{self.layout.llvm(of)} {self.module.extension(of)}"

    def require(self, i: ir.Require) -> None:
        for check in i.checks:
            if self.module.options.checks and not check.discharged:
                self.guard(check, i.span, self.operand(i.condition))


def _dependent(block: ir.Block, index: int, last: ir.Set | None = None) -> tuple[ir.Get, Any] | None:
    """Does the `If` at `index` set a hidden variable in both arms, only for the second statement after it?

    That is an `If` on its value, or `last`, which sets another variable to it.
    """
    if index + 2 >= len(block):
        return None
    decision, get, dependent = block[index], block[index + 1], block[index + 2]
    if not (isinstance(decision, ir.If) and isinstance(get, ir.Get) and get.var.name.startswith(".")):
        return None
    if last is None:
        depends = isinstance(dependent, ir.If) and dependent.condition is get.result
    else:
        depends = dependent is last and last.value is get.result
    arms = (decision.then, decision.otherwise)
    if depends and all(arm and isinstance(arm[-1], ir.Set) and arm[-1].var is get.var for arm in arms):
        return get, dependent
    return None


class _LoopLabels:
    """Where a loop's parts begin, and whether anything leads there."""

    def __init__(self, body: str, step: str, after: str) -> None:
        self.body, self.step, self.after = body, step, after
        self.continued = False
        self.left = False


_STATEMENTS: dict[type, Callable[[FunctionWriter, Any], None]] = {
    ir.Switch: FunctionWriter.switch,
    ir.Loop: FunctionWriter.loop,
    ir.Break: FunctionWriter.break_,
    ir.Continue: FunctionWriter.continue_,
    ir.Return: FunctionWriter.return_,
    ir.Fail: FunctionWriter.fail_,
    ir.Ghost: FunctionWriter.ghost,
    ir.Get: FunctionWriter.get,
    ir.Set: FunctionWriter.set,
    ir.Call: FunctionWriter.call,
    ir.Require: FunctionWriter.require,
    ir.Unary: arithmetic.unary,
    ir.Binary: arithmetic.binary,
    ir.Compare: arithmetic.compare,
    ir.Convert: arithmetic.convert,
    ir.Select: values.select,
    ir.MakeRecord: values.make_record,
    ir.Item: values.item,
    ir.MakeUnion: values.make_union,
    ir.IsArm: values.is_arm,
    ir.AsArm: values.as_arm,
    ir.MakeSpan: values.make_span,
    ir.Slice: values.slice_,
    ir.Length: values.length,
    ir.New: memory.new,
    ir.LoadField: memory.load_field,
    ir.StoreField: memory.store_field,
    ir.FieldRef: memory.field_ref,
    ir.LoadElement: memory.load_element,
    ir.StoreElement: memory.store_element,
    ir.ElementRef: memory.element_ref,
    ir.FillArray: memory.fill_array,
    ir.Copy: memory.copy,
    ir.LoadWire: memory.load_wire,
    ir.StoreWire: memory.store_wire,
    ir.WireRef: memory.wire_ref,
    ir.WireView: memory.wire_view,
    ir.Atomic: memory.atomic,
    ir.Fence: memory.fence,
    ir.Retire: memory.retire,
    ir.Renew: memory.renew,
    ir.Alive: memory.alive,
    ir.Asm: memory.asm,
    ir.AddressOf: memory.address_of,
    ir.ObjectAt: memory.object_at,
}


def entry_stub(module: Module, function: ir.Function) -> str:
    """`nk.entry.SYMBOL(ptr frame)`: call `function` with arguments from, and its result to, memory (see `Frame`)."""
    writer = FunctionWriter(module, function)
    frame = entry_frame(module.layout, [parameter.type for parameter in function.parameters], function.result)
    convention, returned, name = module.signature(function)
    passed = []
    for parameter, offset in zip(function.parameters, frame.arguments, strict=True):
        if not isinstance(parameter.type, NoneType):
            value = writer.load(parameter.type, writer.offset("%frame", offset), NoTags())
            passed.append(f"{writer.argument(parameter.type)}{value}")
    call = f"call {convention}{returned} {name}({', '.join(passed)})"
    if returned == "void":
        writer.emit(call)
    else:
        writer.store(function.result, writer.value(call), writer.offset("%frame", frame.result), NoTags())
    writer.emit("ret void")
    head = f"define void {symbol_name('nk.entry.' + function.symbol)}(ptr %frame) #0 {{"
    return "\n".join([head, *writer.lines, "}"])
