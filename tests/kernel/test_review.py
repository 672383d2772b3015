"""Mistakes that reading the kernel found, each as a small case."""

from __future__ import annotations

from typing import Any

import pytest

from neokernel import lang
from neokernel.abi import boot, call
from neokernel.abi.call import NEVER, NOW, Call, message
from neokernel.abi.fault import Fault, Resume
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding, Operation, Stop
from neokernel.abi.status import INVOKED, Status
from neokernel.kernel import captable, outcome
from neokernel.kernel.objects import Notification, State, Thread
from tests.kernel.support import ECALL, INTERRUPTS, PAGE, PRIORITY, TIMER, Machine, Result

u32, u64 = lang.u32, lang.u64

ILLEGAL_INSTRUCTION = 2


def word(label: int) -> int:
    return int(message(u64(label)))


def operate(machine: Machine, thread: Thread, capability: int, operation: Operation, *w: int) -> None:
    """An operation after which another thread may run."""
    machine.start(thread, Call.CALL, capability, word(operation.value), (*w, 0, 0, 0, 0)[:4], 0)


def held_thread(machine: Machine) -> tuple[int, Thread]:
    """A thread that a scheduler holds, ready to be dispatched."""
    index, thread = machine.spawn()
    (notification,) = machine.make(Kind.NOTIFICATION)
    assert machine.invoke(index, Operation.UNBIND, Binding.CONTEXT.value).word == 0
    assert machine.invoke(index, Operation.HOLD, given=notification).word == 0
    assert wants_time(thread), "it could run, and its scheduler is told"
    return index, thread


def wants_time(thread: Thread) -> bool:
    """Has its scheduler been told of it since it was asked last?"""
    notification = thread.scheduler
    assert notification is not None
    word, notification.word = notification.word, u64(0)
    return word != 0


def test_a_call_without_time_doesnt_stop_a_server_that_has_none_of_its_own() -> None:
    """The caller lost its context while it queued: the server took the call, and stood still for good."""
    machine = Machine()
    root = machine.boot()
    (endpoint,), (reply,) = machine.make(Kind.ENDPOINT), machine.make(Kind.REPLY)
    server = machine.serve(endpoint, reply, True)
    index, client = machine.spawn(PRIORITY + 5)
    operate(machine, client, index, Operation.SUSPEND)
    machine.start(root, Call.CALL, endpoint, word(1), (0, 0, 0, 0), 0)
    assert machine.current is server
    operate(machine, server, index, Operation.RESUME)
    machine.start(client, Call.CALL, endpoint, word(2), (0, 0, 0, 0), 0)
    assert client.state is State.CALLING and machine.current is server
    assert machine.invoke(index, Operation.UNBIND, Binding.CONTEXT.value).word == 0
    machine.start(server, Call.REPLY_RECEIVE, endpoint, word(3), (0, 0, 0, 0), reply)
    while id(server) in machine.restarting:
        machine.enter(server)
    machine.check()
    assert server.state is State.RECEIVING and machine.current is root
    assert machine.result(client).failure == (Status.WRONG_STATE, INVOKED)


def test_a_dispatch_ends_when_the_handler_stops_the_thread() -> None:
    """The dispatcher waited for good: the context came back to a thread that was stopped."""
    machine = Machine()
    root = machine.boot()
    (endpoint,), (reply,) = machine.make(Kind.ENDPOINT), machine.make(Kind.REPLY)
    handler = machine.serve(endpoint, reply, True)
    index, thread = held_thread(machine)
    assert machine.invoke(index, Operation.BIND, Binding.HANDLER.value, given=endpoint).word == 0
    operate(machine, root, index, Operation.DISPATCH, NEVER)
    assert machine.current is thread
    machine.trap(thread, ILLEGAL_INSTRUCTION)
    assert machine.current is handler and root.state is State.DISPATCHING
    machine.start(handler, Call.REPLY_RECEIVE, endpoint, word(Resume.STOP.value), (0, 0, 0, 0), reply)
    machine.check()
    assert thread.state is State.STOPPED and thread.context is None
    assert machine.current is root and machine.result(root).words[0] == Stop.STOPPED.value
    assert not wants_time(thread)


