"""A thread's buffer: one frame that the kernel reads and writes at its physical address, whatever is mapped.

Words beyond the fourth of a message, and indices of capabilities that travel. Nothing in it is trusted: whoever has the
frame can change it at any time, so what is checked is read once, atomically.
"""

from neokernel.abi.call import MAXIMUM_CAPABILITIES, MAXIMUM_WORDS, REGISTER_WORDS
from neokernel.abi.kinds import PAGE_SIZE
from neokernel.lang import Array, Atomic, array, size_of, struct, u32, u64


@struct
class Buffer:
    """words[i] is word 4 + i of the message. The receive window is where arriving capabilities go: empty slots."""

    words: Array[u64] = array(MAXIMUM_WORDS - REGISTER_WORDS)
    #: indices of the capabilities to send, plus MOVE for those that aren't copied
    capabilities: Array[Atomic[u32]] = array(MAXIMUM_CAPABILITIES)
    window_first: Atomic[u32] = Atomic(0)
    window_size: Atomic[u32] = Atomic(0)
    #: how many capabilities the last message brought
    arrived: Atomic[u32] = Atomic(0)
    unused: Atomic[u32] = Atomic(0)


#: the sender gives the capability away
MOVE = 1 << 31

assert size_of(Buffer) == PAGE_SIZE, "a buffer is one page"
