"""Fault reports: what a thread's handler receives.

A report is a call that the kernel makes in the thread's name to the Endpoint that is bound as its handler: FAULT bit
set, label the kind, badge that of the bound capability, four words of payload, those that aren't listed 0. The reply
resumes the thread. Its label says how; any label that isn't listed is STOP.

A thread without a handler stops; so does one whose handler receives without a Reply, or ends (or its Reply does) while
it has the report. If it runs in the root process's address space, the machine ends with a panic. If the handler's
Endpoint ends before the report was received, the thread goes on where it was, and faults again.

BUDGET differs: without a handler, or with one that can't take the report, the thread neither stops nor ends the
machine. It waits for time: until the context's budget comes back, or until it is given other time.
"""

from enum import Enum

from neokernel.lang import u8, u64


class Fault(Enum):
    #: nothing is mapped there that allows the access. Payload: address, program counter, access (0 read, 1 write,
    #: 2 execute)
    PAGE = 1
    #: also of floating point or vectors without Floats. Payload: instruction word (0 if unknown), program counter
    ILLEGAL_INSTRUCTION = 2
    #: the address isn't a multiple of what is accessed. Payload: address, program counter, access (0 read, 1 write,
    #: 2 execute)
    MISALIGNED = 3
    #: `ebreak`, or a failed check. Payload: address, program counter
    BREAKPOINT = 4
    #: a context ran out while the thread ran on it for somebody else; or it ended, was unbound, or its DISPATCH came to
    #: its deadline, while the thread ran on it so, or had lent it on, or was owed it: then who is held by a scheduler
    #: has no fault, and its scheduler is told; and who waits has the fault when it could go on. Payload: identifier of
    #: the context, program counter
    BUDGET = 5
    #: an `ecall` of a foreign thread, or a call that doesn't exist. Payload: `a7`, program counter (of the `ecall`),
    #: `a0`, `a1`
    SYSTEM_CALL = 6
    #: no memory or device answers there. Payload: address, program counter, access (0 read, 1 write, 2 execute)
    BUS = 7


class Resume(Enum):
    """Labels of a handler's reply."""

    #: execute the instruction again
    RETRY = 0
    #: after SYSTEM_CALL: go on behind the `ecall`, with the first two words of the reply as `a0` and `a1`. After any
    #: other fault: go on at the address in the first word
    SKIP = 1
    #: leave the thread stopped, as it is; RESUME executes the instruction again
    STOP = 2


def resume_of(label: u64) -> Resume:
    """What a reply asks for; anything unknown is STOP."""
    return Resume(u8(label)) if label <= u64(Resume.STOP.value) else Resume.STOP
