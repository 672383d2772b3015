"""What the services of this system ask of each other."""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Protocol

from neokernel.lang import Span, interface, u8, u16, u32, u64, up_to, value
from neokernel.runtime.lend import Lent
from neokernel.runtime.system import Failure

MOST_TEXT = 80


class Mood(Enum):
    CALM = 0
    CROSS = 3


@value
class Pair:
    small: u8
    mood: Mood


@interface
class Tally(Protocol):
    """Counts for each client; parameters of many types, to be lied about."""

    def add(self, amount: u32) -> u64 | Failure:
        """The client's sum."""
        ...

    def name(self, text: Annotated[str, up_to(24)], mood: Mood, short: u16) -> bool | Failure: ...
    def fill(self, into: Annotated[Span[u8], up_to(16)], flag: bool) -> u64 | Failure: ...
    def look(self, pair: Pair) -> Pair | Failure: ...
    def of(self, client: u32) -> u64 | Failure:
        """Another client's sum."""
        ...

    def copied(self, data: Lent) -> u64 | Failure:
        """How many bytes of what is lent were read, each of them."""
        ...


@interface
class Bait(Protocol):
    """What the hostile service serves, as it likes."""

    def ask(self, number: u64) -> Pair | Mood | Failure: ...


@interface
class Court(Protocol):
    """Hears what the hostile service has tried."""

    def begin(self) -> Failure | None:
        """What the system has now, it is to have at the end."""
        ...

    def said(self, what: Annotated[str, up_to(MOST_TEXT)], tries: u64, wrong: u64) -> Failure | None:
        """So many tries, and how many of them didn't end as the manual says."""
        ...

    def counted(self, what: Annotated[str, up_to(MOST_TEXT)], count: u64) -> Failure | None: ...

    def odd(self, tried: u64, argument: u64, found: u64) -> Failure | None:
        """One of the latter."""
        ...

    def done(self) -> Failure | None: ...
