"""Tests that accesses go to living objects, in builds that watch lives (`poison`, in the host's process).

Layouts are those of images: who is dead stands in a table of the host (`graveyard.py`), which the code asks by
`nk_is_dead(address, kind)` and `nk_is_lost(address, kind)`, and tells by `nk_bury(address, size, kind)` and
`nk_revive(address, size)`. Only objects that the program may retire are looked at (`Mortals`).
"""

from __future__ import annotations

from neokernel.compiler import ir
from neokernel.compiler.lives import accessed
from neokernel.compiler.llvm.builder import Builder
from neokernel.compiler.llvm.values import pointer_and_length
from neokernel.compiler.types import RefType, SpanType


def before(b: Builder, i: ir.Statement) -> None:
    """Test what `i` accesses. Slices and copies compare lengths first."""
    if not isinstance(i, (ir.Slice, ir.Copy)):
        test(b, i)


def after(b: Builder, i: ir.Statement) -> None:
    """Tell the table what `i` has begun or ended."""
    mortals = b.module.mortals
    if mortals is None:
        return
    if isinstance(i, ir.Slice):
        test(b, i)
    elif isinstance(i, ir.Retire):
        kind = mortals.kind(i.reference.type)
        assert isinstance(i.reference.type, RefType)
        size = b.layout.size(i.reference.type.target)
        b.module.declare("@nk_bury", "declare void @nk_bury(ptr, i64, i64) nounwind")
        b.emit(f"call void @nk_bury(ptr {b.operand(i.reference)}, i64 {size}, i64 {kind})")
    elif isinstance(i, (ir.New, ir.Renew)):
        assert i.result is not None and isinstance(i.result.type, RefType)
        target = i.result.type.target
        if mortals.inside(target):
            b.module.declare("@nk_revive", "declare void @nk_revive(ptr, i64) nounwind")
            b.emit(f"call void @nk_revive(ptr {b.operand(i.result)}, i64 {b.layout.size(target)})")


def test(b: Builder, i: ir.Statement) -> None:
    """Fail, with the span of `i`, if an object that it accesses has been retired."""
    if b.module.mortals is None:
        return
    question = "@nk_is_lost" if isinstance(i, ir.Renew) else "@nk_is_dead"
    for operand in (i.reference,) if isinstance(i, ir.Renew) else accessed(i):
        kind = b.module.mortals.kind(operand.type)
        if kind is None or isinstance(operand, ir.Const):
            continue
        b.module.declare(question, f"declare zeroext i8 {question}(ptr, i64) nounwind")
        if isinstance(operand.type, SpanType):
            pointer, count = pointer_and_length(b, operand)
            # an empty span is of no object, whatever its address
            pointer = b.value(f"select i1 {b.value(f'icmp eq i64 {count}, 0')}, ptr null, ptr {pointer}")
            what = "object behind this view"
        else:
            pointer, what = b.operand(operand), str(operand.type)
        answer = b.value(f"call zeroext i8 {question}(ptr {pointer}, i64 {kind})")
        check = ir.Check(-1, ir.Kind.DEAD, message=f"the {what} has been retired")
        b.guard_not(check, i.span, b.value(f"icmp ne i8 {answer}, 0"))
