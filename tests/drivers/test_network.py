"""The driver of network devices against a model of one: well-behaved, odd, and hostile."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from neokernel import lang
from neokernel.drivers.virtio import mmio
from neokernel.drivers.virtio import network as driver_module
from neokernel.drivers.virtio.mmio import Problem, Registers, Transport
from neokernel.drivers.virtio.network import Config, Header, Network, Offload
from neokernel.drivers.virtio.queue import SIZE, Broken, Queue
from neokernel.interfaces.network import CHECK, CHECKED, CHECKSUM, JOIN, SEGMENT
from neokernel.lang import u16, u32, u64, usize
from tests.drivers import fuzz, hostile_network, hostile_ports
from tests.drivers.machine.reply import answer
from tests.drivers.virtio_device import PAGE, Bus, Card

ALL = sum(
    int(getattr(driver_module, name))
    for name in ("CSUM", "GUEST_CSUM", "MTU", "MAC", "GUEST_TSO4", "HOST_TSO4", "MERGE", "STATUS")
)
PLAIN = int(driver_module.MAC)
WANTED = int(CHECKSUM | CHECK | SEGMENT | JOIN)
ROOM = 2048


class Host:
    """The driver with its device, and a client's memory: pages, whose numbers are tokens."""

    def __init__(self, card: Card) -> None:
        self.card = card
        self.pages = [place for side in card.sides for place in side.places]
        memory, address = card.bus.page()
        self.pages.append(address)
        self.network: Any = Network(
            transport=Transport(registers=lang.wire_over(Registers, card)),
            config=lang.wire_over(Config, card, int(mmio.CONFIG)),
            receive=Queue(descriptors=card.sides[0].descriptors, rings=card.sides[0].rings),
            send=Queue(descriptors=card.sides[1].descriptors, rings=card.sides[1].rings),
            memory=memory,
        )
        self.memory = [card.bus.page()[1] for _ in range(40)]

    def begin(self, wanted: int = WANTED) -> Any:
        places = hostile_ports.Places()
        for number, page in enumerate(self.pages):
            places.pages[usize(number)] = u64(page)
        return self.network.begin(places.pages[:], u32(wanted))

    def supply(self, count: int = 8) -> None:
        for token in range(count):
            assert self.network.receive_room() != 0
            self.network.put_buffer_at(u32(token), u64(self.memory[token]), u32(ROOM))
        self.network.hand_over()

    def send(self, token: int, frame: bytes, offload: Any = None, now: int = 0) -> None:
        assert self.network.send_room(u16(2)) != 0
        self.card.bus.write(self.memory[token], frame)
        asked = Offload() if offload is None else offload
        self.network.put_frame_at(u32(token), asked, u64(self.memory[token]), u32(len(frame)), u64(now))
        self.network.hand_over()

    def came(self) -> list[tuple[bytes, Any]]:
        """Buffers that have come, and what is said of those in which a frame begins."""
        found = []
        while (came := self.network.next_received()) is not None:
            assert not isinstance(came, Broken), came
            data = self.card.bus.read(self.memory[int(came.token)], int(came.length))
            meaning = self.network.read(self.header(int(came.token))) if came.first else None
            found.append((data[12:] if came.first else data, meaning))
        return found

    def header(self, token: int) -> Any:
        return lang.wire_view(Header, lang.byte_span(self.card.bus.pages[self.memory[token]])[:12])


def host(features: int = ALL, wanted: int = WANTED, **options: Any) -> Host:
    made = Host(Card(Bus(), features, **options))
    assert made.begin(wanted) is None
    return made


def test_frames_are_sent_as_they_are() -> None:
    machine = host()
    for token in range(5):
        machine.send(token, bytes([token]) * (60 + token))
    machine.card.work()
    assert [frame for _, frame in machine.card.sent] == [bytes([token]) * (60 + token) for token in range(5)]
    assert all(header == bytes(12) for header, _ in machine.card.sent)
    assert [int(machine.network.next_sent(u64(1))) for _ in range(5)] == list(range(5))
    assert machine.network.next_sent(u64(1)) is None


def test_frames_come_as_they_are() -> None:
    machine = host()
    machine.supply()
    machine.card.bring(b"one" * 30)
    machine.card.bring(b"other" * 300)
    (one, meaning), (other, _) = machine.came()
    assert (one, other) == (b"one" * 30, b"other" * 300)
    assert (meaning.left, meaning.flags, meaning.segment) == (0, 0, 0)


