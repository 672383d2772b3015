"""Messages: calls, replies, what travels, and that the fast path is no other path."""

from __future__ import annotations

import pytest

from neokernel.abi import boot
from neokernel.abi.buffer import MOVE
from neokernel.abi.call import FAULT_BIT, GIVEN_BIT, NEVER, SIGNALS_BIT, Call, message
from neokernel.abi.fault import Fault
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding, Operation
from neokernel.abi.rights import ALL
from neokernel.abi.status import INVOKED, REPLY, TRAVELLING, WINDOW, Status
from neokernel.abi.trace import Event
from neokernel.kernel.objects import State, Thread, Trace
from neokernel.kernel.placement import trace_header, trace_record
from neokernel.lang import u32, u64
from tests.kernel.support import ECALL, PRIORITY, Machine, Result

#: a load of a page that isn't there (privileged specification, `scause`)
PAGE_FAULT = 13


class Pair:
    """The root as client, and a server behind a badged endpoint."""

    def __init__(self, fast: bool, passive: bool) -> None:
        self.machine = machine = Machine(1 << 22)
        machine.boot()
        machine.fast = fast
        (self.endpoint,) = machine.make(Kind.ENDPOINT)
        (self.reply,) = machine.make(Kind.REPLY)
        self.badged = machine.next_slot
        machine.next_slot += 1
        done = machine.invoke(1, Operation.COPY, self.badged, int(ALL), 77, given=self.endpoint)
        assert done.word == 0
        self.client = machine.root
        self.server: Thread = machine.serve(self.endpoint, self.reply, passive)

    def call(self, word: int, *w: int) -> None:
        self.machine.start(self.client, Call.CALL, self.badged, word, w, 0)

    def answer(self, word: int, *w: int) -> None:
        self.machine.start(self.server, Call.REPLY_RECEIVE, self.endpoint, word, w, self.reply)


def word(label: int, length: int = 0, capabilities: int = 0) -> int:
    return int(message(u64(label), u64(length), u64(capabilities)))


@pytest.mark.parametrize("passive", [False, True])
@pytest.mark.parametrize("fast", [False, True])
def test_a_call_and_its_reply(fast: bool, passive: bool) -> None:
    pair = Pair(fast, passive)
    machine = pair.machine
    for round_ in range(3):
        pair.call(word(5, 4), 1, 2, 3, round_)
        machine.check()
        taken = fast and not pair.client.registers.general
        assert taken == (fast and passive), "the fast path is for servers that run on their clients' time"
        assert machine.current is pair.server and pair.client.state is State.REPLIED
        got = machine.result(pair.server)
        assert (got.badge, got.word, got.words) == (77, word(5, 4), (1, 2, 3, round_))
        pair.answer(word(9, 2), 10, 20, 0, 0)
        machine.check()
        assert machine.current is pair.client and pair.server.state is State.RECEIVING
        back = machine.result(pair.client)
        assert (back.badge, back.word, back.words[:2]) == (0, word(9, 2), (10, 20))
        assert (pair.server.context is None) == passive


def test_a_server_on_its_clients_time_takes_messages_without_calls() -> None:
    """While it serves: it has time to go on with, and needn't have any of its own."""
    pair = Pair(False, True)
    machine = pair.machine
    (inbox,) = machine.make(Kind.ENDPOINT)
    sender = machine.spawn(PRIORITY + 1)[1]
    machine.start(sender, Call.SEND, inbox, word(8, 4), (1, 2, 3, 4), 0)
    waits = sender.state
    assert waits is State.SENDING
    pair.call(word(5), 0, 0, 0, 0)
    machine.start(pair.server, Call.RECEIVE, inbox, 0, (NEVER, 0, 0, 0), 0)
    machine.check()
    got = machine.result(pair.server)
    assert (got.word, got.words) == (word(8, 4), (1, 2, 3, 4)) and sender.state is State.RUNNABLE
    assert machine.result(sender).word == 0


