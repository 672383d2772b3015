"""Specifications of the kernel's operations hold when they are run, and find mistakes; see test_specifications.py."""

from __future__ import annotations

from typing import Any

import pytest

from neokernel.abi.boot import OWN_CONTEXT
from neokernel.abi.call import NEVER, Call
from neokernel.abi.fault import Fault
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Operation, Stop
from neokernel.abi.rights import ALL, READ, SEND, WRITE
from neokernel.kernel import schedule
from neokernel.kernel.captable import BURIED, DRAINING, HELPING
from neokernel.kernel.memory import footprint
from neokernel.kernel.objects import FLOATING, PINNED, Endpoint, Interrupt, Reply, SchedContext, State
from neokernel.kernel.slot import derive, find
from neokernel.lang import u8, u64
from neokernel.prover import invariants
from neokernel.prover.prove import Session
from neokernel.prover.solve import EFFORT
from neokernel.prover.states import is_specification
from neokernel.spec import (
    deletion,
    fast_paths,
    memories,
    messages,
    replies,
    scheduling,
    spaces,
    system_calls,
    threads,
)
from tests.kernel.support import MEMORY, PAGE, PRIORITY, Machine
from tests.kernel.test_endpoint import Pair, word
from tests.prover.support import kernel_with, mistakes

#: a mistake in the kernel, the module that it is in, and the specification that finds it
MISTAKES = [
    (
        "captable",
        "    if place.flags & BADGED != 0:\n        return failure(Status.BADGED, FIRST)\n",
        "",
        "senders_are_cancelled",
    ),
    ("endpoint", "    if caller.state is State.ANSWERED:\n        return 0\n", "", "an_answer_is_given"),
    ("fault", "    if fault is Fault.BUDGET:\n        return\n", "", "a_fault_without"),
    ("reply", "    forget(hart, context, top)\n    if caller", "    if caller", "time_is_taken_from"),
    ("fast", "                    caller.registers.pc = w0\n", "                    pass\n", "a_handlers_answer"),
    ("fast", "back is not None and context.top is back and label", "back is not None and label", "a_handlers_answer"),
    ("memory", "    registers.a5 += 1\n", "", "objects_are_made"),
    ("memory", "    memory.low = end\n", "    memory.low = low\n", "what_is_made_is_new"),
    ("captable", "waiting = thing.senders.head", "waiting = thing.receivers.head", "who_waits_for_what_ends"),
    ("thread", "    copy(words[4:], buffer.words[:28].view())\n", "", "registers_are_read_and_written"),
    ("reply", "    caller.awaited = reply\n", "", "who_called_waits"),
    ("reply", "            caller.context = context\n", "            pass\n", "time_that_was_lent"),
    ("schedule", "        context.later -= 1\n    context.refills", "    context.refills", "what_is_due"),
    ("space", "    table.used += 1\n", "", "a_page_is_mapped"),
    ("syscall", "    registers.full = 1\n", "", "a_step_is_entered"),
    ("syscall", "            break\n        outcome", "            pass\n        outcome", "a_step_is_entered"),
    ("thread", "    caller.dispatched = thread\n", "", "who_is_held_runs"),
    ("thread", "bound.word == 0 or thread.context is None or", "bound.word == 0 or", "a_signal_ends_a_receive"),
]


