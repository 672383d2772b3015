"""Names of threads: records that a program keeps in its own memory, for who looks at the machine from outside.

The kernel knows threads by identifiers (THREAD_INFO). `nk trace` finds these records in the machine's memory by their
first bytes, and calls threads as they say. Nobody else reads them; a false one gains nothing but an odd picture.
"""

from neokernel.lang import Array, array, size_of, u8, u32, u64, wire

#: the first bytes of a record: 1, `nk-thread-name`, 0
NAME_MAGIC_LOW: u64 = 0x6572_6874_2D6B_6E01
NAME_MAGIC_HIGH: u64 = 0x0065_6D61_6E2D_6461

MAXIMUM_NAME = 24


@wire
class ThreadName:
    """`thread` is its identifier; `length` bytes of the text are used, UTF-8."""

    magic_low: u64
    magic_high: u64
    thread: u32
    length: u32
    text: Array[u8] = array(MAXIMUM_NAME)


assert size_of(ThreadName) == 48, "a name has 48 bytes"
