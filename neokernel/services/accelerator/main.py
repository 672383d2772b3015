"""The accelerator manager: which model a process serves, and the memory and code that it is leased for that.

Two processes may serve each name. One does; the other one waits here, and costs nothing but its memory. A bundle that
is pushed is verified, leased to the one that waits, and tried by it; then it is appointed at the gateway, and the other
one waits. If it ends, or keeps a request waiting in vain, while it is watched, the other one is appointed again.

Invariants:
- `trial` isn't `current`; who is `trial` has a lease, and `due` says how long it has. Of a process, one task at most
  waits: its last word counts.
- What outlives this life (`kept.py`) says who serves for sure: who is watched isn't yet. So if this life ends, the next
  one has the name served by who was before.
- The gateway is told who is appointed before that one is told to serve: whoever comes first to a gateway that was
  started again, work is for nobody else.
"""

from __future__ import annotations

from neokernel.http.text import Text
from neokernel.interfaces.accelerator import HEADER_SIZE, Accelerator, NoLease, Order, What, Why
from neokernel.interfaces.appointment import MOST_NAME, Appointment, NotAppointed, Served
from neokernel.interfaces.clients.voices import Voices
from neokernel.interfaces.log import Level, Log
from neokernel.interfaces.models import KEY_SIZE, Backend, Keys, Model, Models, NoPush, Outcome
from neokernel.lang import (
    Array,
    Embedded,
    Provides,
    Setting,
    Span,
    Uses,
    array,
    copy,
    pause,
    provides,
    setting,
    slot_of,
    struct,
    tasks,
    text_of,
    u8,
    u32,
    u64,
    uses,
    usize,
)
from neokernel.runtime.executor import Answering, Executor, Group, Request
from neokernel.runtime.interface import client_of, provided_of
from neokernel.runtime.must import must
from neokernel.runtime.objects import Frame, Memory
from neokernel.runtime.placing import placed
from neokernel.runtime.process import Process, current
from neokernel.runtime.task import Task
from neokernel.services.accelerator.bundle import (
    MOST_KEYS,
    Trusted,
    is_called,
    loadable,
    processor_of,
    serial_of,
    verify_bundle,
)
from neokernel.services.accelerator.kept import NAMES, NOBODY, PLACES, Preserved
from neokernel.services.accelerator.lease import Lease
from neokernel.stage.format import SIGNATURE_SIZE

#: calls at a time: of each process one that waits, and one that this one has superseded; and an operator's
CALLS = 2 * NAMES * PLACES + 2
#: the executor's signal that there is something to look after
CLOCK = 1
#: how often in a second that is done
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


@struct
class Place:
    """A process that may serve a name."""

    lease: Embedded[Lease] = Lease()
    #: what it is told next
    order: Order | None = None
    #: the task that waits for that, and another number for each
    waiter: Task | None = None
    turn: u64 = 0
    #: the bundle in its area was verified by this life of the manager, and nobody else writes there
    verified: bool = False
    #: it has a model that it can serve, and whether that is its program's
    loaded: bool = False
    own: bool = True
    backend: Backend = Backend.SCALAR
    #: of the bundle that it serves: of one that is leased, as the manager has it; of its program's, as the process says
    header_length: usize = 0
    header: Array[u8] = array(HEADER_SIZE)


@struct
class Name:
    places: Array[Embedded[Place]] = array(PLACES)
    current: usize = NOBODY
    #: the one that tries a bundle
    trial: usize = NOBODY
    outcome: Outcome = Outcome.NONE
    why: Why = Why.NONE
    detail: u64 = 0
    due: u64 = 0
    #: since when who is watched isn't at the gateway, though it should be; 0: it is
    missing: u64 = 0

    def is_busy(self) -> bool:
        return self.outcome in (Outcome.TRIED, Outcome.WATCHED)

    def spare(self) -> usize:
        """The place that doesn't serve; NOBODY, if none does."""
        return PLACES - 1 - self.current if self.current < PLACES else usize(NOBODY)


