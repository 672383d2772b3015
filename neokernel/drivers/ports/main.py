"""Ports: the driver of a virtio-console device as a process, which serves `Port`, once for each name.

    [slot.virtio1]
    device = "ports"
    ports = { control = "control.sock" }

    [service.ports]
    program = "neokernel.drivers.ports"
    config.name0 = "control"                    # so `ports.port0` is a right to this port and to no other

Bytes are copied between messages and the driver's own pages, so the device reaches nobody's memory but these, and calls
never wait. One thread does all: it receives calls and interrupts at one place.

A device that fails is reset, and all connections have ended; if that happens too often, the driver ends, and init
decides. Nothing is kept that a new life would have to find again.
"""

from __future__ import annotations

from neokernel.abi.boot import OWN_THREAD
from neokernel.abi.call import NEVER
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding
from neokernel.abi.status import Status
from neokernel.drivers.process import attach, respond, settled
from neokernel.drivers.virtio.console import CONSOLE, PAGES, PORTS, SAID_PAGE, Config, Console
from neokernel.drivers.virtio.console import Port as Side
from neokernel.drivers.virtio.mmio import Transport
from neokernel.drivers.virtio.process import (
    CONFIG_REGISTERS,
    Pages,
    began,
    data,
    descriptors,
    quieten,
    registers,
    rings,
)
from neokernel.drivers.virtio.queue import Queue
from neokernel.interfaces.port import Gone, Port, Size
from neokernel.lang import (
    Array,
    Embedded,
    Provides,
    Setting,
    Span,
    Uses,
    array,
    object_at,
    provides,
    setting,
    struct,
    u8,
    u64,
    unsafe,
    uses,
    usize,
)
from neokernel.runtime import interface, system
from neokernel.runtime.interface import provided_of
from neokernel.runtime.must import must, must_get
from neokernel.runtime.objects import Device, Dma, Interrupt, Memory, Notification
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure

unsafe("the device's registers are where this process maps them")

device: Uses[Device] = uses()
line: Uses[Interrupt] = uses()
#: for the device: as many pages as `PAGES` says
space: Uses[Dma] = uses()
memory: Uses[Memory] = uses()
port0: Provides[Port] = provides()
port1: Provides[Port] = provides()
port2: Provides[Port] = provides()
port3: Provides[Port] = provides()
#: what the device calls them
name0: Setting[str] = setting("port0")
name1: Setting[str] = setting("port1")
name2: Setting[str] = setting("port2")
name3: Setting[str] = setting("port3")

#: seconds in which any device takes note of what it is told
PATIENCE = 5


@struct
class Server:
    process: Process
    console: Embedded[Console]
    #: ticks of PATIENCE
    patience: u64
    pages: Embedded[Pages] = Pages(addresses=array(PAGES))
    #: by what is provided: whom to tell of news, 0 for nobody
    listeners: Array[u64] = array(PORTS)

    # --- Port ---------------------------------------------------------------------------------------------------------

    def connection(self) -> u64:
        place = self.place(self.provided())
        return 0 if place is None else self.console.connection(self.console.port(place))

    def size(self) -> Size:
        place = self.place(self.provided())
        if place is None:
            return Size(0, 0)
        port = self.console.port(place)
        return Size(port.columns, port.rows)

    def read(self, connection: u64, into: Span[u8]) -> usize | Gone:
        place = self.place(self.provided())
        if place is None:
            return Gone.PEER
        count = self.console.read(self.console.port(place), connection, into)
        return Gone.PEER if count is None else count

    def write(self, connection: u64, data: bytes) -> usize | Gone:
        place = self.place(self.provided())
        if place is None:
            return Gone.PEER
        count = self.console.write(self.console.port(place), connection, data)
        return Gone.PEER if count is None else count

    def hang_up(self, connection: u64) -> Gone | None:
        place = self.place(self.provided())
        if place is None or not self.console.hang_up(place, connection, system.now()):
            return Gone.PEER
        return None

    def notify(self, whom: Notification) -> None:
        number = self.provided()
        if self.listeners[number] != 0:
            _ = self.process.drop(self.listeners[number])
        self.listeners[number] = whom.slot
        # What has happened before would be news to it.
        self.tell(number)

    # --- which port ---------------------------------------------------------------------------------------------------

    def provided(self) -> usize:
        """What the caller was granted."""
        return min(provided_of(self.process.client), PORTS - 1)

    def place(self, number: usize) -> usize | None:
        """Which of the device's ports that is, if there is one of that name."""
        for place in range(PORTS):
            if self.console.port(place).is_called(name_of(self.process, number).encode()):
                return place
        return None

    # --- the device ---------------------------------------------------------------------------------------------------

    def interrupted(self) -> None:
        self.settle(self.console.turn(system.now()) is not None)

    def waited(self) -> None:
        self.settle(self.console.is_late(system.now(), self.patience))

    def settle(self, failed: bool) -> None:
        """After an interrupt, or without one: those are told whom it concerns."""
        if settled(self, self.console.health, failed):
            for number in range(PORTS):
                self.tell(number)
        for number in range(PORTS):
            place = self.place(number)
            if place is not None and self.console.port(place).news:
                self.console.port(place).news = False
                self.tell(number)

    def restart(self) -> None:
        began(self.console.begin(self.pages.addresses[:], system.now()))

    def deadline(self) -> u64:
        """When to look at the device though it hasn't interrupted."""
        since = self.console.waiting_since()
        return NEVER if since is None else since + self.patience + 1

    def tell(self, number: usize) -> None:
        listener = self.listeners[number]
        if listener != 0 and system.signal(listener) is not None:
            # Who was to be told has gone.
            _ = self.process.drop(listener)
            self.listeners[number] = 0


