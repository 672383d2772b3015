"""What may be in a system file, in a service's manifest and in a board's file: the keys, their types, their ranges.

The descriptions are the reference (docs/reference/system-file.md is made of them). What a key means together with
others is checked later, in `machine.py` and after it; None stands for what wasn't written.

Invariant: a model accepts no key that it doesn't know, and no value of another type: "5" is no number.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, StringConstraints
from pydantic_core import PydanticCustomError

from neokernel.abi.description import HIGHEST_PRIORITY, LEAST_CAPABILITIES, MOST_CAPABILITIES, MOST_MEMORY
from neokernel.image.systemfile import units

NAME = r"[a-z][a-z0-9-]*"
LONGEST_NAME = 32
#: as Python has names: what a program declares
VARIABLE = r"[A-Za-z_][A-Za-z0-9_]*"


def _amount(value: Any, parse: Any, example: str) -> int:
    if not isinstance(value, str):
        shown = str(value).lower() if isinstance(value, bool) else value
        hint = f'write it with its unit, in quotes: "{example}"'
        if isinstance(value, bool | int | float):
            raise PydanticCustomError("amount", "{shown} has no unit", {"shown": str(shown)[:40], "help": hint})
        raise PydanticCustomError("amount", "this isn't text with a number and a unit", {"help": hint})
    try:
        found: int = parse(value)
    except units.BadAmount as error:
        raise PydanticCustomError("amount", "{problem}", {"problem": error.message, "help": error.help}) from None
    return found


def as_size(value: Any) -> int:
    return _amount(value, units.size, "256 KiB")


def as_time(value: Any) -> int:
    return _amount(value, units.time, "2 ms")


def _named(pattern: str, what: str, most: int = LONGEST_NAME) -> Any:
    def check(value: Any) -> Any:
        if isinstance(value, str) and (len(value) > most or not re.fullmatch(pattern, value)):
            help = f"{what}, at most {most} characters"
            raise PydanticCustomError(
                "name", '"{name}" is no name here', {"name": units.shortened(value), "help": help}
            )
        return value

    return check


Size = Annotated[int, BeforeValidator(as_size, json_schema_input_type=str)]
Time = Annotated[int, BeforeValidator(as_time, json_schema_input_type=str)]
#: of a service, a system, a device: what shells and files can be called
Name = Annotated[str, BeforeValidator(_named(NAME, "a name is small letters, digits and `-`, beginning with a letter"))]
#: of a declaration in a program
Declared = Annotated[str, BeforeValidator(_named(VARIABLE, "the name of a variable that the program declares", 64))]
Peer = Annotated[str, StringConstraints(min_length=1, max_length=100)]
#: a setting's value: what a program can declare
Value = bool | int | float | str


class Policy(Enum):
    """When a service that has ended is started again."""

    NEVER = "never"
    ON_FAILURE = "on-failure"
    ALWAYS = "always"


class Escalation(Enum):
    """What happens when a service has failed too often."""

    GIVE_UP = "give-up"
    RESTART_DEPENDANTS = "restart-dependants"
    HALT = "halt"


class Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class Cpu(Table):
    """A right to processor time."""

    priority: int | None = Field(
        None,
        ge=0,
        le=HIGHEST_PRIORITY,
        description=f"0 to {HIGHEST_PRIORITY}, the higher the more urgent; init is above all. Left out: the highest of "
        "its clients', or 16 without any",
    )
    budget: Time | None = Field(
        None,
        description="how much time it may use in each period. Left out, with `period`: no reservation, it takes turns "
        "with its equals",
    )
    period: Time | None = Field(None, description="after how long what was used comes back")
    hart: int | None = Field(None, ge=0, le=4095, description="the hart that it runs on. Left out: 0")
    passive: bool | None = Field(
        None, description="it runs on its clients' time, once it has said that it is ready. Left out: false"
    )


class Restart(Table):
    """What init does when the service ends."""

    policy: Policy | None = Field(
        None, strict=False, description="`never`, `on-failure` (a fault, or a status that isn't 0), or `always`"
    )
    backoff: Time | None = Field(
        None, description="how long init waits before the first restart; doubled for each further one within the window"
    )
    longest_backoff: Time | None = Field(None, description="what doubling stops at")
    limit: int | None = Field(None, ge=1, le=1000, description="how many restarts there may be within the window")
    window: Time | None = Field(None, description="over how long restarts are counted")
    escalate: Escalation | None = Field(
        None,
        strict=False,
        description="what happens beyond the limit: `give-up` (it stays down), `restart-dependants` (its clients too, "
        "and theirs), or `halt` (the machine is switched off)",
    )


class Manifest(Table):
    """`service.toml` beside a program: defaults for all services that run it. It can't give any authority."""

    memory: Size | None = Field(None, description="all memory that it has, its objects and stack included")
    capabilities: int | None = Field(
        None, ge=LEAST_CAPABILITIES, le=MOST_CAPABILITIES, description="slots of its table of capabilities"
    )
    cpu: Cpu | None = Field(None, description="processor time")
    restart: Restart | None = Field(None, description="what happens when it ends")
    preserve: Size | None = Field(
        None, description="memory that stays when it is restarted or replaced, for its state. Left out: none"
    )
    heartbeat: Time | None = Field(
        None, description="init restarts it if it shows no sign of life for so long. Left out: it needn't"
    )
    config: dict[Declared, Value] = Field(
        default_factory=dict, description="values of the settings that the program declares, by their names"
    )
    requires: dict[Declared, Declared] = Field(
        default_factory=dict, description="of what the program provides: a setting without which it doesn't"
    )


