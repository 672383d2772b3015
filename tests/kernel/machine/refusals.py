"""What the manual says that operations refuse, and no other case asks for: object by object."""

from __future__ import annotations

from devices import CLOCK
from tap import failed, received
from world import EMPTY, PLAYGROUND, World

from neokernel.abi.boot import OWN_SPACE, OWN_TABLE, OWN_THREAD, PLATFORM, PROCESSOR
from neokernel.abi.buffer import MOVE
from neokernel.abi.call import NEVER, NOW, Call, message
from neokernel.abi.kinds import PAGE_SIZE, Kind
from neokernel.abi.operations import Binding, Operation
from neokernel.abi.rights import ALL, BEYOND, CONTROL, EXECUTE, READ, SIGNAL
from neokernel.abi.status import FIRST, INVOKED, REPLY, SECOND, THIRD, TRAVELLING, WINDOW, WORD, Status
from neokernel.lang import u16, u32, u64, usize
from neokernel.runtime import system
from neokernel.runtime.system import Failure

#: how often a capability can be derived, less once for the object itself
COPIES = 63


def run(w: World) -> None:
    memories(w)
    own_window(w)
    bare(w)
    underivable(w)
    tables(w)
    spaces(w)
    threads(w)
    times(w)
    devices(w)
    messages(w)


def memories(w: World) -> None:
    t, buffer, memory = w.t, w.process.buffer, w.process.memory
    device, into = unused_device(w), w.slot(3)
    system.window(buffer, into, 1)
    found = system.retype(buffer, device, Kind.ENDPOINT, 0, 1, into)
    t.fails(found, Status.WRONG_KIND, FIRST, "RETYPE of a device's registers into an endpoint")
    found = system.retype(buffer, device, Kind.MEMORY, PAGE_SIZE, 1, into)
    t.fails(found, Status.WRONG_KIND, FIRST, "and into Memory")
    t.fails(system.clear(device, 0), Status.OUT_OF_RANGE, FIRST, "CLEAR of a device's registers")
    t.fails(system.clear(memory, NEVER), Status.OUT_OF_RANGE, FIRST, "CLEAR of more than there is")
    plain = w.copy(memory, ALL & ~BEYOND)
    found = system.retype(buffer, plain, Kind.DMA_SPACE, 1, 1, into)
    t.fails(found, Status.MISSING_RIGHT, INVOKED, "RETYPE into a DmaSpace needs DMA")
    found = system.retype(buffer, plain, Kind.TRACE, 1, 1, into)
    t.fails(found, Status.MISSING_RIGHT, INVOKED, "RETYPE into a Trace needs TRACE")
    w.drop(plain)
    # The second of three slots is in use.
    t.done(system.copy(buffer, OWN_TABLE, into + 1, ALL, 0, w.endpoint))
    found = system.retype(buffer, memory, Kind.ENDPOINT, 0, 3, into)
    t.fails(found, Status.NO_WINDOW, WINDOW, "RETYPE into a window that is in use further on")
    t.equal(w.kind_at(into), u64(Kind.ENDPOINT.value), "what was made before stays")
    t.check(w.is_empty(into + 2), "the others aren't made")
    w.drop(into)
    w.drop(into + 1)
    w.process.slots().release(into + 2)
    small = w.new(Kind.MEMORY, 4 * PAGE_SIZE)
    made = w.process.make_of(small, Kind.FRAME, 0, 8)
    t.fails(refusal(made), Status.OUT_OF_MEMORY, INVOKED, "eight frames of four pages")
    slots = w.slot(8)
    empty = True
    for place in range(u64(8)):
        empty = empty and w.is_empty(slots + place)
    t.check(empty, "a process that makes some of them keeps none")
    w.process.slots().release(slots, 8)
    w.drop(small)


def own_window(w: World) -> None:
    """TRACE_FRAME and the others find a place in the same way."""
    t, buffer = w.t, w.process.buffer
    trace = w.new(Kind.TRACE, 1)
    weak = w.copy(trace, CONTROL)
    t.fails(system.trace_frame(buffer, trace, 0, w.endpoint), Status.NO_WINDOW, WINDOW, "TRACE_FRAME into a full slot")
    t.fails(system.trace_frame(buffer, weak, 0, EMPTY), Status.MISSING_RIGHT, INVOKED, "TRACE_FRAME without READ")
    w.drop(trace)
    w.process.slots().release(weak)


