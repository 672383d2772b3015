"""Copies of frames, for who is granted `Capture`: a ring that is filled as frames pass, and emptied by whoever reads.

Nothing waits for the reader: a frame that the ring has no room for is counted, and goes its way. Without a capture a
frame costs one test.

A capture ends with whoever reads it, however that one ends: if nothing was asked for in LEASE, nobody is there.

Records lie one behind the other (`interfaces/capture.py`) and don't cross the ring's end: what is left there is
skipped.

Invariants: `used` bytes from `first` on are records and what was skipped; `first`, `used` and `end` are multiples of
UNIT.
"""

from __future__ import annotations

from neokernel.interfaces.capture import (
    LEAST_SNAP,
    MOST_SNAP,
    RECORD_SIZE,
    STAYED,
    UNIT,
    Filter,
    FrameRecord,
)
from neokernel.lang import Span, copy, struct, u8, u16, u32, u64, usize, wire_view
from neokernel.services.network import arp, ethernet, ipv4
from neokernel.services.network.address import Address, LinkAddress
from neokernel.services.network.clock import SECOND
from neokernel.services.network.drop import Drop

#: both ports, at the beginning of a header of TCP or UDP
PORTS_SIZE = 4
#: how long a capture goes on that nobody reads: its readers do so many times a second
LEASE: u64 = 10 * SECOND
#: the addresses of a frame that no link has seen
LOCAL = LinkAddress(0)


@struct
class Tap:
    """`number` 0: nothing is copied. `ring`: none until there was a capture."""

    ring: Span[u8] | None = None
    number: u64 = 0
    latest: u64 = 0
    filter: Filter = Filter(0, 0, 0, 0, 0)
    snap: usize = 0
    #: where the oldest record is, how many bytes are in use, and where what is skipped begins
    first: usize = 0
    used: usize = 0
    end: usize = 0
    dropped: u64 = 0
    #: when it was read last
    read_at: u64 = 0

    def begin(self, filter: Filter, snap: u32, now: u64) -> u64:
        """A new capture; an earlier one is over. Its number."""
        self.latest += 1
        self.number = self.latest
        self.filter, self.snap = filter, min(max(usize(snap), LEAST_SNAP), MOST_SNAP)
        self.first, self.used, self.end, self.dropped, self.read_at = 0, 0, 0, 0, now
        return self.number

    def stop(self) -> None:
        self.number = 0

    # --- frames -------------------------------------------------------------------------------------------------------

    def take(self, frame: Span[u8], way: u8, unsummed: bool, now: u64) -> None:
        """A frame passes; of STAYED it has no header of Ethernet, and gets one of zeroes."""
        ring = self.ring
        if ring is None:
            return
        if now > self.read_at + LEASE:
            self.stop()
            return
        before: usize = ethernet.SIZE if way == STAYED else 0
        if not self.fits(frame, way):
            return
        length = before + len(frame)
        kept = min(length, self.snap)
        place = self.room(len(ring), RECORD_SIZE + rounded(kept))
        if place is None:
            self.dropped += 1
            return
        record = wire_view(FrameRecord, ring[place : place + RECORD_SIZE])
        record.time, record.length, record.kept = now, u16(length), u16(kept)
        record.way, record.unsummed, record.unused = way, u8(unsummed), 0
        into = ring[place + RECORD_SIZE : place + RECORD_SIZE + rounded(kept)]
        if before != 0:
            ethernet.build(into[:before], ethernet.Frame(LOCAL, LOCAL, ethernet.IPV4))
        copy(into[before:kept], frame[: kept - before].bytes())
        for rest in range(kept, rounded(kept)):
            into[rest] = 0

    def room(self, size: usize, wanted: usize) -> usize | None:
        """Where so many bytes go, which are in use then; None: the ring is full."""
        at = self.first + self.used
        if at >= size:
            at -= size
        skipped: usize = 0
        if at + wanted > size:
            # It doesn't fit before the end.
            skipped = size - at
        if self.used + skipped + wanted > size:
            return None
        if skipped != 0:
            self.end = at
            at = 0
        self.used += skipped + wanted
        return at

    def read(self, into: Span[u8], now: u64) -> usize:
        """Whole records, the oldest first, as many as fit: how many bytes."""
        ring = self.ring
        self.read_at = now
        done: usize = 0
        while ring is not None and self.used != 0:
            if self.end != 0 and self.first == self.end:
                self.used -= len(ring) - self.end
                self.first, self.end = 0, 0
                continue
            record = wire_view(FrameRecord, ring[self.first : self.first + RECORD_SIZE])
            length = RECORD_SIZE + rounded(usize(record.kept))
            if done + length > len(into):
                break
            copy(into[done : done + length], ring[self.first : self.first + length].bytes())
            done += length
            self.first += length
            self.used -= length
            if self.first == len(ring):
                self.first = 0
        return done

    # --- which of them ------------------------------------------------------------------------------------------------

    def fits(self, frame: Span[u8], way: u8) -> bool:
        """Is it one that is wanted?"""
        wanted = self.filter
        kind = ethernet.IPV4
        packet = frame
        if way != STAYED:
            header = ethernet.parse(frame)
            if isinstance(header, Drop):
                return wanted == Filter(0, 0, 0, 0, 0)
            kind = header.kind
            packet = frame[ethernet.SIZE :]
        if wanted.kind != 0 and kind != wanted.kind:
            return False
        if wanted.protocol == 0 and wanted.prefix == 0 and wanted.port == 0:
            return True
        if kind == ethernet.ARP:
            return wanted.protocol == 0 and wanted.port == 0 and self.fits_arp(packet)
        return kind == ethernet.IPV4 and self.fits_packet(packet)

    def fits_arp(self, packet: Span[u8]) -> bool:
        """As of `fits_packet`."""
        if len(packet) < arp.SIZE:
            return False
        header = wire_view(arp.Header, packet)
        sender = Address(u32(header.sender0) << 16 | u32(header.sender1))
        target = Address(u32(header.target0) << 16 | u32(header.target1))
        return self.is_there(sender) or self.is_there(target)

    def fits_packet(self, packet: Span[u8]) -> bool:
        """By its header as it stands, right or wrong: what is wrong may be what is looked for."""
        if len(packet) < ipv4.SIZE:
            return False
        wanted, header = self.filter, wire_view(ipv4.Header, packet)
        protocol = header.protocol
        if wanted.protocol != 0 and protocol != wanted.protocol:
            return False
        if not self.is_there(Address(header.source)) and not self.is_there(Address(header.destination)):
            return False
        if wanted.port == 0:
            return True
        first: usize = usize(header.version & 0xF) * 4
        if (protocol != ipv4.TCP and protocol != ipv4.UDP) or header.fragment & ipv4.OFFSET != 0:
            return False
        if len(packet) < first + PORTS_SIZE:
            return False
        source = u16(packet[first]) << 8 | u16(packet[first + 1])
        destination = u16(packet[first + 2]) << 8 | u16(packet[first + 3])
        return wanted.port in (source, destination)

    def is_there(self, address: Address) -> bool:
        return address.within(Address(self.filter.network), self.filter.prefix)


def rounded(length: usize) -> usize:
    """Up to a multiple of UNIT."""
    return (length + (UNIT - 1)) // UNIT * UNIT
