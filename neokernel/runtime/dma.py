"""Memory that a device reaches by itself: pages of a driver's own, and what its clients lend it.

    table = must_get(own_page(process, space.slot, memory.slot, PAGES))      # mapped at PAGES; its bus address
    must(reach.begin(process, space.slot))                                   # all that is lent, pinned once
    run = reach.run(into, 0)                                                 # where the device finds a part of it

Bus addresses come from `DmaSpace.pin` and from nowhere else. Who makes the driver gives it copies of the frames of all
regions that it is lent (`StartInfo.lent_frames`); they are pinned as long as it lives, so a request costs no call of
the kernel. When the driver ends, its DmaSpace does, too, and nothing is pinned any more. Its device may go on writing
until the driver's next life has reset it, but only into memory that stays what it was: the driver's own, and these
regions.

Invariant: a `Run` lies within one region, and in memory that is pinned.
"""

from __future__ import annotations

from neokernel.abi.boot import OWN_SPACE
from neokernel.abi.kinds import PAGE_SIZE, Kind
from neokernel.abi.rights import READ, WRITE
from neokernel.abi.status import FIRST, Status
from neokernel.lang import Array, array, struct, u16, u64, usize, value
from neokernel.runtime import system
from neokernel.runtime.lend import MAXIMUM_LENDERS, Lent, base_of, client_at, frame_size, frames_of
from neokernel.runtime.process import Process
from neokernel.runtime.space import map_at
from neokernel.runtime.system import Failure

#: pages of all regions that are lent to one driver: 4 MiB
MOST_PAGES = 1024


def own_page(process: Process, space: u64, memory: u64, address: u64) -> u64 | Failure:
    """Make a cleared page of `memory`, map it at `address`, and let the device reach it: its bus address.

    The device must have been reset since the driver's last life, whose page this may have been.
    """
    frame = process.make_of(memory, Kind.FRAME)
    if isinstance(frame, Failure):
        return frame
    # A capability of a frame is mapped or pinned, not both.
    pinned = process.derive(frame, READ | WRITE)
    if isinstance(pinned, Failure):
        return pinned
    failure = map_at(process, OWN_SPACE, process.memory, address, READ | WRITE, frame)
    return system.pin(process.buffer, space, pinned) if failure is None else failure


@value
class Run:
    """`length` bytes that lie one after the other on the bus."""

    address: u64
    length: usize


@struct
class Reach:
    """Where the device finds what clients lend. `begin` comes first."""

    #: bus addresses of all pages; by client, how many pages are before its own
    pages: Array[u64] = array(MOST_PAGES)
    first: Array[u16] = array(MAXIMUM_LENDERS)
    count: usize = 0

    def begin(self, process: Process, space: u64) -> Failure | None:
        """Pin all that is lent. NO_CAPABILITY: who made the process gave no frames; OUT_OF_MEMORY: it is too much."""
        info = process.start_info()
        frames = info.lent_frames
        pinned: u64 = 0
        for client in range(MAXIMUM_LENDERS):
            self.first[client] = u16(self.count)
            lent = u64(info.lent[client])
            each = usize(frame_size(lent) // PAGE_SIZE)
            for _ in range(frames_of(lent)):
                if frames == 0:
                    return Failure(Status.NO_CAPABILITY, FIRST)
                if each > MOST_PAGES - self.count:
                    return Failure(Status.OUT_OF_MEMORY, FIRST)
                address = system.pin(process.buffer, space, frames + pinned)
                if isinstance(address, Failure):
                    return address
                for page in range(each):
                    self.pages[self.count + page] = address + page * PAGE_SIZE
                self.count += each
                pinned += 1
        return None

    def run(self, lent: Lent, place: usize, most: usize) -> Run:
        """The part of `lent` from `place` on that lies together on the bus: at least a byte, at most `most` of them."""
        assert place < lent.length and most != 0, "nothing is left of what is lent"
        start = lent.address + place
        client, offset = client_at(start), start - base_of(start)
        page = usize(self.first[client]) + offset // PAGE_SIZE
        inside = offset % PAGE_SIZE
        left = min(lent.length - place, most)
        address = self.pages[page] + inside
        length = min(PAGE_SIZE - inside, left)
        while length < left and self.pages[page + 1] == self.pages[page] + PAGE_SIZE:
            page += 1
            length = min(length + PAGE_SIZE, left)
        return Run(address, length)


def pages_touched(lent: Lent) -> usize:
    """In how many pages a part of a region lies."""
    if lent.length == 0:
        return 0
    return (lent.address % PAGE_SIZE + lent.length + (PAGE_SIZE - 1)) // PAGE_SIZE
