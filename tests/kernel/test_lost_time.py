"""Time that is taken away, and what else happens meanwhile: who stands still is known, and nobody else has a fault."""

from __future__ import annotations

from typing import Any

import pytest

from neokernel import lang
from neokernel.abi import boot
from neokernel.abi.call import NEVER, Call
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding, Operation
from neokernel.arch import cpu
from neokernel.kernel.objects import SchedContext, State
from tests.kernel.support import ECALL, PRIORITY, Machine
from tests.kernel.test_withdrawal import (
    CONTEXT,
    Served,
    index_of,
    machine_make,
    operate,
    operate_with,
    word,
)

u64 = lang.u64


def test_a_deadline_outlasts_hold() -> None:
    served = Served(1)
    machine, server, supervisor = served.machine, served.servers[0], served.supervisor
    machine.start(server, Call.WAIT, served.signals, 0, (500, 0, 0, 0), 0)
    served.ring()
    (bell,) = machine_make(machine, supervisor, Kind.NOTIFICATION)
    done = machine.invoke(index_of(machine, server), Operation.HOLD, given=bell, thread=supervisor)
    assert done.word == 0
    served.rest()
    machine.tick(600)
    machine.check()
    assert server.state is State.RUNNABLE, "it waits for ever"


def test_hold_of_a_dispatcher_whose_home_is_unbound() -> None:
    """DISPATCHING without a home: only its timer ends that."""
    machine = Machine(1 << 25)
    machine.boot()
    (endpoint,), (reply,) = machine.make(Kind.ENDPOINT), machine.make(Kind.REPLY)
    bell, never = machine.make(Kind.NOTIFICATION, 0, 2)
    server = machine.serve(endpoint, reply, True)
    held_number, held = machine.spawn(PRIORITY + 1)
    assert machine.current is held
    machine.start(held, Call.WAIT, never, 0, (NEVER, 0, 0, 0), 0)
    assert machine.invoke(held_number, Operation.UNBIND, CONTEXT).word == 0
    assert machine.invoke(held_number, Operation.HOLD, given=bell).word == 0
    machine.start(machine.root, Call.SIGNAL, never, 0, (0, 0, 0, 0), 0)
    number, scheduler = machine.spawn(PRIORITY + 5)
    machine.start(scheduler, Call.CALL, held_number, word(Operation.DISPATCH.value), (NEVER, 0, 0, 0), 0)
    assert machine.current is held
    machine.start(held, Call.CALL, endpoint, word(1), (0, 0, 0, 0), 0)
    assert machine.current is server
    machine.start(server, Call.WAIT, never, 0, (NEVER, 0, 0, 0), 0)
    assert machine.current is machine.root
    assert machine.invoke(number, Operation.UNBIND, CONTEXT).word == 0
    assert scheduler.timer.armed
    assert machine.invoke(number, Operation.HOLD, given=bell).word == 0
    machine.tick(10)
    assert scheduler.state is State.RUNNABLE


def given_time_at_once() -> Served:
    """A server whose time is taken away, and which has other time before the timer tells its handler."""
    served = Served(1, True)
    machine, server, supervisor = served.machine, served.servers[0], served.supervisor
    number = index_of(machine, server)
    served.ring()
    (given,) = machine_make(machine, supervisor, Kind.SCHED_CONTEXT)
    assert (
        machine.invoke(
            boot.PROCESSOR, Operation.CONFIGURE, PRIORITY + 1, 1000, 1000, given=given, thread=supervisor
        ).word
        == 0
    )
    assert machine.invoke(served.number, Operation.UNBIND, CONTEXT, thread=supervisor).word == 0
    assert machine.invoke(number, Operation.BIND, CONTEXT, given=given, thread=supervisor).word == 0
    served.rest()
    return served


def test_bind_before_the_timer() -> None:
    served = given_time_at_once()
    machine, server = served.machine, served.servers[0]
    assert server.taken == 0
    machine.tick(1)
    assert not server.faulted, "it has time"
    machine.check()


def test_time_that_is_passed_on_between_two_steps() -> None:
    """In one entry: the first server misses its time, and gets it, because the second receives again."""
    served = Served(2, True)
    machine, (first, second), root = served.machine, served.servers, served.machine.root
    bound = machine.invoke(
        index_of(machine, first), Operation.BIND, Binding.HANDLER.value, given=served.faults, thread=second
    )
    assert bound.word == 0
    machine.start(second, Call.WAIT, served.signals, 0, (500, 0, 0, 0), 0)
    assert machine.current is root
    # One step of UNBIND by who is less important; then the second server goes on.
    processor = machine.hart.cpu
    processor.pending = True
    operate(machine, root, served.number, Operation.UNBIND, CONTEXT)
    processor.pending = False
    assert root.registers.pc == ECALL and first.taken != 0
    machine.check()
    machine.tick(500)
    assert machine.current is second
    machine.start(second, Call.REPLY_RECEIVE, served.endpoints[1], word(2), (7, 0, 0, 0), served.replies[1])
    assert first.context is served.client.home and first.taken == 0
    armed = first.timer.armed
    machine.tick(1)
    assert not first.faulted, f"it has time, and a fault of the context {int(first.report[0])}; timer armed {armed}"
    machine.check()


