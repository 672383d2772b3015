"""Faults: who hears of them, what they say, and how the thread goes on."""

from __future__ import annotations

from agents import Command
from tap import failed, received
from world import PLAYGROUND, World

from neokernel.abi.boot import OWN_SPACE
from neokernel.abi.call import Call, message
from neokernel.abi.fault import Fault, Resume
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding, Operation
from neokernel.abi.rights import EXECUTE, READ, RECEIVE, SEND, WRITE
from neokernel.abi.status import FIRST, INVOKED, TRAVELLING, Status
from neokernel.lang import span_at, u64, unsafe
from neokernel.runtime import system
from neokernel.runtime.space import map_at
from neokernel.runtime.system import Failure, Message

unsafe("it writes instructions into pages that it has mapped")

#: where pages of this module's cases are
HERE = PLAYGROUND + 0x1000_0000
RETURN: u64 = 0x0000_8067
STEP = 4


def handled(w: World) -> u64:
    """Make the agent's faults arrive at the endpoint, with badge 5. The capability that it is bound to."""
    handler = w.copy(w.endpoint, SEND, 5)
    w.t.done(system.bind(w.process.buffer, w.high.thread, Binding.HANDLER, handler))
    return handler


def unhandled(w: World, handler: u64) -> None:
    w.t.done(system.unbind(w.high.thread, Binding.HANDLER))
    w.drop(handler)


def report(w: World) -> Message:
    """The report that has arrived; one that failed if there is none."""
    return received(w.endpoint, w.reply)


def skip(w: World, found: Message) -> None:
    """Let the agent go on behind the instruction, and end its command."""
    _ = system.resume_faulted(w.reply, Resume.SKIP, found.w1 + STEP)
    w.high.finish()


def faults_with(w: World, fault: Fault, address: u64, writing: bool = False) -> bool:
    """Does an access of an agent to the address fault, and the report say so?"""
    handler = handled(w)
    w.high.touch(Command.STORE if writing else Command.LOAD, address)
    found = report(w)
    if failed(found):
        unhandled(w, handler)
        return False
    access: u64 = 1 if writing else 0
    good = found.is_fault() and found.label() == u64(fault.value) and found.w0 == address and found.w2 == access
    skip(w, found)
    unhandled(w, handler)
    return good and found.badge == 5


def run(w: World) -> None:
    reports(w)
    resumes(w)
    pager(w)
    executes(w)
    system_calls(w)
    no_handler(w)
    bindings(w)


def reports(w: World) -> None:
    t, agent = w.t, w.high
    handler = handled(w)
    agent.touch(Command.LOAD, HERE + 0x123)
    found = report(w)
    t.check(found.is_fault() and not failed(found), "a fault arrives as a report")
    t.check(not found.is_signals(), "which isn't a signal")
    t.equal(found.badge, 5, "with the badge of the handler's capability")
    t.check(found.label() == u64(Fault.PAGE.value) or found.label() == u64(Fault.MISALIGNED.value), "of an odd address")
    t.equal(found.w0, HERE + 0x123, "the address is the one that was accessed")
    t.check(not agent.ended(), "the thread waits meanwhile")
    skip(w, found)
    t.check(True, "SKIP lets it go on")
    agent.touch(Command.ILLEGAL)
    found = report(w)
    t.equal(found.label(), u64(Fault.ILLEGAL_INSTRUCTION.value), "an illegal instruction is reported")
    t.check(found.w0 == 0 or found.w0 == 0xFFFF_FFFF, "with the instruction, or 0")
    t.check(found.w1 != 0, "and the program counter")
    skip(w, found)
    agent.touch(Command.BREAK)
    found = report(w)
    t.equal(found.label(), u64(Fault.BREAKPOINT.value), "a breakpoint is reported")
    skip(w, found)
    agent.touch(Command.FLOAT, 0, 0)
    found = report(w)
    t.equal(
        found.label(), u64(Fault.ILLEGAL_INSTRUCTION.value), "floating point without Floats is an illegal instruction"
    )
    _ = system.resume_faulted(w.reply, Resume.STOP)
    t.check(not agent.ended(), "STOP leaves it stopped")
    floats = w.new(Kind.FLOATS)
    t.succeeds(system.bind(w.process.buffer, agent.thread, Binding.FLOATS, floats), "BIND of Floats")
    t.succeeds(system.resume(agent.thread), "RESUME after STOP")
    agent.finish()
    one: u64 = 0x3FF0_0000_0000_0000
    agent.touch(Command.FLOAT, one, one)
    t.check(agent.ended(), "with Floats it computes")
    t.equal(agent.w0, 0x4000_0000_0000_0000, "1.0 + 1.0")
    t.succeeds(system.unbind(agent.thread, Binding.FLOATS), "UNBIND of Floats")
    agent.touch(Command.FLOAT, one, one)
    found = report(w)
    t.equal(found.label(), u64(Fault.ILLEGAL_INSTRUCTION.value), "without it it faults again")
    _ = system.resume_faulted(w.reply, Resume.STOP)
    t.done(system.bind(w.process.buffer, agent.thread, Binding.FLOATS, floats))
    t.done(system.resume(agent.thread))
    agent.finish()
    t.done(system.unbind(agent.thread, Binding.FLOATS))
    vectors(w, floats)
    w.drop(floats)
    unhandled(w, handler)


