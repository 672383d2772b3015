"""What is proven to mean the same does; and what doesn't mean the same isn't, however little it takes to tell."""

from __future__ import annotations

import pytest

from tests.mutate.bisimulation import compare
from tests.mutate.snapshot import Snapshot
from tests.mutate.test_workshop import exchange
from tests.mutate.workshop import Workshop

FILLED = "    slot.parent = parent\n    slot.depth = parent.depth + 1\n"
NEIGHBOURS = """    if before is not None:
        before.next = target
    if after is not None:
        after.previous = target
"""
UNMARKED = "    place = PRIORITIES - 1 - priority\n    hart.ready[place // 64] &= ~(u64(1) << (place % 64))\n"
STEP = "        found = step\n        depth = step.depth\n        step = step.next\n"
NOBODY = "    hart.active = None\n    hart.budget_end = NEVER\n    if hart.trace_mask != 0:\n"
TIMER = 'happens by itself."""\n    cpu.set_timer(hart.cpu, '


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return Snapshot(tmp_path_factory.mktemp("snapshot"))


@pytest.fixture(scope="module")
def workshop(snapshot: Snapshot) -> Workshop:
    return Workshop(snapshot)


def difference(workshop: Workshop, snapshot: Snapshot, place: str, old: str, new: str) -> str:
    name = place.partition(".")[0]
    with workshop.planted(exchange(snapshot, name, old, new)) as found:
        assert found is not None
        assert found.changed(workshop.sound)
        [looked] = [one for one in found.program.functions if one.symbol == f"neokernel.kernel.{place}"]
        return compare(found.program, workshop.kept, [looked])


@pytest.mark.parametrize(
    ("place", "old", "new"),
    [
        (
            "timer.beginning",
            "    return above | ((bucket % 64) << shift)",
            "    return above + ((bucket & 63) << shift)",
        ),
        # By what its callers promise: the slot isn't its own parent.
        ("slot.insert", FILLED, "    slot.depth = parent.depth + 1\n    slot.parent = parent\n"),
        ("slot.insert", "    slot.next = after\n", "    slot.next = parent.next\n"),
        # A loop, and what leads out of it.
        ("slot.first_leaf", STEP, "        depth = step.depth\n        found = step\n        step = found.next\n"),
        # What is called asks the same once more.
        ("schedule.idle", NOBODY, NOBODY.replace("hart.trace_mask != 0", "True")),
        # A check that never fails here.
        ("schedule.unmark", UNMARKED, f"    assert priority < 2 * PRIORITIES\n{UNMARKED}"),
        # By an invariant: nobody is ready above the best.
        ("schedule.unmark", "    if hart.best == priority + 1:\n", "    if hart.best <= priority + 1:\n"),
        (
            "timer.remove",
            "    before = timer.previous\n    after = timer.next\n",
            "    after = timer.next\n    before = timer.previous\n",
        ),
    ],
)
def test_what_means_the_same(workshop: Workshop, snapshot: Snapshot, place: str, old: str, new: str) -> None:
    assert difference(workshop, snapshot, place, old, new) == ""


@pytest.mark.parametrize(
    ("place", "old", "new", "where"),
    [
        ("timer.beginning", "    shift = 6 * (bucket // 64)\n", "    shift = 6 * (bucket // 65)\n", "another result"),
        ("slot.insert", "    parent.next = slot\n", "    pass\n", "Slot.next may differ in the end"),
        ("slot.insert", "    slot.next = after\n", "    slot.next = slot\n", "Slot.next may differ in the end"),
        # Its neighbour may be the slot itself, for all that is known here.
        (
            "slot.relocate",
            "    target.next = source.next\n",
            "    target.next = after\n",
            "Slot.next may differ in the end",
        ),
        ("slot.relocate", NEIGHBOURS, "", "may differ in the end"),
        ("slot.first_leaf", "        depth = step.depth\n", "        depth = root.depth\n", "with others"),
        (
            "slot.first_leaf",
            "        step = step.next\n    return",
            "        step = step.previous\n    return",
            "with others",
        ),
        (
            "slot.first_leaf",
            "        step = step.next\n    return found",
            "        step = step.next\n    return root",
            "another result",
        ),
        # Assembly comes earlier, and with something else.
        (
            "schedule.idle",
            "    use_space(hart, hart.no_space)\n    program(hart)",
            "    program(hart)\n    use_space(hart, hart.no_space)",
            "they do other things",
        ),
        (
            "schedule.program",
            f"{TIMER}min(hart.budget_end, hart.wheel.earliest)",
            f"{TIMER}hart.wheel.earliest",
            "with others",
        ),
        (
            "schedule.idle",
            "    hart.budget_end = NEVER\n    if hart.trace_mask",
            "    if hart.trace_mask",
            "Hart.budget_end may differ",
        ),
        # A record more, in a ring that others read.
        (
            "schedule.idle",
            NOBODY,
            NOBODY.replace("if hart.trace_mask != 0", "if hart.trace_mask == 0"),
            "not on the same paths",
        ),
        # A check that may fail; what comes after it relies on that it doesn't.
        ("schedule.unmark", UNMARKED, f"    assert priority < PRIORITIES - 1\n{UNMARKED}", "may fail in one alone"),
        (
            "slot.insert",
            "    slot.previous = parent\n",
            "    assert parent.depth < 3\n    slot.previous = parent\n",
            "may fail in one alone",
        ),
        # A check less, which boot has: it may fail.
        (
            "boot.begin",
            "    assert thread.state is State.STOPPED and not thread.ready and root.hart.current is None\n",
            "    pass\n",
            "may fail in one alone",
        ),
        (
            "schedule.unmark",
            "    if hart.best == priority + 1:\n",
            "    if hart.best > priority + 1:\n",
            "Hart.best may differ",
        ),
    ],
)
def test_what_does_not_mean_the_same(
    workshop: Workshop, snapshot: Snapshot, place: str, old: str, new: str, where: str
) -> None:
    assert where in difference(workshop, snapshot, place, old, new)
