"""Which failures an operation of the kernel can return, and in which order it looks for them, read out of its source.

A failure is `failure(Status.X, argument)`. Followed is what functions return: through calls, variables and parameters.
The kernel's own dispatch is followed with the operation, or the call, as a known value, so that only what it leads to
counts. Other conditions aren't understood, but for constant arguments (`waiting=False`): what is listed is what the
source allows, less EXCLUDED. The kernel has no recursion and no function values: calls can simply be followed.
`tests/kernel/test_documented.py` holds the list against what the tests of the kernel reach.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path

from neokernel.abi import call, status
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
ENUMS: dict[str, type[Enum]] = {"Status": Status, "Operation": Operation, "Call": Call}

#: a status and the number of its argument, or None if that isn't constant
Failure = tuple[str, int | None]
#: what an expression can be, in the order of the source: failures, and constants; nothing is known of what isn't in it
Value = tuple["Failure | Enum | int | None", ...]
NOTHING: Value = ()

#: what the source seems to allow and doesn't, because of conditions that aren't understood
EXCLUDED: dict[str, set[Failure]] = {
    "UNINSTALL": {("PINNED", int(status.INVOKED))},  # only frames are pinned
    "REPLY_RECEIVE": {("WRONG_STATE", int(status.REPLY))},  # it answers only if somebody waits
}


@dataclass
class Failures:
    """By names of members, in the order of the guards. `invocation`: of any operation; `later`: what ends a wait."""

    operations: dict[str, list[Failure]] = field(default_factory=dict)
    calls: dict[str, list[Failure]] = field(default_factory=dict)
    invocation: list[Failure] = field(default_factory=list)
    later: list[Failure] = field(default_factory=list)

    @staticmethod
    def text(failures: Iterable[Failure] | None, names: Mapping[int, str] | None = None) -> str:
        """One after the other, each with what it is about; `names`: what arguments are called."""
        parts = []
        for name, number in failures or ():
            about = "" if number is None else ARGUMENTS.get(number, str(number))
            called = (names or {}).get(-1 if number is None else number, "")
            # A register is told by both; a capability that travels by its name.
            words = about if not called else called if about == "travelling" else f"{about} {called}"
            parts.append(name + (f" ({words})" if words else ""))
        return ", ".join(parts)


def merged(*values: Value) -> Value:
    """All of them, each once, in order."""
    return tuple(dict.fromkeys(item for value in values for item in value))


@dataclass(frozen=True)
class Function:
    module: str
    node: ast.FunctionDef

    @property
    def parameters(self) -> list[ast.arg]:
        return self.node.args.args


def collect(folder: Path = KERNEL) -> Failures:
    """The failures of the kernel's operations and calls."""
    return Reader(folder).read()


class Reader:
    """The kernel's modules, and what is known of their functions."""

    def __init__(self, folder: Path) -> None:
        self.functions: dict[tuple[str, str], Function] = {}
        #: of each module, what its names stand for: (module, function), or (module, "")
        self.names: dict[str, dict[str, tuple[str, str]]] = {}
        self.known: dict[tuple[Function, frozenset[tuple[str, Value]]], Value] = {}
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
        for function, variable in self.dispatchers():
            for operation in Operation:
                made = self.evaluate(function, {variable: (operation,)})
                found.operations.setdefault(operation.name, []).extend(only_failures(made))
            unknown = only_failures(self.evaluate(function, {variable: (None,)}))
            all_have = set.intersection(*map(set, found.operations.values()))
            found.invocation = [
                *unknown,
                *(each for each in found.operations[Operation.RETYPE.name] if each in all_have),
            ]
            found.invocation = list(dict.fromkeys(found.invocation))
            # A call that leads here leads to any operation: that page is another.
            self.known[function, frozenset()] = tuple(found.invocation)
        for name, own in found.operations.items():
            found.operations[name] = [each for each in own if each not in found.invocation]
        for function in self.functions.values():
            for parameter in function.parameters:
                if isinstance(parameter.annotation, ast.Name) and parameter.annotation.id == "Call":
                    for number in Call:
                        value = self.evaluate(function, {parameter.arg: (number,)})
                        found.calls.setdefault(number.name, []).extend(only_failures(value))
            self.evaluate(function, {})
        found.later = list(dict.fromkeys(self.elsewhere()))
        for group in (found.operations, found.calls):
            for name in group.keys() & EXCLUDED.keys():
                group[name] = [each for each in group[name] if each not in EXCLUDED[name]]
        return found

    def dispatchers(self) -> Iterator[tuple[Function, str]]:
        """The functions that ask which operation a label is, and the variable that has the answer."""
        for function in self.functions.values():
            for node in ast.walk(function.node):
                if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call):
                    asked, target = node.value.func, node.targets[0]
                    if isinstance(asked, ast.Name) and asked.id == "operation_of" and isinstance(target, ast.Name):
                        yield function, target.id

    def evaluate(self, function: Function, arguments: dict[str, Value]) -> Value:
        """What the function can return, with these values of parameters and variables."""
        key = (function, frozenset(arguments.items()))
        if key not in self.known:
            self.known[key] = NOTHING
            scope = Scope(self, function, arguments)
            self.known[key] = merged(
                *(scope.value(node.value) for node in scope.reached if isinstance(node, ast.Return))
            )
        return self.known[key]

    def elsewhere(self) -> Iterator[Failure]:
        """Failures that nobody returns: they are given to who waits."""
        for function in self.functions.values():
            scope = Scope(self, function, {})
            for node in ast.walk(function.node):
                if isinstance(node, ast.Call) and is_failure(node) and node not in self.returned:
                    yield from only_failures(scope.value(node))


