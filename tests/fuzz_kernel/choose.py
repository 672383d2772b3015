"""What the running thread does next: a system call that most likely succeeds, or fails in one way of many.

The generator sees the kernel's state, as an attacker who knows everything would. It changes nothing but what the thread
itself could: its registers and its buffer.
"""

from neokernel.abi.buffer import MOVE, Buffer
from neokernel.abi.call import MAXIMUM_CAPABILITIES, NEVER, NOW, label_of, message
from neokernel.abi.kinds import PAGE_SIZE, Kind
from neokernel.abi.rights import CONTROL, READ, RECEIVE, SEND, SIGNAL, WAIT, WRITE
from neokernel.arch import cpu
from neokernel.kernel.objects import (
    BADGED,
    LARGE,
    PINNED,
    CapTable,
    Endpoint,
    Frame,
    Hart,
    Interrupt,
    Memory,
    Notification,
    PageTable,
    Reply,
    SchedContext,
    Slot,
    State,
    Thread,
)
from neokernel.kernel.slot import has_children, number_of
from neokernel.lang import Order, saturating_add, u16, u32, u64, wrapping_sub
from tests.fuzz_kernel.state import OPERATIONS, Fuzz

#: how often each system call is made, then each operation
# fmt: off
WEIGHTS: tuple[u64, ...] = (
    60, 6, 20, 24, 4, 12, 16, 6, 12, 2,  # CALL to TRY_SEND, and unknown calls
    0, 40, 4, 4, 30, 14, 14, 14, 32, 10, 8,  # (none), RETYPE to INSPECT
    20, 16, 12, 10, 20, 10, 12, 8, 16, 6,  # MAP to READ_REGISTERS
    5, 3, 6, 6, 16, 5, 10, 6, 3, 4,  # WRITE_REGISTERS to CONTEXT_INFO
    8, 4, 4, 10, 8, 4, 6, 8, 8, 12, 4,  # BIND_INTERRUPT to DENIALS
)
# fmt: on
TOTAL = 602

#: what a capability is wanted for, beside its kind: Fit.ANY, or a state in which the operation succeeds
ANY = 0
FREE = 1
USED = 2
STOPPED = 3
GOING = 4
HELD = 5
READY = 6
PENDING = 7
MOVABLE = 8
DEEP = 9


def fits(slot: Slot, state: u64) -> bool:
    """Is the object in such a state?"""
    thing = slot.object
    match thing:
        case Endpoint():
            first = thing.receivers.head
            if state == READY:
                return first is not None and first.reply is not None
            return state != PENDING or thing.senders.head is not None
        case Frame():
            if state == PENDING:
                return slot.flags & PINNED != 0
            if FREE <= state <= USED:
                return (slot.holder is None) == (state == FREE)
            return True
        case PageTable():
            return state == ANY or (thing.parent is None) == (state == FREE)
        case Reply():
            return state != FREE or (thing.caller is None and thing.server is None)
        case SchedContext():
            return state != FREE or (thing.home is None and thing.budget != 0)
        case Notification():
            return state != FREE or (thing.bound is None and thing.waiters.head is None)
        case Thread():
            match state:
                case 3:
                    return thing.state is State.STOPPED
                case 4:
                    return thing.state is not State.STOPPED
                case 5:
                    return thing.scheduler is not None
                case 6:
                    return thing.scheduler is not None and thing.state is State.RUNNABLE and thing.context is None
                case 1:
                    return thing.scheduler is None and thing.home is None
                case _:
                    return True
        case Interrupt():
            if state == PENDING:
                return thing.pending
            return state == ANY or (thing.notification is None) == (state == FREE)
        case _:
            return True


def pick(fuzz: Fuzz, thread: Thread, kind: Kind, rights: u16, state: u64) -> u64:
    """The index of such a capability, most often; sometimes of another, or nonsense."""
    slots = thread.table.slots
    size = len(slots)
    luck = fuzz.below(64)
    if size == 0 or luck == 0:
        return fuzz.random()
    if luck == 1:
        return size + fuzz.below(2)
    if luck <= 4:
        return fuzz.below(size)
    wanted = u64(kind.value)
    lacking = luck <= 6
    exact = luck > 8
    start = fuzz.below(size)
    second: u64 = size
    for step in range(size):
        index = (start + step) % size
        slot = slots[index]
        if number_of(slot) == wanted and (slot.rights & rights == rights) != lacking:
            if not exact or fits(slot, state):
                return index
            second = index
    return second if second != size else fuzz.below(size)


