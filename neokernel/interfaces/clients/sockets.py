"""A program's sockets: TCP and UDP as `async` functions, many at a time, over `interfaces/sockets.py`.

    network: Uses[Sockets] = uses(lend=256 << 10)

    places: Array[Embedded[Socket]] = array(15)
    net = Net(executor=executor, slot=slot_of(network), sockets=places[:], each=8192)
    assert net.open(process) is None
    group.spawn(executor, attend(net))                  # `attending.py`: once, beside the tasks that use `net`

    listener = await net.listen(80, 16)                 # granted by `listen = ["tcp/80"]`
    stream = await net.accept(listener)
    count = await net.receive(stream, into[:])          # 0: the peer has finished
    ended = await net.send(stream, into[:count].bytes())
    net.close(stream)
    net.stop(listener)

All sockets of a program share the region that it lends: `each` bytes a buffer, two buffers a socket. A program that has
used up its own can't open another one; nobody else's is touched.

One task at a time receives from a socket, one sends to it, and one accepts at a listener. Each verb that waits takes a
deadline, `until`, in ticks of the executor's `now`.

When the network service has begun a new life, all connections are over (End.RESET), UDP sockets are closed, and
listeners listen again by themselves: who accepts goes on.

Invariants:
- A `Stream`, a `Datagrams` or a `Listener` is good until it is closed: then it names nothing, also if its place is
  used again, and in another life of the service.
- What the service is told about a socket is told to the one that has given it its number.
- Counts that the service tells are held against the buffers: one that lies ends that socket, and harms nothing else.
"""

from __future__ import annotations

from neokernel.abi.call import NEVER
from neokernel.abi.rights import SIGNAL
from neokernel.interfaces.clients.socket import (
    NOBODY,
    Datagram,
    Datagrams,
    Gone,
    Listener,
    Listening,
    Peer,
    Request,
    Sent,
    Socket,
    Stream,
    behind,
)
from neokernel.interfaces.sockets import MOST_DATAGRAMS, End, News, NoSockets, Orders, Refusal, Sockets
from neokernel.lang import (
    Array,
    Embedded,
    Posts,
    Span,
    Takes,
    Uses,
    array,
    outbox_of,
    pause,
    posts,
    renew,
    struct,
    takes,
    u8,
    u16,
    u32,
    u64,
    uses,
    usize,
    wrapping_add,
    wrapping_sub,
)
from neokernel.runtime.executor import Executor
from neokernel.runtime.lend import Lent, region
from neokernel.runtime.objects import Notification
from neokernel.runtime.process import Process
from neokernel.runtime.ring import Broken
from neokernel.runtime.system import Failure

#: where the parts of the region are
ORDERS_AT = 0
ORDERS_SIZE = 128 + 64 * 64
NEWS_AT = ORDERS_AT + ORDERS_SIZE
NEWS_SIZE = 128 + 128 * 64
BUFFERS_AT = 16 << 10
#: what waits for an answer of the service at a time, and listeners
REQUESTS = 16
LISTENERS = 8
#: the executor's signal that tells of news
SIGNAL_BIT = 1 << 40
#: news that are taken before others have their turn
MOST_NEWS = 64
#: orders that one socket gives at a time: `moved`, `options`, `finish` or `close`; or `taken`, `unbind`
MOST_TOLD: u32 = 3
#: seconds between two questions whether a peer is there, if nothing else is said
KEEP_INTERVAL: u32 = 75

assert NEWS_AT + NEWS_SIZE <= BUFFERS_AT, "rings and buffers lie apart"


