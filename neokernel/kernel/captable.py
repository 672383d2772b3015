"""Capability tables, and the end of capabilities and objects.

Deletion goes leaf by leaf, one capability a step; between steps interrupts are served and everything is consistent. An
object ends with its owner capability, in as many steps as it needs. A table that ends is emptied slot by slot: tables
whose owner capability is in it join the list `hart.dying`, their owner capability moved into themselves, so that no
nesting needs a stack.

A pinned frame keeps the table from ending that it is in, or below a slot of. Such a table ends all else that is in it,
then leaves the list and waits at the pin: it holds up nobody but who deletes what its own capability is below.

Invariants: a table whose owner is its `tomb` is in `hart.dying`, or waits at the pin `blocked`, which is in use; no
other is, and no thread uses it.
"""

from neokernel.abi.call import argument_of, failure, status_of
from neokernel.abi.denials import KEPT_DENIALS
from neokernel.abi.operations import Operation
from neokernel.abi.rights import ALL
from neokernel.abi.status import FIRST, INVOKED, SECOND, THIRD, TRAVELLING, WINDOW, Status
from neokernel.abi.trace import Event
from neokernel.arch import cpu
from neokernel.arch.riscv64.registers import Registers
from neokernel.kernel import thread as threads
from neokernel.kernel import timer
from neokernel.kernel.endpoint import immovable
from neokernel.kernel.interrupt import release
from neokernel.kernel.memory import give_back
from neokernel.kernel.objects import (
    BADGED,
    BOUND,
    PINNED,
    AddressSpace,
    CapTable,
    DmaSpace,
    Endpoint,
    Hart,
    Interrupt,
    Memory,
    Notification,
    PageTable,
    Pin,
    Processor,
    Reply,
    SchedContext,
    Slot,
    State,
    Thread,
    Trace,
)
from neokernel.kernel.outcome import AGAIN, answer
from neokernel.kernel.reply import break_off
from neokernel.kernel.schedule import forget_space
from neokernel.kernel.slot import (
    begin_revocation,
    controlled,
    derivable,
    derive,
    empty,
    end_revocation,
    first_leaf,
    has_children,
    number_of,
    owns,
    refuse_control,
    refuse_operation,
    relocate,
)
from neokernel.kernel.space import empty_some, leave_table, take_from_table
from neokernel.kernel.tracing import record
from neokernel.kernel.tracing import start as start_tracing
from neokernel.lang import Order, cold, ensures, loop_bound, requires, u8, u16, u64

#: each step looks at the interrupts: together they needn't be bounded
STEPS = 1 << 62
#: slots of a dying table looked at in one step
EMPTYING_STEP = 32
#: senders looked at in one step
CANCELLING_STEP = 32

# --- copy, move, inspect ----------------------------------------------------------------------------------------------


@cold
def invoke(hart: Hart, caller: Thread, slot: Slot, operation: Operation, given: Slot | None, table: CapTable) -> u64:
    """An operation of a CapTable: all are about one of its slots."""
    requires(given is None or given.object is not None)
    if not controlled(slot):
        return refuse_control()
    if not u64(Operation.COPY.value) <= u64(operation.value) <= u64(Operation.INSPECT.value):
        if operation is Operation.CANCEL_SENDERS:
            return cancel_senders(hart, caller.registers, table)
        if operation is Operation.DENIALS:
            return tell_denial(caller, table)
        return refuse_operation()
    index = caller.registers.a2
    if index >= len(table.slots):
        return failure(Status.OUT_OF_RANGE, FIRST)
    place = table.slots[index]
    match operation:
        case Operation.COPY:
            return copy(hart, caller, place, given)
        case Operation.MOVE:
            return move_in(place, given)
        case Operation.COPY_OUT:
            return copy_out(hart, caller, place)
        case Operation.MOVE_OUT:
            return move_out(caller, place)
        case Operation.DELETE:
            return revoke(hart, caller, place, True)
        case Operation.REVOKE:
            return revoke(hart, caller, place, False)
        case Operation.INSPECT:
            return inspect(caller, place)
        case _:
            return refuse_operation()


