"""Bundles of models (`abi/model.py` has the layout): made and read.

Invariants: the same model gives the same bytes; `read` of what `pack` made gives the same bundle; bytes that are no
bundle raise `ModelError`, and what `read` gives lies inside the bytes, on pages of its own.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from neokernel import lang
from neokernel.abi import model as layout
from neokernel.abi.kinds import PAGE_SIZE
from neokernel.lang.wire import wire_over
from neokernel.model.graph import ElementType, TensorType
from neokernel.model.problem import MISFIT, ModelError
from neokernel.model.signed import HEADER_SIZE, header_of, wrong

PORT_SIZE, DIMENSION_SIZE, CODE_SIZE, STEP_SIZE = (
    int(lang.size_of(kind)) for kind in (layout.Port, layout.Dimension, layout.Code, layout.Step)
)

ELEMENTS: dict[ElementType, int] = {
    ElementType.FLOAT32: layout.FLOAT32,
    ElementType.UINT8: layout.UINT8,
    ElementType.INT8: layout.INT8,
    ElementType.UINT16: layout.UINT16,
    ElementType.INT16: layout.INT16,
    ElementType.INT32: layout.INT32,
    ElementType.INT64: layout.INT64,
    ElementType.BOOL: layout.BOOL,
    ElementType.FLOAT64: layout.FLOAT64,
    ElementType.UINT32: layout.UINT32,
    ElementType.UINT64: layout.UINT64,
}
NUMBERED = {number: element for element, number in ELEMENTS.items()}


@dataclass(frozen=True, slots=True)
class Port:
    name: str
    type: TensorType


@dataclass(frozen=True, slots=True)
class Code:
    """The model for one kind of machine. `features`: what it must have; `stack_vectors`: vector registers' worth of
    stack, beside `stack` bytes (`abi/model.py`)."""

    name: str
    features: int
    code: bytes
    constants: bytes
    arena_size: int
    stack: int
    stack_vectors: int = 0


@dataclass(frozen=True, slots=True)
class Step:
    name: str
    operators: str
    multiply_adds: int


@dataclass(frozen=True, slots=True)
class Bundle:
    """`source`: the model in ONNX, or nothing; `sample`: inputs, and the outputs that belong to them, or nothing
    (`sample.py`). `serial`: of two bundles, the newer one has the higher one."""

    name: str
    version: str
    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    codes: tuple[Code, ...]
    steps: tuple[Step, ...]
    source: bytes = b""
    sample: bytes = b""
    serial: int = 0

    @property
    def multiply_adds(self) -> int:
        return sum(step.multiply_adds for step in self.steps)

    @property
    def complaint(self) -> str:
        """What keeps it from being a bundle that can be loaded, if anything does."""
        for what, count, least, most in (
            ("inputs", len(self.inputs), 0, layout.MOST_PORTS),
            ("outputs", len(self.outputs), 1, layout.MOST_PORTS),
            ("codes", len(self.codes), 1, layout.MOST_CODES),
            ("steps", len(self.steps), 0, layout.MOST_STEPS),
            ("multiply-adds", self.multiply_adds, 0, MOST_U64),
        ):
            if not least <= count <= most:
                return f"it has {count} {what}; there can be {least} to {most}"
        if not 0 <= self.serial <= MOST_U64:
            return f"its serial is {self.serial}: 0 to {MOST_U64} can be"
        if self.sample and len(self.sample) != sample_bytes((*self.inputs, *self.outputs)):
            return f"its sample has {len(self.sample)} bytes, which its inputs and outputs haven't"
        before = -1
        for code in self.codes:
            if not code.code:
                return f"the code for {code.name} is empty"
            if code.features & ~layout.VECTORS:
                return f"code for {code.name}, which needs unknown features: {code.features:#x}"
            if code.features <= before:
                return f"code for {code.name} after that for machines that have as much, or more"
            before = code.features
            for what, size, most in (
                ("bytes of memory", code.arena_size + len(code.constants), layout.MOST_MEMORY),
                ("bytes of stack", code.stack, layout.MOST_STACK),
                ("vector registers of stack", code.stack_vectors, layout.MOST_STACK_VECTORS),
            ):
                if size > most:
                    return f"the code for {code.name} needs {size} {what}; there can be {most}"
        return ""


def sample_bytes(ports: Sequence[Port]) -> int:
    """Of all of these together, each with what lies behind it up to SAMPLE_ALIGNMENT."""
    return sum(-(-port.type.size // layout.SAMPLE_ALIGNMENT) * layout.SAMPLE_ALIGNMENT for port in ports)


#: the greatest number that a field holds
MOST_U64 = (1 << 64) - 1

# --- making -----------------------------------------------------------------------------------------------------------


def pack(bundle: Bundle) -> bytes:
    if bundle.complaint:
        raise ModelError(MISFIT, f"no bundle can be made: {bundle.complaint}", "split the model, or make it smaller")
    ports = [*bundle.inputs, *bundle.outputs]
    sizes = HEADER_SIZE + len(ports) * PORT_SIZE
    dimensions = sum(len(port.type.shape) for port in ports)
    codes = sizes + dimensions * DIMENSION_SIZE
    steps = codes + len(bundle.codes) * CODE_SIZE
    memory = bytearray(steps + len(bundle.steps) * STEP_SIZE)
    places: dict[bytes, int] = {}

    def put(content: bytes) -> int:
        """On pages of its own; equal contents once."""
        if content not in places:
            memory.extend(bytes(-len(memory) % PAGE_SIZE))
            places[content] = len(memory)
            memory.extend(content)
        return places[content]

    placed = [(put(code.code), put(code.constants)) for code in bundle.codes]
    sample = put(bundle.sample) if bundle.sample else 0
    source = put(bundle.source) if bundle.source else 0
    memory.extend(bytes(-len(memory) % PAGE_SIZE))
    first = 0
    for index, port in enumerate(ports):
        _write_port(memory, HEADER_SIZE + index * PORT_SIZE, port, sizes, first)
        first += len(port.type.shape)
    for index, (code, (at, constants)) in enumerate(zip(bundle.codes, placed, strict=True)):
        record = wire_over(layout.Code, memory, codes + index * CODE_SIZE)
        _write_text(record.name, code.name, layout.NAME_SIZE, "a kind of machine")
        record.features, record.code, record.code_size = code.features, at, len(code.code)
        record.constants, record.constants_size = constants, len(code.constants)
        record.arena_size, record.stack, record.stack_vectors = code.arena_size, code.stack, code.stack_vectors
    for index, step in enumerate(bundle.steps):
        line = wire_over(layout.Step, memory, steps + index * STEP_SIZE)
        _write_text(line.name, shortened(step.name), layout.STEP_NAME_SIZE, "a node")
        _write_text(line.operators, shortened(step.operators), layout.STEP_NAME_SIZE, "operators")
        line.multiply_adds = step.multiply_adds
    header = wire_over(layout.Header, memory)
    header.magic, header.version, header.size = layout.MAGIC, layout.VERSION, len(memory)
    header.inputs, header.outputs = len(bundle.inputs), len(bundle.outputs)
    header.codes, header.steps, header.dimensions = len(bundle.codes), len(bundle.steps), dimensions
    header.source, header.source_size = source, len(bundle.source)
    header.sample, header.sample_size = sample, len(bundle.sample)
    header.multiply_adds = bundle.multiply_adds
    header.serial = bundle.serial
    _write_text(header.name, bundle.name, layout.NAME_SIZE, "the model")
    _write_text(header.model_version, bundle.version, layout.NAME_SIZE, "the version")
    for index, byte in enumerate(hashlib.sha512(memory[HEADER_SIZE:]).digest()):
        header.contents[index] = byte
    return bytes(memory)


def shortened(name: str) -> str:
    """What is only for people to read, cut to its room."""
    data = name.encode()
    return (
        name if len(data) <= layout.STEP_NAME_SIZE else data[: layout.STEP_NAME_SIZE - 3].decode(errors="ignore") + "…"
    )


def _write_text(field: Any, text: str, size: int, what: str) -> None:
    data = text.encode()
    if not data or len(data) > size or b"\0" in data:
        raise ModelError(MISFIT, f"{what} is called {text[:80]!r}: 1 to {size} bytes are needed", "rename it")
    if not text.isprintable():
        raise ModelError(MISFIT, f"{what} is called {text[:80]!r}, which can't be printed", "rename it")
    for index, byte in enumerate(data):
        field[index] = byte


def _write_port(memory: bytearray, at: int, port: Port, sizes: int, first: int) -> None:
    """`sizes`: where the table of dimensions begins; `first`: the number of the port's first one."""
    record = wire_over(layout.Port, memory, at)
    _write_text(record.name, port.name, layout.PORT_NAME_SIZE, "an input or output")
    record.element, record.rank, record.size = ELEMENTS[port.type.element], len(port.type.shape), port.type.size
    record.first_dimension = first
    for axis, size in enumerate(port.type.shape):
        wire_over(layout.Dimension, memory, sizes + (first + axis) * DIMENSION_SIZE).size = size


