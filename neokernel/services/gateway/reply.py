"""Answers in JSON: what the server is, what a model is, and what it has computed.

Source: Open Inference Protocol v2.
"""

from __future__ import annotations

from neokernel.abi.description import MAXIMUM_TEXT
from neokernel.abi.model import NAME_SIZE, PORT_NAME_SIZE
from neokernel.http.exchange import Exchange
from neokernel.http.server import Errors
from neokernel.interfaces.inference import MOST_BYTES, MOST_SIZES, MOST_TENSORS
from neokernel.json.numbers import Integer
from neokernel.json.writer import LIST, LIST_END, OBJECT, OBJECT_END, Writer
from neokernel.lang import Array, array, u8, u16, u64, usize
from neokernel.services.gateway.described import Described, Tensor
from neokernel.services.gateway.elements import get, is_number, name_of, size_of_element, write
from neokernel.services.gateway.job import MOST_BODY, MOST_ID, MOST_MESSAGE, Job

JSON = b"application/json"
SERVER = b"neokernel"
PLATFORM = b"neokernel"
#: what the library refuses by itself is said in JSON, too
ERRORS = Errors(JSON, b'{"error":"', b'"}')
#: bytes of a text at most, for each of its own: `\\u001f`
ESCAPED = 6
#: of a tensor, beside its dimensions: its name, and what stands around it and the others
TENSOR = ESCAPED * PORT_NAME_SIZE + 64
#: of a dimension, up to MOST_BYTES, and a comma
DIMENSION = 6
#: of all tensors of a model without their data
TENSORS = 2 * MOST_TENSORS * TENSOR + MOST_SIZES * DIMENSION
#: of a model's name, of its version, and what stands around them
NAMED = ESCAPED * (MAXIMUM_TEXT + NAME_SIZE) + 128
#: of an element of results, for each of its bytes: those of BOOL, `false,`, take most
ELEMENT = 6


async def refuse(http: Exchange, status: u16, message: bytes, again: bool = False) -> None:
    """Say what is wrong. `again`: it may be tried again in a second. 401 has a challenge: RFC 9110, 11.6.1."""
    memory: Array[u8] = array(ESCAPED * MOST_MESSAGE + 16)
    page = Writer(into=memory[:])
    page.open(OBJECT)
    page.name(b"error")
    page.text(message)
    page.close(OBJECT_END)
    http.begin(status)
    http.head.kind(JSON)
    if again:
        http.header(b"Retry-After", b"1")
    if status == 401:
        http.header(b"WWW-Authenticate", b"Bearer")
    await http.send(page.written())


async def say(http: Exchange, page: Writer, status: u16 = 200) -> None:
    """A page has room for all that it can say: see the sizes above."""
    assert not page.full, "its memory is large enough"
    await http.reply(status, JSON, page.written())


def write_server(page: Writer, version: bytes) -> None:
    page.open(OBJECT)
    page.name(b"name")
    page.text(SERVER)
    page.name(b"version")
    page.text(version)
    page.name(b"extensions")
    page.open(LIST)
    page.close(LIST_END)
    page.close(OBJECT_END)


def write_ready(page: Writer, name: bytes, ready: bool) -> None:
    page.open(OBJECT)
    page.name(b"name")
    page.text(name)
    page.name(b"ready")
    page.truth(ready)
    page.close(OBJECT_END)


def write_model(page: Writer, name: bytes, described: Described) -> None:
    page.open(OBJECT)
    page.name(b"name")
    page.text(name)
    page.name(b"versions")
    page.open(LIST)
    page.text(described.version())
    page.close(LIST_END)
    page.name(b"platform")
    page.text(PLATFORM)
    page.name(b"inputs")
    page.open(LIST)
    for number in range(described.inputs):
        write_tensor(page, described.input(number), described.most(), 0)
        page.close(OBJECT_END)
    page.close(LIST_END)
    page.name(b"outputs")
    page.open(LIST)
    for number in range(described.outputs):
        write_tensor(page, described.output(number), described.most(), 0)
        page.close(OBJECT_END)
    page.close(LIST_END)
    page.close(OBJECT_END)