def vectors(w: World, floats: u64) -> None:
    """On a machine that has them. `floats` have no room for vectors."""
    t, one, other = w.t, w.high, w.low
    size = u64(w.process.boot().vector_bytes)
    t.check(size >= 16, "the BootInfo says how long a vector register is")
    buffer = w.process.buffer
    t.done(system.bind(buffer, one.thread, Binding.FLOATS, floats))
    one.touch(Command.FLOAT, 0, 0)
    t.check(one.ended(), "floating point without room for vectors")
    one.touch(Command.VECTOR, 1, 1)
    found = report(w)
    t.equal(found.label(), u64(Fault.ILLEGAL_INSTRUCTION.value), "vectors without room for them are illegal")
    _ = system.resume_faulted(w.reply, Resume.STOP)
    t.done(system.unbind(one.thread, Binding.FLOATS))
    ones, others = w.new(Kind.FLOATS, size), w.new(Kind.FLOATS, size)
    t.done(system.bind(buffer, one.thread, Binding.FLOATS, ones))
    t.done(system.bind(buffer, other.thread, Binding.FLOATS, others))
    t.done(system.resume(one.thread))
    one.finish()
    t.equal(one.w0, 0, "with room for them they begin with 0")
    one.touch(Command.VECTOR, 111, 2)
    t.equal(one.w0, 1, "they are what they were")
    t.equal(one.w1, 1, "and as many")
    other.touch(Command.VECTOR, 222, 1)
    other.finish()
    t.equal(other.w0, 0, "another thread doesn't see them")
    t.equal(other.w1, 0, "nor how many they are")
    one.touch(Command.VECTOR, 333, 1)
    t.equal(one.w0, 111, "they are kept while another thread uses vectors")
    t.equal(one.w1, 2, "with their number")
    other.touch(Command.VECTOR, 0, 1)
    other.finish()
    t.equal(other.w0, 222, "and so are the other's")
    one.touch(Command.FLOAT, 0x3FF0_0000_0000_0000, 0x3FF0_0000_0000_0000)
    t.equal(one.w0, 0x4000_0000_0000_0000, "floating point beside vectors")
    t.done(system.unbind(one.thread, Binding.FLOATS))
    t.done(system.bind(buffer, one.thread, Binding.FLOATS, floats))
    one.touch(Command.FLOAT, 0, 0)
    one.touch(Command.VECTOR, 1, 1)
    found = report(w)
    t.equal(found.label(), u64(Fault.ILLEGAL_INSTRUCTION.value), "nobody sees vectors who has no room for them")
    _ = system.resume_faulted(w.reply, Resume.STOP)
    t.done(system.unbind(one.thread, Binding.FLOATS))
    t.done(system.bind(buffer, one.thread, Binding.FLOATS, ones))
    t.done(system.resume(one.thread))
    one.finish()
    t.equal(one.w0, 333, "who has it again finds them as they were")
    t.done(system.unbind(one.thread, Binding.FLOATS))
    t.done(system.unbind(other.thread, Binding.FLOATS))
    w.drop(ones)
    w.drop(others)


