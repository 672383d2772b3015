"""Physical memory under CPython: identity, zeroes, sharing of plain memory, overlap, ends of lives, addresses."""

from __future__ import annotations

from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest

from neokernel import lang
from neokernel.lang import DeadObject, u8, u16, u32, u64
from neokernel.sim.physical import POISON, MemoryFault, PhysicalMemory, UnsetField

SAMPLE = '''
"""Objects of all kinds."""

from __future__ import annotations

from enum import Enum

from neokernel.lang import Array, Atomic, Embedded, Ghost, Span, array, struct, u8, u16, u32, u64, value, wire


class Color(Enum):
    RED = 0
    BLUE = 1


@value
class Pair:
    a: u32
    b: u32


@struct
class Links:
    next: Node | None = None
    previous: Node | None = None


@struct
class Node:
    links: Embedded[Links]
    owner: Table
    kind: None | Node | Table = None
    number: u64 = 5
    color: Color = Color.BLUE
    on: bool = True
    pair: Pair = Pair(1, 2)
    words: Array[u16] = array(4)
    others: Array[Node | None] = array(2)
    inner: Array[Embedded[Links]] = array(3)
    seen: Ghost[u32] = 7


@struct
class Registers:
    pc: u64 = 0
    ra: u64 = 0
    sp: u64 = 0
    full: u8 = 0


@struct
class Thread:
    table: Table | None = None
    registers: Embedded[Registers]


@struct
class Table:
    nodes: Span[Embedded[Node]]
    size: u32 = 0


@struct
class Small:
    low: u8 = 1
    high: u32 = 2


@struct
class Page:
    words: Array[u64] = array(508)
    flags: Array[Atomic[u32]] = array(4)
    count: Atomic[u32] = Atomic(9)
    small: Embedded[Small] = Small()
    smalls: Array[Embedded[Small]] = array(0)
    tail: u32 = 4


@wire
class Header:
    size: u16
    kind: u16
    rest: Array[u8] = array(4)
'''

BASE = 0x1000_0000_0000

#: for type checkers it takes no class that is made at run time
EMBEDDED: Any = lang.Embedded


@pytest.fixture(scope="module")
def sample() -> ModuleType:
    return lang.load_module(SAMPLE, "physical_sample")


@pytest.fixture
def memory() -> Iterator[PhysicalMemory]:
    made = PhysicalMemory(BASE, 1 << 20)
    before = lang.set_simulator(made)
    yield made
    lang.set_simulator(before)


def test_zeroed_memory_is_an_object_of_zeroes(memory: PhysicalMemory, sample: Any) -> None:
    node = lang.object_at(sample.Node, u64(BASE))
    assert type(node) is sample.Node
    assert node.number == 0 and type(node.number) is u64
    assert node.color is sample.Color.RED and node.on is False and node.kind is None
    assert node.pair == sample.Pair(0, 0)
    assert list(node.words) == [0] * 4 and list(node.others) == [None, None]
    assert node.links.next is None and node.inner[2].previous is None
    assert node.seen == 7, "a ghost isn't in memory"


def test_a_new_object_needs_memory_where_nothing_lives(memory: PhysicalMemory, sample: Any) -> None:
    node = lang.new_at(sample.Node, u64(BASE))
    assert node is lang.object_at(sample.Node, u64(BASE))
    with pytest.raises(MemoryFault, match=r"a new Node at 0x100000000000: Node at 0x100000000000 is there, and lives"):
        lang.new_at(sample.Node, u64(BASE))


def test_a_reference_that_cant_be_none_is_unset(memory: PhysicalMemory, sample: Any) -> None:
    node = lang.object_at(sample.Node, u64(BASE))
    with pytest.raises(UnsetField, match=r"Node.owner at 0x100000000000 is read before"):
        _ = node.owner
    node.owner = lang.object_at(sample.Table, u64(BASE + 0x1000))
    assert lang.address_of(node.owner) == BASE + 0x1000
    with pytest.raises(AttributeError):
        _ = node.nothing


def test_an_address_names_one_object(memory: PhysicalMemory, sample: Any) -> None:
    node = lang.object_at(sample.Node, u64(BASE))
    assert lang.object_at(sample.Node, u64(BASE)) is node
    assert lang.object_at(sample.Links, u64(BASE)) is node.links, "the first field has the same address"
    assert lang.object_at(sample.Node, u64(BASE + 0x1000)) is not node


