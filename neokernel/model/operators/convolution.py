"""Conv: of one, two or three dimensions, grouped or not; direct, or by tiles (`winograd.py`).

A block of the result, some channels of some positions side by side, stays in registers while the sum runs over the
input's channels and the places of the window. Weights lie in the order in which the block needs them.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from neokernel.model.code import F32, Code, Index, Operand, Value, pieces
from neokernel.model.expression import Expression
from neokernel.model.graph import Operation, Tensor, TensorType
from neokernel.model.onnx_node import Made, OnnxNode, Support
from neokernel.model.operators.winograd import Tiled, pays
from neokernel.model.sums import AS_IT_IS, Block, Finish, factors_for, finish_of, laid_out, multiply_add
from neokernel.model.windows import Laid, Window, read_window, under_windows


@dataclass(frozen=True)
class Convolution(Operation):
    """Inputs: images [N, C, …], weights [M, C / group, …], what sums start from if `starts`, and what `finish` takes.

    `left`, `right`: what becomes of an image's element and a weight before they are multiplied. `finish`: what becomes
    of a sum (its input 0), with the other inputs, broadcast to the result.
    """

    window: Window
    group: int
    shape: tuple[int, ...]
    left: Expression = AS_IT_IS
    right: Expression = AS_IT_IS
    finish: Expression = AS_IT_IS
    starts: bool = False

    def results(self, inputs: Sequence[TensorType]) -> list[TensorType]:
        return [TensorType(self.finish.element, self.shape)]

    def multiply_adds(self, inputs: Sequence[TensorType]) -> int:
        return TensorType(F32, self.shape).count * inputs[1].count // self.shape[1]

    def emit(self, code: Code, inputs: Sequence[Operand], outputs: Sequence[Operand]) -> None:
        kernel = self._tiled(code, inputs, outputs[0]) or _Kernel(self, code, inputs, outputs[0])
        with code.loop(self.shape[0]) as image:
            laid = under_windows(code, inputs[0], image, kernel.window, kernel.left, 0)
            kernel.emit(image, laid)

    def _tiled(self, code: Code, inputs: Sequence[Operand], output: Operand) -> Tiled | None:
        """By Winograd's algorithm, where that is less."""
        weights = inputs[1].constant
        results, channels = self.shape[1] // self.group, inputs[1].type.shape[1]
        if weights is None or self.right != AS_IT_IS or not pays(code.machine, self.window, channels, results):
            return None
        return Tiled(code, self.window, self.group, weights, self.left, _finish(self, inputs, output))


