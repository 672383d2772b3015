"""Uses the drivers of a console, of a clock and of the machine's switch while another service kills them.

The clock's time never runs backwards, whichever life of its driver tells it. What is written to the console is numbered
lines: the host looks at what comes out. The switch is asked for what it refuses.
"""

from __future__ import annotations

from killing import Killing
from living import resources, starts

from neokernel.interfaces.clock import Clock
from neokernel.interfaces.console import Console as Terminal
from neokernel.interfaces.power import PowerControl, Unable
from neokernel.interfaces.system import Watch
from neokernel.lang import Array, Setting, Uses, array, setting, slot_of, struct, u8, u32, u64, uses, usize
from neokernel.runtime import system
from neokernel.runtime.must import must, must_get
from neokernel.runtime.objects import Console, Power
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure

terminal: Uses[Terminal] = uses()
clock: Uses[Clock] = uses()
switch: Uses[PowerControl] = uses()
init: Uses[Watch] = uses()
console: Uses[Console] = uses()
killing: Uses[Killing] = uses()
power: Uses[Power] = uses()
#: how often each driver is killed, as the killer has it
kills: Setting[u32] = setting(6)

#: the driver that is killed last, among the services
LAST_DRIVER: u64 = 2
#: of a line: `<`, its number in DIGITS digits, `>`, and its end
DIGITS = 8
LINE = DIGITS + 3


@struct
class User:
    #: the time that was told last
    time: u64 = 0
    #: lines that were begun, and bytes of the last one that were taken
    lines: u64 = 0
    taken: usize = LINE
    line: Array[u8] = array(LINE)
    asked: u64 = 0
    lost: u64 = 0

    def look(self) -> None:
        """At the clock."""
        found = clock.now()
        if isinstance(found, Failure):
            self.lost += 1
            return
        assert found >= self.time, "time runs backwards"
        self.time = found

    def write(self) -> None:
        """The rest of the line, or the next one. One that was lost in part is begun anew."""
        if self.taken == LINE:
            self.lines += 1
            self.begin()
        count = terminal.write(self.line[self.taken :].bytes())
        if isinstance(count, Failure):
            self.lost += 1
            self.taken = 0
        else:
            self.taken += count

    def begin(self) -> None:
        rest = self.lines
        self.line[0], self.line[LINE - 2], self.line[LINE - 1] = 0x3C, 0x3E, 0x0A
        for place in range(usize(DIGITS)):
            self.line[DIGITS - place] = 0x30 + u8(rest % 10)
            rest //= 10
        self.taken = 0

    def ask(self) -> None:
        """For what is refused: there is no reason."""
        refused = switch.power_off(b"")
        if isinstance(refused, Failure):
            self.lost += 1
            return
        assert refused is Unable.REASON, "nothing else is wrong"
        self.asked += 1


def main(process: Process) -> None:
    user = User()
    deaths = kills.get(process)
    held = resources(init)
    _ = must_get(killing.begin())
    while starts(init, LAST_DRIVER) <= u64(deaths):
        user.look()
        user.write()
        user.ask()
    left = resources(init)
    assert held.memory == left.memory and held.slots == left.slots, "init has less than before"
    process.console.write(f"\n{deaths} kills each, {user.lines} lines, {user.asked} refused, {user.lost} lost\n")
    must(system.power_off(slot_of(power), 0))
