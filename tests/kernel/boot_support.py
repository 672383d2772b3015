"""A machine that boots under CPython: simulated memory with an image, an archive and a device tree in it.

All of `kernel/boot.py` runs as it is, and so does what it has in `arch/riscv64/boot.py`, but for what is assembly: that
is replaced by models, which keep what they were told. Only the pages of RAM that boot writes cost anything.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import pytest

from neokernel import lang
from neokernel.abi.archive import EXECUTABLE, WRITABLE
from neokernel.abi.boot import BootInfo
from neokernel.arch import cpu
from neokernel.arch.riscv64 import boot as machine
from neokernel.arch.riscv64.panic import TEST_DEVICE, UART
from neokernel.image.archive import Entry, Part, pack
from neokernel.kernel import boot
from neokernel.kernel.objects import OWNER, CapTable, Entries, Frame, Hart, Slot, Thread
from neokernel.lang.wire import wire_over
from neokernel.sim.physical import PhysicalMemory
from tests.kernel import invariants
from tests.kernel.devicetree_model import Model, Node, write
from tests.kernel.devicetree_samples import cells, node, texts
from tests.kernel.support import Machine, embedded, hand_on_invocation

u64 = lang.u64

PAGE, LARGE = 4096, 1 << 21
RAM = 0x8000_0000
#: what there is of RAM; what more a device tree has is never touched by boot
RAM_SIZE = 32 << 20
#: the kernel's half of addresses as on the machine, so that its tables have the machine's entries
DIRECT = 0xFFFF_FFC0_0000_0000
IMAGE = 0xFFFF_FFFF_0000_0000
#: what the models say
STACK_TOP, STARTED, FINISHED, NOW, ASIDS = IMAGE + 0x8022_C000, 1_000, 51_234, 777, 256
FREQUENCY = 10_000_000
#: bits of page table entries (privileged specification, Sv39)
V, R, W, X, U, G, A, D = (1 << bit for bit in range(8))

TREE = RAM + 0x170_0000
PLIC = (0xC00_0000, 0x60_0000)

#: where the parts of the image lie: 2 MiB behind the firmware
PARTS = machine.Image(
    boot=u64(RAM + 0x20_0000),
    code=u64(RAM + 0x20_6000),
    constants=u64(RAM + 0x21_0000),
    data=u64(RAM + 0x21_8000),
    guard=u64(RAM + 0x22_0000),
    stack=u64(RAM + 0x22_4000),
    end=u64(RAM + 0x22_C000),
    archive=u64(RAM + 0x60_0000),
    archive_end=u64(0),
)

#: of the root program: code and constants, which are mapped where they are, data, and zeroes behind it
CODE = Part(0x1_0000, 0, 0x1800, 0x1800, EXECUTABLE | 4)
CONSTANTS = Part(0x1_2000, 0x2000, 0x1000, 0x1000, 4)
DATA = Part(0x2_0000, 0x3000, 0x1234, 0x1_0010, WRITABLE | 4)
ONLY_DATA = Part(0x4_0000, 0x5000, 0x100, 0x100, WRITABLE | 4)
ONLY_ZEROES = Part(0x5_0000, 0x5100, 0, 0x1000, 4)
SEGMENTS = (CODE, CONSTANTS, DATA, ONLY_DATA, ONLY_ZEROES)
ENTRY = 0x1_0040


def program(parts: Sequence[Part] = SEGMENTS) -> Entry:
    """The root program: no two of its pages are the same, and zeroes follow each segment in its last page."""
    content = bytearray(0x6000)
    for number, part in enumerate(parts):
        if part.offset < len(content):
            pattern = bytes(1 + (7 * number + place // 16) % 251 for place in range(part.file_size))
            content[part.offset : part.offset + part.file_size] = pattern
    return Entry("root", bytes(content), ENTRY, 0, tuple(parts))


def archive(parts: Sequence[Part] = SEGMENTS, more: int = LARGE + 0x2_0000) -> bytearray:
    """The root program and a file of `more` bytes."""
    return bytearray(pack([program(parts), Entry("more", b"\x5a" * more, 0, 0, (Part(0x1_0000, 0, 16, 16, 4),))]))


def pairs(*ranges: tuple[int, int]) -> bytes:
    """A `reg` of two cells each."""
    return cells(*(half for each in ranges for number in each for half in (number >> 32, number & 0xFFFF_FFFF)))


@dataclass
class Board:
    """What a machine is: hart 1 boots, of two. `reserved` is a node's, `reservations` the block's."""

    memory: Sequence[tuple[int, int]] = ((RAM, RAM_SIZE),)
    reserved: Sequence[tuple[int, int]] = ((RAM, 0x20_0000),)
    reservations: Sequence[tuple[int, int]] = ()
    devices: Sequence[tuple[int, int]] = ((UART, 0x100), (TEST_DEVICE, PAGE))
    plic: tuple[int, int] | None = PLIC
    targets: bytes = cells(1, 11, 1, 9, 2, 11, 2, 9)
    lines: int = 31
    isa: str = "rv64imafdcv_zicsr_sstc"
    frequency: int = FREQUENCY
    number: int = 1
    tree_address: int = TREE
    parts: machine.Image = PARTS
    segments: Sequence[Part] = SEGMENTS
    #: instead of one with these segments
    archive: bytearray = field(default_factory=bytearray)
    #: instead of what the fields above make
    blob: bytes | None = None

    @property
    def copied(self) -> list[Part]:
        """The segments that aren't mapped where they are."""
        return [part for part in self.segments if part.flags & WRITABLE or part.memory_size != part.file_size]

    def tree(self) -> bytes:
        if self.blob is not None:
            return self.blob
        wide = {"#address-cells": cells(2), "#size-cells": cells(2)}
        around = {"#address-cells": cells(1), "#size-cells": cells(0), "timebase-frequency": cells(self.frequency)}
        nodes = [node("cpus", around, self.hart(0), self.hart(1))]
        nodes.append(node("memory", {"device_type": texts("memory"), "reg": pairs(*self.memory)}))
        kept = [node(f"kept@{base:x}", {"reg": pairs((base, size))}) for base, size in self.reserved]
        nodes.append(node("reserved-memory", {**wide, "ranges": b""}, *kept))
        if self.plic is not None:
            plic = {"compatible": texts("sifive,plic-1.0.0"), "reg": pairs(self.plic), "riscv,ndev": cells(self.lines)}
            nodes.append(node("plic", {**plic, "interrupts-extended": self.targets}))
        nodes += [node(f"device@{base:x}", {"reg": pairs((base, size))}) for base, size in self.devices]
        return write(Model(node("", wide, *nodes), list(self.reservations)))

    def hart(self, number: int) -> Node:
        controller = node("interrupt-controller", {"phandle": cells(1 + number)})
        properties = {"device_type": texts("cpu"), "reg": cells(number), "riscv,isa": texts(self.isa)}
        return node(f"cpu@{number}", properties, controller)


