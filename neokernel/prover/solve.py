"""Terms to Z3, and questions to it.

Invariants: what a question assumes is given in full by its caller and by what holds of every model: the axioms of
references (`_axioms`) and of memory's unknown functions. Answers don't depend on the time or the machine: seeds are
fixed, and effort is bounded by Z3's own count of resources.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from typing import Any

import z3

from neokernel.prover import terms as t
from neokernel.prover.terms import BOOL, REF, Term

#: Z3's resources for one question: two seconds, or less
EFFORT = 10_000_000

_KIND = {"null": 0, "new": 1, "table": 2, "element": 3}


class Answer(Enum):
    PROVEN = "proven"
    REFUTED = "refuted"
    UNKNOWN = "unknown"


class Solver:
    """Questions about one function; assumptions are only ever added.

    `fact`: what holds of an application of an unknown function, whatever its arguments.
    """

    def __init__(self, fact: Callable[[Term], Term], effort: int = EFFORT) -> None:
        self.context = z3.Context()
        self.fact = fact
        self.effort = effort
        self.references = z3.DeclareSort("Reference", self.context)
        self.solver = z3.Solver(ctx=self.context)
        self.solver.set("random_seed", 0)
        self.solver.set("rlimit", effort)
        self.known: dict[Term, Any] = {}
        self.functions: dict[str, Any] = {}
        self.fields: dict[str, int] = {}
        #: terms whose axioms are still to be stated
        self.new: list[Term] = []

    # --- questions ----------------------------------------------------------------------------------------------------

    def assume(self, facts: Iterable[Term]) -> None:
        for fact in facts:
            if fact is not t.TRUE:
                self.solver.add(self.translate(fact))
        self._state_axioms()

    def prove(self, path: Iterable[Term], goal: Term) -> Answer:
        """Does `goal` hold wherever the path and the assumptions do?"""
        asked = [self.translate(literal) for literal in path]
        asked.append(self.translate(t.invert(goal)))
        self._state_axioms()
        return self._check(asked)

    def _check(self, asked: list[Any]) -> Answer:
        found = self.solver.check(*asked)
        if found == z3.unsat:
            return Answer.PROVEN
        return Answer.REFUTED if found == z3.sat else Answer.UNKNOWN

    def model(self) -> Model:
        """After REFUTED: a way to make the goal fail."""
        return Model(self, self.solver.model())

    # --- axioms -------------------------------------------------------------------------------------------------------

    def _state_axioms(self) -> None:
        while self.new:
            term = self.new.pop()
            for axiom in self._axioms(term):
                self.solver.add(axiom)
            if term.op == "app":
                fact = self.fact(term)
                if fact is not t.TRUE:
                    self.solver.add(self.translate(fact))

    def _axioms(self, term: Term) -> Iterable[Any]:
        """How a reference was made tells it from those made otherwise; what it leads into is as old as the whole."""
        if term.sort != REF or term.op in ("var", "app", "ite"):
            return
        made = self.known[term]
        if term.op == "field":
            kind = self.fields.setdefault(str(term.args[0]), len(_KIND) + len(self.fields))
        else:
            kind = _KIND[term.op]
        yield self._function("kind", 32, REF)(made) == kind
        if term.op in ("field", "element"):
            inside = self.translate(term.terms[0])
            yield self._function("container", REF, REF)(made) == inside
            age = self._function("age", 64, REF)
            yield age(made) == age(inside)
            if term.op == "element":
                yield self._function("place", 64, REF)(made) == self.translate(term.terms[1])
        elif term.op in ("new", "table"):
            number = term.args[0]
            yield self._function("identity", 64, REF)(made) == number
            yield self._function("age", 64, REF)(made) == (number if term.op == "new" else 0)
        else:
            yield self._function("age", 64, REF)(made) == 0

    # --- translation --------------------------------------------------------------------------------------------------

    def _sort(self, sort: int) -> Any:
        if sort == BOOL:
            return z3.BoolSort(self.context)
        return self.references if sort == REF else z3.BitVecSort(sort, self.context)

    def _function(self, name: str, sort: int, *sorts: int) -> Any:
        found = self.functions.get(name)
        if found is None:
            found = z3.Function(name, *map(self._sort, sorts), self._sort(sort))
            self.functions[name] = found
        return found

    def translate(self, term: Term) -> Any:
        found = self.known.get(term)
        if found is not None:
            return found
        work = [term]
        while work:
            top = work[-1]
            if top in self.known:
                work.pop()
                continue
            missing = [a for a in top.terms if a not in self.known]
            if missing:
                work += missing
                continue
            work.pop()
            self.known[top] = self._made(top, [self.known[a] for a in top.terms])
            if top.op == "app" or (top.sort == REF and top.op not in ("var", "ite")):
                self.new.append(top)
        return self.known[term]

    def _made(self, term: Term, a: list[Any]) -> Any:
        sort = term.sort
        match term.op:
            case "const":
                value = term.args[0]
                return (
                    z3.BoolVal(bool(value), self.context) if sort == BOOL else z3.BitVecVal(value, sort, self.context)
                )
            case "var":
                return z3.Const(str(term.args[0]), self._sort(sort))
            case "app":
                return self._function(str(term.args[0]), sort, *(x.sort for x in term.terms))(*a)
            case "null":
                return z3.Const("null", self.references)
            case "new" | "table":
                return z3.Const(f"{term.op} {term.args[0]}", self.references)
            case "field":
                return self._function(f"in {term.args[0]}", REF, REF)(*a)
            case "element":
                return self._function("element", REF, REF, 64)(*a)
            case "extract":
                return z3.Extract(term.args[0], term.args[1], a[0])
            case "zext":
                return z3.ZeroExt(sort - term.terms[0].sort, a[0])
            case "sext":
                return z3.SignExt(sort - term.terms[0].sort, a[0])
        return _SIMPLE[term.op](*a)


_SIMPLE: dict[str, Callable[..., Any]] = {
    "not": z3.Not,
    "all": z3.And,
    "any": z3.Or,
    "ite": z3.If,
    "eq": lambda a, b: a == b,
    "add": lambda a, b: a + b,
    "sub": lambda a, b: a - b,
    "mul": lambda a, b: a * b,
    "and": lambda a, b: a & b,
    "or": lambda a, b: a | b,
    "xor": lambda a, b: a ^ b,
    "bvnot": lambda a: ~a,
    "shl": lambda a, b: a << b,
    "lshr": z3.LShR,
    "ashr": lambda a, b: a >> b,
    "udiv": z3.UDiv,
    "urem": z3.URem,
    "sdiv": lambda a, b: a / b,
    "smod": lambda a, b: a % b,
    "ult": z3.ULT,
    "slt": lambda a, b: a < b,
    "umulok": lambda a, b: z3.BVMulNoOverflow(a, b, False),
    "smulok": lambda a, b: z3.And(z3.BVMulNoOverflow(a, b, True), z3.BVMulNoUnderflow(a, b)),
}


class Model:
    """Values of terms in one counterexample."""

    def __init__(self, solver: Solver, model: Any) -> None:
        self.solver, self.model = solver, model

    def number(self, term: Term) -> int:
        """A bool (0 or 1) or bit-vector (unsigned)."""
        found = self.model.eval(self.solver.translate(term), model_completion=True)
        if term.sort == BOOL:
            return int(z3.is_true(found))
        number: int = found.as_long()
        return number

    def reference(self, term: Term) -> str:
        """A name of the object: equal for equal references."""
        found = self.model.eval(self.solver.translate(term), model_completion=True)
        none = self.model.eval(self.solver.translate(t.NULL), model_completion=True)
        return "None" if found.eq(none) else str(found)
