"""Ends of lives: what the compiler rejects, and what fails in readings that watch lives, at the same expression."""

import ctypes
import textwrap
from collections.abc import Callable
from functools import partial
from random import Random

import pytest

from neokernel import lang
from neokernel.compiler import interpret, jit
from neokernel.compiler.dump import dump_function
from neokernel.compiler.pipeline import analyse_source, find_function

HEADER = """\
from enum import Enum
from typing import Generic, TypeVar
from neokernel.lang import Array, Atomic, Embedded, Handle, Span, array, copy, renew, retire, struct
from neokernel.lang import u8, u16, u32, usize, wire
from neokernel.runtime.pool import Pool

@wire
class Header:
    port: u16
    bytes: Array[u8] = array(4)

@struct
class Inner:
    count: u32 = 7

@struct
class Node:
    inner: Embedded[Inner]
    value: u32 = 1
    items: Array[u8] = array(3)
    inners: Array[Embedded[Inner]] = array(2)
    hits: Atomic[u32] = Atomic(2)  # machine
    header: Embedded[Header] = Header()  # machine

    def get(self, more: u32) -> u32:
        return self.value + more

    def __getitem__(self, index: usize) -> u32:
        return u32(index)

    def __len__(self) -> usize:
        return 3

@struct
class Home:
    node: Embedded[Node]
    other: Embedded[Node]

@struct
class Kept:
    node: Node
    inner: Inner
    items: Span[u8]
    element: Inner
    header: Header  # machine

def f() -> u32:
    home = Home()
    kept = Kept(node=home.node, inner=home.node.inner, items=home.node.items, element=home.node.inners[1],
        header=home.node.header,  # machine
    )
"""

DEAD = {
    "field": "retire(home.node)\nreturn ⟦kept.node.value⟧",
    "store": "retire(home.node)\n⟦kept.node.value⟧ = 3",
    "augmented store": "retire(home.node)\n⟦kept.node.value⟧ += 3",
    "embedded": "retire(home.node)\nreturn ⟦kept.node.inner⟧.count",
    "embedded, kept": "retire(home.node)\nreturn ⟦kept.inner.count⟧",
    "embedded alone": "retire(home.node.inner)\nhome.node.value = 2\nreturn ⟦home.node.inner.count⟧",
    "element": "retire(home.node)\nreturn u32(⟦kept.items[2]⟧)",
    "element store": "retire(home.node)\n⟦kept.items[2]⟧ = 5",
    "element out of range": "retire(home.node)\nreturn u32(⟦kept.items[20]⟧)",
    "slice": "retire(home.node)\nreturn u32(len(⟦kept.items[1:]⟧))",
    "array": "retire(home.node)\nreturn u32(⟦kept.node.items⟧[0])",
    "element of an array": "retire(home.node)\nreturn ⟦kept.element.count⟧",
    "element alone": "retire(home.node.inners[0])\nkept.element.count = 1\nreturn ⟦home.node.inners[0].count⟧",
    "loop": "retire(home.node)\ntotal: u32 = 0\nfor x in ⟦kept.items⟧:\n    total += u32(x)\nreturn total",
    "method": "retire(home.node)\nreturn ⟦kept.node.get⟧(5)",
    "item": "retire(home.node)\nreturn ⟦kept.node[2]⟧",
    "length": "retire(home.node)\nreturn u32(⟦len(kept.node)⟧)",
    "atomic": "retire(home.node)\nreturn ⟦kept.node.hits⟧.load()",
    "wire": "retire(home.node)\nreturn u32(⟦kept.header.port⟧)",
    "wire store": "retire(home.node)\n⟦kept.header.port⟧ = 3",
    "renewed without a place": "retire(home.node)\n⟦renew(kept.inner)⟧",
    "twice": "retire(home.node)\n⟦retire(kept.node)⟧",
    "comparison": "b = home.node.items.bytes()\nretire(home.node)\nassert ⟦b == b'abc'⟧",
    "copy": "retire(home.node)\n⟦copy(home.other.items, kept.items.view())⟧",
    "frame": "node = Node()\nkept.node = node\nretire(node)\nreturn ⟦kept.node.value⟧",
}

