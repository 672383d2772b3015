"""Messages of an interface, posted into a ring and taken out of it, in one process: what both sides execute for each.

Nobody sleeps, so the kernel isn't entered.
"""

from __future__ import annotations

from typing import Protocol

from neokernel.abi.boot import OWN_CONTEXT, OWN_SPACE, PROCESSOR
from neokernel.abi.rights import READ, WRITE
from neokernel.lang import Posts, Takes, interface, posts, struct, takes, u32, u64, usize
from neokernel.runtime import system
from neokernel.runtime.lend import Lent
from neokernel.runtime.must import must
from neokernel.runtime.process import Process
from neokernel.runtime.ring import Broken
from neokernel.runtime.space import map_new
from neokernel.runtime.system import Failure

RING = 0x3B_0000_0000
PAGES = 2
#: messages of which a report is the mean, and how many go in one go
ROUNDS: u64 = 64
BATCH: u64 = 64
#: no budget ends before, in the machine's time
SECONDS = 1000
PRIORITY = 128


@interface
class Samples(Protocol):
    def add(self, sensor: u32, value: u64) -> Failure | None: ...

    def reset(self) -> Failure | None: ...


@struct
class Sum:
    total: u64 = 0

    def add(self, sensor: u32, value: u64) -> None:
        self.total += value + u64(sensor)

    def reset(self) -> None:
        self.total = 0


def main(process: Process) -> None:
    ticks = process.frequency * SECONDS
    must(system.configure(process.buffer, PROCESSOR, PRIORITY, ticks, ticks, OWN_CONTEXT))
    must(map_new(process, OWN_SPACE, process.memory, RING, READ | WRITE, PAGES))
    memory = Lent(RING, usize(8192))
    out: Posts[Samples] = posts(memory, 0)
    into: Takes[Samples] = takes(memory, 0)
    result = Sum()
    posting: u64 = 0
    taking: u64 = 0
    for round in range(ROUNDS):
        before = system.instructions()
        for number in range(BATCH):
            must(out.add(7, number))
        between = system.instructions()
        taken = into.take(result, u32(BATCH))
        after = system.instructions()
        assert not isinstance(taken, Broken) and u64(taken) == BATCH
        if round != 0:
            posting += between - before
            taking += after - between
    assert result.total == ROUNDS * (BATCH * 7 + BATCH * (BATCH - 1) // 2)
    count = (ROUNDS - 1) * BATCH
    process.console.write(f"= post {(posting + count // 2) // count}\n= take {(taking + count // 2) // count}\n")
