"""A victim: asks the hostile service, and believes what it can be: a value of the type, or a failure."""

from __future__ import annotations

from contracts import Bait, Mood

from neokernel.abi.status import Status
from neokernel.lang import Uses, u64, uses
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure

bait: Uses[Bait] = uses()


def main(process: Process) -> None:
    number: u64 = 0
    while True:
        number += 1
        answer = bait.ask(number)
        if isinstance(answer, Failure):
            # A server can't say what only the kernel says.
            assert answer.status is not Status.NO_CAPABILITY and answer.status is not Status.TIMED_OUT
            assert answer.status is not Status.MISSING_RIGHT and answer.status is not Status.WRONG_STATE
        elif isinstance(answer, Mood):
            assert answer is Mood.CALM or answer is Mood.CROSS
        else:
            assert u64(answer.small) <= 0xFF and (answer.mood is Mood.CALM or answer.mood is Mood.CROSS)
