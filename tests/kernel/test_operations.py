"""Every operation of every object, at the boundary: what is refused, why, and that nothing has changed; what is done.

The table of refusals names capabilities by words; `Bench` makes what they name when it is asked. "weak x" is a copy of
x without rights, "deep x" one from which nothing can be derived any more.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest

from neokernel.abi import boot, call
from neokernel.abi.boot import ROOT_SLOTS
from neokernel.abi.call import NEVER, NOW, Call
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding, Operation
from neokernel.abi.rights import ALL, DMA, EXECUTE, GRANT, READ, RECEIVE, SEND, SIGNAL, WAIT, WRITE
from neokernel.abi.status import FIRST, FOURTH, INVOKED, REPLY, SECOND, THIRD, TRAVELLING, WINDOW, WORD, Status
from neokernel.arch import cpu
from neokernel.kernel.objects import MAXIMUM_DEPTH
from tests.kernel.support import INTERRUPTS, MEMORY, PAGE, Machine, u64

#: a slot that stays empty, and one that no table has
EMPTY = ROOT_SLOTS - 1
BEYOND = ROOT_SLOTS
EVERYTHING = int(ALL)
RW = int(READ | WRITE)

SIZES = {Kind.MEMORY: 16 * PAGE, Kind.CAP_TABLE: 4, Kind.DMA_SPACE: 2, Kind.TRACE: 1}
OWN = {
    "own table": boot.OWN_TABLE,
    "own space": boot.OWN_SPACE,
    "own thread": boot.OWN_THREAD,
    "own context": boot.OWN_CONTEXT,
    "processor": boot.PROCESSOR,
    "platform": boot.PLATFORM,
    "all memory": MEMORY,
    "interrupt": INTERRUPTS,
}


class Bench:
    """A machine, and the capabilities that a case names."""

    def __init__(self, size: int = 1 << 23) -> None:
        self.machine = Machine(size)
        self.machine.boot()
        self.made: dict[str, int] = dict(OWN)

    def __getitem__(self, name: str | int) -> int:
        """The index of the capability."""
        if isinstance(name, int):
            return name
        if name not in self.made:
            self.made[name] = self.make(name)
        return self.made[name]

    def make(self, name: str) -> int:
        how, _, rest = name.partition(" ")
        match how:
            case "weak":
                return self.copy(self[rest], 0)
            case "without":
                lacking, _, of = rest.partition(" ")
                rights = {"send": SEND, "receive": RECEIVE, "grant": GRANT, "signal": SIGNAL, "wait": WAIT, "dma": DMA}
                return self.copy(self[of], EVERYTHING & ~int(rights[lacking]))
            case "badged":
                return self.copy(self[rest], EVERYTHING, 50)
            case "deep":
                index = self[rest]
                while self.machine.slot(index).depth < MAXIMUM_DEPTH:
                    index = self.copy(index, EVERYTHING)
                return index
            case "another":
                return self.make(rest)
        return self.make_used(name)

    def make_used(self, name: str) -> int:
        """An object that is in use, or a new one."""
        match name:
            case "large frame":
                return self.machine.make(Kind.FRAME, 1)[0]
            case "device frame":
                return self.machine.make(Kind.FRAME, memory=self.machine.grant_device(0x1000_0000, PAGE))[0]
            case "pinned frame":
                self.do("dma_space", Operation.PIN, given="another frame")
                return self.made.pop("another frame")
            case "mapped frame":
                _ = self["lowest table"]
                self.do("own space", Operation.MAP, 0x1000, RW, given="frame")
                return self.made.pop("frame")
            case "middle table":
                self.do("own space", Operation.INSTALL, 0, 2, given="page_table")
                return self.made.pop("page_table")
            case "lowest table":
                _ = self["middle table"]
                self.do("own space", Operation.INSTALL, 0, 1, given="page_table")
                return self.made.pop("page_table")
            case "filled table":
                _ = self["mapped frame"]
                self.do("lowest table", Operation.UNINSTALL)
                return self["lowest table"]
            case "bound notification":
                self.do("own thread", Operation.BIND, Binding.NOTIFICATION.value, given="notification")
                return self.made.pop("notification")
            case "bound interrupt":
                self.do(INTERRUPTS + 1, Operation.BIND_INTERRUPT, given="notification")
                return INTERRUPTS + 1
            case "held thread":
                self.do("thread", Operation.HOLD, given="notification")
                self.do("thread", Operation.RESUME)
                return self.made.pop("thread")
            case "full dma_space":
                for frame in self.machine.make(Kind.FRAME, 0, 2):
                    self.do("another dma_space", Operation.PIN, given=frame)
                return self.made.pop("another dma_space")
        kind = Kind[name.upper()]
        return self.machine.make(kind, SIZES.get(kind, 0))[0]

    def copy(self, source: int, rights: int, badge: int = 0) -> int:
        index, self.machine.next_slot = self.machine.next_slot, self.machine.next_slot + 1
        self.do("own table", Operation.COPY, index, rights, badge, given=source)
        return index

    def do(self, target: str | int, operation: Operation, *w: int, given: str | int | None = None) -> tuple[int, ...]:
        """An operation that succeeds; gives the payload."""
        index = self[target]
        travelling = None if given is None else self[given]
        done = self.machine.invoke(index, operation, *w, given=travelling)
        assert done.failure == (Status.OK, 0), f"{operation.name} of {target}: {done.failure}"
        return done.words

    def state(self) -> list[tuple[Any, ...]]:
        """What the capabilities of the root are, where they stand, and who uses them."""
        return [
            (index, id(slot.object), slot.word, slot.rights, slot.flags, slot.depth, id(slot.holder), slot.entry)
            for index, slot in enumerate(self.machine.table.slots)
            if slot.object is not None
        ]


@pytest.fixture
def bench() -> Bench:
    return Bench()


# --- refusals ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Refusal:
    """An operation, and the status and argument with which it is refused."""

    target: str | int
    operation: Operation
    w: tuple[str | int, ...]
    given: str | int | None
    status: Status
    argument: int
    #: the receive window, and whether the caller has a buffer at all
    window: tuple[int, int] = (EMPTY, 1)
    buffer: bool = True
    #: what must have been made before
    after: tuple[str, ...] = ()

    def __str__(self) -> str:
        words = [str(word) if isinstance(word, str) else f"{word:#x}" for word in self.w]
        given = [] if self.given is None else [f"({self.given})"]
        why = [] if self.window == (EMPTY, 1) and self.buffer else [f"window={self.window}" if self.buffer else "bare"]
        return " ".join([str(self.target), self.operation.name, *words, *given, *why, *self.after, self.status.name])


OP, S = Operation, Status
KINDS_OF_BINDINGS = {
    Binding.SPACE: "address_space",
    Binding.TABLE: "cap_table",
    Binding.BUFFER: "frame",
    Binding.HANDLER: "endpoint",
    Binding.CONTEXT: "sched_context",
    Binding.NOTIFICATION: "notification",
    Binding.FLOATS: "floats",
}

MEMORIES = [
    Refusal("weak memory", OP.RETYPE, (1, 0, 1), None, S.MISSING_RIGHT, INVOKED),
    Refusal("memory", OP.MAP, (), None, S.WRONG_KIND, INVOKED),
    Refusal("memory", OP.RETYPE, (17, 0, 1), None, S.OUT_OF_RANGE, FIRST),
    Refusal("memory", OP.RETYPE, (Kind.PROCESSOR.value, 0, 1), None, S.OUT_OF_RANGE, FIRST),
    Refusal("memory", OP.RETYPE, (Kind.FRAME.value, 2, 1), None, S.OUT_OF_RANGE, SECOND),
    Refusal("memory", OP.RETYPE, (1, 0, 1, 1), None, S.OUT_OF_RANGE, FOURTH),
    Refusal("memory", OP.RETYPE, (Kind.FRAME.value, 1, 1), None, S.OUT_OF_MEMORY, INVOKED),
    Refusal("memory", OP.RETYPE, (1, 0, 2), None, S.NO_WINDOW, WINDOW),
    Refusal("memory", OP.RETYPE, (1, 0, 1), None, S.OCCUPIED, WINDOW, window=(1, 1)),
    Refusal("memory", OP.RETYPE, (1, 0, 1), None, S.NO_BUFFER, WINDOW, buffer=False),
    Refusal("deep memory", OP.RETYPE, (1, 0, 1), None, S.UNDERIVABLE, INVOKED),
    Refusal("without dma memory", OP.RETYPE, (Kind.DMA_SPACE.value, 1, 1), None, S.MISSING_RIGHT, INVOKED),
    Refusal("memory", OP.CLEAR, (1 << 40,), None, S.OUT_OF_RANGE, FIRST),
]

TABLES = [
    Refusal("weak own table", OP.COPY, (EMPTY, EVERYTHING), "endpoint", S.MISSING_RIGHT, INVOKED),
    Refusal("own table", OP.RETYPE, (1, 0, 1), None, S.WRONG_KIND, INVOKED),
    Refusal("own table", OP.MAP, (0, 1), "frame", S.WRONG_KIND, INVOKED),
    *(Refusal("own table", each, (BEYOND,), None, S.OUT_OF_RANGE, FIRST) for each in OP if 4 <= each.value <= 10),
    Refusal("own table", OP.COPY, (1, EVERYTHING), "endpoint", S.OCCUPIED, FIRST),
    Refusal("own table", OP.COPY, (EMPTY, EVERYTHING), None, S.NO_CAPABILITY, TRAVELLING),
    Refusal("own table", OP.COPY, (EMPTY, EVERYTHING), EMPTY, S.NO_CAPABILITY, TRAVELLING),
    Refusal("own table", OP.COPY, (EMPTY, EVERYTHING), BEYOND, S.NO_CAPABILITY, TRAVELLING),
    Refusal("own table", OP.COPY, (EMPTY, EVERYTHING + 1), "endpoint", S.OUT_OF_RANGE, SECOND),
    Refusal("own table", OP.COPY, (EMPTY, EVERYTHING, 5), "memory", S.BADGED, THIRD),
    Refusal("own table", OP.COPY, (EMPTY, EVERYTHING, 5), "badged endpoint", S.BADGED, THIRD),
    Refusal("own table", OP.COPY, (EMPTY, EVERYTHING), "deep endpoint", S.UNDERIVABLE, TRAVELLING),
    Refusal("own table", OP.COPY, (EMPTY, EVERYTHING), "endpoint", S.NO_BUFFER, WORD, buffer=False),
    Refusal("own table", OP.MOVE, (1,), "endpoint", S.OCCUPIED, FIRST),
    Refusal("own table", OP.MOVE, (EMPTY,), None, S.NO_CAPABILITY, TRAVELLING),
    Refusal("own table", OP.MOVE, (EMPTY,), "all memory", S.HAS_CHILDREN, TRAVELLING, after=("endpoint",)),
    Refusal("own table", OP.MOVE, (EMPTY,), "pinned frame", S.PINNED, TRAVELLING),
    Refusal("own table", OP.COPY_OUT, (EMPTY, EVERYTHING), None, S.NO_CAPABILITY, FIRST),
    Refusal("own table", OP.COPY_OUT, ("endpoint", EVERYTHING + 1), None, S.OUT_OF_RANGE, SECOND),
    Refusal("own table", OP.COPY_OUT, ("endpoint", EVERYTHING), None, S.NO_WINDOW, WINDOW, window=(EMPTY, 0)),
    Refusal("own table", OP.COPY_OUT, ("endpoint", EVERYTHING), None, S.NO_WINDOW, WINDOW, window=(BEYOND, 1)),
    Refusal("own table", OP.COPY_OUT, ("endpoint", EVERYTHING), None, S.NO_WINDOW, WINDOW, window=(1, 1)),
    Refusal("own table", OP.COPY_OUT, ("endpoint", EVERYTHING), None, S.NO_WINDOW, WINDOW, buffer=False),
    Refusal("own table", OP.COPY_OUT, ("deep endpoint", EVERYTHING), None, S.UNDERIVABLE, FIRST),
    Refusal("own table", OP.MOVE_OUT, (EMPTY,), None, S.NO_CAPABILITY, FIRST),
    Refusal("own table", OP.MOVE_OUT, ("endpoint",), None, S.NO_WINDOW, WINDOW, window=(EMPTY, 0)),
    Refusal("own table", OP.MOVE_OUT, ("all memory",), None, S.HAS_CHILDREN, FIRST, after=("endpoint",)),
    Refusal("own table", OP.MOVE_OUT, ("pinned frame",), None, S.PINNED, FIRST),
    Refusal("own table", OP.DELETE, ("pinned frame",), None, S.PINNED, FIRST),
]

SPACES = [
    Refusal("weak own space", OP.MAP, (0x1000, 1), "frame", S.MISSING_RIGHT, INVOKED),
    Refusal("own space", OP.PIN, (), "frame", S.WRONG_KIND, INVOKED),
    Refusal("own space", OP.MAP, (0x1000, 1), None, S.NO_CAPABILITY, TRAVELLING),
    Refusal("own space", OP.MAP, (0x1000, 1), "endpoint", S.WRONG_KIND, TRAVELLING),
    Refusal("own space", OP.MAP, (cpu.USER_END, 1), "frame", S.OUT_OF_RANGE, FIRST),
    Refusal("own space", OP.MAP, (0x1001, 1), "frame", S.MISALIGNED, FIRST),
    Refusal("own space", OP.MAP, (0x1000, 1), "large frame", S.MISALIGNED, FIRST),
    *(
        Refusal("own space", OP.MAP, (0x1000, int(rights)), "frame", S.OUT_OF_RANGE, SECOND)
        for rights in (0, WRITE, WRITE | EXECUTE, READ | WRITE | EXECUTE, READ | SEND)
    ),
    Refusal("own space", OP.MAP, (0x1000, 1), "weak frame", S.MISSING_RIGHT, TRAVELLING),
    Refusal("own space", OP.MAP, (0x1000, int(EXECUTE)), "device frame", S.MISSING_RIGHT, TRAVELLING),
    Refusal("own space", OP.MAP, (0x2000, 1), "mapped frame", S.OCCUPIED, TRAVELLING),
    Refusal("own space", OP.MAP, (0x2000, 1), "pinned frame", S.OCCUPIED, TRAVELLING),
    Refusal("own space", OP.MAP, (0x1000, 1), "frame", S.NO_PAGE_TABLE, FIRST),
    Refusal("own space", OP.MAP, (0x1000, 1), "frame", S.NO_PAGE_TABLE, FIRST, after=("middle table",)),
    Refusal("own space", OP.MAP, (0x1000, 1), "another frame", S.OCCUPIED, FIRST, after=("mapped frame",)),
    Refusal("own space", OP.MAP, (0, 1), "large frame", S.OCCUPIED, FIRST, after=("lowest table",)),
    Refusal("own space", OP.INSTALL, (0, 2), None, S.NO_CAPABILITY, TRAVELLING),
    Refusal("own space", OP.INSTALL, (0, 2), "frame", S.WRONG_KIND, TRAVELLING),
    Refusal("own space", OP.INSTALL, (0, 2), "weak page_table", S.MISSING_RIGHT, TRAVELLING),
    Refusal("own space", OP.INSTALL, (0, 0), "page_table", S.OUT_OF_RANGE, SECOND),
    Refusal("own space", OP.INSTALL, (0, 3), "page_table", S.OUT_OF_RANGE, SECOND),
    Refusal("own space", OP.INSTALL, (cpu.USER_END, 2), "page_table", S.OUT_OF_RANGE, FIRST),
    Refusal("own space", OP.INSTALL, (1 << 21, 2), "page_table", S.MISALIGNED, FIRST),
    Refusal("own space", OP.INSTALL, (1 << 12, 1), "page_table", S.MISALIGNED, FIRST),
    Refusal("own space", OP.INSTALL, (0, 1), "page_table", S.NO_PAGE_TABLE, FIRST),
    Refusal("own space", OP.INSTALL, (1 << 30, 2), "middle table", S.OCCUPIED, TRAVELLING),
    Refusal("own space", OP.INSTALL, (0, 2), "page_table", S.OCCUPIED, FIRST, after=("middle table",)),
    Refusal("own space", OP.INSTALL, (0, 1), "page_table", S.OCCUPIED, FIRST, after=("lowest table",)),
    Refusal("own space", OP.INSTALL, (1 << 30, 2), "filled table", S.WRONG_STATE, TRAVELLING),
    Refusal("frame", OP.UNMAP, (), None, S.WRONG_STATE, INVOKED),
    Refusal("frame", OP.UNINSTALL, (), None, S.WRONG_KIND, INVOKED),
    Refusal("pinned frame", OP.UNMAP, (), None, S.OCCUPIED, INVOKED),
    Refusal("page_table", OP.UNINSTALL, (), None, S.WRONG_STATE, INVOKED),
    Refusal("page_table", OP.UNMAP, (), None, S.WRONG_KIND, INVOKED),
    Refusal("weak middle table", OP.UNINSTALL, (), None, S.MISSING_RIGHT, INVOKED),
]

THREADS = [
    Refusal("weak thread", OP.START, (), None, S.MISSING_RIGHT, INVOKED),
    Refusal("thread", OP.PIN, (), None, S.WRONG_KIND, INVOKED),
    Refusal("thread", OP.BIND, (7,), "floats", S.OUT_OF_RANGE, FIRST),
    *(Refusal("thread", OP.BIND, (each.value,), None, S.NO_CAPABILITY, TRAVELLING) for each in Binding),
    *(Refusal("thread", OP.BIND, (each.value,), "reply", S.WRONG_KIND, TRAVELLING) for each in Binding),
    *(
        Refusal("thread", OP.BIND, (each.value,), f"weak {kind}", S.MISSING_RIGHT, TRAVELLING)
        for each, kind in KINDS_OF_BINDINGS.items()
    ),
    Refusal("thread", OP.BIND, (Binding.BUFFER.value,), "large frame", S.WRONG_KIND, TRAVELLING),
    Refusal("thread", OP.BIND, (Binding.BUFFER.value,), "device frame", S.WRONG_KIND, TRAVELLING),
    Refusal("thread", OP.BIND, (Binding.CONTEXT.value,), "own context", S.OCCUPIED, TRAVELLING),
    Refusal("thread", OP.BIND, (Binding.NOTIFICATION.value,), "bound notification", S.OCCUPIED, TRAVELLING),
    Refusal("own thread", OP.BIND, (Binding.SPACE.value,), "address_space", S.OCCUPIED, FIRST),
    Refusal("held thread", OP.BIND, (Binding.CONTEXT.value,), "sched_context", S.OCCUPIED, FIRST),
    Refusal("thread", OP.BIND, (Binding.HANDLER.value,), "deep endpoint", S.UNDERIVABLE, TRAVELLING),
    Refusal("thread", OP.UNBIND, (7,), None, S.OUT_OF_RANGE, FIRST),
    *(Refusal("thread", OP.UNBIND, (each.value,), None, S.WRONG_STATE, FIRST) for each in Binding),
    Refusal("own thread", OP.START, (), None, S.WRONG_STATE, INVOKED),
    Refusal("own thread", OP.RESUME, (), None, S.WRONG_STATE, INVOKED),
    Refusal("thread", OP.SUSPEND, (), None, S.WRONG_STATE, INVOKED),
    Refusal("own thread", OP.READ_REGISTERS, (), None, S.WRONG_STATE, INVOKED),
    Refusal("thread", OP.READ_REGISTERS, (), None, S.NO_BUFFER, WORD, buffer=False),
    Refusal("own thread", OP.WRITE_REGISTERS, (), None, S.WRONG_STATE, INVOKED),
    Refusal("thread", OP.WRITE_REGISTERS, (), None, S.NO_BUFFER, WORD, buffer=False),
    Refusal("thread", OP.SET_FOREIGN, (2,), None, S.OUT_OF_RANGE, FIRST),
    Refusal("own thread", OP.SET_FOREIGN, (1,), None, S.WRONG_STATE, INVOKED),
    Refusal("thread", OP.HOLD, (), None, S.NO_CAPABILITY, TRAVELLING),
    Refusal("thread", OP.HOLD, (), "endpoint", S.WRONG_KIND, TRAVELLING),
    Refusal("thread", OP.HOLD, (), "without signal notification", S.MISSING_RIGHT, TRAVELLING),
    Refusal("thread", OP.HOLD, (), "deep notification", S.UNDERIVABLE, TRAVELLING),
    Refusal("own thread", OP.HOLD, (), "notification", S.OCCUPIED, INVOKED),
    Refusal("held thread", OP.HOLD, (), "notification", S.OCCUPIED, INVOKED),
    Refusal("thread", OP.RELEASE, (), None, S.WRONG_STATE, INVOKED),
    Refusal("thread", OP.DISPATCH, (NEVER,), None, S.WRONG_STATE, INVOKED),
    Refusal("own thread", OP.DISPATCH, (NEVER,), None, S.WRONG_STATE, INVOKED),
    Refusal("held thread", OP.DISPATCH, (NOW,), None, S.TIMED_OUT, FIRST),
]

PROCESSORS = [
    Refusal("weak processor", OP.CONFIGURE, (1, 1000, 1000), "sched_context", S.MISSING_RIGHT, INVOKED),
    Refusal("processor", OP.MAP, (), None, S.WRONG_KIND, INVOKED),
    Refusal("processor", OP.CONFIGURE, (256, 1000, 1000), "sched_context", S.OUT_OF_RANGE, FIRST),
    Refusal("badged processor", OP.CONFIGURE, (51, 1000, 1000), "sched_context", S.OUT_OF_RANGE, FIRST),
    Refusal("badged processor", OP.SET_FLOOR, (51,), "thread", S.OUT_OF_RANGE, FIRST),
    Refusal("processor", OP.CONFIGURE, (1, 1000, 1000), None, S.NO_CAPABILITY, TRAVELLING),
    Refusal("processor", OP.CONFIGURE, (1, 99, 1000), "sched_context", S.OUT_OF_RANGE, SECOND),
    Refusal("processor", OP.CONFIGURE, (1, 1001, 1000), "sched_context", S.OUT_OF_RANGE, SECOND),
    Refusal("processor", OP.CONFIGURE, (1, 1000, (1 << 48) + 1), "sched_context", S.OUT_OF_RANGE, THIRD),
    Refusal("processor", OP.CONFIGURE, (1, 1000, 1000), "thread", S.WRONG_KIND, TRAVELLING),
    Refusal("processor", OP.CONFIGURE, (1, 1000, 1000), "weak sched_context", S.MISSING_RIGHT, TRAVELLING),
    Refusal("processor", OP.SET_FLOOR, (1,), None, S.NO_CAPABILITY, TRAVELLING),
    Refusal("processor", OP.SET_FLOOR, (1,), "sched_context", S.WRONG_KIND, TRAVELLING),
    Refusal("processor", OP.SET_FLOOR, (1,), "weak thread", S.MISSING_RIGHT, TRAVELLING),
    Refusal("sched_context", OP.CONFIGURE, (1, 1000, 1000), "sched_context", S.WRONG_KIND, INVOKED),
]

DEVICES = [
    Refusal("weak interrupt", OP.BIND_INTERRUPT, (), "notification", S.MISSING_RIGHT, INVOKED),
    Refusal("interrupt", OP.BIND, (), "notification", S.WRONG_KIND, INVOKED),
    Refusal("interrupt", OP.BIND_INTERRUPT, (), None, S.NO_CAPABILITY, TRAVELLING),
    Refusal("interrupt", OP.BIND_INTERRUPT, (), "endpoint", S.WRONG_KIND, TRAVELLING),
    Refusal("interrupt", OP.BIND_INTERRUPT, (), "without signal notification", S.MISSING_RIGHT, TRAVELLING),
    Refusal("bound interrupt", OP.BIND_INTERRUPT, (), "notification", S.OCCUPIED, INVOKED),
    Refusal("interrupt", OP.BIND_INTERRUPT, (), "deep notification", S.UNDERIVABLE, TRAVELLING),
    Refusal("interrupt", OP.UNBIND_INTERRUPT, (), None, S.WRONG_STATE, INVOKED),
    Refusal("interrupt", OP.ACKNOWLEDGE, (), None, S.WRONG_STATE, INVOKED),
    Refusal("bound interrupt", OP.ACKNOWLEDGE, (), None, S.WRONG_STATE, INVOKED),
    Refusal("weak dma_space", OP.PIN, (), "frame", S.MISSING_RIGHT, INVOKED),
    Refusal("dma_space", OP.MAP, (), "frame", S.WRONG_KIND, INVOKED),
    Refusal("dma_space", OP.PIN, (), None, S.NO_CAPABILITY, TRAVELLING),
    Refusal("dma_space", OP.PIN, (), "endpoint", S.WRONG_KIND, TRAVELLING),
    Refusal("dma_space", OP.PIN, (), "device frame", S.WRONG_KIND, TRAVELLING),
    Refusal("dma_space", OP.PIN, (), "mapped frame", S.OCCUPIED, TRAVELLING),
    Refusal("dma_space", OP.PIN, (), "pinned frame", S.OCCUPIED, TRAVELLING),
    Refusal("full dma_space", OP.PIN, (), "frame", S.OUT_OF_MEMORY, INVOKED),
    Refusal("dma_space", OP.UNPIN, (), None, S.NO_CAPABILITY, TRAVELLING),
    Refusal("dma_space", OP.UNPIN, (), "frame", S.WRONG_STATE, TRAVELLING),
    Refusal("another dma_space", OP.UNPIN, (), "pinned frame", S.WRONG_STATE, TRAVELLING),
]

OTHERS = [
    Refusal("weak trace", OP.TRACE_START, (1,), None, S.MISSING_RIGHT, INVOKED),
    Refusal("weak trace", OP.TRACE_FRAME, (0,), None, S.MISSING_RIGHT, INVOKED),
    Refusal("trace", OP.MAP, (), None, S.WRONG_KIND, INVOKED),
    Refusal("trace", OP.TRACE_FRAME, (2,), None, S.OUT_OF_RANGE, FIRST),
    Refusal("trace", OP.TRACE_FRAME, (0,), None, S.NO_WINDOW, WINDOW, window=(1, 1)),
    Refusal("deep trace", OP.TRACE_FRAME, (0,), None, S.UNDERIVABLE, INVOKED),
    Refusal("weak platform", OP.POWER_OFF, (0,), None, S.MISSING_RIGHT, INVOKED),
    Refusal("platform", OP.MAP, (), None, S.WRONG_KIND, INVOKED),
    Refusal("platform", OP.CONSOLE_WRITE, (25,), None, S.OUT_OF_RANGE, FIRST),
    Refusal("platform", OP.POWER_OFF, (256,), None, S.OUT_OF_RANGE, FIRST),
    *(
        Refusal(kind, each, (), None, S.WRONG_KIND, INVOKED)
        for kind in ("reply", "notification", "floats")
        for each in (OP.RETYPE, OP.POWER_OFF)
    ),
    Refusal(EMPTY, OP.POWER_OFF, (), None, S.NO_CAPABILITY, INVOKED),
    Refusal(BEYOND, OP.POWER_OFF, (), None, S.NO_CAPABILITY, INVOKED),
]

REFUSALS = [*MEMORIES, *TABLES, *SPACES, *THREADS, *PROCESSORS, *DEVICES, *OTHERS]


@pytest.mark.parametrize("case", REFUSALS, ids=str)
def test_an_operation_that_is_refused_changes_nothing(case: Refusal, bench: Bench) -> None:
    machine = bench.machine
    for name in case.after:
        _ = bench[name]
    given = None if case.given is None else bench[case.given]
    target = bench[case.target]
    w = [bench[word] for word in case.w]
    machine.window(*case.window)
    if not case.buffer:
        bench.do("own thread", Operation.UNBIND, Binding.BUFFER.value)
    before = bench.state()
    if given is not None and not case.buffer:
        word = int(call.message(u64(case.operation.value), u64(0), u64(1)))
        done = machine.call(Call.CALL, target, word, [*w, 0, 0, 0, 0][:4])
    else:
        done = machine.invoke(target, case.operation, *w, given=given)
    assert done.failure == (case.status, case.argument)
    assert (done.badge, done.words) == (0, (0, 0, 0, 0)), "a refusal says nothing else"
    assert bench.state() == before
    assert not machine.hart.cpu.ended and machine.hart.cpu.printed == 0
    machine.check()


def test_each_operation_is_refused_in_some_way() -> None:
    """Those that aren't in the table have nothing to refuse but the capability."""
    missing = set(Operation) - {case.operation for case in REFUSALS}
    assert missing == {OP.MEMORY_INFO, OP.THREAD_INFO, OP.PROCESSOR_INFO, OP.CONTEXT_INFO}


