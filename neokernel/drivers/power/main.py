"""Power and reset: the driver of the board's switch as a process, which serves `PowerControl`.

It comes last: init ends all other services for it, in order, and then it uses the switch. If that does nothing, the
kernel switches the machine off.
"""

from __future__ import annotations

from neokernel.drivers.process import REGISTERS
from neokernel.drivers.sifive_test import Finisher, Registers
from neokernel.interfaces.power import PowerControl, Unable
from neokernel.interfaces.system import Refused, Shutdown
from neokernel.lang import Provides, Uses, object_at, provides, slot_of, struct, text_of, u64, unsafe, uses
from neokernel.runtime import system
from neokernel.runtime.must import must
from neokernel.runtime.objects import Console, Device, Power
from neokernel.runtime.process import Process
from neokernel.runtime.space import map_device
from neokernel.runtime.system import Failure

unsafe("the registers are where this process maps them")

device: Uses[Device] = uses()
services: Uses[Shutdown] = uses()
console: Uses[Console] = uses()
switch: Uses[Power] = uses()
power: Provides[PowerControl] = provides()

#: the machine's status when the board's switch has done nothing
NO_SWITCH: u64 = 1
#: milliseconds that it has: where the machine is emulated, on a busy host, the switch takes its time
PATIENCE: u64 = 3_000


@struct
class Switch:
    process: Process
    finisher: Finisher

    def power_off(self, reason: bytes) -> Unable | None:
        unable = self.end_services(reason)
        if unable is None:
            self.process.console.write(f"power: the machine is switched off: {text_of(reason)}\n")
            self.finisher.power_off()
            self.has_failed(0)
        return unable

    def reboot(self, reason: bytes) -> Unable | None:
        unable = self.end_services(reason)
        if unable is None:
            self.process.console.write(f"power: the machine starts again: {text_of(reason)}\n")
            self.finisher.reset()
            self.has_failed(NO_SWITCH)
        return unable

    def end_services(self, reason: bytes) -> Unable | None:
        if not is_text(reason):
            return Unable.REASON
        failure = services.end_others()
        if isinstance(failure, Refused):
            return Unable.SERVICES
        assert not isinstance(failure, Failure), "init can't be asked"
        return None

    def has_failed(self, status: u64) -> None:
        """The device did nothing: the kernel ends the machine."""
        end = system.now() + PATIENCE * self.process.frequency // 1000
        while system.now() < end:
            pass
        self.process.console.write("power: the board's switch does nothing: the kernel switches off\n")
        assert system.power_off(slot_of(switch), status) is None, "nothing switches the machine off"


def is_text(reason: bytes) -> bool:
    """What is shown stays on its line, and looks like nothing else."""
    for byte in reason:
        if byte < 0x20 or byte > 0x7E:
            return False
    return len(reason) != 0


def main(process: Process) -> None:
    must(map_device(process, device.slot, REGISTERS))
    handler = Switch(process=process, finisher=Finisher(registers=object_at(Registers, REGISTERS)))
    process.ready()
    failure = power.serve(process, handler)
    process.exit(u64(failure.status.value))
