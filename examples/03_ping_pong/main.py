"""Two processes: this one calls the program `pong`, which answers."""

from neokernel.abi.call import message
from neokernel.abi.kinds import Kind
from neokernel.abi.rights import RECEIVE, SEND
from neokernel.lang import u64
from neokernel.runtime import system
from neokernel.runtime.child import Child, await_death, end_child
from neokernel.runtime.must import must, must_get
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure
from neokernel.runtime.thread import spawn

#: what the server sees of who calls it
BADGE = 7
#: label of the messages
SQUARE = 1
PRIORITY = 100
#: of who looks after pong
ABOVE = 200


def main(process: Process) -> None:
    endpoint, events = must_get(process.make(Kind.ENDPOINT)), must_get(process.make(Kind.ENDPOINT))
    must_get(spawn(process, events, ABOVE, process.frequency, process.frequency))
    failure = start_pong(process, endpoint, events)
    if failure is not None:
        process.console.write(f"pong can't be started: {failure.status.name} of argument {failure.argument}\n")
        process.exit(1)
    pong = must_get(process.derive(endpoint, SEND, BADGE))
    for number in range(u64(1), u64(4)):
        answer = must_get(system.call(pong, message(SQUARE, 1), number))
        process.console.write(f"ping {number}: pong {answer.w0}, said to badge {answer.w1}\n")


def start_pong(process: Process, endpoint: u64, events: u64) -> Failure | None:
    """Start the other process. It can receive at the endpoint, answer, and do nothing else."""
    pong = Child()
    failure = pong.create(process, b"pong", events)
    if failure is not None:
        return failure
    requests = pong.grant(process, endpoint, RECEIVE)
    if isinstance(requests, Failure):
        return requests
    answers = pong.make(process, Kind.REPLY)
    if isinstance(answers, Failure):
        return answers
    pong.arguments[0] = requests
    pong.arguments[1] = answers
    return pong.start(process, PRIORITY)


def thread(process: Process, argument: u64) -> None:
    """Wait for the end of pong, which shouldn't come, and take it down: who waits for its answer gets PEER_DIED."""
    reply = must_get(process.make(Kind.REPLY))
    death = must_get(await_death(process, argument, reply))
    if death.fault is not None:
        process.console.write(f"pong: {death.fault.name} at {death.counter:#x}\n")
    must(end_child(process, death.child))