def copy(hart: Hart, caller: Thread, place: Slot, source: Slot | None) -> u64:
    """COPY."""
    requires(source is None or source.object is not None)
    registers = caller.registers
    if place.object is not None:
        return failure(Status.OCCUPIED, FIRST)
    if source is None:
        return failure(Status.NO_CAPABILITY, TRAVELLING)
    rights = registers.a3
    if rights & ~u64(ALL) != 0:
        return failure(Status.OUT_OF_RANGE, SECOND)
    badge = registers.a4
    if badge != 0 and (source.flags & BADGED != 0 or not badgeable(source)):
        return failure(Status.BADGED, THIRD)
    if not derivable(hart, source):
        return failure(Status.UNDERIVABLE, TRAVELLING)
    derive(hart, source, place, u16(rights), badge)
    return 0


def badgeable(slot: Slot) -> bool:
    return isinstance(slot.object, Endpoint | Notification | Processor)


def move_in(place: Slot, source: Slot | None) -> u64:
    """MOVE."""
    requires(source is None or source.object is not None)
    if place.object is not None:
        return failure(Status.OCCUPIED, FIRST)
    if source is None:
        return failure(Status.NO_CAPABILITY, TRAVELLING)
    refused = immovable(source, TRAVELLING)
    if refused != 0:
        return refused
    relocate(source, place)
    return 0


def copy_out(hart: Hart, caller: Thread, source: Slot) -> u64:
    """COPY_OUT."""
    if source.object is None:
        return failure(Status.NO_CAPABILITY, FIRST)
    rights = caller.registers.a3
    if rights & ~u64(ALL) != 0:
        return failure(Status.OUT_OF_RANGE, SECOND)
    place = landing(caller)
    if place is None:
        return refuse_landing(caller)
    if not derivable(hart, source):
        return failure(Status.UNDERIVABLE, FIRST)
    derive(hart, source, place, u16(rights))
    return 0


def move_out(caller: Thread, source: Slot) -> u64:
    """MOVE_OUT."""
    if source.object is None:
        return failure(Status.NO_CAPABILITY, FIRST)
    place = landing(caller)
    if place is None:
        return refuse_landing(caller)
    refused = immovable(source, FIRST)
    if refused != 0:
        return refused
    relocate(source, place)
    return 0


def landing(caller: Thread) -> Slot | None:
    """The first slot of the caller's receive window, if it is empty."""
    buffer = caller.buffer
    if buffer is None or buffer.window_size.load(Order.RELAXED) == 0:
        return None
    index = u64(buffer.window_first.load(Order.RELAXED))
    table = caller.table
    if index >= len(table.slots):
        return None
    place = table.slots[index]
    return place if place.object is None else None


def refuse_landing(caller: Thread) -> u64:
    """Why there is no place for a capability that would come back."""
    return failure(Status.NO_BUFFER if caller.buffer is None else Status.NO_WINDOW, WINDOW)


def inspect(caller: Thread, place: Slot) -> u64:
    """INSPECT."""
    badge = place.word if badgeable(place) else u64(0)
    return answer(caller, 0, number_of(place), u64(place.rights), badge, u64(place.depth))


def tell_denial(caller: Thread, table: CapTable) -> u64:
    """DENIALS."""
    count, number = table.denied, caller.registers.a2
    if number >= count or count - number > KEPT_DENIALS:
        return answer(caller, 0, count, 0, 0, 0)
    place = table.denials[number % KEPT_DENIALS]
    return answer(caller, 0, count, place.capability, place.word, place.outcome)


# --- delete, revoke ---------------------------------------------------------------------------------------------------


