"""What drivers of virtio devices have in common as processes, beside `drivers/process.py`: memory for the device.

Invariant: the device is reset before anything is made of the driver's Memory, which it may have reached in an earlier
life of the driver.
"""

from __future__ import annotations

from neokernel.drivers.process import REGISTERS
from neokernel.drivers.virtio.mmio import CONFIG, Problem, Registers, Transport, explain
from neokernel.drivers.virtio.queue import Descriptors, Rings
from neokernel.lang import Array, Span, object_at, span_at, struct, u8, u32, u64, unsafe, usize
from neokernel.runtime.dma import own_page
from neokernel.runtime.must import must_get
from neokernel.runtime.objects import Dma, Memory
from neokernel.runtime.process import Process

unsafe("registers, and memory for the device, are where this process maps them")

#: where the driver's own pages are mapped, beside its registers
PAGES: u64 = 0x3A_0010_0000
PAGE: u64 = 0x1000
#: where the registers are that are peculiar to the kind of device
CONFIG_REGISTERS: u64 = REGISTERS + CONFIG


@struct
class Pages:
    """The driver's own memory that the device reaches: bus addresses, a queue's two pages before those of data."""

    addresses: Array[u64]

    def begin(self, process: Process, space: Dma, memory: Memory) -> None:
        for number in range(len(self.addresses)):
            address = PAGES + number * PAGE
            self.addresses[number] = must_get(own_page(process, space.slot, memory.slot, address))


def descriptors(queue: usize = 0) -> Descriptors:
    """The first page of a queue; the other one is `rings`."""
    return object_at(Descriptors, PAGES + 2 * queue * PAGE)


def rings(queue: usize = 0) -> Rings:
    return object_at(Rings, PAGES + (2 * queue + 1) * PAGE)


def data(number: usize, count: usize = 1) -> Span[u8]:
    """So many pages, from that one on; they needn't lie together on the bus."""
    return span_at(u8, PAGES + number * PAGE, count * PAGE)


def registers() -> Registers:
    return object_at(Registers, REGISTERS)


def quieten(transport: Transport, kind: u32) -> None:
    """Stop the device, whatever an earlier driver had it do; end the program if it isn't one of this kind."""
    problem = transport.identify(kind)
    began(transport.reset() if problem is None else problem)


def began(problem: Problem | None) -> None:
    """End the program if the device can't be driven."""
    if problem is not None:
        explain(problem)
