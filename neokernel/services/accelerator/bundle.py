"""Is this a bundle that may be leased here? Functions of its bytes.

First what can be said without trust, so that the reason fits; then the signature, which is the header's, and the
contents, whose hash the header has. What the header says of its parts isn't believed even so: a key can sign nonsense.

Invariants: no byte outside `data` is read; the parts of a `Loadable` lie within the bundle, on pages of their own.
"""

from __future__ import annotations

from neokernel.abi.kinds import PAGE_SIZE
from neokernel.abi.model import (
    HASH_SIZE,
    MAGIC,
    MOST_CODES,
    SAMPLE_ALIGNMENT,
    VECTORS,
    VERSION,
    Code,
    Dimension,
    Header,
    Port,
)
from neokernel.crypto.ed25519 import Verdict, verify
from neokernel.crypto.sha512 import sha512
from neokernel.interfaces.accelerator import MOST_STACK
from neokernel.interfaces.inference import (
    ALIGNMENT,
    MOST_BYTES,
    MOST_MANIFEST,
    MOST_SIZES,
    MOST_TENSORS,
    behind,
    port_of,
)
from neokernel.interfaces.models import Backend, NoPush
from neokernel.lang import Array, Span, array, offset_of, size_of, struct, u8, u64, usize, value, wire_view
from neokernel.stage.format import PUBLIC_SIZE, SIGNATURE_MAGIC, SIGNATURE_SIZE, Signature

#: keys that bundles may be signed with
MOST_KEYS = 32

CONTENTS = offset_of(Header, "contents")
KEY = offset_of(Signature, "key")
SIGNED = offset_of(Signature, "signature")

assert SAMPLE_ALIGNMENT == ALIGNMENT, "a sample lies as a request's tensors do"


@struct
class Trusted:
    """Whose signatures are taken."""

    count: usize = 0
    keys: Array[u8] = array(MOST_KEYS * PUBLIC_SIZE)

    def key(self, index: usize) -> bytes:
        return self.keys[index * PUBLIC_SIZE : (index + 1) * PUBLIC_SIZE].bytes()

    def has(self, key: bytes) -> bool:
        found = False
        for index in range(min(self.count, MOST_KEYS)):
            found = found or self.key(index) == key
        return found


@value
class Processor:
    """What a process can be leased beside memory: machines' features that its code may use, numbers of `Code.features`;
    and bytes of a vector register."""

    features: u64
    vector_bytes: u64


@value
class Loadable:
    """A bundle's parts, for one backend: where they begin in it, and how many pages they have. The head begins at 0."""

    head: u64
    code: u64
    code_pages: u64
    constants: u64
    constants_pages: u64
    sample: u64
    sample_pages: u64
    arena_pages: u64
    #: what the code needs: of `Code.features`
    features: u64

    def pages(self) -> u64:
        return self.head + self.code_pages + self.constants_pages + self.sample_pages + self.arena_pages


def pages_of(size: u64) -> u64:
    return (size + (PAGE_SIZE - 1)) // PAGE_SIZE


def verify_bundle(data: Span[u8], trusted: Trusted) -> NoPush | None:
    """Is `data` a bundle with its signature behind it, made by a key that is trusted?"""
    if len(data) < size_of(Header):
        return NoPush.BUNDLE
    header = wire_view(Header, data)
    if header.magic != MAGIC or header.version != VERSION:
        return NoPush.BUNDLE
    if header.size == u64(len(data)):
        return NoPush.UNSIGNED
    if len(data) < size_of(Header) + SIGNATURE_SIZE or header.size != u64(len(data) - SIGNATURE_SIZE):
        return NoPush.BUNDLE
    size = len(data) - SIGNATURE_SIZE
    if wire_view(Signature, data[size:]).magic != SIGNATURE_MAGIC:
        return NoPush.UNSIGNED
    whole = data.bytes()
    if trusted.count == 0:
        return NoPush.KEYS
    key = whole[size + KEY : size + KEY + PUBLIC_SIZE]
    if not trusted.has(key):
        return NoPush.KEY
    if verify(key, whole[: size_of(Header)], whole[size + SIGNED :]) is not Verdict.VALID:
        return NoPush.SIGNATURE
    digest: Array[u8] = array(HASH_SIZE)
    sha512(digest, whole[size_of(Header) : size])
    if digest.bytes() != whole[CONTENTS : CONTENTS + HASH_SIZE]:
        return NoPush.DAMAGED
    return None


