"""Operations of kernel objects: the labels of calls on their capabilities.

An operation is a CALL on the object's capability, whose label says which. Arguments are in the payload (`a2` to `a5`),
results come back there; a register that isn't named is ignored, and 0 in the answer. If a capability travels, the
message word says that one does (bits 42–44), and its index is the first in the thread's buffer. The length in the
message word needn't be set; of one above 4, or with a capability, the thread must have a buffer.

Before an operation's own failures come, in this order: NO_CAPABILITY of argument 0; UNKNOWN_OPERATION of 1, for a label
that no object knows; OUT_OF_RANGE of 1, for a malformed message word; NO_BUFFER of 1; and MISSING_RIGHT of 0 and
WRONG_KIND of 0, for a capability without the right, and an object that hasn't the operation.

For example, a thread makes an Endpoint of the Memory in slot 8. The window in its buffer is one empty slot; `a7` is 0
(CALL), `a0` 8, `a1` 0x4_0000_0001 (label RETYPE, 4 words), `a2` 1 (ENDPOINT), `a3` 0, `a4` 1, `a5` 0. Afterwards `a1`
is 0, or 0x8_0000_0000_0000 (OUT_OF_MEMORY of argument 0) if the Memory is full. In a program this is
`system.retype(process.buffer, memory, Kind.ENDPOINT, 0, 1, slot)`, which gives `None`, or a `Failure`.
"""

from enum import Enum

from neokernel.lang import u8, u64


