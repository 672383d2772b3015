"""A model that a system file names as a program: compiled, and made a program of its own.

    program = "./digits.onnx"

What is made is a folder with a module and a manifest, as a user could write them: the module declares the one
capability that a model's process has, puts the model's parts where `services/model/native.py` looks for them, and runs
`services/model/runner.py`; the manifest says how much memory that takes.

The folder lies beside compiled objects. It is named by what it was made of: the model, the numbers of its dimensions,
and all the code that had a part in it. So it is made once, and what is there is right.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import re
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from neokernel.abi.kinds import PAGE_SIZE
from neokernel.compiler import objects
from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.image.notes import compiler, sources_of

if TYPE_CHECKING:
    from neokernel.model.bundle import Bundle, Code

ONNX, BUNDLE = ".onnx", ".nkm"
#: what a model's process takes beside its arena: stack, page tables, slots, a table for what it is leased, its own data
RUNNER = 384 << 10
#: programs that are kept, the latest used
MOST = 64
#: of machines that an image's models run on: what they have beside RV64GC isn't known when it is built
FEATURES = 0

MODULE = '''"""Made by the build, of {what}: the process of the model {name}, version {version}."""

from neokernel.interfaces.accelerator import Accelerator
from neokernel.interfaces.inference import Inference
from neokernel.lang import Uses, assembly, slot_of, unsafe, uses
from neokernel.runtime.process import Process
from neokernel.services.model.runner import serve

unsafe("the model's parts are put where the runner looks for them")

assembly("""
.pushsection .text.nk_model, "ax", @progbits
.balign 64
nk_model_code:
.globl nk_model_code
.incbin "{folder}/code"
.popsection
.pushsection .rodata.nk_model, "a", @progbits
.balign 64
nk_model_constants:
.globl nk_model_constants
.incbin "{folder}/constants"
.balign 64
nk_model_manifest:
.globl nk_model_manifest
.incbin "{folder}/manifest"
.popsection
.pushsection .bss.nk_model, "aw", @nobits
.balign 64
nk_model_arena:
.globl nk_model_arena
.zero {arena}
.popsection
""")

gateway: Uses[Inference] = uses(lend={lend})
accelerator: Uses[Accelerator] = uses(optional=True)


def main(process: Process) -> None:
    serve(process, slot_of(gateway), slot_of(accelerator), {manifest})
'''


class BadModel(Exception):
    """Why a model can't be a program; `help`: what to do about it."""

    def __init__(self, message: str, help: str = "") -> None:
        self.help = help
        super().__init__(message)


def is_model(path: str | Path) -> bool:
    """Is it named as a model is?"""
    return Path(path).suffix in (ONNX, BUNDLE)


def program_of(path: Path, dimensions: Mapping[str, int]) -> Path:
    """The program that the model in the file becomes. Raises BadModel."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BadModel(f"it can't be read: {error.strerror or error}") from error
    asked = json.dumps([path.stem, path.suffix, sorted(dimensions.items()), hashlib.sha256(data).hexdigest(), tools()])
    folder = objects.store().with_name("models") / hashlib.sha256(asked.encode()).hexdigest()
    main = folder / f"{module_name(path.stem)}.py"
    if not main.is_file():
        make(folder, main, path, data, dimensions)
    with contextlib.suppress(OSError):
        os.utime(folder)  # it is used: others go first
        for old in sorted(folder.parent.iterdir(), key=lambda each: each.stat().st_mtime)[:-MOST]:
            shutil.rmtree(old, ignore_errors=True)
    return main


def tools() -> str:
    """The digest of all code that has a part in what is made, beside the compiler's."""
    found = hashlib.sha256(compiler().encode())
    ours = PACKAGE_ROOT / "neokernel"
    # What processes and the gateway agree on says how much is lent, and what is refused.
    agreed = (ours / "abi" / "model.py", ours / "interfaces" / "inference.py", ours / "interfaces" / "accelerator.py")
    for path in (*sources_of("model"), *agreed, Path(__file__)):
        found.update(path.read_bytes())
    return found.hexdigest()


def module_name(stem: str) -> str:
    """What the module is called, and so its program."""
    plain = re.sub(r"[^A-Za-z0-9_]", "_", stem)[:40]
    return plain if plain.isidentifier() else f"m_{plain}"


