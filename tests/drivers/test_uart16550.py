"""The UART's driver against a model of the device, well-behaved and hostile."""

from __future__ import annotations

from collections import deque
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from neokernel import lang
from neokernel.drivers import uart16550
from neokernel.drivers.health import MOST_IDLE, MOST_RESETS, Verdict
from neokernel.drivers.uart16550 import DEPTH, RECEIVED, SENT, TAKEN, Registers, Uart
from neokernel.lang import u64
from tests.drivers import fuzz, hostile_uart

DATA, ENABLE, IDENTITY, LINE_CONTROL, MODEM_CONTROL, LINE_STATUS = range(6)


class Device:
    """A PC16550D, as far as section 8 of its data sheet says: queues of 16 bytes, levels, one interrupt line."""

    def __init__(self) -> None:
        self.registers = bytearray(8)
        self.receiver: deque[int] = deque()
        self.transmitter: deque[int] = deque()
        self.overrun = False
        self.sent = bytearray()
        self.accesses = 0

    def load(self, offset: int, size: int) -> bytes:
        assert size == 1
        self.accesses += 1
        match offset:
            case 0:
                return bytes([self.receiver.popleft() if self.receiver else 0])
            case 5:
                status = (bool(self.receiver) << 0) | (self.overrun << 1) | ((not self.transmitter) << 5)
                self.overrun = False
                return bytes([status])
        return bytes([self.registers[offset]])

    def store(self, offset: int, data: bytes) -> None:
        self.accesses += 1
        (byte,) = data
        match offset:
            case 0:
                assert len(self.transmitter) < DEPTH, "the transmitter's queue is full: the byte would be lost"
                self.transmitter.append(byte)
            case 2:
                if byte & 2:
                    self.receiver.clear()
                if byte & 4:
                    self.transmitter.clear()
            case _:
                self.registers[offset] = byte

    def arrive(self, data: bytes) -> None:
        for byte in data:
            if len(self.receiver) == DEPTH:
                self.overrun = True
            else:
                self.receiver.append(byte)

    def transmit(self, count: int) -> None:
        for _ in range(min(count, len(self.transmitter))):
            self.sent.append(self.transmitter.popleft())

    @property
    def interrupts(self) -> bool:
        enable = self.registers[ENABLE]
        return bool((enable & 1 and self.receiver) or (enable & 2 and not self.transmitter))


def driven(device: Any) -> Any:
    uart = Uart(registers=lang.wire_over(Registers, device))
    uart.begin()
    return uart


def taken(uart: Any, count: int) -> bytes:
    if count == 0:
        return b""
    target: Any = lang.array(count)
    return bytes(target[: int(uart.read(target[:]))])


STEPS = st.lists(
    st.tuples(st.just("write"), st.binary(max_size=40))
    | st.tuples(st.just("arrive"), st.binary(max_size=20))
    | st.tuples(st.just("transmit"), st.integers(0, DEPTH))
    | st.tuples(st.just("read"), st.integers(0, 30)),
    max_size=40,
)


@given(STEPS)
def test_bytes_go_both_ways_in_order(steps: list[tuple[str, Any]]) -> None:
    device = Device()
    uart = driven(device)
    written, arrived, got = bytearray(), bytearray(), bytearray()
    for step, argument in steps:
        match step:
            case "write":
                written += argument[: int(uart.write(lang.byte_view(argument)))]
            case "arrive":
                fits = argument[: DEPTH - len(device.receiver)]
                device.arrive(fits)
                arrived += fits
            case "transmit":
                device.transmit(argument)
            case "read":
                got += taken(uart, argument)
        while device.interrupts:
            uart.serve()
    while device.transmitter:
        device.transmit(DEPTH)
        while device.interrupts:
            uart.serve()
    while more := taken(uart, 64):
        got += more
    assert (bytes(device.sent), bytes(got)) == (bytes(written), bytes(arrived))
    assert (uart.dropped, uart.overruns, uart.errors, uart.breaks) == (0, 0, 0, 0)
    assert device.registers[ENABLE] == 1, "an idle transmitter would interrupt for ever"


