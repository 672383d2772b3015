"""Scenes: situations that chance alone brings about too rarely, set up call by call.

Each function sets the registers of the next call of a thread, so that it ends as it rarely does, or brings that nearer:
a copy one level deeper, a pin. It gives False, and the call is chosen otherwise, if the thread hasn't what it takes.
"""

from neokernel.abi.buffer import MOVE, Buffer
from neokernel.abi.call import MAXIMUM_CAPABILITIES, MAXIMUM_WORDS, message
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding, Operation
from neokernel.abi.rights import ALL, CONTROL, GRANT, RECEIVE, SEND
from neokernel.arch import cpu
from neokernel.kernel.endpoint import has_room, needs_buffer
from neokernel.kernel.objects import (
    DEVICE,
    MAXIMUM_DEPTH,
    PINNED,
    CapTable,
    Endpoint,
    Frame,
    Hart,
    Interrupt,
    Memory,
    Notification,
    Reply,
    Slot,
    State,
    Thread,
    Trace,
)
from neokernel.kernel.slot import has_children, number_of
from neokernel.lang import Order, u16, u32, u64
from tests.fuzz_kernel.choose import KINDS, empty_in, travel, wide_window, window
from tests.fuzz_kernel.state import OPERATIONS, Fuzz

CALL = 0
REPLY_RECEIVE = 1
SEND_CALL = 2
RECEIVE_CALL = 3
REPLY = 4
TRY_SEND = 8
#: copies of copies begin here, and are worth being copied on
DEEP = 56

#: what is wrong with a capability that travels
EMPTY = 0
PARENT = 1
TWICE = 2
BOTTOM = 3
PIN = 4
#: or only with who would take the message
NOTHING = 5
#: those for which something must be prepared are tried more often
TROUBLES: tuple[u64, ...] = (EMPTY, PARENT, TWICE, BOTTOM, BOTTOM, BOTTOM, BOTTOM, BOTTOM, PIN, PIN, PIN, PIN)
#: which of the capabilities has it: with the later ones it is harder, because those before them must be good
PLACES: tuple[u64, ...] = (0, 1, 1, 2, 2, 3, 3)


def begin_scene(thread: Thread) -> None:
    """All arguments are 0, and the call is an operation."""
    r = thread.registers
    r.a0 = 0
    r.a1 = 0
    r.a2 = 0
    r.a3 = 0
    r.a4 = 0
    r.a5 = 0
    r.a6 = 0
    r.a7 = 0


def scene(fuzz: Fuzz, hart: Hart, thread: Thread) -> bool:
    """Set the registers of the next call, if some scene is possible."""
    r = thread.registers
    begin_scene(thread)
    buffer = thread.buffer
    if len(thread.table.slots) == 0:
        return False
    luck = fuzz.below(32)
    if buffer is None and luck < 4:
        # A message that needs the buffer it hasn't.
        r.a7 = SEND_CALL if fuzz.chance(2) else u64(TRY_SEND)
        r.a0 = named(fuzz, thread, Kind.ENDPOINT, SEND | GRANT)
        r.a1 = message(0, 5 + fuzz.below(MAXIMUM_WORDS - 4), fuzz.below(MAXIMUM_CAPABILITIES + 1))
        return True
    if luck < 2 or buffer is None:
        return refused(fuzz, thread)
    if luck < 23:
        return troubled(fuzz, thread, buffer)
    if luck < 27:
        return awaiting(fuzz, hart, thread, buffer)
    if luck == 27:
        return uncontrolled(fuzz, thread)
    if luck < 30:
        return underived(fuzz, thread, buffer)
    return disturbing(fuzz, thread)


def fixed(slot: Slot, kind: u64, rights: u16) -> bool:
    """Is it a capability of this kind, with these rights?"""
    return number_of(slot) == kind and slot.rights & rights == rights


def named(fuzz: Fuzz, thread: Thread, kind: Kind, rights: u16) -> u64:
    """The index of such a capability, from a random place on; the number of slots if there is none."""
    slots = thread.table.slots
    size = len(slots)
    start = fuzz.below(size)
    for step in range(size):
        index = (start + step) % size
        if fixed(slots[index], u64(kind.value), rights):
            return index
    return size


def own_table(thread: Thread) -> u64:
    """The index of a capability for the thread's own table."""
    slots = thread.table.slots
    for index in range(len(slots)):
        table = slots[index].object
        if isinstance(table, CapTable) and table is thread.table and slots[index].rights & CONTROL != 0:
            return index
    return len(slots)


def operation(thread: Thread, number: Operation, index: u64) -> bool:
    """An operation without a capability on this slot's object, if there is such a slot."""
    thread.registers.a0 = index
    thread.registers.a1 = message(u64(number.value), 0, 0)
    return index < len(thread.table.slots)


