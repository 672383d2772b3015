"""The kernel's events, recorded on demand and read in pieces; and what the control service counts of itself."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Protocol

from neokernel.lang import Span, interface, u8, u32, u64, up_to, value
from neokernel.runtime.system import Failure

#: records of `abi/trace.py` that one call gives at most
MOST_RECORDS = 120
RECORD_SIZE = 32
#: for which a client that isn't an operator records: then that is over, unless it has asked again
MOST_SECONDS = 2


class NoRing(Enum):
    """Why there are no events."""

    #: the kernel doesn't let this service record
    REFUSED = 0
    #: an operator records now; who isn't one can't, until that is over
    TAKEN = 1


@value
class Ring:
    """The ring: of `written` records the last `capacity` are there, `frequency` is of their times, in Hz."""

    written: u64
    capacity: u64
    frequency: u64


@value
class Counters:
    """Of the control service, since it was started."""

    sessions: u64
    #: proofs that weren't an operator's
    wrong: u64
    #: frames that were no frames
    refused: u64
    calls: u64
    instructions: u64
    time: u64


@interface
class Recorder(Protocol):
    def counters(self) -> Counters | Failure: ...

    def record(self, events: u64) -> Ring | NoRing | Failure:
        """Record these kinds of events from now on (bits 1 << `Event`); none: stop. How the ring is now.

        For who isn't an operator, MOST_SECONDS long: it might end before it can say that it wants no more.
        """
        ...

    def ring(self) -> Ring | NoRing | Failure: ...

    def read(self, number: u64, into: Annotated[Span[u8], up_to(MOST_RECORDS * RECORD_SIZE)]) -> u32 | NoRing | Failure:
        """Records from the one with this number on, as many as are there and fit: how many.

        0 if it isn't written yet, or not there any more: `ring` says which ones are.
        """
        ...

    def thread(self, index: u64) -> u32 | Failure:
        """The identifier, in such records, of one of the service's own threads; 0 if it has no such."""
        ...
