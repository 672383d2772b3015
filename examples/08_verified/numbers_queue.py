"""A queue of fixed size, proven: `nk prove examples/08_verified/numbers_queue.py`."""

from neokernel.lang import Array, array, ensures, invariant, old, requires, struct, u32, usize

SIZE = 8


@struct
class Queue:
    """Numbers, first in, first out: `count` of them, from place `first` on."""

    items: Array[u32] = array(SIZE)
    first: usize = 0
    count: usize = 0

    @invariant
    def fits(self) -> bool:
        return self.first < SIZE and self.count <= SIZE

    def put(self, item: u32) -> None:
        requires(self.count < SIZE)
        ensures(lambda: self.count == old(self.count) + 1)
        self.items[(self.first + self.count) % SIZE] = item
        self.count += 1

    def take(self) -> u32 | None:
        if self.count == 0:
            return None
        item = self.items[self.first]
        self.first = (self.first + 1) % SIZE
        self.count -= 1
        return item
