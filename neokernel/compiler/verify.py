"""The grammar of the typed IR, executable: what every pass must leave intact.

Checked for each function: operands are defined before and in an enclosing block; temps are defined once; types of
operands and results fit the instruction; variables are set before they are read on every path; checks are of the kinds,
and in the order, with which the instruction can fail, and are numbered without repetition; breaks and continues lie in
their loops; constants are values of their types; a function that has a result doesn't run off its end.

An instruction carries all checks that it can fail with; where it was built so that it can't (an index that counts over
the container), they are there and discharged.
"""

from __future__ import annotations

from neokernel.compiler import ir
from neokernel.compiler.lives import statements as statements_of
from neokernel.compiler.types import BOOL, NEVER, NONE, EnumType, IntType, Type, UnionType
from neokernel.compiler.verify_rules import RULES, Assigned, MalformedIR, Scope

__all__ = ["MalformedIR", "verify", "verify_function"]


def verify(program: ir.Program) -> None:
    """Check every function; raises MalformedIR."""
    symbols: set[str] = set()
    for function in program.functions:
        if function.symbol in symbols:
            raise MalformedIR(function, None, "its symbol is used twice")
        symbols.add(function.symbol)
        verify_function(function)


def verify_function(function: ir.Function) -> None:
    _Verifier(function).run()


def _join(left: Assigned, right: Assigned) -> Assigned:
    if left is None or right is None:
        return right if left is None else left
    return left & right


