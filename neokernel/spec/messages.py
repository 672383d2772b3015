"""Messages, specified: what a call and its answer do. The fast path and the general one meet the same statements.

Each function is a statement about all arguments and all states that its `requires` allow. `nk prove` proves it, and
tests run it. `handed_over` and `given_back` say what a call and an answer come to; the functions below say of each path
that it does that, and nothing to the queues but take out, or put in, who is concerned.

The fast path leaves the message in the processor's registers (`cpu.leave`, in assembly): that they arrive is tested,
not proven.
"""

from neokernel.abi.call import (
    CAPABILITIES_SHIFT,
    MAXIMUM_CAPABILITIES,
    MAXIMUM_WORDS,
    NEVER,
    SIGNALS_BIT,
    capabilities_of,
    failure,
    label_of,
    length_of,
    status_of,
)
from neokernel.abi.fault import Fault, Resume
from neokernel.abi.rights import GRANT, RECEIVE, SEND
from neokernel.abi.status import FIRST, INVOKED, REPLY, WORD, Status
from neokernel.arch.riscv64.registers import Registers
from neokernel.kernel.captable import cancel_senders
from neokernel.kernel.endpoint import (
    give,
    has_given,
    malformed,
    needs_buffer,
    receive,
    resume,
    send,
)
from neokernel.kernel.fast import fast_call, fast_reply_receive
from neokernel.kernel.objects import (
    BADGED,
    CapTable,
    Endpoint,
    Hart,
    Notification,
    Reply,
    SchedContext,
    Slot,
    State,
    Thread,
)
from neokernel.kernel.outcome import ANSWERED, BLOCKED
from neokernel.kernel.reply import waits_for_reply
from neokernel.kernel.slot import controlled, find
from neokernel.lang import requires, u64, value, wrapping_add

# --- what a message, a call and an answer are -------------------------------------------------------------------------


@value
class Words:
    """A message, or of who has faulted its report, in registers."""

    word: u64
    w0: u64
    w1: u64
    w2: u64
    w3: u64


NOTHING = Words(0, 0, 0, 0, 0)


def said(thread: Thread, word: u64) -> Words:
    """By the thread, with this message word."""
    its, report = thread.registers, thread.report
    if thread.faulted:
        return Words(word, report[0], report[1], report[2], report[3])
    return Words(word, its.a2, its.a3, its.a4, its.a5)


def hears(thread: Thread, badge: u64, words: Words) -> bool:
    """Is this what a call, or a receive, of the thread has given?"""
    got = thread.registers
    return got.a0 == badge and Words(got.a1, got.a2, got.a3, got.a4, got.a5) == words


def may_call(hart: Hart, caller: Thread, endpoint: Endpoint, server: Thread, reply: Reply, time: SchedContext) -> bool:
    """The caller runs; a server without time of its own waits at the endpoint, as the first, with its Reply."""
    runs = hart.current is caller and not caller.faulted
    has_time = caller.context is time and time.thread is caller and caller.dispatcher is None
    waits = endpoint.receivers.head is server and not server.timer.armed
    serves = server.reply is reply and reply.server is server and server.home is None and server.context is None
    return runs and has_time and waits and serves and reply.caller is None and time.top is not reply


def handed_over(caller: Thread, server: Thread, reply: Reply, time: SchedContext, below: Reply | None) -> bool:
    """The caller waits for the reply; the server goes on, on the caller's time, which comes back through the reply."""
    waits = reply.caller is caller and caller.state is State.REPLIED and caller.awaited is reply
    lent = caller.context is None and server.context is time and time.thread is server
    chained = reply.context is time and time.top is reply and reply.below is below
    return waits and lent and chained and server.state is State.RUNNABLE


def may_answer(
    hart: Hart, server: Thread, endpoint: Endpoint, caller: Thread, reply: Reply, time: SchedContext
) -> bool:
    """The server runs on its caller's time, which came by this call last, and nobody else wants to be served."""
    runs = hart.current is server and not server.faulted
    serves = server.reply is reply and reply.server is server and server.home is None and server.dispatcher is None
    lent = server.context is time and time.thread is server and time.top is reply and reply.context is time
    waits = reply.caller is caller and caller.state is State.REPLIED and not caller.faulted
    free = caller.context is None and caller.scheduler is None and caller.dispatcher is None
    idle = endpoint.senders.head is None and server.notification is None
    return runs and serves and lent and waits and free and idle and reply.below is not reply


