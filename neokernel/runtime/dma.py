"""Memory that a device reaches by itself: pages of a driver's own, and what its clients lend it.

    table = must_get(own_page(process, space.slot, memory.slot, PAGES))      # mapped at PAGES; its bus address
    must(reach.begin(process, space.slot))                                   # all that is lent, pinned once
    run = reach.run(into, 0)                                                 # where the device finds a part of it

Bus addresses come from `DmaSpace.pin` and from nowhere else. Who makes the driver gives it copies of the frames of all
regions that it is lent (`StartInfo.lent_frames`); they are pinned as long as it lives, so a request costs no call of
the kernel. When the driver ends, its DmaSpace does, too, and nothing is pinned any more. Its device may go on writing
until the driver's next life has reset it, but only into memory that stays what it was: the driver's own, and these
regions.

The bus address of each frame is kept, of a large one as of a small one: so a driver can be lent MOST_FRAMES frames,
whatever their size. `nk check` holds system files against that.

Invariant: a `Run` lies within one region, and in memory that is pinned.
"""

from __future__ import annotations

from neokernel.abi.boot import OWN_SPACE
from neokernel.abi.kinds import PAGE_SIZE, Kind
from neokernel.abi.rights import READ, WRITE
from neokernel.abi.status import FIRST, Status
from neokernel.lang import Array, array, struct, u16, u64, usize, value
from neokernel.runtime import system
from neokernel.runtime.lend import MAXIMUM_LENDERS, Lent, base_of, client_at, frame_size_at, frames_of
from neokernel.runtime.process import Process
from neokernel.runtime.space import map_at
from neokernel.runtime.system import Failure

#: frames of all regions that are lent to one driver, of 4 KiB or of 2 MiB
MOST_FRAMES = 1024


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


@value
class Region:
    """What one client lends: the number of its first frame, and bytes of each."""

    first: usize
    each: u64


@struct
class Reach:
    """Where the device finds what clients lend. `begin` comes first."""

    #: bus addresses of all frames; by client, how many frames are before its own
    frames: Array[u64] = array(MOST_FRAMES)
    first: Array[u16] = array(MAXIMUM_LENDERS)
    count: usize = 0

    def begin(self, process: Process, space: u64) -> Failure | None:
        """Pin all that is lent. NO_CAPABILITY: who made the process gave no frames; OUT_OF_MEMORY: it is too much."""
        info = process.start_info()
        slot = info.lent_frames
        for client in range(MAXIMUM_LENDERS):
            self.first[client] = u16(self.count)
            lent = u64(info.lent[client])
            for _ in range(frames_of(lent)):
                if slot == 0:
                    return Failure(Status.NO_CAPABILITY, FIRST)
                if self.count == MOST_FRAMES:
                    return Failure(Status.OUT_OF_MEMORY, FIRST)
                address = system.pin(process.buffer, space, slot + self.count)
                if isinstance(address, Failure):
                    return address
                self.frames[self.count] = address
                self.count += 1
        return None

    def region_at(self, address: u64) -> Region:
        """The region in which an address lies."""
        return Region(usize(self.first[client_at(address)]), frame_size_at(address))

    def within(self, region: Region, place: u64, length: u64) -> u64 | None:
        """Where on the bus a part of a region lies, which begins at that place. None: not in one frame."""
        inside = place % region.each
        return self.frames[region.first + place // region.each] + inside if inside + length <= region.each else None

    def run(self, lent: Lent, place: usize, most: usize) -> Run:
        """The part of `lent` from `place` on that lies together on the bus: at least a byte, at most `most` of them."""
        assert place < lent.length and most != 0, "nothing is left of what is lent"
        start = lent.address + place
        each, offset = usize(frame_size_at(start)), start - base_of(start)
        frame = usize(self.first[client_at(start)]) + offset // each
        inside = offset % each
        left = min(lent.length - place, most)
        address = self.frames[frame] + inside
        length = min(each - inside, left)
        while length < left and self.frames[frame + 1] == self.frames[frame] + each:
            frame += 1
            length = min(length + each, left)
        return Run(address, length)


def pages_touched(lent: Lent) -> usize:
    """In how many pages a part of a region lies."""
    if lent.length == 0:
        return 0
    return (lent.address % PAGE_SIZE + lent.length + (PAGE_SIZE - 1)) // PAGE_SIZE
