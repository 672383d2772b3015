"""Ports (section 5.3, with VIRTIO_CONSOLE_F_MULTIPORT): streams of bytes with names, whose other sides come and go.

    broken = console.turn(now)                  # the device has interrupted, or may have
    port = console.port(index)
    count = console.read(port, number, into)    # None: connection `number` has ended
    count = console.write(port, number, data)
    console.hand_over()                         # once for all of it

Knows nothing of processes. Port 0 is the device's console, for a machine that has nothing better, and is left alone.

Two sides open a port: the device says that its own is open (PORT_OPEN), and the driver that its own is. Bytes have no
marks that say whose they are, and travel in another queue than the news of PORT_OPEN. So when the other side goes, the
driver closes its own, waits until the device has taken note, drops what has come meanwhile, and opens again.

Buffers that the device never gives back: QEMU forgets the one that it was about to carry when the other side went
(`virtio_serial_close`). As a port's bytes go one after the other, it has none any more that comes before one that it
gives back. If it has all of them when a connection begins, and keeps them, it is late.

Invariants:
- `number` isn't 0 exactly while there is a connection of which something may still be read.
- Bytes that are read as one connection's are none of the next one's: what came is taken before the news are, so if
  these tell of another peer, it is dropped.
- There is a place for everything that the driver must tell.
- A port's buffers are with the device (those to be carried: in `leaving`, in their order), or wait in `came`, or are
  free in `spare`; each is in one place.
- Each call ends after a number of steps that doesn't depend on the device.
"""

from __future__ import annotations

from enum import Enum

from neokernel.drivers.health import Health
from neokernel.drivers.virtio.mmio import CHANGED, MOST_READS, Problem, Transport
from neokernel.drivers.virtio.queue import Broken, Queue
from neokernel.lang import (
    Array,
    Embedded,
    Order,
    Span,
    array,
    copy,
    fence,
    struct,
    u8,
    u16,
    u32,
    u64,
    usize,
    wire,
    wire_view,
)
from neokernel.runtime.queue import Queue as Fifo

#: kind of device
CONSOLE = 3
#: feature (5.3.3)
MULTIPORT = 1 << 1

#: ports: those whose numbers at the device are 1 to PORTS
PORTS = 4
#: queues, in the order of their pages: what the device says and is told, and so for each port
QUEUES = 2 + 2 * PORTS
#: pages of the device's: two of each queue, one for what is said and told, and two of each port
SAID_PAGE = 2 * QUEUES
PAGES = SAID_PAGE + 1 + 2 * PORTS

#: what the device says: messages at a time, and bytes of each; behind them, what it is told
SAID = 16
SAID_SIZE = 128
TOLD = 32
TOLD_SIZE = 8
TOLD_AT = SAID * SAID_SIZE
#: places of what is told that are left when the device was listened to: a client can hang up once at each port before
#: the next time, and what follows when the device took note has the place that is free then
RESERVED = PORTS
#: a port's buffers in either direction, and bytes of each
BUFFERS = 4
BUFFER = 1024
#: of a name
MOST_NAME = 64

assert TOLD_AT + TOLD * TOLD_SIZE < 4096 and BUFFERS * BUFFER == 4096, "each lies in its page"

#: events (5.3.6.2)
DEVICE_READY = 0
DEVICE_ADD = 1
DEVICE_REMOVE = 2
PORT_READY = 3
RESIZE = 5
PORT_OPEN = 6
PORT_NAME = 7


@wire(registers=True)
class Config:
    """Section 5.3.4."""

    columns: u16
    rows: u16
    ports_most: u32


@wire(registers=True)
class Message:
    """Section 5.3.6.2. Of RESIZE, the size is behind it."""

    port: u32
    event: u16
    value: u16
    columns: u16
    rows: u16


class Gate(Enum):
    """The driver's side of a port."""

    SHUT = 0
    OPEN = 1
    #: the device was told that it is shut, and hasn't taken note yet
    SHUTTING = 2


