"""From a machine to the description that init reads: each service with its grants and settings, in declared order."""

from __future__ import annotations

from pathlib import Path

from neokernel.abi import description as layout
from neokernel.abi.description import GrantKind, RestartPolicy
from neokernel.abi.kinds import PAGE_SIZE
from neokernel.abi.rights import GRANT, SEND
from neokernel.image import description
from neokernel.image.systemfile import sockets
from neokernel.image.systemfile.machine import Grant, Kind, Machine, NetworkLine, Service, Setting
from neokernel.image.systemfile.model import Escalation, Policy
from neokernel.image.systemfile.needs import Need, Role

POLICIES = {
    Policy.NEVER: RestartPolicy.NEVER,
    Policy.ON_FAILURE: RestartPolicy.ON_FAILURE,
    Policy.ALWAYS: RestartPolicy.ALWAYS,
}
ESCALATIONS = {
    Escalation.GIVE_UP: layout.Escalation.GIVE_UP,
    Escalation.RESTART_DEPENDANTS: layout.Escalation.RESTART_DEPENDANTS,
    Escalation.HALT: layout.Escalation.HALT,
}
SPECIAL = {
    "kernel.console": GrantKind.CONSOLE,
    "kernel.power": GrantKind.POWER,
    "kernel.processor": GrantKind.PROCESSOR,
    "kernel.trace": GrantKind.TRACE,
    "init.system": GrantKind.SYSTEM,
    "init.watch": GrantKind.SYSTEM,
    "init.shutdown": GrantKind.SYSTEM,
}
#: which of init's interfaces
INIT_PLACES = {
    "init.system": layout.INIT_SYSTEM,
    "init.watch": layout.INIT_WATCH,
    "init.shutdown": layout.INIT_SHUTDOWN,
}
#: pages of records of the kernel's event ring
TRACE_PAGES = 16

Denied = tuple[str, str]


def describe(machine: Machine, denied: frozenset[Denied] = frozenset()) -> description.System:
    """The description of a machine without errors. `denied`: grants, by service and name, that aren't given."""
    services = tuple(described(machine, service, denied) for service in machine.starting_order())
    return description.System(machine.name, machine.board.board.name, services)


def programs(machine: Machine) -> dict[str, Path]:
    """The programs' files, by their names in the image."""
    return {service.program.name: service.program.main for service in machine.services.values()}


def described(machine: Machine, service: Service, denied: frozenset[Denied]) -> description.Service:
    grants = {grant.name: grant for grant in service.grants}
    declared = [need for need in service.program.needs if need.role is not Role.SETTING]
    return description.Service(
        name=service.name,
        program=service.program.name,
        grants=tuple(
            description.Has(need.name, GrantKind.NONE, size=need.lend)
            if (service.name, need.name) in denied
            else given(service, need, grants.get(need.name))
            for need in declared
        ),
        settings=tuple((each.need.name, value_of(machine, service, each, denied)) for each in service.settings),
        memory=service.memory.value,
        capabilities=service.capabilities.value,
        priority=service.priority.value,
        budget=service.budget.value,
        period=service.period.value,
        passive=service.passive.value,
        restart=description.Restart(
            POLICIES[service.policy.value],
            service.backoff.value,
            service.longest_backoff.value,
            service.limit.value,
            service.window.value,
            ESCALATIONS[service.escalation.value],
        ),
        state=service.preserve.value,
        heartbeat=service.heartbeat.value,
    )


def value_of(machine: Machine, service: Service, setting: Setting, denied: frozenset[Denied]) -> int | bytes:
    """Of a setting that has what clients may do on a network, without what is denied."""
    if setting.need.name == sockets.SETTING and any(service.name in line.servers for line in lines_of(machine)):
        return sockets.grants_of(machine, service, denied).encode()
    return setting.value


def lines_of(machine: Machine) -> list[NetworkLine]:
    return [line for service in machine.services.values() for line in service.network]


def given(service: Service, need: Need, grant: Grant | None) -> description.Grant:
    """What a declaration becomes. Of what is provided there is no grant: init makes it."""
    if grant is None and need.role is Role.USES:
        return description.Has(need.name, GrantKind.NONE)
    if grant is None:
        return description.Provides(need.name, need.version)
    match grant.kind:
        case Kind.ENDPOINT:
            # Calls that carry no capabilities need no right to.
            rights = int(SEND | GRANT) if need.grants else int(SEND)
            return description.Uses(need.name, grant.peer, grant.provided, need.version, rights, need.lend)
        case Kind.DEVICE:
            return description.Has(need.name, GrantKind.DEVICE, grant.number)
        case Kind.INTERRUPT:
            return description.Has(need.name, GrantKind.INTERRUPT, grant.number)
        case Kind.DMA:
            return description.Has(need.name, GrantKind.DMA, size=grant.number // PAGE_SIZE)
        case Kind.POOL:
            return description.Has(need.name, GrantKind.MEMORY, size=grant.number)
        case Kind.SPECIAL:
            kind = SPECIAL[grant.target]
            # Nobody gives out more urgent time than is its own.
            highest = max(service.priority.value, 1) if kind is GrantKind.PROCESSOR else 0
            target = INIT_PLACES.get(grant.target, highest)
            return description.Has(need.name, kind, target, TRACE_PAGES if kind is GrantKind.TRACE else 0)
