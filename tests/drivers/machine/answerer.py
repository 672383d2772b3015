"""Answers what comes from a network, until the test of the other one is over and `quit` has come."""

from __future__ import annotations

from reply import answer
from tested import Tested

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
from neokernel.interfaces.network import (
    RECEIVED,
    NetworkDevice,
    buffer_slots,
    event_slots,
    send_slots,
)
from neokernel.lang import Array, Span, Uses, array, copy, slot_of, u8, u32, u64, uses, usize
from neokernel.runtime import system
from neokernel.runtime.lend import region
from neokernel.runtime.must import must, must_get
from neokernel.runtime.objects import Power
from neokernel.runtime.post import line_of
from neokernel.runtime.process import Process
from neokernel.runtime.ring import Ring, Role
from neokernel.runtime.system import Failure

device: Uses[NetworkDevice] = uses(lend=REGION)
power: Uses[Power] = uses()
tested: Uses[Tested] = uses()


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
    assert frames.open(process, slot_of(device), mine, 0) is None, "a device"
    address = must_get(device.describe()).address
    while True:
        came = frames.next()
        while came is not None:
            if came.kind == RECEIVED:
                respond(frames, came.place, came.length, address)
                frames.give_back(came.place)
            came = frames.next()
        frames.flush()
        if frames.may_sleep():
            _ = system.wait(mine)


def respond(frames: Frames, place: u32, length: u32, address: u64) -> None:
    """Send the answer to a frame, if there is one."""
    data: Array[u8] = array(2048)
    size = min(usize(length), 2048)
    frame: Span[u8] = data[:size]
    copy(frame, frames.bytes(place, u32(size)).bytes())
    if size > 46 and frame[42:46].bytes() == b"quit":
        while True:
            over = tested.over()
            if not isinstance(over, Failure) and over:
                must(system.power_off(slot_of(power), 0))
    if not answer(frame, address):
        return
    target = frames.frame()
    if target is not None:
        copy(frames.bytes(target, u32(size)), frame.bytes())
        frames.send(target, u32(size))
