"""Bounds by operation, and the path that each comes from.

The *stretch* of an operation is the most instructions between two points where interrupts are looked at. Its *bound*
is the most until a pending interrupt is served: when a look finds it, the operation leaves the kernel, and the
interrupt is taken where user mode begins. So it is the longest stretch to the way out, or the longest stretch to a look
and then the longest way out from a look that has found one, whichever is more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from neokernel.bounds.code import Code
from neokernel.bounds.flow import Case, Count
from neokernel.bounds.longest import From, Loop, Search, Summary, To, Way
from neokernel.bounds.operations import Subject, pending, subjects
from neokernel.bounds.sources import LoopFinder, loops_of
from neokernel.compiler import ir

#: what the kernel promises
LIMIT = 5_000


@dataclass(frozen=True)
class Share:
    """What a loop contributes to a path."""

    loop: Loop
    instructions: int


@dataclass(frozen=True)
class Row:
    """`ways`: the path that the bound comes from: to the way out, or to a look and from a look to the way out."""

    name: str
    bound: int
    stretch: int
    ways: tuple[Way, ...]

    @property
    def shares(self) -> list[Share]:
        """The loops on the path, those that contribute most first; of nested ones, each for itself."""
        found: dict[Loop, int] = {}
        for way in self.ways:
            for loop, instructions in loops_on(way, 1):
                found[loop] = found.get(loop, 0) + instructions
        shares = [Share(loop, instructions) for loop, instructions in found.items()]
        return sorted(shares, key=lambda share: (-share.instructions, share.loop.place))


@dataclass
class Bounds:
    """`unbounded`: places of loops whose bound isn't known; then no row says anything."""

    rows: list[Row] = field(default_factory=list)
    unbounded: list[str] = field(default_factory=list)


def bounds_of(code: Code, program: ir.Program, progress: Callable[[str], None] = lambda _: None) -> Bounds:
    found = Bounds()
    finder = LoopFinder(code, loops_of(program))
    unbounded = set[str]()
    for subject in subjects(code):
        progress(subject.name)
        found.rows.append(_row(code, finder, subject, unbounded))
    found.unbounded = sorted(unbounded)
    return found


def _row(code: Code, finder: LoopFinder, subject: Subject, unbounded: set[str]) -> Row:
    rows: list[Row] = []
    for case in subject.cases:
        ways = _ways(code, finder, case, unbounded)
        out = [way for (_, to), way in ways.items() if to is To.OUT]
        look = [way for (_, to), way in ways.items() if to is To.LOOK]
        stretch = max((way.length for way in (*out, *look)), default=0)
        candidates: list[tuple[Way, ...]] = [(way,) for way in out]
        if case.count is Count.STRETCHES and look:
            tails = _ways(code, finder, pending(case), unbounded)
            behind = [way for (start, to), way in tails.items() if start is From.LOOK and to is To.OUT]
            candidates += [(way, *([max(behind, key=_length)] if behind else [])) for way in look]
        else:
            candidates += [(way,) for way in look]
        longest = max(candidates, key=_total, default=())
        rows.append(Row(subject.name, _total(longest), stretch, longest))
    return max(rows, key=lambda row: row.bound)


def _ways(code: Code, finder: LoopFinder, case: Case, unbounded: set[str]) -> dict[tuple[From, To], Way]:
    """The longest of the case's paths that count."""
    search = Search(code, case, finder.bound_of)
    summary: Summary = search.summary(case.entry, tuple(sorted(case.registers.items())))
    unbounded.update(finder.place_of(header, body) for header, body in search.unbounded.items())
    found: dict[tuple[From, To], Way] = {}
    for (start, passed, to, _), way in summary.items():
        counts = (passed or case.through is None) and (start is From.LOOK or case.count is Count.STRETCHES)
        if counts and ((start, to) not in found or way.length > found[start, to].length):
            found[start, to] = way
    return found


def _length(way: Way) -> int:
    return way.length


def _total(ways: tuple[Way, ...]) -> int:
    return sum(way.length for way in ways)


def parts(way: Way) -> list[tuple[int, int | Way | tuple[Loop, Way]]]:
    """A path's parts from the first on, each with how many instructions it has."""
    found = []
    while way.before is not None and way.part is not None:
        found.append((way.length - way.before.length, way.part))
        way = way.before
    return found[::-1]


def loops_on(way: Way, times: int) -> Iterator[tuple[Loop, int]]:
    """The loops that a path goes round, `times` over, each with the instructions of its rounds."""
    for instructions, part in parts(way):
        if isinstance(part, Way):
            yield from loops_on(part, times)
        elif isinstance(part, tuple):
            loop, one = part
            yield loop, times * instructions
            yield from loops_on(one, times * loop.rounds)


def first_address(way: Way) -> int:
    """Where a path begins."""
    _, part = parts(way)[0]
    if isinstance(part, tuple):
        part = part[1]
    return first_address(part) if isinstance(part, Way) else part


def lines_of(code: Code, way: Way, depth: int = 0) -> Iterator[str]:
    """A path by source line, inner ones of calls and rounds indented."""
    indent = "  " * depth
    last, count = "", 0
    for instructions, part in parts(way):
        place = _place(code, part) if isinstance(part, int) else ""
        if last and place != last:
            yield f"{count:>7,}  {indent}{last}"
            count = 0
        last, count = place, count + instructions
        if isinstance(part, Way):
            yield f"{instructions:>7,}  {indent}call {code.function(first_address(part))[2]}"
            yield from lines_of(code, part, depth + 1)
            count = 0
        elif isinstance(part, tuple):
            loop, one = part
            yield f"{instructions:>7,}  {indent}{loop.rounds} times ({loop.why}) {loop.place}, {one.length:,} each"
            yield from lines_of(code, one, depth + 1)
            count = 0
    if last:
        yield f"{count:>7,}  {indent}{last}"


def _place(code: Code, address: int) -> str:
    places = [place for place in code.image.places(address) if place.line]
    return f"{places[0].file}:{places[0].line}" if places else code.function(address)[2]
