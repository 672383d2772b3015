"""How an operation ends, as a word: a failure's message word, or one of these. And the answers it leaves behind.

Invariant: they differ from all message words that `failure` makes, and from 0, which is success without payload.
"""

from neokernel.abi.denials import CALL_MASK, KEPT_DENIALS, is_denial
from neokernel.kernel.objects import Thread
from neokernel.lang import cold, u64, wrapping_add

#: a step is done, others are left: the call is entered again, after interrupts were served
AGAIN = 1
#: the caller waits; its answer comes later
BLOCKED = 2
#: the answer is in the caller's registers
ANSWERED = 3


def give_answer(thread: Thread, badge: u64, word: u64) -> None:
    """The result of a system call without payload."""
    registers = thread.registers
    registers.a0 = badge
    registers.a1 = word
    registers.a2 = 0
    registers.a3 = 0
    registers.a4 = 0
    registers.a5 = 0


@cold
def fail(thread: Thread, outcome: u64) -> None:
    """The result of a system call that has failed."""
    keep_denial(thread, outcome)
    give_answer(thread, 0, outcome)


def keep_denial(thread: Thread, outcome: u64) -> None:
    """If the thread's call was denied, count that in its table, and keep it in the place of the oldest that is kept."""
    if is_denial(outcome):
        table, registers = thread.table, thread.registers
        place = table.denials[table.denied % KEPT_DENIALS]
        table.denied = wrapping_add(table.denied, 1)
        place.capability = registers.a0
        place.word = registers.a1
        place.outcome = outcome | (registers.a7 & CALL_MASK)


def answer(thread: Thread, badge: u64, w0: u64, w1: u64, w2: u64, w3: u64) -> u64:
    """Success, with results."""
    registers = thread.registers
    registers.a0 = badge
    registers.a1 = 0
    registers.a2 = w0
    registers.a3 = w1
    registers.a4 = w2
    registers.a5 = w3
    return ANSWERED
