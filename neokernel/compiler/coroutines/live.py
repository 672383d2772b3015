"""Which variables of a coroutine have to be kept while it waits: those that live across a pause.

A variable lives at a point if it may be read later before it is set.
"""

from __future__ import annotations

from neokernel.compiler import ir

Live = frozenset[ir.Var]
NONE: Live = frozenset()


class Liveness:
    """One coroutine. `results`: the variable that gets what an `Await` gives. `kept`: what lives across a pause."""

    def __init__(self, body: ir.Block, results: dict[ir.Await, ir.Var]) -> None:
        self.results = results
        self.kept: set[ir.Var] = set()
        #: by label: what lives after a loop, and before its step
        self.ends: dict[int, tuple[Live, Live]] = {}
        self.block(body, NONE)

    def block(self, block: ir.Block, live: Live) -> Live:
        """What lives before the block, if `live` lives after it."""
        for statement in reversed(block):
            live = self.statement(statement, live)
        return live

    def statement(self, node: ir.Statement, live: Live) -> Live:
        match node:
            case ir.Get(var=var):
                return live | {var}
            case ir.Set(var=var):
                return live - {var}
            case ir.Await() | ir.Pause():
                if isinstance(node, ir.Await) and node in self.results:
                    live -= {self.results[node]}
                live |= self.block(node.cleanup, NONE)
                self.kept |= live
            case ir.If():
                return self.block(node.then, live) | self.block(node.otherwise, live)
            case ir.Switch():
                inside = NONE if node.exhaustive and not node.default else self.block(node.default, live)
                for _, block in node.cases:
                    inside |= self.block(block, live)
                return inside
            case ir.Loop():
                return self._loop(node, live)
            case ir.Break(label=label):
                return self.ends[label][0]
            case ir.Continue(label=label):
                return self.ends[label][1]
            case ir.Return() | ir.Fail():
                return NONE
        return live

    def _loop(self, node: ir.Loop, after: Live) -> Live:
        begin = NONE
        while True:
            step = self.block(node.step, begin)
            self.ends[node.label] = after, step
            found = self.block(node.body, step)
            if found <= begin:
                return begin
            begin |= found
