"""A step of the attack: the running thread enters the kernel, in one of all ways; then everything is looked at."""

from neokernel.abi.call import Call, argument_of, label_of, status_of
from neokernel.abi.denials import KEPT_DENIALS, is_denial
from neokernel.abi.rights import CONTROL, READ, RECEIVE, SEND, SIGNAL, WAIT, WRITE
from neokernel.arch import cpu
from neokernel.kernel import fast, syscall
from neokernel.kernel.objects import CapTable, Endpoint, Hart, Notification, Reply, SchedContext, State, Thread
from neokernel.lang import address_of, copy, size_of, span_at, u16, u32, u64, unsafe, value, wrapping_mul
from tests.fuzz_kernel.choose import choose_call, strange, tend
from tests.fuzz_kernel.invariants import THREAD, deep, shallow
from tests.fuzz_kernel.machine import gardener, make
from tests.fuzz_kernel.meanwhile import burying, depriving, interfering
from tests.fuzz_kernel.scene import begin_scene, scene
from tests.fuzz_kernel.situations import look_back, look_before
from tests.fuzz_kernel.state import (
    ECALL_AT,
    EVENTS,
    FAULTED,
    GONE,
    LINES,
    OPERATIONS,
    RAM,
    RESTARTED,
    SEEN,
    WAITED,
    Fuzz,
    count,
    the_hart,
)
from tests.fuzz_kernel.walk import lives

unsafe("states of objects are compared as memory")

#: what a marked thread has in s11, beside its identifier
MARK: u64 = 0x7E57_0000_0000_0000
#: rows of events
TIMER_ROW = EVENTS
LINE_ROW = EVENTS + 1
FAULT_ROW = EVENTS + 2
FOREIGN_ROW = EVENTS + 3
#: one call in so many is a scene, if that is possible
SCENES = 5
MIX = 0xD134_2543_DE82_EF95
STRIDE = 0x2545_F491_4F6C_DD1D
CAUSES: tuple[u64, ...] = (0, 1, 2, 2, 2, 3, 4, 5, 6, 7, 12, 13, 13, 15, 15)


def episode(fuzz: Fuzz, seed: u64, length: u64) -> None:
    """A new machine, attacked `length` times, or until nobody can run."""
    fuzz.seed = seed
    fuzz.number = 0
    fuzz.place_count = 0
    fuzz.tended = 0
    fuzz.released_count = 0
    make(fuzz)
    shallow(fuzz)
    deep(fuzz)
    while fuzz.number < length:
        # Each step has chance of its own, so that a finding stays when others are left out.
        fuzz.seed = wrapping_mul(seed ^ MIX, MIX) ^ wrapping_mul(fuzz.number, STRIDE)
        skipped = fuzz.skipped[fuzz.number] != 0
        fuzz.number += 1
        if skipped:
            continue
        if not step(fuzz):
            fuzz.deaths += 1
            break
    deep(fuzz)


