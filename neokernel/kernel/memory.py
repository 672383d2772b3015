"""Memory: what all objects are made of.

Objects are placed from below; descriptors of what needs whole, aligned pages from above. Nothing is freed one by one:
when the last object made of a Memory has gone, all of it is free again. What is handed out is zero; clearing is done in
steps, ahead of the object.

Invariants: those of `Memory`.
"""

from neokernel.abi.call import failure
from neokernel.abi.kinds import LARGE_SIZE, PAGE_SIZE, Kind, kind_of
from neokernel.abi.operations import Operation
from neokernel.abi.rights import ALL, BEYOND, DMA, TRACE
from neokernel.abi.status import FIRST, INVOKED, SECOND, THIRD, WINDOW, Status
from neokernel.abi.trace import Event
from neokernel.kernel import placement
from neokernel.kernel.objects import (
    DEVICE,
    LARGE,
    MOST_BYTES,
    MOST_PINS,
    MOST_TRACE_PAGES,
    MOST_VECTOR_BYTES,
    OWNER,
    VECTORS,
    AddressSpace,
    Endpoint,
    Hart,
    Memory,
    Notification,
    PageTable,
    Pin,
    Reply,
    SchedContext,
    Slot,
    Thread,
    Trace,
)
from neokernel.kernel.outcome import AGAIN, answer
from neokernel.kernel.placement import FLOATS_HEADER, PINS_HEADER, TABLE_HEADER, UNIT, round_up
from neokernel.kernel.slot import controlled, derivable, insert, is_fertile, number_of, refuse_control, refuse_operation
from neokernel.kernel.tracing import record
from neokernel.lang import Order, cold, ensures, old, requires, size_of, u64, value, wrapping_add

#: bytes cleared between two looks at the interrupts
CLEAR_STEP = 8192
MOST_SLOTS = 1 << 20


@value
class Footprint:
    """What an object takes: bytes from below, at a multiple of `alignment`, and bytes from above."""

    below: u64
    alignment: u64
    above: u64


#: no such object, or no such size of it
IMPOSSIBLE = Footprint(0, 0, 0)


def is_given(kind: Kind) -> bool:
    """Is it a kind that exists from boot on, and isn't made?"""
    return kind in (Kind.NONE, Kind.INTERRUPT, Kind.PROCESSOR, Kind.PLATFORM)


def small(size: u64) -> Footprint:
    requires(size <= MOST_BYTES)
    return Footprint(round_up(size, UNIT), UNIT, 0)


def pages(count: u64, descriptor: u64) -> Footprint:
    requires(count <= 1 << 20 and descriptor <= PAGE_SIZE)
    return Footprint(count * PAGE_SIZE, PAGE_SIZE, round_up(descriptor, UNIT))


def footprint(kind: Kind, size: u64) -> Footprint:
    """What an object of this kind and size takes."""
    match kind:
        case Kind.MEMORY:
            if size == 0 or size > MOST_BYTES or size % PAGE_SIZE != 0:
                return IMPOSSIBLE
            return Footprint(size, PAGE_SIZE, round_up(size_of(Memory), UNIT))
        case Kind.FRAME:
            if size > 1:
                return IMPOSSIBLE
            return Footprint(LARGE_SIZE, LARGE_SIZE, 0) if size == 1 else pages(1, 0)
        case Kind.CAP_TABLE:
            return IMPOSSIBLE if size == 0 or size > MOST_SLOTS else small(TABLE_HEADER + size * size_of(Slot))
        case Kind.FLOATS:
            if size != 0 and (size < size_of(u64) or size > MOST_VECTOR_BYTES or size & (size - 1) != 0):
                return IMPOSSIBLE
            return small(FLOATS_HEADER + VECTORS * size)
        case Kind.DMA_SPACE:
            return IMPOSSIBLE if size == 0 or size > MOST_PINS else small(PINS_HEADER + size * size_of(Pin))
        case Kind.TRACE:
            if size == 0 or size > MOST_TRACE_PAGES or size & (size - 1) != 0:
                return IMPOSSIBLE
            return pages(1 + size, size_of(Trace))
        case Kind.NOTIFICATION:
            return IMPOSSIBLE if size > 1 else small(size_of(Notification))
        case _:
            return IMPOSSIBLE if size != 0 else plain(kind)


