"""Invariants of structs: assumed of what a path touches, proven of an arbitrary object.

An invariant is local: about an object and what can be reached from it by a few references. So it is assumed at each
reference that a path touches, and at those touched while computing that, as memory was where invariants held; and it is
proven by showing it for one object about which nothing is known. That is a proof for any number of objects.

Where invariants hold: when a function that isn't private (`_name`) begins, and when it ends; and at the begin of each
round of a loop that isn't in a method of the struct, or makes objects of it. In between they may be broken.

Invariants: nothing is assumed of an object at a time when it didn't exist.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from neokernel.compiler import ir
from neokernel.compiler.digest import everything
from neokernel.compiler.layout import record_fields
from neokernel.compiler.lives import statements
from neokernel.compiler.types import (
    ArrayType,
    RefType,
    SpanType,
    StructType,
    TupleType,
    Type,
    UnionType,
    ValueType,
)
from neokernel.prover import terms as t
from neokernel.prover.execute import NoInvariants
from neokernel.prover.memory import AnyElements, Cells, Cleared, Entry, Fill, Moved, Write
from neokernel.prover.obligations import Duty
from neokernel.prover.paths import START, Path, assuming, condition_of, extended
from neokernel.prover.states import Frame, State
from neokernel.prover.terms import Term

if TYPE_CHECKING:
    from neokernel.prover.execute import Executor

#: how far from what a path touches invariants are assumed
NEIGHBOURS = 2


def of_program(program: ir.Program) -> dict[StructType, list[ir.Function]]:
    """The invariants of each struct."""
    found: dict[StructType, list[ir.Function]] = {}
    for function in program.functions:
        if function.invariant_of is not None:
            found.setdefault(function.invariant_of, []).append(function)
    return found


#: structs whose invariants each round of a loop keeps
_Kept = frozenset[StructType]


@dataclass(frozen=True, slots=True)
class _Moment:
    """A state of memory in which the invariants of `structs` hold, on a path; objects aren't younger than `age`."""

    stamp: int
    path: Path
    age: int
    structs: frozenset[StructType]


