"""A thread's buffer: one frame that the kernel reads and writes at its physical address, whatever is mapped.

Words beyond the fourth of a message, and indices of capabilities that travel. Nothing in it is trusted: whoever has the
frame can change it at any time, so what is checked is read once, atomically. It is bound to the thread (BIND, BUFFER);
a thread without one sends and receives only what is in registers.
"""

from neokernel.abi.call import MAXIMUM_CAPABILITIES, MAXIMUM_WORDS, REGISTER_WORDS
from neokernel.abi.kinds import PAGE_SIZE
from neokernel.lang import Array, Atomic, array, size_of, struct, u32, u64


@struct
class Buffer:
    """The receive window is where arriving capabilities go: empty slots of the thread's own table, in a row.

    The thread sets it before it receives, or does what makes the kernel hand it capabilities (RETYPE, COPY_OUT, …).
    """

    #: words[i] is word 4 + i of the message
    words: Array[u64] = array(MAXIMUM_WORDS - REGISTER_WORDS)
    #: indices of the capabilities to send, plus MOVE for those that aren't copied. An operation looks at the first
    #: only, and doesn't know MOVE (NO_CAPABILITY of argument 8)
    capabilities: Array[Atomic[u32]] = array(MAXIMUM_CAPABILITIES)
    #: the window's first slot
    window_first: Atomic[u32] = Atomic(0)
    #: how many slots it has
    window_size: Atomic[u32] = Atomic(0)
    #: how many capabilities the last message brought that was more than its four words in registers
    arrived: Atomic[u32] = Atomic(0)
    unused: Atomic[u32] = Atomic(0)


#: the sender gives the capability away: its slot is empty afterwards
MOVE = 1 << 31

assert size_of(Buffer) == PAGE_SIZE, "a buffer is one page"
