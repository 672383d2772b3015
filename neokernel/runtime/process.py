"""A process, as its program sees it: what it may do, and how it began.

`main(process)` gets the first thread's `Process`, `thread(process, argument)` one of its own with the same process
behind it: capabilities, slots and settings are those of the first.

Every process finds its own objects at the indices of `abi/boot.py`: `OWN_TABLE` to `OWN_BUFFER`, and `PROCESSOR` and
`PLATFORM` if it was given them. The root process is described by `BootInfo`; any other begins with a `StartInfo`, a
page that who made it has filled in: `a0` is its address, `a1` that of the thread's buffer. Further threads begin with
`a0` = their argument and `a1` = the address of a `ThreadStart` at the top of their stack.
"""

from __future__ import annotations

from typing import NoReturn

from neokernel.abi.boot import (
    BOOT_INFO_ADDRESS,
    OWN_TABLE,
    OWN_THREAD,
    PLATFORM,
    PROCESSOR,
    ROOT_BUFFER_ADDRESS,
    ROOT_SLOTS,
    BootInfo,
)
from neokernel.abi.buffer import Buffer
from neokernel.abi.call import message
from neokernel.abi.description import MAXIMUM_GRANTS, MAXIMUM_SERVICES, MAXIMUM_SETTINGS, MAXIMUM_TEXT
from neokernel.abi.kinds import PAGE_SIZE, Kind
from neokernel.abi.operations import Binding
from neokernel.abi.status import FIRST, WINDOW, Status
from neokernel.lang import (
    Array,
    Atomic,
    Embedded,
    Span,
    address_of,
    array,
    asm,
    copy,
    object_at,
    size_of,
    span_at,
    struct,
    u8,
    u16,
    u64,
    unsafe,
    usize,
    writer,
)
from neokernel.runtime import system
from neokernel.runtime.capabilities import Holdings, Slots
from neokernel.runtime.system import CONSOLE_BYTES, Failure

unsafe("the kernel, or who made the process, says where its first pages are")

#: where processes other than the root find their description; their buffer and stack are where the root has them
START_INFO_ADDRESS = BOOT_INFO_ADDRESS + 2 * PAGE_SIZE
#: where they find what outlives them
STATE_ADDRESS = 0x3B_0000_0000
MAXIMUM_ARGUMENTS = 16
#: labels of what a process tells its supervisor: that it has ended, with its status; that it is ready to serve
ENDED = 0x454E_4421
READY = 0x5245_4459
#: label of a supervisor's call to a service that is to be replaced, and of its answer: its state is in order, and it
#: takes no more calls
HAND_OVER = 0x4841_4E44
HANDED_OVER = 0x4841_4E45
#: of a process, and of the machine
MAXIMUM_STATUS = 255


@struct
class Settings:
    """Values of a process's configuration, in the order in which its program declares them."""

    count: usize = 0
    used: usize = 0
    #: a number; of a text its offset, and in the upper half its length
    numbers: Array[u64] = array(MAXIMUM_SETTINGS)
    text: Array[u8] = array(MAXIMUM_TEXT)

    def add(self, number: u64) -> None:
        self.numbers[self.count] = number
        self.count += 1

    def add_text(self, text: bytes) -> None:
        copy(self.text[self.used : self.used + len(text)], text)
        self.add(len(text) << 32 | self.used)
        self.used += len(text)

    def assign(self, other: Settings) -> None:
        """Become a copy of `other`."""
        self.count, self.used = other.count, other.used
        copy(self.numbers[: self.count], other.numbers[: self.count].view())
        copy(self.text[: self.used], other.text[: self.used].bytes())


