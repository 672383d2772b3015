"""`nk model`: models in ONNX compiled to bundles; bundles shown, and run on the host."""

from __future__ import annotations

import contextlib
import importlib.util
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from neokernel.cli.errors import ToolError
from neokernel.cli.model_push import list_, push, swap
from neokernel.cli.output import json_option, print_json, progress_line, shown

if TYPE_CHECKING:
    from neokernel.model.bundle import Bundle, Port
    from neokernel.model.graph import Array

READ_MORE = "docs/guide/models.md"
#: elements of a result that are shown; files take all of them
MOST_SHOWN = 16
#: a file with an array
MOST_BYTES = 1 << 32


@click.group()
def command() -> None:
    """Compile models in ONNX to bundles with native code, look at them, run them; and replace those of a machine."""


command.add_command(push)
command.add_command(swap)
command.add_command(list_)


@contextlib.contextmanager
def complaints(path: Path | None = None) -> Iterator[None]:
    """What is wrong with a model, as the errors that a user sees. `path`: the one that is looked at."""
    for package in ("numpy", "onnx"):
        if importlib.util.find_spec(package) is None:
            raise ToolError(
                "NK1201", f"the package {package} is missing", "`tools/setup.sh model` installs what models need"
            )
    from neokernel.compiler.toolchain import ToolError as BrokenTool
    from neokernel.model.problem import ModelError

    try:
        yield
    except ModelError as error:
        named = f"{path}: {error.message}" if path is not None else error.message
        raise ToolError(error.code, named, error.help) from error
    except MemoryError as error:
        named = f"{path}: " if path is not None else ""
        help = "make the model smaller, or do it where there is more memory"
        raise ToolError("NK1702", f"{named}the model needs more memory than there is here", help) from error
    except BrokenTool as error:
        raise ToolError("NK1999", f"the model's code can't be made: {error}", "this is a fault of nk") from error
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        raise ToolError("NK1005", f"{place}{error.strerror or error}") from error


def read_file(path: Path, code: str) -> bytes:
    """A file's bytes; `code`: which error it is if there are none."""
    try:
        return path.read_bytes()
    except OSError as error:
        raise ToolError(code, f"{path}: {error.strerror or error}") from error


def pairs(given: Sequence[str], what: str) -> dict[str, str]:
    """NAME=VALUE, several times."""
    found: dict[str, str] = {}
    for each in given:
        name, mark, value = each.rpartition("=")
        if not mark or not name or name in found:
            raise ToolError("NK1001", f"{what} {each!r} isn't NAME=VALUE, with each name once")
        found[name] = value
    return found


def dimensions_of(given: Sequence[str]) -> dict[str, int]:
    found = {}
    for name, value in pairs(given, "--dimension").items():
        if not value.isascii() or not value.isdecimal() or not 0 < len(value) <= 9 or int(value) == 0:
            raise ToolError("NK1001", f"--dimension {name}={value}: a number of 1 or more is needed")
        found[name] = int(value)
    return found


def array_of(path: Path) -> Array:
    """An array out of a file as NumPy writes it. Nothing in it is ever executed."""
    import numpy as np

    try:
        if path.stat().st_size > MOST_BYTES:
            raise ToolError("NK1706", f"{path} has more than {MOST_BYTES} bytes")
        found = np.load(path, allow_pickle=False)
    except OSError as error:
        raise ToolError("NK1706", f"{path}: {error.strerror or error}") from error
    except (ValueError, EOFError, SyntaxError, MemoryError, OverflowError, TypeError) as error:
        raise ToolError(
            "NK1706", f"{path} isn't an array as NumPy writes it", "`numpy.save(PATH, array)` writes one"
        ) from error
    if not isinstance(found, np.ndarray):
        raise ToolError("NK1706", f"{path} holds several arrays", "`numpy.save(PATH, array)` writes one")
    return found


# --- import -----------------------------------------------------------------------------------------------------------


