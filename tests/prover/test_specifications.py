"""Specifications of the kernel: what they require can be, what they say is so when they are run, and they can fail."""

from __future__ import annotations

import pytest

from neokernel.abi.call import NEVER, Call
from neokernel.abi.fault import Fault, Resume
from neokernel.abi.kinds import Kind
from neokernel.compiler.pipeline import analyse_source
from neokernel.kernel.objects import Endpoint, Notification, Reply, ThreadQueue
from neokernel.kernel.objects import State as ThreadState
from neokernel.kernel.schedule import stop
from neokernel.lang import u16, u64
from neokernel.prover import invariants
from neokernel.prover.prove import Session, roots
from neokernel.prover.solve import EFFORT
from neokernel.prover.states import is_specification
from neokernel.spec import capabilities, messages, notifications, queues, timers
from neokernel.spec.outcomes import ERRORS_CHANGE_NOTHING
from tests.kernel.support import PRIORITY, Machine
from tests.kernel.test_endpoint import Pair, word
from tests.prover.support import kernel_with, mistakes


@pytest.mark.parametrize(
    ("body", "stated", "promised"),
    [
        ("requires(a < 4)\n    assert a < 5", [], []),
        ("requires(a < 4)\n    requires(a > 4)\n    assert a == 7", ["possible"], ["possible"]),
        ("assert a >= 0\n    unreachable('never gets there')", ["check", "ends"], ["check"]),
        ("ensures(lambda: a == 7)\n    while True:\n        pass", ["ends"], ["ends"]),
        ("ensures(lambda: a == 7)\n    requires(a == 7)\n    while a == 7:\n        pass", ["ends"], ["ends"]),
        ("while True:\n        pass", ["ends"], []),
    ],
)
def test_what_is_required_can_be_and_there_is_an_end(body: str, stated: list[str], promised: list[str]) -> None:
    """Of what can't happen, anything is proven; so that isn't a specification, nor a contract."""
    for module, left in (("neokernel.spec.planted", stated), ("planted", promised)):
        source = f"from neokernel.lang import ensures, requires, u8, unreachable\n\ndef f(a: u8) -> None:\n    {body}\n"
        found = analyse_source(source, module)
        assert found.program is not None, found.diagnostics
        (function,) = roots(found.program, [module])
        assert [verdict.obligation.duty.value for verdict in Session({}).prove(function).failed] == left


#: a mistake in the kernel, the module that it is in, and a specification that finds it
MISTAKES = [
    ("slot", "target.rights = source.rights & rights", "target.rights = source.rights | rights", "a_copy_has_no_more"),
    ("slot", "    slot.previous = parent\n", "", "a_copy_has_no_more"),
    ("slot", "    target.depth = source.depth\n", "", "what_moves_stays"),
    ("endpoint", "    if slot.flags & PINNED != 0:\n", "    if False:\n", "move_does"),
    ("endpoint", "    registers.a0 = badge\n", "", "a_call"),
    ("fast", "                        caller.context = None\n", "", "a_fast_call"),
    ("fast", "                    server.context = None\n", "", "a_fast_answer"),
    ("reply", "        reply.caller = None\n        caller.state", "        caller.state", "an_answer"),
    ("notification", "        notification.word |= added\n", "        notification.word = added\n", "signal_is_kept"),
    (
        "notification",
        "        notification.word = word - 1\n",
        "        notification.word = 0\n",
        "a_wait_takes",
    ),
    ("captable", "    refused = immovable(source, FIRST)\n", "    refused = u64(0)\n", "what_is_moved_out"),
    ("captable", "u64(place.depth))\n", "u64(0))\n", "what_is_inspected"),
    ("slot", "    if slot.flags & REVOKING == 0:\n", "    if True:\n", "a_revocation_is_counted"),
    ("endpoint", "        sender.message = word\n", "", "a_message_waits"),
    ("endpoint", "    thread.registers.a1 = SIGNALS_BIT\n", "    pass\n", "signals_come_first"),
    ("endpoint", "registers.pc = wrapping_add(registers.pc, 4)", "registers.pc = handler.registers.a2", "who_faulted"),
    ("notification", "    caller.signals = notification\n", "", "a_wait_for_more"),
    ("schedule", "    else:\n        first.previous = thread\n    queue.head = thread\n", "", "who_is_prepended"),
    ("schedule", "        before.next = after\n", "        pass\n", "who_is_taken_out"),
    ("timer", "    expiry = max(expiry, saturating_add(wheel.now, 1))\n", "", "what_is_armed"),
    ("timer", "            if timer.expiry <= now:\n", "            if timer.expiry >= now:\n", "what_has_expired"),
    ("fast", "notification.word |= badge\n", "notification.word = badge\n", "a_fast_signal_is_kept"),
    ("fast", "    enqueue(hart, thread, before, True)\n", "", "a_fast_signal_wakes"),
]


