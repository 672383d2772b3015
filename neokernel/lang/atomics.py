"""Atomic cells, fences and handles.

CPython runs target modules in one thread, so an operation is atomic by being one call, and orders mean nothing more.
"""

from __future__ import annotations

from enum import Enum
from types import GenericAlias
from typing import Any

from neokernel.lang.arithmetic import wrap
from neokernel.lang.failures import FieldError, StaticError
from neokernel.lang.integers import Integer, fit, u32


class Order(Enum):
    """Memory orders of atomic operations and fences."""

    RELAXED = 0
    ACQUIRE = 1
    RELEASE = 2
    ACQUIRE_RELEASE = 3
    SEQUENTIAL = 4


def check_order(order: object) -> None:
    if not isinstance(order, Order):
        raise StaticError(f"an Order is expected, not {type(order).__name__}")


class Atomic:
    """A cell that other harts may access. Lives in a field or an array; its width is the one declared there."""

    __slots__ = ("_value", "_width")
    __class_getitem__: Any = classmethod(GenericAlias)

    def __init__(self, value: int = 0) -> None:
        self._width: type[Integer] | None = type(value) if isinstance(value, Integer) else None
        self._value: Any = value

    def _bind(self, width: type[Integer]) -> None:
        self._value = fit(width, self._value)
        self._width = width

    def _operand(self, value: object) -> Any:
        if self._width is None:
            raise StaticError("an Atomic lives in a field or array that says its width")
        return fit(self._width, value)

    def _swap(self, value: object, order: object) -> Any:
        check_order(order)
        old, self._value = self._operand(self._value), self._operand(value)
        return old

    def _update(self, number: int, order: object) -> Any:
        check_order(order)
        old = self._operand(self._value)
        self._value = wrap(type(old), number)
        return old

    def load(self, order: Order = Order.SEQUENTIAL) -> Any:
        """The value."""
        check_order(order)
        return self._operand(self._value)

    def store(self, value: int, order: Order = Order.SEQUENTIAL) -> None:
        """Set the value."""
        self._swap(value, order)

    def exchange(self, value: int, order: Order = Order.SEQUENTIAL) -> Any:
        """Set the value; gives the old one."""
        return self._swap(value, order)

    def compare_exchange(self, expected: int, new: int, order: Order = Order.SEQUENTIAL) -> bool:
        """Set the value to `new` if it is `expected`; was it?"""
        check_order(order)
        wanted, replacement = self._operand(expected), self._operand(new)
        if self._value != wanted:
            return False
        self._value = replacement
        return True

    def fetch_add(self, value: int, order: Order = Order.SEQUENTIAL) -> Any:
        """Add, wrapping; gives the old value."""
        return self._update(int(self._value) + int(self._operand(value)), order)

    def fetch_sub(self, value: int, order: Order = Order.SEQUENTIAL) -> Any:
        """Subtract, wrapping; gives the old value."""
        return self._update(int(self._value) - int(self._operand(value)), order)

    def fetch_and(self, value: int, order: Order = Order.SEQUENTIAL) -> Any:
        """Bitwise and; gives the old value."""
        return self._update(int(self._value) & int(self._operand(value)), order)

    def fetch_or(self, value: int, order: Order = Order.SEQUENTIAL) -> Any:
        """Bitwise or; gives the old value."""
        return self._update(int(self._value) | int(self._operand(value)), order)

    def fetch_xor(self, value: int, order: Order = Order.SEQUENTIAL) -> Any:
        """Bitwise exclusive or; gives the old value."""
        return self._update(int(self._value) ^ int(self._operand(value)), order)

    def __repr__(self) -> str:
        return f"Atomic({int(self._value)})"


def fence(order: Order = Order.SEQUENTIAL) -> None:
    """Order this hart's memory accesses before and after."""
    check_order(order)


def device_fence() -> None:
    """Order accesses to memory and to devices before and after."""


class Handle:
    """Index and generation of an object in a pool: a value."""

    __slots__ = ("generation", "index")
    __class_getitem__: Any = classmethod(GenericAlias)
    __match_args__ = ("index", "generation")

    index: Any
    generation: Any

    def __init__(self, index: int, generation: int) -> None:
        object.__setattr__(self, "index", fit(u32, index))
        object.__setattr__(self, "generation", fit(u32, generation))

    def __setattr__(self, name: str, value: object) -> None:
        raise FieldError("a Handle is a value: it can't be changed")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Handle):
            return NotImplemented
        return bool(self.index == other.index and self.generation == other.generation)

    def __hash__(self) -> int:
        return hash((int(self.index), int(self.generation)))

    def __repr__(self) -> str:
        return f"Handle(index={self.index}, generation={self.generation})"

    def __copy__(self) -> Handle:
        return self

    def __deepcopy__(self, memo: dict[int, object]) -> Handle:
        return self