def revoke(hart: Hart, caller: Thread, root: Slot, deleting: bool) -> u64:
    """REVOKE and DELETE. Steps are short here: they are done in a loop of their own, for speed."""
    ensures(lambda result: status_of(result) == 0 or is_partial(result))
    while True:
        loop_bound(STEPS)
        outcome = revoke_some(hart, caller.registers, root, deleting)
        if outcome != AGAIN or hart.current is not caller or cpu.interrupt_pending(hart.cpu):
            return outcome


def is_partial(outcome: u64) -> bool:
    """Has a deletion met what is pinned? It is the only way in which one fails."""
    return status_of(outcome) == u64(Status.PINNED.value) and argument_of(outcome) == FIRST


def revoke_some(hart: Hart, registers: Registers, root: Slot, deleting: bool) -> u64:
    """A step, from the first leaf; a5 says how far the call is."""
    ensures(lambda result: status_of(result) == 0 or is_partial(result))
    if registers.a5 & DRAINING != 0:
        # Tables that ended in an earlier step are emptied before the call is complete.
        dying = hart.dying
        if dying is None:
            return 0
        _ = empty_a_slot(hart, dying)
        return AGAIN
    if registers.a5 & HELPING != 0:
        dying = hart.dying
        if dying is None or empty_a_slot(hart, dying) != WAITING:
            registers.a5 &= ~u64(HELPING)
        return AGAIN
    leaf = first_leaf(root)
    if leaf is not None:
        begin_revocation(hart, root)
        step = end_some(hart, leaf)
    else:
        end_revocation(hart, root)
        step = GONE
        if deleting and root.object is not None:
            step = end_some(hart, root)
            if root.object is not None:
                # Half ended it can't be moved, nor copied: the next step finds it here.
                begin_revocation(hart, root)
        if step == GONE:
            if registers.a5 & BURIED == 0 or hart.dying is None:
                return 0
            registers.a5 = DRAINING
    if step == STUCK:
        end_revocation(hart, root)
        return failure(Status.PINNED, FIRST)
    if step == WAITING:
        registers.a5 |= HELPING
    if step == BURYING:
        registers.a5 = BURIED
    return AGAIN


#: how far a deletion is, in the caller's a5: tables have ended in it; only those are left; the first of them must be
#: emptied of something before it can go on
BURIED = 1
DRAINING = 2
HELPING = 4

#: how a step of ending a capability went: done, more steps are needed, a table joined the dying, a dying table must be
#: emptied first (it is the first of the list now), or a pin is in the way
GONE = 0
MORE = 1
BURYING = 2
WAITING = 3
STUCK = 4


def end_some(hart: Hart, slot: Slot) -> u64:
    """A step towards an empty slot."""
    requires(slot.object is not None and not has_children(slot))
    if slot.flags & PINNED != 0:
        return STUCK
    if owns(slot):
        if slot.holder is None:
            # Nobody begins anew by it what the steps end: its holder could hold up who deletes it.
            slot.rights = 0
        step = end_object(hart, slot)
        if step != GONE:
            return step
        # Nothing but a page table uses an owner: what is bound was derived.
        _ = leave_table(hart, slot)
    elif not stop_using(hart, slot):
        return MORE
    if has_children(slot):
        return MORE
    drop(hart, slot)
    return GONE


def drop(hart: Hart, slot: Slot) -> None:
    """Empty the slot of a capability that nothing uses; if it is the owner, its object has ended."""
    requires(not has_children(slot))
    ending = owns(slot)
    if hart.trace_mask != 0:
        record(hart, Event.DELETE, number_of(slot), u64(ending))
    if ending:
        parent = slot.parent
        if parent is not None:
            memory = parent.object
            if isinstance(memory, Memory):
                give_back(memory)
    end_revocation(hart, slot)
    empty(slot)


def stop_using(hart: Hart, slot: Slot) -> bool:
    """A step towards nothing using the capability, which isn't its object's owner. Was it the last?"""
    holder = slot.holder
    if holder is None:
        return True
    user = holder.user
    match user:
        case PageTable():
            take_from_table(hart, user, u64(slot.entry), slot)
        case Thread():
            return threads.lose(hart, user, slot)
        case Interrupt():
            release(hart, user)
        case _:
            pass
    return True


