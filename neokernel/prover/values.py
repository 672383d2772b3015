"""Values of the typed IR as terms: every type is flattened to *components*, and a value is a tuple of terms.

| type | components |
|---|---|
| integer, enum | a bit-vector of its width (an enum's: of its storage) |
| float | its bits |
| bool | a bool |
| reference, also optional (None is `NULL`) | a reference |
| value, tuple | those of its fields, in order |
| span, view | array, offset, length |
| union | the arm's tag; one reference for all arms that are references; then the components of each other arm |
| None | none |

Invariant: a tag is the arm type's number in `Layout`, the same in all unions, so that a value keeps its tag from one
union to another.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from neokernel.compiler import ir
from neokernel.compiler.layout import record_fields
from neokernel.compiler.types import (
    BoolType,
    EnumType,
    FloatType,
    IntType,
    NeverType,
    NoneType,
    RefType,
    SpanType,
    StructType,
    TupleType,
    Type,
    UnionType,
    ValueType,
)
from neokernel.lang.floats import to_binary32
from neokernel.prover import terms as t
from neokernel.prover.terms import BOOL, REF, Term

Value = tuple[Term, ...]

TAG = 16
#: of offsets and lengths
SIZE = 64


@dataclass(frozen=True, slots=True)
class Component:
    """One leaf of a type: where in it, and what sort it has."""

    path: str
    sort: int
    type: Type


@dataclass(slots=True)
class Layout:
    """How types are flattened; numbers the arms of unions, and holds the tables of constants.

    `single`: structs (module and name) of which there is but one object: all references to it are the same.
    """

    tags: dict[Type, int] = field(default_factory=dict)
    known: dict[Type, tuple[Component, ...]] = field(default_factory=dict)
    #: the elements of constant views, by the number of their `table` term
    tables: list[tuple[Value, ...]] = field(default_factory=list)
    _table_numbers: dict[ir.ConstValue, int] = field(default_factory=dict)
    _names: dict[Type, str] = field(default_factory=dict)
    single: frozenset[str] = frozenset()

    def components(self, type_: Type) -> tuple[Component, ...]:
        found = self.known.get(type_)
        if found is None:
            found = self.known[type_] = tuple(self._flatten(type_))
        return found

    def _flatten(self, type_: Type) -> list[Component]:
        match type_:
            case IntType(bits=bits) | FloatType(bits=bits):
                return [Component("", bits, type_)]
            case EnumType(storage=storage):
                return [Component("", storage.bits, type_)]
            case BoolType():
                return [Component("", BOOL, type_)]
            case NoneType() | NeverType():
                return []
            case RefType():
                return [Component("", REF, type_)]
            case SpanType():
                return [
                    Component(".array", REF, type_),
                    Component(".offset", SIZE, type_),
                    Component(".length", SIZE, type_),
                ]
            case ValueType() | TupleType():
                return [
                    Component(f".{name}{c.path}", c.sort, c.type)
                    for name, inner in record_fields(type_)
                    for c in self.components(inner)
                ]
            case UnionType():
                if type_.is_optional_reference:
                    return [Component("", REF, type_)]
                made = [Component(".arm", TAG, type_)]
                if any(isinstance(arm, RefType) for arm in type_.arms):
                    made.append(Component(".reference", REF, type_))
                for arm in type_.arms:
                    if not isinstance(arm, RefType):
                        of = f".as {self.name(arm)}"
                        made += [Component(f"{of}{c.path}", c.sort, c.type) for c in self.components(arm)]
                return made
        raise AssertionError(f"{type_} has no value")

    def only(self, type_: Type) -> Term | None:
        """The reference, of a type that has but one."""
        of = type_.target if isinstance(type_, RefType) else None
        if isinstance(of, StructType) and f"{of.module}.{of.name}" in self.single:
            return t.variable(f"the {of.name}", REF)
        return None

    def name(self, type_: Type) -> str:
        """A name for the type that no other has."""
        found = self._names.get(type_)
        if found is None:
            same = sum(str(other) == str(type_) for other in self._names)
            found = self._names[type_] = f"{type_}#{same}" if same else str(type_)
        return found

    def size(self, type_: Type) -> int:
        return len(self.components(type_))

    def tag(self, arm: Type) -> int:
        return self.tags.setdefault(arm, len(self.tags))

    def tag_term(self, arm: Type) -> Term:
        return t.number(self.tag(arm), TAG)

    def default(self, type_: Type) -> Value:
        """The value of zeroed memory; where a component means nothing, any value will do."""
        if isinstance(type_, UnionType) and not type_.is_optional_reference:
            # None, or else the arm that is declared first; what the other arms hold doesn't matter.
            arm = next((arm for arm in type_.arms if isinstance(arm, NoneType)), type_.arms[0])
            return (self.tag_term(arm), *(self._zero(c.sort) for c in self.components(type_)[1:]))
        return tuple(self._zero(c.sort) for c in self.components(type_))

    @staticmethod
    def _zero(sort: int) -> Term:
        if sort == BOOL:
            return t.FALSE
        return t.NULL if sort == REF else t.number(0, sort)

    # --- records ------------------------------------------------------------------------------------------------------

    def item(self, type_: Type, value: Value, index: int) -> Value:
        """Field `index` of a record."""
        if isinstance(type_, SpanType):
            return (value[2],)
        assert isinstance(type_, ValueType | TupleType)
        start = 0
        for place, (_, inner) in enumerate(record_fields(type_)):
            size = self.size(inner)
            if place == index:
                return value[start : start + size]
            start += size
        raise AssertionError(f"{type_} has no field {index}")

    # --- unions -------------------------------------------------------------------------------------------------------

    def _place(self, union: UnionType, arm: Type) -> int:
        """Where the components of an arm begin that is no reference."""
        start = 1 + any(isinstance(other, RefType) for other in union.arms)
        for other in union.arms:
            if other == arm:
                return start
            if not isinstance(other, RefType):
                start += self.size(other)
        raise AssertionError(f"{arm} is no arm of {union}")

    def is_arm(self, union: UnionType, value: Value, arms: tuple[Type, ...]) -> Term:
        if union.is_optional_reference:
            null = t.equal(value[0], t.NULL)
            either = {isinstance(arm, NoneType) for arm in arms}
            if len(either) != 1:
                return t.boolean(bool(either))
            return null if either.pop() else t.invert(null)
        return t.disjunction(*(t.equal(value[0], self.tag_term(arm)) for arm in arms))

    def arm(self, union: UnionType, value: Value, arm: Type) -> Value:
        """What is in the union if its value is `arm`."""
        if isinstance(arm, NoneType):
            return ()
        if union.is_optional_reference:
            return (value[0],)
        if isinstance(arm, RefType):
            return (value[1],)
        start = self._place(union, arm)
        return value[start : start + self.size(arm)]

    def as_union(self, target: UnionType, source: Type, value: Value) -> Value:
        """`value` of an arm, or of another union that shares its arms, as a `target`."""
        if source == target:
            return value
        arms = source.arms if isinstance(source, UnionType) else (source,)
        if isinstance(source, UnionType):
            parts = {arm: self.arm(source, value, arm) for arm in arms}
        else:
            parts = {source: value}
        references = [arm for arm in arms if isinstance(arm, RefType) and arm in target.arms]
        reference = parts[references[0]][0] if references else t.NULL
        if target.is_optional_reference:
            if references and len(arms) > 1 and not (isinstance(source, UnionType) and source.is_optional_reference):
                assert isinstance(source, UnionType)
                return (t.choose(self.is_arm(source, value, tuple(references)), reference, t.NULL),)
            return (reference,)
        if not isinstance(source, UnionType):
            tag = self.tag_term(source)
        elif source.is_optional_reference:
            none, other = (next(a for a in arms if isinstance(a, NoneType) is k) for k in (True, False))
            tag = t.choose(t.equal(reference, t.NULL), self.tag_term(none), self.tag_term(other))
        else:
            tag = value[0]
        made = [tag]
        if any(isinstance(arm, RefType) for arm in target.arms):
            made.append(reference)
        for arm in target.arms:
            if not isinstance(arm, RefType):
                made += parts[arm] if arm in parts else self.default(arm)
        return tuple(made)

    # --- constants ----------------------------------------------------------------------------------------------------

    def constant(self, c: ir.ConstValue) -> Value:
        if isinstance(c, ir.ConstRecord):
            if isinstance(c.type, UnionType):
                assert c.arm is not None
                return self.as_union(c.type, c.arm, self.constant(c.items[0]))
            return tuple(term for item in c.items for term in self.constant(item))
        value = c.value
        match c.type:
            case IntType(bits=bits):
                assert isinstance(value, int)
                return (t.number(value, bits),)
            case EnumType(storage=storage):
                assert isinstance(value, int)
                return (t.number(value, storage.bits),)
            case BoolType():
                return (t.boolean(bool(value)),)
            case FloatType(bits=bits):
                assert isinstance(value, float)
                return (t.number(float_bits(value, bits), bits),)
            case UnionType() if c.type.is_optional_reference:
                return (t.NULL,)
            case NoneType():
                return ()
            case SpanType():
                return self._view(c)
        raise AssertionError(f"a constant of {c.type}")

    def _view(self, c: ir.Const) -> Value:
        number = self._table_numbers.get(c)
        if number is None:
            assert isinstance(c.value, bytes | tuple)
            number = self._table_numbers[c] = len(self.tables)
            self.tables.append(())
            if isinstance(c.value, bytes):
                self.tables[number] = tuple((t.number(byte, 8),) for byte in c.value)
            else:
                self.tables[number] = tuple(self.constant(item) for item in c.value)
        assert isinstance(c.value, bytes | tuple)
        return (t.table(number), t.number(0, SIZE), t.number(len(c.value), SIZE))

    # --- what is known of any value of a type -------------------------------------------------------------------------

    def fact(self, type_: Type, value: Value) -> Term:
        """What holds of every value of the type: an enum is a member, a reference isn't null, a span doesn't wrap."""
        match type_:
            case EnumType(members=members, storage=storage):
                return t.disjunction(*(t.equal(value[0], t.number(m, storage.bits)) for m in members.values()))
            case RefType():
                return t.invert(t.equal(value[0], t.NULL))
            case SpanType():
                top = t.number((1 << 63) - 1, SIZE)
                return t.conjunction(
                    t.at_most(value[1], top, False),
                    t.at_most(value[2], top, False),
                    t.invert(t.equal(value[0], t.NULL)),
                )
            case ValueType() | TupleType():
                fields = enumerate(record_fields(type_))
                return t.conjunction(*(self.fact(f, self.item(type_, value, i)) for i, (_, f) in fields))
            case UnionType() if not type_.is_optional_reference:
                facts = [self.is_arm(type_, value, type_.arms)]
                for arm in type_.arms:
                    inner = self.fact(arm, self.arm(type_, value, arm))
                    facts.append(t.implies(self.is_arm(type_, value, (arm,)), inner))
                return t.conjunction(*facts)
        return t.TRUE


def float_bits(value: float, bits: int) -> int:
    import struct

    found = struct.pack("<f", to_binary32(value)) if bits == 32 else struct.pack("<d", value)
    return int.from_bytes(found, "little")


def float_value(bits: int, width: int) -> float:
    import struct

    found: float = struct.unpack("<f" if width == 32 else "<d", bits.to_bytes(width // 8, "little"))[0]
    return found
