"""Interrupt lines of the platform's controller (RISC-V PLIC), as signals.

A line that is bound interrupts once; the controller holds it back until its driver acknowledges.

Invariants: a line is enabled exactly while it is bound; `pending` lines were claimed and not completed.
"""

from neokernel.abi.call import failure
from neokernel.abi.operations import Operation
from neokernel.abi.rights import SIGNAL
from neokernel.abi.status import INVOKED, TRAVELLING, Status
from neokernel.arch import cpu
from neokernel.kernel.notification import signal
from neokernel.kernel.objects import BOUND, Hart, Interrupt, Notification, Slot
from neokernel.kernel.slot import controlled, derivable, derive_bound, empty, refuse, refuse_control, refuse_operation
from neokernel.kernel.tracing import record_line
from neokernel.lang import cold, inline, u32, u64


@cold
def invoke(hart: Hart, slot: Slot, operation: Operation, given: Slot | None, interrupt: Interrupt) -> u64:
    """An operation of an Interrupt."""
    if not controlled(slot):
        return refuse_control()
    match operation:
        case Operation.BIND_INTERRUPT:
            return bind(hart, interrupt, given)
        case Operation.UNBIND_INTERRUPT:
            return unbind(hart, interrupt)
        case Operation.ACKNOWLEDGE:
            return acknowledge(hart, interrupt)
        case _:
            return refuse_operation()


def bind(hart: Hart, interrupt: Interrupt, given: Slot | None) -> u64:
    """BIND_INTERRUPT."""
    if given is None:
        return failure(Status.NO_CAPABILITY, TRAVELLING)
    notification = given.object
    if not isinstance(notification, Notification):
        return refuse(TRAVELLING)
    if given.rights & SIGNAL == 0:
        return failure(Status.MISSING_RIGHT, TRAVELLING)
    if interrupt.binding.object is not None:
        return failure(Status.OCCUPIED, INVOKED)
    if not derivable(hart, given):
        return failure(Status.UNDERIVABLE, TRAVELLING)
    derive_bound(hart, given, interrupt.binding, interrupt.holder, 0)
    interrupt.notification = notification
    cpu.enable_line(hart.cpu, interrupt.line, True)
    return 0


def unbind(hart: Hart, interrupt: Interrupt) -> u64:
    """UNBIND_INTERRUPT."""
    if interrupt.binding.flags & BOUND == 0:
        return failure(Status.WRONG_STATE, INVOKED)
    release(hart, interrupt)
    empty(interrupt.binding)
    return 0


def release(hart: Hart, interrupt: Interrupt) -> None:
    """The line interrupts nobody any more."""
    interrupt.notification = None
    if interrupt.pending:
        interrupt.pending = False
        cpu.complete(hart.cpu, interrupt.line)
    cpu.enable_line(hart.cpu, interrupt.line, False)


def acknowledge(hart: Hart, interrupt: Interrupt) -> u64:
    """ACKNOWLEDGE."""
    if not interrupt.pending:
        return failure(Status.WRONG_STATE, INVOKED)
    interrupt.pending = False
    cpu.complete(hart.cpu, interrupt.line)
    return 0


@inline
def claim(hart: Hart) -> u32:
    """The line that wants something; 0 if none does any more."""
    line = cpu.claim(hart.cpu)
    if hart.trace_mask != 0:
        record_line(hart, line)
    return line


def serve(hart: Hart, line: u32) -> None:
    """An interrupt has come on the line, if that isn't 0: signal its driver."""
    if line == 0 or u64(line) > len(hart.lines):
        return
    interrupt = hart.lines[u64(line) - 1]
    notification = interrupt.notification
    if notification is None:
        # Of a line that isn't enabled, the controller ignores the completion.
        cpu.complete(hart.cpu, line)
        cpu.enable_line(hart.cpu, line, False)
        return
    interrupt.pending = True
    signal(hart, notification, interrupt.binding.word)
