"""A thread of the own process that faults on purpose, and a loop that hears of it: what can this process reach?

The thread is held: it runs when it is dispatched, on the time of who probes, and needs no right to the processor. Its
faults come to an endpoint of its own process, which says where it goes on.
"""

from __future__ import annotations

from neokernel.abi.boot import OWN_SPACE
from neokernel.abi.call import NEVER, NOW
from neokernel.abi.fault import Fault, Resume
from neokernel.abi.kinds import PAGE_SIZE, Kind
from neokernel.abi.operations import Binding, Stop
from neokernel.abi.rights import EXECUTE, READ, SEND, SIGNAL, WRITE
from neokernel.lang import Array, Atomic, Span, array, asm, object_at, span_at, struct, u32, u64, unsafe
from neokernel.runtime import system
from neokernel.runtime.must import must, must_get
from neokernel.runtime.process import Process
from neokernel.runtime.space import map_at, map_new
from neokernel.runtime.thread import make_thread

unsafe("it touches addresses that it mustn't, and writes instructions: that is what it is for")

SHARED = 0x10_0000_0000
CODE: u64 = 0x11_0000_0000
#: what is done at an address
LOAD: u64 = 0
#: a byte is read, and written back
STORE: u64 = 1
#: called: what is there is executed
JUMP: u64 = 2
#: a system call with that number
ENTER: u64 = 3
#: of `Prober.probe`: nothing faulted; otherwise a number of `Fault`
FINE: u64 = 0
RETURN: u32 = 0x0000_8067
INSTRUCTION: u64 = 4
#: instructions that one page has room for, each with a return behind it
IN_PAGE = 512


@struct
class Shared:
    """What the thread is to do."""

    what: Atomic[u64] = Atomic(0)
    address: Atomic[u64] = Atomic(0)


def shared() -> Shared:
    return object_at(Shared, SHARED)


def act(what: u64, address: u64) -> None:
    """Four bytes for each instruction, so one knows where the next one is."""
    if what == LOAD:
        asm(".option push\n.option norvc\nlb t0, 0({0})\n.option pop", address, clobbers="t0 memory")
    elif what == STORE:
        asm(".option push\n.option norvc\nlb t0, 0({0})\nsb t0, 0({0})\n.option pop", address, clobbers="t0 memory")
    elif what == JUMP:
        asm(
            ".option push\n.option norvc\njalr ra, 0(t0)\n.option pop",
            address,
            inputs="t0",
            clobbers="a0 a1 a2 a3 a4 a5 a6 a7 ra t0 t1 t2 t3 t4 t5 t6 memory",
        )
    else:
        asm("ecall", address, inputs="a7", clobbers="a0 a1 a2 a3 a4 a5 a6 a7 ra t0 t1 t2 t3 t4 t5 t6 memory")


def probing() -> None:
    """What the thread does, for good."""
    while True:
        work = shared()
        act(work.what.load(), work.address.load())
        system.yield_()


@struct
class Prober:
    process: Process
    thread: u64 = 0
    events: u64 = 0
    reply: u64 = 0
    registers: Array[u64] = array(32)

    def begin(self, argument: u64) -> None:
        process = self.process
        must(map_new(process, OWN_SPACE, process.memory, SHARED, READ | WRITE, 1))
        self.events, self.reply = must_get(process.make(Kind.ENDPOINT)), must_get(process.make(Kind.REPLY))
        made = must_get(make_thread(process, argument, 0))
        self.thread = made.thread
        must(system.unbind(made.thread, Binding.HANDLER))
        handler = must_get(process.derive(self.events, SEND, 1))
        must(system.bind(process.buffer, made.thread, Binding.HANDLER, handler))
        ready = must_get(process.derive(must_get(process.make(Kind.NOTIFICATION)), SIGNAL, 1))
        must(system.hold(process.buffer, made.thread, ready))

    def probe(self, what: u64, address: u64) -> u64:
        """FINE, or the first fault."""
        work = shared()
        work.what.store(what)
        work.address.store(address)
        first = FINE
        while True:
            stop = must_get(system.dispatch(self.thread, NEVER))
            if stop is Stop.YIELDED:
                return first
            assert stop is Stop.FAULTED, "nobody else stops it"
            report = must_get(system.receive(self.events, self.reply, NOW))
            assert report.is_fault()
            if first == FINE:
                first = report.label()
            self.go_on(report.label(), report.w1)

    def go_on(self, fault: u64, counter: u64) -> None:
        """Behind the instruction; where nothing could be executed, with who has jumped there."""
        if fault == u64(Fault.SYSTEM_CALL.value):
            must(system.resume_faulted(self.reply, Resume.SKIP))
            return
        after, work = counter, shared()
        if work.what.load() == JUMP and not CODE <= counter < CODE + PAGE_SIZE:
            must(system.read_registers(self.process.buffer, self.thread, self.registers))
            after = self.registers[1]
        else:
            after += INSTRUCTION
        must(system.resume_faulted(self.reply, Resume.SKIP, after))

    # --- instructions -------------------------------------------------------------------------------------------------

    def write(self, words: Span[u32], count: u64) -> u64:
        """Put instructions into a page, each with a return behind it: the index of its frame."""
        process = self.process
        frame = must_get(process.make(Kind.FRAME))
        must(map_at(process, OWN_SPACE, process.memory, CODE, READ | WRITE, frame))
        page = span_at(u32, CODE, 2 * IN_PAGE)
        for place in range(count):
            page[2 * place] = words[place]
            page[2 * place + 1] = RETURN
        must(system.unmap(frame))
        must(map_at(process, OWN_SPACE, process.memory, CODE, READ | EXECUTE, frame))
        return frame

    def execute(self, place: u64) -> u64:
        """The instruction at that place of the page."""
        return self.probe(JUMP, CODE + place * 8)
