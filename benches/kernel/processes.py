"""A process from its creation to its end, again and again, as a supervisor that knows what it starts would do it.

Each has an address space and a table of capabilities of its own, 8 private pages that are cleared, and 64 KiB of text
that it shares with this program, page by page. The supervisor keeps a set of capabilities for the text: the end of one
process unmaps them, and they are mapped for the next. A process writes to a private page, hands its exit status to the
supervisor, and is taken down by revoking the memory that all of it was made of. Everything is counted: also what the
supervisor does in user mode.
"""

from __future__ import annotations

from support import WARM, done, give_up, made, mean, report, settle

from neokernel.abi.archive import EXECUTABLE, File, Header, Segment
from neokernel.abi.boot import ARCHIVE_ADDRESS, OWN_TABLE
from neokernel.abi.kinds import PAGE_SIZE, Kind
from neokernel.abi.operations import Binding
from neokernel.abi.rights import EXECUTE, READ, SEND, WRITE
from neokernel.lang import Embedded, asm, assembly, object_at, size_of, span_at, u64, unsafe
from neokernel.runtime import system
from neokernel.runtime.process import Process
from neokernel.runtime.space import fill, find_program
from neokernel.runtime.system import Failure

unsafe("the processes that are made begin in a piece of assembly")

NAME = b"processes"
PROCESSES = 16
TEXT_PAGES = 16
PRIVATE_PAGES = 8
#: private pages end here; text is where it is in this program, and both are translated by one table
TOP = 0x10_0000
#: below the supervisor's: it goes on as soon as it has the exit status
BELOW = 100
#: the supervisor's slots for a process, from the first of them on
SPACE = 0
TABLE = 1
THREAD = 2
TABLES = 3
PRIVATE = 5
SLOTS = 16
#: of its memory: what a process needs
SIZE = 256 << 10
STATUS = 42
#: index of the supervisor's endpoint in its table
SUPERVISOR = 1

# The program: `*(sp - 8) = a0; send(SUPERVISOR, message(STATUS's label, 1), a0); suspend for good`.
assembly(f"""
    .section .text.bench_process, "ax", @progbits
    .globl bench_process
bench_process:
    sd a0, -8(sp)
    ld a2, -8(sp)
    li a7, 2
    li a0, {SUPERVISOR}
    li a1, 1
    slli a1, a1, 32
    li a3, 0
    li a4, 0
    li a5, 0
    ecall
1:  j 1b
""")


def entry() -> u64:
    return asm("la {result}, bench_process", result=u64)


def main(process: Process) -> None:
    settle(process)
    segment = text()
    texts = made(process, "text", process.slot(TEXT_PAGES))
    system.window(process.buffer, texts, TEXT_PAGES)
    if system.retype(process.buffer, process.memory, Kind.FRAME, 0, TEXT_PAGES, texts) is not None:
        give_up(process, "text", 0)
    if entry() < segment.address or entry() >= segment.address + TEXT_PAGES * PAGE_SIZE:
        give_up(process, "the process's program isn't in the text's first pages", entry())
    for page in range(u64(0), u64(TEXT_PAGES)):
        offset = page * PAGE_SIZE
        if offset < segment.file_size:
            failure = fill(process, texts + page, ARCHIVE_ADDRESS + segment.offset + offset)
            if failure is not None:
                give_up(process, "fill", page)
    memory = made(process, "memory", process.make(Kind.MEMORY, SIZE))
    copies = made(process, "copies", process.slot(TEXT_PAGES))
    for page in range(u64(0), u64(TEXT_PAGES)):
        copied = system.copy(process.buffer, OWN_TABLE, copies + page, READ | EXECUTE, 0, texts + page)
        done(process, "copy", copied)
    endpoint = made(process, "endpoint", process.make(Kind.ENDPOINT))
    context = made(process, "context", process.context(BELOW, process.frequency, process.frequency))
    slots = made(process, "slots", process.slot(48))
    total: u64 = 0
    for round in range(u64(0), u64(PROCESSES + WARM)):
        before = system.instructions()
        status = STATUS + round
        done(process, "create", create(process, memory, slots, copies, segment.address, endpoint, context, status))
        got = system.receive(endpoint, 0)
        if isinstance(got, Failure) or got.w0 != status:
            give_up(process, "status", status)
        done(process, "reap", reap(memory))
        after = system.instructions()
        if round >= WARM:
            total += after - before - 1
    mean(process, "process", total, PROCESSES)
    report(process, "process_text", segment.file_size)
    process.exit()


def text() -> Segment:
    """The segment of this program that can be executed."""
    file = find_program(NAME)
    assert file is not None, "this program is in the archive"
    header = object_at(Header, ARCHIVE_ADDRESS)
    first = ARCHIVE_ADDRESS + size_of(Header) + u64(header.count) * size_of(File)
    segments = span_at(Embedded[Segment], first, u64(header.segment_count))
    number = u64(file.first_segment)
    while segments[number].flags & EXECUTABLE == 0:
        number += 1
    return segments[number]


def create(
    process: Process, memory: u64, slots: u64, copies: u64, address: u64, endpoint: u64, context: u64, status: u64
) -> Failure | None:
    """Make a process and start it; it runs when its supervisor waits."""
    buffer = process.buffer
    space, table, thread = slots + SPACE, slots + TABLE, slots + THREAD
    failure = system.retype(buffer, memory, Kind.ADDRESS_SPACE, 0, 1, space)
    if failure is None:
        failure = system.retype(buffer, memory, Kind.CAP_TABLE, SLOTS, 1, table)
    if failure is None:
        failure = system.retype(buffer, memory, Kind.THREAD, 0, 1, thread)
    if failure is None:
        failure = system.retype(buffer, memory, Kind.PAGE_TABLE, 0, 2, slots + TABLES)
    if failure is None:
        failure = system.retype(buffer, memory, Kind.FRAME, 0, PRIVATE_PAGES, slots + PRIVATE)
    if failure is None:
        failure = system.install(buffer, space, 0, 2, slots + TABLES)
    if failure is None:
        failure = system.install(buffer, space, 0, 1, slots + TABLES + 1)
    if failure is not None:
        return failure
    for page in range(u64(0), u64(PRIVATE_PAGES)):
        place = TOP - (page + 1) * PAGE_SIZE
        failure = system.map(buffer, space, place, READ | WRITE, slots + PRIVATE + page)
        if failure is not None:
            return failure
    for page in range(u64(0), u64(TEXT_PAGES)):
        failure = system.map(buffer, space, address + page * PAGE_SIZE, READ | EXECUTE, copies + page)
        if failure is not None:
            return failure
    failure = system.copy(buffer, table, SUPERVISOR, SEND, 0, endpoint)
    if failure is None:
        failure = system.bind(buffer, thread, Binding.SPACE, space)
    if failure is None:
        failure = system.bind(buffer, thread, Binding.TABLE, table)
    if failure is None:
        failure = system.bind(buffer, thread, Binding.CONTEXT, context)
    if failure is None:
        failure = system.start(thread, entry(), TOP, status, 0)
    return failure


def reap(memory: u64) -> Failure | None:
    """End everything that was made for a process. Its text was mapped, and is free for the next one's."""
    return system.revoke(OWN_TABLE, memory)
