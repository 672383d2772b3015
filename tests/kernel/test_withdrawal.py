"""What is taken back: time from who runs on it, rights from what ends, a place in a queue from who sends by a badge."""

from __future__ import annotations

from typing import Any

import pytest

from neokernel import lang
from neokernel.abi import boot, call
from neokernel.abi.call import NEVER, Call, message
from neokernel.abi.fault import Fault
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding, Operation
from neokernel.abi.rights import ALL, SEND
from neokernel.abi.status import FIRST, INVOKED, TRAVELLING, Status
from neokernel.kernel import captable, outcome, schedule
from neokernel.kernel.fault import ROOT_SPACE
from neokernel.kernel.objects import SchedContext, State, Thread
from neokernel.kernel.slot import has_children
from tests.kernel.support import ECALL, PRIORITY, Machine

u64 = lang.u64
CONTEXT = Binding.CONTEXT.value


def word(label: int) -> int:
    return int(message(u64(label)))


def operate(machine: Machine, thread: Thread, capability: int, operation: Operation, *w: int) -> None:
    """An operation, after which another thread may run."""
    machine.start(thread, Call.CALL, capability, word(operation.value), (*w, 0, 0, 0, 0)[:4], 0)


def index_of(machine: Machine, thing: object) -> int:
    (found,) = (each for each in range(machine.next_slot) if machine.slot(each).object is thing)
    return found


# --- time -------------------------------------------------------------------------------------------------------------


class Served:
    """A client, and `count` servers that serve it one for the other, on its time; a supervisor is more urgent."""

    def __init__(self, count: int = 1, handled: bool = False) -> None:
        self.machine = machine = Machine()
        machine.boot()
        self.endpoints, self.replies = machine.make(Kind.ENDPOINT, 0, count), machine.make(Kind.REPLY, 0, count)
        self.servers = [machine.serve(*each, True) for each in zip(self.endpoints, self.replies, strict=True)]
        self.handler: Thread | None = None
        if handled:
            (faults,), (reply,) = machine.make(Kind.ENDPOINT), machine.make(Kind.REPLY)
            self.handler = machine.serve(faults, reply, False)
            self.faults, self.way_back = faults, reply
            bound = machine.invoke(
                index_of(machine, self.servers[-1]), Operation.BIND, Binding.HANDLER.value, given=faults
            )
            assert bound.word == 0
        # What a server may wait for: a signal, and the answer of a server with time of its own.
        (self.elsewhere,), (self.its_reply,) = machine.make(Kind.ENDPOINT), machine.make(Kind.REPLY)
        self.active = machine.serve(self.elsewhere, self.its_reply, False)
        self.bell, self.signals = machine.make(Kind.NOTIFICATION, 0, 2)
        _, self.supervisor = machine.spawn(PRIORITY + 9)
        machine.start(self.supervisor, Call.WAIT, self.bell, 0, (NEVER, 0, 0, 0), 0)
        self.number, self.client = machine.spawn(PRIORITY + 5)
        caller = self.client
        for endpoint, server in zip(self.endpoints, self.servers, strict=True):
            machine.start(caller, Call.CALL, endpoint, word(1), (0, 0, 0, 0), 0)
            caller = server
        assert machine.current is caller and caller.context is self.client.home

    def ring(self) -> None:
        """The supervisor goes on."""
        machine = self.machine
        assert machine.current is not None
        machine.start(machine.current, Call.SIGNAL, self.bell, 0, (0, 0, 0, 0), 0)
        assert machine.current is self.supervisor

    def rest(self) -> None:
        self.machine.start(self.supervisor, Call.WAIT, self.bell, 0, (NEVER, 0, 0, 0), 0)


@pytest.mark.parametrize("count", [1, 3])
def test_who_runs_on_time_that_is_unbound_loses_it(count: int) -> None:
    """A server kept its client's time for as long as it liked."""
    served = Served(count)
    machine, last = served.machine, served.servers[-1]
    context = served.client.home
    assert context is not None
    served.ring()
    assert machine.invoke(served.number, Operation.UNBIND, CONTEXT, thread=served.supervisor).word == 0
    machine.check()
    assert served.client.home is None and context.thread is None and context.top is None
    assert last.context is None and last.state is State.RUNNABLE
    served.rest()
    assert machine.current is machine.root, "nobody goes on with the time"
    # With time of its own the server does its work; the others, and the client, have their answers, and no time.
    given = index_of(machine, context)
    number = index_of(machine, last)
    operate_with(machine, machine.root, number, Operation.BIND, given, CONTEXT)
    assert machine.current is last
    machine.start(last, Call.REPLY_RECEIVE, served.endpoints[-1], word(2), (7, 0, 0, 0), served.replies[-1])
    machine.check()
    answered = served.client if count == 1 else served.servers[-2]
    assert answered.state is State.RUNNABLE and answered.context is None and machine.current is machine.root
    assert machine.result(answered).words[0] == 7


def operate_with(machine: Machine, thread: Thread, capability: int, operation: Operation, given: int, *w: int) -> None:
    """The same, with a capability."""
    machine.name(thread, given)
    sent = int(message(u64(operation.value), u64(0), u64(1)))
    machine.start(thread, Call.CALL, capability, sent, (*w, 0, 0, 0, 0)[:4], 0)


