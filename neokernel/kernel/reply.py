"""Calls in progress: who waits for whose reply, and the contexts that travel along.

A Reply holds a caller. If the call lent a context, the Reply is in the context's chain: `context.top` is the last call,
each `below` an earlier one. A context goes back through the top. When a chain breaks, the context goes on to the
nearest living thread that is owed something: the server of the new top, or else its owner.

Invariants: those of `Reply`; `context.thread.context is context`; a context whose thread is None is parked in its top
Reply, whose server receives other calls meanwhile, or its thread has gone.
"""

from neokernel.abi.call import NOW, failure
from neokernel.abi.operations import Stop
from neokernel.abi.status import INVOKED, Status
from neokernel.kernel import timer
from neokernel.kernel.notification import proceed, want_time
from neokernel.kernel.objects import Hart, Reply, SchedContext, State, Thread
from neokernel.kernel.outcome import answer, give_answer
from neokernel.kernel.schedule import make_ready, program, rests, stop, take_off
from neokernel.lang import cold, inline, requires, u64


def detach(hart: Hart, context: SchedContext) -> None:
    """Take the context from the thread that runs on it, which then can't run."""
    thread = context.thread
    if thread is None:
        return
    take_off(hart, thread)
    thread.context = None
    context.thread = None


def attach(hart: Hart, context: SchedContext, thread: Thread) -> None:
    """Let `thread`, which has none, run on the context, which nobody has."""
    requires(rests(hart, thread))
    context.thread = thread
    thread.context = context
    thread.taken = 0
    if thread.state is State.RUNNABLE:
        timer.remove(hart.wheel, thread.timer)
        make_ready(hart, thread)


def lend(context: SchedContext, caller: Thread, server: Thread, reply: Reply) -> None:
    """The caller's context goes to the server, which has none; `reply` is the way back."""
    requires(rests(caller.hart, caller))
    caller.context = None
    below = context.top
    reply.below = below
    if below is not None:
        below.above = reply
    context.top = reply
    reply.context = context
    context.thread = server
    server.context = context


def unchain(reply: Reply) -> bool:
    """Take the Reply out of its context's chain. Was it the top?"""
    context = reply.context
    if context is None:
        return False
    below = reply.below
    reply.context = None
    reply.below = None
    if context.top is reply:
        context.top = below
        return True
    above = reply.above
    if above is not None:
        above.below = below
    if below is not None:
        below.above = above
    return False


def pass_on(hart: Hart, context: SchedContext) -> None:
    """A borrowed context without a call to go back through: to the server of its last call, or its owner.

    A server that has got other time meanwhile, of its own or from a dispatcher, keeps that: it can't have two contexts,
    not even while one of them is lent. Then this one waits in its Reply.
    """
    detach(hart, context)
    top = context.top
    owed = context.home if top is None else top.server
    if owed is None or owed.context is not None or owed.dispatcher is not None or lends(owed):
        return
    if owed.home is None or owed.home is context:
        attach(hart, context, owed)


def waits_for_reply(thread: Thread) -> bool:
    return thread.state is State.REPLIED or thread.state is State.ANSWERED


def lends(thread: Thread) -> bool:
    """Has it lent a context with the call whose reply it waits for?"""
    awaited = thread.awaited
    return waits_for_reply(thread) and awaited is not None and awaited.context is not None


def release(hart: Hart, thread: Thread) -> None:
    """The thread waits for new work: it doesn't keep what it has borrowed."""
    context = thread.context
    if context is None or context is thread.home:
        return
    if thread.dispatcher is not None:
        # It was lent by DISPATCH, which ends on the way out of the kernel, or goes on with the new work.
        return
    top = context.top
    if top is not None and top.server is thread:
        # The call isn't answered yet: the context waits in its Reply.
        detach(hart, context)
    else:
        pass_on(hart, context)


def arm(thread: Thread, reply: Reply | None) -> None:
    """Receive with this Reply, which no other thread has."""
    before = thread.reply
    if before is reply:
        return
    if before is not None:
        before.server = None
    thread.reply = reply
    if reply is not None:
        reply.server = thread


def link(hart: Hart, caller: Thread, server: Thread, reply: Reply) -> None:
    """The caller waits for `reply`; a server without a context of its own runs on the caller's."""
    requires(caller.state is State.RUNNABLE and server.state is State.RUNNABLE and caller is not server)
    context = caller.context
    direct = hart.current is caller
    stop(hart, caller, State.REPLIED)
    caller.awaited = reply
    reply.caller = caller
    reply.context = None
    if server.home is None and context is not None and server.context is None:
        lend(context, caller, server, reply)
        if direct:
            hart.current = server
            return
    if hart.current is server or server.ready:
        # It has a context of its own, and has just received; somebody more important may have come in between.
        return
    proceed(hart, server)


