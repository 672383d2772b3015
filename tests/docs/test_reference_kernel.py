"""The page on the kernel's interface is what the sources say, and says all of it."""

from __future__ import annotations

import importlib
import re
from enum import Enum
from pathlib import Path
from typing import Any

import pytest

from neokernel import lang
from neokernel.abi.call import Call, failure, message
from neokernel.abi.kinds import Kind
from neokernel.abi.operations import Operation
from neokernel.abi.status import INVOKED, Status
from neokernel.cli import reference
from neokernel.cli.failures import Failures, collect
from neokernel.cli.main import guarded

u64 = lang.u64
PAGE = reference.PAGE.read_text(encoding="utf-8")
MODULES = sorted(path.stem for path in reference.ABI.glob("*.py") if path.stem != "__init__")


def test_the_page_is_up_to_date() -> None:
    assert reference.manual() == PAGE, "the sources have changed: `nk manual` writes the page anew"


def test_a_stale_page_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = tmp_path / "kernel.md"
    page.write_text(PAGE.replace("| 1 | `ENDPOINT`", "| 2 | `ENDPOINT`"))
    assert guarded(["manual", "--check", "-o", str(page)]) == 1
    assert "not what the sources say" in capsys.readouterr().out
    assert guarded(["manual", "-o", str(page)]) == 0
    assert page.read_text() == PAGE
    assert guarded(["manual", "--check", "-o", str(page)]) == 0
    assert guarded(["manual", "-o", str(tmp_path / "no" / "kernel.md")]) == 2


def own(module: str) -> list[tuple[str, Any]]:
    """What a module of the ABI defines itself."""
    made = importlib.import_module(f"neokernel.abi.{module}")
    return [(name, value) for name, value in vars(made).items() if getattr(value, "__module__", "") == made.__name__]


@pytest.mark.parametrize("module", MODULES)
def test_every_member_and_field_is_on_the_page(module: str) -> None:
    section = PAGE[: PAGE.index(f"Source: `neokernel/abi/{module}.py`")].rpartition("\n## ")[2]
    for name, value in own(module):
        if value is Operation:
            for operation in Operation:
                assert f"\n##### {operation.name}\n" in section and f"- label: {operation.value}\n" in section
        elif isinstance(value, type) and issubclass(value, Enum):
            for member in value:
                assert re.search(rf"^\| {member.value} \| `{member.name}` \|", section, re.MULTILINE)
        elif isinstance(value, type):
            assert f"### {name}\n" in section
            for field in value.__annotations__:
                assert f"| {lang.offset_of(value, field)} | `{field}` |" in section
            assert f"{lang.size_of(value):,} bytes." in section
        else:
            assert f"`{name}(" in section


def test_the_kernel_tells_every_call_and_operation_apart() -> None:
    found = collect()
    assert set(found.operations) == {operation.name for operation in Operation}
    assert set(found.calls) == {call.name for call in Call}
    # All but YIELD name a capability, which may be missing.
    assert {name for name, made in found.calls.items() if "NO_CAPABILITY" not in dict(made)} == {"YIELD"}
    # An operation that nothing leads to would have no failures of its own; these indeed have none.
    nothing = {"MEMORY_INFO", "THREAD_INFO", "PROCESSOR_INFO", "CONTEXT_INFO", "TRACE_START", "DENIALS"}
    assert {name for name, made in found.operations.items() if not made} == nothing
    assert ("MISSING_RIGHT", 0) in found.invocation


# --- comments of operations -------------------------------------------------------------------------------------------

RIGHTS = ["READ", "SIGNAL"]


@pytest.mark.parametrize(
    ("comment", "parts"),
    [
        ("Frame ()", ("Frame", "", "", "", "CONTROL", "")),
        ("Frame (): take it out. Any right", ("Frame", "", "", "", "any", "take it out")),
        (
            "Space (address, rights; page table): map",
            ("Space", "`a2` address, `a3` rights", "page table", "", "CONTROL", "map"),
        ),
        (
            "Trace (page) → a Frame in the window, read only. READ",
            ("Trace", "`a2` page", "", "a Frame in the window, read only", "READ", ""),
        ),
        ("Trace () → all, more: what there is", ("Trace", "", "", "`a2` all, `a3` more", "CONTROL", "what there is")),
        ("Thread (; bell): tells. Needs SIGNAL", ("Thread", "", "bell", "", "CONTROL", "tells. Needs SIGNAL")),
        ("Time (budget; context), in ticks", ("Time", "`a2` budget", "context", "", "CONTROL", "in ticks")),
    ],
)
def test_comments_of_operations(comment: str, parts: tuple[str, ...]) -> None:
    assert reference.parse_operation(comment, RIGHTS) == reference.Operation(*parts)