@struct
class Asking:
    """Something that was asked for, as long as a `with` lasts: of a task that is cancelled in it nothing stays open."""

    net: Net
    request: usize
    #: of UDP
    datagrams: bool = False
    #: the place of the listener that is asked for
    listener: u32 = NOBODY
    #: the service has answered, so the request's place is free: what it has opened
    taken: bool = False
    pair: u32 = 0
    number: u64 = 0
    #: whoever asked has it
    kept: bool = False

    def __enter__(self) -> Asking:  # noqa: PYI034 - the language has no `Self`
        return self

    def __exit__(self, *_: object) -> None:
        request = self.net.requests[self.request]
        if self.listener != NOBODY and not self.kept:
            self.net.leave(self.listener)
        if not self.taken and request.asked and not request.done:
            # The answer will come, and find nobody.
            request.abandoned, request.waiter = True, None
            return
        if not self.taken and self.take() is not None:
            return
        if self.number != 0 and not self.kept:
            if self.listener != NOBODY:
                self.net.silence(self.listener, self.number)
            else:
                self.net.drop(self.pair, self.number, self.datagrams)

    def take(self) -> Refusal | None:
        """The answer, which gives the request's place back."""
        request = self.net.requests[self.request]
        self.taken, self.pair, self.number = True, request.pair, request.number
        request.taken = False
        return request.why


