"""A service that uses what another one serves; both versions of it are this."""

from neokernel.abi.call import message
from neokernel.abi.description import FIRST_DECLARED
from neokernel.abi.kinds import Kind
from neokernel.lang import Order, object_at, u32, u64, unsafe, wire
from neokernel.runtime import system
from neokernel.runtime.must import must_get
from neokernel.runtime.process import HAND_OVER, Process
from neokernel.runtime.system import Failure

unsafe("it writes where nothing is, to fail")

REQUESTS: u64 = FIRST_DECLARED
SERVER: u64 = FIRST_DECLARED + 1
#: labels, beside any other, and what its server is asked
SPEND = 7
WRITE = 8
GIVE = 9
READ = 2
NOWHERE: u64 = 0x1000


@wire
class Word:
    value: u64


def main(process: Process) -> None:
    """Answers are the status of its own call, but of GIVE: a frame of its memory."""
    reply: u64 = must_get(process.make(Kind.REPLY))
    process.ready()
    while True:
        asked = system.receive(REQUESTS, reply)
        if isinstance(asked, Failure):
            continue
        if asked.label() == HAND_OVER and asked.badge == 0:
            process.hand_over(reply)
        elif asked.label() == SPEND:
            until = system.now() + asked.w0
            while system.now() < until:
                pass
        elif asked.label() == WRITE:
            object_at(Word, NOWHERE).value = 1
        elif asked.label() == GIVE:
            frame = must_get(process.make(Kind.FRAME))
            process.buffer.capabilities[0].store(u32(frame), Order.RELAXED)
            _ = system.reply(reply, message(0, 0, 1))
            continue
        answer = system.call(SERVER, message(READ))
        status: u64 = u64(answer.status.value) if isinstance(answer, Failure) else 0
        _ = system.reply(reply, message(0, 1), status)
