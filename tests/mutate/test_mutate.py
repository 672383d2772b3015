"""The tool plants what it says, where code is, and tells mistakes from changes that mean the same."""

from __future__ import annotations

import io
import tokenize
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from neokernel.compiler import ir
from neokernel.prover.whole import Scope
from tests.mutate import judges, report
from tests.mutate import prover as prover_module
from tests.mutate.campaign import KILLED, REJECTED, SAME_CODE, SAME_IR, SURVIVED, Campaign
from tests.mutate.commuting import Analysis
from tests.mutate.equivalence import Meaning, meaning
from tests.mutate.judges import KernelTests, Program, Verdict
from tests.mutate.operators import OPERATORS, mutants
from tests.mutate.prover import LIMIT, Prover
from tests.mutate.sample import Sample
from tests.mutate.sites import Mutant, Vocabulary
from tests.mutate.snapshot import Snapshot
from tests.mutate.workshop import Planted

SLOT = "neokernel/kernel/slot.py"
SOURCE = '''"""One more, `a < b`."""

from neokernel.lang import u8

MOST: u8 = 3


def f(a: u8, b: u8) -> u8:  # if a < b
    """Not `a == 1`."""
    requires(a < 2)
    if a == b and a < MOST:
        return 0
    c.first = a
    c.first = b
    g(a)  # g(b)
    return c.rights & SEND
'''
CLASSES = """
class C:
    first: u8
    second: u8
    other: u16
"""


def planted(source: str) -> list[Mutant]:
    vocabulary = Vocabulary({"c.py": CLASSES, "rights.py": "SEND: u8 = 1 << 0\nGRANT: u8 = 1 << 1\n"})
    return mutants("m.py", source, vocabulary)


def test_every_operator_has_its_places() -> None:
    found = {(each.line, each.operator, *each.change(SOURCE)[1]) for each in planted(SOURCE)}
    condition = "    if a == b and a < MOST:"
    assert found == {
        (5, "wrong constant", "MOST: u8 = 4"),
        (5, "wrong constant", "MOST: u8 = 2"),
        (11, "dropped guard", "    if False:"),
        (11, "dropped guard", "    if a == b:"),
        (11, "dropped guard", "    if a < MOST:"),
        (11, "swapped comparison", condition.replace("==", "!=")),
        (11, "swapped comparison", condition.replace("<", ">")),
        (11, "off by one", condition.replace("<", "<=")),
        (11, "wrong constant", condition.replace("MOST", "(MOST + 1)")),
        (12, "wrong constant", "        return 1"),
        (13, "wrong field", "    c.second = a"),
        (13, "dropped statement", "    pass"),
        (13, "swapped order", "    c.first = b", "    c.first = a"),
        (14, "wrong field", "    c.second = b"),
        (14, "dropped statement", "    pass"),
        (14, "swapped order", "    g(a)", "    c.first = b  # g(b)"),
        (15, "dropped statement", "    pass  # g(b)"),
        (16, "wrong right", "    return c.rights & 2"),
    }
    assert {operator for _, operator, *_ in found} == set(OPERATORS)


def test_identities_are_stable_and_differ() -> None:
    found = [mutant.identity for mutant in planted(SOURCE)]
    assert len(set(found)) == len(found)
    assert found == [mutant.identity for mutant in planted(SOURCE)]
    assert "m.py:11:8 off by one" not in found
    assert "m.py:11:19 off by one: `<` → `<=`" in found


def test_no_mutant_is_in_a_comment_or_a_docstring(snapshot: Snapshot) -> None:
    for file in snapshot.kernel:
        source = snapshot.sources[file]
        lines = source.encode().splitlines(keepends=True)
        starts = [sum(map(len, lines[:number])) for number in range(len(lines))]
        texts: set[int] = set()
        for token in tokenize.generate_tokens(io.StringIO(source).readline):
            prose = token.type == tokenize.STRING and token.string.startswith('"""')
            if prose or token.type == tokenize.COMMENT:
                before = token.line.splitlines(keepends=True)[0][: token.start[1]]
                texts.add(starts[token.start[0] - 1] + len(before.encode()))
        for mutant in mutants(file, source, snapshot.vocabulary):
            inside = texts & set(range(mutant.start, mutant.end))
            assert mutant.start not in texts, mutant.identity
            # One in the middle of what is dropped or swapped isn't what changes.
            assert not inside or mutant.operator in ("dropped statement", "swapped order", "dropped guard")


