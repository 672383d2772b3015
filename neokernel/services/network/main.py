"""The network: TCP/IP as a process between the driver of a network card and the programs that use it.

One thread does all. Whatever wakes it, a turn takes what has come in (frames, orders), does what is due, builds the
frames that want to go out, and tells clients what has changed; then it waits for the next of these, or for a time. All
of the protocols is in the core (`network.py`), which knows neither clock nor process.

Memory is the clients': each lends its own buffers, and what it causes is held in these (`buffers.py`).

When the driver has begun a new life, the device is opened again, and all buffers are the service's: frames that were
under way are lost, as frames can be, and connections don't notice more than that. When this service begins a new one,
connections are gone: peers are told so (`past.py`), and clients open anew.

Invariant: a turn is bounded, whatever comes: MOST_FRAMES in, MOST_ORDERS of each client, and as many frames out as the
driver has room for.
"""

from __future__ import annotations

from neokernel.abi.boot import OWN_SPACE, OWN_TABLE, OWN_THREAD
from neokernel.abi.description import NETWORK_LINE
from neokernel.abi.kinds import PAGE_SIZE, Kind
from neokernel.abi.operations import Binding
from neokernel.abi.rights import READ, SIGNAL, WRITE
from neokernel.abi.status import Status
from neokernel.interfaces.capture import Capture
from neokernel.interfaces.clients.frames import (
    BUFFERS_AT,
    BUFFERS_SIZE,
    EVENTS_AT,
    EVENTS_SIZE,
    FRAME_AT,
    REGION,
    SENDS_AT,
    SENDS_SIZE,
    Frames,
)
from neokernel.interfaces.clients.log_line import LogLine
from neokernel.interfaces.entropy import Entropy, NoEntropy
from neokernel.interfaces.log import Level, Log
from neokernel.interfaces.network import (
    CHECK,
    CHECKED,
    CHECKSUM,
    FIRST,
    LINK,
    RECEIVED,
    UP,
    NetworkDevice,
    buffer_slots,
    event_slots,
    send_slots,
)
from neokernel.interfaces.network_watch import NetworkWatch
from neokernel.interfaces.sockets import LEAST_BUFFER, MOST_BUFFER, News, NoSockets, Orders, Sockets
from neokernel.lang import (
    Array,
    Embedded,
    Posts,
    Provides,
    Setting,
    Takes,
    Uses,
    array,
    new_at,
    object_at,
    outbox_of,
    posts,
    provides,
    renew,
    setting,
    size_of,
    slot_of,
    struct,
    takes,
    text_of,
    u8,
    u32,
    u64,
    unsafe,
    uses,
    usize,
)
from neokernel.runtime import interface, system
from neokernel.runtime.hashing import Seed
from neokernel.runtime.interface import client_of, provided_of
from neokernel.runtime.lend import Lent, region
from neokernel.runtime.must import must, must_get
from neokernel.runtime.objects import Notification
from neokernel.runtime.post import is_ring, line_of
from neokernel.runtime.process import Process, current
from neokernel.runtime.ring import Broken, Ring, Role
from neokernel.runtime.space import map_new
from neokernel.runtime.system import Failure
from neokernel.services.network import ethernet
from neokernel.services.network.address import ANY, LinkAddress
from neokernel.services.network.capturing import Capturing
from neokernel.services.network.clock import MILLISECOND, SECOND
from neokernel.services.network.complaints import Complaints
from neokernel.services.network.configuration import Line, Wrong, name_of, place_of
from neokernel.services.network.configuration import line_of as grant_line_of
from neokernel.services.network.denials import say
from neokernel.services.network.ethernet import SHIFT
from neokernel.services.network.exchange import (
    MOST_ORDERS,
    TOGETHER,
    Exchange,
    tell_accepted,
    tell_answers,
    tell_datagrams,
    tell_moved,
)
from neokernel.services.network.ipv4 import SIZE as IPV4_SIZE
from neokernel.services.network.limits import CLIENTS
from neokernel.services.network.watching import Watching

unsafe("the core is too large for a stack: it is where this process maps fresh memory for it")

device: Uses[NetworkDevice] = uses(lend=REGION)
entropy: Uses[Entropy] = uses()
log: Uses[Log] = uses()
sockets: Provides[Sockets] = provides()
watch: Provides[NetworkWatch] = provides()
capture: Provides[Capture] = provides()
#: "10.0.2.15/24"; nothing: by DHCP
address: Setting[str] = setting("")
#: "10.0.2.2"; nothing: there is none, or DHCP tells
gateway: Setting[str] = setting("")
#: by the build
grants: Setting[str] = setting("")
clients: Setting[str] = setting("")