def loadable(data: Span[u8], processor: Processor) -> Loadable | NoPush:
    """What of a bundle that was verified a process is leased. `data`: without its signature."""
    header = wire_view(Header, data)
    inputs, outputs, codes = header.inputs, header.outputs, header.codes
    if inputs > MOST_TENSORS or not 1 <= outputs <= MOST_TENSORS or header.dimensions > MOST_SIZES:
        return NoPush.TENSORS
    if not 1 <= codes <= MOST_CODES:
        return NoPush.BUNDLE
    ports = usize(inputs) + usize(outputs)
    sizes = size_of(Header) + ports * size_of(Port)
    manifest = sizes + usize(header.dimensions) * size_of(Dimension)
    size = u64(len(data))
    if manifest + usize(codes) * size_of(Code) > len(data) or manifest > MOST_MANIFEST:
        return NoPush.BUNDLE
    tensors: u64 = 0
    for number in range(ports):
        tensor = port_of(data, number).size
        if tensor > MOST_BYTES:
            return NoPush.TENSORS
        tensors = behind(tensors, tensor)
    if tensors > MOST_BYTES:
        return NoPush.TENSORS
    if header.sample_size != tensors:
        return NoPush.SAMPLE
    chosen: usize = MOST_CODES
    for number in range(usize(codes)):
        features = wire_view(Code, data[manifest + number * size_of(Code) :]).features
        if features & ~processor.features == 0:
            chosen = number
    if chosen == MOST_CODES:
        return NoPush.MACHINE
    code = wire_view(Code, data[manifest + chosen * size_of(Code) :])
    stack, vectors, arena = code.stack, code.stack_vectors, code.arena_size
    if stack > MOST_STACK or vectors > MOST_STACK or stack + vectors * processor.vector_bytes > MOST_STACK:
        return NoPush.QUOTA
    if arena > 1 << 40:
        return NoPush.QUOTA
    text, text_pages = code.code, pages_within(code.code, code.code_size, size)
    data_at, data_pages = code.constants, pages_within(code.constants, code.constants_size, size)
    sample, sample_pages = header.sample, pages_within(header.sample, tensors, size)
    head = pages_of(u64(manifest))
    if text_pages is None or text_pages == 0 or data_pages is None or sample_pages is None or head * PAGE_SIZE > size:
        return NoPush.BUNDLE
    arena_pages = max(pages_of(arena), 1)
    return Loadable(head, text, text_pages, data_at, data_pages, sample, sample_pages, arena_pages, code.features)


def is_called(header: Span[u8], name: bytes) -> bool:
    """Is that the name of the model in the bundle with this header?"""
    called = wire_view(Header, header).name[:]
    return len(name) <= len(called) and called[: len(name)].bytes() == name and is_clear(called[len(name) :])


def is_clear(data: Span[u8]) -> bool:
    clear = True
    for byte in data:
        clear = clear and byte == 0
    return clear


def serial_of(header: Span[u8]) -> u64:
    return wire_view(Header, header).serial


def pages_within(place: u64, size: u64, whole: u64) -> u64 | None:
    """How many pages a part of a bundle has that begins there; None if it isn't within the bundle, or on its pages."""
    if place % PAGE_SIZE != 0 or place > whole or size > whole:
        return None
    pages = pages_of(size)
    return pages if pages * PAGE_SIZE <= whole - place else None


def processor_of(vector_bytes: u64, most: Backend) -> Processor:
    """What a machine whose vector registers have so many bytes has of this backend, and of lesser ones."""
    return Processor(VECTORS if vector_bytes >= 16 and most is Backend.VECTOR else u64(0), vector_bytes)
