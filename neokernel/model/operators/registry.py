"""All operators that are supported, by ONNX's names of them."""

from __future__ import annotations

from neokernel.model.onnx_node import Support
from neokernel.model.operators import (
    convolution,
    elementwise,
    layout,
    pooling,
    products,
    quantised,
    reduction,
)

FAMILIES = (elementwise, layout, convolution, products, pooling, reduction, quantised)

OPERATORS: dict[str, Support] = {name: support for family in FAMILIES for name, support in family.OPERATORS.items()}
