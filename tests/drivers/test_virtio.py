"""The virtio transport and its queues against a model of a device: well-behaved, odd, and hostile."""

from __future__ import annotations

from collections import deque
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neokernel import lang
from neokernel.drivers.virtio import mmio
from neokernel.drivers.virtio.mmio import MOST_LOOKS, Problem, Registers, Transport
from neokernel.drivers.virtio.queue import SIZE, Broken, Completion, Queue
from neokernel.lang import u16, u32, u64
from tests.drivers.virtio_device import Bus, Device

KIND = 4
EVENTS = int(mmio.EVENT_INDEX)


def driver(device: Device) -> tuple[Any, Any]:
    transport = Transport(registers=lang.wire_over(Registers, device))
    return transport, Queue(descriptors=device.descriptors, rings=device.rings)


def started(device: Device, least: int = 1) -> tuple[Any, Any]:
    transport, queue = driver(device)
    assert transport.begin(u32(KIND), u64(0)) is None
    places = map(u64, device.places)
    assert transport.attach(u32(0), queue, u16(least), *places) is None
    transport.go()
    assert device.ready and device.status == 15
    return transport, queue


# --- a device is set up -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("most", "size"), [(1, 1), (8, 8), (100, 64), (256, 256), (1024, 256)])
def test_a_device_is_set_up(most: int, size: int) -> None:
    device = Device(Bus(), KIND, EVENTS | 1 << 5, most)
    _, queue = started(device)
    assert device.size == size == queue.size == queue.free
    assert device.accepted == int(mmio.VERSION_1) | EVENTS, "what nobody asked for isn't agreed on"


def test_what_an_earlier_driver_left_is_reset() -> None:
    device = Device(Bus(), KIND)
    _, queue = started(device)
    queue.add(u64(0), u32(1), False)
    queue.close(u32(1))
    assert queue.publish()
    _, queue = started(device)
    assert device.resets == 2 and not list(device.chains()) and queue.free == SIZE


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"lies": {0x00: [7]}}, Problem.NO_TRANSPORT),
        ({"lies": {0x04: [1]}}, Problem.OLD),
        ({"kind": 0}, Problem.NO_DEVICE),
        ({"kind": 2}, Problem.OTHER_DEVICE),
        ({"offered": EVENTS}, Problem.FEATURES),
        ({"lies": {0x70: [0, mmio.ACKNOWLEDGE]}}, Problem.FEATURES),
        ({"lies": {0x70: [1] * int(MOST_LOOKS)}}, Problem.NO_RESET),
    ],
)
def test_what_cant_be_driven_is_told(change: dict[str, Any], problem: Problem) -> None:
    device = Device(Bus(), KIND)
    for name, what in change.items():
        if name == "lies":
            device.lies = {offset: deque(map(int, lies)) for offset, lies in what.items()}
        else:
            setattr(device, name, what)
    transport, _ = driver(device)
    assert transport.begin(u32(KIND), u64(0)) is problem
    assert device.accesses < MOST_LOOKS + 30
    assert problem is not Problem.FEATURES or device.status == mmio.FAILED


@pytest.mark.parametrize(("most", "least"), [(0, 1), (7, 8), (9, 9)])
def test_a_queue_that_wont_do_is_told(most: int, least: int) -> None:
    device = Device(Bus(), KIND, most=most)
    transport, queue = driver(device)
    assert transport.begin(u32(KIND), u64(0)) is None
    found = transport.attach(u32(0), queue, u16(least), *map(u64, device.places))
    assert found is Problem.NO_QUEUE and device.status == mmio.FAILED


# --- chains go there and back -----------------------------------------------------------------------------------------

SHAPES = st.lists(st.integers(1, 5), min_size=1, max_size=12)


