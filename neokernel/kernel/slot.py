"""Capabilities: look-up, derivation, and the tree that revocation follows.

A slot's descendants are those after it in the list with a greater depth.

Invariants: those of `Slot`, which are proven; and that `parent` is the nearest slot before it with a smaller depth.
"""

from neokernel.abi.call import failure
from neokernel.abi.rights import CONTROL
from neokernel.abi.status import INVOKED, Status
from neokernel.abi.trace import Event
from neokernel.kernel.objects import (
    BADGED,
    BOUND,
    DEVICE,
    LARGE,
    MAXIMUM_DEPTH,
    OWNER,
    REVOKING,
    AddressSpace,
    CapTable,
    DmaSpace,
    Endpoint,
    Floats,
    Frame,
    Hart,
    Holder,
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
from neokernel.kernel.tracing import record
from neokernel.lang import Embedded, Span, ensures, inline, loop_bound, loop_invariant, old, requires, u8, u16, u64


def find(slots: Span[Embedded[Slot]], index: u64) -> Slot | None:
    """The slot of a table, if it holds a capability."""
    if index >= len(slots):
        return None
    slot = slots[index]
    return None if slot.object is None else slot


def vacant(slots: Span[Embedded[Slot]], index: u64) -> Slot | None:
    """The slot, if it is empty."""
    if index >= len(slots):
        return None
    slot = slots[index]
    return slot if slot.object is None else None


def refuse(argument: u64) -> u64:
    """The capability isn't of the kind that is wanted."""
    requires(argument < 256)
    return failure(Status.WRONG_KIND, argument)


def controlled(slot: Slot) -> bool:
    """May the holder use the object's own operations?"""
    return slot.rights & CONTROL != 0


def refuse_control() -> u64:
    return failure(Status.MISSING_RIGHT, INVOKED)


def refuse_operation() -> u64:
    """Another kind of object has the operation."""
    return failure(Status.WRONG_KIND, INVOKED)


def number_of(slot: Slot) -> u64:
    """The number of its kind (`abi/kinds.py`)."""
    match slot.object:
        case None:
            return 0
        case Endpoint():
            return 1
        case Reply():
            return 2
        case Notification():
            return 3
        case Memory():
            return 4
        case Frame():
            return 5
        case PageTable():
            return 6
        case AddressSpace():
            return 7
        case CapTable():
            return 8
        case Thread():
            return 9
        case SchedContext():
            return 10
        case Floats():
            return 11
        case Interrupt():
            return 12
        case DmaSpace():
            return 13
        case Trace():
            return 14
        case Processor():
            return 15
        case Platform():
            return 16


def has_children(slot: Slot) -> bool:
    after = slot.next
    return after is not None and after.depth > slot.depth


def insert(parent: Slot, slot: Slot) -> None:
    """Put `slot`, filled, into the tree below `parent`."""
    requires(is_fertile(parent) and parent.object is not None and parent is not slot)
    requires(slot.object is not None and slot.next is None and slot.previous is None)
    after = parent.next
    slot.parent = parent
    slot.depth = parent.depth + 1
    slot.previous = parent
    slot.next = after
    parent.next = slot
    if after is not None:
        after.previous = slot


def empty(slot: Slot) -> None:
    """Take `slot`, which has no children, out of its tree."""
    requires(not has_children(slot))
    before = slot.previous
    after = slot.next
    if before is not None:
        before.next = after
    if after is not None:
        after.previous = before
    _wipe(slot)


def _wipe(slot: Slot) -> None:
    slot.object = None
    slot.word = 0
    slot.parent = None
    slot.next = None
    slot.previous = None
    slot.holder = None
    slot.rights = 0
    slot.entry = 0
    slot.depth = 0
    slot.flags = 0


def relocate(source: Slot, target: Slot) -> None:
    """Move a capability without children to an empty slot; the page table that it is in learns its new place."""
    ensures(lambda: target.object is not None and not has_children(target))
    requires(not has_children(source) and source.object is not None and target.object is None)
    target.object = source.object
    target.word = source.word
    target.parent = source.parent
    target.holder = source.holder
    target.rights = source.rights
    target.entry = source.entry
    target.depth = source.depth
    target.flags = source.flags
    before = source.previous
    after = source.next
    if before is not None:
        before.next = target
    if after is not None:
        after.previous = target
    # Read again: the neighbours may be the source itself, for all that is known locally.
    target.previous = source.previous
    target.next = source.next
    _wipe(source)
    holder = target.holder
    if holder is not None:
        table = holder.user
        if isinstance(table, PageTable):
            table.owners.slot[u64(target.entry)] = target


def is_fertile(slot: Slot) -> bool:
    """Has it room for descendants?"""
    return u64(slot.depth) < MAXIMUM_DEPTH and slot.flags & BOUND == 0


def derivable(hart: Hart, slot: Slot) -> bool:
    """May capabilities be derived from it now?"""
    requires(slot.object is not None)
    ensures(lambda result: not result or is_fertile(slot))
    if not is_fertile(slot):
        return False
    if hart.revocations == 0:
        return True
    step: Slot | None = slot
    while step is not None:
        loop_bound(MAXIMUM_DEPTH + 1)
        if step.flags & REVOKING != 0:
            return False
        step = step.parent
    return True


def derive(hart: Hart, source: Slot, target: Slot, rights: u16, badge: u64 = 0) -> None:
    """A copy with at most these rights, badged unless `badge` is 0.

    Requires: derivable(source), `target` is empty; with a badge `source` has none.
    """
    ensures(lambda: target.object is not None and not has_children(target))
    ensures(lambda: isinstance(target.object, Frame) == old(isinstance(source.object, Frame)))
    ensures(lambda: target.word == old(source.word) | badge)
    requires(is_fertile(source) and source.object is not None and target.object is None)
    requires(badge == 0 or not isinstance(source.object, Frame))
    target.object = source.object
    target.word = source.word | badge
    target.rights = source.rights & rights
    target.flags = (source.flags & (LARGE | DEVICE | BADGED)) | (0 if badge == 0 else BADGED)
    insert(source, target)
    if hart.trace_mask != 0:
        record(hart, Event.DERIVE, number_of(target), 0)


@inline
def derive_bound(hart: Hart, source: Slot, target: Slot, holder: Holder, entry: u16) -> None:
    """Derive what the holder uses, as its `entry`."""
    derive(hart, source, target, source.rights)
    target.holder = holder
    target.entry = entry
    target.flags |= BOUND


def _leads_to(slot: Slot, depth: u8, after: Slot | None) -> bool:
    return slot.depth == depth and slot.next is after


def first_leaf(root: Slot) -> Slot | None:
    """The first descendant that has none itself."""
    ensures(lambda result: (result is not None) == has_children(root))
    ensures(lambda result: result is None or (result.object is not None and not has_children(result)))
    found: Slot | None = None
    depth: u8 = root.depth
    step = root.next
    while step is not None and step.depth > depth:
        loop_bound(MAXIMUM_DEPTH)
        loop_invariant(has_children(root) and _leads_to(root if found is None else found, depth, step))
        found = step
        depth = step.depth
        step = step.next
    return found


def begin_revocation(hart: Hart, slot: Slot) -> None:
    requires(slot.object is not None)
    if slot.flags & REVOKING == 0:
        slot.flags |= REVOKING
        hart.revocations += 1


def end_revocation(hart: Hart, slot: Slot) -> None:
    if slot.flags & REVOKING != 0:
        slot.flags &= ~u8(REVOKING)
        hart.revocations -= 1


def owns(slot: Slot) -> bool:
    """Does the object end with this capability?"""
    return slot.flags & OWNER != 0