def test_a_sample_depends_on_its_seed_and_takes_from_all(snapshot: Snapshot) -> None:
    everything = [
        mutant for file in snapshot.kernel for mutant in mutants(file, snapshot.sources[file], snapshot.vocabulary)
    ]
    count = len(everything) // 20
    first, again, other = (Sample(everything, count, seed) for seed in (1, 1, 2))
    assert len(first.chosen) == count
    assert first.chosen == again.chosen
    assert len(set(first.chosen) & set(other.chosen)) < count // 4
    all_of = Counter((mutant.file, mutant.operator) for mutant in everything)
    chosen = Counter((mutant.file, mutant.operator) for mutant in first.chosen)
    assert all(abs(chosen[stratum] - number / 20) <= 1 for stratum, number in all_of.items())
    replaced = first.another(first.chosen[0])
    assert replaced is not None
    assert replaced not in first.chosen
    assert (replaced.file, replaced.operator) == (first.chosen[0].file, first.chosen[0].operator)


# --- verdicts ---------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    return Snapshot(tmp_path_factory.mktemp("snapshot"))


@pytest.fixture(scope="module")
def sound(snapshot: Snapshot) -> Meaning:
    found = meaning(snapshot)
    assert found is not None
    return found


@pytest.fixture(scope="module")
def tests(snapshot: Snapshot, tmp_path_factory: pytest.TempPathFactory) -> Iterator[KernelTests]:
    judge = KernelTests(snapshot, tmp_path_factory.mktemp("lines"), ("tests/kernel/test_slot.py",))
    yield judge
    judge.close()


@pytest.fixture
def campaign(snapshot: Snapshot, sound: Meaning, tests: KernelTests, tmp_path: Path) -> Campaign:
    return Campaign(snapshot, tmp_path, sound, [tests], ["slot"])


def exchange(snapshot: Snapshot, old: str, new: str, file: str = SLOT) -> Mutant:
    """A mutant by text that stands once."""
    data = snapshot.sources[file].encode()
    assert data.count(old.encode()) == 1, f"{old!r} stands {data.count(old.encode())} times in {file}"
    start = data.index(old.encode())
    line = data[:start].count(b"\n") + 1
    last = line + old.count("\n")
    return Mutant(file, line, 1, "by hand", f"{old} → {new}", start, start + len(old.encode()), new, line, last)


GUARD = "    if not is_fertile(slot):"


def test_what_changes_nothing_is_equivalent(campaign: Campaign, snapshot: Snapshot) -> None:
    in_brackets = exchange(snapshot, GUARD, GUARD.replace("is_fertile(slot)", "(is_fertile(slot))"))
    assert campaign.judge(in_brackets).outcome == SAME_IR


@pytest.mark.slow
def test_what_the_machine_does_alike_is_equivalent(campaign: Campaign, snapshot: Snapshot) -> None:
    bound = "u64(slot.depth) < MAXIMUM_DEPTH"
    other_way_round = exchange(snapshot, bound, "MAXIMUM_DEPTH > u64(slot.depth)")
    assert campaign.judge(other_way_round).outcome == SAME_CODE


def swap(snapshot: Snapshot, file: str, line: str) -> Mutant:
    """The mutant that exchanges the line's statement with the next."""
    path = f"neokernel/kernel/{file}.py"
    source = snapshot.sources[path]
    number = source.splitlines().index(line) + 1
    found = mutants(path, source, snapshot.vocabulary)
    (wanted,) = (each for each in found if each.line == number and each.operator == "swapped order")
    return wanted