def giving(thread: Thread, number: Operation, index: u64, given: u64) -> bool:
    """The same, with a capability."""
    thread.registers.a0 = index
    thread.registers.a1 = message(u64(number.value), 0, 1)
    travel(thread, given)
    return index < len(thread.table.slots) and given < len(thread.table.slots)


# --- operations that are refused before anything is looked at ---------------------------------------------------------


def refused(fuzz: Fuzz, thread: Thread) -> bool:
    """Any operation, each as often, spoilt in one of the ways in which all can be."""
    r = thread.registers
    number = 1 + fuzz.below(u64(Operation.DENIALS.value))
    slots = thread.table.slots
    size = len(slots)
    wanted = KINDS[OPERATIONS + number]
    weak = fuzz.chance(3)
    start = fuzz.below(size)
    found = size
    for step in range(size):
        index = (start + step) % size
        slot = slots[index]
        lacking = slot.rights & CONTROL == 0 and is_controlled(number_of(slot))
        if lacking if weak else number_of(slot) == wanted:
            found = index
            break
    r.a0 = found
    r.a1 = message(number, 0, 0)
    if weak:
        return found != size
    if found == size:
        r.a0 = start
    if thread.buffer is None:
        r.a1 = message(number, 5 + fuzz.below(MAXIMUM_WORDS - 4), fuzz.below(MAXIMUM_CAPABILITIES + 1))
    elif fuzz.chance(2):
        r.a1 = message(number, MAXIMUM_WORDS + 1 + fuzz.below(511), fuzz.below(8))
    else:
        r.a1 = message(number, fuzz.below(1024), MAXIMUM_CAPABILITIES + 1 + fuzz.below(3))
    return True


def is_controlled(kind: u64) -> bool:
    """Do all operations of the kind need CONTROL?"""
    match kind:
        case 0 | 1 | 2 | 3 | 5 | 10 | 11 | 14:
            return False
        case _:
            return True


def uncontrolled(fuzz: Fuzz, thread: Thread) -> bool:
    """Give time or a floor by a capability that doesn't allow it."""
    r = thread.registers
    slots = thread.table.slots
    size = len(slots)
    timed = fuzz.chance(2)
    kind = u64(Kind.SCHED_CONTEXT.value) if timed else u64(Kind.THREAD.value)
    number = Operation.CONFIGURE if timed else Operation.SET_FLOOR
    r.a3 = 1000
    r.a4 = 1000
    start = fuzz.below(size)
    for step in range(size):
        index = (start + step) % size
        if number_of(slots[index]) == kind and slots[index].rights & CONTROL == 0:
            return giving(thread, number, named(fuzz, thread, Kind.PROCESSOR, CONTROL), index)
    return False


# --- messages that can't be taken -------------------------------------------------------------------------------------


def troubled(fuzz: Fuzz, thread: Thread, buffer: Buffer) -> bool:
    """A message with something wrong in one of its capabilities; the receiver would have room for them."""
    r = thread.registers
    place = PLACES[fuzz.below(len(PLACES))]
    count = place + 1 if fuzz.below(4) != 0 else place + 1 + fuzz.below(MAXIMUM_CAPABILITIES - place)
    trouble = TROUBLES[fuzz.below(len(TROUBLES))]
    later = fuzz.chance(2)
    if later and fuzz.chance(4):
        trouble = NOTHING
    if trouble == TWICE and place == 0:
        trouble = PARENT
    size = len(thread.table.slots)
    index = culprit(fuzz, thread, trouble)
    if index == size + 1:
        if prepare(fuzz, thread, trouble):
            return True
        trouble = EMPTY
        index = size
    serving = thread.reply
    if serving is not None and serving.caller is not None and answering(fuzz, thread, serving, count):
        pass
    elif not sending(fuzz, thread, count, later):
        return fuzz.chance(2) and crowding(fuzz, thread, buffer)
    name_others(fuzz, thread, buffer, count, index)
    if trouble == TWICE:
        other = fuzz.below(place)
        index = u64(buffer.capabilities[other].load(Order.RELAXED)) & ~u64(MOVE)
        index |= MOVE
    elif trouble in (PARENT, PIN):
        index |= MOVE
    if trouble != NOTHING:
        buffer.capabilities[place].store(u32(index), Order.RELAXED)
    r.a1 = message(fuzz.below(4), fuzz.below(24), count)
    return True


