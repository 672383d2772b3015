"""A system as one whole: the board, and each service with its program, its quotas, its grants and its settings.

`loading.py` makes it of files, `matching.py` of grants and declarations; what follows only reads it.

Invariant: in a machine without errors each declaration has its grant or its value, each grant its declaration, each
peer is there and speaks the same interface. In one with errors something may be missing, but nothing is made up,
except where it was asked for: then `assumed.py` says how.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import Generic, TypeVar

from neokernel.compiler.diagnostics import Diagnostic
from neokernel.compiler.ir import Span
from neokernel.image.systemfile.document import Document
from neokernel.image.systemfile.model import BoardFile, Device, Escalation, Policy, Slot
from neokernel.image.systemfile.needs import Need, Role

T = TypeVar("T")

#: of a service that nobody calls and whose file says nothing
USUAL_PRIORITY = 16
#: what ends and replaces every service, and lends what any of them has
RULES = "init.system"
#: names of what isn't a service, but is granted like one's interface
RESERVED = {"kernel": ("console", "power", "processor", "trace"), "init": ("system", "watch", "shutdown")}


@dataclass(frozen=True)
class Placed(Generic[T]):
    """A value, and where it was said; where nobody said it, the place of the service."""

    value: T
    span: Span
    #: was it said, in the system file or the manifest?
    given: bool = True


@dataclass(frozen=True)
class Program:
    """`main`: the file of its `main`. `name`: what it is called in the image; several services may run it."""

    name: str
    main: Path
    needs: tuple[Need, ...]

    def provided(self) -> list[Need]:
        return [need for need in self.needs if need.role is Role.PROVIDES]

    def used(self) -> list[Need]:
        return [need for need in self.needs if need.role is Role.USES]

    def settings(self) -> list[Need]:
        return [need for need in self.needs if need.role is Role.SETTING]


class Kind(Enum):
    """What is granted; the value is the key of the system file."""

    ENDPOINT = "uses"
    #: one of RESERVED
    SPECIAL = "special"
    DEVICE = "devices"
    INTERRUPT = "interrupts"
    DMA = "dma"
    POOL = "pools"


@dataclass(frozen=True)
class Grant:
    """What a service may do. `target` is how people call it: "log.log", "uart0", "kernel.power", "256 KiB"."""

    name: str
    kind: Kind
    target: str
    need: Need
    #: where the target is said
    span: Span
    #: ENDPOINT: the service that provides it, and the name there
    peer: str = ""
    provided: str = ""
    #: DEVICE and INTERRUPT
    device: str = ""
    #: DEVICE: the address; INTERRUPT: the line; DMA and POOL: bytes
    number: int = 0


@dataclass(frozen=True)
class NetworkLine:
    """What a service may do on a network: `verb` is "listen" or "connect", `text` what is written, "tcp/8080"."""

    verb: str
    text: str
    #: where it is said
    span: Span
    #: as `abi/description.py` has it, and the services that provide it
    record: str
    servers: tuple[str, ...]

    @property
    def name(self) -> str:
        """As `nk build --deny` names it."""
        return f"network.{self.verb}={self.text}"

    def __str__(self) -> str:
        """As people say it: "listens on tcp/8080"."""
        return f"{'listens on' if self.verb == 'listen' else 'connects to'} {self.text}"


@dataclass(frozen=True)
class Setting:
    """A setting's value as the process gets it: a number (an enum's, a float's bits), or bytes."""

    need: Need
    value: int | bytes


@dataclass
class Service:
    """`span` is its header's."""

    name: str
    span: Span
    program: Program
    memory: Placed[int]
    capabilities: Placed[int]
    priority: Placed[int]
    #: microseconds of each `period`; 0 both: no reservation
    budget: Placed[int]
    period: Placed[int]
    hart: Placed[int]
    passive: Placed[bool]
    policy: Placed[Policy]
    backoff: Placed[int]
    longest_backoff: Placed[int]
    limit: Placed[int]
    window: Placed[int]
    escalation: Placed[Escalation]
    #: bytes, 0 for none
    preserve: Placed[int]
    #: microseconds, 0 for none
    heartbeat: Placed[int]
    trusted: Placed[bool]
    grants: list[Grant] = field(default_factory=list)
    settings: list[Setting] = field(default_factory=list)
    #: of what it provides: a setting without which it doesn't
    requires: dict[str, str] = field(default_factory=dict)
    network: list[NetworkLine] = field(default_factory=list)

    @property
    def is_reserved(self) -> bool:
        """Has it a right to a share of the processor, which others mustn't take?"""
        return self.period.value > 0 and not self.passive.value

    def peers(self) -> list[Grant]:
        """Whom it calls."""
        return [grant for grant in self.grants if grant.kind is Kind.ENDPOINT]


@dataclass
class Machine:
    """`file` is how messages call the system file."""

    name: str
    file: str
    board: BoardFile
    memory: int
    reserve: Placed[int]
    #: where the file says what the machine is
    span: Span
    services: dict[str, Service]
    #: what stands in slots of the board, by the board's names; files are relative to `folder`
    slots: dict[str, Slot]
    folder: Path
    document: Document
    #: services that the file has, and whose programs can't be read, with what is wrong: they are no `services`
    unread: dict[str, Diagnostic] = field(default_factory=dict)
    #: services whose declarations are assumed
    assumed: frozenset[str] = frozenset()

    def clients(self, name: str) -> Iterator[tuple[Service, Grant]]:
        """Who calls a service, with the grant that lets it."""
        for service in self.services.values():
            for grant in service.peers():
                if grant.peer == name:
                    yield service, grant

    def device(self, name: str) -> Device:
        return self.board.device[name]

    def starting_order(self) -> list[Service]:
        """Who is used before who uses it, otherwise as the file has them. Of a machine without circles of calls."""
        found: dict[str, Service] = {}

        def add(service: Service, above: tuple[str, ...]) -> None:
            if service.name in found or service.name in above:
                return
            for grant in service.peers():
                add(self.services[grant.peer], (*above, service.name))
            found[service.name] = service

        for service in self.services.values():
            add(service, ())
        return list(found.values())

    def unprotected(self, service: Service) -> list[Grant]:
        """The grants by which it can reach all memory: a device that masters the bus, or DMA, without an IOMMU."""
        if self.board.board.iommu:
            return []
        return [
            grant
            for grant in service.grants
            if grant.kind is Kind.DMA or (grant.kind is Kind.DEVICE and self.device(grant.device).dma)
        ]

    def ruling(self, service: Service) -> list[Grant]:
        """The grants by which it can have all that any service has: init's `System`, which delegates."""
        return [grant for grant in service.grants if grant.kind is Kind.SPECIAL and grant.target == RULES]