@pytest.mark.parametrize("passive", [False, True])
@pytest.mark.parametrize("fast", [False, True])
def test_a_server_that_gives_its_clients_time_back_takes_no_message_without_it(fast: bool, passive: bool) -> None:
    """One that waited while it served is refused; a server with time of its own takes it."""
    pair = Pair(fast, passive)
    machine, server = pair.machine, pair.server
    (bell,) = machine.make(Kind.NOTIFICATION)
    sender = machine.spawn(PRIORITY + 5)[1]
    machine.start(sender, Call.WAIT, bell, 0, (NEVER, 0, 0, 0), 0)
    pair.call(word(5), 0, 0, 0, 0)
    machine.start(server, Call.SIGNAL, bell, 0, (0, 0, 0, 0), 0)
    machine.start(sender, Call.SEND, pair.endpoint, word(8, 4), (1, 2, 3, 4), 0)
    assert machine.current is server and sender.endpoint is not None
    pair.answer(word(9, 1), 7, 0, 0, 0)
    machine.check()
    if passive:
        assert machine.current is sender and machine.result(sender).failure == (Status.WRONG_STATE, INVOKED)
        machine.start(sender, Call.WAIT, bell, 0, (NEVER, 0, 0, 0), 0)
        assert machine.current is server
        machine.enter(server)
        machine.check()
        assert server.state is State.RECEIVING and server.context is None
    else:
        assert machine.result(sender).failure == (Status.OK, 0)
        assert machine.result(server) == Result(0, word(8, 4), (1, 2, 3, 4))
    assert pair.client.state is State.RUNNABLE and machine.result(pair.client).words[0] == 7


@pytest.mark.parametrize("lacks", ["handler", "thread", "neither"])
@pytest.mark.parametrize("waiting", ["handler", "thread"])
def test_a_fault_is_told_without_buffers(waiting: str, lacks: str) -> None:
    """All of it is in registers, and those that there are aren't used; whoever comes first, and waits for the other."""
    machine = Machine(1 << 22)
    root = machine.boot()
    (endpoint,), (reply,) = machine.make(Kind.ENDPOINT), machine.make(Kind.REPLY)
    index, thread = machine.spawn(PRIORITY + (1 if waiting == "thread" else -1))
    bound = machine.invoke(index, Operation.BIND, Binding.HANDLER.value, given=endpoint)
    assert bound.word == 0
    if lacks != "neither":
        without = boot.OWN_THREAD if lacks == "handler" else index
        assert machine.invoke(without, Operation.UNBIND, Binding.BUFFER.value).word == 0
    buffer = root.buffer
    if buffer is not None:
        buffer.arrived.store(u32(3))
    if waiting == "thread":
        machine.trap(thread, PAGE_FAULT, 0xDEAD_0000)
        assert machine.current is root and thread.state is State.CALLING
    machine.start(root, Call.RECEIVE, endpoint, 0, (NEVER, 0, 0, 0), reply)
    if waiting == "handler":
        machine.trap(thread, PAGE_FAULT, 0xDEAD_0000)
    machine.check()
    assert machine.current is root and thread.state is State.REPLIED and thread.faulted
    got = machine.result(root)
    assert (got.word, got.words[0]) == (word(Fault.PAGE.value, 4) | FAULT_BIT, 0xDEAD_0000)
    assert buffer is None or buffer.arrived.load() == 3


def test_who_gave_up_a_call_has_its_time_back_when_the_server_is_done() -> None:
    """It was stopped meanwhile, and goes on when it is resumed."""
    pair = Pair(False, True)
    machine = pair.machine
    index, caller = machine.spawn(PRIORITY + 1)
    time = caller.context
    machine.start(caller, Call.CALL, pair.badged, word(5), (0, 0, 0, 0), 0)
    assert machine.current is pair.server and pair.server.context is time is not None
    assert machine.invoke(index, Operation.SUSPEND, thread=pair.server).word == 0
    machine.start(pair.server, Call.RECEIVE, pair.endpoint, 0, (NEVER, 0, 0, 0), pair.reply)
    machine.check()
    assert machine.current is machine.root and caller.context is time and pair.server.context is None
    machine.start(machine.root, Call.CALL, index, word(Operation.RESUME.value), (0, 0, 0, 0), 0)
    assert machine.current is caller