def test_a_comment_of_another_form() -> None:
    with pytest.raises(ValueError, match="has another form: 'does something'"):
        reference.parse_operation("does something", RIGHTS)
    with pytest.raises(ValueError, match="more words than registers: 'a, b, c, d, e'"):
        reference.parse_operation("Frame (a, b, c, d, e): does something", RIGHTS)


def test_every_call_and_operation_has_a_function() -> None:
    assert set(reference.functions("Operation")) == {operation.name for operation in Operation}
    assert set(reference.functions("Call")) == {call.name for call in Call}
    assert reference.functions("Operation")["UNMAP"] == "`unmap(frame: u64) -> Failure | None`"


def test_the_example_of_an_operation() -> None:
    """The numbers in the text of `abi/operations.py`."""
    section = PAGE[PAGE.index("\n## Operations of kernel objects") : PAGE.index("\n### Operation\n")]
    assert f"`a1` {hexadecimal(message(u64(Operation.RETYPE.value), u64(4)))}" in section
    assert f"{hexadecimal(failure(Status.OUT_OF_MEMORY, u64(INVOKED)))} (OUT_OF_MEMORY of argument 0)" in section
    assert f"`a7` is {Call.CALL.value}\n" in section and f"`a2` {Kind.ENDPOINT.value} (ENDPOINT)" in section


def hexadecimal(word: Any) -> str:
    return f"{int(word):#_x}"


# --- failures ---------------------------------------------------------------------------------------------------------

GATE = """
from neokernel.kernel import table
from neokernel.kernel.wait import suspend


def enter(caller: Thread, slot: Slot, call: Call) -> u64:
    if call is Call.YIELD:
        return 0
    if slot.object is None:
        return failure(Status.NO_CAPABILITY, INVOKED)
    match call:
        case Call.CALL:
            return invoke(caller, slot)
        case Call.SIGNAL:
            return table.refuse(slot, argument=INVOKED)
        case _:
            return failure(Status.TIMED_OUT, FIRST)


def invoke(caller: Thread, slot: Slot) -> u64:
    operation = operation_of(caller)
    if operation is None:
        return failure(Status.UNKNOWN_OPERATION, WORD)
    match slot.object:
        case Memory():
            return invoke_memory(slot, operation)
        case Table() as found:
            return table.invoke(slot, found, operation)
    return failure(Status.WRONG_KIND, INVOKED)


def invoke_memory(slot: Slot, operation: Operation) -> u64:
    if not controlled(slot):
        return failure(Status.MISSING_RIGHT, INVOKED)
    if operation is not Operation.RETYPE and operation is not Operation.CLEAR:
        return failure(Status.WRONG_KIND, INVOKED)
    if slot.empty:
        return failure(Status.OUT_OF_MEMORY, INVOKED)
    return table.wait(slot, True) if operation is Operation.RETYPE else table.wait(slot, waiting=False)
"""

TABLE = """
from neokernel.kernel.wait import suspend


def invoke(slot: Slot, table: Table, operation: Operation) -> u64:
    if not u64(Operation.COPY.value) <= u64(operation.value) <= u64(Operation.INSPECT.value):
        return failure(Status.WRONG_KIND, INVOKED)
    if slot.index > 4:
        return failure(Status.OUT_OF_RANGE, FIRST)
    match operation:
        case Operation.COPY:
            return copy(slot)
        case Operation.DELETE | Operation.REVOKE:
            return delete(slot, FIRST)
        case Operation.MOVE:
            return suspend(slot)
        case _:
            unreachable("these are all")


def copy(slot: Slot) -> u64:
    refused = checked(slot)
    if refused != 0:
        return refused
    for number in range(4):
        if number > 2:
            return failure(Status.OCCUPIED, TRAVELLING + number)
    return 0


def checked(slot: Slot) -> u64:
    reason = Status.BADGED if slot.badge else Status.PINNED
    return failure(reason, FIRST)


def wait(slot: Slot, waiting: bool) -> u64:
    refused = 0
    if not waiting:
        refused = failure(Status.TIMED_OUT, FIRST)
    if waiting and slot.object is not None:
        return failure(Status.WRONG_STATE, INVOKED)
    elif slot.parent is not None:
        return failure(Status.PINNED, INVOKED)
    return refused


def delete(slot: Slot, argument: u64) -> u64:
    return refuse(slot, argument)


def refuse(slot: Slot, argument: u64) -> u64:
    return failure(Status.NO_CAPABILITY if slot.object is None else Status.WRONG_KIND, argument)
"""

