"""A small machine for the attack: what boot and a careless supervisor would make, by the kernel's own operations.

The cradle, a table that nobody has a capability for, holds what boot makes: the memory, a device's memory, lines, the
processor, the platform, and the supervisor's table. That one holds the owners of all objects that are made; in some
machines a process can reach it. It is the gardener's table, too: a thread that nobody can reach, and that runs when
nobody else can. Every process gets copies of its own things and of whatever chance decides.
"""

from neokernel.abi.call import NEVER, message
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding, Operation
from neokernel.abi.rights import ALL, CONTROL
from neokernel.arch import cpu
from neokernel.kernel import placement
from neokernel.kernel.dma import pin
from neokernel.kernel.endpoint import receive
from neokernel.kernel.notification import go_on
from neokernel.kernel.objects import (
    BADGED,
    DEVICE,
    MAXIMUM_DEPTH,
    OWNER,
    CapTable,
    DmaSpace,
    Endpoint,
    Hart,
    Interrupt,
    Notification,
    Reply,
    Slot,
    Thread,
)
from neokernel.kernel.outcome import AGAIN, ANSWERED, BLOCKED
from neokernel.kernel.schedule import choose
from neokernel.kernel.slot import derive, relocate
from neokernel.kernel.syscall import invoke
from neokernel.lang import Embedded, Order, Span, loop_bound, span_at, u8, u16, u32, u64, unsafe
from tests.fuzz_kernel.state import (
    CRADLE_AT,
    CRADLE_SLOTS,
    KEEPER_AT,
    LINES,
    LINES_AT,
    PAGE,
    POOL,
    POOL_SIZE,
    ROOTS_AT,
    UNIT,
    Fuzz,
    cradle,
    keeper,
    the_hart,
)

unsafe("the machine lies at a fixed address")

#: in the cradle: what boot makes
MEMORY = 0
DEVICE_MEMORY = 1
PROCESSOR = 2
PLATFORM = 3
LINE = 4
SUPERVISOR = LINE + LINES
#: the gardener's thread, context, space and buffer
GARDENER = SUPERVISOR + 1
#: a chain of copies, in some machines
DEEP = GARDENER + 4

#: processes; of each, how many slots; which of them are servers without time of their own, or held by a scheduler
PROCESSES = 6
ACTIVE = 3
HELD = 5
SLOTS = 44
#: in the supervisor's table, of each process, in this order; in its own table the same, from 1 on
TABLE = 0
SPACE = 1
THREAD = 2
CONTEXT = 3
BUFFER = 4
ENDPOINT = 5
REPLY = 6
NOTIFICATION = 7
TABLES = 8
FRAME = 10
CHILD = 12
OF_EACH = 13
#: behind those: a device space, a trace, floats, a memory for large frames
SHARED = PROCESSES * OF_EACH
DMA = SHARED
RING = SHARED + 1
FLOAT = SHARED + 2
LARGE_MEMORY = SHARED + 3
LAST = SHARED + 4
#: where something is made that is moved to a process at once
PASSING = LAST + 2
#: copies of capabilities for the gardener: the processor, its table
PROCESSOR_COPY = LAST
SUPERVISOR_COPY = LAST + 1
DEVICE_BASE = 0x1000_0000

#: capabilities of boot that are handed out, too
HANDED = LAST + SUPERVISOR + 1
SUPERVISOR_SLOTS = LAST + 12


def make(fuzz: Fuzz) -> None:
    """A new machine. Physical memory before the pool is zero."""
    fuzz.epoch += 2
    hart = make_hart()
    make_roots(hart)
    retyped(hart, SUPERVISOR, Kind.CAP_TABLE, SUPERVISOR_SLOTS)
    retyped(hart, GARDENER, Kind.THREAD, 0)
    retyped(hart, GARDENER + 1, Kind.SCHED_CONTEXT, 0)
    retyped(hart, GARDENER + 2, Kind.ADDRESS_SPACE, 0)
    retyped(hart, GARDENER + 3, Kind.FRAME, 0)
    make_gardener(hart)
    supervisor = cradle().slots[SUPERVISOR].object
    assert isinstance(supervisor, CapTable)
    keeper().table = supervisor
    keeper().slots = supervisor.slots
    for number in range(PROCESSES):
        make_objects(fuzz, hart, number)
    retyped(hart, DMA, Kind.DMA_SPACE, 3 + fuzz.below(3))
    retyped(hart, RING, Kind.TRACE, 1)
    retyped(hart, FLOAT, Kind.FLOATS, 16 * fuzz.below(2))
    if fuzz.chance(8):
        retyped(hart, LARGE_MEMORY, Kind.MEMORY, 0x40_0000)
    derive(hart, cradle().slots[PROCESSOR], owners()[PROCESSOR_COPY], ALL)
    derive(hart, cradle().slots[SUPERVISOR], owners()[SUPERVISOR_COPY], ALL)
    for number in range(PROCESSES):
        bind_objects(fuzz, hart, number)
    for number in range(PROCESSES):
        hand_out(fuzz, hart, number)
    if fuzz.below(4) != 0:
        deepen(fuzz, hart)
    pin_some(fuzz, hart)
    for number in range(PROCESSES):
        begin(fuzz, hart, number)
    choose(hart)


