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
from collections.abc import Callable, Iterator
from enum import Enum
from typing import Any

from neokernel.compiler import ir
from neokernel.compiler.types import Type

_HIDDEN = {"span", "result", "checks"}
_WORDS = re.compile(r"(?<!^)(?=[A-Z])")


def dump(program: ir.Program) -> str:
    """The text of a whole program."""
    parts = [dump_function(function) for function in program.functions]
    parts += ["assembly\n" + "\n".join(f"  {line}" for line in text.splitlines()) for text in program.assembly]
    return "\n\n".join(parts) + "\n"


def dump_function(function: ir.Function, name: Callable[[Type], str] = str) -> str:
    """`name`: what types are called. As they are written, two of different modules may be called alike."""
    return "\n".join(_Printer(name).function(function))


def describe(i: ir.Instruction) -> str:
    """One instruction, without indentation."""
    return _Printer(str).instruction(i)


@dataclasses.dataclass(frozen=True, slots=True)
class _Printer:
    name: Callable[[Type], str]

    def function(self, function: ir.Function) -> Iterator[str]:
        parameters = ", ".join(f"{_variable(p)}: {self.name(p.type)}" for p in function.parameters)
        properties = [name for name in ("ghost", "naked", "cold", "inline", "exported") if getattr(function, name)]
        properties += [f"section={function.section}"] if function.section else []
        head = f"function {function.symbol}({parameters}) -> {self.name(function.result)}"
        yield " ".join([head, *properties])
        for word, contracts in (
            ("requires", function.requires),
            ("entry", function.entry),
            ("ensures", function.ensures),
        ):
            for contract in contracts:
                yield from self.ghost(word, contract, "  ")
        yield from self.block(function.body, "  ")

    def block(self, block: ir.Block, indent: str) -> Iterator[str]:
        for statement in block:
            yield from self.statement(statement, indent)

    def statement(self, s: ir.Statement, indent: str) -> Iterator[str]:
        inner = indent + "  "
        if isinstance(s, ir.If):
            yield f"{indent}if {self.operand(s.condition)}"
            yield from self.block(s.then, inner)
            if s.otherwise:
                yield f"{indent}else"
                yield from self.block(s.otherwise, inner)
        elif isinstance(s, ir.Switch):
            yield f"{indent}switch {self.operand(s.value)}{' exhaustive' if s.exhaustive else ''}"
            for wanted, body in s.cases:
                yield f"{indent}case {' | '.join(map(self.part, wanted))}"
                yield from self.block(body, inner)
            yield f"{indent}default"
            yield from self.block(s.default, inner)
        elif isinstance(s, ir.Loop):
            trip = f" trip {self.operand(s.trip)}" if s.trip is not None else ""
            yield f"{indent}loop {s.label}{trip}"
            yield from self.block(s.body, inner)
            yield f"{indent}step {s.label}"
            yield from self.block(s.step, inner)
        elif isinstance(s, ir.Break):
            yield f"{indent}break {s.label}"
        elif isinstance(s, ir.Continue):
            yield f"{indent}continue {s.label}"
        elif isinstance(s, ir.Return):
            yield f"{indent}return" if s.value is None else f"{indent}return {self.operand(s.value)}"
        elif isinstance(s, ir.Fail):
            yield f"{indent}fail{_checks((s.check,))}"
        elif isinstance(s, ir.Ghost):
            yield from self.ghost("ghost", s, indent)
        else:
            yield indent + self.instruction(s)

    def ghost(self, word: str, ghost: ir.Ghost, indent: str) -> Iterator[str]:
        value = f" {self.operand(ghost.value)}" if ghost.value is not None else ""
        yield f"{indent}{word}{value}"
        yield from self.block(ghost.block, indent + "  ")

    def instruction(self, i: ir.Instruction) -> str:
        parts = [_WORDS.sub(" ", type(i).__name__).lower()]
        for field in dataclasses.fields(i):
            if field.name in _HIDDEN:
                continue
            value = getattr(i, field.name)
            if field.name == "field" and isinstance(getattr(i, "struct", None) or getattr(i, "wire", None), Type):
                parts[-1] += f".{value}"
            elif value is True:
                parts.append(field.name)
            elif value is not False and value is not None and value != ():
                parts.append(self.part(value))
        text = " ".join(parts) + _checks(i.checks)
        if i.result is None:
            return text
        return f"%{i.result.number} = {text} : {self.name(i.result.type)}"

    def part(self, value: Any) -> str:
        match value:
            case ir.Const() | ir.ConstRecord() | ir.Temp():
                return self.operand(value)
            case ir.Var():
                return _variable(value)
            case ir.Function():
                return value.symbol
            case tuple():
                return "(" + ", ".join(map(self.part, value)) + ")"
            case Enum():
                return str(value.value)
            case Type():
                return self.name(value)
            case str():
                return value if value.isidentifier() else repr(value)
        return str(value)

    def operand(self, operand: ir.Operand) -> str:
        if isinstance(operand, ir.Temp):
            return f"%{operand.number}"
        of = self.name(operand.type)
        if isinstance(operand, ir.ConstRecord):
            arm = f" as {self.name(operand.arm)}" if operand.arm is not None else ""
            return f"{of}({', '.join(map(self.operand, operand.items))}){arm}"
        if isinstance(operand.value, tuple):
            return f"[{', '.join(map(self.operand, operand.value))}]:{of}"
        return "None" if operand.value is None else f"{operand.value!r}:{of}"


def _variable(var: ir.Var) -> str:
    """Names may repeat within a function: the number tells them apart."""
    return f"{var.name}.{var.number}"


def _checks(checks: tuple[ir.Check, ...]) -> str:
    texts = [f"{check.kind.value} #{check.index}" for check in checks]
    texts = [f"({text})" if check.discharged else text for text, check in zip(texts, checks, strict=True)]
    return f"    fails {', '.join(texts)}" if texts else ""
