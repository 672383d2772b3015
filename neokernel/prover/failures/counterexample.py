"""A refuted obligation as something to look at: arguments and objects as Python has them, and the path.

The model of the solver says what unknown functions give; here the objects that a function was given are read out of
it, as far as the proof looked at them. What was there and what is there afterwards is read in the same way, at
another moment. A message shows what decides whether the obligation holds; a test needs all that the objects must be
made of.

Invariant: what the proof didn't look at is zero, and marked nowhere: any value would do.
"""

from __future__ import annotations

import keyword
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from neokernel.compiler import ir
from neokernel.compiler.digest import everything
from neokernel.compiler.layout import record_fields
from neokernel.compiler.types import (
    NONE,
    ArrayType,
    BoolType,
    EnumType,
    FloatType,
    FrameType,
    IntType,
    RefType,
    SpanType,
    StructType,
    TupleType,
    Type,
    UnionType,
    ValueType,
)
from neokernel.prover import terms as t
from neokernel.prover.failures.reasons import Reason, last_question
from neokernel.prover.instructions import FLOATS, FOREIGN
from neokernel.prover.invariants import reads
from neokernel.prover.memory import Cells, Write
from neokernel.prover.obligations import Contract, Duty, Obligation, Unknown
from neokernel.prover.paths import START, Path
from neokernel.prover.prove import Run
from neokernel.prover.solve import Model
from neokernel.prover.states import Frame, State, is_specification
from neokernel.prover.terms import REF, Term
from neokernel.prover.values import Value, float_value


@dataclass(slots=True)
class Made:
    """An object: its class, its name, and its fields that aren't as the constructor leaves them."""

    struct: StructType
    name: str
    reference: Term
    changes: list[tuple[str, str]] = field(default_factory=list)
    #: of these, the fields on which it depends whether the obligation holds
    deciding: set[str] = field(default_factory=set)
    #: what has become of fields that were changed, of those that the obligation is about
    afterwards: list[tuple[str, str]] = field(default_factory=list)


@dataclass(slots=True)
class Counterexample:
    """How an obligation fails. `arguments` and `objects` are lines of Python; `path` the branches that were taken."""

    arguments: list[tuple[str, str]]
    objects: list[Made]
    path: list[tuple[ir.Span, bool, str]]
    #: what is known by promises only, so that it may never be as it is here
    unknowns: list[Unknown]
    complete: bool
    #: where the classes come from that are named here
    modules: dict[str, str] = field(default_factory=dict)
    #: what the variables of the function that fails are there, of those that matter and aren't as they were given
    values: list[tuple[str, str]] = field(default_factory=list)
    #: the function's result, if it is promised something of that
    returned: str = ""
    #: what calls give that are known by their contracts only, if it matters
    results: list[tuple[ir.Span, str, str]] = field(default_factory=list)
    #: objects that are met on the way, beyond those that the arguments lead to
    others: list[Made] = field(default_factory=list)
    #: of an invariant: the object of which it is broken
    subject: str = ""
    #: of an invariant or a contract: what is to blame in it; what it can't be computed for
    reason: Reason | None = None
    trouble: tuple[ir.Span, ir.Check] | None = None
    #: of rounds of which no more is known: where the loop is, and what the variables are where the round begins
    rounds: list[tuple[ir.Span, list[tuple[str, str]]]] = field(default_factory=list)
    #: it depends on arithmetic with floats, of which nothing is known
    floats: bool = False
    #: it depends on several reads of what others may write: a span's bytes, views, atomics
    foreign: bool = False
    #: that way is no run's: it isn't found where all that is called, and all rounds, are looked into
    never: bool = False


def name_of(struct: StructType, others: Iterable[StructType], function: ir.Function) -> str:
    """A name for one more object, which a test of the function may have too."""
    stem = "_".join(re.findall(r"[A-Z]?[a-z0-9]+|[A-Z]", struct.name)).lower()
    stem = f"{stem}_" if keyword.iskeyword(stem) or stem in ("lang", "pytest", function.name, struct.name) else stem
    same = sum(other.name == struct.name for other in others)
    return f"{stem}_{same + 1}" if same else stem


