"""All that can be said of a system before anything is compiled."""

from __future__ import annotations

from pathlib import Path

from neokernel.image.systemfile import authority, resources, slots, timing, unheard, unsaid
from neokernel.image.systemfile.document import Findings
from neokernel.image.systemfile.loading import load
from neokernel.image.systemfile.machine import Machine


def examine(path: Path, assumed: frozenset[str] = frozenset()) -> tuple[Machine | None, Findings]:
    """The machine that the system file describes, as far as it can be understood, and what is wrong with it.

    What the programs of the services `assumed` declare isn't looked at, but taken to be what the file says.
    """
    findings = Findings()
    machine = load(path, findings, assumed)
    if machine is not None and not missing(findings):
        for each in (authority, resources, timing, unheard, unsaid):
            each.check(machine, findings)
        slots.empty(machine, findings)
        slots.unheard(machine, findings)
    findings.items.sort(key=lambda item: (item.span.file, item.span.line, item.span.column, item.code))
    return machine, findings


def missing(findings: Findings) -> bool:
    """Is a part of the file not understood? What is said of the whole would be guessed then."""
    return any(item.code[:4] == "NK20" for item in findings.errors)
