"""A small machine for the kernel's tests: memory, a hart, and what boot makes, made by the kernel's own functions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

from neokernel import lang
from neokernel.abi import boot, call
from neokernel.abi.boot import ROOT_SLOTS
from neokernel.abi.call import Call
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding, Operation, operation_of
from neokernel.abi.rights import ALL
from neokernel.abi.status import TRAVELLING, WINDOW, Status
from neokernel.abi.trace import Event
from neokernel.arch import cpu
from neokernel.cli.failures import Failures, collect
from neokernel.kernel import fast, placement, schedule, syscall
from neokernel.kernel import slot as slots
from neokernel.kernel import thread as threads
from neokernel.kernel.objects import (
    DEVICE,
    OWNER,
    CapTable,
    Endpoint,
    Hart,
    Interrupt,
    Memory,
    Slot,
    State,
    Thread,
)
from neokernel.kernel.tracing import record_of
from neokernel.sim.physical import PhysicalMemory
from tests.kernel.invariants import World, check

u8, u32, u64 = lang.u8, lang.u32, lang.u64

RAM = 0x8000_0000
PAGE = 4096
#: where threads execute their `ecall`
ECALL = 0x1000
#: what a processor says that has happened (privileged specification, table 12.3), whatever the kernel takes it for
TIMER, EXTERNAL, ENVIRONMENT_CALL = 1 << 63 | 5, 1 << 63 | 9, 8
#: which calls have a fast path
FAST: dict[int, Any] = {
    Call.CALL.value: fast.fast_call,
    Call.REPLY_RECEIVE.value: fast.fast_reply_receive,
    Call.WAIT.value: fast.fast_wait,
    Call.SIGNAL.value: fast.fast_signal,
}
#: `Registers.general`, when the fast path hands on an operation of a kernel object
INVOCATION = 2
LINES = 4
#: bytes that tests can take after boot, for what is granted later
KEPT = 16 * PAGE

#: slots of the root's table behind those of `abi/boot.py`, and its priority
MEMORY = 8
INTERRUPTS = 9
FREE = INTERRUPTS + LINES
PRIORITY = 100


@cache
def documentation() -> Failures:
    """What the reference manual lists."""
    return collect()


def documented(made: Call | Operation, status: Status, argument: int) -> bool:
    """May the call or operation end so, by the reference manual?"""
    found = documentation()
    # Capabilities that travel are listed as one argument.
    failure = (status.name, TRAVELLING if TRAVELLING <= argument < WINDOW else argument)
    if isinstance(made, Operation):
        own = [*found.invocation, *found.operations[made.name]]
    else:
        own = found.calls[made.name]
    return failure in own or failure in found.later


def embedded(kind: Any) -> Any:
    """`Embedded[kind]`, as type checkers don't let it be written outside of annotations."""
    word: Any = lang.Embedded
    return word[kind]


def hand_on_invocation(*arguments: Any) -> None:
    """`cpu.fallback_invoke`, so that `Machine.enter` knows where to go on."""
    arguments[-1].general = u8(INVOCATION)


def status_of(word: Any) -> tuple[Status, int]:
    """A failure's status and argument."""
    return Status(int(call.status_of(u64(word)))), int(call.argument_of(u64(word)))


@dataclass(frozen=True)
class Result:
    """What a system call left in the registers."""

    badge: int
    word: int
    words: tuple[int, int, int, int]

    @property
    def status(self) -> Status:
        return Status(int(call.status_of(u64(self.word))))

    @property
    def argument(self) -> int:
        return int(call.argument_of(u64(self.word)))

    @property
    def failure(self) -> tuple[Status, int]:
        return self.status, self.argument