#: places in memory, by cells
_Places = dict[str, list[tuple[Term, ...]]]


@dataclass(slots=True)
class _Moment:
    """Memory at a stamp on a path, and the cells of interest in it."""

    path: Path
    stamp: int
    cells: _Places = field(default_factory=dict)

    def add(self, name: str, place: tuple[Term, ...]) -> None:
        self.cells.setdefault(name, []).append(place)


class _Reader:
    """Reads values out of a model; of objects, what they were at the function's entry."""

    def __init__(self, run: Run, model: Model) -> None:
        self.run, self.model = run, model
        self.layout = run.executor.layout
        self.objects: dict[str, Made] = {}
        self.modules: dict[str, str] = {}
        self.complete = True
        #: the cells that the proof looked at, with the values of their locations
        self.entry = _Moment(START, 0)
        for term in list(model.solver.known):
            if term.op == "app" and str(term.args[0]).endswith("@0"):
                self.entry.add(str(term.args[0])[:-2], term.terms)
        self.new = {model.reference(whole) for whole, _, _ in run.executor.made}
        #: the parts of objects that the proof has met, by field and object: where others lie, nothing says
        self.parts: set[tuple[str, str]] = set()
        self.meet(list(model.solver.known))

    def meet(self, terms: Iterable[Term]) -> None:
        fields = (term for term in terms if term.op == "field")
        self.parts |= {(str(term.args[0]), self.model.reference(term.terms[0])) for term in fields}

    def read(self, type_: Type, value: Value) -> str:
        """A value in Python's spelling; objects by name."""
        if isinstance(type_, EnumType | ValueType):
            self.modules[type_.name] = type_.module
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
        return f"<{type_} of {self.model.number(value[2])}>" if isinstance(type_, SpanType) else f"<{type_}>"

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
            others = (made.struct for made in self.objects.values())
            known = Made(struct, name_of(struct, others, self.run.function), reference)
            self.complete = self.complete and not isinstance(struct, FrameType)
            self.objects[identity] = known
            if self.model.reference(reference) not in self.new:
                self.fields(known.changes, struct, reference, "", self.entry)
        return known.name

    def fields(
        self, into: list[tuple[str, str]], struct: StructType, reference: Term, prefix: str, at: _Moment
    ) -> None:
        """The fields that are of interest, also of what lies inside; none that the compiler has made."""
        for f in (f for f in struct.fields.values() if not f.name.startswith(".")):
            name = f"{self.layout.name(struct)}.{f.name}"
            if f.inline:
                if (name, self.model.reference(reference)) not in self.parts:
                    continue
                target = f.type.target if isinstance(f.type, RefType) else f.type
                inner = t.inline_field(name, reference)
                if isinstance(target, StructType):
                    self.fields(into, target, inner, f"{prefix}{f.name}.", at)
                elif isinstance(target, ArrayType):
                    self.elements(into, target, inner, f"{prefix}{f.name}", at)
            elif not f.atomic and self.looked_at(name, f.type, reference, at):
                value = self.run.executor.memory.load(Cells(name, f.type), (reference,), at.path, at.stamp)
                into.append((f"{prefix}{f.name}", self.read(f.type, value)))

    def elements(
        self, into: list[tuple[str, str]], array: ArrayType, reference: Term, prefix: str, at: _Moment
    ) -> None:
        if array.inline:
            element = array.element.target if isinstance(array.element, RefType) else array.element
            if isinstance(element, StructType):
                for place in self.places(reference, array.length):
                    inner = t.inline_element(reference, t.number(place, 64))
                    self.fields(into, element, inner, f"{prefix}[{place}].", at)
            return
        cells = Cells(f"[{self.layout.name(array.element)}]", array.element)
        mine = self.model.reference(reference)
        found: set[int] = set()
        for component in self.layout.components(array.element):
            for where in at.cells.get(cells.name + component.path, ()):
                if self.model.reference(where[0]) == mine:
                    found.add(self.model.number(where[1]))
        for place in sorted(found):
            if place < array.length:
                where = (reference, t.number(place, 64))
                value = self.run.executor.memory.load(cells, where, at.path, at.stamp)
                into.append((f"{prefix}[{place}]", self.read(array.element, value)))

    def places(self, array: Term, length: int) -> list[int]:
        """The inline elements of an array that the proof has met."""
        mine, found = self.model.reference(array), set()
        for term in list(self.model.solver.known):
            if term.op == "element" and self.model.reference(term.terms[0]) == mine:
                found.add(self.model.number(term.terms[1]))
        return sorted(place for place in found if place < length)

    def looked_at(self, name: str, type_: Type, reference: Term, at: _Moment) -> bool:
        mine = self.model.reference(reference)
        return any(
            self.model.reference(where[0]) == mine
            for component in self.layout.components(type_)
            for where in at.cells.get(name + component.path, ())
        )

    def decide(self, terms: Iterable[Term]) -> None:
        """Which fields are these terms made of?"""
        deciding = _Moment(START, 0)
        for term in terms:
            if term.op == "app" and str(term.args[0]).endswith("@0"):
                deciding.add(str(term.args[0])[:-2], term.terms)
        for made in list(self.objects.values()):
            found: list[tuple[str, str]] = []
            self.fields(found, made.struct, made.reference, "", deciding)
            made.deciding = {name for name, _ in found}

    def look_again(self, then: _Moment) -> None:
        """What has become of the cells that are of interest then?"""
        before = _Moment(START, 0, then.cells)
        done: set[str] = set()
        while left := [made for identity, made in self.objects.items() if identity not in done]:
            done.update(self.objects)
            for made in left:
                was: list[tuple[str, str]] = []
                if self.model.reference(made.reference) not in self.new:
                    self.fields(was, made.struct, made.reference, "", before)
                found: list[tuple[str, str]] = []
                self.fields(found, made.struct, made.reference, "", then)
                made.afterwards = [one for one in found if one not in was]


