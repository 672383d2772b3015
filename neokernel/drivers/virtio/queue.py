"""A split virtqueue (section 2.7): chains of descriptors that the driver hands to the device, and gets back.

    queue.add(address, 16, False)               # a chain, a descriptor at a time: what the device reads,
    queue.add(buffer, 4096, True)               # and then what it writes
    queue.close(token)                          # it is complete
    queue.put(token, buffer, 4096, True)        # one of a single descriptor
    queue.put_behind(header, 12, token, data, 64)   # and of two, which the device reads
    if queue.publish(): transport.notify(0)     # once for as many chains as are closed

    done = queue.take()                         # Completion, None, or Broken

Its memory is two pages that the device reads and writes: `Descriptors`, and `Rings`. All that the driver must rely on
is kept apart, in `Queue`: what the device writes is read once, and held against that.

Invariants:
- `free` descriptors are in the list from `first_free` on, through `links`; all others belong to chains, of which
  `in_flight` are live, or to the one that is being built.
- A completion names a live chain, each of them once, and no more bytes than the device could write.
- Each call ends after a number of steps that doesn't depend on what the device writes.
"""

from __future__ import annotations

from enum import Enum

from neokernel.lang import (
    Array,
    Embedded,
    Order,
    array,
    fence,
    invariant,
    offset_of,
    requires,
    size_of,
    struct,
    truncate,
    u16,
    u32,
    u64,
    usize,
    value,
    wire,
    wrapping_add,
    wrapping_sub,
)

#: the most descriptors: as many as a page has room for
SIZE = 256

#: of a descriptor (2.7.5): another one follows; the device writes
NEXT = 1
WRITE = 2
#: of a ring without event indices: don't interrupt, don't notify (2.7.6, 2.7.8)
SILENT = 1


class Broken(Enum):
    """Why a device must be reset: what it has said can't be."""

    #: it is done with more chains than there are
    INDEX = 0
    #: with a chain that isn't there
    HEAD = 1
    #: it wrote more bytes than it could, or fewer than it must
    LENGTH = 2
    #: a request ended in a way that requests don't
    STATUS = 3
    #: it changes what it says faster than one can look
    ENDLESS = 4
    #: it asks for it itself (2.1.2)
    ASKED = 5
    #: it didn't answer in time
    LATE = 6


@wire(registers=True)
class Descriptor:
    """Section 2.7.5."""

    address: u64
    length: u32
    flags: u16
    next: u16


@wire(registers=True)
class Number:
    number: u16


@wire(registers=True)
class Used:
    """Section 2.7.8."""

    head: u32
    length: u32


@struct
class Descriptors:
    """A page."""

    entries: Array[Embedded[Descriptor]] = array(SIZE)


@struct
class Rings:
    """Another one. Behind the last entry in use, each ring has the other side's event index (2.7.7, 2.7.10)."""

    available_flags: Embedded[Number] = Number()
    available_index: Embedded[Number] = Number()
    available: Array[Embedded[Number]] = array(SIZE + 1)
    gap: Embedded[Number] = Number()
    used_flags: Embedded[Number] = Number()
    used_index: Embedded[Number] = Number()
    used: Array[Embedded[Used]] = array(SIZE + 1)


assert size_of(Descriptors) == 4096 and size_of(Rings) <= 4096, "each is a page"
assert offset_of(Rings, "used_flags") % 4 == 0, "the used ring begins at a multiple of 4 (2.7)"
assert offset_of(Rings, "used") == offset_of(Rings, "used_flags") + 4, "as the device has it"


@value
class Completion:
    """The device is done with the chain that was closed with `token`, and says that it wrote `length` bytes."""

    token: u32
    length: u32


@struct
class Chain:
    """What the driver knows of the chain that begins with a descriptor."""

    live: bool = False
    last: u16 = 0
    count: u16 = 0
    token: u32 = 0
    #: bytes that the device may write
    writable: u32 = 0


