"""What a running system tells of itself, as plain Python values: names instead of numbers, seconds instead of ticks.

Invariant: each value comes of one answer, which the interface's proxy has looked at; what fails raises `NotTold`.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from typing import Any, ParamSpec, TypeVar

from neokernel import lang
from neokernel.abi.description import INIT_SHUTDOWN, INIT_SYSTEM, INIT_WATCH, MAXIMUM_NAME, MAXIMUM_SERVICES, GrantKind
from neokernel.abi.rights import GRANT
from neokernel.abi.status import Status
from neokernel.control.channel import Session
from neokernel.control.deaths import Death, death_of
from neokernel.control.remote import Remote
from neokernel.control.text import text_of
from neokernel.interfaces.log import MOST_TEXT, Level, NoRecord
from neokernel.interfaces.recorder import MOST_RECORDS, RECORD_SIZE, Counters, NoRing, Ring
from neokernel.interfaces.system import MOST_POST_MORTEM, Phase, Refused, Resources, Unknown
from neokernel.runtime.system import Failure
from neokernel.services.control.protocol import Peer
from neokernel.services.init.post_mortem import POST_MORTEMS

P = ParamSpec("P")
T = TypeVar("T")

PHASES = {
    Phase.DOWN: "down",
    Phase.WAITING: "waits",
    Phase.RUNS: "runs",
    Phase.GIVEN_UP: "given up",
    Phase.ENDING: "ending",
}
#: what init serves, by the number in a grant
INIT = {
    INIT_SYSTEM: "init.system: ends, starts and replaces every service, and lends what it has",
    INIT_WATCH: "init.watch: sees what every service does, and has",
    INIT_SHUTDOWN: "init.shutdown: ends all other services",
}
CALLED = {
    Peer.WATCH: "init.watch",
    Peer.SYSTEM: "init.system",
    Peer.JOURNAL: "the log",
    Peer.RECORDER: "kernel.trace",
    Peer.NETWORK: "the network",
    Peer.CAPTURE: "network.capture",
    Peer.MODELS: "accelerator.models",
}
#: the line of a control service's entry that grants it, where services are called as in this repository's systems
LINE = {
    Peer.WATCH: 'uses.watch = "init.watch"',
    Peer.SYSTEM: 'uses.init = "init.system"',
    Peer.JOURNAL: 'uses.journal = "log.journal"',
    Peer.RECORDER: 'uses.trace = "kernel.trace"',
    Peer.NETWORK: 'uses.network = "network.watch"',
    Peer.CAPTURE: 'uses.capture = "network.capture"',
    Peer.MODELS: 'uses.models = "accelerator.models"',
}
#: what a control service's program calls those that a system file may leave out
OPTIONAL = {Peer.NETWORK: "network", Peer.CAPTURE: "capture", Peer.MODELS: "models"}


class NotTold(Exception):
    """Somebody doesn't answer, or says no. `whom`: who was asked."""

    def __init__(self, whom: str, why: str) -> None:
        super().__init__(f"{whom} {why}")
        self.whom, self.why = whom, why


class NotGranted(NotTold):
    """The control service hasn't what is asked for. `help`: what its entry in the system file would have to say."""

    def __init__(self, peer: Peer, help: str) -> None:
        super().__init__(CALLED[peer], "isn't granted to the machine's control service")
        self.help = help


def other_program(peer: Peer) -> NotGranted:
    """What asks for nothing of the kind can't be granted it: it's `observe`, say."""
    return NotGranted(
        peer,
        f"a service of the program `neokernel.services.control` can have it: `{LINE[peer]}`; this one runs another",
    )


@dataclass(frozen=True)
class Service:
    """`cpu`: seconds of processor time since it was started the last time; `free`: bytes of its memory.

    `denied`: what the kernel has denied it since the machine began: system calls, and memory.
    """

    index: int
    name: str
    phase: str
    starts: int
    cpu: float
    free: int
    thread: int
    denied: int

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class Look:
    """All services at one moment. `time`: seconds since the machine started; `memory`: bytes that init has left."""

    time: float
    services: list[Service]
    memory: int


@dataclass(frozen=True)
class Record:
    """A line of the log. `time`: seconds since the machine started; `source`: a service's name, "" for nobody's."""

    time: float
    number: int
    source: str
    level: str
    text: str
    next: int

    def as_json(self) -> dict[str, Any]:
        return {"time": self.time, "number": self.number, "source": self.source, "level": self.level, "text": self.text}