#: where the core is
CORE: u64 = 0x20_0000_0000

#: signals: the driver has news, or a client has orders
DEVICE: u64 = 1
CLIENT: u64 = 2
#: that come in, in a turn
MOST_FRAMES = 64
#: how often the driver is asked whether it is the one that was opened: while it has frames to send, and else; and how
#: often it is found out whether clients live
LOOK: u64 = 100 * MILLISECOND
BUSY_LOOK: u64 = 10 * MILLISECOND
BEAT: u64 = SECOND
#: room for a frame: Ethernet's header, and what its MTU is
FRAME: u32 = 1_540
#: that are told in the log, in a second
MOST_DENIALS = 4
#: where TCP's checksum is in a segment
CHECKSUM_PLACE = 16


@struct
class Session:
    """A client's: `wake` is 0 as long as it hasn't opened. `badge` is its number in badges, 0 for a free place."""

    badge: u64 = 0
    number: u64 = 0
    orders: Lent = Lent(0, 0)
    news: Lent = Lent(0, 0)
    wake: u64 = 0
    #: there is news that its ring had no room for
    owed: bool = False


@struct
class Service:
    """Handles `Sockets`."""

    frames: Embedded[Frames]
    #: the thread's notification
    signals: u64
    #: ticks in a second
    frequency: u64
    exchange: Exchange
    watching: Embedded[Watching]
    capturing: Embedded[Capturing]
    complaints: Embedded[Complaints] = Complaints()
    sessions: Array[Embedded[Session]] = array(CLIENTS)
    #: of the driver: it is another one after each of its ends
    opened: u64 = 0
    latest: u64 = 0
    look_at: u64 = 0
    beat_at: u64 = 0

    # --- Sockets ------------------------------------------------------------------------------------------------------

    def open(self, orders: Lent, news: Lent, buffers: Lent, each: u32, wake: Notification) -> Notification | NoSockets:
        whole = LEAST_BUFFER <= each <= MOST_BUFFER and buffers.length >= 2 * usize(each) and each % 8 == 0
        # They are copied in words.
        whole = whole and buffers.address % 8 == 0
        if not whole or not is_ring(orders) or not is_ring(news, usize(TOGETHER)) or not is_there(wake.slot):
            _ = current().drop(wake.slot)
            return NoSockets.PARTS
        client = self.client_of(client_of(current().client))
        if client is None:
            _ = current().drop(wake.slot)
            return NoSockets.CLIENTS
        self.end(client)
        session = self.sessions[client]
        self.exchange.network.lend(u32(client), buffers.span(), usize(each))
        self.latest = max(self.latest + 1, system.now())
        session.number, session.orders, session.news, session.wake = self.latest, orders, news, wake.slot
        session.owed = False
        return Notification(must_get(current().derive(self.signals, SIGNAL, CLIENT)))

    def session(self) -> u64:
        badge = client_of(current().client)
        for session in self.sessions:
            if session.badge == badge:
                return session.number
        return 0

    def client_of(self, badge: u64) -> usize | None:
        """The core's number of a client, which it keeps. None: there are too many."""
        for number in range(CLIENTS):
            if self.sessions[number].badge == badge:
                return number
        for number in range(CLIENTS):
            if self.sessions[number].badge == 0:
                self.sessions[number].badge = badge
                self.exchange.network.tcp.buffers.regions[number].owner = badge
                return number
        return None

    def end(self, client: usize) -> None:
        """What the client had is over."""
        session = self.sessions[client]
        if session.wake == 0:
            return
        _ = current().drop(session.wake)
        session.wake, session.number = 0, 0
        self.exchange.network.forget(u32(client))

    # --- the device ---------------------------------------------------------------------------------------------------

    def open_device(self, now: u64) -> bool:
        """Have the device, anew. False: it can't be had now."""
        if self.frames.open(current(), slot_of(device), self.signals, CHECKSUM | CHECK) is not None:
            self.exchange.network.link_changed(False, now)
            return False
        told = device.describe()
        if isinstance(told, Failure):
            self.exchange.network.link_changed(False, now)
            return False
        self.opened = told.session
        host = self.exchange.network.host
        host.link, host.mtu = link_address(told.address), min(u32(told.mtu), FRAME - SHIFT - ethernet.SIZE)
        host.completes_checksums = told.offloads & CHECKSUM != 0
        host.may_lead = True
        self.exchange.network.link_changed(told.link, now)
        return True

    def look(self, now: u64) -> None:
        """Is the driver the one that was opened? Are the clients there?"""
        self.look_at = now + (BUSY_LOOK if self.frames.is_sending() else LOOK)
        self.frames.gone = False
        told = device.describe()
        if isinstance(told, Failure) or told.session != self.opened or self.opened == 0:
            first = self.opened == 0
            if self.open_device(now):
                self.exchange.network.host.counters.restarts += 0 if first else 1
                self.exchange.network.device_restarted(now)
        if now >= self.beat_at:
            self.beat_at = now + BEAT
            for number in range(CLIENTS):
                wake = self.sessions[number].wake
                if wake != 0 and (not is_there(wake) or system.signal(wake) is not None):
                    self.end(number)
            self.tell_denials()
            said = LogLine()
            if self.complaints.say(self.exchange.network.host.counters, said, now):
                _ = log.write(Level.WARNING, said.text())

    def take_frames(self, now: u64) -> bool:
        """What came in. True: there may be more."""
        more = self.take_some(now)
        self.exchange.network.settle(now)
        return more

    def take_some(self, now: u64) -> bool:
        for _ in range(MOST_FRAMES):
            news = self.frames.next()
            if news is None:
                return False
            if news.kind == LINK:
                self.exchange.network.link_changed(news.flags & UP != 0, now)
            elif news.kind == RECEIVED:
                # Where it begins is what the driver says.
                lead = (news.place + (8 - FRAME_AT)) % 8
                if news.flags & FIRST != 0 and news.left == 0 and (lead == 0 or lead == SHIFT):
                    self.exchange.network.host.lead_in = usize(lead)
                    frame = self.frames.bytes(news.place, news.length)
                    self.exchange.network.receive(frame, news.flags & CHECKED != 0, now)
                    # Of the next ones like it the bytes begin at a multiple of eight.
                    self.frames.shift = SHIFT if self.exchange.network.host.header_in % 8 == SHIFT else 0
                self.frames.give_back(news.place)
                if self.exchange.network.host.backlog.is_full():
                    # What comes next would have no answer, though the driver may have room for more of them.
                    self.send_frames(now)
        return True

    def send_frames(self, now: u64) -> None:
        """Build what wants to go out, as long as the driver has room."""
        while self.exchange.network.has_output(now):
            place = self.frames.frame()
            if place is None:
                break
            length = self.exchange.network.fetch(self.frames.bytes(place, FRAME), now)
            if length == 0:
                self.frames.keep(place)
                break
            place += u32(self.exchange.network.host.lead)
            if self.exchange.network.host.partial:
                self.frames.send(place, u32(length), ethernet.SIZE + IPV4_SIZE, CHECKSUM_PLACE)
            else:
                self.frames.send(place, u32(length))
        self.frames.flush()
        if self.frames.is_sending():
            # Whoever has been asked for nothing could end unseen for longer.
            self.look_at = min(self.look_at, now + BUSY_LOOK)

    # --- clients ------------------------------------------------------------------------------------------------------

    def take_orders(self, now: u64) -> bool:
        """What clients want. True: there may be more."""
        more = False
        for number in range(CLIENTS):
            session = self.sessions[number]
            if session.wake == 0:
                continue
            orders: Takes[Orders] = takes(session.orders, session.wake)
            news: Posts[News] = posts(session.news, session.wake)
            room = outbox_of(news).room()
            if isinstance(room, Broken):
                self.end(number)
                continue
            most = min(room, MOST_ORDERS)
            exchange = self.exchange
            exchange.client, exchange.now = u32(number), now
            taken = orders.take(exchange, most)
            tell_answers(exchange, news)
            if isinstance(taken, Broken):
                self.end(number)
            elif taken != 0 and taken == most:
                more = True
        return more

    def tell(self) -> None:
        """Tell clients what has changed, as far as their rings have room."""
        tcp, udp = self.exchange.network.tcp, self.exchange.network.udp
        for number in range(CLIENTS):
            if self.sessions[number].owed:
                self.sessions[number].owed = False
                tcp.came, udp.changed = True, True
        for _ in range(len(tcp.changed)):
            handle = tcp.take_news()
            connection = tcp.connections.get(handle) if handle is not None else None
            if handle is None or connection is None:
                break
            session = self.sessions[usize(connection.client)]
            if session.wake == 0:
                continue
            news: Posts[News] = posts(session.news, session.wake)
            if not tell_moved(connection, news):
                session.owed = True
                tcp.owe(handle)
        if tcp.came:
            tcp.came = False
            for index in range(len(tcp.listeners)):
                listener, known = tcp.listeners.at(index), tcp.listeners.handle_at(index)
                if listener is not None and known is not None and listener.pending != 0:
                    self.accept_at(listener.client, index)
        if udp.changed:
            udp.changed = False
            for index in range(len(udp.sockets)):
                socket = udp.sockets.at(index)
                if socket is not None and socket.news:
                    self.deliver_at(index)

    def accept_at(self, client: u32, index: usize) -> None:
        """Who has connected to a listener."""
        session, handle = self.sessions[usize(client)], self.exchange.network.tcp.listeners.handle_at(index)
        if session.wake != 0 and handle is not None:
            news: Posts[News] = posts(session.news, session.wake)
            session.owed = not tell_accepted(self.exchange.network.tcp, handle, news) or session.owed

    def deliver_at(self, index: usize) -> None:
        """What a UDP socket has got, and has sent."""
        socket = self.exchange.network.udp.sockets.at(index)
        if socket is None or self.sessions[usize(socket.client)].wake == 0:
            return
        session = self.sessions[usize(socket.client)]
        news: Posts[News] = posts(session.news, session.wake)
        if tell_datagrams(socket, news):
            socket.news = False
        else:
            session.owed = True

    def tell_denials(self) -> None:
        """Say in the log what was denied, a few lines at a time: the others wait, or are forgotten."""
        for _ in range(MOST_DENIALS):
            denial = self.exchange.network.denials.take() if self.exchange.network.denials.fresh else None
            if denial is None:
                return
            name = name_of(
                clients.get(current()).encode(), self.exchange.network.tcp.buffers.regions[usize(denial.client)].owner
            )
            said = LogLine()
            say(denial, text_of(name), said)
            _ = log.write(Level.WARNING, said.text())

    # --- the loop -----------------------------------------------------------------------------------------------------

    def turn(self, now: u64) -> bool:
        """All that there is to do. True: there may be more at once."""
        more = self.take_frames(now)
        more = self.take_orders(now) or more
        if self.exchange.network.deadline() <= now:
            self.exchange.network.advance(now)
        if self.look_at <= now or self.frames.gone:
            self.look(now)
        self.send_frames(now)
        self.tell()
        return more or self.frames.gone or not self.may_sleep()

    def may_sleep(self) -> bool:
        """Ask to be woken by whatever there could be to do; False: there is something now."""
        idle = self.frames.may_sleep()
        for number in range(CLIENTS):
            session = self.sessions[number]
            if session.wake == 0:
                continue
            orders: Takes[Orders] = takes(session.orders, session.wake)
            news: Posts[News] = posts(session.news, session.wake)
            # Orders wait while there is no room for their news.
            room = outbox_of(news).room()
            if isinstance(room, Broken):
                self.end(number)
                continue
            if session.owed:
                sleeps = outbox_of(news).may_sleep(TOGETHER)
            else:
                sleeps = orders.may_sleep() if room != 0 else outbox_of(news).may_sleep(1)
            if isinstance(sleeps, Broken):
                self.end(number)
            elif not sleeps:
                idle = False
        return idle

    def wait(self, reply: u64, window: u64, until: u64) -> u64:
        """Wait for a call, and answer it; or for signals, or a time. The window for the next capability."""
        # What was done since, to open the device anew, say, has closed it.
        system.window(current().buffer, window, 1)
        asked = system.receive(sockets.slot, reply, until)
        if isinstance(asked, Failure):
            assert asked.status is Status.TIMED_OUT, "calls can't be received"
            return window
        if asked.is_signals():
            return window
        current().client = asked.badge
        if provided_of(asked.badge) == 0:
            answer = sockets.dispatch(self, asked, reply)
        elif provided_of(asked.badge) == 1:
            self.watching.now, self.watching.refused = self.now(), self.frames.refused
            answer = watch.dispatch(self.watching, asked, reply)
        else:
            self.capturing.now = self.now()
            answer = capture.dispatch(self.capturing, asked, reply)
        opened = must_get(interface.next_window(current(), window, 1, asked.capabilities(), answer.taken))
        if system.reply(reply, answer.word, answer.w0, answer.w1, answer.w2, answer.w3) is not None:
            # The caller has no room for it.
            _ = system.reply(reply, interface.refused(Status.NO_BUFFER, interface.ANSWER).word)
        if answer.moved != 0:
            interface.handed_over(current(), answer.moved)
        return opened

    def now(self) -> u64:
        """Microseconds since the machine started."""
        ticks = system.now()
        seconds = ticks // self.frequency
        return seconds * SECOND + ticks % self.frequency * SECOND // self.frequency

    def ticks(self, time: u64) -> u64:
        """When that is by the machine's clock, rounded up."""
        return time // SECOND * self.frequency + (time % SECOND * self.frequency + (SECOND - 1)) // SECOND

    # --- it begins ----------------------------------------------------------------------------------------------------

    def grant(self, line: Line) -> bool:
        """Let a client do what a line of its manifest says. False: there are too many."""
        client = self.client_of(u64(line.client))
        return client is not None and self.exchange.network.grant(u32(client), line.grant)

    def configure(self, now: u64) -> None:
        """What the settings say; the program ends if they say nothing that can be."""
        process = current()
        text = grants.get(process).encode()
        for number in range(len(text) // NETWORK_LINE):
            line = grant_line_of(text[number * NETWORK_LINE : (number + 1) * NETWORK_LINE])
            if isinstance(line, Wrong) or not self.grant(line):
                refuse(process, "grants isn't what the build writes")
        own, other = address.get(process), gateway.get(process)
        if own == "":
            self.exchange.network.dhcp.begin(self.exchange.network.host, now)
            return
        place, through = place_of(own.encode()), place_of(other.encode())
        if isinstance(place, Wrong) or not place.address.is_single():
            refuse(process, 'address is no address such as "10.0.2.15/24"')
            return
        if other != "" and isinstance(through, Wrong):
            refuse(process, 'gateway is no address such as "10.0.2.2"')
        self.exchange.network.configure(
            place.address, place.prefix, ANY if isinstance(through, Wrong) else through.address
        )


def is_there(wake: u64) -> bool:
    """Is it a notification, of a client that is there? It is only looked at: a signal would be denied."""
    found = system.inspect(OWN_TABLE, wake)
    return not isinstance(found, Failure) and found.kind == u64(Kind.NOTIFICATION.value)


def refuse(process: Process, what: str) -> None:
    """A setting says nothing: that is for whoever wrote the system file."""
    _ = log.write(Level.ERROR, what)
    process.exit(1)


def link_address(number: u64) -> LinkAddress:
    """The device's first byte is in the lowest bits, an address's in the highest."""
    found: u64 = 0
    for place in range(u32(6)):
        found = found << 8 | (number >> (8 * place) & 0xFF)
    return LinkAddress(found)


def secret() -> Seed:
    """Random, of this life only."""
    bytes: Array[u8] = array(16)
    while True:
        filled = entropy.fill(bytes[:])
        if not isinstance(filled, NoEntropy | Failure):
            break
    words: Array[u64] = array(2)
    for place in range(usize(16)):
        words[place // 8] = words[place // 8] << 8 | u64(bytes[place])
    return Seed(words[0], words[1])


def placed(process: Process) -> Exchange:
    """The core, in pages of its own: no stack has room for it."""
    pages = u64(size_of(Exchange) + (PAGE_SIZE - 1)) // PAGE_SIZE
    must(map_new(process, OWN_SPACE, process.memory, CORE, READ | WRITE, pages))
    renew(new_at(Exchange, CORE))
    return object_at(Exchange, CORE)


def main(process: Process) -> None:
    signals = must_get(process.make(Kind.NOTIFICATION))
    must(system.bind(process.buffer, OWN_THREAD, Binding.NOTIFICATION, signals))
    whole = region(slot_of(device))
    sends, buffers = whole.part(SENDS_AT, SENDS_SIZE), whole.part(BUFFERS_AT, BUFFERS_SIZE)
    events = whole.part(EVENTS_AT, EVENTS_SIZE)
    exchange = placed(process)
    service = Service(
        signals=signals,
        frequency=process.frequency,
        exchange=exchange,
        watching=Watching(network=exchange.network),
        capturing=Capturing(network=exchange.network),
        frames=Frames(
            region=whole,
            sends=Ring(role=Role.PRODUCER, own=line_of(sends, 0), peer=line_of(sends, 1), slots=send_slots(sends)),
            buffers=Ring(
                role=Role.PRODUCER, own=line_of(buffers, 0), peer=line_of(buffers, 1), slots=buffer_slots(buffers)
            ),
            events=Ring(role=Role.CONSUMER, own=line_of(events, 1), peer=line_of(events, 0), slots=event_slots(events)),
        ),
    )
    # The device's address is part of what the core begins with.
    told = must_get(device.describe())
    service.exchange.network.begin(link_address(told.address), secret())
    service.exchange.network.tcp.past.begin(process.state())
    now = service.now()
    service.exchange.network.link_up = False
    service.configure(now)
    service.look(now)
    reply = must_get(process.make(Kind.REPLY))
    window = must_get(interface.open_window(process, 1))
    process.ready()
    while True:
        now = service.now()
        if service.turn(now):
            window = service.wait(reply, window, 0)
        else:
            window = service.wait(
                reply, window, service.ticks(min(service.exchange.network.deadline(), service.look_at))
            )
