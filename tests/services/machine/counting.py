"""A service that counts, in memory that outlives it. It ends in many ways, as it is told; several programs are this."""

from neokernel.abi.call import message
from neokernel.abi.description import FIRST_DECLARED
from neokernel.abi.kinds import Kind
from neokernel.lang import u8, u64, wire, wire_view
from neokernel.runtime import system
from neokernel.runtime.must import must_get
from neokernel.runtime.process import HAND_OVER, Process
from neokernel.runtime.system import Failure
from neokernel.runtime.thread import spawn

REQUESTS = FIRST_DECLARED
#: labels
ADD = 1
READ = 2
FAIL = 3
EXIT = 4
SETTING = 5
SPIN = 6
SPEND = 7
NOISE = 8
THREAD = 9
WAIT = 10


@wire
class State:
    """What the next version knows, too. All zeroes is the beginning."""

    version: u64
    count: u64


def serve(process: Process, version: u64) -> None:
    """Answers are (number, badge, version)."""
    state = wire_view(State, process.state())
    state.version = version
    reply = must_get(process.make(Kind.REPLY))
    never = must_get(process.make(Kind.NOTIFICATION))
    process.ready()
    asked = system.receive(REQUESTS, reply)
    while not isinstance(asked, Failure):
        label = asked.label()
        answer: u64 = 0
        if label == ADD:
            state.count = state.count + asked.w0
            answer = state.count
        elif label == READ:
            answer = state.count
        elif label == SETTING:
            answer = process.setting(0)
        elif label == FAIL:
            fail(state, asked.w0)
        elif label == EXIT:
            process.exit(asked.w0)
        elif label == SPIN:
            while True:
                pass
        elif label == SPEND:
            until = system.now() + asked.w0
            while system.now() < until:
                pass
        elif label == WAIT:
            _ = system.wait(never, system.now() + asked.w0)
        elif label == NOISE:
            while True:
                _ = system.send(process.supervisor, message(77))
        elif label == THREAD:
            must_get(spawn(process, 0, 99, process.frequency, process.frequency))
        elif label == HAND_OVER and asked.badge == 0:
            process.hand_over(reply)
        asked = system.reply_receive(REQUESTS, reply, message(0, 3), answer, asked.badge, version)


def fail(state: State, number: u64) -> None:
    """A check that fails if the number is 300."""
    state.count = state.count + u64(u8(number))
