"""Messages: calls, replies, sends; words and capabilities; deadlines; ends of servers."""

from __future__ import annotations

from agents import HIGHER, Agent, Command
from tap import failed, received
from world import BEYOND, EMPTY, World

from neokernel.abi.boot import OWN_TABLE, OWN_THREAD
from neokernel.abi.buffer import MOVE
from neokernel.abi.call import NEVER, NOW, STATUS_SHIFT, Call, message
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding
from neokernel.abi.rights import ALL, RECEIVE, SEND
from neokernel.abi.status import FIRST, INVOKED, REPLY, TRAVELLING, WINDOW, WORD, Status
from neokernel.lang import u32, u64
from neokernel.runtime import system
from neokernel.runtime.system import Failure


def run(w: World) -> None:
    calls(w)
    sends(w)
    deadlines(w)
    queues(w)
    long_messages(w)
    transfers(w)
    moves(w)
    ends(w)
    insistence(w)
    badges(w)
    killed(w)
    suspensions(w)
    signals(w)


def calls(w: World) -> None:
    t, agent = w.t, w.high
    badged = w.copy(w.endpoint, SEND, 0xB)
    agent.tell(Call.CALL, badged, message(5, 2), 100, 200)
    t.check(not agent.ended(), "CALL waits for a server")
    found = received(w.endpoint, w.reply)
    t.check(not failed(found), "RECEIVE of a call")
    t.equal(found.badge, 0xB, "has the badge of the caller's capability")
    t.check(found.label() == 5 and found.length() == 2, "its label and length")
    t.check(found.w0 == 100 and found.w1 == 200, "its words")
    t.check(not agent.ended(), "the caller waits for the reply")
    t.succeeds(system.reply(w.reply, message(6, 1), 300), "REPLY")
    t.check(agent.ended(), "ends the call")
    answer = agent.message()
    t.check(not failed(answer) and answer.label() == 6 and answer.length() == 1 and answer.w0 == 300, "with the reply")
    t.equal(answer.badge, 0, "a reply has no badge")
    t.fails(system.reply(w.reply, 0), Status.WRONG_STATE, REPLY, "a second REPLY")
    # The kernel's bits of the message word.
    for bit in range(u64(45), u64(64)):
        if not forges(w, u64(1) << bit):
            t.check(False, "a sender sets a bit of the kernel")
    t.check(agent.ended(), "no bit of the kernel can be sent")
    agent.tell(Call.CALL, badged, message(1))
    _ = system.receive(w.endpoint, w.reply, NOW)
    forged = (u64(Status.PEER_DIED.value) << STATUS_SHIFT) | 2
    t.fails(system.reply(w.reply, forged, 1), Status.OUT_OF_RANGE, WORD, "a server can't forge a status")
    t.check(not agent.ended(), "and its caller waits on")
    _ = system.reply(w.reply, message(2))
    t.check(agent.ended() and agent.word == 2, "for a proper reply")
    w.drop(badged)
    # Servers answer in any order.
    w.high.tell(Call.CALL, w.endpoint, message(1), 1)
    w.higher.tell(Call.CALL, w.endpoint, message(1), 2)
    a = received(w.endpoint, w.reply)
    b = received(w.endpoint, w.other_reply)
    t.check(a.w0 == 1 and b.w0 == 2, "calls are received in the order in which they came")
    _ = system.reply(w.other_reply, 0)
    t.check(w.higher.ended() and not w.high.ended(), "the second can be answered first")
    _ = system.reply(w.reply, 0)
    t.check(w.high.ended(), "and then the first")
    # A server thread.
    agent.serve(w.endpoint)
    sum: u64 = 0
    for number in range(u64(10)):
        squared = system.call(w.endpoint, message(1, 1), number)
        sum += 0 if isinstance(squared, Failure) else squared.w0
    t.equal(sum, 55, "ten calls of a server")
    _ = system.call(w.endpoint, message(0))
    t.check(agent.ended(), "which ends when it is told")


