"""A queue of letters that are kept until they are taken, whoever is restarted meanwhile."""

from enum import Enum
from typing import Annotated, Protocol

from neokernel.lang import Given, Span, interface, u8, u32, u64, up_to, usize, value
from neokernel.runtime.objects import Notification
from neokernel.runtime.system import Failure

#: bytes of a letter
MOST_BYTES = 1024


class Refusal(Enum):
    """Why nothing was done."""

    #: there is no room for the letter until others are taken
    FULL = 0


class Nothing(Enum):
    """Why there is no letter."""

    #: none is there
    EMPTY = 0
    #: not the oldest one, or it was taken already
    ANOTHER = 1


@value
class Letter:
    """Its bytes are in the span that was given."""

    #: one more for each letter
    number: u64
    #: when it was put, in ticks since the machine started
    time: u64
    #: the number of the service that put it
    sender: u32
    length: usize


@interface
class LetterBox(Protocol):
    """For those who send."""

    def put(self, data: Annotated[bytes, up_to(MOST_BYTES)]) -> u64 | Refusal | Failure:
        """The letter's number: it is kept from now on. After PEER_DIED it may have been put or not."""
        ...


@interface
class Letters(Protocol):
    """For the one who receives."""

    def look(self, into: Annotated[Span[u8], up_to(MOST_BYTES)]) -> Letter | Nothing | Failure:
        """The oldest letter, which stays until it is taken: who ends while it works on it finds it again."""
        ...

    def take(self, number: u64) -> Nothing | Failure | None:
        """The oldest letter, which has this number, is done with."""
        ...

    def notify(self, whom: Given[Notification]) -> Failure | None:
        """Signal `whom` when a letter has been put. Who was to be notified before isn't any more."""
        ...
