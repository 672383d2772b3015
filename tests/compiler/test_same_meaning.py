"""Every construct of the language, written once and run in every reading: the same results, the same failing checks.

The programs stand in `same_meaning/*.txt`. A line `=== name` begins one that runs to its end; `=== name: kind` one
whose check of that kind fails at the expression in ⟦…⟧; numbers in parentheses are what `out.inputs` holds.
"""

from __future__ import annotations

import functools
import itertools
import re
from pathlib import Path

import pytest

from tests.support import meanings
from tests.support.meanings import Case, case

FOLDER = Path(__file__).parent / "same_meaning"
_HEAD = re.compile(r"^=== (?P<title>[^:(\n]+?)(?:: (?P<kind>\w+))?(?: \((?P<inputs>[\d, ]+)\))?$", re.MULTILINE)


def read(path: Path) -> list[Case]:
    parts = _HEAD.split(path.read_text())[1:]
    cases = []
    for title, kind, inputs, text in zip(parts[0::4], parts[1::4], parts[2::4], parts[3::4], strict=True):
        name = re.sub(r"\W+", "_", f"{path.stem}_{title}")
        numbers = tuple(map(int, inputs.split(","))) if inputs else ()
        cases.append(case(name, text, kind, numbers))
    return cases


CASES = {each.name: each for path in sorted(FOLDER.glob("*.txt")) for each in read(path)}


@functools.cache
def told() -> dict[str, meanings.Told]:
    """All programs go through each reading together."""
    return meanings.ask([*CASES.values(), *FORMATS.values()])


@pytest.mark.parametrize("name", CASES)
def test_same_meaning(name: str) -> None:
    meanings.check(CASES[name], told()[name])


def test_files_are_read_whole() -> None:
    assert sum(path.read_text().count("\n=== ") + 1 for path in FOLDER.glob("*.txt")) == len(CASES)
    assert {each.kind for each in CASES.values()} >= {"overflow", "division", "shift", "index", "conversion", "enum"}


# --- formats ----------------------------------------------------------------------------------------------------------

NUMBERS = {"u8": (0, 7, 255), "i16": (-32768, -5, 0, 32767), "u64": (18446744073709551615,), "i64": (-(1 << 63), 99)}
ALIGNED = ["", "<", ">", "^", "=", "*<", "0>", "_^", " =", "é>"[1:]]


def specifications() -> list[str]:
    """Every combination of alignment, sign, `#`, zeroes, width, grouping and base that Python takes for integers."""
    every = itertools.product(
        ALIGNED, ["", "+", "-", " "], ["", "#"], ["", "0"], ["", "3", "9"], ["", "d", "x", "X", "o", "b"]
    )
    return ["".join(parts) for parts in every]


def formats() -> dict[str, tuple[Case, str]]:
    """Programs that write numbers in some formats each, and what Python writes."""
    found = {}
    values = [(of, number) for of, numbers in NUMBERS.items() for number in numbers]
    wanted = specifications()
    for start in range(0, len(wanted), 60):
        lines, expected = [], ""
        for place, specification in enumerate(wanted[start : start + 60]):
            of, number = values[(start + place) % len(values)]
            lines += [f"n{place}: {of} = {number}", f'out.write(f"{{n{place}:{specification}}};")']
            expected += f"{number:{specification}};"
        name = f"formats_{start}"
        found[name] = (case(name, "\n".join(lines)), expected)
    return found


_FORMATS = formats()
FORMATS = {name: each for name, (each, _) in _FORMATS.items()}


@pytest.mark.parametrize("name", FORMATS)
def test_formats_are_pythons(name: str) -> None:
    each, expected = _FORMATS[name]
    answers = told()[name]
    meanings.check(each, answers)
    assert isinstance(answers, dict)
    for reading, answer in answers.items():
        assert answer.words == meanings.words_written(expected), reading
