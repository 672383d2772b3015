"""The compiled description of a system, whose layout is `abi/description.py`: made from dataclasses, and read back.

Invariants: the same system gives the same bytes; `read` of what `pack` made gives the same system, with its services in
the order in which they start; bytes that are no description raise `BadDescription`, nothing else, and so does a system
that can't be described.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeVar

from neokernel import lang
from neokernel.abi import description as layout
from neokernel.abi.archive import NAME_SIZE
from neokernel.abi.description import (
    CHECKED_FROM,
    HIGHEST_PRIORITY,
    MAGIC,
    VERSION,
    Escalation,
    GrantKind,
    RestartPolicy,
    SettingKind,
)
from neokernel.abi.kinds import LARGE_SIZE, PAGE_SIZE
from neokernel.abi.rights import GRANT as TRANSFER
from neokernel.abi.rights import SEND
from neokernel.image.archive import Entry
from neokernel.lang.wire import wire_over

HEADER_SIZE, SERVICE_SIZE, GRANT_SIZE, SETTING_SIZE, PROGRAM_SIZE = (
    int(lang.size_of(kind)) for kind in (layout.Header, layout.Service, layout.Grant, layout.Setting, layout.Program)
)
#: what a client may do with an endpoint, unless it is said otherwise
CALLS = int(SEND | TRANSFER)
MOST = (1 << 64) - 1

_E = TypeVar("_E", bound=Enum)


class BadDescription(Exception):
    """The bytes are no description, or the system can't be described: the text says what is wrong, and where."""


@dataclass(frozen=True, slots=True)
class Provides:
    """The service serves at an endpoint: `name` is unique among its own. `interface`: its contract's version."""

    name: str
    interface: int = 0


@dataclass(frozen=True, slots=True)
class Uses:
    """It calls what another service provides, under the name that this one has there.

    `lend`: bytes of memory that it lends that service, in whole pages.
    """

    name: str
    service: str
    endpoint: str
    interface: int = 0
    rights: int = CALLS
    lend: int = 0


@dataclass(frozen=True, slots=True)
class Has:
    """It has a kernel object, or an authority of init's: `abi/description.py` says what `target` and `size` mean.

    Of kind NONE: what was denied; `size`: what it would lend by it.
    """

    name: str
    kind: GrantKind
    target: int = 0
    size: int = 0


Grant = Provides | Uses | Has


@dataclass(frozen=True, slots=True)
class Restart:
    """What happens when a service ends. Times are in microseconds."""

    policy: RestartPolicy = RestartPolicy.ON_FAILURE
    backoff: int = 1_000
    longest_backoff: int = 1_000_000
    limit: int = 5
    window: int = 10_000_000
    escalation: Escalation = Escalation.GIVE_UP


@dataclass(frozen=True, slots=True)
class Service:
    """A process. `grants` and `settings` are in the order in which its program declares them.

    `memory` and `state` in bytes, times in microseconds; without a `period` it takes turns with its equals. Settings
    are numbers (signed ones too, and bools), or texts. `program` is a name in the archive.
    """

    name: str
    program: str
    grants: tuple[Grant, ...] = ()
    settings: tuple[tuple[str, int | str | bytes], ...] = ()
    memory: int = 512 << 10
    capabilities: int = 256
    priority: int = 100
    budget: int = 0
    period: int = 0
    #: it runs on its clients' time, once it has said that it is ready
    passive: bool = False
    restart: Restart = field(default_factory=Restart)
    state: int = 0
    heartbeat: int = 0


@dataclass(frozen=True, slots=True)
class Program:
    """A program of the archive. `needs`: a hash of what it declares: only what has the same can replace it."""

    name: str
    needs: int = 0


@dataclass(frozen=True, slots=True)
class System:
    """`programs`: those that services may be replaced from and by; who builds the image fills them in."""

    name: str
    board: str
    services: tuple[Service, ...]
    programs: tuple[Program, ...] = ()


def description_entry(system: System) -> Entry:
    """The system's description as a file of the boot archive."""
    return Entry(layout.DESCRIPTION_NAME, pack(system))