def forges(w: World, bit: u64) -> bool:
    """Is a message with the bit refused, as a call and as a message without reply?"""
    agent = w.high
    agent.tell(Call.CALL, w.endpoint, 1 | bit)
    called = agent.failure()
    agent.tell(Call.SEND, w.endpoint, 1 | bit)
    sent = agent.failure()
    good = called is not None and called.status is Status.OUT_OF_RANGE and called.argument == WORD
    return good and sent is not None and sent.status is Status.OUT_OF_RANGE


def sends(w: World) -> None:
    t, agent = w.t, w.high
    t.fails(system.try_send(w.endpoint, message(1)), Status.TIMED_OUT, INVOKED, "TRY_SEND when nobody waits")
    agent.tell(Call.RECEIVE, w.endpoint, 0, NEVER, 0, agent.own)
    t.succeeds(system.try_send(w.endpoint, message(4, 2), 5, 6), "TRY_SEND to a thread that waits")
    t.check(agent.ended() and agent.w0 == 5 and agent.w1 == 6 and agent.message().label() == 4, "it has the message")
    t.fails(system.reply(agent.own, 0), Status.WRONG_STATE, REPLY, "a SEND wants no reply")
    agent.tell(Call.SEND, w.endpoint, message(2, 1), 9)
    t.check(not agent.ended(), "SEND waits until somebody takes the message")
    found = received(w.endpoint, w.reply)
    t.check(not failed(found) and found.w0 == 9 and agent.ended(), "and no longer")


