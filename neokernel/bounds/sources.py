"""The bounds of the source's loops, and which of them a loop in the image is.

A counted loop whose count is a constant is bounded by that; any other by its `loop_bound`, when that is a constant. The
latter is stated, and the prover proves it elsewhere. Loops in assembly are named here.

A loop of the image belongs to the innermost loop of the source that all of its instructions come from, calls that were
inlined counted in: an instruction comes from each line of its chain of inlined calls. Those without a line, which
optimisation has made of several, are passed over.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache

from neokernel.abi.call import MAXIMUM_WORDS, REGISTER_WORDS
from neokernel.bounds.code import Code
from neokernel.bounds.flow import Arguments
from neokernel.bounds.longest import Loop
from neokernel.compiler import ir
from neokernel.compiler.lives import blocks_of
from neokernel.kernel.memory import CLEAR_STEP

CONSTANT, STATED, ASSEMBLY = "constant", "stated", "assembly"

#: registers with a size in them: of `clear`, and of the others
CLEARED, COPIED = 11, 12
#: the longest copy that the kernel makes, in bytes: what of a message isn't in registers
MOST_COPIED = 8 * (MAXIMUM_WORDS - REGISTER_WORDS)


def in_assembly(name: str, arguments: Arguments) -> tuple[int, ...]:
    """How often each of an assembly function's loops goes back at most, by address.

    `clear`: CLEAR_STEP bytes at most, by 128. The others move whole words that are aligned, and whose places are the
    same or have nothing in common: so the loops up to the first word, and those for going backwards, end at once; the
    loop for the last bytes takes the whole of what is shorter than 16.
    """
    known = dict(arguments)
    if name == "neokernel.arch.cpu.clear":
        return (known.get(CLEARED, CLEAR_STEP) // 128 - 1,)
    size = known.get(COPIED)
    last = 8 if size is None else size % 8 if size >= 16 else size
    if name in ("memcpy", "memmove"):
        return 0, (MOST_COPIED if size is None else size) // 64 - 1, 6, last - 1, 0
    if name == "memset" and size is not None:
        return 0, size // 32 - 1, 2, last - 1
    return ()


@dataclass(frozen=True, slots=True)
class SourceLoop:
    """Lines from `first` to `last` of a file. `rounds` is None when nothing bounds it."""

    file: str
    first: int
    last: int
    rounds: int | None
    why: str

    @property
    def place(self) -> str:
        return f"{self.file}:{self.first}"


def loops_of(program: ir.Program) -> list[SourceLoop]:
    return [found for function in program.functions if not function.ghost for found in _loops(function.body)]


def _loops(block: ir.Block) -> Iterator[SourceLoop]:
    for statement in block:
        for inner in blocks_of(statement):
            yield from _loops(inner)
        if isinstance(statement, ir.Loop):
            spans = [statement.span, *_spans(statement.body), *_spans(statement.step)]
            lines = [line for span in spans for line in (span.line, span.end_line) if span.file == statement.span.file]
            rounds, why = _rounds(statement)
            yield SourceLoop(statement.span.file, min(lines), max(lines), rounds, why)


def _rounds(loop: ir.Loop) -> tuple[int | None, str]:
    if isinstance(loop.trip, ir.Const) and isinstance(loop.trip.value, int):
        return loop.trip.value, CONSTANT
    bound = loop.bound.value if loop.bound is not None else None
    if isinstance(bound, ir.Const) and isinstance(bound.value, int):
        return bound.value, STATED
    return None, ""


def _spans(block: ir.Block) -> Iterator[ir.Span]:
    for statement in block:
        if not isinstance(statement, ir.Ghost):
            yield statement.span
            for inner in blocks_of(statement):
                yield from _spans(inner)


#: a loop of the source in a certain inlined call: the calls around it, and the loop
Instance = tuple[tuple[tuple[str, int, int], ...], SourceLoop]


class LoopFinder:
    """Finds the source's loop for a loop of the image."""

    def __init__(self, code: Code, loops: list[SourceLoop]) -> None:
        self.code = code
        self.heads: dict[str, list[int]] = {}
        self.by_file: dict[str, list[SourceLoop]] = {}
        for loop in sorted(loops, key=lambda loop: loop.last - loop.first):
            self.by_file.setdefault(loop.file, []).append(loop)
        self.around = cache(self._around)

    def bound_of(self, header: int, body: frozenset[int], arguments: Arguments) -> Loop | None:
        start, end, name = self.code.function(header)
        rounds = in_assembly(name, arguments)
        if rounds:
            self.heads.setdefault(name, self.code.backward_targets(start, end))
            return Loop(max(rounds[self.heads[name].index(header)], 0), ASSEMBLY, name)
        loop = self.source_of(body)
        return None if loop is None or loop.rounds is None else Loop(loop.rounds, loop.why, loop.place)

    def place_of(self, header: int, body: frozenset[int]) -> str:
        """Where a loop is, for a complaint."""
        loop = self.source_of(body)
        return loop.place if loop is not None else f"{self.code.function(header)[2]}, {header:#x}"

    def source_of(self, body: frozenset[int]) -> SourceLoop | None:
        common: list[Instance] | None = None
        for address in sorted(body):
            around = self.around(address)
            if around is None:
                continue
            common = list(around) if common is None else [one for one in common if one in around]
        return common[0][1] if common else None

    def _around(self, address: int) -> tuple[Instance, ...] | None:
        """The source's loops around an instruction, innermost first; None if it has no line."""
        places = self.code.image.places(address)
        if not places or places[0].line == 0:
            return None
        found: list[Instance] = []
        for index, place in enumerate(places):
            calls = tuple((outer.file, outer.line, outer.column) for outer in places[index + 1 :])
            for loop in self.by_file.get(place.file, ()):
                if loop.first <= place.line <= loop.last:
                    found.append((calls, loop))
        return tuple(found)
