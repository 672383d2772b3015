"""No test judges how fast its host is: whatever it waits for with a limit of time, it waits for with `PATIENCE`.

What stands in the sources is looked at: limits that are numbers of their own, and clocks. Campaigns, which run for as
long as they are told, and programs of machines, whose time is theirs, are left out. Whoever needs a limit of another
kind says here why a slow host can't miss it.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
#: functions whose first argument is seconds, and which give up then
LIMITED = {"communicate", "join", "settimeout", "wait"}
CLOCKS = {"monotonic", "perf_counter", "time", "time_ns", "monotonic_ns"}
#: by file: what it may say, and why
ALLOWED = {
    "drivers/test_network_machine.py": {"made.settimeout(0.3)": "what is lost is said again"},
    "drivers/test_ports_machine.py": {"victim.settimeout(0.3)": "nothing comes, however long it is waited for"},
    "fuzz/test_fuzz.py": {"timeout=0.0": "it is about a limit that is over at once"},
    "fuzz/test_mutants.py": {"timeout=30": "a planted mistake may make a program hang, which is a difference, too"},
    "http/test_machine.py": {"made.settimeout(0.05)": "the pause between two bytes of a slow sender"},
    "image/test_crash.py": {"timeout=2": "the machine never ends, so every limit is over some time"},
    "network/test_machine.py": {"made.settimeout(0.5)": "what is lost is said again"},
    "support/meanings.py": {"time.monotonic": "its limits are those of its callers"},
    "cli/test_run.py": {"--timeout 1": "what is ended would go on for much longer"},
    "cli/test_trace.py": {"--timeout 1": "however far the machine has come by then"},
    "system/test_denials.py": {"--timeout 0.001": "it is told before the machine starts"},
}
FILES = sorted(
    path
    for path in TESTS.rglob("*.py")
    if (path.name.startswith(("test_", "conftest")) or "support" in path.parts) and "machine" not in path.parts
)


def limits(tree: ast.AST) -> Iterator[str]:
    """What in a source says how long something may take, or asks how long it took."""
    patient = {id(clock) for node in ast.walk(tree) for clock in clocks_of_patience(node)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            for each in node.keywords:
                if each.arg in ("timeout", "patience") and is_number(each.value):
                    yield ast.unparse(each)
            named = node.func.attr if isinstance(node.func, ast.Attribute) else ""
            if named in LIMITED and len(node.args) == 1 and is_number(node.args[0]):
                yield ast.unparse(node)
            for word, number in zip(node.args, node.args[1:], strict=False):
                if isinstance(word, ast.Constant) and word.value == "--timeout" and isinstance(number, ast.Constant):
                    yield f"--timeout {number.value!s}"
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            if node.value.id == "time" and node.attr in CLOCKS and id(node) not in patient:
                yield ast.unparse(node)


def clocks_of_patience(node: ast.AST) -> Iterator[ast.expr]:
    """Those in `end = time.monotonic() + PATIENCE`, and in what compares the time with that end."""
    if isinstance(node, ast.BinOp) and ast.unparse(node.right) == "PATIENCE":
        around: list[ast.expr] = [node.left]
    elif isinstance(node, ast.Compare) and all(isinstance(each, ast.Name | ast.Call) for each in node.comparators):
        around = [node.left, *node.comparators]
    else:
        return
    yield from (each.func for each in around if isinstance(each, ast.Call))


def is_number(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(TESTS).as_posix())
def test_waits_are_patient(path: Path) -> None:
    found = set(limits(ast.parse(path.read_text(encoding="utf-8"))))
    allowed = ALLOWED.get(path.relative_to(TESTS).as_posix(), {})
    assert found == set(allowed), "say `PATIENCE` of tests/support/patience.py, or `eventually`"


def test_each_exception_is_of_a_file() -> None:
    assert set(ALLOWED) <= {path.relative_to(TESTS).as_posix() for path in FILES}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("run(command, timeout=60)", "timeout=60"),
        ("process.communicate(timeout=5.5)", "timeout=5.5"),
        ("made.settimeout(3)", "made.settimeout(3)"),
        ("thread.join(10)", "thread.join(10)"),
        ('nk("run", "--timeout", "60", image)', "--timeout 60"),
        ("until = time.monotonic() + 5", "time.monotonic"),
        ("assert time.monotonic() - begun < 5", "time.monotonic"),
    ],
)
def test_limits_are_seen(text: str, said: str) -> None:
    assert list(limits(ast.parse(text))) == [said]


def test_what_is_no_limit_is_none() -> None:
    text = "run(command, timeout=PATIENCE); process.wait(); time.sleep(0.1); made.settimeout(LONG); ', '.join(it)"
    assert list(limits(ast.parse(text))) == []
    assert list(limits(ast.parse("end = time.monotonic() + PATIENCE\nassert time.monotonic() < end"))) == []
