"""The kernel's structure, proven: mistakes that would break the derivation tree, or what page tables map, are found."""

from __future__ import annotations

import pytest

from neokernel.prover import invariants
from neokernel.prover.prove import Session
from neokernel.prover.solve import EFFORT
from neokernel.spec.outcomes import ERRORS_CHANGE_NOTHING
from tests.prover.support import kernel_with, mistakes

#: the module, what is there, the mistake, the function whose proof fails, and the invariant or contract that does
MISTAKES = [
    ("slot", "    if after is not None:\n        after.previous = slot\n", "", "insert", "is_linked"),
    ("slot", "    slot.depth = parent.depth + 1\n", "    slot.depth = parent.depth\n", "insert", "is_in_order"),
    ("slot", "    slot.depth = parent.depth + 1\n", "    slot.depth = parent.depth + 2\n", "insert", "is_in_order"),
    ("slot", " < MAXIMUM_DEPTH and slot.flags & BOUND == 0", " < MAXIMUM_DEPTH", "insert", "is_in_order"),
    ("slot", "        before.next = after\n", "        before.next = None\n", "empty", "is_linked"),
    ("slot", "    slot.flags = 0\n", "", "empty", "is_empty_as_a_whole"),
    ("slot", "    target.next = source.next\n", "", "relocate", "is_linked"),
    ("slot", "    target.depth = source.depth\n", "", "relocate", "is_in_order"),
    (
        "slot",
        "            table.owners.slot[u64(target.entry)] = target\n",
        "            pass\n",
        "relocate",
        "is_mapped_as_allowed",
    ),
    ("slot", "    target.rights = source.rights\n", "", "relocate", "is_mapped_as_allowed"),
    ("slot", "    target.word = source.word\n", "", "relocate", "is_mapped_as_allowed"),
    ("space", "    table.entries.entry[index] = entry\n", "", "put", "is_mapped_as_allowed"),
    ("space", "    slot.holder = None\n", "", "take_from_table", "is_mapped_as_allowed"),
    ("space", "    table.entries.entry[index] = 0\n", "", "take_from_table", "take_from_table"),
    (
        "schedule",
        "        hart.best = _best_of(hart)\n",
        "        pass\n",
        "unmark",
        "best_is_first_on_the_map",
    ),
    ("schedule", "    hart.best = max(hart.best, priority + 1)\n", "", "enqueue", "best_is_first_on_the_map"),
    (
        "schedule",
        "    hart.best = max(hart.best, ",
        "    hart.best = min(hart.best, ",
        "enqueue",
        "best_is_first_on_the_map",
    ),
    ("schedule", "PRIORITIES - (64 * word + ", "PRIORITIES - (63 * word + ", "_best_of", "_best_of"),
    # queues, and who runs
    ("schedule", "        last.next = thread\n", "        pass\n", "enqueue", "is_linked"),
    ("schedule", "        queue.tail = before\n", "        pass\n", "take_out", "has_ends"),
    (
        "schedule",
        "    thread.state = State.RUNNABLE\n    unlink(queue, thread)\n",
        "    unlink(queue, thread)\n",
        "take_out",
        "take_out",
    ),
    ("fast", "    hart.current = waiter\n", "", "wake_at_once", "enqueue"),
    ("reply", "        reply.caller = None\n        caller.state", "        caller.state", "break_off", "is_awaited"),
    ("reply", "    thread.dispatcher = None\n    context =", "    context =", "end_dispatch", "is_dispatched"),
    ("placement", "    table.holder.user = table\n", "", "make_page_table", "holds"),
    ("captable", "    if has_children(slot):\n        return MORE\n", "", "end_some", "drop"),
    ("endpoint", "        endpoint.cursor = sender.previous\n", "        pass\n", "take_sender", "take_sender"),
    ("endpoint", "    elif not has_children(slot):\n", "    else:\n", "hand_over", "relocate"),
    ("thread", " or has_children(place)", "", "let_go", "empty"),
    ("space", "(read_write | u64(EXECUTE)) != read_write", "read_write != read_write", "map_frame", "put"),
    ("space", "wanted & ~u64(frame.rights) != 0", "wanted & ~u64(READ | frame.rights) != 0", "map_frame", "put"),
    (
        "space",
        "    if frame.holder is not None:\n        return failure(Status.OCCUPIED, TRAVELLING)\n",
        "",
        "map_frame",
        "put",
    ),
    (
        "space",
        "((table.base >> 12) << 10) | VALID)",
        "((table.base >> 12) << 10) | VALID | USER)",
        "install",
        "put",
    ),
]


@pytest.mark.parametrize(("module", "sound", "mistaken", "where", "broken"), mistakes(MISTAKES))
def test_a_mistake_in_the_kernel_is_found(module: str, sound: str, mistaken: str, where: str, broken: str) -> None:
    program = kernel_with(module, sound, mistaken)
    (function,) = (one for one in program.functions if one.name == where and one.module.endswith(f".{module}"))
    proof = Session(invariants.of_program(program), effort=EFFORT // 20, rule=ERRORS_CHANGE_NOTHING).prove(function)
    failed = [verdict.obligation for verdict in proof.failed]
    assert broken in {one.callee or one.function.name.rpartition(".")[2] for one in failed}