class _Kernel:
    """The code of one convolution: how it is cut into blocks, and one block."""

    def __init__(self, operation: Convolution, code: Code, inputs: Sequence[Operand], output: Operand) -> None:
        self.code = code
        self.window = operation.window
        self.group = operation.group
        self.results = operation.shape[1] // operation.group  # channels of the result in one group
        self.channels = inputs[1].type.shape[1]  # channels of the images in one group
        self.taps = self.window.taps
        self.finish: Finish = _finish(operation, inputs, output)
        machine = code.machine
        _, height, width = self.window.output
        self.lanes = min(machine.lanes, width)
        room = machine.lanes * machine.accumulators // self.lanes
        self.block = min(self.results, max(1, min(room, machine.accumulators)))
        self.rows = max(1, min(height, room // self.block))
        products = self.channels * len(self.taps)
        start = self.finish.start
        self.left, right = factors_for(code, operation.left, operation.right, inputs[1], 0, products, start)
        self.weights = laid_out(code, inputs[1], list(self._weight_blocks()), right)
        self.factor = right.element

    def _channel_blocks(self) -> Iterator[tuple[int, int, int]]:
        """Channels of a group in blocks: (the first one, how many there are in all, how many in a block)."""
        whole, rest = pieces(self.results, self.block)
        yield 0, whole, self.block
        if rest:
            yield whole, rest, rest

    def _weight_blocks(self) -> Iterator[Block]:
        """The order of weights: group, block of channels, channel of the images, place in the window, channel."""
        taps, inner = len(self.taps), self.channels
        one = inner * taps
        for group in range(self.group):
            for first, count, size in self._channel_blocks():
                yield Block(
                    (count // size, inner, taps, size),
                    (size * one, taps, 1, one),
                    (group * self.results + first) * one,
                )

    def emit(self, image: Index, laid: Laid) -> None:
        code = self.code
        depth, height, width = self.window.output
        whole_rows, rest_rows = pieces(height, self.rows)
        whole, rest = pieces(width, self.lanes)
        one = self.channels * len(self.taps)
        with code.loop(self.group) as group:
            for first, count, size in self._channel_blocks():
                with code.loop(count, size) as step:
                    channel = code.index((step, 1), start=first)
                    weights = code.index((group, self.results * one), (channel, one))
                    with code.loop(depth) as z:
                        if whole_rows:
                            with code.loop(whole_rows, self.rows) as y:
                                self._row(image, laid, group, channel, size, weights, (z, y), self.rows, whole, rest)
                        if rest_rows:
                            at = (z, whole_rows)
                            self._row(image, laid, group, channel, size, weights, at, rest_rows, whole, rest)

    def _row(
        self,
        image: Index,
        laid: Laid,
        group: Index,
        channel: Index,
        size: int,
        weights: Index,
        at: tuple[Index, Index],
        rows: int,
        whole: int,
        rest: int,
    ) -> None:
        code = self.code
        channels = (channel, size, weights)
        if whole:
            with code.loop(whole, self.lanes) as x:
                self._block(image, laid, group, channels, (*at, x), rows, self.lanes)
        if rest:
            self._block(image, laid, group, channels, (*at, whole), rows, rest)

    def _block(
        self,
        image: Index,
        laid: Laid,
        group: Index,
        channels: tuple[Index, int, Index],
        at: tuple[Index, Index, Index],
        rows: int,
        lanes: int,
    ) -> None:
        """`channels`: the first one in its group, how many, and where their weights begin."""
        code = self.code
        channel, size, weights = channels
        z, y, x = at
        positions = [(z, code.index((y, 1), start=row), x) for row in range(rows)]
        places = [
            (image, code.index((group, self.results), (channel, 1), start=number), *position)
            for number in range(size)
            for position in positions
        ]
        sums = [self.finish.first(code, self.factor, place, lanes) for place in places]

        def add_place(inner: Index, tap: tuple[Index, Index, int], number: Index, before: list[Value]) -> list[Value]:
            """The sums with one place of the window added; `number`: the place's, in the order of weights."""
            source = code.index((group, self.channels), (inner, 1))
            under = [
                code.load(laid.pointer, laid.element, laid.index(code, source, position, tap), lanes)
                for position in positions
            ]
            at_weights = code.index((inner, len(self.taps) * size), (number, size), (weights, 1))
            after = []
            for each in range(size):
                weight = code.load(self.weights, self.factor, code.index((at_weights, 1), start=each))
                for row, element in enumerate(under):
                    after.append(multiply_add(code, element, weight, before[each * rows + row]))
            return after

        def add_channel(inner: Index, before: list[Value]) -> list[Value]:
            for number, tap in enumerate(self.taps):
                before = add_place(inner, tap, number, before)
            return before

        def add_channel_by_rows(inner: Index, before: list[Value]) -> list[Value]:
            depth, height, width = self.window.kernel

            def add_row(z: Index, y: Index, before: list[Value]) -> list[Value]:
                first = code.index((z, height * width), (y, width))
                for column in range(width):
                    number = code.index((first, 1), start=column)
                    before = add_place(inner, (z, y, column), number, before)
                return before

            def add_plane(z: Index, before: list[Value]) -> list[Value]:
                return code.reduce(height, before, lambda y, now: add_row(z, y, now))

            return code.reduce(depth, before, add_plane)

        short = len(self.taps) * len(places) <= code.machine.unrolled
        sums = code.reduce(self.channels, sums, add_channel if short else add_channel_by_rows)
        for total, place in zip(sums, places, strict=True):
            self.finish.store(code, total, place)


def _finish(operation: Convolution, inputs: Sequence[Operand], output: Operand) -> Finish:
    return finish_of(
        [_in_three(each, operation.shape) for each in inputs],
        output.shaped((*operation.shape[:2], *operation.window.output)),
        operation.finish,
        starts=operation.starts,
    )


def _in_three(operand: Operand, shape: Sequence[int]) -> Operand:
    """An operand that is broadcast to the result, with as many dimensions more as the result gets."""
    missing = 5 - len(shape)
    own = operand.type.shape
    if missing and len(own) > len(shape) - 2:
        behind = len(shape) - 2
        own = (*own[: len(own) - behind], *(1,) * missing, *own[len(own) - behind :])
    return operand.shaped(own)


# --- readers ----------------------------------------------------------------------------------------------------------


def read_geometry(node: OnnxNode, x: Tensor, weights: Tensor) -> tuple[Window, int, tuple[int, ...]]:
    """Window, groups and the result's shape, of images and weights whose shapes are held against each other."""
    rank = len(x.type.shape) - 2
    if rank < 1 or len(weights.type.shape) != rank + 2:
        node.refuse(f"images {x!r} and weights {weights!r} don't fit")
    group = node.integer("group", 1)
    kernel = weights.type.shape[2:]
    if node.integers("kernel_shape", kernel, rank) != list(kernel):
        node.refuse(f"kernel_shape isn't that of the weights, {list(kernel)}")
    results, inner = weights.type.shape[:2]
    if group < 1 or results % group or x.type.shape[1] != inner * group:
        node.refuse(f"images {x!r}, weights {weights!r} and {group} groups don't fit")
    window, _ = read_window(node, x.type.shape[2:], kernel)
    return window, group, (x.type.shape[0], results, *window.output[3 - rank :])


def per_channel(tensor: Tensor, shape: Sequence[int], node: OnnxNode) -> Tensor:
    """A tensor with one element per channel of the result, or one alone, to be broadcast to it."""
    if tensor.type.shape != (shape[1],):
        node.refuse(f"{tensor!r} should have one element for each of {shape[1]} channels")
    return viewed(tensor, (shape[1], *(1,) * (len(shape) - 2)), node)


def viewed(tensor: Tensor, shape: tuple[int, ...], node: OnnxNode) -> Tensor:
    """A constant in another shape."""
    if tensor.constant is None:
        if tensor.type.shape == shape:
            return tensor
        node.unsupported(f"{tensor.name!r} is computed by the model", "make it a constant")
    return Tensor(tensor.name, TensorType(tensor.type.element, shape), tensor.constant.reshape(shape))


def read_conv(node: OnnxNode) -> Made:
    node.at_most(3)
    x, weights = (node.of_type(node.input(index), F32) for index in (0, 1))
    bias = node.optional(2)
    window, group, shape = read_geometry(node, x, weights)
    inputs = [x, weights]
    if bias is not None:
        inputs.append(per_channel(node.of_type(bias, F32), shape, node))
    return Made(Convolution(window, group, shape, starts=bias is not None), inputs)


OPERATORS: dict[str, Support] = {
    "Conv": Support((1, 11, 22), read_conv, "one, two or three dimensions; the bias is a constant"),
}
