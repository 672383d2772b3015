"""Who runs: queues of ready threads by priority, budgets of contexts, and the change of the current thread.

A thread runs on a context, at the higher of the context's priority and its own floor. A context is charged when another
one becomes active; between the threads that it travels along with calls, nothing is counted.

Invariants:
- Each runnable thread with a context that isn't empty is current or in the ready queue of its priority; no other is.
- `hart.active` is the current thread's context, or None while idle; its budget ends at `hart.budget_end`.
- A context's refills sum up to its budget. That it is used up is noticed in one place: when it is active, by the timer.
"""

from neokernel.abi.call import NEVER
from neokernel.abi.trace import Event
from neokernel.arch import cpu
from neokernel.kernel import timer
from neokernel.kernel.objects import (
    FLOATING,
    PRIORITIES,
    REFILLS,
    AddressSpace,
    Hart,
    SchedContext,
    State,
    Thread,
    ThreadQueue,
    can_run,
    is_best,
)
from neokernel.kernel.tracing import record
from neokernel.lang import (
    cold,
    count_trailing_zeros,
    ensures,
    ghost,
    inline,
    old,
    requires,
    saturating_add,
    u8,
    u16,
    u64,
    wrapping_add,
    wrapping_sub,
)

#: Sv39 in `satp` (privileged specification, 12.1.11)
SV39 = 8 << 60
ASID_SHIFT = 44

# --- queues -----------------------------------------------------------------------------------------------------------


@inline
def append(queue: ThreadQueue, thread: Thread) -> None:
    """At the end; the thread is in no queue. What it waits for, and its state, go with it."""
    requires(thread.queue is None)
    thread.queue = queue
    last = queue.tail
    thread.previous = last
    thread.next = None
    if last is None:
        queue.head = thread
    else:
        last.next = thread
    queue.tail = thread


@inline
def prepend(queue: ThreadQueue, thread: Thread) -> None:
    """At the front; likewise."""
    requires(thread.queue is None)
    thread.queue = queue
    first = queue.head
    thread.next = first
    thread.previous = None
    if first is None:
        queue.tail = thread
    else:
        first.previous = thread
    queue.head = thread


@inline
def take_first(queue: ThreadQueue, thread: Thread) -> None:
    """`take_out` of the first thread, which is `thread`."""
    requires(queue.head is thread and not thread.ready)
    thread.state = State.RUNNABLE
    thread.queue = None
    after = thread.next
    queue.head = after
    if after is None:
        queue.tail = None
    else:
        after.previous = None


def take_out(queue: ThreadQueue, thread: Thread) -> None:
    """The thread waits there no more: it can run."""
    requires(thread.queue is queue and not thread.ready)
    ensures(lambda: thread.state is State.RUNNABLE and rests(thread.hart, thread))
    thread.state = State.RUNNABLE
    unlink(queue, thread)


@inline
def unlink(queue: ThreadQueue, thread: Thread) -> None:
    """Any thread, out of the queue that it is in."""
    requires(thread.queue is queue)
    thread.queue = None
    before = thread.previous
    after = thread.next
    if before is None:
        queue.head = after
    else:
        before.next = after
    if after is None:
        queue.tail = before
    else:
        after.previous = before


def priority_of(thread: Thread, context: SchedContext) -> u64:
    """The priority at which it runs."""
    return max(u64(context.priority), u64(thread.floor))


@ghost
def rests(hart: Hart, thread: Thread) -> bool:
    """Is it neither current nor ready?"""
    return not thread.ready and hart.current is not thread