def empty_in(fuzz: Fuzz, table: CapTable) -> u64:
    """The index of an empty slot, most often."""
    slots = table.slots
    size = len(slots)
    if fuzz.chance(32):
        return fuzz.below(size + 2)
    start = fuzz.below(size)
    for step in range(size):
        index = (start + step) % size
        if slots[index].object is None:
            return index
    return start


def used_in(fuzz: Fuzz, table: CapTable, state: u64) -> u64:
    """The index of a slot with a capability, most often: one without children, or the deepest."""
    slots = table.slots
    size = len(slots)
    if fuzz.chance(32):
        return fuzz.below(size + 2)
    start = fuzz.below(size)
    found: u64 = size
    for step in range(size):
        index = (start + step) % size
        slot = slots[index]
        if slot.object is not None:
            if state == DEEP:
                if found == size or slot.depth > slots[found].depth:
                    found = index
            elif state != MOVABLE or (not has_children(slot) and slot.flags & PINNED == 0):
                return index
    return start if found == size else found


def window(fuzz: Fuzz, thread: Thread, buffer: Buffer, wanted: u64) -> None:
    """A receive window with that many empty slots, most often."""
    slots = thread.table.slots
    first: u64 = fuzz.below(len(slots) + 1)
    length: u64 = 0
    if fuzz.below(24) != 0:
        for index in range(len(slots)):
            length = length + 1 if slots[index].object is None else u64(0)
            if length >= wanted:
                first = index + 1 - wanted
                if fuzz.chance(2):
                    break
    size = wanted
    if fuzz.chance(32):
        size = fuzz.below(6)
    if fuzz.chance(128):
        first = fuzz.random() & 0xFFFF_FFFF
        size = fuzz.random() & 0xFFFF_FFFF
    buffer.window_first.store(u32(first), Order.RELAXED)
    buffer.window_size.store(u32(size), Order.RELAXED)


def wide_window(fuzz: Fuzz, thread: Thread, buffer: Buffer) -> None:
    """A receive window for a message: as wide as one can use, if there is room, most often."""
    if fuzz.chance(4):
        window(fuzz, thread, buffer, 1 + fuzz.below(3))
        return
    slots = thread.table.slots
    length: u64 = 0
    longest: u64 = 0
    first: u64 = 0
    for index in range(len(slots)):
        length = length + 1 if slots[index].object is None else u64(0)
        if length > longest and longest < MAXIMUM_CAPABILITIES:
            longest = length
            first = index + 1 - length
    buffer.window_first.store(u32(first), Order.RELAXED)
    buffer.window_size.store(u32(longest), Order.RELAXED)


def travel(thread: Thread, index: u64) -> None:
    """The capability that goes with the next operation."""
    buffer = thread.buffer
    if buffer is not None:
        buffer.capabilities[0].store(u32(index & 0xFFFF_FFFF), Order.RELAXED)


def strange(fuzz: Fuzz) -> u64:
    """A number at some limit."""
    match fuzz.below(6):
        case 0:
            return 0
        case 1:
            return 0xFFFF_FFFF_FFFF_FFFF
        case 2:
            return fuzz.random()
        case 3:
            return u64(1) << fuzz.below(64)
        case 4:
            return (u64(1) << fuzz.below(64)) - 1
        case _:
            return fuzz.below(16)


def deadline(fuzz: Fuzz, hart: Hart, thread: Thread) -> u64:
    """When to stop waiting. Who has a context waits for good rarely, so that the machine lives."""
    if thread.home is None:
        # It can't wait until a time, and rarely tries to.
        match fuzz.below(24):
            case 0 | 1:
                return cpu.now(hart.cpu) + 1 + fuzz.below(4000)
            case 2 | 3:
                return NOW
            case _:
                return NEVER
    match fuzz.below(16):
        case 0:
            return NEVER
        case 1 | 2:
            return NOW
        case 3:
            return fuzz.random()
        case 4:
            return saturating_add(cpu.now(hart.cpu), u64(1) << fuzz.below(40))
        case _:
            return cpu.now(hart.cpu) + fuzz.below(4000)


