"""What a model takes and gives, as its process has said.

Invariant: whatever bytes a manifest has, what was read of it is so: each tensor's bytes lie within `size`, inputs
first, results from `results` on, and its sizes make as many elements as it has. `most()` examples have room in
MOST_BYTES, each `size` bytes behind the one before.
"""

from __future__ import annotations

from neokernel.abi.model import MAGIC, MOST_DIMENSIONS, NAME_SIZE, PORT_NAME_SIZE, VERSION, Dimension, Header, Port
from neokernel.interfaces.inference import MOST_BYTES, MOST_MANIFEST, MOST_SIZES, MOST_TENSORS, NoWork, behind, port_of
from neokernel.lang import Array, Embedded, Span, array, copy, size_of, struct, u8, u32, u64, usize, wire_view
from neokernel.runtime.utf8 import is_utf8
from neokernel.services.gateway.elements import Element, element_of, size_of_element


@struct
class Tensor:
    """An input or a result. `place`: where its bytes begin."""

    element: Element = Element.BOOL
    rank: usize = 0
    sizes: Array[u64] = array(MOST_DIMENSIONS)
    count: u64 = 0
    place: usize = 0
    name_length: usize = 0
    named: Array[u8] = array(PORT_NAME_SIZE)

    def name(self) -> bytes:
        return self.named[: self.name_length].bytes()


@struct
class Described:
    """Nothing, as long as `size` is 0."""

    #: another number for each manifest that was taken or forgotten
    edition: u64 = 0
    inputs: usize = 0
    outputs: usize = 0
    #: examples that the system file lets a request have; and whether the first dimension of all tensors is 1, and so
    #: can be theirs
    limit: usize = 1
    batched: bool = False
    #: bytes of all tensors of an example, and where the results begin
    size: usize = 0
    results: usize = 0
    tensors: Array[Embedded[Tensor]] = array(2 * MOST_TENSORS)
    version_length: usize = 0
    versioned: Array[u8] = array(NAME_SIZE)
    #: the manifest itself
    length: usize = 0
    manifest: Array[u8] = array(MOST_MANIFEST)

    def version(self) -> bytes:
        return self.versioned[: self.version_length].bytes()

    def is_of(self, manifest: Span[u8]) -> bool:
        return self.size != 0 and self.manifest[: self.length].bytes() == manifest.bytes()

    def is_like(self, manifest: Span[u8]) -> bool:
        """Does a model of this manifest take and give the same? Ports and their dimensions stand behind the header."""
        first: usize = size_of(Header)
        if self.size == 0 or len(manifest) != self.length:
            return False
        header = wire_view(Header, manifest)
        if header.magic != MAGIC or header.version != VERSION or header.inputs != u32(self.inputs):
            return False
        named: Array[u8] = array(NAME_SIZE)
        if length_of(header.model_version[:], named[:]) == 0:
            return False
        return self.manifest[first : self.length].bytes() == manifest[first:].bytes()

    def rename(self, header: Span[u8]) -> None:
        """Be of another manifest with this header, which `is_like` this one. It takes and gives the same, so the
        edition stays."""
        copy(self.manifest[: size_of(Header)], header.bytes())
        self.version_length = length_of(wire_view(Header, header).model_version[:], self.versioned[:])

    def most(self) -> usize:
        """Examples that a request may have. Requires: it was read."""
        return min(max(self.limit, 1), MOST_BYTES // self.size) if self.batched else usize(1)

    def input(self, number: usize) -> Tensor:
        return self.tensors[number]

    def output(self, number: usize) -> Tensor:
        return self.tensors[self.inputs + number]

    def forget(self) -> None:
        self.edition += 1
        self.inputs, self.outputs, self.size, self.results, self.length = 0, 0, 0, 0, 0

    def read(self, manifest: Span[u8]) -> NoWork | None:
        """Take a manifest, of MOST_MANIFEST bytes at most. If it is refused, there is none."""
        self.forget()
        refused = self.taken(manifest)
        if refused is not None:
            self.forget()
        return refused

    def taken(self, manifest: Span[u8]) -> NoWork | None:
        if not size_of(Header) <= len(manifest) <= MOST_MANIFEST:
            return NoWork.MANIFEST
        copy(self.manifest[: len(manifest)], manifest.bytes())
        self.length = len(manifest)
        header = wire_view(Header, manifest)
        if header.magic != MAGIC or header.version != VERSION:
            return NoWork.MANIFEST
        if header.inputs > MOST_TENSORS or header.outputs > MOST_TENSORS or header.dimensions > MOST_SIZES:
            return NoWork.TENSORS
        self.inputs, self.outputs = usize(header.inputs), usize(header.outputs)
        ports = self.inputs + self.outputs
        sizes = size_of(Header) + ports * size_of(Port)
        if len(manifest) != sizes + usize(header.dimensions) * size_of(Dimension) or self.outputs == 0:
            return NoWork.MANIFEST
        self.version_length = length_of(header.model_version[:], self.versioned[:])
        if self.version_length == 0:
            return NoWork.MANIFEST
        place: u64 = 0
        self.batched = self.inputs != 0
        for number in range(ports):
            port = port_of(manifest, number)
            tensor = self.tensors[number]
            if number == self.inputs:
                self.results = usize(place)
            first_size, all_sizes = port.first_dimension, u64(header.dimensions)
            if port.rank > MOST_DIMENSIONS or first_size > all_sizes or u64(port.rank) > all_sizes - first_size:
                return NoWork.MANIFEST
            first = sizes + usize(first_size) * size_of(Dimension)
            refused = read_tensor(tensor, port, manifest[first:])
            if refused is not None:
                return refused
            self.batched = self.batched and tensor.rank != 0 and tensor.sizes[0] == 1
            tensor.place = usize(place)
            place = behind(place, port.size)
            if place > MOST_BYTES:
                return NoWork.SIZE
        self.size = usize(place)
        return None


def read_tensor(tensor: Tensor, port: Port, dimensions: Span[u8]) -> NoWork | None:
    """One of them; its dimensions stand first in `dimensions`."""
    element = element_of(port.element)
    tensor.name_length = length_of(port.name[:], tensor.named[:])
    if element is None or tensor.name_length == 0:
        return NoWork.MANIFEST
    tensor.element, tensor.rank, tensor.count = element, usize(port.rank), 1
    for axis in range(tensor.rank):
        size = wire_view(Dimension, dimensions[axis * size_of(Dimension) :]).size
        if not 1 <= size <= MOST_BYTES:
            return NoWork.SIZE if size != 0 else NoWork.MANIFEST
        tensor.sizes[axis] = size
        tensor.count *= size
        if tensor.count > MOST_BYTES:
            return NoWork.SIZE
    return None if tensor.count * size_of_element(element) == port.size else NoWork.MANIFEST


def length_of(text: Span[u8], into: Span[u8]) -> usize:
    """How long a name is that is filled up with zeroes, copied into `into`; 0: it is none that can be shown."""
    length: usize = 0
    while length < len(text) and text[length] != 0:
        length += 1
    copy(into[:length], text[:length].bytes())
    plain = is_utf8(into[:length].bytes())
    for byte in into[:length]:
        plain = plain and byte >= 0x20 and byte != 0x7F
    return length if plain else 0