def step(fuzz: Fuzz) -> bool:
    """One entry into the kernel. False if nobody runs."""
    hart = the_hart()
    thread = hart.current
    if thread is None or fuzz.tended > 100 + fuzz.number // 2:
        return False
    hart.cpu.time += 1 + fuzz.below(40)
    if fuzz.chance(24) or (thread is gardener() and fuzz.chance(2)):
        hart.cpu.time += fuzz.below(3000)
    if thread.registers.pc == ECALL_AT and fuzz.chance(3 if fuzz.answers == 0 else 2):
        # Others come in between the steps of a long operation.
        hart.cpu.time += 4000
    resumed(fuzz, thread)
    remember(fuzz)
    look_before(fuzz, hart)
    if hart.cpu.line != 0:
        # It came while timers ended. Some processors report the timer first all the same.
        timer = hart.cpu.time >= hart.cpu.timer and fuzz.chance(2)
        cause: u64 = syscall.INTERRUPT_BIT | syscall.TIMER if timer else syscall.INTERRUPT_BIT | syscall.EXTERNAL
        event(fuzz, hart, thread, LINE_ROW, cause, 0)
        assert hart.cpu.line == 0, "a device waits, and the kernel leaves it"
    elif hart.cpu.time >= hart.cpu.timer:
        if fuzz.chance(4):
            line = fuzz.below(LINES)
            if not hart.lines[line].pending:
                hart.cpu.line = u32(line + 1)
                hart.cpu.unseen = 1 + fuzz.below(4)
        event(fuzz, hart, thread, TIMER_ROW, syscall.INTERRUPT_BIT | syscall.TIMER, 0)
    elif thread.space is hart.no_space:
        # Without an address space there is no instruction to execute.
        event(fuzz, hart, thread, FAULT_ROW, 12, thread.registers.pc)
    elif fuzz.chance(32):
        external(fuzz, hart, thread)
    else:
        call(fuzz, hart, thread)
    hart.cpu.ended = 0
    hart.cpu.pending = False
    hart.cpu.unseen = 0
    return True


def external(fuzz: Fuzz, hart: Hart, thread: Thread) -> None:
    """An interrupt, or a fault."""
    if fuzz.chance(2):
        line = 1 + fuzz.below(LINES)
        if hart.lines[line - 1].pending or fuzz.chance(16):
            line = fuzz.below(LINES + 2)
            if line >= 1 and line <= LINES and hart.lines[line - 1].pending:
                line = 0
        hart.cpu.line = u32(line)
        event(fuzz, hart, thread, LINE_ROW, syscall.INTERRUPT_BIT | syscall.EXTERNAL, 0)
        return
    cause = CAUSES[fuzz.below(len(CAUSES))]
    event(fuzz, hart, thread, FAULT_ROW, cause, strange(fuzz))


def event(fuzz: Fuzz, hart: Hart, thread: Thread, row: u64, cause: u64, value: u64) -> None:
    note(fuzz, thread, row)
    thread.registers.full = 1
    syscall.trap(thread, cause, value)
    check(fuzz)
    look_back(fuzz, hart, row, 0)
    unchanged(fuzz, None, 0)
    count(fuzz, row, 0, 0, False)


# --- calls ------------------------------------------------------------------------------------------------------------


def call(fuzz: Fuzz, hart: Hart, thread: Thread) -> None:
    """A system call, as the trap makes it."""
    registers = thread.registers
    again = registers.pc == ECALL_AT
    if not again:
        if thread is gardener():
            fuzz.tended += 1
            tend(fuzz, hart, thread)
        elif not in_between(fuzz, hart, thread) and (not fuzz.chance(SCENES) or not scene(fuzz, hart, thread)):
            choose_call(fuzz, hart, thread)
        registers.pc = ECALL_AT
    row = row_of(thread)
    # Most calls don't look at interrupts; an answer, and what waits for a pin, are looked at closely.
    closely = row == 1 or row == 4 or row == OPERATIONS + 35
    hart.cpu.pending = fuzz.chance(4 if closely else 16)
    hart.cpu.unseen = fuzz.below(2 if closely else 4)
    fuzz.root = root_of(thread, row)
    fuzz.answering = reply_of(thread, row)
    target = target_of(thread, row)
    fuzz.cancelling = 0 if again else endpoint_of(thread, row)
    fuzz.badge = registers.a3
    allowed = allows(thread, row)
    caller = thread.identifier
    table = thread.table
    asked = Asked(table.denied, registers.a0, registers.a1, registers.a7)
    note(fuzz, thread, row)
    fuzz.calls += 1
    registers.full = 0
    if registers.foreign != 0:
        registers.full = 1
        syscall.trap(thread, syscall.ECALL, 0)
        check(fuzz)
        look_back(fuzz, hart, FOREIGN_ROW, caller)
        count(fuzz, FOREIGN_ROW, 0, 0, False)
        return
    if registers.a7 <= 1 or registers.a7 == 5 or registers.a7 == 6:
        enter_fast(fuzz, hart, thread)
    else:
        registers.pc += 4
        syscall.system_call(thread)
    check(fuzz)
    look_back(fuzz, hart, row, caller)
    if account(fuzz, thread, row, allowed) and thread.table is table:
        denials_are_kept(thread, asked)
    unchanged(fuzz, thread, target)


