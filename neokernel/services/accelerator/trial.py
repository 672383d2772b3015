"""Who serves: what was pushed is tried by the process that waits, appointed, watched, and taken or rolled back.

Invariants:
- What outlives this life (`kept.py`) says who serves for sure: who is watched isn't yet. So if this life ends, the next
  one has the name served by who was before.
- The gateway is told who is appointed before that one is told to serve: whoever comes first to a gateway that was
  started again, work is for nobody else.
"""

from __future__ import annotations

from neokernel.interfaces.accelerator import HEADER_SIZE, Order, What, Why
from neokernel.interfaces.appointment import MOST_NAME, Appointment, NotAppointed, Served
from neokernel.interfaces.models import Backend, NoPush, Outcome
from neokernel.lang import Array, Embedded, Span, Uses, array, copy, struct, u8, u64, uses, usize
from neokernel.runtime.executor import Executor
from neokernel.services.accelerator.bundle import is_called, serial_of
from neokernel.services.accelerator.kept import NAMES, NOBODY
from neokernel.services.accelerator.stock import Stock
from neokernel.services.accelerator.teller import Teller

#: the executor's signal that there is something to look after
CLOCK = 1


@struct
class Trials:
    """`gateway`: the slot of who is told who is appointed. `patience`, `watch`: ticks that a process has to get ready,
    and is watched for."""

    stock: Embedded[Stock] = Stock()
    teller: Embedded[Teller] = Teller()
    gateway: u64 = 0
    patience: u64 = 0
    watch: u64 = 0

    def begin(self, length: usize) -> None:
        """With so many bytes of what a life before may have kept."""
        kept = self.stock.kept
        kept.begin(length)
        kept.read_keys(self.stock.trusted)
        for name in range(NAMES):
            found = self.stock.names[name]
            found.current = kept.serves(name)
            lost = kept.trial(name)
            if lost != NOBODY:
                kept.keep_size(name, lost, 0)
                self.end_push(name, Outcome.ROLLED_BACK, Why.MANAGER, 0)

    # --- the gateway --------------------------------------------------------------------------------------------------

    def appoint(self, name: usize) -> None:
        """Let the gateway know who serves, whether that one is there or not: a new gateway knows of nobody."""
        gateway: Uses[Appointment] = uses(self.gateway)
        found = self.stock.names[name]
        if found.current != NOBODY:
            _ = gateway.appoint(u64(name), self.stock.kept.client(name, found.current), True)

    def end_life(self, name: usize, at: usize) -> None:
        """Have the gateway forget what the process there has begun."""
        gateway: Uses[Appointment] = uses(self.gateway)
        _ = gateway.end(u64(name), self.stock.kept.client(name, at))

    def is_for(self, name: usize, header: Span[u8]) -> bool:
        """Was the bundle signed for this name? Two models may take and give the same, and mean something else."""
        gateway: Uses[Appointment] = uses(self.gateway)
        memory: Array[u8] = array(MOST_NAME)
        called = gateway.name(u64(name), memory[:])
        return isinstance(called, usize) and is_called(header, memory[:called].bytes())

    # --- what operators want ------------------------------------------------------------------------------------------

    def push(self, executor: Executor, name: usize, size: usize) -> NoPush | None:
        """Have the bundle tried that is in the area of the process that doesn't serve."""
        stock = self.stock
        at = stock.names[name].free()
        if isinstance(at, NoPush):
            return at
        refused = stock.verify(name, at, size)
        if refused is not None:
            return refused
        header = stock.kept.area(name, at)[:HEADER_SIZE]
        if not self.is_for(name, header):
            return NoPush.CALLED
        if serial_of(header) < stock.kept.serial(name):
            return NoPush.OLDER
        return self.have_tried(executor, name, at, size, Backend.SCALAR, Backend.VECTOR)

    def swap(self, executor: Executor, name: usize, backend: Backend) -> NoPush | None:
        """Have the bundle that serves computed by another backend: by the process that doesn't serve."""
        found, kept = self.stock.names[name], self.stock.kept
        at = found.free()
        if isinstance(at, NoPush):
            return at
        size = kept.size(name, found.current)
        if found.places[found.current].own or size == 0:
            return NoPush.OWN
        self.stock.empty(name, at)
        copy(kept.area(name, at)[:size], kept.area(name, found.current)[:size].bytes())
        return self.have_tried(executor, name, at, size, backend, backend)

    def have_tried(
        self, executor: Executor, name: usize, at: usize, size: usize, least: Backend, most: Backend
    ) -> NoPush | None:
        """Lease the bundle in the area of this place, which doesn't serve, by one of these backends; have it tried."""
        found, kept = self.stock.names[name], self.stock.kept
        kept.keep_backend(name, at, most)
        order = self.stock.lease(name, at, size)
        if isinstance(order, NoPush):
            return order
        if least is Backend.VECTOR and found.places[at].backend is Backend.SCALAR:
            self.stock.forget(name, at)
            return NoPush.MACHINE
        # What it was before doesn't count: it has to begin with what it is leased now.
        self.end_life(name, at)
        self.appoint(name)
        kept.keep_trial(name, at)
        kept.keep_size(name, at, size)
        found.trial, found.outcome, found.why, found.detail = at, Outcome.TRIED, Why.NONE, 0
        found.due = executor.now + self.patience
        found.places[at].order = order
        found.places[at].wake(executor)
        executor.signal(CLOCK)
        return None

    # --- what processes say -------------------------------------------------------------------------------------------

    def is_ready(self, executor: Executor, name: usize, at: usize, header: bytes) -> bool:
        """It has begun at the gateway: appoint it, if it is to serve."""
        gateway: Uses[Appointment] = uses(self.gateway)
        found = self.stock.names[name]
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
        refused = gateway.appoint(u64(name), self.stock.kept.client(name, at), False)
        if isinstance(refused, NotAppointed):
            self.fail_trial(name, Why.UNTRUE, 0)
            return False
        if refused is not None:
            # The gateway has ended meanwhile: once more, with the next one.
            place.order = Order(What.AGAIN)
            return False
        found.trial, found.current, found.outcome = NOBODY, at, Outcome.WATCHED
        found.due, found.missing = executor.now + self.watch, 0
        self.teller.watched(name)
        return True

    def has_failed(self, executor: Executor, name: usize, at: usize, why: Why, detail: u64) -> None:
        """It can't serve what it was to serve."""
        found = self.stock.names[name]
        if at == found.trial:
            self.fail_trial(name, why, detail)
        elif at == found.current and found.outcome is Outcome.WATCHED:
            self.roll_back(executor, name, why, detail)
        else:
            self.stock.forget(name, at)

    def has_ended(self, executor: Executor, name: usize, at: usize) -> None:
        """A life of the process begins: the one before is over."""
        found = self.stock.names[name]
        if at == found.trial:
            self.fail_trial(name, Why.CRASHED, 0)
        elif at == found.current and found.outcome is Outcome.WATCHED:
            self.roll_back(executor, name, Why.CRASHED, 0)
        if at != found.current:
            # Who serves for sure comes back at once: meanwhile its requests wait.
            self.end_life(name, at)
        found.places[at].order = None
        self.stock.take_back(name, at)

    # --- what becomes of it -------------------------------------------------------------------------------------------

    def fail_trial(self, name: usize, why: Why, detail: u64) -> None:
        """What was pushed isn't able to serve; who serves has never stopped."""
        self.stock.forget(name, self.stock.names[name].trial)
        self.fail(name, why, detail)

    def roll_back(self, executor: Executor, name: usize, why: Why, detail: u64) -> None:
        """What was pushed has served, and can't any more: the one before, at once."""
        found = self.stock.names[name]
        failed, other = found.current, found.spare()
        self.stock.forget(name, failed)
        found.current = other
        self.appoint(name)
        self.fail(name, why, detail)
        found.places[other].order = self.stock.order_for(name, other)
        found.places[other].wake(executor)

    def fail(self, name: usize, why: Why, detail: u64) -> None:
        self.end_push(name, Outcome.ROLLED_BACK, why, detail)
        self.teller.failed(name, why, detail)

    def end_push(self, name: usize, outcome: Outcome, why: Why, detail: u64) -> None:
        """Nothing is tried or watched any more."""
        found = self.stock.names[name]
        found.trial, found.outcome, found.why, found.detail = NOBODY, outcome, why, detail
        self.stock.kept.keep_trial(name, NOBODY)

    def look(self, executor: Executor, name: usize) -> bool:
        """How does what is tried or watched? False: nothing is."""
        gateway: Uses[Appointment] = uses(self.gateway)
        found, now = self.stock.names[name], executor.now
        if not found.is_busy():
            return False
        served = gateway.served(u64(name))
        if served is NotAppointed.ABSENT:
            # It was started again.
            self.appoint(name)
        if found.outcome is Outcome.TRIED:
            if now >= found.due:
                self.fail_trial(name, Why.SILENT, 0)
        elif isinstance(served, Served) and served.in_vain:
            self.roll_back(executor, name, Why.LATE, served.answered)
        elif not isinstance(served, Served) or not served.there:
            # It has to begin with another life of the gateway.
            if found.missing == 0:
                found.missing = now
            if now - found.missing >= self.patience:
                self.roll_back(executor, name, Why.SILENT, 0)
        else:
            found.missing = 0
            if now >= found.due:
                self.take(name)
        return found.is_busy()

    def take(self, name: usize) -> None:
        """What was pushed serves for sure. Who was retired has had time to come back: what it was leased is taken back.
        So it ends if it runs on, is started again, and waits."""
        found, kept = self.stock.names[name], self.stock.kept
        kept.keep_serves(name, found.current)
        kept.keep_serial(name, serial_of(found.places[found.current].header[:]))
        self.end_push(name, Outcome.TAKEN, Why.NONE, 0)
        self.stock.take_back(name, found.spare())

    def dismiss(self, executor: Executor) -> None:
        """Another version of the manager is to take over: nobody may wait here; who is told so asks that one."""
        for found in self.stock.names:
            for place in found.places:
                place.turn += 1
                place.wake(executor)
