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
from neokernel.abi.buffer import MOVE
from neokernel.abi.call import NEVER, NOW, Call, failure
from neokernel.abi.fault import Fault, Resume
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding, Operation, Stop
from neokernel.abi.rights import ALL, CONTROL, DMA, EXECUTE, GRANT, READ, RECEIVE, SEND, SIGNAL, TRACE, WAIT, WRITE
from neokernel.abi.status import FIRST, INVOKED, REPLY, SECOND, THIRD, TRAVELLING, WINDOW, WORD, Status
from neokernel.arch import cpu
from neokernel.kernel import captable, outcome
from neokernel.kernel.objects import MAXIMUM_DEPTH, State, Thread
from neokernel.kernel.slot import first_leaf
from neokernel.kernel.space import TAKEN_STEP
from tests.kernel.support import ECALL, INTERRUPTS, MEMORY, PAGE, PRIORITY, Machine, Result, u64

#: a slot that stays empty, and one that no table has
EMPTY = ROOT_SLOTS - 1
BEYOND = ROOT_SLOTS
EVERYTHING = int(ALL)
RW = int(READ | WRITE)

SIZES = {Kind.MEMORY: 16 * PAGE, Kind.CAP_TABLE: 4, Kind.DMA_SPACE: 2, Kind.TRACE: 1, Kind.FLOATS: 16}
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
                rights = {"send": SEND, "receive": RECEIVE, "grant": GRANT, "signal": SIGNAL, "wait": WAIT}
                rights |= {"dma": DMA, "trace": TRACE, "control": CONTROL}
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
            case "device memory":
                return self.machine.grant_device(0x2000_0000, PAGE)
            case "pinned frame":
                self.do("dma_space", Operation.PIN, given="another frame")
                return self.made.pop("another frame")
            case "mapped device frame":
                _ = self["lowest table"]
                self.do("own space", Operation.MAP, 0x1000, RW, given="device frame")
                return self.made.pop("device frame")
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
        assert done.badge == 0, f"{operation.name} of {target}: nobody has sent the answer"
        return done.words

    def root_goes_on(self, running: Thread) -> None:
        """The root, suspended, is resumed by a thread that runs on time of a lower priority."""
        self.machine.start(running, Call.CALL, boot.OWN_THREAD, word_of(Operation.RESUME.value), NOTHING, 0)
        assert self.machine.current is self.machine.root

    def dying(self) -> bool:
        return self.machine.hart.dying is not None

    def object(self, index: int) -> Any:
        """What it names; of any type, as its fields change behind a type checker's back."""
        return self.machine.slot(index).object

    def do_as(self, caller: Thread, processor: int, context: int, priority: int) -> None:
        """`caller` gives the context a time slice."""
        done = self.machine.invoke(
            processor, Operation.CONFIGURE, priority, 10_000, 10_000, given=context, thread=caller
        )
        assert done.failure == (Status.OK, 0)

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
    Refusal("memory", OP.RETYPE, (1, 0, 1, 1), None, S.OUT_OF_RANGE, THIRD),
    Refusal("memory", OP.RETYPE, (1, 0, 0), None, S.OUT_OF_RANGE, THIRD),
    Refusal("memory", OP.RETYPE, (Kind.FRAME.value, 1, 1), None, S.OUT_OF_MEMORY, INVOKED),
    Refusal("memory", OP.RETYPE, (1, 0, 2), None, S.NO_WINDOW, WINDOW),
    Refusal("memory", OP.RETYPE, (1, 0, 1), None, S.NO_WINDOW, WINDOW, window=(1, 1)),
    Refusal("memory", OP.RETYPE, (1, 0, 1), None, S.NO_BUFFER, WINDOW, buffer=False),
    Refusal("deep memory", OP.RETYPE, (1, 0, 1), None, S.UNDERIVABLE, INVOKED),
    Refusal("without dma memory", OP.RETYPE, (Kind.DMA_SPACE.value, 1, 1), None, S.MISSING_RIGHT, INVOKED),
    Refusal("without trace memory", OP.RETYPE, (Kind.TRACE.value, 1, 1), None, S.MISSING_RIGHT, INVOKED),
    Refusal("memory", OP.RETYPE, (Kind.MEMORY.value, 100, 1), None, S.OUT_OF_RANGE, SECOND),
    Refusal("device memory", OP.RETYPE, (Kind.ENDPOINT.value, 0, 1), None, S.WRONG_KIND, FIRST),
    Refusal("device memory", OP.RETYPE, (Kind.MEMORY.value, PAGE, 1), None, S.WRONG_KIND, FIRST),
    Refusal("memory", OP.CLEAR, (1 << 40,), None, S.OUT_OF_RANGE, FIRST),
    Refusal("device memory", OP.CLEAR, (0,), None, S.OUT_OF_RANGE, FIRST),
]