def test_a_dispatch_ends_when_the_handler_has_gone() -> None:
    machine = Machine()
    root = machine.boot()
    (endpoint,), (reply,) = machine.make(Kind.ENDPOINT), machine.make(Kind.REPLY)
    handler = machine.serve(endpoint, reply, True)
    index, thread = held_thread(machine)
    assert machine.invoke(index, Operation.BIND, Binding.HANDLER.value, given=endpoint).word == 0
    operate(machine, root, index, Operation.DISPATCH, NEVER)
    machine.trap(thread, ILLEGAL_INSTRUCTION)
    assert machine.current is handler
    operate(machine, handler, boot.OWN_TABLE, Operation.DELETE, reply)
    machine.check()
    assert thread.state is State.STOPPED and machine.current is root
    assert not wants_time(thread)


@pytest.mark.parametrize("answer", [Resume.RETRY, Resume.STOP])
def test_who_is_held_anew_during_a_fault_wants_time_if_it_goes_on(answer: Resume) -> None:
    """The time that its handler has is its former scheduler's, and goes back there."""
    machine = Machine()
    root = machine.boot()
    (endpoint,), (reply,) = machine.make(Kind.ENDPOINT), machine.make(Kind.REPLY)
    handler = machine.serve(endpoint, reply, True)
    index, thread = held_thread(machine)
    assert machine.invoke(index, Operation.BIND, Binding.HANDLER.value, given=endpoint).word == 0
    (bell,) = machine.make(Kind.NOTIFICATION)
    operate(machine, root, index, Operation.DISPATCH, NEVER)
    machine.trap(thread, ILLEGAL_INSTRUCTION)
    assert machine.current is handler and handler.context is root.home
    assert machine.invoke(index, Operation.RELEASE, thread=handler).word == 0
    assert machine.invoke(index, Operation.HOLD, given=bell, thread=handler).word == 0
    machine.start(handler, Call.REPLY_RECEIVE, endpoint, word(answer.value), (0, 0, 0, 0), reply)
    machine.tick(1)
    machine.check()
    assert machine.current is root and root.context is root.home
    assert thread.state is (State.RUNNABLE if answer is Resume.RETRY else State.STOPPED)
    assert wants_time(thread) is (answer is Resume.RETRY)


def test_no_budget_no_time() -> None:
    """A context that was never configured looked like a slice to the fast paths: they ran its thread."""
    machine = Machine()
    root = machine.boot()
    notification, context = machine.make(Kind.NOTIFICATION)[0], machine.make(Kind.SCHED_CONTEXT)[0]
    index, driver = machine.spawn(PRIORITY + 5)
    machine.start(driver, Call.WAIT, notification, 0, (NEVER, 0, 0, 0), 0)
    assert machine.invoke(INTERRUPTS, Operation.BIND_INTERRUPT, given=notification).word == 0
    assert machine.invoke(boot.PROCESSOR, Operation.SET_FLOOR, PRIORITY + 5, given=index).word == 0
    assert machine.invoke(index, Operation.UNBIND, Binding.CONTEXT.value).word == 0
    assert machine.invoke(index, Operation.BIND, Binding.CONTEXT.value, given=context).word == 0
    # It has run before, so that nothing else keeps the fast path away.
    assert driver.space.translation != 0
    machine.interrupt(1)
    machine.check()
    assert machine.current is root and driver.state is State.RUNNABLE


def test_memory_whose_objects_have_all_ended_is_cleared_ahead() -> None:
    """CLEAR counted what had been used before: it was refused, or in vain."""
    machine = Machine()
    machine.boot()
    (memory,) = machine.make(Kind.MEMORY, 4 * PAGE)
    (frame,) = machine.make(Kind.FRAME, memory=memory)
    assert machine.delete(frame).word == 0
    assert machine.invoke(memory, Operation.CLEAR, 4 * PAGE).status is Status.OK
    info = machine.invoke(memory, Operation.MEMORY_INFO)
    assert info.words[:3] == (4 * PAGE, 4 * PAGE, 4 * PAGE)
    machine.check()


