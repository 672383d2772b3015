"""`nk bench compiler`: our kernels, with and without checks, beside C through the same back end.

One image for each kernel holds the three sides and all cases (`benches/compiler/support/harness.c` says how it
runs). Every result of every side is compared with what the case expects before any number counts.

The number is instructions retired, under QEMU's `-icount shift=0`: exact, the same each time and on each host.
"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from neokernel.bench import tables
from neokernel.bench.row import BenchError, Progress, Row, geometric_mean
from neokernel.bench.workloads import KERNELS
from neokernel.bench.workloads.kernel import Kernel
from neokernel.compiler import toolchain
from neokernel.compiler.llvm.target import riscv64
from neokernel.patience import patient

SOURCES = Path(__file__).parents[2] / "benches" / "compiler"
SUPPORT = SOURCES / "support"
TIMEOUT = 60.0
PEER = "C, clang -O2"
WARNINGS = ("-Wall", "-Wextra", "-Werror")

#: Makes an object from (module, checks, symbol prefix, output).
Compile = Callable[[Path, bool, str, Path], None]


@dataclass(frozen=True)
class Measured:
    """Instructions of one kernel's last case, by side."""

    kernel: Kernel
    c: int
    checked: int
    unchecked: int


def compile_ours(module: Path, checks: bool, prefix: str, output: Path) -> None:
    """Compile `run` of a kernel's module to an object that exports it as `<prefix>run`."""
    from neokernel.compiler import pipeline

    shutil.move(pipeline.compile_library(module, ["run"], checks=checks, prefix=prefix), output)


def build_image(
    kernel: Kernel, folder: Path, compile_side: Compile | None = compile_ours, c_options: Sequence[str] = ()
) -> Path:
    """Build the kernel's image in `folder`. Without `compile_side`, C stands in for our sides (to test it alone)."""
    target = riscv64()
    headers = f"-isystem{Path(toolchain.zig()).parent / 'lib' / 'include'}"
    (folder / "tables.h").write_text(tables.header())
    (folder / "cases.bin").write_bytes(_pack_cases(kernel))
    objects = [folder / f"{name}.o" for name in ("start", "harness", "c")]
    toolchain.assemble((SUPPORT / "start.S").read_text(), objects[0], target, [f"-I{folder}"])
    # Freestanding, lest its memcpy become a call of itself; the kernels may use what clang knows of <string.h>.
    toolchain.compile_c((SUPPORT / "harness.c").read_text(), objects[1], target, options=[headers, *WARNINGS])
    options = [headers, *WARNINGS, "-fhosted", "-std=c11", f"-I{SUPPORT}", f"-I{folder}", *c_options]
    toolchain.compile_c((SOURCES / f"{kernel.name}.c").read_text(), objects[2], target, options=options)
    stand_ins: list[str] = []
    for side in ("checked", "unchecked"):
        if compile_side is None:
            stand_ins.append(f"--defsym={side}_run=c_run")
        else:
            objects.append(folder / f"{side}.o")
            compile_side(SOURCES / f"{kernel.name}.py", side == "checked", f"{side}_", objects[-1])
    image = folder / f"{kernel.name}.elf"
    toolchain.link(objects, image, (SUPPORT / "image.ld").read_text(), "_start", stand_ins)
    return image


def _pack_cases(kernel: Kernel) -> bytes:
    """The header that harness.c reads, and the work images."""
    header = (len(kernel.cases), kernel.work_size, kernel.result_size, 0)
    return b"".join(word.to_bytes(8, "little") for word in header) + b"".join(map(kernel.image, kernel.cases))


def run_image(image: Path) -> list[str]:
    """Boot the image; the harness's lines."""
    qemu = shutil.which("qemu-system-riscv64")
    if qemu is None:
        raise BenchError("qemu-system-riscv64 is missing: `nk doctor` says how to get it")
    command = [qemu, "-M", "virt", "-bios", "default", "-display", "none", "-serial", "stdio", "-monitor", "none"]
    command += ["-no-reboot", "-icount", "shift=0,sleep=off", "-kernel", str(image)]
    try:
        done = subprocess.run(
            command, stdin=subprocess.DEVNULL, capture_output=True, timeout=patient(TIMEOUT), check=False
        )
    except subprocess.TimeoutExpired:
        raise BenchError(f"{image.name}: no end after {patient(TIMEOUT):.0f} s") from None
    lines = done.stdout.decode("ascii", "replace").splitlines()
    if done.returncode or "done" not in lines:
        trap = next((line for line in lines if line.startswith("trap ")), "no `done`")
        raise BenchError(
            f"{image.name}: {trap} (QEMU's status {done.returncode}) {done.stderr.decode(errors='replace')}"
        )
    return [line for line in lines if line.startswith("case ")]


def check(kernel: Kernel, lines: Sequence[str]) -> Measured:
    """Compare every result with its case's; the instructions of the last case."""
    counts: dict[str, int] = {}
    seen = 0
    for line in lines:
        _, number, side, instructions, result = line.split(" ")
        case = kernel.cases[int(number)]
        expected = kernel.expected_memory(case)
        if bytes.fromhex(result) != expected:
            raise BenchError(
                f"{kernel.name}, case {case.name!r}: {side} gives\n  {result[:256]}\nexpected\n  {expected.hex()[:256]}"
            )
        counts[side] = int(instructions)
        seen += 1
    if seen != 3 * len(kernel.cases):
        raise BenchError(f"{kernel.name}: {seen} results for {len(kernel.cases)} cases")
    return Measured(kernel, counts["c"], counts["checked"], counts["unchecked"])


def measure(kernel: Kernel, folder: Path | None = None) -> Measured:
    """Build, run and check one kernel. `folder` keeps what was built; without it, it is temporary."""
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
        return check(kernel, run_image(build_image(kernel, folder.resolve())))
    with tempfile.TemporaryDirectory() as temporary:
        return check(kernel, run_image(build_image(kernel, Path(temporary))))


def run(only: Sequence[str] | None = None, progress: Progress = lambda _: None, keep: Path | None = None) -> list[Row]:
    """Two rows a kernel (with checks, without), then their geometric means."""
    unknown = set(only or ()) - set(KERNELS)
    if unknown:
        raise BenchError(f"no kernel {', '.join(sorted(unknown))}; there are {', '.join(KERNELS)}")
    measured = []
    for name in only or KERNELS:
        progress(name)
        measured.append(measure(KERNELS[name](), keep / name if keep else None))
    rows: list[Row] = []
    means: list[Row] = []
    for label in ("checked", "unchecked"):
        ratios = []
        for one in measured:
            ours = getattr(one, label)
            ratios.append(ours / one.c)
            rows.append(Row(f"{one.kernel.title}, {label}", "instructions", ours, PEER, one.c, ours / one.c))
        mean = geometric_mean(ratios)
        means.append(Row(f"geometric mean, {label}", "ratio", mean, PEER, 1.0, mean))
    return rows + means
