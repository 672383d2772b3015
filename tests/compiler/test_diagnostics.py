"""What the compiler says about programs that it rejects: each message, and that every place which makes one has a case.

The cases are in `rejected/*.txt`. After a change that is meant, `NK_ACCEPT=1 pytest tests/compiler/test_diagnostics.py`
writes the new messages into these files; read the difference.
"""

from __future__ import annotations

import functools
import os
import sys
from pathlib import Path

import pytest

from neokernel.abi import kinds
from neokernel.compiler import columns, stack
from neokernel.compiler.codes import CODES, Code
from neokernel.compiler.diagnostics import Diagnostic, render
from neokernel.compiler.ir import Span
from neokernel.compiler.pipeline import analyse, analyse_source
from neokernel.compiler.source import PACKAGE_ROOT
from neokernel.kernel import boot
from neokernel.runtime import child, thread
from tests.compiler.rejected import cases
from tests.compiler.rejected.sites import COMPILER, OTHERWISE_TESTED, Site, recorded, sites

ACCEPT = os.environ.get("NK_ACCEPT") == "1"


@functools.cache
def examined(case: cases.Case) -> tuple[bool, list[Diagnostic], set[Site]]:
    """Is it accepted; what the compiler says about it, and the places that say so. Two tests want to know."""
    with recorded() as hit:
        analysis = case.analyse()
    return analysis.program is not None, analysis.diagnostics, hit


@pytest.mark.parametrize("file", cases.files(), ids=lambda path: path.stem)
def test_rejected(file: Path) -> None:
    head, found = cases.read(file)
    titles = [case.title for case in found]
    assert len(set(titles)) == len(titles)
    if ACCEPT:
        cases.write(file, head, found)
        return
    for case in found:
        accepted, said, _ = examined(case)
        # Only texts are compared: pytest would show the whole program of what fails, in minutes and gigabytes.
        told, wanted = case.annotated(said), case.text
        assert not accepted, f"{case.name} is accepted"
        assert told == wanted, case.name


def test_names_of_generated_code_are_not_shown() -> None:
    """Each case's messages are the compiler's: `test_rejected` says so."""
    assert [case.name for case in cases.all_cases() if "_nki" in case.text] == []


def test_there_are_many_cases() -> None:
    assert len(cases.all_cases()) >= 220


def unreadable(folder: Path) -> list[Diagnostic]:
    """Files that text can't show: the diagnostics of each."""
    files = {
        "latin.py": "# é\n".encode("latin-1"),
        "null.py": b"from neokernel.lang import u8\nx = '\0'\n",
        "deep.py": b"from neokernel.lang import u8\nx = " + b"(" * 5000 + b"1" + b")" * 5000,
        "nested.py": b"from neokernel.lang import u8\nx = " + b"-" * 20000 + b"1",
        "sum.py": b"from neokernel.lang import u8\nx = 0" + b" + 1" * 12000,
        "body.py": b"from neokernel.lang import u8\ndef f(x: u8) -> u8:\n    return x" + b" + x" * 12000,
    }
    found: list[Diagnostic] = []
    for name, content in files.items():
        (folder / name).write_bytes(content)
        found += analyse(folder / name).diagnostics
    (folder / "absent.py").symlink_to(folder / "absent.py")
    (folder / "importer.py").write_text("from neokernel.lang import u8\nimport absent\n")
    return found + analyse(folder / "importer.py").diagnostics


def test_unreadable_files(tmp_path: Path) -> None:
    found = unreadable(tmp_path)
    assert {d.code for d in found} == {"NK0101", "NK0110", "NK0201"}
    assert found[0].message == "not UTF-8: byte 2 is 0xe9"
    assert found[1].message.startswith("not valid Python: ")
    assert str(tmp_path) not in "".join(d.message + d.span.file for d in found)


@pytest.mark.parametrize(
    ("name", "wanted"),
    [("my-prog", "my_prog"), ("class", "my_class"), ("3x", "module_3x"), ("struct", "my_struct"), ("é é", "é_é")],
)
def test_programs_that_cannot_be_imported(tmp_path: Path, name: str, wanted: str) -> None:
    (tmp_path / f"{name}.py").write_text("from neokernel.lang import u8\n")
    (found,) = analyse(tmp_path / f"{name}.py").diagnostics
    assert (found.code, found.span.file) == ("NK0210", f"{name}.py")
    assert found.message.startswith(f"`{name}` is ") and f"`{wanted}.py`" in found.help


@pytest.mark.parametrize(
    ("line", "help"),
    [
        ("a: Process | None = None", "write `from neokernel.runtime.process import Process`"),
        ("must(None)", "write `from neokernel.runtime.must import must`"),
        ("index = PLATFORM", "write `from neokernel.abi.boot import PLATFORM`"),
        ("system.signal(3)", "write `from neokernel.runtime import system`"),
        ("a = hold", ""),
        ("must_gett(1)", "did you mean `must_get`? Write `from neokernel.runtime.must import must_get`"),
        ("a: Level | None = None", "write `from neokernel.interfaces.log import Level`"),
        ("a: Reason | None = None", "write `from neokernel.interfaces.system import Reason`"),
    ],
)
def test_names_of_the_package_that_are_not_imported(line: str, help: str) -> None:
    """But for system calls, which aren't imported by their names."""
    (found, *_) = analyse_source(f"from neokernel.lang import u8\n\n\ndef f() -> None:\n    {line}\n").diagnostics
    assert (found.code, found.help) == ("NK0208", help)


def test_a_name_that_several_modules_of_the_package_have() -> None:
    (found, *_) = analyse_source("from neokernel.lang import u8\n\na: Console | None = None\n").diagnostics
    assert "`from neokernel.runtime.objects import Console`, or " in found.help
    assert "`from neokernel.interfaces.console import Console`" in found.help


