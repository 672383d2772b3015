"""Init, for services that may ask it: what runs (`Watch`), to have services ended, started, replaced (`System`), and to
have all of them ended (`Shutdown`).

Three interfaces, so that a system file can grant one without the others: "init.watch", "init.system", "init.shutdown".
Services are named by their indices, from 0 on, in the order in which they start; `Watch` knows their names. What is
refused has changed nothing.
"""

from enum import Enum
from typing import Annotated, Protocol

from neokernel.abi.call import Call
from neokernel.abi.description import MAXIMUM_NAME, GrantKind
from neokernel.abi.status import Status
from neokernel.lang import Span, interface, u8, u16, u32, u64, up_to, usize, value
from neokernel.runtime.system import Failure

#: bytes of a post-mortem at most
MOST_POST_MORTEM = 4000


class Phase(Enum):
    """What a service does."""

    #: it has ended, and won't be started again by itself
    DOWN = 0
    #: it will be started again
    WAITING = 1
    RUNS = 2
    #: it was started again too often
    GIVEN_UP = 3
    #: it is stopped; its memory isn't free yet, as a device may still reach it
    ENDING = 4


class Unknown(Enum):
    """What there is none of."""

    SERVICE = 0
    #: the service has fewer
    GRANT = 1
    #: fewer are lent now
    DELEGATION = 2
    #: there were fewer, or it isn't kept any more
    DENIAL = 3


@value
class ServiceStatus:
    """A service; its name is in the span that was given."""

    phase: Phase
    #: how often it was started
    starts: u64
    #: ticks of processor time since it was started the last time
    used: u64
    #: bytes of its memory
    free: u64
    #: identifier of its first thread in traces, 0 for none
    thread: u32
    #: what the kernel has denied it since the machine began: see `Watch.denial`
    denied: u64
    #: of the name
    length: usize


@value
class Denial:
    """A system call for which a service hadn't the authority: what `abi/denials.py` says one is.

    `argument`: of what the status is, as `abi/status.py` counts.
    """

    call: Call
    #: index of the capability that was invoked, as the service gave it, and its message word
    capability: u64
    word: u64
    status: Status
    argument: u64


class Access(Enum):
    """What was to be done with memory."""

    READ = 0
    WRITE = 1
    EXECUTE = 2


@value
class Trespass:
    """An access to memory that ended a process: nothing is mapped there that allows it."""

    access: Access
    address: u64


@value
class GrantInfo:
    """What a service was granted, by the system's description; its name is in the span that was given.

    `target` and `size` are those of `GrantKind` in `abi/description.py`; of kind USES `target` is the service that
    provides it, `size` the place among that one's grants. `rights`: bits of `abi/rights.py`. `exists`: it isn't denied,
    nor is who provides it down for good.
    """

    kind: GrantKind
    target: u64
    size: u64
    rights: u16
    exists: bool
    #: of the name
    length: usize


@value
class Delegated:
    """What one service has of another one's for a time: its `place`-th grant, `at` a slot of the table of `to`."""

    service: u64
    place: u64
    to: u64
    at: u64
    #: ticks that are left
    left: u64


@value
class Resources:
    """What init has left."""

    memory: u64
    slots: u64
    services: u64
    running: u64


@value
class Beginning:
    """When init began. `kernel`: instructions from the kernel's entry to there; `instructions`: the count then."""

    kernel: u64
    instructions: u64
    time: u64


class Reason(Enum):
    """Why nothing happened."""

    #: no such service, grant, slot, or number
    OUT_OF_RANGE = 0
    #: it runs already, or it doesn't
    WRONG_PHASE = 1
    #: it, or another service, is being replaced
    BUSY = 2
    #: a system call failed: see `status` and `argument`
    FAILED = 3
    #: the old version didn't hand over in time
    TIMED_OUT = 4
    #: it can't be replaced, as it provides nothing or a device reaches its memory; or it doesn't hand over
    REFUSED = 5
    #: the new version has ended before it was ready, or wasn't in time: the old one is back
    ROLLED_BACK = 6
    #: it declares other capabilities, contracts or settings than what it would replace
    OTHER_NEEDS = 7


