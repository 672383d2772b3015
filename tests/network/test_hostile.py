"""A host and a hostile peer: no check fails, whatever is said; all ways through the state machine are taken, and no
others; and mistakes that are put into it are found.
"""

from __future__ import annotations

import ctypes
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from neokernel import lang
from neokernel.compiler import jit
from neokernel.lang import u64
from neokernel.lang.sequences import window
from neokernel.lang.shapes import shape_of
from neokernel.services.network import (
    acknowledgment,
    composing,
    connection,
    delivery,
    dispatch,
    lingering,
    train,
)
from neokernel.services.network.connection import State
from tests.network import hostile, states
from tests.network.support import built, library

MODULE = "tests.network.hostile"
STATES = int(states.STATES)
#: what a walk gives
SEEN = tuple(hostile.Seen.__annotations__)
SPAN: Any = lang.Span

#: which state is left for which: RFC 9293, 3.3.2, with resets, verbs and timers that end a connection at any time. What
#: one segment does is one way, so an acknowledgement with FIN leads from SYN_RECEIVED to CLOSE_WAIT; and from CLOSED to
#: ESTABLISHED it is a cookie that leads.
WAYS = {
    "CLOSED": "SYN_SENT SYN_RECEIVED ESTABLISHED CLOSE_WAIT",
    "SYN_SENT": "SYN_RECEIVED ESTABLISHED FIN_WAIT_1 CLOSED",
    "SYN_RECEIVED": "ESTABLISHED FIN_WAIT_1 CLOSE_WAIT CLOSING CLOSED",
    "ESTABLISHED": "FIN_WAIT_1 CLOSE_WAIT CLOSED",
    "FIN_WAIT_1": "FIN_WAIT_2 CLOSING TIME_WAIT CLOSED",
    "FIN_WAIT_2": "TIME_WAIT CLOSED",
    "CLOSE_WAIT": "LAST_ACK CLOSED",
    "CLOSING": "TIME_WAIT CLOSED",
    "LAST_ACK": "CLOSED",
    "TIME_WAIT": "SYN_RECEIVED CLOSED",
}
#: those that take more than some hundred thousand steps to be met
RARE = {("SYN_RECEIVED", "CLOSING"), ("FIN_WAIT_1", "CLOSING"), ("CLOSING", "CLOSED"), ("TIME_WAIT", "SYN_RECEIVED")}

#: mistakes: the module, what stands there, what is put in its place
MISTAKES: dict[str, tuple[ModuleType, str, str]] = {
    "bytes are taken beyond the window": (
        delivery,
        "earlier(end, later(connection.edge, connection.expected))",
        "end",
    ),
    "a segment that overlaps what is there begins where it doesn't": (
        delivery,
        "skip = usize(wrapping_sub(left, segment.sequence))",
        "skip = usize(0)",
    ),
    "bytes with a wrong sum count": (
        dispatch,
        "right = checksum(data[:header], pseudo) == 0\n",
        "right = checksum(data[:header], pseudo) == 0 or segment.length > 1_000\n",
    ),
    "bytes with a wrong sum count if they were expected": (
        dispatch,
        "        if checksum(data[:header], pseudo) != 0:\n            host.counters.segments_in",
        "        if checksum(data[:header], pseudo) == 1:\n            host.counters.segments_in",
    ),
    "a segment in a row has the number of the first": (
        train,
        "    header.sequence = train.number\n",
        "    header.urgent = 0\n",
    ),
    "an acknowledgement of what was never sent is believed": (
        acknowledgment,
        "if before(connection.most_sent, number) or before(",
        "if before(",
    ),
    "what is sent isn't waited for": (
        composing,
        "connection.retransmit_at = now + connection.trip.timeout()\n    connection.ack_now",
        "connection.retransmit_at = NEVER\n    connection.ack_now",
    ),
    "a closed connection keeps what it queued": (
        connection,
        "        self.queued = 0\n        self.news = True\n",
        "        self.news = True\n        self.wants_output = True\n",
    ),
    "who waits after the end is still in the table": (
        lingering,
        "    connection.close(End.DONE)\n",
        "    connection.fin_acked = True\n",
    ),
}
#: which of them the short tests look for
SHORT = ("bytes with a wrong sum count if they were expected",)


def name_of(state: int) -> str:
    return "TIME_WAIT" if state == int(states.TIME_WAIT) else State(state).name


def compiled(seed: int, steps: int, transitions: Any, poison: bool = False) -> dict[str, int]:
    found = library("hostile", "walk", poison=poison).call(f"{MODULE}.walk", seed, steps, room(transitions))
    return dict(zip(SEEN, map(int, found), strict=True))


def room(transitions: Any) -> tuple[Any, int]:
    return transitions, STATES * STATES


def cells() -> Any:
    return (ctypes.c_uint64 * (STATES * STATES))()


def test_states_are_numbered_as_the_walk_takes_them() -> None:
    assert [int(state.value) for state in State] == list(range(STATES - 1))
    assert set(WAYS) == {name_of(state) for state in range(STATES)}


def test_whatever_the_peer_says() -> None:
    """Invariants are asserted in the walk."""
    transitions = cells()
    found = [compiled(seed, 20_000, transitions) for seed in range(1, 101)]
    assert sum(each["segments"] for each in found) > 1_000_000
    assert min(sum(each[kind] for each in found) for kind in ("bytes_read", "bytes_heard")) > 1_000_000
    assert all(each["opened"] == each["ended"] > 0 for each in found)
    taken = {(name_of(place // STATES), name_of(place % STATES)) for place, times in enumerate(transitions) if times}
    possible = {(left, entered) for left, all_entered in WAYS.items() for entered in all_entered.split()}
    assert taken <= possible, "RFC 9293 has no such way"
    assert possible - taken <= RARE


def test_nothing_is_used_that_was_retired() -> None:
    assert compiled(7, 2_000, cells(), poison=True) == compiled(7, 2_000, cells())


def test_both_readings_go_the_same_way() -> None:
    here = cells()
    there: Any = [u64(0)] * (STATES * STATES)
    found = hostile.walk(u64(2), u64(60), window_of(there))
    assert compiled(2, 60, here) == {name: int(getattr(found, name)) for name in SEEN}
    assert list(here) == [int(times) for times in there]


def window_of(cells: list[Any]) -> Any:
    return window(SPAN, cells, 0, len(cells), shape_of(u64))


@pytest.mark.parametrize("mistake", SHORT)
def test_mistakes_are_found(mistake: str) -> None:
    look_for(mistake)


@pytest.mark.slow
@pytest.mark.parametrize("mistake", sorted(set(MISTAKES) - set(SHORT)))
def test_all_mistakes_are_found(mistake: str) -> None:
    look_for(mistake)


def look_for(mistake: str) -> None:
    module, right, wrong = MISTAKES[mistake]
    assert module.__file__ is not None
    source = Path(module.__file__).read_text(encoding="utf-8")
    assert source.count(right) == 1
    planted = built("hostile", ("walk",), {module.__name__: source.replace(right, wrong)}, poison=False)
    with pytest.raises(jit.CheckError):
        walk(planted)


def walk(planted: jit.Library) -> None:
    for seed in range(1, 201):
        planted.call(f"{MODULE}.walk", seed, 20_000, room(cells()))
