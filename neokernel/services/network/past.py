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

Invariant: what is found at the beginning is in the second half before anything is noted in the first. All ends after
ROUNDS rounds, whoever answers. Steps: GROUP segments a time.
"""

from __future__ import annotations

from neokernel.lang import Array, Span, array, size_of, struct, truncate, u8, u32, u64, usize, wire, wire_view
from neokernel.services.network.address import Flow, LinkAddress, endpoint_of
from neokernel.services.network.clock import MILLISECOND, NEVER
from neokernel.services.network.host import Host
from neokernel.services.network.limits import CONNECTIONS
from neokernel.services.network.neighbours import Unknown
from neokernel.services.network.secret import PAST
from neokernel.services.network.segment import ACK, Segment

#: all are sent to so often, as segments are lost, or link addresses aren't known in time
ROUNDS = 6
#: until the second round; each of the others takes so many times as long
FIRST_PAUSE: u64 = 100 * MILLISECOND
LONGER: u64 = 3
#: at a time: their neighbours are asked for, and sent to a moment later. More would push one another out of the table
GROUP: usize = 8
MOMENT: u64 = 10 * MILLISECOND
#: between two looks whether the host has its address
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
    #: who is sent to next, in which round, and when; `asked`: their neighbours were asked for
    next: usize = 0
    asked: bool = False
    round: u64 = 0
    pause: u64 = FIRST_PAUSE
    at: u64 = NEVER
    #: who was reset in this round, though others had used up what there is in a second: a bit each
    reset: Array[u64] = array(CONNECTIONS // 64)

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
        """Is that a peer of a life before, which is being told? Once in each round. Steps: the connections."""
        for place in range(self.count):
            bit = u64(1) << u64(place % 64)
            if self.reset[place // 64] & bit == 0 and self.read(CONNECTIONS + place) == flow:
                self.reset[place // 64] |= bit
                return True
        return False

    def advance(self, host: Host, segment: Segment, now: u64) -> None:
        """Send what is due, by way of `segment`."""
        if self.at > now:
            return
        if not host.up:
            self.at = now + LOOK
            return
        last = min(self.next + GROUP, self.count)
        if not self.asked:
            for place in range(self.next, last):
                _ = link_to(host, self.read(CONNECTIONS + place), now)
            self.asked, self.at = True, now + MOMENT
            return
        while self.next < last:
            if not self.ask(self.read(CONNECTIONS + self.next), host, segment, now):
                # There is no room now.
                self.at = now + MILLISECOND
                return
            self.next += 1
        self.asked, self.at = False, now + MILLISECOND
        if self.next == self.count:
            self.end_round(now)

    # --- inside -------------------------------------------------------------------------------------------------------

    def end_round(self, now: u64) -> None:
        for word in range(len(self.reset)):
            self.reset[word] = 0
        self.next = 0
        self.round += 1
        self.at = now + self.pause
        self.pause *= LONGER
        if self.round == ROUNDS:
            for place in range(self.count):
                self.write(CONNECTIONS + place, NONE)
            self.count, self.at = 0, NEVER

    def ask(self, flow: Flow, host: Host, segment: Segment, now: u64) -> bool:
        """Have the peer say what it expects. False: there is no room for a packet."""
        to = link_to(host, flow, now)
        if isinstance(to, Unknown):
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


def link_to(host: Host, flow: Flow, now: u64) -> LinkAddress | Unknown:
    """Where the peer is; NOBODY, if that is no other host, or if we weren't who it knows."""
    remote = flow.remote.address
    if flow.local.address != host.address or not remote.is_single() or host.is_broadcast(remote):
        return Unknown.NOBODY
    return Unknown.NOBODY if host.is_local(remote) else host.link_to(remote, now)
