"""Orders as they are signed: what one says, and which nonces are good. Without a process around it.

Invariants of `Nonces`: `fresh` and `last` are random bytes that were asked for, or `has_fresh` and `has_last` say that
they aren't; a nonce that was used is neither.
"""

from __future__ import annotations

from enum import Enum

from neokernel.crypto.ed25519 import Verdict, verify
from neokernel.interfaces.orders import (
    CONTEXT,
    KEY_SIZE,
    LIFETIME,
    MACHINE_SIZE,
    MOST_ORDER,
    NONCE_SIZE,
    SIGNATURE_SIZE,
)
from neokernel.lang import Array, array, copy, struct, u8, u64, usize, value

#: bytes of what is signed, at most
MOST_SIGNED = len(CONTEXT) + MACHINE_SIZE + NONCE_SIZE + MOST_ORDER
SPACE = 0x20


class Verb(Enum):
    KILL = 0
    STOP = 1
    START = 2
    SWAP = 3


@value
class Order:
    """`program` is empty, but for SWAP, where it needn't be."""

    verb: Verb
    service: bytes
    program: bytes


def read_order(text: bytes) -> Order | None:
    """What an order says. None: it is none. Words have one space between them, so each order has one form."""
    first = end_of_word(text, 0)
    verb = verb_of(text[:first])
    if verb is None or first >= len(text):
        return None
    second = end_of_word(text, first + 1)
    service, program = text[first + 1 : second], text[len(text) :]
    if second < len(text):
        third = end_of_word(text, second + 1)
        program = text[second + 1 : third]
        if verb is not Verb.SWAP or third != len(text) or len(program) == 0:
            return None
    return Order(verb, service, program) if len(service) != 0 else None


def end_of_word(text: bytes, start: usize) -> usize:
    for place in range(start, len(text)):
        if text[place] == SPACE:
            return place
    return len(text)


def verb_of(word: bytes) -> Verb | None:
    match word:
        case b"kill":
            return Verb.KILL
        case b"stop":
            return Verb.STOP
        case b"start":
            return Verb.START
        case b"swap":
            return Verb.SWAP
        case _:
            return None


def is_signed(machine: bytes, nonce: bytes, order: bytes, key: bytes, signature: bytes) -> bool:
    """Is the signature one of this order's, for this machine, by who has this key?"""
    if len(key) != KEY_SIZE or len(signature) != SIGNATURE_SIZE or len(order) > MOST_ORDER:
        return False
    text: Array[u8] = array(MOST_SIGNED)
    place: usize = len(CONTEXT)
    copy(text[:place], CONTEXT)
    copy(text[place : place + MACHINE_SIZE], machine)
    place += MACHINE_SIZE
    copy(text[place : place + NONCE_SIZE], nonce)
    place += NONCE_SIZE
    copy(text[place : place + len(order)], order)
    return verify(key, text[: place + len(order)].bytes(), signature) is Verdict.VALID


@struct
class Nonces:
    """`since`: when the fresh one was first asked for, in ticks; `before`: when the last one was."""

    frequency: u64
    fresh: Array[u8] = array(NONCE_SIZE)
    last: Array[u8] = array(NONCE_SIZE)
    has_fresh: bool = False
    has_last: bool = False
    since: u64 = 0
    before: u64 = 0

    def is_due(self, now: u64) -> bool:
        """Is another one needed before one is given out?"""
        return not self.has_fresh or now - self.since >= LIFETIME * self.frequency

    def renew(self, nonce: bytes, now: u64) -> None:
        """A new one; the one before stays good until it is twice as old as one is given out for."""
        self.has_last, self.before = self.has_fresh, self.since
        copy(self.last[:], self.fresh.bytes())
        copy(self.fresh[:], nonce)
        self.has_fresh, self.since = True, now

    def is_good(self, nonce: bytes, now: u64) -> bool:
        longest = 2 * LIFETIME * self.frequency
        if self.has_fresh and nonce == self.fresh.bytes():
            return now - self.since < longest
        return self.has_last and nonce == self.last.bytes() and now - self.before < longest

    def use(self) -> None:
        """One of them was used: neither is good any more."""
        self.has_fresh, self.has_last = False, False
