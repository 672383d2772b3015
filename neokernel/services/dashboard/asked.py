"""What the page asks to have done: an operator's order, with its signature; a request for a model.

`POST /api/order`, as JSON: `order`, `nonce` and `approval`, which is the operator's public key and signature, in
hexadecimal, as `nk approve` says it. This service can make none, and neither look into it: whoever carries orders out
does (`interfaces/orders.py`).
"""

from __future__ import annotations

from neokernel.http.characters import is_alike, number_of
from neokernel.http.client import Fetch, FetchError, Place
from neokernel.http.exchange import BodyError, Exchange
from neokernel.http.method import Method
from neokernel.http.target import value_of
from neokernel.interfaces.orders import (
    KEY_SIZE,
    MACHINE_SIZE,
    MOST_ORDER,
    NONCE_SIZE,
    SIGNATURE_SIZE,
    NotOrdered,
    Orders,
)
from neokernel.interfaces.system import Reason, Refused
from neokernel.json.reader import Reader, Token
from neokernel.json.writer import OBJECT, OBJECT_END, Writer
from neokernel.lang import Array, Span, array, copy, struct, u8, u16, u64, usize
from neokernel.runtime.hexadecimal import read_hexadecimal, write_hexadecimal
from neokernel.runtime.system import Failure
from neokernel.services.dashboard.paper import JSON

#: bytes of an order's request, and of a model's request or answer
MOST_BODY = 1_024
MOST_INFERENCE = 4_096
APPROVAL_SIZE = KEY_SIZE + SIGNATURE_SIZE
INFER = b"/v2/models/"
INFER_END = b"/infer"


async def tell_error(http: Exchange, status: u16, said: bytes) -> None:
    memory: Array[u8] = array(256)
    page = Writer(into=memory[:])
    page.open(OBJECT)
    page.name(b"error")
    page.text(said)
    page.close(OBJECT_END)
    await http.reply(status, JSON, page.written())


async def is_json(http: Exchange) -> bool:
    """Is the request's body JSON? Somebody else's page can't have that sent without asking us first, by OPTIONS."""
    kind = http.field(b"content-type")
    if kind is not None and is_alike(kind, JSON):
        return True
    await tell_error(http, 415, b"a request is JSON: say `Content-Type: application/json`")
    return False


async def read_json(http: Exchange, into: Span[u8]) -> usize | None:
    """The length of a request's body, which is JSON and fits. None: it isn't, or doesn't; the request is answered."""
    if not await is_json(http):
        return None
    length = await http.read_all(into)
    if isinstance(length, BodyError):
        if length is BodyError.TOO_LARGE:
            await tell_error(http, 413, b"the request is too large")
        return None
    return length


def number_in(http: Exchange, name: bytes, usual: u64) -> u64:
    """A number in the request's query; `usual` if there is none, or something else."""
    said = value_of(http.query(), name)
    if said is None:
        return usual
    number = number_of(said)
    return usual if number is None else number


# --- orders -----------------------------------------------------------------------------------------------------------


async def tell_challenge(orders: Orders, http: Exchange) -> None:
    machine: Array[u8] = array(MACHINE_SIZE)
    nonce: Array[u8] = array(NONCE_SIZE)
    found = orders.challenge(machine[:], nonce[:])
    if isinstance(found, NotOrdered):
        await tell_error(http, 503, because(found))
        return
    if isinstance(found, Failure):
        await tell_error(http, 503, b"who carries orders out doesn't answer")
        return
    text: Array[u8] = array(2 * MACHINE_SIZE)
    memory: Array[u8] = array(256)
    page = Writer(into=memory[:])
    page.open(OBJECT)
    page.name(b"machine")
    write_hexadecimal(machine[:], text[:])
    page.text(text.bytes())
    page.name(b"nonce")
    write_hexadecimal(nonce[:], text[: 2 * NONCE_SIZE])
    page.text(text[: 2 * NONCE_SIZE].bytes())
    page.name(b"seconds")
    page.number(found)
    page.close(OBJECT_END)
    http.begin(200)
    http.header(b"Content-Type", JSON)
    await http.send(page.written())


@struct
class Asked:
    """An order's request. `approved`: bytes of the approval that are there."""

    order: Array[u8] = array(MOST_ORDER)
    length: usize = 0
    nonce: Array[u8] = array(NONCE_SIZE)
    approval: Array[u8] = array(APPROVAL_SIZE)


