"""Threads: what they are made of, and how they are stopped, started, held and dispatched.

What a thread uses is bound to it by capabilities in slots of its own, derived from those that were given: when one of
them is revoked, the thread loses that thing, and stops if it can't be without.

Invariants: `space`, `table`, `buffer`, … are what the bound capability names, or nothing of its kind.
"""

from neokernel.abi.call import LENGTH_SHIFT, SIGNALS_BIT, failure
from neokernel.abi.operations import Binding, Operation, Stop, binding_of
from neokernel.abi.rights import READ, SEND, SIGNAL, WAIT, WRITE
from neokernel.abi.status import FIRST, INVOKED, TRAVELLING, WORD, Status
from neokernel.arch import cpu
from neokernel.kernel import timer
from neokernel.kernel.endpoint import take_sender
from neokernel.kernel.notification import go_on, proceed, start_timer, take, wake, want_time
from neokernel.kernel.objects import (
    BOUND,
    DEVICE,
    FLOATING,
    LARGE,
    MOST_RAM,
    SCHEDULER,
    AddressSpace,
    CapTable,
    Endpoint,
    Floats,
    Frame,
    Hart,
    Notification,
    SchedContext,
    Slot,
    State,
    Thread,
    runs,
)
from neokernel.kernel.outcome import AGAIN, BLOCKED, answer, give_answer
from neokernel.kernel.placement import all_registers, buffer_at
from neokernel.kernel.reply import (
    arm,
    attach,
    break_off,
    detach,
    end_dispatch,
    give_up,
    lends,
    lose_time,
    pass_on,
    regain_time,
    take_back,
    withdraw,
)
from neokernel.kernel.schedule import make_ready, priority_of, rests, stop, take_out
from neokernel.kernel.slot import (
    controlled,
    derivable,
    derive_bound,
    empty,
    has_children,
    refuse,
    refuse_control,
    refuse_operation,
)
from neokernel.lang import cold, copy, ensures, inline, old, requires, u8, u16, u64


@cold
def invoke(hart: Hart, caller: Thread, slot: Slot, operation: Operation, given: Slot | None, thread: Thread) -> u64:
    """An operation of a Thread."""
    requires(runs(caller))
    if not controlled(slot):
        return refuse_control()
    match operation:
        case Operation.BIND:
            return bind(hart, caller, thread, given)
        case Operation.UNBIND:
            return unbind(hart, caller, thread)
        case Operation.START:
            return start(hart, caller, thread)
        case Operation.SUSPEND:
            return suspend(hart, caller, thread)
        case Operation.RESUME:
            return resume(hart, thread)
        case Operation.READ_REGISTERS:
            return read_registers(caller, thread)
        case Operation.WRITE_REGISTERS:
            return write_registers(caller, thread)
        case Operation.SET_FOREIGN:
            return set_foreign(caller, thread)
        case Operation.HOLD:
            return hold(hart, thread, given)
        case Operation.RELEASE:
            return unhold(hart, thread)
        case Operation.DISPATCH:
            return dispatch(hart, caller, thread)
        case Operation.THREAD_INFO:
            return information(caller, thread)
        case _:
            return refuse_operation()


# --- waiting ----------------------------------------------------------------------------------------------------------


def leave_wait(hart: Hart, thread: Thread) -> None:
    """Take the thread out of whatever it waits for: it can run then, or be stopped."""
    ensures(lambda: thread.state is State.RUNNABLE and (old(thread.state) is State.RUNNABLE or rests(hart, thread)))
    timer.remove(hart.wheel, thread.timer)
    endpoint = thread.endpoint
    reply = thread.awaited
    notification = thread.signals
    held = thread.dispatched
    match thread.state:
        case State.SENDING | State.CALLING:
            if endpoint is not None:
                take_sender(endpoint, thread)
        case State.RECEIVING:
            if endpoint is not None:
                take_out(endpoint.receivers, thread)
        case State.WAITING:
            if notification is not None:
                take_out(notification.waiters, thread)
        case State.REPLIED | State.ANSWERED:
            if reply is not None:
                give_up(hart, reply)
            thread.state = State.RUNNABLE
        case State.DISPATCHING:
            if held is not None:
                take_back(hart, thread, held)
            thread.state = State.RUNNABLE
        case State.STOPPED:
            thread.state = State.RUNNABLE
        case State.RUNNABLE:
            pass


