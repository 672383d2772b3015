"""A network device: the driver of a virtio-net device as a process, which serves `NetworkDevice`.

The device reads and writes the client's region by itself; the driver looks at the 12 bytes of what came that are the
device's, and at nothing else. One thread does all: calls, interrupts and the client's wake-ups come in at one place,
and each time all is done that there is to do, in both directions.

What comes goes to the client before anything else is done. A client that is more urgent than the driver runs then,
until it sleeps; what it has handed over meanwhile is taken afterwards, without having woken anybody.

Nothing is kept that a new life would have to find: its client opens it again. A device that fails is reset, and has its
client's buffers again; frames that it had are lost, as frames can be. If that happens too often the driver ends, and
init decides.

Invariants:
- For each frame or buffer that was taken there is room for an event, so nothing waits here for room to be told.
- The device has what was taken and isn't told: what its queues have in flight.
- The device has at most as many buffers as leave room to tell of KEPT other things.
- Of frames that were sent, less than LATER aren't told when the driver sleeps. They alone wake nobody.
"""

from __future__ import annotations

from neokernel.abi.boot import OWN_THREAD
from neokernel.abi.call import NEVER, NOW
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding
from neokernel.abi.rights import SIGNAL
from neokernel.abi.status import Status
from neokernel.drivers.process import SIGNALS, attach, respond, settled
from neokernel.drivers.virtio.mmio import Transport
from neokernel.drivers.virtio.network import (
    FEW_PARTS,
    LATER,
    MANY_PARTS,
    NETWORK,
    Config,
    Header,
    Network,
    Offload,
)
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
from neokernel.drivers.virtio.queue import SIZE, Broken, Queue
from neokernel.interfaces.network import (
    CHECKSUM,
    FIRST,
    HEADER,
    LEAST_BUFFER,
    LEAST_EVENTS,
    LEAST_FRAME,
    LEAST_SLOTS,
    LINK,
    MOST_BUFFER,
    MOST_FRAME,
    MOST_SEGMENTED,
    RECEIVED,
    REFUSED,
    SEGMENT,
    SENT,
    UP,
    Buffer,
    Description,
    Event,
    NetworkDevice,
    NoRings,
    Send,
    buffer_slots,
    event_slots,
    send_slots,
    slots_in,
)
from neokernel.lang import (
    Embedded,
    Provides,
    Uses,
    array,
    cold,
    object_at,
    provides,
    size_of,
    struct,
    u16,
    u32,
    u64,
    unsafe,
    uses,
    usize,
)
from neokernel.runtime import interface, system
from neokernel.runtime.dma import Reach, Region
from neokernel.runtime.lend import Lent, base_of, size_at
from neokernel.runtime.must import must, must_get
from neokernel.runtime.objects import Device, Dma, Interrupt, Memory, Notification
from neokernel.runtime.post import is_ring, line_of
from neokernel.runtime.process import Process
from neokernel.runtime.ring import Broken as BrokenRing
from neokernel.runtime.ring import Ring, Role
from neokernel.runtime.system import Failure

unsafe("the device's registers are where this process maps them")

device: Uses[Device] = uses()
line: Uses[Interrupt] = uses()
#: for the device: five pages
space: Uses[Dma] = uses()
memory: Uses[Memory] = uses()
network: Provides[NetworkDevice] = provides()

#: signals: the device has interrupted, the client has filled a ring
INTERRUPT: u64 = 1
RINGS: u64 = 1 << SIGNALS
#: seconds in which any device sends a frame
PATIENCE = 5
#: how often the device and the rings are looked at, before calls are
MOST_LOOKS = 8
#: of the events' slots, those that buffers leave to others: to as many frames as are under way until the client is told
#: of them, one that goes out next, and news of the link
KEPT = LATER + 2
#: events for which there is room, as far as is known, without another look
PLENTY: u32 = 32


