"""The fast path of handlers of faults, specified: those of calls and signals are in `messages` and `notifications`.

Each function is a statement about all arguments and all states that its `requires` allow. `nk prove` proves it, and
tests run it.
"""

from neokernel.abi.call import label_of
from neokernel.abi.fault import Fault, Resume
from neokernel.kernel.fast import reply_fault
from neokernel.kernel.objects import Endpoint, Hart, Reply, SchedContext, State, Thread
from neokernel.lang import requires, u64


def a_handlers_answer(
    hart: Hart,
    server: Thread,
    endpoint: Endpoint,
    caller: Thread,
    reply: Reply,
    time: SchedContext,
    capability: u64,
    word: u64,
    w0: u64,
    w1: u64,
    w2: u64,
    w3: u64,
    index: u64,
) -> None:
    """Who has faulted has its time back and goes on: where it was, or where the handler says; but not after a system
    call, whose results it would lack."""
    requires(hart.current is server and server.context is time and server.reply is reply)
    requires(server.endpoint is endpoint and reply.caller is caller and caller.faulted)
    requires(caller.state is State.REPLIED and reply.below is not reply)
    below, first, pc, label = reply.below, time.top is reply, caller.registers.pc, label_of(word)
    called, skip = label_of(caller.message) == u64(Fault.SYSTEM_CALL.value), label == u64(Resume.SKIP.value)
    simple = label == u64(Resume.RETRY.value) or (skip and not called)
    reply_fault(capability, word, w0, w1, w2, w3, index, server)
    if first and simple and caller.space.translation != 0:
        assert hart.current is caller and caller.state is State.RUNNABLE and not caller.faulted
        assert caller.registers.pc == (w0 if skip else pc) and caller.context is time and time.thread is caller
        assert reply.caller is None and time.top is below
        assert server.context is None and server.state is State.RECEIVING and endpoint.receivers.tail is server
    else:
        assert hart.current is server and caller.state is State.REPLIED and caller.faulted
        assert caller.registers.pc == pc and reply.caller is caller and server.context is time
