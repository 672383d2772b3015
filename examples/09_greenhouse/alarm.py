"""Switches the machine off when it is too hot."""

from __future__ import annotations

from contracts import Silence, Weather

from neokernel.lang import Setting, Uses, i32, setting, slot_of, uses
from neokernel.runtime import system
from neokernel.runtime.must import must
from neokernel.runtime.objects import Console, Power
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure

weather: Uses[Weather] = uses()
console: Uses[Console] = uses()
power: Uses[Power] = uses()
limit: Setting[i32] = setting(500)


def main(process: Process) -> None:
    tenths: i32 = limit.get(process)
    found = weather.above(tenths, 100_000)
    while isinstance(found, Silence):
        found = weather.above(tenths, 100_000)
    assert not isinstance(found, Failure), "the station answers"
    process.console.write(f"above {tenths // 10}.{tenths % 10}: everything is switched off\n")
    must(system.power_off(slot_of(power), 0))
