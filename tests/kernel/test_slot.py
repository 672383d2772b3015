"""Capabilities and their tree, against a tree of Python lists."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from neokernel.abi import boot
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding
from neokernel.abi.rights import ALL, CONTROL, EXECUTE, READ, SEND
from neokernel.abi.status import Status
from neokernel.kernel import slot as slots
from neokernel.kernel.objects import (
    BADGED,
    ENTRY_EXECUTE,
    ENTRY_READ,
    ENTRY_WRITE,
    LARGE,
    MAXIMUM_DEPTH,
    OWNER,
    PINNED,
    REVOKING,
    USER,
    VALID,
    CapTable,
    Endpoint,
    Memory,
    PageTable,
    Slot,
    is_allowed,
)
from neokernel.lang import u16, u64
from neokernel.lang.failures import ContractFailed
from tests.kernel.invariants import check_derivation
from tests.kernel.support import Machine, embedded, status_of


@pytest.fixture
def machine() -> Machine:
    return Machine()


class Tree:
    """What derivation should make: for each slot its children, latest first."""

    def __init__(self, root: Slot) -> None:
        self.children: dict[int, list[Slot]] = {id(root): []}
        self.parent: dict[int, Slot] = {}
        self.slots = [root]

    def add(self, parent: Slot, child: Slot) -> None:
        self.children[id(parent)].insert(0, child)
        self.children[id(child)] = []
        self.parent[id(child)] = parent
        self.slots.append(child)

    def remove(self, leaf: Slot) -> None:
        assert not self.children.pop(id(leaf))
        siblings = self.children[id(self.parent.pop(id(leaf)))]
        siblings[:] = [each for each in siblings if each is not leaf]
        self.slots = [each for each in self.slots if each is not leaf]

    def move(self, source: Slot, target: Slot) -> None:
        parent = self.parent.pop(id(source))
        siblings = self.children[id(parent)]
        siblings[:] = [target if each is source else each for each in siblings]
        self.children[id(target)] = self.children.pop(id(source))
        self.parent[id(target)] = parent
        self.slots = [target if each is source else each for each in self.slots]

    def in_order(self) -> list[Slot]:
        found, todo = [], [self.slots[0]]
        while todo:
            each = todo.pop()
            found.append(each)
            todo.extend(reversed(self.children[id(each)]))
        return found


@given(st.lists(st.tuples(st.sampled_from(["derive", "derive", "empty", "move"]), st.integers(0, 1000)), max_size=80))
def test_the_list_is_the_tree_in_depth_first_order(actions: list[tuple[str, int]]) -> None:
    machine = Machine()
    root = Slot(object=Endpoint(), rights=ALL)
    tree = Tree(root)
    for action, number in actions:
        chosen = tree.slots[number % len(tree.slots)]
        if action == "derive" and slots.derivable(machine.hart, chosen):
            made = Slot()
            slots.derive(machine.hart, chosen, made, ALL)
            tree.add(chosen, made)
        elif action == "empty":
            leaf = slots.first_leaf(chosen)
            assert (leaf is not None) == slots.has_children(chosen) == bool(tree.children[id(chosen)])
            if leaf is not None:
                assert not slots.has_children(leaf)
                slots.empty(leaf)
                tree.remove(leaf)
                assert leaf.object is None and leaf.next is None and leaf.previous is None and leaf.parent is None
        elif action == "move" and chosen is not root and not tree.children[id(chosen)]:
            target = Slot()
            slots.relocate(chosen, target)
            tree.move(chosen, target)
            assert chosen.object is None
        listed = check_derivation(root)
        assert [id(each) for each in listed] == [id(each) for each in tree.in_order()]


def test_a_copy_has_fewer_rights_and_the_same_name(machine: Machine) -> None:
    source, copy, more = (
        Slot(object=Endpoint(), rights=SEND | CONTROL, word=7, flags=OWNER | BADGED | LARGE),
        Slot(),
        Slot(),
    )
    slots.derive(machine.hart, source, copy, u16(SEND))
    slots.derive(machine.hart, copy, more, ALL)
    assert copy.object is source.object and copy.rights == SEND == more.rights and copy.word == 7
    assert copy.flags == BADGED | LARGE, "only the capability that retype made owns the object"
    assert slots.owns(source) and not slots.owns(copy)
    assert slots.controlled(source) and not slots.controlled(copy)


def test_depth_is_bounded(machine: Machine) -> None:
    chain = [Slot(object=Endpoint(), rights=ALL)]
    while slots.derivable(machine.hart, chain[-1]):
        chain.append(Slot())
        slots.derive(machine.hart, chain[-2], chain[-1], ALL)
    assert chain[-1].depth == MAXIMUM_DEPTH == len(chain) - 1
    assert slots.first_leaf(chain[0]) is chain[-1]


def test_nothing_is_derived_from_what_is_bound(machine: Machine) -> None:
    """And a failure of that would be one of a contract, not a tree that is wrong."""
    machine.boot()
    bound = machine.root.bindings[Binding.TABLE.value]
    assert bound.object is not None and not slots.derivable(machine.hart, bound)
    with pytest.raises(ContractFailed):
        slots.derive(machine.hart, bound, Slot(), ALL)


def test_what_has_children_isnt_emptied_or_moved(machine: Machine) -> None:
    machine.boot()
    owner = machine.table.slots[boot.OWN_TABLE]
    assert slots.has_children(owner)
    with pytest.raises(ContractFailed):
        slots.empty(owner)
    with pytest.raises(ContractFailed):
        slots.relocate(owner, Slot())


def test_nothing_is_derived_below_a_revocation(machine: Machine) -> None:
    root, child, grandchild, other = (Slot(object=Endpoint(), rights=ALL) for _ in range(4))
    for parent, made in ((root, child), (child, grandchild)):
        made.object = None
        slots.derive(machine.hart, parent, made, ALL)
    slots.begin_revocation(machine.hart, child)
    slots.begin_revocation(machine.hart, child)
    assert machine.hart.revocations == 1 and child.flags & REVOKING
    assert [slots.derivable(machine.hart, each) for each in (root, child, grandchild, other)] == [
        True,
        False,
        False,
        True,
    ]
    slots.end_revocation(machine.hart, child)
    slots.end_revocation(machine.hart, child)
    assert machine.hart.revocations == 0
    assert slots.derivable(machine.hart, grandchild)


def test_look_up() -> None:
    machine = Machine()
    table = CapTable(slots=machine.span(embedded(Slot), 3))
    table.slots[1].object = Endpoint()
    assert slots.find(table.slots, u64(1)) is table.slots[1]
    for index in (0, 2, 3, (1 << 64) - 1):
        assert slots.find(table.slots, u64(index)) is None
    assert status_of(slots.refuse(u64(3))) == (Status.WRONG_KIND, 3)
    assert status_of(slots.refuse_control()) == (Status.MISSING_RIGHT, 0)


def test_every_kind_has_its_number(machine: Machine) -> None:
    named = machine.one_of_each_kind()
    assert {kind: slots.number_of(Slot(object=each)) for kind, each in named.items()} == {
        kind: kind.value for kind in Kind
    }


def test_a_pin_isnt_copied(machine: Machine) -> None:
    source, copy = Slot(object=Memory(), rights=ALL, flags=PINNED), Slot()
    slots.derive(machine.hart, source, copy, ALL)
    assert copy.flags == 0


def test_an_entry_leads_where_its_capability_does_and_allows_no_more(machine: Machine) -> None:
    """What all contracts about page tables are made of."""
    machine.boot()
    (index,), (other,) = machine.make(Kind.PAGE_TABLE), machine.make(Kind.FRAME)
    table, frame = machine.slot(index), machine.slot(other)
    frame.rights = u16(READ | EXECUTE)
    assert isinstance(table.object, PageTable)
    below, page = (table.object.base >> 12) << 10 | VALID, (frame.word >> 12) << 10 | VALID | USER
    further = 1 << 10
    assert is_allowed(table, below)
    assert not any(is_allowed(table, entry) for entry in (below + further, below | ENTRY_READ, below | USER))
    assert is_allowed(frame, page | ENTRY_READ | ENTRY_EXECUTE)
    assert not any(is_allowed(frame, entry) for entry in (page + further, page | ENTRY_READ | ENTRY_WRITE))
    frame.rights = ALL
    assert is_allowed(frame, page | ENTRY_READ | ENTRY_WRITE)
    assert not is_allowed(frame, page | ENTRY_WRITE | ENTRY_EXECUTE)
