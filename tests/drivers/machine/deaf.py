"""Uses a console whose interrupts don't come: what is written is sent all the same, and who waits for room is told."""

from __future__ import annotations

from neokernel.abi.kinds import Kind
from neokernel.abi.rights import SIGNAL
from neokernel.interfaces.console import Console, Keyboard
from neokernel.lang import Array, Uses, array, slot_of, u8, uses
from neokernel.runtime import system
from neokernel.runtime.must import must, must_get
from neokernel.runtime.objects import Console as Screen
from neokernel.runtime.objects import Notification, Power
from neokernel.runtime.process import Process

terminal: Uses[Console] = uses()
keyboard: Uses[Keyboard] = uses()
console: Uses[Screen] = uses()
power: Uses[Power] = uses()


def main(process: Process) -> None:
    room = must_get(process.make(Kind.NOTIFICATION))
    must(keyboard.notify(Notification(must_get(process.derive(room, SIGNAL)))))
    dots: Array[u8] = array(512, 0x2E)
    while must_get(terminal.write(dots[:].bytes())) == len(dots):
        pass
    _ = must_get(system.wait(room))
    process.console.write("\nthere is room again\n")
    must(system.power_off(slot_of(power), 0))
