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

from neokernel.abi.description import FIRST_DECLARED, MAXIMUM_GRANTS, MAXIMUM_SERVICES
from neokernel.abi.kinds import PAGE_SIZE
from neokernel.abi.status import Status
from neokernel.lang import Order, Span, copy, fence, span_at, u8, u64, unsafe, usize, value, wrapping_mul, wrapping_sub
from neokernel.runtime.interface import client_of
from neokernel.runtime.process import current

unsafe("regions are where this module says, as far as the process's maker says that they are mapped")

#: where a client has what it lends, and a server what it is lent
LENDS_ADDRESS = 0x39_0000_0000
LENT_ADDRESS = 0x39_2000_0000
#: how far regions are apart
REGION_SPACE = 0x4_0000
#: the largest region
MOST_PAGES = REGION_SPACE // PAGE_SIZE
#: clients of a server that can lend it memory: their numbers are less
MAXIMUM_LENDERS = MAXIMUM_SERVICES + 1

assert LENDS_ADDRESS + MAXIMUM_GRANTS * REGION_SPACE <= LENT_ADDRESS, "the regions lie apart"


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
    place = wrapping_sub(slot, FIRST_DECLARED)
    if place >= MAXIMUM_GRANTS:
        return Lent(LENDS_ADDRESS, 0)
    base = LENDS_ADDRESS + place * REGION_SPACE
    return Lent(base, size_at(base))


# --- for generated code -----------------------------------------------------------------------------------------------


def offset_in(slot: u64, lent: Lent) -> u64:
    """Where in the region for the server in that slot something lies; REGION_SPACE or more: in another one."""
    base = wrapping_mul(wrapping_sub(slot, FIRST_DECLARED), REGION_SPACE)
    return wrapping_sub(wrapping_sub(lent.address, LENDS_ADDRESS), base)


def within(base: u64, offset: u64, length: u64) -> Lent | Status:
    """A part of the region that begins at `base`, the client's or the server's, if it is one; statuses as below."""
    size = size_at(base)
    if size == 0:
        return Status.NO_BUFFER
    if offset > size or length > size - offset:
        return Status.OUT_OF_RANGE
    return Lent(base + offset, length)


def size_at(base: u64) -> u64:
    """Bytes of the region that begins at an address, 0 if there is none."""
    process = current()
    pages: u64 = 0
    if not process.is_root and base % REGION_SPACE == 0:
        info = process.start_info()
        if LENDS_ADDRESS <= base < LENDS_ADDRESS + MAXIMUM_GRANTS * REGION_SPACE:
            pages = u64(info.lends[(base - LENDS_ADDRESS) // REGION_SPACE])
        elif LENT_ADDRESS <= base < LENT_ADDRESS + MAXIMUM_LENDERS * REGION_SPACE:
            pages = u64(info.lent[(base - LENT_ADDRESS) // REGION_SPACE])
    return min(pages, MOST_PAGES) * PAGE_SIZE


def borrowed(badge: u64, offset: u64, length: u64) -> Lent | Status:
    """What a client says that it lends, if that is so. NO_BUFFER: it has no region; OUT_OF_RANGE: not in its region."""
    client = client_of(badge)
    if client >= MAXIMUM_LENDERS:
        return Status.NO_BUFFER
    return within(LENT_ADDRESS + client * REGION_SPACE, offset, length)