@pytest.mark.parametrize(("module", "sound", "mistaken", "finder"), mistakes(MISTAKES))
def test_a_mistake_in_the_kernel_is_found(module: str, sound: str, mistaken: str, finder: str) -> None:
    program = kernel_with(module, sound, mistaken)
    (function,) = [one for one in program.functions if is_specification(one) and finder in one.name]
    proof = Session(invariants.of_program(program), effort=EFFORT // 20).prove(function)
    assert proof.failed


def place(machine: Machine, index: int) -> Any:
    """A slot, whatever its capability names."""
    return machine.slot(index)


def thing(machine: Machine, index: int) -> Any:
    """The object that a capability names."""
    return machine.slot(index).object


def test_scheduling_is_as_specified() -> None:
    machine = Machine()
    root = machine.boot()
    hart, own = machine.hart, root.context
    other = machine.spawn(PRIORITY + 1)[1]
    assert own is not None and other.context is not None
    schedule.stop(hart, other, State.STOPPED)
    schedule.stop(hart, root, State.RUNNABLE)
    own.refills[0].amount = u64(10_000)
    hart.current, hart.active, hart.since, hart.budget_end = root, own, u64(0), u64(10_000)
    hart.cpu.time = u64(7)
    other.context.slice = True
    other.state = State.RUNNABLE
    scheduling.who_runs_uses_its_slice(hart, other, other.context, own)
    assert own.refills[0].amount == 9_993
    scheduling.a_slice_is_counted_when_it_ends(own)
    hart.current, hart.best = None, u64(0)
    scheduling.whose_time_comes_back_goes_on(hart, root, own, u64(9))
    hart.attention, hart.floating = u64(FLOATING), root
    scheduling.the_floating_point_unit_is_its_owners(hart, root)
    scheduling.the_floating_point_unit_is_its_owners(hart, root)
    space = machine.one(Kind.ADDRESS_SPACE)
    scheduling.an_address_space_has_a_number_of_its_own(hart, space)


@pytest.mark.parametrize("now", [1, 5, 9])
def test_refills_are_joined_as_specified(now: int) -> None:
    machine = Machine()
    machine.boot()
    time: SchedContext = machine.one(Kind.SCHED_CONTEXT)
    schedule.configure(time, u8(3), u64(100), u64(1000), u64(3))
    time.refills[0].amount, time.refills[1].amount = u64(40), u64(60)
    time.refills[1].time, time.later = u64(7), u8(1)
    scheduling.what_is_due_is_one_refill(time, u64(now))


def test_threads_are_as_specified() -> None:
    machine = Machine()
    root = machine.boot()
    hart, thread = machine.hart, machine.spawn(PRIORITY - 1)[1]
    for wanted in (0, 1, 2):
        root.registers.a2 = u64(wanted)
        threads.who_is_foreign_is_so_when_it_goes_on(root, thread)
    assert root.buffer is not None
    threads.registers_are_read_and_written(root, thread, root.buffer, u64(0))
    (signals,) = machine.make(Kind.NOTIFICATION)
    given, reply = place(machine, signals), machine.one(Kind.REPLY)
    schedule.stop(hart, thread, State.STOPPED)
    threads.who_is_held(hart, thread, given)
    thread.awaited = reply
    for state in (State.RUNNABLE, State.STOPPED):
        thread.state = state
        threads.who_is_halted_is_stopped(hart, thread, reply)
    threads.registers_are_read_and_written(root, thread, root.buffer, u64(27))
    thread.notification, thread.endpoint = given.object, machine.one(Kind.ENDPOINT)
    thread.state = State.RUNNABLE
    threads.a_signal_ends_a_receive_that_began_before(hart, thread, given.object)
    spare = machine.spawn(PRIORITY - 2)[1]
    for fault in (Fault.BUDGET, Fault.PAGE):
        threads.a_fault_without_a_handler_stops(hart, spare, fault, u64(1), u64(2), u64(3), u64(4))


def test_dispatching_is_as_specified() -> None:
    machine = Machine()
    root = machine.boot()
    hart, time = machine.hart, root.context
    (signals,) = machine.make(Kind.NOTIFICATION)
    (index,) = machine.make(Kind.THREAD)
    thread: Any = thing(machine, index)
    assert time is not None
    threads.who_is_held(hart, thread, machine.slot(signals))
    thread.state = State.RUNNABLE
    root.registers.a2 = u64(NEVER)
    threads.who_is_held_runs_when_it_is_dispatched(hart, root, thread, time)
    threads.a_dispatch_ends(hart, root, thread, time, Stop.YIELDED)
    assert hart.current is root


def test_pages_and_pins_are_as_specified() -> None:
    machine = Machine()
    root = machine.boot()
    hart = machine.hart
    (space_index,), (upper, lower), (frame_index, other_index) = (
        machine.make(Kind.ADDRESS_SPACE),
        machine.make(Kind.PAGE_TABLE, 0, 2),
        machine.make(Kind.FRAME, 0, 2),
    )
    space, s, t = (place(machine, each) for each in (space_index, upper, lower))
    for index, level in ((upper, 2), (lower, 1)):
        assert machine.invoke(space_index, Operation.INSTALL, 0, level, given=index).word == 0
    frame = machine.slot(frame_index)
    for address, wanted in ((1 << 39, READ), (1, READ), (PAGE, WRITE), (PAGE, READ | WRITE), (PAGE, READ)):
        root.registers.a2, root.registers.a3 = u64(address), u64(wanted)
        spaces.a_page_is_mapped(hart, root, space.object, frame, s, s.object, t, t.object)
    assert frame.holder is t.object.holder
    t.object.parent = None
    spaces.what_is_taken_out_of_a_table_is_nowhere(hart, frame, t.object)
    devices = machine.one(Kind.DMA_SPACE, 4)
    for each in (frame, machine.slot(other_index), machine.slot(MEMORY)):
        spaces.a_pinned_page_stays(hart, root, devices, each)


def test_memory_is_as_specified() -> None:
    machine = Machine()
    root = machine.boot()
    hart, slot = machine.hart, place(machine, MEMORY)
    memory = slot.object
    sizes = {Kind.MEMORY: PAGE, Kind.CAP_TABLE: 4, Kind.DMA_SPACE: 2, Kind.TRACE: 1, Kind.NOTIFICATION: 1}
    made = [kind for kind in Kind if footprint(kind, u64(sizes.get(kind, 0))).below != 0]
    assert len(made) == 13
    for number, kind in enumerate(made):
        free = machine.slot(machine.next_slot + number)
        while free.object is None:
            memories.what_is_made_is_new(hart, memory, slot, free, kind, u64(sizes.get(kind, 0)))
    memories.what_is_free_is_told(root, memory)
    machine.window(machine.next_slot + len(made), 2)
    registers = root.registers
    registers.a2, registers.a3, registers.a4, registers.a5 = u64(Kind.ENDPOINT.value), u64(0), u64(2), u64(0)
    for _ in range(2):
        memories.objects_are_made_one_by_one(hart, root, slot, memory)


def test_deletion_is_as_specified() -> None:
    machine = Machine()
    root = machine.boot()
    hart, registers = machine.hart, root.registers
    (index,), (pinned,) = machine.make(Kind.NOTIFICATION), machine.make(Kind.FRAME)
    given, frame, line = place(machine, index), machine.slot(pinned), hart.lines[0]
    for step in (0, BURIED, HELPING | BURIED, DRAINING):
        registers.a5 = u64(step)
        if step == 0:
            deletion.a_revocation_ends(hart, registers, frame)
        elif step == BURIED:
            deletion.tables_that_ended_are_emptied_first(hart, registers, frame)
        else:
            deletion.a_deletion_that_waits_goes_on(hart, registers, frame)
    devices = machine.one(Kind.DMA_SPACE, 2)
    frame.holder, frame.flags = devices.holder, u8(frame.flags | PINNED)
    deletion.a_pin_is_its_capabilitys(frame, devices.holder, machine.table)
    deletion.what_is_pinned_stays(hart, frame)
    copy = machine.slot(machine.next_slot)
    derive(hart, given, copy, given.rights)
    line.notification, copy.holder = given.object, line.holder
    assert isinstance(line, Interrupt)
    deletion.who_uses_a_capability_loses_it(hart, copy, line.holder)
    (index,), thread = machine.make(Kind.ENDPOINT), machine.spawn(PRIORITY - 1)[1]
    ended, endpoint = machine.slot(index), thing(machine, index)
    assert isinstance(endpoint, Endpoint)
    for waiting in (root, thread):
        schedule.stop(hart, waiting, State.SENDING if waiting is root else State.RECEIVING)
        schedule.append(endpoint.senders if waiting is root else endpoint.receivers, waiting)
        waiting.endpoint = endpoint
    for waiting in (root, thread):
        deletion.who_waits_for_what_ends_is_cancelled(hart, ended, endpoint, waiting)
        assert hart.current is waiting
        schedule.take_off(hart, waiting)


def test_calls_that_wait_are_as_specified() -> None:
    pair = Pair(False, True)
    machine, client, server = pair.machine, pair.client, pair.server
    hart, endpoint, reply = machine.hart, thing(machine, pair.endpoint), thing(machine, pair.reply)
    time = client.context
    assert isinstance(endpoint, Endpoint) and isinstance(reply, Reply) and time is not None
    client.registers.a1 = u64(word(5, 4))
    messages.a_call(hart, client, machine.slot(pair.badged), endpoint, server, reply, time)
    hart.active = time
    replies.time_that_was_lent_comes_back(hart, reply, client, time, server, State.RUNNABLE)
    assert hart.current is client
    hart.current, client.state, reply.caller = None, State.REPLIED, client
    reply.context, time.top, time.thread = time, reply, server
    replies.who_gives_up_leaves_its_time(hart, reply, time, server)
    time.top, reply.context, time.thread, client.context, server.context = reply, time, client, time, None
    reply.caller, reply.server = client, None
    for _ in range(2):
        replies.time_is_taken_from_whoever_has_it(hart, time, client, reply)
    assert client.context is None


def test_who_calls_waits_as_specified() -> None:
    machine = Machine()
    root = machine.boot()
    (index,), (reply_index,) = machine.make(Kind.ENDPOINT), machine.make(Kind.REPLY)
    caller = machine.spawn(PRIORITY + 1)[1]
    machine.start(caller, Call.CALL, index, word(3, 1), (4, 5, 6, 7), 0)
    endpoint, reply, time = thing(machine, index), thing(machine, reply_index), root.context
    assert caller.state is State.CALLING and time is not None
    replies.who_called_waits_for_the_reply(machine.hart, root, endpoint, caller, reply, time)
    assert reply.caller is caller


def test_senders_are_cancelled_as_specified() -> None:
    machine = Machine()
    root = machine.boot()
    (index,) = machine.make(Kind.ENDPOINT)
    hart, endpoint, registers = machine.hart, thing(machine, index), root.registers
    assert isinstance(endpoint, Endpoint)
    slots = [machine.slot(index), *(machine.slot(machine.next_slot + number) for number in range(2))]
    for copy, rights, badge in zip(slots[1:], (SEND, ALL), (0, 7), strict=True):
        derive(hart, slots[0], copy, rights, u64(badge))
    machine.next_slot += 2
    for number, slot in enumerate(slots):
        registers.a2, registers.a5 = u64(index + number), u64(1)
        messages.senders_are_cancelled_by_who_controls_the_endpoint(hart, registers, machine.table, slot, endpoint)


def test_a_handlers_answer_is_as_specified() -> None:
    pair = Pair(True, True)
    machine, client, server = pair.machine, pair.client, pair.server
    hart, endpoint, reply = machine.hart, thing(machine, pair.endpoint), thing(machine, pair.reply)
    time = client.context
    assert isinstance(endpoint, Endpoint) and isinstance(reply, Reply) and time is not None
    client.registers.a1 = u64(word(5, 4))
    messages.a_call(hart, client, machine.slot(pair.badged), endpoint, server, reply, time)
    client.faulted, client.message, server.endpoint = True, u64(word(Fault.PAGE.value)), endpoint
    words = [u64(0x4000), u64(0), u64(0), u64(0), u64(pair.reply)]
    for label in (2, 1):
        fast_paths.a_handlers_answer(
            hart, server, endpoint, client, reply, time, u64(pair.endpoint), u64(label), *words
        )
    assert hart.current is client and client.registers.pc == 0x4000


def test_system_calls_are_as_specified() -> None:
    machine = Machine()
    root = machine.boot()
    hart, registers, time = machine.hart, root.registers, root.context
    assert time is not None
    registers.a1 = u64(101)
    system_calls.operations_are_known_by_their_labels(hart, root, machine.slot(0))
    (index,) = machine.make(Kind.REPLY)
    for named in (index, 0, 1 << 40):
        registers.a6 = u64(named)
        system_calls.an_answer_is_by_a_reply(hart, root)
    registers.a7, registers.pc = u64(Call.WAIT.value), u64(0x100)
    system_calls.a_step_is_entered_again(hart, root, find(root.slots, registers.a0))
    # A message, though it could be tried again at once.
    (registers.a0,) = (u64(index) for index in machine.make(Kind.ENDPOINT))
    registers.a7 = u64(Call.CALL.value)
    system_calls.a_step_is_entered_again(hart, root, machine.slot(int(registers.a0)))
    system_calls.who_yields_is_last(hart, root, time)
    schedule.stop(hart, root, State.RUNNABLE)
    hart.active = time
    given = machine.slot(OWN_CONTEXT)
    for budget, period in ((1, 2), (200, 100), (200, 1 << 50), (200, 400)):
        registers.a2, registers.a3, registers.a4 = u64(5), u64(budget), u64(period)
        system_calls.time_is_given_out_by_numbers(hart, root, time, given)