@settings(max_examples=30)
@given(st.sampled_from([4, 8, 64]), st.booleans(), st.lists(st.tuples(SHAPES, st.randoms()), max_size=12))
def test_chains_come_back_in_any_order(size: int, events: bool, rounds: list[tuple[list[int], Any]]) -> None:
    device = Device(Bus(), KIND, EVENTS * events, size)
    transport, queue = started(device)
    token, flying, waiting = 0, {}, []
    for shapes, chance in rounds:
        for length in shapes:
            if queue.free < length:
                break
            for part in range(length):
                queue.add(u64(token * 16 + part), u32(part + 1), part >= length // 2)
            queue.close(u32(token))
            flying[token] = sum(part + 1 for part in range(length) if part >= length // 2)
            token += 1
        if queue.publish():
            transport.notify(u32(0))
        notified, device.notified = device.notified, 0
        fresh = list(device.chains())
        assert notified == bool(fresh), "one notification for as many as there are, none for nothing"
        for chain in fresh:
            assert chain.writes[0][0] // 16 in flying and chain.room == flying[chain.writes[0][0] // 16]
        waiting += fresh
        chance.shuffle(waiting)
        back = chance.randrange(len(waiting) + 1)
        assert queue.may_sleep()
        for chain in waiting[:back]:
            device.give_back(chain.head, chain.room)
        assert bool(device.interrupts) == bool(back), "it interrupts once there is something"
        if back:
            assert transport.interrupted() == mmio.USED and not device.interrupts
        for _ in range(back):
            done = queue.take()
            assert isinstance(done, Completion) and done.length == flying.pop(int(done.token))
        del waiting[:back]
        assert queue.take() is None
        assert queue.in_flight == len(flying)
    for chain in waiting:
        device.give_back(chain.head, 0)
        assert isinstance(queue.take(), Completion)
    assert queue.free == size and queue.in_flight == 0


def test_indices_wrap() -> None:
    device = Device(Bus(), KIND, EVENTS, 2)
    _, queue = started(device)
    near = u16((1 << 16) - 5)
    queue.closed = queue.published = queue.taken = near
    device.sides[0].seen = device.sides[0].used = int(near)
    device.rings.available_index.number = device.rings.used_index.number = near
    for turn in range(12):
        queue.add(u64(turn), u32(1), True)
        queue.close(u32(turn))
        queue.publish()
        (chain,) = device.chains()
        assert queue.may_sleep()
        device.give_back(chain.head, 1)
        assert device.interrupts and not queue.may_sleep()
        device.interrupts = 0
        assert queue.take() == Completion(u32(turn), u32(1))


def test_a_completion_just_before_sleep_is_seen() -> None:
    device = Device(Bus(), KIND, EVENTS)
    _, queue = started(device)
    queue.add(u64(0), u32(1), True)
    queue.close(u32(0))
    queue.publish()
    (chain,) = device.chains()
    device.give_back(chain.head, 1)
    assert not queue.may_sleep()


# --- a device that lies -----------------------------------------------------------------------------------------------


def one_in_flight(length: int = 16) -> tuple[Device, Any, Any]:
    device = Device(Bus(), KIND, most=8)
    _, queue = started(device)
    queue.add(u64(0), u32(4), False)
    queue.add(u64(64), u32(length), True)
    queue.close(u32(9))
    queue.publish()
    (chain,) = device.chains()
    return device, queue, chain


def test_lies_of_the_used_ring_are_found() -> None:
    device, queue, chain = one_in_flight()
    device.give_back(chain.head + 1, 0)
    assert queue.take() is Broken.HEAD, "the middle of a chain"
    device, queue, chain = one_in_flight()
    device.give_back(8, 0)
    assert queue.take() is Broken.HEAD, "beyond the queue"
    device, queue, chain = one_in_flight()
    device.give_back(0xFFFF_FFFF, 0)
    assert queue.take() is Broken.HEAD
    device, queue, chain = one_in_flight()
    device.give_back(chain.head, 17)
    assert queue.take() is Broken.LENGTH, "more than there was room for"
    device, queue, chain = one_in_flight()
    device.give_back(chain.head, 16)
    device.give_back(chain.head, 16)
    assert queue.take() is Broken.INDEX, "more than are in flight"
    device, queue, chain = one_in_flight()
    device.give_back(chain.head, 16)
    assert isinstance(queue.take(), Completion)
    device.give_back(chain.head, 16)
    assert queue.take() is Broken.INDEX, "twice"
    device, queue, chain = one_in_flight()
    device.rings.used_index.number = u16(0xFFFF)
    assert queue.take() is Broken.INDEX, "backwards"


def test_the_same_chain_twice_while_others_fly() -> None:
    device = Device(Bus(), KIND, most=8)
    _, queue = started(device)
    for token in range(3):
        queue.add(u64(0), u32(4), True)
        queue.close(u32(token))
    queue.publish()
    first, *_ = device.chains()
    device.give_back(first.head, 4)
    device.give_back(first.head, 4)
    assert queue.take() == Completion(u32(0), u32(4))
    assert queue.take() is Broken.HEAD


@settings(max_examples=60)
@given(st.data())
def test_whatever_the_device_writes(data: st.DataObject) -> None:
    """Nothing that it writes anywhere makes a check fail, a chain come back twice, or a descriptor go astray."""
    size = data.draw(st.sampled_from([1, 2, 8]))
    device = Device(Bus(), KIND, EVENTS * data.draw(st.booleans()), size)
    _, queue = started(device)
    flying: set[int] = set()
    words = st.integers(0, (1 << 16) - 1)
    near = st.integers(0, 12)
    for token in range(data.draw(st.integers(1, 30))):
        match data.draw(st.integers(0, 4)):
            case 0 | 1 if queue.free != 0:
                for _ in range(data.draw(st.integers(1, int(queue.free)))):
                    queue.add(u64(0), u32(5), True)
                queue.close(u32(token))
                flying.add(token)
                queue.publish()
            case 2:
                device.rings.used_index.number = u16(data.draw(near | words))
            case 3:
                entry = device.rings.used[lang.usize(data.draw(st.integers(0, SIZE)))]
                entry.head, entry.length = u32(data.draw(near)), u32(data.draw(near))
                wild = device.descriptors.entries[lang.usize(data.draw(st.integers(0, size - 1)))]
                wild.next, wild.flags = u16(data.draw(words)), u16(data.draw(words))
            case _:
                done = queue.take()
                if isinstance(done, Completion):
                    flying.remove(int(done.token))
                    assert done.length <= 5 * size
                elif isinstance(done, Broken):
                    # The driver resets the device, and all that was with it is lost.
                    queue.begin(u16(size), device.events)
                    flying.clear()
                else:
                    queue.may_sleep()
        assert queue.in_flight == len(flying)
        assert queue.free + sum(int(chain.count) for chain in queue.chains if chain.live) == size