# fmt: off
#: of each row, the kind of capability that is invoked (0: any), and its state
KINDS: tuple[u64, ...] = (
    1, 1, 1, 1, 0, 3, 3, 0, 1, 0,
    0, 4, 4, 4, 8, 8, 8, 8, 8, 8, 8,
    7, 7, 5, 6, 9, 9, 9, 9, 9, 9,
    9, 9, 9, 9, 9, 9, 15, 15, 15, 10,
    12, 12, 12, 13, 13, 14, 14, 16, 16, 8, 8,
)
STATES: tuple[u64, ...] = (
    6, 0, 6, 7, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 2, 2, 0, 0, 3, 4, 3, 3,
    3, 3, 1, 5, 6, 0, 0, 0, 0, 0,
    1, 2, 7, 0, 0, 0, 0, 0, 0, 0, 0,
)
# fmt: on


def row_for(fuzz: Fuzz, thread: Thread) -> u64:
    """Which call, or operation: rarely one for which the thread has nothing."""
    if fuzz.chance(3) and possible(thread, 0):
        return 0
    row = any_row(fuzz, thread)
    for _ in range(6):
        if possible(thread, row) or fuzz.chance(30):
            break
        row = any_row(fuzz, thread)
    return row


def possible(thread: Thread, row: u64) -> bool:
    """Has it a capability to do it with?"""
    kind = KINDS[row]
    if kind == 0:
        return True
    slots = thread.table.slots
    found = False
    for index in range(len(slots)):
        found = found or (number_of(slots[index]) == kind and fits(slots[index], STATES[row]))
    return found


def any_row(fuzz: Fuzz, thread: Thread) -> u64:
    """A row of the table of outcomes."""
    reply = thread.reply
    if reply is not None and reply.caller is not None and fuzz.below(8) < 5:
        return 1 if fuzz.below(4) != 0 else 4
    if thread.home is None and fuzz.below(8) < 3:
        return 3 if fuzz.below(3) != 0 else 1
    left = fuzz.below(TOTAL)
    for row in range(len(WEIGHTS)):
        if left < WEIGHTS[row]:
            return row
        left -= WEIGHTS[row]
    return fuzz.below(len(WEIGHTS))


def tend(fuzz: Fuzz, hart: Hart, thread: Thread) -> None:
    """The gardener's next call: what stands still goes on. It waits for nothing."""
    slots = thread.table.slots
    if fuzz.below(8) != 0:
        first = fuzz.below(6) * 13
        index = first + 2
        held = slots[index].object
        if isinstance(held, Thread):
            revive(fuzz, thread, held, first)
            return
    choose_call(fuzz, hart, thread)
    number = thread.registers.a7
    index = thread.registers.a0
    waits = number == 1 or number == 2 or number == 3 or number == 5
    if index < len(slots) and number == 0:
        waits = isinstance(slots[index].object, Endpoint) or label_of(thread.registers.a1) == 25
    if waits:
        thread.registers.a7 = 7


def revive(fuzz: Fuzz, thread: Thread, held: Thread, first: u64) -> None:
    """An operation of the gardener on a thread that stands still: its objects are in the slots from `first` on."""
    r = thread.registers
    r.a7 = 0
    r.a0 = first + 2
    r.a2 = 0x2000
    r.a3 = 0
    r.a4 = 0
    r.a5 = 0
    r.a6 = 0
    context = held.context
    waits = held.state is not State.STOPPED and held.state is not State.RUNNABLE
    if held.taken != 0 and fuzz.below(4) != 0:
        # Its handler will be told.
        r.a7 = 7
    elif held.home is None and context is None and held.scheduler is None and not (waits and fuzz.below(4) != 0):
        # A thread without time: it gets its own.
        given = thread.table.slots[first + 3].object
        if isinstance(given, SchedContext) and given.budget == 0:
            r.a1 = message(27, 0, 0)
            r.a0 = 13 * 6 + 4  # PROCESSOR_COPY
            r.a2 = 100
            r.a3 = 1000
            r.a4 = 1000
        else:
            r.a1 = message(15, 0, 0)
            r.a2 = 4
        with_capability(thread, first + 3)
    elif held.state is State.RECEIVING and held.home is not None and fuzz.chance(2):
        # A server that serves on its clients' time from now on.
        r.a1 = message(16, 0, 0)
        r.a2 = 4
    elif held.state is State.STOPPED and len(held.table.slots) == 0 and fuzz.below(4) != 0:
        # Without a table it can do nothing.
        if isinstance(thread.table.slots[first].object, CapTable):
            r.a1 = message(15, 0, 0)
            r.a2 = 1
            with_capability(thread, first)
        else:
            r.a7 = 7
    elif held.state is State.STOPPED:
        r.a1 = message(17, 0, 0) if fuzz.below(3) != 0 else message(19, 0, 0)
        if fuzz.chance(8):
            r.a1 = message(15, 0, 0)
            r.a2 = fuzz.below(3)
            with_capability(thread, first + (1 if r.a2 == 0 else 0 if r.a2 == 1 else 4))
    elif waits and held.state is not State.RECEIVING:
        r.a1 = message(18, 0, 0)
        for number in range(6):
            # Somebody waits for an answer by this Reply.
            reply = thread.table.slots[13 * number + 6].object
            if isinstance(reply, Reply) and reply.caller is held and fuzz.chance(4):
                r.a0 = 13 * 6 + 5  # SUPERVISOR_COPY
                r.a1 = message(8, 0, 0)
                r.a2 = 13 * number + 6
    else:
        r.a7 = 7


