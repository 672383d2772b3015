"""A network device that answers at random, right and wrong, and its driver: in every reading.

What must hold is asserted: each frame and buffer comes back once, or is told to be lost once; counts agree; nothing
makes a check of the driver's fail.
"""

from __future__ import annotations

from neokernel.drivers.virtio import mmio
from neokernel.drivers.virtio.mmio import Registers, Transport
from neokernel.drivers.virtio.network import FRAMES, NETWORK, Config, Header, Network, Offload
from neokernel.drivers.virtio.queue import SIZE, Broken, Queue
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

#: tokens, and where the client's memory is on the bus
TOKENS = 512
BUFFERS_AT: u64 = 0x9000_0000
ROOM = 2048


@value
class Seen:
    """What a walk has come across."""

    #: answers of the device, right or wrong
    answers: u64 = 0
    #: frames that were sent, buffers that came, and what was said of them that can't be
    sent: u64 = 0
    came: u64 = 0
    refused: u64 = 0
    #: frames in several buffers
    joined: u64 = 0
    resets: u64 = 0


@struct
class World:
    chance: Embedded[Chance]
    registers: Embedded[Registers] = Registers()
    config: Embedded[Config] = Config()
    receive: Embedded[Side] = Side()
    send: Embedded[Side] = Side()
    page: Array[u8] = array(4096)
    #: the headers of what comes
    header: Array[u8] = array(16)
    pages: Array[u64] = array(5)
    #: by token: the device has it
    out: Array[bool] = array(TOKENS, False)
    frames: u64 = 0
    buffers: u64 = 0

    def settle(self) -> None:
        hostile.settle(self.registers, NETWORK, u32(64) << u32(self.chance.next(3)))
        self.config.address0, self.config.status, self.config.mtu = 2, 1, 1500
        self.receive.settle()
        self.send.settle()

    def back(self, token: u32, frame: bool) -> None:
        """The driver says that the device hasn't got it any more."""
        assert usize(token) < TOKENS and self.out[usize(token)], "what comes back twice, or was never there"
        assert frame == (usize(token) < FRAMES), "one for the other"
        self.out[usize(token)] = False
        if frame:
            self.frames -= 1
        else:
            self.buffers -= 1


def walk(seed: u64, steps: u64) -> Seen:
    """So many steps, at random."""
    world = World(chance=Chance(state=seed))
    world.settle()
    for number in range(usize(5)):
        world.pages[number] = PAGE_AT + u64(number) * 4096
    network = Network(
        transport=Transport(registers=world.registers),
        config=world.config,
        receive=Queue(descriptors=world.receive.descriptors, rings=world.receive.rings),
        send=Queue(descriptors=world.send.descriptors, rings=world.send.rings),
        memory=world.page,
    )
    begin(world, network)
    seen = Seen()
    for step in range(steps):
        use(world, network, u64(step))
        answer(world, network)
        seen = replace(seen, answers=seen.answers + 1)
        if world.chance.next(3) != 0:
            seen = listen(world, network, seen, u64(step))
        assert u64(network.send.in_flight) == world.frames and u64(network.receive.in_flight) == world.buffers
    return seen


def begin(world: World, network: Network) -> None:
    assert network.begin(world.pages[:], u32(world.chance.next(16))) is None, "a device that does nothing wrong"


def use(world: World, network: Network, now: u64) -> None:
    """A frame or a buffer, if there is room for one."""
    number = usize(world.chance.next(FRAMES))
    if world.chance.next(2) == 0:
        if network.send_room(2) != 0 and not world.out[number]:
            offload = Offload(34, 6, 0, 0) if world.chance.next(2) == 0 else Offload()
            address = BUFFERS_AT + u64(number) * ROOM
            if world.chance.next(4) == 0:
                network.put_frame(u32(number), offload)
                network.frame_part(address, 30)
                network.frame_part(address + 30, 30)
                network.commit_frame(now)
            else:
                network.put_frame_at(u32(number), offload, address, 60, now)
            world.out[number] = True
            world.frames += 1
    else:
        number += FRAMES
        if network.receive_room() != 0 and not world.out[number]:
            address = BUFFERS_AT + u64(number) * ROOM
            if world.chance.next(4) == 0:
                network.put_buffer(u32(number))
                network.buffer_part(address, ROOM // 2)
                network.buffer_part(address + ROOM // 2, ROOM // 2)
                network.commit_buffer()
            else:
                network.put_buffer_at(u32(number), address, ROOM)
            world.out[number] = True
            world.buffers += 1
    if world.chance.next(3) != 0:
        network.hand_over()


def answer(world: World, network: Network) -> None:
    """One of the device's, right, nearly right, or anything."""
    step, word = world.chance.next(64), world.chance.word()
    world.registers.interrupt_status = mmio.USED
    match step:
        case 0:
            world.send.lie(network.send, world.chance.next(4), word)
        case 1:
            world.receive.lie(network.receive, world.chance.next(4), word)
        case 2:
            world.registers.interrupt_status = word % 4
            world.config.mtu, world.config.status = truncate(u16, word), u16(word >> 16 & 1)
        case 3:
            world.page[usize(word % 4096)] = truncate(u8, word >> 16)
        case _ if step < 32:
            world.send.listen(network.send.size)
            if world.send.count != 0:
                head = world.send.pick(usize(world.chance.next(u64(world.send.count))))
                world.send.give_back(network.send.size, u32(head), 0)
        case _:
            world.receive.listen(network.receive.size)
            if world.receive.count != 0:
                length = 14 + word % 1500 if world.chance.next(100) != 0 else word % (2 * ROOM)
                world.receive.give_back(network.receive.size, u32(world.receive.first()), length)


def listen(world: World, network: Network, seen: Seen, now: u64) -> Seen:
    """The driver's turn."""
    broken = network.interrupted() is not None
    while not broken:
        sent = network.next_sent(now)
        if sent is None:
            break
        if isinstance(sent, Broken):
            broken = True
        else:
            world.back(sent, True)
            seen = replace(seen, sent=seen.sent + 1)
    while not broken:
        came = network.next_received()
        if came is None:
            break
        if isinstance(came, Broken):
            broken = True
        else:
            world.back(came.token, False)
            seen = replace(seen, came=seen.came + 1)
            if came.first:
                header = wire_view(Header, world.header[:12])
                word = world.chance.word()
                header.flags, header.kind = truncate(u8, word), truncate(u8, word >> 8 & 3)
                odd = world.chance.next(50) == 0
                header.buffers = truncate(u16, word >> 16) if odd else 1 + u16(word >> 12 & 1)
                meaning = network.read(header)
                if isinstance(meaning, Broken):
                    seen = replace(seen, refused=seen.refused + 1)
                    broken = True
                else:
                    assert u64(meaning.left) <= world.buffers, "more buffers than there are"
                    seen = replace(seen, joined=seen.joined + (1 if meaning.left != 0 else 0))
    world.registers.interrupt_status = 0
    if not broken:
        _ = network.may_sleep()
        return seen
    world.settle()
    begin(world, network)
    for number in range(SIZE):
        frame = network.lost_frame(number)
        if frame is not None:
            world.back(frame, True)
        buffer = network.lost_buffer(number)
        if buffer is not None:
            world.back(buffer.token, False)
    return replace(seen, resets=seen.resets + 1)
