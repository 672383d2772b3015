"""Does something when it gets warm."""

from __future__ import annotations

from contracts import Silence, Weather

from neokernel.lang import Setting, Uses, i32, setting, uses
from neokernel.runtime.objects import Console
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure

weather: Uses[Weather] = uses()
console: Uses[Console] = uses()
what: Setting[str] = setting("something")
limit: Setting[i32] = setting(200)

SECOND = 1_000_000


def main(process: Process) -> None:
    tenths: i32 = limit.get(process)
    found = weather.above(tenths, SECOND)
    while isinstance(found, Silence):
        found = weather.above(tenths, SECOND)
    assert not isinstance(found, Failure), "the station answers"
    process.console.write(f"above {tenths // 10}.{tenths % 10}: {what.get(process)}\n")
