"""Random lives of a small system: whoever runs does something; afterwards all invariants hold.

Whatever threads do (with whatever right) may be refused, but nothing else may happen to the kernel: no failed check, no
state that contradicts itself. Arguments are drawn so that operations often succeed: capabilities of the kind that an
operation is about, addresses that are aligned.
"""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from neokernel.abi import boot
from neokernel.abi.call import NEVER, Call, message
from neokernel.abi.fault import Resume
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding, Operation
from neokernel.abi.rights import ALL
from neokernel.kernel import notification, syscall
from neokernel.kernel import thread as threads
from neokernel.kernel.slot import number_of
from neokernel.lang import u64
from tests.kernel.support import ECALL, FREE, Machine

#: the root's slots that threads play with; behind them those of tables of their own
LAST = 90
PLAYED = range(FREE, LAST)

#: what each operation is invoked on, and the kind of the capability that travels
TARGETS: dict[Operation, tuple[Kind, Kind | None]] = {
    Operation.RETYPE: (Kind.MEMORY, None),
    Operation.CLEAR: (Kind.MEMORY, None),
    Operation.MEMORY_INFO: (Kind.MEMORY, None),
    Operation.COPY: (Kind.CAP_TABLE, Kind.NONE),
    Operation.MOVE: (Kind.CAP_TABLE, Kind.NONE),
    Operation.COPY_OUT: (Kind.CAP_TABLE, None),
    Operation.MOVE_OUT: (Kind.CAP_TABLE, None),
    Operation.DELETE: (Kind.CAP_TABLE, None),
    Operation.REVOKE: (Kind.CAP_TABLE, None),
    Operation.INSPECT: (Kind.CAP_TABLE, None),
    Operation.CANCEL_SENDERS: (Kind.CAP_TABLE, None),
    Operation.DENIALS: (Kind.CAP_TABLE, None),
    Operation.MAP: (Kind.ADDRESS_SPACE, Kind.FRAME),
    Operation.INSTALL: (Kind.ADDRESS_SPACE, Kind.PAGE_TABLE),
    Operation.UNMAP: (Kind.FRAME, None),
    Operation.UNINSTALL: (Kind.PAGE_TABLE, None),
    Operation.BIND: (Kind.THREAD, Kind.NONE),
    Operation.UNBIND: (Kind.THREAD, None),
    Operation.START: (Kind.THREAD, None),
    Operation.SUSPEND: (Kind.THREAD, None),
    Operation.RESUME: (Kind.THREAD, None),
    Operation.READ_REGISTERS: (Kind.THREAD, None),
    Operation.WRITE_REGISTERS: (Kind.THREAD, None),
    Operation.SET_FOREIGN: (Kind.THREAD, None),
    Operation.HOLD: (Kind.THREAD, Kind.NOTIFICATION),
    Operation.RELEASE: (Kind.THREAD, None),
    Operation.DISPATCH: (Kind.THREAD, None),
    Operation.THREAD_INFO: (Kind.THREAD, None),
    Operation.CONFIGURE: (Kind.PROCESSOR, Kind.SCHED_CONTEXT),
    Operation.SET_FLOOR: (Kind.PROCESSOR, Kind.THREAD),
    Operation.PROCESSOR_INFO: (Kind.PROCESSOR, None),
    Operation.CONTEXT_INFO: (Kind.SCHED_CONTEXT, None),
    Operation.BIND_INTERRUPT: (Kind.INTERRUPT, Kind.NOTIFICATION),
    Operation.UNBIND_INTERRUPT: (Kind.INTERRUPT, None),
    Operation.ACKNOWLEDGE: (Kind.INTERRUPT, None),
    Operation.PIN: (Kind.DMA_SPACE, Kind.FRAME),
    Operation.UNPIN: (Kind.DMA_SPACE, Kind.FRAME),
    Operation.TRACE_START: (Kind.TRACE, None),
    Operation.TRACE_FRAME: (Kind.TRACE, None),
    Operation.CONSOLE_WRITE: (Kind.PLATFORM, None),
}
#: what BIND binds
BOUND = {
    Binding.SPACE: Kind.ADDRESS_SPACE,
    Binding.TABLE: Kind.CAP_TABLE,
    Binding.BUFFER: Kind.FRAME,
    Binding.HANDLER: Kind.ENDPOINT,
    Binding.CONTEXT: Kind.SCHED_CONTEXT,
    Binding.NOTIFICATION: Kind.NOTIFICATION,
    Binding.FLOATS: Kind.FLOATS,
}
#: the more often named, the likelier
LIKELY = [
    *TARGETS,
    *(Operation.BIND, Operation.MAP, Operation.COPY, Operation.DELETE, Operation.CONFIGURE, Operation.DISPATCH),
    *(Operation.START, Operation.RESUME, Operation.INSTALL, Operation.HOLD),
]
#: drawn as a seed: what Hypothesis draws is mostly small, and would name the same things again and again
numbers = st.integers(0, 1 << 30).map(lambda seed: tuple(random.Random(seed).randrange(1 << 30) for _ in range(5)))