def make_hart() -> Hart:
    hart = the_hart()
    hart.cpu.timer = NEVER
    hart.budget_end = NEVER
    hart.wheel.earliest = NEVER
    hart.frequency = 10_000_000
    hart.next_asid = 1
    hart.asid_limit = 5
    hart.vector_words = 64
    hart.next_identifier = 1
    hart.number = 0
    hart.no_table.slots = span_at(Embedded[Slot], cpu.DIRECT + ROOTS_AT, 0)
    root = hart.no_space.root
    placement.prepare_table(root, ROOTS_AT, 2)
    root.space = hart.no_space
    for index in range(256, 512):
        root.entries.entry[index] = 0x2000_0000 + 4096 * index + 0xCF
    hart.processor.hart = hart
    hart.platform.hart = hart
    hart.lines = span_at(Embedded[Interrupt], cpu.DIRECT + LINES_AT, LINES)
    for index in range(LINES):
        line = hart.lines[index]
        line.line = u32(index) + 1
        line.holder.user = line
    return hart


def make_roots(hart: Hart) -> None:
    """What boot makes, in the cradle; and the keeper, in whose name the rest is made."""
    table = placement.make_cap_table(CRADLE_AT, CRADLE_SLOTS)
    owner = placement.make_thread(hart, KEEPER_AT)
    owner.table = table
    owner.slots = table.slots
    owner.buffer = placement.buffer_at(KEEPER_AT + PAGE)
    placement.clear(POOL, UNIT)
    memory = placement.make_memory(POOL, POOL + PAGE, POOL_SIZE - PAGE, 0)
    grant(table, MEMORY, 0)
    table.slots[MEMORY].object = memory
    device = placement.make_memory(KEEPER_AT + 2 * PAGE, DEVICE_BASE, 8 * PAGE, 0)
    device.device = True
    grant(table, DEVICE_MEMORY, DEVICE)
    table.slots[DEVICE_MEMORY].object = device
    grant(table, PROCESSOR, 0)
    table.slots[PROCESSOR].object = hart.processor
    grant(table, PLATFORM, 0)
    table.slots[PLATFORM].object = hart.platform
    for index in range(LINES):
        grant(table, LINE + index, 0)
        table.slots[LINE + index].object = hart.lines[index]


def grant(table: CapTable, index: u64, flags: u8) -> None:
    """A capability that nothing was derived from; its object is set by the caller."""
    slot = table.slots[index]
    slot.rights = ALL
    slot.flags = OWNER | flags


def operate(hart: Hart, slot: Slot, operation: Operation, given: u64, a2: u64, a3: u64, a4: u64) -> None:
    """An operation in the keeper's name, which succeeds. `given`: the supervisor's slot of what travels."""
    owner = keeper()
    buffer = owner.buffer
    assert buffer is not None
    buffer.capabilities[0].store(u32(given), Order.RELAXED)
    registers = owner.registers
    registers.a1 = message(u64(operation.value), 0, 1)
    registers.a2 = a2
    registers.a3 = a3
    registers.a4 = a4
    registers.a5 = 0
    done: u64 = AGAIN
    while done == AGAIN:
        loop_bound(4096)
        done = invoke(hart, owner, slot)
    assert done == 0 or done == ANSWERED, "the machine can't be made"


def retyped(hart: Hart, index: u64, kind: Kind, size: u64) -> None:
    """Make an object; its owner goes to this slot of the supervisor's table."""
    retyped_of(hart, cradle().slots[MEMORY], index, kind, size)


