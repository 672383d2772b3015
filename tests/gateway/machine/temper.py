"""A process that serves a model as no model would: what its one input says decides how it goes wrong.

| input | what it does |
|---|---|
| 0 | gives 7, and how many lives it has had |
| 1 | ends by a failed check |
| 2 | computes for six seconds |
| 3 | gives what isn't a number |
| 4 | says that other work is done |
| 5 | begins anew, in the middle |
| 6 | says that it is another model, with larger results |
| 7 | asks for more without an answer, from a table of nonsense |
| 8 | sends that it wants more, many times, and waits for no answer |
"""

from __future__ import annotations

from neokernel.abi.call import message
from neokernel.abi.model import FLOAT32, MAGIC, VERSION, Dimension, Header, Port
from neokernel.interfaces.inference import MANIFEST, Inference, NoWork
from neokernel.lang import (
    Array,
    Span,
    Uses,
    array,
    size_of,
    slot_of,
    u8,
    u32,
    u64,
    unreachable,
    uses,
    usize,
    wire,
    wire_view,
)
from neokernel.runtime import system
from neokernel.runtime.interface import version_of
from neokernel.runtime.lend import Lent, region
from neokernel.runtime.must import must
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure

gateway: Uses[Inference] = uses(lend=32 << 10)

#: bytes of a manifest: a header, two ports, two dimensions
SIZE: usize = size_of(Header) + 2 * size_of(Port) + 2 * size_of(Dimension)
LIVES_AT = MANIFEST - 8
NAN: u32 = 0x7FC0_0000
SEVEN: u32 = 0x40E0_0000


@wire
class Word:
    value: u64


@wire
class Two:
    first: u32
    second: u32


def name(field: Span[u8], text: bytes) -> None:
    for place in range(len(field)):
        field[place] = text[place] if place < len(text) else 0


def describe(manifest: Lent, results: u64) -> None:
    """An input of one number, and so many results."""
    nothing: Array[u8] = array(SIZE)
    manifest.write(0, nothing[:].bytes())
    header = wire_view(Header, manifest.span())
    header.magic, header.version, header.size = MAGIC, VERSION, SIZE
    header.inputs, header.outputs, header.dimensions = 1, 1, 2
    name(header.name[:], b"temper")
    name(header.model_version[:], b"2.5")
    for number in range(usize(2)):
        port = wire_view(Port, manifest.span()[size_of(Header) + number * size_of(Port) :])
        name(port.name[:], b"mood" if number == 0 else b"answer")
        port.element, port.rank, port.first_dimension = FLOAT32, 1, u64(number)
        size = u64(1) if number == 0 else results
        port.size = size * 4
        place = size_of(Header) + 2 * size_of(Port) + number * size_of(Dimension)
        wire_view(Dimension, manifest.span()[place:]).size = size


def begin(manifest: Lent, tensors: Lent, results: u64) -> None:
    describe(manifest, results)
    refused = gateway.begin(manifest, tensors)
    assert not isinstance(refused, NoWork), "it is a manifest"
    must(refused)


def main(process: Process) -> None:
    whole = region(slot_of(gateway))
    manifest, tensors = whole.part(0, SIZE), whole.part(MANIFEST, whole.length - MANIFEST)
    lives = wire_view(Word, whole.part(LIVES_AT, 8).span())
    lives.value = lives.value + 1
    begin(manifest, tensors, 2)
    done: u64 = 0
    while True:
        batch = gateway.next(done)
        if isinstance(batch, NoWork | Failure):
            begin(manifest, tensors, 2)
            done = 0
            continue
        number = batch.number
        mood = u32(wire_view(Two, tensors.span()).first)
        results = wire_view(Two, tensors.part(64, 8).span())
        results.first, results.second = SEVEN, float_of(lives.value)
        done = number
        match mood >> 20:
            case 0x000:
                pass
            case 0x3F8:
                unreachable("it was told to")
            case 0x400:
                end = system.now() + 6 * process.frequency
                while system.now() < end:
                    pass
            case 0x404:
                results.first = NAN
            case 0x408:
                done = number + 1
            case 0x40A:
                begin(manifest, tensors, 2)
                done = 0
            case 0x40C:
                begin(manifest, tensors, 2000)
                done = number
            case 0x410:
                flood()
            case _:
                nonsense(manifest, tensors)


def flood() -> None:
    """More than calls that the gateway works on at a time."""
    version = version_of(slot_of(gateway))
    assert not isinstance(version, Failure)
    for _ in range(u32(40)):
        # Its second method, and no work that is done: as `next(0)` would say it.
        must(system.send(slot_of(gateway), message(version >> 40 << 8 | 2, 1), 0))


def nonsense(manifest: Lent, tensors: Lent) -> None:
    """All of it is refused; in between, it is a model again."""
    describe(manifest, 2)
    header = wire_view(Header, manifest.span())
    for number in range(u32(10)):
        describe(manifest, 2)
        match number:
            case 0:
                header.magic = 0
            case 1:
                header.inputs = 9
            case 2:
                header.dimensions = 1_000_000
            case 3:
                header.outputs = 0
            case 4:
                wire_view(Port, manifest.span()[size_of(Header) :]).rank = 9
            case 5:
                wire_view(Port, manifest.span()[size_of(Header) :]).first_dimension = ~u64(0)
            case 6:
                wire_view(Port, manifest.span()[size_of(Header) :]).size = 1 << 63
            case 7:
                wire_view(Port, manifest.span()[size_of(Header) :]).element = 8
            case 8:
                wire_view(Dimension, manifest.span()[size_of(Header) + 2 * size_of(Port) :]).size = 1 << 62
            case _:
                header.model_version[0] = 0xFF
        assert isinstance(gateway.begin(manifest, tensors), NoWork)
        assert gateway.next(~u64(0)) is NoWork.BEGIN
    describe(manifest, 2)
    assert isinstance(gateway.begin(manifest, tensors.part(0, 64)), NoWork)
    assert isinstance(gateway.begin(manifest.part(0, 100), tensors), NoWork)
    assert isinstance(gateway.begin(tensors, tensors), NoWork)
    begin(manifest, tensors, 2)


def float_of(number: u64) -> u32:
    """A small number's float32, in bits."""
    exponent: u32 = 127
    rest = u32(number)
    if rest == 0:
        return 0
    place: u32 = 0
    while rest >> (place + 1) != 0:
        place += 1
    return (exponent + place) << 23 | (rest << 23 - place) & 0x7F_FFFF