class Lives(RuleBasedStateMachine):
    """`n` in the rules is chance: five numbers, from which everything else is chosen."""

    @initialize(threads=st.integers(1, 4), fast=st.booleans(), tracing=st.booleans())
    def begin(self, threads: int, fast: bool, tracing: bool) -> None:
        self.machine = machine = Machine(1 << 22)
        machine.fast = fast
        root = machine.boot()
        for kind, size, count in (
            (Kind.ENDPOINT, 0, 2), (Kind.REPLY, 0, 3), (Kind.NOTIFICATION, 0, 1), (Kind.NOTIFICATION, 1, 1),
            (Kind.FRAME, 0, 3), (Kind.PAGE_TABLE, 0, 2), (Kind.ADDRESS_SPACE, 0, 1), (Kind.MEMORY, 1 << 18, 1),
            (Kind.CAP_TABLE, 16, 1), (Kind.FLOATS, 0, 1), (Kind.DMA_SPACE, 2, 1), (Kind.TRACE, 1, 1),
        ):  # fmt: skip
            made = machine.make(kind, size, count)
            if kind is Kind.TRACE and tracing:
                machine.invoke(made[0], Operation.TRACE_START, (1 << 10) - 1)
        (spare,) = machine.make(Kind.SCHED_CONTEXT)
        machine.invoke(boot.PROCESSOR, Operation.CONFIGURE, 90, 500, 5000, given=spare)
        for each in range(threads):
            thread, context, frame = (machine.make(kind)[0] for kind in (Kind.THREAD, Kind.SCHED_CONTEXT, Kind.FRAME))
            bindings = [(Binding.TABLE, boot.OWN_TABLE), (Binding.SPACE, boot.OWN_SPACE), (Binding.BUFFER, frame)]
            if each % 3 != 2:  # every third is a server that runs on its clients' time
                machine.invoke(boot.PROCESSOR, Operation.CONFIGURE, 95 + each, 2000, 10_000, given=context)
                bindings.append((Binding.CONTEXT, context))
            for binding, given in bindings:
                assert machine.invoke(thread, Operation.BIND, binding.value, given=given).word == 0
            assert machine.invoke(thread, Operation.START, ECALL, 0x8000, each, 0).word == 0
        endpoint, reply = self.indices(Kind.ENDPOINT)[0], self.indices(Kind.REPLY)[0]
        machine.serve(endpoint, reply, passive=True)
        self.root = root

    # --- choices ------------------------------------------------------------------------------------------------------

    def indices(self, kind: Kind) -> list[int]:
        """Slots of the root's table with a capability of the kind; NONE: with any."""
        found = []
        for index in (*range(1, FREE), *PLAYED):
            slot = self.machine.slot(index)
            if slot.object is not None and kind in (Kind.NONE, Kind(int(number_of(slot)))):
                found.append(index)
        return found

    def choose(self, kind: Kind, chance: int) -> int:
        """Mostly a capability of the kind, now and then any index."""
        found = self.indices(kind)
        if not found or chance % 16 == 0:
            return chance // 16 % (LAST + 2)
        return found[chance // 16 % len(found)]

    def empty(self, chance: int) -> int:
        found = [index for index in PLAYED if self.machine.slot(index).object is None]
        return found[chance % len(found)] if found and chance % 13 else chance % LAST

    def played(self, chance: int) -> int:
        """A slot that may be deleted: without the root's own things there is nobody left."""
        found = [index for index in self.indices(Kind.NONE) if index >= FREE]
        return found[chance % len(found)] if found else FREE

    def deadline(self, chance: int) -> int:
        return (0, NEVER, int(self.machine.hart.cpu.time) + chance % 3000)[chance % 3]

    def payload(self, operation: Operation, n: tuple[int, ...]) -> tuple[int, int, int, int]:
        _, _, a, b, c = n
        match operation:
            case Operation.RETYPE:
                kind = Kind(a % 17)
                size = 0
                if kind in (Kind.CAP_TABLE, Kind.DMA_SPACE, Kind.TRACE):
                    size = 1 << b % 4
                elif kind is Kind.MEMORY:
                    size = 4096 << b % 4
                elif kind in (Kind.NOTIFICATION, Kind.FRAME):
                    size = int(b % 8 == 0)
                return kind.value, size, 1 + c % 2, 0
            case Operation.CLEAR:
                return a % (1 << 16), 0, 0, 0
            case Operation.COPY:
                return self.empty(a), int(ALL) if b % 4 else b & int(ALL), c % 3, 0
            case Operation.MOVE:
                return self.empty(a), 0, 0, 0
            case Operation.DELETE | Operation.REVOKE | Operation.MOVE_OUT:
                return self.played(a), 0, 0, 0
            case Operation.COPY_OUT | Operation.INSPECT:
                return self.choose(Kind.NONE, a), int(ALL) if b % 4 else b & int(ALL), 0, 0
            case Operation.CANCEL_SENDERS:
                return self.choose(Kind.ENDPOINT, a), b % 3, 0, 0
            case Operation.DENIALS:
                return a % 12, 0, 0, 0
            case Operation.MAP:
                return (a % 3) * 4096 + (b % 3) * (1 << 21), (1, 3, 5, 4, 7, 2, 0)[c % 7], 0, 0
            case Operation.INSTALL:
                level = 1 + a % 2
                return (b % 2) << (12 + 9 * level), level, 0, 0
            case Operation.BIND | Operation.UNBIND:
                return a % 7, 0, 0, 0
            case Operation.START:
                return ECALL, 0x8000, a, b
            case Operation.SET_FOREIGN:
                return int(a % 8 == 0), 0, 0, 0
            case Operation.DISPATCH:
                return self.deadline(a), 0, 0, 0
            case Operation.CONFIGURE:
                budget = 100 + a % 1000
                return 95 + c % 10, budget, budget + (b % 3) * 1000, 0
            case Operation.SET_FLOOR:
                return 95 + a % 10 if b % 8 else a % 300, 0, 0, 0
            case Operation.TRACE_START:
                return a % (1 << 10), 0, 0, 0
            case _:
                return a % 5, b, c, 0

    # --- rules --------------------------------------------------------------------------------------------------------

    def runs(self) -> bool:
        return self.machine.hart.current is not None and self.machine.hart.cpu.ended == 0

    def act(self, call: Call, capability: int, word: int, w: tuple[int, ...], reply: int = 0) -> None:
        """Whoever runs makes this call; if it is in the middle of one, it goes on with that."""
        thread = self.machine.current
        assert thread is not None
        if id(thread) in self.machine.restarting:
            self.machine.enter(thread)
        else:
            self.machine.start(thread, call, capability, word, w, reply)

    @precondition(runs)
    @rule(operation=st.sampled_from(LIKELY), n=numbers)
    def operate(self, operation: Operation, n: tuple[int, ...]) -> None:
        target, given = TARGETS[operation]
        capability = self.choose(target, n[0])
        payload = self.payload(operation, n)
        thread = self.machine.current
        assert thread is not None
        if thread.buffer is not None:
            self.machine.window(self.empty(n[1]), 2 + n[1] % 3, thread)
            if operation is Operation.BIND and n[1] % 8:
                given = BOUND[Binding(payload[0])]
            if given is not None:
                self.machine.name(thread, self.choose(given, n[1]))
        word = int(message(u64(operation.value), u64(0), u64(given is not None)))
        self.act(Call.CALL, capability, word, payload)

    @precondition(runs)
    @rule(
        call=st.sampled_from([Call.CALL, Call.CALL, Call.SEND, Call.TRY_SEND, Call.RECEIVE, Call.RECEIVE]),
        again=st.booleans(), length=st.sampled_from([0, 4, 5, 512, 513]), n=numbers,
    )  # fmt: skip
    def talk(self, call: Call, again: bool, length: int, n: tuple[int, ...]) -> None:
        """Messages through endpoints; `again`: REPLY_RECEIVE in place of RECEIVE."""
        thread = self.machine.current
        assert thread is not None
        length = 0 if n[4] % 2 else length
        capabilities = n[3] % 4 if n[3] % 3 == 0 else 0
        if thread.buffer is not None:
            self.machine.window(self.empty(n[2]), n[2] % 5, thread)
            for index in range(4):
                moved = (n[2] >> index & 1 and n[3] % 2) << 31
                self.machine.name_at(thread, index, self.played(n[2] + index * (n[4] % 2)) | moved)
        word = int(message(u64(n[1] % 4), u64(length % 1024), u64(capabilities)))
        reply = self.choose(Kind.REPLY, n[1]) if n[1] % 5 else 0
        if call is Call.RECEIVE:
            if again:
                call = Call.REPLY_RECEIVE
            else:
                word, length = 0, 0
        deadline = self.deadline(n[4])
        self.act(call, self.choose(Kind.ENDPOINT, n[0]), word, (deadline, n[1], n[2], n[3]), reply)

    @precondition(runs)
    @rule(n=numbers, resume=st.sampled_from(Resume))
    def answer(self, n: tuple[int, ...], resume: Resume) -> None:
        self.act(Call.REPLY, 0, resume.value, (ECALL, 0, 0, 0), self.choose(Kind.REPLY, n[0]))

    @precondition(runs)
    @rule(call=st.sampled_from([Call.WAIT, Call.SIGNAL, Call.SIGNAL, Call.YIELD]), n=numbers)
    def signal(self, call: Call, n: tuple[int, ...]) -> None:
        self.act(call, self.choose(Kind.NOTIFICATION, n[0]), 0, (self.deadline(n[1]), 0, 0, 0))

    @precondition(runs)
    @rule(ticks=st.one_of(st.integers(1, 50), st.integers(50, 20_000)))
    def time_passes(self, ticks: int) -> None:
        self.machine.tick(ticks)

    @precondition(runs)
    @rule(line=st.integers(0, 6))
    def interrupt(self, line: int) -> None:
        self.machine.interrupt(line)

    @precondition(runs)
    @rule(cause=st.sampled_from([0, 1, 2, 2, 3, 5, 6, 12, 13, 15]), value=st.integers(0, (1 << 64) - 1))
    def fault(self, cause: int, value: int) -> None:
        thread = self.machine.current
        assert thread is not None
        if id(thread) not in self.machine.restarting:
            self.machine.trap(thread, cause, value)

    @precondition(runs)
    @rule(pending=st.booleans())
    def an_interrupt_is_pending(self, pending: bool) -> None:
        """Then long operations give way after each step."""
        self.machine.hart.cpu.pending = pending

    @precondition(lambda self: not self.runs())
    @rule()
    def revive(self) -> None:
        """Nobody is left who could run: as from outside, the root is stopped and goes on."""
        hart = self.machine.hart
        hart.cpu.ended = u64(0)
        threads.halt(hart, self.root)
        self.root.registers.foreign = type(self.root.registers.foreign)(0)
        for binding, index in ((Binding.CONTEXT, boot.OWN_CONTEXT), (Binding.TABLE, boot.OWN_TABLE)):
            if self.root.bindings[binding.value].object is None:
                self.machine.bind_root(binding, index)
        notification.go_on(hart, self.root)
        syscall.leave(hart, self.root)

    @invariant()
    def the_state_is_sound(self) -> None:
        if hasattr(self, "machine"):
            self.machine.check()


TestLives = Lives.TestCase
TestLives.settings = settings(max_examples=20, stateful_step_count=40)


def walk(seed: int, steps: int) -> None:
    """The same rules in an order and with arguments that a seed says: many more steps in the same time."""
    chance = random.Random(seed)
    lives: Any = Lives()

    def spread() -> tuple[int, ...]:
        return tuple(chance.randrange(1 << 30) for _ in range(5))

    lives.begin(chance.randint(1, 4), chance.random() < 0.5, chance.random() < 0.5)
    talks = [Call.CALL, Call.CALL, Call.SEND, Call.TRY_SEND, Call.RECEIVE, Call.RECEIVE]
    signals = [Call.WAIT, Call.SIGNAL, Call.SIGNAL, Call.YIELD]
    causes = [0, 1, 2, 2, 3, 5, 6, 12, 13, 15]
    for _ in range(steps):
        if not lives.runs():
            lives.revive()
        else:
            match chance.choices(range(8), (45, 20, 8, 7, 10, 2, 5, 3))[0]:
                case 0:
                    lives.operate(chance.choice(LIKELY), spread())
                case 1:
                    length = chance.choice([0, 4, 5, 512, 513])
                    lives.talk(chance.choice(talks), chance.random() < 0.5, length, spread())
                case 2:
                    lives.answer(spread(), chance.choice([*Resume]))
                case 3:
                    lives.signal(chance.choice(signals), spread())
                case 4:
                    lives.time_passes(chance.randint(1, 50) if chance.random() < 0.5 else chance.randint(50, 20_000))
                case 5:
                    lives.interrupt(chance.randint(0, 6))
                case 6:
                    lives.fault(chance.choice(causes), chance.getrandbits(64))
                case _:
                    lives.an_interrupt_is_pending(chance.random() < 0.5)
        lives.the_state_is_sound()


@pytest.mark.parametrize("seed", range(10))
def test_walks(seed: int) -> None:
    walk(seed, 150)
