"""What isn't proven, in words."""

from __future__ import annotations

from neokernel.compiler import ir
from neokernel.compiler.ir import Kind
from neokernel.prover.obligations import Duty, Obligation

_CHECKS = {
    Kind.OVERFLOW: "this may overflow",
    Kind.DIVISION: "this may divide by 0",
    Kind.SHIFT: "this may shift by the width or more",
    Kind.INDEX: "this may be out of range",
    Kind.CONVERSION: "this number may not fit",
    Kind.ENUM: "this number may be no member",
    Kind.ASSERT: "this assertion may fail",
    Kind.UNREACHABLE: "this may be reached",
    Kind.DEAD: "this object may be dead",
}
_DUTIES = {
    Duty.REQUIRES: "this call may break what `{callee}` requires",
    Duty.ENSURES: "`{function}` may not do what it ensures",
    Duty.INVARIANT: "the invariant `{function}` may be broken afterwards",
    Duty.LOOP_INVARIANT: "this may not hold in each round",
    Duty.LOOP_BOUND: "the loop may take more rounds",
    Duty.ARM: "this value may be of another type",
    Duty.GHOST: "a check in this ghost code may fail",
    Duty.UNCHANGED: "`{function}` may fail and leave `{callee}` changed",
    Duty.POSSIBLE: "`{function}` says nothing: what it requires can't be",
    Duty.ENDS: "`{function}` promises nothing: its end is never reached",
}


def trouble(check: ir.Check) -> str:
    return _CHECKS[check.kind]


def what(obligation: Obligation) -> str:
    """It, in words: what may happen as long as it isn't proven."""
    if obligation.check is not None:
        return trouble(obligation.check)
    struct = obligation.function.invariant_of
    if obligation.duty is Duty.POSSIBLE and struct is not None:
        return f"no `{struct}` can be what its invariants say"
    return _DUTIES[obligation.duty].format(function=obligation.function.name, callee=obligation.callee)
