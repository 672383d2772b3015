"""Memory: what it can be retyped into, how much of it there is, and that it comes back."""

from __future__ import annotations

from world import BEYOND, PLAYGROUND, World

from neokernel.abi.boot import OWN_SPACE, OWN_TABLE
from neokernel.abi.kinds import LARGE_SIZE, PAGE_SIZE, Kind
from neokernel.abi.operations import Operation
from neokernel.abi.rights import READ, WRITE
from neokernel.abi.status import FIRST, INVOKED, SECOND, THIRD, WINDOW, Status
from neokernel.lang import span_at, u64, unsafe
from neokernel.runtime import system
from neokernel.runtime.space import map_at
from neokernel.runtime.system import Failure

unsafe("it looks at fresh pages where it has mapped them")

KINDS: tuple[Kind, ...] = (
    Kind.ENDPOINT,
    Kind.REPLY,
    Kind.NOTIFICATION,
    Kind.FRAME,
    Kind.PAGE_TABLE,
    Kind.ADDRESS_SPACE,
    Kind.THREAD,
    Kind.SCHED_CONTEXT,
    Kind.FLOATS,
)

NOT_OF_MEMORY: tuple[Kind, ...] = (Kind.NONE, Kind.INTERRUPT, Kind.PROCESSOR, Kind.PLATFORM)

SIZE = 0x10_0000


def free_of(w: World, memory: u64) -> u64:
    found = system.memory_info(memory)
    if isinstance(found, Failure):
        w.t.bail(found)
        return 0
    return found.free


def run(w: World) -> None:
    retype_succeeds(w)
    retype_fails(w)
    memory_comes_back(w)
    fresh_memory_is_clear(w)


def retype_succeeds(w: World) -> None:
    t, buffer = w.t, w.process.buffer
    memory = w.new(Kind.MEMORY, SIZE)
    info = system.memory_info(memory)
    t.check(not isinstance(info, Failure) and info.size == SIZE, "MEMORY_INFO: the size")
    t.check(
        not isinstance(info, Failure) and info.free <= SIZE and info.cleared <= info.free, "MEMORY_INFO: what is free"
    )
    for kind in KINDS:
        into = w.slot()
        t.succeeds(system.retype(buffer, memory, kind, 0, 1, into), "RETYPE into a kind")
        t.equal(w.kind_at(into), u64(kind.value), "what was made is of that kind")
    into = w.slot(8)
    t.succeeds(system.retype(buffer, memory, Kind.CAP_TABLE, 16, 2, into), "RETYPE into two tables")
    t.succeeds(system.retype(buffer, memory, Kind.DMA_SPACE, 4, 1, into + 2), "RETYPE into a DmaSpace")
    t.succeeds(system.retype(buffer, memory, Kind.TRACE, 2, 1, into + 3), "RETYPE into a Trace")
    t.succeeds(system.retype(buffer, memory, Kind.MEMORY, 8192, 1, into + 4), "RETYPE into Memory")
    t.check(free_of(w, memory) < SIZE, "less is free afterwards")
    t.equal(free_of(w, into + 4), 8192, "all of a new Memory is free")
    t.succeeds(system.clear(memory, 16 * PAGE_SIZE), "CLEAR")
    cleared = system.memory_info(memory)
    t.check(not isinstance(cleared, Failure) and cleared.cleared >= 16 * PAGE_SIZE, "CLEAR has cleared as much")
    t.succeeds(system.retype(buffer, memory, Kind.ENDPOINT, 0, 3, into + 5), "RETYPE into three")
    t.check(w.kind_at(into + 7) == u64(Kind.ENDPOINT.value), "the third is there")
    w.drop(memory)
    t.check(w.is_empty(into + 7) and w.is_empty(into), "what was made of a Memory ends with it")


