"""Endpoints: synchronous messages between threads.

A message goes from the sender's registers and buffer to the receiver's, with copies of capabilities, or with the
capabilities themselves. Everything is checked before anything is written, so a message arrives whole or not at all.

Invariants: senders and receivers never wait at one endpoint at the same time; queues are in order of arrival; a queued
thread's `endpoint` is that one, and its state says why.
"""

from neokernel.abi.buffer import MOVE, Buffer
from neokernel.abi.call import (
    CAPABILITIES_SHIFT,
    GIVEN_BIT,
    LENGTH_SHIFT,
    MAXIMUM_CAPABILITIES,
    MAXIMUM_WORDS,
    NEVER,
    REGISTER_WORDS,
    SIGNALS_BIT,
    capabilities_of,
    failure,
    label_of,
    length_of,
)
from neokernel.abi.fault import Fault, Resume, resume_of
from neokernel.abi.rights import ALL, GRANT, SEND
from neokernel.abi.status import FIRST, INVOKED, REPLY, TRAVELLING, WINDOW, WORD, Status
from neokernel.abi.trace import Event
from neokernel.arch import cpu
from neokernel.kernel import timer
from neokernel.kernel.notification import proceed, start_timer, take, wake
from neokernel.kernel.objects import (
    PINNED,
    REVOKING,
    Endpoint,
    Hart,
    Reply,
    Slot,
    State,
    Thread,
    fits,
    runs,
)
from neokernel.kernel.outcome import AGAIN, ANSWERED, BLOCKED, answer, keep_denial
from neokernel.kernel.reply import arm, finish, link, release, waits_for_reply
from neokernel.kernel.schedule import append, stop, take_out
from neokernel.kernel.slot import derivable, derive, find, has_children, is_fertile, refuse, relocate, vacant
from neokernel.kernel.tracing import record_of
from neokernel.lang import (
    Array,
    Order,
    Span,
    array,
    cold,
    copy,
    ensures,
    loop_bound,
    old,
    requires,
    u32,
    u64,
    wrapping_add,
)

#: what `_obstacle` gives: indices of capabilities, and here the window's
WINDOW_FIRST = MAXIMUM_CAPABILITIES
NAMED = MAXIMUM_CAPABILITIES + 1

# --- messages ---------------------------------------------------------------------------------------------------------


def malformed(thread: Thread, word: u64) -> u64:
    """What is wrong with a message that `thread` wants to send, or 0."""
    # The kernel's own bits are above the number of capabilities.
    if word >> CAPABILITIES_SHIFT > MAXIMUM_CAPABILITIES or length_of(word) > MAXIMUM_WORDS:
        return failure(Status.OUT_OF_RANGE, WORD)
    if needs_buffer(word) and thread.buffer is None:
        return failure(Status.NO_BUFFER, WORD)
    return 0


def needs_buffer(word: u64) -> bool:
    """Is it long, or do capabilities travel? Requires: nothing of the kernel's is in it."""
    return word >> LENGTH_SHIFT > REGISTER_WORDS


def transfer(hart: Hart, sender: Thread, receiver: Thread, badge: u64, word: u64) -> u64:
    """Move the well-formed message `word` into the receiver's registers, buffer and window; or say why not.

    The receiver's argument registers are overwritten: the caller has read what it needs of them. AGAIN, and nothing is
    moved, if an interrupt has come while it was checked.
    """
    requires(fits(word))
    if not sender.faulted and needs_buffer(word):
        refused = transfer_more(hart, sender, receiver, word)
        if refused != 0:
            return refused
    transfer_registers(sender, receiver, badge, word)
    return 0


def transfer_registers(sender: Thread, receiver: Thread, badge: u64, word: u64) -> None:
    """The part of a message, or of a fault's report, that is in registers."""
    registers = receiver.registers
    registers.a0 = badge
    registers.a1 = word
    if sender.faulted:
        if label_of(word) == u64(Fault.BUDGET.value):
            # Now its handler knows.
            sender.taken = 0
        registers.a2 = sender.report[0]
        registers.a3 = sender.report[1]
        registers.a4 = sender.report[2]
        registers.a5 = sender.report[3]
    else:
        sent = sender.registers
        registers.a2 = sent.a2
        registers.a3 = sent.a3
        registers.a4 = sent.a4
        registers.a5 = sent.a5


