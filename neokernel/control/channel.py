"""A session with a control service: frames over a socket, and who we are (`services/control/protocol.py`).

Invariants: what comes is looked at before it is used: the other end can be any program; no frame is larger than
`MOST_FRAME`. We sign only what names this protocol, the machine that we meant, and a nonce of our own.
"""

from __future__ import annotations

import os
import socket
import struct
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, Self

from neokernel.abi.call import MAXIMUM_WORDS
from neokernel.patience import patient
from neokernel.services.control.protocol import (
    CONTEXT,
    HEADER_SIZE,
    MACHINE_SIZE,
    MAGIC,
    MOST_FRAME,
    NONCE_SIZE,
    VERSION,
    Kind,
    Peer,
    Reason,
)

HEADER = struct.Struct("<BBHI")
CHALLENGE = struct.Struct(f"<QII{MACHINE_SIZE}s{NONCE_SIZE}s")
WELCOME = struct.Struct("<QQII")
REFUSAL = struct.Struct("<IIQ")
ASKED = struct.Struct("<II")
#: seconds until an answer must have begun, times `NK_PATIENCE`; a service that is busy answers within fractions of one
PATIENCE = 15.0

#: what a service begins with: a challenge, or a refusal
BEGINNINGS = (
    HEADER.pack(int(Kind.CHALLENGE.value), 0, 0, CHALLENGE.size) + int(MAGIC).to_bytes(8, "little"),
    *(
        HEADER.pack(int(Kind.REFUSED.value), 0, 0, REFUSAL.size) + struct.pack("<II", int(reason.value), 0)
        for reason in Reason
    ),
)
LONGEST_BEGINNING = max(map(len, BEGINNINGS))
#: bytes that may come before it, which were for somebody else
MOST_PASSED = 1 << 20

assert HEADER.size == HEADER_SIZE


class Signer(Protocol):
    """A private key of cryptography's."""

    def sign(self, data: bytes, /) -> bytes: ...


class ChannelError(Exception):
    """There is no session, or no more."""


class Gone(ChannelError):
    """The line has ended: the machine has, or its control service, or whoever else answered."""


class Interrupted(Gone):
    """It goes on for whoever comes next: the machine hasn't ended."""


class Silent(ChannelError):
    """Nobody has answered in time."""


class Nonsense(ChannelError):
    """What answers isn't a control service that we know."""


class Impostor(ChannelError):
    """It is another machine than the one that was meant."""


class Refused(ChannelError):
    """The service hears us no more: `reason`, of the protocol's. `wait`: seconds until it answers anybody again."""

    def __init__(self, reason: Reason, wait: float) -> None:
        super().__init__(reason.name)
        self.reason, self.wait = reason.name, wait


@dataclass(frozen=True)
class Session:
    """What the service has said of itself. `peers`: whom it lets us call; `time` in ticks, when it said so."""

    peers: frozenset[Peer]
    frequency: int
    time: int
    operator: int


