"""Bounds by operation, and the path that each comes from.

The *stretch* of an operation is the most instructions between two points where interrupts are looked at. Its *bound*
is the most until a pending interrupt is served: when a look finds it, the operation leaves the kernel, and the
interrupt is taken where user mode begins. So it is the longest stretch to the way out, or the longest stretch to a look
and then the longest way out from a look that has found one, whichever is more.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from neokernel.bounds.code import Code
from neokernel.bounds.flow import Arguments, Case, Count, Unclear
from neokernel.bounds.longest import BoundOf, Common, From, ImageLoop, Loop, Search, Summary, To, Way
from neokernel.bounds.operations import pending, special, subjects
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
    """`ways`: the path that the bound comes from: to the way out, or to a look and from a look to the way out.

    `addresses`: of all instructions that can be executed. `image_loops`: the loops that needed a bound.
    """

    name: str
    bound: int
    stretch: int
    ways: tuple[Way, ...]
    addresses: frozenset[int]
    image_loops: frozenset[ImageLoop]

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


def bounds_of(
    code: Code, program: ir.Program, bound_of: BoundOf | None = None, progress: Callable[[str], None] = lambda _: None
) -> Bounds:
    """Of the kernel `code`, made from `program`, whose loops have the bounds that it states, or those of `bound_of`."""
    finder = LoopFinder(code, loops_of(program))
    common = Common(special(code))
    found = Bounds()
    for subject in subjects(code):
        progress(subject.name)
        cases = [_row(subject.name, code, case, bound_of or finder.bound_of, common) for case in subject.cases]
        longest = max(cases, key=lambda row: row.bound)
        addresses = frozenset[int]().union(*(row.addresses for row in cases))
        loops = frozenset[ImageLoop]().union(*(row.image_loops for row in cases))
        found.rows.append(replace(longest, addresses=addresses, image_loops=loops))
    without = {loop for row in found.rows for loop in row.image_loops if loop.bound is None}
    found.unbounded = sorted({finder.place_of(loop.header, loop.body) for loop in without})
    return found


def _row(name: str, code: Code, case: Case, bound_of: BoundOf, common: Common) -> Row:
    search = Search(code, case, bound_of, common)
    ways = _ways(search)
    out = [way for (_, to), way in ways.items() if to is To.OUT]
    look = [way for (_, to), way in ways.items() if to is To.LOOK]
    if not ways:
        raise Unclear(f"{name}: no path through the kernel was found")
    candidates: list[tuple[Way, ...]] = [(way,) for way in out]
    if case.count is Count.STRETCHES and look:
        tails = _ways(Search(code, pending(case), bound_of, common))
        behind = [way for (start, to), way in tails.items() if start is From.LOOK and to is To.OUT]
        candidates += [(way, *([max(behind, key=_length)] if behind else [])) for way in look]
    else:
        candidates += [(way,) for way in look]
    longest = max(candidates, key=_total)
    entered = search.everything(case.entry, registers_of(case))
    addresses = frozenset[int]().union(*(found.own for found in entered))
    loops = frozenset(loop for found in entered for loop in found.loops)
    return Row(name, _total(longest), max(way.length for way in ways.values()), longest, addresses, loops)


def registers_of(case: Case) -> Arguments:
    return tuple(sorted(case.registers.items()))


def _ways(search: Search) -> dict[tuple[From, To], Way]:
    """The longest of the case's paths that count."""
    case = search.case
    summary: Summary = search.summary(case.entry, registers_of(case))
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
