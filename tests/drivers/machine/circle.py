"""Sends frames round in a circle while another service kills their driver: each that comes back is as it was sent.

A frame holds its number, and bytes that follow from it. Frames may be lost, when the driver ends; none may come twice,
as nobody sends one twice, nor be another one's in part.
"""

from __future__ import annotations

from killing import Killing
from living import resources, starts
from tested import Tested

from neokernel.abi.boot import OWN_THREAD
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding
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
from neokernel.interfaces.network import (
    RECEIVED,
    NetworkDevice,
    buffer_slots,
    event_slots,
    send_slots,
)
from neokernel.interfaces.system import Watch
from neokernel.lang import (
    Array,
    Provides,
    Setting,
    Uses,
    array,
    provides,
    setting,
    slot_of,
    struct,
    truncate,
    u8,
    u32,
    u64,
    uses,
    usize,
    wire,
    wire_view,
    wrapping_mul,
)
from neokernel.runtime import system
from neokernel.runtime.lend import region
from neokernel.runtime.must import must, must_get
from neokernel.runtime.objects import Console
from neokernel.runtime.post import line_of
from neokernel.runtime.process import Process
from neokernel.runtime.ring import Ring, Role
from neokernel.runtime.system import Failure

device: Uses[NetworkDevice] = uses(lend=REGION)
init: Uses[Watch] = uses()
console: Uses[Console] = uses()
killing: Uses[Killing] = uses()
tested: Provides[Tested] = provides()
#: how often the driver is killed, as the killer has it
kills: Setting[u32] = setting(6)
paced: Setting[u32] = setting(0)

#: the driver, among the services
DRIVER: u64 = 0
#: frames that are sent at a time
BURST = 8
LEAST: u64 = 60
MOST: u64 = 1514


@wire(registers=True)
class Mark:
    """Behind the addresses and the kind, and two bytes more, so that numbers are aligned."""

    number: u64
    length: u64


@struct
class Tester:
    frames: Frames
    mine: u64
    #: the next frame; the last one that came back
    next: u64 = 1
    last: u64 = 0
    came: u64 = 0
    outages: u64 = 0
    session: u64 = 0

    def open(self, process: Process) -> None:
        """Have the device, of whichever life."""
        while isinstance(self.frames.open(process, slot_of(device), self.mine, 0), Failure):
            pass
        found = device.describe()
        self.session = 0 if isinstance(found, Failure) else found.session

    def send(self) -> None:
        """As many as there is room for, of a burst."""
        for _ in range(BURST):
            place = self.frames.frame()
            if place is None:
                break
            length = LEAST + wrapping_mul(self.next, 7919) % (MOST - LEAST + 1)
            data = self.frames.bytes(place, u32(length))
            for index in range(16):
                data[usize(index)] = 0xFF
            mark = wire_view(Mark, data[16:32])
            mark.number, mark.length = self.next, length
            for index in range(usize(32), usize(length), 16):
                data[index] = truncate(u8, self.next + index)
            self.frames.send(place, u32(length))
            self.next += 1
        self.frames.flush()

    def take(self) -> None:
        """What has come back."""
        came = self.frames.next()
        while came is not None:
            if came.kind == RECEIVED:
                if came.length != 0:
                    self.check(came.place, came.length)
                self.frames.give_back(came.place)
            came = self.frames.next()

    def check(self, place: u32, size: u32) -> None:
        assert u64(size) >= LEAST, "a frame that is too short"
        data = self.frames.bytes(place, size)
        # It begins behind the device's 12 bytes, so numbers aren't aligned.
        copied: Array[u8] = array(2048)
        for index in range(usize(size)):
            copied[index] = data[index]
        mark = wire_view(Mark, copied[16:32])
        number, length = mark.number, mark.length
        assert length == u64(size), "a frame of another length"
        assert self.last < number < self.next, "a frame that comes twice, or out of order, or that nobody sent"
        for index in range(usize(32), usize(length), 16):
            assert copied[index] == truncate(u8, number + index), "a frame that is another one in part"
        self.last = number
        self.came += 1


@struct
class Handler:
    over_: bool = True

    def over(self) -> bool:
        return self.over_


def main(process: Process) -> None:
    mine = must_get(process.make(Kind.NOTIFICATION))
    must(system.bind(process.buffer, OWN_THREAD, Binding.NOTIFICATION, mine))
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
    tester = Tester(frames=frames, mine=mine)
    tester.open(process)
    described = must_get(device.describe())
    process.console.write(f"mtu {described.mtu}, link {described.link}, address {described.address & 0xFFFFFF:#x}\n")
    held = resources(init)
    deaths = u64(kills.get(process))
    life, came = starts(init, DRIVER), tester.came
    _ = must_get(killing.begin())
    while starts(init, DRIVER) <= deaths or tester.came < 1000:
        for _ in range(20):
            turn(process, tester)
        if paced.get(process) != 0 and life < starts(init, DRIVER) <= deaths and tester.came > came:
            # Frames have come by this life of the driver, too.
            life, came = starts(init, DRIVER), tester.came
            _ = must_get(killing.begin())
    left = resources(init)
    assert held.memory == left.memory and held.slots == left.slots, "init has less than before"
    process.console.write(f"{deaths} kills, {tester.outages} outages seen\n")
    process.console.write(f"{tester.next - 1} frames sent, {tester.came} came back\n")
    reply = must_get(process.make(Kind.REPLY))
    handler = Handler()
    while True:
        _ = tested.serve_until_signals(process, handler, reply)


def turn(process: Process, tester: Tester) -> None:
    tester.send()
    tester.take()
    if tester.frames.may_sleep():
        signals = system.wait(tester.mine, system.now() + process.frequency // 1000)
        if isinstance(signals, Failure):
            found = device.describe()
            # Killed between `open` and `describe`, the driver has a new life that nobody has opened: number 0.
            if isinstance(found, Failure) or found.session != tester.session or found.session == 0:
                tester.outages += 1
                tester.open(process)
