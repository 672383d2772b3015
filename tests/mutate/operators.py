"""The mistakes that are planted: a fixed set of operators, each applied wherever it can be.

- *dropped guard*: an early exit is never taken, a condition always true (or, with an `else`, always false), an operand
  of `and` or `or` missing;
- *off by one*: `<` for `<=`, an index or a bound of `range` one too high;
- *swapped comparison*: the other way round, equal for unequal, `min` for `max`;
- *wrong constant*: a number or a named number one more (or one less), True for False, an enum's next member;
- *wrong right*: the next one of `abi/rights.py`;
- *wrong field*: the next one of the same class and type;
- *dropped statement*: a call, an assignment, `break` or `continue` missing;
- *swapped order*: two neighbouring statements exchanged, unless either can obviously be first: that is no mistake.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Iterator

from tests.mutate.sites import GHOSTS, Mutant, Text, Vocabulary, next_of

GUARD = "dropped guard"
OFF = "off by one"
COMPARISON = "swapped comparison"
CONSTANT = "wrong constant"
RIGHT = "wrong right"
FIELD = "wrong field"
STATEMENT = "dropped statement"
ORDER = "swapped order"
OPERATORS = (GUARD, OFF, COMPARISON, CONSTANT, RIGHT, FIELD, STATEMENT, ORDER)

BOUNDARY = {"<": "<=", "<=": "<", ">": ">=", ">=": ">"}
SWAPPED = {"<": ">", "<=": ">=", ">": "<", ">=": "<=", "==": "!=", "!=": "==", "is": "is not", "is not": "is"}
SIGNS: dict[type[ast.cmpop], str] = {
    ast.Lt: "<",
    ast.LtE: "<=",
    ast.Gt: ">",
    ast.GtE: ">=",
    ast.Eq: "==",
    ast.NotEq: "!=",
    ast.Is: "is",
    ast.IsNot: "is not",
}
#: calls that change nothing
PURE = frozenset({"u8", "u16", "u32", "u64", "len", "min", "max", "isinstance", "size_of", "wrapping_add"})
#: the most that fits: one more isn't a number
HIGHEST = frozenset({"NEVER"})


def mutants(file: str, source: str, vocabulary: Vocabulary) -> list[Mutant]:
    """All of a module, in the order of its text."""
    finder = Finder(Text(file, source), vocabulary)
    finder.visit(finder.text.tree)
    return sorted(set(finder.found))


class Finder(ast.NodeVisitor):
    def __init__(self, text: Text, vocabulary: Vocabulary) -> None:
        self.text = text
        self.vocabulary = vocabulary
        self.found: list[Mutant] = []
        #: the lines of the statement (or the head of it) that is looked at; none while the module is loaded
        self.lines = (0, 0)
        self.in_function = False

    def add(self, operator: str, node: ast.expr | ast.stmt, old: str, text: str, at: tuple[int, int]) -> None:
        start, end = at
        first, last = self.lines
        new = " ".join(text.split())
        variant = f"`{' '.join(old.split())}` → `{new}`" if operator != ORDER else old
        self.found.append(
            Mutant(self.text.file, node.lineno, node.col_offset + 1, operator, variant, start, end, text, first, last)
        )

    def replace(self, operator: str, node: ast.expr | ast.stmt, text: str) -> None:
        place = (self.text.start(node), self.text.end(node))
        self.add(operator, node, self.text.of(node), text, place)

    # --- statements ---------------------------------------------------------------------------------------------------

    def visit(self, node: ast.AST) -> None:
        if isinstance(node, ast.stmt):
            if ghost(node) or isinstance(node, (ast.Import, ast.ImportFrom)):
                return
            if self.in_function:
                self.lines = lines_of(node)
                self.drop(node)
                if isinstance(node, ast.If):
                    self.guard(node)
        super().visit(node)

    def generic_visit(self, node: ast.AST) -> None:
        for _, value in ast.iter_fields(node):
            if isinstance(value, ast.AST):
                self.visit(value)
            elif isinstance(value, list):
                if self.in_function:
                    self.swap([each for each in value if isinstance(each, ast.stmt)])
                before = self.lines
                for each in value:
                    if isinstance(each, ast.AST):
                        self.visit(each)
                self.lines = before

    def visit_FunctionDef(self, node: ast.FunctionDef) -> None:
        for default in (*node.args.defaults, *node.args.kw_defaults):
            if default is not None:
                self.visit(default)
        self.in_function = True
        self.swap(node.body)
        for statement in node.body:
            self.visit(statement)
        self.in_function = False
        self.lines = (0, 0)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        if not any(isinstance(base, ast.Name) and base.id == "Enum" for base in node.bases):
            for statement in node.body:
                self.visit(statement)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None and "Ghost" not in ast.unparse(node.annotation):
            self.visit(node.value)

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):
            self.visit(node.value)

    def visit_Assert(self, node: ast.Assert) -> None:
        if self.in_function:
            self.visit(node.test)

    def drop(self, node: ast.stmt) -> None:
        if droppable(node) or isinstance(node, (ast.Break, ast.Continue)):
            self.replace(STATEMENT, node, "pass")

    def guard(self, node: ast.If) -> None:
        leaves = isinstance(node.body[-1], (ast.Return, ast.Break, ast.Continue))
        if leaves or node.orelse:
            self.replace(GUARD, node.test, "False")
        if not leaves or node.orelse:
            self.replace(GUARD, node.test, "True")

    def swap(self, body: list[ast.stmt]) -> None:
        for first, second in itertools.pairwise(body):
            if ghost(first) or ghost(second) or not (droppable(first) and droppable(second)):
                continue
            if Effects(first).commute(Effects(second)):
                continue
            middle = self.text.between(self.text.end(first), self.text.start(second))
            text = self.text.of(second) + middle + self.text.of(first)
            self.lines = (first.lineno, second.end_lineno or second.lineno)
            place = (self.text.start(first), self.text.end(second))
            old = f"`{self.text.of(second)}` before `{self.text.of(first)}`"
            self.add(ORDER, first, " ".join(old.split()), text, place)

    # --- expressions --------------------------------------------------------------------------------------------------

    def visit_BoolOp(self, node: ast.BoolOp) -> None:
        for number, operand in enumerate(node.values):
            others = node.values[:number] + node.values[number + 1 :]
            start, end = self.text.start(others[0]), self.text.end(others[-1])
            if 0 < number < len(node.values) - 1:
                left = self.text.between(start, self.text.end(node.values[number - 1]))
                text = left + self.text.between(self.text.end(operand), end)
            else:
                text = self.text.between(start, end)
            place = (self.text.start(node), self.text.end(node))
            self.add(GUARD, operand, self.text.of(operand), text, place)
        self.generic_visit(node)

    def visit_IfExp(self, node: ast.IfExp) -> None:
        self.replace(GUARD, node, self.text.of(node.body))
        self.replace(GUARD, node, self.text.of(node.orelse))
        self.generic_visit(node)

    def visit_Compare(self, node: ast.Compare) -> None:
        left = node.left
        for operator, right in zip(node.ops, node.comparators, strict=True):
            sign = SIGNS.get(type(operator))
            start, end = self.text.end(left), self.text.start(right)
            between = self.text.between(start, end)
            if sign is not None and between.count(sign) == 1:
                at = start + len(between[: between.index(sign)].encode())
                place = (at, at + len(sign))
                if sign in BOUNDARY:
                    self.add(OFF, left, sign, BOUNDARY[sign], place)
                self.add(COMPARISON, left, sign, SWAPPED[sign], place)
            left = right
        self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> None:
        name = node.func.id if isinstance(node.func, ast.Name) else ""
        if name in GHOSTS:
            return
        if name in ("min", "max"):
            self.replace(COMPARISON, node.func, "max" if name == "min" else "min")
        if name == "range":
            self.replace(OFF, node.args[-1], f"{self.text.of(node.args[-1])} + 1")
        self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        if isinstance(node.value, ast.Name) and node.value.id[0].isupper():
            return  # a type
        if self.in_function and not isinstance(node.slice, (ast.Slice, ast.Constant)):
            self.replace(OFF, node.slice, f"{self.text.of(node.slice)} + 1")
        self.generic_visit(node)

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, bool):
            self.replace(CONSTANT, node, str(not node.value))
        elif isinstance(node.value, int):
            self.replace(CONSTANT, node, str(node.value + 1))
            if node.value > 0:
                self.replace(CONSTANT, node, str(node.value - 1))

    def visit_Name(self, node: ast.Name) -> None:
        if not isinstance(node.ctx, ast.Load) or not node.id.isupper():
            return
        rights = self.vocabulary.rights
        if node.id in rights:
            other = next_of(list(rights), node.id)
            place = (self.text.start(node), self.text.end(node))
            self.add(RIGHT, node, f"{node.id}, not {other}", str(rights[other]), place)
        else:
            self.replace(CONSTANT, node, f"({node.id} {'-' if node.id in HIGHEST else '+'} 1)")

    def visit_Attribute(self, node: ast.Attribute) -> None:
        base = node.value
        if isinstance(base, ast.Name) and node.attr in self.vocabulary.enums.get(base.id, ()):
            self.replace(CONSTANT, node, f"{base.id}.{next_of(self.vocabulary.enums[base.id], node.attr)}")
            return
        end = self.text.end(node)
        for other in self.vocabulary.siblings.get(node.attr, ()):
            place = (end - len(node.attr), end)
            self.add(FIELD, node, self.text.of(node), other, place)
        self.visit(base)


# --- what statements do -----------------------------------------------------------------------------------------------


def ghost(node: ast.stmt) -> bool:
    """Is it a contract, a docstring, or a ghost function?"""
    if isinstance(node, ast.Expr):
        value = node.value
        called = value.func.id if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) else ""
        return isinstance(value, ast.Constant) or called in GHOSTS
    if isinstance(node, (ast.FunctionDef, ast.ClassDef)):
        return any(isinstance(each, ast.Name) and each.id in GHOSTS for each in node.decorator_list)
    return False


def droppable(node: ast.stmt) -> bool:
    return isinstance(node, (ast.Assign, ast.AugAssign, ast.Expr))


def lines_of(node: ast.stmt) -> tuple[int, int]:
    """A statement's lines; of a compound one, those of its head."""
    if isinstance(node, (ast.If, ast.While)):
        return node.lineno, node.test.end_lineno or node.lineno
    if isinstance(node, (ast.For, ast.With, ast.Match)):
        return node.lineno, max(node.lineno, body_of(node).lineno - 1)
    return node.lineno, node.end_lineno or node.lineno


