"""The first stage on the host, just-in-time compiled; images of any parts, and keys."""

from __future__ import annotations

import functools
import hashlib
import struct
from dataclasses import dataclass, field, replace

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from neokernel.compiler import jit
from neokernel.compiler.pipeline import State, run_front_end
from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.image.signed import Named, enrolment
from neokernel.stage.refusal import Refusal

DRIVER = "tests.stage.driver"

KEY, OTHER = (Ed25519PrivateKey.from_private_bytes(bytes([number]) * 32) for number in (1, 2))
#: both are enrolled, the key second
BLOB = enrolment([Named("first", bytes(32)), Named("key", KEY.public_key().public_bytes_raw())])

LOAD, LOAD_END = 0x8020_0000, 0x81E0_0000
ARCHIVE = 0x8040_0000


@functools.cache
def library() -> jit.Library:
    state = run_front_end(State(PACKAGE_ROOT, [DRIVER]))
    assert state.program is not None, state.diagnostics.sorted()
    return jit.Library(state.program, (f"{DRIVER}.look", f"{DRIVER}.find"), keep=True)


@dataclass(frozen=True)
class Placed:
    """A part, as the first stage has understood it."""

    offset: int
    size: int
    address: int
    memory_size: int


@dataclass(frozen=True)
class Verified:
    kernel: Placed
    archive: Placed
    entry: int
    key: int


def look(loaded: bytes, blob: bytes = BLOB) -> Verified | Refusal:
    """The first stage's verdict. A check that fails in it raises `jit.CheckError`."""
    memory = bytearray(loaded)
    arm, found = library().call(f"{DRIVER}.look", blob, (memory, len(memory)) if memory else b"")
    if arm == 1:
        return Refusal(found)
    kernel, archive, entry, key = found
    return Verified(Placed(*kernel[0], *kernel[1]), Placed(*archive[0], *archive[1]), entry, key)


def find(tree: bytes) -> tuple[int, int] | Refusal:
    """Where an image lies, and how long it is, by a device tree."""
    arm, found = library().call(f"{DRIVER}.find", tree)
    if arm == 1:
        return Refusal(found)
    start, size = found
    return start, size


# --- images -----------------------------------------------------------------------------------------------------------

#: the layout once more, by hand: magic, version, machine, board, size, rollback; the hash; both parts, entry, unused
FRONT, BACK = struct.Struct("<8sII16sQQ"), struct.Struct("<4Q4QQ72s")
HEADER = FRONT.size + 64 + BACK.size


@dataclass(frozen=True)
class Image:
    """A boot image's fields. What is None is what it should be."""

    contents: bytes = b"kernel..archive."
    magic: bytes = b"nkimage\0"
    version: int = 1
    machine: int = 243
    board: bytes = b"virt"
    size: int | None = None
    rollback: int = 0
    digest: bytes | None = None
    kernel: tuple[int, int, int, int] = (LOAD, HEADER, 8, 4096)
    archive: tuple[int, int, int, int] = (ARCHIVE, HEADER + 8, 8, 8)
    entry: int = LOAD
    unused: bytes = field(default=b"")

    def but(self, **changes: object) -> Image:
        return replace(self, **changes)  # type: ignore[arg-type]

    def header(self) -> bytes:
        size = HEADER + len(self.contents) if self.size is None else self.size
        digest = hashlib.sha512(self.contents).digest() if self.digest is None else self.digest
        front = FRONT.pack(self.magic, self.version, self.machine, self.board, size, self.rollback)
        return front + digest + BACK.pack(*self.kernel, *self.archive, self.entry, self.unused)

    def data(self) -> bytes:
        return self.header() + self.contents


def signature(header: bytes, key: Ed25519PrivateKey = KEY) -> bytes:
    return b"nksign1\0" + key.public_key().public_bytes_raw() + key.sign(header)


def signed(image: Image, key: Ed25519PrivateKey = KEY) -> bytes:
    """The image as it is loaded."""
    return image.data() + signature(image.header(), key)
