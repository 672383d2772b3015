"""The fast path: a call to a server that waits and runs on the caller's time, and the reply that receives the next.

It does what `endpoint.py` and `reply.py` do, for the case that needs no decision; whatever isn't that case goes to
them, unchanged. Registers stay where they are: the payload passes through untouched.

Invariants: nothing is written before the last test. A thread without a context of its own that receives has none at
all, and no timer.
"""

from neokernel.abi.call import REGISTER_WORDS
from neokernel.abi.rights import RECEIVE, SEND
from neokernel.arch import cpu
from neokernel.kernel.objects import Endpoint, Reply, State, Thread
from neokernel.lang import u64


def fast_call(capability: u64, word: u64, w0: u64, w1: u64, w2: u64, w3: u64, caller: Thread) -> None:
    """CALL, entered from the trap with the registers as they are."""
    hart = caller.hart
    context = caller.context
    assert context is not None, "who calls runs, and so has a context"
    table = caller.table
    if (
        word >> 32 <= REGISTER_WORDS
        and hart.attention == 0
        and hart.best <= u64(context.priority) + 1
        and capability < len(table.slots)
    ):
        slot = table.slots[capability]
        endpoint = slot.object
        if isinstance(endpoint, Endpoint) and slot.rights & SEND != 0:
            server = endpoint.receivers.head
            if server is not None:
                back = server.reply
                translation = server.space.translation
                if back is not None and server.home is None and translation != 0:
                    # The server leaves the queue,
                    after = server.next
                    endpoint.receivers.head = after
                    if after is None:
                        endpoint.receivers.tail = None
                    else:
                        after.previous = None
                    # the caller waits for its reply,
                    back.caller = caller
                    caller.state = State.REPLIED
                    caller.awaited = back
                    caller.context = None
                    # the context goes along,
                    below = context.top
                    back.below = below
                    if below is not None:
                        below.above = back
                    context.top = back
                    back.context = context
                    context.thread = server
                    server.context = context
                    # and the server runs.
                    server.state = State.RUNNABLE
                    hart.current = server
                    cpu.use_translation(hart.cpu, translation)
                    cpu.leave(slot.word, word, w0, w1, w2, w3, server.registers, caller.registers)
                    return
    cpu.fallback_call(capability, word, w0, w1, w2, w3, caller.registers)


def fast_reply_receive(
    capability: u64, word: u64, w0: u64, w1: u64, w2: u64, w3: u64, reply: u64, server: Thread
) -> None:
    """REPLY_RECEIVE, entered from the trap with the registers as they are."""
    hart = server.hart
    context = server.context
    assert context is not None, "who replies runs, and so has a context"
    back = context.top
    table = server.table
    if (
        word >> 32 <= REGISTER_WORDS
        and hart.attention == 0
        and hart.best <= u64(context.priority) + 1
        and back is not None
        and capability < len(table.slots)
        and 0 < reply < len(table.slots)
    ):
        slot = table.slots[capability]
        endpoint = slot.object
        named = table.slots[reply].object
        if isinstance(endpoint, Endpoint) and slot.rights & RECEIVE != 0 and isinstance(named, Reply) and named is back:
            caller = back.caller
            if (
                caller is not None
                and back.server is server
                and endpoint.senders.head is None
                and server.notification is None
                and not caller.faulted
                and caller.scheduler is None
            ):
                translation = caller.space.translation
                if translation != 0:
                    # The context goes back,
                    context.top = back.below
                    back.caller = None
                    context.thread = caller
                    server.context = None
                    # the server waits for the next call,
                    last = endpoint.receivers.tail
                    server.previous = last
                    server.next = None
                    if last is None:
                        endpoint.receivers.head = server
                    else:
                        last.next = server
                    endpoint.receivers.tail = server
                    server.state = State.RECEIVING
                    server.endpoint = endpoint
                    # and the caller goes on.
                    caller.context = context
                    caller.state = State.RUNNABLE
                    hart.current = caller
                    cpu.use_translation(hart.cpu, translation)
                    cpu.leave(0, word, w0, w1, w2, w3, caller.registers, server.registers)
                    return
    cpu.fallback_reply_receive(capability, word, w0, w1, w2, w3, reply, server.registers)
