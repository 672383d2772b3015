"""Two processes: this one calls the program `pong`, which answers."""

from neokernel.abi.call import message
from neokernel.abi.kinds import Kind
from neokernel.abi.rights import RECEIVE, SEND
from neokernel.lang import u64
from neokernel.runtime import system
from neokernel.runtime.must import must_get
from neokernel.runtime.process import Process
from neokernel.runtime.space import Child
from neokernel.runtime.system import Failure

#: what the server sees of who calls it
BADGE = 7
#: label of the messages
SQUARE = 1
PRIORITY = 100


def main(process: Process) -> None:
    endpoint = must_get(process.make(Kind.ENDPOINT))
    failure = make_pong(process, endpoint)
    if failure is not None:
        process.console.write(f"pong can't be started: {failure.status.name} of argument {failure.argument}\n")
        process.exit(1)
    pong = must_get(process.derive(endpoint, SEND, BADGE))
    for number in range(u64(1), u64(4)):
        answer = must_get(system.call(pong, message(SQUARE, 1), number))
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
    requests = pong.grant(process, endpoint, RECEIVE)
    if isinstance(requests, Failure):
        return requests
    answers = pong.grant(process, reply, RECEIVE)
    if isinstance(answers, Failure):
        return answers
    info = pong.prepare(process)
    if isinstance(info, Failure):
        return info
    info.arguments[0] = requests
    info.arguments[1] = answers
    context = process.context(PRIORITY, process.frequency, process.frequency)
    if isinstance(context, Failure):
        return context
    return pong.start(process, context, PRIORITY)
