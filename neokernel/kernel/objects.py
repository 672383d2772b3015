"""The kernel's data: every object, and how objects refer to each other. Operations are in a file per object.

One module, because the types name each other. Zeroed memory is a valid object of each type but for the references that
`placement.py` sets when it makes one.

Invariants are stated at the fields; `tests/kernel/invariants.py` checks them, the prover will prove them.
"""

from __future__ import annotations

from enum import Enum

from neokernel.abi.buffer import Buffer
from neokernel.abi.call import MAXIMUM_CAPABILITIES, MAXIMUM_WORDS, capabilities_of, length_of
from neokernel.abi.denials import KEPT_DENIALS
from neokernel.abi.kinds import PAGE_SIZE
from neokernel.abi.rights import EXECUTE, READ, WRITE
from neokernel.arch.cpu import Cpu
from neokernel.arch.riscv64.registers import Registers
from neokernel.lang import (
    Array,
    Embedded,
    Ghost,
    Span,
    array,
    ghost,
    invariant,
    offset_of,
    size_of,
    struct,
    u8,
    u16,
    u32,
    u64,
)

PRIORITIES = 256
MAXIMUM_DEPTH = 64
#: no memory begins or is larger: sums of two addresses or sizes fit. RAM ends before the direct map does
MOST_BYTES = 1 << 56
MOST_RAM = 1 << 38
MOST_TRACE_PAGES = 1 << 12
MOST_PINS = 1 << 12
#: vector registers, and bytes of one at most (2^16 bits)
VECTORS = 32
MOST_VECTOR_BYTES = 1 << 13

# --- capabilities -----------------------------------------------------------------------------------------------------

#: Slot.flags. The object lives exactly as long as this capability: retype or boot made it
OWNER = 1 << 0
#: a Frame of 2 MiB
LARGE = 1 << 1
#: a Frame or Memory of a device
DEVICE = 1 << 2
#: the badge is set
BADGED = 1 << 3
#: a revocation of it has begun: nothing is derived from it or below
REVOKING = 1 << 4
#: a device may reach the Frame
PINNED = 1 << 5
#: in no table: what a thread or interrupt uses, or a dying table's own. Nothing is derived from it
BOUND = 1 << 6


@struct
class Slot:
    """A place for a capability.

    All slots of one derivation tree are in one list, in depth-first order: the descendants of a slot are those after it
    with a greater depth. So the tree is well-formed if each slot fits its `next`.
    """

    object: (
        Endpoint
        | Reply
        | Notification
        | Memory
        | Frame
        | PageTable
        | AddressSpace
        | CapTable
        | Thread
        | SchedContext
        | Floats
        | Interrupt
        | DmaSpace
        | Trace
        | Processor
        | Platform
        | None
    ) = None
    #: badge; of a Frame its physical address
    word: u64 = 0
    parent: Slot | None = None
    next: Slot | None = None
    previous: Slot | None = None
    #: who uses it: a page table that maps it, a thread or interrupt that it is bound to, a device space that pins it
    holder: Holder | None = None
    rights: u16 = 0
    #: which entry of the page table, which binding, which pin
    entry: u16 = 0
    depth: u8 = 0
    flags: u8 = 0

    @invariant
    def knows_its_entry(self) -> bool:
        holder = self.holder
        if holder is None:
            return True
        match holder.user:
            case PageTable():
                return self.entry < 512
            case DmaSpace(pins=pins):
                return u64(self.entry) < len(pins)
            case _:
                return True

    @invariant
    def is_empty_as_a_whole(self) -> bool:
        alone = self.next is None and self.previous is None and self.holder is None
        return self.object is not None or (alone and self.flags == 0)

    @invariant
    def is_linked(self) -> bool:
        before = self.previous
        after = self.next
        return (before is None or before.next is self) and (after is None or after.previous is self)

    @invariant
    def is_in_order(self) -> bool:
        """A list begins at depth 0 and is one tree; what is bound is a leaf."""
        after = self.next
        below = u64(self.depth) if self.flags & BOUND != 0 else u64(self.depth) + 1
        begins = self.previous is not None or self.depth == 0
        return begins and self.depth <= MAXIMUM_DEPTH and (after is None or 1 <= u64(after.depth) <= below)

    @invariant
    def is_mapped_as_allowed(self) -> bool:
        """What is in a page table is known there, and its entry names the same memory, with no more rights."""
        holder = self.holder
        if holder is None:
            return True
        table = holder.user
        if not isinstance(table, PageTable):
            return True
        index = u64(self.entry)
        return table.owners.slot[index] is self and is_allowed(self, table.entries.entry[index])

    @invariant
    def names_memory(self) -> bool:
        return not isinstance(self.object, Frame) or self.flags & DEVICE != 0 or self.word < MOST_RAM