class Panicked(Exception):
    """What the console said before the machine ended."""


class Left(Exception):
    """Boot is done."""

    def __init__(self, registers: Any, first: int, end: int) -> None:
        super().__init__("boot is done")
        self.registers = registers
        #: addresses of the entries that are emptied at last
        self.first, self.end = first, end


@dataclass(frozen=True)
class Page:
    """What an entry of a page table maps."""

    physical: int
    size: int
    bits: int


class Simulation:
    """The machine, with its board's image, archive and tree in memory."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, board: Board) -> None:
        self.board = board
        board.archive = board.archive or archive(board.segments)
        self.tree = board.tree()
        end = board.parts.archive + -(-len(board.archive) // PAGE) * PAGE
        self.parts = lang.replace(board.parts, archive_end=board.parts.archive_end or u64(end))
        #: what the console said, and the table that came into use
        self.said = ""
        self.used: int | None = None
        #: with what the processor was asked how many ASIDs it has
        self.asked = 0
        first = min(board.tree_address // PAGE * PAGE, RAM)
        self.memory = PhysicalMemory(DIRECT + first, RAM + RAM_SIZE - first)
        lang.set_simulator(self.memory)
        self.replace(monkeypatch)
        # What isn't cleared isn't zero.
        self.memory.write(DIRECT + int(self.parts.end), b"\xa5" * 0x10_0000)
        self.memory.write(DIRECT + end, b"\xa5" * 0x8_0000)
        self.memory.write(DIRECT + int(self.parts.archive), bytes(board.archive))
        if board.tree_address + len(self.tree) <= RAM + RAM_SIZE:
            self.memory.write(DIRECT + board.tree_address, self.tree)

    def replace(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """What is assembly."""

        def panic() -> NoReturn:
            raise Panicked(self.said)

        def forget_boot(registers: Any, first: int, end: int) -> NoReturn:
            raise Left(registers, int(first), int(end))

        def table_at(physical: int) -> Any:
            # The root has an owner, whose entries are the same bytes.
            owner = self.memory.owners.get(int(DIRECT + physical))
            return lang.object_at(machine.Table if owner is None else Entries, u64(DIRECT + physical))

        def object_at(kind: Any, address: int) -> Any:
            # Of the registers below RAM boot uses one alone, and `say` stands for that.
            return lang.object_at(kind, u64(DIRECT + RAM) if kind is machine.Uart else address)

        def wire_view(kind: Any, view: Any) -> Any:
            # The language's own is of an array, not of simulated memory.
            return wire_over(kind, self.memory, int(lang.address_of(view)))

        def new_at(kind: Any, address: int) -> Any:
            # On the machine a span of zeroes is empty; the simulator takes it for one that was never set.
            made = lang.new_at(kind, address)
            made.no_table.slots = lang.span_at(embedded(Slot), u64(address), u64(0))
            return made

        def say(console: Any, text: str) -> None:
            self.said += str(text)

        def use_tables(root: int) -> None:
            self.used = int(root)

        for module in (cpu, machine):
            monkeypatch.setattr(module, "DIRECT", DIRECT)
            monkeypatch.setattr(module, "clear", self.memory.clear)
        for module in (boot, machine):
            monkeypatch.setattr(module, "panic", panic)
        monkeypatch.setattr(boot, "wire_view", wire_view)
        monkeypatch.setattr(boot, "new_at", new_at)
        monkeypatch.setattr(machine.Console, "write", say)
        monkeypatch.setattr(cpu, "now", lambda state: state.time + NOW)
        monkeypatch.setattr(cpu, "asid_limit", self.asid_limit)
        monkeypatch.setattr(cpu, "fallback_invoke", hand_on_invocation)
        models: dict[str, Any] = {
            "image": lambda: self.parts,
            "stack_top": lambda: u64(STACK_TOP),
            "instructions": lambda: u64(FINISHED),
            "use_tables": use_tables,
            "forget_boot": forget_boot,
            "table_at": table_at,
            "object_at": object_at,
        }
        for name, model in models.items():
            monkeypatch.setattr(machine, name, model)

    def asid_limit(self, translation: int) -> int:
        self.asked = int(translation)
        return u64(ASIDS)

    def run(self) -> Booted:
        """To the first thread. Raises Panicked, and what the kernel's checks raise."""
        try:
            boot.boot(u64(self.board.number), u64(self.board.tree_address), u64(STARTED))
        except Left as left:
            return Booted(self, left)
        raise AssertionError("boot has come back")

    def panics(self) -> str:
        """What the console says before boot ends the machine."""
        with pytest.raises(Panicked) as caught:
            boot.boot(u64(self.board.number), u64(self.board.tree_address), u64(STARTED))
        return str(caught.value)

    def read(self, physical: int, size: int) -> bytes:
        """Memory as the hardware and other processes see it."""
        return self.memory.load(int(DIRECT + physical), size)

    def tables(self, root: int, level: int = 2) -> set[int]:
        """The page tables at `root` and below."""
        found = {root}
        content = self.read(root, PAGE)
        for place in range(0, PAGE, 8):
            entry = int.from_bytes(content[place : place + 8], "little")
            if entry & V and not entry & (R | W | X):
                found |= self.tables(entry >> 10 << 12, level - 1)
        return found

    def walk(self, root: int) -> dict[int, Page]:
        """All that the tables at `root` map, by address."""
        found: dict[int, Page] = {}

        def look(table: int, level: int, above: int) -> None:
            content = self.read(table, PAGE)
            for index in range(512):
                entry = int.from_bytes(content[8 * index : 8 * index + 8], "little")
                address = above + (index << 12 + 9 * level)
                if level == 2 and index >= 256:
                    address |= 0xFFFF_FF80_0000_0000
                if not entry:
                    continue
                assert entry & V
                if entry & (R | W | X):
                    found[address] = Page(entry >> 10 << 12, 1 << 12 + 9 * level, entry & 0x3FF)
                else:
                    assert entry & 0x3FF == V
                    look(entry >> 10 << 12, level - 1, address)

        look(root, 2, 0)
        return found


