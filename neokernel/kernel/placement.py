"""Addresses become objects: the only place in the kernel proper where they do.

Obligation of every caller, for each `make_…`: the memory is RAM, aligned, zeroed, and part of no living object. What is
zero already isn't written; only references that must not be None are.
"""

from neokernel.abi.buffer import Buffer
from neokernel.abi.trace import RECORDS, Header, Record
from neokernel.arch import cpu
from neokernel.kernel.objects import (
    MOST_BYTES,
    MOST_PINS,
    MOST_RAM,
    MOST_TRACE_PAGES,
    MOST_VECTOR_BYTES,
    VECTORS,
    AddressSpace,
    CapTable,
    DmaSpace,
    Endpoint,
    Entries,
    Floats,
    Hart,
    Memory,
    Notification,
    Owners,
    PageTable,
    Pin,
    Reply,
    SchedContext,
    Slot,
    Thread,
    Trace,
)
from neokernel.lang import (
    Embedded,
    Span,
    address_of,
    copy,
    ensures,
    inline,
    new_at,
    object_at,
    requires,
    size_of,
    span_at,
    u8,
    u64,
    unsafe,
)

unsafe("kernel objects lie in memory that user space gave")

#: descriptors and tables begin at multiples of it
UNIT = 64
PAGE = 4096


def round_up(size: u64, unit: u64) -> u64:
    """The next multiple of `unit`, a power of 2."""
    requires(unit != 0 and unit & (unit - 1) == 0 and size <= 1 << 62 and unit <= 1 << 62)
    ensures(lambda result: result >= size and result - size < unit and result & (unit - 1) == 0)
    return (size + (unit - 1)) & ~(unit - 1)


TABLE_HEADER = round_up(size_of(CapTable), UNIT)
PINS_HEADER = round_up(size_of(DmaSpace), UNIT)
FLOATS_HEADER = round_up(size_of(Floats), UNIT)


def clear(base: u64, size: u64) -> None:
    """Zero physical memory; both are multiples of 64."""
    requires(base < MOST_RAM)
    cpu.clear(cpu.DIRECT + base, size)


def clear_descriptor(base: u64, size: u64) -> None:
    """The same for a descriptor, which takes one unit or two: so it isn't said to take as long as what may be large."""
    requires(base < MOST_RAM - UNIT)
    clear(base, UNIT)
    if size > UNIT:
        clear(base + UNIT, UNIT)


assert max(size_of(Memory), size_of(PageTable), size_of(AddressSpace), size_of(Trace)) <= 2 * UNIT, "two units"


def make_endpoint(base: u64) -> Endpoint:
    requires(base < MOST_RAM)
    return new_at(Endpoint, cpu.DIRECT + base)


def make_reply(base: u64) -> Reply:
    requires(base < MOST_RAM)
    return new_at(Reply, cpu.DIRECT + base)


def make_notification(base: u64, counting: bool) -> Notification:
    requires(base < MOST_RAM)
    made = new_at(Notification, cpu.DIRECT + base)
    made.counting = counting
    return made


def make_memory(place: u64, base: u64, size: u64, clean: u64, device: bool = False) -> Memory:
    """A descriptor at `place` for the memory at `base`, of which `clean` bytes are known to be zero."""
    requires(place < MOST_RAM and base % UNIT == 0 and size % UNIT == 0 and clean <= size)
    requires(max(base, size) <= MOST_BYTES if device else base < MOST_RAM and size < MOST_RAM - base)
    made = new_at(Memory, cpu.DIRECT + place)
    made.base = base
    made.size = size
    made.high = size
    made.clean = clean
    if device:
        made.device = True
    return made


@inline
def prepare_table(table: PageTable, base: u64, level: u8) -> None:
    """`table`, zeroed, gets the two pages at `base`."""
    requires(base < MOST_RAM - PAGE and level <= 2)
    table.entries = new_at(Entries, cpu.DIRECT + base)
    table.owners = new_at(Owners, cpu.DIRECT + base + PAGE)
    table.entries.table = table
    table.owners.table = table
    table.base = base
    table.level = level
    table.holder.user = table


