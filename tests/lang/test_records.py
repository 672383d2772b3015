"""Structs, values, enums, handles, ends of lives."""

import copy
import math
import pickle
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest

from neokernel import lang
from neokernel.lang.integers import u8, u16, u32, u64

Load = Callable[[str], ModuleType]

SAMPLE = """
class Color(Enum):
    RED = 0
    GREEN = 7

@value
class Point:
    x: u32
    y: u32 = 5

    def sum(self) -> u32:
        return self.x + self.y

@value
class Pair:
    left: Point
    right: Point | None = None
    ratio: f64 = 0.0

@struct
class Inner:
    count: u16 = 3

@struct
class Node:
    next: Node | None = None
    value: u8 = 0
    color: Color = Color.RED
    at: Point = Point(1)
    inner: Embedded[Inner] = Inner()
    items: Array[u32] = array(3)
    inners: Array[Embedded[Inner]] = array(2)
    maybe: u16 | Color | None = None
    cell: Atomic[u16] = Atomic(9)
    mark: Ghost[u64] = 0
    owner: Handle[Node] = Handle(1, 2)
    flag: bool = False
"""


@pytest.fixture
def m(load: Load) -> Any:
    return load(SAMPLE)


def test_fields_hold_their_types(m: Any) -> None:
    node = m.Node(value=7)
    assert type(node.value) is u8
    assert type(node.inner.count) is u16
    assert type(node.items[0]) is u32
    assert type(node.mark) is u64
    assert type(node.owner.index) is u32
    node.value = 9
    assert type(node.value) is u8
    node.maybe = 3
    assert type(node.maybe) is u16
    node.maybe = m.Color.GREEN
    node.next = node
    assert node.next.next is node
    assert type(node.cell.load()) is u16


def test_defaults_are_evaluated_each_time(m: Any) -> None:
    first, second = m.Node(), m.Node()
    assert first.inner is not second.inner
    first.items[0] = 5
    assert second.items[0] == 0
    assert first.inners[0] is not first.inners[1]


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("value", 256),
        ("value", -1),
        ("value", u16(1)),
        ("value", True),
        ("value", 1.5),
        ("value", None),
        ("color", 0),
        ("next", 5),
        ("at", (1, 2)),
        ("flag", 1),
        ("maybe", 70000),
        ("maybe", u8(1)),
        ("owner", 1),
        ("inner", None),
        ("items", [1, 2, 3]),
        ("nonsense", 1),
    ],
)
def test_what_fields_reject(m: Any, name: str, content: object) -> None:
    with pytest.raises(lang.StaticError):
        setattr(m.Node(), name, content)
    with pytest.raises(TypeError):
        m.Node(**{name: content})


def test_inline_fields_are_never_rebound(m: Any) -> None:
    node = m.Node()
    for name in ("inner", "items", "inners", "cell"):
        with pytest.raises(lang.FieldError):
            setattr(node, name, getattr(m.Node(), name))
    with pytest.raises(lang.StaticError):
        node.inners[0] = m.Inner()
    with pytest.raises(lang.FieldError):
        del node.value
    with pytest.raises(TypeError):
        m.Node(None)  # keyword-only
    assert m.Node(inner=m.Inner(count=8)).inner.count == 8


def test_structs_have_identity(m: Any) -> None:
    a, b = m.Inner(), m.Inner()
    assert a != b
    assert len({a, b, a}) == 2