@cold
def transfer_more(hart: Hart, sender: Thread, receiver: Thread, word: u64) -> u64:
    """The part of a message that isn't in registers."""
    requires(fits(word))
    named: Array[u64] = array(NAMED)
    refused = _obstacle(hart, sender, receiver, word, named)
    if refused != 0:
        return refused
    if cpu.interrupt_pending(hart.cpu):
        return AGAIN
    transfer_buffer(hart, sender, receiver, word, named)
    return 0


@cold
def transfer_buffer(hart: Hart, sender: Thread, receiver: Thread, word: u64, named: Span[u64]) -> None:
    """The same, to which there is no `_obstacle`, with the capabilities that it found."""
    requires(fits(word))
    requires(len(named) == NAMED)
    source = sender.buffer
    target = receiver.buffer
    if source is not None and target is not None:
        count = capabilities_of(word)
        carry(hart, sender, receiver, named[WINDOW_FIRST], named[:count])
        target.arrived.store(u32(count), Order.RELAXED)
        length = length_of(word)
        if length > REGISTER_WORDS:
            more = length - REGISTER_WORDS
            copy(target.words[:more], source.words[:more].view())


def _obstacle(hart: Hart, sender: Thread, receiver: Thread, word: u64, named: Span[u64]) -> u64:
    """Why the part of a message that isn't in registers can't be transferred, or 0.

    `named` gets the indices of the capabilities that travel, and the first of the window, as they were checked: others
    may change what is in the buffers.
    """
    requires(len(named) == NAMED)
    source = sender.buffer
    target = receiver.buffer
    if source is None:
        return failure(Status.NO_BUFFER, WORD)
    if target is None:
        return failure(Status.NO_BUFFER, WINDOW)
    count = capabilities_of(word)
    if count == 0:
        return 0
    named[WINDOW_FIRST] = u64(target.window_first.load(Order.RELAXED))
    if not has_room(receiver, target, named[WINDOW_FIRST], count):
        return failure(Status.NO_WINDOW, WINDOW)
    for number in range(count):
        loop_bound(MAXIMUM_CAPABILITIES)
        index = u64(source.capabilities[number].load(Order.RELAXED))
        named[number] = index
        for earlier in range(number):
            loop_bound(MAXIMUM_CAPABILITIES)
            if named[earlier] & ~u64(MOVE) == index & ~u64(MOVE) and (named[earlier] | index) & MOVE != 0:
                # Copied first, it would be moved with a child; moved first, it would have gone.
                return failure(Status.HAS_CHILDREN, TRAVELLING + number)
        slot = find(sender.slots, index & ~u64(MOVE))
        if slot is None:
            return failure(Status.NO_CAPABILITY, TRAVELLING + number)
        if index & MOVE == 0:
            if not derivable(hart, slot):
                return failure(Status.UNDERIVABLE, TRAVELLING + number)
        else:
            refused = immovable(slot, TRAVELLING + number)
            if refused != 0:
                return refused
    return 0


def has_room(thread: Thread, buffer: Buffer, first: u64, count: u64) -> bool:
    """Are there `count` empty slots in the thread's receive window, which begins at `first`?"""
    requires(count <= MAXIMUM_CAPABILITIES and first < 1 << 32)
    table = thread.table
    if count > u64(buffer.window_size.load(Order.RELAXED)) or first + count > len(table.slots):
        return False
    for index in range(count):
        loop_bound(MAXIMUM_CAPABILITIES)
        if table.slots[first + index].object is not None:
            return False
    return True


def carry(hart: Hart, sender: Thread, receiver: Thread, first: u64, named: Span[u64]) -> None:
    """Copy or move capabilities to the receiver's window, which begins at `first`. There is no obstacle."""
    requires(len(named) <= MAXIMUM_CAPABILITIES)
    for number in range(len(named)):
        loop_bound(MAXIMUM_CAPABILITIES)
        index = named[number]
        slot = find(sender.slots, index & ~u64(MOVE))
        place = vacant(receiver.slots, wrapping_add(first, number))
        if slot is not None and place is not None:
            hand_over(hart, slot, place, index & MOVE != 0)


