"""`Capture`: frames are copied into a ring that this process maps when the first capture begins, and keeps."""

from __future__ import annotations

from neokernel.abi.boot import OWN_SPACE
from neokernel.abi.kinds import PAGE_SIZE
from neokernel.abi.rights import READ, WRITE
from neokernel.interfaces.capture import RING, Begun, Filter, NoCapture, Read
from neokernel.lang import Span, span_at, struct, u8, u32, u64, unsafe
from neokernel.runtime.process import current
from neokernel.runtime.space import map_new
from neokernel.services.network.network import Network

unsafe("the ring is where this process maps it")

#: where the ring is
PLACE: u64 = 0x21_0000_0000


@struct
class Capturing:
    """Handles `Capture`. `now`: the core's time; `tried`: memory for the ring was asked for."""

    network: Network
    now: u64 = 0
    tried: bool = False

    def begin(self, filter: Filter, snap: u32) -> Begun | NoCapture:
        if filter.prefix > 32:
            return NoCapture.FILTER
        if not self.has_ring():
            return NoCapture.MEMORY
        return Begun(self.network.tap.begin(filter, snap, self.now), self.now)

    def read(self, number: u64, into: Span[u8]) -> Read | NoCapture:
        tap = self.network.tap
        if number == 0 or number != tap.number:
            return NoCapture.ENDED
        return Read(u32(tap.read(into, self.now)), tap.dropped)

    def end(self, number: u64) -> None:
        if number == self.network.tap.number:
            self.network.tap.stop()

    def has_ring(self) -> bool:
        tap, process = self.network.tap, current()
        if tap.ring is None and not self.tried:
            self.tried = True
            pages = u64(RING // PAGE_SIZE)
            if map_new(process, OWN_SPACE, process.memory, PLACE, READ | WRITE, pages) is None:
                tap.ring = span_at(u8, PLACE, RING)
        return tap.ring is not None