def find(run: Run, obligation: Obligation) -> Counterexample | None:
    """A way in which the obligation fails, if the solver knows one."""
    model = run.refutation(obligation)
    if model is None:
        return None
    reader = _Reader(run, model)
    arguments = [(var.name, reader.read(var.type, value)) for var, value in run.arguments.items()]
    path = [
        (branch.span, bool(model.number(branch.condition)), branch.case)
        for branch in run.executor.findings.branches[: obligation.branches]
        if all(model.number(literal) for literal in branch.path)
    ]
    unknowns = [
        unknown
        for unknown in run.executor.findings.unknowns[: obligation.unknowns]
        if all(model.number(literal) for literal in unknown.path)
    ]
    terms = [obligation.goal, *obligation.path]
    matters = _unknowns(terms, inside=True)
    # Of contracts and invariants that are known on the way, only what this failure hangs on.
    unknowns = [
        one for one in unknowns if not one.aside or any(matters & _unknowns(value) for value in one.variables.values())
    ]
    found = Counterexample(arguments, list(reader.objects.values()), path, unknowns, reader.complete, reader.modules)
    if isinstance(obligation.about, Contract) and (result := obligation.about.ghost.result) is not None:
        found.returned = reader.read(result.type, obligation.about.variables[result])
    names = [str(term.args[0]) for term in matters if term.op == "var"]
    found.floats = any(name.startswith(FLOATS) for name in names)
    found.foreign = sum(name.startswith(FOREIGN) for name in names) > 1
    given = set(run.arguments.values())
    block = obligation.about.ghost.block if isinstance(obligation.about, Contract) else []
    read = {node.var for node in everything(block) if isinstance(node, ir.Get)}
    for var, value in obligation.variables.items():
        if var.name.isidentifier() and value not in given and (matters & _unknowns(value) or var in read):
            found.values.append((var.name, reader.read(var.type, value)))
    _guess(reader, found, matters)
    _blame(run, obligation, reader, found)
    written = _written(run, obligation, model)
    reader.meet(_parts(place for places in written.cells.values() for where in places for place in where))
    reader.look_again(written)
    reader.decide(_parts(terms))
    found.others = list(reader.objects.values())[len(found.objects) :]
    return found


