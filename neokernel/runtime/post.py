"""Messages of an interface that nobody waits for: posted into a ring in memory that two processes share.

    requests: Posts[Jobs] = posts(part, wake)           # the poster: has the interface's methods
    failure = requests.start(7, buffer)                 # the message is in the ring; the peer is woken if it slept

    requests: Takes[Jobs] = takes(part, wake)           # the taker
    taken = requests.take(handler, 16)                  # calls the handler's methods, for up to 16 messages

So an asynchronous call is a message with a number of the caller's choice, and its answer another one that comes back,
by an interface for that direction, which is how a server tells of events, too. No call of the kernel is needed while
both work.

The ring is `ring.py`'s, in a part of a lent region: two lines, and as many slots as fit, a power of two. A slot is a
message: the word that a call would have (`interface.py`), and up to seven numbers. The taker reads each once, and looks
at it as a dispatcher does; what isn't a message of the interface is left out, and counted.

Invariant: whatever the peer writes, a taker calls its handler with values of the parameters' types only, and ends.
"""

from __future__ import annotations

from neokernel.abi.status import FIRST, INVOKED, Status
from neokernel.lang import (
    Embedded,
    Span,
    object_at,
    size_of,
    span_at,
    struct,
    u32,
    u64,
    unsafe,
    usize,
    value,
    wire,
)
from neokernel.runtime import system
from neokernel.runtime.lend import Lent, base_of, offset_from, within
from neokernel.runtime.ring import Broken, Line, Ring
from neokernel.runtime.system import Failure

unsafe("a ring's lines and slots are in memory that is lent, where this module says")

#: where the slots begin
SLOTS = 2 * size_of(Line)
#: numbers of a message
POST_WORDS = 7


@wire(registers=True)
class Slot:
    """A message."""

    word: u64
    w0: u64
    w1: u64
    w2: u64
    w3: u64
    w4: u64
    w5: u64
    w6: u64


@value
class Posted:
    """What a slot held when it was read, once."""

    word: u64
    w0: u64
    w1: u64
    w2: u64
    w3: u64
    w4: u64
    w5: u64
    w6: u64


assert size_of(Slot) == 64, "a slot is a line of a cache"


def line_of(memory: Lent, number: usize) -> Line:
    """A line of the ring: 0 is the poster's, 1 the taker's."""
    assert is_ring(memory), "a ring needs 192 bytes at least, and begins at a multiple of 64"
    return object_at(Line, memory.address + number * size_of(Line))


def slots_of(memory: Lent) -> Span[Embedded[Slot]]:
    """As many as fit, a power of two."""
    count: usize = 1
    while count * 2 * size_of(Slot) <= memory.length - SLOTS:
        count *= 2
    return span_at(Embedded[Slot], memory.address + SLOTS, count)


def is_ring(memory: Lent, slots: usize = 1) -> bool:
    """Could a ring of so many slots, or more, be there?"""
    return memory.length >= SLOTS + slots * size_of(Slot) and memory.address % size_of(Line) == 0


@struct
class Outbox:
    """The poster's end. `wake`: index of the Notification that the taker waits for, 0 for none."""

    memory: Lent
    ring: Embedded[Ring[Slot]]
    wake: u64
    attached: bool = False

    def begin(self) -> Broken | None:
        """Before the first message: go on where the shared memory says that this end is."""
        if self.attached:
            return None
        self.attached = True
        return self.ring.attach()

    def next(self) -> Slot | Failure:
        """Where the next message goes.

        TIMED_OUT of argument 2: there is no room. WRONG_STATE of argument 0: the ring is broken.
        """
        broken = self.begin()
        if broken is not None:
            return Failure(Status.WRONG_STATE, INVOKED)
        free = self.ring.available(1)
        if isinstance(free, Broken):
            return Failure(Status.WRONG_STATE, INVOKED)
        if free == 0:
            return Failure(Status.TIMED_OUT, FIRST)
        return self.ring.slot(0)

    def offset_of(self, lent: Lent) -> u64:
        """Where in the ring's own region something lies; ELSEWHERE: in another one."""
        return offset_from(base_of(self.memory.address), lent.address)

    def hand_over(self) -> Failure | None:
        """The message is complete: wake the taker if it sleeps."""
        if self.ring.advance(1) and self.wake != 0:
            return system.signal(self.wake)
        return None

    def room(self) -> u32 | Broken:
        """How many messages can be posted now."""
        broken = self.begin()
        return self.ring.available(u32(len(self.ring.slots))) if broken is None else broken

    def may_sleep(self, wanted: u32) -> bool | Broken:
        """May the poster wait for the taker to wake it when there is room for `wanted`? False: there is already."""
        broken = self.begin()
        return self.ring.may_sleep(wanted) if broken is None else broken


@struct
class Inbox:
    """The taker's end. `wake`: of the poster, as above."""

    memory: Lent
    ring: Embedded[Ring[Slot]]
    wake: u64
    attached: bool = False
    #: messages that were none of the interface
    refused: u64 = 0

    def begin(self) -> Broken | None:
        if self.attached:
            return None
        self.attached = True
        return self.ring.attach()

    def waiting(self, wanted: u32) -> u32 | Broken:
        """How many messages there are; the ring is asked if fewer than `wanted` are known of."""
        broken = self.begin()
        return self.ring.available(wanted) if broken is None else broken

    def read(self, number: u32) -> Posted:
        """A message that waits, counted from 0 on; read once, so that it stays what it is."""
        slot = self.ring.slot(number)
        return Posted(slot.word, slot.w0, slot.w1, slot.w2, slot.w3, slot.w4, slot.w5, slot.w6)

    def lent(self, offset: u64, length: u64) -> Lent | Status:
        """What a message says is lent, in the ring's own region."""
        return within(base_of(self.memory.address), offset, length)

    def done(self, count: u32) -> Failure | None:
        """Give the slots of the first `count` back, and wake the poster if it sleeps."""
        if self.ring.advance(count) and self.wake != 0:
            return system.signal(self.wake)
        return None

    def may_sleep(self) -> bool | Broken:
        """May the taker wait to be woken? False: there are messages."""
        broken = self.begin()
        return self.ring.may_sleep(1) if broken is None else broken