def test_a_server_that_gave_up_a_call_has_its_clients_time_back() -> None:
    """As long as it serves the client, that time is its own, also if it was lent on and the call has broken."""
    pair = Pair(False, True)
    machine, first = pair.machine, pair.server
    (deep,), (way_back,) = machine.make(Kind.ENDPOINT), machine.make(Kind.REPLY)
    second, helper = machine.serve(deep, way_back, True), machine.spawn()[1]
    place = next(index for index in range(machine.next_slot) if machine.slot(index).object is first)
    time = pair.client.context
    pair.call(word(1), 0, 0, 0, 0)
    machine.start(first, Call.CALL, deep, word(2), (0, 0, 0, 0), 0)
    assert machine.current is second and second.context is time
    assert machine.invoke(place, Operation.SUSPEND, thread=second).word == 0
    machine.start(second, Call.RECEIVE, deep, 0, (NEVER, 0, 0, 0), way_back)
    machine.check()
    assert machine.current is helper and first.context is time and second.context is None
    machine.start(helper, Call.CALL, place, word(Operation.RESUME.value), (0, 0, 0, 0), 0)
    assert machine.current is first


@pytest.mark.parametrize("passive", [False, True])
@pytest.mark.parametrize("fast", [False, True])
def test_two_servers_in_a_chain(fast: bool, passive: bool) -> None:
    pair = Pair(fast, passive)
    machine = pair.machine
    (deep,), (way_back,) = machine.make(Kind.ENDPOINT), machine.make(Kind.REPLY)
    second = machine.serve(deep, way_back, passive)
    pair.call(word(1), 0, 0, 0, 0)
    machine.start(pair.server, Call.CALL, deep, word(2), (0, 0, 0, 0), 0)
    machine.check()
    assert machine.current is second
    machine.start(second, Call.REPLY_RECEIVE, deep, word(3), (0, 0, 0, 0), way_back)
    machine.check()
    assert machine.current is pair.server and machine.result(pair.server).word == word(3)
    pair.answer(word(4), 0, 0, 0, 0)
    machine.check()
    assert machine.current is pair.client and pair.client.context is pair.client.home


def test_long_messages_and_capabilities() -> None:
    pair = Pair(True, True)
    machine = pair.machine
    assert pair.client.buffer is not None and pair.server.buffer is not None
    pair.client.buffer.words[0], pair.client.buffer.words[507] = u64(11), u64(12)
    first, second = machine.make(Kind.NOTIFICATION, 0, 2)
    machine.name(pair.client, first, second | MOVE)
    machine.window(60, 2, pair.server)
    pair.call(word(1, 512, 2), 0, 0, 0, 0)
    machine.check()
    assert machine.current is pair.server
    assert pair.server.buffer.words[0] == 11 and pair.server.buffer.words[507] == 12
    assert pair.server.buffer.arrived.load() == 2
    assert machine.slot(60).parent is machine.slot(first), "the first was copied"
    assert machine.slot(second).object is None and machine.slot(61).object is not None, "the second was moved"


@pytest.mark.parametrize("number", [Call.SEND, Call.CALL])
def test_a_long_message_that_waited_arrives_whole(number: Call) -> None:
    machine = Machine(1 << 22)
    root = machine.boot()
    (endpoint,), (reply,) = machine.make(Kind.ENDPOINT), machine.make(Kind.REPLY)
    first, second = machine.make(Kind.NOTIFICATION, 0, 2)
    _, sender = machine.spawn(PRIORITY + 1)
    assert root.buffer is not None and sender.buffer is not None
    sender.buffer.words[0], sender.buffer.words[507] = u64(11), u64(12)
    machine.name(sender, first, second | MOVE)
    machine.start(sender, number, endpoint, word(8, 512, 2), (1, 2, 3, 4), 0)
    assert machine.current is root
    machine.window(60, 2)
    machine.start(root, Call.RECEIVE, endpoint, 0, (NEVER, 0, 0, 0), reply)
    machine.check()
    assert sender.state is (State.RUNNABLE if number is Call.SEND else State.REPLIED)
    assert machine.result(root) == Result(0, word(8, 512, 2), (1, 2, 3, 4))
    assert (root.buffer.words[0], root.buffer.words[507], root.buffer.arrived.load()) == (11, 12, 2)
    assert machine.slot(60).parent is machine.slot(first), "the first was copied"
    assert machine.slot(second).object is None and machine.slot(61).object is not None, "the second was moved"


def test_a_message_in_registers_that_waited_leaves_the_receivers_buffer_alone() -> None:
    """`arrived` is of the last message that was more."""
    machine = Machine(1 << 22)
    root = machine.boot()
    (endpoint,) = machine.make(Kind.ENDPOINT)
    _, sender = machine.spawn(PRIORITY + 1)
    assert root.buffer is not None
    root.buffer.arrived.store(u32(3))
    machine.start(sender, Call.SEND, endpoint, word(8, 4), (1, 2, 3, 4), 0)
    machine.start(root, Call.RECEIVE, endpoint, 0, (NEVER, 0, 0, 0), 0)
    machine.check()
    assert machine.result(root).word == word(8, 4) and root.buffer.arrived.load() == 3