def cancel(hart: Hart, thread: Thread, word: u64) -> None:
    """End the thread's wait with a failure; it can go on."""
    requires(thread.state is not State.RUNNABLE)
    leave_wait(hart, thread)
    if thread.faulted:
        thread.faulted = False
        proceed(hart, thread)
    else:
        wake(hart, thread, 0, word)


def halt(hart: Hart, thread: Thread) -> bool:
    """Stop the thread, whatever it does; a wait ends with CANCELLED when it goes on. False if it is stopped already."""
    if thread.state is State.STOPPED:
        return False
    state = thread.state
    leave_wait(hart, thread)
    if not thread.faulted and state is not State.ANSWERED and state is not State.RUNNABLE:
        give_answer(thread, 0, failure(Status.CANCELLED, INVOKED))
    thread.faulted = False
    dispatcher = thread.dispatcher
    stop(hart, thread, State.STOPPED)
    if dispatcher is not None:
        end_dispatch(hart, thread, Stop.STOPPED)
    return True


# --- bindings ---------------------------------------------------------------------------------------------------------


def bind(hart: Hart, caller: Thread, thread: Thread, given: Slot | None) -> u64:
    """BIND."""
    which = binding_of(caller.registers.a2)
    if which is None:
        return failure(Status.OUT_OF_RANGE, FIRST)
    if given is None:
        return failure(Status.NO_CAPABILITY, TRAVELLING)
    refused = bindable(which, thread, given)
    if refused != 0:
        return refused
    place = thread.bindings[u64(which.value)]
    if place.object is not None:
        return failure(Status.OCCUPIED, FIRST)
    if not derivable(hart, given):
        return failure(Status.UNDERIVABLE, TRAVELLING)
    derive_bound(hart, given, place, thread.holder, u16(which.value))
    use(hart, thread, place)
    return 0


def bindable(which: Binding, thread: Thread, given: Slot) -> u64:
    """What is wrong with binding the capability as `which`, or 0."""
    thing = given.object
    right = u64(given.rights)
    match which:
        case Binding.SPACE:
            return needs(isinstance(thing, AddressSpace), controlled(given))
        case Binding.TABLE:
            return needs(isinstance(thing, CapTable), controlled(given))
        case Binding.BUFFER:
            if isinstance(thing, Frame) and given.flags & (LARGE | DEVICE) != 0:
                return failure(Status.WRONG_KIND, TRAVELLING)
            return needs(isinstance(thing, Frame), right & u64(READ | WRITE) == u64(READ | WRITE))
        case Binding.HANDLER:
            return needs(isinstance(thing, Endpoint), right & u64(SEND) != 0)
        case Binding.CONTEXT:
            if isinstance(thing, SchedContext) and thing.home is not None:
                return failure(Status.OCCUPIED, TRAVELLING)
            if thread.home is None and borrows(thread):
                return failure(Status.OCCUPIED, FIRST)
            return needs(isinstance(thing, SchedContext), controlled(given))
        case Binding.NOTIFICATION:
            if isinstance(thing, Notification) and (thing.bound is not None or thing.waiters.head is not None):
                return failure(Status.OCCUPIED, TRAVELLING)
            return needs(isinstance(thing, Notification), right & u64(WAIT) != 0)
        case Binding.FLOATS:
            return needs(isinstance(thing, Floats), controlled(given))


def borrows(thread: Thread) -> bool:
    """Does a thread without a context of its own run on another's, has it lent one on, or will a scheduler lend it one?

    It would have to keep two apart.
    """
    lent = lends(thread) or thread.state is State.DISPATCHING
    return thread.context is not None or thread.scheduler is not None or lent


