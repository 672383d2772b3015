"""A graph as one module of LLVM's IR: a function for each node, and `infer`, which calls them in turn.

    void infer(const void *constants, void *arena, const void *const *inputs, void *const *outputs)

All memory is the caller's: constants and arena as large as `Emitted` says and aligned to 64 bytes, and a pointer to the
elements of each input and result, aligned to their size. The module calls nothing outside and has no data but constants
that LLVM makes: its code can be put anywhere.

Invariants: the same graph and machine give the same text; nodes' functions get memory that doesn't overlap with what
they write.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from neokernel.abi.model import MOST_MEMORY
from neokernel.model.code import Code, Constants, Machine, Operand
from neokernel.model.graph import Graph, Node, Tensor
from neokernel.model.plan import Plan, Spot, Where, plan, steps_of
from neokernel.model.problem import UNSUPPORTED, ModelError

ENTRY = "infer"
#: where the callers' pointers are
TABLES = {Where.INPUT: "%inputs", Where.OUTPUT: "%outputs"}
#: No call of memset or memcpy is made of a loop: there is nobody to be called. Frames are counted from the stack's
#: pointer, and described (uwtable): `machine.py` reads there how large they are.
ATTRIBUTES = """attributes #0 = { nounwind uwtable "no-builtins" "no-realign-stack" }
attributes #1 = { nounwind noinline norecurse uwtable "no-builtins" "no-realign-stack" }
"""


@dataclass(frozen=True, slots=True)
class Emitted:
    """The text, and what `infer` needs. `entry`: its name."""

    text: str
    entry: str
    constants: bytes
    plan: Plan


def emit(graph: Graph, machine: Machine, prefix: str = "") -> Emitted:
    """`prefix`: before all names, so that several models can be in one module."""
    constants = Constants()
    functions: list[str] = []
    intrinsics: set[str] = set()
    steps = steps_of(graph)
    works: list[int] = []
    for number, node in enumerate(steps):
        text, work, used = node_function(node, machine, constants, f"{prefix}node{number}")
        functions.append(text)
        works.append(work)
        intrinsics |= used
    planned = plan(graph, works)
    size = planned.arena_size + len(constants.data)
    if size > MOST_MEMORY:
        largest = max(planned.needs, key=lambda need: need.size)
        raise ModelError(
            UNSUPPORTED,
            f"the model needs {size} bytes of memory; the most, {largest.size}, for {printable(largest.name)}",
            f"supported: up to {MOST_MEMORY}",
        )
    text = "\n".join([*functions, infer_function(planned, prefix), *sorted(intrinsics), ATTRIBUTES])
    return Emitted(text, prefix + ENTRY, bytes(constants.data), planned)


def variables(node: Node) -> list[Tensor]:
    """The inputs that aren't constants, each once."""
    return list(dict.fromkeys(tensor for tensor in node.inputs if tensor.constant is None))


def node_function(node: Node, machine: Machine, constants: Constants, name: str) -> tuple[str, int, set[str]]:
    """The text of a node's function, the bytes of work space that it needs, and the intrinsics that it uses."""
    code = Code(machine, constants)
    given = {tensor: f"%in{index}" for index, tensor in enumerate(variables(node))}
    inputs = [Operand(code, tensor.type, given.get(tensor, ""), tensor.constant) for tensor in node.inputs]
    outputs = [Operand(code, tensor.type, f"%out{index}") for index, tensor in enumerate(node.outputs)]
    try:
        node.operation.emit(code, inputs, outputs)
    except ModelError as error:
        raise ModelError(error.code, f"{node.origin}: {error.message}", error.help) from None
    parameters = [
        *("ptr noalias readonly %constants", "ptr noalias %work"),
        *(f"ptr noalias readonly {pointer}" for pointer in given.values()),
        *(f"ptr noalias {operand.pointer}" for operand in outputs),
    ]
    head = f"define internal void @{name}({', '.join(parameters)}) #1 {{"
    return f"; {printable(node.origin)}\n{head}\n{code.text()}\n}}\n", code.work_size, code.intrinsics


def printable(text: str) -> str:
    """Names are the model's, and may hold anything."""
    return "".join(letter if " " <= letter <= "~" else "?" for letter in text)[:200]


def infer_function(planned: Plan, prefix: str) -> str:
    lines = [f"define void @{prefix}{ENTRY}(ptr %constants, ptr %arena, ptr %inputs, ptr %outputs) #0 {{"]
    pointers: dict[Spot, str] = {}

    def pointer(spot: Spot) -> str:
        if spot not in pointers:
            name = f"%p{len(pointers)}"
            if spot.where is Where.ARENA:
                lines.append(f"  {name} = getelementptr inbounds i8, ptr %arena, i64 {spot.number}")
            else:
                assert spot.where in TABLES, "constants have no pointer here: nodes' functions know their places"
                table = TABLES[spot.where]
                lines.append(f"  {name}a = getelementptr inbounds ptr, ptr {table}, i64 {spot.number}")
                lines.append(f"  {name} = load ptr, ptr {name}a")
            pointers[spot] = name
        return pointers[spot]

    for number, node in enumerate(planned.steps):
        tensors: Sequence[Tensor] = [*variables(node), *node.outputs]
        work = pointer(Spot(Where.ARENA, planned.work[number]))
        given = ["ptr %constants", f"ptr {work}", *(f"ptr {pointer(planned.spots[tensor])}" for tensor in tensors)]
        lines.append(f"  call void @{prefix}node{number}({', '.join(given)}) #1")
    return "\n".join([*lines, "  ret void", "}", ""])
