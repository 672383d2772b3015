"""Time: priorities, budgets, priority inversion, floors."""

from __future__ import annotations

from agents import HIGH, HIGHER, LOW, MIDDLE, Command
from tap import failed, received
from world import EMPTY, World

from neokernel.abi.boot import OWN_CONTEXT, OWN_THREAD, PROCESSOR
from neokernel.abi.call import NEVER, Call, message
from neokernel.abi.fault import Fault, Resume
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding
from neokernel.abi.rights import SEND
from neokernel.abi.status import FIRST, TRAVELLING, Status
from neokernel.lang import Array, address_of, array, struct, u64, unsafe
from neokernel.runtime import system
from neokernel.runtime.system import Failure

unsafe("an agent watches a word of this module's by its address")


@struct
class Flag:
    """What an agent spins on: it ends when the word isn't 0."""

    word: Array[u64] = array(1)

    def address(self) -> u64:
        return address_of(self.word)


def run(w: World) -> None:
    information(w)
    configurations(w)
    priorities(w)
    floors(w)
    budgets(w)
    inversion(w)
    withdrawal(w)
    absence(w)
    exhaustion(w)


def information(w: World) -> None:
    t = w.t
    processor = system.processor_info(PROCESSOR)
    t.check(not isinstance(processor, Failure) and processor.frequency == w.process.frequency, "PROCESSOR_INFO: ticks")
    t.check(not isinstance(processor, Failure) and processor.harts >= 1, "PROCESSOR_INFO: harts")
    own = system.thread_info(OWN_THREAD)
    t.check(not isinstance(own, Failure) and own.priority == MIDDLE, "THREAD_INFO: the priority")
    before = system.context_info(OWN_CONTEXT)
    until = system.now() + w.process.frequency // 1000
    while system.now() < until:
        pass
    after = system.context_info(OWN_CONTEXT)
    t.check(not isinstance(before, Failure) and not isinstance(after, Failure), "CONTEXT_INFO")
    if not isinstance(before, Failure) and not isinstance(after, Failure):
        t.check(after.used >= before.used + w.process.frequency // 1000, "time that passes is charged")


def configurations(w: World) -> None:
    t, buffer = w.t, w.process.buffer
    context = w.new(Kind.SCHED_CONTEXT)
    out = Status.OUT_OF_RANGE
    t.fails(system.configure(buffer, PROCESSOR, 256, 1000, 1000, context), out, FIRST, "a priority that doesn't exist")
    t.fails(system.configure(buffer, PROCESSOR, 1 << 40, 1000, 1000, context), out, FIRST, "a priority isn't cut")
    t.check(system.configure(buffer, PROCESSOR, 1, 2000, 1000, context) is not None, "more budget than there is time")
    t.fails(
        system.configure(buffer, PROCESSOR, 1, 1000, 1000, w.endpoint),
        Status.WRONG_KIND,
        TRAVELLING,
        "not a context",
    )
    t.fails(
        system.configure(buffer, PROCESSOR, 1, 1000, 1000, EMPTY), Status.NO_CAPABILITY, TRAVELLING, "CONFIGURE nothing"
    )
    limited = w.copy(PROCESSOR, 0x1FF, 50)
    t.fails(system.configure(buffer, limited, 51, 100_000, 100_000, context), out, FIRST, "a priority above the badge")
    t.succeeds(system.configure(buffer, limited, 50, 100_000, 100_000, context), "the priority of the badge")
    t.fails(system.set_floor(buffer, limited, 51, OWN_THREAD), out, FIRST, "a floor above the badge")
    t.fails(system.set_floor(buffer, PROCESSOR, 256, OWN_THREAD), out, FIRST, "a floor that doesn't exist")
    t.fails(system.set_floor(buffer, PROCESSOR, 1, context), Status.WRONG_KIND, TRAVELLING, "a floor of a context")
    w.drop(limited)
    w.drop(context)


def priorities(w: World) -> None:
    t = w.t
    w.low.tell(Call.SIGNAL, w.notification, 0)
    t.check(w.timed_out(system.poll(w.notification)), "a less urgent thread doesn't run while we do")
    found = system.wait(w.notification, NEVER)
    t.check(not isinstance(found, Failure) and found == 1, "but when we wait")
    w.low.finish()
    w.high.tell(Call.SIGNAL, w.notification, 0)
    t.check(w.high.ended(), "a more urgent one runs at once")
    _ = system.poll(w.notification)
    # The word comes back with a yield only to threads of the same priority.
    w.low.tell(Call.SIGNAL, w.notification, 0)
    system.yield_()
    t.check(w.timed_out(system.poll(w.notification)), "YIELD lets no less urgent thread run")
    _ = system.wait(w.notification, NEVER)
    w.low.finish()


def floors(w: World) -> None:
    t, buffer = w.t, w.process.buffer
    t.succeeds(system.set_floor(buffer, PROCESSOR, HIGH, w.low.thread), "SET_FLOOR above our priority")
    w.low.tell(Call.SIGNAL, w.notification, 0)
    t.check(w.low.ended(), "it runs at once")
    t.succeeds(system.set_floor(buffer, PROCESSOR, 0, w.low.thread), "SET_FLOOR to 0")
    _ = system.poll(w.notification)
    w.low.tell(Call.SIGNAL, w.notification, 0)
    t.check(not w.low.ended(), "then no more")
    w.low.finish()
    _ = system.poll(w.notification)


def budgets(w: World) -> None:
    """A more urgent thread without end leaves us time, when its budget is used up."""
    t, buffer = w.t, w.process.buffer
    flag = Flag()
    period = w.process.frequency // 50
    budget = period // 5
    t.succeeds(system.configure(buffer, PROCESSOR, HIGH, budget, period, w.high.context), "a fifth of the time")
    before = system.context_info(w.high.context)
    start = system.now()
    w.high.touch(Command.SPIN, flag.address())
    t.check(system.now() - start >= budget // 2, "the urgent thread runs first")
    until = system.now() + 5 * period
    rounds: u64 = 0
    while system.now() < until:
        rounds += 1
    t.check(rounds > 0, "and then we run")
    after = system.context_info(w.high.context)
    if isinstance(before, Failure) or isinstance(after, Failure):
        t.check(False, "CONTEXT_INFO of the urgent thread")
    else:
        used = after.used - before.used
        t.check(used >= 3 * budget, "it had its budget in each period")
        t.check(used <= 8 * budget, "and not more")
    flag.word[0] = 1
    w.high.finish()
    t.done(system.configure(buffer, PROCESSOR, HIGH, w.process.frequency, w.process.frequency, w.high.context))


def inversion(w: World) -> None:
    """A passive server is called by the low thread, then by the highest; a middle one hogs the processor meanwhile."""
    t, buffer = w.t, w.process.buffer
    flag = Flag()
    # The case is the server: at the low agent's priority, its floor that of its most urgent client.
    t.done(system.configure(buffer, PROCESSOR, LOW, w.process.frequency, w.process.frequency, OWN_CONTEXT))
    t.done(system.set_floor(buffer, PROCESSOR, HIGHER, OWN_THREAD))
    w.low.tell(Call.CALL, w.endpoint, message(1), 1)
    found = received(w.endpoint, w.reply, NEVER)
    t.equal(found.w0, 1, "the low client is served")
    w.high.touch(Command.SPIN, flag.address())
    t.check(w.high.w1 == 0, "the hog doesn't run while the server does")
    w.higher.tell(Call.CALL, w.endpoint, message(1), 2)
    _ = system.reply(w.reply, 0)
    found = received(w.endpoint, w.reply, system.now() + w.process.frequency // 10)
    t.check(not failed(found) and found.w0 == 2, "the highest client is next: it waited for one request")
    t.check(w.high.w1 == 0, "the hog has had nothing yet")
    _ = system.reply(w.reply, 0)
    flag.word[0] = 1
    t.done(system.set_floor(buffer, PROCESSOR, 0, OWN_THREAD))
    t.done(system.configure(buffer, PROCESSOR, MIDDLE, w.process.frequency, w.process.frequency, OWN_CONTEXT))
    w.high.finish()
    w.low.finish()
    t.check(w.higher.ended(), "and all of them go on")


def lend(w: World, flag: Flag) -> None:
    """The high agent serves a call of the low one, on its time, and spins."""
    t = w.t
    w.high.tell(Call.RECEIVE, w.endpoint, 0, NEVER, 0, w.high.own)
    t.done(system.unbind(w.high.thread, Binding.CONTEXT))
    w.low.tell(Call.CALL, w.endpoint, message(1), 1)
    _ = system.wait(w.notification, system.now() + w.process.frequency // 500)
    t.check(w.high.ended(), "a server without a context has a call")
    w.high.touch(Command.SPIN, flag.address())
    _ = system.wait(w.notification, system.now() + w.process.frequency // 500)


def withdrawal(w: World) -> None:
    """A client's context is unbound while a server runs on it."""
    t, buffer = w.t, w.process.buffer
    flag = Flag()
    lend(w, flag)
    t.check(w.high.w1 != 0, "and computes on its client's time")
    t.succeeds(system.unbind(w.low.thread, Binding.CONTEXT), "UNBIND of a context that was lent")
    before = w.high.w1
    _ = system.wait(w.notification, system.now() + w.process.frequency // 500)
    t.equal(w.high.w1, before, "takes it from the server")
    flag.word[0] = 1
    t.succeeds(system.bind(buffer, w.high.thread, Binding.CONTEXT, w.high.context), "which goes on with other time")
    t.check(w.high.ended(), "at once")
    w.high.tell(Call.REPLY, 0, message(2, 1), 7, 0, w.high.own)
    t.check(w.high.ended() and w.high.failure() is None, "and answers")
    t.check(not w.low.ended(), "the client can't go on without time")
    t.succeeds(system.bind(buffer, w.low.thread, Binding.CONTEXT, w.low.context), "but when it has its context again")
    w.low.finish()
    t.equal(w.low.w0, 7, "it has the answer")


def absence(w: World) -> None:
    """The same while the server waits for something: it is told when it could go on."""
    t, buffer = w.t, w.process.buffer
    faults = w.new(Kind.ENDPOINT)
    handler = w.copy(faults, SEND, 5)
    t.done(system.bind(buffer, w.high.thread, Binding.HANDLER, handler))
    w.high.tell(Call.RECEIVE, w.endpoint, 0, NEVER, 0, w.high.own)
    t.done(system.unbind(w.high.thread, Binding.CONTEXT))
    w.low.tell(Call.CALL, w.endpoint, message(1), 1)
    _ = system.wait(w.notification, system.now() + w.process.frequency // 500)
    t.check(w.high.ended(), "a server waits on its client's time")
    t.succeeds(system.unbind(w.low.thread, Binding.CONTEXT), "which is taken away")
    soon = system.now() + w.process.frequency // 500
    t.check(failed(received(faults, w.reply, soon)), "nobody is told while it waits")
    w.high.tell(Call.REPLY, 0, message(2, 1), 7, 0, w.high.own)
    found = received(faults, w.reply, system.now() + w.process.frequency // 10)
    t.check(found.is_fault() and found.label() == u64(Fault.BUDGET.value), "when the wait has ended, its handler is")
    t.check(not w.high.ended(), "it waits for the handler")
    t.succeeds(system.bind(buffer, w.high.thread, Binding.CONTEXT, w.high.context), "which can give it time at once")
    t.done(system.resume_faulted(w.reply, Resume.RETRY))
    t.check(w.high.ended() and w.high.failure() is None, "with which it answers")
    t.done(system.bind(buffer, w.low.thread, Binding.CONTEXT, w.low.context))
    w.low.finish()
    t.equal(w.low.w0, 7, "its client has the answer of who was away")
    t.done(system.unbind(w.high.thread, Binding.HANDLER))
    w.drop(handler)
    w.drop(faults)


def exhaustion(w: World) -> None:
    """A server without a handler, in the root's address space, whose client's budget is used up."""
    t, buffer = w.t, w.process.buffer
    flag = Flag()
    period = w.process.frequency // 50
    t.done(system.configure(buffer, PROCESSOR, LOW, period // 5, period, w.low.context))
    lend(w, flag)
    _ = system.wait(w.notification, system.now() + 3 * period)
    before = w.high.w1
    t.check(before != 0 and not w.high.ended(), "a server whose client's time is used up waits for more")
    _ = system.wait(w.notification, system.now() + 2 * period)
    t.check(w.high.w1 > before, "and goes on when that comes")
    flag.word[0] = 1
    w.high.finish()
    w.high.tell(Call.REPLY, 0, message(2, 1), 7, 0, w.high.own)
    w.low.finish()
    t.equal(w.low.w0, 7, "its client has the answer")
    t.done(system.configure(buffer, PROCESSOR, LOW, w.process.frequency, w.process.frequency, w.low.context))
    t.done(system.bind(buffer, w.high.thread, Binding.CONTEXT, w.high.context))
    w.high.finish()
