"""Which failures an operation of the kernel can return, read out of its source.

A failure is `failure(Status.X, argument)`. Followed is what functions return: through calls, variables and parameters,
in every branch, but those that a constant argument (`waiting=False`) excludes. So what is listed is what the source
allows; other conditions aren't understood. The kernel has no recursion and no function values: calls can simply be
followed.

Which code belongs to which operation is seen where it is told apart: in the `match` (or `if`) that names members of
`Operation` or `Call`.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from neokernel.abi import status
from neokernel.abi.call import Call
from neokernel.abi.operations import Operation
from neokernel.abi.status import Status
from neokernel.compiler.source import PACKAGE_ROOT

KERNEL = PACKAGE_ROOT / "neokernel" / "kernel"
PREFIX = "neokernel.kernel."

#: what a status is about, by its number in `abi/status.py`
ARGUMENTS = {
    **{register: f"`a{register}`" for register in range(7)},
    int(status.TRAVELLING): "travelling",
    int(status.WINDOW): "window",
}

#: a status and the number of its argument, or None if that isn't constant
Failure = tuple[str, int | None]
#: what an expression can be: failures, and constants that failures are made of
Value = frozenset["Failure | str | int"]
NOTHING: Value = frozenset()


@dataclass
class Failures:
    """By the names of members; `invocation`: of any operation; `later`: what ends a wait."""

    operations: dict[str, set[Failure]] = field(default_factory=dict)
    calls: dict[str, set[Failure]] = field(default_factory=dict)
    invocation: set[Failure] = field(default_factory=set)
    later: set[Failure] = field(default_factory=set)

    @staticmethod
    def text(failures: Iterable[Failure] | None) -> str:
        """In the order of the statuses, each with what it can be about."""
        found = set(failures or ())
        parts = []
        for member in Status:
            about = {argument for name, argument in found if name == member.name}
            if about:
                words = sorted(ARGUMENTS.get(number, str(number)) for number in about if number is not None)
                words = [] if None in about else words
                parts.append(f"{member.name}" + (f" ({', '.join(words)})" if words else ""))
        return ", ".join(parts)


@dataclass(frozen=True)
class Function:
    module: str
    node: ast.FunctionDef


def collect(folder: Path = KERNEL) -> Failures:
    """The failures of the kernel's operations and calls."""
    return Reader(folder).read()