def test_the_end_of_a_context_is_told_to_the_handler_of_who_runs_on_it() -> None:
    """A client that is deleted in the middle of a call took its server's time away, and nobody learned it."""
    machine = Machine()
    machine.boot()
    (faults,), (way_back,) = machine.make(Kind.ENDPOINT), machine.make(Kind.REPLY)
    handler = machine.serve(faults, way_back, False)
    (endpoint,), (reply,) = machine.make(Kind.ENDPOINT), machine.make(Kind.REPLY)
    server = machine.serve(endpoint, reply, True)
    (index,) = (each for each in range(machine.next_slot) if machine.slot(each).object is server)
    assert machine.invoke(index, Operation.BIND, Binding.HANDLER.value, given=faults).word == 0
    _, client = machine.spawn(PRIORITY + 5)
    machine.start(client, Call.CALL, endpoint, word(1), (0, 0, 0, 0), 0)
    assert machine.current is server and server.context is client.home
    context = server.context
    assert context is not None
    (owner,) = (each for each in range(machine.next_slot) if machine.slot(each).object is context)
    operate(machine, server, boot.OWN_TABLE, Operation.DELETE, owner)
    machine.check()
    assert server.context is None and server.taken == context.identifier and machine.current is machine.root
    machine.tick(1)
    machine.check()
    assert server.faulted and server.taken == 0 and machine.current is handler
    assert call.label_of(u64(machine.result(handler).word)) == Fault.BUDGET.value
    # It was in the middle of a system call, which it will enter again.
    assert machine.result(handler).words == (context.identifier, ECALL, 0, 0)
    assert server.registers.pc == ECALL


def test_the_end_of_a_context_ends_the_dispatch_on_it() -> None:
    """The thread kept a dispatcher that had gone on without it, or waited for good."""
    machine = Machine()
    root = machine.boot()
    scheduler_index, scheduler = machine.spawn(PRIORITY + 5)
    operate(machine, scheduler, scheduler_index, Operation.SUSPEND)
    index, thread = held_thread(machine)
    operate(machine, root, scheduler_index, Operation.RESUME)
    operate(machine, scheduler, index, Operation.DISPATCH, NEVER)
    assert machine.current is thread
    context = thread.context
    (owner,) = (each for each in range(machine.next_slot) if machine.slot(each).object is context)
    operate(machine, thread, boot.OWN_TABLE, Operation.DELETE, owner)
    machine.check()
    assert scheduler.state is State.RUNNABLE and thread.dispatcher is None and machine.current is root
    # For the thread it is no fault: it waits to be dispatched again.
    assert thread.state is State.RUNNABLE and not thread.faulted


def test_a_table_ends_with_the_device_space_that_pins_what_is_in_it() -> None:
    """The frame was in the way of the device space behind it: nobody could unpin it any more, and no table ended."""
    machine = Machine()
    root = machine.boot()
    (memory,) = machine.make(Kind.MEMORY, 16 * PAGE)
    (table,), (device,) = machine.make(Kind.CAP_TABLE, 8, 1, memory), machine.make(Kind.DMA_SPACE, 4, 1, memory)
    (frame,) = machine.make(Kind.FRAME, 0, 1, memory)
    assert machine.invoke(table, Operation.MOVE, 1, given=frame).word == 0
    assert machine.invoke(table, Operation.MOVE, 2, given=device).word == 0
    index, driver = machine.spawn(PRIORITY + 5)
    operate(machine, driver, index, Operation.SUSPEND)
    assert machine.invoke(index, Operation.UNBIND, Binding.TABLE.value).word == 0
    assert machine.invoke(index, Operation.BIND, Binding.TABLE.value, given=table).word == 0
    operate(machine, root, index, Operation.RESUME)
    assert machine.invoke(2, Operation.PIN, given=1, thread=driver).status is Status.OK
    machine.trap(driver, ILLEGAL_INSTRUCTION)
    assert machine.current is root and driver.state is State.STOPPED
    assert machine.delete(table).status is Status.OK
    assert machine.slot(table).object is None and machine.hart.dying is None
    whole: Any = machine.slot(memory).object
    assert whole.live == 0, "the table, the device space and the frame have ended"
    machine.check()


