"""A service that counts, in memory that outlives it, and hands over."""

from __future__ import annotations

from neokernel.abi.call import message
from neokernel.abi.description import FIRST_DECLARED
from neokernel.abi.kinds import Kind
from neokernel.lang import u64, wire, wire_view
from neokernel.runtime import system
from neokernel.runtime.must import must_get
from neokernel.runtime.process import HAND_OVER, Process
from neokernel.runtime.system import Failure

REQUESTS = FIRST_DECLARED


@wire
class State:
    count: u64


def main(process: Process) -> None:
    state = wire_view(State, process.state())
    reply = must_get(process.make(Kind.REPLY))
    process.ready()
    asked = system.receive(REQUESTS, reply)
    while not isinstance(asked, Failure):
        if asked.label() == HAND_OVER and asked.badge == 0:
            process.hand_over(reply)
        state.count = state.count + 1
        asked = system.reply_receive(REQUESTS, reply, message(0, 1), state.count)
