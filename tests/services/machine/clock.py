"""A driver: the registers of a clock, its interrupt, and memory that a device may reach."""

from neokernel.abi.call import message
from neokernel.abi.description import FIRST_DECLARED
from neokernel.abi.kinds import Kind
from neokernel.lang import object_at, u32, u64, unsafe, wire
from neokernel.runtime import system
from neokernel.runtime.must import must, must_get
from neokernel.runtime.process import Process
from neokernel.runtime.space import map_device
from neokernel.runtime.system import Failure

unsafe("the registers are mapped where nothing else is")

REQUESTS = FIRST_DECLARED
REGISTERS = FIRST_DECLARED + 1
LINE = FIRST_DECLARED + 2
DEVICES = FIRST_DECLARED + 3
ROOM = FIRST_DECLARED + 4
ADDRESS = 0x11_0000_0000


@wire(registers=True)
class Clock:
    """Of the Goldfish RTC: nanoseconds; the high half is the one of when the low half was read."""

    low: u32
    high: u32


def main(process: Process) -> None:
    must(map_device(process, REGISTERS, ADDRESS))
    must(system.bind_interrupt(process.buffer, LINE, must_get(process.make(Kind.NOTIFICATION))))
    frame = must_get(process.make_of(ROOM, Kind.FRAME))
    physical = must_get(system.pin(process.buffer, DEVICES, frame))
    reply = must_get(process.make(Kind.REPLY))
    asked = system.receive(REQUESTS, reply)
    while not isinstance(asked, Failure):
        clock = object_at(Clock, ADDRESS)
        low = u64(clock.low)
        asked = system.reply_receive(REQUESTS, reply, message(0, 2), u64(clock.high) << 32 | low, physical)
