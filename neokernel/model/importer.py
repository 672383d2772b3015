"""From ONNX to a bundle: the way through, step by step."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence

from neokernel.abi.model import VECTORS
from neokernel.model.bundle import Bundle, Code, Port, Step
from neokernel.model.emit import emit
from neokernel.model.graph import Array, Graph
from neokernel.model.machine import SCALAR, VARIANTS, Variant, machine_code
from neokernel.model.passes import improve
from neokernel.model.plan import steps_of
from neokernel.model.problem import BAD_INPUT, ModelError
from neokernel.model.read import bound, read
from neokernel.model.sample import sample_of

#: names of models, as they stand in addresses of the Open Inference Protocol
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}")


def import_model(
    data: bytes,
    name: str,
    version: str = "1",
    *,
    dimensions: Mapping[str, int] | None = None,
    fixed: Mapping[str, Array] | None = None,
    source: bool = True,
    sample: bool = True,
    serial: int = 0,
    variants: Sequence[Variant] = VARIANTS,
    say: Callable[[str], None] = lambda _: None,
) -> Bundle:
    """Compile a model in ONNX for all kinds of machines. `source`: does the bundle keep the model, too?
    `sample`: does it have an example of what it computes, for who loads it to try? `serial`: of two bundles, the newer
    one has the higher one.

    Raises ModelError. `say` is told what is being done.
    """
    for what, text in (("name", name), ("version", version)):
        if not NAME.fullmatch(text):
            help = "1 to 63 letters, digits, `.`, `_` and `-`; the first one a letter or digit"
            raise ModelError(BAD_INPUT, f"{text!r} can't be a model's {what}", help)
    say("reading the model")
    kept = bound(data, dimensions or {}, fixed or {})
    graph = improve(read(kept))
    codes = []
    for variant in variants:
        say(f"compiling for {variant.name}")
        codes.append(code_for(graph, variant))
    inputs = tuple(Port(tensor.name, tensor.type) for tensor in graph.inputs)
    outputs = tuple(Port(tensor.name, tensor.type) for tensor in graph.outputs)
    tried = b""
    if sample:
        say("computing a sample")
        tried = sample_of(graph)
    return Bundle(
        name,
        version,
        inputs,
        outputs,
        tuple(codes),
        tuple(steps(graph)),
        kept if source else b"",
        tried,
        serial,
    )


def code_for(graph: Graph, variant: Variant) -> Code:
    emitted = emit(graph, variant.machine)
    blob = machine_code(emitted, variant)
    features = 0 if variant is SCALAR else VECTORS
    arena = emitted.plan.arena_size
    return Code(variant.name, features, blob.code, emitted.constants, arena, blob.stack, blob.stack_vectors)


def steps(graph: Graph) -> list[Step]:
    found = []
    for node in steps_of(graph):
        work = node.operation.multiply_adds([tensor.type for tensor in node.inputs])
        found.append(Step(printable(node.origin), printable(" + ".join(node.operators) or "copy"), work))
    return found


def printable(text: str) -> str:
    return "".join(letter if letter.isprintable() else "?" for letter in text) or "?"
