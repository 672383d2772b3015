"""Operations of kernel objects: the labels of calls on their capabilities.

In the comments: arguments are the words of payload (`a2` first), `; x` are capabilities that travel with the call, `→`
what comes back; the right that the capability must have is CONTROL unless said.
"""

from enum import Enum

from neokernel.lang import u8, u64


class Operation(Enum):
    """Labels, all different, so that traces can name them without knowing the object."""

    #: Memory (kind, size, count, done) → capabilities into the receive window. `done` is how many were made before
    RETYPE = 1
    #: Memory (bytes): clear ahead, so that retype needn't
    CLEAR = 2
    #: Memory () → size, free bytes, cleared bytes of those
    MEMORY_INFO = 3

    #: CapTable (index, rights, badge; source): derive from the source into the slot
    COPY = 4
    #: CapTable (index; source): the source's slot is empty afterwards
    MOVE = 5
    #: CapTable (index, rights) → a copy of the slot, into the receive window
    COPY_OUT = 6
    #: CapTable (index) → the slot's capability itself, into the receive window
    MOVE_OUT = 7
    #: CapTable (index): revoke, then empty the slot; an object ends with the capability that retype made
    DELETE = 8
    #: CapTable (index): delete all that was derived from the slot's capability
    REVOKE = 9
    #: CapTable (index) → kind, rights, badge, depth. Of any slot, also an empty one
    INSPECT = 10

    #: AddressSpace (address, rights; frame): map
    MAP = 11
    #: AddressSpace (address, level; page table): translate the 1 GiB (level 2) or 2 MiB (level 1) at the address
    INSTALL = 12
    #: Frame (): take it out of its address space. Any right
    UNMAP = 13
    #: PageTable (): take it out of its address space
    UNINSTALL = 14

    #: Thread (binding; object): see `Binding`
    BIND = 15
    #: Thread (binding)
    UNBIND = 16
    #: Thread (program counter, stack pointer, argument, second argument): start from the beginning
    START = 17
    #: Thread (): stop; what it waits for ends with CANCELLED
    SUSPEND = 18
    #: Thread (): go on
    RESUME = 19
    #: Thread () → 32 words: pc, ra, sp, … t6
    READ_REGISTERS = 20
    #: Thread (32 words): pc, ra, sp, … t6
    WRITE_REGISTERS = 21
    #: Thread (1 or 0): every `ecall` is a fault. It is stopped, or waits for its fault's handler
    SET_FOREIGN = 22
    #: Thread (; notification): a scheduler holds it, and is signalled when it could run. Needs SIGNAL
    HOLD = 23
    #: Thread (): the scheduler no longer holds it
    RELEASE = 24
    #: Thread (deadline) → why it stopped: see `Stop`. Lends the caller's own context to a held thread, until the
    #: deadline at the latest: who has it then, because it was lent on, loses it (a BUDGET fault)
    DISPATCH = 25
    #: Thread () → state, effective priority, identifier
    THREAD_INFO = 26

    #: Processor (priority, budget, period; context), times in ticks
    CONFIGURE = 27
    #: Processor (floor; thread): the thread runs at least at this priority
    SET_FLOOR = 28
    #: Processor () → ticks in a second, harts
    PROCESSOR_INFO = 29
    #: SchedContext () → ticks used so far, ticks left now. Any right
    CONTEXT_INFO = 30

    #: Interrupt (; notification): enable, and signal
    BIND_INTERRUPT = 31
    #: Interrupt (): disable
    UNBIND_INTERRUPT = 32
    #: Interrupt (): handled; it may come again
    ACKNOWLEDGE = 33

    #: DmaSpace (; frame) → physical address. The frame stays until it is unpinned
    PIN = 34
    #: DmaSpace (; frame)
    UNPIN = 35

    #: Trace (mask of `abi/trace.py` kinds): begin to record; 0 stops
    TRACE_START = 36
    #: Trace (page) → a Frame that can be read, into the receive window. READ
    TRACE_FRAME = 37

    #: Platform (1 to 24 bytes, in the second to fourth word; the first says how many): to the console; answers
    #: how many it took, which may be fewer, or none: the others are written by a later call
    CONSOLE_WRITE = 38
    #: Platform (status): end the machine
    POWER_OFF = 39


def operation_of(label: u64) -> Operation | None:
    return Operation(u8(label)) if 1 <= label <= u64(Operation.POWER_OFF.value) else None


class Binding(Enum):
    """What BIND attaches to a thread."""

    #: AddressSpace, in which it runs
    SPACE = 0
    #: CapTable, in which its indices count
    TABLE = 1
    #: Frame, 4 KiB of memory: the words of long messages
    BUFFER = 2
    #: Endpoint that gets its faults; needs SEND
    HANDLER = 3
    #: SchedContext, on which it runs when nobody lends it one
    CONTEXT = 4
    #: Notification whose signals end its receives too; needs WAIT
    NOTIFICATION = 5
    #: Floats: it may use floating point
    FLOATS = 6


def binding_of(number: u64) -> Binding | None:
    return Binding(u8(number)) if number <= u64(Binding.FLOATS.value) else None


class Stop(Enum):
    """Why a dispatched thread gave the processor back."""

    #: it waits for something
    BLOCKED = 0
    #: it faulted, and its handler was told
    FAULTED = 1
    #: the deadline has passed, or the context's budget is used up
    EXHAUSTED = 2
    #: it was suspended, released, or has gone
    STOPPED = 3
    #: it gave way to others
    YIELDED = 4
