"""Models in this process, compiled just in time: for tests, and for `nk model run`.

Invariant: memory that compiled code gets is as large as the model says, aligned, and lives as long as the call.
"""

from __future__ import annotations

import ctypes
from collections.abc import Mapping, Sequence

import llvmlite.binding as binding
import numpy as np

from neokernel.compiler.jit import host_machine
from neokernel.model.code import ALIGNMENT, Machine
from neokernel.model.emit import Emitted, emit
from neokernel.model.graph import Array, Graph
from neokernel.model.problem import BAD_INPUT, ModelError

#: eight floats: what AVX2 has in one register. Machines with less take two
HOST = Machine("host", lanes=8, accumulators=8, unrolled=144)


def aligned(size: int) -> Array:
    """So many bytes, at a multiple of the alignment."""
    memory = np.zeros(size + ALIGNMENT, np.uint8)
    begin = -memory.ctypes.data % ALIGNMENT
    return memory[begin : begin + max(size, 1)]


class Library:
    """Models compiled together: that takes less time than one by one."""

    def __init__(self, models: Sequence[tuple[Graph, Emitted]], level: int = 2) -> None:
        texts = [emitted.text for _, emitted in models]
        module = binding.parse_assembly(_joined(texts))
        module.verify()
        machine = host_machine(level)
        tuning = binding.create_pipeline_tuning_options(speed_level=level)
        builder = binding.create_pass_builder(machine, tuning)
        builder.getModulePassManager().run(module, builder)
        self._engine = binding.create_mcjit_compiler(module, machine)
        self._engine.finalize_object()
        self.models = [
            HostModel(graph, emitted, int(self._engine.get_function_address(emitted.entry)), self)
            for graph, emitted in models
        ]


def _joined(texts: Sequence[str]) -> str:
    """Modules as one: what they declare alike, once."""
    seen: set[str] = set()
    lines = []
    for text in texts:
        for line in text.split("\n"):
            if line.startswith(("declare ", "attributes ")):
                if line in seen:
                    continue
                seen.add(line)
            lines.append(line)
    return "\n".join(lines)


class HostModel:
    """A model that can be called."""

    def __init__(self, graph: Graph, emitted: Emitted, address: int, library: Library) -> None:
        self.graph = graph
        self._library = library  # its code lives as long
        self._function = ctypes.CFUNCTYPE(None, *[ctypes.c_void_p] * 4)(address)
        self._constants = aligned(len(emitted.constants))
        self._constants[: len(emitted.constants)] = np.frombuffer(emitted.constants, np.uint8)
        self._arena = aligned(emitted.plan.arena_size)

    def __call__(self, inputs: Mapping[str, Array]) -> dict[str, Array]:
        """The results by name. Raises ModelError if the inputs aren't those that the model has."""
        names = {tensor.name for tensor in self.graph.inputs}
        for name in inputs.keys() - names:
            raise ModelError(BAD_INPUT, f"the model has no input {name!r}", f"it has: {', '.join(sorted(names))}")
        memories = []
        for tensor in self.graph.inputs:
            given = inputs.get(tensor.name)
            if given is None:
                raise ModelError(BAD_INPUT, f"input {tensor.name!r}, {tensor.type}, is missing")
            if given.dtype != tensor.type.element.dtype or given.shape != tensor.type.shape:
                shown = f"{given.dtype}[{', '.join(map(str, given.shape))}]"
                raise ModelError(BAD_INPUT, f"input {tensor.name!r} is {tensor.type}, and what is given is {shown}")
            memories.append(np.ascontiguousarray(given))
        results = [np.empty(tensor.type.shape, tensor.type.element.dtype) for tensor in self.graph.outputs]
        self._function(self._constants.ctypes.data, self._arena.ctypes.data, _table(memories), _table(results))
        return {tensor.name: result for tensor, result in zip(self.graph.outputs, results, strict=True)}


def _table(arrays: Sequence[Array]) -> ctypes.Array[ctypes.c_void_p]:
    return (ctypes.c_void_p * max(1, len(arrays)))(*(array.ctypes.data for array in arrays))


def compiled(graph: Graph, level: int = 2, machine: Machine = HOST) -> HostModel:
    """One model."""
    return Library([(graph, emit(graph, machine))], level).models[0]
