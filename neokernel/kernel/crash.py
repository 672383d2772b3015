"""The last resort for a thread that faults and has no handler: a record of it on the console, for the host.

The form is that of a panic record (`neokernel/image/panic.py`), with the thread's and its address space's identifiers.
Nothing of the thread's memory is read. The machine goes on, unless it was the root process: nothing would happen any
more without it.
"""

from neokernel.abi.fault import Fault
from neokernel.arch import cpu
from neokernel.arch.cpu import Cpu
from neokernel.kernel.objects import Thread
from neokernel.kernel.placement import all_registers
from neokernel.lang import struct, u64, writer

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
#: how the machine ends when the root process has crashed: as after a panic of the kernel
CRASHED = 101


@struct
class Console:
    cpu: Cpu

    @writer
    def write(self, text: str) -> None:
        for byte in text.encode():
            cpu.put(self.cpu, byte)


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
    """Tell the console. `value` and `access` are the first and third word of the fault's report."""
    console = Console(cpu=state)
    console.write(f"\x1enk-panic 1\nthread {thread.identifier:x}\nspace {thread.space.identifier:x}\n")
    console.write(
        f"scause {cause_of(fault, access):016x}\nsepc {thread.registers.pc:016x}\nstval {value:016x}\nregisters"
    )
    for word in all_registers(thread)[1:]:
        console.write(f" {word:016x}")
    console.write("\nnk-panic-end\n")
    if thread.space.identifier == ROOT_SPACE:
        cpu.power_off(state, CRASHED)
