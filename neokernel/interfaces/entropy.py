"""Random bytes, by a device."""

from enum import Enum
from typing import Annotated, Protocol

from neokernel.lang import Span, interface, u8, up_to, usize
from neokernel.runtime.system import Failure

#: bytes that one call gives at most
MOST_BYTES = 256


class NoEntropy(Enum):
    """Why there are no bytes."""

    #: the device was reset while the call waited; whoever asks again may get some
    DEVICE = 0


@interface
class Entropy(Protocol):
    """No byte is given twice. How good they are is the device's affair: seed a generator with them."""

    def fill(self, into: Annotated[Span[u8], up_to(MOST_BYTES)]) -> usize | NoEntropy | Failure:
        """Fill all of `into`, when the device has delivered as many: how many that are."""
        ...