@pytest.mark.parametrize(("module", "sound", "mistaken", "finder"), mistakes(MISTAKES))
def test_a_mistake_in_the_kernel_is_found(module: str, sound: str, mistaken: str, finder: str) -> None:
    program = kernel_with(module, sound, mistaken)
    stated = [one for one in program.functions if is_specification(one)]
    (function,) = [one for one in stated if one.name == finder] or [one for one in stated if finder in one.name]
    proof = Session(invariants.of_program(program), effort=EFFORT // 20, rule=ERRORS_CHANGE_NOTHING).prove(function)
    assert proof.failed


@pytest.mark.parametrize("fast", [False, True])
def test_a_call_and_its_answer_are_as_specified(fast: bool) -> None:
    pair = Pair(fast, True)
    machine, client, server = pair.machine, pair.client, pair.server
    endpoint, reply, time = machine.slot(pair.endpoint).object, machine.slot(pair.reply).object, client.context
    badged, own = machine.slot(pair.badged), machine.slot(pair.endpoint)
    assert isinstance(endpoint, Endpoint) and isinstance(reply, Reply) and time is not None
    hart = machine.hart
    for round_ in range(3):
        sent, answered = word(5, 4), word(6, round_)
        if fast:
            words = [u64(sent), *(u64(each) for each in range(4))]
            messages.a_fast_call(hart, client, badged, endpoint, server, reply, time, u64(pair.badged), *words)
        else:
            client.registers.a1 = u64(sent)
            messages.a_call(hart, client, badged, endpoint, server, reply, time)
        assert machine.current is server
        machine.check()
        if fast:
            words = [u64(answered), *(u64(each) for each in range(4)), u64(pair.reply)]
            messages.a_fast_answer(hart, server, own, endpoint, client, reply, time, u64(pair.endpoint), *words)
        else:
            server.registers.a1 = u64(answered)
            messages.an_answer(hart, server, endpoint, client, reply, time)
        assert machine.current is client
        machine.check()


def test_capabilities_are_copied_moved_and_deleted_as_specified() -> None:
    machine = Machine()
    machine.boot()
    (given,), (other,) = machine.make(Kind.ENDPOINT), machine.make(Kind.REPLY)
    first, second = (machine.slot(machine.next_slot + each) for each in range(2))
    source, apart, hart = machine.slot(given), machine.slot(other), machine.hart
    capabilities.a_copy_has_no_more_authority(hart, source, first, u16(3), u64(9), apart)
    machine.check()
    capabilities.what_moves_stays_what_it_is(first, second, apart)
    machine.check()
    capabilities.what_is_deleted_is_gone(second, apart)
    machine.check()
    capabilities.move_does_what_may_be_done(first, source)
    capabilities.move_does_what_may_be_done(first, None)
    capabilities.copy_does_what_may_be_done(hart, machine.root, second, apart)


def test_what_operations_of_tables_do_and_tell_is_as_specified() -> None:
    machine = Machine()
    machine.boot()
    (given,), (other,) = machine.make(Kind.ENDPOINT), machine.make(Kind.REPLY)
    source, apart, hart, root = machine.slot(given), machine.slot(other), machine.hart, machine.root
    free, used = machine.slot(machine.next_slot), machine.slot(machine.next_slot + 1)
    for place in (free, apart):
        for named in (source, None):
            root.registers.a3 = u64(1 << 40)
            capabilities.refusals_say_why(hart, root, place, named)
    capabilities.what_stays_is_told(source, u64(7))
    machine.window(machine.next_slot, 1)
    root.registers.a3 = u64(3)
    capabilities.what_is_copied_out_was_there(hart, root, source, apart)
    assert free.object is source.object
    capabilities.what_stays_is_told(source, u64(7))
    capabilities.what_is_moved_out_may_move(root, source)
    capabilities.what_is_inspected_is_told(root, free)
    capabilities.what_travels_is_handed_over(hart, free, used, True)
    capabilities.what_travels_is_handed_over(hart, used, free, False)
    capabilities.there_must_be_room_to_derive(hart, source)
    capabilities.a_revocation_is_counted_once(hart, source, apart)
    capabilities.a_table_is_looked_up(machine.table, u64(given))
    capabilities.a_table_is_looked_up(machine.table, u64(machine.next_slot + 9))
    capabilities.a_table_is_looked_up(machine.table, u64(1 << 40))
    for index in range(machine.next_slot):
        capabilities.kinds_have_their_numbers(machine.slot(index))
        capabilities.flags_and_rights_say_what_may_be_done(machine.slot(index))


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("counting", [False, True])
def test_the_calls_of_notifications_are_as_specified(counting: bool, fast: bool) -> None:
    machine = Machine()
    root = machine.boot()
    indices = machine.make(Kind.NOTIFICATION, int(counting), 2)
    slot, hart = machine.slot(indices[0]), machine.hart
    notification = slot.object
    assert isinstance(notification, Notification)
    words = [u64(0)] * 5
    if fast:
        notifications.a_fast_signal_is_kept(root, slot, notification, u64(indices[0]), *words)
        notifications.a_fast_wait(root, slot, notification, u64(indices[0]), *words)
    assert notification.word == 0
    notifications.signals_and_waits_need_their_right(hart, root, machine.slot(1), u64(0))
    notifications.a_signal_is_the_capabilitys_badge(hart, slot, notification)
    notifications.a_wait_takes_what_is_kept(hart, root, slot, notification, u64(0))
    waiter = machine.spawn(PRIORITY + 1)[1]
    machine.start(waiter, Call.WAIT, indices[0], 0, (NEVER, 0, 0, 0), 0)
    own = root.context
    if fast and waiter.context is not None and own is not None:
        place = u64(indices[0])
        notifications.a_fast_signal_wakes_the_first(
            hart, root, slot, notification, waiter, waiter.context, own, place, *words
        )
    machine.check()
    if machine.current is root:
        other = machine.slot(indices[1])
        assert isinstance(other.object, Notification)
        notifications.a_wait_for_more_is_in_line(hart, root, other, other.object)
        assert root.state is ThreadState.WAITING


def test_queues_are_as_specified() -> None:
    machine = Machine()
    machine.boot()
    first, second, third, other = (machine.spawn(PRIORITY - 2)[1] for _ in range(4))
    hart, queue, root = machine.hart, ThreadQueue(), machine.root
    for thread in (second, other):
        stop(hart, thread, ThreadState.STOPPED)
        queues.who_is_appended_is_last(queue, thread, first)
    stop(hart, first, ThreadState.STOPPED)
    queues.who_is_prepended_is_first(queue, first, other)
    assert [queue.head, first.next, queue.tail] == [first, second, other]
    for thread, apart in ((second, third), (other, second), (first, other)):
        queues.who_is_taken_out_waits_no_more(queue, thread, apart)
        thread.state = ThreadState.STOPPED
    machine.check()
    first = machine.spawn(PRIORITY - 5)[1]
    hart.current = None
    for front in (True, False):
        for priority, ready in ((PRIORITY - 2, third), (PRIORITY - 5, first), (PRIORITY - 7, third)):
            of = hart.queues[priority]
            assert not root.ready and ready.ready
            queues.who_is_ready_is_in_the_queue_of_its_priority(hart, of, root, u64(priority), front)
    hart.current = root
    machine.check()


def test_timers_are_as_specified() -> None:
    machine = Machine()
    machine.boot()
    wheel = machine.hart.wheel
    first, second, third = (machine.spawn(PRIORITY - 2)[1].timer for _ in range(3))
    for timer, expiry in ((first, 5000), (second, 5001), (third, 70)):
        timers.what_is_armed_is_in_its_bucket(wheel, timer, u64(expiry), machine.root.timer)
    timers.what_is_disarmed_is_in_no_bucket(wheel, second, machine.root.timer)
    timers.what_is_disarmed_is_in_no_bucket(wheel, second, machine.root.timer)
    for _ in range(10):
        timers.what_has_expired_is_disarmed(wheel, u64(6000))
    assert not first.armed and not third.armed and wheel.earliest == NEVER


def test_messages_without_calls_are_as_specified() -> None:
    machine = Machine()
    root = machine.boot()
    (endpoint_index, empty), (reply_index, unused) = machine.make(Kind.ENDPOINT, 0, 2), machine.make(Kind.REPLY, 0, 2)
    server = machine.serve(endpoint_index, reply_index, False)
    slot, other, hart = machine.slot(endpoint_index), machine.slot(empty), machine.hart
    reply, spare = machine.slot(reply_index).object, machine.slot(unused).object
    endpoint, nobody = slot.object, other.object
    assert isinstance(endpoint, Endpoint) and isinstance(nobody, Endpoint)
    assert isinstance(reply, Reply) and isinstance(spare, Reply)
    for word_ in (word(1), word(1, 5), word(1, 0, 2), word(1, 900)):
        messages.what_is_sent_is_well_formed(root, u64(word_))
    root.registers.a1 = u64(word(5, 4))
    messages.a_message_waits(hart, root, other, nobody, False, False, server)
    messages.a_message_is_received(hart, root, slot, endpoint, server)
    root.registers.a1 = u64(word(5, 4))
    server.faulted = True
    server.message = u64(word(Fault.SYSTEM_CALL.value))
    for answer in Resume:
        server.faulted = True
        messages.who_faulted_goes_on_as_its_handler_says(root, server, u64(word(answer.value)))
    server.state = ThreadState.REPLIED
    messages.an_answer_is_given(hart, root, server)
    server.reply = None
    reply.server = None


def test_receiving_is_as_specified() -> None:
    machine = Machine()
    root = machine.boot()
    (index,), (reply_index,), (signals,) = (
        machine.make(kind) for kind in (Kind.ENDPOINT, Kind.REPLY, Kind.NOTIFICATION)
    )
    endpoint, reply, notification = (machine.slot(each).object for each in (index, reply_index, signals))
    assert isinstance(endpoint, Endpoint) and isinstance(reply, Reply) and isinstance(notification, Notification)
    hart = machine.hart
    root.notification, notification.word = notification, u64(6)
    messages.signals_come_first(hart, root, endpoint, notification)
    root.notification = None
    reply.caller = root
    messages.a_reply_in_use_receives_nothing(hart, root, endpoint, reply, u64(NEVER))
    reply.caller = None
    messages.who_receives_is_in_line(hart, root, endpoint, reply)
    assert root.state is ThreadState.RECEIVING


@pytest.mark.parametrize("counting", [False, True])
def test_signals_are_kept_taken_and_delivered_as_specified(counting: bool) -> None:
    machine = Machine()
    machine.boot()
    indices = machine.make(Kind.NOTIFICATION, int(counting), 2)
    notification, other = (machine.slot(index).object for index in indices)
    assert isinstance(notification, Notification) and isinstance(other, Notification)
    for badge in (1, 6):
        notifications.signal_is_kept(machine.hart, notification, u64(badge), other)
    notification.word = u64(0)
    waiter = machine.spawn(PRIORITY + 1)[1]
    machine.start(waiter, Call.WAIT, indices[0], 0, (NEVER, 0, 0, 0), 0)
    assert machine.current is machine.root and waiter.state is ThreadState.WAITING
    notifications.signal_wakes_the_first(machine.hart, notification, u64(4), waiter, machine.root)
