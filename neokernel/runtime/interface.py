"""What the code that is generated for interfaces is made of; see `docs/design/system.md` for the messages.

A request's label is 24 bits of the contract's version above the method's number; label 0 asks for the whole version. An
answer's label is the number of the result's arm, in the order in which the method names them, or REFUSED: then the
server hasn't done anything, and says why.

Values stand in words, in order: the first four in registers, the others in the thread's buffer; then bytes, each of
them beginning with a word of the buffer. A message has exactly the length that its method and the lengths in it say.

| what the server refuses | status | argument |
|---|---|---|
| another contract, or another version of it; by `serve`, another interface of the program's | WRONG_KIND | WORD |
| a method that the contract hasn't | UNKNOWN_OPERATION | WORD |
| another length, or another number of capabilities | OUT_OF_RANGE | WORD |
| memory that is lent: the client has no region | NO_BUFFER | FIRST_PARAMETER and on |
| a value that the type hasn't, too many bytes, or beyond the region | OUT_OF_RANGE | FIRST_PARAMETER and on |
| a call whose task was cancelled (`executor.py`); it may have done part of it | CANCELLED | REPLY |

Beside these, a call gives the kernel's failures, and OUT_OF_RANGE of argument ANSWER if the answer is none that the
contract allows. `PEER_DIED` says that the server has gone, in which case the call may have been served or not.

Invariants: what is read from a buffer is within it, whatever a message says. Slots in which capabilities arrived that
nobody gets are empty again.
"""

from __future__ import annotations

from neokernel.abi.boot import OWN_TABLE
from neokernel.abi.buffer import Buffer
from neokernel.abi.call import MAXIMUM_CAPABILITIES, NEVER, Call, argument_of, message, status_of
from neokernel.abi.description import MAXIMUM_SETTINGS, MAXIMUM_TEXT
from neokernel.abi.status import WORD, Status
from neokernel.lang import Order, Span, address_of, cold, copy, inline, span_at, u8, u32, u64, unsafe, usize, value
from neokernel.runtime import system
from neokernel.runtime.process import HAND_OVER, Process, current
from neokernel.runtime.system import Failure, Message

unsafe("a buffer's words beyond a message's numbers are bytes")

#: label of an answer that says no: with the status in bits 0 to 7, and its argument in bits 8 to 15
REFUSED = 1 << 31
#: argument of a failure: the method's first parameter; the others follow
FIRST_PARAMETER = 16
#: the answer
ANSWER = 15
#: words of a buffer
BUFFER_WORDS = 508


@value
class Answer:
    """What a dispatcher says: the message word, and the words in registers.

    `taken` capabilities are the handler's; the one in slot `moved`, if that isn't 0, goes to the caller.
    """

    word: u64
    w0: u64
    w1: u64
    w2: u64
    w3: u64
    taken: u64
    moved: u64


# --- who asks ---------------------------------------------------------------------------------------------------------

#: a service has one endpoint, where calls of all that it provides arrive. A client's badge says which of these it may
#: call, counted from 0 on in the order of declaration, above the number of the client, from 1 on
PROVIDED_SHIFT = 32


def provided_of(badge: u64) -> u64:
    """Which of its interfaces a server is asked by."""
    return badge >> PROVIDED_SHIFT


def client_of(badge: u64) -> u64:
    """The number of who asks."""
    return badge & (1 << PROVIDED_SHIFT) - 1


@inline
def is_for(badge: u64, only: u64) -> bool:
    """May who has this badge call the one interface that is served? `only`: its number from 1 on, 0 if it is alone.

    The supervisor, without a badge, may ask any of them.
    """
    return only == 0 or badge == 0 or provided_of(badge) + 1 == only


# --- refusals ---------------------------------------------------------------------------------------------------------


@cold
def refused(status: Status, argument: u64) -> Answer:
    return Answer(message(REFUSED | u64(status.value) | argument << 8), 0, 0, 0, 0, 0, 0)


@cold
def no_such_method(asked: Message, base: u32, reply: u64) -> u64:
    """The word of the answer to what is none of the contract's methods; the version goes with it.

    If it is the supervisor who asks for the state, and `reply` isn't 0, another program goes on from here.
    """
    label = asked.label()
    if asked.word == 0:
        return message(0, 1)
    if asked.badge == 0 and label == HAND_OVER and reply != 0:
        current().hand_over(reply)
    foreign = label >> 8 != u64(base) >> 8 or asked.is_fault() or asked.is_signals()
    return refused(Status.WRONG_KIND if foreign else Status.UNKNOWN_OPERATION, WORD).word


def receive(endpoint: u64, reply: u64) -> Message:
    """The first message. A status in its word says how receiving failed, here and below."""
    return system.enter_with(reply, Call.RECEIVE, endpoint, 0, NEVER)


@cold
def unanswered(endpoint: u64, reply: u64) -> Message:
    """Go on when an answer couldn't be given: the caller has no room for it. It learns that, and the next one comes."""
    _ = system.reply(reply, refused(Status.NO_BUFFER, ANSWER).word)
    return receive(endpoint, reply)


def next_message(process: Process, endpoint: u64, reply: u64, answer: Answer) -> Message | Failure:
    """Answer, and receive: the loop of a server that provides several interfaces, and looks which one is asked.

    What is received may be signals, too. `process.client` is the badge of who asks. For interfaces that take no
    capabilities: those need a window (`open_window`).
    """
    asked = system.enter_with(
        reply, Call.REPLY_RECEIVE, endpoint, answer.word, answer.w0, answer.w1, answer.w2, answer.w3
    )
    if status_of(asked.word) != 0:
        asked = unanswered(endpoint, reply)
    if answer.moved != 0:
        handed_over(process, answer.moved)
    if status_of(asked.word) != 0:
        return failed(asked)
    process.client = asked.badge
    return asked