@struct
class Holder:
    """What uses a capability, as the capability sees it. Part of that object."""

    user: PageTable | Thread | Interrupt | DmaSpace | None = None


@struct
class Denial:
    """A system call that was denied, as the thread's registers were."""

    capability: u64 = 0
    word: u64 = 0
    #: the failure, and the number of the call below it
    outcome: u64 = 0


@struct
class CapTable:
    slots: Span[Embedded[Slot]]
    #: how many calls of threads of this table were denied, and the last of them: number n is at n modulo their number
    denied: u64 = 0
    denials: Array[Embedded[Denial]] = array(KEPT_DENIALS)
    #: while the table is emptied: its own capability, its neighbours in the list of those, and how far it is; the pin
    #: that it waits for, in whose list it is then
    tomb: Embedded[Slot] = Slot()
    next_dying: CapTable | None = None
    previous_dying: CapTable | None = None
    blocked: Pin | None = None
    cursor: u64 = 0
    #: in the first round over the slots a pin was in the way; this is the second
    stuck: bool = False
    again: bool = False

    @invariant
    def in_bounds(self) -> bool:
        return self.cursor <= len(self.slots)


# --- memory -----------------------------------------------------------------------------------------------------------


@struct
class Memory:
    """Physical memory from `base`. Objects are made from below, descriptors of Memories and page tables from above.

    Invariants: low <= high <= size; [low, clean) is zero if low < clean; what lies between low and high is nobody's;
    `live` objects were made of it and haven't ended: at 0 all of it is free again.
    """

    base: u64 = 0
    size: u64 = 0
    low: u64 = 0
    high: u64 = 0
    clean: u64 = 0
    live: u64 = 0
    device: bool = False

    @invariant
    def marks_in_order(self) -> bool:
        whole = self.base % 64 == 0 and self.size % 64 == 0
        room = self.low + (self.size - self.high)
        in_order = self.low <= self.high and self.high <= self.size and self.clean <= self.size
        return whole and in_order and self.live <= room // 64

    @invariant
    def has_addresses(self) -> bool:
        if self.device:
            return self.base <= MOST_BYTES and self.size <= MOST_BYTES
        return self.base < MOST_RAM and self.size < MOST_RAM - self.base


@struct
class Frame:
    """That a capability names mappable memory, at the physical address `Slot.word`. There is one object for all."""

    unused: u64 = 0


@struct
class Entries:
    """What the hardware reads (privileged specification, Sv39)."""

    entry: Array[u64] = array(512)
    #: whose they are
    table: Ghost[PageTable | None] = None


@struct
class Owners:
    """For each entry in use the slot of the Frame or PageTable in it: `slot.holder.user` is this table."""

    slot: Array[Slot | None] = array(512)
    table: Ghost[PageTable | None] = None


@struct
class PageTable:
    """`level` of its entries: 2 root, 1 entries of 2 MiB, 0 entries of 4 KiB; it is settled while entries are used.

    `parent` and `index`: where it is installed. `space`: whose root it is.
    """

    entries: Entries
    owners: Owners
    holder: Embedded[Holder] = Holder()
    space: AddressSpace | None = None
    parent: PageTable | None = None
    #: the physical address of the entries
    base: u64 = 0
    index: u16 = 0
    #: how many entries are in use
    used: u16 = 0
    #: while it is emptied: the next entry to look at
    cursor: u16 = 0
    level: u8 = 0

    @invariant
    def in_bounds(self) -> bool:
        return self.level <= 2 and self.index < 512 and self.cursor < 512

    @invariant
    def holds(self) -> bool:
        user = self.holder.user
        return isinstance(user, PageTable) and user is self

    @invariant
    def has_pages(self) -> bool:
        return self.entries.table is self and self.owners.table is self