def make(folder: Path, main: Path, path: Path, data: bytes, dimensions: Mapping[str, int]) -> None:
    """Fill the folder, which is there as a whole or not at all."""
    from neokernel.interfaces.inference import MANIFEST, MOST_BYTES

    bundle = bundle_of(path, data, dimensions)
    code = fitting(bundle)
    manifest = manifest_of(bundle)
    # How many examples a request may have, the gateway's own entry says: there is room for as many as can be.
    lend = -(-(MANIFEST + MOST_BYTES) // PAGE_SIZE) * PAGE_SIZE
    arena = max(code.arena_size, 1)
    memory = RUNNER + -(-arena // PAGE_SIZE) * PAGE_SIZE
    if not re.fullmatch(r"[\w./+~@=, -]+", str(folder)):
        raise BadModel(
            f"the program would lie in {folder}", "name a plainer folder by NK_CACHE: this one stands in source"
        )
    what, name, version = (re.sub(r"[^A-Za-z0-9._-]", "?", text) for text in (path.name, bundle.name, bundle.version))
    source = MODULE.format(
        what=what, name=name, version=version, folder=folder, arena=arena, lend=lend, manifest=len(manifest)
    )
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder.parent) as temporary:
            made = Path(temporary) / "made"
            made.mkdir()
            (made / "code").write_bytes(code.code)
            (made / "constants").write_bytes(code.constants or b"\0")
            (made / "manifest").write_bytes(manifest)
            (made / main.name).write_text(source, encoding="utf-8")
            (made / f"{main.stem}.service.toml").write_text(f'memory = "{memory >> 10} KiB"\n', encoding="utf-8")
            try:
                made.rename(folder)
            except OSError:
                # Somebody else has made the same meanwhile; or what is there isn't whole.
                if not main.is_file():
                    shutil.rmtree(folder)
                    made.rename(folder)
    except OSError as error:
        raise BadModel(f"the program can't be written to {folder.parent}: {error.strerror or error}") from error


def bundle_of(path: Path, data: bytes, dimensions: Mapping[str, int]) -> Bundle:
    """The model compiled, if it isn't."""
    for package in ("numpy", "onnx"):
        if not has(package):
            raise BadModel(f"the package {package} is missing", "`tools/setup.sh model` installs what models need")
    from neokernel.compiler.toolchain import ToolError
    from neokernel.model import bundle as bundles
    from neokernel.model.importer import import_model
    from neokernel.model.machine import SCALAR
    from neokernel.model.problem import ModelError

    try:
        if path.suffix == BUNDLE:
            if dimensions:
                raise BadModel("it is compiled, and has all its dimensions", "take `dimensions` out")
            return bundles.read(data)
        return import_model(data, path.stem, dimensions=dimensions, source=False, sample=False, variants=[SCALAR])
    except ModelError as error:
        # What is said of a command's option is a key here.
        help = re.sub(r"`--dimension ([\w-]+)=(\d+)`", r"`dimensions = { \1 = \2 }`", error.help)
        raise BadModel(error.message, help) from error
    except MemoryError as error:
        raise BadModel("compiling it takes more memory than there is here", "make the model smaller") from error
    except ToolError as error:
        raise BadModel(f"its code can't be made: {error}", "this is a fault of nk") from error


def has(package: str) -> bool:
    import importlib.util

    return importlib.util.find_spec(package) is not None


def fitting(bundle: Bundle) -> Code:
    """The code that a process here can run."""
    from neokernel.interfaces import inference
    from neokernel.interfaces.accelerator import MOST_STACK

    found = next((code for code in bundle.codes if code.features == FEATURES), None)
    if found is None:
        kinds = ", ".join(code.name for code in bundle.codes)
        raise BadModel(f"the bundle has code for {kinds} alone", "import it again: processes run code for rv64gc")
    if found.stack > MOST_STACK:
        raise BadModel(f"its code needs {found.stack:,} bytes of stack", f"a process has {MOST_STACK:,} for it")
    for what, ports in (("inputs", bundle.inputs), ("outputs", bundle.outputs)):
        if len(ports) > inference.MOST_TENSORS:
            raise BadModel(f"it has {len(ports)} {what}", f"the gateway takes models with {inference.MOST_TENSORS}")
    if sum(len(port.type.shape) for port in (*bundle.inputs, *bundle.outputs)) > inference.MOST_SIZES:
        raise BadModel("its tensors have too many dimensions", f"{inference.MOST_SIZES} together at most")
    if tensor_bytes(bundle) > inference.MOST_BYTES:
        message = f"its inputs and outputs take {tensor_bytes(bundle):,} bytes"
        raise BadModel(message, f"the gateway has {inference.MOST_BYTES:,} for those of a request")
    return found


def tensor_bytes(bundle: Bundle) -> int:
    """Of all inputs and outputs, one behind the other."""
    from neokernel.interfaces.inference import ALIGNMENT

    return sum(-(-port.type.size // ALIGNMENT) * ALIGNMENT for port in (*bundle.inputs, *bundle.outputs))


def manifest_of(bundle: Bundle) -> bytes:
    """Header, ports and dimensions, as they stand in the bundle."""
    from neokernel.model import bundle as bundles
    from neokernel.model.signed import HEADER_SIZE

    packed = bundles.pack(bundle)
    ports = [*bundle.inputs, *bundle.outputs]
    sizes = sum(len(port.type.shape) for port in ports)
    return packed[: HEADER_SIZE + len(ports) * bundles.PORT_SIZE + sizes * bundles.DIMENSION_SIZE]