def choose_call(fuzz: Fuzz, hart: Hart, thread: Thread) -> None:
    """Set the registers of the next call."""
    r = thread.registers
    row = row_for(fuzz, thread)
    r.a0 = 0
    r.a1 = 0
    r.a2 = fuzz.below(1 << 20)
    r.a3 = fuzz.below(1 << 20)
    r.a4 = fuzz.below(1 << 20)
    r.a5 = fuzz.below(1 << 20)
    r.a6 = 0
    if row >= OPERATIONS:
        r.a7 = 0
        r.a1 = message(row - OPERATIONS, 0, 0)
        operation(fuzz, hart, thread, row - OPERATIONS)
        if fuzz.chance(256):
            r.a1 = (r.a1 & ~u64(0xFFFF_FFFF)) | (42 + fuzz.below(1000))
        if fuzz.chance(128):
            r.a0 = fuzz.below(len(thread.table.slots) + 1)
        if fuzz.chance(96):
            # More words or capabilities than the operation wants, or than there can be.
            r.a1 = message(label_of(r.a1), fuzz.below(1024), fuzz.below(8))
        if fuzz.chance(64):
            wrong_argument(fuzz, thread)
        return
    r.a7 = row
    match row:
        case 0 | 2 | 8:
            r.a0 = pick(fuzz, thread, Kind.ENDPOINT, SEND, READY)
            r.a1 = message_word(fuzz, thread)
        case 1 | 3 | 4:
            answer_or_receive(fuzz, hart, thread, row)
        case 5:
            r.a0 = pick(fuzz, thread, Kind.NOTIFICATION, WAIT, ANY)
            r.a2 = deadline(fuzz, hart, thread)
        case 6:
            r.a0 = pick(fuzz, thread, Kind.NOTIFICATION, SIGNAL, ANY)
        case 7:
            pass
        case _:
            r.a7 = 9 + (fuzz.below(100) if fuzz.chance(2) else fuzz.random() >> 1)


def wrong_argument(fuzz: Fuzz, thread: Thread) -> None:
    r = thread.registers
    number = strange(fuzz)
    match fuzz.below(6):
        case 0:
            r.a1 = number
        case 1:
            r.a2 = number
        case 2:
            r.a3 = number
        case 3:
            r.a4 = number
        case 4:
            r.a5 = number
        case _:
            r.a1 &= 0xFFFF_FFFF


def message_word(fuzz: Fuzz, thread: Thread) -> u64:
    """A message, rarely with more than the registers hold; what travels is named in the buffer."""
    length = fuzz.below(5)
    count: u64 = 0
    luck = fuzz.below(64)
    if luck < 4:
        length = fuzz.below(24)
    elif luck == 4 and fuzz.chance(8):
        length = 480 + fuzz.below(40)
    buffer = thread.buffer
    if luck >= 42 and buffer is not None and len(thread.table.slots) != 0:
        count = 1 + fuzz.below(3)
        if fuzz.chance(32):
            count = fuzz.below(8)
        for number in range(min(count, 4)):
            index = used_in(fuzz, thread.table, MOVABLE)
            match fuzz.below(12):
                case 0:
                    index = fuzz.below(len(thread.table.slots) + 1)
                case 1:
                    index = used_in(fuzz, thread.table, ANY)
                case 2:
                    index = used_in(fuzz, thread.table, DEEP)
                case 3:
                    index = pick(fuzz, thread, Kind.FRAME, 0, PENDING) & 0xFFFF
                case 4:
                    if number != 0:
                        index = u64(buffer.capabilities[0].load(Order.RELAXED)) & 0xFFFF
                case _:
                    pass
            if fuzz.chance(3):
                index |= MOVE
            buffer.capabilities[number].store(u32(index), Order.RELAXED)
    if fuzz.chance(3) and buffer is not None and len(thread.table.slots) != 0:
        wide_window(fuzz, thread, buffer)
    word = message(fuzz.below(4), length, count)
    return word if fuzz.below(512) != 0 else word | u64(1) << (45 + fuzz.below(19))


