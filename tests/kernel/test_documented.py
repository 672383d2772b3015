"""The failures that the reference manual lists are those that the kernel's tests reach: none is missing on either side.

One half is here: whatever is listed stands in a table of `test_operations.py`, where it is brought about. The other
half is in `support.py`: no call of any test ends with what isn't listed.
"""

from __future__ import annotations

from neokernel.abi.call import Call
from neokernel.abi.operations import Operation
from neokernel.abi.status import TRAVELLING, WINDOW, Status
from neokernel.cli.failures import EXCLUDED
from neokernel.kernel.objects import State
from tests.kernel.support import documentation, documented
from tests.kernel.test_operations import (
    ANSWERING,
    BAD_CALLS,
    DEADLINE_ON_BORROWED_TIME,
    MESSAGES,
    REFUSALS,
    SENDING,
)

Reached = tuple[str, str, int]


def reached(name: str, status: Status, argument: int) -> Reached:
    """Capabilities that travel are listed as one argument."""
    return name, status.name, int(TRAVELLING) if TRAVELLING <= argument < WINDOW else argument


def listed(found: dict[str, list[tuple[str, int | None]]]) -> set[tuple[str, str, int | None]]:
    return {(name, *each) for name, own in found.items() for each in own}


def test_every_listed_failure_of_an_operation_is_reached() -> None:
    found = documentation()
    cases = {reached(case.operation.name, case.status, case.argument) for case in REFUSALS}
    assert listed(found.operations) - cases == set()
    # Those that any operation can have, or are of the call: each by some operation.
    general = {each[1:] for each in cases - listed(found.operations)}
    calls = {(case.status.name, case.argument) for case in BAD_CALLS if case.number is Call.CALL}
    assert general == {("MISSING_RIGHT", 0), ("WRONG_KIND", 0), ("NO_CAPABILITY", 0), ("NO_BUFFER", 1)}
    assert set(found.invocation) <= general | calls


def test_every_listed_failure_of_a_call_is_reached() -> None:
    cases = {reached(case.number.name, case.status, case.argument) for case in BAD_CALLS}
    cases |= {
        reached(number.name, status, argument) for number in (*SENDING, *ANSWERING) for *_, status, argument in MESSAGES
    }
    number, status, argument = DEADLINE_ON_BORROWED_TIME
    cases.add(reached(number.name, status, argument))
    assert listed(documentation().calls) == cases


def test_what_is_excluded_isnt_listed() -> None:
    """`test_operations.py` would notice if it were reached."""
    for name, failures in EXCLUDED.items():
        made = Call[name] if name in Call.__members__ else Operation[name]
        for status, argument in failures:
            assert argument is not None and not documented(made, Status[status], argument)


def test_what_ends_a_wait_is_listed() -> None:
    """`NO_CAPABILITY` is of an operation in steps whose capability goes meanwhile."""
    assert {name for name, _ in documentation().later} == {
        Status.CANCELLED.name,
        Status.PEER_DIED.name,
        Status.TIMED_OUT.name,
        Status.WRONG_STATE.name,
        Status.NO_CAPABILITY.name,
    }


def test_states_of_threads_are_as_thread_info_says() -> None:
    assert [state.name for state in sorted(State, key=lambda each: int(each.value))] == [
        "STOPPED",
        "RUNNABLE",
        "SENDING",
        "CALLING",
        "RECEIVING",
        "REPLIED",
        "WAITING",
        "DISPATCHING",
    ]
