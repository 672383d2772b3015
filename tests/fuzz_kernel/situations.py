"""What comes in between: situations inside of calls and between them that outcomes don't show, counted like those.

The state before a step is compared with the state after it: callers that have their answer while their server has yet
to receive, tables that wait at a pin, contexts that owe what they were charged too late. What happened follows from the
row of the step, and from who made it.

Invariant: `fuzz.released` are the tables that waited at a pin once, wait no more, and haven't ended.
"""

from neokernel.abi.call import argument_of, status_of
from neokernel.abi.status import TRAVELLING, Status
from neokernel.kernel.objects import CapTable, Hart, Pin, SchedContext, Slot, State, Thread
from neokernel.kernel.slot import first_leaf
from neokernel.lang import address_of, loop_bound, object_at, size_of, u64, unsafe, wrapping_sub
from tests.fuzz_kernel.invariants import CAP_TABLE, REPLY, SCHED_CONTEXT
from tests.fuzz_kernel.state import AT_PINS, BETWEEN, ECALL_AT, LATE, MISSED, MOST_TABLES, OPERATIONS, Fuzz, count
from tests.fuzz_kernel.walk import lives

unsafe("objects that were seen before the call are looked at by their addresses")

#: BETWEEN: what happens to a caller that has its answer, or to its server, before that has received
INTERRUPTED = 0
RECEIVED = 1
REPLIED = 2
SUSPENDED = 3
DISARMED = 4
CALLER_ENDS = 5
REPLY_ENDS = 6
SERVER_ENDS = 7
UNBOUND = 8
CONTEXT_ENDS = 9
SERVER_SUSPENDED = 10
SERVER_STOPS = 11
SERVER_GOES_ON = 12
SERVER_FAULTS = 13
FAILS = 14
LEFT = 15
OTHERS = 16
ANSWERED_TWICE = 17

#: AT_PINS: how tables come to wait there, and go on
OWN_PIN = 0
PIN_BELOW = 1
SHARED_PIN = 2
BY_UNPIN = 3
BY_END = 4
AGAIN = 5
ENDS = 6
IN_THE_WAY = 7
GIVES_WAY = 8

#: LATE: what becomes of time that was charged late
OWES = 0
OWES_STILL = 1
PAYS = 2
FORGIVEN = 3
CONFIGURED = 4

#: MISSED: when somebody else's time is taken from a thread, and what becomes of that
WAITS_THEN = 0
COULD_RUN = 1
TOLD = 2
UNHEARD = 3
OTHER_TIME = 4

#: what the server does
NOBODY = 0
RUNS = 1
STANDS = 2
FAULTED = 3

ROW_DELETE = OPERATIONS + 8
ROW_REVOKE = OPERATIONS + 9
ROW_SUSPEND = OPERATIONS + 18
ROW_UNPIN = OPERATIONS + 35
ROW_REPLY_RECEIVE = 1
ROW_REPLY = 4


def look_before(fuzz: Fuzz, hart: Hart) -> None:
    """Remember what the step may change. The threads' identifiers are known."""
    for index in range(fuzz.remembered):
        thread = fuzz.threads[index]
        fuzz.answered[index] = False
        fuzz.taken[index] = 0 if thread is None else thread.taken
        if thread is not None and thread.state is State.ANSWERED:
            reply = thread.awaited
            if reply is not None:
                home = thread.home
                server = reply.server
                fuzz.answered[index] = True
                fuzz.replies[index] = address_of(reply)
                fuzz.homes[index] = 0 if home is None else address_of(home)
                fuzz.servers[index] = 0 if server is None else server.identifier
                fuzz.doings[index] = doing(server)
    fuzz.stuck_count = fuzz.blocked_count
    for index in range(fuzz.blocked_count):
        fuzz.stuck[index] = fuzz.blocked[index]
        fuzz.stuck_at[index] = fuzz.blocked_at[index]
    fuzz.root = 0
    fuzz.answering = 0
    fuzz.time = hart.cpu.time
    context = hart.active
    fuzz.payer = 0
    if context is not None:
        first = context.refills[u64(context.first)]
        fuzz.payer = address_of(context)
        fuzz.budget = context.budget
        fuzz.period = context.period
        fuzz.used = context.used
        fuzz.owed = context.owed
        fuzz.first = first.amount
        fuzz.first_time = first.time
        fuzz.later = u64(context.later)


def doing(server: Thread | None) -> u64:
    if server is None:
        return NOBODY
    if server.faulted:
        return FAULTED
    return STANDS if server.state is State.STOPPED else u64(RUNS)


def look_back(fuzz: Fuzz, hart: Hart, row: u64, caller: u64) -> None:
    """Count what has happened in the step `row`, which the thread with the identifier `caller` has made (0: nobody)."""
    callers(fuzz, row, caller)
    tables(fuzz, row)
    stopped(fuzz, row, caller)
    late(fuzz, hart)
    missed(fuzz)


# --- between answer and receive ---------------------------------------------------------------------------------------


