"""The ring in shared memory (`neokernel/runtime/ring.py`): what a message costs both ends together, in user mode.

Both ends are in this process: what they execute doesn't depend on where the other is. No end sleeps, so nobody is
notified; what a notification costs, `signals.py` measures.
"""

from __future__ import annotations

from support import ROUNDS, WARM, give_up, mean, settle

from neokernel.lang import Array, Embedded, array, struct, u64, usize
from neokernel.runtime import system
from neokernel.runtime.process import Process
from neokernel.runtime.ring import Moved, Ring, RingMemory, Role, Word, receive, send

SLOTS = 256
BATCH = 64


@struct
class Area:
    memory: Embedded[RingMemory[Word]] = RingMemory(slots=array(SLOTS))
    sent: Array[u64] = array(BATCH)
    taken: Array[u64] = array(BATCH)


def main(process: Process) -> None:
    settle(process)
    area = Area()
    memory = area.memory
    producer = Ring(role=Role.PRODUCER, own=memory.producer, peer=memory.consumer, slots=memory.slots)
    consumer = Ring(role=Role.CONSUMER, own=memory.consumer, peer=memory.producer, slots=memory.slots)
    _ = producer.attach()
    _ = consumer.attach()
    measure(process, "ring_batch_1", area, producer, consumer, 1)
    measure(process, "ring_batch_64", area, producer, consumer, BATCH)
    process.exit()


def measure(process: Process, name: str, area: Area, producer: Ring[Word], consumer: Ring[Word], batch: usize) -> None:
    """Batches through the ring; each message is checked, outside what is counted."""
    total: u64 = 0
    for round in range(u64(0), u64(ROUNDS + WARM)):
        for place in range(batch):
            area.sent[place] = round * 1000 + place
        before = system.instructions()
        there = send(producer, area.sent[:batch].view())
        back = receive(consumer, area.taken[:batch])
        after = system.instructions()
        if not isinstance(there, Moved) or not isinstance(back, Moved) or u64(back.count) != batch:
            give_up(process, name, round)
            return
        for place in range(batch):
            if area.taken[place] != round * 1000 + place:
                give_up(process, "a wrong message", place)
        if round >= WARM:
            total += after - before - 1
    # In hundredths: a message costs few instructions.
    mean(process, name, total * 100, u64(ROUNDS) * batch)
