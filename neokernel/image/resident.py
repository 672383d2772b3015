"""What a service takes of memory once it has started: its program, and what init makes for it of its own Memory.

init makes the same objects in the same order for each start (`services/init/build.py`, `runtime/child.py`), and how
much an object takes is the kernel's to say: so the marks of the service's Memory can be followed here. What a program
makes later, of what is left, is its own affair.

Invariant: `own` is what the process finds as its own Memory, to the byte; a test asks one that runs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from neokernel import lang
from neokernel.abi.boot import ROOT_BUFFER_ADDRESS
from neokernel.abi.kinds import LARGE_SIZE, PAGE_SIZE, Kind
from neokernel.image.archive import Part
from neokernel.image.systemfile.machine import Machine, Service
from neokernel.kernel.memory import footprint
from neokernel.runtime.child import CHILD_STACK_PAGES, CHILD_STACK_TOP, MAKERS_SHARE, MORE_KEPT
from neokernel.runtime.lend import frame_size, lends_at, lent_at
from neokernel.runtime.process import START_INFO_ADDRESS, STATE_ADDRESS

#: bits of a segment's flags
WRITABLE = 2
GIGABYTE = 1 << 30
#: of the smallest program: a page of code, where programs begin (boards/program.ld)
EMPTY = (Part(0x1_0000, 0, PAGE_SIZE, PAGE_SIZE, 5),)


@dataclass(frozen=True)
class Resident:
    """Of a service, in bytes. `text`: of its program, constants too, which all services that run it share. `tables`:
    its address space. `objects`: the kernel's, of which most is its table of capabilities, and its first two pages.
    `own`: what is left for the program.
    """

    text: int
    data: int
    stack: int
    tables: int
    objects: int
    own: int

    @property
    def all(self) -> int:
        return self.text + self.data + self.stack + self.tables + self.objects


@dataclass
class Marks:
    """A Memory that is filled."""

    low: int = 0
    high: int = 0
    tables: int = 0
    #: what has a page table: (level, number)
    known: set[tuple[int, int]] = field(default_factory=set)

    def take(self, kind: Kind, size: int = 0) -> None:
        need = footprint(kind, lang.u64(size))
        alignment = int(need.alignment)
        self.low = -(-self.low // alignment) * alignment + int(need.below)
        self.high += int(need.above)
        if kind in (Kind.PAGE_TABLE, Kind.ADDRESS_SPACE):
            self.tables += int(need.below)

    def map(self, address: int, size: int = PAGE_SIZE) -> None:
        """The page tables that are missing on the way to a frame of so many bytes at an address."""
        for place in ((2, address // GIGABYTE), (1, address // LARGE_SIZE)):
            if place not in self.known and (place[0] == 2 or size == PAGE_SIZE):
                self.known.add(place)
                self.take(Kind.PAGE_TABLE)


@dataclass
class Made:
    """What init has made for a service before it gives it the rest of its Memory; pages, shared and its own."""

    marks: Marks = field(default_factory=Marks)
    shared: int = 0
    private: int = 0


def made(machine: Machine, service: Service, parts: Iterable[Part]) -> Made:
    """Objects in init's order; the program has `parts`, its segments."""
    shared, private = 0, 0
    marks, parts = Marks(), tuple(parts)
    beside = [(page, PAGE_SIZE) for page in pages(STATE_ADDRESS, service.preserve.value)]
    beside += regions(machine, service)
    kept = MORE_KEPT + len(beside) + CHILD_STACK_PAGES + sum(pages_of(part.memory_size) for part in parts)
    marks.take(Kind.ADDRESS_SPACE)
    marks.take(Kind.CAP_TABLE, service.capabilities.value)
    marks.take(Kind.CAP_TABLE, int(kept))
    marks.take(Kind.THREAD)
    marks.take(Kind.FRAME)
    marks.map(int(ROOT_BUFFER_ADDRESS))
    for _ in range(int(CHILD_STACK_PAGES)):
        marks.take(Kind.FRAME)
    for address in pages(int(CHILD_STACK_TOP - CHILD_STACK_PAGES * PAGE_SIZE), int(CHILD_STACK_PAGES) * PAGE_SIZE):
        marks.map(address)
    for part in parts:
        is_shared = not part.flags & WRITABLE and part.memory_size == part.file_size
        for address in pages(part.address, part.memory_size):
            shared, private = shared + is_shared, private + (not is_shared)
            if not is_shared:
                marks.take(Kind.FRAME)
            marks.map(address)
    for address, size in beside:
        marks.map(address, size)
    return Made(marks, shared, private)


def least_memory(machine: Machine, service: Service, parts: Iterable[Part] = EMPTY) -> int:
    """The smallest `memory` with which init can make the service; without `parts`, one whose program has no data."""
    marks = made(machine, service, parts).marks
    least = marks.low + marks.high + int(MAKERS_SHARE) + PAGE_SIZE
    return -(-least // PAGE_SIZE) * PAGE_SIZE


def resident(machine: Machine, service: Service, parts: Iterable[Part], floats: bool = False) -> Resident:
    """`parts`: the program's segments. `floats`: it computes with them, on a processor without vectors."""
    before = made(machine, service, parts)
    marks, shared, private = before.marks, before.shared, before.private
    own = (service.memory.value - marks.low - marks.high - int(MAKERS_SHARE)) // PAGE_SIZE * PAGE_SIZE
    marks.take(Kind.MEMORY, own)
    marks.take(Kind.SCHED_CONTEXT)
    if floats:
        marks.take(Kind.FLOATS)
    marks.take(Kind.FRAME)
    marks.map(int(START_INFO_ADDRESS))
    taken = marks.low + marks.high - own
    stack = int(CHILD_STACK_PAGES) * PAGE_SIZE
    objects = taken - private * PAGE_SIZE - stack - marks.tables
    return Resident(shared * PAGE_SIZE, private * PAGE_SIZE, stack, marks.tables, objects, own)


def regions(machine: Machine, service: Service) -> Iterator[tuple[int, int]]:
    """The frames that it lends, and is lent: where each is, and its size. See `runtime/lend.py`."""
    for client in machine.starting_order():
        declared = [need for need in client.program.needs if need.role.value != "Setting"]
        peers = {grant.name: grant.peer for grant in client.peers()}
        for place, need in enumerate(declared):
            if need.lend and client is service and need.name in peers:
                yield from lent_frames(lends_at, place, need.lend)
            elif need.lend and peers.get(need.name) == service.name:
                number = machine.starting_order().index(client) + 1
                yield from lent_frames(lent_at, number, need.lend)


def lent_frames(at: Callable[[int, int], int], number: int, size: int) -> Iterator[tuple[int, int]]:
    """Of a region; `at`: where such regions are."""
    count = lang.u64(pages_of(size))
    address, each = int(at(lang.u64(number), count)), int(frame_size(count))
    yield from ((place, each) for place in range(address, address + size, each))


def pages(address: int, size: int) -> Iterator[int]:
    """The addresses of pages."""
    yield from range(address, address + size, PAGE_SIZE)


def pages_of(size: int) -> int:
    return -(-size // PAGE_SIZE)
