"""What is bounded: each way into the kernel, one by one, as cases of the entry code.

A system call is told by `a7`; an operation also by the argument of the function that all operations go through, in each
call of which it is the one that the message word names. Faults and interrupts are told by `scause`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from neokernel.abi.call import Call
from neokernel.abi.operations import Operation
from neokernel.bounds.code import Code
from neokernel.bounds.decode import MASK
from neokernel.bounds.flow import SIP, Case, Count, Fact

ENTRY, FOREIGN_ENTRY = "nk_trap", "nk_trap_foreign"
#: while calls are recorded: the same, and a record before a call
RECORDED_ENTRY = "nk_trap_recorded"
#: where all operations of kernel objects go through; the operation is its fourth argument
OPERATE, OPERATION = "neokernel.kernel.syscall.operate", 13
#: the general way in of system calls; the call's number is in the thread's registers there, at 8 n for register n
SYSTEM_CALL, THREAD, NUMBER = "nk_system_call", 10, 17

SCAUSE = 0x142
ECALL = 8
INTERRUPT = 1 << 63
#: both kinds of interrupt, as `sip` shows them
PENDING = 1 << 5 | 1 << 9

#: causes of traps (privileged specification, table 12.3)
TRAPS = {
    "timer interrupt": (INTERRUPT | 5,),
    "device interrupt": (INTERRUPT | 9,),
    "page fault": (12, 13, 15),
    "illegal instruction": (2,),
    "breakpoint": (3,),
    "misaligned access": (0, 4, 6),
    "bus error": (1, 5, 7),
    "system call of a foreign thread": (ECALL,),
}

#: an interrupt while nobody runs
IDLE = "interrupt of an idle processor"
#: a system call that doesn't exist
UNKNOWN = "a call without that number"


def names() -> list[str]:
    """Of all rows, in their order."""
    return [*(call.name for call in Call), UNKNOWN, *(one.name for one in Operation), *TRAPS, IDLE]


@dataclass(frozen=True)
class Subject:
    """A row of the table. Its bound is the largest of its cases'."""

    name: str
    cases: tuple[Case, ...]


def pending(case: Case) -> Case:
    """The same, from a look that finds an interrupt."""
    return replace(case, count=Count.PENDING, controls={**case.controls, SIP: PENDING})


def subjects(code: Code) -> Iterator[Subject]:
    for call in Call:
        yield Subject(call.name, by_both(code, system_call(code, call.value)))
    yield Subject(UNKNOWN, by_both(code, system_call(code, max(call.value for call in Call) + 1)))
    for operation in Operation:
        yield Subject(operation.name, by_both(code, operation_of(code, operation)))
    for name, causes in TRAPS.items():
        foreign = name == "system call of a foreign thread"
        entries = (FOREIGN_ENTRY,) if foreign else (ENTRY, RECORDED_ENTRY, FOREIGN_ENTRY)
        yield Subject(name, tuple(trap(code, entry, cause) for cause in causes for entry in entries))
    yield Subject(IDLE, (replace(system_call(code, Call.YIELD.value), count=Count.IDLE),))


def special(code: Code) -> frozenset[int]:
    """The functions that cases are told apart by."""
    return frozenset({code.address(SYSTEM_CALL), code.address(OPERATE)})


def system_call(code: Code, number: int) -> Case:
    """By CALL on an Endpoint only: of other objects it is an operation."""
    fact = Fact(loads={(THREAD, 8 * NUMBER): number})
    shut = frozenset({code.address(OPERATE)})
    return Case(code.address(ENTRY), {NUMBER: number}, None, {SCAUSE: ECALL}, {code.address(SYSTEM_CALL): fact}, shut)


def by_both(code: Code, case: Case) -> tuple[Case, Case]:
    """The same, while calls are recorded, too."""
    return case, replace(case, entry=code.address(RECORDED_ENTRY))


def operation_of(code: Code, operation: Operation) -> Case:
    call = system_call(code, Call.CALL.value)
    operate = code.address(OPERATE)
    facts = {**call.facts, operate: Fact(registers={OPERATION: operation.value})}
    return replace(call, through=operate, facts=facts, shut=frozenset())


def trap(code: Code, entry: str, cause: int) -> Case:
    return Case(code.address(entry), controls={SCAUSE: cause & MASK})
