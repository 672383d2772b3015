"""Connections that are over, but may still be heard of: TIME-WAIT (RFC 9293, 3.4.2 and 3.10.7.4).

All wait for the same time, so they stand in a circle in the order of their ends, and the oldest goes when there is no
room. One whose time begins anew keeps its place, and those behind it wait for it.

Invariant: `count` places from `first` on are in the circle. Those that are `used` are in
`flows`, under their index.
"""

from __future__ import annotations

from neokernel.lang import Array, Embedded, array, invariant, struct, u32, u64, usize
from neokernel.runtime.hashing import Seed
from neokernel.runtime.map import Map
from neokernel.services.network.address import Flow
from neokernel.services.network.clock import NEVER
from neokernel.services.network.limits import ENDED, FLOWS, TIME_WAIT


@struct
class Ended:
    """What must be remembered to answer, and to tell a new connection from an old segment."""

    flow: Flow = Flow()
    used: bool = False
    until: u64 = 0
    nxt: u32 = 0
    expected: u32 = 0
    timed: bool = False
    recent: u32 = 0
    time_offset: u32 = 0


@struct
class TimeWait:
    flows: Embedded[Map[Flow, u32]] = Map(seed=Seed(0, 0), slots=array(FLOWS))
    places: Array[Embedded[Ended]] = array(ENDED)
    first: usize = 0
    count: usize = 0

    @invariant
    def is_bounded(self) -> bool:
        return self.first < ENDED and self.count <= ENDED

    def __len__(self) -> usize:
        """How many wait."""
        return len(self.flows)

    def find(self, flow: Flow) -> Ended | None:
        index = self.flows.get(flow)
        return self.places[usize(index)] if index is not None else None

    def add(self, flow: Flow, now: u64) -> Ended:
        """One more, which isn't there yet: the caller fills in the rest."""
        if self.count == ENDED:
            self.drop_first()
        index = (self.first + self.count) % ENDED
        self.count += 1
        return self.enter(index, flow, now)

    def restart(self, ended: Ended, now: u64) -> None:
        """Its time begins anew."""
        ended.until = now + TIME_WAIT

    def remove(self, ended: Ended) -> None:
        """A new connection takes its place."""
        _ = self.flows.remove(ended.flow)
        ended.used = False

    def deadline(self) -> u64:
        """When `expire` has something to do."""
        return self.places[self.first].until if self.count != 0 else NEVER

    def expire(self, now: u64) -> None:
        """Let those go whose time is over. Steps: at most the places."""
        for _ in range(self.count):
            place = self.places[self.first]
            if place.used and place.until > now:
                return
            self.drop_first()

    # --- inside -------------------------------------------------------------------------------------------------------

    def enter(self, index: usize, flow: Flow, now: u64) -> Ended:
        place = self.places[index]
        place.flow, place.used, place.until = flow, True, now + TIME_WAIT
        full = self.flows.insert(flow, u32(index))
        assert full is None, "there is room for as many as there are places"
        return place

    def drop_first(self) -> None:
        place = self.places[self.first]
        if place.used:
            self.remove(place)
        self.first = (self.first + 1) % ENDED
        self.count -= 1


assert FLOWS * 7 // 8 >= ENDED