def in_between(fuzz: Fuzz, hart: Hart, thread: Thread) -> bool:
    """A call in a situation that passes soon, if there is one."""
    if fuzz.answers != 0 and fuzz.below(8) != 0:
        begin_scene(thread)
        if len(thread.table.slots) != 0 and interfering(fuzz, hart, thread):
            return True
    if fuzz.chance(48):
        begin_scene(thread)
        if len(thread.table.slots) != 0 and depriving(fuzz, thread):
            return True
    if fuzz.below(16) == 0 or (fuzz.blocked_count != 0 and fuzz.chance(4)):
        begin_scene(thread)
        return len(thread.table.slots) != 0 and burying(fuzz, thread)
    return False


def row_of(thread: Thread) -> u64:
    """The row in the table of outcomes: the system call, or the operation."""
    registers = thread.registers
    if registers.a7 != 0:
        return min(registers.a7, 9)
    table = thread.table
    if registers.a0 < len(table.slots) and isinstance(table.slots[registers.a0].object, Endpoint):
        return 0
    label = label_of(registers.a1)
    return OPERATIONS + label if label >= 1 and label <= 41 else u64(OPERATIONS)


def target_of(thread: Thread, row: u64) -> u64:
    """The address of the thread whose registers the call may change."""
    if row != OPERATIONS + 17 and row != OPERATIONS + 21:
        return 0
    table = thread.table
    if thread.registers.a0 >= len(table.slots):
        return 0
    thing = table.slots[thread.registers.a0].object
    return address_of(thing) if isinstance(thing, Thread) else u64(0)


def root_of(thread: Thread, row: u64) -> u64:
    """The address of the slot that the call deletes or revokes."""
    if row != OPERATIONS + 8 and row != OPERATIONS + 9:
        return 0
    registers = thread.registers
    slots = thread.table.slots
    if registers.a0 >= len(slots):
        return 0
    table = slots[registers.a0].object
    if not isinstance(table, CapTable) or registers.a2 >= len(table.slots):
        return 0
    return address_of(table.slots[registers.a2])


def endpoint_of(thread: Thread, row: u64) -> u64:
    """The address of the endpoint whose senders the call cancels."""
    slots = thread.table.slots
    if row != OPERATIONS + 40 or thread.registers.a5 != 0 or thread.registers.a0 >= len(slots):
        return 0
    table = slots[thread.registers.a0].object
    if not isinstance(table, CapTable) or thread.registers.a2 >= len(table.slots):
        return 0
    endpoint = table.slots[thread.registers.a2].object
    return address_of(endpoint) if isinstance(endpoint, Endpoint) else u64(0)


def sends(thread: Thread, endpoint: u64, badge: u64) -> bool:
    """Does it wait to send there, by this badge?"""
    at = thread.endpoint
    waits = thread.state is State.SENDING or thread.state is State.CALLING
    return waits and at is not None and address_of(at) == endpoint and thread.badge == badge


def reply_of(thread: Thread, row: u64) -> u64:
    """The address of the Reply by which the call answers."""
    slots = thread.table.slots
    if (row != 1 and row != 4) or thread.registers.a6 >= len(slots):
        return 0
    reply = slots[thread.registers.a6].object
    return address_of(reply) if isinstance(reply, Reply) else u64(0)


