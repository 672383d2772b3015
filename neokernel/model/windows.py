"""Windows that move over the last dimensions of a tensor: convolutions and pools.

One, two or three dimensions are treated as three. What lies under the windows is laid out so that the inner loop has
neither borders nor gaps: padding is written out, and a row that is read in steps of s is split into s rows, its phases.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from neokernel.model.code import Code, Index, Operand
from neokernel.model.expression import Expression, Input, Literal
from neokernel.model.graph import Array, ElementType
from neokernel.model.onnx_node import OnnxNode
from neokernel.model.strided import Place, emit_map

#: of depth, height and width
Three: TypeAlias = "tuple[int, int, int]"
#: places in one window, of these in a row, and elements of padding on one side
MOST_TAPS, MOST_IN_ROW, MOST_PADDING = 1 << 14, 1 << 9, 1 << 16


def three(sizes: Iterable[int], filling: int) -> Three:
    """Up to three numbers as three: those that are missing, the first ones, become `filling`."""
    found = list(sizes)
    depth, height, width = [filling] * (3 - len(found)) + found
    return depth, height, width


@dataclass(frozen=True, slots=True)
class Window:
    """A window and its way. `before`: elements of padding ahead of the first; `output`: how many positions it has.

    What is behind the last element, as far as a window reaches, is padding too.
    """

    kernel: Three
    strides: Three
    dilations: Three
    before: Three
    output: Three

    @property
    def taps(self) -> list[Three]:
        """The places in the window."""
        depth, height, width = self.kernel
        return [(z, y, x) for z in range(depth) for y in range(height) for x in range(width)]

    @property
    def extent(self) -> Three:
        """Elements that all positions together reach over, with padding."""
        return three(
            (
                (self.output[axis] - 1) * self.strides[axis] + (self.kernel[axis] - 1) * self.dilations[axis] + 1
                for axis in range(3)
            ),
            1,
        )

    def counts(self, size: Three, before: Three, after: Three) -> tuple[Array, Array, Array]:
        """Per position, how many places of the window are over elements, or so much of the padding around them: the
        product of three numbers, one for its index in each dimension."""

        def along(axis: int) -> Array:
            starts = np.arange(self.output[axis], dtype=np.int64) * self.strides[axis] - self.before[axis]

            def below(end: int) -> Array:
                """How many of the window's places lie before `end`."""
                return np.clip(-((starts - end) // self.dilations[axis]), 0, self.kernel[axis])

            return np.asarray(below(size[axis] + after[axis]) - below(-before[axis]))

        return along(0), along(1), along(2)


@dataclass(frozen=True, slots=True)
class Laid:
    """Elements as windows meet them: where that of a channel, depth, height, and column of a phase lies."""

    pointer: str
    element: ElementType
    channel: int
    depth: int
    row: int
    phases: dict[int, int]
    window: Window

    def index(self, code: Code, channel: Index, position: Sequence[Index], tap: tuple[Index, Index, int]) -> Index:
        """Of the element under the place `tap` of the window whose index in the output is `position`."""
        window = self.window
        column, phase = divmod(tap[2] * window.dilations[2], window.strides[2])
        return code.index(
            (channel, self.channel),
            (position[0], window.strides[0] * self.depth),
            (position[1], window.strides[1] * self.row),
            (position[2], 1),
            (tap[0], window.dilations[0] * self.depth),
            (tap[1], window.dilations[1] * self.row),
            (self.phases[phase] + column, 1),
        )


def under_windows(
    code: Code,
    operand: Operand,
    image: Index,
    window: Window,
    expression: Expression,
    filling: float,
) -> Laid:
    """One image's elements, all channels, each become `expression` of itself; padding is `filling`.

    They are used where they are, if nothing has to be changed. `image`: its number.
    """
    channels = operand.type.shape[1]
    size = three(operand.type.shape[2:], 1)
    plane = size[0] * size[1] * size[2]
    begin = code.index((image, channels * plane))
    extent, stride = window.extent, window.strides[2]
    inside = window.before == (0, 0, 0) and all(e <= s for e, s in zip(extent, size, strict=True))
    if inside and stride == 1 and isinstance(expression, Input):
        pointer = code.address(operand.pointer, operand.type.element, begin)
        return Laid(pointer, operand.type.element, plane, size[1] * size[2], size[2], {0: 0}, window)
    steps = [place * window.dilations[2] for place in range(window.kernel[2])]
    phases = sorted({step % stride for step in steps})
    width = window.output[2] + max(step // stride for step in steps)
    row = len(phases) * width
    laid = Laid(
        code.work(expression.element, channels * extent[0] * extent[1] * row),
        expression.element,
        extent[0] * extent[1] * row,
        extent[1] * row,
        row,
        {phase: number * width for number, phase in enumerate(phases)},
        window,
    )
    targets = (laid.channel, laid.depth, laid.row, 1)

    def fill(shape: Sequence[int], offset: int) -> None:
        if min(shape) > 0:
            emit_map(
                code, shape, Place(laid.pointer, laid.element, targets, offset), [], Literal(filling, laid.element)
            )

    # What of depth and height is padding, as whole rows; then of each phase, what is left and right of the elements.
    (z, depth), (y, height) = (overlap(window.before[axis], size[axis], extent[axis]) for axis in (0, 1))
    fill((channels, z, extent[1], row), 0)
    fill((channels, extent[0] - z - depth, extent[1], row), (z + depth) * laid.depth)
    fill((channels, depth, y, row), z * laid.depth)
    fill((channels, depth, extent[1] - y - height, row), z * laid.depth + (y + height) * laid.row)
    for phase, offset in laid.phases.items():
        corner = z * laid.depth + y * laid.row + offset
        first = -((phase - window.before[2]) // stride) if phase < window.before[2] else 0
        last = min(width, -((phase - window.before[2] - size[2]) // stride))  # the one behind the last
        left, count = min(first, width), max(0, last - min(first, width))
        fill((channels, depth, height, left), corner)
        fill((channels, depth, height, width - left - count), corner + left + count)
        if count and depth and height:
            place = Place(
                operand.pointer,
                operand.type.element,
                (plane, size[1] * size[2], size[2], stride),
                code.index(
                    (begin, 1),
                    start=(z - window.before[0]) * size[1] * size[2]
                    + (y - window.before[1]) * size[2]
                    + left * stride
                    + phase
                    - window.before[2],
                ),
            )
            target = Place(laid.pointer, laid.element, targets, corner + left)
            emit_map(code, (channels, depth, height, count), target, [place], expression)
    return laid


def overlap(before: int, size: int, extent: int) -> tuple[int, int]:
    """Where elements begin in `extent` places, `before` of which are padding, and how many of them there are."""
    begin = min(before, extent)
    return begin, max(0, min(size, extent - begin))


# --- reading ----------------------------------------------------------------------------------------------------------


def read_window(node: OnnxNode, size: Sequence[int], kernel: Sequence[int]) -> tuple[Window, Three]:
    """The window of a convolution or a pool over dimensions of this size; and the padding behind them, as it is said.

    Attributes: auto_pad, ceil_mode, dilations, pads, strides.
    """
    rank = len(size)
    if not 1 <= rank <= 3:
        node.unsupported(f"windows over {rank} dimensions", "supported: 1, 2, 3")
    strides = node.integers("strides", [1] * rank, rank)
    dilations = node.integers("dilations", [1] * rank, rank)
    if min(*strides, *dilations, *kernel) < 1:
        node.refuse(f"a window of {list(kernel)}, strides {strides}, dilations {dilations}")
    reach = [(each - 1) * dilation + 1 for each, dilation in zip(kernel, dilations, strict=True)]
    places = int(np.prod(np.asarray(kernel, np.float64)))
    if max(*strides, *reach) > MOST_PADDING or kernel[-1] > MOST_IN_ROW or places > MOST_TAPS:
        limits = f"up to {MOST_TAPS} places, {MOST_IN_ROW} in a row, are supported"
        node.unsupported(f"a window of {list(kernel)}, strides {strides}, dilations {dilations}", limits)
    given = node.integers("pads", [0] * 2 * rank, 2 * rank)
    if min(given) < 0 or max(given) > MOST_PADDING:
        node.unsupported(f"pads {given}", f"supported: 0 to {MOST_PADDING}")
    before, after = given[:rank], given[rank:]
    mode = node.text("auto_pad", "NOTSET")
    up = bool(node.integer("ceil_mode", 0))
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        output = [-(-length // stride) for length, stride in zip(size, strides, strict=True)]
        total = [
            max(0, (count - 1) * stride + each - length)
            for count, stride, each, length in zip(output, strides, reach, size, strict=True)
        ]
        before = [each // 2 if mode == "SAME_UPPER" else each - each // 2 for each in total]
        after = [each - low for each, low in zip(total, before, strict=True)]
    elif mode in ("NOTSET", "VALID"):
        if mode == "VALID":
            before, after = [0] * rank, [0] * rank
        output = []
        for axis in range(rank):
            room = size[axis] + before[axis] + after[axis] - reach[axis]
            if room < 0:
                node.refuse(f"the window, which reaches over {reach}, is larger than what it moves over: {list(size)}")
            count = room // strides[axis] + 1
            if up and room % strides[axis] and count * strides[axis] < size[axis] + before[axis]:
                count += 1  # not one that begins behind the last element
            output.append(count)
    else:
        node.unsupported(f"auto_pad {mode!r}", "supported: NOTSET, VALID, SAME_UPPER, SAME_LOWER")
    window = Window(three(kernel, 1), three(strides, 1), three(dilations, 1), three(before, 0), three(output, 1))
    return window, three(after, 0)
