"""Capabilities, specified: what copying, moving and deleting do to the derivation tree and to authority.

Each function is a statement about all arguments and all states that its `requires` allow. `nk prove` proves it, and
tests run it. An `other` is any object that isn't named: what is said of it, is said of all others.

The tree is kept as a list in preorder with depths (`neokernel/kernel/slot.py`): a copy comes right behind what it was
made from, one deeper; so it is within reach of who revokes that, or anything above.
"""

from neokernel.abi.call import status_of
from neokernel.abi.rights import ALL
from neokernel.kernel.captable import badgeable, copy, move_in
from neokernel.kernel.objects import (
    BADGED,
    PINNED,
    REVOKING,
    Frame,
    Hart,
    Slot,
    Thread,
)
from neokernel.kernel.slot import derive, empty, has_children, is_fertile, relocate
from neokernel.lang import requires, u8, u16, u64, value


@value
class Seen:
    """What a slot held."""

    rights: u16
    word: u64
    flags: u8
    depth: u8
    parent: Slot | None
    next: Slot | None
    previous: Slot | None


def look(slot: Slot) -> Seen:
    return Seen(
        rights=slot.rights,
        word=slot.word,
        flags=slot.flags,
        depth=slot.depth,
        parent=slot.parent,
        next=slot.next,
        previous=slot.previous,
    )


def has_authority(slot: Slot, seen: Seen) -> bool:
    return slot.rights == seen.rights and slot.word == seen.word and slot.flags == seen.flags


def has_place(slot: Slot, seen: Seen) -> bool:
    linked = slot.next is seen.next and slot.previous is seen.previous
    return linked and slot.parent is seen.parent and slot.depth == seen.depth


def a_copy_has_no_more_authority(hart: Hart, source: Slot, target: Slot, rights: u16, badge: u64, other: Slot) -> None:
    """A copy is of the same object, with the rights that both the source and the request have. It is the source's
    child. Nothing else has changed but the list around it."""
    requires(source.object is not None and target.object is None and is_fertile(source))
    requires(source.next is not source and (badge == 0 or not isinstance(source.object, Frame)))
    requires(other is not target and other is not source and other is not source.next)
    thing, before = source.object, look(source)
    another, others = other.object, look(other)
    derive(hart, source, target, rights, badge)
    assert target.object is thing and target.rights == before.rights & rights and target.word == before.word | badge
    assert target.parent is source and u64(target.depth) == u64(before.depth) + 1
    assert target.previous is source and source.next is target and target.next is before.next
    after = before.next
    assert after is None or after.previous is target
    assert source.object is thing and has_authority(source, before)
    assert source.parent is before.parent and source.depth == before.depth and source.previous is before.previous
    assert other.object is another and has_authority(other, others) and has_place(other, others)


def what_moves_stays_what_it_is(source: Slot, target: Slot, other: Slot) -> None:
    """A capability that moves has the same authority, in the same place of the tree; where it was, there is none."""
    requires(source.object is not None and target.object is None and not has_children(source))
    requires(source.next is not source and source.previous is not source)
    requires(source.next is None or source.next is not source.previous)
    requires(other is not target and other is not source)
    requires(other is not source.next and other is not source.previous)
    thing, before = source.object, look(source)
    another, others = other.object, look(other)
    relocate(source, target)
    assert target.object is thing and has_authority(target, before) and has_place(target, before)
    previous, after = before.previous, before.next
    assert previous is None or previous.next is target
    assert after is None or after.previous is target
    assert is_bare(source)
    assert other.object is another and has_authority(other, others) and has_place(other, others)


def what_is_deleted_is_gone(slot: Slot, other: Slot) -> None:
    """An emptied slot has no authority and is in no tree; its neighbours are next to each other."""
    requires(slot.next is not slot and slot.previous is not slot and not has_children(slot))
    requires(slot.next is None or slot.next is not slot.previous)
    requires(other is not slot and other is not slot.next and other is not slot.previous)
    before = look(slot)
    another, others = other.object, look(other)
    empty(slot)
    previous, after = before.previous, before.next
    assert is_bare(slot)
    assert previous is None or previous.next is after
    assert after is None or after.previous is previous
    assert other.object is another and has_authority(other, others) and has_place(other, others)


def is_bare(slot: Slot) -> bool:
    alone = slot.next is None and slot.previous is None and slot.parent is None
    return alone and slot.object is None and slot.rights == 0 and slot.word == 0 and slot.flags == 0


def copy_does_what_may_be_done(hart: Hart, caller: Thread, place: Slot, source: Slot | None) -> None:
    """COPY succeeds exactly if the place is empty and a capability is given that isn't bound or too deep, no right is
    asked for that isn't one, and a badge goes to what takes one and has none yet. (While something is revoked: only
    if.)"""
    requires(source is None or source.object is not None)
    rights, badge = caller.registers.a3, caller.registers.a4
    allowed = place.object is None and rights <= u64(ALL)
    if source is None:
        allowed = False
    else:
        allowed = allowed and (badge == 0 or (source.flags & BADGED == 0 and badgeable(source)))
        allowed = allowed and is_fertile(source)
    quiet = hart.revocations == 0
    done = status_of(copy(hart, caller, place, source)) == 0
    assert not done or allowed
    assert done or not allowed or not quiet


def move_does_what_may_be_done(place: Slot, source: Slot | None) -> None:
    """MOVE succeeds exactly if the place is empty and a capability is given, that isn't pinned, has no children, and is
    revoked by nobody."""
    requires(source is None or source.object is not None)
    allowed = place.object is None
    if source is None:
        allowed = False
    else:
        allowed = allowed and source.flags & (PINNED | REVOKING) == 0 and not has_children(source)
    done = status_of(move_in(place, source)) == 0
    assert done == allowed
