"""A connection of an HTTP server: one request after the other, each with its answer.

    async def serve(server: Server, stream: Stream) -> None:
        http = Exchange(server=server, stream=stream)
        while await http.next():
            match http.path():
                case b"/":
                    if await http.allows(GET):
                        await http.reply(200, b"text/plain", b"hello")
                case b"/count":
                    if await http.allows(POST):
                        length = await http.read_all(body[:])
                        …
                case _:
                    await http.refuse(404)

`next` reads a request's head, and what is left of the one before. It answers by itself what the protocol says how to
answer (a malformed or too large one, one that takes too long: 400, 408, 411, 413, 414, 417, 431, 501, 505), and closes
the connection when it must be; then it gives False, and the task is done.

A request that isn't answered when `next` is called is answered 500, or what fits the body's error. An answer whose body
isn't complete resets the connection: the client must not take it for whole.

**Memory** is this object: the input (`limits.py`), a head, and nothing else; bodies go straight between the socket's
buffers and the program's own memory. **Time**: nothing is waited for without a deadline.

When we end a connection on which something may still be on its way, we end our direction, and read past what comes, for
`limits.linger`: closing at once would have TCP reset it, and the client might never see the answer (RFC 9112, 9.6).
"""

from __future__ import annotations

from enum import Enum

from neokernel.http.answer import Head, reason
from neokernel.http.body import Body
from neokernel.http.limits import INPUT
from neokernel.http.method import GET, HEAD, OPTIONS, Method, bit_of
from neokernel.http.request import Framing, Look, Request
from neokernel.http.seat import Seat
from neokernel.http.server import GRANULE, Server
from neokernel.http.text import Text
from neokernel.interfaces.clients.socket import Stream
from neokernel.interfaces.sockets import End
from neokernel.lang import Array, Embedded, Span, array, pause, struct, text_of, u8, u16, u64, usize
from neokernel.runtime.executor import Expired
from neokernel.runtime.hexadecimal import DIGITS

#: what is read past of a body that a program didn't want, before the connection is closed instead
MOST_UNREAD = 64 << 10
#: bytes of a body that are worth some spaces in the head, which have them copied in words
LARGE = 256
#: of what is said of a refusal
MOST_SAID = 128


class BodyError(Enum):
    """Why a request's body can't be had. `next` answers it, unless the program has."""

    #: it isn't framed as it should be
    MALFORMED = 0
    #: it is larger than the limit, or than the program's memory for it
    TOO_LARGE = 1
    TIMED_OUT = 2
    #: the connection is over
    GONE = 3


class State(Enum):
    """How far the answer is."""

    #: there is no request
    IDLE = 0
    #: the request isn't answered
    ASKED = 1
    #: the head is being composed
    BEGUN = 2
    #: the body is being sent
    SENDING = 3
    DONE = 4


