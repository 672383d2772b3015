"""Capabilities, specified: what copying, moving and deleting do to the derivation tree and to authority.

Each function is a statement about all arguments and all states that its `requires` allow. `nk prove` proves it, and
tests run it. An `other` is any object that isn't named: what is said of it, is said of all others.

The tree is kept as a list in preorder with depths (`neokernel/kernel/slot.py`): a copy comes right behind what it was
made from, one deeper; so it is within reach of who revokes that, or anything above.
"""

from neokernel.abi.call import NEVER, failure, status_of
from neokernel.abi.denials import CALL_MASK, is_denial
from neokernel.abi.kinds import Kind
from neokernel.abi.rights import ALL, CONTROL
from neokernel.abi.status import FIRST, SECOND, THIRD, TRAVELLING, Status
from neokernel.kernel.captable import badgeable, copy, copy_out, inspect, move_in, move_out, tell_denial
from neokernel.kernel.endpoint import hand_over, immovable
from neokernel.kernel.objects import (
    BADGED,
    DEVICE,
    LARGE,
    OWNER,
    PINNED,
    REVOKING,
    AddressSpace,
    CapTable,
    DmaSpace,
    Endpoint,
    Floats,
    Frame,
    Hart,
    Interrupt,
    Memory,
    Notification,
    PageTable,
    Platform,
    Processor,
    Reply,
    SchedContext,
    Slot,
    Thread,
    Trace,
)
from neokernel.kernel.outcome import ANSWERED, keep_denial
from neokernel.kernel.slot import (
    begin_revocation,
    controlled,
    derivable,
    derive,
    empty,
    end_revocation,
    find,
    has_children,
    is_fertile,
    number_of,
    owns,
    relocate,
    vacant,
)
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


def is_as(slot: Slot, seen: Seen) -> bool:
    """In the same place of the tree, too."""
    linked = slot.next is seen.next and slot.previous is seen.previous and slot.parent is seen.parent
    return linked and slot.depth == seen.depth and has_authority(slot, seen)


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
    assert target.flags == (before.flags & (LARGE | DEVICE | BADGED)) | (u8(0) if badge == 0 else u8(BADGED))
    assert target.parent is source and u64(target.depth) == u64(before.depth) + 1
    assert target.previous is source and source.next is target and target.next is before.next
    after = before.next
    assert after is None or after.previous is target
    assert source.object is thing and has_authority(source, before)
    assert source.parent is before.parent and source.depth == before.depth and source.previous is before.previous
    assert other.object is another and is_as(other, others)


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
    assert target.object is thing and is_as(target, before)
    previous, after = before.previous, before.next
    assert previous is None or previous.next is target
    assert after is None or after.previous is target
    assert is_bare(source)
    assert other.object is another and is_as(other, others)


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
    assert other.object is another and is_as(other, others)


def is_bare(slot: Slot) -> bool:
    alone = slot.next is None and slot.previous is None and slot.parent is None
    return alone and slot.object is None and slot.rights == 0 and slot.word == 0 and slot.flags == 0


# --- the operations ---------------------------------------------------------------------------------------------------


def copy_does_what_may_be_done(hart: Hart, caller: Thread, place: Slot, source: Slot | None) -> None:
    """COPY succeeds exactly if the place is empty and a capability is given that isn't bound or too deep, no right is
    asked for that isn't one, and a badge goes to what takes one and has none yet. (While something is revoked: only
    if.)"""
    requires(source is None or source.object is not None)
    rights, badge = caller.registers.a3, caller.registers.a4
    allowed = source is not None and place.object is None and rights <= u64(ALL) and is_fertile(source)
    if source is not None and badge != 0:
        allowed = allowed and source.flags & BADGED == 0 and badgeable(source)
    quiet = hart.revocations == 0
    done = status_of(copy(hart, caller, place, source)) == 0
    assert not done or allowed
    assert done or not allowed or not quiet