def deadlines(w: World) -> None:
    t = w.t
    out = Status.TIMED_OUT
    t.message_fails(system.receive(w.endpoint, w.reply, NOW), out, FIRST, "RECEIVE with the deadline NOW")
    t.message_fails(
        system.receive(w.endpoint, w.reply, system.now() - 1), out, FIRST, "RECEIVE with a deadline that has passed"
    )
    deadline = system.now() + w.process.frequency // 500
    t.message_fails(system.receive(w.endpoint, w.reply, deadline), out, FIRST, "RECEIVE until a deadline")
    t.check(system.now() >= deadline, "ends not before it")
    deadline = system.now() + w.process.frequency // 500
    found = system.wait(w.notification, deadline)
    t.check(w.timed_out(found) and system.now() >= deadline, "WAIT until a deadline")
    # A message that comes before the deadline; and the deadline doesn't come later.
    w.high.tell(Call.RECEIVE, w.endpoint, 0, system.now() + w.process.frequency // 200, 0, w.high.own)
    t.succeeds(system.send(w.endpoint, message(1)), "a message before the deadline")
    t.check(w.high.ended() and w.high.failure() is None, "is received")
    w.high.tell(Call.RECEIVE, w.endpoint, 0, NEVER, 0, w.high.own)
    _ = system.wait(w.notification, system.now() + w.process.frequency // 100)
    t.check(not w.high.ended(), "and an old deadline ends no later wait")
    _ = system.send(w.endpoint, message(1))
    t.check(w.high.ended(), "which a message ends")


def queues(w: World) -> None:
    """Threads that wait leave the queue when their wait ends."""
    t = w.t
    w.high.tell(Call.RECEIVE, w.endpoint, 0, system.now() + w.process.frequency // 500, 0, w.high.own)
    w.higher.tell(Call.RECEIVE, w.endpoint, 0, NEVER, 0, w.higher.own)
    _ = system.wait(w.notification, system.now() + w.process.frequency // 250)
    failure = w.high.failure()
    t.check(
        w.high.ended() and failure is not None and failure.status is Status.TIMED_OUT, "the first receiver times out"
    )
    t.succeeds(system.try_send(w.endpoint, message(1)), "the second gets the message")
    t.check(w.higher.ended() and w.higher.failure() is None, "and goes on")
    t.fails(system.try_send(w.endpoint, message(1)), Status.TIMED_OUT, INVOKED, "nobody is left")


def long_messages(w: World) -> None:
    t, agent, buffer = w.t, w.high, w.process.buffer
    agent.tell(Call.RECEIVE, w.endpoint, 0, NEVER, 0, agent.own)
    for place in range(508):
        buffer.words[place] = 0xABC0_0000 + place
        agent.buffer().words[place] = 0
    t.succeeds(system.send(w.endpoint, message(1, 512), 1), "SEND of 512 words")
    good = True
    for place in range(508):
        good = good and agent.buffer().words[place] == 0xABC0_0000 + place
    t.check(agent.ended() and good, "all of them arrive")
    t.equal(agent.message().length(), 512, "and their number")
    agent.tell(Call.RECEIVE, w.endpoint, 0, NEVER, 0, agent.own)
    agent.buffer().words[2] = 1
    agent.buffer().words[3] = 2
    buffer.words[2] = 77
    buffer.words[3] = 78
    t.succeeds(system.send(w.endpoint, message(1, 7), 1), "SEND of 7 words")
    t.check(agent.ended() and agent.buffer().words[2] == 77 and agent.buffer().words[3] == 2, "no word more arrives")
    agent.tell(Call.CALL, w.endpoint, message(1, 6))
    _ = system.receive(w.endpoint, w.reply, NOW)
    buffer.words[0] = 4242
    t.succeeds(system.reply(w.reply, message(1, 5)), "REPLY of 5 words")
    t.check(agent.ended() and agent.buffer().words[0] == 4242, "the fifth arrives")
    t.done(system.unbind(agent.thread, Binding.BUFFER))
    agent.tell(Call.SEND, w.endpoint, message(1, 5))
    t.check(agent.ended(), "SEND of 5 words without a buffer")
    t.fails(agent.failure(), Status.NO_BUFFER, WORD, "fails")
    agent.tell(Call.SEND, w.endpoint, message(1, 0, 1))
    t.check(agent.ended(), "SEND of a capability without a buffer")
    t.fails(agent.failure(), Status.NO_BUFFER, WORD, "fails, too")
    t.done(system.bind(buffer, agent.thread, Binding.BUFFER, agent.frame))


def transfers(w: World) -> None:
    t, agent, buffer = w.t, w.high, w.process.buffer
    into = w.slot(2)
    system.window(agent.buffer(), into, 2)
    agent.tell(Call.RECEIVE, w.endpoint, 0, NEVER, 0, agent.own)
    one, two = w.copy(w.notification, ALL, 1), w.copy(w.notification, ALL, 2)
    buffer.capabilities[0].store(u32(one))
    buffer.capabilities[1].store(u32(two))
    t.succeeds(system.send(w.endpoint, message(1, 0, 2)), "SEND of two capabilities")
    t.check(agent.ended() and agent.message().capabilities() == 2, "the receiver knows how many")
    its = agent.buffer()
    t.equal(u64(its.arrived.load()), 2, "also from its buffer")
    t.check(w.kind_at(into) == u64(Kind.NOTIFICATION.value), "the first is in its window")
    t.succeeds(system.signal(into + 1), "the second works")
    word = system.poll(w.notification)
    t.check(not isinstance(word, Failure) and word == 2, "with its badge")
    t.check(not w.is_empty(one) and not w.is_empty(two), "the sender keeps its own")
    # The window is in use now.
    agent.tell(Call.RECEIVE, w.endpoint, 0, NEVER, 0, agent.own)
    t.fails(system.send(w.endpoint, message(1, 0, 1)), Status.NO_WINDOW, WINDOW, "SEND into a window that is in use")
    t.check(not agent.ended(), "the receiver waits on")
    t.done(system.delete(OWN_TABLE, one))
    t.check(w.is_empty(into), "what arrived was derived from what was sent")
    w.process.slots().release(one)
    t.fails(system.send(w.endpoint, message(1, 0, 1)), Status.NO_CAPABILITY, TRAVELLING, "SEND of an empty slot")
    buffer.capabilities[0].store(BEYOND)
    t.fails(system.send(w.endpoint, message(1, 0, 1)), Status.NO_CAPABILITY, TRAVELLING, "SEND from beyond the table")
    t.done(system.delete(OWN_TABLE, into + 1))
    buffer.capabilities[0].store(u32(two))
    buffer.capabilities[1].store(EMPTY)
    t.fails(
        system.send(w.endpoint, message(1, 0, 2)), Status.NO_CAPABILITY, TRAVELLING + 1, "the second is an empty slot"
    )
    t.check(w.is_empty(into), "then the first doesn't arrive either")
    plain = w.copy(w.endpoint, SEND | RECEIVE)
    t.fails(system.send(plain, message(1, 0, 1)), Status.MISSING_RIGHT, WORD, "SEND of a capability without GRANT")
    w.drop(plain)
    system.window(agent.buffer(), into, 0)
    t.fails(system.send(w.endpoint, message(1, 0, 1)), Status.NO_WINDOW, WINDOW, "SEND into an empty window")
    system.window(agent.buffer(), BEYOND, 1)
    t.fails(system.send(w.endpoint, message(1, 0, 1)), Status.NO_WINDOW, WINDOW, "SEND into a window beyond the table")
    system.window(agent.buffer(), 0xFFFF_FFFF, 0xFFFF_FFFF)
    t.fails(system.send(w.endpoint, message(1, 0, 1)), Status.NO_WINDOW, WINDOW, "SEND into the largest window")
    t.succeeds(system.send(w.endpoint, message(1)), "SEND without capabilities needs none")
    t.check(agent.ended() and agent.message().capabilities() == 0, "and brings none")
    w.drop(two)
    w.process.slots().release(into, 2)


def moves(w: World) -> None:
    """Capabilities that the sender gives away."""
    t, agent, buffer = w.t, w.high, w.process.buffer
    into = w.slot()
    system.window(agent.buffer(), into, 1)
    agent.tell(Call.RECEIVE, w.endpoint, 0, NEVER, 0, agent.own)
    own = w.new(Kind.NOTIFICATION)
    buffer.capabilities[0].store(u32(own) | MOVE)
    t.succeeds(system.send(w.endpoint, message(1, 0, 1)), "SEND that gives a capability away")
    t.check(agent.ended() and w.is_empty(own), "the sender has it no more")
    t.succeeds(system.signal(into), "the receiver has")
    w.process.slots().release(own)
    w.drop(into)


def ends(w: World) -> None:
    """Servers that end in the middle of a call."""
    t, agent = w.t, w.high
    reply = w.new(Kind.REPLY)
    agent.tell(Call.CALL, w.endpoint, message(1))
    _ = system.receive(w.endpoint, reply, NOW)
    w.drop(reply)
    t.check(agent.ended(), "the end of a Reply ends the call that it holds")
    failure = agent.failure()
    t.check(failure is not None and failure.status is Status.PEER_DIED, "with PEER_DIED")
    endpoint = w.new(Kind.ENDPOINT)
    agent.tell(Call.CALL, endpoint, message(1))
    w.higher.tell(Call.SEND, endpoint, message(1))
    w.drop(endpoint)
    failure, other = agent.failure(), w.higher.failure()
    t.check(
        agent.ended() and failure is not None and failure.status is Status.CANCELLED,
        "the end of an endpoint ends calls",
    )
    t.check(w.higher.ended() and other is not None and other.status is Status.CANCELLED, "and sends")
    endpoint = w.new(Kind.ENDPOINT)
    agent.tell(Call.RECEIVE, endpoint, 0, NEVER, 0, agent.own)
    w.drop(endpoint)
    failure = agent.failure()
    t.check(agent.ended() and failure is not None and failure.status is Status.CANCELLED, "and receives")
    # A copy's end is not the endpoint's.
    copy = w.copy(w.endpoint, SEND)
    agent.tell(Call.CALL, copy, message(1), 3)
    w.drop(copy)
    found = received(w.endpoint, w.reply)
    t.check(not failed(found) and found.w0 == 3, "a call survives the end of the capability that it was made on")
    _ = system.reply(w.reply, 0)
    t.check(agent.ended(), "and is answered")
    # The server's thread goes, and its Reply with it.
    server = w.higher
    memory = w.new(Kind.MEMORY, 0x1_0000)
    hold = t.need(w.process.make_of(memory, Kind.REPLY))
    server.tell(Call.RECEIVE, w.endpoint, 0, NEVER, 0, hold)
    agent.tell(Call.CALL, w.endpoint, message(1))
    t.check(server.ended() and not agent.ended(), "a server has received the call")
    t.done(system.revoke(OWN_TABLE, memory))
    failure = agent.failure()
    t.check(
        agent.ended() and failure is not None and failure.status is Status.PEER_DIED,
        "revoking its memory ends the call",
    )
    w.process.slots().release(hold)
    w.drop(memory)


def insistence(w: World) -> None:
    """Who is more urgent than who deletes an endpoint, and sends there again whenever that ends."""
    t, agent = w.t, w.high
    endpoint = w.new(Kind.ENDPOINT)
    agent.badge = endpoint
    agent.order(Command.INSIST)
    t.check(not agent.ended(), "SEND waits")
    w.drop(endpoint)
    t.check(agent.ended(), "and doesn't hold up the deletion of its endpoint")
    t.equal(agent.w0, u64(Status.MISSING_RIGHT.value), "which has no rights any more")


def badges(w: World) -> None:
    """Senders are cancelled by the badge of the capability that they send by."""
    t = w.t
    one, other = w.copy(w.endpoint, SEND, 5), w.copy(w.endpoint, ALL, 6)
    w.high.tell(Call.CALL, one, message(1), 1)
    w.higher.tell(Call.SEND, other, message(1), 2)
    t.succeeds(system.cancel_senders(OWN_TABLE, w.endpoint, 7), "CANCEL_SENDERS of a badge that nobody sends by")
    t.check(not w.high.ended() and not w.higher.ended(), "ends no wait")
    t.succeeds(system.cancel_senders(OWN_TABLE, w.endpoint, 5), "CANCEL_SENDERS")
    failure = w.high.failure()
    t.check(
        w.high.ended() and failure is not None and failure.status is Status.CANCELLED, "ends the call by that badge"
    )
    t.check(not w.higher.ended(), "and no other's")
    w.high.tell(Call.CALL, w.endpoint, message(1), 3)
    t.succeeds(system.cancel_senders(OWN_TABLE, w.endpoint, 0), "CANCEL_SENDERS without a badge")
    t.check(w.high.ended() and not w.higher.ended(), "ends what was sent without")
    t.fails(system.cancel_senders(OWN_TABLE, other, 6), Status.BADGED, FIRST, "CANCEL_SENDERS by a badged capability")
    t.fails(system.cancel_senders(OWN_TABLE, one, 5), Status.MISSING_RIGHT, FIRST, "CANCEL_SENDERS without CONTROL")
    wrong = Status.WRONG_KIND
    t.fails(system.cancel_senders(OWN_TABLE, w.notification, 6), wrong, FIRST, "CANCEL_SENDERS of a notification")
    t.fails(system.cancel_senders(OWN_TABLE, EMPTY, 6), Status.NO_CAPABILITY, FIRST, "CANCEL_SENDERS of an empty slot")
    t.fails(system.cancel_senders(OWN_TABLE, BEYOND, 6), Status.OUT_OF_RANGE, FIRST, "CANCEL_SENDERS beyond the table")
    t.fails(system.cancel_senders(w.endpoint + BEYOND, 1, 6), Status.NO_CAPABILITY, INVOKED, "of no table")
    t.check(not w.higher.ended(), "what fails ends no wait")
    found = received(w.endpoint, w.reply)
    t.check(not failed(found) and found.badge == 6 and found.w0 == 2, "whose message is received")
    t.check(w.higher.ended(), "then it goes on")
    w.drop(one)
    w.drop(other)


def killed(w: World) -> None:
    """A server's thread ends in the middle of a call; its Reply doesn't."""
    t, agent = w.t, w.high
    server = Agent()
    server.make(t, w.process, HIGHER)
    server.tell(Call.RECEIVE, w.endpoint, 0, NEVER, 0, server.own)
    agent.tell(Call.CALL, w.endpoint, message(1))
    t.check(server.ended() and not agent.ended(), "a server has a call")
    t.succeeds(system.delete(OWN_TABLE, server.thread), "DELETE of its thread")
    failure = agent.failure()
    t.check(
        agent.ended() and failure is not None and failure.status is Status.PEER_DIED, "ends the call with PEER_DIED"
    )
    t.fails(system.reply(server.own, 0), Status.WRONG_STATE, REPLY, "its Reply holds nobody any more")
    found = system.receive(w.endpoint, server.own, NOW)
    t.message_fails(found, Status.TIMED_OUT, FIRST, "and serves another thread")


def suspensions(w: World) -> None:
    t, agent = w.t, w.high
    agent.tell(Call.RECEIVE, w.endpoint, 0, NEVER, 0, agent.own)
    t.succeeds(system.suspend(agent.thread), "SUSPEND of a thread that receives")
    t.fails(system.try_send(w.endpoint, message(1)), Status.TIMED_OUT, INVOKED, "it doesn't receive any more")
    t.succeeds(system.resume(agent.thread), "RESUME")
    failure = agent.failure()
    t.check(
        agent.ended() and failure is not None and failure.status is Status.CANCELLED,
        "its wait has ended with CANCELLED",
    )
    agent.tell(Call.CALL, w.endpoint, message(1))
    _ = system.receive(w.endpoint, w.reply, NOW)
    t.done(system.suspend(agent.thread))
    t.fails(system.reply(w.reply, 0), Status.WRONG_STATE, REPLY, "REPLY to a caller that was suspended")
    t.done(system.resume(agent.thread))
    failure = agent.failure()
    t.check(agent.ended() and failure is not None and failure.status is Status.CANCELLED, "whose call was cancelled")
    agent.tell(Call.WAIT, w.notification, 0, NEVER)
    t.done(system.suspend(agent.thread))
    t.done(system.signal(w.notification))
    t.done(system.resume(agent.thread))
    word = system.poll(w.notification)
    t.check(not isinstance(word, Failure) and word == 1, "a suspended waiter takes no signal")
    t.check(agent.ended(), "its wait has ended")


def signals(w: World) -> None:
    """A bound notification ends receives."""
    t = w.t
    t.succeeds(
        system.bind(w.process.buffer, OWN_THREAD, Binding.NOTIFICATION, w.notification), "BIND of a notification"
    )
    badged = w.copy(w.notification, ALL, 0x30)
    t.done(system.signal(badged))
    found = received(w.endpoint, w.reply)
    t.check(not failed(found) and found.is_signals(), "RECEIVE takes its signals")
    t.equal(found.badge, 0x30, "the word is the badge")
    t.check(failed(received(w.endpoint, w.reply)), "once")
    t.succeeds(system.unbind(OWN_THREAD, Binding.NOTIFICATION), "UNBIND of a notification")
    t.done(system.signal(badged))
    t.check(failed(received(w.endpoint, w.reply)), "then RECEIVE doesn't see them")
    word = system.poll(w.notification)
    t.check(not isinstance(word, Failure) and word == 0x30, "but WAIT does")
    w.drop(badged)
    # It wakes a thread that waits in RECEIVE.
    agent = w.high
    t.done(system.bind(w.process.buffer, agent.thread, Binding.NOTIFICATION, w.notification))
    agent.tell(Call.RECEIVE, w.endpoint, 0, NEVER, 0, agent.own)
    t.done(system.signal(w.notification))
    t.check(agent.ended() and agent.message().is_signals(), "a signal wakes a thread that receives")
    t.done(system.unbind(agent.thread, Binding.NOTIFICATION))
    t.check(agent.failure() is None, "which is no failure")