@dataclass(slots=True)
class Invariants(NoInvariants):
    of: dict[StructType, list[ir.Function]]
    moments: list[_Moment] = field(default_factory=list)
    #: where in the list of facts an invariant is assumed of a reference at a moment
    assumed: dict[tuple[ir.Function, Term, int], int] = field(default_factory=dict)
    depth: int = 0
    #: it is known that they are kept: nothing is asked
    granted: bool = False
    _concerned: dict[ir.Function, bool] = field(default_factory=dict)
    #: what any of them reads
    _read: set[Cells] | None = None

    def begin(self, x: Executor) -> None:
        """The function that is being proven is entered with all invariants intact."""
        self.moments.append(_Moment(x.memory.stamp, START, 0, frozenset(self.of)))

    def mark(self) -> int:
        return len(self.moments)

    def rewind(self, mark: int, facts: int) -> None:
        """Forget moments after a mark, and what was assumed beyond that many facts."""
        del self.moments[mark:]
        self.assumed = {key: place for key, place in self.assumed.items() if place < facts}

    def touch(self, x: Executor, struct: StructType, reference: Term) -> None:
        if struct not in self.of or self.depth >= NEIGHBOURS:
            return
        for moment in self.moments:
            if struct not in moment.structs:
                continue
            for invariant in self.of[struct]:
                key = (invariant, reference, moment.stamp)
                if key not in self.assumed:
                    self.assumed[key] = len(x.findings.facts)
                    self._assume(x, invariant, reference, moment)

    def _assume(self, x: Executor, invariant: ir.Function, reference: Term, moment: _Moment) -> None:
        outer = t.outermost(reference)
        if outer.op == "new" and x.memory.age(outer) > moment.age:
            return  # it didn't exist
        saved = x.before, x.conditions
        x.before, x.conditions = moment.stamp, []
        self.depth += 1
        holds = self._value(x, invariant, reference, moment.path)
        self.depth -= 1
        x.before, x.conditions = saved
        there = t.conjunction(
            t.invert(t.equal(reference, t.NULL)), x.memory.old_enough(reference, moment.age), condition_of(moment.path)
        )
        x.findings.facts.append(t.implies(there, holds))

    def _value(self, x: Executor, invariant: ir.Function, reference: Term, path: Path) -> Term:
        """Does the invariant hold of an object, as memory is now (or at `x.before`)?"""
        return self._run(x, Frame(invariant), reference, path)

    def run(self, x: Executor, invariant: ir.Function, reference: Term, path: Path, stamp: int) -> Frame:
        """Compute it once more, as memory was at a stamp, to see what it comes from; nothing is assumed for that."""
        frame = Frame(invariant)
        saved = x.before, self.depth
        x.before, self.depth = stamp, NEIGHBOURS
        self._run(x, frame, reference, path)
        x.before, self.depth = saved
        return frame

    @staticmethod
    def _run(x: Executor, frame: Frame, reference: Term, path: Path) -> Term:
        invariant = frame.function
        saved, x.conditions = x.conditions, []
        calls, x.calls = x.calls, ()
        # Its steps aren't the function's: however many invariants there are, each is computed as a whole.
        steps, x.steps = x.steps, 0
        found = x.run(frame, State(path, {invariant.parameters[0]: (reference,)}))
        conditions, x.conditions, x.calls, x.steps = x.conditions, saved, calls, steps
        if found is None:
            return t.FALSE
        return t.conjunction(*conditions, found[1][0])

    # --- where they are due -------------------------------------------------------------------------------------------

    def prove(
        self,
        x: Executor,
        span: ir.Span,
        state: State,
        structs: frozenset[StructType] | None = None,
    ) -> None:
        """What was written since invariants last held has kept them, for any object."""
        if self.granted:
            return
        for struct, invariants in self.of.items():
            if structs is not None and struct not in structs:
                continue
            for invariant in invariants:
                for path in self._due(x, struct, invariant, state.path):
                    self._prove(x, struct, invariant, span, State(path, state.variables))

    def _prove(self, x: Executor, struct: StructType, invariant: ir.Function, span: ir.Span, state: State) -> None:
        """One invariant is due of all objects on a path."""
        path, last = state.path, self._last(struct, state.path)
        facts, obligations = len(x.findings.facts), len(x.findings.obligations)
        object = x.unknown(RefType(struct), f"any {struct}", last.age)[0]
        # Those that were made or written to, each by itself, then any other that there was: what that reads, it mostly
        # read before.
        for known, there in self._written(x, struct, invariant, last, path).items():
            same = extended(state.path, there)
            if same is not None:
                self._oblige(x, invariant, known, span, State(same, state.variables))
            path = extended(path, t.invert(t.equal(object, known))) or path
        self._oblige(x, invariant, object, span, State(path, state.variables), last)
        self._confine(x, facts, obligations)

    def _oblige(
        self,
        x: Executor,
        invariant: ir.Function,
        object: Term,
        span: ir.Span,
        state: State,
        held: _Moment | None = None,
    ) -> None:
        """The invariant is due of an object; of which it `held` at a moment, if one is given."""
        assert invariant.invariant_of is not None
        mark = len(x.findings.facts)
        self.touch(x, invariant.invariant_of, object)
        goals = [*_parts_of(self._value(x, invariant, object, state.path))]
        if held is not None:
            saved, x.before = x.before, held.stamp
            before = frozenset(_parts_of(self._value(x, invariant, object, state.path)))
            x.before = saved
            goals = [assuming(before, one) for one in goals]
            if all(goal is t.TRUE for goal in goals):
                # Nothing need be asked, and what was told to ask it would only be in the way.
                self._forget(x, mark)
        for goal in goals:
            x.oblige(Frame(invariant), Duty.INVARIANT, span, state, goal, about=object)

    def _confine(self, x: Executor, facts: int, obligations: int) -> None:
        """What was told since is of objects of which nothing else is asked: behind a condition of its own it keeps no
        solver busy with other questions."""
        scope = x.fresh("scope", t.BOOL)
        found = x.findings
        found.facts[facts:] = [t.implies(scope, fact) for fact in found.facts[facts:]]
        for one in found.obligations[obligations:]:
            one.path |= {scope}
        self.assumed = {key: place for key, place in self.assumed.items() if place < facts}

    def _forget(self, x: Executor, facts: int) -> None:
        del x.findings.facts[facts:]
        self.assumed = {key: place for key, place in self.assumed.items() if place < facts}

    def _written(
        self, x: Executor, struct: StructType, invariant: ir.Function, last: _Moment, path: Path
    ) -> dict[Term, Term]:
        """The objects that are new since the last moment, or of which fields that the invariant reads were written; and
        when each exists."""
        own = f"{x.layout.name(struct)}."
        found: dict[Term, Term] = {}
        for cells in sorted(reads(x, invariant.body), key=lambda cells: cells.name):
            for _, name, _ in x.memory.components(cells):
                for entry in x.memory.logs.get(name, ()):
                    if entry.stamp <= last.stamp or not isinstance(entry, Write):
                        continue
                    if extended(path, condition_of(entry.guard)) is None:
                        continue
                    object = entry.location[0]
                    if not name.startswith(own):
                        while object.op == "element" or (
                            object.op == "field" and not str(object.args[0]).startswith(own)
                        ):
                            object = object.terms[0]
                        if object.op != "field":
                            continue
                        object = object.terms[0]
                    found.setdefault(object, t.invert(t.equal(object, t.NULL)))
        for whole, type_, path in x.made:
            if x.memory.age(whole) > last.age:
                found.update((part, t.TRUE) for part, of in _parts(x, whole, type_) if of is struct)
            for object in found:
                if t.outermost(object) is whole:
                    found[object] = condition_of(path)
        return found

    def _last(self, struct: StructType, path: Path) -> _Moment:
        """When invariants last held on all of a path."""
        held = (m for m in self.moments if struct in m.structs and m.path <= path)
        return max(held, key=lambda moment: moment.stamp)

    def _due(self, x: Executor, struct: StructType, invariant: ir.Function, path: Path) -> list[Path]:
        """The ways to the end of a path on which something was written that the invariant reads, and that since then
        hasn't held.

        Of a write that is followed by a moment wherever it happens, nothing is due: if it is the last one, nothing has
        changed after that moment. So an execution in which the invariant may be broken has come by another write, and
        each of these is taken with all that its guard tells: of what other branches did, nothing need be known there.
        """
        since = self._last(struct, path).stamp
        later = [m for m in self.moments if struct in m.structs and m.stamp > since]
        guards = {
            entry.guard: None
            for entry in self._entries(x, invariant, since)
            if not any(m.stamp >= entry.stamp and m.path <= entry.guard for m in later)
        }
        age = self._last(struct, path).age
        for whole, type_, there in x.made:
            # Also of an invariant that reads nothing of the object.
            if x.memory.age(whole) > age and struct in _structs_in(type_):
                guards[there] = None
        weakest = (guard for guard in guards if not any(other < guard for other in guards))
        found = {path | guard: None for guard in weakest if extended(path, condition_of(guard)) is not None}
        return list(found)

    @staticmethod
    def _entries(x: Executor, invariant: ir.Function, since: int) -> Iterator[Entry]:
        """What was written that the invariant may read."""
        fields = arrays(x, invariant)
        for cells in sorted(reads(x, invariant.body), key=lambda cells: cells.name):
            for _, name, _ in x.memory.components(cells):
                for entry in x.memory.logs.get(name, ()):
                    if entry.stamp > since and _may_be_of(x, entry, fields.get(cells)):
                        yield entry

    def concern(self, x: Executor, function: ir.Function) -> bool:
        found = self._concerned.get(function)
        if found is None:
            made = {struct for type_ in x.writes.made_by(function) for struct in _structs_in(type_)}
            found = self._concerned[function] = not made.isdisjoint(self.of) or (bool(self.of) and _enters(x, function))
        return found

    def matter(self, x: Executor, function: ir.Function) -> bool:
        return bool(self.of) and bool(reads(x, function.body, *(one.block for one in function.ensures)))

    def may_break(self, x: Executor, function: ir.Function) -> bool:
        if not self.of:
            return False
        if self._read is None:
            self._read = reads(x, *(one.body for found in self.of.values() for one in found))
        made = {struct for type_ in x.writes.made_by(function) for struct in _structs_in(type_)}
        return not (self._read.isdisjoint(x.writes.of_function(function)) and made.isdisjoint(self.of))

    def leave(self, x: Executor, frame: Frame, node: ir.Call, state: State) -> None:
        if self.moments and x.conditions is None and not x.is_part(node.function) and not node.function.naked:
            self.prove(x, node.span, state)

    def come_back(self, x: Executor, node: ir.Call, state: State) -> None:
        if self.moments and x.conditions is None and not x.is_part(node.function) and not node.function.naked:
            moment = _Moment(x.memory.stamp, state.path, x.memory.objects, frozenset(self.of))
            self.moments.append(moment)

    # --- loops --------------------------------------------------------------------------------------------------------

    def loop(
        self, x: Executor, frame: Frame, span: ir.Span, state: State, written: frozenset[Cells], made: frozenset[Type]
    ) -> _Kept:
        if not self.moments or x.conditions is not None:
            return frozenset()
        first = frame.function.parameters[0] if frame.function.parameters else None
        own = first.type.target if first is not None and isinstance(first.type, RefType) else None
        own = own if first is not None and first.name == "self" else None
        concerned = {
            struct
            for struct, found in self.of.items()
            if any(reads(x, invariant.body) & written for invariant in found)
        }
        # What earlier rounds have made, nobody knows behind the loop: so it is due in the round that makes it.
        new = {struct for type_ in made for struct in _structs_in(type_)} & set(self.of)
        kept = frozenset((concerned - {own}) | new)
        if kept:
            self.prove(x, span, state, kept)
        return kept

    def round_begins(self, x: Executor, path: Path, kept: _Kept) -> None:
        if kept:
            self.moments.append(_Moment(x.memory.stamp, path, x.memory.objects, kept))

    def round_ends(self, x: Executor, frame: Frame, span: ir.Span, state: State, kept: _Kept) -> None:
        if kept:
            self.prove(x, span, state, kept)


