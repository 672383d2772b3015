"""The fast path: a call to a server that waits, the reply that receives the next call, signals and polls.

It does what `endpoint.py` and `reply.py` do, for the case that needs no decision; whatever isn't that case goes to
them, unchanged. Registers stay where they are: the payload passes through untouched.

Invariants: nothing that counts is written before the last test. A thread without a context of its own that receives has
none at all, and no timer.
"""

from neokernel.abi.call import NOW, REGISTER_WORDS, failure, label_of
from neokernel.abi.fault import Fault, Resume
from neokernel.abi.rights import RECEIVE, SEND, SIGNAL, WAIT
from neokernel.abi.status import FIRST, Status
from neokernel.arch import cpu
from neokernel.kernel.objects import Endpoint, Hart, Notification, Reply, State, Thread, runs
from neokernel.kernel.outcome import give_answer
from neokernel.kernel.schedule import append, enqueue, exchange, exchangeable, priority_of, take_first
from neokernel.lang import requires, u32, u64


def fast_call(capability: u64, word: u64, w0: u64, w1: u64, w2: u64, w3: u64, _: u64, caller: Thread) -> None:
    """CALL, entered from the trap with the registers as they are. It names no Reply."""
    requires(runs(caller))
    hart = caller.hart
    context = caller.context
    assert context is not None, "who calls runs, and so has a context"
    slots = caller.slots
    if hart.attention == 0 and capability < len(slots):
        slot = slots[capability]
        endpoint = slot.object
        if isinstance(endpoint, Endpoint):
            if slot.rights & SEND != 0 and word >> 32 <= REGISTER_WORDS and hart.best <= u64(context.priority) + 1:
                server = endpoint.receivers.head
                if server is not None:
                    if server.home is not None:
                        caller.badge = slot.word
                        call_active(capability, word, w0, w1, w2, w3, server, caller)
                        return
                    back = server.reply
                    translation = server.space.translation
                    if back is not None and translation != 0:
                        # The server leaves the queue,
                        take_first(endpoint.receivers, server)
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
                        hart.current = server
                        cpu.use_translation(hart.cpu, translation)
                        cpu.leave(slot.word, word, w0, w1, w2, w3, server.registers, caller.registers)
                        return
        elif endpoint is not None:
            cpu.fallback_invoke(capability, word, w0, w1, w2, w3, 0, caller.registers)
            return
    cpu.fallback_call(capability, word, w0, w1, w2, w3, 0, caller.registers)


def call_active(capability: u64, word: u64, w0: u64, w1: u64, w2: u64, w3: u64, server: Thread, caller: Thread) -> None:
    """The same, to a server with a context of its own. The capability and the message are good."""
    requires(runs(caller) and server.previous is None and server.state is State.RECEIVING)
    hart = caller.hart
    context = caller.context
    assert context is not None, "who calls runs, and so has a context"
    own = server.context
    if caller.dispatcher is None and not server.timer.armed and own is not None and hart.best <= u64(own.priority):
        now = cpu.now(hart.cpu)
        if exchangeable(hart, context, own, now):
            back = server.reply
            endpoint = server.endpoint
            translation = server.space.translation
            if back is not None and endpoint is not None and translation != 0:
                cpu.use_translation(hart.cpu, translation)
                exchange(hart, context, own, now)
                take_first(endpoint.receivers, server)
                back.caller = caller
                back.context = None
                caller.state = State.REPLIED
                caller.awaited = back
                hart.current = server
                cpu.leave(caller.badge, word, w0, w1, w2, w3, server.registers, caller.registers)
                return
    cpu.fallback_call(capability, word, w0, w1, w2, w3, 0, caller.registers)


