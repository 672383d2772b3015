"""Where the executor stands on a path, and what it keeps of a function that runs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from neokernel.compiler import ir
from neokernel.prover import terms as t
from neokernel.prover.paths import Path, difference, extended, joined
from neokernel.prover.terms import Term
from neokernel.prover.values import Value


@dataclass(slots=True)
class State:
    """Where a path stands: its condition, and the variables of the function that runs."""

    path: Path
    variables: dict[ir.Var, Value]

    def along(self, condition: Term) -> State | None:
        """The state on the side of a branch where the condition holds; None if that side is never taken."""
        path = extended(self.path, condition)
        return None if path is None else State(path, dict(self.variables))


def join(states: list[State]) -> State | None:
    """Where paths meet."""
    if len(states) < 2:
        return states[0] if states else None
    paths = [state.path for state in states]
    first = states[0]
    told: list[Term] | None = None
    variables: dict[ir.Var, Value] = {}
    for var, value in first.variables.items():
        values = [state.variables.get(var) for state in states]
        if None in values:
            continue
        if any(other is not value and other != value for other in values):
            if told is None:
                told = [difference(path, paths) for path in paths[:-1]]
            value = merged(told, [v for v in values if v is not None])
        variables[var] = value
    return State(joined(paths), variables)


def merged(conditions: list[Term], values: list[Value]) -> Value:
    """The value of the path whose condition holds, or else the last."""
    result = values[-1]
    for condition, value in zip(reversed(conditions), reversed(values[:-1]), strict=True):
        result = tuple(t.choose(condition, a, b) for a, b in zip(value, result, strict=True))
    return result


@dataclass(slots=True)
class Frame:
    """One run of a function. `leaves`: the states at breaks and continues, by loop."""

    function: ir.Function
    temps: dict[ir.Temp, Value] = field(default_factory=dict)
    returns: list[tuple[State, Value]] = field(default_factory=list)
    breaks: dict[int, list[State]] = field(default_factory=dict)
    continues: dict[int, list[State]] = field(default_factory=dict)
    #: what is done where an invariant stands, by the ghost code that states it
    invariants: dict[ir.Ghost, Callable[[State], State | None]] = field(default_factory=dict)


#: modules of specifications
SPECIFICATIONS = "neokernel.spec."


def is_specification(function: ir.Function) -> bool:
    """Does it say what others do? Then those are looked into, and what is due of them is due elsewhere."""
    return function.module.startswith(SPECIFICATIONS)


def is_instance(function: ir.Function) -> bool:
    """Of something generic: whoever uses it with these types makes it."""
    return "[" in function.symbol


def is_private(function: ir.Function) -> bool:
    """Is it a part of its callers, perhaps while invariants are broken? Called by its own module only, or inlined; and
    not by assembly, which knows nothing of it."""
    name = function.name.rpartition(".")[2]
    return not function.exported and (function.inline or (name.startswith("_") and not name.endswith("__")))
