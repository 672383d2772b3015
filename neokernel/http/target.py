"""Targets of requests: paths without `%` and dot segments, and values out of queries.

Specification: RFC 3986, sections 2.1 and 5.2.4; queries as forms send them (WHATWG URL,
application/x-www-form-urlencoded).

Invariant: a path that `cleaned` gives begins with `/`, has no segment `.` or `..`, and no control character.
"""

from __future__ import annotations

from neokernel.http.characters import DOT, PERCENT, SLASH, SPACE, find, is_control
from neokernel.lang import Span, cold, copy, u8, usize
from neokernel.runtime.hexadecimal import digit_of

AMPERSAND = 0x26
EQUALS = 0x3D
PLUS = 0x2B


def cleaned(path: Span[u8]) -> usize | None:
    """Decode a path that begins with `/`, and take dot segments out, in place: how long it is now.

    None: it isn't one. `%2F` isn't taken either, as a slash that was written so means something else than one that
    wasn't, and nobody could tell them apart afterwards.
    """
    read: usize = 0
    length: usize = 0
    while read < len(path):
        byte = path[read]
        read += 1
        if byte == PERCENT:
            meant = escaped(path.bytes(), read)
            if meant is None or meant == SLASH or is_control(meant):
                return None
            byte = meant
            read += 2
        path[length] = byte
        length += 1
    return without_dots(path[:length])


def without_dots(path: Span[u8]) -> usize:
    """Take dot segments out of a path, in place: how long it is now. Nothing leads above the root."""
    made: usize = 0
    place: usize = 0
    while place < len(path):
        # A segment, with the slash before it.
        end = find(path.bytes(), SLASH, place + 1)
        segment = path[place:end]
        last = end == len(path)
        if is_dots(segment.bytes(), 1) or is_dots(segment.bytes(), 2):
            if len(segment) == 3:
                made = parent(path[:made].bytes())
            if last:
                path[made] = SLASH
                made += 1
        else:
            copy(path[made : made + len(segment)], segment.bytes())
            made += len(segment)
        place = end
    return made


def is_dots(segment: bytes, dots: usize) -> bool:
    """Is it a slash and so many dots?"""
    if len(segment) != dots + 1:
        return False
    for byte in segment[1:]:
        if byte != DOT:
            return False
    return True


def parent(path: bytes) -> usize:
    """Where its last segment begins."""
    place = len(path)
    while place > 0:
        place -= 1
        if path[place] == SLASH:
            break
    return place


def value_of(query: bytes, name: bytes) -> bytes | None:
    """The first value of that name in a query, as it stands there; `decoded` decodes it."""
    place: usize = 0
    while place <= len(query):
        end = find(query, AMPERSAND, place)
        equals = min(find(query, EQUALS, place), end)
        if query[place:equals] == name:
            return query[min(equals + 1, end) : end]
        place = end + 1
    return None


def decoded(value: bytes, into: Span[u8]) -> usize | None:
    """A value of a query, decoded: its length. None: it is no such value, or there is no room for it."""
    read: usize = 0
    length: usize = 0
    while read < len(value):
        byte = value[read]
        read += 1
        if byte == PLUS:
            byte = SPACE
        elif byte == PERCENT:
            meant = escaped(value, read)
            if meant is None:
                return None
            byte = meant
            read += 2
        if length == len(into):
            return None
        into[length] = byte
        length += 1
    return length


@cold
def escaped(data: bytes, place: usize) -> u8 | None:
    """The byte that is meant by the two digits at `place`, behind a `%`. None: there aren't two."""
    if len(data) - place < 2:
        return None
    high, low = digit_of(data[place]), digit_of(data[place + 1])
    if high is None or low is None:
        return None
    return high << 4 | low
