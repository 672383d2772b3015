"""System calls that were denied for want of authority, which the kernel counts and keeps, by capability table.

It isn't for who asked: that one has the failure. It is for who watches over it (DENIALS in `operations.py`).
"""

from neokernel.abi.call import status_of
from neokernel.abi.status import Status
from neokernel.lang import u64

#: how many the kernel keeps of a table
KEPT_DENIALS = 8
#: the number of the call in a kept outcome, where a failure's word has a label
CALL_MASK = 0xFF


def is_denial(outcome: u64) -> bool:
    """Has it failed because a capability isn't there, names something else, or lacks a right?"""
    return u64(Status.NO_CAPABILITY.value) <= status_of(outcome) <= u64(Status.MISSING_RIGHT.value)


assert u64(Status.WRONG_KIND.value) == u64(Status.NO_CAPABILITY.value) + 1, "the three are in a row"
assert u64(Status.MISSING_RIGHT.value) == u64(Status.NO_CAPABILITY.value) + 2, "likewise"