def _parts_of(condition: Term) -> Iterable[Term]:
    return condition.terms if condition.op == "all" else (condition,)


def _structs_in(type_: Type) -> Iterator[StructType]:
    """The structs of an object and of what lies in it."""
    match type_:
        case StructType(fields=fields):
            yield type_
            for f in fields.values():
                if f.inline:
                    yield from _structs_in(f.type.target if isinstance(f.type, RefType) else f.type)
        case ArrayType(element=element, inline=True):
            yield from _structs_in(element.target if isinstance(element, RefType) else element)


def _enters(x: Executor, function: ir.Function) -> bool:
    """Does it call functions at whose begin invariants hold?"""
    calls = (node.function for node in statements(function.body) if isinstance(node, ir.Call))
    return any(_enters(x, one) if x.is_part(one) else not one.naked for one in calls)


def _parts(x: Executor, reference: Term, type_: Type) -> Iterator[tuple[Term, Type]]:
    """An object and what lies in it."""
    yield reference, type_
    match type_:
        case StructType(fields=fields):
            for f in fields.values():
                if f.inline:
                    target = f.type.target if isinstance(f.type, RefType) else f.type
                    yield from _parts(x, t.inline_field(f"{x.layout.name(type_)}.{f.name}", reference), target)
        case ArrayType(element=element, inline=True):
            target, place = element.target if isinstance(element, RefType) else element, x.fresh("place", 64)
            x.assume(START, t.below(place, t.number(type_.length, 64), False))
            yield from _parts(x, t.inline_element(reference, place), target)


