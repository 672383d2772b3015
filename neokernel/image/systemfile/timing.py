"""What is wrong with processor time: budgets, whether all of them can be had together, and who waits behind whom.

Reserved time (`budget` in each `period`) is a promise: it holds if on each hart the shares sum up to at most one, and
each budget can be used up within its period although all that is as urgent or more runs before it (response-time
analysis; Joseph and Pandya 1986, for sporadic servers: Sprunt, Sha and Lehoczky 1989). Services without a reservation
take what is left, so none may be as urgent as one that has a promise. Nor may who holds `kernel.processor`: it gives
any thread of its own a budget as large as the period, at its own priority.
"""

from __future__ import annotations

from fractions import Fraction
from math import ceil

from neokernel.image.systemfile.document import Findings
from neokernel.image.systemfile.machine import Kind, Machine, Service
from neokernel.image.systemfile.resources import microseconds

#: ticks, as the kernel has them (`SHORTEST_BUDGET` in processor.py)
SHORTEST_BUDGET = 100
#: a set for which so many steps don't decide is told to be none that fits
STEPS = 10_000


def check(machine: Machine, findings: Findings) -> None:
    sound = [service for service in machine.services.values() if contexts(machine, service, findings)]
    for hart in range(machine.board.board.harts):
        here = [service for service in sound if service.hart.value == hart]
        if shares(machine, hart, here, findings):
            for service in here:
                if service.is_reserved:
                    promise(service, here, findings)
    for service in machine.services.values():
        if 0 < service.hart.value < machine.board.board.harts:
            message = f"`{service.name}` is to run on hart {service.hart.value}, and the kernel uses one hart so far"
            findings.error("NK2306", message, service.hart.span, "leave `hart` out")
        inversion(machine, service, findings)
        idle(machine, service, findings)


def contexts(machine: Machine, service: Service, findings: Findings) -> bool:
    """Can the kernel make its SchedContext?"""
    name, budget, period = service.name, service.budget, service.period
    if service.hart.value >= machine.board.board.harts:
        count = machine.board.board.harts
        message = f"`{name}` is to run on hart {service.hart.value}"
        help = (
            f"{machine.board.board.name} has {count}, counted from 0" if count > 1 else "the board has one: `hart = 0`"
        )
        findings.error("NK2306", message, service.hart.span, help)
        return False
    if budget.given != period.given:
        has, lacks = ("budget", "period") if budget.given else ("period", "budget")
        place = (budget if budget.given else period).span
        findings.error("NK2301", f"`{name}` has a `{has}` and no `{lacks}`", place, "give both, or neither of them")
        return False
    if not period.given:
        return True
    shortest = ceil(Fraction(SHORTEST_BUDGET * 1_000_000, machine.board.board.frequency))
    for placed, what in ((budget, "budget"), (period, "period")):
        if placed.value < shortest:
            message = f"the `{what}` of `{name}` is {microseconds(placed.value)}"
            findings.error("NK2301", message, placed.span, f"it is at least {microseconds(shortest)}")
            return False
    if budget.value > period.value:
        message = f"the `budget` of `{name}` is longer than its `period`, which is {microseconds(period.value)}"
        findings.error("NK2301", message, budget.span, "the budget is what it may use in each period")
        return False
    if 0 < service.heartbeat.value <= 2 * (period.value - budget.value):
        message = f"`{name}` can be without time for {microseconds(2 * (period.value - budget.value))}"
        help = f"its `heartbeat` must be longer than that, and is {microseconds(service.heartbeat.value)}"
        findings.error("NK2307", message, service.heartbeat.span, help)
    return True


def share(service: Service) -> Fraction:
    return Fraction(service.budget.value, service.period.value)


def percent(part: Fraction) -> str:
    return f"{float(part) * 100:.1f} %"


def promised(machine: Machine) -> list[Fraction]:
    """How much of each hart's time is promised."""
    harts = range(machine.board.board.harts)
    reserved = [service for service in machine.services.values() if service.is_reserved]
    return [sum((share(service) for service in reserved if service.hart.value == hart), Fraction(0)) for hart in harts]


def shares(machine: Machine, hart: int, services: list[Service], findings: Findings) -> bool:
    """Do the shares of a hart's time sum up to one at most?"""
    reserved = sorted((service for service in services if service.is_reserved), key=share, reverse=True)
    total = sum(map(share, reserved), Fraction(0))
    if total <= 1:
        return True
    which = f" of hart {hart}" if machine.board.board.harts > 1 else ""
    said = ", ".join(f"{service.name} {percent(share(service))}" for service in reserved[:6])
    message = f"{percent(total)} of the processor's time{which} is promised"
    findings.error("NK2302", message, reserved[0].budget.span, f"{said}{', …' if len(reserved) > 6 else ''}")
    return False


