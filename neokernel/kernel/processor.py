"""Processor time: who may run for how long, at which priority. Admission is decided outside: this only sets numbers.

A Processor capability's badge is the highest priority that it can give; without one there is no limit.
"""

from neokernel.abi.call import failure
from neokernel.abi.operations import Operation
from neokernel.abi.status import FIRST, SECOND, THIRD, TRAVELLING, Status
from neokernel.arch import cpu
from neokernel.kernel import timer
from neokernel.kernel.objects import BADGED, PRIORITIES, Hart, SchedContext, Slot, Thread
from neokernel.kernel.outcome import answer
from neokernel.kernel.schedule import attach_again, charge, configure, dequeue, make_ready, take_off, time_used
from neokernel.kernel.slot import controlled, refuse, refuse_control, refuse_operation
from neokernel.lang import cold, requires, u8, u64, wrapping_add, wrapping_sub

#: less would be spent on scheduling alone; ticks
SHORTEST_BUDGET = 100
#: no sum of a time and a period overflows
LONGEST_PERIOD = 1 << 48


@cold
def invoke(hart: Hart, caller: Thread, slot: Slot, operation: Operation, given: Slot | None) -> u64:
    """An operation of a Processor."""
    if not controlled(slot):
        return refuse_control()
    if operation is Operation.PROCESSOR_INFO:
        return answer(caller, 0, hart.frequency, 1, cpu.now(hart.cpu), 0)
    if operation is not Operation.CONFIGURE and operation is not Operation.SET_FLOOR:
        return refuse_operation()
    priority = caller.registers.a2
    if priority >= PRIORITIES or (slot.flags & BADGED != 0 and priority > slot.word):
        return failure(Status.OUT_OF_RANGE, FIRST)
    if given is None:
        return failure(Status.NO_CAPABILITY, TRAVELLING)
    if operation is Operation.CONFIGURE:
        return set_context(hart, caller, given)
    return set_floor(hart, caller, given)


def set_context(hart: Hart, caller: Thread, given: Slot) -> u64:
    """CONFIGURE: priority, budget, period. The budget is full afterwards."""
    requires(caller.registers.a2 < PRIORITIES)
    registers = caller.registers
    budget = registers.a3
    period = registers.a4
    if budget < SHORTEST_BUDGET or budget > period:
        return failure(Status.OUT_OF_RANGE, SECOND)
    if period > LONGEST_PERIOD:
        return failure(Status.OUT_OF_RANGE, THIRD)
    context = given.object
    if not isinstance(context, SchedContext):
        return refuse(TRAVELLING)
    if not controlled(given):
        return failure(Status.MISSING_RIGHT, TRAVELLING)
    thread = context.thread
    if thread is not None:
        take_off(hart, thread)
    if hart.active is context:
        # What was used of it until now counts.
        _ = charge(hart)
        hart.active = None
    timer.remove(hart.wheel, context.timer)
    context.empty = False
    configure(context, u8(registers.a2), budget, period, cpu.now(hart.cpu))
    attach_again(hart, context)
    return 0


def set_floor(hart: Hart, caller: Thread, given: Slot) -> u64:
    """SET_FLOOR."""
    requires(caller.registers.a2 < PRIORITIES)
    thread = given.object
    if not isinstance(thread, Thread):
        return refuse(TRAVELLING)
    if not controlled(given):
        return failure(Status.MISSING_RIGHT, TRAVELLING)
    queued = thread.ready
    dequeue(hart, thread)
    thread.floor = u8(caller.registers.a2)
    if queued:
        make_ready(hart, thread)
    return 0


@cold
def inspect_context(hart: Hart, caller: Thread, operation: Operation, context: SchedContext) -> u64:
    """CONTEXT_INFO: the only operation of a SchedContext."""
    if operation is not Operation.CONTEXT_INFO:
        return refuse_operation()
    if hart.active is context:
        spent = wrapping_sub(cpu.now(hart.cpu), hart.since)
    else:
        spent = u64(0)
    left = context.refills[u64(context.first)].amount
    return answer(caller, 0, wrapping_add(time_used(context), spent), left - min(spent, left), context.identifier, 0)
