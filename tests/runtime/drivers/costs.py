"""What containers cost: each function does one operation `count` times, on ordinary contents.

The difference between many and few rounds, divided, is the cost of one with its loop.
"""

from neokernel.lang import Array, Embedded, array, struct, u8, u64, usize
from neokernel.runtime.arena import Arena
from neokernel.runtime.hashing import Number, Seed, TrustedNumber, hash_bytes
from neokernel.runtime.map import Map
from neokernel.runtime.ring import Broken, Ring, RingMemory, Role, Word, receive, send
from neokernel.runtime.vec import Full, Vec

SEED = Seed(0x0123456789ABCDEF, 0xFEDCBA9876543210)
ROUNDS = 448
MULTIPLIER = 0x9E3779B1


@struct
class Work:
    """`count` rounds are done. What is here is seen from outside, so nothing is optimised away."""

    count: usize = 0
    sum: u64 = 0
    words: Embedded[Vec[u64]] = Vec(slots=array(512))


@struct
class Tables:
    """Not on the stack: they are large."""

    numbers: Embedded[Map[Number, u64]] = Map(seed=SEED, slots=array(512))
    trusted: Embedded[Map[TrustedNumber, u64]] = Map(seed=SEED, slots=array(512))


def loop(work: Work) -> None:
    """Nothing: the cost of the loop itself."""
    for index in range(work.count):
        work.sum ^= index * MULTIPLIER


def vec_push(work: Work) -> None:
    for index in range(work.count):
        if work.words.push(index * MULTIPLIER) is not None:
            work.sum += 1


def vec_pop(work: Work) -> None:
    work.words.size = 512
    for _ in range(work.count):
        item = work.words.pop()
        if item is not None:
            work.sum ^= item


def vec_get(work: Work) -> None:
    work.words.size = 512
    for index in range(work.count):
        work.sum ^= work.words[index * 5 % 512]


def map_insert(work: Work) -> None:
    tables = Tables()
    for index in range(work.count):
        if tables.numbers.insert(Number(index * MULTIPLIER), index) is not None:
            work.sum += 1


def map_insert_trusted(work: Work) -> None:
    tables = Tables()
    for index in range(work.count):
        if tables.trusted.insert(TrustedNumber(index * MULTIPLIER), index) is not None:
            work.sum += 1


def map_get(work: Work) -> None:
    tables = Tables()
    for index in range(ROUNDS // 2):
        _ = tables.numbers.insert(Number(u64(index) * MULTIPLIER), u64(index))
    for index in range(work.count):
        found = tables.numbers.get(Number(index // 2 * MULTIPLIER))
        if found is not None:
            work.sum ^= found


def map_get_trusted(work: Work) -> None:
    tables = Tables()
    for index in range(ROUNDS // 2):
        _ = tables.trusted.insert(TrustedNumber(u64(index) * MULTIPLIER), u64(index))
    for index in range(work.count):
        found = tables.trusted.get(TrustedNumber(index // 2 * MULTIPLIER))
        if found is not None:
            work.sum ^= found


def map_remove_insert_trusted(work: Work) -> None:
    tables = Tables()
    for index in range(ROUNDS // 2):
        _ = tables.trusted.insert(TrustedNumber(u64(index) * MULTIPLIER), u64(index))
    for index in range(work.count):
        found = tables.trusted.remove(TrustedNumber(index // 2 * MULTIPLIER))
        if found is not None:
            work.sum ^= found
        _ = tables.trusted.insert(TrustedNumber(index // 2 * MULTIPLIER), index)


def hash_number(work: Work) -> None:
    for index in range(work.count):
        work.sum ^= Number(index * MULTIPLIER).hash(SEED)


def hash_64_bytes(work: Work) -> None:
    data: Array[u8] = array(64, 7)
    for index in range(work.count):
        data[0] = u8(index & 0xFF)
        work.sum ^= hash_bytes(SEED, data.bytes())


def ring_one_by_one(work: Work) -> None:
    memory: RingMemory[Word] = RingMemory(slots=array(64))
    producer: Ring[Word] = Ring(role=Role.PRODUCER, own=memory.producer, peer=memory.consumer, slots=memory.slots)
    consumer: Ring[Word] = Ring(role=Role.CONSUMER, own=memory.consumer, peer=memory.producer, slots=memory.slots)
    attached = producer.attach() is None and consumer.attach() is None
    assert attached, "rings of zeroes"
    for index in range(work.count):
        free = producer.available(1)
        assert not isinstance(free, Broken) and free != 0, "the consumer has taken all"
        producer.slot(0).value = index
        if producer.advance(1):
            work.sum += 1
        ready = consumer.available(1)
        assert not isinstance(ready, Broken) and ready != 0, "the producer has just handed one over"
        work.sum ^= consumer.slot(0).value
        if consumer.advance(1):
            work.sum += 1


def ring_batches_of_32(work: Work) -> None:
    """One round is one word of a batch."""
    memory: RingMemory[Word] = RingMemory(slots=array(64))
    producer: Ring[Word] = Ring(role=Role.PRODUCER, own=memory.producer, peer=memory.consumer, slots=memory.slots)
    consumer: Ring[Word] = Ring(role=Role.CONSUMER, own=memory.consumer, peer=memory.producer, slots=memory.slots)
    attached = producer.attach() is None and consumer.attach() is None
    assert attached, "rings of zeroes"
    words: Array[u64] = array(32, 5)
    for _ in range(work.count // 32):
        sent = send(producer, words.view())
        received = receive(consumer, words)
        assert not isinstance(sent, Broken) and not isinstance(received, Broken), "both ends are right"
        work.sum += u64(received.count)


def arena_allocate(work: Work) -> None:
    memory: Array[u8] = array(8192)
    arena = Arena(memory=memory)
    for index in range(work.count):
        piece = arena.allocate(index & 15, 8)
        if not isinstance(piece, Full):
            work.sum += len(piece)
