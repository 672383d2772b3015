"""Threads: what they are bound to, their registers, schedulers in user space; notifications with several waiters."""

from __future__ import annotations

from agents import Command
from world import EMPTY, World

from neokernel.abi.boot import OWN_SPACE
from neokernel.abi.call import NEVER, Call
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding, Operation, Stop
from neokernel.abi.rights import ALL, SIGNAL, WAIT
from neokernel.abi.status import FIRST, INVOKED, TRAVELLING, Status
from neokernel.lang import Array, address_of, array, struct, u64, unsafe
from neokernel.runtime import system
from neokernel.runtime.system import Failure

unsafe("an agent watches a word of this module's by its address")


@struct
class Space:
    registers: Array[u64] = array(32)
    flag: Array[u64] = array(1)

    def flag_address(self) -> u64:
        return address_of(self.flag)


def run(w: World) -> None:
    bindings(w)
    registers(w)
    notifications(w)
    schedulers(w)


def bindings(w: World) -> None:
    t, buffer = w.t, w.process.buffer
    thread = w.new(Kind.THREAD)
    t.message_fails(
        system.invoke_with(buffer, w.endpoint, thread, Operation.BIND, 1, 7),
        Status.OUT_OF_RANGE,
        FIRST,
        "no such binding",
    )
    wrong = Status.WRONG_KIND
    t.fails(system.bind(buffer, thread, Binding.SPACE, w.endpoint), wrong, TRAVELLING, "BIND of an endpoint as space")
    t.fails(system.bind(buffer, thread, Binding.TABLE, OWN_SPACE), wrong, TRAVELLING, "BIND of a space as table")
    t.fails(system.bind(buffer, thread, Binding.CONTEXT, w.frame), wrong, TRAVELLING, "BIND of a frame as context")
    t.fails(system.bind(buffer, thread, Binding.BUFFER, thread), wrong, TRAVELLING, "BIND of a thread as buffer")
    t.fails(system.bind(buffer, thread, Binding.FLOATS, w.frame), wrong, TRAVELLING, "BIND of a frame as Floats")
    t.fails(
        system.bind(buffer, thread, Binding.SPACE, EMPTY), Status.NO_CAPABILITY, TRAVELLING, "BIND of an empty slot"
    )
    signaller = w.copy(w.notification, SIGNAL)
    t.fails(
        system.bind(buffer, thread, Binding.NOTIFICATION, signaller),
        Status.MISSING_RIGHT,
        TRAVELLING,
        "BIND of a notification needs WAIT",
    )
    w.drop(signaller)
    t.succeeds(system.bind(buffer, thread, Binding.SPACE, OWN_SPACE), "BIND of a space")
    t.check(system.bind(buffer, thread, Binding.SPACE, OWN_SPACE) is not None, "BIND of a second one fails")
    t.succeeds(system.unbind(thread, Binding.SPACE), "UNBIND")
    t.fails(system.unbind(thread, Binding.SPACE), Status.WRONG_STATE, FIRST, "UNBIND of what isn't bound any more")
    t.message_fails(system.invoke(thread, Operation.UNBIND, 1, 7), Status.OUT_OF_RANGE, FIRST, "UNBIND of no binding")
    w.drop(thread)


def registers(w: World) -> None:
    t, buffer, agent = w.t, w.process.buffer, w.high
    space = Space()
    t.succeeds(system.suspend(agent.thread), "SUSPEND")
    t.succeeds(system.read_registers(buffer, agent.thread, space.registers), "READ_REGISTERS of a suspended thread")
    t.check(space.registers[0] != 0 and space.registers[2] != 0, "it has a program counter and a stack pointer")
    good = True
    for register in space.registers:
        good = good and register < 0xFFFF_FFC0_0000_0000
    t.check(good, "and no address of the kernel")
    t.succeeds(system.write_registers(buffer, agent.thread, space.registers), "WRITE_REGISTERS as they were")
    t.succeeds(system.resume(agent.thread), "RESUME")
    agent.tell(Call.SIGNAL, w.notification, 0)
    t.check(agent.ended(), "it goes on as if nothing had been")
    _ = system.poll(w.notification)


def notifications(w: World) -> None:
    t = w.t
    one, two = w.copy(w.notification, ALL, 1), w.copy(w.notification, ALL, 2)
    t.done(system.signal(one))
    t.done(system.signal(two))
    word = system.poll(w.notification)
    t.check(not isinstance(word, Failure) and word == 3, "signals are ORed")
    t.check(w.timed_out(system.poll(w.notification)), "and taken at once")
    t.done(system.signal(w.counter))
    t.done(system.signal(w.counter))
    first, second = system.poll(w.counter), system.poll(w.counter)
    t.check(
        not isinstance(first, Failure) and not isinstance(second, Failure),
        "signals are counted",
    )
    t.check(w.timed_out(system.poll(w.counter)), "and no more")
    w.high.tell(Call.WAIT, w.notification, 0, NEVER)
    w.higher.tell(Call.WAIT, w.notification, 0, NEVER)
    t.check(not w.high.ended() and not w.higher.ended(), "WAIT waits")
    t.done(system.signal(two))
    t.check(w.high.ended() and w.high.badge == 2 and not w.higher.ended(), "a signal wakes who came first")
    t.done(system.signal(one))
    t.check(w.higher.ended() and w.higher.badge == 1, "then the next")
    w.drop(one)
    w.drop(two)
    waited = w.new(Kind.NOTIFICATION)
    w.high.tell(Call.WAIT, waited, 0, NEVER)
    w.drop(waited)
    failure = w.high.failure()
    t.check(w.high.ended() and failure is not None and failure.status is Status.CANCELLED, "its end ends waits")


def schedulers(w: World) -> None:
    t, agent = w.t, w.low
    t.fails(failure_of(system.dispatch(agent.thread)), Status.WRONG_STATE, INVOKED, "DISPATCH when it isn't held")
    t.fails(system.release(agent.thread), Status.WRONG_STATE, INVOKED, "RELEASE of a thread that isn't held")
    space = Space()
    notification = w.new(Kind.NOTIFICATION)
    waiter = w.copy(notification, WAIT)
    t.fails(system.hold(w.process.buffer, agent.thread, waiter), Status.MISSING_RIGHT, TRAVELLING, "HOLD needs SIGNAL")
    w.drop(waiter)
    t.done(system.unbind(agent.thread, Binding.CONTEXT))
    t.succeeds(system.hold(w.process.buffer, agent.thread, notification), "HOLD")
    agent.touch(Command.SPIN, space.flag_address())
    t.check(not isinstance(system.poll(notification), Failure), "its scheduler hears that it could run")
    found = system.dispatch(agent.thread, system.now() + w.process.frequency // 200)
    t.check(not isinstance(found, Failure) and found is Stop.EXHAUSTED, "DISPATCH until a deadline")
    t.check(agent.w1 > 0, "it ran meanwhile")
    space.flag[0] = 1
    found = system.dispatch(agent.thread)
    t.check(not isinstance(found, Failure) and found is Stop.BLOCKED, "DISPATCH until it waits")
    t.check(agent.ended(), "its command is done")
    t.succeeds(system.release(agent.thread), "RELEASE")
    t.done(system.bind(w.process.buffer, agent.thread, Binding.CONTEXT, agent.context))
    agent.tell(Call.SIGNAL, notification, 0)
    agent.finish()
    t.check(True, "then it runs on its own context")
    w.drop(notification)


def failure_of(found: Stop | Failure) -> Failure | None:
    return found if isinstance(found, Failure) else None
