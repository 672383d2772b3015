"""The compiler, as a list of passes.

`analyse` runs the front end; `make_objects` goes on to machine code. Every pass takes and changes one `State`; `dump`
shows it after any of them.
"""

from __future__ import annotations

import ast
import shutil
import tempfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from neokernel.compiler import certain, effects, ghosts, ir, lives, objects, prelude, stack, toolchain, verify
from neokernel.compiler import dump as dumper
from neokernel.compiler.coroutines import split
from neokernel.compiler.declare import ClassDecl, FunctionDecl, Scope, declare
from neokernel.compiler.diagnostics import Diagnostic, Diagnostics, Rejected
from neokernel.compiler.llvm import CheckRecord, EmitOptions, Target, emit, riscv64
from neokernel.compiler.lower import constants, construct, coroutines, statements, text, unsafe, unused
from neokernel.compiler.lower.context import Compilation
from neokernel.compiler.lower.functions import declared_instance
from neokernel.compiler.resolve import Resolver
from neokernel.compiler.source import PACKAGE_ROOT, Loader, Module
from neokernel.compiler.types import ArrayType, FloatType, WireType
from neokernel.lang.garbage import uncollected
from neokernel.lang.instrument import deep_recursion


class CompileError(Exception):
    """The program was rejected; `diagnostics` say why."""

    def __init__(self, diagnostics: list[Diagnostic]) -> None:
        super().__init__(f"{len(diagnostics)} error(s), first: {diagnostics[0].message}")
        self.diagnostics = diagnostics


@dataclass(slots=True)
class State:
    """A program between passes. `roots`: names of the modules to start from.

    `substitutes`: modules of which another one's file is read, such as a machine's own in place of its model.
    `stack`: bytes of the stack that the program will run on.
    """

    folder: Path
    roots: list[str]
    overlay: dict[str, str] = field(default_factory=dict)
    substitutes: dict[str, str] = field(default_factory=dict)
    stack: int = stack.BOARD
    diagnostics: Diagnostics = field(default_factory=Diagnostics)
    modules: list[Module] = field(default_factory=list)
    scopes: dict[str, Scope] = field(default_factory=dict)
    compilation: Compilation | None = None
    #: the functions that aren't generic
    declared: list[ir.Function] = field(default_factory=list)
    #: those that are, and that nothing uses: the program has no instance of them
    unused: list[FunctionDecl] = field(default_factory=list)
    program: ir.Program | None = None


@dataclass(frozen=True, slots=True)
class Analysis:
    """What the front end found: diagnostics, or a program."""

    diagnostics: list[Diagnostic]
    program: ir.Program | None
    scopes: dict[str, Scope]
    compilation: Compilation | None = None


# --- passes -------------------------------------------------------------------------------------------------------


def load(state: State) -> None:
    """Files to syntax trees, in dependency order."""
    loader = Loader(state.folder, state.diagnostics, {prelude.NAME: prelude.SOURCE, **state.overlay}, state.substitutes)
    loader.load(prelude.NAME)
    for name in state.roots:
        loader.load(name)
    if any("f'" in module.text or 'f"' in module.text for module in loader.order):
        loader.load(text.MODULE)
    state.modules = loader.order


def declare_names(state: State) -> None:
    """Syntax trees to declarations."""
    state.scopes = declare(state.modules, state.diagnostics)


def lower(state: State) -> None:
    """Declarations to typed IR: everything that isn't generic, and what that uses."""
    handle = state.scopes[prelude.NAME].names["Handle"]
    assert isinstance(handle, ClassDecl)

    def length_of(node: ast.expr, scope: Scope) -> int:
        return constants.length(compilation, node, scope)

    def frames_of(node: ast.Call, scope: Scope) -> ArrayType:
        return coroutines.frames_of(compilation, node, scope)

    resolver = Resolver(length_of, handle, state.diagnostics.take, frames_of)
    compilation = Compilation(state.scopes, state.diagnostics, resolver, statements.lower_function)
    state.compilation = compilation
    for scope in state.scopes.values():
        state.declared += _lower_scope(compilation, scope)
    constants.drain(compilation)
    program = ir.Program(list(compilation.symbols.values()))
    state.unused = _check_unused(compilation)
    for scope in state.scopes.values():
        for call in scope.assembly:
            with _reporting(compilation):
                program.assembly.append(_assembly(compilation, scope, call))
    program.sources = {module.file: module.text for module in state.modules}
    state.program = program