def retype_fails(w: World) -> None:
    t, buffer = w.t, w.process.buffer
    memory = w.new(Kind.MEMORY, SIZE)
    before = free_of(w, memory)
    into = w.slot(2)
    out = Status.OUT_OF_RANGE
    for kind in NOT_OF_MEMORY:
        t.fails(system.retype(buffer, memory, kind, 0, 1, into), out, FIRST, "RETYPE into what memory can't be")
    system.window(buffer, into, 1)
    t.message_fails(system.invoke(memory, Operation.RETYPE, 4, 17, 0, 1, 0), out, FIRST, "RETYPE into an unknown kind")
    t.message_fails(system.invoke(memory, Operation.RETYPE, 4, 256 + 1, 0, 1, 0), out, FIRST, "a kind isn't cut")
    t.fails(system.retype(buffer, memory, Kind.FRAME, 2, 1, into), out, SECOND, "a frame of an unknown size")
    t.fails(
        system.retype(buffer, memory, Kind.NOTIFICATION, 2, 1, into), out, SECOND, "a notification of an unknown sort"
    )
    t.fails(system.retype(buffer, memory, Kind.CAP_TABLE, 0, 1, into), out, SECOND, "a table without slots")
    t.fails(system.retype(buffer, memory, Kind.CAP_TABLE, 1 << 60, 1, into), out, SECOND, "a table of 2**60 slots")
    t.fails(system.retype(buffer, memory, Kind.MEMORY, 0, 1, into), out, SECOND, "Memory of no bytes")
    t.fails(system.retype(buffer, memory, Kind.MEMORY, 100, 1, into), out, SECOND, "Memory of 100 bytes")
    t.fails(system.retype(buffer, memory, Kind.TRACE, 3, 1, into), out, SECOND, "a Trace of three pages")
    t.fails(system.retype(buffer, memory, Kind.ENDPOINT, 1, 1, into), out, SECOND, "an endpoint with a size")
    t.fails(system.retype(buffer, memory, Kind.ENDPOINT, 0, 0, into), out, THIRD, "RETYPE into none")
    system.window(buffer, into, 2)
    t.message_fails(system.invoke(memory, Operation.RETYPE, 4, 1, 0, 2, 3), out, THIRD, "more done than wanted")
    no, of = Status.NO_WINDOW, u64(WINDOW)
    system.window(buffer, into, 1)
    t.message_fails(system.invoke(memory, Operation.RETYPE, 4, 1, 0, 2, 0), no, of, "a window that is too small")
    t.fails(system.retype(buffer, memory, Kind.ENDPOINT, 0, 1, w.endpoint), no, of, "a window that is in use")
    t.fails(system.retype(buffer, memory, Kind.ENDPOINT, 0, 1, BEYOND), no, of, "a window beyond the table")
    t.fails(system.retype(buffer, memory, Kind.ENDPOINT, 0, 1, 0xFFFF_FFFF), no, of, "the largest window")
    less, invoked = Status.OUT_OF_MEMORY, u64(INVOKED)
    t.fails(system.retype(buffer, memory, Kind.FRAME, 1, 1, into), less, invoked, "a large frame of a small Memory")
    t.fails(system.retype(buffer, memory, Kind.MEMORY, 2 * SIZE, 1, into), less, invoked, "more Memory than there is")
    t.fails(
        system.retype(buffer, memory, Kind.MEMORY, 0xFFFF_FFFF_FFFF_F000, 1, into),
        out,
        SECOND,
        "Memory of 2**64 - 4096",
    )
    t.equal(free_of(w, memory), before, "what failed has used nothing")
    t.check(w.is_empty(into) and w.is_empty(into + 1), "and made nothing")
    w.drop(memory)


def memory_comes_back(w: World) -> None:
    t, buffer = w.t, w.process.buffer
    memory = w.new(Kind.MEMORY, SIZE)
    before = free_of(w, memory)
    into = w.slot(64)
    made: u64 = 0
    rounds: u64 = 0
    while rounds < 400:
        failure = system.retype(buffer, memory, Kind.FRAME, 0, 1, into + made % 64)
        if failure is not None:
            break
        made += 1
        rounds += 1
        if made % 64 == 0:
            for slot in range(u64(64)):
                # Deleted frames don't return one by one: the Memory is used up all the same, or goes on for good.
                t.done(system.delete(OWN_TABLE, into + slot))
    t.check(made >= SIZE // PAGE_SIZE - 8, "a Memory gives nearly as many frames as it has pages")
    t.done(system.revoke(OWN_TABLE, memory))
    t.equal(free_of(w, memory), before, "after REVOKE all of it is free again")
    t.check(w.is_empty(into), "and the frames have gone")
    w.drop(memory)


def fresh_memory_is_clear(w: World) -> None:
    t = w.t
    memory = w.new(Kind.MEMORY, 16 * PAGE_SIZE)
    words: u64 = PAGE_SIZE // 8
    for number in range(u64(2)):
        frame = w.t.need(w.process.make_of(memory, Kind.FRAME))
        t.done(map_at(w.process, OWN_SPACE, w.process.memory, PLAYGROUND, READ | WRITE, frame))
        page = span_at(u64, PLAYGROUND, words)
        dirty: u64 = 0
        for word in page:
            dirty |= word
        t.equal(dirty, 0, "a fresh frame is zero")
        for place in range(len(page)):
            page[place] = 0x5EC2E7 + number
        t.done(system.revoke(OWN_TABLE, memory))
    table = w.t.need(w.process.make_of(memory, Kind.CAP_TABLE, 8))
    clean = True
    for slot in range(u64(8)):
        found = system.inspect(table, slot)
        clean = clean and not isinstance(found, Failure) and found.kind == 0 and found.badge == 0
    t.check(clean, "a table of used memory is empty")
    w.drop(memory)
    large = w.process.make(Kind.FRAME, 1)
    t.check(not isinstance(large, Failure), "a frame of 2 MiB")
    if not isinstance(large, Failure):
        t.succeeds(
            map_at(w.process, OWN_SPACE, w.process.memory, PLAYGROUND + LARGE_SIZE, READ | WRITE, large),
            "which is mapped",
        )
        t.equal(span_at(u64, PLAYGROUND + 2 * LARGE_SIZE - 8, 1)[0], 0, "its last word is zero")
        w.drop(large)
