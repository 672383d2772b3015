"""What must not be proven, and beside it the nearest thing that must.

A wrong proof is the worst mistake the prover can make: each case is one that a careless translation would make.
"""

from __future__ import annotations

import textwrap

import pytest

from tests.prover.support import failures, proof, session

#: name: (module, what isn't proven of `f`)
CASES: dict[str, tuple[str, list[str]]] = {
    # --- each kind of check ---
    "overflow of a sum": (
        """
        def f(a: u8, b: u8) -> u8:
            return a + b
        """,
        ["overflow"],
    ),
    "no overflow of a sum": (
        """
        def f(a: u8, b: u8) -> u8:
            return (a >> 1) + (b >> 1)
        """,
        [],
    ),
    "overflow of a difference": (
        """
        def f(a: u8, b: u8) -> u8:
            return a - b
        """,
        ["overflow"],
    ),
    "no overflow of a difference": (
        """
        def f(a: u8, b: u8) -> u8:
            return a - b if a >= b else b - a
        """,
        [],
    ),
    "overflow of a product": (
        """
        def f(a: u64) -> u64:
            return a * a
        """,
        ["overflow"],
    ),
    "no overflow of a product": (
        """
        def f(a: u64) -> u64:
            return (a & 0xFFFF) * (a >> 32)
        """,
        [],
    ),
    "overflow of a negation": (
        """
        def f(a: i32) -> i32:
            return -a
        """,
        ["overflow"],
    ),
    "overflow of an absolute value": (
        """
        def f(a: i32) -> i32:
            return abs(a)
        """,
        ["overflow"],
    ),
    "signed sum of opposite signs": (
        """
        def f(a: i8, b: i8) -> i8:
            return a + b if (a < 0) != (b < 0) else 0
        """,
        [],
    ),
    "signed sum of equal signs": (
        """
        def f(a: i8, b: i8) -> i8:
            return a + b if a < 0 else 0
        """,
        ["overflow"],
    ),
    "division by 0": (
        """
        def f(a: u32, b: u32) -> u32:
            return a // b
        """,
        ["division"],
    ),
    "signed division's overflow": (
        """
        def f(a: i32, b: i32) -> i32:
            return a // b if b != 0 else 0
        """,
        ["overflow"],
    ),
    "signed remainder has none": (
        """
        def f(a: i32, b: i32) -> i32:
            return a % b if b != 0 else 0
        """,
        [],
    ),
    "shift by the width": (
        """
        def f(a: u32, n: u8) -> u32:
            return a >> n if n <= 32 else 0
        """,
        ["shift"],
    ),
    "shift by less": (
        """
        def f(a: u32, n: u8) -> u32:
            return a >> n if n < 32 else 0
        """,
        [],
    ),
    "a shift loses a bit": (
        """
        def f(a: u8, n: u32) -> u8:
            return a << n if n < 8 else 0
        """,
        ["overflow"],
    ),
    "a wrapping shift by a wide number": (
        """
        def f(a: u8, n: u64) -> u8:
            return wrapping_shl(a, n) if truncate(u8, n) < 8 else 0
        """,
        ["shift"],
    ),
    "conversion": (
        """
        def f(a: u32) -> u8:
            return u8(a) if a <= 256 else 0
        """,
        ["conversion"],
    ),
    "conversion of a negative number": (
        """
        def f(a: i32) -> u32:
            return u32(a) if a < 8 else 0
        """,
        ["conversion"],
    ),
    "conversion to signed": (
        """
        def f(a: u32) -> i32:
            return i32(a) if a <= 0x80000000 else 0
        """,
        ["conversion"],
    ),
    "enum": (
        """
        class E(Enum):
            A = 1
            B = 2
        def f(a: u8) -> E:
            return E(a) if a <= 2 else E.A
        """,
        ["enum"],
    ),
    "enum of a wide number": (
        """
        class E(Enum):
            A = 1
        def f(a: u32) -> E:
            return E(a) if truncate(u8, a) == 1 else E.A
        """,
        ["enum"],
    ),
    "assert": (
        """
        def f(a: u32) -> None:
            assert a % 2 == 0
        """,
        ["assert"],
    ),
    "unreachable": (
        """
        def f(a: u32) -> u32:
            if a % 4 == 3:
                unreachable('no')
            return a
        """,
        ["unreachable"],
    ),
    "never reached": (
        """
        def f(a: u32) -> u32:
            if a % 4 == 4:
                unreachable('no')
            return a
        """,
        [],
    ),
    "a span's index": (
        """
        def f(a: Span[u32], i: u64) -> u32:
            return a[i] if i <= len(a) else 0
        """,
        ["index"],
    ),
    "a span's slice": (
        """
        def f(a: Span[u32], i: u64) -> u64:
            return len(a[i:4])
        """,
        ["index"],
    ),
    "copies of unequal length": (
        """
        def f(a: Span[u32], b: Span[u32]) -> None:
            copy(a, b)
        """,
        ["index"],
    ),
    "a float's conversion": (
        """
        def f(a: f64) -> i32:
            return i32(a)
        """,
        ["conversion"],
    ),
    "two ways lead here, on one of which nothing was asked": (
        """
        def f(x: bool, y: bool) -> None:
            if x:
                pass
            elif not y:
                return
            assert y
        """,
        ["assert"],
    ),
    "two ways lead here, on each of which something holds": (
        """
        def f(x: bool, y: bool) -> None:
            if x:
                pass
            elif not y:
                return
            assert x or y
        """,
        [],
    ),
    # --- meaning of arithmetic ---
    "floor of a negative quotient": (
        """
        def f(a: i32) -> None:
            if a == -7:
                assert a // 2 == -4 and a % 2 == 1 and a // -2 == 3
        """,
        [],
    ),
    "the quotient isn't cut off": (
        """
        def f(a: i32) -> None:
            if a == -7:
                assert a // 2 == -3
        """,
        ["assert"],
    ),
    "a sign isn't lost": (
        """
        def f(a: i8) -> None:
            assert i32(a) >= 0
        """,
        ["assert"],
    ),
    "rotation": (
        """
        def f(a: u8, n: u32) -> None:
            assert rotate_left(rotate_right(a, n), n) == a
        """,
        [],
    ),
    "rotation the other way": (
        """
        def f(a: u8, n: u32) -> None:
            assert rotate_left(a, n) == a
        """,
        ["assert"],
    ),
    "leading zeros": (
        """
        def f(a: u32) -> u32:
            return a >> (31 - count_leading_zeros(a)) if a != 0 else 0
        """,
        [],
    ),
    "leading zeros of 0": (
        """
        def f(a: u32) -> u32:
            return a >> (31 - count_leading_zeros(a))
        """,
        ["overflow"],
    ),
    "wrapping": (
        """
        def f(a: u8) -> None:
            assert wrapping_add(a, 1) > a
        """,
        ["assert"],
    ),
    "saturating": (
        """
        def f(a: u8) -> None:
            assert saturating_add(a, 1) >= a
        """,
        [],
    ),
    "saturating and signed": (
        """
        def f(a: i8) -> None:
            assert saturating_sub(a, 1) < a
        """,
        ["assert"],
    ),
    "the sign bit alone": (
        """
        def f(a: u8) -> None:
            assert truncate(i8, a & 128) >= 0
        """,
        ["assert"],
    ),
    # --- what follows a check may rely on it; what comes before may not ---
    "after a check": (
        """
        def f(a: u8) -> None:
            b = a + 1
            assert b > a
        """,
        ["overflow"],
    ),
    "before a check": (
        """
        def f(a: u8) -> None:
            assert a < 255
            b = a + 1
            assert b != 0
        """,
        ["assert"],
    ),
    "a check on one side only": (
        """
        def f(a: u8, c: bool) -> u8:
            if c:
                assert a < 9
            return a + 1
        """,
        ["assert", "overflow"],
    ),
    # --- unions ---
    "nested unions keep their arms": (
        """
        @value
        class V:
            n: u8 | None
        def f(a: V | u16 | None) -> u8:
            if isinstance(a, V):
                n = a.n
                return n if n is not None else 0
            if a is None:
                return 0
            assert a < 300
            return 1
        """,
        ["assert"],
    ),
    "an arm's value survives a wider union": (
        """
        class E(Enum):
            A = 0
        def g(a: u8 | E) -> u8 | E | None:
            return a
        def f(a: u8) -> None:
            b = g(a)
            assert isinstance(b, u8) and b == a
        """,
        [],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_scalars(name: str) -> None:
    text, wanted = CASES[name]
    assert failures(text) == wanted


NODES = """
@struct
class Inner:
    n: u32 = 0

@struct
class Node:
    n: u32 = 0
    m: u32 = 0
    next: Node | None = None
    inner: Embedded[Inner] = Inner()
    other: Embedded[Inner] = Inner()
    cells: Array[u32] = array(4)
    parts: Array[Embedded[Inner]] = array(4)
"""

MEMORY: dict[str, tuple[str, list[str]]] = {
    "two parameters may be one object": (
        """
        def f(a: Node, b: Node) -> None:
            a.n = 1
            b.n = 2
            assert a.n == 1
        """,
        ["assert"],
    ),
    "two objects that were told apart": (
        """
        def f(a: Node, b: Node) -> None:
            a.n = 1
            b.n = 2
            assert a is b or a.n == 1
        """,
        [],
    ),
    "fields don't overlap": (
        """
        def f(a: Node, b: Node) -> None:
            a.n = 1
            b.m = 2
            assert a.n == 1
        """,
        [],
    ),
    "a new object is another one": (
        """
        def f(a: Node) -> None:
            a.n = 1
            b = Node()
            b.n = 2
            assert a.n == 1 and b.n == 2
        """,
        [],
    ),
    "what is stored may come back": (
        """
        def g(a: Node) -> Node | None:
            return a.next
        def f(a: Node, b: Node) -> None:
            a.next = b
            c = g(a)
            assert c is not None
            c.n = 5
            assert b.n == 5
        """,
        [],
    ),
    "an object found by way of another": (
        """
        def f(a: Node, b: Node) -> None:
            c = a.next
            if c is not None:
                b.n = 1
                c.n = 2
                assert b.n == 1
        """,
        ["assert"],
    ),
    "an embedded object is its container's": (
        """
        def f(a: Node, b: Node) -> None:
            a.inner.n = 1
            b.inner.n = 2
            a.other.n = 3
            assert a.inner.n == (2 if a is b else 1)
        """,
        [],
    ),
    "an embedded object by two ways": (
        """
        def f(a: Node, i: Inner) -> None:
            a.inner.n = 1
            i.n = 2
            assert a.inner.n == 1
        """,
        ["assert"],
    ),
    "two embedded objects of one container": (
        """
        def f(a: Node, b: Node) -> None:
            x = a.inner
            y = b.other
            x.n = 1
            y.n = 2
            assert x.n == 1
        """,
        [],
    ),
    "elements at different places": (
        """
        def f(a: Node, i: u64, j: u64) -> None:
            if i < 4 and j < 4:
                a.cells[i] = 1
                a.cells[j] = 2
                assert a.cells[i] == (2 if i == j else 1)
        """,
        [],
    ),
    "elements at places that may be one": (
        """
        def f(a: Node, i: u64, j: u64) -> None:
            if i < 4 and j < 4:
                a.cells[i] = 1
                a.cells[j] = 2
                assert a.cells[i] == 1
        """,
        ["assert"],
    ),
    "inline elements": (
        """
        def f(a: Node, i: u64) -> None:
            if i < 4:
                a.parts[i].n = 1
                a.parts[0].n = 2
                assert a.parts[i].n == 1
        """,
        ["assert"],
    ),
    "two slices of one array": (
        """
        def f(a: Node) -> None:
            x: Span[u32] = a.cells
            y = x[1:]
            y[0] = 7
            assert a.cells[1] == 7
        """,
        [],
    ),
    "two spans may overlap": (
        """
        def f(x: Span[u32], y: Span[u32]) -> None:
            if len(x) > 0 and len(y) > 0:
                x[0] = 1
                y[0] = 2
                assert x[0] == 1
        """,
        ["assert"],
    ),
    "a copy that overlaps itself": (
        """
        def f(a: Node) -> None:
            a.cells[0] = 1
            a.cells[1] = 2
            x: Span[u32] = a.cells
            copy(x[1:], x[:3])
            assert a.cells[1] == 1 and a.cells[2] == 2 and a.cells[0] == 1
        """,
        [],
    ),
    "a copy isn't made one by one": (
        """
        def f(a: Node) -> None:
            a.cells[0] = 1
            a.cells[1] = 2
            x: Span[u32] = a.cells
            copy(x[1:], x[:3])
            assert a.cells[2] == 1
        """,
        ["assert"],
    ),
    "a store on one side": (
        """
        def f(a: Node, c: bool) -> None:
            a.n = 1
            if c:
                a.n = 2
            assert a.n == 1
        """,
        ["assert"],
    ),
    "stores on both sides": (
        """
        def f(a: Node, c: bool) -> None:
            if c:
                a.n = 2
            else:
                a.n = 1
            assert a.n == (2 if c else 1)
        """,
        [],
    ),
    "a store before an early return": (
        """
        def g(a: Node, c: bool) -> bool:
            if c:
                a.n = 1
                return True
            return False
        def f(a: Node, c: bool) -> None:
            a.n = 0
            assert g(a, c) == (a.n == 1)
        """,
        [],
    ),
    "an array of zeroes": (
        """
        def f(i: u64) -> None:
            a: Array[u32] = array(8)
            if i < 8:
                assert a[i] == 0
        """,
        [],
    ),
    "an array that was filled": (
        """
        def f(a: Node, i: u64) -> None:
            b: Array[u32] = array(8, 3)
            a.cells[0] = 1
            if i < 8:
                assert b[i] == 3
        """,
        [],
    ),
    "what others may write is anything": (
        """
        @wire
        class W:
            n: u8
            m: u4
            k: u4
        def f(w: W) -> None:
            assert w.m < 16
            assert w.n == w.n
        """,
        ["assert"],
    ),
    "bytes below a wire object": (
        """
        @wire
        class W:
            n: u8
        def f(a: Span[u8]) -> None:
            if len(a) > 0:
                a[0] = 1
                wire_view(W, a).n = 2
                assert a[0] == 1
        """,
        ["assert"],
    ),
    "an atomic cell is anything": (
        """
        @struct
        class A:
            n: Atomic[u32] = Atomic(0)
        def f(a: A) -> None:
            a.n.store(1)
            assert a.n.load() == 1
        """,
        ["assert"],
    ),
}


@pytest.mark.parametrize("name", MEMORY)
def test_memory(name: str) -> None:
    text, wanted = MEMORY[name]
    assert failures(NODES + textwrap.dedent(text)) == wanted


LOOPS: dict[str, tuple[str, list[str]]] = {
    "a variable that a loop changes may be a new object": (
        """
        def f(n: u32) -> None:
            a = Node()
            b = Node()
            c = a
            for _ in range(n):
                c = b
            c.n = 5
            assert a.n == 0
        """,
        ["assert"],
    ),
    "a loop that may run zero times": (
        """
        def f(n: u32) -> None:
            x: u32 = 0
            for _ in range(n):
                x = 1
            assert x == 1
        """,
        ["assert"],
    ),
    "a loop's index": (
        """
        def f(a: Span[u32]) -> None:
            for i in range(len(a)):
                a[i] = 1
        """,
        [],
    ),
    "an index one too far": (
        """
        def f(a: Span[u32]) -> None:
            for i in range(len(a)):
                a[i + 1] = 1
        """,
        ["index"],
    ),
    "a reversed loop's index": (
        """
        def f(a: Span[u32]) -> None:
            for i in reversed(range(len(a))):
                a[i] = 1
        """,
        [],
    ),
    "a loop changes a field": (
        """
        def f(a: Node, n: u32) -> None:
            a.n = 0
            for _ in range(n):
                a.n = 1
            assert a.n == 0
        """,
        ["assert"],
    ),
    "a loop changes a field through a call": (
        """
        def g(b: Node) -> None:
            b.n = 1
        def f(a: Node, b: Node, n: u32) -> None:
            a.n = 0
            for _ in range(n):
                g(b)
            assert a.n == 0
        """,
        ["assert"],
    ),
    "a loop leaves another field alone": (
        """
        def f(a: Node, n: u32) -> None:
            a.n = 0
            for _ in range(n):
                a.m = 1
            assert a.n == 0
        """,
        [],
    ),
    "a loop copies over a field's array": (
        """
        def f(a: Node, b: Span[u32], n: u32) -> None:
            a.cells[0] = 0
            for _ in range(n):
                if len(b) == 4:
                    x: Span[u32] = a.cells
                    copy(x, b)
            assert a.cells[0] == 0
        """,
        ["assert"],
    ),
    "an invariant": (
        """
        def f(n: u32) -> None:
            x: u32 = 0
            for i in range(n):
                loop_invariant(x == i)
                x += 1
            assert x == n
        """,
        [],
    ),
    "an invariant that is off by one": (
        """
        def f(n: u32) -> None:
            x: u32 = 0
            for i in range(n):
                loop_invariant(x == i + 1)
                x = wrapping_add(x, 1)
            assert x == n
        """,
        ["loop_invariant", "assert"],
    ),
    "an invariant that isn't kept": (
        """
        def f(n: u32) -> None:
            x: u32 = 0
            for i in range(n):
                loop_invariant(x < 9)
                x += 1
        """,
        ["loop_invariant"],
    ),
    "a break": (
        """
        def f(n: u32) -> None:
            x: u32 = 0
            for i in range(n):
                loop_invariant(x == 0)
                if i == 7:
                    x = 1
                    break
            assert x == 0
        """,
        ["assert"],
    ),
    "a return inside": (
        """
        def g(n: u32) -> u32:
            for i in range(n):
                if i == 7:
                    return i
            return 9
        def f(n: u32) -> None:
            r = g(n)
            assert r == 7 or r == 9
            assert r == 9
        """,
        ["assert"],
    ),
    "a loop within a loop": (
        """
        def f(n: u32, m: u32) -> None:
            x: u32 = 0
            for _ in range(n):
                for _ in range(m):
                    x = 1
            assert x == 0
        """,
        ["assert"],
    ),
    "a few rounds": (
        """
        def f() -> None:
            x: u32 = 0
            for i in range(5):
                x += u32(i)
            assert x == 10
        """,
        [],
    ),
    "a bound that holds": (
        """
        def f(a: Span[u32]) -> None:
            for i in range(len(a)):
                loop_bound(len(a))
                a[i] = 1
        """,
        [],
    ),
    "a bound that doesn't": (
        """
        def f(a: Span[u32]) -> None:
            for i in range(len(a)):
                loop_bound(100)
                a[i] = 1
        """,
        ["loop_bound"],
    ),
    "a small bound that doesn't": (
        """
        def f(a: u32) -> None:
            x: u32 = 0
            for _ in range(5):
                loop_bound(4)
                x += 1
        """,
        ["loop_bound"],
    ),
    "a loop without end": (
        """
        def f(a: u32) -> None:
            while True:
                assert a == 1
        """,
        ["assert"],
    ),
}


@pytest.mark.parametrize("name", LOOPS)
def test_loops(name: str) -> None:
    text, wanted = LOOPS[name]
    assert failures(NODES + textwrap.dedent(text)) == wanted


QUEUE = """
@struct
class Queue:
    items: Array[u32] = array(8)
    first: u64 = 0
    count: u64 = 0
    puts: Ghost[u64] = 0

    @invariant
    def fits(self) -> bool:
        return self.first < len(self.items) and self.count <= len(self.items)

    def put(self, item: u32) -> None:
        requires(self.count < len(self.items))
        ensures(lambda: self.count == old(self.count) + 1)
        self.items[(self.first + self.count) % len(self.items)] = item
        self.count += 1

    def take(self) -> u32 | None:
        if GUARD:
            return None
        found = self.items[self.first]
        self.first = NEXT
        self.count -= 1
        return found
"""


def queue(guard: str = "self.count == 0", following: str = "(self.first + 1) % len(self.items)", then: str = "") -> str:
    return QUEUE.replace("GUARD", guard).replace("NEXT", following) + then


def test_contracts() -> None:
    assert failures(queue(), "Queue.put") == []
    assert failures(queue(), "Queue.take") == []
    assert failures(queue("False"), "Queue.take") == ["overflow"], "a dropped guard"
    assert failures(queue(following="self.first + 1"), "Queue.take") == ["invariant"]
    caller = (
        "def f(q: Queue) -> None:\n    if q.count < {}:\n        q.put(1)\n        q.put(2)\n    assert q.count < 9"
    )
    assert failures(queue(then=caller.format(7))) == []
    assert failures(queue(then=caller.format(8))) == ["requires"]


def test_a_contract_is_all_that_is_known_of_a_call() -> None:
    then = "def f(q: Queue) -> None:\n    q.items[0] = 5\n    q.first = 0\n    if q.count < 8:\n        q.put(1)\n"
    assert failures(queue(then=then + "        assert q.items[0] == 5")) == ["assert"], "put may have written it"
    assert failures(queue(then=then + "        assert q.first == 0")) == [], "put doesn't write it"


def test_an_invariant_is_proven_where_a_call_may_rely_on_it() -> None:
    then = "def f(q: Queue) -> None:\n    q.first = 8\n    if q.count < 8:\n        q.put(1)\n    q.first = 0"
    assert failures(queue(then=then)) == ["invariant"]


def test_an_invariant_that_held_on_a_branch_may_be_broken_there_and_on_another() -> None:
    then = """
    def f(q: Queue, c: bool) -> None:
        {}
        if c and q.count < 8:
            q.put(1)
            {}
        else:
            {}
        {}
    """
    for place in range(4):
        for value, wanted in ((7, []), (8, ["invariant"])):
            lines = [f"q.first = {value}" if number == place else "pass" for number in range(4)]
            assert failures(queue(then=textwrap.dedent(then).format(*lines)), "f") == wanted


#: what is done to two queues, and is an invariant broken
BRANCHES = {
    "each branch by itself": ("if c:\n    q.first = 7\nif d:\n    r.first = 7", False),
    "the first branch": ("if c:\n    q.first = 8\nif d:\n    r.first = 7", True),
    "the second branch": ("if c:\n    q.first = 7\nif d:\n    r.first = 8", True),
    "mended in the same branch": ("if c:\n    q.first = 8\n    q.first = 0\nif d:\n    r.first = 7", False),
    "mended in another branch": ("if c:\n    q.first = 8\nif d:\n    q.first = 0", True),
    "mended behind the branches": ("if c:\n    q.first = 8\nif d:\n    q.first = 9\nq.first = 0", False),
    "mended of another object": ("q.first = 8\nr.first = 0", True),
    "mended if it is the same object": ("q.first = 8\nr.first = 0\nif q is not r:\n    q.first = 1", False),
    "held on a part of the way": ("q.first = 8\nif q.count < 8:\n    q.first = 0\n    q.put(1)", True),
    "held on each part": ("q.first = 8\nif q.count < 8:\n    q.first = 0\n    q.put(1)\nelse:\n    q.first = 0", False),
    "broken after it held": ("q.first = 7\nif q.count < 8:\n    q.put(1)\n    q.first = 8", True),
    "broken after it held, elsewhere": ("if q.count < 8:\n    q.put(1)\nelse:\n    r.first = 8", True),
    "in a loop that may not run": ("for _ in range(n):\n    q.first = 8\n    q.first = 0", False),
    "in a loop's last round": ("for _ in range(n):\n    q.first = 8\n    if c:\n        return\n    q.first = 0", True),
    "before a loop": ("q.first = 8\nfor _ in range(n):\n    q.first = 0", True),
    "a new object": ("p = Queue()\nif c:\n    p.first = 8", True),
}


@pytest.mark.parametrize("name", BRANCHES)
def test_an_invariant_is_due_with_each_write_that_may_have_broken_it(name: str) -> None:
    body, broken = BRANCHES[name]
    head = "def f(q: Queue, r: Queue, c: bool, d: bool, n: u32) -> None:\n"
    assert failures(queue(then=head + textwrap.indent(body, "    ")), "f") == (["invariant"] if broken else [])


#: what is written, and is it due that a row begins with less than 8
ROWS = {
    "another struct's array": ("o.cells[0] = 9", False),
    "an array of its own": ("mine: Array[u32] = array(4)\n    mine[0] = 9\n    assert r.cells[0] < 8", False),
    "the array": ("r.cells[0] = 9", True),
    "the array, at any place": ("r.cells[i] = 9", True),
    "another place": ("r.cells[1] = 9", False),
    "a span of it": ("mine: Span[u32] = r.cells\n    mine[0] = 9", True),
    "a span from elsewhere": ("if len(s) > 0: s[0] = 9", True),
    "a copy to it": ("copy(r.cells[:4], o.cells[:4])", True),
    "a copy to another": ("copy(o.cells[:4], r.cells[:4])", False),
    "one of two, which isn't known": ("chosen = r if i == 0 else q\n    chosen.cells[0] = 9", True),
}


@pytest.mark.parametrize("name", ROWS)
def test_an_invariant_is_due_with_each_write_to_an_array_that_it_reads(name: str) -> None:
    body, broken = ROWS[name]
    text = f"""
@struct
class Row:
    cells: Array[u32] = array(4)

    @invariant
    def begins(self) -> bool:
        return self.cells[0] < 8

@struct
class Other:
    cells: Array[u32] = array(4)

def f(r: Row, q: Row, o: Other, s: Span[u32], i: u64) -> None:
    requires(i < 4)
    {body}
"""
    assert failures(text) == (["invariant"] if broken else [])


def test_an_invariant_holds_for_other_objects_too() -> None:
    then = "def f(q: Queue, r: Queue) -> None:\n    q.count = 0\n    r.first = {}"
    assert failures(queue(then=then.format(7))) == []
    assert failures(queue(then=then.format(8))) == ["invariant"]


def test_a_new_object_has_no_past() -> None:
    """Nothing is assumed of an object at a time when it wasn't there."""
    then = "def f() -> None:\n    q = Queue()\n    q.first = 9\n    assert q.first < 8"
    assert failures(queue(then=then)) == ["assert"]


def test_what_relies_on_a_broken_contract_is_not_sound() -> None:
    text = (
        "def g(a: u8) -> u8:\n    ensures(lambda result: result < 10)\n    return a\n"
        "def f(a: u8) -> u8:\n    return g(a) + 1"
    )
    assert failures(text, "g") == ["ensures"]
    assert not proof(text, "g").sound
    assert failures(text, "f") == []


def test_old_is_what_it_was() -> None:
    text = (
        "def f(a: Node) -> None:\n    requires(a.n < 9)\n    ensures(lambda: a.n == old(a.n) + {})\n"
        "    a.n += 1\n    a.m = 0"
    )
    assert failures(NODES + text.format(1)) == []
    assert failures(NODES + text.format(0)) == ["ensures"]


def test_private_functions_are_looked_at_where_they_are_called() -> None:
    text = (
        "def _half(a: u8) -> u8:\n    return 200 + a\ndef f(a: u8) -> u8:\n    return _half(a & 7)\n"
        "def g(a: u8) -> u8:\n    return _half(a)"
    )
    assert failures(text, "f") == []
    assert failures(text, "g") == ["overflow"]


def test_what_a_private_function_promises_is_proven() -> None:
    """Its callers don't look into it then."""
    text = (
        "def _half(a: u8) -> u8:\n    ensures(lambda result: result < {})\n    return a >> 1\n"
        "def f(a: u8) -> u8:\n    return 120 + _half(a)"
    )
    assert failures(text.format(128), "_half") == [] and failures(text.format(128), "f") == []
    assert failures(text.format(100), "_half") == ["ensures"] and not proof(text.format(100), "_half").sound


#: a call that isn't looked into, and writes nothing but constants
LAMPS = """
@struct
class Lamp:
    lit: bool = False
    level: u8 = 0
    behind: Lamp | None = None

def put_out(lamp: Lamp, all: bool) -> None:
    ensures(lambda: not lamp.lit)
    lamp.lit = False
    lamp.behind = None
    lamp.level = {}
    behind = lamp.behind
    if all and behind is not None:
        behind.lit = False

def f(lamp: Lamp, other: Lamp, behind: Lamp) -> None:
    requires(not other.lit and lamp.level <= 3 and other.behind is behind)
    put_out(lamp, True)
    assert {}
"""


@pytest.mark.parametrize(
    ("level", "claim", "left"),
    [
        ("3", "not lamp.lit and not other.lit", []),
        ("3", "lamp.level <= 3", []),
        ("3", "lamp.level == 3", ["assert"]),
        ("3", "other.lit or behind.lit", ["assert"]),
        ("3", "not behind.lit", ["assert"]),
        ("3", "other.behind is behind or other.behind is None", []),
        ("3", "other.behind is behind", ["assert"]),
        ("u8(lamp.lit) + lamp.level", "lamp.level <= 3", ["assert"]),
    ],
)
def test_of_constants_that_a_call_writes_it_is_known_what_may_be_there(level: str, claim: str, left: list[str]) -> None:
    assert failures(LAMPS.format(level, claim)) in (left, ["overflow", *left])


@pytest.mark.parametrize("single", [True, False])
def test_what_there_is_one_of_is_always_the_same(single: bool) -> None:
    text = """
        @struct
        class House:
            doors: u8 = 0
            @invariant
            def is_small(self) -> bool:
                return self.doors < 4

        @struct
        class Room:
            house: House

        def f(room: Room, other: Room, house: House) -> None:
            room.house.doors = 1
            assert other.house.doors == 1 and house is room.house

        def g(room: Room) -> None:
            assert room.house.doors < 4
            room.house.doors = 4
    """
    of = session(text, frozenset({"House"} if single else ()))
    found = {one.name: [v.obligation.duty.value for v in each.failed] for one, each in of.proofs.items()}
    assert found == {"House.is_small": [], "f": [] if single else ["check"], "g": ["invariant"]}


def test_invariants_hold_in_each_round_of_a_loop_elsewhere() -> None:
    then = (
        "def f(q: Queue, n: u32) -> None:\n    for _ in range(n):\n        if q.count < 8:\n            q.put(1)\n"
        "        {}\n"
    )
    assert failures(queue(then=then.format("assert q.first < 8"))) == []
    assert failures(queue(then=then.format("q.first = 8"))) == ["invariant"]


def test_invariants_of_new_objects() -> None:
    then = "@struct\nclass Two:\n    a: Embedded[Queue] = Queue()\n    b: Embedded[Queue] = Queue()\n"
    then += "def f(n: u32) -> None:\n    two = Two()\n    two.b.first = {}\n    two.a.put(1)\n    two.b.first = 0"
    assert failures(queue(then=then.format(7))) == []
    assert failures(queue(then=then.format(8))) == ["invariant"]


UNWRITTEN = """
unsafe("a test")

@struct
class Positive:
    number: u32 = 0
    other: u32 = 0

    @invariant
    def holds(self) -> bool:
        return self.number > 0

@struct
class Pair:
    first: u32 = 0
    second: Embedded[Positive] = Positive()

def f(c: bool, place: u64) -> None:
    {}
"""


@pytest.mark.parametrize(
    ("body", "broken"),
    [
        ("new_at(Positive, place)", True),
        ("new_at(Positive, place).other = 1", True),
        ("new_at(Positive, place).number = 1", False),
        ("if c:\n        new_at(Positive, place)", True),
        ("new_at(Pair, place).first = 1", True),
        ("new_at(Pair, place).second.number = 1", False),
    ],
)
def test_an_invariant_is_due_of_a_new_object_that_isnt_written_to(body: str, broken: bool) -> None:
    assert failures(UNWRITTEN.format(body)) == (["invariant"] if broken else [])


LATER = """
unsafe("a test")

@struct
class Cell:
    other: Cell | None = None
    back: Cell | None = None
    ticks: u8 = 0

    @invariant
    def is_known(self) -> bool:
        return self.other is None or self.other.back is self

def tick(cell: Cell) -> None:
    ensures(lambda: cell.ticks == 1)
    cell.ticks = 1

def f(cell: Cell, place: u64) -> None:
    requires(cell.back is None)
    made = new_at(Cell, place)
    made.other = cell
    cell.back = made
    tick(cell)
    {}
"""


@pytest.mark.parametrize(("then", "broken"), [("cell.back = None", True), ("cell.other = None", False)])
def test_an_invariant_is_due_of_a_new_object_of_which_it_held_in_between(then: str, broken: bool) -> None:
    assert failures(LATER.format(then)) == (["invariant"] if broken else [])


MADE = """
unsafe("a test")

@struct
class Positive:
    number: u8 = 0
    other: u8 = 0
    next: Positive | None = None

    @invariant
    def is_positive(self) -> bool:
        return self.number != 0

    def grow(self, place: u64, n: u64) -> None:
        for i in range(n):
            self.next = {grown}

@struct
class Shelf:
    items: Array[Positive | None] = array(8)

@struct
class Pair:
    first: u32 = 0
    second: Embedded[Positive] = Positive(number=1)

def _right(place: u64) -> Positive:
    made = new_at(Positive, place)
    made.number = 1
    return made

{function}
"""
IN_LOOPS = {
    "nobody keeps it": "def f(place: u64, n: u64) -> None:\n    for i in range(n):\n        {}",
    "a variable keeps it": (
        "def f(place: u64, n: u64) -> Positive:\n    made = _right(place)\n    for i in range(n):\n"
        "        made = {}\n    return made"
    ),
    "an array keeps it": (
        "def f(shelf: Shelf, place: u64, n: usize) -> None:\n    for i in range(min(n, 8)):\n"
        "        shelf.items[i] = {}"
    ),
}


@pytest.mark.parametrize("shape", [*IN_LOOPS, "a method of the struct"])
@pytest.mark.parametrize("right", [True, False])
def test_an_invariant_is_due_of_each_object_that_a_loop_makes(shape: str, right: bool) -> None:
    made = "_right(place)" if right else "new_at(Positive, place)"
    if shape in IN_LOOPS:
        found = failures(MADE.format(grown="None", function=IN_LOOPS[shape].format(made)))
    else:
        found = failures(MADE.format(grown=made, function=""), "Positive.grow")
    assert found == ([] if right else ["invariant"])


def test_an_invariant_is_due_of_what_lies_in_an_object_that_a_loop_makes() -> None:
    text = "def f(place: u64, n: u64) -> None:\n    for i in range(n):\n        new_at(Pair, place).first = 1"
    assert failures(MADE.format(grown="None", function=text)) == ["invariant"]
    assert failures(MADE.format(grown="None", function=text.replace("first", "second.number"))) == []


PROMISED = """
def _make(place: u64) -> Positive:
    ensures(lambda result: {promise})
    made = new_at(Positive, place)
    {then}
    return made

def f(place: u64, a: u8) -> u8:
    made = _make(place)
    return a % 2 + {wrong} + made.other
"""


@pytest.mark.parametrize(
    ("promise", "then", "wrong", "left"),
    [
        # A promise that contradicts the invariant isn't a contradiction, of which anything would follow.
        ("result.number == 0 and result.other == 0", "made.other = 0", "255", ["overflow", "invariant"]),
        ("result.other == 0", "made.other = 0", "0", ["invariant"]),
        ("result.other == 0", "made.number = 1", "0", []),
        ("result.other == 0", "made.number = 1", "255", ["overflow"]),
    ],
)
def test_what_a_private_function_makes_is_due_whatever_it_promises(
    promise: str, then: str, wrong: str, left: list[str]
) -> None:
    text = MADE.format(grown="None", function=PROMISED.format(promise=promise, then=then, wrong=wrong))
    assert failures(text, "_make") == []
    assert sorted(failures(text)) == sorted(left)


BROKEN = """
@struct
class Positive:
    number: u8 = 0

    @invariant
    def is_positive(self) -> bool:
        return self.number != 0

def look(it: Positive) -> u8:
    ensures(lambda result: result <= 100)
    return 100 // it.number

def _through(it: Positive) -> u8:
    ensures(lambda result: result <= 100)
    return _behind(it)

def _behind(it: Positive) -> u8:
    it.number = {}
    return look(it)

def f(it: Positive) -> u8:
    found = _through(it)
    it.number = 1
    return found
"""


@pytest.mark.parametrize("single", [True, False])
@pytest.mark.parametrize(("number", "left"), [(2, []), (0, ["invariant"])])
def test_a_private_function_that_promises_something_calls_public_ones_with_invariants_intact(
    single: bool, number: int, left: list[str]
) -> None:
    of = session(BROKEN.format(number), frozenset({"Positive"} if single else ()))
    found = {one.name: [v.obligation.duty.value for v in each.failed] for one, each in of.proofs.items()}
    assert found == {"Positive.is_positive": [], "look": [], "_through": [], "f": left}


IN_CONTRACTS = """
@struct
class Positive:
    number: u8 = 0

    @invariant
    def is_positive(self) -> bool:
        return self.number != 0

def holds(it: Positive) -> bool:
    ensures(lambda result: it.number != 0)
    return True

def look(it: Positive) -> None:
    requires(holds(it))

def f(it: Positive) -> None:
    it.number = {}
    look(it)
"""


@pytest.mark.parametrize(("number", "left"), [(2, []), (0, ["invariant"])])
def test_what_a_contract_calls_promises_nothing_that_relies_on_invariants(number: int, left: list[str]) -> None:
    assert failures(IN_CONTRACTS.format(number)) == left


THERE_BEFORE = """
unsafe("a test")

@struct
class Root:
    head: Node | None = None

@struct
class Node:
    kind: u8 = 0
    root: Root

    @invariant
    def is_head(self) -> bool:
        return self.kind == 1 or self.root.head is self

def make(root: Root, place: u64) -> Node:
    ensures(lambda result: root.head is result)
    old = root.head
    made = new_at(Node, place)
    made.root = root
    if old is not None:
        old.kind = 1
    root.head = made
    return made

def f(root: Root, place: u64) -> None:
    old = root.head
    made = make(root, place)
    assert {}
"""


@pytest.mark.parametrize("single", [True, False])
@pytest.mark.parametrize(("claim", "left"), [("made.kind == 1 or made is old", ["check"]), ("root.head is made", [])])
def test_what_a_call_makes_wasnt_there_before(single: bool, claim: str, left: list[str]) -> None:
    of = session(THERE_BEFORE.format(claim), frozenset({"Root"} if single else ()))
    found = {one.name: [v.obligation.duty.value for v in each.failed] for one, each in of.proofs.items()}
    assert found["f"] == left and (found["make"] == [] or not single)


FILLED = """
unsafe("a test")

@struct
class Filled:
    numbers: Array[u32] = array(2)

    @invariant
    def holds(self) -> bool:
        return self.numbers[0] > 0

@struct
class Holder:
    first: u32 = 0
    second: Embedded[Filled] = Filled()

@struct
class Many:
    parts: Array[Embedded[Filled]] = array(2)

@struct
class Other:
    numbers: Array[u32] = array(2)
    child: Filled | None = None

def f(c: bool, place: u64) -> None:
    {}
"""


@pytest.mark.parametrize(
    ("body", "broken"),
    [
        ("new_at(Filled, place)", True),
        ("new_at(Holder, place)", True),
        ("new_at(Many, place)", True),
        ("if c:\n        new_at(Many, place)", True),
        ("new_at(Filled, place).numbers[0] = 1", False),
        ("new_at(Filled, place).numbers[1] = 1", True),
        ("new_at(Other, place)", False),
        ("new_at(Other, place).numbers[0] = 0", False),
        ("new_at(Other, place)\n    if c:\n        new_at(Holder, place).first = 1", True),
    ],
)
def test_an_invariant_of_an_array_is_due_of_the_new_objects_that_it_lies_in(body: str, broken: bool) -> None:
    assert failures(FILLED.format(body)) == (["invariant"] if broken else [])


NEW = """
unsafe("a test")

@struct
class Thing:
    number: u32 = 0
    other: Thing | None = None

def make(place: u64) -> Thing:
    return new_at(Thing, place)

def f(known: Thing, place: u64) -> None:
    before = known.number
    made = {}(Thing, place)
    made.number = 3
    {}
"""


@pytest.mark.parametrize(
    ("kind", "then", "left"),
    [
        # nothing that was there is the new object, and its fields are zero
        ("new_at", "assert known.number == before and known is not made", []),
        ("new_at", "assert made.other is None", []),
        ("new_at", "assert known.other is not made", []),
        ("object_at", "assert known.number == before", ["assert"]),
        ("object_at", "assert made.other is None", ["assert"]),
        # but two of them may be anywhere: only the machine's memory tells
        ("new_at", "assert made.number == 0", ["assert"]),
        ("new_at", "known.other = made\n    after = known\n    assert after.other is not made", ["assert"]),
    ],
)
def test_new_objects_in_memory(kind: str, then: str, left: list[str]) -> None:
    assert failures(NEW.format(kind, then)) == left


WORDS = """
unsafe("a test")

@struct
class Saved:
    first: u64 = 0
    second: u64 = 0

@struct
class Counter:
    used: Array[u64] = array(2)

def f(saved: Saved, counter: Counter, value: u64) -> None:
    before = saved.second
    used = counter.used[0]
    words = span_at(u64, address_of(saved), 2)
    words[1] = value
    assert {}
"""


def test_an_object_that_is_seen_as_a_span_is_changed_by_it_and_others_arent() -> None:
    assert failures(WORDS.format("saved.second == before")) == ["assert"]
    assert failures(WORDS.format("counter.used[0] == used")) == []


LONG = """
@struct
class Purse:
    coins: Array[u64] = array(8)

    @invariant
    def is_full(self) -> bool:
        total: u64 = 0
        for place in range(8):
            total += self.coins[place]
        return total == 100

def f(purse: Purse, source: u64, target: u64, amount: u64) -> None:
    requires(source < 8 and target < 8 and amount <= purse.coins[source])
    purse.coins[source] -= amount
    purse.coins[target] += amount{}
"""


@pytest.mark.slow
def test_sums_are_proven_over_integers_and_by_cases() -> None:
    assert failures(LONG.format("")) == []


@pytest.mark.slow
def test_a_wrong_sum_is_not() -> None:
    assert failures(LONG.format(" + 1")) == ["invariant"]


def test_minus_zero_is_not_zero() -> None:
    """They compare equal, but what is divided by them differs."""
    written = """
    @struct
    class Box:
        ratio: f64 = 0.0

    def f(box: Box, n: u32) -> None:
        box.ratio = 0.0
        for place in range(n):
            if place == 3:
                box.ratio = -0.0
            else:
                box.ratio = 0.0
        assert 1.0 / box.ratio > 0.0
    """
    assert failures(written) == ["assert"]
    tables = """
    A: tuple[f64, ...] = (0.0, 1.0)
    B: tuple[f64, ...] = (-0.0, 1.0)

    def f() -> None:
        assert 1.0 / A[0] > 0.0
        assert 1.0 / B[0] {} 0.0
    """
    assert failures(tables.format("<")) == []
    assert failures(tables.format(">")) == ["assert"]


def test_what_ghost_code_promises_is_proven() -> None:
    text = """
    @ghost
    def small(number: u32) -> bool:
        ensures(lambda result: result == (number < 4))
        return {}

    def f(number: u32) -> None:
        requires(small(number))
        assert number < 4
    """
    assert failures(text.format("number < 4"), "small") == failures(text.format("number < 4")) == []
    assert failures(text.format("True"), "small") == ["ensures"]


#: promises something of its argument, and nothing of one that it wasn't made for
GIVEN = """
def only(n: u32) -> u32:
    {}
    ensures(lambda result: n < 4 and result == n)
    {}
    return n

def f(n: u32) -> None:
    {}
    ensures(lambda: only(n) == n)

def g(n: u32) -> None:
    f(n)
    assert n < 4
"""


def test_what_ghost_code_calls_promises_nothing_to_who_does_not_give_what_it_requires() -> None:
    """It isn't known that this holds, as what ghost code calls for is proven by what is proven of it."""
    small = "requires(n < 4)"
    assert failures(GIVEN.format(small, "", small)) == failures(GIVEN.format(small, "", small), "only") == []
    assert failures(GIVEN.format(small, "", small), "g") == ["requires"]
    assert failures(GIVEN.format(small, "", "")) == ["ensures"]


def test_what_ghost_code_calls_may_not_come_back() -> None:
    """Then what is computed isn't true."""
    text = """
    from typing import NoReturn

    def stop(n: u32) -> NoReturn:
        ensures(lambda result: n < 4)
        unreachable("never called")

    @ghost
    def small(n: u32) -> bool:
        if n >= 4:
            stop(n)
        return True

    def f(n: u32) -> None:
        {}
        ensures(lambda: small(n))
    """
    assert failures(text.format("requires(n < 4)")) == []
    assert failures(text.format("")) == ["ensures"]


def test_a_private_function_that_contracts_call_relies_on_no_invariant() -> None:
    """They may be computed where it is broken."""
    text = """
    @struct
    class T:
        n: u32 = 0
        @invariant
        def ok(self) -> bool:
            return self.n < 5

    def _small(t: T) -> bool:
        ensures(lambda result: result)
        return t.n < {}

    def _set(t: T) -> None:
        ensures(lambda: _small(t))
        t.n = 9

    def f(t: T) -> None:
        _set(t)
        assert t.n < 5
        t.n = 0
    """
    assert failures(text.format(5), "_small") == ["ensures"]
    assert failures(text.format("5 or True"), "_small") == []
    assert "assert" in failures(text.format("5 or True"))


def test_which_bits_what_is_no_number_has_is_not_known() -> None:
    text = """
    def f(n: u32) -> None:
        zero: f64 = 0.0
        assert float_bits({}) {} 0x7FF8_0000_0000_0000
    """
    for none in ("zero / zero", "-(zero / zero)", "zero / zero + 1.0"):
        for sign in ("==", "!="):
            assert failures(text.format(none, sign)) == ["assert"]
    assert failures(text.format("zero + 1.0", "!=")) == []


def test_what_was_cancelled_gives_nothing() -> None:
    text = """
    async def wait() -> u32:
        await pause()
        return 1

    async def f(work: Coroutine[u32]) -> None:
        {}
        _ = await work

    async def g() -> None:
        await f(wait())
    """
    assert failures(text.format("cancel(work)")) == ["assert"]


def test_what_something_was_can_be_computed() -> None:
    """Also if what is promised doesn't depend on it; and what is known of a loop in it holds."""
    text = """
    @struct
    class Box:
        place: usize = 0
        cells: Array[u32] = array(4)

    @ghost
    def count(box: Box) -> u32:
        found: u32 = 0
        for _ in range(box.place):
            loop_invariant(found == 0)
            found = wrapping_add(found, {})
        return found

    def f(box: Box) -> None:
        ensures(lambda: old(box.cells[box.place]) == 0 or True)
        {}

    def g(box: Box) -> None:
        ensures(lambda: old(count(box)) < 100 or True)
    """
    assert failures(text.format(0, "requires(box.place < 4)")) == failures(text.format(0, ""), "g") == []
    assert failures(text.format(0, "")) == ["ghost"]
    assert "ghost" in failures(text.format(1, ""), "g")


THINGS = """
@struct
class Part:
    x: u32 = 0

@struct
class Thing:
    x: u32 = 0
    part: Embedded[Part] = Part()
    cells: Array[u32] = array(4)
    of: Thing | None = None

@struct
class Holder:
    of: Thing

def _set(one: Thing, other: Thing, n: u32) -> None:
    one.x = n

def _set_second(one: Thing, other: Thing, n: u32) -> None:
    other.x = n

def _set_other(one: Thing, other: Thing, n: u32) -> None:
    one = other
    one.x = n

def _set_either(one: Thing, other: Thing, n: u32) -> None:
    chosen = one if n > 7 else other
    chosen.x = n

def promised(one: Thing, other: Thing, n: u32) -> None:
    ensures(lambda: n == n)
    one.x = n

def _perhaps(thing: Thing | None) -> None:
    if thing is not None:
        thing.x = 1

def _fill(cells: Span[u32], n: u32) -> None:
    if len(cells) > 0:
        cells[0] = n

def _give(holder: Holder, thing: Thing) -> None:
    holder.of = thing

def f(a: Thing, b: Thing, c: Thing, holder: Holder, part: Part, n: u32) -> None:
    x, y = c.x, c.cells[0]
    held = holder.of
    inner = part.x
    z = b.x
    {}
"""


@pytest.mark.parametrize(
    ("body", "apart"),
    [
        ("for _ in range(n): b.x = n", "c is not b"),
        ("for _ in range(n): b.x = b.x ^ 1", "c is not b"),
        ("for i in range(n): b.cells[usize(i) % 4] = n", "c is not b"),
        ("for _ in range(n): a.cells[1] = a.cells[0]; b.x = 1", "c is not b and c is not a"),
        ("for _ in range(n):\n        d = b\n        d.x = 1", "c is not b"),
        ("d = b\n    for _ in range(n): d.x = 1", "c is not b"),
        ("for _ in range(n): holder.of.x = 1", "c is not held"),
        ("for _ in range(n): _set(b, a, n)", "c is not b"),
        ("for _ in range(n): _set(a, b, n)", "c is not a"),
        ("for _ in range(n): _set_second(a, b, n)", "c is not b"),
        ("for _ in range(n): _set_other(a, b, n)", None),
        ("for _ in range(n): _set_either(a, b, n)", None),
        ("for _ in range(n): promised(b, a, n)", "c is not b"),
        ("promised(b, a, n)", "c is not b"),
        ("d = a\n    for _ in range(n):\n        d.x = 1\n        d = b", None),
        ("d = a\n    for i in range(n):\n        if i == 3:\n            d = b\n        d.x = 1", None),
        ("for _ in range(n):\n        holder.of.x = 1\n        holder.of = b", None),
        ("for _ in range(n):\n        holder.of.x = 1\n        _give(holder, b)", None),
        ("d = b.of\n    if d is not None:\n        for _ in range(n): d.x = 1", "c is not d"),
        ("for _ in range(n): _perhaps(b)", "c is not b"),
        ("for _ in range(n): _perhaps(b.of)", "c is not b.of"),
        ("for _ in range(n):\n        d = b.of\n        if d is not None: d.x = 1", "c is not b.of"),
        ("for _ in range(n):\n        d = b.of\n        if d is not None: d.x = 1\n        b.of = a", None),
        ("d: Thing | None = b\n    for _ in range(n):\n        if d is not None: d.x = 1\n        d = c", None),
        ("for _ in range(n): _fill(b.cells, n)", "c is not b"),
        ("for _ in range(n): _fill(b.cells[1:3], n)", "c is not b"),
        ("cells = b.cells[1:]\n    for _ in range(n): _fill(cells, n)", "c is not b"),
        ("cells = b.cells[:]\n    for i in range(n):\n        _fill(cells, n)\n        cells = c.cells[:]", None),
    ],
)
def test_what_code_writes_to_one_object_leaves_others_as_they_are(body: str, apart: str | None) -> None:
    """Which object it is, a loop's rounds and calls may change: then nothing is known of any."""
    same = "\n    assert c.x == x and c.cells[0] == y"
    condition = apart or "c is not a and c is not held"
    assert failures(THINGS.format(body + same)) == ["assert"], "it may be that object"
    guarded = f"\n    if {condition}:\n        assert c.x == x and c.cells[0] == y"
    assert failures(THINGS.format(body + guarded)) == ([] if apart else ["assert"])


@pytest.mark.parametrize(
    ("body", "claim", "left"),
    [
        ("for _ in range(n): b.part.x = 1", "part.x == inner", ["assert"]),
        ("for _ in range(n): b.part.x = 1", "part is b.part or part.x == inner", []),
        ("for _ in range(n): b.part.x = 1", "part is b.part or part.x != inner", ["assert"]),
        ("for _ in range(n): b.x = 1", "b.x == 1", ["assert"]),
        ("for _ in range(n): b.x = 1", "b.x == z", ["assert"]),
        ("for _ in range(n): b.x = 1", "b.x == 1 or b.x == z", []),
        ("for _ in range(n): b.x = n", "b.x == n or b.x == z", ["assert"]),
        ("for _ in range(n): b.x = 1; a.x = 2", "b.x == 1 or b.x == z", ["assert"]),
        ("for _ in range(n): b.x = 1; a.x = 2", "b.x == 1 or b.x == 2 or b.x == z", []),
        ("promised(b, a, 3)", "b.x == 3", ["assert"]),
        ("promised(b, a, 3)", "b.x == z", ["assert"]),
        ("for i in range(n): b.cells[usize(i) % 4] = n", "b.cells[3] == 0", ["assert"]),
    ],
)
def test_what_code_writes_to_one_object_is_unknown_there(body: str, claim: str, left: list[str]) -> None:
    assert failures(THINGS.format(f"{body}\n    assert {claim}")) == left


@pytest.mark.parametrize(("start", "left"), [("", []), ("self.size = 33\n        ", ["invariant", "loop_invariant"])])
def test_a_loop_in_a_method_keeps_what_its_loop_invariant_says_and_no_other_object_changes(
    start: str, left: list[str]
) -> None:
    text = f"""
DEPTH = 32

@struct
class Stack:
    size: usize = 0

    @invariant
    def fits(self) -> bool:
        return self.size <= DEPTH

    def f(self, least: usize) -> None:
        {start}while self.size > least:
            loop_invariant(self.size <= DEPTH)
            self.size -= 1
"""
    assert failures(text, "Stack.f") == left


BYTES = """
@wire
class Packet:
    kind: u8
    payload: Array[u8] = array(4)

@struct
class Buffer:
    cells: Array[u8] = array(8)

def promised(inner: Span[u8]) -> None:
    requires(len(inner) > 0)
    ensures(lambda: True)
    inner[0] = 5

def _put(inner: Span[u8]) -> None:
    inner[0] = 5

def f(buffer: Buffer, other: Buffer, n: u32) -> None:
    inner: Span[u8] = wire_view(Packet, buffer.cells).payload
    buffer.cells[1] = 7
    {}
    assert buffer.cells[1] == 7
"""


@pytest.mark.parametrize(
    "body",
    [
        "inner[0] = 5",
        "wire_view(Packet, buffer.cells).payload[0] = 5",
        "copy(inner, other.cells[0:4])",
        "_put(inner)",
        "promised(inner)",
        "for _ in range(n): inner[0] = 5",
        "for _ in range(n): _put(inner)",
        "for _ in range(n): promised(inner)",
        "for _ in range(n): copy(inner, other.cells[0:4])",
    ],
)
def test_bytes_in_a_wire_object_are_those_below_it(body: str) -> None:
    assert failures(BYTES.format(body)) == ["assert"]
    assert failures(BYTES.format("other.cells[2] = 5\n    buffer.cells[2] = 5")) == []


SEEN = """
unsafe("sees a struct as words")

@struct
class Saved:
    first: u64 = 0
    second: u64 = 0

def promised(words: Span[u64]) -> None:
    requires(len(words) > 1)
    ensures(lambda: True)
    words[1] = 5

def f(saved: Saved, n: u32) -> None:
    before = saved.second
    words = span_at(u64, address_of(saved), 2)
    saved.second = before
    {}
    assert saved.second == before
"""


@pytest.mark.parametrize(
    "body", ["words[1] = 5", "promised(words)", "for _ in range(n): words[1] = 5", "for _ in range(n): promised(words)"]
)
def test_what_is_written_to_a_span_is_written_to_the_object_that_is_seen_so(body: str) -> None:
    assert failures(SEEN.format(body)) == ["assert"]
    assert failures(SEEN.format("pass")) == []


VIEWS = """
unsafe("sees a struct as words")

@struct
class Part:
    low: u32 = 0
    high: u32 = 0

@struct
class Saved:
    first: u64 = 0
    second: u64 = 0
    part: Embedded[Part]
    table: Array[u32] = array(2)

@wire
class Packet:
    first: u64
    second: u64

def _set(saved: Saved) -> None:
    saved.second = 7

def promised(saved: Saved) -> None:
    ensures(lambda: True)
    saved.second = 7

def f(saved: Saved, other: Saved, n: u32) -> None:
    words = span_at(u64, address_of(saved), 4)
    halves = span_at(u32, address_of(saved), 8)
    of_part = span_at(u32, address_of(saved.part), 3)
    word = words[{place}]
    {body}
    assert words[{place}] == word
"""


@pytest.mark.parametrize(
    ("place", "body"),
    [
        (1, "saved.second = 7"),
        (1, "wire_view(Packet, span_at(u8, address_of(saved), 16)).second = 7"),
        (1, "(saved if n > 3 else other).second = 7"),
        (1, "_set(saved)"),
        (1, "promised(saved)"),
        (1, "for _ in range(n): saved.second = 7"),
        (1, "halves[2] = 7"),
        (1, "words[usize(n & 3)] = 7"),
        (1, "(words if n > 3 else words[0:2])[1] = 7"),
        (2, "saved.part.low = 7"),
        (2, "saved.part.high = 7"),
        (2, "of_part[1] = 7"),
        (1, "for _ in range(n): (saved if n > 3 else other).second = 7"),
        (1, "for _ in range(n): (halves if n > 3 else of_part)[2] = 7"),
        (3, "saved.table[1] = 7"),
        (3, "(saved if n > 3 else other).table[1] = 7"),
        (3, "for _ in range(n): (saved if n > 3 else other).table[1] = 7"),
        (3, "copy(saved.table[0:2], other.table[0:2].view())"),
    ],
)
def test_what_is_written_to_an_object_is_written_to_the_spans_that_it_is_seen_as(place: int, body: str) -> None:
    assert failures(VIEWS.format(place=place, body=body)) == ["assert"]


@pytest.mark.parametrize(("place", "body"), [(1, "saved.first = 7"), (0, "saved.second = 7"), (0, "other.second = 7")])
def test_a_field_is_seen_in_its_own_elements_only(place: int, body: str) -> None:
    assert failures(VIEWS.format(place=place, body=body)) == []


SCRATCH = """
@struct
class Part:
    n: u32 = 0

@struct
class Thing:
    x: u32 = 0
    cells: Array[u32] = array(4)

    @invariant
    def holds(self) -> bool:
        a: Array[u32] = array(4)
        part = Part()
        {}

def f(it: Thing) -> None:
    {}
"""


@pytest.mark.parametrize(
    ("invariant", "body", "left"),
    [
        ("a[0] = 1; x = a[0]; a[0] = 2; return x != a[0]", "assert it.x == 2", ["assert"]),
        ("part.n = 1; x = part.n; part.n = 2; return x != part.n", "assert it.x == 2", ["assert"]),
        ("a[0] = self.x; return a[0] < 9", "assert it.x < 9", []),
        ("a[0] = self.x; return a[0] < 9", "assert it.x < 8", ["assert"]),
        ("part.n = self.x; a[0] = part.n; part.n = 0; return a[0] < 9", "assert it.x < 9", []),
        ("copy(a, self.cells); return a[1] < 9", "assert it.cells[1] < 9", []),
        ("copy(a, self.cells); return a[1] < 9", "assert it.cells[2] < 9", ["assert"]),
        # It held before this, and doesn't after.
        ("copy(a, self.cells); return a[1] < 9", "it.cells[1] = 10; assert it.x == 7", ["invariant", "assert"]),
        ("a[0] = self.x; return a[0] < 9", "it.x = 10; assert it.cells[1] == 7", ["invariant", "assert"]),
        ("a[0] = self.x; return a[0] < 9", "it.x = 8", []),
        # Nothing is written, but of the loop nothing is known either.
        (
            "for i in range(self.x): a[0] = i\n        return a[0] == 0 or self.x > 1",
            "assert it.x == 2",
            ["invariant", "assert"],
        ),
        ("b = a if self.x > 5 else self.cells\n        a[0] = 3; return b[0] == 3", "assert it.x > 5", ["assert"]),
        (
            "b = a if self.x > 5 else self.cells\n        a[0] = 3; return b[0] == 3",
            "assert it.x > 5 or it.cells[0] == 3",
            [],
        ),
    ],
)
def test_an_invariant_with_memory_of_its_own(invariant: str, body: str, left: list[str]) -> None:
    """It is told of a moment that is past, at which that memory wasn't there."""
    assert failures(SCRATCH.format(invariant, body)) == left


@pytest.mark.parametrize(
    ("one", "another", "left"),
    [
        ("self.x < 5", "self.x > 10", {"Thing.one": ["possible"]}),
        ("self.x < 5", "self.x > 3", {}),
        ("False", "True", {"Thing.one": ["possible"]}),
        ("self.other.x >= 9", "True", {"Thing.one": ["possible"]}),
        ("self.other.x == 8", "True", {}),
        ("self.again is self", "self.again.x != self.x", {"Thing.one": ["possible"]}),
        ("self.again is not self", "self.again.x == self.x", {}),
    ],
)
def test_an_object_can_be_what_its_invariants_say(one: str, another: str, left: dict[str, list[str]]) -> None:
    """Of one that can't, anything is proven."""
    text = f"""
@struct
class Other:
    x: u32 = 0
    @invariant
    def is_small(self) -> bool:
        return self.x < 9

@struct
class Thing:
    x: u32
    other: Other
    again: Thing
    @invariant
    def one(self) -> bool:
        return {one}
    @invariant
    def another(self) -> bool:
        return {another}

def f(thing: Thing) -> u32:
    return thing.x
"""
    proofs = session(text).proofs
    found = {one.name: [v.obligation.duty.value for v in each.failed] for one, each in proofs.items() if each.failed}
    assert found == left
    assert {one.name for one in proofs} == {"f", "Other.is_small", "Thing.one"}


@pytest.mark.parametrize(
    "claim", ['self.text.bytes() == b"\\0\\0"', '(self.text.bytes(), self.n) == (b"\\0\\0", u8(0))']
)
def test_an_invariant_of_what_views_have_is_due_when_their_elements_are_written(claim: str) -> None:
    text = f"""
@struct
class Name:
    text: Array[u8] = array(2)
    n: u8 = 0

    @invariant
    def is_zero(self) -> bool:
        return {claim}

def f(name: Name) -> None:
    name.text[0] = 1

def g(name: Name) -> None:
    name.n = name.n
"""
    assert (failures(text), failures(text, "g")) == (["invariant"], [])


@pytest.mark.parametrize(
    ("claim", "left"),
    [
        ('cells.bytes() == b"\\1\\2"', []),
        ('cells.bytes() == b"\\1\\2\\0"', ["assert"]),
        ('cells.bytes() != b"\\1\\2\\0"', []),
        ('cells.bytes() == b"\\1\\3"', ["assert"]),
        ('cells.bytes() != b"\\1\\3"', []),
        ("given.bytes() == given.bytes()", ["assert"]),
        ('len(given) == 2 and given.bytes() != b"\\1"', ["assert"]),
        ('len(given) != 1 or given.bytes() != b"\\1\\2"', []),
    ],
)
def test_short_views_are_compared_by_their_elements(claim: str, left: list[str]) -> None:
    text = f"""
def f(given: Span[u8]) -> None:
    cells: Array[u8] = array(2)
    cells[0] = 1
    cells[1] = 2
    assert {claim}
"""
    assert failures(text) == left


EQUAL = """
@value
class V:
    n: u8 | None

@value
class W:
    n: u8 | bool | None
    v: V

def f(w: W, x: W, n: u8) -> None:
    {}
"""


@pytest.mark.parametrize(
    ("body", "left"),
    [
        ("assert V(n) == V(n) and V(None) == V(None) and V(n) != V(None)", []),
        ("assert V(n) != V(1)", ["assert"]),
        ("assert V(n) == V(1)", ["assert"]),
        ("assert V(1) == V(2)", ["assert"]),
        ("assert V(1) != V(2)", []),
        ("if w == x: assert w.v == x.v", []),
        ("if w == x and isinstance(w.n, u8): assert isinstance(x.n, u8)", []),
        ("if w != x: assert w.v != x.v", ["assert"]),
        ("if w.v == x.v: assert w == x", ["assert"]),
    ],
)
def test_values_are_equal_if_what_is_in_their_arms_is(body: str, left: list[str]) -> None:
    assert failures(EQUAL.format(body)) == left


def test_arms_that_are_called_alike_or_like_the_tag_are_told_apart() -> None:
    text = """
class arm(Enum):
    A = 0
    B = 300

@struct
class S:
    v: u8 | arm = u8(1)

def _get(s: S) -> u8 | arm:
    return s.v

def _one(c: bool) -> u8 | arm:
    return u8(2) if c else arm.A

def f(s: S) -> None:
    s.v = _one(True)
    s.v = _one(False)
    y = _get(s)
    assert isinstance(y, u8)
"""
    assert (
        failures(text)
        == failures(text.replace("arm(", "tag(").replace("| arm", "| tag").replace("arm.", "tag."))
        == ["assert"]
    )


def test_what_never_comes_to_be_is_no_crash() -> None:
    text = """
def never(n: u32) -> u32:
    unreachable("no")

def f(n: u32) -> u32:
    ensures(lambda result: old(never(n)) == result)
    return n
"""
    assert failures(text) == ["ghost"]


@pytest.mark.parametrize(("bound", "left"), [("n", ["loop_bound"]), ("n + 1", []), ("m", ["loop_bound"])])
def test_a_bound_that_is_no_constant_is_shown_where_rounds_are_run_one_by_one(bound: str, left: list[str]) -> None:
    text = f"""
def f(n: u64, m: u64) -> None:
    requires(n < 100)
    for i in range(3):
        loop_bound({bound})
        if u64(i) == n:
            break
"""
    assert failures(text) == left


@pytest.mark.parametrize("claim", ['self.other[0] == 0 and self.text.bytes() == b"\\0\\0"', "True"])
def test_an_invariant_may_read_one_array_and_compare_another(claim: str) -> None:
    text = f"""
@struct
class Name:
    text: Array[u8] = array(2)
    other: Array[u8] = array(2)

    @invariant
    def is_zero(self) -> bool:
        return {claim}

def f(name: Name) -> None:
    name.text[0] = 1
"""
    assert failures(text) == ([] if claim == "True" else ["invariant"])


@pytest.mark.parametrize(("most", "left"), [(4, []), (3, ["invariant"])])
def test_of_parts_that_are_made_there_are_as_many_as_the_array_is_long(most: int, left: list[str]) -> None:
    text = f"""
@struct
class Part:
    place: u32 = 0
    number: u32 = 0

    @invariant
    def fits(self) -> bool:
        return self.number < {most}

@struct
class Whole:
    parts: Array[Embedded[Part]] = array(4)

def f() -> None:
    whole = Whole()
    whole.parts[1].number = 3
"""
    assert failures(text) == left


def test_an_invariant_that_reads_nothing_of_the_object_is_due_when_one_is_made() -> None:
    text = """
MOST = 3

@struct
class Thing:
    n: u32 = 0

    @invariant
    def is_possible(self) -> bool:
        return MOST > 5

def f() -> None:
    Thing()
"""
    assert failures(text) == ["invariant"]


@pytest.mark.parametrize(("name", "left"), [("_f", ["invariant"]), ("f", ["invariant"])])
@pytest.mark.parametrize("mark", ["", "@inline"])
def test_a_private_function_that_nobody_calls_begins_and_ends_like_others(
    mark: str, name: str, left: list[str]
) -> None:
    text = f"""
@struct
class T:
    n: u32 = 0
    @invariant
    def ok(self) -> bool:
        return self.n < 5

def q(t: T) -> u32:
    ensures(lambda result: result < 5)
    return t.n

{mark}
def {name}(t: T) -> None:
    t.n = 9
    assert q(t) < 5
"""
    assert failures(text, name) == left
    assert failures(text.replace("t.n = 9", "t.n = 4"), name) == []


@pytest.mark.parametrize("place", ["h.p", "h.q[1]"])
def test_who_is_renewed_has_its_ghost_fields_anew(place: str) -> None:
    text = f"""
@struct
class P:
    n: u32 = 3
    g: Ghost[u32] = 0

@struct
class H:
    p: Embedded[P] = P()
    q: Array[Embedded[P]] = array(2)

def f(h: H) -> None:
    requires({place}.g == 4)
    ensures(lambda: {place}.g == 4)
    renew({place})

def g(h: H, n: u32) -> None:
    requires({place}.g == 4)
    ensures(lambda: {place}.g == 4)
    for _ in range(n):
        renew({place})
"""
    assert failures(text) == failures(text, "g") == ["ensures"]


def test_one_invariant_may_promise_something_others_are_looked_at_all_the_same() -> None:
    text = """
@struct
class T:
    n: u32 = 0
    @invariant
    def one(self) -> bool:
        ensures(lambda result: result == (self.n < 5))
        return self.n < 5
    @invariant
    def two(self) -> bool:
        return self.n > 7

def f(t: T) -> u32:
    return t.n
"""
    assert failures(text, "T.two") == ["possible"]


def test_a_constant_beyond_its_width_is_infinite() -> None:
    assert failures("def f(n: u32) -> f32:\n    x: f32 = 1e300\n    assert n < 5\n    return x\n") == ["assert"]