@struct
class Port:
    receive: Embedded[Queue]
    send: Embedded[Queue]
    #: a page for each direction, and where the device finds them
    into: Span[u8]
    data: Span[u8]
    into_address: u64 = 0
    data_address: u64 = 0
    #: the device has it; its other side is open
    present: bool = False
    peer: bool = False
    gate: Gate = Gate.SHUT
    #: the device hasn't been told yet that it was opened
    opened: bool = False
    #: nothing more is wanted of this peer
    hung: bool = False
    number: u64 = 0
    name: Array[u8] = array(MOST_NAME)
    name_length: usize = 0
    columns: u16 = 0
    rows: u16 = 0
    #: buffers that hold what came, in order; bytes in each; how many of the first one's were read
    came: Embedded[Fifo[u8]] = Fifo(slots=array(BUFFERS))
    lengths: Array[u32] = array(BUFFERS)
    done: usize = 0
    #: buffers that can be written; that the device has, to carry what is in them
    spare: Embedded[Fifo[u8]] = Fifo(slots=array(BUFFERS))
    leaving: Embedded[Fifo[u8]] = Fifo(slots=array(BUFFERS))
    #: since the connection began the device has had all of them, from then on
    mute: bool = False
    since: u64 = 0
    #: a write found too little room, and nobody was told since that there is some
    crowded: bool = False
    #: something has happened
    news: bool = False

    def is_called(self, name: bytes) -> bool:
        return self.present and self.name[: self.name_length].bytes() == name

    def forget(self) -> None:
        """Nothing is known of it any more."""
        self.present, self.peer, self.hung, self.opened = False, False, False, False
        self.gate, self.number = Gate.SHUT, 0
        self.name_length, self.columns, self.rows = 0, 0, 0
        self.done, self.news, self.mute = 0, True, False
        self.came.clear()
        self.spare.clear()
        self.leaving.clear()


