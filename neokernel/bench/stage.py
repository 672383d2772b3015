"""`nk bench stage`: what a signed start costs, and what that is made of, in instructions.

A program (`benches/stage/crypto.py`) counts hashing and verifying on the bare machine. Another (`started.py`) says how
many instructions the machine has executed when it begins: started through the first stage and without, the difference
is the first stage's.

Under `-icount shift=0` the counts are exact.
"""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from neokernel.bench import compiler
from neokernel.bench.kernel import EXACT, read_reports, run_command
from neokernel.bench.row import BenchError, Progress, Row
from neokernel.bench.workloads import KERNELS
from neokernel.image import qemu
from neokernel.image.boot import SignedBoot
from neokernel.image.build import build_image
from neokernel.image.signed import Named, boot_image, enrolment, sign
from neokernel.image.sizes import measure
from neokernel.image.stage import build_stage

SOURCES = Path(__file__).parents[2] / "benches" / "stage"
UNIT = "instructions"
PEER = "C, clang -O2"
#: what crypto.py reports, and what it is called
PARTS = {
    "sha512_kib": "SHA-512, per KiB",
    "ed25519": "Ed25519, verification of 2 bytes",
    "product": "multiplication modulo 2**255 - 19",
    "square": "squaring modulo 2**255 - 19",
}
CRYPTO, START, SIZE = "crypto", "start", "size"
#: blocks in a KiB, and of a message of 4 KiB with what is added to it
BLOCKS_OF_KIB, BLOCKS_OF_CASE = 8, 33


def run(only: Sequence[str] | None = None, progress: Progress = lambda _: None, keep: Path | None = None) -> list[Row]:
    """Rows of some items or of all. `keep`: a folder for the images."""
    known = {CRYPTO: crypto, START: start, SIZE: size}
    unknown = set(only or ()) - set(known)
    if unknown:
        raise BenchError(f"no item {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    rows: list[Row] = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) if keep is None else keep.resolve()
        folder.mkdir(parents=True, exist_ok=True)
        for name in only or known:
            progress(name)
            rows += known[name](folder)
    return rows


def crypto(folder: Path) -> list[Row]:
    """Hashing and verifying; SHA-512 beside the compiler's benchmark in C."""
    image = built("crypto", folder)
    found = read_reports(run_command([*qemu.command(qemu.PROGRAM, image), *EXACT], image.name))
    theirs = compiler.measure(KERNELS["sha512"]()).c * BLOCKS_OF_KIB // BLOCKS_OF_CASE
    rows = []
    for name, title in PARTS.items():
        peer = theirs if name == "sha512_kib" else None
        ratio = None if peer is None else found[name] / peer
        rows.append(Row(title, UNIT, found[name], PEER if peer else "", peer, ratio))
    return rows


def start(folder: Path) -> list[Row]:
    """A signed start beside one that isn't."""
    elf, stage = built("started", folder), stage_in(folder)
    image = boot_image(elf)
    key = Ed25519PrivateKey.from_private_bytes(bytes(32))
    files = SignedBoot(elf, stage, folder / "started.loaded", folder / "started.enrolment")
    files.loaded.write_bytes(image + sign(image, key))
    files.enrolment.write_bytes(enrolment([Named("benchmark", key.public_key().public_bytes_raw())]))
    # The same machine, and in one case the kernel in the first stage's place: so the firmware has the same to do.
    commands = [qemu.signed_command(qemu.PROGRAM, each) for each in (replace(files, stage=elf), files)]
    plain, signed = (read_reports(run_command([*line, *EXACT], elf.name))["started"] for line in commands)
    return [
        Row("first stage, image of one program", UNIT, signed - plain, "", None, None),
        Row("that image", "bytes", len(image), "", None, None),
        Row("first stage, per KiB of image", UNIT, (signed - plain) * 1024 // len(image), "", None, None),
    ]


def size(folder: Path) -> list[Row]:
    """The first stage's own size."""
    found = measure(stage_in(folder), {})
    return [
        Row("first stage, code", "bytes", sum(each.text for each in found.values()), "", None, None),
        Row("first stage, constants", "bytes", sum(each.rodata for each in found.values()), "", None, None),
    ]


def built(name: str, folder: Path) -> Path:
    source = SOURCES / f"{name}.py"
    if not source.is_file():
        raise BenchError(f"{source.name} is missing: the benchmark needs the project's checkout")
    result = build_image(source, folder / f"{name}.elf")
    if result.diagnostics:
        raise BenchError(f"{source.name} isn't accepted: {result.diagnostics[0].message}")
    return result.image


def stage_in(folder: Path) -> Path:
    result = build_stage(folder / "stage.elf")
    if result.diagnostics:
        raise BenchError(f"the first stage isn't accepted: {result.diagnostics[0].message}")
    return result.image
