"""A port: a stream of bytes to and from somebody outside of the machine, who comes and goes.

    port: Uses[Port] = uses()
    number = port.connection()                          # 0: nobody is there
    taken = port.write(number, data)                    # how many of the first bytes: never waits
    came = port.read(number, into)                      # 0: nothing now

**Connections** have numbers, which never come twice while the machine runs. What is read and written names one, so that
nothing that one peer sends is taken for another one's: once the other side has gone, or is another one, calls give
`Gone`. What a peer sent before it went can still be read until the next one is there; of what it sends while one is
exchanged for the next, bytes may be dropped. So let the server speak first, and the peer wait for that. The other
direction is less strict: what was taken from the server and is on its way when the peer is exchanged may reach the new
one. What isn't for everybody who can reach the socket is to be encrypted. A peer that goes while it reads nothing of
much that it is told leaves QEMU 10.0 silent to the next one, until that has gone, too: so let a peer that isn't greeted
connect again.

**When the driver ends** (PEER_DIED), or resets its device, the connection has another number then, though the peer
outside is the same, and sees nothing of it: bytes on the way may be lost, or cut off. So a server begins anew on every
connection, with something that its peers can tell from all else.

**Back-pressure.** What isn't read stays with the driver, and then with the peer, who waits; what the peer doesn't read
fills the driver's buffer, and `write` takes no more. `notify` tells when there is news of any kind: a peer, or none,
bytes, room. The driver's next life doesn't know whom to tell: so wait with a time limit, some tenths of a second, and
when it is over, ask for `notify` again (see `neokernel/services/shell/terminal.py`).
"""

from enum import Enum
from typing import Annotated, Protocol

from neokernel.lang import Given, Span, interface, u8, u16, u64, up_to, usize, value
from neokernel.runtime.objects import Notification
from neokernel.runtime.system import Failure

#: bytes that one call takes or gives at most
MOST_BYTES = 2048


class Gone(Enum):
    """Why nothing was read or written."""

    #: that connection has ended
    PEER = 0


@value
class Size:
    """Of a terminal, in characters; zeroes if there is none."""

    columns: u16
    rows: u16


@interface
class Port(Protocol):
    """One client uses it."""

    def connection(self) -> u64 | Failure:
        """The number of the connection, 0 if there is none now."""
        ...

    def size(self) -> Size | Failure:
        """The peer's terminal."""
        ...

    def read(self, connection: u64, into: Annotated[Span[u8], up_to(MOST_BYTES)]) -> usize | Gone | Failure:
        """How many bytes came, 0 if there are none now."""
        ...

    def write(self, connection: u64, data: Annotated[bytes, up_to(MOST_BYTES)]) -> usize | Gone | Failure:
        """How many of the first bytes were taken: all for which there is room."""
        ...

    def hang_up(self, connection: u64) -> Gone | Failure | None:
        """Have nothing more to do with the peer: nothing of it is read until it has gone and another one is there."""
        ...

    def notify(self, whom: Given[Notification]) -> Failure | None:
        """Signal `whom` when there is news, and now. Who was to be notified before isn't any more."""
        ...
