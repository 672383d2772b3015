"""Deletion, specified: how capabilities go, step by step, and who loses them.

Each function is a statement about all arguments and all states that its `requires` allow. `nk prove` proves it, and
tests run it.
"""

from neokernel.abi.call import failure
from neokernel.abi.status import INVOKED, Status
from neokernel.arch.riscv64.registers import Registers
from neokernel.kernel.captable import (
    BURIED,
    DRAINING,
    GONE,
    HELPING,
    MORE,
    STUCK,
    end_object,
    end_some,
    pin_at,
    revoke_some,
)
from neokernel.kernel.objects import (
    OWNER,
    PINNED,
    REVOKING,
    CapTable,
    DmaSpace,
    Endpoint,
    Frame,
    Hart,
    Holder,
    Interrupt,
    Notification,
    PageTable,
    Slot,
    State,
    Thread,
)
from neokernel.kernel.outcome import AGAIN
from neokernel.kernel.slot import has_children
from neokernel.lang import requires, u64
from neokernel.spec.capabilities import is_bare


def what_is_pinned_stays(hart: Hart, slot: Slot) -> None:
    requires(slot.object is not None and not has_children(slot) and slot.flags & PINNED != 0)
    assert end_some(hart, slot) == STUCK and slot.object is not None and slot.flags & PINNED != 0


def who_uses_a_capability_loses_it(hart: Hart, slot: Slot, holder: Holder) -> None:
    """As its slot is emptied."""
    requires(isinstance(slot.object, Frame | Notification) and not has_children(slot))
    requires(slot.flags & (OWNER | PINNED) == 0 and slot.holder is holder and slot.entry < 7)
    user, entry, buffer = holder.user, u64(slot.entry), isinstance(slot.object, Frame)
    assert end_some(hart, slot) == GONE and is_bare(slot)
    match user:
        case PageTable():
            assert user.owners.slot[entry] is None and user.entries.entry[entry] == 0
        case Thread():
            assert (user.buffer if buffer else user.notification) is None
        case Interrupt():
            assert user.notification is None and not user.pending
        case _:
            pass


def who_waits_for_what_ends_is_cancelled(hart: Hart, slot: Slot, endpoint: Endpoint, thread: Thread) -> None:
    """One after the other, those who send first."""
    requires(slot.object is endpoint and not has_children(slot) and not thread.faulted and thread.context is not None)
    requires((endpoint.receivers if endpoint.senders.head is None else endpoint.senders).head is thread)
    requires(hart.current is None and hart.best == 0)
    assert end_object(hart, slot) == MORE and thread.state is State.RUNNABLE and not thread.timer.armed
    assert thread.registers.a0 == 0 and thread.registers.a1 == failure(Status.CANCELLED, INVOKED)


def a_revocation_ends(hart: Hart, registers: Registers, root: Slot) -> None:
    """When there are no descendants left: the capability stays, and can be derived from again."""
    requires(not has_children(root) and registers.a5 == 0)
    thing = root.object
    assert revoke_some(hart, registers, root, False) == 0
    assert root.object is thing and root.flags & REVOKING == 0


def tables_that_ended_are_emptied_first(hart: Hart, registers: Registers, root: Slot) -> None:
    """Before the deletion in which they ended is complete."""
    requires(not has_children(root) and registers.a5 == BURIED)
    some = hart.dying is not None
    assert revoke_some(hart, registers, root, False) == (AGAIN if some else 0)
    assert registers.a5 == (DRAINING if some else BURIED)


def a_deletion_that_waits_goes_on(hart: Hart, registers: Registers, root: Slot) -> None:
    """When no table is left that it could wait for."""
    requires(hart.dying is None and registers.a5 in (u64(HELPING | BURIED), u64(DRAINING)))
    helping = registers.a5 != DRAINING
    assert revoke_some(hart, registers, root, False) == (AGAIN if helping else 0)
    assert registers.a5 == (BURIED if helping else DRAINING)


def a_pin_is_its_capabilitys(slot: Slot, holder: Holder, table: CapTable) -> None:
    """Or what the table waits for that ends with it."""
    requires(slot.holder is holder)
    space, dying = holder.user, slot.object is table
    pin = pin_at(slot)
    if dying:
        assert pin is table.blocked
    elif isinstance(space, DmaSpace) and not isinstance(slot.object, CapTable):
        assert pin is space.pins[u64(slot.entry)]