@struct
class Server:
    """What outlives a session: the device."""

    process: Process
    network: Embedded[Network]
    #: the thread's
    notification: u64
    #: ticks of PATIENCE
    patience: u64
    pages: Embedded[Pages] = Pages(addresses=array(5))
    reach: Embedded[Reach] = Reach()
    #: what the client has opened the device with; `wake` is 0 as long as nobody has
    sends: Lent = Lent(0, 0)
    buffers: Lent = Lent(0, 0)
    events: Lent = Lent(0, 0)
    wake: u64 = 0
    wanted: u32 = 0
    session: u64 = 0
    latest: u64 = 0
    #: where a capability may arrive
    window: u64 = 0

    # --- NetworkDevice ------------------------------------------------------------------------------------------------

    def open(self, sends: Lent, buffers: Lent, events: Lent, wake: Notification, wanted: u32) -> Notification | NoRings:
        self.close()
        # From here on the device reaches nothing of the client's.
        began(self.network.transport.reset())
        if not are_rings(sends, buffers, events):
            _ = self.process.drop(wake.slot)
            self.restart()
            return NoRings.PARTS
        self.sends, self.buffers, self.events = sends, buffers, events
        self.wake, self.wanted = wake.slot, wanted
        self.latest = max(self.latest + 1, system.now())
        self.session = self.latest
        self.network.forget()
        self.restart()
        return Notification(must_get(self.process.derive(self.notification, SIGNAL, RINGS)))

    def describe(self) -> Description:
        found = self.network
        return Description(found.address, found.mtu, found.offloads(), found.link, self.session)

    # --- the device ---------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Nobody has the device any more."""
        if self.wake != 0:
            _ = self.process.drop(self.wake)
        self.wake, self.session = 0, 0

    def interrupted(self) -> None:
        _ = settled(self, self.network.health, self.network.interrupted() is not None)

    def waited(self) -> None:
        pass

    def restart(self) -> None:
        began(self.network.begin(self.pages.addresses[:], self.wanted))

    # --- calls --------------------------------------------------------------------------------------------------------

    def receive(self, reply: u64, deadline: u64) -> u64:
        """Wait for a call, and answer it; or for signals: those that have come."""
        asked = system.receive(network.slot, reply, deadline)
        if isinstance(asked, Failure):
            assert asked.status is Status.TIMED_OUT, "calls can't be received"
            return 0
        if asked.is_signals():
            return asked.badge
        self.process.client = asked.badge
        answer = network.dispatch(self, asked, reply)
        self.window = must_get(interface.next_window(self.process, self.window, 1, asked.capabilities(), answer.taken))
        respond(reply, answer)
        if answer.moved != 0:
            interface.handed_over(self.process, answer.moved)
        return 0