def find(fuzz: Fuzz, identifier: u64) -> Thread | None:
    """The thread, if it lives."""
    for index in range(fuzz.thread_count):
        thread = fuzz.threads[index]
        if thread is not None and thread.identifier == identifier:
            return thread
    return None


def callers(fuzz: Fuzz, row: u64, caller: u64) -> None:
    answers: u64 = 0
    for old in range(fuzz.remembered):
        if fuzz.answered[old]:
            waiting = find(fuzz, fuzz.identifiers[old])
            if waiting is not None and waiting.state is State.ANSWERED:
                answers += 1
                still(fuzz, old, row, caller, waiting)
            else:
                count(fuzz, BETWEEN, 0, ended(fuzz, old, row, caller, waiting), False)
    for _ in range(fuzz.answers - answers):
        count(fuzz, BETWEEN, 0, INTERRUPTED, False)


def ended(fuzz: Fuzz, old: u64, row: u64, caller: u64, waiting: Thread | None) -> u64:
    """How the caller's wait has ended."""
    if waiting is None:
        return CALLER_ENDS
    if waiting.state is State.STOPPED:
        return SUSPENDED if row == ROW_SUSPEND else u64(DISARMED)
    if not lives(fuzz, fuzz.replies[old], REPLY):
        return REPLY_ENDS
    if row in (ROW_DELETE, ROW_REVOKE):
        # It ends in steps: it may still be there.
        return SERVER_ENDS
    assert row in (ROW_REPLY_RECEIVE, ROW_REPLY), "an answered caller goes on by itself"
    if row == ROW_REPLY_RECEIVE:
        return RECEIVED
    return REPLIED if caller == fuzz.servers[old] else u64(ANSWERED_TWICE)


def still(fuzz: Fuzz, old: u64, row: u64, caller: u64, waiting: Thread) -> None:
    """What has happened to who waits, or to its server."""
    home = fuzz.homes[old]
    if home != 0 and waiting.home is None:
        reply = waiting.awaited
        assert reply is not None and reply.context is None, "a call brings back a context that is unbound"
        count(fuzz, BETWEEN, 0, UNBOUND if lives(fuzz, home, SCHED_CONTEXT) else u64(CONTEXT_ENDS), False)
    server = find(fuzz, fuzz.servers[old])
    if server is None:
        return
    if not serves(server, waiting):
        count(fuzz, BETWEEN, 0, LEFT, False)
        return
    before = fuzz.doings[old]
    now = doing(server)
    if fuzz.replies[old] != fuzz.answering:
        count(fuzz, BETWEEN, 0, OTHERS, False)
    elif failed(fuzz, caller):
        count(fuzz, BETWEEN, 0, FAILS, False)
    if now == STANDS and before != STANDS:
        count(fuzz, BETWEEN, 0, SERVER_SUSPENDED if row == ROW_SUSPEND else u64(SERVER_STOPS), False)
    elif now == FAULTED and before != FAULTED:
        count(fuzz, BETWEEN, 0, SERVER_FAULTS, False)
    elif now == RUNS and before != RUNS:
        count(fuzz, BETWEEN, 0, SERVER_GOES_ON, False)


def failed(fuzz: Fuzz, caller: u64) -> bool:
    """Has a call failed that was to end it? Nothing can keep an answer from travelling that has arrived."""
    thread = find(fuzz, caller)
    if thread is None or thread.registers.pc == ECALL_AT or thread.state is not State.RUNNABLE:
        return False
    assert argument_of(thread.registers.a1) < TRAVELLING, "capabilities of an answer travel twice"
    return True


def serves(server: Thread, waiting: Thread) -> bool:
    reply = waiting.awaited
    return reply is not None and reply.server is server


# --- at pins ----------------------------------------------------------------------------------------------------------


def tables(fuzz: Fuzz, row: u64) -> None:
    """Tables that have begun to wait at a pin, that wait no longer, or that have ended after that."""
    for index in range(fuzz.stuck_count):
        table = fuzz.stuck[index]
        if not waits(fuzz, table, fuzz.stuck_at[index]):
            by_end = row in (ROW_DELETE, ROW_REVOKE)
            assert row == ROW_UNPIN or by_end, "a table stops waiting for what is still pinned"
            count(fuzz, AT_PINS, 0, BY_END if by_end else u64(BY_UNPIN), False)
            if fuzz.released_count < MOST_TABLES:
                fuzz.released[fuzz.released_count] = table
                fuzz.released_count += 1
    for index in range(fuzz.blocked_count):
        if not waited(fuzz, fuzz.blocked[index], fuzz.blocked_at[index]):
            blocked = object_at(CapTable, fuzz.blocked[index])
            count(fuzz, AT_PINS, 0, place_of(blocked, object_at(Pin, fuzz.blocked_at[index])), False)
            if forgotten(fuzz, fuzz.blocked[index]):
                count(fuzz, AT_PINS, 0, AGAIN, False)
    place: u64 = 0
    while place < fuzz.released_count:
        loop_bound(MOST_TABLES)
        table = fuzz.released[place]
        if lives(fuzz, table, CAP_TABLE) and object_at(CapTable, table).tomb.object is not None:
            place += 1
        else:
            count(fuzz, AT_PINS, 0, ENDS, False)
            _ = forgotten(fuzz, table)