@struct
class StartInfo:
    """How a process begins that another one made."""

    arguments: Array[u64] = array(MAXIMUM_ARGUMENTS)
    #: the slots of its table that it may fill
    free_first: u64 = 0
    free_end: u64 = 0
    #: index of a Memory of its own, 0 if it has none
    memory: u64 = 0
    #: index of an endpoint that is told when it ends, 0 if nobody wants to know
    supervisor: u64 = 0
    #: of its context
    priority: u64 = 0
    #: ticks in a second
    frequency: u64 = 0
    #: index of a notification that it signals to show that it lives, 0 if nobody looks
    heartbeat: u64 = 0
    #: bytes at STATE_ADDRESS that outlive it
    state_size: u64 = 0
    settings: Embedded[Settings] = Settings()
    #: as in the BootInfo
    vector_bytes: u64 = 0
    #: index of the first thread's Floats, 0 if the program has no floats
    floats: u64 = 0
    #: pages of memory that it lends, by the declared capability, and that it is lent, by the badge: see `lend.py`
    lends: Array[u16] = array(MAXIMUM_GRANTS)
    lent: Array[u16] = array(MAXIMUM_SERVICES + 1)
    #: of who has a DmaSpace: the first of the slots with the frames of all that it is lent, in the order of the badges,
    #: for its device to reach; 0 if there are none
    lent_frames: u64 = 0


assert size_of(StartInfo) <= PAGE_SIZE, "the description is one page"


def has_floats() -> bool:
    """Does the program compute with floats? The build says so."""
    return asm("la {result}, nk_floats", result=u64) != 0


@struct
class Console:
    """The machine's console, of processes that have PLATFORM; what others write goes nowhere."""

    @writer
    def write(self, text: str) -> None:
        data = text.encode()
        place: usize = 0
        while place < len(data):
            end = min(place + CONSOLE_BYTES, len(data))
            written = system.console_write(PLATFORM, data[place:end])
            if isinstance(written, Failure):
                return
            place = min(place + written, end)


