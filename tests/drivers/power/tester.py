"""Asks for the machine's end in all the wrong ways, and then in the right one, of a switch that doesn't work."""

from neokernel.interfaces.power import MOST_REASON, PowerControl, Unable
from neokernel.interfaces.system import Watch
from neokernel.lang import Array, Uses, array, u8, u64, uses, usize
from neokernel.runtime.must import must_get
from neokernel.runtime.objects import Console
from neokernel.runtime.process import Process

power: Uses[PowerControl] = uses()
watch: Uses[Watch] = uses()
console: Uses[Console] = uses()


#: the first and the last are looked at as all others are
PLACES: tuple[usize, ...] = (0, MOST_REASON - 1)


def main(process: Process) -> None:
    reason: Array[u8] = array(MOST_REASON, 0x61)
    asked: u64 = 0
    for byte in range(256):
        if byte < 0x20 or byte > 0x7E:
            for place in PLACES:
                reason[place] = u8(byte)
                assert power.power_off(reason.bytes()) is Unable.REASON
                assert power.reboot(reason.bytes()) is Unable.REASON
                reason[place] = 0x61
                asked += 2
    assert power.power_off(b"") is Unable.REASON and power.reboot(b"") is Unable.REASON
    found = must_get(watch.resources())
    assert found.running == 2, "what is refused ends nobody"
    process.console.write(f"refused {asked + 2} times\n")
    process.console.write("the machine is to start again\n")
    _ = power.reboot(reason.bytes())
    process.console.write("who asks doesn't outlive it\n")