def waits(fuzz: Fuzz, table: u64, pin: u64) -> bool:
    """Does the table wait there now?"""
    for index in range(fuzz.blocked_count):
        if fuzz.blocked[index] == table:
            return fuzz.blocked_at[index] == pin
    return False


def waited(fuzz: Fuzz, table: u64, pin: u64) -> bool:
    """Did it before?"""
    for index in range(fuzz.stuck_count):
        if fuzz.stuck[index] == table:
            return fuzz.stuck_at[index] == pin
    return False


def forgotten(fuzz: Fuzz, table: u64) -> bool:
    """Was it among the released ones? It isn't any more."""
    for index in range(fuzz.released_count):
        if fuzz.released[index] == table:
            fuzz.released_count -= 1
            fuzz.released[index] = fuzz.released[fuzz.released_count]
            return True
    return False


def place_of(table: CapTable, pin: Pin) -> u64:
    """Where is what is pinned, as the table sees it? It is the first to wait for that, or the latest."""
    if table.next_dying is not None:
        return SHARED_PIN
    frame = pin.slot
    assert frame is not None, "a table waits for a pin that isn't in use"
    start = address_of(table.slots[0])
    inside = start <= address_of(frame) and address_of(frame) < start + len(table.slots) * size_of(Slot)
    return OWN_PIN if inside else u64(PIN_BELOW)


def stopped(fuzz: Fuzz, row: u64, caller: u64) -> None:
    """Has a table that waits stopped a deletion, or an interrupt the release of tables?"""
    thread = find(fuzz, caller)
    if thread is None:
        return
    if row == ROW_UNPIN and thread.registers.pc == ECALL_AT:
        count(fuzz, AT_PINS, 0, GIVES_WAY, False)
    if fuzz.root == 0 or thread.registers.pc == ECALL_AT:
        return
    if status_of(thread.registers.a1) == u64(Status.PINNED.value):
        root = object_at(Slot, fuzz.root)
        leaf = first_leaf(root)
        thing = root.object if leaf is None else leaf.object
        if isinstance(thing, CapTable) and thing.blocked is not None:
            count(fuzz, AT_PINS, 0, IN_THE_WAY, False)


# --- late charges -----------------------------------------------------------------------------------------------------


def late(fuzz: Fuzz, hart: Hart) -> None:
    """The active context has been charged what it has used, and what it owed; from the first refill only."""
    if not lives(fuzz, fuzz.payer, SCHED_CONTEXT):
        return
    context = object_at(SchedContext, fuzz.payer)
    if context.budget != fuzz.budget or context.period != fuzz.period:
        assert context.owed == 0 or hart.cpu.time != fuzz.time, "a context that is configured anew owes something"
        if fuzz.owed != 0:
            count(fuzz, LATE, 0, CONFIGURED, False)
        return
    if context.slice:
        assert context.owed == 0, "a slice owes something"
        return
    if hart.cpu.time != fuzz.time:
        # It has been idle in between: more than one charge.
        return
    spent = wrapping_sub(context.used, fuzz.used)
    if spent == 0:
        assert context.owed == fuzz.owed, "what is owed changes without a charge"
        return
    due = spent + fuzz.owed
    left: u64 = 0
    if due > fuzz.first and fuzz.later != 0:
        left = due - fuzz.first
    assert context.owed == left, "what was used late is lost, or counted twice"
    first = context.refills[u64(context.first)]
    if due < fuzz.first and first.time == fuzz.first_time:
        assert first.amount == fuzz.first - due, "the first refill isn't charged"
    if left != 0:
        count(fuzz, LATE, 0, OWES if fuzz.owed == 0 else u64(OWES_STILL), False)
    elif due > fuzz.first:
        count(fuzz, LATE, 0, FORGIVEN, False)
    elif fuzz.owed != 0:
        count(fuzz, LATE, 0, PAYS, False)


# --- time that is taken away ------------------------------------------------------------------------------------------


def missed(fuzz: Fuzz) -> None:
    """Who misses time is told when it could go on, unless it has other time by then."""
    for old in range(fuzz.remembered):
        thread = find(fuzz, fuzz.identifiers[old])
        if thread is None:
            continue
        if thread.taken != 0:
            if fuzz.taken[old] == 0:
                count(fuzz, MISSED, 0, COULD_RUN if thread.state is State.RUNNABLE else u64(WAITS_THEN), False)
        elif fuzz.taken[old] != 0:
            if thread.context is not None:
                count(fuzz, MISSED, 0, OTHER_TIME, False)
            else:
                count(fuzz, MISSED, 0, TOLD if thread.faulted else u64(UNHEARD), False)
