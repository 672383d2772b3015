"""What a life of the service leaves to the next one: between whom it had connections.

A peer that waits for an answer says nothing, so it wouldn't learn for minutes, if ever, that nobody knows it any more.
So a new life sends to each peer of the old one a segment without data, with numbers that fit nothing. Who has such a
connection answers what isn't in its window by what it expects (RFC 9293, 3.10.7.4), and is reset then, by the number
that it has just named; who has none resets us, which does nothing. Nothing of a connection has to outlive the process
but its flow; and what is sent proves nothing to anybody, so none of the checks against forged resets (RFC 5961) is
weaker for it.

Memory that outlives the process has two halves: a record for each place of a connection, which is zeroes if there is
none; and those of lives before whose peers are being told, zeroes behind them. A record that was being written at the
end may name a flow that never was: its peer has no such connection.

Invariant: what is found at the beginning is in the second half before anything is noted in the first. Steps: at most
MOST segments a time.
"""

from __future__ import annotations

from neokernel.lang import Span, size_of, struct, truncate, u8, u32, u64, usize, wire, wire_view
from neokernel.services.network.address import Flow, LinkAddress, endpoint_of
from neokernel.services.network.clock import MILLISECOND, NEVER
from neokernel.services.network.host import Host
from neokernel.services.network.limits import CONNECTIONS
from neokernel.services.network.neighbours import Unknown
from neokernel.services.network.secret import PAST
from neokernel.services.network.segment import ACK, Segment

#: all are sent to so often, as segments are lost, and link addresses are to be found out first
ROUNDS = 6
#: until the second round; each of the others takes so many times as long
FIRST_PAUSE: u64 = 10 * MILLISECOND
LONGER: u64 = 5
#: segments at a time
MOST = 32
#: between two looks whether the host has its address, or link addresses are known
LOOK: u64 = 100 * MILLISECOND


@wire
class Record:
    """`Endpoint.word` of each."""

    local: u64
    remote: u64


SIZE = size_of(Record)
#: bytes of the memory that outlives us
MEMORY = 2 * CONNECTIONS * SIZE
NONE = Flow()


@struct
class Past:
    """`memory`, if there is any, is of MEMORY bytes; `count` records of its second half are told."""

    memory: Span[u8] | None = None
    count: usize = 0
    #: who is sent to next, in which round, and when; `waited`: some of the round couldn't be sent to as yet
    next: usize = 0
    waited: bool = False
    round: u64 = 0
    pause: u64 = FIRST_PAUSE
    at: u64 = NEVER

    def begin(self, memory: Span[u8]) -> None:
        """The memory, as the life before has left it; one of another size isn't used."""
        if len(memory) != MEMORY:
            return
        self.memory = memory
        while self.count < CONNECTIONS and self.read(CONNECTIONS + self.count) != NONE:
            self.count += 1
        for place in range(CONNECTIONS):
            flow = self.read(place)
            if flow != NONE and self.count < CONNECTIONS:
                self.write(CONNECTIONS + self.count, flow)
                self.count += 1
            self.write(place, NONE)
        if self.count != 0:
            self.at = 0

    def note(self, slot: u32, flow: Flow) -> None:
        """There is a connection in that place."""
        self.write(usize(slot), flow)

    def forget(self, slot: u32) -> None:
        """There is none."""
        self.write(usize(slot), NONE)

    def owes(self, flow: Flow) -> bool:
        """Is that a peer of a life before, which is being told? Steps: the connections, for some seconds."""
        place: usize = 0
        while place < self.count and self.read(CONNECTIONS + place) != flow:
            place += 1
        return place < self.count

    def advance(self, host: Host, segment: Segment, now: u64) -> None:
        """Send what is due, by way of `segment`."""
        if self.at > now:
            return
        if not host.up:
            self.at = now + LOOK
            return
        for _ in range(MOST):
            if self.next == self.count:
                self.end_round(now)
                return
            if not self.ask(self.read(CONNECTIONS + self.next), host, segment, now):
                # There is no room now.
                break
            self.next += 1
        self.at = now + MILLISECOND

    # --- inside -------------------------------------------------------------------------------------------------------

    def end_round(self, now: u64) -> None:
        self.next = 0
        if self.waited:
            # For what isn't known at all, that comes to an end (`neighbours.py`).
            self.waited, self.at = False, now + LOOK
            return
        self.round += 1
        self.at = now + self.pause
        self.pause *= LONGER
        if self.round == ROUNDS:
            for place in range(self.count):
                self.write(CONNECTIONS + place, NONE)
            self.count, self.at = 0, NEVER

    def ask(self, flow: Flow, host: Host, segment: Segment, now: u64) -> bool:
        """Have the peer say what it expects. False: there is no room for a packet."""
        if flow.local.address != host.address or host.is_local(flow.remote.address):
            return True
        to: LinkAddress | Unknown = host.link_to(flow.remote.address, now)
        if isinstance(to, Unknown):
            self.waited = self.waited or to is Unknown.WAIT
            return True
        # Others in each round: one of them may be in the peer's window. Without a time, who has agreed upon times would
        # drop it (RFC 7323, 3.2); to whom it is too early answers, too (5.3, R1).
        numbers = host.secret.hash(PAST, flow, self.round)
        segment.clear(ACK)
        segment.sequence, segment.acknowledgment = truncate(u32, numbers), u32(numbers >> 32)
        segment.timed, segment.time, segment.echo = True, segment.acknowledgment, 0
        return host.answer(segment, flow, to)

    def read(self, place: usize) -> Flow:
        memory = self.memory
        if memory is None:
            return NONE
        record = wire_view(Record, memory[place * SIZE : (place + 1) * SIZE])
        return Flow(endpoint_of(record.local), endpoint_of(record.remote))

    def write(self, place: usize, flow: Flow) -> None:
        memory = self.memory
        if memory is not None:
            record = wire_view(Record, memory[place * SIZE : (place + 1) * SIZE])
            record.local, record.remote = flow.local.word(), flow.remote.word()
