"""Authority that a service has of another one's for a time.

init copies its own capability, and puts a copy of that copy into the table of who gets it: when init deletes its copy,
all that was derived from it is gone, wherever it went. A delegation ends when its time is over, when it is taken back,
when the process that has it ends for whatever reason, a replacement included, and when what was lent ends: the endpoint
of a service that is stopped, the DmaSpace of a driver. It goes on when the lender is started again or replaced.

Invariant: while `copy` isn't 0, it is a slot of init's table, with init's copy of what was lent, or nothing.
"""

from __future__ import annotations

from neokernel.abi.boot import OWN_TABLE
from neokernel.abi.call import NEVER
from neokernel.abi.description import GrantKind
from neokernel.abi.rights import ALL
from neokernel.abi.status import SECOND, Status
from neokernel.lang import text_of, u64
from neokernel.runtime import system
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure
from neokernel.services.init.build import authority, badge_of
from neokernel.services.init.state import Delegation, Init, after, grants_of, kind_of_grant


def free_delegation(init: Init) -> Delegation | None:
    for delegation in init.delegations:
        if delegation.copy == 0:
            return delegation
    return None


def hand_out(
    process: Process, init: Init, delegation: Delegation, grant: u64, to: u64, table: u64, slot: u64
) -> Failure | None:
    """Put what a grant gives into `slot` of the table of the service `to`, by a copy of init's own."""
    found = authority(process, init, grant, to)
    if found is None:
        return Failure(Status.NO_CAPABILITY, SECOND)
    if isinstance(found, Failure):
        return found
    copied = process.derive(found.source, found.rights, found.badge)
    if isinstance(copied, Failure):
        return copied
    failure = system.copy(process.buffer, table, slot, ALL, 0, copied)
    if failure is None:
        delegation.copy = copied
    else:
        _ = process.drop(copied)
    return failure


def revoke(process: Process, init: Init, delegation: Delegation) -> bool:
    """Nothing is left of it, wherever it went, nor of calls by it that wait. False: that can't be done now."""
    if process.drop(delegation.copy) is not None:
        return False
    delegation.copy = 0
    grant = granted(init, delegation)
    target = init.description.grant(grant).target
    if kind_of_grant(init, grant) is GrantKind.USES and not uses(init, delegation.to, target):
        # Nothing can be done about a server that has gone; its callers learn that.
        _ = system.cancel_senders(OWN_TABLE, init.objects[target], badge_of(init, target, delegation.to))
    return True


def granted(init: Init, delegation: Delegation) -> u64:
    """The grant that is delegated."""
    return grants_of(init, delegation.service).first + delegation.place


def uses(init: Init, service: u64, target: u64) -> bool:
    """May the service call the same, with the same badge, by a grant of its own or another delegation?"""
    own = grants_of(init, service)
    for grant in range(own.first, own.end):
        if is_use(init, grant, target):
            return True
    for delegation in init.delegations:
        if delegation.copy != 0 and delegation.to == service and is_use(init, granted(init, delegation), target):
            return True
    return False


def is_use(init: Init, grant: u64, target: u64) -> bool:
    return kind_of_grant(init, grant) is GrantKind.USES and init.description.grant(grant).target == target


def end_with(process: Process, init: Init, index: u64) -> None:
    """A unit is taken down: what it was lent ends, and what was lent of authority that has ended with it.

    Who gets what is decided for one process. The next one may be another version, or know nothing of it.
    """
    for delegation in init.delegations:
        if delegation.copy == 0:
            continue
        ended = delegation.to == index
        if not ended:
            info = system.inspect(OWN_TABLE, delegation.copy)
            ended = not isinstance(info, Failure) and info.kind == 0
        if ended:
            to, lender = init.name(delegation.to), init.name(delegation.service)
            name = init.description.text(init.description.grant(granted(init, delegation)).name)
            init.outbox.write(f"init: {text_of(to)} has {text_of(name)} of {text_of(lender)} no longer\n")
            if not revoke(process, init, delegation):
                delegation.due = system.now()


def do_due_delegations(process: Process, init: Init, now: u64) -> None:
    for delegation in init.delegations:
        if delegation.copy != 0 and delegation.due <= now and not revoke(process, init, delegation):
            delegation.due = after(now, process.frequency // 100)


def next_due_delegation(init: Init) -> u64:
    first: u64 = NEVER
    for delegation in init.delegations:
        if delegation.copy != 0:
            first = min(first, delegation.due)
    return first