@struct
class Queue:
    """`begin` comes first, and again after each reset of the device."""

    descriptors: Descriptors
    rings: Rings
    #: a power of two, and one less
    size: u16 = 0
    mask: u16 = 0
    events: bool = False
    first_free: u16 = 0
    free: u16 = 0
    links: Array[u16] = array(SIZE)
    chains: Array[Embedded[Chain]] = array(SIZE)
    in_flight: u16 = 0
    #: chains that were ever closed; made known to the device; taken back. They wrap
    closed: u16 = 0
    published: u16 = 0
    taken: u16 = 0
    #: the chain that is being built
    head: u16 = 0
    last: u16 = 0
    count: u16 = 0
    flags: u16 = 0
    writable: u32 = 0

    @invariant
    def counts_hold(self) -> bool:
        return self.size <= SIZE and self.free + self.count <= self.size and self.in_flight <= self.size

    def begin(self, size: u16, events: bool) -> None:
        """An empty queue; the device doesn't know it, or has been reset. `events`: event indices were agreed on."""
        requires(0 < size <= SIZE and size & (size - 1) == 0)
        self.size, self.mask, self.events = size, size - 1, events
        self.closed, self.published, self.taken = 0, 0, 0
        self.count, self.in_flight = 0, 0
        for index in range(usize(size)):
            self.links[index] = truncate(u16, index + 1)
            self.chains[index].live = False
        self.first_free, self.free = 0, size
        rings = self.rings
        rings.available_flags.number = 0
        rings.available_index.number = 0
        rings.used_flags.number = 0
        rings.used_index.number = 0
        rings.available[usize(size)].number = 0
        rings.used[usize(size)].head = 0

    def available_place(self) -> u64:
        """Where in `Rings` the ring begins that the driver writes."""
        return offset_of(Rings, "available_flags")

    def used_place(self) -> u64:
        """The device's."""
        return offset_of(Rings, "used_flags")

    # --- to the device ------------------------------------------------------------------------------------------------

    def add(self, address: u64, length: u32, writes: bool) -> None:
        """A descriptor more for the chain. There must be a free one; what the device reads comes first (2.7.4.2)."""
        assert self.free != 0, "no descriptor is free: look at `free` before a chain is begun"
        index = self.first_free
        self.first_free = self.links[usize(index)]
        self.free -= 1
        entries = self.descriptors.entries
        if self.count == 0:
            self.head, self.writable = index, 0
        else:
            before = entries[usize(self.last)]
            before.next = index
            before.flags = self.flags | NEXT
        entry = entries[usize(index)]
        entry.address = address
        entry.length = length
        self.flags = WRITE if writes else 0
        self.last = index
        self.count += 1
        if writes:
            self.writable += length

    def close(self, token: u32) -> None:
        """The chain is complete; `publish` lets the device see it."""
        assert self.count != 0, "a chain has a descriptor at least"
        self.descriptors.entries[usize(self.last)].flags = self.flags
        self.enter(token, self.head, self.last, self.count, self.writable)
        self.count = 0

    def put(self, token: u32, address: u64, length: u32, writes: bool) -> None:
        """A chain of one descriptor, complete: what `add` and `close` do, in fewer steps. One must be free."""
        assert self.free != 0 and self.count == 0, "a descriptor is free, and no chain has begun"
        index = self.first_free
        self.first_free = self.links[usize(index)]
        self.free -= 1
        entry = self.descriptors.entries[usize(index)]
        entry.address, entry.length = address, length
        entry.flags = u16(WRITE) if writes else 0
        self.enter(token, index, index, 1, length if writes else 0)

    def put_behind(self, header: u64, size: u32, token: u32, address: u64, length: u32) -> None:
        """The same of two descriptors, for the device to read: a header, and what is behind it. Two must be free."""
        assert self.free > 1 and self.count == 0, "two descriptors are free, and no chain has begun"
        entries, links = self.descriptors.entries, self.links
        head = self.first_free
        last = links[usize(head)]
        self.first_free = links[usize(last)]
        self.free -= 2
        entry = entries[usize(head)]
        entry.address, entry.length, entry.flags, entry.next = header, size, NEXT, last
        entry = entries[usize(last)]
        entry.address, entry.length, entry.flags = address, length, 0
        self.enter(token, head, last, 2, 0)

    def enter(self, token: u32, head: u16, last: u16, count: u16, writable: u32) -> None:
        """Note what is known of a chain that is complete, and put it into the ring."""
        chain = self.chains[usize(head)]
        chain.live, chain.last, chain.count = True, last, count
        chain.token, chain.writable = token, writable
        self.rings.available[usize(self.closed & self.mask)].number = head
        self.closed = wrapping_add(self.closed, 1)
        self.in_flight += 1

    def publish(self) -> bool:
        """Let the device see all chains that are closed. True: it wants to be notified."""
        if self.closed == self.published:
            return False
        # The device that sees the index sees the chains (2.7.13.3).
        fence(Order.RELEASE)
        self.rings.available_index.number = self.closed
        before, self.published = self.published, self.closed
        # It looks at the index after it has asked to be notified; we look whether it asks after the index is there.
        fence(Order.SEQUENTIAL)
        if not self.events:
            return self.rings.used_flags.number & SILENT == 0
        wanted = truncate(u16, self.rings.used[usize(self.size)].head)
        return wrapping_sub(wrapping_sub(self.closed, wanted), 1) < wrapping_sub(self.closed, before)

    # --- from the device ----------------------------------------------------------------------------------------------

    def has_done(self) -> bool:
        """Does the device say that it is done with a chain?"""
        return self.rings.used_index.number != self.taken

    def take(self, least: u32 = 0) -> Completion | Broken | None:
        """A chain that the device is done with; its descriptors are free again. `least`: bytes that it must write."""
        waiting = wrapping_sub(self.rings.used_index.number, self.taken)
        if waiting == 0:
            return None
        if waiting > self.in_flight:
            return Broken.INDEX
        # Who sees the index sees what the device wrote before it.
        fence(Order.ACQUIRE)
        entry = self.rings.used[usize(self.taken & self.mask)]
        head, length = entry.head, entry.length
        if head >= u32(self.size):
            return Broken.HEAD
        chain = self.chains[usize(head)]
        if not chain.live:
            return Broken.HEAD
        if not least <= length <= chain.writable:
            return Broken.LENGTH
        self.release(u16(head))
        self.taken = wrapping_add(self.taken, 1)
        return Completion(chain.token, length)

    def forget(self, token: u32) -> None:
        """Free the chains that were closed with this token: the device has lost them. If it has them, it is broken."""
        for head in range(usize(self.size)):
            if self.chains[head].live and self.chains[head].token == token:
                self.release(u16(head))

    def release(self, head: u16) -> None:
        """The descriptors of a live chain are free again."""
        chain = self.chains[usize(head)]
        chain.live = False
        self.links[usize(chain.last)] = self.first_free
        self.first_free = head
        self.free += chain.count
        self.in_flight -= 1

    def may_sleep(self) -> bool:
        """Ask to be interrupted by the next completion. False: one is there already."""
        return self.may_sleep_until(1)

    def silence(self) -> None:
        """Ask not to be interrupted, as far as the device can be: with event indices."""
        if self.events:
            self.rings.available[usize(self.size)].number = wrapping_sub(self.taken, 1)

    def may_sleep_until(self, count: u16) -> bool:
        """The same, when so many are there; without event indices, when one is."""
        wanted = max(count, 1) - 1
        if self.events:
            self.rings.available[usize(self.size)].number = wrapping_add(self.taken, wanted)
        fence(Order.SEQUENTIAL)
        return wrapping_sub(self.rings.used_index.number, self.taken) <= (wanted if self.events else 0)
