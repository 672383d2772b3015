"""An arena: pieces of one span of memory, handed out in order and taken back all at once.

For work that has an end, as a request: what it needs comes from the arena, and goes when it ends.

    before = arena.mark()
    reply = arena.allocate(200, 8)
    if isinstance(reply, Full):
        return refuse()
    ...
    arena.rollback(before)

Invariants:
- `used` is at most `len(memory)`. Pieces that are handed out don't overlap and lie below `used`.
- What returns `Full` has changed nothing.

Pieces are spans of bytes, so one that is kept beyond the rollback is no danger to memory: it shares bytes with a later
one. They hold what was there before; `allocate_cleared` gives zeroes.
"""

from neokernel.lang import Span, invariant, struct, u8, usize, value, wrapping_neg
from neokernel.runtime.vec import Full


@value
class Mark:
    """A level of an arena."""

    used: usize


@struct
class Arena:
    """`Arena(memory=span)`. Alignments count from the start of `memory`, which should have the greatest itself."""

    memory: Span[u8]
    used: usize = 0

    @invariant
    def within_memory(self) -> bool:
        return self.used <= len(self.memory)

    def allocate(self, size: usize, alignment: usize) -> Span[u8] | Full:
        """`size` bytes at a multiple of `alignment`, a power of two."""
        assert alignment != 0 and alignment & (alignment - 1) == 0, "an alignment is a power of two"
        padding = wrapping_neg(self.used) & (alignment - 1)
        free = len(self.memory) - self.used
        if padding > free or size > free - padding:
            return Full.FULL
        start = self.used + padding
        self.used = start + size
        return self.memory[start : start + size]

    def allocate_cleared(self, size: usize, alignment: usize) -> Span[u8] | Full:
        """The same, of zeroes. Steps: `size`."""
        piece = self.allocate(size, alignment)
        if not isinstance(piece, Full):
            for place in range(len(piece)):
                piece[place] = 0
        return piece

    def free(self) -> usize:
        """Bytes left, before any alignment."""
        return len(self.memory) - self.used

    def mark(self) -> Mark:
        """The level now, for `rollback`."""
        return Mark(self.used)

    def rollback(self, mark: Mark) -> None:
        """Take back what was allocated since `mark`. A mark above the level is a mistake, and fails."""
        assert mark.used <= self.used, "a mark that was rolled back already"
        self.used = mark.used

    def clear(self) -> None:
        """Take everything back."""
        self.used = 0


@struct
class Scope:
    """`with Scope(arena=arena):` takes back at its end what was allocated inside."""

    arena: Arena
    level: Mark = Mark(0)

    def __enter__(self) -> None:
        self.level = self.arena.mark()

    def __exit__(self, *_: object) -> None:
        self.arena.rollback(self.level)
