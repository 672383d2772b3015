"""Expressions over the elements of tensors: what is computed for each element by itself.

An elementwise operation is an expression; so is what a convolution or a product does with each sum. Fusing two
operations is putting one expression into the other.

Invariant: an expression's type is known when it is made, and it computes the same for single elements and vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from neokernel.model import mathematics
from neokernel.model.code import F32, I32, Code, Value
from neokernel.model.graph import Array, ElementType


@dataclass(frozen=True, slots=True)
class Input:
    """The element of an operation's input."""

    index: int
    element: ElementType


@dataclass(frozen=True, slots=True)
class Literal:
    number: float
    element: ElementType


@dataclass(frozen=True, slots=True)
class Apply:
    """A function, by its name in `FUNCTIONS`, of expressions."""

    function: str
    operands: tuple[Expression, ...]
    element: ElementType


Expression: TypeAlias = "Input | Literal | Apply"


@dataclass(frozen=True, slots=True)
class Function:
    """How a function is written as code, and computed by NumPy where the bits are the same on every host."""

    emit: Callable[..., Value]
    compute: Callable[..., Array] | None = None


def _divide(a: Array, b: Array) -> Array:
    if a.dtype.kind == "f":
        return np.asarray(a / b)
    safe = np.where(b == 0, b.dtype.type(1), b)
    # NumPy's division rounds down, and C's towards 0: one more, where something is left and the signs differ.
    quotient = a // safe + ((a % safe != 0) & ((a < 0) != (safe < 0))).astype(a.dtype)
    return np.asarray(np.where(b == 0, b.dtype.type(0), quotient), a.dtype)


FUNCTIONS: dict[str, Function] = {
    "add": Function(Code.add, np.add),
    "subtract": Function(Code.subtract, np.subtract),
    "multiply": Function(Code.multiply, np.multiply),
    "divide": Function(Code.divide, _divide),
    "minimum": Function(Code.minimum, np.fmin),
    "maximum": Function(Code.maximum, np.fmax),
    "negate": Function(Code.negate, np.negative),
    "absolute": Function(Code.absolute, np.abs),
    "sqrt": Function(lambda code, x: code.intrinsic("sqrt", x), np.sqrt),
    "less": Function(lambda code, a, b: code.compare("lt", a, b), np.less),
    "select": Function(Code.select, np.where),
    "exp": Function(mathematics.exp),
    "tanh": Function(mathematics.tanh),
    "logistic": Function(mathematics.logistic),
    # to the nearest integer, ties to even; for what is below 2²² alone
    "nearest": Function(mathematics.nearest, lambda x: np.rint(x).astype(np.int32)),
}
#: a function of its own, since it needs to know what it makes
CONVERT = "convert"


def apply(function: str, *operands: Expression) -> Apply:
    """A function's result; it has the type of its last operand, but for `less` and `nearest`."""
    special = {"less": ElementType.BOOL, "nearest": I32}
    return Apply(function, operands, special.get(function, operands[-1].element))


def convert(operand: Expression, to: ElementType) -> Expression:
    return operand if operand.element is to else Apply(CONVERT, (operand,), to)


def emit(code: Code, expression: Expression, inputs: Sequence[Value]) -> Value:
    """Write the code of an expression whose inputs have these values."""
    known: dict[Expression, Value] = {}

    def value(of: Expression) -> Value:
        if isinstance(of, Input):
            return inputs[of.index]
        if isinstance(of, Literal):
            return code.number(of.element, of.number)
        if of not in known:
            operands = [value(operand) for operand in of.operands]
            known[of] = (
                code.convert(operands[0], of.element)
                if of.function == CONVERT
                else FUNCTIONS[of.function].emit(code, *operands)
            )
        return known[of]

    return value(expression)


def compute(expression: Expression, inputs: Sequence[Array]) -> Array | None:
    """The expression's value by NumPy, or None if other hosts could compute other bits."""
    if isinstance(expression, Input):
        return inputs[expression.index]
    if isinstance(expression, Literal):
        return np.asarray(expression.number, expression.element.dtype)
    operands = [compute(operand, inputs) for operand in expression.operands]
    given = [operand for operand in operands if operand is not None]
    if len(given) < len(operands):
        return None
    with np.errstate(all="ignore"):
        if expression.function == CONVERT:
            return _converted(given[0], expression.element)
        function = FUNCTIONS[expression.function].compute
        return None if function is None else np.asarray(function(*given))


def _converted(array: Array, to: ElementType) -> Array:
    if array.dtype.kind == "f" and not to.is_float and to is not ElementType.BOOL:
        # NumPy leaves open what becomes of what doesn't fit.
        least, greatest = to.limits
        whole = np.trunc(np.nan_to_num(array.astype(np.float64), nan=0.0, posinf=np.inf, neginf=-np.inf))
        inside = np.where((whole > least) & (whole < greatest), whole, 0).astype(to.dtype)
        bounded = np.where(whole >= greatest, np.asarray(greatest, to.dtype), inside)
        return np.where(whole <= least, np.asarray(least, to.dtype), bounded).astype(to.dtype)
    return array.astype(to.dtype)


def substitute(expression: Expression, inputs: Sequence[Expression]) -> Expression:
    """The expression with others in the places of its inputs."""
    if isinstance(expression, Input):
        return inputs[expression.index]
    if isinstance(expression, Literal):
        return expression
    return Apply(
        expression.function, tuple(substitute(operand, inputs) for operand in expression.operands), expression.element
    )


def size(expression: Expression) -> int:
    """How many functions are applied."""
    return 1 + sum(map(size, expression.operands)) if isinstance(expression, Apply) else 0


# --- what operators are made of ---------------------------------------------------------------------------------------


def clip(x: Expression, least: float | None, greatest: float | None) -> Expression:
    if least is not None:
        x = apply("maximum", x, Literal(least, x.element))
    return x if greatest is None else apply("minimum", x, Literal(greatest, x.element))


def quantise(x: Expression, zero_point: Expression, to: ElementType) -> Expression:
    """A float to the nearest integer, `zero_point` (an I32) added, and what is beyond the range of `to` at its end."""
    # Bounded first: the same result, and `nearest` is then allowed.
    least, greatest = to.limits
    low = convert(apply("subtract", Literal(least, I32), zero_point), F32)
    high = convert(apply("subtract", Literal(greatest, I32), zero_point), F32)
    if isinstance(zero_point, Literal):
        low, high = Literal(least - zero_point.number, F32), Literal(greatest - zero_point.number, F32)
    bounded = apply("minimum", apply("maximum", x, low), high)
    return convert(apply("add", apply("nearest", bounded), zero_point), to)