def dispatched_client(machine: Machine, deadline: int) -> tuple[Thread, Thread, Thread, int]:
    """A scheduler has dispatched a held thread, whose call a server without time of its own serves.

    Gives the scheduler, the thread, the server, and the Reply with which it receives.
    """
    root = machine.root
    (faults,), (way_back,) = machine.make(Kind.ENDPOINT), machine.make(Kind.REPLY)
    machine.serve(faults, way_back, False)
    (endpoint,), (reply,) = machine.make(Kind.ENDPOINT), machine.make(Kind.REPLY)
    server = machine.serve(endpoint, reply, True)
    (number,) = (each for each in range(machine.next_slot) if machine.slot(each).object is server)
    assert machine.invoke(number, Operation.BIND, Binding.HANDLER.value, given=faults).word == 0
    index, thread = held_thread(machine)
    operate(machine, root, index, Operation.DISPATCH, deadline)
    assert machine.current is thread
    machine.start(thread, Call.CALL, endpoint, word(1), (0, 0, 0, 0), 0)
    assert machine.current is server and server.context is root.home
    return root, thread, server, reply


def test_a_scheduler_gets_its_time_back_at_the_deadline_from_whoever_has_it() -> None:
    """A held thread that called a server which doesn't answer kept its scheduler's context for good."""
    machine = Machine()
    machine.boot()
    scheduler, thread, server, _ = dispatched_client(machine, 500)
    machine.tick(499)
    assert machine.current is server
    for _ in range(3):
        machine.tick(1)
    machine.check()
    assert scheduler.state is State.RUNNABLE and scheduler.context is scheduler.home
    assert machine.result(scheduler).words[0] == Stop.EXHAUSTED.value
    assert server.faulted and server.context is None
    assert thread.state is State.REPLIED and thread.dispatcher is None


def test_a_scheduler_gets_its_time_back_when_the_call_it_was_lent_with_breaks() -> None:
    """The call's server has lent it on, and has gone: nobody would have passed it back."""
    machine = Machine()
    machine.boot()
    (endpoint,), (another,) = machine.make(Kind.ENDPOINT), machine.make(Kind.REPLY)
    last = machine.serve(endpoint, another, True)
    scheduler, thread, server, reply = dispatched_client(machine, NEVER)
    machine.start(server, Call.CALL, endpoint, word(1), (0, 0, 0, 0), 0)
    assert machine.current is last
    assert not wants_time(thread)
    operate(machine, last, boot.OWN_TABLE, Operation.DELETE, reply)
    for _ in range(3):
        machine.tick(1)
    machine.check()
    assert machine.current is scheduler and scheduler.context is scheduler.home
    assert wants_time(thread), "it can run, with the news that its call has failed"
    assert thread.state is State.RUNNABLE and thread.context is None and last.context is None


def test_a_scheduler_gets_its_time_back_when_nobody_has_it() -> None:
    """The held thread was released, its call's server waits for others: both were nobody, and so thought the same."""
    machine = Machine()
    machine.boot()
    _, other = machine.spawn(PRIORITY - 1)
    (elsewhere,) = machine.make(Kind.ENDPOINT)
    scheduler, thread, server, _ = dispatched_client(machine, NEVER)
    (held,) = (number for number in range(machine.next_slot) if machine.slot(number).object is thread)
    machine.start(server, Call.RECEIVE, elsewhere, 0, (NEVER, 0, 0, 0), 0)
    assert machine.current is other
    operate(machine, other, held, Operation.RELEASE)
    for _ in range(3):
        machine.tick(1)
    machine.check()
    assert scheduler.state is State.RUNNABLE and scheduler.context is scheduler.home
    assert thread.state is State.REPLIED and server.state is State.RECEIVING


def test_a_scheduler_learns_nothing_but_that_its_time_was_up() -> None:
    """Its deadline came while the thread had lent the time on."""
    machine = Machine()
    machine.boot()
    scheduler, _, server, _ = dispatched_client(machine, 500)
    machine.tick(500)
    machine.check()
    assert server.context is not scheduler.home and scheduler.state is State.RUNNABLE
    assert machine.result(scheduler) == Result(0, 0, (Stop.EXHAUSTED.value, 0, 0, 0))


def test_a_dispatched_client_goes_on_with_its_time_when_its_call_breaks() -> None:
    """It has it back, though not at once: somebody more important is running."""
    machine = Machine()
    machine.boot()
    (bell,) = machine.make(Kind.NOTIFICATION)
    _, stopper = machine.spawn(PRIORITY + 1)
    machine.start(stopper, Call.WAIT, bell, 0, (300, 0, 0, 0), 0)
    scheduler, thread, server, reply = dispatched_client(machine, NEVER)
    machine.tick(300)
    assert machine.current is stopper
    operate(machine, stopper, boot.OWN_TABLE, Operation.DELETE, reply)
    machine.start(stopper, Call.WAIT, bell, 0, (NEVER, 0, 0, 0), 0)
    machine.check()
    assert machine.current is thread and scheduler.state is State.DISPATCHING
    assert thread.context is scheduler.home and server.context is None
    assert machine.result(thread).failure == (Status.PEER_DIED, INVOKED)


