"""Mistakes planted in the prover's translation, one at a time, that the campaign must find.

Each is one that makes the prover believe something false. (Those that only make it believe too little are no danger:
what isn't proven stays checked.)
"""

from __future__ import annotations
import __future__

import importlib
import inspect
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FunctionType
from typing import Any


@dataclass(frozen=True)
class Mutant:
    """`old`, which stands once in a function of the prover's module, becomes `new`."""

    name: str
    module: str
    function: str
    old: str
    new: str

    @contextmanager
    def planted(self) -> Iterator[None]:
        """The function keeps its identity, so that all who have imported it have the mistake."""
        found: Any = importlib.import_module(f"neokernel.prover.{self.module}")
        for name in self.function.split("."):
            found = getattr(found, name)
        assert isinstance(found, FunctionType)
        source = textwrap.dedent(inspect.getsource(found))
        if source.count(self.old) != 1:
            raise LookupError(f"{self.name}: {self.old!r} stands {source.count(self.old)} times in {self.function}")
        wrong: dict[str, Any] = {}
        code = compile(
            source.replace(self.old, self.new), f"<{self.name}>", "exec", __future__.annotations.compiler_flag
        )
        exec(code, found.__globals__, wrong)
        right, found.__code__ = found.__code__, wrong[found.__name__].__code__
        try:
            yield
        finally:
            found.__code__ = right