def hand_over(hart: Hart, slot: Slot, place: Slot, moving: bool) -> None:
    """Copy or move one. What was checked for all of them before any was moved is looked at again: it is still so."""
    requires(slot.object is not None and place.object is None)
    if not moving:
        if is_fertile(slot):
            derive(hart, slot, place, ALL)
    elif not has_children(slot):
        relocate(slot, place)


def immovable(slot: Slot, argument: u64) -> u64:
    """Why the capability can't be moved, or 0."""
    requires(argument < 256)
    if slot.flags & PINNED != 0:
        return failure(Status.PINNED, argument)
    if has_children(slot) or slot.flags & REVOKING != 0:
        return failure(Status.HAS_CHILDREN, argument)
    return 0


# --- send, call -------------------------------------------------------------------------------------------------------


def send(hart: Hart, caller: Thread, slot: Slot, calling: bool, waiting: bool) -> u64:
    """The SEND, TRY_SEND and CALL calls, on an endpoint."""
    requires(runs(caller))
    endpoint = slot.object
    if not isinstance(endpoint, Endpoint):
        return refuse(INVOKED)
    word = caller.registers.a1
    if slot.rights & SEND == 0:
        return failure(Status.MISSING_RIGHT, INVOKED)
    refused = malformed(caller, word)
    if refused != 0:
        return refused
    if capabilities_of(word) != 0 and slot.rights & GRANT == 0:
        return failure(Status.MISSING_RIGHT, WORD)
    return offer(hart, caller, endpoint, slot.word, word, calling, waiting)


def offer(hart: Hart, sender: Thread, endpoint: Endpoint, badge: u64, word: u64, calling: bool, waiting: bool) -> u64:
    """Hand a message to who receives, or wait until somebody does.

    A call needs a receiver with a Reply, and can bring the time to serve it; a message without a call can't, so its
    receiver must have a context.
    """
    requires(fits(word) and sender.state is State.RUNNABLE)
    ensures(lambda result: result == BLOCKED or sender.state is State.RUNNABLE)
    receiver = endpoint.receivers.head
    if receiver is None:
        if not waiting:
            return failure(Status.TIMED_OUT, INVOKED)
        sender.badge = badge
        sender.message = word
        stop(hart, sender, State.CALLING if calling else State.SENDING)
        append(endpoint.senders, sender)
        sender.endpoint = endpoint
        return BLOCKED
    reply = receiver.reply
    if (reply is None or not has_time(receiver, sender)) if calling else receiver.context is None:
        return failure(Status.WRONG_STATE, INVOKED)
    refused = transfer(hart, sender, receiver, badge, word)
    if refused != 0:
        return refused
    if hart.trace_mask != 0:
        record_of(hart, sender.identifier, Event.SEND, receiver.identifier, word)
    take_out(endpoint.receivers, receiver)
    timer.remove(hart.wheel, receiver.timer)
    if calling and reply is not None:
        link(hart, sender, receiver, reply)
        return BLOCKED
    proceed(hart, receiver)
    return 0


def take_sender(endpoint: Endpoint, sender: Thread) -> None:
    """Take it out of the queue; who cancels senders goes on with the one before it."""
    requires(sender.queue is endpoint.senders)
    ensures(lambda: sender.state is State.RUNNABLE and sender.queue is None)
    ensures(
        lambda: endpoint.cursor is (old(sender.previous) if old(endpoint.cursor) is sender else old(endpoint.cursor))
    )
    if endpoint.cursor is sender:
        endpoint.cursor = sender.previous
    take_out(endpoint.senders, sender)


def has_time(server: Thread, caller: Thread) -> bool:
    """Will the server, when it serves the call, have time of its own, the caller's, or a scheduler's?

    A caller that waits in the queue may have lost its context.
    """
    return caller.context is not None or server.home is not None or server.scheduler is not None


