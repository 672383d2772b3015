"""Frames that a machine's network service copies for us, one after the other.

Invariant: a record that the service hands over is held against its length before it is believed.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from neokernel import lang
from neokernel.control.filters import Wanted
from neokernel.control.view import NotTold, View
from neokernel.interfaces.capture import (
    CAME,
    MOST_READ,
    RECORD_SIZE,
    UNIT,
    WENT,
    Filter,
    FrameRecord,
    NoCapture,
)
from neokernel.services.control.protocol import Peer

#: seconds that are waited for more, when there was nothing
PAUSE = 0.05


@dataclass(frozen=True)
class Frame:
    """`time`: microseconds since 1970, by this host's clock. `way`: "in", "out" or "local". `data`: its beginning."""

    time: int
    length: int
    way: str
    data: bytes


class Copies:
    """A capture. `dropped`: frames that fitted and weren't copied, as we were too slow."""

    def __init__(self, view: View, wanted: Wanted, snap: int) -> None:
        self.view = view
        self.dropped = 0
        filter = Filter(
            kind=lang.u16(wanted.kind),
            protocol=lang.u8(wanted.protocol),
            network=lang.u32(wanted.network),
            prefix=lang.u32(wanted.prefix),
            port=lang.u16(wanted.port),
        )
        before = time.time()
        begun = view.ask(Peer.CAPTURE, view.remote.capture.begin, filter, lang.u32(snap))
        if begun is NoCapture.FILTER:
            raise NotTold("the network", f"knows no address with a prefix of {wanted.prefix} bits")
        if isinstance(begun, NoCapture):
            raise NotTold("the network", "has no memory for a capture: give the service more in the system file")
        self.number = int(begun.number)
        # The machine's clock began at some time of ours, give or take half of the call.
        self.began = int((before + time.time()) / 2 * 1e6) - int(begun.time)

    def frames(self) -> Iterator[Frame | None]:
        """Each frame; None where there is none now, and it was waited a little."""
        while True:
            data = bytearray(int(MOST_READ))
            method = self.view.remote.capture.read
            found = self.view.ask(Peer.CAPTURE, method, lang.u64(self.number), lang.byte_span(data))
            if isinstance(found, NoCapture):
                why = "somebody has begun another one, or nobody has read it for ten seconds"
                raise NotTold("the network", f"has ended this capture: {why}")
            self.dropped = int(found.dropped)
            whole = bytes(data[: int(found.length)])
            yield from self.records(whole)
            if not whole:
                time.sleep(PAUSE)
                yield None

    def records(self, whole: bytes) -> Iterator[Frame]:
        place = 0
        while place < len(whole):
            head = whole[place : place + int(RECORD_SIZE)]
            if len(head) < int(RECORD_SIZE):
                raise NotTold("the network", "gives half a record")
            record = lang.wire_view(FrameRecord, lang.byte_span(bytearray(head)))
            kept, begin = int(record.kept), place + int(RECORD_SIZE)
            if begin + kept > len(whole):
                raise NotTold("the network", "gives half a frame")
            way = {int(CAME): "in", int(WENT): "out"}.get(int(record.way), "local")
            yield Frame(self.began + int(record.time), int(record.length), way, whole[begin : begin + kept])
            place = begin - (-kept // int(UNIT) * int(UNIT))

    def end(self) -> None:
        self.view.ask(Peer.CAPTURE, self.view.remote.capture.end, lang.u64(self.number))
