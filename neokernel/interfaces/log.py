"""What happened: records by all services, and who may read them."""

from enum import Enum
from typing import Annotated, Protocol

from neokernel.lang import Given, Span, interface, u8, u32, u64, up_to, usize, value
from neokernel.runtime.objects import Notification
from neokernel.runtime.system import Failure

#: bytes of a record's text
MOST_TEXT = 200


class Level(Enum):
    """How bad it is. What is less than the configured level isn't recorded."""

    DEBUG = 0
    INFO = 1
    WARNING = 2
    ERROR = 3


class NoRecord(Enum):
    """Why there is no record."""

    #: that was the last one, for now
    END = 0


@value
class Record:
    """A record; its text is in the span that was given."""

    #: ticks since the machine started
    time: u64
    #: one more for each record; who misses some hasn't read fast enough
    number: u64
    #: badge of the service that wrote it
    source: u32
    level: Level
    #: bytes of the text
    length: usize
    #: place of the record after this one
    next: u64


@interface
class Log(Protocol):
    """For everybody: who writes is known by its capability, not by what it says."""

    def write(self, level: Level, text: Annotated[str, up_to(MOST_TEXT)]) -> Failure | None: ...


@interface
class Journal(Protocol):
    """For few: reads what all have written."""

    def read(self, place: u64, text: Annotated[Span[u8], up_to(MOST_TEXT)]) -> Record | NoRecord | Failure:
        """The first record at a place or behind it: 0, or the last one's `next`."""
        ...

    def set_level(self, level: Level) -> Failure | None:
        """From which level on records are kept."""
        ...

    def notify(self, whom: Given[Notification], level: Level) -> Failure | None:
        """Signal `whom` when a record of this level, or a worse one, is kept.

        Who was to be told before isn't any more.
        """
        ...

    def lost(self) -> u32 | Failure:
        """Bytes of records that a damaged memory has cost."""
        ...
