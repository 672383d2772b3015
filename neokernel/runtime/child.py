"""New processes, of programs of the boot archive, from their creation to their end.

A process is made in three steps, so that its maker decides what it has, and is ended in one:

    child = Child()
    must(child.create(process, b"teller", events))         # stopped; it has its own objects, and nothing else
    child.arguments[0] = must_get(child.grant(process, endpoint, RECEIVE))
    must(child.start(process, PRIORITY))
    …
    death = must_get(await_death(process, events, reply))   # it has faulted, or says that it has ended
    must(end_child(process, death.child))                   # nothing is left of it

All its objects are made of one Memory of its own, which is kept for the next child of that size. What only the kernel
needs to know of, frames and page tables that are mapped, is in a table made of the same Memory: a child takes 8 slots
of its maker's table. Text and constants are the archive's own frames, the same in all children of a program.

Who calls a child that is ended gets PEER_DIED; who waits to be received goes on waiting, for who serves next.

Invariants: one thread of a process at a time makes others, because there is one place where their pages are filled.
Any thread may end them. What fails has left nothing behind but used-up memory of the child's, and can be tried again.
"""

from __future__ import annotations

from neokernel.abi.archive import EXECUTABLE, WRITABLE, File, Segment
from neokernel.abi.boot import (
    ARCHIVE_ADDRESS,
    BOOT_INFO_ADDRESS,
    FIRST_DYNAMIC,
    OWN_BUFFER,
    OWN_CONTEXT,
    OWN_SPACE,
    OWN_TABLE,
    OWN_THREAD,
    PROCESSOR,
    ROOT_BUFFER_ADDRESS,
)
from neokernel.abi.call import NEVER
from neokernel.abi.description import FIRST_DECLARED, MAXIMUM_GRANTS
from neokernel.abi.fault import Fault, Resume
from neokernel.abi.kinds import PAGE_SIZE, Kind
from neokernel.abi.operations import Binding
from neokernel.abi.rights import ALL, BEYOND, EXECUTE, READ, SEND, SIGNAL, WRITE
from neokernel.abi.status import FIRST, INVOKED, WINDOW, Status
from neokernel.lang import Array, Embedded, array, object_at, struct, u8, u16, u64, unsafe, value
from neokernel.runtime import system
from neokernel.runtime.capabilities import Holding
from neokernel.runtime.lend import LENDS_ADDRESS, LENT_ADDRESS, MAXIMUM_LENDERS, MOST_PAGES, REGION_SPACE
from neokernel.runtime.process import ENDED, MAXIMUM_ARGUMENTS, START_INFO_ADDRESS, Process, Settings, StartInfo
from neokernel.runtime.space import SCRATCH, Kept, fill, find_program, map_at, map_kept, map_new, released, segments_of
from neokernel.runtime.system import Failure, Message

unsafe("a child's first page is filled in where it is mapped for that")

#: bytes of a child's Memory: its objects take some 150 KiB, and its program's data
CHILD_MEMORY = 256 << 10
#: slots of its table; the last one is for who hears of its end, the one before for its heartbeat
CHILD_SLOTS = 256
LAST_SLOTS = 2
CHILD_STACK_PAGES = 16
#: its stack ends above the pages that it begins with, so that one table translates both
CHILD_STACK_TOP = BOOT_INFO_ADDRESS + 0x10_0000
#: page tables, and frames that its maker maps or shares later
MORE_KEPT = 64
#: bytes of its Memory that aren't its own: for its context, the page that it begins with, page tables for what it maps
MAKERS_SHARE = 8 * PAGE_SIZE

#: a child's slots in its maker's table, from the first of its run on; beside them there is its Memory's
SPACE = 0
TABLE = 1
KEPT = 2
THREAD = 3
BUFFER = 4
EVENTS = 5
CONTEXT = 6
RUN = 7

#: states of THREAD_INFO: it runs or is ready; it waits for a reply, also to a fault
RUNS = 1
AWAITS_REPLY = 5


