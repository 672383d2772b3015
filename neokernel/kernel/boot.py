"""What happens once: the kernel learns what machine it is on, maps itself, and makes the root process.

The root gets everything: all memory that is left, all devices, all interrupt lines, the processor and the platform.
Its own objects lie in memory that no Memory names, so that nothing made later can overlap them; the capabilities of its
pages and page tables are in slots of no table that can be named.

Memory, from the image's start: boot's own code, the kernel, the root's objects (up to the archive, which begins at a
multiple of 2 MiB), the archive, a copy of the device tree, the root's own pages (up to the next multiple of 2 MiB).
From the archive on, all is mapped for the root by large pages, read-only, at `ARCHIVE_ADDRESS`. A table that the root
is given has a frame for each page of the archive, so that programs can be mapped where they are.

Invariants: nothing that the device tree says is trusted; what can't be is said on the console, and ends the machine.
Everything here is used before the first thread runs, and never again.
"""

from neokernel.abi import archive
from neokernel.abi.boot import (
    ARCHIVE_ADDRESS,
    BOOT_INFO_ADDRESS,
    FIRST_DYNAMIC,
    MAXIMUM_REGIONS,
    OWN_BUFFER,
    OWN_CONTEXT,
    OWN_SPACE,
    OWN_TABLE,
    OWN_THREAD,
    PLATFORM,
    PROCESSOR,
    ROOT_BUFFER_ADDRESS,
    ROOT_SLOTS,
    ROOT_STACK_TOP,
    BootInfo,
)
from neokernel.abi.call import NEVER
from neokernel.abi.kinds import LARGE_SIZE, PAGE_SIZE
from neokernel.abi.operations import Binding
from neokernel.abi.rights import ALL, EXECUTE, READ, WRITE
from neokernel.arch import cpu
from neokernel.arch.riscv64 import boot as machine
from neokernel.arch.riscv64.boot import RAM, Console, Image, Pages, panic
from neokernel.arch.riscv64.panic import TEST_DEVICE, UART
from neokernel.kernel import placement, schedule, space, syscall
from neokernel.kernel.devicetree import Tree, open_blocks
from neokernel.kernel.inventory import Inventory, Range, Ranges, take_inventory
from neokernel.kernel.notification import go_on
from neokernel.kernel.objects import (
    ACCESSED,
    ASIDS,
    DEVICE,
    DIRTY,
    LARGE,
    MOST_BYTES,
    MOST_RAM,
    OWNER,
    USER,
    VALID,
    VECTORS,
    AddressSpace,
    CapTable,
    Frame,
    Hart,
    Interrupt,
    Memory,
    PageTable,
    Platform,
    Processor,
    SchedContext,
    Slot,
    State,
    Thread,
    is_allowed,
)
from neokernel.kernel.placement import TABLE_HEADER, UNIT, round_up
from neokernel.kernel.slot import derive_bound, is_fertile
from neokernel.kernel.thread import use
from neokernel.lang import (
    Embedded,
    copy,
    ensures,
    inline,
    loop_bound,
    new_at,
    object_at,
    size_of,
    span_at,
    struct,
    truncate,
    u8,
    u16,
    u32,
    u64,
    unsafe,
    wire_view,
)

unsafe("the first objects lie where boot puts them")

#: a device tree is at most this long
MOST_TREE = 1 << 20
#: physical addresses in the direct map
DIRECT_SIZE = 254 << 30
GIGABYTE = 1 << 30
#: where a PLIC has the registers of its contexts, how many it can have, and how many lines (PLIC specification, 1.0)
PLIC_CONTEXTS = 0x20_0000
MOST_CONTEXTS = 15872
MOST_LINES = 1023
#: interrupt lines that are in the root's table
MOST_LINES_GRANTED = ROOT_SLOTS // 2
#: no device has registers beyond
MOST_ADDRESS = MOST_BYTES
STACK_SIZE = 64 << 10
#: slots for the root's page tables; and what is kept for what is made of devices and memory
ROOT_TABLES = 16
#: the root's priority: others can be above and below. It gives way to its equals after 1/100 s
ROOT_PRIORITY = 128
SLICES = 100