@dataclass(frozen=True)
class Grant:
    """What a service has: `what` is words for people. `exists`: it isn't denied, nor gone for good."""

    name: str
    kind: str
    what: str
    exists: bool

    @property
    def given(self) -> bool:
        """Has the system file a line for it? What is optional may have none."""
        return self.kind != GrantKind.NONE.name.lower()


@dataclass(frozen=True)
class Lending:
    """What one service has of another one's, for `left` more seconds."""

    owner: str
    grant: str
    to: str
    slot: int
    left: float


class View:
    """`session` is that of `remote`."""

    def __init__(self, remote: Remote, session: Session) -> None:
        self.remote, self.session = remote, session
        self._names: dict[int, str] = {}

    def ask(self, peer: Peer, method: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Call it; a failure of the call itself raises `NotTold`."""
        if peer not in self.session.peers:
            raise other_program(peer)
        found = self.remote.ask(method, *arguments, **named)
        if isinstance(found, Failure):
            if found.status is Status.NO_CAPABILITY and self.is_left_out(peer):
                raise NotGranted(peer, f"write `{LINE[peer]}` under its entry in the system file")
            raise NotTold(CALLED[peer], f"doesn't answer: {found.status.name}")
        return found

    def is_left_out(self, peer: Peer) -> bool:
        """Hasn't the control service a line for it in its system file?"""
        own = self.ask(Peer.WATCH, self.remote.watch.own) if peer in OPTIONAL else None
        if own is None or isinstance(own, Unknown):
            return False
        return any(each.name == OPTIONAL[peer] and each.kind == "none" for each in self.grants(int(own)))

    def seconds(self, ticks: int) -> float:
        return int(ticks) / self.session.frequency

    # --- init's Watch -------------------------------------------------------------------------------------------------

    def service(self, index: int) -> Service | None:
        """The service with this index, None if there are fewer."""
        name = bytearray(MAXIMUM_NAME)
        found = self.ask(Peer.WATCH, self.remote.watch.service, lang.u64(index), lang.byte_span(name))
        if isinstance(found, Unknown):
            return None
        self._names[index] = text_of(name, found.length)
        return Service(
            index=index,
            name=self._names[index],
            phase=PHASES[found.phase],
            starts=int(found.starts),
            cpu=self.seconds(found.used),
            free=int(found.free),
            thread=int(found.thread),
            denied=int(found.denied),
        )

    def services(self) -> list[Service]:
        """All, in the order in which they start."""
        found = []
        for index in range(int(MAXIMUM_SERVICES)):
            service = self.service(index)
            if service is None:
                break
            found.append(service)
        return found

    def look(self) -> Look:
        """What `nk top` shows; of two of them it makes shares."""
        return Look(self.seconds(self.counters().time), self.services(), int(self.resources().memory))

    def name(self, index: int) -> str:
        """The service's name; "" if there is none."""
        if index not in self._names and self.service(index) is None:
            return ""
        return self._names[index]

    def find(self, name: str) -> int | None:
        data = name.encode()
        if not data or len(data) > MAXIMUM_NAME:
            return None
        found = self.ask(Peer.WATCH, self.remote.watch.find, lang.byte_view(data))
        return None if isinstance(found, Unknown) else int(found)

    def resources(self) -> Resources:
        found: Resources = self.ask(Peer.WATCH, self.remote.watch.resources)
        return found

    def grants(self, index: int) -> list[Grant]:
        """What a service was granted, in the order in which its program declares it."""
        found: list[Grant] = []
        while True:
            text = bytearray(MAXIMUM_NAME)
            each = self.ask(
                Peer.WATCH, self.remote.watch.grant, lang.u64(index), lang.u64(len(found)), lang.byte_span(text)
            )
            if isinstance(each, Unknown):
                return found
            what = self.what(each.kind, int(each.target), int(each.size), int(each.rights))
            found.append(Grant(text_of(text, each.length), each.kind.name.lower(), what, bool(each.exists)))

    def what(self, kind: GrantKind, target: int, size: int, rights: int) -> str:
        match kind:
            case GrantKind.NONE:
                return "isn't granted"
            case GrantKind.PROVIDES:
                return "serves it"
            case GrantKind.USES:
                passes = ", and passes capabilities" if rights & int(GRANT) else ""
                return f"calls {self.name(target)}.{self.grant_name(target, size)}{passes}"
            case GrantKind.DEVICE:
                return f"registers at {target:#x}"
            case GrantKind.INTERRUPT:
                return f"interrupt {target}"
            case GrantKind.DMA:
                return f"DMA, {size} pages at a time"
            case GrantKind.PROCESSOR:
                return f"kernel.processor: gives out time, up to priority {target}"
            case GrantKind.POWER:
                return "kernel.power: switches the machine off"
            case GrantKind.CONSOLE:
                return "kernel.console"
            case GrantKind.MEMORY:
                return f"{size // 1024} KiB of memory beyond its own"
            case GrantKind.SYSTEM:
                return INIT.get(target, "init")
            case GrantKind.TRACE:
                return f"kernel.trace: records what the kernel does, in {size} pages"

    def grant_name(self, index: int, place: int) -> str:
        text = bytearray(MAXIMUM_NAME)
        found = self.ask(Peer.WATCH, self.remote.watch.grant, lang.u64(index), lang.u64(place), lang.byte_span(text))
        return "" if isinstance(found, Unknown) else text_of(text, found.length)

    def lendings(self) -> list[Lending]:
        found: list[Lending] = []
        while True:
            each = self.ask(Peer.WATCH, self.remote.watch.delegated, lang.u64(len(found)))
            if isinstance(each, Unknown):
                return found
            owner, place = int(each.service), int(each.place)
            lending = Lending(
                owner=self.name(owner),
                grant=self.grant_name(owner, place),
                to=self.name(int(each.to)),
                slot=int(each.at),
                left=self.seconds(each.left),
            )
            found.append(lending)

    # --- init's System ------------------------------------------------------------------------------------------------

    def order(self, method: str, *arguments: Any) -> Refused | None:
        """Have something done: None if it was."""
        found = self.ask(Peer.SYSTEM, getattr(self.remote.system, method), *arguments)
        return found if isinstance(found, Refused) else None

    def post_mortem(self, number: int) -> bytes | None:
        """The `number`-th latest, as `services/init/post_mortem.py` writes it; None if there are fewer."""
        data = bytearray(int(MOST_POST_MORTEM))
        method = self.remote.system.post_mortem
        found = self.ask(Peer.SYSTEM, method, lang.u64(number), lang.byte_span(data))
        return None if isinstance(found, Refused) else bytes(data[: int(found)])

    def deaths(self) -> list[Death]:
        """How services have come to their end, as many as init remembers, the latest first."""
        found: list[Death] = []
        for number in range(int(POST_MORTEMS)):
            data = self.post_mortem(number)
            death = None if data is None else death_of(data)
            if death is None:
                break
            found.append(death)
        return found

    # --- the log ------------------------------------------------------------------------------------------------------

    def record(self, place: int) -> Record | None:
        """The record at a place of the log, or the first one behind it: 0, or another one's `next`."""
        text = bytearray(int(MOST_TEXT))
        found = self.ask(Peer.JOURNAL, self.remote.journal.read, lang.u64(place), lang.byte_span(text))
        if isinstance(found, NoRecord):
            return None
        source = int(found.source)
        return Record(
            time=self.seconds(found.time),
            number=int(found.number),
            source=self.name(source - 1) if source else "",
            level=level_name(found.level),
            text=text_of(text, found.length),
            next=int(found.next),
        )

    def records(self, place: int = 0) -> Iterator[Record]:
        """Those that are there, from a place on."""
        while (found := self.record(place)) is not None:
            yield found
            place = found.next

    # --- the kernel's events, and the control service itself ----------------------------------------------------------

    def counters(self) -> Counters:
        found: Counters = self.ask(Peer.RECORDER, self.remote.recorder.counters)
        return found

    def ring(self, events: int | None = None) -> Ring:
        """The ring of the kernel's events. `events`: what is to be recorded from now on."""
        method = self.remote.recorder
        found: Ring | NoRing
        if events is None:
            found = self.ask(Peer.RECORDER, method.ring)
        else:
            found = self.ask(Peer.RECORDER, method.record, lang.u64(events))
        if isinstance(found, NoRing):
            raise other_program(Peer.RECORDER)
        return found

    def events(self, number: int) -> list[tuple[int, ...]]:
        """Records of `abi/trace.py` from the one with this number on, as numbers; none if they aren't there."""
        data = bytearray(int(MOST_RECORDS) * RECORD_SIZE)
        count = self.ask(Peer.RECORDER, self.remote.recorder.read, lang.u64(number), lang.byte_span(data))
        if isinstance(count, NoRing):
            return []
        return list(struct.iter_unpack("<QIBBHQQ", bytes(data[: int(count) * RECORD_SIZE])))


def level_name(level: Level) -> str:
    return level.name.lower()