class Machine:
    """`size` bytes of RAM; the first pages are the hart's. It plays the machine until the next one is made."""

    def __init__(self, size: int = 1 << 24) -> None:
        self.memory = PhysicalMemory(cpu.DIRECT + RAM, size)
        self.end = RAM + size
        self.free = RAM
        lang.set_simulator(self.memory)
        cpu.clear = self.memory.clear
        model: Any = cpu
        model.fallback_invoke = hand_on_invocation
        self.hart: Hart = self.make_hart()
        self.next_slot = FREE
        #: threads in the middle of a call that is entered again
        self.restarting: set[int] = set()
        #: system calls try the fast path first, as on the machine
        self.fast = True

    def take(self, size: int, unit: int = PAGE) -> Any:
        """Physical memory that boot keeps for itself."""
        self.free = -(-self.free // unit) * unit
        taken, self.free = self.free, self.free + size
        return u64(taken)

    def span(self, element: Any, length: int) -> Any:
        return lang.span_at(element, cpu.DIRECT + self.take(0x1_0000), u64(length))

    def make_hart(self) -> Hart:
        hart = lang.object_at(Hart, cpu.DIRECT + self.take(int(lang.size_of(Hart))))
        hart.cpu.timer = u64(call.NEVER)
        hart.budget_end = hart.wheel.earliest = u64(call.NEVER)
        hart.frequency = u64(10_000_000)
        hart.vector_words = u64(64)
        hart.asid_limit, hart.next_asid, hart.next_identifier = u64(256), u64(1), u64(1)
        hart.no_table.slots = self.span(embedded(Slot), 0)
        root = hart.no_space.root
        placement.prepare_table(root, self.take(2 * PAGE), lang.u8(2))
        root.space = hart.no_space
        hart.processor.hart = hart.platform.hart = hart
        hart.lines = self.span(embedded(Interrupt), LINES)
        for number, line in enumerate(hart.lines):
            line.line = u32(number + 1)
            line.holder.user = line
        return hart

    # --- what boot makes ----------------------------------------------------------------------------------------------

    def boot(self) -> Thread:
        """A root thread with all capabilities, in the slots that `abi/boot.py` says; it becomes the current one."""
        hart = self.hart
        self.table: CapTable = placement.make_cap_table(self.take(0x1_1000), u64(ROOT_SLOTS))
        space = placement.make_space(hart, self.take(PAGE), self.take(2 * PAGE))
        context = placement.make_context(self.take(PAGE))
        self.root = thread = placement.make_thread(hart, self.take(PAGE))
        thread.identifier = context.identifier = u64(1)
        hart.next_identifier = u64(2)
        schedule.configure(context, u8(PRIORITY), u64(10_000), u64(10_000), u64(0))
        own: list[tuple[int, Any, int]] = [
            (boot.OWN_TABLE, self.table, 0),
            (boot.OWN_SPACE, space, 0),
            (boot.OWN_THREAD, thread, 0),
            (boot.OWN_CONTEXT, context, 0),
            (boot.OWN_BUFFER, hart.frame, int(self.take(PAGE))),
            (boot.PROCESSOR, hart.processor, 0),
            (boot.PLATFORM, hart.platform, 0),
        ]
        for index, thing, word in own:
            self.grant(index, thing, word)
        for binding, index in (
            (Binding.TABLE, boot.OWN_TABLE),
            (Binding.SPACE, boot.OWN_SPACE),
            (Binding.CONTEXT, boot.OWN_CONTEXT),
            (Binding.BUFFER, boot.OWN_BUFFER),
        ):
            self.bind_root(binding, index)
        self.grant(MEMORY, self.make_memory(), 0)
        for number, line in enumerate(hart.lines):
            self.grant(INTERRUPTS + number, line, 0)
        thread.state = State.RUNNABLE
        schedule.make_ready(hart, thread)
        schedule.choose(hart)
        assert hart.current is thread
        return thread

    def bind_root(self, binding: Binding, index: int) -> None:
        """Bind what is in a slot to the root thread, as BIND does."""
        place = self.root.bindings[binding.value]
        slots.derive_bound(self.hart, self.table.slots[index], place, self.root.holder, lang.u16(binding.value))
        threads.use(self.hart, self.root, place)

    def grant(self, index: int, thing: Any, word: int) -> Slot:
        """A capability that nothing was derived from."""
        slot = self.table.slots[index]
        slot.object = thing
        slot.word = u64(word)
        slot.rights = ALL
        slot.flags = u8(OWNER)
        return slot

    def make_memory(self) -> Memory:
        """All the memory that is left, but for some that later `take`s are from."""
        place, base = self.take(PAGE), self.take(0, PAGE)
        self.free = self.end - KEPT
        return placement.make_memory(place, base, u64(self.free - int(base)), u64(0))

    def grant_device(self, base: int, size: int) -> int:
        """Memory of a device, in a slot of the root's table."""
        memory = placement.make_memory(self.take(PAGE), u64(base), u64(size), u64(0))
        memory.device = True
        index, self.next_slot = self.next_slot, self.next_slot + 1
        self.grant(index, memory, 0).flags = u8(OWNER | DEVICE)
        return index

    def one_of_each_kind(self) -> dict[Kind, Any]:
        """An object of each kind, that nobody uses."""
        hart = self.hart
        return {
            Kind.NONE: None,
            Kind.ENDPOINT: placement.make_endpoint(self.take(PAGE)),
            Kind.REPLY: placement.make_reply(self.take(PAGE)),
            Kind.NOTIFICATION: placement.make_notification(self.take(PAGE), False),
            Kind.MEMORY: placement.make_memory(self.take(PAGE), self.take(PAGE), u64(PAGE), u64(0)),
            Kind.FRAME: hart.frame,
            Kind.PAGE_TABLE: placement.make_page_table(self.take(PAGE), self.take(2 * PAGE)),
            Kind.ADDRESS_SPACE: placement.make_space(hart, self.take(PAGE), self.take(2 * PAGE)),
            Kind.CAP_TABLE: placement.make_cap_table(self.take(PAGE), u64(4)),
            Kind.THREAD: placement.make_thread(hart, self.take(PAGE)),
            Kind.SCHED_CONTEXT: placement.make_context(self.take(PAGE)),
            Kind.FLOATS: placement.make_floats(self.take(PAGE), u64(16)),
            Kind.INTERRUPT: hart.lines[0],
            Kind.DMA_SPACE: placement.make_dma_space(self.take(PAGE), u64(4)),
            Kind.TRACE: placement.make_trace(self.take(PAGE), self.take(2 * PAGE), u64(1)),
            Kind.PROCESSOR: hart.processor,
            Kind.PLATFORM: hart.platform,
        }

    # --- operations, as the kernel's entry calls them -----------------------------------------------------------------

    def slot(self, index: int) -> Slot:
        return self.table.slots[index]

    def window(self, first: int, size: int, thread: Thread | None = None) -> None:
        """Set a thread's receive window, as the thread itself does."""
        buffer = (thread or self.root).buffer
        assert buffer is not None
        buffer.window_first.store(u32(first))
        buffer.window_size.store(u32(size))

    def make(self, kind: Kind, size: int = 0, count: int = 1, memory: int = MEMORY) -> list[int]:
        """The root retypes; gives the indices of the new capabilities."""
        first, self.next_slot = self.next_slot, self.next_slot + count
        self.window(first, count)
        done = self.invoke(memory, Operation.RETYPE, kind.value, size, count, 0)
        assert done.word == 0, done.failure
        return list(range(first, first + count))

    def one(self, kind: Kind, size: int = 0, memory: int = MEMORY) -> Any:
        """A new object."""
        return self.slot(self.make(kind, size, 1, memory)[0]).object

    def delete(self, index: int) -> Result:
        return self.invoke(boot.OWN_TABLE, Operation.DELETE, index)

    def check(self) -> World:
        return check(self.hart, [self.table])

    # --- into the kernel ----------------------------------------------------------------------------------------------

    @property
    def current(self) -> Thread | None:
        return self.hart.current

    def start(self, thread: Thread, number: Call, capability: int, word: int, w: Sequence[int], reply: int) -> None:
        """The running thread executes an `ecall` with these registers; who runs afterwards is `current`."""
        registers = thread.registers
        registers.pc = u64(ECALL)
        registers.a7, registers.a0, registers.a1 = u64(number.value), u64(capability), u64(word)
        registers.a2, registers.a3, registers.a4, registers.a5 = (u64(each) for each in w)
        registers.a6 = u64(reply)
        self.enter(thread)

    def enter(self, thread: Thread) -> None:
        """The trap entry: registers as they are, `pc` at the `ecall`."""
        assert self.hart.current is thread, "only the running thread enters the kernel"
        registers = thread.registers
        registers.full = u8(0)
        self.restarting.discard(id(thread))
        if self.hart.trace_mask and not registers.foreign:
            # What the machine's way in does; it doesn't say that it has.
            told = self.hart.told
            packed = int(registers.a7) | (int(registers.a0) & 0xFFFF_FFFF) << 32
            record_of(self.hart, thread.identifier, Event.SYSCALL, u64(packed), registers.a1)
            self.hart.told = told
        if registers.foreign:
            self.trap(thread, ENVIRONMENT_CALL)
            return
        arguments: Any = [getattr(registers, name) for name in ("a0", "a1", "a2", "a3", "a4", "a5")]
        general = 0
        if self.fast and registers.a7 in FAST:
            registers.general = u8(0)
            if registers.a7 in (Call.CALL.value, Call.REPLY_RECEIVE.value):
                arguments.append(registers.a6)
            FAST[int(registers.a7)](*arguments, thread)
            if not registers.general:
                return
            general = int(registers.general)
        registers.pc += 4
        made = self.made(thread)
        if general == INVOCATION:
            syscall.invocation(thread)
        else:
            syscall.system_call(thread)
        if thread.state is State.RUNNABLE:
            if registers.pc == ECALL:
                self.restarting.add(id(thread))
            elif made is not None and registers.pc == ECALL + 4 and call.status_of(registers.a1) != 0:
                status, argument = status_of(registers.a1)
                assert documented(made, status, argument), f"{made.name} fails with {status.name} of {argument}"

    @staticmethod
    def made(thread: Thread) -> Call | Operation | None:
        """What the thread asks for, if there is such a thing."""
        registers = thread.registers
        if registers.a7 > u64(Call.TRY_SEND.value):
            return None
        number = Call(int(registers.a7))
        if number is not Call.CALL or registers.a0 >= len(thread.slots):
            return number
        if thread.slots[registers.a0].object is None or isinstance(thread.slots[registers.a0].object, Endpoint):
            return number
        return operation_of(call.label_of(registers.a1)) or number

    def trap(self, thread: Thread, cause: int, value: int = 0) -> None:
        """An exception or interrupt while `thread` runs."""
        assert self.hart.current is thread
        thread.registers.full = u8(1)
        syscall.trap(thread, u64(cause), u64(value))

    def call(
        self,
        number: Call,
        capability: int = 0,
        word: int = 0,
        w: Sequence[int] = (0, 0, 0, 0),
        reply: int = 0,
        thread: Thread | None = None,
    ) -> Result:
        """A system call of the running thread, which it goes on after; entered again as often as the kernel wants."""
        caller = thread or self.hart.current
        assert caller is not None
        self.start(caller, number, capability, word, w, reply)
        for _ in range(100_000):
            if id(caller) not in self.restarting:
                break
            self.enter(caller)
        assert self.hart.current is caller, "the call doesn't return"
        return self.result(caller)

    @staticmethod
    def result(thread: Thread) -> Result:
        """What a thread finds after its last call."""
        r = thread.registers
        return Result(int(r.a0), int(r.a1), (int(r.a2), int(r.a3), int(r.a4), int(r.a5)))

    def invoke(
        self, capability: int, operation: Operation, *w: int, given: int | None = None, thread: Thread | None = None
    ) -> Result:
        """An operation of a kernel object."""
        caller = thread or self.hart.current
        assert caller is not None
        if given is not None:
            self.name(caller, given)
        word = int(call.message(u64(operation.value), u64(0), u64(given is not None)))
        return self.call(Call.CALL, capability, word, (*w, 0, 0, 0, 0)[:4], thread=caller)

    @staticmethod
    def name(thread: Thread, *indices: int) -> None:
        """The capabilities that travel with the thread's next message."""
        for number, index in enumerate(indices):
            Machine.name_at(thread, number, index)

    @staticmethod
    def name_at(thread: Thread, number: int, index: int) -> None:
        assert thread.buffer is not None
        thread.buffer.capabilities[number].store(u32(index))

    def tick(self, ticks: int) -> None:
        """Time passes; the timer interrupts as often as it wants."""
        self.hart.cpu.time += u64(ticks)
        for _ in range(10_000):
            thread = self.hart.current
            if thread is None or self.hart.cpu.time < self.hart.cpu.timer:
                return
            self.trap(thread, TIMER)
        raise AssertionError("the timer never stops")

    def interrupt(self, line: int) -> None:
        """A device wants something."""
        assert self.hart.current is not None
        self.hart.cpu.line = u32(line)
        self.trap(self.hart.current, EXTERNAL)

    # --- threads ------------------------------------------------------------------------------------------------------

    def spawn(self, priority: int = PRIORITY - 1) -> tuple[int, Thread]:
        """A thread in the root's table and address space, with a buffer and a context; gives its slot, too."""
        index, context, frame = (self.make(kind)[0] for kind in (Kind.THREAD, Kind.SCHED_CONTEXT, Kind.FRAME))
        done = self.invoke(boot.PROCESSOR, Operation.CONFIGURE, priority, 2000, 10_000, given=context)
        assert done.word == 0, done.failure
        for binding, given in (
            (Binding.TABLE, boot.OWN_TABLE),
            (Binding.SPACE, boot.OWN_SPACE),
            (Binding.BUFFER, frame),
            (Binding.CONTEXT, context),
        ):
            done = self.invoke(index, Operation.BIND, binding.value, given=given)
            assert done.word == 0, done.failure
        thread = self.slot(index).object
        assert isinstance(thread, Thread)
        self.start(self.root, Call.CALL, index, int(call.message(u64(Operation.START.value))), (ECALL, 0x8000, 0, 0), 0)
        return index, thread

    def serve(self, endpoint: int, reply: int, passive: bool) -> Thread:
        """A server that waits at the endpoint; `passive`: it has no context of its own."""
        index, server = self.spawn(PRIORITY + 1)
        assert self.current is server
        self.start(server, Call.RECEIVE, endpoint, 0, (call.NEVER, 0, 0, 0), reply)
        assert self.current is self.root and server.state is State.RECEIVING
        if passive:
            assert self.invoke(index, Operation.UNBIND, Binding.CONTEXT.value).word == 0
        return server
