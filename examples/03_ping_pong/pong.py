"""A server: it answers each number with its square, and the badge of who asked."""

from neokernel.abi.call import message
from neokernel.lang import u64
from neokernel.runtime import system
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure

#: label of the answers
SQUARED = 2


def main(process: Process) -> None:
    endpoint: u64 = process.arguments[0]
    reply: u64 = process.arguments[1]
    asked = system.receive(endpoint, reply)
    while not isinstance(asked, Failure):
        asked = system.reply_receive(endpoint, reply, message(SQUARED, 2), asked.w0 * asked.w0, asked.badge)