WAIT = """
def suspend(thread: Thread) -> u64:
    wake(thread, failure(Status.CANCELLED, INVOKED))
    word = 0
    word = word
    return word
"""


@pytest.fixture
def failures(tmp_path: Path) -> Failures:
    for name, text in (("gate", GATE), ("table", TABLE), ("wait", WAIT)):
        (tmp_path / f"{name}.py").write_text(text)
    return collect(tmp_path)


def test_failures_are_followed_to_where_they_are_made(failures: Failures) -> None:
    index = ("OUT_OF_RANGE", 2)
    removal = [index, ("NO_CAPABILITY", 2), ("WRONG_KIND", 2)]
    assert {name: found for name, found in failures.operations.items() if found} == {
        "RETYPE": [("OUT_OF_MEMORY", 0), ("WRONG_STATE", 0), ("PINNED", 0)],
        "CLEAR": [("OUT_OF_MEMORY", 0), ("PINNED", 0), ("TIMED_OUT", 2)],
        "COPY": [index, ("BADGED", 2), ("PINNED", 2), ("OCCUPIED", 8)],
        "DELETE": removal,
        "REVOKE": removal,
        **{name: [index] for name in ("MOVE", "COPY_OUT", "MOVE_OUT", "INSPECT")},
    }


def test_what_all_operations_have_is_said_once(failures: Failures) -> None:
    assert failures.invocation == [("UNKNOWN_OPERATION", 1), ("MISSING_RIGHT", 0), ("WRONG_KIND", 0)]
    assert failures.calls["CALL"] == [("NO_CAPABILITY", 0), *failures.invocation]
    assert failures.calls["SIGNAL"] == [("NO_CAPABILITY", 0), ("WRONG_KIND", 0)]
    assert failures.calls["WAIT"] == [("NO_CAPABILITY", 0), ("TIMED_OUT", 2)]
    assert failures.calls["YIELD"] == []


def test_what_nobody_returns_comes_to_who_waits(failures: Failures) -> None:
    assert failures.later == [("CANCELLED", 0)]


STEPS = """
from neokernel.kernel import table


def enter(slot: Slot, call: Call) -> u64:
    operation = operation_of(slot)
    if call is Call.RECEIVE:
        return receive(slot, NEVER)
    return receive(slot, slot.deadline)


def receive(slot: Slot, deadline: u64) -> u64:
    refused = failure(Status.WRONG_KIND, INVOKED) if slot.other else 0
    if refused != 0:
        return refused
    if deadline != NEVER:
        return failure(Status.TIMED_OUT, FIRST)
    if slot.full:
        refused = failure(Status.OCCUPIED, INVOKED)
    if slot.pinned:
        return refused
    refused = failure(Status.PINNED, INVOKED)
    return refused
"""


def test_failures_stand_in_the_order_of_the_guards(tmp_path: Path) -> None:
    (tmp_path / "steps.py").write_text(STEPS)
    calls = collect(tmp_path).calls
    rest = [("OCCUPIED", 0), ("PINNED", 0)]
    assert calls["RECEIVE"] == [("WRONG_KIND", 0), *rest], "with this constant there is no deadline"
    assert calls["WAIT"] == [("WRONG_KIND", 0), ("TIMED_OUT", 2), *rest]


def test_the_text_of_failures() -> None:
    found: list[tuple[str, int | None]] = [("OCCUPIED", 8), ("BADGED", 2), ("NO_WINDOW", 12), ("TIMED_OUT", None)]
    assert Failures.text(found) == "OCCUPIED (travelling), BADGED (`a2`), NO_WINDOW (window), TIMED_OUT"
    named = Failures.text(found, {8: "frame", 2: "badge"})
    assert named == "OCCUPIED (frame), BADGED (`a2` badge), NO_WINDOW (window), TIMED_OUT"
    assert Failures.text(None) == ""