# --- making one -------------------------------------------------------------------------------------------------------


class _Texts:
    """The text: each string once."""

    def __init__(self) -> None:
        self.data = bytearray()
        self.places: dict[bytes, int] = {}

    def put(self, record: Any, text: bytes) -> None:
        place = self.places.get(text)
        if place is None:
            place = self.places[text] = len(self.data)
            self.data += text
        record.offset, record.length = place, len(text)


def ordered(services: Sequence[Service]) -> list[Service]:
    """Who is used before who uses it; otherwise as they stand."""
    known = {service.name: service for service in services}
    done: dict[str, Service] = {}
    path: list[str] = []

    def visit(service: Service) -> None:
        if service.name in done:
            return
        if service.name in path:
            raise BadDescription(f"services use each other in a circle: {' → '.join([*path, service.name])}")
        path.append(service.name)
        for grant in service.grants:
            if isinstance(grant, Uses) and grant.service in known and grant.service != service.name:
                visit(known[grant.service])
        path.pop()
        done[service.name] = service

    for service in services:
        visit(service)
    return list(done.values())


def pack(system: System) -> bytes:
    """The description's bytes."""
    services = ordered(system.services)
    examine(system, services)
    grants = [(owner, grant) for owner, service in enumerate(services) for grant in service.grants]
    settings = [(owner, setting) for owner, service in enumerate(services) for setting in service.settings]
    provided = {
        (services[owner].name, grant.name): index
        for index, (owner, grant) in enumerate(grants)
        if isinstance(grant, Provides)
    }
    grants_at = HEADER_SIZE + len(services) * SERVICE_SIZE
    settings_at = grants_at + len(grants) * GRANT_SIZE
    programs_at = settings_at + len(settings) * SETTING_SIZE
    text_at = programs_at + len(system.programs) * PROGRAM_SIZE
    memory = bytearray(text_at)
    texts = _Texts()
    header = wire_over(layout.Header, memory)
    header.magic, header.version = MAGIC, VERSION
    header.service_count, header.grant_count, header.setting_count = len(services), len(grants), len(settings)
    header.program_count = len(system.programs)
    texts.put(header.name, system.name.encode())
    texts.put(header.board, system.board.encode())
    grant_first = setting_first = 0
    for index, service in enumerate(services):
        record = wire_over(layout.Service, memory, HEADER_SIZE + index * SERVICE_SIZE)
        _write_service(record, service, texts)
        record.grant_first, record.grant_count = grant_first, len(service.grants)
        record.setting_first, record.setting_count = setting_first, len(service.settings)
        grant_first += len(service.grants)
        setting_first += len(service.settings)
    for index, (owner, grant) in enumerate(grants):
        record = wire_over(layout.Grant, memory, grants_at + index * GRANT_SIZE)
        record.owner = owner
        _write_grant(record, grant, texts, provided)
    for index, (owner, (name, value)) in enumerate(settings):
        record = wire_over(layout.Setting, memory, settings_at + index * SETTING_SIZE)
        record.owner = owner
        texts.put(record.name, name.encode())
        if isinstance(value, int):
            record.kind, record.value = SettingKind.NUMBER.value, value & MOST
        else:
            record.kind = SettingKind.TEXT.value
            texts.put(record.text, value.encode() if isinstance(value, str) else value)
    for index, program in enumerate(system.programs):
        record = wire_over(layout.Program, memory, programs_at + index * PROGRAM_SIZE)
        texts.put(record.name, program.name.encode())
        record.needs = program.needs
    memory += texts.data + bytes(-len(texts.data) % 8)
    header = wire_over(layout.Header, memory)
    header.text_size, header.size = len(memory) - text_at, len(memory)
    return sealed(memory)


def sealed(memory: bytearray) -> bytes:
    """The bytes with their checksum."""
    wire_over(layout.Header, memory).checksum = checksum(bytes(memory))
    return bytes(memory)


