"""Asking init about services, and having it end, start and replace them, by a capability of kind SYSTEM.

Services are named by their indices, from 0 on, in the order in which they start; `name_of` and `find` know their names.
A request that is refused gives `Refused`, which says why, and changes nothing.
"""

from __future__ import annotations

from enum import Enum

from neokernel.abi.archive import NAME_SIZE
from neokernel.abi.buffer import Buffer
from neokernel.abi.call import REGISTER_WORDS, message
from neokernel.abi.description import MAXIMUM_NAME, MAXIMUM_SERVICES, GrantKind
from neokernel.abi.status import Status
from neokernel.lang import Array, Span, array, struct, truncate, u8, u64, usize, value
from neokernel.runtime import system
from neokernel.runtime.system import Failure, Message


class Request(Enum):
    """Labels of what init is asked; in brackets the words, after the arrow those of the answer."""

    #: (service) → phase, starts, ticks used, free bytes of its own memory; then its name, in words, from the buffer
    STATUS = 1
    #: (service): end it as if it had crashed; what follows is as its restart policy says
    KILL = 2
    #: (service): end it, and don't start it again; its endpoints end
    STOP = 3
    #: (service): start it, if it is down
    START = 4
    #: (service, microseconds; the name of a program, in words, from the buffer) → : let a newer version take over
    SWAP = 5
    #: (service; grant, to, microseconds | slot of its table << 48) → number: let another service have what it was
    #: granted, for so long
    DELEGATE = 6
    #: (number): take it back at once
    TAKE_BACK = 7
    #: (n): the n-th latest post-mortem → how many there were; its words, from the buffer
    POST_MORTEM = 8
    #: () → free bytes and free slots of init, services, services that run
    RESOURCES = 9
    #: () → instructions from the kernel's entry to init's first; the count of instructions then, and the time
    BEGINNING = 10
    #: (service, n) → its n-th grant, as the system's description has it: kind; of what another service provides, this
    #: one and the place among its grants, of anything else target and size; 1 if there is such a thing now; then its
    #: name, in words, from the buffer
    GRANT = 11


#: the last one
LAST_REQUEST: u64 = 11


class Answer(Enum):
    """Labels of init's answers."""

    DONE = 0
    #: a request that there isn't
    UNKNOWN = 1
    #: no such service, grant, slot, or number
    OUT_OF_RANGE = 2
    #: it runs already, or it doesn't
    WRONG_PHASE = 3
    #: another service is being replaced
    BUSY = 4
    #: a system call failed: the answer's words are its status and argument
    FAILED = 5
    #: the old version didn't hand over in time
    TIMED_OUT = 6
    #: it can't be replaced, as it provides nothing or a device reaches its memory; or it doesn't hand over
    REFUSED = 7
    #: the new version has ended before it was ready, or wasn't in time: the old one is back
    ROLLED_BACK = 8
    #: it declares other capabilities, contracts or settings than what it would replace
    OTHER_NEEDS = 9


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


@value
class Refused:
    """Why nothing happened; `failure` if `answer` is FAILED, or init couldn't be asked."""

    answer: Answer
    failure: Failure | None = None


@value
class ServiceStatus:
    phase: Phase
    #: how often it was started
    starts: u64
    #: ticks of processor time since it was started the last time
    used: u64
    #: bytes of its memory
    free: u64


