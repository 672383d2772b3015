"""The driver of the Goldfish clock against a model of it, right and wrong."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from neokernel import lang
from neokernel.drivers.goldfish_rtc import Registers, Rtc
from neokernel.lang import u64
from tests.drivers import fuzz, hostile_clock

LOW, HIGH, ENABLE, CLEAR_ALARM, CLEAR_INTERRUPT = 0x00, 0x04, 0x10, 0x14, 0x1C


class Device:
    """Its time is what the test says; `high` is what it was when `low` was read."""

    def __init__(self, times: list[int]) -> None:
        self.times = list(times)
        self.high = 0
        self.stored: dict[int, int] = {}
        self.accesses = 0

    def load(self, offset: int, size: int) -> bytes:
        assert size == 4
        self.accesses += 1
        if offset == LOW:
            time = self.times.pop(0)
            self.high = time >> 32
            return (time & 0xFFFF_FFFF).to_bytes(4, "little")
        assert offset == HIGH
        return self.high.to_bytes(4, "little")

    def store(self, offset: int, data: bytes) -> None:
        self.accesses += 1
        self.stored[offset] = int.from_bytes(data, "little")


def driven(device: Device) -> Any:
    rtc = Rtc(registers=lang.wire_over(Registers, device))
    rtc.begin()
    return rtc


def test_the_time_is_the_devices() -> None:
    device = Device([0x1_0000_0000 - 1, 0x1_0000_0000, 1 << 60])
    rtc = driven(device)
    assert device.stored == {ENABLE: 0, CLEAR_ALARM: 1, CLEAR_INTERRUPT: 1}
    assert [int(rtc.now()) for _ in range(3)] == [0xFFFF_FFFF, 0x1_0000_0000, 1 << 60]
    assert rtc.backwards == 0


@settings(max_examples=50)
@given(st.lists(st.integers(0, (1 << 64) - 1), max_size=10))
def test_time_never_runs_backwards(times: list[int]) -> None:
    device = Device(times)
    rtc = driven(device)
    told = [int(rtc.now()) for _ in times]
    assert told == [max(times[: index + 1]) for index in range(len(times))]
    assert device.accesses == 3 + 2 * len(times)


def test_a_clock_that_says_anything_in_two_readings() -> None:
    """What holds is asserted in the walk; both readings come across the same."""
    here = fuzz.counted("clock", hostile_clock.walk(u64(1), u64(300)))
    assert here == fuzz.counted("clock", fuzz.compiled("clock")(1, 300))
    assert min(fuzz.counted("clock", fuzz.compiled("clock")(2, 100_000)).values()) > 100
