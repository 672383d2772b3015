"""An example of what a model computes, for its bundle: inputs, and the outputs that belong to them.

Who loads a model tries it with that before anybody depends on it. Inputs are made by arithmetic on integers, and
outputs by code that is shaped like that for machines without vectors; so the same model has the same sample everywhere.
Code of another shape may sum up in another order: who compares floats has to allow for that.
"""

from __future__ import annotations

import numpy as np

from neokernel.abi.model import SAMPLE_ALIGNMENT
from neokernel.model.graph import Array, ElementType, Graph, Tensor
from neokernel.model.host import compiled
from neokernel.model.machine import SCALAR

#: bytes of the tensors
MOST_SAMPLE = 1 << 20
#: inputs of integers are less than this: as indices or counts, they stay small
MOST = {ElementType.UINT8: 256, ElementType.INT8: 128}
MOST_ELSEWHERE = 4
#: of a generator of Knuth's (MMIX), whose upper bits are taken
FACTOR, SUM, MASK = 6364136223846793005, 1442695040888963407, (1 << 64) - 1


def sample_of(graph: Graph) -> bytes:
    """Inputs, then outputs, each at the next multiple of SAMPLE_ALIGNMENT. Nothing, if that were more than MOST_SAMPLE:
    a bundle isn't to be mostly example."""
    if sum(tensor.type.size for tensor in (*graph.inputs, *graph.outputs)) > MOST_SAMPLE:
        return b""
    inputs = {tensor.name: example(tensor, seed) for seed, tensor in enumerate(graph.inputs)}
    results = compiled(graph, machine=SCALAR.machine)(inputs)
    arrays = [*(inputs[tensor.name] for tensor in graph.inputs), *(results[tensor.name] for tensor in graph.outputs)]
    memory = bytearray()
    for array in arrays:
        memory += array.tobytes()
        memory += bytes(-len(memory) % SAMPLE_ALIGNMENT)
    return bytes(memory)


def example(tensor: Tensor, seed: int) -> Array:
    """Numbers from 0 to 1 of floats, small ones of integers."""
    kind = tensor.type.element
    size = int(np.prod(tensor.type.shape, dtype=np.int64))
    drawn = np.empty(size, np.uint32)
    state = seed + 1
    for place in range(size):
        state = (state * FACTOR + SUM) & MASK
        drawn[place] = state >> 40
    numbers: Array
    if kind.dtype.kind == "f":
        numbers = drawn / np.float64(1 << 24)
    elif kind.dtype.kind == "b":
        numbers = drawn % 2
    else:
        numbers = drawn % MOST.get(kind, MOST_ELSEWHERE)
    return numbers.astype(kind.dtype).reshape(tensor.type.shape)
