"""Registers around system calls: what is preserved, what is zero, and that nothing of others is in them."""

from __future__ import annotations

from agents import Command
from probe import A0, A7, RA, S0, S2, S11, SP, T0, T3, TP, Registers, probe
from world import EMPTY, World

from neokernel.abi.boot import OWN_TABLE
from neokernel.abi.call import NEVER, NOW, Call, message
from neokernel.abi.operations import Operation
from neokernel.abi.rights import SEND
from neokernel.lang import u32, u64
from neokernel.runtime import system

#: what registers hold before; the number of the register is added
PATTERN = 0x5A5A_0000_0000
#: what the other thread has in all of its registers
OTHERS = 0x7B7B_0000_0000
MASK = 0xFFFF_FFFF_0000


def fill(r: Registers, pattern: u64, call: Call, capability: u64, word: u64, reply: u64 = 0) -> None:
    for number in range(u64(32)):
        r.before[number] = pattern + number
        r.after[number] = 0
    r.before[A7] = u64(call.value)
    r.before[A0] = capability
    r.before[A0 + 1] = word
    r.before[A0 + 6] = reply


def preserved(r: Registers) -> bool:
    good = True
    for number in range(u64(32)):
        if SP <= number <= TP or S0 <= number < A0 or S2 <= number < S11:
            good = good and r.after[number] == r.before[number]
    return good


def zeroed(r: Registers) -> bool:
    """ra, t0 to t6, a6 and a7."""
    good = r.after[RA] == 0 and r.after[A7] == 0 and r.after[A0 + 6] == 0
    for number in range(u64(32)):
        if T0 <= number < S0 or number >= T3:
            good = good and r.after[number] == 0
    return good


def clean(r: Registers) -> bool:
    """Nothing of another thread, and no address of the kernel."""
    good = True
    for number in range(u64(1), u64(32)):
        found = r.after[number]
        if number != S11 and (found & MASK == OTHERS or found >= 0xFFFF_FFC0_0000_0000):
            good = False
    return good


def judge(w: World, r: Registers, name: str) -> None:
    w.t.check(preserved(r), name)
    w.t.check(zeroed(r), "its temporaries are zero")
    w.t.check(clean(r), "and nothing is of others")


def run(w: World) -> None:
    r, other = Registers(), Registers()
    own = r.address()
    fill(r, PATTERN, Call.YIELD, 0, 0)
    probe(own)
    judge(w, r, "registers after YIELD")
    fill(r, PATTERN, Call.SIGNAL, w.notification, 0)
    probe(own)
    judge(w, r, "registers after SIGNAL")
    fill(r, PATTERN, Call.WAIT, w.notification, 0)
    r.before[A0 + 2] = NOW
    probe(own)
    judge(w, r, "registers after WAIT that takes a signal")
    w.t.equal(r.after[A0], 1, "the word")
    fill(r, PATTERN, Call.WAIT, w.notification, 0)
    r.before[A0 + 2] = NOW
    probe(own)
    judge(w, r, "registers after WAIT that times out")
    fill(r, PATTERN, Call.CALL, EMPTY, message(1))
    probe(own)
    judge(w, r, "registers after CALL on an empty slot")
    fill(r, PATTERN, Call.CALL, OWN_TABLE, message(0xFFFF))
    probe(own)
    judge(w, r, "registers after an unknown operation")
    fill(r, PATTERN, Call.CALL, OWN_TABLE, message(u64(Operation.INSPECT.value), 1))
    r.before[A0 + 2] = w.endpoint
    probe(own)
    judge(w, r, "registers after INSPECT")
    fill(r, PATTERN, Call.RECEIVE, w.endpoint, 0, w.reply)
    r.before[A0 + 2] = NOW
    probe(own)
    judge(w, r, "registers after RECEIVE that times out")
    fill(r, PATTERN, Call.TRY_SEND, w.endpoint, message(1))
    probe(own)
    judge(w, r, "registers after TRY_SEND to nobody")
    fill(r, PATTERN, Call.REPLY, 0, 0, w.reply)
    probe(own)
    judge(w, r, "registers after REPLY to nobody")
    messages(w, r, other)
    transfers(w, r)


def messages(w: World, r: Registers, other: Registers) -> None:
    """With another thread on the other side, whose registers are full of what it keeps to itself."""
    t, agent = w.t, w.high
    own, its = r.address(), other.address()
    # The agent calls: it is the caller, the case the server.
    fill(other, OTHERS, Call.CALL, w.endpoint, message(1))
    for place in range(u64(4)):
        other.before[A0 + 2 + place] = 1 + place
    agent.touch(Command.PROBE, its)
    fill(r, PATTERN, Call.RECEIVE, w.endpoint, 0, w.reply)
    r.before[A0 + 2] = NOW
    probe(own)
    judge(w, r, "registers after RECEIVE of a call")
    t.check(r.after[A0 + 2] == 1 and r.after[A0 + 5] == 4, "the payload is the caller's")
    fill(r, PATTERN, Call.REPLY, 0, message(2), w.reply)
    probe(own)
    judge(w, r, "registers after REPLY")
    t.check(agent.ended(), "the caller goes on")
    t.check(preserved(other) and zeroed(other), "its registers after the CALL")
    t.equal(other.after[A0 + 2], PATTERN + A0 + 2, "the reply's payload is all four words")
    # The agent waits in RECEIVE; the case calls. The agent's command is done, and the case can't be answered by it: so
    # it sends.
    fill(other, OTHERS, Call.RECEIVE, w.endpoint, 0, agent.own)
    other.before[A0 + 2] = NEVER
    agent.touch(Command.PROBE, its)
    fill(r, PATTERN, Call.SEND, w.endpoint, message(3))
    probe(own)
    judge(w, r, "registers after SEND")
    t.check(agent.ended(), "the receiver goes on")
    t.check(preserved(other) and zeroed(other), "its registers after RECEIVE")
    # A wait that another thread's signal ends.
    fill(other, OTHERS, Call.WAIT, w.notification, 0)
    other.before[A0 + 2] = NEVER
    agent.touch(Command.PROBE, its)
    fill(r, PATTERN, Call.SIGNAL, w.notification, 0)
    probe(own)
    judge(w, r, "registers after SIGNAL that wakes")
    t.check(agent.ended() and preserved(other) and zeroed(other), "and of the thread that was woken")
    # A server that works.
    agent.serve(w.endpoint)
    fill(r, PATTERN, Call.CALL, w.endpoint, message(7))
    probe(own)
    judge(w, r, "registers after CALL that is answered")
    t.equal(r.after[A0 + 2], PATTERN + A0 + 2 + 1, "with what the server computed")
    _ = system.call(w.endpoint, message(0))
    t.check(agent.ended(), "the server ends")


def transfers(w: World, r: Registers) -> None:
    """An operation with a capability."""
    into = w.slot()
    w.process.buffer.capabilities[0].store(u32(w.endpoint))
    fill(r, PATTERN, Call.CALL, OWN_TABLE, message(u64(Operation.COPY.value), 3, 1))
    r.before[A0 + 2] = into
    r.before[A0 + 3] = u64(SEND)
    r.before[A0 + 4] = 0
    probe(r.address())
    judge(w, r, "registers after COPY")
    w.drop(into)