def answer_or_receive(fuzz: Fuzz, hart: Hart, thread: Thread, row: u64) -> None:
    r = thread.registers
    buffer = thread.buffer
    if buffer is not None and len(thread.table.slots) != 0:
        wide_window(fuzz, thread, buffer)
    r.a0 = pick(fuzz, thread, Kind.ENDPOINT, RECEIVE, PENDING if fuzz.chance(2) else ANY)
    r.a1 = message_word(fuzz, thread)
    r.a2 = deadline(fuzz, hart, thread) if row == 3 else fuzz.below(3)
    serving = thread.reply
    named: u64 = 0
    if serving is not None and fuzz.below(24) != 0:
        slots = thread.table.slots
        for index in range(len(slots)):
            found = slots[index].object
            if isinstance(found, Reply) and found is serving:
                named = index
        if serving.caller is not None and row == 3 and fuzz.chance(2):
            named = 0
    if named == 0:
        named = pick(fuzz, thread, Kind.REPLY, 0, FREE)
    if row != 4 and fuzz.chance(16):
        named = 0
    r.a6 = named


def operation(fuzz: Fuzz, hart: Hart, thread: Thread, number: u64) -> None:
    """Arguments of an operation."""
    match number:
        case 1 | 2 | 3:
            on_memory(fuzz, thread, number)
        case 4 | 5 | 6 | 7 | 8 | 9 | 10 | 40:
            on_table(fuzz, thread, number)
        case 11 | 12 | 13 | 14:
            on_space(fuzz, thread, number)
        case 15 | 16 | 17 | 18 | 19 | 20 | 21 | 22 | 23 | 24 | 25 | 26:
            on_thread(fuzz, hart, thread, number)
        case 27 | 28 | 29 | 30:
            on_processor(fuzz, thread, number)
        case _:
            on_device(fuzz, thread, number)


def with_capability(thread: Thread, index: u64) -> None:
    thread.registers.a1 |= message(0, 0, 1)
    travel(thread, index)


def deepest(fuzz: Fuzz, thread: Thread, kind: u64) -> u64:
    """The deepest capability of a kind."""
    slots = thread.table.slots
    found: u64 = 0
    for index in range(len(slots)):
        if number_of(slots[index]) == kind and slots[index].depth >= slots[found].depth:
            found = index
    return found


def on_memory(fuzz: Fuzz, thread: Thread, number: u64) -> None:
    r = thread.registers
    r.a0 = pick(fuzz, thread, Kind.MEMORY, CONTROL, ANY)
    if fuzz.chance(12) and len(thread.table.slots) != 0:
        r.a0 = deepest(fuzz, thread, u64(Kind.MEMORY.value))
    if number == 2:
        r.a2 = fuzz.below(32) * 1024 if fuzz.chance(2) else fuzz.below(4096)
        return
    if number != 1:
        return
    r.a4 = 1 if fuzz.below(4) != 0 else 1 + fuzz.below(3)
    r.a5 = 0
    r.a3 = 0
    r.a2 = 1 + fuzz.below(14) if fuzz.below(12) != 0 else fuzz.below(20)
    match r.a2:
        case 3:
            r.a3 = fuzz.below(2)
        case 4:
            r.a3 = PAGE_SIZE * (1 + fuzz.below(6))
        case 5:
            r.a3 = 1 if fuzz.chance(64) else 0
        case 8:
            r.a3 = 1 + fuzz.below(16)
        case 11:
            r.a3 = 16 * fuzz.below(2)
        case 13:
            r.a3 = 1 + fuzz.below(5)
        case 14:
            r.a3 = 1 + fuzz.below(2)
        case _:
            pass
    if fuzz.chance(24):
        r.a3 = strange(fuzz)
    if fuzz.chance(48):
        r.a5 = fuzz.below(3)
    buffer = thread.buffer
    if buffer is not None and len(thread.table.slots) != 0:
        window(fuzz, thread, buffer, r.a4)


