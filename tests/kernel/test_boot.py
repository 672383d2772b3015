"""Boot, on simulated memory: what the root process finds, and why a machine can't be booted."""

from __future__ import annotations

import itertools
import struct
from typing import Any

import pytest

from neokernel import lang
from neokernel.abi import boot
from neokernel.abi.archive import EXECUTABLE, WRITABLE
from neokernel.abi.boot import ARCHIVE_ADDRESS, BOOT_INFO_ADDRESS, ROOT_BUFFER_ADDRESS, ROOT_SLOTS, ROOT_STACK_TOP
from neokernel.abi.call import NEVER
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding, Operation
from neokernel.abi.rights import ALL, EXECUTE, READ, WRITE
from neokernel.abi.status import FIRST, Status
from neokernel.arch.riscv64.panic import TEST_DEVICE, UART
from neokernel.image.archive import Entry, Part, pack
from neokernel.kernel import placement
from neokernel.kernel.objects import DEVICE, OWNER, CapTable, Frame, Interrupt, Memory, State
from tests.kernel.boot_support import (
    ASIDS,
    CODE,
    CONSTANTS,
    DIRECT,
    ENTRY,
    FREQUENCY,
    IMAGE,
    LARGE,
    NOW,
    PAGE,
    PARTS,
    PLIC,
    RAM,
    RAM_SIZE,
    SEGMENTS,
    STACK_TOP,
    TREE,
    A,
    Board,
    Booted,
    D,
    G,
    R,
    Simulation,
    U,
    V,
    W,
    X,
    archive,
    booted,
    merged,
    panics,
    program,
    u64,
)
from tests.kernel.devicetree_samples import cells

RAM_END = RAM + RAM_SIZE
STACK = 64 << 10
#: what the kernel and the root may do with a page
KERNEL_DATA, KERNEL_CONSTANTS, KERNEL_CODE = V | R | W | G | A | D, V | R | G | A, V | R | X | G | A
USER = V | U | A | D


