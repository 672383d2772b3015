"""Inference: a process that has a model asks for work, and says when it is done.

    gateway: Uses[Inference] = uses(lend=…)
    lent = region(slot_of(gateway))
    refused = gateway.begin(lent.part(0, size), lent.part(MANIFEST, rest))  # what the model is, where its tensors are
    batch = gateway.next(0)                                         # waits until there is work: inputs are in place
    …
    batch = gateway.next(batch.number)                              # the results are in place; the next one

A manifest is a bundle's header, its ports and their dimensions (`abi/model.py`); the other parts of a bundle are the
process's own affair. Tensors lie in the part that `begin` names, one behind the other: inputs, then results, in the
order of the manifest, each at the next multiple of ALIGNMENT. Work is examples, of one request: each has its tensors
behind those of the one before, as far as they reach together (`Batch`).

Work that was given out is whoever's it is until its next call. A process that has ended and begins anew calls `begin`,
and what it had been given is lost.
"""

from __future__ import annotations

from enum import Enum
from typing import Protocol

from neokernel.abi.model import Dimension, Header, Port
from neokernel.lang import Span, interface, size_of, u8, u64, usize, value, wire_view
from neokernel.runtime.lend import Lent
from neokernel.runtime.system import Failure

#: inputs of a model, and as many results
MOST_TENSORS = 8
#: dimensions of all of them together
MOST_SIZES = 64
#: bytes of a manifest
MOST_MANIFEST = 4_096
#: bytes of all tensors together, of all examples of a request, each with what lies behind it up to ALIGNMENT
MOST_BYTES = 16_384
ALIGNMENT = 64
#: bytes of the region before the tensors, for the manifest
MANIFEST = 4_096

MOST_DESCRIBED: usize = size_of(Header) + 2 * MOST_TENSORS * size_of(Port) + MOST_SIZES * size_of(Dimension)

assert MOST_DESCRIBED <= MOST_MANIFEST <= MANIFEST


class NoWork(Enum):
    """Why a process isn't given work."""

    #: its manifest is none, or its header says something else than its ports do
    MANIFEST = 0
    #: more tensors or dimensions than can be
    TENSORS = 1
    #: the tensors take more bytes than can be, or than it lends
    SIZE = 2
    #: the name that it answers for has none in the system file
    NAME = 3
    #: as many processes as there is room for serve already
    FULL = 4
    #: another process serves this name, with a model that takes or gives something else
    OTHER = 5
    #: nobody knows of this life of the process: begin
    BEGIN = 6
    #: another process was appointed to serve this name
    RETIRED = 7


@value
class Batch:
    """Work. `number`: never 0; `examples`: how many there are, 1 at least."""

    number: u64
    examples: u64


@interface
class Inference(Protocol):
    def begin(self, manifest: Lent, tensors: Lent) -> NoWork | Failure | None:
        """A life of the process begins: what it had been given before is lost."""
        ...

    def next(self, done: u64) -> Batch | NoWork | Failure:
        """The next work. `done`: the number of what has its results in place, or 0."""
        ...


def port_of(manifest: Span[u8], number: usize) -> Port:
    """An input or a result: inputs come first. Requires: `manifest` has it."""
    return wire_view(Port, manifest[size_of(Header) + number * size_of(Port) :])


def behind(place: u64, size: u64) -> u64:
    """Where the next tensor is."""
    return (place + size + (ALIGNMENT - 1)) // ALIGNMENT * ALIGNMENT