MUTANTS = (
    # --- comparisons ---
    Mutant(
        "what is in the arms of unions isn't compared",
        "instructions",
        "_same_arm",
        "for arm in type_.arms:",
        "for arm in ():",
    ),
    # --- scalars ---
    Mutant(
        "a shift to the right without the sign",
        "scalars",
        "binary",
        't.arithmetic("ashr" if signed else "lshr", a, amount), (inside,)',
        't.arithmetic("lshr", a, amount), (inside,)',
    ),
    Mutant("a distance of the width is allowed", "scalars", "_amount", "t.below(b, ", "t.at_most(b, "),
    Mutant(
        "a distance is cut to the left side's width before it is checked",
        "scalars",
        "_amount",
        "t.below(b, t.number(width, b.sort), False)",
        "t.below(t.resize(b, width, False), t.number(width, width), False)",
    ),
    Mutant("a shift to the left loses bits", "scalars", "binary", "(inside, t.equal(back, a))", "(inside, t.TRUE)"),
    Mutant("numbers with signs compare as without", "scalars", "compare", "scalar_type(type_).signed", "False"),
    Mutant(
        "floor division rounds to zero",
        "scalars",
        "_floor_quotient",
        't.choose(t.conjunction(remains, differ), t.arithmetic("sub", quotient, one), quotient)',
        "quotient",
    ),
    Mutant("the lowest number by -1 fits", "scalars", "binary", "(nonzero, t.invert(extreme))", "(nonzero, t.TRUE)"),
    Mutant(
        "sums of numbers with signs are extended without",
        "scalars",
        "_sum_or_product",
        "t.extend(a, width + 1, True), t.extend(b, width + 1, True)",
        "t.extend(a, width + 1, False), t.extend(b, width + 1, False)",
    ),
    Mutant("a difference always fits", "scalars", "_sum_or_product", "fits = t.at_most(b, a, False)", "fits = t.TRUE"),
    Mutant(
        "a sum with a constant may be one too large",
        "scalars",
        "_sum_or_product",
        "type_.highest - constant.known,",
        "type_.highest - constant.known + 1,",
    ),
    Mutant(
        "saturation at the wrong end",
        "scalars",
        "_sum_or_product",
        'low if node.op == "sub" else high',
        'high if node.op == "sub" else low',
    ),
    Mutant(
        "numbers are widened without their signs",
        "scalars",
        "convert",
        "result = t.resize(a, target.bits, of.signed)",
        "result = t.resize(a, target.bits, False)",
    ),
    Mutant("conversions have no lower bound", "scalars", "_in_range", "of.lowest < target.lowest", "False"),
    Mutant(
        "min is max",
        "scalars",
        "binary",
        "t.choose(t.below(b, a, signed), b, a)",
        "t.choose(t.below(b, a, signed), a, b)",
    ),
    # --- simplification ---
    Mutant("a bound may be the number itself", "terms", "_below", "a.bits < b.known", "a.bits <= b.known"),
    Mutant(
        "one number without a sign bit is enough",
        "terms",
        "_below",
        "a.bits < top and b.bits < top",
        "a.bits < top or b.bits < top",
    ),
    Mutant("a remainder's bound is one too low", "terms", "_bound", "last.known - 1", "last.known - 2"),
    Mutant(
        "the sum's bound forgets one side",
        "terms",
        "_bound",
        "return first.bits + last.bits if",
        "return first.bits if",
    ),
    Mutant("a number isn't its own upper bound", "terms", "equal", "if a.bits < b.known:", "if a.bits <= b.known:"),
    Mutant(
        "a product may be a factor too large", "terms", "product_fits", "// b.known, width)", "// b.known + 1, width)"
    ),
    Mutant(
        "choices by opposites are exchanged", "terms", "choose", "condition.terms[0], b, a", "condition.terms[0], a, b"
    ),
    Mutant("a choice within a choice takes the other side", "terms", "choose", "a = a.terms[1]", "a = a.terms[2]"),
    Mutant(
        "bits are taken from the wrong end",
        "terms",
        "resize",
        "extract(a, width - 1, 0)",
        "extract(a, a.sort - 1, a.sort - width)",
    ),
    # --- paths ---
    Mutant("a branch's condition is lost", "paths", "extended", "made.add(part)", "pass"),
    Mutant("one of several conditions is all of them", "paths", "decided", 'term.op == "any"', 'term.op == "all"'),
    Mutant(
        "paths that meet say too much", "paths", "_merged", "opposite in other and len(other) == 1", "opposite in other"
    ),
    Mutant(
        "a check that held on one path holds on all",
        "execute",
        "Executor.oblige",
        "self.assume(state.path, goal)",
        "self.assume(frozenset(), goal)",
    ),
    Mutant(
        "a check that held is turned around",
        "execute",
        "Executor.assume",
        "t.implies(condition_of(path), condition)",
        "t.implies(condition, condition_of(path))",
    ),
    # --- control ---
    Mutant(
        "branches are merged the wrong way round",
        "states",
        "merged",
        "t.choose(condition, a, b)",
        "t.choose(condition, b, a)",
    ),
    Mutant(
        "variables keep what the first branch gave them",
        "states",
        "join",
        "other is not value and other != value",
        "False",
    ),
    Mutant(
        "a case is taken beside one before it",
        "execute",
        "Executor.branch",
        "rest = rest.along(t.invert(condition))",
        "pass",
    ),
    Mutant(
        "what follows a branch is on its first side only",
        "execute",
        "Executor.branch",
        "return join(ends)",
        "return join(ends[:1])",
    ),
    Mutant(
        "a function gives what its last return does",
        "execute",
        "Executor.run",
        "result = merged(told, [value for _, value in returns])",
        "result = returns[-1][1]",
    ),
    Mutant(
        "a loop's variables stay as they are",
        "loops",
        "_any_round",
        "x.unknown(var.type, var.name)",
        "state.variables[var]",
    ),
    Mutant(
        "a loop's writes are forgotten",
        "loops",
        "_any_round",
        "x.forget(cells, constants, objects, start)",
        "pass",
    ),
    Mutant(
        "a variable that a loop changes leads to what it led to before",
        "writes",
        "_Finder.place",
        "case ir.Get(var=var) if var not in self.sets:",
        "case ir.Get(var=var):",
    ),
    Mutant(
        "a counter never arrives", "loops", "_counters", "t.at_most(now, high, signed)", "t.below(now, high, signed)"
    ),
    Mutant(
        "a loop is left in its first round only",
        "loops",
        "_round_by_round",
        "return True, join(exits)",
        "return True, join(exits[:1])",
    ),
    Mutant(
        "a loop with an invariant is left in its first round or never",
        "loops",
        "_any_round",
        "exits += [end for end in left if end.variables[passed][0] is not t.FALSE]",
        "pass",
    ),
    Mutant(
        "a loop with an invariant isn't left behind a whole round",
        "loops",
        "_any_round",
        "exits += _round(x, frame, loop, after)[1]",
        "pass",
    ),
    Mutant(
        "what a call's callees write is forgotten",
        "writes",
        "Writes.of_block",
        "more = self.of_function(function)",
        "pass",
    ),
    # --- memory ---
    Mutant(
        "references that look different are",
        "memory",
        "Memory.same",
        "        return found\n    for",
        "        return found\n    return t.FALSE\n    for",
    ),
    Mutant("objects are made only once", "memory", "Memory.new", "self.objects += 1", "self.objects = 1"),
    Mutant(
        "the first write counts",
        "memory",
        "Memory._look_up",
        "reversed(self.logs.get(q.name, ()))",
        "list(self.logs.get(q.name, ()))",
    ),
    Mutant("a write counts on all paths", "memory", "Memory._applies", "left.append(literal)", "pass"),
    # --- values, arrays, spans ---
    Mutant("a record's fields are one apart", "values", "Layout.item", "start += size", "start += 1"),
    Mutant(
        "a union forgets what it holds",
        "values",
        "Layout.as_union",
        "parts[arm] if arm in parts else",
        "parts[arm] if not made else",
    ),
    Mutant("None is not None", "values", "Layout.is_arm", "null if either.pop() else", "null if not either.pop() else"),
    Mutant("an index may be the length", "instructions", "_within", "t.below(", "t.at_most("),
    Mutant(
        "a slice begins where its array does", "instructions", "_read", 't.arithmetic("add", offset, first)', "offset"
    ),
    Mutant("a slice may end anywhere", "instructions", "_read", "t.at_most(last, length, False)", "t.TRUE"),
    Mutant(
        "elements aren't stored",
        "instructions",
        "effect",
        "memory.store(x.writes.elements(base), place, x.value(frame, operand), path)",
        "pass",
    ),
    # --- the translation to Z3 ---
    Mutant("Z3 extends without the sign", "solve", "Solver._made", "z3.SignExt(", "z3.ZeroExt("),
    Mutant(
        "Z3 takes each path's end for true",
        "solve",
        "Solver.prove",
        "self.translate(t.invert(goal))",
        "self.translate(goal)",
    ),
)

