"""A counterexample as a test: it builds the objects, calls the function, and waits for the check that fails."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from neokernel.compiler import ir
from neokernel.compiler.types import (
    NONE,
    BoolType,
    EnumType,
    Field,
    FloatType,
    IntType,
    NoneType,
    RefType,
    StructType,
    Type,
    UnionType,
    ValueType,
)
from neokernel.prover.failures import MADE
from neokernel.prover.failures.counterexample import Counterexample, Made, name_of
from neokernel.prover.obligations import Duty, Obligation


class CannotBuild(Exception):
    """The arguments have no form in Python that a test could write down."""


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
#: with what the contract's failure begins
_WORDS = {
    Duty.REQUIRES: "requires",
    Duty.ENSURES: "ensures",
    Duty.INVARIANT: "invariant",
    Duty.LOOP_INVARIANT: "loop_invariant",
    Duty.LOOP_BOUND: "loop_bound",
}


def source(function: ir.Function, obligation: Obligation, found: Counterexample) -> str:
    """A test that fails as the counterexample says. Raises CannotBuild."""
    if not found.complete:
        raise CannotBuild("an argument is a span, a view, an array or a coroutine's frame")
    check = obligation.check or (found.trouble and found.trouble[1])
    if check is None and obligation.duty not in _WORDS:
        raise CannotBuild("images and CPython don't check it")
    raised = _RAISED[check.kind.value] if check is not None else f'ContractFailed, match="^{_WORDS[obligation.duty]}:"'
    objects = _Objects(found.objects, function)
    written = [text for _, text in found.arguments]
    written += [text for made in objects.made.values() for text in (made.of, *made.values.values())]
    modules = found.modules | objects.modules
    imports = {name: modules[name] for text in written for name in re.findall(r"\w+", text) if name in modules}
    arguments = _typed(function, [text for _, text in found.arguments])
    owner, _, name = function.name.rpartition(".")
    if not owner:
        called = f"{name}_" if name in ("lang", "pytest") else name
        imports[f"{name} as {called}" if called != name else name] = function.module
    elif function.parameters and function.parameters[0].name == "self":
        called = f"{arguments.pop(0)}.{name}"
    else:
        imports[owner] = function.module
        called = function.name
    lines = [f"from {module} import {', '.join(names)}" for module, names in _by_module(imports)]
    body = [*objects.statements, f"with pytest.raises(lang.{raised}):", f"    {called}({', '.join(arguments)})"]
    stem = re.sub(r"\W+", "_", function.name).lower()
    return (
        f'{MADE}{obligation.duty.value} at line {obligation.span.line} fails."""\n\n'
        f"import pytest\n\nfrom neokernel import lang\n"
        + "\n".join(lines)
        + f"\n\n\ndef test_{stem}() -> None:\n    "
        + "\n    ".join(body)
        + "\n"
    )


def _by_module(imports: dict[str, str]) -> list[tuple[str, list[str]]]:
    return [(module, sorted(n for n in imports if imports[n] == module)) for module in sorted(set(imports.values()))]


