"""A model as the compiler sees it: operations on tensors of fixed shapes.

Invariants:
- `Graph.nodes` is in an order in which it can be computed: what a node reads is an input of the graph, a constant, or
  the result of an earlier node.
- A tensor is the result of one node at most; a constant is the result of none.
- Shapes have no dimension of 0 and none that is unknown; a scalar's is `()`. (While a model is read, there can be
  constants without elements, lists of axes or sizes: no node of a graph has one.)
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

if TYPE_CHECKING:
    from neokernel.model.code import Code, Operand

#: an array of any element type: what ONNX holds is checked, not typed
Array: TypeAlias = npt.NDArray[Any]


class ElementType(Enum):
    """What a tensor's elements are, by NumPy's name of it. A bool takes a byte, 0 or 1."""

    FLOAT32 = "float32"
    FLOAT64 = "float64"
    INT8 = "int8"
    INT16 = "int16"
    INT32 = "int32"
    INT64 = "int64"
    UINT8 = "uint8"
    UINT16 = "uint16"
    UINT32 = "uint32"
    UINT64 = "uint64"
    BOOL = "bool"

    @property
    def dtype(self) -> np.dtype[Any]:
        return np.dtype(self.value)

    @property
    def size(self) -> int:
        """Bytes."""
        return int(self.dtype.itemsize)

    @property
    def is_float(self) -> bool:
        return self in (ElementType.FLOAT32, ElementType.FLOAT64)

    @property
    def is_signed(self) -> bool:
        return str(self.dtype.kind) == "i"

    @property
    def limits(self) -> tuple[int, int]:
        """The least and the greatest integer of it."""
        if self is ElementType.BOOL:
            return 0, 1
        bits = 8 * self.size
        return (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if self.is_signed else (0, (1 << bits) - 1)


@dataclass(frozen=True, slots=True)
class TensorType:
    """Elements and shape. Tensors lie in memory in row-major order, without gaps."""

    element: ElementType
    shape: tuple[int, ...]

    @property
    def count(self) -> int:
        return math.prod(self.shape)

    @property
    def size(self) -> int:
        """Bytes."""
        return self.count * self.element.size

    def __str__(self) -> str:
        return f"{self.element.value}[{', '.join(map(str, self.shape))}]"


@dataclass(eq=False, slots=True)
class Tensor:
    """A value by its name; `constant` if it is known before the model runs."""

    name: str
    type: TensorType
    constant: Array | None = None

    def __repr__(self) -> str:
        return f"{self.name}: {self.type}{' (constant)' if self.constant is not None else ''}"


@dataclass(frozen=True)
class Operation(ABC):
    """How results are computed from inputs. Operations are values: what they depend on beside inputs is in them."""

    @abstractmethod
    def results(self, inputs: Sequence[TensorType]) -> list[TensorType]:
        """The types of the results. The inputs fit: who made the operation has looked."""

    @abstractmethod
    def emit(self, code: Code, inputs: Sequence[Operand], outputs: Sequence[Operand]) -> None:
        """Write the code that computes the results."""

    def evaluate(self, inputs: Sequence[Array]) -> list[Array] | None:
        """The results for constants, or None if they are left to the target's code.

        What is computed here must have the same bits on every host: copies, and the arithmetic of IEEE 754.
        """
        return None

    def multiply_adds(self, inputs: Sequence[TensorType]) -> int:
        """How many multiplications whose product is added to something."""
        return 0


@dataclass(frozen=True)
class View(Operation):
    """The same elements in the same order, in another shape: costs nothing, as the result has its input's place."""

    shape: tuple[int, ...]

    def results(self, inputs: Sequence[TensorType]) -> list[TensorType]:
        return [TensorType(inputs[0].element, self.shape)]

    def emit(self, code: Code, inputs: Sequence[Operand], outputs: Sequence[Operand]) -> None:
        raise AssertionError("a view has no code")

    def evaluate(self, inputs: Sequence[Array]) -> list[Array] | None:
        return [inputs[0].reshape(self.shape)]


@dataclass(eq=False, slots=True)
class Node:
    """One operation. `origin` says for people where it comes from: node and operator as the model names them."""

    operation: Operation
    inputs: list[Tensor]
    outputs: list[Tensor]
    origin: str
    operators: tuple[str, ...]


@dataclass(eq=False, slots=True)
class Graph:
    name: str
    inputs: list[Tensor]
    outputs: list[Tensor]
    nodes: list[Node] = field(default_factory=list)

    def uses(self) -> dict[Tensor, list[Node]]:
        """Who reads each tensor, once per input that it is. Being an output of the graph isn't among it."""
        found: dict[Tensor, list[Node]] = {}
        for node in self.nodes:
            for tensor in node.inputs:
                found.setdefault(tensor, []).append(node)
        return found

    def makers(self) -> dict[Tensor, Node]:
        return {tensor: node for node in self.nodes for tensor in node.outputs}

    @property
    def multiply_adds(self) -> int:
        return sum(node.operation.multiply_adds([tensor.type for tensor in node.inputs]) for node in self.nodes)


def row_major(shape: Sequence[int]) -> tuple[int, ...]:
    """The strides of a tensor without gaps, in elements."""
    strides: list[int] = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= size
    return tuple(reversed(strides))