def test_only_who_has_a_context_of_its_own_can_dispatch() -> None:
    """A held scheduler's dispatch had a deadline of its own, later than that of who had dispatched it."""
    machine = Machine()
    root = machine.boot()
    outer, scheduler = held_thread(machine)
    inner, thread = held_thread(machine)
    operate(machine, root, outer, Operation.DISPATCH, 500)
    assert machine.current is scheduler
    operate(machine, scheduler, inner, Operation.DISPATCH, NEVER)
    machine.check()
    assert machine.current is scheduler and thread.context is None
    assert machine.result(scheduler).failure == (Status.WRONG_STATE, INVOKED)


def test_time_used_up_in_a_server_is_a_fault_however_it_is_noticed() -> None:
    """Noticed at a change of threads, instead of by the timer, it was only waited for."""
    machine = Machine()
    root = machine.boot()
    (faults,), (way_back,) = machine.make(Kind.ENDPOINT), machine.make(Kind.REPLY)
    handler = machine.serve(faults, way_back, False)
    (endpoint,), (reply,) = machine.make(Kind.ENDPOINT), machine.make(Kind.REPLY)
    server = machine.serve(endpoint, reply, True)
    (index,) = (each for each in range(machine.next_slot) if machine.slot(each).object is server)
    assert machine.invoke(index, Operation.BIND, Binding.HANDLER.value, given=faults).word == 0
    (notification,) = machine.make(Kind.NOTIFICATION)
    _, driver = machine.spawn(PRIORITY + 9)
    machine.start(driver, Call.WAIT, notification, 0, (NEVER, 0, 0, 0), 0)
    assert machine.invoke(INTERRUPTS, Operation.BIND_INTERRUPT, given=notification).word == 0
    _, client = machine.spawn(PRIORITY + 5)
    machine.start(client, Call.CALL, endpoint, word(1), (0, 0, 0, 0), 0)
    assert machine.current is server and server.context is client.home and root.state is State.RUNNABLE
    # The driver comes at the very moment at which the client's time is used up.
    machine.hart.cpu.time += u64(2000)
    machine.interrupt(1)
    assert machine.current is driver
    machine.start(driver, Call.WAIT, notification, 0, (NEVER, 0, 0, 0), 0)
    machine.tick(0)
    machine.check()
    assert server.faulted and machine.current is handler
    report, context = machine.result(handler), client.home
    assert context is not None and call.label_of(u64(report.word)) == Fault.BUDGET.value
    assert report.words == (context.identifier, server.registers.pc, 0, 0)


def test_a_context_that_is_unbound_while_it_is_lent_doesnt_come_back() -> None:
    """The reply brought it all the same: the thread ran on, on time that wasn't its own any more."""
    machine = Machine()
    root = machine.boot()
    (endpoint,), (reply,) = machine.make(Kind.ENDPOINT), machine.make(Kind.REPLY)
    server = machine.serve(endpoint, reply, True)
    index, client = machine.spawn(PRIORITY + 5)
    context = client.home
    machine.start(client, Call.CALL, endpoint, word(1), (0, 0, 0, 0), 0)
    assert machine.current is server and server.context is context
    operate(machine, server, index, Operation.UNBIND, Binding.CONTEXT.value)
    machine.check()
    assert machine.current is root and server.context is None and server.state is State.RUNNABLE


def test_a_schedulers_context_that_is_unbound_during_a_dispatch_ends_it() -> None:
    machine = Machine()
    machine.boot()
    scheduler_index, scheduler = machine.spawn(PRIORITY + 5)
    operate(machine, scheduler, scheduler_index, Operation.SUSPEND)
    index, thread = held_thread(machine)
    operate(machine, machine.root, scheduler_index, Operation.RESUME)
    operate(machine, scheduler, index, Operation.DISPATCH, NEVER)
    assert machine.current is thread
    operate(machine, thread, scheduler_index, Operation.UNBIND, Binding.CONTEXT.value)
    machine.check()
    assert machine.current is machine.root and thread.context is None and thread.dispatcher is None
    assert scheduler.state is State.RUNNABLE and scheduler.context is None