def test_addresses_are_those_of_the_layout(memory: PhysicalMemory, sample: Any) -> None:
    nodes = lang.span_at(EMBEDDED[sample.Node], u64(BASE), 3)
    size, inner = lang.size_of(sample.Node), lang.offset_of(sample.Node, "inner")
    assert lang.address_of(nodes[2]) == BASE + 2 * size
    assert lang.address_of(nodes[1].inner[2]) == BASE + size + inner + 2 * lang.size_of(sample.Links)
    assert lang.address_of(nodes[1].words[1:]) == BASE + size + lang.offset_of(sample.Node, "words") + 2
    assert lang.object_at(sample.Node, u64(BASE + size)) is nodes[1]
    assert lang.object_at(sample.Links, lang.address_of(nodes[1].inner[2])) is nodes[1].inner[2]
    again = lang.span_at(EMBEDDED[sample.Node], u64(BASE + size), 2)
    assert again[0] is nodes[1] and len(again) == 2
    words = lang.span_at(u16, lang.address_of(nodes[1].words), 4)
    words[3] = u16(9)
    assert nodes[1].words[3] == 9


def test_fields_of_one_width_are_words(memory: PhysicalMemory, sample: Any) -> None:
    thread = lang.object_at(sample.Thread, u64(BASE))
    words = lang.span_at(u64, lang.address_of(thread.registers), 3)
    words[1] = u64(7)
    thread.registers.sp = 9
    assert thread.registers.ra == 7 and list(words) == [0, 7, 9] and list(words[1:3]) == [7, 9]
    lang.copy(words[0:2], words[1:3].view())
    assert thread.registers.pc == 7 and thread.registers.ra == 9 and type(thread.registers.pc) is u64
    assert lang.address_of(words[2:]) == BASE + 8 + 16
    with pytest.raises(MemoryFault, match="Thread"):
        lang.span_at(u64, u64(BASE + 8), 5)


def test_what_is_inside_something_else_isnt_found(memory: PhysicalMemory, sample: Any) -> None:
    lang.object_at(sample.Node, u64(BASE))
    with pytest.raises(MemoryFault, match="Node at 0x100000000000 is there, and lives"):
        lang.object_at(sample.Small, u64(BASE + 8))
    with pytest.raises(MemoryFault, match="overlap"):
        lang.object_at(sample.Node, u64(BASE + 8))
    with pytest.raises(MemoryFault, match="Node at 0x100000000000"):
        lang.span_at(u64, u64(BASE), 2)
    with pytest.raises(MemoryFault, match="Node"):
        memory.read(BASE, 8)


def test_plain_memory_is_seen_in_many_ways(memory: PhysicalMemory, sample: Any) -> None:
    page = lang.object_at(sample.Page, u64(BASE))
    words = lang.span_at(u64, u64(BASE), 512)
    assert isinstance(page, sample.Page) and lang.object_at(sample.Page, u64(BASE)) is page
    page.words[3] = 0x1122
    page.flags[2].store(7)
    page.count.fetch_add(2)
    page.small.low = 3
    page.small.high = 0xFFFF_FFFF
    page.tail = 8
    assert words[3] == 0x1122 and type(words[3]) is u64
    assert words[509] == 7 and words[510] == 2 | 3 << 32 and words[511] == 0xFFFF_FFFF | 8 << 32
    words[510] = u64(6)
    assert page.count.load() == 6 and page.small.low == 0 and type(page.small.low) is u8
    assert page.count.compare_exchange(6, 1) and memory.read(BASE + 508 * 8 + 16, 4) == b"\x01\0\0\0"
    memory.write(BASE, b"\x05" + bytes(7))
    assert page.words[0] == 5 and list(page.words[0:2]) == [5, 0]
    lang.copy(page.words[0:2], page.words[2:4].view())
    assert words[1] == 0x1122
    assert bytes(lang.span_at(u8, u64(BASE + 8), 4).bytes()) == b"\x22\x11\0\0"
    assert lang.address_of(page.words[2:]) == BASE + 16 and lang.address_of(page.small) == BASE + 508 * 8 + 20
    with pytest.raises(lang.IndexOutOfRange):
        _ = words[512]


def test_fields_of_plain_memory_are_checked(memory: PhysicalMemory, sample: Any) -> None:
    page = lang.object_at(sample.Page, u64(BASE))
    with pytest.raises(lang.StaticError):
        page.tail = u64(1)
    with pytest.raises(lang.ConstantError):
        page.small.low = 256


def test_wire_objects_show_plain_memory(memory: PhysicalMemory, sample: Any) -> None:
    header = lang.object_at(sample.Header, u64(BASE + 2))
    header.kind = 0x0102
    header.rest[1] = 9
    assert memory.read(BASE, 8) == b"\0\0\0\0\x02\x01\0\x09"
    assert lang.address_of(header) == BASE + 2
    lang.object_at(sample.Node, u64(BASE + 0x1000))
    with pytest.raises(MemoryFault, match="Node"):
        lang.object_at(sample.Header, u64(BASE + 0x1000))


