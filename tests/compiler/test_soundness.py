"""Programs that once were accepted and then meant something else than under CPython, or broke a promise.

Each is run in every reading, or rejected by the front end with the code given.
"""

from __future__ import annotations

import functools

import pytest

from neokernel.compiler.llvm import EmitOptions, emit, riscv64
from tests.support import meanings
from tests.support.meanings import Case, case

NODE = '''
@struct
class Node:
    value: u32
    next: Node | None = None

def clear(node: Node) -> bool:
    """Stores, and gives what lets the condition go on."""
    node.next = None
    return True

def kept(node: Node) -> Node | None:
    return node.next

def is_none(node: Node | None) -> bool:
    return node is None

'''

COUNTER = """
@struct
class Counter:
    n: u64 = 0

def bump(counter: Counter) -> u64:
    counter.n += 1
    return counter.n

"""


def main(text: str, before: str = "") -> str:
    return before + "def main(out: Output) -> None:\n" + "".join(f"    {line}\n" for line in text.strip().split("\n"))


CHAIN = "a = Node(value=1, next=Node(value=7))\n"

REJECTED: dict[str, tuple[str, str]] = {
    "what `and` knew before a call": (
        "NK0316",
        main(CHAIN + "if a.next is not None and clear(a):\n    out.put(u64(a.next.value))", NODE),
    ),
    "what `or` knew before a call": (
        "NK0316",
        main(CHAIN + "if not (a.next is None or not clear(a)):\n    out.put(u64(a.next.value))", NODE),
    ),
    "what `and` knew before an assignment": (
        "NK0316",
        main(
            "a = Node(value=1, next=Node(value=7))\nx = kept(a)\n"
            "if x is not None and is_none(x := kept(a)):\n    out.put(u64(x.value))",
            NODE,
        ),
    ),
    "what a while loop's condition knew before a call": (
        "NK0316",
        main(CHAIN + "while a.next is not None and clear(a):\n    out.put(u64(a.next.value))", NODE),
    ),
    "a subject that a guard changed": (
        "NK0316",
        main(
            CHAIN + "match a.next:\n    case Node() if not clear(a):\n        out.put(1)\n"
            "    case Node():\n        out.put(u64(a.next.value))\n    case None:\n        out.put(3)",
            NODE,
        ),
    ),
    "a subject that a guard assigned": (
        "NK0316",
        main(
            "a = Node(value=1)\nx: Node | None = a if out.count == 0 else None\n"
            "match x:\n    case Node() if not is_none(x := kept(a)):\n        out.put(1)\n"
            "    case Node():\n        out.put(u64(x.value))\n    case None:\n        out.put(3)",
            NODE,
        ),
    ),
    "text that lies in the frame, returned": (
        "NK0411",
        main(
            "out.write(text())",
            "def text() -> str:\n    letters: Array[u8] = array(4, 65)\n    return text_of(letters.bytes())\n\n",
        ),
    ),
    "text that lies in the frame, stored": (
        "NK0411",
        main(
            "named = Named()\nname(named)\nout.write(named.text)",
            '@struct\nclass Named:\n    text: str = ""\n\ndef name(named: Named) -> None:\n'
            "    letters: Array[u8] = array(4, 65)\n    named.text = text_of(letters.bytes())\n\n",
        ),
    ),
    "an object that all calls would share": (
        "NK0503 NK0505",
        main(
            "out.put(more())", COUNTER + "def more(counter: Counter = Counter()) -> u64:\n    return bump(counter)\n\n"
        ),
    ),
    "a ghost field's argument that changes something": (
        "NK0904",
        main(
            "counter = Counter()\nnode = Watched(given=bump(counter))\nout.put(counter.n)",
            COUNTER + "@struct\nclass Watched:\n    given: Ghost[u64] = 0\n\n",
        ),
    ),
    "a ghost field's argument that changes something, in a value": (
        "NK0904",
        main(
            "counter = Counter()\nv = replace(Watched(1), given=bump(counter))\nout.put(counter.n + v.n)",
            COUNTER + "@value\nclass Watched:\n    n: u64\n    given: Ghost[u64] = 0\n\n",
        ),
    ),
}

