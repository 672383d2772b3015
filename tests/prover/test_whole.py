"""A whole program, proven: what a record of earlier proofs spares, and what it doesn't."""

from __future__ import annotations

from collections.abc import Container
from pathlib import Path

import pytest

from neokernel.prover.whole import Whole, prove_all
from tests.prover.support import program

PAIR = """
@struct
class Pair:
    low: u8 = 0
    high: u8 = 9

    @invariant
    def is_in_order(self) -> bool:
        return self.low <= self.high

def lower(pair: Pair, by: u8) -> None:
    if by <= pair.low:
        pair.low -= by

def higher(pair: Pair, by: u8) -> None:
    if by <= 255 - pair.high:
        pair.high += by
"""
#: breaks the invariant, and nothing else
BROKEN = "        pair.low -= by\n", "        pair.high = pair.low - by\n"
#: fails a check, and nothing else
CARELESS = "    if by <= pair.low:\n        pair.low -= by\n", "    pair.low -= by\n    pair.high = 255\n"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is remembered but what a test gives."""
    monkeypatch.chdir(tmp_path)


def proven(text: str, known: Container[str] = ()) -> Whole:
    made = program(text)
    entries = [one for one in made.functions if one.name in ("lower", "higher")]
    return prove_all(made, entries, processes=1, known=known)


BOOT = """
@struct
class Table:
    size: u8 = 0

    @invariant
    def is_small(self) -> bool:
        return self.size < 10

def half(size: u8) -> u8:
    requires(size < 20)
    return size // 2

def make(table: Table, size: u8) -> None:
    table.size = size - 1

def boot(table: Table, size: u8) -> None:
    make(table, size)
    assert size < 20
    table.size = half(size)

def enter(table: Table) -> u8:
    return half(table.size)
"""


def booted(text: str) -> Whole:
    made = program(text)
    by_name = {one.name: one for one in made.functions}
    return prove_all(made, [by_name["enter"]], before=[by_name["boot"]], processes=1)


def test_of_what_runs_before_all_is_proven_but_its_own_checks() -> None:
    """They stay: so what follows them may rely on them."""
    right = BOOT.replace("size - 1", "9")
    found = booted(right)
    assert not failures(found)
    assert {one.name for one in found.scope.earlier} == {"boot", "make"}
    assert not any(symbol.endswith(("boot", "make")) for symbol, _ in found.checks())
    assert failures(booted(BOOT)) == [("make", "invariant")]
    assert failures(booted(right.replace("    assert size < 20\n", ""))) == [("boot", "requires")]


def test_a_check_that_may_fail_before_stays_for_those_after() -> None:
    """It is in the image once: what is before runs the same code."""
    guarded = "def boot(table: Table, size: u8) -> None:\n    if size >= 20:\n        return\n"
    text = BOOT.replace("    assert size < 20\n", "").replace("size - 1", "9").replace("def half", "@inline\ndef half")
    text = text.replace("    requires(size < 20)\n", "    assert size < 20\n")
    for careful in (True, False):
        found = booted(text.replace("def boot(table: Table, size: u8) -> None:\n", guarded) if careful else text)
        assert all(holds for (symbol, _), holds in found.checks().items() if symbol.endswith("half")) is careful


def failures(found: Whole) -> list[tuple[str, str]]:
    return [(one.symbol.rpartition(".")[2], failure.duty) for one in found.outcomes for failure in one.failures]


def duties(found: Whole) -> dict[str, set[str]]:
    return {one.symbol.rpartition(".")[2]: set(one.duties) for one in found.outcomes}


def test_of_a_known_proof_only_invariants_are_left_out() -> None:
    first = proven(PAIR)
    assert not failures(first) and duties(first)["lower"] >= {"check", "invariant"}
    again = proven(PAIR, first.kept().values())
    assert "invariant" not in duties(again)["lower"] | duties(again)["higher"]
    assert again.discharged() == first.discharged() != {}
    assert again.keys == first.keys


def test_what_has_changed_is_proven_whole() -> None:
    known = proven(PAIR).kept()
    found = proven(PAIR.replace(*BROKEN), known.values())
    assert failures(found) == [("lower", "invariant")]
    assert "invariant" not in duties(found)["higher"], "that one hasn't changed"


def test_an_invariant_that_has_changed_is_due_everywhere() -> None:
    known = proven(PAIR).kept()
    found = proven(PAIR.replace("self.low <= self.high", "self.low <= 4 and self.high <= 9"), known.values())
    assert failures(found) == [("higher", "invariant")]
    assert "invariant" in duties(found)["lower"]


def test_what_failed_is_not_kept() -> None:
    broken = proven(PAIR.replace(*BROKEN))
    assert {name.rpartition(".")[2] for name in broken.kept()} == {"higher", "is_in_order"}
    assert failures(proven(PAIR.replace(*BROKEN), broken.kept().values())) == [("lower", "invariant")]


def test_a_failed_check_alone_is_asked_again() -> None:
    """Images have it, so it spoils nothing that relies on it."""
    careless = PAIR.replace(*CARELESS)
    first = proven(careless)
    assert failures(first) == [("lower", "check")]
    again = proven(careless, first.kept().values())
    assert failures(again) == [("lower", "check")] and again.discharged() == first.discharged()


#: what a contract calls promises something, and images don't run it
BELIEVED = """
def small(n: u8) -> u8:
    ensures(lambda result: n < 4 and result == n)
    {}
    return n

def bounded(n: u8) -> None:
    ensures(lambda: small(n) == n)

def lower(n: u8) -> u8:
    bounded(n)
    return 4 - n
"""


@pytest.mark.parametrize(("body", "duty"), [("assert n < 4", "check"), ("pass", "ensures")])
def test_what_ghost_code_relies_on_is_proven_or_else_nothing_is(body: str, duty: str) -> None:
    """Also its checks: no image has them, so nothing ends where they fail."""
    found = proven(BELIEVED.format(body))
    assert ("small", duty) in failures(found)
    assert found.discharged() == {}


def test_of_ghost_code_that_runs_before_checks_are_proven_too() -> None:
    both = BOOT.replace("size - 1", "9") + BELIEVED
    text = both.replace("    make(table, size)\n", "    make(table, size)\n    _ = small(size)\n    bounded(size)\n")
    assert not failures(booted(text.replace("n < 4 and ", "").format("assert n == n")))
    found = booted(text.format("assert n < 4"))
    assert ("small", "check") in failures(found) and found.discharged() == {}


def test_checks_of_ghost_code_are_in_no_image() -> None:
    found = proven(BELIEVED.format("assert n == n").replace("n < 4 and ", "").replace("4 - n", "255 - n"))
    assert not failures(found)
    assert {symbol.rpartition(".")[2] for symbol in found.discharged()} == {"lower"}