def test_time_is_unbound_in_steps_and_each_leaves_all_in_order() -> None:
    served = Served(3)
    machine, client = served.machine, served.client
    served.ring()
    processor = machine.hart.cpu
    processor.pending = True
    operate(machine, served.supervisor, served.number, Operation.UNBIND, CONTEXT)
    machine.check()
    assert client.home is not None and machine.result(served.supervisor).words[0] == CONTEXT
    assert served.supervisor.registers.pc == ECALL, "it enters again"
    processor.pending = False
    machine.enter(served.supervisor)
    machine.check()
    assert machine.result(served.supervisor).word == 0
    after: Any = client.home
    assert after is None


def test_who_loses_unbound_time_has_a_fault() -> None:
    served = Served(1, True)
    machine, server = served.machine, served.servers[0]
    context = served.client.home
    assert context is not None and served.handler is not None
    served.ring()
    assert machine.invoke(served.number, Operation.UNBIND, CONTEXT, thread=served.supervisor).word == 0
    served.rest()
    machine.check()
    machine.tick(1)
    machine.check()
    hears_of_lost_time(served, server, context)


def hears_of_lost_time(served: Served, server: Thread, context: SchedContext) -> None:
    assert served.handler is not None
    assert server.faulted and served.machine.current is served.handler
    report = served.machine.result(served.handler)
    assert call.label_of(u64(report.word)) == Fault.BUDGET.value
    assert report.words == (context.identifier, server.registers.pc, 0, 0)


@pytest.mark.parametrize("then", ["signal", "deadline", "suspended", "called", "deleted"])
def test_who_waits_while_its_time_is_taken_has_a_fault_when_the_wait_ends(then: str) -> None:
    """It stood still, and nobody knew."""
    served = Served(1, True)
    machine, server, supervisor = served.machine, served.servers[0], served.supervisor
    context = served.client.home
    assert context is not None and served.handler is not None
    number = index_of(machine, server)
    if then == "called":
        machine.start(server, Call.CALL, served.elsewhere, word(3), (0, 0, 0, 0), 0)
        assert machine.current is served.active
    else:
        until = 500 if then == "deadline" else NEVER
        machine.start(server, Call.WAIT, served.signals, 0, (until, 0, 0, 0), 0)
        assert machine.current is machine.root
    served.ring()
    # The context is taken from the client, or ends.
    if then == "deleted":
        owner = index_of(machine, context)
        assert machine.invoke(boot.OWN_TABLE, Operation.DELETE, owner, thread=supervisor).word == 0
    else:
        assert machine.invoke(served.number, Operation.UNBIND, CONTEXT, thread=supervisor).word == 0
    machine.check()
    assert server.context is None and not server.faulted and server.state is not State.RUNNABLE
    if then == "suspended":
        assert machine.invoke(number, Operation.SUSPEND, thread=supervisor).word == 0
        machine.check()
        assert machine.invoke(number, Operation.RESUME, thread=supervisor).word == 0
    served.rest()
    match then:
        case "deadline":
            machine.tick(500)
        case "called":
            machine.start(served.active, Call.REPLY_RECEIVE, served.elsewhere, word(4), (7, 0, 0, 0), served.its_reply)
            assert server.registers.a2 == 7
        case "signal" | "deleted":
            assert machine.current is not None
            machine.start(machine.current, Call.SIGNAL, served.signals, 0, (0, 0, 0, 0), 0)
            assert server.registers.a0 == 1
        case _:
            pass
    machine.check()
    machine.tick(1)
    machine.check()
    hears_of_lost_time(served, server, context)
    # With time, it goes on as if nothing had been.
    (given,) = machine_make(machine, served.handler, Kind.SCHED_CONTEXT)
    machine.name(served.handler, given)
    configure = int(message(u64(Operation.CONFIGURE.value), u64(0), u64(1)))
    machine.start(served.handler, Call.CALL, boot.PROCESSOR, configure, (PRIORITY + 1, 1000, 1000, 0), 0)
    operate_with(machine, served.handler, number, Operation.BIND, given, CONTEXT)
    machine.start(served.handler, Call.REPLY_RECEIVE, served.faults, 0, (0, 0, 0, 0), served.way_back)
    machine.check()
    assert machine.current is server and server.taken == 0


def test_each_server_of_a_chain_hears_of_lost_time() -> None:
    """Only the last did, who runs; the others stood still when they had their answers."""
    served = Served(3, True)
    machine, last, before = served.machine, served.servers[-1], served.servers[-2]
    context = served.client.home
    assert context is not None and served.handler is not None
    bound = machine.invoke(
        index_of(machine, before), Operation.BIND, Binding.HANDLER.value, given=served.faults, thread=last
    )
    assert bound.word == 0
    served.ring()
    assert machine.invoke(served.number, Operation.UNBIND, CONTEXT, thread=served.supervisor).word == 0
    assert [each.taken for each in served.servers] == [context.identifier] * 3 and served.client.taken == 0
    served.rest()
    machine.tick(1)
    hears_of_lost_time(served, last, context)
    # Its handler gives it the time that was the client's; so it answers.
    operate_with(machine, served.handler, index_of(machine, last), Operation.BIND, index_of(machine, context), CONTEXT)
    assert machine.result(served.handler).word == 0, machine.result(served.handler).failure
    machine.start(served.handler, Call.REPLY_RECEIVE, served.faults, 0, (0, 0, 0, 0), served.way_back)
    assert machine.current is last
    machine.start(last, Call.REPLY_RECEIVE, served.endpoints[-1], word(2), (7, 0, 0, 0), served.replies[-1])
    machine.check()
    machine.tick(1)
    machine.check()
    hears_of_lost_time(served, before, context)
    assert before.registers.a2 == 7


