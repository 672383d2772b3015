"""What drivers of virtio devices have in common as processes: registers, interrupts, and memory for the device.

Invariant: the device is reset before anything is made of the driver's Memory, which it may have reached in an earlier
life of the driver.
"""

from __future__ import annotations

from neokernel.abi.rights import SIGNAL
from neokernel.drivers.virtio.mmio import CONFIG, Registers, Transport, explain
from neokernel.drivers.virtio.queue import Descriptors, Rings
from neokernel.lang import Span, object_at, span_at, struct, u8, u32, u64, unsafe
from neokernel.runtime import system
from neokernel.runtime.dma import own_page
from neokernel.runtime.executor import Executor
from neokernel.runtime.must import must, must_get
from neokernel.runtime.objects import Device, Dma, Interrupt, Memory
from neokernel.runtime.process import Process
from neokernel.runtime.space import map_device

unsafe("registers, and memory for the device, are where this process maps them")

#: where they are mapped
REGISTERS: u64 = 0x3A_0000_0000
PAGES: u64 = 0x3A_0010_0000
PAGE: u64 = 0x1000
#: where the registers are that are peculiar to the kind of device
CONFIG_REGISTERS: u64 = REGISTERS + CONFIG

#: the executor's signal for the device's interrupts; others are free from SIGNALS on
INTERRUPT: u64 = 1
SIGNALS = 1


@struct
class Pages:
    """The driver's own memory that the device reaches: bus addresses."""

    descriptors: u64 = 0
    rings: u64 = 0
    data: u64 = 0

    def begin(self, process: Process, space: Dma, memory: Memory) -> None:
        self.descriptors = must_get(own_page(process, space.slot, memory.slot, PAGES))
        self.rings = must_get(own_page(process, space.slot, memory.slot, PAGES + PAGE))
        self.data = must_get(own_page(process, space.slot, memory.slot, PAGES + 2 * PAGE))


def descriptors() -> Descriptors:
    return object_at(Descriptors, PAGES)


def rings() -> Rings:
    return object_at(Rings, PAGES + PAGE)


def data() -> Span[u8]:
    """The page for what requests are made of."""
    return span_at(u8, PAGES + 2 * PAGE, PAGE)


def registers() -> Registers:
    return object_at(Registers, REGISTERS)


def attach(process: Process, executor: Executor, device: Device, line: Interrupt) -> None:
    """Map the registers; interrupts are the executor's signal INTERRUPT."""
    must(map_device(process, device.slot, REGISTERS))
    badged = must_get(process.derive(executor.notification, SIGNAL, INTERRUPT))
    must(system.bind_interrupt(process.buffer, line.slot, badged))
    # A line that an earlier driver left unacknowledged would stay silent for ever.
    _ = system.acknowledge(line.slot)


def quieten(transport: Transport, kind: u32) -> None:
    """Stop the device, whatever an earlier driver had it do; end the program if it isn't one of this kind."""
    problem = transport.identify(kind)
    if problem is None:
        problem = transport.reset()
    if problem is not None:
        explain(problem)