def test_what_finds_no_room_is_counted() -> None:
    device = Device()
    uart = driven(device)
    for _ in range(RECEIVED // DEPTH + 1):
        device.arrive(bytes(range(DEPTH)))
        uart.serve()
    assert uart.dropped == DEPTH and len(uart.received) == RECEIVED
    device.arrive(bytes(DEPTH + 3))
    uart.serve()
    assert uart.overruns == 1
    assert uart.write(lang.byte_view(bytes(SENT + 10))) == SENT
    assert uart.write(lang.byte_view(b"x")) == 0


def test_a_device_in_an_unknown_state_is_set_up() -> None:
    device = Device()
    device.registers[ENABLE] = 0x0F
    device.registers[LINE_CONTROL] = 0x9B
    device.arrive(b"stale")
    uart = driven(device)
    assert list(device.registers[ENABLE:LINE_STATUS]) == [1, 0, 3, 0b1011]
    assert taken(uart, 10) == b"" and not device.interrupts


def test_restarted_with_bytes_to_send() -> None:
    device = Device()
    uart = driven(device)
    uart.write(lang.byte_view(b"rest"))
    uart.begin()
    assert device.interrupts
    uart.serve()
    device.transmit(DEPTH)
    assert bytes(device.sent) == b"rest"


class Hostile(Device):
    """Says anything."""

    def __init__(self, bytes_: bytes) -> None:
        super().__init__()
        self.lies = bytes_ or b"\xff"

    def load(self, offset: int, size: int) -> bytes:
        self.accesses += 1
        return self.lies[self.accesses % len(self.lies) :][:1]

    def store(self, offset: int, data: bytes) -> None:
        self.accesses += 1


@settings(max_examples=200)
@given(st.binary(min_size=1, max_size=64), st.lists(st.binary(max_size=100), max_size=5))
def test_a_hostile_device_takes_a_bounded_time(lies: bytes, written: list[bytes]) -> None:
    device = Hostile(lies)
    uart = driven(device)
    for data in written:
        uart.write(lang.byte_view(data))
        before = device.accesses
        uart.serve()
        assert device.accesses - before <= 2 * TAKEN + DEPTH + 3
        taken(uart, 100)


def idled(uart: Any, interrupts: int = MOST_IDLE + 1) -> Verdict:
    """So many interrupts: what is to be done about the device."""
    for _ in range(interrupts):
        uart.interrupted()
    verdict = uart.health.verdict(False)
    assert isinstance(verdict, Verdict)
    return verdict


def test_interrupts_for_nothing_are_put_up_with_for_a_while() -> None:
    uart = driven(Device())
    assert idled(uart, MOST_IDLE) is Verdict.GO_ON
    assert idled(uart, 1) is Verdict.RESET
    assert [idled(uart) for _ in range(MOST_RESETS)] == [Verdict.RESET] * (MOST_RESETS - 1) + [Verdict.END]
    # A break is no byte: a line that is broken for good isn't heard for ever.
    assert idled(driven(Hostile(bytes([uart16550.BREAK])))) is Verdict.RESET


def test_interrupts_with_bytes_are_none_for_nothing() -> None:
    device = Device()
    uart = driven(device)
    assert idled(uart, MOST_IDLE) is Verdict.GO_ON
    device.arrive(b"k")
    assert idled(uart, MOST_IDLE + 1) is Verdict.GO_ON, "a byte came with the first of them"
    uart.write(lang.byte_view(b"s"))
    assert idled(uart, MOST_IDLE + 1) is Verdict.GO_ON, "a byte went"
    # Bytes that find no room came, too: nobody reads, and somebody types.
    assert idled(driven(Hostile(bytes([uart16550.DATA_READY])))) is Verdict.GO_ON


def test_broken_characters_are_dropped_and_counted() -> None:
    class Broken(Hostile):
        def load(self, offset: int, size: int) -> bytes:
            statuses = [uart16550.DATA_READY | uart16550.FRAMING_ERROR, uart16550.BREAK, uart16550.DATA_READY]
            if offset == LINE_STATUS:
                self.accesses += 1
                return bytes([statuses[self.accesses - 6] if 6 <= self.accesses < 9 else 0])
            return b"k"

    uart = driven(Broken(b"\0"))
    uart.serve()
    assert (uart.errors, uart.breaks, uart.overruns) == (u64(1), u64(1), u64(0))
    assert taken(uart, 4) == b"k"


def test_a_device_that_says_anything_in_every_reading() -> None:
    here = fuzz.counted("uart", hostile_uart.walk(u64(1), u64(150)))
    assert here == fuzz.counted("uart", fuzz.compiled("uart")(1, 150))
    assert min(fuzz.counted("uart", fuzz.compiled("uart")(2, 100_000)).values()) > 1000