def needs(kind: bool, right: bool) -> u64:
    if not kind:
        return refuse(TRAVELLING)
    return 0 if right else failure(Status.MISSING_RIGHT, TRAVELLING)


def use(hart: Hart, thread: Thread, place: Slot) -> None:
    """Begin to use what was bound."""
    requires(not isinstance(place.object, Frame) or place.word < MOST_RAM)
    thing = place.object
    match thing:
        case AddressSpace():
            thread.space = thing
        case CapTable():
            thread.table = thing
            thread.slots = thing.slots
        case Frame():
            thread.buffer = buffer_at(place.word)
        case SchedContext():
            thing.home = thread
            thread.home = thing
            if thread.context is None and thing.thread is None:
                attach(hart, thing, thread)
                take_signals(hart, thread)
        case Notification():
            if u64(place.entry) == SCHEDULER:
                thread.scheduler = thing
            else:
                thing.bound = thread
                thread.notification = thing
                take_signals(hart, thread)
        case Floats():
            thread.floats = thing
        case _:
            pass


def take_signals(hart: Hart, thread: Thread) -> None:
    """What a receive would have found, had this been bound before it began, ends it now."""
    bound = thread.notification
    endpoint = thread.endpoint
    if bound is None or bound.word == 0 or thread.context is None or thread.state is not State.RECEIVING:
        return
    if endpoint is not None:
        take_out(endpoint.receivers, thread)
        wake(hart, thread, take(bound), SIGNALS_BIT)


def lose(hart: Hart, thread: Thread, place: Slot) -> bool:
    """A step towards not using what is bound in `place`, which is to be emptied. Was it the last?"""
    thing = place.object
    match thing:
        case AddressSpace():
            thread.space = hart.no_space
            _ = halt(hart, thread)
        case CapTable():
            thread.table = hart.no_table
            thread.slots = hart.no_table.slots
            _ = halt(hart, thread)
        case Frame():
            thread.buffer = None
        case SchedContext():
            held = thread.dispatched
            if thread.state is State.DISPATCHING and held is not None:
                end_dispatch(hart, held, Stop.STOPPED)
            if not take_time(hart, thing):
                return False
            thing.home = None
            thread.home = None
            if thread.state is State.RECEIVING:
                # From now on it is called with its callers' time, and never times out.
                timer.remove(hart.wheel, thread.timer)
            regain_time(hart, thread)
        case Notification():
            if u64(place.entry) == SCHEDULER:
                if thread.dispatcher is not None:
                    end_dispatch(hart, thread, Stop.STOPPED)
                thread.scheduler = None
                regain_time(hart, thread)
            else:
                thing.bound = None
                thread.notification = None
        case Floats():
            if hart.floating is thread:
                # They are in the object for whoever is given it next.
                cpu.set_floating(hart.cpu, True)
                keep_floats(hart, thing)
            drop_floats(hart, thread)
            thread.floats = None
        case _:
            pass
    return True


def take_time(hart: Hart, context: SchedContext) -> bool:
    """A step towards nobody running on the context: the calls that it was lent with forget it. Was it the last?"""
    if context.top is not None:
        withdraw(hart, context)
        return False
    borrower = context.thread
    detach(hart, context)
    if borrower is not None:
        lose_time(hart, borrower, context)
    return True


def unbind(hart: Hart, caller: Thread, thread: Thread) -> u64:
    """UNBIND."""
    which = binding_of(caller.registers.a2)
    if which is None:
        return failure(Status.OUT_OF_RANGE, FIRST)
    place = thread.bindings[u64(which.value)]
    if place.flags & BOUND == 0:
        return failure(Status.WRONG_STATE, FIRST)
    return 0 if let_go(hart, thread, place) else AGAIN


def let_go(hart: Hart, thread: Thread, place: Slot) -> bool:
    """A step towards nothing being bound in `place`. Was it the last?"""
    if not lose(hart, thread, place) or has_children(place):
        return False
    empty(place)
    return True


# --- floating point ---------------------------------------------------------------------------------------------------


