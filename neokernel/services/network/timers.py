"""The earliest time at which each connection wants to be looked at: a binary heap that knows where each one is.

An entry may be earlier than what its connection really waits for: deadlines mostly move away before they come, and
`no_later` leaves the entry alone then. Steps of an operation: the logarithm of the number of connections.

Invariants:
- `heap[:size]` are slots in the order of a heap by `times`: none is earlier than its parent.
- `places[slot]` is its index in the heap plus 1, 0 if it isn't there.
"""

from __future__ import annotations

from neokernel.lang import Array, array, struct, u32, u64, usize
from neokernel.services.network.clock import NEVER
from neokernel.services.network.limits import CONNECTIONS


@struct
class Timers:
    times: Array[u64] = array(CONNECTIONS)
    heap: Array[u32] = array(CONNECTIONS)
    places: Array[u32] = array(CONNECTIONS)
    size: usize = 0

    def next(self) -> u64:
        """The earliest, or NEVER."""
        return self.times[usize(self.heap[0])] if self.size != 0 else NEVER

    def no_later(self, slot: u32, time: u64) -> None:
        """Look at this one at `time`, if not before."""
        place = self.places[usize(slot)]
        if place == 0:
            if time == NEVER:
                return
            self.times[usize(slot)] = time
            self.heap[self.size] = slot
            self.size += 1
            self.rise(self.size - 1)
        elif time < self.times[usize(slot)]:
            self.times[usize(slot)] = time
            self.rise(usize(place - 1))

    def due(self, now: u64) -> u32 | None:
        """Take one out whose time has come."""
        if self.next() > now:
            return None
        slot = self.heap[0]
        self.remove(slot)
        return slot

    def remove(self, slot: u32) -> None:
        """Take it out, if it is there."""
        place = self.places[usize(slot)]
        if place == 0:
            return
        self.places[usize(slot)] = 0
        self.size -= 1
        hole = usize(place - 1)
        if hole == self.size:
            return
        moved = self.heap[self.size]
        self.heap[hole] = moved
        self.places[usize(moved)] = place
        self.rise(hole)
        self.sink(usize(self.places[usize(moved)] - 1))

    # --- inside -------------------------------------------------------------------------------------------------------

    def rise(self, place: usize) -> None:
        slot = self.heap[place]
        time = self.times[usize(slot)]
        while place != 0:
            parent = (place - 1) // 2
            above = self.heap[parent]
            if self.times[usize(above)] <= time:
                break
            self.put(place, above)
            place = parent
        self.put(place, slot)

    def sink(self, place: usize) -> None:
        slot = self.heap[place]
        time = self.times[usize(slot)]
        while 2 * place + 1 < self.size:
            child = 2 * place + 1
            if child + 1 < self.size and self.time_at(child + 1) < self.time_at(child):
                child += 1
            if time <= self.time_at(child):
                break
            self.put(place, self.heap[child])
            place = child
        self.put(place, slot)

    def time_at(self, place: usize) -> u64:
        return self.times[usize(self.heap[place])]

    def put(self, place: usize, slot: u32) -> None:
        self.heap[place] = slot
        self.places[usize(slot)] = u32(place) + 1
