"""The fast paths are no other kernel: what they do, the general path does; and they are taken where they can be.

Each case is run on two machines that are alike, one of which tries the fast paths: afterwards all objects must be.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from enum import Enum
from typing import Any, NamedTuple

import pytest

from neokernel.abi import boot
from neokernel.abi.call import NEVER, NOW, Call
from neokernel.abi.fault import Resume
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding, Operation
from neokernel.abi.rights import ALL, RECEIVE, SEND, SIGNAL, WAIT
from neokernel.kernel import syscall
from neokernel.kernel.fast import wake_driver
from neokernel.kernel.objects import Hart, Reply, Slot, Thread
from neokernel.lang import Atomic, u64
from neokernel.sim.physical import Number
from tests.kernel.support import INTERRUPTS, PRIORITY, Machine
from tests.kernel.test_endpoint import Pair, word

NOTHING = (0, 0, 0, 0)
#: what nobody reads afterwards: how the kernel was entered, where a message is kept on its way, what was recorded
SCRATCH = {"general", "full", "badge", "message", "told"}
PAGE_FAULT, ILLEGAL_INSTRUCTION = 13, 2
#: room for the registers of the floating-point unit, and for vectors of so many bytes
VECTOR_BYTES = 16


def fields_of(thing: Any) -> Iterator[tuple[str, Any]]:
    """What CPython keeps, and numbers that only lie in memory, as registers do."""
    for key, value in vars(thing).items():
        if "." not in key:
            yield key, value
    for key, kind in vars(type(thing)).items():
        if isinstance(kind, Number):
            yield key, getattr(thing, key)


def picture(hart: Hart) -> dict[str, dict[str, Any]]:
    """All that can be reached from a hart, each object by its way from there."""
    names: dict[int, str] = {id(hart): "hart"}
    found: dict[str, dict[str, Any]] = {}
    work: deque[Any] = deque([hart])

    def shown(value: Any, name: str) -> Any:
        if value is None or isinstance(value, (Enum, Atomic)) or hasattr(value, "__index__"):
            return str(value)
        if hasattr(value, "__len__"):
            return [shown(each, f"{name}[{number}]") for number, each in enumerate(value)]
        if isinstance(value, Slot) and value.object is None:
            return "empty"
        if id(value) not in names:
            names[id(value)] = name
            work.append(value)
        return names[id(value)]

    while work:
        thing = work.popleft()
        name = names[id(thing)]
        fields = {key: value for key, value in fields_of(thing) if key not in SCRATCH}
        if isinstance(thing, Reply) and thing.caller is None:
            # What the last call has left behind.
            fields = {"server": thing.server}
        found[name] = {key: shown(value, f"{name}.{key}") for key, value in fields.items()}
    return found


class Entry(NamedTuple):
    """A system call of the thread that runs."""

    machine: Machine
    number: Call
    capability: int
    word: int = 0
    w: Sequence[int] = NOTHING
    reply: int = 0

    def enter(self, *, fast: bool) -> bool:
        """Was it done by a fast path?"""
        machine, thread = self.machine, self.machine.current
        assert thread is not None
        machine.fast = fast
        machine.start(thread, *self[1:])
        machine.check()
        return fast and not thread.registers.general


def copied(machine: Machine, index: int, rights: int, badge: int = 0) -> int:
    place, machine.next_slot = machine.next_slot, machine.next_slot + 1
    assert machine.invoke(boot.OWN_TABLE, Operation.COPY, place, rights, badge, given=index).word == 0
    return place


def index_of(machine: Machine, thread: Thread) -> int:
    (index,) = (each for each in range(machine.next_slot) if machine.slot(each).object is thread)
    return index


def traced(machine: Machine) -> None:
    (trace,) = machine.make(Kind.TRACE, 1)
    assert machine.invoke(trace, Operation.TRACE_START, (1 << 64) - 1).word == 0


def with_floats(machine: Machine, thread: Thread) -> None:
    """It has room for the registers of the floating-point unit, which is off still."""
    (floats,) = machine.make(Kind.FLOATS, VECTOR_BYTES)
    index = boot.OWN_THREAD if thread is machine.root else index_of(machine, thread)
    assert machine.invoke(index, Operation.BIND, Binding.FLOATS.value, given=floats).word == 0


def compute(machine: Machine, thread: Thread) -> None:
    """The unit is on, for the thread that runs."""
    machine.trap(thread, ILLEGAL_INSTRUCTION)
    assert machine.current is thread and machine.hart.cpu.floating


def configure(machine: Machine, thread: Thread, priority: int) -> None:
    """The thread may run all the time: then contexts are exchanged without counting."""
    context = next(each for each in range(machine.next_slot) if machine.slot(each).object is thread.context)
    done = machine.invoke(boot.PROCESSOR, Operation.CONFIGURE, priority, 10_000, 10_000, given=context)
    assert done.word == 0, done.failure


def without_translation(thread: Thread) -> None:
    """Its address space has lost its number, as others needed one."""
    space = thread.space
    asids: Any = thread.hart.asids
    asids[int(space.asid)] = None
    space.translation = u64(0)


# --- calls and answers ------------------------------------------------------------------------------------------------


def a_call(passive: bool, variant: str = "") -> Entry:
    pair = Pair(False, passive)
    machine = pair.machine
    if not passive:
        configure(machine, pair.server, PRIORITY + 1)
    capability, length = pair.badged, 4
    match variant:
        case "long":
            length = 5
        case "without the right":
            capability = copied(machine, pair.endpoint, int(ALL) & ~int(SEND))
        case "no capability":
            capability = 900
        case "out of range":
            capability = 1 << 40
        case "nobody waits":
            (capability,) = machine.make(Kind.ENDPOINT)
        case "an object":
            return Entry(machine, Call.CALL, boot.OWN_TABLE, word(Operation.INSPECT.value), (boot.OWN_THREAD, 0, 0, 0))
        case "traced":
            traced(machine)
        case "no translation":
            without_translation(pair.server)
        case "computing":
            with_floats(machine, pair.client)
            compute(machine, pair.client)
        case "on a scheduler's time":
            index, held = machine.spawn(PRIORITY - 1)
            assert machine.invoke(index, Operation.UNBIND, Binding.CONTEXT.value).word == 0
            (notification,) = machine.make(Kind.NOTIFICATION)
            assert machine.invoke(index, Operation.HOLD, given=notification).word == 0
            machine.start(machine.root, Call.CALL, index, word(Operation.DISPATCH.value), (NEVER, 0, 0, 0), 0)
            assert machine.current is held
        case "on lent time":
            # Called itself: below the context there is a call before.
            (deep,), (way_back,) = machine.make(Kind.ENDPOINT), machine.make(Kind.REPLY)
            machine.serve(deep, way_back, True)
            pair.call(word(1), 0, 0, 0, 0)
            capability = deep
    return Entry(machine, Call.CALL, capability, word(5, length), (1, 2, 3, 4))


def an_answer(passive: bool, variant: str = "") -> Entry:
    pair = Pair(False, passive)
    machine, server = pair.machine, pair.server
    if not passive:
        configure(machine, server, PRIORITY + 1)
    capability, length, reply = pair.endpoint, 4, pair.reply
    without = copied(machine, pair.endpoint, int(ALL) & ~int(RECEIVE))
    (other_reply,) = machine.make(Kind.REPLY)
    if variant == "a notification is bound":
        (given,) = machine.make(Kind.NOTIFICATION)
        index = index_of(machine, server)
        assert machine.invoke(index, Operation.BIND, Binding.NOTIFICATION.value, given=given).word == 0
    if variant == "traced":
        traced(machine)
    if variant == "computing":
        with_floats(machine, server)
    pair.call(word(1), 0, 0, 0, 0)
    match variant:
        case "computing":
            compute(machine, server)
        case "long":
            length = 5
        case "without the right":
            capability = without
        case "no capability":
            capability = 900
        case "out of range":
            capability = 1 << 40
        case "another reply":
            reply = other_reply
        case "no reply":
            reply = 0
        case "a reply out of range":
            reply = 1 << 40
        case "no translation":
            without_translation(pair.client)
    return Entry(machine, Call.REPLY_RECEIVE, capability, word(6, length), (7, 8, 9, 10), reply)


def a_handlers_answer(resume: Resume, variant: str = "") -> Entry:
    pair = Pair(False, True)
    machine = pair.machine
    index, thread = machine.spawn(PRIORITY - 1)
    assert machine.invoke(index, Operation.BIND, Binding.HANDLER.value, given=pair.badged).word == 0
    machine.start(machine.root, Call.CALL, boot.OWN_THREAD, word(Operation.SUSPEND.value), NOTHING, 0)
    assert machine.current is thread
    machine.trap(thread, PAGE_FAULT, 0xDEAD_0000)
    assert machine.current is pair.server
    if variant == "no translation":
        without_translation(thread)
    return Entry(machine, Call.REPLY_RECEIVE, pair.endpoint, word(resume.value, 1), (0x7000, 1, 2, 3), pair.reply)


# --- signals and waits ------------------------------------------------------------------------------------------------


def a_wait(variant: str) -> Entry:
    machine = Machine(1 << 22)
    machine.boot()
    machine.fast = False
    (notification,) = machine.make(Kind.NOTIFICATION, int(variant == "counting"))
    capability, deadline = notification, NEVER
    if variant != "nothing there":
        for badge in (4, 3):
            assert machine.call(Call.SIGNAL, copied(machine, notification, int(ALL), badge)).word == 0
    match variant:
        case "nothing there":
            deadline = NOW
        case "without the right":
            capability = copied(machine, notification, int(ALL) & ~int(WAIT))
        case "another kind":
            (capability,) = machine.make(Kind.ENDPOINT)
        case "out of range":
            capability = 1 << 40
        case "traced":
            traced(machine)
        case "computing":
            with_floats(machine, machine.root)
            compute(machine, machine.root)
    return Entry(machine, Call.WAIT, capability, 0, (deadline, 1, 2, 3))


def a_signal(variant: str) -> Entry:
    machine = Machine(1 << 22)
    machine.boot()
    machine.fast = False
    (notification,) = machine.make(Kind.NOTIFICATION, int(variant == "counting"))
    capability = copied(machine, notification, int(ALL), 0 if variant == "no badge" else 6)
    if variant.startswith(("who waits", "the waiter", "two")):
        for extra in range(2 if variant == "two wait" else 1):
            thread = machine.spawn(PRIORITY + 1 + extra)[1]
            deadline = 5000 if variant == "the waiter has a deadline" else NEVER
            machine.start(thread, Call.WAIT, notification, 0, (deadline, 0, 0, 0), 0)
            configure(machine, thread, PRIORITY - 1 if variant == "who waits is less important" else PRIORITY + 1)
            if variant == "the waiter has no translation":
                without_translation(thread)
    match variant:
        case "kept already":
            assert machine.call(Call.SIGNAL, copied(machine, notification, int(ALL), 9)).word == 0
        case "bound":
            given = notification
            assert machine.invoke(boot.OWN_THREAD, Operation.BIND, Binding.NOTIFICATION.value, given=given).word == 0
        case "without the right":
            capability = copied(machine, notification, int(ALL) & ~int(SIGNAL))
        case "another kind":
            (capability,) = machine.make(Kind.ENDPOINT)
        case "out of range":
            capability = 1 << 40
        case "traced":
            traced(machine)
        case "who waits is more important, and computing":
            with_floats(machine, machine.root)
            compute(machine, machine.root)
    return Entry(machine, Call.SIGNAL, capability, 1, (2, 3, 4, 5))


class Case(NamedTuple):
    """`taken`: is the fast path?"""

    name: str
    taken: bool
    arrange: Callable[[], Entry]

    def __str__(self) -> str:
        return self.name


def cases_of(name: str, arrange: Callable[[str], Entry], taken: Sequence[str], others: Sequence[str]) -> list[Case]:
    def case(variant: str, taken: bool) -> Case:
        return Case(f"{name}: {variant or 'simple'}", taken, lambda: arrange(variant))

    return [*(case(variant, True) for variant in taken), *(case(variant, False) for variant in others)]


CALLS = ["long", "without the right", "no capability", "out of range", "nobody waits", "an object", "computing"]
ANSWERS = ["long", "without the right", "no capability", "out of range", "another reply", "no reply", "computing"]
CASES = [
    *cases_of("call", lambda v: a_call(True, v), ["", "on lent time", "traced"], [*CALLS, "no translation"]),
    *cases_of(
        "call of an active server", lambda v: a_call(False, v), [""], ["no translation", "on a scheduler's time"]
    ),
    *cases_of(
        "answer",
        lambda v: an_answer(True, v),
        ["", "traced"],
        [*ANSWERS, "a reply out of range", "no translation", "a notification is bound"],
    ),
    *cases_of("answer of an active server", lambda v: an_answer(False, v), [""], ["no translation"]),
    *cases_of("retry", lambda v: a_handlers_answer(Resume.RETRY, v), [""], ["no translation"]),
    *cases_of("skip", lambda v: a_handlers_answer(Resume.SKIP, v), [""], []),
    *cases_of("stop", lambda v: a_handlers_answer(Resume.STOP, v), [], [""]),
    *cases_of(
        "wait",
        a_wait,
        ["signals there", "nothing there", "traced"],
        ["counting", "without the right", "another kind", "out of range", "computing"],
    ),
    *cases_of(
        "signal",
        a_signal,
        ["nobody waits", "no badge", "kept already", "who waits is more important", "two wait", "traced"],
        [
            "counting",
            "bound",
            "without the right",
            "another kind",
            "out of range",
            "who waits is less important",
            "who waits is more important, and computing",
            "the waiter has a deadline",
            "the waiter has no translation",
        ],
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_a_fast_path_does_what_the_general_one_does(case: Case) -> None:
    pictures = []
    for fast in (True, False):
        entry = case.arrange()
        assert entry.enter(fast=fast) == (fast and case.taken)
        pictures.append(picture(entry.machine.hart))
    quick, general = pictures
    assert quick.keys() == general.keys()
    for name in quick:
        assert quick[name] == general[name], name


# --- interrupts -------------------------------------------------------------------------------------------------------

#: is the driver woken at once?
INTERRUPTED = {
    "simple": True,
    "no badge": True,
    "traced": True,
    "two wait": True,
    "computing": False,
    "counting": False,
    "nobody waits": False,
    "not bound": False,
    "less important": False,
    "a deadline": False,
    "no translation": False,
    "line 0": False,
    "line 99": False,
}


def interrupted(variant: str) -> Machine:
    """A driver waits for an interrupt of line 1."""
    machine = Machine(1 << 22)
    machine.boot()
    (notification,) = machine.make(Kind.NOTIFICATION, int(variant == "counting"))
    given = copied(machine, notification, int(ALL), 0 if variant == "no badge" else 6)
    if variant != "not bound":
        assert machine.invoke(INTERRUPTS, Operation.BIND_INTERRUPT, given=given).word == 0
    for extra in range({"nobody waits": 0, "two wait": 2}.get(variant, 1)):
        thread = machine.spawn(PRIORITY + 1 + extra)[1]
        machine.start(thread, Call.WAIT, notification, 0, (5000 if variant == "a deadline" else NEVER, 0, 0, 0), 0)
        configure(machine, thread, PRIORITY - 1 if variant == "less important" else PRIORITY + 1)
        if variant == "no translation":
            without_translation(thread)
    match variant:
        case "traced":
            traced(machine)
        case "computing":
            with_floats(machine, machine.root)
            compute(machine, machine.root)
    return machine


@pytest.mark.parametrize("variant", INTERRUPTED)
def test_a_driver_is_woken_at_once_as_in_the_general_way(variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = []
    for fast in (True, False):
        woken: list[Thread | None] = []

        def wake(*arguments: Any, fast: bool = fast, woken: list[Thread | None] = woken) -> Thread | None:
            woken.append(wake_driver(*arguments) if fast else None)
            return woken[0]

        machine = interrupted(variant)
        monkeypatch.setattr(syscall, "wake_driver", wake)
        machine.interrupt({"line 0": 0, "line 99": 99}.get(variant, 1))
        machine.check()
        assert [each is not None for each in woken] == [fast and INTERRUPTED[variant]]
        pictures.append(picture(machine.hart))
    quick, general = pictures
    assert quick.keys() == general.keys()
    for name in quick:
        assert quick[name] == general[name], name