def test_statements_that_have_nothing_to_do_with_each_other_commute(snapshot: Snapshot, sound: Meaning) -> None:
    for file, line, commute in (
        # A field, and a call that neither reads nor writes it.
        ("captable", "    table.blocked = None", True),
        # The call reads what is written; or the next statement does.
        ("slot", "    slot.next = after", False),
        ("timer", "    timer.expiry = expiry", True),
        ("timer", "    bucket = 64 * level + bit", False),
        # What assembly does isn't known.
        ("schedule", "    space.asid = u16(asid)", False),
    ):
        mutant = swap(snapshot, file, line)
        assert Analysis(sound.program).commutes(mutant, snapshot.sources[mutant.file]) == commute, mutant.identity


def test_what_the_compiler_rejects_is_not_counted(campaign: Campaign, snapshot: Snapshot) -> None:
    rejected = campaign.judge(exchange(snapshot, GUARD, '    if "deep":'))
    assert rejected.outcome == REJECTED
    assert not rejected.counted


def test_a_dropped_guard_is_found(campaign: Campaign, snapshot: Snapshot) -> None:
    [guard] = [
        mutant
        for mutant in campaign.mutants
        if mutant.operator == "dropped guard" and mutant.change(snapshot.sources[SLOT])[0] == [GUARD]
    ]
    result = campaign.judge(guard)
    assert result.outcome == KILLED
    found = result.verdicts["tests"]
    assert found.by is not None
    assert found.by.startswith("tests/kernel/test_slot.py::")