def enqueue(hart: Hart, thread: Thread, priority: u64, front: bool) -> None:
    """Into the ready queue."""
    requires(priority < PRIORITIES and rests(hart, thread))
    requires(thread.state is State.RUNNABLE and thread.context is not None)
    thread.priority = u8(priority)
    thread.ready = True
    queue = hart.queues[priority]
    if front:
        prepend(queue, thread)
    else:
        append(queue, thread)
    place = PRIORITIES - 1 - priority
    hart.ready[place // 64] |= u64(1) << (place % 64)
    hart.best = max(hart.best, priority + 1)


def dequeue(hart: Hart, thread: Thread) -> None:
    """Out of the ready queue, if it is in there."""
    ensures(lambda: not thread.ready)
    if not thread.ready:
        return
    thread.ready = False
    priority = u64(thread.priority)
    queue = hart.queues[priority]
    unlink(queue, thread)
    if queue.head is None:
        unmark(hart, priority)


def unmark(hart: Hart, priority: u64) -> None:
    """Nobody is ready at that priority."""
    requires(priority < PRIORITIES)
    place = PRIORITIES - 1 - priority
    hart.ready[place // 64] &= ~(u64(1) << (place % 64))
    if hart.best == priority + 1:
        hart.best = _best_of(hart)


@cold
def _best_of(hart: Hart) -> u64:
    """1 + the highest priority with a ready thread."""
    ensures(lambda result: is_best(hart, result))
    for word in range(len(hart.ready)):
        ready = hart.ready[word]
        if ready != 0:
            return PRIORITIES - (64 * word + u64(count_trailing_zeros(ready)))
    return 0


# --- budgets ----------------------------------------------------------------------------------------------------------


def charge(hart: Hart) -> u64:
    """Count the time since the last charge to the active context; gives the time. The budget may be used up then."""
    now = cpu.now(hart.cpu)
    context = hart.active
    if context is not None and now > hart.since:
        consume(context, now - hart.since)
    hart.since = now
    return now


def consume(context: SchedContext, used: u64) -> None:
    """Take `used` ticks from the refills; each comes back one period after its own time.

    A context whose budget is its whole period is never without; its budget is the slice after which others get a turn.
    The next slice begins with that turn (`syscall.end_budget`), whoever comes in between.
    """
    counted = used
    if context.slice:
        slice = context.refills[0]
        taken = min(used, slice.amount)
        slice.amount -= taken
        counted -= taken
    else:
        consume_refills(context, used)
    context.used = wrapping_add(context.used, counted)


def time_used(context: SchedContext) -> u64:
    """All that was ever used. `context.used` counts a slice when it ends, so that an exchange needn't."""
    if not context.slice:
        return context.used
    return wrapping_add(context.used, wrapping_sub(context.budget, context.refills[0].amount))


def begin_slice(context: SchedContext) -> None:
    """Its slice has ended: the next one is whole."""
    requires(context.slice)
    context.used = time_used(context)
    context.refills[0].amount = context.budget


@cold
def consume_refills(context: SchedContext, used: u64) -> None:
    """The same, of a context that can be without: from the first refill only.

    What was used beyond it, because the kernel came late, is taken with the next charge.
    """
    requires(not context.slice)
    used = saturating_add(used, context.owed)
    place = u64(context.first)
    first = context.refills[place]
    amount = min(used, first.amount)
    context.owed = used - amount
    if amount == 0:
        return
    back = saturating_add(first.time, context.period)
    if amount == first.amount:
        if context.later == 0:
            # All at once: the only refill is the next one. What was used beyond the budget is nobody's.
            first.time = back
            context.owed = 0
            return
        context.first = (context.first + 1) % REFILLS
        context.later -= 1
    transfer(context, place, place_of_refill(context, back), amount)


def place_of_refill(context: SchedContext, time: u64) -> u64:
    """Where a refill at `time` goes: behind the others, or to the last if that is for the same time or all are used."""
    ensures(lambda result: result < REFILLS)
    place = (u64(context.first) + u64(context.later)) % REFILLS
    last = context.refills[place]
    if context.later > 0 and (last.time == time or context.later == REFILLS - 1):
        last.time = max(last.time, time)
        return place
    context.later += 1
    place = (place + 1) % REFILLS
    context.refills[place].time = max(time, last.time)
    return place


def transfer(context: SchedContext, source: u64, target: u64, amount: u64) -> None:
    """Move ticks from one refill to another: so the sum stays."""
    requires(not context.slice and source < REFILLS and target < REFILLS)
    requires(amount <= context.refills[source].amount)
    ensures(lambda: context.budget == old(context.budget))
    context.refills[source].amount -= amount
    context.refills[target].amount += amount


def begin_use(context: SchedContext, now: u64) -> None:
    """The context begins to be used after a wait: what is due is one refill, from now on."""
    if context.refills[u64(context.first)].time > now or context.slice:
        return
    for _ in range(REFILLS - 1):
        if context.later == 0:
            break
        place = u64(context.first)
        after = (place + 1) % REFILLS
        if context.refills[after].time > now:
            break
        transfer(context, place, after, context.refills[place].amount)
        context.first = (context.first + 1) % REFILLS
        context.later -= 1
    context.refills[u64(context.first)].time = now


def is_due(context: SchedContext, now: u64) -> bool:
    """Can it be used now?"""
    return context.slice or context.refills[u64(context.first)].time <= now


def configure(context: SchedContext, priority: u8, budget: u64, period: u64, now: u64) -> None:
    """Give it a full budget. Requires: 0 < budget <= period; it isn't in use."""
    context.used = time_used(context)
    context.priority = priority
    context.budget = budget
    context.period = period
    context.slice = budget == period
    context.owed = 0
    context.first = 0
    context.later = 0
    for index in range(REFILLS):
        context.refills[index].amount = 0
    context.refills[0].time = now
    context.refills[0].amount = budget


# --- ready, running ---------------------------------------------------------------------------------------------------


def make_ready(hart: Hart, thread: Thread) -> None:
    """A runnable thread that isn't current can run, if it has a context with time left.

    It is current at once if it has a higher priority than all that are; otherwise it goes to the end of its queue.
    """
    requires(rests(hart, thread) and thread.state is State.RUNNABLE)
    context = thread.context
    if context is None or context.budget == 0 or context.empty:
        return
    priority = priority_of(thread, context)
    current = hart.current
    if current is None:
        if hart.best <= priority:
            hart.current = thread
            return
    else:
        running = current.context
        if running is not None:
            before = priority_of(current, running)
            if before < priority:
                hart.current = thread
                enqueue(hart, current, before, True)
                return
    if hart.trace_mask != 0 and (current is None or current.context is not None):
        # Not of who has just been given the current thread's time, with a message or a reply.
        record(hart, Event.READY, thread.identifier, priority)
    enqueue(hart, thread, priority, False)


@cold
def wait_for_refill(hart: Hart, context: SchedContext) -> None:
    """The context can't be used before its first refill."""
    context.empty = True
    timer.remove(hart.wheel, context.timer)
    timer.insert(hart.wheel, context.timer, context.refills[u64(context.first)].time)
    program(hart)


def rotate(hart: Hart, thread: Thread) -> None:
    """A thread that is current or ready gives way to those of its priority."""
    requires(thread.state is State.RUNNABLE)
    context = thread.context
    take_off(hart, thread)
    if context is not None:
        enqueue(hart, thread, priority_of(thread, context), False)


def take_off(hart: Hart, thread: Thread) -> None:
    """The thread is neither current nor ready."""
    ensures(lambda: rests(hart, thread))
    if hart.current is thread:
        hart.current = None
    else:
        dequeue(hart, thread)


def choose(hart: Hart) -> Thread | None:
    """Make the best thread current, and give it; None if none is ready."""
    current = hart.current
    if current is not None:
        context = current.context
        if context is not None and hart.best <= priority_of(current, context) + 1:
            run(hart, current, context)
            return current
        hart.current = None
        if context is not None:
            enqueue(hart, current, priority_of(current, context), True)
    best = hart.best
    if best == 0:
        return None
    thread = hart.queues[best - 1].head
    if thread is None:
        return None
    dequeue(hart, thread)
    context = thread.context
    if context is None:
        return None
    run(hart, thread, context)
    return thread


def run(hart: Hart, thread: Thread, context: SchedContext) -> None:
    """Go on with `thread` on `context`: charge the one before, set the timer, use the address space."""
    requires(can_run(thread))
    before = hart.active
    translation = thread.space.translation
    now = cpu.now(hart.cpu)
    if before is None or hart.attention != 0 or translation == 0 or not exchangeable(hart, before, context, now):
        run_carefully(hart, thread, context)
        return
    if before is not context:
        exchange(hart, before, context, now)
    hart.current = thread
    cpu.use_translation(hart.cpu, translation)


@inline
def exchangeable(hart: Hart, before: SchedContext, context: SchedContext, now: u64) -> bool:
    """Are both time slices, which are never without, has `before`, active, some left, and is the timer near?"""
    return cpu.timer_is_near(hart.cpu) and before.slice and context.slice and now < hart.budget_end


@inline
def exchange(hart: Hart, before: SchedContext, context: SchedContext, now: u64) -> None:
    """Charge one slice and begin another: what `run_carefully` does, for the case that needs no decision.

    Requires: `before` is active, and exchangeable. So its slice would be used up at `hart.budget_end`, and not before.
    """
    before.refills[0].amount = wrapping_sub(hart.budget_end, now)
    hart.since = now
    hart.active = context
    hart.budget_end = wrapping_add(now, context.refills[0].amount)
    cpu.set_near_timer(hart.cpu, min(hart.budget_end, hart.wheel.earliest))


@cold
def run_carefully(hart: Hart, thread: Thread, context: SchedContext) -> None:
    """`run`, in any case."""
    requires(can_run(thread))
    before = hart.active
    if before is not context:
        now = charge(hart)
        hart.active = context
        begin_use(context, now)
        # What isn't due ends at once, like every budget that is used up: by the timer.
        left = context.refills[u64(context.first)].amount if is_due(context, now) else u64(0)
        hart.budget_end = wrapping_add(now, left)
        program(hart)
    hart.current = thread
    if hart.attention != 0:
        attend(hart, thread)
    use_space(hart, thread.space)


def attend(hart: Hart, thread: Thread) -> None:
    """The floating-point unit is off for all but its owner."""
    if hart.attention & FLOATING != 0 and hart.floating is not thread:
        cpu.set_floating(hart.cpu, False)
        hart.attention &= ~u64(FLOATING)


@cold
def idle(hart: Hart) -> None:
    """Nobody runs: no context is charged, and no user's address space is used."""
    _ = charge(hart)
    hart.active = None
    hart.budget_end = NEVER
    if hart.trace_mask != 0:
        record(hart, Event.SWITCH, 0, 0)
    use_space(hart, hart.no_space)
    program(hart)


def program(hart: Hart) -> None:
    """Set the timer to the next thing that happens by itself."""
    cpu.set_timer(hart.cpu, min(hart.budget_end, hart.wheel.earliest))


def use_space(hart: Hart, space: AddressSpace) -> None:
    if space.translation == 0:
        assign(hart, space)
    cpu.use_translation(hart.cpu, space.translation)


@cold
def assign(hart: Hart, space: AddressSpace) -> None:
    """Give it an ASID, which another address space may lose. ASID 0 is the kernel's own, or all that there is."""
    asid = hart.next_asid
    hart.next_asid = 1 if asid + 1 >= hart.asid_limit else asid + 1
    if hart.asid_limit <= 1:
        asid = 0
    before = hart.asids[asid]
    if before is not None:
        before.translation = 0
    hart.asids[asid] = space
    space.asid = u16(asid)
    cpu.flush_space(hart.cpu, asid)
    space.translation = SV39 | (asid << ASID_SHIFT) | (space.root.base >> 12)


def forget_space(hart: Hart, space: AddressSpace) -> None:
    """Take its ASID away, and all that the hardware remembers of it."""
    if space.translation != 0:
        hart.asids[u64(space.asid)] = None
        space.translation = 0
        cpu.flush_space(hart.cpu, u64(space.asid))


@inline
def stop(hart: Hart, thread: Thread, state: State) -> None:
    """The thread doesn't run any more: it waits, or is stopped."""
    take_off(hart, thread)
    thread.state = state


@inline
def attach_again(hart: Hart, context: SchedContext) -> None:
    """The context was changed: its thread is ready by the new numbers, if it can run."""
    thread = context.thread
    if thread is not None and thread.state is State.RUNNABLE:
        make_ready(hart, thread)