#: bits of an entry (privileged specification, 12.3.1 and 12.4.1)
VALID = 1 << 0
ENTRY_READ = 1 << 1
ENTRY_WRITE = 1 << 2
ENTRY_EXECUTE = 1 << 3
USER = 1 << 4
ACCESSED = 1 << 6
DIRTY = 1 << 7

assert ENTRY_READ == READ << 1, "rights are an entry's bits, shifted"
assert ENTRY_WRITE == WRITE << 1, "likewise"
assert ENTRY_EXECUTE == EXECUTE << 1, "likewise"


def is_allowed(slot: Slot, entry: u64) -> bool:
    """Does the entry name what the capability does, with no more rights, and never to write and execute?"""
    table = slot.object
    rights = (entry >> 1) & u64(READ | WRITE | EXECUTE)
    if isinstance(table, PageTable):
        return entry >> 10 == table.base >> 12 and rights == 0 and entry & USER == 0
    exclusive = rights & u64(WRITE | EXECUTE) != u64(WRITE | EXECUTE)
    return entry >> 10 == slot.word >> 12 and rights & ~u64(slot.rights) == 0 and exclusive


@struct
class AddressSpace:
    """`translation` is what goes into `satp`; 0 until a hart has given it an ASID, and after that was taken away."""

    root: Embedded[PageTable]
    translation: u64 = 0
    asid: u16 = 0
    identifier: u64 = 0

    @invariant
    def in_bounds(self) -> bool:
        return self.asid < ASIDS


# --- time -------------------------------------------------------------------------------------------------------------


@struct
class Timer:
    """A time at which something happens: to a thread that waits, or misses time, or to a context that gets some back.

    Invariant: it is in `bucket` of the wheel while `armed`.
    """

    expiry: u64 = 0
    next: Timer | None = None
    previous: Timer | None = None
    owner: Thread | SchedContext | None = None
    bucket: u16 = 0
    armed: bool = False

    @invariant
    def in_a_bucket(self) -> bool:
        return self.bucket < 64 * WHEEL_LEVELS


# --- threads ----------------------------------------------------------------------------------------------------------


class State(Enum):
    """What a thread does. In brackets the field that says what it waits for."""

    #: never started, suspended, or without something it needs
    STOPPED = 0
    #: running, ready, or only without a context
    RUNNABLE = 1
    #: a message that nobody has received yet (endpoint)
    SENDING = 2
    #: a call that nobody has received yet (endpoint)
    CALLING = 3
    #: (endpoint)
    RECEIVING = 4
    #: called, and waits for the reply (awaited)
    REPLIED = 5
    #: (signals)
    WAITING = 6
    #: runs another thread, by DISPATCH (dispatched)
    DISPATCHING = 7
    #: the same as REPLIED, and the answer has come: the server has yet to end the call (awaited)
    ANSWERED = 8