def allows(thread: Thread, row: u64) -> bool:
    """Has the capability that is invoked the right for it?"""
    table = thread.table
    if row == 4 or row == 7:
        return True
    if thread.registers.a0 >= len(table.slots):
        return False
    slot = table.slots[thread.registers.a0]
    needed: u16 = CONTROL
    match row:
        case 0 | 2 | 8:
            needed = SEND
        case 1 | 3:
            needed = RECEIVE
        case 5:
            needed = WAIT
        case 6:
            needed = SIGNAL
        case 23 | 40:
            needed = 0
        case 47:
            needed = READ
        case 48:
            needed = WRITE
        case _:
            pass
    return slot.object is not None and slot.rights & needed == needed


def account(fuzz: Fuzz, thread: Thread, row: u64, allowed: bool) -> bool:
    """Count how the call ended, and look at what it left in the registers. Has it an outcome already?"""
    registers = thread.registers
    if not lives(fuzz, address_of(thread), THREAD):
        count(fuzz, row, GONE, 0, False)
        return False
    waits = thread.state is not State.RUNNABLE and thread.state is not State.STOPPED
    if thread.faulted or (thread.state is State.STOPPED and registers.pc == ECALL_AT):
        count(fuzz, row, FAULTED, 0, False)
    elif registers.pc == ECALL_AT:
        count(fuzz, row, RESTARTED, 0, False)
    elif waits:
        assert allowed, "a call without the right waits"
        count(fuzz, row, WAITED, 0, False)
        fuzz.successes += 1
        registers.s10 = row + 1
    else:
        assert allowed or status_of(registers.a1) != 0, "a call without the right succeeds"
        result(fuzz, thread, row, False)
        return True
    return False


@value
class Asked:
    """A call as it was made, and how many of its table had been denied before."""

    denied: u64
    capability: u64
    word: u64
    call: u64


def denials_are_kept(thread: Thread, asked: Asked) -> None:
    """What a call was denied is the last that its table keeps; others change nothing there.

    But who receives may find that others are to be denied, who have waited.
    """
    outcome, table = thread.registers.a1, thread.table
    others = asked.call == u64(Call.RECEIVE.value) or asked.call == u64(Call.REPLY_RECEIVE.value)
    if not is_denial(outcome):
        assert others or table.denied == asked.denied, "what wasn't denied is counted"
        return
    assert table.denied > asked.denied and (others or table.denied == asked.denied + 1), "it isn't counted"
    kept = table.denials[(table.denied - 1) % KEPT_DENIALS]
    assert kept.capability == asked.capability and kept.word == asked.word, "something else is kept"
    assert kept.outcome == outcome | asked.call, "another outcome is kept"


def resumed(fuzz: Fuzz, thread: Thread) -> None:
    """A thread goes on: its call has ended, if it waited in one. It gets marks that the kernel must keep."""
    registers = thread.registers
    if registers.s10 != 0 and registers.pc != ECALL_AT:
        row = registers.s10 - 1
        registers.s10 = 0
        result(fuzz, thread, row, True)
    mark = MARK | thread.identifier
    if registers.s11 != mark:
        registers.s11 = mark
        registers.s10 = 0
        registers.sp = wrapping_mul(mark, 3)
        registers.gp = wrapping_mul(mark, 5)
        registers.tp = wrapping_mul(mark, 7)
        registers.s0 = wrapping_mul(mark, 9)
        registers.s1 = wrapping_mul(mark, 11)
        registers.s5 = wrapping_mul(mark, 13)
        registers.s9 = wrapping_mul(mark, 15)


def kept(thread: Thread) -> bool:
    """Are the marks of a marked thread what they were?"""
    registers = thread.registers
    mark = MARK | thread.identifier
    if registers.s11 != mark:
        return True
    return (
        registers.sp == wrapping_mul(mark, 3)
        and registers.gp == wrapping_mul(mark, 5)
        and registers.tp == wrapping_mul(mark, 7)
        and registers.s0 == wrapping_mul(mark, 9)
        and registers.s1 == wrapping_mul(mark, 11)
        and registers.s5 == wrapping_mul(mark, 13)
        and registers.s9 == wrapping_mul(mark, 15)
    )


