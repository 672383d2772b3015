"""An urgent client waits for one request of a slow one at most, whatever else runs.

The server works at its floor, the priority of its most urgent client, also while it serves the least urgent one. So the
hog between them can't keep it from its work.
"""

from neokernel.abi.boot import OWN_CONTEXT, OWN_THREAD, PROCESSOR
from neokernel.abi.call import message
from neokernel.abi.kinds import Kind
from neokernel.lang import u64
from neokernel.runtime import system
from neokernel.runtime.must import must, must_get
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure
from neokernel.runtime.thread import spawn

#: priorities, which also tell the threads apart: two are clients, the hog runs and runs
SLOW = 50
HOG = 60
URGENT = 70
#: where threads find the index of the server's endpoint
ENDPOINT = 0
#: label of a request; its word is the client's priority
SERVE = 1
#: size of a notification that counts its signals
COUNTER = 1


def main(process: Process) -> None:
    """The server."""
    endpoint, reply = must_get(process.make(Kind.ENDPOINT)), must_get(process.make(Kind.REPLY))
    finished = must_get(process.make(Kind.NOTIFICATION, COUNTER))
    process.arguments[ENDPOINT] = endpoint
    second = process.frequency
    must(system.set_floor(process.buffer, PROCESSOR, URGENT, OWN_THREAD))
    must(system.configure(process.buffer, PROCESSOR, SLOW, second, second, OWN_CONTEXT))
    begin(process, SLOW, finished)
    for request in range(2):
        asked = must_get(system.receive(endpoint, reply))
        process.console.write(f"server: a request of priority {asked.w0}\n")
        if request == 0:
            # While the slow client is served, the others come.
            begin(process, URGENT, finished)
            begin(process, HOG, finished)
            process.console.write("server: the urgent client is ready, and the hog\n")
        must(system.reply(reply, message(SERVE)))
    for _ in range(3):
        must_get(system.wait(finished))


def begin(process: Process, priority: u64, finished: u64) -> None:
    """Start the thread of this priority."""
    must_get(spawn(process, priority, priority, process.frequency, process.frequency, finished))


def thread(process: Process, argument: u64) -> None:
    if argument == HOG:
        run(process)
    else:
        ask(process, argument)


def run(process: Process) -> None:
    """The hog: keep the processor for a hundredth of a second."""
    until = system.now() + process.frequency // 100
    while system.now() < until:
        pass
    process.console.write("hog: done\n")


def ask(process: Process, priority: u64) -> None:
    """A client."""
    process.console.write(f"client of priority {priority}: asks\n")
    answer = system.call(process.arguments[ENDPOINT], message(SERVE, 1), priority)
    process.console.write(f"client of priority {priority}: {'failed' if isinstance(answer, Failure) else 'served'}\n")
