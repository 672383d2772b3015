"""A service that shows that it lives, until it is told to spin, or to hand over."""

from neokernel.abi.call import message
from neokernel.abi.description import FIRST_DECLARED
from neokernel.abi.kinds import Kind
from neokernel.lang import u64
from neokernel.runtime import system
from neokernel.runtime.must import must_get
from neokernel.runtime.process import HAND_OVER, Process
from neokernel.runtime.system import Failure


def main(process: Process) -> None:
    reply: u64 = must_get(process.make(Kind.REPLY))
    while True:
        process.beat()
        asked = system.receive(FIRST_DECLARED, reply, system.now() + process.frequency // 10_000)
        if not isinstance(asked, Failure):
            if asked.label() == HAND_OVER and asked.badge == 0:
                process.hand_over(reply)
            _ = system.reply(reply, message(0))
            while asked.label() == 1:
                pass
