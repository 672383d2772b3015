"""A manifest and a request, read as the gateway reads them: for tests that compile it for the host."""

from __future__ import annotations

from neokernel.http.text import Text
from neokernel.interfaces.inference import MOST_BYTES, NoWork
from neokernel.json.writer import Writer
from neokernel.lang import Span, copy, u8, u16, u64, usize, value
from neokernel.services.gateway.described import Described
from neokernel.services.gateway.elements import size_of_element
from neokernel.services.gateway.job import Job
from neokernel.services.gateway.reply import write_answer, write_model
from neokernel.services.gateway.request import read_request

TAKEN: u64 = 0
NO_MANIFEST: u64 = 1
NO_REQUEST: u64 = 2


@value
class Seen:
    """`length` bytes of `into` are the tensors, of so many `examples`, each `size` bytes behind the one before; or the
    words that say what is wrong; of a manifest, `why` says it."""

    how: u64
    why: u64
    length: usize
    examples: usize = 0
    size: usize = 0


def ask(manifest: Span[u8], body: Span[u8], into: Span[u8], limit: usize) -> Seen:
    """`limit`: examples that a request may have, as far as the system file says it."""
    described = Described(limit=limit)
    refused = described.read(manifest)
    if refused is not None:
        assert described.size == 0 and described.inputs == 0
        return Seen(NO_MANIFEST, u64(refused.value), 0)
    assert described.is_of(manifest) and described.size != 0
    for number in range(described.inputs + described.outputs):
        tensor = described.tensors[number]
        assert tensor.place + usize(tensor.count * size_of_element(tensor.element)) <= described.size
        assert (tensor.place < described.results) == (number < described.inputs) or described.results == 0
    job = Job()
    copy(job.body[: len(body)], body.bytes())
    trouble = Text(data=job.message[:])
    if read_request(job, len(body), described, trouble):
        assert trouble.used == 0 and job.wanted != 0
        assert 1 <= job.examples <= described.most() and job.examples * described.size <= MOST_BYTES
        length = (job.examples - 1) * described.size + described.results
        copy(into[:length], job.tensors[:length].bytes())
        return Seen(TAKEN, u64(job.wanted), length, job.examples, described.size)
    assert trouble.used != 0 and not trouble.full
    copy(into[: trouble.used], trouble.written())
    return Seen(NO_REQUEST, 0, trouble.used)


def reasons() -> u64:
    """How many there are not to give work."""
    return u64(NoWork.BEGIN.value) + 1


def tell(manifest: Span[u8], results: Span[u8], name: bytes, into: Span[u8], examples: usize) -> usize:
    """The answer with these results, of one example after the other, and behind it the model's metadata: how long the
    answer is; 0: no manifest."""
    described = Described(limit=examples)
    if described.read(manifest) is not None:
        return 0
    job = Job(examples=examples)
    job.by.set(described.version())
    each = len(results) // examples
    for example in range(examples):
        first = example * described.size + described.results
        copy(job.tensors[first : first + each], results[example * each : example * each + each].bytes())
    job.wanted = (u16(1) << described.outputs) - 1
    page = Writer(into=job.body[:])
    write_answer(page, job, name, described)
    assert not page.full
    length = len(page.written())
    copy(into[:length], page.written())
    page = Writer(into=job.body[:])
    write_model(page, name, described)
    assert not page.full
    copy(into[length : length + len(page.written())], page.written())
    return length