@struct
class Session:
    """A client's rings, from its `open` to the next one's."""

    server: Server
    number: u64
    #: where its region is, and how large
    base: u64
    size: u64
    region: Region
    sends: Embedded[Ring[Send]]
    buffers: Embedded[Ring[Buffer]]
    events: Embedded[Ring[Event]]
    #: buffers that the device has at a time: if they took all the room for events, nothing could be sent
    most_buffers: u32
    #: events that were written and not handed over
    written: u32 = 0
    #: one of them is to be told at once
    news: bool = False
    #: the next buffer is asked for already
    asked: bool = False
    link: bool = True
    broken: bool = False

    # --- the loop -----------------------------------------------------------------------------------------------------

    def turn(self, signals: u64) -> bool:
        """All that there is to do, in both directions. True: there may be more at once."""
        if signals & INTERRUPT != 0:
            self.interrupted()
            _ = system.acknowledge(line.slot)
        for _ in range(MOST_LOOKS):
            self.collect()
            if self.news or self.untold() >= LATER:
                self.tell_news()
            room = self.accept()
            if self.news or self.untold() >= LATER:
                self.tell_news()
            self.server.network.hand_over()
            if self.broken or self.may_sleep(room):
                return False
        return True

    def may_sleep(self, room: u32) -> bool:
        """Ask to be woken by whatever could be done then; False: something can be done now. `room`: for events."""
        network = self.server.network
        idle = network.may_sleep()
        if room <= 1:
            wanted = self.written + self.held() + 2
            return idle and (usize(wanted) > len(self.events.slots) or self.sleeps(self.events.may_sleep(wanted)))
        if not self.asked and self.buffer_room() != 0:
            idle = idle and self.sleeps(self.buffers.may_sleep(1))
        if network.send_room(self.parts()) != 0:
            idle = idle and self.sleeps(self.sends.may_sleep(1))
        return idle

    def sleeps(self, found: bool | BrokenRing) -> bool:
        if isinstance(found, BrokenRing):
            self.broken = True
            return True
        return found

    def deadline(self) -> u64:
        """When to look at the device though it hasn't interrupted: if nothing else makes the driver look in time.

        As long as that isn't needed for room, the client's next frame does: until then nobody misses one of the last.
        """
        network = self.server.network
        return network.since + self.server.patience + 1 if network.waits else NEVER

    def begin(self) -> None:
        """Look at the rings as they are; one that can't be is `broken`."""
        self.broken = self.sends.attach() is not None or self.buffers.attach() is not None
        self.broken = self.broken or self.events.attach() is not None
        self.link = self.server.network.link

    # --- from the device ----------------------------------------------------------------------------------------------

    def interrupted(self) -> None:
        network = self.server.network
        if settled(self.server, network.health, network.interrupted() is not None):
            self.renew()
        self.look_at_link()

    def renew(self) -> None:
        """The device was reset: its frames are lost, and it has its buffers again."""
        network = self.server.network
        for number in range(SIZE):
            frame = network.lost_frame(number)
            if frame is not None:
                self.tell(SENT, 0, frame, 0, 0, 0)
        for number in range(SIZE):
            buffer = network.lost_buffer(number)
            if buffer is not None:
                self.put_buffer(buffer.token, buffer.length)

    def failed(self) -> None:
        """What the device said can't be: it is reset, and goes on."""
        if settled(self.server, self.server.network.health, True):
            self.renew()
        self.look_at_link()

    def look_at_link(self) -> None:
        """It may have come or gone."""
        self.news = self.news or self.link != self.server.network.link

    def collect(self) -> None:
        """Note as events what was sent and has come."""
        network, now = self.server.network, system.now()
        while network.has_sent():
            sent = network.next_sent(now)
            if sent is None:
                break
            if isinstance(sent, Broken):
                self.failed()
                return
            self.tell(SENT, 0, sent, 0, 0, 0)
        while network.has_received():
            came = network.next_received()
            if came is None:
                break
            self.news = True
            if isinstance(came, Broken):
                self.failed()
                return
            self.deliver(came.token, came.length, came.first)
        if network.is_late(now, self.server.patience):
            self.failed()

    def deliver(self, token: u32, length: u32, first: bool) -> None:
        """A buffer has come."""
        network = self.server.network
        if not first:
            self.tell(RECEIVED, 0, token, length, network.left, 0)
            return
        meaning = network.read(object_at(Header, self.base + u64(token)))
        if isinstance(meaning, Broken):
            # The device or the client has written what can't be, as the header is in memory of both. Were it held
            # against the device, a client could wear out the driver: so the buffer is the client's, with nothing in it.
            self.tell(RECEIVED, FIRST, token + HEADER, 0, 0, 0)
            return
        self.tell(RECEIVED, meaning.flags | FIRST, token + HEADER, length - HEADER, meaning.left, meaning.segment)

    def tell(self, kind: u16, flags: u16, place: u32, length: u32, left: u16, segment: u16) -> None:
        """An event; there is room for it."""
        event = self.events.slot(self.written)
        event.kind, event.flags, event.place, event.length = kind, flags, place, length
        event.left, event.segment = left, segment
        self.written += 1

    def untold(self) -> u32:
        """How many frames that were handed over aren't the client's again, as far as it knows."""
        return self.written + u32(self.server.network.send.in_flight)

    def tell_news(self) -> None:
        """Let the client see events: one of them is more than a frame that was sent, or these are many."""
        network = self.server.network
        if self.link != network.link and self.room() != 0:
            self.link = network.link
            self.tell(LINK, UP if self.link else 0, 0, 0, 0, 0)
        # News of the link waits for room.
        count, self.written, self.news = self.written, 0, self.link != network.link
        # Whatever the client hands over now is seen afterwards.
        self.sends.stay_awake()
        self.buffers.stay_awake()
        self.asked = False
        if self.broken:
            # Its ring of events can't be: nothing is told in it.
            return
        if self.events.advance(count) and system.signal(self.server.wake) is not None:
            self.broken = True

    # --- from the client ----------------------------------------------------------------------------------------------

    def held(self) -> u32:
        """How many frames and buffers the device has."""
        return u32(self.server.network.send.in_flight) + u32(self.server.network.receive.in_flight)

    def room(self) -> u32:
        """For how many more events there is room, beside those that are to come: so many at least, or PLENTY."""
        taken = self.written + self.held()
        free = self.events.available(taken + PLENTY)
        if isinstance(free, BrokenRing):
            self.broken = True
            return 0
        return free - taken

    def accept(self) -> u32:
        """Take frames and buffers, as many as there is room for everywhere. For how many more events there is room."""
        room = self.room()
        # One is left for the link.
        if room > 1:
            room -= self.take_buffers(room - 1)
        if room > 1:
            room -= self.take_frames(room - 1)
        return room

    def buffer_room(self) -> u32:
        """How many more buffers the device takes."""
        network = self.server.network
        return min(u32(network.receive_room()), self.most_buffers - u32(network.receive.in_flight))

    def take_buffers(self, room: u32) -> u32:
        network = self.server.network
        most = min(room, self.buffer_room(), u32(len(self.buffers.slots)))
        if most == 0:
            self.asked = False
            return 0
        # Mostly there is none, as clients give back many at a time: so asking for the next one is looking for it.
        self.asked = self.sleeps(self.buffers.may_sleep(1))
        if self.asked:
            return 0
        found = self.buffers.available(1)
        if isinstance(found, BrokenRing):
            return 0
        count = min(found, most)
        reach, region = self.server.reach, self.region
        # What `slot` does, with what doesn't change taken out of the loop.
        slots, first = self.buffers.slots, usize(self.buffers.place)
        for number in range(usize(count)):
            slot = slots[(first + number) & (len(slots) - 1)]
            # Read once: the client can change them.
            place, length = slot.place, slot.length
            if not LEAST_BUFFER <= length <= MOST_BUFFER or place % 2 != 0 or not self.is_lent(place, length):
                self.refuse(place, length)
                continue
            address = reach.within(region, u64(place), u64(length))
            if address is not None:
                network.put_buffer_at(place, address, length)
            else:
                self.put_buffer(place, length)
        if count != 0 and self.buffers.advance(count):
            _ = system.signal(self.server.wake)
        return count

    @cold
    def put_buffer(self, place: u32, length: u32) -> None:
        """One that may lie in several places on the bus."""
        network = self.server.network
        network.put_buffer(place)
        part = Lent(self.base + u64(place), usize(length))
        done: usize = 0
        while done < part.length:
            run = self.server.reach.run(part, done, part.length)
            network.buffer_part(run.address, u32(run.length))
            done += run.length
        network.commit_buffer()

    def take_frames(self, room: u32) -> u32:
        network = self.server.network
        most = min(room, u32(network.send_room(self.parts())), u32(len(self.sends.slots)))
        if most == 0:
            return 0
        found = self.sends.available(most)
        if isinstance(found, BrokenRing):
            self.broken = True
            return 0
        count = min(found, most)
        for number in range(count):
            slot = self.sends.slot(number)
            place, length = slot.place, slot.length
            offload = Offload(slot.checksum_start, slot.checksum_place, slot.segment, slot.header)
            if self.is_frame(place, length, offload):
                self.put_frame(place, length, offload)
            else:
                self.refuse(place, length)
        if count != 0 and self.sends.advance(count):
            _ = system.signal(self.server.wake)
        return count

    def parts(self) -> u16:
        """Of a frame on the bus, at most."""
        return MANY_PARTS if self.server.network.offloads() & SEGMENT != 0 else FEW_PARTS

    def is_frame(self, place: u32, length: u32, offload: Offload) -> bool:
        """Can it be sent, with what the device can do?"""
        found = self.server.network
        able = found.offloads()
        most = u32(MOST_FRAME) if offload.segment == 0 else MOST_SEGMENTED
        if not LEAST_FRAME <= length <= most or not self.is_lent(place, length):
            return False
        if offload.checksum_start != 0:
            end = u32(offload.checksum_start) + u32(offload.checksum_place) + 2
            if able & CHECKSUM == 0 or end > length:
                return False
        if offload.segment != 0:
            return able & SEGMENT != 0 and offload.checksum_start != 0 and u32(offload.header) < length
        return True

    def put_frame(self, place: u32, length: u32, offload: Offload) -> None:
        network, now = self.server.network, system.now()
        address = self.server.reach.within(self.region, u64(place), u64(length))
        if address is not None:
            network.put_frame_at(place, offload, address, length, now)
            return
        network.put_frame(place, offload)
        part = Lent(self.base + u64(place), usize(length))
        done: usize = 0
        while done < part.length:
            run = self.server.reach.run(part, done, part.length)
            network.frame_part(run.address, u32(run.length))
            done += run.length
        network.commit_frame(now)

    def refuse(self, place: u32, length: u32) -> None:
        self.tell(REFUSED, 0, place, length, 0, 0)
        self.news = True

    def is_lent(self, place: u32, length: u32) -> bool:
        return u64(place) <= self.size and u64(length) <= self.size - u64(place)


