"""Reading ONNX: a file's bytes become a graph, checked, with all that is constant computed.

Invariant: bytes that aren't a model that can be compiled raise `ModelError`; the graph's shapes and types are those
that the operators give, and what the model says of its results agrees with them.

Not supported: dimensions that nobody gives a number, control flow, functions of the model's own, other domains than
ONNX's, and weights in files of their own.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError

from neokernel.model.graph import Array, ElementType, Graph, Node, Tensor, TensorType, View
from neokernel.model.onnx_node import OnnxNode
from neokernel.model.operators.registry import OPERATORS
from neokernel.model.problem import BAD_INPUT, MISFIT, NOT_CONSTANT, UNREADABLE, UNSUPPORTED, ModelError

#: protobuf's own limit
MOST_BYTES = (1 << 31) - 1
#: elements of one tensor
MOST_ELEMENTS = 1 << 28
#: bytes of all constants that are computed here: so many, and so many more for each of the file's, which weights take
#: that are converted or moved. Beyond, such as with a small one repeated again and again, the model computes them.
MOST_FOLDED, FOLDED_PER_BYTE = 1 << 26, 16
#: dimensions of one
MOST_DIMENSIONS = 8
#: names of the domain whose operators these are
DOMAINS = ("", "ai.onnx")


def read(
    data: bytes, *, dimensions: Mapping[str, int] | None = None, fixed: Mapping[str, Array] | None = None
) -> Graph:
    """The graph of an ONNX file.

    `dimensions`: numbers for the dimensions that the model only names. `fixed`: inputs that are made constants.
    """
    model = parsed(data)
    with unreadable("the model can't be read"):
        return _Reader(model, dimensions or {}, fixed or {}).graph()


def bound(data: bytes, dimensions: Mapping[str, int], fixed: Mapping[str, Array]) -> bytes:
    """The same model in ONNX with these dimensions and inputs put in, so that `read` needs none."""
    model = parsed(data)
    if not dimensions and not fixed:
        return data
    with unreadable("the model can't be read"):
        _Reader(model, dimensions, fixed).graph()  # complains, if there is anything to complain of
        kept = [each for each in model.graph.input if each.name not in fixed]
        del model.graph.input[:]
        model.graph.input.extend(kept)
        for each in model.graph.input:
            for dimension in each.type.tensor_type.shape.dim:
                if dimension.dim_param in dimensions:
                    dimension.dim_value = dimensions[dimension.dim_param]
        others = [each for each in model.graph.initializer if each.name not in fixed]
        del model.graph.initializer[:]
        model.graph.initializer.extend(others)
        for name, array in fixed.items():
            model.graph.initializer.append(onnx.numpy_helper.from_array(array, name))
        return bytes(model.SerializeToString(deterministic=True))


def parsed(data: bytes) -> onnx.ModelProto:
    if len(data) > MOST_BYTES:
        raise ModelError(UNREADABLE, f"the file has {len(data)} bytes; a model in ONNX has {MOST_BYTES} at most")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except (DecodeError, ValueError, RecursionError) as error:
        raise ModelError(UNREADABLE, "the file is no model in ONNX, or a damaged one", "export it again") from error
    if not model.HasField("graph") or not model.opset_import:
        raise ModelError(UNREADABLE, "the file is no model in ONNX: it has no graph, or no version", "export it again")
    return model


@contextlib.contextmanager
def unreadable(what: str) -> Iterator[None]:
    """What the library finds wrong with a file, as an error of ours."""
    try:
        yield
    except (
        ValueError,
        TypeError,
        OverflowError,
        KeyError,
        MemoryError,
        UnicodeDecodeError,
        onnx.checker.ValidationError,
    ) as error:
        first = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise ModelError(UNREADABLE, f"{what}: {first}", "export it again") from error


class _Reader:
    """One model on its way to a graph."""

    def __init__(self, model: onnx.ModelProto, dimensions: Mapping[str, int], fixed: Mapping[str, Array]) -> None:
        self.model = model
        self.proto = model.graph
        self.dimensions = dimensions
        self.fixed = fixed
        self.version = self._version()
        self.tensors: dict[str, Tensor] = {}
        self.nodes: list[Node] = []
        #: bytes left for constants that are computed
        self.room = MOST_FOLDED + FOLDED_PER_BYTE * model.ByteSize()

    def _version(self) -> int:
        found = [each.version for each in self.model.opset_import if each.domain in DOMAINS]
        newest = onnx.defs.onnx_opset_version()
        if len(found) != 1:
            raise ModelError(UNREADABLE, "the model doesn't say which version of ONNX's operators it uses")
        if not 1 <= found[0] <= newest:
            help = "convert it with `onnx.version_converter`"
            raise ModelError(
                UNSUPPORTED, f"the model uses version {found[0]} of the operators; up to {newest} is known", help
            )
        return int(found[0])

    def graph(self) -> Graph:
        self._constants()
        inputs = self._inputs()
        for proto in self.proto.node:
            self._node(proto)
        outputs = [self._output(proto) for proto in self.proto.output]
        if not outputs:
            raise ModelError(MISFIT, "the model has no outputs")
        if len({tensor.name for tensor in outputs}) < len(outputs):
            raise ModelError(MISFIT, "the model names an output twice")
        return Graph(self.proto.name, inputs, outputs, self.nodes)

    # --- tensors ------------------------------------------------------------------------------------------------------

    def _constants(self) -> None:
        if self.proto.sparse_initializer:
            raise ModelError(UNSUPPORTED, "the model has sparse constants", "store them densely")
        for proto in self.proto.initializer:
            self._add(constant_tensor(proto.name, tensor_of(proto, f"constant {proto.name!r}")))

    def _inputs(self) -> list[Tensor]:
        found: list[Tensor] = []
        names = {proto.name for proto in self.proto.input}
        for name in self.fixed.keys() - names:
            raise ModelError(BAD_INPUT, f"the model has no input {name!r} to be fixed", f"it has: {listed(names)}")
        used = {each.dim_param for proto in self.proto.input for each in proto.type.tensor_type.shape.dim}
        for name in self.dimensions.keys() - used:
            raise ModelError(BAD_INPUT, f"no input has a dimension {name!r}", f"there are: {listed(used - {''})}")
        for proto in self.proto.input:
            known = self.tensors.get(proto.name)
            if known is not None and proto.name not in self.fixed:
                continue  # one that has a value already: before version 4 of the format, all constants were inputs
            self.tensors.pop(proto.name, None)
            array = self.fixed.get(proto.name)
            type_ = self._type_of(proto, f"input {proto.name!r}", empty=array is not None)
            if array is None:
                tensor = Tensor(proto.name, type_)
                found.append(tensor)
            else:
                if array.dtype != type_.element.dtype or array.shape != type_.shape:
                    given = f"{array.dtype}{list(array.shape)}"
                    raise ModelError(BAD_INPUT, f"input {proto.name!r} is {type_}, and is to be fixed to {given}")
                tensor = constant_tensor(proto.name, array)
            self._add(tensor)
        return found

    def _type_of(self, proto: onnx.ValueInfoProto, what: str, *, empty: bool = False) -> TensorType:
        """`empty`: may it have no elements?"""
        if not proto.type.HasField("tensor_type"):
            raise ModelError(UNSUPPORTED, f"{what} isn't a tensor", "supported: tensors")
        of = proto.type.tensor_type
        if not of.HasField("shape"):
            raise ModelError(NOT_CONSTANT, f"{what} has no shape", "export the model with fixed shapes")
        shape = []
        for axis, dimension in enumerate(of.shape.dim):
            size = int(dimension.dim_value)
            if not dimension.HasField("dim_value"):
                name = dimension.dim_param
                if name not in self.dimensions:
                    help = f"say what it is: `--dimension {name}=1`" if name else "export the model with fixed shapes"
                    named = f"dimension {axis} ({name!r})" if name else f"dimension {axis}"
                    raise ModelError(NOT_CONSTANT, f"{what}: {named} has no number", help)
                size = self.dimensions[name]
            shape.append(size)
        element = element_of(of.elem_type, what)
        return TensorType(element, tuple(shape)) if empty else checked_type(element, tuple(shape), what)

    def _add(self, tensor: Tensor) -> None:
        if not tensor.name or tensor.name in self.tensors:
            raise ModelError(MISFIT, f"two values have the name {tensor.name!r}")
        self.tensors[tensor.name] = tensor

    def _output(self, proto: onnx.ValueInfoProto) -> Tensor:
        tensor = self.tensors.get(proto.name)
        if tensor is None:
            raise ModelError(MISFIT, f"output {proto.name!r} is computed by no node")
        said = proto.type.tensor_type
        checked_type(tensor.type.element, tensor.type.shape, f"output {proto.name!r}")
        if proto.type.HasField("tensor_type"):
            if element_of(said.elem_type, f"output {proto.name!r}") is not tensor.type.element:
                raise ModelError(MISFIT, f"output {proto.name!r} is {tensor.type}, and the model says another type")
            if said.HasField("shape"):
                sizes = [int(each.dim_value) if each.HasField("dim_value") else None for each in said.shape.dim]
                if len(sizes) != len(tensor.type.shape) or any(
                    size not in (None, real) for size, real in zip(sizes, tensor.type.shape, strict=True)
                ):
                    raise ModelError(
                        MISFIT, f"output {proto.name!r} is {tensor.type}, and the model says another shape: {sizes}"
                    )
        return tensor

    # --- nodes --------------------------------------------------------------------------------------------------------

    def _node(self, proto: onnx.NodeProto) -> None:
        name = proto.name or next(filter(None, proto.output), f"#{len(self.nodes)}")
        node = self._read_node(proto, name)
        support = OPERATORS[proto.op_type]
        made = support.read(node)
        node.finish()
        named = list(proto.output)
        if isinstance(made, list):
            for result, array in zip(named, made, strict=False):
                self._add(constant_tensor(result, checked_array(array, f"{node.place}: its result")))
            return
        types = made.operation.results([tensor.type for tensor in made.inputs])
        outputs = [Tensor(result, type_) for result, type_ in zip(named, types, strict=False)]
        for extra in named[len(types) :]:
            if extra:
                node.unsupported(f"the result {extra!r}", "only the first one is computed")
        for tensor in outputs:
            checked_type(tensor.type.element, tensor.type.shape, f"{node.place}: {tensor.name!r}")
        known = [tensor.constant for tensor in made.inputs]
        arrays = [array for array in known if array is not None]
        # A view of a constant costs nothing, and must be one: it has no place in memory of its own.
        free = isinstance(made.operation, View)
        needed = 0 if free else sum(tensor.type.size for tensor in outputs)
        if len(arrays) == len(known) and needed <= self.room:
            computed = made.operation.evaluate(arrays)
            for tensor, value in zip(outputs, computed or [], strict=False):
                tensor.constant = value
            self.room -= needed if computed else 0
        for tensor in outputs:
            self._add(tensor)
        if any(tensor.constant is None for tensor in outputs):
            self.nodes.append(Node(made.operation, made.inputs, outputs, node.place, (node.operator,)))

    def _read_node(self, proto: onnx.NodeProto, name: str) -> OnnxNode:
        where = f"node {name!r} ({proto.op_type})"
        if proto.domain not in DOMAINS:
            raise ModelError(
                UNSUPPORTED,
                f"{where}: operators of the domain {proto.domain!r} aren't supported",
                supported_operators(),
            )
        try:
            version = onnx.defs.get_schema(proto.op_type, self.version, "").since_version
        except onnx.defs.SchemaError:
            help = supported_operators()
            if proto.op_type in OPERATORS:
                help = "export it with a newer version of the operators"
            raise ModelError(
                UNSUPPORTED, f"{where}: version {self.version} of ONNX's operators has none of that name", help
            ) from None
        support = OPERATORS.get(proto.op_type)
        if support is None:
            raise ModelError(
                UNSUPPORTED, f"{where}: the operator, version {version}, isn't supported", supported_operators()
            )
        if version not in support.versions:
            raise ModelError(
                UNSUPPORTED,
                f"{where}: version {version} of the operator isn't supported",
                f"supported: {', '.join(map(str, support.versions))}; convert it with `onnx.version_converter`",
            )
        if not proto.output or not proto.output[0]:
            raise ModelError(MISFIT, f"{where}: it has no result")
        inputs: list[Tensor | None] = []
        for given in proto.input:
            if given and given not in self.tensors:
                raise ModelError(MISFIT, f"{where}: nothing before it computes its input {given!r}")
            inputs.append(self.tensors[given] if given else None)
        attributes = {each.name: self._attribute(each, where) for each in proto.attribute}
        return OnnxNode(proto.op_type, version, name, attributes, inputs, list(proto.output))

    def _attribute(self, proto: onnx.AttributeProto, where: str) -> Any:
        if proto.ref_attr_name:
            raise ModelError(UNSUPPORTED, f"{where}: attribute {proto.name!r} refers to a function's")
        what = f"{where}: attribute {proto.name!r}"
        if proto.type == onnx.AttributeProto.TENSOR:
            return tensor_of(proto.t, what)
        if proto.type not in SIMPLE:
            raise ModelError(UNSUPPORTED, f"{what} is of a kind that isn't supported")
        with unreadable(what):
            value = onnx.helper.get_attribute_value(proto)
        if isinstance(value, bytes):
            return value.decode(errors="replace")
        return list(value) if proto.type in LISTS else value


LISTS = (onnx.AttributeProto.FLOATS, onnx.AttributeProto.INTS)
SIMPLE = (onnx.AttributeProto.FLOAT, onnx.AttributeProto.INT, onnx.AttributeProto.STRING, *LISTS)


def element_of(number: int, what: str) -> ElementType:
    """A type of elements by ONNX's number of it."""
    try:
        dtype = onnx.helper.tensor_dtype_to_np_dtype(number)
        name = onnx.TensorProto.DataType.Name(number)
    except (KeyError, ValueError) as error:
        raise ModelError(UNREADABLE, f"{what} has no type of elements") from error
    for element in ElementType:
        # Other types have NumPy types of other libraries, or none; a text has `object`.
        if element.dtype == dtype and name == ONNX_NAMES.get(element, element.name):
            return element
    known = ", ".join(element.value for element in ElementType)
    raise ModelError(UNSUPPORTED, f"{what} has elements of type {name.lower()}", f"supported: {known}")


