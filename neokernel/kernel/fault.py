"""Faults: what a thread can't do by itself becomes a call to its handler, in its name.

Invariant: while `thread.faulted`, its registers are those of the moment of the fault; if it goes on, all are restored.
"""

from neokernel.abi.call import FAULT_BIT, LENGTH_SHIFT
from neokernel.abi.fault import Fault
from neokernel.abi.operations import Binding
from neokernel.abi.rights import SEND
from neokernel.abi.trace import Event
from neokernel.arch import cpu
from neokernel.arch.riscv64.registers import Registers
from neokernel.kernel.endpoint import offer
from neokernel.kernel.objects import Endpoint, Hart, State, Thread
from neokernel.kernel.outcome import BLOCKED
from neokernel.kernel.schedule import stop, use_space
from neokernel.kernel.tracing import record_of
from neokernel.lang import cold, requires, u64

#: boot gives the root's address space the first identifier
ROOT_SPACE = 1


def raise_fault(hart: Hart, thread: Thread, fault: Fault, w0: u64, w1: u64, w2: u64, w3: u64) -> None:
    """Report to the thread's handler; a thread without one stops, and the machine if it is the root's.

    The thread runs or is ready; but of BUDGET it has no time, and without a handler waits for some.
    """
    requires(thread.state is State.RUNNABLE)
    if hart.trace_mask != 0:
        record_of(hart, thread.identifier, Event.FAULT, u64(fault.value), w0 if fault == Fault.PAGE else w1)
    if thread.registers.full == 0:
        lose_unstored(thread.registers)
    thread.registers.full = 1
    thread.report[0] = w0
    thread.report[1] = w1
    thread.report[2] = w2
    thread.report[3] = w3
    word = u64(fault.value) | FAULT_BIT | (4 << LENGTH_SHIFT)
    thread.message = word
    slot = thread.bindings[u64(Binding.HANDLER.value)]
    handler = slot.object
    if isinstance(handler, Endpoint) and slot.rights & SEND != 0:
        thread.faulted = True
        if offer(hart, thread, handler, slot.word, word, True, True) == BLOCKED:
            return
        thread.faulted = False
    if fault is Fault.BUDGET:
        return
    if thread.space.identifier == ROOT_SPACE:
        # Nothing would happen any more without it: the machine ends, so this needn't be bounded.
        use_space(hart, thread.space)
        cpu.crash(hart.cpu, thread.registers)
    stop(hart, thread, State.STOPPED)


@cold
def miss_time(hart: Hart, thread: Thread) -> None:
    """What `notification.want_time` has put off: the handler of the runnable thread is told that it has no time."""
    requires(thread.state is State.RUNNABLE)
    raise_fault(hart, thread, Fault.BUDGET, thread.taken, thread.registers.pc, 0, 0)
    if not thread.faulted:
        # Nobody listens.
        thread.taken = 0


@cold
def lose_unstored(registers: Registers) -> None:
    """Zero what a system call doesn't preserve and its way in doesn't store: a fault restores all registers."""
    registers.ra = 0
    registers.t0 = 0
    registers.t1 = 0
    registers.t2 = 0
    registers.t3 = 0
    registers.t4 = 0
    registers.t5 = 0
    registers.t6 = 0
