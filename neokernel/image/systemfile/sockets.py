"""What services may do on the network: the lines of `[service.NAME.network]`, for the service that has it.

    listen = ["tcp/8080"]                                   # this host's port
    connect = ["tcp/10.0.2.2:53", "udp/10.0.2.0/24:123-130"]    # a host's, or a network's: a port, or some

They become the setting `grants` of whoever provides `Sockets` to the service, in the form that `abi/description.py`
has, each with the number by which that knows its client. The setting `clients` has what these are called.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import replace
from ipaddress import AddressValueError, IPv4Network, NetmaskValueError

from neokernel.abi.description import MAXIMUM_TEXT, MOST_NETWORK_CLIENTS, MOST_NETWORK_LINES
from neokernel.image.systemfile.document import Document, Findings
from neokernel.image.systemfile.machine import Machine, NetworkLine, Service
from neokernel.image.systemfile.model import SystemFile

INTERFACE = "neokernel.interfaces.sockets.Sockets"
SETTING = "grants"
NAMES = "clients"
VERBS = ("listen", "connect")
MOST_PORT = 65_535
FORMS = {
    "listen": 'it is "tcp/8080" or "udp/53", or a range of ports: "tcp/8000-8010"',
    "connect": 'it is "tcp/10.0.2.2:53", or with a network and a range: "udp/10.0.2.0/24:123-130"',
}
LINE = re.compile(r"(?P<protocol>tcp|udp)/(?:(?P<place>[^:]*):)?(?P<first>\d{1,5})(?:-(?P<last>\d{1,5}))?", re.ASCII)


def encoded(verb: str, line: str) -> str | None:
    """A line as the service reads it, without the client; None if it is none."""
    match = LINE.fullmatch(line)
    if match is None or (match["place"] is None) != (verb == "listen"):
        return None
    first, last = int(match["first"]), int(match["last"] or match["first"])
    if not 0 < first <= last <= MOST_PORT:
        return None
    try:
        network = IPv4Network(match["place"] if match["place"] is not None else "0.0.0.0/0")
    except (AddressValueError, NetmaskValueError, ValueError):
        return None
    return (
        f"{verb[0]}{match['protocol'][0]}{network.prefixlen:02x}{int(network.network_address):08x}{first:04x}{last:04x}"
    )


def grant_all(machine: Machine, document: Document, model: SystemFile, findings: Findings) -> None:
    """Fill in the setting of each service that provides `Sockets`; what can't be is found."""
    numbers = {service.name: number for number, service in enumerate(machine.starting_order(), 1)}
    clients: dict[str, set[str]] = {}
    for service in machine.services.values():
        table = model.service[service.name].network
        servers = [grant.peer for grant in service.peers() if grant.need.type == INTERFACE]
        for server in servers:
            clients.setdefault(server, set()).add(service.name)
        written = [(verb, place, line) for verb in VERBS for place, line in enumerate(getattr(table, verb, ()))]
        if not servers:
            if written:
                help = "a program that does declares `network: Uses[Sockets] = uses()`; else take the table out"
                message = f"`{service.name}` may use a network, and its program uses none"
                findings.error("NK2119", message, document.key("service", service.name, "network"), help)
            continue
        for verb, place, line in written:
            found = encoded(verb, line)
            if found is None:
                span = document.value("service", service.name, "network", verb, place)
                findings.error("NK2119", f'"{line}" says nothing that a service could {verb} to', span, FORMS[verb])
            else:
                span = document.value("service", service.name, "network", verb, place)
                record = f"{numbers[service.name]:02x}{found}"
                service.network.append(NetworkLine(verb, line, span, record, tuple(servers)))
        if len(written) > MOST_NETWORK_LINES:
            message = f"`{service.name}` has {len(written)} lines for the network"
            help = f"there is room for {MOST_NETWORK_LINES}: a line can name a network, and a range of ports"
            findings.error("NK2119", message, document.key("service", service.name, "network"), help)
    for name, known in clients.items():
        service = machine.services[name]
        if len(known) > MOST_NETWORK_CLIENTS:
            message, help = f"`{name}` has {len(known)} clients", f"it has room for {MOST_NETWORK_CLIENTS}"
            findings.error("NK2119", message, service.span, help)
        give(service, SETTING, grants_of(machine, service))
        fits(service, findings)
        names = " ".join(f"{numbers[each]:02x}{each}" for each in sorted(known, key=numbers.__getitem__))
        if length_of(service) + len(names) <= MAXIMUM_TEXT:
            # They are for what the service says; what may be done comes first.
            give(service, NAMES, names)


def grants_of(machine: Machine, server: Service, denied: Collection[tuple[str, str]] = ()) -> str:
    """The lines of all its clients, but for those that are denied, as the service reads them."""
    return "".join(
        line.record
        for service in machine.services.values()
        for line in service.network
        if server.name in line.servers and (service.name, line.name) not in denied
    )


def give(server: Service, name: str, text: str) -> None:
    """Let the service have it as that setting, if it has one."""
    for place, setting in enumerate(server.settings):
        if setting.need.name == name:
            server.settings[place] = replace(setting, value=text.encode())


def fits(server: Service, findings: Findings) -> None:
    """Is there room for what it was given?"""
    length = length_of(server)
    if length > MAXIMUM_TEXT:
        message = f"what clients of `{server.name}` may do on the network has {length:,} bytes"
        help = f"there is room for {MAXIMUM_TEXT:,}, some 90 lines: a line can name a network, and more ports"
        findings.error("NK2119", message, server.span, help)


def length_of(server: Service) -> int:
    """Bytes of its settings that are texts."""
    return sum(len(each.value) for each in server.settings if isinstance(each.value, bytes))
