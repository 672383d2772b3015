"""Drives queues: one of words, one of bytes."""

from neokernel.lang import Array, Embedded, array, struct, u8, u32, u64, usize, wrapping_add, wrapping_mul
from neokernel.runtime.queue import Queue, pop_bytes, push_bytes
from tests.runtime.drivers.work import FULL, NOTHING, Work

CAPACITY = 5
LONGEST = 8


@struct
class Queues:
    words: Embedded[Queue[u32]] = Queue(slots=array(CAPACITY))
    octets: Embedded[Queue[u8]] = Queue(slots=array(CAPACITY))


def perform(queues: Queues, operation: u64, place: usize, number: u64) -> u64:
    words, octets = queues.words, queues.octets
    buffer: Array[u8] = array(LONGEST)
    count = place % (LONGEST + 1)
    match operation:
        case 0:
            return FULL if words.push(u32(number)) is not None else 0
        case 1:
            popped = words.pop()
            return NOTHING if popped is None else u64(popped)
        case 2:
            head = words.head()
            return NOTHING if head is None else u64(head)
        case 3:
            return words.room() * 16 + len(words)
        case 4:
            words.clear()
            return 0
        case 5:
            for index in range(LONGEST):
                buffer[index] = u8((number + index) % 256)
            return push_bytes(octets, buffer[:count].bytes())
        case 6:
            taken = pop_bytes(octets, buffer[:count])
            found = u64(taken)
            for octet in buffer:
                found = wrapping_add(wrapping_mul(found, 257), u64(octet))
            return found
        case _:
            popped_octet = octets.pop()
            return NOTHING if popped_octet is None else u64(popped_octet)


def run(work: Work) -> None:
    queues = Queues()
    for index in range(work.count):
        command = work.command(index)
        work.finish(perform(queues, command[0], command[1], command[2]))
