"""The longest paths through functions and what they call, in instructions.

A *stretch* is a run of instructions in which interrupts aren't looked at: from the entry into the kernel, or from a
read of `sip` (or `wfi`), to the next such read or the way out. A loop all of whose rounds look at interrupts needs no
bound; of any other the longest round counts as often as its bound says, and then the longest way out.

Paths that end in a failing check or in a panic don't count: the system ends with them.

Invariants: a summary doesn't depend on who calls; no function calls itself.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from neokernel.bounds.code import Code
from neokernel.bounds.flow import SIP, Arguments, Case, Count, Graph, Key, Node, Result, Unclear, explore
from neokernel.bounds.loops import Irreducible, find_loops


class From(Enum):
    """Where a path begins."""

    ENTRY = "entry"
    LOOK = "look"


class To(Enum):
    """Where it ends."""

    RETURN = "return"
    LOOK = "look"
    OUT = "out"


@dataclass(frozen=True, slots=True)
class Loop:
    """How often a loop is gone through at most, and why that is so."""

    rounds: int
    why: str
    place: str


@dataclass(frozen=True, slots=True)
class ImageLoop:
    """A loop of the image that can be gone round without a look at interrupts; `bound` is None if none is known."""

    header: int
    body: frozenset[int]
    bound: Loop | None


@dataclass(frozen=True, slots=True)
class Way:
    """`length` instructions: `before`, then one part: a block's address, a call's path, or a loop's rounds."""

    length: int = 0
    before: Way | None = None
    part: int | Way | tuple[Loop, Way] | None = None

    def then(self, length: int, part: int | Way | tuple[Loop, Way]) -> Way:
        return Way(self.length + length, self, part)


#: longest paths to a point, by where they begin and whether they have passed the case's `through`
Lengths: TypeAlias = dict[tuple[From, bool], Way]
#: longest paths through a function, also by what it returns (`flow.KEPT`)
Summary: TypeAlias = dict[tuple[From, bool, To, Result], Way]

#: the bound of a loop, by its header, its body, and the arguments of its function
BoundOf: TypeAlias = Callable[[int, frozenset[int], Arguments], Loop | None]


@dataclass(frozen=True)
class Found:
    """What was found out of a function with certain arguments.

    `own`: the addresses that are executed in it. `calls`: what it calls. `general`: it is the same in all cases that
    count the same.
    """

    summary: Summary
    own: frozenset[int]
    calls: tuple[tuple[int, Arguments], ...]
    general: bool
    loops: tuple[ImageLoop, ...]


@dataclass
class Common:
    """What searches share, by how they count: what was found of functions that don't come to the `special` ones."""

    special: frozenset[int]
    known: dict[tuple[Count, int | None, int, Arguments], Found] = field(default_factory=dict)


@dataclass
class Search:
    """Longest paths of a case."""

    code: Code
    case: Case
    bound_of: BoundOf
    common: Common
    _known: dict[tuple[int, Arguments], Found | None] = field(default_factory=dict)

    def summary(self, entry: int, arguments: Arguments = ()) -> Summary:
        return self.found(entry, arguments).summary

    def results(self, entry: int, arguments: Arguments) -> set[Result]:
        return {result for _, _, to, result in self.summary(entry, arguments) if to is To.RETURN}

    def found(self, entry: int, arguments: Arguments) -> Found:
        key = entry, arguments
        if key in self._known:
            known = self._known[key]
            if known is None:
                raise Unclear(f"{self.code.function(entry)[2]}: it calls itself")
            return known
        shared = (self.case.count, self.case.controls.get(SIP), entry, arguments)
        made = self.common.known.get(shared)
        if made is None:
            self._known[key] = None
            made = self.look_into(entry, arguments)
            if made.general:
                self.common.known[shared] = made
        self._known[key] = made
        return made

    def look_into(self, entry: int, arguments: Arguments) -> Found:
        try:
            graph = explore(self.code, entry, arguments, self.case, self.results)
            walk = _Walk(self, graph, arguments)
        except Irreducible as error:
            at = f"{self.code.function(entry)[2]}, {error.args[0][0]:#x}"
            raise Unclear(f"{at}: a loop with two ways in") from None
        summary = walk.run()
        nodes = graph.nodes.values()
        calls = tuple(dict.fromkeys(node.call for node in nodes if node.call is not None))
        told = self.case.controls.keys() - {SIP}
        general = not ({entry} | graph.targets) & self.common.special and not graph.controls & told
        general = general and all(self.found(*call).general for call in calls)
        own = frozenset(node.instruction.address for node in nodes)
        return Found(summary, own, calls, general, tuple(walk.loops))

    def everything(self, entry: int, arguments: Arguments = ()) -> list[Found]:
        """A function, and all that it calls."""
        found: dict[tuple[int, Arguments], Found] = {}
        todo = [(entry, arguments)]
        while todo:
            call = todo.pop()
            if call not in found:
                found[call] = self.found(*call)
                todo += found[call].calls
        return list(found.values())


