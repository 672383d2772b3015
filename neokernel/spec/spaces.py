"""Address spaces and device spaces, specified: which page is where, and what a device may reach.

Each function is a statement about all arguments and all states that its `requires` allow. `nk prove` proves it, and
tests run it.
"""

from neokernel.abi.call import failure
from neokernel.abi.kinds import LARGE_SIZE, PAGE_SIZE
from neokernel.abi.rights import EXECUTE, READ, WRITE
from neokernel.abi.status import FIRST, INVOKED, SECOND, TRAVELLING, Status
from neokernel.arch import cpu
from neokernel.kernel.dma import pin, unpin
from neokernel.kernel.objects import (
    ACCESSED,
    DEVICE,
    DIRTY,
    LARGE,
    PINNED,
    USER,
    VALID,
    AddressSpace,
    DmaSpace,
    Frame,
    Hart,
    PageTable,
    Slot,
    Thread,
)
from neokernel.kernel.outcome import AGAIN, ANSWERED
from neokernel.kernel.space import leave_table, map_frame
from neokernel.lang import requires, u64
from neokernel.spec.messages import Words, hears


def leads_to(table: PageTable, index: u64, slot: Slot, below: PageTable) -> bool:
    requires(index < 512)
    return table.owners.slot[index] is slot and slot.object is below


def a_page_is_mapped(
    hart: Hart,
    caller: Thread,
    space: AddressSpace,
    frame: Slot,
    upper: Slot,
    middle: PageTable,
    lower: Slot,
    low: PageTable,
) -> None:
    """MAP: only where a user may have a page, with rights that the capability has, if both are free."""
    requires(isinstance(frame.object, Frame) and space.root.level == 2 and middle.level == 1 and low.level == 0)
    requires(leads_to(space.root, (caller.registers.a2 >> 30) & 511, upper, middle))
    requires(leads_to(middle, (caller.registers.a2 >> 21) & 511, lower, low) or frame.flags & LARGE != 0)
    address, wanted, large = caller.registers.a2, caller.registers.a3, frame.flags & LARGE != 0
    table, index = (middle, (address >> 21) & 511) if large else (low, (address >> 12) & 511)
    missing = wanted & ~u64(frame.rights) != 0 or (wanted & u64(EXECUTE) != 0 and frame.flags & DEVICE != 0)
    sensible = wanted in (u64(READ), u64(READ | WRITE), u64(EXECUTE), u64(READ | EXECUTE))
    mapped, taken, used = frame.holder is not None, table.owners.slot[index] is not None, table.used
    outcome = map_frame(hart, caller, space, frame)
    if address >= cpu.USER_END:
        assert outcome == failure(Status.OUT_OF_RANGE, FIRST)
    elif address % (LARGE_SIZE if large else PAGE_SIZE) != 0:
        assert outcome == failure(Status.MISALIGNED, FIRST)
    elif not sensible:
        assert outcome == failure(Status.OUT_OF_RANGE, SECOND)
    elif missing:
        assert outcome == failure(Status.MISSING_RIGHT, TRAVELLING)
    elif mapped or taken:
        assert outcome == failure(Status.OCCUPIED, TRAVELLING if mapped else FIRST)
    else:
        bits = u64(VALID | USER | ACCESSED | DIRTY)
        assert outcome == 0 and table.owners.slot[index] is frame and table.used == used + 1
        assert frame.holder is table.holder and u64(frame.entry) == index
        assert table.entries.entry[index] == ((frame.word >> 12) << 10) | (wanted << 1) | bits


def what_is_taken_out_of_a_table_is_nowhere(hart: Hart, slot: Slot, table: PageTable) -> None:
    """UNMAP and UNINSTALL. What lies below a table that is taken out, the hardware forgets with the whole space."""
    requires(slot.holder is table.holder and slot.entry < 512 and table.parent is None and slot.object is not table)
    index, used, space = u64(slot.entry), table.used, table.space
    translation = u64(0) if space is None else space.translation
    assert leave_table(hart, slot) == 0
    assert table.entries.entry[index] == 0 and table.owners.slot[index] is None and u64(table.used) + 1 == u64(used)
    assert slot.holder is None and slot.entry == 0
    below = slot.object
    if isinstance(below, PageTable):
        assert below.parent is None and (space is None or space.translation == 0)
    else:
        assert space is None or space.translation == translation
    assert leave_table(hart, slot) == failure(Status.WRONG_STATE, INVOKED)


# --- what a device may reach ------------------------------------------------------------------------------------------


def a_pinned_page_stays(hart: Hart, caller: Thread, space: DmaSpace, frame: Slot) -> None:
    """PIN tells where it is, if it is memory and in no other use; UNPIN ends that."""
    page, device, free = isinstance(frame.object, Frame), frame.flags & DEVICE != 0, frame.holder is None
    used, flags = space.used, frame.flags
    outcome = pin(caller, space, frame)
    if not page or device:
        assert outcome == failure(Status.WRONG_KIND, TRAVELLING)
    elif not free:
        assert outcome == failure(Status.OCCUPIED, TRAVELLING)
    elif outcome == ANSWERED:
        place = space.pins[u64(frame.entry)]
        held, holder = place.slot, frame.holder
        assert held is frame and frame.flags == flags | PINNED and holder is space.holder
        assert u64(frame.entry) == space.cursor and space.used == used + 1
        assert hears(caller, 0, Words(0, frame.word, 0, 0, 0))
        waits = place.waiting is not None
        outcome = unpin(hart, space, frame)
        if waits:
            assert outcome == AGAIN and place.slot is frame
        else:
            assert outcome == 0 and place.slot is None and frame.flags & PINNED == 0 and frame.holder is None
            assert space.used == used and frame.entry == 0
    else:
        assert outcome == failure(Status.OUT_OF_MEMORY, INVOKED) and space.used == used