def resumes(w: World) -> None:
    t, agent = w.t, w.high
    handler = handled(w)
    agent.touch(Command.LOAD, HERE)
    found = report(w)
    t.succeeds(system.reply(w.reply, message(99)), "a reply with an unknown label")
    t.check(not agent.ended(), "is STOP")
    again = report(w)
    t.check(failed(again), "and brings no second report")
    t.succeeds(system.resume(agent.thread), "RESUME")
    again = report(w)
    t.check(again.is_fault() and again.w0 == HERE, "executes the instruction again")
    _ = system.resume_faulted(w.reply, Resume.RETRY)
    again = report(w)
    t.check(again.is_fault() and again.w1 == found.w1, "as RETRY does")
    skip(w, again)
    unhandled(w, handler)


def pager(w: World) -> None:
    """Pages come when they are touched."""
    t, agent, process = w.t, w.high, w.process
    handler = handled(w)
    frame = w.new(Kind.FRAME)
    agent.touch(Command.STORE, HERE + 8, 4711)
    found = report(w)
    t.check(found.is_fault() and found.w0 == HERE + 8 and found.w2 == 1, "a store to a missing page is reported")
    t.done(map_at(process, OWN_SPACE, process.memory, HERE, READ | WRITE, frame))
    t.succeeds(system.resume_faulted(w.reply, Resume.RETRY), "RETRY once the page is there")
    t.check(agent.ended(), "the store is done")
    t.equal(span_at(u64, HERE, 2)[1], 4711, "and seen")
    agent.touch(Command.LOAD, HERE + 8)
    t.check(agent.ended() and agent.w0 == 4711, "a load of it doesn't fault")
    t.done(system.unmap(frame))
    agent.touch(Command.LOAD, HERE + 8)
    found = report(w)
    t.check(found.is_fault() and found.w2 == 0, "a load of a page that was taken away is reported")
    t.done(system.map(process.buffer, OWN_SPACE, HERE, READ, frame))
    _ = system.resume_faulted(w.reply, Resume.RETRY)
    t.check(agent.ended() and agent.w0 == 4711, "and gets it back")
    w.drop(frame)
    unhandled(w, handler)


def executes(w: World) -> None:
    t, agent, process = w.t, w.high, w.process
    handler = handled(w)
    frame = w.new(Kind.FRAME)
    t.done(map_at(process, OWN_SPACE, process.memory, HERE, READ | WRITE, frame))
    span_at(u64, HERE, 1)[0] = RETURN
    agent.touch(Command.JUMP, HERE)
    found = report(w)
    t.check(found.is_fault() and found.w0 == HERE and found.w2 == 2, "what can be written can't be executed")
    t.done(system.unmap(frame))
    t.succeeds(system.map(process.buffer, OWN_SPACE, HERE, READ | EXECUTE, frame), "MAP to execute")
    _ = system.resume_faulted(w.reply, Resume.RETRY)
    t.check(agent.ended(), "then it is executed")
    agent.touch(Command.STORE, HERE)
    found = report(w)
    t.check(found.is_fault() and found.w2 == 1, "what can be executed can't be written")
    skip(w, found)
    w.drop(frame)
    unhandled(w, handler)


