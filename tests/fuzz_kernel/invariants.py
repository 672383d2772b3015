"""What holds of the kernel's state whenever it isn't running: `tests/kernel/invariants.py`, in the target language.

`shallow` looks at every capability and object, `deep` at tables entry by entry and memory byte by byte, too.
"""

from neokernel.abi.operations import Binding
from neokernel.abi.rights import EXECUTE, READ, WRITE
from neokernel.arch import cpu
from neokernel.kernel.objects import (
    BOUND,
    DEVICE,
    FLOATING,
    LARGE,
    OWNER,
    PINNED,
    PRIORITIES,
    REFILLS,
    SCHEDULER,
    WHEEL_LEVELS,
    AddressSpace,
    CapTable,
    DmaSpace,
    Endpoint,
    Frame,
    Hart,
    Interrupt,
    Memory,
    Notification,
    PageTable,
    Pin,
    Reply,
    SchedContext,
    Slot,
    State,
    Thread,
    ThreadQueue,
    Timer,
)
from neokernel.kernel.schedule import ASID_SHIFT, SV39, priority_of
from neokernel.kernel.slot import number_of
from neokernel.lang import Embedded, Span, address_of, loop_bound, span_at, u32, u64, unreachable, unsafe
from tests.fuzz_kernel.state import (
    MOST_TABLES,
    MOST_THREADS,
    PAGE,
    PAGES,
    POOL,
    UNIT,
    Fuzz,
    physical,
    the_hart,
    unit_of,
)
from tests.fuzz_kernel.walk import base_of, lives, pages_of, size_in_place, walk, whole_frame

unsafe("memory is looked at by its address")

ENDPOINT = 1
REPLY = 2
NOTIFICATION = 3
PAGE_TABLE = 6
ADDRESS_SPACE = 7
CAP_TABLE = 8
THREAD = 9
SCHED_CONTEXT = 10
FLOATS = 11
DMA_SPACE = 13
TRACE = 14
VALID = 1
LEAF = 2 | 4 | 8


def shallow(fuzz: Fuzz) -> None:
    hart = the_hart()
    walk(fuzz)
    assert hart.revocations == fuzz.revoking, "revocations that are counted, and those that go on, differ"
    fuzz.armed = 0
    fuzz.answers = 0
    fuzz.blocked_count = 0
    for index in range(fuzz.slot_count):
        slot = fuzz.slots[index]
        if slot is not None:
            check_use(fuzz, hart, slot)
    for index in range(fuzz.slot_count):
        slot = fuzz.slots[index]
        if slot is not None and slot.flags & OWNER != 0:
            check_object(fuzz, hart, slot)
    check_hart(fuzz, hart)


def check_use(fuzz: Fuzz, hart: Hart, slot: Slot) -> None:
    """Who a slot says uses it does use it."""
    holder = slot.holder
    if holder is None:
        assert slot.flags & PINNED == 0, "pinned by nobody"
        return
    user = holder.user
    match user:
        case PageTable():
            place = address_of(user)
            assert lives(fuzz, place, PAGE_TABLE) or lives(fuzz, place, ADDRESS_SPACE), "mapped in what has gone"
            assert user.owners.slot[u64(slot.entry)] is slot, "a mapping that its table doesn't know"
            fuzz.claims[unit_of(place)] += 1
            check_entry(user, slot, user.entries.entry[u64(slot.entry)])
        case Thread():
            assert lives(fuzz, address_of(user), THREAD), "bound to a thread that has gone"
            assert user.bindings[u64(slot.entry)] is slot, "a binding that its thread doesn't know"
            assert slot.flags & BOUND != 0, "a binding of which may be derived"
            if isinstance(slot.object, Frame):
                page = (slot.word - POOL) // PAGE
                if page < PAGES:
                    fuzz.buffers[page] = 1
        case Interrupt():
            assert user.binding is slot, "a binding that its interrupt doesn't know"
            assert slot.flags & BOUND != 0, "a binding of which may be derived"
        case DmaSpace():
            assert lives(fuzz, address_of(user), DMA_SPACE), "pinned by what has gone"
            assert slot.flags & PINNED != 0, "not pinned, but held by a device space"
            assert user.pins[u64(slot.entry)].slot is slot, "a pin that its space doesn't know"
        case None:
            unreachable("a holder without an object")


