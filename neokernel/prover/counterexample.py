"""A refuted obligation as something to look at: arguments and objects as Python has them, the path, and a test.

The model of the solver says what unknown functions give; here the objects that a function was given are read out of
it, as far as the proof looked at them. `pytest_source` builds them and calls the function.

Invariant: what the proof didn't look at is zero, and marked nowhere: any value would do.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from neokernel.compiler import ir
from neokernel.compiler.layout import record_fields
from neokernel.compiler.types import (
    NONE,
    ArrayType,
    BoolType,
    EnumType,
    FloatType,
    IntType,
    RefType,
    StructType,
    TupleType,
    Type,
    UnionType,
    ValueType,
)
from neokernel.prover import terms as t
from neokernel.prover.memory import Cells
from neokernel.prover.obligations import Duty, Obligation, Unknown
from neokernel.prover.prove import Run
from neokernel.prover.solve import Model
from neokernel.prover.terms import REF, Term
from neokernel.prover.values import Value, float_value


class CannotBuild(Exception):
    """The arguments have no form in Python that a test could write down."""


@dataclass(slots=True)
class Made:
    """An object: its class, its name, and its fields that aren't as the constructor leaves them."""

    struct: StructType
    name: str
    reference: Term
    changes: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Counterexample:
    """How an obligation fails. `arguments` and `objects` are lines of Python; `path` the branches that were taken."""

    arguments: list[tuple[str, str]]
    objects: list[Made]
    path: list[tuple[ir.Span, bool]]
    #: what is known by promises only, so that it may never be as it is here
    unknowns: list[Unknown]
    complete: bool
    #: what the variables of the function that fails are there, of those that matter and aren't as they were given
    values: list[tuple[str, str]] = field(default_factory=list)
    #: what calls give that are known by their contracts only, if it matters
    results: list[tuple[ir.Span, str, str]] = field(default_factory=list)
    #: objects that are met on the way, beyond those that the arguments lead to
    others: list[Made] = field(default_factory=list)


