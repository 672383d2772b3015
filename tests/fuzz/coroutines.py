"""Generated programs as coroutines: functions become `async def`s that pause here and there, and are awaited.

Each program is run to its end, or for some rounds only and then cancelled, so that its `with` blocks are left.

Invariant: the text is a matter of the seed alone. A pause ends what is known of fields, so some programs are rejected
that weren't before (NK0316).
"""

from __future__ import annotations

import ast
import random

from tests.fuzz.generate import Generated, generate

THROUGH = """
async def through(work: Coroutine[T]) -> T:
    return await work


async def beside(out: Output, work: Coroutine[T], rounds: u64) -> T:
    left = rounds
    while not resume(work):
        if left > 0:
            left -= 1
            await pause()
        await pause()
        out.put(left)
    return result_of(work)
"""
RUN = """
async def coroutine(out: Output) -> None:
    pass

def run(work: Coroutine[None]) -> None:
    while not resume(work):
        pass

def run_for(work: Coroutine[None], rounds: u64) -> None:
    for _ in range(rounds):
        if resume(work):
            return

def main(out: Output) -> None:
    run(coroutine(out))
"""


def generate_coroutines(seed: int) -> Generated:
    """The program of this seed, made of coroutines."""
    plain = generate(seed)
    tree = ast.parse(plain.source)
    chance = random.Random(seed)
    functions = {node.name: node for node in tree.body if isinstance(node, ast.FunctionDef)}
    waiting = {name for name in functions if name.startswith("function") and chance.random() < 0.9}
    while True:
        called_by_others = {
            name
            for node in tree.body
            if isinstance(node, ast.ClassDef) or (isinstance(node, ast.FunctionDef) and node.name not in waiting)
            if getattr(node, "name", "") != "main"
            for name in _called(node)
        }
        if not waiting & called_by_others:
            break
        waiting -= called_by_others
    body: list[ast.stmt] = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and (node.name in waiting or node.name == "main"):
            body.append(_coroutine(node, waiting, chance))
        else:
            body.append(node)
    rest = [*ast.parse(THROUGH).body, *ast.parse(RUN).body[1:]]
    if chance.random() < 0.4:
        rest[-1] = ast.parse(
            f"def main(out: Output) -> None:\n    run_for(coroutine(out), {chance.randrange(12)})"
        ).body[0]
    words = ast.parse("from neokernel.lang import Coroutine, pause, result_of, resume").body
    first = next(index for index, node in enumerate(body) if isinstance(node, ast.ImportFrom))
    tree.body = [*body[:first], *words, *body[first:], *rest]
    return Generated(seed, ast.unparse(ast.fix_missing_locations(tree)) + "\n", plain.inputs)


def _called(node: ast.AST) -> set[str]:
    return {
        inner.func.id for inner in ast.walk(node) if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name)
    }


def _coroutine(node: ast.FunctionDef, waiting: set[str], chance: random.Random) -> ast.AsyncFunctionDef:
    parts = {name: getattr(node, name) for name in node._fields}
    made = ast.AsyncFunctionDef(**parts)
    if made.name == "main":
        made.name = "coroutine"
    often = chance.choice([0.05, 0.2, 0.5])
    made.body = _Pauses(waiting, chance, often).block(made.body)
    return made


class _Pauses(ast.NodeTransformer):
    def __init__(self, waiting: set[str], chance: random.Random, often: float) -> None:
        self.waiting, self.chance, self.often = waiting, chance, often

    def block(self, body: list[ast.stmt]) -> list[ast.stmt]:
        made: list[ast.stmt] = []
        for statement in body:
            if self.chance.random() < self.often:
                made += ast.parse("async def f():\n    await pause()").body[0].body  # type: ignore[attr-defined]
            made.append(self.visit(statement))
        return made

    def generic_visit(self, node: ast.AST) -> ast.AST:
        for name in ("body", "orelse"):
            statements = getattr(node, name, None)
            if isinstance(statements, list) and statements and not isinstance(node, ast.Match):
                setattr(node, name, self.block(statements))
        for field, value in ast.iter_fields(node):
            if field in ("body", "orelse") and isinstance(value, list):
                continue
            for item in value if isinstance(value, list) else [value]:
                if isinstance(item, ast.AST):
                    made = self.visit(item)
                    if isinstance(value, list):
                        value[value.index(item)] = made
                    else:
                        setattr(node, field, made)
        return node

    def visit_Call(self, node: ast.Call) -> ast.expr:
        self.generic_visit(node)
        if not isinstance(node.func, ast.Name) or node.func.id not in self.waiting:
            return node
        chosen = self.chance.random()
        if chosen < 0.2:
            return ast.Await(ast.Call(ast.Name("through", ast.Load()), [node], []))
        observes = any(isinstance(argument, ast.Name) and argument.id == "out" for argument in node.args)
        if chosen < 0.4 and observes:
            out, rounds = ast.Name("out", ast.Load()), ast.Constant(self.chance.randrange(4))
            return ast.Await(ast.Call(ast.Name("beside", ast.Load()), [out, node, rounds], []))
        return ast.Await(node)
