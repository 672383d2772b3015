"""`nk bench models`: what a model costs as native code, beside the same network as C through the same back end.

The network is `models/digits`. C is `benches/models/digits.c`, in the writing that takes least: it is compiled in
several, at -O2 and -O3. Each side's scores are held against the host's before any number counts.

The number is instructions retired, under QEMU's `-icount shift=0`: exact, the same each time and on each host.
"""

from __future__ import annotations

import importlib.util
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from neokernel.bench.row import BenchError, Progress, Row
from neokernel.compiler import toolchain

if TYPE_CHECKING:
    from neokernel.bench.model_machine import Job
    from neokernel.model.graph import Array, Graph
    from neokernel.model.machine import Variant

PROJECT = Path(__file__).parents[2]
MODELS = PROJECT / "models" / "digits"
SOURCE = PROJECT / "benches" / "models" / "digits.c"
NETWORKS = ("digits", "digits-int8")
PEER = "C, clang"
#: sums at once: channels, and in a row (0: the whole row)
WRITINGS = ((4, 4), (4, 0), (1, 0))
#: weights in the order of the C's struct
WEIGHTS = ("w1", "b1", "w2", "b2", "w3", "b3", "w4", "b4")
C_MEMORY = 1 << 16
TOLERANCE = 1e-4


def run(only: Sequence[str] | None = None, progress: Progress = lambda _: None, keep: Path | None = None) -> list[Row]:
    """A row for each network and kind of machine. C is of the float32 one."""
    for package in ("numpy", "onnx"):
        if importlib.util.find_spec(package) is None:
            raise BenchError(f"the package {package} is missing: `tools/setup.sh model` installs what models need")
    from neokernel.model.machine import VARIANTS

    unknown = set(only or ()) - set(NETWORKS)
    if unknown:
        raise BenchError(f"no network {', '.join(sorted(unknown))}; there are {', '.join(NETWORKS)}")
    rows = []
    for name in NETWORKS:
        for variant in VARIANTS if name in (only or NETWORKS) else ():
            progress(f"{name}, {variant.name}")
            with tempfile.TemporaryDirectory(prefix="nk-bench-") as temporary:
                folder = keep / f"{name}-{variant.name}" if keep else Path(temporary)
                folder.mkdir(parents=True, exist_ok=True)
                rows += measure(name, variant, folder.resolve())
    return rows


def measure(name: str, variant: Variant, folder: Path) -> list[Row]:
    import numpy as np

    from neokernel.bench import model_machine
    from neokernel.model.emit import emit
    from neokernel.model.host import compiled
    from neokernel.model.machine import machine_code
    from neokernel.model.passes import improve
    from neokernel.model.read import read

    data = (MODELS / f"{name}.onnx").read_bytes()
    graph = improve(read(data, dimensions={"batch": 1}))
    with np.load(MODELS / "held_out.npz") as held_out:
        image = held_out["images"][:1, None].astype(np.float32)
    emitted = emit(graph, variant.machine)
    blob = machine_code(emitted, variant)
    jobs = [
        model_machine.Job(graph, blob.code, emitted.constants, emitted.plan.arena_size, {"image": image}),
        *(peers(data, graph, variant, image, folder) if name == "digits" else ()),
    ]
    found = model_machine.run(jobs, variant, folder)
    want = compiled(graph)({"image": image})["scores"]
    for number, answer in enumerate(found):
        if not np.allclose(answer.results[0], want, rtol=TOLERANCE, atol=TOLERANCE):
            raise BenchError(f"{name}, {variant.name}: side {number} gives {answer.results[0]}; expected {want}")
    ours = found[0].instructions
    peer = min((answer.instructions for answer in found[1:]), default=None)
    ratio = None if peer is None else ours / peer
    size = len(blob.code)
    return [
        Row(f"{name}, {variant.name}, one inference", "instructions", ours, PEER, peer, ratio),
        Row(f"{name}, {variant.name}, code", "bytes", size, "", None, None),
    ]


def peers(data: bytes, graph: Graph, variant: Variant, image: Array, folder: Path) -> list[Job]:
    """The C in all its writings."""
    import onnx

    from neokernel.bench.model_machine import Job
    from neokernel.model.machine import SCRIPT, code_of

    weights = {each.name: onnx.numpy_helper.to_array(each) for each in onnx.load_from_string(data).graph.initializer}
    constants = b"".join(weights[name].tobytes() for name in WEIGHTS)
    headers = f"-isystem{Path(toolchain.zig()).parent / 'lib' / 'include'}"
    jobs = []
    for channels, wide in WRITINGS:
        for level in (2, 3):
            made, image_file = folder / "c.o", folder / "c.elf"
            options = ["-fno-builtin", f"-DCHANNELS={channels}", f"-DWIDE={wide}", headers]
            toolchain.compile_c(SOURCE.read_text(), made, variant.target, level, options)
            toolchain.link([made], image_file, SCRIPT.replace("ADDRESS", "0x10000", 1), "infer")
            jobs.append(Job(graph, code_of(image_file), constants, C_MEMORY, {"image": image}))
    return jobs
