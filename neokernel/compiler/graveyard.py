"""The table of the dead, beside compiled code in the host's process: which memory holds objects that were retired.

Invariant: the ranges are disjoint and sorted. An object that dies takes with it what had died inside it, so one range
tells all about an address.
"""

from __future__ import annotations

import ctypes
from bisect import bisect_right
from collections.abc import Mapping

_IS_DEAD = ctypes.PYFUNCTYPE(ctypes.c_uint8, ctypes.c_uint64, ctypes.c_uint64)
_IS_LOST = _IS_DEAD
_BURY = ctypes.PYFUNCTYPE(None, ctypes.c_uint64, ctypes.c_uint64, ctypes.c_uint64)
_REVIVE = ctypes.PYFUNCTYPE(None, ctypes.c_uint64, ctypes.c_uint64)


class Graveyard:
    """Ranges of memory whose objects were retired, each with the kind of its object (see `Mortals`)."""

    def __init__(self, ends: Mapping[int, frozenset[int]]) -> None:
        self._ends = ends
        self._starts: list[int] = []
        self._ranges: list[tuple[int, int]] = []  # end, kind
        # compiled code calls these, so they live as long as the table
        self._functions = {
            "nk_is_dead": _IS_DEAD(self.is_dead),
            "nk_is_lost": _IS_LOST(self.is_lost),
            "nk_bury": _BURY(self.bury),
            "nk_revive": _REVIVE(self.revive),
        }

    def symbols(self) -> dict[str, int]:
        """The functions that compiled code calls, with their addresses."""
        addresses = {}
        for name, function in self._functions.items():
            address = ctypes.cast(function, ctypes.c_void_p).value
            assert address is not None
            addresses[name] = address
        return addresses

    def is_dead(self, address: int, kind: int) -> bool:
        """Is the object of this kind at `address` part of one that was retired?"""
        place = bisect_right(self._starts, address) - 1
        if place < 0:
            return False
        end, retired = self._ranges[place]
        return address < end and kind in self._ends[retired]

    def is_lost(self, address: int, kind: int) -> bool:
        """Was it part of a larger object when that was retired? Then there is no place for a new one."""
        place = bisect_right(self._starts, address) - 1
        return self.is_dead(address, kind) and self._ranges[place][1] != kind

    def bury(self, address: int, size: int, kind: int) -> None:
        """An object has been retired."""
        if size:
            self.revive(address, size)
            place = bisect_right(self._starts, address)
            self._starts.insert(place, address)
            self._ranges.insert(place, (address + size, kind))

    def revive(self, address: int, size: int) -> None:
        """Memory is used for new objects. What reaches beyond it keeps its other parts."""
        end = address + size
        first = bisect_right(self._starts, address) - 1
        if first < 0 or self._ranges[first][0] <= address:
            first += 1
        last = first
        kept: list[tuple[int, int, int]] = []
        while last < len(self._starts) and self._starts[last] < end:
            start, (stop, kind) = self._starts[last], self._ranges[last]
            if start < address:
                kept.append((start, address, kind))
            if stop > end:
                kept.append((end, stop, kind))
            last += 1
        self._starts[first:last] = [start for start, _, _ in kept]
        self._ranges[first:last] = [(stop, kind) for _, stop, kind in kept]

    def clear(self) -> None:
        """Nobody is dead."""
        self._starts.clear()
        self._ranges.clear()
