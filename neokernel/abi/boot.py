"""What the root process finds: its first capabilities, and a page that describes the rest.

The root thread starts with `a0` = address of the `BootInfo` page, mapped read-only, and `a1` = address of its buffer.
"""

from neokernel.abi.kinds import PAGE_SIZE
from neokernel.lang import Array, Embedded, array, size_of, struct, u32, u64

#: index of the root's table in itself; index 0 stays empty
OWN_TABLE = 1
#: index of its address space
OWN_SPACE = 2
#: index of its thread
OWN_THREAD = 3
#: index of its SchedContext
OWN_CONTEXT = 4
#: index of the frame that is its buffer
OWN_BUFFER = 5
#: index of the Processor
PROCESSOR = 6
#: index of the Platform
PLATFORM = 7
#: what follows: Memory, device memory, interrupts, a table of the archive's frames, each as `BootInfo` says
FIRST_DYNAMIC = 8

#: slots of the root's table
ROOT_SLOTS = 1024
#: where the root finds its BootInfo
BOOT_INFO_ADDRESS = 0x3F_0000_0000
#: where it finds its buffer
ROOT_BUFFER_ADDRESS = BOOT_INFO_ADDRESS + PAGE_SIZE
#: files of the boot image, mapped read-only, one after the other
ARCHIVE_ADDRESS = 0x3F_1000_0000
#: where its stack begins, downwards
ROOT_STACK_TOP = 0x3E_0000_0000
#: how many Memory capabilities a BootInfo describes
MAXIMUM_REGIONS = 96


@struct
class Region:
    """Physical memory behind a Memory capability."""

    #: its physical address
    base: u64 = 0
    #: in bytes
    size: u64 = 0
    #: the capability's index
    slot: u32 = 0
    #: 1 for devices
    device: u32 = 0


@struct
class BootInfo:
    #: what memory there is
    regions: Array[Embedded[Region]] = array(MAXIMUM_REGIONS)
    #: how many of the regions are in use
    region_count: u32 = 0
    #: the slot of line 1's Interrupt capability; those of the other lines follow
    interrupt_first: u32 = 0
    #: how many lines there are
    interrupt_count: u32 = 0
    #: the first slot that is free
    free_first: u32 = 0
    #: a CapTable with a Frame for each page of the archive, in order: READ and EXECUTE
    archive_table: u32 = 0
    #: bytes of a vector register, 0 if the processor has none
    vector_bytes: u32 = 0
    #: ticks in a second
    frequency: u64 = 0
    #: bytes of the archive, mapped at ARCHIVE_ADDRESS
    archive_size: u64 = 0
    #: where the device tree lies in the archive's mapping, behind the files
    tree_offset: u64 = 0
    #: in bytes
    tree_size: u64 = 0
    #: instructions that the kernel needed, from its entry to here (`instret`)
    boot_instructions: u64 = 0


assert size_of(BootInfo) <= PAGE_SIZE, "the description is one page"