@dataclass
class _Block:
    """Instructions that follow each other. `successors` by the key of their first instruction."""

    nodes: list[Node]
    successors: list[Key]


class _Walk:
    """One function."""

    def __init__(self, search: Search, graph: Graph, arguments: Arguments) -> None:
        self.search, self.entry, self.arguments = search, graph.entry, arguments
        self.blocks = _blocks(graph)
        successors = {key: block.successors for key, block in self.blocks.items()}
        found = find_loops(graph.entry, successors)
        self.order, self.bodies = found.order, found.bodies
        self.place = {key: index for index, key in enumerate(self.order)}
        self.rounds: dict[Key, tuple[Loop | None, Lengths]] = {}
        self.loops: list[ImageLoop] = []
        self.done: Summary = {}

    def run(self) -> Summary:
        for header in self.bodies:
            self.rounds[header] = self.round_of(header)
        self.done = {}
        passed = self.search.case.through == self.entry[0]
        self.follow(self.entry, None, {(From.ENTRY, passed): Way()})
        return self.done

    def round_of(self, header: Key) -> tuple[Loop | None, Lengths]:
        """The loop's bound, and its longest round."""
        body = self.bodies[header]
        lengths = self.follow(header, body, {(From.ENTRY, False): Way()})
        if not any(start is From.ENTRY for start, _ in lengths):
            return None, lengths
        addresses = frozenset(node.instruction.address for key in body for node in self.blocks[key].nodes)
        bound = self.search.bound_of(header[0], addresses, self.arguments)
        self.loops.append(ImageLoop(header[0], addresses, bound))
        if bound is None:
            bound = Loop(1, "unbounded", "?")
        return bound, lengths

    def follow(self, first: Key, body: frozenset[Key] | None, start: Lengths) -> Lengths:
        """From `first` on, in the body of a loop or everywhere: the lengths of what comes back to `first`."""
        at: dict[Key, Lengths] = {first: start}
        back: Lengths = {}
        for key in self.order[self.place[first] :]:
            lengths = at.pop(key, None)
            if lengths is None:
                continue
            if key in self.rounds and (key != first or body is None):
                lengths = _gone_round(lengths, *self.rounds[key])
            behind = self.through(self.blocks[key], lengths)
            for successor, lengths in self.ways_on(self.blocks[key], behind):
                if body is not None and successor == first:
                    _longer(back, lengths)
                elif self.place[successor] > self.place[key] and (body is None or successor in body):
                    _longer(at.setdefault(successor, {}), lengths)
        return back

    def ways_on(self, block: _Block, behind: Lengths | _ByResult) -> Iterator[tuple[Key, Lengths]]:
        if isinstance(behind, _ByResult):
            for result, successor in block.nodes[-1].after.items():
                yield successor, behind.get(result, {})
        else:
            for successor in block.successors:
                yield successor, behind

    def through(self, block: _Block, lengths: Lengths) -> Lengths | _ByResult:
        """Behind a block. What ends in it is noted in `done`."""
        since, address = 0, block.nodes[0].instruction.address

        def closed() -> Lengths:
            return {key: path.then(since, address) for key, path in lengths.items()} if since else lengths

        for node in block.nodes:
            since += 1
            if node.look or node.wait:
                lengths = self.looked(node, closed())
                since, address = 0, node.instruction.next
            elif node.call is not None:
                behind = self.called(node.call, closed())
                if node.end:
                    for result, ends in behind.items():
                        self.note(ends, To.RETURN, result)
                return behind
            elif node.out:
                self.note(closed(), To.OUT)
            elif node.end:
                self.note(closed(), To.RETURN, node.result)
        return closed()

    def looked(self, node: Node, lengths: Lengths) -> Lengths:
        """Behind a look at interrupts, or a wait for one."""
        count = self.search.case.count
        if node.wait and count is not Count.IDLE:
            self.note(lengths, To.OUT)
            return {}
        if count is Count.STRETCHES or node.wait:
            self.note(lengths, To.LOOK)
            return {(From.LOOK, passed): Way() for _, passed in lengths}
        if count is Count.IDLE:
            # Before the wait nothing counts; behind it a look ends nothing, for it needn't find what is waited for.
            return {key: way if key[0] is From.LOOK else Way() for key, way in lengths.items()}
        behind: Lengths = {}
        for (start, passed), way in lengths.items():
            _longer(behind, {(From.LOOK, passed): way if start is From.LOOK else Way()})
        return behind

    def called(self, call: tuple[int, Arguments], lengths: Lengths) -> _ByResult:
        behind = _ByResult()
        for (start, inside, to, result), path in self.search.summary(*call).items():
            for (origin, passed), before in lengths.items():
                joined = before.then(path.length, path) if start is From.ENTRY else path
                key = (origin if start is From.ENTRY else From.LOOK), passed or inside
                if to is To.RETURN:
                    _longer(behind.setdefault(result, {}), {key: joined})
                else:
                    self.note({key: joined}, to)
        return behind

    def note(self, lengths: Lengths, to: To, result: Result = None) -> None:
        for (start, passed), path in lengths.items():
            known = self.done.get((start, passed, to, result))
            if known is None or path.length > known.length:
                self.done[start, passed, to, result] = path


