"""The driver of ports against a model of the device: well-behaved, odd, and hostile."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neokernel import lang
from neokernel.drivers.virtio import mmio
from neokernel.drivers.virtio.console import (
    BUFFER,
    BUFFERS,
    PAGES,
    QUEUES,
    SAID,
    SAID_PAGE,
    Config,
    Console,
    Gate,
    Port,
)
from neokernel.drivers.virtio.mmio import Problem, Registers, Transport
from neokernel.drivers.virtio.queue import Broken, Queue
from neokernel.lang import u16, u32, u64, usize
from neokernel.lang.sequences import BYTE, window
from tests.drivers import fuzz, hostile_ports
from tests.drivers.virtio_device import Bus, Ports

SPAN: Any = lang.Span
NAMES = {1: b"control", 2: b"other"}


class Host:
    """The driver with its device; time passes with each turn."""

    def __init__(self, device: Ports) -> None:
        self.device = device
        self.now = 100
        bus = device.bus
        sides = [device.sides[number] for number in range(2, 2 + int(QUEUES))]
        queues: Any = [Queue(descriptors=side.descriptors, rings=side.rings) for side in sides]
        self.pages = [place for side in sides for place in side.places]
        memory = [bus.page() for _ in range(int(SAID_PAGE), int(PAGES))]
        self.pages += [address for _, address in memory]
        ports: Any = [
            Port(
                receive=queues[2 + 2 * index],
                send=queues[3 + 2 * index],
                into=memory[1 + 2 * index][0],
                data=memory[2 + 2 * index][0],
            )
            for index in range(4)
        ]
        self.console: Any = Console(
            transport=Transport(registers=lang.wire_over(Registers, device)),
            config=lang.wire_over(Config, device, int(mmio.CONFIG)),
            said=queues[0],
            told=queues[1],
            memory=memory[0][0],
            first=ports[0],
            second=ports[1],
            third=ports[2],
            fourth=ports[3],
        )

    def begin(self) -> Any:
        pages: Any = lang.array(int(PAGES))
        made = hostile_ports.Places(pages=pages)
        for number, page in enumerate(self.pages):
            made.pages[usize(number)] = u64(page)
        return self.console.begin(made.pages[:], u64(self.now))

    def turn(self, times: int = 4) -> None:
        """The device works, and the driver attends to it; all is well."""
        for _ in range(times):
            self.now += 1
            self.console.hand_over()
            self.device.work()
            assert self.console.turn(u64(self.now)) is None
        self.console.hand_over()
        assert int(self.console.health.resets) == 0

    def number(self, port: int = 1) -> int:
        return int(self.console.connection(self.console.port(usize(port - 1))))

    def read(self, number: int, most: int = 10_000, port: int = 1) -> bytes | None:
        into = window(SPAN, bytearray(most), 0, most, BYTE)
        count = self.console.read(self.console.port(usize(port - 1)), u64(number), into)
        return None if count is None else bytes(into[: int(count)])

    def write(self, number: int, data: bytes, port: int = 1) -> int | None:
        count = self.console.write(self.console.port(usize(port - 1)), u64(number), data)
        return None if count is None else int(count)

    def hang_up(self, number: int, port: int = 1) -> bool:
        return bool(self.console.hang_up(usize(port - 1), u64(number), u64(self.now)))


def host(**options: Any) -> Host:
    made = Host(Ports(Bus(), dict(NAMES), **options))
    assert made.begin() is None
    made.turn()
    return made


def connected(**options: Any) -> tuple[Host, int]:
    machine = host(**options)
    machine.device.connect(1)
    machine.turn()
    number = machine.number()
    assert number != 0
    return machine, number


def test_ports_have_names() -> None:
    machine = host()
    assert [bool(machine.console.port(usize(index)).is_called(b"other")) for index in range(4)] == [0, 1, 0, 0]
    assert machine.number(1) == machine.number(2) == 0 and machine.write(0, b"x") is None


def test_bytes_go_both_ways() -> None:
    machine, number = connected()
    data = bytes(range(256)) * 40
    machine.device.to_send[1] = data
    got = b""
    while len(got) < len(data):
        machine.turn(1)
        part = machine.read(number, 700)
        assert part is not None
        got += part
    assert got == data and machine.read(number) == b""
    sent = 0
    while sent < len(data):
        taken = machine.write(number, data[sent:])
        assert taken is not None
        sent += taken
        machine.turn(1)
    machine.turn()
    assert machine.device.received[1] == data and not machine.device.received[2]


def test_ports_are_apart() -> None:
    machine, number = connected()
    machine.device.connect(2)
    machine.turn()
    other = machine.number(2)
    assert other not in (0, number)
    machine.device.to_send[2] = b"for two"
    machine.turn()
    assert machine.read(number) == b"" and machine.read(number, port=2) is None
    assert machine.read(other, port=2) == b"for two"


def test_who_doesnt_read_is_waited_for() -> None:
    machine, number = connected()
    machine.device.taking[1] = False
    assert machine.write(number, bytes(10_000)) == BUFFERS * BUFFER and machine.write(number, b"x") == 0
    port = machine.console.first
    machine.turn()
    port.news = False
    assert machine.write(number, b"x") == 0
    machine.device.taking[1] = True
    machine.turn()
    assert port.news and machine.write(number, b"x") == 1, "that there is room is news"
    machine.device.to_send[1] = bytes(20_000)
    machine.turn()
    assert len(machine.device.to_send[1]) == 20_000 - BUFFERS * BUFFER, "what nobody reads stays with the peer"


def test_a_peer_that_has_gone() -> None:
    machine, number = connected()
    machine.device.to_send[1] = b"last words"
    machine.turn()
    machine.device.disconnect(1)
    machine.turn()
    assert machine.number() == 0 and machine.write(number, b"x") is None
    assert machine.read(number, 4) == b"last" and machine.read(number) == b" words" and machine.read(number) is None
    machine.device.connect(1)
    machine.turn()
    assert machine.number() > number and machine.read(number) is None


def gone_unread(machine: Host, data: bytes) -> None:
    """The peer goes before it has read what it was told; another one comes."""
    assert machine.write(machine.number(), data) == len(data)
    machine.console.hand_over()
    machine.device.disconnect(1)
    machine.turn()
    machine.device.connect(1)
    machine.turn()


def test_buffers_that_the_device_forgets() -> None:
    """One each time that a peer goes before what it was told: the next that is carried says that they are free."""
    machine, _ = connected()
    for length in (1, BUFFERS * BUFFER, BUFFER + 1) * 4:
        gone_unread(machine, bytes(length))
        assert machine.write(machine.number(), b"hello") == 5
        machine.turn()
        assert machine.device.received[1] == b"hello" and len(machine.console.first.spare) == BUFFERS
        machine.device.received[1].clear()


def test_a_device_that_has_forgotten_all_buffers_is_late() -> None:
    machine, _ = connected()
    for _ in range(BUFFERS):
        assert machine.console.waiting_since() is None
        gone_unread(machine, b"hello")
    assert machine.write(machine.number(), b"hello") == 0
    since = machine.console.waiting_since()
    assert since is not None and not machine.console.is_late(since + 10, u64(10))
    assert machine.console.is_late(since + 11, u64(10))
    assert machine.begin() is None
    machine.turn()
    assert machine.console.waiting_since() is None
    assert machine.write(machine.number(), b"hello") == 5
    machine.turn()
    assert machine.device.received[1] == b"hello"


def test_a_peer_that_takes_its_time_isnt_late() -> None:
    machine, number = connected()
    machine.device.taking[1] = False
    assert machine.write(number, bytes(10_000)) == BUFFERS * BUFFER
    machine.turn()
    assert machine.console.waiting_since() is None


def test_nothing_of_one_peer_is_taken_for_another_ones() -> None:
    machine, number = connected()
    for _ in range(5):
        # The driver has looked at nothing between.
        machine.device.to_send[1] = b"of the first"
        machine.device.work()
        machine.device.disconnect(1)
        machine.device.connect(1)
        machine.device.to_send[1] = b"of the second"
        machine.device.work()
        machine.turn()
        assert machine.read(number) is None
        number = machine.number()
        assert machine.read(number) in (b"", b"of the second")
        machine.device.to_send[1] = b"go on"
        machine.turn()
        assert machine.read(number) == b"go on"


def test_a_peer_that_isnt_wanted() -> None:
    machine, number = connected()
    machine.device.to_send[1] = bytes(100_000)
    machine.turn()
    assert machine.hang_up(number) and not machine.hang_up(number)
    machine.turn()
    left = len(machine.device.to_send[1])
    machine.turn()
    assert machine.read(number) is None and machine.number() == 0
    assert len(machine.device.to_send[1]) == left > 0 and not machine.device.guest[1]
    machine.device.disconnect(1)
    machine.turn()
    machine.device.connect(1)
    machine.turn()
    assert machine.number() > number


def test_a_connection_that_was_there_before_the_driver() -> None:
    device = Ports(Bus(), dict(NAMES))
    device.host[1] = True
    machine = Host(device)
    assert machine.begin() is None
    machine.turn()
    number = machine.number()
    assert number
    machine.now += 1
    assert machine.begin() is None, "another life"
    machine.turn()
    assert machine.number() > number and machine.read(number) is None


def test_ports_that_come_and_go() -> None:
    machine, _ = connected()
    machine.device.say(1, 2, 1)
    machine.turn()
    assert machine.number() == 0 and not machine.console.first.is_called(b"control")
    machine.device.say(1, 1, 1)
    machine.turn()
    assert machine.number() and machine.console.first.is_called(b"control")


def test_a_terminal_has_a_size() -> None:
    machine = host()
    machine.device.say(2, 5, 0, (80).to_bytes(2, "little") + (24).to_bytes(2, "little"))
    machine.device.say(1, 5, 0)
    machine.turn()
    port = machine.console.second
    assert (port.columns, port.rows) == (80, 24) and machine.console.first.columns == 0


def test_names_that_are_none() -> None:
    machine = host()
    machine.device.say(1, 7, 1, b"x" * 100)
    machine.turn()
    assert machine.console.first.name_length == 0
    machine.device.say(1, 7, 1, b"")
    machine.device.say(2, 7, 1, b"x" * 64)
    machine.turn()
    assert machine.console.first.name_length == 0 and machine.console.second.is_called(b"x" * 64)


def test_ports_beyond_those_that_can_be() -> None:
    machine = host()
    machine.device.say(9, 1, 1)
    machine.device.say(0, 1, 1)
    machine.device.say(9, 6, 1)
    machine.turn()
    assert machine.device.failed == [9, 0]


@pytest.mark.parametrize(("most", "features", "problem"), [(1, 2, Problem.CONFIGURATION), (8, 0, Problem.FEATURES)])
def test_a_device_without_ports(most: int, features: int, problem: Problem) -> None:
    machine = Host(Ports(Bus(), dict(NAMES), most=most, features=features))
    assert machine.begin() is problem and machine.device.status == mmio.FAILED


def test_a_device_that_takes_no_note_is_late() -> None:
    machine, number = connected()
    assert not machine.console.is_late(u64(machine.now + 1000), u64(10)), "there is nothing that it should note"
    assert machine.hang_up(number)
    assert machine.console.is_late(u64(machine.now + 11), u64(10))
    assert not machine.console.is_late(u64(machine.now + 10), u64(10))


@pytest.mark.parametrize(
    ("queue", "length", "broken"),
    [(2, 7, Broken.LENGTH), (2, 129, Broken.LENGTH), (4, 0, Broken.LENGTH), (4, BUFFER + 1, Broken.LENGTH)],
)
def test_lies_are_found_out(queue: int, length: int, broken: Broken) -> None:
    machine, number = connected()
    chain = machine.device.buffers[queue].popleft()
    machine.device.give_back(chain.head, int(length), queue)
    assert machine.console.turn(u64(machine.now)) is broken
    assert machine.begin() is None
    machine.turn()
    assert machine.read(number) is None and machine.number() > number
    assert machine.write(machine.number(), b"again") == 5
    machine.turn()
    assert machine.device.received[1] == b"again"


def test_a_device_that_talks_without_end() -> None:
    machine = host()
    for _ in range(3 * int(SAID)):
        machine.device.say(1, 99, 0)
    for _ in range(3):
        machine.turn(1)
    assert not machine.device.waiting, "as much as there are buffers for, each time"


@settings(max_examples=40)
@given(st.data())
def test_whatever_the_device_does(data: st.DataObject) -> None:
    machine, _ = connected()
    device, console = machine.device, machine.console
    near, port = st.integers(0, 9), st.integers(0, 5)
    for _ in range(data.draw(st.integers(1, 20))):
        match data.draw(st.integers(0, 7)):
            case 0:
                rest = data.draw(st.binary(max_size=12))
                device.say(data.draw(port), data.draw(near), data.draw(st.integers(0, 1)), rest)
            case 1:
                side = device.sides[data.draw(st.integers(2, 9))]
                side.rings.used_index.number = u16(side.used + data.draw(st.integers(0, 2)))
            case 2:
                queue = data.draw(st.integers(2, 9))
                if device.sides[queue].size:
                    device.give_back(data.draw(near), data.draw(near) * 100, queue)
            case 3:
                device.interrupts |= data.draw(st.integers(0, 3))
            case 4:
                machine.write(machine.number(), bytes(data.draw(st.integers(0, 3000))))
            case 5:
                machine.read(machine.number(), data.draw(st.integers(1, 3000)))
            case 6:
                machine.hang_up(machine.number())
            case _:
                device.to_send[1] += data.draw(st.binary(max_size=50))
        console.hand_over()
        before = device.accesses
        broken = console.turn(u64(machine.now))
        assert device.accesses - before < 20
        if broken is not None:
            device.waiting.clear()
            assert machine.begin() is None
        device.work()
        for index in range(2):
            side = console.port(usize(index))
            whole = int(side.receive.in_flight) + len(side.came), int(side.send.in_flight) + len(side.spare)
            assert whole == (BUFFERS, BUFFERS), "a buffer that is lost, or twice"
            assert side.gate is not Gate.OPEN or side.number != 0
    machine.turn(0)


def test_a_device_that_answers_at_random_in_two_readings() -> None:
    """What holds is asserted in the walk; both readings come across the same."""
    here = fuzz.counted("ports", hostile_ports.walk(u64(1), u64(150)))
    assert here == fuzz.counted("ports", fuzz.compiled("ports")(1, 150))
    assert min(fuzz.counted("ports", fuzz.compiled("ports")(2, 100_000)).values()) > 200
    assert u32(here["answers"]) > 0