class Chain:
    """A client's time that a server has lent on, and then it got other time.

    `client` has called `server`, which has called `last`; there it was interrupted, and goes on without time.
    """

    def __init__(self, machine: Machine, held: bool) -> None:
        self.ends, self.replies = machine.make(Kind.ENDPOINT, 0, 3), machine.make(Kind.REPLY, 0, 3)
        self.scheduler, *self.signals = machine.make(Kind.NOTIFICATION, 0, 3)
        for number, notification in enumerate(self.signals):
            bound = machine.invoke(INTERRUPTS + number, Operation.BIND_INTERRUPT, given=notification)
            assert bound.word == 0
        self.server, self.last, self.other = (
            machine.serve(endpoint, reply, True) for endpoint, reply in zip(self.ends, self.replies, strict=True)
        )
        (self.index,) = (each for each in range(machine.next_slot) if machine.slot(each).object is self.server)
        if held:
            assert machine.invoke(self.index, Operation.HOLD, given=self.scheduler).word == 0
        _, self.client = machine.spawn(PRIORITY + 5)
        machine.start(self.client, Call.CALL, self.ends[0], word(1), (0, 0, 0, 0), 0)
        machine.start(self.server, Call.CALL, self.ends[1], word(1), (0, 0, 0, 0), 0)
        assert machine.current is self.last
        operate(machine, self.last, self.index, Operation.SUSPEND)
        operate(machine, self.last, self.index, Operation.RESUME)

    def bring_back(self, machine: Machine) -> None:
        """The server lends its other time to `other`, `last` passes on the client's; then the other time comes back."""
        time = self.server.context
        machine.start(self.server, Call.CALL, self.ends[2], word(1), (0, 0, 0, 0), 0)
        assert machine.current is self.other and self.other.context is time
        machine.interrupt(1)
        assert machine.current is self.last
        machine.start(self.last, Call.RECEIVE, self.ends[1], 0, (NEVER, 0, 0, 0), self.replies[1])
        machine.check()
        assert machine.current is self.other
        machine.start(self.other, Call.REPLY_RECEIVE, self.ends[2], word(1), (0, 0, 0, 0), self.replies[2])
        machine.check()
        assert machine.current is self.server and self.server.context is time
        # The client's waits in the Reply, by which it goes back.
        machine.start(self.server, Call.REPLY, 0, word(1), (0, 0, 0, 0), self.replies[0])
        machine.check()
        assert self.client.state is State.RUNNABLE and self.client.context is self.client.home
        assert self.server.context is time


def test_a_server_that_got_time_of_its_own_doesnt_get_its_clients_too() -> None:
    """One took the other's place while that said it was the server's: what ended later left a reference to nothing."""
    machine = Machine()
    machine.boot()
    (own,) = machine.make(Kind.SCHED_CONTEXT)
    assert machine.invoke(boot.PROCESSOR, Operation.CONFIGURE, PRIORITY + 2, 2000, 10_000, given=own).word == 0
    chain = Chain(machine, False)
    machine.name(chain.last, own)
    bind = int(message(u64(Operation.BIND.value), u64(0), u64(1)))
    machine.start(chain.last, Call.CALL, chain.index, bind, (Binding.CONTEXT.value, 0, 0, 0), 0)
    machine.start(chain.last, Call.WAIT, chain.signals[0], 0, (NEVER, 0, 0, 0), 0)
    assert machine.current is chain.server and chain.server.context is chain.server.home
    chain.bring_back(machine)


def test_a_server_that_was_dispatched_doesnt_get_its_clients_time_too() -> None:
    """The same with a dispatcher's time."""
    machine = Machine()
    root = machine.boot()
    chain = Chain(machine, True)
    machine.start(chain.last, Call.WAIT, chain.signals[0], 0, (NEVER, 0, 0, 0), 0)
    operate(machine, root, chain.index, Operation.DISPATCH, NEVER)
    assert machine.current is chain.server and chain.server.context is root.home
    chain.bring_back(machine)