def plain(kind: Kind) -> Footprint:
    """What an object of a kind without sizes takes."""
    match kind:
        case Kind.ENDPOINT:
            return small(size_of(Endpoint))
        case Kind.REPLY:
            return small(size_of(Reply))
        case Kind.THREAD:
            return small(size_of(Thread))
        case Kind.SCHED_CONTEXT:
            return small(size_of(SchedContext))
        case Kind.PAGE_TABLE:
            return pages(2, size_of(PageTable))
        case Kind.ADDRESS_SPACE:
            return pages(2, size_of(AddressSpace))
        case _:
            return IMPOSSIBLE


@cold
def invoke(hart: Hart, caller: Thread, slot: Slot, operation: Operation, memory: Memory) -> u64:
    """An operation of Memory."""
    requires(slot.object is not None)
    if not controlled(slot):
        return refuse_control()
    match operation:
        case Operation.RETYPE:
            return retype(hart, caller, slot, memory)
        case Operation.CLEAR:
            return clear(hart, caller, memory)
        case Operation.MEMORY_INFO:
            return information(caller, memory)
        case _:
            return refuse_operation()


def retype(hart: Hart, caller: Thread, slot: Slot, memory: Memory) -> u64:
    """A step of RETYPE: one of the objects, into the caller's receive window."""
    requires(slot.object is not None)
    registers = caller.registers
    kind = kind_of(registers.a2)
    if kind is None:
        return failure(Status.OUT_OF_RANGE, FIRST)
    need = footprint(kind, registers.a3)
    if need.below == 0:
        return failure(Status.OUT_OF_RANGE, FIRST if is_given(kind) else SECOND)
    if memory.device and kind is not Kind.FRAME:
        return failure(Status.WRONG_KIND, FIRST)
    if (kind is Kind.DMA_SPACE and slot.rights & DMA == 0) or (kind is Kind.TRACE and slot.rights & TRACE == 0):
        return failure(Status.MISSING_RIGHT, INVOKED)
    buffer = caller.buffer
    if buffer is None:
        return failure(Status.NO_BUFFER, WINDOW)
    if not derivable(hart, slot):
        return failure(Status.UNDERIVABLE, INVOKED)
    first = u64(buffer.window_first.load(Order.RELAXED))
    room = u64(buffer.window_size.load(Order.RELAXED))
    count = registers.a4
    if registers.a5 >= count:
        return failure(Status.OUT_OF_RANGE, THIRD)
    table = caller.table
    if count > room or first + count > len(table.slots):
        return failure(Status.NO_WINDOW, WINDOW)
    place = table.slots[first + registers.a5]
    if place.object is not None:
        return failure(Status.NO_WINDOW, WINDOW)
    done = make(hart, memory, slot, place, kind, registers.a3, need)
    if done != 0:
        return done
    registers.a5 += 1
    return answer(caller, 0, 0, 0, 0, 0) if registers.a5 == count else AGAIN


def make(hart: Hart, memory: Memory, parent: Slot, place: Slot, kind: Kind, size: u64, need: Footprint) -> u64:
    """Make one object, whose capability goes to `place`; AGAIN if only some of its memory was cleared."""
    requires(need == footprint(kind, size) and need.below != 0 and (kind is Kind.FRAME or not memory.device))
    requires(is_fertile(parent) and parent.object is not None and place.object is None)
    low = round_up(memory.base + memory.low, need.alignment) - memory.base
    end = low + need.below
    if need.above > memory.high or end > memory.high - need.above:
        return failure(Status.OUT_OF_MEMORY, INVOKED)
    if kind is not Kind.MEMORY and not memory.device and memory.clean < end:
        clear_some(memory, end)
        if memory.clean < end:
            return AGAIN
    base = memory.base + low
    clean = min(memory.clean - low, need.below) if memory.clean > low else u64(0)
    take(memory, low, need)
    high = memory.high
    if need.above != 0:
        placement.clear_descriptor(ceiling(memory, high), need.above)
    _fill(hart, memory, place, kind, size, base, high, clean)
    place.rights = (ALL & ~BEYOND) | (parent.rights & BEYOND)
    place.flags = OWNER | (DEVICE if memory.device else 0) | (LARGE if kind is Kind.FRAME and size == 1 else 0)
    insert(parent, place)
    if hart.trace_mask != 0:
        record(hart, Event.DERIVE, number_of(place), 1)
    return 0