def bare(w: World) -> None:
    """A thread without a buffer has no window either."""
    t, agent = w.t, w.high
    trace = w.new(Kind.TRACE, 1)
    t.done(system.unbind(agent.thread, Binding.BUFFER))
    no, of = Status.NO_BUFFER, u64(WINDOW)
    endpoint, frame = u64(Kind.ENDPOINT.value), w.endpoint
    agent.tell(Call.CALL, w.process.memory, message(u64(Operation.RETYPE.value), 4), endpoint)
    t.fails(agent.failure(), no, of, "RETYPE without a buffer")
    agent.tell(Call.CALL, OWN_TABLE, message(u64(Operation.COPY_OUT.value), 2), frame, u64(ALL))
    t.fails(agent.failure(), no, of, "COPY_OUT without a buffer")
    agent.tell(Call.CALL, OWN_TABLE, message(u64(Operation.MOVE_OUT.value), 1), frame)
    t.fails(agent.failure(), no, of, "MOVE_OUT without a buffer")
    agent.tell(Call.CALL, trace, message(u64(Operation.TRACE_FRAME.value), 1))
    t.fails(agent.failure(), no, of, "TRACE_FRAME without a buffer")
    agent.tell(Call.CALL, w.low.thread, message(u64(Operation.READ_REGISTERS.value)))
    t.fails(agent.failure(), no, WORD, "READ_REGISTERS without a buffer")
    agent.tell(Call.CALL, OWN_TABLE, message(u64(Operation.COPY.value), 3, 1), frame)
    t.fails(agent.failure(), no, WORD, "COPY without a buffer")
    t.done(system.bind(w.process.buffer, agent.thread, Binding.BUFFER, agent.frame))
    w.drop(trace)


def deepest(w: World, source: u64, first: u64) -> u64:
    """Derive from the object's own capability until it isn't possible any more, into the slots from `first` on."""
    step = source
    for place in range(u64(COPIES)):
        if system.copy(w.process.buffer, OWN_TABLE, first + place, ALL, 0, step) is not None:
            break
        step = first + place
    return step


def underivable(w: World) -> None:
    t, buffer = w.t, w.process.buffer
    no = Status.UNDERIVABLE
    first, into = w.slot(COPIES), w.slot()
    memory = w.new(Kind.MEMORY, 16 * PAGE_SIZE)
    deep = deepest(w, memory, first)
    t.fails(system.retype(buffer, deep, Kind.ENDPOINT, 0, 1, into), no, INVOKED, "RETYPE of the deepest copy")
    t.fails(system.copy_out(buffer, OWN_TABLE, deep, ALL, into), no, FIRST, "COPY_OUT of the deepest copy")
    w.drop(memory)
    trace = w.new(Kind.TRACE, 1)
    deep = deepest(w, trace, first)
    t.fails(system.trace_frame(buffer, deep, 0, into), no, INVOKED, "TRACE_FRAME of the deepest copy")
    w.drop(trace)
    notification, thread = w.new(Kind.NOTIFICATION), w.new(Kind.THREAD)
    deep = deepest(w, notification, first)
    t.fails(system.bind(buffer, thread, Binding.NOTIFICATION, deep), no, TRAVELLING, "BIND of the deepest copy")
    t.fails(system.hold(buffer, thread, deep), no, TRAVELLING, "HOLD with the deepest copy")
    line = u64(w.process.boot().interrupt_first)
    t.fails(system.bind_interrupt(buffer, line, deep), no, TRAVELLING, "BIND_INTERRUPT of the deepest copy")
    w.drop(notification)
    w.drop(thread)
    w.process.slots().release(first, COPIES)
    w.process.slots().release(into)


