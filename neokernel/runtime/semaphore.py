"""A counting semaphore between the threads of a process: nobody enters the kernel while nobody must wait.

`count` is what can be taken; below 0, its amount is the number of threads that wait. They are woken by a counting
notification, first come, first served, and what was given is theirs: nobody overtakes them.
"""

from __future__ import annotations

from neokernel.abi.kinds import Kind
from neokernel.abi.status import Status
from neokernel.lang import Atomic, Order, i64, struct, u32, u64
from neokernel.runtime import system
from neokernel.runtime.mutex import COUNTER
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure


@struct
class Semaphore:
    """`begin` comes first."""

    count: Atomic[i64] = Atomic(0)
    notification: u64 = 0

    def begin(self, process: Process, count: u32) -> Failure | None:
        made = process.make(Kind.NOTIFICATION, COUNTER)
        if isinstance(made, Failure):
            return made
        self.notification = made
        self.count.store(i64(count))
        return None

    def take(self) -> None:
        """Take one, wait until there is one."""
        if self.count.fetch_sub(1, Order.ACQUIRE) > 0:
            return
        while True:
            taken = system.wait(self.notification)
            if not isinstance(taken, Failure):
                return
            assert taken.status is Status.CANCELLED, "the semaphore's notification has gone"

    def try_take(self) -> bool:
        """Take one if there is one."""
        while True:
            count = self.count.load(Order.RELAXED)
            if count <= 0:
                return False
            if self.count.compare_exchange(count, count - 1, Order.ACQUIRE):
                return True

    def give(self) -> None:
        """Give one, to who has waited longest."""
        if self.count.fetch_add(1, Order.RELEASE) < 0:
            assert system.signal(self.notification) is None, "the semaphore's notification has gone"