class _ByResult(dict[Result, Lengths]):
    """Behind a call, by what it returned."""


def _longer(known: Lengths, more: Lengths) -> None:
    for key, path in more.items():
        old = known.get(key)
        if old is None or path.length > old.length:
            known[key] = path


def _gone_round(lengths: Lengths, bound: Loop | None, one: Lengths) -> Lengths:
    """At a loop's header, behind as many of the longest rounds as there can be."""
    spin = max((path for (start, _), path in one.items() if start is From.ENTRY), key=_length, default=None)
    found = dict(lengths)
    for (start, inside), path in one.items():
        if start is From.LOOK:
            for _, passed in lengths:
                _longer(found, {(From.LOOK, passed or inside): path})
    if bound is not None and spin is not None:
        total = bound.rounds * spin.length
        passes = any(inside for (start, inside) in one if start is From.ENTRY)
        spun = {key: path.then(total, (bound, spin)) for key, path in found.items()}
        found = dict(spun)
        if passes:
            for (start, _), path in spun.items():
                _longer(found, {(start, True): path})
    return found


def _length(path: Way) -> int:
    return path.length


def _blocks(graph: Graph) -> dict[Key, _Block]:
    """The graph with nodes that only follow each other put together."""
    before: dict[Key, int] = {graph.entry: 2}
    for node in graph.nodes.values():
        for successor in node.successors:
            before[successor] = before.get(successor, 0) + 1
    leaders = {graph.entry} | {key for key, count in before.items() if count > 1}
    leaders |= {
        key for node in graph.nodes.values() if len(node.successors) > 1 or node.call for key in node.successors
    }
    found: dict[Key, _Block] = {}
    for leader in leaders:
        key, nodes = leader, [graph.nodes[leader]]
        while len(nodes[-1].successors) == 1 and (key := nodes[-1].successors[0]) not in leaders:
            nodes.append(graph.nodes[key])
        found[leader] = _Block(nodes, nodes[-1].successors)
    return found
