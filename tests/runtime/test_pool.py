"""Pools: against a model under CPython, the same history in every reading, and what fails."""

import ctypes
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from neokernel import lang
from neokernel.compiler import jit
from neokernel.lang import Handle, u32, usize
from neokernel.runtime import pool as pool_module
from tests.fuzz.observations import WORDS
from tests.support import meanings

SIZE = 4

NODES = """
from neokernel.lang import Array, Embedded, Handle, array, struct, u8, u32
from neokernel.runtime.pool import Pool

@struct
class Part:
    count: u32 = 5

@struct
class Node:
    value: u32 = 1
    next: Handle[Node] | None = None
    part: Embedded[Part]
    bytes: Array[u8] = array(3)

@struct
class Table:
    nodes: Embedded[Pool[Node]] = Pool(slots=array(4))
"""

nodes: Any = lang.load_module(NODES, "pool_nodes")


class PoolMachine(RuleBasedStateMachine):
    """The model: values of the living by handle, and all handles and objects that ever were."""

    def __init__(self) -> None:
        super().__init__()
        self.pool: Any = nodes.Table().nodes
        self.values: dict[Any, int] = {}
        self.handles: list[Any] = []
        self.gone: list[Any] = []

    @rule(value=st.integers(0, 2**32 - 1))
    def allocate(self, value: int) -> None:
        handle = self.pool.allocate()
        assert (handle is None) == (len(self.values) == SIZE)
        if handle is None:
            return
        assert handle not in self.handles
        node = self.pool.get(handle)
        assert (int(node.value), node.next, int(node.part.count), bytes(node.bytes.bytes())) == (1, None, 5, bytes(3))
        node.value, node.next, node.part.count, node.bytes[usize(1)] = u32(value), handle, u32(value), lang.u8(9)
        self.values[handle] = value
        self.handles.append(handle)

    @precondition(lambda self: self.handles)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        handle = data.draw(st.sampled_from(self.handles))
        node = self.pool.get(handle)
        assert (node is not None) == (handle in self.values)
        assert self.pool.release(handle) == (handle in self.values)
        self.values.pop(handle, None)
        if node is not None:
            self.gone.append(node)

    @precondition(lambda self: self.values)
    @rule(data=st.data(), value=st.integers(0, 2**32 - 1))
    def change(self, data: st.DataObject, value: int) -> None:
        handle = data.draw(st.sampled_from([*self.values]))
        self.pool.get(handle).value = u32(value)
        self.values[handle] = value

    @rule(index=st.integers(0, 2 * SIZE), generation=st.integers(0, 6))
    def guess(self, index: int, generation: int) -> None:
        handle: Any = Handle(index, generation)
        assert (handle in self.pool) == (handle in self.values)
        assert (self.pool.get(handle) is None) == (handle not in self.values)

    @invariant()
    def agrees(self) -> None:
        assert int(self.pool.live) == len(self.values)
        assert int(self.pool.free()) == SIZE - len(self.values)
        for handle in self.handles:
            node = self.pool.get(handle)
            assert (None if node is None else int(node.value)) == self.values.get(handle)
        visited = {}
        for index in range(len(self.pool)):
            handle, node = self.pool.handle_at(usize(index)), self.pool.at(usize(index))
            assert (handle is None) == (node is None)
            if handle is not None:
                visited[handle] = int(node.value)
        assert visited == self.values

    @invariant()
    def the_released_are_dead(self) -> None:
        for node in self.gone:
            with pytest.raises(lang.DeadObject):
                _ = node.value


PoolMachine.TestCase.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
TestPool = PoolMachine.TestCase


def test_a_slot_that_is_used_up_is_left_alone() -> None:
    pool: Any = nodes.Table().nodes
    first = pool.allocate()
    pool.slots[usize(0)].generation = u32(pool_module.USED_UP - 1)
    last: Any = Handle(0, pool_module.USED_UP - 1)
    assert pool.get(first) is None
    assert pool.release(last)
    assert not pool.release(last)
    assert int(pool.free()) == SIZE - 1
    handles = [pool.allocate() for _ in range(SIZE)]
    assert [None if handle is None else int(handle.index) for handle in handles] == [1, 2, 3, None]


def test_slots_are_numbered_up_to_the_end() -> None:
    pool: Any = nodes.Table().nodes
    for attempt in (pool.at, pool.handle_at):
        with pytest.raises(lang.IndexOutOfRange):
            attempt(usize(SIZE))


HISTORY = """
@struct
class Part:
    count: u32 = 5

@struct
class Node:
    value: u32 = 1
    next: Handle[Node] | None = None
    part: Embedded[Part]
    bytes: Array[u8] = array(3)

@struct
class Table:
    nodes: Embedded[Pool[Node]] = Pool(slots=array(5))
    handles: Array[Handle[Node] | None] = array(8)
    state: u32 = 1

    def random(self, below: u32) -> usize:
        self.state = wrapping_add(wrapping_mul(self.state, 1664525), 1013904223)
        return usize((self.state >> 16) % below)

def show(out: Output, node: Node | None) -> None:
    if node is None:
        out.put(99)
        return
    out.put(u64(node.value))
    out.put(u64(node.part.count))
    out.put(u64(node.bytes[1]))
    out.put(0 if node.next is None else u64(node.next.generation))

def step(out: Output, table: Table) -> None:
    place = table.random(8)
    handle = table.handles[place]
    match table.random(3):
        case 0:
            made = table.nodes.allocate()
            if made is None:
                out.put(1000)
                return
            out.put(u64(made.index))
            out.put(u64(made.generation))
            table.handles[place] = made
            node = table.nodes.get(made)
            assert node is not None
            show(out, node)
            node.value = u32(table.random(1000))
            node.part.count += node.value
            node.bytes[1] = u8(place)
            node.next = handle
        case 1:
            if handle is not None:
                out.put(u64(table.nodes.release(handle)))
        case _:
            if handle is not None:
                show(out, table.nodes.get(handle))

def main(out: Output) -> None:
    table = Table(state=u32(out.inputs[0]))
    for _ in range(300):
        step(out, table)
        out.put(table.nodes.live * 10 + table.nodes.free())
    for index in range(len(table.nodes)):
        show(out, table.nodes.at(index))
"""


def test_one_history_in_every_reading() -> None:
    cases = [with_pool(meanings.case(f"pool_{seed}", HISTORY, inputs=(seed,))) for seed in (1, 2, 3)]
    told = meanings.ask(cases)
    for case in cases:
        meanings.check(case, told[case.name])


def with_pool(case: meanings.Case) -> meanings.Case:
    program = meanings.Program("from neokernel.runtime.pool import Pool; " + case.program.source, case.program.inputs)
    return meanings.Case(case.name, program)


def test_the_history_where_lives_are_watched() -> None:
    """The same answers, with every access tested."""
    case = with_pool(meanings.case("pool_watched", HISTORY, inputs=(7,)))
    analysed = meanings.analyse({case.name: case.program})
    assert analysed.ir is not None
    areas = []
    for poison in (False, True):
        area = (ctypes.c_uint64 * WORDS)(0, 0, 7)
        jit.Library(analysed.ir, ("pool_watched.main",), poison=poison).call("pool_watched.main", area)
        areas.append(bytes(area))
    assert areas[0] == areas[1]
    assert meanings.interpreter(analysed)[case.name].words == tuple(memoryview(areas[0]).cast("Q"))