class Reader:
    """The kernel's modules, and what is known of their functions."""

    def __init__(self, folder: Path) -> None:
        self.functions: dict[tuple[str, str], Function] = {}
        #: of each module, what its names stand for: (module, function), or (module, "")
        self.names: dict[str, dict[str, tuple[str, str]]] = {}
        self.known: dict[tuple[str, str, frozenset[tuple[str, Value]]], Value] = {}
        #: calls of `failure` whose result somebody returns
        self.returned: set[ast.Call] = set()
        for path in sorted(folder.glob("*.py")):
            self.load(path.stem, ast.parse(path.read_text(encoding="utf-8")))

    def load(self, module: str, tree: ast.Module) -> None:
        names = self.names.setdefault(module, {})
        for node in tree.body:
            if isinstance(node, ast.FunctionDef):
                self.functions[module, node.name] = Function(module, node)
                names[node.name] = (module, node.name)
            elif isinstance(node, ast.ImportFrom) and node.module is not None:
                for alias in node.names:
                    if node.module == PREFIX.rstrip("."):
                        names[alias.asname or alias.name] = (alias.name, "")
                    elif node.module.startswith(PREFIX):
                        names[alias.asname or alias.name] = (node.module.removeprefix(PREFIX), alias.name)

    def read(self) -> Failures:
        found = Failures()
        for function in self.functions.values():
            everywhere = only_failures(self.evaluate(function, {}))
            for arm in arms(function.node.body):
                made = self.of_body(function, arm.body)
                if arm.kind == "Operation":
                    found.operations.setdefault(arm.member, set()).update(made)
                    found.invocation |= everywhere
                else:
                    # What stands before a `match` belongs to its arms too; before an `if`, that is left open.
                    found.calls.setdefault(arm.member, set()).update(made, everywhere if arm.matched else ())
        found.later = set(self.elsewhere())
        return found

    def of_body(self, function: Function, body: list[ast.stmt]) -> set[Failure]:
        """What an arm returns, or leaves in a variable for what follows."""
        scope = Scope(self, function, {}, [*common(function.node.body), *statements(body)])
        made: set[Failure] = set()
        for node in statements(body):
            if isinstance(node, ast.Return | ast.Assign | ast.AnnAssign | ast.Expr) and node.value is not None:
                made |= only_failures(scope.value(node.value))
        return made

    def evaluate(self, function: Function, arguments: dict[str, Value]) -> Value:
        """What the function returns, but in arms that tell operations apart."""
        key = (function.module, function.node.name, frozenset(arguments.items()))
        if key not in self.known:
            self.known[key] = NOTHING
            own = list(common(function.node.body, arguments))
            scope = Scope(self, function, arguments, own)
            made = [scope.value(node.value) for node in own if isinstance(node, ast.Return)]
            self.known[key] = NOTHING.union(*made)
        return self.known[key]

    def elsewhere(self) -> Iterator[Failure]:
        """Failures that nobody returns: they are given to who waits."""
        for function in self.functions.values():
            scope = Scope(self, function, {}, list(statements(function.node.body)))
            for node in ast.walk(function.node):
                if isinstance(node, ast.Call) and is_failure(node) and node not in self.returned:
                    yield from only_failures(scope.value(node))


@dataclass
class Scope:
    """Statements of a function with some of its parameters known."""

    reader: Reader
    function: Function
    arguments: dict[str, Value]
    statements: list[ast.stmt]
    #: variables that are being looked at: an assignment can name its own variable
    open: set[str] = field(default_factory=set)

    def value(self, node: ast.expr | None) -> Value:
        if isinstance(node, ast.Constant) and isinstance(node.value, int):
            return frozenset([node.value])
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Status":
            return frozenset([node.attr])
        if isinstance(node, ast.IfExp):
            return self.value(node.body) | self.value(node.orelse)
        if isinstance(node, ast.BinOp):  # TRAVELLING + number
            return self.value(node.left)
        if isinstance(node, ast.Name):
            return self.name(node.id)
        if isinstance(node, ast.Call):
            return self.call(node)
        return NOTHING

    def name(self, name: str) -> Value:
        if name in self.arguments:
            return self.arguments[name]
        if name in self.open:
            return NOTHING
        self.open.add(name)
        assigned = [
            node.value
            for node in self.statements
            if isinstance(node, ast.Assign | ast.AnnAssign) and stores(node, name)
        ]
        found = NOTHING.union(*map(self.value, assigned))
        self.open.remove(name)
        constant = getattr(status, name, None)
        return frozenset([int(constant)]) if not assigned and isinstance(constant, int) else found

    def call(self, node: ast.Call) -> Value:
        if is_failure(node):
            self.reader.returned.add(node)
            kinds = [kind for kind in self.value(node.args[0]) if isinstance(kind, str)]
            numbers = [number for number in self.value(node.args[1]) if isinstance(number, int)]
            return frozenset((kind, number) for kind in kinds for number in (numbers or (None,)))
        target = self.target(node.func)
        function = self.reader.functions.get(target) if target is not None else None
        if function is None:
            return NOTHING
        names = [parameter.arg for parameter in function.node.args.args]
        given = {name: self.value(argument) for name, argument in zip(names, node.args, strict=False)}
        given |= {keyword.arg: self.value(keyword.value) for keyword in node.keywords if keyword.arg is not None}
        return self.reader.evaluate(function, {name: value for name, value in given.items() if value})

    def target(self, node: ast.expr) -> tuple[str, str] | None:
        names = self.reader.names[self.function.module]
        if isinstance(node, ast.Name):
            return names.get(node.id)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module, function = names.get(node.value.id, ("", "-"))
            return (module, node.attr) if function == "" else None
        return None


