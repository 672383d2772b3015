"""A ring in shared memory: one producer and one consumer, in two processes that needn't trust each other.

The shared memory is a `RingMemory`: two lines and the slots. Each end is a `Ring`, private to its process:

    producer                                    consumer
    free = ring.available(4)                    ready = ring.available(1)
    ring.slot(0).length = 60                    length = ring.slot(0).length    # read once, then check
    if ring.advance(1): notify()                if ring.advance(1): notify()

An end asks how many slots are its own, works on as many as it likes, and hands them over at once with `advance`. An end
that was restarted goes on with the first slot that it hadn't handed over.

Indices run freely through all u32, and count what was ever handed over. Each end writes its own line only, so the other
end may have it mapped read-only. The algorithm is Lamport's ("Specifying concurrent program modules", 1983) with the
peer's index remembered (Giacomoni and others, "FastForward", 2008), so that a line changes processor once a batch;
in C11's memory model by Le and others, "Correct and efficient bounded FIFO queues", 2013.

Invariants (`place`, `limit` and `lead` are private):
- Slots from `place` up to, not including, `limit` are this end's; `limit - place` is at most the number of slots.
- `lead` is what the role says, from `attach` on.
- What the shared memory says becomes part of that only after a check; what fails it is `Broken`, now and from then on,
  until `attach`. No loop depends on what the peer writes.
- Slots are `@wire` objects: any bits are valid, each access is volatile. What a message says is for its reader to
  check.

Wake-ups: an end that finds too little asks `may_sleep`. That has then written into its line at which index it wants to
be woken; the peer's `advance` that reaches that index says "notify". So there is one notification for each sleep, and
none while both work. An end that is awake for another reason says so by `stay_awake`. A peer that lies there harms
itself, or wakes us for nothing.
"""

from enum import Enum
from typing import Generic, TypeVar

from neokernel.lang import (
    Array,
    Atomic,
    Embedded,
    Order,
    Span,
    array,
    fence,
    invariant,
    size_of,
    struct,
    u8,
    u32,
    u64,
    usize,
    value,
    wire,
    wrapping_add,
    wrapping_sub,
)

M = TypeVar("M")

#: the most slots: half of what the indices can count, so that no difference of two of them is ambiguous
MOST_SLOTS = 1 << 31


class Broken(Enum):
    """Why a ring can't be used any more."""

    #: an index in shared memory is one that no correct peer writes
    PEER = 0


class Role(Enum):
    """Which end of the ring this process has."""

    PRODUCER = 0
    CONSUMER = 1


@struct
class Line:
    """What one end tells the other, on a cache line of its own."""

    index: Atomic[u32] = Atomic(0)
    wake_at: Atomic[u32] = Atomic(0)
    rest: Array[u8] = array(56)


assert size_of(Line) == 64


@struct
class RingMemory(Generic[M]):
    """The shared memory, all zeroes at first. To be mapped at a multiple of 64.

    `M` is a `@wire(registers=True)` class: aligned fields, each accessed at once.
    """

    producer: Embedded[Line] = Line()
    consumer: Embedded[Line] = Line()
    slots: Array[Embedded[M]]


