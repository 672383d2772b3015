"""The kernel withstands a short attack; the attack reaches what it should, and finds mistakes."""

from __future__ import annotations

import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from neokernel.abi.operations import Operation
from neokernel.abi.status import FIRST_OF_RUNTIME
from tests.fuzz_kernel.campaign import Attack, Found, campaign, together
from tests.fuzz_kernel.mutants import MUTANTS, Mutant
from tests.fuzz_kernel.report import describe, documented, table
from tests.fuzz_kernel.state import OPERATIONS, WAITED
from tests.support.nk import nk
from tests.support.patience import LONGEST_RUN

CALLS = 400_000
PROGRAM = Path(__file__).parent / "machine_attack"


@pytest.fixture(scope="module")
def attacks() -> tuple[Attack, Attack]:
    """The attack, compiled twice: neither knows of the other's machines."""
    return Attack(), Attack()


def test_a_short_attack_finds_nothing(attacks: tuple[Attack, Attack]) -> None:
    attack, _ = attacks
    try:
        tally = campaign(attack, CALLS, seed=1)
    except Found as found:
        attack.shrink(found, seconds=60)
        pytest.fail(describe(found, f"python -m tests.fuzz_kernel --calls 1 --seed {found.seed}"))
    assert tally.calls >= CALLS
    assert tally.successes > tally.calls * 0.4, "most calls fail: the kernel is hardly tried"
    assert tally.fast > tally.calls // 500, "the fast path is hardly tried"
    outcomes = attack.outcomes()
    for operation in Operation:
        row = OPERATIONS + operation.value
        ended = sum(number for (of, status, _, _), number in outcomes.items() if of == row and status in (0, WAITED))
        assert ended > 20, f"{operation.name} hardly ever succeeds"
    reached = {status for (_, status, _, _) in outcomes}
    assert set(range(FIRST_OF_RUNTIME)) <= reached, "a status that never comes"
    assert len(table(outcomes)) > len(Operation)
    missing = [each for each in documented() if not any(outcomes.get((*each, later)) for later in (False, True))]
    assert len(missing) < 10, f"too much of what the manual lists never comes: {missing}"


@pytest.mark.qemu
def test_a_short_attack_from_user_mode(tmp_path: Path) -> None:
    """A few rounds of the attackers in QEMU: a failed check in the kernel would be a panic."""
    program = tmp_path / "attack"
    shutil.copytree(PROGRAM, program)
    main = (program / "main.py").read_text()
    assert main.count("CALLS = 10_000_000") == 1
    (program / "main.py").write_text(main.replace("CALLS = 10_000_000", "CALLS = 40_000"))
    done = nk("run", "--timeout", str(LONGEST_RUN), program)
    found = re.search(r"(\d+) calls, (\d+) of them successful, (\d+) rounds", done.stdout)
    assert done.returncode == 0 and found, f"{done.stdout[-2000:]}\n{done.stderr[-2000:]}"
    calls, successes, rounds = (int(number) for number in found.groups())
    assert calls >= 40_000 and successes > calls * 0.4 and rounds > 1


def test_a_machine_depends_on_its_seed_alone(attacks: tuple[Attack, Attack]) -> None:
    first, second = attacks
    first.machine(7)
    for seed in (3, 7):
        second.machine(seed)
    assert first.memory.get("number") == second.memory.get("number")
    assert first.last() == second.last()


def test_a_campaign_goes_on_where_it_was(attacks: tuple[Attack, Attack], tmp_path: Path) -> None:
    whole, parts = attacks
    state = tmp_path / "state"
    once = campaign(whole, 4000, seed=5)
    campaign(parts, 1500, seed=5, state=state)
    campaign(parts, 500, seed=77)
    again = campaign(parts, 4000, seed=5, state=state)
    assert parts.outcomes() == whole.outcomes()
    assert replace(again, seconds=0) == replace(once, seconds=0)
    twice, counted = together([state, state])
    assert twice.calls == 2 * once.calls
    assert counted == {each: 2 * number for each, number in whole.outcomes().items()}
    with pytest.raises(ValueError, match="a campaign from seed 5 on"):
        campaign(parts, 4000, seed=6, state=state)
    state.write_text("{}")
    with pytest.raises(ValueError, match="not the state of a campaign"):
        campaign(parts, 4000, seed=5, state=state)


@pytest.mark.slow
def test_a_finding_is_shrunk() -> None:
    mutant = next(mutant for mutant in MUTANTS if mutant.name == "a pinned frame can be deleted")
    attack = Attack(mutant.overlay())
    with pytest.raises(Found) as caught:
        campaign(attack, 200_000, seed=1)
    found = caught.value
    attack.shrink(found, seconds=20)
    assert found.needed is not None
    assert len(found.needed) < found.number / 4, "a finding needs nearly all steps"
    assert attack.fails_alike(found, found.needed)
    assert "DELETE" in describe(found, "…") or "REVOKE" in describe(found, "…")


@pytest.mark.slow
@pytest.mark.parametrize("mutant", MUTANTS, ids=[mutant.name.replace(" ", "_") for mutant in MUTANTS])
def test_planted_mistake_is_found(mutant: Mutant) -> None:
    with pytest.raises(Found):
        campaign(Attack(mutant.overlay()), 200_000, seed=1)


def test_planted_mistakes_are_still_in_the_kernel() -> None:
    assert len(MUTANTS) >= 8
    for mutant in MUTANTS:
        assert mutant.overlay()