def tables(w: World) -> None:
    t, buffer = w.t, w.process.buffer
    dma, table, into = w.new(Kind.DMA_SPACE, 1), w.new(Kind.CAP_TABLE, 2), w.slot()
    frame, another = w.new(Kind.FRAME), w.new(Kind.FRAME)
    t.check(not isinstance(system.pin(buffer, dma, frame), Failure), "PIN")
    t.fails(system.move(buffer, OWN_TABLE, into, frame), Status.PINNED, TRAVELLING, "MOVE of a pinned frame")
    t.fails(system.move_out(buffer, OWN_TABLE, frame, into), Status.PINNED, FIRST, "MOVE_OUT of a pinned frame")
    t.fails(system.unmap(frame), Status.PINNED, INVOKED, "UNMAP of a pinned frame")
    t.fails(refusal(system.pin(buffer, dma, frame)), Status.OCCUPIED, TRAVELLING, "PIN of a pinned frame")
    t.fails(refusal(system.pin(buffer, dma, another)), Status.OUT_OF_MEMORY, INVOKED, "PIN in a full space")
    t.fails(refusal(system.pin(buffer, dma, EMPTY)), Status.NO_CAPABILITY, TRAVELLING, "PIN of an empty slot")
    t.fails(refusal(system.pin(buffer, dma, dma)), Status.WRONG_KIND, TRAVELLING, "PIN of a device space")
    t.fails(system.unpin(buffer, dma, EMPTY), Status.NO_CAPABILITY, TRAVELLING, "UNPIN of an empty slot")
    t.fails(system.unpin(buffer, dma, dma), Status.WRONG_STATE, TRAVELLING, "UNPIN of a device space")
    copy = w.copy(another)
    other = w.new(Kind.DMA_SPACE, 1)
    t.check(not isinstance(system.pin(buffer, other, copy), Failure), "PIN of a copy")
    t.fails(system.revoke(OWN_TABLE, another), Status.PINNED, FIRST, "REVOKE above a pinned frame")
    t.done(system.unpin(buffer, other, copy))
    t.succeeds(system.revoke(OWN_TABLE, another), "REVOKE once it is unpinned")
    w.process.slots().release(copy)
    w.drop(other)
    w.drop(dma)
    w.drop(frame)
    parent = w.process.memory
    t.fails(system.move_out(buffer, OWN_TABLE, parent, into), Status.HAS_CHILDREN, FIRST, "MOVE_OUT of a parent")
    t.fails(system.move_out(buffer, table, 2, into), Status.OUT_OF_RANGE, FIRST, "MOVE_OUT from beyond the table")
    found = system.copy_out(buffer, OWN_TABLE, another, ALL + u16(1), into)
    t.fails(found, Status.OUT_OF_RANGE, SECOND, "COPY_OUT with a right that doesn't exist")
    found = system.copy(buffer, OWN_TABLE, into, ALL, 0, MOVE | another)
    t.fails(found, Status.NO_CAPABILITY, TRAVELLING, "an operation doesn't know MOVE")
    w.drop(another)
    w.drop(table)
    w.process.slots().release(into)


def refusal(found: u64 | Failure) -> Failure | None:
    return found if isinstance(found, Failure) else None


def spaces(w: World) -> None:
    t, buffer = w.t, w.process.buffer
    table, space = w.new(Kind.PAGE_TABLE), w.new(Kind.ADDRESS_SPACE)
    weak = w.copy(table, 0)
    t.fails(system.install(buffer, space, 0, 2, EMPTY), Status.NO_CAPABILITY, TRAVELLING, "INSTALL of an empty slot")
    t.fails(system.install(buffer, space, 0, 2, weak), Status.MISSING_RIGHT, TRAVELLING, "INSTALL needs CONTROL")
    t.fails(system.install(buffer, space, 1 << 21, 2, table), Status.MISALIGNED, FIRST, "INSTALL for 1 GiB at 2 MiB")
    t.fails(system.install(buffer, space, 1 << 12, 1, table), Status.MISALIGNED, FIRST, "INSTALL for 2 MiB at 4 KiB")
    upper, frame = w.new(Kind.PAGE_TABLE), w.new(Kind.FRAME)
    t.done(system.install(buffer, space, 0, 2, upper))
    t.done(system.install(buffer, space, 0, 1, table))
    t.done(system.map(buffer, space, 0, READ, frame))
    t.done(system.uninstall(table))
    found = system.install(buffer, space, 1 << 30, 2, table)
    t.fails(found, Status.WRONG_STATE, TRAVELLING, "INSTALL of a table that maps pages, for 1 GiB")
    dma, pinned = w.new(Kind.DMA_SPACE, 2), w.new(Kind.FRAME)
    t.check(not isinstance(system.pin(buffer, dma, pinned), Failure), "PIN of a frame")
    t.fails(system.map(buffer, space, PAGE_SIZE, READ, pinned), Status.OCCUPIED, TRAVELLING, "MAP of a pinned frame")
    t.fails(refusal(system.pin(buffer, dma, frame)), Status.OCCUPIED, TRAVELLING, "PIN of a mapped frame")
    w.drop(dma)
    w.drop(pinned)
    w.drop(space)
    w.drop(upper)
    w.drop(table)
    w.process.slots().release(weak)
    w.drop(frame)


