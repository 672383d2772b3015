"""A small machine for the kernel's tests: memory, a hart, and what boot makes, made by the kernel's own functions."""

from __future__ import annotations

from typing import Any

from neokernel import lang
from neokernel.abi import boot
from neokernel.abi.boot import ROOT_SLOTS
from neokernel.abi.call import NEVER, argument_of
from neokernel.abi.call import status_of as number_of_status
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding
from neokernel.abi.rights import ALL
from neokernel.abi.status import Status
from neokernel.arch import cpu
from neokernel.kernel import captable, outcome, placement, schedule
from neokernel.kernel import slot as slots
from neokernel.kernel import thread as threads
from neokernel.kernel.memory import retype
from neokernel.kernel.objects import DEVICE, OWNER, CapTable, Hart, Interrupt, Memory, Slot, State, Thread
from neokernel.sim.physical import PhysicalMemory
from tests.kernel.invariants import World, check

u8, u32, u64 = lang.u8, lang.u32, lang.u64

RAM = 0x8000_0000
PAGE = 4096
LINES = 4

#: slots of the root's table behind those of `abi/boot.py`, and its priority
MEMORY = 8
INTERRUPTS = 9
FREE = INTERRUPTS + LINES
PRIORITY = 100


def embedded(kind: Any) -> Any:
    """`Embedded[kind]`, as type checkers don't let it be written outside of annotations."""
    word: Any = lang.Embedded
    return word[kind]


def status_of(word: Any) -> tuple[Status, int]:
    """A failure's status and argument."""
    return Status(int(number_of_status(u64(word)))), int(argument_of(u64(word)))


class Machine:
    """`size` bytes of RAM; the first pages are the hart's. It plays the machine until the next one is made."""

    def __init__(self, size: int = 1 << 24) -> None:
        self.memory = PhysicalMemory(cpu.DIRECT + RAM, size)
        self.end = RAM + size
        self.free = RAM
        lang.set_simulator(self.memory)
        cpu.clear = self.memory.clear
        self.hart: Hart = self.make_hart()
        self.next_slot = FREE

    def take(self, size: int, unit: int = PAGE) -> Any:
        """Physical memory that boot keeps for itself."""
        self.free = -(-self.free // unit) * unit
        taken, self.free = self.free, self.free + size
        return u64(taken)

    def span(self, element: Any, length: int) -> Any:
        return lang.span_at(element, cpu.DIRECT + self.take(0x1_0000), u64(length))

    def make_hart(self) -> Hart:
        hart = lang.object_at(Hart, cpu.DIRECT + self.take(int(lang.size_of(Hart))))
        hart.cpu.timer = u64(NEVER)
        hart.budget_end = hart.programmed = hart.wheel.earliest = u64(NEVER)
        hart.frequency = u64(10_000_000)
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
        thread = placement.make_thread(hart, self.take(PAGE))
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
            place = thread.bindings[binding.value]
            slots.derive(hart, self.table.slots[index], place, ALL)
            place.holder = thread.holder
            place.entry = lang.u16(binding.value)
            threads.use(hart, thread, place)
        self.grant(MEMORY, self.make_memory(), 0)
        for number, line in enumerate(hart.lines):
            self.grant(INTERRUPTS + number, line, 0)
        thread.state = State.RUNNABLE
        schedule.make_ready(hart, thread)
        schedule.choose(hart)
        assert hart.current is thread
        self.root = thread
        return thread

    def grant(self, index: int, thing: Any, word: int) -> Slot:
        """A capability that nothing was derived from."""
        slot = self.table.slots[index]
        slot.object = thing
        slot.word = u64(word)
        slot.rights = ALL
        slot.flags = u8(OWNER)
        return slot

    def make_memory(self) -> Memory:
        """All the memory that is left."""
        place, base = self.take(PAGE), self.take(0, PAGE)
        return placement.make_memory(place, base, u64(self.end - int(base)), u64(0))

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
            Kind.FLOATS: placement.make_floats(self.take(PAGE)),
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

    def operate(self, function: Any, *arguments: Any, **registers: int) -> int:
        """Call an operation until it is done, with these registers of the root thread; gives its outcome."""
        for name in ("a2", "a3", "a4", "a5"):
            setattr(self.root.registers, name, u64(registers.get(name, 0)))
        for _ in range(100_000):
            done = int(function(*arguments))
            if done != outcome.AGAIN:
                return done
        raise AssertionError("an operation never ends")

    def make(self, kind: Kind, size: int = 0, count: int = 1, memory: int = MEMORY) -> list[int]:
        """Retype; gives the indices of the new capabilities."""
        first, self.next_slot = self.next_slot, self.next_slot + count
        self.window(first, count)
        done = self.operate(retype, self.hart, self.root, self.slot(memory), a2=kind.value, a3=size, a4=count, a5=0)
        assert done == outcome.ANSWERED, status_of(done)
        return list(range(first, first + count))

    def one(self, kind: Kind, size: int = 0, memory: int = MEMORY) -> Any:
        """A new object."""
        return self.slot(self.make(kind, size, 1, memory)[0]).object

    def delete(self, index: int) -> int:
        return self.operate(captable.revoke, self.hart, self.root, self.slot(boot.OWN_TABLE), True, a2=index)

    def check(self) -> World:
        return check(self.hart, [self.table])