def write_tensor(page: Writer, tensor: Tensor, most: usize, examples: usize) -> None:
    """An object that is left open. Where there may be several examples, its first size is how many there are, and -1,
    as other servers have it, if that is 0: as many as a request has."""
    page.open(OBJECT)
    page.name(b"name")
    page.text(tensor.name())
    page.name(b"datatype")
    page.text(name_of(tensor.element))
    page.name(b"shape")
    page.open(LIST)
    for axis in range(tensor.rank):
        if axis != 0 or most == 1:
            page.number(tensor.sizes[axis])
        elif examples != 0:
            page.number(u64(examples))
        else:
            page.integer(Integer(True, 1))
    page.close(LIST_END)


# --- results ----------------------------------------------------------------------------------------------------------


def write_class(page: Writer, job: Job, name: bytes, described: Described) -> None:
    """The first result as scores, and the number of the highest; of equal ones, the first."""
    tensor = described.output(0)
    highest: u64 = 0
    for index in range(tensor.count):
        if is_less(element(job, tensor, 0, highest), element(job, tensor, 0, index)):
            highest = index
    page.open(OBJECT)
    page.name(b"model_name")
    page.text(name)
    page.name(b"model_version")
    page.text(job.by.text())
    page.name(b"class")
    page.number(highest)
    page.name(b"scores")
    page.open(LIST)
    for index in range(tensor.count):
        _ = write(tensor.element, element(job, tensor, 0, index), page)
    page.close(LIST_END)
    page.close(OBJECT_END)


def is_less(one: u64, other: u64) -> bool:
    """Of the bits of two finite float32: negative ones the other way round, and both zeroes are the same."""
    return order_of(one) < order_of(other)


def order_of(bits: u64) -> u64:
    size = bits & 0x7FFF_FFFF
    return (u64(1) << 32) - size if bits >> 31 != 0 else (u64(1) << 32) + size


def unwritable(job: Job, described: Described) -> Tensor | None:
    """The first result that was asked for with an element that JSON has no number for."""
    for number in range(described.outputs):
        tensor = described.output(number)
        if job.wanted >> number & 1 != 0:
            for example in range(job.examples):
                for index in range(tensor.count):
                    if not is_number(tensor.element, element(job, tensor, example * described.size, index)):
                        return tensor
    return None


def element(job: Job, tensor: Tensor, first: usize, index: u64) -> u64:
    """Its bits. `first`: where its example begins."""
    data = job.tensors[first + tensor.place :]
    return get(tensor.element, data, usize(index) * usize(size_of_element(tensor.element)))


def write_answer(page: Writer, job: Job, name: bytes, described: Described) -> None:
    """The results."""
    page.open(OBJECT)
    page.name(b"model_name")
    page.text(name)
    page.name(b"model_version")
    page.text(job.by.text())
    if job.has_id:
        page.name(b"id")
        page.text(job.id[: job.id_length].bytes())
    page.name(b"outputs")
    page.open(LIST)
    for number in range(described.outputs):
        if job.wanted >> number & 1 == 0:
            continue
        tensor = described.output(number)
        write_tensor(page, tensor, described.most(), job.examples)
        page.name(b"data")
        page.open(LIST)
        for example in range(job.examples):
            for index in range(tensor.count):
                _ = write(tensor.element, element(job, tensor, example * described.size, index), page)
        page.close(LIST_END)
        page.close(OBJECT_END)
    page.close(LIST_END)
    page.close(OBJECT_END)


assert NAMED + TENSORS + ESCAPED * MOST_ID + ELEMENT * MOST_BYTES <= MOST_BODY, "an answer fits the request's memory"
