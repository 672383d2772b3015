"""Memory, specified: what is made of it, and what of it is free.

Each function is a statement about all arguments and all states that its `requires` allow. `nk prove` proves it, and
tests run it.
"""

from neokernel.abi.kinds import Kind
from neokernel.kernel.memory import (
    footprint,
    information,
    make,
    retype,
)
from neokernel.kernel.objects import (
    AddressSpace,
    CapTable,
    DmaSpace,
    Frame,
    Hart,
    Memory,
    Notification,
    PageTable,
    SchedContext,
    Slot,
    Thread,
    Trace,
)
from neokernel.kernel.outcome import AGAIN, ANSWERED
from neokernel.kernel.slot import is_fertile, number_of
from neokernel.lang import requires, u64
from neokernel.spec.messages import Words, hears

# --- how much ---------------------------------------------------------------------------------------------------------


def is_new(made: Slot, base: u64, size: u64, identifier: u64) -> bool:
    """Is it of its size, where it should be, and otherwise as zeroed memory is? A thread has no table and no address
    space, but those that have nothing."""
    match made.object:
        case Memory() as memory:
            whole = memory.size == size and memory.high == size and memory.low == 0 and memory.live == 0
            return whole and memory.base == base and memory.clean <= size and not memory.device
        case PageTable() as table:
            return table.base == base and table.level == 0 and table.used == 0 and table.space is None
        case AddressSpace() as space:
            rooted = space.root.base == base and space.root.level == 2 and space.root.space is space
            return rooted and space.translation == 0 and space.identifier == identifier
        case Thread() as thread:
            nobody = thread.table is thread.hart.no_table and thread.space is thread.hart.no_space
            known = thread.timer.owner is thread and thread.identifier == identifier
            return nobody and known and thread.registers.full == 1
        case SchedContext() as time:
            return time.timer.owner is time and time.identifier == identifier and time.budget == 0
        case Trace(base=where, pages=pages):
            return where == base and pages == size
        case CapTable(slots=slots):
            return len(slots) == size
        case DmaSpace(pins=pins):
            return len(pins) == size
        case Notification() as notification:
            return notification.counting == (size == 1) and notification.word == 0
        case Frame():
            return made.word == base
        case _:
            return True


def what_is_made_is_new(hart: Hart, memory: Memory, parent: Slot, place: Slot, kind: Kind, size: u64) -> None:
    """If it could be made. What is taken for it was free, and isn't any more. (Where in that it begins is said only of
    what keeps its address.)"""
    requires(parent.object is memory and is_fertile(parent) and place.object is None and parent is not place)
    requires(footprint(kind, size).below != 0 and not memory.device)
    need, identifier, low, high = footprint(kind, size), hart.next_identifier, memory.low, memory.high
    if make(hart, memory, parent, place, kind, size, need) != 0:
        assert memory.low == low and memory.high == high
    else:
        start = memory.low - need.below
        assert start >= low and memory.high + need.above == high and memory.low <= memory.high
        assert number_of(place) == u64(kind.value) and is_new(place, memory.base + start, size, identifier)


def objects_are_made_one_by_one(hart: Hart, caller: Thread, slot: Slot, memory: Memory) -> None:
    """RETYPE counts them in its last argument; the call is done when all are made."""
    requires(slot.object is memory and caller.registers.a2 == u64(Kind.ENDPOINT.value))
    asked = caller.registers
    done, count, live = asked.a5, asked.a4, memory.live
    outcome = retype(hart, caller, slot, memory)
    if memory.live != live:
        assert memory.live == live + 1 and outcome == (ANSWERED if done + 1 == count else AGAIN)
        assert asked.a5 == (0 if outcome == ANSWERED else done + 1)
    else:
        assert outcome != ANSWERED and asked.a5 == done


def what_is_free_is_told(caller: Thread, memory: Memory) -> None:
    """MEMORY_INFO."""
    assert information(caller, memory) == ANSWERED
    free, clean = memory.high - memory.low, max(memory.clean, memory.low) - memory.low
    assert hears(caller, 0, Words(0, memory.size, free, min(clean, free), 0))
