"""A source of random bytes (section 5.4): the device fills a page, whose bytes are handed out once.

Knows nothing of processes. Invariants: bytes are copied out of the device's reach before anybody gets them; at most one
request is with the device; each call ends after a stated number of steps.
"""

from __future__ import annotations

from neokernel.drivers.health import Health
from neokernel.drivers.virtio.mmio import CHANGED, Problem, Transport
from neokernel.drivers.virtio.queue import Broken, Queue
from neokernel.lang import Array, Embedded, Order, Span, array, copy, fence, struct, u8, u32, u64, usize

#: kind of device
RANDOM = 4
#: bytes asked for at once, and kept
POOL = 512
#: looks at the queue that one interrupt takes: there is one request at most
MOST_TURNS = 4


@struct
class Source:
    """`begin` comes first, and again after `Broken`."""

    transport: Embedded[Transport]
    queue: Embedded[Queue]
    health: Embedded[Health] = Health()
    #: a page of the device's, and where it finds that
    memory: Span[u8]
    address: u64
    pool: Array[u8] = array(POOL)
    held: usize = 0
    asked: bool = False

    def begin(self, descriptors: u64, rings: u64) -> Problem | None:
        """Set the device up, in whatever state it is; bus addresses of the queue's pages."""
        self.asked = False
        problem = self.transport.begin(RANDOM, 0)
        if problem is None:
            problem = self.transport.attach(0, self.queue, 1, descriptors, rings)
        if problem is not None:
            return problem
        self.transport.go()
        self.refill()
        return None

    def refill(self) -> None:
        """Ask for bytes if there are few."""
        if self.asked or self.held > POOL // 2:
            return
        self.asked = True
        self.queue.add(self.address, u32(POOL - self.held), True)
        self.queue.close(0)
        if self.queue.publish():
            self.transport.notify(0)

    def interrupted(self) -> Broken | None:
        """The device has interrupted, or may have: take what it has delivered."""
        self.health.interrupted()
        if self.transport.interrupted() & CHANGED != 0 and self.transport.wants_reset():
            return Broken.ASKED
        for _ in range(MOST_TURNS):
            done = self.queue.take()
            if isinstance(done, Broken):
                return done
            if done is not None:
                self.asked = False
                self.health.progress()
                # It must write a byte at least (5.4.6.2).
                if done.length == 0:
                    return Broken.LENGTH
                self.keep(usize(done.length))
            elif self.queue.may_sleep():
                self.refill()
                return None
        return Broken.ENDLESS

    def keep(self, count: usize) -> None:
        """Copy what the device has written out of its reach."""
        copy(self.pool[self.held : self.held + count], self.memory[:count].bytes())
        # What was copied isn't read again.
        fence(Order.ACQUIRE)
        self.held += count

    def take(self, into: Span[u8]) -> usize:
        """Hand out bytes, each once: how many."""
        count = min(len(into), self.held)
        left = self.held - count
        copy(into[:count], self.pool[left : self.held].bytes())
        for place in range(left, self.held):
            self.pool[place] = 0
        self.held = left
        self.refill()
        return count
