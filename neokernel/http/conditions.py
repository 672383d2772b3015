"""Is what a client asks for still what it knows? Preconditions, and ranges of bytes.

Specification: RFC 9110, sections 13 (preconditions; their order: 13.2.2), 14 (ranges), 8.8.3 (tags).

Of several ranges none is picked: the whole is sent, as RFC 9110, 14.2 allows. Who asks for several of what lies in
memory gains nothing, and can't make us send the same bytes many times (CVE-2011-3192).
"""

from __future__ import annotations

from enum import Enum

from neokernel.http import date
from neokernel.http.characters import COMMA, QUOTE, SPACE, TAB, find, is_alike, number_of, trimmed
from neokernel.http.method import Method
from neokernel.http.request import Request
from neokernel.lang import u64, usize, value


@value
class Version:
    """What a representation is known by: a tag with its quotes, or nothing; seconds after 1970, 0 if nobody knows."""

    tag: bytes
    modified: u64 = 0


class Condition(Enum):
    """What preconditions say."""

    GO_ON = 0
    #: 304
    NOT_MODIFIED = 1
    #: 412
    FAILED = 2


def evaluate(request: Request, version: Version) -> Condition:
    """Hold the request's preconditions against what there is. `If-Range` is `wants_range`'s."""
    reads = request.method is Method.GET or request.method is Method.HEAD
    since = request.field(b"if-unmodified-since")
    if request.next_field(b"if-match", 0) is not None:
        if not has_tag(request, b"if-match", version.tag, strong=True):
            return Condition.FAILED
    elif since is not None and version.modified != 0:
        limit = date.parse(since)
        if limit is not None and version.modified > limit:
            return Condition.FAILED
    if request.next_field(b"if-none-match", 0) is not None:
        if has_tag(request, b"if-none-match", version.tag, strong=False):
            return Condition.NOT_MODIFIED if reads else Condition.FAILED
        return Condition.GO_ON
    known = request.field(b"if-modified-since")
    if reads and known is not None and version.modified != 0:
        limit = date.parse(known)
        if limit is not None and version.modified <= limit:
            return Condition.NOT_MODIFIED
    return Condition.GO_ON


def has_tag(request: Request, name: bytes, tag: bytes, strong: bool) -> bool:
    """Is the tag among those in the fields of that name, or is one `*`?"""
    place = request.next_field(name, 0)
    while place is not None:
        text = request.value_at(place)
        if text == b"*" or is_listed(text, tag, strong):
            return True
        place = request.next_field(name, place + 1)
    return False


def is_listed(text: bytes, tag: bytes, strong: bool) -> bool:
    """Is the tag in a list of tags? Compared strongly, weak ones are like nothing (8.8.3.2)."""
    place: usize = 0
    while place < len(text):
        if text[place] == COMMA or text[place] == SPACE or text[place] == TAB:
            place += 1
            continue
        opening = place + 2 if is_weak(text[place:]) else place
        if opening >= len(text) or text[opening] != QUOTE:
            return False
        closing = find(text, QUOTE, opening + 1)
        if closing == len(text):
            return False
        if is_same(text[place : closing + 1], tag, strong):
            return True
        place = closing + 1
    return False


def is_same(one: bytes, other: bytes, strong: bool) -> bool:
    if strong:
        return one == other and not is_weak(one)
    return opaque(one) == opaque(other)


def is_weak(tag: bytes) -> bool:
    return len(tag) >= 2 and tag[:2] == b"W/"


def opaque(tag: bytes) -> bytes:
    return tag[2:] if is_weak(tag) else tag


@value
class Range:
    """Bytes `first` up to `end`, which isn't among them."""

    first: u64
    end: u64


class NoRange(Enum):
    """Why there is no part to send."""

    #: send the whole: none was asked for, or several, or what can't be understood
    WHOLE = 0
    #: 416: it lies behind the end
    OUTSIDE = 1


def wanted_range(request: Request, version: Version, size: u64) -> Range | NoRange:
    """The part that a GET asks for, of a whole of that size; preconditions hold."""
    text = request.field(b"range")
    if text is None or request.method is not Method.GET or not range_holds(request, version):
        return NoRange.WHOLE
    if len(text) < 6 or not is_alike(text[:6], b"bytes="):
        return NoRange.WHOLE
    part = trimmed(text[6:])
    dash = find(part, 0x2D)
    if dash == len(part) or find(part, COMMA) != len(part):
        return NoRange.WHOLE
    before, behind = trimmed(part[:dash]), trimmed(part[dash + 1 :])
    last = number_of(behind)
    if len(before) == 0:
        # The last bytes, so many.
        if last is None:
            return NoRange.WHOLE
        return Range(size - min(last, size), size) if last != 0 and size != 0 else NoRange.OUTSIDE
    first = number_of(before)
    if first is None or (last is None and len(behind) != 0) or (last is not None and last < first):
        return NoRange.WHOLE
    if first >= size:
        return NoRange.OUTSIDE
    return Range(first, size if last is None else min(last + 1, size))


def range_holds(request: Request, version: Version) -> bool:
    """`If-Range`: a part is of use only if the rest is as the client has it (13.1.5)."""
    text = request.field(b"if-range")
    if text is None:
        return True
    if len(text) != 0 and (text[0] == QUOTE or is_weak(text)):
        return is_same(text, version.tag, strong=True)
    known = date.parse(text)
    return known is not None and version.modified != 0 and known == version.modified
