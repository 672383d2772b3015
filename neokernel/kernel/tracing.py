"""The event ring: a flag test where nothing is recorded, a record of 32 bytes otherwise.

System calls are recorded where they come in, by a way in that is there only meanwhile (`arch/riscv64/cpu.py`). So fast
paths know nothing of it: what they do is told by the record of the call, and by who comes into the kernel next.

Invariant: `Header.written` is stored after the record, so that a reader never takes a record that isn't whole.
"""

from neokernel.abi.trace import BY_ENTRIES, ENTRIES, RECORDS, Event
from neokernel.arch import cpu
from neokernel.kernel.objects import Hart, Thread
from neokernel.kernel.placement import trace_header, trace_record
from neokernel.lang import Order, cold, fence, truncate, u8, u32, u64, wrapping_add


@cold
def record(hart: Hart, event: Event, a: u64, b: u64) -> None:
    """Record an event of the current thread, if events of its kind are wanted."""
    current = hart.current
    record_of(hart, 0 if current is None else current.identifier, event, a, b)


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
    hart.told = wrapping_add(number, 1)


@cold
def record_line(hart: Hart, line: u32) -> None:
    """Record an interrupt, if a line was claimed."""
    if line != 0:
        record(hart, Event.INTERRUPT, u64(line), 0)


@cold
def record_switch(hart: Hart, thread: Thread) -> None:
    """Record that the hart goes on with `thread`, if nothing is recorded but the call that has led to it.

    Without that, it would look as if a fast path had gone on with `thread`.
    """
    trace = hart.trace
    if trace is not None and trace_header(trace).written != hart.told:
        record_of(hart, thread.identifier, Event.SWITCH, 0, 0)


def start(hart: Hart, mask: u64) -> None:
    """Begin to record the kinds in `mask`, and what tells of them; 0 ends it."""
    trace = hart.trace
    hart.trace_mask = mask
    cpu.record_no_calls(hart.cpu)
    if trace is None:
        return
    header = trace_header(trace)
    hart.told = header.written
    if mask & BY_ENTRIES != 0:
        hart.trace_mask = mask | ENTRIES
        cpu.record_calls(hart.cpu, header)
