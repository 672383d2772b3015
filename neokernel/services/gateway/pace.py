"""Work that anybody outside can ask for, and that takes long: a step at a time, and as much time for others as it took.

    turn = Turn(executor=executor, pace=pace)
    while more:
        async with turn:
            more = …                    # one step

The gateway is more urgent than models and operators, who would wait for as long as it works. So behind each step there
is none for as long as that one took. Who has such work takes turns: first come, first served, a step each.

Invariants: `served` is at most `given`; of the steps, one at most is being done, by who has the number `served`. So it
takes half of any time at most, however many have such work.
"""

from __future__ import annotations

from neokernel.lang import pause, struct, u64
from neokernel.runtime import system
from neokernel.runtime.executor import Executor

#: the executor's signal that it is another one's turn
NEXT = 2


@struct
class Pace:
    #: numbers that were given out, and whose turn it is
    given: u64 = 0
    served: u64 = 0
    #: until when the last step has others go on
    until: u64 = 0


@struct
class Turn:
    """Of one who has such work."""

    executor: Executor
    pace: Pace
    #: when its step has begun
    begun: u64 = 0

    async def __aenter__(self) -> None:
        number = self.pace.given
        self.pace.given += 1
        while self.pace.served != number:
            self.executor.watch(NEXT)
            await pause()
        await self.executor.sleep_until(self.pace.until)
        self.begun = system.now()

    async def __aexit__(self, *_: object) -> None:
        end = system.now()
        self.pace.until = end + (end - self.begun)
        self.pace.served += 1
        self.executor.signal(NEXT)