def table_at(thread: Thread, index: u64) -> CapTable:
    """The table that is invoked; the thread's own, if it is none."""
    if index < len(thread.table.slots):
        table = thread.table.slots[index].object
        if isinstance(table, CapTable):
            return table
    return thread.table


def on_table(fuzz: Fuzz, thread: Thread, number: u64) -> None:
    r = thread.registers
    r.a0 = pick(fuzz, thread, Kind.CAP_TABLE, CONTROL, ANY)
    table = table_at(thread, r.a0)
    if len(table.slots) == 0 or len(thread.table.slots) == 0:
        return
    buffer = thread.buffer
    match number:
        case 4:
            r.a2 = empty_in(fuzz, table)
            r.a3 = 511 if fuzz.below(3) != 0 else fuzz.below(512)
            if fuzz.chance(48):
                r.a3 = strange(fuzz)
            source = used_in(fuzz, thread.table, DEEP if fuzz.chance(4) else ANY)
            r.a4 = 0
            if source < len(thread.table.slots):
                named = thread.table.slots[source]
                kind = number_of(named)
                if (kind == 1 or kind == 3) and named.flags & BADGED == 0 and fuzz.chance(2):
                    r.a4 = 1 + fuzz.below(255)
            if fuzz.chance(24):
                r.a4 = fuzz.below(256)
            with_capability(thread, source)
        case 5:
            r.a2 = empty_in(fuzz, table)
            with_capability(thread, used_in(fuzz, thread.table, MOVABLE if fuzz.below(4) != 0 else ANY))
        case 6 | 7:
            r.a2 = used_in(fuzz, table, MOVABLE if number == 7 and fuzz.below(4) != 0 else ANY)
            r.a3 = 511 if fuzz.below(3) != 0 else fuzz.below(512)
            if fuzz.chance(24):
                r.a3 = strange(fuzz)
            if buffer is not None:
                window(fuzz, thread, buffer, 1)
        case 8 | 9:
            r.a2 = victim(fuzz, thread, table)
            r.a5 = 0
        case 40:
            cancelled(fuzz, thread, table)
        case 41:
            r.a2 = wrapping_sub(table.denied, fuzz.below(12))
        case _:
            r.a2 = fuzz.below(len(table.slots) + 1)


def cancelled(fuzz: Fuzz, thread: Thread, table: CapTable) -> None:
    """An endpoint, rather one at which somebody waits to send; and its badge."""
    r = thread.registers
    r.a5 = 0
    r.a2 = fuzz.below(len(table.slots) + 1)
    r.a3 = fuzz.below(4)
    wanted = fuzz.below(8)
    start = fuzz.below(len(table.slots))
    for step in range(len(table.slots)):
        slot = table.slots[(start + step) % len(table.slots)]
        endpoint = slot.object
        if isinstance(endpoint, Endpoint):
            first = endpoint.senders.head
            if wanted == 0 or (first is not None and (slot.flags & BADGED == 0 or wanted == 1)):
                r.a2 = (start + step) % len(table.slots)
                if first is not None:
                    r.a3 = first.badge
                    after = first.next
                    if after is not None and fuzz.chance(2):
                        r.a3 = after.badge
                return


def victim(fuzz: Fuzz, thread: Thread, table: CapTable) -> u64:
    """What is deleted or revoked: rather a leaf than what everybody needs."""
    index = used_in(fuzz, table, MOVABLE if fuzz.below(3) != 0 else ANY)
    if fuzz.chance(8):
        # A Reply that somebody waits for.
        for place in range(len(table.slots)):
            reply = table.slots[place].object
            if isinstance(reply, Reply) and reply.caller is not None:
                return place
    if index < len(table.slots) and fuzz.below(4) != 0:
        thing = table.slots[index].object
        needed = isinstance(thing, Thread | CapTable | SchedContext | Memory)
        if needed and table.slots[index].depth <= 3:
            return used_in(fuzz, table, DEEP)
    return index