def body_of(node: ast.For | ast.With | ast.Match) -> ast.stmt | ast.expr:
    if isinstance(node, ast.Match):
        return node.cases[0].body[0]
    return node.body[0]


class Effects:
    """What a simple statement reads and writes, objects told apart by the names of their fields only."""

    def __init__(self, node: ast.stmt) -> None:
        self.reads: set[str] = set()
        self.writes: set[str] = set()
        self.calls = False
        for each in walk(node):
            if isinstance(each, ast.Call):
                pure = isinstance(each.func, ast.Name) and (each.func.id in PURE or each.func.id[0].isupper())
                self.calls |= not pure
            elif isinstance(each, ast.Attribute):
                (self.reads if isinstance(each.ctx, ast.Load) else self.writes).add(f".{each.attr}")
            elif isinstance(each, ast.Name):
                (self.reads if isinstance(each.ctx, ast.Load) else self.writes).add(each.id)
            elif isinstance(each, ast.Subscript) and isinstance(each.ctx, ast.Store):
                # `x.f[i] = …` changes what `x.f` holds
                self.writes |= {f".{n.attr}" for n in ast.walk(each.value) if isinstance(n, ast.Attribute)}
        if isinstance(node, ast.AugAssign):
            self.reads |= self.writes

    @property
    def on_objects(self) -> bool:
        return self.calls or any(name.startswith(".") for name in self.reads | self.writes)

    def commute(self, other: Effects) -> bool:
        if (self.calls and other.on_objects) or (other.calls and self.on_objects):
            return False
        return not (self.writes & (other.reads | other.writes) or other.writes & self.reads)


def walk(node: ast.stmt) -> Iterator[ast.AST]:
    return ast.walk(node)
