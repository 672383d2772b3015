"""Product of int8 matrices in int32, as neural networks use it.

Weights are stored by output, so that both walks are along rows.

Invariant: an accumulator can't overflow for fewer than 2**17 columns; the checks say so if it does.
"""

from neokernel.lang import Array, Span, array, i8, i32, struct, usize


@struct
class Work:
    """One run: `product[row, output] = sum of inputs[row, k] * weights[output, k]`, all stored row by row."""

    product: Array[i32] = array(1024)
    rows: usize = 0
    outputs: usize = 0
    depth: usize = 0
    inputs: Array[i8] = array(2048)
    weights: Array[i8] = array(2048)


def dot(left: Span[i8], right: Span[i8]) -> i32:
    """The sum of products of elements."""
    total: i32 = 0
    for x, y in zip(left, right):  # noqa: B905  (the language's zip has no options)
        total += i32(x) * i32(y)
    return total


def multiply(
    product: Span[i32], inputs: Span[i8], weights: Span[i8], rows: usize, outputs: usize, depth: usize
) -> None:
    """Fill `product` (`rows` by `outputs`)."""
    for row in range(rows):
        left = inputs[row * depth : (row + 1) * depth]
        results = product[row * outputs : (row + 1) * outputs]
        for output in range(outputs):
            results[output] = dot(left, weights[output * depth : (output + 1) * depth])


def run(work: Work) -> None:
    """The measured entry."""
    multiply(work.product, work.inputs, work.weights, work.rows, work.outputs, work.depth)
