"""A call by an interface, beside the bare `ecall` of the same message.

The root program is the client; the servers are processes of this program: one answers by hand, with nothing between its
`ecall`s but what the count takes, the other one by the dispatcher. So three round trips tell what each side adds:

    bare → bare      the kernel's part
    bare → typed     and what the server does in user mode
    typed → typed    and what the client does

Of a side, everything in user mode counts: putting a call's arguments into registers, too, and looking at its result.
"""

from __future__ import annotations

from typing import Protocol

from neokernel.abi.boot import OWN_CONTEXT, PROCESSOR
from neokernel.abi.call import NEVER, Call, message, status_of
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding
from neokernel.abi.rights import RECEIVE, SEND
from neokernel.lang import Provides, Uses, asm, interface, provides, struct, u32, u64, unsafe, uses, value, wrapping_add
from neokernel.runtime import system
from neokernel.runtime.child import Child
from neokernel.runtime.interface import version_of
from neokernel.runtime.must import must, must_get
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure

unsafe("the counter is read next to the `ecall`")

ROUNDS = 64
WARM = 4
EQUAL = 128
ABOVE = 200
NAME = b"interfaces"
#: the method's number
ADD = 3
BARE = 1
TYPED = 2
#: no budget ends before, in the machine's time
SECONDS = 1000


@interface
class Sums(Protocol):
    """Of several methods, the one that is measured is neither the first nor the last."""

    def clear(self) -> Failure | None: ...
    def is_clear(self) -> bool | Failure: ...
    def add(self, a: u64, b: u64) -> u64 | Failure: ...
    def sum(self) -> u64 | Failure: ...
    def take(self, numbers: u32) -> u64 | Failure: ...


@struct
class Adder:
    latest: u64 = 0

    def clear(self) -> None:
        self.latest = 0

    def is_clear(self) -> bool:
        return self.latest == 0

    def add(self, a: u64, b: u64) -> u64:
        self.latest = wrapping_add(a, b)
        return self.latest

    def sum(self) -> u64:
        return self.latest

    def take(self, numbers: u32) -> u64:
        return self.latest // (u64(numbers) + 1)


@value
class Timed:
    """What a call brought, and the counts before the `ecall` and behind it. The first reading counts itself."""

    word: u64
    w0: u64
    w1: u64
    before: u64
    after: u64


def main(process: Process) -> None:
    if not process.is_root:
        serve(process)
        return
    ticks = process.frequency * SECONDS
    must(system.configure(process.buffer, PROCESSOR, EQUAL, ticks, ticks, OWN_CONTEXT))
    bare, typed = server(process, BARE), server(process, TYPED)
    kernel = bare_to_bare(bare)
    served = bare_to_typed(typed)
    called = typed_to_typed(typed)
    report(process, "kernel", kernel)
    report(process, "server", served - kernel)
    report(process, "client", called - served)
    report(process, "round_trip", called)


def server(process: Process, role: u64) -> u64:
    """A server on its client's time: the endpoint."""
    endpoint = must_get(process.make(Kind.ENDPOINT))
    child = Child()
    must(child.create(process, NAME, must_get(process.make(Kind.ENDPOINT)), 1 << 19))
    child.arguments[0] = role
    child.arguments[1] = must_get(child.grant(process, endpoint, RECEIVE))
    child.arguments[2] = must_get(child.make(process, Kind.REPLY))
    child.own_memory = must_get(child.make(process, Kind.MEMORY, 64 << 10))
    ticks = process.frequency * SECONDS
    must(child.start(process, ABOVE, ticks, ticks))
    must(system.unbind(child.thread, Binding.CONTEXT))
    return must_get(process.derive(endpoint, SEND, 1))


def report(process: Process, name: str, total: u64) -> None:
    process.console.write(f"= {name} {total // ROUNDS}\n")
    assert total % ROUNDS == 0, "each round takes as many instructions as the others"


def serve(process: Process) -> None:
    endpoint, reply = process.arguments[1], process.arguments[2]
    if process.arguments[0] == TYPED:
        sums: Provides[Sums] = provides(endpoint)
        adder = Adder()
        _ = sums.serve(process, adder)
    got = answer(Call.RECEIVE, endpoint, reply, 0, NEVER)
    while True:
        got = answer(Call.REPLY_RECEIVE, endpoint, reply, message(0, 1), got.after)


def answer(call: Call, endpoint: u64, reply: u64, word: u64, w0: u64) -> Timed:
    """Answer, and receive. The count before the `ecall` is the answer's second word."""
    _, arrived, r0, r1, after = asm(
        "rdinstret a3\necall\nrdinstret t0",
        u64(call.value),
        endpoint,
        word,
        w0,
        reply,
        inputs="a7 a0 a1 a2 a6",
        results="a0 a1 a2 a3 t0",
        clobbers="a4 a5 a6 a7 ra t1 t2 t3 t4 t5 t6 memory",
    )
    return Timed(arrived, r0, r1, 0, after)


def timed(endpoint: u64, word: u64, a: u64, b: u64) -> Timed:
    _, answered, r0, r1, before, after = asm(
        "rdinstret s2\necall\nrdinstret t0",
        u64(Call.CALL.value),
        endpoint,
        word,
        a,
        b,
        inputs="a7 a0 a1 a2 a3",
        results="a0 a1 a2 a3 s2 t0",
        clobbers="a4 a5 a6 a7 ra t1 t2 t3 t4 t5 t6 memory",
    )
    assert status_of(answered) == 0, "the call has failed"
    return Timed(answered, r0, r1, before, after)


def bare_to_bare(endpoint: u64) -> u64:
    """Of the two halves, what lies between the last reading before and the first behind."""
    total: u64 = 0
    for round in range(u64(0), u64(ROUNDS + WARM)):
        got = timed(endpoint, message(1, 2), round, 5)
        if round >= WARM:
            total += (got.w0 - got.before - 1) + (got.after - got.w1 - 1)
    return total


def bare_to_typed(endpoint: u64) -> u64:
    probe: Uses[Sums] = uses(endpoint)
    assert must_get(probe.add(1, 2)) == 3
    word = message(version_label(endpoint), 2)
    total: u64 = 0
    for round in range(u64(0), u64(ROUNDS + WARM)):
        got = timed(endpoint, word, round, 5)
        assert got.word == message(0, 1) and got.w0 == round + 5
        if round >= WARM:
            total += got.after - got.before - 1
    return total


def version_label(endpoint: u64) -> u64:
    """The label of `add`."""
    return must_get(version_of(endpoint)) >> 40 << 8 | ADD


def typed_to_typed(endpoint: u64) -> u64:
    sums: Uses[Sums] = uses(endpoint)
    total: u64 = 0
    for round in range(u64(0), u64(ROUNDS + WARM)):
        before = system.instructions()
        found = sums.add(round, 5)
        if isinstance(found, Failure):
            break
        after = system.instructions()
        assert found == round + 5
        if round >= WARM:
            total += after - before - 1
    return total
