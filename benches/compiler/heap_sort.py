"""Heap sort of 32-bit integers, ascending and in place (Williams 1964, Floyd's construction).

Invariant: `values[:end]` is a heap (no child exceeds its parent); `values[end:]` is sorted and no smaller.
"""

from neokernel.lang import Array, Span, array, struct, u32, usize


@struct
class Work:
    """One run: the first `length` values are sorted."""

    values: Array[u32] = array(1024)
    length: usize = 0


def sift_down(heap: Span[u32], root: usize) -> None:
    """Move `heap[root]` down to where no child exceeds it. Requires that both its subtrees are heaps."""
    value = heap[root]
    hole = root
    while True:
        child = 2 * hole + 1
        if child >= len(heap):
            break
        if child + 1 < len(heap) and heap[child + 1] > heap[child]:
            child += 1
        if heap[child] <= value:
            break
        heap[hole] = heap[child]
        hole = child
    heap[hole] = value


def heap_sort(values: Span[u32]) -> None:
    """Sort `values`."""
    for root in reversed(range(len(values) // 2)):
        sift_down(values, root)
    for end in reversed(range(1, len(values))):
        values[0], values[end] = values[end], values[0]
        sift_down(values[:end], 0)


def run(work: Work) -> None:
    """The measured entry."""
    heap_sort(work.values[: work.length])