def test_values(m: Any) -> None:
    point = m.Point(3)
    assert (point.x, point.y) == (3, 5)
    assert type(point.y) is u32
    assert type(point.sum()) is u32
    assert point == m.Point(x=3, y=5) != m.Point(3, 6)
    assert hash(point) == hash(m.Point(3, 5))
    assert repr(point) == "Point(x=3, y=5)"
    assert lang.replace(point, y=9) == m.Point(3, 9)
    assert m.Pair(point, point) == m.Pair(m.Point(3), m.Point(3))
    assert m.Pair(point, None) != m.Pair(point, point)
    assert point != 3
    for attempt in (
        lambda: setattr(point, "x", 1),
        lambda: delattr(point, "x"),
        lambda: lang.replace(point, z=1),
        lambda: m.Point(-1),
        lambda: m.Point(u8(1)),
        lambda: lang.replace(m.Inner(), count=1),
    ):
        with pytest.raises(lang.StaticError):
            attempt()
    match point:
        case m.Point(x, y):
            assert (x, y) == (3, 5)
    assert copy.deepcopy(point) == point


def test_nan_differs_from_itself_inside_values(m: Any) -> None:
    pair = m.Pair(m.Point(1), None, math.nan)
    assert pair != pair


def test_enums(m: Any) -> None:
    assert m.Color(u8(7)) is m.Color.GREEN
    assert m.Color(7) is m.Color.GREEN
    assert f"{m.Color.RED} {m.Color.RED.name}" == "Color.RED RED"
    for absent in (1, u64(300)):
        with pytest.raises(lang.NotAMember):
            m.Color(absent)
    with pytest.raises(lang.StaticError):
        m.Color("RED")


def test_representation(m: Any) -> None:
    assert repr(m.Inner()) == "Inner(count=3)"
    node = m.Node()
    node.next = node
    lines = repr(node).splitlines()
    assert lines[0] == "Node("
    assert lines[1].startswith("    next=<Node at 0x")
    assert "    color=Color.RED," in lines
    assert "    inner=Inner(count=3)," in lines


def test_deep_copies_of_the_host(m: Any) -> None:
    node = m.Node(value=4)
    twin = copy.deepcopy(node)
    twin.items[0] = 8
    twin.value = 5
    assert (node.items[0], node.value) == (0, 4)
    assert type(twin.items[0]) is u32


def test_handles() -> None:
    handle: Any = lang.Handle(1, 2)
    assert handle == lang.Handle(1, 2) != lang.Handle(1, 3)
    assert hash(handle) == hash(lang.Handle(1, 2))
    with pytest.raises(lang.FieldError):
        handle.index = 3
    with pytest.raises(lang.ConstantError):
        lang.Handle(2**32, 0)
    assert pickle.loads(pickle.dumps(u8(3))) == u8(3)
    assert copy.deepcopy(handle) == handle
    assert repr(handle) == "Handle(index=1, generation=2)"


def test_atomic_cells() -> None:
    cell: Any = lang.Atomic(u8(250))
    assert cell.fetch_add(10) == u8(250)
    assert cell.load(lang.Order.ACQUIRE) == u8(4)
    assert cell.fetch_sub(5) == u8(4)
    assert cell.exchange(0b1100) == u8(255)
    assert cell.fetch_and(0b0110) == u8(0b1100)
    assert cell.fetch_or(0b1000) == u8(0b0100)
    assert cell.fetch_xor(0b1111) == u8(0b1100)
    assert cell.compare_exchange(3, 9, lang.Order.RELEASE)
    assert not cell.compare_exchange(3, 10)
    assert cell.load() == u8(9)
    cell.store(1)
    assert repr(cell) == "Atomic(1)"
    attempts: list[Callable[[], Any]] = [
        lambda: cell.store(256),
        lambda: cell.store(u16(1)),
        lambda: cell.load(1),
        lambda: lang.Atomic().load(),
    ]
    for attempt in attempts:
        with pytest.raises(lang.StaticError):
            attempt()


def test_retired_objects_are_dead(m: Any) -> None:
    node = m.Node()
    inner, items, part, element = node.inner, node.items, node.items[1:], node.inners[0]
    view, cell = node.items.view(), node.inners
    lang.retire(node)
    for access in (
        lambda: node.value,
        lambda: setattr(node, "value", 1),
        lambda: node.anything,
        lambda: len(node),
        lambda: node[0],
        lambda: inner.count,
        lambda: items[0],
        lambda: items.__setitem__(0, 1),
        lambda: list(part),
        lambda: part[0],
        lambda: items[0:1],
        lambda: view[2],
        lambda: cell[0],
        lambda: element.count,
        lambda: lang.retire(node),
    ):
        with pytest.raises(lang.DeadObject):
            access()
    assert repr(node) == "<dead Node>"
    assert repr(items) == "<dead Array>"
    with pytest.raises(lang.StaticError):
        lang.retire(u8(1))


