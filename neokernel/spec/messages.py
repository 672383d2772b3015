"""Messages, specified: what a call and its answer do. The fast path and the general one meet the same statements.

Each function is a statement about all arguments and all states that its `requires` allow. `nk prove` proves it, and
tests run it. `handed_over` and `given_back` say what a call and an answer come to; the functions below say of each path
that it does that, and nothing to the queues but take out, or put in, who is concerned.

The fast path leaves the message in the processor's registers (`cpu.leave`, in assembly): that they arrive is tested,
not proven.
"""

from neokernel.abi.call import NEVER, status_of
from neokernel.abi.rights import RECEIVE, SEND
from neokernel.abi.status import Status
from neokernel.kernel.endpoint import needs_buffer, receive, send
from neokernel.kernel.fast import fast_call, fast_reply_receive
from neokernel.kernel.objects import Endpoint, Hart, Reply, SchedContext, Slot, State, Thread
from neokernel.kernel.outcome import BLOCKED
from neokernel.lang import requires, u64

# --- what a call and an answer are ------------------------------------------------------------------------------------


def may_call(hart: Hart, caller: Thread, endpoint: Endpoint, server: Thread, reply: Reply, time: SchedContext) -> bool:
    """The caller runs; a server without time of its own waits at the endpoint, as the first, with its Reply."""
    runs = hart.current is caller and caller.state is State.RUNNABLE and not caller.ready and not caller.faulted
    has_time = caller.context is time and time.thread is caller and caller.dispatcher is None
    waits = endpoint.receivers.head is server and server.previous is None and server.state is State.RECEIVING
    serves = server.reply is reply and reply.server is server and server.home is None and server.context is None
    apart = server is not caller and reply.caller is None and time.top is not reply
    return runs and has_time and waits and serves and apart and not server.ready and not server.timer.armed


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
    runs = hart.current is server and server.state is State.RUNNABLE and not server.ready and not server.faulted
    serves = server.reply is reply and reply.server is server and server.home is None and server.dispatcher is None
    lent = server.context is time and time.thread is server and time.top is reply and reply.context is time
    waits = reply.caller is caller and caller.state is State.REPLIED and caller.awaited is reply and not caller.faulted
    free = caller.context is None and caller.scheduler is None and caller.dispatcher is None and not caller.ready
    idle = endpoint.senders.head is None and server.notification is None
    return runs and serves and lent and waits and free and idle and caller is not server and reply.below is not reply


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
    behind, below, sent = server.next, time.top, caller.registers
    a1, a2, a3, a4, a5 = sent.a1, sent.a2, sent.a3, sent.a4, sent.a5
    badge = slot.word
    outcome = send(hart, caller, slot, True, True)
    assert outcome == BLOCKED
    assert handed_over(caller, server, reply, time, below)
    assert hart.current is server and endpoint.receivers.head is behind
    got = server.registers
    assert got.a0 == badge and got.a1 == a1 and got.a2 == a2 and got.a3 == a3 and got.a4 == a4 and got.a5 == a5


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
    requires(may_call(hart, caller, endpoint, server, reply, time) and caller.hart is hart)
    requires(capability < len(caller.slots) and caller.slots[capability] is slot and slot.object is endpoint)
    behind, below = server.next, time.top
    fast_call(capability, word, w0, w1, w2, w3, 0, caller)
    if hart.current is caller:
        assert may_call(hart, caller, endpoint, server, reply, time)
        assert server.next is behind and time.top is below
    else:
        assert handed_over(caller, server, reply, time, below)
        assert hart.current is server and endpoint.receivers.head is behind
        assert slot.rights & SEND != 0 and not needs_buffer(word)


def a_send_needs_the_right(hart: Hart, caller: Thread, slot: Slot, endpoint: Endpoint, calling: bool) -> None:
    """And without it changes nothing, as no error does."""
    requires(slot.object is endpoint and slot.rights & SEND == 0)
    outcome = send(hart, caller, slot, calling, True)
    assert status_of(outcome) == u64(Status.MISSING_RIGHT.value)


# --- answers ----------------------------------------------------------------------------------------------------------


def an_answer(hart: Hart, server: Thread, endpoint: Endpoint, caller: Thread, reply: Reply, time: SchedContext) -> None:
    """By the general path, whatever interrupts come: if one is to be served first, the server enters the call again."""
    requires(may_answer(hart, server, endpoint, caller, reply, time) and not needs_buffer(server.registers.a1))
    below, sent = reply.below, server.registers
    a1, a2, a3, a4, a5 = sent.a1, sent.a2, sent.a3, sent.a4, sent.a5
    outcome = receive(hart, server, endpoint, reply, NEVER, True)
    got = caller.registers
    assert got.a0 == 0 and got.a1 == a1 and got.a2 == a2 and got.a3 == a3 and got.a4 == a4 and got.a5 == a5
    if outcome == BLOCKED:
        assert given_back(caller, server, reply, time, below)
        assert endpoint.receivers.tail is server
    else:
        assert caller.state is State.ANSWERED and reply.caller is caller and server.context is time


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
    requires(may_answer(hart, server, endpoint, caller, reply, time) and server.hart is hart)
    requires(capability < len(server.slots) and server.slots[capability] is slot and slot.object is endpoint)
    below = reply.below
    fast_reply_receive(capability, word, w0, w1, w2, w3, index, server)
    if hart.current is server:
        assert may_answer(hart, server, endpoint, caller, reply, time) and reply.below is below
    else:
        assert given_back(caller, server, reply, time, below)
        assert hart.current is caller and endpoint.receivers.tail is server
        assert slot.rights & RECEIVE != 0 and not needs_buffer(word)