SAME: dict[str, str] = {
    "-0.0 as a fill": main(
        "single: Array[f32] = array(3, -0.0)\ndouble: Array[f64] = array(3, -0.0)\n"
        "assert float_bits(single[1]) == 0x8000_0000\nassert float_bits(double[2]) == 0x8000_0000_0000_0000"
    ),
    "all of a tuple is evaluated before `in` compares": main(
        "if u64(1) in (seen(out, 1), seen(out, 2)):\n    out.put(9)\nassert out.count == 3",
        "def seen(out: Output, n: u64) -> u64:\n    out.put(n)\n    return n\n\n",
    ),
    "NaN in a tuple in a value": main(
        "nan = f64(0.0) / f64(0.0)\nv = Pair((nan, 1))\nassert v != v\nassert Pair((2.5, 1)) == Pair((2.5, 1))",
        "@value\nclass Pair:\n    both: tuple[f64, u8]\n\n",
    ),
    "in a tuple of constants": main("x = f64(2.0)\nassert x in (1.0, f64(2.0))\nassert x not in (1.0, 3)"),
    "ghost fields aren't compared or matched": main(
        "a = Seen(g=1, n=2)\nassert a == Seen(g=5, n=2)\nassert a == replace(a, g=7)\n"
        "match a:\n    case Seen(x, y):\n        out.put(u64(x))\n        out.put(u64(y))",
        "@value\nclass Seen:\n    g: Ghost[u32]\n    n: u32\n    m: u32 = 5\n\n",
    ),
    "what holds is still known": main(
        CHAIN + "if a.next is not None and a.value == 1 and a.next.value == 7:\n    out.put(u64(a.next.value))\n"
        "match a.next:\n    case Node() if a.next.value == 8:\n        out.put(1)\n"
        "    case Node():\n        out.put(u64(a.next.value))\n    case None:\n        out.put(3)",
        NODE,
    ),
    "defaults of parameters": main(
        "assert f() == 24\nassert f(2) == 25",
        "class E(Enum):\n    A = 3\n    B = 4\n\n@value\nclass V:\n    x: u8\n    y: u32 = 4\n\n"
        "def base() -> u32:\n    return 12\n\n"
        'def f(a: u8 = 1, b: u32 | None = None, c: Output | None = None, d: V = V(3), e: E = E.B, g: str = "xy",\n'
        '    h: bytes = b"zz", i: f64 = 2.5, j: tuple[u8, bool] = (2, True), k: u32 = base(), l: V | E = E.A) -> u64:\n'
        '    assert b is None and c is None and e is E.B and g == "xy" and h == b"zz" and isinstance(l, E)\n'
        "    return u64(a) + u64(d.x) + u64(d.y) + u64(i) + u64(j[0]) + u64(k)\n\n",
    ),
    "a default's names are not the caller's": main(
        "x: A | B | None = B(1) if out.count == 0 else None\ns = S()\nassert s.k == 1\nassert x is not None",
        "@value\nclass A:\n    n: u8\n\n@value\nclass B:\n    m: u8\n\nx: A | B = A(3)\n\n"
        "@struct\nclass S:\n    k: u8 = 1 if isinstance(x, A) else 2\n\n",
    ),
}


def cases() -> dict[str, Case]:
    texts = {title: text for title, (_, text) in REJECTED.items()} | SAME
    return {title: case(f"sound{number}", text) for number, (title, text) in enumerate(texts.items())}


@functools.cache
def told() -> dict[str, meanings.Told]:
    """All programs go through each reading together."""
    return meanings.ask(list(cases().values()))


@pytest.mark.parametrize("title", REJECTED)
def test_rejected(title: str) -> None:
    found = told()[cases()[title].name]
    assert isinstance(found, list), f"accepted: {found}"
    assert {d.code for d in found} <= set(REJECTED[title][0].split()), [d.message for d in found]


@pytest.mark.parametrize("title", SAME)
def test_same(title: str) -> None:
    of = cases()[title]
    meanings.check(of, told()[of.name])


WAITING = {
    "in the loop": "for _ in range(3):\n    while out.count == 1:\n        pass",
    "in a function": "for _ in range(3):\n    wait(out)",
    "nowhere": "for _ in range(3):\n    for _ in range(2):\n        out.count += 1",
}


@pytest.mark.parametrize("where", WAITING)
def test_only_loops_that_end_are_said_to_end(where: str) -> None:
    """LLVM may leave out a loop that "makes progress", with one inside it that waits for ever."""
    wait = "def wait(out: Output) -> None:\n    while out.count == 1:\n        pass\n\n"
    of = case("waiting", main(WAITING[where], wait))
    analysed = meanings.analyse({of.name: of.program})
    assert analysed.ir is not None
    text = emit(analysed.ir, riscv64(), EmitOptions(debug=False)).text
    body = text[text.index("waiting.main") :]
    assert ("llvm.loop" in body[: body.index("\n}")]) == (where == "nowhere")