@struct
class Thread:
    registers: Embedded[Registers]
    #: behind the registers: the way in records it
    identifier: u64 = 0
    hart: Hart
    space: AddressSpace
    table: CapTable
    #: those of `table`: what it names is one load nearer
    slots: Span[Embedded[Slot]]
    #: the Reply with which it receives, or by which it serves a caller. reply.server is this thread
    reply: Reply | None = None
    #: on which it runs; context.thread is this thread
    context: SchedContext | None = None
    #: its links in the queue that it waits in, or of the hart's ready threads
    next: Thread | None = None
    previous: Thread | None = None
    queue: Ghost[ThreadQueue | None] = None
    #: what it waits for; which of them counts, its state says, and the others may have gone
    endpoint: Endpoint | None = None
    awaited: Reply | None = None
    signals: Notification | None = None
    dispatched: Thread | None = None
    #: while it sends: its badge and message word
    badge: u64 = 0
    message: u64 = 0
    timer: Embedded[Timer] = Timer()
    buffer: Buffer | None = None
    notification: Notification | None = None
    floats: Floats | None = None
    #: its own context, if it has one: home.home is this thread
    home: SchedContext | None = None
    #: identifier of the context of somebody else's that was taken from it; 0 if none was, it has other time since, or
    #: its handler has heard of that. So it has no context while this isn't 0
    taken: u64 = 0
    #: a scheduler in user space holds it: signals go there, and the thread that runs it now by DISPATCH
    scheduler: Notification | None = None
    dispatcher: Thread | None = None
    #: capabilities that it uses, by `Binding`; the last is the scheduler's notification
    bindings: Array[Embedded[Slot]] = array(8)
    holder: Embedded[Holder] = Holder()
    #: the payload of its fault report, while `faulted`
    report: Array[u64] = array(4)
    state: State = State.STOPPED
    #: the ready queue that it is in
    priority: u8 = 0
    floor: u8 = 0
    ready: bool = False
    #: its message is a fault report: the reply resumes it
    faulted: bool = False

    @invariant
    def holds(self) -> bool:
        user = self.holder.user
        return isinstance(user, Thread) and user is self

    @invariant
    def message_is_well_formed(self) -> bool:
        return fits(self.message)

    @invariant
    def is_linked(self) -> bool:
        """Its neighbours in a queue are in the same, and know it; the first is the head, the last the tail."""
        queue = self.queue
        if queue is None:
            return True
        before = self.previous
        after = self.next
        known = queue.head is self if before is None else before.next is self and before.queue is queue
        return known and (queue.tail is self if after is None else after.previous is self and after.queue is queue)

    @invariant
    def is_dispatched(self) -> bool:
        by = self.dispatcher
        return by is None or (by.dispatched is self and by.state is State.DISPATCHING)

    @invariant
    def is_queued_as_its_state_says(self) -> bool:
        """At what it waits for; or with the ready threads of its priority; or nowhere."""
        if self.ready:
            runnable = self.state is State.RUNNABLE and self.context is not None
            return runnable and self.queue is self.hart.queues[u64(self.priority)]
        at = self.endpoint
        match self.state:
            case State.SENDING | State.CALLING:
                return at is not None and self.queue is at.senders
            case State.RECEIVING:
                return at is not None and self.queue is at.receivers
            case State.WAITING:
                return self.signals is not None and self.queue is self.signals.waiters
            case _:
                return self.queue is None


@ghost
def can_run(thread: Thread) -> bool:
    """Is it as the current thread must be?"""
    return thread.state is State.RUNNABLE and thread.context is not None and not thread.ready


@ghost
def runs(thread: Thread) -> bool:
    return thread.hart.current is thread


@ghost
def fits(word: u64) -> bool:
    """Does the message word say no more than a message can have?"""
    return capabilities_of(word) <= MAXIMUM_CAPABILITIES and length_of(word) <= MAXIMUM_WORDS


#: Thread.bindings: the one that isn't of `Binding`
SCHEDULER = 7


@struct
class ThreadQueue:
    """First in, first out; any thread can be taken out."""

    head: Thread | None = None
    tail: Thread | None = None

    @invariant
    def has_ends(self) -> bool:
        first = self.head
        last = self.tail
        if first is None or last is None:
            return first is last
        return first.queue is self and first.previous is None and last.queue is self and last.next is None


@struct
class Endpoint:
    """Never both are waiting: who finds its counterpart doesn't queue.

    While senders with the badge `ending` are cancelled, from the last to the first, `cursor` is who is looked at next.
    """

    senders: Embedded[ThreadQueue] = ThreadQueue()
    receivers: Embedded[ThreadQueue] = ThreadQueue()
    cursor: Thread | None = None
    ending: u64 = 0


@struct
class Reply:
    """`caller` waits for it. While it does, `context` is what was lent with the call, and then `below` and `above` are
    its neighbours in the context's chain (`above` counts only while context.top is another).

    `server` is the thread that has it in `Thread.reply`.
    """

    caller: Thread | None = None
    context: SchedContext | None = None
    below: Reply | None = None
    above: Reply | None = None
    server: Thread | None = None

    @invariant
    def is_awaited(self) -> bool:
        """It is for one call: who waits for it waits for no other."""
        caller = self.caller
        return caller is None or (caller.awaited is self and caller.state in (State.REPLIED, State.ANSWERED))