@struct
class Name:
    """A name in words, as it travels."""

    text: Array[u8] = array(MAXIMUM_NAME)
    length: usize = 0

    def view(self) -> bytes:
        return self.text[: self.length].bytes()

    def assign(self, text: bytes) -> None:
        """Become `text`; what is too long is cut off."""
        self.length = min(len(text), MAXIMUM_NAME)
        for place in range(self.length):
            self.text[place] = text[place]

    def write_words(self, words: Span[u64]) -> None:
        """Into six words, zeroes behind it."""
        for number in range(NAME_WORDS):
            word: u64 = 0
            for place in reversed(range(number * 8, number * 8 + 8)):
                word = word << 8 | (u64(self.text[place]) if place < self.length else 0)
            words[number] = word

    def read_words(self, words: Span[u64]) -> None:
        """Out of six words, up to the first zero."""
        self.length = 0
        for place in range(usize(0), MAXIMUM_NAME):
            byte = truncate(u8, words[place // 8] >> place % 8 * 8)
            if byte == 0:
                break
            self.text[place] = byte
            self.length = place + 1


NAME_WORDS: usize = NAME_SIZE // 8
assert NAME_SIZE == MAXIMUM_NAME, "programs' names and services' are equally long"


def ask(
    control: u64, request: Request, length: u64, w0: u64 = 0, w1: u64 = 0, w2: u64 = 0, w3: u64 = 0
) -> Message | Refused:
    """Ask init; words beyond the fourth are in the thread's buffer."""
    answer = system.call(control, message(u64(request.value), length), w0, w1, w2, w3)
    if isinstance(answer, Failure):
        return Refused(Answer.FAILED, answer)
    label = answer.label()
    if label == u64(Answer.DONE.value):
        return answer
    if label == u64(Answer.FAILED.value):
        return Refused(Answer.FAILED, Failure(Status(u8(answer.w0)), answer.w1))
    return Refused(Answer(u8(label)) if label <= u64(Answer.OTHER_NEEDS.value) else Answer.UNKNOWN)


def refusal_of(answer: Message | Refused) -> Refused | None:
    return answer if isinstance(answer, Refused) else None


def status(control: u64, service: u64) -> ServiceStatus | Refused:
    answer = ask(control, Request.STATUS, 1, service)
    if isinstance(answer, Refused):
        return answer
    return ServiceStatus(Phase(u8(answer.w0)), answer.w1, answer.w2, answer.w3)


def name_of(buffer: Buffer, control: u64, service: u64, name: Name) -> Refused | None:
    answer = ask(control, Request.STATUS, 1, service)
    if not isinstance(answer, Refused):
        name.read_words(buffer.words[:NAME_WORDS])
    return refusal_of(answer)


def find(buffer: Buffer, control: u64, name: bytes) -> u64 | None:
    """The index of the service with this name."""
    other = Name()
    for service in range(u64(0), u64(MAXIMUM_SERVICES)):
        if name_of(buffer, control, service, other) is not None:
            return None
        if other.view() == name:
            return service
    return None


def kill(control: u64, service: u64) -> Refused | None:
    return refusal_of(ask(control, Request.KILL, 1, service))


def stop(control: u64, service: u64) -> Refused | None:
    return refusal_of(ask(control, Request.STOP, 1, service))


def start(control: u64, service: u64) -> Refused | None:
    return refusal_of(ask(control, Request.START, 1, service))


def swap(buffer: Buffer, control: u64, service: u64, program: bytes, patience: u64 = 1_000_000) -> Refused | None:
    """Replace a running service by the archive's `program`. `patience`: microseconds for each side to do its part."""
    name = Name()
    name.assign(program)
    name.write_words(buffer.words[:NAME_WORDS])
    return refusal_of(ask(control, Request.SWAP, REGISTER_WORDS + NAME_WORDS, service, patience))


def delegate(control: u64, service: u64, grant: u64, to: u64, slot: u64, duration: u64) -> u64 | Refused:
    """Let `to` have what `service` was granted as its `grant`-th, in `slot` of its table, for `duration` microseconds.

    A number, with which it can be taken back before. When the time is over, nothing is left of it, wherever it went.
    """
    answer = ask(control, Request.DELEGATE, 4, service, grant, to, duration | slot << 48)
    return answer if isinstance(answer, Refused) else answer.w0


def take_back(control: u64, number: u64) -> Refused | None:
    return refusal_of(ask(control, Request.TAKE_BACK, 1, number))


@value
class Resources:
    """What init has left."""

    memory: u64
    slots: u64
    services: u64
    running: u64


def resources(control: u64) -> Resources | Refused:
    answer = ask(control, Request.RESOURCES, 0)
    return answer if isinstance(answer, Refused) else Resources(answer.w0, answer.w1, answer.w2, answer.w3)


@value
class Beginning:
    """When init began. `kernel`: instructions from the kernel's entry to there; `instructions`: the count then."""

    kernel: u64
    instructions: u64
    time: u64


def beginning(control: u64) -> Beginning | Refused:
    answer = ask(control, Request.BEGINNING, 0)
    return answer if isinstance(answer, Refused) else Beginning(answer.w0, answer.w1, answer.w2)


@value
class GrantInfo:
    """A service's grant: see `GrantKind` of `abi/description.py`.

    Of kind USES `target` is the service that provides it, `size` the place among that one's grants. `exists`: it isn't
    denied, nor is who provides it down for good.
    """

    kind: GrantKind
    target: u64
    size: u64
    exists: bool


def grant(buffer: Buffer, control: u64, service: u64, place: u64, name: Name) -> GrantInfo | Refused:
    """What a service was granted, in the order of declaration, and as what: `name` becomes its name."""
    answer = ask(control, Request.GRANT, 2, service, place)
    if isinstance(answer, Refused):
        return answer
    name.read_words(buffer.words[:NAME_WORDS])
    return GrantInfo(GrantKind(u8(answer.w0)), answer.w1, answer.w2, answer.w3 != 0)
