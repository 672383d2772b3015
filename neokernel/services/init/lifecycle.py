"""The lives of services: how they start, what happens when they end, and when that is too often.

A service that is to run again is started after its back-off: `backoff` the first time in its window, twice as long each
time after that, up to `longest_backoff`. More than `limit` restarts within `window`, which begins with the first of
them, are too many: then its escalation says what happens.

Its endpoints stay when it ends, and calls that it hasn't received wait for its next life; those that it had received
end with PEER_DIED. When it won't be started again, its endpoints end: nobody waits for a service that doesn't come.

Invariant: no process is left of a unit that doesn't run, unless its phase is ENDING.
"""

from __future__ import annotations

from neokernel.abi.boot import PROCESSOR
from neokernel.abi.call import NEVER
from neokernel.abi.description import MAXIMUM_SERVICES, Escalation, GrantKind, RestartPolicy
from neokernel.abi.fault import Fault
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding
from neokernel.abi.status import TRAVELLING, Status
from neokernel.interfaces.system import Phase
from neokernel.lang import Array, array, text_of, u16, u64, usize
from neokernel.runtime import system
from neokernel.runtime.child import CONTEXT, THREAD, Child, Death, end_child, state_of
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure
from neokernel.services.init.autopsy import examine, not_made
from neokernel.services.init.build import close_endpoint, make, open_endpoint
from neokernel.services.init.delegation import end_with
from neokernel.services.init.post_mortem import Cause
from neokernel.services.init.state import Init, after, first_slot, grants_of, kind_of_grant, table_of, ticks

#: status of a machine that was switched off because a service failed too often, or failed to end it
HALTED: u64 = 102
#: microseconds until init looks again: whether a device is quiet, or there is what a process needs; whether a service
#: waits
QUIET: u64 = 10_000
IDLE: u64 = 500
#: microseconds after which init tells of a passive service that isn't ready
UNREADY: u64 = 1_000_000
#: microseconds that a service has to end the machine when init has ended all others for it
ENDING: u64 = 10_000_000
#: how often a busy console is tried before the machine is switched off
LAST_WORDS = 1_000_000
#: messages to init that mean nothing, in one life of a service
MOST_NOISE: u64 = 100
#: `system.thread_info`: it waits for a message
RECEIVES = 4


# --- starting ---------------------------------------------------------------------------------------------------------


def launch(process: Process, init: Init, index: u64) -> None:
    """Start a unit that has no process. If that fails, it counts as an end."""
    child = Child()
    failure = open_endpoint(process, init, index)
    if failure is None:
        failure = make_heartbeat(process, init, index)
    if failure is None:
        failure = make(process, init, index, init.units[index].program.view(), child)
    if failure is None:
        failure = begin(process, init, index, child)
    if failure is not None:
        not_made(init, index, failure)
        unit = init.units[index]
        unit.starts += 1
        again(process, init, index, True)
        if unit.phase is Phase.WAITING:
            # Whatever its back-off: what can't be made now can't be made a moment later either.
            unit.due = max(unit.due, after(system.now(), ticks(process, QUIET)))


def begin(process: Process, init: Init, index: u64, child: Child) -> Failure | None:
    """Let a process that was made for the unit run."""
    service, unit = init.service(index), init.units[index]
    budget, period = ticks(process, service.budget), ticks(process, service.period)
    failure = child.start(process, u64(service.priority), budget, period)
    if failure is not None:
        _ = child.end(process)
        return failure
    init.owner[child.number] = u16(index + 1)
    unit.number, unit.stack, unit.own_memory = child.number, child.stack, child.own_memory
    unit.phase, unit.next, unit.ready, unit.noise = Phase.RUNS, Phase.WAITING, False, 0
    unit.denials.begin()
    unit.starts += 1
    unit.due = 0
    if service.passive != 0:
        # Whoever calls it: it has this priority at least.
        _ = system.set_floor(process.buffer, PROCESSOR, u64(service.priority), child.thread)
        unit.idle_due = after(system.now(), ticks(process, UNREADY))
    if unit.beat != 0:
        _ = system.poll(unit.beat)
        # It has time to begin.
        unit.beat_due = after(system.now(), 2 * ticks(process, service.heartbeat))
    return None


def make_heartbeat(process: Process, init: Init, index: u64) -> Failure | None:
    """The notification of a unit that must show that it lives, once."""
    unit = init.units[index]
    if init.service(index).heartbeat == 0 or unit.beat != 0:
        return None
    made = process.make(Kind.NOTIFICATION)
    if isinstance(made, Failure):
        return made
    unit.beat = made
    return None


def is_ready(process: Process, init: Init, index: u64) -> None:
    """It says that it serves from now on: it may live on its clients' time."""
    unit = init.units[index]
    unit.ready = True
    if init.service(index).passive != 0:
        unit.idle_due = after(system.now(), ticks(process, IDLE))


