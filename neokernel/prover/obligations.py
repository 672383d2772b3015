"""What is to be proven: that a condition holds wherever a path leads to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from neokernel.compiler import ir
from neokernel.prover.paths import Path
from neokernel.prover.terms import Term
from neokernel.prover.values import Value


class Duty(Enum):
    """Why a condition has to hold."""

    CHECK = "check"
    REQUIRES = "requires"
    ENSURES = "ensures"
    INVARIANT = "invariant"
    LOOP_INVARIANT = "loop_invariant"
    LOOP_BOUND = "loop_bound"
    ARM = "arm"
    GHOST = "ghost"
    UNCHANGED = "unchanged"
    #: an assertion of a specification
    SPECIFIED = "specified"
    #: that what is required can be, and that there is an end to promise something of: of what can't, anything is proven
    POSSIBLE = "possible"
    ENDS = "ends"


@dataclass(frozen=True, slots=True)
class Contract:
    """A condition that is written down, and the variables that it speaks of."""

    ghost: ir.Ghost
    variables: dict[ir.Var, Value]


@dataclass(eq=False, slots=True)
class Obligation:
    """`goal` on `path`, given the first `facts` assumptions.

    `function` holds the code at `span`; `calls` lead to it from the function that is being proven, outermost first.
    """

    duty: Duty
    function: ir.Function
    span: ir.Span
    path: Path
    goal: Term
    facts: int
    calls: tuple[ir.Call, ...] = ()
    check: ir.Check | None = None
    #: how many branches had been met
    branches: int = 0
    #: of a `requires`: whose it is
    callee: str = ""
    #: how many unknowns had been met
    unknowns: int = 0
    #: of the function that holds the code: what its variables are here
    variables: dict[ir.Var, Value] = field(default_factory=dict)
    #: the stamp of memory
    stamp: int = 0
    #: of an invariant: which object it is due of; of what a contract says: that
    about: Term | Contract | None = None


@dataclass(frozen=True, slots=True)
class Branch:
    """On `path` the program asks for `condition`; of a `match`, whether what stands at `span` is this `case`."""

    path: Path
    condition: Term
    span: ir.Span
    case: str = ""


@dataclass(frozen=True, slots=True)
class Unknown:
    """From `path` on, something of which only promises are known: what `callee` gives and does, by its contract; or a
    loop's rounds (None), one of which stands for all."""

    path: Path
    span: ir.Span
    callee: ir.Function | None = None
    result: Value = ()
    #: of a round: what the variables that the loop changes are where it begins
    variables: dict[ir.Var, Value] = field(default_factory=dict)
    #: the loop is in a contract, or an invariant
    aside: bool = False


@dataclass(slots=True)
class Findings:
    """What executing a function has brought up, in order.

    `facts` are assumptions: true of every execution that gets so far. `summarised`: functions that were not looked
    into; what was proven relies on their contracts, which they are to be proven for by themselves.
    """

    obligations: list[Obligation] = field(default_factory=list)
    facts: list[Term] = field(default_factory=list)
    branches: list[Branch] = field(default_factory=list)
    unknowns: list[Unknown] = field(default_factory=list)
    summarised: dict[ir.Function, None] = field(default_factory=dict)
    #: those of them that could break invariants
    keeping: dict[ir.Function, None] = field(default_factory=dict)
    #: loop bounds that nothing here shows
    assumed_bounds: list[tuple[ir.Function, ir.Span]] = field(default_factory=list)