ALIVE = {
    "reference": "retire(home.node)\nkept.node = home.other\nassert kept.node is home.other\nreturn kept.node.value",
    "neighbour": "retire(home.other)\nkept.items[1] = 3\nreturn home.node.get(2) + home.node[1] + u32(kept.items[1])",
    "around": "retire(home.node.inner)\nhome.node.items[0] = 1\nreturn home.node.value + u32(len(home.node))",
    "renewed": "home.node.value = 5\nretire(home.node)\nrenew(home.node)\n"
    "return home.node.value + home.node.inner.count",
    "renewed alive": "kept.node.value = 5\nkept.inner.count = 6\nkept.items[1] = 4\nrenew(home.node)\n"
    "return kept.node.value + kept.inner.count + u32(kept.items[1])",
    "renewed inside": "retire(home.node.inner)\nrenew(home.node)\nreturn home.node.inner.count",
    "renewed outside": "retire(home.node)\nrenew(home.node)\nhome.node.inners[1].count = 9\n"
    "return home.node.inners[1].count",
    "empty span": "s = kept.items[3:]\nretire(home.node)\nreturn u32(len(s[0:0]))",
    "same memory": "total: u32 = 0\nfor i in range(3):\n    node = Node()\n    node.value += u32(i)\n"
    "    total += node.value\n    retire(node)\nreturn total",
    "comparison of references": "retire(home.node)\nassert kept.node is home.node\nreturn 1",
}


def source(body: str) -> str:
    lines = body.split("\n")
    last = lines[-1]
    if not last.startswith("return"):
        lines.append("return 0")
    return HEADER + "".join(f"    {line}\n" for line in lines)


def numbered(name: str) -> str:
    return "lives_" + "".join(c if c.isalnum() else "_" for c in name)


@pytest.mark.parametrize("name", DEAD)
def test_accesses_to_the_dead(name: str) -> None:
    body = source(DEAD[name])
    before, _, rest = body.partition("⟦")
    inside, _, after = rest.partition("⟧")
    text = before + inside + after
    start, end = before.split("\n"), (before + inside).split("\n")
    wanted = (len(start), len(start[-1]), len(end), len(end[-1]))

    module = lang.load_module(text, numbered(name))
    with pytest.raises(lang.DeadObject) as raised:
        module.f()
    position = lang.failure_position(raised.value)
    assert position is not None
    assert position[1:] == wanted

    analysis = analyse_source(text)
    assert not analysis.diagnostics
    assert analysis.program is not None
    function = find_function(analysis, "program", "f")
    assert function is not None
    if name != "atomic" and "wire" not in name:  # the interpreter has neither
        plain = "".join("\n" if "# machine" in line else line for line in text.splitlines(keepends=True))
        interpreted = find_function(analyse_source(plain), "program", "f")
        assert interpreted is not None
        with pytest.raises(interpret.CheckFailed) as failed:
            interpret.run(interpreted, [])
        span = failed.value.span
        assert failed.value.kind.value == "dead"
        assert (span.line, span.column, span.end_line, span.end_column) == wanted
    for level in (0, 2):
        library = jit.Library(analysis.program, (function.symbol,), poison=True, level=level)
        with pytest.raises(jit.CheckError) as caught:
            library.call(function.symbol)
        span = caught.value.span
        assert caught.value.kind.value == "dead"
        assert (span.line, span.column, span.end_line, span.end_column) == wanted
        assert "retired" in caught.value.message


@pytest.mark.parametrize("name", ALIVE)
def test_accesses_to_the_living(name: str) -> None:
    text = source(ALIVE[name])
    result = int(lang.load_module(text, numbered(name)).f())
    analysis = analyse_source(text)
    assert not analysis.diagnostics
    assert analysis.program is not None
    function = find_function(analysis, "program", "f")
    assert function is not None
    for poison in (False, True):
        library = jit.Library(analysis.program, (function.symbol,), poison=poison)
        for _ in range(2):
            assert library.call(function.symbol) == result