def drop_floats(hart: Hart, thread: Thread) -> None:
    """What is in the unit is no longer the thread's."""
    if hart.floating is thread:
        hart.floating = None
        cpu.set_floating(hart.cpu, False)
        hart.attention &= ~u64(FLOATING)


def use_floats(hart: Hart, thread: Thread) -> bool:
    """The current thread wants to compute: give it the unit, and the vector registers if it has room for them.

    False if it has the unit already, or nowhere to keep its registers.
    """
    wanted = thread.floats
    if wanted is None or hart.attention & FLOATING != 0:
        return False
    cpu.set_floating(hart.cpu, True)
    hart.attention |= FLOATING
    before = hart.floating
    if before is not thread:
        if before is not None:
            kept = before.floats
            if kept is not None:
                keep_floats(hart, kept)
        cpu.load_floats(hart.cpu, wanted.registers, wanted.control)
        if keeps_vectors(hart, wanted):
            cpu.load_vectors(hart.cpu, wanted.vectors, wanted.vector_state)
        hart.floating = thread
    if not keeps_vectors(hart, wanted):
        # What is in them is somebody else's.
        cpu.refuse_vectors(hart.cpu)
    return True


def keep_floats(hart: Hart, floats: Floats) -> None:
    """What is in the unit, which is on, is kept."""
    floats.control = cpu.save_floats(hart.cpu, floats.registers)
    if keeps_vectors(hart, floats):
        cpu.save_vectors(hart.cpu, floats.vectors, floats.vector_state)


@inline
def keeps_vectors(hart: Hart, floats: Floats) -> bool:
    """Is there room for the processor's vector registers?"""
    return 0 < hart.vector_words <= len(floats.vectors)


# --- start, stop ------------------------------------------------------------------------------------------------------


def start(hart: Hart, caller: Thread, thread: Thread) -> u64:
    """START: from the beginning, with two arguments; all other registers are zero."""
    if thread.state is not State.STOPPED:
        return failure(Status.WRONG_STATE, INVOKED)
    given = caller.registers
    reset(thread)
    registers = thread.registers
    registers.pc = given.a2
    registers.sp = given.a3
    registers.a0 = given.a4
    registers.a1 = given.a5
    thread.taken = 0
    go_on(hart, thread)
    return 0


def reset(thread: Thread) -> None:
    """Zero all registers."""
    words = all_registers(thread)
    for index in range(len(words)):
        words[index] = 0
    thread.registers.full = 1


def resume(hart: Hart, thread: Thread) -> u64:
    """RESUME."""
    if thread.state is not State.STOPPED:
        return failure(Status.WRONG_STATE, INVOKED)
    go_on(hart, thread)
    return 0


def suspend(hart: Hart, caller: Thread, thread: Thread) -> u64:
    """SUSPEND; a thread may suspend itself."""
    if thread.state is State.STOPPED:
        return failure(Status.WRONG_STATE, INVOKED)
    _ = halt(hart, thread)
    if thread is caller:
        # Its call is complete: RESUME goes on behind it.
        give_answer(thread, 0, 0)
        return BLOCKED
    return 0


def read_registers(caller: Thread, thread: Thread) -> u64:
    """READ_REGISTERS: 32 words, four in the reply's payload, the others in the caller's buffer."""
    if thread is caller:
        return failure(Status.WRONG_STATE, INVOKED)
    buffer = caller.buffer
    if buffer is None:
        return failure(Status.NO_BUFFER, WORD)
    words = all_registers(thread)
    copy(buffer.words[:28], words[4:].view())
    done = answer(caller, 0, words[0], words[1], words[2], words[3])
    caller.registers.a1 = u64(32) << LENGTH_SHIFT
    return done


def write_registers(caller: Thread, thread: Thread) -> u64:
    """WRITE_REGISTERS; the thread doesn't run."""
    if thread.state is not State.STOPPED and not thread.faulted:
        return failure(Status.WRONG_STATE, INVOKED)
    buffer = caller.buffer
    if buffer is None:
        return failure(Status.NO_BUFFER, WORD)
    words = all_registers(thread)
    given = caller.registers
    words[0] = given.a2
    words[1] = given.a3
    words[2] = given.a4
    words[3] = given.a5
    copy(words[4:], buffer.words[:28].view())
    thread.registers.full = 1
    return 0