def up(size: int, unit: int = PAGE) -> int:
    return -(-int(size) // unit) * unit


# --- what the root is told --------------------------------------------------------------------------------------------


def test_the_console_says_what_machine_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    found = booted(monkeypatch)
    own_end = found.own[1]
    assert found.simulation.said == (
        f"neokernel on hart 1: {RAM_END - own_end >> 20} MiB of memory, 2 devices, 31 interrupt lines, "
        "10000000 ticks a second\n"
    )


def test_boot_info_describes_the_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    found = booted(monkeypatch)
    info, parts = found.info, found.parts
    assert info.frequency == FREQUENCY
    assert info.archive_size == len(found.simulation.board.archive) == parts.archive_end - parts.archive
    assert info.tree_offset == info.archive_size
    assert info.tree_size == up(len(found.simulation.tree), 8) != len(found.simulation.tree)
    assert info.vector_bytes == 16
    assert info.boot_instructions == 50_234


def test_slots_are_as_boot_info_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """Devices, lines, the archive's frames, memory; behind them all are free."""
    found = booted(monkeypatch)
    info = found.info
    slots = [info.regions[index].slot for index in range(info.region_count)]
    assert (info.interrupt_count, info.region_count) == (31, 5)
    assert slots[:2] == [boot.FIRST_DYNAMIC, boot.FIRST_DYNAMIC + 1] and info.interrupt_first == slots[1] + 1
    assert info.archive_table == info.interrupt_first + 31
    assert slots[2:] == list(range(info.archive_table + 1, info.free_first))
    used = [index for index in range(ROOT_SLOTS) if found.slots[index].object is not None]
    assert used == list(range(1, info.free_first)) and len(found.slots) == ROOT_SLOTS


def test_the_archive_and_the_tree_can_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    found = booted(monkeypatch)
    packed, tree = bytes(found.simulation.board.archive), found.simulation.tree
    assert found.bytes_at(ARCHIVE_ADDRESS, len(packed)) == packed
    assert found.bytes_at(ARCHIVE_ADDRESS + int(found.info.tree_offset), len(tree)) == tree


# --- its capabilities -------------------------------------------------------------------------------------------------


def test_the_root_has_its_own_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    found = booted(monkeypatch)
    hart, root, slots = found.hart, found.root, found.slots
    buffer = found.user[ROOT_BUFFER_ADDRESS].physical
    own: list[tuple[int, Any, int]] = [
        (boot.OWN_TABLE, root.table, 0),
        (boot.OWN_SPACE, root.space, 0),
        (boot.OWN_THREAD, root, 0),
        (boot.OWN_CONTEXT, root.context, 0),
        (boot.OWN_BUFFER, hart.frame, buffer),
        (boot.PROCESSOR, hart.processor, 0),
        (boot.PLATFORM, hart.platform, 0),
    ]
    for index, thing, word in own:
        slot = slots[index]
        assert slot.object is thing
        assert (slot.word, slot.rights, slot.flags, slot.depth) == (word, ALL, OWNER, 0)
    assert hart.processor.hart is hart and hart.platform.hart is hart
    found.check()


def test_the_root_has_all_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    found = booted(monkeypatch)
    for number in range(31):
        slot = found.slots[int(found.info.interrupt_first) + number]
        assert isinstance(slot.object, Interrupt) and slot.object is found.hart.lines[number]
        assert slot.object.line == number + 1 and slot.object.holder.user is slot.object
        assert (slot.word, slot.rights, slot.flags) == (0, ALL, OWNER)


@pytest.mark.parametrize(("lines", "kept", "granted"), [(0, 0, 0), (1023, 1023, 512), (2000, 1023, 512)])
def test_only_so_many_lines(monkeypatch: pytest.MonkeyPatch, lines: int, kept: int, granted: int) -> None:
    found = booted(monkeypatch, lines=lines)
    assert (len(found.hart.lines), found.info.interrupt_count) == (kept, granted)
    assert found.info.archive_table == found.info.interrupt_first + granted


def test_segments_of_other_programs_are_not_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next one can't be mapped, and would need more slots than there is memory for."""
    others = [Part(0x1_0000, 0, PAGE + 1, 1 << 50, WRITABLE | EXECUTABLE)]
    packed = bytearray(pack([program(), Entry("more", bytes(LARGE), 0, 0, tuple(others))]))
    found = booted(monkeypatch, archive=packed)
    assert found.user.keys() == booted(monkeypatch, archive=archive(more=LARGE)).user.keys()


def test_a_frame_for_each_page_of_the_archive(monkeypatch: pytest.MonkeyPatch) -> None:
    found = booted(monkeypatch)
    slot = found.slots[int(found.info.archive_table)]
    table = slot.object
    assert isinstance(table, CapTable) and (slot.rights, slot.flags) == (ALL, OWNER)
    assert len(table.slots) == found.info.archive_size // PAGE
    for index, frame in enumerate(table.slots):
        assert isinstance(frame.object, Frame) and frame.word == found.parts.archive + index * PAGE
        assert (frame.rights, frame.flags) == (READ | EXECUTE, OWNER)


def test_a_memory_for_each_region(monkeypatch: pytest.MonkeyPatch) -> None:
    found = booted(monkeypatch)
    for number, (base, size, device) in enumerate(found.regions()):
        slot = found.slots[int(found.info.regions[number].slot)]
        memory = slot.object
        assert isinstance(memory, Memory)
        assert (memory.base, memory.size, memory.device) == (base, size, device)
        assert (memory.low, memory.high, memory.clean, memory.live) == (0, size, 0, 0)
        assert (slot.word, slot.rights, slot.flags) == (0, ALL, OWNER | DEVICE if device else OWNER)


# --- devices and memory -----------------------------------------------------------------------------------------------


def test_devices_are_granted_once_and_by_whole_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """None that has a byte in memory or in the PLIC, or lies where no address goes."""
    most = 1 << 56
    end = PLIC[0] + PLIC[1]
    cases = [
        ((UART + 0x3001, 0x10), (UART + 0x3000, PAGE)),
        ((UART, 0x100), (UART, PAGE)),
        ((UART + 0x800, 0x100), None),
        ((UART + PAGE, 0x200), (UART + PAGE, PAGE)),
        ((UART + PAGE + 0x200, 0x200), None),
        ((0x2000_0F00, 0x200), (0x2000_0000, 2 * PAGE)),
        ((0x2000_1000, PAGE), None),
        ((0x2000_2000, PAGE), (0x2000_2000, PAGE)),
        ((0x1FFF_F000, PAGE), (0x1FFF_F000, PAGE)),
        ((0x1FFF_E000, 0x1001), None),
        ((PLIC[0] + 0x1000, 0x100), None),
        ((PLIC[0] - PAGE, PAGE + 1), None),
        ((PLIC[0] - PAGE, PAGE), (PLIC[0] - PAGE, PAGE)),
        ((end - 1, 2), None),
        ((end, 4), (end, PAGE)),
        ((RAM + 0x100_0000, PAGE), None),
        ((RAM - PAGE, PAGE + 1), None),
        ((RAM - PAGE, PAGE), (RAM - PAGE, PAGE)),
        ((RAM_END - 1, 1), None),
        ((RAM_END, 1), (RAM_END, PAGE)),
        ((0x1_0000_0000, PAGE), None),
        ((most - PAGE, PAGE + 1), None),
        ((most, 1), None),
        ((most - PAGE, PAGE), (most - PAGE, PAGE)),
    ]
    memory = ((RAM, RAM_SIZE), (0x1_0000_0800, 0x1000))
    found = booted(monkeypatch, memory=memory, devices=[device for device, _ in cases])
    assert found.devices() == [granted for _, granted in cases if granted is not None]
    assert "24 devices" in found.simulation.said
    found.check()


def test_no_device_lies_in_memory_that_the_kernel_does_not_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """Below RAM, and more of it than there is reserved memory."""
    memory = [(base, PAGE) for base in range(0x4000_0000, 0x4000_4000, PAGE)]
    devices = [*memory, (0x4000_4000, PAGE), (RAM + 0x100_0000, PAGE), (0x1_0000_0000, PAGE)]
    found = booted(monkeypatch, memory=[*memory, (RAM, RAM_SIZE), (0x1_0000_0000, PAGE)], devices=devices, reserved=())
    assert found.devices() == [(0x4000_4000, PAGE)]


def test_at_most_half_of_the_regions_are_devices(monkeypatch: pytest.MonkeyPatch) -> None:
    devices = [(0x2000_0000 + 2 * PAGE * number, 4) for number in range(60)]
    found = booted(monkeypatch, devices=devices)
    assert found.devices() == [(base, PAGE) for base, _ in devices[:48]]


def test_memory_is_granted_that_nobody_has(monkeypatch: pytest.MonkeyPatch) -> None:
    """All whole pages that aren't reserved, boot's own code, and what is left of the room for objects."""
    found = booted(monkeypatch)
    (left,) = [region for region in found.free() if region[0] > PARTS.end and region[0] < PARTS.archive]
    assert found.free() == [
        (found.own[1], RAM_END - found.own[1]),
        (PARTS.boot, PARTS.code - PARTS.boot),
        (left[0], PARTS.archive - left[0]),
    ]
    used = [owner.end - DIRECT for owner in found.simulation.memory.living() if owner.end - DIRECT <= PARTS.archive]
    assert left[0] == up(max(used))


@pytest.mark.parametrize("count", [63, 64, 65])
def test_what_is_left_begins_behind_the_last_object(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Which is the Memory of what is left: with 64 of them, that ends with a page."""
    devices = [(0x2000_0000 + PAGE * number, 4) for number in range(48)]
    memory = [(RAM, RAM_SIZE), *((0x1_0000_0000 + 2 * PAGE * number, PAGE) for number in range(count - 48 - 3))]
    found = booted(monkeypatch, devices=devices, memory=memory)
    assert found.info.region_count == count
    left, size = found.free()[-1]
    used = [owner.end - DIRECT for owner in found.simulation.memory.living() if owner.end - DIRECT <= PARTS.archive]
    assert (left, left + size) == (up(max(used)), PARTS.archive)
    assert (up(max(used), 64) % PAGE == 0) == (count == 64)


def test_nothing_in_use_is_given_away(monkeypatch: pytest.MonkeyPatch) -> None:
    found = booted(monkeypatch)
    taken = {found.simulation.used or 0}
    for owner in found.simulation.memory.living():
        taken.update(range((owner.start - DIRECT) // PAGE * PAGE, owner.end - DIRECT, PAGE))
    taken.update(range(PARTS.code, PARTS.end, PAGE))
    taken.update(range(PARTS.archive, found.own[1], PAGE))
    taken.update(found.simulation.tables(found.simulation.used or 0))
    for base, size in found.free():
        assert base % PAGE == 0 and not taken & set(range(base, base + size, PAGE))
    # And no page between them is lost, but for the one that boot keeps.
    left = found.free()[-1][0]
    assert set(range(PARTS.end + PAGE, left, PAGE)) <= taken


def test_the_roots_objects_lie_one_behind_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """In units of 64 bytes, but for what begins with a page."""
    found = booted(monkeypatch)
    owners = sorted(found.simulation.memory.living(), key=lambda owner: owner.start)
    owners = [owner for owner in owners if PARTS.end <= owner.start - DIRECT < PARTS.archive]
    assert len(owners) > 30
    for before, owner in itertools.pairwise(owners):
        assert owner.start in (up(before.end, 64), up(owner.start)), owner.describe()


def test_objects_take_all_of_their_room(monkeypatch: pytest.MonkeyPatch) -> None:
    """The later they begin, the less is left; when it is less than a page, no Memory is made of it."""

    def booted_behind(end: int) -> Booted:
        return booted(monkeypatch, parts=lang.replace(PARTS, end=u64(end)))

    end = int(PARTS.end)
    # The first time, the kernel's map takes some pages more or less.
    for wanted in (16 * PAGE, PAGE):
        end += booted_behind(end).free()[-1][1] - wanted
    found, full = booted_behind(end), booted_behind(end + PAGE)
    assert found.free()[-1][1] == PAGE
    assert full.free() == found.free()[:-1] and full.info.free_first == found.info.free_first - 1
    full.check()


def whole_pages(board: Board, start: int, end: int) -> set[int]:
    """The pages that are free by the device tree, when the kernel has those from `start` to `end`."""
    found = set()
    kept = [*board.reserved, *board.reservations, (RAM, end - RAM)]
    for base, size in board.memory:
        for page in range(up(max(base, RAM)), min(base + size, 254 << 30) - PAGE + 1, PAGE):
            if all(page + PAGE <= low or low + length <= page for low, length in kept):
                found.add(page)
    return found


HOLES = (
    (RAM, 0x20_0000),
    (RAM + 0x100_0800, 0x400),
    (RAM + 0x101_0800, 0x1000),
    (RAM + 0x101_1800, 0x800),
    (RAM + 0x110_0000, 0x10_0000),
    (RAM + 0x114_0000, 0x1000),
    (RAM + 0x11F_0000, 0x2_0000),
    (0x0FFF_0000, 0x1000),
    (0x1_0000_0000, 0x1000),
    (0x1_0010_0000, 0x1000),
)
MEMORIES: dict[str, dict[str, Any]] = {
    "one": {},
    "below the kernel, too": {"memory": ((RAM - (4 << 20), (36 << 20)),)},
    "not whole pages": {"memory": ((RAM, RAM_SIZE - 0x800), (0x1_0000_0800, 0x8000))},
    "less than a page": {"memory": ((RAM, RAM_SIZE), (0x1_0000_0800, 0x1000))},
    "twice": {"memory": ((0x1_0000_0000, 0x4000), (RAM, RAM_SIZE), (RAM, RAM_SIZE), (0x1_0000_2000, 0x4000))},
    "holes": {"memory": ((0x1_0000_0000, 0x10_1000), (RAM, RAM_SIZE)), "reserved": HOLES},
    "holes in the block": {
        "memory": ((RAM, RAM_SIZE), (0x1_0000_0000, 0x10_1000)),
        "reservations": HOLES,
        "reserved": HOLES[:3],
    },
    "beyond the direct map": {"memory": ((RAM, RAM_SIZE), ((254 << 30) - 0x8000, 0x10000), (254 << 30, 0x1000))},
}


@pytest.mark.parametrize("name", MEMORIES)
def test_all_whole_pages_that_are_free_are_granted(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    board = Board(**MEMORIES[name])
    found = Simulation(monkeypatch, board).run()
    free = found.free()[:-2]
    pages = [page for base, size in free for page in range(base, base + size, PAGE)]
    assert len(pages) == len(set(pages)), "a page is granted twice"
    assert set(pages) == whole_pages(board, int(PARTS.boot), found.own[1])
    assert f": {len(pages) * PAGE >> 20} MiB of memory" in found.simulation.said
    # And the kernel can clear what is made of it.
    written = [(DIRECT + base, base, size) for base, size in free]
    assert all(mapped(found.kernel, *each, KERNEL_DATA) for each in written)
    found.check()


def mapped(pages: Any, address: int, physical: int, size: int, bits: int) -> bool:
    """Is all of that mapped so?"""
    return any(
        start <= address and address + size <= start + length and address - start == physical - first and bits == seen
        for start, first, length, seen in merged(pages)
    )


def test_pieces_that_boot_info_has_no_room_for(monkeypatch: pytest.MonkeyPatch) -> None:
    """48 devices leave 46 regions for memory, and two for what boot gives back."""
    devices = [(0x2000_0000 + 2 * PAGE * number, 4) for number in range(60)]
    memory = [(0x1_0000_0000 + LARGE * number, PAGE) for number in range(60)]
    found = booted(monkeypatch, devices=devices, memory=[(RAM, RAM_SIZE), *memory])
    assert found.free()[1:46] == memory[:45]
    assert len(found.regions()) == 96 and found.free()[46] == (PARTS.boot, PARTS.code - PARTS.boot)


# --- its address space ------------------------------------------------------------------------------------------------


def test_what_is_mapped_for_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing but this; what it can write is its own."""
    found = booted(monkeypatch)
    user = found.user
    start, end = found.own
    offset = int(PARTS.archive) + PAGE
    copied = [part for part in SEGMENTS if part not in (CODE, CONSTANTS)]
    expected: dict[int, tuple[int | None, int, int]] = {}

    def add(address: int, physical: int | None, size: int, rights: int, unit: int = PAGE) -> None:
        for done in range(0, size, unit):
            expected[address + done] = (None if physical is None else physical + done, unit, USER | rights)

    add(CODE.address, offset + CODE.offset, up(CODE.memory_size), R | X)
    add(CONSTANTS.address, offset + CONSTANTS.offset, up(CONSTANTS.memory_size), R)
    for part in copied:
        add(part.address, None, up(part.memory_size), R | W if part.flags & WRITABLE else R)
    add(BOOT_INFO_ADDRESS, None, PAGE, R)
    add(ROOT_BUFFER_ADDRESS, None, PAGE, R | W)
    add(ROOT_STACK_TOP - STACK, None, STACK, R | W)
    large = (end - PARTS.archive) // LARGE * LARGE
    add(ARCHIVE_ADDRESS, int(PARTS.archive), large, R, LARGE)
    add(ARCHIVE_ADDRESS + large, int(PARTS.archive) + large, end - int(PARTS.archive) - large, R)
    assert user.keys() == expected.keys()
    own = []
    for address, (physical, size, bits) in expected.items():
        page = user[address]
        assert (page.size, page.bits) == (size, bits), hex(address)
        if physical is None:
            own.append(page.physical)
        assert physical in (None, page.physical), hex(address)
    assert sorted(own) == list(range(start + PAGE, end, PAGE)), "each has a page of its own"


@pytest.mark.parametrize("more", [0, LARGE + LARGE // 2, 3 * LARGE])
def test_the_archive_is_mapped_by_large_pages(monkeypatch: pytest.MonkeyPatch, more: int) -> None:
    """And what is left by small ones, up to the end of the root's own pages: what lies behind is free."""
    found = booted(monkeypatch, archive=archive(more=more))
    start, end = int(PARTS.archive), found.own[1]
    pages = {address: page for address, page in found.user.items() if address >= ARCHIVE_ADDRESS}
    assert merged(pages) == [(ARCHIVE_ADDRESS, start, end - start, USER | R)]
    count, rest = divmod(end - start, LARGE)
    assert sorted(page.size for page in pages.values()) == [PAGE] * (rest // PAGE) + [LARGE] * count
    assert found.info.archive_size == len(found.simulation.board.archive)
    found.check()


def test_an_archive_that_ends_with_a_large_page(monkeypatch: pytest.MonkeyPatch) -> None:
    behind = LARGE - (booted(monkeypatch).own[1] - int(PARTS.archive)) % LARGE
    found = booted(monkeypatch, archive=archive(more=LARGE + 0x2_0000 + behind))
    assert {page.size for address, page in found.user.items() if address >= ARCHIVE_ADDRESS} == {LARGE}
    found.check()


def test_the_program_is_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    found = booted(monkeypatch)
    packed = bytes(found.simulation.board.archive)
    for part in SEGMENTS:
        content = packed[PAGE + part.offset : PAGE + part.offset + part.file_size]
        seen = found.bytes_at(part.address, up(part.memory_size))
        assert seen == content + bytes(len(seen) - len(content)), hex(part.address)
    assert found.bytes_at(ROOT_STACK_TOP - STACK, STACK) == bytes(STACK)
    assert found.bytes_at(ROOT_BUFFER_ADDRESS, PAGE) == bytes(PAGE)


def test_a_program_of_many_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is a slot for each of them, and for each of 16 page tables."""
    segments = [Part(0x4000_0000 * number, 0, 0x80, 0x80, 4) for number in range(1, 5)]
    segments.append(Part(0x20_0000, 0x2000, 0x80, 0x80, 4))
    segments.append(Part(0x10_0000, 0x1000, 0x10, 0x10_0000, WRITABLE))
    found = booted(monkeypatch, segments=segments)
    assert mapped(found.user, 0x10_0000, found.user[0x10_0000].physical, 0x10_0000, USER | R | W)
    assert all(0x4000_0000 * number in found.user for number in range(1, 5))
    found.check()
    assert tables_made(found) == 16
    # One less, and a segment more, if all of the archive is in large pages.
    behind = LARGE - (found.own[1] - int(PARTS.archive)) % LARGE
    segments.append(Part(0x4020_0000, 0x3000, 0x80, 0x80, 4))
    found = booted(monkeypatch, archive=archive(segments, LARGE + 0x2_0000 + behind), segments=segments)
    assert tables_made(found) == 16 and found.own[1] % LARGE == 0
    found.check()


def tables_made(found: Booted) -> int:
    """Page tables of the root's own, but for the first."""
    tables = found.simulation.tables
    return len(tables(int(found.root.space.root.base)) - tables(found.simulation.used or 0)) - 1


# --- its thread -------------------------------------------------------------------------------------------------------


def test_the_root_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    found = booted(monkeypatch)
    root = found.root
    registers = root.registers
    assert found.left.registers is registers and registers.full == 1
    expected = {0: ENTRY, 2: ROOT_STACK_TOP, 10: BOOT_INFO_ADDRESS, 11: ROOT_BUFFER_ADDRESS}
    assert list(placement.all_registers(root)) == [expected.get(number, 0) for number in range(32)]
    assert registers.kernel_stack == STACK_TOP
    assert root.state is State.RUNNABLE and found.hart.current is root
    assert int(lang.address_of(root.buffer)) == DIRECT + found.user[ROOT_BUFFER_ADDRESS].physical


def test_what_is_bound_to_the_root(monkeypatch: pytest.MonkeyPatch) -> None:
    found = booted(monkeypatch)
    root, slots = found.root, found.slots
    bound = {
        Binding.SPACE: boot.OWN_SPACE,
        Binding.TABLE: boot.OWN_TABLE,
        Binding.BUFFER: boot.OWN_BUFFER,
        Binding.CONTEXT: boot.OWN_CONTEXT,
    }
    for which in Binding:
        place = root.bindings[which.value]
        if which in bound:
            assert place.object is slots[bound[which]].object and place.parent is slots[bound[which]]
            assert place.holder is root.holder and place.entry == which.value
        else:
            assert place.object is None


def test_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """1/100 s at a time, at priority 128; the first begins when boot gives it."""
    found = booted(monkeypatch)
    context = found.root.context
    assert context is not None and context is found.root.home
    assert (context.priority, context.budget, context.period) == (128, FREQUENCY // 100, FREQUENCY // 100)
    assert context.refills[0].amount == FREQUENCY // 100 and context.refills[0].time == NOW


def test_the_root_has_the_first_identifier(monkeypatch: pytest.MonkeyPatch) -> None:
    found = booted(monkeypatch)
    root = found.root
    assert root.context is not None
    assert (root.identifier, root.space.identifier, root.context.identifier) == (1, 1, 1)
    assert found.hart.next_identifier == 2


def test_the_root_can_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """It makes a frame of each Memory, and maps it below its stack."""
    found = booted(monkeypatch)
    machine = found.machine()
    for number, (base, size, _) in enumerate(found.regions()):
        (frame,) = machine.make(Kind.FRAME, memory=int(found.info.regions[number].slot))
        assert base <= found.slots[frame].word < base + size
        address = ROOT_STACK_TOP - STACK - PAGE * (number + 1)
        done = machine.invoke(boot.OWN_SPACE, Operation.MAP, address, READ | WRITE, given=frame)
        assert done.word == 0, done.failure
        (second, _) = machine.make(Kind.FRAME, count=2, memory=int(found.info.regions[2].slot))
        done = machine.invoke(boot.OWN_SPACE, Operation.MAP, address, READ, given=second)
        assert done.failure == (Status.OCCUPIED, FIRST)
    machine.tick(FREQUENCY)
    assert machine.current is found.root
    found.check()


# --- the kernel's own -------------------------------------------------------------------------------------------------


def test_the_kernels_map(monkeypatch: pytest.MonkeyPatch) -> None:
    """The image, each part with its rights; what is free, what the kernel writes and the devices that it uses."""
    found = booted(monkeypatch)
    p = PARTS

    def direct(start: int, end: int) -> tuple[int, int, int, int]:
        return DIRECT + start, start, end - start, KERNEL_DATA

    def image(start: int, end: int, bits: int) -> tuple[int, int, int, int]:
        return IMAGE + start, start, end - start, bits

    assert merged(found.kernel) == [
        direct(TEST_DEVICE, TEST_DEVICE + PAGE),
        direct(PLIC[0], PLIC[0] + PLIC[1]),
        direct(UART, UART + PAGE),
        direct(p.boot, p.code),
        direct(p.data, RAM_END),
        image(p.boot, p.constants, KERNEL_CODE),
        image(p.constants, p.data, KERNEL_CONSTANTS),
        image(p.data, p.guard, KERNEL_DATA),
        image(p.stack, p.end, KERNEL_DATA),
    ]
    assert {address: page for address, page in found.pages.items() if address >= 1 << 38} == found.kernel
    assert found.simulation.used == found.hart.no_space.root.base


def test_what_is_free_behind_the_kernel_is_mapped_by_large_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    found = booted(monkeypatch)
    large = {address - DIRECT for address, page in found.kernel.items() if page.size == LARGE and address < IMAGE}
    assert large >= set(range(up(PARTS.data, LARGE), RAM_END, LARGE))


def test_no_reserved_memory_is_mapped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Right behind the kernel's own, and in the midst."""
    end = booted(monkeypatch).own[1]
    # A longer device tree takes no page more.
    holes = ((RAM, 0x20_0000), (end, PAGE), (RAM + 0x100_0000, LARGE))
    found = booted(monkeypatch, reserved=holes)
    assert found.own[1] == end
    direct = [each[1:3] for each in merged(found.kernel) if each[1] >= RAM and each[0] < IMAGE]
    high = RAM + 0x100_0000 + LARGE
    assert direct == [
        (PARTS.boot, PARTS.code - PARTS.boot),
        (PARTS.data, end - PARTS.data),
        (end + PAGE, RAM + 0x100_0000 - end - PAGE),
        (high, RAM_END - high),
    ]


def test_boots_own_code_is_unmapped_at_last(monkeypatch: pytest.MonkeyPatch) -> None:
    found = booted(monkeypatch)
    root = found.simulation.used
    assert root is not None
    entries = found.simulation.read(found.left.first - DIRECT, found.left.end - found.left.first)
    targets = [entry >> 10 << 12 for entry in struct.unpack(f"<{len(entries) // 8}Q", entries)]
    assert targets == list(range(PARTS.boot, PARTS.code, PAGE))
    found.simulation.memory.write(found.left.first, bytes(len(entries)))
    left = merged(found.simulation.walk(int(found.root.space.root.base)))
    assert (IMAGE + PARTS.code, PARTS.code, PARTS.constants - PARTS.code, KERNEL_CODE) in left
    assert not any(IMAGE + PARTS.boot <= address < IMAGE + PARTS.code for address, *_ in left)


def test_the_hart(monkeypatch: pytest.MonkeyPatch) -> None:
    found = booted(monkeypatch)
    hart = found.hart
    assert (hart.number, hart.frequency) == (1, FREQUENCY)
    assert hart.vector_words == 32 * 16 // 8
    assert hart.asid_limit == ASIDS and found.simulation.asked == 8 << 60 | int(hart.no_space.root.base) >> 12
    assert hart.no_space.root.space is hart.no_space and hart.no_space.root.level == 2
    assert (hart.next_asid, found.root.space.asid) == (2, 1)
    assert hart.wheel.earliest == NEVER
    assert (hart.cpu.controller, hart.cpu.context, hart.cpu.sstc) == (DIRECT + PLIC[0], 3, True)


def test_a_hart_without_extensions(monkeypatch: pytest.MonkeyPatch) -> None:
    found = booted(monkeypatch, isa="rv64imac_zicsr")
    assert (found.info.vector_bytes, found.hart.vector_words, found.hart.cpu.sstc) == (0, 0, False)


# --- what can't be booted ---------------------------------------------------------------------------------------------


def test_a_tree_that_lies_where_it_cannot_be_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for address in (TREE + 4, 254 << 30, 0x3FF0_0008):
        assert panics(monkeypatch, tree_address=address) == f"panic: the device tree can't be at {address:#x}\n"
    assert booted(monkeypatch, tree_address=0x3FF0_0000).info.region_count == 5


def test_a_broken_tree(monkeypatch: pytest.MonkeyPatch) -> None:
    tree = Board().tree()
    assert panics(monkeypatch, blob=b"\0" + tree[1:]) == "panic: the device tree is broken: MAGIC at byte 0\n"
    cut = tree[:4] + struct.pack(">I", (1 << 20) + 1) + tree[8:]
    assert panics(monkeypatch, blob=cut) == "panic: the device tree is broken: TRUNCATED at byte 4\n"
    root = int.from_bytes(tree[8:12], "big")
    unknown = tree[:root] + struct.pack(">I", 7) + tree[root + 4 :]
    assert panics(monkeypatch, blob=unknown) == f"panic: the device tree is broken: TOKEN at byte {root}\n"


@pytest.mark.parametrize("fields", [{"number": 5}, {"frequency": 0}])
def test_a_hart_that_the_tree_does_not_have(monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any]) -> None:
    number = fields.get("number", 1)
    said = f"panic: the device tree doesn't say what hart {number} is, or how its timer counts\n"
    assert panics(monkeypatch, **fields) == said


@pytest.mark.parametrize("fields", [{"plic": None}, {"targets": cells(1, 11, 1, 9)}, {"targets": cells(2, 11)}])
def test_no_interrupt_controller(monkeypatch: pytest.MonkeyPatch, fields: dict[str, Any]) -> None:
    said = "panic: the device tree has no interrupt controller (PLIC) for this hart\n"
    assert panics(monkeypatch, **fields) == said


#: the smallest PLIC whose context 3 has registers
LEAST = 0x20_0000 + 4 * PAGE


@pytest.mark.parametrize(
    "plic",
    [
        (PLIC[0] + 0x800, PLIC[1]),
        (PLIC[0], PLIC[1] + 0x800),
        (PLIC[0], LEAST - PAGE),
        (RAM - LEAST + PAGE, LEAST),
        (RAM, LEAST),
    ],
)
def test_a_controller_that_cannot_be_mapped(monkeypatch: pytest.MonkeyPatch, plic: tuple[int, int]) -> None:
    said = f"panic: the interrupt controller can't have {plic[1]:#x} bytes at {plic[0]:#x}\n"
    assert panics(monkeypatch, plic=plic) == said


@pytest.mark.parametrize("base", [UART, UART - LEAST + PAGE, 0, TEST_DEVICE])
def test_a_controller_over_other_devices(monkeypatch: pytest.MonkeyPatch, base: int) -> None:
    said = f"panic: the interrupt controller, at {base:#x}, overlaps other devices\n"
    assert panics(monkeypatch, plic=(base, LEAST)) == said


@pytest.mark.parametrize("base", [UART - LEAST, UART + PAGE, TEST_DEVICE + PAGE, RAM - LEAST])
def test_a_controller_beside_other_devices(monkeypatch: pytest.MonkeyPatch, base: int) -> None:
    found = booted(monkeypatch, plic=(base, LEAST))
    assert mapped(found.kernel, DIRECT + base, base, LEAST, KERNEL_DATA)
    assert found.hart.cpu.controller == DIRECT + base
    assert found.devices() == [(UART, PAGE), (TEST_DEVICE, PAGE)]


#: of the archive that `Board` makes
SIZE = len(archive())


def kernels_end(monkeypatch: pytest.MonkeyPatch) -> int:
    """Where the kernel's memory ends, if the tree takes no page more or less."""
    return booted(monkeypatch).own[1]


@pytest.mark.parametrize("by", ["reserved", "reservations"])
def test_the_kernels_memory_is_reserved(monkeypatch: pytest.MonkeyPatch, by: str) -> None:
    end = kernels_end(monkeypatch)
    for base, size in ((PARTS.boot - 8, 9), (end - 1, 8), (PARTS.archive, 1), (RAM, RAM_SIZE)):
        said = f"panic: {size:#x} bytes at {base:#x} are reserved, and the kernel's\n"
        assert panics(monkeypatch, **{by: ((0x1000, 0x1000), (int(base), size))}) == said
    for base, size in ((PARTS.boot - 8, 8), (end, 8)):
        assert booted(monkeypatch, **{by: ((0x1000, 0x1000), (int(base), size))}).own[1] == end


def test_all_that_the_tree_reserves_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wherever in the tree the block lies, and however long it is."""
    tree = Board(devices=(), reserved=()).tree()
    kept = [*many(60, 0x4_0000_0000), (int(PARTS.archive), 1)]
    place = up(len(tree), 8)
    block = b"".join(struct.pack(">QQ", *each) for each in [*kept, (0, 0)])
    blob = bytearray(tree.ljust(place, b"\0") + block)
    struct.pack_into(">I", blob, 4, len(blob))
    struct.pack_into(">I", blob, 16, place)
    assert len(kept) * 16 > place
    said = f"panic: 0x1 bytes at {PARTS.archive:#x} are reserved, and the kernel's\n"
    assert panics(monkeypatch, blob=bytes(blob)) == said


def test_the_tree_lies_in_the_kernels_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    end = kernels_end(monkeypatch)
    size = up(len(Board().tree()), 8)
    for address in (end - 8, PARTS.boot - size + 8):
        board = Board(tree_address=int(address))
        said = f"panic: the device tree, at {address:#x}, lies in the kernel's memory\n"
        assert Simulation(monkeypatch, board).panics() == said
    # Nothing is written over the tree before: what it reserves would be read from the copy.
    board = Board(reservations=((2 << 32, int(PARTS.archive)),))
    address = PARTS.archive + SIZE + 8
    board.tree_address = int(address)
    said = f"panic: the device tree, at {address:#x}, lies in the kernel's memory\n"
    assert Simulation(monkeypatch, board).panics() == said
    tree = Board().tree()
    for address in (end, PARTS.boot - size):
        found = booted(monkeypatch, tree_address=int(address))
        assert found.bytes_at(ARCHIVE_ADDRESS + int(found.info.tree_offset), len(tree)) == tree


def test_there_is_no_memory_for_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    end = kernels_end(monkeypatch)
    said = f"panic: the device tree has no memory for the kernel, {PARTS.boot:#x} to {end:#x}\n"
    start = int(PARTS.boot)
    without: list[list[tuple[int, int]]] = [
        [(start + 1, RAM_SIZE // 2)],
        [(start, end - start - 1)],
        [(0x1_0000_0000, RAM_SIZE)],
        [(RAM - RAM_SIZE, RAM_SIZE), (end, RAM_SIZE)],
        [(start, LARGE), (start + LARGE, RAM_SIZE // 2)],
    ]
    for memory in without:
        assert panics(monkeypatch, memory=memory) == said
    kernels = (start, end - start)
    for memory in ([kernels], [(0x1_0000_0000, PAGE), kernels, (0x2_0000_0000, PAGE)]):
        found = booted(monkeypatch, memory=memory)
        assert len(found.free()) == len(memory) + 1


def many(count: int, base: int = 0x1_0000_0000, step: int = LARGE) -> list[tuple[int, int]]:
    return [(base + step * number, PAGE) for number in range(count)]


@pytest.mark.parametrize(
    ("most", "fields"),
    [
        (62, lambda count: {"memory": [(RAM, RAM_SIZE), *many(count)], "reserved": (), "reservations": ()}),
        # What ends where RAM begins is nothing.
        (62, lambda count: {"memory": [(RAM - PAGE, PAGE), (RAM, RAM_SIZE), *many(count)], "reserved": ()}),
        # What the kernel doesn't use counts.
        (63, lambda count: {"memory": [(RAM, RAM_SIZE), *many(count, 0x4000_0000)]}),
        # RAM up to the kernel's end, and each memory, is taken, too.
        (62, lambda count: {"reserved": many(count, 0x4_0000_0000)}),
        (62, lambda count: {"reservations": many(count, 0x4_0000_0000), "reserved": ()}),
    ],
)
def test_too_many_pieces(monkeypatch: pytest.MonkeyPatch, most: int, fields: Any) -> None:
    said = "panic: the device tree has more pieces of memory than the kernel can count\n"
    assert panics(monkeypatch, **fields(most + 1)) == said
    assert booted(monkeypatch, **fields(most)).info.region_count >= 3


def test_too_many_holes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each piece of what is free counts, too: four memories, and 60 holes in one of them."""
    said = "panic: the device tree has more pieces of memory than the kernel can count\n"
    holes = many(57, 0x4_0000_0000 + LARGE)
    memory = [(RAM, RAM_SIZE), (0x4_0000_0000, 1 << 30), *many(3)]
    assert len(booted(monkeypatch, memory=memory, reserved=holes).free()) == 1 + 58 + 3 + 2
    more = [(RAM, RAM_SIZE), (0x4_0000_0000, 1 << 30), (0x4_4000_0000, 1 << 30)]
    assert panics(monkeypatch, memory=more, reserved=holes + many(7, 0x4_4010_0000)) == said


# --- the archive, and the root program --------------------------------------------------------------------------------


def damaged(place: int, form: str, number: int, segments: Any = SEGMENTS) -> bytearray:
    made = archive(segments)
    struct.pack_into(form, made, place, number)
    return made


@pytest.mark.parametrize(
    ("place", "form", "number"),
    [
        (0, "<Q", 0x7669_6863_7261_6B6F),
        (8, "<Q", SIZE + PAGE),
        (16, "<I", 0),
        (20, "<I", len(SEGMENTS) - 1),
        (32 + 84, "<I", 1000),
        (32 + 80, "<I", 0xFFFF_FFFF),
    ],
)
def test_no_archive(monkeypatch: pytest.MonkeyPatch, place: int, form: str, number: int) -> None:
    said = "panic: the image holds no archive of programs\n"
    assert panics(monkeypatch, archive=damaged(place, form, number)) == said


def test_an_archive_that_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its size may be less than the image's part, and its last segment may be the root's."""
    found = booted(monkeypatch, archive=damaged(8, "<Q", SIZE - PAGE))
    assert found.info.archive_size == SIZE - PAGE
    assert booted(monkeypatch, archive=damaged(20, "<I", len(SEGMENTS))).info.archive_size == SIZE


ROOM = ROOT_STACK_TOP - STACK


@pytest.mark.parametrize(
    ("segment", "sound"),
    [
        (Part(0x1_0000, 0, PAGE + 1, PAGE, 4), False),
        (Part(0x1_0000, 0, PAGE, PAGE, WRITABLE | EXECUTABLE), False),
        (Part(0x1_0000, SIZE, PAGE, PAGE, 4), False),
        (Part(0x1_0000, SIZE - 2 * PAGE, PAGE + 1, 2 * PAGE, 4), False),
        (Part(0x1_0000, SIZE - 2 * PAGE, PAGE, PAGE, 4), True),
        (Part(0x1_0000, SIZE - PAGE, 0, PAGE, 4), True),
        (Part(ROOM - PAGE, 0, 0, PAGE, 4), False),
        (Part(ROOM - 2 * PAGE, 0, 0, PAGE, 4), True),
        (Part(ROOT_STACK_TOP, 0, 0, 0, 4), False),
        (Part(0x1_0000, 0, 1, ROOM, 4), False),
    ],
)
def test_segments_that_cannot_be_mapped(monkeypatch: pytest.MonkeyPatch, segment: Part, sound: bool) -> None:
    """Of these, offsets count from the archive's second page."""
    segments = [CODE, segment] if segment.address != CODE.address else [segment]
    made = archive(segments)
    assert len(made) == SIZE
    if sound:
        assert segment.address in booted(monkeypatch, archive=made, segments=segments).user
    else:
        said = "panic: the root program's segments can't be mapped\n"
        assert panics(monkeypatch, archive=made, segments=segments) == said


def test_too_little_memory_for_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    parts = lang.replace(PARTS, archive=PARTS.end + 4 * PAGE)
    said = "panic: too little memory for what the kernel begins with\n"
    assert panics(monkeypatch, parts=parts) == said