@pytest.mark.parametrize("then", [Call.REPLY, Call.REPLY_RECEIVE])
def test_a_long_answer_is_given_at_once(then: Call) -> None:
    """In one step, if no interrupt comes meanwhile."""
    pair = Pair(True, False)
    machine, client, server = pair.machine, pair.client, pair.server
    assert client.buffer is not None and server.buffer is not None
    pair.call(word(1), 0, 0, 0, 0)
    server.buffer.words[0] = u64(11)
    machine.start(server, then, pair.endpoint, word(9, 5), (1, 2, 3, 4), pair.reply)
    machine.check()
    assert server.registers.pc == ECALL + 4 and client.state is State.RUNNABLE
    assert server.state is (State.RUNNABLE if then is Call.REPLY else State.RECEIVING)
    assert (machine.result(client).word, client.buffer.words[0]) == (word(9, 5), 11)


@pytest.mark.parametrize("label", [8, 9])
def test_of_an_answer_that_an_interrupt_cuts_in_two_nothing_is_lost(label: int) -> None:
    """Neither of what is recorded, nor of the server's registers: they say besides that it has been given."""
    pair = Pair(True, False)
    machine, server = pair.machine, pair.server
    (index,) = machine.make(Kind.TRACE, 1)
    assert machine.invoke(index, Operation.TRACE_START, 1 << Event.REPLY.value).word == 0
    pair.call(word(1), 0, 0, 0, 0)
    processor = machine.hart.cpu
    processor.pending, processor.unseen = True, u64(1)
    machine.start(server, Call.REPLY, 0, word(label, 5), (1, 2, 3, 4), pair.reply)
    processor.pending = False
    assert server.registers.a1 == word(label, 5) | GIVEN_BIT
    machine.enter(server)
    assert machine.result(pair.client).word == word(label, 5) and machine.result(server).word == 0
    trace = machine.slot(index).object
    assert isinstance(trace, Trace)
    records = [trace_record(trace, u64(number)) for number in range(int(trace_header(trace).written))]
    assert [each.b for each in records if each.event == Event.REPLY.value] == [word(label, 5)]


@pytest.mark.parametrize("passive", [False, True])
@pytest.mark.parametrize("then", ["answered again", "caller suspended", "reply deleted"])
def test_an_interrupt_comes_while_a_long_answer_is_given(passive: bool, then: str) -> None:
    """The caller has it, and yet waits: whatever ends its wait, it has got this answer, and once."""
    pair = Pair(True, passive)
    machine, client, server = pair.machine, pair.client, pair.server
    assert client.buffer is not None and server.buffer is not None
    (given,) = machine.make(Kind.NOTIFICATION)
    pair.call(word(1), 0, 0, 0, 0)
    server.buffer.words[0] = u64(11)
    machine.name(server, given)
    machine.window(60, 1, client)
    cpu = machine.hart.cpu
    cpu.pending, cpu.unseen = True, u64(1)
    pair.answer(word(9, 5, 1), 1, 2, 3, 4)
    cpu.pending = False
    machine.check()
    assert (client.state, machine.current, server.registers.pc) == (State.ANSWERED, server, ECALL)
    assert machine.slot(60).parent is machine.slot(given)
    match then:
        case "answered again":
            server.buffer.words[0] = u64(12)
            machine.enter(server)
            assert server.state is State.RECEIVING
        case "caller suspended":
            root = next(each for each in range(8) if machine.slot(each).object is client)
            assert machine.invoke(root, Operation.SUSPEND, thread=server).word == 0
            assert client.state is State.STOPPED
            assert machine.invoke(root, Operation.RESUME, thread=server).word == 0
        case _:
            machine.start(server, Call.CALL, 1, word(Operation.DELETE.value), (pair.reply, 0, 0, 0), 0)
    machine.check()
    assert client.state is State.RUNNABLE
    got = machine.result(client)
    assert (got.word, got.words) == (word(9, 5, 1), (1, 2, 3, 4)) and client.buffer.words[0] == 11
    assert machine.slot(60).parent is machine.slot(given)


