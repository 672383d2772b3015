"""Who may serve a name: its places, each of which a process has, and what is known of what was pushed for it last.

Invariants: `trial` isn't `current`; who is `trial` has a lease, and `due` says how long it has. Of a process, one task
at most waits: its last word counts.
"""

from __future__ import annotations

from neokernel.interfaces.accelerator import HEADER_SIZE, Order, Why
from neokernel.interfaces.models import Backend, NoPush, Outcome
from neokernel.lang import Array, Embedded, array, struct, u8, u64, usize
from neokernel.runtime.executor import Executor
from neokernel.runtime.task import Task
from neokernel.services.accelerator.kept import NOBODY, PLACES
from neokernel.services.accelerator.lease import Lease


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

    def wake(self, executor: Executor) -> None:
        """Let the task go on that waits for an order."""
        waiter = self.waiter
        self.waiter = None
        if waiter is not None:
            executor.wake(waiter)


@struct
class Name:
    places: Array[Embedded[Place]] = array(PLACES)
    current: usize = NOBODY
    #: the one that tries a bundle
    trial: usize = NOBODY
    outcome: Outcome = Outcome.NONE
    why: Why = Why.NONE
    detail: u64 = 0
    #: why what was pushed since then isn't tried
    refused: NoPush | None = None
    due: u64 = 0
    #: since when who is watched isn't at the gateway, though it should be; 0: it is
    missing: u64 = 0

    def is_busy(self) -> bool:
        return self.outcome in (Outcome.TRIED, Outcome.WATCHED)

    def spare(self) -> usize:
        """The place that doesn't serve; NOBODY, if none does."""
        return PLACES - 1 - self.current if self.current < PLACES else usize(NOBODY)

    def waits(self) -> bool:
        """Is there a process in it, and does that wait?"""
        at = self.spare()
        return at != NOBODY and self.places[at].waiter is not None

    def free(self) -> usize | NoPush:
        """The place that can try something else now."""
        if self.is_busy():
            return NoPush.BUSY
        return self.spare() if self.waits() else NoPush.SPARE