def result(fuzz: Fuzz, thread: Thread, row: u64, later: bool) -> None:
    """What a call that has ended says, and nothing else."""
    registers = thread.registers
    status = status_of(registers.a1)
    argument = argument_of(registers.a1)
    assert status <= 19 and argument <= 12, "a status that doesn't exist"
    count(fuzz, row, status, argument, later)
    if status == 0:
        fuzz.successes += 1
        if fuzz.cancelling != 0 and not later:
            # In one step: nobody has come in between.
            for index in range(fuzz.thread_count):
                sender = fuzz.threads[index]
                left = sender is not None and sends(sender, fuzz.cancelling, fuzz.badge)
                assert not left, "who should be cancelled waits on"
        if not has_payload(row):
            empty = registers.a0 == 0 and registers.a1 == 0 and payload(thread) == 0
            assert empty, "a call without results leaves something"
    else:
        assert registers.a1 & 0xFFFF_FFFF_FFFF == 0, "a failure with more than a status"
        assert registers.a0 == 0 and payload(thread) == 0, "a failure leaves something in the registers"
    addresses = secret(registers.a0) or secret(registers.a1) or secret(registers.a2)
    assert not addresses, "an address of the kernel is in a register"
    addresses = secret(registers.a3) or secret(registers.a4) or secret(registers.a5)
    assert not addresses, "an address of the kernel is in a register"


def payload(thread: Thread) -> u64:
    registers = thread.registers
    return registers.a2 | registers.a3 | registers.a4 | registers.a5


def secret(word: u64) -> bool:
    """May it be an address of the kernel?"""
    return word >= cpu.DIRECT + RAM and word >> 32 == u64(cpu.DIRECT + RAM) >> 32


def has_payload(row: u64) -> bool:
    """Calls that answer with something."""
    match row:
        case 0 | 1 | 3 | 5:
            return True
        case 13 | 20 | 30 | 35 | 36 | 39 | 40 | 44 | 48 | 51:
            return True
        case _:
            return False


# --- around the call --------------------------------------------------------------------------------------------------


def check(fuzz: Fuzz) -> None:
    shallow(fuzz)
    if fuzz.number % fuzz.deep_every == 0:
        deep(fuzz)
    for index in range(fuzz.thread_count):
        thread = fuzz.threads[index]
        if thread is not None:
            assert kept(thread), "a register that is preserved has changed"


def remember(fuzz: Fuzz) -> None:
    """What all threads have in their registers."""
    for index in range(fuzz.thread_count):
        thread = fuzz.threads[index]
        if thread is not None:
            registers = thread.registers
            fuzz.identifiers[index] = thread.identifier
            fuzz.idle[index] = thread.state is State.STOPPED or thread.state is State.RUNNABLE
            fuzz.faulted[index] = thread.faulted
            base = index * 8
            fuzz.words[base] = registers.pc
            fuzz.words[base + 1] = registers.a0
            fuzz.words[base + 2] = registers.a1
            fuzz.words[base + 3] = registers.a2
            fuzz.words[base + 4] = registers.a3
            fuzz.words[base + 5] = registers.a4
            fuzz.words[base + 6] = registers.a5
            fuzz.words[base + 7] = registers.a7
    fuzz.remembered = fuzz.thread_count


def unchanged(fuzz: Fuzz, caller: Thread | None, target: u64) -> None:
    """Other threads have what they had, unless one was woken, or the call was about its registers.

    Who has its answer keeps that, whatever happens, even if it is answered anew.
    """
    for index in range(fuzz.thread_count):
        thread = fuzz.threads[index]
        if thread is not None and thread is not caller and address_of(thread) != target:
            idle = thread.state is State.STOPPED or thread.state is State.RUNNABLE or thread.state is State.ANSWERED
            for old in range(fuzz.remembered):
                if fuzz.identifiers[old] == thread.identifier:
                    # It may fault at once, because the time that it was given is used up.
                    woken = not fuzz.idle[old] and (idle or (thread.faulted and not fuzz.faulted[old]))
                    if fuzz.answered[old]:
                        woken = False
                    assert woken or same(fuzz, thread, old), "another thread's registers have changed"


