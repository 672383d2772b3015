"""Errors change nothing: an operation that gives a failure's word has left the kernel's state as it was.

Said of every function whose result is an outcome (`neokernel/kernel/outcome.py`): its callers rely on it, up to the
system call. Of an operation that goes on in steps it is said of each step: what steps before have done stays done.

Not part of the state: what the trace ring has recorded, and hints (`HINTS`), which decide nothing but where a search
begins. One failure is told apart: PINNED of REVOKE and DELETE, whose capabilities up to the pinned one are gone.
"""

from __future__ import annotations

from neokernel.abi.call import ARGUMENT_SHIFT, STATUS_MASK, STATUS_SHIFT
from neokernel.abi.status import FIRST, Status
from neokernel.prover import terms as t
from neokernel.prover.terms import Term
from neokernel.prover.unchanged import AllOrNothing

OPERATIONS = {
    "captable": (
        "invoke copy move_in copy_out move_out refuse_landing inspect tell_denial revoke revoke_some cancel_senders"
    ),
    "dma": "invoke pin unpin",
    "endpoint": "malformed transfer transfer_more immovable send offer receive respond give give_more",
    "interrupt": "invoke bind unbind acknowledge",
    "memory": "invoke retype make clear information",
    "notification": "wait signal_call",
    "platform": "invoke write power_off",
    "processor": "invoke set_context set_floor inspect_context",
    "space": "invoke invoke_mapped map_frame install leave_table",
    "syscall": "perform receive reply give_way invoke operate",
    "thread": (
        "invoke bind bindable unbind start resume suspend read_registers write_registers set_foreign information hold "
        "unhold dispatch"
    ),
    "trace": "invoke start frame",
}

#: records of the trace, and other bytes that the kernel keeps nothing in
RECORDS = "[u8]"
HINTS = frozenset({"DmaSpace.cursor", RECORDS})
#: boot makes one hart, and nothing makes another: every thread's `hart` is it
SINGLE = frozenset({"neokernel.kernel.objects.Hart"})


def failed(word: Term) -> Term:
    """Does an outcome say that nothing was done? So does False of what tells whether it has done something."""
    if word.sort == t.BOOL:
        return t.invert(word)
    status = t.arithmetic("and", t.arithmetic("lshr", word, t.number(STATUS_SHIFT, 64)), t.number(STATUS_MASK, 64))
    partly = t.conjunction(
        t.equal(status, t.number(int(Status.PINNED.value), 64)),
        t.equal(t.arithmetic("lshr", word, t.number(ARGUMENT_SHIFT, 64)), t.number(int(FIRST), 64)),
    )
    return t.conjunction(t.invert(t.equal(status, t.number(0, 64))), t.invert(partly))


ERRORS_CHANGE_NOTHING = AllOrNothing(
    frozenset(f"neokernel.kernel.{module}.{name}" for module, names in OPERATIONS.items() for name in names.split()),
    failed,
    HINTS,
    SINGLE,
)
