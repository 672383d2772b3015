"""Bytes in a client's buffer, used in a circle: places are counted from the oldest byte on.

What is in use of it is known to whoever has the circle. The memory is the client's, who may write it at any time. It
begins at a multiple of eight.
"""

from __future__ import annotations

from neokernel.lang import Span, copy, struct, u8, u16, u32, u64, usize, wire_view
from neokernel.services.network.checksum import Word, copy_askew, copy_summed, folded, sum_of, turned


@struct
class Circle:
    memory: Span[u8] | None = None
    first: usize = 0

    def capacity(self) -> u32:
        memory = self.memory
        return u32(len(memory)) if memory is not None else 0

    def attach(self, memory: Span[u8]) -> None:
        self.memory = memory
        self.first = 0

    def detach(self) -> None:
        self.memory = None

    def write(self, place: u32, data: Span[u8]) -> None:
        """Put bytes at `place`; they must fit between there and the capacity."""
        memory = self.memory
        assert memory is not None and usize(place) + len(data) <= len(memory), "what is written fits"
        begin = self.index(usize(place), len(memory))
        straight = min(len(data), len(memory) - begin)
        copy(memory[begin : begin + straight], data[:straight].bytes())
        if straight < len(data):
            copy(memory[: len(data) - straight], data[straight:].bytes())

    def read(self, place: u32, into: Span[u8]) -> None:
        """Copy bytes from `place` on."""
        memory = self.memory
        assert memory is not None and usize(place) + len(into) <= len(memory), "what is read is there"
        begin = self.index(usize(place), len(memory))
        straight = min(len(into), len(memory) - begin)
        copy(into[:straight], memory[begin : begin + straight].bytes())
        if straight < len(into):
            copy(into[straight:], memory[: len(into) - straight].bytes())

    def read_summed(self, place: u32, into: Span[u8], lead: usize) -> u16:
        """Copy bytes from `place` on, and their sum (`checksum.py`). `into` begins `lead` bytes behind a multiple of 8,
        a multiple of 4 itself.
        """
        memory = self.memory
        assert memory is not None and usize(place) + len(into) <= len(memory), "what is read is there"
        begin = self.index(usize(place), len(memory))
        if lie_alike(begin, lead) and 8 <= len(into) <= len(memory) - begin:
            return copied(into, memory[begin : begin + len(into)], begin)
        if len(into) <= len(memory) - begin and begin % 8 != lead % 8:
            return copy_askew(into, memory[begin : begin + len(into)], lead % 8, begin % 8)
        self.read(place, into)
        return sum_of(into)

    def write_summed(self, place: u32, data: Span[u8], lead: usize) -> u16:
        """`write`, and the sum of what was written. `data` begins as `into` does for `read_summed`."""
        memory = self.memory
        assert memory is not None and usize(place) + len(data) <= len(memory), "what is written fits"
        begin = self.index(usize(place), len(memory))
        if lie_alike(begin, lead) and 8 <= len(data) <= len(memory) - begin:
            return copied(memory[begin : begin + len(data)], data, begin)
        if len(data) <= len(memory) - begin and begin % 8 != lead % 8:
            return copy_askew(memory[begin : begin + len(data)], data, begin % 8, lead % 8)
        # The sum first: whose memory it is could change it.
        sum = sum_of(data)
        self.write(place, data)
        return sum

    def alignment(self, place: u32) -> usize:
        """How many bytes behind a multiple of eight that is."""
        return self.index(usize(place), usize(self.capacity())) % 8

    def advance(self, count: u32) -> None:
        """The oldest `count` bytes are over."""
        capacity = usize(self.capacity())
        assert usize(count) <= capacity
        if capacity != 0:
            self.first = self.index(usize(count), capacity)

    def index(self, place: usize, capacity: usize) -> usize:
        rest = capacity - self.first
        return self.first + place if place < rest else place - rest


def lie_alike(first: usize, second: usize) -> bool:
    """Can what is there be copied in words?"""
    return first % 4 == 0 and first % 8 == second % 8


def copied(into: Span[u8], data: Span[u8], begin: usize) -> u16:
    """Copy what lies alike, `begin` bytes behind a multiple of eight; and its sum. At least four bytes."""
    if begin % 8 == 0:
        return copy_summed(into, data)
    word = wire_view(Word, data).word
    wire_view(Word, into).word = word
    return folded(u32(turned(u64(word))) + u32(copy_summed(into[4:], data[4:])))