def test_generic_structs(load: Load) -> None:
    m: Any = load(
        """
        T = TypeVar("T")

        @struct
        class Cell(Generic[T]):
            item: T

        @struct
        class Ring(Generic[T]):
            slots: Array[T]
            used: usize = 0

            def push(self, item: T) -> None:
                self.slots[self.used] = item
                self.used += 1

            def top(self) -> T:
                return self.slots[self.used]

        @struct
        class Outer(Generic[T]):
            ring: Embedded[Ring[T]]

        @struct
        class Box:
            ring: Embedded[Ring[u8]] = Ring(slots=array(3))
            outer: Embedded[Outer[u16]] = Outer(ring=Ring(slots=array(2)))

        def local() -> u32:
            ring: Ring[u32] = Ring(slots=array(4))
            return ring.top()

        def taken(ring: Ring[u16]) -> u16:
            return ring.top()

        def pick(items: Span[T], index: usize) -> T:
            return items[index]
        """
    )
    box = m.Box()
    assert type(box.ring.top()) is u8
    assert type(box.outer.ring.top()) is u16
    box.ring.push(u8(1))
    with pytest.raises(lang.StaticError):
        box.ring.push(u16(1))
    with pytest.raises(lang.StaticError):
        box.ring.push(5)
    assert type(m.local()) is u32
    ring = m.Ring(slots=lang.array(2))
    with pytest.raises(lang.StaticError, match="element type"):
        ring.top()
    assert type(m.taken(ring)) is u16
    with pytest.raises(lang.StaticError):
        m.Box(ring=ring)
    assert type(m.Ring[u8](slots=lang.array(2)).top()) is u8
    assert type(m.pick(box.ring.slots, 0)) is u8
    with pytest.raises(lang.StaticError):
        m.Cell(item=5)


def test_classes_may_name_each_other(load: Load) -> None:
    m: Any = load(
        """
        @struct
        class A:
            b: B | None = None
            c: "C | None" = None
            v: Later = Later(3)

        @struct
        class B:
            a: A

        @value
        class Later:
            x: u8

        C = A
        """
    )
    a = m.A()
    a.b = m.B(a=a)
    assert a.b.a is a
    with pytest.raises(lang.StaticError):
        a.b = a
    with pytest.raises(lang.StaticError):
        m.B(a=None)


def test_structs_of_the_host() -> None:
    @lang.struct
    class Host:
        number: u8 = 3  # type: ignore[valid-type]

    host = Host()
    assert type(host.number) is u8
    with pytest.raises(lang.StaticError):
        host.number = 256
    with pytest.raises(lang.StaticError, match="identity"):

        @lang.struct
        class Shared:
            items: lang.Array[u8] = lang.array(3)  # type: ignore[valid-type]


def test_arrays_of_generic_values_are_zeroes_once_their_types_are_known(load: Load) -> None:
    module: Any = load(
        """
        K = TypeVar("K")

        @value
        class Entry(Generic[K]):
            used: bool
            key: K

        @struct
        class Table(Generic[K]):
            entries: Array[Entry[K]]

        @struct
        class Outer:
            table: Embedded[Table[u16]] = Table(entries=array(2))

        def f(outer: Outer) -> u16:
            found = outer.table.entries[1]
            outer.table.entries[1] = Entry(True, u16(7))
            return found.key + outer.table.entries[1].key
        """
    )
    outer = module.Outer()
    assert module.f(outer) == 7
    assert module.f(outer) == 14