def test_who_misses_time_and_is_held_then_has_no_fault() -> None:
    served = Served(1, True)
    machine, server, supervisor = served.machine, served.servers[0], served.supervisor
    number = index_of(machine, server)
    served.ring()
    (bell,) = machine_make(machine, supervisor, Kind.NOTIFICATION)
    assert machine.invoke(served.number, Operation.UNBIND, CONTEXT, thread=supervisor).word == 0
    assert server.timer.armed
    assert machine.invoke(number, Operation.HOLD, given=bell, thread=supervisor).word == 0
    machine.check()
    notification: Any = machine.slot(bell).object
    assert notification.word == 1
    served.rest()
    machine.tick(1)
    assert machine.current is machine.root
    # But when nobody holds it any more, who handles its faults is told.
    served.ring()
    assert machine.invoke(number, Operation.RELEASE, thread=supervisor).word == 0
    served.rest()
    machine.tick(1)
    machine.check()
    assert server.faulted and machine.current is served.handler


def test_who_is_held_has_no_fault_however_many_schedulers_are_told_before() -> None:
    """Its own isn't: each that is woken has no time, and the third of them is the last whose scheduler would be."""
    served = Served(1, True)
    machine, server = served.machine, served.servers[0]
    machine.start(server, Call.WAIT, served.signals, 0, (NEVER, 0, 0, 0), 0)
    assert machine.invoke(served.number, Operation.UNBIND, CONTEXT).word == 0
    own, *bells = machine.make(Kind.NOTIFICATION, 0, 3)
    assert machine.invoke(index_of(machine, server), Operation.HOLD, given=own).word == 0
    stopped, _ = machine.spawn(PRIORITY - 1)
    assert machine.invoke(stopped, Operation.SUSPEND).word == 0
    held = [stopped]
    for bell in bells:
        number, thread = machine.spawn(PRIORITY + 1)
        machine.start(thread, Call.WAIT, bell, 0, (NEVER, 0, 0, 0), 0)
        held.append(number)
    for number, bell in zip(held, (*bells, served.signals), strict=True):
        assert machine.invoke(number, Operation.UNBIND, CONTEXT).word == 0
        assert machine.invoke(number, Operation.HOLD, given=bell).word == 0
    assert machine.invoke(stopped, Operation.RESUME).word == 0
    assert server.state is State.RUNNABLE and server.context is None and server.taken != 0
    machine.check()
    machine.tick(1)
    assert not server.faulted


def test_who_misses_time_and_ends_is_forgotten() -> None:
    served = Served(1, True)
    machine, server, supervisor = served.machine, served.servers[0], served.supervisor
    number = index_of(machine, server)
    served.ring()
    assert machine.invoke(served.number, Operation.UNBIND, CONTEXT, thread=supervisor).word == 0
    assert server.timer.armed
    assert machine.invoke(boot.OWN_TABLE, Operation.DELETE, number, thread=supervisor).word == 0
    machine.check()
    assert not server.timer.armed


@pytest.mark.parametrize("own", [False, True], ids=["its scheduler's", "its own"])
def test_a_server_that_loses_other_time_goes_on_with_its_clients(own: bool) -> None:
    """That waited in its Reply, and nobody passed it on."""
    machine = Machine(1 << 25)
    root = machine.boot()
    endpoints, replies = machine.make(Kind.ENDPOINT, 0, 2), machine.make(Kind.REPLY, 0, 2)
    bell, never = machine.make(Kind.NOTIFICATION, 0, 2)
    first, second = (machine.serve(*each, True) for each in zip(endpoints, replies, strict=True))
    number = index_of(machine, first)
    if not own:
        assert machine.invoke(number, Operation.HOLD, given=bell).word == 0
    _, client = machine.spawn(PRIORITY + 20)
    machine.start(client, Call.CALL, endpoints[0], word(1), (0, 0, 0, 0), 0)
    machine.start(first, Call.CALL, endpoints[1], word(1), (0, 0, 0, 0), 0)
    machine.start(second, Call.WAIT, never, 0, (4096, 0, 0, 0), 0)
    # It doesn't wait for its time any more, gets other time, and the client's comes back.
    assert machine.invoke(number, Operation.SUSPEND).word == 0
    assert machine.invoke(number, Operation.RESUME).word == 0
    if own:
        (given,) = machine.make(Kind.SCHED_CONTEXT)
        configured = machine.invoke(boot.PROCESSOR, Operation.CONFIGURE, PRIORITY - 1, 1000, 1000, given=given)
        assert configured.word == 0
        operate_with(machine, root, number, Operation.BIND, given, CONTEXT)
    else:
        _, scheduler = machine.spawn(PRIORITY + 5)
        machine.start(scheduler, Call.CALL, number, word(Operation.DISPATCH.value), (NEVER, 0, 0, 0), 0)
        assert machine.current is first
    machine.tick(4096 - int(machine.hart.cpu.time))
    assert machine.current is second
    machine.start(second, Call.RECEIVE, endpoints[1], 0, (NEVER, 0, 0, 0), replies[1])
    machine.check()
    context: Any = client.home
    assert context.thread is None and context.top is first.reply, "the client's time waits in the Reply"
    current = machine.current
    assert current is not None
    if own:
        operate(machine, current, number, Operation.UNBIND, CONTEXT)
    else:
        machine.start(first, Call.YIELD, 0, 0, (0, 0, 0, 0), 0)
        current = machine.current
        assert current is not None
        operate(machine, current, number, Operation.RELEASE)
    machine.check()
    assert first.context is context and machine.current is first