def threads(w: World) -> None:
    t, buffer = w.t, w.process.buffer
    thread, stopped = w.high.thread, w.new(Kind.THREAD)
    state, of = Status.WRONG_STATE, u64(INVOKED)
    t.fails(system.start(thread, 0, 0, 0, 0), state, of, "START of a thread that isn't stopped")
    t.fails(system.resume(thread), state, of, "RESUME of a thread that isn't stopped")
    t.fails(system.suspend(stopped), state, of, "SUSPEND of a stopped thread")
    found = system.invoke(OWN_THREAD, Operation.READ_REGISTERS, 0)
    t.message_fails(found, state, of, "READ_REGISTERS of the caller")
    t.message_fails(
        system.invoke(thread, Operation.WRITE_REGISTERS, 4), state, of, "WRITE_REGISTERS of who isn't stopped"
    )
    used = Status.OCCUPIED
    t.fails(
        system.bind(buffer, stopped, Binding.CONTEXT, w.high.context), used, TRAVELLING, "BIND of another's context"
    )
    t.fails(system.bind(buffer, thread, Binding.SPACE, OWN_SPACE), used, FIRST, "BIND of a second space")
    t.fails(system.hold(buffer, thread, w.notification), used, INVOKED, "HOLD of a thread with a context")
    t.fails(system.hold(buffer, stopped, w.endpoint), Status.WRONG_KIND, TRAVELLING, "HOLD with an endpoint")
    t.fails(system.hold(buffer, stopped, EMPTY), Status.NO_CAPABILITY, TRAVELLING, "HOLD with an empty slot")
    t.done(system.hold(buffer, stopped, w.notification))
    t.fails(system.hold(buffer, stopped, w.notification), used, INVOKED, "HOLD of a held thread")
    context = w.new(Kind.SCHED_CONTEXT)
    t.fails(system.bind(buffer, stopped, Binding.CONTEXT, context), used, FIRST, "BIND of a context to a held thread")
    t.done(system.resume(stopped))
    found = system.invoke(stopped, Operation.DISPATCH, 1, NOW)
    t.message_fails(found, Status.TIMED_OUT, FIRST, "DISPATCH until now")
    w.drop(context)
    w.drop(stopped)
    _ = system.poll(w.notification)


def times(w: World) -> None:
    t, buffer = w.t, w.process.buffer
    context = w.new(Kind.SCHED_CONTEXT)
    weak, bare_thread = w.copy(context, 0), w.copy(w.high.thread, 0)
    out, right = Status.OUT_OF_RANGE, Status.MISSING_RIGHT
    t.fails(system.configure(buffer, PROCESSOR, 1, 99, 1000, context), out, SECOND, "CONFIGURE 99 ticks")
    t.fails(system.configure(buffer, PROCESSOR, 1, 100, (1 << 48) + 1, context), out, THIRD, "more than 2^48 ticks")
    t.succeeds(system.configure(buffer, PROCESSOR, 1, 100, 1 << 48, context), "100 in 2^48 ticks")
    t.fails(system.configure(buffer, PROCESSOR, 1, 100, 100, weak), right, TRAVELLING, "CONFIGURE needs CONTROL")
    t.fails(system.set_floor(buffer, PROCESSOR, 1, bare_thread), right, TRAVELLING, "SET_FLOOR needs CONTROL")
    t.fails(
        system.set_floor(buffer, PROCESSOR, 1, EMPTY), Status.NO_CAPABILITY, TRAVELLING, "SET_FLOOR of an empty slot"
    )
    w.drop(bare_thread)
    w.drop(context)
    w.process.slots().release(weak)


