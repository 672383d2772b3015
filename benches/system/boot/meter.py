"""The least urgent service of a system: when it runs, all others wait, so the system has started.

The one that is told to says how many instructions that took, and ends the machine; others wait for good.
Reports are those of `benches/kernel`.
"""

from __future__ import annotations

from neokernel.abi.kinds import Kind
from neokernel.interfaces.system import Watch
from neokernel.lang import Setting, Uses, setting, uses
from neokernel.runtime import system
from neokernel.runtime.must import must, must_get
from neokernel.runtime.objects import Console, Power
from neokernel.runtime.process import Process

init: Uses[Watch] = uses()
console: Uses[Console] = uses()
power: Uses[Power] = uses()
reports: Setting[bool] = setting(False)


def main(process: Process) -> None:
    now = system.instructions()
    if not reports.get(process):
        _ = system.wait(must_get(process.make(Kind.NOTIFICATION)))
        return
    begun = must_get(init.beginning())
    process.console.write(f"\n= started {begun.kernel + now - begun.instructions}\n")
    process.console.write(f"= before {begun.instructions - begun.kernel}\n")
    must(system.power_off(power.slot, 0))
