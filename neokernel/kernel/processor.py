"""Processor time: who may run for how long, at which priority. Admission is decided outside: this only sets numbers.

A Processor capability's badge is the highest priority that it can give; without one there is no limit.
"""

from neokernel.abi.call import failure
from neokernel.abi.status import FIRST, INVOKED, SECOND, THIRD, TRAVELLING, Status
from neokernel.arch import cpu
from neokernel.kernel import timer
from neokernel.kernel.objects import BADGED, PRIORITIES, Hart, Processor, SchedContext, Slot, Thread
from neokernel.kernel.outcome import answer
from neokernel.kernel.schedule import attach_again, configure, dequeue, make_ready
from neokernel.kernel.slot import controlled, refuse, refuse_control
from neokernel.lang import u8, u64

#: less would be spent on scheduling alone; ticks
SHORTEST_BUDGET = 100
#: no sum of a time and a period overflows
LONGEST_PERIOD = 1 << 48


def refuse_processor(slot: Slot, priority: u64) -> u64:
    """What is wrong with giving this priority, or 0."""
    if not isinstance(slot.object, Processor):
        return refuse(slot, INVOKED)
    if not controlled(slot):
        return refuse_control()
    if priority >= PRIORITIES or (slot.flags & BADGED != 0 and priority > slot.word):
        return failure(Status.OUT_OF_RANGE, FIRST)
    return 0


def set_context(hart: Hart, caller: Thread, slot: Slot, given: Slot | None) -> u64:
    """CONFIGURE: priority, budget, period. The budget is full afterwards."""
    registers = caller.registers
    refused = refuse_processor(slot, registers.a2)
    if refused != 0:
        return refused
    budget = registers.a3
    period = registers.a4
    if budget < SHORTEST_BUDGET or budget > period:
        return failure(Status.OUT_OF_RANGE, SECOND)
    if period > LONGEST_PERIOD:
        return failure(Status.OUT_OF_RANGE, THIRD)
    if given is None:
        return failure(Status.NO_CAPABILITY, TRAVELLING)
    context = given.object
    if not isinstance(context, SchedContext):
        return refuse(given, TRAVELLING)
    if not controlled(given):
        return failure(Status.MISSING_RIGHT, TRAVELLING)
    thread = context.thread
    if thread is not None:
        dequeue(hart, thread)
        if hart.current is thread:
            hart.current = None
    if hart.active is context:
        hart.active = None
    timer.remove(hart.wheel, context.timer)
    context.empty = False
    configure(context, u8(registers.a2), budget, period, cpu.now(hart.cpu))
    attach_again(hart, context)
    return 0


def set_floor(hart: Hart, caller: Thread, slot: Slot, given: Slot | None) -> u64:
    """SET_FLOOR."""
    floor = caller.registers.a2
    refused = refuse_processor(slot, floor)
    if refused != 0:
        return refused
    if given is None:
        return failure(Status.NO_CAPABILITY, TRAVELLING)
    thread = given.object
    if not isinstance(thread, Thread):
        return refuse(given, TRAVELLING)
    if not controlled(given):
        return failure(Status.MISSING_RIGHT, TRAVELLING)
    queued = thread.ready
    dequeue(hart, thread)
    thread.floor = u8(floor)
    if queued:
        make_ready(hart, thread)
    return 0


def information(hart: Hart, caller: Thread, slot: Slot) -> u64:
    """PROCESSOR_INFO."""
    if not isinstance(slot.object, Processor):
        return refuse(slot, INVOKED)
    return answer(caller, 0, hart.frequency, 1, cpu.now(hart.cpu), 0)


def context_information(hart: Hart, caller: Thread, slot: Slot) -> u64:
    """CONTEXT_INFO."""
    context = slot.object
    if not isinstance(context, SchedContext):
        return refuse(slot, INVOKED)
    if hart.active is context:
        spent = cpu.now(hart.cpu) - hart.since
    else:
        spent = u64(0)
    left = context.refills[u64(context.first)].amount
    return answer(caller, 0, context.used + spent, left - min(spent, left), context.identifier, 0)