def name_of(process: Process, number: usize) -> str:
    match number:
        case 0:
            return name0.get(process)
        case 1:
            return name1.get(process)
        case 2:
            return name2.get(process)
        case _:
            return name3.get(process)


def main(process: Process) -> None:
    server = Server(
        process=process,
        console=Console(
            transport=Transport(registers=registers()),
            config=object_at(Config, CONFIG_REGISTERS),
            said=Queue(descriptors=descriptors(0), rings=rings(0)),
            told=Queue(descriptors=descriptors(1), rings=rings(1)),
            memory=data(SAID_PAGE),
            first=Side(
                receive=Queue(descriptors=descriptors(2), rings=rings(2)),
                send=Queue(descriptors=descriptors(3), rings=rings(3)),
                into=data(SAID_PAGE + 1),
                data=data(SAID_PAGE + 2),
            ),
            second=Side(
                receive=Queue(descriptors=descriptors(4), rings=rings(4)),
                send=Queue(descriptors=descriptors(5), rings=rings(5)),
                into=data(SAID_PAGE + 3),
                data=data(SAID_PAGE + 4),
            ),
            third=Side(
                receive=Queue(descriptors=descriptors(6), rings=rings(6)),
                send=Queue(descriptors=descriptors(7), rings=rings(7)),
                into=data(SAID_PAGE + 5),
                data=data(SAID_PAGE + 6),
            ),
            fourth=Side(
                receive=Queue(descriptors=descriptors(8), rings=rings(8)),
                send=Queue(descriptors=descriptors(9), rings=rings(9)),
                into=data(SAID_PAGE + 7),
                data=data(SAID_PAGE + 8),
            ),
        ),
        patience=process.frequency * PATIENCE,
    )
    signals = must_get(process.make(Kind.NOTIFICATION))
    must(system.bind(process.buffer, OWN_THREAD, Binding.NOTIFICATION, signals))
    attach(process, signals, device, line)
    quieten(server.console.transport, CONSOLE)
    server.pages.begin(process, space, memory)
    server.restart()
    reply = must_get(process.make(Kind.REPLY))
    window = must_get(interface.open_window(process, 1))
    process.ready()
    while True:
        asked = system.receive(port0.slot, reply, server.deadline())
        if isinstance(asked, Failure):
            assert asked.status is Status.TIMED_OUT, "calls can't be received"
            server.waited()
        elif asked.is_signals():
            server.interrupted()
            _ = system.acknowledge(line.slot)
        else:
            process.client = asked.badge
            answer = port0.dispatch(server, asked, reply)
            window = must_get(interface.next_window(process, window, 1, asked.capabilities(), answer.taken))
            respond(reply, answer)
        server.console.hand_over()
