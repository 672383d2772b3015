"""The console: a 16550's driver as a process, which serves `Console` and `Keyboard`.

It receives calls and the line's interrupts at one place: the notification that the interrupt signals is bound to its
thread. So it needs time of its own, and no lock.
"""

from __future__ import annotations

from neokernel.abi.boot import OWN_THREAD
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding
from neokernel.drivers.process import REGISTERS
from neokernel.drivers.uart16550 import Registers, Uart
from neokernel.interfaces.console import Console, Keyboard
from neokernel.lang import Provides, Span, Uses, object_at, provides, struct, u8, u64, unsafe, uses, usize
from neokernel.runtime import interface, system
from neokernel.runtime.must import must, must_get
from neokernel.runtime.objects import Device, Interrupt, Notification
from neokernel.runtime.process import Process
from neokernel.runtime.space import map_device
from neokernel.runtime.system import Failure

unsafe("the registers are where this process maps them")

device: Uses[Device] = uses()
line: Uses[Interrupt] = uses()
console: Provides[Console] = provides()
keyboard: Provides[Keyboard] = provides()


@struct
class Driver:
    process: Process
    uart: Uart
    #: whom to tell that bytes have come, or that there is room; 0 for nobody
    listener: u64 = 0
    #: a write found no room, and nobody was told since that there is some
    waits_for_room: bool = False

    def write(self, data: bytes) -> usize:
        taken = self.uart.write(data)
        self.waits_for_room = self.waits_for_room or taken < len(data)
        return taken

    def read(self, into: Span[u8]) -> usize:
        return self.uart.read(into)

    def notify(self, whom: Notification) -> None:
        if self.listener != 0:
            _ = self.process.drop(self.listener)
        self.listener = whom.slot
        # What has come before would be news to it.
        self.tell(len(self.uart.received) != 0)

    def interrupted(self) -> None:
        before, full = len(self.uart.received), self.waits_for_room
        self.uart.serve()
        room = full and self.uart.to_send.room() != 0
        if room:
            self.waits_for_room = False
        self.tell(room or len(self.uart.received) > before)

    def tell(self, news: bool) -> None:
        if news and self.listener != 0 and system.signal(self.listener) is not None:
            # Who was to be told has gone.
            _ = self.process.drop(self.listener)
            self.listener = 0


def main(process: Process) -> None:
    must(map_device(process, device.slot, REGISTERS))
    signals = must_get(process.make(Kind.NOTIFICATION))
    must(system.bind(process.buffer, OWN_THREAD, Binding.NOTIFICATION, signals))
    must(system.bind_interrupt(process.buffer, line.slot, signals))
    reply = must_get(process.make(Kind.REPLY))
    uart = Uart(registers=object_at(Registers, REGISTERS))
    uart.begin()
    driver = Driver(process=process, uart=uart)
    # A line that an earlier driver left unacknowledged would stay silent for ever.
    _ = system.acknowledge(line.slot)
    window = must_get(interface.open_window(process, 1))
    process.ready()
    asked = system.receive(console.slot, reply)
    while True:
        if isinstance(asked, Failure):
            process.exit(1)
        if asked.is_signals():
            driver.interrupted()
            _ = system.acknowledge(line.slot)
            asked = system.receive(console.slot, reply)
            continue
        if interface.provided_of(asked.badge) == 0:
            answer = console.dispatch(driver, asked)
        else:
            answer = keyboard.dispatch(driver, asked)
        window = must_get(interface.next_window(process, window, 1, asked.capabilities(), answer.taken))
        asked = interface.next_message(process, console.slot, reply, answer)
