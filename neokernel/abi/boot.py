"""What the root process finds: its first capabilities, and a page that describes the rest.

The root thread starts with `a0` = address of the `BootInfo` page, mapped read-only, and `a1` = address of its buffer.
"""

from neokernel.abi.kinds import PAGE_SIZE
from neokernel.lang import Array, Embedded, array, size_of, struct, u32, u64

#: indices in the root's table (index 0 stays empty)
OWN_TABLE = 1
OWN_SPACE = 2
OWN_THREAD = 3
OWN_CONTEXT = 4
OWN_BUFFER = 5
PROCESSOR = 6
PLATFORM = 7
#: what follows: Memory, device memory, interrupts, a table of the archive's frames, each as `BootInfo` says
FIRST_DYNAMIC = 8

#: slots of the root's table
ROOT_SLOTS = 1024
#: where the root finds things
BOOT_INFO_ADDRESS = 0x3F_0000_0000
ROOT_BUFFER_ADDRESS = BOOT_INFO_ADDRESS + PAGE_SIZE
#: files of the boot image, mapped read-only, one after the other
ARCHIVE_ADDRESS = 0x3F_1000_0000
ROOT_STACK_TOP = 0x3E_0000_0000

MAXIMUM_REGIONS = 96


@struct
class Region:
    """Physical memory behind a Memory capability. `slot`: its index; `device`: 1 for devices."""

    base: u64 = 0
    size: u64 = 0
    slot: u32 = 0
    device: u32 = 0


@struct
class BootInfo:
    regions: Array[Embedded[Region]] = array(MAXIMUM_REGIONS)
    region_count: u32 = 0
    #: Interrupt capabilities of lines 1 … interrupt_count, in consecutive slots
    interrupt_first: u32 = 0
    interrupt_count: u32 = 0
    #: the first slot that is free
    free_first: u32 = 0
    #: a CapTable with a Frame for each page of the archive, in order: READ and EXECUTE
    archive_table: u32 = 0
    unused: u32 = 0
    #: ticks in a second
    frequency: u64 = 0
    archive_size: u64 = 0
    #: where the device tree lies in the archive's mapping, behind the files
    tree_offset: u64 = 0
    tree_size: u64 = 0
    #: instructions that the kernel needed, from its entry to here (`instret`)
    boot_instructions: u64 = 0


assert size_of(BootInfo) <= PAGE_SIZE, "the description is one page"
