"""A mutex between the threads of a process: nobody enters the kernel while nobody waits.

`state` counts the thread that has the mutex and those that wait. A counting notification wakes one waiter for each
signal, first come, first served, and the mutex is handed over with the signal: nobody overtakes a waiter. What was
done before a signal is seen after the wait that took it, as the kernel comes between.

Priorities: a mutex has a *ceiling*, the highest priority of the threads that use it. A thread below it has the ceiling
as its floor while it holds the mutex (immediate ceiling: Sha, Rajkumar, Lehoczky, "Priority inheritance protocols",
1990). So a thread waits for one critical section of less urgent ones at most, and threads of the ceiling's priority
take a free mutex without entering the kernel. A ceiling of 0 means that priorities don't matter: no thread's floor
changes. The floor is that of the thread's `Process`; mutexes nest, and are given back in the opposite order.

Invariants: `state` is 0 exactly if the mutex is free; signals sent and not yet taken are at most state - 1.
"""

from __future__ import annotations

from neokernel.abi.boot import PROCESSOR
from neokernel.abi.kinds import Kind
from neokernel.abi.status import Status
from neokernel.lang import Atomic, Order, struct, u32, u64
from neokernel.runtime import system
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure

#: what is signalled and waited for: a counting notification
COUNTER = 1


@struct
class Mutex:
    """`begin` comes first."""

    state: Atomic[u32] = Atomic(0)
    notification: u64 = 0
    ceiling: u64 = 0
    #: the holder's floor before it took the mutex
    floor: u64 = 0

    def begin(self, process: Process, ceiling: u64 = 0) -> Failure | None:
        made = process.make(Kind.NOTIFICATION, COUNTER)
        if isinstance(made, Failure):
            return made
        self.notification = made
        self.ceiling = ceiling
        return None

    def lock(self, process: Process) -> None:
        """Take the mutex, wait until it is free. `process` is the calling thread's."""
        before = process.floor
        raised = self.ceiling > max(before, process.priority)
        if raised:
            self.set_floor(process, self.ceiling)
        if self.state.fetch_add(1, Order.ACQUIRE) != 0:
            self.wait()
        self.floor = before

    def try_lock(self, process: Process) -> bool:
        """Take the mutex if it is free."""
        before = process.floor
        raised = self.ceiling > max(before, process.priority)
        if raised:
            self.set_floor(process, self.ceiling)
        if self.state.compare_exchange(0, 1, Order.ACQUIRE):
            self.floor = before
            return True
        if raised:
            self.set_floor(process, before)
        return False

    def unlock(self, process: Process) -> None:
        """Give the mutex back, to who has waited longest."""
        before = self.floor
        if self.state.fetch_sub(1, Order.RELEASE) != 1:
            # The one that the signal wakes has the mutex from now on.
            assert system.signal(self.notification) is None, "the mutex's notification has gone"
        if process.floor != before:
            self.set_floor(process, before)

    # --- inside ---------------------------------------------------------------------------------------------------

    def wait(self) -> None:
        """Until the mutex is handed over. A suspension ends the kernel's wait, but not our place in the count."""
        while True:
            taken = system.wait(self.notification)
            if not isinstance(taken, Failure):
                return
            assert taken.status is Status.CANCELLED, "the mutex's notification has gone"

    def set_floor(self, process: Process, floor: u64) -> None:
        failure = system.set_floor(process.buffer, PROCESSOR, floor, process.thread)
        assert failure is None, "a mutex with a ceiling needs a processor capability that reaches it"
        process.floor = floor
