"""Calls between processes under CPython, without a kernel: whoever calls an endpoint runs its server at once.

    with Loopback() as machine:
        server = machine.process(Process)                    # a Process of its own, with a table and a buffer
        client = machine.process(Process)
        machine.grant(client, 8, machine.endpoint(server, lambda *words: …))
        with machine.running(client):
            log.write("hello")                               # the proxy calls the server's dispatcher

It knows what a message is made of (`abi/call.py`), and as much of tables as handing capabilities over takes: CALL on an
endpoint, DELETE and INSPECT on the own table. Anything else is a `NotModelled`, as there is no kernel here.

Memory that is mapped (`map`) holds bytes, or objects where some have been asked for: what is both isn't modelled.

Invariant: words and bytes of a buffer are two memories: a message has its numbers first, and bytes behind them, so no
place is both.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Self

from neokernel import lang
from neokernel.abi.boot import OWN_TABLE
from neokernel.abi.buffer import MOVE, Buffer
from neokernel.abi.call import (
    MAXIMUM_CAPABILITIES,
    MAXIMUM_WORDS,
    REGISTER_WORDS,
    Call,
    capabilities_of,
    failure,
    label_of,
    length_of,
)
from neokernel.abi.operations import Operation
from neokernel.abi.status import INVOKED, TRAVELLING, WINDOW, WORD, Status
from neokernel.lang.shapes import shape_of
from neokernel.runtime.must import what_was_said

#: badge, message word, four words
Registers = tuple[int, int, int, int, int, int]
#: what a server does with a message: the message word and the words of its answer
Serve = Callable[[int, int, int, int, int, int], tuple[int, int, int, int, int]]
#: what the kernel leaves to a sender in a message word
SENDER = (1 << 45) - 1


class NotModelled(Exception):
    """The program did something that takes a kernel."""


@dataclass(eq=False, slots=True)
class Endpoint:
    server: Party
    serve: Serve


@dataclass(eq=False, slots=True)
class Party:
    """A process with one thread."""

    view: Any
    buffer: Any
    #: what the buffer's words are when they are looked at as bytes
    memory: bytearray = field(default_factory=lambda: bytearray((MAXIMUM_WORDS - REGISTER_WORDS) * 8))
    #: memory of its address space, by its first address
    mapped: dict[int, bytearray] = field(default_factory=dict)
    #: objects that its maker has put outside of such memory, by their classes
    objects: dict[Any, Any] = field(default_factory=dict)
    #: slot to object and badge
    table: dict[int, tuple[object, int]] = field(default_factory=dict)


class Refused(Exception):
    def __init__(self, status: Status, argument: int) -> None:
        super().__init__(status.name)
        self.word = int(failure(status, lang.u64(argument)))


class Loopback:
    """A simulator (`lang.set_simulator`) for as long as the `with` lasts."""

    def __init__(self) -> None:
        self.parties: list[Party] = []
        self.current: Party | None = None
        #: objects in memory that is mapped, by memory and offset: those that share the memory share them
        self.placed: dict[tuple[int, int], Any] = {}
        self._before: Any = None
        self._making: Any = None

    def __enter__(self) -> Self:
        self._before = lang.set_simulator(self)
        return self

    def __exit__(self, *_: object) -> None:
        lang.set_simulator(self._before)

    # --- what there is ------------------------------------------------------------------------------------------------

    def process(self, kind: Any, slots: range = range(16, 64)) -> Any:
        """A process's view: `kind` is `Process`. `slots`: those of its table that are free."""
        self._making = Buffer()
        made = kind()
        made.own_slots.begin(lang.u64(slots.start), lang.u64(slots.stop))
        self.parties.append(Party(made, self._making))
        return made

    def party(self, view: Any) -> Party:
        return next(party for party in self.parties if party.view is view)

    def endpoint(self, server: Any, serve: Serve) -> Endpoint:
        return Endpoint(self.party(server), serve)

    def grant(self, view: Any, slot: int, what: object, badge: int = 0) -> None:
        self.party(view).table[slot] = what, badge

    def map(self, view: Any, address: int, memory: bytearray) -> None:
        """Let the process have memory at an address; several can have the same."""
        self.party(view).mapped[int(address)] = memory

    @contextmanager
    def running(self, view: Any) -> Iterator[None]:
        """As the process's thread."""
        before, self.current = self.current, self.party(view)
        try:
            yield
        finally:
            self.current = before

    # --- what the language asks of a simulator ------------------------------------------------------------------------

    def object_at(self, kind: Any, address: int) -> Any:
        if kind is Buffer and self._making is not None:
            return self._making
        if 0 <= address < len(self.parties):
            return self.parties[address].view
        if self.current is None:
            raise NotModelled(f"nothing is at {address:#x}")
        place = self.place(address, 1)
        if place is not None:
            return self.placed.setdefault((id(place[0]), place[1]), kind())
        if kind not in self.current.objects:
            self.current.objects[kind] = kind()
        return self.current.objects[kind]

    def new_at(self, kind: Any, address: int) -> Any:
        raise NotModelled(f"no memory for a {kind.__name__} is at {address:#x}")

    def address_of(self, target: Any) -> int:
        for number, party in enumerate(self.parties):
            if target is party.buffer.words:
                return number << 32
        raise NotModelled(f"a {type(target).__name__} has no address here")

    def span_at(self, element: Any, address: int, length: int) -> Any:
        place = self.place(address, length)
        if place is not None and element is not lang.u8:
            key = id(place[0]), place[1]
            if key not in self.placed:
                self.placed[key] = shape_of(lang.Array[element]).coerce(lang.array(length))
            return self.placed[key]
        if place is not None:
            return lang.byte_span(place[0])[place[1] : place[1] + length]
        if address >> 32 >= len(self.parties):
            raise NotModelled(f"{length} bytes at {address:#x} aren't mapped")
        party, offset = self.parties[address >> 32], address & 0xFFFF_FFFF
        if offset + length > len(party.memory):
            raise NotModelled(f"{length} bytes at {offset} aren't in a buffer")
        return lang.byte_span(party.memory)[offset : offset + length]

    def place(self, address: int, length: int) -> tuple[bytearray, int] | None:
        """What is mapped there, and where in it."""
        for first, memory in self.current.mapped.items() if self.current is not None else ():
            if first <= address and address + length <= first + len(memory):
                return memory, address - first
        return None

    def asm(self, template: str, inputs: Any, result: Any) -> Any:
        assert self.current is not None, "no process is running"
        if template == "mv {result}, tp":
            return self.parties.index(self.current)
        if template == "ebreak":
            raise lang.AssertionFailed(said(inputs))
        if template != "ecall" or int(inputs["a7"]) != Call.CALL.value:
            raise NotModelled(f"{template!r} takes a kernel")
        words = tuple(int(inputs[f"a{number}"]) for number in range(6))
        try:
            return self.call(self.current, *words)
        except Refused as refused:
            return (0, refused.word, 0, 0, 0, 0)

    # --- calls --------------------------------------------------------------------------------------------------------

    def call(self, caller: Party, slot: int, word: int, *words: int) -> Registers:
        if slot == OWN_TABLE:
            return self.operate(caller, word, words[0])
        found, badge = caller.table.get(slot, (None, 0))
        if found is None:
            raise Refused(Status.NO_CAPABILITY, INVOKED)
        if not isinstance(found, Endpoint):
            raise Refused(Status.WRONG_KIND, INVOKED)
        self.transfer(caller, found.server, word)
        before, self.current = self.current, found.server
        try:
            answer, *given = found.serve(badge, word & SENDER, *words)
        finally:
            self.current = before
        self.transfer(found.server, caller, int(answer))
        w0, w1, w2, w3 = map(int, given)
        return 0, int(answer) & SENDER, w0, w1, w2, w3

    def operate(self, caller: Party, word: int, slot: int) -> Registers:
        match Operation(int(label_of(lang.u64(word)))):
            case Operation.DELETE:
                caller.table.pop(slot, None)
                return 0, 0, 0, 0, 0, 0
            case Operation.INSPECT:
                return 0, 0, int(slot in caller.table), 0, 0, 0
            case other:
                raise NotModelled(f"{other.name} takes a kernel")

    @staticmethod
    def transfer(source: Party, target: Party, word: int) -> None:
        """What a message has beyond its words in registers."""
        count, length = int(capabilities_of(lang.u64(word))), int(length_of(lang.u64(word)))
        if count > MAXIMUM_CAPABILITIES or length > MAXIMUM_WORDS:
            raise Refused(Status.OUT_OF_RANGE, WORD)
        first, room = int(target.buffer.window_first.load()), int(target.buffer.window_size.load())
        named = [int(source.buffer.capabilities[place].load()) for place in range(count)]
        for place, slot in enumerate(named):
            if slot & ~MOVE not in source.table:
                raise Refused(Status.NO_CAPABILITY, TRAVELLING + place)
        if count > room or any(first + place in target.table for place in range(count)):
            raise Refused(Status.NO_WINDOW, WINDOW)
        for place, slot in enumerate(named):
            target.table[first + place] = source.table[slot & ~MOVE]
            if slot & MOVE:
                del source.table[slot & ~MOVE]
        beyond = max(length - REGISTER_WORDS, 0)
        for place in range(beyond):
            target.buffer.words[place] = source.buffer.words[place]
        target.memory[: beyond * 8] = source.memory[: beyond * 8]


def said(inputs: dict[str, int]) -> str:
    """Why a program ends itself: by `must`, with what a call has said."""
    failure = what_was_said(*(lang.u64(int(inputs.get(name, 0))) for name in ("t3", "t4", "t5")))
    return "a breakpoint" if failure is None else f"the call said {failure.status.name} of argument {failure.argument}"
