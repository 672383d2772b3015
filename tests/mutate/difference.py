"""Where a function's body isn't what it was: the statements at which a run could notice.

Two bodies are walked side by side. Temps and variables are paired as they are met, so that what a mistake renumbers
isn't taken for another; places in the source don't count. Where a block differs, its first differing statement stands
for all that follows: who doesn't come there doesn't come further. A loop stands for all that is in it, as proofs look
at loops as a whole.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

from neokernel.compiler import ir
from neokernel.compiler.digest import everything


def changed_statements(before: ir.Block, after: ir.Block) -> int:
    """The statements of `before` at which `after` may go on otherwise, as bits, by their numbers in `everything`."""
    pairs = _Pairs()
    pairs.block(before, after, None)
    return sum(1 << number for number, node in enumerate(everything(before)) if node in pairs.found)


def same_contracts(before: Sequence[Sequence[ir.Ghost]], after: Sequence[Sequence[ir.Ghost]]) -> bool:
    """Of two functions: `requires`, `ensures` and `entry` of each."""
    pairs = _Pairs()
    for old, new in zip(before, after, strict=True):
        if len(old) != len(new) or not all(pairs.node(a, b) for a, b in zip(old, new, strict=True)):
            return False
    return not pairs.found


class _Pairs:
    """What stands for what. `found`: statements of the one body where the other goes on otherwise."""

    def __init__(self) -> None:
        self.found: set[ir.Statement] = set()
        self._there: dict[object, object] = {}
        self._back: dict[object, object] = {}

    def block(self, before: ir.Block, after: ir.Block, around: ir.Statement | None) -> None:
        for old, new in zip(before, after, strict=False):
            if not self.node(old, new):
                self.found.add(old)
                return
        if len(before) != len(after):
            last = before[len(after)] if len(before) > len(after) else before[-1] if before else around
            assert last is not None
            self.found.add(last)

    def node(self, old: ir.Statement, new: ir.Statement) -> bool:
        """Do both do the same, but for what is found in blocks inside?"""
        if type(old) is not type(new):
            return False
        match old, new:
            case ir.If(), ir.If():
                if not self.same(old.condition, new.condition):
                    return False
                self.block(old.then, new.then, old)
                self.block(old.otherwise, new.otherwise, old)
                return True
            case ir.Switch(), ir.Switch():
                return self._switch(old, new)
            case ir.Loop(), ir.Loop():
                return self._loop(old, new)
            case ir.Ghost(), ir.Ghost():
                self.block(old.block, new.block, old)
                return self.same(old.value, new.value) and self.same(old.result, new.result)
        return all(self.same(getattr(old, f.name), getattr(new, f.name)) for f in fields(old) if f.name != "span")

    def _switch(self, old: ir.Switch, new: ir.Switch) -> bool:
        wanted = [[of for of, _ in each.cases] for each in (old, new)]
        if not self.same(old.value, new.value) or wanted[0] != wanted[1] or old.exhaustive != new.exhaustive:
            return False
        for (_, before), (_, after) in zip(old.cases, new.cases, strict=True):
            self.block(before, after, old)
        self.block(old.default, new.default, old)
        return True

    def _loop(self, old: ir.Loop, new: ir.Loop) -> bool:
        count = len(self.found)
        same = old.label == new.label and (old.bound is None) == (new.bound is None) and self.same(old.trip, new.trip)
        self.block(old.body, new.body, old)
        self.block(old.step, new.step, old)
        return same and len(old.invariants) == len(new.invariants) and count == len(self.found)

    def same(self, old: object, new: object) -> bool:
        """A part of an instruction. A result is met before it is used."""
        match old, new:
            case ir.Temp(), ir.Temp():
                return old.type == new.type and self._paired(old, new)
            case ir.Var(), ir.Var():
                alike = old.name.rstrip("0123456789") == new.name.rstrip("0123456789") and old.type == new.type
                return alike and self._paired(old, new)
            case ir.Check(), ir.Check():
                return (old.kind, old.discharged, old.message) == (new.kind, new.discharged, new.message)
            case tuple(), tuple():
                return len(old) == len(new) and all(map(self.same, old, new))
            case list(), list():
                return not old and not new
        return old == new

    def _paired(self, old: object, new: object) -> bool:
        return self._there.setdefault(old, new) is new and self._back.setdefault(new, old) is old
