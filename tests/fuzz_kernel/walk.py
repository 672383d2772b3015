"""The first look at the machine: all capabilities, in the order of their trees, and the objects that they own.

Afterwards `fuzz.slots`, `fuzz.threads` and the stamps say what lives. What can be said of a slot and its neighbours is
checked here; `invariants.py` checks what needs to know all that lives.
"""

from neokernel.abi.kinds import LARGE_SIZE
from neokernel.abi.rights import READ
from neokernel.arch import cpu
from neokernel.kernel.objects import (
    BADGED,
    BOUND,
    DEVICE,
    LARGE,
    MAXIMUM_DEPTH,
    OWNER,
    REVOKING,
    AddressSpace,
    CapTable,
    DmaSpace,
    Endpoint,
    Floats,
    Frame,
    Interrupt,
    Memory,
    Notification,
    PageTable,
    Pin,
    Platform,
    Processor,
    Reply,
    SchedContext,
    Slot,
    Thread,
    Trace,
)
from neokernel.kernel.placement import FLOATS_HEADER, PINS_HEADER, TABLE_HEADER
from neokernel.kernel.slot import number_of
from neokernel.lang import Array, address_of, array, size_of, span_at, u64, unsafe
from tests.fuzz_kernel.state import (
    MOST_SLOTS,
    MOST_THREADS,
    PAGE,
    PAGES,
    POOL,
    POOL_SIZE,
    Fuzz,
    cradle,
    physical,
    unit_of,
)

unsafe("memory of frames is looked at by its address")

#: what a frame holds that no process or kernel writes: its address, and this
PATTERN: u64 = 0x5A5A_0000_0000_A5A5


def walk(fuzz: Fuzz) -> None:
    """Go through all derivation trees. They begin in the cradle."""
    fuzz.epoch += 1
    fuzz.slot_count = 0
    fuzz.thread_count = 0
    fuzz.revoking = 0
    roots = cradle().slots
    for index in range(len(roots)):
        root = roots[index]
        if root.object is not None and root.previous is None:
            walk_tree(fuzz, root)


def walk_tree(fuzz: Fuzz, root: Slot) -> None:
    path: Array[Slot | None] = array(MAXIMUM_DEPTH + 1)
    assert root.depth == 0, "a tree's root is below something"
    assert root.parent is None, "a tree's root has a parent"
    before: Slot | None = None
    above: u64 = 0
    step: Slot | None = root
    while step is not None:
        slot = step
        assert slot.object is not None, "an empty slot is in a tree"
        assert slot.previous is before, "a list's links disagree"
        depth = u64(slot.depth)
        assert depth <= above, "a capability is deeper than the one before it allows"
        parent = path[depth - 1] if depth != 0 else None
        assert slot.parent is parent, "the parent isn't the nearest one above"
        assert depth == 0 or before is not None, "a list has two roots"
        if parent is not None:
            check_derived(slot, parent)
        if slot.flags & REVOKING != 0:
            fuzz.revoking += 1
        assert fuzz.slot_count < MOST_SLOTS, "the attack has too little room for slots"
        fuzz.slots[fuzz.slot_count] = slot
        fuzz.slot_count += 1
        if slot.flags & OWNER != 0:
            stamp(fuzz, slot, parent)
        if depth < MAXIMUM_DEPTH:
            path[depth] = slot
        above = depth if slot.flags & BOUND != 0 else min(depth + 1, MAXIMUM_DEPTH)
        before = slot
        step = slot.next


def check_derived(slot: Slot, parent: Slot) -> None:
    """A capability is no more than what it was derived from."""
    if slot.flags & OWNER != 0:
        assert isinstance(parent.object, Memory), "an object wasn't made of memory"
        return
    trace = parent.object
    if isinstance(trace, Trace) and isinstance(slot.object, Frame):
        inside = trace.base <= slot.word and slot.word <= trace.base + trace.pages * PAGE
        assert inside and slot.flags & LARGE == 0 and slot.rights & ~READ == 0, "a page that isn't the ring's"
        return
    assert same_object(slot, parent), "a copy names something else"
    assert slot.rights & ~parent.rights == 0, "a copy has more rights"
    assert slot.flags & (LARGE | DEVICE) == parent.flags & (LARGE | DEVICE), "a copy is of another size or device"
    if isinstance(slot.object, Frame) or parent.flags & BADGED != 0:
        assert slot.word == parent.word, "a copy has another badge or frame"
    if slot.flags & BADGED == 0 and not isinstance(slot.object, Frame):
        assert slot.word == 0, "a badge without being badged"


def same_object(slot: Slot, other: Slot) -> bool:
    return number_of(slot) == number_of(other) and base_of(slot) == base_of(other)


def base_of(slot: Slot) -> u64:
    """The address of the object."""
    thing = slot.object
    match thing:
        case None:
            return 0
        case Endpoint():
            return address_of(thing)
        case Reply():
            return address_of(thing)
        case Notification():
            return address_of(thing)
        case Memory():
            return address_of(thing)
        case Frame():
            return slot.word
        case PageTable():
            return address_of(thing)
        case AddressSpace():
            return address_of(thing)
        case CapTable():
            return address_of(thing)
        case Thread():
            return address_of(thing)
        case SchedContext():
            return address_of(thing)
        case Floats():
            return address_of(thing)
        case Interrupt():
            return address_of(thing)
        case DmaSpace():
            return address_of(thing)
        case Trace():
            return address_of(thing)
        case Processor():
            return address_of(thing)
        case Platform():
            return address_of(thing)