class _Reader:
    """Reads values out of a model, at the function's entry."""

    def __init__(self, run: Run, model: Model) -> None:
        self.run, self.model = run, model
        self.layout = run.executor.layout
        self.objects: dict[str, Made] = {}
        self.complete = True
        #: the cells that the proof looked at, with the values of their locations
        self.seen: dict[str, list[tuple[Term, ...]]] = {}
        for term in list(model.solver.known):
            if term.op == "app" and str(term.args[0]).endswith("@0"):
                self.seen.setdefault(str(term.args[0])[:-2], []).append(term.terms)

    def read(self, type_: Type, value: Value) -> str:
        """A value in Python's spelling; objects by name."""
        match type_:
            case IntType(signed=signed, bits=bits):
                number = self.model.number(value[0])
                return str(number - (1 << bits) if signed and number >> (bits - 1) else number)
            case BoolType():
                return str(bool(self.model.number(value[0])))
            case FloatType(bits=bits):
                return repr(float_value(self.model.number(value[0]), bits))
            case EnumType(name=name, members=members, storage=storage):
                number = self.model.number(value[0])
                number -= 1 << storage.bits if storage.signed and number >> (storage.bits - 1) else 0
                return next((f"{name}.{member}" for member, n in members.items() if n == number), f"{name}({number})")
            case RefType(target=StructType() as struct):
                return self.object(struct, value[0])
            case ValueType(name=name):
                fields = enumerate(record_fields(type_))
                parts = (f"{n}={self.read(f, self.layout.item(type_, value, i))}" for i, (n, f) in fields)
                return f"{name}({', '.join(parts)})"
            case TupleType(items=items):
                parts = (self.read(f, self.layout.item(type_, value, i)) for i, f in enumerate(items))
                return f"({', '.join(parts)},)"
            case UnionType():
                return self.union(type_, value)
        if type_ == NONE:
            return "None"
        self.complete = False
        return f"<{type_}>"

    def union(self, type_: UnionType, value: Value) -> str:
        for arm in type_.arms:
            if self.model.number(self.layout.is_arm(type_, value, (arm,))):
                return self.read(arm, self.layout.arm(type_, value, arm))
        return "None"

    def object(self, struct: StructType, reference: Term) -> str:
        identity = f"{struct.name} {self.model.reference(reference)}"
        if identity.endswith(" None"):
            return "None"
        known = self.objects.get(identity)
        if known is None:
            stem = re.sub(r"\W", "_", re.sub(r"(?<!^)(?=[A-Z])", "_", struct.name)).lower()
            stem = stem + "_" if keyword.iskeyword(stem) else stem
            same = sum(made.struct.name == struct.name for made in self.objects.values())
            known = Made(struct, f"{stem}_{same + 1}" if same else stem, reference)
            self.objects[identity] = known
            self.fields(known.changes, struct, reference, "")
        return known.name

    def fields(self, into: list[tuple[str, str]], struct: StructType, reference: Term, prefix: str) -> None:
        """The fields that the proof looked at, also of what lies inside."""
        for f in struct.fields.values():
            name = f"{self.layout.name(struct)}.{f.name}"
            if f.inline:
                target = f.type.target if isinstance(f.type, RefType) else f.type
                inner = t.inline_field(name, reference)
                if isinstance(target, StructType):
                    self.fields(into, target, inner, f"{prefix}{f.name}.")
                elif isinstance(target, ArrayType):
                    self.elements(into, target, inner, f"{prefix}{f.name}")
            elif not f.atomic and self.looked_at(name, f.type, reference):
                cells = Cells(name, f.type)
                value = self.run.executor.memory.load(cells, (reference,), frozenset(), 0)
                into.append((f"{prefix}{f.name}", self.read(f.type, value)))

    def elements(self, into: list[tuple[str, str]], array: ArrayType, reference: Term, prefix: str) -> None:
        if array.inline:
            element = array.element.target if isinstance(array.element, RefType) else array.element
            if isinstance(element, StructType):
                for place in self.places(reference, array.length):
                    inner = t.inline_element(reference, t.number(place, 64))
                    self.fields(into, element, inner, f"{prefix}[{place}].")
            return
        cells = Cells(f"[{self.layout.name(array.element)}]", array.element)
        mine = self.model.reference(reference)
        found: set[int] = set()
        for component in self.layout.components(array.element):
            for where in self.seen.get(cells.name + component.path, ()):
                if self.model.reference(where[0]) == mine:
                    found.add(self.model.number(where[1]))
        for place in sorted(found):
            if place < array.length:
                where = (reference, t.number(place, 64))
                value = self.run.executor.memory.load(cells, where, frozenset(), 0)
                into.append((f"{prefix}[{place}]", self.read(array.element, value)))

    def places(self, array: Term, length: int) -> list[int]:
        """The inline elements of an array that the proof has met."""
        mine, found = self.model.reference(array), set()
        for term in list(self.model.solver.known):
            if term.op == "element" and self.model.reference(term.terms[0]) == mine:
                found.add(self.model.number(term.terms[1]))
        return sorted(place for place in found if place < length)

    def looked_at(self, name: str, type_: Type, reference: Term) -> bool:
        mine = self.model.reference(reference)
        return any(
            self.model.reference(where[0]) == mine
            for component in self.layout.components(type_)
            for where in self.seen.get(name + component.path, ())
        )


def find(run: Run, obligation: Obligation) -> Counterexample | None:
    """A way in which the obligation fails, if the solver knows one."""
    model = run.refutation(obligation)
    if model is None:
        return None
    reader = _Reader(run, model)
    arguments = [(var.name, reader.read(var.type, value)) for var, value in run.arguments.items()]
    path = [
        (branch.span, bool(model.number(branch.condition)))
        for branch in run.executor.findings.branches[: obligation.branches]
        if all(model.number(literal) for literal in branch.path)
    ]
    unknowns = [
        unknown
        for unknown in run.executor.findings.unknowns[: obligation.unknowns]
        if all(model.number(literal) for literal in unknown.path)
    ]
    found = Counterexample(arguments, list(reader.objects.values()), path, unknowns, reader.complete)
    matters = _unknowns([obligation.goal, *obligation.path], inside=True)
    given = set(run.arguments.values())
    for var, value in obligation.variables.items():
        if var.name.isidentifier() and value not in given and matters & _unknowns(value):
            found.values.append((var.name, reader.read(var.type, value)))
    for one in unknowns:
        if one.callee is not None and matters & _unknowns(one.result):
            found.results.append((one.span, one.callee.name, reader.read(one.callee.result, one.result)))
    found.others = list(reader.objects.values())[len(found.objects) :]
    return found


def _unknowns(terms: Iterable[Term], *, inside: bool = False) -> set[Term]:
    """What these terms are made of: the solver's variables and what is read from memory; `inside`: also where from."""
    seen: set[Term] = set()
    work = list(terms)
    while work:
        term = work.pop()
        if term not in seen:
            seen.add(term)
            if inside or term.op != "app":
                work += term.terms
    return {term for term in seen if term.op in ("var", "app") and term.sort != REF}