def test_a_held_server_that_goes_on_with_its_clients_time_has_no_need_of_its_scheduler() -> None:
    """It has what was another scheduler's, until the timer takes that back; then it has its client's, at once."""
    machine = Machine()
    root = machine.boot()
    chain = Chain(machine, True)
    server, other, (last, _) = chain.server, chain.other, chain.signals
    machine.start(chain.last, Call.WAIT, last, 0, (NEVER, 0, 0, 0), 0)
    operate(machine, root, chain.index, Operation.DISPATCH, NEVER)
    machine.start(server, Call.CALL, chain.ends[2], word(1), (0, 0, 0, 0), 0)
    machine.interrupt(1)
    machine.start(chain.last, Call.RECEIVE, chain.ends[1], 0, (NEVER, 0, 0, 0), chain.replies[1])
    # The client's time waits; the scheduler's comes back with the answer, though nobody holds the server now.
    assert machine.invoke(chain.index, Operation.RELEASE, thread=other).word == 0
    machine.start(other, Call.REPLY_RECEIVE, chain.ends[2], word(1), (0, 0, 0, 0), chain.replies[2])
    assert machine.current is server and server.context is root.home
    assert machine.invoke(chain.index, Operation.HOLD, given=chain.scheduler, thread=server).word == 0
    assert machine.call(Call.WAIT, chain.scheduler, 0, (NOW, 0, 0, 0), thread=server).badge == 1
    machine.tick(1)
    machine.check()
    assert server.context is chain.client.home and machine.current is server
    notification: Any = machine.slot(chain.scheduler).object
    assert notification.word == 0 and root.context is root.home


def test_a_slice_that_ends_while_somebody_else_comes_gives_others_a_turn_all_the_same() -> None:
    """Who signalled somebody more important at its slice's end got a new one, and nobody of its priority ever ran."""
    machine = Machine()
    root = machine.boot()
    (notification,) = machine.make(Kind.NOTIFICATION)
    _, helper = machine.spawn(PRIORITY + 1)
    machine.start(helper, Call.WAIT, notification, 0, (NEVER, 0, 0, 0), 0)
    _, rival = machine.spawn(PRIORITY)
    for thread, priority in ((helper, PRIORITY + 1), (rival, PRIORITY)):
        (context,) = (each for each in range(machine.next_slot) if machine.slot(each).object is thread.home)
        done = machine.invoke(boot.PROCESSOR, Operation.CONFIGURE, priority, 10_000, 10_000, given=context)
        assert done.word == 0
    assert machine.current is root and rival.ready
    machine.hart.cpu.time = machine.hart.budget_end
    machine.start(root, Call.SIGNAL, notification, 0, (0, 0, 0, 0), 0)
    assert machine.current is helper
    machine.start(helper, Call.WAIT, notification, 0, (NEVER, 0, 0, 0), 0)
    machine.tick(0)
    machine.check()
    assert machine.current is rival
    machine.tick(9_999)
    assert machine.current is rival
    machine.tick(1)
    assert machine.current is root
    machine.tick(9_999)
    assert machine.current is root


def test_a_schedulers_time_that_waits_in_a_reply_isnt_lost_between_two_steps_of_its_deadline() -> None:
    """The deadline's first step made the call forget it; a scheduler that was suspended then never ran again."""
    machine = Machine()
    root = machine.boot()
    called, other = machine.make(Kind.ENDPOINT, 0, 2)
    replies = machine.make(Kind.REPLY, 0, 2)
    server = machine.serve(called, replies[0], True)
    scheduler_index, scheduler = machine.spawn(PRIORITY + 5)
    operate(machine, scheduler, scheduler_index, Operation.SUSPEND)
    index, thread = held_thread(machine)
    operate(machine, root, scheduler_index, Operation.RESUME)
    operate(machine, scheduler, index, Operation.DISPATCH, 1000)
    machine.start(thread, Call.CALL, called, word(1), (0, 0, 0, 0), 0)
    assert machine.current is server and server.context is scheduler.home
    # It takes other work without an answer: the time that it was lent waits in the Reply.
    machine.start(server, Call.RECEIVE, other, 0, (NEVER, 0, 0, 0), replies[1])
    assert machine.current is root and scheduler.home is not None and scheduler.home.thread is None
    processor = machine.hart.cpu
    processor.time = u64(1000)
    # A device comes between two steps, after those that the wheel takes to get there.
    processor.line, processor.unseen = lang.u32(1), u64(3)
    machine.trap(root, TIMER)
    machine.interrupt(1)
    machine.check()
    assert machine.current is root and scheduler.state is State.DISPATCHING, "another step is to come"
    operate(machine, root, scheduler_index, Operation.SUSPEND)
    operate(machine, root, scheduler_index, Operation.RESUME)
    machine.check()
    assert machine.current is scheduler and scheduler.context is scheduler.home