def test_a_binding_that_is_revoked_takes_the_time_back() -> None:
    """As UNBIND does: who deletes the capability that was bound needs no more steps of its own."""
    served = Served(2)
    machine, last = served.machine, served.servers[-1]
    context = served.client.home
    assert context is not None
    served.ring()
    given = index_of(machine, context)
    done = machine.invoke(boot.OWN_TABLE, Operation.REVOKE, given, thread=served.supervisor)
    machine.check()
    assert done.word == 0 and not has_children(machine.slot(given))
    assert served.client.home is None and last.context is None and machine.slot(given).object is context


def test_a_thread_that_ends_takes_its_time_from_its_server() -> None:
    served = Served(2)
    machine, last = served.machine, served.servers[-1]
    served.ring()
    assert machine.invoke(boot.OWN_TABLE, Operation.DELETE, served.number, thread=served.supervisor).word == 0
    machine.check()
    assert last.context is None and last.state is State.RUNNABLE


# --- time that is used up, and nobody is told -------------------------------------------------------------------------


@pytest.mark.parametrize("space", [ROOT_SPACE, 0])
def test_a_server_without_a_handler_waits_until_its_clients_time_comes_back(space: int) -> None:
    """In the root's address space the machine ended with the client's budget; elsewhere the server stopped."""
    served = Served()
    machine, server = served.machine, served.servers[0]
    machine.root.space.identifier = u64(space)
    machine.tick(2000)
    machine.check()
    assert machine.hart.cpu.ended == 0 and machine.current is machine.root
    assert server.state is State.RUNNABLE and server.context is served.client.home and not server.faulted
    machine.tick(8000)
    machine.check()
    assert machine.current is server, "the budget has come back"
    machine.start(server, Call.REPLY_RECEIVE, served.endpoints[0], word(2), (7, 0, 0, 0), served.replies[0])
    assert machine.current is served.client and machine.result(served.client).words[0] == 7


def test_a_server_without_a_handler_waits_for_other_time_when_its_clients_ends() -> None:
    served = Served()
    machine, server = served.machine, served.servers[0]
    machine.root.space.identifier = u64(ROOT_SPACE)
    context = served.client.home
    served.ring()
    assert (
        machine.invoke(boot.OWN_TABLE, Operation.DELETE, index_of(machine, context), thread=served.supervisor).word == 0
    )
    machine.check()
    assert machine.hart.cpu.ended == 0 and server.state is State.RUNNABLE and server.context is None
    served.rest()
    (given,) = machine.make(Kind.SCHED_CONTEXT)
    configured = machine.invoke(boot.PROCESSOR, Operation.CONFIGURE, PRIORITY + 1, 1000, 1000, given=given)
    assert configured.word == 0
    operate_with(machine, machine.root, index_of(machine, server), Operation.BIND, given, CONTEXT)
    assert machine.current is server


@pytest.mark.parametrize("then", ["the time comes back", "the client is stopped", "the last server ends"])
def test_time_that_was_lent_on_skips_who_doesnt_wait_for_it(then: str) -> None:
    """The call in the middle is given up; those before it and behind it are still one chain."""
    served = Served(3)
    machine, client, supervisor = served.machine, served.client, served.supervisor
    first, second, third = served.servers
    context = client.home
    assert context is not None
    served.ring()
    assert machine.invoke(index_of(machine, first), Operation.SUSPEND, thread=supervisor).word == 0
    machine.check()
    match then:
        case "the client is stopped":
            assert machine.invoke(served.number, Operation.SUSPEND, thread=supervisor).word == 0
        case "the last server ends":
            end = index_of(machine, third)
            assert machine.invoke(boot.OWN_TABLE, Operation.DELETE, end, thread=supervisor).word == 0
        case _:
            pass
    machine.check()
    served.rest()
    if then != "the last server ends":
        assert machine.current is third
        machine.start(third, Call.REPLY_RECEIVE, served.endpoints[2], word(3), (9, 0, 0, 0), served.replies[2])
        assert machine.result(second).words[0] == 9
    assert machine.current is second and second.context is context
    machine.start(second, Call.RECEIVE, served.endpoints[1], 0, (NEVER, 0, 0, 0), 0)
    machine.check()
    if then == "the client is stopped":
        assert machine.current is machine.root and context.thread is client
        return
    # The first server, which was stopped, has its client's time, and answers with it.
    assert context.thread is first
    operate(machine, machine.root, index_of(machine, first), Operation.RESUME)
    assert machine.current is first and machine.result(first).failure == (Status.CANCELLED, INVOKED)
    machine.start(first, Call.REPLY_RECEIVE, served.endpoints[0], word(3), (5, 0, 0, 0), served.replies[0])
    machine.check()
    assert machine.current is client and client.context is context and machine.result(client).words[0] == 5


