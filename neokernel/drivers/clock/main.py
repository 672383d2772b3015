"""The time of day: a Goldfish clock's driver as a process, which serves `Clock`."""

from __future__ import annotations

from neokernel.drivers.goldfish_rtc import Registers, Rtc
from neokernel.drivers.process import REGISTERS
from neokernel.interfaces.clock import Clock
from neokernel.lang import Provides, Uses, object_at, provides, u64, unsafe, uses
from neokernel.runtime.must import must
from neokernel.runtime.objects import Device
from neokernel.runtime.process import Process
from neokernel.runtime.space import map_device

unsafe("the registers are where this process maps them")

device: Uses[Device] = uses()
clock: Provides[Clock] = provides()


def main(process: Process) -> None:
    must(map_device(process, device.slot, REGISTERS))
    rtc = Rtc(registers=object_at(Registers, REGISTERS))
    rtc.begin()
    process.ready()
    failure = clock.serve(process, rtc)
    process.exit(u64(failure.status.value))