def are_rings(sends: Lent, buffers: Lent, events: Lent) -> bool:
    """Could rings be there that are large enough?"""
    return (
        is_ring(sends)
        and is_ring(buffers)
        and is_ring(events)
        and slots_in(sends, size_of(Send)) >= LEAST_SLOTS
        and slots_in(buffers, size_of(Buffer)) >= LEAST_SLOTS
        and slots_in(events, size_of(Event)) >= LEAST_EVENTS
    )


def serve(server: Server, reply: u64) -> None:
    """A session, from its `open` until somebody else opens the device, or the client's rings can't be."""
    base = base_of(server.sends.address)
    sends, buffers, events = server.sends, server.buffers, server.events
    session = Session(
        server=server,
        number=server.session,
        base=base,
        size=size_at(base),
        region=server.reach.region_at(base),
        sends=Ring(role=Role.CONSUMER, own=line_of(sends, 1), peer=line_of(sends, 0), slots=send_slots(sends)),
        buffers=Ring(
            role=Role.CONSUMER, own=line_of(buffers, 1), peer=line_of(buffers, 0), slots=buffer_slots(buffers)
        ),
        events=Ring(role=Role.PRODUCER, own=line_of(events, 0), peer=line_of(events, 1), slots=event_slots(events)),
        most_buffers=u32(slots_in(events, size_of(Event))) - KEPT,
    )
    session.begin()
    signals: u64 = RINGS
    while session.number == server.session:
        more = session.turn(signals)
        if session.broken:
            # The device reaches nothing of the client's any more.
            server.close()
            server.network.forget()
            server.restart()
        else:
            # Calls have their turn, too: whoever keeps the rings busy doesn't keep others from having the device.
            signals = server.receive(reply, NOW if more else session.deadline())


def main(process: Process) -> None:
    signals = must_get(process.make(Kind.NOTIFICATION))
    must(system.bind(process.buffer, OWN_THREAD, Binding.NOTIFICATION, signals))
    server = Server(
        process=process,
        network=Network(
            transport=Transport(registers=registers()),
            config=object_at(Config, CONFIG_REGISTERS),
            receive=Queue(descriptors=descriptors(0), rings=rings(0)),
            send=Queue(descriptors=descriptors(1), rings=rings(1)),
            memory=data(4),
        ),
        notification=signals,
        patience=process.frequency * PATIENCE,
    )
    attach(process, signals, device, line)
    quieten(server.network.transport, NETWORK)
    server.pages.begin(process, space, memory)
    must(server.reach.begin(process, space.slot))
    server.restart()
    reply = must_get(process.make(Kind.REPLY))
    server.window = must_get(interface.open_window(process, 1))
    process.ready()
    while True:
        if server.session != 0:
            serve(server, reply)
        elif server.receive(reply, NEVER) & INTERRUPT != 0:
            server.interrupted()
            _ = system.acknowledge(line.slot)