@inline
def take_back(hart: Hart, caller: Thread, thread: Thread) -> None:
    """The thread doesn't run on the caller's context any more; the caller has it again, unless it was lent on."""
    thread.dispatcher = None
    context = thread.context
    if context is not None:
        detach(hart, context)
        context.thread = caller
        caller.context = context


def end_dispatch(hart: Hart, thread: Thread, why: Stop) -> None:
    """The dispatched thread stops running: its dispatcher goes on, and learns why.

    If the time was lent on, it must be taken back first: that is what happens when the dispatcher's time is up.
    """
    caller = thread.dispatcher
    if caller is None:
        return
    timer.remove(hart.wheel, caller.timer)
    if thread.context is None:
        thread.dispatcher = None
        caller.dispatched = None
        timer.insert(hart.wheel, caller.timer, NOW)
        program(hart)
        return
    take_back(hart, caller, thread)
    _ = answer(caller, 0, u64(why.value), 0, 0, 0)
    # It has a context: there is nothing to tell its scheduler.
    caller.state = State.RUNNABLE
    make_ready(hart, caller)


@inline
def finish(hart: Hart, reply: Reply, state: State) -> None:
    """End the call that `reply` holds: its context goes back to the caller, which is in `state` then."""
    caller = reply.caller
    if caller is not None:
        reply.caller = None
        caller.state = state
        give_back(hart, reply, caller)


def give_back(hart: Hart, reply: Reply, caller: Thread) -> None:
    """What was lent with the call that has ended; the caller goes on, if it is runnable."""
    requires(rests(hart, caller))
    state = caller.state
    context = reply.context
    if context is not None and unchain(reply):
        lender = context.thread
        if lender is None or lender is reply.server:
            direct = hart.current is lender and hart.active is context and state is State.RUNNABLE
            detach(hart, context)
            context.thread = caller
            caller.context = context
            if caller.scheduler is not None and caller.dispatcher is None:
                # Its scheduler has stopped waiting for it: it doesn't keep what it was lent. But by an earlier call, of
                # which it is the server, it may get it at once, and is ready then.
                pass_on(hart, context)
                if state is State.RUNNABLE and context.thread is not caller:
                    want_time(hart, caller)
                return
            if direct:
                hart.current = caller
                return
    if caller.dispatcher is not None and (state is not State.RUNNABLE or caller.context is None):
        # It was dispatched, lent its time on, and now can't go on with it.
        end_dispatch(hart, caller, Stop.BLOCKED if state is State.RUNNABLE else Stop.STOPPED)
        if state is State.RUNNABLE:
            want_time(hart, caller)
    elif state is State.RUNNABLE:
        proceed(hart, caller)


def break_off(hart: Hart, reply: Reply) -> None:
    """The server, or the Reply, has gone: the caller learns it. A fault that nobody will handle stops the thread."""
    caller = reply.caller
    if caller is None:
        return
    state = State.RUNNABLE
    if caller.faulted:
        caller.faulted = False
        state = State.STOPPED
    elif caller.state is not State.ANSWERED:
        give_answer(caller, 0, failure(Status.PEER_DIED, INVOKED))
    finish(hart, reply, state)


@inline
def give_up(hart: Hart, reply: Reply) -> None:
    """The caller doesn't wait any more; a context that it lent stays with who runs on it, until it is passed on."""
    context = reply.context
    reply.caller = None
    if context is not None:
        forget(hart, context, reply)


def forget(hart: Hart, context: SchedContext, reply: Reply) -> None:
    """The call that `reply` holds, by which the context was lent, won't bring it back."""
    if unchain(reply) and context.thread is None:
        # It was parked in this Reply: nobody else would pass it on.
        pass_on(hart, context)


@cold
def withdraw(hart: Hart, context: SchedContext) -> None:
    """A step towards no call having lent the context: who made the last one won't get it back, nor will its server."""
    top = context.top
    if top is None:
        return
    caller = top.caller
    server = top.server
    forget(hart, context, top)
    if caller is not None:
        lose_time(hart, caller, context)
    if server is not None:
        lose_time(hart, server, context)


@cold
def lose_time(hart: Hart, thread: Thread, context: SchedContext) -> None:
    """The context has been taken away, which the thread was lent: unless it has other time, it will be told.

    Not so the owner: it loses the context now, or has lost it before.
    """
    if thread.home is None and thread.context is None and not lends(thread):
        thread.taken = context.identifier
        regain_time(hart, thread)


@cold
def regain_time(hart: Hart, thread: Thread) -> None:
    """What gave the thread time is gone: it goes on with what a caller has lent it, if that waits in its Reply."""
    reply = thread.reply
    # Without a caller, the Reply's context may be one that has gone.
    if reply is not None and reply.caller is not None:
        context = reply.context
        if context is not None and context.thread is None and context.top is reply:
            pass_on(hart, context)
    if thread.state is State.RUNNABLE and thread.context is None:
        want_time(hart, thread)