def _may_be_of(x: Executor, entry: Entry, fields: set[str] | None) -> bool:
    """May it have been written to an array that is one of these fields? Of two made in different ways, it is known; and
    of a new object, by the arrays that lie in it."""
    match entry:
        case Cleared(object=object) if fields is not None:
            made = [type_ for whole, type_, _ in x.made if whole is object]
            return not made or any(fields & set(_arrays_in(x, type_)) for type_ in made)
        case Write(location=(array, _)) | Fill(array=array) | AnyElements(array=array) | Moved(target=array) if (
            fields is not None
        ):
            return not t.is_made(array) or (array.op == "field" and array.args[0] in fields)
    return True


def _arrays_in(x: Executor, type_: Type) -> Iterator[str]:
    """The fields that are arrays, of an object and of what lies in it."""
    match type_:
        case StructType(fields=fields):
            for f in fields.values():
                if f.inline:
                    target = f.type.target if isinstance(f.type, RefType) else f.type
                    if isinstance(target, ArrayType):
                        yield f"{x.layout.name(type_)}.{f.name}"
                    yield from _arrays_in(x, target)
        case ArrayType(element=element, inline=True):
            yield from _arrays_in(x, element.target if isinstance(element, RefType) else element)


def arrays(x: Executor, function: ir.Function) -> dict[Cells, set[str]]:
    """Of elements that a function reads, and all that it calls: the fields whose arrays they are of, if it is known."""
    found: dict[Cells, set[str]] = {}
    unknown: set[Cells] = set()
    work, seen = [function], {function}
    while work:
        made: dict[ir.Operand, str] = {}
        for node in everything(work.pop().body):
            match node:
                case ir.Call() if node.function not in seen:
                    seen.add(node.function)
                    work.append(node.function)
                case ir.FieldRef(result=ir.Temp() as result, struct=struct, field=name):
                    made[result] = f"{x.layout.name(struct)}.{name}"
                case ir.LoadElement(base=base) | ir.Copy(source=base):
                    cells = x.writes.elements(base)
                    if base in made:
                        found.setdefault(cells, set()).add(made[base])
                    else:
                        unknown.add(cells)
                case ir.Compare(left=left):
                    unknown |= {x.writes.elements_of(view) for view in _views_in(left.type)}
    return {cells: fields for cells, fields in found.items() if cells not in unknown}


def reads(x: Executor, *blocks: ir.Block) -> set[Cells]:
    """What code reads, through all that it calls."""
    found: set[Cells] = set()
    for node in (node for block in blocks for node in everything(block)):
        match node:
            case ir.Call():
                found |= reads(x, node.function.body)
            case ir.LoadField():
                found.add(x.writes.field(node))
            case ir.LoadElement(base=base) | ir.Copy(source=base):
                found.add(x.writes.elements(base))
            case ir.Compare(left=left):
                found |= {x.writes.elements_of(view) for view in _views_in(left.type)}
    return found


def _views_in(type_: Type) -> Iterator[SpanType]:
    """The views in a value: what is equal depends on their elements."""
    match type_:
        case SpanType():
            yield type_
        case ValueType() | TupleType():
            for _, of in record_fields(type_):
                yield from _views_in(of)
        case UnionType(arms=arms):
            for arm in arms:
                yield from _views_in(arm)