def test_a_frame_in_several_buffers() -> None:
    machine = host()
    machine.supply()
    machine.card.bring(bytes(range(250)) * 20, flags=1, kind=1, segment=1460)
    parts = machine.came()
    assert b"".join(part for part, _ in parts) == bytes(range(250)) * 20
    assert (parts[0][1].left, parts[0][1].flags, parts[0][1].segment) == (2, CHECKED, 1460)
    assert [meaning for _, meaning in parts[1:]] == [None, None]
    machine.card.bring(b"next" * 20)
    assert machine.came()[0][0] == b"next" * 20


def test_what_the_device_is_to_do() -> None:
    machine = host()
    machine.send(0, bytes(100), Offload(u16(34), u16(6), u16(1460), u16(54)))
    machine.send(1, bytes(100), Offload(u16(34), u16(6), u16(0), u16(0)))
    machine.card.work()
    assert [header.hex() for header, _ in machine.card.sent] == ["01013600b405220006000000", "010000000000220006000000"]


@pytest.mark.parametrize(
    ("features", "wanted", "agreed"),
    [
        (ALL, WANTED, WANTED),
        (ALL, 0, 0),
        (ALL, CHECKSUM, CHECKSUM),
        (ALL, SEGMENT, SEGMENT | CHECKSUM),
        (ALL & ~int(driver_module.MERGE), WANTED, WANTED & ~JOIN),
        (ALL & ~int(driver_module.CSUM), WANTED, CHECK | JOIN),
        (PLAIN, WANTED, 0),
    ],
)
def test_what_is_agreed_on(features: int, wanted: int, agreed: int) -> None:
    machine = host(features, int(wanted))
    assert machine.network.offloads() == agreed
    assert machine.network.address == 0x5634_1200_5452 and machine.network.link


def test_what_wasnt_agreed_on_is_nothing() -> None:
    machine = host(PLAIN)
    machine.supply()
    machine.card.bring(b"x" * 60, flags=3, kind=1, segment=7, buffers=99)
    ((_, meaning),) = machine.came()
    assert (meaning.left, meaning.flags, meaning.segment) == (0, 0, 0)


def test_the_link_goes_and_comes() -> None:
    machine = host()
    for up in (0, 1):
        machine.card.config[6] = up
        machine.card.interrupts |= int(mmio.CHANGED)
        assert machine.network.interrupted() is None and machine.network.link == bool(up)


@pytest.mark.parametrize(("place", "byte"), [(0, 0x53), (10, 0)])
def test_a_configuration_that_cant_be(place: int, byte: int) -> None:
    machine = Host(Card(Bus(), ALL, mtu=67 if place else 1500))
    machine.card.config[place] = byte if place == 0 else machine.card.config[place]
    assert machine.begin() is Problem.CONFIGURATION and machine.card.status == mmio.FAILED


def test_there_is_room_for_so_many() -> None:
    machine = host(most=64)
    assert machine.network.send_room(u16(2)) == 21 and machine.network.receive_room() == 32
    for token in range(31):
        machine.send(token, bytes(60))
    assert machine.network.send_room(u16(2)) == 0
    machine.card.work()
    assert machine.network.send_room(u16(2)) == 0, "they are told of one by one"
    assert machine.network.next_sent(u64(0)) == 0 and machine.network.next_sent(u64(0)) == 1
    assert machine.network.send_room(u16(2)) == 2


def test_few_frames_that_were_sent_interrupt_nobody() -> None:
    machine = host()
    machine.supply()
    assert machine.network.may_sleep()
    for token in range(15):
        machine.send(token, bytes(60))
        assert machine.network.may_sleep()
        machine.card.work()
        assert not machine.card.interrupts
    for token in range(15, 30):
        machine.send(token, bytes(60))
    assert machine.network.may_sleep()
    machine.card.work()
    assert machine.card.interrupts


@pytest.mark.parametrize(("length", "buffers"), [(12, 1), (0, 1), (60, 0), (60, 9), (ROOM + 1, 1)])
def test_lies_about_what_came(length: int, buffers: int) -> None:
    machine = host()
    machine.supply()
    machine.card.buffers.extend(machine.card.chains(0))
    chain = machine.card.buffers.popleft()
    machine.card.bus.write(machine.memory[0] + 10, int(buffers).to_bytes(2, "little"))
    machine.card.give_back(chain.head, int(length))
    came = machine.network.next_received()
    if not isinstance(came, Broken):
        came = machine.network.read(machine.header(0))
    assert came is Broken.LENGTH
    assert machine.begin() is None
    lost = [machine.network.lost_buffer(usize(number)) for number in range(int(SIZE))]
    assert 7 <= sum(each is not None for each in lost) <= 8
    machine.supply()
    machine.card.bring(b"again" * 20)
    assert machine.came()[0][0] == b"again" * 20


