"""The head of an answer, composed line by line in memory of a fixed size.

    head.begin(200, b"OK", minor…)
    head.field(b"Content-Type", b"text/plain")
    head.end()
    head.written()                      # the bytes

Invariant: what is `written` is a whole head, or `spoiled` says that it isn't: a line was too long for what is left, or
had a control character in it, which could end it early and begin another one (response splitting).
"""

from __future__ import annotations

from neokernel.http.characters import CLASSES, TAB, TOKEN, is_control
from neokernel.http.limits import OUTPUT
from neokernel.http.method import METHODS, Method, name_of
from neokernel.lang import Array, array, copy, struct, u8, u16, u64, usize
from neokernel.runtime.decimal import MOST_DIGITS, write_decimal

VERSION = b"HTTP/1.1 "
COLON_SPACE = b": "
END_OF_LINE = b"\r\n"
SPACES = b"       "


def reason(status: u16) -> bytes:
    """What a status is called (RFC 9110, section 15); of others nothing, which is allowed."""
    match status:
        case 100:
            return b"Continue"
        case 200:
            return b"OK"
        case 201:
            return b"Created"
        case 202:
            return b"Accepted"
        case 204:
            return b"No Content"
        case 206:
            return b"Partial Content"
        case 301:
            return b"Moved Permanently"
        case 302:
            return b"Found"
        case 303:
            return b"See Other"
        case 304:
            return b"Not Modified"
        case 307:
            return b"Temporary Redirect"
        case 308:
            return b"Permanent Redirect"
        case 400:
            return b"Bad Request"
        case 401:
            return b"Unauthorized"
        case 403:
            return b"Forbidden"
        case 404:
            return b"Not Found"
        case 405:
            return b"Method Not Allowed"
        case 406:
            return b"Not Acceptable"
        case 408:
            return b"Request Timeout"
        case 409:
            return b"Conflict"
        case 411:
            return b"Length Required"
        case 412:
            return b"Precondition Failed"
        case 413:
            return b"Content Too Large"
        case 414:
            return b"URI Too Long"
        case 415:
            return b"Unsupported Media Type"
        case 416:
            return b"Range Not Satisfiable"
        case 417:
            return b"Expectation Failed"
        case 422:
            return b"Unprocessable Content"
        case 429:
            return b"Too Many Requests"
        case 431:
            return b"Request Header Fields Too Large"
        case 500:
            return b"Internal Server Error"
        case 501:
            return b"Not Implemented"
        case 503:
            return b"Service Unavailable"
        case 504:
            return b"Gateway Timeout"
        case 505:
            return b"HTTP Version Not Supported"
        case _:
            return b""


@struct
class Head:
    data: Array[u8] = array(OUTPUT)
    used: usize = 0
    spoiled: bool = False

    def clear(self) -> None:
        self.used, self.spoiled = 0, False

    def written(self) -> bytes:
        return self.data[: self.used].bytes()

    def begin(self, status: u16) -> None:
        """The line that an answer begins with."""
        self.clear()
        if status == 200:
            self.add(b"HTTP/1.1 200 OK\r\n")
            return
        self.add(VERSION)
        self.number(u64(status))
        self.add(b" ")
        self.add(reason(status))
        self.add(END_OF_LINE)

    def field(self, name: bytes, value: bytes) -> None:
        """A line that somebody else has thought of."""
        for byte in name:
            if CLASSES[usize(byte)] & TOKEN == 0:
                self.spoiled = True
        self.add(name)
        self.add(COLON_SPACE)
        self.value(value)

    def kind(self, kind: bytes) -> None:
        """The media type of the body."""
        self.add(b"Content-Type: ")
        self.value(kind)

    def value(self, value: bytes) -> None:
        """A field's value, and the line's end."""
        for byte in value:
            if is_control(byte) and byte != TAB:
                self.spoiled = True
        self.add(value)
        self.add(END_OF_LINE)

    def length(self, length: u64, place: usize | None = None) -> None:
        """How long the body is. `place`: the head begins so many bytes behind a multiple of eight, and ends with this.

        Then spaces stand behind the number, which mean nothing (RFC 9112, 5), so that the body begins at a multiple of
        eight: it is copied in words, here and in the network service.
        """
        self.add(b"Content-Length: ")
        self.number(length)
        if place is not None:
            end = place + self.used + 2 * len(END_OF_LINE)
            self.add(SPACES[: (8 - end % 8) % 8])
        self.add(END_OF_LINE)

    def range(self, first: u64, last: u64, size: u64) -> None:
        """Which part of a whole of that size follows."""
        self.add(b"Content-Range: bytes ")
        self.number(first)
        self.add(b"-")
        self.number(last)
        self.add(b"/")
        self.number(size)
        self.add(END_OF_LINE)

    def size(self, size: u64) -> None:
        """How large the whole is of which a part was wanted that isn't there."""
        self.add(b"Content-Range: bytes */")
        self.number(size)
        self.add(END_OF_LINE)

    def allow(self, methods: u16) -> None:
        self.add(b"Allow: ")
        first = True
        for number in range(METHODS):
            if methods >> number & 1 != 0:
                if not first:
                    self.add(b", ")
                self.add(name_of(Method(number)).encode())
                first = False
        self.add(END_OF_LINE)

    def number(self, number: u64) -> None:
        digits: Array[u8] = array(MOST_DIGITS)
        self.add(digits[write_decimal(number, digits[:]) :].bytes())

    def add(self, data: bytes) -> None:
        if len(data) > len(self.data) - self.used:
            self.spoiled = True
            return
        copy(self.data[self.used : self.used + len(data)], data)
        self.used += len(data)