@cold
def failed(asked: Message) -> Failure:
    return Failure(Status(u8(status_of(asked.word))), argument_of(asked.word))


@cold
def refusal(answer: Message) -> Failure:
    """Why a call brought nothing, of an answer that is none of the method's."""
    if answer.capabilities() != 0:
        dismiss(current().buffer, answer.capabilities())
    label = answer.label()
    if label & REFUSED != 0 and answer.word >> 32 == 0:
        argument = label >> 8 & 0xFF
        match label & 0xFF:
            case 1:
                return Failure(Status.UNKNOWN_OPERATION, argument)
            case 3:
                return Failure(Status.WRONG_KIND, argument)
            case 5:
                return Failure(Status.OUT_OF_RANGE, argument)
            case 12:
                return Failure(Status.CANCELLED, argument)
            case 18:
                return Failure(Status.NO_BUFFER, argument)
            case _:
                pass
    return Failure(Status.OUT_OF_RANGE, ANSWER)


assert (Status(1), Status(3), Status(5), Status(12), Status(18)) == (
    Status.UNKNOWN_OPERATION,
    Status.WRONG_KIND,
    Status.OUT_OF_RANGE,
    Status.CANCELLED,
    Status.NO_BUFFER,
)


@cold
def too_long(place: u64) -> Failure:
    """The client's own answer: more bytes than the parameter takes."""
    return Failure(Status.OUT_OF_RANGE, FIRST_PARAMETER + place)


@cold
def not_lent(place: u64) -> Failure:
    """The client's own answer: the memory isn't of the region for this server."""
    return Failure(Status.NO_BUFFER, FIRST_PARAMETER + place)


def version_of(endpoint: u64) -> u64 | Failure:
    """The version of the contract that is spoken at an endpoint."""
    answer = system.call(endpoint, 0)
    if isinstance(answer, Failure):
        return answer
    return answer.w0 if answer.word == message(0, 1) else refusal(answer)


# --- bytes ------------------------------------------------------------------------------------------------------------


def put_bytes(buffer: Buffer, place: usize, data: bytes) -> None:
    """Put bytes into the buffer from a word on, and zeroes behind them to the word's end."""
    size = (len(data) + 7) // 8 * 8
    assert place + size // 8 <= BUFFER_WORDS, "a message that is larger than the buffer"
    target = span_at(u8, address_of(buffer.words) + place * 8, size)
    copy(target[: len(data)], data)
    for rest in range(len(data), size):
        target[rest] = 0


def get_bytes(buffer: Buffer, place: usize, target: Span[u8]) -> None:
    """Take bytes out of the buffer, from a word on."""
    assert place + (len(target) + 7) // 8 <= BUFFER_WORDS, "a message that is larger than the buffer"
    copy(target, span_at(u8, address_of(buffer.words) + place * 8, len(target)).bytes())


# --- capabilities -----------------------------------------------------------------------------------------------------


def dismiss(buffer: Buffer, count: u64) -> None:
    """Delete the capabilities that have arrived, and let none arrive any more."""
    first = u64(buffer.window_first.load(Order.RELAXED))
    for slot in range(first, first + min(count, MAXIMUM_CAPABILITIES)):
        _ = system.delete(OWN_TABLE, slot)
    system.window(buffer, 0, 0)


def unused(process: Process, slot: u64) -> None:
    """Give back a slot in which an answer's capability would have arrived."""
    _ = system.delete(OWN_TABLE, slot)
    process.slots().release(slot)
    system.window(process.buffer, 0, 0)


def gave(process: Process, slot: u64) -> None:
    """Give back the slot of a capability that was given away, if it went."""
    if process.slots().is_taken(slot):
        info = system.inspect(OWN_TABLE, slot)
        if not isinstance(info, Failure) and info.kind == 0:
            process.slots().release(slot)


def handed_over(process: Process, slot: u64) -> None:
    """Give back the slot of a capability that went with an answer; if the caller hasn't got it, nobody wants it."""
    _ = process.drop(slot)


def open_window(process: Process, size: u64) -> u64 | Failure:
    """Let so many capabilities arrive: the first of their slots."""
    first = process.slot(size)
    if not isinstance(first, Failure):
        system.window(process.buffer, first, size)
    return first


def close_window(process: Process, first: u64, size: u64) -> None:
    """Let none arrive any more."""
    system.window(process.buffer, 0, 0)
    process.slots().release(first, size)


def next_window(process: Process, first: u64, size: u64, arrived: u64, taken: u64) -> u64 | Failure:
    """The same again: of what `arrived` in the slots from `first` on, the handler has `taken`; all or nothing."""
    if taken == 0:
        for slot in range(first, first + min(arrived, size)):
            _ = system.delete(OWN_TABLE, slot)
        system.window(process.buffer, first, size)
        return first
    if taken < size:
        process.slots().release(first + taken, size - taken)
    return open_window(process, size)


# --- settings ---------------------------------------------------------------------------------------------------------


def configured(process: Process, index: usize) -> u64 | None:
    """The word of a setting, None if the process's maker says nothing of it."""
    if process.is_root:
        return None
    settings = process.start_info().settings
    return settings.numbers[index] if index < min(settings.count, MAXIMUM_SETTINGS) else None


def configured_text(process: Process, index: usize) -> bytes | None:
    """The same of one that is bytes."""
    place = configured(process, index)
    if place is None:
        return None
    first, length = place & 0xFFFF_FFFF, place >> 32
    if first + length > MAXIMUM_TEXT:
        return None
    return process.start_info().settings.text[first : first + length].bytes()
