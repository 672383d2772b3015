"""What drivers of virtio devices have in common as processes: registers, interrupts, and memory for the device.

A driver's tasks stay in its own module, as their frames are of its own types; what they do is here: `attended`, and
`settled` after each time.

Invariant: the device is reset before anything is made of the driver's Memory, which it may have reached in an earlier
life of the driver.
"""

from __future__ import annotations

from typing import Protocol

from neokernel.abi.rights import SIGNAL
from neokernel.abi.status import Status
from neokernel.drivers.virtio.health import Health, Verdict
from neokernel.drivers.virtio.mmio import CONFIG, Problem, Registers, Transport, explain
from neokernel.drivers.virtio.queue import Descriptors, Rings
from neokernel.lang import Array, Span, object_at, span_at, struct, u8, u32, u64, unsafe, usize
from neokernel.runtime import system
from neokernel.runtime.dma import own_page
from neokernel.runtime.executor import Executor, Expired, timeout
from neokernel.runtime.interface import ANSWER, Answer, refused
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

#: the signal for the device's interrupts; others are free from SIGNALS on
INTERRUPT: u64 = 1
SIGNALS = 1


class Driver(Protocol):
    """The device's half, and what hangs on it."""

    def interrupted(self) -> None:
        """The device has interrupted, or may have."""

    def waited(self) -> None:
        """It hasn't, for all of the time in which it is looked at again."""

    def restart(self) -> None:
        """It must be reset, and is to work again."""


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


def attach(process: Process, notification: u64, device: Device, line: Interrupt) -> None:
    """Map the registers; interrupts are the signal INTERRUPT of the thread's notification."""
    must(map_device(process, device.slot, REGISTERS))
    badged = must_get(process.derive(notification, SIGNAL, INTERRUPT))
    must(system.bind_interrupt(process.buffer, line.slot, badged))
    # A line that an earlier driver left unacknowledged would stay silent for ever.
    _ = system.acknowledge(line.slot)


def quieten(transport: Transport, kind: u32) -> None:
    """Stop the device, whatever an earlier driver had it do; end the program if it isn't one of this kind."""
    problem = transport.identify(kind)
    began(transport.reset() if problem is None else problem)


async def attended(driver: Driver, executor: Executor, line: Interrupt, pause: u64) -> None:
    """Tell the driver of interrupts, and each time that none has come for `pause` ticks."""
    while True:
        came = await timeout(executor, executor.now + pause, executor.signals(INTERRUPT))
        if isinstance(came, Expired):
            driver.waited()
        else:
            driver.interrupted()
            _ = system.acknowledge(line.slot)


def settled(driver: Driver, health: Health, failed: bool) -> bool:
    """Deal with a device that has failed, or interrupts for nothing: True if it was started anew."""
    verdict = health.verdict(failed)
    assert verdict is not Verdict.END, "the device has failed too often"
    if verdict is Verdict.RESET:
        driver.restart()
    return verdict is Verdict.RESET


def began(problem: Problem | None) -> None:
    """End the program if the device can't be driven."""
    if problem is not None:
        explain(problem)


def respond(reply: u64, answer: Answer) -> None:
    """Answer a call, by who receives otherwise than `serve` does: its caller learns it if it has no room for it."""
    if system.reply(reply, answer.word, answer.w0, answer.w1, answer.w2, answer.w3) is not None:
        _ = system.reply(reply, refused(Status.NO_BUFFER, ANSWER).word)
