"""What coroutines are made into: what their frames hold, and that the programs in `same_meaning` notice mistakes."""

from __future__ import annotations

import types
from pathlib import Path
from typing import Any

import pytest

from neokernel.compiler import ir, pipeline
from neokernel.compiler.coroutines import live, split
from neokernel.compiler.lives import statements
from neokernel.compiler.types import FrameType, RefType
from tests.compiler.test_same_meaning import FOLDER, read
from tests.support import meanings

HEADER = (
    "from neokernel.lang import Array, Coroutine, array, pause, resume, result_of, struct, u8, u16, u32, u64, usize\n"
)


def analysed(text: str) -> ir.Program:
    found = pipeline.analyse_source(HEADER + text)
    assert found.program is not None, found.diagnostics
    return found.program


def frame(program: ir.Program, name: str) -> dict[str, str]:
    """The fields of a coroutine's frame, with their types, in their order."""
    (function,) = (f for f in program.functions if f.symbol == f"program.{name}")
    of = function.parameters[0].type
    assert isinstance(of, RefType) and isinstance(of.target, FrameType)
    return {field.name: str(field.type) for field in of.target.fields.values()}


def test_a_frame_holds_what_lives_across_a_pause() -> None:
    program = analysed(
        """
async def wait(n: u16) -> u32:
    before: u32 = 1
    short: u32 = before + 1
    kept = u64(short) * 2
    again: u8 = 0
    await pause()
    after = kept + 1
    again = 3
    for i in range(u8(3)):
        await pause()
    return u32(after) + u32(again)
"""
    )
    fields = frame(program, "wait")
    (counter,) = (name for name in fields if name.startswith(".next"))
    assert fields.keys() == {".state", ".result", "n", "kept", "after", "again", counter}
    sizes = [{"u64": 8, "u32": 4, "u16": 2, "u8": 1}[of] for of in fields.values()]
    assert sizes == sorted(sizes, reverse=True), "no padding between"


def test_one_frame_for_each_function_that_is_awaited_and_none_for_results_used_at_once() -> None:
    program = analysed(
        """
async def leaf(n: u32) -> u32:
    await pause()
    return n

async def other() -> None:
    await pause()

async def tree() -> u32:
    await other()
    total = await leaf(await leaf(1))
    await other()
    last = await leaf(3)
    return total + last
"""
    )
    fields = frame(program, "tree")
    inline = [of for name, of in fields.items() if of.endswith(".frame")]
    assert sorted(inline) == ["leaf.frame", "other.frame"]
    assert fields.keys() - {name for name, of in fields.items() if of in inline} == {".state", ".result", "total"}


def test_nothing_of_coroutines_is_left() -> None:
    program = analysed("async def wait() -> None:\n    await pause()\n\nasync def f() -> None:\n    await wait()\n")
    assert {f.symbol for f in program.functions if f.module == "program"} == {
        f"program.{name}" for name in ("wait", "wait.cancel", "f", "f.cancel")
    }
    assert all(f.coroutine is None for f in program.functions)
    found = [s for f in program.functions for s in statements(f.body)]
    assert not any(isinstance(s, ir.Await | ir.Pause) for s in found)


MISTAKES: list[tuple[types.ModuleType, str, str]] = [
    (live, "                live |= self.block(node.cleanup, NONE)\n", ""),
    (live, "            if found <= begin:\n                return begin\n", "            return found\n"),
    (live, "self.ends[label][0]", "NONE"),
    (split, "                self._op(block, ir.Call, wait.span, NONE, callee.cancel, (place,))\n", ""),
    (split, "            block += self._plain(wait.cleanup)\n", ""),
    (
        split,
        "        again = isinstance(of, StructType) and not isinstance(of, FrameType)\n",
        "        again = False\n",
    ),
    (split, "        self._store(inside, span, STATE, Const(U16, CANCELLED))\n", ""),
    (split, "        if in_then and in_otherwise:\n", "        if False:\n"),
    (split, "        found = choose(waiting[-1][0])\n", "        found = choose(waiting[0][0])\n"),
    (split, 'test = self._compare(out, statement.span, "le",', 'test = self._compare(out, statement.span, "lt",'),
    (split, "            if var in live.kept:\n", "            if var in live.kept and var.name.startswith('.'):\n"),
]


@pytest.fixture(scope="module")
def cases() -> dict[str, meanings.Case]:
    return {each.name: each for each in read(FOLDER / "coroutines.txt")}


@pytest.fixture(scope="module")
def right(cases: dict[str, meanings.Case]) -> dict[str, meanings.Answer]:
    return meanings.cpython({name: each.program for name, each in cases.items()})


@pytest.mark.parametrize("mistake", MISTAKES, ids=[old.strip()[:40] for _, old, _ in MISTAKES])
def test_a_mistake_is_noticed(
    mistake: tuple[types.ModuleType, str, str],
    cases: dict[str, meanings.Case],
    right: dict[str, meanings.Answer],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """By the interpreter, or by what checks the IR."""
    module, old, new = mistake
    assert module.__file__ is not None
    text = Path(module.__file__).read_text()
    assert text.count(old) == 1
    wrong: Any = types.ModuleType(module.__name__)
    exec(compile(text.replace(old, new), module.__file__, "exec"), wrong.__dict__)
    if module is live:
        monkeypatch.setattr(split, "Liveness", wrong.Liveness)
    else:
        monkeypatch.setattr(pipeline, "split", wrong)
    try:
        found = meanings.interpreter(meanings.analyse({name: each.program for name, each in cases.items()}))
    except Exception:  # noqa: BLE001 - the compiler's own checks stop it
        return
    assert any(answer != right[name] for name, answer in found.items())


def test_a_constant_that_is_computed_may_be_used_by_what_waits_to_be_lowered() -> None:
    """`work` has been asked for, as frames of it were, when PAIR is computed: that isn't a circle."""
    source = (
        "from neokernel.lang import Tasks, pause, struct, tasks, u64, value\n\n\n"
        "@value\nclass Pair:\n    a: u64\n    b: u64\n\n\n"
        "def pair_of(a: u64) -> Pair:\n    return Pair(a, a + 1)\n\n\n"
        "PAIR: Pair = pair_of(3)\n\n\n"
        "async def work() -> None:\n    await pause()\n    assert PAIR.a == 3\n\n\n"
        "@struct\nclass Room:\n    frames: Tasks = tasks(work, 2)\n"
    )
    assert pipeline.analyse_source(source).diagnostics == []
