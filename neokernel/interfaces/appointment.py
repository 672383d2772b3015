"""Appointment: who decides which process serves a name says so to the gateway, where several ask for its work.

Names have the numbers that they have at the gateway, processes those of their badges: the same at all servers, as a
badge has its client's place among the services. As long as nobody was appointed, work goes to whoever asks for it.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Protocol

from neokernel.lang import Span, interface, u8, u64, up_to, usize, value
from neokernel.runtime.system import Failure

#: bytes of a name
MOST_NAME = 64


class NotAppointed(Enum):
    """Why nothing has changed."""

    #: there is no such name
    NAME = 0
    #: that process hasn't begun to serve the name, or has ended
    ABSENT = 1


@value
class Served:
    """How a name is served by who was appointed. `answered`: requests, since it began; `there`: it has begun, in this
    life of the gateway; `in_vain`: it has kept work for longer than a request waits, or taken none for so long though
    there was some."""

    answered: u64
    there: bool
    in_vain: bool


@interface
class Appointment(Protocol):
    """Who has this decides who answers for every name."""

    def name(self, number: u64, into: Annotated[Span[u8], up_to(MOST_NAME)]) -> usize | NotAppointed | Failure:
        """What a name is."""
        ...

    def appoint(self, number: u64, client: u64, absent: bool) -> NotAppointed | Failure | None:
        """From now on, this process alone is given work. What others work on is taken from them when it is done.
        `absent`: also if it has yet to begin."""
        ...

    def end(self, number: u64, client: u64) -> NotAppointed | Failure | None:
        """What this process has begun is over: it has to begin anew. What it had been given is lost."""
        ...

    def served(self, number: u64) -> Served | NotAppointed | Failure:
        """How the name is served by who was appointed; ABSENT: nobody was, in this life of the gateway."""
        ...
