"""A device of ports that answers at random, right and wrong, and its driver: in every reading.

What must hold is asserted: a buffer is in one place, none is lost, and there is a place for each message; nothing makes
a check of the driver's fail.
"""

from __future__ import annotations

from neokernel.drivers.virtio import mmio
from neokernel.drivers.virtio.console import (
    BUFFER,
    BUFFERS,
    CONSOLE,
    PAGES,
    PORTS,
    SAID,
    SAID_PAGE,
    SAID_SIZE,
    TOLD,
    Config,
    Console,
    Gate,
    Message,
    Port,
)
from neokernel.drivers.virtio.mmio import Registers, Transport
from neokernel.drivers.virtio.queue import Queue
from neokernel.lang import (
    Array,
    Embedded,
    array,
    replace,
    struct,
    truncate,
    u8,
    u16,
    u32,
    u64,
    usize,
    value,
    wire_view,
)
from tests.drivers import hostile
from tests.drivers.hostile import PAGE_AT, Chance, Side

PAGE = 4096


@value
class Seen:
    """What a walk has come across."""

    #: answers of the device, right or wrong
    answers: u64 = 0
    #: bytes that clients have read and written
    taken: u64 = 0
    given: u64 = 0
    #: connections that clients have seen, and those that they have ended
    peers: u64 = 0
    hung: u64 = 0
    resets: u64 = 0


@struct
class Places:
    pages: Array[u64] = array(PAGES)


@struct
class World:
    """The device: what it is told and says, and two ports' queues."""

    chance: Embedded[Chance]
    registers: Embedded[Registers] = Registers()
    config: Embedded[Config] = Config()
    said: Embedded[Side] = Side()
    told: Embedded[Side] = Side()
    into: Array[Embedded[Side]] = array(PORTS)
    data: Array[Embedded[Side]] = array(PORTS)
    page: Array[u8] = array(PAGE)
    memory: Array[u8] = array(2 * PORTS * PAGE)
    places: Embedded[Places] = Places()

    def settle(self) -> None:
        hostile.settle(self.registers, CONSOLE, u32(TOLD) << u32(self.chance.next(3)))
        self.config.ports_most = 2 + u32(self.chance.next(6))
        self.said.settle()
        self.told.settle()
        for index in range(PORTS):
            self.into[index].settle()
            self.data[index].settle()


def walk(seed: u64, steps: u64) -> Seen:
    """So many steps, at random."""
    world = World(chance=Chance(state=seed))
    world.settle()
    for number in range(PAGES):
        world.places.pages[number] = PAGE_AT + u64(number) * PAGE
    memory, into, data = world.memory, world.into, world.data
    console = Console(
        transport=Transport(registers=world.registers),
        config=world.config,
        said=Queue(descriptors=world.said.descriptors, rings=world.said.rings),
        told=Queue(descriptors=world.told.descriptors, rings=world.told.rings),
        memory=world.page,
        first=Port(
            receive=Queue(descriptors=into[0].descriptors, rings=into[0].rings),
            send=Queue(descriptors=data[0].descriptors, rings=data[0].rings),
            into=memory[:PAGE],
            data=memory[PAGE : 2 * PAGE],
        ),
        second=Port(
            receive=Queue(descriptors=into[1].descriptors, rings=into[1].rings),
            send=Queue(descriptors=data[1].descriptors, rings=data[1].rings),
            into=memory[2 * PAGE : 3 * PAGE],
            data=memory[3 * PAGE : 4 * PAGE],
        ),
        third=Port(
            receive=Queue(descriptors=into[2].descriptors, rings=into[2].rings),
            send=Queue(descriptors=data[2].descriptors, rings=data[2].rings),
            into=memory[4 * PAGE : 5 * PAGE],
            data=memory[5 * PAGE : 6 * PAGE],
        ),
        fourth=Port(
            receive=Queue(descriptors=into[3].descriptors, rings=into[3].rings),
            send=Queue(descriptors=data[3].descriptors, rings=data[3].rings),
            into=memory[6 * PAGE : 7 * PAGE],
            data=memory[7 * PAGE :],
        ),
    )
    begin(world, console, 0)
    seen = Seen()
    for step in range(steps):
        now = u64(step)
        seen = use(world, console, seen, now)
        console.hand_over()
        answer(world, console)
        seen = replace(seen, answers=seen.answers + 1)
        if world.chance.next(2) == 0:
            continue
        before = console.latest
        if console.turn(now) is not None:
            world.settle()
            begin(world, console, now)
            seen = replace(seen, resets=seen.resets + 1)
        seen = replace(seen, peers=seen.peers + (1 if console.latest != before else 0))
        check(console)
    return seen