def test_a_kernel_that_hangs_is_found(campaign: Campaign, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(judges, "SECONDS", 1.0)
    result = campaign.judge(exchange(snapshot, GUARD, f"    while slot is slot:\n        pass\n{GUARD}"))
    assert result.outcome == KILLED
    assert result.verdicts["tests"].hung


@pytest.mark.slow
def test_a_mistake_is_gone_afterwards(campaign: Campaign, snapshot: Snapshot, tests: KernelTests) -> None:
    campaign.judge(exchange(snapshot, GUARD, "    if False:"))
    assert (snapshot.folder / SLOT).read_text() == snapshot.sources[SLOT]
    no_mistake = exchange(snapshot, GUARD, GUARD)
    assert not tests.judge(no_mistake, Planted(snapshot, no_mistake)).killed


@pytest.mark.slow
def test_what_no_test_executes_survives(campaign: Campaign, snapshot: Snapshot, sound: Meaning) -> None:
    mutant = exchange(snapshot, GUARD, "    if False:")
    nowhere = Mutant(**{**vars(mutant), "first": 10_000, "last": 10_000})
    result = campaign.judge(nowhere)
    assert result.outcome == SURVIVED
    assert "No test executes it under CPython." in report.as_markdown([result], ["tests"])


def test_a_judge_of_its_own_process_imports_the_snapshot(snapshot: Snapshot) -> None:
    where = "import sys, neokernel; sys.exit(f'FAILED {neokernel.__file__}')"
    assert Program(snapshot, "where", where, 1, (), executed=True).look() == Verdict(
        "where", f"FAILED {snapshot.folder / 'neokernel' / '__init__.py'}", 1
    )
    assert not Program(snapshot, "silent", "", 1, (), executed=True).look().killed


def fewer(monkeypatch: pytest.MonkeyPatch, wanted: Callable[[ir.Function], bool]) -> None:
    all_of = prover_module.scope_of

    def few(program: ir.Program) -> Scope:
        scope = all_of(program)
        return replace(scope, alone=[function for function in scope.alone if wanted(function)])

    monkeypatch.setattr(prover_module, "scope_of", few)


@pytest.fixture
def prover(snapshot: Snapshot, sound: Meaning, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Prover:
    """It knows a few proofs of the sound kernel; all take minutes."""
    some = ("timer.beginning", "slot.find", "what_is_deleted_is_gone")
    fewer(monkeypatch, lambda function: function.symbol.endswith(some))
    return Prover(snapshot, sound, tmp_path)


def judged(prover: Prover, snapshot: Snapshot, file: str, old: str, new: str) -> Verdict:
    mutant = exchange(snapshot, old, new, f"neokernel/kernel/{file}.py")
    return prover.judge(mutant, Planted(snapshot, mutant))


@pytest.mark.slow
def test_the_prover_finds_what_it_proved_before(prover: Prover, snapshot: Snapshot) -> None:
    """And is silent of a change that breaks nothing, or that no proof looks into."""
    shift, result = "    shift = 6 * (bucket // 64)\n", "    return above | ((bucket % 64) << shift)\n"
    found = judged(prover, snapshot, "timer", shift, shift.replace("6 *", "9 *"))
    assert found.killed
    assert found.why.startswith("neokernel.kernel.timer.beginning: this may ")
    other_way_round = "    return ((bucket % 64) << shift) | above\n"
    assert judged(prover, snapshot, "timer", result, other_way_round) == Verdict(None, "", 1)
    elsewhere = judged(prover, snapshot, "notification", "notification.word |= added", "notification.word = added")
    assert elsewhere == Verdict(None, "no proof looks into it")


@pytest.mark.slow
def test_the_prover_asks_specifications(prover: Prover, snapshot: Snapshot) -> None:
    found = judged(prover, snapshot, "slot", "    slot.flags = 0\n", "    pass\n")
    assert found.by == "neokernel.spec.capabilities.what_is_deleted_is_gone"


@pytest.mark.slow
def test_a_proof_over_its_limit_is_not_made(
    prover: Prover, snapshot: Snapshot, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prover_module, "PATIENCE", 0)
    monkeypatch.setattr(prover_module, "EFFORT", 1)
    found = judged(prover, snapshot, "slot", "    slot.flags = 0\n", "    slot.flags = slot.flags & 0\n")
    assert found.why == LIMIT


@pytest.mark.slow
def test_what_the_prover_knows_is_kept(
    prover: Prover, snapshot: Snapshot, sound: Meaning, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prover_module, "proven", None)
    again = Prover(snapshot, sound, tmp_path)
    assert again.known == prover.known
    found = exchange(snapshot, "    slot.flags = 0\n", "    pass\n")
    kept = prover.judge(found, Planted(snapshot, found))
    assert again.stands(found, kept)
    passed = exchange(snapshot, "    slot.entry = 0\n", "    slot.entry = 1\n")
    let_pass = prover.judge(passed, Planted(snapshot, passed))
    assert again.stands(passed, let_pass)


@pytest.mark.slow
def test_a_new_proof_is_asked_of_what_it_looks_into(
    prover: Prover, snapshot: Snapshot, sound: Meaning, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    in_it = exchange(snapshot, "    slot.entry = 0\n", "    slot.entry = 1\n")
    elsewhere = exchange(snapshot, "    return slot.flags & OWNER != 0\n", "    return slot.flags & OWNER == 0\n")
    verdicts = [prover.judge(mutant, Planted(snapshot, mutant)) for mutant in (in_it, elsewhere)]
    assert not any(verdict.killed for verdict in verdicts)
    fewer(monkeypatch, lambda function: "spec" not in function.symbol)
    again = Prover(snapshot, sound, tmp_path)
    assert not again.stands(in_it, verdicts[0])
    assert again.stands(elsewhere, verdicts[1])


@pytest.mark.slow
def test_a_short_run(snapshot: Snapshot, sound: Meaning, tests: KernelTests, tmp_path: Path) -> None:
    """Five mutants, by seed. A run that is begun again takes the results that were kept."""
    results = Campaign(snapshot, tmp_path, sound, [tests], ["slot"]).run(5, seed=1)
    taken = [result for result in results if result.outcome != REJECTED]
    assert len(taken) == 5
    assert sum(result.outcome == KILLED for result in taken) >= 3
    again = Campaign(snapshot, tmp_path, sound, [Unasked(tests.digest)], ["slot"])
    assert again.run(5, seed=1) == again.so_far(5, seed=1) == results
    assert Campaign(snapshot, tmp_path / "nothing", sound, [Unasked(tests.digest)], ["slot"]).so_far(5, seed=1) == []


class Unasked:
    name = "tests"

    def __init__(self, digest: str) -> None:
        self.digest = digest

    def stands(self, mutant: Mutant, verdict: Verdict) -> bool:
        return True

    def wants(self, verdicts: dict[str, Verdict]) -> bool:
        return True

    def judge(self, mutant: Mutant, planted: Planted) -> Verdict:
        raise AssertionError(f"{mutant.identity} was judged before")