def test_a_held_server_without_time_tells_its_scheduler() -> None:
    served = Served()
    machine, server = served.machine, served.servers[0]
    number = index_of(machine, server)
    served.ring()
    (bell,) = machine_make(machine, served.supervisor, Kind.NOTIFICATION)
    held = machine.invoke(number, Operation.HOLD, given=bell, thread=served.supervisor)
    assert held.word == 0
    assert machine.invoke(served.number, Operation.UNBIND, CONTEXT, thread=served.supervisor).word == 0
    machine.check()
    notification: Any = machine.slot(bell).object
    assert notification.word == 1, "it could run, had it time"


def test_a_held_server_that_has_its_clients_time_back_tells_nobody() -> None:
    """It has lent it on; with the answer it goes on at once, and its scheduler has nothing to do."""
    served = Served(2)
    machine, (first, second), supervisor = served.machine, served.servers, served.supervisor
    served.ring()
    (bell,) = machine_make(machine, supervisor, Kind.NOTIFICATION)
    assert machine.invoke(index_of(machine, first), Operation.HOLD, given=bell, thread=supervisor).word == 0
    served.rest()
    assert machine.current is second
    machine.start(second, Call.REPLY_RECEIVE, served.endpoints[1], word(2), (7, 0, 0, 0), served.replies[1])
    machine.check()
    assert machine.current is first and machine.result(first).words[0] == 7
    assert first.context is served.client.home
    notification: Any = machine.slot(bell).object
    assert notification.word == 0


def test_who_misses_time_and_is_dispatched_has_no_fault_afterwards() -> None:
    """It has had other time since."""
    served = Served(1, True)
    machine, server, supervisor = served.machine, served.servers[0], served.supervisor
    number = index_of(machine, server)
    served.ring()
    (bell,) = machine_make(machine, supervisor, Kind.NOTIFICATION)
    assert machine.invoke(served.number, Operation.UNBIND, CONTEXT, thread=supervisor).word == 0
    assert machine.invoke(number, Operation.HOLD, given=bell, thread=supervisor).word == 0
    operate(machine, supervisor, number, Operation.DISPATCH, NEVER)
    machine.check()
    assert machine.current is server
    machine.start(server, Call.YIELD, 0, 0, (0, 0, 0, 0), 0)
    assert machine.current is supervisor
    assert machine.invoke(number, Operation.RELEASE, thread=supervisor).word == 0
    served.rest()
    machine.tick(1)
    machine.check()
    assert not server.faulted and machine.current is machine.root


def test_who_misses_time_and_is_started_anew_has_no_fault() -> None:
    """What it did before, with time that is gone, is forgotten."""
    served = Served(1, True)
    machine, server, supervisor = served.machine, served.servers[0], served.supervisor
    number = index_of(machine, server)
    served.ring()
    assert machine.invoke(served.number, Operation.UNBIND, CONTEXT, thread=supervisor).word == 0
    assert machine.invoke(number, Operation.SUSPEND, thread=supervisor).word == 0
    assert machine.invoke(number, Operation.START, ECALL, thread=supervisor).word == 0
    served.rest()
    machine.tick(1)
    machine.check()
    assert server.state is State.RUNNABLE and not server.faulted and machine.current is machine.root


def test_who_loses_its_time_while_it_receives_has_no_deadline_any_more() -> None:
    """When that came, it would have had no time to go on with: it is called on its clients' time from then on."""
    machine = Machine()
    root = machine.boot()
    (endpoint,), (reply,) = machine.make(Kind.ENDPOINT), machine.make(Kind.REPLY)
    index, server = machine.spawn(PRIORITY + 1)
    machine.start(server, Call.RECEIVE, endpoint, 0, (500, 0, 0, 0), reply)
    assert machine.current is root
    assert machine.invoke(index, Operation.UNBIND, CONTEXT).word == 0
    machine.tick(1000)
    machine.check()
    assert server.state is State.RECEIVING
    machine.start(root, Call.CALL, endpoint, word(1), (7, 0, 0, 0), 0)
    assert machine.current is server and server.context is root.home and machine.result(server).words[0] == 7


def test_who_has_lent_its_clients_time_on_gets_none_of_its_own() -> None:
    """It would have two contexts when the answer comes."""
    served = Served(2)
    machine, first = served.machine, served.servers[0]
    served.ring()
    (given,) = machine_make(machine, served.supervisor, Kind.SCHED_CONTEXT)
    done = machine.invoke(index_of(machine, first), Operation.BIND, CONTEXT, given=given, thread=served.supervisor)
    assert done.failure == (Status.OCCUPIED, FIRST)
    machine.check()


def test_who_runs_on_its_clients_time_gets_none_of_its_own() -> None:
    """The same, if it has it still: here it asks for some itself."""
    served = Served()
    machine, server = served.machine, served.servers[0]
    (given,) = machine_make(machine, server, Kind.SCHED_CONTEXT)
    done = machine.invoke(index_of(machine, server), Operation.BIND, CONTEXT, given=given, thread=server)
    assert done.failure == (Status.OCCUPIED, FIRST)
    assert server.home is None and server.context is served.client.home
    machine.check()