def check_entry(table: PageTable, slot: Slot, entry: u64) -> None:
    """An entry allows what its capability allows, and never writing and executing."""
    assert entry & VALID != 0, "a mapping without an entry"
    below = slot.object
    address = (entry >> 10) << 12
    if isinstance(below, PageTable):
        assert entry & (LEAF | 16) == 0 and address == below.base, "an entry that leads to another table"
        assert below.parent is table and below.index == slot.entry, "a table that is installed elsewhere"
        assert below.level + 1 == table.level, "a table of another level"
        return
    assert isinstance(below, Frame), "mapped, and no frame"
    assert address == slot.word and entry & 16 != 0, "another frame is mapped"
    assert table.level == (1 if slot.flags & LARGE != 0 else 0), "mapped at another level"
    allowed = u64(slot.rights & (READ | WRITE | EXECUTE)) << 1
    assert entry & LEAF & ~allowed == 0, "an entry allows more than its capability"
    assert entry & LEAF & 10 != 0, "an entry of no use"
    assert entry & 12 != 12, "a page can be written and executed"
    assert entry & 4 == 0 or entry & 2 != 0, "a reserved combination"
    assert slot.flags & DEVICE == 0 or entry & 8 == 0, "a device can be executed"


def check_object(fuzz: Fuzz, hart: Hart, slot: Slot) -> None:
    thing = slot.object
    match thing:
        case Endpoint():
            check_endpoint(fuzz, thing)
        case Notification():
            check_notification(fuzz, thing)
        case Reply():
            check_reply(fuzz, thing)
        case Memory():
            assert thing.low <= thing.high and thing.high <= thing.size, "watermarks are out of order"
            if not thing.device:
                live = u64(fuzz.counts[unit_of(address_of(thing))])
                assert thing.live == live, "a Memory miscounts what lives"
        case Thread():
            check_thread(fuzz, hart, thing)
        case SchedContext():
            check_context(fuzz, hart, thing)
        case CapTable():
            check_table(fuzz, hart, slot, thing)
        case PageTable():
            used = u64(fuzz.claims[unit_of(address_of(thing))])
            assert u64(thing.used) == used, "a table miscounts its entries"
            assert thing.space is None, "a table that is a root"
            above = thing.parent
            if above is not None:
                place = address_of(above)
                assert lives(fuzz, place, PAGE_TABLE) or lives(fuzz, place, ADDRESS_SPACE), "its parent has gone"
                owner = above.owners.slot[u64(thing.index)]
                assert owner is not None, "a table isn't where it is installed"
                found = owner.object
                assert isinstance(found, PageTable) and found is thing, "a table isn't where it is installed"
        case AddressSpace():
            root = thing.root
            assert root.space is thing and root.level == 2 and root.parent is None, "no root"
            assert u64(root.used) == u64(fuzz.claims[unit_of(address_of(root))]), "a root miscounts its entries"
            if thing.translation != 0:
                asid = u64(thing.asid)
                assert hart.asids[asid] is thing, "an ASID that somebody else has"
                assert thing.translation == SV39 | (asid << ASID_SHIFT) | (root.base >> 12), "another translation"
        case DmaSpace():
            pass
        case _:
            pass


# --- queues -----------------------------------------------------------------------------------------------------------


def check_queue(fuzz: Fuzz, queue: ThreadQueue) -> u64:
    """Linked both ways, living threads only; gives their number."""
    length: u64 = 0
    before: Thread | None = None
    thread = queue.head
    while thread is not None:
        loop_bound(MOST_THREADS)
        assert lives(fuzz, address_of(thread), THREAD), "a thread that has gone is in a queue"
        assert thread.previous is before, "a queue's links disagree"
        length += 1
        assert length <= MOST_THREADS, "a queue is a ring"
        before = thread
        thread = thread.next
    assert queue.tail is before, "a queue's tail isn't its last"
    return length


def contains(queue: ThreadQueue, wanted: Thread) -> bool:
    thread = queue.head
    while thread is not None:
        loop_bound(MOST_THREADS)
        if thread is wanted:
            return True
        thread = thread.next
    return False


