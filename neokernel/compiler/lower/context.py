"""State of the lowering: `Compilation` for a whole program, `Context` for one function.

Invariants:
- A function instance is made once per (declaration, receiver, type arguments, parameter types).
- `Context.flow` tells, for the point in the source that is being lowered, which variables are assigned, which
  unions are narrowed, and whether the point can be reached.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from neokernel.compiler import ir
from neokernel.compiler.declare import FunctionDecl, Scope
from neokernel.compiler.diagnostics import Diagnostic, Diagnostics, Rejected
from neokernel.compiler.generics import Bindings
from neokernel.compiler.ir import Check, Kind, Operand, Temp, Var
from neokernel.compiler.resolve import Resolver
from neokernel.compiler.types import BOOL, NONE, IntType, NoneType, Type, UnionType

#: a local variable, or a field of one, of a field of one, …: what can be narrowed
Path = tuple[str, ...]


Facts = dict[Path, Type]


@dataclass(frozen=True, slots=True)
class Untyped:
    """A constant that has no width yet."""

    value: int | float


Value = Operand | Untyped


@dataclass(slots=True)
class Flow:
    assigned: set[str] = field(default_factory=set)
    narrowed: Facts = field(default_factory=dict)
    dead: bool = False
    #: where what was known of a field ended, for diagnostics
    ends: dict[Path, ir.Span] = field(default_factory=dict)

    def copy(self) -> Flow:
        return Flow(set(self.assigned), dict(self.narrowed), self.dead, dict(self.ends))

    def merge(self, other: Flow) -> Flow:
        """What holds where two ways meet."""
        if self.dead:
            return other.copy()
        if other.dead:
            return self.copy()
        both: Facts = {}
        for path, type_ in self.narrowed.items():
            other_type = other.narrowed.get(path)
            if other_type is not None:
                joined = join(type_, other_type)
                if joined is not None:
                    both[path] = joined
        return Flow(self.assigned & other.assigned, both, ends={**self.ends, **other.ends})

    def forget_memory(self, where: ir.Span | None) -> None:
        """After a call or store: what was known of fields may not hold any more."""
        if self.narrowed:
            if where is not None:
                self.ends.update((path, where) for path in self.narrowed if len(path) > 1)
            self.narrowed = {path: t for path, t in self.narrowed.items() if len(path) == 1}

    def forget(self, name: str) -> None:
        """After an assignment to a variable."""
        if self.narrowed:
            self.narrowed = {path: t for path, t in self.narrowed.items() if path[0] != name}
        if self.ends:
            self.ends = {path: where for path, where in self.ends.items() if path[0] != name}


def arms_of(type_: Type) -> tuple[Type, ...]:
    return type_.arms if isinstance(type_, UnionType) else (type_,)


def union_of(arms: tuple[Type, ...] | list[Type]) -> Type:
    """The type that is one of `arms` (at least one)."""
    return arms[0] if len(arms) == 1 else UnionType(tuple(arms))


def join(a: Type, b: Type) -> Type | None:
    """The smallest type both fit in, if it is narrower than not knowing; arms keep the order of `a`."""
    if a == b:
        return a
    return union_of([*arms_of(a), *(arm for arm in arms_of(b) if arm not in arms_of(a))])


@dataclass(slots=True)
class LoopFrame:
    label: int
    #: how many `with` blocks were open when the loop began
    exits: int
    breaks: list[Flow] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Pending:
    """A function instance whose body is still to be lowered."""

    declaration: FunctionDecl
    function: ir.Function
    bindings: Bindings


@dataclass(eq=False, slots=True)
class Compilation:
    """One program on its way from declarations to IR."""

    scopes: dict[str, Scope]
    diagnostics: Diagnostics
    resolver: Resolver
    lower_body: Callable[[Compilation, Pending], None]
    functions: dict[object, ir.Function] = field(default_factory=dict)
    #: functions whose bodies are still to be lowered
    pending: list[Pending] = field(default_factory=list)
    symbols: dict[str, ir.Function] = field(default_factory=dict)
    constants: dict[object, object] = field(default_factory=dict)
    #: the `async def` of each type of frame, and of each type of call that isn't running yet
    coroutines: dict[Type, ir.Function] = field(default_factory=dict)
    #: each `tasks(f, n)`, by its module and place: what `f` is called, `n`, and the type of a frame
    tasks: dict[tuple[str, int, int], tuple[str, int, Type]] = field(default_factory=dict)

    def report(self, rejected: Rejected) -> None:
        self.diagnostics.take(rejected)


@dataclass(eq=False, slots=True)
class Context:
    """One function body being lowered. `block` is where instructions go."""

    compilation: Compilation
    scope: Scope
    bindings: Bindings
    function: ir.Function
    block: ir.Block
    locals: frozenset[str] = frozenset()
    variables: dict[str, Var] = field(default_factory=dict)
    flow: Flow = field(default_factory=Flow)
    loops: list[LoopFrame] = field(default_factory=list)
    #: emit the `__exit__` calls of the open `with` blocks, outermost first
    exits: list[Callable[[], None]] = field(default_factory=list)
    ghost: bool = False
    #: an expression is being lowered for its type alone (see `dispatch.trial`)
    on_trial: bool = False
    #: a statement was rejected that may have ended the function
    may_end: bool = False
    labels: int = 0
    #: calls of an `async def` that somebody will run: those that are awaited, or handed to a function
    expected_coroutines: set[ast.expr] = field(default_factory=set)

    # --- diagnostics ---

    def reject(self, code: str, message: str, node: ast.AST | ir.Span, help: str = "") -> Rejected:
        if isinstance(node, ir.Span):
            return Rejected(Diagnostic(code, message, node, help))
        notes = self._ended(node) if code in ("NK0310", "NK0316") else ()
        return Rejected(Diagnostic(code, message, self.span(node), help, notes))

    def _ended(self, node: ast.AST) -> tuple[tuple[ir.Span, str], ...]:
        """Where what was known of the union that `node` names, or is about, ended."""
        parts = [node, getattr(node, "value", None), getattr(node, "func", None)]
        parts.append(getattr(parts[2], "value", None))
        for part in parts:
            path = _dotted(part)
            if path in self.flow.ends and path not in self.flow.narrowed:
                text = f"what was known of `{'.'.join(path)}` ended here; keep it in a variable and test that"
                return ((self.flow.ends[path], text),)
        return ()

    def forget_memory(self, node: ast.AST) -> None:
        """After a call or store, `node`: what was known of fields may not hold any more."""
        self.flow.forget_memory(self.span(node))

    def report(self, code: str, message: str, node: ast.AST, help: str = "") -> None:
        self.compilation.report(self.reject(code, message, node, help))

    # --- types ---

    @property
    def resolver(self) -> Resolver:
        return self.compilation.resolver

    def type_of(self, annotation: ast.expr) -> Type:
        return self.resolver.resolve(annotation, self.scope, self.bindings)

    # --- instructions ---

    def span(self, node: ast.AST) -> ir.Span:
        return self.scope.module.span(node)

    def check(self, kind: Kind, message: str = "", discharged: bool = False) -> Check:
        check = Check(self.function.checks, kind, discharged, message)
        self.function.checks += 1
        return check

    def temp(self, type_: Type) -> Temp:
        temp = Temp(self.function.temps, type_)
        self.function.temps += 1
        return temp

    def op(
        self,
        make: Callable[..., ir.Instruction],
        node: ast.AST | ir.Span,
        type_: Type,
        *operands: object,
        kinds: tuple[Kind, ...] = (),
        discharged: bool = False,
        message: str = "",
    ) -> Temp:
        """Append an instruction with a result of `type_`."""
        span = node if isinstance(node, ir.Span) else self.span(node)
        temp = self.temp(type_)
        checks = tuple(self.check(kind, message or _failure(kind, type_), discharged) for kind in kinds)
        self.block.append(make(span, temp, checks, *operands))
        return temp

    def do(
        self,
        make: Callable[..., ir.Instruction],
        node: ast.AST | ir.Span,
        *operands: object,
        kinds: tuple[Kind, ...] = (),
        discharged: bool = False,
        message: str = "",
    ) -> None:
        """Append an instruction without result."""
        span = node if isinstance(node, ir.Span) else self.span(node)
        checks = tuple(self.check(kind, message or _failure(kind, NONE), discharged) for kind in kinds)
        self.block.append(make(span, None, checks, *operands))

    def get(self, var: Var, node: ast.AST | ir.Span) -> Temp:
        return self.op(ir.Get, node, var.type, var)

    def set(self, var: Var, value: Operand, node: ast.AST | ir.Span) -> None:
        self.do(ir.Set, node, var, value)

    def variable(self, name: str, type_: Type, span: ir.Span | None = None) -> Var:
        var = Var(name, type_, len(self.function.variables), span)
        self.function.variables.append(var)
        return var

    def hidden(self, what: str, type_: Type) -> Var:
        """A variable that the source doesn't have."""
        return self.variable(f".{what}{len(self.function.variables)}", type_)

    def leave(self, down_to: int) -> None:
        """Run the `__exit__` of the `with` blocks that are left, innermost first."""
        saved = self.exits
        for index in range(len(saved) - 1, down_to - 1, -1):
            self.exits = saved[:index]
            saved[index]()
        self.exits = saved

    def label(self) -> int:
        self.labels += 1
        return self.labels

    # --- control flow ---

    @contextmanager
    def into(self, block: ir.Block) -> Iterator[None]:
        """Lower into `block` meanwhile."""
        saved, self.block = self.block, block
        try:
            yield
        finally:
            self.block = saved

    @contextmanager
    def as_ghost(self) -> Iterator[None]:
        saved, self.ghost = self.ghost, True
        try:
            yield
        finally:
            self.ghost = saved

    @contextmanager
    def ghost_code(self, node: ast.AST) -> Iterator[None]:
        """What is lowered inside is ghost code, and what it finds out about variables is forgotten."""
        block: ir.Block = []
        flow = self.flow.copy()
        with self.as_ghost(), self.into(block):
            yield
        self.flow = flow
        self.block.append(ir.Ghost(self.span(node), block))

    def branch(
        self,
        node: ast.AST | ir.Span,
        condition: Operand,
        then: Callable[[], None],
        otherwise: Callable[[], None] | None = None,
        when_true: Facts | None = None,
        when_false: Facts | None = None,
    ) -> None:
        """`if condition: then() else: otherwise()`, with flow split and merged."""
        span = node if isinstance(node, ir.Span) else self.span(node)
        before = self.flow
        blocks: list[ir.Block] = [[], []]
        flows: list[Flow] = []
        for block, build, facts in ((blocks[0], then, when_true), (blocks[1], otherwise, when_false)):
            self.flow = before.copy()
            self.flow.narrowed.update(facts or {})
            with self.into(block):
                if build is not None:
                    build()
            flows.append(self.flow)
        self.block.append(ir.If(span, condition, blocks[0], blocks[1]))
        self.flow = flows[0].merge(flows[1])
        if flows[0].dead and flows[1].dead:
            self.flow.dead = True

    def choose(
        self,
        node: ast.AST,
        condition: Operand,
        then: Callable[[], Operand],
        otherwise: Callable[[], Operand],
        type_: Type,
    ) -> Operand:
        """The value of one of two computations, of which only that one is done."""
        result = self.hidden("choice", type_)

        def side(build: Callable[[], Operand]) -> Callable[[], None]:
            return lambda: self.set(result, build(), node)

        self.branch(node, condition, side(then), side(otherwise))
        return self.get(result, node)

    def both(self, node: ast.AST, left: Operand, right: Callable[[], Operand]) -> Operand:
        """`left and right()`, short-circuit."""
        return self.choose(node, left, right, lambda: ir.Const(BOOL, False), BOOL)


def _dotted(node: object) -> Path:
    """`a.b.c` as a path; empty for anything else."""
    match node:
        case ast.Name(id=name):
            return (name,)
        case ast.Attribute(value=value, attr=name):
            base = _dotted(value)
            return (*base, name) if base else ()
    return ()


def _failure(kind: Kind, type_: Type) -> str:
    """What a traceback from a machine says of a failed check; `type_`: what the instruction gives."""
    match kind, type_:
        case Kind.OVERFLOW, _:
            return f"the result doesn't fit in {type_}"
        case Kind.CONVERSION, NoneType():
            return "the value doesn't fit in the bit field"
        case Kind.CONVERSION, _:
            return f"the value doesn't fit in {type_}"
        case Kind.ENUM, _:
            return f"no member of {type_} has this number"
        case Kind.SHIFT, IntType(bits):
            return f"the amount is {bits} or more"
        case Kind.DIVISION, _:
            return "division by zero"
        case Kind.INDEX, _:
            return "the index is out of range"
    return ""


NOTHING = ir.Const(NONE, None)


TRUE = ir.Const(BOOL, True)


FALSE = ir.Const(BOOL, False)