def retyped_of(hart: Hart, memory: Slot, index: u64, kind: Kind, size: u64) -> None:
    """The same, of this memory."""
    buffer = keeper().buffer
    assert buffer is not None
    buffer.window_first.store(u32(index), Order.RELAXED)
    buffer.window_size.store(1, Order.RELAXED)
    operate(hart, memory, Operation.RETYPE, 0, u64(kind.value), size, 1)


def make_gardener(hart: Hart) -> None:
    """A thread with the supervisor's table that nobody can reach; it has the lowest priority."""
    thread = gardener()
    slots = cradle().slots
    operate(hart, slots[PROCESSOR], Operation.CONFIGURE, GARDENER + 1, 0, 1000, 1000)
    operate(hart, slots[GARDENER], Operation.BIND, SUPERVISOR, u64(Binding.TABLE.value), 0, 0)
    operate(hart, slots[GARDENER], Operation.BIND, GARDENER + 1, u64(Binding.CONTEXT.value), 0, 0)
    operate(hart, slots[GARDENER], Operation.BIND, GARDENER + 2, u64(Binding.SPACE.value), 0, 0)
    operate(hart, slots[GARDENER], Operation.BIND, GARDENER + 3, u64(Binding.BUFFER.value), 0, 0)
    thread.registers.pc = 0x2000
    go_on(hart, thread)


def gardener() -> Thread:
    """It runs when nobody else can, and makes that somebody can."""
    thread = cradle().slots[GARDENER].object
    assert isinstance(thread, Thread), "a machine without a gardener"
    return thread


def at(number: u64, which: u64) -> u64:
    """The supervisor's slot of a process's object."""
    return number * OF_EACH + which


def owners() -> Span[Embedded[Slot]]:
    """The supervisor's slots."""
    table = cradle().slots[SUPERVISOR].object
    assert isinstance(table, CapTable), "a machine without a supervisor"
    return table.slots


def make_objects(fuzz: Fuzz, hart: Hart, number: u64) -> None:
    retyped(hart, at(number, TABLE), Kind.CAP_TABLE, SLOTS)
    retyped(hart, at(number, SPACE), Kind.ADDRESS_SPACE, 0)
    retyped(hart, at(number, THREAD), Kind.THREAD, 0)
    retyped(hart, at(number, CONTEXT), Kind.SCHED_CONTEXT, 0)
    retyped(hart, at(number, BUFFER), Kind.FRAME, 0)
    retyped(hart, at(number, ENDPOINT), Kind.ENDPOINT, 0)
    retyped(hart, at(number, REPLY), Kind.REPLY, 0)
    retyped(hart, at(number, NOTIFICATION), Kind.NOTIFICATION, fuzz.below(2))
    retyped(hart, at(number, TABLES), Kind.PAGE_TABLE, 0)
    retyped(hart, at(number, TABLES + 1), Kind.PAGE_TABLE, 0)
    retyped(hart, at(number, FRAME), Kind.FRAME, 0)
    retyped(hart, at(number, FRAME + 1), Kind.FRAME, 0)
    retyped(hart, at(number, CHILD), Kind.MEMORY, PAGE * (4 + fuzz.below(40)))


def bind_objects(fuzz: Fuzz, hart: Hart, number: u64) -> None:
    """A thread with what it needs; who is held, or serves only, has no context of its own."""
    slots = owners()
    bind(hart, number, Binding.TABLE, at(number, TABLE))
    bind(hart, number, Binding.SPACE, at(number, SPACE))
    bind(hart, number, Binding.BUFFER, at(number, BUFFER))
    if number < ACTIVE:
        configure(fuzz, hart, number)
        bind(hart, number, Binding.CONTEXT, at(number, CONTEXT))
    if number == HELD:
        operate(hart, slots[at(number, THREAD)], Operation.HOLD, at(0, NOTIFICATION), 0, 0, 0)
    if fuzz.chance(2):
        bind(hart, number, Binding.HANDLER, at(fuzz.below(PROCESSES), ENDPOINT))
    if fuzz.chance(4):
        bind(hart, number, Binding.NOTIFICATION, at(number, NOTIFICATION))
    space = slots[at(number, SPACE)]
    operate(hart, space, Operation.INSTALL, at(number, TABLES), 0x4000_0000, 2, 0)
    operate(hart, space, Operation.INSTALL, at(number, TABLES + 1), 0x4000_0000, 1, 0)
    operate(hart, space, Operation.MAP, at(number, FRAME), 0x4000_0000, 3, 0)