def move_does_what_may_be_done(place: Slot, source: Slot | None) -> None:
    """MOVE succeeds exactly if the place is empty and a capability is given, that isn't pinned, has no children, and is
    revoked by nobody."""
    requires(source is None or source.object is not None)
    allowed = source is not None and source.flags & (PINNED | REVOKING) == 0 and not has_children(source)
    allowed = allowed and place.object is None
    assert (status_of(move_in(place, source)) == 0) == allowed


def refusals_say_why(hart: Hart, caller: Thread, place: Slot, source: Slot | None) -> None:
    """COPY and MOVE, by what was wrong first."""
    requires(source is None or source.object is not None)
    wrong = u64(0)
    if place.object is not None:
        wrong = failure(Status.OCCUPIED, FIRST)
    elif source is None:
        wrong = failure(Status.NO_CAPABILITY, TRAVELLING)
    if wrong != 0:
        assert copy(hart, caller, place, source) == wrong and move_in(place, source) == wrong
    elif source is not None:
        if caller.registers.a3 > u64(ALL):
            assert copy(hart, caller, place, source) == failure(Status.OUT_OF_RANGE, SECOND)
        elif caller.registers.a4 != 0 and source.flags & BADGED != 0:
            assert copy(hart, caller, place, source) == failure(Status.BADGED, THIRD)
        elif not is_fertile(source) and caller.registers.a4 == 0:
            assert copy(hart, caller, place, source) == failure(Status.UNDERIVABLE, TRAVELLING)


def what_stays_is_told(slot: Slot, argument: u64) -> None:
    """What is pinned can't be moved, nor what has children, or is revoked."""
    requires(argument < 256)
    refused = immovable(slot, argument)
    if slot.flags & PINNED != 0:
        assert refused == failure(Status.PINNED, argument)
    elif has_children(slot) or slot.flags & REVOKING != 0:
        assert refused == failure(Status.HAS_CHILDREN, argument)
    else:
        assert refused == 0


def what_is_copied_out_was_there(hart: Hart, caller: Thread, source: Slot, other: Slot) -> None:
    """COPY_OUT gives only what may be derived, with no more rights than are asked for, and changes it in nothing."""
    requires(other is not source and other is not source.next)
    thing, before, rights = source.object, look(source), caller.registers.a3
    done = copy_out(hart, caller, source)
    if thing is None:
        assert done == failure(Status.NO_CAPABILITY, FIRST)
    elif rights > u64(ALL):
        assert done == failure(Status.OUT_OF_RANGE, SECOND)
    elif caller.buffer is None:
        assert status_of(done) == u64(Status.NO_BUFFER.value)
    elif done == 0:
        assert source.object is thing and has_authority(source, before)


def what_is_moved_out_may_move(caller: Thread, source: Slot) -> None:
    """MOVE_OUT, likewise: then there is nothing in its place."""
    thing, fixed = source.object, source.flags & (PINNED | REVOKING) != 0 or has_children(source)
    done = move_out(caller, source)
    if thing is None:
        assert done == failure(Status.NO_CAPABILITY, FIRST)
    elif caller.buffer is None:
        assert status_of(done) == u64(Status.NO_BUFFER.value)
    elif done == 0:
        assert not fixed and is_bare(source)


def what_is_inspected_is_told(caller: Thread, place: Slot) -> None:
    """INSPECT: kind, rights, badge, depth. Addresses aren't told."""
    outcome = inspect(caller, place)
    told = caller.registers
    assert outcome == ANSWERED and told.a0 == 0 and told.a1 == 0
    assert told.a2 == number_of(place) and told.a3 == u64(place.rights) and told.a5 == u64(place.depth)
    assert told.a4 == (place.word if badgeable(place) else u64(0))


