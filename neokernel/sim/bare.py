"""The bare machine under CPython: its console prints, its power switch ends the program.

Devices are bytes with behaviour: an access that no device claims is an error here, as it is a fault there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from neokernel import lang
from neokernel.arch.riscv64 import bare, panic


class PoweredOff(BaseException):
    """The program ended the machine. No `Exception`: no program may catch it by accident."""

    def __init__(self, status: int) -> None:
        super().__init__(status)
        self.status = status


class MachineFault(Exception):
    """An access to memory that isn't there, or an instruction that the model doesn't know."""


class Device(Protocol):
    def load(self, offset: int, size: int) -> bytes: ...

    def store(self, offset: int, data: bytes) -> None: ...


class Uart:
    """A 16550 that is always ready to transmit."""

    def __init__(self, output: Callable[[bytes], object]) -> None:
        self.output = output

    def load(self, offset: int, size: int) -> bytes:
        return (panic.TRANSMIT_READY if offset == 5 else 0).to_bytes(size, "little")

    def store(self, offset: int, data: bytes) -> None:
        if offset == 0:
            self.output(data)


class TestDevice:
    """SiFive's test device: a store is the end."""

    def load(self, offset: int, size: int) -> bytes:
        return bytes(size)

    def store(self, offset: int, data: bytes) -> None:
        word = int.from_bytes(data, "little")
        if word & 0xFFFF == panic.TEST_PASS:
            raise PoweredOff(0)
        if word & 0xFFFF == panic.TEST_FAIL:
            raise PoweredOff(word >> 16)


@dataclass
class BareMachine:
    """A simulator (`lang.set_simulator`) of QEMU's `virt` board, as far as `arch/riscv64/bare.py` uses it."""

    devices: dict[int, Device]

    @classmethod
    def with_console(cls, output: Callable[[bytes], object]) -> BareMachine:
        return cls({panic.UART: Uart(output), panic.TEST_DEVICE: TestDevice()})

    def object_at(self, kind: Any, address: int) -> Any:
        device = self.devices.get(address)
        if device is None:
            raise MachineFault(f"nothing is at {address:#x}")
        return lang.wire_over(kind, device)

    def new_at(self, kind: Any, address: int) -> Any:
        raise MachineFault(f"no memory for a {kind.__name__} is at {address:#x}")

    def span_at(self, element: Any, address: int, length: int) -> Any:
        raise MachineFault(f"no memory of {length} {element.__name__} is at {address:#x}")

    def address_of(self, target: Any) -> int:
        raise MachineFault(f"{type(target).__name__} objects have no address in this model")

    def asm(self, template: str, inputs: tuple[Any, ...], result: Any) -> Any:
        raise MachineFault(f"the model doesn't know the instruction {template!r}")


def run_main(main: Callable[[Any], object], output: Callable[[bytes], object]) -> int:
    """Call a program's `main` on a fresh machine; its exit status."""
    before = lang.set_simulator(BareMachine.with_console(output))
    try:
        main(bare.Machine())
    except PoweredOff as end:
        return end.status
    finally:
        lang.set_simulator(before)
    return 0
