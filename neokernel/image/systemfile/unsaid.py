"""What a service provides only if a setting of its has a value: who uses it without that would be refused when it runs.

The program's manifest says so: `requires.model2 = "name2"`.
"""

from __future__ import annotations

from neokernel.image.systemfile.document import Findings
from neokernel.image.systemfile.machine import Machine


def check(machine: Machine, findings: Findings) -> None:
    for service in machine.services.values():
        for grant in service.peers():
            peer = machine.services.get(grant.peer)
            if peer is None or peer.name in machine.assumed:
                continue
            name = peer.requires.get(grant.provided)
            if name is None or any(setting.need.name == name and setting.value for setting in peer.settings):
                continue
            line = machine.document.entries(("service", peer.name, "config"), name, ['"…"'])
            message = f"`{service.name}` uses `{peer.name}.{grant.provided}`, and `{peer.name}` has no `{name}`"
            findings.error("NK2120", message, grant.span, f"write {line}: without it nothing is provided there")