def _typed(function: ir.Function, arguments: list[str]) -> list[str]:
    """Integers as their widths: a host module's numbers have none."""
    parameters = function.parameters
    return [
        f"lang.{p.type}({a})" if isinstance(p.type, IntType) else a for p, a in zip(parameters, arguments, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Object:
    struct: StructType
    name: str
    #: of its fields, also of its parts'
    values: dict[str, str]

    @property
    def of(self) -> str:
        """Its class, in Python's spelling: the language's types aren't known by themselves in a host module."""
        return re.sub(r"\b([iuf]\d+)\b", r"lang.\1", self.struct.name)


class _Objects:
    """Statements that make objects, each after those that it is made of. Raises CannotBuild.

    Objects that lead to each other begin as their constructors leave them; their fields are set when all of them are
    there. So are the fields of parts.
    """

    def __init__(self, found: list[Made], function: ir.Function) -> None:
        self.made = {made.name: _Object(made.struct, made.name, dict(made.changes)) for made in found}
        self.function = function
        self.statements: list[str] = []
        self.late: list[str] = []
        #: where the classes come from
        self.modules: dict[str, str] = {}
        self.done: set[str] = set()
        for made in list(self.made.values()):
            self.complete(made, ())
        for made in list(self.made.values()):
            self.make(made, frozenset())
        self.statements += self.late

    def complete(self, made: _Object, within: tuple[StructType, ...]) -> None:
        """What its constructor must be given, though the proof didn't look at it. `within`: what it was needed for."""
        if made.struct in within:
            raise CannotBuild(f"a `{made.struct}` can't be made: another must be there before it")
        outer, *arguments = re.findall(r"(?<![\w.])[A-Za-z_]\w*", made.of)
        self.modules[outer] = made.struct.module
        for name in {*arguments} - {"lang", "bool", "None"}:
            self.modules.setdefault(name, self.function.module)
        for field in made.struct.fields.values():
            if field.required and field.name not in made.values:
                made.values[field.name] = self.any_value(field, made.struct, (*within, made.struct))

    def any_value(self, field: Field, of: Type, within: tuple[StructType, ...]) -> str:
        """Some value for the field of a struct or value, in Python's spelling."""
        type_ = field.type
        if isinstance(type_, UnionType):
            type_ = NONE if NONE in type_.arms else type_.arms[0]
        match type_:
            case NoneType():
                return "None"
            case IntType():
                return "0"
            case FloatType():
                return "0.0"
            case BoolType():
                return "False"
            case EnumType(name=name, module=module, members=members):
                self.modules[name] = module
                return f"{name}.{next(iter(members))}"
            case ValueType(name=name, module=module, fields=fields):
                self.modules[name] = module
                parts = (f"{f.name}={self.any_value(f, type_, within)}" for f in fields.values() if f.required)
                return f"{name}({', '.join(parts)})"
            case RefType(target=StructType() as struct) if not field.inline:
                made = _Object(struct, name_of(struct, (one.struct for one in self.made.values()), self.function), {})
                self.made[made.name] = made
                self.complete(made, within)
                return made.name
        raise CannotBuild(f"a `{of}` can't be made without its `{field.name}`, which isn't known")

    def make(self, made: _Object, wanting: frozenset[str]) -> None:
        """`wanting`: those that are to be made of it."""
        if made.name in self.done:
            return
        if made.name in wanting:
            raise CannotBuild(f"a `{made.struct}` can't be made: another must be there before it")
        wanting |= {made.name}
        for name in self.needed(made):
            self.make(self.made[name], wanting)
        for name in self.named(made.values.values()):
            if wanting.isdisjoint(self.needs(name)):
                self.make(self.made[name], wanting)
        whole = self.done.issuperset(self.named(made.values.values()))
        given: list[str] = []
        for name, text in made.values.items():
            plain = made.struct.fields.get(name)
            if plain is not None and isinstance(plain.type, IntType):
                text = f"lang.{plain.type}({text})"
            if plain is not None and (whole or plain.required):
                given.append(f"{name}={text}")
            else:
                self.late.append(f"{made.name}.{name} = {text}")
        self.done.add(made.name)
        self.statements.append(f"{made.name} = {made.of}({', '.join(given)})")

    def named(self, texts: Iterable[str]) -> list[str]:
        """The objects in these."""
        found = (name for text in texts for name in re.findall(r"\b[a-z_]\w*", text) if name in self.made)
        return list(dict.fromkeys(found))

    def needed(self, made: _Object) -> list[str]:
        """The objects that its constructor must be given."""
        fields = made.struct.fields
        return self.named(text for name, text in made.values.items() if name in fields and fields[name].required)

    def needs(self, name: str) -> set[str]:
        """It, and all objects that must be there before it."""
        found: set[str] = set()
        work = [name]
        while work:
            name = work.pop()
            if name not in found:
                found.add(name)
                work += self.needed(self.made[name])
        return found