def same(fuzz: Fuzz, thread: Thread, index: u64) -> bool:
    registers = thread.registers
    base = index * 8
    return (
        fuzz.words[base] == registers.pc
        and fuzz.words[base + 1] == registers.a0
        and fuzz.words[base + 2] == registers.a1
        and fuzz.words[base + 3] == registers.a2
        and fuzz.words[base + 4] == registers.a3
        and fuzz.words[base + 5] == registers.a4
        and fuzz.words[base + 6] == registers.a5
        and fuzz.words[base + 7] == registers.a7
    )


def note(fuzz: Fuzz, thread: Thread, row: u64) -> None:
    """Keep the step for a report."""
    registers = thread.registers
    base = (fuzz.noted % SEEN) * 12
    fuzz.noted += 1
    fuzz.ring[base] = fuzz.number
    fuzz.ring[base + 1] = thread.identifier
    fuzz.ring[base + 2] = row
    fuzz.ring[base + 3] = registers.a0
    fuzz.ring[base + 4] = registers.a1
    fuzz.ring[base + 5] = registers.a2
    fuzz.ring[base + 6] = registers.a3
    fuzz.ring[base + 7] = registers.a4
    fuzz.ring[base + 8] = registers.a5
    fuzz.ring[base + 9] = registers.a6
    fuzz.ring[base + 10] = registers.a7
    fuzz.ring[base + 11] = the_hart().cpu.time


# --- the fast path ----------------------------------------------------------------------------------------------------


def enter_fast(fuzz: Fuzz, hart: Hart, thread: Thread) -> None:
    """The fast path first. Where it does the call, the general one does it again, from the same state: both must agree.

    The machine goes on with what the one or the other has left.
    """
    registers = thread.registers
    registers.general = 0
    fuzz.place_count = 0
    row = row_of(thread)
    if row <= 1 or row == 5 or row == 6:
        forget_stale(fuzz, hart, thread)
        collect(fuzz, hart, thread)
        save(fuzz, False)
    if row == 5:
        fast.fast_wait(registers.a0, registers.a1, registers.a2, registers.a3, registers.a4, registers.a5, thread)
    elif row == 6:
        fast.fast_signal(registers.a0, registers.a1, registers.a2, registers.a3, registers.a4, registers.a5, thread)
    elif registers.a7 == 0:
        fast.fast_call(registers.a0, registers.a1, registers.a2, registers.a3, registers.a4, registers.a5, 0, thread)
    else:
        fast.fast_reply_receive(
            registers.a0,
            registers.a1,
            registers.a2,
            registers.a3,
            registers.a4,
            registers.a5,
            registers.a6,
            thread,
        )
    if registers.general != 0:
        registers.general = 0
        forget_stale(fuzz, hart, thread)
        assert differs(fuzz, False) == 0, "the fast path has written before it gave up"
        registers.pc += 4
        syscall.system_call(thread)
        return
    fuzz.fast += 1
    forget_stale(fuzz, hart, thread)
    save(fuzz, True)
    restore(fuzz, False)
    registers.pc += 4
    # The fast path doesn't look at interrupts.
    unseen = hart.cpu.unseen
    hart.cpu.unseen = 64
    syscall.system_call(thread)
    hart.cpu.unseen = unseen
    forget_stale(fuzz, hart, thread)
    found = differs(fuzz, True)
    fuzz.difference = found
    assert found == 0, "the fast path and the general one don't agree"
    if fuzz.chance(2):
        restore(fuzz, True)