def make_page_table(place: u64, base: u64) -> PageTable:
    """A descriptor at `place`, entries and owners in the two pages at `base`."""
    requires(place < MOST_RAM and base < MOST_RAM - PAGE)
    made = new_at(PageTable, cpu.DIRECT + place)
    prepare_table(made, base, 0)
    return made


def make_space(hart: Hart, place: u64, base: u64) -> AddressSpace:
    """A descriptor at `place`, the root table in the two pages at `base`; the upper half is the kernel's."""
    requires(place < MOST_RAM and base < MOST_RAM - PAGE)
    made = new_at(AddressSpace, cpu.DIRECT + place)
    prepare_table(made.root, base, 2)
    made.root.space = made
    copy(made.root.entries.entry[256:], hart.no_space.root.entries.entry[256:].view())
    return made


def make_cap_table(base: u64, slots: u64) -> CapTable:
    requires(base < MOST_RAM - TABLE_HEADER)
    made = new_at(CapTable, cpu.DIRECT + base)
    made.slots = span_at(Embedded[Slot], cpu.DIRECT + base + TABLE_HEADER, slots)
    return made


def make_thread(hart: Hart, base: u64) -> Thread:
    requires(base < MOST_RAM)
    made = new_at(Thread, cpu.DIRECT + base)
    made.hart = hart
    made.space = hart.no_space
    made.table = hart.no_table
    made.slots = hart.no_table.slots
    made.holder.user = made
    made.timer.owner = made
    made.registers.full = 1
    running = hart.current
    if running is not None:
        # A hart has one kernel stack, which its first thread got at boot.
        made.registers.kernel_stack = running.registers.kernel_stack
    return made


def make_context(base: u64) -> SchedContext:
    requires(base < MOST_RAM)
    made = new_at(SchedContext, cpu.DIRECT + base)
    made.timer.owner = made
    return made


def make_floats(base: u64, vector_bytes: u64) -> Floats:
    requires(base < MOST_RAM - FLOATS_HEADER and vector_bytes <= MOST_VECTOR_BYTES)
    made = new_at(Floats, cpu.DIRECT + base)
    made.vectors = span_at(u64, cpu.DIRECT + base + FLOATS_HEADER, VECTORS * vector_bytes // size_of(u64))
    return made


def make_dma_space(base: u64, pins: u64) -> DmaSpace:
    requires(base < MOST_RAM - PINS_HEADER and 0 < pins <= MOST_PINS)
    made = new_at(DmaSpace, cpu.DIRECT + base)
    made.pins = span_at(Embedded[Pin], cpu.DIRECT + base + PINS_HEADER, pins)
    made.holder.user = made
    return made


def make_trace(place: u64, base: u64, pages: u64) -> Trace:
    requires(place < MOST_RAM and 1 <= pages <= MOST_TRACE_PAGES and base <= MOST_RAM - (pages + 1) * PAGE)
    made = new_at(Trace, cpu.DIRECT + place)
    made.base = base
    made.pages = pages
    return made


def buffer_at(base: u64) -> Buffer:
    """A frame of RAM as a thread's buffer."""
    requires(base < MOST_RAM)
    return object_at(Buffer, cpu.DIRECT + base)


def all_registers(thread: Thread) -> Span[u64]:
    """pc, then x1 to x31."""
    return span_at(u64, address_of(thread.registers), 32)


def trace_header(trace: Trace) -> Header:
    return object_at(Header, cpu.DIRECT + trace.base)


def trace_record(trace: Trace, index: u64) -> Record:
    """Record `index` of the ring, less than its capacity."""
    requires(index < trace.pages * RECORDS)
    return object_at(Record, cpu.DIRECT + trace.base + PAGE + index * size_of(Record))
