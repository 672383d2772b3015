"""What a system file puts into slots of the board: devices of the machine that `nk run` starts.

It says nothing of who may use them: that is granted, like any device of the board's.
"""

from __future__ import annotations

from neokernel.image.systemfile import units
from neokernel.image.systemfile.document import Document, Findings, did_you_mean
from neokernel.image.systemfile.machine import Kind as Grants
from neokernel.image.systemfile.machine import Machine, NetworkLine
from neokernel.image.systemfile.model import BoardFile, Kind, Slot, SystemFile
from neokernel.image.systemfile.sockets import INTERFACE

#: bytes that a disk's size is a multiple of
SECTOR = 512
#: what can be said of each kind of device, and what it is called
KEYS = {
    Kind.DISK: {"file", "size", "read_only", "temporary"},
    Kind.PORTS: {"ports"},
    Kind.NETWORK: {"forward", "outside", "tunnel"},
    Kind.ENTROPY: set[str](),
}
CALLED = {Kind.DISK: "a disk", Kind.PORTS: "ports", Kind.NETWORK: "a network", Kind.ENTROPY: "random bytes"}


def slots_of(document: Document, model: SystemFile, board: BoardFile, findings: Findings) -> dict[str, Slot]:
    """The slots that are filled, by the names of the board's devices; what is wrong with them is found."""
    known = [name for name, device in board.device.items() if device.slot is not None]
    for name, slot in model.slot.items():
        if name not in known:
            message = f"{board.board.name} has no slot called {name}"
            help = did_you_mean(name, known, "slots", "the board has none")
            findings.error("NK2116", message, document.key("slot", name), help)
        check(name, slot, document, findings)
    return {name: slot for name, slot in model.slot.items() if name in known}


def empty(machine: Machine, findings: Findings) -> None:
    """Who is granted a slot in which nothing stands? On a machine that isn't started by `nk run`, something may."""
    for service in machine.services.values():
        for grant in service.grants:
            if grant.kind is Grants.DEVICE and grant.device not in machine.slots:
                if machine.board.device[grant.device].slot is not None:
                    message = f"nothing stands in `{grant.device}` when `nk run` starts the machine"
                    help = f'write `[slot.{grant.device}]` with `device = "disk"`, or what it is'
                    findings.warning("NK2118", message, grant.span, help)


def unheard(machine: Machine, findings: Findings) -> None:
    """Which forwarded ports may nobody listen at? Of a network that isn't our service's, nothing is known."""
    if not any(need.type == INTERFACE for service in machine.services.values() for need in service.program.provided()):
        return
    lines = [line for service in machine.services.values() for line in service.network if line.verb == "listen"]
    for name, slot in machine.slots.items():
        for outside, inside in slot.forward.items():
            protocol = outside.partition("/")[0]
            if not any(is_for(line, protocol, inside) for line in lines):
                message = f"`{outside}` of this host leads to {protocol}/{inside} of the machine, where nobody listens"
                help = f'let the service that should: `network.listen = ["{protocol}/{inside}"]`; or take the port out'
                span = machine.document.key("slot", name, "forward", outside)
                findings.warning("NK2121", message, span, help)


def is_for(line: NetworkLine, protocol: str, port: int) -> bool:
    """Does it allow to listen at this port?"""
    ports = line.text.partition("/")[2].split("-")
    return line.text.startswith(f"{protocol}/") and int(ports[0]) <= port <= int(ports[-1])


def check(name: str, slot: Slot, document: Document, findings: Findings) -> None:
    """Does what is said of a device belong together?"""
    for key in sorted(slot.model_fields_set - {"device"} - KEYS[slot.device]):
        owner = next(kind for kind, keys in KEYS.items() if key in keys)
        message = f"`{key}` means nothing of `{name}`, which isn't {CALLED[owner]}"
        findings.error("NK2116", message, document.key("slot", name, key), "take the line out")
    match slot.device:
        case Kind.DISK:
            check_disk(name, slot, document, findings)
        case Kind.PORTS if not slot.ports:
            help = 'write `ports = { control = "control.sock" }`: the name of each, and its socket on the host'
            findings.error("NK2116", f"the device in `{name}` has no ports", document.key("slot", name), help)
        case Kind.NETWORK:
            if any(port.startswith("udp/") for port in slot.forward) and not slot.outside:
                message = f"`forward` of `{name}` has a port for UDP, whose answers QEMU drops without `outside`"
                help = "write `outside = true`: the machine reaches the host and its networks then"
                findings.error("NK2116", message, document.key("slot", name, "forward"), help)
            for key in sorted(slot.model_fields_set & {"forward", "outside"}) if slot.tunnel is not None else ():
                message = f"`{key}` of `{name}` means nothing beside `tunnel`"
                help = "a tunnel's other end is a program that does what it likes; take one of them out"
                findings.error("NK2116", message, document.key("slot", name, key), help)
        case _:
            pass


def check_disk(name: str, slot: Slot, document: Document, findings: Findings) -> None:
    if slot.file is None and slot.size is None:
        help = 'write `file = "disk.img"`, or `size = "16 MiB"` for one that is empty at each start'
        findings.error("NK2116", f"the disk in `{name}` has no bytes", document.key("slot", name), help)
    if slot.size is not None and (slot.size % SECTOR or not slot.size):
        message = f"`size` of `{name}` is {units.show_size(slot.size)}"
        findings.error("NK2006", message, document.value("slot", name, "size"), "it is a multiple of 512 B")
