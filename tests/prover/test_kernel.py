"""The kernel, proven: what `nk prove` shows of it now is what its record says, and images are made by that."""

from __future__ import annotations

import json

import pytest

from neokernel.cli import whole
from neokernel.cli.whole import BEGIN, CAVEATS, END
from neokernel.compiler import ir
from neokernel.compiler.digest import checks_of, reachable
from neokernel.compiler.pipeline import export, run_front_end
from neokernel.image import proofs
from neokernel.image.kernel import EXPORTS, kernel_state
from neokernel.prover.prove import roots
from neokernel.prover.whole import Scope, Whole, prove_all
from neokernel.spec import MODULES
from neokernel.spec.outcomes import ERRORS_CHANGE_NOTHING

STALE = "neokernel/kernel/proofs.json is of another kernel: run `nk prove --record`, and look at what it says"


@pytest.fixture(scope="module")
def kernel() -> ir.Program:
    state = run_front_end(kernel_state(*MODULES))
    assert state.program is not None
    export(state.program, EXPORTS)
    return state.program


@pytest.mark.timeout(3600)
def test_all_contracts_and_invariants_hold_and_the_recorded_checks_never_fail(kernel: ir.Program) -> None:
    """Of functions whose proof is recorded, but for what takes longest: `make prove` does that, too."""
    record = json.loads(proofs.RECORD.read_text())
    assert record["program"] == proofs.identity(kernel), STALE
    known = frozenset(record["proofs"].values())
    found = prove_all(
        kernel,
        proofs.entries(kernel),
        before=proofs.boot(kernel),
        processes=2,
        rule=ERRORS_CHANGE_NOTHING,
        known=known,
    )
    assert not [failure for one in found.outcomes for failure in one.failures if failure.duty != "check"]
    assert found.discharged() == record["proven"], STALE


def test_what_isnt_proven_is_listed() -> None:
    """Counters of what refers to an object, and sums of refills: no more than that is left in an image."""
    text = CAVEATS.read_text().partition(BEGIN)[2].partition(END)[0]
    assert "`memory.live -= 1`" in text and text.count("\n- ") <= 10


def test_recorded_checks_are_discharged_and_no_others(kernel: ir.Program) -> None:
    before = {(one.symbol, check.index) for one in kernel.functions for check in checks_of(one) if check.discharged}
    assert proofs.discharge(kernel), STALE
    after = {(one.symbol, check.index) for one in kernel.functions for check in checks_of(one) if check.discharged}
    proven = json.loads(proofs.RECORD.read_text())["proven"]
    assert after - before <= {(symbol, index) for symbol, found in proven.items() for index in found}
    assert len(after - before) > 300
    boot = [one for one in kernel.functions if one.module == "neokernel.kernel.boot"]
    assert not any((one.symbol, check.index) in after - before for one in boot for check in checks_of(one))


def test_a_record_of_another_program_discharges_nothing(kernel: ir.Program) -> None:
    changed = next(one for one in kernel.functions if one.symbol == "neokernel.kernel.slot.insert")
    kept, changed.body[:] = list(changed.body), changed.body[1:]
    try:
        assert not proofs.discharge(kernel)
    finally:
        changed.body[:] = kept


def test_how_many_functions_there_are_is_told_by_how_they_are_proven(kernel: ir.Program) -> None:
    found = reachable(proofs.entries(kernel))
    alone = set(roots(kernel, {one.module for one in found})) & set(found)
    assembly = {one for one in found if one.naked}
    parts = len(found) - len(alone) - len(assembly)
    assert not assembly & alone and parts > 0
    told = whole.functions(Whole(Scope.of(kernel, proofs.entries(kernel), proofs.boot(kernel)), []))
    assert told == (
        f"{len(found)} functions ({len(alone)} proven by themselves, {parts} as parts of their callers, "
        f"{len(assembly)} are assembly)"
    )


def test_who_waits_without_a_terminal_is_told_for_what(capsys: pytest.CaptureFixture[str]) -> None:
    whole.announce(7, 2)
    told = capsys.readouterr()
    assert told.out == "" and told.err.startswith("proving 7 functions, 2 at a time") and told.err.count("\n") == 1
    whole.announce(0, 2)
    assert capsys.readouterr().err == ""
