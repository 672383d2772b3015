"""Scenes in which others come in between: tables that end while a frame is pinned, callers that have their answer while
their server has yet to receive, time that is taken from who runs on it.

Like `scene.py`: a function sets the registers of the thread's next call, or gives False if it hasn't what it takes.
"""

from neokernel.abi.call import MAXIMUM_WORDS, NEVER, message
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding, Operation
from neokernel.abi.rights import ALL, CONTROL, RECEIVE
from neokernel.arch import cpu
from neokernel.kernel.objects import (
    OWNER,
    PINNED,
    CapTable,
    DmaSpace,
    Endpoint,
    Frame,
    Hart,
    Memory,
    Pin,
    Reply,
    SchedContext,
    Slot,
    State,
    Thread,
)
from neokernel.kernel.slot import first_leaf
from neokernel.lang import loop_bound, u64
from tests.fuzz_kernel.choose import FREE, pick, window
from tests.fuzz_kernel.scene import RECEIVE_CALL, REPLY, giving, named, operation, own_table
from tests.fuzz_kernel.state import MOST_SLOTS, Fuzz

# --- tables that end while something is pinned ------------------------------------------------------------------------


def burying(fuzz: Fuzz, thread: Thread) -> bool:
    """End a table that a pin keeps from ending, or what it waits for."""
    match fuzz.below(6):
        case 0:
            return unpinning(fuzz, thread)
        case 1:
            return ending(fuzz, thread)
        case 2:
            return recovering(thread)
        case _:
            return bury(fuzz, thread)


def unpinning(fuzz: Fuzz, thread: Thread) -> bool:
    """Unpin a frame for which tables wait."""
    slots = thread.table.slots
    for index in range(len(slots)):
        pin = pin_of(slots[index])
        if pin is not None and (pin.waiting is not None or fuzz.chance(64)):
            return giving(thread, Operation.UNPIN, space_of(thread, slots[index]), index)
    return False


def pin_of(slot: Slot) -> Pin | None:
    """The pin of the frame, if it is pinned."""
    holder = slot.holder
    if slot.flags & PINNED == 0 or holder is None:
        return None
    space = holder.user
    return space.pins[u64(slot.entry)] if isinstance(space, DmaSpace) else None


def space_of(thread: Thread, frame: Slot) -> u64:
    """The index of a capability for the device space that pins the frame; the number of slots if there is none."""
    slots = thread.table.slots
    for index in range(len(slots)):
        space = slots[index].object
        if isinstance(space, DmaSpace) and slots[index].rights & CONTROL != 0 and space.holder is frame.holder:
            return index
    return len(slots)


def recovering(thread: Thread) -> bool:
    """Revoke memory of which a table was made that waits."""
    slots = thread.table.slots
    for index in range(len(slots)):
        if isinstance(slots[index].object, Memory) and holds_waiting(slots[index]):
            thread.registers.a2 = index
            return operation(thread, Operation.REVOKE, own_table(thread))
    return False


def holds_waiting(slot: Slot) -> bool:
    after = slot.next
    while after is not None and after.depth > slot.depth:
        loop_bound(MOST_SLOTS)
        table = after.object
        if isinstance(table, CapTable) and table.blocked is not None:
            return True
        after = after.next
    return False


def ending(fuzz: Fuzz, thread: Thread) -> bool:
    """End a device space for whose pins tables wait."""
    slots = thread.table.slots
    for index in range(len(slots)):
        table = slots[index].object
        if isinstance(table, CapTable) and slots[index].rights & CONTROL != 0:
            for place in range(len(table.slots)):
                space = table.slots[place].object
                if isinstance(space, DmaSpace) and table.slots[place].flags & OWNER != 0:
                    if awaited(space) or fuzz.chance(64):
                        thread.registers.a2 = place
                        return operation(thread, Operation.DELETE, index)
    return False


def awaited(space: DmaSpace) -> bool:
    """Do tables wait for one of its pins?"""
    found = False
    for pin in space.pins:
        found = found or pin.waiting is not None
    return found


