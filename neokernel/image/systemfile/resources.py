"""What is wrong with quotas: of memory and capabilities, and with what happens when a service ends."""

from __future__ import annotations

from collections.abc import Iterable

from neokernel import lang
from neokernel.abi.description import (
    LEAST_CAPABILITIES,
    MAXIMUM_GRANTS,
    MAXIMUM_SERVICES,
    MAXIMUM_SETTINGS,
    MOST_LENT_IN_PAGES,
    MOST_SLOTS,
    MOST_STATE,
    slots_needed,
)
from neokernel.abi.kinds import LARGE_SIZE, PAGE_SIZE
from neokernel.image.archive import Part
from neokernel.image.resident import least_memory, regions
from neokernel.image.systemfile.document import Findings
from neokernel.image.systemfile.machine import Kind, Machine, Placed, Service
from neokernel.image.systemfile.matching import MOST_PINNED
from neokernel.image.systemfile.model import Escalation, Policy
from neokernel.image.systemfile.units import show_size, show_time
from neokernel.runtime.dma import MOST_FRAMES
from neokernel.runtime.lend import frames_of

#: what a capability takes (`Slot` in the kernel's objects.py)
SLOT_SIZE = 64
#: what a program's data rarely exceeds, in bytes
TIGHT = 16 << 10
#: microseconds between a service's restarts, on average over many: each takes init some 90,000 instructions
LEAST_BETWEEN = 1000


def check(machine: Machine, findings: Findings) -> None:
    names = list(machine.services)
    if len(names) > MAXIMUM_SERVICES:
        place = machine.services[names[MAXIMUM_SERVICES]].span
        message = f"{machine.name} has {len(names)} services"
        findings.error("NK2204", message, place, f"a system has at most {MAXIMUM_SERVICES}")
    if not names:
        findings.error("NK2207", f"{machine.name} has no services", machine.span, "write `[service.NAME]` for one")
    slots(machine, findings)
    for service in machine.services.values():
        quotas(machine, service, findings)
        restarts(machine, service, findings)
    memory(machine, findings)


def slots(machine: Machine, findings: Findings) -> None:
    """Has init's own table room for everything?"""
    services = list(machine.services.values())
    declared = [len(service.program.provided()) + len(service.program.used()) for service in services]
    if len(services) > MAXIMUM_SERVICES or max(declared, default=0) > MAXIMUM_GRANTS:
        return  # which is told, too
    needed = int(slots_needed(lang.u64(len(services)), lang.u64(sum(declared))))
    if needed > MOST_SLOTS:
        place = services[declared.index(max(declared))].span
        message = f"{machine.name} has {len(services)} services with {sum(declared)} declared capabilities together"
        findings.error("NK2204", message, place, f"that is {needed:,} slots for init, and {MOST_SLOTS:,} can be")


def quotas(machine: Machine, service: Service, findings: Findings) -> None:
    """Is what it has enough for what it must have?"""
    for placed, name in ((service.memory, "memory"), (service.preserve, "preserve")):
        if placed.value % PAGE_SIZE:
            message = f"`{name}` of `{service.name}` is {show_size(placed.value)}"
            findings.error("NK2006", message, placed.span, f"it is a multiple of {show_size(PAGE_SIZE)}")
    if service.preserve.value > MOST_STATE:
        message = f"`preserve` of `{service.name}` is {show_size(service.preserve.value)}"
        findings.error("NK2006", message, service.preserve.span, f"it is at most {show_size(MOST_STATE)}")
    declared = len(service.program.provided()) + len(service.program.used())
    settings = len(service.program.settings())
    for count, most, what in ((declared, MAXIMUM_GRANTS, "capabilities"), (settings, MAXIMUM_SETTINGS, "settings")):
        if count > most:
            message = f"`{service.program.name}` declares {count} {what}"
            findings.error("NK2204", message, service.span, f"a program declares at most {most}")
    pinned = pinned_frames(machine, service, findings)
    slots = LEAST_CAPABILITIES + declared + pinned
    for grant in service.grants:
        own = grant.number // PAGE_SIZE
        if grant.kind is Kind.DMA and own + pinned > MOST_PINNED:
            message = f"`dma.{grant.name}` is {grant.target}, {own:,} frames, and clients lend {pinned:,} frames more"
            findings.error("NK2006", message, grant.span, f"together at most {MOST_PINNED:,}")
    if service.capabilities.value < slots:
        message = (
            f"`{service.name}` has {service.capabilities.value} slots for capabilities, and needs {slots} to begin with"
        )
        help = f"write `capabilities = {-(-slots // 32) * 32}` or more: what it makes needs slots, too"
        findings.error("NK2202", message, service.capabilities.span, help)
    if service.preserve.value <= MOST_STATE:
        enough_memory(machine, service, findings)


def enough_memory(machine: Machine, service: Service, findings: Findings, parts: Iterable[Part] | None = None) -> None:
    """Can init make it? `parts`: the segments of its program, if that is built already."""
    least = least_memory(machine, service) if parts is None else least_memory(machine, service, parts)
    if service.memory.value >= least:
        return
    has, table = show_size(service.memory.value), service.capabilities.value * SLOT_SIZE
    message = f"`{service.name}` has {has} of memory, and needs {show_size(least)} to begin with"
    reached = service.preserve.value + sum(size for _, size in regions(machine, service))
    mapped = f"; page tables reach the {show_size(reached)} that it preserves or shares" if reached else ""
    rest = "the program has data, too" if parts is None else "what it makes comes on top"
    help = f'write `memory = "{show_size(least)}"` or more: '
    help += f"{show_size(table)} of that are for {service.capabilities.value} capabilities{mapped}; {rest}"
    findings.error("NK2203", message, service.memory.span, help)


