"""The failures that the reference manual lists are those that the kernel's tests reach: none is missing on either side.

One half is here: whatever is listed stands in a table of `test_operations.py`, where it is brought about. The other
half is in `support.py`: no call of any test ends with what isn't listed. And of two mistakes, the one is told that the
manual lists first.
"""

from __future__ import annotations

import pytest

from neokernel.abi.call import NOW, Call
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding, Operation
from neokernel.abi.status import TRAVELLING, WINDOW, Status
from neokernel.arch import cpu
from neokernel.cli.failures import EXCLUDED
from neokernel.kernel.objects import State
from tests.kernel.support import documentation, documented
from tests.kernel.test_operations import (
    ANSWERING,
    BAD_CALLS,
    DEADLINE_ON_BORROWED_TIME,
    EMPTY,
    EVERYTHING,
    MESSAGES,
    REFUSALS,
    SENDING,
    Bench,
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


#: target, operation, words, what travels, and what is wrong with that
Case = tuple[str, Operation, tuple[int, ...], str | int | None, set[tuple[str, int | None]]]
TWICE_WRONG: list[Case] = [
    ("memory", Operation.RETYPE, (99, 1, 0), None, {("OUT_OF_RANGE", 2), ("OUT_OF_RANGE", 4)}),
    ("memory", Operation.RETYPE, (1, 1, 0), None, {("OUT_OF_RANGE", 3), ("OUT_OF_RANGE", 4)}),
    ("device memory", Operation.RETYPE, (1, 1, 1), None, {("OUT_OF_RANGE", 3), ("WRONG_KIND", 2)}),
    ("deep memory", Operation.RETYPE, (1, 0, 0), None, {("UNDERIVABLE", 0), ("OUT_OF_RANGE", 4)}),
    ("memory", Operation.RETYPE, (Kind.FRAME.value, 1, 2), None, {("NO_WINDOW", 12), ("OUT_OF_MEMORY", 0)}),
    ("own table", Operation.COPY, (1, 0, 5), EMPTY, {("OCCUPIED", 2), ("NO_CAPABILITY", 8)}),
    ("own table", Operation.COPY, (EMPTY, EVERYTHING + 1, 5), "memory", {("OUT_OF_RANGE", 3), ("BADGED", 4)}),
    ("own table", Operation.COPY, (EMPTY, 0, 5), "deep memory", {("BADGED", 4), ("UNDERIVABLE", 8)}),
    ("own table", Operation.COPY_OUT, (EMPTY, EVERYTHING + 1), None, {("NO_CAPABILITY", 2), ("OUT_OF_RANGE", 3)}),
    ("own space", Operation.MAP, (cpu.USER_END, 1), "endpoint", {("WRONG_KIND", 8), ("OUT_OF_RANGE", 2)}),
    ("own space", Operation.MAP, (0x1001, 0), "frame", {("MISALIGNED", 2), ("OUT_OF_RANGE", 3)}),
    ("own space", Operation.MAP, (0x1000, 1), "weak frame", {("MISSING_RIGHT", 8), ("NO_PAGE_TABLE", 2)}),
    ("own space", Operation.INSTALL, (1, 3), "page_table", {("OUT_OF_RANGE", 3), ("MISALIGNED", 2)}),
    ("own space", Operation.INSTALL, (0, 1), "weak page_table", {("MISSING_RIGHT", 8), ("NO_PAGE_TABLE", 2)}),
    ("thread", Operation.BIND, (7,), EMPTY, {("OUT_OF_RANGE", 2), ("NO_CAPABILITY", 8)}),
    ("own thread", Operation.BIND, (Binding.SPACE.value,), "frame", {("WRONG_KIND", 8), ("OCCUPIED", 2)}),
    ("own thread", Operation.SET_FOREIGN, (2,), None, {("OUT_OF_RANGE", 2), ("WRONG_STATE", 0)}),
    ("own thread", Operation.HOLD, (), "endpoint", {("WRONG_KIND", 8), ("OCCUPIED", 0)}),
    ("thread", Operation.DISPATCH, (NOW,), None, {("WRONG_STATE", 0), ("TIMED_OUT", 2)}),
    ("processor", Operation.CONFIGURE, (256, 0, 0), "thread", {("OUT_OF_RANGE", 2), ("WRONG_KIND", 8)}),
    ("processor", Operation.CONFIGURE, (1, 0, 0), "thread", {("OUT_OF_RANGE", 3), ("WRONG_KIND", 8)}),
    ("dma_space", Operation.PIN, (), "mapped device frame", {("WRONG_KIND", 8), ("OCCUPIED", 8)}),
    ("deep trace", Operation.TRACE_FRAME, (9,), None, {("OUT_OF_RANGE", 2), ("UNDERIVABLE", 0)}),
]


@pytest.mark.parametrize("case", TWICE_WRONG, ids=lambda case: f"{case[0]} {case[1].name} {case[2]}")
def test_of_two_mistakes_the_first_in_the_list_is_told(case: Case) -> None:
    target, operation, words, given, wrong = case
    bench = Bench()
    travelling = None if given is None else bench[given]
    index = bench[target]
    bench.machine.window(EMPTY, 1)
    status, argument = bench.machine.invoke(index, operation, *words, given=travelling).failure
    assert (status.name, argument) == next(each for each in documentation().operations[operation.name] if each in wrong)


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
        "ANSWERED",
    ]
