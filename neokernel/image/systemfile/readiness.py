"""Services that never say that they are ready, though what the file says of them waits for it.

`process.ready()` ends the time of its own that a passive service has to begin with, and is what init waits for when a
new version of a service has been handed the old one's state: one that never says it is taken for one that can't.
Whether a program says it is known once it is compiled: it may do so in anything that it calls.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from neokernel.image.systemfile.document import Findings
from neokernel.image.systemfile.machine import Kind, Machine, Service
from neokernel.image.systemfile.needs import shown


def check(machine: Machine, says: Mapping[Path, bool], findings: Findings) -> None:
    """`says`: of each program, by the file of its `main`, whether it says on any path that it is ready."""
    for service in machine.services.values():
        if says[service.program.main]:
            continue
        help = f"call `process.ready()` in {shown(service.program.main)}, right before it serves"
        if service.passive.value:
            message = f"`{service.name}` is passive, and never calls `process.ready()`: it keeps time of its own"
            findings.warning("NK2211", message, service.passive.span, help)
        elif is_handed_over(service):
            message = (
                f"`{service.name}` has state to hand over, and never calls `process.ready()`: "
                "no version of it can replace another"
            )
            findings.warning("NK2211", message, service.preserve.span, help)


def is_handed_over(service: Service) -> bool:
    """Can another version take its state over while it is called? Not if a device reaches its memory."""
    reached = any(grant.kind is Kind.DMA for grant in service.grants)
    return service.preserve.value != 0 and bool(service.program.provided()) and not reached
