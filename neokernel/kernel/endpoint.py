"""Endpoints: synchronous messages between threads.

A message goes from the sender's registers and buffer to the receiver's, with copies of capabilities, or with the
capabilities themselves. Everything is checked before anything is written, so a message arrives whole or not at all.

Invariants: senders and receivers never wait at one endpoint at the same time; queues are in order of arrival; a queued
thread's `endpoint` is that one, and its state says why.
"""

from neokernel.abi.buffer import MOVE, Buffer
from neokernel.abi.call import (
    MAXIMUM_CAPABILITIES,
    MAXIMUM_WORDS,
    NEVER,
    REGISTER_WORDS,
    SENDABLE,
    SIGNALS_BIT,
    capabilities_of,
    failure,
    label_of,
    length_of,
)
from neokernel.abi.fault import Fault, Resume, resume_of
from neokernel.abi.rights import ALL, GRANT, RECEIVE, SEND
from neokernel.abi.status import FIRST, INVOKED, REPLY, TRAVELLING, WINDOW, WORD, Status
from neokernel.abi.trace import Event
from neokernel.arch import cpu
from neokernel.kernel import timer
from neokernel.kernel.notification import go_on, start_timer, take, wake
from neokernel.kernel.objects import (
    PINNED,
    REVOKING,
    TRACING,
    Endpoint,
    Hart,
    PageTable,
    Reply,
    Slot,
    State,
    Thread,
)
from neokernel.kernel.outcome import AGAIN, ANSWERED, BLOCKED, answer
from neokernel.kernel.reply import arm, finish, link, release
from neokernel.kernel.schedule import append, stop, take_out
from neokernel.kernel.slot import derivable, derive, find, has_children, refuse, relocate
from neokernel.kernel.tracing import record, record_of
from neokernel.lang import Array, Order, array, copy, u32, u64, wrapping_add

# --- messages ---------------------------------------------------------------------------------------------------------


def malformed(thread: Thread, word: u64) -> u64:
    """What is wrong with a message that `thread` wants to send, or 0."""
    if word & ~u64(SENDABLE) != 0 or length_of(word) > MAXIMUM_WORDS or capabilities_of(word) > MAXIMUM_CAPABILITIES:
        return failure(Status.OUT_OF_RANGE, WORD)
    if needs_buffer(word) and thread.buffer is None:
        return failure(Status.NO_BUFFER, WORD)
    return 0


def needs_buffer(word: u64) -> bool:
    return length_of(word) > REGISTER_WORDS or capabilities_of(word) != 0


def transfer(hart: Hart, sender: Thread, receiver: Thread, badge: u64, word: u64) -> u64:
    """Move the well-formed message `word` into the receiver's registers, buffer and window; or say why not.

    The receiver's argument registers are overwritten: the caller has read what it needs of them.
    """
    if not sender.faulted and needs_buffer(word):
        source = sender.buffer
        target = receiver.buffer
        if source is None:
            return failure(Status.NO_BUFFER, WORD)
        if target is None:
            return failure(Status.NO_BUFFER, WINDOW)
        count = capabilities_of(word)
        if count != 0:
            refused = carry(hart, sender, receiver, source, target, count)
            if refused != 0:
                return refused
        target.arrived.store(u32(count), Order.RELAXED)
        length = length_of(word)
        if length > REGISTER_WORDS:
            more = length - REGISTER_WORDS
            copy(target.words[:more], source.words[:more].view())
    registers = receiver.registers
    registers.a0 = badge
    registers.a1 = word
    if sender.faulted:
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
    return 0


def window(thread: Thread, buffer: Buffer, count: u64) -> u64:
    """The first index of `count` empty slots in the thread's receive window, or NONE."""
    first = u64(buffer.window_first.load(Order.RELAXED))
    size = u64(buffer.window_size.load(Order.RELAXED))
    table = thread.table
    if count > size or first + count > len(table.slots):
        return NO_WINDOW
    for index in range(count):
        if table.slots[first + index].object is not None:
            return NO_WINDOW
    return first


NO_WINDOW = 0xFFFF_FFFF_FFFF_FFFF


def carry(hart: Hart, sender: Thread, receiver: Thread, source: Buffer, target: Buffer, count: u64) -> u64:
    """Copy or move `count` capabilities, at most 4, from the sender to the receiver's window; or say why not."""
    first = window(receiver, target, count)
    if first == NO_WINDOW:
        return failure(Status.NO_WINDOW, WINDOW)
    named: Array[u64] = array(MAXIMUM_CAPABILITIES)
    for number in range(count):
        index = u64(source.capabilities[number].load(Order.RELAXED))
        named[number] = index
        for earlier in range(number):
            if named[earlier] & ~u64(MOVE) == index & ~u64(MOVE) and (named[earlier] | index) & MOVE != 0:
                # Copied first, it would be moved with a child; moved first, it would have gone.
                return failure(Status.HAS_CHILDREN, TRAVELLING + number)
        slot = find(sender.table, index & ~u64(MOVE))
        if slot is None:
            return failure(Status.NO_CAPABILITY, TRAVELLING + number)
        if index & MOVE == 0:
            if not derivable(hart, slot):
                return failure(Status.UNDERIVABLE, TRAVELLING + number)
        else:
            refused = immovable(slot, TRAVELLING + number)
            if refused != 0:
                return refused
    for number in range(count):
        index = named[number]
        slot = find(sender.table, index & ~u64(MOVE))
        if slot is not None:
            place = receiver.table.slots[first + number]
            if index & MOVE == 0:
                derive(hart, slot, place, ALL)
            else:
                move(slot, place)
    return 0


