"""What a container's driver gets and gives: commands in, one result for each out.

Invariant: the layout is `WORDS` words of 64 bits, in the declared order.
"""

from neokernel.lang import Array, Span, array, struct, u64, usize

MOST = 64
EACH = 3
WORDS = 2 + EACH * MOST + MOST


@struct
class Work:
    """Command `i` is an operation and two operands, from `commands[3 * i]`; `results[i]` is what came of it.

    `done` commands ran to their end.
    """

    count: usize = 0
    done: usize = 0
    commands: Array[u64] = array(192)
    results: Array[u64] = array(64)

    def command(self, index: usize) -> Span[u64]:
        return self.commands[EACH * index : EACH * index + EACH]

    def finish(self, result: u64) -> None:
        """The next result."""
        self.results[self.done] = result
        self.done += 1


#: results that aren't numbers; the drivers' numbers are below
NOTHING: u64 = 1 << 63
FULL: u64 = NOTHING + 1
BROKEN: u64 = NOTHING + 2