# --- reading ----------------------------------------------------------------------------------------------------------


def read(data: bytes) -> Bundle:
    """A bundle, checked."""
    header = header_of(data)
    inputs, outputs, codes, steps = (int(n) for n in (header.inputs, header.outputs, header.codes, header.steps))
    if max(inputs, outputs) > layout.MOST_PORTS or codes > layout.MOST_CODES or steps > layout.MOST_STEPS:
        wrong(f"{inputs} inputs, {outputs} outputs, {codes} codes, {steps} steps are too many")
    dimensions = int(header.dimensions)
    sizes = HEADER_SIZE + (inputs + outputs) * PORT_SIZE
    first_code = sizes + dimensions * DIMENSION_SIZE
    first_step = first_code + codes * CODE_SIZE
    end = first_step + steps * STEP_SIZE
    if end > len(data):  # and so are the numbers that memory is asked for by
        wrong("its tables are longer than it is")
    memory = bytearray(data[:end])
    ports = [_port(memory, HEADER_SIZE + index * PORT_SIZE, sizes, dimensions) for index in range(inputs + outputs)]
    bundle = Bundle(
        _text(header.name, "its name"),
        _text(header.model_version, "its version"),
        tuple(ports[:inputs]),
        tuple(ports[inputs:]),
        tuple(_code(data, memory, first_code + index * CODE_SIZE, end) for index in range(codes)),
        tuple(_step(memory, first_step + index * STEP_SIZE) for index in range(steps)),
        _part(data, int(header.source), int(header.source_size), end, "its source") if header.source_size else b"",
        _part(data, int(header.sample), int(header.sample_size), end, "its sample") if header.sample_size else b"",
        int(header.serial),
    )
    for kind in (bundle.inputs, bundle.outputs):
        if len({port.name for port in kind}) < len(kind):
            wrong("two of its inputs or outputs have the same name")
    if bundle.complaint:
        wrong(bundle.complaint)
    if pack(bundle) != data:
        wrong("it isn't laid out as a bundle is")
    return bundle


