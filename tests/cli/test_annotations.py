"""How much is written for proofs, counted."""

from __future__ import annotations

import json

from click.testing import CliRunner

from neokernel.cli.annotations import count
from neokernel.cli.prove import command

TEXT = '''"""A module."""

from neokernel.lang import invariant, requires, struct, u32


@struct
class Purse:
    coins: u32 = 0

    @invariant
    def is_small(self) -> bool:
        """Not too heavy."""
        return self.coins < 9


def spend(purse: Purse) -> None:
    # A coin.
    requires(purse.coins != 0)
    purse.coins -= 1
'''


def test_contracts_and_invariants_are_annotations_and_the_rest_is_code() -> None:
    found = count(TEXT, "purse.py")
    # @struct, class Purse:, coins: u32 = 0; def spend(purse: Purse) -> None:, purse.coins -= 1
    assert found.code == 2 + 3 + 5 + 10 + 5
    # @invariant, def is_small(self) -> bool:, return self.coins < 9; requires(purse.coins != 0)
    assert found.annotations == 2 + 8 + 6 + 8


def test_the_kernel_has_less_than_half_a_token_for_each_of_its_own() -> None:
    printed = CliRunner().invoke(command, ["--annotations", "--json"])
    told = json.loads(printed.output)
    assert {"file", "code", "annotations"} == set(told["files"][0])
    assert told["annotations"] < told["code"] / 2
    table = CliRunner().invoke(command, ["--annotations"]).output
    assert "neokernel/kernel/slot.py" in table and table.splitlines()[-1].endswith("all")