def test_memory_ends(memory: PhysicalMemory, sample: Any) -> None:
    with pytest.raises(MemoryFault, match="memory is 0x100000000000 to 0x100000100000"):
        lang.object_at(sample.Node, u64(BASE + (1 << 20) - 8))
    with pytest.raises(MemoryFault):
        lang.span_at(u64, u64(BASE - 8), 2)
    with pytest.raises(MemoryFault, match="not a multiple of 8"):
        lang.object_at(sample.Node, u64(BASE + 4))


def test_a_retired_object_leaves_garbage(memory: PhysicalMemory, sample: Any) -> None:
    node = lang.object_at(sample.Node, u64(BASE))
    links = node.links
    lang.retire(node)
    for dead in (node, links):
        with pytest.raises(DeadObject):
            _ = dead.next
        with pytest.raises(DeadObject):
            lang.address_of(dead)
    with pytest.raises(MemoryFault, match="Node at 0x100000000000: its memory isn't cleared"):
        lang.object_at(sample.Node, u64(BASE))
    assert memory.read(BASE, 2) == bytes([POISON]) * 2
    memory.clear(BASE, 4096)
    fresh = lang.object_at(sample.Node, u64(BASE))
    assert fresh is not node and fresh.number == 0
    assert lang.object_at(sample.Links, u64(BASE)) is fresh.links is not links


def test_clearing_ends_lives(memory: PhysicalMemory, sample: Any) -> None:
    nodes = lang.span_at(EMBEDDED[sample.Node], u64(BASE), 100)
    first, last = nodes[0], nodes[99]
    lang.retire(first)
    memory.clear(BASE + 64, 64)  # only a part: nothing of it can be used any more
    with pytest.raises(DeadObject):
        _ = last.number
    with pytest.raises(DeadObject):
        _ = nodes[5]
    assert memory.read(BASE + 63, 2) == bytes([POISON, 0])
    assert memory.living() == []


def test_an_array_lives_while_one_of_its_elements_does(memory: PhysicalMemory, sample: Any) -> None:
    nodes = lang.span_at(EMBEDDED[sample.Node], u64(BASE), 2)
    lang.retire(nodes[0])
    assert [owner.start for owner in memory.living()] == [BASE]
    with pytest.raises(MemoryFault, match="lives"):
        lang.object_at(sample.Table, u64(BASE))
    lang.retire(nodes[1])
    assert memory.living() == []


def test_an_object_needs_cleared_memory(memory: PhysicalMemory, sample: Any) -> None:
    memory.write(BASE + 40, b"\x01")
    with pytest.raises(MemoryFault, match="isn't cleared"):
        lang.object_at(sample.Node, u64(BASE))
    memory.clear(BASE, 64)
    assert lang.object_at(sample.Node, u64(BASE)).number == 0


def test_a_view_ends_when_something_else_comes(memory: PhysicalMemory, sample: Any) -> None:
    page = lang.object_at(sample.Page, u64(BASE))
    node = lang.object_at(sample.Node, u64(BASE))
    with pytest.raises(MemoryFault, match="Node"):
        lang.object_at(sample.Page, u64(BASE))
    lang.retire(node)
    memory.clear(BASE, 4096)
    assert lang.object_at(sample.Page, u64(BASE)) is not page


def test_renewal_in_place(memory: PhysicalMemory, sample: Any) -> None:
    node = lang.object_at(sample.Links, u64(BASE))
    lang.retire(node)
    lang.renew(node)
    fresh = lang.object_at(sample.Links, u64(BASE))
    assert fresh is not node and lang.address_of(fresh) == BASE
    spans: Any = lang.span_at(EMBEDDED[sample.Links], u64(BASE + 64), 2)
    lang.retire(spans[1])
    old = spans._cells[1]
    lang.renew(old)
    assert lang.address_of(spans[1]) == BASE + 64 + 16


def test_objects_elsewhere_have_addresses_of_their_own(memory: PhysicalMemory, sample: Any) -> None:
    one, two = sample.Links(), sample.Links()
    assert lang.address_of(one) == lang.address_of(one) != lang.address_of(two)
    local: Any = lang.array(3)
    with pytest.raises(MemoryFault, match="doesn't lie in memory"):
        lang.address_of(local)


def test_memory_has_no_processor(memory: PhysicalMemory) -> None:
    with pytest.raises(MemoryFault, match="wfi"):
        lang.asm("wfi")


def test_an_empty_span_is_anywhere(memory: PhysicalMemory, sample: Any) -> None:
    assert len(lang.span_at(EMBEDDED[sample.Node], u64(0), 0)) == 0
    assert len(lang.span_at(u32, u64(BASE), 0)) == 0
