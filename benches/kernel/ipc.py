"""Messages between two address spaces.

The root program is the client, a second process of this program the server. The client keeps four numbers alive across
each call, and checks each reply. Both read the counter next to their `ecall`: the server sends its readings along, so
the two halves of a round trip are counted exactly, and no loop of either is in them.
"""

from __future__ import annotations

from support import (
    ABOVE,
    ROUNDS,
    WARM,
    answer,
    begin,
    give_up,
    grant,
    made,
    mean,
    run,
    settle,
    share,
    timed,
    travelling,
)

from neokernel.abi.boot import OWN_TABLE
from neokernel.abi.call import NEVER, Call, message, status_of
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding
from neokernel.lang import u64, wrapping_add
from neokernel.runtime import system
from neokernel.runtime.child import Child
from neokernel.runtime.process import Process

#: what the label of a request asks for
ECHO = 1
LONG_REPLY = 2
DELETE_CAPABILITY = 3

NAME = b"ipc"


def main(process: Process) -> None:
    if not process.is_root:
        serve(process, process.arguments[1], process.arguments[2])
        return
    settle(process)
    page = share(process)
    endpoint = made(process, "endpoint", process.make(Kind.ENDPOINT))
    child = Child()
    begin(process, child, NAME, page)
    reply = made(process, "reply", process.make(Kind.REPLY))
    there = grant(process, child, "endpoint", endpoint)
    reply_there = grant(process, child, "reply", reply)
    run(process, child, ABOVE, 0, there, reply_there)
    measure(process, "round_trip_active", endpoint, message(ECHO, 4))
    # Without a context of its own, the server runs on its client's.
    failure = system.unbind(child.thread, Binding.CONTEXT)
    if failure is not None:
        give_up(process, "unbind", 0)
    measure(process, "round_trip", endpoint, message(ECHO))
    measure(process, "round_trip_words", endpoint, message(ECHO, 4))
    measure(process, "round_trip_slow", endpoint, message(LONG_REPLY, 10))
    measure(process, "message_64_bytes", endpoint, message(ECHO, 8))
    measure(process, "message_4_kib", endpoint, message(ECHO, 512))
    travelling(process, made(process, "notification", process.make(Kind.NOTIFICATION)))
    measure(process, "message_capability", endpoint, message(DELETE_CAPABILITY, 0, 1))
    process.exit()


def measure(process: Process, name: str, endpoint: u64, word: u64) -> None:
    """Round trips with this request."""
    calls: u64 = 0
    replies: u64 = 0
    a: u64 = 1
    b: u64 = 2
    c: u64 = 3
    d: u64 = 5
    for round in range(u64(0), u64(ROUNDS + WARM)):
        got = timed(Call.CALL, endpoint, word, a, b)
        if status_of(got.word) != 0 or got.w2 != wrapping_add(a, b):
            give_up(process, name, got.word)
        if round >= WARM:
            calls += got.w0 - got.before - 1
            replies += got.after - got.w1 - 1
        # Four registers that the kernel must keep.
        a = wrapping_add(a, d)
        b = wrapping_add(b, a)
        c = wrapping_add(c, b)
        d = wrapping_add(d, c)
    mean(process, name, calls + replies)
    if word == message(ECHO):
        mean(process, "call", calls)
        mean(process, "reply", replies)


def serve(process: Process, endpoint: u64, reply: u64) -> None:
    """Answer each request with the readings at its arrival and at the reply, and the sum of its first two words."""
    window = made(process, "window", process.slot())
    system.window(process.buffer, window, 1)
    got = timed(Call.RECEIVE, endpoint, 0, NEVER, reply=reply)
    while True:
        label = got.word & 0xFF
        if label == DELETE_CAPABILITY:
            _ = system.delete(OWN_TABLE, window)
        length: u64 = 10 if label == LONG_REPLY else 0
        got = answer(endpoint, reply, message(0, length), got.after, wrapping_add(got.w0, got.w1))
