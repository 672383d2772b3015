"""A request's head, line by line as it comes in: what is wrong with it is found as soon as a line is there.

    request.filled += …                 # bytes have come into request.input
    match request.look():
        case Look.MORE: …               # it isn't complete
        case Look.READY: …              # method, path, fields: all that follows is body
        case Look.REFUSED: …            # answer request.status, and hang up: where the next one begins nobody knows

An answer's head differs in its first line, and in what its fields must say: with `answers`, a client reads that.

Specification: RFC 9112 (syntax, framing), RFC 9110 (meaning).

**What two readers could take for different things is refused:** a line that doesn't end by CR LF, a CR or another
control character within one, folded lines, a space before a colon, `Content-Length` twice, or not a plain number, or
beside `Transfer-Encoding`, or that twice or by HTTP/1.0, `Host` twice or none. RFC 9112 lets a server take some of
these; what stands between us and a client may then see other requests than we do (request smuggling).

Invariants:
- What comes of some bytes doesn't depend on the pieces in which they come.
- `input[: at]` is whole lines that were looked at; there is no control character in `input[at : seen]` but tabs.
"""

from __future__ import annotations

from enum import Enum

from neokernel.http.characters import (
    CLASSES,
    COLON,
    COMMA,
    CR,
    HOST,
    LF,
    QUESTION,
    SLASH,
    SPACE,
    SPECIAL,
    TAB,
    TARGET,
    TOKEN,
    find,
    is_alike,
    next_control,
    number_of,
    trimmed,
)
from neokernel.http.limits import INPUT, MOST_FIELDS, MOST_HEAD, MOST_LINE
from neokernel.http.method import Method, method_of
from neokernel.http.target import cleaned
from neokernel.lang import Array, array, copy, offset_of, struct, u8, u16, u64, usize, value


class Look(Enum):
    """What a look at the bytes has found."""

    MORE = 0
    READY = 1
    REFUSED = 2


class Stage(Enum):
    LINE = 0
    FIELDS = 1
    DONE = 2


class Framing(Enum):
    """Where a body ends."""

    NONE = 0
    LENGTH = 1
    CHUNKED = 2


@value
class Field:
    """Where a field of the head is: name and value, without what is around them."""

    name: u16
    name_end: u16
    value: u16
    value_end: u16


NO_FIELD = Field(0, 0, 0, 0)