class Operation(Enum):
    """Labels, all different, so that traces can name them without knowing the object."""

    # Each comment: the object, its arguments (`a2` first), `;` capabilities that travel, `→` results, `:` what it does.
    # At its end the right that the capability must have, if that isn't CONTROL.

    #: Memory (kind, size, count, done) → capabilities in the receive window: make `count` objects, at least one, one
    #: after the other, each in a slot of its own. `kind` is a number of `Kind`, `size` what that says. `done` must be
    #: 0: the kernel counts in it how many are made. The window must have `count` slots at least. If it fails on the way
    #: (OUT_OF_MEMORY, or a slot in use: NO_WINDOW), what was made stays, in the first slots. Of a device's Memory only
    #: Frames are made, and of one without the right DMA no DmaSpace (MISSING_RIGHT of argument 0)
    RETYPE = 1
    #: Memory (bytes): let so many of the free bytes be zero, so that RETYPE needn't clear them. A device's Memory isn't
    #: cleared (OUT_OF_RANGE)
    CLEAR = 2
    #: Memory () → size, free, cleared: how many bytes it has, how many are free, and how many of those are zero. Memory
    #: is free again when all that was made of it has ended
    MEMORY_INFO = 3

    #: CapTable (index, rights, badge; source): derive from the source, a slot of the caller's table, into the empty
    #: slot `index` of this one. The copy has those of the `rights` that the source has. A `badge` other than 0 is set,
    #: on Endpoints, Notifications and Processors that have none; with 0 the copy has the source's
    COPY = 4
    #: CapTable (index; source): the capability itself moves into the empty slot `index`; the source's slot is empty
    #: afterwards. A mapped frame stays mapped. What has descendants can't be moved
    MOVE = 5
    #: CapTable (index, rights) → a capability in the receive window: hand out a copy of the slot's capability, with its
    #: badge, and those of the `rights` that it has
    COPY_OUT = 6
    #: CapTable (index) → a capability in the receive window: hand out the slot's capability itself; the slot is empty
    #: afterwards
    MOVE_OUT = 7
    #: CapTable (index): delete all that was derived from the slot's capability, then itself. Its object ends if RETYPE
    #: made it with this capability. Succeeds if the slot is empty. `a5` must be 0: the kernel keeps there how far it
    #: is. If a pinned frame is in the way (PINNED), what was deleted before is gone. A CapTable that ends with a pinned
    #: frame in it, or below one of its capabilities, is no failure: all else in it ends, the rest when the frame is
    #: unpinned. Until then it is in the way of whoever deletes or revokes what it was made of. From the moment at which
    #: its object begins to end, the capability has no rights (unless it is mapped or installed), and can't be moved or
    #: copied: if the thread ends in the middle of DELETE, all that can be done is to do that, or REVOKE, again
    DELETE = 8
    #: CapTable (index): delete all that was derived from the slot's capability; otherwise like DELETE. Until it is
    #: done, nothing can be derived from the capability or what is below it (UNDERIVABLE), nor can it be moved. If the
    #: thread ends or is started anew in the middle of DELETE or REVOKE, that stays so until either is done again. It
    #: also does if the table's own capability goes first, and an interrupt comes before the rest is gone: the call
    #: then ends with NO_CAPABILITY
    REVOKE = 9
    #: CapTable (index) → kind, rights, badge, depth: say what is in a slot; `kind` is a number of `Kind`, and all are 0
    #: if it is empty. `badge` is 0 for kinds that have none; `depth` is how often it was derived, at most 64
    INSPECT = 10

    #: AddressSpace (address, rights; frame): map the frame at the address, a multiple of its size below 2^38. `rights`
    #: are READ, READ and WRITE, EXECUTE, or READ and EXECUTE; the frame's capability must have them, and a device's
    #: frame can't be executed (MISSING_RIGHT). A capability is mapped once; its copies are mapped on their own
    MAP = 11
    #: AddressSpace (address, level; page table): let the table translate the 1 GiB (`level` 2) or the 2 MiB (`level` 1)
    #: at the address, a multiple of that below 2^38. Level 2 comes first. The table's capability needs CONTROL. A table
    #: that maps something can't be installed at another level (WRONG_STATE)
    INSTALL = 12
    #: Frame (): take the frame out of its address space. WRONG_STATE: it isn't mapped. Any right
    UNMAP = 13
    #: PageTable (): take the table out of its address space; it keeps what is mapped in it. WRONG_STATE: it isn't
    #: installed
    UNINSTALL = 14

    #: Thread (binding; object): let the thread use the object, as a number of `Binding` says. The capability is copied
    #: into the thread: when it is revoked, the thread loses the object. Of a SchedContext or Notification, OCCUPIED
    #: comes before WRONG_KIND and MISSING_RIGHT
    BIND = 15
    #: Thread (binding): let the thread no longer use what is bound. Without an address space or a table the thread
    #: stops. Of a SchedContext, the calls that it was lent with forget it, step by step, and who runs on it loses it
    #: (fault BUDGET), as if the SchedContext had ended; so do, when they could go on, those who wait meanwhile.
    #: WRONG_STATE: nothing is bound
    UNBIND = 16
    #: Thread (program counter, stack pointer, argument, second argument): start a stopped thread from the beginning,
    #: with the arguments in `a0` and `a1` and all other registers 0. WRONG_STATE: it isn't stopped
    START = 17
    #: Thread (): stop the thread; what it waits for ends with CANCELLED. The caller can suspend itself: RESUME goes on
    #: behind that. WRONG_STATE: it is stopped already
    SUSPEND = 18
    #: Thread (): let a stopped thread go on where it was. WRONG_STATE: it isn't stopped
    RESUME = 19
    #: Thread () → pc, ra, sp, gp: read the registers of another thread: these four, and in the first words of the
    #: caller's buffer (NO_BUFFER of argument 1 if it has none) the other 28, from tp to t6. Of a thread that waits in a
    #: system call, or has just ended one, pc (behind the `ecall`), sp, gp, tp and s0 to s11 are its own; in the others,
    #: which a system call doesn't preserve, may be what they held at some time before. WRONG_STATE: the thread is the
    #: caller
    READ_REGISTERS = 20
    #: Thread (pc, ra, sp, gp): set these four registers, and from the first words of the caller's buffer (NO_BUFFER of
    #: argument 1 if it has none) the other 28, from tp to t6. WRONG_STATE: the thread is neither stopped, nor waiting
    #: for its fault's handler
    WRITE_REGISTERS = 21
    #: Thread (foreign): with 1, let every `ecall` of the thread be a fault (SYSTEM_CALL); 0 ends that. WRONG_STATE: the
    #: thread is neither stopped, nor waiting for its fault's handler
    SET_FOREIGN = 22
    #: Thread (; notification): let a scheduler hold the thread, which has no SchedContext: it runs by DISPATCH only, or
    #: on the time of who calls it. The Notification, whose capability needs SIGNAL, is signalled when it could run; if
    #: who waits there is held itself, so is its scheduler, and that one's: three in all. OCCUPIED of argument 0: it is
    #: held, or has a SchedContext
    HOLD = 23
    #: Thread (): let the scheduler no longer hold the thread; it goes on with time that a caller has lent it, if there
    #: is some; if what it had was taken from it, it has a fault (BUDGET). WRONG_STATE: it isn't held
    RELEASE = 24
    #: Thread (deadline) → why: run a held thread, which could run, on the caller's own SchedContext, until it stops or
    #: the deadline has come; the caller waits meanwhile. `why` it stopped is a number of `Stop`. WRONG_STATE: the
    #: thread isn't held, can't run, or has time already; or the caller doesn't run on a SchedContext of its own
    DISPATCH = 25
    #: Thread () → state, priority, identifier: say what the thread does. `state` is 0 stopped, 1 running or ready, 2
    #: sending, 3 calling (not yet received), 4 receiving, 5 waiting for a reply, 6 waiting for signals, 7 dispatching,
    #: 8 answered and about to go on. `priority` is the one that it runs at, the higher of its floor and its context's.
    #: `identifier` names it in traces
    THREAD_INFO = 26

    #: Processor (priority, budget, period; context): give the SchedContext, whose capability needs CONTROL, the right
    #: to `budget` ticks in each `period`, beginning now with a full budget. `priority` is 0 to 255, and at most the
    #: Processor's badge; `budget` is 100 to `period`; `period` is at most 2^48. If both are the same, it is a time
    #: slice: never used up, it gives others of its priority a turn
    CONFIGURE = 27
    #: Processor (floor; thread): let the thread, whose capability needs CONTROL, run at this priority at least: 0 to
    #: 255, and at most the Processor's badge
    SET_FLOOR = 28
    #: Processor () → frequency, harts, now: say how many ticks a second has, how many harts there are, and the time in
    #: ticks
    PROCESSOR_INFO = 29
    #: SchedContext () → used, left, identifier: say how many ticks were used so far, and how many are left of the part
    #: of the budget that is used now, or next. `identifier` names it in traces and fault reports. Any right
    CONTEXT_INFO = 30

    #: Interrupt (; notification): let the line signal the Notification, whose capability needs SIGNAL, with its badge.
    #: The line interrupts once, then waits for ACKNOWLEDGE. OCCUPIED of argument 0: it is bound
    BIND_INTERRUPT = 31
    #: Interrupt (): let the line signal nobody any more. WRONG_STATE: it isn't bound
    UNBIND_INTERRUPT = 32
    #: Interrupt (): say that the interrupt was handled: the line may interrupt again. WRONG_STATE: none has come since
    #: the last time
    ACKNOWLEDGE = 33

    #: DmaSpace (; frame) → physical address: let a device reach the frame until it is unpinned; meanwhile neither it
    #: nor what it was derived from can be deleted or moved. A mapped frame can't be pinned, nor a pinned one mapped:
    #: copy the capability. The kernel looks at 128 places for a free one: a larger space that isn't full may fail
    #: (OUT_OF_MEMORY), and goes on looking when asked again
    PIN = 34
    #: DmaSpace (; frame): say that the device doesn't reach the frame any more. WRONG_STATE: it isn't a frame that is
    #: pinned in this space
    UNPIN = 35

    #: Trace (mask): record events in this ring and in no other; bit n of the mask says whether those of `Event` n are
    #: wanted. 0 stops, whichever ring is in use
    TRACE_START = 36
    #: Trace (page) → a capability in the receive window: hand out the ring's header (`page` 0), or one of its pages of
    #: records (from 1 to its size), as a Frame that can be read. READ
    TRACE_FRAME = 37

    #: Platform (count, bytes 0–7, bytes 8–15, bytes 16–23) → taken: write `count` bytes, 0 to 24, to the console, the
    #: first lowest in `a3`. It may take fewer, or none, when the console is busy: the others are for a later call.
    #: WRITE
    CONSOLE_WRITE = 38
    #: Platform (status): end the machine; the status, 0 to 255, is what QEMU exits with
    POWER_OFF = 39

    #: CapTable (index, badge): end the waits of all threads whose message, call or fault report is queued at the
    #: Endpoint with this badge, 0 for those without, as the Endpoint's own end would (CANCELLED). Those who come
    #: meanwhile stay; so who takes a badge back revokes its capabilities first. The slot's capability needs CONTROL
    #: (MISSING_RIGHT of argument 2), and has no badge itself (BADGED). `a5` must be 0: the kernel keeps there whether
    #: it has begun
    CANCEL_SENDERS = 40
    #: CapTable (number) → count, capability, word, outcome: say how many system calls of threads that use this table
    #: were denied, and which one this was, counted from 0: its `a0`, its `a1`, and how it ended, with the number of the
    #: call (`a7`) in the lowest bits (`abi/denials.py`). The last eight are kept; of others all but `count` is 0
    DENIALS = 41