def fast_reply_receive(
    capability: u64, word: u64, w0: u64, w1: u64, w2: u64, w3: u64, reply: u64, server: Thread
) -> None:
    """REPLY_RECEIVE, entered from the trap with the registers as they are."""
    requires(runs(server))
    hart = server.hart
    context = server.context
    assert context is not None, "who replies runs, and so has a context"
    back = server.reply
    slots = server.slots
    if (
        word >> 32 <= REGISTER_WORDS
        and hart.attention == 0
        and hart.best <= u64(context.priority) + 1
        and back is not None
        and capability < len(slots)
        and 0 < reply < len(slots)
    ):
        slot = slots[capability]
        endpoint = slot.object
        named = slots[reply].object
        if isinstance(endpoint, Endpoint) and slot.rights & RECEIVE != 0 and isinstance(named, Reply) and named is back:
            # Whatever comes of it, this is the endpoint that it will wait for.
            server.endpoint = endpoint
            caller = back.caller
            if (
                caller is not None
                and caller.state is State.REPLIED
                and endpoint.senders.head is None
                and server.notification is None
                and caller.scheduler is None
            ):
                if caller.faulted:
                    reply_fault(capability, word, w0, w1, w2, w3, reply, server)
                    return
                if context.top is not back:
                    reply_active(capability, word, w0, w1, w2, w3, reply, server)
                    return
                translation = caller.space.translation
                if translation != 0:
                    # The context goes back,
                    context.top = back.below
                    back.caller = None
                    context.thread = caller
                    server.context = None
                    # the server waits for the next call,
                    append(endpoint.receivers, server)
                    server.state = State.RECEIVING
                    # and the caller goes on.
                    caller.context = context
                    caller.state = State.RUNNABLE
                    hart.current = caller
                    cpu.use_translation(hart.cpu, translation)
                    cpu.leave(0, word, w0, w1, w2, w3, caller.registers, server.registers)
                    return
    cpu.fallback_reply_receive(capability, word, w0, w1, w2, w3, reply, server.registers)


def reply_active(capability: u64, word: u64, w0: u64, w1: u64, w2: u64, w3: u64, reply: u64, server: Thread) -> None:
    """The same, of a server with a context of its own. The capabilities and the message are good."""
    requires(runs(server))
    hart = server.hart
    back = server.reply
    context = server.context
    assert context is not None, "who replies runs, and so has a context"
    if back is not None and back.context is None and context is server.home:
        caller = back.caller
        own = None if caller is None else caller.context
        if caller is not None and own is not None and hart.best <= u64(own.priority):
            now = cpu.now(hart.cpu)
            if exchangeable(hart, context, own, now):
                translation = caller.space.translation
                endpoint = server.endpoint
                if translation != 0 and endpoint is not None:
                    cpu.use_translation(hart.cpu, translation)
                    exchange(hart, context, own, now)
                    back.caller = None
                    append(endpoint.receivers, server)
                    server.state = State.RECEIVING
                    caller.state = State.RUNNABLE
                    hart.current = caller
                    cpu.leave(0, word, w0, w1, w2, w3, caller.registers, server.registers)
                    return
    cpu.fallback_reply_receive(capability, word, w0, w1, w2, w3, reply, server.registers)


def reply_fault(capability: u64, word: u64, w0: u64, w1: u64, w2: u64, w3: u64, reply: u64, server: Thread) -> None:
    """The same, of a handler that runs on the time of who faulted. The capabilities are good."""
    requires(runs(server))
    hart = server.hart
    back = server.reply
    context = server.context
    endpoint = server.endpoint
    assert context is not None, "who replies runs, and so has a context"
    label = label_of(word)
    if back is not None and context.top is back and label <= SKIP and endpoint is not None:
        caller = back.caller
        if caller is not None:
            translation = caller.space.translation
            called = label_of(caller.message) == SYSTEM_CALL
            if translation != 0 and (label == RETRY or not called):
                if label != RETRY:
                    caller.registers.pc = w0
                context.top = back.below
                back.caller = None
                context.thread = caller
                server.context = None
                append(endpoint.receivers, server)
                server.state = State.RECEIVING
                caller.context = context
                caller.state = State.RUNNABLE
                caller.faulted = False
                hart.current = caller
                cpu.use_translation(hart.cpu, translation)
                cpu.leave_faulted(caller.registers, server.registers)
                return
    cpu.fallback_reply_receive(capability, word, w0, w1, w2, w3, reply, server.registers)