@struct
class Root:
    """The root process in the making. `objects` and `own` are where its objects and its pages come from.

    `hidden` has the slots of its pages and page tables, of which `used` are; `next` is its table's next free slot.
    """

    hart: Hart
    objects: Pages
    own: Pages
    table: CapTable
    hidden: CapTable
    archive: CapTable
    space: AddressSpace
    thread: Thread
    context: SchedContext
    info: BootInfo
    used: u64 = 0
    next: u64 = FIRST_DYNAMIC

    def hide(self) -> Slot:
        """An empty slot that has no name."""
        self.used += 1
        return self.hidden.slots[self.used - 1]

    def take_slot(self) -> Slot:
        """The next empty slot of the root's table."""
        self.next += 1
        return self.table.slots[self.next - 1]


def boot(number: u64, tree_address: u64, started: u64) -> None:
    """From the boot code, on hart `number`, which had executed `started` instructions when it entered the kernel."""
    console = Console()
    parts = machine.image()
    tree = Tree()
    found = Inventory()
    tree_size = read_tree(console, tree, found, number, tree_address)
    context = check_devices(console, found)
    tree_copy = parts.archive_end
    own_start = tree_copy + whole(tree_size)
    own_end = own_start + PAGE_SIZE + own_size(console, parts)
    free = Ranges()
    list_memory(console, found, tree, tree_address, tree_size, own_end, free)
    # Before the tree's memory is given away.
    copy(machine.bytes_at(tree_copy, tree_size), machine.bytes_at(tree_address, tree_size).view())

    objects = machine.pages_between(parts.end, parts.archive)
    own = machine.pages_between(own_start, own_end)
    hart = make_hart(objects, number, found)
    kernel = hart.no_space.root.base
    map_everything(objects, kernel, parts, found, free, own_end)
    machine.use_tables(kernel)
    prepare(hart, found, context)
    info_page = own.take(PAGE_SIZE)
    root = Root(
        hart=hart,
        objects=objects,
        own=own,
        table=placement.make_cap_table(objects.take(table_size(ROOT_SLOTS), UNIT), ROOT_SLOTS),
        hidden=make_hidden(objects, parts, own_end),
        archive=make_archive(hart, objects, parts),
        space=placement.make_space(hart, objects.take(size_of(AddressSpace), UNIT), objects.take(2 * PAGE_SIZE)),
        thread=placement.make_thread(hart, objects.take(size_of(Thread), UNIT)),
        context=placement.make_context(objects.take(size_of(SchedContext), UNIT)),
        info=object_at(BootInfo, cpu.DIRECT + info_page),
    )
    buffer = own.take(PAGE_SIZE)
    grant_own(root, buffer)
    map_page(root, root.table.slots[OWN_BUFFER], ROOT_BUFFER_ADDRESS, READ | WRITE)
    map_hidden(root, BOOT_INFO_ADDRESS, info_page, READ)
    map_new(root, ROOT_STACK_TOP - STACK_SIZE, STACK_SIZE, READ | WRITE)
    map_archive(root, parts.archive, own_end)
    map_program(root, parts)
    cpu.fence_instructions(hart.cpu)

    info = root.info
    info.frequency = found.frequency
    info.archive_size = archive_header(parts).size
    info.tree_offset = tree_copy - parts.archive
    info.tree_size = tree_size
    grant_devices(root, found)
    grant_lines(root)
    grant_archive(root)
    grant_memory(root, free, parts)
    info.free_first = u32(root.next)
    begin(root, root_file(parts).entry)
    console.write(f"neokernel on hart {number}: {total(free) >> 20} MiB of memory, {found.devices.count} devices, ")
    console.write(f"{len(hart.lines)} interrupt lines, {hart.frequency} ticks a second\n")
    info.vector_bytes = u32(hart.vector_words * size_of(u64) // VECTORS)
    info.boot_instructions = machine.instructions() - started
    machine.leave(syscall.leave(hart, root.thread), kernel, parts)


# --- what the machine is ----------------------------------------------------------------------------------------------


def read_tree(console: Console, tree: Tree, found: Inventory, number: u64, address: u64) -> u64:
    """Take the inventory; the size of the device tree."""
    if address % 8 != 0 or address >= DIRECT_SIZE or address % GIGABYTE > GIGABYTE - MOST_TREE:
        console.write(f"panic: the device tree can't be at {address:#x}\n")
        panic()
    wrong = open_blocks(tree, machine.bytes_at(address, MOST_TREE).bytes())
    if wrong is None:
        wrong = take_inventory(tree, found, number)
    if wrong is not None:
        console.write(f"panic: the device tree is broken: {wrong.problem.name} at byte {wrong.offset}\n")
        panic()
    if not found.present or found.frequency == 0:
        console.write(f"panic: the device tree doesn't say what hart {number} is, or how its timer counts\n")
        panic()
    return whole(tree.size, 8)


def check_devices(console: Console, found: Inventory) -> u64:
    """The interrupt controller can be mapped; gives its context for this hart."""
    plic = found.plic
    context = found.context()
    if context is None:
        console.write("panic: the device tree has no interrupt controller (PLIC) for this hart\n")
        panic()
    end = plic.base + plic.size
    aligned = plic.base % PAGE_SIZE == 0 and plic.size % PAGE_SIZE == 0
    if not aligned or end > RAM or context >= MOST_CONTEXTS or plic.size < PLIC_CONTEXTS + PAGE_SIZE * (context + 1):
        console.write(f"panic: the interrupt controller can't have {plic.size:#x} bytes at {plic.base:#x}\n")
        panic()
    if overlaps(plic, UART, PAGE_SIZE) or overlaps(plic, TEST_DEVICE, PAGE_SIZE):
        console.write(f"panic: the interrupt controller, at {plic.base:#x}, overlaps other devices\n")
        panic()
    return context


def overlaps(range: Range, base: u64, size: u64) -> bool:
    """Does the range have a byte of those? Both ends fit 64 bits."""
    return range.base < base + size and base < range.base + range.size


def list_memory(
    console: Console, found: Inventory, tree: Tree, tree_address: u64, tree_size: u64, end: u64, free: Ranges
) -> None:
    """`free` gets what isn't reserved, and isn't the kernel's, which reaches from the start of RAM to `end`."""
    taken = found.reserved
    for index in range(len(tree.reservations) // 16):
        region = tree.reservation(index)
        if region is not None:
            taken.add(region.address, region.size)
    start = machine.image().boot
    for item in taken.items[: taken.count]:
        if overlaps(item, start, end - start):
            console.write(f"panic: {item.size:#x} bytes at {item.base:#x} are reserved, and the kernel's\n")
            panic()
    if tree_address < end and start < tree_address + tree_size:
        console.write(f"panic: the device tree, at {tree_address:#x}, lies in the kernel's memory\n")
        panic()
    taken.add(RAM, end - RAM)
    present = False
    for memory in found.memory.items[: found.memory.count]:
        low = max(memory.base, RAM)
        high = min(memory.base + memory.size, DIRECT_SIZE)
        if low < high:
            present = present or (low <= start and end <= high)
            list_free(low, high, taken, free)
            taken.add(low, high - low)
    if not present:
        console.write(f"panic: the device tree has no memory for the kernel, {start:#x} to {end:#x}\n")
        panic()
    if taken.lost != 0 or found.memory.lost != 0 or free.lost != 0:
        console.write("panic: the device tree has more pieces of memory than the kernel can count\n")
        panic()


def list_free(low: u64, high: u64, taken: Ranges, free: Ranges) -> None:
    """The whole pages from `low` to `high` that aren't in `taken`."""
    place = low
    while place < high:
        loop_bound(len(taken.items) + 1)
        stop = high
        next = high
        for item in taken.items[: taken.count]:
            if item.base + item.size > place and item.base < stop:
                stop = max(item.base, place)
                next = item.base + item.size
        first = whole(place)
        last = stop & ~u64(PAGE_SIZE - 1)
        if first < last:
            free.add(first, last - first)
        place = next


def total(ranges: Ranges) -> u64:
    sum: u64 = 0
    for item in ranges.items[: ranges.count]:
        sum += item.size
    return sum


@inline
def whole(size: u64, unit: u64 = PAGE_SIZE) -> u64:
    """Up to the next multiple of `unit`, a power of 2."""
    assert size <= MOST_ADDRESS
    return round_up(size, unit)


# --- the kernel's own -------------------------------------------------------------------------------------------------


def make_hart(objects: Pages, number: u64, found: Inventory) -> Hart:
    """The hart's state; with an address space that has no user, and no entries yet."""
    place = objects.take(size_of(Hart), UNIT)
    root = objects.take(2 * PAGE_SIZE)
    count = min(found.lines, MOST_LINES)
    lines = objects.take(whole(count * size_of(Interrupt), UNIT), UNIT)
    hart = new_at(Hart, cpu.DIRECT + place)
    hart.number = truncate(u32, number)
    hart.frequency = found.frequency
    hart.budget_end = NEVER
    hart.wheel.earliest = NEVER
    hart.next_asid = 1
    hart.next_identifier = 1
    hart.processor.hart = hart
    hart.platform.hart = hart
    placement.prepare_table(hart.no_space.root, root, 2)
    hart.no_space.root.space = hart.no_space
    hart.lines = span_at(Embedded[Interrupt], cpu.DIRECT + lines, count)
    for index in range(len(hart.lines)):
        interrupt = hart.lines[index]
        interrupt.line = u32(index + 1)
        # So it is; but of a span's objects the prover takes it that they are as they should be.
        interrupt.holder.user = None
        interrupt.holder.user = interrupt
    return hart


def prepare(hart: Hart, found: Inventory, context: u64) -> None:
    """What the processor must know before a thread runs."""
    assert found.plic.base < RAM and context < MOST_CONTEXTS
    if found.has_vectors():
        hart.vector_words = VECTORS * u64(cpu.vector_bytes(hart.cpu)) // size_of(u64)
    hart.asid_limit = min(u64(ASIDS), cpu.asid_limit(schedule.SV39 | (hart.no_space.root.base >> 12)))
    cpu.prepare(hart.cpu, cpu.DIRECT + found.plic.base, context, found.has_extension(b"sstc"))


def map_everything(objects: Pages, kernel: u64, parts: Image, found: Inventory, free: Ranges, end: u64) -> None:
    """The kernel's map. In the direct map is what is free, what the kernel writes, and the devices that it uses."""
    machine.map_kernel(objects, kernel, parts)
    machine.map_direct(objects, kernel, parts.boot, parts.code - parts.boot)
    # What is free behind the kernel's own memory goes along with it: together they are whole large pages.
    first = free.items[0]
    joined = free.count != 0 and first.base == end
    machine.map_direct(objects, kernel, parts.data, (first.base + first.size if joined else end) - parts.data)
    for item in free.items[1 if joined else 0 : free.count]:
        machine.map_direct(objects, kernel, item.base, item.size)
    machine.map_direct(objects, kernel, UART, PAGE_SIZE)
    machine.map_direct(objects, kernel, TEST_DEVICE, PAGE_SIZE)
    machine.map_direct(objects, kernel, found.plic.base, found.plic.size)


# --- the archive ------------------------------------------------------------------------------------------------------


def archive_header(parts: Image) -> archive.Header:
    return wire_view(archive.Header, machine.bytes_at(parts.archive, size_of(archive.Header)))


def root_file(parts: Image) -> archive.File:
    """The first file of the archive."""
    place = parts.archive + size_of(archive.Header)
    return wire_view(archive.File, machine.bytes_at(place, size_of(archive.File)))


def segment_at(parts: Image, index: u64) -> archive.Segment:
    header = archive_header(parts)
    place = parts.archive + size_of(archive.Header) + u64(header.count) * size_of(archive.File)
    size: u64 = size_of(archive.Segment)
    return wire_view(archive.Segment, machine.bytes_at(place + index * size, size))


def in_place(part: archive.Segment) -> bool:
    """Can the segment be mapped where the archive holds it?"""
    return part.flags & archive.WRITABLE == 0 and part.memory_size == part.file_size


def own_size(console: Console, parts: Image) -> u64:
    """How much memory the root's own pages take. What `nk` builds is right; what isn't, ends here."""
    header = archive_header(parts)
    file = root_file(parts)
    sound = header.magic == archive.MAGIC and header.size <= parts.archive_end - parts.archive
    if not sound or header.count == 0 or u64(file.first_segment) + u64(file.segment_count) > u64(header.segment_count):
        console.write("panic: the image holds no archive of programs\n")
        panic()
    size: u64 = STACK_SIZE + 2 * PAGE_SIZE
    for index in range(u64(file.segment_count)):
        part = segment_at(parts, u64(file.first_segment) + index)
        inside = part.offset <= header.size and part.file_size <= header.size - part.offset
        fits = part.address < ROOT_STACK_TOP and part.memory_size < ROOT_STACK_TOP - STACK_SIZE - part.address
        both: u32 = archive.WRITABLE | archive.EXECUTABLE
        if not inside or not fits or part.file_size > part.memory_size or part.flags & both == both:
            console.write("panic: the root program's segments can't be mapped\n")
            panic()
        if not in_place(part):
            size += whole(part.memory_size)
    return size


# --- the root process -------------------------------------------------------------------------------------------------


def table_size(slots: u64) -> u64:
    return TABLE_HEADER + slots * size_of(Slot)


def make_hidden(objects: Pages, parts: Image, end: u64) -> CapTable:
    """Slots for the root's page tables and pages."""
    file = root_file(parts)
    count = ROOT_TABLES + (STACK_SIZE + PAGE_SIZE) // PAGE_SIZE + (end - parts.archive) // LARGE_SIZE
    count += (end - parts.archive) % LARGE_SIZE // PAGE_SIZE
    for index in range(u64(file.segment_count)):
        part = segment_at(parts, u64(file.first_segment) + index)
        count += whole(part.memory_size) // PAGE_SIZE
    return placement.make_cap_table(objects.take(table_size(count), UNIT), count)


def make_archive(hart: Hart, objects: Pages, parts: Image) -> CapTable:
    """A frame for each page of the archive, so that programs can be mapped where they are."""
    count = archive_header(parts).size // PAGE_SIZE
    made = placement.make_cap_table(objects.take(table_size(count), UNIT), count)
    for index in range(count):
        fill(made.slots[index], hart.frame, parts.archive + index * PAGE_SIZE, READ | EXECUTE)
    return made


def fill(
    slot: Slot,
    object: AddressSpace
    | CapTable
    | Frame
    | Interrupt
    | Memory
    | PageTable
    | Platform
    | Processor
    | SchedContext
    | Thread,
    word: u64 = 0,
    rights: u16 = ALL,
    flags: u8 = OWNER,
) -> None:
    """An empty slot gets the first capability of an object; `word` is a frame's address."""
    ensures(lambda: slot.object is not None)
    assert slot.object is None and word < MOST_RAM
    slot.object = object
    slot.word = word
    slot.rights = rights
    slot.flags = flags


def grant_own(root: Root, buffer: u64) -> None:
    """The capabilities that each root finds, and what its thread is made of."""
    hart = root.hart
    slots = root.table.slots
    fill(slots[OWN_TABLE], root.table)
    fill(slots[OWN_SPACE], root.space)
    fill(slots[OWN_THREAD], root.thread)
    fill(slots[OWN_CONTEXT], root.context)
    fill(slots[OWN_BUFFER], hart.frame, buffer)
    fill(slots[PROCESSOR], hart.processor)
    fill(slots[PLATFORM], hart.platform)
    identifier = hart.next_identifier
    root.space.identifier = identifier
    root.thread.identifier = identifier
    root.context.identifier = identifier
    hart.next_identifier += 1
    bind(root, Binding.SPACE, slots[OWN_SPACE])
    bind(root, Binding.TABLE, slots[OWN_TABLE])
    bind(root, Binding.BUFFER, slots[OWN_BUFFER])
    slice = hart.frequency // SLICES
    schedule.configure(root.context, ROOT_PRIORITY, slice, slice, cpu.now(hart.cpu))
    bind(root, Binding.CONTEXT, slots[OWN_CONTEXT])


def bind(root: Root, which: Binding, given: Slot) -> None:
    thread = root.thread
    place = thread.bindings[u64(which.value)]
    assert place.object is None and given.object is not None and is_fertile(given) and given.flags & DEVICE == 0
    derive_bound(root.hart, given, place, thread.holder, u16(which.value))
    use(root.hart, thread, place)


def begin(root: Root, entry: u64) -> None:
    """The root's thread is ready."""
    thread = root.thread
    assert thread.state is State.STOPPED and not thread.ready and root.hart.current is None
    registers = thread.registers
    registers.kernel_stack = machine.stack_top()
    registers.pc = entry
    registers.sp = ROOT_STACK_TOP
    registers.a0 = BOOT_INFO_ADDRESS
    registers.a1 = ROOT_BUFFER_ADDRESS
    go_on(root.hart, thread)


# --- its address space ------------------------------------------------------------------------------------------------


def map_page(root: Root, slot: Slot, address: u64, rights: u16) -> None:
    """The page of 4 KiB that `slot` names."""
    table = table_at(root, table_at(root, root.space.root, address), address)
    put(table, space.index_at(address, 0), slot, entry_of(slot.word, rights))


def put(table: PageTable, index: u64, slot: Slot, entry: u64) -> None:
    """Fill an empty entry with what `slot` names."""
    assert table.owners.slot[index] is None and slot.holder is None and is_allowed(slot, entry)
    assert isinstance(slot.object, (Frame, PageTable))
    space.put(table, index, slot, entry)


def entry_of(physical: u64, rights: u16) -> u64:
    return (physical >> 2) | (u64(rights) << 1) | VALID | USER | ACCESSED | DIRTY


def table_at(root: Root, table: PageTable, address: u64) -> PageTable:
    """The table of the next level on the way to the address, made if there is none."""
    found = space.table_below(table, address)
    if found is not None:
        return found
    place = root.objects.take(size_of(PageTable), UNIT)
    made = placement.make_page_table(place, root.objects.take(2 * PAGE_SIZE))
    index = space.index_at(address, table.level)
    made.level = table.level - 1
    made.parent = table
    made.index = u16(index)
    slot = root.hide()
    fill(slot, made)
    put(table, index, slot, (made.base >> 2) | VALID)
    return made


def map_hidden(root: Root, address: u64, physical: u64, rights: u16) -> None:
    """A page of 4 KiB, whose capability has no name."""
    slot = root.hide()
    fill(slot, root.hart.frame, physical, rights)
    map_page(root, slot, address, rights)


def map_new(root: Root, address: u64, size: u64, rights: u16) -> u64:
    """Zeroed pages of the root's own; their physical address."""
    physical = root.own.take(size)
    for done in range(u64(0), size, PAGE_SIZE):
        map_hidden(root, address + done, physical + done, rights)
    return physical


def map_archive(root: Root, physical: u64, end: u64) -> None:
    """By large pages, and the rest by small ones: what lies behind `end` is free."""
    large = (end - physical) // LARGE_SIZE * LARGE_SIZE
    for done in range(large, end - physical, PAGE_SIZE):
        map_hidden(root, ARCHIVE_ADDRESS + done, physical + done, READ)
    for done in range(u64(0), large, LARGE_SIZE):
        address = ARCHIVE_ADDRESS + done
        slot = root.hide()
        fill(slot, root.hart.frame, physical + done, READ, OWNER | LARGE)
        table = table_at(root, root.space.root, address)
        put(table, space.index_at(address, 1), slot, entry_of(physical + done, READ))


def map_program(root: Root, parts: Image) -> None:
    """The root program's segments: where they are, if they aren't written."""
    file = root_file(parts)
    for index in range(u64(file.segment_count)):
        part = segment_at(parts, u64(file.first_segment) + index)
        rights = READ
        if part.flags & archive.WRITABLE != 0:
            rights |= WRITE
        if part.flags & archive.EXECUTABLE != 0:
            rights |= EXECUTE
        content = parts.archive + part.offset
        size = whole(part.memory_size)
        if in_place(part):
            for done in range(u64(0), size, PAGE_SIZE):
                map_hidden(root, part.address + done, content + done, rights)
        else:
            place = map_new(root, part.address, size, rights)
            filled = part.file_size
            copy(machine.bytes_at(place, filled), machine.bytes_at(content, filled).view())


# --- what the root is given -------------------------------------------------------------------------------------------


def grant_region(root: Root, base: u64, size: u64, device: bool) -> None:
    """A Memory of the region; `info` says so."""
    info = root.info
    slot = root.take_slot()
    assert base % PAGE_SIZE == 0 and size % PAGE_SIZE == 0
    assert max(base, size) <= MOST_ADDRESS if device else base < MOST_RAM and size < MOST_RAM - base
    memory = placement.make_memory(root.objects.take(size_of(Memory), UNIT), base, size, 0, device)
    fill(slot, memory, 0, ALL, OWNER | DEVICE if device else OWNER)
    region = info.regions[u64(info.region_count)]
    region.base = base
    region.size = size
    region.slot = u32(root.next - 1)
    region.device = u32(device)
    info.region_count += 1


def grant_devices(root: Root, found: Inventory) -> None:
    """The pages with the devices' registers, once each. What lies in memory, or is the kernel's, isn't given away."""
    info = root.info
    for item in found.devices.items[: found.devices.count]:
        base = item.base & ~u64(PAGE_SIZE - 1)
        if item.base + item.size > MOST_ADDRESS or info.region_count == MAXIMUM_REGIONS // 2:
            continue
        size = whole(item.base + item.size) - base
        free = not overlaps(found.plic, base, size)
        for memory in found.memory.items[: found.memory.count]:
            free = free and not overlaps(memory, base, size)
        for region in info.regions[: u64(info.region_count)]:
            free = free and (region.base >= base + size or base >= region.base + region.size)
        if free:
            grant_region(root, base, size, True)


def grant_lines(root: Root) -> None:
    info = root.info
    lines = root.hart.lines
    info.interrupt_first = u32(root.next)
    for index in range(min(len(lines), MOST_LINES_GRANTED)):
        fill(root.take_slot(), lines[index])
        info.interrupt_count += 1


def grant_archive(root: Root) -> None:
    root.info.archive_table = u32(root.next)
    fill(root.take_slot(), root.archive)


def grant_memory(root: Root, free: Ranges, parts: Image) -> None:
    """All that is left; the last two pieces are boot's own code, and what it didn't need of the room for objects."""
    info = root.info
    for item in free.items[: free.count]:
        if info.region_count < MAXIMUM_REGIONS - 2:
            grant_region(root, item.base, item.size, False)
    grant_region(root, parts.boot, parts.code - parts.boot, False)
    base = whole(root.objects.next + UNIT * (size_of(Memory) // UNIT + 1))
    if base < parts.archive:
        grant_region(root, base, parts.archive - base, False)
