"""Models on the bare machine, in QEMU: what they compute there, and how many instructions that takes."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from neokernel.bench.row import BenchError
from neokernel.compiler import toolchain
from neokernel.compiler.llvm.target import riscv64
from neokernel.model.graph import Array, Graph
from neokernel.model.machine import SCALAR, Variant
from neokernel.patience import patient

FOLDER = Path(__file__).parents[2] / "benches" / "models" / "support"
WARNINGS = ("-Wall", "-Wextra", "-Werror")
TIMEOUT = 120.0


@dataclass(frozen=True)
class Job:
    """A model's code for the machine, what else it needs, and its inputs."""

    graph: Graph
    code: bytes
    constants: bytes
    arena_size: int
    inputs: dict[str, Array]


@dataclass(frozen=True)
class Answer:
    """`stack`: bytes below the caller's frame that were written to."""

    instructions: int
    stack: int
    results: list[Array]


def run(jobs: Sequence[Job], variant: Variant, folder: Path, vector_bits: int = 128) -> list[Answer]:
    """All on one machine, one after the other. `vector_bits`: how large its vector registers are, if it has any."""
    (folder / "cases.bin").write_bytes(packed(jobs))
    target = riscv64()
    objects = [folder / "start.o", folder / "harness.o"]
    toolchain.assemble((FOLDER / "start.S").read_text(), objects[0], target, [f"-I{folder}"])
    headers = f"-isystem{Path(toolchain.zig()).parent / 'lib' / 'include'}"
    toolchain.compile_c((FOLDER / "harness.c").read_text(), objects[1], target, options=[headers, *WARNINGS])
    image = folder / "models.elf"
    toolchain.link(objects, image, (FOLDER / "image.ld").read_text())
    return answers(jobs, boot(image, vector_bits=0 if variant is SCALAR else vector_bits))


def boot(image: Path, *, vector_bits: int) -> str:
    qemu = shutil.which("qemu-system-riscv64")
    if qemu is None:
        raise BenchError("qemu-system-riscv64 is missing: `nk doctor` says how to get it")
    command = [qemu, "-M", "virt", "-m", "128M", "-bios", "default", "-display", "none", "-serial", "stdio"]
    command += ["-monitor", "none", "-no-reboot", "-icount", "shift=0,sleep=off", "-kernel", str(image)]
    command += ["-cpu", f"rv64,v=true,vlen={vector_bits}" if vector_bits else "rv64,v=false"]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=patient(TIMEOUT), check=False
        )
    except subprocess.TimeoutExpired:
        raise BenchError(f"{image.name}: no end after {patient(TIMEOUT):.0f} s") from None
    printed = done.stdout.decode("ascii", "replace")
    if "done" not in printed.splitlines():
        trap = next((line for line in printed.splitlines() if line.startswith("trap ")), "no `done`")
        raise BenchError(f"{image.name}: {trap} {done.stderr.decode(errors='replace')}")
    return printed


def packed(jobs: Sequence[Job]) -> bytes:
    """As harness.c reads it."""
    words = 1 + sum(5 + len(job.graph.inputs) + len(job.graph.outputs) for job in jobs)
    data = bytearray(words * 8)
    table = [len(jobs)]

    def put(content: bytes) -> int:
        data.extend(bytes(-len(data) % 64))
        begin = len(data)
        data.extend(content)
        return begin

    for job in jobs:
        table += [put(job.code), put(job.constants), job.arena_size, len(job.graph.inputs), len(job.graph.outputs)]
        table += [put(np.ascontiguousarray(job.inputs[tensor.name]).tobytes()) for tensor in job.graph.inputs]
        table += [tensor.type.size for tensor in job.graph.outputs]
    data[: words * 8] = b"".join(word.to_bytes(8, "little") for word in table)
    return bytes(data)


def answers(jobs: Sequence[Job], printed: str) -> list[Answer]:
    lines = [line.split() for line in printed.splitlines() if line.startswith("case ")]
    if len(lines) != len(jobs):
        raise BenchError(f"{len(lines)} answers for {len(jobs)} models")
    found = []
    for job, line in zip(jobs, lines, strict=True):
        data = bytes.fromhex(line[4]) if len(line) > 4 else b""
        results = []
        for tensor in job.graph.outputs:
            part, data = data[: tensor.type.size], data[tensor.type.size :]
            results.append(np.frombuffer(part, tensor.type.element.dtype).reshape(tensor.type.shape))
        found.append(Answer(int(line[2], 16), int(line[3], 16), results))
    return found
