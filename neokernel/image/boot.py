"""What a signed start needs beside the machine: the first stage, the image with its signature, the enrolment blob.

All are files for QEMU. `development_boot` makes them for this user's own machine, with their development key.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from neokernel.compiler.diagnostics import Diagnostic
from neokernel.image.elf import BadImage
from neokernel.image.keys import development_key
from neokernel.image.signed import BadBootImage, boot_image, enrolment, header_of, sign
from neokernel.image.stage import build_stage

#: more the machine has no room for beside what it becomes (boards/stage.ld)
LARGEST = 28 << 20
#: what is added to an image's name
IMAGE, SIGNATURE = ".img", ".sig"
#: files of one start
STAGE, LOADED, ENROLMENT = "stage.elf", "loaded", "enrolment"


@dataclass(frozen=True)
class SignedBoot:
    """`loaded`: what the boot loader puts into memory, the image and its signature."""

    image: Path
    stage: Path
    loaded: Path
    enrolment: Path


def signature_path(image: Path) -> Path:
    """Where an image's signature lies: beside it."""
    return image.with_name(image.name + SIGNATURE)


def elf_of(image: Path) -> Path | None:
    """The ELF file with debug information that a boot image was made of, if it lies beside it."""
    elf = image.with_suffix(".elf")
    try:
        data = image.read_bytes()
        return elf if boot_image(elf, int(header_of(data).rollback)) == data else None
    except (OSError, BadImage, BadBootImage):
        return None


def development_boot(elf: Path, blob: Path | None, folder: Path) -> SignedBoot:
    """Make a boot image of a kernel with its archive, beside it, and sign it with the development key.

    `blob` and `folder` are those of `prepared`.
    """
    image = elf.with_suffix(IMAGE)
    data = boot_image(elf)
    image.write_bytes(data)
    key, _ = development_key()
    signature_path(image).write_bytes(sign(data, key))
    return prepared(image, blob, folder)


def prepared(image: Path, blob: Path | None, folder: Path) -> SignedBoot:
    """Files to start the image with, in `folder`. `blob`: the enrolment; without it, the development key's.

    An image without a signature gets none: the first stage says so.
    """
    if (size := image.stat().st_size) > LARGEST:
        raise BadBootImage(f"it has {size:,} bytes, and the machine has room for {LARGEST:,}")
    data = image.read_bytes()
    signature = signature_path(image)
    loaded = folder / LOADED
    loaded.write_bytes(data + (signature.read_bytes() if signature.is_file() else b""))
    if blob is None:
        blob = folder / ENROLMENT
        _, key = development_key()
        blob.write_bytes(enrolment([key], [key]))
    else:
        blob.open("rb").close()  # if it can't be read, that is said here, and not by QEMU
    stage = folder / STAGE
    problems = build_stage(stage).diagnostics
    if problems:
        raise BrokenStage(problems)
    return SignedBoot(image, stage, loaded, blob)


class BrokenStage(Exception):
    """The first stage can't be compiled: somebody is changing it."""

    def __init__(self, diagnostics: list[Diagnostic]) -> None:
        super().__init__(f"the first stage can't be compiled: {diagnostics[0].message}")
        self.diagnostics = diagnostics
