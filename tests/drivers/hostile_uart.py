"""A 16550 that says anything, and its driver: in every reading.

What must hold is asserted: the driver has received what the device said, in order, as far as there was room; what
finds no room, or is broken, is counted; all that is written is sent, in order; the transmitter's interrupt is on just
while something is to be sent; and nothing makes a check of the driver's fail. The device says one thing for as long as
a call of the driver lasts, so one that claims to have a byte does so without end.
"""

from __future__ import annotations

from neokernel.drivers.uart16550 import (
    BREAK,
    DATA_READY,
    DEPTH,
    EIGHT_BITS,
    ENABLE_RECEIVER,
    ENABLE_TRANSMITTER,
    FRAMING_ERROR,
    OVERRUN,
    PARITY_ERROR,
    QUEUES_ON,
    READY,
    RECEIVED,
    SENT,
    TAKEN,
    TRANSMITTER_EMPTY,
    Registers,
    Uart,
)
from neokernel.lang import Array, Embedded, array, replace, struct, truncate, u8, u64, usize, value
from tests.drivers.hostile import Chance

#: bytes that are written at a time, at most: more than can be sent meanwhile, or fewer; that are read: fewer than come
MOST: usize = 512
FEW: usize = 24
MOST_READ: u64 = 48


@value
class Seen:
    """What a walk has come across: registers that were read, bytes, and lives of the driver."""

    answers: u64 = 0
    received: u64 = 0
    dropped: u64 = 0
    broken: u64 = 0
    overruns: u64 = 0
    sent: u64 = 0
    refused: u64 = 0
    begun: u64 = 0


@struct
class World:
    chance: Embedded[Chance]
    #: bytes that are written at a time, at most
    most: usize
    registers: Embedded[Registers] = Registers()
    #: what was received and not read, a ring
    waiting: Array[u8] = array(RECEIVED, 0)
    first: usize = 0
    count: usize = 0
    #: bytes that were ever written, each of which is one more than the one before, and sent
    written: u64 = 0
    sent: u64 = 0
    buffer: Array[u8] = array(MOST)


def walk(seed: u64, steps: u64) -> Seen:
    """So many calls of the driver, at random."""
    world = World(chance=Chance(state=seed), most=MOST if seed % 2 == 0 else FEW)
    uart = Uart(registers=world.registers)
    seen = Seen(begun=1)
    uart.begin()
    for _ in range(steps):
        world.registers.line_status = truncate(u8, world.chance.word())
        world.registers.data = truncate(u8, world.chance.word() >> 8)
        kind = world.chance.next(16)
        if kind == 0:
            begin(world, uart)
            seen = replace(seen, begun=seen.begun + 1)
        elif kind < 5:
            seen = replace(seen, refused=seen.refused + write(world, uart))
        elif kind == 5:
            read(world, uart)
        else:
            seen = serve(world, uart, seen)
        assert u64(len(uart.to_send)) == world.written - world.sent, "a byte is lost on its way out"
        assert len(uart.received) == world.count
        sends = world.registers.enable & ENABLE_TRANSMITTER != 0
        assert sends == (len(uart.to_send) != 0) and world.registers.enable & ENABLE_RECEIVER != 0
    return replace(seen, sent=world.sent)


def begin(world: World, uart: Uart) -> None:
    """The driver sets the device up again, with whatever it has in its registers."""
    registers = world.registers
    registers.enable, registers.line_control = truncate(u8, world.chance.word()), truncate(u8, world.chance.word() >> 8)
    registers.identity, registers.modem_control = registers.enable, registers.line_control
    uart.begin()
    assert registers.line_control == EIGHT_BITS and registers.identity == QUEUES_ON
    assert registers.modem_control == READY


def write(world: World, uart: Uart) -> u64:
    """Bytes to be sent; how many found no room."""
    count = usize(world.chance.next(u64(world.most) + 1))
    for place in range(count):
        world.buffer[place] = truncate(u8, world.written + u64(place))
    room = usize(SENT) - len(uart.to_send)
    taken = uart.write(world.buffer[:count].bytes())
    assert taken == min(room, count)
    world.written += u64(taken)
    return u64(count - taken)


def read(world: World, uart: Uart) -> None:
    count = usize(world.chance.next(MOST_READ + 1))
    taken = uart.read(world.buffer[:count])
    assert taken == min(count, world.count)
    for place in range(taken):
        assert world.buffer[place] == world.waiting[(world.first + place) % RECEIVED], "bytes come in order"
    world.first = (world.first + taken) % RECEIVED
    world.count -= taken


def serve(world: World, uart: Uart, seen: Seen) -> Seen:
    """An interrupt, or none."""
    status, byte = world.registers.line_status, world.registers.data
    before = replace(
        seen, dropped=uart.dropped, broken=uart.errors + uart.breaks, overruns=uart.overruns, received=u64(world.count)
    )
    pending = len(uart.to_send)
    uart.serve()
    looks: u64 = TAKEN if status & (DATA_READY | BREAK) != 0 else 1
    came: u64 = TAKEN if status & (DATA_READY | BREAK) != 0 else 0
    assert uart.overruns - before.overruns == (looks if status & OVERRUN != 0 else 0)
    wrong = status & (BREAK | PARITY_ERROR | FRAMING_ERROR) != 0
    assert uart.errors + uart.breaks - before.broken == (came if wrong else 0)
    kept = min(u64(RECEIVED) - before.received, came) if not wrong else u64(0)
    assert uart.dropped - before.dropped == (0 if wrong else came - kept), "what is lost is counted"
    for place in range(usize(kept)):
        world.waiting[(world.first + world.count + place) % RECEIVED] = byte
    world.count += usize(kept)
    answers = looks + came
    if pending != 0:
        answers += 1
        if status & TRANSMITTER_EMPTY != 0:
            world.sent += u64(min(pending, usize(DEPTH)))
            assert world.registers.data == truncate(u8, world.sent - 1), "the last byte that was to be sent"
    return replace(
        seen,
        answers=seen.answers + answers,
        received=seen.received + kept,
        dropped=uart.dropped,
        broken=uart.errors + uart.breaks,
        overruns=uart.overruns,
    )
