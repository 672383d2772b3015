"""Bytes in a client's buffer, used in a circle: places are counted from the oldest byte on.

What is in use of it is known to whoever has the circle. The memory is the client's, who may write it at any time.
"""

from __future__ import annotations

from neokernel.lang import Span, copy, struct, u8, u32, usize


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

    def advance(self, count: u32) -> None:
        """The oldest `count` bytes are over."""
        capacity = usize(self.capacity())
        assert usize(count) <= capacity
        if capacity != 0:
            self.first = self.index(usize(count), capacity)

    def index(self, place: usize, capacity: usize) -> usize:
        rest = capacity - self.first
        return self.first + place if place < rest else place - rest