@pytest.mark.parametrize("then", ["nobody calls", "next call"])
def test_of_two_answers_the_caller_gets_the_first_and_nobody_else_gets_one(then: str) -> None:
    """The second came while the first was interrupted, which then had nobody to answer, or answered the next caller."""
    pair = Pair(True, False)
    machine, client, server = pair.machine, pair.client, pair.server
    (bell,) = machine.make(Kind.NOTIFICATION)
    _, other = machine.spawn(PRIORITY + 5)
    assert other.buffer is not None
    machine.start(other, Call.WAIT, bell, 0, (NEVER, 0, 0, 0), 0)
    pair.call(word(1), 0, 0, 0, 0)
    machine.start(server, Call.SIGNAL, bell, 0, (0, 0, 0, 0), 0)
    assert machine.current is other
    # The other thread's answer is given when an interrupt comes, and then its time is up.
    processor = machine.hart.cpu
    processor.pending, processor.unseen = True, u64(1)
    other.buffer.words[0] = u64(11)
    machine.start(other, Call.REPLY, 0, word(9, 5), (1, 2, 3, 4), pair.reply)
    processor.pending = False
    assert client.state is State.ANSWERED and other.registers.a1 == word(9, 5) | GIVEN_BIT
    machine.tick(2500)
    assert machine.current is server
    pair.answer(word(8, 4), 5, 6, 7, 8)
    machine.check()
    assert machine.current is client and client.buffer is not None
    got = machine.result(client)
    assert (got.word, got.words, client.buffer.words[0]) == (word(9, 5), (1, 2, 3, 4), 11)
    if then == "next call":
        pair.call(word(2), 0, 0, 0, 0)
        assert machine.current is server
    machine.tick(8000)
    assert machine.current is other
    machine.enter(other)
    machine.check()
    assert machine.result(other).word == 0, "it has answered"
    assert client.state is (State.REPLIED if then == "next call" else State.RUNNABLE)


def test_who_says_that_it_has_answered_answers_nobody() -> None:
    """The kernel says so of a call that is entered again. Who says so itself harms nobody else."""
    pair = Pair(True, False)
    machine, client = pair.machine, pair.client
    pair.call(word(1), 0, 0, 0, 0)
    machine.start(pair.server, Call.REPLY, 0, word(9) | GIVEN_BIT, (1, 2, 3, 4), pair.reply)
    assert machine.result(pair.server).word == 0 and client.state is State.REPLIED
    pair.answer(word(9) | GIVEN_BIT, 1, 2, 3, 4)
    assert machine.result(pair.server).failure == (Status.OCCUPIED, REPLY) and client.state is State.REPLIED
    machine.check()
    pair.answer(word(9), 1, 2, 3, 4)
    assert machine.current is client and machine.result(client).word == word(9)


@pytest.mark.parametrize("order", [(0, MOVE), (MOVE, 0), (MOVE, MOVE)])
def test_one_capability_isnt_copied_and_moved(order: tuple[int, int]) -> None:
    pair = Pair(True, True)
    machine = pair.machine
    (index,) = machine.make(Kind.NOTIFICATION)
    machine.name(pair.client, index | order[0], index | order[1])
    machine.window(60, 2, pair.server)
    pair.call(word(1, 0, 2), 0, 0, 0, 0)
    assert machine.result(pair.client).failure == (Status.HAS_CHILDREN, TRAVELLING + 1)
    assert machine.slot(60).object is None and machine.slot(index).object is not None
    machine.check()


@pytest.mark.parametrize("taken", [0, 1, None])
def test_a_window_that_is_too_small_refuses_the_message(taken: int | None) -> None:
    """Or one that has something already."""
    pair = Pair(True, True)
    machine = pair.machine
    machine.name(pair.client, pair.endpoint, pair.endpoint)
    machine.window(60, 1 if taken is None else 2, pair.server)
    if taken is not None:
        assert machine.invoke(1, Operation.COPY, 60 + taken, int(ALL), given=pair.reply).word == 0
        machine.name(pair.client, pair.endpoint)
    pair.call(word(1, 0, 2), 0, 0, 0, 0)
    assert machine.result(pair.client).failure == (Status.NO_WINDOW, WINDOW)
    assert pair.server.state is State.RECEIVING
    machine.check()


def test_the_end_of_a_reply_ends_its_call() -> None:
    pair = Pair(True, False)
    machine = pair.machine
    pair.call(word(1), 0, 0, 0, 0)
    machine.start(pair.server, Call.CALL, 1, word(Operation.DELETE.value), (pair.reply, 0, 0, 0), 0)
    machine.check()
    assert pair.client.state is State.RUNNABLE and machine.result(pair.client).status is Status.PEER_DIED


