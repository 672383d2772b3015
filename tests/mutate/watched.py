"""What a proof looks into: the statements that it runs, and what it asks of functions as a whole.

A proof can end otherwise with a mistake only if it comes to what the mistake has changed, or is told something else of
a function that it asked about:

- `ran`: the statements of each function that were run, by their numbers (the order of `everything` in its body).
- `asked`: the functions of which it asked what they write or make, through all that they call.
- `sized`: those of which it asked how many statements they have.

Whether a call is looked into depends on little of the callee; that little is in `Facts`, and isn't `asked`.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from neokernel.compiler import ir
from neokernel.compiler.digest import everything
from neokernel.compiler.types import Type
from neokernel.prover.execute import Executor
from neokernel.prover.memory import Cells
from neokernel.prover.states import Frame, State
from neokernel.prover.values import Layout
from neokernel.prover.writes import Constants, Place, Writes


class AskedWrites(Writes):
    """Notes of which functions it was asked."""

    def __init__(self, layout: Layout) -> None:
        super().__init__(layout)
        self.asked: set[str] = set()
        self.listening = True

    def of_function(self, function: ir.Function) -> dict[Cells, Constants]:
        with self._note(function):
            return super().of_function(function)

    def places_of(self, function: ir.Function) -> dict[Cells, tuple[Place, ...]]:
        with self._note(function):
            return super().places_of(function)

    def made_by(self, function: ir.Function) -> frozenset[Type]:
        with self._note(function):
            return super().made_by(function)

    @contextmanager
    def _note(self, function: ir.Function) -> Iterator[None]:
        """What it asks of others to answer that, is in the answer."""
        listening, self.listening = self.listening, False
        if listening:
            self.asked.add(function.symbol)
        yield
        self.listening = listening


class Watched(Executor):
    """Notes what it runs."""

    ran: set[ir.Statement]
    sized: set[str]
    writes: AskedWrites

    @staticmethod
    def watch(x: Executor) -> Watched:
        """An executor that hasn't run anything yet, watched from now on."""
        x.__class__ = Watched
        assert isinstance(x, Watched)
        x.ran, x.sized, x.writes = set(), set(), AskedWrites(x.layout)
        return x

    def instruction(self, frame: Frame, node: ir.Instruction, state: State) -> State | None:
        self.ran.add(node)
        return super().instruction(frame, node, state)

    def statement(self, frame: Frame, node: ir.Statement, state: State) -> State | None:
        self.ran.add(node)
        return super().statement(frame, node, state)

    def size(self, function: ir.Function) -> int:
        if self.writes.listening:
            self.sized.add(function.symbol)
        return super().size(function)

    def _is_opaque(self, frame: Frame, function: ir.Function) -> bool:
        self.writes.listening = False
        try:
            return super()._is_opaque(frame, function)
        finally:
            self.writes.listening = True


@dataclass
class LookedInto:
    """`ran`: of each function, the numbers of its statements as bits, in hexadecimal."""

    ran: dict[str, str]
    asked: list[str]
    sized: list[str]

    @staticmethod
    def by(x: Watched) -> LookedInto:
        ran: dict[str, str] = {}
        for function in x.entered:
            bits = sum(1 << number for number, node in enumerate(everything(function.body)) if node in x.ran)
            ran[function.symbol] = f"{bits:x}"
        return LookedInto(ran, sorted(x.writes.asked), sorted(x.sized))

    def ran_any(self, symbol: str, statements: int) -> bool:
        """Did it run any of these statements, by bits?"""
        return bool(int(self.ran.get(symbol, "0"), 16) & statements)
