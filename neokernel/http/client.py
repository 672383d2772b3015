"""A client: one request on a connection of its own, and its answer, for services that ask others.

    fetch = Fetch(net=net, frequency=process.frequency)
    status = await fetch.ask(Method.GET, Place(address, 80, b"example.org"), b"/path")
    if not isinstance(status, FetchError):
        length = await fetch.read_all(into[:])
    fetch.close()

What is asked is granted as any connection is: `network.connect = ["tcp/10.0.2.2:80"]`. The answer's head is read as
requests' heads are, as strictly, and within the same bounds; its body goes straight into the program's memory.

Everything that is waited for has a deadline.
"""

from __future__ import annotations

from enum import Enum

from neokernel.http.answer import Head
from neokernel.http.body import Body
from neokernel.http.characters import CLASSES, TARGET
from neokernel.http.limits import INPUT, USUAL, Limits
from neokernel.http.method import Method, name_of
from neokernel.http.request import Framing, Look, Request
from neokernel.interfaces.clients.socket import Stream
from neokernel.interfaces.clients.sockets import Net
from neokernel.interfaces.sockets import End, Refusal
from neokernel.lang import Embedded, Span, pause, struct, u8, u16, u32, u64, usize, value

#: interim answers (1xx) that are passed over
MOST_INTERIM = 8


class FetchError(Enum):
    """Why there is no answer, or no more of it."""

    #: no line of the manifest grants the connection, or there is no room for another one
    REFUSED = 0
    #: there is nobody, or the connection has ended before the answer has
    GONE = 1
    TIMED_OUT = 2
    #: what has come is no answer of HTTP/1.1
    MALFORMED = 3
    #: it has more bytes than there is room for
    TOO_LARGE = 4
    #: the request can't be said: a target or a field of it has characters that it can't have, or is too long
    REQUEST = 5


@value
class Place:
    """Whom to ask. `host` is what they are called there: `example.org`, `10.0.2.2:8080`."""

    address: u32
    port: u16
    host: bytes