def begin(world: World, console: Console, now: u64) -> None:
    assert console.begin(world.places.pages[:], now) is None, "a device that does nothing wrong"


def check(console: Console) -> None:
    for index in range(console.ports):
        port = console.port(index)
        assert usize(port.receive.in_flight) + len(port.came) == BUFFERS, "a buffer that is lost, or twice"
        assert usize(port.send.in_flight) + len(port.spare) == BUFFERS
        assert usize(port.send.in_flight) == len(port.leaving)
        assert port.gate is not Gate.OPEN or port.number != 0
    assert usize(console.told.in_flight) + len(console.places) == TOLD


def use(world: World, console: Console, seen: Seen, now: u64) -> Seen:
    """One of the clients' calls."""
    index = usize(world.chance.next(PORTS))
    port = console.port(index)
    buffer: Array[u8] = array(2000)
    part = buffer[: 1 + usize(world.chance.next(2000))]
    number = console.connection(port)
    match world.chance.next(8):
        case 0 | 1 | 2:
            count = console.read(port, number, part)
            return seen if count is None else replace(seen, taken=seen.taken + count)
        case 3 | 4 | 5:
            count = console.write(port, number, part.bytes())
            return seen if count is None else replace(seen, given=seen.given + count)
        case 6 if number != 0 and world.chance.next(8) == 0:
            assert console.hang_up(index, number, now)
            return replace(seen, hung=seen.hung + 1)
        case _:
            return seen


def answer(world: World, console: Console) -> None:
    """One of the device's, right, nearly right, or anything."""
    step, index = world.chance.next(64), usize(world.chance.next(PORTS))
    word = world.chance.word()
    world.registers.interrupt_status = mmio.USED
    match step:
        case 0:
            side_lies(world, console, index, word)
        case 1:
            world.registers.interrupt_status = word % 4
            world.config.ports_most = word
        case 2:
            world.page[usize(word % 4096)] = truncate(u8, word >> 16)
        case _ if step < 20:
            note(world, console)
        case _ if step < 40:
            say(world, console, word)
        case _ if step < 52 and index < console.ports:
            deliver(world, console, index, word)
        case _ if index < console.ports:
            side, port = world.data[index], console.port(index)
            side.listen(port.send.size)
            if side.count != 0 and step == 52:
                _ = side.first()
            elif side.count != 0:
                side.give_back(port.send.size, u32(side.first()), 0)
        case _:
            pass


def side_lies(world: World, console: Console, index: usize, word: u32) -> None:
    match world.chance.next(6):
        case 0:
            world.said.lie(console.said, world.chance.next(4), word)
        case 1:
            world.told.lie(console.told, world.chance.next(4), word)
        case 2 if index < console.ports:
            world.data[index].lie(console.port(index).send, world.chance.next(4), word)
        case 3 if index < console.ports:
            world.into[index].lie(console.port(index).receive, world.chance.next(4), word)
        case _:
            pass


def note(world: World, console: Console) -> None:
    """It takes note of all that it was told."""
    world.told.listen(console.told.size)
    for _ in range(world.told.count):
        world.told.give_back(console.told.size, u32(world.told.first()), 0)


def say(world: World, console: Console, word: u32) -> None:
    """An event, mostly one that there is."""
    side = world.said
    side.listen(console.said.size)
    if side.count == 0:
        return
    head = side.first()
    place = usize((side.address(head) - (PAGE_AT + SAID_PAGE * PAGE)) // SAID_SIZE % SAID)
    message = wire_view(Message, world.page[place * SAID_SIZE : (place + 1) * SAID_SIZE])
    event: u16 = 6
    match world.chance.next(8):
        case 0:
            event = u16(word % 9)
        case 1 | 2 | 3:
            event = 1
        case _:
            pass
    message.port, message.event, message.value = 1 + u32(world.chance.next(PORTS + 1)), event, u16(word >> 8 & 1)
    length = 8 + word % 40 if world.chance.next(60) != 0 else word % 200
    side.give_back(console.said.size, u32(head), length)


def deliver(world: World, console: Console, index: usize, word: u32) -> None:
    """Bytes for a port."""
    side, port = world.into[index], console.port(index)
    side.listen(port.receive.size)
    if side.count == 0:
        return
    length = 1 + word % BUFFER if world.chance.next(100) != 0 else word % (2 * BUFFER)
    side.give_back(port.receive.size, u32(side.first()), length)
