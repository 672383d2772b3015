"""Address spaces (Sv39): which frame is where.

Each Frame capability has at most one mapping and knows it; each entry of a table knows the slot in it. So either end
finds the other, and teardown can begin at both.

Invariants: `table.owners.slot[i] is s` exactly if `s.holder is table.holder and s.entry == i`; then the entry is valid
and says what `s` allows, never to write and execute: that is proven as an invariant of `Slot`, which finds its entry.
An entry without an owner is 0. Entries of tables lead to tables one level below.
"""

from neokernel.abi.call import failure
from neokernel.abi.kinds import LARGE_SIZE, PAGE_SIZE
from neokernel.abi.operations import Operation
from neokernel.abi.rights import EXECUTE, READ, WRITE
from neokernel.abi.status import FIRST, INVOKED, SECOND, TRAVELLING, Status
from neokernel.arch import cpu
from neokernel.kernel.objects import (
    ACCESSED,
    DEVICE,
    DIRTY,
    LARGE,
    USER,
    VALID,
    AddressSpace,
    Frame,
    Hart,
    PageTable,
    Slot,
    Thread,
    is_allowed,
)
from neokernel.kernel.schedule import forget_space
from neokernel.kernel.slot import controlled, refuse, refuse_control, refuse_operation
from neokernel.lang import cold, ensures, requires, u8, u16, u64

#: entries emptied in one step, and entries looked at for each
TAKEN_STEP = 6
PASSED_STEP = 10


def index_at(address: u64, level: u8) -> u64:
    requires(level <= 2)
    return (address >> (12 + 9 * u64(level))) & 511


def table_below(table: PageTable, address: u64) -> PageTable | None:
    """The table of the next level on the way to the address."""
    slot = table.owners.slot[index_at(address, table.level)]
    if slot is None:
        return None
    found = slot.object
    return found if isinstance(found, PageTable) else None


@cold
def invoke(
    hart: Hart, caller: Thread, slot: Slot, operation: Operation, given: Slot | None, space: AddressSpace
) -> u64:
    """An operation of an AddressSpace."""
    if not controlled(slot):
        return refuse_control()
    match operation:
        case Operation.MAP:
            return map_frame(hart, caller, space, given)
        case Operation.INSTALL:
            return install(hart, caller, space, given)
        case _:
            return refuse_operation()


@cold
def invoke_mapped(hart: Hart, slot: Slot, operation: Operation) -> u64:
    """The operation of a Frame, or of a PageTable."""
    if isinstance(slot.object, PageTable):
        if not controlled(slot):
            return refuse_control()
        return leave_table(hart, slot) if operation is Operation.UNINSTALL else refuse_operation()
    return leave_table(hart, slot) if operation is Operation.UNMAP else refuse_operation()


def map_frame(hart: Hart, caller: Thread, space: AddressSpace, frame: Slot | None) -> u64:
    """MAP."""
    if frame is None:
        return failure(Status.NO_CAPABILITY, TRAVELLING)
    if not isinstance(frame.object, Frame):
        return refuse(TRAVELLING)
    address = caller.registers.a2
    wanted = caller.registers.a3
    large = frame.flags & LARGE != 0
    if address >= cpu.USER_END:
        return failure(Status.OUT_OF_RANGE, FIRST)
    if address % (LARGE_SIZE if large else PAGE_SIZE) != 0:
        return failure(Status.MISALIGNED, FIRST)
    read_write = u64(WRITE | READ)
    if wanted & ~u64(READ | WRITE | EXECUTE) != 0 or wanted & u64(READ | EXECUTE) == 0:
        return failure(Status.OUT_OF_RANGE, SECOND)
    if wanted & u64(WRITE) != 0 and wanted & (read_write | u64(EXECUTE)) != read_write:
        return failure(Status.OUT_OF_RANGE, SECOND)
    if wanted & ~u64(frame.rights) != 0 or (wanted & u64(EXECUTE) != 0 and frame.flags & DEVICE != 0):
        return failure(Status.MISSING_RIGHT, TRAVELLING)
    if frame.holder is not None:
        return failure(Status.OCCUPIED, TRAVELLING)
    middle = table_below(space.root, address)
    if middle is None:
        return failure(Status.NO_PAGE_TABLE, FIRST)
    table = middle
    if not large:
        lowest = table_below(middle, address)
        if lowest is None:
            return failure(Status.NO_PAGE_TABLE, FIRST)
        table = lowest
    index = index_at(address, table.level)
    if table.owners.slot[index] is not None:
        return failure(Status.OCCUPIED, FIRST)
    rights = ((wanted & u64(READ | WRITE | EXECUTE)) << 1) | VALID | USER | ACCESSED | DIRTY
    put(table, index, frame, ((frame.word >> 12) << 10) | rights)
    if space.translation != 0:
        cpu.flush_page(hart.cpu, address, u64(space.asid))
    if wanted & u64(EXECUTE) != 0:
        cpu.fence_instructions(hart.cpu)
    return 0


