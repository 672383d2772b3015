"""Ends and beginnings of lives under CPython: `renew`, and embedded objects that are made without being mentioned."""

from typing import Any

import pytest

from neokernel import lang
from neokernel.lang import u8, u32

from .conftest import Fails, Load

SAMPLE = """
    T = TypeVar("T")

    @wire
    class Header:
        port: u16

    @struct
    class Inner:
        count: u32 = 7
        items: Array[u8] = array(3)

    @struct
    class Node:
        value: u32 = 1
        next: Node | None = None
        inner: Embedded[Inner]
        special: Embedded[Inner] = Inner(count=9)
        inners: Array[Embedded[Inner]] = array(2)
        hits: Atomic[u32] = Atomic(2)
        header: Embedded[Header] = Header()

    @struct
    class Slot(Generic[T]):
        item: Embedded[T]
        generation: u32 = 0

    @struct
    class Pool(Generic[T]):
        slots: Array[Embedded[Slot[T]]]
        spare: Embedded[Slot[T]]

        def item(self, index: usize) -> T:
            return self.slots[index].item

    @struct
    class Machine:
        pool: Embedded[Pool[Node]] = Pool(slots=array(3))
        node: Embedded[Node]

    def local(index: usize) -> Node:
        pool: Pool[Node] = Pool(slots=array(4))
        return pool.item(index)

    def explicit() -> Node:
        return Pool[Node](slots=array(4)).spare.item

    def taken(pool: Pool[Node]) -> Node:
        return pool.spare.item

    def remake(node: Node) -> None:
        renew(node)
"""


@pytest.fixture
def m(load: Load) -> Any:
    return load(SAMPLE)


def test_embedded_objects_are_made_by_their_defaults(m: Any) -> None:
    node = m.Node()
    assert type(node.inner) is m.Inner
    assert (int(node.inner.count), int(node.special.count)) == (7, 9)
    mine = m.Inner(count=u32(3))
    assert m.Node(inner=mine).inner is mine
    with pytest.raises(lang.FieldError, match="never rebound"):
        node.inner = mine


def test_embedded_objects_of_a_type_that_becomes_known(m: Any) -> None:
    for node in (m.local(3), m.explicit(), m.Machine().pool.item(2), m.taken(m.Pool(slots=lang.array(1)))):
        assert type(node) is m.Node
        assert int(node.value) == 1
    machine = m.Machine()
    assert machine.pool.item(0) is machine.pool.slots[0].item
    assert machine.pool.item(0) is not machine.pool.item(1)
    unknown = m.Pool(slots=lang.array(1))
    with pytest.raises(lang.StaticError, match="type arguments"):
        _ = unknown.spare.item
    with pytest.raises(lang.StaticError, match="element type"):
        unknown.item(0)
    with pytest.raises(lang.StaticError, match="other type arguments"):
        m.taken(m.Pool[m.Inner](slots=lang.array(1)))


def test_renewed_objects_are_new(m: Any) -> None:
    machine = m.Machine()
    slot = machine.pool.slots[1]
    node = slot.item
    node.value, node.inner.count, node.next = u32(5), u32(6), node
    inner = node.inner
    lang.retire(node)
    assert slot.item is node
    m.remake(slot.item)
    assert int(slot.item.value) == 1
    assert int(slot.item.inner.count) == 7
    assert slot.item.next is None
    for old in (lambda: node.value, lambda: inner.count, lambda: lang.retire(node), lambda: lang.renew(node)):
        with pytest.raises(lang.DeadObject):
            old()
    lang.retire(slot)
    lang.renew(machine.pool.slots[1])
    assert type(machine.pool.item(1)) is m.Node
    with pytest.raises(lang.DeadObject):
        _ = slot.generation


def test_living_objects_are_renewed_in_place(m: Any) -> None:
    machine = m.Machine()
    node = machine.node
    inner, items, element, first = node.inner, node.inner.items, node.inners, node.inners[0]
    node.value, inner.count, items[1], first.count = u32(2), u32(3), u8(4), u32(5)
    node.special.count = u32(1)
    node.hits.store(u32(6))
    node.header.port = lang.u16(80)
    lang.retire(node.inners[1])
    lang.renew(node)
    assert machine.node is node and node.inner is inner and node.inners is element and element[0] is first
    assert [int(n) for n in (node.value, inner.count, items[1], first.count)] == [1, 7, 0, 7]
    assert int(node.special.count) == 9
    assert int(node.hits.load()) == 2
    assert int(node.header.port) == 0
    assert int(node.inners[1].count) == 7
    lang.renew(machine)
    assert int(machine.pool.item(2).value) == 1


def test_only_objects_in_a_place_are_made_anew(m: Any) -> None:
    node = m.Node()
    lang.renew(node)
    lang.retire(node)
    with pytest.raises(lang.DeadObject):
        lang.renew(node)
    machine = m.Machine()
    inside = machine.pool.item(0)
    lang.retire(machine)
    with pytest.raises(lang.DeadObject):
        lang.renew(inside)
    others: list[Any] = [u8(1), m.Header(), lang.array(3), None]
    for other in others:
        with pytest.raises(lang.StaticError, match="object of a @struct"):
            lang.renew(other)


def test_views_of_the_dead(m: Any) -> None:
    node = m.Node()
    data = node.inner.items.bytes()
    assert data == bytes(3)
    lang.retire(node)
    for access in (lambda: data == b"abc", lambda: bytes(data), lambda: hash(data)):
        with pytest.raises(lang.DeadObject):
            access()


def test_a_renewed_object_is_got_again(fails: Fails) -> None:
    text = """
    @struct
    class S:
        a: u8 = 1

    @struct
    class Home:
        s: Embedded[S]

    def f() -> u8:
        home = Home()
        s = home.s
        retire(home.s)
        renew(home.s)
        assert home.s.a == 1
        return ⟦s.a⟧
    """
    fails("dead", text)