def test_time_that_waits_in_a_reply_is_its_owners_all_the_same() -> None:
    """Nobody runs on it; but it goes back, and nobody else can have it."""
    served = Served()
    machine, server, context = served.machine, served.servers[0], served.client.home
    assert context is not None
    # It takes other work without an answer.
    (reply,) = machine_make(machine, server, Kind.REPLY)
    machine.start(server, Call.RECEIVE, served.endpoints[0], 0, (NEVER, 0, 0, 0), reply)
    nobody: Any = context.thread
    assert machine.current is machine.root and nobody is None
    (other,) = machine.make(Kind.THREAD)
    done = machine.invoke(other, Operation.BIND, CONTEXT, given=index_of(machine, context))
    assert done.failure == (Status.OCCUPIED, TRAVELLING)
    assert context.home is served.client
    machine.check()


def test_a_server_that_gets_time_while_it_receives_is_told_of_signals() -> None:
    """They had come when nobody could have run for them."""
    machine = Machine()
    root = machine.boot()
    (endpoint,), (reply,), (notification,) = (
        machine.make(kind) for kind in (Kind.ENDPOINT, Kind.REPLY, Kind.NOTIFICATION)
    )
    server = machine.serve(endpoint, reply, True)
    number = index_of(machine, server)
    assert machine.invoke(number, Operation.BIND, Binding.NOTIFICATION.value, given=notification).word == 0
    assert machine.call(Call.SIGNAL, notification).word == 0
    assert server.state is State.RECEIVING
    (given,) = machine.make(Kind.SCHED_CONTEXT)
    configured = machine.invoke(boot.PROCESSOR, Operation.CONFIGURE, PRIORITY + 1, 1000, 1000, given=given)
    assert configured.word == 0
    operate_with(machine, root, number, Operation.BIND, given, CONTEXT)
    machine.check()
    assert machine.current is server
    told = machine.result(server)
    assert (told.badge, told.word) == (1, int(call.SIGNALS_BIT))


def machine_make(machine: Machine, thread: Thread, kind: Kind) -> list[int]:
    """`Machine.make`, by another thread of the same table."""
    first, machine.next_slot = machine.next_slot, machine.next_slot + 1
    machine.window(first, 1, thread)
    done = machine.invoke(8, Operation.RETYPE, kind.value, 0, 1, 0, thread=thread)
    assert done.word == 0, done.failure
    return [first]


def test_a_dispatched_thread_gets_no_other_time() -> None:
    """Its scheduler took that for its own, and lost its own, when its deadline came."""
    machine = Machine(1 << 25)
    root = machine.boot()
    endpoints, replies = machine.make(Kind.ENDPOINT, 0, 3), machine.make(Kind.REPLY, 0, 3)
    bell, never = machine.make(Kind.NOTIFICATION, 0, 2)
    held, second, third = (machine.serve(*each, True) for each in zip(endpoints, replies, strict=True))
    number = index_of(machine, held)
    assert machine.invoke(number, Operation.HOLD, given=bell).word == 0
    # The held thread has lent its client's time on when it is stopped, and goes on without.
    _, client = machine.spawn(PRIORITY + 20)
    machine.start(client, Call.CALL, endpoints[0], word(1), (0, 0, 0, 0), 0)
    machine.start(held, Call.CALL, endpoints[1], word(1), (0, 0, 0, 0), 0)
    machine.start(second, Call.WAIT, never, 0, (4096, 0, 0, 0), 0)
    assert machine.invoke(number, Operation.SUSPEND).word == 0
    assert machine.invoke(number, Operation.RESUME).word == 0
    machine.tick(3800)
    # Now a scheduler gives it time, until the same moment; it lends that on, too.
    _, scheduler = machine.spawn(PRIORITY + 5)
    machine.start(scheduler, Call.CALL, number, word(Operation.DISPATCH.value), (4096, 0, 0, 0), 0)
    assert machine.current is held and held.context is scheduler.home
    machine.start(held, Call.CALL, endpoints[2], word(1), (0, 0, 0, 0), 0)
    assert machine.current is third
    machine.tick(4096 - int(machine.hart.cpu.time))
    if machine.current is second:
        machine.start(second, Call.RECEIVE, endpoints[1], 0, (NEVER, 0, 0, 0), 0)
    machine.check()
    machine.tick(1)
    machine.check()
    assert scheduler.context is scheduler.home and scheduler.state is State.RUNNABLE
    assert root.state is State.RUNNABLE


