"""Boot images, their signatures, and enrolment blobs, as the first stage reads them (`stage/format.py`).

Invariants: the same ELF gives the same image; what `boot_image` has made, signed by an enrolled key, the first stage
takes. Bytes that aren't what they should be raise `BadBootImage`.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from elftools.elf.elffile import ELFFile

from neokernel.image.elf import reading, symbols_of
from neokernel.lang.wire import wire_over
from neokernel.stage.format import (
    BOARD,
    ENROLMENT_HEADER_SIZE,
    ENROLMENT_MAGIC,
    ENROLMENT_VERSION,
    HEADER_SIZE,
    IMAGE_MAGIC,
    IMAGE_VERSION,
    KEY_SIZE,
    MOST_KEYS,
    NAME_SIZE,
    PUBLIC_SIZE,
    RISCV,
    SIGNATURE_MAGIC,
    SIGNATURE_SIZE,
    EnrolmentHeader,
    ImageHeader,
    Key,
    Part,
    Signature,
)

#: parts of an image begin at multiples of it
ALIGNMENT = 64
#: the ELF's segment of the archive lies at this symbol
ARCHIVE, KERNEL_END = "nk_archive_start", "nk_image_end"


class BadBootImage(Exception):
    """The bytes are no boot image or no signature of one, or can't be made one."""


@dataclass(frozen=True, slots=True)
class Named:
    """A public key by its name."""

    name: str
    public: bytes


# --- images -----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Loaded:
    """Bytes that belong at a physical address, where they are followed by zeroes up to `memory_size`."""

    address: int
    data: bytes
    memory_size: int


