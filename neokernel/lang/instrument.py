"""The instrumentation of target modules: from their AST to an AST that keeps widths, and every position.

What it does, and nothing else:

- annotated names, parameters (on entry), results and constants are coerced to what their annotations say;
- defaults in the bodies of records become expressions that each construction evaluates;
- `assert` raises `AssertionFailed`, `with` doesn't unwind, `ensures`, `old`, `loop_bound` and invariants are checked;
- `bytes` literals and `.encode()` give views; f-strings in calls know their pieces, and a `@writer` takes them;
- a constant whose width follows from its neighbours (`x = 0` after `x = u8(1)`) gets it.

Invariants: statements and calls are injected, never wrapped around the user's, so no frame is added; each injected node
stands where the node stood that it belongs to, so that the positions of the remaining instructions are the source's.
Names that start with `_nk_` belong to it. Widths themselves come from the objects: nothing here infers types, but for
the last item, which looks only at syntax.

A parameter that is rejected is reported where it is declared, in the callee.
"""

from __future__ import annotations

import ast
import contextlib
import copy
import sys
from collections.abc import Iterator

from neokernel.lang.constant_typing import (
    bound_elsewhere,
    call,
    is_constant,
    like_local,
    may_be_untyped,
    name,
    outer_call,
    place,
    settle_branches,
    witness,
)

LANGUAGE = "neokernel.lang"
RECORDS = ("struct", "value", "wire")
#: words whose meaning this file looks at
COROUTINE = "Coroutine"
CONTRACTS = ("ensures", "ghost", "invariant", "loop_bound", "loop_invariant", "old", "requires", "writer")
WORDS = (*RECORDS, *CONTRACTS, COROUTINE)
#: definitions of functions
Function = ast.FunctionDef | ast.AsyncFunctionDef
#: annotations that need no coercion, whatever the module
UNCHECKED = {"None", "str", "object", "NoReturn", "Never", "TypeAlias", "Any"}


def assign(identifier: str, value: ast.expr) -> ast.Assign:
    return ast.Assign([ast.Name(identifier, ast.Store())], value)


def template(source: str, where: ast.AST) -> list[ast.stmt]:
    """Statements from text, all at the place of `where`."""
    return [place(statement, where) for statement in ast.parse(source).body]