class Network(Table):
    """`[service.NAME.network]`: what it may do on the network, by whoever provides it `Sockets`; nothing else."""

    listen: list[Annotated[str, StringConstraints(max_length=100)]] = Field(
        default_factory=list,
        description='ports of this host\'s that others may reach it at: `["tcp/8080", "udp/5000-5010"]`',
    )
    connect: list[Annotated[str, StringConstraints(max_length=100)]] = Field(
        default_factory=list,
        description='whom it may reach, by address and port: `["tcp/10.0.2.2:53", "udp/10.0.2.0/24:123"]`',
    )


class Service(Manifest):
    """`[service.NAME]`: a program, and all that it may do. What the manifest gives can be left out."""

    program: Annotated[str, StringConstraints(min_length=1, max_length=400)] = Field(
        description="a module of Neokernel's (`neokernel.services.log`), or a path beginning with `.` or with a `/` in "
        "it: a folder with a main.py, a module's file, or a model (`.onnx`, `.nkm`), relative to the system file"
    )
    dimensions: dict[str, Annotated[int, Field(ge=1, le=999_999_999)]] = Field(
        default_factory=dict,
        description="of a program that is a model in ONNX: numbers for dimensions that have only names",
    )
    uses: dict[Declared, Peer] = Field(
        default_factory=dict,
        description='whom it calls, by the names that its program declares: "SERVICE.NAME", where the other program '
        'declares NAME as `Provides`; "SERVICE" alone if that provides only one such interface. '
        '"kernel.console", "kernel.power", "kernel.processor", "kernel.trace", "init.system", "init.watch", '
        '"init.shutdown": what no service provides',
    )
    devices: dict[Declared, Peer] = Field(
        default_factory=dict, description="devices of the board whose registers it gets, by declared names"
    )
    interrupts: dict[Declared, Peer] = Field(
        default_factory=dict,
        description='interrupts of the board\'s devices, by declared names: "DEVICE", or "DEVICE.LINE" if it has more',
    )
    dma: dict[Declared, Size] = Field(
        default_factory=dict, description="spaces for DMA, by declared names: how much memory may be pinned in each"
    )
    pools: dict[Declared, Size] = Field(
        default_factory=dict, description="memory beyond its own that it makes objects of, by declared names: how much"
    )
    network: Network | None = Field(None, description="what it may do on the network")
    trusted: bool = Field(
        False,
        description="it may hold what reaches everything: a device that masters the bus, or DMA, where no IOMMU stands "
        "between; or `init.system`, which lends what any service has. Whoever reads the file sees here whom the system "
        "can't be protected from",
    )


class SystemTable(Table):
    """`[system]`: the machine as a whole."""

    name: Name = Field(description="what it is called; so is its image")
    board: Annotated[str, StringConstraints(min_length=1, max_length=100)] = Field(
        description="the machine that it runs on: the file of that name in `boards`, or the path of one"
    )
    reserve: Size | None = Field(
        None, description="memory that no service gets: for firmware, kernel, image and init. Left out: 8 MiB"
    )