def given_back(caller: Thread, server: Thread, reply: Reply, time: SchedContext, below: Reply | None) -> bool:
    """Nobody waits for the reply; the caller goes on, on its own time; the server waits, and has none."""
    answered = reply.caller is None and caller.state is State.RUNNABLE
    back = caller.context is time and time.thread is caller and time.top is below
    return answered and back and server.context is None and server.state is State.RECEIVING


# --- calls ------------------------------------------------------------------------------------------------------------


def a_call(
    hart: Hart, caller: Thread, slot: Slot, endpoint: Endpoint, server: Thread, reply: Reply, time: SchedContext
) -> None:
    """By the general path; the server has the badge and the message in its registers."""
    requires(may_call(hart, caller, endpoint, server, reply, time))
    requires(slot.object is endpoint and slot.rights & SEND != 0 and not needs_buffer(caller.registers.a1))
    behind, below, message = server.next, time.top, said(caller, caller.registers.a1)
    badge = slot.word
    assert send(hart, caller, slot, True, True) == BLOCKED
    assert handed_over(caller, server, reply, time, below)
    assert hart.current is server and endpoint.receivers.head is behind and hears(server, badge, message)


def a_fast_call(
    hart: Hart,
    caller: Thread,
    slot: Slot,
    endpoint: Endpoint,
    server: Thread,
    reply: Reply,
    time: SchedContext,
    capability: u64,
    word: u64,
    w0: u64,
    w1: u64,
    w2: u64,
    w3: u64,
) -> None:
    """By the fast path, or by none: then nothing has changed."""
    requires(may_call(hart, caller, endpoint, server, reply, time))
    requires(find(caller.slots, capability) is slot and slot.object is endpoint)
    behind, below = server.next, time.top
    simple = hart.attention == 0 and hart.best <= u64(time.priority) + 1 and server.space.translation != 0
    fast_call(capability, word, w0, w1, w2, w3, 0, caller)
    assert (hart.current is server) == (simple and slot.rights & SEND != 0 and not needs_buffer(word))
    if hart.current is caller:
        assert may_call(hart, caller, endpoint, server, reply, time)
        assert server.next is behind and time.top is below
    else:
        assert handed_over(caller, server, reply, time, below)
        assert endpoint.receivers.head is behind


def a_send_needs_the_right(hart: Hart, caller: Thread, slot: Slot, endpoint: Endpoint, calling: bool) -> None:
    """And without it changes nothing, as no error does."""
    requires(hart.current is caller and slot.object is endpoint and slot.rights & SEND == 0)
    assert status_of(send(hart, caller, slot, calling, True)) == u64(Status.MISSING_RIGHT.value)


# --- answers ----------------------------------------------------------------------------------------------------------


def an_answer(hart: Hart, server: Thread, endpoint: Endpoint, caller: Thread, reply: Reply, time: SchedContext) -> None:
    """By the general path, whatever interrupts come: if one is to be served first, the server enters the call again."""
    requires(may_answer(hart, server, endpoint, caller, reply, time) and not needs_buffer(server.registers.a1))
    below, message = reply.below, said(server, server.registers.a1)
    outcome = receive(hart, server, endpoint, reply, NEVER, True)
    assert hears(caller, 0, message)
    if outcome == BLOCKED:
        assert given_back(caller, server, reply, time, below)
        assert endpoint.receivers.tail is server
    else:
        assert caller.state is State.ANSWERED and reply.caller is caller and server.context is time
        assert has_given(server)


