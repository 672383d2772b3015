"""Numbers at their ends: the least integer, infinities, sums that don't fit."""

from __future__ import annotations

import numpy as np

from neokernel.model.expression import Input, apply, compute
from neokernel.model.graph import ElementType, Graph, Node, Tensor, TensorType
from neokernel.model.host import compiled
from neokernel.model.operators.elementwise import Elementwise

I8 = ElementType.INT8


def test_integers_are_divided_alike_while_reading_and_by_the_code() -> None:
    """All pairs of 8 bits: towards 0, by 0 to 0, and the least one by -1 wraps."""
    numbers = np.arange(-128, 128)
    a, b = (each.reshape(-1).astype(np.int8) for each in np.meshgrid(numbers, numbers))
    expression = apply("divide", Input(0, I8), Input(1, I8))
    x, y, z = (Tensor(name, TensorType(I8, a.shape)) for name in "xyz")
    node = Node(Elementwise(expression, a.shape), [x, y], [z], "n", ())
    exact = [
        int(abs(int(m)) // abs(int(n))) * (1 if (m < 0) == (n < 0) else -1) if n else 0
        for m, n in zip(a, b, strict=True)
    ]
    want = np.array(exact).astype(np.int8)
    folded = compute(expression, [a, b])
    assert folded is not None
    assert folded.dtype == np.int8
    assert np.array_equal(folded, want)
    assert np.array_equal(compiled(Graph("g", [x, y], [z], [node]))({"x": a, "y": b})["z"], want)