def bind(hart: Hart, number: u64, which: Binding, given: u64) -> None:
    operate(hart, owners()[at(number, THREAD)], Operation.BIND, given, u64(which.value), 0, 0)


def configure(fuzz: Fuzz, hart: Hart, number: u64) -> None:
    priority: u64 = 50 if fuzz.chance(4) else 100
    budget = 1000 + fuzz.below(4000)
    period = budget if fuzz.chance(2) else budget * 2
    operate(hart, cradle().slots[PROCESSOR], Operation.CONFIGURE, at(number, CONTEXT), priority, budget, period)


def hand_out(fuzz: Fuzz, hart: Hart, number: u64) -> None:
    """Capabilities for a process: its own, in the same order as in the cradle, then others."""
    slots = owners()
    table = slots[at(number, TABLE)].object
    assert isinstance(table, CapTable)
    for which in range(OF_EACH):
        give(fuzz, hart, slots[at(number, which)], table.slots[1 + which], True)
    place: u64 = 1 + OF_EACH
    for index in range(SHARED, LAST):
        if fuzz.chance(2):
            give(fuzz, hart, slots[index], table.slots[place], True)
            place += 1
    if fuzz.chance(3):
        give(fuzz, hart, cradle().slots[PLATFORM], table.slots[place], True)
        place += 1
    if fuzz.chance(2):
        give(fuzz, hart, cradle().slots[PROCESSOR], table.slots[place], True)
        give(fuzz, hart, cradle().slots[LINE + number % LINES], table.slots[place + 1], True)
        place += 2
    for _ in range(4 + fuzz.below(8)):
        index = fuzz.below(HANDED)
        source = slots[index] if index < LAST else cradle().slots[index - LAST]
        forbidden = index == LAST + MEMORY or (index == LAST + SUPERVISOR and not fuzz.chance(3))
        if source.object is not None and not forbidden:
            give(fuzz, hart, source, table.slots[place], False)
            place += 1
    if number < ACTIVE:
        give(fuzz, hart, slots[at(3 + fuzz.below(2), ENDPOINT)], table.slots[place], True)
        place += 1
    if number == 0:
        give(fuzz, hart, slots[at(HELD, THREAD)], table.slots[place], True)
        place += 1
    if number < ACTIVE:
        # Some can do much harm: to another one, or to all.
        if fuzz.chance(3):
            give(fuzz, hart, slots[at(fuzz.below(HELD), THREAD)], table.slots[place], True)
        if fuzz.chance(4):
            give(fuzz, hart, cradle().slots[SUPERVISOR], table.slots[place + 1], True)
    if number == HELD:
        give(fuzz, hart, slots[at(0, THREAD)], table.slots[place], True)


def deepen(fuzz: Fuzz, hart: Hart) -> None:
    """Copies of copies, down to where nearly nothing can be derived any more; each process gets one of those."""
    source = owners()[at(0, fuzz.below(OF_EACH))]
    match fuzz.below(6):
        case 0 | 1:
            source = owners()[at(0, NOTIFICATION)]
        case 2:
            source = owners()[at(0, CHILD)]
        case 3:
            source = owners()[RING]
        case _:
            pass
    slots = cradle().slots
    for index in range(DEEP, DEEP + MAXIMUM_DEPTH - 6 + fuzz.below(5)):
        derive(hart, source, slots[index], ALL)
        source = slots[index]
    for number in range(PROCESSES):
        table = owners()[at(number, TABLE)].object
        assert isinstance(table, CapTable)
        copy_into(hart, source, table)


def copy_into(hart: Hart, source: Slot, table: CapTable) -> Slot:
    """A copy in the first empty slot; gives that, or slot 0 if there is none."""
    for index in range(1, SLOTS):
        if table.slots[index].object is None:
            derive(hart, source, table.slots[index], ALL)
            return table.slots[index]
    return table.slots[0]


def pin_some(fuzz: Fuzz, hart: Hart) -> None:
    """Some processes have a copy of a frame that a device may reach."""
    for number in range(PROCESSES):
        if fuzz.chance(4):
            own = table_of(number)
            pin_copy(hart, owners()[DMA], own.slots[1 + FRAME + 1], own)
    if fuzz.chance(2):
        pin_below(fuzz, hart)


def pin_copy(hart: Hart, space: Slot, frame: Slot, table: CapTable) -> None:
    """A copy of the frame in the table is pinned; there may be too few pins for all."""
    device = space.object
    assert isinstance(device, DmaSpace), "a machine without a device space"
    _ = pin(keeper(), device, copy_into(hart, frame, table))


