"""All or nothing: failures that leave something changed are found, wherever it happens; the others are proven."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from neokernel.prover import invariants
from neokernel.prover import terms as t
from neokernel.prover.obligations import Duty
from neokernel.prover.prove import prove
from neokernel.prover.unchanged import AllOrNothing
from tests.prover.support import MODULE, program

if TYPE_CHECKING:
    from neokernel.prover.terms import Term

ACCOUNT = """
@struct
class Account:
    balance: u32 = 0
    places: Array[u32] = array(4)

def spend(account: Account, amount: u32, place: u64) -> u32:
    {}

def refuse(account: Account) -> u32:
    account.balance = 0
    return 1
"""

#: how to spend, and what may be changed when that fails
CASES = {
    "guards first": ("if amount > account.balance: return 1\n    account.balance -= amount\n    return 0", []),
    "the guard comes too late": (
        (
            "left = wrapping_sub(account.balance, amount)\n    account.balance = left\n"
            "    if left > 1000: return 1\n    return 0"
        ),
        ["Account.balance"],
    ),
    "put back": (
        (
            "before = account.balance\n    account.balance = 0\n    if before < amount:\n"
            "        account.balance = before\n        return 1\n    return 0"
        ),
        [],
    ),
    "put back wrongly": (
        (
            "before = account.balance\n    account.balance = 0\n    if before < amount:\n"
            "        account.balance = before >> 1\n        return 1\n    return 0"
        ),
        ["Account.balance"],
    ),
    "another element": (
        (
            "if place >= 4: return 1\n    account.places[place] = amount\n"
            "    if account.places[0] == 7: return 1\n    return 0"
        ),
        ["[u32]"],
    ),
    "a callee that changes and refuses": ("if amount == 3: return refuse(account)\n    return 0", ["Account.balance"]),
    "a result that only sometimes is a failure": (
        "account.balance = 9\n    return 0 if account.balance == 9 else 1",
        [],
    ),
    "an object of its own": (
        "mine = Account(balance=3)\n    mine.balance = 4\n    return 1 if mine.balance > amount else 0",
        [],
    ),
}


def changed(text: str, *rules: str) -> list[str]:
    made = program(text)
    function = next(one for one in made.functions if one.name == "spend")

    def nothing(word: Term) -> Term:
        return t.invert(t.equal(word, t.number(0, 32)))

    rule = AllOrNothing(frozenset(f"{MODULE}.{name}" for name in ("spend", *rules)), nothing)
    proof = prove(function, invariants.of_program(made), rule=rule)
    return [v.obligation.callee for v in proof.failed if v.obligation.duty is Duty.UNCHANGED]


@pytest.mark.parametrize("name", CASES)
def test_what_a_failure_leaves_changed(name: str) -> None:
    body, left = CASES[name]
    assert sorted(set(changed(ACCOUNT.format(body)))) == left


SUMMARISED = """
@struct
class Account:
    balance: u32 = 0

def spend(account: Account, amount: u32) -> u32:
    return take(account, amount)

def take(account: Account, amount: u32) -> u32:
    ensures(lambda result: result < 2)
    if account.balance == 0:
        return 1
    account.balance = 0
    return 0
"""


def test_a_call_that_isnt_looked_into_keeps_the_rule_only_if_it_is_under_it() -> None:
    assert changed(SUMMARISED, "take") == []
    assert changed(SUMMARISED) == ["Account.balance"]
