"""A host and a hostile peer: no check fails, whatever is said; and most ways through the state machine are taken."""

from __future__ import annotations

import ctypes
from typing import Any

from neokernel import lang
from neokernel.lang import u64
from neokernel.lang.sequences import window
from neokernel.lang.shapes import shape_of
from neokernel.services.network.connection import State
from tests.network import hostile
from tests.network.support import library

MODULE = "tests.network.hostile"
STATES = int(hostile.STATES)
SPAN: Any = lang.Span


def compiled(seed: int, steps: int, transitions: Any) -> tuple[int, ...]:
    found = library("hostile", "walk").call(f"{MODULE}.walk", seed, steps, (transitions, STATES * STATES))
    return tuple(map(int, found))


def test_states_are_numbered_as_the_walk_takes_them() -> None:
    assert [int(state.value) for state in State] == list(range(STATES))


def test_whatever_the_peer_says() -> None:
    """Invariants are asserted in the walk."""
    transitions = (ctypes.c_uint64 * (STATES * STATES))()
    segments = sum(compiled(seed, 3_000, transitions)[0] for seed in range(1, 11))
    assert segments > 12_000
    ways = {(State(place // STATES), State(place % STATES)) for place, times in enumerate(transitions) if times}
    wanted = {
        (State.CLOSED, State.SYN_SENT),
        (State.CLOSED, State.SYN_RECEIVED),
        (State.SYN_SENT, State.ESTABLISHED),
        (State.SYN_SENT, State.SYN_RECEIVED),
        (State.SYN_SENT, State.CLOSED),
        (State.SYN_RECEIVED, State.ESTABLISHED),
        (State.SYN_RECEIVED, State.CLOSED),
        (State.ESTABLISHED, State.FIN_WAIT_1),
        (State.ESTABLISHED, State.CLOSE_WAIT),
        (State.ESTABLISHED, State.CLOSED),
        (State.FIN_WAIT_1, State.FIN_WAIT_2),
        (State.CLOSE_WAIT, State.LAST_ACK),
        (State.LAST_ACK, State.CLOSED),
    }
    assert not wanted - ways


def test_both_readings_go_the_same_way() -> None:
    here = (ctypes.c_uint64 * (STATES * STATES))()
    there: Any = [u64(0)] * (STATES * STATES)
    found = hostile.walk(u64(2), u64(60), window_of(there))
    assert compiled(2, 60, here) == tuple(
        int(getattr(found, name)) for name in ("segments", "answers", "opened", "ended", "bytes_read")
    )
    assert list(here) == [int(times) for times in there]


def window_of(cells: list[Any]) -> Any:
    return window(SPAN, cells, 0, len(cells), shape_of(u64))