TABLES = [
    Refusal("weak own table", OP.COPY, (EMPTY, EVERYTHING), "endpoint", S.MISSING_RIGHT, INVOKED),
    Refusal("own table", OP.RETYPE, (1, 0, 1), None, S.WRONG_KIND, INVOKED),
    Refusal("own table", OP.MAP, (0, 1), "frame", S.WRONG_KIND, INVOKED),
    *(Refusal("own table", each, (BEYOND,), None, S.OUT_OF_RANGE, FIRST) for each in OP if 4 <= each.value <= 10),
    Refusal("own table", OP.CANCEL_SENDERS, (BEYOND, 1), None, S.OUT_OF_RANGE, FIRST),
    Refusal("weak own table", OP.DENIALS, (0,), None, S.MISSING_RIGHT, INVOKED),
    Refusal("own table", OP.CANCEL_SENDERS, (EMPTY, 1), None, S.NO_CAPABILITY, FIRST),
    Refusal("own table", OP.CANCEL_SENDERS, ("notification", 1), None, S.WRONG_KIND, FIRST),
    Refusal("own table", OP.CANCEL_SENDERS, ("weak endpoint", 1), None, S.MISSING_RIGHT, FIRST),
    Refusal("own table", OP.CANCEL_SENDERS, ("badged endpoint", 1), None, S.BADGED, FIRST),
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
    Refusal("own table", OP.COPY_OUT, ("endpoint", EVERYTHING), None, S.NO_BUFFER, WINDOW, buffer=False),
    Refusal("own table", OP.COPY_OUT, ("deep endpoint", EVERYTHING), None, S.UNDERIVABLE, FIRST),
    Refusal("own table", OP.MOVE_OUT, (EMPTY,), None, S.NO_CAPABILITY, FIRST),
    Refusal("own table", OP.MOVE_OUT, ("endpoint",), None, S.NO_WINDOW, WINDOW, window=(EMPTY, 0)),
    Refusal("own table", OP.MOVE_OUT, ("endpoint",), None, S.NO_BUFFER, WINDOW, buffer=False),
    Refusal("own table", OP.MOVE_OUT, ("all memory",), None, S.HAS_CHILDREN, FIRST, after=("endpoint",)),
    Refusal("own table", OP.MOVE_OUT, ("pinned frame",), None, S.PINNED, FIRST),
    Refusal("own table", OP.DELETE, ("pinned frame",), None, S.PINNED, FIRST),
    Refusal("own table", OP.REVOKE, ("all memory",), None, S.PINNED, FIRST, after=("pinned frame",)),
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
    Refusal("pinned frame", OP.UNMAP, (), None, S.PINNED, INVOKED),
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
    # Even where something is bound already.
    *(Refusal("own thread", OP.BIND, (each.value,), "reply", S.WRONG_KIND, TRAVELLING) for each in Binding),
    Refusal("thread", OP.BIND, (Binding.NOTIFICATION.value,), "without wait notification", S.MISSING_RIGHT, TRAVELLING),
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
    Refusal("trace", OP.TRACE_FRAME, (0,), None, S.NO_BUFFER, WINDOW, buffer=False),
    Refusal("trace", OP.TRACE_FRAME, (0,), None, S.NO_WINDOW, WINDOW, window=(1, 1)),
    Refusal("deep trace", OP.TRACE_FRAME, (0,), None, S.UNDERIVABLE, INVOKED),
    Refusal("weak platform", OP.POWER_OFF, (0,), None, S.MISSING_RIGHT, INVOKED),
    Refusal("weak platform", OP.CONSOLE_WRITE, (0,), None, S.MISSING_RIGHT, INVOKED),
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
    #: what has happened before: see `prepare`
    after: str = ""

    def __str__(self) -> str:
        why = f" after {self.after}" if self.after else ""
        return f"{self.number.name} {self.target} {self.word:#x} {self.first:#x} {self.reply} {self.status.name}{why}"


def word_of(label: int = 1, length: int = 0, capabilities: int = 0) -> int:
    return int(call.message(u64(label), u64(length), u64(capabilities)))


def prepare(bench: Bench, what: str) -> None:
    """Bring the machine into the state that a case begins in."""
    machine = bench.machine
    match what:
        case "a call":
            waiting(bench, Call.CALL, "endpoint")
            assert machine.call(Call.RECEIVE, bench["endpoint"], 0, (NOW, 0, 0, 0), bench["reply"]).word == word_of()
        case "another receives with it":
            waiting(bench, Call.RECEIVE, "endpoint", reply="reply")
        case "one receives without a Reply":
            waiting(bench, Call.RECEIVE, "endpoint")
        case "one receives without time":
            machine.serve(bench["endpoint"], bench["reply"], True)
        case _:
            assert not what, what


SENDING = (Call.CALL, Call.SEND, Call.TRY_SEND)
RECEIVING = (Call.RECEIVE, Call.REPLY_RECEIVE)
ANSWERING = (Call.REPLY, Call.REPLY_RECEIVE)
CALLED = "a call"
BAD_CALLS = [
    *(BadCall(each, EMPTY, 0, 0, 0, S.NO_CAPABILITY, INVOKED) for each in Call if each not in (Call.REPLY, Call.YIELD)),
    *(BadCall(each, "without send endpoint", 0, 0, 0, S.MISSING_RIGHT, INVOKED) for each in SENDING),
    *(BadCall(each, "endpoint", word_of(1, 513), 0, 0, S.OUT_OF_RANGE, WORD) for each in SENDING),
    *(BadCall(each, "endpoint", word_of(1, 0, 5), 0, 0, S.OUT_OF_RANGE, WORD) for each in SENDING),
    *(BadCall(each, "endpoint", call.FAULT_BIT, 0, 0, S.OUT_OF_RANGE, WORD) for each in SENDING),
    *(BadCall(each, "endpoint", word_of(1, 5), 0, 0, S.NO_BUFFER, WORD, buffer=False) for each in SENDING),
    *(BadCall(each, "without grant endpoint", word_of(1, 0, 1), 0, 0, S.MISSING_RIGHT, WORD) for each in SENDING),
    BadCall(Call.CALL, "notification", word_of(), 0, 0, S.WRONG_KIND, INVOKED),
    BadCall(Call.SEND, "notification", 0, 0, 0, S.WRONG_KIND, INVOKED),
    BadCall(Call.TRY_SEND, "reply", 0, 0, 0, S.WRONG_KIND, INVOKED),
    BadCall(Call.CALL, "endpoint", 0, 0, 0, S.WRONG_STATE, INVOKED, after="one receives without a Reply"),
    BadCall(Call.SEND, "endpoint", 0, 0, 0, S.WRONG_STATE, INVOKED, after="one receives without time"),
    BadCall(Call.TRY_SEND, "endpoint", 0, 0, 0, S.WRONG_STATE, INVOKED, after="one receives without time"),
    *(BadCall(each, "endpoint", word_of(1, 513), 0, "reply", S.OUT_OF_RANGE, WORD, after=CALLED) for each in ANSWERING),
    *(
        BadCall(each, "endpoint", word_of(1, 5), 0, "reply", S.NO_BUFFER, WORD, buffer=False, after=CALLED)
        for each in ANSWERING
    ),
    BadCall(Call.RECEIVE, "endpoint", 0, NEVER, "reply", S.OCCUPIED, REPLY, after=CALLED),
    *(
        BadCall(each, "endpoint", 0, NEVER, "reply", S.OCCUPIED, REPLY, after="another receives with it")
        for each in RECEIVING
    ),
    BadCall(Call.TRY_SEND, "endpoint", 0, 0, 0, S.TIMED_OUT, INVOKED),
    BadCall(Call.CALL, "processor", 0, 0, 0, S.UNKNOWN_OPERATION, WORD),
    BadCall(Call.CALL, "processor", Operation.DENIALS.value + 1, 0, 0, S.UNKNOWN_OPERATION, WORD),
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
    prepare(bench, case.after)
    if not case.buffer:
        bench.do("own thread", Operation.UNBIND, Binding.BUFFER.value)
    before = bench.state()
    machine.fast = fast
    done = machine.call(case.number, target, case.word, (case.first, 0, 0, 0), reply)
    assert done.failure == (case.status, case.argument)
    assert bench.state() == before
    machine.check()


# --- capabilities -----------------------------------------------------------------------------------------------------


def inspected(bench: Bench, index: int) -> tuple[int, ...]:
    """Kind, rights and badge."""
    return bench.do("own table", Operation.INSPECT, index)[:3]


def test_capabilities_are_copied_moved_and_inspected(bench: Bench) -> None:
    machine = bench.machine
    endpoint = bench["endpoint"]
    kind = Kind.ENDPOINT.value
    assert inspected(bench, EMPTY) == (0, 0, 0)
    assert inspected(bench, endpoint) == (kind, EVERYTHING, 0)
    bench.do("own table", Operation.COPY, EMPTY, int(SEND), 77, given=endpoint)
    assert inspected(bench, EMPTY) == (kind, int(SEND), 77)
    machine.window(EMPTY - 1, 1)
    bench.do("own table", Operation.COPY_OUT, EMPTY, int(RECEIVE | SEND))
    assert inspected(bench, EMPTY - 1) == (kind, int(SEND), 77), "a copy of a copy has no more rights"
    bench.do("own table", Operation.MOVE, EMPTY - 2, given=EMPTY - 1)
    assert machine.slot(EMPTY - 1).object is None and inspected(bench, EMPTY - 2) == (kind, int(SEND), 77)
    bench.do("own table", Operation.MOVE_OUT, EMPTY - 2)
    assert machine.slot(EMPTY - 2).object is None and inspected(bench, EMPTY - 1) == (kind, int(SEND), 77)
    machine.check()
    bench.do("own table", Operation.REVOKE, endpoint)
    assert machine.slot(EMPTY).object is None and machine.slot(EMPTY - 1).object is None
    assert inspected(bench, endpoint) == (kind, EVERYTHING, 0)
    bench.do("own table", Operation.DELETE, endpoint)
    bench.do("own table", Operation.DELETE, endpoint)
    assert inspected(bench, endpoint) == (0, 0, 0)
    machine.check()


def test_a_mapped_frame_is_moved_with_its_mapping(bench: Bench) -> None:
    frame = bench["mapped frame"]
    bench.do("own table", Operation.MOVE, EMPTY, given=frame)
    bench.machine.check()
    bench.do(EMPTY, Operation.UNMAP)
    bench.machine.check()


def test_what_is_denied_is_kept(bench: Bench) -> None:
    """The last eight, counted from 0: who asked by what for what, and how it ended."""
    machine = bench.machine
    for number in range(20):
        word = word_of(Operation.MAP.value, number)
        done = machine.call(Call.CALL, EMPTY, word, [0, 0, 0, 0])
        assert done.failure == (S.NO_CAPABILITY, INVOKED)
    done = machine.call(Call.SIGNAL, bench["endpoint"], 7, [0, 0, 0, 0])
    assert done.failure == (S.WRONG_KIND, INVOKED)
    done = machine.invoke(bench["weak platform"], Operation.POWER_OFF)
    assert done.failure == (S.MISSING_RIGHT, INVOKED)
    done = machine.invoke(bench["own table"], Operation.COPY, EMPTY, EVERYTHING)
    assert done.failure == (S.NO_CAPABILITY, TRAVELLING), "nor is what would be handed on"
    for index in range(15):
        assert bench.do("own table", Operation.DENIALS, index) == (23, 0, 0, 0)
    for index in range(15, 20):
        told = bench.do("own table", Operation.DENIALS, index)
        outcome = int(failure(S.NO_CAPABILITY, INVOKED)) | Call.CALL.value
        assert told == (23, EMPTY, word_of(Operation.MAP.value, index), outcome)
    outcome = int(failure(S.WRONG_KIND, INVOKED)) | Call.SIGNAL.value
    assert bench.do("own table", Operation.DENIALS, 20) == (23, bench["endpoint"], 7, outcome)
    count, capability, _, outcome = bench.do("own table", Operation.DENIALS, 21)
    assert (count, capability, outcome) == (23, bench["weak platform"], int(failure(S.MISSING_RIGHT, INVOKED)))
    assert bench.do("own table", Operation.DENIALS, 23) == (23, 0, 0, 0)
    assert bench.do("own table", Operation.DENIALS, (1 << 64) - 1) == (23, 0, 0, 0)
    machine.check()


def test_what_fails_otherwise_is_not_denied(bench: Bench) -> None:
    machine = bench.machine
    assert machine.invoke(bench["own table"], Operation.INSPECT, BEYOND).failure == (S.OUT_OF_RANGE, FIRST)
    assert machine.call(Call.CALL, bench["processor"], 0, [0, 0, 0, 0]).failure == (S.UNKNOWN_OPERATION, WORD)
    assert bench.do("own table", Operation.DENIALS, 0) == (0, 0, 0, 0)


@pytest.mark.parametrize("operation", [Operation.REVOKE, Operation.DELETE])
def test_all_is_revoked_by_a_capability_that_ends_first(operation: Operation, bench: Bench) -> None:
    """It is looked up once, unless an interrupt comes: then the call is entered again."""
    machine = bench.machine
    source = bench.copy(bench["own table"], EVERYTHING)
    copies = [bench.copy(source, EVERYTHING) for _ in range(3)]
    first = first_leaf(machine.slot(source))
    (invoked,) = (index for index in copies if machine.slot(index) is first)
    assert machine.invoke(invoked, operation, source).failure == (S.OK, 0)
    assert all(machine.slot(index).object is None for index in copies)
    assert (machine.slot(source).object is None) == (operation is Operation.DELETE)
    assert machine.hart.revocations == 0
    machine.check()


@pytest.mark.parametrize("operation", [Operation.REVOKE, Operation.DELETE])
def test_a_revocation_stays_open_if_the_capability_it_is_made_by_goes_first(operation: Operation, bench: Bench) -> None:
    """And an interrupt comes. Nothing can be derived until either is done by another capability."""
    machine = bench.machine
    source = bench.copy(bench["own table"], EVERYTHING)
    copies = [bench.copy(source, EVERYTHING) for _ in range(3)]
    first = first_leaf(machine.slot(source))
    (invoked,) = (index for index in copies if machine.slot(index) is first)
    machine.hart.cpu.pending = True
    assert machine.invoke(invoked, operation, source).failure == (S.NO_CAPABILITY, INVOKED)
    machine.hart.cpu.pending = False
    assert [machine.slot(index).object is None for index in copies].count(True) == 1
    assert machine.hart.revocations == 1
    other = next(index for index in copies if machine.slot(index).object is not None)
    derived = machine.invoke(bench["own table"], Operation.COPY, machine.next_slot, EVERYTHING, 0, given=other)
    assert derived.status is S.UNDERIVABLE
    bench.do("own table", operation, source)
    assert all(machine.slot(index).object is None for index in copies)
    assert machine.hart.revocations == 0
    machine.check()


def test_a_pin_stops_a_revocation(bench: Bench) -> None:
    machine = bench.machine
    (memory,) = machine.make(Kind.MEMORY, 4 * PAGE)
    (frame,) = machine.make(Kind.FRAME, memory=memory)
    address = bench.do("dma_space", Operation.PIN, given=frame)[0]
    assert address == machine.slot(frame).word
    for operation in (Operation.REVOKE, Operation.DELETE):
        assert machine.invoke(1, operation, memory).failure == (S.PINNED, FIRST)
        assert machine.hart.revocations == 0 and machine.slot(frame).object is not None
        machine.check()
    bench.do("dma_space", Operation.UNPIN, given=frame)
    bench.do("own table", Operation.DELETE, memory)
    assert machine.slot(frame).object is None
    machine.check()


@pytest.mark.parametrize("places", [3, 100])
def test_a_device_space_unpins_all_when_it_ends(places: int, bench: Bench) -> None:
    """Wherever in it they are: two, and a free place between them; then more places than a step looks at."""
    machine = bench.machine
    (space,) = machine.make(Kind.DMA_SPACE, places)
    frames = machine.make(Kind.FRAME, 0, 3)
    for frame in frames:
        bench.do(space, Operation.PIN, given=frame)
    bench.do(space, Operation.UNPIN, given=frames[1])
    bench.do("own table", Operation.DELETE, space)
    for frame in frames:
        assert machine.slot(frame).object is not None and machine.slot(frame).holder is None
        bench.do("own table", Operation.DELETE, frame)
    machine.check()


def test_what_fails_after_an_interrupt_that_has_gone_again_fails(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """The step after the one at whose end it was pending is the kernel's own, and finds the pin."""
    machine = bench.machine
    (memory,) = machine.make(Kind.MEMORY, 4 * PAGE)
    (frame,) = machine.make(Kind.FRAME, memory=memory)
    (endpoint,) = machine.make(Kind.ENDPOINT, memory=memory)
    bench.do("dma_space", Operation.PIN, given=frame)
    looks = iter([True])
    monkeypatch.setattr(cpu, "interrupt_pending", lambda _: next(looks, False))
    assert machine.invoke(1, Operation.DELETE, memory).failure == (S.PINNED, FIRST)
    assert machine.slot(endpoint).object is None and machine.slot(frame).object is not None
    assert machine.hart.revocations == 0
    machine.check()


def test_a_pin_below_a_table_that_ends_stops_its_end(bench: Bench) -> None:
    """It waits for the pin; then the next table that ends takes it along."""
    machine = bench.machine
    table, memory = bench["cap_table"], bench["memory"]
    bench.do(table, Operation.MOVE, 0, given=memory)
    machine.window(EMPTY, 1)
    bench.do(table, Operation.COPY_OUT, 0, EVERYTHING)
    (frame,) = machine.make(Kind.FRAME, memory=EMPTY)
    bench.do("dma_space", Operation.PIN, given=frame)
    bench.do("own table", Operation.DELETE, table)
    assert machine.slot(table).object is None and machine.slot(frame).object is not None
    assert machine.hart.revocations == 0, "what waits isn't being revoked"
    machine.check()
    bench.do("dma_space", Operation.UNPIN, given=frame)
    assert bench.dying()
    machine.check()
    bench.do("own table", Operation.DELETE, bench["another cap_table"])
    assert not bench.dying()
    assert all(machine.slot(index).object is None for index in (frame, EMPTY, table))
    machine.check()


def stuck_table(bench: Bench, memory: int, device: int, *also: int) -> tuple[int, int]:
    """A table made of `memory` that holds `also`, and a frame of which a copy is pinned; gives both slots."""
    machine = bench.machine
    (table,) = machine.make(Kind.CAP_TABLE, 40, memory=memory)
    (frame,) = machine.make(Kind.FRAME)
    bench.do(table, Operation.MOVE, 3, given=frame)
    machine.window(frame, 1)
    bench.do(table, Operation.COPY_OUT, 3, EVERYTHING)
    bench.do(device, Operation.PIN, given=frame)
    for place, index in enumerate(also):
        bench.do(table, Operation.MOVE, 38 - place, given=index)
    return table, frame


def test_a_pin_fails_nobody_who_deletes_something_else(bench: Bench) -> None:
    """The table that it is in was met by all who ended one: they got PINNED, though their own had ended."""
    machine = bench.machine
    memory, device = machine.make(Kind.MEMORY, 4 * PAGE)[0], bench["dma_space"]
    (other_memory,) = machine.make(Kind.MEMORY, 4 * PAGE)
    (other,) = machine.make(Kind.CAP_TABLE, 4, memory=other_memory)
    table, frame = stuck_table(bench, memory, device, bench["notification"])
    bench.do("own table", Operation.DELETE, table)
    assert not bench.dying(), "nobody else meets it"
    assert machine.slot(frame).object is not None
    for operation, index in (
        (Operation.DELETE, bench["cap_table"]),
        (Operation.REVOKE, other_memory),
        (Operation.DELETE, other_memory),
        (Operation.DELETE, table),
    ):
        bench.do("own table", operation, index)
        machine.check()
    assert machine.slot(other).object is None
    for operation in (Operation.REVOKE, Operation.DELETE):
        assert machine.invoke(1, operation, memory).failure == (S.PINNED, FIRST), "the table is below it"
        machine.check()
    bench.do(device, Operation.UNPIN, given=frame)
    bench.do("own table", Operation.DELETE, memory)
    assert not bench.dying() and all(machine.slot(index).object is None for index in (memory, frame))
    machine.check()


def test_the_end_of_a_device_space_ends_the_tables_that_waited_for_it(bench: Bench) -> None:
    """Also those that waited for such a table, and that wait for several pins."""
    machine = bench.machine
    memories = machine.make(Kind.MEMORY, 8 * PAGE) + machine.make(Kind.MEMORY, 8 * PAGE)
    device = bench["dma_space"]
    outer, second = stuck_table(bench, memories[1], device, memories[0])
    # What the table has in slot 38 is copied out, and the other table made of it.
    machine.window(memories[0], 1)
    bench.do(outer, Operation.COPY_OUT, 38, EVERYTHING)
    inner, frame = stuck_table(bench, memories[0], device)
    bench.do("own table", Operation.DELETE, inner)
    bench.do("own table", Operation.DELETE, outer)
    machine.check()
    assert not bench.dying()
    assert machine.delete(memories[1]).failure == (S.PINNED, FIRST)
    bench.do(device, Operation.UNPIN, given=second)
    # Its second pin has gone; what it waits for now is the table below its Memory.
    assert machine.delete(memories[1]).failure == (S.PINNED, FIRST)
    assert machine.slot(second).object is None, "what isn't pinned has ended"
    machine.check()
    bench.do("own table", Operation.DELETE, device)
    assert not bench.dying() and machine.slot(frame).object is None
    assert bench.object(memories[1]).live == 0, "both tables have ended"
    machine.check()
    bench.do("own table", Operation.DELETE, memories[1])
    machine.check()


def test_a_call_that_empties_the_table_of_another_isnt_failed_by_a_pin_in_that(bench: Bench) -> None:
    """An interrupted call's table is emptied by who ends the next one; and the first call learns nothing wrong."""
    machine = bench.machine
    memory, device = machine.make(Kind.MEMORY, 4 * PAGE)[0], bench["dma_space"]
    table, frame = stuck_table(bench, memory, device)
    machine.hart.cpu.pending = True
    registers = machine.root.registers
    registers.a2, registers.a5 = u64(memory), u64(0)
    for _ in range(2):
        assert captable.revoke(machine.hart, machine.root, machine.slot(memory), True) == outcome.AGAIN
    progress = registers.a5
    assert bench.dying() and machine.slot(table).object is None
    bench.do("own table", Operation.DELETE, bench["cap_table"])
    assert not bench.dying()
    machine.check()
    registers.a2, registers.a5 = u64(memory), progress
    found: int = outcome.AGAIN
    for _ in range(10):
        if found == outcome.AGAIN:
            found = captable.revoke(machine.hart, machine.root, machine.slot(memory), True)
    assert found == failure(S.PINNED, FIRST) and machine.slot(memory).object is not None
    assert machine.hart.revocations == 0
    bench.do(device, Operation.UNPIN, given=frame)
    bench.do("own table", Operation.DELETE, memory)
    machine.check()


def test_unpinning_releases_every_table_that_waits(bench: Bench) -> None:
    """One a step; each below the next, the frame in all of them."""
    machine = bench.machine
    device = bench["dma_space"]
    (source,) = machine.make(Kind.FRAME)
    tables = []
    last = source
    for _ in range(3):
        (table,) = machine.make(Kind.CAP_TABLE, 2)
        bench.do(table, Operation.COPY, 1, EVERYTHING, given=last)
        last, machine.next_slot = machine.next_slot, machine.next_slot + 1
        machine.window(last, 1)
        bench.do(table, Operation.COPY_OUT, 1, EVERYTHING)
        tables.append(table)
    bench.do(device, Operation.PIN, given=last)
    for table in tables:
        bench.do("own table", Operation.DELETE, table)
        machine.check()
    assert not bench.dying()
    machine.hart.cpu.pending = True
    bench.do(device, Operation.UNPIN, given=last)
    machine.check()
    assert bench.dying()
    bench.do("own table", Operation.DELETE, bench["cap_table"])
    assert not bench.dying() and machine.slot(last).object is None and machine.slot(source).object is not None
    machine.check()


def test_a_revocation_that_was_left_is_ended_by_the_next(bench: Bench) -> None:
    """Its thread is started elsewhere in the middle: nothing can be derived until somebody revokes again."""
    machine = bench.machine
    endpoint = bench["endpoint"]
    branch = bench.copy(endpoint, EVERYTHING)
    copies = [bench.copy(branch, EVERYTHING) for _ in range(3)]
    _, other = machine.spawn(PRIORITY + 5)
    machine.hart.cpu.pending = True
    machine.start(other, Call.CALL, boot.OWN_TABLE, word_of(Operation.REVOKE.value), (endpoint, 0, 0, 0), 0)
    # The interrupt comes after one step: the call would be entered again.
    assert machine.hart.revocations == 1
    (thread,) = (each for each in range(machine.next_slot) if machine.slot(each).object is other)
    machine.start(other, Call.CALL, thread, word_of(Operation.SUSPEND.value), NOTHING, 0)
    assert machine.current is machine.root
    bench.do("own table", Operation.DELETE, thread)
    assert machine.slot(copies[0]).object is not None
    refused = machine.invoke(1, Operation.COPY, EMPTY, EVERYTHING, given=branch)
    assert refused.failure == (S.UNDERIVABLE, TRAVELLING)
    machine.check()
    bench.do("own table", Operation.REVOKE, endpoint)
    assert machine.hart.revocations == 0
    bench.do("own table", Operation.COPY, EMPTY, EVERYTHING, given=endpoint)
    machine.check()


def test_who_deletes_a_thread_empties_nobodys_table(bench: Bench) -> None:
    """It takes steps, but what another call has left to be emptied is for who ends a table."""
    machine = bench.machine
    table = bench["cap_table"]
    index, other = machine.next_slot, machine.spawn(PRIORITY + 5)[1]
    machine.hart.cpu.pending = True
    machine.start(other, Call.CALL, boot.OWN_TABLE, word_of(Operation.DELETE.value), (table, 0, 0, 0), 0)
    # The interrupt comes after one step: the call would be entered again.
    machine.start(other, Call.CALL, index, word_of(Operation.SUSPEND.value), NOTHING, 0)
    assert machine.current is machine.root and bench.dying()
    bench.do("own table", Operation.DELETE, index)
    assert machine.slot(index).object is None and bench.dying()
    machine.check()
    bench.do("own table", Operation.DELETE, bench["another cap_table"])
    assert not bench.dying()
    machine.check()


@pytest.mark.parametrize("pending", [False, True])
def test_what_ends_lets_go_of_what_it_used(pending: bool, bench: Bench) -> None:
    """Each object in use ends; who waits for it is told, and what it held is free again."""
    machine = bench.machine
    machine.hart.cpu.pending = pending
    mapped = bench["mapped frame"]
    frame = bench["frame"]
    bench.do("dma_space", Operation.PIN, given=frame)
    bench.do("own table", Operation.DELETE, bench["dma_space"])
    bench.do("own table", Operation.MOVE, EMPTY, given=frame)
    bench.do("own table", Operation.DELETE, bench["lowest table"])
    assert machine.invoke(mapped, Operation.UNMAP).failure == (S.WRONG_STATE, INVOKED)
    bench.do("own table", Operation.DELETE, bench["bound interrupt"])
    assert machine.hart.lines[1].notification is None and not machine.hart.cpu.enabled[2]
    bench.do("trace", Operation.TRACE_START, 1)
    bench.do("own table", Operation.DELETE, bench["trace"])
    assert machine.hart.trace is None and machine.hart.trace_mask == 0
    machine.check()


def test_a_line_that_is_unbound_is_bound_again(bench: Bench) -> None:
    machine = bench.machine
    bench.do("interrupt", Operation.BIND_INTERRUPT, given="notification")
    bench.do("interrupt", Operation.UNBIND_INTERRUPT)
    assert machine.invoke(INTERRUPTS, Operation.UNBIND_INTERRUPT).failure == (S.WRONG_STATE, INVOKED)
    bench.do("interrupt", Operation.BIND_INTERRUPT, given="another notification")
    machine.interrupt(1)
    assert bench.object(bench["another notification"]).word == 1 and bench.object(bench["notification"]).word == 0
    machine.check()


def test_a_line_whose_notification_ends_is_quiet(bench: Bench) -> None:
    machine = bench.machine
    bench.do("interrupt", Operation.BIND_INTERRUPT, given="notification")
    machine.interrupt(1)
    bench.do("own table", Operation.DELETE, bench["notification"])
    assert machine.hart.lines[0].notification is None and not machine.hart.lines[0].pending
    machine.check()


@pytest.mark.parametrize(
    ("wanted", "bits"), [(READ, 0xD3), (READ | WRITE, 0xD7), (EXECUTE, 0xD9), (READ | EXECUTE, 0xDB)]
)
def test_the_hardware_reads_where_a_page_is_and_what_it_allows(wanted: int, bits: int, bench: Bench) -> None:
    """Accessed and dirty, too, which not all of it sets by itself (privileged specification, 12.3.1)."""
    table = bench.object(bench["lowest table"])
    bench.do("own space", Operation.MAP, 5 * PAGE, int(wanted), given="frame")
    where = int(bench.machine.slot(bench["frame"]).word)
    assert table.entries.entry[5] == where // PAGE << 10 | bits


def test_a_space_that_ends_leaves_its_frames(bench: Bench) -> None:
    machine = bench.machine
    space, middle, large = bench["address_space"], bench["page_table"], bench["large frame"]
    bench.do(space, Operation.INSTALL, 1 << 30, 2, given=middle)
    bench.do(space, Operation.MAP, 1 << 30, int(READ | EXECUTE), given=large)
    machine.check()
    bench.do("own table", Operation.DELETE, space)
    assert bench.object(middle).parent is None
    assert machine.slot(middle).holder is None and machine.slot(large).holder is not None, "the table keeps its frame"
    bench.do(large, Operation.UNMAP)
    bench.do("own space", Operation.INSTALL, 1 << 30, 2, given=middle)
    bench.do("own space", Operation.MAP, 1 << 30, RW, given=large)
    before = int(machine.hart.cpu.flushes)
    bench.do(large, Operation.UNMAP)
    assert machine.hart.cpu.flushes > before, "the hardware forgets what it could see"
    bench.do(middle, Operation.UNINSTALL)
    machine.check()


def test_a_table_is_emptied_by_a_few_entries_a_step_to_its_last_one(bench: Bench) -> None:
    machine = bench.machine
    table, frames = bench["lowest table"], machine.make(Kind.FRAME, 0, TAKEN_STEP + 2)
    for place, frame in zip((*range(TAKEN_STEP + 1), 511), frames, strict=True):
        bench.do("own space", Operation.MAP, place * PAGE, RW, given=frame)
    ends_in_steps(bench, table, bench.object(table), TAKEN_STEP)
    assert all(machine.slot(frame).holder is None for frame in frames)


def test_a_space_is_emptied_to_its_last_entry(bench: Bench) -> None:
    """The upper half is the kernel's."""
    space, table = bench["address_space"], bench["page_table"]
    bench.do(space, Operation.INSTALL, 255 << 30, 2, given=table)
    ends_in_steps(bench, space, bench.object(space).root, 0)
    assert bench.machine.slot(table).holder is None and bench.object(table).parent is None


@pytest.mark.parametrize(("place", "first"), [(59, 1), (60, 0)])
def test_a_step_of_emptying_passes_a_few_entries_only(place: int, first: int, bench: Bench) -> None:
    """Sixty, however far the first one is that isn't empty: an interrupt doesn't wait for that."""
    table = bench["lowest table"]
    bench.do("own space", Operation.MAP, place * PAGE, RW, given="frame")
    ends_in_steps(bench, table, bench.object(table), first)
    bench.do("own space", Operation.INSTALL, 0, 1, given="another page_table")
    bench.machine.check()


def test_who_takes_a_table_from_its_own_space_goes_on_in_it(bench: Bench) -> None:
    """By another number, as what the hardware knows by the old one is forgotten."""
    machine = bench.machine
    _ = bench["middle table"]
    before = int(machine.root.space.translation)
    bench.do("middle table", Operation.UNINSTALL)
    after = int(machine.root.space.translation)
    assert 0 != after != before and machine.hart.cpu.translation == after
    machine.check()


def ends_in_steps(bench: Bench, index: int, table: Any, first: int) -> None:
    """The table, or the space whose root it is, is deleted while interrupts come; the first step empties `first`."""
    machine, used = bench.machine, int(table.used)
    machine.hart.cpu.pending = True
    machine.start(machine.root, Call.CALL, boot.OWN_TABLE, word_of(OP.DELETE.value), (index, 0, 0, 0), 0)
    assert table.used == used - first
    for _ in range(20):
        if id(machine.root) in machine.restarting:
            assert machine.root.registers.full, "its arguments are as they were"
            machine.check()
            machine.enter(machine.root)
    assert table.used == 0 and machine.result(machine.root).failure == (S.OK, 0)
    machine.check()


# --- threads ----------------------------------------------------------------------------------------------------------

HIGHER = PRIORITY + 1
#: a payload, and where threads are in these tests
NOTHING = (0, 0, 0, 0)
PLACE = 0x5000


@dataclass
class Other:
    """A second thread, on a time slice of its own; it runs if its priority is the higher one."""

    index: int
    context: int
    thread: Thread


def spawn(bench: Bench, priority: int = HIGHER) -> Other:
    first = bench.machine.next_slot
    _, thread = bench.machine.spawn(priority)
    bench.do_as(thread if priority > PRIORITY else bench.machine.root, boot.PROCESSOR, first + 1, priority)
    return Other(first, first + 1, thread)


def waiting(bench: Bench, number: Call, target: str, first: int = NEVER, reply: str | int = 0) -> Other:
    """A thread of higher priority that waits."""
    target_index, reply_index = bench[target], bench[reply]
    other = spawn(bench)
    bench.machine.start(other.thread, number, target_index, word_of(), (first, 0, 0, 0), reply_index)
    assert bench.machine.current is bench.machine.root
    return other


@pytest.mark.parametrize(
    ("number", "target", "state"),
    [
        (Call.RECEIVE, "endpoint", State.RECEIVING),
        (Call.SEND, "endpoint", State.SENDING),
        (Call.CALL, "endpoint", State.CALLING),
        (Call.WAIT, "notification", State.WAITING),
    ],
)
@pytest.mark.parametrize("end", ["delete", "suspend", "time"])
def test_a_wait_ends(number: Call, target: str, state: State, end: str, bench: Bench) -> None:
    machine = bench.machine
    timed = number in (Call.RECEIVE, Call.WAIT)
    other = waiting(bench, number, target, 500 if timed else NEVER, "reply" if number is Call.RECEIVE else 0)
    assert bench.do(other.index, Operation.THREAD_INFO)[:3] == (state.value, HIGHER, other.thread.identifier)
    if end == "delete":
        machine.start(machine.root, Call.CALL, boot.OWN_TABLE, word_of(OP.DELETE.value), (bench[target], 0, 0, 0), 0)
        expected = (S.CANCELLED, INVOKED)
    elif end == "suspend":
        bench.do(other.index, Operation.SUSPEND)
        assert other.thread.state is State.STOPPED
        machine.check()
        machine.start(machine.root, Call.CALL, other.index, word_of(Operation.RESUME.value), NOTHING, 0)
        expected = (S.CANCELLED, INVOKED)
    elif timed:
        machine.tick(499)
        assert machine.current is machine.root
        machine.tick(1)
        expected = (S.TIMED_OUT, FIRST)
    else:
        machine.tick(100_000)
        assert other.thread.state is state, "who sends waits for good"
        return
    assert machine.current is other.thread and machine.result(other.thread).failure == expected
    machine.check()


def test_registers_are_written_and_read(bench: Bench) -> None:
    machine, thread = bench.machine, bench["thread"]
    buffer = machine.root.buffer
    assert buffer is not None
    for number in range(28):
        buffer.words[number] = u64(1000 + number)
    bench.do(thread, Operation.WRITE_REGISTERS, 1, 2, 3, 4)
    for number in range(28):
        buffer.words[number] = u64(0)
    done = machine.invoke(thread, Operation.READ_REGISTERS)
    assert done.words == (1, 2, 3, 4) and done.word == word_of(0, 32)
    assert [*buffer.words[:28]] == [1000 + number for number in range(28)]
    registers = bench.object(thread).registers
    assert (registers.pc, registers.ra, registers.sp, registers.t6) == (1, 2, 3, 1027)
    bench.do(thread, Operation.START, 7, 8, 9, 10)
    assert (registers.pc, registers.ra, registers.sp, registers.a0, registers.a1) == (7, 0, 8, 9, 10)
    assert registers.t6 == 0
    machine.check()


def test_a_thread_suspends_itself(bench: Bench) -> None:
    machine = bench.machine
    other = spawn(bench)
    machine.start(other.thread, Call.CALL, other.index, word_of(Operation.SUSPEND.value), (1, 2, 3, 4), 0)
    assert machine.current is machine.root and other.thread.state is State.STOPPED
    assert machine.result(other.thread) == Result(0, 0, NOTHING), "it goes on as after any call"
    bench.do("own table", Operation.DELETE, other.index)
    bench.do("own table", Operation.DELETE, other.context)
    machine.check()


@pytest.mark.parametrize("binding", list(Binding))
def test_what_is_unbound_is_bound_again(binding: Binding, bench: Bench) -> None:
    machine = bench.machine
    other = spawn(bench, PRIORITY - 1)
    thread = other.thread
    if binding.value > Binding.BUFFER.value and binding is not Binding.CONTEXT:
        bench.do(other.index, Operation.BIND, binding.value, given=KINDS_OF_BINDINGS[binding])
        machine.check()
    bench.do(other.index, Operation.UNBIND, binding.value)
    machine.check()
    runs = binding not in (Binding.SPACE, Binding.TABLE)
    assert (thread.state is State.RUNNABLE) == runs, "without an address space or a table nobody runs"
    assert (thread.context is None) == (binding is Binding.CONTEXT)
    given = bench["another " + KINDS_OF_BINDINGS[binding]]
    bench.do(other.index, Operation.BIND, binding.value, given=given)
    assert machine.invoke(other.index, Operation.BIND, binding.value, given=given).status is S.OCCUPIED
    machine.check()


def signalled(done: Result) -> bool:
    return (done.badge, done.word) == (50, call.SIGNALS_BIT)


def test_bound_signals_end_a_receive(bench: Bench) -> None:
    """Those that come while it waits; those that came before; those that had come before it was bound."""
    machine = bench.machine
    badged = bench["badged notification"]
    other = waiting(bench, Call.RECEIVE, "endpoint")
    bench.do(other.index, Operation.BIND, Binding.NOTIFICATION.value, given="notification")
    machine.start(machine.root, Call.SIGNAL, badged, 0, NOTHING, 0)
    assert machine.current is other.thread
    assert signalled(machine.result(other.thread))
    machine.call(Call.SIGNAL, badged, thread=other.thread)
    done = machine.call(Call.RECEIVE, bench["endpoint"], 0, (NEVER, 0, 0, 0))
    assert signalled(done)
    machine.start(other.thread, Call.RECEIVE, bench["endpoint"], 0, (NEVER, 0, 0, 0), 0)
    bench.do(other.index, Operation.UNBIND, Binding.NOTIFICATION.value)
    machine.call(Call.SIGNAL, badged)
    machine.name(machine.root, bench["notification"])
    bind = int(call.message(u64(OP.BIND.value), u64(0), u64(1)))
    machine.start(machine.root, Call.CALL, other.index, bind, (Binding.NOTIFICATION.value, 0, 0, 0), 0)
    assert machine.current is other.thread and machine.result(other.thread).word == call.SIGNALS_BIT
    machine.check()


# --- who runs ---------------------------------------------------------------------------------------------------------


def test_time_is_given_and_told(bench: Bench) -> None:
    machine = bench.machine
    other = spawn(bench, PRIORITY - 1)
    assert bench.do("processor", Operation.PROCESSOR_INFO) == (10_000_000, 1, 0, 0)
    machine.hart.cpu.time = u64(300)
    assert bench.do("processor", Operation.PROCESSOR_INFO) == (10_000_000, 1, 300, 0)
    assert bench.do("own context", Operation.CONTEXT_INFO) == (300, 9700, 1, 0)
    identifier = int(other.thread.identifier)
    assert bench.do(other.context, Operation.CONTEXT_INFO)[:2] == (0, 10_000)
    assert bench.do(other.index, Operation.THREAD_INFO) == (State.RUNNABLE.value, PRIORITY - 1, identifier, 0)
    bench.do("processor", Operation.SET_FLOOR, PRIORITY - 1, given=other.index)
    machine.check()
    machine.name(machine.root, other.index)
    word = int(call.message(u64(OP.SET_FLOOR.value), u64(0), u64(1)))
    machine.start(machine.root, Call.CALL, boot.PROCESSOR, word, (HIGHER, 0, 0, 0), 0)
    assert machine.current is other.thread, "a floor is a priority"
    assert machine.invoke(other.index, Operation.THREAD_INFO).words[1] == HIGHER
    machine.check()


def test_who_runs_gets_a_lower_priority(bench: Bench) -> None:
    machine = bench.machine
    other = spawn(bench, PRIORITY - 1)
    machine.name(machine.root, boot.OWN_CONTEXT)
    word = int(call.message(u64(OP.CONFIGURE.value), u64(0), u64(1)))
    machine.start(machine.root, Call.CALL, boot.PROCESSOR, word, (PRIORITY - 2, 500, 1000, 0), 0)
    assert machine.current is other.thread
    machine.check()


def test_threads_of_one_priority_take_turns(bench: Bench) -> None:
    machine = bench.machine
    other = spawn(bench, PRIORITY)
    machine.start(machine.root, Call.YIELD, 0, 0, NOTHING, 0)
    assert machine.current is other.thread
    machine.start(other.thread, Call.YIELD, 0, 0, NOTHING, 0)
    assert machine.current is machine.root
    machine.tick(10_000)
    assert machine.current is other.thread, "a slice is over"
    machine.check()


def test_a_budget_that_is_used_up_comes_back(bench: Bench) -> None:
    machine = bench.machine
    _, thread = machine.spawn(HIGHER)
    assert machine.current is thread
    machine.tick(2000)
    assert machine.current is machine.root and thread.state is State.RUNNABLE
    machine.check()
    machine.tick(7999)
    assert machine.current is machine.root
    machine.tick(1)
    assert machine.current is thread
    machine.check()


# --- the fast path and the general one --------------------------------------------------------------------------------

both = pytest.mark.parametrize("fast", [False, True], ids=["general", "fast"])


def taken(thread: Thread) -> bool:
    """Did the fast path do the thread's last call?"""
    return not thread.registers.general


@both
@pytest.mark.parametrize("length", [4, 5])
def test_an_active_server_is_called_and_answers(fast: bool, length: int, bench: Bench) -> None:
    machine = bench.machine
    server = waiting(bench, Call.RECEIVE, "endpoint", NEVER, "reply")
    badged = bench["badged endpoint"]
    machine.fast = fast
    root, buffer = machine.root, machine.root.buffer
    assert buffer is not None and server.thread.buffer is not None
    for round_ in range(2):
        buffer.words[0] = u64(99 + round_)
        machine.start(root, Call.CALL, badged, word_of(5, length), (1, 2, 3, round_), 0)
        if fast:
            assert taken(root) == (length == 4)
        assert machine.current is server.thread and root.state is State.REPLIED
        got = machine.result(server.thread)
        assert (got.badge, got.word, got.words) == (50, word_of(5, length), (1, 2, 3, round_))
        assert length == 4 or server.thread.buffer.words[0] == 99 + round_
        assert server.thread.context is not None and root.context is not None, "each keeps its own time"
        machine.check()
        machine.start(server.thread, Call.REPLY_RECEIVE, bench["endpoint"], word_of(6, 2), (7, 8, 0, 0), bench["reply"])
        if fast:
            assert taken(server.thread)
        assert machine.current is root and server.thread.state is State.RECEIVING
        back = machine.result(root)
        assert (back.badge, back.word, back.words[:2]) == (0, word_of(6, 2), (7, 8))
        machine.check()


def waiting_elsewhere(bench: Bench, number: Call, target: str, reply: str | int = 0) -> Other:
    """The same, in another address space than the root's."""
    machine, other = bench.machine, waiting(bench, number, target, NEVER, reply)
    for operation, given in ((Operation.UNBIND, None), (Operation.BIND, "address_space")):
        bench.do(other.index, operation, Binding.SPACE.value, given=given)
    machine.start(machine.root, Call.CALL, other.index, word_of(Operation.RESUME.value), NOTHING, 0)
    machine.start(other.thread, number, bench[target], word_of(), (NEVER, 0, 0, 0), bench[reply])
    assert machine.current is machine.root and other.thread.space is not machine.root.space
    return other


@both
@pytest.mark.parametrize("senders", [1, 2])
def test_who_answers_receives_the_first_of_those_who_wait(fast: bool, senders: int, bench: Bench) -> None:
    """At once, however many there are."""
    machine = bench.machine
    endpoint, reply = bench["endpoint"], bench["reply"]
    callers = [waiting(bench, Call.CALL, "endpoint") for _ in range(1 + senders)]
    machine.start(machine.root, Call.RECEIVE, endpoint, word_of(), (NEVER, 0, 0, 0), reply)
    assert [caller.thread.state for caller in callers] == [State.REPLIED, *[State.CALLING] * senders]
    machine.fast = fast
    machine.start(machine.root, Call.REPLY_RECEIVE, endpoint, word_of(), NOTHING, reply)
    assert bench.object(reply).caller is callers[1].thread
    waits = [State.REPLIED, *[State.CALLING] * (senders - 1)]
    assert [caller.thread.state for caller in callers] == [State.RUNNABLE, *waits]
    assert int(machine.root.registers.pc) == ECALL + 4
    machine.check()


@pytest.mark.parametrize("active", [True, False])
def test_a_server_whose_reply_is_deleted_while_it_waits_has_none(active: bool, bench: Bench) -> None:
    machine = bench.machine
    server = waiting(bench, Call.RECEIVE, "endpoint", NEVER, "reply")
    if not active:
        bench.do(server.index, Operation.UNBIND, Binding.CONTEXT.value)
    assert server.thread.reply is bench.object(bench["reply"])
    bench.do("own table", Operation.DELETE, bench["reply"])
    assert server.thread.reply is None and server.thread.state is State.RECEIVING
    machine.check()


@both
@pytest.mark.parametrize("active", [True, False])
def test_who_goes_on_is_in_its_own_address_space(fast: bool, active: bool, bench: Bench) -> None:
    """Client and server are in two, which the processor has to be told of at each change."""
    machine, hart = bench.machine, bench.machine.hart
    server = waiting_elsewhere(bench, Call.RECEIVE, "endpoint", "reply")
    endpoint, reply = bench["endpoint"], bench["reply"]
    if not active:
        bench.do(server.index, Operation.UNBIND, Binding.CONTEXT.value)
    machine.fast = fast
    spaces = []
    for _ in range(3):
        machine.start(machine.root, Call.CALL, endpoint, word_of(5, 1), (1, 2, 3, 4), 0)
        assert machine.current is server.thread
        assert hart.cpu.translation == server.thread.space.translation != 0
        machine.start(server.thread, Call.REPLY_RECEIVE, endpoint, word_of(6), NOTHING, reply)
        assert machine.current is machine.root
        assert hart.cpu.translation == machine.root.space.translation != 0
        spaces = [server.thread.space.translation, machine.root.space.translation]
    assert spaces[0] != spaces[1]
    assert not fast or taken(server.thread)
    machine.check()


@both
def test_an_active_server_without_time_left_is_called_in_the_general_way(fast: bool, bench: Bench) -> None:
    machine = bench.machine
    machine.serve(bench["endpoint"], bench["reply"], False)
    machine.fast = fast
    machine.start(machine.root, Call.CALL, bench["endpoint"], word_of(), NOTHING, 0)
    assert machine.root.state is State.REPLIED and not (fast and taken(machine.root)), "it has a budget, no slice"
    machine.check()
    server = machine.current
    assert server is not None
    machine.start(server, Call.REPLY_RECEIVE, bench["endpoint"], word_of(), NOTHING, bench["reply"])
    assert machine.current is machine.root and not (fast and taken(server))
    machine.check()


@both
def test_signals_are_added_up_and_taken(fast: bool, bench: Bench) -> None:
    machine = bench.machine
    notification, badged = bench["notification"], bench["badged notification"]
    machine.fast = fast
    for index in (notification, badged, badged):
        done = machine.call(Call.SIGNAL, index)
        assert (done.badge, done.word) == (0, 0)
        assert not fast or taken(machine.root)
    done = machine.call(Call.WAIT, notification, 0, (NEVER, 0, 0, 0))
    assert (done.badge, done.word, done.words) == (51, 0, NOTHING)
    assert not fast or taken(machine.root)
    assert machine.call(Call.WAIT, notification, 0, (NOW, 0, 0, 0)).failure == (S.TIMED_OUT, FIRST)
    assert not fast or taken(machine.root)
    machine.check()


@both
def test_signals_are_counted(fast: bool, bench: Bench) -> None:
    machine = bench.machine
    (counter,) = machine.make(Kind.NOTIFICATION, 1)
    badged = bench.copy(counter, EVERYTHING, 50)
    machine.fast = fast
    for _ in range(3):
        assert machine.call(Call.SIGNAL, badged).failure == (S.OK, 0)
    for _ in range(3):
        done = machine.call(Call.WAIT, counter, 0, (NEVER, 0, 0, 0))
        assert (done.badge, done.word) == (1, 0)
    assert machine.call(Call.WAIT, counter, 0, (NOW, 0, 0, 0)).failure == (S.TIMED_OUT, FIRST)
    machine.check()


@both
@pytest.mark.parametrize("deadline", [NEVER, 5000])
def test_a_signal_wakes_who_is_more_important(fast: bool, deadline: int, bench: Bench) -> None:
    machine = bench.machine
    other = waiting(bench, Call.WAIT, "notification", deadline)
    badged = bench["badged notification"]
    machine.fast = fast
    machine.start(machine.root, Call.SIGNAL, badged, 0, NOTHING, 0)
    assert not fast or taken(machine.root) == (deadline == NEVER), "a timer must be stopped"
    assert machine.current is other.thread and machine.result(other.thread).badge == 50
    assert machine.root.state is State.RUNNABLE and machine.result(machine.root).failure == (S.OK, 0)
    machine.check()
    machine.start(other.thread, Call.WAIT, bench["notification"], 0, (NEVER, 0, 0, 0), 0)
    assert machine.current is machine.root


@both
def test_a_signal_to_who_is_less_important_only_makes_it_ready(fast: bool, bench: Bench) -> None:
    machine = bench.machine
    other = waiting(bench, Call.WAIT, "notification")
    bench.do("processor", Operation.CONFIGURE, PRIORITY - 1, 10_000, 10_000, given=other.context)
    machine.fast = fast
    assert machine.call(Call.SIGNAL, bench["notification"]).failure == (S.OK, 0)
    assert other.thread.state is State.RUNNABLE and machine.result(other.thread).badge == 1
    machine.check()


# --- devices ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("traced", [False, True])
def test_an_interrupt_wakes_its_driver(traced: bool, bench: Bench) -> None:
    """At once, or in the general way, which records it."""
    machine = bench.machine
    line: Any = machine.hart.lines[0]
    driver = waiting(bench, Call.WAIT, "notification")
    bench.do("interrupt", Operation.BIND_INTERRUPT, given=bench["badged notification"])
    enabled: Any = machine.hart.cpu.enabled
    assert enabled[1]
    if traced:
        bench.do("trace", Operation.TRACE_START, (1 << 64) - 1)
    machine.interrupt(1)
    assert machine.current is driver.thread and line.pending
    assert machine.result(driver.thread).badge == 50
    machine.check()
    machine.start(driver.thread, Call.WAIT, bench["notification"], 0, (NEVER, 0, 0, 0), 0)
    bench.do("interrupt", Operation.ACKNOWLEDGE)
    assert not line.pending and enabled[1]
    bench.do("interrupt", Operation.UNBIND_INTERRUPT)
    assert not enabled[1]
    machine.check()


def test_an_interrupt_that_nobody_waits_for_is_kept(bench: Bench) -> None:
    machine = bench.machine
    bench.do("interrupt", Operation.BIND_INTERRUPT, given="notification")
    machine.interrupt(1)
    assert machine.current is machine.root and bench.object(bench["notification"]).word == 1
    machine.check()
    bench.do("interrupt", Operation.UNBIND_INTERRUPT)
    assert not machine.hart.lines[0].pending, "the controller isn't kept waiting"


def test_the_controller_hears_once_that_an_interrupt_is_done(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """By who acknowledges it, or by the end of the binding; of a line that waits for none it hears nothing."""
    machine = bench.machine
    completed: list[int] = []
    monkeypatch.setattr(cpu, "complete", lambda state, line: completed.append(int(line)))
    for ending in (Operation.UNBIND_INTERRUPT, Operation.DELETE):
        for acknowledged in (None, False, True):
            (notification,) = machine.make(Kind.NOTIFICATION)
            bench.do("interrupt", Operation.BIND_INTERRUPT, given=notification)
            if acknowledged is not None:
                machine.interrupt(1)
            assert completed == []
            if acknowledged:
                bench.do("interrupt", Operation.ACKNOWLEDGE)
                assert completed == [1]
            if ending is Operation.DELETE:
                bench.do("own table", ending, notification)
            else:
                bench.do("interrupt", ending)
            assert completed == ([] if acknowledged is None else [1])
            completed.clear()
    machine.interrupt(3)
    assert completed == [3], "nobody else would say so"
    machine.interrupt(99)
    machine.check()


def test_interrupts_without_a_driver_are_switched_off(bench: Bench) -> None:
    machine = bench.machine
    machine.hart.cpu.enabled[3] = True
    for line in (0, 3, 99):
        machine.interrupt(line)
        assert machine.current is machine.root
    assert not machine.hart.cpu.enabled[3]
    machine.check()


def test_the_console_and_the_end(bench: Bench) -> None:
    cpu_ = bench.machine.hart.cpu
    words = [int.from_bytes(b"abcdefghijklmnopqrstuvwx"[start : start + 8], "little") for start in (0, 8, 16)]
    for count in (0, 3, 8, 9, 24):
        cpu_.printed = u64(0)
        bench.do("platform", Operation.CONSOLE_WRITE, count, *words)
        assert bytes(int(byte) for byte in cpu_.console[: int(cpu_.printed)]) == b"abcdefghijklmnopqrstuvwx"[:count]
        assert cpu_.printed == count
    bench.do("platform", Operation.POWER_OFF, 255)
    assert cpu_.ended == 256, "the highest status is one"
    cpu_.timer = u64(NEVER)
    cpu.wait_for_interrupt(cpu_)
    cpu.power_off(cpu_, u64(9))
    assert cpu_.ended == 256, "the machine ends once"


def test_a_full_console_takes_what_it_can(bench: Bench) -> None:
    cpu_ = bench.machine.hart.cpu
    words = [int.from_bytes(b"abcdefghijklmnopqrstuvwx"[start : start + 8], "little") for start in (0, 8, 16)]
    cpu_.printed, cpu_.full_at = u64(0), u64(10)
    assert bench.do("platform", Operation.CONSOLE_WRITE, 24, *words)[0] == 10
    assert bytes(int(byte) for byte in cpu_.console[:10]) == b"abcdefghij"
    cpu_.full_at = u64(10)
    assert bench.do("platform", Operation.CONSOLE_WRITE, 24, *words)[0] == 0
    assert cpu_.printed == 10


def test_a_ring_is_read_page_by_page(bench: Bench) -> None:
    machine, trace = bench.machine, bench.object(bench["trace"])
    bench.do("trace", Operation.TRACE_START, 1)
    for page in (0, 1):
        machine.window(EMPTY - page, 1)
        bench.do("trace", Operation.TRACE_FRAME, page)
        slot = machine.slot(EMPTY - page)
        assert (slot.word, slot.rights) == (trace.base + page * PAGE, READ)
    machine.check()
    bench.do("trace", Operation.TRACE_START, 0)
    assert machine.hart.trace_mask == 0
    bench.do("own table", Operation.DELETE, bench["trace"])
    assert machine.slot(EMPTY).object is None
    machine.check()


@both
@pytest.mark.parametrize("driver", [True, False])
def test_who_is_woken_is_in_its_own_address_space(fast: bool, driver: bool, bench: Bench) -> None:
    """By a signal, or an interrupt; and who goes on when it waits again."""
    machine, hart = bench.machine, bench.machine.hart
    notification = bench["notification"]
    bench.do("interrupt", Operation.BIND_INTERRUPT, given="notification")
    waiter = waiting_elsewhere(bench, Call.WAIT, "notification").thread
    machine.fast = fast
    for _ in range(3):
        if driver:
            machine.interrupt(1)
        else:
            machine.start(machine.root, Call.SIGNAL, notification, word_of(), NOTHING, 0)
            assert not fast or taken(machine.root)
        assert machine.current is waiter
        assert hart.cpu.translation == waiter.space.translation != 0
        machine.start(waiter, Call.WAIT, notification, word_of(), (NEVER, 0, 0, 0), 0)
        assert machine.current is machine.root
        assert hart.cpu.translation == machine.root.space.translation != 0
    assert waiter.space.translation != machine.root.space.translation
    machine.check()


# --- faults -----------------------------------------------------------------------------------------------------------


def faulting(bench: Bench, passive: bool = True) -> tuple[Other, Thread]:
    """A thread that runs, and the handler of its faults, which waits."""
    machine = bench.machine
    endpoint, reply, badged = bench["endpoint"], bench["reply"], bench["badged endpoint"]
    handler = machine.serve(endpoint, reply, passive)
    other = spawn(bench, PRIORITY - 1)
    bench.do(other.index, Operation.BIND, Binding.HANDLER.value, given=badged)
    machine.start(machine.root, Call.CALL, boot.OWN_THREAD, word_of(Operation.SUSPEND.value), NOTHING, 0)
    assert machine.current is other.thread
    other.thread.registers.pc = u64(PLACE)
    return other, handler


def fault_word(fault: Fault) -> int:
    return word_of(fault.value, 4) | int(call.FAULT_BIT)


@both
def test_who_goes_on_after_a_fault_is_in_its_own_address_space(fast: bool, bench: Bench) -> None:
    """Its handler, which runs on its time, has another."""
    machine, hart = bench.machine, bench.machine.hart
    server = waiting_elsewhere(bench, Call.RECEIVE, "endpoint", "reply")
    bench.do(server.index, Operation.UNBIND, Binding.CONTEXT.value)
    other, handler = spawn(bench, PRIORITY - 1), server.thread
    bench.do(other.index, Operation.BIND, Binding.HANDLER.value, given="endpoint")
    machine.start(machine.root, Call.CALL, boot.OWN_THREAD, word_of(Operation.SUSPEND.value), NOTHING, 0)
    machine.fast = fast
    for _ in range(2):
        machine.trap(other.thread, 13, 0xDEAD_0000)
        assert machine.current is handler
        assert hart.cpu.translation == handler.space.translation != 0
        machine.start(handler, Call.REPLY_RECEIVE, bench["endpoint"], word_of(), NOTHING, bench["reply"])
        assert machine.current is other.thread
        assert hart.cpu.translation == other.thread.space.translation != 0
    assert handler.space.translation != other.thread.space.translation
    assert not fast or taken(handler)
    machine.check()


@pytest.mark.parametrize(
    ("cause", "fault", "access"),
    [
        (0, Fault.MISALIGNED, 2),
        (1, Fault.BUS, 2),
        (2, Fault.ILLEGAL_INSTRUCTION, 0),
        (3, Fault.BREAKPOINT, 0),
        (4, Fault.MISALIGNED, 0),
        (5, Fault.BUS, 0),
        (6, Fault.MISALIGNED, 1),
        (7, Fault.BUS, 1),
        (12, Fault.PAGE, 2),
        (13, Fault.PAGE, 0),
        (15, Fault.PAGE, 1),
    ],
)
@pytest.mark.parametrize("traced", [False, True])
def test_a_fault_is_a_call_to_the_handler(cause: int, fault: Fault, access: int, traced: bool, bench: Bench) -> None:
    machine = bench.machine
    if traced:
        bench.do("trace", Operation.TRACE_START, (1 << 64) - 1)
    other, handler = faulting(bench)
    machine.trap(other.thread, cause, 0xDEAD_0000)
    assert machine.current is handler and other.thread.faulted and other.thread.state is State.REPLIED
    got = machine.result(handler)
    assert (got.badge, got.word, got.words) == (50, fault_word(fault), (0xDEAD_0000, PLACE, access, 0))
    machine.check()


@both
@pytest.mark.parametrize("passive", [False, True])
@pytest.mark.parametrize("answer", [0, 1, 2, 9])
def test_the_handlers_answer(answer: int, passive: bool, fast: bool, bench: Bench) -> None:
    machine = bench.machine
    other, handler = faulting(bench, passive)
    machine.fast = fast
    thread = other.thread
    thread.registers.t0 = u64(42)
    machine.trap(thread, 13, 0xDEAD_0000)
    machine.start(handler, Call.REPLY_RECEIVE, bench["endpoint"], word_of(answer, 1), (0x7000, 0, 0, 0), bench["reply"])
    assert not fast or taken(handler) == (passive and answer < 2)
    assert not thread.faulted and handler.state is State.RECEIVING
    assert thread.state is (State.RUNNABLE if answer < 2 else State.STOPPED)
    assert thread.registers.pc == (0x7000 if answer == 1 else PLACE) and thread.registers.t0 == 42
    if answer < 2:
        assert machine.current is thread
        machine.check()


@both
def test_a_foreign_thread_calls_its_handler(fast: bool, bench: Bench) -> None:
    machine = bench.machine
    other, handler = faulting(bench)
    thread = other.thread
    machine.trap(thread, 3)
    assert thread.faulted
    bench.root_goes_on(handler)
    bench.do(other.index, Operation.SET_FOREIGN, 1)
    machine.start(machine.root, Call.CALL, boot.OWN_THREAD, word_of(Operation.SUSPEND.value), NOTHING, 0)
    machine.fast = fast
    answering = (Call.REPLY_RECEIVE, bench["endpoint"])
    machine.start(handler, *answering, word_of(), NOTHING, bench["reply"])
    assert machine.current is thread
    machine.start(thread, Call.SIGNAL, 7, 8, (9, 10, 11, 12), 0)
    assert machine.current is handler and thread.faulted
    got = machine.result(handler)
    where = int(thread.registers.pc)
    assert (got.word, got.words) == (fault_word(Fault.SYSTEM_CALL), (Call.SIGNAL.value, where, 7, 8))
    machine.start(handler, *answering, word_of(Resume.SKIP.value, 2), (55, 66, 0, 0), bench["reply"])
    assert machine.current is thread
    registers = thread.registers
    assert (registers.pc, registers.a0, registers.a1) == (where + 4, 55, 66)
    machine.check()


def test_a_call_that_doesnt_exist_is_the_handlers(bench: Bench) -> None:
    machine = bench.machine
    other, handler = faulting(bench)
    registers = other.thread.registers
    registers.a7, registers.a0, registers.a1 = u64(Call.TRY_SEND.value + 1), u64(3), u64(4)
    registers.ra = registers.t0 = registers.t6 = u64(0xDEAD)
    registers.s0 = u64(77)
    machine.enter(other.thread)
    assert machine.current is handler
    assert (registers.ra, registers.t0, registers.t6, registers.s0) == (0, 0, 0, 77), "a call preserves s0"
    assert machine.result(handler).words == (Call.TRY_SEND.value + 1, PLACE, 3, 4)
    machine.check()


LOST = ["ra", "t0", "t1", "t2", "t3", "t4", "t5", "t6"]
ARGUMENTS, KEPT = [f"a{number}" for number in range(8)], [f"s{number}" for number in range(12)]
#: as READ_REGISTERS gives them: pc, then x1 to x31
REGISTERS = ["pc", "ra", "sp", "gp", "tp", "t0", "t1", "t2", *KEPT[:2], *ARGUMENTS, *KEPT[2:], "t3", "t4", "t5", "t6"]


def test_what_a_call_doesnt_preserve_is_zero_when_it_is_a_fault(bench: Bench) -> None:
    """Its way in doesn't store them: what lies there is of an earlier time."""
    machine = bench.machine
    other, handler = faulting(bench)
    registers = other.thread.registers
    for number, name in enumerate(REGISTERS[1:]):
        setattr(registers, name, u64(1000 + number))
    registers.a7 = u64(Call.TRY_SEND.value + 1)
    machine.enter(other.thread)
    read = machine.invoke(other.index, Operation.READ_REGISTERS, thread=handler)
    assert read.word == word_of(0, 32) and handler.buffer is not None
    values = zip(REGISTERS, [*read.words, *handler.buffer.words[:28]], strict=True)
    assert [name for name, value in values if value == 0] == LOST


@pytest.mark.parametrize("end", ["endpoint", "reply", "thread", "suspended"])
def test_a_fault_that_nobody_will_handle_stops_the_thread(end: str, bench: Bench) -> None:
    machine = bench.machine
    first = machine.next_slot
    other, handler = faulting(bench)
    machine.trap(other.thread, 13)
    bench.root_goes_on(handler)
    if end == "suspended":
        bench.do(other.index, Operation.SUSPEND)
        assert other.thread.registers.pc == PLACE
    elif end == "thread":
        handlers = [index for index in range(first, machine.next_slot) if bench.object(index) is handler]
        bench.do("own table", Operation.DELETE, handlers[0])
    else:
        bench.do("own table", Operation.DELETE, bench[end])
    assert other.thread.faulted == (end == "endpoint"), "who has the fault's Reply can still answer"
    assert other.thread.state is (State.REPLIED if end == "endpoint" else State.STOPPED)
    machine.check()


@pytest.mark.parametrize("how", ["endpoint", "receiver", "suspended"])
def test_a_fault_waits_for_its_handler(how: str, bench: Bench) -> None:
    """The end of the endpoint lets the thread try again; a receiver without a Reply stops it."""
    machine = bench.machine
    other = spawn(bench, PRIORITY - 1)
    thread: Any = bench.object(other.index)
    bench.do(other.index, Operation.BIND, Binding.HANDLER.value, given="endpoint")
    bench.do("own thread", Operation.BIND, Binding.NOTIFICATION.value, given="notification")
    machine.start(machine.root, Call.WAIT, bench["another notification"], 0, (100, 0, 0, 0), 0)
    assert machine.current is other.thread
    thread.registers.pc = u64(PLACE)
    machine.trap(thread, 13)
    assert (thread.faulted, thread.state) == (True, State.CALLING)
    machine.tick(100)
    match how:
        case "endpoint":
            bench.do("own table", Operation.DELETE, bench["endpoint"])
        case "receiver":
            assert machine.call(Call.RECEIVE, bench["endpoint"]).failure == (S.TIMED_OUT, FIRST)
        case _:
            bench.do(other.index, Operation.SUSPEND)
    assert (thread.faulted, thread.registers.pc) == (False, PLACE)
    assert thread.state is (State.RUNNABLE if how == "endpoint" else State.STOPPED)
    machine.check()


def test_a_fault_of_the_root_ends_the_machine(bench: Bench) -> None:
    """What it says then is tested on the machine (`tests/image/test_kernel_image.py`)."""
    machine, root = bench.machine, bench.machine.root
    root.space.identifier = u64(1)
    spawn(bench, PRIORITY - 1)
    machine.trap(root, 15, 0xDEAD)
    assert machine.hart.cpu.ended == 1 + cpu.CRASHED


# --- floating point ---------------------------------------------------------------------------------------------------


def test_floating_point_registers_are_changed_when_they_are_used(bench: Bench) -> None:
    machine = bench.machine
    hart: Any = machine.hart
    unit = hart.cpu
    mine, others = bench["floats"], bench["another floats"]
    bench.do("own thread", Operation.BIND, Binding.FLOATS.value, given=mine)
    machine.trap(machine.root, 2)
    assert unit.floating and hart.floating is machine.root and machine.root.state is State.RUNNABLE
    machine.check()
    other = spawn(bench, PRIORITY - 1)
    bench.do(other.index, Operation.BIND, Binding.FLOATS.value, given=others)
    machine.start(machine.root, Call.WAIT, bench["notification"], 0, (NEVER, 0, 0, 0), 0)
    assert machine.current is other.thread
    assert not unit.floating and hart.floating is machine.root, "they are kept while nobody wants the unit"
    machine.trap(other.thread, 2)
    assert unit.floating and hart.floating is other.thread
    assert [*bench.object(mine).registers] == list(range(32)), "what was in the unit is saved"
    assert [*bench.object(mine).vectors] == list(range(64)), "vectors too"
    machine.check()
    kept: Any = bench.object(others).registers
    for place in range(32):
        kept[place] = u64(99)
    done = machine.invoke(other.index, Operation.UNBIND, Binding.FLOATS.value)
    assert done.failure == (S.OK, 0)
    assert [*kept] == list(range(32)), "what is in the unit stays with the object"
    nobody: Any = hart.floating
    assert not unit.floating and not unit.vectors and nobody is None
    machine.trap(other.thread, 2)
    assert bench.object(other.index).state is State.STOPPED, "without floats it is a fault"
    machine.check()


@pytest.mark.parametrize(
    ("size", "words", "on"), [(0, 64, False), (8, 64, False), (16, 64, True), (32, 64, True), (16, 0, False)]
)
def test_vectors_are_on_where_there_is_room_for_them(bench: Bench, size: int, words: int, on: bool) -> None:
    machine = bench.machine
    hart: Any = machine.hart
    hart.vector_words = u64(words)
    (floats,) = machine.make(Kind.FLOATS, size)
    bench.do("own thread", Operation.BIND, Binding.FLOATS.value, given=floats)
    machine.trap(machine.root, 2)
    assert hart.cpu.floating and hart.cpu.vectors is on
    machine.trap(machine.root, 2)
    assert machine.root.state is State.STOPPED, "what is still illegal is a fault"
    machine.check()


# --- schedulers in user space -----------------------------------------------------------------------------------------


def held(bench: Bench) -> Other:
    """A thread without a context, which the root schedules, and which could run."""
    thread = bench["another thread"]
    for binding in (Binding.TABLE, Binding.SPACE):
        own = "own table" if binding is Binding.TABLE else "own space"
        bench.do(thread, Operation.BIND, binding.value, given=own)
    bench.do(thread, Operation.HOLD, given="notification")
    bench.do(thread, Operation.START, PLACE)
    assert bench.object(bench["notification"]).word == 1, "its scheduler is told"
    return Other(thread, 0, bench.object(thread))


def dispatch(bench: Bench, other: Other, deadline: int = NEVER) -> None:
    machine = bench.machine
    machine.start(machine.root, Call.CALL, other.index, word_of(Operation.DISPATCH.value), (deadline, 0, 0, 0), 0)
    assert machine.current is other.thread and machine.root.state is State.DISPATCHING
    machine.check()


@both
def test_a_dispatched_server_keeps_no_time_when_it_has_answered(fast: bool, bench: Bench) -> None:
    """It is its scheduler's, which goes on with it; the caller had its own."""
    machine, root = bench.machine, bench.machine.root
    caller, server = waiting(bench, Call.CALL, "endpoint"), held(bench)
    endpoint, reply = bench["endpoint"], bench["reply"]
    dispatch(bench, server)
    machine.start(server.thread, Call.RECEIVE, endpoint, word_of(), (NEVER, 0, 0, 0), reply)
    assert machine.current is server.thread and bench.object(reply).context is None
    machine.fast = fast
    machine.start(server.thread, Call.REPLY_RECEIVE, endpoint, word_of(), NOTHING, reply)
    assert machine.current is caller.thread
    assert server.thread.state is State.RECEIVING and server.thread.context is None
    assert root.state is State.RUNNABLE and root.context is not None
    machine.check()


@pytest.mark.parametrize("why", list(Stop))
def test_a_dispatched_thread_runs_until_it_stops(why: Stop, bench: Bench) -> None:
    machine, root = bench.machine, bench.machine.root
    other = held(bench)
    if why is Stop.FAULTED:
        bench.do(other.index, Operation.BIND, Binding.HANDLER.value, given="endpoint")
    stopper = waiting(bench, Call.WAIT, "another notification", 300 if why is Stop.STOPPED else NEVER)
    target = bench["notification"]
    _ = machine.call(Call.WAIT, target, 0, (NOW, 0, 0, 0))
    dispatch(bench, other, 500 if why is Stop.EXHAUSTED else NEVER)
    match why:
        case Stop.BLOCKED:
            machine.start(other.thread, Call.WAIT, target, 0, (NEVER, 0, 0, 0), 0)
        case Stop.FAULTED:
            machine.trap(other.thread, 13)
        case Stop.EXHAUSTED:
            machine.tick(499)
            assert machine.current is other.thread
            machine.tick(1)
        case Stop.STOPPED:
            machine.tick(300)
            assert machine.current is stopper.thread
            assert machine.invoke(other.index, Operation.SUSPEND).failure == (S.OK, 0)
            machine.start(stopper.thread, Call.WAIT, target, 0, (NEVER, 0, 0, 0), 0)
        case Stop.YIELDED:
            machine.start(other.thread, Call.YIELD, 0, 0, NOTHING, 0)
    assert machine.current is root and root.context is root.home
    assert machine.result(root).failure == (S.OK, 0) and machine.result(root).words == (why.value, 0, 0, 0)
    machine.check()
    again = why in (Stop.EXHAUSTED, Stop.YIELDED)
    assert (other.thread.state is State.RUNNABLE) == again
    if again:
        dispatch(bench, other)


def test_who_may_wait_for_signals_may_bind_them(bench: Bench) -> None:
    bench.do("thread", Operation.BIND, Binding.NOTIFICATION.value, given="without control notification")
    bench.machine.check()


def test_frames_that_a_device_space_had_are_nobodys_when_it_has_ended(bench: Bench) -> None:
    bench.do("own table", Operation.DELETE, bench["full dma_space"])
    bench.machine.check()


def test_the_longest_period_is_one(bench: Bench) -> None:
    """The one after it is refused."""
    bench.do("processor", Operation.CONFIGURE, 1, 1000, 1 << 48, given="sched_context")
    bench.machine.check()


def test_a_dispatched_thread_gives_way_at_the_end_of_its_schedulers_slice(bench: Bench) -> None:
    machine = bench.machine
    other = held(bench)
    _, peer = machine.spawn(PRIORITY)
    dispatch(bench, other)
    machine.tick(10_000)
    assert machine.current is peer and machine.root.state is State.DISPATCHING
    machine.tick(2000)
    assert machine.current is other.thread
    machine.check()


def test_the_budget_of_a_dispatched_thread_is_its_schedulers(bench: Bench) -> None:
    machine = bench.machine
    other = held(bench)
    bench.do("processor", Operation.CONFIGURE, PRIORITY, 1000, 5000, given="own context")
    dispatch(bench, other)
    machine.tick(1000)
    assert machine.result(machine.root).words[0] == Stop.EXHAUSTED.value
    assert machine.current is machine.root and machine.hart.cpu.time == 5000, "it waits for its refill itself"
    machine.check()
    bench.do(other.index, Operation.RELEASE)
    assert machine.invoke(other.index, Operation.DISPATCH, NEVER).failure == (S.WRONG_STATE, INVOKED)
    bench.do("own table", Operation.DELETE, other.index)
    machine.check()


@pytest.mark.parametrize("how", ["release", "delete", "suspend the scheduler"])
def test_a_dispatch_is_broken_off(how: str, bench: Bench) -> None:
    machine, root = bench.machine, bench.machine.root
    other = held(bench)
    stopper = waiting(bench, Call.WAIT, "another notification", 300)
    dispatch(bench, other)
    machine.tick(300)
    assert machine.current is stopper.thread
    match how:
        case "release":
            done = machine.invoke(other.index, Operation.RELEASE)
        case "delete":
            done = machine.delete(other.index)
        case _:
            done = machine.invoke(boot.OWN_THREAD, Operation.SUSPEND)
    assert done.failure == (S.OK, 0)
    machine.check()
    assert root.context is root.home and other.thread.context is None
    if how == "suspend the scheduler":
        assert root.state is State.STOPPED and machine.result(root).failure == (S.CANCELLED, INVOKED)
    else:
        assert root.state is State.RUNNABLE and machine.result(root).words[0] == Stop.STOPPED.value


def test_schedulers_of_schedulers_are_told(bench: Bench) -> None:
    """Each that is woken without time is held by the next; beyond the third nobody is told."""
    machine = bench.machine
    bells = machine.make(Kind.NOTIFICATION, 0, 4)
    others = [spawn(bench, PRIORITY - 1)]
    bench.do(others[0].index, Operation.SUSPEND)
    for bell in bells[:-1]:
        others.append(spawn(bench))
        machine.start(others[-1].thread, Call.WAIT, bell, 0, (NEVER, 0, 0, 0), 0)
    for other, bell in zip(others, bells, strict=True):
        bench.do(other.index, Operation.UNBIND, Binding.CONTEXT.value)
        bench.do(other.index, Operation.HOLD, given=bell)
    bench.do(others[0].index, Operation.RESUME)
    assert all(other.thread.state is State.RUNNABLE and other.thread.context is None for other in others)
    assert [machine.result(other.thread).badge for other in others[1:]] == [1, 1, 1]
    assert [bench.object(bell).word for bell in bells] == [0, 0, 0, 0]
    machine.check()


def test_who_lives_on_others_time_sets_no_deadline(bench: Bench) -> None:
    """When the deadline came, it would have no context to go on with."""
    machine = bench.machine
    server, other = machine.serve(bench["endpoint"], bench["reply"], True), bench["another reply"]
    machine.start(machine.root, Call.CALL, bench["endpoint"], word_of(), NOTHING, 0)
    assert machine.current is server
    for reply in (0, other):
        done = machine.call(Call.RECEIVE, bench["endpoint"], 0, (1000, 0, 0, 0), reply)
        assert done.failure == DEADLINE_ON_BORROWED_TIME[1:]
    assert machine.call(Call.RECEIVE, bench["endpoint"], 0, (NOW, 0, 0, 0)).failure == (S.TIMED_OUT, FIRST)
    machine.check()


DEADLINE_ON_BORROWED_TIME = (Call.RECEIVE, S.WRONG_STATE, FIRST)


# --- messages that can't be taken -------------------------------------------------------------------------------------


#: capabilities and words that a message brings, whether the receiver has a buffer, the size of its window, and why it
#: can't take the message
MESSAGES: list[tuple[list[str | int], int, bool, int, Status, int]] = [
    ([EMPTY], 0, True, 2, S.NO_CAPABILITY, TRAVELLING),
    (["endpoint", EMPTY], 0, True, 2, S.NO_CAPABILITY, TRAVELLING + 1),
    (["deep notification"], 0, True, 1, S.UNDERIVABLE, TRAVELLING),
    (["pinned frame", MOVE], 0, True, 1, S.PINNED, TRAVELLING),
    (["all memory", MOVE], 0, True, 1, S.HAS_CHILDREN, TRAVELLING),
    (["endpoint"], 0, True, 0, S.NO_WINDOW, WINDOW),
    (["endpoint"], 0, False, 0, S.NO_BUFFER, WINDOW),
    ([], 5, False, 0, S.NO_BUFFER, WINDOW),
]
bad_messages = pytest.mark.parametrize(
    ("named", "length", "receiver_buffer", "window", "status", "argument"), MESSAGES, ids=str
)


@pytest.mark.parametrize("number", ANSWERING)
@bad_messages
def test_an_answer_arrives_whole_or_not_at_all(
    named: list[str | int],
    length: int,
    receiver_buffer: bool,
    window: int,
    status: Status,
    argument: int,
    number: Call,
    bench: Bench,
) -> None:
    """If the caller can't take it, it waits on."""
    machine = bench.machine
    moving = MOVE if MOVE in named else 0
    indices = [bench[name] | moving for name in named if name != MOVE]
    other = waiting(bench, Call.CALL, "endpoint")
    assert machine.call(Call.RECEIVE, bench["endpoint"], 0, (NOW, 0, 0, 0), bench["reply"]).word == word_of()
    if receiver_buffer:
        machine.window(EMPTY - 4, window, other.thread)
    else:
        bench.do(other.index, Operation.UNBIND, Binding.BUFFER.value)
    machine.name(machine.root, *indices)
    before = bench.state()
    done = machine.call(number, bench["endpoint"], word_of(1, length, len(indices)), NOTHING, bench["reply"])
    assert done.failure == (status, argument)
    assert other.thread.state is State.REPLIED and bench.state() == before
    machine.check()


@pytest.mark.parametrize(
    ("number", "queued"),
    [(Call.CALL, False), (Call.SEND, False), (Call.TRY_SEND, False), (Call.CALL, True), (Call.SEND, True)],
    ids=lambda each: each.name if isinstance(each, Call) else "the sender waits" if each else "the receiver waits",
)
@bad_messages
def test_a_message_arrives_whole_or_not_at_all(
    named: list[str | int],
    length: int,
    receiver_buffer: bool,
    window: int,
    status: Status,
    argument: int,
    number: Call,
    queued: bool,
    bench: Bench,
) -> None:
    machine, root = bench.machine, bench.machine.root
    reply = bench["reply"] if number is Call.CALL else 0
    moving = MOVE if MOVE in named else 0
    indices = [bench[name] | moving for name in named if name != MOVE]
    endpoint = bench["endpoint"]
    word = word_of(1, length, len(indices))
    other = spawn(bench)
    receiver, sender = (root, other.thread) if queued else (other.thread, root)
    if not receiver_buffer:
        index = boot.OWN_THREAD if queued else other.index
        assert machine.invoke(index, Operation.UNBIND, Binding.BUFFER.value).failure == (S.OK, 0)
        if queued:
            assert machine.result(other.thread).failure == (S.OK, 0)
    else:
        machine.window(EMPTY - 4, window, receiver)
    machine.name(sender, *indices)
    table = sender.table
    denied = int(table.denied)
    if queued:
        machine.start(sender, number, endpoint, word, NOTHING, 0)
        before = bench.state()
        machine.start(root, Call.RECEIVE, endpoint, 0, (NEVER, 0, 0, 0), reply)
    else:
        machine.start(receiver, Call.RECEIVE, endpoint, 0, (NEVER, 0, 0, 0), reply)
        before = bench.state()
        machine.start(sender, number, endpoint, word, NOTHING, 0)
        assert receiver.state is State.RECEIVING
    assert sender.state is State.RUNNABLE and machine.result(sender).failure == (status, argument)
    assert bench.state() == before
    assert int(table.denied) - denied == (status is S.NO_CAPABILITY), "also of who has waited"
    if status is S.NO_CAPABILITY:
        kept = table.denials[denied % 8]
        outcome = int(failure(status, u64(argument))) | number.value
        assert (int(kept.capability), int(kept.word), int(kept.outcome)) == (endpoint, word, outcome)
    machine.check()


@pytest.mark.parametrize("number", [Call.SEND, Call.TRY_SEND, Call.CALL])
def test_a_receiver_without_a_reply_isnt_called(number: Call, bench: Bench) -> None:
    """But it is sent to."""
    machine = bench.machine
    other = waiting(bench, Call.RECEIVE, "endpoint")
    machine.start(machine.root, number, bench["badged endpoint"], word_of(7), (1, 2, 3, 4), 0)
    if number is Call.CALL:
        assert machine.result(machine.root).failure == (S.WRONG_STATE, INVOKED)
        assert other.thread.state is State.RECEIVING
    else:
        assert machine.current is other.thread
        got = machine.result(other.thread)
        assert (got.badge, got.word, got.words) == (50, word_of(7), (1, 2, 3, 4))
    machine.check()


@pytest.mark.parametrize("number", [Call.SEND, Call.CALL])
def test_who_waits_to_send_is_received(number: Call, bench: Bench) -> None:
    """A call needs a Reply: without one it is refused, and the receiver goes on waiting."""
    machine, root = bench.machine, bench.machine.root
    other = waiting(bench, number, "badged endpoint")
    endpoint, reply = bench["endpoint"], bench["reply"]
    if number is Call.CALL:
        machine.start(root, Call.RECEIVE, endpoint, 0, (NEVER, 0, 0, 0), 0)
        assert machine.current is other.thread
        assert machine.result(other.thread).failure == (S.WRONG_STATE, INVOKED)
        machine.check()
        return
    machine.start(root, Call.RECEIVE, endpoint, 0, (NEVER, 0, 0, 0), reply)
    assert machine.current is other.thread and machine.result(other.thread).failure == (S.OK, 0)
    got = machine.result(root)
    assert (got.badge, got.word) == (50, word_of())
    machine.check()


def test_a_reply_in_use_receives_nothing_else(bench: Bench) -> None:
    machine, root = bench.machine, bench.machine.root
    other = waiting(bench, Call.CALL, "endpoint")
    endpoint, reply = bench["endpoint"], bench["reply"]
    assert machine.call(Call.RECEIVE, endpoint, 0, (NEVER, 0, 0, 0), reply).word == word_of()
    assert other.thread.state is State.REPLIED
    assert machine.call(Call.RECEIVE, endpoint, 0, (NEVER, 0, 0, 0), reply).failure == (S.OCCUPIED, REPLY)
    assert machine.call(Call.REPLY, 0, word_of(1, 513), NOTHING, reply).failure == (S.OUT_OF_RANGE, WORD)
    machine.check()
    machine.start(root, Call.REPLY, 0, word_of(9), (5, 6, 7, 8), reply)
    assert machine.current is other.thread
    assert machine.result(other.thread).words == (5, 6, 7, 8) and machine.result(root).failure == (S.OK, 0)
    machine.start(other.thread, Call.RECEIVE, endpoint, 0, (NEVER, 0, 0, 0), reply)
    assert machine.result(other.thread).failure == (S.OCCUPIED, REPLY), "it is another thread's"
