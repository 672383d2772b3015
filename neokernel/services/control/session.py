"""One client of a line, from its first byte on: frames are put together, and each is looked at before it is used.

Whoever is at the other end may say anything. What isn't a frame, isn't due, or hasn't the length of its kind shuts the
session: it says why once, and hears nothing more until the line tells that the client has gone, and another `begin`s.

Invariant: `frame[:have]` is the beginning of at most one frame; a CALL is found only while the session is OPEN, and it
is OPEN only after a signature of an operator's over this session's nonces.
"""

from __future__ import annotations

from enum import Enum

from neokernel.crypto.ed25519 import Verdict, verify
from neokernel.lang import Array, Embedded, Span, array, copy, offset_of, struct, u8, u32, u64, usize, wire_view
from neokernel.services.control.operators import Operators
from neokernel.services.control.protocol import (
    HEADER_SIZE,
    MACHINE_SIZE,
    MOST_FRAME,
    NONCE_SIZE,
    SIGNED_SIZE,
    Header,
    Kind,
    Proof,
    Reason,
    can_be,
    kind_of,
    signed,
)

#: where they are in a Proof
KEY = offset_of(Proof, "key")
SIGNATURE = offset_of(Proof, "signature")


class Stage(Enum):
    """What is due."""

    #: nothing
    SHUT = 0
    #: PROOF
    PROVING = 1
    #: CALL
    OPEN = 2


@struct
class Session:
    machine: Array[u8] = array(MACHINE_SIZE)
    stage: Stage = Stage.SHUT
    have: usize = 0
    frame: Array[u8] = array(MOST_FRAME)
    #: the service's own, fresh for each client
    nonce: Array[u8] = array(NONCE_SIZE)
    #: which one it is, from 0 on
    operator: usize = 0

    def begin(self) -> None:
        """Somebody has come, and is challenged with the nonce."""
        self.stage = Stage.PROVING
        self.have = 0

    def shut(self) -> None:
        self.stage = Stage.SHUT
        self.have = 0

    # --- frames -------------------------------------------------------------------------------------------------------

    def header(self) -> Header:
        return wire_view(Header, self.frame[:HEADER_SIZE])

    def take(self, data: bytes) -> usize:
        """Of bytes that came, take up to the end of the frame that has begun: how many. Look at `due` after each."""
        if self.stage is Stage.SHUT:
            return len(data)
        wanted: usize = HEADER_SIZE
        if self.have >= HEADER_SIZE:
            wanted += min(usize(self.header().length), MOST_FRAME - HEADER_SIZE)
        count = min(len(data), wanted - self.have)
        copy(self.frame[self.have : self.have + count], data[:count])
        self.have += count
        return count

    def due(self) -> Kind | Reason | None:
        """The frame that is complete, which is one that is due; why the session can't go on; None: more bytes first."""
        if self.have < HEADER_SIZE:
            return None
        header = self.header()
        kind, length = kind_of(header.kind), usize(header.length)
        if kind is None or not self.is_expected(kind) or header.unused != 0 or not can_be(kind, length):
            return Reason.FRAME
        if kind is not Kind.CALL and header.peer != 0:
            return Reason.FRAME
        return kind if self.have == HEADER_SIZE + length else None

    def is_expected(self, kind: Kind) -> bool:
        match self.stage:
            case Stage.PROVING:
                return kind is Kind.PROOF
            case Stage.OPEN:
                return kind is Kind.CALL
            case Stage.SHUT:
                return False

    def body(self) -> Span[u8]:
        """Of the frame that is complete, what is behind the header."""
        return self.frame[HEADER_SIZE : max(self.have, HEADER_SIZE)]

    def next(self) -> None:
        """The frame was dealt with."""
        self.have = 0

    # --- who it is ----------------------------------------------------------------------------------------------------

    def prove(self, operators: Operators) -> Reason | None:
        """A PROOF is there: is it one of an operator's, of this session? Then the session is OPEN."""
        body = self.body().bytes()
        theirs, key, signature = body[:KEY], body[KEY:SIGNATURE], body[SIGNATURE:]
        index = operators.find(key)
        if index is None:
            return Reason.KEY
        text: Array[u8] = array(SIGNED_SIZE)
        signed(text[:], self.machine.bytes(), self.nonce.bytes(), theirs)
        if verify(key, text.bytes(), signature) is not Verdict.VALID:
            return Reason.KEY
        self.operator = index
        self.stage = Stage.OPEN
        return None


# --- who has tried without a right to ---------------------------------------------------------------------------------

#: microseconds after the first wrong key; doubled with each further one, up to the longest
FIRST_WAIT: u64 = 250_000
LONGEST_WAIT: u64 = 8_000_000


@struct
class Guard:
    """Wrong proofs, in a row and altogether. Whoever comes next, with whatever key, waits."""

    wrong: u64 = 0
    in_a_row: u32 = 0
    sessions: u64 = 0
    #: frames that were none
    refused: u64 = 0

    def failed(self) -> u64:
        """One more: microseconds that nobody is answered now."""
        self.wrong += 1
        if self.in_a_row < 16:
            self.in_a_row += 1
        return min(FIRST_WAIT << u64(self.in_a_row - 1), LONGEST_WAIT)

    def succeeded(self) -> None:
        self.sessions += 1
        self.in_a_row = 0


@struct
class Line:
    """A session, and who may begin one."""

    session: Embedded[Session] = Session()
    operators: Embedded[Operators] = Operators()
    guard: Embedded[Guard] = Guard()
