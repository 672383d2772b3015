"""Which part of a condition is to blame: an invariant or a contract is one expression, perhaps with many `and`s.

The condition has been computed for all arguments; here its code is walked once more with the numbers of one model, and
the last question that it asks there is the answer. Code with loops isn't walked.
"""

from __future__ import annotations

from dataclasses import dataclass

from neokernel.compiler import ir
from neokernel.compiler.types import BoolType, Type, UnionType
from neokernel.prover.execute import Executor
from neokernel.prover.solve import Model
from neokernel.prover.states import Frame


@dataclass(frozen=True, slots=True)
class Reason:
    """The question at `span`, and how it was answered."""

    span: ir.Span
    answer: bool


class _Walk:
    def __init__(self, executor: Executor, frame: Frame, model: Model) -> None:
        self.executor, self.frame, self.model = executor, frame, model
        self.last: Reason | None = None
        #: there is more than can be told
        self.lost = False

    def number(self, operand: ir.Operand) -> int | None:
        if isinstance(operand, ir.Temp) and operand not in self.frame.temps:
            self.lost = True
            return None
        return self.model.number(self.executor.value(self.frame, operand)[0])

    def block(self, block: ir.Block) -> bool:
        """Is its end reached?"""
        for node in block:
            if self.lost:
                return False
            match node:
                case ir.Compare(result=ir.Temp() as result) | ir.IsArm(result=ir.Temp() as result):
                    self.asks(node.span, result)
                case (
                    ir.Call(result=ir.Temp(type=BoolType()) as result)
                    | ir.Unary(result=ir.Temp(type=BoolType()) as result)
                ):
                    self.asks(node.span, result)
                case ir.If(condition=condition, then=then, otherwise=otherwise):
                    if not self.block(then if self.number(condition) else otherwise):
                        return False
                case ir.Switch():
                    if not self.block(self.case(node)):
                        return False
                case ir.Return() | ir.Fail():
                    return False
                case ir.Loop() | ir.Break() | ir.Continue():
                    self.lost = True
        return not self.lost

    def asks(self, span: ir.Span, result: ir.Temp) -> None:
        answer = self.number(result)
        if answer is not None:
            self.last = Reason(span, bool(answer))

    def case(self, node: ir.Switch) -> ir.Block:
        of = node.value.type
        for wanted, block in node.cases:
            if isinstance(of, UnionType):
                arms = tuple(arm for arm in wanted if isinstance(arm, Type))
                value = self.executor.value(self.frame, node.value)
                if self.model.number(self.executor.layout.is_arm(of, value, arms)):
                    return block
            elif self.number(node.value) in wanted:
                return block
        return node.default


def last_question(executor: Executor, frame: Frame, block: ir.Block, model: Model) -> Reason | None:
    """The last question that `block`, as it was run in `frame`, asks in this model; None if that isn't known."""
    walk = _Walk(executor, frame, model)
    walk.block(block)
    return None if walk.lost else walk.last
