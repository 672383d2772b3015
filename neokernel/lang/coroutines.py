"""Coroutines: `async def` of target modules, what runs them, and frames to start them in.

CPython's own coroutines run underneath. A call of an `async def` makes a `Coroutine`, which begins with the first
`resume`, or when it is awaited; `pause` leaves all that are awaited, up to whoever resumed the outermost one.

Invariants:
- A coroutine is cancelled by an exception of its own, which runs `__exit__`s innermost first; a failed check runs none,
  and neither does CPython when it throws a coroutine away.
- A function owns the coroutines that it was handed, unless it hands them to `start`: they are cancelled when it ends.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Generator
from types import CoroutineType, GenericAlias
from typing import Any

from neokernel.lang.failures import AssertionFailed, StaticError
from neokernel.lang.sequences import Array, Shape


class Cancelled(BaseException):
    """Thrown into a coroutine to end it."""


class Coroutine:
    """A call of an `async def`."""

    __slots__ = ("call", "ended", "owned", "result", "running", "started")
    __class_getitem__: Any = classmethod(GenericAlias)

    def __init__(self, call: Callable[[], CoroutineType[Any, Any, Any]]) -> None:
        self.call = call
        self.running: CoroutineType[Any, Any, Any] | None = None
        self.ended = False
        self.result: Any = None
        #: by a function that runs it
        self.owned = False
        #: in a frame
        self.started = False

    def __await__(self) -> Generator[None, None, Any]:
        # Nothing of this file is between the two then, as nothing is in images.
        return self.rest() if self.owned else self.call().__await__()

    def rest(self) -> Generator[None, None, Any]:
        """What is left of one that was resumed before it is awaited."""
        while not self.resume():
            yield
        return self.outcome()

    def resume(self) -> bool:
        if self.ended:
            return True
        if self.running is None:
            self.running = self.call()
        try:
            self.running.send(None)
        except StopIteration as end:
            self.ended, self.result, self.running = True, Outcome(end.value), None
        except BaseException:
            self.ended = True
            raise
        return self.ended

    def outcome(self) -> Any:
        if not isinstance(self.result, Outcome):
            raise AssertionFailed("the coroutine hasn't ended")
        return self.result.value

    def cancel(self) -> None:
        if self.ended:
            return
        if self.running is not None and self.running.cr_running:
            raise AssertionFailed("a coroutine can't cancel itself")
        self.ended, running, self.running = True, self.running, None
        if running is not None:
            try:
                running.throw(Cancelled())
            except Cancelled:
                return
            raise StaticError("a coroutine can't wait while it is being cancelled")


class Outcome:
    """What a coroutine has given: it may be `None`."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value


class Pause:
    """What `await pause()` awaits."""

    __slots__ = ()

    def __await__(self) -> Generator[None, None, None]:
        yield


class Frame:
    """Room for one coroutine."""

    __slots__ = ("coroutine",)

    def __init__(self) -> None:
        self.coroutine: Coroutine | None = None


class Tasks(Array):
    """`n` frames, one after the other, for coroutines of one `async def`."""

    __slots__ = ()
    _name = "Tasks"

    def __init__(self, count: int) -> None:
        self._cells, self._start, self._stop, self._table = [Frame() for _ in range(count)], 0, count, None
        self._element = Shape("Frame", Frame, lambda frame: frame, inline=True)


def defined(function: Callable[..., CoroutineType[Any, Any, Any]]) -> Callable[..., Coroutine]:
    """What the instrumentation decorates each `async def` with."""

    @functools.wraps(function)
    def call(*arguments: Any, **named: Any) -> Coroutine:
        return Coroutine(functools.partial(function, *arguments, **named))

    call._nk_async = True  # type: ignore[attr-defined]
    return call


class Owned:
    """The coroutines that a function was handed: a context around its body."""

    __slots__ = ("coroutines",)

    def __init__(self, *coroutines: Coroutine) -> None:
        self.coroutines = coroutines
        for coroutine in coroutines:
            coroutine.owned = True

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        for coroutine in reversed(self.coroutines):
            if not coroutine.started:
                coroutine.cancel()


def pause() -> Pause:
    """What is awaited to return to whoever resumed the coroutine, and go on when it is resumed again."""
    return Pause()


def coroutine_of(work: Any) -> Coroutine | None:
    if isinstance(work, Frame):
        return work.coroutine
    if not isinstance(work, Coroutine):
        raise StaticError(f"a coroutine expected, not {type(work).__name__}")
    return work


def resume(work: Coroutine | Frame) -> bool:
    """Let the coroutine go on until it pauses or ends; True when it has ended."""
    coroutine = coroutine_of(work)
    return coroutine is None or coroutine.resume()


def cancel(work: Coroutine | Frame) -> None:
    """End the coroutine where it waits: the `__exit__`s of its `with` blocks run, innermost first."""
    coroutine = coroutine_of(work)
    if coroutine is not None:
        coroutine.cancel()


def result_of(work: Coroutine | Frame) -> Any:
    """What a coroutine that has ended has given."""
    coroutine = coroutine_of(work)
    if coroutine is None:
        raise AssertionFailed("the coroutine hasn't ended")
    return coroutine.outcome()


def start(frame: Frame, work: Coroutine) -> None:
    """Put a coroutine into a frame; it begins when that is resumed."""
    if frame.coroutine is not None and not frame.coroutine.ended:
        raise AssertionFailed("the frame's coroutine hasn't ended")
    work.started = True
    frame.coroutine = work


def tasks(function: Callable[..., Coroutine], count: int) -> Tasks:
    """Frames for `count` coroutines of an `async def` that run at the same time."""
    if not hasattr(function, "_nk_async"):
        raise StaticError("tasks() takes an `async def` and a number")
    return Tasks(int(count))
