"""The table of the dead against a model: one entry for each byte."""

from hypothesis import given
from hypothesis import strategies as st

from neokernel.compiler.graveyard import Graveyard

#: kind 0 ends with everything inside it; kinds 1 and 2 alone
ENDS = {0: frozenset({0, 1, 2}), 1: frozenset({1}), 2: frozenset({2})}

actions = st.tuples(
    st.sampled_from(["bury", "revive"]), st.integers(0, 40), st.integers(0, 12), st.sampled_from([*ENDS])
)


@given(st.lists(actions, max_size=30))
def test_ranges(history: list[tuple[str, int, int, int]]) -> None:
    table = Graveyard(ENDS)
    model: dict[int, int] = {}
    for action, address, size, kind in history:
        for byte in range(address, address + size):
            if action == "bury":
                model[byte] = kind
            else:
                model.pop(byte, None)
        if action == "bury":
            table.bury(address, size, kind)
        else:
            table.revive(address, size)
        for byte in range(60):
            for asked in ENDS:
                assert table.is_dead(byte, asked) == (byte in model and asked in ENDS[model[byte]])
                assert table.is_lost(byte, asked) == (table.is_dead(byte, asked) and model[byte] != asked)
    table.clear()
    assert not any(table.is_dead(byte, 1) for byte in range(60))


def test_functions_for_compiled_code() -> None:
    symbols = Graveyard(ENDS).symbols()
    assert set(symbols) == {"nk_is_dead", "nk_is_lost", "nk_bury", "nk_revive"}
    assert len(set(symbols.values())) == 4
