"""What proofs know of a function that they don't look into, and by what they decide whether they do.

With a mistake in a function, these may be something else of it and of all that call it.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from neokernel.compiler import ir
from neokernel.compiler.digest import everything
from neokernel.compiler.lives import statements
from neokernel.prover.execute import Executor
from neokernel.prover.prove import SPECIFIED
from neokernel.prover.states import is_private
from neokernel.prover.writes import Held, Part, Place


@dataclass(frozen=True)
class Facts:
    """`written`: by cells, the constants that are written, if only those are, and to which objects, if that is known.
    `made`: types. `size`: statements, with
    those below. `entered`: what else `Executor._is_opaque` goes by."""

    written: frozenset[tuple[str, str]]
    made: frozenset[str]
    size: int
    entered: tuple[bool, ...]

    def decides_as(self, other: Facts) -> bool:
        """Is a call looked into for these if it is for the others?"""
        return (self.entered, self.made) == (other.entered, other.made)


def facts_of(functions: Iterable[ir.Function]) -> dict[str, Facts]:
    """By symbol."""
    looker = _Looker()
    return {function.symbol: looker.facts(function) for function in functions}


class _Looker:
    """Looks once at each function, with all that it calls."""

    def __init__(self) -> None:
        self._x = Executor()
        self._reads: dict[ir.Function, bool] = {}
        self._enters: dict[ir.Function, bool] = {}

    def facts(self, function: ir.Function) -> Facts:
        x = self._x
        # Not `repr`, which would write out types with all that they refer to.
        cells = x.writes.of_function(function).items()
        places = x.writes.places_of(function)
        told = {each: [f"{one.value!r}: {one.type}" for one in found or ()] for each, found in cells}
        for each, objects in places.items():
            told[each] += map(_spelled, objects)
        written = frozenset((each.name, " ".join(sorted(known))) for each, known in told.items())
        size = x.size(function)
        entered = [bool(written), size > x.limits.inline, size > SPECIFIED]
        if function.ensures:
            contracts = any(self._reads_in(one.block) for one in function.ensures)
            entered += [contracts or self.reads(function), is_private(function) and self.enters(function)]
        return Facts(written, frozenset(map(str, x.writes.made_by(function))), size, tuple(entered))

    def reads(self, function: ir.Function) -> bool:
        """Is `invariants.reads` of it anything?"""
        if function not in self._reads:
            self._reads[function] = self._reads_in(function.body)
        return self._reads[function]

    def _reads_in(self, block: ir.Block) -> bool:
        return any(
            self.reads(node.function)
            if isinstance(node, ir.Call)
            else isinstance(node, ir.LoadField | ir.LoadElement | ir.Copy)
            for node in everything(block)
        )

    def enters(self, function: ir.Function) -> bool:
        """As `invariants` has it: does it call functions at whose begin invariants hold?"""
        if function not in self._enters:
            calls = (node.function for node in statements(function.body) if isinstance(node, ir.Call))
            self._enters[function] = any(self.enters(one) if is_private(one) else not one.naked for one in calls)
        return self._enters[function]


def _spelled(place: Place) -> str:
    match place:
        case Part(field=field, whole=whole):
            return f"{field} in {_spelled(whole)}"
        case Held(cells=cells, by=by):
            return f"{cells.name} of {_spelled(by)}"
        case ir.Var(name=name):
            return name
    return f"%{place.number}"
