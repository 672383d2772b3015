"""The event ring: a flag test where nothing is recorded, a record of 32 bytes otherwise.

Invariant: `Header.written` is stored after the record, so that a reader never takes a record that isn't whole.
"""

from neokernel.abi.trace import RECORDS, Event
from neokernel.arch import cpu
from neokernel.kernel.objects import TRACING, Hart
from neokernel.kernel.placement import trace_header, trace_record
from neokernel.lang import Order, cold, fence, truncate, u8, u32, u64, wrapping_add


@cold
def record(hart: Hart, event: Event, a: u64, b: u64) -> None:
    """Record an event of the current thread, if events of its kind are wanted."""
    current = hart.current
    record_of(hart, 0 if current is None else current.identifier, event, a, b)


@cold
def record_switch(hart: Hart) -> None:
    """Record who goes on, if it isn't the thread that went on before."""
    current = hart.current
    before = hart.recorded
    if current is None:
        hart.recorded = 0
        if before != 0:
            record(hart, Event.SWITCH, before, 0)
    elif current.identifier != before:
        hart.recorded = current.identifier
        context = current.context
        record(hart, Event.SWITCH, before, 0 if context is None else context.identifier)


@cold
def record_of(hart: Hart, thread: u64, event: Event, a: u64, b: u64) -> None:
    """Record an event of a thread that may be another than the current one."""
    trace = hart.trace
    if trace is None or (hart.trace_mask >> u64(event.value)) & 1 == 0:
        return
    header = trace_header(trace)
    number = header.written
    place = trace_record(trace, number & (trace.pages * RECORDS - 1))
    place.time = cpu.now(hart.cpu)
    place.thread = truncate(u32, thread)
    place.event = u8(event.value)
    place.hart = u8(hart.number & 0xFF)
    place.unused = 0
    place.a = a
    place.b = b
    fence(Order.RELEASE)
    header.written = wrapping_add(number, 1)


def start(hart: Hart, mask: u64) -> None:
    """Begin to record the kinds in `mask`; 0 ends it."""
    hart.trace_mask = mask
    if mask == 0:
        hart.attention &= ~u64(TRACING)
    else:
        hart.attention |= TRACING