RETRY = 0
SKIP = 1
SYSTEM_CALL = 6
assert u64(Resume.RETRY.value) == RETRY, "labels of a handler's answers"
assert u64(Resume.SKIP.value) == SKIP, "likewise"
assert u64(Fault.SYSTEM_CALL.value) == SYSTEM_CALL, "whose SKIP isn't to an address"


def fast_wait(capability: u64, word: u64, w0: u64, w1: u64, w2: u64, w3: u64, thread: Thread) -> None:
    """WAIT that needn't wait, entered from the trap with the registers as they are; `w0` is the deadline."""
    slots = thread.slots
    if thread.hart.attention == 0 and capability < len(slots):
        slot = slots[capability]
        notification = slot.object
        if isinstance(notification, Notification) and slot.rights & WAIT != 0 and not notification.counting:
            signals = notification.word
            if signals != 0:
                notification.word = 0
                cpu.stay(signals, 0, 0, 0, 0, 0, thread.registers)
                return
            if w0 == NOW:
                cpu.stay(0, failure(Status.TIMED_OUT, FIRST), 0, 0, 0, 0, thread.registers)
                return
    cpu.fallback_wait(capability, word, w0, w1, w2, w3, thread.registers)


def fast_signal(capability: u64, word: u64, w0: u64, w1: u64, w2: u64, w3: u64, thread: Thread) -> None:
    """SIGNAL that nobody waits for, or somebody more important; entered from the trap likewise."""
    requires(runs(thread))
    hart = thread.hart
    slots = thread.slots
    if hart.attention == 0 and capability < len(slots):
        slot = slots[capability]
        notification = slot.object
        if isinstance(notification, Notification) and slot.rights & SIGNAL != 0 and not notification.counting:
            badge = max(slot.word, 1)
            waiter = notification.waiters.head
            if waiter is None:
                if notification.bound is None:
                    notification.word |= badge
                    cpu.stay(0, 0, 0, 0, 0, 0, thread.registers)
                    return
            else:
                if wake_at_once(hart, thread, notification, waiter):
                    give_answer(thread, 0, 0)
                    cpu.leave(badge, 0, 0, 0, 0, 0, waiter.registers, thread.registers)
                    return
    cpu.fallback_signal(capability, word, w0, w1, w2, w3, thread.registers)


def wake_driver(hart: Hart, thread: Thread, line: u32) -> Thread | None:
    """An interrupt whose driver waits, and is more important than the thread that it interrupts: the driver."""
    requires(runs(thread))
    if hart.attention != 0 or line == 0 or u64(line) > len(hart.lines):
        return None
    interrupt = hart.lines[u64(line) - 1]
    notification = interrupt.notification
    if notification is None or notification.counting:
        return None
    waiter = notification.waiters.head
    if waiter is None or not wake_at_once(hart, thread, notification, waiter):
        return None
    interrupt.pending = True
    give_answer(waiter, max(interrupt.binding.word, 1), 0)
    return waiter


def wake_at_once(hart: Hart, thread: Thread, notification: Notification, waiter: Thread) -> bool:
    """Go on with `waiter`, the first that waits, in place of `thread`, which is current, if that needs no decision."""
    requires(runs(thread) and notification.waiters.head is waiter)
    context = thread.context
    waiting = waiter.context
    translation = waiter.space.translation
    if context is None or waiting is None or translation == 0 or waiter.timer.armed:
        return False
    before = priority_of(thread, context)
    now = cpu.now(hart.cpu)
    if before >= priority_of(waiter, waiting) or not exchangeable(hart, context, waiting, now):
        return False
    take_first(notification.waiters, waiter)
    hart.current = waiter
    enqueue(hart, thread, before, True)
    exchange(hart, context, waiting, now)
    cpu.use_translation(hart.cpu, translation)
    return True
