"""`copy`: elements from one span to another, overlapping or not; the same in every reading."""

from __future__ import annotations

from types import ModuleType
from typing import Any

import pytest

from neokernel import lang
from neokernel.compiler import interpret, pipeline
from neokernel.compiler.jit import CheckError, Library

SOURCE = """
from neokernel.lang import Array, Span, array, array_of, copy, u8, u32, usize


def digits(values: Span[u32]) -> u32:
    total: u32 = 0
    for value in values:
        total = total * 10 + value
    return total


def overlap(start: usize, stop: usize, at: usize) -> u32:
    values: Array[u32] = array_of(1, 2, 3, 4, 5)
    copy(values[at : at + 2], values[start:stop])
    return digits(values)


def constants(count: usize) -> u32:
    buffer: Array[u8] = array(4)
    data = b"abcd"
    copy(buffer[:count], data[:count])
    return u32(buffer[0]) * 1000 + u32(buffer[3])
"""


@pytest.fixture(scope="module")
def module() -> ModuleType:
    return lang.load_module(SOURCE, "copy_sample")


@pytest.fixture(scope="module")
def readings(module: ModuleType) -> dict[str, Any]:
    analysis = pipeline.analyse_source(SOURCE, "copy_sample")
    assert analysis.diagnostics == [] and analysis.program is not None
    functions = {f.name: f for f in analysis.program.functions}
    library = Library(analysis.program, tuple(functions[name].symbol for name in ("overlap", "constants")))
    return {
        "CPython": lambda name, *args: getattr(module, name)(*map(lang.usize, args)),
        "interpreter": lambda name, *args: interpret.run(functions[name], list(args)),
        "JIT": lambda name, *args: library.call(functions[name].symbol, *args),
    }


@pytest.mark.parametrize("reading", ["CPython", "interpreter", "JIT"])
@pytest.mark.parametrize(
    ("name", "arguments", "wanted"),
    [
        ("overlap", (0, 2, 1), 11245),
        ("overlap", (1, 3, 0), 23345),
        ("overlap", (3, 5, 3), 12345),
        ("overlap", (0, 3, 0), None),
        ("constants", (4,), 97100),
        ("constants", (1,), 97000),
        ("constants", (0,), 0),
    ],
)
def test_copies(
    readings: dict[str, Any], reading: str, name: str, arguments: tuple[int, ...], wanted: int | None
) -> None:
    if wanted is not None:
        assert readings[reading](name, *arguments) == wanted
        return
    with pytest.raises((lang.IndexOutOfRange, interpret.CheckFailed, CheckError)) as failed:
        readings[reading](name, *arguments)
    kind = getattr(failed.value, "kind", None)
    assert getattr(kind, "value", kind) == "index"


def test_objects_are_not_copied() -> None:
    source = SOURCE + (
        "\nfrom neokernel.lang import Embedded, struct\n@struct\nclass Node:\n    x: u32 = 0\n"
        "def bad(a: Span[Embedded[Node]], b: Span[Embedded[Node]]) -> None:\n    copy(a, b)\n"
    )
    codes = [d.code for d in pipeline.analyse_source(source).diagnostics]
    assert codes == ["NK0331"]