def take_time(process: Process, init: Init, index: u64) -> None:
    """Take the time of a unit away that waits for its clients; of one that doesn't wait yet, later."""
    unit = init.units[index]
    thread = first_slot(process, unit.number) + THREAD
    if state_of(thread) != RECEIVES:
        unit.idle_due = after(system.now(), ticks(process, IDLE))
        return
    unit.idle_due = 0
    # If it has none of its own any more, there is nothing to take.
    if system.unbind(thread, Binding.CONTEXT) is None and state_of(thread) != RECEIVES:
        # Somebody more urgent has called in between.
        if not lend_time(process, init, index):
            is_silent(process, init, index)


def lend_time(process: Process, init: Init, index: u64) -> bool:
    """A client's time has ended for good in a unit that lives on it: it gets its own, until it waits again.

    False: it can't be given any, and stands still.
    """
    unit = init.units[index]
    first = first_slot(process, unit.number)
    failure = system.bind(process.buffer, first + THREAD, Binding.CONTEXT, first + CONTEXT)
    if failure is not None and failure.status is not Status.OCCUPIED:
        return False
    # OCCUPIED of the thread: a client's time has come meanwhile. Of what travels: it has its own already.
    on_its_own = failure is None or failure.argument == TRAVELLING
    unit.idle_due = after(system.now(), ticks(process, IDLE)) if on_its_own else 0
    return True


# --- ending -----------------------------------------------------------------------------------------------------------


def take_down(process: Process, init: Init, index: u64) -> bool:
    """End a unit's process. False if a device may still reach its memory: then it is stopped, and ENDING."""
    unit = init.units[index]
    unit.beat_due = unit.idle_due = unit.due = 0
    if unit.number == 0:
        return True
    unit.denials.take_over(table_of(process, unit))
    drop_device_spaces(process, init, index)
    end_with(process, init, index)
    if end_child(process, unit.number) is not None:
        unit.phase = Phase.ENDING
        unit.due = after(system.now(), ticks(process, QUIET))
        return False
    init.owner[unit.number] = 0
    unit.number = 0
    return True


def drop_device_spaces(process: Process, init: Init, index: u64) -> None:
    """Unpin what its devices reach: the next life has a new DmaSpace."""
    grants = grants_of(init, index)
    for grant in range(grants.first, grants.end):
        if kind_of_grant(init, grant) is GrantKind.DMA and init.objects[grant] != 0:
            _ = process.drop(init.objects[grant])
            init.objects[grant] = 0


def has_died(process: Process, init: Init, index: u64, death: Death) -> None:
    """A unit's process has faulted, or says that it has ended."""
    failed = death.fault is not None or death.status != 0
    if failed or init.is_swapped(index):
        cause = Cause.FAULT if death.fault is not None else Cause.EXIT
        examine(process, init, index, cause, death)
    if death.fault is Fault.PAGE or death.fault is Fault.BUS:
        unit = init.units[index]
        unit.denials.trespass(table_of(process, unit), death.address, death.access)
    end(process, init, index, failed)


def is_silent(process: Process, init: Init, index: u64) -> None:
    """It hasn't signalled in time that it lives."""
    examine(process, init, index, Cause.SILENT, None)
    end(process, init, index, True)


def is_noisy(process: Process, init: Init, index: u64) -> None:
    """It says what means nothing, again and again: that costs init's time, which is everybody's."""
    unit = init.units[index]
    unit.noise += 1
    if unit.noise > MOST_NOISE:
        examine(process, init, index, Cause.NOISY, None)
        end(process, init, index, True)


def end(process: Process, init: Init, index: u64, failed: bool) -> None:
    """Take a unit down, and do then as its policy says."""
    _ = take_down(process, init, index)
    again(process, init, index, failed)


def stop(process: Process, init: Init, index: u64, phase: Phase = Phase.DOWN) -> None:
    """Take a unit down for good: it is DOWN then, or GIVEN_UP."""
    unit = init.units[index]
    unit.next = phase
    if take_down(process, init, index):
        unit.phase = phase
    close_endpoint(process, init, index)
    end_with(process, init, index)


def again(process: Process, init: Init, index: u64, failed: bool) -> None:
    """A unit that was taken down: will it run again?"""
    if init.is_swapped(index):
        # The old version will, at once: the new one's end is no reason to restart or give up anything.
        init.swap.failed = True
        return
    service, unit = init.service(index), init.units[index]
    policy = RestartPolicy(service.policy)
    if policy is RestartPolicy.NEVER or (policy is RestartPolicy.ON_FAILURE and not failed):
        stop(process, init, index)
        return
    now, window = system.now(), ticks(process, service.window)
    if unit.restarts == 0 or now - unit.window > window:
        unit.window, unit.restarts = now, 0
    unit.restarts += 1
    if unit.restarts > u64(service.limit):
        escalate(process, init, index, now, window)
    else:
        wait(init, index, after(now, ticks(process, backoff(service.backoff, service.longest_backoff, unit.restarts))))


def backoff(first: u64, longest: u64, restarts: u64) -> u64:
    """Microseconds before the restart with this number, from 1 on."""
    delay = first
    for _ in range(u64(1), min(restarts, 64)):
        delay = min(2 * delay, longest)
    return delay