@pytest.mark.parametrize("busy", [False, True], ids=["it waits", "it is busy"])
def test_a_handler_that_cant_hear_of_lost_time_stops_nobody(busy: bool) -> None:
    """It has no time to serve who has none. Whether the server stopped depended on whether it was busy."""
    served = Served(1, True)
    machine, server, handler = served.machine, served.servers[0], served.handler
    assert handler is not None
    served.ring()
    assert machine.invoke(index_of(machine, handler), Operation.UNBIND, CONTEXT, thread=served.supervisor).word == 0
    if busy:
        number = index_of(machine, served.supervisor)
        operate_with(machine, served.supervisor, number, Operation.BIND, served.faults, Binding.HANDLER.value)
        machine.trap(served.supervisor, 2)
        assert machine.current is handler and handler.context is served.supervisor.home
        assert machine.invoke(served.number, Operation.UNBIND, CONTEXT, thread=handler).word == 0
        machine.tick(1)
        assert server.state is State.CALLING and server.faulted
        machine.start(handler, Call.REPLY_RECEIVE, served.faults, 1, (ECALL, 0, 0, 0), served.way_back)
    else:
        assert machine.invoke(served.number, Operation.UNBIND, CONTEXT, thread=served.supervisor).word == 0
    machine.check()
    machine.tick(1)
    machine.check()
    assert server.state is State.RUNNABLE and server.context is None and not server.faulted


# --- what begins to end -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Kind.ENDPOINT, Kind.NOTIFICATION])
def test_nobody_waits_anew_at_what_is_being_deleted(kind: Kind) -> None:
    """A more important thread of the same table waited again after each step: the deletion never ended."""
    machine = Machine()
    root = machine.boot()
    (index,) = machine.make(kind)
    waits = Call.SEND if kind is Kind.ENDPOINT else Call.WAIT
    waiters = []
    for place in range(2):
        waiters.append(machine.spawn(PRIORITY + 1 + place)[1])
        machine.start(waiters[-1], waits, index, 0, (NEVER, 0, 0, 0), 0)
    assert machine.current is root
    processor = machine.hart.cpu
    processor.pending = True
    operate(machine, root, boot.OWN_TABLE, Operation.DELETE, index)
    processor.pending = False
    assert machine.slot(index).object is not None and machine.slot(index).rights == 0
    (woken,) = (waiter for waiter in waiters if waiter.state is State.RUNNABLE)
    assert machine.current is woken and machine.result(woken).failure == (Status.CANCELLED, INVOKED)
    refused = machine.call(waits, index, 0, (NEVER, 0, 0, 0), thread=woken)
    assert refused.failure == (Status.MISSING_RIGHT, INVOKED)
    # Nor can it be brought out of the deletion's way.
    other, machine.next_slot = machine.next_slot, machine.next_slot + 1
    moved = machine.invoke(boot.OWN_TABLE, Operation.MOVE, other, given=index, thread=woken)
    assert moved.status is Status.HAS_CHILDREN
    copied = machine.invoke(boot.OWN_TABLE, Operation.COPY, other, int(ALL), given=index, thread=woken)
    assert copied.status is Status.UNDERIVABLE and machine.slot(other).object is None
    machine.start(woken, Call.WAIT, machine_make(machine, woken, Kind.NOTIFICATION)[0], 0, (NEVER, 0, 0, 0), 0)
    while id(root) in machine.restarting and machine.current is not None:
        current = machine.current
        if current is root:
            machine.enter(root)
        else:
            operate(machine, current, index_of(machine, current), Operation.SUSPEND)
    machine.check()
    assert machine.slot(index).object is None


def test_a_deletion_that_failed_has_taken_no_rights() -> None:
    """A frame is deleted as a whole or not at all."""
    machine = Machine()
    machine.boot()
    (frame,), (space,) = machine.make(Kind.FRAME), machine.make(Kind.DMA_SPACE, 1)
    rights = machine.slot(frame).rights
    assert machine.invoke(space, Operation.PIN, given=frame).status is Status.OK
    assert machine.delete(frame).failure == (Status.PINNED, FIRST)
    assert machine.slot(frame).rights == rights


# --- senders of a badge -----------------------------------------------------------------------------------------------


class Queue:
    """Threads that wait to send, each by the badge in `badges`; 0: by the endpoint's own capability."""

    def __init__(self, *badges: int) -> None:
        self.machine = machine = Machine(1 << 25)
        self.root = machine.boot()
        (self.endpoint,) = machine.make(Kind.ENDPOINT)
        self.slots = {0: self.endpoint}
        for badge in sorted({*badges} - {0}):
            self.slots[badge], machine.next_slot = machine.next_slot, machine.next_slot + 1
            done = machine.invoke(
                boot.OWN_TABLE, Operation.COPY, self.slots[badge], int(SEND), badge, given=self.endpoint
            )
            assert done.word == 0
        self.senders: list[Thread] = []
        self.badges = list(badges)
        for place, badge in enumerate(badges):
            self.send(badge, Call.CALL if place % 2 else Call.SEND)

    def send(self, badge: int, made: Call = Call.SEND) -> Thread:
        _, sender = self.machine.spawn(PRIORITY + 1)
        self.machine.start(sender, made, self.slots[badge], word(1), (0, 0, 0, 0), 0)
        self.senders.append(sender)
        return sender

    def step(self, badge: int, begun: int) -> int:
        """One step, as the kernel makes it; gives what `a5` is afterwards, -1 if it was the last."""
        registers = self.root.registers
        registers.a2, registers.a3, registers.a5 = u64(self.endpoint), u64(badge), u64(begun)
        done = captable.cancel_senders(self.machine.hart, registers, self.machine.table)
        assert done in (0, outcome.AGAIN)
        begun = int(registers.a5)
        schedule.choose(self.machine.hart)
        self.settle()
        self.machine.check()
        return -1 if done == 0 else begun

    def settle(self) -> None:
        """Whose wait was ended learns it, and stops."""
        machine = self.machine
        while machine.current is not self.root:
            assert machine.current is not None
            assert machine.result(machine.current).failure == (Status.CANCELLED, INVOKED)
            operate(machine, machine.current, index_of(machine, machine.current), Operation.SUSPEND)

    def waiting(self) -> list[int]:
        """The places of those who wait still."""
        return [place for place, each in enumerate(self.senders) if each.state in (State.SENDING, State.CALLING)]