# --- tasks ------------------------------------------------------------------------------------------------------------


async def accept(site: Site) -> None:
    """A task for each call."""
    while True:
        request = await site.executor.request()
        assert site.answering.spawn_now(site.executor, attend_to(site, request)) is not None, "begin lets in no more"


async def attend_to(site: Site, request: Request) -> None:
    """All names' interfaces are the same: the badge says which one is asked."""
    number, client = provided_of(request.message.badge), client_of(request.message.badge)
    with Answering(executor=site.executor, request=request) as call:
        if number == NAMES:
            _ = call.give(models.dispatch(Office(site=site), request.message))
        elif number == NAMES + 1:
            _ = call.give(keys.dispatch(Office(site=site), request.message))
        else:
            desk = Desk(site=site, name=usize(number), client=client)
            _ = call.give(await model0.dispatch_later(desk, request.message))


async def look_after(site: Site) -> None:
    """While something is tried or watched, look how it does."""
    while True:
        busy = False
        for number in range(NAMES):
            busy = site.look(number) or busy
        if busy:
            await site.executor.sleep_until(site.executor.now + current().frequency // LOOKS)
        else:
            _ = await site.executor.signals(CLOCK)


# --- what is asked ----------------------------------------------------------------------------------------------------


@struct
class Desk:
    """Handles one call of `Accelerator`."""

    site: Site
    name: usize
    client: u64

    async def ask(self, fresh: bool) -> Order | NoLease:
        site, name = self.site, self.name
        at = site.place_of(name, self.client, True)
        if at == NOBODY:
            return NoLease.FULL
        place = site.names[name].places[at]
        if fresh:
            site.has_ended(name, at)
        if site.names[name].current == NOBODY:
            site.names[name].current = at
            site.kept.keep_serves(name, at)
        if site.names[name].current == at:
            site.appoint(name)
            place.order = site.order_for(name, at)
        place.turn += 1
        turn = place.turn
        site.wake(place)
        while place.turn == turn:
            order = place.order
            if order is not None:
                place.order = None
                return order
            place.waiter = site.executor.running()
            await pause()
        return NoLease.SUPERSEDED

    async def page(self, number: u64) -> Frame | NoLease:
        at = self.site.place_of(self.name, self.client, False)
        if at == NOBODY:
            return NoLease.PAGE
        found = self.site.names[self.name].places[at].lease.page(current(), number)
        if found is NoLease.PAGE:
            self.site.tell_denied(self.name, self.client, number)
        return found

    async def ready(self, header: bytes) -> bool:
        at = self.site.place_of(self.name, self.client, False)
        return at != NOBODY and self.site.is_ready(self.name, at, header)

    async def failed(self, why: Why, detail: u64) -> None:
        at = self.site.place_of(self.name, self.client, False)
        if at != NOBODY:
            self.site.has_failed(self.name, at, why, detail)


@struct
class Office:
    """Handles one call of `Models` or `Keys`."""

    site: Site

    def model(self, number: u64, name: Span[u8], header: Span[u8]) -> Model | NoPush:
        if number >= NAMES:
            return NoPush.NAME
        found = self.site.names[usize(number)]
        called = gateway.name(number, name)
        if not isinstance(called, usize):
            return NoPush.NAME
        served = gateway.served(number)
        answered = served.answered if isinstance(served, Served) else u64(0)
        spare = found.spare()
        waits = spare != NOBODY and found.places[spare].waiter is not None
        client: u64 = 0
        own = True
        backend = Backend.SCALAR
        length: usize = 0
        if found.current != NOBODY:
            place = found.places[found.current]
            client, own = self.site.kept.client(usize(number), found.current), place.own
            backend = place.backend
            length = min(place.header_length, len(header))
            copy(header[:length], place.header[:length].bytes())
        return Model(client, own, backend, waits, found.outcome, found.why, found.detail, answered, called, length)

    def begin(self, number: u64, size: u64) -> NoPush | None:
        site = self.site
        site.expected = 0
        if number >= NAMES:
            return NoPush.NAME
        name = site.names[usize(number)]
        if name.is_busy():
            return NoPush.BUSY
        spare = name.spare()
        if spare == NOBODY or name.places[spare].waiter is None:
            return NoPush.SPARE
        if size > site.kept.room():
            return NoPush.ROOM
        # What was in the area can't be leased again from now on; where it is leased, that goes on.
        name.places[spare].verified = False
        site.kept.keep_size(usize(number), spare, 0)
        site.pushed, site.expected, site.arrived = usize(number), usize(size), 0
        return None

    def piece(self, place: u64, data: bytes) -> NoPush | None:
        site = self.site
        if place != site.arrived or len(data) > site.expected - min(site.arrived, site.expected):
            return NoPush.PIECE
        area = site.kept.area(site.pushed, site.names[site.pushed].spare())
        copy(area[site.arrived : site.arrived + len(data)], data)
        site.arrived += len(data)
        return None

    def finish(self) -> NoPush | None:
        site = self.site
        size, site.expected = site.expected, 0
        if size == 0 or site.arrived != size:
            return NoPush.PIECE
        refused = site.push(site.pushed, size)
        site.tell_push(site.pushed, refused)
        return refused

    def swap(self, number: u64, backend: Backend) -> NoPush | None:
        if number >= NAMES:
            return NoPush.NAME
        # What is being pushed would go to the same area.
        self.site.expected = 0
        refused = self.site.swap(usize(number), backend)
        self.site.tell_push(usize(number), refused)
        return refused

    def enrol(self, number: u64, count: u64, key: bytes) -> None:
        if number < MOST_KEYS and count <= MOST_KEYS and len(key) == KEY_SIZE:
            self.site.kept.trust(usize(number), usize(count), key)
            self.site.kept.read_keys(self.site.trusted)


# --- what becomes of it -----------------------------------------------------------------------------------------------


@struct
class Site:
    executor: Embedded[Executor] = Executor()
    names: Array[Embedded[Name]] = array(NAMES)
    kept: Embedded[Preserved] = Preserved()
    trusted: Embedded[Trusted] = Trusted()
    voices: Embedded[Voices] = Voices(frequency=1)
    #: bytes that a lease may have, and ticks that a process has, and is watched for
    quota: u64 = 0
    patience: u64 = 0
    watch: u64 = 0
    #: the push that pieces come of: for which name, of how many bytes, 0 if there is none, and how many have come
    pushed: usize = 0
    expected: usize = 0
    arrived: usize = 0
    accepting: Embedded[Group] = Group(frames=tasks(accept, 1), tasks=array(1))
    answering: Embedded[Group] = Group(frames=tasks(attend_to, CALLS), tasks=array(CALLS))
    looking: Embedded[Group] = Group(frames=tasks(look_after, 1), tasks=array(1))

    def place_of(self, name: usize, client: u64, take: bool) -> usize:
        """Which of the name's places a process has; NOBODY: none. `take`: one that is free."""
        for at in range(PLACES):
            if self.kept.client(name, at) == client:
                return at
        for at in range(PLACES):
            if take and self.kept.client(name, at) == 0:
                self.kept.keep_client(name, at, client)
                return at
        return NOBODY

    def wake(self, place: Place) -> None:
        """Let the task go on that waits for an order."""
        waiter = place.waiter
        place.waiter = None
        if waiter is not None:
            self.executor.wake(waiter)

    def begin(self, length: usize) -> None:
        """With so many bytes of what a life before may have kept."""
        self.kept.begin(length)
        self.kept.read_keys(self.trusted)
        for name in range(NAMES):
            found = self.names[name]
            found.current = self.kept.serves(name)
            lost = self.kept.trial(name)
            if lost != NOBODY:
                self.kept.keep_size(name, lost, 0)
                self.end_push(name, Outcome.ROLLED_BACK, Why.MANAGER, 0)

    def appoint(self, name: usize) -> None:
        """Let the gateway know who serves, whether that one is there or not: a new gateway knows of nobody."""
        found = self.names[name]
        if found.current != NOBODY:
            _ = gateway.appoint(u64(name), self.kept.client(name, found.current), True)

    def order_for(self, name: usize, at: usize) -> Order:
        """What a process is to serve now: what it has, else what was pushed for it, else what it was built with."""
        place = self.names[name].places[at]
        if place.loaded:
            return Order(What.AGAIN)
        size = self.kept.size(name, at)
        if size != 0:
            order = self.lease(name, at, size)
            if isinstance(order, Order):
                return order
            self.kept.keep_size(name, at, 0)
        place.own, place.backend = True, Backend.SCALAR
        return Order(What.OWN)

    def lease(self, name: usize, at: usize, size: usize) -> Order | NoPush:
        """Lease the bundle in the area of this place, which has so many bytes with its signature."""
        place = self.names[name].places[at]
        unverified = self.verify(name, at, size)
        if unverified is not None:
            return unverified
        area = self.kept.area(name, at)[:size]
        processor = processor_of(current().vector_bytes, self.kept.backend(name, at))
        parts = loadable(area[: size - SIGNATURE_SIZE], processor)
        if isinstance(parts, NoPush):
            return parts
        # What it had before goes with its lease.
        place.loaded = False
        refused = place.lease.make(current(), pool.slot, self.quota, self.kept.address(name, at), parts)
        if refused is not None:
            return refused
        place.own, place.backend = False, Backend.VECTOR if parts.features != 0 else Backend.SCALAR
        place.header_length = HEADER_SIZE
        copy(place.header[:], area[:HEADER_SIZE].bytes())
        return Order(
            What.LEASED, parts.head, parts.code_pages, parts.constants_pages, parts.sample_pages, parts.arena_pages
        )

    def verify(self, name: usize, at: usize, size: usize) -> NoPush | None:
        """Once: a process that asks for its lease again and again is not to have it hashed each time."""
        place = self.names[name].places[at]
        if place.verified:
            return None
        refused = verify_bundle(self.kept.area(name, at)[:size], self.trusted)
        place.verified = refused is None
        return refused

    def is_for(self, name: usize, header: Span[u8]) -> bool:
        """Was the bundle signed for this name? Two models may take and give the same, and mean something else."""
        memory: Array[u8] = array(MOST_NAME)
        called = gateway.name(u64(name), memory[:])
        return isinstance(called, usize) and is_called(header, memory[:called].bytes())

    def swap(self, name: usize, backend: Backend) -> NoPush | None:
        """Have the bundle that serves computed by another backend: by the process that doesn't serve."""
        found = self.names[name]
        at = found.spare()
        if found.is_busy():
            return NoPush.BUSY
        if at == NOBODY or found.places[at].waiter is None:
            return NoPush.SPARE
        size = self.kept.size(name, found.current)
        if found.places[found.current].own or size == 0:
            return NoPush.OWN
        self.kept.keep_size(name, at, 0)
        found.places[at].verified = False
        copy(self.kept.area(name, at)[:size], self.kept.area(name, found.current)[:size].bytes())
        return self.have_tried(name, at, size, backend, backend)

    def push(self, name: usize, size: usize) -> NoPush | None:
        """Have the bundle tried that is in the area of the process that doesn't serve."""
        found = self.names[name]
        at = found.spare()
        if found.is_busy():
            return NoPush.BUSY
        if at == NOBODY or found.places[at].waiter is None:
            return NoPush.SPARE
        refused = self.verify(name, at, size)
        if refused is not None:
            return refused
        header = self.kept.area(name, at)[:HEADER_SIZE]
        if not self.is_for(name, header):
            return NoPush.CALLED
        if serial_of(header) < self.kept.serial(name):
            return NoPush.OLDER
        return self.have_tried(name, at, size, Backend.SCALAR, Backend.VECTOR)

    def have_tried(self, name: usize, at: usize, size: usize, least: Backend, most: Backend) -> NoPush | None:
        """Lease the bundle in the area of this place, which doesn't serve, by one of these backends; have it tried."""
        found = self.names[name]
        self.kept.keep_backend(name, at, most)
        order = self.lease(name, at, size)
        if isinstance(order, NoPush):
            return order
        if least is Backend.VECTOR and found.places[at].backend is Backend.SCALAR:
            self.forget(name, at)
            return NoPush.MACHINE
        # What it was before doesn't count: it has to begin with what it is leased now.
        _ = gateway.end(u64(name), self.kept.client(name, at))
        self.appoint(name)
        self.kept.keep_trial(name, at)
        self.kept.keep_size(name, at, size)
        found.trial, found.outcome, found.why, found.detail = at, Outcome.TRIED, Why.NONE, 0
        found.due = self.executor.now + self.patience
        found.places[at].order = order
        self.wake(found.places[at])
        self.executor.signal(CLOCK)
        return None

    def is_ready(self, name: usize, at: usize, header: bytes) -> bool:
        """It has begun at the gateway: appoint it, if it is to serve."""
        found = self.names[name]
        place = found.places[at]
        if at != found.trial and at != found.current:
            return False
        place.loaded = True
        if place.own:
            place.header_length = len(header)
            copy(place.header[: len(header)], header)
        if at == found.current:
            # As before: the gateway may be another life of it, which asks nobody who that is.
            self.appoint(name)
            return True
        refused = gateway.appoint(u64(name), self.kept.client(name, at), False)
        if isinstance(refused, NotAppointed):
            self.fail_trial(name, Why.UNTRUE, 0)
            return False
        if refused is not None:
            # The gateway has ended meanwhile: once more, with the next one.
            place.order = Order(What.AGAIN)
            return False
        found.trial, found.current, found.outcome = NOBODY, at, Outcome.WATCHED
        found.due, found.missing = self.executor.now + self.watch, 0
        self.tell(name, Level.INFO, b"another model serves, and is watched")
        return True

    def has_failed(self, name: usize, at: usize, why: Why, detail: u64) -> None:
        """It can't serve what it was to serve."""
        found = self.names[name]
        if at == found.trial:
            self.fail_trial(name, why, detail)
        elif at == found.current and found.outcome is Outcome.WATCHED:
            self.roll_back(name, why, detail)
        else:
            self.forget(name, at)

    def has_ended(self, name: usize, at: usize) -> None:
        """A life of the process begins: the one before is over."""
        found = self.names[name]
        place = found.places[at]
        if at == found.trial:
            self.fail_trial(name, Why.CRASHED, 0)
        elif at == found.current and found.outcome is Outcome.WATCHED:
            self.roll_back(name, Why.CRASHED, 0)
        if at != found.current:
            # Who serves for sure comes back at once: meanwhile its requests wait.
            _ = gateway.end(u64(name), self.kept.client(name, at))
        place.loaded, place.order = False, None
        place.lease.take_back(current())

    def forget(self, name: usize, at: usize) -> None:
        """What it was leased is no good."""
        place = self.names[name].places[at]
        place.loaded, place.order = False, None
        place.lease.take_back(current())
        self.kept.keep_size(name, at, 0)

    def fail_trial(self, name: usize, why: Why, detail: u64) -> None:
        """What was pushed isn't able to serve; who serves has never stopped."""
        found = self.names[name]
        self.forget(name, found.trial)
        self.fail(name, why, detail)

    def roll_back(self, name: usize, why: Why, detail: u64) -> None:
        """What was pushed has served, and can't any more: the one before, at once."""
        found = self.names[name]
        failed, other = found.current, found.spare()
        self.forget(name, failed)
        found.current = other
        self.appoint(name)
        self.fail(name, why, detail)
        found.places[other].order = self.order_for(name, other)
        self.wake(found.places[other])

    def fail(self, name: usize, why: Why, detail: u64) -> None:
        self.end_push(name, Outcome.ROLLED_BACK, why, detail)
        memory: Array[u8] = array(100)
        line = Text(data=memory[:])
        line.write(f"what was pushed doesn't serve: {why.name}, detail {detail}")
        self.tell(name, Level.ERROR, line.written())

    def end_push(self, name: usize, outcome: Outcome, why: Why, detail: u64) -> None:
        """Nothing is tried or watched any more."""
        found = self.names[name]
        found.trial, found.outcome, found.why, found.detail = NOBODY, outcome, why, detail
        self.kept.keep_trial(name, NOBODY)

    def look(self, number: usize) -> bool:
        """How does what is tried or watched? False: nothing is."""
        found = self.names[number]
        now = self.executor.now
        if not found.is_busy():
            return False
        served = gateway.served(u64(number))
        if served is NotAppointed.ABSENT:
            # It was started again.
            self.appoint(number)
        if found.outcome is Outcome.TRIED:
            if now >= found.due:
                self.fail_trial(number, Why.SILENT, 0)
        elif isinstance(served, Served) and served.in_vain:
            self.roll_back(number, Why.LATE, served.answered)
        elif not isinstance(served, Served) or not served.there:
            # It has to begin with another life of the gateway.
            if found.missing == 0:
                found.missing = now
            if now - found.missing >= self.patience:
                self.roll_back(number, Why.SILENT, 0)
        else:
            found.missing = 0
            if now >= found.due:
                self.take(number)
        return found.is_busy()

    def take(self, name: usize) -> None:
        """What was pushed serves for sure. Who was retired has had time to come back: what it was leased is taken back.
        So it ends if it runs on, is started again, and waits."""
        found = self.names[name]
        self.kept.keep_serves(name, found.current)
        self.kept.keep_serial(name, serial_of(found.places[found.current].header[:]))
        self.end_push(name, Outcome.TAKEN, Why.NONE, 0)
        place = found.places[found.spare()]
        place.loaded = False
        place.lease.take_back(current())

    def dismiss(self) -> None:
        """Another version of the manager is to take over: nobody may wait here; who is told so asks that one."""
        for found in self.names:
            for place in found.places:
                place.turn += 1
                self.wake(place)

    def tell_denied(self, name: usize, client: u64, page: u64) -> None:
        """A process has asked for what isn't in its lease."""
        omitted = self.voices.omitted_before(client, page, self.executor.now)
        if omitted is not None:
            memory: Array[u8] = array(110)
            line = Text(data=memory[:])
            line.write(f"service {client} asked for page {page}, which its lease hasn't")
            if omitted != 0:
                line.write(f" ({omitted} lines about it were left out)")
            self.tell(name, Level.WARNING, line.written())

    def tell_push(self, name: usize, refused: NoPush | None) -> None:
        if refused is None:
            self.tell(name, Level.INFO, b"a bundle was pushed, and is tried")
        else:
            memory: Array[u8] = array(100)
            line = Text(data=memory[:])
            line.write(f"a bundle was pushed, and is refused: {refused.name}")
            self.tell(name, Level.WARNING, line.written())

    def tell(self, name: usize, level: Level, what: bytes) -> None:
        memory: Array[u8] = array(140)
        line = Text(data=memory[:])
        line.write(f"model{name}: {text_of(what)}")
        _ = log.write(level, text_of(line.written()))


def main(process: Process) -> None:
    site: Site = placed(process, PAGES)
    site.begin(len(process.state()))
    site.quota = u64(quota.get(process)) << 10
    site.voices.frequency = process.frequency
    millisecond = process.frequency // 1000
    site.patience = u64(patience.get(process)) * millisecond
    site.watch = u64(watch.get(process)) * millisecond
    must(site.executor.begin(process, slot_of(model0), CALLS))
    assert site.accepting.spawn(site.executor, accept(site)) is not None
    assert site.looking.spawn(site.executor, look_after(site)) is not None
    process.ready()
    while True:
        must(site.executor.wait())
        if site.executor.leaving is not None:
            site.dismiss()
        # First whoever takes calls: their words are in the thread's buffer.
        site.accepting.run(site.executor)
        site.answering.run(site.executor)
        site.looking.run(site.executor)
