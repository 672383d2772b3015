"""A terminal: bytes both ways, each by an interface of its own.

Two, so that a system file can grant the one without the other: who shows something needn't be able to read what is
typed, nor to keep it from somebody else.
"""

from typing import Annotated, Protocol

from neokernel.lang import Given, Span, interface, u8, up_to, usize
from neokernel.runtime.objects import Notification
from neokernel.runtime.system import Failure

#: bytes that one call takes or gives at most
MOST_BYTES = 1024


@interface
class Console(Protocol):
    """To show something. What several write comes out in the order of their calls, each call's bytes together."""

    def write(self, data: Annotated[bytes, up_to(MOST_BYTES)]) -> usize | Failure:
        """How many of the first bytes were taken: all for which there is room."""
        ...


@interface
class Keyboard(Protocol):
    """To read what is typed, for one client."""

    def read(self, into: Annotated[Span[u8], up_to(MOST_BYTES)]) -> usize | Failure:
        """How many bytes came, 0 if there are none now."""
        ...

    def notify(self, whom: Given[Notification]) -> Failure | None:
        """Signal `whom` when bytes have come, or a `write` found no room and there is some again.

        Who was to be notified before isn't any more.
        """
        ...
