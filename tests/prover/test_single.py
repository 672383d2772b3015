"""Of what is said to be single, a program that may make a second one is refused."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from neokernel.cli import prove as cli
from neokernel.cli.errors import Exit
from neokernel.image import kernel as image
from neokernel.prover import single
from neokernel.prover.single import SeveralError
from neokernel.prover.unchanged import NO_RULE
from neokernel.prover.whole import prove_all
from tests.prover.support import MODULE, program

#: boot makes the house; `enter` is what is entered afterwards
TEXT = """
unsafe("a test")

@struct
class House:
    doors: u8 = 0

@struct
class Street:
    corner: Embedded[House] = House()

@struct
class Town:
    houses: Array[Embedded[House]] = array(2)

def boot(place: u64, count: u64) -> u8:
    {boot}

def build(place: u64) -> House:
    return {how}(House, place)

def enter(house: House, street: Street, town: Town, place: u64) -> u8:
    return {enter}
"""
ONE = "return build(place).doors"


def several(boot: str = ONE, how: str = "new_at", enter: str = "house.doors") -> list[tuple[str, int]]:
    """What is said, and of which line of the text."""
    made = program(TEXT.format(boot=boot, how=how, enter=enter))
    entry = next(one for one in made.functions if one.name == "enter")
    try:
        single.check(made, frozenset({f"{MODULE}.House"}), [entry])
    except SeveralError as error:
        found = error.diagnostics
    else:
        return []
    assert all("`House`" in one.help and f"`{MODULE}.House`" in one.help for one in found)
    return [(one.message, one.span.line - 2) for one in found]


@pytest.mark.parametrize("how", ["new_at", "object_at"])
def test_one_that_boot_makes_is_single(how: str) -> None:
    assert several(how=how) == []


@pytest.mark.parametrize(
    ("boot", "enter", "message"),
    [
        ("return build(place).doors + build(place).doors", "0", "`build` makes a `House` and is called more than once"),
        (
            "sum: u8 = 0\n    for i in range(count):\n        sum = build(place).doors\n    return sum",
            "0",
            "each round of this loop may make another `House`",
        ),
        ("return build(place).doors", "object_at(House, place).doors", "`enter` makes another `House`"),
        ("return u8(House(doors=1).doors) + build(place).doors", "0", "`build` makes another `House`"),
        ("return 0", "build(place).doors", "`enter`, which is entered again and again, makes a `House`"),
        (ONE, "street.corner.doors", "this `House` is a part of another object, of which there may be many"),
        (ONE, "town.houses[0].doors", "this `House` is a part of another object, of which there may be many"),
    ],
)
def test_what_may_be_more_than_one_is_refused(boot: str, enter: str, message: str) -> None:
    assert [found for found, _ in several(boot, enter=enter)] == [message]


def test_the_place_is_shown() -> None:
    lines = TEXT.format(boot=ONE, how="new_at", enter="street.corner.doors").splitlines()
    (found,) = several(enter="street.corner.doors")
    assert lines[found[1] - 1].strip() == "return street.corner.doors"


def test_what_nothing_makes_isnt_there() -> None:
    made = program(
        "@struct\nclass House:\n    doors: u8 = 0\n\ndef enter(house: House) -> u8:\n    return house.doors\n"
    )
    with pytest.raises(SeveralError, match="no function makes the one `House`"):
        single.check(made, frozenset({f"{MODULE}.House"}), made.functions)


@pytest.mark.parametrize("doors", [0, 1])
@pytest.mark.parametrize("far", [True, False])
def test_who_makes_it_is_proven_without_it(doors: int, far: bool) -> None:
    """What it makes wasn't there before, so nothing is known of it but what was done; so for its callers."""
    text = f"""
unsafe("a test")

@struct
class House:
    doors: u8 = 0

    @invariant
    def can_be_entered(self) -> bool:
        return self.doors != 0

{"" if far else "@inline"}
def build(place: u64) -> House:
    made = new_at(House, place)
    made.doors = {doors}
    return made

def boot(place: u64) -> u8:
    return build(place).doors

def enter(house: House) -> u8:
    return 9 // house.doors
"""
    made = program(text)
    by_name = {one.name: one for one in made.functions}
    rule = replace(NO_RULE, single=frozenset({f"{MODULE}.House"}))
    found = prove_all(made, [by_name["enter"]], before=[by_name["boot"]], processes=1, cold=True, rule=rule)
    failed = {(one.symbol.rpartition(".")[2], failure.duty) for one in found.outcomes for failure in one.failures}
    where = {("boot", "invariant"), ("build", "invariant")} if far else {("boot", "invariant")}
    assert failed == (set() if doors else where)


def test_nk_prove_says_so_of_the_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """With a boot that makes two harts."""
    source = Path(image.__file__).parents[1] / "kernel" / "boot.py"
    mistaken = source.read_text().replace(
        "    hart = make_hart(objects, number, found)\n",
        "    hart = make_hart(objects, number, found)\n    hart = make_hart(objects, number, found)\n",
    )
    right = image.kernel_state

    def wrong(*more: str) -> object:
        state = right(*more)
        state.overlay["neokernel.kernel.boot"] = mistaken
        return state

    monkeypatch.setattr(image, "kernel_state", wrong)
    for arguments in ([], [str(source.with_name("timer.py"))]):
        result = CliRunner().invoke(cli.command, arguments)
        assert result.exit_code == Exit.COMPILE, result.output
        assert "error[NK1402]: `make_hart` makes a `Hart` and is called more than once" in result.output
        assert "called here first" in result.output and "Traceback" not in result.output
