"""What the attack on the kernel knows beside the kernel's own state: chance, counts, and what it saw last.

The kernel lives in memory that the host reserves at `DIRECT + RAM`: a hart and what boot would keep for itself up to
POOL, and from there on the memory that everything else is made of.

Invariants: an entry of `stamps`, `counts` or `claims` belongs to the object that begins at that 64-byte unit of memory,
and counts only if the stamp is of this `epoch`.
"""

from neokernel.arch import cpu
from neokernel.kernel.objects import CapTable, Hart, Slot, Thread
from neokernel.lang import (
    Array,
    address_of,
    array,
    object_at,
    size_of,
    struct,
    u8,
    u32,
    u64,
    unsafe,
    wrapping_add,
    wrapping_mul,
)

unsafe("the machine under attack lies at a fixed address")

RAM = 0x8000_0000
#: what lies before the pool: the hart, the cradle's table, the table of kernel mappings
LINES_AT = RAM + 0x2_0000
CRADLE_AT = RAM + 0x3_0000
KEEPER_AT = RAM + 0x5_0000
ROOTS_AT = RAM + 0x6_0000
POOL = 0x8010_0000
POOL_SIZE = 0x70_0000
PAGE = 4096
UNIT = 64
UNITS = POOL_SIZE // UNIT
PAGES = POOL_SIZE // PAGE
LINES = 4
CRADLE_SLOTS = 128

#: where a thread's `ecall` is: who is found there enters again with the same registers
ECALL_AT = 0x1000

#: most slots, threads and ending tables that a machine has at a time
MOST_SLOTS = 1024
MOST_THREADS = 64
MOST_TABLES = 64
#: rows of outcomes: 0 to 9 system calls, the last of them unknown ones; 10 + n operation n; then events
OPERATIONS = 10
EVENTS = 52
#: rows of situations (`situations.py`), which are their arguments
BETWEEN = 56
AT_PINS = 57
LATE = 58
MISSED = 59
ROWS = 61
#: what a step can end with beside a status: indices as if they were statuses
WAITED = 32
RESTARTED = 33
FAULTED = 34
GONE = 35
STATUSES = 36
ARGUMENTS = 24
#: columns: immediately, and after a wait
COLUMNS = 2 * STATUSES * ARGUMENTS
SEEN = 64

assert size_of(Hart) <= 0x2_0000, "the hart is followed by the lines"


@struct
class Fuzz:
    """`seed` decides everything; the host reads counts and the last steps."""

    seed: u64 = 0
    epoch: u64 = 0
    #: deep checks so far
    looks: u64 = 0
    #: calls of this machine, its steps, and machines that ended because nobody could run
    number: u64 = 0
    calls: u64 = 0
    successes: u64 = 0
    deaths: u64 = 0
    #: calls of the gardener in this machine
    tended: u64 = 0
    fast: u64 = 0
    #: every so many steps the deep check
    deep_every: u64 = 64
    #: one step at most in so many is left out when a finding is shrunk
    skip_count: u64 = 0
    skipped: Array[u8] = array(8192)
    outcomes: Array[u64] = array(ROWS * COLUMNS)
    noted: u64 = 0
    ring: Array[u64] = array(SEEN * 12)
    stamps: Array[u64] = array(UNITS)
    counts: Array[u32] = array(UNITS)
    claims: Array[u32] = array(UNITS)
    marks: Array[u32] = array(UNITS)
    regions: Array[u32] = array(PAGES)
    frames: Array[u64] = array(PAGES)
    buffers: Array[u8] = array(PAGES)
    slots: Array[Slot | None] = array(MOST_SLOTS)
    slot_count: u64 = 0
    threads: Array[Thread | None] = array(MOST_THREADS)
    thread_count: u64 = 0
    #: registers of all threads before the call
    identifiers: Array[u64] = array(MOST_THREADS)
    idle: Array[bool] = array(MOST_THREADS)
    faulted: Array[bool] = array(MOST_THREADS)
    words: Array[u64] = array(MOST_THREADS * 8)
    remembered: u64 = 0
    #: of those that have their answer, and wait for the end of their call: the Reply, the own context, the server, and
    #: what that does
    answered: Array[bool] = array(MOST_THREADS)
    replies: Array[u64] = array(MOST_THREADS)
    homes: Array[u64] = array(MOST_THREADS)
    servers: Array[u64] = array(MOST_THREADS)
    doings: Array[u64] = array(MOST_THREADS)
    #: how many there are now
    answers: u64 = 0
    #: what was taken from each thread before the call (`Thread.taken`)
    taken: Array[u64] = array(MOST_THREADS)
    #: tables that wait at a pin, and at which, before the call and now; and those that did, and haven't ended
    stuck: Array[u64] = array(MOST_TABLES)
    stuck_at: Array[u64] = array(MOST_TABLES)
    stuck_count: u64 = 0
    blocked: Array[u64] = array(MOST_TABLES)
    blocked_at: Array[u64] = array(MOST_TABLES)
    blocked_count: u64 = 0
    released: Array[u64] = array(MOST_TABLES)
    released_count: u64 = 0
    #: the slot that the call deletes or revokes; the Reply by which it answers
    root: u64 = 0
    answering: u64 = 0
    #: the endpoint whose senders the call cancels, unless it began before; and their badge
    cancelling: u64 = 0
    badge: u64 = 0
    #: the active context before the call, and the time
    payer: u64 = 0
    budget: u64 = 0
    period: u64 = 0
    used: u64 = 0
    owed: u64 = 0
    first: u64 = 0
    first_time: u64 = 0
    later: u64 = 0
    time: u64 = 0
    armed: u64 = 0
    revoking: u64 = 0
    saved: Array[u64] = array(8192)
    fast_saved: Array[u64] = array(8192)
    places: Array[u64] = array(32)
    sizes: Array[u64] = array(32)
    place_count: u64 = 0
    difference: u64 = 0

    def random(self) -> u64:
        """The next number of splitmix64."""
        self.seed = wrapping_add(self.seed, 0x9E37_79B9_7F4A_7C15)
        mixed = wrapping_mul(self.seed ^ (self.seed >> 30), 0xBF58_476D_1CE4_E5B9)
        mixed = wrapping_mul(mixed ^ (mixed >> 27), 0x94D0_49BB_1331_11EB)
        return mixed ^ (mixed >> 31)

    def below(self, limit: u64) -> u64:
        return self.random() % limit

    def chance(self, one_in: u64) -> bool:
        return self.random() % one_in == 0


def the_hart() -> Hart:
    return object_at(Hart, cpu.DIRECT + RAM)


def cradle() -> CapTable:
    """The table of what boot made: nobody has a capability for it."""
    return object_at(CapTable, cpu.DIRECT + CRADLE_AT)


def keeper() -> Thread:
    """The thread in whose name the machine is made. It never runs."""
    return object_at(Thread, cpu.DIRECT + KEEPER_AT)


def physical(address: u64) -> u64:
    return address - cpu.DIRECT


def unit_of(address: u64) -> u64:
    """The unit of the pool that begins at this address; fails if it isn't in the pool."""
    offset = physical(address) - POOL
    return offset // UNIT


def where(thing: Thread) -> u64:
    return unit_of(address_of(thing))


def count(fuzz: Fuzz, row: u64, status: u64, argument: u64, later: bool) -> None:
    column = (status * ARGUMENTS + argument) + (STATUSES * ARGUMENTS if later else u64(0))
    fuzz.outcomes[row * COLUMNS + column] += 1
