"""The last words of the root process, when it faults and has no handler: a record on the console, for the host.

Nothing would happen any more without it, so the machine ends. The record's form is that of a panic of the kernel
(`neokernel/image/panic.py`), with the identifiers of the thread and its address space, and as much of the stack as a
traceback usually needs.
"""

from neokernel.abi.fault import Fault
from neokernel.arch import cpu
from neokernel.arch.cpu import Cpu
from neokernel.kernel.objects import DEVICE, AddressSpace, Thread
from neokernel.kernel.placement import all_registers
from neokernel.kernel.space import index_at, table_below
from neokernel.lang import Span, span_at, struct, u64, unsafe, writer

unsafe("it reads pages of RAM, to show a stack")

#: causes of traps (privileged specification, table "supervisor cause register values after trap"), by access
PAGE_FAULTS: tuple[u64, ...] = (13, 15, 12)
MISALIGNED: tuple[u64, ...] = (4, 6, 0)
ACCESS_FAULTS: tuple[u64, ...] = (5, 7, 1)
ILLEGAL_INSTRUCTION = 2
BREAKPOINT = 3
USER_CALL = 8
#: one that no hardware has: the budget was used up
BUDGET = 24

#: boot gives the root's address space the first identifier
ROOT_SPACE = 1
#: how the machine ends: as after a panic of the kernel
CRASHED = 101
#: pages of the stack that are shown, from its pointer up
STACK_PAGES = 2


@struct
class Console:
    cpu: Cpu

    @writer
    def write(self, text: str) -> None:
        for byte in text.encode():
            while not cpu.put(self.cpu, byte):
                pass


def cause_of(fault: Fault, access: u64) -> u64:
    """What `scause` was."""
    match fault:
        case Fault.PAGE:
            return PAGE_FAULTS[access % 3]
        case Fault.MISALIGNED:
            return MISALIGNED[access % 3]
        case Fault.BUS:
            return ACCESS_FAULTS[access % 3]
        case Fault.ILLEGAL_INSTRUCTION:
            return ILLEGAL_INSTRUCTION
        case Fault.BREAKPOINT:
            return BREAKPOINT
        case Fault.SYSTEM_CALL:
            return USER_CALL
        case Fault.BUDGET:
            return BUDGET


def report(state: Cpu, thread: Thread, fault: Fault, value: u64, access: u64) -> None:
    """Tell the console, and end the machine. `value` and `access`: first and third word of the fault's report."""
    console = Console(cpu=state)
    console.write(f"\x1enk-panic 1\nthread {thread.identifier:x}\nspace {thread.space.identifier:x}\n")
    console.write(
        f"scause {cause_of(fault, access):016x}\nsepc {thread.registers.pc:016x}\nstval {value:016x}\nregisters"
    )
    for word in all_registers(thread)[1:]:
        console.write(f" {word:016x}")
    show_stack(console, thread.space, thread.registers.sp & ~u64(7))
    console.write("\nnk-panic-end\n")
    cpu.power_off(state, CRASHED)


def show_stack(console: Console, space: AddressSpace, pointer: u64) -> None:
    """Up to the first page that isn't mapped, which is the stack's end."""
    place = pointer
    for _ in range(STACK_PAGES):
        words = page_at(space, place)
        if words is None:
            return
        for word in words[place // 8 % 512 :]:
            if place % 32 == 0 or place == pointer:
                console.write(f"\nstack {place:016x}")
            console.write(f" {word:016x}")
            place += 8


def page_at(space: AddressSpace, address: u64) -> Span[u64] | None:
    """The page of RAM, 4 KiB, that is mapped at a user's address."""
    if address >= cpu.USER_END:
        return None
    middle = table_below(space.root, address)
    if middle is None:
        return None
    table = table_below(middle, address)
    if table is None:
        return None
    slot = table.owners.slot[index_at(address, 0)]
    if slot is None or slot.flags & DEVICE != 0:
        return None
    return span_at(u64, cpu.DIRECT + slot.word, 512)