def promise(service: Service, services: list[Service], findings: Findings) -> None:
    """Can it use up its budget in each period, whatever the others do?"""
    before = [
        other
        for other in services
        if other is not service
        and (not other.passive.value or makes_budgets(other))
        and most_urgent(other) >= service.priority.value
    ]
    greedy = [other for other in before if makes_budgets(other) or not other.is_reserved]
    if greedy:
        other = greedy[0]
        how = "more urgent than" if most_urgent(other) > service.priority.value else "as urgent as"
        if makes_budgets(other):
            why, instead = "which holds `kernel.processor` and so makes its own budgets", "a lower priority"
        else:
            why, instead = "without a budget", "a budget and a period, or a lower priority"
        message = f"`{service.name}` is promised time, and `{other.name}`, {why}, is {how} it"
        help = (
            f"give `{other.name}` {instead}: it has {other.priority.value}, "
            f"`{service.name}` has {service.priority.value}"
        )
        notes = [(other.span, f"`{other.name}` is here")]
        findings.error("NK2303", message, service.budget.span, help, *notes)
        return
    found = response(service, before)
    if found is not None and found <= service.period.value:
        return
    said = ", ".join(
        f"{each.name} {microseconds(each.budget.value)} of {microseconds(each.period.value)}" for each in before
    )
    after = f"{microseconds(found)}" if found is not None else "more than its period"
    message = f"`{service.name}` can't be sure of its budget within its period of {microseconds(service.period.value)}"
    help = f"with what is as urgent or more, it takes {after}: {said}"
    findings.error("NK2303", message, service.budget.span, help)


def makes_budgets(service: Service) -> bool:
    """Can it give its threads processor time beyond what the system file says?"""
    return any(grant.kind is Kind.SPECIAL and grant.target == "kernel.processor" for grant in service.grants)


def most_urgent(service: Service) -> int:
    """The priority that its threads can have; of who makes budgets at least 1, as the right to none isn't given."""
    return max(service.priority.value, 1) if makes_budgets(service) else service.priority.value


def response(service: Service, before: list[Service]) -> int | None:
    """The longest that it takes to use up the budget; None if that isn't within a period, or can't be decided."""
    used = sum(map(share, before), Fraction(0))
    if used >= 1:
        return None
    # Below the least solution, so that it is found.
    time = ceil(Fraction(service.budget.value) / (1 - used))
    highest = (service.budget.value + sum(other.budget.value for other in before)) / (1 - used)
    if highest <= service.period.value:
        return int(highest)
    for _ in range(STEPS):
        following = service.budget.value + sum(
            ceil(Fraction(time, other.period.value)) * other.budget.value for other in before
        )
        if following <= time:
            return time
        time = following
        if time > 64 * service.period.value:
            return None
    return None


def inversion(machine: Machine, service: Service, findings: Findings) -> None:
    """A server less urgent than a client: while it serves somebody else, that client waits behind all in between."""
    clients = sorted(machine.clients(service.name), key=lambda each: (-each[0].priority.value, each[0].name))
    if not clients or clients[0][0].priority.value <= service.priority.value:
        return
    client, grant = clients[0]
    others = [other for other, _ in clients if other.priority.value < client.priority.value]
    help = f"a server is as urgent as its most urgent client: `cpu.priority = {client.priority.value}`, or leave it out"
    who = f"`{client.name}` (priority {client.priority.value}) waits for `{service.name}` ({service.priority.value})"
    note = (grant.span, "it is called here")
    if others:
        last = min(others, key=lambda other: (other.priority.value, other.name))
        message = f"{who}, which may be serving `{last.name}` ({last.priority.value}) then, behind all in between"
        findings.error("NK2304", message, service.priority.span, help, note)
        return
    between = range(service.priority.value, client.priority.value)
    if any(each.priority.value in between for each in machine.services.values() if each is not service):
        message = f"{who}, which may be busy with work of its own then, behind all in between"
        findings.warning("NK2305", message, service.priority.span, help, note)


def idle(machine: Machine, service: Service, findings: Findings) -> None:
    """Who runs on its clients' time needs clients."""
    if service.passive.value and not any(machine.clients(service.name)):
        message = f"`{service.name}` is passive, and nobody calls it: it never runs once it is ready"
        findings.error("NK2308", message, service.passive.span, "leave `passive` out, or let somebody use it")