def pin_below(fuzz: Fuzz, hart: Hart) -> None:
    """A process owns two tables. In the first are frames, in the second a copy of one of them, and of copies of those
    some are pinned that another process has: by a device space that belongs to one of the two, or lies in a table.
    """
    number = fuzz.below(PROCESSES)
    own = table_of(number)
    other = table_of(fuzz.below(PROCESSES))
    memory = own.slots[1 + CHILD] if fuzz.chance(2) else cradle().slots[MEMORY]
    first = small_table(fuzz, hart, memory, own)
    second = small_table(fuzz, hart, memory, own)
    device = owners()[DMA]
    match fuzz.below(4):
        case 0:
            device = made_into(hart, memory, Kind.DMA_SPACE, own)
        case 1:
            device = made_into(hart, memory, Kind.DMA_SPACE, other)
        case 2:
            device = made_into(hart, memory, Kind.DMA_SPACE, first)
        case _:
            pass
    frames = first.slots
    place = 1 + fuzz.below(3)
    if frames[place].object is not None:
        place = 3
    derive(hart, owners()[at(fuzz.below(PROCESSES), FRAME)], frames[0], ALL)
    derive(hart, owners()[at(fuzz.below(PROCESSES), FRAME + 1)], frames[place], ALL)
    derive(hart, frames[0], second.slots[0], ALL)
    pin_copy(hart, device, second.slots[0], other)
    pin_copy(hart, device, frames[place], own if fuzz.chance(2) else other)
    if fuzz.chance(2):
        pin_copy(hart, device, second.slots[0], own)
    _ = copy_into(hart, device, own)
    _ = copy_into(hart, device, other)


def small_table(fuzz: Fuzz, hart: Hart, memory: Slot, owner: CapTable) -> CapTable:
    """A table of four slots. Most can't be used by a thread, which could do nothing with it."""
    slot = made_into(hart, memory, Kind.CAP_TABLE, owner)
    if fuzz.below(4) != 0:
        slot.rights = u16(ALL) & ~u16(CONTROL)
    table = slot.object
    assert isinstance(table, CapTable), "a process has no room for a table"
    return table


def made_into(hart: Hart, memory: Slot, kind: Kind, table: CapTable) -> Slot:
    """Make an object of size 4 that belongs to who has the table: its owner is in the first empty slot but 0."""
    retyped_of(hart, memory, PASSING, kind, 4)
    for index in range(1, len(table.slots)):
        if table.slots[index].object is None:
            relocate(owners()[PASSING], table.slots[index])
            return table.slots[index]
    return owners()[PASSING]


def table_of(number: u64) -> CapTable:
    """The table of a process."""
    table = owners()[at(number, TABLE)].object
    assert isinstance(table, CapTable), "a process without a table"
    return table


def give(fuzz: Fuzz, hart: Hart, source: Slot, place: Slot, own: bool) -> None:
    """A copy; of what isn't its own, often with fewer rights."""
    if source.object is None:
        return
    rights = u16(ALL) if own or fuzz.chance(2) else u16(fuzz.below(512)) | CONTROL
    if not own and fuzz.chance(6):
        rights = u16(fuzz.below(512))
    derive(hart, source, place, rights)
    if not own and fuzz.chance(3) and isinstance(source.object, Endpoint | Notification):
        place.word = 1 + fuzz.below(255)
        place.flags |= BADGED


def begin(fuzz: Fuzz, hart: Hart, number: u64) -> None:
    """Start a thread: servers receive, the others run when they have time."""
    thread = thread_of(number)
    thread.registers.pc = 0x2000
    server = number >= ACTIVE and number != HELD
    if not server:
        go_on(hart, thread)
        return
    table = thread.table
    endpoint = table.slots[1 + ENDPOINT].object
    reply = table.slots[1 + REPLY].object
    if isinstance(endpoint, Endpoint) and isinstance(reply, Reply):
        thread.registers.a7 = 3
        thread.registers.s10 = 4
        done = receive(hart, thread, endpoint, reply, NEVER, False)
        assert done == BLOCKED or done > ANSWERED, "the machine can't be made: RECEIVE"


def thread_of(number: u64) -> Thread:
    """The thread of a process."""
    thread = owners()[at(number, THREAD)].object
    assert isinstance(thread, Thread), "a process without a thread"
    return thread