@dataclass(frozen=True)
class BadCall:
    """A system call that is no operation, and how it ends."""

    number: Call
    target: str | int
    word: int
    first: int
    reply: str | int
    status: Status
    argument: int
    buffer: bool = True

    def __str__(self) -> str:
        return f"{self.number.name} {self.target} {self.word:#x} {self.first:#x} {self.reply} {self.status.name}"


def word_of(label: int = 1, length: int = 0, capabilities: int = 0) -> int:
    return int(call.message(u64(label), u64(length), u64(capabilities)))


SENDING = (Call.CALL, Call.SEND, Call.TRY_SEND)
RECEIVING = (Call.RECEIVE, Call.REPLY_RECEIVE)
BAD_CALLS = [
    *(BadCall(each, EMPTY, 0, 0, 0, S.NO_CAPABILITY, INVOKED) for each in Call if each not in (Call.REPLY, Call.YIELD)),
    *(BadCall(each, "without send endpoint", 0, 0, 0, S.MISSING_RIGHT, INVOKED) for each in SENDING),
    *(BadCall(each, "endpoint", word_of(1, 513), 0, 0, S.OUT_OF_RANGE, WORD) for each in SENDING),
    *(BadCall(each, "endpoint", word_of(1, 0, 5), 0, 0, S.OUT_OF_RANGE, WORD) for each in SENDING),
    *(BadCall(each, "endpoint", call.FAULT_BIT, 0, 0, S.OUT_OF_RANGE, WORD) for each in SENDING),
    *(BadCall(each, "endpoint", word_of(1, 5), 0, 0, S.NO_BUFFER, WORD, buffer=False) for each in SENDING),
    *(BadCall(each, "without grant endpoint", word_of(1, 0, 1), 0, 0, S.MISSING_RIGHT, WORD) for each in SENDING),
    BadCall(Call.SEND, "notification", 0, 0, 0, S.WRONG_KIND, INVOKED),
    BadCall(Call.TRY_SEND, "endpoint", 0, 0, 0, S.TIMED_OUT, INVOKED),
    BadCall(Call.CALL, "processor", 0, 0, 0, S.UNKNOWN_OPERATION, WORD),
    BadCall(Call.CALL, "processor", Operation.POWER_OFF.value + 1, 0, 0, S.UNKNOWN_OPERATION, WORD),
    BadCall(Call.CALL, "processor", word_of(Operation.CONFIGURE.value, 513), 0, 0, S.OUT_OF_RANGE, WORD),
    *(BadCall(each, "without receive endpoint", 0, NEVER, "reply", S.MISSING_RIGHT, INVOKED) for each in RECEIVING),
    *(BadCall(each, "notification", 0, NEVER, "reply", S.WRONG_KIND, INVOKED) for each in RECEIVING),
    *(BadCall(each, "endpoint", 0, NEVER, EMPTY, S.NO_CAPABILITY, REPLY) for each in RECEIVING),
    *(BadCall(each, "endpoint", 0, NEVER, "notification", S.WRONG_KIND, REPLY) for each in RECEIVING),
    BadCall(Call.RECEIVE, "endpoint", 0, NOW, "reply", S.TIMED_OUT, FIRST),
    BadCall(Call.REPLY, 0, 0, 0, EMPTY, S.NO_CAPABILITY, REPLY),
    BadCall(Call.REPLY, 0, 0, 0, "notification", S.WRONG_KIND, REPLY),
    BadCall(Call.REPLY, 0, 0, 0, "reply", S.WRONG_STATE, REPLY),
    BadCall(Call.WAIT, "endpoint", 0, NEVER, 0, S.WRONG_KIND, INVOKED),
    BadCall(Call.WAIT, "without wait notification", 0, NEVER, 0, S.MISSING_RIGHT, INVOKED),
    BadCall(Call.WAIT, "notification", 0, NOW, 0, S.TIMED_OUT, FIRST),
    BadCall(Call.SIGNAL, "endpoint", 0, 0, 0, S.WRONG_KIND, INVOKED),
    BadCall(Call.SIGNAL, "without signal notification", 0, 0, 0, S.MISSING_RIGHT, INVOKED),
]


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("case", BAD_CALLS, ids=str)
def test_a_system_call_that_is_refused_changes_nothing(case: BadCall, fast: bool, bench: Bench) -> None:
    machine = bench.machine
    target, reply = bench[case.target], bench[case.reply]
    if not case.buffer:
        bench.do("own thread", Operation.UNBIND, Binding.BUFFER.value)
    before = bench.state()
    machine.fast = fast
    done = machine.call(case.number, target, case.word, (case.first, 0, 0, 0), reply)
    assert done.failure == (case.status, case.argument)
    assert bench.state() == before
    machine.check()
