"""Contracts, markers and ends of paths.

Under CPython contracts are asserted. `requires`, `loop_invariant` and `unreachable` are plain calls; what must be
evaluated elsewhere than where it is written (`ensures`, `old`, `loop_bound`, `@invariant`) is moved there by the
instrumentation, and calling these functions in code of the host is an error that says so.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NoReturn

from neokernel.lang.coroutines import Cancelled
from neokernel.lang.failures import ContractFailed, StaticError, UnreachableReached
from neokernel.lang.records import check_invariants


def requires(condition: bool) -> None:
    """At the start of a function: what the caller guarantees."""
    if not condition:
        raise ContractFailed("requires: the condition doesn't hold")


def ensures(condition: Callable[..., bool]) -> None:
    """At the start of a function: what holds when it returns."""
    raise StaticError("ensures() works in instrumented modules only")


def old(expression: Any) -> Any:
    """In `ensures`: the expression's value when the function was entered."""
    raise StaticError("old() stands in an ensures() of an instrumented module only")


def loop_invariant(condition: bool) -> None:
    """At the start of a loop's body: what holds whenever control comes here."""
    if not condition:
        raise ContractFailed("loop_invariant: the condition doesn't hold")


def loop_bound(rounds: int) -> None:
    """At the start of a loop's body: it runs at most so many times (evaluated in the first round)."""
    raise StaticError("loop_bound() works in instrumented modules only")


def ghost(function: Any) -> Any:
    """Decorator: exists under CPython and the prover only."""
    return function


def unreachable(why: str) -> NoReturn:
    """Ends a path that is never taken."""
    raise UnreachableReached(why)


def assert_never(value: object) -> NoReturn:
    """`typing.assert_never` of target modules: the arms were exhausted."""
    raise UnreachableReached(f"unexpected {value!r}")


def writer(method: Any) -> Any:
    """Decorator: `write(self, text: str) -> None` may be handed an f-string, and is called with its pieces in order."""
    return method


# --- what instrumented code calls ---------------------------------------------------------------------------------


class Rounds:
    """Counts the rounds of one execution of a loop that has a `loop_bound`."""

    __slots__ = ("bound", "done")

    def __init__(self) -> None:
        self.bound = -1
        self.done = 0

    def __call__(self, bound: int) -> None:
        if not self.done:
            self.bound = int(bound)
        self.done += 1
        if self.done > self.bound:
            raise ContractFailed(f"loop_bound: more than {self.bound} rounds")


def ensured(condition: bool) -> None:
    """An `ensures` condition, evaluated as the function returns."""
    if not condition:
        raise ContractFailed("ensures: the condition doesn't hold")


def held(condition: bool) -> bool:
    """The result of an `@invariant` method."""
    if not condition:
        raise ContractFailed("invariant: it doesn't hold")
    return condition


def enter(instance: Any) -> None:
    """A method of a class with invariants begins."""
    instance.__dict__[".depth"] = instance.__dict__.get(".depth", 0) + 1


def leave(instance: Any, normally: bool) -> None:
    """It ends: when no other method of the object is running, the invariants hold."""
    state = object.__getattribute__(instance, "__dict__")  # the method may have retired its object
    state[".depth"] = state.get(".depth", 1) - 1
    if normally and not state[".depth"] and ".was" not in state:
        check_invariants(instance)


class Guarded:
    """A context manager as the language has it: a failed check doesn't run `__exit__` (there is no unwinding).

    Being cancelled does.
    """

    __slots__ = ("manager",)

    def __init__(self, manager: Any) -> None:
        self.manager = manager

    def __enter__(self) -> Any:
        return self.manager.__enter__()

    def __exit__(self, kind: object, *details: object) -> None:
        if kind is None or kind is Cancelled:
            self.manager.__exit__(None, None, None)

    def __aenter__(self) -> Any:
        return self.manager.__aenter__()

    def __aexit__(self, kind: object, *details: object) -> Any:
        return self.manager.__aexit__(None, None, None) if kind is None or kind is Cancelled else nothing()


async def nothing() -> None:
    """What is awaited where nothing is to be done."""


class Text(str):
    """An f-string's text that remembers its pieces, for a `@writer`."""

    __slots__ = ("pieces",)
    pieces: tuple[str, ...]


def joined(pieces: tuple[str, ...]) -> Text:
    """The text made of `pieces`; empty ones are dropped."""
    text = Text("".join(pieces))
    text.pieces = tuple([piece for piece in pieces if piece])
    return text
