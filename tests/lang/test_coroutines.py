"""Coroutines under CPython: what the other readings don't see."""

from __future__ import annotations

import gc
import traceback
import warnings
from typing import Any

import pytest

from neokernel import lang

SOURCE = """
from __future__ import annotations
from neokernel.lang import Array, Coroutine, Tasks, array, cancel, pause, resume, result_of, start, struct, tasks, u8

@struct
class Mark:
    left: u8 = 0
    def __enter__(self) -> None:
        pass
    def __exit__(self, *_: object) -> None:
        self.left += 1
    async def __aenter__(self) -> None:
        await pause()
    async def __aexit__(self, *_: object) -> None:
        self.left += 10

async def inside(mark: Mark, n: u8) -> u8:
    with mark:
        async with mark:
            await pause()
            return 100 // n

async def outside(mark: Mark, n: u8) -> u8:
    return await inside(mark, n)

@struct
class Badly:
    async def __aenter__(self) -> None:
        pass
    async def __aexit__(self, *_: object) -> None:
        await pause()

async def leaves_badly(badly: Badly) -> None:
    async with badly:
        await pause()

async def nothing(n: u8) -> None:
    await pause()

@struct
class Room:
    frames: Tasks = tasks(nothing, 2)

def hand_over(room: Room, work: Coroutine[None]) -> None:
    start(room.frames[0], work)

def run(work: Coroutine[u8]) -> u8:
    while not resume(work):
        pass
    return result_of(work)
"""


@pytest.fixture(scope="module")
def module() -> Any:
    return lang.load_module(SOURCE, "coroutines_of_python")


def test_a_call_runs_nothing_and_one_that_nobody_runs_is_no_complaint(module: Any) -> None:
    mark = module.Mark()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        module.inside(mark, 5)
        gc.collect()
    assert mark.left == 0


def test_one_that_is_thrown_away_leaves_no_block(module: Any) -> None:
    mark = module.Mark()
    work = module.outside(mark, 5)
    assert not lang.resume(work) and not lang.resume(work)
    del work
    gc.collect()
    assert mark.left == 0


def test_exits_run_at_its_end_or_when_it_is_cancelled_not_when_a_check_fails(module: Any) -> None:
    mark = module.Mark()
    assert module.run(module.outside(mark, 5)) == 20
    assert mark.left == 11
    work = module.outside(mark, 5)
    lang.resume(work)
    lang.cancel(work)
    assert mark.left == 12, "the inner block hadn't been entered"
    with pytest.raises(lang.DivisionByZero):
        module.run(module.outside(mark, 0))
    assert mark.left == 12


def test_numbers_take_the_widths_of_parameters_and_results(module: Any) -> None:
    assert type(module.run(module.outside(module.Mark(), 3))) is lang.u8


def test_a_traceback_shows_what_awaits_and_nothing_between(module: Any) -> None:
    work = module.outside(module.Mark(), 0)
    with pytest.raises(lang.DivisionByZero) as caught:
        module.run(work)
    names = [frame.name for frame in traceback.extract_tb(caught.value.__traceback__)]
    assert names[names.index("outside") :] == ["outside", "inside", *names[names.index("inside") + 1 :]]
    position = lang.failure_position(caught.value)
    assert position is not None
    assert SOURCE.splitlines()[position.line - 1].strip() == "return 100 // n"


def test_what_is_handed_to_start_goes_on_without_the_function(module: Any) -> None:
    room = module.Room()
    module.hand_over(room, module.nothing(1))
    assert not lang.resume(room.frames[0])
    assert lang.resume(room.frames[0]) and lang.resume(room.frames[1])


def test_what_the_compiler_rejects_is_a_static_error(module: Any) -> None:
    with pytest.raises(lang.StaticError, match="a coroutine expected, not int"):
        lang.resume(3)  # type: ignore[arg-type]
    with pytest.raises(lang.StaticError, match="takes an `async def`"):
        lang.tasks(module.run, 3)
    work = module.leaves_badly(module.Badly())
    lang.resume(work)
    with pytest.raises(lang.StaticError, match="can't wait while it is being cancelled"):
        lang.cancel(work)


def test_frames_are_indexed_like_arrays(module: Any) -> None:
    room = module.Room()
    assert len(room.frames) == 2
    with pytest.raises(lang.IndexOutOfRange):
        room.frames[lang.usize(2)]
    with pytest.raises(lang.FieldError):
        room.frames = lang.tasks(module.nothing, 2)
    lang.retire(room)
    with pytest.raises(lang.DeadObject):
        _ = room.frames