def operation_of(label: u64) -> Operation | None:
    return Operation(u8(label)) if 1 <= label <= u64(Operation.DENIALS.value) else None


class Binding(Enum):
    """What BIND attaches to a thread, and the rights that the object's capability needs."""

    #: AddressSpace (CONTROL), in which it runs
    SPACE = 0
    #: CapTable (CONTROL), in which its indices count
    TABLE = 1
    #: Frame of 4 KiB, not of a device (READ and WRITE): its buffer
    BUFFER = 2
    #: Endpoint (SEND) that gets its faults
    HANDLER = 3
    #: SchedContext (CONTROL) that no other thread has, on which it runs. OCCUPIED of argument 2, too, if the thread has
    #: none, and runs on another's time, waits for a reply, or is held by a scheduler
    CONTEXT = 4
    #: Notification (WAIT) that no other thread has or waits for: its signals end the thread's receives, too, if the
    #: thread has a SchedContext
    NOTIFICATION = 5
    #: Floats (CONTROL): the thread may use floating point, and vectors if there is room for its vector registers
    FLOATS = 6


def binding_of(number: u64) -> Binding | None:
    return Binding(u8(number)) if number <= u64(Binding.FLOATS.value) else None


class Stop(Enum):
    """Why a dispatched thread gave the processor back."""

    #: it waits for something, or has lost the time that it was lent
    BLOCKED = 0
    #: it faulted, and its handler was told
    FAULTED = 1
    #: the deadline has passed, or the context's budget is used up
    EXHAUSTED = 2
    #: it was suspended, released, or has gone
    STOPPED = 3
    #: it gave way to others
    YIELDED = 4