def test_what_was_lost_is_told_once() -> None:
    machine = host()
    machine.supply(3)
    machine.send(5, bytes(60))
    machine.send(6, bytes(60))
    assert machine.network.is_late(u64(11), u64(10)) and not machine.network.is_late(u64(10), u64(10))
    assert machine.begin() is None
    frames = [machine.network.lost_frame(usize(number)) for number in range(int(SIZE))]
    buffers = [machine.network.lost_buffer(usize(number)) for number in range(int(SIZE))]
    assert {int(each) for each in frames if each is not None} == {5, 6}
    assert {int(each.token) for each in buffers if each is not None} == {0, 1, 2}
    assert all(machine.network.lost_frame(usize(number)) is None for number in range(int(SIZE)))


@settings(max_examples=40)
@given(st.data())
def test_whatever_the_device_does(data: st.DataObject) -> None:
    machine = host(most=data.draw(st.sampled_from([64, 256])))
    card, network = machine.card, machine.network
    out: set[int] = set()
    near = st.integers(0, 9)
    machine.supply(4)
    for _ in range(data.draw(st.integers(1, 20))):
        match data.draw(st.integers(0, 5)):
            case 0 | 1 if network.send_room(u16(2)) and len(out) < 30:
                token = next(number for number in range(40) if number not in out)
                machine.send(token, bytes(data.draw(st.integers(14, 1500))))
                out.add(token)
            case 2:
                card.work()
            case 3:
                queue = data.draw(st.integers(0, 1))
                card.give_back(data.draw(near), data.draw(near) * 200, queue)
            case 4:
                card.config[data.draw(st.integers(0, 11))] = data.draw(st.integers(0, 255))
                card.interrupts |= data.draw(st.integers(0, 3))
            case _:
                broken = network.interrupted()
                while broken is None and (sent := network.next_sent(u64(0))) is not None:
                    if isinstance(sent, Broken):
                        broken = sent
                    else:
                        out.remove(int(sent))
                while broken is None and (came := network.next_received()) is not None:
                    if isinstance(came, Broken):
                        broken = came
                    elif came.first:
                        found = network.read(machine.header(int(came.token)))
                        broken = found if isinstance(found, Broken) else None
                if broken is not None:
                    card.config[:] = Card(Bus(), ALL).config
                    assert machine.begin() is None
                    lost = [network.lost_frame(usize(number)) for number in range(int(SIZE))]
                    assert {int(each) for each in lost if each is not None} == out, "each once"
                    out.clear()
        assert int(network.send.in_flight) == len(out)


def test_a_device_that_answers_at_random_in_two_readings() -> None:
    """What holds is asserted in the walk; both readings come across the same."""
    here = fuzz.counted("network", hostile_network.walk(u64(1), u64(150)))
    assert here == fuzz.counted("network", fuzz.compiled("network")(1, 150))
    assert min(fuzz.counted("network", fuzz.compiled("network")(2, 100_000)).values()) > 200


# --- the answers of the service that the machine's test uses ----------------------------------------------------------

OWN = bytes.fromhex("525400123456")


def answered(frame: bytes) -> bytes | None:
    data = bytearray(frame)
    return bytes(data) if answer(lang.byte_span(data), u64(int.from_bytes(OWN, "little"))) else None


def checksum(data: bytes) -> int:
    total = sum(int.from_bytes(data[place : place + 2], "big") for place in range(0, len(data), 2))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def test_who_has_the_address_is_told() -> None:
    asker = bytes.fromhex("0a0b0c0d0e0f") + bytes([10, 0, 2, 2])
    asked = b"\xff" * 6 + asker[:6] + bytes.fromhex("08060001080006040001") + asker + bytes(6) + bytes([10, 0, 2, 15])
    told = answered(asked)
    own = OWN + bytes([10, 0, 2, 15])
    assert told == asker[:6] + OWN + bytes.fromhex("08060001080006040002") + own + asker
    assert answered(asked[:-1] + b"\x10") is None


def test_a_ping_is_answered() -> None:
    head = bytes.fromhex("4500002c000100004001") + bytes(2) + bytes([10, 0, 2, 2, 10, 0, 2, 15])
    for rest in (bytes(20), b"\xff" * 20, bytes(range(20))):
        message = bytearray(b"\x08\x00\x00\x00" + rest)
        message[2:4] = (0xFFFF - checksum(bytes(message))).to_bytes(2, "big")
        told = answered(OWN + b"\x02" * 6 + b"\x08\x00" + head + bytes(message))
        assert told is not None and told[:12] == b"\x02" * 6 + OWN
        assert told[26:34] == bytes([10, 0, 2, 15, 10, 0, 2, 2])
        assert told[34] == 0 and checksum(told[34:]) == 0xFFFF and told[38:] == rest


def test_pages_of_the_client_hold_a_buffer() -> None:
    assert ROOM <= PAGE