def check_endpoint(fuzz: Fuzz, endpoint: Endpoint) -> None:
    senders = check_queue(fuzz, endpoint.senders)
    receivers = check_queue(fuzz, endpoint.receivers)
    assert senders == 0 or receivers == 0, "senders and receivers wait for each other"
    thread = endpoint.senders.head
    while thread is not None:
        loop_bound(MOST_THREADS)
        assert thread.state is State.SENDING or thread.state is State.CALLING, "who doesn't send is among the senders"
        assert waits_at(thread, endpoint), "a sender waits for something else"
        thread = thread.next
    cursor = endpoint.cursor
    assert cursor is None or contains(endpoint.senders, cursor), "who is looked at next doesn't send"
    thread = endpoint.receivers.head
    while thread is not None:
        loop_bound(MOST_THREADS)
        assert thread.state is State.RECEIVING and waits_at(thread, endpoint), "who doesn't receive is a receiver"
        thread = thread.next


def waits_at(thread: Thread, endpoint: Endpoint) -> bool:
    return thread.endpoint is endpoint


def check_notification(fuzz: Fuzz, notification: Notification) -> None:
    waiters = check_queue(fuzz, notification.waiters)
    assert waiters == 0 or notification.word == 0, "threads wait for signals that are there"
    thread = notification.waiters.head
    while thread is not None:
        loop_bound(MOST_THREADS)
        assert thread.state is State.WAITING, "who doesn't wait is a waiter"
        assert thread.signals is notification, "a waiter waits elsewhere"
        thread = thread.next
    bound = notification.bound
    if bound is not None:
        assert lives(fuzz, address_of(bound), THREAD), "bound to a thread that has gone"
        assert bound.notification is notification, "a binding of one side"
        takes = bound.state is State.RECEIVING and bound.context is not None
        assert notification.word == 0 or not takes, "a bound thread misses a signal"


# --- calls ------------------------------------------------------------------------------------------------------------


def check_reply(fuzz: Fuzz, reply: Reply) -> None:
    server = reply.server
    if server is not None:
        assert lives(fuzz, address_of(server), THREAD), "a server that has gone"
        assert server.reply is reply, "a server with another Reply"
    caller = reply.caller
    if caller is not None:
        assert lives(fuzz, address_of(caller), THREAD), "a caller that has gone"
        assert caller.state is State.REPLIED or caller.state is State.ANSWERED, "a caller that doesn't wait"
        assert caller.awaited is reply, "a caller that waits for another"
    context = reply.context
    if context is not None and caller is not None:
        assert lives(fuzz, address_of(context), SCHED_CONTEXT), "a lent context that has gone"
        step = context.top
        while step is not None and step is not reply:
            loop_bound(MOST_THREADS)
            step = step.below
        assert step is not None, "a Reply isn't in its context's chain"


def check_chain(fuzz: Fuzz, context: SchedContext) -> None:
    """The calls made on a context, latest first."""
    above: Reply | None = None
    reply = context.top
    length: u64 = 0
    while reply is not None:
        loop_bound(MOST_THREADS)
        assert lives(fuzz, address_of(reply), REPLY), "a Reply that has gone is in a chain"
        assert reply.context is context, "a Reply of another context is in the chain"
        assert above is None or reply.above is above, "a chain's links disagree"
        length += 1
        assert length <= MOST_THREADS, "a chain is a ring"
        above = reply
        reply = reply.below


def check_context(fuzz: Fuzz, hart: Hart, context: SchedContext) -> None:
    check_chain(fuzz, context)
    thread = context.thread
    if thread is not None:
        assert lives(fuzz, address_of(thread), THREAD), "a context of a thread that has gone"
        assert thread.context is context, "a thread that runs on another context"
    home = context.home
    if home is not None:
        assert lives(fuzz, address_of(home), THREAD), "a context owned by a thread that has gone"
        assert home.home is context, "a home of one side"
        owner = home.context
        assert thread is not None or context.top is not None or owner is not None, "a context has got lost"
    else:
        assert thread is None and context.top is None, "somebody has time that is nobody's"
    check_timer(fuzz, hart, context.timer)
    assert context.timer.armed == context.empty, "a context waits for time that doesn't come, or doesn't know"
    if context.budget == 0:
        return
    count = u64(context.later) + 1
    first = u64(context.first)
    assert count <= REFILLS and first < REFILLS, "refills without a beginning"
    if context.budget == context.period:
        # Used up, it is 0 until the timer ends it: who is more important may run before.
        assert context.refills[0].amount <= context.budget, "more than a slice"
        assert context.owed == 0, "a slice owes something"
        return
    total: u64 = 0
    time: u64 = 0
    for index in range(count):
        refill = context.refills[(first + index) % REFILLS]
        assert refill.amount != 0, "an empty refill"
        assert refill.time >= time, "refills are out of order"
        time = refill.time
        total += refill.amount
    assert total == context.budget, "refills aren't the budget"


