"""An intrusive doubly linked list over an array of nodes: insert, remove, walk.

Invariant: a node is in the list exactly when `linked`; the links of neighbours agree; the ends' outer links are None.
"""

from __future__ import annotations

from neokernel.lang import Array, Embedded, Span, array, struct, u16, u64, usize, wrapping_add, wrapping_mul


@struct
class Node:
    """An element, linked in place."""

    next: Node | None = None
    previous: Node | None = None
    value: u64 = 0
    linked: bool = False


@struct
class List:
    """The ends and the number of nodes."""

    head: Node | None = None
    tail: Node | None = None
    size: u64 = 0

    def append(self, node: Node) -> None:
        """Put `node` last. Requires that it isn't linked."""
        last = self.tail
        node.previous = last
        node.next = None
        if last is None:
            self.head = node
        else:
            last.next = node
        self.tail = node
        node.linked = True
        self.size += 1

    def insert_before(self, successor: Node, node: Node) -> None:
        """Put `node` before `successor`. Requires that only `successor` is linked."""
        previous = successor.previous
        node.previous = previous
        node.next = successor
        if previous is None:
            self.head = node
        else:
            previous.next = node
        successor.previous = node
        node.linked = True
        self.size += 1

    def remove(self, node: Node) -> None:
        """Take `node` out. Requires that it is linked."""
        previous = node.previous
        following = node.next
        if previous is None:
            self.head = following
        else:
            previous.next = following
        if following is None:
            self.tail = previous
        else:
            following.previous = previous
        node.linked = False
        self.size -= 1

    def fingerprint(self) -> u64:
        """A number that depends on every value and on the order."""
        total: u64 = 0
        node = self.head
        while node is not None:
            total = wrapping_add(wrapping_mul(total, 31), node.value)
            node = node.next
        return total


@struct
class Work:
    """One run: each step moves `nodes[subject]` in (before `nodes[anchor]` if that is linked, else last) or out."""

    fingerprint: u64 = 0
    size: u64 = 0
    length: usize = 0
    subjects: Array[u16] = array(1024)
    anchors: Array[u16] = array(1024)
    list: Embedded[List] = List()
    nodes: Array[Embedded[Node]] = array(256)


def shuffle(nodes: Span[Embedded[Node]], sequence: List, subjects: Span[u16], anchors: Span[u16]) -> u64:
    """Do the steps; the fingerprints after every 64th are summed up."""
    total: u64 = 0
    for step, subject in enumerate(subjects):
        node = nodes[usize(subject)]
        if node.linked:
            sequence.remove(node)
        else:
            successor = nodes[usize(anchors[step])]
            if successor.linked:
                sequence.insert_before(successor, node)
            else:
                sequence.append(node)
        if step % 64 == 63:
            total = wrapping_add(wrapping_mul(total, 3), sequence.fingerprint())
    return total


def run(work: Work) -> None:
    """The measured entry."""
    for i, node in enumerate(work.nodes):
        node.value = i + 1
    steps = work.length
    work.fingerprint = shuffle(work.nodes, work.list, work.subjects[:steps], work.anchors[:steps])
    work.size = work.list.size
