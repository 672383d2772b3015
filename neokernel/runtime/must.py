"""What can't fail, or leaves nothing else to do: `must(...)` for what is done, `must_get(...)` for what is got.

    endpoint = must_get(process.make(Kind.ENDPOINT))
    must(system.signal(notification))

A failure ends the program as a failed check does, and says what the call has said: the status and the argument stand in
the registers of the fault, where init and the host find them (`what_was_said`), so programs need no names of statuses
and no console. The traceback ends at the call. For what may well fail, test for `Failure`.
"""

from typing import NoReturn, TypeVar

from neokernel.abi.status import Status
from neokernel.lang import asm, cold, inline, u8, u64, unreachable, unsafe
from neokernel.runtime.system import Failure

unsafe("what a call has said is put into registers")

T = TypeVar("T")

#: `t3` of a fault that is the end by `must`: then `t4` is the status, `t5` what it is about
SAID: u64 = 0x5341_4944
#: their numbers among x1 to x31
T3 = 28
T4 = 29
T5 = 30


# Inlined, so that `fail` is called by who says `must`. On its own it would be a function that calls nothing that comes
# back, and such a one doesn't keep where it was called from: the traceback would lack that line.
@inline
def must(failure: Failure | None) -> None:
    """If it wasn't done, end the program."""
    if failure is not None:
        fail(failure)


@inline
def must_get(result: T | Failure) -> T:
    """What was got; if nothing was, end the program."""
    if isinstance(result, Failure):
        fail(result)
    return result


@cold
def fail(failure: Failure) -> NoReturn:
    asm("ebreak", SAID, u64(failure.status.value), failure.argument, inputs="t3 t4 t5")
    unreachable("who resumes it has changed where it goes on")


def what_was_said(t3: u64, t4: u64, t5: u64) -> Failure | None:
    """Of a program that has ended by a breakpoint: what the call said, if `must` has ended it."""
    if t3 != SAID or not 1 <= t4 <= u64(Status.NO_PROGRAM.value):
        return None
    return Failure(Status(u8(t4)), t5)
