"""A counterexample as a test: it builds the objects, calls the function, and waits for the check that fails."""

from __future__ import annotations

import re

from neokernel.compiler import ir
from neokernel.compiler.types import BoolType, EnumType, IntType, RefType
from neokernel.prover.failures.counterexample import Counterexample, Made
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
        raise CannotBuild("an argument is a span, a view or an array")
    check = obligation.check or (found.trouble and found.trouble[1])
    if check is None and obligation.duty not in _WORDS:
        raise CannotBuild("images and CPython don't check it")
    raised = _RAISED[check.kind.value] if check is not None else f'ContractFailed, match="^{_WORDS[obligation.duty]}:"'
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
        call = f"{arguments[0]}.{name}({', '.join(_typed(function, arguments)[1:])})" if takes_self else ""
        if not takes_self:
            names.add(owner)
            call = f"{owner}.{name}({', '.join(_typed(function, arguments))})"
    else:
        clashes = function.name in ("lang", "pytest")
        called = f"{function.name}_" if clashes else function.name
        names.add(f"{function.name} as {called}" if clashes else called)
        call = f"{called}({', '.join(_typed(function, arguments))})"
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


def _typed(function: ir.Function, arguments: list[str]) -> list[str]:
    """Integers as their widths: a host module's numbers have none."""
    parameters = function.parameters
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
            raise CannotBuild(f"a `{made.struct}` can't be made without its `{f.name}`, which isn't known")
    return given, late