def culprit(fuzz: Fuzz, thread: Thread, trouble: u64) -> u64:
    """The index of a capability that has this trouble; one more than the number of slots if there is none."""
    slots = thread.table.slots
    size = len(slots)
    if trouble in (NOTHING, TWICE) or (trouble == EMPTY and fuzz.chance(4)):
        return size
    start = fuzz.below(size)
    for step in range(size):
        index = (start + step) % size
        slot = slots[index]
        if suits(slot, trouble):
            return index
    return size + 1


def suits(slot: Slot, trouble: u64) -> bool:
    """Has the capability this trouble?"""
    match trouble:
        case 0:
            return slot.object is None
        case 1:
            return slot.object is not None and has_children(slot) and slot.flags & PINNED == 0
        case 3:
            return slot.object is not None and u64(slot.depth) == MAXIMUM_DEPTH
        case _:
            return slot.flags & PINNED != 0


def prepare(fuzz: Fuzz, thread: Thread, trouble: u64) -> bool:
    """Bring about that there is a capability with this trouble."""
    slots = thread.table.slots
    size = len(slots)
    if trouble == BOTTOM:
        return deeper(fuzz, thread)
    if trouble != PIN:
        return False
    for index in range(size):
        slot = slots[index]
        if isinstance(slot.object, Frame) and slot.holder is None and slot.flags & DEVICE == 0:
            return giving(thread, Operation.PIN, named(fuzz, thread, Kind.DMA_SPACE, CONTROL), index)
    return False


def name_others(fuzz: Fuzz, thread: Thread, buffer: Buffer, count: u64, avoided: u64) -> None:
    """Capabilities that can be copied, for a message."""
    slots = thread.table.slots
    size = len(slots)
    index = fuzz.below(size)
    for number in range(count):
        for _ in range(size):
            index = (index + 1) % size
            if slots[index].object is not None and u64(slots[index].depth) < MAXIMUM_DEPTH and index != avoided:
                break
        buffer.capabilities[number].store(u32(index), Order.RELAXED)


def answering(fuzz: Fuzz, thread: Thread, serving: Reply, count: u64) -> bool:
    """Answer a caller that has room for the capabilities."""
    r = thread.registers
    slots = thread.table.slots
    caller = serving.caller
    if caller is None or caller.faulted or not roomy(caller, count):
        return False
    r.a7 = REPLY
    if fuzz.chance(2):
        r.a7 = REPLY_RECEIVE
        r.a0 = named(fuzz, thread, Kind.ENDPOINT, RECEIVE)
    for index in range(len(slots)):
        found = slots[index].object
        if isinstance(found, Reply) and found is serving:
            r.a6 = index
            return True
    return False


def sending(fuzz: Fuzz, thread: Thread, count: u64, later: bool) -> bool:
    """Send to somebody who has room for the capabilities; or, later, to somebody who isn't there yet."""
    r = thread.registers
    slots = thread.table.slots
    size = len(slots)
    r.a7 = SEND_CALL if fuzz.chance(2) else u64(CALL)
    start = fuzz.below(size)
    for step in range(size):
        index = (start + step) % size
        endpoint = slots[index].object
        if isinstance(endpoint, Endpoint) and slots[index].rights & (SEND | GRANT) == SEND | GRANT:
            r.a0 = index
            receiver = endpoint.receivers.head
            if receiver is None:
                if later and endpoint.senders.head is None:
                    return True
            elif not later and roomy(receiver, count):
                if receiver.reply is not None and (receiver.context is None or fuzz.chance(8)):
                    r.a7 = CALL
                    return True
                if receiver.context is not None:
                    r.a7 = SEND_CALL if fuzz.chance(2) else u64(TRY_SEND)
                    return True
    return False


def crowding(fuzz: Fuzz, thread: Thread, buffer: Buffer) -> bool:
    """Send as many capabilities as travel to somebody who has no room for them."""
    r = thread.registers
    slots = thread.table.slots
    for index in range(len(slots)):
        endpoint = slots[index].object
        if isinstance(endpoint, Endpoint) and slots[index].rights & (SEND | GRANT) == SEND | GRANT:
            receiver = endpoint.receivers.head
            waits = receiver is not None and receiver.context is not None and receiver.buffer is not None
            if receiver is not None and waits and not roomy(receiver, MAXIMUM_CAPABILITIES):
                r.a7 = SEND_CALL if fuzz.below(4) != 0 else u64(TRY_SEND)
                r.a0 = index
                r.a1 = message(0, 0, MAXIMUM_CAPABILITIES)
                name_others(fuzz, thread, buffer, MAXIMUM_CAPABILITIES, len(slots))
                return True
    return False


