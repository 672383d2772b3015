"""Natural loops of a control-flow graph.

Invariants: a loop's header dominates its body; of two loops, either one lies in the other or they have nothing in
common. `order` is reverse postorder: but for back edges, every edge goes forward in it.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class Irreducible(Exception):
    """A cycle with two ways in, one of them at this node: nothing says how often it is gone through."""


@dataclass
class Loops(Generic[T]):
    """`bodies`: by header, the header included, inner loops before those that they lie in."""

    order: list[T]
    bodies: dict[T, frozenset[T]]


def find_loops(first: T, successors: Mapping[T, Sequence[T]]) -> Loops[T]:
    order = _reverse_postorder(first, successors)
    place = {node: index for index, node in enumerate(order)}
    before: dict[T, list[T]] = {node: [] for node in order}
    for node in order:
        for successor in successors[node]:
            before[successor].append(node)
    dominator = _dominators(order, place, before)
    found: dict[T, set[T]] = {}
    for node in order:
        for header in successors[node]:
            if place[header] <= place[node]:
                if not _dominates(header, node, dominator, place):
                    raise Irreducible(header)
                found.setdefault(header, {header}).update(_body(header, node, before))
    headers = sorted(found, key=lambda header: (len(found[header]), place[header]))
    return Loops(order, {header: frozenset(found[header]) for header in headers})


def _reverse_postorder(first: T, successors: Mapping[T, Sequence[T]]) -> list[T]:
    order: list[T] = []
    seen = {first}
    stack = [(first, iter(successors[first]))]
    while stack:
        node, rest = stack[-1]
        for successor in rest:
            if successor not in seen:
                seen.add(successor)
                stack.append((successor, iter(successors[successor])))
                break
        else:
            stack.pop()
            order.append(node)
    return order[::-1]


def _dominators(order: list[T], place: dict[T, int], before: dict[T, list[T]]) -> dict[T, T]:
    """Immediate dominators (Cooper, Harvey, Kennedy: A Simple, Fast Dominance Algorithm)."""
    found = {order[0]: order[0]}
    changed = True
    while changed:
        changed = False
        for node in order[1:]:
            new: T | None = None
            for one in before[node]:
                if one not in found:
                    continue
                if new is None:
                    new = one
                    continue
                while one != new:
                    while place[one] > place[new]:
                        one = found[one]
                    while place[new] > place[one]:
                        new = found[new]
            assert new is not None, "a node before it in the order leads to it"
            if found.get(node) != new:
                found[node] = new
                changed = True
    return found


def _dominates(header: T, node: T, dominator: dict[T, T], place: dict[T, int]) -> bool:
    while place[node] > place[header]:
        node = dominator[node]
    return node == header


def _body(header: T, latch: T, before: dict[T, list[T]]) -> set[T]:
    """All that reaches the latch without going through the header."""
    body, todo = set[T](), [latch]
    while todo:
        node = todo.pop()
        if node != header and node not in body:
            body.add(node)
            todo += before[node]
    return body
