"""The boot image's archive: programs as ELF files, with what loading them needs already read out of them.

    Header | File × count | Segment × segment_count | padding | contents, each from a page boundary on

The first file is the root program. Whoever loads a program needs no ELF parser: the segments of file i are
`first_segment` to `first_segment + segment_count - 1`. Segments don't share pages in memory, and lie in the archive as
they lie in memory: the page that holds the byte at `address` is the archive's page that holds the byte at `offset`. So
a page that isn't written can be mapped where it is; what follows a segment's bytes in its last page is zero.

All numbers are little-endian; unused bytes are zero.
"""

from neokernel.abi.kinds import PAGE_SIZE
from neokernel.lang import Array, array, size_of, u8, u32, u64, wire

#: "nkarchiv", as the bytes stand in memory
MAGIC: u64 = 0x7669_6863_7261_6B6E
NAME_SIZE = 48

#: Segment.flags, the bits of ELF's p_flags
EXECUTABLE = 1
WRITABLE = 2


@wire
class Header:
    """`size` counts all bytes of the archive, a multiple of the page size."""

    magic: u64
    size: u64
    count: u32
    segment_count: u32
    unused: u64


@wire
class File:
    """A file; `offset` is that of its first byte in the archive. `entry` is 0 if it is no program.

    The name is UTF-8, filled up with zeroes. A program's first thread starts at `entry`, the others at `thread_entry`.
    """

    name: Array[u8] = array(NAME_SIZE)
    offset: u64
    size: u64
    entry: u64
    thread_entry: u64
    first_segment: u32
    segment_count: u32
    #: 1 if the program computes with floats
    floats: u64


@wire
class Segment:
    """A part of a program: `file_size` bytes at `offset` in the archive, then zeroes up to `memory_size`.

    `address` and `offset` are page-aligned.
    """

    address: u64
    offset: u64
    file_size: u64
    memory_size: u64
    flags: u32
    unused: u32


assert size_of(Header) == 32, "no padding"
assert size_of(File) == 96, "no padding"
assert size_of(Segment) == 40, "no padding"
assert PAGE_SIZE % size_of(Header) == 0, "the table of files is aligned"
