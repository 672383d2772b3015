"""A node of ONNX as the readers of operators see it: attributes and inputs, asked for by name, each with its checks.

Invariant: a reader has asked for every attribute that the node has; one that nobody asks for is an error, since it
would be left out silently.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn, TypeAlias

import numpy as np

from neokernel.model.graph import Array, ElementType, Operation, Tensor
from neokernel.model.problem import MISFIT, NOT_CONSTANT, UNSUPPORTED, ModelError


@dataclass(frozen=True, slots=True)
class Made:
    """What a node becomes: an operation and what it reads, in which constants may be new."""

    operation: Operation
    inputs: list[Tensor]


#: results that are known already
Known: TypeAlias = "list[Array]"


@dataclass(frozen=True, slots=True)
class Support:
    """An operator: the versions (the operator sets that changed it) that are understood, and who reads it."""

    versions: tuple[int, ...]
    read: Callable[[OnnxNode], Made | Known]
    #: what isn't, for the reference's table
    limits: str = ""


class OnnxNode:
    """A node whose inputs have been read. Inputs that are left out are None."""

    def __init__(
        self,
        operator: str,
        version: int,
        name: str,
        attributes: Mapping[str, Any],
        inputs: Sequence[Tensor | None],
        results: Sequence[str],
    ) -> None:
        self.operator = operator
        self.version = version
        self.name = name
        self.inputs = list(inputs)
        while self.inputs and self.inputs[-1] is None:
            self.inputs.pop()
        self.results = list(results)
        self._attributes = attributes
        self._asked: set[str] = set()

    @property
    def place(self) -> str:
        return f"node {self.name!r} ({self.operator}, version {self.version})"

    # --- complaints ---------------------------------------------------------------------------------------------------

    def refuse(self, message: str, help: str = "", code: str = MISFIT) -> NoReturn:
        raise ModelError(code, f"{self.place}: {message}", help)

    def unsupported(self, message: str, help: str = "") -> NoReturn:
        self.refuse(message, help, UNSUPPORTED)

    def finish(self) -> None:
        """All has been read: nothing may be left."""
        for name in self._attributes.keys() - self._asked:
            self.unsupported(f"attribute {name!r} isn't supported")

    # --- attributes ---------------------------------------------------------------------------------------------------

    def _attribute(self, name: str, kind: type, what: str, default: Any) -> Any:
        self._asked.add(name)
        found = self._attributes.get(name)
        if found is None:
            return default
        if not isinstance(found, kind):
            self.refuse(f"attribute {name!r} isn't {what}")
        return found

    def has(self, name: str) -> bool:
        return name in self._attributes

    def integer(self, name: str, default: int = 0) -> int:
        return int(self._attribute(name, int, "an integer", default))

    def decimal(self, name: str, default: float = 0.0) -> float:
        return float(self._attribute(name, float, "a float", default))

    def text(self, name: str, default: str = "") -> str:
        return str(self._attribute(name, str, "a text", default))

    def array(self, name: str) -> Array:
        """A tensor, which must be there."""
        found: Array | None = self._attribute(name, np.ndarray, "a tensor", None)
        if found is None:
            self.refuse(f"attribute {name!r} is missing")
        return found

    def integers(self, name: str, default: Sequence[int] | None = None, count: int | None = None) -> list[int]:
        found = self._attribute(name, list, "a list of integers", default)
        if found is None:
            self.refuse(f"attribute {name!r} is missing")
        if not all(isinstance(each, int) for each in found):
            self.refuse(f"attribute {name!r} isn't a list of integers")
        if count is not None and len(found) != count:
            self.refuse(f"attribute {name!r} has {len(found)} numbers; {count} are needed")
        return [int(each) for each in found]

    def decimals(self, name: str) -> list[float]:
        found = self._attribute(name, list, "a list of floats", [])
        if not all(isinstance(each, float) for each in found):
            self.refuse(f"attribute {name!r} isn't a list of floats")
        return [float(each) for each in found]

    # --- inputs -------------------------------------------------------------------------------------------------------

    def input(self, index: int) -> Tensor:
        found = self.optional(index)
        if found is None:
            self.refuse(f"input {index + 1} is missing")
        return found

    def optional(self, index: int) -> Tensor | None:
        found = self._given(index)
        if found is not None and found.type.count == 0:
            self.unsupported(f"input {found!r} has no elements", "as lists of axes or sizes alone, such can be")
        return found

    def _given(self, index: int) -> Tensor | None:
        return self.inputs[index] if index < len(self.inputs) else None

    def at_most(self, count: int) -> None:
        if len(self.inputs) > count:
            self.refuse(f"{len(self.inputs)} inputs; there can be {count}")

    def constant(self, index: int, what: str) -> Array | None:
        """The value of an input that decides how code is made; None if it is left out. It may have no elements."""
        tensor = self._given(index)
        if tensor is None:
            return None
        if tensor.constant is None:
            self.refuse(
                f"{what} (input {tensor.name!r}) isn't known before the model runs",
                f"make it a constant, or import with `--fix {tensor.name}=FILE.npy`",
                NOT_CONSTANT,
            )
        return tensor.constant

    def constant_integers(self, index: int, what: str) -> list[int] | None:
        found = self.constant(index, what)
        if found is None:
            return None
        if found.dtype.kind not in "iu" or found.ndim > 1:
            self.refuse(f"{what} isn't a list of integers")
        return [int(each) for each in found.reshape(-1)]

    def of_type(self, tensor: Tensor, *allowed: ElementType) -> Tensor:
        if tensor.type.element not in allowed:
            names = ", ".join(element.value for element in allowed)
            self.unsupported(f"{tensor.name!r} has elements of type {tensor.type.element.value}", f"supported: {names}")
        return tensor

    def same_type(self, tensors: Sequence[Tensor]) -> ElementType:
        element = tensors[0].type.element
        for tensor in tensors:
            if tensor.type.element is not element:
                self.refuse(f"inputs of different types: {tensors[0]!r}, {tensor!r}")
        return element

    def axis(self, number: int, rank: int, what: str = "axis") -> int:
        """An axis that may be counted from the end."""
        if not -rank <= number < rank:
            self.refuse(f"{what} {number} of a tensor with {rank} dimensions")
        return number % rank

    def axes(self, numbers: Sequence[int], rank: int) -> list[int]:
        found = [self.axis(number, rank) for number in numbers]
        if len(set(found)) < len(found):
            self.refuse(f"axes {list(numbers)} name one twice")
        return found

    def broadcast(self, tensors: Sequence[Tensor]) -> tuple[int, ...]:
        """The shape that inputs are repeated to."""
        try:
            return tuple(np.broadcast_shapes(*(tensor.type.shape for tensor in tensors)))
        except ValueError:
            self.refuse(f"shapes that don't fit: {', '.join(str(list(tensor.type.shape)) for tensor in tensors)}")
