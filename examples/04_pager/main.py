"""A pager: a thread's page faults are messages, and pages come when they are touched."""

from neokernel.abi.boot import OWN_SPACE, OWN_THREAD
from neokernel.abi.fault import Fault, Resume
from neokernel.abi.kinds import PAGE_SIZE, Kind
from neokernel.abi.operations import Binding
from neokernel.abi.rights import READ, WRITE
from neokernel.lang import span_at, u64, unsafe
from neokernel.runtime import system
from neokernel.runtime.must import must, must_get
from neokernel.runtime.process import Process
from neokernel.runtime.space import map_new
from neokernel.runtime.system import Message
from neokernel.runtime.thread import make_thread, start_thread

unsafe("the worker touches memory that its pager brings")

#: the memory that the worker may use; none of it is there at first
HEAP = 0x20_0000_0000
PAGES: u64 = 4
PRIORITY = 100


def main(process: Process) -> None:
    endpoint, reply = must_get(process.make(Kind.ENDPOINT)), must_get(process.make(Kind.REPLY))
    finished = must_get(process.make(Kind.NOTIFICATION))
    worker = must_get(make_thread(process, HEAP, PRIORITY, finished))
    context = must_get(process.context(PRIORITY, process.frequency, process.frequency))
    # Both come to the endpoint: the worker's faults, and the signal that it has ended.
    must(system.bind(process.buffer, worker.thread, Binding.HANDLER, endpoint))
    must(system.bind(process.buffer, OWN_THREAD, Binding.NOTIFICATION, finished))
    must(start_thread(process, worker.thread, context))
    told = must_get(system.receive(endpoint, reply))
    while told.is_fault():
        must(system.resume_faulted(reply, handle(process, told)))
        told = must_get(system.receive(endpoint, reply))
    assert told.is_signals(), "nothing else comes here"
    process.console.write("the worker has ended\n")


def handle(process: Process, fault: Message) -> Resume:
    """Bring the page that the worker has touched, if it is one of its own. How does the worker go on?"""
    address = fault.w0
    if fault.label() != u64(Fault.PAGE.value) or not HEAP <= address < HEAP + PAGES * PAGE_SIZE:
        process.console.write(f"the worker is stopped: fault {fault.label()} at {address:#x}\n")
        process.exit(1)
    process.console.write(f"page fault at {address:#x}\n")
    page = address // PAGE_SIZE * PAGE_SIZE
    must(map_new(process, OWN_SPACE, process.memory, page, READ | WRITE, 1))
    return Resume.RETRY


def thread(process: Process, argument: u64) -> None:
    """The worker: write a word to each page, and add them up."""
    total: u64 = 0
    for page in range(PAGES):
        word = span_at(u64, argument + page * PAGE_SIZE + 8, 1)
        word[0] = page + 1
        total += word[0]
    process.console.write(f"the worker has used {PAGES} pages; the sum is {total}\n")
