"""init, the root process: makes the system that its description says, and keeps it going.

All endpoints are made first, one for each service that provides something, then the processes, in the order of the
description. From then on init waits, at one endpoint, for faults, for what services and those who administer them say,
and for what is due.

Its table grows with the number of services, so its work is done by a thread of its own, with a larger table than the
kernel gave. A second one, the messenger, calls services that are to hand over: init itself never waits for one.

init is the most urgent of all, and nobody supervises it: if a check of its own fails, the machine ends with a panic
record, as it does when the kernel's do.
"""

from __future__ import annotations

from neokernel.abi.boot import OWN_TABLE, ROOT_SLOTS
from neokernel.abi.call import NEVER
from neokernel.abi.description import slots_needed
from neokernel.abi.fault import Fault
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding
from neokernel.abi.rights import ALL, SEND
from neokernel.abi.status import Status
from neokernel.interfaces.system import Phase
from neokernel.lang import u64
from neokernel.runtime import system
from neokernel.runtime.child import Death, death_of
from neokernel.runtime.must import must, must_get
from neokernel.runtime.process import READY, Process
from neokernel.runtime.system import Failure, Message
from neokernel.runtime.thread import make_thread, spawn, start_thread
from neokernel.services.init.build import open_endpoint
from neokernel.services.init.control import serve
from neokernel.services.init.delegation import do_due_delegations, next_due_delegation
from neokernel.services.init.description import Description, check, open_header
from neokernel.services.init.lifecycle import (
    do_due,
    do_due_end,
    has_died,
    is_noisy,
    is_ready,
    launch,
    lend_time,
    next_due,
)
from neokernel.services.init.outbox import Outbox
from neokernel.services.init.place import (
    find_description,
    make_objects,
    make_outbox,
    make_post_mortems,
    make_units,
    regions_behind,
)
from neokernel.services.init.state import ASKING, BEGAN, MESSENGER, Init
from neokernel.services.init.swap import deliver, do_due_swap, finish, has_reported

#: of init's threads
PRIORITY: u64 = 255
#: what a thread is for, in the low half of its argument; above it, for the messenger, its endpoint
SUPERVISE: u64 = 1
DELIVER: u64 = 2
#: how often in a second init looks whether a console that was busy takes more
CONSOLE_WAITS: u64 = 5000
#: status of a machine that can't do what its description says
REFUSED: u64 = 103


def main(process: Process) -> None:
    process.arguments[BEGAN], process.arguments[BEGAN + 1] = system.instructions(), system.now()
    found = find_description()
    if found is None:
        process.console.write("init: the boot archive has no description of the system\n")
        process.exit(REFUSED)
    description = Description(memory=found)
    refusal = check(description)
    if refusal is not None:
        wrong, place = refusal.problem, refusal.place
        process.console.write(f"init: the system's description is refused: {wrong.name}, record {place}\n")
        process.exit(REFUSED)
    begin_supervision(process, slots_needed(description.services(), description.grants()))
    process.exit_thread()


