"""What the manager is asked: by processes for what they are to serve, by operators for how names are served and for
something else to serve, and by who knows whose signatures are taken."""

from __future__ import annotations

from neokernel.interfaces.accelerator import NoLease, Order, Why
from neokernel.interfaces.appointment import Appointment, Served
from neokernel.interfaces.models import KEY_SIZE, Backend, Model, NoPush
from neokernel.lang import Span, Uses, copy, pause, struct, u8, u64, uses, usize
from neokernel.runtime.executor import Executor
from neokernel.runtime.objects import Frame
from neokernel.runtime.process import current
from neokernel.services.accelerator.bundle import MOST_KEYS
from neokernel.services.accelerator.kept import NAMES, NOBODY
from neokernel.services.accelerator.trial import Trials

#: what operators want, as the log says it
PUSH = b"a bundle that was pushed"
SWAP = b"other code of its bundle"


@struct
class Desk:
    """Handles one call of `Accelerator`."""

    executor: Executor
    trials: Trials
    name: usize
    client: u64

    def at(self, take: bool = False) -> usize:
        """Which of the name's places the process has; NOBODY: none. `take`: one that is free."""
        return self.trials.stock.place_of(self.name, self.client, take)

    async def ask(self, fresh: bool) -> Order | NoLease:
        trials, name = self.trials, self.name
        at = self.at(take=True)
        if at == NOBODY:
            return NoLease.FULL
        found = trials.stock.names[name]
        place = found.places[at]
        if fresh:
            trials.has_ended(self.executor, name, at)
        if found.current == NOBODY:
            found.current = at
            trials.stock.kept.keep_serves(name, at)
        if found.current == at:
            trials.appoint(name)
            place.order = trials.stock.order_for(name, at)
        place.turn += 1
        turn = place.turn
        place.wake(self.executor)
        while place.turn == turn:
            order = place.order
            if order is not None:
                place.order = None
                return order
            place.waiter = self.executor.running()
            await pause()
        return NoLease.SUPERSEDED

    async def page(self, number: u64) -> Frame | NoLease:
        at = self.at()
        if at == NOBODY:
            return NoLease.PAGE
        found = self.trials.stock.names[self.name].places[at].lease.page(current(), number)
        if found is NoLease.PAGE:
            self.trials.teller.denied(self.name, self.client, number, self.executor.now)
        return found

    async def ready(self, header: bytes) -> bool:
        at = self.at()
        return at != NOBODY and self.trials.is_ready(self.executor, self.name, at, header)

    async def failed(self, why: Why, detail: u64) -> None:
        at = self.at()
        if at != NOBODY:
            self.trials.has_failed(self.executor, self.name, at, why, detail)


@struct
class Arrival:
    """The push that pieces come of: for which name, of how many bytes, 0 if there is none, and how many have come."""

    name: usize = 0
    expected: usize = 0
    arrived: usize = 0


@struct
class Office:
    """Handles one call of `Models` or `Keys`."""

    executor: Executor
    trials: Trials
    arrival: Arrival

    def model(self, number: u64, name: Span[u8], header: Span[u8]) -> Model | NoPush:
        gateway: Uses[Appointment] = uses(self.trials.gateway)
        if number >= NAMES:
            return NoPush.NAME
        found = self.trials.stock.names[usize(number)]
        called = gateway.name(number, name)
        if not isinstance(called, usize):
            return NoPush.NAME
        served = gateway.served(number)
        answered = served.answered if isinstance(served, Served) else u64(0)
        client: u64 = 0
        own = True
        backend = Backend.SCALAR
        length: usize = 0
        if found.current != NOBODY:
            place = found.places[found.current]
            client, own = self.trials.stock.kept.client(usize(number), found.current), place.own
            backend = place.backend
            length = min(place.header_length, len(header))
            copy(header[:length], place.header[:length].bytes())
        waits = found.waits()
        why = found.refused
        refused = u64(0) if why is None else u64(why.value) + 1
        return Model(
            client, own, backend, waits, found.outcome, found.why, found.detail, refused, answered, called, length
        )

    def begin(self, number: u64, size: u64) -> NoPush | None:
        stock, arrival = self.trials.stock, self.arrival
        arrival.expected = 0
        if number >= NAMES:
            return NoPush.NAME
        at = stock.names[usize(number)].free()
        if isinstance(at, NoPush):
            return self.answered(usize(number), PUSH, at)
        if size > stock.kept.room():
            return self.answered(usize(number), PUSH, NoPush.ROOM)
        stock.empty(usize(number), at)
        arrival.name, arrival.expected, arrival.arrived = usize(number), usize(size), 0
        return None

    def piece(self, place: u64, data: bytes) -> NoPush | None:
        stock, arrival = self.trials.stock, self.arrival
        if place != arrival.arrived or len(data) > arrival.expected - min(arrival.arrived, arrival.expected):
            return NoPush.PIECE
        area = stock.kept.area(arrival.name, stock.names[arrival.name].spare())
        copy(area[arrival.arrived : arrival.arrived + len(data)], data)
        arrival.arrived += len(data)
        return None

    def finish(self) -> NoPush | None:
        arrival = self.arrival
        size, arrival.expected = arrival.expected, 0
        if size == 0 or arrival.arrived != size:
            return NoPush.PIECE
        return self.answered(arrival.name, PUSH, self.trials.push(self.executor, arrival.name, size))

    def swap(self, number: u64, backend: Backend) -> NoPush | None:
        if number >= NAMES:
            return NoPush.NAME
        # What is being pushed would go to the same area.
        self.arrival.expected = 0
        return self.answered(usize(number), SWAP, self.trials.swap(self.executor, usize(number), backend))

    def answered(self, name: usize, what: bytes, refused: NoPush | None) -> NoPush | None:
        """What an operator wanted is tried, or isn't: that is remembered, and logged."""
        self.trials.stock.names[name].refused = refused
        self.trials.teller.asked(name, what, refused)
        return refused

    def enrol(self, number: u64, count: u64, key: bytes) -> None:
        stock = self.trials.stock
        if number < MOST_KEYS and count <= MOST_KEYS and len(key) == KEY_SIZE:
            stock.kept.trust(usize(number), usize(count), key)
            stock.kept.read_keys(stock.trusted)
