"""Which mutants are mistakes at all: not those that the compiler rejects, nor those that mean the same.

The same: the typed IR of everything that the kernel's entries reach is identical; or, for those that survive, the
machine code of the whole kernel is, checks on. Ghost code and places in the source don't count.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, fields
from functools import cached_property

from neokernel.compiler import ir, toolchain
from neokernel.compiler.dump import dump_function
from neokernel.compiler.lives import statements
from neokernel.compiler.llvm import EmitOptions, emit
from neokernel.compiler.pipeline import State, export, run_front_end, target_of
from neokernel.compiler.types import StructType
from neokernel.image.kernel import EXPORTS, FAST, kernel_state
from neokernel.prover.states import is_specification
from neokernel.spec import MODULES
from tests.mutate.sites import Mutant
from tests.mutate.snapshot import Snapshot

GHOST = re.compile(r"\s*(ghost|requires|entry|ensures)\b")


@dataclass(repr=False)
class Meaning:
    """A kernel: `parts`, by name, as its entries reach them, and the whole program."""

    parts: dict[str, str]
    program: ir.Program

    def changed(self, other: Meaning) -> set[str]:
        """The names of what isn't the same."""
        return {name for name in self.parts.keys() | other.parts if self.parts.get(name) != other.parts.get(name)}

    @cached_property
    def code(self) -> str:
        """Its machine code, as text, without specifications."""
        kernel = [function for function in self.program.functions if not is_specification(function)]
        program = ir.Program(kernel, self.program.assembly, self.program.sources)
        small = frozenset(function.module for function in kernel) - FAST
        target = target_of(program)
        emitted = emit(program, target, EmitOptions(debug=False, small=small))
        return toolchain.assembly_of_ir(emitted.text, target)


def compiled(snapshot: Snapshot, mutant: Mutant | None = None) -> State:
    """The kernel with the mistake, after the compiler's front end."""
    state = kernel_state(*MODULES)
    for file, source in snapshot.sources.items():
        name = file.removesuffix(".py").replace("/", ".")
        if "neokernel.lang" in source:
            state.overlay[name] = mutant.apply(source) if mutant is not None and file == mutant.file else source
    for name, other in state.substitutes.items():
        state.overlay[name] = state.overlay.pop(other)
    run_front_end(state)
    if state.program is not None:
        export(state.program, EXPORTS)
    return state


def meaning(snapshot: Snapshot, mutant: Mutant | None = None) -> Meaning | None:
    """The kernel with the mistake; None if the compiler rejects it."""
    state = compiled(snapshot, mutant)
    if state.diagnostics.items:
        return None
    assert state.program is not None
    return Meaning(canonical(state.program), state.program)


class Texts:
    """Functions as text, found once."""

    def __init__(self) -> None:
        self._known: dict[ir.Function, tuple[str, frozenset[StructType]]] = {}

    def of(self, function: ir.Function, *, anew: bool = False) -> tuple[str, frozenset[StructType]]:
        """Its text without ghost code, and the classes that it uses. `anew`: it isn't what it was."""
        found = None if anew else self._known.get(function)
        if found is None:
            text = "\n".join(without_ghosts(dump_function(function)))
            found = text, frozenset(structs_of(function))
            if not anew:
                self._known[function] = found
        return found


def canonical(
    program: ir.Program, texts: Texts | None = None, changed: frozenset[ir.Function] | set[ir.Function] = frozenset()
) -> dict[str, str]:
    """The functions that are reached from the kernel's entries, and the classes they use, as text by name. `texts`: of
    those that haven't `changed`, what is known."""
    texts = texts or Texts()
    found = {function.symbol: texts.of(function, anew=function in changed) for function in reachable(program)}
    parts = {symbol: text for symbol, (text, _) in found.items()}
    for struct in set().union(*(structs for _, structs in found.values())):
        parts[f"class {struct}"] = str([(name, str(field.type)) for name, field in struct.fields.items()])
    return {**parts, "assembly": "\n".join(program.assembly)}


def structs_of(function: ir.Function) -> Iterator[StructType]:
    for statement in statements(function.body):
        for name in ("struct", "wire"):
            found = getattr(statement, name, None)
            if isinstance(found, StructType):
                yield found


def reachable(program: ir.Program) -> set[ir.Function]:
    entries = [function for function in program.functions if function.exported]
    found: set[ir.Function] = set()
    while entries:
        function = entries.pop()
        if function in found or function.ghost:
            continue
        found.add(function)
        for statement in statements(function.body):
            for field in fields(statement):
                value = getattr(statement, field.name)
                if isinstance(value, ir.Function):
                    entries.append(value)
    return found


def without_ghosts(text: str) -> Iterator[str]:
    """The lines of a function's dump, but for ghost code and what is inside of it."""
    outside: int | None = None
    for line in text.splitlines():
        depth = len(line) - len(line.lstrip())
        if outside is not None and depth > outside:
            continue
        outside = depth if GHOST.match(line) else None
        if outside is None:
            yield line