class _Verifier(Scope):
    """Statements: scopes of temps, assignment of variables, loops."""

    def __init__(self, function: ir.Function) -> None:
        super().__init__(function)
        self.numbers: set[int] = set()
        self.labels: set[int] = set()
        self.loops: dict[int, tuple[list[Assigned], list[Assigned]]] = {}

    def run(self) -> None:
        function = self.function
        if function.naked:
            only_asm = len(function.body) == 1 and isinstance(function.body[0], ir.Asm)
            self.expect(only_asm, "a naked function holds exactly one asm")
        for contract in function.requires:
            self.ghost_block(contract)
        for ghost in function.entry:
            self.ghost_block(ghost)
        self._ensures()
        self.block(function.body)
        self.statement = None
        if not function.naked and self.assigned is not None:
            self.expect(function.result == NONE, "runs off its end without a result")

    def _ensures(self) -> None:
        """They see the parameters, the result, and what was kept at entry."""
        function, before = self.function, self.assigned
        kept = {s.var for ghost in function.entry for s in ghost.block if isinstance(s, ir.Set)}
        for contract in function.ensures:
            self.assigned = frozenset({*function.parameters, *kept})
            if contract.result is not None:
                self.expect(contract.result.type == function.result, "an `ensures` of another result")
                self.assigned |= {contract.result}
            self.ghost_block(contract)
        self.assigned = before

    # --- statements ---------------------------------------------------------------------------------------------------

    def block(self, block: ir.Block) -> None:
        """Verify a block; temps defined in it end with it."""
        outer = set(self.visible)
        for statement in block:
            self.statement = statement
            self.verify_statement(statement)
        self.visible = outer

    def branch(self, block: ir.Block, start: Assigned) -> Assigned:
        self.assigned = start
        self.block(block)
        return self.assigned

    def verify_statement(self, s: ir.Statement) -> None:
        if isinstance(s, ir.Instruction):
            self.instruction(s)
        elif isinstance(s, ir.If):
            self.operand(s.condition, BOOL)
            start = self.assigned
            then = self.branch(s.then, start)
            self.assigned = _join(then, self.branch(s.otherwise, start))
        elif isinstance(s, ir.Switch):
            self.switch(s)
        elif isinstance(s, ir.Loop):
            self.loop(s)
        elif isinstance(s, (ir.Break, ir.Continue)):
            self.expect(s.label in self.loops, f"label {s.label} is not of a loop around it")
            self.loops[s.label][isinstance(s, ir.Continue)].append(self.assigned)
            self.assigned = None
        elif isinstance(s, ir.Return):
            if s.value is None:
                self.expect(self.function.result == NONE, "returns nothing where a result is due")
            else:
                self.operand(s.value, self.function.result)
            self.assigned = None
        elif isinstance(s, ir.Fail):
            self.checks((s.check,), (s.check.kind,))
            self.assigned = None
        else:
            self.ghost_block(s)

    def ghost_block(self, ghost: ir.Ghost) -> None:
        """Ghost code sees the program's temps and variables, and leaves nothing behind."""
        statement, assigned, visible, was_ghost = self.statement, self.assigned, set(self.visible), self.ghost
        self.ghost = True
        for inner in ghost.block:
            self.statement = inner
            self.verify_statement(inner)
        self.statement = statement
        if ghost.value is not None:
            self.operand(ghost.value)
        self.assigned, self.visible, self.ghost = assigned, visible, was_ghost

    def switch(self, s: ir.Switch) -> None:
        self.operand(s.value)
        of = s.value.type
        seen: set[int | Type] = set()
        for wanted, _ in s.cases:
            for one in wanted:
                self.expect(one not in seen, f"case {one} occurs twice")
                seen.add(one)
                if isinstance(of, UnionType):
                    self.expect(isinstance(one, Type) and one in of.arms, f"{one} is no arm of {of}")
                elif isinstance(of, EnumType):
                    self.expect(one in of.members.values(), f"{one} is no member of {of}")
                else:
                    self.expect(isinstance(of, IntType), f"a switch on {of}")
                    assert isinstance(of, IntType)
                    self.expect(isinstance(one, int) and of.holds(one), f"{one} is no {of}")
        if s.exhaustive and isinstance(of, UnionType):
            self.expect(seen == set(of.arms) or bool(s.default), "exhaustive, but arms are missing")
        if s.exhaustive and isinstance(of, EnumType):
            self.expect(seen == set(of.members.values()) or bool(s.default), "exhaustive, but members are missing")
        start = self.assigned
        end: Assigned = None
        for _, body in s.cases:
            end = _join(end, self.branch(body, start))
        if s.default or not s.exhaustive:
            end = _join(end, self.branch(s.default, start))
        self.assigned = end

    def loop(self, s: ir.Loop) -> None:
        self.expect(s.label not in self.labels, f"label {s.label} occurs twice")
        self.labels.add(s.label)
        if s.trip is not None:
            self.expect(isinstance(s.trip.type, IntType), "trip is an integer")
            self.operand(s.trip)
        placed = {id(node) for node in statements_of(s.body)}
        stated = (*s.invariants, *((s.bound,) if s.bound is not None else ()))
        self.expect(all(id(ghost) in placed for ghost in stated), "a contract of a loop that isn't in its body")
        breaks: list[Assigned] = []
        continues: list[Assigned] = []
        self.loops[s.label] = (breaks, continues)
        self.block(s.body)
        for state in continues:
            self.assigned = _join(self.assigned, state)
        self.block(s.step)
        del self.loops[s.label]
        self.assigned = None
        for state in breaks:
            self.assigned = _join(self.assigned, state)

    # --- instructions -------------------------------------------------------------------------------------------------

    def instruction(self, i: ir.Instruction) -> None:
        rule = RULES.get(type(i))
        self.expect(rule is not None, "an instruction that the grammar doesn't know")
        assert rule is not None
        result, kinds = rule(self, i)
        self.checks(i.checks, kinds)
        if result is None:
            self.expect(i.result is None, "has no result")
        elif i.result is None:
            self.expect(isinstance(i, (ir.Call, ir.Atomic, ir.Asm)), "the result is missing")
        elif i.result.type != result:
            raise self.fail(f"the result is {result}, not {i.result.type}")
        if i.result is not None:
            if i.result.number in self.numbers:
                raise self.fail(f"%{i.result.number} is defined twice")
            if i.result.number >= self.function.temps:
                raise self.fail(f"%{i.result.number} is beyond the function's count")
            self.numbers.add(i.result.number)
            self.visible.add(i.result)
        if isinstance(i, ir.Call) and i.function.result == NEVER:
            self.assigned = None
