"""Two processes: this one calls the program `pong`, which answers."""

from neokernel.abi.call import message
from neokernel.abi.kinds import Kind
from neokernel.abi.rights import RECEIVE, SEND
from neokernel.lang import u64
from neokernel.runtime import system
from neokernel.runtime.process import Process
from neokernel.runtime.space import Child
from neokernel.runtime.system import Failure

PRIORITY = 100
PING = 1


def main(process: Process) -> None:
    endpoint = process.make(Kind.ENDPOINT)
    assert not isinstance(endpoint, Failure), "the root has memory for an endpoint"
    failure = make_pong(process, endpoint)
    if failure is not None:
        process.console.write(f"pong can't be started: {failure.status.name} of argument {failure.argument}\n")
        process.exit(1)
    sender = process.derive(endpoint, SEND, 7)
    assert not isinstance(sender, Failure), "the root has a free slot"
    for number in range(u64(1), u64(4)):
        answer = system.call(sender, message(PING, 1), number)
        process.console.write(f"ping {number}: pong {answer.w0}, said to badge {answer.w1}\n")


def make_pong(process: Process, endpoint: u64) -> Failure | None:
    """Start the other process. It can receive at the endpoint, answer, and do nothing else."""
    pong = Child()
    failure = pong.create(process, b"pong", process.memory)
    if failure is not None:
        return failure
    reply = process.make(Kind.REPLY)
    if isinstance(reply, Failure):
        return reply
    given = pong.grant(process, endpoint, RECEIVE)
    if isinstance(given, Failure):
        return given
    answers = pong.grant(process, reply, RECEIVE)
    if isinstance(answers, Failure):
        return answers
    info = pong.prepare(process)
    if isinstance(info, Failure):
        return info
    info.arguments[0] = given
    info.arguments[1] = answers
    context = process.context(PRIORITY, process.frequency, process.frequency)
    if isinstance(context, Failure):
        return context
    return pong.start(process, context, PRIORITY)
