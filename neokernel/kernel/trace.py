"""The Trace object: memory for the event ring, which its holder maps read-only."""

from neokernel.abi.call import failure
from neokernel.abi.kinds import PAGE_SIZE
from neokernel.abi.operations import Operation
from neokernel.abi.rights import READ
from neokernel.abi.status import FIRST, INVOKED, Status
from neokernel.abi.trace import RECORDS
from neokernel.kernel.captable import landing, refuse_landing
from neokernel.kernel.objects import Hart, Slot, Thread, Trace
from neokernel.kernel.placement import trace_header
from neokernel.kernel.slot import controlled, derivable, insert, refuse_control, refuse_operation
from neokernel.kernel.tracing import start as start_recording
from neokernel.lang import cold, requires, u64


@cold
def invoke(hart: Hart, caller: Thread, slot: Slot, operation: Operation, trace: Trace) -> u64:
    """An operation of a Trace."""
    requires(slot.object is not None)
    match operation:
        case Operation.TRACE_START:
            return start(hart, caller, trace) if controlled(slot) else refuse_control()
        case Operation.TRACE_FRAME:
            readable = slot.rights & READ != 0
            return frame(hart, caller, slot, trace) if readable else refuse_control()
        case _:
            return refuse_operation()


def start(hart: Hart, caller: Thread, trace: Trace) -> u64:
    """TRACE_START: record the kinds in the mask into this ring, or stop."""
    header = trace_header(trace)
    header.capacity = trace.pages * RECORDS
    header.frequency = hart.frequency
    hart.trace = trace
    start_recording(hart, caller.registers.a2)
    return 0


def frame(hart: Hart, caller: Thread, slot: Slot, trace: Trace) -> u64:
    """TRACE_FRAME: a capability for a page of the ring, to be read."""
    requires(slot.object is not None)
    page = caller.registers.a2
    if page > trace.pages:
        return failure(Status.OUT_OF_RANGE, FIRST)
    place = landing(caller)
    if place is None:
        return refuse_landing(caller)
    if not derivable(hart, slot):
        return failure(Status.UNDERIVABLE, INVOKED)
    place.object = hart.frame
    place.word = trace.base + u64(PAGE_SIZE) * page
    place.rights = READ
    insert(slot, place)
    return 0