#: a port of the host's, for other programs of it
HostPort = Annotated[str, BeforeValidator(_named(r"(tcp|udp)/[1-9][0-9]{0,4}", 'it is "tcp/8080", or "udp/8080"'))]

#: ports of one device: those that `neokernel.drivers.ports` serves, which a test looks after
MOST_PORTS = 4


class Kind(Enum):
    """A device that `nk run` can put into a slot."""

    DISK = "disk"
    ENTROPY = "entropy"
    PORTS = "ports"
    NETWORK = "network"


class Tunnel(Table):
    """`tunnel`: each frame is a UDP datagram on 127.0.0.1."""

    local: int = Field(ge=1, le=65535, description="the port where frames for the machine come in")
    remote: int = Field(ge=1, le=65535, description="the port to which its frames are sent")


class Slot(Table):
    """`[slot.NAME]`: what stands in a slot of the board when `nk run` starts the machine. It grants nobody anything."""

    device: Kind = Field(
        strict=False,
        description="`disk` (virtio-blk), `entropy` (virtio-rng, with the host's random bytes), `ports` "
        "(virtio-console, for programs of the host) or `network` (virtio-net)",
    )
    file: Annotated[str, StringConstraints(min_length=1, max_length=400)] | None = Field(
        None, description="of a disk: the host's file with its bytes, relative to the system file"
    )
    size: Size | None = Field(
        None,
        description="of a disk: the file is made with so many bytes of zeroes if it isn't there; without `file`, the "
        "disk is empty at each start",
    )
    read_only: bool = Field(False, description="of a disk: nobody can write it")
    temporary: bool = Field(False, description="of a disk: what is written is gone at the end")
    ports: dict[Name, Literal[True] | Annotated[str, StringConstraints(min_length=1, max_length=400)]] = Field(
        default_factory=dict,
        max_length=MOST_PORTS,
        description="of ports: the Unix socket of each one on the host, by its name, relative to the system file, or "
        f"`true`: one that `nk ps` and its like find; {MOST_PORTS} at most",
    )
    forward: dict[HostPort, Annotated[int, Field(ge=1, le=65535)]] = Field(
        default_factory=dict,
        description="of a network: ports of the machine that programs of the host reach, by the host's own: "
        '`{ "tcp/8080" = 80 }`; on 127.0.0.1 only',
    )
    outside: bool = Field(False, description="of a network: the machine reaches the host, and what that reaches")
    tunnel: Tunnel | None = Field(
        None,
        description="of a network: frames go to another program of the host, instead of to a network that QEMU has",
    )


class SystemFile(Table):
    """A system file."""

    system: SystemTable = Field(description="the machine as a whole")
    service: dict[Name, Service] = Field(default_factory=dict, description="the services, by their names")
    slot: dict[Name, Slot] = Field(
        default_factory=dict, description="what `nk run` puts into slots of the board, by their names"
    )


class BoardTable(Table):
    """`[board]`: the machine."""

    name: Name = Field(description="what it is called")
    memory: Size = Field(le=int(MOST_MEMORY), description="its memory")
    harts: int = Field(1, ge=1, le=4096, description="how many harts it has")
    frequency: int = Field(ge=1, le=10**9, description="ticks of its timer in a second")
    iommu: bool = Field(False, description="does an IOMMU stand between devices and memory?")


class Device(Table):
    """`[device.NAME]`: a device."""

    compatible: str | None = Field(None, description="what the device tree calls it")
    address: int = Field(ge=0, lt=1 << 56, description="where its registers begin")
    size: int = Field(ge=1, lt=1 << 56, description="bytes of registers")
    interrupt: int | None = Field(None, ge=1, le=1023, description="its interrupt line, if it has one")
    interrupts: dict[Declared, Annotated[int, Field(ge=1, le=1023)]] = Field(
        default_factory=dict, description="its interrupt lines by name, if it has several"
    )
    dma: bool = Field(False, description="can it read and write memory by itself?")
    slot: str | None = Field(
        None, description="of a slot that holds a device if one is put there: what QEMU calls it. Left out: it is none"
    )


class BoardFile(Table):
    """A board's file."""

    board: BoardTable = Field(description="the machine")
    device: dict[Name, Device] = Field(default_factory=dict, description="its devices, by name")
