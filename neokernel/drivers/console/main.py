"""The console: a 16550's driver as a process, which serves `Console` and `Keyboard`.

It receives calls and the line's interrupts at one place: the notification that the interrupt signals is bound to its
thread. So it needs time of its own, and no lock.

A line that interrupts without end holds up nobody: it is heard again when a call that waits has been answered. One that
does so for nothing is set up anew, and too often, the driver ends (`health.py`). An interrupt that doesn't come loses
nothing: as long as something is to be sent, the device is looked at from time to time.
"""

from __future__ import annotations

from neokernel.abi.boot import OWN_THREAD
from neokernel.abi.call import NEVER, NOW
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding
from neokernel.abi.status import Status
from neokernel.drivers.process import REGISTERS, respond, settled
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

#: how often, in a second, the device is looked at that doesn't interrupt
LOOKS: u64 = 10


@struct
class Driver:
    process: Process
    uart: Uart
    #: when the device was looked at, or there was nothing to be sent
    since: u64 = 0
    #: whom to tell that bytes have come, or that there is room; 0 for nobody
    listener: u64 = 0
    #: a write found no room, and nobody was told since that there is some
    waits_for_room: bool = False

    # --- Console and Keyboard -----------------------------------------------------------------------------------------

    def write(self, data: bytes) -> usize:
        if len(self.uart.to_send) == 0:
            self.since = system.now()
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

    # --- the device ---------------------------------------------------------------------------------------------------

    def interrupted(self) -> None:
        before = len(self.uart.received)
        self.uart.interrupted()
        self.looked(before)
        _ = settled(self, self.uart.health, False)

    def waited(self) -> None:
        """It hasn't interrupted: it is still busy, or its interrupt was lost."""
        before = len(self.uart.received)
        self.uart.serve()
        self.looked(before)

    def restart(self) -> None:
        self.uart.begin()

    def deadline(self) -> u64:
        """When to look at the device though it hasn't interrupted."""
        return NEVER if len(self.uart.to_send) == 0 else self.since + self.process.frequency // LOOKS

    def looked(self, before: usize) -> None:
        """The device was served, before which so many bytes had been received."""
        self.since = system.now()
        room = self.waits_for_room and self.uart.to_send.room() != 0
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
    heard = False
    while True:
        if driver.deadline() <= system.now():
            driver.waited()
        asked = system.receive(console.slot, reply, NOW if heard else driver.deadline())
        if not isinstance(asked, Failure) and asked.is_signals():
            driver.interrupted()
            # Signals come before calls. So who waits has a turn before the line may signal again.
            heard = True
            continue
        if isinstance(asked, Failure):
            assert asked.status is Status.TIMED_OUT, "calls can't be received"
        else:
            process.client = asked.badge
            if interface.provided_of(asked.badge) == 0:
                answer = console.dispatch(driver, asked)
            else:
                answer = keyboard.dispatch(driver, asked)
            window = must_get(interface.next_window(process, window, 1, asked.capabilities(), answer.taken))
            respond(reply, answer)
        if heard:
            _ = system.acknowledge(line.slot)
            heard = False
