"""Fault reports: what a thread's handler receives.

A report is a call that the kernel makes in the thread's name: FAULT bit set, label the kind, payload as listed. The
reply resumes the thread. The reply's label says how: `RETRY` executes the instruction again, `SKIP` goes on behind it,
`STOP` leaves the thread suspended. After SYSTEM_CALL, SKIP takes the reply's payload as `a0`, `a1`; after other faults
the thread goes on at the address in the payload's first word.
"""

from enum import Enum

from neokernel.lang import u8, u64


class Fault(Enum):
    #: payload: address, program counter, access (0 read, 1 write, 2 execute)
    PAGE = 1
    #: payload: instruction word (0 if unknown), program counter
    ILLEGAL_INSTRUCTION = 2
    #: payload: address, program counter, access (0 read, 1 write, 2 execute)
    MISALIGNED = 3
    #: payload: address, program counter. `ebreak`, or a failed check
    BREAKPOINT = 4
    #: payload: identifier of the exhausted context, program counter. It ran out while the thread served a call
    BUDGET = 5
    #: payload: `a7`, program counter, `a0`, `a1`. An `ecall` of a foreign thread, or a call that doesn't exist
    SYSTEM_CALL = 6
    #: payload: address, program counter, access (0 read, 1 write, 2 execute). No memory answers there
    BUS = 7


class Resume(Enum):
    """Labels of a handler's reply."""

    RETRY = 0
    SKIP = 1
    STOP = 2


def resume_of(label: u64) -> Resume:
    """What a reply asks for; anything unknown is STOP."""
    return Resume(u8(label)) if label <= u64(Resume.STOP.value) else Resume.STOP
