"""Images that take longest for their size, counted on the machine: how one is made holds nobody up for long.

The program is written here, with the images in it; it prints lines `NAME STAGE PIECES INSTRUCTIONS`.
"""

from __future__ import annotations

import itertools
import subprocess
import zlib
from pathlib import Path

import pytest

from neokernel.bench.kernel import EXACT
from neokernel.image import qemu
from tests.png.support import Picture, Samples, chunk
from tests.support.machine import QEMU
from tests.support.nk import nk
from tests.support.patience import PATIENCE

SIDE = 64
BLOCKS = 4_000
#: instructions of a pixel, interlaced or not; of an unfiltered byte; of a block that has nothing in it
MOST_PIXEL, MOST_BYTE, MOST_BLOCK = 80, 70, 350

pytestmark = [pytest.mark.qemu, pytest.mark.skipif(QEMU is None, reason="needs qemu-system-riscv64")]

PROGRAM = '''"""What images take on the machine, stage by stage."""

from __future__ import annotations

from neokernel.arch.riscv64.bare import Machine
from neokernel.lang import Array, Span, array, asm, copy, u8, u64, unsafe, usize
from neokernel.png.image import Png, Problem
from neokernel.png.inflate import Inflate, Trouble

unsafe("a counter of the machine is read")


def instructions() -> u64:
    return asm("rdinstret {result}", result=u64)


def tell(machine: Machine, name: str, image: bytes, memory: Span[u8]) -> None:
    copy(memory[: len(image)], image)
    png = Png()
    begin = instructions()
    problem = png.open(memory[: len(image)])
    machine.console.write(f"{name} open {len(image)} {instructions() - begin}\\n")
    assert problem is Problem.NONE
    raw = memory[png.packed : png.packed + png.raw_size]
    packed = Inflate(data=memory[: png.packed].bytes(), into=raw)
    begin = instructions()
    while packed.advance(2_000):
        pass
    machine.console.write(f"{name} inflate {png.packed} {instructions() - begin}\\n")
    assert packed.trouble is Trouble.NONE
    begin = instructions()
    while png.unfilter(raw, 16):
        pass
    machine.console.write(f"{name} unfilter {png.raw_size} {instructions() - begin}\\n")
    total: u64 = 0
    begin = instructions()
    for y in range(usize(png.height)):
        for x in range(usize(png.width)):
            total += u64(png.pixel(raw, x, y).red)
    machine.console.write(f"{name} pixels {png.width * png.height} {instructions() - begin}\\n")
    assert total != 1


def main(machine: Machine) -> None:
    memory: Array[u8] = array(MEMORY)
'''


def empty_blocks(raw: bytes) -> bytes:
    """Packed, with many blocks in front that have nothing in them, of the format's own codes: 010 0000000 each."""
    bits = "0100000000" * BLOCKS
    # A stored block of nothing has the next one begin at a byte.
    bits += "000" + "0" * (-(len(bits) + 3) % 8)
    front = bytes(int(bits[place : place + 8][::-1], 2) for place in range(0, len(bits), 8)) + b"\0\0\xff\xff"
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    return b"\x78\x9c" + front + packer.compress(raw) + packer.flush() + zlib.adler32(raw).to_bytes(4, "big")


def images() -> dict[str, bytes]:
    samples: Samples = [[((x * y) % 251,) for x in range(SIDE)] for y in range(SIDE)]
    plain = Picture(0, 8, samples)
    interlaced = Picture(0, 8, samples, interlaced=True)
    head = chunk(b"IHDR", SIDE.to_bytes(4, "big") * 2 + bytes([8, 0, 0, 0, 0]))
    packed = empty_blocks(plain.raw(itertools.repeat(0)))
    assert zlib.decompress(packed) == plain.raw(itertools.repeat(0))
    empty = b"\x89PNG\r\n\x1a\n" + head + chunk(b"IDAT", packed) + chunk(b"IEND", b"")
    paeth = itertools.repeat(4)
    return {"plain": plain.file(), "paeth": plain.file(paeth), "interlaced": interlaced.file(), "empty": empty}


def test_the_longest_images(tmp_path: Path) -> None:
    made = images()
    lines = [f'    tell(machine, "{name}", {image!r}, memory[:])\n' for name, image in made.items()]
    size = max(len(image) for image in made.values()) + 2 * SIDE * SIDE
    program = tmp_path / "cost.py"
    program.write_text(PROGRAM.replace("MEMORY", str(size)) + "".join(lines))
    built = nk("build", program, "-o", tmp_path / "cost.elf")
    assert built.returncode == 0, built.stderr
    assert QEMU is not None
    command = [*qemu.command(QEMU, tmp_path / "cost.elf"), *EXACT]
    done = subprocess.run(
        command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=PATIENCE, check=False
    )
    lines = [line for line in done.stdout.splitlines() if line.startswith(tuple(made))]
    found = {tuple(line.split()[:2]): tuple(map(int, line.split()[2:])) for line in lines}
    assert len(found) == 16, done.stdout
    for name in made:
        pixels, instructions = found[name, "pixels"]
        assert pixels == SIDE * SIDE and 0 < instructions <= MOST_PIXEL * pixels, (name, instructions // pixels)
        size, instructions = found[name, "unfilter"]
        assert 0 < instructions <= MOST_BYTE * size, (name, instructions // size)
    many, few = found["empty", "inflate"][1], found["plain", "inflate"][1]
    assert many - few <= MOST_BLOCK * BLOCKS, (many - few) // BLOCKS