ONNX_NAMES = {ElementType.FLOAT32: "FLOAT", ElementType.FLOAT64: "DOUBLE"}


def checked_type(element: ElementType, shape: Sequence[int], what: str) -> TensorType:
    type_ = TensorType(element, tuple(shape))
    if min(shape, default=1) < 1:
        raise ModelError(UNSUPPORTED, f"{what} has no elements: its shape is {list(shape)}", "leave it out")
    if len(shape) > MOST_DIMENSIONS or type_.count > MOST_ELEMENTS:
        limits = f"{MOST_DIMENSIONS} dimensions and {MOST_ELEMENTS} elements"
        raise ModelError(UNSUPPORTED, f"{what} is too large: {list(shape)[:MOST_DIMENSIONS]}", f"supported: {limits}")
    return type_


def tensor_of(proto: onnx.TensorProto, what: str) -> Array:
    """The elements of a tensor in the file."""
    if proto.data_location == onnx.TensorProto.EXTERNAL or proto.external_data:
        help = "store the model in one file: `onnx.save(onnx.load(PATH), NEW)`"
        raise ModelError(UNSUPPORTED, f"{what} is in a file of its own", help)
    element = element_of(proto.data_type, what)
    checked_dimensions(proto.dims, what)
    with unreadable(what):
        array = np.asarray(onnx.numpy_helper.to_array(proto))
    if array.shape != tuple(proto.dims) or array.dtype != element.dtype:
        raise ModelError(UNREADABLE, f"{what} has not as many elements as it says")
    return array


def checked_dimensions(sizes: Sequence[int], what: str) -> None:
    """Before memory is asked for: a count that a damaged file makes up."""
    count = 1
    for size in sizes:
        count *= max(0, int(size))
    if min(sizes, default=0) < 0 or len(sizes) > MOST_DIMENSIONS or count > MOST_ELEMENTS:
        raise ModelError(UNSUPPORTED, f"{what} has an impossible shape, or a too large one: {list(sizes)[:10]}")


def checked_array(array: Array, what: str) -> Array:
    for element in ElementType:
        if element.dtype == array.dtype:
            return array
    raise ModelError(UNSUPPORTED, f"{what} has elements of type {array.dtype}")


def constant_tensor(name: str, array: Array) -> Tensor:
    return Tensor(name, TensorType(ElementType(array.dtype.name), array.shape), array)


def supported_operators() -> str:
    return f"supported: {', '.join(sorted(OPERATORS))}"


def listed(names: Iterator[str] | set[str] | Sequence[str]) -> str:
    return ", ".join(sorted(names)) or "none"
