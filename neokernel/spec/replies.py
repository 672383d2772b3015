"""Calls that wait, specified: who is served, and where lent time goes when a call ends.

Each function is a statement about all arguments and all states that its `requires` allow. `nk prove` proves it, and
tests run it.
"""

from neokernel.abi.call import NEVER
from neokernel.kernel.endpoint import needs_buffer, receive
from neokernel.kernel.objects import Endpoint, Hart, Reply, SchedContext, State, Thread
from neokernel.kernel.outcome import AGAIN, ANSWERED
from neokernel.kernel.reply import finish, give_up
from neokernel.kernel.thread import take_time
from neokernel.lang import requires


def is_served(thread: Thread, endpoint: Endpoint, sender: Thread) -> bool:
    """Does `sender` wait longest, and is there nothing in the way of its message?"""
    simple = not sender.faulted and not needs_buffer(sender.message) and thread.notification is None
    return simple and endpoint.senders.head is sender and thread.hart.current is thread


def who_called_waits_for_the_reply(
    hart: Hart, thread: Thread, endpoint: Endpoint, sender: Thread, reply: Reply, time: SchedContext
) -> None:
    """By which it is received; who serves it with time of its own keeps that."""
    requires(is_served(thread, endpoint, sender) and sender.state is State.CALLING)
    requires(thread.home is time and thread.context is time and reply.caller is None and reply.server is not sender)
    behind, before, lent = sender.next, thread.reply, sender.context
    badge, word = sender.badge, sender.message
    outcome = receive(hart, thread, endpoint, reply, NEVER, False)
    if outcome == ANSWERED:
        assert reply.caller is sender and sender.state is State.REPLIED and sender.awaited is reply
        assert thread.reply is reply and (before is reply or (reply.server is thread))
        assert before is None or before is reply or before.server is None
        assert thread.context is time and sender.context is lent and reply.context is None
        assert endpoint.senders.head is behind and thread.registers.a0 == badge and thread.registers.a1 == word
    else:
        assert outcome == AGAIN and sender.state is State.CALLING and reply.caller is None


def time_that_was_lent_comes_back(
    hart: Hart, reply: Reply, caller: Thread, time: SchedContext, server: Thread, state: State
) -> None:
    """From the server of the last call, or from the Reply that it waits in."""
    requires(reply.caller is caller and reply.context is time and time.top is reply and reply.server is server)
    requires(time.thread is server or time.thread is None)
    requires(server.context is time and caller is not server and caller.scheduler is None and caller.dispatcher is None)
    requires(state is State.RUNNABLE or state is State.STOPPED)
    below, parked, active = reply.below, time.thread is None, hart.active is time
    ran = hart.current is server
    finish(hart, reply, state)
    assert reply.caller is None and reply.context is None and reply.below is None and time.top is below
    assert caller.state is state and caller.context is time and time.thread is caller
    if not parked:
        assert server.context is None and not server.ready and hart.current is not server
        if ran and active and state is State.RUNNABLE:
            assert hart.current is caller
    if time.budget != 0 and not time.empty:
        assert (hart.current is caller or caller.ready) == (state is State.RUNNABLE)


def who_gives_up_leaves_its_time(hart: Hart, reply: Reply, time: SchedContext, server: Thread) -> None:
    """With who runs on it, until it is passed on."""
    requires(reply.context is time and time.top is reply and time.thread is server)
    below = reply.below
    give_up(hart, reply)
    assert reply.caller is None and reply.context is None and time.top is below and time.thread is server


def time_is_taken_from_whoever_has_it(hart: Hart, time: SchedContext, thread: Thread, last: Reply) -> None:
    """Its calls forget it first, from the last one on."""
    requires(time.thread is thread and time.home is thread and thread.home is time)
    requires(time.top is None or (time.top is last and last.context is time and last.caller is thread))
    requires(last.server is None)
    free = time.top is None
    below = last.below
    assert take_time(hart, time) == free
    assert time.thread is None if free else time.top is below