@pytest.mark.parametrize("badge", [0, 3, 5, 9])
def test_who_sends_by_a_badge_is_cancelled(badge: int) -> None:
    queue = Queue(3, 0, 5, 3, 3, 0, 5)
    machine = queue.machine
    before = queue.waiting()
    assert len(before) == 7
    operate(machine, queue.root, boot.OWN_TABLE, Operation.CANCEL_SENDERS, queue.endpoint, badge)
    queue.settle()
    while id(queue.root) in machine.restarting:
        machine.enter(queue.root)
        queue.settle()
    machine.check()
    assert machine.result(queue.root).word == 0
    assert queue.waiting() == [place for place in before if queue.badges[place] != badge], "others wait on, in order"


def test_who_comes_while_senders_are_cancelled_isnt() -> None:
    """They come as fast as they can: it ends all the same."""
    queue = Queue(3, 3, 3)
    begun = queue.step(3, 0)
    steps = 1
    while begun != -1:
        queue.send(3)
        begun = queue.step(3, begun)
        steps += 1
        assert steps < 10
    assert queue.waiting() == list(range(3, len(queue.senders)))


def test_whoever_leaves_the_queue_in_between_leaves_the_rest_in_order() -> None:
    """Also who would have been looked at next: it is received, stopped, or ends."""
    queue = Queue(3, 5, 3, 5, 3)
    machine = queue.machine
    endpoint: Any = machine.slot(queue.endpoint).object
    begun = queue.step(3, 0)
    assert begun == 1 and queue.waiting() == [0, 1, 2, 3] and endpoint.cursor is queue.senders[3]
    machine.invoke(index_of(machine, queue.senders[3]), Operation.SUSPEND)
    machine.check()
    assert endpoint.cursor is queue.senders[2]
    machine.delete(index_of(machine, queue.senders[2]))
    machine.check()
    assert endpoint.cursor is queue.senders[1]
    assert queue.step(3, begun) == 1 and queue.waiting() == [1]
    assert queue.step(3, 1) == -1


def test_what_another_has_begun_is_finished_first() -> None:
    queue = Queue(3, 5, 3, 5)
    first = queue.step(3, 0)
    assert first == 1 and queue.waiting() == [0, 1, 3]
    second = queue.step(5, 0)
    assert second == 0 and queue.waiting() == [1, 3], "the other's senders come first"
    assert queue.step(5, 0) == 1 and queue.waiting() == [1], "then the own"
    assert queue.step(3, first) == -1, "the first is complete, though it wasn't there"
    assert queue.step(5, 1) == 1 and queue.step(5, 1) == -1 and queue.waiting() == []


def test_what_another_has_begun_with_the_same_badge_is_begun_anew() -> None:
    """Who had come since the other's call, which was never ended, was left in the queue."""
    queue = Queue(3, 3)
    assert queue.step(3, 0) == 1
    queue.send(3)
    begun = 0
    while begun != -1:
        begun = queue.step(3, begun)
    assert queue.waiting() == []


def test_an_endpoint_that_ends_in_between_ends_all_waits() -> None:
    queue = Queue(3, 5, 3)
    assert queue.step(3, 0) == 1
    operate(queue.machine, queue.root, boot.OWN_TABLE, Operation.DELETE, queue.endpoint)
    queue.settle()
    while id(queue.root) in queue.machine.restarting:
        queue.machine.enter(queue.root)
        queue.settle()
    queue.machine.check()
    assert queue.waiting() == [] and queue.machine.slot(queue.endpoint).object is None


def test_a_fault_report_is_cancelled_with_its_badge() -> None:
    """The thread goes on where it was, and faults again: its handler's capability has been revoked."""
    queue = Queue(3)
    machine = queue.machine
    number, thread = machine.spawn(PRIORITY + 3)
    operate(machine, thread, number, Operation.SUSPEND)
    assert machine.invoke(number, Operation.BIND, Binding.HANDLER.value, given=queue.slots[3]).word == 0
    operate(machine, queue.root, number, Operation.RESUME)
    machine.trap(thread, 2)
    assert machine.current is queue.root
    done = machine.invoke(boot.OWN_TABLE, Operation.REVOKE, queue.slots[3])
    assert done.word == 0 and machine.current is queue.root, "who waits isn't reached by REVOKE"
    registers = queue.root.registers
    registers.a2, registers.a3, registers.a5 = u64(queue.endpoint), u64(3), u64(0)
    assert captable.cancel_senders(machine.hart, registers, machine.table) == outcome.AGAIN
    assert schedule.choose(machine.hart) is thread and not thread.faulted
    machine.trap(thread, 2)
    machine.check()
    assert thread.state is State.STOPPED and queue.waiting() == [0]
