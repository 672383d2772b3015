"""Outcomes and findings of the attack on the kernel, for people."""

from __future__ import annotations

from neokernel.abi.call import MAXIMUM_CAPABILITIES, Call
from neokernel.abi.operations import Operation
from neokernel.abi.status import INVOKED, TRAVELLING, WORD, Status
from neokernel.cli.failures import collect
from tests.fuzz_kernel.campaign import Found, Outcomes, Step
from tests.fuzz_kernel.state import AT_PINS, BETWEEN, EVENTS, FAULTED, GONE, LATE, MISSED, OPERATIONS, RESTARTED, WAITED

SPECIAL = {WAITED: "waits", RESTARTED: "restarts", FAULTED: "faults", GONE: "caller gone"}
ROWS = {
    **{call.value: call.name for call in Call},
    OPERATIONS - 1: "unknown call",
    OPERATIONS: "unknown operation",
    **{OPERATIONS + operation.value: operation.name for operation in Operation},
    EVENTS: "timer",
    EVENTS + 1: "interrupt",
    EVENTS + 2: "fault",
    EVENTS + 3: "foreign call",
    BETWEEN: "between answer and receive",
    AT_PINS: "tables at pins",
    LATE: "late charges",
    MISSED: "time taken away",
}

#: of each row of situations, what is counted, in the order of `situations.py`
SITUATIONS = {
    BETWEEN: (
        "an interrupt comes",
        "REPLY_RECEIVE goes on",
        "REPLY goes on",
        "caller suspended",
        "caller stopped otherwise",
        "caller ends",
        "Reply ends",
        "server ends",
        "caller's context unbound",
        "caller's context ends",
        "server suspended",
        "server stopped otherwise",
        "server goes on",
        "server faults",
        "server's answer fails",
        "server takes another Reply",
        "others run",
        "another answers",
    ),
    AT_PINS: (
        "waits for a frame in it",
        "waits for a copy of a frame in it",
        "waits where another waits",
        "released by UNPIN",
        "released by the end of the device space",
        "waits again",
        "ends afterwards",
        "stops a DELETE or REVOKE",
        "UNPIN restarts",
    ),
    LATE: ("more used than the refill", "still more", "paid", "nothing left to pay with", "configured anew"),
    MISSED: ("while it waits", "while it could run", "its handler is told", "nobody is told", "other time"),
}

#: what a CALL ends with if it isn't on an Endpoint
AS_OPERATION = {("NO_CAPABILITY", INVOKED), ("WRONG_KIND", INVOKED), ("UNKNOWN_OPERATION", WORD)}


def outcome_name(row: int, status: int, argument: int, later: bool) -> str:
    if row in SITUATIONS:
        return SITUATIONS[row][argument]
    name = SPECIAL.get(status) or Status(status).name
    if status not in SPECIAL and status != 0:
        name += f" {argument}"
    return f"… {name}" if later else name


def table(outcomes: Outcomes) -> list[str]:
    """Each row with its outcomes, the most frequent first; "…" marks those that came after a wait."""
    lines = ["| call or operation | outcomes |", "|---|---|"]
    for row, name in ROWS.items():
        cells = [
            (number, outcome_name(row, status, argument, later))
            for (of, status, argument, later), number in outcomes.items()
            if of == row
        ]
        shown = " · ".join(f"{text} {number:,}" for number, text in sorted(cells, key=lambda cell: (-cell[0], cell[1])))
        lines.append(f"| {name} | {shown or 'never'} |")
    return lines


def documented() -> list[tuple[int, int, int]]:
    """What the manual says that a call or operation can end with, and all situations: row, status, argument.

    What travels is counted one by one. What CALL can end with as an operation is counted there.
    """
    failures = collect()
    found = []
    for call in Call:
        own = [
            (name, number)
            for name, number in failures.calls[call.name]
            if call is not Call.CALL or (name, number) not in AS_OPERATION
        ]
        for name, number in [("OK", 0), *own]:
            travelling = range(TRAVELLING, TRAVELLING + MAXIMUM_CAPABILITIES) if number == TRAVELLING else [number]
            found += [(call.value, Status[name].value, int(each or 0)) for each in travelling]
    for operation in Operation:
        row = OPERATIONS + operation.value
        own = [("OK", 0), ("NO_CAPABILITY", INVOKED), *failures.invocation, *failures.operations[operation.name]]
        for name, number in dict.fromkeys(each for each in own if each != ("UNKNOWN_OPERATION", WORD)):
            found.append((row, Status[name].value, number or 0))
    for row, names in SITUATIONS.items():
        found += [(row, 0, number) for number in range(len(names))]
    return found


def rare(outcomes: Outcomes, least: float) -> list[str]:
    """What is documented, or was seen, and came less often."""
    lines: list[tuple[str, str, int]] = []
    for row, status, argument in documented():
        number = outcomes.get((row, status, argument, False), 0)
        if status == Status.OK.value:
            number += outcomes.get((row, status, argument, True), 0)
        if number < least:
            lines.append((ROWS[row], outcome_name(row, status, argument, False), number))
    for (row, status, argument, later), number in outcomes.items():
        if later and number < least:
            lines.append((ROWS[row], outcome_name(row, status, argument, later), number))
    return [f"{row} {name} ({number:,})" for row, name, number in lines]


def step_line(step: Step) -> str:
    numbers = " ".join(f"{number:x}" for number in step.arguments)
    return f"  {step.number:5} at {step.time}: thread {step.thread} {ROWS.get(step.row, step.row)}: {numbers}"


def describe(found: Found, command: str, last: int = 12) -> str:
    """What failed, the last steps (a0 to a7), and how to have it again."""
    steps = found.last if found.needed is not None else found.last[-last:]
    lines = [f"{found.what}", f"seed {found.seed}, step {found.number}; again with: {command}"]
    if found.needed is not None:
        lines.append(f"steps that it needs: {len(found.needed)}")
    return "\n".join([*lines, *(step_line(step) for step in steps)])