class Scope:
    """A function with some of its parameters and variables known."""

    def __init__(self, reader: Reader, function: Function, arguments: dict[str, Value]) -> None:
        self.reader = reader
        self.function = function
        self.arguments = arguments
        #: variables that are being looked at: an assignment can name its own variable
        self.open: set[str] = set()
        #: statements that can be reached, each with the blocks that it is in, and those inside of loops
        self.reached: list[ast.stmt] = []
        self.blocks: dict[ast.stmt, tuple[int, ...]] = {}
        self.looping: set[ast.stmt] = set()
        self.open_blocks: list[int] = []
        self.loops = 0
        self.reach(function.node.body)

    # --- which statements are reached ---------------------------------------------------------------------------------

    def reach(self, body: list[ast.stmt]) -> bool:
        """Note what is reached in a block. Can its end be?"""
        self.open_blocks.append(id(body))
        end = all(self.goes_on(node) for node in body)
        self.open_blocks.pop()
        return end

    def goes_on(self, node: ast.stmt) -> bool:
        self.reached.append(node)
        self.blocks[node] = tuple(self.open_blocks)
        if self.loops:
            self.looping.add(node)
        if isinstance(node, ast.Return):
            return False
        if isinstance(node, ast.If):
            taken = self.decided(node.test)
            first = self.reach(node.body) if taken is not False else False
            return (self.reach(node.orelse) if taken is not True else False) or first
        if isinstance(node, ast.Match):
            ends = [self.reach(case.body) for case in self.cases(node)]
            return any(ends) or not is_wildcard(node.cases[-1])
        self.loops += 1
        for block in (getattr(node, "body", []), getattr(node, "orelse", [])):
            self.reach(block)
        self.loops -= 1
        return True

    def cases(self, node: ast.Match) -> list[ast.match_case]:
        """Those that the subject can have."""
        subject = self.single(node.subject)
        if not isinstance(subject, Enum):
            return node.cases
        named = [case for case in node.cases if subject in members(case.pattern)]
        return named or [case for case in node.cases if is_wildcard(case)]

    def decided(self, test: ast.expr) -> bool | None:
        """What a condition is, if that is known."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            inner = self.decided(test.operand)
            return None if inner is None else not inner
        if isinstance(test, ast.BoolOp):
            parts = [self.decided(part) for part in test.values]
            end = isinstance(test.op, ast.Or)
            return end if end in parts else not end if None not in parts else None
        if isinstance(test, ast.Compare):
            sides = [self.single(side) for side in (test.left, *test.comparators)]
            if any(side is UNKNOWN for side in sides):
                return None
            pairs = zip(test.ops, sides, sides[1:], strict=False)
            return all(compare(operator, left, right) for operator, left, right in pairs)
        known = self.single(test)
        return known if isinstance(known, bool) else None

    def single(self, node: ast.expr) -> object:
        """The one constant that an expression is, or UNKNOWN. Variables aren't followed: they change."""
        if isinstance(node, ast.Constant):
            return node.value
        if isinstance(node, ast.Name):
            known = self.arguments.get(node.id, () if (value := constant(node.id)) is None else (value,))
            return known[0] if len(known) == 1 else UNKNOWN
        if isinstance(node, ast.Attribute):
            member = member_of(node)
            whole = self.single(node.value) if member is None and node.attr == "value" else None
            return member if member is not None else whole.value if isinstance(whole, Enum) else UNKNOWN
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("u8", "u64"):
            return self.single(node.args[0])
        return UNKNOWN

    # --- what expressions are -----------------------------------------------------------------------------------------

    def value(self, node: ast.expr | None) -> Value:
        if isinstance(node, ast.Constant) and isinstance(node.value, int):
            return (node.value,)
        if isinstance(node, ast.Attribute):
            member = member_of(node)
            return (member,) if member is not None else NOTHING
        if isinstance(node, ast.IfExp):
            taken = self.decided(node.test)
            first = self.value(node.body) if taken is not False else NOTHING
            return merged(first, self.value(node.orelse) if taken is not True else NOTHING)
        if isinstance(node, ast.BinOp):  # TRAVELLING + number
            return self.value(node.left)
        if isinstance(node, ast.Name):
            return self.name(node)
        if isinstance(node, ast.Call):
            return self.call(node)
        return NOTHING

    def name(self, node: ast.Name) -> Value:
        name = node.id
        if name in self.arguments:
            return self.arguments[name]
        if name in self.open:
            return NOTHING
        self.open.add(name)
        assigned = self.assigned(node)
        found = merged(*(self.value(each.value) for each in assigned))
        self.open.remove(name)
        value = constant(name) if not assigned else None
        return found if value is None else (value,)

    def assigned(self, node: ast.Name) -> list[ast.Assign | ast.AnnAssign]:
        """The assignments that can give a variable its value here: none before one that is always made."""
        found = [
            each for each in self.reached if isinstance(each, ast.Assign | ast.AnnAssign) and stores(each, node.id)
        ]
        here = [each for each in self.reached if each.lineno <= node.lineno <= (each.end_lineno or each.lineno)]
        if not here or here[-1] in self.looping:
            return found
        found = [each for each in found if each.lineno < here[-1].lineno]
        around = self.blocks[here[-1]]
        always = [place for place, each in enumerate(found) if self.blocks[each] == around[: len(self.blocks[each])]]
        return found[always[-1] :] if always else found

    def call(self, node: ast.Call) -> Value:
        if is_failure(node):
            self.reader.returned.add(node)
            kinds = [kind.name for kind in self.value(node.args[0]) if isinstance(kind, Status)]
            numbers = [number for number in self.value(node.args[1]) if isinstance(number, int)]
            return tuple((kind, number) for kind in kinds for number in (numbers or (None,)))
        target = self.target(node.func)
        function = self.reader.functions.get(target) if target is not None else None
        if function is None:
            return NOTHING
        names = [parameter.arg for parameter in function.parameters]
        given = {name: self.value(argument) for name, argument in zip(names, node.args, strict=False)}
        given |= {keyword.arg: self.value(keyword.value) for keyword in node.keywords if keyword.arg is not None}
        # What others returned is no argument of anything.
        constants = {
            name: tuple(item for item in value if not isinstance(item, tuple)) for name, value in given.items()
        }
        return self.reader.evaluate(function, {name: value for name, value in constants.items() if value})

    def target(self, node: ast.expr) -> tuple[str, str] | None:
        names = self.reader.names[self.function.module]
        if isinstance(node, ast.Name):
            return names.get(node.id)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            module, function = names.get(node.value.id, ("", "-"))
            return (module, node.attr) if function == "" else None
        return None


