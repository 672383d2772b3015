"""The kernel, compiled once, in which one function at a time is lowered anew: most mistakes change no more than that.

What the compiler's passes found of the rest stands: a mistake in a function's body changes neither declarations nor
types. Escape analysis is the one pass that looks over calls: what a function does with references is found anew, and
of its callers as far as that is something else. A mistake anywhere else (a constant, a declaration, a function that
the compiler runs to compute a constant) isn't planted here: the whole program is compiled then (`equivalence.meaning`).

Invariant: outside of `planted`, the program is the sound one.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import cached_property

from neokernel.compiler import certain, effects, ghosts, ir, stack, verify
from neokernel.compiler.declare import ClassDecl, FunctionDecl
from neokernel.compiler.diagnostics import Diagnostics
from neokernel.compiler.digest import nodes_of
from neokernel.compiler.lower import constants
from neokernel.compiler.lower.context import Pending
from neokernel.compiler.verify_rules import MalformedIR
from neokernel.lang.garbage import uncollected
from neokernel.lang.instrument import deep_recursion
from tests.mutate.equivalence import Meaning, Texts, canonical, compiled, meaning
from tests.mutate.sites import Mutant, Text
from tests.mutate.snapshot import Snapshot


class ElsewhereError(Exception):
    """The mistake isn't in a function's body alone."""


@dataclass
class Kept:
    """A function, as it was."""

    function: ir.Function
    body: ir.Block
    variables: list[ir.Var]
    contracts: tuple[list[ir.Ghost], list[ir.Ghost], list[ir.Ghost]]
    numbers: tuple[int, int]

    @staticmethod
    def of(f: ir.Function) -> Kept:
        return Kept(f, f.body, f.variables, (f.requires, f.ensures, f.entry), (f.checks, f.temps))

    @property
    def now(self) -> tuple[list[ir.Ghost], list[ir.Ghost], list[ir.Ghost]]:
        """Its contracts, as they are."""
        return self.function.requires, self.function.ensures, self.function.entry

    def empty(self) -> None:
        """Nothing but the function's parameters is left."""
        f = self.function
        f.body, f.variables, f.checks, f.temps = [], list(f.parameters), 0, 0
        f.requires, f.ensures, f.entry = [], [], []

    def restore(self) -> None:
        f = self.function
        f.body, f.variables, (f.checks, f.temps) = self.body, self.variables, self.numbers
        f.requires, f.ensures, f.entry = self.contracts


class Planted:
    """A mutant's meaning, which is found out when somebody asks for it, and what has been made anew for it.

    With a workshop it is planted there, if it can be, until `close`.
    """

    def __init__(self, snapshot: Snapshot, mutant: Mutant, workshop: Workshop | None = None) -> None:
        self.snapshot, self.mutant, self.workshop = snapshot, mutant, workshop
        self._stack = ExitStack()
        #: the functions that are made anew, as they were, in the workshop's program; None if it isn't planted there
        self.kept: list[Kept] | None = None

    @cached_property
    def meaning(self) -> Meaning | None:
        if self.workshop is not None:
            try:
                found = self._stack.enter_context(self.workshop.planted(self.mutant))
            except ElsewhereError:
                return meaning(self.snapshot, self.mutant)
            self.kept = self.workshop.kept
            return found
        return meaning(self.snapshot, self.mutant)

    def close(self) -> None:
        self._stack.close()


