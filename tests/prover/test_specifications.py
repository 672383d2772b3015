"""Specifications of the kernel: what they require can be, what they say is so when they are run, and they can fail."""

from __future__ import annotations

import pytest

from neokernel.abi.call import NEVER, Call
from neokernel.abi.kinds import Kind
from neokernel.compiler.pipeline import run_front_end
from neokernel.compiler.types import NONE
from neokernel.image.kernel import kernel_state
from neokernel.kernel.objects import Endpoint, Notification, Reply
from neokernel.kernel.objects import State as ThreadState
from neokernel.lang import u16, u64
from neokernel.prover import invariants
from neokernel.prover import terms as t
from neokernel.prover.prove import Run, Session
from neokernel.prover.solve import EFFORT, Answer
from neokernel.prover.states import is_specification
from neokernel.spec import MODULES, capabilities, messages, notifications
from tests.kernel.support import PRIORITY, Machine
from tests.kernel.test_endpoint import Pair, word
from tests.prover.support import kernel_with


def test_what_is_required_can_be() -> None:
    """Of what can't happen, anything is proven."""
    program = run_front_end(kernel_state(*MODULES)).program
    assert program is not None
    stated = [one for one in program.functions if is_specification(one) and one.result == NONE]
    of = invariants.of_program(program)
    for function in stated:
        run = Run(function, of)
        run.execute()
        assert run.end is not None, function.name
        assert run.solver().prove(run.end.path, t.FALSE) is not Answer.PROVEN, function.name
    assert len(stated) >= 12


#: a mistake in the kernel, the module that it is in, and a specification that finds it
MISTAKES = [
    ("slot", "target.rights = source.rights & rights", "target.rights = source.rights | rights", "a_copy_has_no_more"),
    ("slot", "    slot.previous = parent\n", "", "a_copy_has_no_more"),
    ("slot", "    target.depth = source.depth\n", "", "what_moves_stays"),
    ("endpoint", "    if slot.flags & PINNED != 0:\n", "    if False:\n", "move_does"),
    ("endpoint", "    registers.a0 = badge\n", "", "a_call"),
    ("fast", "                        caller.context = None\n", "", "a_fast_call"),
    ("fast", "                    server.context = None\n", "", "a_fast_answer"),
    ("reply", "    reply.caller = None\n    caller.state = state\n", "    caller.state = state\n", "an_answer"),
    ("notification", "        notification.word |= added\n", "        notification.word = added\n", "signal_is_kept"),
    (
        "notification",
        "        notification.word = word - 1\n",
        "        notification.word = 0\n",
        "kept_is_taken",
    ),
]


@pytest.mark.parametrize(("module", "sound", "mistaken", "finder"), MISTAKES, ids=[m[3] + " " + m[0] for m in MISTAKES])
def test_a_mistake_in_the_kernel_is_found(module: str, sound: str, mistaken: str, finder: str) -> None:
    program = kernel_with(module, sound, mistaken)
    (function,) = (one for one in program.functions if is_specification(one) and finder in one.name)
    proof = Session(invariants.of_program(program), effort=EFFORT // 20).prove(function)
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


@pytest.mark.parametrize("counting", [False, True])
def test_signals_are_kept_taken_and_delivered_as_specified(counting: bool) -> None:
    machine = Machine()
    machine.boot()
    indices = machine.make(Kind.NOTIFICATION, int(counting), 2)
    notification, other = (machine.slot(index).object for index in indices)
    assert isinstance(notification, Notification) and isinstance(other, Notification)
    for badge in (1, 6):
        notifications.signal_is_kept(machine.hart, notification, u64(badge), other)
    notifications.what_is_kept_is_taken(notification, other)
    notification.word = u64(0)
    waiter = machine.spawn(PRIORITY + 1)[1]
    machine.start(waiter, Call.WAIT, indices[0], 0, (NEVER, 0, 0, 0), 0)
    assert machine.current is machine.root and waiter.state is ThreadState.WAITING
    notifications.signal_wakes_the_first(machine.hart, notification, u64(4), waiter, machine.root)
