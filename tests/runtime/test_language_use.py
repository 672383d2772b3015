"""What the containers need of the language, in every reading: found while they were written."""

from __future__ import annotations

import pytest

from tests.support import meanings

ZEROES = meanings.case(
    "zeroes",
    """
    class Color(Enum):
        RED = 0

    @value
    class Pair:
        first: u8 = 3
        color: Color = Color.RED
        next: u32 | None = None

    K = TypeVar("K")

    @value
    class Entry(Generic[K]):
        mark: u32
        key: K

    @struct
    class Table:
        pairs: Array[Pair] = array(3)
        entries: Array[Entry[Pair]] = array(2)
        both: Array[tuple[u16, bool]] = array(2)

    def main(out: Output) -> None:
        table = Table()
        assert table.pairs[2] == Pair(0)
        assert table.entries[1] == Entry(0, Pair(0))
        number, flag = table.both[1]
        assert number == 0 and not flag
        table.entries[0] = Entry(7, Pair(1, next=5))
        out.put(u64(table.entries[0].mark) + u64(table.entries[0].key.first))
    """,
)

ENDS = meanings.case(
    "ends",
    """
    def half(number: u64) -> u64:
        if number % 2 == 0:
            return number // 2
        return ⟦unreachable("odd")⟧

    def main(out: Output) -> None:
        out.put(half(6))
        out.put(half(7))
    """,
    kind="unreachable",
)

INVARIANTS = meanings.case(
    "invariants",
    """
    @struct
    class Queue:
        count: u64 = 0

        @invariant
        def sound(self) -> bool:
            return self.count <= self.limit()

        def limit(self) -> u64:
            return 2

        def push(self) -> None:
            self.count += 1

    def main(out: Output) -> None:
        queue = Queue()
        queue.push()
        out.put(queue.count)
    """,
)

CASES = {case.name: case for case in (ZEROES, ENDS, INVARIANTS)}


@pytest.mark.parametrize("name", CASES)
def test_case(name: str) -> None:
    readings = [reading for reading in meanings.readings_here() if reading != "riscv64"]
    meanings.check(CASES[name], meanings.ask([CASES[name]], readings)[name])
