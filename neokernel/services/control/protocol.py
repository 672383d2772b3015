"""The control channel: what an operator's host and a control service say to each other over a line of bytes.

Stated here once, for both sides. A line carries frames: a `Header`, then `length` bytes. The service begins, once for
each client that comes, and again if the line's driver was restarted; what a client says is answered by one frame, in
order:

| the client | the service | then |
|---|---|---|
| | CHALLENGE: `Challenge` | |
| PROOF: `Proof` | WELCOME: `Welcome` | the line is open |
| CALL: `Asked`, then words | ANSWER: a message word, then words | any number of times |
| what can't be | REFUSED: `Refusal` | nothing is heard any more until the client has gone |

A CALL is a message of an interface (`runtime/interface.py`) for one of the service's own capabilities, a `Peer`: the
service makes the same call, and gives back what the answer was. So the line knows no interface but by number, and
whoever is called looks at the message as at anybody's. Capabilities don't travel.

PROOF signs (Ed25519) what `signed` puts together: the protocol, the machine, and a nonce of each side. All numbers are
little-endian, unused bytes are zero.

Invariant: `MOST_FRAME` bounds every frame, and the length of each kind is known before its bytes are read.
"""

from __future__ import annotations

from enum import Enum

from neokernel.abi.call import MAXIMUM_WORDS
from neokernel.lang import Array, Span, array, copy, size_of, u8, u16, u32, u64, usize, wire

#: "nkctrl1", as the bytes stand on the line
MAGIC: u64 = 0x0031_6C72_7463_6B6E
VERSION = 1

NONCE_SIZE = 32
#: of what tells one machine's enrolment from another's: the first bytes of the SHA-512 at its end
MACHINE_SIZE = 32
PUBLIC_SIZE = 32
SIGNATURE_SIZE = 64
#: what is signed begins with this
CONTEXT = b"neokernel control channel, v1.\0\0"


class Kind(Enum):
    """What a frame is."""

    PROOF = 1
    CALL = 2
    CHALLENGE = 129
    WELCOME = 130
    ANSWER = 131
    REFUSED = 132


class Peer(Enum):
    """Whom a CALL is for: a capability of the service's, which one has and another hasn't."""

    #: the service itself: `Recorder` of `interfaces/recorder.py`
    RECORDER = 0
    #: init's `Watch`
    WATCH = 1
    #: init's `System`
    SYSTEM = 2
    #: the log's `Journal`
    JOURNAL = 3
    #: the network service's `NetworkWatch`
    NETWORK = 4
    #: the network service's `Capture`
    CAPTURE = 5
    #: the accelerator manager's `Models`
    MODELS = 6


class Reason(Enum):
    """Why nothing more is heard."""

    #: no frame, one that isn't due now, or of a length that its kind hasn't
    FRAME = 1
    #: the signature isn't made by a key of an operator's that the board is enrolled with, or isn't of this session
    KEY = 2
    #: there are no random bytes, so no session can be told from another
    ENTROPY = 3
    #: the board isn't enrolled, or with nobody's key who operates it
    ENROLMENT = 4


@wire
class Header:
    """`kind`: a number of `Kind`. `peer`: of a CALL, a number of `Peer`."""

    kind: u8
    unused: u8
    peer: u16
    length: u32


@wire
class Challenge:
    magic: u64
    version: u32
    unused: u32
    machine: Array[u8] = array(MACHINE_SIZE)
    nonce: Array[u8] = array(NONCE_SIZE)


@wire
class Proof:
    """The client's nonce, its public key, and its signature of what `signed` puts together."""

    nonce: Array[u8] = array(NONCE_SIZE)
    key: Array[u8] = array(PUBLIC_SIZE)
    signature: Array[u8] = array(SIGNATURE_SIZE)


@wire
class Welcome:
    """`peers`: bit 1 << number for each `Peer` that can be called. `operator`: which operator's key it was, from 0 on.

    `frequency` of the machine's ticks, and the `time` in them.
    """

    frequency: u64
    time: u64
    peers: u32
    operator: u32


@wire
class Refusal:
    """`reason`: a number of `Reason`. `wait`: microseconds until the next one who comes is challenged."""

    reason: u32
    unused: u32
    wait: u64


@wire
class Asked:
    """A message's label; the frame's other bytes are its words."""

    label: u32
    unused: u32


HEADER_SIZE = size_of(Header)
MOST_FRAME = HEADER_SIZE + 8 + MAXIMUM_WORDS * 8
#: bytes of what is signed
SIGNED_SIZE = len(CONTEXT) + MACHINE_SIZE + 2 * NONCE_SIZE

assert HEADER_SIZE == 8 and size_of(Asked) == 8, "words stand at multiples of eight"
assert len(CONTEXT) == 32, "what is signed has one length"


def can_be(kind: Kind, length: usize) -> bool:
    """Has a frame of this kind ever this length?"""
    match kind:
        case Kind.PROOF:
            return length == size_of(Proof)
        case Kind.CHALLENGE:
            return length == size_of(Challenge)
        case Kind.WELCOME:
            return length == size_of(Welcome)
        case Kind.REFUSED:
            return length == size_of(Refusal)
        case Kind.CALL | Kind.ANSWER:
            return 8 <= length <= MOST_FRAME - HEADER_SIZE and length % 8 == 0


def kind_of(number: u8) -> Kind | None:
    """The kind with this number."""
    if 1 <= number <= 2 or 129 <= number <= 132:
        return Kind(number)
    return None


def signed(target: Span[u8], machine: bytes, service: bytes, client: bytes) -> None:
    """What a PROOF's signature is of, SIGNED_SIZE bytes: `service` and `client` are the nonces of the two sides."""
    place: usize = len(CONTEXT)
    copy(target[:place], CONTEXT)
    copy(target[place : place + MACHINE_SIZE], machine)
    place += MACHINE_SIZE
    copy(target[place : place + NONCE_SIZE], service)
    place += NONCE_SIZE
    copy(target[place : place + NONCE_SIZE], client)
