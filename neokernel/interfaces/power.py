"""The machine's end, in order, and its next start."""

from enum import Enum
from typing import Annotated, Protocol

from neokernel.lang import interface, up_to
from neokernel.runtime.system import Failure

#: bytes of a reason
MOST_REASON = 60


class Unable(Enum):
    """Why the machine goes on as it was."""

    #: the reason isn't printable ASCII, or says nothing
    REASON = 0
    #: init doesn't end the services now: one is being replaced
    SERVICES = 1


@interface
class PowerControl(Protocol):
    """All services end first, who uses another one before that one; the reason is shown last on the console.

    Who asks is ended, too: an answer means that the machine goes on.
    """

    def power_off(self, reason: Annotated[bytes, up_to(MOST_REASON)]) -> Unable | Failure | None:
        """Switch the machine off, with status 0."""
        ...

    def reboot(self, reason: Annotated[bytes, up_to(MOST_REASON)]) -> Unable | Failure | None:
        """Start the machine again, from its firmware on."""
        ...