def set_foreign(caller: Thread, thread: Thread) -> u64:
    """SET_FOREIGN; the thread doesn't run."""
    wanted = caller.registers.a2
    if wanted > 1:
        return failure(Status.OUT_OF_RANGE, FIRST)
    if thread.state is not State.STOPPED and not thread.faulted:
        return failure(Status.WRONG_STATE, INVOKED)
    thread.registers.foreign = u8(wanted)
    thread.registers.full = 1
    return 0


def information(caller: Thread, thread: Thread) -> u64:
    """THREAD_INFO."""
    context = thread.context
    priority = u64(thread.floor) if context is None else priority_of(thread, context)
    return answer(caller, 0, u64(thread.state.value), priority, thread.identifier, 0)


# --- schedulers in user space -----------------------------------------------------------------------------------------


def hold(hart: Hart, thread: Thread, given: Slot | None) -> u64:
    """HOLD: from now on the notification's owner decides when the thread runs."""
    if given is None:
        return failure(Status.NO_CAPABILITY, TRAVELLING)
    if not isinstance(given.object, Notification):
        return refuse(TRAVELLING)
    if given.rights & SIGNAL == 0:
        return failure(Status.MISSING_RIGHT, TRAVELLING)
    place = thread.bindings[SCHEDULER]
    if place.object is not None or thread.home is not None:
        return failure(Status.OCCUPIED, INVOKED)
    if not derivable(hart, given):
        return failure(Status.UNDERIVABLE, TRAVELLING)
    derive_bound(hart, given, place, thread.holder, SCHEDULER)
    use(hart, thread, place)
    if thread.state is State.RUNNABLE and thread.context is None:
        # Its scheduler is told, in place of its handler.
        timer.remove(hart.wheel, thread.timer)
        want_time(hart, thread)
    return 0


def unhold(hart: Hart, thread: Thread) -> u64:
    """RELEASE."""
    place = thread.bindings[SCHEDULER]
    if place.flags & BOUND == 0:
        return failure(Status.WRONG_STATE, INVOKED)
    return 0 if let_go(hart, thread, place) else AGAIN


def dispatch(hart: Hart, caller: Thread, thread: Thread) -> u64:
    """DISPATCH: run the held thread on the caller's context until it stops, or the deadline."""
    requires(runs(caller))
    context = caller.context
    if (
        thread.scheduler is None
        or thread.state is not State.RUNNABLE
        or thread.context is not None
        or thread.dispatcher is not None
        or thread is caller
        or context is None
        or context is not caller.home
    ):
        return failure(Status.WRONG_STATE, INVOKED)
    deadline = caller.registers.a2
    if deadline <= cpu.now(hart.cpu):
        return failure(Status.TIMED_OUT, FIRST)
    stop(hart, caller, State.DISPATCHING)
    caller.dispatched = thread
    caller.context = None
    thread.dispatcher = caller
    thread.context = context
    thread.taken = 0
    context.thread = thread
    start_timer(hart, caller, deadline)
    if hart.current is None and hart.active is context:
        hart.current = thread
    else:
        make_ready(hart, thread)
    return BLOCKED


# --- the end ----------------------------------------------------------------------------------------------------------


def destroy(hart: Hart, thread: Thread) -> bool:
    """A step towards the end of the thread's life. Does nothing refer to it any more?"""
    context = thread.context
    reply = thread.reply
    if halt(hart, thread):
        return False
    if reply is not None:
        break_off(hart, reply)
        arm(thread, None)
        return False
    if context is not None and context is not thread.home:
        pass_on(hart, context)
    for index in range(len(thread.bindings)):
        place = thread.bindings[index]
        if place.flags & BOUND != 0:
            _ = let_go(hart, thread, place)
            return False
    return True