def a_fast_answer(
    hart: Hart,
    server: Thread,
    slot: Slot,
    endpoint: Endpoint,
    caller: Thread,
    reply: Reply,
    time: SchedContext,
    capability: u64,
    word: u64,
    w0: u64,
    w1: u64,
    w2: u64,
    w3: u64,
    index: u64,
) -> None:
    """By the fast path, or by none: then nothing has changed."""
    requires(may_answer(hart, server, endpoint, caller, reply, time))
    requires(find(server.slots, capability) is slot and slot.object is endpoint)
    below = reply.below
    simple = hart.attention == 0 and hart.best <= u64(time.priority) + 1 and caller.space.translation != 0
    named = 0 < index < len(server.slots) and server.slots[index].object is reply
    fast_reply_receive(capability, word, w0, w1, w2, w3, index, server)
    assert (hart.current is caller) == (simple and named and slot.rights & RECEIVE != 0 and not needs_buffer(word))
    if hart.current is server:
        assert may_answer(hart, server, endpoint, caller, reply, time) and reply.below is below
    else:
        assert given_back(caller, server, reply, time, below)
        assert endpoint.receivers.tail is server


# --- messages without a call ------------------------------------------------------------------------------------------


def what_is_sent_is_well_formed(caller: Thread, word: u64) -> None:
    """No more words and capabilities than fit; and a buffer, if they aren't all in registers."""
    refused = malformed(caller, word)
    if word >> CAPABILITIES_SHIFT > MAXIMUM_CAPABILITIES or length_of(word) > MAXIMUM_WORDS:
        assert refused == failure(Status.OUT_OF_RANGE, WORD)
    elif capabilities_of(word) != 0 or length_of(word) > 4:
        assert refused == (failure(Status.NO_BUFFER, WORD) if caller.buffer is None else u64(0))
    else:
        assert refused == 0


def a_message_waits(
    hart: Hart, caller: Thread, slot: Slot, endpoint: Endpoint, calling: bool, waiting: bool, other: Thread
) -> None:
    """If nobody receives, the sender is last in line, with its badge and message; unless it doesn't want to wait."""
    requires(slot.object is endpoint and slot.rights & SEND != 0 and not needs_buffer(caller.registers.a1))
    requires(endpoint.receivers.head is None and hart.current is caller)
    requires(other is not caller and other is not endpoint.senders.tail)
    state, behind = other.state, other.next
    outcome = send(hart, caller, slot, calling, waiting)
    if waiting:
        assert outcome == BLOCKED and caller.state is (State.CALLING if calling else State.SENDING)
        assert caller.badge == slot.word and caller.message == caller.registers.a1 and caller.endpoint is endpoint
        assert endpoint.senders.tail is caller and caller.next is None and hart.current is not caller
    else:
        assert outcome == failure(Status.TIMED_OUT, INVOKED)
    assert other.state is state and other.next is behind


def a_message_is_received(hart: Hart, caller: Thread, slot: Slot, endpoint: Endpoint, receiver: Thread) -> None:
    """Without a call the sender goes on, and so does who waited longest to receive, if it has time of its own."""
    requires(slot.object is endpoint and slot.rights & SEND != 0 and not needs_buffer(caller.registers.a1))
    requires(endpoint.receivers.head is receiver and hart.current is caller and not caller.faulted)
    behind, badge, passive = receiver.next, slot.word, receiver.context is None
    message = said(caller, caller.registers.a1)
    outcome = send(hart, caller, slot, False, True)
    if passive:
        assert outcome == failure(Status.WRONG_STATE, INVOKED) and endpoint.receivers.head is receiver
    else:
        assert outcome == 0 and receiver.state is State.RUNNABLE and endpoint.receivers.head is behind
        assert hears(receiver, badge, message) and not receiver.timer.armed


def capabilities_travel_by_grant(hart: Hart, caller: Thread, slot: Slot, endpoint: Endpoint, calling: bool) -> None:
    """Not without that right."""
    requires(slot.object is endpoint and slot.rights & SEND != 0 and slot.rights & GRANT == 0)
    requires(capabilities_of(caller.registers.a1) != 0 and hart.current is caller)
    assert status_of(send(hart, caller, slot, calling, True)) != 0


# --- what a receive finds ---------------------------------------------------------------------------------------------