def address(fuzz: Fuzz) -> u64:
    """A page in one of few places, so that tables are there."""
    base = u64(0x4000_0000) + (u64(0x4000_0000) if fuzz.chance(4) else 0)
    return base + (u64(1 << 21) if fuzz.chance(4) else 0) + PAGE_SIZE * fuzz.below(8)


def on_space(fuzz: Fuzz, thread: Thread, number: u64) -> None:
    r = thread.registers
    match number:
        case 11:
            r.a0 = pick(fuzz, thread, Kind.ADDRESS_SPACE, CONTROL, ANY)
            frame = pick(fuzz, thread, Kind.FRAME, READ, FREE)
            r.a2 = address(fuzz)
            r.a3 = 1
            if frame < len(thread.table.slots):
                named = thread.table.slots[frame]
                if named.flags & LARGE != 0 and fuzz.below(4) != 0:
                    r.a2 &= ~u64((1 << 21) - 1)
                if named.rights & WRITE != 0 and fuzz.chance(2):
                    r.a3 = 3
                elif fuzz.chance(4):
                    r.a3 = 5
            if fuzz.chance(16):
                r.a3 = fuzz.below(10)
            if fuzz.chance(32):
                r.a2 = strange(fuzz)
            with_capability(thread, frame)
        case 12:
            r.a0 = pick(fuzz, thread, Kind.ADDRESS_SPACE, CONTROL, ANY)
            r.a3 = 1 + fuzz.below(2)
            r.a2 = address(fuzz) & ~((u64(PAGE_SIZE) << (9 * r.a3)) - 1)
            if fuzz.chance(24):
                r.a2 = address(fuzz)
            if fuzz.chance(32):
                r.a2 = strange(fuzz)
            if fuzz.chance(32):
                r.a3 = fuzz.below(5)
            with_capability(thread, pick(fuzz, thread, Kind.PAGE_TABLE, CONTROL, FREE))
        case 13:
            r.a0 = pick(fuzz, thread, Kind.FRAME, 0, USED)
        case _:
            r.a0 = pick(fuzz, thread, Kind.PAGE_TABLE, CONTROL, USED)


def on_thread(fuzz: Fuzz, hart: Hart, thread: Thread, number: u64) -> None:
    r = thread.registers
    match number:
        case 15:
            r.a0 = pick(fuzz, thread, Kind.THREAD, CONTROL, FREE if fuzz.chance(2) else ANY)
            binding(fuzz, thread)
        case 16:
            r.a0 = pick(fuzz, thread, Kind.THREAD, CONTROL, ANY)
            r.a2 = 2 + fuzz.below(5) if fuzz.below(8) != 0 else fuzz.below(9)
        case 17:
            r.a0 = pick(fuzz, thread, Kind.THREAD, CONTROL, STOPPED)
            r.a2 = 0x2000 + 2 * fuzz.below(256)
        case 18:
            r.a0 = pick(fuzz, thread, Kind.THREAD, CONTROL, GOING)
        case 19 | 21:
            r.a0 = pick(fuzz, thread, Kind.THREAD, CONTROL, STOPPED)
            if number == 21:
                r.a2 = 0x2000
                zero_words(thread)
        case 22:
            r.a0 = pick(fuzz, thread, Kind.THREAD, CONTROL, STOPPED)
            r.a2 = 1 if fuzz.chance(4) else 0
            if fuzz.chance(16):
                r.a2 = strange(fuzz)
        case 23:
            r.a0 = pick(fuzz, thread, Kind.THREAD, CONTROL, FREE)
            with_capability(thread, signalled(fuzz, thread))
        case 24:
            r.a0 = pick(fuzz, thread, Kind.THREAD, CONTROL, HELD)
        case 25:
            r.a0 = pick(fuzz, thread, Kind.THREAD, CONTROL, READY)
            r.a2 = deadline(fuzz, hart, thread)
        case _:
            r.a0 = pick(fuzz, thread, Kind.THREAD, CONTROL, ANY)


def signalled(fuzz: Fuzz, thread: Thread) -> u64:
    """A notification that can be signalled."""
    if fuzz.chance(6) and len(thread.table.slots) != 0:
        return deepest(fuzz, thread, u64(Kind.NOTIFICATION.value))
    return pick(fuzz, thread, Kind.NOTIFICATION, SIGNAL, ANY)


