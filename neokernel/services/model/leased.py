"""A model that is leased: its pages, mapped into this process, and tried.

Pages lie one behind the other from ADDRESS on, each part behind a page that isn't mapped: what writes beyond the arena
faults. Each is mapped as the accelerator manager lets it be, and no other way.

Invariant: `kept` has the frames that are mapped; when the manager takes a lease back they are gone, and its slots
empty.
"""

from __future__ import annotations

from neokernel.abi.boot import OWN_SPACE
from neokernel.abi.kinds import PAGE_SIZE, Kind
from neokernel.abi.model import FLOAT32, FLOAT64, Dimension, Header, Port
from neokernel.abi.rights import EXECUTE, READ, WRITE
from neokernel.abi.status import FIRST, Status
from neokernel.interfaces.accelerator import MOST_PAGES, Accelerator, NoLease, Order
from neokernel.interfaces.inference import behind, port_of
from neokernel.lang import (
    Embedded,
    Span,
    Uses,
    f64,
    float_from_bits,
    size_of,
    span_at,
    struct,
    u8,
    u16,
    u32,
    u64,
    unsafe,
    uses,
    usize,
    wire,
    wire_view,
)
from neokernel.runtime.lend import Lent
from neokernel.runtime.process import Process
from neokernel.runtime.space import Kept, map_at, released
from neokernel.runtime.system import Failure

unsafe("what is leased is where this module maps it")

#: of what a program maps where it likes (docs/design/system.md)
ADDRESS = 0x20_0000_0000
#: how far the float of a result may be from the sample's, of a number larger than 1 in parts of it: kinds of machines
#: sum up in different orders
MOST_ERROR: f64 = f64(1e-3)


@wire
class Word:
    bits: u32


@wire
class LongWord:
    bits: u64


@struct
class Leased:
    """The addresses of its parts; of the sample that of its first byte, likewise of the head."""

    kept: Embedded[Kept] = Kept()
    end: u64 = 0
    head: u64 = 0
    code: u64 = 0
    constants: u64 = 0
    sample: u64 = 0
    arena: u64 = 0
    #: pages of the head
    head_pages: u64 = 0

    def map(self, process: Process, slot: u64, order: Order) -> Failure | None:
        """Map all that is leased by the manager in this slot. If it fails, the manager is to take it back."""
        if self.kept.table == 0:
            table = process.make(Kind.CAP_TABLE, MOST_PAGES)
            if isinstance(table, Failure):
                return table
            self.kept.table = table
        self.kept.next, self.end, self.head_pages = 0, ADDRESS, order.head
        self.head = self.end
        failure = self.part(process, slot, order.head, READ)
        self.code = self.end
        if failure is None:
            failure = self.part(process, slot, order.code, READ | EXECUTE)
        self.constants = self.end
        if failure is None:
            failure = self.part(process, slot, order.constants, READ)
        self.sample = self.end
        if failure is None:
            failure = self.part(process, slot, order.sample, READ)
        self.arena = self.end
        if failure is None:
            failure = self.part(process, slot, order.arena, READ | WRITE)
        return failure

    def part(self, process: Process, slot: u64, pages: u64, rights: u16) -> Failure | None:
        """The next pages."""
        accelerator: Uses[Accelerator] = uses(slot)
        if pages > MOST_PAGES - self.kept.next:
            return Failure(Status.OUT_OF_RANGE, FIRST)
        for _ in range(pages):
            frame = accelerator.page(self.kept.next)
            if isinstance(frame, NoLease):
                return Failure(Status.NO_CAPABILITY, FIRST)
            if isinstance(frame, Failure):
                return frame
            failure = map_at(process, OWN_SPACE, process.memory, self.end, rights, frame.slot)
            if failure is not None:
                return released(process, frame.slot, failure)
            failure = self.kept.keep(process, frame.slot)
            if failure is not None:
                return failure
            self.end += PAGE_SIZE
        self.end += PAGE_SIZE
        return None

    def manifest(self) -> Span[u8]:
        """Header, ports and dimensions, which the manager has looked at."""
        whole = span_at(u8, self.head, self.head_pages * PAGE_SIZE)
        header = wire_view(Header, whole)
        ports = usize(header.inputs) + usize(header.outputs)
        return whole[: size_of(Header) + ports * size_of(Port) + usize(header.dimensions) * size_of(Dimension)]

    def give(self, tensors: Lent) -> None:
        """Put the sample's inputs where those of a request are."""
        size = self.sample_place(usize(wire_view(Header, self.manifest()).inputs))
        tensors.write(0, span_at(u8, self.sample, size).bytes())

    def difference(self, tensors: Lent) -> u64 | None:
        """Where a result isn't what the sample says, as a byte of that; None: they all are."""
        manifest = self.manifest()
        header = wire_view(Header, manifest)
        inputs, outputs = usize(header.inputs), usize(header.outputs)
        for number in range(inputs, inputs + outputs):
            port = port_of(manifest, number)
            first, size = self.sample_place(number), usize(port.size)
            wanted = span_at(u8, self.sample + first, size)
            found = tensors.part(first, size).span()
            step: usize = 8 if port.element == FLOAT64 else (4 if port.element == FLOAT32 else 1)
            for place in range(size // step):
                if not is_near(wanted[place * step : place * step + step], found[place * step : place * step + step]):
                    return u64(first + place * step)
        return None

    def sample_place(self, number: usize) -> usize:
        """Where a tensor is in the sample: inputs come first, then results."""
        manifest = self.manifest()
        place: u64 = 0
        for each in range(number):
            place = behind(place, port_of(manifest, each).size)
        return usize(place)


def is_near(wanted: Span[u8], found: Span[u8]) -> bool:
    """Is it the same element, if it is a byte, and nearly, if it is a float?"""
    if len(wanted) == 1:
        return wanted[0] == found[0]
    if len(wanted) == 4:
        a, b = wire_view(Word, wanted).bits, wire_view(Word, found).bits
        return a == b or near(f64(float_from_bits(a)), f64(float_from_bits(b)))
    c, d = wire_view(LongWord, wanted).bits, wire_view(LongWord, found).bits
    return c == d or near(float_from_bits(c), float_from_bits(d))


def near(wanted: f64, found: f64) -> bool:
    if wanted != wanted or found != found:
        return wanted != wanted and found != found
    scale = wanted if wanted >= f64(0.0) else f64(0.0) - wanted
    if scale < f64(1.0):
        scale = f64(1.0)
    error = wanted - found if wanted >= found else found - wanted
    return error <= MOST_ERROR * scale