def signals_come_first(hart: Hart, thread: Thread, endpoint: Endpoint, notification: Notification) -> None:
    """Before messages; the word says that it is no message."""
    requires(thread.notification is notification and notification.word != 0)
    requires(endpoint.senders.head is None and hart.current is thread)
    before, counting = notification.word, notification.counting
    outcome = receive(hart, thread, endpoint, None, NEVER, False)
    if outcome == ANSWERED:
        assert hears(thread, u64(1) if counting else before, Words(SIGNALS_BIT, 0, 0, 0, 0))
        assert notification.word == (before - 1 if counting else u64(0))
    else:
        assert notification.word == before


def who_receives_is_in_line(hart: Hart, thread: Thread, endpoint: Endpoint, reply: Reply) -> None:
    """If there is nothing: the last, with its Reply, and it doesn't run."""
    requires(endpoint.senders.head is None and thread.notification is None)
    requires(hart.current is thread and reply.caller is None and reply.server is None)
    requires(thread.reply is None and thread.home is not None and thread.context is thread.home)
    outcome = receive(hart, thread, endpoint, reply, NEVER, False)
    if outcome == BLOCKED:
        assert thread.state is State.RECEIVING and thread.endpoint is endpoint and hart.current is not thread
        assert endpoint.receivers.tail is thread and thread.next is None
        assert thread.reply is reply and reply.server is thread


def a_reply_in_use_receives_nothing(
    hart: Hart, thread: Thread, endpoint: Endpoint, reply: Reply, deadline: u64
) -> None:
    """While a caller waits for it."""
    requires(reply.caller is not None and hart.current is thread)
    assert receive(hart, thread, endpoint, reply, deadline, False) == failure(Status.OCCUPIED, REPLY)


def an_answer_is_given(hart: Hart, server: Thread, caller: Thread) -> None:
    """Its first half: the caller has it, and waits on; who has faulted, or has an answer already, is told nothing."""
    requires(waits_for_reply(caller) and not needs_buffer(server.registers.a1) and not server.faulted)
    requires(caller is not server)
    got, state, word = caller.registers, caller.state, server.registers.a1
    a0, a1 = got.a0, got.a1
    assert give(hart, server, caller) == 0
    if caller.faulted or state is State.ANSWERED:
        assert caller.state is state and got.a0 == a0 and got.a1 == a1
    else:
        assert caller.state is State.ANSWERED and hears(caller, 0, said(server, word))


def who_faulted_goes_on_as_its_handler_says(handler: Thread, thread: Thread, word: u64) -> None:
    """RETRY: as it was. SKIP: elsewhere, or after the system call with its results. All else stops it."""
    requires(handler is not thread)
    given, registers = handler.registers, thread.registers
    pc, a0, a1, label = registers.pc, registers.a0, registers.a1, label_of(word)
    state = resume(handler, thread, word)
    assert not thread.faulted
    if label == u64(Resume.SKIP.value):
        assert state is State.RUNNABLE
        if label_of(thread.message) == u64(Fault.SYSTEM_CALL.value):
            assert registers.pc == wrapping_add(pc, 4) and registers.a0 == given.a2 and registers.a1 == given.a3
        else:
            assert registers.pc == given.a2 and registers.a0 == a0 and registers.a1 == a1
    else:
        assert registers.pc == pc and registers.a0 == a0 and registers.a1 == a1
        assert state is (State.RUNNABLE if label == u64(Resume.RETRY.value) else State.STOPPED)


# --- who sends by a badge ---------------------------------------------------------------------------------------------


def senders_are_cancelled_by_who_controls_the_endpoint(
    hart: Hart, registers: Registers, table: CapTable, slot: Slot, endpoint: Endpoint
) -> None:
    """And has no badge itself. It is complete when nobody is left to be looked at."""
    requires(find(table.slots, registers.a2) is slot and slot.object is endpoint)
    requires(endpoint.cursor is None and registers.a5 != 0)
    able = controlled(slot)
    wrong = failure(Status.BADGED if able else Status.MISSING_RIGHT, FIRST)
    assert cancel_senders(hart, registers, table) == (u64(0) if able and slot.flags & BADGED == 0 else wrong)