class _reporting:  # noqa: N801 - reads as a statement
    """Report a rejection inside and go on after it."""

    def __init__(self, compilation: Compilation) -> None:
        self.compilation = compilation

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> bool:
        if isinstance(error, Rejected):
            self.compilation.report(error)
            return True
        return False


def _lower_scope(compilation: Compilation, scope: Scope) -> list[ir.Function]:
    """Lower a module; its functions that aren't generic."""
    declared: list[ir.Function] = []
    for class_ in scope.classes:
        if not class_.parameters and not compilation.resolver.open_fields(class_):
            with _reporting(compilation):
                instance = compilation.resolver.instance(class_, (), ())
                if not isinstance(instance, WireType):
                    construct.check_defaults(compilation, instance)
    for constant in scope.constants:
        with _reporting(compilation):
            constants.value_of(compilation, constant)
    functions: Iterable[FunctionDecl] = [*scope.functions, *(m for c in scope.classes for m in c.methods.values())]
    for function in functions:
        with _reporting(compilation):
            made = declared_instance(compilation, function)
            if made is not None:
                declared.append(made)
            constants.check_defaults(compilation, function)
    for assertion in scope.assertions:
        with _reporting(compilation):
            constants.assertion(compilation, assertion, scope)
    return declared


def _check_unused(compilation: Compilation) -> list[FunctionDecl]:
    """Look at the functions that have no instance. What this makes isn't part of the program, so it comes last."""
    found: list[FunctionDecl] = []
    made = {key[0] for key in compilation.functions if isinstance(key, tuple)}
    for scope in compilation.scopes.values():
        for function in (*scope.functions, *(m for c in scope.classes for m in c.methods.values())):
            if function not in made:
                found.append(function)
                with _reporting(compilation):
                    unused.check(compilation, function)
    constants.drain(compilation)
    return found


def _assembly(compilation: Compilation, scope: Scope, call: ast.Call) -> str:
    from neokernel.compiler.resolve import reject

    if scope.unsafe is None:
        raise reject(scope, "NK0802", "`assembly` is unsafe, and this module isn't marked so", call)
    if len(call.args) != 1 or call.keywords:
        raise reject(scope, "NK0803", "`assembly` has one argument: the text", call)
    return unsafe.constant_text(compilation, scope, call.args[0])


def check_effects(state: State) -> None:
    """What needs the whole program: recursion, references that escape, objects that end, ghost code with effects.

    And what needs a function's body as a whole: checks that always fail.
    """
    assert state.program is not None
    if not state.diagnostics.items:
        certain.check(state.declared, state.diagnostics)
    if not state.diagnostics.items:
        effects.check(state.program, state.diagnostics)
    if not state.diagnostics.items:
        ghosts.check(state.program, state.diagnostics)


def split_coroutines(state: State) -> None:
    """Coroutines to frames, and functions that resume and cancel them."""
    assert state.program is not None
    if not state.diagnostics.items:
        split.split(state.program, state.diagnostics)


def check_stack(state: State) -> None:
    """The objects in the frames of the deepest chain of calls fit on the stack."""
    assert state.program is not None
    if not state.diagnostics.items:
        stack.check(effects.callees_first(state.program), state.stack, state.diagnostics)


def verify_ir(state: State) -> None:
    """The grammar of the IR holds: a mistake here is the compiler's own."""
    assert state.program is not None
    if not state.diagnostics.items:
        verify.verify(state.program)


FRONT_END: tuple[Callable[[State], None], ...] = (
    load,
    declare_names,
    lower,
    check_effects,
    split_coroutines,
    check_stack,
    verify_ir,
)


# --- entry points -------------------------------------------------------------------------------------------------


def run_front_end(state: State) -> State:
    with deep_recursion(), uncollected():
        try:
            for pass_ in FRONT_END:
                pass_(state)
        except RecursionError:
            # In a function, this is caught where the function is (see `constants.drain`); here, in a constant.
            module = state.modules[-1] if state.modules else None
            place = ir.Span(module.file if module else state.roots[0], 1, 0, 1, 1)
            state.diagnostics.add(Diagnostic("NK0110", "an expression of the program nests too deeply", place))
    return state


