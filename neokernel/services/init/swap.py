"""Live replacement: a newer version of a service takes over, and no call is lost.

1. The new version's process is made, with the same capabilities, and isn't started.
2. The messenger, a thread of init's, calls the service at its own endpoint (HAND_OVER, badge 0: nobody else has that).
   The call waits in line like any other; when its turn comes, the service has answered all before it, or keeps them
   until it has. It brings its state in order, in the memory that outlives it, and answers HANDED_OVER. Until when init
   waits is in the call: who doesn't answer at once knows when to give up, and serves on.
3. The new version starts, the old one is ended. Calls that came meanwhile wait at the endpoint, and are the new one's.
4. The new one says that it is ready, once it has understood the state. If it ends before, or isn't in time, the old
   version is started again on the same state.

What the old version doesn't do in time is called off: the call is cancelled, and it goes on serving. Whether it has
handed over all the same is for the messenger to say: only its report ends step 2, and it is never lost.

Invariant: there is one swap at a time; while `unit` isn't 0, `reply` holds who asked for it.
"""

from __future__ import annotations

from neokernel.abi.call import message
from neokernel.abi.description import GrantKind
from neokernel.abi.status import FIRST, INVOKED, Status
from neokernel.interfaces.system import Phase, Reason, Refused
from neokernel.lang import text_of, u8, u64
from neokernel.runtime import system
from neokernel.runtime.child import AWAITS_REPLY, state_of
from neokernel.runtime.process import HAND_OVER, HANDED_OVER, Process
from neokernel.runtime.system import Failure, Message
from neokernel.services.init.autopsy import examine, not_made
from neokernel.services.init.build import give_again, make
from neokernel.services.init.lifecycle import begin, launch, take_down, wait
from neokernel.services.init.post_mortem import Cause
from neokernel.services.init.state import Init, after, failed, grants_of, kind_of_grant, ticks

#: label of the messenger's report: (status, label of the answer, number of the order)
REPORT: u64 = 1
#: `system.thread_info`: its call isn't received yet
CALLS = 3
#: how often in a second init looks whether a call that came too late can be cancelled
LOOKS: u64 = 100_000


def deliver(orders: u64) -> None:
    """The messenger: (endpoint, init's endpoint, number, deadline) → call HAND_OVER there, and tell how it ended."""
    while True:
        order = system.receive(orders, 0)
        if isinstance(order, Failure):
            continue
        answer = system.call(order.w0, message(HAND_OVER, 1), order.w3)
        status: u64 = 0
        label: u64 = 0
        if isinstance(answer, Failure):
            status = u64(answer.status.value)
        else:
            label = answer.label()
        while system.send(order.w1, message(REPORT, 3), status, label, order.w2) is not None:
            # Cancelled, because the answer came just when the call was called off: init waits for it.
            pass


def begin_swap(process: Process, init: Init, index: u64, program: bytes, patience: u64) -> Refused | None:
    """Step 1, and the order for step 2. None: who has asked is answered when all is done, by `swap.reply`."""
    swap, unit = init.swap, init.units[index]
    if swap.unit != 0:
        return Refused(Reason.BUSY)
    if unit.phase is not Phase.RUNS:
        return Refused(Reason.WRONG_PHASE)
    endpoint = endpoint_of(init, index)
    if endpoint == 0:
        return Refused(Reason.REFUSED)
    old, new = needs_of(init, unit.program.view()), needs_of(init, program)
    if new is None:
        return failed(Failure(Status.NO_PROGRAM, FIRST))
    if old is None or old != new:
        return Refused(Reason.OTHER_NEEDS)
    swap.child.number = 0
    failure = make(process, init, index, program, swap.child)
    if failure is not None:
        return failed(failure)
    swap.serial = init.next_serial()
    swap.patience = ticks(process, patience)
    due = after(system.now(), swap.patience)
    failure = system.try_send(init.orders, message(0, 4), endpoint, init.reports, swap.serial, due)
    if failure is not None:
        _ = swap.child.end(process)
        # It is about to wait, when a call was called off just before.
        return Refused(Reason.BUSY) if failure.status is Status.TIMED_OUT else failed(failure)
    swap.unit, swap.begun, swap.late, swap.failed = index + 1, False, False, False
    swap.due = due
    swap.old.assign(unit.program.view())
    swap.new.assign(program)
    # Who has asked waits in this Reply; init receives with the other one.
    swap.reply = init.reply
    init.reply = init.spare
    return None