def put(table: PageTable, index: u64, slot: Slot, entry: u64) -> None:
    """Fill an empty entry with what `slot`, which isn't in use, names."""
    requires(index < 512 and table.owners.slot[index] is None)
    requires(isinstance(slot.object, PageTable) or (isinstance(slot.object, Frame) and slot.holder is None))
    requires(is_allowed(slot, entry))
    table.entries.entry[index] = entry
    table.owners.slot[index] = slot
    table.used += 1
    slot.holder = table.holder
    slot.entry = u16(index)


def install(hart: Hart, caller: Thread, space: AddressSpace, below: Slot | None) -> u64:
    """INSTALL."""
    if below is None:
        return failure(Status.NO_CAPABILITY, TRAVELLING)
    table = below.object
    if not isinstance(table, PageTable):
        return refuse(TRAVELLING)
    if not controlled(below):
        return failure(Status.MISSING_RIGHT, TRAVELLING)
    address = caller.registers.a2
    level = caller.registers.a3
    if level != 1 and level != 2:
        return failure(Status.OUT_OF_RANGE, SECOND)
    if address >= cpu.USER_END:
        return failure(Status.OUT_OF_RANGE, FIRST)
    if address & ((u64(PAGE_SIZE) << (9 * level)) - 1) != 0:
        return failure(Status.MISALIGNED, FIRST)
    if table.parent is not None or table.cursor != 0:
        return failure(Status.OCCUPIED, TRAVELLING)
    if table.used != 0 and u64(table.level) + 1 != level:
        # What is a page at one level would be a large one at the next.
        return failure(Status.WRONG_STATE, TRAVELLING)
    parent = space.root
    if level == 1:
        middle = table_below(parent, address)
        if middle is None:
            return failure(Status.NO_PAGE_TABLE, FIRST)
        parent = middle
    index = index_at(address, parent.level)
    if parent.owners.slot[index] is not None:
        return failure(Status.OCCUPIED, FIRST)
    table.level = u8(level - 1)
    table.parent = parent
    table.index = u16(index)
    put(parent, index, below, ((table.base >> 12) << 10) | VALID)
    if space.translation != 0:
        # Of a page's address, hardware need only forget the last level.
        cpu.flush_space(hart.cpu, u64(space.asid))
    return 0


def take_from_table(hart: Hart, table: PageTable, index: u64, slot: Slot) -> None:
    """Empty an entry, and let the hardware forget it."""
    ensures(lambda: table.entries.entry[index] == 0 and table.owners.slot[index] is None)
    requires(index < 512 and table.owners.slot[index] is slot)
    table.entries.entry[index] = 0
    table.owners.slot[index] = None
    table.used -= 1
    slot.holder = None
    slot.entry = 0
    below = slot.object
    if isinstance(below, PageTable):
        below.parent = None
    address = index << (12 + 9 * u64(table.level))
    step = table
    for _ in range(2):
        parent = step.parent
        if parent is None:
            break
        address += u64(step.index) << (12 + 9 * u64(parent.level))
        step = parent
    space = step.space
    if space is None or space.translation == 0:
        return
    if isinstance(below, PageTable):
        forget_space(hart, space)
    else:
        cpu.flush_page(hart.cpu, address, u64(space.asid))


def leave_table(hart: Hart, slot: Slot) -> u64:
    """UNMAP, UNINSTALL: take a Frame or PageTable out of the table that it is in."""
    holder = slot.holder
    if holder is None:
        return failure(Status.WRONG_STATE, INVOKED)
    table = holder.user
    if not isinstance(table, PageTable):
        # What holds a frame and is no table, is a device space.
        return failure(Status.PINNED, INVOKED)
    take_from_table(hart, table, u64(slot.entry), slot)
    return 0


def empty_some(hart: Hart, table: PageTable, last: u64) -> bool:
    """A step of emptying the entries up to `last`, exclusively. Is it done? Between steps others may be filled."""
    requires(last <= 512)
    for _ in range(TAKEN_STEP):
        if table.used == 0:
            table.cursor = 0
            return True
        for _ in range(PASSED_STEP):
            index = u64(table.cursor)
            table.cursor = 0 if index + 1 >= last else u16(index + 1)
            slot = table.owners.slot[index]
            if slot is not None:
                take_from_table(hart, table, index, slot)
                break
    return False