@struct
class Child:
    """A process, as its maker sees it. Once started, its number is enough to end it."""

    #: 1 to MAXIMUM_CHILDREN, the badge of what it tells `events`; 0 if there is no child
    number: u64 = 0
    #: indices in the maker's table
    memory: u64 = 0
    space: u64 = 0
    table: u64 = 0
    thread: u64 = 0
    #: what it finds in `process.arguments`
    arguments: Array[u64] = array(MAXIMUM_ARGUMENTS)
    #: index in its table of a Memory that it makes its own objects of, 0 for none
    own_memory: u64 = 0
    #: the values of its configuration
    settings: Embedded[Settings] = Settings()
    #: pages of memory that it lends, by the declared capability, and that it is lent, by the badge
    lends: Array[u16] = array(MAXIMUM_GRANTS)
    lent: Array[u16] = array(MAXIMUM_LENDERS)
    #: where it has the frames of all that it is lent, 0 if it hasn't
    lent_frames: u64 = 0
    #: bytes that are shared at STATE_ADDRESS
    state_size: u64 = 0
    #: slots of its table, the next free one, and that of its heartbeat, 0 for none
    slots: u64 = CHILD_SLOTS
    next_slot: u64 = FIRST_DYNAMIC
    heartbeat: u64 = 0
    #: its frames and page tables
    kept: Embedded[Kept] = Kept()
    #: where the frames of its stack are among those, from the lowest on
    stack: u64 = 0
    first: u64 = 0
    entry: u64 = 0
    #: its program computes with floats; index of its Floats in its table, 0 if it has none yet
    computes: bool = False
    floats: u64 = 0

    def create(
        self,
        process: Process,
        name: bytes,
        events: u64,
        size: u64 = CHILD_MEMORY,
        slots: u64 = CHILD_SLOTS,
        more: u64 = MORE_KEPT,
        exact: bool = False,
    ) -> Failure | None:
        """A process that runs the archive's program `name`, stopped: its own objects, made of `size` bytes, no others.

        `events` is the maker's Endpoint that hears of its faults, and of its end. Its table has `slots`; `more` frames
        and page tables can be mapped for it later. `exact`: it has no more memory than that, although there may be a
        larger one that nobody uses now.
        """
        assert self.number == 0, "a child that hasn't ended"
        file = find_program(name)
        if file is None:
            return Failure(Status.NO_PROGRAM, FIRST)
        pages = (size + (PAGE_SIZE - 1)) // PAGE_SIZE
        children = process.children()
        number = children.take(pages, exact)
        if number is None:
            return Failure(Status.OUT_OF_SLOTS, WINDOW)
        kept = children.get(number)
        memory, pages = kept.memory, kept.pages
        if memory == 0:
            made = make_memory(process, pages * PAGE_SIZE)
            if isinstance(made, Failure):
                children.set(number, Holding(0, 0, 0))
                return made
            memory = made
        first = process.slot(RUN)
        if isinstance(first, Failure):
            children.set(number, Holding(memory, 0, pages))
            return first
        children.set(number, Holding(memory, first, pages))
        self.number, self.memory, self.first, self.entry = number, memory, first, file.entry
        self.space, self.table, self.thread = first + SPACE, first + TABLE, first + THREAD
        self.own_memory, self.next_slot, self.slots = 0, FIRST_DYNAMIC, slots
        self.lent_frames = 0
        self.heartbeat, self.state_size, self.settings.count, self.settings.used = 0, 0, 0, 0
        self.computes, self.floats = file.floats != 0, 0
        self.kept.table, self.kept.next = first + KEPT, 0
        for place in range(MAXIMUM_ARGUMENTS):
            self.arguments[place] = 0
        for place in range(MAXIMUM_GRANTS):
            self.lends[place] = 0
        for place in range(MAXIMUM_LENDERS):
            self.lent[place] = 0
        failure = self.assemble(process, file, events, more)
        if failure is not None:
            _ = self.end(process)
        return failure

    def assemble(self, process: Process, file: File, events: u64, more: u64) -> Failure | None:
        """Make its objects, and put them together."""
        kept: u64 = more + CHILD_STACK_PAGES
        for segment in segments_of(file):
            kept += pages_of(segment)
        buffer = process.buffer
        failure = system.retype(buffer, self.memory, Kind.ADDRESS_SPACE, 0, 1, self.space)
        if failure is None:
            failure = system.retype(buffer, self.memory, Kind.CAP_TABLE, self.slots, 1, self.table)
        if failure is None:
            failure = system.retype(buffer, self.memory, Kind.CAP_TABLE, kept, 1, self.first + KEPT)
        if failure is None:
            failure = system.retype(buffer, self.memory, Kind.THREAD, 0, 1, self.thread)
        if failure is None:
            failure = system.retype(buffer, self.memory, Kind.FRAME, 0, 1, self.first + BUFFER)
        if failure is None:
            failure = system.copy(buffer, OWN_TABLE, self.first + EVENTS, SEND, self.number, events)
        if failure is None:
            failure = system.bind(buffer, self.thread, Binding.SPACE, self.space)
        if failure is None:
            failure = system.bind(buffer, self.thread, Binding.TABLE, self.table)
        if failure is None:
            failure = system.bind(buffer, self.thread, Binding.BUFFER, self.first + BUFFER)
        if failure is None:
            failure = system.bind(buffer, self.thread, Binding.HANDLER, self.first + EVENTS)
        if failure is None:
            failure = self.grant_at(process, OWN_TABLE, self.table, ALL)
        if failure is None:
            failure = self.grant_at(process, OWN_SPACE, self.space, ALL)
        if failure is None:
            failure = self.grant_at(process, OWN_THREAD, self.thread, ALL)
        if failure is None:
            failure = self.grant_at(process, OWN_BUFFER, self.first + BUFFER, READ | WRITE)
        if failure is None:
            failure = self.grant_at(process, self.slots - 1, self.first + EVENTS, SEND)
        if failure is None:
            failure = self.map(process, ROOT_BUFFER_ADDRESS, READ | WRITE, self.first + BUFFER)
        if failure is None:
            self.stack = self.kept.next
            failure = self.map_new(
                process, CHILD_STACK_TOP - CHILD_STACK_PAGES * PAGE_SIZE, READ | WRITE, CHILD_STACK_PAGES
            )
        if failure is not None:
            return failure
        for segment in segments_of(file):
            failure = self.load(process, segment)
            if failure is not None:
                return failure
        return None

    def load(self, process: Process, segment: Segment) -> Failure | None:
        """Map a part of its program: what isn't written, where the archive has it."""
        archive = u64(process.boot().archive_table)
        shared = segment.flags & WRITABLE == 0 and segment.memory_size == segment.file_size
        rights = READ | EXECUTE if segment.flags & EXECUTABLE != 0 else READ
        if segment.flags & WRITABLE != 0:
            rights = READ | WRITE
        for page in range(pages_of(segment)):
            slot = process.slot()
            if isinstance(slot, Failure):
                return slot
            offset = page * PAGE_SIZE
            if shared:
                place = segment.offset // PAGE_SIZE + page
                failure = system.copy_out(process.buffer, archive, place, rights, slot)
            else:
                failure = system.retype(process.buffer, self.memory, Kind.FRAME, 0, 1, slot)
                if failure is None and offset < segment.file_size:
                    failure = fill(process, slot, ARCHIVE_ADDRESS + segment.offset + offset)
            if failure is not None:
                return released(process, slot, failure)
            failure = self.map_kept(process, segment.address + offset, rights, slot)
            if failure is not None:
                return failure
        return None

    # --- its address space --------------------------------------------------------------------------------------------

    def map(self, process: Process, address: u64, rights: u16, frame: u64) -> Failure | None:
        """Map the maker's frame, which isn't mapped yet, into its address space."""
        return map_at(process, self.space, self.memory, address, rights, frame, self.kept)

    def map_new(self, process: Process, address: u64, rights: u16, pages: u64) -> Failure | None:
        """Map fresh, cleared pages of its own memory from `address` on. If it fails, those mapped before stay."""
        return map_new(process, self.space, self.memory, address, rights, pages, self.kept)

    def map_kept(self, process: Process, address: u64, rights: u16, frame: u64) -> Failure | None:
        """Map a frame that its maker doesn't need any more. If that fails, it is dropped."""
        return map_kept(process, self.space, self.memory, address, rights, frame, self.kept)

    def share(self, process: Process, address: u64, rights: u16, frame: u64) -> Failure | None:
        """Map a copy of the maker's frame, which ends with the child."""
        copied = process.derive(frame, rights)
        return copied if isinstance(copied, Failure) else self.map_kept(process, address, rights, copied)

    def lend(self, process: Process, slot: u64, frames: u64, pages: u64) -> Failure | None:
        """Let it lend these frames of its maker's to who serves its declared capability in that slot."""
        place = slot - FIRST_DECLARED
        assert pages <= MOST_PAGES, "a region that is too large for pages"
        self.lends[place] = u16(pages)
        return self.share_all(process, LENDS_ADDRESS + place * REGION_SPACE, frames, pages)

    def borrow(self, process: Process, client: u64, frames: u64, pages: u64) -> Failure | None:
        """Let it have what the client with this number in its badge lends: the same frames."""
        assert client < MAXIMUM_LENDERS and pages <= MOST_PAGES, "a region that is too large for pages, or nobody's"
        self.lent[client] = u16(pages)
        return self.share_all(process, LENT_ADDRESS + client * REGION_SPACE, frames, pages)

    def share_all(self, process: Process, address: u64, frames: u64, pages: u64) -> Failure | None:
        for page in range(pages):
            failure = self.share(process, address + page * PAGE_SIZE, READ | WRITE, frames + page)
            if failure is not None:
                return failure
        return None

    # --- what it has --------------------------------------------------------------------------------------------------

    def grant_at(self, process: Process, index: u64, source: u64, rights: u16, badge: u64 = 0) -> Failure | None:
        """Give it a copy of the maker's capability `source`, at `index` of its table."""
        return system.copy(process.buffer, self.table, index, rights, badge, source)

    def grant(self, process: Process, source: u64, rights: u16, badge: u64 = 0) -> u64 | Failure:
        """Give it a copy of the maker's capability `source`, in the next free slot from FIRST_DYNAMIC on: its index."""
        index = self.next_slot
        failure = self.grant_at(process, index, source, rights, badge)
        if failure is not None:
            return failure
        self.next_slot = index + 1
        return index

    def make(self, process: Process, kind: Kind, size: u64 = 0) -> u64 | Failure:
        """An object of its own memory, for the child alone: the index in its table."""
        slot = process.make_of(self.memory, kind, size)
        if isinstance(slot, Failure):
            return slot
        index = self.next_slot
        failure = released(process, slot, system.move(process.buffer, self.table, index, slot))
        if failure is not None:
            return failure
        self.next_slot = index + 1
        return index

    def give_lent_frame(self, process: Process, frame: u64) -> Failure | None:
        """Give it a frame that it is lent, which its maker doesn't need: all of them, in their order."""
        index = self.next_slot
        failure = released(process, frame, system.move(process.buffer, self.table, index, frame))
        if failure is None:
            self.next_slot = index + 1
            if self.lent_frames == 0:
                self.lent_frames = index
        return failure

    def give_memory(self, process: Process) -> Failure | None:
        """Let what is left of its memory be its own, to make objects of: after all else that its maker makes of it."""
        info = system.memory_info(self.memory)
        if isinstance(info, Failure):
            return info
        if info.free < MAKERS_SHARE + PAGE_SIZE:
            return Failure(Status.OUT_OF_MEMORY, INVOKED)
        made = self.make(process, Kind.MEMORY, (info.free - MAKERS_SHARE) // PAGE_SIZE * PAGE_SIZE)
        if isinstance(made, Failure):
            return made
        self.own_memory = made
        return None

    def share_heartbeat(self, process: Process, notification: u64) -> Failure | None:
        """Let it signal the maker's notification, to show that it lives."""
        index = self.slots - LAST_SLOTS
        failure = self.grant_at(process, index, notification, SIGNAL)
        if failure is None:
            self.heartbeat = index
        return failure

    # --- its life -----------------------------------------------------------------------------------------------------

    def start(self, process: Process, priority: u64, budget: u64 = 0, period: u64 = 0) -> Failure | None:
        """Let it begin, with a right to `budget` ticks in each `period`; without them, it takes turns with its equals.

        All grants and arguments came before.
        """
        if period == 0:
            budget = period = process.frequency // 100
        context = self.first + CONTEXT
        failure = system.retype(process.buffer, self.memory, Kind.SCHED_CONTEXT, 0, 1, context)
        if failure is not None:
            return failure
        failure = system.configure(process.buffer, PROCESSOR, priority, budget, period, context)
        if failure is None:
            failure = self.start_on(process, context, priority)
        if failure is not None:
            _ = system.delete(OWN_TABLE, context)
        return failure

    def start_on(self, process: Process, context: u64, priority: u64) -> Failure | None:
        """Let it begin on a context of its maker's, which has `priority` and no other thread."""
        failure = system.bind(process.buffer, self.thread, Binding.CONTEXT, context)
        if failure is not None:
            return failure
        failure = self.grant_at(process, OWN_CONTEXT, context, ALL)
        if failure is None:
            failure = self.begin(process, priority)
            if failure is not None:
                _ = system.delete(self.table, OWN_CONTEXT)
        if failure is not None:
            _ = system.unbind(self.thread, Binding.CONTEXT)
        return failure

    def begin(self, process: Process, priority: u64) -> Failure | None:
        """Fill in the page that it begins with, and let its thread go."""
        if self.computes and self.floats == 0:
            floats = self.make(process, Kind.FLOATS, process.vector_bytes)
            if isinstance(floats, Failure):
                return floats
            self.floats = floats
        frame = process.make_of(self.memory, Kind.FRAME)
        if isinstance(frame, Failure):
            return frame
        failure = map_at(process, OWN_SPACE, process.memory, SCRATCH, READ | WRITE, frame)
        if failure is not None:
            return released(process, frame, failure)
        info = object_at(StartInfo, SCRATCH)
        info.free_first = self.next_slot
        info.free_end = self.slots - LAST_SLOTS
        info.supervisor = self.slots - 1
        info.heartbeat = self.heartbeat
        info.state_size = self.state_size
        info.settings.assign(self.settings)
        for place in range(MAXIMUM_GRANTS):
            info.lends[place] = self.lends[place]
        for place in range(MAXIMUM_LENDERS):
            info.lent[place] = self.lent[place]
        info.lent_frames = self.lent_frames
        info.memory = self.own_memory
        info.frequency = process.frequency
        info.vector_bytes = process.vector_bytes
        info.floats = self.floats
        info.priority = priority
        for place in range(MAXIMUM_ARGUMENTS):
            info.arguments[place] = self.arguments[place]
        failure = system.unmap(frame)
        if failure is not None:
            return released(process, frame, failure)
        failure = self.map_kept(process, START_INFO_ADDRESS, READ, frame)
        if failure is None:
            failure = system.start(self.thread, self.entry, CHILD_STACK_TOP, START_INFO_ADDRESS, ROOT_BUFFER_ADDRESS)
            if failure is not None:
                # So that the page can be mapped there again.
                self.kept.drop_last()
        return failure

    def end(self, process: Process) -> Failure | None:
        """Take it down, wherever it is: see `end_child`. The object can be used for the next one then."""
        failure = end_child(process, self.number)
        if failure is None:
            self.number = 0
        return failure


def make_memory(process: Process, size: u64) -> u64 | Failure:
    """Memory for a child, and for those after it: it stays."""
    source = memory_source(process)
    if isinstance(source, Failure):
        return source
    slot = process.slots().allocate_last()
    if slot is None:
        return Failure(Status.OUT_OF_SLOTS, WINDOW)
    failure = system.retype(process.buffer, source, Kind.MEMORY, size, 1, slot)
    if failure is None:
        return slot
    process.slots().release(slot)
    return failure


def memory_source(process: Process) -> u64 | Failure:
    """The maker's Memory without the rights beyond it: what a child makes is no DmaSpace and no Trace."""
    children = process.children()
    known = children.source.load()
    if known != 0:
        return known
    made = process.derive(process.memory, ALL & ~BEYOND)
    if isinstance(made, Failure) or children.source.compare_exchange(0, made):
        return made
    _ = process.drop(made)
    return children.source.load()


def pages_of(segment: Segment) -> u64:
    return (segment.memory_size + (PAGE_SIZE - 1)) // PAGE_SIZE


def end_child(process: Process, number: u64) -> Failure | None:
    """Take a child down, whatever it does: nothing of it is left, and who waits for its answers gets PEER_DIED.

    OUT_OF_RANGE: there is no child of that number. PINNED: a device may still reach its memory; it is stopped, and can
    be ended when that is over, as with the end of the DmaSpace.
    """
    children = process.children()
    holding = children.claim(number)
    if holding is None:
        return Failure(Status.OUT_OF_RANGE, FIRST)
    # Its threads stop without their table. What is pinned would keep the next step from them.
    failure = system.revoke(OWN_TABLE, holding.first + TABLE)
    if failure is None:
        failure = system.revoke(OWN_TABLE, holding.memory)
    if failure is None:
        failure = system.delete(OWN_TABLE, holding.first + EVENTS)
    if failure is not None:
        children.set(number, holding)
        return failure
    process.slots().release(holding.first, RUN)
    children.set(number, Holding(holding.memory, 0, holding.pages))
    return None


@value
class Death:
    """How a child came to its end: it has said so, with a status, or it has faulted, at a program counter."""

    #: its number
    child: u64
    #: index of its first thread, for `system.read_registers` and `system.resume`; 0 if somebody ends it already
    thread: u64
    #: None if it has ended by itself
    fault: Fault | None
    status: u64
    counter: u64
    #: of a page fault, the address
    address: u64
    #: 0 read, 1 write, 2 execute; 0 of faults that have none
    access: u64


def await_death(process: Process, events: u64, reply: u64, deadline: u64 = NEVER) -> Death | Failure:
    """Wait until a child has faulted or says that it has ended. The thread that did is stopped.

    TIMED_OUT: none has until the deadline. WRONG_STATE of argument 2: the caller has no context of its own; nobody can
    tell it then that he has ended.

    Who runs on a client's time, and has used it up, goes on when it comes back: that is no death. It is one, BUDGET, if
    it won't come back to the child's first thread, because the context has ended, or a scheduler has taken it back.
    This thread isn't stopped: it goes on as soon as a context is bound to it.

    Other threads of the child, or one that only says that it has ended, run on until it is taken down. Children are
    told apart by their badges, which they can't choose. What else one says here counts for nothing; nor do signals of a
    notification that is bound to the caller, which are lost.
    """
    while True:
        # Only a thread with a context of its own can set a deadline, even one that never comes.
        event = system.receive(events, reply, min(deadline, NEVER - 1))
        if isinstance(event, Failure):
            return event
        death = death_of(process, event, reply)
        if death is not None:
            return death
        # The next one may be there already, however often.
        if system.now() >= deadline:
            return Failure(Status.TIMED_OUT, FIRST)


def death_of(process: Process, event: Message, reply: u64) -> Death | None:
    """What a child says, or the kernel of it, received with `reply`: is it its end? It is answered, whatever it is."""
    thread = first_thread(process, event.badge)
    if event.is_fault():
        fault = Fault(u8(event.label()))
        if fault is not Fault.BUDGET:
            _ = system.resume_faulted(reply, Resume.STOP)
        elif goes_on(process, thread, reply):
            return None
        return Death(event.badge, thread, fault, 0, event.w1, event.w0, access_of(fault, event))
    # Who called instead of sending would keep the Reply.
    _ = system.reply(reply, 0)
    if event.label() == ENDED and event.badge != 0:
        return Death(event.badge, thread, None, event.w0, 0, 0, 0)
    return None


def access_of(fault: Fault, event: Message) -> u64:
    """What a thread did to the address that a fault report names, of faults that do."""
    return event.w2 if fault in (Fault.PAGE, Fault.MISALIGNED, Fault.BUS) else 0


def first_thread(process: Process, number: u64) -> u64:
    """Index of a child's first thread, 0 if there is no such child."""
    first = process.children().first(number)
    return 0 if first is None else first + THREAD


def goes_on(process: Process, thread: u64, reply: u64) -> bool:
    """Let a thread that has used up a client's time go on, when that comes back. False if it is `thread`, and it won't.

    Of a child's threads, only the first is known here.
    """
    suspect = state_of(thread) == AWAITS_REPLY
    _ = system.resume_faulted(reply, Resume.RETRY)
    if not suspect or state_of(thread) != RUNS:
        return True
    # BIND says OCCUPIED of a thread that has a client's time, before it looks at what would be bound.
    failure = system.bind(process.buffer, thread, Binding.CONTEXT, OWN_TABLE)
    return failure is not None and failure.status is Status.OCCUPIED


def state_of(thread: u64) -> u64:
    """What a thread does: see THREAD_INFO. It is stopped if there is none."""
    info = system.thread_info(thread)
    return 0 if isinstance(info, Failure) else info.state
