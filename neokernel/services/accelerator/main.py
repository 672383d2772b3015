"""The accelerator manager: which model a process serves, and the memory and code that it is leased for that.

Two processes may serve each name. One does; the other one waits here, and costs nothing but its memory. A bundle that
is pushed is verified, leased to the one that waits, and tried by it; then it is appointed at the gateway, and the other
one waits. If it ends, or keeps a request waiting in vain, while it is watched, the other one is appointed again.

    desk.py     what is asked
    trial.py    who serves: trying, appointing, watching, rolling back
    stock.py    what there is to serve, and who is leased what of it (`place.py`, `lease.py`, `bundle.py`)
    kept.py     what outlives the manager
    teller.py   the log
"""

from __future__ import annotations

from neokernel.interfaces.accelerator import Accelerator
from neokernel.interfaces.appointment import Appointment
from neokernel.interfaces.log import Log
from neokernel.interfaces.models import Keys, Models
from neokernel.lang import (
    Embedded,
    Provides,
    Setting,
    Uses,
    array,
    provides,
    setting,
    slot_of,
    struct,
    tasks,
    u32,
    u64,
    uses,
    usize,
)
from neokernel.runtime.executor import Answering, Executor, Group, Request
from neokernel.runtime.interface import client_of, provided_of
from neokernel.runtime.must import must
from neokernel.runtime.objects import Memory
from neokernel.runtime.placing import placed
from neokernel.runtime.process import Process, current
from neokernel.services.accelerator.desk import Arrival, Desk, Office
from neokernel.services.accelerator.kept import NAMES, PLACES
from neokernel.services.accelerator.trial import CLOCK, Trials

#: calls at a time: of each process one that waits, and one that this one has superseded; and an operator's
CALLS = 2 * NAMES * PLACES + 2
#: how often in a second is looked after what is tried or watched
LOOKS: u64 = 20
#: pages of all that is placed
PAGES = 100

gateway: Uses[Appointment] = uses()
log: Uses[Log] = uses()
#: what leases are made of
pool: Uses[Memory] = uses()
model0: Provides[Accelerator] = provides()
model1: Provides[Accelerator] = provides()
model2: Provides[Accelerator] = provides()
model3: Provides[Accelerator] = provides()
models: Provides[Models] = provides()
keys: Provides[Keys] = provides()
#: KiB of memory that a process is leased at most
quota: Setting[u32] = setting(1024)
#: milliseconds that a process has to map a model and try it
patience: Setting[u32] = setting(5_000)
#: milliseconds that it is watched for, once it serves
watch: Setting[u32] = setting(10_000)


async def accept(site: Site) -> None:
    """A task for each call."""
    while True:
        request = await site.executor.request()
        assert site.answering.spawn_now(site.executor, attend_to(site, request)) is not None, "begin lets in no more"


async def attend_to(site: Site, request: Request) -> None:
    """All names' interfaces are the same: the badge says which one is asked."""
    number, client = provided_of(request.message.badge), client_of(request.message.badge)
    executor, trials = site.executor, site.trials
    with Answering(executor=executor, request=request) as call:
        if number == NAMES:
            office = Office(executor=executor, trials=trials, arrival=site.arrival)
            _ = call.give(models.dispatch(office, request.message))
        elif number == NAMES + 1:
            _ = call.give(
                keys.dispatch(Office(executor=executor, trials=trials, arrival=site.arrival), request.message)
            )
        else:
            desk = Desk(executor=executor, trials=trials, name=usize(number), client=client)
            _ = call.give(await model0.dispatch_later(desk, request.message))


async def look_after(site: Site) -> None:
    """While something is tried or watched, look how it does."""
    while True:
        busy = False
        for name in range(NAMES):
            busy = site.trials.look(site.executor, name) or busy
        if busy:
            await site.executor.sleep_until(site.executor.now + current().frequency // LOOKS)
        else:
            _ = await site.executor.signals(CLOCK)


@struct
class Site:
    executor: Embedded[Executor] = Executor()
    trials: Embedded[Trials] = Trials()
    arrival: Embedded[Arrival] = Arrival()
    accepting: Embedded[Group] = Group(frames=tasks(accept, 1), tasks=array(1))
    answering: Embedded[Group] = Group(frames=tasks(attend_to, CALLS), tasks=array(CALLS))
    looking: Embedded[Group] = Group(frames=tasks(look_after, 1), tasks=array(1))


def main(process: Process) -> None:
    site: Site = placed(process, PAGES)
    trials, millisecond = site.trials, process.frequency // 1000
    trials.begin(len(process.state()))
    trials.stock.pool, trials.stock.quota = slot_of(pool), u64(quota.get(process)) << 10
    trials.gateway = slot_of(gateway)
    trials.teller.log, trials.teller.voices.frequency = slot_of(log), process.frequency
    trials.patience = u64(patience.get(process)) * millisecond
    trials.watch = u64(watch.get(process)) * millisecond
    must(site.executor.begin(process, slot_of(model0), CALLS))
    assert site.accepting.spawn(site.executor, accept(site)) is not None
    assert site.looking.spawn(site.executor, look_after(site)) is not None
    process.ready()
    while True:
        must(site.executor.wait())
        if site.executor.leaving is not None:
            trials.dismiss(site.executor)
        # First whoever takes calls: their words are in the thread's buffer.
        site.accepting.run(site.executor)
        site.answering.run(site.executor)
        site.looking.run(site.executor)
