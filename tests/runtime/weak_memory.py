"""Explores every execution of a few threads under the memory model that compiled atomics have.

The model is the operational one with views (Kang and others, "A promising semantics for relaxed-memory concurrency",
2017), without promises. A location is the list of messages ever stored there. A thread's view says, for each location,
the oldest message that it may still read. A release store carries its thread's view along, and an acquire load that
reads it takes the view over. Sequential fences meet in one global view. Plain accesses (slots) must read the latest
message and follow everything that the other thread did to the location: else it is a race. A read-modify-write reads
the latest message, also if it compares and fails, and carries its view on (a release sequence). The kernel's signals
count, and pass on the view of who signals to who takes one.

The code under test is ordinary target code under CPython, in host threads of which one runs at a time: at each shared
access it asks which thread goes on, and at a load which message is read. All answers are tried, depth first; sleep sets
(Godefroid, 1996) leave out orders of accesses that don't touch each other.

Invariants: between two accesses nothing else runs; the same answers give the same execution.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import Enum
from types import ModuleType
from typing import Any

from neokernel.lang.atomics import Atomic, Order

View = dict[object, int]
Body = Callable[[], None]
ACQUIRES = (Order.ACQUIRE, Order.ACQUIRE_RELEASE, Order.SEQUENTIAL)
RELEASES = (Order.RELEASE, Order.ACQUIRE_RELEASE, Order.SEQUENTIAL)

#: Makes an execution's threads and atomic cells, these by names that each execution uses for the same. The argument
#: tells the execution, once it has begun.
Prepare = Callable[[Callable[[], "Execution"]], tuple[list[Body], dict[str, Atomic]]]


class Abandoned(BaseException):
    """This execution is of no more interest."""


class Kind(Enum):
    """Kinds of accesses; the order in which they are best tried."""

    STORE = 0
    OTHER = 1
    LOAD = 2


class Wrong(Exception):
    """An execution that must not be: a race, a deadlock, or what a thread's own assertions say."""


@dataclass(frozen=True)
class Access:
    """What a thread does next, to which place."""

    place: object
    what: str
    kind: Kind

    def after(self, other: Access) -> bool:
        """Is there nothing new in `self` followed by `other`, when `other` followed by `self` has been seen?

        A load after a store may still read what was there before, so it has seen that order too.
        """
        if self.place != other.place:
            return True
        return self.kind is Kind.LOAD and other.kind in (Kind.LOAD, Kind.STORE)

    def beside(self, other: Access) -> bool:
        """The same, by what is plainly so: the two don't touch each other."""
        return self.place != other.place or self.kind is other.kind is Kind.LOAD

    def nowhere(self, other: Access) -> bool:
        """The same for no two."""
        return False


Rule = Callable[[Access, Access], bool]


@dataclass
class Message:
    value: int
    view: View


@dataclass
class Node:
    """A decision: the options not tried yet and the one being tried, -1 when none is left.

    When it is about threads: the access of the chosen one, those of the ones that sleep here, or were tried before.
    """

    options: list[int]
    chosen: int = 0
    access: Access | None = None
    asleep: dict[int, Access] = field(default_factory=dict)
    tried: dict[int, Access] = field(default_factory=dict)

    def advance(self) -> None:
        if self.access is not None:
            self.tried[self.chosen] = self.access
        self.chosen = self.options.pop(0) if self.options else -1


def closed() -> threading.Lock:
    """A gate: `acquire` waits for `release`."""
    lock = threading.Lock()
    lock.acquire()
    return lock


@dataclass
class Thread:
    number: int
    turn: threading.Lock = field(default_factory=closed)
    view: View = field(default_factory=dict)
    #: views of messages read by relaxed loads: an acquiring fence takes them over
    unfenced: View = field(default_factory=dict)
    #: the view at the last releasing fence: relaxed stores carry it along
    fenced: View = field(default_factory=dict)
    next: Access | None = None
    finished: bool = False
    log: list[str] = field(default_factory=list)