def the_last_denials_are_told(caller: Thread, failed: Thread, outcome: u64) -> None:
    """DENIALS: what a thread asked for that it hadn't the authority for."""
    requires(caller is not failed and is_denial(outcome))
    requires(failed.table.denied < NEVER and caller.registers.a2 == failed.table.denied)
    table, asked = failed.table, failed.registers
    number, capability, word = table.denied, asked.a0, asked.a1
    keep_denial(failed, outcome)
    assert tell_denial(caller, table) == ANSWERED
    told = caller.registers
    assert told.a2 == number + 1 and told.a3 == capability and told.a4 == word
    assert told.a5 == outcome | (asked.a7 & CALL_MASK)


def what_travels_is_handed_over(hart: Hart, slot: Slot, place: Slot, moving: bool) -> None:
    """With a message: copied with all the rights that there are, or moved."""
    requires(slot.object is not None and place.object is None and is_fertile(slot) and not has_children(slot))
    thing, before = slot.object, look(slot)
    hand_over(hart, slot, place, moving)
    assert place.object is thing and place.word == before.word
    if moving:
        assert is_bare(slot) and place.flags == before.flags and place.rights == before.rights
    else:
        assert place.rights == before.rights & ALL
        assert place.parent is slot and slot.object is thing and has_authority(slot, before)


# --- what is revoked, and who may do what -----------------------------------------------------------------------------


def there_must_be_room_to_derive(hart: Hart, slot: Slot) -> None:
    """Nothing else is asked for while nothing is revoked."""
    requires(slot.object is not None)
    assert derivable(hart, slot) or not is_fertile(slot) or hart.revocations != 0


def a_revocation_is_counted_once(hart: Hart, slot: Slot, other: Slot) -> None:
    """From its begin to its end, however often it is begun."""
    requires(slot.object is not None and other is not slot and slot.flags & REVOKING == 0)
    before, flags, others = hart.revocations, slot.flags, other.flags
    begin_revocation(hart, slot)
    begin_revocation(hart, slot)
    assert slot.flags == flags | REVOKING and hart.revocations == before + 1
    end_revocation(hart, slot)
    end_revocation(hart, slot)
    assert slot.flags == flags and hart.revocations == before and other.flags == others


def flags_and_rights_say_what_may_be_done(slot: Slot) -> None:
    """The owner's end is the object's; its own operations need CONTROL; only some kinds carry badges."""
    assert owns(slot) == (slot.flags & OWNER != 0) and controlled(slot) == (slot.rights & CONTROL != 0)
    thing = slot.object
    badges = isinstance(thing, Endpoint | Notification | Processor)
    assert badgeable(slot) == badges


def a_table_is_looked_up(table: CapTable, index: u64) -> None:
    """By index: what is in the slot, or that nothing is."""
    found, place = find(table.slots, index), vacant(table.slots, index)
    if index >= len(table.slots):
        assert found is None and place is None
    elif table.slots[index].object is None:
        assert found is None and place is table.slots[index]
    else:
        assert found is table.slots[index] and place is None


def kinds_have_their_numbers(slot: Slot) -> None:
    """As `abi/kinds.py` has them."""
    number = number_of(slot)
    kind = Kind.NONE
    match slot.object:
        case None:
            pass
        case Endpoint():
            kind = Kind.ENDPOINT
        case Reply():
            kind = Kind.REPLY
        case Notification():
            kind = Kind.NOTIFICATION
        case Memory():
            kind = Kind.MEMORY
        case Frame():
            kind = Kind.FRAME
        case PageTable():
            kind = Kind.PAGE_TABLE
        case AddressSpace():
            kind = Kind.ADDRESS_SPACE
        case CapTable():
            kind = Kind.CAP_TABLE
        case Thread():
            kind = Kind.THREAD
        case SchedContext():
            kind = Kind.SCHED_CONTEXT
        case Floats():
            kind = Kind.FLOATS
        case Interrupt():
            kind = Kind.INTERRUPT
        case DmaSpace():
            kind = Kind.DMA_SPACE
        case Trace():
            kind = Kind.TRACE
        case Processor():
            kind = Kind.PROCESSOR
        case Platform():
            kind = Kind.PLATFORM
    assert number == u64(kind.value)