def needs_of(init: Init, program: bytes) -> u64 | None:
    """The hash of what a program declares; None if the description doesn't know it."""
    for index in range(init.description.program_count):
        record = init.description.program(index)
        if init.description.text(record.name) == program:
            return record.needs
    return None


def endpoint_of(init: Init, index: u64) -> u64:
    """Where a unit can be asked to hand over: its endpoint. 0: it can't be replaced.

    It can't either if a device reaches its memory: that would have to be quiet first.
    """
    grants = grants_of(init, index)
    found: u64 = 0
    for grant in range(grants.first, grants.end):
        kind = kind_of_grant(init, grant)
        if kind is GrantKind.DMA:
            return 0
        if kind is GrantKind.PROVIDES and found == 0:
            found = init.objects[grant]
    return found


def has_reported(process: Process, init: Init, report: Message) -> None:
    """The messenger's call has ended: step 3."""
    swap = init.swap
    if swap.unit == 0 or report.w2 != swap.serial or swap.begun:
        return
    index = swap.unit - 1
    if report.w0 != 0:
        status = Status(u8(report.w0))
        called_off = swap.late and status is Status.CANCELLED
        give_up(process, init, Refused(Reason.TIMED_OUT) if called_off else failed(Failure(status, INVOKED)))
        return
    if report.w1 != HANDED_OVER or endpoint_of(init, index) == 0:
        # It doesn't know how, or has been stopped since.
        give_up(process, init, Refused(Reason.REFUSED))
        return
    if not take_down(process, init, index):
        # A device reaches memory of it. It has stopped, and is started again when that is over.
        wait(init, index, system.now())
        give_up(process, init, Refused(Reason.ROLLED_BACK))
        return
    give_again(process, init, index, swap.child.number)
    if init.service(index).state == 0:
        name = text_of(init.name(index))
        init.outbox.write(f"init: {name} preserves nothing: its new version begins anew\n")
    unit = init.units[index]
    unit.program.assign(swap.new.view())
    swap.begun = True
    swap.due = after(system.now(), swap.patience)
    failure = begin(process, init, index, swap.child)
    if failure is not None:
        not_made(init, index, failure)
        return_to_old(process, init)


def give_up(process: Process, init: Init, refused: Refused) -> None:
    """The old version goes on."""
    _ = init.swap.child.end(process)
    finish(init, refused)


def finish(init: Init, refused: Refused | None = None) -> None:
    """Tell who has asked how it ended: what `System.swap` gives, by the rule for answers, as its dispatcher is done."""
    swap = init.swap
    swap.unit = swap.due = 0
    swap.failed = False
    if refused is None:
        _ = system.reply(swap.reply, message(1))
    else:
        reason, status = u64(refused.reason.value), u64(refused.status.value)
        _ = system.reply(swap.reply, message(0, 3), reason, status, refused.argument)
    init.spare = swap.reply


def return_to_old(process: Process, init: Init) -> None:
    """The new version isn't able to, or isn't in time: the old one again, on the same state."""
    swap = init.swap
    index = swap.unit - 1
    init.units[index].program.assign(swap.old.view())
    finish(init, Refused(Reason.ROLLED_BACK))
    if take_down(process, init, index):
        launch(process, init, index)
    else:
        wait(init, index, system.now())


def do_due_swap(process: Process, init: Init, now: u64) -> None:
    """The time is over for what is under way, or the new version has failed."""
    swap = init.swap
    if swap.failed:
        return_to_old(process, init)
        return
    if swap.due == 0 or swap.due > now:
        return
    if swap.begun:
        examine(process, init, swap.unit - 1, Cause.UNREADY, None)
        return_to_old(process, init)
        return
    swap.late = True
    # The messenger is as urgent as init: if it is about to call, or to report, it does so first.
    system.yield_()
    if state_of(init.messenger) in (CALLS, AWAITS_REPLY):
        _ = system.suspend(init.messenger)
        _ = system.resume(init.messenger)
    swap.due = after(now, process.frequency // LOOKS)