def check_timer(fuzz: Fuzz, hart: Hart, timer: Timer) -> None:
    if not timer.armed:
        return
    fuzz.armed += 1
    wheel = hart.wheel
    assert timer.expiry >= wheel.now and timer.expiry >= wheel.earliest, "a timer that nobody will look at"
    bucket = u64(timer.bucket)
    assert wheel.used[bucket // 64] >> (bucket % 64) & 1 == 1, "a bucket that isn't used"
    shift = 6 * (bucket // 64)
    assert timer.expiry >> shift & 63 == bucket % 64, "in the bucket of another time"
    if shift + 6 < 64:
        assert timer.expiry >> (shift + 6) == wheel.now >> (shift + 6), "at the level of another time"
    assert bucket + 1 == u64(wheel.spreading) or bucket % 64 > wheel.now >> shift & 63, "in a bucket that has passed"


# --- threads ----------------------------------------------------------------------------------------------------------


def check_thread(fuzz: Fuzz, hart: Hart, thread: Thread) -> None:
    endpoint = thread.endpoint
    reply = thread.awaited
    signals = thread.signals
    dispatched = thread.dispatched
    match thread.state:
        case State.STOPPED | State.RUNNABLE:
            pass
        case State.SENDING | State.CALLING:
            assert endpoint is not None and lives(fuzz, address_of(endpoint), ENDPOINT), "sends to what has gone"
            assert contains(endpoint.senders, thread), "sends, and nobody knows"
        case State.RECEIVING:
            assert endpoint is not None and lives(fuzz, address_of(endpoint), ENDPOINT), "receives from what has gone"
            assert contains(endpoint.receivers, thread), "receives, and nobody knows"
        case State.REPLIED | State.ANSWERED:
            assert reply is not None and lives(fuzz, address_of(reply), REPLY), "waits for what has gone"
            assert reply.caller is thread, "waits for another's reply"
            if thread.state is State.ANSWERED:
                fuzz.answers += 1
        case State.WAITING:
            assert signals is not None and lives(fuzz, address_of(signals), NOTIFICATION), "waits for what has gone"
            assert contains(signals.waiters, thread), "waits, and nobody knows"
        case State.DISPATCHING:
            if dispatched is None:
                assert thread.timer.armed, "its time isn't taken back"
            else:
                assert lives(fuzz, address_of(dispatched), THREAD), "dispatches what has gone"
                assert dispatched.dispatcher is thread, "dispatches another's"
    if thread.faulted:
        assert thread.state is State.CALLING or thread.state is State.REPLIED, "a fault that nobody handles"
    check_timer(fuzz, hart, thread.timer)
    if thread.timer.armed:
        waits = thread.state is State.RECEIVING or thread.state is State.WAITING or thread.state is State.DISPATCHING
        assert waits or is_about_to_miss_time(thread), "a deadline of nothing"
    else:
        assert not is_about_to_miss_time(thread), "it stands still, and nobody is told"
    assert thread.taken == 0 or thread.context is None, "it misses time, and has some"
    check_parts(fuzz, hart, thread)
    context = thread.context
    if context is not None:
        assert lives(fuzz, address_of(context), SCHED_CONTEXT), "runs on what has gone"
        assert context.thread is thread, "runs on another's context"
    runs = thread.state is State.RUNNABLE and context is not None and context.budget != 0 and not context.empty
    if thread.ready:
        assert hart.current is not thread, "who runs is ready, too"
        assert contains(hart.queues[u64(thread.priority)], thread), "ready, and nobody knows"
    if hart.current is not thread:
        assert runs == thread.ready, "can run and isn't ready, or the other way round"


def is_about_to_miss_time(thread: Thread) -> bool:
    """Will the timer tell its handler that its time was taken away?"""
    idle = thread.state is State.RUNNABLE and thread.context is None
    return idle and thread.taken != 0 and thread.scheduler is None


def check_parts(fuzz: Fuzz, hart: Hart, thread: Thread) -> None:
    """What belongs to it, and what is bound to it."""
    home = thread.home
    if home is None:
        keeps = thread.context is not None or thread.timer.armed
        assert thread.state is not State.RECEIVING or not keeps, "a server without time of its own keeps some"
    else:
        assert lives(fuzz, address_of(home), SCHED_CONTEXT), "owns a context that has gone"
        assert home.home is thread, "owns another's context"
        context = thread.context
        assert context is None or context is home, "owns a context, and runs on another"
    awaited = thread.awaited
    if awaited is not None and (thread.state is State.REPLIED or thread.state is State.ANSWERED):
        lent = awaited.context
        assert lent is None or thread.context is None, "has lent a context, and got another"
        assert lent is None or home is None or lent is home, "owns a context, and has lent another"
    reply = thread.reply
    if reply is not None:
        assert lives(fuzz, address_of(reply), REPLY), "serves by what has gone"
        assert reply.server is thread, "serves by another's Reply"
    notification = thread.notification
    if notification is not None:
        assert lives(fuzz, address_of(notification), NOTIFICATION), "bound to what has gone"
        assert notification.bound is thread, "bound to another's notification"
    dispatcher = thread.dispatcher
    if dispatcher is not None:
        assert lives(fuzz, address_of(dispatcher), THREAD), "dispatched by who has gone"
        assert dispatcher.state is State.DISPATCHING, "dispatched by who doesn't dispatch"
        assert dispatcher.dispatched is thread, "dispatched by who dispatches another"
        assert thread.scheduler is not None, "dispatched without being held"
    check_bound(fuzz, hart, thread)


def check_bound(fuzz: Fuzz, hart: Hart, thread: Thread) -> None:
    """What a thread uses is what its bound capabilities name."""
    space = thread.bindings[u64(Binding.SPACE.value)].object
    if isinstance(space, AddressSpace):
        assert thread.space is space and lives(fuzz, address_of(space), ADDRESS_SPACE), "another space"
    else:
        assert space is None and thread.space is hart.no_space, "a space that isn't bound"
    table = thread.bindings[u64(Binding.TABLE.value)].object
    if isinstance(table, CapTable):
        assert thread.table is table and lives(fuzz, address_of(table), CAP_TABLE), "another table"
    else:
        assert table is None and thread.table is hart.no_table, "a table that isn't bound"
    slot = thread.bindings[u64(Binding.BUFFER.value)]
    buffer = thread.buffer
    if buffer is None:
        assert slot.object is None, "a buffer that isn't used"
    else:
        assert isinstance(slot.object, Frame) and physical(address_of(buffer)) == slot.word, "another buffer"
        assert slot.flags & (LARGE | DEVICE) == 0 and slot.rights & (READ | WRITE) == READ | WRITE, "no buffer"
    handler = thread.bindings[u64(Binding.HANDLER.value)].object
    assert handler is None or isinstance(handler, Endpoint), "a handler that is no endpoint"
    context = thread.bindings[u64(Binding.CONTEXT.value)].object
    assert thread.home is None if context is None else isinstance(context, SchedContext), "another home"
    if isinstance(context, SchedContext):
        assert thread.home is context, "another home"
    notification = thread.bindings[u64(Binding.NOTIFICATION.value)].object
    assert thread.notification is None if notification is None else isinstance(notification, Notification), "another"
    if isinstance(notification, Notification):
        assert thread.notification is notification, "another bound notification"
    scheduler = thread.bindings[SCHEDULER].object
    if isinstance(scheduler, Notification):
        known = thread.scheduler
        assert known is scheduler and lives(fuzz, address_of(scheduler), NOTIFICATION), "another scheduler"
    else:
        assert scheduler is None and thread.scheduler is None, "a scheduler that isn't bound"
    floats = thread.bindings[u64(Binding.FLOATS.value)]
    if thread.floats is None:
        assert floats.object is None, "floats that aren't used"
    else:
        assert number_of(floats) == FLOATS and lives(fuzz, base_of(floats), FLOATS), "floats that have gone"


def check_table(fuzz: Fuzz, hart: Hart, slot: Slot, table: CapTable) -> None:
    """Slots without a capability are empty; a table that ends is among the dying or waits at a pin, its tomb filled."""
    slots = table.slots
    for index in range(len(slots)):
        if slots[index].object is None:
            check_empty(slots[index])
    buried = table.tomb.object is not None
    assert buried == (slot is table.tomb), "a tomb of a table that lives, or the other way round"
    if not buried:
        check_empty(table.tomb)
        return
    blocked = table.blocked
    step = hart.dying
    if blocked is not None:
        check_pin(fuzz, blocked)
        assert fuzz.blocked_count < MOST_TABLES, "the attack has too little room for tables"
        fuzz.blocked[fuzz.blocked_count] = address_of(table)
        fuzz.blocked_at[fuzz.blocked_count] = address_of(blocked)
        fuzz.blocked_count += 1
        step = blocked.waiting
    while step is not None and step is not table:
        loop_bound(64)
        step = step.next_dying
    assert step is table, "a dying table that nobody empties"
    for index in range(fuzz.thread_count):
        thread = fuzz.threads[index]
        assert thread is None or thread.table is not table, "a thread uses a dying table"


def check_pin(fuzz: Fuzz, pin: Pin) -> None:
    """What a table waits for is there, in a device space that lives."""
    frame = pin.slot
    assert frame is not None, "a table waits for a pin that isn't in use"
    holder = frame.holder
    assert holder is not None, "pinned by nobody"
    space = holder.user
    assert isinstance(space, DmaSpace) and lives(fuzz, address_of(space), DMA_SPACE), "pinned by what has gone"
    assert space.pins[u64(frame.entry)] is pin, "a table waits for a pin of what has gone"


def check_empty(slot: Slot) -> None:
    assert slot.object is None, "not empty"
    linked = slot.parent is not None or slot.next is not None or slot.previous is not None or slot.holder is not None
    assert not linked, "left over in a slot"
    assert slot.word == 0 and slot.rights == 0 and slot.entry == 0, "left over in a slot"
    assert slot.depth == 0 and slot.flags == 0, "left over in a slot"


# --- the hart ---------------------------------------------------------------------------------------------------------


def check_hart(fuzz: Fuzz, hart: Hart) -> None:
    check_ready(fuzz, hart)
    timers = check_wheel(fuzz, hart)
    assert timers == fuzz.armed, "timers in the wheel, and those that are armed, differ"
    assert hart.cpu.timer <= min(hart.wheel.earliest, hart.budget_end), "the timer comes too late"
    before: CapTable | None = None
    dying = hart.dying
    while dying is not None:
        loop_bound(64)
        assert lives(fuzz, address_of(dying), CAP_TABLE) and dying.tomb.object is not None, "what has gone is dying"
        assert dying.blocked is None, "what waits for a pin is among those that are emptied"
        assert dying.previous_dying is before, "the links of the dying disagree"
        before = dying
        dying = dying.next_dying
    trace = hart.trace
    if trace is not None:
        assert lives(fuzz, address_of(trace), TRACE), "recording into what has gone"
    assert hart.trace_mask == 0 or trace is not None, "recording into nothing"
    floating = hart.floating
    if floating is not None:
        assert lives(fuzz, address_of(floating), THREAD), "floats of a thread that has gone"
        assert floating.floats is not None, "floats that can't be kept"
    assert hart.cpu.floating == (hart.attention & FLOATING != 0), "the unit isn't what it is thought to be"
    if hart.cpu.vectors:
        assert floating is not None and hart.cpu.floating, "vectors are on, and nobody's"
        kept = floating.floats
        assert kept is not None and hart.vector_words <= len(kept.vectors), "vectors that can't be kept"
    for line in hart.lines:
        check_line(fuzz, hart, line)


def check_line(fuzz: Fuzz, hart: Hart, line: Interrupt) -> None:
    notification = line.notification
    if notification is None:
        check_empty(line.binding)
        assert not line.pending, "an interrupt that nobody can acknowledge"
    else:
        assert lives(fuzz, address_of(notification), NOTIFICATION), "an interrupt signals what has gone"
        bound = line.binding.object
        assert isinstance(bound, Notification) and bound is notification, "an interrupt signals another"
    assert hart.cpu.enabled[u64(line.line)] == (notification is not None), "a line is on without a driver, or off"


def check_ready(fuzz: Fuzz, hart: Hart) -> None:
    best: u64 = 0
    queued: u64 = 0
    for word in range(PRIORITIES // 64):
        bits = hart.ready[word]
        for bit in range(64):
            if bits >> bit & 1 == 1:
                priority = PRIORITIES - 1 - (64 * word + bit)
                queue = hart.queues[priority]
                length = check_queue(fuzz, queue)
                assert length != 0, "a priority without threads"
                queued += length
                best = max(best, priority + 1)
                check_priority(fuzz, queue, priority)
    assert hart.best == best, "another thread is the best"
    ready: u64 = 0
    for index in range(fuzz.thread_count):
        thread = fuzz.threads[index]
        if thread is not None and thread.ready:
            ready += 1
    assert ready == queued, "threads in ready queues, and those that are ready, differ"
    current = hart.current
    if current is None:
        assert hart.active is None, "nobody runs, and somebody pays"
        return
    assert lives(fuzz, address_of(current), THREAD), "who has gone runs"
    context = current.context
    assert current.state is State.RUNNABLE and context is not None, "who can't run runs"
    assert hart.active is context, "somebody else pays"
    assert hart.best <= priority_of(current, context) + 1, "a better thread is ready"
    assert current.space.translation != 0, "runs without a translation"
    assert hart.cpu.translation == current.space.translation, "runs in another address space"
    assert hart.attention & FLOATING == 0 or hart.floating is current, "another's floats"


def check_priority(fuzz: Fuzz, queue: ThreadQueue, priority: u64) -> None:
    thread = queue.head
    while thread is not None:
        loop_bound(MOST_THREADS)
        context = thread.context
        assert thread.ready and u64(thread.priority) == priority, "in the queue of another priority"
        assert context is not None, "ready without time"
        assert priority_of(thread, context) == priority, "a priority that it doesn't have"
        thread = thread.next


def check_wheel(fuzz: Fuzz, hart: Hart) -> u64:
    """How many timers are in buckets that are in use."""
    wheel = hart.wheel
    found: u64 = 0
    for level in range(WHEEL_LEVELS):
        bits = wheel.used[level]
        if bits != 0:
            for bit in range(64):
                if bits >> bit & 1 == 1:
                    found += check_bucket(wheel.buckets[64 * level + bit], 64 * level + bit)
    return found


def check_bucket(first: Timer | None, bucket: u64) -> u64:
    assert first is not None, "a bucket in use is empty"
    found: u64 = 0
    before: Timer | None = None
    timer: Timer | None = first
    while timer is not None:
        loop_bound(2 * MOST_THREADS)
        assert timer.armed and u64(timer.bucket) == bucket, "a timer in another's bucket"
        assert timer.previous is before, "a bucket's links disagree"
        found += 1
        before = timer
        timer = timer.next
    return found


# --- all of it --------------------------------------------------------------------------------------------------------


def deep(fuzz: Fuzz) -> None:
    """What `shallow`, which came before, doesn't look at: what nothing should refer to."""
    hart = the_hart()
    fuzz.looks += 1
    for priority in range(PRIORITIES):
        place = PRIORITIES - 1 - priority
        if hart.ready[place // 64] >> (place % 64) & 1 == 0:
            queue = hart.queues[priority]
            assert queue.head is None and queue.tail is None, "threads in a queue that isn't looked at"
    for bucket in range(64 * WHEEL_LEVELS):
        if hart.wheel.used[bucket // 64] >> (bucket % 64) & 1 == 0:
            assert hart.wheel.buckets[bucket] is None, "timers in a bucket that isn't looked at"
    for index in range(len(hart.asids)):
        space = hart.asids[index]
        if space is not None and space is not hart.no_space:
            assert lives(fuzz, address_of(space), ADDRESS_SPACE), "an ASID of what has gone"
            assert u64(space.asid) == index and space.translation != 0, "an ASID that its space doesn't know"
    for index in range(fuzz.slot_count):
        slot = fuzz.slots[index]
        if slot is not None and slot.flags & OWNER != 0 and slot.flags & DEVICE == 0:
            check_contents(fuzz, hart, slot)
    for index in range(fuzz.slot_count):
        slot = fuzz.slots[index]
        if slot is not None and slot.flags & OWNER != 0 and slot.flags & DEVICE == 0:
            check_place(fuzz, slot)


def check_contents(fuzz: Fuzz, hart: Hart, slot: Slot) -> None:
    thing = slot.object
    match thing:
        case PageTable():
            check_entries(thing, 512)
        case AddressSpace():
            check_entries(thing.root, 256)
            kernel = hart.no_space.root.entries
            for index in range(256, 512):
                assert thing.root.entries.entry[index] == kernel.entry[index], "another map of the kernel"
                assert thing.root.owners.slot[index] is None, "the kernel's map has an owner"
        case DmaSpace():
            check_pins(fuzz, thing.pins)
        case Frame():
            whole_frame(fuzz, slot)
        case Memory():
            check_memory(fuzz, slot, thing)
        case _:
            pass


def check_entries(table: PageTable, last: u64) -> None:
    """Exactly the entries with an owner are in use."""
    used: u64 = 0
    for index in range(last):
        if table.owners.slot[index] is None:
            assert table.entries.entry[index] == 0, "an entry without an owner"
        else:
            assert table.entries.entry[index] != 0, "an owner without an entry"
            used += 1
    assert u64(table.used) == used, "a table miscounts its entries"


def check_pins(fuzz: Fuzz, pins: Span[Embedded[Pin]]) -> None:
    for index in range(len(pins)):
        frame = pins[index].slot
        if frame is not None:
            assert isinstance(frame.object, Frame) and frame.flags & PINNED != 0, "a pin of what isn't pinned"
            assert u64(frame.entry) == index, "a pin of what is pinned elsewhere"
        waiting = pins[index].waiting
        assert frame is not None or waiting is None, "a table waits for nothing"
        while waiting is not None:
            loop_bound(64)
            assert lives(fuzz, address_of(waiting), CAP_TABLE) and waiting.tomb.object is not None, (
                "what has gone waits for a pin"
            )
            assert waiting.blocked is pins[index], "a table waits for another pin"
            waiting = waiting.next_dying


def check_memory(fuzz: Fuzz, slot: Slot, memory: Memory) -> None:
    """Free memory that counts as clean is zero; its pages become the region that its objects must be in."""
    end = min(memory.clean, memory.high)
    if memory.low < end and memory.live != 0:
        words = span_at(u64, cpu.DIRECT + memory.base + memory.low, (end - memory.low) // 8)
        for index in range(len(words)):
            assert words[index] == 0, "memory that counts as clean isn't zero"
    parent = slot.parent
    around: u64 = 0
    if parent is not None:
        outer = parent.object
        if isinstance(outer, Memory):
            around = unit_of(address_of(outer)) + 1
    first = (memory.base - POOL) // PAGE
    own = u32(unit_of(address_of(memory)) + 1)
    for page in range(first, first + memory.size // PAGE):
        assert parent is None or u64(fuzz.regions[page]) == around, "two Memories in one place"
        fuzz.regions[page] = own


def check_place(fuzz: Fuzz, slot: Slot) -> None:
    """No two objects share a byte, and none lies in what another Memory was made of."""
    parent = slot.parent
    if parent is None:
        return
    memory = parent.object
    if not isinstance(memory, Memory):
        return
    own = u32(unit_of(address_of(memory)) + 1)
    if not isinstance(slot.object, Frame):
        mark(fuzz, physical(base_of(slot)), size_in_place(slot), own)
    if not isinstance(slot.object, Memory):
        start, size = pages_of(slot)
        if size != 0:
            mark(fuzz, start, size, own)


def mark(fuzz: Fuzz, start: u64, size: u64, region: u32) -> None:
    look = u32(fuzz.looks & 0xFFFF_FFFF)
    first = (start - POOL) // UNIT
    for unit in range(first, first + (size + UNIT - 1) // UNIT):
        assert fuzz.marks[unit] != look, "two objects share memory"
        fuzz.marks[unit] = look
        assert fuzz.regions[unit // 64] == region, "an object in what another Memory was made of"