def system_calls(w: World) -> None:
    """Calls of foreign threads are faults, with the registers as they were."""
    t, agent = w.t, w.high
    handler = handled(w)
    t.fails(
        system.set_foreign(agent.thread, True),
        Status.WRONG_STATE,
        INVOKED,
        "SET_FOREIGN of a thread that isn't stopped",
    )
    t.done(system.suspend(agent.thread))
    t.succeeds(system.set_foreign(agent.thread, True), "SET_FOREIGN of a stopped one")
    agent.command = Command.ENTER
    agent.call, agent.badge, agent.word = Call.SIGNAL, w.notification, 0x1234
    t.done(system.resume(agent.thread))
    found = report(w)
    t.check(
        found.is_fault() and found.label() == u64(Fault.SYSTEM_CALL.value), "an ecall of a foreign thread is a fault"
    )
    t.equal(found.w0, u64(Call.WAIT.value), "the report has the call's number")
    t.equal(found.w2, agent.go, "and its first argument")
    _ = system.resume_faulted(w.reply, Resume.SKIP, 1, 0)
    found = report(w)
    t.check(
        found.w0 == u64(Call.SIGNAL.value) and found.w2 == w.notification, "SKIP gives it the result that it waited for"
    )
    t.equal(found.w3, 0x1234, "the report has the second argument")
    t.check(w.timed_out(system.poll(w.notification)), "nothing was signalled")
    _ = system.resume_faulted(w.reply, Resume.SKIP, 11, 22)
    t.check(agent.badge == 11 and agent.word == 22, "SKIP gives it the handler's results")
    found = report(w)
    t.check(found.is_fault() and found.w2 == agent.done, "its next call is a fault, too")
    _ = system.resume_faulted(w.reply, Resume.STOP)
    t.succeeds(system.set_foreign(agent.thread, False), "SET_FOREIGN back")
    t.done(system.resume(agent.thread))
    t.check(agent.ended(), "RESUME makes the call that it was stopped at")
    agent.tell(Call.SIGNAL, w.notification, 0)
    t.check(agent.ended() and agent.failure() is None, "then calls are calls again")
    _ = system.poll(w.notification)
    t.message_fails(
        system.invoke(agent.thread, Operation.SET_FOREIGN, 1, 2), Status.OUT_OF_RANGE, FIRST, "SET_FOREIGN to 2"
    )
    agent.touch(Command.UNKNOWN_CALL, 9)
    found = report(w)
    t.check(found.is_fault() and found.label() == u64(Fault.SYSTEM_CALL.value), "a call that doesn't exist is a fault")
    t.equal(found.w0, 9, "with its number")
    skip(w, found)
    agent.touch(Command.UNKNOWN_CALL, 0xFFFF_FFFF_FFFF_FFFF)
    found = report(w)
    t.check(found.is_fault() and found.w0 == 0xFFFF_FFFF_FFFF_FFFF, "so is the largest number")
    skip(w, found)
    unhandled(w, handler)


def no_handler(w: World) -> None:
    """A handler that has gone: the thread stays where it is, and nobody else is harmed."""
    t, agent = w.t, w.high
    endpoint = w.new(Kind.ENDPOINT)
    t.done(system.bind(w.process.buffer, agent.thread, Binding.HANDLER, endpoint))
    agent.touch(Command.LOAD, HERE)
    found = received(endpoint, w.reply)
    t.check(found.is_fault(), "a report at another handler")
    w.drop(endpoint)
    t.check(not agent.ended(), "whose end leaves the thread where it was")
    handler = handled_again(w)
    _ = system.resume_faulted(w.reply, Resume.STOP)
    t.done(system.resume(agent.thread))
    found = report(w)
    t.check(found.is_fault() and found.w0 == HERE, "a new handler hears of it when it goes on")
    skip(w, found)
    unhandled(w, handler)


def handled_again(w: World) -> u64:
    """A handler in place of one that has gone, whether or not the binding went with it."""
    _ = system.unbind(w.high.thread, Binding.HANDLER)
    return handled(w)


def bindings(w: World) -> None:
    t, agent, buffer = w.t, w.high, w.process.buffer
    receiver = w.copy(w.endpoint, RECEIVE)
    t.fails(
        system.bind(buffer, agent.thread, Binding.HANDLER, receiver),
        Status.MISSING_RIGHT,
        TRAVELLING,
        "BIND of a handler needs SEND",
    )
    w.drop(receiver)
    t.fails(
        system.bind(buffer, agent.thread, Binding.HANDLER, w.notification),
        Status.WRONG_KIND,
        TRAVELLING,
        "BIND of a notification as handler",
    )
    t.fails(system.unbind(agent.thread, Binding.HANDLER), Status.WRONG_STATE, FIRST, "UNBIND of what isn't bound")
    found = system.thread_info(agent.thread)
    t.check(not isinstance(found, Failure) and found.identifier != 0, "THREAD_INFO of an agent")