def begin_supervision(process: Process, slots: u64) -> None:
    """Start the thread that does init's work, with a table of so many slots, where all that init has is at its index.

    The thread of this function has done its part.
    """
    table = must_get(process.make(Kind.CAP_TABLE, slots))
    context = must_get(process.context(PRIORITY, process.frequency // 100, process.frequency // 100))
    made = must_get(make_thread(process, SUPERVISE, PRIORITY))
    for index in range(u64(1), u64(ROOT_SLOTS)):
        if process.slots().is_taken(index):
            # Not all that are taken hold something.
            source: u64 = table if index == OWN_TABLE else index
            _ = system.copy(process.buffer, table, index, ALL, 0, source)
    process.slots().extend(ROOT_SLOTS, slots)
    must(system.unbind(made.thread, Binding.TABLE))
    must(system.bind(process.buffer, made.thread, Binding.TABLE, table))
    must(system.resume(made.thread))
    must(start_thread(process, made.thread, context))


def thread(process: Process, argument: u64) -> None:
    if argument & 0xFFFF_FFFF == DELIVER:
        deliver(argument >> 32)
    supervise(process)


def supervise(process: Process) -> None:
    """Make the system, and keep it going."""
    found = find_description()
    assert found is not None, "it was there before"
    description = Description(memory=found)
    assert open_header(description) is None, "it was accepted before"
    events, orders = must_get(process.make(Kind.ENDPOINT)), must_get(process.make(Kind.ENDPOINT))
    messenger = spawn(process, DELIVER | orders << 32, PRIORITY, process.frequency // 100, process.frequency // 100)
    outbox = Outbox(memory=make_outbox(process))
    objects = make_objects(process, description.grants())
    init = Init(
        description=description,
        outbox=outbox,
        units=make_units(process, description.services()),
        objects=objects,
        regions=regions_behind(objects),
        post_mortems=make_post_mortems(process),
        events=events,
        reply=must_get(process.make(Kind.REPLY)),
        spare=must_get(process.make(Kind.REPLY)),
        orders=orders,
        messenger=must_get(messenger),
        reports=must_get(process.derive(events, SEND, MESSENGER)),
    )
    begin(process, init)
    while True:
        step(process, init)


def begin(process: Process, init: Init) -> None:
    """All endpoints, then all processes."""
    for index in range(init.description.services()):
        init.units[index].program.assign(init.description.text(init.service(index).program))
        must(open_endpoint(process, init, index))
    for index in range(init.description.services()):
        launch(process, init, index)
    do_all_due(process, init)


def step(process: Process, init: Init) -> None:
    """Wait for something that happens or is due, and do what is to be done about it."""
    # Only a thread with a context of its own can set a deadline, even one that never comes.
    event = system.receive(init.events, init.reply, min(init.next_due, NEVER - 1))
    if isinstance(event, Failure):
        assert event.status is Status.TIMED_OUT, "init's endpoint and Reply are its own"
    elif event.badge >= ASKING:
        init.changed = True
        serve(process, init, event)
    elif event.badge == MESSENGER:
        init.changed = True
        has_reported(process, init, event)
    else:
        hear(process, init, event)
    do_all_due(process, init)


def do_all_due(process: Process, init: Init) -> None:
    """Do what is due. What happens often and changes nothing doesn't look through all services."""
    now = system.now()
    while init.changed or init.next_due <= now:
        init.changed = False
        for index in range(init.description.services()):
            do_due(process, init, index, now)
        do_due_swap(process, init, now)
        do_due_delegations(process, init, now)
        do_due_end(process, init, now)
        init.next_due = first_due(init)
    if not init.outbox.drain():
        init.next_due = min(init.next_due, now + process.frequency // CONSOLE_WAITS)


def first_due(init: Init) -> u64:
    first = next_due_delegation(init)
    for index in range(init.description.services()):
        first = min(first, next_due(init, index))
    if init.swap.due != 0:
        first = min(first, init.swap.due)
    return min(first, init.ender_due) if init.ender != 0 else first


def hear(process: Process, init: Init, event: Message) -> None:
    """A child says something, or the kernel of it."""
    index = init.unit_of(event.badge)
    is_word = not event.is_fault() and event.label() == READY
    if is_word:
        _ = system.reply(init.reply, 0)
    death = None if is_word else death_of(process, event, init.reply)
    if index is None or init.units[index].phase is not Phase.RUNS:
        return
    if death is not None:
        init.changed = True
        dies(process, init, index, death)
    elif is_word and not init.units[index].ready:
        init.changed = True
        is_ready(process, init, index)
        if init.is_swapped(index):
            finish(init)
    elif not event.is_fault():
        init.changed = True
        is_noisy(process, init, index)


def dies(process: Process, init: Init, index: u64, death: Death) -> None:
    """A unit's process has come to its end, or has run out of its clients' time."""
    fault = death.fault
    runs_on = fault is not None and fault is Fault.BUDGET and init.service(index).passive != 0
    if not runs_on or not lend_time(process, init, index):
        has_died(process, init, index, death)