# --- tests ------------------------------------------------------------------------------------------------------------

_RAISED = {
    "overflow": "IntegerOverflow",
    "division": "DivisionByZero",
    "shift": "ShiftOutOfRange",
    "index": "IndexOutOfRange",
    "conversion": "ConversionFailed",
    "enum": "NotAMember",
    "assert": "AssertionFailed",
    "unreachable": "UnreachableReached",
}


def why_it_may_not_happen(found: Counterexample) -> str:
    """What keeps the way to fail from being a run, as far as that is known."""
    callees = dict.fromkeys(unknown.callee.name for unknown in found.unknowns if unknown.callee is not None)
    lines = dict.fromkeys(unknown.span.line for unknown in found.unknowns if unknown.callee is None)
    reasons = [f"`{name}` is known by its contract only: its `ensures` may say too little" for name in callees]
    reasons += [f"of the loop in line {line} any round is looked at, whether or not one begins so" for line in lines]
    return "; ".join(reasons)


def pytest_source(run: Run, obligation: Obligation, found: Counterexample) -> str:
    """A test that fails as the counterexample says. Raises CannotBuild."""
    function = run.function
    if not found.complete:
        raise CannotBuild("an argument is a span, a view or an array")
    check = obligation.check
    raised = _RAISED[check.kind.value] if check is not None else "ContractFailed"
    if obligation.duty is Duty.ARM:
        raise CannotBuild("images and CPython don't check it")
    names: set[str] = set()
    lines: list[str] = []
    for made in found.objects:
        given, late = _constructor(made)
        names.add(made.struct.name)
        lines.append(f"{made.name} = {made.struct.name}({', '.join(given)})")
        lines += late
    for made in found.objects:
        late = _constructor(made)[1]
        lines = [line for line in lines if line not in late] + late
    method = "." in function.name
    arguments = [f"{text}" for _, text in found.arguments]
    if method:
        owner, _, name = function.name.partition(".")
        takes_self = bool(function.parameters) and function.parameters[0].name == "self"
        call = f"{arguments[0]}.{name}({', '.join(_typed(run, arguments)[1:])})" if takes_self else ""
        if not takes_self:
            names.add(owner)
            call = f"{owner}.{name}({', '.join(_typed(run, arguments))})"
    else:
        names.add(function.name)
        call = f"{function.name}({', '.join(_typed(run, arguments))})"
    for _, text in [*found.arguments, *(change for made in found.objects for change in made.changes)]:
        names.update(re.findall(r"\b([A-Z]\w*)(?=[.(])", text))
    body = "\n    ".join([*lines, f"with pytest.raises(lang.{raised}):", f"    {call}"])
    stem = re.sub(r"\W+", "_", function.name).lower()
    return (
        f'"""Made by `nk prove`: {obligation.duty.value} at line {obligation.span.line} fails."""\n\n'
        f"import pytest\n\nfrom neokernel import lang\n"
        f"from {function.module} import {', '.join(sorted(names))}\n\n\n"
        f"def test_{stem}() -> None:\n    {body}\n"
    )


def _typed(run: Run, arguments: list[str]) -> list[str]:
    """Integers as their widths: a host module's numbers have none."""
    parameters = run.function.parameters
    return [
        f"lang.{p.type}({a})" if isinstance(p.type, IntType) else a for p, a in zip(parameters, arguments, strict=True)
    ]


def _constructor(made: Made) -> tuple[list[str], list[str]]:
    """What its constructor is given, and what is set after that."""
    given, late = [], []
    types = made.struct.fields
    for name, text in made.changes:
        plain = types.get(name)
        of = None if plain is None else plain.type
        if plain is not None and isinstance(of, IntType):
            text = f"lang.{of}({text})"
        if plain is not None and isinstance(of, IntType | BoolType | EnumType):
            given.append(f"{name}={text}")
        else:
            late.append(f"{made.name}.{name} = {text}")
    known = {name for name, _ in made.changes}
    for f in types.values():
        if f.name not in known and isinstance(f.type, IntType | BoolType) and not f.inline and not f.ghost:
            continue
        if f.name not in known and isinstance(f.type, RefType) and not f.inline:
            raise CannotBuild(f"{made.struct}.{f.name} must be given")
    return given, late
