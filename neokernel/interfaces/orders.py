"""`Orders`: what an operator has done by way of somebody who isn't trusted, such as a page on plain HTTP.

Who passes an order on can neither make one nor change it: an order is a text, `kill card`, that the operator signs,
with the machine and a nonce, and the server verifies. So a client of this needs no authority over anything, and the
way to the operator needn't be secret.

| order | what is done |
|---|---|
| `kill SERVICE` | it is ended as if it had crashed, and started again as its restart policy says |
| `stop SERVICE` | it is ended, and stays down |
| `start SERVICE` | it is started, if it is down |
| `swap SERVICE PROGRAM` | this program of the image takes over from it, with its state |

What is signed (Ed25519) are 32 bytes of CONTEXT, the machine's 32, the nonce's 16, and the order's own, of one length
each but the last. `nk approve` does it. The machine's are of its enrolment's hash: where several are enrolled alike,
the nonce alone says which one is meant.

A nonce is good for one order, and for a time. Everybody who asks gets the same one, so nobody can use them up; when an
order was carried out, or after LIFETIME, there is another. It stays good for twice as long, unless one was used: so who
has just asked has time to sign.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Protocol

from neokernel.interfaces.system import Refused
from neokernel.lang import Span, interface, u8, u64, up_to, value
from neokernel.runtime.system import Failure

CONTEXT = b"neokernel operator's order, v1.\0"
MACHINE_SIZE = 32
NONCE_SIZE = 16
KEY_SIZE = 32
SIGNATURE_SIZE = 64
#: bytes of an order: a verb, and two names
MOST_ORDER = 104
#: seconds
LIFETIME = 120

assert len(CONTEXT) == 32, "what is signed has one length, but for the order"


class NotOrdered(Enum):
    """Why nothing was done."""

    #: the board is enrolled with nobody's key who operates it
    ENROLMENT = 0
    #: there are no random bytes
    ENTROPY = 1
    #: it isn't an order
    WORDS = 2
    #: no service is called so
    SERVICE = 3
    #: the nonce was used, or is too old
    NONCE = 4
    #: the signature isn't made by an operator's key, or isn't of this order
    KEY = 5
    #: somebody has come with a wrong signature a moment ago: until that is over, none is looked at
    WAIT = 6
    #: there is no such post-mortem
    END = 7


@value
class Ended:
    """Of a post-mortem, what is no affair of the service's own: neither registers nor its stack.

    `cause`: a number of `Cause` in `services/init/post_mortem.py`; `fault`: one of `abi/fault.py`, 0 for none;
    `starts`: how often the service had been started; `time` in ticks; `counter`: where it was; `address`: of a page
    fault.
    """

    service: u64
    cause: u64
    starts: u64
    time: u64
    fault: u64
    status: u64
    counter: u64
    address: u64


@interface
class Orders(Protocol):
    def challenge(
        self, machine: Annotated[Span[u8], up_to(MACHINE_SIZE)], nonce: Annotated[Span[u8], up_to(NONCE_SIZE)]
    ) -> u64 | NotOrdered | Failure:
        """Which machine this is, and the nonce that is good now; seconds for which it is, at least."""
        ...

    def carry_out(
        self,
        order: Annotated[bytes, up_to(MOST_ORDER)],
        nonce: Annotated[bytes, up_to(NONCE_SIZE)],
        key: Annotated[bytes, up_to(KEY_SIZE)],
        signature: Annotated[bytes, up_to(SIGNATURE_SIZE)],
    ) -> Refused | NotOrdered | Failure | None:
        """Have it done, if the signature is an operator's; the log says so, with the operator's name."""
        ...

    def ended(self, number: u64) -> Ended | NotOrdered | Failure:
        """How a service has come to its end against its will: the `number`-th latest, from 0 on."""
        ...