def bury(fuzz: Fuzz, thread: Thread) -> bool:
    """Delete or revoke a table in which, or below which, something is pinned: not the own one."""
    slots = thread.table.slots
    size = len(slots)
    start = fuzz.below(size)
    for step in range(size):
        index = (start + step) % size
        table = slots[index].object
        if isinstance(table, CapTable) and slots[index].rights & CONTROL != 0:
            for place in range(len(table.slots)):
                ends = table.slots[place].object
                owned = table.slots[place].flags & OWNER != 0
                if owned and isinstance(ends, CapTable) and ends is not thread.table and pins(ends):
                    if len(ends.slots) > 4 and fuzz.below(4) != 0:
                        # Most likely a thread's, which can do nothing without it.
                        break
                    thread.registers.a2 = place
                    return operation(thread, Operation.DELETE, index)
    return False


def pins(table: CapTable) -> bool:
    """Is something in the table pinned, or below it?"""
    for index in range(len(table.slots)):
        slot = table.slots[index]
        if isinstance(slot.object, Frame):
            leaf = first_leaf(slot)
            if slot.flags & PINNED != 0 or (leaf is not None and leaf.flags & PINNED != 0):
                return True
    return False


# --- time that is taken away ------------------------------------------------------------------------------------------


def depriving(fuzz: Fuzz, thread: Thread) -> bool:
    """Take from somebody the time that another runs on, or waits with."""
    slots = thread.table.slots
    size = len(slots)
    start = fuzz.below(size)
    for step in range(size):
        index = (start + step) % size
        lender = slots[index].object
        if isinstance(lender, Thread) and slots[index].rights & CONTROL != 0 and lender is not thread:
            home = lender.home
            if home is not None and home.thread is not None and home.thread is not lender:
                thread.registers.a2 = u64(Binding.CONTEXT.value)
                return operation(thread, Operation.UNBIND, index)
    return False


# --- between answer and receive ---------------------------------------------------------------------------------------


def interfering(fuzz: Fuzz, hart: Hart, thread: Thread) -> bool:
    """Do something to a caller that has its answer while its call hasn't ended, to its server, or to their things."""
    if answers(thread) and fuzz.chance(2):
        return leaving(fuzz, hart, thread)
    if fuzz.chance(4) and answering_too(fuzz, thread):
        return True
    slots = thread.table.slots
    size = len(slots)
    start = fuzz.below(size)
    deletes = fuzz.chance(2)
    # A context twice as often: its owner may have none.
    wanted = min(fuzz.below(7), 5)
    for step in range(size):
        index = (start + step) % size
        thing = slots[index].object
        if slots[index].rights & CONTROL != 0:
            match thing:
                case Thread():
                    if not deletes and thing is not thread and stopping(fuzz, thread, thing, index):
                        return True
                case CapTable():
                    if deletes and deleting(fuzz, thread, thing, index, wanted):
                        return True
                case _:
                    pass
    return False


def answering_too(fuzz: Fuzz, thread: Thread) -> bool:
    """Answer somebody else's caller once more, by a Reply that the thread has; or get that."""
    r = thread.registers
    slots = thread.table.slots
    for index in range(len(slots)):
        if is_answered(slots[index], thread):
            r.a7 = REPLY
            r.a1 = message(fuzz.below(4), fuzz.below(5), 0)
            r.a2 = fuzz.random() >> 8
            r.a6 = index
            return True
    buffer = thread.buffer
    for index in range(len(slots)):
        table = slots[index].object
        if isinstance(table, CapTable) and slots[index].rights & CONTROL != 0 and buffer is not None:
            for place in range(len(table.slots)):
                if is_answered(table.slots[place], thread):
                    r.a2 = place
                    r.a3 = u64(ALL)
                    window(fuzz, thread, buffer, 1)
                    return operation(thread, Operation.COPY_OUT, index)
    return False


def is_answered(slot: Slot, thread: Thread) -> bool:
    """Is it a Reply by which another thread has given an answer?"""
    reply = slot.object
    if not isinstance(reply, Reply) or reply.server is thread:
        return False
    caller = reply.caller
    return caller is not None and has_answer(caller)