@struct
class Net:
    """`open` comes first; `attend` is a task as long as it is used. `signal`: one of the executor's, for it alone."""

    executor: Executor
    slot: u64
    #: as many as can be open at a time
    sockets: Span[Embedded[Socket]]
    each: u32
    signal: u64 = SIGNAL_BIT
    whole: Lent = Lent(0, 0)
    wake: u64 = 0
    session: u64 = 0
    look_at: u64 = 0
    listeners: Array[Embedded[Listening]] = array(LISTENERS)
    requests: Array[Embedded[Request]] = array(REQUESTS)
    first_dirty: u32 = NOBODY
    last_dirty: u32 = NOBODY
    #: listeners of which the service is to be told that they stop
    stops: u32 = 0
    #: the last one that a socket was given
    serial: u64 = 0
    #: times that datagrams weren't sent because nothing grants it
    denied: u64 = 0

    def clear(self) -> None:
        """Be as one that has just been made: for one that was placed in memory of zeroes."""
        self.signal, self.first_dirty, self.last_dirty = SIGNAL_BIT, NOBODY, NOBODY
        for index in range(LISTENERS):
            renew(self.listeners[index])
        for index in range(REQUESTS):
            renew(self.requests[index])

    # --- it begins ----------------------------------------------------------------------------------------------------

    def open(self, process: Process) -> NoSockets | Failure | None:
        """Have the network: with nothing open."""
        if self.wake != 0:
            _ = process.drop(self.wake)
            self.wake = 0
        self.whole = region(self.slot)
        orders, news = self.part(ORDERS_AT, ORDERS_SIZE), self.part(NEWS_AT, NEWS_SIZE)
        nothing: Array[u8] = array(128)
        orders.write(0, nothing[:].bytes())
        news.write(0, nothing[:].bytes())
        own = process.derive(self.executor.notification, SIGNAL, self.signal)
        if isinstance(own, Failure):
            return own
        network: Uses[Sockets] = uses(self.slot)
        size = min(self.whole.length - BUFFERS_AT, 2 * usize(self.each) * len(self.sockets))
        opened = network.open(orders, news, self.part(BUFFERS_AT, size), self.each, Notification(own))
        if isinstance(opened, NoSockets | Failure):
            if process.slots().is_taken(own):
                _ = process.drop(own)
            return opened
        self.wake = opened.slot
        session = network.session()
        self.session = session if not isinstance(session, Failure) else 0
        return None

    def part(self, first: usize, length: usize) -> Lent:
        return self.whole.part(first, length)

    # --- what programs do ---------------------------------------------------------------------------------------------

    async def listen(self, port: u16, backlog: u32, address: u32 = 0, until: u64 = NEVER) -> Listener | Refusal:
        """Let others connect to a port, of this address of the host's, or of all.

        Refusal.EXPIRED: the service hasn't answered until then, in ticks.
        """
        request = await self.request(until)
        if request is None:
            return Refusal.EXPIRED
        index = self.free_listener()
        if index == NOBODY:
            self.requests[request].taken = False
            return Refusal.FULL
        listening = self.listeners[usize(index)]
        listening.generation = wrapping_add(listening.generation, 1)
        listening.address, listening.port, listening.backlog = address, port, backlog
        listening.number, listening.first, listening.last = 0, NOBODY, NOBODY
        self.requests[request].listener = index
        with Asking(net=self, request=request, listener=index) as asking:
            while not self.ask_listen(request, listening):
                if self.executor.now >= until:
                    return Refusal.EXPIRED
                await self.executor.turn()
            why = await self.answered(asking, until)
            if why is not None:
                return why
            if not asking.taken:
                return Refusal.EXPIRED
            asking.kept = True
            return Listener(index, listening.generation)

    def stop(self, listener: Listener) -> None:
        """Nobody can connect any more. Who has, and wasn't accepted yet, is reset; who accepts is told `Gone`."""
        listening = self.listening_of(listener)
        if listening is None:
            return
        for _ in range(len(self.sockets)):
            pair = listening.first
            if pair == NOBODY:
                break
            socket = self.sockets[usize(pair)]
            listening.first = socket.following
            self.drop(pair, socket.serial, False)
        for request in self.requests:
            if request.taken and request.listener == listener.index:
                # It was asked for again, since the service has begun anew.
                request.abandoned = True
        self.leave(listener.index)
        self.silence(listener.index, listening.number)

    async def accept(self, listener: Listener, until: u64 = NEVER) -> Stream | Gone:
        """The next one who connects. Gone.EXPIRED: nobody has until then, in ticks."""
        while True:
            listening = self.listening_of(listener)
            if listening is None:
                return Gone.CLOSED
            pair = listening.first
            if pair != NOBODY:
                socket = self.sockets[usize(pair)]
                listening.first = socket.following
                return Stream(pair, socket.serial, socket.peer)
            if self.executor.now >= until:
                return Gone.EXPIRED
            listening.waiter = self.executor.running()
            self.executor.until(until)
            await pause()

    async def connect(self, address: u32, port: u16, until: u64 = NEVER) -> Stream | Refusal | End:
        """A connection, when the peer has answered. End.TIMED_OUT: it hasn't until then, in ticks, or for too long."""
        request = await self.request(until)
        if request is None:
            return End.TIMED_OUT
        with Asking(net=self, request=request) as asking:
            while not self.ask_connect(request, address, port):
                if self.executor.now >= until:
                    return End.TIMED_OUT
                await self.executor.turn()
            why = await self.answered(asking, until)
            if why is not None:
                return why
            if not asking.taken:
                return End.TIMED_OUT
            stream = Stream(asking.pair, asking.number, Peer(address, port))
            while True:
                socket = self.stream_of(stream)
                if socket is None:
                    return End.RESET
                if socket.established or socket.end is not End.NONE:
                    break
                if self.executor.now >= until:
                    return End.TIMED_OUT
                socket.writer = self.executor.running()
                self.executor.until(until)
                await pause()
            end = socket.end
            if end is not End.NONE and not socket.established:
                self.close(stream)
                return end
            asking.kept = True
            socket.peer = stream.peer
            return stream

    async def send(self, stream: Stream, data: bytes, until: u64 = NEVER) -> End | Sent | None:
        """Hand all the bytes over, to be sent. End: it is over, or it was closed; nobody knows what has arrived.

        Sent: only so many, from the first one on, until then, in ticks, and it goes on.
        """
        done: usize = 0
        while done < len(data):
            count = self.put(stream, data[done:])
            if isinstance(count, End):
                return count
            if count == 0:
                if self.executor.now >= until:
                    return Sent(done)
                self.expect_room(stream)
                self.executor.until(until)
                await pause()
                continue
            done += count
            self.push(stream)
        return None

    async def receive(self, stream: Stream, into: Span[u8], until: u64 = NEVER) -> usize | End:
        """Bytes that have come, as many as fit, at least one; 0: the peer has sent all that it will, or none fits.

        End.NONE: nothing has come until then, in ticks, and it goes on.
        """
        while len(into) != 0:
            count = self.get(stream, into)
            if count is not None:
                self.push(stream)
                return count
            if self.executor.now >= until:
                return End.NONE
            self.expect_input(stream)
            self.executor.until(until)
            await pause()
        return 0

    def finish(self, stream: Stream) -> None:
        """There is no more to send; what comes can be read."""
        socket = self.stream_of(stream)
        if socket is not None and not socket.finishing:
            socket.finishing = True
            self.tell(stream.pair)

    def close(self, stream: Stream) -> None:
        """Be done with it; what was sent will arrive, if it can."""
        socket = self.stream_of(stream)
        if socket is not None:
            socket.closing = True
            self.tell(stream.pair)

    def abort(self, stream: Stream) -> None:
        """Reset it, and be done with it."""
        socket = self.stream_of(stream)
        if socket is not None:
            socket.closing, socket.aborting = True, True
            self.tell(stream.pair)

    def no_delay(self, stream: Stream, on: bool = True) -> None:
        """Send small pieces at once, also while others aren't acknowledged; at first they wait for one another."""
        socket = self.stream_of(stream)
        if socket is not None:
            socket.no_delay, socket.chosen = on, True
            self.tell(stream.pair)

    def keep_alive(self, stream: Stream, idle: u32, interval: u32 = KEEP_INTERVAL) -> None:
        """Find out that the peer has gone, though nothing is sent: at first nobody does.

        After `idle` seconds of silence it is asked, and again each `interval` seconds. If it doesn't answer nine times,
        the connection has ended: End.TIMED_OUT. 0: it isn't asked any more.
        """
        socket = self.stream_of(stream)
        if socket is not None:
            socket.idle, socket.interval, socket.chosen = idle, interval, True
            self.tell(stream.pair)

    # --- the same in pieces: for who waits with a deadline, or tells the service of several at once -------------------

    def put(self, stream: Stream, data: bytes) -> usize | End:
        """Hand over as many of the bytes as there is room for, at least none. `push` tells the service."""
        socket = self.stream_of(stream)
        if socket is None or socket.finishing:
            return End.ABORTED
        if socket.end is not End.NONE:
            return socket.end
        count = min(usize(socket.room(self.each)), len(data))
        if count != 0:
            socket.put(self.buffer(stream.pair, False), data[:count])
            socket.moved = True
        return count

    def get(self, stream: Stream, into: Span[u8]) -> usize | End | None:
        """Bytes that have come, as `receive` has them; None: not yet. `push` tells the service that there is room."""
        socket = self.stream_of(stream)
        if socket is None:
            return End.ABORTED
        waiting = wrapping_sub(socket.arrived, socket.read)
        if waiting != 0:
            count = min(usize(waiting), len(into))
            socket.get(self.buffer(stream.pair, True), into[:count])
            socket.read = wrapping_add(socket.read, u32(count))
            socket.moved = True
            return count
        if socket.finished:
            return 0
        if socket.end is not End.NONE:
            return 0 if socket.end is End.DONE else socket.end
        return None

    def place(self, stream: Stream) -> usize:
        """How many bytes behind a multiple of eight the next byte lies that is put."""
        socket = self.stream_of(stream)
        return socket.write_at % 8 if socket is not None else 0

    def place_in(self, stream: Stream) -> usize:
        """The same of the next byte that is got: memory that begins as far behind one is filled in whole words."""
        socket = self.stream_of(stream)
        return socket.read_at % 8 if socket is not None else 0

    def push(self, stream: Stream) -> None:
        """Tell the service what was put and got."""
        socket = self.stream_of(stream)
        if socket is not None and socket.moved:
            self.tell(stream.pair)

    def catch_up(self) -> None:
        """Take what the service has told until now, before the task that `attend`s does."""
        for _ in range(NEWS_SIZE // (64 * MOST_NEWS)):
            if not self.take():
                break

    def expect_input(self, stream: Stream) -> None:
        """The running task is to be resumed when there is something to get; it may be before."""
        socket = self.stream_of(stream)
        if socket is not None:
            socket.reader = self.executor.running()

    def expect_room(self, stream: Stream) -> None:
        """The running task is to be resumed when there is room to put something; it may be before."""
        socket = self.stream_of(stream)
        if socket is not None:
            socket.writer = self.executor.running()

    # --- UDP ----------------------------------------------------------------------------------------------------------

    async def bind(self, port: u16, address: u32 = 0, until: u64 = NEVER) -> Datagrams | Refusal:
        """A UDP socket; on port 0, which needs no grant, one that the service chooses.

        Refusal.EXPIRED: the service hasn't answered until then, in ticks.
        """
        request = await self.request(until)
        if request is None:
            return Refusal.EXPIRED
        self.requests[request].datagrams = True
        with Asking(net=self, request=request, datagrams=True) as asking:
            while not self.ask_bind(request, address, port):
                if self.executor.now >= until:
                    return Refusal.EXPIRED
                await self.executor.turn()
            why = await self.answered(asking, until)
            if why is not None:
                return why
            if not asking.taken:
                return Refusal.EXPIRED
            asking.kept = True
            return Datagrams(asking.pair, asking.number, self.requests[request].port)

    async def send_to(self, own: Datagrams, peer: Peer, data: Span[u8], until: u64 = NEVER) -> Gone | None:
        """Hand a datagram over. What isn't granted, or goes nowhere, isn't sent: UDP promises nothing.

        Gone.CLOSED also if it is longer than a buffer (`each`). Gone.EXPIRED: there was no room for it until then, in
        ticks, and none of it is sent.
        """
        while True:
            socket = self.datagrams_of(own)
            if socket is None or len(data) > usize(self.each):
                return Gone.CLOSED
            if socket.sending < MOST_DATAGRAMS and usize(socket.room(self.each)) >= len(data):
                if self.post_datagram(own.pair, socket, peer, data):
                    return None
                if self.executor.now >= until:
                    return Gone.EXPIRED
                await self.executor.turn()
                continue
            if self.executor.now >= until:
                return Gone.EXPIRED
            socket.writer = self.executor.running()
            self.executor.until(until)
            await pause()

    async def receive_from(self, own: Datagrams, into: Span[u8], until: u64 = NEVER) -> Datagram | Gone:
        """The oldest datagram, as much of it as fits. Gone.EXPIRED: none has come until then, in ticks."""
        while True:
            socket = self.datagrams_of(own)
            if socket is None:
                return Gone.CLOSED
            if socket.count != 0:
                peer, length = socket.peers[socket.first], usize(socket.lengths[socket.first])
                count = min(length, len(into))
                socket.get(self.buffer(own.pair, True), into[:count])
                socket.read_at = behind(socket.read_at, length - count, usize(self.each))
                socket.first = (socket.first + 1) % MOST_DATAGRAMS
                socket.count -= 1
                socket.taken += 1
                self.tell(own.pair)
                return Datagram(peer, count)
            if self.executor.now >= until:
                return Gone.EXPIRED
            socket.reader = self.executor.running()
            self.executor.until(until)
            await pause()

    def unbind(self, own: Datagrams) -> None:
        """Be done with a UDP socket: what wasn't sent is lost."""
        socket = self.datagrams_of(own)
        if socket is not None:
            socket.closing = True
            self.tell(own.pair)

    # --- inside: places -----------------------------------------------------------------------------------------------

    def listening_of(self, listener: Listener) -> Listening | None:
        found = self.listeners[usize(listener.index)]
        return found if found.generation == listener.generation else None

    def stream_of(self, stream: Stream) -> Socket | None:
        socket = self.sockets[usize(stream.pair)]
        return socket if socket.serial == stream.serial and not socket.closing and stream.serial != 0 else None

    def datagrams_of(self, own: Datagrams) -> Socket | None:
        socket = self.sockets[usize(own.pair)]
        return socket if socket.serial == own.serial and not socket.closing and own.serial != 0 else None

    def buffer(self, pair: u32, second: bool) -> Span[u8]:
        return self.part(BUFFERS_AT + (2 * usize(pair) + usize(second)) * usize(self.each), usize(self.each)).span()

    def free_listener(self) -> u32:
        """A place that nobody has, and that the service has nothing to say or to hear of any more. NOBODY: none."""
        for index in range(u32(LISTENERS)):
            listening = self.listeners[usize(index)]
            asked = False
            for request in self.requests:
                asked = asked or (request.taken and request.listener == index)
            if listening.generation % 2 == 0 and listening.stopping == 0 and not asked:
                return index
        return NOBODY

    def leave(self, index: u32) -> None:
        """Nobody has this listener any more; who waits for it finds out."""
        listening = self.listeners[usize(index)]
        listening.generation = wrapping_add(listening.generation, 1)
        waiter = listening.waiter
        listening.waiter = None
        if waiter is not None:
            self.executor.wake(waiter)

    def silence(self, index: u32, number: u64) -> None:
        """The service's listener of that number is nobody's: it is told, at once or when there is room."""
        listening = self.listeners[usize(index)]
        if number != 0 and listening.stopping == 0:
            listening.stopping = number
            self.stops += 1
            self.flush()

    # --- inside: orders -----------------------------------------------------------------------------------------------

    async def request(self, until: u64 = NEVER) -> usize | None:
        """A place for a request; others wait for one. None: there has been none until then, in ticks."""
        while True:
            for index in range(REQUESTS):
                if not self.requests[index].taken:
                    found = self.requests[index]
                    found.begin()
                    return index
            if self.executor.now >= until:
                return None
            await self.executor.turn()

    async def answered(self, asking: Asking, until: u64 = NEVER) -> Refusal | None:
        """The service has the order: wait for its answer, and take it, if it comes until then."""
        while not self.requests[asking.request].done:
            if self.executor.now >= until:
                return None
            self.requests[asking.request].waiter = self.executor.running()
            self.executor.until(until)
            await pause()
        return asking.take()

    def ask_listen(self, tag: usize, listening: Listening) -> bool:
        """False: the ring is full now."""
        orders: Posts[Orders] = posts(self.part(ORDERS_AT, ORDERS_SIZE), self.wake)
        posted = orders.listen(u32(tag), listening.address, listening.port, listening.backlog) is None
        self.requests[tag].asked = posted
        return posted

    def ask_connect(self, tag: usize, address: u32, port: u16) -> bool:
        orders: Posts[Orders] = posts(self.part(ORDERS_AT, ORDERS_SIZE), self.wake)
        posted = orders.connect(u32(tag), address, port) is None
        self.requests[tag].asked = posted
        return posted

    def ask_bind(self, tag: usize, address: u32, port: u16) -> bool:
        orders: Posts[Orders] = posts(self.part(ORDERS_AT, ORDERS_SIZE), self.wake)
        posted = orders.bind(u32(tag), address, port) is None
        self.requests[tag].asked = posted
        return posted

    def post_datagram(self, pair: u32, socket: Socket, peer: Peer, data: Span[u8]) -> bool:
        """The bytes are in the buffer before anybody is told of them. False: there is no room now."""
        orders: Posts[Orders] = posts(self.part(ORDERS_AT, ORDERS_SIZE), self.wake)
        room = outbox_of(orders).room()
        if isinstance(room, Broken) or room == 0:
            return False
        socket.put(self.buffer(pair, False), data.bytes())
        socket.sending += 1
        _ = orders.send_to(socket.number, peer.address, peer.port, u32(len(data)))
        return True

    def tell(self, pair: u32) -> None:
        """The socket has something to tell: at once, if there is room, or later."""
        socket = self.sockets[usize(pair)]
        if not socket.dirty:
            socket.dirty, socket.next_dirty = True, NOBODY
            if self.first_dirty == NOBODY:
                self.first_dirty = pair
            else:
                self.sockets[usize(self.last_dirty)].next_dirty = pair
            self.last_dirty = pair
        self.flush()

    def flush(self) -> None:
        """Post what sockets have to tell, as far as there is room."""
        if self.stops != 0:
            self.flush_stops()
        orders: Posts[Orders] = posts(self.part(ORDERS_AT, ORDERS_SIZE), self.wake)
        for _ in range(len(self.sockets)):
            pair = self.first_dirty
            room = outbox_of(orders).room()
            if pair == NOBODY or isinstance(room, Broken) or room < MOST_TOLD:
                return
            socket = self.sockets[usize(pair)]
            self.first_dirty, socket.dirty = socket.next_dirty, False
            if socket.number == 0:
                # The service has gone, and with it all that it was to be told.
                if socket.closing:
                    self.free(socket)
                continue
            if socket.moved and not socket.aborting:
                _ = orders.moved(socket.number, socket.written, socket.read)
            if socket.taken != 0:
                _ = orders.taken(socket.number, socket.taken)
            if socket.chosen and not socket.closing:
                _ = orders.options(socket.number, socket.no_delay, socket.idle, socket.interval)
            if socket.closing:
                if socket.datagrams:
                    _ = orders.unbind(socket.number)
                else:
                    _ = orders.abort(socket.number) if socket.aborting else orders.close(socket.number)
                self.free(socket)
            elif socket.finishing and not socket.finish_told:
                socket.finish_told = True
                _ = orders.finish(socket.number)
            socket.moved, socket.chosen, socket.taken = False, False, 0

    def flush_stops(self) -> None:
        orders: Posts[Orders] = posts(self.part(ORDERS_AT, ORDERS_SIZE), self.wake)
        for listening in self.listeners:
            if listening.stopping != 0 and orders.stop(listening.stopping) is None:
                listening.stopping = 0
                self.stops -= 1

    def drop(self, pair: u32, serial: u64, datagrams: bool) -> None:
        """What was opened is nobody's."""
        if usize(pair) >= len(self.sockets):
            return
        socket = self.sockets[usize(pair)]
        if serial != 0 and socket.serial == serial and not socket.closing:
            socket.datagrams, socket.closing, socket.aborting = datagrams, True, True
            self.tell(pair)

    def free(self, socket: Socket) -> None:
        """Nobody has it any more; who waits for it finds out."""
        socket.serial, socket.number = 0, 0
        self.wake_all(socket)

    def wake_all(self, socket: Socket) -> None:
        reader, writer = socket.reader, socket.writer
        socket.reader, socket.writer = None, None
        if reader is not None:
            self.executor.wake(reader)
        if writer is not None:
            self.executor.wake(writer)

    # --- inside: News, which the service posts ------------------------------------------------------------------------

    def listening(self, tag: u32, listener: u64) -> None:
        self.done(tag, 0, listener, 0, None)

    def refused(self, tag: u32, why: Refusal) -> None:
        self.done(tag, 0, 0, 0, why)

    def opened(self, tag: u32, pair: u32, socket: u64, port: u16) -> None:
        begun = self.begin(pair, socket, Peer(0, 0))
        self.done(tag, pair, self.serial if begun else u64(0), port, None)

    def done(self, tag: u32, pair: u32, number: u64, port: u16, why: Refusal | None) -> None:
        if usize(tag) >= REQUESTS or not self.requests[usize(tag)].asked or self.requests[usize(tag)].done:
            return
        request = self.requests[usize(tag)]
        request.done, request.pair, request.number, request.port, request.why = True, pair, number, port, why
        if usize(pair) >= len(self.sockets):
            request.pair, request.why = 0, Refusal.BUFFERS
        if request.abandoned:
            request.taken = False
            if request.listener != NOBODY:
                self.silence(request.listener, number)
            else:
                self.drop(pair, number, request.datagrams)
            return
        if request.datagrams and request.why is None:
            # Some may be told of before the task that has asked goes on.
            self.sockets[usize(pair)].datagrams = True
        listener = request.listener
        if listener != NOBODY and why is None:
            # Those who connect may be told of before the task that has asked goes on.
            self.listeners[usize(listener)].number = number
        waiter = request.waiter
        request.waiter = None
        if waiter is not None:
            self.executor.wake(waiter)
        elif listener != NOBODY:
            # It was asked for again, and nobody waits.
            request.taken = False

    def accepted(self, listener: u64, pair: u32, socket: u64, address: u32, port: u16) -> None:
        if not self.begin(pair, socket, Peer(address, port)):
            return
        for listening in self.listeners:
            if listening.number == listener and listening.generation % 2 == 1:
                if listening.first == NOBODY:
                    listening.first = pair
                else:
                    self.sockets[usize(listening.last)].following = pair
                listening.last = pair
                self.sockets[usize(pair)].established = True
                waiter = listening.waiter
                listening.waiter = None
                if waiter is not None:
                    self.executor.wake(waiter)
                return
        # Nobody listens any more.
        self.sockets[usize(pair)].closing, self.sockets[usize(pair)].aborting = True, True
        self.tell(pair)

    def begin(self, pair: u32, number: u64, peer: Peer) -> bool:
        """A pair of buffers is somebody's from now on. False: there is no such pair."""
        if usize(pair) >= len(self.sockets):
            return False
        socket = self.sockets[usize(pair)]
        self.wake_all(socket)
        self.serial += 1
        socket.serial, socket.number, socket.peer = self.serial, number, peer
        socket.written, socket.acknowledged, socket.write_at = 0, 0, 0
        socket.arrived, socket.read, socket.read_at = 0, 0, 0
        socket.established, socket.finished, socket.end = False, False, End.NONE
        socket.moved, socket.finishing, socket.finish_told = False, False, False
        socket.closing, socket.aborting, socket.datagrams = False, False, False
        socket.chosen, socket.no_delay, socket.idle, socket.interval = False, False, 0, 0
        socket.following, socket.first, socket.count, socket.sending, socket.taken = NOBODY, 0, 0, 0, 0
        return True

    def moved(self, pair: u32, arrived: u32, acknowledged: u32, established: bool, finished: bool, end: End) -> None:
        if usize(pair) >= len(self.sockets) or self.sockets[usize(pair)].number == 0:
            return
        socket = self.sockets[usize(pair)]
        fresh = wrapping_sub(arrived, socket.read)
        gone = wrapping_sub(acknowledged, socket.acknowledged)
        if fresh > self.each or gone > wrapping_sub(socket.written, socket.acknowledged):
            # That can't be: whatever is in its buffers isn't what the peer has said.
            socket.end = End.ABORTED
            self.wake_all(socket)
            return
        socket.arrived, socket.acknowledged = arrived, acknowledged
        socket.established = socket.established or established
        socket.finished, socket.end = finished, end
        self.wake_all(socket)

    def came(self, pair: u32, address: u32, port: u16, length: u32) -> None:
        if usize(pair) >= len(self.sockets) or self.sockets[usize(pair)].number == 0:
            return
        socket = self.sockets[usize(pair)]
        if not socket.datagrams or length > self.each:
            return
        if socket.count < MOST_DATAGRAMS:
            place = (socket.first + socket.count) % MOST_DATAGRAMS
            socket.peers[place], socket.lengths[place] = Peer(address, port), length
            socket.count += 1
            self.wake_all(socket)

    def gone(self, pair: u32, datagrams: u32, length: u32, refused: bool) -> None:
        if usize(pair) >= len(self.sockets) or self.sockets[usize(pair)].number == 0:
            return
        socket = self.sockets[usize(pair)]
        socket.acknowledged = wrapping_add(socket.acknowledged, length)
        socket.sending -= min(socket.sending, datagrams)
        self.denied += 1 if refused else 0
        self.wake_all(socket)

    # --- inside: the service ------------------------------------------------------------------------------------------

    def take(self) -> bool:
        """Take news. True: there may be more."""
        news: Takes[News] = takes(self.part(NEWS_AT, NEWS_SIZE), self.wake)
        taken = news.take(self, MOST_NEWS)
        return not isinstance(taken, Broken) and taken == MOST_NEWS

    def may_sleep(self) -> bool:
        """Ask to be woken by news, or by room for orders; False: there is something now."""
        news: Takes[News] = takes(self.part(NEWS_AT, NEWS_SIZE), self.wake)
        orders: Posts[Orders] = posts(self.part(ORDERS_AT, ORDERS_SIZE), self.wake)
        sleeps = news.may_sleep()
        if isinstance(sleeps, Broken) or sleeps:
            if self.first_dirty != NOBODY:
                full = outbox_of(orders).may_sleep(MOST_TOLD)
                return isinstance(full, Broken) or full
            return True
        return False