def checksum(data: bytes) -> int:
    """`abi/description.py` says which, for the machine; here in whole words, as Python is quick with these."""
    state = len(data) - CHECKED_FROM
    for place in range(CHECKED_FROM, len(data), 8):
        state = ((state ^ int.from_bytes(data[place : place + 8], "little")) * int(layout.MIX)) & MOST
        state ^= state >> 29
    return state


def _write_service(record: Any, service: Service, texts: _Texts) -> None:
    texts.put(record.name, service.name.encode())
    texts.put(record.program, service.program.encode())
    record.memory, record.state, record.capabilities = service.memory, service.state, service.capabilities
    record.priority, record.budget, record.period = service.priority, service.budget, service.period
    record.passive, record.heartbeat = int(service.passive), service.heartbeat
    restart = service.restart
    record.policy, record.escalation = restart.policy.value, restart.escalation.value
    record.backoff, record.longest_backoff = restart.backoff, restart.longest_backoff
    record.limit, record.window = restart.limit, restart.window


def _write_grant(record: Any, grant: Grant, texts: _Texts, provided: dict[tuple[str, str], int]) -> None:
    texts.put(record.name, grant.name.encode())
    match grant:
        case Provides():
            record.kind, record.interface = GrantKind.PROVIDES.value, grant.interface
        case Uses():
            record.kind, record.interface, record.rights = GrantKind.USES.value, grant.interface, grant.rights
            record.target, record.size = provided[grant.service, grant.endpoint], grant.lend
        case Has():
            record.kind, record.target, record.size = grant.kind.value, grant.target, grant.size


# --- what can be described --------------------------------------------------------------------------------------------


def examine(system: System, services: Sequence[Service]) -> None:
    """Raise BadDescription if a number doesn't fit, or a name is missing: what init would refuse, with better words."""
    _name("the system", system.name)
    _name("the board", system.board)
    _within("the system's number of services", len(services), 1, layout.MAXIMUM_SERVICES)
    grants = sum(len(service.grants) for service in services)
    slots = int(layout.slots_needed(lang.u64(len(services)), lang.u64(grants)))
    _within("what init's table needs for all services and grants, in slots,", slots, 0, layout.MOST_SLOTS)
    _within("the system's number of programs", len(system.programs), 0, layout.MAXIMUM_PROGRAMS)
    _once("a program called", (program.name for program in system.programs))
    for program in system.programs:
        _name("a program", program.name)
        _within(f"program {program.name!r}: its needs' hash", program.needs, 0, MOST)
    _once("a service called", (service.name for service in system.services))
    interfaces = {
        (service.name, grant.name): grant.interface
        for service in services
        for grant in service.grants
        if isinstance(grant, Provides)
    }
    for service in services:
        where = f"service {service.name!r}"
        _name(where, service.name)
        _name(f"{where}: its program", service.program)
        _once(f"{where}: a grant called", (grant.name for grant in service.grants))
        _once(f"{where}: a setting called", (name for name, _ in service.settings))
        _numbers(where, service)
        for grant in service.grants:
            _grant(f"{where}: grant {grant.name!r}", service, grant, interfaces)
        _settings(where, service)
        lenders = (grant.service for grant in service.grants if isinstance(grant, Uses) and grant.lend)
        _once(f"{where}: a region that it lends to", lenders)


