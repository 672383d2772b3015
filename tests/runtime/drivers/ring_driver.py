"""Drives both ends of a ring, and pokes into the shared memory as a hostile peer would."""

from neokernel.lang import Array, array, u32, u64, usize, wrapping_add, wrapping_mul
from neokernel.runtime.ring import Broken, Moved, Ring, RingMemory, Role, Word, receive, send
from tests.runtime.drivers.work import BROKEN, Work

SLOTS = 4


def moved_outcome(moved: Moved | Broken) -> u64:
    if isinstance(moved, Broken):
        return BROKEN
    return u64(moved.count) + (1 << 8 if moved.notify else 0)


def poke(memory: RingMemory[Word], cell: u64, number: u32) -> None:
    """Write a cell of the shared memory."""
    match cell % 5:
        case 0:
            memory.producer.index.store(number)
        case 1:
            memory.producer.wake_at.store(number)
        case 2:
            memory.consumer.index.store(number)
        case 3:
            memory.consumer.wake_at.store(number)
        case _:
            memory.slots[usize(number) % SLOTS].value = u64(number)


def nudge(memory: RingMemory[Word], cell: u64, by: u32) -> None:
    """Move an index a little: more likely to be believed."""
    if cell % 2 == 0:
        _ = memory.producer.index.fetch_add(by)
    else:
        _ = memory.consumer.index.fetch_add(by)


def attach(ring: Ring[Word]) -> u64:
    return 0 if ring.attach() is None else BROKEN


def perform(
    memory: RingMemory[Word], producer: Ring[Word], consumer: Ring[Word], operation: u64, operand: u64, number: u64
) -> u64:
    match operation:
        case 0:
            words: Array[u64] = array(6)
            for place in range(len(words)):
                words[place] = number + place
            return moved_outcome(send(producer, words[: operand % 7].view()))
        case 1:
            into: Array[u64] = array(6)
            moved = receive(consumer, into[: operand % 7])
            found: u64 = 0
            if not isinstance(moved, Broken):
                for place in range(usize(moved.count)):
                    found = wrapping_add(wrapping_mul(found, 31), into[place])
            return moved_outcome(moved) ^ (found & 0xFFFF_FFFF) << 12
        case 2 | 3:
            refused = (producer if operation == 2 else consumer).may_sleep(u32(operand % SLOTS) + 1)
            if isinstance(refused, Broken):
                return BROKEN
            return 1 if refused else 0
        case 4:
            for cell in range(u64(4)):
                poke(memory, cell, u32(number))
            return 1 if attach(producer) == 0 and attach(consumer) == 0 else 0
        case 5:
            poke(memory, operand, u32(number))
            return 0
        case 6:
            nudge(memory, operand, u32(number))
            return 0
        case _:
            return attach(producer if operand % 2 == 0 else consumer)


def run(work: Work) -> None:
    """Perform the commands."""
    memory: RingMemory[Word] = RingMemory(slots=array(SLOTS))
    producer: Ring[Word] = Ring(role=Role.PRODUCER, own=memory.producer, peer=memory.consumer, slots=memory.slots)
    consumer: Ring[Word] = Ring(role=Role.CONSUMER, own=memory.consumer, peer=memory.producer, slots=memory.slots)
    for index in range(work.count):
        command = work.command(index)
        work.finish(perform(memory, producer, consumer, command[0], command[1], command[2]))
