"""Mistakes that the random attack (`tests/fuzz_kernel`) found in the kernel, each as a small case."""

from __future__ import annotations

from neokernel import lang
from neokernel.abi import boot
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Binding, Operation
from neokernel.abi.status import FIRST, Status
from neokernel.kernel import captable, outcome
from tests.kernel.support import PAGE, Machine

u64 = lang.u64


def begin_to_delete(machine: Machine, index: int) -> None:
    """One step of deleting a table: afterwards it is dying."""
    machine.root.registers.a2 = u64(index)
    machine.root.registers.a5 = u64(0)
    assert captable.revoke(machine.hart, machine.root, machine.slot(index), True) == outcome.AGAIN


def test_a_dying_table_that_waits_for_another_is_emptied_at_last() -> None:
    """Deleting what the first was made of preferred it again and again, and the other was never emptied."""
    machine = Machine()
    machine.boot()
    (first_memory,) = machine.make(Kind.MEMORY, 4 * PAGE)
    (second_memory,) = machine.make(Kind.MEMORY, 4 * PAGE)
    (first,) = machine.make(Kind.CAP_TABLE, 4, memory=first_memory)
    assert machine.invoke(first, Operation.COPY, 0, 511, 0, given=second_memory).status is Status.OK
    copy, machine.next_slot = machine.next_slot, machine.next_slot + 1
    machine.window(copy, 1)
    assert machine.invoke(first, Operation.COPY_OUT, 0, 511).status is Status.OK
    (second,) = machine.make(Kind.CAP_TABLE, 4, memory=copy)
    machine.hart.cpu.pending = True
    begin_to_delete(machine, second)
    begin_to_delete(machine, first)
    assert machine.delete(first_memory).status is Status.OK
    assert machine.slot(first_memory).object is None and machine.hart.dying is None
    machine.check()


def test_who_runs_on_borrowed_time_gets_none_of_its_own() -> None:
    """A held thread with a context of its own kept two apart badly: one got lost."""
    machine = Machine()
    machine.boot()
    thread, notification, context = (
        machine.make(kind)[0] for kind in (Kind.THREAD, Kind.NOTIFICATION, Kind.SCHED_CONTEXT)
    )
    assert machine.invoke(thread, Operation.HOLD, given=notification).status is Status.OK
    refused = machine.invoke(thread, Operation.BIND, Binding.CONTEXT.value, given=context)
    assert refused.failure == (Status.OCCUPIED, FIRST)
    assert machine.invoke(thread, Operation.RELEASE).status is Status.OK
    assert machine.invoke(thread, Operation.BIND, Binding.CONTEXT.value, given=context).status is Status.OK
    assert machine.invoke(boot.OWN_TABLE, Operation.DELETE, thread).status is Status.OK
    machine.check()