def size_in_place(slot: Slot) -> u64:
    """How many bytes lie at the object's address."""
    thing = slot.object
    match thing:
        case Endpoint():
            return size_of(Endpoint)
        case Reply():
            return size_of(Reply)
        case Notification():
            return size_of(Notification)
        case Memory():
            return size_of(Memory)
        case PageTable():
            return size_of(PageTable)
        case AddressSpace():
            return size_of(AddressSpace)
        case CapTable():
            return TABLE_HEADER + len(thing.slots) * size_of(Slot)
        case Thread():
            return size_of(Thread)
        case SchedContext():
            return size_of(SchedContext)
        case Floats():
            return FLOATS_HEADER + len(thing.vectors) * size_of(u64)
        case DmaSpace():
            return PINS_HEADER + len(thing.pins) * size_of(Pin)
        case Trace():
            return size_of(Trace)
        case _:
            return 0


def pages_of(slot: Slot) -> tuple[u64, u64]:
    """Physical address and size of the whole pages that the object has beside."""
    thing = slot.object
    match thing:
        case Frame():
            return slot.word, LARGE_SIZE if slot.flags & LARGE != 0 else u64(PAGE)
        case Memory():
            return thing.base, thing.size
        case PageTable():
            return thing.base, 2 * PAGE
        case AddressSpace():
            return thing.root.base, 2 * PAGE
        case Trace():
            return thing.base, (1 + thing.pages) * PAGE
        case _:
            return 0, 0


def stamp(fuzz: Fuzz, slot: Slot, parent: Slot | None) -> None:
    """The object lives: once, and inside the Memory that it was made of."""
    thing = slot.object
    if parent is None or slot.flags & DEVICE != 0:
        if isinstance(thing, Memory) and not thing.device:
            place(fuzz, slot, 0)
        return
    memory = parent.object
    if isinstance(memory, Memory):
        fuzz.counts[unit_of(address_of(memory))] += 1
        if not isinstance(thing, Frame):
            within(memory, physical(base_of(slot)), size_in_place(slot))
        start, size = pages_of(slot)
        if size != 0:
            within(memory, start, size)
    if isinstance(thing, Frame):
        frame(fuzz, slot)
        return
    place(fuzz, slot, u64(slot.depth))
    if isinstance(thing, Thread):
        assert fuzz.thread_count < MOST_THREADS, "the attack has too little room for threads"
        fuzz.threads[fuzz.thread_count] = thing
        fuzz.thread_count += 1


def place(fuzz: Fuzz, slot: Slot, depth: u64) -> None:
    """Remember what begins at a unit of the pool."""
    unit = unit_of(base_of(slot))
    known = fuzz.epoch * 32 + number_of(slot)
    assert fuzz.stamps[unit] // 32 != fuzz.epoch, "two owners of one object, or two objects in one place"
    fuzz.stamps[unit] = known
    fuzz.counts[unit] = 0
    fuzz.claims[unit] = 0


def within(memory: Memory, start: u64, size: u64) -> None:
    """What was made lies below `low` or above `high`."""
    low = memory.base + memory.low
    high = memory.base + memory.high
    inside = memory.base <= start and start + size <= low
    above = high <= start and start + size <= memory.base + memory.size
    assert inside or above, "an object lies in free memory, or outside of its Memory"


def lives(fuzz: Fuzz, address: u64, kind: u64) -> bool:
    """Does an object of this kind begin there?"""
    start = u64(cpu.DIRECT + POOL)
    if address < start or address >= start + POOL_SIZE or address % 64 != 0:
        return False
    return fuzz.stamps[(address - start) // 64] == fuzz.epoch * 32 + kind


def frame(fuzz: Fuzz, slot: Slot) -> None:
    """A new Frame is zero; then it gets a pattern that nobody destroys, unless it becomes a buffer."""
    page = (slot.word - POOL) // PAGE
    size = LARGE_SIZE if slot.flags & LARGE != 0 else u64(PAGE)
    assert slot.word % size == 0 and page < PAGES, "a frame that isn't aligned, or not in the pool"
    words = span_at(u64, cpu.DIRECT + slot.word, size // 8)
    if fuzz.frames[page] + 1 != fuzz.epoch:
        fuzz.buffers[page] = 0
        for index in range(len(words)):
            assert words[index] == 0, "a new frame isn't zero"
        for index in range(len(words)):
            words[index] = PATTERN ^ (slot.word + 8 * index)
    elif fuzz.buffers[page] == 0:
        index = fuzz.epoch * 17 % len(words)
        assert words[index] == PATTERN ^ (slot.word + 8 * index), "somebody has written into a frame"
    fuzz.frames[page] = fuzz.epoch


def whole_frame(fuzz: Fuzz, slot: Slot) -> None:
    """All words of a frame that isn't a buffer."""
    page = (slot.word - POOL) // PAGE
    if fuzz.buffers[page] != 0 or slot.flags & LARGE != 0:
        return
    words = span_at(u64, cpu.DIRECT + slot.word, PAGE // 8)
    for index in range(len(words)):
        assert words[index] == PATTERN ^ (slot.word + 8 * index), "somebody has written into a frame"