@command.command("import")
@click.argument("path", metavar="MODEL.onnx", type=click.Path(path_type=Path))
@click.option("-o", "--output", type=click.Path(path_type=Path), help="The bundle; default: MODEL.nkm, here.")
@click.option("--name", help="What the model is called; default: like its file.")
@click.option("--version", default="1", show_default=True, help="Its version.")
@click.option("--serial", default=0, type=click.IntRange(0, (1 << 64) - 1), help="Of two, the newer one's is higher.")
@click.option("--dimension", "dimensions", multiple=True, metavar="NAME=NUMBER", help="A number for a named dimension.")
@click.option("--fix", "fixed", multiple=True, metavar="NAME=FILE.npy", help="An input that is always this array.")
@click.option("--no-source", is_flag=True, help="Leave the ONNX model out; `nk model run` needs it.")
@click.option("--key", type=click.Path(path_type=Path), help="Sign the bundle with this private key, NAME.key.")
@json_option
def import_(
    path: Path,
    output: Path | None,
    name: str | None,
    version: str,
    serial: int,
    dimensions: tuple[str, ...],
    fixed: tuple[str, ...],
    no_source: bool,
    key: Path | None,
    as_json: bool,
) -> None:
    """Compile a model in ONNX to a bundle: native code for riscv64, with vectors and without, and constants.

    The same model gives the same bytes. A signature lies beside the bundle, in MODEL.nkm.sig.

    Where a bundle has served, `nk model push` takes none with a lower serial.
    """
    from neokernel.cli.trusted import complaints as complaints_about_keys
    from neokernel.image.boot import signature_path
    from neokernel.image.keys import read_private

    data = read_file(path, "NK1701")
    private = None
    if key is not None:
        with complaints_about_keys():
            private = read_private(key)
    output = output or Path(f"{path.stem}.nkm")
    with complaints(path), progress_line() as say:
        from neokernel.model import bundle as bundles
        from neokernel.model import signed
        from neokernel.model.importer import import_model

        arrays = {each: array_of(Path(file)) for each, file in pairs(fixed, "--fix").items()}
        made = import_model(
            data,
            name or path.stem,
            version,
            dimensions=dimensions_of(dimensions),
            fixed=arrays,
            source=not no_source,
            serial=serial,
            say=say,
        )
        packed = bundles.pack(made)
        output.write_bytes(packed)
        if private is not None:
            signature_path(output).write_bytes(signed.sign(packed, private))
    if as_json:
        print_json({"bundle": str(output), **as_value(made, packed), "signed": private is not None, "exit": 0})
        return
    codes = ", ".join(f"{len(code.code):,} for {code.name}" for code in made.codes)
    click.echo(f"{shown(output)}: {made.name}, version {made.version}; {len(packed):,} bytes, of these code: {codes}")
    if private is not None:
        click.echo(f"{shown(signature_path(output))}: its signature")


# --- show -------------------------------------------------------------------------------------------------------------


def port_value(port: Port) -> dict[str, object]:
    return {
        "name": port.name,
        "type": port.type.element.value,
        "shape": list(port.type.shape),
        "bytes": port.type.size,
    }


def as_value(bundle: Bundle, data: bytes) -> dict[str, Any]:
    """A bundle as JSON."""
    import hashlib

    from neokernel.model.signed import HEADER_SIZE

    return {
        "name": bundle.name,
        "version": bundle.version,
        "serial": bundle.serial,
        "size": len(data),
        "digest": hashlib.sha512(data[HEADER_SIZE:]).hexdigest(),
        "inputs": [port_value(port) for port in bundle.inputs],
        "outputs": [port_value(port) for port in bundle.outputs],
        "multiply_adds": bundle.multiply_adds,
        "codes": [
            {
                "name": code.name,
                "code_bytes": len(code.code),
                "constant_bytes": len(code.constants),
                "arena_bytes": code.arena_size,
                "stack_bytes": code.stack,
                "stack_vectors": code.stack_vectors,
            }
            for code in bundle.codes
        ],
        "steps": [
            {"node": step.name, "operators": step.operators, "multiply_adds": step.multiply_adds}
            for step in bundle.steps
        ],
        "source_bytes": len(bundle.source),
        "sample_bytes": len(bundle.sample),
    }