# --- what the compiler sees -------------------------------------------------------------------------------------------

POOL = (
    HEADER[: HEADER.index("def f()")]
    + """
@struct
class Table:
    nodes: Embedded[Pool[Node]] = Pool(slots=array(4))
    homes: Embedded[Pool[Home]] = Pool(slots=array(2))
    chosen: Node | None = None

def use(node: Node) -> u32:
    return node.value

def end(table: Table, handle: Handle[Node]) -> None:
    _ = table.nodes.release(handle)

def kill(node: Node) -> None:
    retire(node)

"""
)

ACCEPTED = {
    "get, use, release": """
        def f(table: Table, handle: Handle[Node]) -> u32:
            node = table.nodes.get(handle)
            if node is None:
                return 0
            node.value += 1
            result = node.get(2)
            end(table, handle)
            node = table.nodes.get(handle)
            return result if node is None else node.value
    """,
    "two objects": """
        def f(table: Table, a: Handle[Node]) -> u32:
            first = table.nodes.get(a)
            b = table.nodes.allocate()
            if first is None or b is None:
                return 0
            second = table.nodes.get(b)
            assert second is not None
            return first.value + second.value
    """,
    "got again in each round": """
        def f(table: Table) -> u32:
            total: u32 = 0
            for index in range(len(table.nodes)):
                node = table.nodes.at(index)
                handle = table.nodes.handle_at(index)
                if node is None or handle is None:
                    continue
                total += node.value
                if node.value == 1:
                    end(table, handle)
            return total
    """,
    "of another type": """
        def f(table: Table, handle: Handle[Home]) -> u32:
            inner = Inner()
            _ = table.homes.release(handle)
            return inner.count
    """,
    "in my own frame": """
        def f(table: Table, handle: Handle[Node]) -> u32:
            mine = Node()
            end(table, handle)
            return mine.value
    """,
    "my own pool": """
        def f(table: Table, handle: Handle[Node]) -> u32:
            other = table.nodes.get(handle)
            pool: Pool[Node] = Pool(slots=array(4))
            mine = pool.allocate()
            assert mine is not None and other is not None
            _ = pool.release(mine)
            return other.value
    """,
    "on one way only": """
        def f(table: Table, handle: Handle[Node], last: bool) -> u32:
            node = table.nodes.get(handle)
            if node is None:
                return 0
            if last:
                end(table, handle)
                return 1
            return node.value
    """,
    "renewed, got again": """
        def f(home: Home) -> u32:
            retire(home.node)
            renew(home.node)
            return home.node.value
    """,
}

