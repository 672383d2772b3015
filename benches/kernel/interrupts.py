"""A device's interrupt, and its driver: a second process of this program, at a higher priority.

The device is the serial port: it interrupts as soon as it is told to when its transmitter is empty. The root program
does that by a store between two readings of the counter; the driver tells the device to stop, acknowledges, and waits
again.
"""

from __future__ import annotations

from support import ABOVE, ROUNDS, WARM, begin, give_up, grant, made, mean, run, settle, share, shared, timed

from neokernel.abi.boot import OWN_SPACE
from neokernel.abi.call import NEVER, Call, message, status_of
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Operation
from neokernel.abi.rights import READ, WRITE
from neokernel.lang import asm, at, object_at, u8, u64, unsafe, wire
from neokernel.runtime import system
from neokernel.runtime.child import Child
from neokernel.runtime.process import Process
from neokernel.runtime.space import map_at

unsafe("the device's registers are where this module maps them")

NAME = b"interrupts"
UART = 0x1000_0000
#: its line at the interrupt controller of QEMU's `virt`
LINE = 10
#: where both processes have its registers
REGISTERS = 0x3B_0020_0000

#: places in the shared page
STARTED = 0
BLOCKED = 1
ACKNOWLEDGED = 2
USER = 3


@wire(registers=True)
class Uart:
    """16550; `enable` bit 1: interrupt when the transmitter is empty."""

    data: u8
    enable: u8
    identity: u8 = at(2)


def main(process: Process) -> None:
    if not process.is_root:
        drive(process.arguments[1], process.arguments[2])
        return
    settle(process)
    page = share(process)
    device = process.device(UART)
    if device is None:
        give_up(process, "no serial port", 0)
        return
    registers = made(process, "registers", process.make_of(device, Kind.FRAME))
    second = made(process, "copy of registers", process.derive(registers, READ | WRITE))
    failure = map_at(process, OWN_SPACE, process.memory, REGISTERS, READ | WRITE, registers)
    if failure is not None:
        give_up(process, "map registers", 0)
    notification = made(process, "notification", process.make(Kind.NOTIFICATION))
    line = u64(process.boot().interrupt_first) + LINE - 1
    if system.bind_interrupt(process.buffer, line, notification) is not None:
        give_up(process, "bind the line", line)
    driver = Child()
    begin(process, driver, NAME, page)
    if map_at(process, driver.space, process.memory, REGISTERS, READ | WRITE, second) is not None:
        give_up(process, "map registers for the driver", 0)
    there = grant(process, driver, "notification", notification)
    line_there = grant(process, driver, "line", line)
    run(process, driver, ABOVE, 0, there, line_there)
    measure(process)
    process.exit()


def measure(process: Process) -> None:
    page = shared()
    driver: u64 = 0
    whole: u64 = 0
    acknowledge: u64 = 0
    resumed: u64 = 0
    for round in range(u64(0), u64(ROUNDS + WARM)):
        page.put(STARTED, 0)
        before, after = asm(
            "rdinstret s2\nsb {0}, 0({1})\nrdinstret t0",
            u64(2),
            u64(REGISTERS + 1),
            results="s2 t0",
            inputs="t1 t2",
            clobbers="memory",
        )
        if page.get(STARTED) < before or page.get(STARTED) > after:
            give_up(process, "the driver didn't run at once", round)
        if round >= WARM:
            driver += page.get(STARTED) - before - 2
            acknowledge += page.get(ACKNOWLEDGED)
            resumed += after - before - 2 - page.get(USER)
            whole += after - before - 2
    mean(process, "interrupt_to_driver", driver)
    mean(process, "acknowledge", acknowledge)
    mean(process, "interrupt_and_resume", resumed - acknowledge)
    mean(process, "interrupt_whole", whole)


def drive(notification: u64, line: u64) -> None:
    """Quiet the device, acknowledge, wait."""
    page = shared()
    uart = object_at(Uart, REGISTERS)
    uart.enable = 0
    word = message(u64(Operation.ACKNOWLEDGE.value))
    got = timed(Call.WAIT, notification, 0, NEVER)
    while True:
        started = got.after
        page.put(STARTED, started)
        uart.enable = 0
        done = timed(Call.CALL, line, word)
        page.put(ACKNOWLEDGED, done.cost() if status_of(done.word) == 0 else 0)
        got = timed(Call.WAIT, notification, 0, NEVER)
        # In this loop's next round, as is known only then.
        page.put(USER, got.before - started + 1 - done.cost())
