"""Memory: for each leaf component of each field, and of elements by their type, what was there and what was written.

A *cell family* (a field's component, or the component of all elements of one type) starts as an uninterpreted function
of the reference (for elements, of array and index), and has one log of entries. Each entry is guarded by the whole path
on which it was made. So one log serves all paths: of the entries whose guards hold and that match, the last one counts,
and those of another branch are skipped since their guard contradicts the reader's path.

That is right because the executor makes entries in an order that agrees with the order on each path.

Invariants: logs only grow (or are cut back to a mark, by who made it); entries have ascending stamps, so that a stamp
is a snapshot of all memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from neokernel.compiler.types import Type
from neokernel.prover import terms as t
from neokernel.prover.paths import Path, condition_of, decided, simplified
from neokernel.prover.terms import REF, Term
from neokernel.prover.values import SIZE, Component, Layout, Value

Location = tuple[Term, ...]


@dataclass(frozen=True, slots=True)
class Cells:
    """All cells of one field, or all elements of one type: `name` says which, `type` is that of the values."""

    name: str
    type: Type

    @property
    def of_elements(self) -> bool:
        return self.name.startswith("[")


@dataclass(frozen=True, slots=True)
class Entry:
    stamp: int
    guard: Path


@dataclass(frozen=True, slots=True)
class Write(Entry):
    location: Location
    value: Term


@dataclass(frozen=True, slots=True)
class Fill(Entry):
    """Every element of an array."""

    array: Term
    value: Term


@dataclass(frozen=True, slots=True)
class Moved(Entry):
    """`length` elements from `source[source_start]` at `target[start]`, as they were at this stamp."""

    target: Term
    start: Term
    length: Term
    source: Term
    source_start: Term


@dataclass(frozen=True, slots=True)
class Anything(Entry):
    """Whatever it was, it is now another unknown function."""

    base: str


@dataclass(frozen=True, slots=True)
class AnyElements(Anything):
    """Of one array."""

    array: Term


@dataclass(frozen=True, slots=True)
class Perhaps(Entry):
    """A value, in some places: in which, is an unknown function."""

    base: str
    value: Term


@dataclass(frozen=True, slots=True)
class Cleared(Entry):
    """A new object, and all that lies in it."""

    object: Term
    value: Term


@dataclass(slots=True)
class Base:
    """An unknown function of memory: which cells, which component; references in it are older than `age`."""

    cells: Cells
    component: int
    version: str
    age: int


@dataclass(slots=True)
class _Question:
    """One component of which cells is asked for, on which path; and what is `found` there already, by place and stamp:
    of what was copied to and fro, the same is asked again and again."""

    cells: Cells
    index: int
    name: str
    component: Component
    path: Path
    found: dict[tuple[Location, int | None, int | None], Term] = field(default_factory=dict)


@dataclass(slots=True)
class Memory:
    layout: Layout
    logs: dict[str, list[Entry]] = field(default_factory=dict)
    bases: dict[str, Base] = field(default_factory=dict)
    #: of which cells a log's name is which component
    parts: dict[str, tuple[Cells, int, Component]] = field(default_factory=dict)
    #: how many stamps, objects, versions were given out
    stamp: int = 0
    objects: int = 0
    versions: int = 0
    #: the greatest age that a variable's reference can have
    ages: dict[Term, int] = field(default_factory=dict)
    #: the stamps at which objects were made, by their numbers
    born: dict[int, int] = field(default_factory=dict)

    def components(self, cells: Cells) -> Iterator[tuple[int, str, Component]]:
        for index, component in enumerate(self.layout.components(cells.type)):
            name = cells.name + component.path
            self.parts[name] = cells, index, component
            yield index, name, component

    # --- objects ------------------------------------------------------------------------------------------------------

    def new(self) -> Term:
        """An object that is none of those before."""
        self.objects += 1
        self.born[self.objects] = self.stamp
        return t.new(self.objects)

    def others_are_made(self) -> None:
        """Objects are made of which nobody tells how many: of what is met from here on, any may be one of them, of
        what was met before, none."""
        self.objects += 1

    def age(self, reference: Term) -> int:
        """The object a reference leads into is not younger than this: objects are as old as their number, others 0."""
        match reference.op:
            case "new":
                number = reference.args[0]
                assert isinstance(number, int)
                return number
            case "field" | "element":
                return self.age(reference.terms[0])
            case "ite":
                return max(self.age(reference.terms[1]), self.age(reference.terms[2]))
            case "app":
                base = self.bases.get(str(reference.args[0]))
                return self.objects if base is None else base.age
            case "var":
                return self.ages.get(reference, self.objects)
        return 0

    def same(self, a: Term, b: Term) -> Term:
        """Are two references the same? Known not to be if one's object is younger than the other can be."""
        found = t.equal(a, b)
        if found.known is not None or a.sort != REF:
            return found
        for one, other in ((a, b), (b, a)):
            outer = t.outermost(one)
            if outer.op == "new" and self.age(other) < self.age(outer):
                return t.FALSE
        return found

    # --- writing ------------------------------------------------------------------------------------------------------

    def _append(self, name: str, entry: Entry) -> None:
        self.logs.setdefault(name, []).append(entry)

    def _next(self) -> int:
        self.stamp += 1
        return self.stamp

    def store(self, cells: Cells, location: Location, value: Value, path: Path) -> None:
        stamp = self._next()
        for index, name, _ in self.components(cells):
            self._append(name, Write(stamp, path, location, value[index]))

    def fill(self, cells: Cells, array: Term, value: Value, path: Path) -> None:
        stamp = self._next()
        for index, name, _ in self.components(cells):
            self._append(name, Fill(stamp, path, array, value[index]))

    def move(self, cells: Cells, target: Value, source: Value, path: Path) -> None:
        """Copy all elements of one span to another of the same length."""
        stamp = self._next()
        for _, name, _ in self.components(cells):
            self._append(name, Moved(stamp, path, target[0], target[1], target[2], source[0], source[1]))

    def clear(self, cells: Cells, object: Term, path: Path) -> None:
        """All these cells within a new object are zero."""
        stamp, zero = self._next(), self.layout.default(cells.type)
        for index, name, _ in self.components(cells):
            self._append(name, Cleared(stamp, path, object, zero[index]))

    def forget(self, cells: Cells, path: Path, values: Sequence[Value] = ()) -> None:
        """Anything may have been written to these cells, in any places; or nothing but these `values`, if there are."""
        for value in values:
            stamp = self._next()
            self.versions += 1
            for index, name, _ in self.components(cells):
                self._append(name, Perhaps(stamp, path, f"{cells.name}?{self.versions}", value[index]))
        if values:
            return
        stamp = self._next()
        self.versions += 1
        for index, name, _ in self.components(cells):
            base = self._base(cells, index, name, str(self.versions))
            self._append(name, Anything(stamp, path, base))

    def forget_elements(self, cells: Cells, array: Term, path: Path) -> None:
        """Anything may have been written to these elements of an array."""
        stamp = self._next()
        self.versions += 1
        for index, name, _ in self.components(cells):
            self._append(name, AnyElements(stamp, path, self._base(cells, index, name, str(self.versions)), array))

    def _base(self, cells: Cells, index: int, name: str, version: str) -> str:
        full = f"{name}@{version}"
        if full not in self.bases:
            self.bases[full] = Base(cells, index, version, 0 if version == "0" else self.objects)
        return full

    def rewind(self, stamp: int) -> None:
        """Forget what was written after a stamp."""
        for log in self.logs.values():
            while log and log[-1].stamp > stamp:
                log.pop()

    # --- reading ------------------------------------------------------------------------------------------------------

    def load(self, cells: Cells, location: Location, path: Path, before: int | None = None) -> Value:
        """What lies there, at the end of a path; `before`: at that stamp, but of an object that didn't exist then, what
        lies in it now: ghost code that speaks of a moment has memory of its own."""
        return tuple(
            self._load(_Question(cells, index, name, component, path), location, before)
            for index, name, component in self.components(cells)
        )

    def load_part(self, name: str, location: Location, path: Path, before: int | None) -> Term:
        """One component of what lies there."""
        cells, index, component = self.parts[name]
        return self._load(_Question(cells, index, name, component, path), location, before)

    def _load(self, q: _Question, location: Location, before: int | None, until: int | None = None) -> Term:
        """`until`: of an object that didn't exist before, what lay in it at that stamp."""
        only = self.layout.only(q.component.type)
        if only is not None:
            return only
        location = tuple(simplified(q.path, part) for part in location)
        found = q.found.get((location, before, until))
        if found is None:
            found = q.found[location, before, until] = self._look_up(q, location, before, until)
        return found

    def _look_up(self, q: _Question, location: Location, before: int | None, until: int | None) -> Term:
        choice = next((part for part in location if part.op == "ite" and part.sort == REF), None)
        if choice is not None and _small(choice):
            # Each side knows its own object.
            sides = [
                self._load(q, tuple(choice.terms[side] if part is choice else part for part in location), before, until)
                for side in (1, 2)
            ]
            return t.choose(choice.terms[0], *sides)
        pending: list[tuple[Term, Term]] = []
        result: Term | None = None
        young = t.FALSE if before is None else self._born_since(before, location[0])
        for entry in reversed(self.logs.get(q.name, ())):
            later = before is not None and entry.stamp > before
            if (later and young is t.FALSE) or (until is not None and entry.stamp > until):
                continue
            condition = self._applies(entry, location, q.path)
            if later:
                condition = t.conjunction(young, condition)
            if condition is t.FALSE:
                continue
            value = self._value(q, entry, location, before)
            if condition is t.TRUE:
                result = value
                break
            pending.append((condition, value))
        if result is None:
            result = self._first(q, location)
        for condition, value in reversed(pending):
            result = t.choose(condition, value, result)
        return simplified(q.path, result)

    def _born_since(self, stamp: int, reference: Term) -> Term:
        """Does the reference lead into an object that was made after a stamp?"""
        young = (t.new(number) for number, born in self.born.items() if born >= stamp)
        return t.disjunction(*(self._within(one, reference) for one in young))

    def _first(self, q: _Question, location: Location) -> Term:
        if location[0].op == "table":
            return self._constant(location[0], location[1], q.index, q.component)
        return t.apply(self._base(q.cells, q.index, q.name, "0"), q.component.sort, *location)

    def _constant(self, table: Term, place: Term, index: int, component: Component) -> Term:
        """An element of constant data."""
        number = table.args[0]
        assert isinstance(number, int)
        items = self.layout.tables[number]
        if place.known is not None and place.known < len(items):
            return items[place.known][index]
        result = t.apply(f"table{number}.{index}", component.sort, place)
        for position in reversed(range(min(len(items), place.bits + 1))):
            result = t.choose(t.equal(place, t.number(position, SIZE)), items[position][index], result)
        return result

    def _applies(self, entry: Entry, location: Location, path: Path) -> Term:
        """When does the entry concern this location, on this path?"""
        if isinstance(entry, Write):
            for a, b in zip(entry.location, location, strict=True):
                if a is not b and a.known is not None and b.known is not None:
                    return t.FALSE  # different places in an array: most entries of long logs
        left = []
        for literal in entry.guard:
            if literal not in path:
                answer = decided(path, literal)
                if answer is False:
                    return t.FALSE
                if answer is None:
                    left.append(literal)
        match entry:
            case Write(location=where):
                matches = t.conjunction(*(self.same(a, b) for a, b in zip(where, location, strict=True)))
            case Fill(array=array) | AnyElements(array=array):
                matches = self.same(array, location[0])
            case Moved(target=target, start=start, length=length):
                inside = t.below(t.arithmetic("sub", location[1], start), length, False)
                matches = t.conjunction(self.same(target, location[0]), inside)
            case Cleared(object=made):
                matches = self._within(made, location[0])
            case Perhaps(base=base):
                matches = t.apply(base, t.BOOL, *location)
            case _:
                matches = t.TRUE
        answer = decided(path, matches)
        if answer is not None:
            matches = t.boolean(answer)
        if matches is t.FALSE:
            return matches
        return t.conjunction(condition_of(frozenset(left)), matches) if left else matches

    def _within(self, made: Term, reference: Term) -> Term:
        """Does `reference` lead into the new object?"""
        outer = t.outermost(reference)
        if outer is made:
            return t.TRUE
        if outer.op in ("new", "table", "null") or self.age(outer) < self.age(made):
            return t.FALSE
        if outer.op == "ite":
            return t.choose(outer.terms[0], self._within(made, outer.terms[1]), self._within(made, outer.terms[2]))
        return t.equal(t.apply("age", SIZE, outer), t.number(self.age(made), SIZE))

    def _value(self, q: _Question, entry: Entry, location: Location, before: int | None) -> Term:
        match entry:
            case Write(value=value) | Fill(value=value) | Cleared(value=value) | Perhaps(value=value):
                return value
            case Anything(base=base):
                return t.apply(base, q.component.sort, *location)
            case Moved(stamp=stamp, start=start, source=source, source_start=source_start):
                offset = t.arithmetic("sub", location[1], start)
                there = (source, t.arithmetic("add", source_start, offset))
                if before is None or stamp <= before:
                    return self._load(q, there, stamp - 1)
                return self._load(q, there, before, stamp - 1)
        raise AssertionError(entry)

    # --- what is known of unknown functions ---------------------------------------------------------------------------

    def fact(self, term: Term) -> Term:
        """What holds of an application of memory's unknown function because of its type."""
        base = self.bases.get(str(term.args[0]))
        if base is None:
            return t.TRUE
        location = term.terms
        value = tuple(
            t.apply(self._base(base.cells, index, name, base.version), component.sort, *location)
            for index, name, component in self.components(base.cells)
        )
        fact = self.layout.fact(base.cells.type, value)
        if term.sort == REF:
            return t.conjunction(fact, self.old_enough(term, base.age))
        return fact

    @staticmethod
    def old_enough(reference: Term, age: int) -> Term:
        return t.at_most(t.apply("age", SIZE, reference), t.number(age, SIZE), False)


def _small(choice: Term, most: int = 4) -> bool:
    """Has the choice few ends?"""
    count, work = 0, [choice]
    while work:
        term = work.pop()
        if term.op == "ite":
            work += term.terms[1:]
        else:
            count += 1
            if count > most:
                return False
    return True
