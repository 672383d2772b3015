"""An urgent client waits for one request of a slow one at most, whatever else runs.

The server works at its floor, the priority of its most urgent client, also while it serves the least urgent one. So the
hog between them can't keep it from its work.
"""

from neokernel.abi.boot import OWN_CONTEXT, OWN_THREAD, PROCESSOR
from neokernel.abi.call import message
from neokernel.abi.kinds import Kind
from neokernel.lang import u64
from neokernel.runtime import system
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure
from neokernel.runtime.thread import spawn

LOW = 50
MIDDLE = 60
HIGH = 70
#: the thread that runs and runs; the others are clients
HOG = MIDDLE
COUNTER = 1


def main(process: Process) -> None:
    endpoint, reply = process.make(Kind.ENDPOINT), process.make(Kind.REPLY)
    finished = process.make(Kind.NOTIFICATION, COUNTER)
    assert not isinstance(endpoint, Failure) and not isinstance(reply, Failure), "the root has memory"
    assert not isinstance(finished, Failure), "the root has memory"
    second = process.frequency
    assert system.set_floor(process.buffer, PROCESSOR, HIGH, OWN_THREAD) is None
    assert system.configure(process.buffer, PROCESSOR, LOW, second, second, OWN_CONTEXT) is None
    begin(process, endpoint, LOW, finished)
    for request in range(2):
        asked = system.receive(endpoint, reply)
        process.console.write(f"server: a request of priority {asked.w0}\n")
        if request == 0:
            # While the slow client is served, the others come.
            begin(process, endpoint, MIDDLE, finished)
            begin(process, endpoint, HIGH, finished)
            process.console.write("server: the hog is ready, and the urgent client\n")
        assert system.reply(reply, 0) is None
    for _ in range(3):
        assert not isinstance(system.wait(finished), Failure)


def begin(process: Process, endpoint: u64, priority: u64, finished: u64) -> None:
    """Start the thread of this priority: its argument is the priority and the endpoint."""
    made = spawn(process, endpoint << 8 | priority, priority, process.frequency, process.frequency, finished)
    assert not isinstance(made, Failure), "the root has memory for threads"


def thread(process: Process, argument: u64) -> None:
    priority = argument & 0xFF
    if priority == HOG:
        until = system.now() + process.frequency // 100
        while system.now() < until:
            pass
        process.console.write("hog: done\n")
        return
    answer = system.call(argument >> 8, message(1, 1), priority)
    process.console.write(f"client of priority {priority}: {'failed' if answer.failed() else 'served'}\n")