@struct
class Fetch:
    """`ask` begins, `close` ends it; then it can be used again."""

    net: Net
    #: of the process: ticks in a second
    frequency: u64
    #: `connect`: for the connection; `head`: for the answer's head; `body` and `rate`: for its body; `write`: until the
    #: server has taken what is sent, and a second more for each `rate` bytes of it
    limits: Limits = USUAL
    stream: Stream | None = None
    answer: Embedded[Request] = Request(answers=True)
    body: Embedded[Body] = Body()
    head: Embedded[Head] = Head()
    head_end: usize = 0
    received: u64 = 0
    since: u64 = 0
    #: the body ends with the connection
    endless: bool = False

    async def ask(
        self, method: Method, place: Place, target: bytes, kind: bytes = b"", body: bytes = b""
    ) -> u16 | FetchError:
        """The status of the answer. `kind`: the media type of the body that is sent; without one, none is sent."""
        self.close()
        if not self.compose(method, place, target, kind, u64(len(body))):
            return FetchError.REQUEST
        until = self.net.executor.now + self.ticks(self.limits.connect)
        made = await self.net.connect(place.address, place.port, until)
        if isinstance(made, Refusal):
            return FetchError.REFUSED
        if isinstance(made, End):
            return FetchError.TIMED_OUT if made is End.TIMED_OUT else FetchError.GONE
        self.stream = made
        failed = await self.transmit(made, self.head.written())
        if failed is None:
            failed = await self.transmit(made, body)
        if failed is not None:
            return failed
        return await self.receive_head(made, method)

    def field(self, name: bytes) -> bytes | None:
        """The value of the answer's first field of that name, written in small letters."""
        return self.answer.field(name)

    async def read(self, into: Span[u8]) -> usize | FetchError:
        """Some more of the answer's body, at least a byte; 0: that was all, or `into` has no room."""
        stream, answer, body = self.stream, self.answer, self.body
        if stream is None:
            return FetchError.GONE
        if len(into) == 0:
            return 0
        while not body.done:
            if answer.at != answer.filled:
                taken = body.take(answer.input[answer.at : answer.filled], into)
                answer.at += taken.used
                if body.broken:
                    return FetchError.MALFORMED
                if taken.made != 0:
                    self.received += taken.made
                    return taken.made
                continue
            direct = body.direct()
            limit = self.since + self.ticks(self.limits.body + self.received * 1_000 // self.limits.rate)
            if direct != 0:
                came = await self.receive(stream, into[: usize(min(direct, u64(len(into))))], limit)
            else:
                answer.at, answer.filled = self.head_end, self.head_end
                came = await self.receive(stream, answer.input[answer.at : INPUT], limit)
            if isinstance(came, FetchError):
                return came
            if came == 0:
                return 0 if self.endless else FetchError.GONE
            if direct != 0:
                body.came(came)
                self.received += came
                return came
            answer.filled += came
        return 0

    async def read_all(self, into: Span[u8]) -> usize | FetchError:
        """The whole body, and its length. TOO_LARGE: it doesn't fit."""
        length: usize = 0
        while length < len(into):
            came = await self.read(into[length:])
            if isinstance(came, FetchError):
                return came
            if came == 0:
                return length
            length += came
        if self.body.done:
            return length
        # Is there more than fits? The head isn't needed for sending any more.
        more = await self.read(self.head.data[:1])
        if isinstance(more, FetchError):
            return more
        return length if more == 0 else FetchError.TOO_LARGE

    def close(self) -> None:
        """Be done with the answer."""
        stream = self.stream
        self.stream = None
        if stream is not None:
            self.net.close(stream)

    # --- inside -------------------------------------------------------------------------------------------------------

    def compose(self, method: Method, place: Place, target: bytes, kind: bytes, length: u64) -> bool:
        head = self.head
        head.clear()
        head.add(name_of(method).encode())
        head.add(b" ")
        head.add(target)
        head.add(b" HTTP/1.1\r\n")
        head.field(b"Host", place.host)
        if len(kind) != 0:
            head.field(b"Content-Type", kind)
            head.length(length)
        elif length != 0:
            return False
        head.add(b"Connection: close\r\n\r\n")
        for byte in target:
            if CLASSES[usize(byte)] & TARGET == 0:
                return False
        return len(target) != 0 and not head.spoiled

    async def receive_head(self, stream: Stream, method: Method) -> u16 | FetchError:
        answer = self.answer
        answer.at, answer.filled = 0, 0
        until = self.net.executor.now + self.ticks(self.limits.head)
        for _ in range(MOST_INTERIM):
            answer.begin()
            while (look := answer.look()) is Look.MORE:
                came = await self.receive(stream, answer.input[answer.filled :], until)
                if isinstance(came, FetchError):
                    return came
                if came == 0:
                    return FetchError.GONE
                answer.filled += came
            if look is Look.REFUSED or answer.code == 101:
                return FetchError.MALFORMED
            if answer.code >= 200:
                self.head_end, self.received, self.since = answer.at, 0, self.net.executor.now
                self.begin_body(method)
                return answer.code
        return FetchError.MALFORMED

    def begin_body(self, method: Method) -> None:
        """How it ends: RFC 9112, 6.3."""
        answer = self.answer
        bodiless = method is Method.HEAD or answer.code == 204 or answer.code == 304
        self.endless = not bodiless and answer.framing is Framing.NONE
        if self.endless:
            self.body.begin_endless()
        else:
            self.body.begin(Framing.NONE if bodiless else answer.framing, answer.length)

    def ticks(self, milliseconds: u64) -> u64:
        return milliseconds * (self.frequency // 1_000)

    async def receive(self, stream: Stream, into: Span[u8], until: u64) -> usize | FetchError:
        net, executor = self.net, self.net.executor
        while True:
            came = net.get(stream, into)
            if came is not None:
                net.push(stream)
                return FetchError.GONE if isinstance(came, End) else came
            if executor.now >= until:
                return FetchError.TIMED_OUT
            net.expect_input(stream)
            executor.until(until)
            await pause()

    async def transmit(self, stream: Stream, data: bytes) -> FetchError | None:
        net, executor = self.net, self.net.executor
        done: usize = 0
        begun = executor.now
        until = begun + self.ticks(self.limits.write)
        while done < len(data):
            count = net.put(stream, data[done:])
            if isinstance(count, End):
                return FetchError.GONE
            if count != 0:
                done += count
                until = begun + self.ticks(self.limits.write + done * 1_000 // self.limits.rate)
                net.push(stream)
            elif executor.now >= until:
                return FetchError.TIMED_OUT
            else:
                net.expect_room(stream)
                executor.until(until)
                await pause()
        return None