@struct
class Notification:
    """Invariant: nobody waits while `word` isn't 0."""

    word: u64 = 0
    waiters: Embedded[ThreadQueue] = ThreadQueue()
    #: the thread whose receives its signals end
    bound: Thread | None = None
    counting: bool = False


@struct
class Floats:
    """f0 to f31 and fcsr of a thread, while they aren't in the processor.

    If there is room in `vectors`, v0 to v31 too, and their state: vstart, vcsr, vl, vtype.
    """

    vectors: Span[u64]
    registers: Array[u64] = array(32)
    control: u64 = 0
    vector_state: Array[u64] = array(4)


# --- budgets ----------------------------------------------------------------------------------------------------------

REFILLS = 8


@struct
class Refill:
    """`amount` ticks that can be used from `time` on."""

    time: u64 = 0
    amount: u64 = 0


@struct
class SchedContext:
    """A sporadic server: what was used comes back one period after its use began.

    Invariants: the amounts of `refills` sum up to `budget`, of a slice to what is left of it; their times ascend. `top`
    is the last call that was made on it.
    """

    #: who runs on it, and who owns it
    thread: Thread | None = None
    home: Thread | None = None
    top: Reply | None = None
    budget: u64 = 0
    period: u64 = 0
    #: of a slice, without what is used of the present one
    used: u64 = 0
    #: used and not yet taken from the refills
    owed: u64 = 0
    refills: Array[Embedded[Refill]] = array(REFILLS)
    timer: Embedded[Timer] = Timer()
    #: the place in `refills` of the first, and how many are in use behind it; the others are 0
    first: u8 = 0
    later: u8 = 0
    priority: u8 = 0
    #: nothing is left before `timer` ends
    empty: bool = False
    #: its budget is its period: it is a time slice, and never empty
    slice: bool = False
    identifier: u64 = 0

    @invariant
    def has_refills(self) -> bool:
        return self.first < REFILLS and self.later < REFILLS

    @invariant
    def budget_is_conserved(self) -> bool:
        if self.slice:
            return True
        total: u64 = 0
        for index in range(REFILLS):
            total += self.refills[index].amount
        return total == self.budget


#: 64 buckets for each 6 bits of a time
WHEEL_LEVELS = 11


@struct
class Wheel:
    """Timers by the highest bit in which they differ from `now` (Varghese and Lauck, "Hashed and hierarchical timing
    wheels", 1987): a timer at level n is in the bucket that bits 6n … 6n+5 of its expiry say.

    Invariant: bit b of used[n] is set exactly if bucket 64n + b isn't empty; all timers but those of the bucket that is
    being spread are later than `now`, and in the right bucket for it.
    """

    now: u64 = 0
    #: nothing expires before
    earliest: u64 = 0xFFFF_FFFF_FFFF_FFFF
    #: 1 + the bucket whose time has come, 0 if it was emptied
    spreading: u16 = 0
    used: Array[u64] = array(WHEEL_LEVELS)
    buckets: Array[Timer | None] = array(64 * WHEEL_LEVELS)

    @invariant
    def in_bounds(self) -> bool:
        # At the last level a time has 4 bits.
        return self.spreading <= 64 * WHEEL_LEVELS and self.used[WHEEL_LEVELS - 1] < 1 << 16


# --- devices ----------------------------------------------------------------------------------------------------------


@struct
class Interrupt:
    """A line of the platform's controller. `pending`: delivered, and not yet acknowledged."""

    line: u32 = 0
    pending: bool = False
    notification: Notification | None = None
    binding: Embedded[Slot] = Slot()
    holder: Embedded[Holder] = Holder()

    @invariant
    def holds(self) -> bool:
        user = self.holder.user
        return isinstance(user, Interrupt) and user is self


@struct
class Pin:
    """Tables that can't end while `slot` is pinned are in the list `waiting`: no longer than it is."""

    slot: Slot | None = None
    waiting: CapTable | None = None