def test_who_waits_for_time_to_come_back_and_it_is_taken() -> None:
    """It had lent the time on; its call has broken off, and it would have the time when the other receives again."""
    served = Served(2)
    machine, (first, second), supervisor = served.machine, served.servers, served.supervisor
    (faults,) = machine_make(machine, second, Kind.ENDPOINT)
    number = index_of(machine, first)
    assert machine.invoke(number, Operation.BIND, Binding.HANDLER.value, given=faults, thread=second).word == 0
    served.ring()
    assert machine.invoke(number, Operation.SUSPEND, thread=supervisor).word == 0
    assert machine.invoke(number, Operation.RESUME, thread=supervisor).word == 0
    machine.check()
    assert first.state is State.RUNNABLE and first.context is None
    assert machine.invoke(served.number, Operation.UNBIND, CONTEXT, thread=supervisor).word == 0
    served.rest()
    machine.tick(1)
    machine.check()
    assert first.faulted, "it stands still, and nobody is told"


def test_release_while_lent_with_clients_time_parked() -> None:
    machine = Machine(1 << 25)
    root = machine.boot()
    endpoints, replies = machine.make(Kind.ENDPOINT, 0, 3), machine.make(Kind.REPLY, 0, 3)
    bell, never, never2 = machine.make(Kind.NOTIFICATION, 0, 3)
    first, second, third = (machine.serve(*each, True) for each in zip(endpoints, replies, strict=True))
    number = index_of(machine, first)
    assert machine.invoke(number, Operation.HOLD, given=bell).word == 0
    _, client = machine.spawn(PRIORITY + 20)
    machine.start(client, Call.CALL, endpoints[0], word(1), (0, 0, 0, 0), 0)
    machine.start(first, Call.CALL, endpoints[1], word(1), (0, 0, 0, 0), 0)
    machine.start(second, Call.WAIT, never, 0, (4096, 0, 0, 0), 0)
    assert machine.invoke(number, Operation.SUSPEND).word == 0
    assert machine.invoke(number, Operation.RESUME).word == 0
    _, scheduler = machine.spawn(PRIORITY + 5)
    machine.start(scheduler, Call.CALL, number, word(Operation.DISPATCH.value), (NEVER, 0, 0, 0), 0)
    assert machine.current is first
    # It lends its scheduler's time on, and its client's comes back, and waits in its Reply.
    machine.start(first, Call.CALL, endpoints[2], word(1), (0, 0, 0, 0), 0)
    assert machine.current is third
    machine.start(third, Call.WAIT, never2, 0, (5000, 0, 0, 0), 0)
    machine.tick(4096 - int(machine.hart.cpu.time))
    assert machine.current is second
    machine.start(second, Call.RECEIVE, endpoints[1], 0, (NEVER, 0, 0, 0), replies[1])
    machine.check()
    context: Any = client.home
    assert context.thread is None and context.top is first.reply
    assert machine.current is root
    assert machine.invoke(number, Operation.RELEASE).word == 0
    machine.tick(1)
    machine.tick(1)
    machine.tick(1)
    machine.check()
    assert machine.current is scheduler
    # Other time for the third, which answers.
    machine.start(scheduler, Call.WAIT, never, 0, (NEVER, 0, 0, 0), 0)
    assert machine.current is root
    (given,) = machine.make(Kind.SCHED_CONTEXT)
    assert machine.invoke(boot.PROCESSOR, Operation.CONFIGURE, PRIORITY + 1, 1000, 1000, given=given).word == 0
    operate_with(machine, machine.current, index_of(machine, third), Operation.BIND, given, CONTEXT)
    machine.tick(5000 - int(machine.hart.cpu.time))
    assert machine.current is third
    machine.start(third, Call.REPLY_RECEIVE, endpoints[2], word(2), (7, 0, 0, 0), replies[2])
    machine.tick(1)
    machine.check()
    assert first.context is context, "its client's time waits in its Reply, and nobody passes it on"


