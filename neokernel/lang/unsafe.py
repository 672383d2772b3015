"""The unsafe words, and the seam where a simulator of the machine stands in for it.

Under CPython there are no addresses and no instructions. `set_simulator` says who plays them; without one these words
fail, but for `address_of`, which gives numbers that are stable, distinct and mean nothing.
"""

from __future__ import annotations

from typing import Any, Protocol

from neokernel.lang.failures import AssertionFailed, StaticError
from neokernel.lang.integers import u64, usize


class Simulator(Protocol):
    """The machine, for target code that runs under CPython. Numbers are plain `int`s here."""

    def asm(self, template: str, inputs: Any, result: Any) -> Any:
        """Carry out instructions on `inputs`; gives a number that `result` (a width, or None) holds.

        Where registers are named, `inputs` is a dictionary by register, or `result` a tuple of registers; then it
        gives their numbers, in that order.
        """

    def object_at(self, kind: Any, address: int) -> Any:
        """The object of class `kind` at `address`."""

    def new_at(self, kind: Any, address: int) -> Any:
        """A new object of class `kind` at `address`, where memory is zero and nothing lives."""

    def span_at(self, element: Any, address: int, length: int) -> Any:
        """`length` elements at `address`, as a span."""

    def address_of(self, target: Any) -> int:
        """The address of an object, or of a span's first element."""
        ...


class SimulatorMissing(RuntimeError):
    """Target code touched the machine, and none was set."""


class Seam:
    """Who plays the machine, and the addresses that were made up without one."""

    def __init__(self) -> None:
        self.simulator: Simulator | None = None
        #: objects by identity, kept alive so that no address is given twice
        self.addresses: dict[int, tuple[int, object]] = {}

    def need(self, word: str) -> Simulator:
        if self.simulator is None:
            raise SimulatorMissing(f"{word} needs a simulated machine: lang.set_simulator(…)")
        return self.simulator


SEAM = Seam()


def set_simulator(simulator: Simulator | None) -> Simulator | None:
    """Let `simulator` play the machine (None: nobody); gives the one before."""
    before, SEAM.simulator = SEAM.simulator, simulator
    return before


def unsafe(reason: str) -> None:
    """At top level: this module may turn numbers into objects, because …"""
    if not reason:
        raise StaticError("unsafe() wants a reason")


def asm(
    template: str, *operands: Any, result: Any = None, inputs: str = "", results: str = "", clobbers: str = ""
) -> Any:
    """Instructions with operands in registers. `result`: the width of what they leave in `{result}`, if anything.

    `inputs` names the registers of the operands, `results` those that hold a u64 each afterwards: gives their tuple.
    """
    if template == "ebreak" and SEAM.simulator is None:
        raise AssertionFailed("a breakpoint: the program ends itself here")
    simulator = SEAM.need("asm")
    given: Any = dict(zip(inputs.replace(",", " ").split(), operands, strict=True)) if inputs else operands
    if results:
        registers = tuple(results.replace(",", " ").split())
        made = simulator.asm(str(template), given, registers)
        return tuple(u64(number) for _, number in zip(registers, made, strict=True))
    made = simulator.asm(str(template), given, result)
    return None if result is None else result(made)


def naked(function: Any) -> Any:
    """Decorator: a function without prologue, whose body is one `asm`."""
    return function


def cold(function: Any) -> Any:
    """Decorator: rarely called, so small rather than fast, and apart from the code that calls it."""
    return function


def inline(function: Any) -> Any:
    """Decorator: images have it in the code of each of its callers, not apart."""
    return function


def assembly(text: str) -> None:
    """At top level: assembly that goes into the image beside the module's code."""


def object_at(kind: Any, address: int) -> Any:
    """The object of class `kind` at `address`."""
    return SEAM.need("object_at").object_at(kind, int(address))


def new_at(kind: Any, address: int) -> Any:
    """A new object of class `kind` at `address`, where memory is zero and nothing lives: its fields are 0 and None."""
    return SEAM.need("new_at").new_at(kind, int(address))


def span_at(element: Any, address: int, length: int) -> Any:
    """`length` elements at `address`, as a `Span`."""
    return SEAM.need("span_at").span_at(element, int(address), int(length))


def address_of(target: Any) -> Any:
    """The address of an object, or of a span's first element."""
    if SEAM.simulator is not None:
        return u64(SEAM.simulator.address_of(target))
    if id(target) not in SEAM.addresses:
        SEAM.addresses[id(target)] = (0x1_0000_0000 + 0x1_0000 * len(SEAM.addresses), target)
    return usize(SEAM.addresses[id(target)][0])
