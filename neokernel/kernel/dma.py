"""Device spaces: what a device may reach. This is the unprotected kind, for machines without an IOMMU.

The device can reach all memory, so who holds such a space is trusted. What it does is to tell physical addresses, and
to keep a pinned frame's memory from being used for something else.

Invariants: `pins[i].slot is s` exactly if `s.holder is holder and s.entry == i`, and then s is PINNED. Tables wait at a
pin only while it is in use.
"""

from neokernel.abi.call import failure
from neokernel.abi.operations import Operation
from neokernel.abi.status import INVOKED, TRAVELLING, Status
from neokernel.kernel.captable import release_table
from neokernel.kernel.objects import DEVICE, PINNED, DmaSpace, Frame, Hart, Slot, Thread
from neokernel.kernel.outcome import AGAIN, answer
from neokernel.kernel.slot import controlled, refuse, refuse_control, refuse_operation
from neokernel.lang import cold, loop_bound, loop_invariant, u8, u16, u64


@cold
def invoke(caller: Thread, slot: Slot, operation: Operation, given: Slot | None, space: DmaSpace) -> u64:
    """An operation of a DmaSpace."""
    if not controlled(slot):
        return refuse_control()
    if operation is not Operation.PIN and operation is not Operation.UNPIN:
        return refuse_operation()
    if given is None:
        return failure(Status.NO_CAPABILITY, TRAVELLING)
    return pin(caller, space, given) if operation is Operation.PIN else unpin(caller.hart, space, given)


def pin(caller: Thread, space: DmaSpace, frame: Slot) -> u64:
    """PIN: the frame's physical address."""
    if not isinstance(frame.object, Frame):
        return refuse(TRAVELLING)
    if frame.flags & DEVICE != 0:
        return failure(Status.WRONG_KIND, TRAVELLING)
    if frame.holder is not None:
        return failure(Status.OCCUPIED, TRAVELLING)
    # A ring of allocation: the place after the last one used is most likely free.
    index = space.cursor
    tries: u64 = 0
    while space.pins[index].slot is not None:
        loop_bound(MOST_TRIES)
        loop_invariant(index < len(space.pins) and tries < MOST_TRIES)
        index = 0 if index + 1 == len(space.pins) else index + 1
        tries += 1
        if tries == MOST_TRIES or tries == len(space.pins):
            space.cursor = index
            return failure(Status.OUT_OF_MEMORY, INVOKED)
    space.pins[index].slot = frame
    space.cursor = index
    space.used += 1
    frame.flags |= PINNED
    frame.holder = space.holder
    frame.entry = u16(index)
    return answer(caller, 0, frame.word, 0, 0, 0)


#: places looked at before a space counts as full; asked again, the search goes on
MOST_TRIES = 128


def unpin(hart: Hart, space: DmaSpace, frame: Slot) -> u64:
    """UNPIN: first, one a step, the tables that wait for it join the dying again."""
    if frame.flags & PINNED == 0 or frame.holder is not space.holder:
        return failure(Status.WRONG_STATE, TRAVELLING)
    pin = space.pins[u64(frame.entry)]
    if release_table(hart, pin):
        return AGAIN
    pin.slot = None
    space.used -= 1
    frame.flags &= ~u8(PINNED)
    frame.holder = None
    frame.entry = 0
    return 0