@struct
class Ring(Generic[M]):
    """One end. `own` and `peer` are lines of the shared memory, `slots` its slots: a power of two.

    `attach` comes first: until then the ring is `Broken`.
    """

    role: Role
    own: Line
    peer: Line
    slots: Span[Embedded[M]]
    place: u32 = 0
    limit: u32 = 0
    #: how far ahead of the peer's index this end may go: of a producer, all slots
    lead: u32 = 0
    #: until `attach`, too: an end that doesn't know where it is has no slots
    broken: bool = True

    @invariant
    def limits_hold(self) -> bool:
        return usize(wrapping_sub(self.limit, self.place)) <= len(self.slots)

    def attach(self) -> Broken | None:
        """Begin where the shared memory says that this end is; also after a restart."""
        slots = len(self.slots)
        assert 0 < slots <= MOST_SLOTS and slots & (slots - 1) == 0, "a ring has a power of two slots"
        self.lead = u32(slots) if self.role is Role.PRODUCER else 0
        self.place = self.own.index.load(Order.RELAXED)
        self.limit = self.place
        self.broken = False
        found = self.look(0)
        return found if isinstance(found, Broken) else None

    def available(self, wanted: u32) -> u32 | Broken:
        """How many slots are this end's: free ones to the producer, filled ones to the consumer.

        Asks the shared memory only if fewer than `wanted` are known of.
        """
        known = wrapping_sub(self.limit, self.place)
        if known >= wanted:
            return known
        return self.look(known)

    def slot(self, offset: u32) -> M:
        """The slot `offset` after the next one; `offset` must be below what `available` said."""
        assert offset < wrapping_sub(self.limit, self.place), "a slot that is the peer's"
        return self.slots[usize(wrapping_add(self.place, offset)) & (len(self.slots) - 1)]

    def advance(self, count: u32) -> bool:
        """Hand the next `count` slots over to the peer. True: it sleeps and wanted this, so notify it."""
        assert count <= wrapping_sub(self.limit, self.place), "a slot that is the peer's"
        if count == 0:
            return False
        self.place = wrapping_add(self.place, count)
        # Release: the peer that sees the index sees what we did to the slots, and we are done with them.
        self.own.index.store(self.place, Order.RELEASE)
        # The peer writes `wake_at` and then reads our index; we write the index and then read `wake_at`. With both
        # sides' fences, at least one of us sees the other's.
        fence(Order.SEQUENTIAL)
        wake_at = self.peer.wake_at.load(Order.RELAXED)
        return wrapping_sub(self.place, wake_at) < count

    def may_sleep(self, wanted: u32) -> bool | Broken:
        """Ask to be notified when `wanted` slots are ours. False: they are already, so don't sleep."""
        assert wanted > 0 and usize(wanted) <= len(self.slots), "no ring has that many slots"
        self.own.wake_at.store(wrapping_sub(wrapping_add(self.place, wanted), self.lead), Order.RELAXED)
        fence(Order.SEQUENTIAL)
        found = self.look(wrapping_sub(self.limit, self.place))
        if isinstance(found, Broken):
            return found
        return found < wanted

    def stay_awake(self) -> None:
        """Don't be notified of what `may_sleep` has asked for: this end works, and will look before it sleeps."""
        self.own.wake_at.store(wrapping_sub(wrapping_sub(self.place, self.lead), 1), Order.RELAXED)

    # --- inside ---------------------------------------------------------------------------------------------------

    def look(self, known: u32) -> u32 | Broken:
        """Read the peer's index. It must leave us the `known` slots, and not give more than there are."""
        if self.broken:
            return Broken.PEER
        # Acquire: what the peer did to the slots before it handed them over is seen, and it is done with them.
        limit = wrapping_add(self.peer.index.load(Order.ACQUIRE), self.lead)
        found = wrapping_sub(limit, self.place)
        if found < known or usize(found) > len(self.slots):
            self.broken = True
            self.limit = self.place
            return Broken.PEER
        self.limit = limit
        return found


# --- rings of words ---------------------------------------------------------------------------------------------------


@wire(registers=True)
class Word:
    """A message of one number."""

    value: u64


@value
class Moved:
    """How many messages went, and whether the peer is to be notified."""

    count: u32
    notify: bool


def send(ring: Ring[Word], words: tuple[u64, ...]) -> Moved | Broken:
    """Hand over as many of `words` as there are free slots, the first ones, in one go."""
    wanted = u32(min(len(words), len(ring.slots)))
    free = ring.available(wanted)
    if isinstance(free, Broken):
        return free
    count = min(free, wanted)
    # What `slot` does, with what doesn't change taken out of the loop.
    slots, first = ring.slots, usize(ring.place)
    for offset, word in enumerate(words[: usize(count)]):
        slots[(first + offset) & (len(slots) - 1)].value = word
    return Moved(count, ring.advance(count))


def receive(ring: Ring[Word], words: Span[u64]) -> Moved | Broken:
    """Take as many words as there are, at most as many as `words` holds, in one go."""
    wanted = u32(min(len(words), len(ring.slots)))
    ready = ring.available(wanted)
    if isinstance(ready, Broken):
        return ready
    count = min(ready, wanted)
    slots, first = ring.slots, usize(ring.place)
    taken = words[: usize(count)]
    for offset in range(len(taken)):
        taken[offset] = slots[(first + offset) & (len(slots) - 1)].value
    return Moved(count, ring.advance(count))