def boot_image(elf: Path, rollback: int = 0) -> bytes:
    """The image of a kernel with its archive, linked by `boards/kernel.ld`. `rollback`: its rollback index."""
    kernel, archive, entry = parts_of(elf)
    memory = bytearray(HEADER_SIZE)
    header = wire_over(ImageHeader, memory)
    header.magic, header.version, header.machine = IMAGE_MAGIC, IMAGE_VERSION, RISCV
    for index, byte in enumerate(BOARD):
        header.board[index] = byte
    for part, loaded in ((header.kernel, kernel), (header.archive, archive)):
        write_part(part, loaded, len(memory))
        memory_size = -(-len(loaded.data) // ALIGNMENT) * ALIGNMENT
        memory += loaded.data.ljust(memory_size, b"\0")
        header = wire_over(ImageHeader, memory)
    header.entry, header.size, header.rollback = entry, len(memory), rollback
    for index, byte in enumerate(hashlib.sha512(memory[HEADER_SIZE:]).digest()):
        header.contents[index] = byte
    return bytes(memory)


def write_part(part: Part, loaded: Loaded, offset: int) -> None:
    part.address, part.offset, part.size = loaded.address, offset, len(loaded.data)
    part.memory_size = loaded.memory_size


def parts_of(path: Path) -> tuple[Loaded, Loaded, int]:
    """The kernel, the archive, and where the kernel is entered; as an ELF file has them."""
    with reading(f"{path} can't be read as an ELF file"):
        elf = ELFFile(io.BytesIO(path.read_bytes()))
        symbols: dict[str, int] = {}
        for name, address, _, _ in symbols_of(elf):
            if name in (ARCHIVE, KERNEL_END):
                symbols.setdefault(name, address)
        segments = [
            (int(part["p_vaddr"]), int(part["p_paddr"]), part.data())
            for part in elf.iter_segments("PT_LOAD")
            if part["p_memsz"]
        ]
        entry = int(elf["e_entry"])
    kernel = [(address, data) for virtual, address, data in segments if virtual != symbols.get(ARCHIVE)]
    if symbols.keys() != {ARCHIVE, KERNEL_END} or not kernel:
        raise BadBootImage(f"{path} has no kernel in it")
    offset = segments[0][0] - segments[0][1]
    start = min(address for address, _ in kernel)
    memory = bytearray(max(address + len(data) for address, data in kernel) - start)
    for address, data in kernel:
        memory[address - start : address - start + len(data)] = data
    files = b"".join(data for virtual, _, data in segments if virtual == symbols[ARCHIVE])
    return (
        Loaded(start, bytes(memory), symbols[KERNEL_END] - offset - start),
        Loaded(symbols[ARCHIVE] - offset, files, len(files)),
        entry,
    )


def header_of(image: bytes) -> ImageHeader:
    """An image's header, if it is one of this version and as long as it says."""
    if len(image) < HEADER_SIZE:
        raise BadBootImage(f"it has {len(image)} bytes, and an image's header alone {HEADER_SIZE}")
    header: ImageHeader = wire_over(ImageHeader, bytearray(image[:HEADER_SIZE]))
    if header.magic != IMAGE_MAGIC:
        raise BadBootImage("it doesn't begin like an image")
    if header.version != IMAGE_VERSION:
        raise BadBootImage(f"it is of version {int(header.version)}, and this is for version {IMAGE_VERSION}")
    if header.size != len(image):
        raise BadBootImage(f"it has {len(image)} bytes, and says that it has {int(header.size)}")
    if bytes(header.contents) != hashlib.sha512(image[HEADER_SIZE:]).digest():
        raise BadBootImage("its contents aren't those that its header has the hash of")
    return header


# --- signatures -------------------------------------------------------------------------------------------------------


def sign(image: bytes, key: Ed25519PrivateKey) -> bytes:
    """An image's signature, as it lies in a file of its own."""
    header_of(image)
    return SIGNATURE_MAGIC.to_bytes(8, "little") + key.public_key().public_bytes_raw() + key.sign(image[:HEADER_SIZE])


def signer_of(image: bytes, signature: bytes) -> bytes:
    """The public key that an image was signed with. Raises BadBootImage if it wasn't."""
    header_of(image)
    if len(signature) != SIGNATURE_SIZE or not signature.startswith(SIGNATURE_MAGIC.to_bytes(8, "little")):
        raise BadBootImage(f"its signature isn't one: that has {SIGNATURE_SIZE} bytes, and a beginning of its own")
    record = wire_over(Signature, bytearray(signature))
    public = bytes(record.key)
    try:
        Ed25519PublicKey.from_public_bytes(public).verify(bytes(record.signature), image[:HEADER_SIZE])
    except (InvalidSignature, ValueError):
        raise BadBootImage("its signature is of something else") from None
    return public


# --- enrolment --------------------------------------------------------------------------------------------------------


def is_name(name: str) -> bool:
    """Can a key have this name?"""
    return 0 < len(name) <= NAME_SIZE and all("!" <= character <= "~" for character in name)


def enrolment(image_keys: Sequence[Named], operator_keys: Sequence[Named] = (), least_rollback: int = 0) -> bytes:
    """The blob with these keys; images with a rollback index below `least_rollback` don't start."""
    keys = [*image_keys, *operator_keys]
    if not image_keys:
        raise BadBootImage("without a key that signs images, none would start")
    if len(keys) > MOST_KEYS:
        raise BadBootImage(f"{len(keys)} keys; there is room for {MOST_KEYS}")
    memory = bytearray(ENROLMENT_HEADER_SIZE + len(keys) * KEY_SIZE)
    header = wire_over(EnrolmentHeader, memory)
    header.magic, header.version = ENROLMENT_MAGIC, ENROLMENT_VERSION
    header.image_keys, header.operator_keys = len(image_keys), len(operator_keys)
    header.least_rollback = least_rollback
    for index, key in enumerate(keys):
        if not is_name(key.name) or len(key.public) != PUBLIC_SIZE:
            raise BadBootImage(f"{key.name!r} can't be a key's name: 1 to {NAME_SIZE} printable letters without spaces")
        entry = wire_over(Key, memory, ENROLMENT_HEADER_SIZE + index * KEY_SIZE)
        for place, byte in enumerate(key.public):
            entry.public[place] = byte
        for place, byte in enumerate(key.name.encode()):
            entry.name[place] = byte
    return bytes(memory) + hashlib.sha512(memory).digest()
