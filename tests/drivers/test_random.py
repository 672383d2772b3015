"""The driver of the source of random bytes: against a model of the device."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from neokernel import lang
from neokernel.drivers.health import MOST_IDLE, MOST_RESETS, Health, Verdict
from neokernel.drivers.virtio import mmio
from neokernel.drivers.virtio.mmio import Problem, Registers, Transport
from neokernel.drivers.virtio.queue import Broken, Queue
from neokernel.drivers.virtio.random import POOL, Source
from neokernel.lang import u16, u32, u64
from neokernel.lang.sequences import BYTE, window
from tests.drivers import fuzz, hostile_random
from tests.drivers.virtio_device import Bus, RandomDevice

SPAN: Any = lang.Span


def driver(device: RandomDevice) -> Any:
    memory, address = device.bus.page()
    source = Source(
        transport=Transport(registers=lang.wire_over(Registers, device)),
        queue=Queue(descriptors=device.descriptors, rings=device.rings),
        memory=memory,
        address=u64(address),
    )
    assert begin(source, device) is None
    return source


def begin(source: Any, device: RandomDevice) -> Any:
    return source.begin(*map(u64, device.places))


def taken(source: Any, count: int) -> bytes:
    into = window(SPAN, bytearray(count), 0, count, BYTE)
    return bytes(into[: int(source.take(into))])


@settings(max_examples=50)
@given(st.binary(min_size=1, max_size=3000), st.lists(st.integers(1, 256), max_size=20), st.integers(1, 600))
def test_each_byte_is_handed_out_once(data: bytes, wanted: list[int], most: int) -> None:
    device = RandomDevice(Bus(), data, features=int(mmio.EVENT_INDEX))
    source = driver(device)
    got = bytearray()
    for count in wanted:
        if device.data:
            device.work(most)
        if device.interrupts:
            assert source.interrupted() is None
        held = bytes(source.pool[: source.held])
        part = taken(source, count)
        assert part == held[len(held) - len(part) :], "the latest first"
        assert len(part) == min(count, len(held))
        assert bytes(source.pool[source.held : len(held)]) == bytes(len(part)), "nothing is left of them"
        got += part
    assert sorted(got + bytes(source.pool[: source.held])) == sorted(device.given[: len(got) + int(source.held)])


def test_it_asks_again_when_there_are_few() -> None:
    device = RandomDevice(Bus(), bytes(range(256)) * 8)
    source = driver(device)
    device.work()
    assert source.interrupted() is None and source.held == POOL and not source.asked
    taken(source, 200)
    assert not source.asked and device.notified == 1
    taken(source, 200)
    assert source.asked and device.notified == 2


def test_a_device_that_lies_is_found_out_and_works_after_a_reset() -> None:
    device = RandomDevice(Bus(), bytes(range(256)) * 20)
    source = driver(device)
    (chain,) = device.chains()
    device.give_back(chain.head, 0)
    assert source.interrupted() is Broken.LENGTH, "no bytes at all"
    assert begin(source, device) is None
    (chain,) = device.chains()
    device.give_back(chain.head, POOL + 1)
    assert source.interrupted() is Broken.LENGTH
    assert begin(source, device) is None
    device.rings.used_index.number = u16(2)
    assert source.interrupted() is Broken.INDEX
    assert begin(source, device) is None
    device.status |= int(mmio.NEEDS_RESET)
    device.interrupts = int(mmio.CHANGED)
    assert source.interrupted() is Broken.ASKED
    assert begin(source, device) is None
    device.work()
    assert source.interrupted() is None and source.held == POOL


def test_what_isnt_there_is_told() -> None:
    device = RandomDevice(Bus())
    source = driver(device)
    device.kind = 0
    assert begin(source, device) is Problem.NO_DEVICE


@settings(max_examples=60)
@given(st.data())
def test_whatever_the_device_does(data: st.DataObject) -> None:
    device = RandomDevice(Bus(), features=int(mmio.EVENT_INDEX) * data.draw(st.booleans()))
    source = driver(device)
    word, byte = st.integers(0, (1 << 16) - 1) | st.integers(0, 3), st.binary(min_size=1, max_size=9)
    for _ in range(data.draw(st.integers(1, 25))):
        match data.draw(st.integers(0, 5)):
            case 0:
                device.rings.used_index.number = u16(data.draw(word))
            case 1:
                entry = device.rings.used[lang.usize(data.draw(st.integers(0, 8)))]
                entry.head, entry.length = u32(data.draw(word)), u32(data.draw(word))
            case 2:
                device.bus.pages[int(source.address)][:8] = data.draw(byte)[:8].ljust(8)
            case 3:
                device.interrupts = data.draw(st.integers(0, (1 << 32) - 1))
            case 4:
                before = device.accesses
                if source.interrupted() is not None:
                    assert begin(source, device) is None
                assert device.accesses - before < 40
            case _:
                taken(source, data.draw(st.integers(1, 256)))
        assert source.held <= POOL and int(source.queue.in_flight) == source.asked


def test_a_device_that_answers_at_random_in_two_readings() -> None:
    """What holds is asserted in the walk; both readings come across the same."""
    here = fuzz.counted("random", hostile_random.walk(u64(1), u64(150)))
    assert here == fuzz.counted("random", fuzz.compiled("random")(1, 150))
    assert all(here.values()), here
    assert min(fuzz.counted("random", fuzz.compiled("random")(2, 100_000)).values()) > 1000


# --- how much a driver puts up with -----------------------------------------------------------------------------------


def test_a_device_that_interrupts_for_nothing_is_reset_and_then_given_up() -> None:
    health: Any = Health()
    verdicts = []
    for _ in range(int(MOST_IDLE + 1) * int(MOST_RESETS + 1)):
        health.interrupted()
        verdicts.append(health.verdict(False))
    assert verdicts.count(Verdict.RESET) == MOST_RESETS and verdicts[-1] is Verdict.END
    health = Health()
    for _ in range(3 * int(MOST_IDLE)):
        health.interrupted()
        health.progress()
        assert health.verdict(False) is Verdict.GO_ON


def test_a_device_is_late_when_it_was_busy_for_a_whole_time() -> None:
    health: Any = Health()
    assert not health.tick(True) and health.tick(True)
    health.progress()
    assert not health.tick(True) and not health.tick(False) and not health.tick(True)