def immovable(slot: Slot, argument: u64) -> u64:
    """Why the capability can't be moved, or 0."""
    if slot.flags & PINNED != 0:
        return failure(Status.PINNED, argument)
    if has_children(slot) or slot.flags & REVOKING != 0:
        return failure(Status.HAS_CHILDREN, argument)
    return 0


def move(source: Slot, target: Slot) -> None:
    """Move a capability without children to an empty slot; the page table that it is in learns its new place."""
    relocate(source, target)
    holder = target.holder
    if holder is not None:
        table = holder.user
        if isinstance(table, PageTable):
            table.owners.slot[u64(target.entry)] = target


# --- send, call -------------------------------------------------------------------------------------------------------


def send(hart: Hart, caller: Thread, slot: Slot, calling: bool, waiting: bool) -> u64:
    """The SEND, TRY_SEND and CALL calls, on an endpoint."""
    endpoint = slot.object
    if not isinstance(endpoint, Endpoint):
        return refuse(slot, INVOKED)
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
    if reply is None if calling else receiver.context is None:
        return failure(Status.WRONG_STATE, INVOKED)
    refused = transfer(hart, sender, receiver, badge, word)
    if refused != 0:
        return refused
    if hart.attention & TRACING != 0:
        record(hart, Event.SEND, receiver.identifier, word)
    take_out(endpoint.receivers, receiver)
    timer.remove(hart.wheel, receiver.timer)
    if calling and reply is not None:
        link(hart, sender, receiver, reply)
        return BLOCKED
    go_on(hart, receiver)
    return 0


# --- receive ----------------------------------------------------------------------------------------------------------


def receivable(slot: Slot) -> u64:
    """What is wrong with receiving from it, or 0."""
    if not isinstance(slot.object, Endpoint):
        return refuse(slot, INVOKED)
    if slot.rights & RECEIVE == 0:
        return failure(Status.MISSING_RIGHT, INVOKED)
    return 0


def usable(thread: Thread, slot: Slot) -> u64:
    """What is wrong with `thread` receiving by this Reply, or 0."""
    reply = slot.object
    if not isinstance(reply, Reply):
        return refuse(slot, REPLY)
    server = reply.server
    if server is not None and server is not thread:
        return failure(Status.OCCUPIED, REPLY)
    return 0


def receive(hart: Hart, thread: Thread, endpoint: Endpoint, reply: Reply | None, deadline: u64) -> u64:
    """Take a message, or wait for one. Requires: nobody waits for `reply`."""
    notification = thread.notification
    if notification is not None and notification.word != 0 and thread.context is not None:
        done = answer(thread, take(notification), 0, 0, 0, 0)
        thread.registers.a1 = SIGNALS_BIT
        return done
    sender = endpoint.senders.head
    if sender is None:
        if deadline <= cpu.now(hart.cpu):
            return failure(Status.TIMED_OUT, FIRST)
        if deadline != NEVER and thread.home is None:
            # When the time comes it would have no context to go on with.
            return failure(Status.WRONG_STATE, FIRST)
        release(hart, thread)
        arm(thread, reply)
        # First out of the ready queue, where it may be since it has answered somebody more important.
        stop(hart, thread, State.RECEIVING)
        append(endpoint.receivers, thread)
        thread.endpoint = endpoint
        start_timer(hart, thread, deadline)
        return BLOCKED
    calling = sender.state is State.CALLING
    refused: u64 = failure(Status.WRONG_STATE, INVOKED)
    if reply is not None if calling else thread.context is not None:
        refused = transfer(hart, sender, thread, sender.badge, sender.message)
    take_out(endpoint.senders, sender)
    if refused != 0:
        if sender.faulted:
            # Whoever handles faults must receive by a Reply.
            sender.faulted = False
            sender.state = State.STOPPED
        else:
            wake(hart, sender, 0, refused)
        return AGAIN
    if hart.attention & TRACING != 0:
        record_of(hart, sender.identifier, Event.SEND, thread.identifier, sender.message)
    if calling and reply is not None:
        release(hart, thread)
        arm(thread, reply)
        link(hart, sender, thread, reply)
    else:
        wake(hart, sender, 0, 0)
    return ANSWERED


# --- reply ------------------------------------------------------------------------------------------------------------


def respond(hart: Hart, server: Thread, reply: Reply) -> u64:
    """Answer the caller whom `reply` holds."""
    caller = reply.caller
    if caller is None:
        return failure(Status.WRONG_STATE, REPLY)
    word = server.registers.a1
    refused = malformed(server, word)
    if refused != 0:
        return refused
    if hart.attention & TRACING != 0:
        record(hart, Event.REPLY, caller.identifier, word)
    state = State.RUNNABLE
    if caller.faulted:
        state = resume(server, caller, word)
    else:
        refused = transfer(hart, server, caller, 0, word)
        if refused != 0:
            return refused
    finish(hart, reply, state)
    return 0


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
