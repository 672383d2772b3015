"""What each thread was doing when a system's trace ended: why does it stand still?

The ring's latest records say it: a thread is in the call that the kernel switched away from, or at the fault that
nobody resumed it from, or it runs.
"""

from __future__ import annotations

from neokernel.abi.boot import OWN_THREAD
from neokernel.abi.call import FAULT_BIT, Call
from neokernel.abi.fault import Fault
from neokernel.abi.trace import Event
from neokernel.image.perfetto import IDLE, find_ends, member
from neokernel.image.ring import Ring, begins_stay

RUNNING = "runs"
READY = "ready, or out of time"
STOPPED = "has stopped itself"
#: the ring doesn't say whether a fault has a handler that isn't receiving
NOT_TOLD = ", and nobody has heard of it: there is no handler, or nobody receives there"


def activities(ring: Ring) -> dict[int, str]:
    """By thread, in the order in which they first ran: what it was doing at the end, as far as the ring goes back."""
    waits, _ = find_ends(ring.entries)
    found: dict[int, str] = {}
    running: dict[int, int] = {}
    for entry in ring.entries:
        if entry.event is Event.SWITCH or begins_stay(entry):
            running[entry.hart] = entry.thread
            found[entry.thread] = RUNNING
        if entry.event is Event.SYSCALL and entry.number in waits:
            own = member(Call, entry.a) == Call.CALL.name and entry.b == OWN_THREAD
            found[entry.thread] = STOPPED if own else f"in {member(Call, entry.a)} on capability {entry.b}"
        elif entry.event is Event.FAULT:
            kind = member(Fault, entry.a)
            where = "address" if kind == Fault.PAGE.name else "pc"
            found[entry.thread] = f"fault {kind} at {where} {entry.b:#x}{NOT_TOLD}"
        elif entry.event is Event.SEND and entry.b & FAULT_BIT and entry.thread in found:
            found[entry.thread] = found[entry.thread].removesuffix(NOT_TOLD)
    for thread, activity in found.items():
        if activity == RUNNING and thread not in running.values():
            found[thread] = READY
    found.pop(IDLE, None)
    return found