@pytest.mark.parametrize(
    ("script", "text"),
    [
        ("virt", f"STACK_SIZE = {stack.BOARD >> 20}M;"),
        ("kernel", f"STACK_SIZE = {stack.KERNEL >> 10}K;"),
        ("program", f"nk_stack_bottom = nk_stack_top - {stack.PROCESS >> 10}K;"),
    ],
)
def test_stacks_are_those_of_the_link_scripts(script: str, text: str) -> None:
    assert text in (PACKAGE_ROOT / "boards" / f"{script}.ld").read_text(encoding="utf-8")


def test_every_stack_of_a_process_has_the_size_that_is_checked() -> None:
    pages = stack.PROCESS // kinds.PAGE_SIZE
    assert (stack.PROCESS, pages, pages) == (boot.STACK_SIZE, child.CHILD_STACK_PAGES, thread.STACK_PAGES)


# --- guards -------------------------------------------------------------------------------------------------------


def test_every_site_and_every_code_has_a_case(tmp_path: Path) -> None:
    with recorded() as hit:
        said = {diagnostic.code for diagnostic in unreadable(tmp_path)}
    for case in cases.all_cases():
        _, diagnostics, places_hit = examined(case)
        said |= {diagnostic.code for diagnostic in diagnostics}
        hit |= places_hit
    assert set(CODES) - OTHERWISE_TESTED <= said
    # From Python 3.12 on, CPython's compiler refuses what nests deeply before ours sees it.
    left_out = OTHERWISE_TESTED | ({"NK0110"} if sys.version_info >= (3, 12) else set())
    places = {site: code for site, code in sites().items() if code not in left_out}
    missed = sorted(
        f"{Path(s[0]).relative_to(COMPILER.parent)}:{s[1]}: {code}" for s, code in places.items() if s not in hit
    )
    assert not missed, "no case gives:\n" + "\n".join(missed)


def test_every_code_is_explained_and_used() -> None:
    assert set(sites().values()) | OTHERWISE_TESTED == set(CODES)


@pytest.mark.parametrize(("name", "code"), CODES.items(), ids=list(CODES))
def test_explanation(name: str, code: Code) -> None:
    assert not code.title.endswith(".")
    assert len(code.explanation) > 60
    if code.wrong:
        wrong = analyse_source(code.wrong, "example").diagnostics
        assert [d.code for d in wrong] == [name], wrong
    assert analyse_source(code.right or "", "example").diagnostics == []
    assert code.wrong or name in OTHERWISE_TESTED | {"NK0110", "NK0210"}


# --- form ---------------------------------------------------------------------------------------------------------


def test_render() -> None:
    source = "def f() -> u8:\n\treturn é + 300\n"
    span = Span("main.py", 2, 12, 2, 15)
    shown = render(
        Diagnostic("NK0313", "300 doesn't fit", span, "use a wider type", ((span, "declared here"),)), source
    )
    assert shown == (
        "error[NK0313]: 300 doesn't fit\n"
        " --> main.py:2:13\n"
        "  |\n"
        "2 | \treturn é + 300\n"
        "  | \t           ^^^\n"
        "  = help: use a wider type\n"
        "  = note: declared here (main.py:2)"
    )


def test_render_without_source_and_in_colour() -> None:
    span = Span("main.py", 2, 12, 2, 15)
    assert render(Diagnostic("NK0313", "no", span), None) == "error[NK0313]: no\n --> main.py:2:13"
    assert "\x1b[" in render(Diagnostic("NK0313", "no", span), None, color=True)


def test_carets_stand_below_wide_characters() -> None:
    source = 'x = f("日本", "e\u0301") + 300\n'
    shown = render(Diagnostic("NK0313", "no", Span("main.py", 1, 6, 1, 10)), source)
    assert shown.splitlines()[-1] == "  |       ^^^^^^"
    shown = render(Diagnostic("NK0313", "no", Span("main.py", 1, 19, 1, 22)), source)
    assert shown.splitlines()[-2:] == [f"1 | {source.rstrip()}", "  |" + " " * 21 + "^^^"]


@pytest.mark.parametrize(("before", "after"), [(300, 300), (0, 300), (300, 0), (20, 200), (155, 0), (157, 0), (158, 0)])
def test_long_lines_are_shown_in_part(before: int, after: int) -> None:
    source = f"{'a' * before}bad{'c' * after}\n"
    span = Span("main.py", 1, before, 1, before + 3)
    *_, line, carets = render(Diagnostic("NK0313", "no", span), source).splitlines()
    assert len(line) <= 4 + columns.LONGEST + 2
    place = carets.index("^")
    assert line[place : place + 3] == "bad"
    assert carets == " |".rjust(3) + " " * (place - 3) + "^^^"
    long = len(source) - 1 > columns.LONGEST
    assert line.endswith("…") == (long and after > 100) and line.startswith("1 | …") == (long and before > 100)


def test_a_span_that_is_too_long_is_cut() -> None:
    source = "x = " + " + ".join(["1000"] * 100) + "\n"
    *_, line, carets = render(
        Diagnostic("NK0313", "no", Span("main.py", 1, 4, 1, len(source) - 1)), source
    ).splitlines()
    assert len(line) == 4 + columns.LONGEST + 1
    assert len(carets) == len(line) - 1


def test_columns_are_characters() -> None:
    source = "from neokernel.lang import u8\n\ndef f(é: u8) -> u8:\n    return é + missing  # ü\n"
    (found,) = analyse_source(source).diagnostics
    assert (found.span.line, found.span.column, found.span.end_column) == (4, 15, 22)
    assert found.as_json()["column"] == 16