class Booted:
    """What the first thread finds."""

    def __init__(self, simulation: Simulation, left: Left) -> None:
        self.simulation = simulation
        self.parts = simulation.parts
        self.left = left
        objects = [owner.item for owner in simulation.memory.living()]
        self.hart: Hart = next(item for item in objects if isinstance(item, Hart))
        current = self.hart.current
        assert current is not None
        self.root: Thread = current
        self.table: CapTable = current.table
        self.slots = self.table.slots
        self.pages = simulation.walk(int(self.root.space.root.base))
        #: the user's half, and the kernel's
        self.user = {address: page for address, page in self.pages.items() if address < 1 << 38}
        self.kernel = simulation.walk(int(self.hart.no_space.root.base))
        self.info: BootInfo = lang.object_at(BootInfo, u64(DIRECT + self.user[int(self.root.registers.a0)].physical))

    def machine(self) -> Machine:
        """The root goes on, with system calls."""
        made = Machine.__new__(Machine)
        made.memory, made.hart, made.table, made.root = self.simulation.memory, self.hart, self.table, self.root
        made.next_slot = int(self.info.free_first)
        made.restarting, made.fast = set(), True
        return made

    def check(self) -> None:
        """`invariants.check`, with the tables that have no names.

        Only boot makes several capabilities of a page that own it: in the archive's window, and by itself.
        """

        def identity(slot: Slot) -> tuple[int, int]:
            first = slot
            while first.parent is not None:
                first = first.parent
            return (id(first), int(first.word)) if isinstance(first.object, Frame) else of_others(slot)

        tables = [owner.item for owner in self.simulation.memory.living() if isinstance(owner.item, CapTable)]
        for slot in (slot for table in tables for slot in table.slots if slot.object is not None):
            assert slot.flags & OWNER or slot.parent is not None, "nobody owns an object of boot's"
        with pytest.MonkeyPatch.context() as patch:
            of_others = invariants.identity
            patch.setattr(invariants, "identity", identity)
            invariants.check(self.hart, tables)

    @property
    def own(self) -> tuple[int, int]:
        """Where the root's own pages begin and end."""
        start = int(self.parts.archive_end) + -(-len(self.simulation.tree) // PAGE) * PAGE
        copied = sum(-(-part.memory_size // PAGE) * PAGE for part in self.simulation.board.copied)
        return start, start + 19 * PAGE + copied

    def regions(self) -> list[tuple[int, int, bool]]:
        """(base, size, is a device) of all that `info` has, in order."""
        regions = [self.info.regions[index] for index in range(int(self.info.region_count))]
        return [(int(region.base), int(region.size), bool(region.device)) for region in regions]

    def devices(self) -> list[tuple[int, int]]:
        return [(base, size) for base, size, device in self.regions() if device]

    def free(self) -> list[tuple[int, int]]:
        return [(base, size) for base, size, device in self.regions() if not device]

    def bytes_at(self, address: int, size: int) -> bytes:
        """What the root reads."""
        found = b""
        while len(found) < size:
            place = address + len(found)
            start = next(each for each in (place & -PAGE, place & -LARGE) if each in self.user)
            page = self.user[start]
            assert page.bits & (U | R) == U | R and place < start + page.size
            within = min(page.size - (place - start), size - len(found))
            found += self.simulation.read(page.physical + place - start, within)
        return found


def booted(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> Booted:
    return Simulation(monkeypatch, Board(**fields)).run()


def panics(monkeypatch: pytest.MonkeyPatch, **fields: Any) -> str:
    return Simulation(monkeypatch, Board(**fields)).panics()


def merged(pages: dict[int, Page]) -> list[tuple[int, int, int, int]]:
    """(address, physical, size, bits) of pages that go on where others end, whatever their size."""
    found: list[tuple[int, int, int, int]] = []
    for address, page in sorted(pages.items()):
        if found:
            start, physical, size, bits = found[-1]
            if (start + size, physical + size, bits) == (address, page.physical, page.bits):
                found[-1] = (start, physical, size + page.size, bits)
                continue
        found.append((address, page.physical, page.size, page.bits))
    return found
