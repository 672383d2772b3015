"""`nk prove`: what it prints, what it writes, what it remembers."""

from __future__ import annotations

import ast
import json
import os
import re
import subprocess
import sys
import textwrap
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from neokernel import patience
from neokernel.cli import demonstration
from neokernel.cli.main import guarded
from neokernel.cli.output import shown
from neokernel.cli.prove import command
from neokernel.compiler.ir import Span
from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.prover import cache
from neokernel.prover.failures import MADE

HALVES = """from neokernel.lang import ensures, requires, u32

def half(a: u32) -> u32:
    requires(a % 2 == 0)
    ensures(lambda result: result * 2 == a)
    return a // 2

def use(a: u32) -> u32:
    return half(a * 2) + 1
"""


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "halves.py"
    path.write_text(HALVES)
    return path


def prove(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(command, [str(argument) for argument in arguments], standalone_mode=False)
    assert result.exception is None, result.exception
    return int(result.return_value), result.output


def test_proofs_are_made_again_when_the_compiler_gives_ir_another_meaning() -> None:
    """All that the prover imports of the compiler is in the key, but for how messages are worded."""
    taken = set()
    for path in (PACKAGE_ROOT / "neokernel" / "prover").glob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and node.module == "neokernel.compiler":
                taken |= {f"{node.module}.{alias.name}" for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and str(node.module).startswith("neokernel.compiler."):
                taken.add(str(node.module))
    assert taken - {"neokernel.compiler.diagnostics"} == {module.__name__ for module in cache.MEANINGS}


def test_what_is_not_proven_is_shown_with_arguments(module: Path) -> None:
    status, output = prove(module)
    assert status == 1
    assert "error[NK1401]: this may overflow" in output
    assert "    return half(a * 2) + 1" in output
    assert "note: with a = " in output
    assert output.endswith("halves.py: 2 functions, 7 obligations, 1 not proven\n")


def test_all_proven(module: Path) -> None:
    module.write_text(HALVES.replace("half(a * 2)", "half(a // 2 * 2)"))
    assert prove(module) == (0, "halves.py: 2 functions, 8 obligations, all proven\n")


def test_a_proof_is_remembered_until_something_it_reads_changes(module: Path) -> None:
    prove(module)
    records = sorted((module.parent / "build" / "proofs").iterdir())
    assert len(records) == 2
    record = next(path for path in records if '"half"' in path.read_text())
    changed = json.loads(record.read_text())
    changed["told"]["obligations"] = changed["told"]["proven"] = 40
    record.write_text(json.dumps(changed))
    assert "43 obligations" in prove(module)[1], "it is read"
    assert "7 obligations" in prove("--cold", module)[1]
    module.write_text(HALVES.replace("a // 2", "a // 2 + 1"))
    status, output = prove(module)
    assert status == 1 and "`half` may not do what it ensures" in output


def test_records_that_were_not_used_for_longest_make_room(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    record = {"text": "x" * 1000}
    monkeypatch.setattr(cache, "MOST_BYTES", 5 * len(json.dumps(record)))
    monkeypatch.setattr(cache, "BETWEEN", 1)
    for number in range(5):
        cache.store(f"r{number}", record)
        os.utime(cache.FOLDER / f"r{number}.json", (number, number))
    (cache.FOLDER / "r9.1234").write_text("left by one that was killed")
    os.utime(cache.FOLDER / "r9.1234", (0, 0))
    assert cache.load("r0") == record
    cache.store("r5", record)
    assert {path.name for path in cache.FOLDER.iterdir()} == {f"r{number}.json" for number in (0, 2, 3, 4, 5)}
    assert cache.load("r1") is None


def test_messages_follow_their_lines(module: Path) -> None:
    prove(module)
    module.write_text("#\n" + HALVES)
    assert "halves.py:10:17" in prove(module)[1]


def test_a_changed_type_is_a_change(module: Path) -> None:
    text = "from enum import Enum\nfrom neokernel.lang import u8\n\nclass E(Enum):\n    A = 0\n    B = 1\n\n"
    text += "def f(a: E) -> u8:\n    return u8(a.value) + 254\n"
    module.write_text(text)
    assert prove(module)[0] == 0
    module.write_text(text.replace("B = 1", "B = 2"))
    assert prove(module)[0] == 1


def test_as_json(module: Path) -> None:
    status, output = prove("--json", module)
    found = json.loads(output)
    assert status == found["exit"] == 1
    (program,) = found["programs"]
    assert [(f["name"], f["proven"], f["obligations"]) for f in program["functions"]] == [("half", 4, 4), ("use", 2, 3)]
    assert [d["code"] for d in program["diagnostics"]] == ["NK1401"]


def test_a_table(module: Path) -> None:
    _, output = prove("--table", module)
    assert output.splitlines()[1].split()[:4] == ["use", "2", "of", "3"]


SCENES = {
    "numbers": (
        """
        def f(a: i32, b: u8) -> i32:
            return a // i32(b)
        """,
        "DivisionByZero",
    ),
    "an enum and a value": (
        """
        class E(Enum):
            A = 3
            B = 7

        @value
        class V:
            n: u8
            e: E

        def f(v: V, b: bool) -> u8:
            return v.n + 1 if b and v.e is E.B else 0
        """,
        "IntegerOverflow",
    ),
    "objects that refer to each other": (
        """
        @struct
        class N:
            n: u8 = 0
            next: N | None = None

        def f(a: N, b: N) -> None:
            c = a.next
            if c is b and b.next is a and a is not b:
                assert a.n <= b.n
        """,
        "AssertionFailed",
    ),
    "an array": (
        """
        @struct
        class A:
            cells: Array[u16] = array(4)
            at: u64 = 0

        def f(a: A) -> None:
            if a.at < 4:
                assert a.cells[a.at] != 77
        """,
        "AssertionFailed",
    ),
    "an embedded object": (
        """
        @struct
        class I:
            n: i8 = 0

        @struct
        class O:
            i: Embedded[I] = I()

        def f(o: O) -> i8:
            return -o.i.n
        """,
        "IntegerOverflow",
    ),
}


def test_the_written_tests_fail_in_the_same_way_under_cpython(module: Path) -> None:
    folder = module.parent
    for number, (text, raised) in enumerate(SCENES.values()):
        words = "Array, Embedded, array, i8, i32, struct, u8, u16, u64, value"
        header = f"from enum import Enum\n\nfrom neokernel.lang import {words}\n"
        (folder / f"scene{number}.py").write_text(header + textwrap.dedent(text))
        status, output = prove("--test", f"test_scene{number}.py", f"scene{number}.py")
        assert status == 1
        assert f"pytest.raises(lang.{raised})" in (folder / f"test_scene{number}.py").read_text(), output
    start = "import sys; from neokernel.cli.main import main; sys.exit(main())"
    line = [sys.executable, "-c", start, "test", "-q", *(f"test_scene{n}.py" for n in range(len(SCENES)))]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(PACKAGE_ROOT)}
    tested = subprocess.run(line, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    assert f"{len(SCENES)} passed" in tested.stdout, tested.stdout + tested.stderr


TOO_LITTLE = """from neokernel.lang import ensures, loop_bound, requires, u32

def half(a: u32) -> u32:
    ensures(lambda result: result <= a)
    return a // 2

def use(a: u32) -> u32:
    requires(a < 100)
    assert half(a) * 2 <= a
    return a
"""

SPIN = """from neokernel.lang import u32

def spin() -> None:
    n: u32 = 0
    while n != 1:
        assert n != 7
        n = n // 2
"""

SECOND = """
def third(a: u32) -> u32:
    return a + 1
"""


def test_a_test_whose_run_does_not_fail_is_not_written(module: Path) -> None:
    module.write_text(TOO_LITTLE)
    written = module.parent / "test_it.py"
    written.write_text(f"{MADE}of an earlier run")
    status, output = prove("--test", "test_it.py", "halves.py")
    assert status == 1
    assert "halves.py:9: this assertion may fail: nothing fails when it is run" in output
    assert "`half` is known by its contract only" in output
    assert "no test was written" in output and "test_it.py is older than that" in output
    assert written.read_text() == f"{MADE}of an earlier run"


def test_the_test_is_of_the_first_message_that_a_run_shows(module: Path) -> None:
    module.write_text(TOO_LITTLE + SECOND)
    status, output = prove("--test", "test_it.py", "halves.py")
    assert status == 1
    assert output.splitlines()[-1] == "test_it.py: a test that runs into halves.py:13: this may overflow"
    assert "third(lang.u32(4294967295))" in (module.parent / "test_it.py").read_text()
    _, printed = prove("--json", "--test", "test_it.py", "halves.py")
    assert json.loads(printed)["test"]["written_for"] == "halves.py:13: this may overflow"
    module.write_text(HALVES.replace("half(a * 2)", "half(a // 2 * 2)"))
    status, output = prove("--test", "test_it.py", "halves.py")
    assert status == 0
    assert "all is proven" in output and "test_it.py is older than that" in output


def test_a_run_without_an_end_shows_nothing(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demonstration, "LIMIT", 3)
    monkeypatch.setenv(patience.VARIABLE, "1")
    module.write_text(SPIN)
    status, output = prove("--test", "test_it.py", "halves.py")
    assert status == 1
    assert "its run hadn't ended after 3 seconds" in output and "of the loop in line 5" in output
    assert not (module.parent / "test_it.py").exists()


def test_a_run_fails_as_told_or_shows_nothing(module: Path) -> None:
    test = "import pytest\nfrom neokernel import lang\nfrom halves import use\n\ndef test_use() -> None:\n"
    test += "    with pytest.raises(lang.IntegerOverflow):\n        use(lang.u32({}))\n"
    span = Span("halves.py", 9, 11, 9, 22)
    path = module.parent / "test_it.py"
    assert demonstration.instead(test.format(0xFFFF_FFFF), path, span) == ""
    assert "elsewhere when it is run, in " in demonstration.instead(
        test.format(0xFFFF_FFFF), path, replace(span, line=3, end_line=3)
    )
    assert demonstration.instead(test.format(1), path, span) == "nothing fails when it is run"
    assert "something else fails first: ConversionFailed" in demonstration.instead(test.format(-1), path, span)
    elsewhere = test.replace("from halves", "from nowhere").format(0)
    assert "write the test beside the program" in demonstration.instead(elsewhere, path, span)


def test_checks_of_other_modules_are_named_as_theirs(module: Path) -> None:
    (module.parent / "user.py").write_text(
        "from neokernel.lang import u32\nfrom halves import use\n\ndef f(a: u32) -> u32:\n    return use(a)\n"
    )
    status, output = prove("user.py")
    assert status == 0
    assert "whose code is called: 1 check of halves (1)\n" in output
    assert output.endswith("all of its own proven\n")
    assert json.loads(prove("--json", "user.py")[1])["programs"][0]["not_proven_elsewhere"] == {"halves": 1}


#: generic code, which its own module makes nothing of, and what that calls
SHELVES = """from typing import Generic, TypeVar
from neokernel.lang import Array, array, ensures, struct, u32, usize

T = TypeVar("T")

def _from_behind(place: usize) -> usize:
    return 3 - place

@struct
class Shelf(Generic[T]):
    items: Array[T] = array(4)

    def get(self, place: usize) -> T:
        ensures(lambda result: True)
        return self.items[{place}]

    def look(self, place: usize) -> T:
        return self.items[{place}]

def public(place: usize) -> usize:
    return _from_behind(place)
"""
READER = """from neokernel.lang import u32, usize
from shelves import Shelf, public

def f(shelf: Shelf[u32], place: usize) -> u32:
    return shelf.{}(place)
"""


@pytest.mark.parametrize("method", ["get", "look"])
@pytest.mark.parametrize(
    ("place", "wrong"),
    [("place % 4", ""), ("place", "return self.items[place]"), ("_from_behind(place)", "return 3 - place")],
)
def test_what_generic_code_of_others_does_is_proven_by_who_uses_it(
    module: Path, method: str, place: str, wrong: str
) -> None:
    """Their own module has no instance of it, nor has it proven what this calls but where it calls it itself."""
    (module.parent / "shelves.py").write_text(SHELVES.format(place=place))
    module.write_text(READER.format(method))
    status, output = prove(module)
    assert status == bool(wrong) and wrong in output
    assert "assumed" not in output and "other modules" not in output


def test_what_public_code_of_others_does_is_theirs_to_prove(module: Path) -> None:
    """With what they call themselves."""
    (module.parent / "shelves.py").write_text(SHELVES.format(place="place % 4"))
    module.write_text(READER.format("get").replace("place)\n", "public(place) % 4)\n"))
    status, output = prove(module)
    assert status == 0 and "whose code is called: 1 check of shelves (1)\n" in output
    assert prove("shelves.py")[0] == 1


def test_what_is_assumed_does_not_depend_on_what_was_proven_with_it_before(module: Path) -> None:
    kernel = PACKAGE_ROOT / "neokernel" / "kernel"
    interrupt, notification = kernel / "interrupt.py", kernel / "notification.py"
    assert "`neokernel.kernel.notification.signal`" not in prove(interrupt, notification)[1]
    assert "`neokernel.kernel.notification.signal`" in prove(interrupt)[1]


def test_bounds_are_told_by_the_lines_where_they_are(module: Path) -> None:
    for above in ("", "#\n\n"):
        module.write_text(above + SPIN.replace("assert n != 7", "loop_bound(9)").replace("u32", "loop_bound, u32", 1))
        place = 1 + module.read_text().splitlines().index("        loop_bound(9)")
        assert f"assumed: the `loop_bound` of spin, line {place}\n" in prove(module)[1]


def test_a_folder_is_all_programs_of_its_system(module: Path) -> None:
    text = "from neokernel.lang import u64\nfrom neokernel.runtime.process import Process\n\n"
    text += "def main(process: Process) -> None:\n    {}\n"
    folder = module.parent / "system"
    folder.mkdir()
    (folder / "main.py").write_text(text.format("pass"))
    (folder / "server.py").write_text(text.format("assert process.arguments[0] != 9"))
    status, output = prove("system")
    assert status == 1
    assert "server.py:5:5" in output and "system: nothing to prove" in output
    assert output.endswith("server.py: 1 function, 2 obligations, 1 not proven\n")


def test_what_a_contract_allows_a_call_to_give_is_shown(module: Path) -> None:
    module.write_text(TOO_LITTLE.replace("assert half(a)", "found = half(a)\n    assert found"))
    output = prove(module)[1]
    given = re.search(r"note: `half` gives (\d+): its contract allows it \(.*halves.py:9\)", output)
    there = re.search(r"note: there, found = (\d+)\n", output)
    a = re.search(r"note: with a = (\d+)\n", output)
    assert given and there and a, output
    assert given[1] == there[1] and int(given[1]) <= int(a[1]) < 2 * int(given[1])
    assert not re.search(r"note: .* is (true|false) \(", output), "what is asserted is no branch"


def test_variables_of_a_round_are_shown(module: Path) -> None:
    module.write_text(SPIN)
    output = prove(module)[1]
    assert "note: of this loop's rounds no more is known: one may begin with n = 7 (" in output
    assert "note: there, n = 7\n" in output


def test_the_nearest_conditions_are_shown_and_those_of_other_modules_are_counted(module: Path) -> None:
    ways = "".join(f"    if a == {n}:\n        return 0\n" for n in range(9))
    module.write_text(
        f"from neokernel.lang import u32\nimport other\n\ndef f(a: u32) -> u32:\n    b = other.g(a)\n{ways}"
    )
    with module.open("a") as file:
        file.write("    return b + 1\n")
    (module.parent / "other.py").write_text(
        "from neokernel.lang import u32\n\ndef g(a: u32) -> u32:\n    if a > 70:\n        return a\n    return 1\n"
    )
    notes = [line for line in prove(module)[1].splitlines() if "on the way" in line or "a == " in line]
    assert notes[0].endswith(": on the way, 1 more condition in other.py")
    assert notes[1].endswith(": on the way, 3 more before these")
    said = [line.partition("note: ")[2] for line in notes[2:]]
    wanted = [f"`a == {n}` is false ({shown(module)}:{6 + 2 * n})" for n in range(3, 9)]
    assert said == wanted


LISTED = """from __future__ import annotations

from neokernel.lang import ensures, invariant, old, requires, struct, u32


@struct
class Node:
    next: Node | None = None
    previous: Node | None = None
    count: u32 = 0
    limit: u32 = 10

    @invariant
    def is_linked(self) -> bool:
        before = self.previous
        after = self.next
        return (before is None or before.next is self) and (after is None or after.previous is self)

    @invariant
    def is_counted(self) -> bool:
        return self.count <= self.limit


def cut(node: Node) -> None:
    before = node.previous
    if before is not None:
        before.next = None
    node.count = 11


def add(node: Node) -> None:
    requires(node.count < node.limit)
    ensures(lambda: node.limit == old(node.limit) and node.count == old(node.count) + 1)
    node.count += 0
"""


def test_what_an_invariant_is_broken_by_is_shown(module: Path) -> None:
    """What was there, what is there afterwards, of which object it no longer holds, and which part of it."""
    module.write_text(LISTED)
    output = prove(module)[1]
    linked, counted = output.split("error[NK1401]: ")[1:3]
    assert linked.startswith("the invariant `Node.is_linked` may be broken afterwards\n")
    assert "note: with node = node\n" in linked
    before = re.search(r"note: where node has (?:next = node, )?previous = (node\w*)\n", linked)
    assert before, f"of its count nothing is said: {linked}"
    assert f"note: where {before[1]} has next = node" in linked
    assert f"note: `before is not None` is true ({shown(module)}:26)\n" in linked
    assert f"note: afterwards {before[1]} has next = None\n" in linked
    assert f"note: it is broken of node: `before.next is self` is false ({shown(module)}:17)\n" in linked
    assert counted.startswith("the invariant `Node.is_counted` may be broken afterwards\n")
    assert "note: afterwards node has count = 11\n" in counted, "its limit is what it was"
    assert f"note: it is broken of node: `self.count <= self.limit` is false ({shown(module)}:21)\n" in counted


def test_which_part_of_a_contract_fails_is_shown(module: Path) -> None:
    module.write_text(LISTED)
    output = prove(module)[1]
    ensured = output.split("error[NK1401]: ")[3]
    assert ensured.startswith("`add` may not do what it ensures\n")
    assert f"note: `node.count == old(node.count) + 1` is false ({shown(module)}:33)\n" in ensured
    assert "returns" not in ensured, "nothing is promised of what it returns"


def test_what_is_returned_against_a_promise_is_shown(module: Path) -> None:
    module.write_text(
        """from neokernel.lang import ensures, requires, u32


def middle(low: u32, high: u32) -> u32:
    requires(low < high and high < 100)
    ensures(lambda result: low < result)
    return (low + high) // 2
"""
    )
    output = prove(module)[1]
    given = re.search(r"note: with low = (\d+), high = (\d+)\n", output)
    assert given
    assert f"note: it returns {(int(given[1]) + int(given[2])) // 2}\n" in output


def test_what_fails_in_several_ways_is_said_once(module: Path) -> None:
    """Three objects of which it may be broken; but the number of what isn't proven is told."""
    module.write_text(
        LISTED
        + """

def both(one: Node, other: Node) -> None:
    one.count = one.limit + 1
    other.count = other.limit + 1
"""
    )
    output = prove(module)[1]
    assert output.count("`Node.is_counted` may be broken") == 2, "in `cut` and in `both`"


COUNTED = """from neokernel.lang import ensures, loop_invariant, u32

def up() -> u32:
    count: u32 = 0
    for _ in range(8):
        loop_invariant(count <= {most})
        count += 1
    return count
"""


@pytest.mark.parametrize("most", [7, 6, 0])
def test_what_holds_in_each_round_is_due_where_rounds_are_counted_too(module: Path, most: int) -> None:
    module.write_text(COUNTED.format(most=most))
    status, output = prove(module)
    assert status == (0 if most == 7 else 1)
    assert ("this may not hold in each round" in output) == (most != 7)
    if most != 7:
        assert f"note: where it is to hold, count = {most + 1}\n" in output


FOUND = """from neokernel.lang import Array, array, ensures, invariant, loop_invariant, struct, usize


@struct
class Bitmap:
    taken: Array[bool] = array(8)
    hint: usize = 0

    @invariant
    def fits(self) -> bool:
        return self.hint < 8

    def find(self) -> usize:
        ensures(lambda result: result <= 8)
        place = self.hint
        while place < 8:
            loop_invariant(place >= self.hint)
            if not self.taken[place]:
                return place
            place += 1
        return 8

    def allocate(self) -> None:
        place = self.find()
        if place < 8:
            self.hint = {hint}
"""


def test_a_way_to_fail_is_one_of_a_run_if_there_is_one(module: Path) -> None:
    """`find` is known by its contract, by which it may find what is taken; what is shown is what it does find."""
    module.write_text(FOUND.format(hint="place + 1"))
    status, output = prove("--test", "test_it.py", "halves.py")
    assert status == 1
    assert "its contract allows it" not in output
    assert "afterwards bitmap has hint = 8\n" in output
    assert "it is broken of bitmap: `self.hint < 8` is false" in output
    assert output.endswith("a test that runs into halves.py:23: the invariant `Bitmap.fits` may be broken afterwards\n")


def test_that_no_run_fails_is_said(module: Path) -> None:
    """Nothing fails in all that is called: its contract says too little."""
    module.write_text(TOO_LITTLE)
    output = prove(module)[1]
    assert "no run fails so: say more of what is called, by `ensures`" in output
    module.write_text(
        FOUND.format(hint="place").replace("place < 8:\n            self.hint", "True:\n            self.hint")
    )
    output = prove(module)[1]
    assert "the invariant `Bitmap.fits` may be broken" in output and "no run fails so" not in output


REQUIRED = """from neokernel.lang import Array, array, requires, struct, u32, usize


@struct
class Table:
    rows: Array[u32] = array(4)


def take(table: Table, place: usize, limit: u32) -> u32:
    requires(limit != 0 and limit < 9)
    requires(table.rows[place] < limit)
    return table.rows[place]


def use(table: Table, place: usize) -> u32:
    return take(table, place, 9)


def use_more(table: Table, place: usize) -> u32:
    return take(table, place, 3)
"""


def test_which_of_what_a_call_requires_is_broken_is_shown(module: Path) -> None:
    module.write_text(REQUIRED)
    output = prove(module)[1]
    assert f"note: `limit < 9` is false ({shown(module)}:10)\n" in output
    assert f"note: it can't be computed: this may be out of range ({shown(module)}:11)\n" in output


def test_a_contract_that_cannot_be_computed_fails_so_when_it_is_run(module: Path) -> None:
    text = REQUIRED.replace("table.rows[place] < limit", "table.rows[place] <= 0xFFFF_FFFF")
    module.write_text(text.replace("place, 9)", "0, 8)"))
    status, output = prove("--test", "test_it.py", "halves.py")
    assert status == 1
    assert "lang.IndexOutOfRange" in (module.parent / "test_it.py").read_text(), output


@pytest.mark.parametrize("asked", ["self.next is not None", "not (self.next is None)", "isinstance(self.next, Node)"])
def test_a_question_is_shown_with_its_own_answer(module: Path, asked: str) -> None:
    """Also one that is the opposite of what the machine asks."""
    module.write_text(
        "from __future__ import annotations\n\nfrom neokernel.lang import invariant, struct\n\n\n@struct\nclass Node:\n"
        "    next: Node | None = None\n    used: bool = False\n\n    @invariant\n    def is_used(self) -> bool:\n"
        f"        return not self.used or {asked}\n\n\ndef use(node: Node) -> None:\n    node.used = True\n"
    )
    output = prove(module)[1]
    assert f"it is broken of node: `{asked}` is false ({shown(module)}:13)" in output


PAIR = """from neokernel.lang import ensures, invariant, struct, u32


@struct
class Pair:
    low: u32 = 0
    high: u32 = 0

    @invariant
    def in_order(self) -> bool:
        return self.low <= self.high

    def note(self) -> u32:
        ensures(lambda result: result <= self.low)
        return self.low

    def move(self) -> u32:
        first = self.note()
        self.low = first
        self.high = 0
        second = self.note()
        self.low = 0
        return first // 2 + second // 2
"""


def test_what_is_due_at_a_call_may_well_fail(module: Path) -> None:
    """What `note` ensures doesn't matter to whether the invariant holds when it is called."""
    module.write_text(PAIR)
    output = prove(module)[1]
    assert "the invariant `Pair.in_order` may be broken" in output
    assert "no run fails so" not in output


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--paths", "--", "halves.py"], "--paths is for the whole kernel: leave out FILES"),
        (["--annotations", "halves.py"], "--annotations is for the whole kernel: leave out FILES"),
        (["--record", "halves.py"], "--record is for the whole kernel: leave out FILES"),
        (["--write", "page.md", "halves.py"], "--write is for the table of --paths: say `--paths --write FILE`"),
        (["--table", "--annotations"], "--table is for proofs: leave it out"),
        (["--test", "test_it.py"], "--test is for FILES: name the module that isn't proven"),
        (["--test", "nowhere/test_it.py", "halves.py"], "there is no folder nowhere"),
        (["--test", ".", "halves.py"], "it is a folder"),
        (["--test", "halves.py", "halves.py"], "halves.py isn't a test that `nk prove --test` has written"),
        (["--test", "notes.md", "halves.py"], "notes.md isn't a test that `nk prove --test` has written"),
        (["--no-checks", "halves.py"], "--no-checks is for --paths: say `--paths --no-checks`"),
        (["--paths", "--annotations"], "--paths and --annotations: one at a time"),
    ],
)
def test_what_cannot_be_asked_is_refused_at_once(
    module: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    """Nothing is proven, and nothing written, before that is said."""
    (module.parent / "notes.md").write_text("not to be lost")
    before = {path: path.read_text() for path in module.parent.iterdir() if path.is_file()}
    assert guarded(["prove", *arguments]) == 2
    told = capsys.readouterr()
    assert message in told.err
    assert told.out == ""
    assert {path: path.read_text() for path in module.parent.iterdir() if path.is_file()} == before


def test_json_has_no_table(module: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(["prove", "--json", "--table", str(module)]) == 2
    assert json.loads(capsys.readouterr().out)["error"]["message"] == "--table is for people: leave it out"


def test_of_types_that_are_called_alike_another_one_is_another_proof(tmp_path: Path, module: Path) -> None:
    """Which module's it is goes into the proof's key, though the rest of its text is the same."""
    for name, most in (("low", 10), ("high", 100)):
        (tmp_path / f"{name}.py").write_text(
            f"""
from neokernel.lang import invariant, struct, u8

@struct
class S:
    n: u8 = 0

    @invariant
    def is_small(self) -> bool:
        return self.n < {most}
"""
        )
    text = """
from neokernel.lang import u8
from low import S as A
from high import S as B

def small(a: A, b: B) -> u8:
    assert a.n < 10
    return b.n
"""
    module.write_text(text)
    assert prove(module)[0] == 0
    module.write_text(text.replace("low", "other").replace("high", "low").replace("other", "high"))
    assert prove(module)[0] == 1


def test_that_others_keep_the_invariants_is_said_to_be_assumed(tmp_path: Path, module: Path) -> None:
    """Of what isn't looked into, and writes what an invariant reads."""
    many = "\n".join(f"    pair.high = wrapping_add(pair.high, {n})" for n in range(60))
    (tmp_path / "pairs.py").write_text(
        f"""
from neokernel.lang import invariant, struct, u32, wrapping_add

@struct
class Pair:
    low: u32 = 1
    high: u32 = 0
    other: u32 = 0

    @invariant
    def has_some(self) -> bool:
        return self.low > 0

def much(pair: Pair) -> None:
{many}
    pair.low = 0

def harmless(pair: Pair) -> None:
{many}
"""
    )
    module.write_text(
        """
from neokernel.lang import u32
from pairs import Pair, harmless, much

def share(pair: Pair) -> u32:
    much(pair)
    harmless(pair)
    return 100 // pair.low
"""
    )
    status, output = prove(module)
    assert status == 0
    assert "assumed: that invariants are kept by `pairs.much`\n" in output and "harmless" not in output
    assert json.loads(prove("--json", module)[1])["programs"][0]["assumed_invariants"] == ["pairs.much"]


@pytest.mark.parametrize("name", ["test_halves.py", "conftest.py"])
def test_a_host_module_is_not_proven(module: Path, name: str, capsys: pytest.CaptureFixture[str]) -> None:
    module.rename(module.parent / name)
    assert guarded(["prove", name]) == 2
    assert f"{name} is a host module by its name" in capsys.readouterr().err


def test_what_ends_the_run_of_a_test_is_said(module: Path) -> None:
    """For example that another module has the name of one that the run needs."""
    module.rename(module.parent / "pytest.py")
    output = prove("--test", "test_it.py", "pytest.py")[1]
    assert "its run ended with status 1: AttributeError: module 'pytest' has no attribute 'raises'" in output


def test_a_table_and_a_test_of_the_same_proof(module: Path) -> None:
    output = prove("--table", "--test", "test_it.py", module)[1]
    assert "2 of    3" in output and "error[" not in output
    assert "test_it.py: a test that runs into halves.py:" in output


def test_a_test_that_cannot_be_written_is_an_error_of_its_own(
    module: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """What was found out is said all the same."""
    path = module.parent / "test_it.py"

    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_text", full)
    assert guarded(["prove", "--cold", "--test", str(path), str(module)]) == 2
    told = capsys.readouterr().err
    assert "error[NK1401]: this may overflow" in told
    assert "test_it.py can't be written: No space left on device" in told


def test_a_module_is_proven_once_and_may_have_nothing_to_prove(module: Path) -> None:
    assert prove(module, f"./{module.name}") == prove(module)
    module.write_text("from neokernel.lang import u32\n\n\ndef same(a: u32) -> u32:\n    return a\n")
    assert prove(module) == (0, "halves.py: nothing to prove: no function in it comes to a check or a contract\n")


def test_of_arithmetic_with_floats_a_message_says_that_nothing_is_known(module: Path) -> None:
    module.write_text("from neokernel.lang import f64\n\n\ndef grows(x: f64) -> None:\n    assert x + 1.0 > x\n")
    status, output = prove("--test", "test_it.py", module)
    assert status == 1
    assert "note: of arithmetic with floats nothing is known: these values needn't fail\n" in output
    assert "nothing fails when it is run (of arithmetic with floats nothing is known)\n" in output


@pytest.mark.parametrize("name", ["box", "lang", "pytest"])
def test_names_of_a_test_do_not_clash(module: Path, name: str) -> None:
    text = "from neokernel.lang import struct, u32\n\n\n@struct\nclass Box:\n    count: u32 = 0\n\n\n"
    module.write_text(f"{text}def {name}(box: Box) -> None:\n    box.count += 1\n")
    output = prove("--test", "test_it.py", module)[1]
    assert "test_it.py: a test that runs into halves.py:10: this may overflow\n" in output


ALL_ZERO = """from neokernel.lang import Array, array, ensures, ghost, requires, struct, u32, usize


@struct
class Box:
    count: usize = 0
    cells: Array[u32] = array(100)


@ghost
def zero(box: Box) -> bool:
    for place in range(box.count):
        if place < 100 and box.cells[place] != 0:
            return False
    return True


def keeps(box: Box) -> None:
    requires(zero(box))
    ensures(lambda: zero(box))
"""


def test_a_contract_with_a_loop_is_known_by_any_round_and_its_test_fails_in_it_alone(module: Path) -> None:
    """What it requires fails for the same values, which is another failure."""
    module.write_text(ALL_ZERO)
    output = prove("--test", "test_it.py", module)[1]
    assert "note: of this loop's rounds no more is known" in output
    assert "something else fails first: ContractFailed: requires: the condition doesn't hold" in output
    assert "no test was written: no run shows a failure\n" in output


def test_a_message_quotes_the_sources_as_they_are(module: Path) -> None:
    text = "from neokernel.lang import u32\n\nTEN = 10\nONE = 10\n\n\ndef f(n: u32) -> None:\n    if n < TEN:\n"
    module.write_text(f"{text}        assert n != 3\n")
    assert "note: `n < TEN` is true" in prove(module)[1]
    module.write_text(module.read_text().replace("n < TEN", "n < ONE"))
    assert "note: `n < ONE` is true" in prove(module)[1]


def test_what_is_copied_to_and_fro_is_explained(module: Path) -> None:
    """In each of many rounds there are two places from which it may have come."""
    module.write_text(
        """from neokernel.lang import Array, array, copy, struct, u32


@struct
class Node:
    cells: Array[u32] = array(4)


def f(one: Node, other: Node, n: u32) -> None:
    one.cells[0] = 4
    for _ in range(n):
        copy(one.cells, other.cells)
    assert one.cells[0] == 4
"""
    )
    status, output = prove(module)
    assert status == 1
    assert "error[NK1401]: this assertion may fail" in output


OBJECTS = """from __future__ import annotations

from enum import Enum
from typing import Generic, TypeVar

from neokernel.lang import Ghost, invariant, struct, u8, u32, value

T = TypeVar("T")


class colour(Enum):
    RED = 1
    BLUE = 2


@value
class At:
    x: u32
    of: colour


@struct
class Box:
    n: u32
    at: At
    seen: Ghost[u32]


@struct
class Pair:
    first: Box
    second: Box | None
    n: u32 = 0
    of: colour


@struct
class Node:
    next: Node | None = None
    n: u32 = 0


@struct
class List:
    head: Node | None = None
    count: u32 = 0

    @invariant
    def fits(self) -> bool:
        return (self.count == 0) == (self.head is None)


@struct
class Ring(Generic[T]):
    item: T
    other: colour


@struct
class Chain:
    next: Chain
    n: u32


"""


@pytest.mark.parametrize(
    "body",
    [
        "(p: Pair) -> None:\n    b = p.second\n    assert b is None or p.first is b or p.first.n != b.n\n",
        "(p: Pair) -> None:\n    assert p.n != 7\n",
        "(p: Pair) -> None:\n    assert p.of is not colour.BLUE or p.first.at.of is colour.RED\n",
        "(a: Node) -> None:\n    b = a.next\n    assert b is None or b.next is not a or b is a or a.n < b.n\n",
        "(a: Node) -> None:\n    if a.next is a:\n        assert a.n == 0\n",
        "(of: List) -> None:\n    head = of.head\n    if head is not None:\n        assert head.n == of.count\n",
        "(of: Ring[u8]) -> u8:\n    return of.item + 1\n",
        "(of: Ring[Box]) -> u32:\n    return of.item.n + 1\n",
        "(of: colour) -> None:\n    assert of is colour.RED\n",
    ],
)
def test_objects_are_made_of_what_their_constructors_want(module: Path, body: str) -> None:
    """Also of what the failure doesn't hang on; those that lead to each other, of each other; also in other modules."""
    module.write_text(f"{OBJECTS}def f{body}")
    assert "test_it.py: a test that runs into halves.py:" in prove("--test", "test_it.py", module)[1]
    (module.parent / "parts.py").write_text(OBJECTS)
    module.write_text(
        f"from neokernel.lang import u8, u32\nfrom parts import Box, List, Node, Pair, Ring, colour\n\n\ndef f{body}"
    )
    assert "test_it.py: a test that runs into halves.py:" in prove("--test", "test_it.py", module)[1]


def test_of_some_classes_no_object_can_be_made(module: Path) -> None:
    module.write_text(f"{OBJECTS}def f(of: Chain) -> u32:\n    return of.n + of.next.n\n")
    output = prove("--test", "test_it.py", module)[1]
    assert "this may overflow: a `Chain` can't be made: another must be there before it\n" in output


def test_that_no_run_fails_is_said_only_if_all_rounds_were_looked_at(module: Path) -> None:
    """It fails in round 60 of a loop, of which 40 are looked at; or never, in one of 30."""
    text = "from neokernel.lang import requires, u32\n\n\ndef f(n: u32) -> None:\n    requires(n < LIMIT)\n"
    text += "    count: u32 = 0\n    sum: u32 = 0\n    while count < n:\n        assert sum != 60\n"
    text += "        count += 1\n        sum = (sum + 1) & 255\n"
    module.write_text(text.replace("LIMIT", "100"))
    output = prove(module)[1]
    assert "this assertion may fail" in output and "no run fails so" not in output
    module.write_text(text.replace("LIMIT", "30"))
    output = prove(module)[1]
    assert "this assertion may fail" in output and "note: no run fails so" in output


BITS = """from neokernel.lang import Array, array, invariant, struct, u32


@struct
class Bits:
    cells: Array[u32] = array(100)
    first: u32 = 0
    second: u32 = 9

    @invariant
    def small(self) -> bool:
        for cell in self.cells:
            if cell > 7:
                return False
        return True

    @invariant
    def in_order(self) -> bool:
        return self.first <= self.second

    def grow(self) -> None:
        last = self.second
        self.first = last + 1
        self.second = last

    def fill(self) -> None:
        self.cells[3] = 7
"""


def test_a_message_shows_what_matters_and_what_has_changed(module: Path) -> None:
    """An invariant with a loop that isn't understood matters to the one that may break it, and to no other."""
    module.write_text(BITS)
    overflow, order, small = prove(module)[1].split("error[NK1401]: ")[1:]
    assert overflow.startswith("this may overflow") and "no more is known" not in overflow
    assert order.startswith("the invariant `Bits.in_order`") and "no more is known" not in order
    (afterwards,) = [line for line in order.splitlines() if "note: afterwards" in line]
    assert "first = " in afterwards and "second" not in afterwards
    assert small.startswith("the invariant `Bits.small`") and "no more is known (halves.py:12)" in small


ONE_LINE_OR_ANOTHER = """from neokernel.lang import ensures, requires, u32


def weak(n: u32) -> u32:
    ensures(lambda result: result <= n)
    return n


def need(n: u32) -> None:
    requires(n > 0)


def f(n: u32) -> None:
    requires(n == 1)
    need(weak(n))
    need(n - 1)
"""


def test_a_run_that_fails_in_another_call_shows_nothing_of_this_one(module: Path) -> None:
    module.write_text(ONE_LINE_OR_ANOTHER)
    output = prove("--test", "test_it.py", module)[1]
    assert "halves.py:15: this call may break what `need` requires: it fails elsewhere when it is run" in output
    assert "test_it.py: a test that runs into halves.py:16: this call may break what `need` requires" in output


def test_after_three_runs_without_an_end_no_more_are_tried(module: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demonstration, "LIMIT", 2)
    monkeypatch.setenv(patience.VARIABLE, "1")
    body = "".join(f"        assert n != {number}\n" for number in (5, 7, 11, 13))
    module.write_text(SPIN.replace("        assert n != 7\n", body))
    output = prove("--test", "test_it.py", module)[1]
    assert output.count("its run hadn't ended") == 3
    assert "the messages after that weren't tried" in output


def test_questions_are_told_in_the_words_of_what_asks_them(module: Path) -> None:
    """Of a `match`, which case it is; of a `for`, whether it goes on; of a coroutine, no place where it was."""
    module.write_text(
        """from enum import Enum

from neokernel.lang import Span, pause, struct, u8, u32


class Color(Enum):
    RED = 1
    BLUE = 2


def f(color: Color, n: u32 | None, cells: Span[u8]) -> None:
    match color:
        case Color.RED:
            return
        case Color.BLUE:
            pass
    for cell in cells:
        assert cells[0] == cells[1]


async def g(n: u32) -> u32:
    if n > 5:
        return 0
    await pause()
    return n + 1
"""
    )
    match, _, stepped = prove("--cold", module)[1].split("error[NK1401]: ")[1:]
    assert "note: `color` is not `Color.RED` (halves.py:12)" in match
    assert "note: the loop over `cells` goes on (halves.py:17)" in match
    assert "`g`" not in stepped and ".state" not in stepped and "note: where g_frame has n = " in stepped


def test_a_test_in_a_package_would_not_find_the_program(module: Path) -> None:
    (module.parent / "inner").mkdir()
    inner = module.rename(module.parent / "inner" / "halves.py")
    (inner.parent / "__init__.py").touch()
    output = prove("--test", "inner/test_it.py", inner)[1]
    assert "No module named 'halves': its folder has an `__init__.py`, and so is a package\n" in output
    (inner.parent / "__init__.py").unlink()
    assert "inner/test_it.py: a test that runs into inner/halves.py" in prove("--test", "inner/test_it.py", inner)[1]