def zero_words(thread: Thread) -> None:
    """The registers that WRITE_REGISTERS gives are zero, so that the thread is marked anew."""
    buffer = thread.buffer
    if buffer is not None:
        for index in range(28):
            buffer.words[index] = 0


def binding(fuzz: Fuzz, thread: Thread) -> None:
    r = thread.registers
    r.a2 = fuzz.below(7)
    given: u64 = 0
    match r.a2:
        case 0:
            given = pick(fuzz, thread, Kind.ADDRESS_SPACE, CONTROL, ANY)
        case 1:
            given = pick(fuzz, thread, Kind.CAP_TABLE, CONTROL, ANY)
        case 2:
            given = pick(fuzz, thread, Kind.FRAME, READ | WRITE, ANY)
        case 3:
            given = pick(fuzz, thread, Kind.ENDPOINT, SEND, ANY)
        case 4:
            given = pick(fuzz, thread, Kind.SCHED_CONTEXT, CONTROL, FREE)
        case 5:
            given = pick(fuzz, thread, Kind.NOTIFICATION, WAIT, FREE)
        case _:
            given = pick(fuzz, thread, Kind.FLOATS, CONTROL, ANY)
    if fuzz.chance(6) and given < len(thread.table.slots):
        given = deepest(fuzz, thread, number_of(thread.table.slots[given]))
    with_capability(thread, given)
    if fuzz.chance(32):
        r.a2 = strange(fuzz)


def on_processor(fuzz: Fuzz, thread: Thread, number: u64) -> None:
    r = thread.registers
    if number == 30:
        r.a0 = pick(fuzz, thread, Kind.SCHED_CONTEXT, 0, ANY)
        return
    r.a0 = pick(fuzz, thread, Kind.PROCESSOR, CONTROL, ANY)
    r.a2 = 50 * fuzz.below(3) if fuzz.below(3) != 0 else fuzz.below(260)
    if number == 27:
        r.a3 = 100 + fuzz.below(3000)
        r.a4 = r.a3 if fuzz.chance(2) else r.a3 + fuzz.below(6000)
        if fuzz.chance(24):
            r.a3 = strange(fuzz)
        if fuzz.chance(24):
            r.a4 = strange(fuzz)
        with_capability(thread, pick(fuzz, thread, Kind.SCHED_CONTEXT, CONTROL, ANY))
    elif number == 28:
        with_capability(thread, pick(fuzz, thread, Kind.THREAD, CONTROL, ANY))


def on_device(fuzz: Fuzz, thread: Thread, number: u64) -> None:
    r = thread.registers
    buffer = thread.buffer
    match number:
        case 31:
            r.a0 = pick(fuzz, thread, Kind.INTERRUPT, CONTROL, FREE)
            with_capability(thread, signalled(fuzz, thread))
        case 32:
            r.a0 = pick(fuzz, thread, Kind.INTERRUPT, CONTROL, USED)
        case 33:
            r.a0 = pick(fuzz, thread, Kind.INTERRUPT, CONTROL, PENDING)
        case 34:
            r.a0 = pick(fuzz, thread, Kind.DMA_SPACE, CONTROL, ANY)
            with_capability(thread, pick(fuzz, thread, Kind.FRAME, 0, FREE))
        case 35:
            r.a0 = pick(fuzz, thread, Kind.DMA_SPACE, CONTROL, ANY)
            with_capability(thread, pick(fuzz, thread, Kind.FRAME, 0, PENDING))
        case 36:
            r.a0 = pick(fuzz, thread, Kind.TRACE, CONTROL, ANY)
            r.a2 = 0 if fuzz.below(3) != 0 else fuzz.below(1024)
        case 37:
            r.a0 = pick(fuzz, thread, Kind.TRACE, READ, ANY)
            if fuzz.chance(6) and len(thread.table.slots) != 0:
                r.a0 = deepest(fuzz, thread, u64(Kind.TRACE.value))
            r.a2 = fuzz.below(4)
            if buffer is not None and len(thread.table.slots) != 0:
                window(fuzz, thread, buffer, 1)
        case 38:
            r.a0 = pick(fuzz, thread, Kind.PLATFORM, CONTROL, ANY)
            r.a2 = fuzz.below(26)
        case _:
            r.a0 = pick(fuzz, thread, Kind.PLATFORM, CONTROL, ANY)
            r.a2 = fuzz.below(300)