class Instrumentation(ast.NodeTransformer):
    """One module's."""

    def __init__(self, tree: ast.Module) -> None:
        self.annotations: dict[str, int] = {}
        self.constants: dict[bytes, int] = {}
        #: local name to the vocabulary's, as the module imports it
        self.vocabulary: dict[str, str] = {}
        self.temporaries = 0
        #: types of locals of the function being visited: declared ones, and those that the first assignment tells
        self.local_types: dict[str, ast.expr] = {}
        self.declared: set[str] = set()
        #: locals without known type that have been assigned
        self.assigned: set[str] = set()
        self.result: ast.expr | None = None
        self.invariant_method = False
        self.in_function = False
        for statement in tree.body:
            if isinstance(statement, ast.ImportFrom) and statement.module == LANGUAGE:
                for alias in statement.names:
                    words = WORDS if alias.name == "*" else (alias.name,)
                    self.vocabulary.update((alias.asname or word, word) for word in words)

    # --- helpers --------------------------------------------------------------------------------------------------

    def means(self, node: ast.AST, word: str) -> bool:
        """Is `node` the vocabulary's `word`, or a call of it?"""
        if isinstance(node, ast.Call):
            node = node.func
        return isinstance(node, ast.Name) and self.vocabulary.get(node.id) == word

    def temporary(self, purpose: str) -> str:
        self.temporaries += 1
        return f"_nk_{purpose}_{self.temporaries}"

    def number_of(self, annotation: ast.expr | None) -> int | None:
        """The annotation's number in the module's table; None when it can't need coercion."""
        if annotation is None:
            return None
        text = ast.unparse(annotation)
        if text in UNCHECKED:
            return None
        return self.annotations.setdefault(text, len(self.annotations))

    def guard(self, target: str, annotation: ast.expr | None, where: ast.AST) -> list[ast.stmt]:
        """`if x.__class__ is not T: x = coerce(x)`: a call only when it isn't of the class already."""
        number = self.number_of(annotation)
        if number is None:
            return []
        test = ast.Compare(
            ast.Attribute(name(target), "__class__", ast.Load()), [ast.IsNot()], [name(f"_nk_type_{number}")]
        )
        return [place(ast.If(test, [assign(target, call(f"_nk_coerce_{number}", name(target)))], []), where)]

    def coerced(self, value: ast.expr, annotation: ast.expr | None) -> ast.expr:
        """`value` as the annotation says."""
        number = self.number_of(annotation)
        if number is None or (isinstance(value, ast.Constant) and (value.value is None or type(value.value) is bool)):
            return value
        return outer_call(value, f"_nk_coerce_{number}")

    # --- modules and classes --------------------------------------------------------------------------------------

    def visit_Module(self, node: ast.Module) -> ast.Module:
        body: list[ast.stmt] = []
        for statement in node.body:
            made = self.visit(statement)
            body.extend(made if isinstance(made, list) else [made])
            if isinstance(statement, ast.AnnAssign) and statement.value is not None:
                if isinstance(statement.target, ast.Name):  # another target is the compiler's to reject
                    body.extend(self.guard(statement.target.id, statement.annotation, statement))
            if isinstance(statement, ast.ImportFrom) and statement.module == "typing":
                ours = [alias.asname or alias.name for alias in statement.names if alias.name == "assert_never"]
                body.extend(place(assign(identifier, name("_nk_assert_never")), statement) for identifier in ours)
        first = 0
        while first < len(body) and (
            (isinstance(body[first], ast.Expr) and isinstance(body[first].value, ast.Constant))  # type: ignore[attr-defined]
            or (isinstance(body[first], ast.ImportFrom) and body[first].module == "__future__")  # type: ignore[attr-defined]
        ):
            first += 1
        body[first:first] = self.preamble(node)
        node.body = body
        return node

    def preamble(self, node: ast.Module) -> list[ast.stmt]:
        table = ast.Tuple([ast.Constant(text) for text in self.annotations], ast.Load())
        constants = ast.Tuple([ast.Constant(constant) for constant in self.constants], ast.Load())
        where = ast.Pass(lineno=1, col_offset=0, end_lineno=1, end_col_offset=0)
        return [
            place(ast.ImportFrom("neokernel.lang.support", [ast.alias("install", "_nk_install")], 0), where),
            place(ast.Expr(call("_nk_install", call("globals"), table, constants)), where),
        ]

    def visit_ClassDef(self, node: ast.ClassDef) -> ast.ClassDef:
        record = any(self.means(decorator, role) for decorator in node.decorator_list for role in RECORDS)
        guarded = record and any(
            isinstance(member, Function) and any(self.means(d, "invariant") for d in member.decorator_list)
            for member in node.body
        )
        body: list[ast.stmt] = []
        for member in node.body:
            if isinstance(member, Function):
                body.append(self.function(member, guarded))
                continue
            made = self.visit(member)
            if record and isinstance(made, ast.AnnAssign) and made.value is not None:
                nothing = ast.arguments(posonlyargs=[], args=[], kwonlyargs=[], kw_defaults=[], defaults=[])
                maker = ast.copy_location(ast.Lambda(nothing, made.value), made.value)
                made.value = outer_call(maker, "_nk_Default")
            body.extend(made if isinstance(made, list) else [made])
        node.body = body
        if any(ast.unparse(base) in ("Enum", "enum.Enum") for base in node.bases):
            node.decorator_list.append(place(name("_nk_enumeration"), node.bases[0]))
        return node

    # --- functions ------------------------------------------------------------------------------------------------

    def visit_FunctionDef(self, node: Function) -> Function:
        return self.function(node, False)

    visit_AsyncFunctionDef = visit_FunctionDef  # noqa: N815 - the visitor's convention

    def function(self, node: Function, guarded: bool) -> Function:
        """`guarded`: a method of a class with invariants."""
        parameters = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
        saved = self.local_types, self.declared, self.assigned, self.result, self.invariant_method, self.in_function
        self.local_types = {item.arg: item.annotation for item in parameters if item.annotation is not None}
        for inner in ast.walk(node):
            if isinstance(inner, ast.AnnAssign) and isinstance(inner.target, ast.Name):
                self.local_types.setdefault(inner.target.id, inner.annotation)
        self.declared, self.assigned = set(self.local_types), {item.arg for item in parameters} | bound_elsewhere(node)
        self.result, self.in_function = node.returns, True
        words = ("invariant", "ghost", "writer")
        decorators = {word for word in words for item in node.decorator_list if self.means(item, word)}
        self.invariant_method = "invariant" in decorators

        body = list(node.body)
        opening = [body.pop(0)] if ast.get_docstring(node, clean=False) is not None else []
        requirements: list[ast.stmt] = []
        promises: list[ast.Call] = []
        while body and isinstance(body[0], ast.Expr) and isinstance(body[0].value, ast.Call):
            if self.means(body[0].value, "requires"):
                requirements.append(body[0])
            elif self.means(body[0].value, "ensures"):
                promises.append(body[0].value)
            else:
                break
            body.pop(0)

        entry: list[ast.stmt] = []
        if "writer" in decorators and len(node.args.args) == 2:
            entry.extend(self.pieces(node, node.args.args[0].arg, node.args.args[1]))
        for parameter in parameters:
            entry.extend(self.guard(parameter.arg, parameter.annotation, parameter))
        entry.extend(self.block(requirements))
        main = self.block(body)
        if promises:
            before, after = self.postconditions(promises)
            entry.extend(before)
            main = self.on_return(main, after, node)
        if guarded and not decorators & {"invariant", "ghost"} and not node.name.startswith("_") and node.args.args:
            main = self.on_leave(main, node.args.args[0].arg, node)
        owned = [item.arg for item in parameters if self.is_coroutine(item.annotation)]
        if owned:
            context = template(f"with _nk_guarded(_nk_owned({', '.join(owned)})):\n    pass\n", node)
            assert isinstance(context[0], ast.With)
            context[0].body, main = main or context[0].body, context
        if isinstance(node, ast.AsyncFunctionDef):
            node.decorator_list.append(place(name("_nk_async"), node))
        node.body = [*opening, *entry, *main] or template("pass", node)
        self.local_types, self.declared, self.assigned, self.result, self.invariant_method, self.in_function = saved
        return node

    def is_coroutine(self, annotation: ast.expr | None) -> bool:
        """Is it the type of a coroutine that the function is handed?"""
        return isinstance(annotation, ast.Subscript) and self.means(annotation.value, COROUTINE)

    def block(self, statements: list[ast.stmt]) -> list[ast.stmt]:
        made: list[ast.stmt] = []
        for statement in statements:
            result = self.visit(statement)
            made.extend(result if isinstance(result, list) else [result])
        return made

    def pieces(self, node: Function, instance: str, text: ast.arg) -> list[ast.stmt]:
        """A writer that is handed an f-string calls itself with each piece."""
        return template(
            f"if {text.arg}.__class__ is _nk_Text:\n"
            f"    for _nk_piece in {text.arg}.pieces:\n"
            f"        {instance}.{node.name}(_nk_piece)\n"
            f"    return\n",
            text,
        )

    def postconditions(self, promises: list[ast.Call]) -> tuple[list[ast.stmt], list[ast.stmt]]:
        """What to evaluate on entry (`old`), and the checks on return."""
        before: list[ast.stmt] = []
        after: list[ast.stmt] = []
        for promise in promises:
            condition = promise.args[0] if promise.args else promise
            if isinstance(condition, ast.Lambda):
                moved = Moved(self, {item.arg for item in condition.args.args})
                checked = self.visit(moved.visit(condition.body))
                for identifier, expression in moved.olds:
                    kept = place(assign(identifier, ast.Constant(None)), expression)
                    kept.value = self.visit(expression)
                    before.append(kept)
                promise.func, promise.args = place(name("_nk_ensured"), promise.func), [checked]
            # Otherwise the call stays, and says that it is misused.
            after.append(ast.copy_location(ast.Expr(promise), promise))
        return before, after

    def on_return(self, body: list[ast.stmt], after: list[ast.stmt], node: Function) -> list[ast.stmt]:
        """`after` when the body has ended without failing, after every `__exit__` inside it."""
        for inner in (inner for statement in body for inner in ast.walk(statement)):
            if isinstance(inner, ast.Return):
                value = inner.value or place(ast.Constant(None), inner)
                inner.value = ast.copy_location(ast.NamedExpr(ast.Name("_nk_result", ast.Store()), value), value)
                ast.copy_location(inner.value.target, value)
        made = template(
            "_nk_normally, _nk_result = True, None\n"
            "try:\n    pass\nexcept BaseException:\n    _nk_normally = False\n    raise\n"
            "finally:\n    if _nk_normally:\n        pass\n",
            node,
        )
        attempt = made[-1]
        assert isinstance(attempt, ast.Try)
        assert isinstance(attempt.finalbody[0], ast.If)
        attempt.body = body or attempt.body
        attempt.finalbody[0].body = after
        return made

    def on_leave(self, body: list[ast.stmt], instance: str, node: Function) -> list[ast.stmt]:
        """Invariants when the outermost method of the object has ended without failing."""
        made = template(
            f"_nk_enter({instance})\n_nk_intact = True\n"
            "try:\n    pass\nexcept BaseException:\n    _nk_intact = False\n    raise\n"
            f"finally:\n    _nk_leave({instance}, _nk_intact)\n",
            node,
        )
        assert isinstance(made[-1], ast.Try)
        made[-1].body = body or made[-1].body
        return made

    def visit_Return(self, node: ast.Return) -> ast.Return:
        if node.value is None:
            return node
        value = self.visit(node.value)
        node.value = outer_call(value, "_nk_held") if self.invariant_method else self.coerced(value, self.result)
        return node

    # --- statements -----------------------------------------------------------------------------------------------

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AnnAssign | list[ast.stmt]:
        if node.value is None:
            return node
        node.value = self.visit(node.value)
        if isinstance(node.target, ast.Name) and node.target.id in self.declared:
            return [node, *self.guard(node.target.id, node.annotation, node)]
        return node

    def visit_Assign(self, node: ast.Assign) -> list[ast.stmt]:
        if not self.in_function:
            self.generic_visit(node)
            return [node]
        target = node.targets[0]
        if len(node.targets) > 1 and is_constant(node.value):
            # Each target has a type of its own.
            single = [ast.Assign([item], copy.deepcopy(node.value)) for item in node.targets]
            return self.block([ast.copy_location(statement, node) for statement in single])
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            self.settle_items(target, node.value)
        if isinstance(target, ast.Name):
            if target.id not in self.assigned and target.id not in self.local_types:
                found = witness(node.value, self.local_types)
                if found is not None:
                    self.local_types[target.id] = found
        untyped = may_be_untyped(node.value)
        node.value = self.visit(node.value)
        node.targets = [self.visit(item) for item in node.targets]
        made: list[ast.stmt] = [node]
        for item in (inner for outer in node.targets for inner in ast.walk(outer)):
            if not isinstance(item, ast.Name) or not isinstance(item.ctx, ast.Store):
                continue
            if item.id in self.local_types:
                if item.id in self.declared or untyped:
                    made.extend(self.guard(item.id, self.local_types[item.id], node))
            elif untyped and item.id in self.assigned and item is target:
                return self.assign_like(item.id, node)
            self.assigned.add(item.id)
        return made

    def settle_items(self, target: ast.Tuple, value: ast.Tuple) -> None:
        """In `x, y = y, 0`, tell constants their widths by the variables."""
        for position, (variable, item) in enumerate(zip(target.elts, value.elts, strict=False)):
            if isinstance(variable, ast.Tuple) and isinstance(item, ast.Tuple):
                self.settle_items(variable, item)
            elif isinstance(variable, ast.Name) and may_be_untyped(item):
                annotation = self.local_types.get(variable.id)
                typed = self.coerced(item, annotation) if annotation is not None else like_local(item, variable.id)
                value.elts[position] = typed

    def assign_like(self, identifier: str, node: ast.Assign) -> list[ast.stmt]:
        """A constant to a variable whose type only its present value knows; it may have none on this path."""
        (attempt,) = template(f"try:\n    {identifier} = 0\nexcept UnboundLocalError:\n    pass\n", node)
        assert isinstance(attempt, ast.Try)
        adapted = copy.deepcopy(node)
        adapted.value = outer_call(adapted.value, "_nk_like", name(identifier))
        attempt.body, attempt.handlers[0].body = [adapted], [node]
        return [attempt]

    def visit_NamedExpr(self, node: ast.NamedExpr) -> ast.NamedExpr:
        annotation = self.local_types.get(node.target.id) if node.target.id in self.declared else None
        node.value = self.visit(node.value)
        if annotation is not None:
            node.value = self.coerced(node.value, annotation)
        return node

    def visit_Assert(self, node: ast.Assert) -> ast.If:
        message = place(ast.Constant(ast.unparse(node.test)), node) if node.msg is None else self.visit(node.msg)
        test = self.visit(node.test)
        failure = place(call("_nk_AssertionFailed"), node)
        failure.args.append(message)
        negated = ast.copy_location(ast.UnaryOp(ast.Not(), test), test)
        return ast.copy_location(ast.If(negated, [ast.copy_location(ast.Raise(failure), node)], []), node)

    def visit_With(self, node: ast.With | ast.AsyncWith) -> ast.With | ast.AsyncWith:
        for item in node.items:
            item.context_expr = outer_call(self.visit(item.context_expr), "_nk_guarded")
            if isinstance(item.optional_vars, ast.Name) and item.optional_vars.id in self.local_types:
                annotation = self.local_types[item.optional_vars.id]
                node.body = [*self.guard(item.optional_vars.id, annotation, item.optional_vars), *node.body]
        node.body = self.block(node.body)
        return node

    visit_AsyncWith = visit_With  # noqa: N815

    def loop(self, node: ast.While | ast.For) -> list[ast.stmt]:
        before: list[ast.stmt] = []
        for statement in node.body:
            if not (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Call)):
                break
            if self.means(statement.value, "loop_bound"):
                counter = self.temporary("rounds")
                before.append(place(assign(counter, call("_nk_rounds")), statement))
                statement.value.func = place(name(counter), statement.value.func)
            elif not self.means(statement.value, "loop_invariant"):
                break
        self.generic_visit(node)
        return [*before, node]

    visit_While = loop  # noqa: N815 - the visitor's convention
    visit_For = loop  # noqa: N815

    # --- expressions ----------------------------------------------------------------------------------------------

    def visit_IfExp(self, node: ast.IfExp) -> ast.IfExp:
        settle_branches(node)
        self.generic_visit(node)
        return node

    def visit_Attribute(self, node: ast.Attribute) -> ast.expr:
        self.generic_visit(node)
        if node.lineno == node.end_lineno or not isinstance(node.ctx, ast.Load):
            return node
        # Over several lines, CPython lets an attribute, and a call of it, begin where its name stands; not so here.
        made = outer_call(node.value, "_nk_getattr")
        ast.copy_location(made, node)
        made.args.append(place(ast.Constant(node.attr), node))
        return made

    def visit_Constant(self, node: ast.Constant) -> ast.expr:
        if isinstance(node.value, bytes):
            number = self.constants.setdefault(node.value, len(self.constants))
            return place(name(f"_nk_bytes_{number}"), node)
        return node

    def visit_match_case(self, node: ast.match_case) -> ast.match_case:
        if node.guard is not None:  # patterns are left alone: they hold constants and names only
            node.guard = self.visit(node.guard)
        node.body = self.block(node.body)
        return node

    def visit_Call(self, node: ast.Call) -> ast.Call:
        function = node.func
        node.args = [self.text(argument) for argument in node.args]
        node.func = function = self.visit(function)
        node.keywords = [self.visit(keyword) for keyword in node.keywords]
        if isinstance(function, ast.Attribute) and function.attr == "encode":
            node.func, node.args = place(name("_nk_encode"), function), [function.value, *node.args]
        return node

    def text(self, argument: ast.expr) -> ast.expr:
        """An argument; an f-string as `_nk_text((piece, …))`."""
        if not isinstance(argument, ast.JoinedStr):
            made: ast.expr = self.visit(argument)
            return made
        pieces = ast.copy_location(ast.Tuple([], ast.Load()), argument)
        for part in argument.values:
            if isinstance(part, ast.FormattedValue):
                part = ast.copy_location(ast.JoinedStr([part]), part)
            pieces.elts.append(self.visit(part))
        return outer_call(pieces, "_nk_text")


class Moved(ast.NodeTransformer):
    """An `ensures` condition on its way to the function's end: `result` is a local, `old(e)` was evaluated on entry."""

    def __init__(self, module: Instrumentation, parameters: set[str]) -> None:
        self.module = module
        self.parameters = parameters
        self.olds: list[tuple[str, ast.expr]] = []

    def visit_Name(self, node: ast.Name) -> ast.Name:
        return ast.copy_location(name("_nk_result"), node) if node.id in self.parameters else node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        if self.module.means(node, "old") and len(node.args) == 1:
            identifier = self.module.temporary("old")
            self.olds.append((identifier, copy.deepcopy(node.args[0])))
            return place(name(identifier), node)
        self.generic_visit(node)
        return node


@contextlib.contextmanager
def deep_recursion() -> Iterator[None]:
    """Let walks over syntax follow programs that nest deeply (a chain of a thousand `elif`s nests a thousand deep).

    The compiler's passes run under it too, so that both readings take the same programs.
    """
    before = sys.getrecursionlimit()
    sys.setrecursionlimit(max(before, 20_000))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)


def instrument(tree: ast.Module) -> ast.Module:
    """The module as CPython shall run it. Changes `tree`."""
    return Instrumentation(tree).visit_Module(tree)