def end_object(hart: Hart, slot: Slot) -> u64:
    """A step towards the end of the object."""
    requires(slot.object is not None and not has_children(slot))
    thing = slot.object
    match thing:
        case CapTable():
            if thing.tomb.object is None:
                bury(hart, thing, slot)
                return BURYING
            if thing.blocked is not None:
                return STUCK
            prefer(hart, thing)
            return WAITING
        case Thread():
            return GONE if threads.destroy(hart, thing) else MORE
        case Endpoint():
            waiting = thing.senders.head
            if waiting is None:
                waiting = thing.receivers.head
            if waiting is not None:
                threads.cancel(hart, waiting, failure(Status.CANCELLED, INVOKED))
                return MORE
        case Notification():
            waiter = thing.waiters.head
            if waiter is not None:
                threads.cancel(hart, waiter, failure(Status.CANCELLED, INVOKED))
                return MORE
        case Reply():
            break_off(hart, thing)
            server = thing.server
            if server is not None:
                server.reply = None
                thing.server = None
        case SchedContext():
            return end_context(hart, thing)
        case PageTable():
            return GONE if empty_some(hart, thing, 512) else MORE
        case AddressSpace():
            if not empty_some(hart, thing.root, 256):
                return MORE
            forget_space(hart, thing)
        case DmaSpace():
            if thing.used != 0:
                unpin_some(hart, thing)
                return BURYING
        case Interrupt():
            if thing.binding.flags & BOUND != 0:
                release(hart, thing)
                empty(thing.binding)
        case Trace():
            if hart.trace is thing:
                start_tracing(hart, 0)
                hart.trace = None
        case _:
            pass
    return GONE


def end_context(hart: Hart, context: SchedContext) -> u64:
    """Its owner has lost it before, and with that everybody whom it was lent to (`thread.lose`)."""
    timer.remove(hart.wheel, context.timer)
    if hart.active is context:
        hart.active = None
    return GONE


def unpin_some(hart: Hart, space: DmaSpace) -> None:
    """A step of unpinning all: with the end of the device space, its device is taken to be quiet."""
    for _ in range(EMPTYING_STEP):
        if space.used == 0:
            return
        pin = space.pins[space.cursor]
        frame = pin.slot
        if frame is not None:
            if release_table(hart, pin):
                continue
            frame.flags &= ~u8(PINNED)
            frame.holder = None
            frame.entry = 0
            pin.slot = None
            space.used -= 1
        space.cursor = 0 if space.cursor + 1 == len(space.pins) else space.cursor + 1


# --- senders of a badge -----------------------------------------------------------------------------------------------


def cancel_senders(hart: Hart, registers: Registers, table: CapTable) -> u64:
    """A step of CANCEL_SENDERS; a5 says whether it has begun.

    Senders are looked at from the last to the first, so those who come meanwhile aren't: it ends, however fast they
    come. What another call has begun with another badge is finished first; with the same, it is begun anew.
    """
    if registers.a2 >= len(table.slots):
        return failure(Status.OUT_OF_RANGE, FIRST)
    place = table.slots[registers.a2]
    endpoint = place.object
    if endpoint is None:
        return failure(Status.NO_CAPABILITY, FIRST)
    if not isinstance(endpoint, Endpoint):
        return failure(Status.WRONG_KIND, FIRST)
    if not controlled(place):
        return failure(Status.MISSING_RIGHT, FIRST)
    if place.flags & BADGED != 0:
        return failure(Status.BADGED, FIRST)
    badge = registers.a3
    if endpoint.cursor is None and registers.a5 != 0:
        return 0
    if endpoint.cursor is None or (endpoint.ending == badge and registers.a5 == 0):
        endpoint.cursor = endpoint.senders.tail
        endpoint.ending = badge
    if endpoint.ending == badge:
        registers.a5 = 1
    elif registers.a5 != 0:
        return 0
    cancel_some(hart, endpoint)
    return AGAIN


