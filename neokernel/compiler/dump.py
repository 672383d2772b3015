"""The typed IR as text, to read and to compare: one line per instruction, blocks indented.

    function kernel.thread.Thread.wake(self: Thread) -> bool
      %0 = get self
      %1 = load field %0 Thread.ticks
      %2 = binary add checked %1 1:u32    fails overflow #0
      if %3
        …

A discharged check is written in parentheses. Equal programs give equal text.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator
from enum import Enum
from typing import Any

from neokernel.compiler import ir
from neokernel.compiler.types import StructType, Type, WireType

_HIDDEN = {"span", "result", "checks"}
_WORDS = re.compile(r"(?<!^)(?=[A-Z])")


def dump(program: ir.Program) -> str:
    """The text of a whole program."""
    parts = [dump_function(function) for function in program.functions]
    parts += ["assembly\n" + "\n".join(f"  {line}" for line in text.splitlines()) for text in program.assembly]
    return "\n\n".join(parts) + "\n"


def dump_function(function: ir.Function) -> str:
    parameters = ", ".join(f"{_variable(parameter)}: {parameter.type}" for parameter in function.parameters)
    properties = [name for name in ("ghost", "naked", "cold", "inline", "exported") if getattr(function, name)]
    properties += [f"section={function.section}"] if function.section else []
    head = f"function {function.symbol}({parameters}) -> {function.result}"
    lines = [" ".join([head, *properties])]
    for word, contracts in (
        ("requires", function.requires),
        ("entry", function.entry),
        ("ensures", function.ensures),
    ):
        for contract in contracts:
            lines += _ghost(word, contract, "  ")
    lines += _block(function.body, "  ")
    return "\n".join(lines)


def _block(block: ir.Block, indent: str) -> Iterator[str]:
    for statement in block:
        yield from _statement(statement, indent)


def _statement(s: ir.Statement, indent: str) -> Iterator[str]:
    inner = indent + "  "
    if isinstance(s, ir.If):
        yield f"{indent}if {_operand(s.condition)}"
        yield from _block(s.then, inner)
        if s.otherwise:
            yield f"{indent}else"
            yield from _block(s.otherwise, inner)
    elif isinstance(s, ir.Switch):
        yield f"{indent}switch {_operand(s.value)}{' exhaustive' if s.exhaustive else ''}"
        for wanted, body in s.cases:
            yield f"{indent}case {' | '.join(map(str, wanted))}"
            yield from _block(body, inner)
        yield f"{indent}default"
        yield from _block(s.default, inner)
    elif isinstance(s, ir.Loop):
        trip = f" trip {_operand(s.trip)}" if s.trip is not None else ""
        yield f"{indent}loop {s.label}{trip}"
        yield from _block(s.body, inner)
        yield f"{indent}step {s.label}"
        yield from _block(s.step, inner)
    elif isinstance(s, ir.Break):
        yield f"{indent}break {s.label}"
    elif isinstance(s, ir.Continue):
        yield f"{indent}continue {s.label}"
    elif isinstance(s, ir.Return):
        yield f"{indent}return" if s.value is None else f"{indent}return {_operand(s.value)}"
    elif isinstance(s, ir.Fail):
        yield f"{indent}fail{_checks((s.check,))}"
    elif isinstance(s, ir.Ghost):
        yield from _ghost("ghost", s, indent)
    else:
        yield indent + describe(s)


def _ghost(word: str, ghost: ir.Ghost, indent: str) -> Iterator[str]:
    value = f" {_operand(ghost.value)}" if ghost.value is not None else ""
    yield f"{indent}{word}{value}"
    yield from _block(ghost.block, indent + "  ")


def describe(i: ir.Instruction) -> str:
    """One instruction, without indentation."""
    name = _WORDS.sub(" ", type(i).__name__).lower()
    parts = [name]
    for field in dataclasses.fields(i):
        if field.name in _HIDDEN:
            continue
        value = getattr(i, field.name)
        if field.name == "field" and isinstance(getattr(i, "struct", None) or getattr(i, "wire", None), Type):
            parts[-1] += f".{value}"
        elif value is True:
            parts.append(field.name)
        elif value is not False and value is not None and value != ():
            parts.append(_part(value))
    text = " ".join(parts) + _checks(i.checks)
    if i.result is None:
        return text
    return f"%{i.result.number} = {text} : {i.result.type}"


def _part(value: Any) -> str:
    if isinstance(value, (ir.Const, ir.ConstRecord, ir.Temp)):
        return _operand(value)
    if isinstance(value, ir.Var):
        return _variable(value)
    if isinstance(value, ir.Function):
        return value.symbol
    if isinstance(value, tuple):
        return "(" + ", ".join(map(_part, value)) + ")"
    if isinstance(value, Enum):
        return str(value.value)
    if isinstance(value, (StructType, WireType)):
        return value.name
    if isinstance(value, str):
        return value if value.isidentifier() else repr(value)
    return str(value)


def _variable(var: ir.Var) -> str:
    """Names may repeat within a function: the number tells them apart."""
    return f"{var.name}.{var.number}"


def _operand(operand: ir.Operand) -> str:
    if isinstance(operand, ir.Temp):
        return f"%{operand.number}"
    if isinstance(operand, ir.ConstRecord):
        arm = f" as {operand.arm}" if operand.arm is not None else ""
        return f"{operand.type}({', '.join(map(_operand, operand.items))}){arm}"
    if isinstance(operand.value, tuple):
        return f"[{', '.join(map(_operand, operand.value))}]:{operand.type}"
    return "None" if operand.value is None else f"{operand.value!r}:{operand.type}"


def _checks(checks: tuple[ir.Check, ...]) -> str:
    texts = [f"{check.kind.value} #{check.index}" for check in checks]
    texts = [f"({text})" if check.discharged else text for text, check in zip(texts, checks, strict=True)]
    return f"    fails {', '.join(texts)}" if texts else ""