def awaiting(fuzz: Fuzz, hart: Hart, thread: Thread, buffer: Buffer) -> bool:
    """Receive, for a while, with room for all capabilities of a message: of a thread that has time of its own."""
    r = thread.registers
    if thread.home is None:
        return False
    wide_window(fuzz, thread, buffer)
    r.a7 = RECEIVE_CALL
    r.a0 = named(fuzz, thread, Kind.ENDPOINT, RECEIVE)
    r.a2 = cpu.now(hart.cpu) + fuzz.below(8000)
    return r.a0 < len(thread.table.slots)


def roomy(thread: Thread, count: u64) -> bool:
    """Has the thread's receive window room for so many capabilities?"""
    buffer = thread.buffer
    if buffer is None:
        return False
    return has_room(thread, buffer, u64(buffer.window_first.load(Order.RELAXED)), count)


# --- the limit of derivation ------------------------------------------------------------------------------------------


def deeper(fuzz: Fuzz, thread: Thread) -> bool:
    """Copy the deepest capability once more, in a machine where that leads to the limit."""
    slots = thread.table.slots
    r = thread.registers
    deepest: u64 = 0
    for index in range(len(slots)):
        if slots[index].object is not None and slots[index].depth >= slots[deepest].depth:
            deepest = index
    depth = u64(slots[deepest].depth)
    if depth < DEEP or depth == MAXIMUM_DEPTH:
        return False
    r.a2 = empty_in(fuzz, thread.table)
    r.a3 = u64(ALL)
    return giving(thread, Operation.COPY, own_table(thread), deepest)


def underived(fuzz: Fuzz, thread: Thread, buffer: Buffer) -> bool:
    """Derive from what was derived 64 times."""
    r = thread.registers
    slots = thread.table.slots
    index = culprit(fuzz, thread, BOTTOM)
    if index >= len(slots):
        return deeper(fuzz, thread)
    window(fuzz, thread, buffer, 1)
    slot = slots[index]
    thing = slot.object
    match thing:
        case Memory():
            if fuzz.below(4) != 0:
                r.a2 = u64(Kind.ENDPOINT.value)
                r.a4 = 1
                return operation(thread, Operation.RETYPE, index)
        case Trace():
            if fuzz.below(4) != 0:
                return operation(thread, Operation.TRACE_FRAME, index)
        case Notification():
            if fuzz.below(4) != 0:
                return unsignalled(fuzz, thread, index)
        case _:
            pass
    r.a2 = index
    r.a3 = u64(ALL)
    return operation(thread, Operation.COPY_OUT, own_table(thread))


def unsignalled(fuzz: Fuzz, thread: Thread, given: u64) -> bool:
    """Give a line, or a held thread's scheduler, a Notification that can't be derived."""
    slots = thread.table.slots
    size = len(slots)
    line = fuzz.chance(2)
    for index in range(size):
        if slots[index].rights & CONTROL != 0:
            thing = slots[index].object
            match thing:
                case Interrupt():
                    if line and thing.notification is None:
                        return giving(thread, Operation.BIND_INTERRUPT, index, given)
                case Thread():
                    if not line and thing.scheduler is None and thing.home is None:
                        return giving(thread, Operation.HOLD, index, given)
                case _:
                    pass
    return False


# --- what others wait for ---------------------------------------------------------------------------------------------


def disturbing(fuzz: Fuzz, thread: Thread) -> bool:
    """Take from a waiting thread what it has said it sends, or end its wait; or saw off the own branch."""
    r = thread.registers
    slots = thread.table.slots
    size = len(slots)
    for index in range(size):
        thing = slots[index].object
        if isinstance(thing, Thread) and thing is not thread and slots[index].rights & CONTROL != 0:
            waits = thing.state is State.SENDING or thing.state is State.CALLING
            if waits and not thing.faulted and needs_buffer(thing.message) and thing.buffer is not None:
                r.a2 = u64(Binding.BUFFER.value)
                return operation(thread, Operation.UNBIND, index)
            if thing.state is State.DISPATCHING:
                return operation(thread, Operation.SUSPEND, index)
    return fuzz.chance(16) and sawing(fuzz, thread)


def sawing(fuzz: Fuzz, thread: Thread) -> bool:
    """Delete or revoke, in a table with owners, what the thread itself is or can't be without."""
    r = thread.registers
    slots = thread.table.slots
    for index in range(len(slots)):
        table = slots[index].object
        if isinstance(table, CapTable) and table is not thread.table and slots[index].rights & CONTROL != 0:
            for place in range(len(table.slots)):
                thing = table.slots[place].object
                own = (isinstance(thing, Thread) and thing is thread) or (
                    isinstance(thing, CapTable) and thing is thread.table
                )
                if own and table.slots[place].flags & 1 != 0:
                    r.a2 = place
                    return operation(thread, Operation.DELETE if fuzz.chance(2) else Operation.REVOKE, index)
    return False
