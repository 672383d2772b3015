"""Uses a card after each attack of the hostile client: the driver still lives its first life, and frames go round."""

from __future__ import annotations

from attack import WAYS, Attack

from neokernel.abi.kinds import Kind
from neokernel.interfaces.clients.frames import (
    BUFFERS_AT,
    BUFFERS_SIZE,
    EVENTS_AT,
    EVENTS_SIZE,
    REGION,
    SENDS_AT,
    SENDS_SIZE,
    Frames,
)
from neokernel.interfaces.network import RECEIVED, NetworkDevice, buffer_slots, event_slots, send_slots
from neokernel.interfaces.system import ServiceStatus, Watch
from neokernel.lang import Array, Uses, array, slot_of, u8, u32, u64, uses, wire, wire_view
from neokernel.runtime import system
from neokernel.runtime.lend import region
from neokernel.runtime.must import must, must_get
from neokernel.runtime.objects import Console, Power
from neokernel.runtime.post import line_of
from neokernel.runtime.process import Process
from neokernel.runtime.ring import Ring, Role
from neokernel.runtime.system import Failure

device: Uses[NetworkDevice] = uses(lend=REGION)
attack: Uses[Attack] = uses()
init: Uses[Watch] = uses()
console: Uses[Console] = uses()
power: Uses[Power] = uses()

#: the driver, among the services
DRIVER: u64 = 0
#: frames after each attack
ROUNDS: u64 = 20
LENGTH: u32 = 1514
MAGIC: u64 = 0x5E_ED0F_4045


@wire(registers=True)
class Mark:
    magic: u64
    number: u64


def main(process: Process) -> None:
    mine = must_get(process.make(Kind.NOTIFICATION))
    whole = region(slot_of(device))
    sends, buffers = whole.part(SENDS_AT, SENDS_SIZE), whole.part(BUFFERS_AT, BUFFERS_SIZE)
    events = whole.part(EVENTS_AT, EVENTS_SIZE)
    frames = Frames(
        region=whole,
        sends=Ring(role=Role.PRODUCER, own=line_of(sends, 0), peer=line_of(sends, 1), slots=send_slots(sends)),
        buffers=Ring(
            role=Role.PRODUCER, own=line_of(buffers, 0), peer=line_of(buffers, 1), slots=buffer_slots(buffers)
        ),
        events=Ring(role=Role.CONSUMER, own=line_of(events, 1), peer=line_of(events, 0), slots=event_slots(events)),
    )
    number: u64 = 0
    for way in range(u32(WAYS)):
        tried = attack.attack(way)
        described = must_get(device.describe())
        assert described.mtu == 1500, "another device than before"
        assert frames.open(process, slot_of(device), mine, 0) is None, "a device that can be had"
        for _ in range(ROUNDS):
            number += 1
            around(process, frames, mine, number)
        name: Array[u8] = array(48)
        status = init.service(DRIVER, name[:])
        assert isinstance(status, ServiceStatus), "init tells"
        assert status.starts == 1, "the driver has ended"
        count = u32(0) if isinstance(tried, Failure) else tried
        process.console.write(f"way {way}: {count} tries, {ROUNDS} frames went round\n")
    must(system.power_off(slot_of(power), 0))


def around(process: Process, frames: Frames, mine: u64, number: u64) -> None:
    """Send a frame until it comes back: what the hostile client has left on the way may have its place."""
    while True:
        place = frames.frame()
        if place is not None:
            data = frames.bytes(place, LENGTH)
            mark = wire_view(Mark, data[16:32])
            mark.magic, mark.number = MAGIC, number
            frames.send(place, LENGTH)
            frames.flush()
        for _ in range(20):
            came = frames.next()
            while came is not None:
                if came.kind == RECEIVED:
                    # Two bytes more than in the frame that is sent, so words are aligned here, too.
                    found = came.length == LENGTH and is_mine(frames, came.place, number)
                    frames.give_back(came.place)
                    if found:
                        return
                came = frames.next()
            if frames.may_sleep():
                _ = system.wait(mine, system.now() + process.frequency // 1000)


def is_mine(frames: Frames, place: u32, number: u64) -> bool:
    copied: Array[u8] = array(16)
    data = frames.bytes(place, LENGTH)
    for index in range(16):
        copied[index] = data[index + 16]
    mark = wire_view(Mark, copied[:])
    return mark.magic == MAGIC and mark.number == number