# --- receive ----------------------------------------------------------------------------------------------------------


def receive(hart: Hart, thread: Thread, endpoint: Endpoint, reply: Reply | None, deadline: u64, answering: bool) -> u64:
    """Answer the caller whom `reply` holds, if `answering`; then take a message, or wait for one.

    The caller has its answer before the next message is looked at, whose place it may take; and goes on afterwards,
    because a server that runs on its time can't try again without.
    """
    requires(runs(thread) and (not answering or deadline == NEVER))
    caller = None if reply is None else reply.caller
    if caller is not None:
        if not answering or answers_another(thread, caller):
            return failure(Status.OCCUPIED, REPLY)
        refused = give(hart, thread, caller)
        if refused != 0:
            return refused
    named: Array[u64] = array(NAMED)
    first = endpoint.senders.head
    if first is not None and _reject(hart, thread, endpoint, first, reply, caller is not None, named):
        return enter_again(thread, caller)
    if cpu.interrupt_pending(hart.cpu):
        return enter_again(thread, caller)
    if caller is not None and reply is not None:
        end_call(hart, thread, reply, caller)
        if endpoint.senders.head is not first:
            # Nobody has come or gone; were it otherwise, what was looked at would be another.
            return AGAIN
    notification = thread.notification
    if notification is not None and notification.word != 0 and thread.context is not None:
        done = answer(thread, take(notification), 0, 0, 0, 0)
        thread.registers.a1 = SIGNALS_BIT
        return done
    if first is not None:
        take_message(hart, thread, endpoint, first, reply, named)
        return ANSWERED
    if deadline != NEVER:
        if deadline <= cpu.now(hart.cpu):
            return failure(Status.TIMED_OUT, FIRST)
        if thread.home is None:
            # When the time comes it would have no context to go on with.
            return failure(Status.WRONG_STATE, FIRST)
    release(hart, thread)
    arm(thread, reply)
    wait_for_message(hart, thread, endpoint, deadline)
    return BLOCKED


def wait_for_message(hart: Hart, thread: Thread, endpoint: Endpoint, deadline: u64) -> None:
    """The thread receives, as the last. It may have been ready, since it has answered somebody more important."""
    requires(thread.state is State.RUNNABLE)
    ensures(lambda: thread.state is State.RECEIVING)
    stop(hart, thread, State.RECEIVING)
    append(endpoint.receivers, thread)
    thread.endpoint = endpoint
    start_timer(hart, thread, deadline)


def _reject(
    hart: Hart,
    thread: Thread,
    endpoint: Endpoint,
    sender: Thread,
    reply: Reply | None,
    answering: bool,
    named: Span[u64],
) -> bool:
    """End the wait of the first sender, if `thread` can't take its message: then True.

    `answering`: it is about to give back a context, which it may have borrowed. `named`: see `_obstacle`.
    """
    if sender.state is State.CALLING:
        possible = reply is not None and has_time(thread, sender)
    else:
        possible = thread.home is not None or (thread.context is not None and not answering)
    refused: u64 = 0
    if not possible:
        refused = failure(Status.WRONG_STATE, INVOKED)
    elif not sender.faulted and needs_buffer(sender.message):
        refused = _obstacle(hart, sender, thread, sender.message, named)
    if refused == 0:
        return False
    take_sender(endpoint, sender)
    if not sender.faulted:
        keep_denial(sender, refused)
        wake(hart, sender, 0, refused)
        return True
    # Whoever handles faults must receive by a Reply.
    sender.faulted = False
    if label_of(sender.message) == u64(Fault.BUDGET.value):
        # It lacks nothing but time, and goes on as one without a handler.
        sender.taken = 0
        proceed(hart, sender)
    else:
        sender.state = State.STOPPED
    return True


