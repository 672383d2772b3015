"""The machine's seam."""

from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest

from neokernel import lang
from neokernel.lang.integers import u8, u64

Load = Callable[[str], ModuleType]

SAMPLE = """
unsafe("talks to the machine")
assembly("nop")

@wire(registers=True)
class Uart:
    data: u8
    status: u8 = at(5)

@struct
class Frame:
    a: u64 = 0
    b: u64 = 0

def csr(new: u64) -> u64:
    return asm("csrrw {result}, sscratch, {0}", new, result=u64, clobbers="memory")

def stop() -> None:
    asm("wfi")

def call(capability: u64, word: u64) -> u64:
    badge, answer = asm("ecall", capability, word, inputs="a0, a1", results="a0 a1", clobbers="memory")
    return badge * 100 + answer

@naked
def entry() -> None:
    asm(f"ld t0, {offset_of(Frame, 'b')}(sp)")

def send(address: u64, byte: u8) -> u8:
    uart = object_at(Uart, address)
    uart.data = byte
    return span_at(u8, address, 8)[0]

def where(frame: Frame) -> u64:
    return address_of(frame)
"""


class Machine:
    def __init__(self) -> None:
        self.scratch = 7
        self.memory = bytearray(64)
        self.seen: list[str] = []

    def asm(self, template: str, inputs: Any, result: Any) -> Any:
        self.seen.append(template)
        if template == "ecall":
            self.scratch = inputs["a1"]
            return [inputs["a0"] + number for number, _ in enumerate(result)]
        if not inputs:
            return None
        old, self.scratch = self.scratch, int(inputs[0])
        return old

    def object_at(self, kind: Any, address: int) -> Any:
        return lang.wire_over(kind, self.memory, address - 0x1000)

    def new_at(self, kind: Any, address: int) -> Any:
        return self.object_at(kind, address)

    def span_at(self, element: Any, address: int, length: int) -> Any:
        return lang.byte_span(self.memory)[address - 0x1000 : address - 0x1000 + length]

    def address_of(self, target: Any) -> int:
        return 0x4000


@pytest.fixture
def machine() -> Iterator[Machine]:
    made = Machine()
    before = lang.set_simulator(made)
    yield made
    assert lang.set_simulator(before) is made


def test_a_simulator_plays_the_machine(load: Load, machine: Machine) -> None:
    m: Any = load(SAMPLE)
    assert m.csr(9) == u64(7)
    assert type(m.csr(1)) is u64
    assert m.send(0x1010, 65) == u8(65)
    assert machine.memory[0x10] == 65
    assert m.call(5, 9) == u64(506)
    assert machine.scratch == 9
    m.stop()
    m.entry()
    assert machine.seen[-2:] == ["wfi", "ld t0, 8(sp)"]
    assert m.where(m.Frame()) == 0x4000


def test_without_one(load: Load) -> None:
    m: Any = load(SAMPLE)
    for attempt in (lambda: m.csr(1), m.stop, lambda: m.send(0x1000, 1)):
        with pytest.raises(lang.SimulatorMissing):
            attempt()
    a, b = m.Frame(), m.Frame()
    assert m.where(a) == m.where(a) != m.where(b)
    with pytest.raises(lang.StaticError):
        lang.unsafe("")