def _guess(reader: _Reader, found: Counterexample, matters: set[Term]) -> None:
    """What calls give there that are known by promises only, and where rounds begin, of that which matters."""
    for one in found.unknowns:
        if one.callee is not None and matters & _unknowns(one.result):
            found.results.append((one.span, one.callee.name, reader.read(one.callee.result, one.result)))
        if one.callee is None:
            known = ((var, value) for var, value in one.variables.items() if var.name.isidentifier())
            begins = [(var.name, reader.read(var.type, value)) for var, value in known if matters & _unknowns(value)]
            found.rounds.append((one.span, begins))


def _blame(run: Run, obligation: Obligation, reader: _Reader, found: Counterexample) -> None:
    """Which part of an invariant or a contract fails: it is computed once more."""
    x, about, model = run.executor, obligation.about, reader.model
    if about is None:
        return
    x.asked = []
    if isinstance(about, Contract):
        frame, block = Frame(obligation.function), about.ghost.block
        saved, x.before = x.before, obligation.stamp
        x.condition(frame, about.ghost, State(obligation.path, dict(about.variables)))
        x.before = saved
    else:
        invariant = obligation.function
        assert invariant.invariant_of is not None
        frame, block = run.invariants.run(x, invariant, about, obligation.path, obligation.stamp), invariant.body
        found.subject = reader.object(invariant.invariant_of, about)
    found.trouble = next(((span, check) for span, check, holds in x.asked if not model.number(holds)), None)
    x.asked = None
    if found.trouble is None:
        found.reason = last_question(x, frame, block, model)


def _written(run: Run, obligation: Obligation, model: Model) -> _Moment:
    """Where the obligation isn't proven: what was written by then of all that it may be about."""
    memory = run.executor.memory
    found = _Moment(obligation.path, obligation.stamp)
    for name in dict.fromkeys(_about(run, obligation)):
        for entry in memory.logs.get(name, ()):
            if (
                isinstance(entry, Write)
                and entry.stamp <= obligation.stamp
                and all(model.number(literal) for literal in entry.guard)
            ):
                found.add(name, entry.location)
    for term in _parts([obligation.goal, *obligation.path]):
        name, _, version = str(term.args[0]).rpartition("@") if term.op == "app" else ("", "", "0")
        if version != "0":
            found.add(name, term.terms)
    return found


def _about(run: Run, obligation: Obligation) -> Iterator[str]:
    """The components of the cells that it reads, or may not have changed; of a specification, all that itself reads."""
    function = obligation.function
    if obligation.duty is Duty.UNCHANGED:
        yield obligation.callee
    elif isinstance(obligation.about, Contract):
        yield from _components(run, obligation.about.ghost.block)
    elif obligation.about is not None:
        yield from _components(run, function.body)
    elif is_specification(function):
        yield from _components(run, [node for node in everything(function.body) if not isinstance(node, ir.Call)])


def _components(run: Run, block: ir.Block) -> Iterator[str]:
    for cells in sorted(reads(run.executor, block), key=lambda cells: cells.name):
        for _, name, _ in run.executor.memory.components(cells):
            yield name


def _parts(terms: Iterable[Term]) -> set[Term]:
    """These terms, and all that they are made of."""
    seen: set[Term] = set()
    work = list(terms)
    while work:
        term = work.pop()
        if term not in seen:
            seen.add(term)
            work += term.terms
    return seen


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


def why_it_may_not_happen(found: Counterexample) -> str:
    """What keeps the way to fail from being a run, as far as that is known."""
    callees = dict.fromkeys(unknown.callee.name for unknown in found.unknowns if unknown.callee is not None)
    lines = dict.fromkeys(unknown.span.line for unknown in found.unknowns if unknown.callee is None)
    reasons = [f"`{name}` is known by its contract only: its `ensures` may say too little" for name in callees]
    if found.floats:
        reasons.append(f"of {FLOATS} nothing is known")
    if found.foreign:
        reasons.append(f"{FOREIGN} is any value at each read")
    reasons += [f"of the loop in line {line} any round is looked at, whether or not one begins so" for line in lines]
    return "; ".join(reasons)
