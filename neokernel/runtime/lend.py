"""Memory that a client lends its server: what is too large for a message isn't copied, both have it mapped.

    disk: Uses[Disk] = uses(lend=64 << 10)              # the client: a region for this server alone
    buffer = region(slot_of(disk)).part(0, 4096)
    disk.read(7, buffer)                                # offset and length travel, two words

    def read(self, sector: u64, into: Lent) -> …        # the server: into.write(0, data)

Who makes both processes makes the region, of memory that neither of them can take back (`Child.lend`, `Child.borrow`):
so neither can make the other one fault. It outlives both: a server that is started again finds its clients' regions
where they were, and a client that is started again its own.

The client's region for what it declared as the i-th capability is at LENDS_ADDRESS, the server's view of it, by the
client's number in its badge, at LENT_ADDRESS: each has REGION_SPACE. How many pages are there says the StartInfo. A
client lends a server one region, whatever it uses of it.

Both sides can write a region at any time. So what is read from it can be anything, and another each time: `read` copies
it, then it is looked at; `span` is for `wire_view` and for `copy`, not for looking at bytes in place.

Invariant: a `Lent` of `region` or `borrowed` lies within memory that is mapped as long as the process lives.
"""

from __future__ import annotations

from neokernel.abi.description import (
    FIRST_DECLARED,
    MAXIMUM_GRANTS,
    MAXIMUM_SERVICES,
    MOST_LENT,
    MOST_LENT_IN_PAGES,
)
from neokernel.abi.kinds import LARGE_SIZE, PAGE_SIZE
from neokernel.abi.status import Status
from neokernel.lang import Order, Span, copy, fence, span_at, u8, u64, unsafe, usize, value, wrapping_sub
from neokernel.runtime.interface import client_of
from neokernel.runtime.process import current

unsafe("regions are where this module says, as far as the process's maker says that they are mapped")

#: where a client has what it lends, and a server what it is lent
LENDS_ADDRESS = 0x39_0000_0000
LENT_ADDRESS = 0x39_2000_0000
#: how far regions are apart, and how many pages one has at most
REGION_SPACE = MOST_LENT_IN_PAGES
MOST_PAGES = REGION_SPACE // PAGE_SIZE
#: the same of larger ones, which are made of frames of 2 MiB: apart, so that small ones share page tables
LARGE_LENDS_ADDRESS = 0x30_0000_0000
LARGE_LENT_ADDRESS = 0x31_0000_0000
LARGE_SPACE = MOST_LENT
LARGE_PAGES = LARGE_SIZE // PAGE_SIZE
#: an offset that lies in no region
ELSEWHERE = LARGE_SPACE
#: an address at which no region begins
NOWHERE = REGION_SPACE - 1
#: clients of a server that can lend it memory: their numbers are less
MAXIMUM_LENDERS = MAXIMUM_SERVICES + 1

#: where the large ones end
LARGE_END = LARGE_LENT_ADDRESS + MAXIMUM_LENDERS * LARGE_SPACE

assert LENDS_ADDRESS + MAXIMUM_GRANTS * REGION_SPACE <= LENT_ADDRESS, "the regions lie apart"
assert LARGE_LENDS_ADDRESS + MAXIMUM_GRANTS * LARGE_SPACE <= LARGE_LENT_ADDRESS, "the large ones, too"
assert LARGE_END <= LENDS_ADDRESS and LARGE_SPACE % LARGE_SIZE == 0


@value
class Lent:
    """A part of a region: `length` bytes."""

    address: u64
    length: usize

    def part(self, first: usize, length: usize) -> Lent:
        """`length` bytes of it, from `first` on."""
        assert first <= self.length and length <= self.length - first, "no part of what is lent"
        return Lent(self.address + first, length)

    def span(self) -> Span[u8]:
        """The bytes, which the other side can write at any time."""
        return span_at(u8, self.address, self.length)

    def read(self, first: usize, into: Span[u8]) -> None:
        """Copy bytes out of it, from `first` on."""
        copy(into, self.span()[first : first + len(into)].bytes())
        # What was copied isn't read again, whatever the compiler knows of it.
        fence(Order.ACQUIRE)

    def write(self, first: usize, data: bytes) -> None:
        """Copy bytes into it, from `first` on."""
        copy(self.span()[first : first + len(data)], data)
        fence(Order.RELEASE)


def region(slot: u64) -> Lent:
    """What the process can lend who serves its declared capability in that slot; nothing, if there is no region."""
    base = base_for(slot)
    return Lent(base, size_at(base))


def frames_of(pages: u64) -> u64:
    """In how many frames a region of so many pages is."""
    return pages if pages <= MOST_PAGES else pages // LARGE_PAGES


def frame_size(pages: u64) -> u64:
    """How large each of these is."""
    return PAGE_SIZE if pages <= MOST_PAGES else LARGE_SIZE