def test_the_context_of_an_answered_call_isnt_looked_at() -> None:
    """The fast path leaves it in the Reply: it may have ended, and be somebody's page."""
    machine = Machine(1 << 25)
    root = machine.boot()
    (endpoint,), (reply,) = machine.make(Kind.ENDPOINT), machine.make(Kind.REPLY)
    (bell,) = machine.make(Kind.NOTIFICATION)
    server = machine.serve(endpoint, reply, True)
    number = index_of(machine, server)
    # A client's context in a Memory of its own, so that a page can take its place.
    client_number, client = machine.spawn(PRIORITY + 5)
    machine.start(client, Call.WAIT, bell, 0, (NEVER, 0, 0, 0), 0)
    (own,) = machine.make(Kind.MEMORY, 1 << 14)
    (time,) = machine.make(Kind.SCHED_CONTEXT, 0, 1, own)
    fake: Any = machine.slot(time).object
    assert machine.invoke(boot.PROCESSOR, Operation.CONFIGURE, PRIORITY + 5, 1000, 1000, given=time).word == 0
    assert machine.invoke(client_number, Operation.UNBIND, CONTEXT).word == 0
    operate_with(machine, root, client_number, Operation.BIND, time, CONTEXT)
    machine.start(root, Call.SIGNAL, bell, 0, (0, 0, 0, 0), 0)
    assert machine.current is client and client.context is fake
    machine.start(client, Call.CALL, endpoint, word(1), (0, 0, 0, 0), 0)
    assert machine.current is server
    machine.start(server, Call.REPLY_RECEIVE, endpoint, word(2), (0, 0, 0, 0), reply)
    assert machine.current is client
    machine.start(client, Call.WAIT, bell, 0, (NEVER, 0, 0, 0), 0)
    # The context ends; a page takes its place, in which somebody writes.
    (given,) = machine.make(Kind.SCHED_CONTEXT)
    assert machine.invoke(boot.PROCESSOR, Operation.CONFIGURE, PRIORITY - 5, 1000, 1000, given=given).word == 0
    assert machine.invoke(number, Operation.BIND, CONTEXT, given=given).word == 0
    where = int(lang.address_of(fake))
    assert machine.delete(time).word == 0
    (page,) = machine.make(Kind.FRAME, 0, 1, own)
    base = int(machine.slot(page).word) + cpu.DIRECT
    assert base <= where < base + 4096
    forged = lang.object_at(SchedContext, u64(where))
    back: Any = server.reply
    forged.top = back
    forged.thread = None
    # On the machine it is the same address; the model has marked the reference as dead.
    assert back.context is not None
    back.context = forged
    # The server, which has time of its own now, is woken by a message, and loses its time.
    machine.start(root, Call.SEND, endpoint, word(3), (0, 0, 0, 0), 0)
    assert server.state is State.RUNNABLE and server.context is machine.slot(given).object
    assert machine.invoke(number, Operation.UNBIND, CONTEXT).word == 0
    assert server.context is None, "the kernel takes a page of user's for a context"


def test_bind_and_wait_before_the_timer() -> None:
    """Twice in the wheel."""
    served = given_time_at_once()
    machine, server = served.machine, served.servers[0]
    assert machine.current is server
    machine.start(server, Call.WAIT, served.signals, 0, (500, 0, 0, 0), 0)
    machine.check()


@pytest.mark.parametrize("then", ["suspended", "cancelled"])
def test_a_fault_that_nobody_has_received_yet_isnt_forgotten(then: str) -> None:
    """Its handler is busy when the server is stopped; it goes on, and stands still."""
    served = Served(1, True)
    machine, server, supervisor = served.machine, served.servers[0], served.supervisor
    number = index_of(machine, server)
    machine.start(server, Call.WAIT, served.signals, 0, (NEVER, 0, 0, 0), 0)
    served.ring()
    # The handler is busy with another thread's fault.
    operate_with(
        machine, supervisor, index_of(machine, supervisor), Operation.BIND, served.faults, Binding.HANDLER.value
    )
    machine.trap(supervisor, 2)
    handler = machine.current
    assert handler is served.handler and handler is not None
    assert machine.invoke(served.number, Operation.UNBIND, CONTEXT, thread=handler).word == 0
    machine.start(handler, Call.SIGNAL, served.signals, 0, (0, 0, 0, 0), 0)
    machine.tick(1)
    assert server.state is State.CALLING and server.faulted
    if then == "suspended":
        assert machine.invoke(number, Operation.SUSPEND, thread=handler).word == 0
        assert machine.invoke(number, Operation.RESUME, thread=handler).word == 0
    else:
        assert machine.invoke(boot.OWN_TABLE, Operation.CANCEL_SENDERS, served.faults, 0, thread=handler).word == 0
    machine.tick(1)
    machine.start(handler, Call.REPLY_RECEIVE, served.faults, 1, (ECALL, 0, 0, 0), served.way_back)
    machine.tick(1)
    machine.check()
    assert server.faulted, (server.state, server.taken)
