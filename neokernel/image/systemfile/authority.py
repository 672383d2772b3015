"""What is wrong with who may do what: circles of calls, hardware that two have, trust that isn't said."""

from __future__ import annotations

from neokernel.abi.kinds import PAGE_SIZE
from neokernel.image.systemfile.document import Findings
from neokernel.image.systemfile.machine import Grant, Kind, Machine, Service


def check(machine: Machine, findings: Findings) -> None:
    circles(machine, findings)
    shared(machine, findings)
    for service in machine.services.values():
        trust(machine, service, findings)
        lent_twice(service, findings)


def circles(machine: Machine, findings: Findings) -> None:
    """Services that call each other in a circle wait for each other for ever, sooner or later."""
    told: set[str] = set()
    for service in machine.services.values():
        circle = shortest_circle(machine, service)
        names = {grant.peer for grant in circle}
        if not circle or names & told:
            continue
        told |= names
        walk = " → ".join([service.name, *(grant.peer for grant in circle)])
        first, *others = circle
        notes = [(grant.span, f"and here: `{grant.target}`") for grant in others]
        help = "let one of them be told by a notification or a ring, or split it in two"
        findings.error("NK2111", f"calls go in a circle: {walk}", first.span, help, *notes)


def shortest_circle(machine: Machine, start: Service) -> list[Grant]:
    """The calls by which one comes back to where one began; none if one doesn't."""
    ways: list[tuple[Service, list[Grant]]] = [(start, [])]
    seen: set[str] = set()
    while ways:
        service, way = ways.pop(0)
        for grant in service.peers():
            if grant.peer == start.name:
                return [*way, grant]
            if grant.peer not in seen:
                seen.add(grant.peer)
                ways.append((machine.services[grant.peer], [*way, grant]))
    return []


def lent_twice(service: Service, findings: Findings) -> None:
    """A client has one region for each server, by which both know it."""
    first: dict[str, Grant] = {}
    for grant in service.peers():
        if not grant.need.lend:
            continue
        other = first.setdefault(grant.peer, grant)
        if other is not grant:
            message = f"`{service.name}` lends memory to `{grant.peer}` twice, as `{other.name}` and `{grant.name}`"
            help = "let another service provide one of them, or lend once and pass places in that region"
            findings.error(
                "NK2114", message, grant.span, help, (other.span, "the first"), (grant.need.span, "declared")
            )


#: what one does instead
ONE_OWNER = "a driver owns it, and others call the driver"


def shared(machine: Machine, findings: Findings) -> None:
    """Registers and interrupts have one owner: two would undo each other's work."""
    lines: dict[int, tuple[Service, Grant]] = {}
    pages: dict[int, tuple[Service, Grant]] = {}
    for service in machine.services.values():
        for grant in service.grants:
            if grant.kind is Kind.INTERRUPT:
                owner, first = lines.setdefault(grant.number, (service, grant))
                if first is not grant:
                    message = f"the interrupt of `{grant.device}` is granted twice"
                    findings.error("NK2109", message, grant.span, ONE_OWNER, (first.span, f"to `{owner.name}`, too"))
            elif grant.kind is Kind.DEVICE:
                for page in pages_of(machine, grant):
                    owner, first = pages.setdefault(page, (service, grant))
                    if first is grant:
                        continue
                    message, help = f"the device `{grant.device}` is granted twice", ONE_OWNER
                    if first.device != grant.device:
                        message = f"`{grant.device}` and `{first.device}` lie on one page, and are granted apart"
                        help = "memory is protected by pages of 4 KiB: one service has both, or has neither"
                    findings.error("NK2109", message, grant.span, help, (first.span, f"to `{owner.name}`, too"))
                    break


def pages_of(machine: Machine, grant: Grant) -> range:
    device = machine.device(grant.device)
    first, last = device.address // PAGE_SIZE, (device.address + device.size - 1) // PAGE_SIZE
    return range(first, last + 1)


def trust(machine: Machine, service: Service, findings: Findings) -> None:
    """Who can reach all memory, or have all that any service has, is said to be trusted, and nobody else is."""
    beyond = [*machine.unprotected(service), *machine.ruling(service)]
    if beyond and not service.trusted.value:
        grant = beyond[0]
        memory = "it can reach all memory, as this board has no IOMMU"
        what = {
            Kind.DEVICE: f"`{grant.device}`, which masters the bus: {memory}",
            Kind.DMA: f"DMA as `{grant.name}`: {memory}",
            Kind.SPECIAL: f"`{grant.target}`: it can end every service, and take all that any of them is granted",
        }[grant.kind]
        help = f"if it may, say so: `trusted = true` under [service.{service.name}]"
        findings.error("NK2110", f"`{service.name}` is granted {what}", grant.span, help)
    elif service.trusted.value and not beyond:
        message = f"`{service.name}` needn't be trusted: nothing that it is granted reaches beyond it"
        findings.error("NK2110", message, service.trusted.span, "take the line out")
