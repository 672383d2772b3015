"""Where each tensor lies while a model runs: decided when it is compiled.

What a node computes lies in the arena from the node that makes it to the last one that reads it; the result of a view
is its input's memory. Inputs and results of the model lie where the caller says.

Invariant: of two tensors that are needed at the same time, no byte is shared (`overlaps` finds any that is).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import Enum

from neokernel.model.code import ALIGNMENT
from neokernel.model.graph import Graph, Node, Tensor, View


class Where(Enum):
    """Whose memory it is."""

    INPUT = "input"
    OUTPUT = "output"
    ARENA = "arena"
    CONSTANT = "constant"


@dataclass(frozen=True, slots=True)
class Spot:
    """A place: the number of the model's input or result, or the offset in the arena."""

    where: Where
    number: int = 0


@dataclass(frozen=True, slots=True)
class Need:
    """Memory for a while: `size` bytes from step `first` to step `last`, both included. `name` is for people."""

    name: str
    size: int
    first: int
    last: int

    def meets(self, other: Need) -> bool:
        return self.first <= other.last and other.first <= self.last


@dataclass(slots=True)
class Plan:
    """`steps`: the nodes that have code, in order. `work`: by step, the offset of the node's own space in the arena."""

    steps: list[Node]
    spots: dict[Tensor, Spot] = field(default_factory=dict)
    work: list[int] = field(default_factory=list)
    arena_size: int = 0
    #: what lies in the arena, and where
    needs: list[Need] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)


def root_of(tensor: Tensor, makers: Mapping[Tensor, Node]) -> Tensor:
    """The tensor whose memory it is."""
    while (node := makers.get(tensor)) is not None and isinstance(node.operation, View):
        tensor = node.inputs[0]
    return tensor


def steps_of(graph: Graph) -> list[Node]:
    return [node for node in graph.nodes if not isinstance(node.operation, View)]


def plan(graph: Graph, work_sizes: Sequence[int]) -> Plan:
    """`work_sizes`: by step, the bytes that the node needs for itself."""
    makers = graph.makers()
    made = Plan(steps_of(graph))
    outputs = {root_of(tensor, makers): number for number, tensor in enumerate(graph.outputs)}
    inputs = {tensor: number for number, tensor in enumerate(graph.inputs)}
    last: dict[Tensor, int] = {}
    for step, node in enumerate(made.steps):
        for tensor in node.inputs:
            last[root_of(tensor, makers)] = step
    owners: list[Tensor | int] = []
    for step, (node, work) in enumerate(zip(made.steps, work_sizes, strict=True)):
        for tensor in node.outputs:
            if tensor not in outputs:
                made.needs.append(Need(tensor.name, tensor.type.size, step, last.get(tensor, step)))
                owners.append(tensor)
        if work:
            made.needs.append(Need(f"work of {node.origin}", work, step, step))
            owners.append(step)
    made.offsets = place(made.needs)
    made.arena_size = max((at + need.size for at, need in zip(made.offsets, made.needs, strict=True)), default=0)
    made.work = [0] * len(made.steps)
    in_arena: dict[Tensor, int] = {}
    for owner, offset in zip(owners, made.offsets, strict=True):
        if isinstance(owner, Tensor):
            in_arena[owner] = offset
        else:
            made.work[owner] = offset
    for tensor in [*graph.inputs, *(each for node in graph.nodes for each in (*node.inputs, *node.outputs))]:
        root = root_of(tensor, makers)
        if root.constant is not None:
            spot = Spot(Where.CONSTANT)
        elif root in inputs:
            spot = Spot(Where.INPUT, inputs[root])
        elif root in outputs:
            spot = Spot(Where.OUTPUT, outputs[root])
        else:
            spot = Spot(Where.ARENA, in_arena[root])
        made.spots[tensor] = spot
    return made


def place(needs: Sequence[Need]) -> list[int]:
    """An offset for each: the largest first, each as low as those allow that are needed at the same time."""
    offsets = [0] * len(needs)
    placed: list[int] = []
    for index in sorted(range(len(needs)), key=lambda index: (-needs[index].size, needs[index].first, index)):
        need = needs[index]
        at = 0
        for other in sorted((each for each in placed if needs[each].meets(need)), key=lambda each: offsets[each]):
            if offsets[other] - at >= need.size:
                break
            end = offsets[other] + needs[other].size
            at = max(at, -(-end // ALIGNMENT) * ALIGNMENT)
        offsets[index] = at
        placed.append(index)
    return offsets


def overlaps(needs: Sequence[Need], offsets: Sequence[int]) -> list[tuple[Need, Need]]:
    """Those that are needed at the same time and share a byte: there must be none."""
    found = []
    spans = list(zip(needs, offsets, strict=True))
    for index, (one, at) in enumerate(spans):
        for other, there in spans[:index]:
            if one.meets(other) and at < there + other.size and there < at + one.size:
                found.append((one, other))
    return found