def state_of(root: Path) -> State:
    """The state for a program: a folder with `main.py`, or a module's file."""
    if root.is_dir():
        return State(root.resolve(), ["main"])
    path = root.resolve()
    if path.is_relative_to(PACKAGE_ROOT / "neokernel"):
        name = ".".join(path.relative_to(PACKAGE_ROOT).with_suffix("").parts)
        return State(PACKAGE_ROOT, [name.removesuffix(".__init__")])
    return State(path.parent, [path.stem])


def analyse(root: Path) -> Analysis:
    """Check a program."""
    return _finish(run_front_end(state_of(root)))


def analyse_source(source: str, name: str = "program", overlay: dict[str, str] | None = None) -> Analysis:
    """Check one module given as text (and others in `overlay`)."""
    state = State(PACKAGE_ROOT, [name], {name: source, **(overlay or {})})
    return _finish(run_front_end(state))


def _finish(state: State) -> Analysis:
    found = state.diagnostics.sorted()
    return Analysis(found, None if found else state.program, state.scopes, state.compilation)


def find_function(analysis: Analysis, module: str, name: str) -> ir.Function | None:
    """The IR of a function (or `Class.method`) that isn't generic."""
    assert analysis.program is not None
    symbol = f"{module}.{name}"
    return next((f for f in analysis.program.functions if f.symbol == symbol), None)


def export(program: ir.Program, names: dict[str, str]) -> None:
    """Give functions, by symbol, the names under which other objects call them."""
    for function in program.functions:
        wanted = names.get(function.symbol)
        if wanted is not None:
            function.symbol, function.exported = wanted, True


def target_of(program: ir.Program) -> Target:
    """The machine, with floats if the program computes with them: all objects of an image must agree about that."""
    functions = [function for function in program.functions if not function.ghost]
    types = (var.type for function in functions for var in function.variables)
    results = (getattr(s, "result", None) for function in functions for s in lives.statements(function.body))
    floats = any(isinstance(type_, FloatType) for type_ in types)
    return riscv64(floats=floats or any(r is not None and isinstance(r.type, FloatType) for r in results))


def make_objects(
    program: ir.Program, *, checks: bool, release: bool, small: frozenset[str] = frozenset()
) -> tuple[list[Path], list[CheckRecord]]:
    """Release builds are optimised as a whole; development builds are made of modules, compiled when they change.

    `small`: modules that a release makes small rather than fast.
    """
    with deep_recursion(), uncollected():
        if release:
            return objects.whole(program, target_of(program), EmitOptions(checks=checks, level=2, small=small))
        return objects.per_module(program, target_of(program), EmitOptions(checks=checks, level=1))


def compile_library(
    module: Path, exports: list[str], *, checks: bool = True, prefix: str = "", release: bool = True
) -> Path:
    """Compile a module to a relocatable object that exports functions with C's calling convention.

    Raises CompileError. The object lies in a temporary file that the caller owns.
    """
    state = run_front_end(state_of(module))
    if state.diagnostics.items:
        raise CompileError(state.diagnostics.sorted())
    assert state.program is not None
    export(state.program, {f"{state.roots[0]}.{name}": prefix + name for name in exports})
    made, _ = make_objects(state.program, checks=checks, release=release)
    with tempfile.NamedTemporaryFile(suffix=".o", delete=False) as file:
        output = Path(file.name)
    if len(made) == 1:
        shutil.copyfile(made[0], output)
    else:
        toolchain.run_tool("ld.lld", ["-r", "-o", str(output), *map(str, made)])
    return output


def dump(root: Path, stage: str) -> str | list[Diagnostic]:
    """The program after a pass: `ir`, `llvm` or `assembly`."""
    state = run_front_end(state_of(root))
    if state.diagnostics.items:
        return state.diagnostics.sorted()
    assert state.program is not None
    if stage == "ir":
        return dumper.dump(state.program)
    target = target_of(state.program)
    main = state.roots[0]
    exported = {f.symbol for f in state.program.functions if f.module == main}
    emitted = emit(state.program, target, EmitOptions(debug=False, exported=frozenset(exported)))
    return emitted.text if stage == "llvm" else toolchain.assembly_of_ir(emitted.text, target)