def take_message(
    hart: Hart, thread: Thread, endpoint: Endpoint, sender: Thread, reply: Reply | None, named: Span[u64]
) -> None:
    """Take the message of the first sender, to which there is no obstacle."""
    requires(len(named) == NAMED and thread.state is State.RUNNABLE and sender.queue is endpoint.senders)
    calling = sender.state is State.CALLING
    take_sender(endpoint, sender)
    word = sender.message
    if not sender.faulted and needs_buffer(word):
        transfer_buffer(hart, sender, thread, word, named)
    transfer_registers(sender, thread, sender.badge, word)
    if hart.trace_mask != 0:
        record_of(hart, sender.identifier, Event.SEND, thread.identifier, word)
    if calling and reply is not None:
        release(hart, thread)
        arm(thread, reply)
        link(hart, sender, thread, reply)
    else:
        wake(hart, sender, 0, 0)


# --- reply ------------------------------------------------------------------------------------------------------------


def respond(hart: Hart, server: Thread, reply: Reply) -> u64:
    """REPLY: answer the caller whom `reply` holds."""
    requires(runs(server))
    caller = reply.caller
    if caller is None or answers_another(server, caller):
        # If it has given its answer, another thread has ended the call meanwhile.
        return 0 if has_given(server) else failure(Status.WRONG_STATE, REPLY)
    refused = give(hart, server, caller)
    if refused != 0:
        return refused
    end_call(hart, server, reply, caller)
    return 0


def give(hart: Hart, server: Thread, caller: Thread) -> u64:
    """The first half of an answer: the caller has it. AGAIN if an interrupt has come meanwhile.

    Who has an answer already, of this call that is entered again or of another thread, keeps that.
    """
    requires(waits_for_reply(caller))
    word = server.registers.a1
    if word & GIVEN_BIT != 0:
        return 0
    refused = malformed(server, word)
    if refused != 0 or caller.faulted:
        return refused
    if caller.state is State.ANSWERED:
        return 0
    if needs_buffer(word):
        return give_more(hart, server, caller, word)
    transfer_registers(server, caller, 0, word)
    caller.state = State.ANSWERED
    return 0


@cold
def give_more(hart: Hart, server: Thread, caller: Thread, word: u64) -> u64:
    """The same, when not all of it is in registers."""
    requires(fits(word) and waits_for_reply(caller))
    refused = transfer_more(hart, server, caller, word)
    if refused != 0:
        return refused
    transfer_registers(server, caller, 0, word)
    caller.state = State.ANSWERED
    return enter_again(server, caller) if cpu.interrupt_pending(hart.cpu) else u64(0)


def enter_again(server: Thread, caller: Thread | None) -> u64:
    """AGAIN; the server's message word keeps that the caller has its answer."""
    if caller is not None and caller.state is State.ANSWERED:
        server.registers.a1 |= GIVEN_BIT
    return AGAIN


def has_given(server: Thread) -> bool:
    """Has it given its answer, by this call that is entered again?"""
    return server.registers.a1 & GIVEN_BIT != 0


def answers_another(server: Thread, caller: Thread) -> bool:
    """Was the answer that it has given to another call than the one of `caller`, who has none yet?"""
    return has_given(server) and caller.state is not State.ANSWERED


def end_call(hart: Hart, server: Thread, reply: Reply, caller: Thread) -> None:
    """The second: the caller, whom `reply` holds, goes on, and has its time back. It has a well-formed answer."""
    requires(reply.caller is caller and runs(server))
    ensures(lambda: server.state is State.RUNNABLE)
    word = server.registers.a1 & ~u64(GIVEN_BIT)
    if hart.trace_mask != 0:
        record_of(hart, server.identifier, Event.REPLY, caller.identifier, word)
    finish(hart, reply, resume(server, caller, word) if caller.faulted else State.RUNNABLE)


def resume(handler: Thread, thread: Thread, word: u64) -> State:
    """What the handler's reply does to the thread that faulted: its state afterwards."""
    thread.faulted = False
    match resume_of(label_of(word)):
        case Resume.RETRY:
            pass
        case Resume.SKIP:
            registers = thread.registers
            if label_of(thread.message) == u64(Fault.SYSTEM_CALL.value):
                registers.pc = wrapping_add(registers.pc, 4)
                registers.a0 = handler.registers.a2
                registers.a1 = handler.registers.a3
            else:
                registers.pc = handler.registers.a2
        case Resume.STOP:
            return State.STOPPED
    return State.RUNNABLE