def devices(w: World) -> None:
    t, buffer = w.t, w.process.buffer
    line = u64(w.process.boot().interrupt_first)
    deaf = w.copy(w.notification, ALL & ~SIGNAL)
    t.fails(system.bind_interrupt(buffer, line, EMPTY), Status.NO_CAPABILITY, TRAVELLING, "BIND_INTERRUPT to nothing")
    t.fails(system.bind_interrupt(buffer, line, deaf), Status.MISSING_RIGHT, TRAVELLING, "BIND_INTERRUPT needs SIGNAL")
    t.done(system.bind_interrupt(buffer, line, w.notification))
    t.fails(system.bind_interrupt(buffer, line, w.notification), Status.OCCUPIED, INVOKED, "BIND_INTERRUPT once more")
    t.fails(system.acknowledge(line), Status.WRONG_STATE, INVOKED, "ACKNOWLEDGE when nothing has come")
    t.done(system.unbind_interrupt(line))
    w.drop(deaf)
    t.fails(system.power_off(PLATFORM, 256), Status.OUT_OF_RANGE, FIRST, "POWER_OFF with the status 256")
    frame = t.need(w.process.make_of(unused_device(w), Kind.FRAME))
    found = system.map(buffer, OWN_SPACE, PLAYGROUND, EXECUTE, frame)
    t.fails(found, Status.MISSING_RIGHT, TRAVELLING, "MAP to execute of a device's registers")
    thread = w.new(Kind.THREAD)
    found = system.bind(buffer, thread, Binding.BUFFER, frame)
    t.fails(found, Status.WRONG_KIND, TRAVELLING, "BIND of a device's registers as buffer")
    w.drop(thread)
    w.drop(frame)


def unused_device(w: World) -> u64:
    """The registers of a device that no other case uses; 0, where nothing is, if there is none."""
    boot = w.process.boot()
    for region in boot.regions[: usize(boot.region_count)]:
        if region.device != 0 and region.base != CLOCK:
            return u64(region.slot)
    return 0


def messages(w: World) -> None:
    t, agent = w.t, w.high
    agent.tell(Call.RECEIVE, w.endpoint, 0, NEVER)
    t.message_fails(system.call(w.endpoint, message(1)), Status.WRONG_STATE, INVOKED, "CALL of who names no Reply")
    t.succeeds(system.send(w.endpoint, message(1)), "but SEND")
    agent.tell(Call.RECEIVE, w.endpoint, 0, NEVER, 0, agent.own)
    found = system.receive(w.endpoint, agent.own, NOW)
    t.message_fails(found, Status.OCCUPIED, REPLY, "RECEIVE with another thread's Reply")
    t.succeeds(system.send(w.endpoint, message(1)), "which it receives with")
    agent.tell(Call.CALL, w.endpoint, message(1))
    t.check(not failed(received(w.endpoint, w.reply)), "a call is received")
    found = system.receive(w.endpoint, w.reply, NOW)
    t.message_fails(found, Status.OCCUPIED, REPLY, "RECEIVE with a Reply that holds a caller")
    found = system.reply_receive(w.endpoint, w.reply, message(1, 513))
    t.message_fails(found, Status.OUT_OF_RANGE, WORD, "REPLY_RECEIVE of 513 words")
    w.process.buffer.capabilities[0].store(u32(EMPTY))
    t.fails(system.reply(w.reply, message(1, 0, 1)), Status.NO_WINDOW, WINDOW, "REPLY to a caller without a window")
    t.check(not agent.ended(), "its caller waits on")
    # Whoever has a capability of the Reply can answer.
    answers = w.copy(w.reply, 0)
    w.higher.tell(Call.REPLY, 0, message(7), 0, 0, answers)
    t.check(agent.ended() and agent.message().label() == 7, "another thread answers")
    w.drop(answers)