def test_all_timers_that_are_due_end_in_an_interrupt_unless_a_device_wants_something() -> None:
    """Each was an interrupt of its own. But all in one would take longer than the kernel promises devices."""
    machine = Machine()
    root = machine.boot()
    (notification,) = machine.make(Kind.NOTIFICATION)
    sleepers = []
    for _ in range(5):
        sleepers.append(machine.spawn(PRIORITY + 1)[1])
        machine.start(sleepers[-1], Call.WAIT, notification, 0, (10_000, 0, 0, 0), 0)
    assert machine.current is root and machine.hart.budget_end == 10_000
    processor = machine.hart.cpu
    processor.time = u64(10_000)
    # A device comes between two steps, of which the first leads to the bucket; at the entry it hasn't come yet.
    processor.line, processor.unseen = lang.u32(1), u64(5)
    machine.trap(root, TIMER)
    machine.check()
    assert [sleeper.state for sleeper in sleepers].count(State.RUNNABLE) == 3
    current = machine.hart.current
    assert current in sleepers and processor.timer <= 10_000, "the timer stays pending"
    machine.interrupt(1)
    assert processor.line == 0
    current = machine.hart.current
    assert current is not None
    machine.trap(current, TIMER)
    machine.check()
    assert {sleeper.state for sleeper in sleepers} == {State.RUNNABLE}
    assert root.ready and machine.current in sleepers


def test_dying_tables_that_wait_for_each_other_in_a_long_chain_are_emptied_at_last() -> None:
    """A step went along 64 of them, and the next one began at the first again: what was longer could not be deleted."""
    machine = Machine()
    machine.boot()
    length = 70
    memories = [machine.make(Kind.MEMORY, 4 * PAGE)[0] for _ in range(length)]
    tables = machine.make(Kind.CAP_TABLE, 4, memory=memories[0])
    for memory in memories[1:]:
        assert machine.invoke(tables[-1], Operation.COPY, 0, 511, 0, given=memory).status is Status.OK
        copy, machine.next_slot = machine.next_slot, machine.next_slot + 1
        machine.window(copy, 1)
        assert machine.invoke(tables[-1], Operation.COPY_OUT, 0, 511).status is Status.OK
        tables += machine.make(Kind.CAP_TABLE, 4, memory=copy)
    machine.hart.cpu.pending = True
    registers = machine.root.registers
    for table in reversed(tables):
        registers.a2, registers.a5 = u64(table), u64(0)
        assert captable.revoke(machine.hart, machine.root, machine.slot(table), True) == outcome.AGAIN
    registers.a2, registers.a5 = u64(memories[0]), u64(0)
    for _ in range(6 * length * length):
        if captable.revoke_some(machine.hart, registers, machine.slot(memories[0]), True) != outcome.AGAIN:
            break
    assert machine.slot(memories[0]).object is None and machine.hart.dying is None
    machine.check()


def test_a_device_comes_before_a_timer_whatever_the_processor_reports() -> None:
    """QEMU reports the timer while a device waits: the kernel took neither, and never came out again."""
    machine = Machine()
    root = machine.boot()
    lines, never = machine.make(Kind.NOTIFICATION, 0, 2)
    assert machine.invoke(INTERRUPTS, Operation.BIND_INTERRUPT, given=lines).word == 0
    _, late = machine.spawn(PRIORITY + 1)
    machine.start(late, Call.WAIT, never, 0, (int(machine.hart.cpu.time) + 10, 0, 0, 0), 0)
    assert machine.current is root
    machine.hart.cpu.line = u32(1)
    machine.tick(10)
    kept = machine.slot(lines).object
    assert isinstance(kept, Notification) and kept.word == 1 and machine.hart.lines[0].pending
    assert machine.current is late and machine.result(late).status is Status.TIMED_OUT
    machine.check()