def collect(fuzz: Fuzz, hart: Hart, thread: Thread) -> None:
    """The objects that a call or reply may change."""
    add(fuzz, address_of(hart), size_of(Hart))
    add_thread(fuzz, thread)
    context = thread.context
    if context is not None:
        add_reply(fuzz, context.top)
    add_reply(fuzz, thread.reply)
    table = thread.table
    if thread.registers.a0 < len(table.slots):
        endpoint = table.slots[thread.registers.a0].object
        if isinstance(endpoint, Notification):
            add(fuzz, address_of(endpoint), size_of(Notification))
            waiter = endpoint.waiters.head
            if waiter is not None:
                add_thread(fuzz, waiter)
                behind = waiter.next
                if behind is not None:
                    add_thread(fuzz, behind)
            bound = endpoint.bound
            if bound is not None:
                add_thread(fuzz, bound)
        if isinstance(endpoint, Endpoint):
            add(fuzz, address_of(endpoint), size_of(Endpoint))
            first = endpoint.receivers.head
            if first is not None:
                add_thread(fuzz, first)
                add_reply(fuzz, first.reply)
                after = first.next
                if after is not None:
                    add_thread(fuzz, after)
            last = endpoint.receivers.tail
            if last is not None:
                add_thread(fuzz, last)


def add(fuzz: Fuzz, place: u64, size: u64) -> None:
    fuzz.places[fuzz.place_count] = place
    fuzz.sizes[fuzz.place_count] = size // 8
    fuzz.place_count += 1


def add_thread(fuzz: Fuzz, thread: Thread) -> None:
    """A thread, and what it runs on."""
    add(fuzz, address_of(thread), size_of(Thread))
    context = thread.context
    if context is not None:
        add(fuzz, address_of(context), size_of(SchedContext))


def add_reply(fuzz: Fuzz, reply: Reply | None) -> None:
    """A Reply, the one below it, and its caller."""
    if reply is None:
        return
    add(fuzz, address_of(reply), size_of(Reply))
    caller = reply.caller
    if caller is not None:
        add_thread(fuzz, caller)
    below = reply.below
    if below is not None and reply.context is not None:
        add(fuzz, address_of(below), size_of(Reply))


def save(fuzz: Fuzz, after: bool) -> None:
    """Copy those objects."""
    at: u64 = 0
    for index in range(fuzz.place_count):
        words = span_at(u64, fuzz.places[index], fuzz.sizes[index])
        target = fuzz.fast_saved if after else fuzz.saved
        copy(target[at : at + len(words)], words.view())
        at += len(words)


def restore(fuzz: Fuzz, after: bool) -> None:
    at: u64 = 0
    for index in range(fuzz.place_count):
        words = span_at(u64, fuzz.places[index], fuzz.sizes[index])
        source = fuzz.fast_saved if after else fuzz.saved
        copy(words, source[at : at + len(words)].view())
        at += len(words)


def differs(fuzz: Fuzz, after: bool) -> u64:
    """1 + the place of the first word of those objects that isn't as it was; 0 if there is none."""
    at: u64 = 0
    for index in range(fuzz.place_count):
        words = span_at(u64, fuzz.places[index], fuzz.sizes[index])
        for place in range(len(words)):
            old = fuzz.fast_saved[at + place] if after else fuzz.saved[at + place]
            if words[place] != old:
                return 1 + 0x1_0000 * index + place
        at += len(words)
    return 0


def forget_stale(fuzz: Fuzz, hart: Hart, thread: Thread) -> None:
    """Links that don't count, because what they are in isn't linked, may be different; and what was recorded."""
    hart.told = 0
    for index in range(fuzz.thread_count):
        each = fuzz.threads[index]
        if each is not None:
            waits = each.state is State.SENDING or each.state is State.CALLING or each.state is State.RECEIVING
            if not waits and each.state is not State.WAITING and not each.ready:
                # It is in no queue.
                each.next = None
                each.previous = None
            if not waits:
                each.endpoint = None
                each.badge = 0
            if not each.ready:
                each.priority = 0
            reply = each.reply
            if reply is not None and reply.caller is None:
                reply.context = None
                reply.below = None
                reply.above = None