def tight(machine: Machine, service: Service) -> bool:
    """Does it depend on its program's size whether init can make it?"""
    return service.memory.value < least_memory(machine, service) + TIGHT


def memory(machine: Machine, findings: Findings) -> None:
    """Is there as much as was given away?"""
    parts = {service.name: total(service) for service in machine.services.values()}
    asked = sum(parts.values()) + machine.reserve.value
    if asked <= machine.memory:
        return
    largest = max(parts, key=lambda name: parts[name], default="")
    place = machine.services[largest].memory.span if largest else machine.reserve.span
    if machine.reserve.value > parts.get(largest, 0):
        place = machine.reserve.span
    shares = sorted(parts.items(), key=lambda part: (-part[1], part[0]))[:5]
    said = ", ".join(f"{name} {show_size(size)}" for name, size in shares)
    over = show_size(asked - machine.memory)
    message = (
        f"{show_size(asked)} of memory are given away, and {machine.board.board.name} has {show_size(machine.memory)}"
    )
    help = f"{over} too much; {f'the most have: {said}; ' if said else ''}reserved: {show_size(machine.reserve.value)}"
    findings.error("NK2201", message, place, help)


def total(service: Service) -> int:
    """All memory that a service takes."""
    pools = sum(grant.number for grant in service.grants if grant.kind is Kind.POOL)
    return service.memory.value + service.preserve.value + pools + lent(service)


def lent(service: Service) -> int:
    """What it lends to others: init makes that memory, since it outlives both sides."""
    # A large frame begins where it can, so there may be as much in front of each region.
    granted = [grant.need.lend for grant in service.peers()]
    return sum(lend + (LARGE_SIZE if lend > MOST_LENT_IN_PAGES else 0) for lend in granted)


def pinned_frames(machine: Machine, service: Service, findings: Findings) -> int:
    """How many frames it is lent that its device reaches: each takes a slot. More than can be are found."""
    if not any(grant.kind is Kind.DMA for grant in service.grants):
        return 0
    frames = 0
    for client, grant in machine.clients(service.name):
        before = frames
        frames += int(frames_of(lang.u64(-(-grant.need.lend // PAGE_SIZE))))
        if before <= MOST_FRAMES < frames:
            message = f"with what `{client.name}` lends it, `{service.name}` is lent {frames:,} frames for its device"
            help = (
                f"at most {MOST_FRAMES:,} can be: they are "
                f"{show_size(PAGE_SIZE)} each in regions of up to {show_size(MOST_LENT_IN_PAGES)}, "
                f"{show_size(LARGE_SIZE)} in larger ones"
            )
            findings.error("NK2006", message, grant.span, help, (grant.need.span, "declared here"))
    return frames


def restarts(machine: Machine, service: Service, findings: Findings) -> None:
    """Does what is said about restarts mean anything?"""
    if service.policy.value is Policy.NEVER and service.policy.given:
        others: dict[str, Placed[int] | Placed[Escalation]] = {
            "backoff": service.backoff,
            "limit": service.limit,
            "window": service.window,
            "escalate": service.escalation,
        }
        for name, placed in others.items():
            # A manifest may say how, where the system file says that it is never done.
            if placed.given and placed.span.file == service.policy.span.file:
                message = f"`{name}` means nothing where `policy` is never: `{service.name}` isn't started again"
                findings.error("NK2205", message, placed.span, "take one of the two out")
        return
    if service.backoff.value > service.longest_backoff.value:
        message = f"`backoff` of `{service.name}` is longer than its `longest_backoff`"
        findings.error(
            "NK2205", message, service.backoff.span, f"that is {microseconds(service.longest_backoff.value)}"
        )
    elif service.escalation.given or service.limit.given:
        never_too_many(service, findings)
    without_end(service, findings)
    if service.escalation.value is Escalation.RESTART_DEPENDANTS and not any(machine.clients(service.name)):
        message = f"nobody uses `{service.name}`: there are no dependants to restart"
        findings.warning("NK2206", message, service.escalation.span, "`give-up` or `halt`")


def without_end(service: Service, findings: Findings) -> None:
    """A service that ends at once, again and again, mustn't take the machine's time by being restarted."""
    count, waited, wait = 0, 0, service.backoff.value
    while count < service.limit.value and waited <= service.window.value:
        count, waited, wait = count + 1, waited + wait, min(wait * 2, service.longest_backoff.value)
    # No sooner does it all begin anew.
    time = max(waited, service.window.value)
    if time >= count * LEAST_BETWEEN:
        return
    placed = service.backoff if service.backoff.given else service.window
    message = f"`{service.name}` can be restarted {count} times in {microseconds(time)}, again and again"
    least = microseconds(LEAST_BETWEEN * service.limit.value)
    help = f'write `backoff = "{microseconds(LEAST_BETWEEN)}"` or `window = "{least}"`, or more: no budget limits it'
    findings.error("NK2208", message, placed.span, help)


def never_too_many(service: Service, findings: Findings) -> None:
    """Back-off alone can keep restarts below the limit: then the escalation never comes."""
    waited, backoff = 0, service.backoff.value
    for _ in range(service.limit.value):
        waited += backoff
        backoff = min(backoff * 2, service.longest_backoff.value)
    if waited >= service.window.value:
        message = f"`{service.name}` can't be restarted more than {service.limit.value} times within its window"
        help = (
            f"the waits before {service.limit.value} restarts are {microseconds(waited)} together, the window is "
            f"{microseconds(service.window.value)}: `{service.escalation.value.value}` never comes"
        )
        placed = service.limit if service.limit.given else service.escalation
        findings.warning("NK2206", message, placed.span, help)


def microseconds(time: int) -> str:
    return show_time(time * 1000)
