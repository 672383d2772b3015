"""What holds of the kernel's state whenever it isn't running.

`check` walks everything that is reachable from a hart and the tables that boot made. What it finds there must agree
with itself: each list, queue and link is looked at from both ends, and no object lies where another one does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from neokernel import lang
from neokernel.abi.kinds import LARGE_SIZE, PAGE_SIZE
from neokernel.abi.operations import Binding
from neokernel.abi.rights import EXECUTE, READ, WRITE
from neokernel.arch import cpu
from neokernel.kernel.objects import (
    BADGED,
    BOUND,
    DEVICE,
    LARGE,
    MAXIMUM_DEPTH,
    OWNER,
    PINNED,
    PRIORITIES,
    REFILLS,
    REVOKING,
    SCHEDULER,
    AddressSpace,
    CapTable,
    DmaSpace,
    Endpoint,
    Entries,
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
    Trace,
    Wheel,
)
from neokernel.lang.records import check_invariants

size_of, u64 = lang.size_of, lang.u64

#: bits of page table entries
VALID, CAN_READ, CAN_WRITE, CAN_EXECUTE, USER = 1, 2, 4, 8, 16


def check_wheel(wheel: Wheel) -> list[Timer]:
    """All timers lie in the bucket of their expiry, linked both ways; gives them."""
    found = []
    now = int(wheel.now)
    used = sum(int(word) << 64 * level for level, word in enumerate(wheel.used))
    for number, first in enumerate(wheel.buckets):
        level, bit = divmod(number, 64)
        assert (first is not None) == bool(used >> number & 1), f"bucket {number} and its bit disagree"
        before: Timer | None = None
        timer = first
        while timer is not None:
            expiry = int(timer.expiry)
            assert timer.armed and timer.bucket == number and timer.previous is before
            assert expiry >= wheel.earliest and expiry >= now
            assert expiry >> 6 * level & 63 == bit and expiry >> 6 * level + 6 == now >> 6 * level + 6
            assert number + 1 == wheel.spreading or bit > now >> 6 * level & 63, "not at its level"
            found.append(timer)
            before, timer = timer, timer.next
    return found


def check_derivation(root: Slot) -> list[Slot]:
    """The tree below `root`, which is the first slot of its list: each slot fits its neighbours. Gives them all."""
    assert root.previous is None and root.parent is None and root.depth == 0
    found: list[Slot] = []
    path: list[Slot] = []
    before: Slot | None = None
    slot: Slot | None = root
    while slot is not None:
        assert slot.object is not None, "an empty slot is in a tree"
        assert slot.previous is before
        depth = int(slot.depth)
        assert depth <= len(path) and depth <= MAXIMUM_DEPTH
        del path[depth:]
        assert slot.parent is (path[-1] if path else None), "the parent isn't the nearest one above"
        assert not path or not path[-1].flags & BOUND, "what is bound has children"
        path.append(slot)
        found.append(slot)
        before, slot = slot, slot.next
    return found


def check_refills(context: SchedContext) -> None:
    """The refills are the budget, in order of time."""
    if context.budget == 0:
        return
    count, first = int(context.later) + 1, int(context.first)
    assert count <= REFILLS and first < REFILLS
    in_order = [context.refills[(first + index) % REFILLS] for index in range(REFILLS)]
    refills = in_order[:count]
    assert all(refill.amount == 0 for refill in in_order[count:]), "time in a refill that isn't in use"
    if context.budget == context.period:  # a slice, of which a part is used up
        assert refills[0].amount <= context.budget
        return
    assert sum(int(refill.amount) for refill in refills) == context.budget, "refills aren't the budget"
    times = [int(refill.time) for refill in refills]
    assert times == sorted(times), "refills aren't in order"
    assert all(refill.amount != 0 for refill in refills), "an empty refill"


def check_queue(queue: ThreadQueue) -> list[Thread]:
    """Linked both ways; gives the threads in order."""
    found: list[Thread] = []
    before: Thread | None = None
    thread = queue.head
    while thread is not None:
        assert thread.previous is before, "a queue's links disagree"
        assert all(thread is not other for other in found), "a queue is a ring"
        found.append(thread)
        before, thread = thread, thread.next
    assert queue.tail is before, "a queue's tail isn't its last"
    check_proven(queue)
    return found


def check_proven(item: Reply | Thread | ThreadQueue) -> None:
    """What the prover has shown of the object; where there are ghosts, so not of what lies in plain memory."""
    if type(item) in (Reply, Thread, ThreadQueue):
        check_invariants(item)


class Unique:
    """Objects by identity, in the order in which they were found."""

    def __init__(self) -> None:
        self.items: dict[int, Any] = {}

    def add(self, item: Any) -> bool:
        """Was it new?"""
        new = id(item) not in self.items
        self.items[id(item)] = item
        return new

    def __contains__(self, item: object) -> bool:
        return id(item) in self.items

    def __iter__(self) -> Any:
        return iter(list(self.items.values()))

    def of(self, kind: Any) -> list[Any]:
        return [item for item in self.items.values() if isinstance(item, kind)]


class World:
    """All slots and objects that can be reached."""

    def __init__(self, hart: Hart, tables: Iterable[CapTable]) -> None:
        self.hart = hart
        self.slots = Unique()
        self.objects = Unique()
        #: slots that hold no capability
        self.empty = Unique()
        self.todo: list[Any] = [*tables]
        for line in hart.lines:
            self.todo.append(line)
        dying = hart.dying
        while dying is not None:
            self.todo.append(dying)
            dying = dying.next_dying
        if hart.current is not None:
            self.todo.append(hart.current)
        while self.todo:
            self.explore(self.todo.pop())

    def explore(self, item: Any) -> None:
        if isinstance(item, Slot):
            self.explore_slot(item)
        elif item is not None and self.objects.add(item):
            if isinstance(item, CapTable):
                self.todo += item.slots
                self.todo.append(item.tomb)
            elif isinstance(item, Thread):
                self.todo += item.bindings
            elif isinstance(item, Interrupt):
                self.todo.append(item.binding)
            elif isinstance(item, PageTable):
                self.todo += list(filter(None, item.owners.slot))
            elif isinstance(item, DmaSpace):
                self.todo += [pin.slot for pin in item.pins if pin.slot is not None]

    def explore_slot(self, slot: Slot) -> None:
        if slot.object is None:
            self.empty.add(slot)
        elif self.slots.add(slot):
            self.todo += [slot.object, slot.next, slot.previous, slot.parent]


def check(hart: Hart, tables: Iterable[CapTable] = ()) -> World:
    """The whole state. `tables`: those that boot made, from which everything can be reached."""
    world = World(hart, tables)
    for slot in world.empty:
        check_empty(slot)
    check_trees(world)
    check_owners(world)
    check_places(world)
    for endpoint in world.objects.of(Endpoint):
        check_endpoint(endpoint)
    for notification in world.objects.of(Notification):
        check_notification(notification)
    for reply in world.objects.of(Reply):
        check_reply(reply)
    for thread in world.objects.of(Thread):
        check_thread(world, thread)
    for context in world.objects.of(SchedContext):
        check_context(context)
    check_ready(world)
    check_timers(world)
    for space in world.objects.of(AddressSpace):
        check_table(world, space.root, 2, space)
    for table in world.objects.of(PageTable):
        check_used(table)
    check_holders(world)
    check_dying(world)
    check_asids(world)
    check_invariants(hart)
    return world


def check_empty(slot: Slot) -> None:
    left = slot.word or slot.rights or slot.entry or slot.depth or slot.flags
    linked = slot.parent or slot.next or slot.previous or slot.holder
    assert not left and linked is None, "left over in a slot"


def check_trees(world: World) -> None:
    """Every capability is in one tree, and is no more than what it was derived from."""
    listed = Unique()
    for slot in world.slots:
        if slot.previous is None:
            for each in check_derivation(slot):
                assert listed.add(each), "a slot is in two lists"
    assert all(slot in listed for slot in world.slots), "a slot is in a list without beginning"
    revoking = 0
    for slot in world.slots:
        revoking += slot.flags & REVOKING != 0
        parent = slot.parent
        if parent is not None and isinstance(parent.object, Trace) and isinstance(slot.object, Frame):
            assert slot.rights == READ and not int(slot.flags) & ~(PINNED | REVOKING), (
                "a trace's page can be read, and nothing else"
            )
        elif parent is not None and slot.flags & OWNER == 0:
            assert slot.object is parent.object, "a copy names something else"
            assert slot.rights & ~parent.rights == 0, "a copy has more rights"
            assert slot.flags & (LARGE | DEVICE) == parent.flags & (LARGE | DEVICE)
            if isinstance(slot.object, Frame) or parent.flags & BADGED:
                assert slot.word == parent.word, "a copy has another badge or frame"
        elif parent is not None:
            assert isinstance(parent.object, Memory), "an object wasn't made of memory"
    assert world.hart.revocations == revoking, "revocations that are counted, and those that go on"


def identity(slot: Slot) -> tuple[int, int]:
    """What a slot names: frames share one object."""
    return id(slot.object), int(slot.word) if isinstance(slot.object, Frame) else 0


def check_owners(world: World) -> None:
    """Each object has one owner, and all other capabilities for it come from that."""
    owners: dict[tuple[int, int], Slot] = {}
    for slot in world.slots:
        if slot.flags & OWNER:
            assert identity(slot) not in owners, "an object has two owners"
            owners[identity(slot)] = slot
    for slot in world.slots:
        if slot.flags & OWNER or slot.parent is None:
            continue
        above: Any = slot
        while above.parent is not None and not above.flags & OWNER:
            above = above.parent
        made = isinstance(above.object, Trace) or not above.flags & OWNER
        assert made or identity(above) == identity(slot), "a copy outside its owner's tree"


def check_places(world: World) -> None:
    """What was made of a Memory lies in it, below `low` or above `high`, and nowhere else does anything."""
    children: dict[int, int] = {}
    ranges: list[tuple[int, int, Slot]] = []
    for slot in world.slots:
        memory = None if slot.parent is None else slot.parent.object
        if not slot.flags & OWNER or not isinstance(memory, Memory):
            continue
        children[id(memory)] = children.get(id(memory), 0) + 1
        low, high = int(memory.base + memory.low), int(memory.base + memory.high)
        for start, size in extents(slot):
            ranges.append((start, start + size, slot))
            inside = memory.base <= start and start + size <= low
            above = high <= start and start + size <= memory.base + memory.size
            assert inside or above, f"at {start:#x} of a Memory that ends at {low:#x} and goes on at {high:#x}"
    for memory in world.objects.of(Memory):
        assert memory.low <= memory.high <= memory.size
        assert memory.live == children.get(id(memory), 0), "a Memory miscounts what lives"
        check_clean(memory)
    ranges.sort(key=lambda each: (each[0], -each[1]))
    open_until: list[tuple[int, Slot]] = []
    for start, end, slot in ranges:
        while open_until and open_until[-1][0] <= start:
            open_until.pop()
        if open_until:
            around, outer = open_until[-1]
            assert isinstance(outer.object, Memory) and end <= around, f"two objects at {start:#x}"
        open_until.append((end, slot))


def extents(slot: Slot) -> list[tuple[int, int]]:
    """Physical addresses and sizes of what an object lies in."""
    item = slot.object
    size = 0
    found = []
    if isinstance(item, Frame):
        return [(int(slot.word), LARGE_SIZE if slot.flags & LARGE else PAGE_SIZE)]
    if isinstance(item, Memory):
        found, size = [(int(item.base), int(item.size))], int(size_of(Memory))
    elif isinstance(item, PageTable):
        found, size = [(int(item.base), 2 * PAGE_SIZE)], int(size_of(PageTable))
    elif isinstance(item, AddressSpace):
        found, size = [(int(item.root.base), 2 * PAGE_SIZE)], int(size_of(AddressSpace))
    elif isinstance(item, Trace):
        found, size = [(int(item.base), int(1 + item.pages) * PAGE_SIZE)], int(size_of(Trace))
    elif isinstance(item, CapTable):
        size = int(size_of(CapTable)) + len(item.slots) * int(size_of(Slot))
    elif isinstance(item, DmaSpace):
        size = int(size_of(DmaSpace)) + len(item.pins) * int(size_of(Pin))
    else:
        size = int(size_of(class_of(item)))
    found.append((int(lang.address_of(item)) - cpu.DIRECT, size))
    return found


def class_of(item: Any) -> Any:
    """The declared class: what lies in plain memory is shown by one of its own."""
    return type(item)._record.kind


def check_clean(memory: Memory) -> None:
    """What a Memory takes for clean is zero, and nothing lives there. A few places are looked at: tests are many."""
    if memory.device or memory.live == 0:
        return
    start, end = int(memory.low), min(int(memory.clean), int(memory.high))
    for offset in {start, (start + end) // 2 & ~7, end - 8}:
        if start <= offset <= end - 8:
            address = cpu.DIRECT + int(memory.base) + offset
            assert lang.span_at(u64, u64(address), u64(1))[0] == 0, f"{address:#x} isn't clean"


def check_endpoint(endpoint: Endpoint) -> None:
    senders, receivers = check_queue(endpoint.senders), check_queue(endpoint.receivers)
    assert not senders or not receivers, "senders and receivers wait for each other"
    for thread in senders:
        assert thread.state in (State.SENDING, State.CALLING) and thread.endpoint is endpoint
    cursor = endpoint.cursor
    assert cursor is None or any(thread is cursor for thread in senders), "who is looked at next doesn't send"
    for thread in receivers:
        assert thread.state is State.RECEIVING and thread.endpoint is endpoint


def check_notification(notification: Notification) -> None:
    waiters = check_queue(notification.waiters)
    assert not waiters or notification.word == 0, "threads wait for signals that are there"
    assert all(thread.state is State.WAITING and thread.signals is notification for thread in waiters)
    bound = notification.bound
    if bound is not None:
        assert bound.notification is notification
        missed = notification.word != 0 and bound.state is State.RECEIVING and bound.context is not None
        assert not missed, "a bound thread misses a signal"


def check_reply(reply: Reply) -> None:
    check_proven(reply)
    if reply.server is not None:
        assert reply.server.reply is reply
    if reply.caller is not None:
        assert reply.caller.state in (State.REPLIED, State.ANSWERED) and reply.caller.awaited is reply
    if reply.caller is not None and reply.context is not None:
        assert any(reply is each for each in chain(reply.context)), "a Reply isn't in its context's chain"


def chain(context: SchedContext) -> list[Reply]:
    """The calls made on a context, latest first."""
    found: list[Reply] = []
    above: Reply | None = None
    reply = context.top
    while reply is not None:
        assert reply.context is context, "a Reply of another context is in the chain"
        assert above is None or reply.above is above, "a chain's links disagree"
        found.append(reply)
        assert len(found) < 10_000, "a chain is a ring"
        above, reply = reply, reply.below
    return found


def check_thread(world: World, thread: Thread) -> None:
    check_proven(thread)
    assert thread.hart is world.hart, "there is another hart"
    waits: Any = None
    match thread.state:
        case State.STOPPED | State.RUNNABLE:
            pass
        case State.SENDING | State.CALLING:
            waits = thread.endpoint
            assert any(thread is each for each in check_queue(waits.senders))
        case State.RECEIVING:
            waits = thread.endpoint
            assert any(thread is each for each in check_queue(waits.receivers))
        case State.REPLIED | State.ANSWERED:
            waits = thread.awaited
            assert waits.caller is thread
        case State.WAITING:
            waits = thread.signals
            assert any(thread is each for each in check_queue(waits.waiters))
        case State.DISPATCHING:
            waits = thread.dispatched
            # What has lent its time on, and ended, has none: the timer takes the time back.
            assert waits.dispatcher is thread if waits is not None else thread.timer.armed
    if waits is not None:
        assert waits in world.objects, "a thread waits for something that has gone"
    if thread.faulted:
        assert thread.state in (State.CALLING, State.REPLIED), "a fault that nobody handles"
    if thread.timer.armed:
        waiting = thread.state in (State.RECEIVING, State.WAITING, State.DISPATCHING)
        assert waiting or is_about_to_miss_time(thread), "a deadline of nothing"
    else:
        assert not is_about_to_miss_time(thread), "it stands still, and nobody is told"
    assert thread.taken == 0 or thread.context is None, "it misses time, and has some"
    if thread.context is not None:
        assert thread.context.thread is thread and thread.context in world.objects
    if thread.home is not None:
        assert thread.home.home is thread
    elif thread.state is State.RECEIVING:
        assert thread.context is None and not thread.timer.armed, "a server without time of its own keeps some"
    if thread.reply is not None:
        assert thread.reply.server is thread and thread.reply in world.objects
    if thread.notification is not None:
        assert thread.notification.bound is thread
    if thread.dispatcher is not None:
        assert thread.dispatcher.state is State.DISPATCHING and thread.dispatcher.dispatched is thread
        assert thread.context is None or thread.context is thread.dispatcher.home, "it has no time but the scheduler's"
    check_bindings(world.hart, thread)


def is_about_to_miss_time(thread: Thread) -> bool:
    """Will the timer tell its handler that its time was taken away?"""
    idle = thread.state is State.RUNNABLE and thread.context is None
    return idle and thread.taken != 0 and thread.scheduler is None


def check_bindings(hart: Hart, thread: Thread) -> None:
    """What a thread uses is what its bound capabilities name."""
    for number, slot in enumerate(thread.bindings):
        bound = slot.object
        assert slot.flags & BOUND if bound is not None else slot.flags == 0
        if number == SCHEDULER:
            assert thread.scheduler is bound
            continue
        match Binding(number):
            case Binding.SPACE:
                assert thread.space is (hart.no_space if bound is None else bound)
            case Binding.TABLE:
                assert thread.table is (hart.no_table if bound is None else bound)
                assert len(thread.slots) == len(thread.table.slots)
            case Binding.BUFFER:
                address = None if thread.buffer is None else int(lang.address_of(thread.buffer)) - cpu.DIRECT
                assert address == (None if bound is None else slot.word)
            case Binding.HANDLER:
                assert bound is None or isinstance(bound, Endpoint)
            case Binding.CONTEXT:
                assert thread.home is bound
            case Binding.NOTIFICATION:
                assert thread.notification is bound
            case Binding.FLOATS:
                assert thread.floats is bound


def check_context(context: SchedContext) -> None:
    check_refills(context)
    chain(context)
    if context.thread is not None:
        assert context.thread.context is context
    if context.home is not None:
        assert context.home.home is context
        assert context.thread or context.top or context.home.context, "a context has got lost"
    else:
        assert context.thread is None and context.top is None, "somebody has time that is nobody's"
    assert context.timer.armed == context.empty, "a context waits for time that doesn't come"


def check_ready(world: World) -> None:
    """Exactly the threads that can run are in the queue of their priority, but for the one that runs."""
    hart = world.hart
    queued = Unique()
    highest = 0
    ready = sum(int(word) << 64 * place for place, word in enumerate(hart.ready))
    for priority in range(PRIORITIES):
        queue = check_queue(hart.queues[priority])
        assert bool(queue) == bool(ready >> PRIORITIES - 1 - priority & 1), f"priority {priority} and its bit disagree"
        highest = priority + 1 if queue else highest
        for thread in queue:
            assert queued.add(thread) and thread.ready and thread.priority == priority
            assert thread in world.objects, "a thread that has gone is ready"
            assert thread.context is not None
            assert priority == max(int(thread.context.priority), int(thread.floor))
    assert hart.best == highest, f"best is {int(hart.best)}, not {highest}"
    current = hart.current
    if current is not None:
        assert current in world.objects and current not in queued, "who runs is ready, too"
        assert current.state is State.RUNNABLE and current.context is not None
        assert hart.active is current.context, "somebody else pays"
    for thread in world.objects.of(Thread):
        context = thread.context
        runs = thread.state is State.RUNNABLE and context is not None and context.budget != 0 and not context.empty
        assert thread.ready == (thread in queued)
        if thread is not current:
            assert runs == thread.ready, f"thread {int(thread.identifier)}: {thread.state}, ready {thread.ready}"


def check_timers(world: World) -> None:
    armed = Unique()
    for timer in check_wheel(world.hart.wheel):
        armed.add(timer)
        owner = timer.owner
        assert isinstance(owner, (Thread, SchedContext)) and owner.timer is timer and owner in world.objects
    for item in [*world.objects.of(Thread), *world.objects.of(SchedContext)]:
        assert item.timer.armed == (item.timer in armed)
    assert world.hart.cpu.timer <= min(int(world.hart.wheel.earliest), int(world.hart.budget_end))


def check_table(world: World, table: PageTable, level: int, space: AddressSpace) -> None:
    """A table in use, and those below it: entries and their owners agree."""
    assert (table.space is space) == (level == 2) and table.level == level
    check_used(table)
    assert table.entries is lang.object_at(Entries, u64(cpu.DIRECT + int(table.base)))
    last = 256 if level == 2 else 512
    for index in range(last):
        entry, owner = int(table.entries.entry[index]), table.owners.slot[index]
        assert bool(entry & VALID) == (owner is not None), f"entry {index} of level {level} and its owner disagree"
        if owner is None:
            assert entry == 0
            continue
        item = owner.object
        assert owner in world.slots and owner.holder is table.holder and owner.entry == index
        address = (entry >> 10) * PAGE_SIZE
        if isinstance(item, PageTable):
            assert entry & (CAN_READ | CAN_WRITE | CAN_EXECUTE | USER) == 0 and address == item.base
            assert item.parent is table and int(item.index) == index
            check_table(world, item, level - 1, space)
        else:
            assert isinstance(item, Frame) and address == owner.word and entry & USER
            assert level == (1 if owner.flags & LARGE else 0)
            check_access(owner, entry)
    if level == 2:
        kernel = world.hart.no_space.root.entries.entry
        assert all(table.entries.entry[index] == kernel[index] for index in range(256, 512)), "another kernel's map"
        assert all(table.owners.slot[index] is None for index in range(256, 512))


def check_used(table: PageTable) -> None:
    owned = sum(owner is not None for owner in table.owners.slot)
    assert table.used == owned, "a table miscounts its entries"
    if table.parent is not None:
        owner = table.parent.owners.slot[int(table.index)]
        assert owner is not None and owner.object is table, "a table isn't where it is installed"


def check_access(owner: Slot, entry: int) -> None:
    """An entry allows what the capability allows, and never writing and executing."""
    for bit, right in ((CAN_READ, READ), (CAN_WRITE, WRITE), (CAN_EXECUTE, EXECUTE)):
        assert not entry & bit or owner.rights & right, "an entry allows more than its capability"
    assert not (entry & CAN_WRITE and entry & CAN_EXECUTE), "a page can be written and executed"
    assert not entry & CAN_WRITE or entry & CAN_READ, "a reserved combination"


def check_holders(world: World) -> None:
    """Who a slot says uses it does use it."""
    for slot in world.slots:
        if slot.holder is None:
            assert not slot.flags & PINNED and slot.entry == 0, "used by nobody, and yet at some place there"
            continue
        user: Any = slot.holder.user
        assert user is None or user in world.objects or user is world.hart.no_space.root or is_root(world, user)
        if isinstance(user, PageTable):
            assert user.owners.slot[int(slot.entry)] is slot, "a mapping that its table doesn't know"
        elif isinstance(user, DmaSpace):
            assert slot.flags & PINNED and user.pins[int(slot.entry)].slot is slot
        elif isinstance(user, Thread):
            assert user.bindings[int(slot.entry)] is slot
        elif isinstance(user, Interrupt):
            assert user.binding is slot


def check_dying(world: World) -> None:
    """A table that ends is in one list: of those that are emptied, or of a pin in use. Its owner is in itself."""
    listed = Unique()
    before: CapTable | None = None
    table = world.hart.dying
    while table is not None:
        assert table.blocked is None and table.previous_dying is before and listed.add(table)
        before, table = table, table.next_dying
    for space in world.objects.of(DmaSpace):
        for pin in space.pins:
            table = pin.waiting
            assert table is None or pin.slot is not None, "a table waits for nothing"
            while table is not None:
                assert table.blocked is pin and listed.add(table)
                table = table.next_dying
    for table in world.objects.of(CapTable):
        assert (table in listed) == (table.tomb.object is table), "a table that ends, and nobody ends it"


def is_root(world: World, table: Any) -> bool:
    return any(space.root is table for space in world.objects.of(AddressSpace))


def check_asids(world: World) -> None:
    hart = world.hart
    holders: list[Any] = list(hart.asids)
    for number, user in enumerate(holders):
        if user is not None:
            assert user in world.objects or user is hart.no_space
            assert user.asid == number and user.translation >> 44 & 0xFFFF == number
    for space in world.objects.of(AddressSpace):
        if space.translation != 0:
            assert holders[int(space.asid)] is space, "an ASID that somebody else has"
            assert space.translation & (1 << 44) - 1 == space.root.base >> 12
