"""What can go wrong in a target module under CPython.

`CheckFailed` is the one every reading knows: a check of the program failed; `kind` is the same word that images and the
JIT report. `StaticError` is what CPython alone meets at run time: a program that the compiler rejects (mixed widths, a
constant that doesn't fit). A valid program never raises it.
"""

from __future__ import annotations

from typing import ClassVar


class CheckFailed(Exception):
    """A check of the running program failed. `kind` names it (language page, section 10)."""

    kind: ClassVar[str] = ""


class IntegerOverflow(CheckFailed, OverflowError):
    kind = "overflow"


class DivisionByZero(CheckFailed, ZeroDivisionError):
    kind = "division"


class ShiftOutOfRange(CheckFailed, ValueError):
    kind = "shift"


class IndexOutOfRange(CheckFailed, IndexError):
    kind = "index"


class ConversionFailed(CheckFailed, OverflowError):
    kind = "conversion"


class NotAMember(CheckFailed, ValueError):
    kind = "enum"


class AssertionFailed(CheckFailed, AssertionError):
    kind = "assert"


class UnreachableReached(CheckFailed, AssertionError):
    kind = "unreachable"


class DeadObject(CheckFailed, ReferenceError):
    kind = "dead"


class ContractFailed(CheckFailed, AssertionError):
    kind = "contract"


class StaticError(TypeError):
    """The compiler rejects this program: widths mixed, a value of the wrong type, null where it may not be."""


class ConstantError(StaticError, OverflowError):
    """An untyped constant doesn't fit the width its context expects."""


class FieldError(StaticError, AttributeError):
    """A field that doesn't exist, or one that can't be assigned."""