@command.command()
@click.argument("path", metavar="MODEL.nkm", type=click.Path(path_type=Path))
@json_option
def show(path: Path, as_json: bool) -> None:
    """Show a bundle's inputs and outputs, what it computes, and what code, memory and work that is.

    arena: memory that it needs beside its inputs, outputs and constants. A multiply-add is a product that is added to a
    sum. stack: bytes that a call takes, and as many vector registers more, as large as the machine has them.
    """
    data = read_file(path, "NK1705")
    with complaints(path):
        from neokernel.model import bundle as bundles

        found = bundles.read(data)
    if as_json:
        print_json({**as_value(found, data), "exit": 0})
        return
    click.echo(f"{found.name}, version {found.version}: {len(data):,} bytes, {found.multiply_adds:,} multiply-adds")
    for title, ports in (("input", found.inputs), ("output", found.outputs)):
        for port in ports:
            click.echo(f"  {title:<7} {port.name}: {port.type}, {port.type.size:,} bytes")
    click.echo(f"\n{'':9}{'code':>12}{'constants':>12}{'arena':>12}{'stack':>12}")
    for code in found.codes:
        numbers = (len(code.code), len(code.constants), code.arena_size, code.stack)
        vectors = f" + {code.stack_vectors:,} vectors" if code.stack_vectors else ""
        click.echo(f"{code.name:<9}" + "".join(f"{number:>12,}" for number in numbers) + vectors)
    click.echo(f"\n{'multiply-adds':>15}  what")
    for step in found.steps:
        click.echo(f"{step.multiply_adds:>15,}  {step.operators}: {step.name}")


# --- run --------------------------------------------------------------------------------------------------------------


@command.command()
@click.argument("path", metavar="MODEL", type=click.Path(path_type=Path))
@click.option("--input", "inputs", multiple=True, metavar="[NAME=]FILE.npy", help="An input, as NumPy writes arrays.")
@click.option("-o", "--output", "outputs", multiple=True, metavar="NAME=FILE.npy", help="Write a result to a file.")
@click.option("--dimension", "dimensions", multiple=True, metavar="NAME=NUMBER", help="As for `import`; of ONNX alone.")
@json_option
def run(
    path: Path, inputs: tuple[str, ...], outputs: tuple[str, ...], dimensions: tuple[str, ...], as_json: bool
) -> None:
    """Run MODEL, a bundle or a model in ONNX, in this process, and show its results.

    The code is made for this machine, of the ONNX model, which a bundle holds too: it isn't the bundle's own code.
    """
    data = read_file(path, "NK1705" if path.suffix == ".nkm" else "NK1701")
    with complaints(path):
        import numpy as np

        from neokernel.model import bundle as bundles
        from neokernel.model.host import compiled
        from neokernel.model.passes import improve
        from neokernel.model.problem import escaped
        from neokernel.model.read import read
        from neokernel.model.signed import is_bundle

        if is_bundle(data) or path.suffix == ".nkm":
            source = bundles.read(data).source
            if not source:
                raise ToolError(
                    "NK1705", f"{path} holds no ONNX model to make code of", "import it without `--no-source`"
                )
            data = source
        graph = improve(read(data, dimensions=dimensions_of(dimensions)))
        given = list(inputs)
        if len(graph.inputs) == len(given) == 1 and "=" not in given[0]:
            given = [f"{graph.inputs[0].name}={given[0]}"]
        arrays = {name: array_of(Path(file)) for name, file in pairs(given, "--input").items()}
        targets = pairs(outputs, "--output")
        names = [tensor.name for tensor in graph.outputs]
        for name in targets.keys() - set(names):
            raise ToolError("NK1706", f"the model has no output {name!r}", f"it has: {escaped(', '.join(names))}")
        results = compiled(graph)(arrays)
        for name, file in targets.items():
            with Path(file).open("wb") as stream:
                np.save(stream, results[name])
    if as_json:
        values = [
            {"name": name, "type": str(array.dtype), "shape": list(array.shape), "data": finite(array)}
            for name, array in results.items()
        ]
        print_json({"outputs": values, "exit": 0})
        return
    for name, array in results.items():
        flat = array.reshape(-1)
        more = f" … ({flat.size:,} in all)" if flat.size > MOST_SHOWN else ""
        numbers = " ".join(f"{number:.6g}" if array.dtype.kind == "f" else str(number) for number in flat[:MOST_SHOWN])
        click.echo(f"{escaped(name)}: {array.dtype}{list(array.shape)}\n  {numbers}{more}")


def finite(array: Array) -> list[object]:
    """Elements for JSON, which has no infinity and no NaN: those are texts."""
    import math

    flat = array.reshape(-1).tolist()
    return [number if not isinstance(number, float) or math.isfinite(number) else str(number) for number in flat]