def cancel_some(hart: Hart, endpoint: Endpoint) -> None:
    """Look at senders, up to the first that is cancelled."""
    for _ in range(CANCELLING_STEP):
        sender = endpoint.cursor
        if sender is None:
            return
        if sender.badge == endpoint.ending and sender.state is not State.RUNNABLE:
            threads.cancel(hart, sender, failure(Status.CANCELLED, INVOKED))
            return
        endpoint.cursor = sender.previous


# --- tables that end --------------------------------------------------------------------------------------------------


def bury(hart: Hart, table: CapTable, slot: Slot) -> None:
    """The table begins to end: its owner capability moves into itself, so that `slot` is empty."""
    requires(slot.object is not None and not has_children(slot) and table.tomb.object is None)
    relocate(slot, table.tomb)
    table.tomb.flags |= BOUND
    table.cursor = 0
    put_first(hart, table)


def put_first(hart: Hart, table: CapTable) -> None:
    """At the head of the dying tables."""
    first = hart.dying
    table.next_dying = first
    table.previous_dying = None
    if first is not None:
        first.previous_dying = table
    hart.dying = table


def take_off(hart: Hart, table: CapTable) -> None:
    """Out of the dying tables."""
    before = table.previous_dying
    after = table.next_dying
    if before is None:
        hart.dying = after
    else:
        before.next_dying = after
    if after is not None:
        after.previous_dying = before


def prefer(hart: Hart, table: CapTable) -> None:
    """Empty this one first: another one waits for it.

    They don't wait for each other: what is derived from a table's slot is younger than the table, for a capability with
    descendants can't be moved.
    """
    take_off(hart, table)
    put_first(hart, table)


def block(hart: Hart, table: CapTable, pin: Pin) -> None:
    """The table can't be emptied further while there is this pin: it leaves the list and waits at it."""
    take_off(hart, table)
    table.blocked = pin
    table.next_dying = pin.waiting
    pin.waiting = table


def release_table(hart: Hart, pin: Pin) -> bool:
    """Before the pin ends, each table that waits at it joins the dying again. Was there one?"""
    table = pin.waiting
    if table is None:
        return False
    pin.waiting = table.next_dying
    table.blocked = None
    put_first(hart, table)
    return True


def pin_at(leaf: Slot) -> Pin | None:
    """The pin that keeps the capability from ending: its own, or what the table waits for that ends with it."""
    table = leaf.object
    if isinstance(table, CapTable):
        return table.blocked
    holder = leaf.holder
    space = None if holder is None else holder.user
    return space.pins[u64(leaf.entry)] if isinstance(space, DmaSpace) else None


def empty_a_slot(hart: Hart, table: CapTable) -> u64:
    """A step of emptying a dying table, the first of the list: MORE.

    WAITING if it waits for another, which is the first of the list then. In the first round what is pinned is passed
    over: the device space that pins it may be in a later slot. In the second there is none in the table any more.
    """
    for _ in range(EMPTYING_STEP):
        index = table.cursor
        if index == len(table.slots):
            if table.stuck:
                table.stuck = False
                table.again = True
                table.cursor = 0
                return MORE
            take_off(hart, table)
            if table.tomb.flags & BOUND != 0:
                drop(hart, table.tomb)
            return MORE
        slot = table.slots[index]
        if slot.object is not None:
            leaf = first_leaf(slot)
            if leaf is None:
                leaf = slot
            else:
                begin_revocation(hart, slot)
            step = end_some(hart, leaf)
            if step == STUCK:
                end_revocation(hart, slot)
                pin = pin_at(leaf) if table.again else None
                if pin is None:
                    table.stuck = True
                    table.cursor = index + 1
                else:
                    block(hart, table, pin)
            return WAITING if step == WAITING else MORE
        table.cursor = index + 1
    return MORE