UNKNOWN = object()


def constant(name: str) -> int | None:
    """A number that the ABI has a name for."""
    found = getattr(status, name, getattr(call, name, None))
    return int(found) if isinstance(found, int) else None


def compare(operator: ast.cmpop, left: object, right: object) -> bool:
    if isinstance(left, int) and isinstance(right, int):
        ordered = {ast.Lt: left < right, ast.LtE: left <= right, ast.Gt: left > right, ast.GtE: left >= right}
        if type(operator) in ordered:
            return ordered[type(operator)]
    return (left == right) is isinstance(operator, ast.Is | ast.Eq)


def member_of(node: ast.AST) -> Enum | None:
    """The member that `Operation.COPY` names."""
    if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in ENUMS:
        return ENUMS[node.value.id].__members__.get(node.attr)
    return None


def members(node: ast.AST) -> list[Enum]:
    """All that an expression or pattern names."""
    return [member for part in ast.walk(node) if (member := member_of(part)) is not None]


def is_wildcard(case: ast.match_case) -> bool:
    return isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None and case.guard is None


def is_failure(node: ast.Call) -> bool:
    return isinstance(node.func, ast.Name) and node.func.id == "failure"


def stores(node: ast.Assign | ast.AnnAssign, name: str) -> bool:
    targets = node.targets if isinstance(node, ast.Assign) else [node.target]
    return any(isinstance(target, ast.Name) and target.id == name for target in targets)


def only_failures(value: Value) -> list[Failure]:
    return [item for item in value if isinstance(item, tuple)]
