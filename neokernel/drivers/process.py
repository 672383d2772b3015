"""What drivers have in common as processes: registers, interrupts, and what is done about a device that fails.

A driver's tasks stay in its own module, as their frames are of its own types; what they do is here: `attended`, and
`settled` after each time. How much a driver puts up with is in `health.py`, what virtio adds in `virtio/process.py`.
"""

from __future__ import annotations

from typing import Protocol

from neokernel.abi.rights import SIGNAL
from neokernel.abi.status import Status
from neokernel.drivers.health import Health, Verdict
from neokernel.lang import u64
from neokernel.runtime import system
from neokernel.runtime.executor import Executor, Expired, timeout
from neokernel.runtime.interface import ANSWER, Answer, refused
from neokernel.runtime.must import must, must_get
from neokernel.runtime.objects import Device, Interrupt
from neokernel.runtime.process import Process
from neokernel.runtime.space import map_device

#: where the device's registers are mapped
REGISTERS: u64 = 0x3A_0000_0000

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


def attach(process: Process, notification: u64, device: Device, line: Interrupt) -> None:
    """Map the registers; interrupts are the signal INTERRUPT of the thread's notification."""
    must(map_device(process, device.slot, REGISTERS))
    badged = must_get(process.derive(notification, SIGNAL, INTERRUPT))
    must(system.bind_interrupt(process.buffer, line.slot, badged))
    # A line that an earlier driver left unacknowledged would stay silent for ever.
    _ = system.acknowledge(line.slot)


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
    """Deal with a device that has failed, or interrupts for nothing: True if it was started anew.

    The program ends when that was too often.
    """
    verdict = health.verdict(failed)
    assert verdict is not Verdict.END, "the device has failed too often"
    if verdict is Verdict.RESET:
        driver.restart()
    return verdict is Verdict.RESET


def respond(reply: u64, answer: Answer) -> None:
    """Answer a call, by who receives otherwise than `serve` does: its caller learns it if it has no room for it."""
    if system.reply(reply, answer.word, answer.w0, answer.w1, answer.w2, answer.w3) is not None:
        _ = system.reply(reply, refused(Status.NO_BUFFER, ANSWER).word)