def _numbers(where: str, service: Service) -> None:
    memory = int(layout.MOST_MEMORY)
    time = int(layout.MOST_TIME)
    _within(f"{where}: memory", service.memory, 4096, memory)
    if service.memory % 4096:
        raise BadDescription(f"{where}: {service.memory} bytes of memory are no whole pages of 4096")
    _within(f"{where}: state", service.state, 0, layout.MOST_STATE)
    _within(f"{where}: capabilities", service.capabilities, layout.LEAST_CAPABILITIES, layout.MOST_CAPABILITIES)
    least = layout.LEAST_CAPABILITIES + len(service.grants)
    if service.capabilities < least:
        raise BadDescription(f"{where}: {service.capabilities} capabilities; with its grants it needs {least}")
    _within(f"{where}: number of grants", len(service.grants), 0, layout.MAXIMUM_GRANTS)
    _within(f"{where}: number of settings", len(service.settings), 0, layout.MAXIMUM_SETTINGS)
    _within(f"{where}: priority", service.priority, 0, HIGHEST_PRIORITY)
    _within(f"{where}: period", service.period, 0, time)
    _within(f"{where}: budget", service.budget, min(service.period, 1), service.period)
    _within(f"{where}: heartbeat", service.heartbeat, 0, time)
    restart = service.restart
    _within(f"{where}: longest back-off", restart.longest_backoff, 0, time)
    _within(f"{where}: back-off", restart.backoff, 0, restart.longest_backoff)
    _within(f"{where}: window", restart.window, 0, time)
    _within(f"{where}: limit of restarts", restart.limit, 0, (1 << 32) - 1)


def _grant(where: str, service: Service, grant: Grant, interfaces: dict[tuple[str, str], int]) -> None:
    _name(where, grant.name)
    match grant:
        case Provides():
            _within(f"{where}: interface", grant.interface, 0, MOST)
        case Uses():
            if grant.service == service.name:
                raise BadDescription(f"{where}: a service can't use itself")
            version = interfaces.get((grant.service, grant.endpoint))
            if version is None:
                raise BadDescription(f"{where}: nobody provides {grant.service}.{grant.endpoint}")
            if version != grant.interface:
                told = f"{version:016x}, and this was made for {grant.interface:016x}"
                raise BadDescription(f"{where}: {grant.service}.{grant.endpoint} has the contract {told}")
            _lend(where, grant.lend)
        case Has(kind=GrantKind.PROVIDES | GrantKind.USES):
            raise BadDescription(f"{where}: endpoints are described by Provides and Uses")
        case Has(kind=GrantKind.NONE):
            _lend(where, grant.size)
        case Has(kind=GrantKind.PROCESSOR):
            _within(f"{where}: highest priority", grant.target, 1, HIGHEST_PRIORITY)
        case Has(kind=GrantKind.DMA | GrantKind.TRACE):
            _within(f"{where}: size", grant.size, 1, 4096)
        case Has(kind=GrantKind.MEMORY):
            _within(f"{where}: size", grant.size, 4096, int(layout.MOST_MEMORY))
            if grant.size % 4096:
                raise BadDescription(f"{where}: {grant.size} bytes are no whole pages of 4096")
        case Has(kind=GrantKind.SYSTEM):
            _within(f"{where}: which of init's interfaces", grant.target, layout.INIT_SYSTEM, layout.INIT_SHUTDOWN)
        case Has():
            _within(f"{where}: target", grant.target, 0, MOST)


def _lend(where: str, size: int) -> None:
    _within(f"{where}: bytes that it lends", size, 0, layout.MOST_LENT)
    each = PAGE_SIZE if size <= layout.MOST_LENT_IN_PAGES else LARGE_SIZE
    if size % each:
        raise BadDescription(f"{where}: {size} bytes that it lends are no whole frames of {each}")


def _settings(where: str, service: Service) -> None:
    size = 0
    for name, value in service.settings:
        _name(f"{where}: setting {name!r}", name)
        if isinstance(value, int):
            _within(f"{where}: setting {name!r}", value, -1 << 63, MOST)
        else:
            size += len(value.encode() if isinstance(value, str) else value)
    if size > layout.MAXIMUM_TEXT:
        raise BadDescription(f"{where}: its settings' texts have {size} bytes; at most {layout.MAXIMUM_TEXT} can be")


def _within(what: str, number: int, least: int, most: int) -> None:
    if not least <= number <= most:
        raise BadDescription(f"{what} is {number}; it must be from {least} to {most}")


def _name(what: str, name: str) -> None:
    most = min(layout.MAXIMUM_NAME, NAME_SIZE)
    if not 1 <= len(name) <= most or not all("!" <= character <= "~" for character in name):
        raise BadDescription(f"{what}: {name!r} is no name: 1 to {most} printable ASCII characters, no blanks")


