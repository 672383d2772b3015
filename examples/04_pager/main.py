"""A pager: a thread's page faults are messages, and pages come when they are touched."""

from neokernel.abi.boot import OWN_SPACE
from neokernel.abi.fault import Fault, Resume
from neokernel.abi.kinds import PAGE_SIZE, Kind
from neokernel.abi.operations import Binding
from neokernel.abi.rights import READ, WRITE
from neokernel.lang import span_at, u64, unsafe
from neokernel.runtime import system
from neokernel.runtime.process import Process
from neokernel.runtime.space import map_new
from neokernel.runtime.system import Failure
from neokernel.runtime.thread import make_thread, start_thread

unsafe("the worker touches memory that its pager brings")

#: the memory that the worker uses; none of it is there at first
HEAP = 0x20_0000_0000
PAGES: u64 = 4
PRIORITY = 100


def main(process: Process) -> None:
    endpoint, reply = process.make(Kind.ENDPOINT), process.make(Kind.REPLY)
    assert not isinstance(endpoint, Failure) and not isinstance(reply, Failure), "the root has memory"
    worker = make_thread(process, HEAP, PRIORITY)
    assert not isinstance(worker, Failure), "and for a thread"
    assert system.bind(process.buffer, worker.thread, Binding.HANDLER, endpoint) is None
    context = process.context(PRIORITY, process.frequency, process.frequency)
    assert not isinstance(context, Failure), "and for its context"
    assert start_thread(process, worker.thread, context) is None
    served: u64 = 0
    while served < PAGES:
        fault = system.receive(endpoint, reply)
        if not fault.is_fault() or fault.label() != u64(Fault.PAGE.value):
            process.exit(1)
        page = fault.w0 // PAGE_SIZE * PAGE_SIZE
        process.console.write(f"page fault at {fault.w0:#x}\n")
        assert map_new(process, OWN_SPACE, process.memory, page, READ | WRITE, 1) is None
        assert system.resume_faulted(reply, Resume.RETRY) is None
        served += 1
    # The worker is less urgent: it goes on while we wait.
    _ = system.receive(endpoint, reply, system.now() + process.frequency // 10)


def thread(process: Process, argument: u64) -> None:
    """Write a word to each page, and add them up."""
    total: u64 = 0
    for page in range(PAGES):
        word = span_at(u64, argument + page * PAGE_SIZE + 8, 1)
        word[0] = page + 1
        total += word[0]
    process.console.write(f"the worker has used {PAGES} pages; the sum is {total}\n")