REJECTED = {
    "after release": """
        def f(table: Table, handle: Handle[Node]) -> u32:
            node = table.nodes.get(handle)
            assert node is not None
            _ = table.nodes.release(handle)
            return ⟦node⟧.value
    """,
    "after a call that may release": """
        def f(table: Table, handle: Handle[Node]) -> u32:
            node = table.nodes.get(handle)
            assert node is not None
            end(table, handle)
            return use(⟦node⟧)
    """,
    "in the next round": """
        def f(table: Table, handle: Handle[Node]) -> u32:
            node = table.nodes.get(handle)
            assert node is not None
            total: u32 = 0
            for _ in range(3):
                total += ⟦node⟧.value
                end(table, handle)
            return total
    """,
    "a parameter": """
        def f(table: Table, node: Node, handle: Handle[Node]) -> u32:
            end(table, handle)
            return ⟦node.value⟧
    """,
    "what lies inside": """
        def f(table: Table, handle: Handle[Node]) -> u32:
            node = table.nodes.get(handle)
            assert node is not None
            inner = node.inner
            end(table, handle)
            return ⟦inner.count⟧
    """,
    "inside of another type": """
        def f(table: Table, handle: Handle[Home]) -> u32:
            home = table.homes.get(handle)
            assert home is not None
            node = home.node
            _ = table.homes.release(handle)
            return ⟦node.value⟧
    """,
    "on one way": """
        def f(table: Table, handle: Handle[Node], last: bool) -> u32:
            node = table.nodes.get(handle)
            assert node is not None
            if last:
                end(table, handle)
            return ⟦node⟧.value
    """,
    "from my own pool": """
        def f() -> u32:
            pool: Pool[Node] = Pool(slots=array(4))
            handle = pool.allocate()
            assert handle is not None
            node = pool.get(handle)
            assert node is not None
            _ = pool.release(handle)
            return ⟦node⟧.value
    """,
    "retired here": """
        def f() -> u32:
            node = Node()
            retire(node)
            return ⟦node.value⟧
    """,
    "made here, retired there": """
        def f() -> u32:
            node = Node()
            kill(node)
            return ⟦node.value⟧
    """,
    "its own object": """
        def f(home: Home, last: bool) -> u32:
            node = home.node
            if last:
                kill(home.node)
            return ⟦node.get⟧(1)
    """,
    "renewed": """
        def f(home: Home) -> u32:
            node = home.node
            renew(home.node)
            return ⟦node.value⟧
    """,
    "a span of objects": """
        def f(table: Table, handle: Handle[Node]) -> u32:
            node = table.nodes.get(handle)
            assert node is not None
            inners = node.inners
            end(table, handle)
            return ⟦inners[0]⟧.count
    """,
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_natural_uses_of_pools_are_accepted(name: str) -> None:
    found = analyse_source(POOL + textwrap.dedent(ACCEPTED[name])).diagnostics
    assert not found, [(d.span.line, d.code, d.message) for d in found]


@pytest.mark.parametrize("name", REJECTED)
def test_references_that_may_have_ended_are_rejected(name: str) -> None:
    text = POOL + textwrap.dedent(REJECTED[name])
    before, _, rest = text.partition("⟦")
    inside, _, after = rest.partition("⟧")
    found = analyse_source(before + inside + after).diagnostics
    assert [d.code for d in found] == ["NK0412"]
    start, end = before.split("\n"), (before + inside).split("\n")
    span = found[0].span
    wanted = (len(start), len(start[-1]), len(end), len(end[-1]))
    assert (span.line, span.column, span.end_line, span.end_column) == wanted


# --- in the IR, and in libraries --------------------------------------------------------------------------------------


def test_the_ir_says_where_lives_begin_and_end() -> None:
    text = source("retire(home.node)\nrenew(home.node)\nreturn home.node.get(1)")
    analysis = analyse_source(text)
    assert analysis.program is not None
    function = find_function(analysis, "program", "f")
    assert function is not None
    shown = dump_function(function)
    assert [word for word in shown.split() if word in ("retire", "renew", "alive")] == ["retire", "renew", "alive"]
    silent = jit.Library(analysis.program, (function.symbol,)).text
    assert "nk_is_dead" not in silent and "nk_bury" not in silent
    watched = jit.Library(analysis.program, (function.symbol,), poison=True).text
    assert "nk_is_dead" in watched and "nk_bury" in watched and "nk_revive" in watched


def test_nothing_is_watched_where_nobody_retires() -> None:
    analysis = analyse_source(source("return home.node.get(1)"))
    assert analysis.program is not None
    assert "nk_is_dead" not in jit.Library(analysis.program, ("program.f",), poison=True).text


def test_the_dead_are_remembered_between_calls() -> None:
    text = "from neokernel.lang import retire, struct, u32\n\n@struct\nclass S:\n    a: u32 = 0\n\n"
    text += "def end(s: S) -> None:\n    retire(s)\n\ndef look(s: S) -> u32:\n    return s.a\n"
    analysis = analyse_source(text)
    assert analysis.program is not None
    library = jit.Library(analysis.program, poison=True)
    memory = (ctypes.c_uint32 * 2)(5, 6)
    address = ctypes.addressof(memory)
    library.call("program.end", address)
    assert library.call("program.look", address + 4) == 6
    with pytest.raises(jit.CheckError, match="the S has been retired"):
        library.call("program.look", address)
    library.forget()
    memory[0] = 7
    assert library.call("program.look", address) == 7


# --- random lives -----------------------------------------------------------------------------------------------------

WORLD = """\
from neokernel.lang import Array, Embedded, Span, array, renew, retire, struct, u8, u32

@struct
class Leaf:
    number: u32 = 1
    items: Array[u8] = array(2)

@struct
class Branch:
    leaf: Embedded[Leaf]
    leaves: Array[Embedded[Leaf]] = array(2)
    number: u32 = 2

@struct
class Tree:
    left: Embedded[Branch]
    right: Embedded[Branch]

@struct
class Held:
    branch: Branch
    leaf: Leaf
    items: Span[u8]

"""

LEAVES = ("tree.left.leaf", "tree.right.leaf", "tree.left.leaves[1]", "held.leaf", "held.branch.leaf")
BRANCHES = ("tree.left", "tree.right", "held.branch")


def life(random: Random, renewing: bool) -> list[str]:
    """Statements that end lives, begin new ones if `renewing`, and access what may be dead."""
    lines = []
    for _ in range(random.randrange(4, 16)):
        leaf, branch = random.choice(LEAVES), random.choice(BRANCHES)
        choices = [
            f"{random.choice([leaf, branch])}.number += 1",
            f"total += {random.choice([leaf, branch])}.number",
            f"total += u32({leaf}.items[1])",
            f"{leaf}.items[0] = 3",
            "total += u32(held.items[1])",
            "held.items[0] += 1",
            f"for item in {leaf}.items:\n        total += u32(item)",
            f"held.leaf = {leaf}",
            f"held.branch = {branch}",
            f"held.items = {leaf}.items",
            f"total += u32({leaf} is held.leaf)",
            f"retire({random.choice([leaf, branch])})",
        ]
        if renewing:
            choices += [f"renew({random.choice([leaf, branch])})"] * 2
        lines.append(random.choice(choices))
    return lines


@pytest.mark.parametrize("renewing", [False, True])
def test_random_lives(renewing: bool) -> None:
    """All readings that watch lives agree. The JIT isn't asked about references to renewed objects, good for it."""
    check_lives(Random(f"lives {renewing}"), renewing, f"random_lives_{renewing}")


def check_lives(random: Random, renewing: bool, name: str) -> None:
    text = WORLD
    for number in range(60):
        text += f"def f{number}() -> u32:\n    tree = Tree()\n    total: u32 = 0\n"
        text += "    held = Held(branch=tree.left, leaf=tree.right.leaf, items=tree.left.leaf.items)\n"
        text += "".join(f"    {line}\n" for line in life(random, renewing)) + "    return total\n\n"
    module = lang.load_module(text, name)
    analysis = analyse_source(text)
    assert not analysis.diagnostics, analysis.diagnostics[0]
    assert analysis.program is not None
    library = jit.Library(analysis.program, poison=True)
    ends = []
    for number in range(60):
        function = find_function(analysis, "program", f"f{number}")
        assert function is not None
        told = [ending(getattr(module, f"f{number}")), ending(partial(interpret.run, function, []))]
        if not renewing:
            told.append(ending(partial(library.call, function.symbol)))
        assert len(set(told)) == 1, (number, told, text.split(f"def f{number}()")[1].split("def ")[0])
        ends.append(len(told[0]))
    assert 20 < ends.count(2) < 100  # both ends occur


def ending(run: Callable[[], object]) -> tuple[object, ...]:
    """How it ended: with a number, or at an expression that accesses the dead."""
    try:
        return "result", run()
    except lang.CheckFailed as failure:
        position = lang.failure_position(failure)
        assert position is not None
        return (failure.kind, *position[1:])
    except (interpret.CheckFailed, jit.CheckError) as failure:
        span = failure.span
        return failure.kind.value, span.line, span.column, span.end_line, span.end_column
