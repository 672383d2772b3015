"""Decoding of one LZ4 block, safe on any input.

A block is a sequence of (token, literals, offset, match); the last has literals only.

Invariant: every read is within `source`, every write within `target`, every match within what has been written.
"""

from enum import Enum

from neokernel.lang import Array, Span, array, struct, u8, u64, usize, value

MINIMUM_MATCH = 4
LONGER = 15


class Malformed(Enum):
    """Why a block was rejected."""

    TRUNCATED = 1
    TOO_LARGE = 2
    BAD_OFFSET = 3


@value
class Extension:
    """A length, after its extra bytes were read, and the position behind them."""

    length: usize
    position: usize


@struct
class Work:
    """One run: the first `length` bytes of `source` are decoded; `problem` is 0 or the number of a `Malformed`."""

    produced: u64 = 0
    problem: u64 = 0
    decoded: Array[u8] = array(8192)
    length: usize = 0
    capacity: usize = 0
    source: Array[u8] = array(8192)


def extend(source: bytes, start: usize, length: usize) -> Extension | Malformed:
    """Add the bytes from `start` on to `length`, up to the first that isn't 255."""
    position = start
    while position < len(source):
        more = source[position]
        position += 1
        length += usize(more)
        if more != 255:
            return Extension(length, position)
    return Malformed.TRUNCATED


def decode(source: bytes, target: Span[u8]) -> usize | Malformed:
    """Decode `source` into `target`; the number of bytes written."""
    position: usize = 0
    written: usize = 0
    while position < len(source):
        token = source[position]
        position += 1
        literals = usize(token >> 4)
        if literals == LONGER:
            extension = extend(source, position, literals)
            if isinstance(extension, Malformed):
                return extension
            literals, position = extension.length, extension.position
        if literals > len(source) - position:
            return Malformed.TRUNCATED
        if literals > len(target) - written:
            return Malformed.TOO_LARGE
        room = target[written : written + literals]
        for i, byte in enumerate(source[position : position + literals]):
            room[i] = byte
        position += literals
        written += literals
        if position == len(source):
            return written

        if len(source) - position < 2:
            return Malformed.TRUNCATED
        offset = usize(source[position]) | usize(source[position + 1]) << 8
        position += 2
        if offset == 0 or offset > written:
            return Malformed.BAD_OFFSET
        match_length = usize(token & 15)
        if match_length == LONGER:
            extension = extend(source, position, match_length)
            if isinstance(extension, Malformed):
                return extension
            match_length, position = extension.length, extension.position
        match_length += MINIMUM_MATCH
        if match_length > len(target) - written:
            return Malformed.TOO_LARGE
        # The match may overlap what it produces, so it is copied byte by byte, upwards.
        window = target[written - offset : written + match_length]
        for i in range(match_length):
            window[offset + i] = window[i]
        written += match_length
    return Malformed.TRUNCATED


def run(work: Work) -> None:
    """The measured entry."""
    result = decode(work.source.bytes()[: work.length], work.decoded[: work.capacity])
    if isinstance(result, Malformed):
        work.problem = u64(result.value)
    else:
        work.produced = result