#: of what contracts and invariants say: programs with claims (`claims.py`) must find them
BELIEVED = (
    Mutant(
        "what a callee promises is known where it isn't given what it requires",
        "execute",
        "Executor._summary",
        "promised if self.conditions is None else t.implies(given, promised)",
        "promised",
    ),
    Mutant("what a callee requires isn't due", "execute", "Executor.call", "if function.requires:", "if ():"),
    Mutant(
        "what a function ensures isn't due",
        "prove",
        "Run.execute",
        "inner, x.condition(frame, contract, inner), about",
        "inner, t.TRUE, about",
    ),
    Mutant(
        "what fails in a condition doesn't matter",
        "execute",
        "Executor.condition",
        "return t.conjunction(*conditions, self.term(frame, ghost.value))",
        "return self.term(frame, ghost.value)",
    ),
    Mutant(
        "what fails in ghost code doesn't matter",
        "execute",
        "Executor.computable",
        "return t.conjunction(*conditions)",
        "return t.TRUE",
    ),
    Mutant(
        "what a call or a loop writes to objects is forgotten",
        "execute",
        "Executor.forget",
        "for object in objects or ():",
        "for object in ():",
    ),
    Mutant(
        "what a call or a loop writes anywhere is forgotten",
        "execute",
        "Executor.forget",
        "self.memory.forget(cells, path, values)",
        "pass",
    ),
    Mutant(
        "a loop's invariants aren't due",
        "loops",
        "_stop_at_invariants",
        "goal, about = x.condition(frame, ghost, at), ",
        "goal, about = t.TRUE, ",
    ),
    Mutant(
        "invariants aren't due at the end",
        "prove",
        "Run.execute",
        "self.invariants.prove(x, function.span, end)",
        "pass",
    ),
    Mutant(
        "invariants aren't due where a function is called",
        "invariants",
        "Invariants.leave",
        "self.prove(x, node.span, state)",
        "pass",
    ),
    Mutant(
        "invariants aren't due where a loop begins",
        "invariants",
        "Invariants.loop",
        "self.prove(x, span, state, kept)",
        "pass",
    ),
    Mutant(
        "invariants aren't due where a round ends",
        "invariants",
        "Invariants.round_ends",
        "self.prove(x, span, state, kept)",
        "pass",
    ),
    Mutant(
        "invariants hold of memory as it is",
        "invariants",
        "Invariants._assume",
        "x.before, x.conditions = moment.stamp, []",
        "x.before, x.conditions = None, []",
    ),
    Mutant(
        "invariants are kept of objects that were written to",
        "invariants",
        "Invariants._written",
        "found.setdefault(object, t.invert(t.equal(object, t.NULL)))",
        "found.setdefault(object, t.FALSE)",
    ),
    Mutant(
        "what is written to arrays breaks no invariant",
        "invariants",
        "_may_be_of",
        "return not t.is_made(array) or (",
        "return False and (",
    ),
)