@struct
class Console:
    """`begin` comes first, and again after `Broken`."""

    transport: Embedded[Transport]
    config: Config
    said: Embedded[Queue]
    told: Embedded[Queue]
    #: a page of the device's, and where it finds that
    memory: Span[u8]
    first: Embedded[Port]
    second: Embedded[Port]
    third: Embedded[Port]
    fourth: Embedded[Port]
    address: u64 = 0
    health: Embedded[Health] = Health()
    #: ports that the device can have
    ports: usize = 0
    #: free places of what the device is told; which port's closing stands in a place, counted from 1 on
    places: Embedded[Fifo[u8]] = Fifo(slots=array(TOLD))
    closing: Array[u8] = array(TOLD)
    #: since when the device hasn't taken note of what it was told
    since: u64 = 0
    #: the last connection
    latest: u64 = 0

    def port(self, index: usize) -> Port:
        match index:
            case 0:
                return self.first
            case 1:
                return self.second
            case 2:
                return self.third
            case _:
                return self.fourth

    # --- the device ---------------------------------------------------------------------------------------------------

    def begin(self, pages: Span[u64], now: u64) -> Problem | None:
        """Set the device up, in whatever state it is; the bus addresses of its pages."""
        for index in range(PORTS):
            self.port(index).forget()
        problem = self.transport.begin(CONSOLE, MULTIPORT)
        if problem is None and not self.transport.has(MULTIPORT):
            problem = self.transport.give_up(Problem.FEATURES)
        if problem is None:
            problem = self.configure()
        if problem is None:
            problem = self.attach(pages)
        if problem is not None:
            return problem
        self.transport.go()
        for index in range(SAID):
            self.listen_for(u32(index))
        self.places.clear()
        for index in range(TOLD):
            self.closing[index] = 0
            _ = self.places.push(u8(index))
        for index in range(self.ports):
            port = self.port(index)
            for buffer in range(BUFFERS):
                self.receive_into(port, u8(buffer))
                _ = port.spare.push(u8(buffer))
        self.tell(0, DEVICE_READY, 1, 0, now)
        self.hand_over()
        return None

    def configure(self) -> Problem | None:
        """How many ports can there be? Read between two equal generations (2.5.1)."""
        for _ in range(MOST_READS):
            before = self.transport.generation()
            most = self.config.ports_most
            if self.transport.generation() == before:
                if most < 2:
                    return self.transport.give_up(Problem.CONFIGURATION)
                self.ports = usize(min(most - 1, PORTS))
                return None
        return self.transport.give_up(Problem.CONFIGURATION)

    def attach(self, pages: Span[u64]) -> Problem | None:
        """Queues 2 and 3 are for what is said and told; those of port n are 2 + 2 n and 3 + 2 n (5.3.2)."""
        self.address = pages[SAID_PAGE]
        problem = self.transport.attach(2, self.said, SAID, pages[0], pages[1])
        if problem is None:
            problem = self.transport.attach(3, self.told, TOLD, pages[2], pages[3])
        for index in range(self.ports):
            port, first = self.port(index), 4 + 4 * index
            port.into_address = pages[SAID_PAGE + 1 + 2 * index]
            port.data_address = pages[SAID_PAGE + 2 + 2 * index]
            if problem is None:
                number = u32(4 + 2 * index)
                problem = self.transport.attach(number, port.receive, BUFFERS, pages[first], pages[first + 1])
            if problem is None:
                number = u32(5 + 2 * index)
                problem = self.transport.attach(number, port.send, BUFFERS, pages[first + 2], pages[first + 3])
        return problem

    def hand_over(self) -> None:
        """Let the device see what was asked of it."""
        if self.said.publish():
            self.transport.notify(2)
        if self.told.publish():
            self.transport.notify(3)
        for index in range(self.ports):
            port = self.port(index)
            # A device that had nobody to bring bytes to may look at them only when it is told of buffers (QEMU does).
            if port.receive.publish() or port.opened:
                self.transport.notify(u32(4 + 2 * index))
            port.opened = False
            if port.send.publish():
                self.transport.notify(u32(5 + 2 * index))

    def is_late(self, now: u64, patience: u64) -> bool:
        """Has the device kept what it was told, or was to carry for earlier connections, for longer than any does?"""
        waiting = self.waiting_since()
        return waiting is not None and now - waiting > patience

    def waiting_since(self) -> u64 | None:
        """Since when it is awaited that the device does something; None: it isn't."""
        found: u64 | None = None if self.told.in_flight == 0 else self.since
        for index in range(self.ports):
            port = self.port(index)
            if port.mute:
                found = port.since if found is None else min(found, port.since)
        return found

    # --- bytes --------------------------------------------------------------------------------------------------------

    def connection(self, port: Port) -> u64:
        return port.number if port.gate is Gate.OPEN else 0

    def read(self, port: Port, number: u64, into: Span[u8]) -> usize | None:
        """Hand out bytes that came, each once: how many. None: the connection has ended."""
        if number == 0 or number != port.number:
            return None
        count: usize = 0
        for _ in range(BUFFERS):
            buffer = port.came.head()
            if buffer is None or count == len(into):
                break
            start, length = usize(buffer) * BUFFER, usize(port.lengths[usize(buffer)])
            size = min(length - port.done, len(into) - count)
            copy(into[count : count + size], port.into[start + port.done : start + port.done + size].bytes())
            count += size
            port.done += size
            if port.done == length:
                port.done = 0
                _ = port.came.pop()
                # What was copied isn't read again when the device has the buffer.
                fence(Order.ACQUIRE)
                self.receive_into(port, buffer)
        if port.gate is not Gate.OPEN and len(port.came) == 0:
            port.number = 0
            return count if count != 0 else None
        return count

    def write(self, port: Port, number: u64, data: bytes) -> usize | None:
        """Take as many of the first bytes as there is room for. None: the connection has ended."""
        if number == 0 or number != port.number or port.gate is not Gate.OPEN:
            return None
        count: usize = 0
        for _ in range(BUFFERS):
            if count == len(data):
                break
            buffer = port.spare.pop()
            if buffer is None:
                break
            start, size = usize(buffer) * BUFFER, min(len(data) - count, BUFFER)
            copy(port.data[start : start + size], data[count : count + size])
            port.send.add(port.data_address + start, u32(size), False)
            port.send.close(u32(buffer))
            assert port.leaving.push(buffer) is None, "there are as many places as buffers"
            count += size
        port.crowded = port.crowded or count < len(data)
        return count

    def hang_up(self, index: usize, number: u64, now: u64) -> bool:
        """Close the port until the other side is another one. False: the connection has ended before."""
        port = self.port(index)
        if number == 0 or number != port.number or port.gate is not Gate.OPEN:
            return False
        port.hung, port.number = True, 0
        self.shut(index, now)
        self.drop(port)
        return True

    # --- what the device says -----------------------------------------------------------------------------------------

    def turn(self, now: u64) -> Broken | None:
        """The device has interrupted, or may have."""
        self.health.interrupted()
        if self.transport.interrupted() & CHANGED != 0 and self.transport.wants_reset():
            return Broken.ASKED
        broken = self.noted(now)
        if broken is not None or len(self.places) < SAID + RESERVED:
            # It answers when it has taken note of more.
            return broken
        for index in range(self.ports):
            if broken is None:
                broken = self.collect(self.port(index))
            if broken is None:
                broken = self.sent(self.port(index))
        return self.listen(now) if broken is None else broken

    def collect(self, port: Port) -> Broken | None:
        """Take what came; nobody wants it while the driver's side isn't open."""
        for _ in range(2 * BUFFERS + 2):
            done = port.receive.take()
            if isinstance(done, Broken):
                return done
            if done is not None:
                self.health.progress()
                if done.length == 0:
                    return Broken.LENGTH
                if port.gate is Gate.OPEN:
                    port.lengths[usize(done.token)] = done.length
                    assert port.came.push(u8(done.token)) is None, "there are as many places as buffers"
                    port.news = True
                else:
                    self.receive_into(port, u8(done.token))
            elif port.receive.may_sleep():
                return None
        return Broken.ENDLESS

    def sent(self, port: Port) -> Broken | None:
        """Buffers that the device is done with can be written again."""
        for _ in range(2 * BUFFERS + 2):
            done = port.send.take()
            if isinstance(done, Broken):
                return done
            if done is not None:
                self.health.progress()
                self.carried(port, done.token)
                port.news = port.news or port.crowded
                port.crowded = False
            elif port.send.may_sleep():
                return None
        return Broken.ENDLESS

    def carried(self, port: Port, token: u32) -> None:
        """A buffer is back; those before it don't come back any more."""
        port.mute = False
        for _ in range(BUFFERS):
            buffer = port.leaving.pop()
            assert buffer is not None, "what is back was handed over"
            assert port.spare.push(buffer) is None, "there are as many places as buffers"
            if u32(buffer) == token:
                return
            port.send.forget(u32(buffer))

    def noted(self, now: u64) -> Broken | None:
        """What the device has taken note of."""
        for _ in range(2 * TOLD + 2):
            done = self.told.take()
            if isinstance(done, Broken):
                return done
            if done is not None:
                self.health.progress()
                self.since = now
                closed = self.closing[usize(done.token)]
                self.closing[usize(done.token)] = 0
                assert self.places.push(u8(done.token)) is None, "there are as many places as messages"
                if closed != 0:
                    broken = self.is_shut(usize(closed) - 1, now)
                    if broken is not None:
                        return broken
            elif self.told.may_sleep():
                return None
        return Broken.ENDLESS

    def is_shut(self, index: usize, now: u64) -> Broken | None:
        """The device knows that a port is closed: nothing comes until it is opened again."""
        port = self.port(index)
        broken = self.collect(port)
        if broken is None and port.gate is Gate.SHUTTING:
            port.gate = Gate.SHUT
            self.open(index, now)
        return broken

    def listen(self, now: u64) -> Broken | None:
        """What the device says: no more than it has buffers for, as these are handed over again later."""
        heard: usize = 0
        for _ in range(2 * SAID + 2):
            done = self.said.take()
            if isinstance(done, Broken):
                return done
            if done is not None:
                self.health.progress()
                if done.length < TOLD_SIZE:
                    return Broken.LENGTH
                heard += 1
                if heard > SAID:
                    return Broken.ENDLESS
                self.heed(done.token, usize(done.length), now)
                self.listen_for(done.token)
            elif self.said.may_sleep():
                return None
        return Broken.ENDLESS

    def heed(self, place: u32, length: usize, now: u64) -> None:
        """One message; what it is about a port that isn't there is left out."""
        start = usize(place) * SAID_SIZE
        message = wire_view(Message, self.memory[start : start + SAID_SIZE])
        # Each field is read once: the device can change them.
        number, event, value = message.port, message.event, message.value
        if number == 0 or usize(number) > self.ports:
            if event == DEVICE_ADD:
                self.tell(number, PORT_READY, 0, 0, now)
            return
        index = usize(number) - 1
        port = self.port(index)
        match event:
            case 1:
                port.present = True
                self.tell(number, PORT_READY, 1, 0, now)
            case 2:
                port.present, port.name_length = False, 0
                self.changed(index, False, now)
            case 5 if length >= TOLD_SIZE + 4:
                port.columns, port.rows = message.columns, message.rows
                port.news = True
            case 6:
                self.changed(index, value != 0, now)
            case 7:
                self.rename(port, self.memory[start + TOLD_SIZE : start + length])
            case _:
                pass

    def rename(self, port: Port, name: Span[u8]) -> None:
        """To the name's end, or the first zero; one that is too long is none."""
        length: usize = 0
        for place in range(min(len(name), MOST_NAME)):
            byte = name[place]
            if byte == 0:
                break
            port.name[place] = byte
            length += 1
        port.name_length = length if len(name) <= MOST_NAME + 1 else 0
        port.news = True

    def changed(self, index: usize, peer: bool, now: u64) -> None:
        """The other side has come or gone. Who comes is another one, whoever was there before."""
        port = self.port(index)
        port.peer, port.hung = peer, False
        port.news = True
        if peer:
            # What came may be either one's.
            self.drop(port)
            port.number = 0
        if port.gate is Gate.OPEN:
            self.shut(index, now)
        elif port.gate is Gate.SHUT:
            self.open(index, now)

    def shut(self, index: usize, now: u64) -> None:
        self.port(index).gate = Gate.SHUTTING
        self.tell(u32(index) + 1, PORT_OPEN, 0, u8(index) + 1, now)

    def open(self, index: usize, now: u64) -> None:
        """If somebody is on the other side, and wanted."""
        port = self.port(index)
        if not port.peer or port.hung or not port.present:
            return
        self.drop(port)
        self.latest = max(self.latest + 1, now)
        port.gate, port.number = Gate.OPEN, self.latest
        port.news, port.opened = True, True
        port.mute, port.since = len(port.spare) == 0, now
        self.tell(u32(index) + 1, PORT_OPEN, 1, 0, now)

    # --- inside -------------------------------------------------------------------------------------------------------

    def drop(self, port: Port) -> None:
        """What came isn't wanted any more."""
        port.done = 0
        for _ in range(BUFFERS):
            buffer = port.came.pop()
            if buffer is not None:
                self.receive_into(port, buffer)

    def receive_into(self, port: Port, buffer: u8) -> None:
        port.receive.add(port.into_address + u64(buffer) * BUFFER, BUFFER, True)
        port.receive.close(u32(buffer))

    def listen_for(self, place: u32) -> None:
        self.said.add(self.address + u64(place) * SAID_SIZE, SAID_SIZE, True)
        self.said.close(place)

    def tell(self, port: u32, event: u16, value: u16, closing: u8, now: u64) -> None:
        """Tell the device something; there is room: see `listen`."""
        place = self.places.pop()
        assert place is not None, "more is told than answers are left room for"
        start = TOLD_AT + usize(place) * TOLD_SIZE
        message = wire_view(Message, self.memory[start : start + TOLD_SIZE + 4])
        message.port, message.event, message.value = port, event, value
        self.closing[usize(place)] = closing
        if self.told.in_flight == 0:
            self.since = now
        self.told.add(self.address + start, TOLD_SIZE, False)
        self.told.close(u32(place))