async def carry_out(orders: Orders, http: Exchange) -> None:
    body: Array[u8] = array(MOST_BODY)
    length = await read_json(http, body[:])
    if length is None:
        return
    asked = Asked()
    if not read_asked(body[:length].bytes(), asked):
        await tell_error(http, 400, b"an order has an `order`, a `nonce` of 32 digits and an `approval` of 192")
        return
    approval = asked.approval.bytes()
    order = asked.order[: asked.length].bytes()
    done = orders.carry_out(order, asked.nonce.bytes(), approval[:KEY_SIZE], approval[KEY_SIZE:])
    if isinstance(done, Refused):
        await tell_error(http, 409, refusal(done))
    elif isinstance(done, NotOrdered):
        await tell_error(http, status_of(done), because(done))
    elif isinstance(done, Failure):
        await tell_error(http, 503, b"who carries orders out doesn't answer")
    else:
        await http.reply(200, JSON, b'{"done":true}')


def read_asked(body: bytes, asked: Asked) -> bool:
    """An object with these three members, each once, and no others."""
    reader = Reader(data=body)
    text: Array[u8] = array(2 * APPROVAL_SIZE)
    found: u64 = 0
    if reader.next() is not Token.OBJECT:
        return False
    while True:
        token = reader.next()
        if token is Token.OBJECT_END:
            return found == 7 and reader.next() is Token.END
        if token is not Token.NAME:
            return False
        bit: u64 = 0
        if reader.is_text(b"order"):
            bit = 1
        elif reader.is_text(b"nonce"):
            bit = 2
        elif reader.is_text(b"approval"):
            bit = 4
        if bit == 0 or found & bit != 0 or reader.next() is not Token.TEXT:
            return False
        found |= bit
        length = reader.text(text[:])
        if length is None:
            return False
        if bit == 1:
            if length > MOST_ORDER:
                return False
            asked.length = length
            copy(asked.order[:length], text[:length].bytes())
        elif not read_hexadecimal(text[:length].bytes(), asked.nonce[:] if bit == 2 else asked.approval[:]):
            return False


def status_of(why: NotOrdered) -> u16:
    if why is NotOrdered.KEY:
        return 403
    return 429 if why is NotOrdered.WAIT else 409


def because(why: NotOrdered) -> bytes:
    match why:
        case NotOrdered.ENROLMENT:
            return b"the machine is enrolled with nobody who operates it"
        case NotOrdered.ENTROPY:
            return b"the machine has no random bytes"
        case NotOrdered.WORDS:
            return b"that is no order: `kill SERVICE`, `stop`, `start`, or `swap SERVICE PROGRAM` is one"
        case NotOrdered.SERVICE:
            return b"there is no such service"
        case NotOrdered.NONCE:
            return b"the approval is too old, or was used: ask for another nonce"
        case NotOrdered.KEY:
            return b"the approval isn't an operator's, or isn't one of this order"
        case NotOrdered.WAIT:
            return b"somebody has just sent a wrong approval: try again in a moment"
        case NotOrdered.END:
            return b"there is no such end"


def refusal(refused: Refused) -> bytes:
    match refused.reason:
        case Reason.OUT_OF_RANGE:
            return b"there is no such service or program"
        case Reason.WRONG_PHASE:
            return b"it is so already, or it doesn't run"
        case Reason.BUSY:
            return b"a service is being replaced"
        case Reason.FAILED:
            return b"init couldn't do it: there is no such program, or no memory for it"
        case Reason.TIMED_OUT:
            return b"the old version didn't hand over in time, and goes on"
        case Reason.REFUSED:
            return b"it can't be replaced"
        case Reason.ROLLED_BACK:
            return b"the new version wasn't ready in time: the old one goes on"
        case Reason.OTHER_NEEDS:
            return b"that program declares other capabilities or settings"


# --- models -----------------------------------------------------------------------------------------------------------


async def infer(http: Exchange, fetch: Fetch, place: Place, model: bytes) -> None:
    """Pass a request on to who serves models, and the answer back: by its status, and as it is."""
    body: Array[u8] = array(MOST_INFERENCE)
    length = await read_json(http, body[:])
    if length is None:
        return
    target: Array[u8] = array(160)
    end = len(INFER) + len(model)
    if end + len(INFER_END) > len(target):
        await tell_error(http, 404, b"there is no model of that name")
        return
    copy(target[: len(INFER)], INFER)
    copy(target[len(INFER) : end], model)
    copy(target[end : end + len(INFER_END)], INFER_END)
    path = target[: end + len(INFER_END)].bytes()
    status = await fetch.ask(Method.POST, place, path, JSON, body[:length].bytes())
    if isinstance(status, FetchError):
        fetch.close()
        await tell_error(http, 503, b"who serves models doesn't answer")
        return
    came = await fetch.read_all(body[:])
    fetch.close()
    if isinstance(came, FetchError):
        await tell_error(http, 503, b"who serves models has ended in the middle of the answer")
    else:
        await http.reply(status, JSON, body[:came].bytes())
