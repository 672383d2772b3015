"""A line of connections, by their slots: first come, first served, and nobody twice.

Invariant: `size` slots stand in it, linked by `following` from `first` to `last`; `inside` is true of these.
"""

from __future__ import annotations

from neokernel.lang import Array, array, struct, u32, usize
from neokernel.services.network.limits import CONNECTIONS


@struct
class Line:
    following: Array[u32] = array(CONNECTIONS)
    inside: Array[bool] = array(CONNECTIONS)
    first: u32 = 0
    last: u32 = 0
    size: usize = 0

    def __len__(self) -> usize:
        return self.size

    def __contains__(self, slot: u32) -> bool:
        return self.inside[usize(slot)]

    def push(self, slot: u32) -> None:
        """Stand at the end, unless it stands somewhere already."""
        if self.inside[usize(slot)]:
            return
        self.inside[usize(slot)] = True
        if self.size == 0:
            self.first = slot
        else:
            self.following[usize(self.last)] = slot
        self.last = slot
        self.size += 1

    def pop(self) -> u32 | None:
        if self.size == 0:
            return None
        slot = self.first
        self.first = self.following[usize(slot)]
        self.inside[usize(slot)] = False
        self.size -= 1
        return slot