@struct
class Exchange:
    server: Server
    stream: Stream
    request: Embedded[Request] = Request()
    body: Embedded[Body] = Body()
    head: Embedded[Head] = Head()
    state: State = State.IDLE
    #: where the request's head ends in its input
    head_end: usize = 0
    #: of the request's body: why it can't be had, bytes that have come, and since when it is waited for
    failed: BodyError | None = None
    received: u64 = 0
    body_since: u64 = 0
    status: u16 = 0
    #: of the answer's body: is it sent in chunks, is it sent at all, what is left of a known length
    in_chunks: bool = False
    silent: bool = False
    left: u64 = 0
    #: ticks that the client has had answers wait, less what it was given back
    waited: u64 = 0
    #: nothing can be sent any more
    over: bool = False
    #: the request was refused: what comes after it isn't looked at, but it may come
    refused: bool = False
    #: where it says whether it could end for somebody else; None: it couldn't
    seat: Seat | None = None
    said: Array[u8] = array(MOST_SAID)

    # --- the request --------------------------------------------------------------------------------------------------

    async def next(self) -> bool:
        """The next request. False: the connection has ended."""
        request = self.request
        while await self.is_done():
            if not await self.receive_head():
                break
            counters = self.server.counters
            counters.requests += 1
            self.state, self.failed, self.received, self.body_since = State.ASKED, None, 0, 0
            self.head_end = request.at
            self.body.begin(request.framing, request.length)
            limits = self.server.limits
            if request.framing is Framing.LENGTH and request.length > limits.most_body:
                await self.give_up(413)
                break
            if request.framing is Framing.CHUNKED and not limits.chunked:
                await self.give_up(411)
                break
            if not request.of_server:
                return True
            # OPTIONS *: the server as a whole can do nothing that it would have to tell.
            self.begin(204)
            await self.send(b"")
        await self.leave()
        return False

    def path(self) -> bytes:
        """Decoded, without dot segments: it begins with `/`."""
        return self.request.path()

    def query(self) -> bytes:
        return self.request.query()

    def field(self, name: bytes) -> bytes | None:
        """The value of the first field of that name, written in small letters."""
        return self.request.field(name)

    async def allows(self, methods: u16) -> bool:
        """Is the method one of these? If not, the request is answered: 405, or what OPTIONS asks. GET implies HEAD."""
        wanted = methods | HEAD if methods & GET != 0 else methods
        if wanted & bit_of(self.request.method) != 0:
            return True
        asks = self.request.method is Method.OPTIONS
        self.begin(204 if asks else 405)
        self.head.allow(wanted | OPTIONS)
        await self.send(b"" if asks else self.worded())
        return False

    async def read(self, into: Span[u8]) -> usize | BodyError:
        """Some more of the request's body, at least a byte; 0: that was all, or `into` has no room."""
        failed = self.failed
        if failed is not None:
            return failed
        if len(into) == 0:
            return 0
        request, body = self.request, self.body
        if self.body_since == 0:
            self.body_since = self.server.net.executor.now
            if request.expects and request.at == request.filled and not body.done and self.state is State.ASKED:
                if not await self.transmit(b"HTTP/1.1 100 Continue\r\n\r\n"):
                    return self.fail(BodyError.GONE)
                request.expects = False
        while not body.done:
            if request.at != request.filled:
                taken = body.take(request.input[request.at : request.filled], into)
                request.at += taken.used
                if body.broken:
                    return self.fail(BodyError.MALFORMED)
                if taken.made != 0:
                    return self.count(taken.made)
                continue
            direct = body.direct()
            if direct != 0:
                came = await self.receive(
                    into[: usize(min(direct, u64(len(into))))], self.body_until(), self.owed_since()
                )
            else:
                request.at, request.filled = self.head_end, self.head_end
                came = await self.receive(request.input[request.at : INPUT], self.body_until(), self.owed_since())
            if isinstance(came, Expired):
                return self.fail(BodyError.TIMED_OUT)
            if isinstance(came, End) or came == 0:
                return self.fail(BodyError.GONE)
            if direct != 0:
                body.came(came)
                return self.count(came)
            request.filled += came
        return 0

    async def read_all(self, into: Span[u8]) -> usize | BodyError:
        """The whole body, and its length. TOO_LARGE: `into` hasn't room for it."""
        length: usize = 0
        while True:
            if length == len(into):
                one: Array[u8] = array(1)
                more = await self.read(one[:])
                if isinstance(more, BodyError):
                    return more
                return length if more == 0 else self.fail(BodyError.TOO_LARGE)
            came = await self.read(into[length:])
            if isinstance(came, BodyError):
                return came
            if came == 0:
                return length
            length += came

    # --- the answer ---------------------------------------------------------------------------------------------------

    async def reply(self, status: u16, kind: bytes, body: bytes) -> None:
        """Answer. `kind`: the body's media type."""
        self.begin(status)
        self.head.kind(kind)
        await self.send(body)

    async def refuse(self, status: u16) -> None:
        """Answer with what the status is called, worded as the server words errors."""
        self.begin(status)
        await self.send(self.worded())

    def worded(self) -> bytes:
        """What the status is called, worded so, and what kind of text that is: of an answer that was begun."""
        errors = self.server.errors
        self.head.kind(errors.kind)
        said = Text(data=self.said[:])
        said.write(f"{text_of(errors.before)}{text_of(reason(self.status))}{text_of(errors.behind)}")
        return said.written()

    def begin(self, status: u16) -> None:
        """Begin an answer: fields follow, by `header`, and then `send`, `start` or `start_chunked`."""
        assert self.state is State.ASKED, "a request is answered once"
        self.state, self.status = State.BEGUN, status
        self.head.begin(status)
        self.head.add(self.server.date_line())
        self.head.add(self.server.fields)

    def header(self, name: bytes, value: bytes) -> None:
        """A field of the answer. If there is no room for it, or it can't stand there, the answer will be 500."""
        self.head.field(name, value)

    async def send(self, body: bytes) -> None:
        """End the head, and send this body."""
        self.end_head(u64(len(body)))
        if self.silent:
            await self.hand_over(b"")
        else:
            await self.hand_over(body)
            self.left = 0
        self.state = State.DONE

    async def start(self, length: u64) -> None:
        """End the head: a body of so many bytes follows, by `write`."""
        self.end_head(length)
        await self.hand_over(b"")
        self.state = State.SENDING if self.left != 0 else State.DONE

    async def start_chunked(self) -> None:
        """End the head: a body follows, by `write`, and `finish`."""
        self.end_head(None)
        await self.hand_over(b"")
        self.state = State.SENDING if not self.silent else State.DONE

    async def write(self, data: bytes) -> bool:
        """Some more of the body. False: nobody takes it any more. To HEAD nothing is sent, and that is well."""
        if self.over:
            return False
        if self.silent or len(data) == 0:
            return True
        assert self.state is State.SENDING, (
            "a body follows `start` or `start_chunked`, and has the length that was said"
        )
        if not self.in_chunks:
            if self.left != ~u64(0):
                assert self.left >= len(data), "the body is longer than was said"
                self.left -= len(data)
            if self.left == 0:
                self.state = State.DONE
            return await self.transmit(data)
        line: Array[u8] = array(18)
        place: usize = 16
        line[16], line[17] = 0x0D, 0x0A
        rest = len(data)
        while rest != 0:
            place -= 1
            line[place] = DIGITS[rest & 15]
            rest >>= 4
        if not await self.transmit(line[place:].bytes()) or not await self.transmit(data):
            return False
        return await self.transmit(b"\r\n")

    async def finish(self) -> None:
        """The body that was started without a length is complete."""
        if self.state is State.SENDING and (self.in_chunks or self.left == ~u64(0)):
            if self.in_chunks:
                _ = await self.transmit(b"0\r\n\r\n")
            self.left, self.state = 0, State.DONE

    def is_gone(self) -> bool:
        """Has the client ended the connection, or its direction of it, with nothing left to read?

        One that has ended its direction could still read an answer; but so looks one that has gone altogether.
        """
        socket = self.server.net.stream_of(self.stream)
        if socket is None or socket.end is not End.NONE:
            return True
        return socket.finished and socket.arrived == socket.read

    def expect_end(self) -> None:
        """The running task is to be resumed when the client has gone; it may be before."""
        self.server.net.expect_input(self.stream)

    def close_after(self) -> None:
        """Let this request be the connection's last."""
        self.request.last = True

    # --- inside: the answer -------------------------------------------------------------------------------------------

    def end_head(self, length: u64 | None) -> None:
        """Say how the body ends, and whether the connection goes on. None: the length isn't known."""
        assert self.state is State.BEGUN, "`begin` comes before the body"
        request, head = self.request, self.head
        bodiless = self.status == 204 or self.status == 304 or self.status < 200
        self.silent = bodiless or request.method is Method.HEAD
        self.in_chunks, self.left = False, 0
        if not bodiless:
            if length is not None:
                ends = not request.last and request.minor != 0 and self.body.done
                worth = length >= LARGE and not self.silent and ends
                head.length(length, self.server.net.place(self.stream) if worth else None)
                self.left = length if not self.silent else 0
            elif request.minor != 0:
                head.add(b"Transfer-Encoding: chunked\r\n")
                self.in_chunks = True
            else:
                # HTTP/1.0 knows no chunks: the body ends with the connection.
                request.last = True
                self.left = ~u64(0) if not self.silent else 0
        # Of a body that nobody has told the client to send, nobody knows whether it comes.
        if not self.body.done and (request.expects or self.failed is not None):
            request.last = True
        if request.last:
            head.add(b"Connection: close\r\n")
        elif request.minor == 0:
            head.add(b"Connection: keep-alive\r\n")
        head.add(b"\r\n")
        if head.spoiled:
            head.begin(500)
            head.add(b"Content-Length: 0\r\nConnection: close\r\n\r\n")
            request.last, self.silent, self.in_chunks, self.left = True, True, False, 0

    async def hand_over(self, body: bytes) -> None:
        """The head and some body, of which the service is told at once."""
        net = self.server.net
        head = self.head.written()
        if not self.over:
            first = net.put(self.stream, head)
            second: usize | End = 0
            if not isinstance(first, End) and first == len(head):
                second = net.put(self.stream, body)
            net.push(self.stream)
            if isinstance(first, End) or isinstance(second, End):
                self.over = True
            elif first < len(head):
                if await self.transmit(head[first:]):
                    _ = await self.transmit(body)
            elif second < len(body):
                _ = await self.transmit(body[second:])

    async def transmit(self, data: bytes) -> bool:
        """Hand bytes over, and wait for room. False: it is over.

        A client may have us wait for so long (`waited`), and longer for each byte that it takes, but never longer than
        at first: so neither one that takes nothing nor one that takes a byte now and then stays.
        """
        net, executor = self.server.net, self.server.net.executor
        done: usize = 0
        seat, patience = self.seat, self.server.ticks(self.server.limits.write)
        until = executor.now + patience - self.waited
        while done < len(data) and not self.over:
            count = net.put(self.stream, data[done:])
            if isinstance(count, End):
                self.over = True
            elif count != 0:
                done += count
                until = self.later(until, count)
                net.push(self.stream)
                if seat is not None:
                    seat.stay(executor)
            elif executor.now >= until or (seat is not None and seat.wanted):
                self.server.counters.timed_out += 1
                self.abort()
            else:
                net.expect_room(self.stream)
                executor.until(until | GRANULE - 1)
                if seat is not None:
                    seat.wait(executor, until - min(patience, until), True)
                await pause()
                if seat is not None:
                    seat.sit()
        self.waited = patience - (until - min(executor.now, until))
        return not self.over

    def later(self, until: u64, count: usize) -> u64:
        """Until when the client may have us wait, now that it takes so many bytes."""
        server = self.server
        most = server.net.executor.now + server.ticks(server.limits.write)
        return min(until + count * server.frequency // server.limits.rate, most)

    def abort(self) -> None:
        self.over = True
        self.server.net.abort(self.stream)

    # --- inside: the request ------------------------------------------------------------------------------------------

    async def receive(self, into: Span[u8], until: u64, since: u64, is_slow: bool = True) -> usize | End | Expired:
        """Bytes that have come, at least one; 0: the peer has sent all. It is over, too, if it has to give way.

        `since`: when they were to come, and `is_slow`: are they a request's that has begun? (`seat.py`) 0: what comes
        is of no use any more, so it doesn't keep the place.
        """
        net, executor, seat = self.server.net, self.server.net.executor, self.seat
        while True:
            came = net.get(self.stream, into)
            wanted = seat is not None and seat.wanted
            if came is None and wanted and not is_slow:
                # A request may have been told of that nobody has looked at yet.
                net.catch_up()
                came = net.get(self.stream, into)
            if came is not None:
                if seat is not None and since != 0:
                    seat.stay(executor)
                return came
            if wanted or executor.now >= until:
                return Expired.DEADLINE
            net.push(self.stream)
            net.expect_input(self.stream)
            executor.until(until)
            if seat is not None:
                seat.wait(executor, since, is_slow)
            await pause()
            if seat is not None:
                seat.sit()

    async def receive_head(self) -> bool:
        """The next request's head. False: there is none; what had to be answered was."""
        request, limits = self.request, self.server.limits
        request.begin()
        since = self.server.net.executor.now
        until = self.server.after(limits.head if request.is_begun() else limits.idle)
        while True:
            match request.look():
                case Look.READY:
                    return True
                case Look.REFUSED:
                    await self.give_up(request.status)
                    return False
                case Look.MORE:
                    pass
            begun = request.is_begun()
            came = await self.receive(request.input[request.filled :], until, since, begun)
            if isinstance(came, Expired):
                if begun:
                    self.server.counters.timed_out += 1
                    await self.give_up(408)
                return False
            if isinstance(came, End) or came == 0:
                self.over = self.over or isinstance(came, End)
                return False
            if not begun:
                since, until = self.server.net.executor.now, self.server.after(limits.head)
            request.filled += came

    async def give_up(self, status: u16) -> None:
        """Answer a request that can't be served, the connection's last."""
        self.server.counters.refused += 1
        self.refused, self.request.last, self.request.method = True, True, Method.GET
        self.state = State.ASKED
        await self.refuse(status)

    def body_until(self) -> u64:
        """Until when something more of the body must have come: the more has come, the later."""
        limits = self.server.limits
        allowed = limits.body + self.received * 1_000 // limits.rate
        return self.body_since + self.server.ticks(allowed)

    def owed_since(self) -> u64:
        """Since when the body's next bytes are late, at the rate that bodies have to come with; or will be."""
        return self.body_since + self.received * self.server.frequency // self.server.limits.rate

    def count(self, made: usize) -> usize | BodyError:
        self.received += made
        return self.fail(BodyError.TOO_LARGE) if self.received > self.server.limits.most_body else made

    def fail(self, why: BodyError) -> BodyError:
        self.failed, self.request.last = why, True
        if why is BodyError.GONE:
            self.over = True
        return why

    # --- inside: ends -------------------------------------------------------------------------------------------------

    async def is_done(self) -> bool:
        """See the last request to its end. May another one follow?"""
        if self.state is State.ASKED or self.state is State.BEGUN:
            self.state = State.ASKED
            await self.answer_for_program()
        elif self.state is State.SENDING:
            if self.left == ~u64(0):
                await self.finish()
            else:
                self.abort()
        if self.over or self.request.last:
            return False
        while not self.body.done:
            if self.received > MOST_UNREAD:
                self.request.last = True
                return False
            # The answer was sent, so its head's memory is free.
            more = await self.read(self.head.data[:])
            if isinstance(more, BodyError):
                return False
        return True

    async def answer_for_program(self) -> None:
        """The program hasn't answered."""
        match self.failed:
            case None:
                await self.refuse(500)
            case BodyError.MALFORMED:
                await self.give_up(400)
            case BodyError.TOO_LARGE:
                await self.give_up(413)
            case BodyError.TIMED_OUT:
                self.server.counters.timed_out += 1
                await self.give_up(408)
            case BodyError.GONE:
                pass

    async def leave(self) -> None:
        """Close the connection; if something may still come, read past it for a while."""
        net = self.server.net
        pending = self.refused or not self.body.done or self.request.at != self.request.filled
        if not self.over and pending:
            net.finish(self.stream)
            until = self.server.after(self.server.limits.linger)
            while True:
                # Its place is somebody else's at once, if one is wanted.
                came = await self.receive(self.head.data[:], until, 0, False)
                if isinstance(came, (End, Expired)) or came == 0 or (self.seat is not None and self.seat.wanted):
                    break
        net.close(self.stream)