class Channel:
    """`with Channel(path) as channel: channel.open(…)`, then `channel.call(…)`."""

    def __init__(self, path: Path, patience: float = PATIENCE) -> None:
        self.patience = patient(patience)
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.socket.settimeout(self.patience)
        self.unread = b""
        try:
            self.socket.connect(str(path))
        except OSError as error:
            self.socket.close()
            raise Gone(f"nobody listens at {path.name}") from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    # --- the session --------------------------------------------------------------------------------------------------

    def open(self, key: Signer, public: bytes, identity: bytes | None = None) -> Session:
        """Wait for the challenge, and answer it as who has this key. `identity`: of the machine that is meant."""
        self.find_challenge()
        _, version, _, machine, theirs = CHALLENGE.unpack(self.receive(Kind.CHALLENGE, CHALLENGE.size))
        if version != VERSION:
            raise Nonsense(f"it speaks version {version} of the protocol, and this `nk` speaks {VERSION}")
        if identity is not None and machine != identity:
            raise Impostor("its enrolment isn't the one that this machine was started with")
        nonce = os.urandom(NONCE_SIZE)
        self.send(Kind.PROOF, nonce + public + key.sign(bytes(CONTEXT) + machine + theirs + nonce))
        frequency, now, peers, operator = WELCOME.unpack(self.receive(Kind.WELCOME, WELCOME.size))
        if frequency == 0:
            raise Nonsense("its clock stands")
        return Session(frozenset(peer for peer in Peer if peers >> int(peer.value) & 1), frequency, now, operator)

    def find_challenge(self) -> None:
        """Pass over what was on its way to who was here before, up to a challenge, or why there is none."""
        end = time.monotonic() + self.patience
        passed = 0
        while True:
            places = [place for begin in BEGINNINGS if (place := self.unread.find(begin)) >= 0]
            if places:
                self.unread = self.unread[min(places) :]
                return
            passed += max(len(self.unread) - LONGEST_BEGINNING, 0)
            self.unread = self.unread[-LONGEST_BEGINNING:]
            if passed > MOST_PASSED:
                raise Nonsense("it isn't a control service")
            self.more(end)

    def call(self, peer: Peer, label: int, words: list[int]) -> tuple[int, list[int]]:
        """A message to one of the service's capabilities: the answer's message word, and its words."""
        body = ASKED.pack(label, 0) + struct.pack(f"<{len(words)}Q", *words)
        self.send(Kind.CALL, body, int(peer.value))
        answer = self.receive(Kind.ANSWER)
        word, *found = struct.unpack(f"<{len(answer) // 8}Q", answer)
        if len(found) > MAXIMUM_WORDS or word >> 32 & 0x3FF != len(found):
            raise Nonsense("an answer whose length isn't what it says")
        return word, found

    # --- frames -------------------------------------------------------------------------------------------------------

    def send(self, kind: Kind, body: bytes, peer: int = 0) -> None:
        try:
            self.socket.sendall(HEADER.pack(int(kind.value), 0, peer, len(body)) + body)
        except TimeoutError as error:
            raise Silent("nobody takes what we say") from error
        except OSError as error:
            raise Gone("the line has ended") from error

    def receive(self, wanted: Kind, size: int | None = None) -> bytes:
        """The body of the next frame, which is of this kind and size; a multiple of eight, if none is given."""
        end = time.monotonic() + self.patience
        number, unused, _, length = HEADER.unpack(self.read(HEADER_SIZE, end))
        if number == Kind.CHALLENGE.value and wanted is not Kind.CHALLENGE:
            raise Interrupted("the line was interrupted: its driver, or the control service, was restarted")
        refused = number == Kind.REFUSED.value and length == REFUSAL.size
        right = number == wanted.value and (length == size if size is not None else length % 8 == 0 and length >= 8)
        if unused or not (right or refused) or length > MOST_FRAME - HEADER_SIZE:
            raise Nonsense("it says what no control service would")
        body = self.read(length, end)
        if refused:
            reason, _, wait = REFUSAL.unpack(body)
            try:
                known = Reason(reason)
            except ValueError:
                raise Nonsense(f"it refuses for a reason that isn't known here: {reason}") from None
            raise Refused(known, wait / 1e6)
        return body

    def read(self, count: int, end: float) -> bytes:
        while len(self.unread) < count:
            self.more(end)
        found, self.unread = self.unread[:count], self.unread[count:]
        return found

    def more(self, end: float) -> None:
        """Wait until something comes."""
        left = end - time.monotonic()
        if left <= 0:
            raise Silent("it doesn't answer")
        self.socket.settimeout(left)
        try:
            more = self.socket.recv(65536)
        except TimeoutError:
            raise Silent("it doesn't answer") from None
        except OSError as error:
            raise Gone("the line has ended") from error
        finally:
            self.socket.settimeout(self.patience)
        if not more:
            raise Gone("the line has ended")
        self.unread += more
