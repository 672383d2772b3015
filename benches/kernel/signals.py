"""System calls that move no message: a poll, giving way, signals.

The other thread is a second process of this program; what it does in user mode is subtracted, by its own readings.
"""

from __future__ import annotations

from support import ABOVE, EQUAL, ROUNDS, WARM, begin, give_up, grant, made, mean, run, settle, share, shared, timed

from neokernel.abi.call import NEVER, NOW, Call, status_of
from neokernel.abi.kinds import Kind
from neokernel.abi.status import Status
from neokernel.lang import u64
from neokernel.runtime.child import Child
from neokernel.runtime.process import Process

NAME = b"signals"

WAITS = 1
YIELDS = 2
#: places in the shared page
BEFORE = 0
AFTER = 1
USER = 2


def main(process: Process) -> None:
    if not process.is_root:
        if process.arguments[0] == WAITS:
            wait(process.arguments[1])
        give_way(process)
        return
    settle(process)
    page = share(process)
    notification = made(process, "notification", process.make(Kind.NOTIFICATION))
    poll(process, notification)
    signal(process, notification)
    waiter = Child()
    begin(process, waiter, NAME, page)
    there = grant(process, waiter, "notification", notification)
    run(process, waiter, ABOVE, WAITS, there)
    wake(process, notification)
    other = Child()
    begin(process, other, NAME, made(process, "copy", process.derive(page, 3)))
    run(process, other, EQUAL, YIELDS)
    exchange(process)
    process.exit()


def poll(process: Process, notification: u64) -> None:
    """The cheapest system call: is there a signal? No."""
    total: u64 = 0
    for round in range(u64(0), u64(ROUNDS + WARM)):
        got = timed(Call.WAIT, notification, 0, NOW)
        if status_of(got.word) != u64(Status.TIMED_OUT.value):
            give_up(process, "poll", got.word)
        if round >= WARM:
            total += got.cost()
    mean(process, "poll", total)


def signal(process: Process, notification: u64) -> None:
    """Nobody waits."""
    total: u64 = 0
    for round in range(u64(0), u64(ROUNDS + WARM)):
        got = timed(Call.SIGNAL, notification, 0)
        taken = timed(Call.WAIT, notification, 0, NOW)
        if status_of(got.word) != 0 or taken.badge != 1:
            give_up(process, "signal", got.word)
        if round >= WARM:
            total += got.cost()
    mean(process, "signal", total)


def wake(process: Process, notification: u64) -> None:
    """A waiter of higher priority, in another address space: from the signaller's `ecall` to behind the waiter's."""
    page = shared()
    there: u64 = 0
    back: u64 = 0
    resumed: u64 = 0
    for round in range(u64(0), u64(ROUNDS + WARM)):
        page.put(AFTER, 0)
        got = timed(Call.SIGNAL, notification, 0)
        if status_of(got.word) != 0 or page.get(AFTER) == 0:
            give_up(process, "the waiter didn't run", got.word)
        if round >= WARM:
            there += page.get(AFTER) - got.before - 1
            back += resumed - page.get(BEFORE) - 1
        resumed = got.after
    mean(process, "signal_to_waiter", there)
    mean(process, "wait_to_signaller", back)


def wait(notification: u64) -> None:
    """Say when the signal came, and when this wait had begun."""
    page = shared()
    while True:
        got = timed(Call.WAIT, notification, 0, NEVER)
        page.put(AFTER, got.after)
        page.put(BEFORE, got.before)


def exchange(process: Process) -> None:
    """To a process of the same priority, and back; without what that does meanwhile."""
    page = shared()
    total: u64 = 0
    for round in range(u64(0), u64(ROUNDS + WARM)):
        got = timed(Call.YIELD, 0, 0)
        if round >= WARM:
            total += got.after - got.before - 1 - page.get(USER)
        if round >= WARM and page.get(USER) == 0:
            give_up(process, "nobody yields back", round)
    mean(process, "yield_and_back", total)


def give_way(process: Process) -> None:
    """Yield again and again; how much of it is user mode."""
    page = shared()
    got = timed(Call.YIELD, 0, 0)
    while True:
        arrived = got.after
        got = timed(Call.YIELD, 0, 0)
        page.put(USER, got.before - arrived + 1)