def wait(init: Init, index: u64, due: u64) -> None:
    """Start it at that time, or when the last one is gone."""
    unit = init.units[index]
    unit.next = Phase.WAITING
    if unit.number == 0:
        unit.phase = Phase.WAITING
        unit.due = due


# --- too often --------------------------------------------------------------------------------------------------------


def escalate(process: Process, init: Init, index: u64, now: u64, window: u64) -> None:
    """A unit has failed too often."""
    service, unit = init.service(index), init.units[index]
    name = text_of(init.name(index))
    match Escalation(service.escalation):
        case Escalation.HALT:
            init.outbox.write(f"init: {name} has failed too often: the machine is switched off\n")
            switch_off(process, init, HALTED)
        case Escalation.RESTART_DEPENDANTS if unit.escalated == 0 or now - unit.escalated > window:
            init.outbox.write(f"init: {name} has failed too often: all that use it are started again\n")
            unit.escalated, unit.restarts = max(now, 1), 0
            restart_with_dependants(process, init, index, after(now, ticks(process, service.backoff)))
        case _:
            init.outbox.write(f"init: {name} has failed too often: it is given up\n")
            stop(process, init, index, Phase.GIVEN_UP)


def restart_with_dependants(process: Process, init: Init, index: u64, due: u64) -> None:
    """Take down a unit and all that use it, directly or by others, and start them in order."""
    marked: Array[bool] = array(MAXIMUM_SERVICES, False)
    marked[index] = True
    # Who is used stands before who uses it, so one pass finds all.
    for user in range(init.description.grants()):
        if kind_of_grant(init, user) is GrantKind.USES:
            grant = init.description.grant(user)
            used = init.description.grant(grant.target)
            if marked[usize(used.owner)]:
                marked[usize(grant.owner)] = True
    for other in range(index, init.description.services()):
        unit = init.units[other]
        # One that is ENDING may have been stopped.
        runs = unit.phase in (Phase.RUNS, Phase.WAITING) or (unit.phase is Phase.ENDING and unit.next is Phase.WAITING)
        if marked[other] and (runs or other == index):
            _ = take_down(process, init, other)
            wait(init, other, due)


# --- the machine's end ------------------------------------------------------------------------------------------------


def power_off(process: Process, init: Init) -> None:
    """End all services, who uses before who is used, and the machine."""
    stop_all(process, init, init.description.services())
    init.outbox.write("init: all services have ended: the machine is switched off\n")
    switch_off(process, init, 0)


def stop_all(process: Process, init: Init, but: u64) -> None:
    """Stop all services but this one, who uses before who is used."""
    for index in reversed(range(init.description.services())):
        if index != but:
            stop(process, init, index)


def await_end(process: Process, init: Init, index: u64) -> None:
    """Note that this service, the last one that runs, is to end the machine.

    It has its time from when it asks first: who asks again and again doesn't get more.
    """
    if init.ender == 0:
        init.ender = index + 1
        init.ender_due = after(system.now(), ticks(process, ENDING))


def do_due_end(process: Process, init: Init, now: u64) -> None:
    """If who was to end the machine has ended itself, or its time is over: a machine without services ends, too."""
    if init.ender == 0:
        return
    name = text_of(init.name(init.ender - 1))
    if init.units[init.ender - 1].phase is not Phase.RUNS:
        init.outbox.write(f"init: {name} has ended all others, and then itself: the machine is switched off\n")
        switch_off(process, init, HALTED)
    elif init.ender_due <= now:
        init.outbox.write(f"init: {name} has ended all others, and nothing more: the machine is switched off\n")
        switch_off(process, init, HALTED)


def switch_off(process: Process, init: Init, status: u64) -> None:
    """The machine's end, when the console has taken the last words."""
    for _ in range(LAST_WORDS):
        if init.outbox.drain():
            break
    process.exit(status)


# --- what is due ------------------------------------------------------------------------------------------------------


def do_due(process: Process, init: Init, index: u64, now: u64) -> None:
    """What is to be done for a unit by now."""
    unit = init.units[index]
    if unit.due != 0 and unit.due <= now:
        if unit.phase is Phase.WAITING:
            launch(process, init, index)
        elif unit.phase is Phase.ENDING and take_down(process, init, index):
            unit.phase = unit.next
            if unit.next is Phase.WAITING:
                wait(init, index, now)
    if unit.beat_due != 0 and unit.beat_due <= now:
        if isinstance(system.poll(unit.beat), Failure):
            is_silent(process, init, index)
        else:
            unit.beat_due = after(now, ticks(process, init.service(index).heartbeat))
    if unit.idle_due != 0 and unit.idle_due <= now:
        if unit.ready:
            take_time(process, init, index)
        else:
            unit.idle_due = 0
            name = text_of(init.name(index))
            init.outbox.write(f"init: {name} is passive and keeps time of its own: it hasn't called process.ready()\n")


def next_due(init: Init, index: u64) -> u64:
    """When something is to be done for a unit."""
    unit = init.units[index]
    first: u64 = NEVER
    if unit.due != 0:
        first = min(first, unit.due)
    if unit.beat_due != 0:
        first = min(first, unit.beat_due)
    if unit.idle_due != 0:
        first = min(first, unit.idle_due)
    return first
