"""Models: which models are served, and having one replaced while it is asked; and whose signatures are taken (`Keys`).

A push is a bundle with its signature behind it, in pieces:

    models.begin(0, size); models.piece(0, data); …; models.finish()

`finish` looks at all of it. What is taken is leased to the name's process that doesn't serve now; when it has computed
the bundle's sample rightly, it takes over. What has become of it is in `Model`.
"""

from __future__ import annotations

from enum import Enum
from typing import Annotated, Protocol

from neokernel.interfaces.accelerator import HEADER_SIZE, Why
from neokernel.interfaces.appointment import MOST_NAME
from neokernel.lang import Span, interface, u8, u64, up_to, usize, value
from neokernel.runtime.system import Failure

#: bytes of a piece
MOST_PIECE = 3968
KEY_SIZE = 32


class Outcome(Enum):
    """What has become of the last push."""

    #: there was none
    NONE = 0
    #: a process maps it, and tries it with its sample
    TRIED = 1
    #: it serves, and is watched: if it ends now, or keeps a request waiting in vain, the one before comes back
    WATCHED = 2
    #: it serves
    TAKEN = 3
    #: the one before serves
    ROLLED_BACK = 4


class NoPush(Enum):
    """Why a push isn't taken; nothing has changed."""

    #: there is no such name
    NAME = 0
    #: another push is tried or watched
    BUSY = 1
    #: larger than there is room for
    ROOM = 2
    #: no push has begun, or this isn't its next piece, or pieces are missing
    PIECE = 3
    #: it is no bundle of this version, or isn't whole
    BUNDLE = 4
    #: there is no signature behind it
    UNSIGNED = 5
    #: nobody whose key is enrolled for images has signed it
    KEY = 6
    #: the signature is of something else
    SIGNATURE = 7
    #: it isn't what was signed
    DAMAGED = 8
    #: it has no code for this machine
    MACHINE = 9
    #: it needs more memory, or stack, than the name's quota
    QUOTA = 10
    #: it takes or gives more than a request can have
    TENSORS = 11
    #: it has no sample to be tried with
    SAMPLE = 12
    #: the name has no other process that waits
    SPARE = 13
    #: nobody has said whose signatures are taken
    KEYS = 14
    #: it was signed for another name
    CALLED = 15
    #: its serial is lower than that of a bundle which has served as this name
    OLDER = 16
    #: it is the image's, of which the manager has no bundle
    OWN = 17


class Backend(Enum):
    """By what a model is computed: by which of its bundle's codes."""

    SCALAR = 0
    #: by the processor's vector registers
    VECTOR = 1


@value
class Model:
    """A name, and what serves it. `client`: the number of its process, 0 if none has begun; `own`: it serves what its
    program was built with. `spare`: another one waits. `outcome`: of the last push that was tried; `why` and `detail`:
    of what was ROLLED_BACK. `refused`: the number of a `NoPush` and 1, if one wasn't tried since then; else 0."""

    client: u64
    own: bool
    backend: Backend
    spare: bool
    outcome: Outcome
    why: Why
    detail: u64
    refused: u64
    #: requests that the process has answered
    answered: u64
    #: bytes of the name, and of the header of the bundle that is served, 0 as long as none is
    name_length: usize
    header_length: usize


@interface
class Models(Protocol):
    """For operators."""

    def model(
        self,
        number: u64,
        name: Annotated[Span[u8], up_to(MOST_NAME)],
        header: Annotated[Span[u8], up_to(HEADER_SIZE)],
    ) -> Model | NoPush | Failure:
        """How a name is served, from 0 on."""
        ...

    def begin(self, number: u64, size: u64) -> NoPush | Failure | None:
        """A push for this name begins, of so many bytes; one that was begun and isn't finished is forgotten."""
        ...

    def piece(self, place: u64, data: Annotated[bytes, up_to(MOST_PIECE)]) -> NoPush | Failure | None:
        """The next bytes of it. `place`: how many came before."""
        ...

    def finish(self) -> NoPush | Failure | None:
        """All of it is there: have it tried."""
        ...

    def swap(self, number: u64, backend: Backend) -> NoPush | Failure | None:
        """Have what was pushed, and serves, computed by another backend: tried and watched as a push is."""
        ...


@interface
class Keys(Protocol):
    """For who has the board's enrolment."""

    def enrol(self, number: u64, count: u64, key: Annotated[bytes, up_to(KEY_SIZE)]) -> Failure | None:
        """Key `number` of `count` that bundles may be signed with; of each the last word counts."""
        ...