def join(view: View, other: View) -> None:
    for place, time in other.items():
        if view.get(place, 0) < time:
            view[place] = time


class Execution:
    """One execution, along the decisions in `path`, which it extends."""

    def __init__(self, path: list[Node], bodies: list[Body], cells: dict[str, Atomic], leave_out: Rule) -> None:
        self.path = path
        self.bodies = bodies
        self.leave_out = leave_out
        self.position = 0
        self.names = {id(cell): name for name, cell in cells.items()}
        self.memory: dict[object, list[Message]] = {name: [Message(int(c.load()), {})] for name, c in cells.items()}
        self.threads = [Thread(number) for number in range(len(bodies))]
        self.global_view: View = {}
        self.signals: set[str] = set()
        self.counts: dict[str, int] = {}
        self.passed_on: View = {}
        self.log: list[Thread] = []
        self.asleep: dict[int, Access] = {}
        self.failure: BaseException | None = None
        self.abandoned = False
        self.done = closed()
        self.running = threading.local()

    # --- decisions ----------------------------------------------------------------------------------------------------

    def run(self) -> None:
        """Run to the end. Raises Wrong."""
        hosts = [threading.Thread(target=self.host, args=(thread,), daemon=True) for thread in self.threads]
        for host, thread in zip(hosts, self.threads, strict=True):
            host.start()
            thread.turn.release()  # up to its first access
            self.done.acquire()
        self.pass_on()
        self.done.acquire()
        self.abandoned = True
        for host, thread in zip(hosts, self.threads, strict=True):
            if not thread.finished:
                thread.turn.release()
            host.join()
        if self.failure is not None:
            logs = {thread.number: iter(thread.log) for thread in self.threads}
            story = "\n  ".join(f"{thread.number}: {next(logs[thread.number])}" for thread in self.log)
            raise Wrong(f"{self.failure!r} after\n  {story}") from self.failure

    def host(self, thread: Thread) -> None:
        self.running.thread = thread
        thread.turn.acquire()
        try:
            self.bodies[thread.number]()
            thread.finished = True
            thread.next = None
            if self.position == 0 and not self.log:
                self.done.release()
            else:
                self.pass_on()
        except Abandoned:
            pass
        except BaseException as failure:  # noqa: BLE001 - whatever goes wrong in the code under test
            self.failure = self.failure or failure
            self.done.release()

    def access(self, what: Access) -> Thread:
        """Called by the running thread before a shared access: returns when it is its turn."""
        thread: Thread = self.running.thread
        first = thread.next is None and not self.log
        thread.next = what
        if first:
            self.done.release()
            self.await_turn(thread)
        elif self.choose() is not thread:
            self.await_turn(thread)
        self.log.append(thread)
        thread.log.append(f"{what.place} {what.what}")
        return thread

    def await_turn(self, thread: Thread) -> None:
        thread.turn.acquire()
        if self.abandoned:
            raise Abandoned

    def pass_on(self) -> None:
        """The running thread has ended: somebody else's turn."""
        if all(thread.finished for thread in self.threads):
            self.done.release()
            return
        try:
            self.choose()
        except Abandoned:
            pass
        except Wrong as wrong:
            self.failure = wrong
            self.done.release()

    def enabled(self, access: Access) -> bool:
        if access.what == "take":
            return self.counts.get(str(access.place), 0) > 0
        return access.what != "sleep" or access.place in self.signals

    def choose(self) -> Thread:
        """Decide who goes on, and give them the turn if it is somebody else."""
        ready = {t.number: t.next for t in self.threads if t.next is not None and self.enabled(t.next)}
        if not ready:
            raise Wrong("nobody can go on: a wake-up was lost")
        if self.position == len(self.path):
            options = [number for number in ready if number not in self.asleep]
            options.sort(key=lambda number: ready[number].kind.value)
            self.path.append(Node(options, asleep=self.asleep))
            self.path[-1].advance()
        node = self.path[self.position]
        self.position += 1
        if node.chosen < 0:
            self.done.release()
            raise Abandoned  # everything from here has been seen in another order
        chosen = self.threads[node.chosen]
        access = node.access = ready[node.chosen]
        before = node.asleep | node.tried
        self.asleep = {number: other for number, other in before.items() if self.leave_out(access, other)}
        if chosen is not getattr(self.running, "thread", None):
            chosen.turn.release()
        return chosen

    def pick(self, count: int) -> int:
        """A decision between `count` messages."""
        if count == 1:
            return 0
        if self.position == len(self.path):
            self.path.append(Node(list(range(1, count))))
        self.position += 1
        return self.path[self.position - 1].chosen

    # --- accesses -----------------------------------------------------------------------------------------------------

    def load(self, place: object, order: Order) -> int:
        thread = self.access(Access(place, f"load {order.name}", Kind.LOAD))
        messages = self.memory[place]
        oldest = thread.view.get(place, 0)
        # The latest first: executions without surprises come early.
        time = len(messages) - 1 - self.pick(len(messages) - oldest)
        message = messages[time]
        join(thread.view, {place: time})
        join(thread.view if order in ACQUIRES else thread.unfenced, message.view)
        thread.log[-1] += f": {message.value}"
        return message.value

    def store(self, place: object, value: int, order: Order) -> None:
        thread = self.access(Access(place, f"store {order.name} {value}", Kind.STORE))
        messages = self.memory[place]
        assert thread.view.get(place, 0) == len(messages) - 1, "two threads store here: not in this model"
        thread.view[place] = len(messages)
        view = dict(thread.view if order in RELEASES else thread.fenced)
        join(view, {place: len(messages)})
        messages.append(Message(value, view))

    def update(self, place: object, change: Callable[[int], int], order: Order, what: str) -> int:
        """A read-modify-write; the old value."""
        thread = self.access(Access(place, f"{what} {order.name}", Kind.OTHER))
        latest = self.memory[place][-1]
        thread.log[-1] += f": {latest.value}"
        self.append(thread, place, change(latest.value), order)
        return latest.value

    def compare_exchange(self, place: object, expected: int, new: int, order: Order) -> bool:
        thread = self.access(Access(place, f"compare_exchange {order.name}", Kind.OTHER))
        messages = self.memory[place]
        found = messages[-1]
        thread.log[-1] += f": {found.value}"
        if found.value == expected:
            self.append(thread, place, new, order)
            return True
        join(thread.view, {place: len(messages) - 1})
        join(thread.view if order in ACQUIRES else thread.unfenced, found.view)
        return False

    def append(self, thread: Thread, place: object, value: int, order: Order) -> None:
        """The second half of a read-modify-write of the latest message."""
        messages = self.memory[place]
        before = messages[-1].view
        join(thread.view if order in ACQUIRES else thread.unfenced, before)
        thread.view[place] = len(messages)
        view = dict(thread.view if order in RELEASES else thread.fenced)
        join(view, {place: len(messages)})
        join(view, before)
        messages.append(Message(value, view))

    def fence(self, order: Order = Order.SEQUENTIAL) -> None:
        thread = self.access(Access("fence", "fence", Kind.OTHER))
        assert order is Order.SEQUENTIAL
        join(thread.view, thread.unfenced)
        join(self.global_view, thread.view)
        thread.view = dict(self.global_view)
        thread.fenced = dict(thread.view)

    def plain(self, place: object, value: int | None) -> int:
        """A load, or a store of `value`, that isn't atomic."""
        thread = self.access(Access(place, "read" if value is None else f"write {value}", Kind.OTHER))
        reads = (place, "reads")
        for one in (place, reads):
            latest = len(self.memory.setdefault(one, [Message(0, {})])) - 1
            if thread.view.get(one, 0) < latest and (value is not None or one == place):
                raise Wrong(f"a race: {thread.number} doesn't know of the latest access to {place}")
        changed = reads if value is None else place
        thread.view[changed] = len(self.memory[changed])
        self.memory[changed].append(Message(value or 0, {}))
        return self.memory[place][-1].value

    def sleep(self, signal: str) -> None:
        """Until somebody notifies."""
        self.access(Access(signal, "sleep", Kind.OTHER))
        self.signals.discard(signal)

    def notify(self, signal: str) -> None:
        self.access(Access(signal, "notify", Kind.OTHER))
        self.signals.add(signal)

    def take(self, counter: str) -> None:
        """One signal of a counting notification; until there is one."""
        thread = self.access(Access(counter, "take", Kind.OTHER))
        self.counts[counter] -= 1
        join(thread.view, self.passed_on)

    def signal(self, counter: str) -> None:
        thread = self.access(Access(counter, "signal", Kind.OTHER))
        self.counts[counter] = self.counts.get(counter, 0) + 1
        join(self.passed_on, thread.view)


