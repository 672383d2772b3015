"""Why a packet wasn't taken: the counters of all that is wrong, odd, or too much."""

from __future__ import annotations

from enum import Enum

from neokernel.lang import Array, array, struct, u64, usize


class Drop(Enum):
    """One reason, one counter."""

    #: it ends too early, or says so
    LENGTH = 0
    CHECKSUM = 1
    #: a version, header length or field that no correct sender writes
    FORM = 2
    #: options that lead nowhere, or ask for a route
    OPTIONS = 3
    #: it is for somebody else, or of a kind that nobody here takes
    NOT_OURS = 4
    #: from an address that can't be a sender's
    SOURCE = 5
    #: fragments that overlap, don't fit together, are too many, or never became whole
    FRAGMENTS = 6
    #: no socket takes it
    NO_SOCKET = 7
    #: a socket's buffer, the backlog or another bounded place was full
    FULL = 8
    #: TCP: beyond the window, or older than what was seen (PAWS)
    WINDOW = 9
    #: TCP: what it acknowledges isn't what was sent
    ACKNOWLEDGMENT = 10
    #: TCP: a forged or stale cookie
    COOKIE = 11
    #: an answer that wasn't given, as there were too many in this second
    RATE = 12
    #: nobody on the link has the address that it should go to
    UNREACHABLE = 13


#: how many there are
REASONS = 14


@struct
class Counters:
    """What has come and gone, since the start. They wrap after centuries."""

    frames_in: u64 = 0
    frames_out: u64 = 0
    bytes_in: u64 = 0
    bytes_out: u64 = 0
    #: how often the card's driver was another one
    restarts: u64 = 0
    dropped: Array[u64] = array(REASONS)
    #: TCP (RFC 4022's names, in words)
    opened: u64 = 0
    accepted: u64 = 0
    failed: u64 = 0
    resets_in: u64 = 0
    resets_out: u64 = 0
    segments_in: u64 = 0
    segments_out: u64 = 0
    retransmitted: u64 = 0
    timeouts: u64 = 0
    recoveries: u64 = 0
    cookies_out: u64 = 0
    cookies_in: u64 = 0
    challenges: u64 = 0

    def drop(self, reason: Drop) -> None:
        self.dropped[usize(reason.value)] += 1