@struct
class Request:
    """`begin` starts the next one behind the bytes that belong to the last."""

    input: Array[u8] = array(INPUT)
    filled: usize = 0
    at: usize = 0
    seen: usize = 0
    stage: Stage = Stage.LINE
    #: it is an answer's head; then `code` is its status
    answers: bool = False
    code: u16 = 0
    #: of a refused one: what to answer
    status: u16 = 0
    method: Method = Method.GET
    #: 0: HTTP/1.0
    minor: u8 = 1
    #: the path lies in input[path_at : path_end], the query behind a `?` in input[query_at : query_end]
    path_at: usize = 0
    path_end: usize = 0
    query_at: usize = 0
    query_end: usize = 0
    #: the path has something to decode, or a segment that begins with a dot
    unclean: bool = False
    #: the target is `*`
    of_server: bool = False
    fields: Array[Field] = array(MOST_FIELDS, NO_FIELD)
    count: usize = 0
    framing: Framing = Framing.NONE
    length: u64 = 0
    #: the client expects to be told to go on (100) before it sends the body
    expects: bool = False
    #: it is the last one on its connection
    last: bool = False
    # What fields have said so far.
    hosts: usize = 0
    lengths: usize = 0
    codings: usize = 0
    keeps: bool = False

    def begin(self) -> None:
        """The last request, with its body, ends at `at`: another one begins there."""
        rest = self.filled - self.at
        if self.at != 0 and rest != 0:
            copy(self.input[:rest], self.input[self.at : self.filled].bytes())
        self.filled, self.at, self.seen = rest, 0, 0
        self.stage, self.status = Stage.LINE, 0
        self.unclean, self.of_server = False, False
        self.count, self.framing, self.length = 0, Framing.NONE, 0
        self.expects, self.last, self.keeps = False, False, False
        self.hosts, self.lengths, self.codings = 0, 0, 0

    # --- what it says -------------------------------------------------------------------------------------------------

    def path(self) -> bytes:
        """Decoded, without dot segments; `/` at least; `*` of OPTIONS about the server as a whole."""
        return self.input[self.path_at : self.path_end].bytes() if self.path_at != self.path_end else b"/"

    def query(self) -> bytes:
        """As it was sent, without the `?`."""
        return self.input[self.query_at : self.query_end].bytes()

    def field(self, name: bytes) -> bytes | None:
        """The value of the first field of this name, which is written in small letters."""
        place = self.next_field(name, 0)
        return None if place is None else self.value_at(place)

    def next_field(self, name: bytes, first: usize) -> usize | None:
        """The number of the next field of this name, from `first` on, for `value_at`."""
        for place in range(first, self.count):
            field = self.fields[place]
            if is_alike(self.input[usize(field.name) : usize(field.name_end)].bytes(), name):
                return place
        return None

    def value_at(self, place: usize) -> bytes:
        field = self.fields[place]
        return self.input[usize(field.value) : usize(field.value_end)].bytes()

    def is_begun(self) -> bool:
        """Has anything of it come?"""
        return self.filled != 0

    # --- lines --------------------------------------------------------------------------------------------------------

    def look(self) -> Look:
        """Look at what has come since the last time."""
        while self.stage is not Stage.DONE:
            end = next_control(self.input[: self.filled], self.seen)
            if self.stage is Stage.LINE and end - self.at > MOST_LINE:
                return self.refuse(414)
            if end >= MOST_HEAD - 1:
                return self.refuse(431)
            if end == self.filled:
                self.seen = end
                return Look.MORE
            byte = self.input[end]
            if byte == TAB and self.stage is Stage.FIELDS:
                self.seen = end + 1
                continue
            if byte != CR:
                return self.refuse(400)
            if end + 1 == self.filled:
                self.seen = end
                return Look.MORE
            if self.input[end + 1] != LF:
                return self.refuse(400)
            first = self.at
            self.at, self.seen = end + 2, end + 2
            status = self.take_line(first, end)
            if status != 0:
                return self.refuse(status)
        return Look.READY

    def refuse(self, status: u16) -> Look:
        self.status, self.last = status, True
        return Look.REFUSED

    def take_line(self, first: usize, end: usize) -> u16:
        """A line is complete: the status that refuses it, or 0."""
        if self.stage is Stage.LINE:
            if first == end and first == 0:
                # An empty line before a request is passed over (RFC 9112, 2.2).
                return 0
            self.stage = Stage.FIELDS
            return self.take_status_line(first, end) if self.answers else self.take_request_line(first, end)
        if first == end:
            self.stage = Stage.DONE
            return self.conclude()
        return self.take_field(first, end)

    def take_request_line(self, first: usize, end: usize) -> u16:
        """`GET /path?query HTTP/1.1`, each part behind one space."""
        line = self.input[first:end].bytes()
        space = find(line, SPACE)
        # A method, a space, a target, a space, `HTTP/1.1`.
        if len(line) < 12 or space == 0 or space >= len(line) - 10 or line[len(line) - 9] != SPACE:
            return 400
        for byte in line[:space]:
            if CLASSES[usize(byte)] & TOKEN == 0:
                return 400
        status = self.take_version(line[len(line) - 8 :])
        if status != 0:
            return status
        method = method_of(line[:space])
        if method is None:
            return 501
        self.method = method
        return self.take_target(first + space + 1, end - 9)

    def take_status_line(self, first: usize, end: usize) -> u16:
        """`HTTP/1.1 200`, and what the status is called, which says nothing (RFC 9112, 4)."""
        line = self.input[first:end].bytes()
        if len(line) < 12 or line[8] != SPACE or (len(line) > 12 and line[12] != SPACE):
            return 400
        code = number_of(line[9:12])
        if code is None or not 100 <= code <= 599:
            return 400
        self.code = u16(code)
        return self.take_version(line[:8])

    def take_version(self, version: bytes) -> u16:
        if version == b"HTTP/1.1":
            self.minor = 1
            return 0
        major, minor = version[5], version[7]
        if version[:5] != b"HTTP/" or version[6] != 0x2E or not 0x30 <= major <= 0x39 or not 0x30 <= minor <= 0x39:
            return 400
        if major != 0x31:
            return 505
        # A later minor version is read as the highest that is known (RFC 9110, 2.5).
        self.minor = 0 if minor == 0x30 else 1
        return 0

    def take_target(self, first: usize, end: usize) -> u16:
        """A path with a query, or the same behind `http://host`, or `*` of OPTIONS (RFC 9112, 3.2)."""
        query = end
        before: u8 = 0
        for place in range(first, end):
            byte = self.input[place]
            kind = CLASSES[usize(byte)]
            if kind & TARGET == 0:
                return 400
            if kind & SPECIAL != 0:
                if byte == QUESTION:
                    query = min(query, place)
                elif byte != 0x2E or before == SLASH:
                    self.unclean = True
            before = byte
        self.path_at, self.path_end = first, query
        self.query_at, self.query_end = min(query + 1, end), end
        if self.input[first] == SLASH:
            return 0
        if self.input[first:end].bytes() == b"*" and self.method is Method.OPTIONS:
            self.of_server = True
            return 0
        scheme: usize = 7
        if query - first > 8 and is_alike(self.input[first : first + 8].bytes(), b"https://"):
            scheme = 8
        elif query - first <= 7 or not is_alike(self.input[first : first + 7].bytes(), b"http://"):
            return 400
        path = min(find(self.input[:query].bytes(), SLASH, first + scheme), query)
        if path == first + scheme or not is_host(self.input[first + scheme : path].bytes()):
            return 400
        self.path_at = path
        return 0

    def take_field(self, first: usize, end: usize) -> u16:
        """`Name: value`."""
        colon = first
        while colon < end and CLASSES[usize(self.input[colon])] & TOKEN != 0:
            colon += 1
        # Whatever else stands there: no name, a space before the colon, a line that goes on from the last one.
        if colon in (first, end) or self.input[colon] != COLON:
            return 400
        if self.count == MOST_FIELDS:
            return 431
        start, stop = colon + 1, end
        while start < stop and (self.input[start] == SPACE or self.input[start] == TAB):
            start += 1
        while stop > start and (self.input[stop - 1] == SPACE or self.input[stop - 1] == TAB):
            stop -= 1
        self.fields[self.count] = Field(u16(first), u16(colon), u16(start), u16(stop))
        self.count += 1
        name, text = self.input[first:colon].bytes(), self.input[start:stop].bytes()
        match len(name):
            case 4 if not self.answers and is_alike(name, b"host"):
                self.hosts += 1
                return 0 if is_host(text) and self.hosts == 1 else 400
            case 6 if not self.answers and is_alike(name, b"expect"):
                self.expects = True
                return 0 if self.minor == 0 or is_alike(text, b"100-continue") else 417
            case 10 if is_alike(name, b"connection"):
                self.take_options(text)
                return 0
            case 14 if is_alike(name, b"content-length"):
                length = number_of(text)
                self.lengths += 1
                if length is None or self.lengths > 1 or self.codings > 0:
                    return 400
                self.framing, self.length = Framing.LENGTH, length
                return 0
            case 17 if is_alike(name, b"transfer-encoding"):
                self.codings += 1
                if self.codings > 1 or self.lengths > 0 or self.minor == 0:
                    return 400
                self.framing = Framing.CHUNKED
                return 0 if is_alike(text, b"chunked") else 501
            case _:
                return 0

    def take_options(self, text: bytes) -> None:
        """What `Connection` says of it (RFC 9110, 7.6.1)."""
        place: usize = 0
        while place < len(text):
            end = find(text, COMMA, place)
            option = trimmed(text[place:end])
            if is_alike(option, b"close"):
                self.last = True
            elif is_alike(option, b"keep-alive"):
                self.keeps = True
            place = end + 1

    def conclude(self) -> u16:
        """All lines are there."""
        if self.minor == 0:
            # HTTP/1.0 ends with each request unless both want to go on, and knows no 100.
            self.expects = False
            self.last = self.last or not self.keeps
        elif self.hosts == 0 and not self.answers:
            return 400
        if self.unclean:
            length = cleaned(self.input[self.path_at : self.path_end])
            if length is None:
                return 400
            self.path_end = self.path_at + length
        return 0


assert offset_of(Request, "input") % 8 == 0, "what `next_control` wants"


def is_host(text: bytes) -> bool:
    """A host, and a port perhaps; nothing at all, too (RFC 9110, 7.2)."""
    for byte in text:
        if CLASSES[usize(byte)] & HOST == 0:
            return False
    return True