def leaving(fuzz: Fuzz, hart: Hart, thread: Thread) -> bool:
    """Receive by another Reply, and leave the own caller without an end of its call; or answer it with nonsense."""
    r = thread.registers
    slots = thread.table.slots
    if fuzz.chance(3):
        r.a7 = REPLY
        r.a1 = message(0, MAXIMUM_WORDS + 1 + fuzz.below(16), 0)
        for index in range(len(slots)):
            serving = slots[index].object
            if isinstance(serving, Reply) and serving is thread.reply:
                r.a6 = index
        return True
    r.a7 = RECEIVE_CALL
    r.a0 = named(fuzz, thread, Kind.ENDPOINT, RECEIVE)
    r.a2 = NEVER if thread.home is None else cpu.now(hart.cpu) + fuzz.below(4000)
    for index in range(1, len(slots)):
        reply = slots[index].object
        if isinstance(reply, Reply) and reply.server is None and fuzz.chance(2):
            r.a6 = index
    return True


def stopping(fuzz: Fuzz, thread: Thread, target: Thread, index: u64) -> bool:
    """Stop such a thread, or let it go on; or take something from it."""
    if not has_answer(target) and not answers(target):
        return False
    if target.state is State.STOPPED:
        thread.registers.a2 = 0x2000
        return operation(thread, Operation.START if fuzz.chance(2) else Operation.RESUME, index)
    if target.home is None and fuzz.chance(2):
        thread.registers.a2 = u64(Binding.CONTEXT.value)
        return giving(thread, Operation.BIND, index, pick(fuzz, thread, Kind.SCHED_CONTEXT, CONTROL, FREE))
    match fuzz.below(3):
        case 0:
            thread.registers.a2 = u64(Binding.CONTEXT.value)
        case 1:
            thread.registers.a2 = u64(Binding.SPACE.value) if fuzz.chance(2) else u64(Binding.TABLE.value)
        case _:
            return operation(thread, Operation.SUSPEND, index)
    return operation(thread, Operation.UNBIND, index)


def deleting(fuzz: Fuzz, thread: Thread, table: CapTable, index: u64, wanted: u64) -> bool:
    """Delete the owner of such a thread, or of something that it can't be without."""
    for place in range(len(table.slots)):
        slot = table.slots[place]
        if slot.flags & OWNER != 0 and slot.object is not None and involved(fuzz, thread, slot, wanted):
            thread.registers.a2 = place
            return operation(thread, Operation.DELETE, index)
    return False


def involved(fuzz: Fuzz, thread: Thread, slot: Slot, wanted: u64) -> bool:
    """Is it what is wanted: an answered caller, its Reply, its server, or what one of them needs?"""
    thing = slot.object
    match thing:
        case Reply():
            caller = thing.caller
            return wanted == 0 and caller is not None and has_answer(caller)
        case Thread():
            return thing is not thread and ((wanted == 1 and has_answer(thing)) or (wanted == 2 and answers(thing)))
        case SchedContext():
            home = thing.home
            return wanted == 5 and home is not None and has_answer(home)
        case Endpoint():
            return wanted == 4 and receives_next(fuzz, thing)
        case CapTable():
            return wanted == 3 and thing is not thread.table and uses(thing, slot)
        case _:
            return False


def receives_next(fuzz: Fuzz, endpoint: Endpoint) -> bool:
    """Will such a server receive there?"""
    for index in range(fuzz.thread_count):
        thread = fuzz.threads[index]
        if thread is not None and answers(thread) and thread.registers.a0 < len(thread.table.slots):
            named = thread.table.slots[thread.registers.a0].object
            if isinstance(named, Endpoint) and named is endpoint:
                return True
    return False


def has_answer(thread: Thread) -> bool:
    return thread.state is State.ANSWERED


def answers(thread: Thread) -> bool:
    """Does it serve a caller that has its answer?"""
    reply = thread.reply
    if reply is None:
        return False
    caller = reply.caller
    return caller is not None and has_answer(caller)


def uses(table: CapTable, owner: Slot) -> bool:
    """Is the table that of such a thread? What is bound is derived from the owner."""
    after = owner.next
    while after is not None and after.depth > owner.depth:
        loop_bound(MOST_SLOTS)
        holder = after.holder
        if holder is not None:
            user = holder.user
            if isinstance(user, Thread) and user.table is table and (has_answer(user) or answers(user)):
                return True
        after = after.next
    return False