@struct
class DmaSpace:
    """Without an IOMMU: a device reaches all memory, and its driver is trusted. It counts what is pinned."""

    pins: Span[Embedded[Pin]]
    holder: Embedded[Holder] = Holder()
    #: the place looked at next, and how many are in use
    cursor: u64 = 0
    used: u64 = 0

    @invariant
    def in_bounds(self) -> bool:
        return self.cursor < len(self.pins) and len(self.pins) <= MOST_PINS

    @invariant
    def holds(self) -> bool:
        user = self.holder.user
        return isinstance(user, DmaSpace) and user is self


@struct
class Trace:
    """A ring of `pages` pages of records behind a page of header, at the physical address `base`."""

    base: u64 = 0
    pages: u64 = 0

    @invariant
    def in_memory(self) -> bool:
        return 1 <= self.pages <= MOST_TRACE_PAGES and self.base <= MOST_RAM - (self.pages + 1) * PAGE_SIZE


@struct
class Processor:
    """The right to give out time of a hart."""

    hart: Hart


@struct
class Platform:
    hart: Hart


# --- the hart ---------------------------------------------------------------------------------------------------------

ASIDS = 256


@struct
class Hart:
    """All state of one processor.

    Invariants: `current` isn't in a queue; `best` is 1 + the highest priority with a ready thread, 0 if there is none.
    """

    cpu: Embedded[Cpu]
    current: Thread | None = None
    #: the context that is charged since `since`; while a thread runs, its own
    active: SchedContext | None = None
    #: reasons why a system call can't take the fast path: see FLOATING
    attention: u64 = 0
    best: u64 = 0
    since: u64 = 0
    #: when the active context's budget ends
    budget_end: u64 = 0
    frequency: u64 = 0
    #: what a thread has that has none: an empty table, and an address space of the kernel only
    no_table: Embedded[CapTable]
    no_space: Embedded[AddressSpace]
    frame: Embedded[Frame] = Frame()
    processor: Embedded[Processor]
    platform: Embedded[Platform]
    lines: Span[Embedded[Interrupt]]
    #: whose registers are in the floating-point unit; words that all vector registers are, 0 if there are none
    floating: Thread | None = None
    vector_words: u64 = 0
    trace: Trace | None = None
    trace_mask: u64 = 0
    #: records up to the latest one that the way in hasn't written
    told: u64 = 0
    #: tables that are being emptied, and don't wait for a pin
    dying: CapTable | None = None
    #: revocations that have begun and not ended
    revocations: u64 = 0
    #: the next ASID to give out, and how many the hardware has, at most ASIDS
    next_asid: u64 = 1
    asid_limit: u64 = ASIDS
    next_identifier: u64 = 1
    number: u32 = 0

    #: bit q % 64 of word q // 64: a thread of priority 255 - q is ready
    ready: Array[u64] = array(PRIORITIES // 64)
    # What is large comes last: the fields before are near to the hart's address.
    wheel: Embedded[Wheel] = Wheel()
    queues: Array[Embedded[ThreadQueue]] = array(PRIORITIES)
    #: which address space has an ASID
    asids: Array[AddressSpace | None] = array(ASIDS)

    @invariant
    def in_bounds(self) -> bool:
        return self.best <= PRIORITIES and self.asid_limit <= ASIDS and self.next_asid < ASIDS

    @invariant
    def current_runs(self) -> bool:
        return self.current is None or can_run(self.current)

    @invariant
    def best_is_first_on_the_map(self) -> bool:
        return is_best(self, self.best)


@ghost
def is_best(hart: Hart, best: u64) -> bool:
    """Is it 1 + the highest priority on the map?"""
    place = PRIORITIES - min(best, PRIORITIES)
    bit = u64(1) << (place % 64)
    for word in range(len(hart.ready)):
        if word == place // 64:
            return hart.ready[word] & (bit | (bit - 1)) == bit
        if hart.ready[word] != 0:
            return False
    return best <= PRIORITIES


#: Hart.attention: the floating-point unit is on
FLOATING = 1 << 0

# A layout needs all types that it names.
assert size_of(Entries) == PAGE_SIZE, "a table is a page"
assert size_of(Owners) == PAGE_SIZE, "so are its owners"
assert offset_of(Thread, "identifier") == size_of(Registers), "where the way in looks"
assert size_of(Slot) == 64, "look-up shifts by 6"
