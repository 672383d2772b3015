"""`must` and `must_get`: what ends a program, and that what the call has said can be read where the fault is.

What the machine says then is in the guides: `docs/guide/examples/pager.md`, `docs/guide/systems.md`.
"""

from __future__ import annotations

import pytest

from neokernel.abi.status import Status
from neokernel.lang import AssertionFailed, u64
from neokernel.runtime.must import SAID, must, must_get, what_was_said
from neokernel.runtime.process import Process
from neokernel.runtime.system import Failure
from neokernel.sim.loopback import Loopback

OCCUPIED = Failure(Status.OCCUPIED, u64(2))


def test_what_is_done_or_got_is_passed_on() -> None:
    must(None)
    assert must_get(u64(3)) == 3


def test_a_failure_ends_the_program() -> None:
    with pytest.raises(AssertionFailed):
        must(OCCUPIED)
    with pytest.raises(AssertionFailed):
        must_get(OCCUPIED)


def test_the_model_of_a_machine_says_what_the_call_said() -> None:
    with Loopback() as machine:
        process = machine.process(Process)
        with machine.running(process), pytest.raises(AssertionFailed, match=r"^the call said OCCUPIED of argument 2$"):
            must(OCCUPIED)


def test_every_status_can_be_read_and_nothing_else() -> None:
    for status in Status:
        expected = None if status is Status.OK else Failure(status, u64(7))
        assert what_was_said(SAID, u64(status.value), u64(7)) == expected
    for t3, t4 in ((SAID, len(Status)), (SAID, 2**64 - 1), (SAID - 1, 7), (0, 0)):
        assert what_was_said(u64(t3), u64(t4), u64(0)) is None
