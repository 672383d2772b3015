"""A process that is leased a model, and does what no model should: the version of what it is leased says which of it.

| version | what it does |
|---|---|
| lies | says that it is another version, and ends when it is asked |
| ports | serves, then begins as a model that takes something else, and ends |
| idle | is appointed, and takes no work |
| boast | says that it is ready, and has never begun |
| slots | asks whoever it can name by any number for its contract; fails with how many have one |
| kinds | asks of each capability of its own for every operation of the kernel's; fails with how many were denied |
| page | asks for a page that its lease hasn't; fails with how it was told |
| at-0x… | reads what is at that address, and says that it is ready |
| put-0x… | writes there |
"""

from __future__ import annotations

from neokernel.abi.call import NOW, Call, status_of
from neokernel.abi.model import Header
from neokernel.abi.status import Status
from neokernel.interfaces.accelerator import HEADER_SIZE, Accelerator, NoLease, Order, What, Why
from neokernel.interfaces.inference import MANIFEST, Inference, NoWork, port_of
from neokernel.lang import Span, Uses, slot_of, span_at, u8, u64, unreachable, unsafe, uses, usize, wire_view
from neokernel.runtime import system
from neokernel.runtime.interface import version_of
from neokernel.runtime.lend import Lent, region
from neokernel.runtime.must import must
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure
from neokernel.services.model.leased import Leased

unsafe("it tries to read and write what isn't its own")

gateway: Uses[Inference] = uses(lend=8 << 10)
accelerator: Uses[Accelerator] = uses()

#: what isn't for who has an endpoint to send to
CALLS: tuple[Call, ...] = (Call.RECEIVE, Call.WAIT, Call.SIGNAL)
#: more than a process's table has
SLOTS = 1_024


def manifest() -> Lent:
    return region(slot_of(gateway)).part(0, MANIFEST)


def tensors() -> Lent:
    whole = region(slot_of(gateway))
    return whole.part(MANIFEST, whole.length - MANIFEST)


def begin(data: Span[u8]) -> NoWork | None:
    part = manifest().part(0, len(data))
    part.write(0, data.bytes())
    refused = gateway.begin(part, tensors())
    assert not isinstance(refused, Failure)
    return refused


def ready(header: Span[u8]) -> bool:
    said = accelerator.ready(header.bytes())
    return not isinstance(said, Failure) and said


def serve(rounds: u64) -> None:
    """Give whatever lies there as results, so often."""
    done: u64 = 0
    for _ in range(rounds):
        batch = gateway.next(done)
        if isinstance(batch, NoWork | Failure):
            return
        done = batch.number


def number_of(text: bytes) -> u64:
    """In hexadecimal."""
    found: u64 = 0
    for byte in text:
        found = found << 4 | (u64(byte) - 0x30 if byte < 0x40 else u64(byte) - 0x61 + 10)
    return found


def operations() -> u64:
    """How many were denied of what the gateway's and the manager's endpoints have none of."""
    denied: u64 = 0
    for number in range(2):
        slot = slot_of(gateway) if number == 0 else slot_of(accelerator)
        for call in range(3):
            status = status_of(system.enter(CALLS[call], slot, 0, NOW).word)
            if u64(Status.WRONG_KIND.value) <= status <= u64(Status.MISSING_RIGHT.value):
                denied += 1
    return denied


def turn(data: Span[u8]) -> None:
    """What it was told to."""
    header = wire_view(Header, data)
    name = header.model_version[:]
    length: usize = 0
    while length < len(name) and name[length] != 0:
        length += 1
    mood = name[:length].bytes()
    if mood == b"lies":
        if begin(data) is None:
            lie = manifest().part(0, len(data)).span()
            wire_view(Header, lie).model_version[0] = 0x4C
            if ready(lie[:HEADER_SIZE]):
                serve(1)
                unreachable("it was told to")
    elif mood == b"ports":
        if begin(data) is None and ready(data[:HEADER_SIZE]):
            serve(2)
            other = manifest().part(0, len(data)).span()
            port_of(other, 0).name[0] = 0x3F
            assert begin(other) is not None, "who was before couldn't come back"
            unreachable("it was told to")
    elif mood == b"idle":
        if begin(data) is None and ready(data[:HEADER_SIZE]):
            sleep()
    elif mood == b"boast":
        if ready(data[:HEADER_SIZE]):
            sleep()
    elif mood == b"slots":
        count: u64 = 0
        for slot in range(u64(1), u64(SLOTS)):
            if not isinstance(version_of(slot), Failure):
                count += 1
        must(accelerator.failed(Why.SAMPLE, count))
    elif mood == b"kinds":
        must(accelerator.failed(Why.SAMPLE, operations()))
    elif mood == b"page":
        found = accelerator.page(1_000)
        must(accelerator.failed(Why.SAMPLE, 7 if found is NoLease.PAGE else 8))
    elif mood[:5] == b"at-0x":
        manifest().span()[0] = span_at(u8, number_of(mood[5:]), 1)[0]
        if begin(data) is None:
            _ = ready(data[:HEADER_SIZE])
    elif mood[:6] == b"put-0x":
        span_at(u8, number_of(mood[6:]), 1)[0] = 0
        if begin(data) is None:
            _ = ready(data[:HEADER_SIZE])


def sleep() -> None:
    end = system.now() + (1 << 40)
    while system.now() < end:
        pass


def main(process: Process) -> None:
    leased = Leased()
    fresh = True
    while True:
        order = accelerator.ask(fresh)
        if isinstance(order, NoLease | Failure):
            fresh = isinstance(order, Failure)
            continue
        fresh = False
        if order.what is What.LEASED:
            try_it(process, leased, order)


def try_it(process: Process, leased: Leased, order: Order) -> None:
    must(leased.map(process, slot_of(accelerator), order))
    turn(leased.manifest())