class Workshop:
    """The program of a snapshot's sources."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.snapshot = snapshot
        self.state = compiled(snapshot)
        assert self.state.program is not None and not self.state.diagnostics.items, "the compiler rejects the kernel"
        self.program = self.state.program
        self.texts = Texts()
        self.sound = Meaning(canonical(self.program, self.texts), self.program)
        self.callers: dict[ir.Function, set[ir.Function]] = {}
        for caller in self.program.functions:
            for callee in _callees(caller):
                self.callers.setdefault(callee, set()).add(caller)
        self._summaries = _summaries(self.program.functions, {}, set(), self.state.diagnostics)
        self._computing = self._functions_of_constants()
        #: what the planted mistake has made anew, as it was
        self.kept: list[Kept] = []

    def _functions_of_constants(self) -> frozenset[ir.Function]:
        """Those that may be run to compute what stands outside of functions, with all that they call."""
        names: set[str] = set()
        for scope in self.state.scopes.values():
            outside = [node for node in scope.module.tree.body if not isinstance(node, ast.FunctionDef)]
            work: list[ast.AST] = list(outside)
            while work:
                node = work.pop()
                if isinstance(node, ast.FunctionDef):
                    work += [*node.args.defaults, *(each for each in node.args.kw_defaults if each is not None)]
                    continue
                match node:
                    case ast.Call(func=ast.Name(id=name) | ast.Attribute(attr=name)):
                        names.add(name)
                work += ast.iter_child_nodes(node)
        found = {f for f in self.program.functions if f.name.rpartition(".")[2] in names}
        work_of = list(found)
        while work_of:
            more = set(_callees(work_of.pop())) - found
            found |= more
            work_of += more
        return frozenset(found)

    # --- planting -----------------------------------------------------------------------------------------------------

    @contextmanager
    def planted(self, mutant: Mutant) -> Iterator[Meaning | None]:
        """The program has the mistake until the end of the `with`: its meaning, or None if the compiler rejects it.

        Raises ElsewhereError.
        """
        decl, node, source = self._place(mutant)
        compilation = self.state.compilation
        assert compilation is not None
        instances = [
            (function, dict(key[1]))
            for key, function in compilation.functions.items()
            if isinstance(key, tuple) and key[0] is decl
        ]
        if not instances or any(function in self._computing for function, _ in instances):
            raise ElsewhereError
        functions, symbols = dict(compilation.functions), dict(compilation.symbols)
        module, before = decl.module, (decl.node, decl.module.text, decl.module.lines)
        self.kept = [Kept.of(function) for function, _ in instances]
        try:
            decl.node, module.text, module.lines = node, source, source.split("\n")
            for kept in self.kept:
                kept.empty()
            compilation.pending += [Pending(decl, function, bindings) for function, bindings in instances]
            with deep_recursion(), uncollected():
                found = self._checked([function for function, _ in instances], symbols)
            yield found
        finally:
            decl.node, module.text, module.lines = before
            for kept in self.kept:
                kept.restore()
            compilation.pending.clear()
            compilation.functions, compilation.symbols = functions, symbols
            self.program.functions = list(symbols.values())
            self.state.diagnostics.items.clear()
            self.kept = []

    def _place(self, mutant: Mutant) -> tuple[FunctionDecl, ast.FunctionDef, str]:
        """The declaration that it is in, what it becomes, and the module's text."""
        scope = self.state.scopes.get(mutant.module)
        before = self.snapshot.sources[mutant.file]
        source = mutant.apply(before)
        text = Text(mutant.file, before)
        path = next((path for path, node in _definitions(text.tree) if _inside(text, node, mutant)), None)
        if scope is None or path is None or mutant.first == 0:
            raise ElsewhereError
        try:
            after = dict(_definitions(ast.parse(source)))
        except SyntaxError as error:
            raise ElsewhereError from error
        found = scope.names.get(path[0])
        decl = found.methods.get(path[1]) if isinstance(found, ClassDecl) else found
        if not isinstance(decl, FunctionDecl) or path not in after:
            raise ElsewhereError
        return decl, after[path], source

    def _checked(self, made: list[ir.Function], symbols: dict[str, ir.Function]) -> Meaning | None:
        """What the passes of `pipeline.FRONT_END` look at in functions that were made anew."""
        state, diagnostics = self.state, self.state.diagnostics
        assert state.compilation is not None
        constants.drain(state.compilation)
        new = [one for symbol, one in state.compilation.symbols.items() if symbol not in symbols]
        if diagnostics.items:
            return None
        self.program.functions = [*symbols.values(), *new]
        changed = [*made, *new]
        concerned = self.above(changed)
        certain.check((one for one in changed if one in state.declared), diagnostics)
        if not diagnostics.items:
            _summaries(self.program.functions, self._summaries, set(changed), diagnostics)
        if not diagnostics.items:
            ghosts.check(ir.Program([one for one in self.program.functions if one in concerned]), diagnostics)
        if not diagnostics.items:
            stack.check(effects.callees_first(self.program), state.stack, diagnostics)
        if diagnostics.items:
            return None
        try:
            for function in changed:
                verify.verify_function(function)
        except MalformedIR:
            # The compiler has an earlier look at it, and words for that.
            raise ElsewhereError from None
        return Meaning(canonical(self.program, self.texts, set(changed)), self.program)

    def above(self, functions: Iterable[ir.Function]) -> set[ir.Function]:
        """These, and all that call them."""
        found = set(functions)
        work = list(found)
        while work:
            more = self.callers.get(work.pop(), set()) - found
            found |= more
            work += more
        return found


def _callees(function: ir.Function) -> Iterator[ir.Function]:
    """In contracts, too."""
    return (node.function for node in nodes_of(function) if isinstance(node, ir.Call))


def _definitions(tree: ast.Module) -> Iterator[tuple[tuple[str, ...], ast.FunctionDef]]:
    """Functions and methods, by their names."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef):
            yield (node.name,), node
        elif isinstance(node, ast.ClassDef):
            yield from (((node.name, each.name), each) for each in node.body if isinstance(each, ast.FunctionDef))


def _inside(text: Text, node: ast.FunctionDef, mutant: Mutant) -> bool:
    return text.start(node.body[0]) <= mutant.start and mutant.end <= text.end(node.body[-1])


def _summaries(
    functions: list[ir.Function],
    known: dict[ir.Function, effects.Summary],
    changed: set[ir.Function],
    diagnostics: Diagnostics,
) -> dict[ir.Function, effects.Summary]:
    """What `effects.check` does, for functions that have `changed`, or call some that now do something else with
    references than `known`. The kernel has no coroutines.
    """
    ordinary = [one for one in functions if not one.ghost]
    order = effects._callees_first(ordinary, diagnostics)
    if order is None:
        return known
    found: dict[ir.Function, effects.Summary] = {}
    other: set[ir.Function] = set()
    carriers, mortal = effects._Carriers(), effects._mortal(ordinary)
    for function in order:
        before = known.get(function)
        if before is not None and function not in changed and other.isdisjoint(_called(function)):
            found[function] = before
            continue
        found[function] = effects._Escape(function, found, carriers, diagnostics).run()
        if found[function] != before:
            other.add(function)
        if found[function].ends:
            effects._Ends(function, found, carriers, mortal, diagnostics).run()
    return found


def _called(function: ir.Function) -> Iterator[ir.Function]:
    return (call.function for call in effects.calls_in(function.body))
