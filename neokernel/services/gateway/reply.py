"""Answers in JSON: what the server is, what a model is, and what it has computed.

Source: Open Inference Protocol v2.
"""

from __future__ import annotations

from neokernel.http.exchange import Exchange
from neokernel.json.digits import LONGEST
from neokernel.json.writer import LIST, LIST_END, OBJECT, OBJECT_END, Writer
from neokernel.lang import Array, array, u8, u16, u64, usize
from neokernel.services.gateway.described import Described, Tensor
from neokernel.services.gateway.elements import get, is_number, name_of, size_of_element, write
from neokernel.services.gateway.job import Job

JSON = b"application/json"
SERVER = b"neokernel"
PLATFORM = b"neokernel"
#: bytes of an answer that isn't of inference: a model's metadata take the most
MOST_PAGE = 8 << 10
#: what is sent in one piece of an answer that is larger than its memory
PIECE = 4 << 10


async def refuse(http: Exchange, status: u16, message: bytes, again: bool = False) -> None:
    """Say what is wrong. `again`: it may be tried again in a second."""
    memory: Array[u8] = array(512)
    page = Writer(into=memory[:])
    page.open(OBJECT)
    page.name(b"error")
    page.text(message)
    page.close(OBJECT_END)
    http.begin(status)
    http.head.kind(JSON)
    if again:
        http.header(b"Retry-After", b"1")
    await http.send(page.written())


async def say(http: Exchange, page: Writer) -> None:
    await http.reply(200, JSON, page.written())


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
        write_tensor(page, described.input(number))
        page.close(OBJECT_END)
    page.close(LIST_END)
    page.name(b"outputs")
    page.open(LIST)
    for number in range(described.outputs):
        write_tensor(page, described.output(number))
        page.close(OBJECT_END)
    page.close(LIST_END)
    page.close(OBJECT_END)


def write_tensor(page: Writer, tensor: Tensor) -> None:
    """An object that is left open."""
    page.open(OBJECT)
    page.name(b"name")
    page.text(tensor.name())
    page.name(b"datatype")
    page.text(name_of(tensor.element))
    page.name(b"shape")
    page.open(LIST)
    for axis in range(tensor.rank):
        page.number(tensor.sizes[axis])
    page.close(LIST_END)


# --- results ----------------------------------------------------------------------------------------------------------


def unwritable(job: Job, described: Described) -> Tensor | None:
    """The first result that was asked for with an element that JSON has no number for."""
    for number in range(described.outputs):
        tensor = described.output(number)
        if job.wanted >> number & 1 != 0:
            for index in range(tensor.count):
                if not is_number(tensor.element, element(job, tensor, index)):
                    return tensor
    return None


def element(job: Job, tensor: Tensor, index: u64) -> u64:
    return get(tensor.element, job.tensors[tensor.place :], usize(index) * usize(size_of_element(tensor.element)))


async def answer(http: Exchange, job: Job, name: bytes, described: Described) -> None:
    """The results, as JSON, in the memory of the request's body; in pieces if that isn't enough."""
    page = Writer(into=job.body[:])
    edition = described.edition
    page.open(OBJECT)
    page.name(b"model_name")
    page.text(name)
    page.name(b"model_version")
    page.text(described.version())
    if job.has_id:
        page.name(b"id")
        page.text(job.id[: job.id_length].bytes())
    page.name(b"outputs")
    page.open(LIST)
    begun = False
    for number in range(described.outputs):
        if job.wanted >> number & 1 == 0:
            continue
        tensor = described.output(number)
        write_tensor(page, tensor)
        page.name(b"data")
        page.open(LIST)
        for index in range(tensor.count):
            if page.room() < PIECE:
                if not begun:
                    http.begin(200)
                    http.head.kind(JSON)
                    await http.start_chunked()
                    begun = True
                if not await http.write(page.written()) or described.edition != edition:
                    # Nobody takes it, or these tensors are those of another model now: it stays incomplete.
                    return
                page.clear()
            _ = write(tensor.element, element(job, tensor, index), page)
        page.close(LIST_END)
        page.close(OBJECT_END)
    page.close(LIST_END)
    page.close(OBJECT_END)
    if not begun:
        await say(http, page)
    elif await http.write(page.written()):
        await http.finish()


assert LONGEST < PIECE
