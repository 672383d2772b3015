"""Outcomes and findings of the attack on the kernel, for people."""

from __future__ import annotations

from neokernel.abi.call import Call
from neokernel.abi.operations import Operation
from neokernel.abi.status import Status
from tests.fuzz_kernel.campaign import Found, Outcomes, Step
from tests.fuzz_kernel.state import EVENTS, FAULTED, GONE, OPERATIONS, RESTARTED, WAITED

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
}


def outcome_name(status: int, argument: int, later: bool) -> str:
    name = SPECIAL.get(status) or Status(status).name
    if status not in SPECIAL and status != 0:
        name += f" {argument}"
    return f"… {name}" if later else name


def table(outcomes: Outcomes) -> list[str]:
    """Each row with its outcomes, the most frequent first; "…" marks those that came after a wait."""
    lines = ["| call or operation | outcomes |", "|---|---|"]
    for row, name in ROWS.items():
        cells = [
            (number, outcome_name(status, argument, later))
            for (of, status, argument, later), number in outcomes.items()
            if of == row
        ]
        shown = " · ".join(f"{text} {number:,}" for number, text in sorted(cells, key=lambda cell: (-cell[0], cell[1])))
        lines.append(f"| {name} | {shown or 'never'} |")
    return lines


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