@struct
class Process:
    """A thread's view of its process. `begin` or `begin_thread` comes first."""

    console: Embedded[Console] = Console()
    buffer: Buffer = object_at(Buffer, ROOT_BUFFER_ADDRESS)
    #: what `main` has, if this is a further thread's
    first: Process | None = None
    #: index of this thread's own capability
    thread: u64 = OWN_THREAD
    #: this thread's priority, and the floor that it has been given: see `mutex.py`
    priority: u64 = 0
    floor: u64 = 0
    #: index of the Memory that things are made of
    memory: u64 = 0
    frequency: u64 = 0
    #: bytes of a vector register, 0 if the processor has none
    vector_bytes: u64 = 0
    supervisor: u64 = 0
    heartbeat: u64 = 0
    #: of a thread that serves: the badge of who it is answering
    client: u64 = 0
    is_root: bool = False
    arguments: Array[u64] = array(MAXIMUM_ARGUMENTS)
    #: a notification that is signalled when this thread ends, 0 for none
    finished: u64 = 0
    #: of the first: which slots are free, and how many stacks of further threads were placed
    own_slots: Embedded[Slots] = Slots()
    #: of the first: the processes that it has made
    own_children: Embedded[Holdings] = Holdings()
    stacks: Atomic[u64] = Atomic(0)

    def begin(self, info: u64, buffer: u64) -> None:
        """The first thread: `info` and `buffer` are the addresses that it began with."""
        set_current(self)
        self.buffer = object_at(Buffer, buffer)
        self.is_root = info == BOOT_INFO_ADDRESS
        if self.is_root:
            boot = object_at(BootInfo, info)
            self.frequency = boot.frequency
            self.vector_bytes = u64(boot.vector_bytes)
            self.own_slots.begin(u64(boot.free_first), ROOT_SLOTS)
            largest: u64 = 0
            for region in boot.regions[: usize(boot.region_count)]:
                if region.device == 0 and region.size > largest:
                    largest = region.size
                    self.memory = u64(region.slot)
            context = system.thread_info(OWN_THREAD)
            if not isinstance(context, Failure):
                self.priority = context.priority
            floats = self.make_floats(self.thread)
            assert not isinstance(floats, Failure), "no memory for the floating-point registers"
            return
        start = object_at(StartInfo, info)
        self.frequency = start.frequency
        self.vector_bytes = start.vector_bytes
        self.own_slots.begin(start.free_first, start.free_end)
        self.memory = start.memory
        self.supervisor = start.supervisor
        self.heartbeat = start.heartbeat
        self.priority = start.priority
        for place in range(MAXIMUM_ARGUMENTS):
            self.arguments[place] = start.arguments[place]
        if start.floats != 0:
            failure = system.bind(self.buffer, self.thread, Binding.FLOATS, start.floats)
            assert failure is None, "the floating-point registers aren't what who made the process says"

    def make_floats(self, thread: u64) -> u64 | Failure:
        """A place for a thread's floating-point and vector registers: its index. 0 if the program has no floats."""
        if not has_floats():
            return 0
        floats = self.make(Kind.FLOATS, self.vector_bytes)
        if isinstance(floats, Failure):
            return floats
        failure = system.bind(self.buffer, thread, Binding.FLOATS, floats)
        if failure is None:
            return floats
        _ = self.drop(floats)
        return failure

    def begin_thread(self, start: u64) -> None:
        """A further thread: `start` is the address that it began with."""
        set_current(self)
        given = object_at(ThreadStart, start)
        first = object_at(Process, given.process)
        self.first = first
        self.buffer = object_at(Buffer, given.buffer)
        self.thread = given.thread
        self.priority = given.priority
        self.finished = given.finished
        self.memory = first.memory
        self.frequency = first.frequency
        self.vector_bytes = first.vector_bytes
        self.supervisor = first.supervisor
        self.heartbeat = first.heartbeat
        self.is_root = first.is_root
        for place in range(MAXIMUM_ARGUMENTS):
            self.arguments[place] = first.arguments[place]

    def main(self) -> Process:
        """The first thread's, which the threads share."""
        first = self.first
        return self if first is None else first

    def boot(self) -> BootInfo:
        """What the kernel tells the root process."""
        assert self.is_root, "only the root process has a BootInfo"
        return object_at(BootInfo, BOOT_INFO_ADDRESS)

    def start_info(self) -> StartInfo:
        """What its maker tells any other process."""
        assert not self.is_root, "the root process has a BootInfo instead"
        return object_at(StartInfo, START_INFO_ADDRESS)

    # --- as a service -------------------------------------------------------------------------------------------------

    def setting(self, index: usize) -> u64:
        """The value of the program's setting `index`, counted in the order of declaration."""
        settings = self.start_info().settings
        assert index < settings.count, "a setting that the system's description doesn't have"
        return settings.numbers[index]

    def setting_text(self, index: usize) -> bytes:
        """The same, of a setting that is a text."""
        place = self.setting(index)
        return self.start_info().settings.text[place & 0xFFFF_FFFF :][: place >> 32].bytes()

    def state(self) -> Span[u8]:
        """The bytes that outlive the process: zeroes at first, then as the last one left them, maybe in a crash."""
        return span_at(u8, STATE_ADDRESS, self.start_info().state_size)

    def beat(self) -> None:
        """Show that the process lives, if its supervisor looks."""
        if self.heartbeat != 0:
            _ = system.signal(self.heartbeat)

    def ready(self) -> None:
        """Tell the supervisor that the next thing it does is to serve: needed when it runs on its clients' time, and
        when it takes over from another version."""
        if self.supervisor != 0:
            _ = system.send(self.supervisor, message(READY))

    def hand_over(self, reply: u64) -> None:
        """Answer HAND_OVER: the state is in order for who comes next. If it returns, nobody does: go on serving."""
        if system.reply(reply, message(HANDED_OVER)) is None:
            self.stop()

    # --- capabilities -------------------------------------------------------------------------------------------------

    def slots(self) -> Slots:
        return self.main().own_slots

    def children(self) -> Holdings:
        return self.main().own_children

    def slot(self, count: u64 = 1) -> u64 | Failure:
        """The first of `count` free slots in a row."""
        found = self.slots().allocate(count)
        return Failure(Status.OUT_OF_SLOTS, WINDOW) if found is None else found

    def make(self, kind: Kind, size: u64 = 0, count: u64 = 1) -> u64 | Failure:
        """Objects of the process's own memory: the index of the first. What `size` means: `abi/kinds.py`."""
        return self.make_of(self.memory, kind, size, count)

    def make_of(self, memory: u64, kind: Kind, size: u64 = 0, count: u64 = 1) -> u64 | Failure:
        slot = self.slot(count)
        if isinstance(slot, Failure):
            return slot
        failure = system.retype(self.buffer, memory, kind, size, count, slot)
        if failure is None:
            return slot
        for made in range(slot, slot + count):
            # Those that were made before it failed stay otherwise; of an empty slot this does nothing.
            _ = system.delete(OWN_TABLE, made)
        self.slots().release(slot, count)
        return failure

    def derive(self, source: u64, rights: u16, badge: u64 = 0) -> u64 | Failure:
        """A copy of one of the process's own capabilities: its index."""
        slot = self.slot()
        if isinstance(slot, Failure):
            return slot
        failure = system.copy(self.buffer, OWN_TABLE, slot, rights, badge, source)
        if failure is None:
            return slot
        self.slots().release(slot)
        return failure

    def drop(self, index: u64) -> Failure | None:
        """Delete a capability, with all that was derived from it; its slot is free then.

        NO_CAPABILITY: nobody has that slot, or the table ends before it.
        """
        if not self.slots().is_taken(index):
            return Failure(Status.NO_CAPABILITY, FIRST)
        failure = system.delete(OWN_TABLE, index)
        if failure is None:
            self.slots().release(index)
        return failure

    def device(self, address: u64) -> u64 | None:
        """The root's: index of the Memory of the device whose registers begin at the physical address."""
        boot = self.boot()
        for region in boot.regions[: usize(boot.region_count)]:
            if region.device != 0 and region.base == address:
                return u64(region.slot)
        return None

    def context(self, priority: u64, budget: u64, period: u64) -> u64 | Failure:
        """A right to `budget` ticks in each `period`, of the processor capability that the process has."""
        made = self.make(Kind.SCHED_CONTEXT)
        if isinstance(made, Failure):
            return made
        failure = system.configure(self.buffer, PROCESSOR, priority, budget, period, made)
        if failure is None:
            return made
        _ = self.drop(made)
        return failure

    # --- ends ---------------------------------------------------------------------------------------------------------

    def exit(self, status: u64 = 0) -> NoReturn:
        """End the process, with a status from 0 to 255.

        The root's end is that of the machine; any other process tells its supervisor, and stops.
        """
        assert status <= MAXIMUM_STATUS, "an exit status is 0 to 255"
        if self.is_root:
            failure = system.power_off(PLATFORM, status)
            assert failure is None, "the machine can't be switched off: PLATFORM isn't what the root began with"
        elif self.supervisor != 0:
            _ = system.send(self.supervisor, message(ENDED, 1), status)
        self.stop()

    def exit_thread(self) -> NoReturn:
        """End this thread."""
        if self.finished != 0:
            _ = system.signal(self.finished)
        self.stop()

    def stop(self) -> NoReturn:
        """Nobody resumes the thread; if somebody does, or it can't stop itself, its handler hears of it."""
        _ = system.suspend(self.thread)
        while True:
            asm("ebreak")


def set_current(process: Process) -> None:
    """Let the thread find its `Process` by `tp`, which nothing else uses, and the kernel preserves."""
    asm("mv tp, {0}", address_of(process))


def current() -> Process:
    """The calling thread's: it lies in the frame of that one's first function, and is there as long as the thread."""
    return object_at(Process, asm("mv {result}, tp", result=u64))


@struct
class ThreadStart:
    """How a further thread begins: at the top of its stack, written by who made it.

    `process` and `buffer` are addresses: the first thread's `Process` lies in the frame of the process's first
    function, which never returns, so it is there as long as any thread.
    """

    process: u64 = 0
    buffer: u64 = 0
    thread: u64 = 0
    priority: u64 = 0
    finished: u64 = 0