def is_failure(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "failure"


def stores(node: ast.Assign | ast.AnnAssign, name: str) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return any(isinstance(target, ast.Name) and target.id == name for target in targets)


def only_failures(value: Value) -> set[Failure]:
    return {item for item in value if isinstance(item, tuple)}


#: what is told apart
TOLD: dict[str, type[Enum]] = {"Operation": Operation, "Call": Call}


@dataclass(frozen=True)
class Arm:
    """What is done for a member of `Operation` or `Call`; in a `match`, or else in an `if`."""

    kind: str
    member: str
    matched: bool
    body: list[ast.stmt]


def arms(body: list[ast.stmt]) -> list[Arm]:
    """Where members are told apart. If a single one isn't named, `case _` is its arm."""
    found: list[Arm] = []
    others: list[list[ast.stmt]] = []
    for node in statements(body):
        if isinstance(node, ast.Match):
            named = [(case, members(case.pattern)) for case in node.cases]
            found += [Arm(kind, member, True, case.body) for case, parts in named for kind, member in parts]
            if any(parts for _, parts in named):
                others += [case.body for case, _ in named if is_wildcard(case)]
        elif isinstance(node, ast.If):
            found += [Arm(kind, member, False, node.body) for kind, member in members(node.test)]
    for other in others:
        for kind in sorted({arm.kind for arm in found}):
            left = {member.name for member in TOLD[kind]} - {arm.member for arm in found if arm.kind == kind}
            if len(left) == 1:
                found.append(Arm(kind, left.pop(), True, other))
    return found


def members(node: ast.AST) -> list[tuple[str, str]]:
    """The members that an expression or pattern names."""
    return [
        (part.value.id, part.attr)
        for part in ast.walk(node)
        if isinstance(part, ast.Attribute)
        and isinstance(part.value, ast.Name)
        and part.value.id in TOLD
        and part.attr in TOLD[part.value.id].__members__
    ]


def is_wildcard(case: ast.match_case) -> bool:
    return isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None and case.guard is None


def statements(body: list[ast.stmt], arguments: dict[str, Value] | None = None) -> Iterator[ast.stmt]:
    """All statements, also those in others, but in branches that these arguments exclude."""
    for node in body:
        yield node
        taken = decided(node.test, arguments) if isinstance(node, ast.If) and arguments else None
        for part in blocks(node):
            if taken is None or not isinstance(node, ast.If) or (part is node.body) is taken:
                yield from statements(part, arguments)


def common(body: list[ast.stmt], arguments: dict[str, Value] | None = None) -> Iterator[ast.stmt]:
    """All statements but those of arms, and of branches that these arguments exclude."""
    told = {id(statement) for arm in arms(body) for statement in statements(arm.body)}
    return (node for node in statements(body, arguments) if id(node) not in told)


def decided(test: ast.expr, arguments: dict[str, Value]) -> bool | None:
    """What a condition is, if these arguments alone decide it."""
    if isinstance(test, ast.Name):
        known = list(arguments.get(test.id, ()))
        return known[0] if len(known) == 1 and isinstance(known[0], bool) else None
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = decided(test.operand, arguments)
        return None if inner is None else not inner
    if isinstance(test, ast.BoolOp):
        parts = [decided(part, arguments) for part in test.values]
        end = isinstance(test.op, ast.Or)
        return end if end in parts else not end if None not in parts else None
    return None


def blocks(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    if isinstance(node, ast.Match):
        yield from (case.body for case in node.cases)
    for name in ("body", "orelse"):
        part = getattr(node, name, None)
        if isinstance(part, list):
            yield part
