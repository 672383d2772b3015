"""What is planted in the workshop is what the whole compiler makes of it, and who it concerns is what it changes."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from neokernel.compiler import ir
from neokernel.compiler.digest import everything
from tests.mutate.difference import changed_statements
from tests.mutate.equivalence import canonical, meaning
from tests.mutate.facts import facts_of
from tests.mutate.prover import Prover
from tests.mutate.sites import Mutant
from tests.mutate.snapshot import Snapshot
from tests.mutate.test_mutate import fewer
from tests.mutate.workshop import ElsewhereError, Planted, Workshop


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return Snapshot(tmp_path_factory.mktemp("snapshot"))


@pytest.fixture(scope="module")
def workshop(snapshot: Snapshot) -> Workshop:
    return Workshop(snapshot)


def exchange(snapshot: Snapshot, name: str, old: str, new: str, first: int | None = None) -> Mutant:
    """A mutant by text that stands once. `first`: the first line that must be executed, if it isn't its own."""
    file = f"neokernel/kernel/{name}.py"
    data = snapshot.sources[file].encode()
    assert data.count(old.encode()) == 1, f"{old!r} stands {data.count(old.encode())} times in {file}"
    start = data.index(old.encode())
    line = data[:start].count(b"\n") + 1
    end = start + len(old.encode())
    return Mutant(file, line, 1, "by hand", f"{old} → {new}", start, end, new, line if first is None else first, line)


def assert_sound(workshop: Workshop) -> None:
    assert canonical(workshop.program) == workshop.sound.parts


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("slot", "    if not is_fertile(slot):", "    if False:"),
        ("timer", "    shift = 6 * (bucket // 64)", "    shift = 9 * (bucket // 64)"),
    ],
)
def test_the_workshop_makes_what_the_compiler_makes(
    workshop: Workshop, snapshot: Snapshot, name: str, old: str, new: str
) -> None:
    mutant = exchange(snapshot, name, old, new)
    whole = meaning(snapshot, mutant)
    assert whole is not None
    with workshop.planted(mutant) as found:
        assert found is not None
        assert found.parts == whole.parts
        assert found.changed(workshop.sound)
    assert_sound(workshop)


@pytest.mark.parametrize(
    ("name", "old", "new"),
    [
        ("slot", "    if not is_fertile(slot):", '    if "deep":'),
        # The variable isn't set.
        ("timer", "    shift = 6 * (bucket // 64)\n", "    pass\n"),
        # It calls itself.
        ("timer", "    shift = 6 * (bucket // 64)\n", "    shift = beginning(wheel, bucket)\n"),
        # It fails in any case.
        ("timer", "    shift = 6 * (bucket // 64)\n", "    shift = u64(0) - 1\n"),
    ],
)
def test_the_workshop_rejects_what_the_compiler_rejects(
    workshop: Workshop, snapshot: Snapshot, name: str, old: str, new: str
) -> None:
    with workshop.planted(exchange(snapshot, name, old, new)) as found:
        assert found is None
    assert_sound(workshop)


def test_what_more_than_a_function_hangs_on_is_compiled_as_a_whole(workshop: Workshop, snapshot: Snapshot) -> None:
    """A constant; and a function that constants are computed by."""
    constant = exchange(snapshot, "boot", "MOST_LINES = 1023", "MOST_LINES = 1022", first=0)
    with pytest.raises(ElsewhereError), workshop.planted(constant):
        pass
    computing = exchange(snapshot, "placement", "    return (size + (unit - 1)) &", "    return (size + (unit - 2)) &")
    with closing(Planted(snapshot, computing, workshop)) as planted:
        assert planted.meaning is not None
        assert planted.kept is None
    assert_sound(workshop)


# --- what has changed -------------------------------------------------------------------------------------------------


def kinds(before: ir.Block, bits: int) -> list[str]:
    return [type(node).__name__ for number, node in enumerate(everything(before)) if bits >> number & 1]


def test_what_is_numbered_otherwise_has_not_changed(workshop: Workshop, snapshot: Snapshot) -> None:
    """A condition that goes takes temps with it: what follows is numbered otherwise, and the same."""
    mutant = exchange(snapshot, "slot", "    if not is_fertile(slot):", "    if False:")
    with workshop.planted(mutant):
        [kept] = workshop.kept
        bits = changed_statements(kept.body, kept.function.body)
        [first] = found(kept.body, bits)
        assert first.span.line == mutant.line
        assert changed_statements(kept.function.body, kept.function.body) == 0


def found(before: ir.Block, bits: int) -> list[ir.Statement]:
    return [node for number, node in enumerate(everything(before)) if bits >> number & 1]


def test_a_branch_that_has_changed_is_told_from_what_is_around_it(workshop: Workshop) -> None:
    def changed(function: ir.Function, branch: ir.If, then: ir.Block) -> list[ir.Statement]:
        other = ir.If(branch.span, branch.condition, then, branch.otherwise)
        body = [other if statement is branch else statement for statement in function.body]
        return found(function.body, changed_statements(function.body, body))

    looked_at = 0
    for function in workshop.program.functions:
        for branch in function.body:
            if isinstance(branch, ir.If) and branch.then:
                assert changed(function, branch, []) == branch.then[:1]
                # What comes after its end is seen by who comes there.
                assert changed(function, branch, [*branch.then, ir.Break(branch.span, 0)]) == branch.then[-1:]
                looked_at += 1
    assert looked_at > 100


@pytest.fixture
def prover(snapshot: Snapshot, workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prover:
    some = ("slot.find", "slot.is_fertile", "what_is_deleted_is_gone")
    fewer(monkeypatch, lambda function: function.symbol.endswith(some))
    return Prover(snapshot, workshop.sound, tmp_path)


@pytest.mark.slow
def test_a_proof_is_concerned_by_what_it_ran(prover: Prover, workshop: Workshop, snapshot: Snapshot) -> None:
    mutant = exchange(snapshot, "slot", "    slot.flags = 0", "    pass")
    with closing(Planted(snapshot, mutant, workshop)) as planted:
        found = planted.meaning
        assert found is not None
        concerned = {one.symbol for one in prover.concerned(planted, found)}
        assert concerned == {"neokernel.spec.capabilities.what_is_deleted_is_gone"}
        assert prover.judge(mutant, planted).killed


def test_facts_are_those_of_all_that_is_called(workshop: Workshop, snapshot: Snapshot) -> None:
    """Who calls a function that writes no more what it wrote, writes less too; others don't."""
    mutant = exchange(snapshot, "slot", "    slot.flags = 0", "    pass")
    before = facts_of(workshop.program.functions)
    with workshop.planted(mutant):
        [kept] = workshop.kept
        after = facts_of(workshop.program.functions)
        above = {one.symbol for one in workshop.above([kept.function])}
    assert kept.function.symbol in above
    other = {symbol for symbol in before if before[symbol] != after[symbol]}
    assert kept.function.symbol in other
    assert other <= above