def test_a_caller_that_is_stopped_gets_its_time_back() -> None:
    """The server has put the call off, so that the caller's context waits in the Reply, where nobody runs on it."""
    pair = Pair(True, True)
    machine = pair.machine
    (later,) = machine.make(Kind.REPLY)
    _, other = machine.spawn()
    pair.call(word(1), 0, 0, 0, 0)
    machine.start(pair.server, Call.RECEIVE, pair.endpoint, 0, (NEVER, 0, 0, 0), later)
    assert machine.current is other and pair.client.context is None
    assert machine.invoke(3, Operation.SUSPEND, thread=other).word == 0
    machine.check()
    machine.start(other, Call.CALL, 3, word(Operation.RESUME.value), (0, 0, 0, 0), 0)
    machine.check()
    assert machine.current is pair.client and pair.client.context is pair.client.home
    assert machine.result(pair.client).status is Status.CANCELLED


def test_a_server_on_its_clients_time_is_told_of_signals() -> None:
    """It has no time of its own, but it runs: signals come before messages."""
    machine = Machine()
    machine.boot()
    (endpoint, another), (reply,) = machine.make(Kind.ENDPOINT, 0, 2), machine.make(Kind.REPLY)
    (notification,) = machine.make(Kind.NOTIFICATION)
    server = machine.serve(endpoint, reply, True)
    (index,) = (each for each in range(machine.next_slot) if machine.slot(each).object is server)
    assert machine.invoke(index, Operation.BIND, Binding.NOTIFICATION.value, given=notification).word == 0
    _, client = machine.spawn(PRIORITY + 5)
    machine.start(client, Call.CALL, endpoint, word(1), (0, 0, 0, 0), 0)
    assert machine.current is server and server.home is None and server.context is client.home
    machine.start(server, Call.SIGNAL, notification, 0, (0, 0, 0, 0), 0)
    machine.start(server, Call.RECEIVE, another, 0, (NEVER, 0, 0, 0), 0)
    machine.check()
    assert machine.current is server and server.state is State.RUNNABLE
    assert machine.result(server) == Result(1, SIGNALS_BIT, (0, 0, 0, 0))


@pytest.mark.parametrize("fast", [False, True])
def test_a_reply_from_above_lets_the_best_run(fast: bool) -> None:
    """By its floor the server ran before one that is better than its client: now that one comes first."""
    pair = Pair(fast, True)
    machine, server = pair.machine, pair.server
    (index,) = (each for each in range(machine.next_slot) if machine.slot(each).object is server)
    assert machine.invoke(boot.PROCESSOR, Operation.SET_FLOOR, PRIORITY + 9, given=index).word == 0
    between, other = machine.spawn(PRIORITY + 5)
    machine.start(other, Call.CALL, between, word(Operation.SUSPEND.value), (0, 0, 0, 0), 0)
    pair.call(word(1), 0, 0, 0, 0)
    assert machine.current is server
    machine.start(server, Call.CALL, between, word(Operation.RESUME.value), (0, 0, 0, 0), 0)
    assert machine.current is server and other.ready
    pair.answer(word(2), 0, 0, 0, 0)
    machine.check()
    assert machine.current is other and pair.client.ready and pair.client.context is pair.client.home


@pytest.mark.parametrize("number", [Call.RECEIVE, Call.SEND])
def test_who_waits_longest_learns_first_that_an_endpoint_has_ended(number: Call) -> None:
    machine = Machine()
    root = machine.boot()
    (endpoint,) = machine.make(Kind.ENDPOINT)
    waiting = []
    for _ in range(3):
        _, thread = machine.spawn(PRIORITY + 1)
        machine.start(thread, number, endpoint, 0, (NEVER, 0, 0, 0), 0)
        waiting.append(thread)
    assert machine.current is root
    machine.start(root, Call.CALL, boot.OWN_TABLE, word(Operation.DELETE.value), (endpoint, 0, 0, 0), 0)
    machine.check()
    assert machine.current is waiting[0] and machine.result(waiting[0]).status is Status.CANCELLED
    assert [thread.state for thread in waiting[1:]] == [
        State.RECEIVING if number is Call.RECEIVE else State.SENDING
    ] * 2