def take(memory: Memory, low: u64, need: Footprint) -> None:
    """What is needed, from `low` on and at the top, belongs to an object."""
    requires(memory.low <= low and need.above <= memory.high and low <= memory.high - need.above)
    requires(need.below <= memory.high - need.above - low and need.below + need.above >= UNIT)
    ensures(lambda: memory.high == old(memory.high) - need.above)
    end = low + need.below
    memory.low = end
    memory.high -= need.above
    memory.clean = max(memory.clean, end)
    memory.live += 1


def give_back(memory: Memory) -> None:
    """One of its objects has ended. When all have, all of it is free again."""
    memory.live -= 1
    if memory.live == 0:
        memory.low = 0
        memory.high = memory.size
        memory.clean = 0


def ceiling(memory: Memory, offset: u64) -> u64:
    """The physical address of a descriptor."""
    requires(offset <= memory.size)
    return memory.base + offset


def clear_some(memory: Memory, end: u64) -> None:
    """A step of clearing, towards `end`."""
    requires(not memory.device and memory.clean < end and memory.low <= end and end <= memory.high)
    ensures(lambda: memory.clean <= memory.size)
    start = max(memory.clean, memory.low)
    size = min(round_up(end, UNIT) - start, CLEAR_STEP)
    placement.clear(memory.base + start, size)
    memory.clean = start + size


def _fill(hart: Hart, memory: Memory, place: Slot, kind: Kind, size: u64, base: u64, high: u64, clean: u64) -> None:
    """Make the object, at `base` or with its descriptor at offset `high`, and name it in `place`."""
    descriptor = ceiling(memory, high)
    match kind:
        case Kind.ENDPOINT:
            place.object = placement.make_endpoint(base)
        case Kind.REPLY:
            place.object = placement.make_reply(base)
        case Kind.NOTIFICATION:
            place.object = placement.make_notification(base, size == 1)
        case Kind.MEMORY:
            place.object = placement.make_memory(descriptor, base, size, clean)
        case Kind.FRAME:
            place.object = hart.frame
            place.word = base
        case Kind.PAGE_TABLE:
            place.object = placement.make_page_table(descriptor, base)
        case Kind.ADDRESS_SPACE:
            space = placement.make_space(hart, descriptor, base)
            space.identifier = hart.next_identifier
            hart.next_identifier = wrapping_add(hart.next_identifier, 1)
            place.object = space
        case Kind.CAP_TABLE:
            place.object = placement.make_cap_table(base, size)
        case Kind.THREAD:
            thread = placement.make_thread(hart, base)
            thread.identifier = hart.next_identifier
            hart.next_identifier = wrapping_add(hart.next_identifier, 1)
            place.object = thread
        case Kind.SCHED_CONTEXT:
            context = placement.make_context(base)
            context.identifier = hart.next_identifier
            hart.next_identifier = wrapping_add(hart.next_identifier, 1)
            place.object = context
        case Kind.FLOATS:
            place.object = placement.make_floats(base, size)
        case Kind.DMA_SPACE:
            place.object = placement.make_dma_space(base, size)
        case Kind.TRACE:
            place.object = placement.make_trace(descriptor, base, size)
        case _:
            pass


def clear(hart: Hart, caller: Thread, memory: Memory) -> u64:
    """A step of CLEAR: the next `bytes` are to be zero."""
    wanted = caller.registers.a2
    if memory.device or wanted > memory.high - memory.low:
        return failure(Status.OUT_OF_RANGE, FIRST)
    end = memory.low + wanted
    if memory.clean >= end:
        return 0
    clear_some(memory, end)
    return AGAIN


def information(caller: Thread, memory: Memory) -> u64:
    """MEMORY_INFO."""
    free = memory.high - memory.low
    clean = min(memory.clean - memory.low, free) if memory.clean > memory.low else u64(0)
    return answer(caller, 0, memory.size, free, clean, 0)