def _text(field: Any, what: str) -> str:
    data = bytes(field).rstrip(b"\0")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        wrong(f"{what} isn't UTF-8")
    if not text or not text.isprintable():
        wrong(f"{what} isn't printable")
    return text


def _port(memory: bytearray, at: int, sizes: int, dimensions: int) -> Port:
    record = wire_over(layout.Port, memory, at)
    rank, first, element = int(record.rank), int(record.first_dimension), NUMBERED.get(int(record.element))
    if element is None or rank > layout.MOST_DIMENSIONS or first + rank > dimensions:
        wrong("an input or output has no type that there is")
    places = range(sizes + first * DIMENSION_SIZE, sizes + (first + rank) * DIMENSION_SIZE, DIMENSION_SIZE)
    type_ = TensorType(element, tuple(int(wire_over(layout.Dimension, memory, place).size) for place in places))
    if min(type_.shape, default=1) < 1 or type_.size != int(record.size):
        wrong("an input or output has a wrong size")
    return Port(_text(record.name, "the name of an input or output"), type_)


def _code(data: bytes, memory: bytearray, at: int, tables: int) -> Code:
    record = wire_over(layout.Code, memory, at)
    name = _text(record.name, "a kind of machine")
    code = _part(data, int(record.code), int(record.code_size), tables, f"code for {name}")
    constants = _part(data, int(record.constants), int(record.constants_size), tables, f"constants for {name}")
    arena, stack, vectors = int(record.arena_size), int(record.stack), int(record.stack_vectors)
    return Code(name, int(record.features), code, constants, arena, stack, vectors)


def _step(memory: bytearray, at: int) -> Step:
    record = wire_over(layout.Step, memory, at)
    return Step(_text(record.name, "a step"), _text(record.operators, "a step"), int(record.multiply_adds))


def _part(data: bytes, at: int, size: int, tables: int, what: str) -> bytes:
    if at % PAGE_SIZE or at < tables or at > len(data) or size > len(data) - at:
        wrong(f"{what} isn't where it says")
    return data[at : at + size]