History = tuple[tuple[str, ...], ...]
"""What each thread did and read, by thread."""


def explore(module: ModuleType, prepare: Prepare, leave_out: Rule = Access.after) -> set[History]:
    """Run all executions; what happened in them. Raises Wrong at the first bad one.

    `module` is the code under test: its fences count. `leave_out` says which orders make no difference.
    """
    path: list[Node] = []
    found: set[History] = set()
    while True:
        started: list[Execution] = []
        started.append(Execution(path, *prepare(functools.partial(started.__getitem__, 0)), leave_out))
        with patched(started[0], module):
            started[0].run()
        if all(thread.finished for thread in started[0].threads):
            found.add(tuple(tuple(thread.log) for thread in started[0].threads))
        while path:
            path[-1].advance()
            if path[-1].chosen >= 0:
                break
            path.pop()
        else:
            return found


#: what `patched` makes accesses of the execution
PATCHED = ("load", "store", "fetch_add", "fetch_sub", "fetch_and", "compare_exchange")


@contextmanager
def patched(execution: Execution, module: Any) -> Iterator[None]:
    """Atomic cells are locations of `execution`, and the fences of the module, if it has some, count."""
    plain: dict[str, Any] = {name: getattr(Atomic, name) for name in PATCHED}
    plain_fence = getattr(module, "fence", None)

    def load(self: Atomic, order: Order = Order.SEQUENTIAL) -> Any:
        return self._operand(execution.load(execution.names[id(self)], order))

    def store(self: Atomic, value: int, order: Order = Order.SEQUENTIAL) -> None:
        execution.store(execution.names[id(self)], int(value), order)

    def fetch_add(self: Atomic, value: int, order: Order = Order.SEQUENTIAL) -> Any:
        return modify(self, lambda old: old + int(value), order, "fetch_add")

    def fetch_sub(self: Atomic, value: int, order: Order = Order.SEQUENTIAL) -> Any:
        return modify(self, lambda old: old - int(value), order, "fetch_sub")

    def fetch_and(self: Atomic, value: int, order: Order = Order.SEQUENTIAL) -> Any:
        return modify(self, lambda old: old & int(value), order, "fetch_and")

    def modify(self: Atomic, change: Callable[[int], int], order: Order, what: str) -> Any:
        return self._operand(execution.update(execution.names[id(self)], change, order, what))

    def compare_exchange(self: Atomic, expected: int, new: int, order: Order = Order.SEQUENTIAL) -> bool:
        return execution.compare_exchange(execution.names[id(self)], int(expected), int(new), order)

    for function in (load, store, fetch_add, fetch_sub, fetch_and, compare_exchange):
        setattr(Atomic, function.__name__, function)
    if plain_fence is not None:
        module.fence = execution.fence
    try:
        yield
    finally:
        for name, function in plain.items():
            setattr(Atomic, name, function)
        if plain_fence is not None:
            module.fence = plain_fence