@value
class Refused:
    """Nothing happened, or of ROLLED_BACK: nothing has come of it."""

    reason: Reason
    status: Status = Status.OK
    argument: u64 = 0


@interface
class Watch(Protocol):
    """To see what runs."""

    def own(self) -> u64 | Failure:
        """Which service asks."""
        ...

    def service(self, index: u64, name: Annotated[Span[u8], up_to(MAXIMUM_NAME)]) -> ServiceStatus | Unknown | Failure:
        """How a service is."""
        ...

    def find(self, name: Annotated[bytes, up_to(MAXIMUM_NAME)]) -> u64 | Unknown | Failure:
        """The index of the service with this name."""
        ...

    def grant(
        self, index: u64, place: u64, name: Annotated[Span[u8], up_to(MAXIMUM_NAME)]
    ) -> GrantInfo | Unknown | Failure:
        """What a service was granted, in the order in which its program declares it, and as what."""
        ...

    def denial(self, index: u64, number: u64) -> Denial | Trespass | Unknown | Failure:
        """The `number`-th that a service was denied, counted from 0 since the machine began.

        The last eight are kept, also when it is started again.
        """
        ...

    def delegated(self, number: u64) -> Delegated | Unknown | Failure:
        """The `number`-th of what is lent now, from 0 on."""
        ...

    def resources(self) -> Resources | Failure: ...

    def beginning(self) -> Beginning | Failure: ...


@interface
class System(Protocol):
    """To have something done, which is authority over every service: by `delegate` over all that any of them has."""

    def kill(self, index: u64) -> Refused | Failure | None:
        """End a service as if it had crashed: what follows is as its restart policy says."""
        ...

    def stop(self, index: u64) -> Refused | Failure | None:
        """End it, and don't start it again; its endpoints end."""
        ...

    def start(self, index: u64) -> Refused | Failure | None:
        """Start it, if it is down."""
        ...

    def swap(
        self, index: u64, program: Annotated[bytes, up_to(MAXIMUM_NAME)], patience: u64
    ) -> Refused | Failure | None:
        """Let another program of the archive take over. `patience`: microseconds for each side to do its part.

        Its state is what it preserves by the system's description: one that preserves nothing begins anew, and only
        the calls to it are held. On the console init says so.
        """
        ...

    def delegate(self, index: u64, place: u64, to: u64, at: u64, duration: u64) -> u64 | Refused | Failure:
        """Let `to` have what a service was granted as its `place`-th, in the slot `at`, for so many microseconds.

        A number, with which it can be taken back before. When the time is over, nothing is left of it, wherever it
        went.
        """
        ...

    def take_back(self, number: u64) -> Refused | Failure | None:
        """End at once what was delegated."""
        ...

    def post_mortem(self, number: u64, into: Annotated[Span[u8], up_to(MOST_POST_MORTEM)]) -> usize | Refused | Failure:
        """The `number`-th latest, from 0 on, as `services/init/post_mortem.py` has it: how many bytes of it.

        It isn't of `Watch`, as registers and stack are the service's own affair.
        """
        ...

    def power_off(self) -> Failure | None:
        """End all services, those that are used after those that use them, and switch the machine off with status 0.

        Who asks is ended, too: there is no answer.
        """
        ...


@interface
class Shutdown(Protocol):
    """The end of all services, for who then ends the machine."""

    def end_others(self) -> Refused | Failure | None:
        """End all services but the one that asks, those that are used after those that use them. They stay ended.

        Who asks has 10 seconds to end the machine. If it ends before that, or hasn't done it by then, init switches the
        machine off, with status 102.

        What it is refused for: BUSY, one is being replaced.
        """
        ...