def frame_size_at(address: u64) -> u64:
    """How large the frames are of the region in which an address lies."""
    return LARGE_SIZE if LARGE_LENDS_ADDRESS <= address < LARGE_END else PAGE_SIZE


def lends_at(place: u64, pages: u64) -> u64:
    """Where a process has what it lends by its declared capability of that number."""
    small = pages <= MOST_PAGES
    return LENDS_ADDRESS + place * REGION_SPACE if small else LARGE_LENDS_ADDRESS + place * LARGE_SPACE


def lent_at(client: u64, pages: u64) -> u64:
    """Where a process has what the client of that number lends it."""
    small = pages <= MOST_PAGES
    return LENT_ADDRESS + client * REGION_SPACE if small else LARGE_LENT_ADDRESS + client * LARGE_SPACE


def base_of(address: u64) -> u64:
    """Where the region begins in which an address lies."""
    large = frame_size_at(address) == LARGE_SIZE
    return address // LARGE_SPACE * LARGE_SPACE if large else address // REGION_SPACE * REGION_SPACE


def client_at(address: u64) -> u64:
    """Which client's region an address of what the process is lent lies in."""
    if address < LARGE_END:
        return (address - LARGE_LENT_ADDRESS) // LARGE_SPACE
    return (address - LENT_ADDRESS) // REGION_SPACE


# --- for generated code -----------------------------------------------------------------------------------------------


def base_for(slot: u64) -> u64:
    """Where the region for the server in that slot begins, if there is one; NOWHERE: it is none of those declared."""
    process, place = current(), wrapping_sub(slot, FIRST_DECLARED)
    if place >= MAXIMUM_GRANTS:
        return NOWHERE
    if process.is_root:
        return LENDS_ADDRESS + place * REGION_SPACE
    return lends_at(place, u64(process.start_info().lends[place]))


def offset_in(slot: u64, lent: Lent) -> u64:
    """Where in the region for the server in that slot something lies; ELSEWHERE: in another one."""
    return offset_from(base_for(slot), lent.address)


def offset_from(base: u64, address: u64) -> u64:
    """Where in the region that begins there an address lies; ELSEWHERE: in another one."""
    return address - base if base_of(address) == base else ELSEWHERE


def within(base: u64, offset: u64, length: u64) -> Lent | Status:
    """A part of the region that begins at `base`, the client's or the server's, if it is one; statuses as below."""
    return part_of(base, size_at(base), offset, length)


def part_of(base: u64, size: u64, offset: u64, length: u64) -> Lent | Status:
    """A part of a region of `size` bytes, if it is one."""
    if size == 0:
        return Status.NO_BUFFER
    if offset > size or length > size - offset:
        return Status.OUT_OF_RANGE
    return Lent(base + offset, length)


def size_at(base: u64) -> u64:
    """Bytes of the region that begins at an address, 0 if there is none."""
    process = current()
    pages: u64 = 0
    if process.is_root:
        return 0
    info = process.start_info()
    large = LARGE_LENDS_ADDRESS <= base < LARGE_END
    if base != base_of(base):
        return 0
    if LENDS_ADDRESS <= base < LENDS_ADDRESS + MAXIMUM_GRANTS * REGION_SPACE:
        pages = u64(info.lends[(base - LENDS_ADDRESS) // REGION_SPACE])
    elif LENT_ADDRESS <= base < LENT_ADDRESS + MAXIMUM_LENDERS * REGION_SPACE:
        pages = u64(info.lent[(base - LENT_ADDRESS) // REGION_SPACE])
    elif LARGE_LENDS_ADDRESS <= base < LARGE_LENDS_ADDRESS + MAXIMUM_GRANTS * LARGE_SPACE:
        pages = u64(info.lends[(base - LARGE_LENDS_ADDRESS) // LARGE_SPACE])
    elif LARGE_LENT_ADDRESS <= base < LARGE_END:
        pages = u64(info.lent[(base - LARGE_LENT_ADDRESS) // LARGE_SPACE])
    if (pages > MOST_PAGES) != large:
        return 0
    return size_of_pages(pages)


def size_of_pages(pages: u64) -> u64:
    """Bytes of a region of so many pages; whatever the StartInfo says, it ends before the next one begins."""
    return min(pages, LARGE_SPACE // PAGE_SIZE) * PAGE_SIZE


def borrowed(badge: u64, offset: u64, length: u64) -> Lent | Status:
    """What a client says that it lends, if that is so. NO_BUFFER: it has no region; OUT_OF_RANGE: not in its region."""
    client = client_of(badge)
    if client >= MAXIMUM_LENDERS:
        return Status.NO_BUFFER
    process = current()
    pages: u64 = 0
    if not process.is_root:
        pages = u64(process.start_info().lent[client])
    return part_of(lent_at(client, pages), size_of_pages(pages), offset, length)