def _once(what: str, names: Iterable[str]) -> None:
    seen = set[str]()
    for name in names:
        if name in seen:
            raise BadDescription(f"{what} {name!r} is there twice")
        seen.add(name)


# --- reading one ------------------------------------------------------------------------------------------------------


def read(data: bytes) -> System:
    """The system that is described."""
    memory = bytearray(data)
    try:
        return _read(memory)
    except (IndexError, ValueError, KeyError) as error:
        raise BadDescription(f"a broken description: {error}") from error


def _read(memory: bytearray) -> System:
    if len(memory) < HEADER_SIZE:
        raise BadDescription(f"{len(memory)} bytes are no description")
    header = wire_over(layout.Header, memory)
    if header.magic != MAGIC or int(header.version) != VERSION:
        raise BadDescription(f"no description of version {VERSION}")
    service_count, grant_count = int(header.service_count), int(header.grant_count)
    grants_at = HEADER_SIZE + service_count * SERVICE_SIZE
    settings_at = grants_at + grant_count * GRANT_SIZE
    programs_at = settings_at + int(header.setting_count) * SETTING_SIZE
    text_at = programs_at + int(header.program_count) * PROGRAM_SIZE
    if int(header.size) != len(memory) or text_at + int(header.text_size) != len(memory):
        raise BadDescription(f"the description has {len(memory)} bytes, and says {int(header.size)}")
    if int(header.checksum) != checksum(bytes(memory)):
        raise BadDescription("the description's checksum is wrong")

    def raw(text: Any) -> bytes:
        first = text_at + int(text.offset)
        found = bytes(memory[first : first + int(text.length)])
        if len(found) != int(text.length):
            raise BadDescription("a text of the description is cut off")
        return found

    def named(text: Any) -> str:
        return raw(text).decode()

    services = [wire_over(layout.Service, memory, HEADER_SIZE + i * SERVICE_SIZE) for i in range(service_count)]
    grants = [wire_over(layout.Grant, memory, grants_at + i * GRANT_SIZE) for i in range(grant_count)]

    def grant_of(record: Any) -> Grant:
        name, kind = named(record.name), _member(GrantKind, record.kind)
        if kind is GrantKind.PROVIDES:
            return Provides(name, int(record.interface))
        if kind is GrantKind.USES:
            peer = grants[int(record.target)]
            owner = named(services[int(peer.owner)].name)
            lend = int(record.size)
            return Uses(name, owner, named(peer.name), int(record.interface), int(record.rights), lend)
        return Has(name, kind, int(record.target), int(record.size))

    def setting_of(index: int) -> tuple[str, int | bytes]:
        record = wire_over(layout.Setting, memory, settings_at + index * SETTING_SIZE)
        text = _member(SettingKind, record.kind) is SettingKind.TEXT
        return named(record.name), raw(record.text) if text else int(record.value)

    def service_of(record: Any) -> Service:
        grant, setting = int(record.grant_first), int(record.setting_first)
        restart = Restart(
            _member(RestartPolicy, record.policy),
            int(record.backoff),
            int(record.longest_backoff),
            int(record.limit),
            int(record.window),
            _member(Escalation, record.escalation),
        )
        return Service(
            named(record.name),
            named(record.program),
            tuple(map(grant_of, grants[grant : grant + int(record.grant_count)])),
            tuple(map(setting_of, range(setting, setting + int(record.setting_count)))),
            int(record.memory),
            int(record.capabilities),
            int(record.priority),
            int(record.budget),
            int(record.period),
            bool(record.passive),
            restart,
            int(record.state),
            int(record.heartbeat),
        )

    def program_of(index: int) -> Program:
        record = wire_over(layout.Program, memory, programs_at + index * PROGRAM_SIZE)
        return Program(named(record.name), int(record.needs))

    programs = tuple(map(program_of, range(int(header.program_count))))
    return System(named(header.name), named(header.board), tuple(map(service_of, services)), programs)


def _member(kind: type[_E], number: Any) -> _E:
    return kind(int(number))
